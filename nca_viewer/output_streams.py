"""The two output streams of a program, which never fail its work.

What a program prints may have nowhere to go: the reader of a pipe leaves, a disk is full, a terminal is
closed, a stream was closed before the program began. None of that raises anything here; the work goes on.

What it means for the exit code is decided in one place, `exit_code_with_output`: where nobody listens any
more (a pipe or a terminal without an other end, a closed stream) it is the work's, since nobody misses the
text. Where stdout was to be kept and was not (a full disk), a success becomes a 1, as with the GNU tools,
and stderr says so. A loss on stderr changes nothing.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import select
import sys
from typing import Any, TextIO

_LOST_OUTPUT_EXIT_CODE = 1
_ERRORS = "nca-viewer-as-bytes"
_BUSY_SECONDS = 1.0
_NOBODY_LISTENS = (errno.EPIPE, errno.ECONNRESET, errno.EBADF)


class _UnfailingOutput(io.RawIOBase):
    """Writes where another stream does, and keeps its error instead of raising it."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._is_terminal = bool(stream.isatty())
        self.name = name
        self.mode = "wb"
        self.lost: OSError | None = None
        """Why something that was to be kept is not."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._stream.fileno())

    def isatty(self) -> bool:
        return bool(self._stream.isatty())

    def write(self, content: Any) -> int:
        try:
            written = self._stream.write(content)
            if written is None:  # Somebody has made it non-blocking, and it is full.
                select.select([], [self.fileno()], [], _BUSY_SECONDS)
                written = self._stream.write(content)
        except OSError as error:
            is_gone = self._is_terminal and error.errno == errno.EIO
            if error.errno not in _NOBODY_LISTENS and not is_gone:
                self.lost = error
            written = None
        return len(content) if written is None else int(written)


def make_output_unfailing() -> None:
    """Replace the process's own stdout and stderr; streams that somebody else has put there are left alone.

    Descriptors 0 to 2 that were closed are opened on the null device: else the next file that is opened gets
    such a number, and what a library prints goes into it. A file name that is not UTF-8 is printed as the
    bytes that it has.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    codecs.register_error(_ERRORS, _as_bytes)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _unfailing(sys.stdout, 1, "<stdout>")
    if sys.stderr is sys.__stderr__:
        sys.stderr = _unfailing(sys.stderr, 2, "<stderr>")


def _unfailing(stream: TextIO | None, descriptor: int, name: str) -> TextIO:
    if isinstance(stream, io.TextIOWrapper):
        with contextlib.suppress(OSError):
            stream.flush()
        raw = getattr(stream.buffer, "raw", stream.buffer)
        encoding, line_buffering, write_through = (
            stream.encoding,
            stream.line_buffering,
            stream.write_through,
        )
    else:
        raw, encoding, line_buffering, write_through = (
            io.FileIO(descriptor, "w", closefd=False),
            "utf-8",
            True,
            False,
        )
    return io.TextIOWrapper(
        io.BufferedWriter(_UnfailingOutput(raw, name)),
        encoding=encoding,
        errors=_ERRORS,
        line_buffering=line_buffering,
        write_through=write_through,
    )


def _as_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """What cannot be encoded: bytes of a file name as they were, anything else as an escape sequence."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


def exit_code_with_output(program: str, exit_code: int) -> int:
    """Flush both streams; the exit code, also for what became of stdout (see the module's docstring)."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if exit_code or not isinstance(raw, _UnfailingOutput) or raw.lost is None:
        return exit_code
    reason = raw.lost.strerror or raw.lost
    sys.stderr.write(
        f"{program}: error: cannot write to stdout: {reason}; the work is done, but what was printed is "
        "incomplete: send it to another place\n"
    )
    sys.stderr.flush()
    return _LOST_OUTPUT_EXIT_CODE
