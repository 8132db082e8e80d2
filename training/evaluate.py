"""The figures an automaton is judged by: what it restores, how long it holds, how well it heals.

Every random choice comes from one seed, so that the same checkpoint, images, seed and batch size give the
same figures on the same backend.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nca_viewer.automaton import edits
from nca_viewer.automaton.episodes import masked_start
from nca_viewer.automaton.line import CellLine
from nca_viewer.automaton.rollout import Dynamics, Parameters
from nca_viewer.automaton.system import AttentionNCA, visible
from nca_viewer.config import ModelConfig, require_range
from nca_viewer.errors import ConfigError
from training import metrics
from training.damage import INK_THRESHOLD, ink_centres
from training.drawings import draw_picture
from training.sharding import BatchSharding

FORMAT_VERSION = 1
CHUNK_STEPS = 8
"""Steps of one compiled call; every number of steps below is a multiple of it."""

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
    "reads-as",
)
LONG_SCENARIOS = ("hold", "heal-repeat", "blank")

Classifier = Callable[[NDArray[np.float32]], NDArray[np.integer]]
"""Reads pictures float32[N, H, W, V]: their labels int[N]."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        scenario: One of `SCENARIOS`.
        condition: What was done, for example 'mask 0.5, 64 steps'.
        metric: What was measured, with its unit, for example 'PSNR (dB)'.
        value: The figure; None if it is not finite.
        aggregate: How `value` sums up the automata: 'mean', 'largest', 'smallest', or 'of means' where it is
            computed from mean errors.
        percentile_5: 5th percentile of the single automata's figures; None if it is not finite or undefined.
        count: Number of automata.
        not_finite: How many of them gave a figure that is not finite.
    """

    scenario: str
    condition: str
    metric: str
    value: float | None
    aggregate: str
    percentile_5: float | None
    count: int
    not_finite: int


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one automaton, and how they were obtained.

    Attributes:
        figures: In the order of `SCENARIOS`.
        seed: Of every random choice.
        batch_size: Automata that ran side by side.
        details: Where the automaton and the images came from; plain values for JSON.
    """

    figures: tuple[Figure, ...]
    seed: int
    batch_size: int
    details: Mapping[str, Any] = field(default_factory=dict)

    def find(self, scenario: str, condition: str, metric: str) -> Figure:
        """The figure of that scenario and condition whose metric starts with `metric`.

        Raises:
            KeyError: if it was not measured.
        """
        for figure in self.figures:
            if (figure.scenario, figure.condition) == (scenario, condition) and figure.metric.startswith(
                metric
            ):
                return figure
        raise KeyError(f"{scenario}, {condition}, {metric}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; figures that are not finite are None."""
        return {
            "format_version": FORMAT_VERSION,
            "details": dict(self.details),
            "seed": self.seed,
            "batch_size": self.batch_size,
            "figures": [dataclasses.asdict(figure) for figure in self.figures],
        }

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Report:
        """Rebuild a report from `to_dict`."""
        figures = tuple(Figure(**figure) for figure in fields["figures"])
        return cls(figures, fields["seed"], fields["batch_size"], fields["details"])


def format_table(reports: Sequence[Report], names: Sequence[str]) -> str:
    """The figures of one or more reports as a plain text table, one column group per report."""
    indices: dict[tuple[str, str, str, str], None] = {}
    for report in reports:
        for figure in report.figures:
            indices.setdefault((figure.scenario, figure.condition, figure.metric, figure.aggregate), None)
    header = ["scenario", "condition", "figure"]
    for name in names:
        header += [name, "5th perc.", "count"]
    rows = [header]
    for index in indices:
        scenario, condition, metric, aggregate = index
        row = [scenario, condition, metric if aggregate in ("mean", "of means") else f"{metric}, {aggregate}"]
        for report in reports:
            matches = [f for f in report.figures if (f.scenario, f.condition, f.metric, f.aggregate) == index]
            if not matches:
                row += ["-", "-", "-"]
                continue
            figure = matches[0]
            count = f"{figure.count}" + (f" ({figure.not_finite} not finite)" if figure.not_finite else "")
            row += [_number(figure.value), _number(figure.percentile_5), count]
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3f}" if abs(value) < 1e5 else f"{value:.2e}"


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
    empty grid; `reads-as` what a classifier reads on restored and healed pictures.

    Args:
        model: The automaton.
        images: float[N, H, W, V] in [0, 1]; the first `num_images` are used.
        labels: int[N], for `reads-as`.
        scenarios: Those to measure; None is all, without `reads-as` where labels or classifier are missing.
        num_images: How many automata each scenario uses, at most as many as there are images.
        num_long_images: The same for `hold`, `heal-repeat` and `blank`; None is at most `num_images`,
            `LONG_NUM_IMAGES` and, for `blank`, `BLANK_NUM_AUTOMATA`.
        seed: Of every random choice.
        batch_size: Automata that run side by side; part of what the random choices depend on.
        classifier: For `reads-as`.
        details: Kept in the report.
        progress: Show progress bars.

    Returns:
        The figures.

    Raises:
        ConfigError: for unknown scenarios, numbers out of range, images that do not fit the automaton, or
            `reads-as` without labels or classifier.
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
    chosen = tuple(scenarios) if scenarios else tuple(s for s in SCENARIOS if s != "reads-as" or can_read)
    for scenario in chosen:
        if scenario not in SCENARIOS:
            raise ConfigError(f"unknown scenario {scenario!r}; the known ones are {', '.join(SCENARIOS)}")
    if "reads-as" in chosen and not can_read:
        raise ConfigError("scenario reads-as needs labelled data and a classifier; choose other scenarios")
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


# ---- Running automata ----


@dataclass(frozen=True)
class Tracked:
    """States on their way, with the extremes met so far.

    Attributes:
        state: float32[N, H, W, channel_size].
        largest_state: float32[N], largest absolute value of any channel of any cell.
        highest_visible: float32[N], largest value of the visible channels.
        lowest_visible: float32[N], smallest value of the visible channels.
    """

    state: Any
    largest_state: Any
    highest_visible: Any
    lowest_visible: Any

    @classmethod
    def start(cls, state: Array, config: ModelConfig) -> Tracked:
        """The state itself is the first that counts."""
        shown = visible(state, config)
        axes = (-3, -2, -1)
        return cls(state, jnp.max(jnp.abs(state), axes), jnp.max(shown, axes), jnp.min(shown, axes))

    def next(self, state: Array, config: ModelConfig) -> Tracked:
        """With the state one step later; a value that is not finite stays an extreme."""
        new = Tracked.start(state, config)
        return Tracked(
            state,
            jnp.maximum(self.largest_state, new.largest_state),
            jnp.maximum(self.highest_visible, new.highest_visible),
            jnp.minimum(self.lowest_visible, new.lowest_visible),
        )


jax.tree_util.register_dataclass(Tracked)


@functools.cache
def _compiled_advance(config: ModelConfig) -> Callable[[Parameters, Tracked, Array], Tracked]:
    # One compiled function per configuration, however many checkpoints of it are looked at.
    dynamics, _ = Dynamics.of(nnx.eval_shape(lambda: AttentionNCA(config, rngs=nnx.Rngs(0))))

    @jax.jit
    def advance(parameters: Parameters, tracked: Tracked, key: Array) -> Tracked:
        model = dynamics.bind(parameters)

        def advance_one(tracked: Tracked, key: Array) -> Tracked:
            line = CellLine.of(tracked.state)
            projection = model.perceive.projection(line)

            def step(carry: tuple[Tracked, Array], kept: Array) -> tuple[tuple[Tracked, Array], None]:
                tracked, cells = carry
                cells = model.step_in_line(line, cells, kept, projection)
                return (tracked.next(line.unfold(cells), config), cells), None

            def run(tracked: Tracked) -> Tracked:
                keys = jax.random.split(key, CHUNK_STEPS)
                kept = jax.vmap(line.fold)(dynamics.cell_dropout(keys, tracked.state.shape[:-1]))
                return jax.lax.scan(step, (tracked, line.fold(tracked.state)), kept)[0][0]

            if not config.update_deadband:
                return run(tracked)
            # What rests stays as it is for ever: the same figures for less work.
            return jax.lax.cond(model.is_at_rest(tracked.state), lambda tracked: tracked, run, tracked)

        count = len(tracked.state)
        keys = jax.random.split(key, count)
        if jax.default_backend() != "cpu":
            return jax.vmap(advance_one)(tracked, keys)
        # One automaton after the other stays in a core's cache, where a batch does not: twice as fast.
        sharding = BatchSharding.over_own_devices(count)
        return jax.shard_map(
            lambda *batch: jax.lax.map(lambda one: advance_one(*one), batch),
            mesh=sharding.mesh,
            in_specs=sharding.batch_axis,
            out_specs=sharding.batch_axis,
            check_vma=False,
        )(tracked, keys)

    return advance


@functools.partial(jax.jit, static_argnames="config")
def _start(images: Array, key: Array, mask_ratio: Array, config: ModelConfig) -> Tracked:
    return Tracked.start(masked_start(images, key, mask_ratio, config), config)


@functools.partial(jax.jit, static_argnames=("kind", "config"))
def _wound(
    state: Array, centres: Array, radius: Array, key: Array, kind: str, config: ModelConfig
) -> Tracked:
    region = edits.disc(centres, radius, config.height, config.width)
    wounded = edits.erase(state, region) if kind == "erase" else edits.corrupt(state, region, key, config)
    return Tracked.start(wounded, config)


class Runner:
    """Runs batches of one automaton: the compiled steps, the keys, the progress bar."""

    def __init__(self, model: AttentionNCA, *, seed: int, batch_size: int, progress: bool = False):
        """Prepare to run.

        Args:
            model: The automaton.
            seed: Of every random choice.
            batch_size: Automata that run side by side.
            progress: Show progress bars.
        """
        self.config = model.config
        self.seed = seed
        self.batch_size = batch_size
        self.progress = progress
        _, self.parameters = Dynamics.of(model)
        self._advance = _compiled_advance(model.config)

    def key(self, *labels: str | float) -> Array:
        """A PRNG key for one purpose."""
        key = jax.random.key(self.seed)
        for label in labels:
            key = jax.random.fold_in(key, zlib.crc32(str(label).encode()))
        return key

    def generator(self, *labels: str | float) -> np.random.Generator:
        """A NumPy generator for one purpose."""
        return np.random.default_rng([self.seed, *(zlib.crc32(str(label).encode()) for label in labels)])

    def batches(self, count: int) -> Iterable[tuple[int, NDArray[np.intp]]]:
        """Batch number and indices; batches are of one size, for which the last is filled up with index 0."""
        size = math.ceil(count / self.num_batches(count))
        for number in range(self.num_batches(count)):
            indices = np.arange(number * size, (number + 1) * size)
            yield number, np.where(indices < count, indices, 0)

    def num_batches(self, count: int) -> int:
        """How many batches `batches` gives."""
        return math.ceil(count / self.batch_size)

    def bar(self, label: str, count: int, num_steps: int) -> Any:
        """A progress bar over the steps of all batches."""
        from tqdm import tqdm

        total = self.num_batches(count) * num_steps
        return tqdm(total=total, desc=label, unit="step", disable=not self.progress, leave=False)

    def start(self, images: ArrayLike, key: Array, mask_ratio: float) -> Tracked:
        """Masked images with empty hidden channels."""
        return _start(jnp.asarray(images), key, jnp.float32(mask_ratio), self.config)

    def wound(self, state: Array, centres: ArrayLike, radius_cells: float, key: Array, kind: str) -> Tracked:
        """Erase or scramble a disc in each automaton; `kind` is 'erase' or 'scramble'."""
        centres = jnp.asarray(centres, jnp.float32)
        return _wound(state, centres, jnp.float32(radius_cells), key, kind, self.config)

    def advance(self, tracked: Tracked, key: Array, num_steps: int, bar: Any = None) -> Tracked:
        """Run `num_steps`, a multiple of `CHUNK_STEPS`."""
        if num_steps % CHUNK_STEPS:
            raise ValueError(f"num_steps = {num_steps} is not a multiple of {CHUNK_STEPS}")
        for chunk in range(num_steps // CHUNK_STEPS):
            tracked = self._advance(self.parameters, tracked, jax.random.fold_in(key, chunk))
            # Bounds what is in flight, and keeps the progress bar true.
            jax.block_until_ready(tracked.state)
            if bar is not None:
                bar.update(CHUNK_STEPS)
        return tracked

    def picture(self, tracked: Tracked) -> NDArray[np.float32]:
        """The visible channels, float32[N, H, W, V], unclipped."""
        return np.asarray(visible(tracked.state, self.config))

    def course(
        self, label: str, images: NDArray[np.float32], mask_ratio: float, snapshot_steps: Sequence[int]
    ) -> tuple[dict[int, NDArray[np.float32]], NDArray[np.float32]]:
        """Restore masked images and take pictures on the way.

        Returns:
            For each of the increasing `snapshot_steps` the pictures float32[N, H, W, V], and each automaton's
            largest absolute state value float32[N].
        """
        count = len(images)
        pictures: dict[int, list[NDArray[np.float32]]] = {steps: [] for steps in snapshot_steps}
        largest = []
        with self.bar(label, count, snapshot_steps[-1]) as bar:
            for number, indices in self.batches(count):
                key = self.key(label, mask_ratio, number)
                tracked = self.start(images[indices], jax.random.fold_in(key, 0), mask_ratio)
                reached = 0
                for steps in snapshot_steps:
                    step_key = jax.random.fold_in(key, steps)
                    tracked = self.advance(tracked, step_key, steps - reached, bar)
                    reached = steps
                    pictures[steps].append(self.picture(tracked))
                largest.append(np.asarray(tracked.largest_state))
        joined = {steps: np.concatenate(parts)[:count] for steps, parts in pictures.items()}
        return joined, np.concatenate(largest)[:count]

    def ink_centres(self, images: NDArray[np.float32], label: str) -> NDArray[np.float32]:
        """For each image a random cell of its ink, (row, column) float32[N, 2]; without ink the middle."""
        return ink_centres(images, self.generator("wound centre", label))


# ---- Scenarios ----


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
        runner, states = self.runner, []
        with runner.bar("before the wound", len(self.images), WOUND_STEP) as bar:
            for number, indices in runner.batches(len(self.images)):
                key = runner.key("healthy", number)
                tracked = runner.start(self.images[indices], jax.random.fold_in(key, 0), MASK_RATIO)
                tracked = runner.advance(tracked, jax.random.fold_in(key, 1), WOUND_STEP, bar)
                states.append(np.asarray(tracked.state))
        return states

    def _heal(self, kind: str, radius_cells: int) -> tuple[NDArray[np.float32], ...]:
        runner, count = self.runner, len(self.images)
        centres = runner.ink_centres(self.images, "heal")
        stages: tuple[list[NDArray[np.float32]], ...] = ([], [], [])
        healthy = self.healthy
        with runner.bar(f"heal-{kind} radius {radius_cells}", count, HEALING_STEPS) as bar:
            for number, indices in runner.batches(count):
                key = runner.key("heal", kind, radius_cells, number)
                state = jnp.asarray(healthy[number])
                stages[0].append(np.asarray(visible(state, runner.config)))
                tracked = runner.wound(
                    state, centres[indices], radius_cells, jax.random.fold_in(key, 0), kind
                )
                stages[1].append(runner.picture(tracked))
                tracked = runner.advance(tracked, jax.random.fold_in(key, 1), HEALING_STEPS, bar)
                stages[2].append(runner.picture(tracked))
        return tuple(np.concatenate(parts)[:count] for parts in stages)


def _figure(scenario: str, condition: str, metric: str, values: ArrayLike, aggregate: str = "mean") -> Figure:
    values = np.asarray(values, np.float64)
    aggregates: Mapping[str, Callable[..., Any]] = {"mean": np.mean, "largest": np.max, "smallest": np.min}
    value = float(aggregates[aggregate](values))
    return Figure(
        scenario,
        condition,
        metric,
        _finite(value),
        aggregate,
        _finite(np.percentile(values, 5)) if np.isfinite(values).all() else None,
        len(values),
        int(np.sum(~np.isfinite(values))),
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _quality(
    scenario: str, condition: str, pictures: NDArray[np.float32], clean: NDArray[np.float32]
) -> list[Figure]:
    return [
        _figure(scenario, condition, "PSNR (dB)", metrics.psnr(pictures, clean)),
        _figure(scenario, condition, "SSIM", metrics.ssim(pictures, clean)),
    ]


def _measure_course(trial: _Trial) -> list[Figure]:
    pictures, largest = trial.runner.course("course", trial.images, MASK_RATIO, COURSE_STEPS)
    figures = []
    for steps, shown in pictures.items():
        figures += _quality("course", f"mask {MASK_RATIO:g}, {steps} steps", shown, trial.images)
    condition = f"mask {MASK_RATIO:g}, {COURSE_STEPS[-1]} steps"
    return [*figures, _figure("course", condition, "|state|", largest, "largest")]


def _measure_restore(trial: _Trial) -> list[Figure]:
    figures = []
    for mask_ratio in RESTORE_MASK_RATIOS:
        for steps, shown in trial.restored(mask_ratio).items():
            figures += _quality("restore", f"mask {mask_ratio:g}, {steps} steps", shown, trial.images)
    return figures


def _measure_hold(trial: _Trial) -> list[Figure]:
    pictures, largest = trial.runner.course("hold", trial.long_images, MASK_RATIO, HOLD_STEPS)
    figures = [
        _figure("hold", f"{steps} steps", "PSNR (dB)", metrics.psnr(shown, trial.long_images))
        for steps, shown in pictures.items()
    ]
    return [*figures, _figure("hold", f"{HOLD_STEPS[-1]} steps", "|state|", largest, "largest")]


def _measure_heal(kind: str, trial: _Trial) -> list[Figure]:
    scenario = f"heal-{kind}"
    figures = []
    for radius_cells in WOUND_RADII_CELLS:
        errors = [
            metrics.mean_squared_error(stage, trial.images) for stage in trial.healed(kind, radius_cells)
        ]
        condition = f"radius {radius_cells}"
        fractions = [
            metrics.healed_fraction(before, wounded, after)
            for before, wounded, after in zip(*errors, strict=True)
            if not wounded <= before
        ]
        low = float(np.percentile(fractions, 5)) if fractions else float("nan")
        not_finite = int(np.sum(~np.isfinite(errors[2])))
        figures.append(
            Figure(
                scenario,
                condition,
                "healed fraction",
                _finite(metrics.healed_fraction(*errors)),
                "of means",
                _finite(low),
                len(trial.images),
                not_finite,
            )
        )
        after = trial.healed(kind, radius_cells)[2]
        figures.append(_figure(scenario, condition, "PSNR (dB)", metrics.psnr(after, trial.images)))
    return figures


def _measure_heal_repeat(trial: _Trial) -> list[Figure]:
    runner, images = trial.runner, trial.long_images
    count = len(images)
    centres = [runner.ink_centres(images, f"repeat {wound}") for wound in range(REPEATED_WOUNDS)]
    pictures: dict[int, list[NDArray[np.float32]]] = {wounds: [] for wounds in REPORTED_WOUNDS}
    largest = []
    with runner.bar("heal-repeat", count, WOUND_STEP + REPEATED_WOUNDS * HEALING_STEPS) as bar:
        for number, indices in runner.batches(count):
            key = runner.key("heal-repeat", number)
            tracked = runner.start(images[indices], jax.random.fold_in(key, 0), MASK_RATIO)
            tracked = runner.advance(tracked, jax.random.fold_in(key, 1), WOUND_STEP, bar)
            extremes = [np.asarray(tracked.largest_state)]
            for wound in range(REPEATED_WOUNDS):
                wound_key, step_key = jax.random.split(jax.random.fold_in(key, 2 + wound))
                tracked = runner.wound(
                    tracked.state, centres[wound][indices], REPEATED_WOUND_RADIUS_CELLS, wound_key, "erase"
                )
                tracked = runner.advance(tracked, step_key, HEALING_STEPS, bar)
                extremes.append(np.asarray(tracked.largest_state))
                if wound + 1 in pictures:
                    pictures[wound + 1].append(runner.picture(tracked))
            largest.append(np.max(extremes, axis=0))
    figures = []
    for wounds, shown in pictures.items():
        noun = "wound" if wounds == 1 else "wounds"
        condition = f"{wounds} {noun} of radius {REPEATED_WOUND_RADIUS_CELLS}"
        quality = metrics.psnr(np.concatenate(shown)[:count], images)
        figures.append(_figure("heal-repeat", condition, "PSNR (dB)", quality))
    return [
        *figures,
        _figure("heal-repeat", condition, "|state|", np.concatenate(largest)[:count], "largest"),
    ]


def _measure_blank(trial: _Trial) -> list[Figure]:
    runner, count = trial.runner, trial.num_blank
    parts = []
    with runner.bar("blank", count, BLANK_STEPS) as bar:
        for number, indices in runner.batches(count):
            empty = np.zeros((len(indices), *runner.config.image_shape), np.float32)
            tracked = runner.start(empty, runner.key("blank", number), 0.0)
            tracked = runner.advance(tracked, runner.key("blank steps", number), BLANK_STEPS, bar)
            parts.append(tracked)
    condition = f"{BLANK_STEPS} steps"
    return [
        _figure("blank", condition, "visible value", _joined(parts, "highest_visible", count), "largest"),
        _figure("blank", condition, "|state|", _joined(parts, "largest_state", count), "largest"),
    ]


def _measure_painted(trial: _Trial) -> list[Figure]:
    runner, config, count = trial.runner, trial.runner.config, trial.num_drawn
    generator = runner.generator("painted")
    drawn = [draw_picture(number % 10, generator, config, PAINT_RADIUS_CELLS) for number in range(count)]
    regions = np.stack(drawn).max(axis=-1) > 0
    shown, parts = [], []
    with runner.bar("painted", count, PAINTED_STEPS) as bar:
        for number, indices in runner.batches(count):
            empty = np.zeros((len(indices), *config.image_shape), np.float32)
            blank = runner.start(empty, runner.key("painted", number), 0.0).state
            painted = edits.paint(blank, jnp.asarray(regions[indices]), 1.0, config)
            tracked = Tracked.start(painted, config)
            tracked = runner.advance(tracked, runner.key("painted steps", number), PAINTED_STEPS, bar)
            shown.append(runner.picture(tracked))
            parts.append(tracked)
    pictures = np.concatenate(shown)[:count]
    overlap = metrics.intersection_over_union(pictures.mean(axis=-1) > INK_THRESHOLD, regions)
    overlap = np.where(np.isfinite(pictures).all(axis=(1, 2, 3)), overlap, np.nan)
    lowest, highest = _joined(parts, "lowest_visible", count), _joined(parts, "highest_visible", count)
    inside = (lowest >= PAINTED_RANGE[0]) & (highest <= PAINTED_RANGE[1])
    condition = f"{PAINTED_STEPS} steps"
    return [
        _figure("painted", condition, "intersection over union of ink", overlap),
        _figure("painted", condition, "visible value", lowest, "smallest"),
        _figure("painted", condition, "visible value", highest, "largest"),
        _figure("painted", condition, f"share inside [{PAINTED_RANGE[0]}, {PAINTED_RANGE[1]}]", inside),
    ]


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
    return _figure("reads-as", condition, "accuracy", correct)


def _joined(parts: Sequence[Tracked], attribute: str, count: int) -> NDArray[np.float32]:
    return np.concatenate([np.asarray(getattr(part, attribute)) for part in parts])[:count]


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
    "reads-as": _measure_reads_as,
}
