"""Whatever happens to an interrupt, the program ends, and never as a success."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX"),
    pytest.mark.usefixtures("heard_hang_ups"),
]

ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"]
PREAMBLE = """
import hashlib, os, signal, sys, time
from nca_viewer.ending import ending, run_program

def ready():
    os.write(1, b"ready\\n")
"""


def told(
    body: str, *names: str, directory: Path | None = None, ignored: str | None = None
) -> tuple[int, str, str]:
    """Exit code, the rest of stdout, and stderr of a command that is told to end once it is ready."""
    program = PREAMBLE + textwrap.dedent(body) + '\nrun_program("program", command)\n'
    root = str(Path(__file__).parents[1])

    # A signal that a program ignores, the program that takes its place ignores too.
    ignoring = (
        [] if ignored is None else ["sh", "-c", f"trap '' {ignored.removeprefix('SIG')}; exec \"$@\"", "sh"]
    )

    with subprocess.Popen(
        [*ignoring, sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": root},
    ) as process:
        assert process.stdout is not None
        try:
            for name in names:
                assert process.stdout.readline() == "ready\n"
                process.send_signal(getattr(signal, name))
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()  # It may not have ended.
    return process.returncode, output, errors


@pytest.mark.parametrize("name", ENDINGS)
def test_an_interrupt_ends_the_command(name: str):
    body = """
    def command():
        ready()
        time.sleep(60)
    """
    assert told(body, name) == (128 + getattr(signal, name), "", "program: interrupted\n")


@pytest.mark.parametrize("name", ENDINGS)
def test_an_interrupt_that_a_callback_swallowed_is_not_lost(name: str):
    body = """
    class Callback:
        def __del__(self):
            ready()
            time.sleep(60)

    def command():
        callback = Callback()
        del callback
        while True:
            time.sleep(0.01)
    """
    assert told(body, name) == (128 + getattr(signal, name), "", "program: interrupted\n")


def test_a_long_call_into_a_library_is_not_waited_for():
    body = """
    def command():
        ending.last_words = lambda: "interrupted; nothing was begun yet"
        ready()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
    """
    assert told(body, "SIGINT") == (130, "", "program: interrupted; nothing was begun yet\n")


def test_interrupted_is_no_success_though_the_work_came_to_its_end():
    body = """
    def command():
        try:
            ready()
            time.sleep(60)
        except KeyboardInterrupt:
            return 0
    """
    assert told(body, "SIGINT") == (130, "", "")


def test_what_must_be_saved_is_saved_first(tmp_path: Path):
    body = """
    def command():
        with ending.deferred() as told:
            ready()
            told.wait()
            time.sleep(2.5)  # Longer than the patience with anything else.
            open("saved", "w").close()
        open("more", "w").close()
    """
    folders = {name: tmp_path / name for name in ENDINGS}
    for folder in folders.values():
        folder.mkdir()
    with ThreadPoolExecutor() as pool:  # They wait side by side.
        ends = pool.map(lambda name: told(body, name, directory=folders[name]), ENDINGS)
        for name, end in zip(ENDINGS, ends, strict=True):
            assert end == (128 + getattr(signal, name), "", "program: interrupted\n")
            assert [path.name for path in folders[name].iterdir()] == ["saved"]


def test_a_second_interrupt_does_not_wait():
    body = """
    def command():
        with ending.deferred() as told:
            ready()
            told.wait()
            ready()
            hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
    """
    assert told(body, "SIGTERM", "SIGINT")[0] == 143


def test_work_that_was_told_to_end_and_does_is_interrupted_too():
    body = """
    def command():
        is_over = []
        with ending.deferred(lambda: is_over.append(True)):
            ready()
            while not is_over:
                time.sleep(0.01)
        print("over")
    """
    assert told(body, "SIGINT") == (130, "over\n", "")


def test_a_hang_up_that_is_ignored_from_the_start_stays_ignored():
    body = """
    def command():
        with ending.deferred():
            ready()
            time.sleep(0.5)
        ready()
        time.sleep(0.5)
    """
    assert told(body, "SIGHUP", "SIGHUP", ignored="SIGHUP") == (0, "", "")


def test_an_abrupt_end_leaves_out_what_libraries_do_at_the_end():
    body = """
    import atexit

    def command():
        atexit.register(print, "waited for the others")
        ending.is_abrupt = True
        print("said")
        return 3
    """
    assert told(body) == (3, "said\n", "")
    assert told(body.replace("is_abrupt = True", "is_abrupt = False"))[1] == "said\nwaited for the others\n"


@pytest.mark.parametrize("name", ENDINGS)
def test_a_module_that_is_being_imported_is_not_broken_into(name: str, tmp_path: Path):
    (tmp_path / "slow_to_import.py").write_text(
        "import os, time\n"
        "os.write(1, b'ready\\n')\n"
        "try:\n"
        "    while True:\n"
        "        time.sleep(0.01)\n"
        "except BaseException as error:\n"
        "    os.write(1, repr(error).encode())\n"
    )
    body = """
    def command():
        sys.path.insert(0, os.getcwd())
        import slow_to_import
    """
    code, output, errors = told(body, name, directory=tmp_path)
    assert (code, output) == (128 + getattr(signal, name), "")
    assert errors == "program: interrupted\n"
