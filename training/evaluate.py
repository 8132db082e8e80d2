"""The figures an automaton is judged by: what it restores, how long it holds, how well it heals.

Every random choice comes from one seed, so that the same checkpoint, images, seed and batch size give the
same figures on the same backend.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nca_viewer.automaton import edits
from nca_viewer.automaton.system import AttentionNCA, visible
from nca_viewer.config import require_range
from nca_viewer.errors import ConfigError
from training import gestures, metrics
from training.damage import INK_THRESHOLD
from training.drawings import draw_picture
from training.figures import Figure, Report, figure, healed_figure
from training.runner import Runner, Tracked

DEFAULT_NUM_IMAGES = 1_000
LONG_NUM_IMAGES = 64
"""Automata in the long scenarios unless told otherwise: one of 28 x 28 over 10,000 steps takes about ten
seconds of one core."""
BLANK_NUM_AUTOMATA = 16
"""The same for `blank`, whose automata all start alike and differ in their cell dropout only."""
DEFAULT_BATCH_SIZE = 50

MASK_RATIO = 0.5
COURSE_STEPS = (32, 64, 512, 2048)
RESTORE_MASK_RATIOS = (0.25, 0.5, 0.75)
RESTORE_STEPS = (32, 64, 128)
HOLD_STEPS = (64, 1_000, 10_000)
WOUND_STEP = 96
HEALING_STEPS = 96
WOUND_RADII_CELLS = (3, 5, 8)
REPEATED_WOUNDS = 10
REPORTED_WOUNDS = (1, 2, 5, REPEATED_WOUNDS)
REPEATED_WOUND_RADIUS_CELLS = 5
BLANK_STEPS = 10_000
PAINTED_STEPS = 200
PAINT_RADIUS_CELLS = 1.0
PAINTED_RANGE = (-0.5, 1.5)
READ_STEPS = 64
READ_WOUND_RADIUS_CELLS = 5

SCENARIOS = (
    "course",
    "restore",
    "hold",
    "heal-erase",
    "heal-scramble",
    "heal-repeat",
    "blank",
    "painted",
    "swept",
    "wiped",
    "young",
    "held",
    "drawn",
    "masks",
    "reads-as",
)
LONG_SCENARIOS = ("hold", "heal-repeat", "blank", "wiped", "drawn")
READING_SCENARIOS = ("wiped", "reads-as")
"""Those that need a classifier."""


class Classifier(gestures.SureReader, Protocol):
    """Reads pictures float32[N, H, W, V]: their labels int[N]."""

    def __call__(self, pictures: NDArray[np.float32]) -> NDArray[np.integer]:
        """The labels alone."""


def require_counts(num_images: int, num_long_images: int | None, batch_size: int) -> None:
    """Check the numbers of `evaluate`, before anything is loaded for it.

    Raises:
        ConfigError: one is out of range.
    """
    require_range("images", num_images, 1, 1_000_000, whole=True)
    require_range("batch_size", batch_size, 1, 100_000, whole=True)
    if num_long_images is not None:
        require_range("long_images", num_long_images, 1, 1_000_000, whole=True)


def evaluate(
    model: AttentionNCA,
    images: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    scenarios: Sequence[str] | None = None,
    num_images: int = DEFAULT_NUM_IMAGES,
    num_long_images: int | None = None,
    seed: int = 0,
    batch_size: int = DEFAULT_BATCH_SIZE,
    classifier: Classifier | None = None,
    details: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Report:
    """Measure an automaton on held-out images.

    Scenarios: `course` PSNR and SSIM along 2,048 steps; `restore` the same for three mask ratios; `hold`
    over 10,000 steps; `heal-erase` and `heal-scramble` a wound at step 96, measured 96 steps later;
    `heal-repeat` ten wounds, 96 steps apart; `blank` an empty grid over 10,000 steps; `painted` strokes on an
    empty grid; `swept` and `held` a brush that moves through the ink of a digit, or stands still on it;
    `wiped` one that passes over the whole page; `young` wounds while a digit forms; `drawn` figures drawn in
    real time; `masks` the nine masks of the paper; `reads-as` what a classifier reads on restored and healed
    pictures.

    Args:
        model: The automaton.
        images: float[N, H, W, V] in [0, 1]; the first `num_images` are used.
        labels: int[N], for `READING_SCENARIOS`.
        scenarios: Those to measure; None is all, without `READING_SCENARIOS` where labels or classifier are
            missing.
        num_images: How many automata each scenario uses, at most as many as there are images.
        num_long_images: The same for `LONG_SCENARIOS`; None is at most `num_images`,
            `LONG_NUM_IMAGES` and, for `blank`, `BLANK_NUM_AUTOMATA`.
        seed: Of every random choice.
        batch_size: Automata that run side by side; part of what the random choices depend on.
        classifier: For `READING_SCENARIOS`.
        details: Kept in the report.
        progress: Show progress bars.

    Returns:
        The figures.

    Raises:
        ConfigError: for unknown scenarios, numbers out of range, images that do not fit the automaton, or
            `READING_SCENARIOS` without labels or classifier.
    """
    clean = np.asarray(images, np.float32)
    if clean.ndim != 4 or clean.shape[1:] != model.config.image_shape:
        raise ConfigError(
            f"the images are {_shape_text(clean.shape[1:])} but the automaton's are "
            f"{_shape_text(model.config.image_shape)}; load them at its size"
        )
    if not len(clean):
        raise ConfigError("there are no images to evaluate on; choose other data")
    known = np.asarray(labels) if labels is not None else None
    can_read = known is not None and classifier is not None
    readable = tuple(s for s in SCENARIOS if can_read or s not in READING_SCENARIOS)
    chosen = tuple(scenarios) if scenarios else readable
    for scenario in chosen:
        if scenario not in SCENARIOS:
            raise ConfigError(f"unknown scenario {scenario!r}; the known ones are {', '.join(SCENARIOS)}")
    for scenario in chosen:
        if scenario not in readable:
            raise ConfigError(
                f"scenario {scenario} needs labelled data and a classifier; choose other scenarios"
            )
    require_counts(num_images, num_long_images, batch_size)
    num_blank = num_long_images
    if num_long_images is None:
        num_long_images = min(num_images, LONG_NUM_IMAGES)
        num_blank = min(num_images, BLANK_NUM_AUTOMATA)

    runner = Runner(model, seed=seed, batch_size=batch_size, progress=progress)
    trial = _Trial(
        runner,
        images=clean[:num_images],
        labels=None if known is None else known[:num_images],
        long_images=clean[:num_long_images],
        num_drawn=num_images,
        num_blank=num_blank or num_long_images,
        classifier=classifier,
    )
    figures: list[Figure] = []
    for scenario in SCENARIOS:
        if scenario in chosen:
            figures += _MEASURES[scenario](trial)
    return Report(tuple(figures), seed, batch_size, dict(details or {}))


@dataclass
class _Trial:
    """One evaluation: what several scenarios need is run once."""

    runner: Runner
    images: NDArray[np.float32]
    labels: NDArray[Any] | None
    long_images: NDArray[np.float32]
    num_drawn: int
    num_blank: int
    classifier: Classifier | None
    _restored: dict[float, dict[int, NDArray[np.float32]]] = field(default_factory=dict)
    _healed: dict[tuple[str, int], tuple[NDArray[np.float32], ...]] = field(default_factory=dict)

    def restored(self, mask_ratio: float) -> dict[int, NDArray[np.float32]]:
        """Pictures at `RESTORE_STEPS`."""
        if mask_ratio not in self._restored:
            label = f"restore {mask_ratio:g}"
            self._restored[mask_ratio], _ = self.runner.course(label, self.images, mask_ratio, RESTORE_STEPS)
        return self._restored[mask_ratio]

    def healed(self, kind: str, radius_cells: int) -> tuple[NDArray[np.float32], ...]:
        """Pictures before the wound, just after it, and healed."""
        if (kind, radius_cells) not in self._healed:
            self._healed[kind, radius_cells] = self._heal(kind, radius_cells)
        return self._healed[kind, radius_cells]

    @functools.cached_property
    def healthy(self) -> list[NDArray[np.float32]]:
        """States at the time of the wound, one array per batch."""
        return self._healthy(self.images)

    @functools.cached_property
    def long_healthy(self) -> list[NDArray[np.float32]]:
        """The same of the automata of long scenarios."""
        return self._healthy(self.long_images)

    def _healthy(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        runner, states = self.runner, []
        with runner.bar("before the wound", len(images), WOUND_STEP) as bar:
            for number, indices in runner.batches(len(images)):
                key = runner.key("healthy", number)
                tracked = runner.start(images[indices], jax.random.fold_in(key, 0), MASK_RATIO)
                tracked = runner.advance(tracked, jax.random.fold_in(key, 1), WOUND_STEP, bar)
                states.append(np.asarray(tracked.state))
        return states

    def _heal(self, kind: str, radius_cells: int) -> tuple[NDArray[np.float32], ...]:
        runner, healthy = self.runner, self.healthy
        centres = runner.ink_centres(self.images, "heal")

        def heal(number: int, indices: NDArray[np.intp], bar: Any) -> tuple[Any, ...]:
            key = runner.key("heal", kind, radius_cells, number)
            state = jnp.asarray(healthy[number])
            wounded = runner.wound(state, centres[indices], radius_cells, jax.random.fold_in(key, 0), kind)
            healed = runner.advance(wounded, jax.random.fold_in(key, 1), HEALING_STEPS, bar)
            return visible(state, runner.config), runner.picture(wounded), runner.picture(healed)

        label = f"heal-{kind} radius {radius_cells}"
        return tuple(runner.in_batches(label, len(self.images), HEALING_STEPS, heal))


def _quality(
    scenario: str, condition: str, pictures: NDArray[np.float32], clean: NDArray[np.float32]
) -> list[Figure]:
    return [
        figure(scenario, condition, "PSNR (dB)", metrics.psnr(pictures, clean)),
        figure(scenario, condition, "SSIM", metrics.ssim(pictures, clean)),
    ]


def _measure_course(trial: _Trial) -> list[Figure]:
    pictures, largest = trial.runner.course("course", trial.images, MASK_RATIO, COURSE_STEPS)
    figures = []
    for steps, shown in pictures.items():
        figures += _quality("course", f"mask {MASK_RATIO:g}, {steps} steps", shown, trial.images)
    condition = f"mask {MASK_RATIO:g}, {COURSE_STEPS[-1]} steps"
    return [*figures, figure("course", condition, "|state|", largest, "largest")]


def _measure_restore(trial: _Trial) -> list[Figure]:
    figures = []
    for mask_ratio in RESTORE_MASK_RATIOS:
        for steps, shown in trial.restored(mask_ratio).items():
            figures += _quality("restore", f"mask {mask_ratio:g}, {steps} steps", shown, trial.images)
    return figures


def _measure_hold(trial: _Trial) -> list[Figure]:
    pictures, largest = trial.runner.course("hold", trial.long_images, MASK_RATIO, HOLD_STEPS)
    figures = [
        figure("hold", f"{steps} steps", "PSNR (dB)", metrics.psnr(shown, trial.long_images))
        for steps, shown in pictures.items()
    ]
    return [*figures, figure("hold", f"{HOLD_STEPS[-1]} steps", "|state|", largest, "largest")]


def _measure_heal(kind: str, trial: _Trial) -> list[Figure]:
    scenario = f"heal-{kind}"
    figures = []
    for radius_cells in WOUND_RADII_CELLS:
        errors = [
            metrics.mean_squared_error(stage, trial.images) for stage in trial.healed(kind, radius_cells)
        ]
        condition = f"radius {radius_cells}"
        figures.append(healed_figure(scenario, condition, errors))
        after = trial.healed(kind, radius_cells)[2]
        figures.append(figure(scenario, condition, "PSNR (dB)", metrics.psnr(after, trial.images)))
    return figures


def _measure_heal_repeat(trial: _Trial) -> list[Figure]:
    runner, images = trial.runner, trial.long_images
    centres = [runner.ink_centres(images, f"repeat {wound}") for wound in range(REPEATED_WOUNDS)]

    def run(number: int, indices: NDArray[np.intp], bar: Any) -> list[Any]:
        key = runner.key("heal-repeat", number)
        tracked = runner.start(images[indices], jax.random.fold_in(key, 0), MASK_RATIO)
        tracked = runner.advance(tracked, jax.random.fold_in(key, 1), WOUND_STEP, bar)
        shown, extremes = [], [np.asarray(tracked.largest_state)]
        for wound in range(REPEATED_WOUNDS):
            wound_key, step_key = jax.random.split(jax.random.fold_in(key, 2 + wound))
            tracked = runner.wound(
                tracked.state, centres[wound][indices], REPEATED_WOUND_RADIUS_CELLS, wound_key, "erase"
            )
            tracked = runner.advance(tracked, step_key, HEALING_STEPS, bar)
            extremes.append(np.asarray(tracked.largest_state))
            if wound + 1 in REPORTED_WOUNDS:
                shown.append(runner.picture(tracked))
        return [*shown, np.max(extremes, axis=0)]

    num_steps = WOUND_STEP + REPEATED_WOUNDS * HEALING_STEPS
    *pictures, largest = runner.in_batches("heal-repeat", len(images), num_steps, run)
    figures = []
    for wounds, shown in zip(REPORTED_WOUNDS, pictures, strict=True):
        noun = "wound" if wounds == 1 else "wounds"
        condition = f"{wounds} {noun} of radius {REPEATED_WOUND_RADIUS_CELLS}"
        figures.append(figure("heal-repeat", condition, "PSNR (dB)", metrics.psnr(shown, images)))
    return [*figures, figure("heal-repeat", condition, "|state|", largest, "largest")]


def _measure_blank(trial: _Trial) -> list[Figure]:
    runner = trial.runner

    def run(number: int, indices: NDArray[np.intp], bar: Any) -> tuple[Any, ...]:
        empty = np.zeros((len(indices), *runner.config.image_shape), np.float32)
        tracked = runner.start(empty, runner.key("blank", number), 0.0)
        tracked = runner.advance(tracked, runner.key("blank steps", number), BLANK_STEPS, bar)
        return tracked.highest_visible, tracked.largest_state

    highest, largest = runner.in_batches("blank", trial.num_blank, BLANK_STEPS, run)
    condition = f"{BLANK_STEPS} steps"
    return [
        figure("blank", condition, "visible value", highest, "largest"),
        figure("blank", condition, "|state|", largest, "largest"),
    ]


def _measure_painted(trial: _Trial) -> list[Figure]:
    runner, config, count = trial.runner, trial.runner.config, trial.num_drawn
    generator = runner.generator("painted")
    drawn = [draw_picture(number % 10, generator, config, PAINT_RADIUS_CELLS) for number in range(count)]
    regions = np.stack(drawn).max(axis=-1) > 0

    def run(number: int, indices: NDArray[np.intp], bar: Any) -> tuple[Any, ...]:
        empty = np.zeros((len(indices), *config.image_shape), np.float32)
        blank = runner.start(empty, runner.key("painted", number), 0.0).state
        painted = Tracked.start(edits.paint(blank, jnp.asarray(regions[indices]), 1.0, config), config)
        tracked = runner.advance(painted, runner.key("painted steps", number), PAINTED_STEPS, bar)
        return runner.picture(tracked), tracked.lowest_visible, tracked.highest_visible

    pictures, lowest, highest = runner.in_batches("painted", count, PAINTED_STEPS, run)
    overlap = metrics.intersection_over_union(pictures.mean(axis=-1) > INK_THRESHOLD, regions)
    overlap = np.where(np.isfinite(pictures).all(axis=(1, 2, 3)), overlap, np.nan)
    inside = (lowest >= PAINTED_RANGE[0]) & (highest <= PAINTED_RANGE[1])
    condition = f"{PAINTED_STEPS} steps"
    return [
        figure("painted", condition, "intersection over union of ink", overlap),
        figure("painted", condition, "visible value", lowest, "smallest"),
        figure("painted", condition, "visible value", highest, "largest"),
        figure("painted", condition, f"share inside [{PAINTED_RANGE[0]}, {PAINTED_RANGE[1]}]", inside),
    ]


def _measure_wiped(trial: _Trial) -> list[Figure]:
    assert trial.classifier is not None  # `evaluate` has refused without.
    return gestures.measure_wiped(trial.runner, trial.long_images, trial.long_healthy, trial.classifier)


def _measure_reads_as(trial: _Trial) -> list[Figure]:
    figures = [_reads(trial, "clean images", trial.images)]
    restored = trial.restored(MASK_RATIO)[READ_STEPS]
    figures.append(_reads(trial, f"restored, {READ_STEPS} steps", restored))
    for kind in ("erase", "scramble"):
        healed = trial.healed(kind, READ_WOUND_RADIUS_CELLS)[2]
        figures.append(_reads(trial, f"healed from {kind}, radius {READ_WOUND_RADIUS_CELLS}", healed))
    return figures


def _reads(trial: _Trial, condition: str, pictures: NDArray[np.float32]) -> Figure:
    assert trial.classifier is not None  # `evaluate` has refused without.
    correct = trial.classifier(pictures) == trial.labels
    return figure("reads-as", condition, "accuracy", correct)


def _shape_text(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape))


_MEASURES: Mapping[str, Callable[[_Trial], list[Figure]]] = {
    "course": _measure_course,
    "restore": _measure_restore,
    "hold": _measure_hold,
    "heal-erase": functools.partial(_measure_heal, "erase"),
    "heal-scramble": functools.partial(_measure_heal, "scramble"),
    "heal-repeat": _measure_heal_repeat,
    "blank": _measure_blank,
    "painted": _measure_painted,
    "swept": lambda trial: gestures.measure_swept(trial.runner, trial.images, trial.healthy),
    "wiped": _measure_wiped,
    "young": lambda trial: gestures.measure_young(trial.runner, trial.images, MASK_RATIO),
    "held": lambda trial: gestures.measure_held(trial.runner, trial.images, trial.healthy),
    "drawn": lambda trial: gestures.measure_drawn(trial.runner, len(trial.long_images)),
    "masks": lambda trial: gestures.measure_masks(trial.runner, trial.images),
    "reads-as": _measure_reads_as,
}
