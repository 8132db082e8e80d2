"""`status.json`: how the exhibit fares, for an operator and for other programs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nca_viewer.kiosk.operation.background_writer import as_json, replace_file

NAME = "status.json"
FORMAT_VERSION = 1
INTERVAL_SECONDS = 1.0
"""It is written no more often than this."""


@dataclass(frozen=True, slots=True)
class CheckpointStatus:
    """Which automaton is shown.

    Attributes:
        asked_for: What the options say.
        shown: What was loaded.
        sha256: Digest of the manifest of what was loaded; it changes with any byte of the checkpoint.
        trouble: Why it is not what was asked for; empty where it is.
    """

    asked_for: str
    shown: str = ""
    sha256: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """What `status.json` says.

    Attributes:
        state: "starting", "running", "paused", "night", "stalled", "ended" or "failed".
        time: When it was written, UTC.
        started: When the program started, UTC.
        uptime_seconds: By a clock that never jumps.
        pid: Of the process.
        version: Of the program.
        mode: "window", "exhibit" or what the exhibit is just doing, such as "attract".
        frames: Shown since the start.
        episode: Number of the digit.
        step: Of the automaton in this episode.
        frames_per_second: Measured.
        steps_per_second: Measured.
        checkpoint: Which automaton is shown.
        seed: Of everything random.
        faults: How many of each kind were noticed since the start.
        recoveries: How many fresh digits they led to.
        last_fault: Time, kind, reason and remedy of the last one.
        last_error: Why the program failed; empty while it has not.
        restarts: How often the supervisor has started the program anew.
        last_end: Why it had to, the last time.
        problems: What cannot be written at the moment, a line each.
        memory_megabytes: Resident memory.
    """

    state: str
    time: str
    started: str
    uptime_seconds: float
    pid: int
    version: str
    mode: str
    frames: int = 0
    episode: int = 0
    step: int = 0
    frames_per_second: float = 0.0
    steps_per_second: float = 0.0
    checkpoint: CheckpointStatus = CheckpointStatus("")
    seed: int | None = None
    faults: dict[str, int] = field(default_factory=dict)
    recoveries: int = 0
    last_fault: dict[str, str] | None = None
    last_error: str = ""
    restarts: int = 0
    last_end: str = ""
    problems: tuple[str, ...] = ()
    memory_megabytes: float = 0.0


def write_status(folder: Path, status: Status) -> None:
    """Replace the folder's `status.json`.

    Raises:
        OSError: it could not be written.
    """
    content = {"format_version": FORMAT_VERSION, **asdict(status)}
    replace_file(folder / NAME, f"{as_json(content)}\n".encode())


def read_status(folder: Path) -> dict[str, Any] | None:
    """What the folder's `status.json` says; None where there is none that can be read."""
    try:
        content = json.loads((folder / NAME).read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def memory_megabytes() -> float:
    """Resident memory of this process; the most it ever had where the system does not tell, 0 if nothing."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
        import sys

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
    except ImportError:
        return 0.0
