"""The viewer's digit classifier: what it is trained on, how sure it must be, and how good it then is.

Beside MNIST's digits it learns what is none: letters, faces and spirals, noise, waves, pages that are blank
or nearly so, two digits on top of each other, and digits of which about half is missing. Three letters are
kept from it, to see what it says of figures that it has never seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nca_viewer.atomic_files import atomic_write
from nca_viewer.config import ModelConfig
from nca_viewer.opinion import NUM_DIGITS, SIZE_CELLS, DigitClassifier
from training.classifier import train_classifier
from training.drawings import FIGURES, draw_figure, draw_picture

NO_DIGIT = NUM_DIGITS
UNSEEN_FIGURES = ("N", "T", "W")
HIDDEN_SIZE = 48
UNSURE_DIGITS = 0.03
"""Part of set-aside clean digits that the threshold leaves unsure."""
EPOCHS = 4

Images = NDArray[np.float32]
"""float32[N, 28, 28] in [0, 1], ink = 1."""

_CONFIG = ModelConfig()
_GRID = (SIZE_CELLS, SIZE_CELLS)
_LEAST_PART = 0.6
"""Of a figure; with less, many are a line, which is a digit."""


def _figures(names: tuple[str, ...]) -> Callable[[int, Images, np.random.Generator], Images]:
    def draw(count: int, digits: Images, generator: np.random.Generator) -> Images:
        figures = (
            draw_figure(names[number % len(names)], generator, _CONFIG, least_part=_LEAST_PART)
            for number in range(count)
        )
        return np.stack([_softened(figure[..., 0].astype(np.float32) / 255, generator) for figure in figures])

    return draw


def _softened(image: NDArray[np.floating], generator: np.random.Generator) -> NDArray[np.float32]:
    """As it is, or with the grey edges that a finished picture has."""
    if generator.random() < 0.5:
        return image
    blurred = ndimage.gaussian_filter(image, generator.uniform(0.3, 0.8))
    return (blurred / max(float(blurred.max()), 1e-6)).astype(np.float32)


def _noise(count: int, digits: Images, generator: np.random.Generator) -> Images:
    """White noise, spots of all sizes, sparse dots: some grey, some black and white."""
    noise = generator.random((count, *_GRID))
    for number in range(count):
        if generator.random() < 0.7:
            noise[number] = ndimage.gaussian_filter(noise[number], generator.uniform(0.5, 3.0))
        low, high = noise[number].min(), noise[number].max()
        noise[number] = (noise[number] - low) / (high - low)
        if generator.random() < 0.6:
            noise[number] = noise[number] > generator.uniform(0.3, 0.95)
        noise[number] *= generator.uniform(0.4, 1.0)
    return noise.astype(np.float32)


def _waves(count: int, digits: Images, generator: np.random.Generator) -> Images:
    rows, columns = np.mgrid[:SIZE_CELLS, :SIZE_CELLS]
    angle, frequency, phase = (
        generator.uniform(low, high, (count, 1, 1)) for low, high in ((0, np.pi), (0.15, 2.5), (0, 2 * np.pi))
    )
    waves = 0.5 + 0.5 * np.sin(frequency * (np.sin(angle) * rows + np.cos(angle) * columns) + phase)
    hard = generator.random((count, 1, 1)) < 0.5
    return np.where(hard, waves > 0.5, waves).astype(np.float32)


def _blank(count: int, digits: Images, generator: np.random.Generator) -> Images:
    """Paper of any grey, with no dot or a few."""
    grey = generator.uniform(0, 1, (count, 1, 1)) * (generator.random((count, 1, 1)) < 0.5)
    dots = generator.random((count, *_GRID)) < generator.uniform(0, 0.01, (count, 1, 1))
    return np.where(dots, generator.random((count, 1, 1)), grey).astype(np.float32)


def _half_masked(count: int, digits: Images, generator: np.random.Generator) -> Images:
    """Digits without half of their cells, here and there or on one side."""
    chosen = digits[generator.integers(len(digits), size=count)].copy()
    rows, columns = np.mgrid[:SIZE_CELLS, :SIZE_CELLS] - (SIZE_CELLS - 1) / 2
    for number in range(count):
        if number % 2:
            mask = generator.random(_GRID) < generator.uniform(0.5, 0.8)
        else:
            angle = generator.uniform(0, 2 * np.pi)
            mask = np.sin(angle) * rows + np.cos(angle) * columns > generator.uniform(-3.0, 0.5)
        chosen[number][mask] = 0.0
    return chosen


def _overlaid(count: int, digits: Images, generator: np.random.Generator) -> Images:
    """Two digits on top of each other, the second one turned on its side."""
    first, second = (digits[generator.integers(len(digits), size=count)] for _ in range(2))
    return np.maximum(first, second.transpose(0, 2, 1))


_SEEN_FIGURES = tuple(sorted(set(FIGURES) - set(UNSEEN_FIGURES)))
NO_DIGITS: dict[str, Callable[[int, Images, np.random.Generator], Images]] = {
    "letters, faces, spirals": _figures(_SEEN_FIGURES),
    "noise": _noise,
    "waves": _waves,
    "blank": _blank,
    "half masked": _half_masked,
    "two digits": _overlaid,
}
"""What is no digit, by kind: from a count, digits and a generator to images."""


def _shifted(images: Images, generator: np.random.Generator) -> Images:
    """Every other image moved by up to two cells."""
    moved = images.copy()
    for number in range(0, len(images), 2):
        moved[number] = np.roll(images[number], generator.integers(-2, 3, 2), axis=(0, 1))
    return moved


def training_images(
    digits: Images, labels: NDArray[np.integer], generator: np.random.Generator
) -> tuple[Images, NDArray[np.int64]]:
    """Digits, as many drawn ones as a twelfth of them, and for every two digits one image of none."""
    drawn_labels = np.arange(len(digits) // 12) % NUM_DIGITS
    drawn = [
        _softened(draw_picture(int(digit), generator, _CONFIG)[..., 0].astype(np.float32) / 255, generator)
        for digit in drawn_labels
    ]
    share = len(digits) // 2 // len(NO_DIGITS)
    others = [make(share, digits, generator) for make in NO_DIGITS.values()]
    images = np.concatenate([_shifted(digits, generator), np.stack(drawn), *others]).astype(np.float32)
    no_digit = np.full(share * len(NO_DIGITS), NO_DIGIT)
    return images, np.concatenate([labels, drawn_labels, no_digit]).astype(np.int64)


def measured(
    classifier: DigitClassifier, digits: Images, labels: NDArray[np.integer], seed: int, count: int = 1000
) -> dict[str, Any]:
    """How good a classifier is on images that it has not seen.

    Returns:
        `accuracy`: of clean digits, whether sure or not; `unsure`: part of clean digits called unsure;
        `wrong_and_sure`: part of clean digits; `called_a_digit`: by kind, part of what is no digit.
    """
    probabilities = classifier.probabilities(digits)[:, :NUM_DIGITS]
    right, sure = probabilities.argmax(axis=-1) == labels, probabilities.max(axis=-1) >= classifier.threshold
    generator = np.random.default_rng((seed, 1))
    kinds = NO_DIGITS | {f"letters never seen ({', '.join(UNSEEN_FIGURES)})": _figures(UNSEEN_FIGURES)}
    called = {}
    for kind, make in kinds.items():
        others = classifier.probabilities(make(count, digits, generator))[:, :NUM_DIGITS]
        called[kind] = round(float(np.mean(others.max(axis=-1) >= classifier.threshold)), 4)
    return {
        "accuracy": round(float(right.mean()), 4),
        "unsure": round(float(1 - sure.mean()), 4),
        "wrong_and_sure": round(float(np.mean(sure & ~right)), 4),
        "called_a_digit": called,
    }


def make_classifier(
    digits: Images,
    labels: NDArray[np.integer],
    *,
    seed: int,
    epochs: int = EPOCHS,
    progress: bool = True,
) -> DigitClassifier:
    """Train it, and set how sure it must be, on digits set aside: a twentieth of those given."""
    num_aside = len(digits) // 20
    aside, used = digits[:num_aside], digits[num_aside:]
    images, classes = training_images(used, labels[num_aside:], np.random.default_rng(seed))
    trained = train_classifier(
        images[..., None],
        classes,
        seed=seed,
        max_epochs=epochs,
        target_accuracy=1.0,
        num_classes=NUM_DIGITS + 1,
        hidden_size=HIDDEN_SIZE,
        progress=progress,
    )
    # Rounded as they are kept.
    arrays = {name: array.astype(np.float16).astype(np.float32) for name, array in trained.arrays().items()}
    layers = tuple(
        (arrays[f"{name}.kernel"], arrays[f"{name}.bias"]) for name in ("first", "second", "hidden", "out")
    )
    best = DigitClassifier(layers, 0.0).probabilities(aside)[:, :NUM_DIGITS].max(axis=-1)
    threshold = float(np.clip(np.quantile(best, UNSURE_DIGITS), 0.5, 0.99))
    return DigitClassifier(layers, round(threshold, 3))


def save(classifier: DigitClassifier, provenance: dict[str, Any], path: Path) -> None:
    """Write the parameters as float16 to `path`, NPZ, and the provenance beside it, JSON.

    Raises:
        OutputError: a file could not be written.
    """
    arrays: dict[str, Any] = {"threshold": np.float64(classifier.threshold)}
    for name, (kernel, bias) in zip(("first", "second", "hidden", "out"), classifier.layers, strict=True):
        arrays |= {f"{name}.kernel": kernel.astype(np.float16), f"{name}.bias": bias.astype(np.float16)}
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    with atomic_write(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
