"""Localised self-attention on a grid: every cell attends to itself and to its Moore neighbours.

Source: Tesfaldet, Nowrouzezahrai & Pal, *Attention-based Neural Cellular Automata*, NeurIPS 2022,
arXiv:2211.01233, and the CAX example of the same name. The example builds all (H W)^2 logits and masks
all but nine per cell; here the nine neighbours are gathered instead, so that cost and memory are
O(H W). The numbers are the same to float32 rounding; the tests hold the two forms against each other.

Everything here, forward and backward, is made of two operations on packed cells (`FlatLayout`): products
with shifted cells summed over each head (`_products`), and sums of shifted cells weighted per head
(`_weighted_sum`).
"""

from __future__ import annotations

from functools import partial, reduce
from operator import add, mul

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from nca_viewer.automaton.layout import AnyArray, FlatLayout

_MASKED_LOGIT = -1e30


def _by_head(cells: Array, num_heads: int) -> Array:
    """[hidden, n] as [heads, hidden / heads, n]."""
    return cells.reshape(num_heads, -1, cells.shape[-1])


def _products(layout: FlatLayout, cells: Array, neighbours: Array, num_heads: int) -> Array:
    """Products of each cell with its nine neighbours, summed over each head.

    Args:
        layout: How the cells are packed.
        cells: float[hidden, inner_length].
        neighbours: float[hidden, length].
        num_heads: Number of attention heads.

    Returns:
        float[9, heads, inner_length].
    """
    cells, neighbours = _by_head(cells, num_heads), _by_head(neighbours, num_heads)
    terms = jnp.unstack(cells, axis=1)

    # Term by term: a reduction over the middle axis would not be fused with the products.
    def with_neighbour(n: int) -> Array:
        return reduce(add, map(mul, terms, jnp.unstack(layout.neighbour(neighbours, n), axis=1)))

    return jnp.stack([with_neighbour(n) for n in range(9)])


def _weighted_sum(
    layout: FlatLayout, weights: Array, values: Array, *, from_neighbours: bool = False
) -> Array:
    """Sum the nine neighbours' values under weights per head.

    Args:
        layout: How the cells are packed.
        weights: float[9, heads, inner_length].
        values: float[hidden, length].
        from_neighbours: Take each weight from the neighbour instead of the cell, i.e. the transposed map:
            the sum over n of weights[opposite of n] * values, both as seen at neighbour n.

    Returns:
        float[hidden, inner_length].
    """
    values = _by_head(values, weights.shape[1])
    if from_neighbours:
        weights = layout.with_padding(weights)
        terms = [layout.neighbour(weights[n], n, opposite=True) for n in range(9)]
    else:
        terms = [weights[n] for n in range(9)]
    total = reduce(
        add, [terms[n][:, None] * layout.neighbour(values, n, opposite=from_neighbours) for n in range(9)]
    )
    return total.reshape(-1, layout.inner_length)


def local_attention_weights(
    layout: FlatLayout,
    query: Float[Array, "hidden length"],
    key: Float[Array, "hidden length"],
    num_heads: int,
    neighbours: Bool[AnyArray, "neighbours=9"] | None = None,
) -> Float[Array, "9 heads inner_length"]:
    """Softmax over the Moore neighbourhood of the products of queries and neighbouring keys.

    Args:
        layout: How the cells are packed.
        query: float[hidden, length], each head's channels side by side, already scaled by
            1 / sqrt(hidden / heads).
        key: float[hidden, length].
        num_heads: Number of attention heads.
        neighbours: bool[9], those that count, the cell itself among them; all without it.

    Returns:
        float[9, heads, inner_length]; non-negative, summing to one over the first axis, and exactly zero
        for neighbours that do not count or are beyond the border. Undefined in padding.
    """
    logits = _products(layout, layout.inner(query), key, num_heads)
    counts = layout.neighbour_mask
    if neighbours is not None:
        counts = counts & neighbours[:, None, None]
    return jax.nn.softmax(jnp.where(counts, logits, _MASKED_LOGIT), axis=0)


def attention_with_weights(
    layout: FlatLayout,
    query_key_value: Float[Array, "query_key_value length"],
    num_heads: int,
    neighbours: Bool[AnyArray, "neighbours=9"] | None = None,
) -> tuple[Float[Array, "hidden inner_length"], Float[Array, "9 heads inner_length"]]:
    """`local_attention` and its `local_attention_weights`; has no gradient of its own."""
    query, key, value = jnp.split(query_key_value, 3)
    weights = local_attention_weights(layout, query, key, num_heads, neighbours)
    return _weighted_sum(layout, weights, value), weights


@partial(jax.custom_vjp, nondiff_argnums=(0, 2))
def local_attention(layout: FlatLayout, query_key_value: Array, num_heads: int) -> Array:
    """Multi-head attention of every cell over its Moore neighbourhood, in O(H W).

    Its gradient is written out below: it gathers the neighbours just as the forward pass does, where
    automatic differentiation would scatter into nine padded arrays and add them up.

    Args:
        layout: How the cells are packed.
        query_key_value: float[3 * hidden, length]: queries, already scaled by 1 / sqrt(hidden / heads), keys
            and values, of each first one head's channels, then the next one's.
        num_heads: Number of attention heads.

    Returns:
        float[hidden, inner_length]: the weighted sums of neighbouring values. Undefined in padding.
    """
    return _local_attention_forward(layout, query_key_value, num_heads)[0]


def _local_attention_forward(
    layout: FlatLayout, query_key_value: Array, num_heads: int
) -> tuple[Array, tuple[Array, Array]]:
    attended, weights = attention_with_weights(layout, query_key_value, num_heads)
    return attended, (query_key_value, weights)


def _local_attention_backward(
    layout: FlatLayout, num_heads: int, saved: tuple[Array, Array], gradient: Array
) -> tuple[Array]:
    query_key_value, weights = saved
    query, key, value = jnp.split(query_key_value, 3)
    weights_gradient = _products(layout, gradient, value, num_heads)
    logits_gradient = weights * (weights_gradient - (weights * weights_gradient).sum(axis=0))
    gradients = [
        _weighted_sum(layout, logits_gradient, key),
        _weighted_sum(layout, logits_gradient, query, from_neighbours=True),
        _weighted_sum(layout, weights, layout.with_padding(gradient), from_neighbours=True),
    ]
    return (layout.with_padding(jnp.concatenate(gradients)),)


local_attention.defvjp(_local_attention_forward, _local_attention_backward)
