"""Where the grid is in the window; the same numbers serve drawing and pointing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from nca_viewer.interaction.actions import Cell
from nca_viewer.views.mosaic import PANE_GAP_CELLS, image_parts, image_size

MARGIN_PIXELS = 4
"""Kept free around the grid where there is room."""

Rectangle = tuple[int, int, int, int]
"""(left, top, width, height) in pixels."""

_SMALLEST_WINDOW_WITH_BUTTONS_PIXELS = 300
_ROW_TEXT_HEIGHTS = 56
"""A row of all buttons is so many times as wide as the status bar's letters are high."""

_PANEL_PART = 0.38
_SMALLEST_PANEL_TEXT_HEIGHTS = 20


def _panel_width(window_width: int, text_height: int) -> int:
    """A good third of the window, but wide enough for its words, and never more than half."""
    wanted = max(round(_PANEL_PART * window_width), _SMALLEST_PANEL_TEXT_HEIGHTS * text_height)
    return min(wanted, window_width // 2)


@dataclass(frozen=True, slots=True)
class Geometry:
    """A grid of square cells, centred above a status bar and beside a panel.

    Where there are several panes, that many grids stand in rows, and a cell is the same cell in all of them;
    what is asked of the grid's place is then told of the first, see `pane`.

    Every cell has the same whole number of pixels, so that its edges are hard and its size even. A window
    too small for the grid shows one pixel per cell, cut off.

    Attributes:
        window_width: In pixels.
        window_height: In pixels.
        grid_height: In cells.
        grid_width: In cells.
        cell_pixels: Side of a cell.
        left: Window column of the grid's first pixel.
        top: Window row of the grid's first pixel.
        bar_height: Of the status bar at the bottom, in pixels; 0 without one.
        text_height: Of the status bar's letters, in pixels.
        button_rows: Rows of buttons in the status bar; 0 where the window is too small for them.
        caption_height: Of the strip above the status bar that tells of a view, in pixels; 0 without one.
        panel_width: Of the panel at the right, in pixels; 0 while it is closed.
        panes: How many grids there are.
        columns: How many of them stand side by side; the others are below.
        figures_height: Of the strip under each grid that tells of it, in pixels; 0 without one.
        banner_height: Of the words above the grids, in pixels; 0 without any.
    """

    window_width: int
    window_height: int
    grid_height: int
    grid_width: int
    cell_pixels: int
    left: int
    top: int
    bar_height: int
    text_height: int
    button_rows: int = 0
    caption_height: int = 0
    panel_width: int = 0
    panes: int = 1
    columns: int = 1
    figures_height: int = 0
    banner_height: int = 0

    @classmethod
    def fit(
        cls,
        window_size: tuple[int, int],
        grid_size: tuple[int, int],
        *,
        bar_visible: bool,
        margin_pixels: int = MARGIN_PIXELS,
        caption_visible: bool = False,
        panel_visible: bool = False,
        panes: int = 1,
        columns: int | None = None,
        figures_visible: bool = False,
        banner_visible: bool = False,
    ) -> Geometry:
        """Make the cells as large as they fit.

        Args:
            window_size: (width, height) in pixels.
            grid_size: (height, width) in cells.
            bar_visible: Whether to leave room for the status bar.
            margin_pixels: Kept free around the grid where there is room.
            caption_visible: Whether to leave room for a view's caption and legend.
            panel_visible: Whether to leave room for the panel.
            panes: How many grids there are.
            columns: How many of them stand side by side; None chooses where cells are largest.
            figures_visible: Whether to leave room under each grid to tell of it.
            banner_visible: Whether to leave room for words above the grids.
        """
        window_width, window_height = window_size
        grid_height, grid_width = grid_size
        text_height = min(max(min(window_width // 52, window_height // 34), 12), 34)
        button_rows = bar_height = 0
        if bar_visible:
            has_buttons = window_height >= _SMALLEST_WINDOW_WITH_BUTTONS_PIXELS
            button_rows = math.ceil(_ROW_TEXT_HEIGHTS * text_height / window_width) if has_buttons else 0
            bar_height = text_height * 3 + text_height // 2 + button_rows * 2 * text_height
        caption_height = text_height * 3 if caption_visible else 0
        panel_width = _panel_width(window_width, text_height) if panel_visible else 0
        figures_height = text_height * 4 if figures_visible else 0
        banner_height = text_height * 6 if banner_visible else 0
        room_width = window_width - panel_width
        room_height = window_height - bar_height - caption_height - banner_height

        def size(columns: int) -> tuple[int, int, int]:
            """Of all grids in cells, and pixels that figures take of the height."""
            rows = math.ceil(panes / columns)
            gaps = 0 if figures_height else (rows - 1) * PANE_GAP_CELLS
            width = columns * (grid_width + PANE_GAP_CELLS) - PANE_GAP_CELLS
            return rows * grid_height + gaps, width, rows * figures_height

        def side(columns: int) -> int:
            """Of a cell, in pixels."""
            height, width, used = size(columns)
            free = room_height - used - 2 * margin_pixels
            return max(1, min((room_width - 2 * margin_pixels) // width, free // height))

        columns = columns or max(range(panes, 0, -1), key=side)
        height, width, used = size(columns)
        cell_pixels = side(columns)
        return cls(
            window_width=window_width,
            window_height=window_height,
            grid_height=grid_height,
            grid_width=grid_width,
            cell_pixels=cell_pixels,
            left=(room_width - cell_pixels * width) // 2,
            top=max(0, banner_height + (room_height - used - cell_pixels * height) // 2),
            bar_height=bar_height,
            text_height=text_height,
            button_rows=button_rows,
            caption_height=caption_height,
            panel_width=panel_width,
            panes=panes,
            columns=columns,
            figures_height=figures_height,
            banner_height=banner_height,
        )

    @property
    def _strides(self) -> tuple[int, int]:
        """Pixels from one pane to the next below, and to the next at its right."""
        side, gap = self.cell_pixels, self.cell_pixels * PANE_GAP_CELLS
        return side * self.grid_height + (self.figures_height or gap), side * self.grid_width + gap

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in cells of the image of all panes."""
        return image_size((self.grid_height, self.grid_width), self.panes, self.columns)

    def pane(self, number: int) -> Geometry:
        """The same window with one of the panes alone."""
        row, column = divmod(number, self.columns)
        down, right = self._strides
        return replace(self, left=self.left + column * right, top=self.top + row * down, panes=1, columns=1)

    def pane_at(self, pixel: tuple[int, int]) -> int:
        """The pane that is nearest to a window pixel (x, y)."""
        down, right = self._strides
        half = self.cell_pixels * PANE_GAP_CELLS // 2
        rows = math.ceil(self.panes / self.columns)
        row = min(max((pixel[1] - self.top + half) // down, 0), rows - 1)
        column = min(max((pixel[0] - self.left + half) // right, 0), self.columns - 1)
        return min(row * self.columns + column, self.panes - 1)

    def on_image(self, region: np.ndarray | None) -> np.ndarray | None:
        """Some cells, bool[grid_height, grid_width], as they lie on the image of all panes; None is none."""
        if region is None or self.panes == 1:
            return region
        whole = np.zeros(self.image_size, bool)
        for part in image_parts(region.shape, self.panes, self.columns):
            whole[part] = region
        return whole

    def of_image(self, height: int, width: int) -> Geometry:
        """The same window with an image of so many cells in place of that of all panes."""
        if (height, width) == self.image_size:
            return self
        rows = math.ceil(self.panes / self.columns)
        return self.of_images(
            (height + PANE_GAP_CELLS) // rows - PANE_GAP_CELLS,
            (width + PANE_GAP_CELLS) // self.columns - PANE_GAP_CELLS,
        )

    def of_images(self, height: int, width: int) -> Geometry:
        """The same window with an image of so many cells in place of each grid."""
        if (height, width) == (self.grid_height, self.grid_width):
            return self
        return Geometry.fit(
            (self.window_width, self.window_height),
            (height, width),
            bar_visible=self.bar_height > 0,
            caption_visible=self.caption_height > 0,
            panel_visible=self.panel_width > 0,
            panes=self.panes,
            columns=self.columns,
            figures_visible=self.figures_height > 0,
            banner_visible=self.banner_height > 0,
        )

    @property
    def grid_rectangle(self) -> Rectangle:
        """(left, top, width, height) of the grid in pixels."""
        side = self.cell_pixels
        return (self.left, self.top, self.grid_width * side, self.grid_height * side)

    @property
    def bar_rectangle(self) -> Rectangle:
        """Of the status bar; of no height without one."""
        return (0, self.window_height - self.bar_height, self.window_width, self.bar_height)

    @property
    def caption_rectangle(self) -> Rectangle:
        """Of the strip that tells of a view, above the status bar."""
        top = self.window_height - self.bar_height - self.caption_height
        return (0, top, self.window_width, self.caption_height)

    @property
    def panel_rectangle(self) -> Rectangle:
        """Of the panel, at the right above the words; of no width while it is closed."""
        left = self.window_width - self.panel_width
        height = self.window_height - self.bar_height - self.caption_height
        return (left, 0, self.panel_width, max(0, height))

    @property
    def picture_rectangle(self) -> Rectangle:
        """Of what bar, caption, panel and banner leave of the window; empty where they leave nothing."""
        words = self.bar_height + self.caption_height + self.banner_height
        width, height = self.window_width - self.panel_width, self.window_height - words
        return (0, self.banner_height, max(0, width), max(0, height))

    def cell_at(self, pixel: tuple[int, int], began: tuple[int, int] | None = None) -> Cell:
        """The cell under a window pixel (x, y); beside the grid, the cell that would be there.

        Args:
            pixel: Where.
            began: Of a stroke, the window pixel where it began: cells are counted in that pane. None counts
                them in the pane that is nearest.
        """
        x, y = pixel
        pane = self if self.panes == 1 else self.pane(self.pane_at(pixel if began is None else began))
        return ((y - pane.top) // self.cell_pixels, (x - pane.left) // self.cell_pixels)

    def contains(self, cell: Cell) -> bool:
        """Whether a cell lies in the grid."""
        return 0 <= cell[0] < self.grid_height and 0 <= cell[1] < self.grid_width

    def cell_rectangle(self, cell: Cell) -> Rectangle:
        """(left, top, width, height) of a cell in pixels."""
        side = self.cell_pixels
        return (self.left + cell[1] * side, self.top + cell[0] * side, side, side)

    def cell_centre(self, cell: Cell) -> tuple[int, int]:
        """The pixel (x, y) in the middle of a cell."""
        left, top, side, _ = self.cell_rectangle(cell)
        return (left + side // 2, top + side // 2)

    def outline(self, region: np.ndarray) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """The border of a set of cells, as lines between pixel corners (x, y).

        Args:
            region: bool[grid_height, grid_width].
        """
        padded = np.pad(region, 1)
        side = self.cell_pixels
        lines = []
        for row, column in zip(*np.nonzero(padded[1:] != padded[:-1]), strict=True):
            x, y = self.left + (int(column) - 1) * side, self.top + int(row) * side
            lines.append(((x, y), (x + side, y)))
        for row, column in zip(*np.nonzero(padded[:, 1:] != padded[:, :-1]), strict=True):
            x, y = self.left + int(column) * side, self.top + (int(row) - 1) * side
            lines.append(((x, y), (x, y + side)))
        return lines
