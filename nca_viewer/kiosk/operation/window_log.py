"""Tells the log of a window that was brought back, now and then."""

from __future__ import annotations

from nca_viewer.kiosk.operation.event_log import LogEvent, log_event

TELLING_SECONDS = 60.0


class WindowLog:
    """The count of a run."""

    def __init__(self) -> None:
        """Nothing was brought back yet."""
        self._untold = 0
        self._told_seconds = float("-inf")

    def note(self, trouble: str, now_seconds: float) -> None:
        """The window is brought back; the log hears of it at most once in `TELLING_SECONDS`."""
        self._untold += 1
        if now_seconds - self._told_seconds >= TELLING_SECONDS:
            times = "" if self._untold == 1 else f", {self._untold} times since the last line"
            log_event(LogEvent.WINDOW, f"{trouble}; brought back{times}")
            self._untold, self._told_seconds = 0, now_seconds
