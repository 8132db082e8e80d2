"""Localised self-attention on a grid: every cell attends to itself and to its Moore neighbours.

Source: Tesfaldet, Nowrouzezahrai & Pal, *Attention-based Neural Cellular Automata*, NeurIPS 2022,
arXiv:2211.01233, and the CAX example of the same name. The example builds all (H W)^2 logits and masks
all but nine per cell; here the nine neighbours are gathered instead, so that cost and memory are
O(H W). The numbers are the same to float32 rounding; the tests hold the two forms against each other.

Everything here, forward and backward, is made of two operations on a line of cells (`CellLine`): products
with a shifted line summed over each head (`_products`), and sums of shifted lines weighted per head
(`_weighted_sum`).
"""

from __future__ import annotations

from functools import partial, reduce
from operator import add, mul

import jax
import jax.numpy as jnp
from jax import Array

from nca_viewer.automaton.line import CellLine

_MASKED_LOGIT = -1e30


def _by_head(cells: Array, num_heads: int) -> Array:
    """[hidden, n] as [heads, hidden / heads, n]."""
    return cells.reshape(num_heads, -1, cells.shape[-1])


def _products(line: CellLine, cells: Array, neighbours: Array, num_heads: int) -> Array:
    """Products of each cell with its nine neighbours, summed over each head.

    Args:
        line: How the cells lie.
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
        return reduce(add, map(mul, terms, jnp.unstack(line.neighbour(neighbours, n), axis=1)))

    return jnp.stack([with_neighbour(n) for n in range(9)])


def _weighted_sum(line: CellLine, weights: Array, values: Array, *, from_neighbours: bool = False) -> Array:
    """Sum the nine neighbours' values under weights per head.

    Args:
        line: How the cells lie.
        weights: float[9, heads, inner_length].
        values: float[hidden, length].
        from_neighbours: Take each weight from the neighbour instead of the cell, i.e. the transposed map:
            the sum over n of weights[opposite of n] * values, both as seen at neighbour n.

    Returns:
        float[hidden, inner_length].
    """
    values = _by_head(values, weights.shape[1])
    if from_neighbours:
        weights = line.with_ends(weights)
        terms = [line.neighbour(weights[n], n, opposite=True) for n in range(9)]
    else:
        terms = [weights[n] for n in range(9)]
    total = reduce(
        add, [terms[n][:, None] * line.neighbour(values, n, opposite=from_neighbours) for n in range(9)]
    )
    return total.reshape(-1, line.inner_length)


def local_attention_weights(line: CellLine, query: Array, key: Array, num_heads: int) -> Array:
    """Softmax over the Moore neighbourhood of the products of queries and neighbouring keys.

    Args:
        line: How the cells lie.
        query: float[hidden, length], each head's channels side by side, already scaled by
            1 / sqrt(hidden / heads).
        key: float[hidden, length].
        num_heads: Number of attention heads.

    Returns:
        float[9, heads, inner_length]; non-negative, summing to one over the first axis, and exactly zero
        for neighbours beyond the border. Of no meaning in gaps.
    """
    logits = _products(line, line.inner(query), key, num_heads)
    return jax.nn.softmax(jnp.where(line.neighbour_mask, logits, _MASKED_LOGIT), axis=0)


@partial(jax.custom_vjp, nondiff_argnums=(0, 2))
def local_attention(line: CellLine, query_key_value: Array, num_heads: int) -> Array:
    """Multi-head attention of every cell over its Moore neighbourhood, in O(H W).

    Its gradient is written out below: it gathers the neighbours just as the forward pass does, where
    automatic differentiation would scatter into nine padded lines and add them up.

    Args:
        line: How the cells lie.
        query_key_value: float[3 * hidden, length]: queries, already scaled by 1 / sqrt(hidden / heads), keys
            and values, of each first one head's channels, then the next one's.
        num_heads: Number of attention heads.

    Returns:
        float[hidden, inner_length]: the weighted sums of neighbouring values. Of no meaning in gaps.
    """
    return _local_attention_forward(line, query_key_value, num_heads)[0]


def _local_attention_forward(
    line: CellLine, query_key_value: Array, num_heads: int
) -> tuple[Array, tuple[Array, Array]]:
    query, key, value = jnp.split(query_key_value, 3)
    weights = local_attention_weights(line, query, key, num_heads)
    return _weighted_sum(line, weights, value), (query_key_value, weights)


def _local_attention_backward(
    line: CellLine, num_heads: int, saved: tuple[Array, Array], gradient: Array
) -> tuple[Array]:
    query_key_value, weights = saved
    query, key, value = jnp.split(query_key_value, 3)
    weights_gradient = _products(line, gradient, value, num_heads)
    logits_gradient = weights * (weights_gradient - (weights * weights_gradient).sum(axis=0))
    gradients = [
        _weighted_sum(line, logits_gradient, key),
        _weighted_sum(line, logits_gradient, query, from_neighbours=True),
        _weighted_sum(line, weights, line.with_ends(gradient), from_neighbours=True),
    ]
    return (line.with_ends(jnp.concatenate(gradients)),)


local_attention.defvjp(_local_attention_forward, _local_attention_backward)
