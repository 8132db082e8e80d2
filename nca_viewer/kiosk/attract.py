"""Follows the attract loop's script: from times to actions and to where the ghost hand is; pure."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

from nca_viewer.interaction.actions import Action, Cell, NewDigit, Stroke, Tool
from nca_viewer.kiosk.attract_script import AttractScript, BeginDigit, Caption, HandStroke, Wait

GLIDE_SECONDS = 0.9
"""How long the ghost hand takes to come to a stroke's first point, and to leave its last one."""

Point = tuple[float, float]
"""(x, y), parts of the grid's width and height."""

_LONGEST_FRAME_SECONDS = 0.25
_HOME = (1.12, 0.75)
"""Where the ghost hand comes from and goes to: beside the grid."""


@dataclass(frozen=True, slots=True)
class Ghost:
    """The hand that shows how it is done.

    Attributes:
        x: Part of the grid's width.
        y: Part of the grid's height.
        is_down: Whether it touches.
        tool: What it does there.
        opacity: In [0, 1].
        radius_cells: Of its brush; None is the visitors' brush.
    """

    x: float
    y: float
    is_down: bool
    tool: Tool
    opacity: float
    radius_cells: int | None

    def cell(self, grid_size: tuple[int, int]) -> Cell:
        """Which cell it points at, in a grid of (height, width) cells."""
        return _cell((self.x, self.y), grid_size)


_SILENCE = Caption()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the script is.

    Attributes:
        number: Of the instruction that goes on.
        seconds: Since it began.
        caption: What is said.
        ghost: The hand, while there is one.
        drawn: Which part of this stroke's way is done, in [0, 1].
    """

    number: int = 0
    seconds: float = 0.0
    caption: Caption = _SILENCE
    ghost: Ghost | None = None
    drawn: float = 0.0


def follow(
    script: AttractScript, before: Progress, elapsed_seconds: float, grid_size: tuple[int, int]
) -> tuple[Progress, tuple[Action, ...]]:
    """Go on with the script.

    Args:
        script: What to follow; from its end it goes on with its beginning.
        before: How far it was.
        elapsed_seconds: Since then; a long time counts as a short one, so that no frame has much to do.
        grid_size: (height, width) in cells.

    Returns:
        How far it is, and what it does to the picture.
    """
    progress = replace(
        before, seconds=before.seconds + min(max(elapsed_seconds, 0.0), _LONGEST_FRAME_SECONDS)
    )
    actions: list[Action] = []
    for _ in range(2 * len(script.instructions)):
        instruction = script.instructions[progress.number % len(script.instructions)]
        duration = _duration(instruction)
        if isinstance(instruction, HandStroke):
            progress, strokes = _stroke(instruction, progress, grid_size)
            actions.extend(strokes)
        elif progress.ghost is not None:
            progress = replace(progress, ghost=None)
        if progress.seconds < duration:
            return progress, tuple(actions)
        if isinstance(instruction, BeginDigit):
            actions.append(NewDigit(instruction.digit))
        elif isinstance(instruction, Caption):
            progress = replace(progress, caption=instruction)
        number = (progress.number + 1) % len(script.instructions)
        progress = replace(progress, number=number, seconds=progress.seconds - duration, drawn=0.0)
    return progress, tuple(actions)


def _duration(instruction: object) -> float:
    if isinstance(instruction, Wait):
        return instruction.seconds
    if isinstance(instruction, HandStroke):
        return instruction.seconds + 2 * GLIDE_SECONDS
    return 0.0


def _stroke(
    stroke: HandStroke, progress: Progress, grid_size: tuple[int, int]
) -> tuple[Progress, tuple[Action, ...]]:
    """The hand comes, goes along its points, and leaves."""
    points = stroke.points
    drawing_seconds = progress.seconds - GLIDE_SECONDS
    if drawing_seconds < 0:
        part = _eased(progress.seconds / GLIDE_SECONDS)
        ghost = _ghost(stroke, _between(_HOME, points[0], part), opacity=part, is_down=False)
        return replace(progress, ghost=ghost), ()
    part = min(drawing_seconds / stroke.seconds, 1.0)
    strokes: tuple[Action, ...] = ()
    if progress.drawn < 1.0:
        # A frame may be long: the corners on its way are gone round, and the last point is always reached.
        passed = [point for at, point in _corners(points) if progress.drawn < at < part]
        cells = [
            _cell(point, grid_size)
            for point in (_along(points, progress.drawn), *passed, _along(points, part))
        ]
        strokes = tuple(
            Stroke(stroke.tool, start, end, stroke.radius_cells) for start, end in itertools.pairwise(cells)
        )
    gone = _eased((drawing_seconds - stroke.seconds) / GLIDE_SECONDS)
    place = _along(points, part) if gone == 0 else _between(points[-1], _HOME, gone)
    ghost = _ghost(stroke, place, opacity=1.0 - gone, is_down=part < 1.0)
    return replace(progress, ghost=ghost, drawn=part), strokes


def _ghost(stroke: HandStroke, place: Point, *, opacity: float, is_down: bool) -> Ghost:
    return Ghost(place[0], place[1], is_down, stroke.tool, opacity, stroke.radius_cells)


def _cell(point: Point, grid_size: tuple[int, int]) -> Cell:
    height, width = grid_size
    return (min(int(point[1] * height), height - 1), min(int(point[0] * width), width - 1))


def _corners(points: tuple[Point, ...]) -> list[tuple[float, Point]]:
    """Each point, and which part of the way it is at, in [0, 1]."""
    lengths = [math.dist(start, end) for start, end in itertools.pairwise(points)]
    total = sum(lengths)
    if total == 0:
        return [(0.0, points[0])]
    return list(
        zip([0.0, *(length / total for length in itertools.accumulate(lengths))], points, strict=True)
    )


def _along(points: tuple[Point, ...], part: float) -> Point:
    """Where a part of the way is done."""
    corners = _corners(points)
    for (before, start), (after, end) in itertools.pairwise(corners):
        if part <= after:
            return _between(start, end, (part - before) / (after - before) if after > before else 0.0)
    return corners[-1][1]


def _between(start: Point, end: Point, part: float) -> Point:
    return (start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part)


def _eased(part: float) -> float:
    """Slow at both ends, in [0, 1]."""
    part = min(max(part, 0.0), 1.0)
    return part * part * (3.0 - 2.0 * part)
