"""What a supervisor tells the viewer that it starts, in environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

_SUPERVISOR = "NCA_VIEWER_SUPERVISOR"
_RESTARTS = "NCA_VIEWER_RESTARTS"
_LAST_END = "NCA_VIEWER_LAST_END"
_LONGEST_NUMBER = 11


@dataclass(frozen=True, slots=True)
class Handover:
    """What the viewer is told.

    Attributes:
        supervisor: The supervisor's process number; None where there is no supervisor.
        restarts: How often the program was started anew.
        last_end: Why the last one ended; empty where none did.
    """

    supervisor: int | None = None
    restarts: int = 0
    last_end: str = ""

    def environment(self) -> dict[str, str]:
        """The variables that tell it."""
        told = {_RESTARTS: str(self.restarts), _LAST_END: self.last_end}
        return told if self.supervisor is None else told | {_SUPERVISOR: str(self.supervisor)}

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Handover:
        """What these variables tell; what is no number counts as untold."""
        return cls(
            _number(environment.get(_SUPERVISOR, "")),
            _number(environment.get(_RESTARTS, "")) or 0,
            environment.get(_LAST_END, ""),
        )


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_NUMBER else None
