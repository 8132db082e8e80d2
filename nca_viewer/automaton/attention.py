"""Localised self-attention on a grid: every cell attends to itself and to its Moore neighbours.

Source: Tesfaldet, Nowrouzezahrai & Pal, *Attention-based Neural Cellular Automata*, NeurIPS 2022,
arXiv:2211.01233, and the CAX example of the same name. The example builds all (H W)^2 logits and masks
all but nine per cell; here the nine neighbours are gathered instead, so that cost and memory are
O(H W). The numbers are the same to float32 rounding; the tests hold the two forms against each other.

Everything here, forward and backward, is made of two operations: products with a shifted grid reduced
over each head (`_products`), and sums of shifted grids weighted per head (`_weighted_sum`). What makes
them fast on a CPU is the order of the channels. With one head's channels side by side, reducing over a
head is a reduction over a short trailing axis, which compilers do not vectorise. In the *interleaved*
order (`interleaved_channels`) the channels fall into groups of a few lanes of every head, so that adding
the groups up is plain vector arithmetic on a trailing axis of one group, and only a group, a fraction of
the channels, is left for the matrix product that finishes the reduction.
"""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

MOORE_OFFSETS: tuple[tuple[int, int], ...] = tuple(
    (row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)
)
"""(row, column) offsets of the nine cells that a cell attends to, itself in the middle."""

_MASKED_LOGIT = -1e30
_GROUP_WIDTH = 16


def neighbour_mask(height: int, width: int) -> np.ndarray:
    """Which of the nine neighbours exist: the grid has borders and does not wrap.

    Returns:
        bool[9, height, width], in the order of `MOORE_OFFSETS`.
    """
    rows, columns = np.mgrid[:height, :width]
    return np.stack(
        [
            (rows + row >= 0) & (rows + row < height) & (columns + column >= 0) & (columns + column < width)
            for row, column in MOORE_OFFSETS
        ]
    )


def _lanes(head_size: int, num_heads: int) -> int:
    """Channels of each head in one group."""
    return math.gcd(head_size, max(1, _GROUP_WIDTH // num_heads))


def interleaved_channels(num_heads: int, head_size: int) -> np.ndarray:
    """The interleaved order of the channels of queries, keys and values.

    Returns:
        int[num_heads * head_size], a permutation: `array[..., permutation]` is interleaved where `array`
        has each head's channels side by side.
    """
    lanes = _lanes(head_size, num_heads)
    channels = np.arange(num_heads * head_size).reshape(num_heads, head_size // lanes, lanes)
    return channels.transpose(1, 0, 2).reshape(-1)


def _head_of_lane(num_heads: int, head_size: int) -> np.ndarray:
    """float32[lanes of a group, num_heads] with a one where the lane belongs to the head."""
    return np.kron(np.eye(num_heads), np.ones((_lanes(head_size, num_heads), 1))).astype(np.float32)


def _pad(grid: Array) -> Array:
    """Zeros around the last three axes' (row, column, channel) grid."""
    return jnp.pad(grid, [(0, 0)] * (grid.ndim - 3) + [(1, 1), (1, 1), (0, 0)])


def _shifted(padded: Array, neighbour: int, *, opposite: bool = False) -> Array:
    """The padded grid as each cell's neighbour (or the one opposite) sees it: float[..., H, W, channels]."""
    row, column = MOORE_OFFSETS[8 - neighbour if opposite else neighbour]
    height, width = padded.shape[-3] - 2, padded.shape[-2] - 2
    return padded[..., 1 + row : 1 + row + height, 1 + column : 1 + column + width, :]


def _products(grid: Array, neighbours: Array, num_heads: int) -> Array:
    """Products of each cell with its nine neighbours, summed over each head: float[9, ..., H, W, heads]."""
    size = grid.shape[-1]
    head_of_lane = _head_of_lane(num_heads, size // num_heads)
    group = head_of_lane.shape[0]
    padded = _pad(neighbours)
    sums = []
    for n in range(9):
        product = grid * _shifted(padded, n)
        sums.append(sum(product[..., start : start + group] for start in range(0, size, group)))
    return jnp.stack(sums) @ head_of_lane


def _weighted_sum(weights: Array, values: Array, *, from_neighbours: bool = False) -> Array:
    """Sum the nine neighbours' values under weights per head.

    Args:
        weights: float[9, ..., H, W, heads].
        values: float[..., H, W, heads * head_size], interleaved.
        from_neighbours: Take each weight from the neighbour instead of the cell, i.e. the transposed map:
            the sum over n of weights[opposite of n] * values, both as seen at neighbour n.

    Returns:
        float[..., H, W, heads * head_size], interleaved.
    """
    num_heads = weights.shape[-1]
    head_of_lane = _head_of_lane(num_heads, values.shape[-1] // num_heads)
    group = head_of_lane.shape[0]
    weights = weights @ head_of_lane.T
    if from_neighbours:
        padded = _pad(weights)
        terms = [_shifted(padded[n], n, opposite=True) for n in range(9)]
    else:
        terms = [weights[n] for n in range(9)]
    padded = _pad(values)
    groups = []
    for start in range(0, values.shape[-1], group):
        part = padded[..., start : start + group]
        groups.append(sum(terms[n] * _shifted(part, n, opposite=from_neighbours) for n in range(9)))
    return jnp.concatenate(groups, axis=-1)


def local_attention_weights(query: Array, key: Array, *, num_heads: int) -> Array:
    """Softmax over the Moore neighbourhood of the products of queries and neighbouring keys.

    Args:
        query: float[..., H, W, heads * head_size], interleaved, already scaled by 1 / sqrt(head_size).
        key: float[..., H, W, heads * head_size], interleaved.
        num_heads: Number of attention heads.

    Returns:
        float[9, ..., H, W, heads]; non-negative, summing to one over the first axis, and exactly zero
        for neighbours beyond the border.
    """
    height, width = query.shape[-3:-1]
    mask = neighbour_mask(height, width).reshape(9, *(1,) * (query.ndim - 3), height, width, 1)
    logits = jnp.where(mask, _products(query, key, num_heads), _MASKED_LOGIT)
    return jax.nn.softmax(logits, axis=0)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def local_attention(query: Array, key: Array, value: Array, num_heads: int) -> Array:
    """Multi-head attention of every cell over its Moore neighbourhood, in O(H W).

    Its gradient is written out below: it gathers the neighbours just as the forward pass does, where
    automatic differentiation would scatter into nine padded grids and add them up.

    Args:
        query: float[..., H, W, heads * head_size], interleaved, already scaled by 1 / sqrt(head_size).
        key: float[..., H, W, heads * head_size], interleaved.
        value: float[..., H, W, heads * head_size], interleaved.
        num_heads: Number of attention heads.

    Returns:
        float[..., H, W, heads * head_size], interleaved: the weighted sums of neighbouring values.
    """
    return _weighted_sum(local_attention_weights(query, key, num_heads=num_heads), value)


def _local_attention_forward(query: Array, key: Array, value: Array, num_heads: int) -> tuple[Array, tuple]:
    weights = local_attention_weights(query, key, num_heads=num_heads)
    return _weighted_sum(weights, value), (query, key, value, weights)


def _local_attention_backward(
    num_heads: int, saved: tuple[Array, Array, Array, Array], gradient: Array
) -> tuple[Array, Array, Array]:
    query, key, value, weights = saved
    weights_gradient = _products(gradient, value, num_heads)
    logits_gradient = weights * (weights_gradient - (weights * weights_gradient).sum(axis=0))
    return (
        _weighted_sum(logits_gradient, key),
        _weighted_sum(logits_gradient, query, from_neighbours=True),
        _weighted_sum(weights, gradient, from_neighbours=True),
    )


local_attention.defvjp(_local_attention_forward, _local_attention_backward)
