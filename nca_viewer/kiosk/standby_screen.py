"""A still, friendly picture for while the viewer is down: `python -m nca_viewer.kiosk.standby_screen`.

It stands by without a window, and without JAX, so that it is there at once when a line on its standard input
says `show`; `hide` takes it away, and the end of the input ends it. At night it is as bright as the exhibit.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable
from datetime import datetime, time

import pygame

from nca_viewer.display.letters import letters_of
from nca_viewer.display.palette import MUTED, TEXT
from nca_viewer.display.waiting import draw_breathing_cells
from nca_viewer.display.window import PygameWindow
from nca_viewer.errors import UserError
from nca_viewer.kiosk.night import DisplayBrightness, NightHours, NightSchedule
from nca_viewer.kiosk.texts import texts_in

_LOOK_SECONDS = 0.1


def draw(surface: pygame.Surface, language: str, brightness: float = 1.0) -> None:
    """Nine cells, the exhibit's title, and that it will be back; brightness is 0 (black) to 1."""
    texts = texts_in(language)
    width, height = surface.get_size()
    cell = max(4, min(width, height) // 16)
    y = draw_breathing_cells(surface, cell, 0.0, TEXT)  # Still: it may stand for long.
    for text, colour, size in (
        (texts.title, TEXT, height // 14),
        (f"{texts.waiting} …", MUTED, height // 28),
    ):
        image = letters_of(max(size, 16)).render(text, True, colour)
        if image.get_width() > width:
            image = pygame.transform.smoothscale(
                image, (width, image.get_height() * width // image.get_width())
            )
        surface.blit(image, ((width - image.get_width()) // 2, y))
        y += image.get_height() + cell // 2
    surface.fill((round(255 * brightness),) * 3, special_flags=pygame.BLEND_RGB_MULT)


def main(
    language: str = "en",
    display: str = "0",
    night: str = "",
    night_brightness: str = "0",
    *,
    local_time: Callable[[], time] = lambda: datetime.now().time(),
) -> int:
    """Show and hide it, as the standard input says, until that ends; returns the exit code.

    Args:
        language: What it speaks, one of `LANGUAGES`.
        display: Number of the display.
        night: Its hours, as 22:00-07:00; empty for none.
        night_brightness: Of the screen then, 0 (black) to 1.
        local_time: The time of day.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    pygame.font.init()
    schedule = NightSchedule(NightHours.parse(night), float(night_brightness)) if night else None
    words = _Words()
    window: PygameWindow | None = None
    while True:
        word = words.last(_LOOK_SECONDS if window else None)
        if word is not None:
            if window is not None and word != "show":
                window.close()
                window = None
            if not word:
                return 0
            if word == "show" and window is None:
                window = _opened(int(display))
        if window is not None:
            brightness = (
                1.0 if schedule is None else DisplayBrightness().at(schedule, local_time(), 0.0).brightness
            )
            try:
                window.events()
                draw(window.surface, language, brightness)
                window.present()
            except UserError:
                return 1


class _Words:
    """The lines on the standard input; of those that came together only the last one matters."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._rest = b""

    def last(self, seconds: float | None) -> str | None:
        """The last line that is there within so long; empty at the input's end, None where there is none."""
        is_there, _, _ = select.select([self._descriptor], [], [], seconds)
        if not is_there:
            return None
        content = os.read(self._descriptor, 4096)
        if not content:
            return ""
        *lines, self._rest = (self._rest + content).split(b"\n")
        return lines[-1].decode("ascii", "replace").strip() if lines else None


def _opened(display: int) -> PygameWindow | None:
    try:
        window = PygameWindow("nca-viewer", (900, 960), fullscreen=True, display=display)
    except UserError:
        return None  # Where there is no screen, nobody waits in front of it.
    pygame.mouse.set_visible(False)
    return window


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
