"""Perceive: each cell's token attends to the tokens of its Moore neighbourhood."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from cax.core.perceive import Perceive
from flax import nnx
from jax import Array

from nca_viewer.automaton.attention import (
    interleaved_channels,
    local_attention,
    local_attention_weights,
)
from nca_viewer.config import ModelConfig


class Projection(NamedTuple):
    """The affine map from a cell's state straight to its queries, keys and values.

    Between the state and the queries there is nothing but linear maps and a table of positions, so they
    fold into one matrix and one bias per cell. The fold is worth 24 kFLOP per cell and step, and is made
    once per roll-out. Queries come out scaled by 1 / sqrt(head_size).

    Attributes:
        kernel: float[channel_size, 3 * hidden_size]; queries, keys and values each interleaved, see
            `attention.interleaved_channels`.
        bias: float[height, width, 3 * hidden_size].
        out_kernel: float[hidden_size, perception_size], from interleaved channels.
    """

    kernel: Array
    bias: Array
    out_kernel: Array


def _bias(layer: nnx.Linear | nnx.LinearGeneral) -> Array:
    assert layer.bias is not None  # None only for layers made with use_bias=False.
    return layer.bias[...]


class LocalAttentionPerceive(Perceive):
    """Localised multi-head self-attention over the Moore neighbourhood.

    token = [Linear(state), embed(row), embed(column)], both embeddings from one table;
    perception = out(softmax(q k' / sqrt(head_size)) v) over the nine neighbours.

    The submodules hold the parameters in the tree of the CAX example (`linear`, `position_embed`,
    `attention.{query,key,value,out}`), so that checkpoints can be exchanged in either direction. Unlike the
    example, no dense mask is built and `nnx.MultiHeadAttention` is never called, only its parameters read.
    """

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        """Create the parameters with flax's default initialisers.

        Args:
            config: The automaton's hyperparameters.
            rngs: Source of the parameters' PRNG keys.
        """
        self.config = config
        self.linear = nnx.Linear(config.channel_size, config.projection_size, rngs=rngs)
        self.position_embed = nnx.Embed(
            max(config.height, config.width), config.position_embedding_size, rngs=rngs
        )
        self.attention = nnx.MultiHeadAttention(
            num_heads=config.num_heads,
            in_features=config.projection_size + 2 * config.position_embedding_size,
            qkv_features=config.hidden_size,
            out_features=config.perception_size,
            decode=False,
            rngs=rngs,
        )

    def projection(self) -> Projection:
        """Fold projection, positions, queries, keys and values into one affine map."""
        config = self.config
        attention = self.attention
        order = interleaved_channels(config.num_heads, config.head_size)
        layers = (attention.query, attention.key, attention.value)
        kernel = jnp.concatenate(
            [layer.kernel[...].reshape(-1, config.hidden_size)[:, order] for layer in layers], axis=1
        )
        bias = jnp.concatenate([_bias(layer).reshape(-1)[order] for layer in layers])
        from_state, from_row, from_column = jnp.split(
            kernel,
            [config.projection_size, config.projection_size + config.position_embedding_size],
        )
        table = self.position_embed.embedding[...]
        rows = table[: config.height] @ from_row
        columns = table[: config.width] @ from_column
        bias = bias + _bias(self.linear) @ from_state
        scale = jnp.where(
            jnp.arange(3 * config.hidden_size) < config.hidden_size, 1 / math.sqrt(config.head_size), 1.0
        )
        return Projection(
            kernel=(self.linear.kernel[...] @ from_state) * scale,
            bias=(rows[:, None] + columns[None] + bias) * scale,
            out_kernel=attention.out.kernel[...].reshape(config.hidden_size, -1)[order],
        )

    @staticmethod
    def _query_key_value(state: Array, projection: Projection) -> list[Array]:
        return jnp.split(state @ projection.kernel + projection.bias, 3, axis=-1)

    def __call__(self, state: Array, projection: Projection | None = None) -> Array:
        """Perceive the neighbourhood.

        Args:
            state: float[..., H, W, channel_size].
            projection: `self.projection()`, where the caller has made it already.

        Returns:
            float[..., H, W, perception_size].
        """
        if projection is None:
            projection = self.projection()
        query, key, value = self._query_key_value(state, projection)
        attended = local_attention(query, key, value, self.config.num_heads)
        return attended @ projection.out_kernel + _bias(self.attention.out)

    def attention_weights(self, state: Array) -> Array:
        """What each cell looks at: float[9, ..., H, W, heads], summing to one over the neighbours."""
        query, key, _ = self._query_key_value(state, self.projection())
        return local_attention_weights(query, key, num_heads=self.config.num_heads)
