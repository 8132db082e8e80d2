"""When a frame is due, and how many steps are due in it. Nothing here reads the time: it is passed in."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

MAX_CATCH_UP_FRAMES = 4
"""Steps of at most this many missed frames are made up for; a longer stall is forgotten."""

MAX_CATCH_UP_RATIO = 2
"""They are made up for over several frames, none of which gets more than this many times its own steps:
all at once they would cause the next stall."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """How fast steps come where people watch: slow while there is something to see, and quick at rest.

    Attributes:
        silent_steps_per_second: While nothing is seen of a digit yet.
        forming_steps: So many steps from then on, it forms.
        forming_steps_per_second: During these.
        touched_steps: So many steps after the last hand, it may still be on the cells.
        touched_steps_per_second: During these: a hand that wipes a page is faster than the healing behind it.
        healing_steps: So many steps after the last hand, damage heals.
        healing_steps_per_second: During the rest of them.
        resting_steps_per_second: From then on, until a hand is on the cells again.
    """

    silent_steps_per_second: float
    forming_steps: int
    forming_steps_per_second: float
    touched_steps: int
    touched_steps_per_second: float
    healing_steps: int
    healing_steps_per_second: float
    resting_steps_per_second: float

    def steps_per_second(self, step: int, hand_step: int = 0, silent_steps: int = 0) -> float:
        """How fast steps come.

        Args:
            step: Of the automaton, since its start.
            hand_step: At which a hand was last on the cells; 0 where none has been.
            silent_steps: In which cells of this automaton show their start as it is.
        """
        if step < silent_steps:
            return self.silent_steps_per_second
        if step < silent_steps + self.forming_steps:
            return self.forming_steps_per_second
        if hand_step and step - hand_step < self.touched_steps:
            return self.touched_steps_per_second
        if hand_step and step - hand_step < self.healing_steps:
            return self.healing_steps_per_second
        return self.resting_steps_per_second


VISIBLE_TEMPO = Tempo(
    silent_steps_per_second=24.0,
    forming_steps=26,
    forming_steps_per_second=8.0,
    touched_steps=3,
    touched_steps_per_second=10.0,
    healing_steps=68,
    healing_steps_per_second=17.0,
    resting_steps_per_second=60.0,
)
"""Measured on 20 digits with the bundled `model`: a digit is 95 % formed after 46 to 59 steps, 32 of them
silent, about 4 s; 90 % of damage of radius 4 is healed after 31 to 46 steps (erased) or 36 to 68 (corrupted),
2 to 4 s, the first of it after some 20. What rests looks the same at any speed, but until about step 100
cells of `model` still finish: that takes most of a second."""

_LEAD_RATIO = 1.5
_LARGEST_LEAD = 0.8
_LEAD_DECAY = 0.985


@dataclass(frozen=True, slots=True)
class FrameClock:
    """Where the loop is on an even grid of times, one per frame.

    A frame is shown when it is due and not when it happens to be ready, so that frames follow each other
    evenly although the work on them varies. That work begins as late as it safely can: what a hand does
    until then is still seen in this very frame.

    Attributes:
        origin_seconds: When frame 0 is due.
        frame_seconds: Between two frames.
        number: Of the frame that comes next; frames that were missed are counted too.
        worst_work_seconds: The most that the work on a frame took lately.
    """

    origin_seconds: float
    frame_seconds: float
    number: int = 0
    worst_work_seconds: float = 0.0

    @property
    def due_seconds(self) -> float:
        """When the frame should be shown."""
        return self.origin_seconds + self.number * self.frame_seconds

    @property
    def begin_seconds(self) -> float:
        """When the work on it should begin."""
        lead = min(_LEAD_RATIO * self.worst_work_seconds, _LARGEST_LEAD * self.frame_seconds)
        return self.due_seconds - lead

    def after(self, *, now_seconds: float, work_seconds: float) -> FrameClock:
        """The clock of the frame after the one that was just shown.

        Args:
            now_seconds: The time.
            work_seconds: How long the work on the frame took, without waiting for its time.
        """
        missed = max(0, math.floor((now_seconds - self.due_seconds) / self.frame_seconds))
        # A stall is no reason to begin early for long: beyond a frame, nothing could be won by it.
        work = min(work_seconds, self.frame_seconds)
        return replace(
            self,
            number=self.number + 1 + missed,
            worst_work_seconds=max(work, _LEAD_DECAY * self.worst_work_seconds),
        )


_LARGEST_CUT = 0.5
_GROWTH = 1.1
_GROWTH_STEPS = 0.5


@dataclass(frozen=True, slots=True)
class StepBudget:
    """What pacing remembers from frame to frame.

    Attributes:
        owed_steps: Steps that are due but not taken yet, at least 0; below 1 unless frames were missed.
        affordable_steps: How many steps a frame can bear, at least 1; infinite until frames prove slow.
        is_limited: Whether the last frame got fewer steps than the speed asks for.
        late_frames: How many frames in a row took too long.
    """

    owed_steps: float = 0.0
    affordable_steps: float = math.inf
    is_limited: bool = False
    late_frames: int = 0


def due_steps(
    budget: StepBudget, *, steps_per_frame: float, elapsed_seconds: float, frame_seconds: float
) -> tuple[int, StepBudget]:
    """How many steps to take now.

    Frames that were missed are made up for, up to `MAX_CATCH_UP_FRAMES`, within the next few frames. What a
    frame cannot bear is dropped, not owed.

    Args:
        budget: From the frame before.
        steps_per_frame: The speed asked for.
        elapsed_seconds: Time since the frame before.
        frame_seconds: How long a frame should take.

    Returns:
        The number of steps, and the budget to pass in next time.
    """
    frames = min(max(round(elapsed_seconds / frame_seconds), 1), MAX_CATCH_UP_FRAMES)
    owed = min(budget.owed_steps + steps_per_frame * frames, 1 + steps_per_frame * MAX_CATCH_UP_FRAMES)
    due = math.floor(owed)
    steps = min(due, math.ceil(steps_per_frame * MAX_CATCH_UP_RATIO))
    if steps > budget.affordable_steps:
        affordable = math.floor(budget.affordable_steps)
        is_limited = affordable < math.floor(budget.owed_steps % 1 + steps_per_frame)
        return affordable, replace(budget, owed_steps=0.0, is_limited=is_limited)
    return steps, replace(budget, owed_steps=owed - steps, is_limited=False)


def measured(budget: StepBudget, *, steps: int, seconds: float, budget_seconds: float) -> StepBudget:
    """Learn from the time that a frame with some steps took, drawing included.

    Two frames in a row beyond `budget_seconds`, and the next ones get fewer steps, at most halved at once;
    one alone says nothing, since others use the machine too. Within it they get more, little by little, up
    to what is asked for. Neither needs to know how the time divides into steps and drawing.

    Args:
        budget: Until now.
        steps: How many steps were taken.
        seconds: How long the frame was busy.
        budget_seconds: How long it may be busy.
    """
    if steps < 1:
        return budget
    if seconds > budget_seconds:
        if budget.late_frames == 0:
            return replace(budget, late_frames=1)
        cut = max(budget_seconds / seconds, _LARGEST_CUT)
        return replace(budget, affordable_steps=max(1.0, steps * cut), late_frames=budget.late_frames + 1)
    budget = replace(budget, late_frames=0)
    if steps + 1 <= budget.affordable_steps:  # nothing new: it was not put to the test
        return budget
    return replace(budget, affordable_steps=_GROWTH * budget.affordable_steps + _GROWTH_STEPS)


_RATE_SECONDS = 1.0


class RateMeter:
    """Counts things per second over the last second or so."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._counts: deque[tuple[float, int]] = deque()

    def count(self, now_seconds: float, number: int) -> None:
        """Note that `number` things happened up to now."""
        self._counts.append((now_seconds, number))
        while self._counts[0][0] < now_seconds - _RATE_SECONDS:
            self._counts.popleft()

    @property
    def per_second(self) -> float:
        """The rate; 0 until there are two counts."""
        if len(self._counts) < 2:
            return 0.0
        span = self._counts[-1][0] - self._counts[0][0]
        total = sum(number for _, number in list(self._counts)[1:])
        return total / span if span > 0 else 0.0
