"""The automaton as a whole: its parameter tree, its dynamics, its picture."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cax.core import ComplexSystem
from cax.core.update import ResidualUpdate
from flax import nnx

from nca_viewer.automaton.rollout import Dynamics
from nca_viewer.automaton.system import AttentionNCA, render, visible
from nca_viewer.config import ModelConfig

SMALL = ModelConfig(
    height=11, width=13, channel_size=7, projection_size=6, num_heads=3, hidden_size=15, perception_size=17
)

CONTRACT = {
    "perceive.linear.kernel": (32, 32),
    "perceive.linear.bias": (32,),
    "perceive.position_embed.embedding": (28, 4),
    "perceive.attention.query.kernel": (40, 4, 32),
    "perceive.attention.query.bias": (4, 32),
    "perceive.attention.key.kernel": (40, 4, 32),
    "perceive.attention.key.bias": (4, 32),
    "perceive.attention.value.kernel": (40, 4, 32),
    "perceive.attention.value.bias": (4, 32),
    "perceive.attention.out.kernel": (4, 32, 64),
    "perceive.attention.out.bias": (64,),
    "update.layers.0.kernel": (1, 1, 64, 128),
    "update.layers.0.bias": (128,),
    "update.layers.1.kernel": (1, 1, 128, 32),
    "update.layers.1.bias": (32,),
}


def lively(config: ModelConfig, seed: int = 0) -> AttentionNCA:
    """An automaton whose last layer is not zero, so that something happens."""
    model = AttentionNCA(config, rngs=nnx.Rngs(seed))
    kernel = model.update.layers[1].kernel
    kernel[...] = 0.1 * jax.random.normal(jax.random.key(seed + 1), kernel.shape)
    return model


def compiled_step(model: AttentionNCA) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """`model.step`, compiled once instead of an operation at a time."""
    return jax.jit(model.step)


@pytest.fixture(scope="module")
def small() -> AttentionNCA:
    return lively(SMALL)


def test_parameter_tree_is_the_contract() -> None:
    model = AttentionNCA(ModelConfig(), rngs=nnx.Rngs(0))
    flat = nnx.to_flat_state(nnx.state(model, nnx.Param))
    shapes = {".".join(map(str, path)): leaf.shape for path, leaf in flat}
    assert shapes == CONTRACT
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 37_616
    assert isinstance(model, ComplexSystem)
    assert isinstance(model.update, ResidualUpdate)
    assert not np.any(model.update.layers[1].kernel[...])


def test_untrained_automaton_stands_still() -> None:
    model = AttentionNCA(SMALL, rngs=nnx.Rngs(0))
    state = jax.random.normal(jax.random.key(1), SMALL.state_shape)
    np.testing.assert_array_equal(model(state, num_steps=3), state)


def test_a_change_reaches_only_the_moore_neighbourhood_in_one_step(small: AttentionNCA) -> None:
    state = jax.random.normal(jax.random.key(2), SMALL.state_shape)
    key, step = jax.random.key(3), compiled_step(small)
    before = step(state, key)
    everywhere = np.zeros((11, 13), bool)
    for row, column in ((0, 0), (5, 6), (10, 3), (4, 12)):
        changed = step(state.at[row, column].add(1.0), key)
        reached = np.any(np.asarray(changed != before), axis=-1)
        allowed = np.zeros((11, 13), bool)
        allowed[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
        assert not np.any(reached & ~allowed)
        assert reached[row, column]
        everywhere |= reached & allowed
    # Cell dropout hides some of the neighbours in any one step, not most of them.
    assert everywhere.sum() > 8


def test_n_steps_are_n_times_one_step(small: AttentionNCA) -> None:
    dynamics, parameters = Dynamics.of(small)
    state = jax.random.normal(jax.random.key(4), SMALL.state_shape)
    keys = jax.random.split(jax.random.key(5), 5)
    final, history = dynamics.rollout(parameters, state, keys, history=True)
    assert history.shape == (5, *SMALL.state_shape)
    one_by_one, step = state, compiled_step(small)
    for key, recorded in zip(keys, history, strict=True):
        one_by_one = step(one_by_one, key)
        np.testing.assert_allclose(one_by_one, recorded, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(final, history[-1])
    np.testing.assert_allclose(
        dynamics.rollout(parameters, state, keys, rematerialise=True), final, rtol=1e-4, atol=1e-5
    )


def test_update_is_that_of_cax() -> None:
    state = jax.random.normal(jax.random.key(6), SMALL.state_shape)
    perception = jax.random.normal(jax.random.key(7), (11, 13, 17))
    ours, theirs = lively(SMALL).update, lively(SMALL).update
    for _ in range(2):
        np.testing.assert_allclose(
            ours(state, perception), ResidualUpdate.__call__(theirs, state, perception), rtol=1e-5, atol=1e-5
        )


def test_cell_dropout_drops_whole_cells_at_its_rate(small: AttentionNCA) -> None:
    states = jnp.broadcast_to(jax.random.normal(jax.random.key(8), SMALL.state_shape), (64, 11, 13, 7))
    changed = np.asarray(compiled_step(small)(states, jax.random.key(9)) != states)
    np.testing.assert_array_equal(changed.any(axis=-1), changed.all(axis=-1))
    assert abs(changed.any(axis=-1).mean() - 0.5) < 0.03
    assert 0.2 < (changed[0].any(axis=-1) ^ changed[1].any(axis=-1)).mean() < 0.8


def test_kept_updates_are_scaled_by_the_keep_probability() -> None:
    config = ModelConfig(**{**SMALL.to_dict(), "cell_dropout_rate": 0.75})
    always = lively(ModelConfig(**{**SMALL.to_dict(), "cell_dropout_rate": 0.0}))
    state = jax.random.normal(jax.random.key(10), SMALL.state_shape)
    full = np.asarray(compiled_step(always)(state, jax.random.key(11)) - state)
    sparse = np.asarray(compiled_step(lively(config))(state, jax.random.key(11)) - state)
    kept = np.abs(sparse).max(axis=-1) > 0
    assert 0.05 < kept.mean() < 0.5
    np.testing.assert_allclose(sparse[kept], 4 * full[kept], rtol=1e-3, atol=1e-5)


def test_same_key_same_states(small: AttentionNCA) -> None:
    dynamics, parameters = Dynamics.of(small)
    state = jax.random.normal(jax.random.key(12), SMALL.state_shape)
    run = jax.jit(lambda key: dynamics.rollout(parameters, state, jax.random.split(key, 4)))
    np.testing.assert_array_equal(run(jax.random.key(1)), run(jax.random.key(1)))
    assert np.any(np.asarray(run(jax.random.key(1)) != run(jax.random.key(2))))


def test_complex_system_call_draws_new_keys_and_keeps_shape() -> None:
    model = lively(SMALL)
    state = jax.random.normal(jax.random.key(13), (2, *SMALL.state_shape))
    first = model(state, num_steps=3)
    assert first.shape == state.shape
    assert np.any(np.asarray(first != model(state, num_steps=3)))


def test_complex_system_call_is_the_steps_one_by_one() -> None:
    state = jax.random.normal(jax.random.key(21), (2, *SMALL.state_shape))
    called, stepped = lively(SMALL), lively(SMALL)
    final, states = called(state, num_steps=4, return_states=True)
    expected, step = [state], nnx.jit(lambda model, state: model.step(state))
    for _ in range(4):
        expected.append(step(stepped, expected[-1]))
    np.testing.assert_allclose(states, jnp.stack(expected[1:]), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(final, states[-1])
    # The module's own stream went on by as many keys.
    np.testing.assert_allclose(called(final), step(stepped, expected[-1]), rtol=1e-4, atol=1e-5)
    recomputing = lively(SMALL)
    recomputing.remat = True
    np.testing.assert_allclose(recomputing(state, num_steps=4, sow=False), final, rtol=1e-4, atol=1e-5)


def test_state_limit_bounds_every_channel() -> None:
    config = ModelConfig(**{**SMALL.to_dict(), "state_limit": 1.5})
    state = 9 * jax.random.normal(jax.random.key(14), SMALL.state_shape)
    assert np.abs(compiled_step(lively(config))(state, jax.random.key(15))).max() <= 1.5


def test_deadband_shrinks_every_update_and_its_gradient_is_zero_within() -> None:
    config = ModelConfig(**{**SMALL.to_dict(), "update_deadband": 0.05, "cell_dropout_rate": 0.0})
    plain = ModelConfig(**{**config.to_dict(), "update_deadband": 0.0})
    state = jax.random.normal(jax.random.key(16), SMALL.state_shape)
    key = jax.random.key(17)
    update = np.asarray(compiled_step(lively(plain))(state, key) - state, np.float64)
    shrunk = np.sign(update) * np.maximum(np.abs(update) - 0.05, 0.0)
    assert 0.1 < (shrunk == 0).mean() < 0.9
    after = compiled_step(lively(config))(state, key)
    np.testing.assert_allclose(after - state, shrunk, atol=1e-6)
    at_rest = np.abs(update) < 0.049
    np.testing.assert_array_equal(np.asarray(after)[at_rest], np.asarray(state)[at_rest])

    def total(bias: jax.Array) -> jax.Array:
        """The sum of all states after a step: each update that is not held back adds its channel's bias."""
        model = lively(config)
        model.update.layers[1].bias[...] = bias
        return model.step(state, key).sum()

    gradient = jax.jit(jax.grad(total))(jnp.zeros(config.channel_size))
    np.testing.assert_allclose(gradient, (shrunk != 0).sum(axis=(0, 1)), rtol=1e-5)


def test_rest_is_for_ever_and_told_from_a_pause() -> None:
    config = ModelConfig(**{**SMALL.to_dict(), "update_deadband": 0.3, "state_limit": 1.0})
    model = lively(config)
    states = jax.random.uniform(jax.random.key(18), (40, *config.state_shape), minval=-1.0)
    dynamics, parameters = Dynamics.of(model)
    run = jax.jit(dynamics.rollout)
    is_at_rest = jax.jit(model.is_at_rest)
    states = run(parameters, states, jax.random.split(jax.random.key(19), 64))
    at_rest = np.asarray(is_at_rest(states))
    later = run(parameters, states, jax.random.split(jax.random.key(20), 64))
    unchanged = np.asarray(jnp.all(later == states, axis=(1, 2, 3)))
    np.testing.assert_array_equal(at_rest, unchanged)
    disturbed = states.at[:, 5, 6].set(-states[:, 5, 6] + 0.5)
    assert at_rest.sum() > 0
    assert not np.asarray(is_at_rest(disturbed)).all()
    # One step in which dropout spares the few cells that move looks like rest, and is none.
    assert not bool(jax.jit(lively(SMALL).is_at_rest)(states[0]))


@pytest.mark.parametrize("channels", [1, 3])
def test_render_clips_and_repeats(channels: int) -> None:
    config = ModelConfig(**{**SMALL.to_dict(), "visible_channel_size": channels})
    state = jnp.zeros((2, *config.state_shape)).at[..., 4:].set(jnp.array([-0.5, 0.5, 1.5]))
    picture = np.asarray(render(state, config))
    assert picture.shape == (2, 11, 13, 3)
    assert picture.dtype == np.uint8
    assert picture[1, 3, 5].tolist() == ([255, 255, 255] if channels == 1 else [0, 128, 255])
    np.testing.assert_array_equal(AttentionNCA(config, rngs=nnx.Rngs(0)).render(state), picture)
    assert visible(state, config).shape == (2, 11, 13, channels)


def test_every_product_is_in_full_precision_on_every_backend(small: AttentionNCA) -> None:
    dynamics, parameters = Dynamics.of(small)
    state, keys = jnp.zeros(SMALL.state_shape), jax.random.split(jax.random.key(0), 2)
    gradient = jax.grad(lambda parameters: jnp.sum(dynamics.rollout(parameters, state, keys)))
    lowered = str(jax.make_jaxpr(gradient)(parameters))
    products = lowered.count("dot_general[")
    assert products >= 12, "a forward and a backward product of each of four layers, at least"
    assert lowered.count("precision=(Precision.HIGHEST, Precision.HIGHEST)") == products
