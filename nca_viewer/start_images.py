"""Images to start from: the project's own digits, a blank page, or a picture file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nca_viewer.errors import StartImageError

if TYPE_CHECKING:
    from PIL.Image import Image

    from nca_viewer.config import ModelConfig

MAX_START_IMAGE_PIXELS = 50_000_000


class StartImages:
    """Draws the images that episodes start from; the same seed and episode give the same image."""

    def __init__(self, config: ModelConfig, seed: int) -> None:
        """Draw for one automaton.

        Args:
            config: Gives the size of the grid and the number of visible channels.
            seed: Of the digits' shapes.
        """
        self._config = config
        self._seed = seed

    def digit(self, digit: int | None, episode: int) -> np.ndarray:
        """A handwritten digit.

        Args:
            digit: 0 to 9; None chooses one at random.
            episode: Each has its own handwriting.

        Returns:
            float32[H, W, visible_channel_size] in [0, 1].
        """
        from nca_viewer.handwriting import draw_digit

        config = self._config
        generator = np.random.default_rng([self._seed, episode])
        chosen = int(generator.integers(10)) if digit is None else digit
        ink = draw_digit(chosen, generator, config.height, config.width)
        return np.repeat(ink[..., None], config.visible_channel_size, axis=-1).astype(np.float32)

    def blank(self) -> np.ndarray:
        """Nothing but paper: float32[H, W, visible_channel_size] zeros."""
        return np.zeros(self._config.image_shape, np.float32)


def open_start_image(path: Path) -> Image:
    """Read a picture file, as far as it can be judged without a model.

    Transparent parts are laid on white.

    Raises:
        StartImageError: it is missing, not a picture, cut short, or larger than
            `MAX_START_IMAGE_PIXELS`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        path = path.expanduser()
        exists, is_file = path.exists(), path.is_file()
    except (OSError, RuntimeError) as error:  # a name too long, a home that is not
        reason = getattr(error, "strerror", None) or error
        raise StartImageError(
            f"start image {str(path)[:80]!r} cannot be looked for: {reason}; give a picture file"
        ) from error
    if not exists:
        raise StartImageError(
            f"start image {str(path)!r} does not exist; give a picture file, or --start digit or blank"
        )
    if not is_file:
        raise StartImageError(f"start image {str(path)!r} is not a file; give a picture file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as picture:
                pixels = picture.width * picture.height
                if pixels > MAX_START_IMAGE_PIXELS:
                    raise _too_large(path, f"{picture.width} x {picture.height} pixels")
                picture.load()
                upright = ImageOps.exif_transpose(picture)
                if upright.mode[0] in "IF":
                    upright = Image.fromarray(_as_bytes(np.asarray(upright)))
                layer = upright.convert("RGBA")
                paper = Image.new("RGBA", layer.size, "white")
                return Image.alpha_composite(paper, layer).convert("RGB")
    except Image.DecompressionBombError as error:
        raise _too_large(path, "far too many pixels") from error
    except UnidentifiedImageError as error:
        raise StartImageError(
            f"start image {str(path)!r} is not a picture that can be read; use PNG, JPEG, GIF or BMP"
        ) from error
    except StartImageError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files.
        raise StartImageError(
            f"start image {str(path)!r} cannot be read: {_first_line(error)}; it may be damaged"
        ) from error


def fit_start_image(picture: Image, config: ModelConfig) -> np.ndarray:
    """Fit a picture to the grid.

    It is scaled to fit whole and centred; what it does not cover is paper. For a grey automaton it becomes
    luminance, and a picture whose border is bright (dark ink on light paper) is inverted, since ink is 1. For
    an RGB automaton the colours stay as they are.

    Args:
        picture: RGB, as from `open_start_image`.
        config: Gives the size of the grid and the number of visible channels.

    Returns:
        float32[H, W, visible_channel_size] in [0, 1].
    """
    from PIL import Image

    scale = min(config.height / picture.height, config.width / picture.width)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    is_grey = config.visible_channel_size == 1
    small = picture.convert("L" if is_grey else "RGB").resize(size, Image.Resampling.LANCZOS)
    values = np.asarray(small, np.float32) / 255.0
    if is_grey:
        border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
        if np.median(border) > 0.5:
            values = 1.0 - values
        values = values[..., None]
    image = np.zeros(config.image_shape, np.float32)
    top = (config.height - values.shape[0]) // 2
    left = (config.width - values.shape[1]) // 2
    image[top : top + values.shape[0], left : left + values.shape[1]] = values
    return image


def _as_bytes(values: np.ndarray) -> np.ndarray:
    """Grey values with more than eight bits as uint8.

    Sixteen bits are the whole of their range. Other numbers do not tell theirs: it is taken to be the
    smallest usual one that they fit into, 1 (of fractions), 255 or 65,535, else up to their maximum.
    """
    is_sixteen_bits = values.dtype.kind == "u" and values.dtype.itemsize == 2
    usual = [65535.0] if is_sixteen_bits else [255.0, 65535.0]
    if values.dtype.kind == "f":
        usual.insert(0, 1.0)
    numbers = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(min=0.0)
    highest = float(numbers.max())
    white = next((limit for limit in usual if highest <= limit), highest)
    return np.rint(numbers * (255.0 / white)).astype(np.uint8)


def _too_large(path: Path, size: str) -> StartImageError:
    return StartImageError(
        f"start image {str(path)!r} has {size}, more than {MAX_START_IMAGE_PIXELS:,}; make it smaller first"
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
