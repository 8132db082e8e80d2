"""One small window interface; a real window and one without a screen."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import pygame
from pygame._sdl2.video import Window as SDLWindow
from pygame.event import Event

from nca_viewer.display.placement import Placement
from nca_viewer.display.x11 import other_visual, show_on_all_desktops
from nca_viewer.errors import DisplayError, DisplayLostError

_HINTS = {
    # Fingers come as finger events only, the mouse as mouse events only.
    "SDL_TOUCH_MOUSE_EVENTS": "0",
    "SDL_MOUSE_TOUCH_EVENTS": "0",
    "SDL_MOUSE_FOCUS_CLICKTHROUGH": "1",
    "SDL_VIDEO_MINIMIZE_ON_FOCUS_LOSS": "0",
    "SDL_WINDOWS_DPI_AWARENESS": "permonitorv2",
}
_MOST_STUMBLES = 60
"""After so many failures in a row to get events, there is no screen to get them from."""

_INVISIBLE_DRIVERS = frozenset({"offscreen", "dummy"})
_KEY_REPEAT_DELAY_MILLISECONDS = 400
_KEY_REPEAT_INTERVAL_MILLISECONDS = 60


class Window(Protocol):
    """Where frames go and events come from; keeps the time too, so that a test can."""

    @property
    def surface(self) -> pygame.Surface:
        """What to draw on; may be another one after each call of `events`."""

    @property
    def is_fullscreen(self) -> bool:
        """Whether it fills the screen."""

    @property
    def is_dark(self) -> bool:
        """Whether nothing can be seen on it at the moment."""

    @property
    def has_real_time(self) -> bool:
        """Whether its clock runs by itself, so that something can be late by it."""

    def events(self) -> list[Event]:
        """What happened since the last call, oldest first."""

    def present(self) -> None:
        """Show what was drawn."""

    def set_fullscreen(self, fullscreen: bool) -> None:
        """Fill the screen, or go back to a window."""

    def now_seconds(self) -> float:
        """The time, from any zero."""

    def wait_until(self, seconds: float) -> None:
        """Sleep until a time of `now_seconds`; not at all where it has passed."""

    def close(self) -> None:
        """Give it back; calling it twice does no harm."""


def init_display() -> str:
    """Have SDL look for a screen; returns the name of its video driver.

    Raises:
        DisplayError: there is no screen.
    """
    for name, value in _HINTS.items():
        os.environ.setdefault(name, value)
    asked_for = os.environ.get("SDL_VIDEODRIVER", "")
    if sys.platform == "linux" and not asked_for and not os.environ.get("WAYLAND_DISPLAY"):
        # Left alone, SDL would end up with an invisible driver, and print lines of its own on the way.
        os.environ["SDL_VIDEODRIVER"] = "x11,kmsdrm"
        # Otherwise SDL sends each frame through an OpenGL texture, which costs 8 ms without a GPU.
        os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
        if visual := other_visual():
            os.environ.setdefault("SDL_VIDEO_X11_VISUALID", hex(visual))
    try:
        pygame.display.init()
    except pygame.error as error:
        raise _no_display(str(error) if asked_for else "no screen was found") from error
    driver = pygame.display.get_driver()
    if driver in _INVISIBLE_DRIVERS and driver != asked_for:
        pygame.display.quit()
        raise _no_display("no screen was found")
    return driver


class WakingWindow(Window, Protocol):
    """A window that may be dark, and lights up when somebody is there."""

    def wake(self, seconds: float | None = None) -> None:
        """Light up for a while; None for as long as a visitor is granted."""


class PygameWindow:
    """A resizable window on the desktop."""

    def __init__(
        self,
        title: str,
        size: tuple[int, int],
        *,
        fullscreen: bool = False,
        display: int = 0,
        is_exhibit: bool = False,
        on_displaced: Callable[[str, float], None] = lambda trouble, now_seconds: None,
    ) -> None:
        """Open it.

        Args:
            title: In its frame.
            size: (width, height) in pixels, where it is not fullscreen; made smaller to fit the desktop.
            fullscreen: Whether it fills the screen at first.
            display: Number of the display to open on, from 0.
            is_exhibit: It fills the display for good, whatever size that gets; it shows no cursor, listens to
                gamepads as they come and go, and comes back where it was moved, shrunk, hidden or covered.
            on_displaced: Is told what was wrong, and the time, whenever it comes back.

        Raises:
            DisplayError: there is no screen, or no display of that number.
        """
        init_display()
        self._is_open = True
        desktops = pygame.display.get_desktop_sizes()
        if display >= len(desktops):
            self.close()
            raise _unknown_display(display, desktops)
        desktop = desktops[display]
        self._display = display
        self._filled = (display, desktop)
        self._stumbles = 0
        self._is_exhibit = is_exhibit
        self._gamepads: dict[int, Any] = {}
        self._placement = Placement()
        self._on_displaced = on_displaced
        self._canvas: pygame.Surface | None = None
        self._size = (min(size[0], desktop[0]), min(size[1], desktop[1]))
        self._corner: tuple[int, int] | None = None
        self._is_fullscreen = fullscreen or is_exhibit
        pygame.display.set_caption(title)
        pygame.display.set_icon(_icon())
        try:
            if self._is_fullscreen:
                # Of the desktop's own size, which SDL makes a borderless window: no display changes its mode.
                pygame.display.set_mode(desktop, pygame.FULLSCREEN, display=display)
            else:
                pygame.display.set_mode(self._size, pygame.RESIZABLE, display=display)
        except pygame.error as error:
            self.close()
            raise _no_display(str(error)) from error
        # Kept for good: SDL's events point to this object, and crash once it is gone.
        self._sdl_window: Any = _sdl_window()
        pygame.key.set_repeat(_KEY_REPEAT_DELAY_MILLISECONDS, _KEY_REPEAT_INTERVAL_MILLISECONDS)
        self._set_cursor()
        if is_exhibit:
            with contextlib.suppress(pygame.error):  # No gamepads, then.
                pygame.joystick.init()

    @property
    def surface(self) -> pygame.Surface:
        """What to draw on, always of 32 bits; another one after the window changed its size.

        It is the screen's own where that has 8 bits of each colour, which spares a copy.
        """
        shown = pygame.display.get_surface()
        assert shown is not None  # As long as the window is open.
        if _has_bytes_of_colour(shown):
            return shown
        if self._canvas is None or self._canvas.get_size() != shown.get_size():
            self._canvas = pygame.Surface(shown.get_size(), depth=32)
        return self._canvas

    @property
    def is_fullscreen(self) -> bool:
        """Whether it fills the screen."""
        return self._is_fullscreen

    @property
    def is_dark(self) -> bool:
        """Never."""
        return False

    @property
    def has_real_time(self) -> bool:
        """It does."""
        return True

    def events(self) -> list[Event]:
        """What happened since the last call, oldest first.

        Raises:
            DisplayLostError: the screen went away.
        """
        try:
            events = pygame.event.get()
            self._stumbles = 0
        except (pygame.error, SystemError, KeyError) as error:
            # pygame may stumble over a gamepad that was pulled out; what else happened comes next time.
            self._stumbles += 1
            if self._stumbles > _MOST_STUMBLES or not pygame.display.get_init():
                raise _display_lost(error) from error
            events = []
        for event in events:
            if event.type == pygame.VIDEORESIZE and not self._is_fullscreen:
                self._size = (event.w, event.h)
            elif event.type in (pygame.JOYDEVICEADDED, pygame.JOYDEVICEREMOVED):
                self._follow_gamepads(event)
        if self._is_exhibit:
            self._hold_the_display(events)
        return events

    def _follow_gamepads(self, event: Event) -> None:
        """A gamepad sends events as long as it is held here."""
        if event.type == pygame.JOYDEVICEREMOVED:
            self._gamepads.pop(event.instance_id, None)
            return
        # It may be gone again, or be none that SDL can open.
        with contextlib.suppress(pygame.error):
            gamepad = pygame.joystick.Joystick(event.device_index)
            self._gamepads[gamepad.get_instance_id()] = gamepad

    def _hold_the_display(self, events: list[Event]) -> None:
        """Fill the display at whatever size it has now, without a cursor, and with the focus."""
        desktops = pygame.display.get_desktop_sizes()
        # Where its display is gone, what is left has to do until it is back.
        display = min(self._display, len(desktops) - 1)
        if desktops and min(desktops[display]) > 0 and (display, desktops[display]) != self._filled:
            self._filled = (display, desktops[display])
            self._fill()
        for event in events:
            self._placement.follow(event)
            if event.type in (pygame.WINDOWENTER, pygame.WINDOWFOCUSGAINED):
                self._set_cursor()
        trouble = self._placement.trouble(self._corner_of_display, self.surface.get_size(), self._filled[1])
        now = self.now_seconds()
        if self._placement.is_due(trouble, now):
            self._on_displaced(trouble, now)
            if not (self._placement.is_hidden and self._show_again()):
                with contextlib.suppress(pygame.error):
                    self._sdl_window.restore()
                    self._fill()
                    self._sdl_window.focus()

    def _show_again(self) -> bool:
        """Have a hidden window shown on X11; whether that was asked for."""
        if pygame.display.get_driver() != "x11":
            return False
        return show_on_all_desktops(int(pygame.display.get_wm_info()["window"]))

    @property
    def _corner_of_display(self) -> tuple[int, int] | None:
        """Where the display begins: the position, says SDL, of a window that it believes to fill it."""
        try:
            column, row = self._sdl_window.position
        except (pygame.error, AttributeError):
            return None
        return column, row

    def _fill(self) -> None:
        """Fill the display, whatever became of the window."""
        display, size = self._filled
        try:
            pygame.display.set_mode(size, pygame.FULLSCREEN, display=display)
        except pygame.error as error:
            raise _display_lost(error) from error

    def _set_cursor(self) -> None:
        with contextlib.suppress(pygame.error):  # Not every driver has a cursor to offer.
            if self._is_exhibit:
                # A hidden cursor stops or displaces touches on some screens; an empty one does not.
                nothing = (0,) * 8
                pygame.mouse.set_cursor((8, 8), (0, 0), nothing, nothing)
            else:
                pygame.mouse.set_cursor(pygame.SYSTEM_CURSOR_CROSSHAIR)

    def present(self) -> None:
        """Show what was drawn.

        Raises:
            DisplayLostError: the screen went away.
        """
        try:
            shown, drawn = pygame.display.get_surface(), self.surface
            if shown is not None and drawn is not shown:
                shown.blit(drawn, (0, 0))
            pygame.display.flip()
        except pygame.error as error:
            raise _display_lost(error) from error

    def set_fullscreen(self, fullscreen: bool) -> None:
        """Fill the screen, or go back to the size and place before."""
        # Without a window manager, as in many exhibits, SDL neither moves nor shrinks a window that changes
        # over. With several screens it takes one to know where the corner is.
        is_single_screen = pygame.display.get_num_displays() == 1
        if fullscreen:
            if is_single_screen:
                column, row = self._sdl_window.position
                self._corner = (column, row)
                self._sdl_window.position = (0, 0)
            desktops = pygame.display.get_desktop_sizes()
            desktop = desktops[min(self._display, len(desktops) - 1)]
            pygame.display.set_mode(desktop, pygame.FULLSCREEN, display=self._display)
        else:
            width, height = self._size
            # What pygame-ce prints of it helps nobody at a terminal: the loop below mends it.
            warnings.filterwarnings("ignore", ".*forcibly resized by the OS", RuntimeWarning)
            for size in ((width, height), (width, height - 1), (width, height)):
                pygame.display.set_mode(size, pygame.RESIZABLE, display=self._display)
            if is_single_screen and self._corner is not None:
                self._sdl_window.position = self._corner
        self._is_fullscreen = fullscreen

    def now_seconds(self) -> float:
        """The time, from any zero."""
        return time.perf_counter()

    def wait_until(self, seconds: float) -> None:
        """Sleep until a time of `now_seconds`; not at all where it has passed."""
        time.sleep(max(0.0, seconds - self.now_seconds()))

    def close(self) -> None:
        """Close it; calling it twice does no harm."""
        if self._is_open:
            self._is_open = False
            if pygame.joystick.get_init():
                self._gamepads.clear()
                pygame.joystick.quit()
            pygame.display.quit()


class HeadlessWindow:
    """A window without a screen: frames stay in memory, waiting takes no time, events are handed in."""

    def __init__(self, size: tuple[int, int]) -> None:
        """Make one.

        Args:
            size: (width, height) in pixels.
        """
        self._surface = pygame.Surface(size, depth=32)
        self._is_fullscreen = False
        self._events: list[Event] = []
        self._now_seconds = 0.0

    @property
    def surface(self) -> pygame.Surface:
        """What to draw on."""
        return self._surface

    @property
    def is_fullscreen(self) -> bool:
        """What was last asked for."""
        return self._is_fullscreen

    @property
    def is_dark(self) -> bool:
        """Never."""
        return False

    @property
    def has_real_time(self) -> bool:
        """It does not: a run without a screen takes the same steps on every machine."""
        return False

    def post(self, *events: Event) -> None:
        """Hand in events for the next frame."""
        self._events.extend(events)

    def resize(self, size: tuple[int, int]) -> None:
        """Change the size, as a person would."""
        self._surface = pygame.Surface(size, depth=32)

    def pixels(self) -> np.ndarray:
        """What was drawn: uint8[height, width, 3]."""
        return pygame.surfarray.array3d(self._surface).swapaxes(0, 1)

    def events(self) -> list[Event]:
        """What was posted since the last call, oldest first."""
        events, self._events = self._events, []
        return events

    def present(self) -> None:
        """Nobody watches."""

    def set_fullscreen(self, fullscreen: bool) -> None:
        """Only remember it."""
        self._is_fullscreen = fullscreen

    def now_seconds(self) -> float:
        """The sum of all waiting."""
        return self._now_seconds

    def wait_until(self, seconds: float) -> None:
        """Let the time pass."""
        self._now_seconds = max(self._now_seconds, seconds)

    def close(self) -> None:
        """Nothing to give back."""


def _sdl_window() -> Any:
    """The window as an object, for what `pygame.display` leaves out."""
    with warnings.catch_warnings():
        # pygame-ce will take this away one day, and has nothing else yet that restores and focuses.
        warnings.simplefilter("ignore", DeprecationWarning)
        return SDLWindow.from_display_module()


def _no_display(reason: str) -> DisplayError:
    if "pixel format" in reason:
        reason += " (give the screen a colour depth of 24 bits)"
    return DisplayError(
        f"cannot open a window: {reason}; start it on a desktop (DISPLAY is "
        f"{os.environ.get('DISPLAY', '')!r}) or run with --headless --frames N --save FILE"
    )


def _display_lost(error: Exception) -> DisplayLostError:
    return DisplayLostError(f"the screen went away: {error}; check it, and start again")


def _unknown_display(number: int, desktops: list[tuple[int, int]]) -> DisplayError:
    known = ", ".join(f"{index} ({width} x {height})" for index, (width, height) in enumerate(desktops))
    return DisplayError(f"--display = {number} is not connected; choose one of {known}")


def _has_bytes_of_colour(surface: pygame.Surface) -> bool:
    """Whether red, green and blue, and nothing else, have a byte each in the 32 bits of a pixel."""
    *masks, alpha = surface.get_masks()
    bytes_of_pixel = {0xFF << shift for shift in (0, 8, 16, 24)}
    return surface.get_bytesize() == 4 and not alpha and {*masks} <= bytes_of_pixel


def _icon() -> pygame.Surface:
    icon = pygame.Surface((48, 48), depth=32)
    for column, row, light in ((0, 0, 90), (1, 0, 200), (2, 0, 60), (1, 1, 255), (0, 2, 60), (1, 2, 220)):
        icon.fill((light, light, light), (16 * column, 16 * row, 16, 16))
    return icon
