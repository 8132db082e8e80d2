"""The mouse: the left button draws, the right one erases, the middle one asks about a cell, the wheel sizes.

What the left button draws with, the modifier keys say at the moment when it comes down. A press that repeats
what a finger just did is none. A button whose release was never reported is let go by the next motion that
says so, and by the mouse's leaving the window. Motion while a silent finger is down is the finger's.
"""

from __future__ import annotations

from collections.abc import Callable

import pygame
from pygame.event import Event

from nca_viewer.interaction.actions import Action, ChangeRadius, Tool
from nca_viewer.interaction.bindings import RIGHT_BUTTON_TOOL
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.pointers import BUTTON, Pixel, Pointers
from nca_viewer.interaction.presence import Presence
from nca_viewer.interaction.touch import Touch
from nca_viewer.interaction.touch_duplicates import TouchDuplicates

_LEFT, _MIDDLE, _RIGHT = 1, 2, 3


class Mouse:
    """Turns the mouse's events into actions.

    Attributes:
        position: In the window, in pixels; None while it is elsewhere.
        middle_clicked: Where in the window the middle button came down last in the frame, in pixels; None
            where it did not.
    """

    def __init__(
        self,
        pointers: Pointers,
        presence: Presence,
        duplicates: TouchDuplicates,
        touch: Touch,
        modified_tool: Callable[[], Tool | None],
    ) -> None:
        """Unseen, with no button pressed.

        Args:
            pointers: Where its buttons are kept.
            presence: Hears of what speaks for a person.
            duplicates: Tells a touch that is reported as a button, too.
            touch: The fingers that it may stand in for.
            modified_tool: What the modifier keys make of the left button; None leaves it the selected tool.
        """
        self.position: Pixel | None = None
        self.middle_clicked: Pixel | None = None
        self._pointers = pointers
        self._presence = presence
        self._duplicates = duplicates
        self._touch = touch
        self._modified_tool = modified_tool

    def begin_frame(self) -> None:
        """Another frame."""
        self.middle_clicked = None

    def read(self, event: Event, geometry: Geometry) -> list[Action]:
        """What an event does that is the mouse's own."""
        if event.type == pygame.MOUSEWHEEL:
            direction = event.y * (-1 if getattr(event, "flipped", False) else 1)
            if direction:
                self._presence.press("wheel")
            return [ChangeRadius(1 if direction > 0 else -1)] if direction else []
        if event.type == pygame.MOUSEMOTION:
            return self._move(event, geometry)
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == _MIDDLE:
            self.position = self.middle_clicked = event.pos
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button in (_LEFT, _RIGHT):
            if self._duplicates.repeats("finger", event.pos) or self._touch.is_finger_near(event.pos):
                return []
            self._duplicates.note("button", event.pos)
            self.position = event.pos
            tool = RIGHT_BUTTON_TOOL if event.button == _RIGHT else self._modified_tool()
            return self._pointers.press((BUTTON, event.button), tool, event.pos, geometry)
        elif event.type == pygame.MOUSEBUTTONUP and event.button in (_LEFT, _RIGHT):
            return self._pointers.release((BUTTON, event.button), event.pos, geometry)
        return []

    def leave(self) -> None:
        """It left the window, and lets its buttons go."""
        self.position = None
        self._pointers.drop(BUTTON)

    def _move(self, event: Event, geometry: Geometry) -> list[Action]:
        pressed = getattr(event, "buttons", None)
        buttons = self._pointers.names(BUTTON)
        if not buttons and self._touch.has_lone_silent_finger:
            return self._touch.stand_in(event, geometry)
        self.position = event.pos
        self._presence.move("mouse", event.pos)
        actions: list[Action] = []
        for name in buttons:
            if pressed is not None and not pressed[int(name[1]) - 1]:
                # Its release was never reported: it happened while something else had the mouse.
                self._pointers.drop(*name)
            else:
                actions.extend(self._pointers.move(name, event.pos, geometry))
        return actions
