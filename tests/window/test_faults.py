"""The real program, and faults that come from outside of it."""

import contextlib
import json
import os
import signal
import time

import pytest

from nca_viewer.kiosk.operation.status import read_status

pytestmark = pytest.mark.window


@pytest.fixture
def records(small_checkpoint, tmp_path):
    """Options of a viewer that keeps records, and their folder."""
    folder = tmp_path / "records"
    return ("--ckpt", small_checkpoint, "--state-dir", folder, "--log-dir", folder, "--seed", 1), folder


def wait_until_live(viewer, folder):
    viewer.wait_until(lambda: (read_status(folder) or {}).get("frames", 0) > 0)


def test_a_display_that_goes_away_is_told_and_has_its_own_exit_code(open_viewer, mortal_display, records):
    options, folder = records
    viewer = open_viewer(*options, on=mortal_display)
    wait_until_live(viewer, folder)
    mortal_display.server.kill()
    code, out, err = viewer.end()
    assert (code, out) == (74, "")
    assert err == (
        "nca-viewer: error: the screen went away: its X server has ended; check it, and start again\n"
    )
    status = read_status(folder)
    assert status["state"] == "failed"
    assert status["last_error"].startswith("DisplayLostError: the screen went away")
    assert " ERROR display: the screen went away" in (folder / "nca-viewer.log").read_text()


def test_sigterm_ends_cleanly_and_is_told(open_viewer, records):
    options, folder = records
    viewer = open_viewer(*options)
    wait_until_live(viewer, folder)
    viewer.process.send_signal(signal.SIGTERM)
    assert viewer.end() == (0, "", "")
    assert read_status(folder)["state"] == "ended"
    lines = (folder / "nca-viewer.log").read_text().splitlines()
    words = [line.split()[2] for line in lines]
    assert (words[0], words[1], words[-1]) == ("start:", "live:", "end:")
    assert not list(folder.rglob("*.partial*"))


class Supervised:
    """A supervised exhibit, and what its files tell."""

    def __init__(self, viewer, folder):
        self.supervisor, self.folder = viewer, folder

    @property
    def status(self):
        return read_status(self.folder) or {}

    def wait_until_live(self, restarts=0):
        self.supervisor.wait_until(
            lambda: self.status.get("frames", 0) > 0 and self.status["restarts"] == restarts
        )
        return self.status


@pytest.fixture
def supervised(open_viewer, records):
    options, folder = records
    supervised = Supervised(
        open_viewer("supervise", *options, "--exhibit", "--operator-exit", "none"), folder
    )
    yield supervised
    if supervised.supervisor.process.poll() is None and (pid := supervised.status.get("pid")):
        supervised.supervisor.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_viewer_ends_when_its_supervisor_is_killed(supervised):
    supervised.wait_until_live()
    os.kill(supervised.supervisor.process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while supervised.status["state"] != "ended" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert supervised.status["state"] == "ended"


def test_a_killed_viewer_and_one_that_hangs_are_started_again(supervised):
    first = supervised.wait_until_live()
    os.kill(first["pid"], signal.SIGKILL)
    second = supervised.wait_until_live(restarts=1)
    assert second["pid"] != first["pid"]
    assert second["last_end"] == "killed by SIGKILL"
    os.kill(second["pid"], signal.SIGSTOP)
    third = supervised.wait_until_live(restarts=2)
    assert third["last_end"].startswith("no heartbeat for ")
    supervised.supervisor.process.send_signal(signal.SIGTERM)
    code, out, err = supervised.supervisor.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    assert supervised.status["state"] == "ended"
    told = json.loads((supervised.folder / "supervisor.json").read_text())
    assert (told["state"], told["restarts"]) == ("ended", 2)
    for pid in (first["pid"], second["pid"], third["pid"]):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
