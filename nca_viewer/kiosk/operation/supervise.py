"""Keeps a viewer alive: starts it, listens to its heartbeat, and starts it anew where it crashes or hangs."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from nca_viewer.errors import ConfigError
from nca_viewer.kiosk.operation.background_writer import as_json, replace_file
from nca_viewer.kiosk.operation.backoff import Backoff, BackoffRules, after_failure
from nca_viewer.kiosk.operation.event_log import LogEvent, log_event, utc
from nca_viewer.kiosk.operation.handover import Handover
from nca_viewer.kiosk.operation.heartbeat import ADDRESS_VARIABLE, Notifier

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Not on every system.
    fcntl = None

NAME = "supervisor.json"
LOCK_NAME = "supervisor.lock"
GIVEN_UP_CODE = 1
KEPT_FAILURES = 20

_POLL_SECONDS = 0.1
_REPORT_SECONDS = 1.0
_SLEEP_SECONDS = 5.0
_KILL_SECONDS = 10.0
_BAD_OPTIONS_CODE = 2
_SHOW, _HIDE = "show", "hide"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a viewer may be silent.

    Attributes:
        start_seconds: From its start to its first live frame; a slow machine compiles for a minute.
        beat_seconds: Between two heartbeats after that; longer than the viewer itself waits for a device that
            does not answer, so that it can tell of that.
    """

    start_seconds: float = 150.0
    beat_seconds: float = 15.0


def claim(folder: Path | None) -> int | None:
    """Take a state folder for one supervisor alone; the system gives it back when the process ends.

    Args:
        folder: The state folder; made where it is missing.

    Returns:
        The descriptor that holds it; None where there is no folder, or none that can be held.

    Raises:
        ConfigError: another supervisor has it.
    """
    if folder is None or fcntl is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        return None  # What a full disk does not take must not keep the exhibit dark.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            return None
        raise ConfigError(
            f"another supervisor keeps its records in {folder}; end it first, or choose another --state-dir"
        ) from None
    return descriptor


class Ear:
    """The socket on which the viewer's heartbeat arrives, as systemd would offer one."""

    def __init__(self) -> None:
        """Open it."""
        if not hasattr(socket, "AF_UNIX"):
            raise ConfigError(
                "nca-viewer supervise needs Unix sockets; start nca-viewer itself on this system"
            )
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if sys.platform == "linux":
            self.address = f"@nca-viewer-{os.getpid()}-{secrets.token_hex(8)}"
            bound = "\0" + self.address[1:]
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="nca-viewer-")
            self.address = bound = str(Path(self._folder.name) / "heartbeat")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(bound)

    def listen(self, seconds: float) -> list[dict[str, str]]:
        """What arrives, waiting so long for the first of it."""
        messages: list[dict[str, str]] = []
        self._socket.settimeout(max(seconds, 0.001))
        try:
            while len(messages) < 1000:
                lines = self._socket.recv(4096).decode("utf-8", "replace").splitlines()
                messages.append({name: value for name, _, value in (line.partition("=") for line in lines)})
                self._socket.setblocking(False)
        except (TimeoutError, BlockingIOError):
            pass
        return messages

    def close(self) -> None:
        """Close it."""
        self._socket.close()
        if self._folder is not None:
            self._folder.cleanup()


class Supervisor:
    """One supervised viewer, from its first start to its end on purpose, or to giving up."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        picture_command: Sequence[str] | None = None,
        rules: BackoffRules | None = None,
        patience: Patience | None = None,
        notifier: Notifier | None = None,
        state_folder: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start nothing yet.

        Args:
            command: Starts the viewer.
            picture_command: Starts what is seen while the viewer is down, between lines of `show` and `hide`
                on its standard input; None shows nothing.
            rules: When to try again, and when to give up.
            patience: How long the viewer may be silent.
            notifier: Who supervises the supervisor; hears the heartbeat too.
            state_folder: Where `supervisor.json` goes.
            environment: Of the viewer.
            monotonic: A clock that never jumps.
        """
        self._command = list(command)
        self._picture_command = list(picture_command) if picture_command else None
        self._rules = rules or BackoffRules()
        self._patience = patience or Patience()
        self._notifier = notifier or Notifier(None)
        self._folder = state_folder
        self._environment = dict(environment)
        self._monotonic = monotonic
        self._backoff = Backoff()
        self._ear = Ear()
        self._viewer: subprocess.Popen[bytes] | None = None
        self._picture: subprocess.Popen[bytes] | None = None
        self._is_told_to_end = False
        self._has_ever_lived = False
        self._is_announced = False
        self._live_since_seconds: float | None = None
        self._report_seconds: float | None = None
        self._status = "starting"
        self._state = "running"
        self._is_recorded = True
        self._restarts = 0
        self._started = datetime.now(UTC)
        self._failures: list[dict[str, str]] = []

    def end(self) -> None:
        """End the viewer, and then the supervision; safe to call from a signal handler."""
        self._is_told_to_end = True

    def run(self) -> int:
        """Supervise until the viewer ends on purpose; returns the exit code."""
        try:
            return self._supervise()
        finally:
            self._stop(self._viewer)
            self._stop(self._picture)
            self._ear.close()
            self._notifier.send(STOPPING=1)

    def _supervise(self) -> int:
        while True:
            reason, code = self._run_once()
            if self._is_told_to_end or (not reason and code == 0):
                return self._end(reason or "the viewer has ended on purpose")
            if code == _BAD_OPTIONS_CODE and not self._has_ever_lived:
                # The viewer has said on stderr what is wrong with its options; trying again will not mend it.
                log_event(LogEvent.GIVEN_UP, "the viewer refuses its options")
                self._write("given up")
                return _BAD_OPTIONS_CODE
            now = self._monotonic()
            lived = 0.0 if self._live_since_seconds is None else now - self._live_since_seconds
            self._backoff, delay = after_failure(self._backoff, now, lived, self._rules)
            self._failures = [*self._failures, {"time": utc(datetime.now(UTC)), "reason": reason}]
            self._failures = self._failures[-KEPT_FAILURES:]
            if delay is None:
                return self._give_up(reason)
            log_event(LogEvent.RESTARTED, f"{reason}; another start in {delay:.0f} s")
            self._restarts += 1
            self._status = f"down: {reason}"
            self._write("down")
            self._tell_picture(_SHOW)
            self._wait(delay)
            if self._is_told_to_end:
                return self._end("told to end")

    def _end(self, why: str) -> int:
        log_event(LogEvent.END, why)
        self._write("ended")
        return 0

    def _give_up(self, reason: str) -> int:
        text = (
            f"the viewer failed {self._rules.most_failures} times within "
            f"{self._rules.window_seconds / 60:.0f} minutes, the last time: {reason}; "
            "see its log, run nca-viewer doctor, and start again"
        )
        log_event(LogEvent.GIVEN_UP, text)
        print(f"nca-viewer: error: {text}", file=sys.stderr, flush=True)
        self._notifier.send(STATUS=f"given up: {reason}")
        self._write("given up")
        return GIVEN_UP_CODE

    def _run_once(self) -> tuple[str, int]:
        """Run the viewer until it ends or must be ended; returns why it is a failure, and its exit code."""
        last_end = self._failures[-1]["reason"] if self._failures else ""
        handover = Handover(os.getpid(), self._restarts, last_end)
        environment = self._environment | handover.environment() | {ADDRESS_VARIABLE: self._ear.address}
        for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            environment.pop(name, None)
        self._ear.listen(0)  # The last words of the one before.
        try:
            self._live_since_seconds = None
            self._viewer = viewer = subprocess.Popen(self._command, env=environment)
        except OSError as error:
            return f"cannot start {self._command[0]}: {error}", GIVEN_UP_CODE
        self._write("running")
        last = heard = self._monotonic()
        is_live = False
        while viewer.poll() is None:
            for message in self._ear.listen(_POLL_SECONDS):
                self._status = message.get("STATUS", self._status)
                if message.get("READY") == "1" or message.get("WATCHDOG") == "1":
                    heard = self._monotonic()
                    if not is_live:
                        is_live = self._has_ever_lived = True
                        self._live_since_seconds = heard
                        self._announce()
                        self._tell_picture(_HIDE)
            now = self._monotonic()
            if now - last > _SLEEP_SECONDS:
                heard = now  # This process itself was asleep, and the viewer with it.
            last = now
            self._report(now)
            if self._is_told_to_end:
                self._stop(viewer)
                return "told to end", 0
            silent = now - heard
            if silent > (self._patience.beat_seconds if is_live else self._patience.start_seconds):
                viewer.kill()
                code = viewer.wait()
                what = "no live frame" if not is_live else "no heartbeat"
                return f"{what} for {silent:.0f} s; killed", code
        code = viewer.returncode
        if code == 0:
            return "", 0
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(-code).name}", code
        return f"exit code {code}", code

    def _announce(self) -> None:
        if not self._is_announced:
            self._is_announced = self._notifier.send(READY=1, STATUS=self._status)

    def _report(self, now_seconds: float) -> None:
        """Tell whoever supervises the supervisor that it does its work."""
        if self._report_seconds is None or now_seconds - self._report_seconds >= _REPORT_SECONDS:
            self._report_seconds = now_seconds
            self._notifier.send(WATCHDOG=1, STATUS=self._status)
            if not self._is_recorded:
                self._write(self._state)

    def _wait(self, seconds: float) -> None:
        until = self._monotonic() + seconds
        while not self._is_told_to_end and (now := self._monotonic()) < until:
            self._report(now)
            time.sleep(min(_POLL_SECONDS, until - now))

    def _tell_picture(self, word: str) -> None:
        """Have the picture shown or hidden; it stands by in a process of its own, so that it is quick."""
        if self._picture_command is None:
            return
        if self._picture is None or self._picture.poll() is not None:
            if word == _HIDE and self._picture is not None:
                return
            environment = {name: text for name, text in self._environment.items() if name != ADDRESS_VARIABLE}
            self._stop(self._picture)
            self._picture = None
            with contextlib.suppress(OSError):
                self._picture = subprocess.Popen(
                    self._picture_command,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
        if self._picture is not None and self._picture.stdin is not None:
            with contextlib.suppress(OSError):
                self._picture.stdin.write(f"{word}\n".encode())
                self._picture.stdin.flush()

    def _stop(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        if process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_KILL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _write(self, state: str) -> None:
        """Record how it stands; where the disk is full, `_report` tries again."""
        self._state = state
        if self._folder is None:
            return
        content: dict[str, Any] = {
            "state": state,
            "time": utc(datetime.now(UTC)),
            "started": utc(self._started),
            "pid": os.getpid(),
            "viewer_pid": self._viewer.pid if self._viewer is not None else None,
            "restarts": self._restarts,
            "failures": self._failures,
        }
        self._is_recorded = False
        with contextlib.suppress(OSError):
            replace_file(self._folder / NAME, f"{as_json(content)}\n".encode())
            self._is_recorded = True
