"""What is kept of a fault: its figures and the state of the cells, in a bounded number of bounded files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from nca_viewer.kiosk.operation.background_writer import as_json, replace_file

MAX_FAULTS = 20
"""The newest faults that are kept."""

MAX_STATE_BYTES = 8 * 2**20
"""A larger state is left out of a diagnostic."""

FOLDER = "faults"
_PREFIX = "fault-"


def save_diagnostic(
    state_folder: Path, name: str, facts: Mapping[str, Any], state: np.ndarray | None, moment: datetime
) -> Path:
    """Write `fault-TIME-NAME.json`, and the cells beside it as `.npz`; forget the oldest ones.

    Args:
        state_folder: The program's folder of state; the files go into its `faults`.
        name: What kind of fault.
        facts: Values for JSON.
        state: float32[H, W, channel_size], where there is one.
        moment: Now, by the wall clock.

    Returns:
        The JSON file.

    Raises:
        OSError: it could not be written.
    """
    folder = state_folder / FOLDER
    # Room is made first: at most so many files are there, whenever the program is killed.
    stamp = f"{_PREFIX}{moment.astimezone(UTC):%Y%m%dT%H%M%S%f}"
    _forget_oldest(folder, MAX_FAULTS - 1, stamp)
    stem = f"{stamp}-{name}"
    if state is not None and state.nbytes <= MAX_STATE_BYTES:
        content = io.BytesIO()
        np.savez_compressed(content, state=state)
        replace_file(folder / f"{stem}.npz", content.getvalue())
    path = folder / f"{stem}.json"
    replace_file(path, f"{as_json(dict(facts))}\n".encode())
    return path


def _forget_oldest(folder: Path, kept: int, stamp: str) -> None:
    """Keep so many; what a clock that was wrong has dated later than now goes first."""
    if not folder.is_dir():
        return
    for leftover in folder.glob(f".{_PREFIX}*.partial*"):
        leftover.unlink(missing_ok=True)
    stems = sorted(
        {path.stem for path in folder.glob(f"{_PREFIX}*") if path.suffix in (".json", ".npz")},
        key=lambda stem: (stem <= stamp, stem),
    )
    for stem in stems[: max(0, len(stems) - kept)]:
        for suffix in (".json", ".npz"):
            (folder / f"{stem}{suffix}").unlink(missing_ok=True)
