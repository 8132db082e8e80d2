"""Which screens there are, without opening a window."""

from __future__ import annotations

from dataclasses import dataclass

import pygame

from nca_viewer.display.window import init_display


@dataclass(frozen=True, slots=True)
class Screens:
    """What SDL finds.

    Attributes:
        driver: SDL's video driver.
        sizes: (width, height) in pixels of each screen.
    """

    driver: str
    sizes: tuple[tuple[int, int], ...]


def find_screens() -> Screens:
    """The screens of this session.

    Raises:
        DisplayError: there is none.
    """
    driver = init_display()
    sizes = tuple((width, height) for width, height in pygame.display.get_desktop_sizes())
    pygame.display.quit()
    return Screens(driver, sizes)
