"""The flat layout, channels first: the form in which a step is computed.

Everywhere else a state is float[..., H, W, channels]. Inside a step it is packed, float[channels, length]:
the rows of the grid, and one automaton after the other, end to end. There the neighbour in a direction is the
whole array shifted by a number of cells, a sum over channels is a sum of whole vectors, and a layer is one
matrix product. Every operation is then a plain loop over thousands of neighbours in memory, which is what
compilers vectorise; reductions over a short trailing axis of channels are what they do not.

Every automaton is followed by padding, and the array begins with it: as many cells as a neighbour can be
away. Padding holds zeros and never changes. So no shift leaves the array, and no automaton ever reads
another's cells, not even to multiply them by zero, which would hand on a NaN. Between the rows of a grid
there is no padding: beyond its border a cell reads the other end of a neighbouring row, under
`neighbour_mask`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Shaped

AnyArray = Array | np.ndarray
"""An array on the device or on the host."""

MOORE_OFFSETS: tuple[tuple[int, int], ...] = tuple(
    (row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)
)
"""(row, column) offsets of the nine cells that a cell attends to, itself in the middle."""


def neighbour_mask(height: int, width: int) -> np.ndarray:
    """Which of the nine neighbours exist: the grid has borders and does not wrap.

    Returns:
        bool[9, height, width], in the order of `MOORE_OFFSETS`.
    """
    rows, columns = np.mgrid[:height, :width]
    return np.stack(
        [
            (rows + row >= 0) & (rows + row < height) & (columns + column >= 0) & (columns + column < width)
            for row, column in MOORE_OFFSETS
        ]
    )


def product(left: Float[Array, "n k"], right: Float[Array, "k m"]) -> Float[Array, "n m"]:
    """The matrix product in full float32: [n, k] and [k, m] -> [n, m].

    By default a GPU may round the factors to ten bits: its states would drift from a CPU's, and the automaton
    would be another one than `nca_viewer/selftest.py` checks.
    """
    return jnp.matmul(left, right, precision=jax.lax.Precision.HIGHEST)


@dataclass(frozen=True)
class FlatLayout:
    """How grids of one shape are packed.

    Attributes:
        automata: The leading axes of the grids, possibly none.
        height: Rows of a grid.
        width: Columns of a grid.
    """

    automata: tuple[int, ...]
    height: int
    width: int

    @classmethod
    def of(cls, grid: AnyArray) -> FlatLayout:
        """The layout of a grid [..., H, W, channels]."""
        *automata, height, width, _ = grid.shape
        return cls(tuple(automata), height, width)

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """[automata..., height, width]."""
        return (*self.automata, self.height, self.width)

    @property
    def padding(self) -> int:
        """Cells of zeros before the first automaton and after each."""
        return self.width + 1

    @property
    def length(self) -> int:
        """Packed cells, the padding included."""
        return self.padding + math.prod(self.automata) * (self.height * self.width + self.padding)

    @property
    def inner_length(self) -> int:
        """Cells from the first automaton's first to the last one's last."""
        return self.length - 2 * self.padding

    @property
    def neighbour_mask(self) -> np.ndarray:
        """Which of the nine neighbours exist: bool[9, 1, inner_length]; False in padding."""
        mask = neighbour_mask(self.height, self.width).reshape(9, 1, -1)
        mask = np.tile(np.pad(mask, [(0, 0), (0, 0), (0, self.padding)]), math.prod(self.automata))
        return mask[..., : self.inner_length]

    def pack(self, grid: Float[AnyArray, "... H W channels"]) -> Float[Array, "channels length"]:
        """Grids [automata..., H, W, channels] as [channels, length], zeros in the padding."""
        channels = grid.shape[-1]
        cells = jnp.moveaxis(grid, -1, 0).reshape(channels, -1, self.height * self.width)
        cells = jnp.pad(cells, [(0, 0), (0, 0), (0, self.padding)]).reshape(channels, -1)
        return jnp.pad(cells, [(0, 0), (self.padding, 0)])

    def unpack(self, cells: Float[Array, "... channels length"]) -> Float[Array, "... H W channels"]:
        """Packed cells [..., channels, length] as grids [..., automata..., H, W, channels]."""
        *leading, channels, _ = cells.shape
        cells = cells[..., self.padding :].reshape(
            *leading, channels, -1, self.height * self.width + self.padding
        )
        cells = cells[..., : self.height * self.width]
        cells = jnp.moveaxis(cells, len(leading), -1)
        return cells.reshape(*leading, *self.automata, self.height, self.width, channels)

    def inner(self, cells: Shaped[Array, "... length"]) -> Shaped[Array, "... inner_length"]:
        """[..., length] without the padding at both ends: [..., inner_length]."""
        return cells[..., self.padding : -self.padding]

    def with_padding(self, inner: Float[Array, "... inner_length"]) -> Float[Array, "... length"]:
        """[..., inner_length] between zeros at both ends: [..., length]."""
        return jnp.pad(inner, [(0, 0)] * (inner.ndim - 1) + [(self.padding, self.padding)])

    def neighbour(self, cells: Array, number: int, *, opposite: bool = False) -> Array:
        """What each inner cell's neighbour (or the one opposite) holds: [..., length] -> [..., inner_length].

        Args:
            cells: All packed cells.
            number: Which neighbour, an index of `MOORE_OFFSETS`.
            opposite: The one in the opposite direction.
        """
        row, column = MOORE_OFFSETS[8 - number if opposite else number]
        start = self.padding + row * self.width + column
        return cells[..., start : start + self.inner_length]
