"""Edits and the start of an episode: exactly the touched cells, and nothing else."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nca_viewer.automaton import edits
from nca_viewer.automaton.episodes import mask_image, masked_start, seed_state
from nca_viewer.config import ModelConfig

GREY = ModelConfig(height=11, width=13, channel_size=7)
COLOUR = ModelConfig(height=11, width=13, channel_size=7, visible_channel_size=3)


@pytest.fixture(params=[GREY, COLOUR], ids=["grey", "colour"])
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return request.param


@pytest.fixture
def region() -> np.ndarray:
    region = np.zeros((11, 13), bool)
    region[2:5, 7:12] = True
    return region


def test_paint_changes_the_picture_and_no_memory(config: ModelConfig, region: np.ndarray) -> None:
    state = jax.random.normal(jax.random.key(0), config.state_shape)
    painted = np.asarray(edits.paint(state, region, 0.75, config))
    hidden = config.channel_size - config.visible_channel_size
    assert np.all(painted[region][:, hidden:] == 0.75)
    np.testing.assert_array_equal(painted[..., :hidden], state[..., :hidden])
    np.testing.assert_array_equal(painted[~region], np.asarray(state)[~region])
    np.testing.assert_array_equal(edits.paint(painted, region, 0.75, config), painted)


def test_erase_forgets_everything_there(config: ModelConfig, region: np.ndarray) -> None:
    state = jax.random.normal(jax.random.key(1), config.state_shape)
    erased = np.asarray(edits.erase(state, region))
    assert np.all(erased[region] == 0)
    np.testing.assert_array_equal(erased[~region], np.asarray(state)[~region])


def test_corrupt_scrambles_all_channels_in_their_ranges(config: ModelConfig, region: np.ndarray) -> None:
    state = jax.random.normal(jax.random.key(2), (50, *config.state_shape))
    key = jax.random.key(3)
    scrambled = np.asarray(edits.corrupt(state, region, key, config))
    hidden = config.channel_size - config.visible_channel_size
    touched = scrambled[:, region]
    assert np.all(touched != np.asarray(state)[:, region])
    assert -1 <= touched[..., :hidden].min() < -0.99
    assert 0.99 < touched[..., :hidden].max() < 1
    assert 0 <= touched[..., hidden:].min() < 0.02
    assert 0.98 < touched[..., hidden:].max() < 1
    np.testing.assert_array_equal(scrambled[:, ~region], np.asarray(state)[:, ~region])
    np.testing.assert_array_equal(edits.corrupt(scrambled, region, key, config), scrambled)


@settings(deadline=None, max_examples=30)
@given(row=st.floats(-3, 14), column=st.floats(-3, 16), radius=st.floats(0, 9))
def test_disc_is_the_cells_within_the_radius(row: float, column: float, radius: float) -> None:
    cells = np.asarray(edits.disc(jnp.array([row, column]), jnp.array(radius), 11, 13))
    rows, columns = np.mgrid[:11, :13]
    distance = np.hypot(rows - row, columns - column)
    assert np.all(cells[distance < radius - 1e-3])
    assert not np.any(cells[distance > radius + 1e-3])


def test_discs_are_batched() -> None:
    cells = edits.disc(jnp.array([[0.0, 0], [5, 6], [5, 6]]), jnp.array([0.0, 1, 2]), 11, 13)
    assert cells.shape == (3, 11, 13)
    assert cells.sum(axis=(1, 2)).tolist() == [1, 5, 13]


def test_masked_start_keeps_or_forgets_whole_pixels(config: ModelConfig) -> None:
    image = 0.1 + 0.9 * jax.random.uniform(jax.random.key(4), (40, *config.image_shape))
    state = np.asarray(masked_start(image, jax.random.key(5), 0.25, config))
    hidden = config.channel_size - config.visible_channel_size
    assert state.shape == (40, *config.state_shape)
    assert not np.any(state[..., :hidden])
    kept = state[..., hidden:] == np.asarray(image)
    np.testing.assert_array_equal(kept.any(axis=-1), kept.all(axis=-1))
    assert not np.any(state[..., hidden:][~kept])
    assert abs(kept.mean() - 0.75) < 0.02


def test_mask_ratio_may_differ_within_a_batch() -> None:
    image = jnp.ones((4, *GREY.image_shape))
    kept = mask_image(image, jax.random.key(6), jnp.array([0.0, 0.3, 0.7, 1.0])).mean(axis=(1, 2, 3))
    assert kept[0] == 1
    assert kept[3] == 0
    assert 0.5 < kept[1] < 0.85
    assert 0.15 < kept[2] < 0.5


def test_seed_state_shows_the_image(config: ModelConfig) -> None:
    image = jax.random.uniform(jax.random.key(7), config.image_shape)
    state = seed_state(image, config)
    np.testing.assert_array_equal(state[..., -config.visible_channel_size :], image)
    assert float(jnp.abs(state).sum()) == pytest.approx(float(image.sum()), rel=1e-6)
