"""Pictures and animations as files; a file appears whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nca_viewer.errors import OutputError
from nca_viewer.whole_files import mode_at, output_file

SUFFIXES = (".png", ".gif")
_SHORTEST_GIF_DELAY_MILLISECONDS = 20


def enlarge(image: np.ndarray, cell_pixels: int) -> np.ndarray:
    """Give every cell a square of pixels: uint8[H, W, 3] to uint8[H * n, W * n, 3]."""
    return image.repeat(cell_pixels, axis=0).repeat(cell_pixels, axis=1)


def require_writable(path: Path) -> None:
    """Check, before any work is done, that a picture can be written under this name.

    Raises:
        OutputError: the format is unknown, or the folder is missing or closed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(
            f"cannot write {str(path)!r}: unknown format {path.suffix!r}; end the name in .png or .gif"
        )
    try:
        mode = mode_at(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {str(path)[:80]!r}: {error.strerror}; choose another name"
        ) from error
    if stat.S_ISDIR(mode):
        raise OutputError(f"cannot write {str(path)!r}: it is a folder; give a file name")
    require_folder(path.parent)


def require_folder(folder: Path) -> None:
    """Check that files can be written into a folder.

    Raises:
        OutputError: it is missing, not a folder, or closed.
    """
    try:
        mode = mode_at(folder)
    except OSError as error:
        raise OutputError(
            f"cannot use {str(folder)[:80]!r}: {error.strerror}; choose another folder"
        ) from error
    if not stat.S_ISDIR(mode):
        what = "is a file; choose a folder" if mode else "does not exist; create it or choose another"
        raise OutputError(f"the output folder {str(folder)!r} {what}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"no permission to write into {str(folder)!r}; choose another folder")


def write_png(path: Path, image: np.ndarray) -> None:
    """Write one picture.

    Args:
        path: Ends in .png.
        image: uint8[H, W, 3].

    Raises:
        OutputError: it could not be written; nothing is left behind.
    """
    from PIL import Image

    with output_file(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def write_gif(path: Path, images: Sequence[np.ndarray], cell_pixels: int, frames_per_second: float) -> None:
    """Write an animation that repeats for ever.

    GIF counts time in hundredths of a second and browsers slow down what is faster than 50 frames a second,
    so a frame is shown for at least 20 ms.

    Args:
        path: Ends in .gif.
        images: uint8[H, W, 3] each, one pixel per cell.
        cell_pixels: Side of a cell in the animation.
        frames_per_second: Intended rate.

    Raises:
        OutputError: it could not be written; nothing is left behind.
    """
    from PIL import Image

    delay = max(_SHORTEST_GIF_DELAY_MILLISECONDS, round(100 / frames_per_second) * 10)
    size = (images[0].shape[1] * cell_pixels, images[0].shape[0] * cell_pixels)
    is_grey = all((image[..., :1] == image).all() for image in images)

    def frame(image: np.ndarray) -> Image.Image:
        # Enlarged one by one as they are written, so that memory does not grow with their size.
        small = Image.fromarray(image[..., 0] if is_grey else image)
        return small.resize(size, Image.Resampling.NEAREST)

    with output_file(path) as temporary:
        frame(images[0]).save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=(frame(image) for image in images[1:]),
            duration=delay,
            loop=0,
        )
