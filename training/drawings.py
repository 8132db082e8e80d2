"""Digits drawn as a visitor draws them: full ink, by the viewer's round brush."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nca_viewer.config import ModelConfig
from nca_viewer.handwriting import digit_strokes


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
    rows, columns = np.mgrid[: config.height, : config.width]
    scale = np.array([config.height / 28, config.width / 28])
    ink = np.zeros((config.height, config.width), bool)
    for stroke in digit_strokes(digit, generator):
        points = np.asarray(stroke) * scale
        lengths = np.maximum(1, np.ceil(2 * np.linalg.norm(np.diff(points, axis=0), axis=1)).astype(int))
        for start, end, count in zip(points[:-1], points[1:], lengths, strict=True):
            for part in np.linspace(start, end, count + 1):
                ink |= (rows - part[0]) ** 2 + (columns - part[1]) ** 2 <= radius_cells**2
    return np.repeat(ink[..., None], config.visible_channel_size, axis=-1).astype(np.uint8) * 255


def draw_pictures(count: int, config: ModelConfig, *, seed: int) -> NDArray[np.uint8]:
    """Drawn digits in equal numbers of each: uint8[count, H, W, V], each 0 or 255."""
    generator = np.random.default_rng(seed)
    return np.stack([draw_picture(number % 10, generator, config) for number in range(count)])
