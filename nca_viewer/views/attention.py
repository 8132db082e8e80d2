"""Views of where cells look: the direction of attention, and how divided it is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nca_viewer.automaton.explanation import Explanation
from nca_viewer.views.cells import waiting, with_no_number_row
from nca_viewer.views.colours import VIRIDIS, coloured, direction_colours
from nca_viewer.views.mosaic import mosaic, most_tiles
from nca_viewer.views.scene import (
    MOORE_OFFSETS,
    ColourBar,
    ColourRow,
    LegendEntry,
    Scene,
    ViewImage,
)

_OFFSETS = np.array(MOORE_OFFSETS, np.float32)
_SELF = MOORE_OFFSETS.index((0, 0))
_NOWHERE_CELLS = 0.25
"""A mean offset shorter than this is called no direction."""

DIRECTION_NAMES: dict[tuple[int, int], str] = {
    (0, 1): "east",
    (-1, 1): "north-east",
    (-1, 0): "north",
    (-1, -1): "north-west",
    (0, -1): "west",
    (1, -1): "south-west",
    (1, 0): "south",
    (1, 1): "south-east",
}
"""Of the (row, column) offsets of the eight neighbours, counter-clockwise; north is up."""


def mean_offsets(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where attention goes on average: float32[2, H, W, heads], (row, column), in cells."""
    return np.tensordot(_OFFSETS, weights, axes=(0, 0))


def entropies(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each cell's nine weights, in nats: float32[H, W, heads], 0 to log 9; NaN where a weight is."""
    positive = np.maximum(weights, np.float32(1e-12))  # NaN stays NaN
    return -(weights * np.log(positive)).sum(axis=0)


def direction_name(weights: NDArray[np.float32]) -> str:
    """In words, where one head looks on average, over all cells: weights float32[9, H, W]."""
    with np.errstate(invalid="ignore"):
        mean = np.nan_to_num(weights).reshape(len(weights), -1).mean(axis=1)
    row, column = (float(value) for value in mean @ _OFFSETS)
    if math.hypot(row, column) < _NOWHERE_CELLS:
        return "at itself" if mean[_SELF] > 0.5 else "all around"
    eighth = round(math.atan2(-row, column) / (math.pi / 4)) % 8
    return list(DIRECTION_NAMES.values())[eighth]


def _direction_legend() -> tuple[LegendEntry, ...]:
    rows, columns = np.array([*DIRECTION_NAMES, (0, 0)], np.float32).T
    colours = [tuple(int(part) for part in colour) for colour in direction_colours(rows, columns)]
    labels = [*DIRECTION_NAMES.values(), "itself, or all around"]
    return tuple(
        ColourRow((red, green, blue), label)
        for (red, green, blue), label in zip(colours, labels, strict=True)
    )


DIRECTION_LEGEND = _direction_legend()


def _heads(
    scene: Scene,
    explanation: Explanation,
    image: NDArray[np.uint8],
    legend: tuple[LegendEntry, ...],
    what: str,
) -> ViewImage:
    """All heads side by side, or the one that is enlarged: from uint8[H, W, heads, 3]."""
    heads = image.shape[2]
    legend = with_no_number_row(legend, explanation.weights)
    names = [direction_name(explanation.weights[..., head]) for head in range(heads)]
    if scene.head is not None and 0 <= scene.head < heads:
        caption = f"{what}, head {scene.head}: it looks {names[scene.head]}."
        return ViewImage(np.ascontiguousarray(image[:, :, scene.head]), legend, caption)
    labels = [f"head {head}: {name}" for head, name in enumerate(names)]
    shown = min(heads, most_tiles(*image.shape[:2]))
    tiled, tiles = mosaic(np.moveaxis(image[:, :, :shown], 2, 0), labels[:shown])
    which = f"each of {heads}" if shown == heads else f"the first {shown} of {heads}"
    return ViewImage(tiled, legend, f"{what}, one tile for {which} attention heads.", tiles)


def draw_attention(scene: Scene) -> ViewImage:
    """The mean direction that each head looks in, at every cell."""
    explanation = scene.explanation
    if explanation is None:
        return waiting(scene, "The next step is being taken apart ...")
    rows, columns = mean_offsets(explanation.weights)
    return _heads(
        scene, explanation, direction_colours(rows, columns), DIRECTION_LEGEND, "Where each cell looks"
    )


_ENTROPY_LEGEND = (
    ColourBar(
        "entropy of the nine weights, nats",
        VIRIDIS,
        tuple((math.log(cells) / math.log(9), f"{math.log(cells):.1f}") for cells in (1, 3, 9)),
    ),
    ColourRow((VIRIDIS[0, 0], VIRIDIS[0, 1], VIRIDIS[0, 2]), "looks at one cell"),
    ColourRow((VIRIDIS[-1, 0], VIRIDIS[-1, 1], VIRIDIS[-1, 2]), "looks at all nine alike"),
)


def draw_entropy(scene: Scene) -> ViewImage:
    """How divided the attention of each head is, at every cell."""
    explanation = scene.explanation
    if explanation is None:
        return waiting(scene, "The next step is being taken apart ...")
    image = coloured(entropies(explanation.weights), 0.0, math.log(9), VIRIDIS)
    return _heads(scene, explanation, image, _ENTROPY_LEGEND, "How many cells each cell looks at")
