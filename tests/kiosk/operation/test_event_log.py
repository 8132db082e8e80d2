"""The log: bounded, silent where nobody opened it, and no obstacle where it cannot be written."""

import re
import shutil
from pathlib import Path

import pytest

from nca_viewer.kiosk.operation import event_log
from nca_viewer.kiosk.operation.event_log import EventLog, LogEvent, log_event


@pytest.fixture
def open_journal():
    opened = []

    def make(folder, **options):
        opened.append(EventLog())
        opened[-1].open(folder, **options)
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_a_line_has_its_time_its_gravity_and_its_word(open_journal, tmp_path):
    open_journal(tmp_path / "new" / "log")
    log_event(LogEvent.FAULT, "blank:\nno ink")
    line = (tmp_path / "new" / "log" / "nca-viewer.log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ WARNING fault: blank: no ink\n", line)


def test_an_error_has_its_traceback(open_journal, tmp_path):
    open_journal(tmp_path)
    try:
        raise ZeroDivisionError("surprise")
    except ZeroDivisionError as error:
        log_event(LogEvent.ERROR, "it broke", error=error)
    text = (tmp_path / "nca-viewer.log").read_text()
    assert "ERROR error: it broke" in text
    assert "ZeroDivisionError: surprise" in text


def test_the_log_is_bounded(open_journal, tmp_path, monkeypatch):
    monkeypatch.setattr(event_log, "FILE_BYTES", 2000)
    open_journal(tmp_path)
    for number in range(1000):
        log_event(LogEvent.FAULT, f"number {number}")
    files = sorted(tmp_path.iterdir())
    assert len(files) == 1 + event_log.KEPT_FILES
    assert sum(path.stat().st_size for path in files) <= 2000 * (1 + event_log.KEPT_FILES)
    assert "number 999" in (tmp_path / "nca-viewer.log").read_text()


def test_without_a_log_nothing_is_said(capfd):
    log_event(LogEvent.GIVEN_UP, "nobody hears it")
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_disk_that_fills_up_is_a_problem_that_passes(open_journal, tmp_path, capfd):
    (tmp_path / "nca-viewer.log").symlink_to("/dev/full")
    log = open_journal(tmp_path)
    log_event(LogEvent.LIVE, "it lives")
    assert len(log.problems) == 1
    assert "No space left on device" in log.problems[0]
    (tmp_path / "nca-viewer.log").unlink()
    other = open_journal(tmp_path)
    log_event(LogEvent.LIVE, "it lives")
    assert other.problems == ()
    assert capfd.readouterr() == ("", "")


def test_a_log_that_was_deleted_or_moved_is_begun_anew(open_journal, tmp_path):
    log = open_journal(tmp_path / "log")
    log_event(LogEvent.LIVE, "one")
    (tmp_path / "log" / "nca-viewer.log").rename(tmp_path / "old.log")
    log_event(LogEvent.LIVE, "two")
    assert "two" in (tmp_path / "log" / "nca-viewer.log").read_text()
    shutil.rmtree(tmp_path / "log")
    log_event(LogEvent.LIVE, "three")
    log_event(LogEvent.LIVE, "four")
    lines = (tmp_path / "log" / "nca-viewer.log").read_text().splitlines()
    assert [line.split()[-1] for line in lines] == ["three", "four"]
    assert log.problems == ()
    assert "one" in (tmp_path / "old.log").read_text()


def test_every_event_has_a_word_of_its_own():
    words = [event.word for event in LogEvent]
    assert len(set(words)) == len(words)
