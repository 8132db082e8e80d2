"""The start of an episode: an image, half forgotten."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from nca_viewer.automaton.layout import AnyArray
from nca_viewer.config import ModelConfig


def seed_state(image: Float[AnyArray, "... H W V"], config: ModelConfig) -> Float[Array, "... H W C"]:
    """A state that shows an image and has empty hidden channels.

    Args:
        image: float[..., H, W, visible_channel_size] in [0, 1].
        config: The automaton's hyperparameters.

    Returns:
        float32[..., H, W, channel_size].
    """
    hidden = config.channel_size - config.visible_channel_size
    return jnp.pad(image.astype(jnp.float32), [(0, 0)] * (image.ndim - 1) + [(hidden, 0)])


def mask_image(
    image: Float[AnyArray, "... H W V"], key: Array, mask_ratio: ArrayLike
) -> Float[Array, "... H W V"]:
    """Forget pixels: each is kept with probability 1 - mask_ratio, else set to 0 in all its channels.

    Args:
        image: float[..., H, W, visible_channel_size].
        key: PRNG key of the mask; the choice of the image needs a key of its own.
        mask_ratio: In [0, 1]; a scalar, or an array that broadcasts against the leading axes.

    Returns:
        The masked image, of the same shape.
    """
    keep_probability = 1.0 - jnp.asarray(mask_ratio)[..., None, None, None]
    kept = jax.random.uniform(key, (*image.shape[:-1], 1)) < keep_probability
    return jnp.where(kept, image, 0.0)


def masked_start(
    image: Float[AnyArray, "... H W V"], key: Array, mask_ratio: ArrayLike, config: ModelConfig
) -> Float[Array, "... H W C"]:
    """The state an episode starts from: the masked image in the visible channels, zeros elsewhere."""
    return seed_state(mask_image(image, key, mask_ratio), config)
