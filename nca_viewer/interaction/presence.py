"""Tells a visitor from a device that chatters. Plain Python; times are passed in."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

Pixel = tuple[int, int]

JITTER_PIXELS = 16
"""A pointer that stays within this distance for `_ANCHOR_SECONDS` is at rest, however it trembles."""

MAX_RAPID_PRESSES = 40
"""So many presses of the same thing in the same place, faster than `RAPID_PER_SECOND`, are a contact that
chatters."""

RAPID_PER_SECOND = 12.0
"""Faster than a person presses for long."""

MAX_RUN_SECONDS = 180.0
"""Whoever presses the same thing in the same place for longer than this is taken for a drop of water on the
screen, whatever else is pressed meanwhile."""

QUIET_SECONDS = 30.0
"""What was not pressed for so long and now is, a person presses."""

_ANCHOR_SECONDS = 1.0
_MOST_POINTERS = 64


_MOST_RUNS = 64


@dataclass(slots=True)
class _Anchor:
    pixel: Pixel
    seconds: float


@dataclass(slots=True)
class _Run:
    """Presses of one device in one place that follow each other."""

    device: Hashable
    pixel: Pixel | None
    begin_seconds: float
    last_seconds: float
    presses: int = 0

    def is_of(self, device: Hashable, pixel: Pixel | None) -> bool:
        if device != self.device or (pixel is None) != (self.pixel is None):
            return False
        return pixel is None or self.pixel is None or math.dist(pixel, self.pixel) <= JITTER_PIXELS

    @property
    def is_chatter(self) -> bool:
        seconds = self.last_seconds - self.begin_seconds
        is_rapid = self.presses > MAX_RAPID_PRESSES and self.presses > RAPID_PER_SECOND * seconds
        return is_rapid or seconds > MAX_RUN_SECONDS


class Presence:
    """Collects what speaks for a person, from frame to frame.

    Attributes:
        is_acting: Whether a person did something since the frame began.
    """

    def __init__(self) -> None:
        """Nobody was here yet."""
        self.is_acting = False
        self._now_seconds = 0.0
        self._anchors: dict[Hashable, _Anchor] = {}
        self._runs: list[_Run] = []

    def begin_frame(self, now_seconds: float) -> None:
        """A frame begins, and nobody has done anything in it."""
        self.is_acting = False
        self._now_seconds = now_seconds

    def press(self, device: Hashable, pixel: Pixel | None = None) -> None:
        """A key, a button or a finger went down.

        Args:
            device: Which; two fingers are the same device.
            pixel: Where, if it has a place.
        """
        now = self._now_seconds
        self._runs = [run for run in self._runs if 0 <= now - run.last_seconds < QUIET_SECONDS]
        run = next((run for run in self._runs if run.is_of(device, pixel)), None)
        if run is None:
            run = _Run(device, pixel, begin_seconds=now, last_seconds=now)
            self._runs = [*self._runs[-_MOST_RUNS + 1 :], run]
        run.last_seconds = now
        run.presses += 1
        if not run.is_chatter:
            self.is_acting = True

    def move(self, pointer: Hashable, pixel: Pixel) -> None:
        """A pointer is somewhere; it speaks for a person once it is clearly somewhere else than before."""
        anchor = self._anchors.get(pointer)
        if anchor is None:
            if len(self._anchors) >= _MOST_POINTERS:
                self._anchors.clear()
            self._anchors[pointer] = _Anchor(pixel, self._now_seconds)
        elif math.dist(pixel, anchor.pixel) > JITTER_PIXELS:
            self.is_acting = True
            self._anchors[pointer] = _Anchor(pixel, self._now_seconds)
        elif not 0 <= self._now_seconds - anchor.seconds < _ANCHOR_SECONDS:
            # A slow drift never adds up.
            self._anchors[pointer] = _Anchor(pixel, self._now_seconds)

    def leave(self, pointer: Hashable) -> None:
        """A pointer is gone."""
        self._anchors.pop(pointer, None)
