"""How many steps are due in a frame. No clock inside: times and costs are passed in."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

MAX_CATCH_UP_FRAMES = 4
"""Steps of at most this many missed frames are made up for; a longer stall is forgotten."""

_LARGEST_CUT = 0.5
_GROWTH = 1.1
_GROWTH_STEPS = 0.5


@dataclass(frozen=True, slots=True)
class Pace:
    """What pacing remembers from frame to frame.

    Attributes:
        owed_steps: Part of a step that is not due yet, in [0, 1).
        affordable_steps: How many steps a frame can bear, at least 1; infinite until frames prove slow.
        is_limited: Whether the last frame got fewer steps than the speed asks for.
    """

    owed_steps: float = 0.0
    affordable_steps: float = math.inf
    is_limited: bool = False


def due_steps(
    pace: Pace, *, steps_per_frame: float, elapsed_seconds: float, frame_seconds: float
) -> tuple[int, Pace]:
    """How many steps to take now.

    Frames that were missed are made up for, up to `MAX_CATCH_UP_FRAMES`. What a frame cannot bear is
    dropped, not owed.

    Args:
        pace: From the frame before.
        steps_per_frame: The speed asked for.
        elapsed_seconds: Time since the frame before.
        frame_seconds: How long a frame should take.

    Returns:
        The number of steps, and the pace to pass in next time.
    """
    frames = min(max(round(elapsed_seconds / frame_seconds), 1), MAX_CATCH_UP_FRAMES)
    owed = pace.owed_steps + steps_per_frame * frames
    steps = math.floor(owed)
    if steps > pace.affordable_steps:
        affordable = math.floor(pace.affordable_steps)
        is_limited = affordable < math.floor(pace.owed_steps + steps_per_frame)
        return affordable, replace(pace, owed_steps=0.0, is_limited=is_limited)
    return steps, replace(pace, owed_steps=owed - steps, is_limited=False)


def measured(pace: Pace, *, steps: int, seconds: float, budget_seconds: float) -> Pace:
    """Learn from the time that a frame with some steps took, drawing included.

    Beyond the budget, the next frames get fewer steps, at most halved at once: one stall says little.
    Within it they get more, little by little, up to what is asked for. Neither needs to know how the time
    divides into steps and drawing.

    Args:
        pace: Until now.
        steps: How many steps were taken.
        seconds: How long the frame was busy.
        budget_seconds: How long it may be busy.
    """
    if steps < 1:
        return pace
    if seconds > budget_seconds:
        cut = max(budget_seconds / seconds, _LARGEST_CUT)
        return replace(pace, affordable_steps=max(1.0, steps * cut))
    if steps + 1 <= pace.affordable_steps:  # nothing new: it was not put to the test
        return pace
    return replace(pace, affordable_steps=_GROWTH * pace.affordable_steps + _GROWTH_STEPS)


class RateMeter:
    """Counts things per second over the last second or so."""

    def __init__(self, window_seconds: float = 1.0) -> None:
        """Start with nothing counted.

        Args:
            window_seconds: Over how long to average.
        """
        self._window_seconds = window_seconds
        self._counts: deque[tuple[float, int]] = deque()

    def count(self, now_seconds: float, number: int) -> None:
        """Note that `number` things happened up to now."""
        self._counts.append((now_seconds, number))
        while self._counts[0][0] < now_seconds - self._window_seconds:
            self._counts.popleft()

    @property
    def per_second(self) -> float:
        """The rate; 0 until there are two counts."""
        if len(self._counts) < 2:
            return 0.0
        span = self._counts[-1][0] - self._counts[0][0]
        total = sum(number for _, number in list(self._counts)[1:])
        return total / span if span > 0 else 0.0
