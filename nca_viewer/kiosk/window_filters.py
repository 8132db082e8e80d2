"""A window that is gentle to people and screens: limited flashes, dark nights, no burn-in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time

import pygame
from pygame.event import Event

from nca_viewer.display.flash_limiter import FlashLimiter
from nca_viewer.display.palette import BACKGROUND
from nca_viewer.display.window import Window
from nca_viewer.kiosk.night import DisplayBrightness, NightSchedule
from nca_viewer.kiosk.pixel_shift import REACH_PIXELS, pixel_shift

_FINGERS = frozenset({pygame.FINGERDOWN, pygame.FINGERMOTION, pygame.FINGERUP})
_UNSEEN = frozenset(
    {pygame.FINGERDOWN, pygame.FINGERMOTION, pygame.MOUSEBUTTONDOWN, pygame.MOUSEMOTION, pygame.MOUSEWHEEL}
)
"""What does nothing on a dark screen; what is let go there is let go."""
_MICE = frozenset({pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP, pygame.MOUSEMOTION})


class FilteredWindow:
    """Stands before another window and changes what passes: frames on their way out, events on their way in.

    Who draws and who is pointed at see one window, a little smaller where it glides against burn-in. They
    need not know where on the screen it is: `surface` and the places of events move together.
    """

    def __init__(
        self,
        window: Window,
        *,
        limits_flashes: bool,
        shifts_pixels: bool,
        night: NightSchedule | None = None,
        local_time: Callable[[], time],
        on_limited: Callable[[float], None] = lambda now_seconds: None,
    ) -> None:
        """Show nothing yet.

        Args:
            window: The one behind it.
            limits_flashes: Whether to limit flashes on the final pixels.
            shifts_pixels: Whether to glide by a few pixels.
            night: What happens at night, if anything.
            local_time: The time of day, for the night.
            on_limited: Is told the time whenever a frame was changed so as not to flash.
        """
        self._window = window
        self._guard = FlashLimiter(on_limited) if limits_flashes else None
        self._shifts_pixels = shifts_pixels
        self._night = night
        self._local_time = local_time
        self._display_brightness = DisplayBrightness()
        self._frame: tuple[int, int, int, int] = (0, 0, 0, 0)
        self._place()

    @property
    def surface(self) -> pygame.Surface:
        """What to draw on; may be another one after each call of `events`."""
        surface = self._window.surface
        return surface.subsurface(self._frame) if self._shifts_pixels else surface

    @property
    def is_fullscreen(self) -> bool:
        """Whether it fills the screen."""
        return self._window.is_fullscreen

    @property
    def is_dark(self) -> bool:
        """Whether nothing can be seen on it at the moment."""
        return self._display_brightness.is_dark or self._window.is_dark

    @property
    def has_real_time(self) -> bool:
        """Whether its clock runs by itself."""
        return self._window.has_real_time

    def events(self) -> list[Event]:
        """What happened since the last call, oldest first.

        Of a dark screen that no touch wakes, no new touches are reported.
        """
        events = self._window.events()
        if self._night is not None:
            now = self._window.now_seconds()
            self._display_brightness = self._display_brightness.at(self._night, self._local_time(), now)
            if self._display_brightness.is_dark and self._night.wake_seconds <= 0:
                events = [event for event in events if event.type not in _UNSEEN]
        # The old place holds for events that were meant for what is still on the screen.
        events = [self._moved(event) for event in events] if self._shifts_pixels else events
        self._place()
        return events

    def wake(self, seconds: float | None = None) -> None:
        """Somebody is here: at night the screen lights up for a while.

        Args:
            seconds: How long; None for a visitor, who gets as long as the operator grants.
        """
        if self._night is not None:
            granted = self._night.wake_seconds if seconds is None else seconds
            self._display_brightness = self._display_brightness.woken(granted, self._window.now_seconds())

    def present(self) -> None:
        """Show what was drawn."""
        surface = self._window.surface
        brightness = self._display_brightness.brightness
        if brightness <= 0.0:
            surface.fill((0, 0, 0))
        elif brightness < 1.0:
            level = round(255 * brightness)
            surface.fill((level, level, level), special_flags=pygame.BLEND_RGB_MULT)
        if self._guard is not None:
            self._guard.apply(surface, self._window.now_seconds())
        self._window.present()

    def set_fullscreen(self, fullscreen: bool) -> None:
        """Fill the screen, or go back to a window."""
        self._window.set_fullscreen(fullscreen)
        self._place()

    def now_seconds(self) -> float:
        """The time, from any zero."""
        return self._window.now_seconds()

    def wait_until(self, seconds: float) -> None:
        """Sleep until a time of `now_seconds`; not at all where it has passed."""
        self._window.wait_until(seconds)

    def close(self) -> None:
        """Give it back; calling it twice does no harm."""
        self._window.close()

    def _place(self) -> None:
        """Where on the screen the window is now; around it is nothing."""
        if not self._shifts_pixels:
            return
        surface = self._window.surface
        width, height = surface.get_size()
        columns, rows = pixel_shift(self._window.now_seconds())
        frame = (
            REACH_PIXELS + columns,
            REACH_PIXELS + rows,
            max(1, width - 2 * REACH_PIXELS),
            max(1, height - 2 * REACH_PIXELS),
        )
        self._frame = frame
        for strip in (
            (0, 0, width, frame[1]),
            (0, 0, frame[0], height),
            (0, frame[1] + frame[3], width, height),
            (frame[0] + frame[2], 0, width, height),
        ):
            surface.fill(BACKGROUND, strip)

    def _moved(self, event: Event) -> Event:
        """The same event, as seen from the place of the window."""
        left, top, width, height = self._frame
        if event.type in _MICE:
            return Event(event.type, event.dict | {"pos": (event.pos[0] - left, event.pos[1] - top)})
        if event.type in _FINGERS:
            screen_width, screen_height = self._window.surface.get_size()
            place = {
                "x": (event.x * screen_width - left) / width,
                "y": (event.y * screen_height - top) / height,
            }
            return Event(event.type, event.dict | place)
        return event
