"""Functions called in a process of their own.

Orbax looks at how many hosts JAX has joined, and waits for all of them whenever one saves or loads. The
process here has joined none.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from nca_viewer.errors import OutputError, UserError

Value = TypeVar("Value")


class Apart:
    """A process that calls one function after another, and ends with this one, however that ends."""

    def __init__(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # It computes nothing; the accelerators are for this process.
            env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl+C is not for it.
        )

    def call(self, function: Callable[..., Value], *arguments: Any) -> Value:
        """What the function returns or raises there.

        Args:
            function: One that a module defines.
            arguments: Values that can be pickled.

        Raises:
            OutputError: if the process is gone.
        """
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None
        try:
            pickle.dump((function, arguments), requests)
            requests.flush()
            is_raised, value = pickle.load(replies)
        except (OSError, EOFError):
            raise OutputError("the process that reads and writes checkpoints is gone; resume") from None
        if is_raised:
            raise value
        return value

    def close(self) -> None:
        """End it, after what it is doing."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._process.wait()


def _serve() -> None:
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What a library prints is no reply.
    while True:
        try:
            function, arguments = pickle.load(requests)
        except EOFError:
            return
        try:
            reply = pickle.dumps((False, function(*arguments)))
        except UserError as error:
            reply = pickle.dumps((True, error))
        except Exception as error:  # Not all of these can be pickled.
            reply = pickle.dumps((True, RuntimeError(f"{type(error).__name__}: {error}")))
        with contextlib.suppress(OSError):
            replies.write(reply)
            replies.flush()


if __name__ == "__main__":
    _serve()
