"""Pictures and animations as files; a file appears whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nca_viewer.atomic_files import mode_at
from nca_viewer.errors import OutputError
from nca_viewer.image_files import require_suffix, write_gif, write_image
from nca_viewer.interaction.experimenting import told
from nca_viewer.version import PROGRAM, version

if TYPE_CHECKING:
    from nca_viewer.loading import Session
    from nca_viewer.snapshot import Snapshot

SUFFIXES = (".png", ".gif")


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a picture was made from; with the same options, the program makes it again.

    Attributes:
        version: Of the program.
        checkpoint: The checkpoint's name or directory.
        checkpoint_sha256: Digest of its manifest, see `CheckpointInfo.sha256`.
        seed: Of everything random.
        episode: Number of the episode.
        step: Steps since its start.
        view: Name of the view.
        experiments: What was changed about the automaton, in words; empty where nothing was.
    """

    version: str
    checkpoint: str
    checkpoint_sha256: str
    seed: int
    episode: int
    step: int
    view: str
    experiments: str = ""

    def text(self) -> dict[str, str]:
        """Keyword -> value, as in a PNG's tEXt chunks."""
        return {
            "Software": f"{PROGRAM} {self.version}",
            "Checkpoint": self.checkpoint,
            "Checkpoint SHA-256": self.checkpoint_sha256,
            "Seed": str(self.seed),
            "Episode": str(self.episode),
            "Step": str(self.step),
            "View": self.view,
            "Experiments": self.experiments or "none",
        }


def provenance_of(session: Session, snapshot: Snapshot, view: str) -> Provenance:
    """What a picture of a session's snapshot is made from; `view` is the name of what it shows."""
    return Provenance(
        version=version(),
        checkpoint=", ".join(shown.checkpoint or "in memory" for shown in session.shown),
        checkpoint_sha256=", ".join(shown.shown_sha256 for shown in session.shown),
        seed=session.simulation.seed,
        episode=snapshot.episode,
        step=snapshot.step,
        view=view,
        experiments=", ".join(told(session.simulation.experiments)),
    )


def dated_stem() -> str:
    """What the names of files that are saved now begin with."""
    return f"{PROGRAM}-{datetime.now():%Y%m%d-%H%M%S}"


def enlarge(image: np.ndarray, cell_pixels: int) -> np.ndarray:
    """Give every cell a square of pixels: uint8[H, W, 3] to uint8[H * n, W * n, 3]."""
    return image.repeat(cell_pixels, axis=0).repeat(cell_pixels, axis=1)


def require_writable(path: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Check, before any work is done, that a file can be written under this name.

    Raises:
        OutputError: the suffix is another, it is a device, or the folder is missing or closed.
    """
    require_suffix(path, suffixes)
    try:
        mode = mode_at(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {str(path)[:80]!r}: {error.strerror}; choose another name"
        ) from error
    if stat.S_ISDIR(mode):
        raise OutputError(f"cannot write {str(path)!r}: it is a folder; give a file name")
    if mode and not stat.S_ISREG(mode):
        raise OutputError(f"cannot write {str(path)!r}: it is a device or a pipe; give a file name")
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


def write_png(
    path: Path, image: np.ndarray, *, never_lost: bool = False, provenance: Provenance | None = None
) -> None:
    """Write one picture.

    Args:
        path: Ends in .png.
        image: uint8[H, W, 3].
        never_lost: As in `image_files.write_image`.
        provenance: What it was made from, for its metadata.

    Raises:
        OutputError: it could not be written; nothing is left behind.
    """
    from PIL import Image

    text = None if provenance is None else provenance.text()
    write_image(path, Image.fromarray(image), never_lost=never_lost, text=text)


def write_animation(
    path: Path, images: Sequence[np.ndarray], cell_pixels: int, frames_per_second: float
) -> None:
    """Write an animation that repeats for ever; where it cannot be written, in another place.

    Args:
        path: Ends in .gif.
        images: uint8[H, W, 3] each, one pixel per cell.
        cell_pixels: Side of a cell in the animation.
        frames_per_second: Intended rate; a GIF has 50 frames a second at most.

    Raises:
        OutputError: it could not be written; the message names where it was put instead.
    """
    delays_seconds = [1.0 / frames_per_second] * len(images)
    write_timed_animation(path, images, cell_pixels, delays_seconds, never_lost=True)


def write_timed_animation(
    path: Path,
    images: Sequence[np.ndarray],
    cell_pixels: int,
    delays_seconds: Sequence[float],
    *,
    fit: Callable[[np.ndarray], np.ndarray] = lambda image: image,
    never_lost: bool = False,
) -> None:
    """As `write_animation`, with a time for each image.

    Args:
        path: Ends in .gif.
        images: uint8[H, W, 3] each, one pixel per cell.
        cell_pixels: Side of a cell in the animation.
        delays_seconds: How long each image is shown.
        fit: Makes images of other sizes as large as the first, one by one as they are written.
        never_lost: As in `image_files.write_gif`.

    Raises:
        OutputError: it could not be written.
    """
    from PIL import Image

    height, width = fit(images[0]).shape[:2]
    size = (width * cell_pixels, height * cell_pixels)
    is_grey = all((image[..., :1] == image).all() for image in map(fit, images))

    def frame(image: np.ndarray) -> Image.Image:
        # Enlarged one by one as they are written, so that memory does not grow with their size.
        small = Image.fromarray(image[..., 0] if is_grey else image)
        return small.resize(size, Image.Resampling.NEAREST)

    write_gif(path, lambda: map(frame, map(fit, images)), delays_seconds, never_lost=never_lost)
