"""How the programs end when they are told to: by Ctrl+C, SIGTERM or a hang-up.

Such a signal raises KeyboardInterrupt in the main thread, but not while modules are imported: nothing is to
be saved there, compiled ones would crash, and the program ends at once. An exception alone is not enough: a
library may swallow it in a callback, and while something is being compiled nothing is raised at all. So a
second thread hears of every signal as well; where the program has not ended by itself `PATIENCE_SECONDS`
later, the thread ends it. What ends so has the exit code 128 + the signal's number, as shells have it, even
if the work was just done: interrupted is never success.

Work that must be brought to a good end first is put into `Ending.deferred`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

from nca_viewer.environment import prepare
from nca_viewer.output_streams import exit_code_with_output, make_output_unfailing

PATIENCE_SECONDS = 1.4
"""How long the program may take to end by itself."""

_WORDS_SECONDS = 0.3
_ALARM = b"\0"
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def ending_signals() -> tuple[signal.Signals, ...]:
    """The signals that tell a program to end.

    A hang-up that whoever started the program lets it ignore, as `nohup` does, is none.
    """
    return tuple(
        number
        for number in _SIGNALS
        if number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
    )


class Interrupted(Exception):
    """KeyboardInterrupt where click must not see one: it would print an empty line."""


@contextlib.contextmanager
def as_interrupted() -> Iterator[None]:
    """Let KeyboardInterrupt leave the block as `Interrupted`."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted from None


class _Deferral:
    """A stretch of work that a signal does not break off."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.earlier: dict[signal.Signals, Any] = {}
        self.end: Callable[[], object] | None = None
        self.heard = 0

    def put_off(self) -> None:
        self.told.set()
        if self.end is not None:
            self.end()
        # A second signal does not wait.
        for number, handler in self.earlier.items():
            signal.signal(number, handler)


class Ending:
    """What a process has been told about its end.

    Attributes:
        last_words: What to say on stderr when the program was told to end.
        is_abrupt: Whether the process is to end without what libraries do at an orderly end.
    """

    def __init__(self) -> None:
        """Not told yet."""
        self._told: int | None = None
        self._may_end_now = threading.Event()
        self._deferral: _Deferral | None = None
        self._alarm: socket.socket | None = None
        self.begin("")

    @property
    def is_told(self) -> bool:
        """Whether the program was told to end."""
        return self._told is not None

    @property
    def exit_code(self) -> int:
        """What a program ends with that was told to end: 130, 143 or 129."""
        return 128 + (self._told or signal.SIGINT)

    def begin(self, program: str) -> None:
        """Begin a command: whatever an earlier one in this process was told is forgotten.

        Args:
            program: Its name, for the last words.
        """
        self._program = program
        self._saying = threading.Lock()
        self.is_abrupt = False
        self._may_end_now.clear()
        self.last_words: Callable[[], str] = _interrupted
        if self._alarm is None:
            self._told = None

    def watch(self) -> None:
        """Take care of the signals from now on; to be called in the main thread."""
        self._alarm, ear = socket.socketpair()
        self._alarm.setblocking(False)
        signal.set_wakeup_fd(self._alarm.fileno(), warn_on_full_buffer=False)
        for number in ending_signals():
            signal.signal(number, self._interrupt)
        sys.unraisablehook = _tell_unraisable
        threading.Thread(target=self._listen, args=[ear], name="ending", daemon=True).start()

    @contextlib.contextmanager
    def deferred(self, end: Callable[[], object] | None = None) -> Iterator[threading.Event]:
        """Let a signal wait for the end of this block; a second one does not wait.

        Outside the main thread nothing changes.

        Args:
            end: Is called when the program is told to end, and should bring the block to its end. Without it
                KeyboardInterrupt is raised after the block.

        Yields:
            Whether the program was told to end.
        """
        deferral = _Deferral()
        if threading.current_thread() is not threading.main_thread():
            yield deferral.told
            return
        deferral.end = end
        outer = self._deferral
        for number in ending_signals():
            deferral.earlier[number] = signal.signal(number, self._put_off)
        self._deferral = deferral
        if self._alarm is not None and self.is_told:  # And whatever that raised was swallowed.
            deferral.heard = 1
            deferral.put_off()
        try:
            yield deferral.told
        finally:
            for number, handler in deferral.earlier.items():
                signal.signal(number, handler)
            self._deferral = outer
            if self._alarm is not None and deferral.told.is_set():
                self._alarm.send(_ALARM)
        if end is None and deferral.told.is_set():
            raise KeyboardInterrupt

    def say_last_words(self) -> None:
        """Say them, once."""
        if self._saying.acquire(blocking=False):
            sys.stderr.write(f"{self._program}: {self.last_words()}\n")
            sys.stderr.flush()

    # ---- In the main thread, between two instructions ----

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._told = self._told or number
        if _is_importing(frame):
            # Compiled modules do not bear an exception while they are imported: they crash.
            self._may_end_now.set()
            return
        raise KeyboardInterrupt

    def _put_off(self, number: int, frame: object) -> None:
        self._told = self._told or number
        if self._deferral is not None:
            self._deferral.put_off()

    # ---- In a thread of its own ----

    def _listen(self, ear: socket.socket) -> None:
        while True:
            (number,) = ear.recv(1)
            # Where another handler was installed, as by a window, the end is not ours.
            if number != _ALARM[0]:
                is_ours = number in _SIGNALS and getattr(signal.getsignal(number), "__self__", None) is self
                if not is_ours:
                    continue
                self._told = self._told or number
            if self._is_waited_for(1):
                continue
            self._may_end_now.wait(PATIENCE_SECONDS)
            if not self._is_waited_for(0):
                self._end_now()

    def _is_waited_for(self, signals: int) -> bool:
        deferral = self._deferral
        if deferral is None:
            return False
        deferral.heard += signals
        return deferral.heard < 2

    def _end_now(self) -> NoReturn:
        # Whoever reads stderr may have stopped reading.
        saying = threading.Thread(target=self.say_last_words, daemon=True)
        saying.start()
        saying.join(_WORDS_SECONDS)
        os._exit(self.exit_code)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module is being imported in a frame, or in one that has called it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _interrupted() -> str:
    return "interrupted"


def _tell_unraisable(unraisable: Any) -> None:
    """As Python does, but for an interrupt in a callback, which is not lost."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)


ending = Ending()
"""The process's."""


def run_program(program: str, command: Callable[[], object]) -> NoReturn:
    """Run a program as the process's only task, and end the process.

    Args:
        program: Its name.
        command: Returns the exit code, or raises it as SystemExit; says by itself what went wrong.
    """
    make_output_unfailing()
    if passed_over := prepare():
        sys.stderr.write(f"{program}: {passed_over}\n")
    try:
        ending.begin(program)
        ending.watch()
        result = command()
    except SystemExit as stop:
        result = stop.code
    except KeyboardInterrupt:
        ending.say_last_words()
        result = ending.exit_code
    result = ending.exit_code if ending.is_told else result if isinstance(result, int) else 0
    if ending.is_told or ending.is_abrupt:
        for number in ending_signals():
            signal.signal(number, signal.SIG_IGN)
        # An orderly end would wait for what is being compiled.
        os._exit(exit_code_with_output(program, result))
    sys.exit(exit_code_with_output(program, result))
