"""The attention-based neural cellular automaton as a CAX complex system."""

from __future__ import annotations

import jax.numpy as jnp
from cax.core import ComplexSystem
from flax import nnx
from jax import Array

from nca_viewer.automaton.line import CellLine
from nca_viewer.automaton.perceive import LocalAttentionPerceive, Projection
from nca_viewer.automaton.update import StochasticResidualUpdate
from nca_viewer.config import ModelConfig


class AttentionNCA(ComplexSystem):
    """Every cell is a tiny network that looks at its eight neighbours through self-attention.

    A state is float32[..., H, W, channel_size]; leading axes are independent automata. The last
    `visible_channel_size` channels are the picture (ink = 1, paper = 0).

    Cell dropout is part of the dynamics, the automaton's asynchrony: it stays on while running, so never
    call `eval()` on this module.

    Source: Tesfaldet et al., arXiv:2211.01233, in the form of the CAX example. Differs from it in the
    nine-neighbour attention, in separate keys for separate draws, and in the optional `state_limit` and
    `update_deadband`.
    """

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        """Create an untrained automaton.

        Args:
            config: Its hyperparameters.
            rngs: Source of the parameters' PRNG keys and of the default cell-dropout stream.
        """
        self.config = config
        self.perceive = LocalAttentionPerceive(config, rngs=rngs)
        self.update = StochasticResidualUpdate(config, rngs=rngs)

    def _step(self, state: Array, input: None = None, *, sow: bool = False) -> Array:
        return self.step(state)

    def step(self, state: Array, key: Array | None = None) -> Array:
        """One step of every cell.

        Args:
            state: float[..., H, W, channel_size].
            key: PRNG key of the cell dropout; the module's own stream without it.

        Returns:
            The next state, of the same shape.
        """
        line = CellLine.of(state)
        projection = self.perceive.projection(line)
        kept = self.update.draw(state.shape[:-1], key)
        cells = self.step_in_line(line, line.fold(state), line.fold(kept), projection)
        return line.unfold(cells)

    def step_in_line(self, line: CellLine, cells: Array, kept: Array, projection: Projection) -> Array:
        """As `step`, of cells in a line: the form for many steps, with what they share made once.

        Args:
            line: How the cells lie.
            cells: float[channel_size, length].
            kept: float[1, length], this step's draw of the cell dropout, `self.update.draw`; zeros in gaps.
            projection: `self.perceive.projection(line)`.

        Returns:
            The next cells, of the same shape.
        """
        perception = self.perceive.in_line(line, cells, projection)
        moved = self.update.in_line(line.inner(cells), perception, line.inner(kept))
        return line.with_ends(self._limit(moved))

    def is_at_rest(self, state: Array) -> Array:
        """Whether no cell will ever change again, whichever cells the dropout keeps: bool[...].

        True of a state that every kept cell's update leaves exactly as it is. Only an automaton with an
        `update_deadband` gets there.
        """
        line = CellLine.of(state)
        everyone = jnp.full((1, line.length), 1 / (1 - self.config.cell_dropout_rate))
        projection = self.perceive.projection(line)
        moved = line.unfold(self.step_in_line(line, line.fold(state), everyone, projection))
        return jnp.all(moved == state, axis=(-3, -2, -1))

    def _limit(self, cells: Array) -> Array:
        limit = self.config.state_limit
        return cells if limit is None else jnp.clip(cells, -limit, limit)

    @nnx.jit
    def render(self, state: Array) -> Array:
        """The picture: uint8[..., H, W, 3] in [0, 255]; grey repeated to RGB, clipped."""
        return render(state, self.config)


def visible(state: Array, config: ModelConfig) -> Array:
    """The picture's channels, unclipped: float[..., H, W, visible_channel_size]."""
    return state[..., -config.visible_channel_size :]


def render(state: Array, config: ModelConfig) -> Array:
    """As `AttentionNCA.render`, without a module: uint8[..., H, W, 3]."""
    picture = jnp.broadcast_to(visible(state, config), (*state.shape[:-1], 3))
    return jnp.round(255 * jnp.clip(picture, 0.0, 1.0)).astype(jnp.uint8)
