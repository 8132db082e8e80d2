"""Update: a pointwise network whose result reaches a random half of the cells."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from cax.core.update import ResidualUpdate
from flax import nnx
from jax import Array
from jaxtyping import Float

from nca_viewer.automaton.layout import FlatLayout, product
from nca_viewer.config import ModelConfig


def cell_dropout(
    config: ModelConfig, grid_shape: Sequence[int], key: Array | nnx.RngStream
) -> Float[Array, "... H W 1"]:
    """One draw of the cell dropout: the factor of each cell's update.

    Args:
        config: The automaton's hyperparameters.
        grid_shape: [..., H, W].
        key: PRNG key of the draw, or a stream of them.

    Returns:
        float[..., H, W, 1], either 0 or 1 / (1 - cell_dropout_rate).
    """
    return nnx.Dropout(config.cell_dropout_rate)(jnp.ones((*grid_shape, 1), jnp.float32), rngs=key)


class StochasticResidualUpdate(ResidualUpdate):
    """CAX's residual update with its layers as matrix products and the PRNG key as an argument.

    state + step_size * cell_dropout(kernel_1 relu(kernel_0 perception)); the last kernel starts at zero.
    Same parameters, same numbers and, given the same key, same dropped cells as `ResidualUpdate`.

    Differs from it in the optional `update_deadband`. A learned update is never exactly zero, so without
    one the hidden channels of a finished digit creep on, some thousandths a step, until the image
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
        self.config = config

    def draw(self, grid_shape: Sequence[int], key: Array | None = None) -> Float[Array, "... H W 1"]:
        """As `cell_dropout`; from the module's own stream without a key."""
        return cell_dropout(self.config, grid_shape, self.dropout.rngs if key is None else key)

    def change(self, perception: Float[Array, "P inner_length"]) -> Float[Array, "C inner_length"]:
        """What the network makes of a perception, after the deadband.

        Args:
            perception: float[perception_size, inner_length].

        Returns:
            float[channel_size, inner_length].
        """
        first, last = self.layers
        hidden = jax.nn.relu(product(first.kernel[0, 0].T, perception) + first.bias[...][:, None])
        update = product(last.kernel[0, 0].T, hidden) + last.bias[...][:, None]
        deadband = self.config.update_deadband
        if deadband:
            update = update - jnp.clip(update, -deadband, deadband)
        return update

    def update_packed(
        self,
        cells: Float[Array, "C inner_length"],
        perception: Float[Array, "P inner_length"],
        dropout_mask: Float[Array, "1 inner_length"],
    ) -> Float[Array, "C inner_length"]:
        """Add the update to the cells that fire.

        Args:
            cells: float[channel_size, inner_length].
            perception: float[perception_size, inner_length].
            dropout_mask: float[1, inner_length], a packed draw of the cell dropout; zeros in padding.

        Returns:
            float[channel_size, inner_length].
        """
        update = self.change(perception)
        # Selected, not multiplied by zero: a NaN in an update that a cell does not take does it no harm.
        return jnp.where(dropout_mask > 0, cells + self.step_size * (dropout_mask * update), cells)

    def __call__(
        self, state: Array, perception: Array, input: None = None, *, key: Array | None = None
    ) -> Array:
        """As `update_packed`, for grids, with a draw of its own.

        Args:
            state: float[..., H, W, channel_size].
            perception: float[..., H, W, perception_size].
            input: Unused; part of CAX's interface.
            key: PRNG key of this step's cell dropout; the module's own stream without it.

        Returns:
            float[..., H, W, channel_size].
        """
        layout = FlatLayout.of(state)
        dropout_mask = self.draw(state.shape[:-1], key)
        packed = (layout.inner(layout.pack(grid)) for grid in (state, perception, dropout_mask))
        return layout.unpack(layout.with_padding(self.update_packed(*packed)))
