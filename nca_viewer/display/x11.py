"""What SDL leaves out of X11: being told that the screen went away.

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
