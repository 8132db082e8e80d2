"""The one way to run an automaton: prepare it for a shape of grid, pack the state, step, unpack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from nca_viewer.automaton.experiments import ExperimentArrays, Experiments
from nca_viewer.automaton.explanation import Explanation
from nca_viewer.automaton.layout import AnyArray, FlatLayout
from nca_viewer.automaton.perceive import LocalAttentionPerceive, Projection
from nca_viewer.automaton.update import StochasticResidualUpdate
from nca_viewer.config import ModelConfig


@runtime_checkable
class Automaton(Protocol):
    """What a stepper needs of an automaton; `system.AttentionNCA` has it."""

    config: ModelConfig
    perceive: LocalAttentionPerceive
    update: StochasticResidualUpdate

    def limit(self, cells: Array) -> Array:
        """The cells within the automaton's state limit."""


@dataclass(frozen=True)
class Stepper:
    """An automaton prepared for grids of one shape; see `prepare`.

    What all steps share, it has made once. It belongs to the function, traced or not, that made it.
    """

    _model: Automaton
    _layout: FlatLayout
    _projection: Projection
    _experiments: ExperimentArrays | None

    def pack(self, grid: Float[AnyArray, "... H W channels"]) -> Float[Array, "channels length"]:
        """Grids float[..., H, W, channels] as steps are computed: float[channels, length]."""
        return self._layout.pack(grid)

    def unpack(self, cells: Float[Array, "... channels length"]) -> Float[Array, "... H W channels"]:
        """Packed cells float[extra..., channels, length] as grids float[extra..., ..., H, W, channels]."""
        return self._layout.unpack(cells)

    def dropout_mask(self, key: Array | None = None) -> Float[Array, "1 length"]:
        """One draw of the cell dropout, packed: float[1, length], zeros in the padding.

        Args:
            key: PRNG key of the draw; the automaton's own stream without it, which experiments do not allow.
        """
        if self._experiments is None:
            return self.pack(self._model.update.draw(self._layout.grid_shape, key))
        assert key is not None
        # Where the rate is the trained one, the very draw of `cell_dropout`.
        fires = jax.random.bernoulli(key, self._experiments.update_rate, (*self._layout.grid_shape, 1))
        return self.pack(jnp.where(fires, jnp.float32(self._firing_factor), 0.0))

    def noise(self, key: Array) -> Float[Array, "C length"] | None:
        """One draw of noise, packed: float[channel_size, length]; None without experiments."""
        if self._experiments is None:
            return None
        std = self._experiments.noise_std
        shape = (*self._layout.grid_shape, self._model.config.channel_size)
        return self.pack(
            jax.lax.cond(std > 0, lambda: std * jax.random.normal(key, shape), lambda: jnp.zeros(shape))
        )

    def step(
        self,
        cells: Float[Array, "C length"],
        dropout_mask: Float[Array, "1 length"],
        noise: Float[Array, "C length"] | None = None,
    ) -> Float[Array, "C length"]:
        """One step of every cell.

        Args:
            cells: float[channel_size, length], a packed state.
            dropout_mask: float[1, length], as `dropout_mask` or a packed `cell_dropout`.
            noise: float[channel_size, length], as `noise`; only with experiments.

        Returns:
            The next cells, of the same shape.
        """
        layout, experiments = self._layout, self._experiments
        if experiments is not None:
            return self._take_apart(experiments, cells, dropout_mask, noise)[-1]
        perception = self._model.perceive.perceive_packed(layout, cells, self._projection)
        moved = self._model.update.update_packed(layout.inner(cells), perception, layout.inner(dropout_mask))
        return layout.with_padding(self._model.limit(moved))

    def explain(
        self,
        cells: Float[Array, "C length"],
        dropout_mask: Float[Array, "1 length"],
        noise: Float[Array, "C length"] | None = None,
    ) -> Explanation:
        """The same step taken apart, as grids; its next state is that of `step` up to rounding."""
        experiments = self._experiments
        if experiments is None:
            experiments = Experiments().arrays(self._model.config)
        *inner, next_cells = self._take_apart(experiments, cells, dropout_mask, noise)
        weights, perception, update = (self.unpack(self._layout.with_padding(part)) for part in inner)
        return Explanation(
            weights=weights,
            perception=perception,
            update=update,
            fires=(self.unpack(dropout_mask)[..., 0] > 0) & ~experiments.is_dead,
            firing_factor=jnp.float32(self._firing_factor),
            next_state=self.unpack(next_cells),
        )

    def attention(self, cells: Float[Array, "C length"]) -> Explanation:
        """The weights of `explain` alone, at less than half its price; without experiments.

        Args:
            cells: float[channel_size, length], a packed state.
        """
        weights = self._model.perceive.weights_packed(self._layout, cells, self._projection)
        return Explanation(self.unpack(self._layout.with_padding(weights)))

    @property
    def _firing_factor(self) -> float:
        return 1.0 / (1.0 - self._model.config.cell_dropout_rate)

    def _take_apart(
        self, experiments: ExperimentArrays, cells: Array, dropout_mask: Array, noise: Array | None
    ) -> tuple[Array, Array, Array, Array]:
        """Weights float[9, heads, inner_length], perception and update, inner too, and the next cells."""
        layout, model = self._layout, self._model
        is_dead = jnp.broadcast_to(experiments.is_dead[..., None], (*layout.grid_shape, 1))
        is_zero = experiments.is_zeroed[:, None] | (self.pack(is_dead.astype(cells.dtype)) > 0)
        cells = jnp.where(is_zero, 0.0, cells)
        before, mask, is_zero = (layout.inner(part) for part in (cells, dropout_mask, is_zero))
        perception, weights = model.perceive.perceive_with_weights(
            layout, cells, self._projection, experiments.neighbours
        )
        is_frozen = experiments.is_frozen[:, None]
        update = (model.update.step_size * experiments.step_size_factor) * model.update.change(perception)
        update = jnp.where(is_zero | is_frozen, 0.0, update)
        moved = jnp.where(mask > 0, before + mask * update, before)
        if noise is not None:
            moved = moved + layout.inner(noise)
        moved = jnp.where(is_zero, 0.0, jnp.where(is_frozen, before, model.limit(moved)))
        return weights, perception, update, layout.with_padding(moved)


def prepare(
    model: Automaton, grid_shape: Sequence[int], experiments: ExperimentArrays | None = None
) -> Stepper:
    """Make once what all steps on grids of one shape share.

    Args:
        model: The automaton; it may be traced.
        grid_shape: [..., H, W]; leading axes are independent automata.
        experiments: Changes to the automaton, `Experiments.arrays`; they may be traced.
    """
    *automata, height, width = grid_shape
    layout = FlatLayout(tuple(automata), height, width)
    projection = model.perceive.projection(layout)
    if experiments is not None:
        gains = jnp.repeat(experiments.head_gains, model.config.head_size)
        projection = projection._replace(out_kernel=projection.out_kernel * gains)
    return Stepper(model, layout, projection, experiments)
