"""The evaluation on a small random automaton: definitions, repetition, what is refused."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from flax import nnx

from nca_viewer.automaton import edits
from nca_viewer.automaton.rollout import Dynamics
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.config import ModelConfig
from nca_viewer.errors import ConfigError
from training import evaluate as evaluation
from training import gestures, metrics
from training import runner as runner_module
from training.evaluate import evaluate
from training.figures import Figure, Report, format_table
from training.runner import Runner, Tracked

NUM_IMAGES = 5


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Pictures with a bar of ink each."""
    generator = np.random.default_rng(0)
    shown = 0.1 * generator.random((NUM_IMAGES, 11, 13, 1), dtype=np.float32)
    for number in range(NUM_IMAGES):
        shown[number, 2:9, 3 + number] = 1.0
    return shown


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same scenarios with fewer steps."""
    for name, value in {
        "COURSE_STEPS": (8, 16),
        "RESTORE_STEPS": (8, 64),
        "HOLD_STEPS": (8, 24),
        "WOUND_STEP": 8,
        "HEALING_STEPS": 8,
        "BLANK_STEPS": 24,
        "PAINTED_STEPS": 16,
    }.items():
        monkeypatch.setattr(evaluation, name, value)
    for name, value in {
        "SWEPT_STEPS": (8, 16),
        "SETTLED_STEPS": (8, 16),
        "YOUNG_STEPS": (8, 16),
        "YOUNG_FINAL_STEP": 24,
        "HELD_STEPS": 8,
        "HELD_FINAL_STEPS": 8,
        "DRAWN_AGES": (0, 8),
        "DRAWN_STEPS": (10, 16),
        "DRAWN_FINAL_STEPS": 8,
        "DRAWN_HEALING_STEPS": 8,
        "MASK_STEPS": 8,
    }.items():
        monkeypatch.setattr(gestures, name, value)


def still_model(config: ModelConfig) -> AttentionNCA:
    """An automaton that never changes: its last kernel is zero."""
    return AttentionNCA(config, rngs=nnx.Rngs(0))


@pytest.fixture(scope="module")
def calm_model(small_config: ModelConfig) -> AttentionNCA:
    """An automaton that changes a little."""
    model = AttentionNCA(small_config, rngs=nnx.Rngs(0))
    kernel = model.update.layers[1].kernel
    kernel[...] = 0.01 * jax.random.normal(jax.random.key(3), kernel.shape)
    return model


class DarkReader:
    """Reads a seven wherever there is ink, and is sure of it."""

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        return np.where(pictures.mean(axis=(1, 2, 3)) > 0, 7, 0)

    def sure(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self(pictures), np.ones(len(pictures))


dark_reader = DarkReader()


def found(report: Report, scenario: str, condition: str, metric: str) -> Figure:
    """The only figure of that scenario and condition whose metric starts so."""
    (figure,) = (
        figure
        for figure in report.figures
        if (figure.scenario, figure.condition) == (scenario, condition) and figure.metric.startswith(metric)
    )
    return figure


def test_every_scenario_is_measured_and_counts_are_honest(
    calm_model: AttentionNCA, images: np.ndarray
) -> None:
    labels = np.array([7, 7, 0, 7, 7])
    report = evaluate(
        calm_model, images, labels, num_images=NUM_IMAGES, num_long_images=3, batch_size=3,
        classifier=dark_reader, details={"data": "bars"},
    )  # fmt: skip
    assert tuple(dict.fromkeys(figure.scenario for figure in report.figures)) == evaluation.SCENARIOS
    for figure in report.figures:
        expected = 3 if figure.scenario in evaluation.LONG_SCENARIOS else NUM_IMAGES
        assert figure.count == expected
        assert figure.value is not None
        assert figure.not_finite == 0
    assert found(report, "reads-as", "clean images", "accuracy").value == pytest.approx(0.8)
    written = json.loads(json.dumps(report.to_dict()))
    assert (written["details"], written["batch_size"]) == ({"data": "bars"}, 3)
    assert tuple(Figure(**figure) for figure in written["figures"]) == report.figures
    table = format_table([report], ["calm"])
    assert len(table.splitlines()) == 2 + len(report.figures)
    assert "heal-scramble  radius 5" in table


def test_the_same_seed_repeats_and_another_differs(calm_model: AttentionNCA, images: np.ndarray) -> None:
    def measure(seed: int) -> str:
        report = evaluate(
            calm_model, images, scenarios=["restore", "heal-scramble", "painted"], num_images=NUM_IMAGES,
            seed=seed, batch_size=3,
        )  # fmt: skip
        return json.dumps(replace(report, seed=0).to_dict())

    assert measure(1) == measure(1)
    assert measure(1) != measure(2)


def test_scenarios_do_not_influence_each_other(calm_model: AttentionNCA, images: np.ndarray) -> None:
    together = evaluate(calm_model, images, scenarios=["restore", "heal-erase", "hold"], batch_size=3)
    alone = evaluate(calm_model, images, scenarios=["heal-erase"], batch_size=3)
    assert alone.figures == tuple(f for f in together.figures if f.scenario == "heal-erase")


def test_a_still_automaton_keeps_the_masked_picture_and_never_heals(
    small_config: ModelConfig, images: np.ndarray
) -> None:
    report = evaluate(
        still_model(small_config),
        images,
        scenarios=["restore", "heal-erase", "blank"],
        num_images=6,
        num_long_images=5,
        batch_size=3,
    )
    early, late = (found(report, "restore", f"mask 0.5, {steps} steps", "PSNR").value for steps in (8, 64))
    assert early == late
    for radius in evaluation.WOUND_RADII_CELLS:
        assert found(report, "heal-erase", f"radius {radius}", "healed").value == 0.0
    assert found(report, "blank", "24 steps", "visible").value == 0.0
    assert found(report, "blank", "24 steps", "|state|").value == 0.0


def test_a_still_automaton_keeps_what_is_painted(small_config: ModelConfig, images: np.ndarray) -> None:
    report = evaluate(still_model(small_config), images, scenarios=["painted"], num_images=5, batch_size=3)
    assert found(report, "painted", "16 steps", "intersection").value == 1.0
    assert found(report, "painted", "16 steps", "share inside").value == 1.0
    assert [f.value for f in report.figures if f.metric == "visible value"] == [0.0, 1.0]


def test_healing_is_measured_against_the_clean_image_at_the_wound(
    small_config: ModelConfig, images: np.ndarray
) -> None:
    """The still automaton's three errors can be computed without running it."""
    runner = Runner(still_model(small_config), seed=0, batch_size=NUM_IMAGES)
    centres = runner.ink_centres(images, "heal")
    for image, (row, column) in zip(images, centres.astype(int), strict=True):
        assert image[row, column, 0] > evaluation.INK_THRESHOLD
    start = runner.start(images, runner.key("healthy", 0), 0.0)
    wounded = runner.picture(runner.wound(start.state, centres, 3, runner.key("any"), "erase"))
    region = np.asarray(edits.disc(centres, np.full(NUM_IMAGES, 3.0), 11, 13))
    expected = np.where(region[..., None], images, 0) ** 2
    np.testing.assert_allclose(
        metrics.mean_squared_error(wounded, images), expected.mean(axis=(1, 2, 3)), rtol=1e-6
    )


def test_advance_is_the_automaton_and_tracks_the_extremes(
    calm_model: AttentionNCA, images: np.ndarray
) -> None:
    runner = Runner(calm_model, seed=0, batch_size=NUM_IMAGES)
    dynamics, parameters = Dynamics.of(calm_model)
    start = runner.start(images, runner.key("mask"), 0.5)
    tracked = runner.advance(start, runner.key("steps"), 16)
    # Each automaton has keys of its own.
    run = jax.jit(jax.vmap(lambda state, keys: dynamics.rollout(parameters, state, keys, history=True)))
    state, states = start.state, [np.asarray(start.state)]
    for chunk in range(2):
        keys = jax.random.split(jax.random.fold_in(runner.key("steps"), chunk), NUM_IMAGES)
        state, history = run(state, jax.vmap(lambda key: jax.random.split(key, 8))(keys))
        states += list(np.asarray(history).swapaxes(0, 1))
    np.testing.assert_allclose(tracked.state, state, atol=1e-5)
    np.testing.assert_allclose(tracked.largest_state, np.abs(states).max(axis=(0, 2, 3, 4)), atol=1e-5)
    shown = np.stack(states)[..., -1]
    np.testing.assert_allclose(tracked.highest_visible, shown.max(axis=(0, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(tracked.lowest_visible, shown.min(axis=(0, 2, 3)), atol=1e-5)


def test_automata_at_rest_are_spared_the_steps_and_nothing_else_changes(
    small_config: ModelConfig, images: np.ndarray
) -> None:
    model = AttentionNCA(replace(small_config, update_deadband=0.05, state_limit=1.0), rngs=nnx.Rngs(0))
    kernel = model.update.layers[1].kernel
    kernel[...] = 0.02 * jax.random.normal(jax.random.key(3), kernel.shape)
    runner = Runner(model, seed=2, batch_size=NUM_IMAGES)
    key = jax.random.key(4)
    start = runner.start(images, jax.random.fold_in(key, 1), 0.5)
    tracked = runner.advance(start, key, 64)
    dynamics, parameters = Dynamics.of(model)
    state = start.state

    @jax.jit
    @jax.vmap
    def run(one: jax.Array, key: jax.Array) -> jax.Array:
        return dynamics.rollout(parameters, one, jax.random.split(key, runner_module.CHUNK_STEPS))

    for chunk in range(64 // runner_module.CHUNK_STEPS):
        state = run(state, jax.random.split(jax.random.fold_in(key, chunk), NUM_IMAGES))
    assert np.asarray(model.is_at_rest(state)).any()
    np.testing.assert_allclose(tracked.state, state, atol=1e-5)


def test_what_is_not_finite_is_reported_as_such(small_config: ModelConfig, images: np.ndarray) -> None:
    model = AttentionNCA(small_config, rngs=nnx.Rngs(0))
    model.update.layers[1].bias[...] = np.float32(np.nan)
    labels = np.zeros(NUM_IMAGES, int)
    report = evaluate(model, images, labels, classifier=dark_reader, num_images=5, batch_size=3)
    written = json.loads(json.dumps(report.to_dict()))
    for figure in written["figures"]:
        if figure["metric"] in ("PSNR (dB)", "SSIM", "|state|"):
            assert figure["value"] is None
            assert figure["not_finite"] == figure["count"]
    assert "not finite" in format_table([report], ["broken"])


def test_two_reports_stand_side_by_side() -> None:
    figure = Figure("restore", "mask 0.5, 64 steps", "PSNR (dB)", 23.456, "mean", 20.0, 1_000, 0)
    other = replace(figure, value=None, percentile_5=None, not_finite=4)
    alone = replace(figure, scenario="hold", metric="|state|", aggregate="largest", value=2e9)
    table = format_table(
        [Report((figure, alone), seed=0, batch_size=1), Report((other,), seed=0, batch_size=1)], ["a", "b"]
    )
    head, _, first, second = table.splitlines()
    assert head.split() == [
        "scenario",
        "condition",
        "figure",
        "a",
        "5th",
        "perc.",
        "count",
        "b",
        "5th",
        "perc.",
        "count",
    ]
    assert first.rstrip().endswith("20.000   1000  not finite  not finite  1000 (4 not finite)")
    assert "|state|, largest" in second
    assert "2.00e+09" in second
    assert second.split()[-3:] == ["-", "-", "-"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"scenarios": ["heal"]}, "unknown scenario 'heal'; the known ones are course, restore, hold"),
        ({"scenarios": ["reads-as"]}, "reads-as needs labelled data and a classifier"),
        ({"num_images": 0}, "images = 0 is out of range; choose a value from 1"),
        ({"num_long_images": 0}, "long_images = 0 is out of range"),
        ({"batch_size": 0}, "batch_size = 0 is out of range"),
    ],
)
def test_bad_options_are_refused(
    small_config: ModelConfig, images: np.ndarray, options: dict, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        evaluate(still_model(small_config), images, **options)


def test_images_of_another_size_are_refused(small_config: ModelConfig, images: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="the images are 13x11x1 but the automaton's are 11x13x1"):
        evaluate(still_model(small_config), images.swapaxes(1, 2))
    with pytest.raises(ConfigError, match="there are no images"):
        evaluate(still_model(small_config), images[:0])


def test_batches_cover_everything_once_in_one_size(small_config: ModelConfig) -> None:
    runner = Runner(still_model(small_config), seed=0, batch_size=50)
    for count in (1, 49, 50, 51, 64, 1000):
        batches = [indices for _, indices in runner.batches(count)]
        assert len({len(indices) for indices in batches}) == 1
        assert max(map(len, batches)) <= 50
        np.testing.assert_array_equal(np.concatenate(batches)[:count], np.arange(count))


def test_an_extreme_that_is_not_finite_is_never_forgotten(small_config: ModelConfig) -> None:
    good = np.zeros((1, *small_config.state_shape), np.float32)
    tracked = Tracked.start(good + np.float32(np.nan), small_config).next(good, small_config)
    assert np.isnan(tracked.largest_state).all()
