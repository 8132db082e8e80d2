"""One update: the pool, the worst, the wounds, the gradient."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nca_viewer.automaton.rollout import Dynamics
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.config import ModelConfig
from nca_viewer.errors import ConfigError
from training.config import RECIPES, TrainConfig, recipe
from training.damage import draw_wounds, half_plane
from training.step import Images, initial_state, learning_rate_schedule, make_train_step

MODEL = ModelConfig(
    height=9, width=8, channel_size=5, projection_size=3, num_heads=2, hidden_size=6, perception_size=7
)
TRAIN = TrainConfig(
    batch_size=3, pool_size=7, rollout_steps=6, decay_steps=1000, train_steps=5, learning_rate=5e-3
)
STILL = dataclasses.replace(
    TRAIN, batch_size=7, fresh_count=0, wound_probability=1.0, elder_fraction=0.4, gradient_limit=0.0
)
"""Only wounds change a state of the untrained automaton, which stands still and is never trained."""
ELDERS = (np.arange(TRAIN.pool_size) * 0.7548776662) % 1.0 < STILL.elder_fraction
"""Which slots they are: bool[7]."""


@pytest.fixture(scope="module")
def images() -> Images:
    pixels = np.random.default_rng(0).integers(1, 256, (11, 9, 8, 1)).astype(np.uint8)
    return Images(jnp.asarray(pixels), jnp.full((2, 9, 8, 1), 255, jnp.uint8))


@pytest.fixture(scope="module")
def automaton() -> tuple[Dynamics, nnx.State]:
    return Dynamics.of(AttentionNCA(MODEL, rngs=nnx.Rngs(0)))


@pytest.fixture(scope="module")
def update_of(automaton: tuple[Dynamics, nnx.State]) -> Callable[[TrainConfig], Callable]:
    """The automaton's update by its configuration, compiled once."""
    return functools.cache(functools.partial(make_train_step, automaton[0]))


def start(automaton, images: Images, config: TrainConfig):
    dynamics, parameters = automaton
    return initial_state(jax.tree.map(jnp.copy, parameters), images, config, dynamics)


def test_indices_name_images_drawings_and_the_empty_page(images: Images) -> None:
    clean = images.clean(jnp.array([10, 12, -1]))
    np.testing.assert_allclose(clean[0], images.photographs[10] / 255.0, rtol=1e-6)
    assert np.all(np.asarray(clean[1]) == 1)
    assert np.all(np.asarray(clean[2]) == 0)


def test_an_update_touches_only_the_sampled_slots(automaton, update_of, images: Images) -> None:
    train_step = update_of(TRAIN)
    changes = []
    for restarts in range(6):
        before = start(automaton, images, TRAIN)._replace(restarts=jnp.asarray(restarts, jnp.int32))
        pool, index = np.array(before.pool_state), np.array(before.pool_index)
        after, metrics = train_step(before, images)
        changed = np.any(np.asarray(after.pool_state) != pool, axis=(1, 2, 3))
        assert np.all(np.asarray(after.pool_index)[~changed] == index[~changed])
        assert int(after.step) == 1
        assert float(metrics.gradient_norm) > 0
        changes.append(int(changed.sum()))
    # The untrained automaton stands still, so what changes is the one fresh episode, in one slot; in none
    # where that slot was drawn twice, and the other copy was put back last.
    assert set(changes) <= {0, 1}
    assert 1 in changes


def test_the_worst_state_is_replaced(automaton, update_of, images: Images) -> None:
    state = start(automaton, images, TRAIN)
    clean = state.pool_state.at[..., -1].set(images.clean(state.pool_index)[..., 0])
    bad = clean.at[4, ..., -1].set(50.0)
    replaced = 0
    # Slots are drawn with replacement: slot 4 is alone in a batch of three with a probability of 0.31.
    for restarts in range(120):
        begun = state._replace(pool_state=jnp.copy(bad), restarts=jnp.asarray(restarts, jnp.int32))
        after, _ = update_of(TRAIN)(jax.tree.map(jnp.copy, begun), images)
        changed = np.flatnonzero(np.any(np.asarray(after.pool_state != bad), axis=(1, 2, 3)))
        if 4 in changed:
            replaced += 1
            assert changed.tolist() == [4]
            assert float(jnp.abs(after.pool_state[4]).max()) <= 1.0
    assert replaced > 27  # Where any of the three were replaced, about 17.


def test_random_states_are_replaced_where_the_worst_are_not_to_be(
    automaton, update_of, images: Images
) -> None:
    """The bad one gives way no more often than the others; where a slot was drawn twice, none does."""
    config = dataclasses.replace(TRAIN, batch_size=7, replace_worst=False)
    state = start(automaton, images, config)
    bad = state.pool_state.at[..., -1].set(images.clean(state.pool_index)[..., 0]).at[4, ..., -1].set(50.0)
    train_step = update_of(config)
    replaced = np.zeros(7, int)
    for restarts in range(60):
        begun = state._replace(pool_state=jnp.copy(bad), restarts=jnp.asarray(restarts, jnp.int32))
        after, _ = train_step(jax.tree.map(jnp.copy, begun), images)
        replaced += np.any(np.asarray(after.pool_state != bad), axis=(1, 2, 3))
    assert replaced.sum() >= 10
    assert np.count_nonzero(replaced) >= 4
    assert replaced[4] <= replaced.sum() / 3


def test_updates_repeat_bit_for_bit_and_depend_on_restarts(automaton, update_of, images: Images) -> None:
    train_step = update_of(TRAIN)

    def run(restarts: int):
        state = start(automaton, images, TRAIN)._replace(restarts=jnp.asarray(restarts, jnp.int32))
        for _ in range(3):
            state, _ = train_step(state, images)
        return jax.tree.leaves(state)

    for ours, again in zip(run(0), run(0), strict=True):
        np.testing.assert_array_equal(ours, again)
    assert any(
        np.any(np.asarray(ours) != np.asarray(other)) for ours, other in zip(run(0), run(1), strict=True)
    )


def test_without_an_average_the_parameters_take_its_place(automaton, update_of, images: Images) -> None:
    assert TRAIN.average_decay == 0
    state = start(automaton, images, TRAIN)
    for _ in range(2):
        state, _ = update_of(TRAIN)(state, images)
    jax.tree.map(np.testing.assert_array_equal, state.average, state.parameters)


def test_rematerialising_changes_nothing_but_memory(automaton, update_of, images: Images) -> None:
    losses = []
    for rematerialise in (False, True):
        config = dataclasses.replace(TRAIN, rematerialise=rematerialise)
        state, train_step = start(automaton, images, config), update_of(config)
        for _ in range(3):
            state, metrics = train_step(state, images)
        losses.append(float(metrics.loss))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_training_lowers_the_loss(automaton, update_of, images: Images) -> None:
    train_step = update_of(TRAIN)
    one = Images(jnp.repeat(images.photographs[:1], len(images.photographs), axis=0), images.drawings)
    state = start(automaton, one, TRAIN)
    losses = []
    for _ in range(150):
        state, metrics = train_step(state, one)
        losses.append(float(metrics.loss))
    assert np.mean(losses[-20:]) < 0.6 * np.mean(losses[:20])


def test_a_chaotic_gradient_changes_no_parameter(automaton, update_of, images: Images) -> None:
    for config in (STILL, TRAIN):
        before = start(automaton, images, config)
        ours = jax.tree.leaves(
            jax.tree.map(np.array, (before.parameters, before.optimiser_state.inner_state))
        )
        after, metrics = update_of(config)(before, images)
        theirs = jax.tree.leaves((after.parameters, after.optimiser_state.inner_state))
        changed = any(np.any(one != np.asarray(other)) for one, other in zip(ours, theirs, strict=True))
        assert float(metrics.gradient_norm) > 0
        assert changed == (config.gradient_limit > 0)
        assert int(after.step) == 1


def test_slots_keep_their_kind_of_episode(automaton, images: Images) -> None:
    config = dataclasses.replace(
        TRAIN, pool_size=200, blank_fraction=0.1, painted_fraction=0.2, mask_ratio_min=0.5
    )
    index = np.asarray(start(automaton, images, config).pool_index)
    assert (index == -1).mean() == pytest.approx(0.1, abs=0.01)
    assert (index >= 11).mean() == pytest.approx(0.2, abs=0.01)
    again = np.asarray(start(automaton, images, dataclasses.replace(config, seed=5)).pool_index)
    np.testing.assert_array_equal(index == -1, again == -1)
    assert np.any(index != again)


def test_wounds_happen_at_their_rate_and_leave_the_rest() -> None:
    config = dataclasses.replace(TRAIN, scramble_probability=0.0)
    state = jnp.ones((400, *MODEL.state_shape))
    clean = jnp.ones((400, *MODEL.image_shape))
    wounded = np.asarray(draw_wounds(clean, 0.25, jax.random.key(0), config, MODEL).applied_to(state))
    assert set(np.unique(wounded)) == {0.0, 1.0}
    np.testing.assert_array_equal(wounded.any(axis=-1), wounded.all(axis=-1))
    is_wounded = ~wounded.all(axis=(1, 2, 3))
    assert 0.18 < is_wounded.mean() < 0.32
    scrambling = dataclasses.replace(config, scramble_probability=1.0)
    scrambled = np.asarray(draw_wounds(clean, 0.25, jax.random.key(0), scrambling, MODEL).applied_to(state))
    np.testing.assert_array_equal((scrambled != 1).any(axis=-1), ~wounded.any(axis=-1))
    of_its_own = jnp.arange(400) % 2.0
    half = np.asarray(draw_wounds(clean, of_its_own, jax.random.key(0), config, MODEL).applied_to(state))
    np.testing.assert_array_equal(~half.all(axis=(1, 2, 3)), of_its_own == 1)


def test_elders_are_left_alone(automaton, update_of, images: Images) -> None:
    before = start(automaton, images, STILL)
    pool = np.array(before.pool_state)
    after = before
    for _ in range(12):
        after, _ = update_of(STILL)(after, images)
    changed = np.any(np.abs(np.asarray(after.pool_state) - pool) > 1e-3, axis=(1, 2, 3))
    assert 2 <= ELDERS.sum() <= 4
    np.testing.assert_array_equal(changed, ~ELDERS)


def lively() -> tuple[Dynamics, nnx.State]:
    """An untrained automaton that does not stand still."""
    model = AttentionNCA(MODEL, rngs=nnx.Rngs(0))
    kernel = model.update.layers[1].kernel
    kernel[...] = 0.02 * jax.random.normal(jax.random.key(1), kernel.shape)
    return Dynamics.of(model)


def test_wounds_are_made_within_the_roll_out_and_what_was_before_them_counts(images: Images) -> None:
    """Everything is erased, after 3 of 5 steps or at the start; in a batch of elders nothing is."""
    dynamics, parameters = lively()
    config = dataclasses.replace(
        TRAIN,
        rollout_steps=5,
        loss_steps=2,
        fresh_count=0,
        wound_probability=1.0,
        scramble_probability=0.0,
        half_plane_probability=0.0,
        wound_radius_min_cells=20.0,
        wound_radius_max_cells=20.0,
        elder_fraction=STILL.elder_fraction,
    )
    begun = start((dynamics, parameters), images, config)
    before = np.array(begun.pool_state)
    later, at_once = (
        make_train_step(dynamics, dataclasses.replace(config, wound_step=wound_step)) for wound_step in (3, 0)
    )
    seen = set()
    for restarts in range(100):
        state = begun._replace(restarts=jnp.asarray(restarts, jnp.int32))
        results = [train_step(jax.tree.map(jnp.copy, state), images) for train_step in (later, at_once)]
        pools = [np.asarray(after.pool_state) for after, _ in results]
        changed = np.any(pools[0] != before, axis=(1, 2, 3))
        np.testing.assert_array_equal(changed, np.any(pools[1] != before, axis=(1, 2, 3)))
        assert 1 <= changed.sum() <= 3
        if ELDERS[changed].all():  # Without wounds it does not matter when they would be made.
            seen.add("elders")
            trees = [jax.tree.leaves((after.parameters, after.pool_state, told)) for after, told in results]
            for ours, theirs in zip(*trees, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        elif not ELDERS[changed].any():
            seen.add("wounded")
            for pool in pools:
                # What a cell knows two steps after everything was erased is little beside a picture.
                assert np.abs(pool[changed]).max() < 0.5 * np.abs(before[changed]).max()
            gradients = [float(metrics.gradient_norm) for _, metrics in results]
            assert gradients[0] != pytest.approx(gradients[1], rel=1e-3)
        if len(seen) == 2:
            break
    assert seen == {"elders", "wounded"}


def test_wounds_must_leave_steps_to_be_judged() -> None:
    with pytest.raises(ConfigError, match="wound_step"):
        dataclasses.replace(TRAIN, rollout_steps=5, loss_steps=2, wound_step=4)


def test_motion_is_the_mean_change_of_the_last_steps() -> None:
    """An automaton whose update is 0.25 in every channel, whatever it sees, until 1 is reached."""
    still = dataclasses.replace(MODEL, cell_dropout_rate=0.0, state_limit=1.0)
    model = AttentionNCA(still, rngs=nnx.Rngs(0))
    model.update.layers[1].bias[...] = jnp.full((MODEL.channel_size,), 0.25)
    dynamics, parameters = Dynamics.of(model)
    config = dataclasses.replace(TRAIN, rollout_steps=6, loss_steps=3, motion_weight=1.0)
    pictures = Images(jnp.zeros((3, 9, 8, 1), jnp.uint8), jnp.zeros((1, 9, 8, 1), jnp.uint8))
    state = initial_state(jax.tree.map(jnp.copy, parameters), pictures, config, dynamics)
    _, metrics = make_train_step(dynamics, config)(state, pictures)
    # Of the six changes the first four are 0.25, and of those the fourth is one of the last three.
    assert float(metrics.motion) == pytest.approx(0.25 / 3, rel=1e-5)


def test_half_plane_is_one_side() -> None:
    cells = half_plane(jnp.array([[4.0, 3.5]]), jnp.array([0.0]), 9, 8)
    np.testing.assert_array_equal(cells[0], np.broadcast_to(np.arange(8) > 3.5, (9, 8)))


def test_learning_rate_rises_then_falls_then_stays() -> None:
    schedule = learning_rate_schedule(
        TrainConfig(learning_rate=1e-2, learning_rate_end=1e-3, warmup_steps=10, decay_steps=100)
    )
    assert [float(schedule(step)) for step in (0, 5, 10, 60, 110, 5000)] == pytest.approx(
        [0.0, 5e-3, 1e-2, 5.5e-3, 1e-3, 1e-3]
    )


def test_published_recipe_is_the_default() -> None:
    seed = recipe("seed-recipe")
    assert seed.model == ModelConfig()
    train = seed.train
    assert (train.pool_size, train.batch_size, train.rollout_steps, train.train_steps) == (1024, 4, 32, 8196)
    assert (train.learning_rate, train.learning_rate_end, train.decay_steps) == (1e-3, 1e-4, 4096)
    assert (train.mask_ratio_min, train.mask_ratio_max, train.clip_norm, train.fresh_count) == (
        0.5,
        0.5,
        1,
        1,
    )
    assert train.wound_probability == train.blank_fraction == train.painted_fraction == 0
    schedule = learning_rate_schedule(train)
    assert [float(schedule(step)) for step in (0, 2048, 4096, 8000)] == pytest.approx(
        [1e-3, 5.5e-4, 1e-4, 1e-4]
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"batch_size": 0}, "batch_size = 0 is out of range; choose a value from 1 to 65536"),
        ({"pool_size": 3}, "pool_size = 3 is smaller than batch_size = 4"),
        ({"mask_ratio_min": 0.9}, "mask_ratio_min = 0.9 is larger than mask_ratio_max = 0.5"),
        ({"fresh_count": 5}, "fresh_count = 5 is out of range; choose a value from 0 to 4"),
        ({"selection_steps": 65}, "selection_steps = 65 must be one of (64, 512)"),
        (
            {"wound_probability": 1.5},
            "wound_probability = 1.5 is out of range; choose a value from 0.0 to 1.0",
        ),
    ],
)
def test_bad_values_are_named_with_their_limits(fields: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**fields)
    assert str(caught.value) == message


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown recipe 'best'; the known ones are seed-recipe, exhibit"):
        recipe("best")
    with pytest.raises(ConfigError, match="unknown training setting 'speed'"):
        TrainConfig.from_dict({"speed": 1})
    for name in RECIPES:
        train = recipe(name).train
        assert train.recipe == name
        assert TrainConfig.from_dict(train.to_dict()) == train


def test_settings_of_earlier_versions_are_known_where_they_did_nothing() -> None:
    earlier = {
        "ruin_probability": 0.0,
        "young_probability": 0,
        "late_drawing_probability": 0.0,
        "empty_weight": 0.0,
        "overflow_weight": 0.0,
        "overflow_limit": 1.5,
    }
    assert TrainConfig.from_dict(TRAIN.to_dict() | earlier) == TRAIN
    for name, value in {"overflow_weight": 0.3, "ruin_probability": 0.4, "empty_weight": None}.items():
        with pytest.raises(ConfigError) as caught:
            TrainConfig.from_dict(TRAIN.to_dict() | earlier | {name: value})
        idle = earlier[name]
        assert str(caught.value) == (
            f"{name} = {value} was a setting of an earlier version; this one knows {idle} only"
        )
