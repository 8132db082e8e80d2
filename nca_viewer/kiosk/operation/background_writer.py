"""Files of an unattended program: whole or not at all, never in the way of the picture."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nca_viewer.atomic_files import whole_file
from nca_viewer.errors import presentable
from nca_viewer.kiosk.operation.event_log import LogEvent, log_event

MAX_WAITING = 32
"""More jobs than this do not wait for a slow disk; further ones are dropped."""


def replace_file(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a record, so that a reader sees the old or the new content.

    Args:
        path: The file; no other program writes it. Its folder is made where it is missing.
        content: All of it.
        durable: Whether it should also survive that the power fails, for the price of waiting for the disk.

    Raises:
        OSError: it could not be written; what lay there before is untouched.
    """
    with whole_file(path, durable=durable, make_parents=True, only_writer=True) as temporary:
        temporary.write_bytes(content)


def as_json(value: Any) -> str:
    """A record as JSON that every reader accepts, file names that are no UTF-8 included."""
    return json.dumps(_encodable(value), indent=1)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return presentable(value)
    if isinstance(value, Mapping):
        return {_encodable(name): _encodable(item) for name, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list | tuple) else value


class BackgroundWriter:
    """Writes files in a thread of its own: a slow or full disk holds up nobody.

    Each job has a name. A newer job replaces one of the same name that still waits. What fails is noted in
    `problems` and logged once, until it works again.
    """

    def __init__(self) -> None:
        """Start no thread before the first job."""
        self._jobs: dict[str, Callable[[], object]] = {}
        self._problems: dict[str, str] = {}
        self._condition = threading.Condition()
        self._is_busy = False
        self._is_closed = False
        self._thread: threading.Thread | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """What cannot be written at the moment, and why: a line each."""
        with self._condition:
            return tuple(self._problems.values())

    def submit(self, name: str, job: Callable[[], object]) -> None:
        """Have a job done soon; it may raise OSError."""
        with self._condition:
            if self._is_closed or (name not in self._jobs and len(self._jobs) >= MAX_WAITING):
                return
            self._jobs[name] = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="clerk", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Wait until everything is written; returns whether it was within the time."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._jobs and not self._is_busy, timeout_seconds)

    def close(self, timeout_seconds: float = 2.0) -> None:
        """Write what waits, then take no more jobs; a disk that hangs is not waited for."""
        self.flush(timeout_seconds)
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._jobs or self._is_closed)
                if not self._jobs:
                    return
                name = next(iter(self._jobs))
                job = self._jobs.pop(name)
                self._is_busy = True
            problem = ""
            try:
                job()
            except Exception as error:  # Nothing that a record needs may end the exhibit.
                problem = f"cannot write {name}: {error}"
            with self._condition:
                is_news = bool(problem) and name not in self._problems
                if problem:
                    self._problems[name] = problem
                else:
                    self._problems.pop(name, None)
                self._is_busy = False
                self._condition.notify_all()
            if is_news:
                log_event(LogEvent.DISK, problem)
