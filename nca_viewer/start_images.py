"""Images to start from: the project's own digits, a blank page, or a picture file."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nca_viewer.errors import StartImageError, shown, shown_path

if TYPE_CHECKING:
    from nca_viewer.config import ModelConfig
    from nca_viewer.pictures import Picture

MAX_FILE_BYTES = 256 * 1024 * 1024


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


def open_start_image(source: Path | bytes) -> Picture:
    """Read a picture file, as far as it can be judged without a model.

    Args:
        source: The file, or the content of one that has no name.

    Raises:
        StartImageError: it is missing, not a picture, cut short, or too large, see `nca_viewer.pictures`.
    """
    from nca_viewer.ink import LONGEST_PIXELS
    from nca_viewer.pictures import PictureError, read_picture

    try:
        if isinstance(source, Path):
            source = source.expanduser()
        _require_size(source)
        return read_picture(source, longest_pixels=LONGEST_PIXELS)
    except RuntimeError as error:  # A home that is not.
        raise StartImageError(
            f"start image {str(source)[:80]!r} cannot be looked for: {error}; give a picture file"
        ) from error
    except PictureError as error:
        if isinstance(source, bytes):
            raise StartImageError(f"the picture {error}") from error
        remedy = "; give a picture file, or --start digit or blank" if "does not exist" in str(error) else ""
        raise StartImageError(f"start image {shown_path(source)} {error}{remedy}") from error


def _require_size(source: Path | bytes) -> None:
    if isinstance(source, bytes):
        name, size = "the picture", len(source)
    else:
        name = f"start image {shown(source.name, 90)}"
        try:
            status = os.stat(source)
        except (OSError, ValueError):
            return  # The reader tells it.
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    if size > MAX_FILE_BYTES:
        raise StartImageError(
            f"{name} has {size // 1024**2:,} MiB, more than {MAX_FILE_BYTES // 1024**2}; "
            "make it smaller first"
        )


def fit_start_image(picture: Picture, config: ModelConfig, *, as_is: bool = False) -> tuple[np.ndarray, str]:
    """Fit a picture to the grid.

    For a grey automaton it is normalised as MNIST's digits are, see `nca_viewer.ink`: it becomes luminance,
    dark ink on light paper is inverted, paper is 0 and ink 1, and the drawing is cropped, scaled and centred.
    For an RGB automaton, or `as_is`, it is scaled to fit whole and centred instead, and keeps its levels and
    colours; what it does not cover is 0.

    Args:
        picture: As from `open_start_image`.
        config: Gives the size of the grid and the number of visible channels.
        as_is: Do not normalise.

    Returns:
        float32[H, W, visible_channel_size] in [0, 1]; and what is to be told of it, or nothing.
    """
    from nca_viewer.ink import find_ink, place_ink
    from nca_viewer.pictures import decide, is_inverted, known_paper, levels

    is_grey = config.visible_channel_size == 1
    decision = decide([picture], is_grey=is_grey, as_is=as_is)
    is_dark = is_inverted(picture, decision)
    image = np.zeros(config.image_shape, np.float32)
    notes = []
    if is_grey and not as_is:
        values = levels(picture, replace(decision, is_inverted=False, as_is=True))[..., 0]
        ink = find_ink(values, is_dark=is_dark, paper=known_paper(picture, decision))
        if ink is not None:
            image[..., 0] = place_ink(ink, config.height, config.width)
            notes.append(f"{'dark ink inverted, ' if is_dark else ''}cropped and centred")
    else:
        image = _fitted_whole(levels(picture, decision), config)
    if np.min(image) == np.max(image):
        notes.append("blank, nothing stands out from its paper")
    if picture.is_animated:
        notes.append("first frame only")
    remedy = " (--start-as-is leaves it as it is)" if is_grey and not as_is else ""
    return image, f"{', '.join(notes)}{remedy}" if notes else ""


def _fitted_whole(values: np.ndarray, config: ModelConfig) -> np.ndarray:
    from PIL import Image

    height, width = values.shape[:2]
    scale = min(config.height / height, config.width / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pixels = np.rint(values * 255).astype(np.uint8)
    small = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    fitted = np.asarray(small.resize(size, Image.Resampling.LANCZOS), np.float32) / 255.0
    image = np.zeros(config.image_shape, np.float32)
    top, left = (config.height - size[1]) // 2, (config.width - size[0]) // 2
    image[top : top + size[1], left : left + size[0]] = fitted.reshape(size[1], size[0], -1)
    return image
