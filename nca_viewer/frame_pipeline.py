"""The frame pipeline: what the device is asked for, one frame ahead of the eye."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nca_viewer.automaton.explanation import Explain
from nca_viewer.interaction.actions import Action
from nca_viewer.pacing import FrameClock, RateMeter, StepBudget, due_steps, measured
from nca_viewer.snapshot import Snapshot

if TYPE_CHECKING:
    from nca_viewer.panes import Panes, PendingPanes
    from nca_viewer.simulation import PendingSnapshot, Simulation

STALL_SECONDS = 0.1
"""Longer than this no frame waits for the device: the window goes on with the picture it has."""

BUSY_BUDGET = 0.8
"""Part of a frame's time that steps and drawing may take; the rest keeps the window responsive."""

_MAX_HELD_ACTIONS = 256
_DEVICE_POLL_SECONDS = 0.0005


@dataclass(frozen=True, slots=True)
class _Request:
    """A snapshot that the device was asked for.

    Attributes:
        pending: What it will send.
        began_seconds: When the frame began that asked.
        steps: How many steps were under way.
        busy_since_seconds: Since when those steps, and the drawing, took their time.
    """

    pending: PendingSnapshot | PendingPanes
    began_seconds: float
    steps: int
    busy_since_seconds: float


class FramePipeline:
    """Asks for this frame's snapshot and has the next frame's steps begun, then collects.

    The device has the time of drawing and of waiting for the steps. One that is still at work on the last
    frame's gets nothing more to do; what hands do meanwhile is held for later.

    Attributes:
        step_rate: Counts steps per second.
        fraction: How much of the time until the next step is over, in [0, 1]; 1 where none is to come, and in
            the frame after which it comes.
    """

    def __init__(self, now_seconds: Callable[[], float]) -> None:
        """Ask for nothing yet.

        Args:
            now_seconds: The window's clock.
        """
        self.step_rate = RateMeter()
        self.fraction = 1.0
        self._now_seconds = now_seconds
        self._request: _Request | None = None
        self._collected: _Request | None = None
        self._held: deque[Action] = deque(maxlen=_MAX_HELD_ACTIONS)
        self._step_budget = StepBudget()
        self._steps_under_way = 0
        self._dispatched_seconds = 0.0
        self._is_device_late = False
        self._step_before = 0

    @property
    def is_waiting(self) -> bool:
        """Whether the device still owes a snapshot; until then the cells are not touched."""
        return self._request is not None

    @property
    def waiting_seconds(self) -> float:
        """How long it has owed it."""
        return 0.0 if self._request is None else self._now_seconds() - self._request.began_seconds

    @property
    def is_limited(self) -> bool:
        """Whether the machine cannot compute as many steps in a frame as the speed asks for."""
        return self._step_budget.is_limited

    def begin_frame(self, simulation: Simulation | Panes, *, has_real_time: bool) -> None:
        """Look at the device before hands act; `has_real_time` is whether the clock runs by itself."""
        self._collected = None
        self._is_device_late = has_real_time and simulation.is_busy
        self._step_before = simulation.step

    def hold(self, action: Action) -> None:
        """Keep what a hand did until the device is free."""
        self._held.append(action)

    def released(self) -> Iterator[Action]:
        """What was held, oldest first, while the device is free."""
        while not self.is_waiting and self._held:
            yield self._held.popleft()

    def ask(
        self,
        simulation: Simulation | Panes,
        *,
        began_seconds: float,
        steps_per_frame: float,
        elapsed_seconds: float,
        frame_seconds: float,
        explain: Explain = Explain.NOTHING,
        advance: Callable[[int], None] | None = None,
    ) -> None:
        """Ask for this frame's snapshot, and have the next frame's steps begun; once until it is collected.

        Args:
            simulation: What runs.
            began_seconds: When this frame began.
            steps_per_frame: The speed; 0 while the automaton does not run.
            elapsed_seconds: Time since the frame before.
            frame_seconds: How long a frame should take.
            explain: How much of the next step the snapshot should tell.
            advance: Takes the steps, where the simulation is not to take them by itself, as in a replay.

        Raises:
            BackendError: the device failed.
        """
        if self._request is not None:
            return
        pending = simulation.request_snapshot(explain=explain)
        under_way, dispatched = self._steps_under_way, self._dispatched_seconds
        self.step_rate.count(began_seconds, under_way + max(0, simulation.step - self._step_before))
        self._steps_under_way, self.fraction = 0, 1.0
        if steps_per_frame:
            self._steps_under_way, self._step_budget = due_steps(
                self._step_budget,
                steps_per_frame=steps_per_frame,
                elapsed_seconds=elapsed_seconds,
                frame_seconds=frame_seconds,
            )
            self.fraction = min(self._steps_under_way + self._step_budget.owed_steps, 1.0)
        (advance or simulation.advance)(self._steps_under_way)
        self._dispatched_seconds = self._now_seconds()
        busy_since = dispatched if self._is_device_late else began_seconds
        self._request = _Request(pending, began_seconds, under_way, busy_since)

    def collect(self) -> Snapshot | None:
        """What the device was asked for; None where it takes longer than `STALL_SECONDS`.

        Raises:
            BackendError: the device failed.
        """
        request = self._request
        if request is None:
            return None
        while not request.pending.is_ready:
            if self._now_seconds() - request.began_seconds > STALL_SECONDS:
                return None
            time.sleep(_DEVICE_POLL_SECONDS)
        self._request = None
        snapshot = request.pending.result()
        self._collected = request
        return snapshot

    def measure(self, clock: FrameClock) -> None:
        """Learn from how long this frame's steps and its drawing took; to be called when it is drawn."""
        if self._collected is not None:
            self._step_budget = measured(
                self._step_budget,
                steps=self._collected.steps,
                seconds=self._now_seconds() - self._collected.busy_since_seconds,
                budget_seconds=BUSY_BUDGET * clock.frame_seconds,
            )

    def drop(self) -> None:
        """Expect nothing more of what was asked for: the device failed, or the frame broke off."""
        self._request = None
        self._steps_under_way = 0

    def clear(self) -> None:
        """Another automaton runs from now on: what was held has no place in it."""
        self.drop()
        self._held.clear()
