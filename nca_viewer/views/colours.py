"""Colour scales that the eye reads as quantities, also an eye that cannot tell red from green.

The space is OKLab (Ottosson 2020, bottosson.github.io/posts/oklab): equal distances look equal. Quantities
run from dark to light; where there are two signs, blue and orange tell them apart; directions have one
lightness.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nca_viewer.views.scene import Colour

NOT_A_NUMBER: Colour = (255, 0, 200)
"""Where a value is NaN or infinite; in no scale."""

_SCALE_SIZE = 256

_LMS_OF_OKLAB = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_RGB_OF_LMS = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def srgb_of_oklab(oklab: ArrayLike) -> NDArray[np.uint8]:
    """sRGB uint8[..., 3] of OKLab float[..., 3], clipped to what a screen can show."""
    linear = (np.asarray(oklab, np.float32) @ _LMS_OF_OKLAB.T.astype(np.float32)) ** 3
    linear = np.clip(linear @ _RGB_OF_LMS.T.astype(np.float32), 0.0, 1.0)
    curved = 1.055 * linear ** np.float32(1 / 2.4) - 0.055
    return np.rint(255 * np.where(linear <= 0.0031308, 12.92 * linear, curved)).astype(np.uint8)


def _interpolated(hex_colours: str) -> NDArray[np.uint8]:
    points = np.array([list(bytes.fromhex(colour)) for colour in hex_colours.split()], float)
    at = np.linspace(0, len(points) - 1, _SCALE_SIZE)
    channels = [np.interp(at, np.arange(len(points)), points[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def _two_sided() -> NDArray[np.uint8]:
    """From light blue over nearly black to light orange."""
    value = np.linspace(-1.0, 1.0, _SCALE_SIZE)[:, None]
    size = np.abs(value)
    hue = np.radians(np.where(value < 0, 245.0, 65.0))
    chroma = 0.125 * np.sin(np.pi / 2 * np.minimum(size * 1.3, 1.0))
    lightness = 0.19 + 0.63 * size
    return srgb_of_oklab(np.concatenate([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=-1))


VIRIDIS = _interpolated("440154 482475 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725")
"""Amounts, dark to light; control points of matplotlib's map of that name (van der Walt and Smith)."""
CIVIDIS = _interpolated("00224e 123570 3b496c 575d6d 707173 8a8678 a59c74 c3b369 e1cc55 fee838")
"""Amounts, the same to every eye; control points of the map of Nuñez, Anderton and Renslow (2018)."""
TWO_SIDED = _two_sided()
"""Signed values: negative blue, zero dark, positive orange."""

for _scale in (VIRIDIS, CIVIDIS, TWO_SIDED):
    _scale.flags.writeable = False


def coloured(
    values: NDArray[np.floating], low: float, high: float, scale: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Colours uint8[..., 3] of values: the scale's ends at and beyond `low` and `high`."""
    position = (np.asarray(values, np.float64) - low) * ((len(scale) - 1) / (high - low))
    finite = np.isfinite(position)
    if finite.all():
        return scale[np.clip(np.rint(position), 0, len(scale) - 1).astype(np.intp)]
    index = np.clip(np.rint(np.where(finite, position, 0.0)), 0, len(scale) - 1).astype(np.intp)
    return marked(scale[index], finite)


def marked(image: NDArray[np.uint8], finite: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The image uint8[..., 3] with `NOT_A_NUMBER` where a value is not finite."""
    return image if finite.all() else np.where(finite[..., None], image, np.array(NOT_A_NUMBER, np.uint8))


_DIRECTION_LIGHTNESS = 0.72
_DIRECTION_CHROMA = 0.12
"""The largest round one that a screen shows at this lightness in every hue."""


def direction_colours(rows: ArrayLike, columns: ArrayLike) -> NDArray[np.uint8]:
    """Colours uint8[..., 3] of directions: hue tells where to, saturation how far, lightness is the same.

    Right is yellow, left blue, up pink and down green; these are the axes of OKLab. Saturation grows with the
    root of the length, up to 1, so that slight leanings are seen; no direction is grey.

    Args:
        rows: Downwards, float[...].
        columns: To the right, float[...].
    """
    rows, columns = np.asarray(rows, np.float32), np.asarray(columns, np.float32)
    finite = np.isfinite(rows) & np.isfinite(columns)
    rows, columns = np.where(finite, rows, 0.0), np.where(finite, columns, 0.0)
    length = np.maximum(np.hypot(rows, columns), np.float32(1e-12))
    chroma = _DIRECTION_CHROMA * np.sqrt(np.minimum(length, 1.0)) / length
    lightness = np.full(rows.shape, _DIRECTION_LIGHTNESS)
    image = srgb_of_oklab(np.stack([lightness, -rows * chroma, columns * chroma], axis=-1))
    return marked(image, finite)


def round_limit(values: NDArray[np.floating], *, least: float = 1e-3, share: float = 0.995) -> float:
    """1, 2 or 5 times a power of ten, at least `least`, that this share of the values' sizes stays below.

    NaN and infinities do not count. A scale that ends there seldom changes while values do.
    """
    sizes = np.abs(values[np.isfinite(values)])
    if not sizes.size:
        return least
    place = min(int(share * sizes.size), sizes.size - 1)
    size = max(float(np.partition(sizes, place)[place]), least)
    power = 10.0 ** math.floor(math.log10(size))
    return next((step * power for step in (1.0, 2.0, 5.0) if size <= step * power * 1.0001), 10.0 * power)
