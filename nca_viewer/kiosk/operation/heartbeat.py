"""The heartbeat: tells a supervisor that the exhibit lives, in the datagrams of systemd's `sd_notify`."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

ADDRESS_VARIABLE = "NOTIFY_SOCKET"
"""Environment variable with the address of the socket that hears the heartbeat."""

BEAT_SECONDS = 0.5
"""Beats closer to each other than this are left out."""


class Notifier:
    """Sends datagrams of `NAME=value` lines; where nobody listens, nothing happens."""

    def __init__(self, address: str | None) -> None:
        """Connect to nothing yet.

        Args:
            address: A path, or "@" and a name in the abstract namespace; None sends nothing.
        """
        self._address = None if not address else "\0" + address[1:] if address[0] == "@" else address
        self._socket: socket.socket | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Notifier:
        """One that talks to what started this process, where that asks for it."""
        return cls(environment.get(ADDRESS_VARIABLE))

    @property
    def is_heard(self) -> bool:
        """Whether somebody asked to be told."""
        return self._address is not None

    def send(self, **fields: str | int) -> bool:
        """Send fields, such as `WATCHDOG=1`; never waits. Returns whether they went out."""
        if self._address is None or not hasattr(socket, "AF_UNIX"):
            return False
        lines = (f"{name}={' '.join(str(value).split())}" for name, value in fields.items())
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:  # The listener is gone or busy; the next beat tries again.
            return False
        return True

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Heartbeat:
    """Beats only for frames that prove life: presented, and with a new step or deliberately without one."""

    def __init__(self, notifier: Notifier) -> None:
        """Send nothing yet."""
        self._notifier = notifier
        self._moment: tuple[int, int] | None = None
        self._beat_seconds: float | None = None
        self._is_ready = False

    def presented(
        self, now_seconds: float, moment: tuple[int, int], *, is_running: bool, status: str
    ) -> bool:
        """A frame was shown.

        Args:
            now_seconds: The time, from any zero.
            moment: (episode, step) that was shown.
            is_running: Whether steps are due; where not, the same moment is life enough.
            status: One line for the supervisor.

        Returns:
            Whether it was a beat, sent or left out for being close to the one before.
        """
        is_alive = not is_running or moment != self._moment
        self._moment = moment
        if not is_alive:
            return False
        if self._beat_seconds is not None and 0 <= now_seconds - self._beat_seconds < BEAT_SECONDS:
            return True
        self._beat_seconds = now_seconds
        if self._is_ready:
            self._notifier.send(WATCHDOG=1, STATUS=status)
        else:
            self._is_ready = self._notifier.send(READY=1, WATCHDOG=1, STATUS=status)
        return True

    def stopping(self) -> None:
        """The program ends on purpose."""
        self._notifier.send(STOPPING=1)
        self._notifier.close()
