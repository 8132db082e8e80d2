import threading

import jax
import numpy as np
import pytest

from nca_viewer.automaton.experiments import Experiments
from nca_viewer.automaton.explanation import Explain
from nca_viewer.automaton.rollout import Dynamics
from nca_viewer.errors import ConfigError
from nca_viewer.interaction.actions import Tool
from nca_viewer.simulation import Simulation

SEED = 5


@pytest.fixture(scope="module")
def simulation(small_model):
    simulation = Simulation(small_model, seed=SEED)
    simulation.warm_up(explained=True, experiments=True)
    return simulation


@pytest.fixture(autouse=True)
def _without_experiments(simulation):
    yield
    simulation.experiments = Experiments()


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

        def started(self, start):
            self.heard.append("start")

    simulation = Simulation(small_model, seed=9)
    listener = Listener()
    simulation.listeners.append(listener)
    simulation.begin(image, 0.5)
    simulation.advance(0)
    simulation.advance(3)
    simulation.apply(Tool.PAINT, region, 0.5)
    simulation.restore(simulation.moment())
    simulation.reset()
    simulation.restart()
    assert listener.heard == ["start", 3, (Tool.PAINT, 0.5), "start", "start", "start"]


def explained(simulation):
    return simulation.request_snapshot(explain=Explain.STEP).result()


def advanced(simulation, image, experiments, steps, *, mask_ratio=0.5):
    """The states at the start of an episode and some steps later, under experiments."""
    begin(simulation, image, mask_ratio)
    simulation.experiments = experiments
    start = state_of(simulation)
    simulation.advance(steps)
    return start, state_of(simulation)


def test_an_explanation_is_of_the_very_next_step(simulation, small_config, image):
    begin(simulation, image)
    simulation.advance(3)
    snapshot = explained(simulation)
    explanation = snapshot.explanation
    shape, factor = (small_config.height, small_config.width), 1 / (1 - small_config.cell_dropout_rate)
    assert explanation.weights.shape == (9, *shape, small_config.num_heads)
    assert explanation.perception.shape == (*shape, small_config.perception_size)
    assert explanation.fires.shape == shape
    assert explanation.firing_factor == pytest.approx(factor)
    simulation.advance(1)
    after = state_of(simulation)
    assert ((after != snapshot.state).any(axis=-1) == explanation.fires).all()
    np.testing.assert_allclose(explanation.next_state, after, rtol=0, atol=1e-5)
    added = explanation.fires[..., None] * factor * explanation.update
    np.testing.assert_allclose(snapshot.state + added, after, rtol=0, atol=1e-5)


def test_explaining_changes_no_state(simulation, image, region):
    finals = []
    for explain in (False, True):
        begin(simulation, image)
        for _ in range(4):
            if explain:
                assert explained(simulation).explanation is not None
            simulation.advance(1)
            simulation.apply(Tool.CORRUPT, region)
        finals.append(state_of(simulation))
    assert (finals[0] == finals[1]).all()


def test_a_moment_is_explained_once_and_plain_snapshots_stay_plain(simulation, image):
    begin(simulation, image)
    first = explained(simulation)
    assert explained(simulation) is first
    plain = simulation.request_snapshot().result()
    assert plain.explanation is None
    assert plain.state is first.state
    with pytest.raises(ValueError, match="read-only"):
        first.explanation.weights[0] = 1
    simulation.experiments = Experiments(muted_heads=[0])
    other = explained(simulation)
    assert other.state is first.state
    assert (other.explanation.perception != first.explanation.perception).any()
    simulation.advance(1)
    np.testing.assert_allclose(other.explanation.next_state, state_of(simulation), rtol=0, atol=1e-5)


def test_attention_alone_is_what_the_whole_step_looks_at(simulation, image):
    begin(simulation, image)
    for experiments in (Experiments(), Experiments(muted_heads=[0], neighbours=[True] * 8 + [False])):
        simulation.experiments = experiments
        attention = simulation.request_snapshot(explain=Explain.ATTENTION).result().explanation
        whole = explained(simulation).explanation
        np.testing.assert_allclose(attention.weights, whole.weights, rtol=0, atol=1e-6)
        assert attention.extent is (Explain.ATTENTION if experiments.is_neutral else Explain.STEP)
        assert simulation.request_snapshot(explain=Explain.ATTENTION) is simulation.request_snapshot(
            explain=Explain.STEP
        )


def test_no_frame_waits_for_the_compiler(small_model, monkeypatch):
    simulation = Simulation(small_model, seed=1)
    may_compile = threading.Event()
    function = simulation._explain._function
    monkeypatch.setattr(
        simulation._explain, "_function", lambda *arguments: (may_compile.wait(60), function(*arguments))[1]
    )
    assert explained(simulation).explanation is None
    assert explained(simulation).explanation is None
    may_compile.set()
    simulation._explain.prepare().result()
    assert explained(simulation).explanation is not None


def test_experiments_that_change_nothing_run_the_plain_automaton(small_model, image):
    simulation = Simulation(small_model, seed=SEED)
    _, plain = advanced(simulation, image, Experiments(dead_cells=np.zeros((11, 13), bool)), 5)
    assert not simulation.are_experiments_ready
    simulation.experiments = Experiments(noise_std=0.5)
    simulation.experiments = Experiments()
    begin(simulation, image)
    simulation.advance(5)
    assert (state_of(simulation) == plain).all()


def test_what_the_automaton_has_not_is_refused_and_changes_nothing(simulation):
    before = simulation.experiments
    with pytest.raises(ConfigError, match="muted_heads holds 2; this automaton has heads 0 to 1"):
        simulation.experiments = Experiments(muted_heads=[2])
    assert simulation.experiments is before


def test_trained_values_given_by_hand_are_the_plain_automaton(simulation, image):
    _, plain = advanced(simulation, image, Experiments(), 3)
    _, same = advanced(simulation, image, Experiments(update_rate=0.5), 3)
    np.testing.assert_allclose(same, plain, rtol=0, atol=1e-5)


def test_zeroed_frozen_and_dead_are_exact_under_everything_else(simulation, image, region):
    experiments = Experiments(
        zeroed_channels=[0],
        frozen_channels=[2, 6],
        dead_cells=region,
        update_rate=0.9,
        noise_std=0.3,
        step_size_factor=2.0,
    )
    begin(simulation, image)
    simulation.advance(3)
    simulation.apply(Tool.PAINT, region)
    simulation.experiments = experiments
    explanation = explained(simulation).explanation
    before = state_of(simulation)
    assert before[..., 0].any()
    simulation.advance(1)
    once = state_of(simulation)
    assert not explanation.fires[region].any()
    assert not explanation.update[..., [0, 2, 6]].any()
    np.testing.assert_allclose(explanation.next_state, once, rtol=0, atol=1e-4)
    simulation.advance(4)
    for after in (once, state_of(simulation)):
        assert not after[region].any()
        assert not after[..., 0].any()
        assert (after[~region][:, [2, 6]] == before[~region][:, [2, 6]]).all()
        assert (after[~region][:, [1, 3, 4, 5]] != before[~region][:, [1, 3, 4, 5]]).all()


def test_the_update_rate_is_how_many_cells_fire_each_by_as_much(simulation, image):
    fires, update = {}, {}
    for rate in (0.05, 0.5, 0.9, 1.0):
        begin(simulation, image)
        simulation.experiments = Experiments(update_rate=rate)
        explanation = explained(simulation).explanation
        fires[rate], update[rate] = explanation.fires, explanation.update
        many = [fires[rate]]
        for _ in range(7):
            simulation.advance(1)
            many.append(explained(simulation).explanation.fires)
        assert abs(np.mean(many) - rate) < 4 * np.sqrt(rate * (1 - rate) / np.size(many)) + 1e-9
        assert explanation.firing_factor == 2.0
        assert (update[rate] == update[0.05]).all()
    assert (fires[0.05] <= fires[0.5]).all()
    assert (fires[0.5] <= fires[0.9]).all()


def test_noise_has_its_size_in_every_channel_and_a_stream_of_its_own(simulation, image):
    experiments = Experiments(noise_std=0.2, step_size_factor=0.0)
    start, once = advanced(simulation, image, experiments, 1)
    noise = once - start
    assert abs(noise.std() - 0.2) < 0.02
    assert abs(noise.mean()) < 0.02
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.3
    simulation.advance(1)
    assert abs(np.corrcoef((state_of(simulation) - once).ravel(), noise.ravel())[0, 1]) < 0.15
    begin(simulation, image)
    quiet = explained(simulation).explanation.fires
    simulation.experiments = Experiments(update_rate=0.5)
    assert (explained(simulation).explanation.fires == quiet).all()


def test_the_step_size_factor_scales_what_is_added(simulation, image):
    start, once = advanced(simulation, image, Experiments(step_size_factor=1.0, update_rate=0.5), 1)
    _, thrice = advanced(simulation, image, Experiments(step_size_factor=3.0), 1)
    np.testing.assert_allclose(thrice - start, 3 * (once - start), rtol=1e-4, atol=1e-5)


def test_experiments_repeat_however_steps_are_divided_and_never_compile_again(simulation, image):
    compiled = simulation._advance_experiment.prepare().result()
    finals = []
    for division in ([6], [1, 2, 3], [6]):
        begin(simulation, image)
        simulation.experiments = Experiments(noise_std=0.1, update_rate=0.7, muted_heads=[1])
        for steps in division:
            simulation.advance(steps)
        finals.append(state_of(simulation))
        simulation.experiments = Experiments(frozen_channels=[1], neighbours=[True] * 8 + [False])
        simulation.advance(2)
    assert (finals[0] == finals[1]).all()
    assert (finals[0] == finals[2]).all()
    assert simulation._advance_experiment.prepare().result() is compiled
