"""Puts a frame together: letterbox, cells, brush, words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pygame

from nca_viewer.display.hud import Hud, HudState
from nca_viewer.display.palette import BACKGROUND, FRAME, TOOL_COLOURS
from nca_viewer.interaction.actions import Cell, Tool
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.strokes import disc_region
from nca_viewer.views.mosaic import image_parts

_SMALLEST_LINED_CELL_PIXELS = 5
_GRID_LINE = (58, 62, 74)


@dataclass(frozen=True, slots=True)
class Brush:
    """Where the brush hovers and what it would do."""

    centre: Cell
    radius_cells: int
    tool: Tool


class Frame:
    """Draws frames; keeps the small surface that the cells are written to."""

    def __init__(self) -> None:
        """Open no font and make no surface yet."""
        self.hud = Hud()
        self._cells: pygame.Surface | None = None

    def draw(
        self,
        surface: pygame.Surface,
        image: np.ndarray,
        geometry: Geometry,
        status: HudState,
        *,
        brushes: Sequence[Brush] = (),
        grid_visible: bool = False,
    ) -> None:
        """Draw all of it.

        Args:
            surface: The window's.
            image: uint8[H, W, 3], one pixel per cell; where it is of another size than the grid, it is
                fitted in.
            geometry: Where the grid is.
            status: For the status bar.
            brushes: Their outlines are drawn: exactly the cells they would touch.
            grid_visible: Draws lines between the cells, where there is room for them.
        """
        surface.fill(BACKGROUND)
        placed = geometry.of_image(image.shape[0], image.shape[1])
        size = (placed.grid_height, placed.grid_width)
        for number, part in enumerate(image_parts(size, placed.panes, placed.columns)):
            grid = placed.pane(number)
            left, top, width, height = grid.grid_rectangle
            surface.fill(FRAME, (left - 1, top - 1, width + 2, height + 2))
            self._draw_cells(surface, image[part], grid)
            if grid_visible and grid.cell_pixels >= _SMALLEST_LINED_CELL_PIXELS:
                _draw_lines(surface, grid)
            for brush in brushes:
                _draw_brush(surface, grid, brush)
        self.hud.draw_bar(surface, geometry, status)

    def _draw_cells(self, surface: pygame.Surface, image: np.ndarray, geometry: Geometry) -> None:
        size = (image.shape[1], image.shape[0])
        cells = self._cells
        if cells is None or cells.get_size() != size or cells.get_bitsize() != surface.get_bitsize():
            cells = self._cells = pygame.Surface(size, 0, surface)
        pygame.surfarray.blit_array(cells, image.swapaxes(0, 1))
        _enlarge(cells, surface, geometry)


def _enlarge(cells: pygame.Surface, surface: pygame.Surface, geometry: Geometry) -> None:
    """Give every pixel of `cells`, a surface of the window's format, its square of the window.

    `pygame.transform.scale` is slower, and pygame-ce's misses the borders of large cells by a pixel.
    """
    # There is no two-dimensional view of pixels of three bytes.
    pixels = pygame.surfarray.pixels3d if surface.get_bytesize() == 3 else pygame.surfarray.pixels2d
    window, small = pixels(surface).swapaxes(0, 1), pixels(cells).swapaxes(0, 1)
    left, top, width, _ = geometry.grid_rectangle
    side = geometry.cell_pixels
    first, last = max(0, left), min(window.shape[1], left + width)
    if first >= last:  # It lies beside the window.
        return
    for row, line in enumerate(small.repeat(side, axis=1)[:, first - left : last - left]):
        window[max(0, top + row * side) : top + (row + 1) * side, first:last] = line


def _draw_lines(surface: pygame.Surface, geometry: Geometry) -> None:
    left, top, width, height = geometry.grid_rectangle
    for row in range(1, geometry.grid_height):
        surface.fill(_GRID_LINE, (left, top + row * geometry.cell_pixels, width, 1))
    for column in range(1, geometry.grid_width):
        surface.fill(_GRID_LINE, (left + column * geometry.cell_pixels, top, 1, height))


def _draw_brush(surface: pygame.Surface, geometry: Geometry, brush: Brush) -> None:
    region = disc_region(brush.centre, brush.radius_cells, geometry.grid_height, geometry.grid_width)
    lines = geometry.outline(region)
    # A dark line round a bright one is seen on ink and on paper.
    thickness = max(1, geometry.cell_pixels // 12)
    for start, end in lines:
        pygame.draw.rect(surface, (0, 0, 0), _line_rectangle(start, end, thickness + 2))
    for start, end in lines:
        pygame.draw.rect(surface, TOOL_COLOURS[brush.tool], _line_rectangle(start, end, thickness))


def _line_rectangle(start: tuple[int, int], end: tuple[int, int], thickness: int) -> pygame.Rect:
    half = thickness // 2
    return pygame.Rect(
        start[0] - half, start[1] - half, end[0] - start[0] + thickness, end[1] - start[1] + thickness
    )
