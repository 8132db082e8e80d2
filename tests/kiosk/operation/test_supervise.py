"""The supervisor, with small programs in the viewer's place."""

import json
import os
import signal
import socket
import sys
import textwrap
import threading
import time

import pytest

from nca_viewer.errors import ConfigError
from nca_viewer.health import Limits
from nca_viewer.kiosk.operation.backoff import BackoffRules
from nca_viewer.kiosk.operation.supervise import LOCK_NAME, Patience, Supervisor, claim
from tests.faults import Ears

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")

PRELUDE = """
    import os, signal, sys, time
    from nca_viewer.kiosk.operation.heartbeat import Notifier
    notifier = Notifier.from_environment()
    with open(sys.argv[1], "a") as file:
        print(os.getpid(), os.environ["NCA_VIEWER_RESTARTS"], os.environ["NCA_VIEWER_LAST_END"], file=file)
    number = int(os.environ["NCA_VIEWER_RESTARTS"])
    def live(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            notifier.send(READY=1, WATCHDOG=1, STATUS="fine")
            time.sleep(0.02)
"""
QUICK = BackoffRules(
    most_failures=4, window_seconds=60, first_delay_seconds=0.01, longest_delay_seconds=0.05,
    longest_try_seconds=5,
)  # fmt: skip


class Watch:
    """A supervisor of a small program, and what came of it."""

    def __init__(self, folder, program, picture=None, patience=None):
        self.folder = folder
        self.log = folder / "starts"
        self.ears = Ears()
        script = folder / "program.py"
        script.write_text(textwrap.dedent(PRELUDE) + textwrap.dedent(program))
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.supervisor = Supervisor(
            [sys.executable, str(script), str(self.log)],
            picture_command=picture,
            rules=QUICK,
            patience=patience or Patience(start_seconds=20, beat_seconds=20),
            notifier=self.ears,
            state_folder=folder,
            environment=environment,
        )

    def run(self):
        self.code = self.supervisor.run()
        return self

    @property
    def starts(self):
        """(restarts, why the one before ended), as each start was told."""
        lines = [line.split(" ", 2) for line in self.log.read_text().splitlines()]
        return [(int(number), why) for _, number, why in lines]

    @property
    def record(self):
        return json.loads((self.folder / "supervisor.json").read_text())


def test_an_end_on_purpose_ends_the_supervision(tmp_path):
    watch = Watch(tmp_path, "live(0.2)").run()
    assert watch.code == 0
    assert watch.starts == [(0, "")]
    assert watch.record["state"] == "ended"
    assert {"READY": 1, "STATUS": "fine"} in watch.ears.heard
    assert [fields for fields in watch.ears.heard if "WATCHDOG" in fields]
    assert watch.ears.heard[-1] == {"STOPPING": 1}


def test_a_crash_and_a_kill_are_followed_by_another_start(tmp_path):
    program = """
        live(0.1)
        if number == 0: sys.exit(3)
        if number == 1: os.kill(os.getpid(), signal.SIGKILL)
    """
    watch = Watch(tmp_path, program).run()
    assert watch.code == 0
    assert watch.starts == [(0, ""), (1, "exit code 3"), (2, "killed by SIGKILL")]
    assert watch.record["restarts"] == 2
    assert [failure["reason"] for failure in watch.record["failures"]] == ["exit code 3", "killed by SIGKILL"]


def test_a_hang_is_noticed_by_the_missing_heartbeat(tmp_path):
    program = """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        live(0.1)
        if number == 0: time.sleep(60)
    """
    watch = Watch(tmp_path, program, patience=Patience(start_seconds=20, beat_seconds=1)).run()
    assert watch.code == 0
    assert watch.starts[1][1].startswith("no heartbeat for 1 s; killed")


def test_a_viewer_whose_device_hangs_can_tell_of_it_before_it_is_killed():
    assert Patience().beat_seconds > Limits().stall_restart_seconds + 2


def test_no_start_takes_longer_than_giving_up_allows_for():
    assert Patience().start_seconds <= BackoffRules().longest_try_seconds


def test_a_start_that_comes_to_nothing_is_noticed(tmp_path):
    program = "time.sleep(60) if number == 0 else live(0.1)"
    watch = Watch(tmp_path, program, patience=Patience(start_seconds=2, beat_seconds=20)).run()
    assert watch.code == 0
    assert watch.starts[1][1].startswith("no live frame for 2 s; killed")


def test_it_gives_up_loudly(tmp_path, capfd):
    watch = Watch(tmp_path, "sys.exit(5)").run()
    assert watch.code == 1
    assert len(watch.starts) == QUICK.most_failures
    assert watch.record["state"] == "given up"
    error = capfd.readouterr().err
    assert error.startswith("nca-viewer: error: the viewer failed 4 times within 1 minutes, the last time: ")
    assert "exit code 5" in error
    assert {"STATUS": "given up: exit code 5"} in watch.ears.heard


def test_bad_options_are_not_tried_again(tmp_path):
    watch = Watch(tmp_path, "sys.exit(2)").run()
    assert watch.code == 2
    assert len(watch.starts) == 1


def test_what_looks_like_bad_options_after_a_good_run_is_tried_again(tmp_path):
    watch = Watch(tmp_path, "live(0.1)\nif number == 0: sys.exit(5)\nif number == 1: sys.exit(2)").run()
    assert watch.code == 0
    assert len(watch.starts) == 3


def test_being_told_to_end_is_passed_on(tmp_path):
    program = """
        signal.signal(signal.SIGTERM, lambda *_: (open(sys.argv[1] + ".ended", "w").close(), sys.exit(0)))
        live(60)
    """
    watch = Watch(tmp_path, program)
    thread = threading.Thread(target=watch.run)
    thread.start()
    while not any("READY" in fields for fields in watch.ears.heard):
        time.sleep(0.01)
    watch.supervisor.end()
    thread.join(60)
    assert not thread.is_alive()
    assert watch.code == 0
    assert (tmp_path / "starts.ended").exists()


def test_the_picture_is_shown_while_the_viewer_is_down_and_only_then(tmp_path):
    picture = tmp_path / "picture.py"
    words = tmp_path / "words"
    picture.write_text(
        "import sys\n"
        "for line in sys.stdin:\n"
        f"    with open({str(words)!r}, 'a') as file: file.write(line)\n"
        f"with open({str(words)!r}, 'a') as file: file.write('end\\n')\n"
    )
    program = """
        def told(): return open(sys.argv[1].replace("starts", "words")).read().split()
        live(0.3)
        if number < 2: sys.exit(3)
        while told()[-1] != "hide": live(0.01)
    """
    watch = Watch(tmp_path, program, picture=[sys.executable, str(picture)]).run()
    assert watch.code == 0
    told = words.read_text().split()
    assert told == ["hide", "show", "hide", "show", "hide", *told[5:]]
    assert watch.supervisor._picture.poll() is not None


def test_a_full_disk_does_not_end_the_supervision(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nca_viewer.kiosk.operation.supervise.replace_file", full)
    watch = Watch(tmp_path, "live(0.1)\nif number == 0: sys.exit(3)").run()
    assert watch.code == 0
    assert len(watch.starts) == 2


def test_what_a_full_disk_did_not_take_is_recorded_once_it_does(tmp_path, monkeypatch):
    from nca_viewer.kiosk.operation import supervise

    refusals = []

    def full_at_first(path, content):
        if len(refusals) < 4:  # Up to the second start, and a second beyond.
            refusals.append(json.loads(content))
            raise OSError(28, "No space left on device")
        replace(path, content)

    replace = supervise.replace_file
    monkeypatch.setattr(supervise, "replace_file", full_at_first)
    monkeypatch.setattr(supervise.Supervisor, "_end", lambda self, why: 0)
    watch = Watch(tmp_path, "live(0.1 if number == 0 else 3)\nif number == 0: sys.exit(3)").run()
    assert len(refusals) == 4
    record = json.loads((tmp_path / "supervisor.json").read_text())
    assert (record["state"], record["restarts"]) == ("running", 1)
    assert watch.code == 0


def test_a_supervisor_s_own_environment_keeps_its_place(tmp_path):
    """What systemd tells the supervisor about itself must not reach the viewer."""
    program = """
        assert "WATCHDOG_PID" not in os.environ
        live(0.1)
    """
    watch = Watch(tmp_path, program)
    watch.supervisor._environment |= {"WATCHDOG_PID": str(os.getpid()), "NOTIFY_SOCKET": "@nobody"}
    assert watch.run().code == 0
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_state_folder_has_one_supervisor_at_a_time(tmp_path):
    pytest.importorskip("fcntl")
    folder = tmp_path / "new"
    held = claim(folder)
    assert held is not None
    with pytest.raises(ConfigError, match=r"another supervisor keeps its records in .*new; end it first"):
        claim(folder)
    assert claim(tmp_path / "other") is not None
    os.close(held)
    assert (folder / LOCK_NAME).exists()
    assert claim(folder) is not None


def test_a_folder_that_cannot_be_held_is_no_obstacle(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert claim(tmp_path / "file") is None
    assert claim(None) is None


def test_the_viewer_is_told_who_its_supervisor_is(tmp_path):
    watch = Watch(tmp_path, 'assert os.environ["NCA_VIEWER_SUPERVISOR"] == str(os.getppid())\nlive(0.1)')
    assert watch.run().code == 0
