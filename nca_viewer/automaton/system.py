"""The attention-based neural cellular automaton as a CAX complex system."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp
from cax.core import ComplexSystem
from flax import nnx
from jax import Array
from jaxtyping import Float, UInt8

from nca_viewer.automaton.explanation import Explanation
from nca_viewer.automaton.layout import AnyArray
from nca_viewer.automaton.perceive import LocalAttentionPerceive
from nca_viewer.automaton.stepper import prepare
from nca_viewer.automaton.update import StochasticResidualUpdate
from nca_viewer.config import ModelConfig


class AttentionNCA(ComplexSystem):
    """Every cell is a tiny network that looks at its eight neighbours through self-attention.

    A state is float32[..., H, W, channel_size]; leading axes are independent automata. The last
    `visible_channel_size` channels are the image (ink = 1, paper = 0).

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

    @partial(nnx.jit, static_argnames=("num_steps", "input_in_axis", "sow", "return_states"))
    def __call__(
        self,
        state: Array,
        input: None = None,
        *,
        num_steps: int = 1,
        input_in_axis: int | None = None,
        sow: bool = False,
        return_states: bool = False,
    ) -> Array | tuple[Array, Array]:
        """Run some steps, with keys from the module's own stream.

        CAX's call, with what the steps share made once. It has the arguments of every CAX from 0.3 to 0.4.

        Args:
            state: float[..., H, W, channel_size].
            input: Unused; part of CAX's interface, as are the next two.
            num_steps: How many.
            input_in_axis: Unused.
            sow: Unused.
            return_states: Also return the state after each step.

        Returns:
            The final state; with `return_states` a pair of it and the states float[num_steps, ..., H, W, C].
        """
        stepper = prepare(self, state.shape[:-1])

        def step(stream: nnx.RngStream, cells: Array) -> tuple[Array, Any]:
            cells = stepper.step(cells, stepper.dropout_mask(stream()))
            return cells, cells if return_states else None

        run = nnx.scan(
            nnx.remat(step) if getattr(self, "remat", False) else step,
            in_axes=(nnx.StateAxes({...: nnx.Carry}), nnx.Carry),  # type: ignore[arg-type]
            out_axes=(nnx.Carry, 0),
            length=num_steps,
        )
        final, states = run(self.update.dropout.rngs, stepper.pack(state))
        final = stepper.unpack(final)
        return (final, stepper.unpack(states)) if return_states else final

    def step(
        self, state: Float[AnyArray, "... H W C"], key: Array | None = None
    ) -> Float[Array, "... H W C"]:
        """One step of every cell.

        Args:
            state: float[..., H, W, channel_size].
            key: PRNG key of the cell dropout; the module's own stream without it.

        Returns:
            The next state, of the same shape.
        """
        stepper = prepare(self, state.shape[:-1])
        return stepper.unpack(stepper.step(stepper.pack(state), stepper.dropout_mask(key)))

    def explain(self, state: Float[AnyArray, "... H W C"], key: Array) -> Explanation:
        """The step from a state float[..., H, W, channel_size] under a key, taken apart."""
        stepper = prepare(self, state.shape[:-1])
        return stepper.explain(stepper.pack(state), stepper.dropout_mask(key))

    def is_at_rest(self, state: Float[AnyArray, "... H W C"]) -> Array:
        """Whether no cell will ever change again, whichever cells the dropout keeps: bool[...].

        True of a state that every kept cell's update leaves exactly as it is. Only an automaton with an
        `update_deadband` gets there.
        """
        stepper = prepare(self, state.shape[:-1])
        cells = stepper.pack(state)
        everyone = jnp.full((1, cells.shape[-1]), 1 / (1 - self.config.cell_dropout_rate))
        return jnp.all(stepper.unpack(stepper.step(cells, everyone)) == state, axis=(-3, -2, -1))

    def limit(self, cells: Array) -> Array:
        """Channels within the `state_limit`, where there is one."""
        limit = self.config.state_limit
        return cells if limit is None else jnp.clip(cells, -limit, limit)

    @nnx.jit
    def render(self, state: Array) -> Array:
        """The image: uint8[..., H, W, 3] in [0, 255]; grey repeated to RGB, clipped."""
        return render(state, self.config)


def visible(state: Float[AnyArray, "... C"], config: ModelConfig) -> Float[AnyArray, "... V"]:
    """The image's channels, unclipped: float[..., H, W, visible_channel_size]."""
    return state[..., -config.visible_channel_size :]


def render(state: Float[AnyArray, "... H W C"], config: ModelConfig) -> UInt8[Array, "... H W 3"]:
    """As `AttentionNCA.render`, without a module: uint8[..., H, W, 3]."""
    image = jnp.broadcast_to(visible(state, config), (*state.shape[:-1], 3))
    return jnp.round(255 * jnp.clip(image, 0.0, 1.0)).astype(jnp.uint8)
