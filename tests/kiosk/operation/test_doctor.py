"""What the doctor finds, and what it says to do."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from nca_viewer import cli
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.kiosk.operation import doctor
from nca_viewer.kiosk.operation.doctor import BAD, NOTE, OK, as_lines, examine, touch_screens
from nca_viewer.kiosk.operation.event_log import utc

DEVICES = """\
I: Bus=0011 Vendor=0001 Product=0001 Version=ab41
N: Name="AT Translated Set 2 keyboard"
B: PROP=0
B: EV=120013

I: Bus=0003 Vendor=222a Product=0001 Version=0110
N: Name="ILITEK ILITEK-TP"
B: PROP=2
B: EV=1b
B: KEY=400 0 0 0 0 0
B: ABS=3273800000000003

I: Bus=0018 Vendor=06cb Product=7a13 Version=0100
N: Name="SYNA Touchpad"
B: PROP=5
B: ABS=2e0800000000003

I: Bus=0003 Vendor=056a Product=0357 Version=0110
N: Name="A pen tablet"
B: PROP=2
B: ABS=1000d000003
"""


@pytest.fixture
def config(small_checkpoint, tmp_path):
    return KioskConfig(
        checkpoints=(str(small_checkpoint),),
        headless=True,
        frames=1,
        state_directory=tmp_path / "new" / "state",
    )


def found(config):
    return {finding.check: finding for finding in examine(config)}


def first_found(config, check):
    """What is found of one matter; what would be looked at after it is not."""
    return next(finding for finding in examine(config) if finding.check == check)


def test_a_well_machine(config, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    findings = found(config)
    assert {finding.level for finding in findings.values()} <= {OK, NOTE}
    assert findings["checkpoint"].text.endswith(cli_sha256(config.checkpoint))
    assert "ms per step" in findings["speed"].text
    assert "computes rightly" in findings["backend"].text
    assert not (tmp_path / "new").exists()


def cli_sha256(path):
    from nca_viewer.checkpoint import load_checkpoint

    return load_checkpoint(path)[1].sha256


def test_touch_screens_are_told_from_keyboards_touchpads_and_pens():
    assert touch_screens(DEVICES) == ["ILITEK ILITEK-TP"]
    assert touch_screens("") == []


def test_a_damaged_checkpoint(config, small_checkpoint, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(small_checkpoint, copy)
    (copy / "MANIFEST.json").write_text("{")
    findings = found(KioskConfig(checkpoints=(str(copy),), headless=True, frames=1))
    assert findings["checkpoint"].level == BAD
    assert "is damaged" in findings["checkpoint"].text
    assert findings["checkpoint"].remedy
    assert "speed" not in findings


def test_a_disk_that_is_nearly_full(config, monkeypatch):
    monkeypatch.setattr(
        doctor.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**10, 10**10, 10**6)
    )
    finding = found(config)["state folder"]
    assert (finding.level, finding.remedy) == (BAD, "make room: at least 200 MB")


def test_a_folder_that_cannot_be_written(config, tmp_path):
    (tmp_path / "new").write_text("in the way")
    finding = found(config)["state folder"]
    assert finding.level == BAD
    assert doctor.user_name() in finding.remedy


def test_what_one_may_not_even_look_at_says_whose_right_is_missing(config, monkeypatch):
    def locked(config):
        raise PermissionError(13, "Permission denied", "/locked/status.json")

    monkeypatch.setattr(doctor, "_record", locked)
    finding = found(config)["record"]
    assert finding.text == f"/locked/status.json cannot be written by {doctor.user_name()}"
    assert finding.remedy.startswith("let ")


def test_no_screen(config, small_checkpoint, monkeypatch):
    monkeypatch.delenv("SDL_VIDEODRIVER")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    findings = examine(KioskConfig(checkpoints=(str(small_checkpoint),)))
    finding = next(findings)
    assert (finding.check, finding.level) == ("screen", BAD)
    assert "DISPLAY=:0" in finding.remedy
    touch = next(findings)
    assert (touch.check, touch.level) == ("touch", NOTE)
    assert "cable" not in touch.text + touch.remedy


@pytest.mark.skipif(sys.platform != "linux", reason="libXi is what X11 on Linux takes")
@pytest.mark.parametrize(("devices", "level"), [(DEVICES, BAD), ("", NOTE)])
def test_the_library_that_feels_fingers_is_named_where_it_is_missing(monkeypatch, devices, level):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(doctor.ctypes, "CDLL", missing)
    monkeypatch.setattr(doctor, "input_devices", lambda: devices)
    finding = doctor._touch(KioskConfig(), has_screen=True)
    assert finding.level == level
    assert "libXi.so.6 is missing" in finding.text
    assert "libxi6" in finding.remedy
    assert "cable" not in finding.remedy


def test_touch_is_looked_for_where_there_is_a_screen(monkeypatch):
    monkeypatch.setattr(doctor, "_hears_touches", lambda: True)
    monkeypatch.setattr(doctor, "input_devices", lambda: DEVICES)
    finding = doctor._touch(KioskConfig(), has_screen=True)
    assert (finding.level, finding.text) == (OK, "ILITEK ILITEK-TP")
    monkeypatch.setattr(doctor, "input_devices", lambda: "")
    assert "cable" in doctor._touch(KioskConfig(), has_screen=True).remedy


def test_a_machine_that_is_too_slow(config, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(doctor.time, "perf_counter", lambda: next(clock) * 0.02)
    finding = found(config)["speed"]
    assert finding.level == BAD
    assert finding.text.startswith("20.0 ms per step")


def test_what_the_viewer_last_told(config, monkeypatch):
    folder = config.state_directory
    folder.mkdir(parents=True)
    status = {
        "state": "running", "time": utc(datetime.now(UTC)), "pid": os.getpid(), "recoveries": 2,
        "restarts": 1, "last_error": "", "problems": [], "checkpoint": {"trouble": ""},
    }  # fmt: skip
    (folder / "status.json").write_text(json.dumps(status))
    assert first_found(config, "record").level == OK
    assert "2 recoveries, 1 restarts" in first_found(config, "record").text
    (folder / "status.json").write_text(json.dumps(status | {"checkpoint": {"trouble": "it is gone"}}))
    assert first_found(config, "record").level == BAD
    (folder / "status.json").write_text("{")
    assert first_found(config, "record").level == NOTE
    (folder / "status.json").write_text(json.dumps({"time": "yesterday"}))
    assert first_found(config, "record").text.endswith("status.json is not what the viewer writes")
    old = status | {"time": utc(datetime.now(UTC) - timedelta(seconds=2 * doctor.STALE_SECONDS))}
    monkeypatch.setattr(doctor, "_began_seconds", lambda process: time.time() - 3600)
    (folder / "status.json").write_text(json.dumps(old))
    assert first_found(config, "record").level == BAD
    assert f"process {os.getpid()} lives" in first_found(config, "record").text
    # The number is another process's by now, or nobody's; or a clock was wrong.
    (folder / "status.json").write_text(json.dumps(old | {"time": "2026-11-24T03:00:00Z"}))
    assert first_found(config, "record").level == NOTE
    (folder / "status.json").write_text(json.dumps(old | {"pid": 2**30, "time": "2099-01-01T00:00:00Z"}))
    assert first_found(config, "record").level == NOTE
    assert "in the future, so a clock was wrong" in first_found(config, "record").text
    (folder / "status.json").write_text(json.dumps(old | {"pid": 2**30}))
    assert first_found(config, "record").level == NOTE
    assert "does not run any more" in first_found(config, "record").text
    (folder / "status.json").write_text(json.dumps(old | {"state": "ended"}))
    assert first_found(config, "record").level == OK


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_since_when_a_process_lives():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert abs(doctor._began_seconds(child.pid) - time.time()) < 5
        assert doctor.is_alive(child.pid, time.time())
        assert not doctor.is_alive(child.pid, time.time() - 60)
    finally:
        child.communicate(b"\n")
    assert not doctor.is_alive(child.pid, time.time())


def test_what_the_supervisor_last_told(config):
    folder = config.state_directory
    assert first_found(config, "supervisor").level == NOTE
    folder.mkdir(parents=True)
    record = {
        "state": "running", "time": utc(datetime.now(UTC) - timedelta(seconds=60)), "restarts": 8,
        "failures": [{"reason": "killed by SIGSEGV"}],
    }  # fmt: skip
    (folder / "supervisor.json").write_text(json.dumps(record))
    assert first_found(config, "supervisor").level == OK
    (folder / "supervisor.json").write_text(json.dumps(record | {"state": "given up"}))
    finding = first_found(config, "supervisor")
    assert finding.level == BAD
    assert "8 restarts, the last after: killed by SIGSEGV" in finding.text
    # Somebody has started the viewer by hand since.
    (folder / "status.json").write_text(json.dumps({"time": utc(datetime.now(UTC))}))
    assert first_found(config, "supervisor").level == OK
    (folder / "supervisor.json").write_text("[]")
    assert first_found(config, "supervisor").level == BAD


def test_files_without_which_it_does_not_start_or_keeps_no_records(config, tmp_path):
    (tmp_path / "state" / "status.json").mkdir(parents=True)
    (tmp_path / "usage.csv").mkdir()
    (tmp_path / "log" / "nca-viewer.log").mkdir(parents=True)
    (tmp_path / "attract.txt").write_text("caption 日本\nwait 9\n")
    options = {
        "start": str(tmp_path / "nowhere.png"), "attract_script": tmp_path / "attract.txt", "exhibit": True,
        "state_directory": tmp_path / "state", "usage_csv": tmp_path / "usage.csv",
        "log_directory": tmp_path / "log", "output_directory": tmp_path / "usage.csv" / "pictures",
    }  # fmt: skip
    findings = found(dataclasses.replace(config, **options))
    checks = {"state folder", "log folder", "usage", "start picture", "attract script"}
    assert {name for name, finding in findings.items() if finding.level == BAD} == checks
    assert "nowhere.png" in findings["start picture"].text
    assert "'日'" in findings["attract script"].text
    options["attract_script"] = tmp_path / "usage.csv"
    assert "is no file" in found(dataclasses.replace(config, **options))["attract script"].text


def test_the_command(small_checkpoint, tmp_path):
    arguments = ["doctor", "--ckpt", str(small_checkpoint), "--headless", "--frames", "1"]
    result = CliRunner().invoke(cli.main, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert {finding["check"] for finding in json.loads(result.stdout)} >= {"checkpoint", "backend", "speed"}
    arguments[2] = str(tmp_path / "gone")
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 1
    assert "bad  checkpoint     there is no checkpoint at" in result.stdout
    assert CliRunner().invoke(cli.main, ["doctor", "--fps", "0"]).exit_code == 2


@pytest.mark.parametrize("wrong", [["--fps", "0"], ["--config", "/gone.toml"], ["--no-such-option"]])
def test_wrong_options_are_a_finding_too(wrong):
    result = CliRunner().invoke(cli.main, ["doctor", "--json", *wrong])
    assert result.exit_code == 2
    (finding,) = json.loads(result.stdout)
    assert (finding["check"], finding["level"]) == ("options", BAD)
    assert finding["text"]


def test_a_check_that_breaks_is_a_finding(config, monkeypatch):
    def broken(config, model):
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(doctor, "_speed", broken)
    finding = found(config)["speed"]
    assert as_lines(finding) == [
        "bad  speed          ZeroDivisionError: surprise", "                    -> report this line"
    ]  # fmt: skip
