"""The attention-based neural cellular automaton as a CAX complex system."""

from __future__ import annotations

import jax.numpy as jnp
from cax.core import ComplexSystem
from flax import nnx
from jax import Array

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

    def step(self, state: Array, key: Array | None = None, projection: Projection | None = None) -> Array:
        """One step of every cell.

        Args:
            state: float[..., H, W, channel_size].
            key: PRNG key of the cell dropout; the module's own stream without it.
            projection: `self.perceive.projection()`, where the caller has made it already.

        Returns:
            The next state, of the same shape.
        """
        return self._limit(self.update(state, self.perceive(state, projection), key=key))

    def is_at_rest(self, state: Array, projection: Projection | None = None) -> Array:
        """Whether no cell will ever change again, whichever cells the dropout keeps: bool[...].

        True of a state that every kept cell's update leaves exactly as it is. Only an automaton with an
        `update_deadband` gets there.
        """
        still = self._limit(self.update.undropped(state, self.perceive(state, projection))) == state
        return jnp.all(still, axis=(-3, -2, -1))

    def _limit(self, state: Array) -> Array:
        limit = self.config.state_limit
        return state if limit is None else jnp.clip(state, -limit, limit)

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
