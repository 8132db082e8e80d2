"""What the loop tells of every frame, and who hears of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from nca_viewer.health import Verdict
from nca_viewer.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class FrameReport:
    """What the loop tells of one frame, after it was shown.

    Attributes:
        now_seconds: The time, from any zero, never going back.
        snapshot: What the device sent in this frame, healthy or not; the one before where nothing came.
        mode: What the program is doing: "window", "exhibit", "attract", "night".
        frames: Shown so far.
        frames_per_second: Measured.
        steps_per_second: Measured.
        is_running: Whether steps are due: neither paused nor asleep.
        step_interval_seconds: How far apart steps are at this speed.
        hands_on: Whether a hand was on the exhibit in this frame.
        expects_change: Whether a stroke of this frame should have changed the picture.
        is_ruined: Whether the page cannot come back.
        waiting_seconds: How long the device has been asked for a snapshot that has not come.
        error: What went wrong in this frame; empty where nothing did.
        facts: What is true of a public place, see `Face.facts`; None in a person's own window.
    """

    now_seconds: float
    snapshot: Snapshot
    mode: str = "window"
    frames: int = 0
    frames_per_second: float = 0.0
    steps_per_second: float = 0.0
    is_running: bool = True
    step_interval_seconds: float = 1 / 60
    hands_on: bool = False
    expects_change: bool = False
    is_ruined: bool = False
    waiting_seconds: float = 0.0
    error: str = ""
    facts: Any = None


class FrameListener(Protocol):
    """Hears of every frame, and says when something must be done; `kiosk.operation.monitor` has one."""

    acts_alone: bool
    """Whether nobody is there who could do something about a fault."""

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong at the moment, a line each."""

    def starting(self, now_seconds: float, stage: str) -> None:
        """A frame of the waiting screen was shown; `stage` is what is being done."""

    def loaded(self, shown: str, sha256: str, trouble: str) -> None:
        """A checkpoint was loaded; `trouble` tells why it is not the one that was asked for."""

    def after_frame(self, report: FrameReport) -> Verdict | None:
        """Judge a frame that was shown; returns what the loop should do, None where all is well."""

    def unexpected(self, error: Exception, now_seconds: float) -> str:
        """Something failed unexpectedly in a frame; returns it as one line."""
