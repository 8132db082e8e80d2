import csv

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from nca_viewer.errors import OutputError
from nca_viewer.healing import Healing
from nca_viewer.interaction.actions import Tool
from nca_viewer.series import CSV_HEADER, WINDOW_STEPS, Sample, Series, follow_series, write_csv
from nca_viewer.snapshot import Snapshot
from nca_viewer.timeline import Mark, Position


def sample(tick, error=0.5, *, healed=0.25, episode=1, start=0):
    return Sample(tick, tick - start, episode, error, healed, None)


def mark(tick, tool=Tool.ERASE, cells=3):
    bits = np.arange(16) < (0 if tool is None else cells)
    return Mark(Position(tick, 0), tick, tick, 1, tool, np.packbits(bits))


def follow(ticks, marks=(), series=None):
    series = series or Series()
    for tick in ticks:
        series = follow_series(series, sample(tick), marks, newest_tick=tick)
    return series


def ticks_of(series):
    return [sample.tick for sample in series.samples]


def test_a_sample_is_what_the_status_bar_tells():
    snapshot = Snapshot(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 4), np.float32), 7, 3, True)
    healing = Healing(3, 7, 0.2, 0.1, 0.3, 0.0, True)
    assert Sample.of(40, snapshot, healing) == Sample(40, 7, 3, 0.2, healing.restored, healing)
    assert Sample.of(40, snapshot, None) == Sample(40, 7, 3, None, None, None)


def test_it_holds_the_last_steps_only_and_the_marks_among_them():
    marks = [mark(tick) for tick in (0, 5, 399, 400, 900, 1000, 1001)]
    series = follow(range(0, 1001, 2), marks)
    assert ticks_of(series) == list(range(1000 - WINDOW_STEPS, 1001, 2))
    assert [mark.tick for mark in series.marks] == [400, 900, 1000]
    assert (series.oldest_tick, series.newest_tick) == (400, 1000)


def test_a_tick_is_there_once_and_the_future_of_a_dropped_branch_is_not():
    series = follow(range(20), [mark(3), mark(15)])
    again = follow_series(series, sample(12), series.marks, newest_tick=19)
    assert again is series
    other = follow_series(series, sample(12, 0.9), series.marks, newest_tick=19)
    assert ticks_of(other) == list(range(20))
    assert other.at(12).error == 0.9
    branch = follow_series(series, sample(12, 0.9), series.marks[:1], newest_tick=12)
    assert ticks_of(branch) == list(range(13))
    assert [mark.tick for mark in branch.marks] == [3]
    late = follow_series(branch, sample(14), branch.marks, newest_tick=12)
    assert late is branch
    assert follow_series(branch, None, (), newest_tick=-1).samples == ()


@given(st.lists(st.tuples(st.integers(0, 1500), st.floats(0, 1), st.integers(0, 1500)), max_size=40))
def test_whatever_comes_it_is_in_order_and_bounded(frames):
    series = Series()
    for tick, error, newest_tick in frames:
        series = follow_series(series, sample(tick, error), [mark(700)], newest_tick=newest_tick)
        ticks = ticks_of(series)
        assert ticks == sorted(set(ticks))
        assert not ticks or ticks[-1] - ticks[0] <= WINDOW_STEPS
        assert not ticks or ticks[-1] <= newest_tick
        assert [tuple(row[[0, 3]]) for row in series.table] == [(s.tick, s.error) for s in series.samples]


def test_what_a_record_goes_back_to_is_found_by_its_steps():
    first = [sample(tick) for tick in range(5)]
    second = [sample(tick, episode=2, start=5) for tick in range(5, 12)]
    series = Series()
    for one in (*first, *second):
        series = follow_series(series, one, (), newest_tick=one.tick)
    assert series.last_at(1, 9) == first[-1]
    assert series.last_at(2, 3) == second[3]
    assert series.last_at(3, 0) is None
    assert Series().last_at(1, 5) is None


def test_hover_finds_the_nearest():
    series = follow([10, 20, 30], [mark(12), mark(28)])
    assert [series.nearest(tick).tick for tick in (-5, 14, 16, 99)] == [10, 10, 20, 30]
    assert (series.at(20).tick, series.at(21)) == (20, None)
    assert series.nearest_mark(15, 3).tick == 12
    assert series.nearest_mark(20, 3) is None
    assert Series().nearest(3) is None


def test_the_csv_is_what_is_drawn(tmp_path):
    series = Series()
    for tick in range(0, 700, 10):
        error = None if tick == 690 else tick / 700
        marks = [mark(50), mark(655, Tool.CORRUPT, 1), mark(660, None)]
        series = follow_series(series, sample(tick, error), marks, newest_tick=tick)
    path = tmp_path / "series.csv"
    write_csv(path, series)
    header, *rows = csv.reader(path.read_text("utf-8").splitlines())
    assert tuple(header) == CSV_HEADER
    drawn = [row for row in rows if not row[5]]
    assert [int(row[0]) for row in drawn] == ticks_of(series)
    assert [float(row[3]) if row[3] else None for row in drawn] == [s.error for s in series.samples]
    assert [row[5:] for row in rows if row[5]] == [["corrupt", "1"], ["new start", ""]]
    assert [int(row[0]) for row in rows] == sorted(int(row[0]) for row in rows)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["missing/series.csv", "folder"])
def test_a_csv_that_cannot_be_written_is_told_in_one_line(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="cannot write") as caught:
        write_csv(tmp_path / name, follow([1, 2]))
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "folder").iterdir())


def test_an_empty_series_is_a_header(tmp_path):
    write_csv(tmp_path / "series.csv", Series())
    assert len((tmp_path / "series.csv").read_text().splitlines()) == 1
