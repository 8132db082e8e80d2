"""Fingers: each draws with the selected tool, or presses a target.

A touch that was reported as a mouse button first takes the button's stroke over and begins none. A finger
that has reported no motion of its own, and is the only one, follows the mouse's: some screens report nothing
else. After everything was let go, a finger that moves by more than a tremble has proved that it is there.
"""

from __future__ import annotations

import math

import pygame
from pygame.event import Event

from nca_viewer.interaction.actions import Action
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.pointers import BUTTON, FINGER, Pixel, PointerName, Pointers
from nca_viewer.interaction.touch_duplicates import TouchDuplicates, is_near

EVENTS = frozenset({pygame.FINGERDOWN, pygame.FINGERMOTION, pygame.FINGERUP})

_STILL_PART = 1 / 25
"""A finger of the operator's hold may stray by this part of the window's shorter side."""
_HOLDING_FINGERS = 4


class Touch:
    """Turns fingers' events into actions."""

    def __init__(self, pointers: Pointers, duplicates: TouchDuplicates) -> None:
        """No finger is down.

        Args:
            pointers: Where fingers are kept.
            duplicates: Tells a touch that is reported as a button, too.
        """
        self._pointers = pointers
        self._duplicates = duplicates
        self._released: dict[PointerName, Pixel] = {}
        self._still_pixels = 0.0

    def begin_frame(self, geometry: Geometry) -> None:
        """Another frame, of a window that may have another size."""
        self._still_pixels = _STILL_PART * min(geometry.window_width, geometry.window_height)

    @property
    def are_four_at_rest(self) -> bool:
        """Whether exactly four fingers are down, all of them about where they came down."""
        fingers = [self._pointers.pressed[name] for name in self._pointers.names(FINGER)]
        return len(fingers) == _HOLDING_FINGERS and all(
            math.dist(finger.start, finger.pixel) <= self._still_pixels for finger in fingers
        )

    @property
    def has_lone_silent_finger(self) -> bool:
        """Whether one finger is down and has reported no motion of its own."""
        return self._lone_silent_finger() is not None

    def is_finger_near(self, pixel: Pixel) -> bool:
        """Whether a finger is down at about a window pixel (x, y)."""
        return any(
            is_near(self._pointers.pressed[name].pixel, pixel) for name in self._pointers.names(FINGER)
        )

    def read(self, event: Event, geometry: Geometry) -> list[Action]:
        """What one of `EVENTS` does."""
        name = (FINGER, getattr(event, "touch_id", 0), event.finger_id)
        pixel = (
            math.floor(event.x * geometry.window_width),
            math.floor(event.y * geometry.window_height),
        )
        if event.type == pygame.FINGERDOWN:
            self._released.pop(name, None)
            return self._down(name, pixel, geometry)
        if event.type == pygame.FINGERMOTION:
            return self._move(name, pixel, geometry)
        self._released.pop(name, None)
        if name in self._pointers.pressed:
            self._duplicates.note("finger", pixel)
        return self._pointers.release(name, pixel, geometry)

    def stand_in(self, event: Event, geometry: Geometry) -> list[Action]:
        """Some screens report where a finger went as the mouse's motion only."""
        name = self._lone_silent_finger()
        if name is None or event.type != pygame.MOUSEMOTION or not getattr(event, "buttons", (0,))[0]:
            return []
        return self._pointers.move(name, event.pos, geometry)

    def release(self) -> None:
        """All fingers are let go, and those that move afterwards come down again."""
        self._released = {name: self._pointers.pressed[name].pixel for name in self._pointers.names(FINGER)}
        self._pointers.drop(FINGER)

    def forget(self) -> None:
        """All fingers are let go for good."""
        self._released.clear()
        self._pointers.drop(FINGER)

    def _lone_silent_finger(self) -> PointerName | None:
        fingers = self._pointers.names(FINGER)
        is_silent = len(fingers) == 1 and not self._pointers.pressed[fingers[0]].has_moved
        return fingers[0] if is_silent else None

    def _down(self, name: PointerName, pixel: Pixel, geometry: Geometry) -> list[Action]:
        is_repeat = self._duplicates.repeats("button", pixel)
        self._duplicates.note("finger", pixel)
        if is_repeat:
            return self._pointers.take_over((BUTTON, 1), name, pixel, geometry)
        return self._pointers.press(name, None, pixel, geometry)

    def _move(self, name: PointerName, pixel: Pixel, geometry: Geometry) -> list[Action]:
        if name in self._pointers.pressed:
            self._pointers.pressed[name].has_moved = True
        elif name in self._released:
            if math.dist(pixel, self._released[name]) <= self._still_pixels:
                return []
            del self._released[name]
            return self._pointers.press(name, None, pixel, geometry)
        return self._pointers.move(name, pixel, geometry)
