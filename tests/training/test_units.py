"""Hidden channels in other units: the same pictures."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nca_viewer.automaton.episodes import masked_start
from nca_viewer.automaton.rollout import Dynamics, Parameters
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.checkpoint import load_checkpoint, save_checkpoint
from nca_viewer.config import ModelConfig
from training.config import TrainConfig
from training.run import fit
from training.units import fit_hidden_channels, hidden_units, in_units

MODEL = ModelConfig(
    height=9, width=8, channel_size=5, projection_size=3, num_heads=2, hidden_size=6, perception_size=7
)
IMAGES = np.random.default_rng(0).random((9, *MODEL.image_shape)).astype(np.float32)


@pytest.fixture(scope="module")
def restless() -> tuple[Dynamics, Parameters]:
    """An automaton whose hidden channels grow well beyond 1."""
    model = AttentionNCA(MODEL, rngs=nnx.Rngs(0))
    last = model.update.layers[1]
    last.kernel[...] = 0.2 * jax.random.normal(jax.random.key(1), last.kernel.shape)
    last.bias[...] = jnp.array([0.1, -0.07, 0.03, 0.0, 0.0])
    return Dynamics.of(model)


def states(dynamics: Dynamics, parameters: Parameters, steps: int) -> np.ndarray:
    start = masked_start(jnp.asarray(IMAGES), jax.random.key(2), 0.5, dynamics.config)
    keys = jax.random.split(jax.random.key(3), steps)
    return np.asarray(dynamics.rollout(parameters, start, keys, history=True)[1])


def test_other_units_show_the_same_pictures(restless: tuple[Dynamics, Parameters]) -> None:
    dynamics, parameters = restless
    units = np.array([4.0, 0.3, 2.5, 0.7, 1.0], np.float32)
    kept = [np.array(leaf) for leaf in jax.tree.leaves(parameters)]
    before = states(dynamics, parameters, 8)
    after = states(dynamics, in_units(dynamics, parameters, units), 8)
    assert np.ptp(before[-1, ..., 0]) > 0.5
    for leaf, was in zip(jax.tree.leaves(parameters), kept, strict=True):
        np.testing.assert_array_equal(leaf, was)
    np.testing.assert_allclose(after * units, before, rtol=1e-4, atol=2e-5)
    # In powers of two not even the rounding differs, up to the order of sums.
    exact = states(dynamics, in_units(dynamics, parameters, np.array([4, 0.5, 2, 1, 1], np.float32)), 8)
    np.testing.assert_allclose(exact[..., -1], before[..., -1], rtol=0, atol=1e-6)


def test_what_has_grown_is_brought_into_the_range(restless: tuple[Dynamics, Parameters]) -> None:
    dynamics, parameters = restless
    assert np.abs(states(dynamics, parameters, 128)[-1]).max() > 4
    units = hidden_units(dynamics, parameters, IMAGES, 1.0)
    assert units[-1] == 1
    assert np.all(units >= 0.3)
    fitted = states(dynamics, in_units(dynamics, parameters, units), 128)[-1, ..., :-1]
    assert np.percentile(np.abs(fitted), 99) < 1.5


@pytest.mark.parametrize("limit", [None, 3.0])
def test_where_the_limit_stays_the_parameters_do(
    restless: tuple[Dynamics, Parameters], limit: float | None
) -> None:
    _, parameters = restless
    config = dataclasses.replace(MODEL, state_limit=limit)
    dynamics = Dynamics.of(AttentionNCA(config, rngs=nnx.Rngs(0)))[0]
    assert fit_hidden_channels(dynamics, parameters, IMAGES, config) is parameters


@pytest.mark.usefixtures("idle_training")
def test_a_run_from_a_checkpoint_starts_in_the_units_of_its_limit(
    restless: tuple[Dynamics, Parameters], tmp_path: Path
) -> None:
    dynamics, parameters = restless
    save_checkpoint(tmp_path / "restless", parameters, MODEL, {"recipe": "test", "step": 0})
    limited = dataclasses.replace(MODEL, state_limit=1.0)
    config = TrainConfig(
        initial_checkpoint=str(tmp_path / "restless"),
        batch_size=2,
        pool_size=3,
        rollout_steps=2,
        train_steps=1,
        validation_images=2,
    )
    newest = fit(config, limited, IMAGES[:7], IMAGES[7:], tmp_path / "run", resume=False, progress=False)
    trained = Dynamics.of(load_checkpoint(newest)[0])[1]
    expected = fit_hidden_channels(dynamics, parameters, IMAGES[7:], limited)
    moved = 0.0
    for ours, theirs, original in zip(
        *(jax.tree.leaves(tree) for tree in (trained, expected, parameters)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)
        moved = max(moved, float(np.abs(np.asarray(ours) - np.asarray(original)).max()))
    assert moved > 0.01
