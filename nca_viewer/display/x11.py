"""What SDL leaves out of X11: being told that the screen went away, and screens of 8 or 30 bits.

Xlib ends the whole program at once when it loses its X server, whatever the program may still have to say.
Before that it calls a handler, which is set here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

_handlers: list[object] = []


def when_connection_is_lost(end: Callable[[], None]) -> None:
    """Have a function called when the X server is gone; it must not return. Does nothing without Xlib."""
    try:
        xlib = ctypes.CDLL("libX11.so.6")
        set_handler = xlib.XSetIOErrorHandler
    except (OSError, AttributeError):
        return

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
    def handler(display: int | None) -> int:
        end()
        return 0

    _handlers.append(handler)  # Xlib keeps only its address.
    set_handler.restype = ctypes.c_void_p
    set_handler(handler)


_DEPTHS_OF_SDL = (15, 16, 24, 32)
_TRUE_COLOUR = 4


class _VisualInfo(ctypes.Structure):
    """Xlib's `XVisualInfo`."""

    _fields_ = (
        ("visual", ctypes.c_void_p),
        ("visual_id", ctypes.c_ulong),
        ("screen", ctypes.c_int),
        ("depth", ctypes.c_int),
        ("visual_class", ctypes.c_int),
        ("masks", ctypes.c_ulong * 3),
        ("colormap_size", ctypes.c_int),
        ("bits_per_rgb", ctypes.c_int),
    )


def other_visual() -> int | None:
    """A visual with a byte for each colour, on a screen whose own SDL cannot draw on, such as one of 30 bits.

    Returns:
        Its number, for SDL_VIDEO_X11_VISUALID; None where the screen's own will do, or there is no other.
    """
    try:
        xlib = ctypes.CDLL("libX11.so.6")
        xlib.XOpenDisplay.restype = ctypes.c_void_p
        display = ctypes.c_void_p(xlib.XOpenDisplay(None))
    except (OSError, AttributeError):
        return None
    if not display:
        return None
    try:
        screen = xlib.XDefaultScreen(display)
        if xlib.XDefaultDepth(display, screen) in _DEPTHS_OF_SDL:
            return None
        found = _VisualInfo()
        for depth in (24, 32):
            if xlib.XMatchVisualInfo(display, screen, depth, _TRUE_COLOUR, ctypes.byref(found)):
                return int(found.visual_id)
        return None
    finally:
        xlib.XCloseDisplay(display)


_CLIENT_MESSAGE = 33
_TO_WINDOW_MANAGER = (1 << 19) | (1 << 20)
_ALL_DESKTOPS = 0xFFFFFFFF
_AS_A_PAGER = 2


class _ClientMessage(ctypes.Structure):
    """Xlib's `XClientMessageEvent`, filled up to the size of an `XEvent`."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("filling", ctypes.c_long * 24),
    )


def show_on_all_desktops(window: int) -> bool:
    """Ask the window manager to show a window on every desktop, and in front (EWMH).

    For a window that is hidden: SDL would wait for ever for one to appear that the manager keeps on a desktop
    which nobody sees.

    Args:
        window: Its number.

    Returns:
        Whether the manager, or where there is none the X server, was asked.
    """
    try:
        xlib = ctypes.CDLL("libX11.so.6")
        xlib.XOpenDisplay.restype = ctypes.c_void_p
        xlib.XInternAtom.restype = xlib.XDefaultRootWindow.restype = ctypes.c_ulong
        display = ctypes.c_void_p(xlib.XOpenDisplay(None))
    except (OSError, AttributeError):
        return False
    if not display:
        return False
    root = ctypes.c_ulong(xlib.XDefaultRootWindow(display))
    for name, values in (
        (b"_NET_WM_DESKTOP", (_ALL_DESKTOPS, _AS_A_PAGER)),
        (b"_NET_ACTIVE_WINDOW", (_AS_A_PAGER,)),
    ):
        message = _ClientMessage(type=_CLIENT_MESSAGE, window=window, format=32)
        message.message_type = xlib.XInternAtom(display, name, False)
        message.data[: len(values)] = values
        xlib.XSendEvent(display, root, False, ctypes.c_long(_TO_WINDOW_MANAGER), ctypes.byref(message))
    xlib.XMapRaised(display, ctypes.c_ulong(window))
    xlib.XSync(display, False)
    xlib.XCloseDisplay(display)
    return True
