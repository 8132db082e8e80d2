"""Plays a session's record in the loop: words first, to be read, then what they tell of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nca_viewer.recording.lines import Caption

if TYPE_CHECKING:
    import numpy as np

    from nca_viewer.display.face import Face
    from nca_viewer.loading import Session
    from nca_viewer.recording.replay import Replay

_READING_SECONDS = 2.5


class Player:
    """Lets a record act in place of hands, frame by frame."""

    def __init__(self, face: Face, *, has_readers: bool) -> None:
        """Play nothing yet.

        Args:
            face: Does what a record says to the window.
            has_readers: Whether somebody may be reading, for whom time waits.
        """
        self._face = face
        self._has_readers = has_readers
        self._reading_until_seconds = float("-inf")
        self._touched: np.ndarray | None = None

    def take_touched(self) -> np.ndarray | None:
        """bool[H, W], the cells that the record's hands touched since this was last asked; None for none."""
        touched, self._touched = self._touched, None
        return touched

    def advancing(self, session: Session, now_seconds: float) -> Callable[[int], None] | None:
        """Takes steps with all that a record says of them; None where it has nothing more to say."""
        replay = session.replay
        if replay is None or not session.is_replaying:
            return None

        def advance(steps: int) -> None:
            if now_seconds >= self._reading_until_seconds:
                self._play(replay, steps, now_seconds)

        return advance

    def step_once(self, session: Session, now_seconds: float) -> None:
        """One step, and all that the record says before it, without a pause."""
        replay = session.replay
        if replay is None or not session.is_replaying:
            session.simulation.advance(1)
            return
        steps = replay.steps
        while session.is_replaying and replay.steps == steps:
            self._play(replay, 1, now_seconds)

    def end_pause(self) -> None:
        """Go on at once: what was shown has been read."""
        self._reading_until_seconds = float("-inf")

    def _play(self, replay: Replay, steps: int, now_seconds: float) -> None:
        played = replay.advance(steps)
        if played.touched is not None:
            self._touched = played.touched if self._touched is None else self._touched | played.touched
        self._face.follow(played.cues, now_seconds)
        if self._has_readers and any(isinstance(cue, Caption) for cue in played.cues):
            self._reading_until_seconds = now_seconds + _READING_SECONDS
