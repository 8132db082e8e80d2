"""What visitors draw: digits in full ink, by the viewer's round brush, and figures that are none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nca_viewer.config import ModelConfig
from nca_viewer.handwriting import digit_strokes

_BOX_CELLS = 20
"""Side of the box, on a grid of 28 cells, that the larger side of a figure fills at most."""

_Strokes = tuple[tuple[tuple[float, float], ...], ...]


def _arc(
    row: float, column: float, radius: float, first_degrees: float, last_degrees: float
) -> NDArray[np.float64]:
    angles = np.radians(np.linspace(first_degrees, last_degrees, 25))
    return np.stack([row + radius * np.sin(angles), column + radius * np.cos(angles)], axis=-1)


_LETTERS: dict[str, _Strokes] = {
    "A": (((1, 0), (0, 0.4), (1, 0.8)), ((0.62, 0.15), (0.62, 0.65))),
    "E": (((0, 0.7), (0, 0), (1, 0), (1, 0.7)), ((0.5, 0), (0.5, 0.55))),
    "H": (((0, 0), (1, 0)), ((0, 0.7), (1, 0.7)), ((0.5, 0), (0.5, 0.7))),
    "K": (((0, 0), (1, 0)), ((0, 0.7), (0.5, 0), (1, 0.7))),
    "M": (((1, 0), (0, 0), (0.6, 0.45), (0, 0.9), (1, 0.9)),),
    "N": (((1, 0), (0, 0), (1, 0.7), (0, 0.7)),),
    "T": (((0, 0), (0, 0.8)), ((0, 0.4), (1, 0.4))),
    "W": (((0, 0), (1, 0.25), (0.4, 0.5), (1, 0.75), (0, 1)),),
    "X": (((0, 0), (1, 0.8)), ((0, 0.8), (1, 0))),
}
FIGURES = ("A", "face", "E", "spiral", "H", "K", "face", "M", "N", "spiral", "T", "W", "X")
"""What `figure_strokes` can draw; one after the other they are a fair mixture."""


def figure_strokes(
    name: str, config: ModelConfig, generator: np.random.Generator
) -> list[NDArray[np.float64]]:
    """The pen's path of a figure that is no digit: polylines float64[N, 2], (row, column) in cells.

    Args:
        name: One of `FIGURES`.
        config: The automaton's hyperparameters.
        generator: Source of size, slant, turn and place.
    """
    if name == "face":
        parts = [_arc(0.5, 0.5, 0.5, 0, 360), _arc(0.5, 0.5, 0.26, 25, 155)]
        parts += [np.array([[0.36, eye], [0.40, eye]]) for eye in (0.32, 0.68)]
    elif name == "spiral":
        way = np.linspace(0.0, 1.0, 60)
        angle = 2 * np.pi * generator.uniform(1.6, 2.3) * way
        parts = [0.5 + 0.5 * way[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=-1)]
    else:
        parts = [np.array(stroke, float) for stroke in _LETTERS[name]]
    turn, slant = generator.normal(0.0, 0.12), generator.normal(0.0, 0.12)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    parts = [part @ np.array([[1.0, slant], [0.0, 1.0]]) @ rotation for part in parts]
    joined = np.concatenate(parts)
    low, high = joined.min(axis=0), joined.max(axis=0)
    cell = min(config.height, config.width) / 28
    scale = _BOX_CELLS * cell * generator.uniform(0.75, 1.0) / np.max(high - low)
    middle = (np.array([config.height, config.width]) - 1) / 2 + cell * generator.uniform(-2.0, 2.0, 2)
    return [(part - (low + high) / 2) * scale + middle for part in parts]


def draw_picture(
    digit: int, generator: np.random.Generator, config: ModelConfig, radius_cells: float | None = None
) -> NDArray[np.uint8]:
    """One digit in full ink: uint8[H, W, V], each 0 or 255.

    Args:
        digit: 0 to 9.
        generator: Source of the handwriting's variety.
        config: The automaton's hyperparameters.
        radius_cells: Of the brush; None draws one from 0.7 to 1.6.
    """
    if radius_cells is None:
        radius_cells = generator.uniform(0.7, 1.6)
    scale = np.array([config.height / 28, config.width / 28])
    strokes = [np.asarray(stroke) * scale for stroke in digit_strokes(digit, generator)]
    return _inked(_points(strokes), radius_cells, config)


def draw_figure(
    name: str, generator: np.random.Generator, config: ModelConfig, *, least_part: float = 0.05
) -> NDArray[np.uint8]:
    """A figure that is no digit: uint8[H, W, V], each 0 or 255; `name` of `FIGURES`.

    It may be unfinished, but for `least_part` of the pen's path.
    """
    points = _points(figure_strokes(name, config, generator))
    drawn = points[: max(1, int(len(points) * min(1.0, generator.uniform(least_part, 1.5))))]
    return _inked(np.round(drawn), float(generator.integers(1, 3)), config)


def draw_pictures(count: int, config: ModelConfig, *, seed: int) -> NDArray[np.uint8]:
    """Digits, in equal numbers of each, and as many other figures: uint8[count, H, W, V], each 0 or 255."""
    generator = np.random.default_rng(seed)
    return np.stack(
        [
            draw_picture(number // 2 % 10, generator, config)
            if number % 2 == 0
            else draw_figure(FIGURES[number // 2 % len(FIGURES)], generator, config)
            for number in range(count)
        ]
    )


def _points(strokes: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Points half a cell apart along polylines: float64[N, 2]."""
    points = []
    for stroke in strokes:
        lengths = np.maximum(1, np.ceil(2 * np.linalg.norm(np.diff(stroke, axis=0), axis=1)).astype(int))
        for start, end, count in zip(stroke[:-1], stroke[1:], lengths, strict=True):
            points.append(np.linspace(start, end, count + 1))
    return np.concatenate(points)


def _inked(points: NDArray[np.float64], radius_cells: float, config: ModelConfig) -> NDArray[np.uint8]:
    """Where a round brush touches, at each of the points: uint8[H, W, V], each 0 or 255."""
    rows, columns = np.mgrid[: config.height, : config.width]
    squared = (rows - points[:, :1, None]) ** 2 + (columns - points[:, 1:, None]) ** 2
    ink = (squared <= radius_cells**2).any(axis=0)
    return np.repeat(ink[..., None], config.visible_channel_size, axis=-1).astype(np.uint8) * 255
