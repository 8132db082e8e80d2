"""Perceive: each cell's token attends to the tokens of its Moore neighbourhood."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from cax.core.perceive import Perceive
from flax import nnx
from jax import Array
from jaxtyping import Bool, Float

from nca_viewer.automaton.attention import (
    attention_with_weights,
    local_attention,
    local_attention_weights,
)
from nca_viewer.automaton.layout import AnyArray, FlatLayout, product
from nca_viewer.config import ModelConfig


class Projection(NamedTuple):
    """The affine map from a cell's state straight to its queries, keys and values.

    Between the state and the queries there is nothing but linear maps and a table of positions, so they
    fold into one matrix, from the state's channels and a few that never change. The fold is worth 24 kFLOP
    per cell and step, and is made once per roll-out. Queries come out scaled by 1 / sqrt(head_size).

    Attributes:
        kernel: float[3 * hidden_size, channel_size + 2 * position_embedding_size + 1].
        position: float[2 * position_embedding_size + 1, length]: each cell's row and column embedding and a
            one, whose column of the kernel is the bias; zeros in padding.
        out_kernel: float[perception_size, hidden_size].
    """

    kernel: Array
    position: Array
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

    def projection(self, layout: FlatLayout) -> Projection:
        """Fold projection, positions, queries, keys and values into one matrix, for packed cells."""
        config = self.config
        attention = self.attention
        layers = (attention.query, attention.key, attention.value)
        kernel = jnp.concatenate([layer.kernel[...].reshape(-1, config.hidden_size) for layer in layers], 1)
        bias = jnp.concatenate([_bias(layer).reshape(-1) for layer in layers])
        from_projected, from_position = jnp.split(kernel, [config.projection_size])
        kernel = jnp.concatenate(
            [
                product(self.linear.kernel[...], from_projected),
                from_position,
                bias[None] + product(_bias(self.linear)[None], from_projected),
            ]
        )
        scale = jnp.where(
            jnp.arange(3 * config.hidden_size) < config.hidden_size, 1 / math.sqrt(config.head_size), 1.0
        )
        table = self.position_embed.embedding[...]
        grid = layout.grid_shape
        rows = jnp.broadcast_to(table[: layout.height, None], (*grid, table.shape[1]))
        columns = jnp.broadcast_to(table[: layout.width], (*grid, table.shape[1]))
        return Projection(
            kernel=(kernel * scale).T,
            position=layout.pack(
                jnp.concatenate([rows, columns, jnp.ones((*grid, 1), table.dtype)], axis=-1)
            ),
            out_kernel=attention.out.kernel[...].reshape(config.hidden_size, -1).T,
        )

    def weights_packed(
        self, layout: FlatLayout, cells: Float[Array, "C length"], projection: Projection
    ) -> Float[Array, "9 heads inner_length"]:
        """What each cell looks at, without what it perceives: as the weights of `perceive_with_weights`."""
        query_key = projection._replace(kernel=projection.kernel[: 2 * self.config.hidden_size])
        query, key = jnp.split(self._query_key_value(cells, query_key), 2)
        return local_attention_weights(layout, query, key, self.config.num_heads)

    @staticmethod
    def _query_key_value(cells: Array, projection: Projection) -> Array:
        return product(projection.kernel, jnp.concatenate([cells, projection.position]))

    def perceive_packed(
        self, layout: FlatLayout, cells: Float[Array, "C length"], projection: Projection
    ) -> Float[Array, "P inner_length"]:
        """Perceive the neighbourhood.

        Args:
            layout: How the cells are packed.
            cells: float[channel_size, length].
            projection: `self.projection(layout)`.

        Returns:
            float[perception_size, inner_length]. Undefined in padding.
        """
        query_key_value = self._query_key_value(cells, projection)
        attended = local_attention(layout, query_key_value, self.config.num_heads)
        return self._out(attended, projection)

    def perceive_with_weights(
        self,
        layout: FlatLayout,
        cells: Float[Array, "C length"],
        projection: Projection,
        neighbours: Bool[AnyArray, "neighbours=9"],
    ) -> tuple[Float[Array, "P inner_length"], Float[Array, "9 heads inner_length"]]:
        """As `perceive_packed`, with what each cell looks at: float[9, heads, inner_length].

        Args:
            layout: How the cells are packed.
            cells: float[channel_size, length].
            projection: `self.projection(layout)`.
            neighbours: bool[9], those that count, the cell itself among them.
        """
        query_key_value = self._query_key_value(cells, projection)
        attended, weights = attention_with_weights(layout, query_key_value, self.config.num_heads, neighbours)
        return self._out(attended, projection), weights

    def _out(self, attended: Array, projection: Projection) -> Array:
        return product(projection.out_kernel, attended) + _bias(self.attention.out)[:, None]

    def __call__(self, state: Float[AnyArray, "... H W C"]) -> Float[Array, "... H W P"]:
        """As `perceive_packed`, for grids: float[..., H, W, channel_size] to [..., H, W, perception_size]."""
        layout = FlatLayout.of(state)
        perception = self.perceive_packed(layout, layout.pack(state), self.projection(layout))
        return layout.unpack(layout.with_padding(perception))
