"""Ink on paper: found in one's own picture, and brought into the form of MNIST's digits.

As MNIST's makers did: paper is 0 and ink 1, the drawing is cropped, scaled with its aspect kept into a box
of 20 cells of a grid of 28, antialiased, and centred by its centre of mass. Paper may be grey and unevenly
lit, a scanner's rim and specks are left out, and a thin pen is thickened to the width of MNIST's strokes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Levels = NDArray[np.float32]

LONGEST_PIXELS = 1024
"""Pictures are looked at with at most this many pixels along a side."""

BOX_PART = 20 / 28
"""Part of the grid's side that the drawing fills."""

_COARSE_PIXELS = 128
_LAG = 4
"""Pixels so far apart have different noise, also in a JPEG, and the same light."""
_LEAST_NOISE = 0.5 / 255
_SUBCELLS = 8
_LEAST_STROKE_CELLS = 2.0
"""MNIST's strokes are 2.3 cells wide in the median, of a grid of 28."""
_LEAST_CONTRAST = 0.02
"""Less than this above the paper, 5 of 255, is none."""
_RIM_COVER = 0.6
"""Part of a side along which something dark is the scanner's rim rather than ink."""
_SIDE_COVER = 0.25
"""The same, where it is so along three sides: the rim of a page that lies askew."""
_LEAST_SIGNAL_TO_NOISE = 6.0
"""Less than this times the paper's noise is none of the ink."""
_LEAST_DETAILED_PIXELS = 64
_FAINT = (0.3, 0.8)
"""In a picture with so many pixels along a side, ink fainter than the first is none, as the lines of squared
paper; from the second on it is full."""
_SPECK_PART = 0.02
"""Patches with less than this part of the largest one's ink are specks."""


def ink_scores(values: Levels) -> tuple[float, float]:
    """How much in a picture is darker and how much is lighter than its paper.

    Args:
        values: float32[H, W].

    Returns:
        Two numbers from 0, both 0 where nothing stands out of the paper, as in noise or on an empty page.
    """
    residual, noise, _ = _above_paper(values, None)
    if noise:
        residual = residual - _plateaus(residual, 4 * noise) + _plateaus(-residual, 4 * noise)
        noise = max(noise, _spread(residual))
    limit = max(5 * noise, _LEAST_CONTRAST)
    if noise and np.mean(np.abs(residual) <= limit) < 0.3:
        return 0.0, 0.0
    return (
        float(np.sum(np.square(residual[residual < -limit]))) / values.size,
        float(np.sum(np.square(residual[residual > limit]))) / values.size,
    )


def find_ink(values: Levels, *, is_dark: bool = False, paper: float | None = None) -> Levels | None:
    """The ink of a drawing, without its paper, rim and specks.

    Args:
        values: float32[H, W] in [0, 1].
        is_dark: Whether the ink is darker than the paper.
        paper: The level of the paper, where it is known.

    Returns:
        float32[h, w] in [0, 1], cropped; paper is exactly 0. None where there is no ink.
    """
    residual, noise, page = _above_paper(values, paper)
    residual = -residual if is_dark else residual
    if noise:
        bright = -page if is_dark else page
        residual = bright - _opened(bright)
        noise = max(noise, _spread(residual))
    limit = max(4 * noise, 1.5 / 255)
    strong = residual[residual > max(limit, _LEAST_CONTRAST)]
    if not strong.size:
        return None
    strong = strong[strong > 0.3 * np.percentile(strong, 99)]
    is_detailed = max(values.shape) >= _LEAST_DETAILED_PIXELS
    full = float(np.percentile(strong, 75 if is_detailed else 95))
    if full < _LEAST_SIGNAL_TO_NOISE * noise:
        return None
    ink = np.where(residual > limit, np.clip(residual / full, 0, 1), 0).astype(np.float32)
    if is_detailed:
        ink = np.clip((ink - _FAINT[0]) / (_FAINT[1] - _FAINT[0]), 0, 1)
    ink *= _without_specks(ink)
    is_seen = ink > (0.15 if noise else 0)
    if not is_seen.any():
        return None
    rows, columns = np.flatnonzero(is_seen.any(axis=1)), np.flatnonzero(is_seen.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def place_ink(ink: Levels, height: int, width: int) -> Levels:
    """Fit cropped ink into a grid as MNIST's digits are.

    Args:
        ink: float32[h, w] in [0, 1], as from `find_ink`.
        height: Rows of the grid, in cells.
        width: Columns of the grid, in cells.

    Returns:
        float32[height, width] in [0, 1].
    """
    box = max(1, round(height * BOX_PART)), max(1, round(width * BOX_PART))
    cells = ink
    scale = min(box[0] / ink.shape[0], box[1] / ink.shape[1])
    if scale != 1:
        cells = _scaled(ink, scale, box)
    if 0 < (highest := np.max(cells)) < 0.95:
        cells = cells / highest
    mass = cells.sum()
    centre = (
        cells.sum(axis=1) @ np.arange(len(cells)) / mass,
        cells.sum(axis=0) @ np.arange(cells.shape[1]) / mass,
    )
    top = min(max(round(height / 2 - float(centre[0])), 0), height - cells.shape[0])
    left = min(max(round(width / 2 - float(centre[1])), 0), width - cells.shape[1])
    grid = np.zeros((height, width), np.float32)
    grid[top : top + cells.shape[0], left : left + cells.shape[1]] = cells
    return grid


# ---- paper ----


def _above_paper(values: Levels, paper: float | None) -> tuple[Levels, float, Levels]:
    """What is lighter (darker, if negative) than the paper; its noise, 0 if flat; the picture without rim."""
    if paper is not None:
        return values - np.float32(paper), 0.0, values
    coarse, flat = _reduced(values), _flat_paper(values)
    surface = (
        _smooth_paper(coarse, np.ones(coarse.shape, bool)) if flat is None else np.full_like(coarse, flat)
    )
    is_rim = _rim(coarse - surface)
    if is_rim.any() and flat is None:
        surface = _smooth_paper(coarse, ~is_rim)
    surface = _enlarged(surface, values.shape)
    page = np.where(_enlarged(is_rim.astype(np.float32), values.shape) > 0, surface, values)
    residual = page - surface
    if flat is not None:
        return residual, 0.0, page
    grain = _spread(residual[:, _LAG:] - residual[:, :-_LAG]) / math.sqrt(2)
    return residual, max(_LEAST_NOISE, grain), page


def _spread(values: Levels) -> float:
    """The standard deviation of what is mostly normal."""
    return 1.4826 * float(np.median(np.abs(values))) if values.size else 0.0


def _flat_paper(values: Levels) -> float | None:
    """The level of paper that is the same everywhere, as in what was drawn on a computer."""
    bins = np.rint(values * 255).clip(0, 255).astype(np.int64)
    shares = np.convolve(np.bincount(bins.ravel(), minlength=256) / values.size, np.ones(3), "same")
    level = int(np.argmax(shares))
    beside = sum(shares[other] for other in (level - 3, level + 3) if 0 <= other < 256)
    if shares[level] < 0.4 or beside > 0.1:
        return None  # No level stands out, or it has noise.
    border = np.concatenate([bins[0], bins[-1], bins[:, 0], bins[:, -1]])
    at_border = int(np.argmax(np.bincount(border, minlength=256)))
    cover = float(np.mean(np.abs(border - at_border) <= 1))
    # A large dark shape on light paper; a dark border of light paper may be the scanner's.
    if (at_border > level + 10 and cover > 0.8) or (shares[at_border] >= 0.3 and cover > 0.5):
        level = at_border
    return float(np.median(values[np.abs(bins - level) <= 1]))


def _smooth_paper(coarse: Levels, counts: NDArray[np.bool_]) -> Levels:
    """The brightness of the paper below the ink: a quadratic surface that most pixels are near."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in coarse.shape), indexing="ij")
    terms = np.stack([x**i * y**j for i in range(3) for j in range(3 - i)], axis=-1)
    design, target = terms[counts], coarse[counts].astype(np.float64)
    weights = np.ones(len(target))
    for round_number in range(20):
        weighted = design * weights[:, None]
        solution = np.linalg.lstsq(weighted.T @ design, weighted.T @ target, rcond=None)[0]
        distance = np.abs(target - design @ solution)
        if round_number < 15:  # Least absolute deviations, then least squares of what is near.
            weights = 1 / np.maximum(distance, 0.004)
        else:
            weights = (distance <= 4 * np.median(distance) + 0.004).astype(float)
    return (terms @ solution).astype(np.float32)


def _rim(residual: Levels) -> NDArray[np.bool_]:
    """Where the scanner's rim is: a patch along a side, far from the paper, where there is other ink."""
    none = np.zeros(residual.shape, bool)
    largest = float(np.abs(residual).max())
    if largest < 0.15 or min(residual.shape) < 8:
        return none
    is_rim = none.copy()
    covers = []
    for side in (residual > 0.35 * largest, residual < -0.35 * largest):
        patches = numbered_patches(side)
        for edge in (patches[0], patches[-1], patches[:, 0], patches[:, -1]):
            number = int(np.argmax(np.bincount(edge, weights=edge > 0)))
            covers.append((float(np.mean(edge == number)) if number else 0.0, patches == number))
    is_askew = sum(cover >= _SIDE_COVER for cover, _ in covers) >= 3
    for cover, patch in covers:
        if cover >= (_SIDE_COVER if is_askew else _RIM_COVER):
            is_rim |= patch
    if not is_rim.any():
        return none
    is_rim = _grown(is_rim, 2)
    rest = np.abs(residual[~is_rim])
    if not rest.size or rest.max() < max(0.04, 6 * float(np.median(rest))):
        return none
    return is_rim


def _opened(residual: Levels) -> Levels:
    """A picture without what is light and narrower than a quarter of it: paper in light and shadow."""
    reach = max(4, min(residual.shape) // 8)
    padded = np.pad(residual, reach, mode="reflect", reflect_type="odd")
    opened = ndimage.grey_opening(padded, 2 * reach + 1, mode="nearest")[reach:-reach, reach:-reach]
    return opened + np.median(residual - opened)  # It is the lower edge of the noise.


def _plateaus(residual: Levels, limit: float) -> Levels:
    """What of that is lighter and reaches the border, as what is beyond a shadow's edge."""
    opened = _opened(residual)
    patches = numbered_patches(_reduced(opened) > limit)
    at_border = np.unique(np.concatenate([patches[0], patches[-1], patches[:, 0], patches[:, -1]]))
    reaches = _grown(np.isin(patches, at_border[at_border > 0]), 1)
    return np.where(_enlarged(reaches.astype(np.float32), residual.shape) > 0, opened, 0)


def _largest(values: Levels, reach: int) -> Levels:
    """The largest value within a square around each pixel."""
    return ndimage.maximum_filter(values, 2 * reach + 1, mode="nearest")


# ---- patches ----


def _without_specks(ink: Levels) -> NDArray[np.bool_]:
    """Where ink belongs to a patch large enough."""
    factor = _factor(ink.shape)
    blocks = _blocks(ink, factor)
    patches = numbered_patches(blocks.max(axis=(1, 3)) > 0)
    masses = np.bincount(patches.ravel(), weights=blocks.sum(axis=(1, 3)).ravel())
    masses[0] = 0
    kept = (masses >= _SPECK_PART * np.max(masses))[patches] & (patches > 0)
    return kept.repeat(factor, 0).repeat(factor, 1)[: ink.shape[0], : ink.shape[1]]


def numbered_patches(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number of the connected patch, also over corners, from 1, at each pixel of a mask; 0 outside."""
    patches: NDArray[np.int32] = ndimage.label(mask, np.ones((3, 3)))[0]
    return patches


def _grown(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    return _largest(mask.astype(np.float32), reach) > 0


# ---- sizes ----


def _factor(shape: tuple[int, ...]) -> int:
    return -(-max(shape) // _COARSE_PIXELS)


def _reduced(values: Levels) -> Levels:
    factor = _factor(values.shape)
    return values if factor == 1 else np.asarray(Image.fromarray(values).reduce(factor))


def _enlarged(values: Levels, shape: tuple[int, ...]) -> Levels:
    """Coarse values at every pixel of a picture."""
    if values.shape == shape:
        return values
    return np.asarray(
        Image.fromarray(values.astype(np.float32)).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    )


def _blocks(values: Levels, factor: int) -> Levels:
    """float32[rows, factor, columns, factor], padded with zeros."""
    padded = np.pad(values, [(0, -side % factor) for side in values.shape])
    return padded.reshape(padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)


def _scaled(ink: Levels, scale: float, box: tuple[int, int]) -> Levels:
    """Ink scaled to fit a box in cells, antialiased, with strokes that are wide enough."""
    fine = scale * _SUBCELLS
    stroke = stroke_width(ink) * fine
    least = _LEAST_STROKE_CELLS * _SUBCELLS * min(box) / 20
    reach = max(0.0, (least - stroke) / 2)
    # The thicker stroke must fit into the box too.
    longest = max(ink.shape) * fine
    fine *= max(0.25, (longest - 2 * reach) / longest)
    subcells = _resampled(ink, fine, keep_thin=reach > 0)
    if reach > 0:
        subcells = _thickened(subcells, reach)
    rows, columns = box[0] * _SUBCELLS, box[1] * _SUBCELLS
    subcells = subcells[:rows, :columns]
    margins = [(-side % _SUBCELLS) // 2 for side in subcells.shape]
    padded = np.pad(subcells, [(margin, 0) for margin in margins])
    return _blocks(padded, _SUBCELLS).mean(axis=(1, 3)).astype(np.float32)


def _resampled(ink: Levels, scale: float, *, keep_thin: bool) -> Levels:
    if keep_thin and scale < 1:
        ink = _largest(ink, math.ceil(0.5 / scale - 0.5))
    size = max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale))
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(ink).resize(size, method)).clip(0, 1)


def stroke_width(ink: Levels) -> float:
    """The mean width of the strokes in pixels: twice the area over the length of the outline."""
    mask = np.pad(ink > 0.5, 1).astype(np.int8)
    area = float(mask.sum())
    if not area:
        return 0.0
    outline = sum(float(np.abs(np.diff(mask, axis=axis)).sum()) for axis in (0, 1))
    return 2 * area / (outline * math.pi / 4)


def _thickened(ink: Levels, reach: float) -> Levels:
    """Ink with a round brush of this radius along it; larger by it on every side."""
    margin = math.ceil(reach)
    padded = np.pad(ink, margin)
    offsets = range(-margin, margin + 1)
    result = padded.copy()
    height = len(padded)
    for row in offsets:
        half = math.isqrt(max(0, math.floor(reach * reach) - row * row)) if abs(row) <= reach else -1
        if half < 0:
            continue
        line = ndimage.maximum_filter1d(padded, 2 * half + 1, mode="constant")
        source = line[max(0, -row) : height - max(0, row)]
        target = result[max(0, row) : height - max(0, -row)]
        np.maximum(target, source, out=target)
    return result
