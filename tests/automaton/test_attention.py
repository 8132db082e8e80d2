"""The nine-neighbour attention against its oracle: dense attention under the Moore mask."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from nca_viewer.automaton.attention import local_attention, local_attention_weights
from nca_viewer.automaton.experiments import ExperimentArrays, Experiments
from nca_viewer.automaton.explanation import Explanation
from nca_viewer.automaton.layout import MOORE_OFFSETS, FlatLayout, neighbour_mask
from nca_viewer.automaton.perceive import LocalAttentionPerceive
from nca_viewer.automaton.stepper import prepare
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.config import ModelConfig

# Every size another number, so that swapped axes show.
CONFIG = ModelConfig(
    height=11,
    width=13,
    channel_size=7,
    projection_size=6,
    position_embedding_size=3,
    num_heads=5,
    hidden_size=85,
    perception_size=19,
)


def dense_moore_mask(height: int, width: int) -> np.ndarray:
    """bool[H * W, H * W]: which pairs of cells are neighbours, by the definition."""
    rows, columns = np.divmod(np.arange(height * width), width)
    return (abs(rows[:, None] - rows) <= 1) & (abs(columns[:, None] - columns) <= 1)


def dense_perceive(
    perceive: LocalAttentionPerceive, state: jax.Array, mask: np.ndarray | None = None
) -> jax.Array:
    """The example's form: flax's own attention over all pairs of cells, under the mask."""
    height, width = state.shape[-3:-1]
    mask = dense_moore_mask(height, width) if mask is None else mask
    table = perceive.position_embed.embedding[...]
    rows = jnp.broadcast_to(table[:height, None], (height, width, table.shape[1]))
    columns = jnp.broadcast_to(table[None, :width], (height, width, table.shape[1]))
    token = jnp.concatenate([perceive.linear(state), rows, columns], axis=-1)
    token = token.reshape(height * width, -1)
    out = perceive.attention(token, mask=jnp.asarray(mask)[None])
    return out.reshape(height, width, -1)


@pytest.fixture(scope="module")
def perceive() -> LocalAttentionPerceive:
    module = LocalAttentionPerceive(CONFIG, rngs=nnx.Rngs(3))
    leaves, structure = jax.tree.flatten(nnx.state(module, nnx.Param))
    keys = jax.random.split(jax.random.key(4), len(leaves))
    # Biases start at zero: with random ones, a forgotten bias shows.
    noisy = [leaf + 0.5 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    nnx.update(module, jax.tree.unflatten(structure, noisy))
    return module


@pytest.mark.parametrize(("height", "width"), [(11, 13), (13, 8), (8, 9)])
def test_equals_dense_masked_attention(height: int, width: int) -> None:
    config = ModelConfig(**{**CONFIG.to_dict(), "height": height, "width": width})
    module = LocalAttentionPerceive(config, rngs=nnx.Rngs(5))
    state = jax.random.normal(jax.random.key(6), config.state_shape)
    fast, dense = jax.jit(lambda state: (module(state), dense_perceive(module, state)))(state)
    np.testing.assert_allclose(fast, dense, rtol=1e-4, atol=2e-6)


def test_borders_and_corners_equal_the_dense_form(perceive: LocalAttentionPerceive) -> None:
    state = 2 * jax.random.normal(jax.random.key(7), CONFIG.state_shape)
    fast, dense = jax.jit(lambda state: (perceive(state), dense_perceive(perceive, state)))(state)
    for name, cells in {
        "corners": np.s_[::10, ::12],
        "rows": np.s_[::10, :],
        "columns": np.s_[:, ::12],
        "all": np.s_[:, :],
    }.items():
        rounding = 2e-6 * float(jnp.abs(dense).max())
        np.testing.assert_allclose(fast[cells], dense[cells], rtol=1e-5, atol=rounding, err_msg=name)


def test_gradients_equal_those_of_the_dense_form(perceive: LocalAttentionPerceive) -> None:
    state = jax.random.normal(jax.random.key(8), CONFIG.state_shape)
    target = jax.random.normal(jax.random.key(9), (*CONFIG.state_shape[:2], CONFIG.perception_size))
    graphdef, parameters, rest = nnx.split(perceive, nnx.Param, ...)

    def loss(parameters: nnx.State, state: jax.Array, form) -> jax.Array:
        return jnp.mean((form(nnx.merge(graphdef, parameters, rest), state) - target) ** 2)

    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)), static_argnums=2)
    fast = gradient(parameters, state, LocalAttentionPerceive.__call__)
    dense = gradient(parameters, state, dense_perceive)
    for (path, ours), theirs in zip(jax.tree.leaves_with_path(fast), jax.tree.leaves(dense), strict=True):
        # A key bias shifts all logits of a cell alike: its true gradient is zero, and rounding is left.
        scale = max(float(jnp.abs(theirs).max()), 1e-2)
        np.testing.assert_allclose(ours, theirs, atol=2e-4 * scale, err_msg=jax.tree_util.keystr(path))


def test_batch_is_independent_automata(perceive: LocalAttentionPerceive) -> None:
    states = jax.random.normal(jax.random.key(10), (2, 3, *CONFIG.state_shape))
    look = jax.jit(perceive.__call__)
    batched = look(states)
    assert batched.shape == (2, 3, 11, 13, 19)
    for i in range(2):
        for j in range(3):
            np.testing.assert_allclose(batched[i, j], look(states[i, j]), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def explain(perceive: LocalAttentionPerceive):
    """One step taken apart, compiled once for all experiments: (state, Experiments) -> Explanation."""
    model = AttentionNCA(CONFIG, rngs=nnx.Rngs(15))
    model.perceive = perceive

    @jax.jit
    def run(state: jax.Array, experiments: ExperimentArrays) -> Explanation:
        stepper = prepare(model, state.shape[:-1], experiments)
        return stepper.explain(stepper.pack(state), stepper.dropout_mask(jax.random.key(16)))

    return lambda state, experiments: run(state, experiments.arrays(CONFIG))


def test_muted_heads_and_missing_neighbours_equal_the_dense_form(
    explain, perceive: LocalAttentionPerceive
) -> None:
    state = jax.random.normal(jax.random.key(17), CONFIG.state_shape)
    rows, columns = np.divmod(np.arange(11 * 13), 13)
    number = 3 * (rows - rows[:, None] + 1) + columns - columns[:, None] + 1
    muted = nnx.clone(perceive)
    muted.attention.out.kernel[...] = muted.attention.out.kernel[...].at[jnp.array([1, 3])].set(0.0)
    for heads, neighbours, module in (
        ((), (True,) * 9, perceive),
        ((1, 3), (True,) * 9, muted),
        ((), (True, False, True, True, True, False, False, True, False), perceive),
        ((1, 3), (False,) * 4 + (True,) + (False,) * 4, muted),
    ):
        mask = dense_moore_mask(11, 13) & np.array(neighbours)[np.clip(number, 0, 8)]
        explanation = explain(state, Experiments(muted_heads=heads, neighbours=neighbours))
        expected = dense_perceive(module, state, mask)
        rounding = 4e-6 * float(jnp.abs(expected).max())
        np.testing.assert_allclose(explanation.perception, expected, rtol=1e-5, atol=rounding)
        weights = np.asarray(explanation.weights)
        np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-5)
        assert not weights[~np.array(neighbours)].any()


def test_weights_are_a_distribution_over_the_cells_that_exist(explain) -> None:
    state = 3 * jax.random.normal(jax.random.key(11), CONFIG.state_shape)
    weights = explain(state, Experiments()).weights
    assert weights.shape == (9, 11, 13, 5)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-5)
    exists = neighbour_mask(11, 13)
    assert np.all(np.asarray(weights)[~exists] == 0.0)
    assert sorted(set(exists.sum(axis=0).reshape(-1).tolist())) == [4, 6, 9]
    assert [int(exists.sum(axis=0)[cell]) for cell in ((0, 0), (0, 5), (5, 5))] == [4, 6, 9]


def test_huge_logits_do_not_overflow() -> None:
    layout = FlatLayout((), 8, 9)

    @jax.jit
    def weights(grid: jax.Array) -> jax.Array:
        query = layout.pack(grid)
        return local_attention_weights(layout, query, query, num_heads=2)

    assert np.isfinite(weights(jnp.full((8, 9, 6), 1e6))).all()


@settings(deadline=None, max_examples=12)
@given(
    num_heads=st.integers(1, 5),
    head_size=st.integers(1, 9),
    seed=st.integers(0, 2**16),
)
def test_any_heads_and_head_size(num_heads: int, head_size: int, seed: int) -> None:
    height, width, size = 3, 4, num_heads * head_size
    layout = FlatLayout((), height, width)
    grids = np.random.default_rng(seed).normal(size=(3, height, width, size)).astype(np.float32)

    @jax.jit
    def attention(grid: jax.Array) -> jax.Array:
        return layout.unpack(layout.with_padding(local_attention(layout, layout.pack(grid), num_heads)))

    query, key, value = grids.reshape(3, height * width, num_heads, head_size).astype(np.float64)
    logits = np.where(dense_moore_mask(height, width), np.einsum("qhd,khd->hqk", query, key), -np.inf)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    dense = np.einsum("hqk,khd->qhd", weights, value)
    fast = attention(np.concatenate(grids, axis=-1))
    np.testing.assert_allclose(fast, dense.reshape(height, width, size), rtol=2e-4, atol=2e-5)


def test_written_out_gradient_equals_finite_differences() -> None:
    layout = FlatLayout((2,), 3, 5)

    def attention(grids: jax.Array) -> jax.Array:
        return layout.unpack(layout.with_padding(local_attention(layout, layout.pack(grids), 3)))

    with jax.enable_x64(True):
        grids = jax.random.normal(jax.random.key(12), (2, 3, 5, 18), jnp.float64)
        check_grads(attention, (grids,), order=1, modes=["rev"], rtol=1e-5)


def test_nan_stays_in_its_automaton() -> None:
    model = LocalAttentionPerceive(CONFIG, rngs=nnx.Rngs(13))
    states = jax.random.normal(jax.random.key(14), (3, *CONFIG.state_shape))
    corners = states.at[1, ::10, ::12, 2].set(jnp.nan)
    wrong = np.isnan(np.asarray(jax.jit(model.__call__)(corners))).any(axis=(1, 2, 3))
    assert wrong.tolist() == [False, True, False]


@settings(deadline=None, max_examples=15)
@given(
    automata=st.lists(st.integers(1, 3), max_size=2).map(tuple),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    channels=st.integers(1, 3),
)
def test_a_layout_holds_every_cell_once_and_shows_its_neighbours(
    automata: tuple[int, ...], height: int, width: int, channels: int
) -> None:
    grid = np.arange(1.0, 1 + math.prod((*automata, height, width, channels)), dtype=np.float32)
    grid = grid.reshape(*automata, height, width, channels)
    layout = FlatLayout.of(grid)

    @jax.jit
    def shown(grid: jax.Array) -> tuple[jax.Array, ...]:
        cells = layout.pack(grid)
        seen = [
            layout.unpack(layout.with_padding(jnp.where(mask, layout.neighbour(cells, number), 0.0)))
            for number, mask in enumerate(layout.neighbour_mask)
        ]
        opposite = [layout.neighbour(cells, number, opposite=True) for number in range(9)]
        mirrored = [layout.neighbour(cells, 8 - number) for number in range(9)]
        ends = layout.with_padding(layout.inner(cells))
        return cells, layout.unpack(cells), ends, jnp.stack(seen), jnp.stack(opposite), jnp.stack(mirrored)

    cells, unpacked, with_padding, seen, opposite, mirrored = map(np.asarray, shown(grid))
    assert cells.shape == (channels, layout.length)
    assert np.count_nonzero(cells) == grid.size
    np.testing.assert_array_equal(unpacked, grid)
    np.testing.assert_array_equal(with_padding, cells)
    np.testing.assert_array_equal(opposite, mirrored)
    surrounded = np.pad(grid, [*[(0, 0)] * len(automata), (1, 1), (1, 1), (0, 0)])
    for (row, column), neighbours in zip(MOORE_OFFSETS, seen, strict=True):
        expected = surrounded[..., 1 + row : 1 + row + height, 1 + column : 1 + column + width, :]
        np.testing.assert_array_equal(neighbours, expected)
