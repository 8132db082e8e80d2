"""What a run says while it runs."""

from __future__ import annotations

import io
import re
import sys

import pytest

from training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_file_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress(300, 0, enabled=True, line_interval=128)
    for step in range(1, 301):
        shown.advance(step, 0.5 / step)
    shown.note("measuring the checkpoint")
    shown.write("update 300: loss 0.1")
    shown.close()
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert [re.sub(r"[\d.]+ s each", "T", line) for line in lines] == [
        "update 128 of 300: loss 0.00391, T",
        "update 256 of 300: loss 0.00195, T",
    ]
    assert captured.out == "update 300: loss 0.1\n"


def test_a_terminal_gets_a_bar_that_says_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    shown = Progress(300, 7, enabled=True, line_interval=2)
    for step in range(8, 17):
        shown.advance(step, 0.125)
    shown.note("measuring the checkpoint")
    shown.close()
    assert "16/300" in terminal.getvalue()
    assert "measuring the checkpoint" in terminal.getvalue()
    assert "of 300: loss" not in terminal.getvalue()


def test_nothing_is_shown_where_nothing_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress(4, 0, enabled=False, line_interval=1)
    shown.advance(1, 0.5)
    shown.note("measuring the checkpoint")
    shown.close()
    assert capsys.readouterr() == ("", "")
