"""The one way to run an automaton: prepare it for a shape of grid, pack the state, step, unpack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jax import Array

from nca_viewer.automaton.layout import FlatLayout
from nca_viewer.automaton.perceive import Projection

if TYPE_CHECKING:
    from nca_viewer.automaton.system import AttentionNCA


@dataclass(frozen=True)
class Stepper:
    """An automaton prepared for grids of one shape; see `prepare`.

    What all steps share, it has made once. It belongs to the function, traced or not, that made it.
    """

    _model: AttentionNCA
    _layout: FlatLayout
    _projection: Projection

    def pack(self, grid: Array) -> Array:
        """Grids float[..., H, W, channels] in the form in which steps are computed: float[channels, length]."""
        return self._layout.pack(grid)

    def unpack(self, cells: Array) -> Array:
        """Packed cells float[extra..., channels, length] as grids float[extra..., ..., H, W, channels]."""
        return self._layout.unpack(cells)

    def dropout_mask(self, key: Array | None = None) -> Array:
        """One draw of the cell dropout, packed: float[1, length], zeros in the padding.

        Args:
            key: PRNG key of the draw; the automaton's own stream without it.
        """
        return self.pack(self._model.update.draw(self._layout.grid_shape, key))

    def step(self, cells: Array, dropout_mask: Array) -> Array:
        """One step of every cell.

        Args:
            cells: float[channel_size, length], a packed state.
            dropout_mask: float[1, length], as `dropout_mask` or a packed `cell_dropout`.

        Returns:
            The next cells, of the same shape.
        """
        layout = self._layout
        perception = self._model.perceive.perceive_packed(layout, cells, self._projection)
        moved = self._model.update.update_packed(layout.inner(cells), perception, layout.inner(dropout_mask))
        return layout.with_padding(self._model.limit(moved))


def prepare(model: AttentionNCA, grid_shape: Sequence[int]) -> Stepper:
    """Make once what all steps on grids of one shape share.

    Args:
        model: The automaton; it may be traced.
        grid_shape: [..., H, W]; leading axes are independent automata.
    """
    *automata, height, width = grid_shape
    layout = FlatLayout(tuple(automata), height, width)
    return Stepper(model, layout, model.perceive.projection(layout))
