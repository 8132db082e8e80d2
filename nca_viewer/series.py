"""What the charts show: error and healed part over the last steps, and what was done in them; as CSV, too."""

from __future__ import annotations

import bisect
import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nca_viewer.atomic_files import atomic_write
from nca_viewer.healing import Healing
from nca_viewer.snapshot import Snapshot
from nca_viewer.timeline import Mark

WINDOW_STEPS = 600
"""How far back a chart goes."""

CSV_HEADER = (
    "time [steps]",
    "episode",
    "step in episode [steps]",
    "error [root mean square, 0 to 1]",
    "healed [part of the damage, 0 to 1]",
    "event",
    "cells touched [cells]",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The automaton at one tick.

    Attributes:
        tick: As in the timeline: it never goes back, where a step's number does.
        step: Steps since the start of the episode.
        episode: Number of the episode.
        error: Root mean square difference from the clean picture, 0 to 1; None where there is none.
        healed: Part of the damage that is healed, 0 to 1; None where there is no damage to speak of.
        healing: What both were taken from, to go on from where this tick becomes the present again.
    """

    tick: int
    step: int
    episode: int
    error: float | None
    healed: float | None
    healing: Healing | None

    @classmethod
    def of(cls, tick: int, snapshot: Snapshot, healing: Healing | None) -> Sample:
        """What a chart shows of a snapshot; None is the healing of a page without a clean picture."""
        error, healed = (None, None) if healing is None else (healing.error, healing.restored)
        return cls(tick, snapshot.step, snapshot.episode, error, healed, healing)


@dataclass(frozen=True, eq=False, slots=True)
class Series:
    """The samples of the last `WINDOW_STEPS` ticks before the newest, and the strokes and starts among them.

    Attributes:
        samples: At most one per tick, in order.
        marks: In order.
        table: float64[N, 5], of every sample its tick, step, episode, error and healed part; NaN for None.
    """

    samples: tuple[Sample, ...] = ()
    marks: tuple[Mark, ...] = ()
    table: np.ndarray = field(default_factory=lambda: _table(()))

    @property
    def newest_tick(self) -> int:
        """Where a chart ends on the right."""
        return self.samples[-1].tick if self.samples else 0

    @property
    def oldest_tick(self) -> int:
        """Where it begins on the left, whether or not there is a sample."""
        return self.newest_tick - WINDOW_STEPS

    def at(self, tick: int) -> Sample | None:
        """The sample of exactly this tick."""
        sample = self.nearest(tick)
        return sample if sample is not None and sample.tick == tick else None

    def nearest(self, tick: float) -> Sample | None:
        """The sample nearest to a tick; None where there is none at all."""
        number = bisect.bisect_left(self.samples, tick, key=lambda sample: sample.tick)
        near = self.samples[max(0, number - 1) : number + 1]
        return min(near, key=lambda sample: abs(sample.tick - tick), default=None)

    def last_at(self, episode: int, step: int) -> Sample | None:
        """The newest sample of an episode that is not beyond a step; None where there is none."""
        return next((s for s in reversed(self.samples) if s.episode == episode and s.step <= step), None)

    def nearest_mark(self, tick: float, within: float) -> Mark | None:
        """The mark nearest to a tick, no further off than so many."""
        near = [mark for mark in self.marks if abs(mark.tick - tick) <= within]
        return min(near, key=lambda mark: abs(mark.tick - tick), default=None)


def follow_series(
    series: Series, sample: Sample | None, marks: Sequence[Mark], *, newest_tick: int
) -> Series:
    """Look at the next frame.

    Args:
        series: Until now; `Series()` at first.
        sample: Of this frame; None where there is none. One of a tick that is there already replaces it.
        marks: Of the timeline.
        newest_tick: Of the timeline: what lies beyond it belongs to a branch that was dropped.
    """
    samples, table = series.samples, series.table
    if samples and samples[-1].tick > newest_tick:
        end = bisect.bisect_right(samples, newest_tick, key=lambda other: other.tick)
        samples, table = samples[:end], table[:end]
    if sample is not None and sample.tick <= newest_tick:
        begin = bisect.bisect_left(samples, sample.tick, key=lambda other: other.tick)
        end = begin + (begin < len(samples) and samples[begin].tick == sample.tick)
        if samples[begin:end] != (sample,):
            samples = (*samples[:begin], sample, *samples[end:])
            table = np.concatenate((table[:begin], _table((sample,)), table[end:]))
    oldest = samples[-1].tick - WINDOW_STEPS if samples else newest_tick
    if samples and samples[0].tick < oldest:
        begin = bisect.bisect_left(samples, oldest, key=lambda other: other.tick)
        samples, table = samples[begin:], table[begin:]
    newest = samples[-1].tick if samples else oldest - 1
    begin = bisect.bisect_left(marks, oldest, key=lambda mark: mark.tick)
    near = tuple(marks[begin : bisect.bisect_right(marks, newest, key=lambda mark: mark.tick)])
    if samples is series.samples and near == series.marks:
        return series
    return Series(samples, near, table)


def _table(samples: Sequence[Sample]) -> np.ndarray:
    rows = [(s.tick, s.step, s.episode, s.error, s.healed) for s in samples]
    return np.array(rows, float).reshape(len(rows), 5)


def event_name(mark: Mark) -> str:
    """What a mark is, in a word or two."""
    if mark.tool is None:
        return "kill" if mark.cells else "new start"
    return mark.tool.value


def csv_rows(series: Series) -> Iterable[tuple[object, ...]]:
    """What a chart draws, in the order of time: a row for every sample, and one for every mark."""

    def number(value: float | None) -> object:
        return "" if value is None else value

    rows: list[tuple[int, int, tuple[object, ...]]] = [
        (s.tick, 0, (s.tick, s.episode, s.step, number(s.error), number(s.healed), "", ""))
        for s in series.samples
    ]
    rows += [
        (m.tick, 1, (m.tick, m.episode, m.step, "", "", event_name(m), m.cells or "")) for m in series.marks
    ]
    return [row for _, _, row in sorted(rows, key=lambda row: row[:2])]


def write_csv(path: Path, series: Series) -> None:
    """Write what a chart draws; whole or not at all.

    Raises:
        OutputError: it could not be written.
    """
    with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_HEADER)
        writer.writerows(csv_rows(series))
