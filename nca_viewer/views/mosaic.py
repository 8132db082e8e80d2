"""Several grids side by side in one image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nca_viewer.snapshot import Snapshot
from nca_viewer.views.scene import Colour, Tile

GAP: Colour = (24, 24, 24)
GAP_CELLS = 1
_MAX_CELLS = 2**18


def most_tiles(height: int, width: int) -> int:
    """How many grids are shown side by side at most, so that drawing them keeps up with the frames."""
    return max(1, _MAX_CELLS // (height * width))


def mosaic(grids: NDArray[np.uint8], labels: Sequence[str]) -> tuple[NDArray[np.uint8], tuple[Tile, ...]]:
    """An image of all grids, as near to a square as they fit, and where each lies.

    Args:
        grids: uint8[n, H, W, 3], n at least 1.
        labels: One per grid.

    Returns:
        uint8[h, w, 3] with gaps of one cell, and the tiles, row by row.
    """
    number, height, width, _ = grids.shape
    columns = _columns(number, height + GAP_CELLS, width + GAP_CELLS)
    rows = math.ceil(number / columns)
    padded = np.empty((rows * columns, height + GAP_CELLS, width + GAP_CELLS, 3), np.uint8)
    padded[:] = GAP
    padded[:number, :height, :width] = grids
    cells = padded.reshape(rows, columns, height + GAP_CELLS, width + GAP_CELLS, 3)
    image = cells.swapaxes(1, 2).reshape(rows * (height + GAP_CELLS), columns * (width + GAP_CELLS), 3)
    tiles = tuple(
        Tile(
            index,
            label,
            index // columns * (height + GAP_CELLS),
            index % columns * (width + GAP_CELLS),
            height,
            width,
        )
        for index, label in enumerate(labels)
    )
    return np.ascontiguousarray(image[:-GAP_CELLS, :-GAP_CELLS]), tiles


def _columns(number: int, height: int, width: int) -> int:
    """In how many columns so many grids are seen largest in a square; of several, that with no empty row."""

    def side(columns: int) -> tuple[int, int]:
        rows = math.ceil(number / columns)
        return max(rows * height, columns * width), rows * columns

    return min(range(1, number + 1), key=side)


PANE_GAP_CELLS = 2
"""Between the images of several automata."""


def image_size(size: tuple[int, int], number: int, columns: int) -> tuple[int, int]:
    """(height, width) of an image of several images of a size that stand in rows."""
    height, width = size[0] + PANE_GAP_CELLS, size[1] + PANE_GAP_CELLS
    return math.ceil(number / columns) * height - PANE_GAP_CELLS, columns * width - PANE_GAP_CELLS


def image_parts(size: tuple[int, ...], number: int, columns: int) -> list[tuple[slice, slice]]:
    """Where each of them lies in it, from the left in rows."""
    height, width = size[:2]
    places = [divmod(part, columns) for part in range(number)]
    corners = [(row * (height + PANE_GAP_CELLS), column * (width + PANE_GAP_CELLS)) for row, column in places]
    return [(slice(top, top + height), slice(left, left + width)) for top, left in corners]


def beside(images: Sequence[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    """An image of images uint8[h, w, 3] in rows; smaller ones lie at the top left of their places."""
    size = (max(image.shape[0] for image in images), max(image.shape[1] for image in images))
    whole = np.empty((*image_size(size, len(images), columns), 3), np.uint8)
    whole[:] = GAP
    for image, part in zip(images, image_parts(size, len(images), columns), strict=True):
        whole[part][: image.shape[0], : image.shape[1]] = image
    return whole


def picture(snapshot: Snapshot) -> NDArray[np.uint8]:
    """The picture of a snapshot: uint8[h, w, 3], that of all panes in a row where there are several."""
    panes = snapshot.panes
    return beside([pane.image for pane in panes], len(panes)) if panes else snapshot.image
