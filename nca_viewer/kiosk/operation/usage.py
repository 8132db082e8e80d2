"""How an exhibit is used: visits, strokes, heals and resets by the hour, and nothing else of anybody."""

from __future__ import annotations

import csv
import io
import re
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from nca_viewer.atomic_files import free_path
from nca_viewer.healing import healed_fraction
from nca_viewer.kiosk.operation.background_writer import replace_file
from nca_viewer.kiosk.operation.event_log import LogEvent, log_event

HEADER = ("hour", "visits", "strokes", "heals", "resets")
MAX_ROWS = 100_000
"""More than ten years of hours; older ones are forgotten."""

HEAL_SECONDS = 4.0
"""So long after the last hand it is judged whether damage has healed."""

DAMAGE_ERROR = 0.002
"""Mean squared change of the picture, values in [0, 1], from which strokes count as damage: a cell and a
half of a small grid, from black to white."""

HEALED_FRACTION = 0.5
"""Damage has healed when the healed fraction of its largest error is as much; see `nca_viewer.healing`."""


@dataclass(frozen=True, slots=True)
class Counts:
    """So much happened."""

    visits: int = 0
    strokes: int = 0
    heals: int = 0
    resets: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            self.visits + other.visits,
            self.strokes + other.strokes,
            self.heals + other.heals,
            self.resets + other.resets,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Damage:
    """What visitors did to a picture, until it is judged whether that has healed.

    Attributes:
        before: uint8[H, W, 3], the picture before the first stroke.
        episode: Number of the digit that it was.
        hand_seconds: When the last hand was on it.
        largest_error: Mean squared change since then, values in [0, 1], at its largest.
    """

    before: np.ndarray
    episode: int
    hand_seconds: float
    largest_error: float = 0.0


def follow_damage(
    damage: Damage | None,
    *,
    now_seconds: float,
    hands_on: bool,
    before: np.ndarray,
    image: np.ndarray,
    episode: int,
) -> tuple[Damage | None, bool]:
    """Follow what strokes do to the picture, and whether the automaton makes up for it.

    Args:
        damage: What was open in the frame before; None where nothing was.
        now_seconds: The time, from any zero.
        hands_on: Whether a visitor's hand is on the grid.
        before: uint8[H, W, 3], the picture of the frame before.
        image: uint8[H, W, 3], the picture now.
        episode: Number of the digit.

    Returns:
        What is open now, and whether damage has just been found healed.
    """
    if damage is not None and (damage.episode != episode or damage.before.shape != image.shape):
        damage = None
    if damage is None:
        if not hands_on or before.shape != image.shape:
            return None, False
        damage = Damage(before, episode, now_seconds)
    error = float(np.mean(np.square((image.astype(np.float32) - damage.before) / 255.0)))
    damage = replace(
        damage,
        hand_seconds=now_seconds if hands_on else damage.hand_seconds,
        largest_error=max(error, damage.largest_error),
    )
    if now_seconds - damage.hand_seconds < HEAL_SECONDS:
        return damage, False
    is_damage = damage.largest_error >= DAMAGE_ERROR
    return None, is_damage and bool(healed_fraction(0.0, damage.largest_error, error) >= HEALED_FRACTION)


class UsageBook:
    """Collects counts by the hour, and adds them to a CSV file; what could not be written is kept."""

    def __init__(self, path: Path) -> None:
        """Write nothing yet.

        Args:
            path: The CSV file; the first `write` makes it, so that trouble with it shows at once.
        """
        self._path = path
        self._lock = threading.Lock()
        self._pending: dict[str, Counts] = {}
        self._was_written = False

    def add(self, counts: Counts, moment: datetime) -> None:
        """Count something that happened in the hour of a moment, by the clock that the moment is of."""
        hour = moment.replace(minute=0, second=0, microsecond=0).isoformat(timespec="minutes")
        with self._lock:
            self._pending[hour] = self._pending.get(hour, Counts()) + counts

    @property
    def has_news(self) -> bool:
        """Whether there is something to write."""
        with self._lock:
            return bool(self._pending) or not self._was_written

    def write(self) -> None:
        """Add what was counted to the file, whole or not at all.

        A file that holds anything else, since somebody saved it in another form or named the wrong one, is
        put aside under another name, and a new one is begun.

        Raises:
            OSError: it could not be written; it is tried again with the next call.
        """
        with self._lock:
            if self._was_written and not self._pending:
                return
            pending = dict(self._pending)
        rows = _read_rows(self._path)
        if rows is None:
            aside = _put_aside(self._path)
            log_event(
                LogEvent.USAGE,
                f"{self._path} held lines that are no counts of this program; it is {aside} now",
            )
            rows = {}
        for hour, counts in pending.items():
            rows[hour] = rows.get(hour, Counts()) + counts
        replace_file(self._path, _as_csv(rows), durable=True)
        with self._lock:
            self._was_written = True
            for hour, counts in pending.items():
                rest = self._pending[hour]
                if rest == counts:
                    del self._pending[hour]
                else:
                    self._pending[hour] = Counts(
                        rest.visits - counts.visits,
                        rest.strokes - counts.strokes,
                        rest.heals - counts.heals,
                        rest.resets - counts.resets,
                    )


def _read_rows(path: Path) -> dict[str, Counts] | None:
    """The counts by their hour; None where the file holds anything else, which must not be lost."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        return None
    rows: dict[str, Counts] = {}
    try:
        lines = list(csv.reader(io.StringIO(text)))
    except csv.Error:
        return None
    for line in lines:
        if not line or tuple(line) == HEADER:
            continue
        if len(line) != len(HEADER) or not all(re.fullmatch("[0-9]{1,12}", part) for part in line[1:]):
            return None
        rows[line[0]] = rows.get(line[0], Counts()) + Counts(*map(int, line[1:]))
    return rows


def _put_aside(path: Path) -> Path:
    """Give a file a name of its own beside its old one."""
    stem = f"{path.stem}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    return path.rename(free_path(path.parent, stem, path.suffix))


def _as_csv(rows: dict[str, Counts]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for hour, counts in list(rows.items())[-MAX_ROWS:]:
        writer.writerow((hour, counts.visits, counts.strokes, counts.heals, counts.resets))
    return text.getvalue().encode()
