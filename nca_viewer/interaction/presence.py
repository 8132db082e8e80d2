"""Tells a visitor from a device that chatters. Plain Python; times are passed in."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

Pixel = tuple[int, int]

JITTER_PIXELS = 16
"""A pointer that stays within this distance for `_ANCHOR_SECONDS` is at rest, however it trembles."""

MAX_IDENTICAL_PRESSES = 40
"""After so many presses of the same thing in the same place, with nothing else between, it is taken for a
contact that chatters or a drop of water on the screen, until something else is pressed or it was quiet."""

QUIET_SECONDS = 30.0
"""Whatever is pressed after so long without a press is a person's."""

_ANCHOR_SECONDS = 1.0
_MOST_POINTERS = 64


@dataclass(slots=True)
class _Anchor:
    pixel: Pixel
    seconds: float


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
        self._last_press: tuple[Hashable, Pixel | None] = (None, None)
        self._identical_presses = 0
        self._press_seconds = 0.0

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
        last_device, last_pixel = self._last_press
        is_identical = device == last_device and (
            pixel is None or (last_pixel is not None and math.dist(pixel, last_pixel) <= JITTER_PIXELS)
        )
        quiet = self._now_seconds - self._press_seconds
        self._press_seconds = self._now_seconds
        if not is_identical or not 0 <= quiet < QUIET_SECONDS:
            self._last_press = (device, pixel)
            self._identical_presses = 0
        self._identical_presses += 1
        if self._identical_presses <= MAX_IDENTICAL_PRESSES:
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
