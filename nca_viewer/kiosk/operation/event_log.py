"""The log of an unattended program: one table of what its lines mean, and bounded files."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from nca_viewer.errors import presentable

FILE_BYTES = 1_000_000
"""A log file that grows beyond this is put aside."""

KEPT_FILES = 5
"""So many of those that were put aside are kept."""

_LOGGER = logging.getLogger("nca_viewer.kiosk.operation")
_LOGGER.propagate = False
_LOGGER.addHandler(logging.NullHandler())


def utc(moment: datetime) -> str:
    """A moment as it is written: UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


class LogEvent(Enum):
    """What a line of the log is about: its first word, how grave it is, what it means, what to do."""

    START = "start", logging.INFO, "the program starts; version, options and folders follow", ""
    LIVE = "live", logging.INFO, "the automaton runs and is on the screen", ""
    END = "end", logging.INFO, "the program ends on purpose", ""
    CHECKPOINT = (
        "checkpoint",
        logging.WARNING,
        "the checkpoint is gone or damaged; the bundled one is shown in its place, or after the operator's "
        "reload the one from before",
        "copy the checkpoint again and restart",
    )
    FAULT = (
        "fault",
        logging.WARNING,
        "something was wrong with the automaton; kind, figures and remedy follow",
        "nothing, if it is rare; else keep the folder `faults` and run `nca-viewer doctor`",
    )
    FAILED = (
        "failed",
        logging.ERROR,
        "the program cannot go on, or could not start; the line says why and what to do",
        "do what the line says",
    )
    RESTARTED = (
        "restarted",
        logging.WARNING,
        "the supervisor starts the viewer anew; the line says why it ended",
        "nothing, if it is rare; else read the viewer's log of the same time",
    )
    GIVEN_UP = (
        "given-up",
        logging.CRITICAL,
        "the viewer failed too often, and the supervisor has stopped trying",
        "run `nca-viewer doctor`, mend what it names, and start the exhibit again",
    )
    ERROR = (
        "error",
        logging.ERROR,
        "something that nobody expected, with where it happened",
        "report it with the lines that follow",
    )
    DISPLAY = (
        "display",
        logging.ERROR,
        "the screen went away, or there is none yet; the program ends with code 74 to be started again",
        "check cable, power and X server of the screen",
    )
    RESTART = (
        "restart",
        logging.ERROR,
        "the program cannot help itself and ends with code 75 to be started again",
        "nothing, if it is rare; else run `nca-viewer doctor`",
    )
    WINDOW = (
        "window",
        logging.WARNING,
        "the window did not fill the screen, or was hidden or behind another one, and was brought back; told "
        "once a minute at most",
        "look for the program that does it: a window manager, a notification, an update",
    )
    FLASHES = (
        "flashes",
        logging.INFO,
        "frames that would have flashed too often were held back; told once a minute at most",
        "nothing: hundreds in a minute are normal under many hands, and show that the limiter works",
    )
    USAGE = (
        "usage",
        logging.WARNING,
        "the file of counts held other lines, perhaps since a spreadsheet had saved it in another form; it "
        "was put aside under the name that the line says, and a new one begun",
        "keep the old file; join the two by hand if you need one",
    )
    DISK = (
        "disk",
        logging.WARNING,
        "a file could not be written; told once until it works again, and the exhibit goes on",
        "make room on the disk, or mend the folder's permissions",
    )

    def __init__(self, word: str, level: int, meaning: str, action: str) -> None:
        """Name the columns of the table."""
        self.word = word
        self.level = level
        self.meaning = meaning
        self.action = action


def log_event(event: LogEvent, text: str, *, error: BaseException | None = None) -> None:
    """Write a line about something; nothing where no log was opened. With an error, its traceback too."""
    details = (type(error), error, error.__traceback__) if error is not None else None
    _LOGGER.log(event.level, "%s: %s", event.word, " ".join(text.split()), exc_info=details)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """The line, with a traceback's lines below it; no text is such that it cannot be written."""
        return "\n".join(presentable(line) for line in super().format(record).split("\n"))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """When it was, UTC."""
        return utc(datetime.fromtimestamp(record.created, UTC))


class _FileHandler(logging.handlers.RotatingFileHandler):
    """Goes on without a word where the disk is full; the last trouble stays readable."""

    problem = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.problem = ""
        try:
            self._follow_file()
        except OSError:
            self.handleError(record)
            return
        super().emit(record)

    def _follow_file(self) -> None:
        """Begin the file anew where somebody has deleted or moved it."""
        path = Path(self.baseFilename)
        if self.stream is not None:
            try:
                if os.path.samestat(path.stat(), os.fstat(self.stream.fileno())):
                    return
            except FileNotFoundError:
                pass
            stream, self.stream = self.stream, None  # type: ignore[assignment]
            with contextlib.suppress(OSError):
                stream.close()
        path.parent.mkdir(parents=True, exist_ok=True)

    def handleError(self, record: logging.LogRecord) -> None:
        import sys

        error = sys.exc_info()[1]
        self.problem = f"cannot write the log {self.baseFilename}: {error}"


class EventLog:
    """Where the log goes while it is open."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._handlers: list[logging.Handler] = []
        self._trouble = ""

    def open(self, folder: Path | None, file_name: str = "nca-viewer.log", *, console: bool = False) -> None:
        """Log to a bounded file, and to stderr for a system's own log.

        A folder that cannot be written is a problem, not an error.
        """
        _LOGGER.setLevel(logging.INFO)
        if console:
            self._add(logging.StreamHandler())
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._add(
                _FileHandler(
                    folder / file_name, maxBytes=FILE_BYTES, backupCount=KEPT_FILES, encoding="utf-8"
                )
            )
        except OSError as error:
            self._trouble = f"cannot write the log in {folder}: {error.strerror}"
            log_event(LogEvent.DISK, self._trouble)

    def _add(self, handler: logging.Handler) -> None:
        handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s"))
        _LOGGER.addHandler(handler)
        self._handlers.append(handler)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the log cannot be written at the moment."""
        troubles = [handler.problem for handler in self._handlers if isinstance(handler, _FileHandler)]
        return tuple(trouble for trouble in (self._trouble, *troubles) if trouble)

    def close(self) -> None:
        """Stop logging."""
        for handler in self._handlers:
            _LOGGER.removeHandler(handler)
            with contextlib.suppress(OSError):  # What a full disk did not take before it does not take now.
                handler.close()
        self._handlers.clear()


def markdown_table() -> str:
    """What the lines of the log mean, for the operator's page."""
    rows = ["| Line | Means | What to do |", "|---|---|---|"]
    rows += [f"| `{event.word}:` | {event.meaning} | {event.action or 'nothing'} |" for event in LogEvent]
    return "\n".join(rows)
