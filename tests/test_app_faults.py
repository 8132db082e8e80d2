"""Faults injected into the loop: survived, and the picture is back within two seconds."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pygame
import pytest
from pygame.event import Event

from nca_viewer.checkpoint import build_model
from nca_viewer.display.frame import Frame
from nca_viewer.display.window import HeadlessWindow
from nca_viewer.errors import BackendError, DisplayLostError, RestartNeededError
from nca_viewer.health import Limits
from nca_viewer.interaction.actions import Tool
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.kiosk.operation.diagnostics import FOLDER, MAX_FAULTS, save_diagnostic
from nca_viewer.kiosk.operation.event_log import EventLog
from nca_viewer.kiosk.operation.monitor import Monitor
from nca_viewer.kiosk.operation.status import CheckpointStatus, read_status
from nca_viewer.launch import open_app
from nca_viewer.loading import Loaded, Session
from nca_viewer.selftest import fixed_parameters
from nca_viewer.simulation import Simulation
from nca_viewer.start_images import StartImages
from tests.faults import Ears, FaultySimulation

SIZE = (460, 420)
RATE = 60
WITHIN_FRAMES = 2 * RATE


class ImpatientWindow(HeadlessWindow):
    """Its clock also goes on, a little, whenever it is looked at: so time passes while the loop waits."""

    looks = 0

    def now_seconds(self):
        self.looks += 1
        return super().now_seconds() + 0.0001 * self.looks

    def wait_until(self, seconds):
        super().wait_until(seconds)
        self.looks = 0


class Floor:
    """An exhibit without anybody watching but the test."""

    def __init__(self, simulation, folder, *, acts_alone=True, usage_csv=None, may_restart=True):
        self.simulation = FaultySimulation(simulation)
        self.folder = folder
        self.window = ImpatientWindow(SIZE)
        self.ears = Ears()
        self.wall = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
        self.monitor = Monitor(
            limits=Limits(judges_the_picture=acts_alone, may_restart=may_restart),
            state_folder=folder / "state",
            notifier=self.ears,
            now=lambda: self.wall,
            usage_csv=usage_csv,
            checkpoint=CheckpointStatus("small", "small", "0" * 64),
        )
        starts = StartImages(simulation.config, 11)
        simulation.episode = 0
        simulation.listeners.clear()  # Those of the test before, on the same simulation.
        simulation.begin(starts.digit(3, 1), 0.0)
        self.app = open_app(
            self.window,
            Loaded(Session(self.simulation, starts, 0.5, "a test")),
            KioskConfig(exhibit=usage_csv is not None),
            screenshot_folder=folder,
            monitor=self.monitor,
        )

    def frames(self, count=1):
        for _ in range(count):
            self.app.frame()
        return self

    def beats(self):
        """Heartbeats since the last call."""
        heard, self.ears.heard = self.ears.heard, []
        return [fields for fields in heard if fields.get("WATCHDOG") == 1]

    @property
    def status(self):
        assert self.monitor.flush()
        return read_status(self.folder / "state")

    def stroke(self, cell):
        config = self.simulation.config
        geometry = Geometry.fit(SIZE, (config.height, config.width), bar_visible=True)
        position = geometry.cell_centre(cell)
        self.window.post(
            Event(pygame.MOUSEBUTTONDOWN, pos=position, button=1),
            Event(pygame.MOUSEBUTTONUP, pos=position, button=1),
        )

    def touch(self, cell):
        """A finger comes to a cell, and goes in the next frame."""
        config = self.simulation.config
        geometry = self.app.face.geometry(SIZE, (config.height, config.width), self.app.controls)
        position = geometry.cell_centre(cell)
        place = {"x": position[0] / SIZE[0], "y": position[1] / SIZE[1], "finger_id": 1, "touch_id": 1}
        self.window.post(Event(pygame.FINGERDOWN, dx=0, dy=0, **place))
        self.frames(4)
        self.window.post(Event(pygame.FINGERUP, dx=0, dy=0, **place))

    def is_picture_back(self):
        """Whether a healthy fresh digit is on the screen, and lives."""
        before = self.simulation.step
        self.frames(2)
        snapshot = self.app.snapshot
        return (
            snapshot.is_healthy
            and snapshot.episode == self.simulation.episode
            and self.simulation.step > before
            and self.window.pixels().max() > 200
        )


@pytest.fixture(scope="module")
def warm_simulation(small_config):
    """An automaton whose picture rests wherever it is: healthy for ever."""
    parameters = fixed_parameters(small_config)
    for leaf in parameters["update"]["layers"]["1"].values():
        leaf[:] = 0
    simulation = Simulation(build_model(small_config, parameters), seed=11)
    simulation.warm_up()
    return simulation


@pytest.fixture
def floor(warm_simulation, tmp_path):
    floor = Floor(warm_simulation, tmp_path)
    yield floor
    floor.monitor.end()


def faults(floor):
    assert floor.monitor.flush()
    return sorted((floor.folder / "state" / FOLDER).glob("*.json"))


def test_a_state_that_is_not_finite(floor):
    floor.frames(5)
    shown = floor.window.pixels()
    floor.simulation.real.apply(Tool.PAINT, np.ones((11, 13), bool), np.nan)
    floor.frames(1)
    assert (floor.window.pixels() == shown).mean() > 0.5
    floor.frames(WITHIN_FRAMES - 3)
    assert floor.is_picture_back()
    assert floor.app.message is None
    assert floor.status["faults"] == {"not-finite": 1}
    assert floor.status["recoveries"] == 1
    (path,) = faults(floor)
    told = json.loads(path.read_text())
    assert told["fault"] == "not-finite"
    assert not told["facts"]["is_finite"]
    assert np.isnan(np.load(path.with_suffix(".npz"))["state"]).any()


def test_a_device_error_in_a_step(floor):
    floor.frames(5)
    floor.simulation.step_error = BackendError("the device failed in step 5: out of memory")
    floor.frames(WITHIN_FRAMES - 2)
    assert floor.is_picture_back()
    assert floor.status["last_fault"]["reason"] == "the device failed in step 5: out of memory"
    assert floor.app.message is None


def test_an_error_that_nobody_expected(floor):
    floor.frames(5)
    floor.simulation.step_error = ZeroDivisionError("surprise")
    floor.frames(WITHIN_FRAMES - 2)
    assert floor.is_picture_back()
    assert "ZeroDivisionError: surprise" in floor.status["last_fault"]["reason"]


def test_an_error_in_every_frame_is_no_flood_where_nobody_would_start_it_again(
    warm_simulation, tmp_path, monkeypatch
):
    floor = Floor(warm_simulation, tmp_path, may_restart=False)
    journal = EventLog()
    journal.open(tmp_path)

    def fail(*arguments, **options):
        raise ZeroDivisionError("surprise")

    floor.frames(5)
    before = floor.window.now_seconds()
    with monkeypatch.context() as patch:
        patch.setattr(Frame, "draw", fail)
        floor.frames(12 * RATE)
    assert floor.window.now_seconds() - before == pytest.approx(12, rel=0.1)
    log = (tmp_path / "nca-viewer.log").read_text()
    assert log.count("ERROR error: ZeroDivisionError") == 1
    assert log.count("fault: error: ZeroDivisionError") <= 5 + 1
    assert floor.is_picture_back()
    floor.monitor.end()
    journal.close()


def test_in_a_window_of_one_s_own_what_nobody_expected_is_shown(warm_simulation, tmp_path, monkeypatch):
    floor = Floor(warm_simulation, tmp_path, acts_alone=False).frames(2)
    floor.simulation.step_error = ZeroDivisionError("surprise")
    floor.frames(1)
    assert floor.app.message.is_error
    assert "surprise" in floor.app.message.text
    monkeypatch.setenv("NCA_VIEWER_DEBUG", "1")
    floor.simulation.step_error = ZeroDivisionError("surprise")
    with pytest.raises(ZeroDivisionError):
        floor.frames(1)


def test_errors_without_end_ask_for_a_restart(floor):
    floor.frames(5)

    def fail(steps):
        raise BackendError("the device failed")

    floor.simulation.advance = fail
    with pytest.raises(RestartNeededError, match="start the program again") as caught:
        floor.frames(100)
    assert caught.value.exit_code == 75
    assert floor.status["faults"] == {"error": 6}


def test_a_stalled_device_does_not_hold_up_the_window(floor):
    floor.frames(5)
    floor.beats()
    step = floor.app.snapshot.step
    floor.simulation.stalls = True
    floor.stroke((5, 6))
    floor.frames(3 * RATE)
    assert floor.app.snapshot.step == step
    assert floor.status["state"] == "stalled"
    assert floor.status["faults"] == {"stalled": 1}
    assert len(floor.beats()) <= 2
    floor.stroke((5, 6))
    floor.frames()
    floor.simulation.stalls = False
    floor.frames(3)
    assert floor.app.snapshot.step > step
    assert floor.app.snapshot.state[5, 6, -1] > 0.5
    floor.frames(RATE)
    assert floor.status["state"] == "running"
    assert floor.status["recoveries"] == 0


def test_a_device_that_never_comes_back_asks_for_a_restart(floor):
    floor.frames(5)
    floor.simulation.stalls = True
    with pytest.raises(RestartNeededError, match="no answer from the device"):
        floor.frames(11 * RATE)


def test_steps_that_do_not_come(floor):
    floor.frames(5)
    floor.beats()
    floor.simulation.is_frozen = True
    floor.frames(2 * RATE)
    assert len(floor.beats()) <= 1
    floor.frames(WITHIN_FRAMES)
    assert floor.status["faults"] == {"frozen": 1}
    assert floor.is_picture_back()
    assert floor.beats()


def test_strokes_that_do_not_show(floor):
    floor.frames(5)
    floor.app.controls = floor.app.controls.__class__(paused=True)
    floor.simulation.is_deaf = True
    cell = tuple(np.argwhere(floor.app.snapshot.image[..., 0] < 100)[0])
    for _ in range(6 * RATE):
        floor.stroke(cell)
        floor.frames()
    assert floor.status["faults"] == {"unanswered": 1}


@pytest.mark.parametrize("began_blank", [True, False])
def test_what_is_left_blank_becomes_a_digit_after_a_while_and_is_a_fault_where_ink_was_lost(
    floor, caplog, began_blank
):
    image = np.zeros((11, 13, 1), np.float32)
    image[4:7, 4:7] = 0.0 if began_blank else 1.0
    floor.simulation.begin(image, 0.0)
    floor.simulation.apply(Tool.ERASE, np.ones((11, 13), bool))
    floor.app.controls = floor.app.controls.__class__(paused=True)
    floor.monitor.limits = replace(floor.monitor.limits, grace_seconds=1.0)
    floor.frames(RATE // 2)
    assert floor.simulation.episode == 2
    floor.frames(RATE)
    assert floor.simulation.episode == 3
    assert floor.app.snapshot.image.max() > 200
    status, told = floor.status, [] if began_blank else ["blank"]
    assert list(status["faults"]) == told
    assert (status["recoveries"], bool(status["last_fault"])) == (len(told), bool(told))
    assert ("blank: no ink" in caplog.text) is not began_blank


def test_pausing_is_life(floor):
    floor.frames(5)
    floor.app.controls = floor.app.controls.__class__(paused=True)
    floor.beats()
    floor.frames(10 * RATE)
    assert len(floor.beats()) >= 15
    assert floor.status["state"] == "paused"
    assert floor.status["faults"] == {}


def test_the_first_beat_says_that_it_is_ready(floor):
    assert floor.ears.heard == []
    floor.frames(5 * RATE)
    assert [fields for fields in floor.ears.heard if "READY" in fields] == floor.ears.heard[:1]
    assert len(floor.beats()) == pytest.approx(10, abs=1)


def test_a_clock_that_jumps(floor):
    floor.frames(2 * RATE)
    uptime = floor.status["uptime_seconds"]
    for year in (1970, 2099, 2026):
        floor.wall = floor.wall.replace(year=year)
        floor.frames(2 * RATE)
        assert floor.status["time"].startswith(str(year))
        assert floor.status["uptime_seconds"] > uptime
        uptime = floor.status["uptime_seconds"]
    assert floor.status["faults"] == {}
    assert floor.simulation.episode == 1


def test_a_thousand_events_in_one_frame(floor):
    floor.frames(5)
    for number in range(1000):
        floor.window.post(
            Event(
                (pygame.FINGERDOWN, pygame.FINGERMOTION, pygame.FINGERUP)[number % 3],
                x=(number % 37) / 37, y=(number % 91) / 91, finger_id=number % 10, touch_id=1, dx=0, dy=0,
            )
        )  # fmt: skip
    floor.frames(WITHIN_FRAMES - 2)
    assert floor.app.snapshot.is_healthy
    assert floor.status["faults"] == {}


def test_a_full_disk_is_told_once_and_survived(floor, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    floor.frames(2 * RATE)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        floor.simulation.real.apply(Tool.PAINT, np.ones((11, 13), bool), np.nan)
        floor.frames(5 * RATE)
        assert floor.monitor.flush()
        assert sorted(floor.monitor.problems) == [
            "cannot write the diagnostic of not-finite: [Errno 28] No space left on device",
            "cannot write the status: [Errno 28] No space left on device",
        ]
        assert floor.is_picture_back()
    floor.frames(2 * RATE)
    assert floor.status["problems"] == [
        "cannot write the diagnostic of not-finite: [Errno 28] No space left on device"
    ]
    assert floor.status["faults"] == {"not-finite": 1}


def test_a_log_that_cannot_be_written_is_a_problem_and_no_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    journal = EventLog()
    journal.open(tmp_path / "file" / "logs")
    assert len(journal.problems) == 1
    assert "cannot write the log" in journal.problems[0]
    journal.close()


def test_a_display_that_goes_away_ends_the_run_with_its_own_code(floor):
    floor.frames(5)

    def gone():
        raise DisplayLostError("the screen went away")

    floor.window.present = gone
    with pytest.raises(DisplayLostError) as caught:
        floor.frames()
    assert caught.value.exit_code == 74


def test_diagnostics_are_bounded(tmp_path):
    state = np.zeros((4, 4, 3), np.float32)
    for second in range(MAX_FAULTS + 15):
        moment = datetime(2026, 11, 24, 12, 0, second % 60, tzinfo=UTC)
        save_diagnostic(tmp_path, "blank", {"n": second}, state, moment)
    kept = sorted((tmp_path / FOLDER).glob("*.json"))
    assert len(kept) == MAX_FAULTS
    assert len(list((tmp_path / FOLDER).iterdir())) == 2 * MAX_FAULTS
    assert json.loads(kept[-1].read_text())["n"] == MAX_FAULTS + 14
    save_diagnostic(tmp_path, "huge", {}, np.zeros((9, 2**20), np.float32), moment)
    assert not list((tmp_path / FOLDER).glob("*huge.npz"))


def test_diagnostics_of_a_clock_that_was_wrong_and_halves_of_them_make_room(tmp_path):
    for year in (2099, 2026):
        for second in range(MAX_FAULTS):
            save_diagnostic(
                tmp_path, "blank", {"year": year}, None, datetime(year, 1, 1, 0, 0, second, tzinfo=UTC)
            )
    (tmp_path / FOLDER / ".fault-20260101T000000000000-blank.partial.npz").write_bytes(b"half")
    save_diagnostic(tmp_path, "blank", {"year": 2026}, None, datetime(2026, 1, 2, tzinfo=UTC))
    kept = list((tmp_path / FOLDER).iterdir())
    assert [json.loads(path.read_text())["year"] for path in kept] == [2026] * MAX_FAULTS


def test_usage_that_cannot_be_written_is_a_problem_from_the_start(warm_simulation, tmp_path):
    (tmp_path / "file").write_text("in the way")
    floor = Floor(warm_simulation, tmp_path, usage_csv=tmp_path / "file" / "usage.csv")
    floor.frames(2)
    floor.monitor.flush()
    assert [problem for problem in floor.monitor.problems if "cannot write the usage" in problem]


def test_counts_of_the_running_hour_are_written_while_it_runs(warm_simulation, tmp_path, monkeypatch):
    monkeypatch.setattr("nca_viewer.kiosk.operation.monitor.USAGE_SECONDS", 1.0)
    path = tmp_path / "usage.csv"
    floor = Floor(warm_simulation, tmp_path, usage_csv=path)
    floor.frames(5)
    floor.touch((5, 6))
    floor.frames(90)
    floor.monitor.flush()
    assert path.read_text().splitlines()[1].endswith(",1,1,0,0")


def test_visits_strokes_and_resets_are_counted_by_the_hour(warm_simulation, tmp_path):
    floor = Floor(warm_simulation, tmp_path, usage_csv=tmp_path / "usage.csv")
    floor.frames(5)
    for _ in range(3):
        floor.touch((5, 6))
        floor.frames(10)
    floor.frames(30)
    floor.monitor.end()
    assert (tmp_path / "usage.csv").read_text().splitlines() == [
        "hour,visits,strokes,heals,resets",
        f"{floor.wall.astimezone().isoformat(timespec='minutes')},1,3,0,0",
    ]
