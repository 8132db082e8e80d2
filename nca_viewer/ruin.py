"""Whether a page can still come back, or is ruined: judged from snapshot to snapshot. No clock inside."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nca_viewer.health import ink_of
from nca_viewer.snapshot import Snapshot

STILL_STEPS = 32
"""A picture that is the same for so many steps has settled."""

STILL_ERROR = 0.03
"""Root mean square difference up to which two pictures, values in [0, 1], are the same."""

UNSETTLED_STEPS = 300
"""A picture that still changes so many steps after the last hand does not settle any more. A digit that forms
and damage of radius 4 that heals need about a hundred."""

_GREY = (0.2, 0.8)
_MOST_GREY = 0.11
"""Part of the cells. Clean digits of the bundled automata have 0.06 and never above 0.10, healed and painted
ones no more; pages that were scrambled or swept had 0.12 to 0.37 in a `model` whose cells did not wait."""
_GREY_TO_INK = 2.0
"""Clean digits, healed ones too, have at most 1.9 grey cells for each that is ink; what is ruined has 100."""

_LEAST_INK_LEFT = 0.1
"""Part of the ink that the episode began with. Pages of the bundled `model` that were wiped with the eraser
keep at most 0.07 of it; those that have healed after discs of radius 8 or 10 in the middle were erased have
at least 0.40."""
_MOST_GREY_TO_INK = 4.0
"""What has more grey cells for each that is ink was no drawing in ink; digits have at most 3."""


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """What has become of a page until now.

    Attributes:
        episode: Number of the episode.
        step: Of the last snapshot.
        hand_step: Since when no hand was on the cells.
        still_step: Since when the picture has been the same.
        still_image: uint8[H, W, 3], what it was then.
        is_moving: Whether it changed as quickly as one that settles or heals, when it last did.
        is_ruined: Whether it cannot come back: it has settled on nothing that means anything, has lost its
            ink, or does not settle.
    """

    episode: int
    step: int
    hand_step: int
    still_step: int
    still_image: np.ndarray
    is_moving: bool = False
    is_ruined: bool = False


def follow_page(page: Page | None, snapshot: Snapshot, *, is_touched: bool) -> Page:
    """Look at the next snapshot.

    Args:
        page: Until now; None at first.
        snapshot: Of this frame.
        is_touched: Whether a hand was on the cells in this frame.

    Returns:
        What to pass in next time.
    """
    step, image = snapshot.step, snapshot.image
    if (
        page is None
        or is_touched
        or snapshot.episode != page.episode
        or step < page.step
        or image.shape != page.still_image.shape
    ):
        return Page(snapshot.episode, step, step, step, image)
    if step == page.step:
        return page
    page = replace(page, step=step)
    if _difference(image, page.still_image) > STILL_ERROR:
        # A slow drift is rest, too; and of what moved between two looks far apart, nobody knows.
        is_moving = step - page.still_step < STILL_STEPS
        page = replace(page, still_step=step, still_image=image, is_moving=is_moving)
    if step - page.still_step >= STILL_STEPS:
        is_lost = is_garbage(image, snapshot.clean) or is_emptied(image, snapshot.clean)
        return replace(page, is_ruined=is_lost)
    is_restless = page.is_moving and step - page.hand_step >= UNSETTLED_STEPS
    # Garbage that drifts is garbage still.
    is_lost = page.is_ruined and is_garbage(image, snapshot.clean)
    return replace(page, is_ruined=is_lost or is_restless)


def is_garbage(image: np.ndarray, clean: np.ndarray | None = None) -> bool:
    """Whether a picture that has settled means nothing: far more grey than a digit has, and hardly any ink.

    Args:
        image: uint8[H, W, 3]; one in colours is never taken for garbage.
        clean: The picture that the episode began from; where that is grey, grey is what is wanted.
    """
    if (image != image[..., :1]).any():
        return False
    grey, ink = _shares(image)
    most = _MOST_GREY if clean is None else max(_MOST_GREY, 2.0 * _shares(clean)[0])
    return grey > most and grey > _GREY_TO_INK * ink


def is_emptied(image: np.ndarray, clean: np.ndarray | None) -> bool:
    """Whether a picture that has settled has hardly any ink left of that which its episode began with.

    A wiped page may keep specks and smears; of a picture in greys all must be gone.

    Args:
        image: uint8[H, W, 3].
        clean: The picture that the episode began from; None where it began blank, which is no loss.
    """
    if clean is None or not _has_ink(clean):
        return False
    grey, ink = _shares(clean)
    if grey > _MOST_GREY_TO_INK * ink:
        return not _has_ink(image)
    return _shares(image)[1] < _LEAST_INK_LEFT * ink


def _has_ink(image: np.ndarray) -> bool:
    """Whether any cell is at least grey; an emptied page keeps a haze of up to a twentieth."""
    return bool((ink_of(image) > 255 * _GREY[0]).any())


def _shares(image: np.ndarray) -> tuple[float, float]:
    """Which part of the cells is grey, and which is ink."""
    values = ink_of(image) / 255.0
    low, high = _GREY
    return float(((values > low) & (values < high)).mean()), float((values >= high).mean())


def _difference(image: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(image.astype(np.float32) - other)))) / 255.0
