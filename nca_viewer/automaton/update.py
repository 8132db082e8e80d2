"""Update: a pointwise network whose result reaches a random half of the cells."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from cax.core.update import ResidualUpdate
from flax import nnx
from jax import Array

from nca_viewer.config import ModelConfig


class StochasticResidualUpdate(ResidualUpdate):
    """CAX's residual update with its layers as matrix products and the PRNG key as an argument.

    state + step_size * cell_dropout(kernel_1 relu(kernel_0 perception)); the last kernel starts at zero.
    Same parameters, same numbers and, given the same key, same dropped cells as `ResidualUpdate`.

    Differs from it in the optional `update_deadband`. A learned update is never exactly zero, so without
    one the hidden channels of a finished digit creep on, some thousandths a step, until the picture
    dissolves. Shrinking every update towards zero by a constant (soft thresholding) turns "almost still"
    into an exact fixed point of the dynamics. Its gradient is the true one, zero within the deadband: what
    rests is left at rest.
    """

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        """Create the parameters.

        Args:
            config: The automaton's hyperparameters.
            rngs: Source of the parameters' PRNG keys and of the default cell-dropout stream.
        """
        super().__init__(
            num_spatial_dims=2,
            channel_size=config.channel_size,
            perception_size=config.perception_size,
            hidden_layer_sizes=(config.hidden_size,),
            step_size=config.step_size,
            cell_dropout_rate=config.cell_dropout_rate,
            zeros_init=True,
            rngs=rngs,
        )
        self.deadband = config.update_deadband

    def __call__(
        self, state: Array, perception: Array, input: None = None, *, key: Array | None = None
    ) -> Array:
        """Add the update to the cells that the dropout keeps.

        Args:
            state: float[..., H, W, channel_size].
            perception: float[..., H, W, perception_size].
            input: Unused; part of CAX's interface.
            key: PRNG key of this step's cell dropout; the module's own stream without it.

        Returns:
            float[..., H, W, channel_size].
        """
        return state + self.step_size * self.dropout(self.increment(perception), rngs=key)

    def increment(self, perception: Array) -> Array:
        """What a cell that is kept adds to its state, before the scaling: float[..., H, W, channel_size]."""
        first, last = self.layers
        hidden = jax.nn.relu(perception @ first.kernel[0, 0] + first.bias[...])
        update = hidden @ last.kernel[0, 0] + last.bias[...]
        if self.deadband:
            update = update - jnp.clip(update, -self.deadband, self.deadband)
        return update

    def undropped(self, state: Array, perception: Array) -> Array:
        """The next state of every cell if it is kept, scaled as kept updates are."""
        return state + self.step_size * self.increment(perception) / (1.0 - self.dropout.rate)
