"""What a hand can do to an automaton: pure functions from a state and a region to a state.

A region is bool[..., H, W], the cells that are touched, and broadcasts against the state's leading axes.
The viewer's tools and the training's damage are these same functions. Paint and erase are idempotent;
corrupt is, for the same key.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Real

from nca_viewer.automaton.layout import AnyArray
from nca_viewer.config import ModelConfig


def paint(
    state: Float[AnyArray, "... H W C"],
    region: Bool[AnyArray, "... H W"],
    ink: ArrayLike,
    config: ModelConfig,
) -> Float[Array, "... H W C"]:
    """Set the visible channels of the touched cells to `ink`, in [0, 1]; hidden channels stay."""
    is_visible = jnp.arange(config.channel_size) >= config.channel_size - config.visible_channel_size
    return jnp.where(region[..., None] & is_visible, jnp.asarray(ink, state.dtype), state)


def erase(
    state: Float[AnyArray, "... H W C"], region: Bool[AnyArray, "... H W"]
) -> Float[Array, "... H W C"]:
    """Set every channel of the touched cells to zero: they forget all they knew."""
    return jnp.where(region[..., None], jnp.zeros((), state.dtype), state)


def corrupt(
    state: Float[AnyArray, "... H W C"], region: Bool[AnyArray, "... H W"], key: Array, config: ModelConfig
) -> Float[Array, "... H W C"]:
    """Scramble every channel of the touched cells.

    Visible channels become uniform in [0, 1), hidden channels uniform in [-1, 1).
    """
    hidden = config.channel_size - config.visible_channel_size
    low = jnp.where(jnp.arange(config.channel_size) < hidden, -1.0, 0.0).astype(state.dtype)
    noise = jax.random.uniform(key, state.shape, state.dtype)
    return jnp.where(region[..., None], low + (1.0 - low) * noise, state)


def disc(
    centre: Real[AnyArray, "... 2"], radius: ArrayLike, height: int, width: int
) -> Bool[Array, "... H W"]:
    """The cells whose centre lies within `radius` of `centre`.

    Args:
        centre: float[..., 2], (row, column) in cells.
        radius: float[...], in cells; 0 is the one cell at the centre.
        height: Rows of the grid.
        width: Columns of the grid.

    Returns:
        bool[..., H, W].
    """
    rows, columns = jnp.mgrid[:height, :width]
    centre = jnp.asarray(centre)[..., None, None]
    squared = (rows - centre[..., 0, :, :]) ** 2 + (columns - centre[..., 1, :, :]) ** 2
    return squared <= jnp.asarray(radius)[..., None, None] ** 2
