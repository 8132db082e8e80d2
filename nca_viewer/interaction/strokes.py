"""Strokes in the space of the grid: which cells a moving brush touches."""

from __future__ import annotations

import numpy as np

from nca_viewer.interaction.actions import Cell


def line_cells(start: Cell, end: Cell) -> np.ndarray:
    """The cells on the straight line between two cells, both included.

    Neighbours in the result touch at least at a corner, so that there are no gaps at any speed of the
    hand, and the line from `end` to `start` has the same cells.

    Returns:
        int[N, 2], (row, column).
    """
    first, last = sorted((start, end))
    count = max(abs(last[0] - first[0]), abs(last[1] - first[1])) + 1
    points = np.linspace(first, last, count)
    return np.floor(points + 0.5).astype(np.int64)


def stroke_region(start: Cell, end: Cell, radius_cells: int, height: int, width: int) -> np.ndarray:
    """The cells that a disc touches while its centre moves from one cell to another.

    A disc holds the cells whose centres lie within `radius_cells` of its own; 0 is a single cell. The ends
    may lie outside of the grid.

    Returns:
        bool[height, width].
    """
    centres = line_cells(start, end)
    near = ((centres >= -radius_cells) & (centres < np.array([height, width]) + radius_cells)).all(axis=1)
    centres = centres[near]
    rows = (np.arange(height) - centres[:, :1]) ** 2
    columns = (np.arange(width) - centres[:, 1:]) ** 2
    return (rows[:, :, None] + columns[:, None, :] <= radius_cells**2).any(axis=0)


def disc_region(centre: Cell, radius_cells: int, height: int, width: int) -> np.ndarray:
    """The cells that a brush at rest touches: bool[height, width]."""
    return stroke_region(centre, centre, radius_cells, height, width)
