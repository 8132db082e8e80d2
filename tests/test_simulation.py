import jax
import numpy as np
import pytest

from nca_viewer.automaton.rollout import Dynamics
from nca_viewer.interaction.actions import Tool
from nca_viewer.simulation import Simulation

SEED = 5


@pytest.fixture(scope="module")
def simulation(small_model):
    simulation = Simulation(small_model, seed=SEED)
    simulation.warm_up()
    return simulation


@pytest.fixture
def image(small_config):
    return np.random.default_rng(2).random(small_config.image_shape).astype(np.float32)


@pytest.fixture
def region(small_config):
    return np.random.default_rng(3).random((small_config.height, small_config.width)) < 0.3


def begin(simulation, image, mask_ratio=0.5):
    simulation.episode = 0
    simulation.begin(image, mask_ratio)


def state_of(simulation):
    return simulation.request_snapshot().result().state


def test_steps_are_the_automaton_s_own(simulation, small_model, image):
    begin(simulation, image)
    start = state_of(simulation)
    simulation.advance(4)
    dynamics, parameters = Dynamics.of(small_model)
    key = jax.random.wrap_key_data(simulation._key_data(1), impl="rbg")
    keys = jax.vmap(lambda step: jax.random.fold_in(key, step))(np.arange(4, dtype=np.uint32))
    expected = jax.jit(dynamics.rollout)(parameters, start, keys)
    np.testing.assert_allclose(state_of(simulation), expected, rtol=0, atol=1e-5)


def test_a_snapshot_knows_the_clean_picture(simulation, image, region):
    begin(simulation, image, 1.0)
    simulation.apply(Tool.PAINT, region)
    simulation.advance(2)
    expected = np.repeat(np.rint(255 * image), 3, axis=2)
    assert (simulation.request_snapshot().result().clean == expected).all()
    begin(simulation, np.zeros_like(image), 0.0)
    assert simulation.request_snapshot().result().clean is None


def test_steps_divide_into_frames_in_any_way_bit_for_bit(simulation, image):
    states = []
    for division in ([12], [1] * 12, [5, 0, 7], [8, 1, 1, 1, 1]):
        begin(simulation, image)
        for steps in division:
            simulation.advance(steps)
        assert simulation.step == 12
        states.append(state_of(simulation))
    assert all((state == states[0]).all() for state in states)


def test_the_number_of_steps_never_compiles_again(simulation, image, small_config):
    begin(simulation, image)
    functions = (simulation._advance, simulation._edit, simulation._start, simulation._observe)
    before = [function._cache_size() for function in functions]
    for steps in (1, 2, 3, 17, 64):
        simulation.advance(steps)
    for tool in Tool:
        simulation.apply(tool, np.ones((small_config.height, small_config.width), bool), 0.3)
    simulation.request_snapshot().result()
    begin(simulation, image, 0.25)
    assert [function._cache_size() for function in functions] == before == [1, 1, 1, 1]


def test_same_seed_same_edits_same_states(small_model, image, region):
    finals = []
    for _ in range(2):
        simulation = Simulation(small_model, seed=9)
        simulation.begin(image, 0.5)
        for tool in Tool:
            simulation.advance(3)
            simulation.apply(tool, region)
        finals.append(state_of(simulation))
    assert (finals[0] == finals[1]).all()
    simulation = Simulation(small_model, seed=10)
    simulation.begin(image, 0.5)
    simulation.advance(9)
    assert (state_of(simulation) != finals[0]).any()


def test_reset_brings_back_the_start_and_the_same_future(simulation, image, region):
    begin(simulation, image)
    start = state_of(simulation)
    simulation.advance(6)
    future = state_of(simulation)
    simulation.apply(Tool.CORRUPT, region)
    simulation.reset()
    assert simulation.step == 0
    assert (state_of(simulation) == start).all()
    simulation.advance(6)
    assert (state_of(simulation) == future).all()


def test_restart_forgets_other_pixels(simulation, image):
    begin(simulation, image)
    start = state_of(simulation)
    simulation.restart()
    again = state_of(simulation)
    assert simulation.episode == 2
    assert (start != again).any()
    both = (start[..., -1] > 0) & (again[..., -1] > 0)
    assert (start[both] == again[both]).all()


def test_tools_touch_only_their_cells(simulation, image, region):
    begin(simulation, image)
    simulation.advance(3)
    before = state_of(simulation)
    for tool in Tool:
        simulation.apply(tool, region, 0.75)
        after = state_of(simulation)
        assert (after[~region] == before[~region]).all()
        assert (after[region] != before[region]).any()
        if tool is Tool.PAINT:
            assert (after[region, -1] == np.float32(0.75)).all()
            assert (after[..., :-1] == before[..., :-1]).all()
        if tool is Tool.ERASE:
            assert (after[region] == 0).all()


@pytest.mark.parametrize("tool", list(Tool))
def test_tools_are_idempotent_within_a_step(simulation, image, region, tool):
    begin(simulation, image)
    simulation.advance(2)
    simulation.apply(tool, region)
    once = state_of(simulation)
    simulation.apply(tool, region)
    assert (state_of(simulation) == once).all()


def test_corruption_differs_from_step_to_step(simulation, image, region):
    begin(simulation, image)
    simulation.apply(Tool.CORRUPT, region)
    once = state_of(simulation)
    simulation.advance(1)
    simulation.apply(Tool.CORRUPT, region)
    assert (state_of(simulation)[region] != once[region]).mean() > 0.9


def test_snapshots_are_read_only_and_keep_their_moment(simulation, image):
    begin(simulation, image)
    snapshot = simulation.request_snapshot().result()
    kept = snapshot.state.copy()
    with pytest.raises(ValueError, match="read-only"):
        snapshot.state[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        snapshot.image[0, 0, 0] = 1
    simulation.advance(5)
    assert (snapshot.state == kept).all()
    assert (snapshot.step, snapshot.episode) == (0, 1)
    picture = np.round(255 * np.clip(kept[..., -1:], 0, 1)).astype(np.uint8)
    assert (snapshot.image == picture).all()


def test_health_sees_what_is_not_finite_or_explodes(simulation, image, region):
    for ink, healthy in ((1.0, True), (np.nan, False), (np.inf, False), (1e7, False)):
        begin(simulation, image)
        simulation.apply(Tool.PAINT, region, ink)
        assert simulation.request_snapshot().result().is_healthy is healthy


def test_a_moment_is_fetched_from_the_device_once(simulation, image, region):
    begin(simulation, image)
    first = simulation.request_snapshot()
    assert simulation.request_snapshot().result() is first.result()
    for change in (
        lambda: simulation.apply(Tool.PAINT, region),
        lambda: simulation.advance(1),
        simulation.reset,
        simulation.restart,
    ):
        before = simulation.request_snapshot().result()
        simulation.advance(0)
        assert simulation.request_snapshot().result() is before
        change()
        assert simulation.request_snapshot().result() is not before


def test_a_moment_brings_back_the_state_and_the_same_future(simulation, image, region):
    begin(simulation, image, 0.25)
    simulation.advance(3)
    moment = simulation.moment()

    def future():
        simulation.advance(2)
        simulation.apply(Tool.CORRUPT, region)
        simulation.advance(2)
        first = simulation.request_snapshot().result()
        simulation.restart()
        return first, simulation.request_snapshot().result()

    before = future()
    simulation.begin(np.zeros_like(image), 0.0)
    simulation.restore(moment)
    for one, other in zip(before, future(), strict=True):
        assert (one.state == other.state).all()
        assert (one.clean == other.clean).all()
        assert (one.step, one.episode) == (other.step, other.episode)


def test_a_listener_hears_of_every_change(small_model, image, region):
    class Listener:
        def __init__(self):
            self.heard = []

        def advanced(self, steps):
            self.heard.append(steps)

        def edited(self, tool, region, ink):
            self.heard.append((tool, ink))

        def started(self):
            self.heard.append("start")

    simulation = Simulation(small_model, seed=9)
    simulation.listener = Listener()
    simulation.begin(image, 0.5)
    simulation.advance(0)
    simulation.advance(3)
    simulation.apply(Tool.PAINT, region, 0.5)
    simulation.restore(simulation.moment())
    simulation.reset()
    simulation.restart()
    assert simulation.listener.heard == ["start", 3, (Tool.PAINT, 0.5), "start", "start", "start"]
