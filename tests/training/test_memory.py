"""The memory that is written into the parameters: noise, which nobody could guess, comes back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nca_viewer.automaton import edits
from nca_viewer.automaton.episodes import masked_start
from nca_viewer.automaton.rollout import Dynamics
from nca_viewer.automaton.system import AttentionNCA, visible
from nca_viewer.checkpoint import load_checkpoint
from nca_viewer.config import ModelConfig
from nca_viewer.errors import ConfigError
from nca_viewer.healing import healed_fraction
from nca_viewer.views.cells import channel_meaning
from training import step as step_module
from training.config import TrainConfig
from training.damage import Wounds, draw_wounds
from training.memory import (
    MEMORY_CHANNELS,
    PAPER,
    REACH_CELLS,
    channel_names,
    in_vain,
    require_room,
    trainable,
    with_memory,
)
from training.metrics import mean_squared_error
from training.step import Images, initial_state, make_train_step

CONFIG = ModelConfig(
    height=23,
    width=19,
    channel_size=14,
    projection_size=14,
    position_embedding_size=5,
    num_heads=3,
    hidden_size=84,
    perception_size=28,
    state_limit=1.0,
)
"""Little more than the memory needs."""
LIFE, AWAKE, LOST = range(MEMORY_CHANNELS - 3, MEMORY_CHANNELS)
ROW, COLUMN = 11, 9
STEPS = 96
CHUNK_STEPS = 12


def runner(dynamics: Dynamics) -> Callable[..., jax.Array]:
    """A roll-out of any multiple of `CHUNK_STEPS`, compiled once."""
    rollout = jax.jit(dynamics.rollout)

    def run(parameters: nnx.State, state: jax.Array, seed: int, steps: int) -> jax.Array:
        keys = jax.random.split(jax.random.key(seed), steps).reshape(-1, CHUNK_STEPS)
        for chunk in keys:
            state = rollout(parameters, state, chunk)
        return state

    return run


@pytest.fixture(scope="module")
def automaton() -> tuple[Dynamics, nnx.State]:
    """An untrained automaton with a memory: nothing else in it does anything yet."""
    dynamics, parameters = Dynamics.of(AttentionNCA(CONFIG, rngs=nnx.Rngs(3)))
    return dynamics, with_memory(dynamics, parameters)


@pytest.fixture(scope="module")
def run(automaton):
    dynamics, written = automaton
    rollout = runner(dynamics)
    return lambda state, seed, steps=STEPS, parameters=written: rollout(parameters, state, seed, steps)


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    return np.random.default_rng(5).random((2, *CONFIG.image_shape)).astype(np.float32)


@pytest.fixture(scope="module")
def finished(run, clean) -> jax.Array:
    return run(masked_start(jnp.asarray(clean), jax.random.key(0), 0.0, CONFIG), 1, 2 * STEPS)


def disc(radius: float, row: int = ROW, column: int = COLUMN) -> jax.Array:
    return edits.disc(jnp.array([row, column], jnp.float32), jnp.float32(radius), CONFIG.height, CONFIG.width)


def picture(state: jax.Array) -> np.ndarray:
    return np.asarray(visible(state, CONFIG))


@pytest.fixture(scope="module")
def weights(automaton) -> np.ndarray:
    """Where each head of each cell of a random state looks."""
    dynamics, parameters = automaton
    state = jax.random.uniform(jax.random.key(7), CONFIG.state_shape, minval=-1.0)
    explain = jax.jit(lambda state: dynamics.bind(parameters).explain(state, jax.random.key(8)).weights)
    return np.asarray(explain(state))


@pytest.mark.parametrize(("head", "row_offset", "column_offset"), [(0, 0, 0), (1, -1, 1), (2, 1, -1)])
def test_three_heads_look_at_one_cell_whatever_is_in_it(
    weights: np.ndarray, head: int, row_offset: int, column_offset: int
) -> None:
    looked_at = 3 * (row_offset + 1) + column_offset + 1
    assert weights[looked_at, 1:-1, 1:-1, head].min() > 0.99999


def test_cells_know_their_diagonal(finished: jax.Array) -> None:
    memories, ink = np.asarray(finished), picture(finished)[..., 0]
    # What lies at the border itself has one neighbour on its diagonal only, and is left out.
    for distance in range(1, REACH_CELLS + 1):
        far = slice(distance + 1, None), slice(None, -distance - 1)
        near = slice(1, -distance), slice(distance, -1)
        north_east = memories[:, far[0], far[1], distance - 1]
        np.testing.assert_allclose(north_east, 0.75 + 0.25 * ink[:, near[0], near[1]], atol=0.01)
        south_west = memories[:, far[1], far[0], REACH_CELLS + distance - 1]
        np.testing.assert_allclose(south_west, 0.75 + 0.25 * ink[:, near[1], near[0]], atol=0.01)


@pytest.mark.parametrize(("height", "width", "size"), [(17, 17, 4), (23, 17, 5), (17, 23, 5)])
def test_a_picture_that_nothing_happened_to_stays_up_to_its_borders(
    height: int, width: int, size: int
) -> None:
    config = dataclasses.replace(CONFIG, height=height, width=width, position_embedding_size=size)
    dynamics, parameters = Dynamics.of(AttentionNCA(config, rngs=nnx.Rngs(3)))
    clean = jnp.asarray(np.random.default_rng(5).random((1, *config.image_shape)), jnp.float32)
    state = masked_start(clean, jax.random.key(0), 0.0, config)
    finished = runner(dynamics)(with_memory(dynamics, parameters), state, 1, 2 * STEPS)
    np.testing.assert_allclose(visible(finished, config), clean, atol=0.01)


def test_what_is_finished_rests(run, finished: jax.Array) -> None:
    np.testing.assert_array_equal(picture(run(finished, 2, 2 * STEPS)), picture(finished))


@pytest.mark.parametrize(
    ("kind", "radius", "least"),
    [("erase", 3, 0.99), ("erase", 5, 0.98), ("scramble", 3, 0.98), ("scramble", 5, 0.9)],
)
def test_a_wound_in_noise_heals(
    run, finished: jax.Array, clean: np.ndarray, kind: str, radius: int, least: float
) -> None:
    wound = edits.erase if kind == "erase" else partial(edits.corrupt, key=jax.random.key(4), config=CONFIG)
    wounded = wound(finished, disc(radius))
    states = (finished, wounded, run(wounded, 5))
    assert healed_fraction(*(mean_squared_error(picture(state), clean).mean() for state in states)) > least


def test_wounds_heal_again_and_again(run, finished: jax.Array, clean: np.ndarray) -> None:
    state = finished
    for wound in range(10):
        state = run(edits.erase(state, disc(4, ROW + wound % 3 - 1, COLUMN - wound % 2)), 10 + wound)
    wounded = mean_squared_error(picture(edits.erase(finished, disc(4))), clean).mean()
    assert mean_squared_error(picture(state), clean).mean() < 0.15 * wounded


def test_what_is_painted_later_is_remembered_too(run, finished: jax.Array) -> None:
    stroke = jnp.zeros((CONFIG.height, CONFIG.width), bool).at[ROW, 4:15].set(True)
    painted = edits.paint(finished, stroke, 1.0, CONFIG)
    kept = run(painted, 6)
    np.testing.assert_array_equal(picture(kept), picture(painted))
    healed = run(edits.erase(kept, disc(3)), 7)
    np.testing.assert_allclose(picture(healed)[:, ROW, 4:15], 1.0, atol=0.05)


def test_what_is_given_back_outlasts_what_restores_pictures(automaton, run, finished: jax.Array) -> None:
    """A unit that paints every cell black while it is awake stands for a trained part that is wrong."""
    dynamics, parameters = automaton
    model = dynamics.bind(jax.tree.map(jnp.copy, parameters))
    first, last = model.update.layers
    first.bias[...] = first.bias[...].at[-1].set(5.0)
    last.kernel[...] = last.kernel[...].at[..., -1, -1].set(0.06)
    healed = run(edits.erase(finished, disc(4)), 11, parameters=Dynamics.of(model)[1])
    np.testing.assert_allclose(picture(healed), picture(finished), atol=0.1)


def test_an_empty_page_stays_empty(run) -> None:
    state = run(jnp.zeros(CONFIG.state_shape), 9, STEPS + 2 * CHUNK_STEPS)
    for seed in range(3):
        state = run(state, seed)
        assert picture(state).max() < 0.01
        state = edits.erase(state, disc(5))


def test_a_page_comes_to_life_as_a_whole(run) -> None:
    state = masked_start(jnp.zeros((3, *CONFIG.image_shape)), jax.random.key(2), 0.0, CONFIG)
    for seed in range(8):
        state = run(state, 20 + seed, CHUNK_STEPS)
        assert float((state[..., LOST] > 0.5).mean()) < 0.005
    assert float((state[..., LIFE] == 1).mean()) > 0.99


@pytest.mark.parametrize(("kind", "least"), [("erase", 0.95), ("scramble", 0.8)])
def test_what_is_taken_from_a_page_that_still_forms_comes_back(
    run, clean: np.ndarray, kind: str, least: float
) -> None:
    """At step 36 no cell has finished yet."""
    forming = run(masked_start(jnp.asarray(clean), jax.random.key(0), 0.0, CONFIG), 1, 36)
    assert float(forming[..., AWAKE].min()) > 0.9
    wound = edits.erase if kind == "erase" else partial(edits.corrupt, key=jax.random.key(4), config=CONFIG)
    wounded = wound(forming, disc(4))
    states = (forming, wounded, run(wounded, 5))
    assert healed_fraction(*(mean_squared_error(picture(state), clean).mean() for state in states)) > least


@pytest.mark.parametrize("kind", ["erase", "scramble"])
def test_a_page_that_was_taken_as_a_whole_stays_empty(run, finished: jax.Array, kind: str) -> None:
    state = finished
    rows = np.arange(CONFIG.height)
    for number, middle in enumerate(range(3, CONFIG.height + 3, 6)):
        band = jnp.broadcast_to(
            jnp.asarray(np.abs(rows - middle) <= 3)[:, None], (CONFIG.height, CONFIG.width)
        )
        if kind == "erase":
            state = edits.erase(state, band)
        else:
            state = edits.corrupt(state, band, jax.random.key(number), CONFIG)
        state = run(state, 30 + number, CHUNK_STEPS)
    for seed in range(3):
        state = run(state, 40 + seed)
        assert picture(state).max() < 0.01
    assert (np.asarray(state[..., LOST]) > 0.5).mean() > 0.5


def test_beyond_the_memory_cells_begin_anew_beside_those_that_were_given_back(
    run, finished: jax.Array
) -> None:
    wounded = edits.erase(finished, disc(8))
    waiting = np.asarray(run(wounded, 5, 2 * CHUNK_STEPS)[:, ROW, COLUMN])
    assert np.all(waiting[:, LOST] == 1)
    healed = run(wounded, 5)
    assert picture(healed).min() > -0.01
    begun = np.asarray(healed[:, ROW, COLUMN])
    assert np.all(begun[:, LIFE] == 1)
    assert np.all(begun[:, AWAKE] > 0.0)
    assert np.all(np.abs(begun[:, LOST]) < 1e-5)


def test_cells_beyond_the_memory_show_nothing(run, finished: jax.Array) -> None:
    side = np.zeros((CONFIG.height, CONFIG.width), bool)
    side[2:-2, 1:-1] = True
    state = run(edits.erase(finished, jnp.asarray(side)), 8, 2 * STEPS)
    assert np.abs(picture(state)[:, ROW, COLUMN]).max() < 0.01


def is_in_vain(state: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    """Which cells live, anew or as finished paper, and which wait in vain: bool[B, H, W] each."""
    cells = np.asarray(state)
    life, awake, lost = (cells[..., channel] for channel in (LIFE, AWAKE, LOST))
    memories, others = cells[..., : 2 * REACH_CELLS], cells[..., MEMORY_CHANNELS:-1]
    knows_nothing, is_blank = (memories == -1).all(axis=-1), picture(state)[..., 0] == 0
    lives = is_blank & (life == 1) & (lost == 0) & (others == 0).all(axis=-1)
    begun = knows_nothing & (awake == 1)
    paper = (memories == PAPER).all(axis=-1) & (awake == -1)
    waits = is_blank & knows_nothing & (life > 0) & (life < 1) & (awake == 1) & (lost == 1)
    return lives & (begun | paper), waits & (others == -1).all(axis=-1)


def test_cells_that_waited_in_vain_live_or_still_wait_and_know_nothing() -> None:
    state = in_vain(jnp.ones((50, *CONFIG.state_shape)), jax.random.key(1), CONFIG)
    begun, waiting = is_in_vain(state)
    assert np.all(begun | waiting)
    shares = waiting.mean(axis=(1, 2))
    assert shares.min() < 0.1
    is_paper = (np.asarray(state[..., AWAKE]) == -1).any(axis=(1, 2))
    assert 0.3 < is_paper.mean() < 0.7
    assert shares[~is_paper].max() > 0.75


def test_training_knows_wounds_and_empty_pages_that_waited_in_vain(automaton, clean: np.ndarray) -> None:
    train = TrainConfig(
        memory=True,
        batch_size=2,
        pool_size=40,
        blank_fraction=0.5,
        wound_probability=1.0,
        in_vain_probability=1.0,
    )
    wounds = draw_wounds(jnp.asarray(clean), 1.0, jax.random.key(2), train, CONFIG)
    begun, waiting = is_in_vain(wounds.content)
    assert np.all(begun | waiting)
    assert 0 < np.asarray(wounds.region).mean() < 1
    dynamics, parameters = automaton
    photographs = jnp.full((3, *CONFIG.image_shape), 255, jnp.uint8)
    images = Images(photographs, jnp.zeros((1, *CONFIG.image_shape), jnp.uint8))
    for config, expected in ((train, True), (dataclasses.replace(train, memory=False), False)):
        pool = initial_state(parameters, images, config, dynamics)
        is_blank = np.asarray(pool.pool_index) == -1
        assert 15 <= is_blank.sum() <= 25
        begun, waiting = is_in_vain(pool.pool_state)
        assert np.all((begun | waiting)[is_blank] == expected)
        assert not (begun | waiting)[~is_blank].any()


def test_some_fresh_pages_are_wounded_while_they_form(automaton, clean: np.ndarray, monkeypatch) -> None:
    """With what wounds bring, but never as after a wait in vain; and never an empty page."""
    dynamics, parameters = automaton
    drawn: list[TrainConfig] = []

    def draw(images, probability, key, train, model_config):
        drawn.append(train)
        wounds = draw_wounds(images, probability, key, train, model_config)
        blank = jnp.zeros_like(wounds.content).at[..., LIFE].set(1.0).at[..., AWAKE].set(-1.0)
        return Wounds(wounds.region, blank)

    monkeypatch.setattr(step_module, "draw_wounds", draw)
    images = jnp.asarray(clean).at[1].set(0.0)
    fresh = masked_start(images, jax.random.key(0), 0.0, CONFIG)
    config = TrainConfig(memory=True, in_vain_probability=1.0)
    form = partial(step_module._forming, clean=images, key=jax.random.key(1), parameters=parameters)
    plain = form(fresh, config=config, dynamics=dynamics)
    assert 0.4 < float(plain[..., LIFE].min()) < 1.0
    assert not drawn
    config = dataclasses.replace(config, young_wound_probability=1.0)
    wounded = form(fresh, config=config, dynamics=dynamics)
    assert [train.in_vain_probability for train in drawn] == [0.0]
    np.testing.assert_array_equal(wounded[1], plain[1])
    assert (np.asarray(wounded[0, ..., AWAKE]) == -1).mean() > 0.02
    assert (picture(wounded)[0] == 0).mean() > (picture(plain)[0] == 0).mean() + 0.02
    old = wounded.at[..., LIFE].set(1.0)
    np.testing.assert_array_equal(form(old, config=config, dynamics=dynamics), old)


def test_the_memory_is_the_part_that_is_not_trained() -> None:
    dynamics, before = Dynamics.of(AttentionNCA(CONFIG, rngs=nnx.Rngs(1)))
    before = jax.tree.map(lambda leaf: leaf + 1.0, before)
    after, is_trained = with_memory(dynamics, before), trainable(dynamics)
    for old, new, mask in zip(*map(jax.tree.leaves, (before, after, is_trained)), strict=True):
        assert set(np.unique(mask)) <= {0.0, 1.0}
        np.testing.assert_array_equal(np.where(mask == 1, new, 0.0), np.where(mask == 1, old, 0.0))
    again = with_memory(dynamics, after)
    jax.tree.map(np.testing.assert_array_equal, again, after)


def test_the_bundled_model_has_the_memory_that_is_described_here() -> None:
    model, _ = load_checkpoint("model")
    dynamics, parameters = Dynamics.of(model)
    jax.tree.map(np.testing.assert_array_equal, with_memory(dynamics, parameters), parameters)


def test_an_update_trains_all_but_the_memory(automaton) -> None:
    dynamics, parameters = automaton
    config = TrainConfig(
        memory=True, batch_size=2, pool_size=2, fresh_count=2, rollout_steps=16, train_steps=2
    )
    pixels = np.random.default_rng(2).integers(0, 256, (5, *CONFIG.image_shape)).astype(np.uint8)
    images = Images(jnp.asarray(pixels), jnp.zeros((1, *CONFIG.image_shape), jnp.uint8))
    state = initial_state(jax.tree.map(jnp.copy, parameters), images, config, dynamics)
    train_step = make_train_step(dynamics, config)
    # The first update reaches the last layer only, which starts at zero; the second one all the others.
    for _ in range(2):
        state, _ = train_step(state, images)
    changed = jax.tree.map(lambda old, new: np.asarray(old != new), parameters, state.parameters)
    is_trained = jax.tree.map(lambda mask: np.asarray(mask == 1), trainable(dynamics))
    for moved, free in zip(jax.tree.leaves(changed), jax.tree.leaves(is_trained), strict=True):
        assert not np.any(moved & ~free)
    share = sum(int(leaf.sum()) for leaf in jax.tree.leaves(changed))
    assert share > 0.5 * sum(int(leaf.sum()) for leaf in jax.tree.leaves(is_trained))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"channel_size": 12},
            "channel_size = 12 is too small for a memory; choose 13 or more, or --no-memory",
        ),
        ({"num_heads": 2}, "num_heads = 2 is too small for a memory; choose 3 or more, or --no-memory"),
        (
            {"visible_channel_size": 3},
            "a memory keeps grey pictures, and these have 3 channels; choose --no-memory",
        ),
        ({"state_limit": None}, "state_limit = None must be 1 for a memory; or choose --no-memory"),
        ({"update_deadband": 0.01}, "update_deadband = 0.01 must be 0 for a memory; or choose --no-memory"),
        (
            {"position_embedding_size": 4},
            "position_embedding_size = 4 is too small for a memory; choose 5 or more, or --no-memory",
        ),
    ],
)
def test_what_has_no_room_for_a_memory_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_room(dataclasses.replace(CONFIG, **fields))
    assert str(caught.value) == message


def test_the_bundled_memory_names_its_channels():
    names = load_checkpoint("model")[1].channel_names()
    assert list(names[:MEMORY_CHANNELS]) == channel_names()
    assert names[:2] == ("ink 1 north-east", "ink 2 north-east")
    assert names[REACH_CELLS] == "ink 1 south-west"
    assert names[MEMORY_CHANNELS - 3 :] == (
        "life",
        "awake",
        "lost",
        *(f"hidden {n}" for n in range(11, 31)),
        "ink",
    )


def test_every_channel_of_the_memory_says_what_its_values_mean():
    for name in channel_names():
        meaning = channel_meaning(name)
        if name in ("life", "awake", "lost"):
            assert meaning.startswith("1 in a cell that")
        else:
            assert f"1 is ink, {PAPER:g} paper, 0 or less not known" in meaning


def test_a_channel_is_named_for_the_neighbour_that_it_remembers(run, clean):
    image = np.zeros_like(clean)
    image[:, ROW, COLUMN] = 1.0
    state = run(masked_start(jnp.asarray(image), jax.random.key(0), 0.0, CONFIG), 1, 2 * STEPS)[0]
    for channel, name in enumerate(channel_names()[: 2 * REACH_CELLS]):
        _, cells, direction = name.split(" ")
        away = int(cells) * np.array({"north-east": (-1, 1), "south-west": (1, -1)}[direction])
        brightest = np.unravel_index(np.argmax(state[..., channel]), state.shape[:2])
        assert tuple(brightest + away) == (ROW, COLUMN), name
