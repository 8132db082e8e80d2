"""What hands do to an automaton, as scenarios of the evaluation: brushes that move while it lives.

A brush moves by the viewer's own strokes (`stroke_region`) and touches by its own edits, and after every
movement the automaton makes one step, as in the viewer at one step a frame. Where automata of a batch are
touched for different times, those for less wait at first, so that all are touched last in the same step;
where the age of the page matters, in `drawn`, they wait at the end.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nca_viewer.config import ModelConfig
from nca_viewer.interaction.strokes import stroke_region
from training import metrics
from training.damage import INK_THRESHOLD
from training.drawings import FIGURES, figure_strokes
from training.figures import Figure, figure, healed_figure
from training.runner import CHUNK_STEPS, Runner, Tracked

Pictures = NDArray[np.float32]
Regions = NDArray[np.bool_]
States = Sequence[NDArray[np.float32]]
"""Of automata in good health: float32[N, H, W, C], an array per batch."""

BRUSHES = ("erase", "scramble")

SWEPT_SHARES = (0.25, 0.5)
SWEPT_RADIUS_CELLS = 3
SWEPT_CELLS_PER_STEP = 1.5
SWEPT_STEPS = (96, 300)

WIPED_RADIUS_CELLS = 5
WIPED_CELLS_PER_STEP = 3
SETTLED_STEPS = (300, 500, 1_000, 2_000)
"""A page is settled if it is at the first of these, and is still the same at all others."""
BLANK_BRIGHTNESS = 0.1
SURE_PROBABILITY = 0.9
GREY_RANGE = (0.2, 0.8)
GREY_FACTOR = 1.5
"""A settled page has at most so many times the grey cells of a clean image."""

YOUNG_STEPS = (8, 16, 32, 48, 64)
YOUNG_RADIUS_CELLS = 4
YOUNG_FINAL_STEP = 300

HELD_RADIUS_CELLS = 5
HELD_STEPS = 60
HELD_FINAL_STEPS = 300

DRAWN_AGES = (0, 30, 60, 100, 500)
DRAWN_RADII_CELLS = (1, 2)
DRAWN_STEPS = (100, 300)
"""Range of the time that a drawing takes."""
DRAWN_FINAL_STEPS = 300
DRAWN_WOUND_RADIUS_CELLS = 5
DRAWN_HEALING_STEPS = 96

MASK_RATIOS = (0.25, 0.5, 0.75)
MASK_PATCHES_CELLS = (1, 2, 4)
MASK_STEPS = 64


class SureReader(Protocol):
    """Reads pictures float32[N, H, W, V], and tells how sure it is."""

    def sure(self, pictures: Pictures) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
        """Labels int[N] and their probabilities float[N]."""


# ---- Where brushes go ----


def _touched(points: Sequence[NDArray[np.floating]], radius_cells: int, config: ModelConfig) -> Regions:
    """What a brush touches on its way from point to point: bool[len(points), H, W]; the first is a disc."""
    cells = [(round(float(row)), round(float(column))) for row, column in points]
    starts = [cells[0], *cells[:-1]]
    return np.stack(
        [
            stroke_region(start, end, radius_cells, config.height, config.width)
            for start, end in zip(starts, cells, strict=True)
        ]
    )


def sweep(
    image: Pictures, share: float, radius_cells: int, config: ModelConfig, generator: np.random.Generator
) -> Regions:
    """A brush on a random path through the ink until it has touched a share of it: bool[T, H, W].

    It starts at a random cell of ink and always makes for a random one that it has not touched. Without ink
    it touches nothing.

    Args:
        image: float32[H, W, V].
        share: Of the ink, in (0, 1].
        radius_cells: Of the brush.
        config: The automaton's hyperparameters.
        generator: Source of the path.
    """
    ink = image.max(axis=-1) > INK_THRESHOLD
    if not ink.any():
        return np.zeros((1, config.height, config.width), bool)
    untouched = ink.copy()
    points = [generator.choice(np.argwhere(ink)).astype(float)]
    untouched &= ~_touched(points, radius_cells, config)[0]
    target = points[0]
    while untouched.sum() > (1 - share) * ink.sum():
        distance = float(np.linalg.norm(target - points[-1]))
        if distance < 1e-9:
            target = generator.choice(np.argwhere(untouched)).astype(float)
            continue
        points.append(points[-1] + (target - points[-1]) * min(1.0, SWEPT_CELLS_PER_STEP / distance))
        untouched &= ~_touched(points[-2:], radius_cells, config)[1]
    return _touched(points, radius_cells, config)


def wipe(radius_cells: int, cells_per_step: float, config: ModelConfig) -> Regions:
    """A brush over the whole page, row by row, there and back: bool[T, H, W]."""
    rows = np.arange(radius_cells - 1, config.height + radius_cells - 1, 2 * radius_cells)
    corners = [
        (row, column)
        for number, row in enumerate(rows)
        for column in ((0, config.width - 1) if number % 2 == 0 else (config.width - 1, 0))
    ]
    return _touched(list(_walk(np.array(corners, float), cells_per_step)), radius_cells, config)


def _walk(corners: NDArray[np.floating], cells_per_step: float) -> Iterator[NDArray[np.floating]]:
    """Points along a polyline, at most `cells_per_step` apart."""
    yield corners[0]
    for start, end in itertools.pairwise(corners):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / cells_per_step)))
        for number in range(1, count + 1):
            yield start + (end - start) * (number / count)


def drawing(
    name: str, num_steps: int, radius_cells: int, config: ModelConfig, generator: np.random.Generator
) -> Regions:
    """A figure drawn in real time, the pen at an even speed: bool[num_steps, H, W]."""
    strokes = figure_strokes(name, config, generator)
    lengths = [np.linalg.norm(np.diff(stroke, axis=0), axis=1).sum() for stroke in strokes]
    counts = [max(1, int(num_steps * length / sum(lengths))) for length in lengths]
    regions = []
    for stroke, count in zip(strokes, counts, strict=True):
        along = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(stroke, axis=0), axis=1))]
        at = np.linspace(0.0, along[-1], count)
        points = np.stack([np.interp(at, along, stroke[:, axis]) for axis in (0, 1)], axis=-1)
        regions.append(_touched(list(points), radius_cells, config))
    joined = np.concatenate(regions)[:num_steps]
    rest = np.zeros((num_steps - len(joined), config.height, config.width), bool)
    return np.concatenate([joined, rest])


def _side_by_side(gestures: Sequence[Regions], *, end_together: bool) -> Regions:
    """Gestures bool[T_n, H, W] as bool[T, N, H, W], T a whole number of chunks.

    Filled up with movements that touch nothing: before the first ones, or after the last ones.
    """
    longest = max(map(len, gestures))
    longest += -longest % CHUNK_STEPS
    padded = []
    for regions in gestures:
        missing = longest - len(regions)
        padded.append(np.pad(regions, [(missing, 0) if end_together else (0, missing), (0, 0), (0, 0)]))
    return np.stack(padded, axis=1)


def patch_mask(
    ratio: float, patch_cells: int, config: ModelConfig, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Forget exactly that share of the patches, chosen at random: bool[H, W], True where forgotten.

    Patches are squares from the upper left corner; at the other borders they may be cut off.
    """
    rows, columns = (-(-size // patch_cells) for size in (config.height, config.width))
    forgotten = np.zeros(rows * columns, bool)
    forgotten[generator.permutation(rows * columns)[: round(ratio * rows * columns)]] = True
    cells = forgotten.reshape(rows, columns).repeat(patch_cells, axis=0).repeat(patch_cells, axis=1)
    return cells[: config.height, : config.width]


# ---- Scenarios ----


def _after_gestures(
    runner: Runner, healthy: States, tool: str, label: str, gestures: Sequence[Regions], steps: Sequence[int]
) -> list[Pictures]:
    """Healthy automata are touched, each by its own gesture, and left alone.

    Returns:
        Their pictures before, and so many steps after the last touch: float32[N, H, W, V] each.
    """

    def run(number: int, indices: NDArray[np.intp], bar: Any) -> list[Pictures]:
        key = runner.key(label, number)
        tracked = Tracked.start(jnp.asarray(healthy[number]), runner.config)
        shown = [runner.picture(tracked)]
        regions = _side_by_side([gestures[index] for index in indices], end_together=True)
        tracked = runner.gesture(tracked, regions, jax.random.fold_in(key, 0), tool, bar)
        reached = 0
        for step in steps:
            tracked = runner.advance(tracked, jax.random.fold_in(key, step), step - reached, bar)
            reached = step
            shown.append(runner.picture(tracked))
        return shown

    return runner.in_batches(label, len(gestures), max(map(len, gestures)) + steps[-1], run)


def _against_before(
    scenario: str, condition: str, stages: Sequence[Pictures], steps: Sequence[int], clean: Pictures
) -> list[Figure]:
    before = metrics.psnr(stages[0], clean)
    figures = [figure(scenario, f"{condition}, before", "PSNR (dB)", before)]
    for step, shown in zip(steps, stages[1:], strict=True):
        after = metrics.psnr(shown, clean)
        figures.append(figure(scenario, f"{condition}, {step} steps", "PSNR (dB)", after))
        figures.append(figure(scenario, f"{condition}, {step} steps", "against before (dB)", after - before))
    return figures


def measure_swept(runner: Runner, images: Pictures, healthy: States) -> list[Figure]:
    """A brush moves through the ink until a share of it was touched."""
    figures = []
    for share in SWEPT_SHARES:
        generator = runner.generator("swept", share)
        gestures = [sweep(image, share, SWEPT_RADIUS_CELLS, runner.config, generator) for image in images]
        for tool in BRUSHES:
            label = f"swept {tool} {share:g}"
            stages = _after_gestures(runner, healthy, tool, label, gestures, SWEPT_STEPS)
            condition = f"{tool}, {share:.0%} of the ink"
            figures += _against_before("swept", condition, stages, SWEPT_STEPS, images)
    return figures


def measure_held(runner: Runner, images: Pictures, healthy: States) -> list[Figure]:
    """The brush stands still for a while."""
    centres = runner.ink_centres(images, "held")
    gestures = [_touched([centre] * HELD_STEPS, HELD_RADIUS_CELLS, runner.config) for centre in centres]
    figures = []
    for tool in BRUSHES:
        steps = (HELD_FINAL_STEPS,)
        stages = _after_gestures(runner, healthy, tool, f"held {tool}", gestures, steps)
        condition = f"{tool}, radius {HELD_RADIUS_CELLS}, {HELD_STEPS} steps long"
        figures += _against_before("held", condition, stages, steps, images)
    return figures


def grey_share(pictures: Pictures) -> NDArray[np.float64]:
    """The share of the cells that are neither paper nor ink: float64[N] of float[N, H, W, V]."""
    brightness = np.asarray(pictures).mean(axis=-1)
    return np.mean((brightness > GREY_RANGE[0]) & (brightness < GREY_RANGE[1]), axis=(1, 2))


def settled(
    pictures: Sequence[Pictures], clean: Pictures, reader: SureReader
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pages are blank, and which are one digit, in all of these moments: bool[N] each.

    Args:
        pictures: float32[N, H, W, V] of each moment.
        clean: float32[N, H, W, V], images that tell how many grey cells there may be.
        reader: Tells which digit it is.
    """
    limit = GREY_FACTOR * float(grey_share(clean).mean())
    blank, digit, first = np.ones(len(clean), bool), np.ones(len(clean), bool), None
    for shown in pictures:
        labels, probabilities = reader.sure(shown)
        first = labels if first is None else first
        finite = np.isfinite(shown).all(axis=(1, 2, 3))
        blank &= finite & (np.nan_to_num(shown).max(axis=(1, 2, 3)) < BLANK_BRIGHTNESS)
        is_sure = (labels == first) & (probabilities >= SURE_PROBABILITY)
        digit &= finite & is_sure & (grey_share(shown) <= limit)
    return blank, digit & ~blank


def measure_wiped(runner: Runner, images: Pictures, healthy: States, reader: SureReader) -> list[Figure]:
    """A brush passes over the whole page, or all of it is scrambled at once: what does it come to?"""
    config, count = runner.config, len(images)
    moving = wipe(WIPED_RADIUS_CELLS, WIPED_CELLS_PER_STEP, config)
    at_once = np.ones((1, config.height, config.width), bool)
    figures = [figure("wiped", "clean images", "grey cells", grey_share(images))]
    for condition, tool, regions in (
        ("erase", "erase", moving),
        ("scramble", "scramble", moving),
        ("scramble at once", "scramble", at_once),
    ):
        steps = SETTLED_STEPS
        _, *stages = _after_gestures(runner, healthy, tool, f"wiped {condition}", [regions] * count, steps)
        blank, digit = settled(stages, images, reader)
        figures += [
            figure("wiped", condition, "settled", blank | digit),
            figure("wiped", condition, "blank", blank),
            figure("wiped", condition, "one digit", digit),
            figure("wiped", f"{condition}, {steps[0]} steps", "grey cells", grey_share(stages[0])),
        ]
    return figures


def measure_young(runner: Runner, images: Pictures, mask_ratio: float) -> list[Figure]:
    """A disc is taken from a digit that is still forming."""
    centres = runner.ink_centres(images, "young")
    wounds = [(tool, step) for step in YOUNG_STEPS for tool in BRUSHES]

    def run(number: int, indices: NDArray[np.intp], bar: Any) -> list[Pictures]:
        key = runner.key("young", number)
        tracked = runner.start(images[indices], jax.random.fold_in(key, 0), mask_ratio)
        shown, reached = [], 0
        for tool, step in wounds:
            if step > reached:
                tracked = runner.advance(tracked, jax.random.fold_in(key, step), step - reached, bar)
                reached = step
            wound_key, step_key = jax.random.split(runner.key("young", number, tool, step))
            wounded = runner.wound(tracked.state, centres[indices], YOUNG_RADIUS_CELLS, wound_key, tool)
            shown.append(runner.picture(runner.advance(wounded, step_key, YOUNG_FINAL_STEP - step, bar)))
        last_key = jax.random.fold_in(key, YOUNG_FINAL_STEP)
        untouched = runner.advance(tracked, last_key, YOUNG_FINAL_STEP - reached, bar)
        return [*shown, runner.picture(untouched)]

    *pictures, picture = runner.in_batches("young", len(images), (len(wounds) + 1) * YOUNG_FINAL_STEP, run)
    quality = {wound: metrics.psnr(shown, images) for wound, shown in zip(wounds, pictures, strict=True)}
    untouched = metrics.psnr(picture, images)
    figures = [figure("young", f"untouched, step {YOUNG_FINAL_STEP}", "PSNR (dB)", untouched)]
    for tool in BRUSHES:
        for step in YOUNG_STEPS:
            condition = f"{tool}, radius {YOUNG_RADIUS_CELLS}, at step {step}"
            values = quality[tool, step]
            figures.append(figure("young", condition, "PSNR (dB)", values))
            figures.append(figure("young", condition, "against untouched (dB)", values - untouched))
    return figures


def measure_drawn(runner: Runner, count: int) -> list[Figure]:
    """Figures that are no digits are drawn on pages of several ages, and then wounded."""
    figures = []
    for age in DRAWN_AGES:
        generator = runner.generator("drawn", age)
        gestures = []
        for number in range(count):
            radius = DRAWN_RADII_CELLS[number % len(DRAWN_RADII_CELLS)]
            steps = int(generator.integers(DRAWN_STEPS[0], DRAWN_STEPS[1] + 1))
            name = FIGURES[number // len(DRAWN_RADII_CELLS) % len(FIGURES)]
            gestures.append(drawing(name, steps, radius, runner.config, generator))
        figures += _measure_drawn_at(runner, age, gestures)
    return figures


def _measure_drawn_at(runner: Runner, age: int, gestures: Sequence[Regions]) -> list[Figure]:
    config = runner.config
    inked = np.stack([regions.any(axis=0) for regions in gestures])
    clean = np.repeat(inked[..., None], config.visible_channel_size, axis=-1).astype(np.float32)
    centres = runner.ink_centres(clean, f"drawn {age}")

    def run(number: int, indices: NDArray[np.intp], bar: Any) -> list[Pictures]:
        keys = iter(jax.random.split(runner.key("drawn", age, number), 6))
        empty = np.zeros((len(indices), *config.image_shape), np.float32)
        tracked = runner.start(empty, next(keys), 0.0)
        tracked = runner.advance(tracked, next(keys), age, bar)
        # Who has finished early waits for the others.
        regions = _side_by_side([gestures[index] for index in indices], end_together=False)
        tracked = runner.gesture(tracked, regions, next(keys), "paint", bar)
        drawn = runner.advance(tracked, next(keys), DRAWN_FINAL_STEPS, bar)
        wounded = runner.wound(drawn.state, centres[indices], DRAWN_WOUND_RADIUS_CELLS, next(keys), "erase")
        healed = runner.advance(wounded, next(keys), DRAWN_HEALING_STEPS, bar)
        return [runner.picture(tracked) for tracked in (drawn, wounded, healed)]

    total = age + DRAWN_STEPS[1] + DRAWN_FINAL_STEPS + DRAWN_HEALING_STEPS
    pictures = runner.in_batches(f"drawn at age {age}", len(gestures), total, run)
    overlap = metrics.intersection_over_union(pictures[0].mean(axis=-1) > INK_THRESHOLD, inked)
    overlap = np.where(np.isfinite(pictures[0]).all(axis=(1, 2, 3)), overlap, np.nan)
    errors = [metrics.mean_squared_error(shown, clean) for shown in pictures]
    condition = f"on a page of age {age}"
    return [
        figure("drawn", condition, "intersection over union of ink", overlap),
        healed_figure("drawn", f"{condition}, radius {DRAWN_WOUND_RADIUS_CELLS}", errors),
    ]


def measure_masks(runner: Runner, images: Pictures) -> list[Figure]:
    """Images of which patches were forgotten, as in the code of the paper by Tesfaldet et al."""
    figures, count = [], len(images)
    for patch_cells in MASK_PATCHES_CELLS:
        for ratio in MASK_RATIOS:
            label = f"masks {patch_cells} {ratio:g}"
            generator = runner.generator(label)
            forgotten = np.stack(
                [patch_mask(ratio, patch_cells, runner.config, generator) for _ in range(count)]
            )
            masked = np.where(forgotten[..., None], np.float32(0), images)
            shown, _ = runner.course(label, masked, 0.0, (MASK_STEPS,))
            condition = f"{ratio:.0%} in patches of {patch_cells}, {MASK_STEPS} steps"
            figures += [
                figure("masks", condition, "PSNR (dB)", metrics.psnr(shown[MASK_STEPS], images)),
                figure("masks", condition, "SSIM", metrics.ssim(shown[MASK_STEPS], images)),
            ]
    return figures
