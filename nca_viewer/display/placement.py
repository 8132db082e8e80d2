"""Whether an exhibit's window still fills its display in front of all others, and when to bring it back."""

from __future__ import annotations

import pygame
from pygame.event import Event

SETTLE_SECONDS = 0.4
"""What is over sooner is a change on its way, such as a display that takes another size."""

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
"""From one attempt to the next; the wait doubles, so that nobody sees two programs fight over a window."""

_CALM_SECONDS = 2.0
"""After so long in its place, the next trouble is a new one."""


class Placement:
    """Follows what the system tells of a window; says what is wrong with it, and when to act.

    Attributes:
        is_hidden: Whether the window was minimised, or lies on a desktop that is not shown.
    """

    def __init__(self) -> None:
        """All is well."""
        self._corner: tuple[int, int] | None = None
        self.is_hidden = False
        self._has_focus = True
        self._since_seconds: float | None = None
        self._well_since_seconds: float | None = None
        self._next_seconds = 0.0
        self._wait_seconds = FIRST_WAIT_SECONDS

    def follow(self, event: Event) -> None:
        """Take note of one event of the window."""
        if event.type == pygame.WINDOWMOVED:
            # SDL itself goes on saying that a window that was once made fullscreen is where it should be.
            self._corner = (event.x, event.y)
        elif event.type in (pygame.WINDOWMINIMIZED, pygame.WINDOWHIDDEN):
            self.is_hidden = True
        elif event.type in (pygame.WINDOWRESTORED, pygame.WINDOWSHOWN, pygame.WINDOWMAXIMIZED):
            self.is_hidden = False
        elif event.type == pygame.WINDOWFOCUSLOST:
            self._has_focus = False
        elif event.type == pygame.WINDOWFOCUSGAINED:
            self._has_focus = True

    def trouble(
        self, corner: tuple[int, int] | None, size: tuple[int, int], display_size: tuple[int, int]
    ) -> str:
        """What is wrong, in words; empty where nothing is.

        Args:
            corner: (x, y) of its display; None where that is not known.
            size: (width, height) of the window, in pixels.
            display_size: The same of its display.
        """
        if self.is_hidden:
            return "the window was minimised, hidden, or on another desktop"
        is_moved = None not in (corner, self._corner) and corner != self._corner
        if is_moved or size != display_size:
            x, y = self._corner or corner or (0, 0)
            return (
                f"the window did not fill the screen: {size[0]} x {size[1]} pixels at ({x}, {y}) of "
                f"{display_size[0]} x {display_size[1]}"
            )
        return "" if self._has_focus else "another window had the keyboard, and may have been in front"

    def is_due(self, trouble: str, now_seconds: float) -> bool:
        """Whether to bring the window back now, given what is wrong with it."""
        if not trouble:
            self._since_seconds = None
            if self._well_since_seconds is None:
                self._well_since_seconds = now_seconds
            if now_seconds - self._well_since_seconds >= _CALM_SECONDS:
                self._next_seconds, self._wait_seconds = now_seconds, FIRST_WAIT_SECONDS
            return False
        self._well_since_seconds = None
        if self._since_seconds is None:
            self._since_seconds = now_seconds
        if now_seconds < max(self._next_seconds, self._since_seconds + SETTLE_SECONDS):
            return False
        self._next_seconds = now_seconds + self._wait_seconds
        self._wait_seconds = min(2 * self._wait_seconds, LONGEST_WAIT_SECONDS)
        return True
