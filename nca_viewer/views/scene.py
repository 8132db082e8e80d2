"""What a view is given, and what it gives back: plain data, and no pixel of a window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nca_viewer.automaton.explanation import Explain, Explanation
from nca_viewer.snapshot import Snapshot

if TYPE_CHECKING:
    from nca_viewer.opinion import Opinion
    from nca_viewer.views.axes import PrincipalAxes

Colour: TypeAlias = tuple[int, int, int]
"""sRGB, 0 to 255 each."""

MOORE_OFFSETS: tuple[tuple[int, int], ...] = tuple(
    (row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)
)
"""(row, column) offsets of the nine cells that a cell attends to; the automaton's, without importing JAX."""

NEVER = -1
"""In `Scene.damage_step`: this cell was never damaged."""


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """All that a view may show.

    Attributes:
        snapshot: The automaton at this moment.
        explanation: The next step from the snapshot's state; None where it is not ready.
        clean: uint8[H, W, 3], the image to compare with; None takes the snapshot's, which the episode began
            from.
        damage_step: int64[H, W], step of the last damage of each cell, `NEVER` where there was none; None
            where there was none at all.
        axes: The principal axes that colour the components; None takes those of the snapshot alone.
        opinion: What the outside classifier reads; None without one.
        channel: The channel that is enlarged; None shows all of them.
        head: The attention head that is enlarged; None shows all of them.
        channel_names: What each channel holds; empty where nobody knows.
    """

    snapshot: Snapshot
    explanation: Explanation | None = None
    clean: NDArray[np.uint8] | None = None
    damage_step: NDArray[np.int64] | None = None
    axes: PrincipalAxes | None = None
    opinion: Opinion | None = None
    channel: int | None = None
    head: int | None = None
    channel_names: tuple[str, ...] = ()

    @property
    def next_step(self) -> Explanation | None:
        """The explanation where it tells the whole step."""
        explanation = self.explanation
        return None if explanation is None or explanation.extent < Explain.STEP else explanation


@dataclass(frozen=True, slots=True)
class ColourRow:
    """A line of a legend: what one colour means."""

    colour: Colour
    label: str


@dataclass(frozen=True, eq=False, slots=True)
class ColourBar:
    """A colour scale of a legend.

    Attributes:
        label: What is measured, with its unit.
        colours: uint8[n, 3], from the low end to the high one.
        ticks: (position in [0, 1], text) along the bar.
    """

    label: str
    colours: NDArray[np.uint8]
    ticks: tuple[tuple[float, str], ...]


LegendEntry: TypeAlias = ColourRow | ColourBar


@dataclass(frozen=True, slots=True)
class Tile:
    """A grid within an image: where it lies, and which channel or head it shows.

    Attributes:
        number: Of the channel or head, from 0.
        label: For the window to draw over it.
        top: Image row of its first cell.
        left: Image column of its first cell.
        height: In cells.
        width: In cells.
    """

    number: int
    label: str
    top: int
    left: int
    height: int
    width: int

    def cell_at(self, row: int, column: int) -> tuple[int, int] | None:
        """The cell at an image's pixel; None outside this tile."""
        row, column = row - self.top, column - self.left
        return (row, column) if 0 <= row < self.height and 0 <= column < self.width else None


@dataclass(frozen=True, eq=False, slots=True)
class ViewImage:
    """What a view shows.

    Attributes:
        image: uint8[h, w, 3]: one pixel per cell; several grids side by side where there are tiles.
        legend: What its colours mean, from top to bottom.
        caption: One line in plain words.
        tiles: The grids in the image; empty where the image is the one grid.
    """

    image: NDArray[np.uint8]
    legend: tuple[LegendEntry, ...] = ()
    caption: str = ""
    tiles: tuple[Tile, ...] = field(default=())

    def tile_at(self, row: int, column: int) -> Tile | None:
        """The tile at a pixel of the image; None in a gap, and where there are none."""
        return next((tile for tile in self.tiles if tile.cell_at(row, column)), None)

    def cell_at(self, row: int, column: int) -> tuple[int, int] | None:
        """The cell of the automaton at a pixel of the image; None in a gap or outside."""
        if not self.tiles:
            height, width = self.image.shape[:2]
            return (row, column) if 0 <= row < height and 0 <= column < width else None
        tile = self.tile_at(row, column)
        return None if tile is None else tile.cell_at(row, column)
