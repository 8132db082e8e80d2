"""Pictures of an automaton at work: sheets of stills and the animation of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from nca_viewer.automaton.system import AttentionNCA, visible
from nca_viewer.image_files import write_gif
from training.evaluate import HEALING_STEPS, MASK_RATIO, WOUND_STEP, Runner

PICTURE_SIZE_PIXELS = 112
"""Pictures are enlarged by the whole factor that brings their longer side nearest to this."""
GAP_PIXELS = 6
LABEL_HEIGHT_PIXELS = 18
LABEL_FONT_PIXELS = 12
BACKGROUND = (24, 26, 32)
LABEL_COLOUR = (222, 224, 230)

FRAME_SECONDS = 0.06
LAST_FRAME_SECONDS = 1.5
SHEET_WOUND_RADIUS_CELLS = 5
SHEET_STEPS = (32, 64, 512)


@dataclass(frozen=True)
class Run:
    """A run from masked images.

    Attributes:
        clean: float32[N, H, W, V] in [0, 1], the images as they should be.
        states: float32[num_steps + 1, N, H, W, V], the visible channels of the start and after each step.
    """

    clean: NDArray[np.float32]
    states: NDArray[np.float32]


def run_from_masked(
    model: AttentionNCA,
    images: ArrayLike,
    *,
    num_steps: int = 64,
    mask_ratio: float = MASK_RATIO,
    seed: int = 0,
) -> Run:
    """Run an automaton from masked images and keep every picture.

    Args:
        model: The automaton.
        images: float[N, H, W, V] in [0, 1].
        num_steps: Steps to run.
        mask_ratio: Share of the pixels that is forgotten.
        seed: Of the masks and of the cell dropout.

    Returns:
        The run, with `num_steps + 1` pictures of each image.
    """
    from nca_viewer.automaton.rollout import Dynamics

    clean = np.asarray(images, np.float32)
    runner = Runner(model, seed=seed, batch_size=len(clean))
    dynamics, parameters = Dynamics.of(model)
    start = runner.start(clean, runner.key("show mask"), mask_ratio).state

    @jax.jit
    def pictures(parameters: Any, state: Any, keys: Any) -> Any:
        _, states = dynamics.rollout(parameters, state, keys, history=True)
        return visible(states, dynamics.config)

    keys = jax.random.split(runner.key("show steps"), num_steps)
    later = pictures(parameters, start, keys)
    return Run(clean, np.concatenate([np.asarray(visible(start, runner.config))[None], np.asarray(later)]))


def run_sheet(run: Run) -> Image.Image:
    """Clean, masked and final pictures side by side, one row per image."""
    num_steps = len(run.states) - 1
    return sheet(["clean", "masked", f"{num_steps} steps"], [run.clean, run.states[0], run.states[-1]])


def run_frames(run: Run) -> list[Image.Image]:
    """One frame per state: the images in a row, clean above running, with the step's number."""
    frames = []
    for step, pictures in enumerate(run.states):
        rows = np.stack([run.clean, pictures])
        labels = ["clean above", f"step {step}", *[""] * (len(run.clean) - 2)]
        if len(run.clean) == 1:
            labels = [f"step {step}"]
        frames.append(_compose(labels, rows))
    return frames


def sample_sheet(model: AttentionNCA, images: ArrayLike) -> Image.Image:
    """A sheet to judge a checkpoint by: clean, masked, 32, 64, 512 steps, wounded, healed; one row per image.

    The wound is an erased disc of radius 5 on a random ink cell, at step 96; 'healed' is 96 steps later.

    Args:
        model: The automaton.
        images: float[N, H, W, V] in [0, 1]; eight are a good number.

    Returns:
        The sheet, RGB.
    """
    clean = np.asarray(images, np.float32)
    runner = Runner(model, seed=0, batch_size=len(clean))
    tracked = runner.start(clean, runner.key("sheet mask"), MASK_RATIO)
    columns = [clean, runner.picture(tracked)]
    labels = ["clean", "masked"]
    reached = 0
    healthy = tracked
    for steps in sorted({*SHEET_STEPS, WOUND_STEP}):
        tracked = runner.advance(tracked, runner.key("sheet", steps), steps - reached)
        reached = steps
        if steps == WOUND_STEP:
            healthy = tracked
        if steps in SHEET_STEPS:
            columns.append(runner.picture(tracked))
            labels.append(f"{steps} steps")
    centres = runner.ink_centres(clean, "sheet")
    wounded = runner.wound(
        healthy.state, centres, SHEET_WOUND_RADIUS_CELLS, runner.key("sheet wound"), "erase"
    )
    healed = runner.advance(wounded, runner.key("sheet healing"), HEALING_STEPS)
    columns += [runner.picture(wounded), runner.picture(healed)]
    labels += ["wounded", f"healed +{HEALING_STEPS}"]
    return sheet(labels, columns)


def sheet(labels: Sequence[str], columns: Sequence[ArrayLike]) -> Image.Image:
    """Pictures in labelled columns.

    Args:
        labels: One per column.
        columns: For each column float[N, H, W, V], one picture per row.

    Returns:
        The sheet, RGB; cells have hard edges.
    """
    grid = np.stack([np.asarray(column, np.float32) for column in columns], axis=1)
    return _compose(labels, grid)


def save_gif(frames: Sequence[Image.Image], path: Path) -> None:
    """Write an animation that repeats forever; every frame is kept, the last one stands a while.

    Raises:
        OutputError: if the suffix is not .gif or the file cannot be written; names where it was put instead.
    """
    # One shared palette of greys and the labels' colours: no dithering, no flicker.
    palette_source = frames[len(frames) // 2].quantize(256, dither=Image.Dither.NONE)
    quantised = [frame.quantize(palette=palette_source, dither=Image.Dither.NONE) for frame in frames]
    delays = [FRAME_SECONDS] * (len(frames) - 1) + [LAST_FRAME_SECONDS]
    write_gif(path, lambda: quantised, delays, never_lost=True)


def frame_size(num_images: int, height: int, width: int) -> tuple[int, int]:
    """(width, height) in pixels of the frames that `run_frames` makes of so many images."""
    return _layout(2, num_images, height, width)[1]


def _layout(num_rows: int, num_columns: int, height: int, width: int) -> tuple[int, tuple[int, int]]:
    """How much pictures of (height, width) cells are enlarged, and the (width, height) of their sheet."""
    factor = max(1, round(PICTURE_SIZE_PIXELS / max(height, width)))
    columns_pixels = num_columns * (width * factor + GAP_PIXELS)
    rows_pixels = num_rows * (height * factor + GAP_PIXELS)
    return factor, (columns_pixels + GAP_PIXELS, rows_pixels + GAP_PIXELS + LABEL_HEIGHT_PIXELS)


def _compose(labels: Sequence[str], grid: ArrayLike) -> Image.Image:
    """Pictures float[rows, columns, H, W, V] with a label over each column."""
    pictures = np.asarray(grid, np.float32)
    num_rows, num_columns, height, width, _ = pictures.shape
    factor, size = _layout(num_rows, num_columns, height, width)
    cell_height, cell_width = height * factor + GAP_PIXELS, width * factor + GAP_PIXELS
    image = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(LABEL_FONT_PIXELS)
    for column, label in enumerate(labels):
        draw.text((GAP_PIXELS + column * cell_width, GAP_PIXELS // 2), label, LABEL_COLOUR, font)
    # What is not finite shows as paper; the figures, not the sheet, tell it apart.
    shades = np.round(255 * np.clip(np.nan_to_num(pictures, posinf=1.0, neginf=0.0), 0, 1)).astype(np.uint8)
    shades = np.broadcast_to(shades, (*shades.shape[:-1], 3))
    for row in range(num_rows):
        for column in range(num_columns):
            enlarged = shades[row, column].repeat(factor, axis=0).repeat(factor, axis=1)
            corner = (
                GAP_PIXELS + column * cell_width,
                GAP_PIXELS + LABEL_HEIGHT_PIXELS + row * cell_height,
            )
            image.paste(Image.fromarray(enlarged), corner)
    return image
