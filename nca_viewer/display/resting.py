"""A still, friendly picture for while the viewer is down: `python -m nca_viewer.display.resting`.

It stands by without a window, and without JAX, so that it is there at once when a line on its standard input
says `show`; `hide` takes it away, and the end of the input ends it.
"""

from __future__ import annotations

import select
import signal
import sys

import pygame

from nca_viewer.display.hud import BACKGROUND, MUTED, PANEL, TEXT
from nca_viewer.display.window import PygameWindow
from nca_viewer.errors import UserError
from nca_viewer.exhibit.texts import TEXTS

_CELLS = ((90, 200, 60), (120, 255, 160), (60, 220, 110))
_LOOK_SECONDS = 0.1


def draw(surface: pygame.Surface, language: str) -> None:
    """Nine cells, the exhibit's title, and that it will be back."""
    texts = TEXTS[language]
    width, height = surface.get_size()
    surface.fill(BACKGROUND)
    cell = max(4, min(width, height) // 16)
    left, top = (width - 3 * cell) // 2, height // 2 - 3 * cell
    for row, lights in enumerate(_CELLS):
        for column, light in enumerate(lights):
            part = light / 255
            colour = tuple(round(a + (b - a) * part) for a, b in zip(PANEL, TEXT, strict=True))
            surface.fill(colour, (left + column * cell, top + row * cell, cell - 2, cell - 2))
    y = top + 4 * cell
    for text, colour, size in (
        (texts.title, TEXT, height // 14),
        (f"{texts.waiting} …", MUTED, height // 28),
    ):
        image = pygame.font.Font(None, max(size, 16)).render(text, True, colour)
        if image.get_width() > width:
            image = pygame.transform.smoothscale(
                image, (width, image.get_height() * width // image.get_width())
            )
        surface.blit(image, ((width - image.get_width()) // 2, y))
        y += image.get_height() + cell // 2


def main(language: str = "en", display: str = "0") -> int:
    """Show and hide it, as the standard input says, until that ends; returns the exit code.

    Args:
        language: What it speaks, one of `LANGUAGES`.
        display: Number of the display.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    pygame.font.init()
    window: PygameWindow | None = None
    while True:
        is_asked, _, _ = select.select([sys.stdin], [], [], _LOOK_SECONDS if window else None)
        if is_asked:
            word = sys.stdin.readline().strip()
            if window is not None and word != "show":
                window.close()
                window = None
            if not word:
                return 0
            if word == "show" and window is None:
                window = _opened(int(display))
        if window is not None:
            try:
                window.events()
                draw(window.surface, language)
                window.present()
            except UserError:
                return 1


def _opened(display: int) -> PygameWindow | None:
    try:
        window = PygameWindow("nca-viewer", (900, 960), fullscreen=True, display=display)
    except UserError:
        return None  # Where there is no screen, nobody waits in front of it.
    pygame.mouse.set_visible(False)
    return window


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
