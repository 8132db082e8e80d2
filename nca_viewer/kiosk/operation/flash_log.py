"""Counts what the flash limiter holds back, and tells the log of it now and then."""

from __future__ import annotations

from nca_viewer.kiosk.operation.event_log import LogEvent, log_event

TELLING_SECONDS = 60.0


class FlashLog:
    """The count of a run.

    Attributes:
        frames: How many frames were held back, or a part of them, until now.
    """

    def __init__(self) -> None:
        """Nothing was held back yet."""
        self.frames = 0
        self._told = 0
        self._told_seconds = float("-inf")

    def note(self, now_seconds: float) -> None:
        """A frame was held back; the log hears of it at most once in `TELLING_SECONDS`."""
        self.frames += 1
        if now_seconds - self._told_seconds >= TELLING_SECONDS:
            held = self.frames - self._told
            log_event(
                LogEvent.FLASHES, f"{held} frame{'' if held == 1 else 's'} held back, {self.frames} in all"
            )
            self._told, self._told_seconds = self.frames, now_seconds
