"""What is done about a fault: an exhibit helps itself, a person is told and keeps the picture."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from nca_viewer.errors import RestartNeededError, UserError
from nca_viewer.health import Fault, Remedy, Verdict
from nca_viewer.interaction.actions import EndExperiments
from nca_viewer.interaction.bindings import key_label
from nca_viewer.interaction.experimenting import told

if TYPE_CHECKING:
    from nca_viewer.automaton.experiments import Experiments
    from nca_viewer.display.face import Face
    from nca_viewer.loading import Session
    from nca_viewer.snapshot import Snapshot

TOLD_BLOW_UPS = 3
"""From this blow-up under the same experiments on, these are told."""


def recover(session: Session, verdict: Verdict) -> None:
    """In an exhibit: visitors see no more than another digit; the log and the status file tell the operator.

    Raises:
        RestartNeededError: nothing else helps.
    """
    if verdict.remedy is Remedy.RESTART:
        raise RestartNeededError(f"{verdict.reason}; start the program again")
    if verdict.remedy is Remedy.FRESH_DIGIT:
        _try(session.begin_digit)


class Repairs:
    """At a desk: starts again from the same picture, and says why."""

    def __init__(self, face: Face) -> None:
        """Nothing has failed yet.

        Args:
            face: Tells it.
        """
        self._face = face
        self._blown_up: tuple[Experiments | None, int] = (None, 0)

    def repair(self, session: Session, verdict: Verdict, snapshot: Snapshot, now_seconds: float) -> None:
        """Do about a fault what can be done, and tell it.

        Args:
            session: What runs.
            verdict: What is wrong.
            snapshot: Of the frame in which it was.
            now_seconds: The time, never going back.
        """
        if verdict.fault is Fault.STALLED:
            text = f"{verdict.reason}; it goes on as soon as the device answers"
            self._face.complain(text, now_seconds)
        elif verdict.fault is Fault.ERROR:
            self._face.complain(verdict.reason, now_seconds)
            _try(session.simulation.restart)
        elif snapshot.episode == session.simulation.episode:
            self._face.complain(self._blow_up_text(session, snapshot), now_seconds)
            _try(session.simulation.restart)

    def _blow_up_text(self, session: Session, snapshot: Snapshot) -> str:
        """What is told of another blow-up: in the end, which experiments make it, and what ends them."""
        experiments = session.simulation.experiments
        before, count = self._blown_up
        self._blown_up = experiments, count + 1 if experiments is before else 1
        if self._blown_up[1] >= TOLD_BLOW_UPS and not experiments.is_neutral:
            key, changes = key_label(EndExperiments()), ", ".join(told(experiments))
            return f"{key} ends all experiments: it blew up {self._blown_up[1]} times under {changes}"
        panes = zip(session.panes, snapshot.panes, strict=True)
        who = " and ".join(pane.label for pane, seen in panes if not seen.is_healthy) or "The automaton"
        return f"{who} blew up at step {snapshot.step:,}; started again from the same picture"


def _try(begin: Callable[[], None]) -> None:
    """Begin anew; where the device fails even in that, the next frame will tell."""
    with contextlib.suppress(UserError):
        begin()
