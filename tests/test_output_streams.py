"""The work goes on and is saved, whatever becomes of what is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys, time
from nca_viewer.ending import run_program

def command():
    for number in range(3):
        print(f"line {number}", flush=True)
        print(f"note {number}", file=sys.stderr)
        time.sleep(0.05)
    with open("saved", "w") as file:
        assert file.fileno() > 2
        file.write("work")

run_program("program", command)
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="shells of POSIX")


def run(shell: str, directory: Path, program: str = PROGRAM) -> subprocess.CompletedProcess[str]:
    """Run the program where the shell's line says `PROGRAM`."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell.replace("PROGRAM", '"$0" -c "$1"'), sys.executable, program],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=60,
    )


@pytest.mark.parametrize(
    "shell",
    [
        "PROGRAM | head -1",
        "PROGRAM 2>&1 | true",
        "PROGRAM 2> >(true)",
        "PROGRAM >&-",
        "PROGRAM 2>&-",
        "PROGRAM <&- >&- 2>&-",
        "PROGRAM 2> /dev/full",
    ],
)
def test_a_text_that_nobody_reads_changes_nothing(tmp_path: Path, shell: str):
    if "/dev/full" in shell and not Path("/dev/full").exists():
        pytest.skip("no such device")
    result = run(shell, tmp_path)
    assert result.returncode == 0
    assert (tmp_path / "saved").read_text() == "work"
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
@pytest.mark.parametrize("shell", ["PROGRAM > /dev/full", "PROGRAM > /dev/full 2>&1"])
def test_a_text_that_was_to_be_kept_and_is_not_is_told_after_the_work(tmp_path: Path, shell: str):
    result = run(shell, tmp_path)
    assert (tmp_path / "saved").read_text() == "work"
    assert result.returncode == 1
    if "2>&1" not in shell:
        assert result.stderr.splitlines()[-1].startswith(
            "program: error: cannot write to stdout: No space left"
        )


def test_a_failure_of_the_work_goes_before_one_of_the_output(tmp_path: Path):
    program = "from nca_viewer.ending import run_program\nrun_program('p', lambda: print('x') or 2)"
    assert run("PROGRAM > /dev/full", tmp_path, program).returncode == 2


def test_names_are_printed_as_the_bytes_that_they_are(tmp_path: Path):
    program = (
        "from nca_viewer.ending import run_program\nrun_program('p', lambda: print('a\\udce9\\ud800\\u00e9'))"
    )
    assert run("PROGRAM", tmp_path, program).stdout.rstrip("\n") in ("a\udce9\\ud800é", "a\\udce9\\ud800é")
    program = "from nca_viewer.ending import run_program\nrun_program('p', lambda: print('a\\udce9'))"
    assert run("PROGRAM", tmp_path, program).stdout == "a\udce9\n"
