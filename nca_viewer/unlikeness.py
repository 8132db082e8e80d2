"""Is a picture to start from like those the automaton was trained on? Four measures that can be explained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nca_viewer.ink import numbered_patches, stroke_width

_TRAINED_CELLS = 28
"""Side of MNIST's images; larger grids are looked at in that resolution."""
_LEAST_CELLS = 20
"""On a smaller grid no digit has MNIST's measures."""
_SOME_INK = 0.1
_FULL_INK = 0.9
_PART_INK = 0.5


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of an image.

    Attributes:
        ink_share: Mean of all cells, of which 0 is paper and 1 is ink.
        grey_share: Part of the cells with any ink, more than 0.1, that are neither full, 0.9 or more.
        parts: Connected components, also over corners, of the cells with more than half ink.
        stroke_cells: Mean width of the strokes in cells, of a grid of 28: twice the area over the outline.
    """

    ink_share: float
    grey_share: float
    parts: int
    stroke_cells: float


LEAST = Measures(ink_share=0.0334, grey_share=0.1729, parts=1, stroke_cells=1.0884)
MOST = Measures(ink_share=0.3047, grey_share=0.9020, parts=4, stroke_cells=6.2601)
"""The 0.05th and the 99.95th percentile of each measure of the 60,000 training images of MNIST (by `measure`,
of the images as they are): of those images, and of the 10,000 test images, less than 1 % lie outside."""


def measure(image: NDArray[np.float32]) -> Measures:
    """Measure float32[H, W] in [0, 1], paper 0 and ink 1."""
    side = min(image.shape)
    if side > _TRAINED_CELLS:
        size = [max(1, round(length * _TRAINED_CELLS / side)) for length in reversed(image.shape)]
        image = np.asarray(Image.fromarray(image).resize((size[0], size[1]), Image.Resampling.BOX))
    some = int(np.sum(image > _SOME_INK))
    return Measures(
        ink_share=float(image.mean()),
        grey_share=float(np.sum((image > _SOME_INK) & (image < _FULL_INK))) / max(1, some),
        parts=int(np.max(numbered_patches(image > _PART_INK))),
        stroke_cells=stroke_width(image),
    )


def unlikeness(image: NDArray[np.float32]) -> str | None:
    """How an image differs from all handwritten digits, in a few words; None where it might be one.

    Args:
        image: float32[H, W, 1 or 3] in [0, 1], as episodes start from. Of colours and of small grids only
            what is blank is told.
    """
    if float(np.ptp(image)) == 0:
        return "it is blank"
    if image.shape[-1] != 1 or min(image.shape[:2]) < _LEAST_CELLS:
        return None
    found = measure(np.ascontiguousarray(image[..., 0]))
    if found.parts > MOST.parts:
        return f"it has {found.parts} separate parts, and digits have {MOST.parts} at most"
    if found.ink_share > MOST.ink_share:
        return f"ink covers {found.ink_share:.0%}, and {MOST.ink_share:.0%} at most in a digit"
    if found.ink_share < LEAST.ink_share:
        return f"ink covers {found.ink_share:.1%}, and {LEAST.ink_share:.1%} at least in a digit"
    if not LEAST.stroke_cells <= found.stroke_cells <= MOST.stroke_cells:
        return (
            f"its strokes are {found.stroke_cells:.1f} cells wide, and {LEAST.stroke_cells:.1f} to "
            f"{MOST.stroke_cells:.1f} in a digit"
        )
    if not LEAST.grey_share <= found.grey_share <= MOST.grey_share:
        return (
            f"{found.grey_share:.0%} of its ink is grey, and {LEAST.grey_share:.0%} to "
            f"{MOST.grey_share:.0%} in a digit"
        )
    return None
