"""Softens the picture of the cells on its way to the screen: from step to step, fades, slow motion, flashes.

It works on one pixel per cell. What a cell shows fills its whole square on the screen, so flashes are counted
there just as on the final pixels, at a thousandth of the cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nca_viewer.display.flashes import FIELD_AREA, FIELD_FRACTION, Field, FlashState, limited
from nca_viewer.interaction.geometry import Geometry

FADE_SECONDS = 0.8
"""From one episode to the next."""

SLOW_SECONDS = 0.35
"""With reduced motion: after so long a change has come to about two thirds of its size."""

CELL_AREA = 0.4 * FIELD_AREA
"""Part of a field of cells that may flash: less than the standard's quarter, for what lies over the cells."""


def field_of_cells(geometry: Geometry) -> Field:
    """What of the grid is seen within ten degrees."""
    height, width = (
        max(1, int(pixels * FIELD_FRACTION / geometry.cell_pixels))
        for pixels in (geometry.window_height, geometry.window_width)
    )
    return Field(height, width, CELL_AREA)


def blended(before: np.ndarray, after: np.ndarray, fraction: float) -> np.ndarray:
    """A picture on the way from one to the next, uint8[H, W, 3] like both; `fraction` is in [0, 1]."""
    if fraction >= 1.0:
        return after
    start = before.astype(np.float32)
    return np.rint(start + np.float32(fraction) * (after - start)).astype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """From step to step: the pictures at its ends, and what was shown last, uint8[H, W, 3] each."""

    before: np.ndarray
    after: np.ndarray
    shown: np.ndarray


class Transitions:
    """Follows the picture from frame to frame."""

    def __init__(
        self,
        *,
        fades: bool,
        slow: bool,
        limits_flashes: bool,
        on_limited: Callable[[float], None] = lambda now_seconds: None,
    ) -> None:
        """Show nothing yet.

        Args:
            fades: Cross-fade where another picture begins.
            slow: Let every change come gradually; fades too.
            limits_flashes: Hold back what would flash too often.
            on_limited: Is told the time whenever it does.
        """
        self._on_limited = on_limited
        self._fades = fades or slow
        self._slow = slow
        self._limits_flashes = limits_flashes
        self._scene: tuple[int, int] | None = None
        self._step = 0
        self._way: _Way | None = None
        self._seconds = 0.0
        self._old: np.ndarray | None = None
        self._fade_from: np.ndarray | None = None
        self._fade_since_seconds = 0.0
        self._is_fading: np.ndarray | None = None
        self._flashes: FlashState | None = None

    def show(
        self,
        image: np.ndarray,
        *,
        episode: int,
        step: int,
        view: int = 0,
        now_seconds: float,
        geometry: Geometry,
        touched: np.ndarray | None = None,
        fraction: float = 1.0,
    ) -> np.ndarray:
        """What is to be shown now in place of a picture.

        Args:
            image: uint8[H, W, 3], the picture of the cells.
            episode: Number of its episode. Where another one begins, or the same one anew, pictures do not
                follow from each other.
            step: Of the automaton, within the episode.
            view: Number of the view that it was made by; a change is like that of the episode.
            now_seconds: The time, never going back.
            geometry: Where the grid is in the window.
            touched: bool[H, W], where hands are; they see at once what they do.
            fraction: How much of the time until the next step is over, in [0, 1]: what the last step changed
                comes gradually meanwhile.

        Returns:
            uint8[H, W, 3].
        """
        scene, is_earlier = (episode, view), step < self._step
        is_other = scene != self._scene or is_earlier
        image = self._towards(image, fraction, touched, is_new_step=step != self._step, is_other=is_other)
        if not (self._fades or self._limits_flashes):
            self._scene, self._step = scene, step
            return image
        goal = image.astype(np.float32)
        if self._old is None or self._old.shape != goal.shape:
            self._old, self._fade_from, self._flashes = goal, None, None
        elif is_other and self._fades:
            self._fade_from, self._fade_since_seconds = self._old, now_seconds
            self._is_fading = np.ones(goal.shape[:2], bool)
        self._scene, self._step = scene, step
        elapsed, self._seconds = max(0.0, now_seconds - self._seconds), now_seconds
        goal = self._faded(goal, now_seconds, touched)
        if self._slow:
            part = np.full((*goal.shape[:2], 1), 1.0 - math.exp(-elapsed / SLOW_SECONDS), np.float32)
            if touched is not None:
                part[touched] = 1.0
            goal = self._old + part * (goal - self._old)
        self._old = goal
        result = np.rint(goal).astype(np.uint8)
        return self._limited(result, now_seconds, geometry) if self._limits_flashes else result

    def _towards(
        self,
        image: np.ndarray,
        fraction: float,
        touched: np.ndarray | None,
        *,
        is_new_step: bool,
        is_other: bool,
    ) -> np.ndarray:
        """Between the picture that was shown when a step was taken and the one that it made."""
        way = self._way
        if way is None or is_other or way.after.shape != image.shape:
            before = image
        elif is_new_step:
            before = way.shown if touched is None else np.where(touched[..., None], image, way.shown)
        elif image is way.after:
            before = way.before
        else:  # Within a step, only hands change cells.
            changed = (image != way.after).any(axis=-1, keepdims=True)
            before = np.where(changed, image, way.before)
        shown = blended(before, image, fraction)
        self._way = _Way(before, image, shown)
        return shown

    def _faded(self, goal: np.ndarray, now_seconds: float, touched: np.ndarray | None) -> np.ndarray:
        if self._fade_from is None or self._is_fading is None:
            return goal
        part = (now_seconds - self._fade_since_seconds) / FADE_SECONDS
        if part >= 1.0:
            self._fade_from = None
            return goal
        if touched is not None:
            self._is_fading = self._is_fading & ~touched
        weight = np.where(self._is_fading[..., None], np.float32(part * part * (3 - 2 * part)), np.float32(1))
        return self._fade_from + weight * (goal - self._fade_from)

    def _limited(self, image: np.ndarray, now_seconds: float, geometry: Geometry) -> np.ndarray:
        if self._flashes is None:
            self._flashes = FlashState.start(image)
            return image
        result, stopped = limited(self._flashes, image, now_seconds, field_of_cells(geometry))
        if stopped.any():
            self._on_limited(now_seconds)
        self._flashes = self._flashes.after(result, now_seconds)
        return result
