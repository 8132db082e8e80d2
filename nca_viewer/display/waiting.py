"""The one waiting picture: nine cells that breathe, until the automaton lives."""

from __future__ import annotations

import math

import pygame

from nca_viewer.display.palette import BACKGROUND, PANEL, Colour


def draw_breathing_cells(surface: pygame.Surface, cell_pixels: int, seconds: float, brightest: Colour) -> int:
    """Fill the surface, and draw nine cells above its middle.

    Args:
        surface: The window's.
        cell_pixels: Side of a cell.
        seconds: From any zero, for the movement.
        brightest: Of a cell that is at its brightest.

    Returns:
        The row below them where words can begin.
    """
    width, height = surface.get_size()
    surface.fill(BACKGROUND)
    left, top = (width - 3 * cell_pixels) // 2, height // 2 - 3 * cell_pixels
    for row in range(3):
        for column in range(3):
            light = 0.5 + 0.5 * math.sin(2.4 * seconds - 0.8 * math.hypot(row - 1, column - 1))
            colour = tuple(round(a + (b - a) * light) for a, b in zip(PANEL, brightest, strict=True))
            place = (left + column * cell_pixels, top + row * cell_pixels, cell_pixels - 2, cell_pixels - 2)
            surface.fill(colour, place)
    return top + 4 * cell_pixels
