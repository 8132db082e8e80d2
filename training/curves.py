"""The curves of a run: `metrics.csv`, `validation.csv` and TensorBoard event files."""

from __future__ import annotations

import contextlib
import csv
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboardX import summary
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import RecordWriter

from nca_viewer.atomic_files import atomic_write
from nca_viewer.errors import ConfigError, OutputError, reason_of

Row = dict[str, float | int]


class Curves:
    """Appends rows to both tables, and writes every row as TensorBoard events too."""

    def __init__(self, directory: Path, step: int):
        """Open the curves of a run that stands at an update; later rows, about to be made again, go.

        Args:
            directory: The run's directory.
            step: Updates made.

        Raises:
            ConfigError: if a table is damaged.
            OutputError: if a file cannot be written.
        """
        self.metrics = directory / "metrics.csv"
        self.validation = directory / "validation.csv"
        self._events_directory = directory / "tensorboard"
        self._events: RecordWriter | None = None
        self.rewind(step)

    def rewind(self, step: int) -> None:
        """Forget what lies after an update; TensorBoard is told to hide it."""
        for path in (self.metrics, self.validation):
            rows = read_rows(path)
            kept = [row for row in rows if int(row["step"]) <= step]
            if len(kept) < len(rows) or (path.exists() and not path.read_bytes().endswith(b"\n")):
                _replace(path, kept)
        self.close()
        try:
            self._events_directory.mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"
            # It takes a path that begins with "gs:" for a place in a cloud, and writes there.
            self._events = RecordWriter(str((self._events_directory / name).absolute()))
        except OSError as error:
            raise OutputError(f"cannot write {self._events_directory}: {reason_of(error)}") from error
        self._add_event(0, file_version="brain.Event:2")
        self._add_event(step + 1, session_log=SessionLog(status=SessionLog.START))

    def add_metrics(self, row: Row) -> None:
        """A row of means over the last updates; `step` is one of its columns."""
        self._add(self.metrics, "train", row)

    def add_validation(self, row: Row, sheet: Image.Image | None = None) -> None:
        """A row of a checkpoint's figures, and its sample sheet for TensorBoard's image page."""
        self._add(self.validation, "validation", row)
        if sheet is not None:
            picture = summary.image("sheet", np.asarray(sheet), dataformats="HWC")
            self._add_event(int(row["step"]), summary=picture)

    def _add(self, path: Path, group: str, row: Row) -> None:
        _append(
            path,
            {name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in row.items()},
        )
        for name, value in row.items():
            if name != "step":
                self._add_event(int(row["step"]), summary=summary.scalar(f"{group}/{name}", value))

    def _add_event(self, step: int, **content: Any) -> None:
        """Write an event at once: a run that is killed keeps its curves.

        Not through tensorboardX's usual writer, whose thread dies on a full disk, after which the run would
        wait for it for ever.
        """
        if self._events is None:
            return
        try:
            self._events.write(Event(wall_time=time.time(), step=step, **content).SerializeToString())
            self._events.flush()
        except OSError as error:
            raise OutputError(
                f"cannot write {self._events_directory}: {reason_of(error)}; make room and resume"
            ) from error

    def close(self) -> None:
        """Release the event file; all of it that could be written is."""
        if self._events is not None:
            with contextlib.suppress(OSError):
                self._events.close()
        self._events = None


def read_rows(path: Path) -> list[dict[str, Any]]:
    """A table's rows by column; a last line that was cut off while it was written is left out.

    Raises:
        ConfigError: if the file is no such table.
    """
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8")
        lines = text[: text.rfind("\n") + 1].splitlines()
        rows = list(csv.DictReader(lines))
        for row in rows:
            int(row["step"])
            if None in row or None in row.values():
                raise ValueError
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ConfigError(f"{path} is damaged; remove it to go on without its rows") from error
    return rows


def _append(path: Path, row: dict[str, str]) -> None:
    """Add a row; where the table has other columns, as after an update of this program, both keep all."""
    rows = read_rows(path)
    if rows and list(rows[0]) != list(row):
        columns = dict.fromkeys([*rows[0], *row], "")
        _replace(path, [columns | earlier for earlier in rows])
        row = columns | row
    try:
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason_of(error)}; make room and resume") from error


def _replace(path: Path, rows: list[dict[str, Any]]) -> None:
    if not rows:
        path.unlink()
        return
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[-1]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
