"""Digits drawn by an imagined hand, normalised as MNIST is; no image of any data set is involved.

Each digit is a few pen strokes through control points, in one of several shapes that people write. A draw
jitters the points, bends and slants the whole, picks a pen, fits the result into the box that MNIST uses
(20 of 28 cells, aspect kept) and puts the centre of the ink's mass into the middle of the grid.

Sources: the normalisation is described with the data set by LeCun, Cortes & Burges, *The MNIST database of
handwritten digits*. The curves are centripetal Catmull-Rom splines (Yuksel, Schaefer & Keyser, 2011).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nca_viewer.assets import handwriting_file
from nca_viewer.errors import ConfigError

GRID_SIZE_CELLS = 28
"""Side of the grid that strokes are given on."""

BOX_SIZE_CELLS = 20
"""Side of the box that the ink fills in its longer direction."""

# MNIST's images have their mean at cell 14, not between cells 13 and 14.
_CENTRE_CELLS = GRID_SIZE_CELLS / 2
_POINTS_PER_SPAN = 6
_MEAN_PEN_RADIUS_CELLS = 1.25
_EDGE_CELLS = 1.3
"""Width of the ramp from ink to paper across a stroke's edge."""

Piece = tuple[tuple[float, float], ...]
"""A smooth part of a stroke: control points (x, y), y downwards, about [0, 1] each way."""

Stroke = tuple[Piece, ...]
"""The pen goes down, follows the pieces, which meet in corners, and goes up."""


@dataclass(frozen=True)
class _Shape:
    """One way to write a digit, with how common it is and its usual width over height."""

    strokes: tuple[Stroke, ...]
    weight: float
    aspect: float


@functools.cache
def _shapes() -> tuple[tuple[_Shape, ...], ...]:
    """The shapes of each digit, from `assets/handwriting/digits.json`."""
    digits = json.loads(handwriting_file().read_text(encoding="utf-8"))["digits"]
    return tuple(
        tuple(_Shape(_tuples(shape["strokes"]), shape["weight"], shape["aspect"]) for shape in shapes)
        for shapes in digits
    )


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


@dataclass(frozen=True, eq=False)
class WrittenDigit:
    """A digit as the hand wrote it, normalised.

    Attributes:
        strokes: Polylines float64[N, 2], (row, column) in cells of a 28 x 28 grid, where a cell's centre
            has whole coordinates.
        pen_radius_cells: Half the width of the strokes.
    """

    strokes: tuple[NDArray[np.float64], ...]
    pen_radius_cells: float


def write_digit(digit: int, generator: np.random.Generator) -> WrittenDigit:
    """Write a digit, another way each time.

    Args:
        digit: 0 to 9.
        generator: Source of all that varies.

    Raises:
        ConfigError: for any other digit.
    """
    if isinstance(digit, bool) or not isinstance(digit, int | np.integer) or not 0 <= digit <= 9:
        raise ConfigError(f"digit = {digit!r} must be a whole number from 0 to 9")
    shapes = _shapes()[digit]
    weights = np.array([shape.weight for shape in shapes])
    shape = shapes[generator.choice(len(shapes), p=weights / weights.sum())]
    strokes = _wobbled(shape, generator)
    radius = float(np.clip(_MEAN_PEN_RADIUS_CELLS * np.exp(generator.normal(0.0, 0.25)), 0.8, 2.2))
    strokes = _fit(_transformed(strokes, shape.aspect, generator), radius)
    return WrittenDigit(tuple(strokes), radius)


def digit_strokes(digit: int, generator: np.random.Generator) -> list[NDArray[np.float64]]:
    """The pen's path of the digit that `draw_digit` would draw with a generator in the same state.

    Returns:
        Polylines float64[N, 2], (row, column) in cells of a 28 x 28 grid, in the order of writing.

    Raises:
        ConfigError: for a digit that is none.
    """
    return list(write_digit(digit, generator).strokes)


def draw_digit(
    digit: int, generator: np.random.Generator, height: int = GRID_SIZE_CELLS, width: int = GRID_SIZE_CELLS
) -> NDArray[np.float32]:
    """Draw a digit, another one each time.

    Args:
        digit: 0 to 9.
        generator: Source of all that varies.
        height: Rows of the image.
        width: Columns of the image. The digit scales with the shorter side and lies in the middle.

    Returns:
        float32[height, width] in [0, 1]; ink is 1, paper 0.

    Raises:
        ConfigError: for a digit that is none.
    """
    return render_strokes(write_digit(digit, generator), height, width)


def render_strokes(
    written: WrittenDigit, height: int = GRID_SIZE_CELLS, width: int = GRID_SIZE_CELLS
) -> NDArray[np.float32]:
    """Ink the strokes, antialiased: float32[height, width] in [0, 1], ink is 1."""
    scale = min(height, width) / GRID_SIZE_CELLS
    centre = np.array([height / 2, width / 2])
    starts, ends = [], []
    for stroke in written.strokes:
        points = (stroke - _CENTRE_CELLS) * scale + centre
        starts.append(points[:-1])
        ends.append(points[1:])
    distance = _distance_to_segments(np.concatenate(starts), np.concatenate(ends), height, width)
    edge = max(1.0, _EDGE_CELLS * scale)
    # A pen thinner than a cell still leaves its ink.
    radius = max(written.pen_radius_cells * scale, 0.5)
    return np.clip(0.5 + (radius - distance) / edge, 0.0, 1.0).astype(np.float32)


def _wobbled(shape: _Shape, generator: np.random.Generator) -> list[NDArray[np.float64]]:
    """Smooth strokes (x, y) through jittered control points; a shared corner stays shared."""
    moved: dict[tuple[float, float], NDArray[np.float64]] = {}
    strokes = []
    for stroke in shape.strokes:
        pieces = []
        for piece in stroke:
            points = []
            for point in piece:
                if point not in moved:
                    moved[point] = np.array(point) + generator.normal(0.0, 0.032, 2)
                points.append(moved[point])
            pieces.append(_spline(np.array(points)))
        strokes.append(np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])]))
    return strokes


def _transformed(
    strokes: Sequence[NDArray[np.float64]], aspect: float, generator: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Strokes (row, column) in units of the digit's height: width, bend, slant and turn of the hand."""
    aspect = aspect * np.exp(generator.normal(0.07, 0.15))
    bend, squeeze = generator.normal(0.0, 0.04), generator.normal(0.0, 0.12)
    slant = generator.normal(0.12, 0.2)
    turn = generator.normal(0.0, 0.07)
    cosine, sine = np.cos(turn), np.sin(turn)
    result = []
    for stroke in strokes:
        x, y = stroke.T
        x = (x - 0.5) * aspect * (1.0 + squeeze * (y - 0.5)) + bend * np.sin(np.pi * y) - slant * (y - 0.5)
        y = y - 0.5
        result.append(np.stack([sine * x + cosine * y, cosine * x - sine * y], axis=-1))
    return result


def _fit(strokes: Sequence[NDArray[np.float64]], radius: float) -> list[NDArray[np.float64]]:
    """Scale the ink to the box and move its centre of mass to the centre of the grid."""
    points = np.concatenate(strokes)
    extent = float(np.max(np.ptp(points, axis=0)))
    # The box holds the fading edge of the ink too, and n cells span n - 1 from centre to centre.
    scale = (BOX_SIZE_CELLS - 1 - 2 * radius) / extent
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    fitted = [(stroke - middle) * scale + _CENTRE_CELLS for stroke in strokes]
    image = render_strokes(WrittenDigit(tuple(fitted), radius))
    indices = np.arange(GRID_SIZE_CELLS)
    mass = np.array([indices @ image.sum(axis=1), indices @ image.sum(axis=0)]) / image.sum()
    return [stroke + (_CENTRE_CELLS - mass) for stroke in fitted]


def _spline(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centripetal Catmull-Rom curve through the points, float64[N, 2]."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    steps = np.sqrt(np.maximum(np.linalg.norm(np.diff(padded, axis=0), axis=1), 1e-9))
    fractions = np.linspace(0.0, 1.0, _POINTS_PER_SPAN, endpoint=False)[:, None]
    spans = []
    for i in range(len(points) - 1):
        p0, p1, p2, p3 = padded[i : i + 4]
        t1 = steps[i]
        t2, t3 = t1 + steps[i + 1], t1 + steps[i + 1] + steps[i + 2]
        t = t1 + fractions * (t2 - t1)
        a1 = (t1 - t) / t1 * p0 + t / t1 * p1
        a2 = (t2 - t) / (t2 - t1) * p1 + (t - t1) / (t2 - t1) * p2
        a3 = (t3 - t) / (t3 - t2) * p2 + (t - t2) / (t3 - t2) * p3
        b1 = (t2 - t) / t2 * a1 + t / t2 * a2
        b2 = (t3 - t) / (t3 - t1) * a2 + (t - t1) / (t3 - t1) * a3
        spans.append((t2 - t) / (t2 - t1) * b1 + (t - t1) / (t2 - t1) * b2)
    return np.concatenate([*spans, points[-1:]])


def _distance_to_segments(
    starts: NDArray[np.float64], ends: NDArray[np.float64], height: int, width: int
) -> NDArray[np.float64]:
    """Distance from each cell's centre to the nearest of the segments, float64[height, width]."""
    cells = np.moveaxis(np.mgrid[:height, :width], 0, -1).reshape(-1, 2).astype(np.float64)
    along = ends - starts
    lengths = np.maximum((along**2).sum(axis=-1), 1e-12)
    nearest = np.full(len(cells), np.inf)
    for start, direction, length in zip(starts, along, lengths, strict=True):
        offset = cells - start
        fraction = np.clip(offset @ direction / length, 0.0, 1.0)
        np.minimum(nearest, ((offset - fraction[:, None] * direction) ** 2).sum(axis=-1), out=nearest)
    return np.sqrt(nearest).reshape(height, width)
