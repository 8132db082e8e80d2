"""The command line: exact error lines, exit codes, and runs without a screen."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from nca_viewer import cli, launch
from nca_viewer.app import App
from nca_viewer.errors import ConfigError
from nca_viewer.kiosk.config import KioskConfig

REPOSITORY = Path(__file__).resolve().parents[1]
HEADLESS = ["--headless", "--frames", "3", "--no-compile-cache"]
pytestmark = pytest.mark.usefixtures("backend_checked_once")

ENDINGS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def invoke(*arguments):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def error_of(result):
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("nca-viewer: error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    return result.stderr.removeprefix("nca-viewer: error: ").rstrip("\n")


BAD_OPTIONS = [
    (["--xyzzy"], "No such option '--xyzzy'."),
    (["surplus"], "Got unexpected extra argument (surplus)"),
    (["--digit", "10"], "--digit = 10 is out of range; choose a value from 0 to 9"),
    (["--digit", "x"], "Invalid value for '--digit': 'x' is not a valid integer."),
    (["--digit", "3", "--start", "blank"], "--digit 3 needs --start digit, not 'blank'"),
    (["--mask-ratio", "1.5"], "--mask-ratio = 1.5 is out of range; choose a value from 0.0 to 1.0"),
    (["--mask-ratio", "nan"], "--mask-ratio = nan is out of range; choose a value from 0.0 to 1.0"),
    (["--seed", "-1"], "--seed = -1 is out of range; choose a value from 0 to 4294967295"),
    (["--fps", "0"], "--fps = 0 is out of range; choose a value from 1 to 240"),
    (
        ["--speed", "3"],
        "Invalid value for '--speed': '3' is not a known speed; "
        "choose one of 1/8, 1/4, 1/2, 1, 2, 4, 8, 16, 32, 64",
    ),
    (
        ["--speed", "1/0"],
        "Invalid value for '--speed': '1/0' is not a known speed; "
        "choose one of 1/8, 1/4, 1/2, 1, 2, 4, 8, 16, 32, 64",
    ),
    (["--brush-radius", "99"], "--brush-radius = 99 is out of range; choose a value from 0 to 14"),
    (
        ["--window-size", "10x900"],
        "--window-size (width) = 10 is out of range; choose a value from 64 to 8192",
    ),
    (["--window-size", "big"], "Invalid value for '--window-size': 'big' is not a size; write it as 900x960"),
    (["--frames", "0"], "--frames = 0 is out of range; choose a value from 1 to 1000000"),
    (["--headless"], "--headless would never end; give --frames N"),
    (["--save", "a.png"], "--save writes when the run ends; give --frames N"),
    (
        ["--frames", "30000", "--save", "a.gif"],
        "--frames (of a GIF) = 30000 is out of range; choose a value from 1 to 20000",
    ),
    (["--usage-csv", "a.csv"], "--usage-csv counts what visitors do; give --exhibit too"),
    (["--ckpt", ""], "--ckpt is empty; give a directory or a name such as 'model'"),
    (["--start", ""], "--start is empty; give digit, blank or the path of a picture"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_OPTIONS, ids=lambda value: str(value)[:40])
def test_bad_options_are_one_line_and_exit_code_2(arguments, message):
    assert error_of(invoke(*arguments)) == message


def test_an_unknown_device_is_refused():
    assert "'tpu' is not one of 'auto', 'cpu', 'gpu'" in error_of(invoke("--device", "tpu"))


def test_a_missing_checkpoint_is_found_before_anything_else(tmp_path):
    message = error_of(invoke("--ckpt", tmp_path / "nowhere", *HEADLESS))
    assert message.startswith(
        f"there is no checkpoint at '{tmp_path / 'nowhere'}'; give a checkpoint directory"
    )


def test_an_empty_checkpoint_folder_is_refused(tmp_path):
    assert "holds no complete checkpoint" in error_of(invoke("--ckpt", tmp_path, *HEADLESS))


def test_a_damaged_checkpoint_is_refused(small_checkpoint, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(small_checkpoint, copy)
    victim = max((path for path in copy.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    assert "wrong SHA-256" in error_of(invoke("--ckpt", copy, *HEADLESS))


def test_bad_start_images_are_found_before_a_window_opens(small_checkpoint, tmp_path):
    message = error_of(invoke("--ckpt", small_checkpoint, "--start", tmp_path / "nowhere.png"))
    assert message == (
        f"start image '{tmp_path / 'nowhere.png'}' does not exist; "
        "give a picture file, or --start digit or blank"
    )
    (tmp_path / "text.png").write_text("words")
    message = error_of(invoke("--ckpt", small_checkpoint, "--start", tmp_path / "text.png"))
    assert "is not a picture that can be read" in message


def test_bad_outputs_are_found_before_a_window_opens(small_checkpoint, tmp_path):
    save = ["--ckpt", small_checkpoint, "--frames", "3", "--save"]
    assert "ends in '.bmp'" in error_of(invoke(*save, tmp_path / "a.bmp"))
    assert "does not exist; create it" in error_of(invoke(*save, tmp_path / "nowhere" / "a.gif"))
    message = error_of(invoke("--ckpt", small_checkpoint, "--output-dir", tmp_path / "nowhere"))
    assert (
        message == f"the output folder '{tmp_path / 'nowhere'}' does not exist; create it or choose another"
    )


def test_headless_runs_repeat_byte_for_byte(small_checkpoint, tmp_path):
    for name in ("a.gif", "b.gif"):
        result = invoke("--ckpt", small_checkpoint, *HEADLESS, "--seed", 7, "--save", tmp_path / name)
        assert result.exit_code == 0, result.output
        assert result.output == ""
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.n_frames == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gif", "b.gif"]


def test_the_png_is_the_last_frame_at_the_window_s_size(small_checkpoint, small_model, tmp_path):
    from nca_viewer.simulation import Simulation
    from nca_viewer.start_images import StartImages

    options = ["--window-size", "300x260", "--speed", "2", "--seed", 3, "--digit", 4, "--mask-ratio", "0.25"]
    result = invoke("--ckpt", small_checkpoint, *HEADLESS, *options, "--save", tmp_path / "a.png")
    assert result.exit_code == 0, result.output
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    assert pixels.shape == (11 * 23, 13 * 23, 3)
    simulation = Simulation(small_model, seed=3)
    simulation.begin(StartImages(simulation.config, 3).digit(4, 1), 0.25)
    simulation.advance(6)
    assert (pixels[11::23, 11::23] == simulation.request_snapshot().result().image).all()


@pytest.mark.usefixtures("heard_hang_ups")
@pytest.mark.parametrize("number", ENDINGS)
def test_what_was_made_before_an_interruption_is_saved(small_checkpoint, tmp_path, monkeypatch, number):
    frame = App.frame

    def interrupted(app):
        if app.frames == 7:
            signal.raise_signal(number)
        frame(app)

    monkeypatch.setattr(App, "frame", interrupted)
    before, path = signal.getsignal(number), tmp_path / "a.gif"
    result = invoke(
        "--headless", "--frames", 50, "--no-compile-cache", "--ckpt", small_checkpoint, "--save", path
    )
    assert (result.exit_code, result.stdout) == (128 + number, "")
    assert result.stderr == f"nca-viewer: ended after 8 of 50 frames: {path}\n"
    with Image.open(path) as animation:
        assert animation.n_frames == 9
    assert signal.getsignal(number) is before
    assert [file.name for file in tmp_path.iterdir()] == ["a.gif"]


def test_the_collector_has_next_to_nothing_to_go_through_while_it_lives(small_checkpoint, monkeypatch):
    counts, frame = [], App.frame

    def counting(app):
        frame(app)
        counts.append(len(gc.get_objects()))

    monkeypatch.setattr(App, "frame", counting)
    try:
        assert invoke(*HEADLESS, "--ckpt", small_checkpoint).exit_code == 0
    finally:
        gc.unfreeze()
    assert max(counts) < 5_000
    assert len(gc.get_objects()) > 50_000


def test_starting_from_a_picture(small_checkpoint, tmp_path):
    Image.new("L", (13, 11), 0).save(tmp_path / "black.png")
    picture = Image.new("L", (13, 11), 0)
    picture.putpixel((6, 5), 255)
    picture.save(tmp_path / "dot.png")
    result = invoke(
        "--ckpt", small_checkpoint, "--headless", "--frames", 1, "--speed", "1/8", "--mask-ratio", 0,
        "--start", tmp_path / "dot.png", "--start-as-is", "--save", tmp_path / "a.png",
        "--window-size", "130x110", "--no-compile-cache",
    )  # fmt: skip
    assert (result.exit_code, result.output) == (0, "")
    pixels = np.asarray(Image.open(tmp_path / "a.png"))[5::10, 5::10, 0]
    assert np.argwhere(pixels).tolist() == [[5, 6]]


def test_what_was_done_to_a_picture_is_told_without_a_window_too(small_checkpoint, tmp_path):
    Image.new("L", (13, 11), 255).save(tmp_path / "page.png")
    result = invoke("--ckpt", small_checkpoint, *HEADLESS, "--start", tmp_path / "page.png")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == (
        "nca-viewer: page.png: blank, nothing stands out from its paper (--start-as-is leaves it as it is)\n"
    )


def test_what_should_not_happen_is_one_line_too(small_checkpoint, monkeypatch):
    def broken(*arguments, **options):
        raise KeyError("a\nb")

    monkeypatch.setattr(launch, "load_session", broken)
    result = invoke("--ckpt", small_checkpoint, *HEADLESS)
    assert result.exit_code == 1
    assert result.stderr == (
        "nca-viewer: error: this should not happen: KeyError: 'a\\nb'; "
        "set NCA_VIEWER_DEBUG=1 for the details\n"
    )


def test_help_and_version():
    assert invoke("--version").stdout.startswith("nca-viewer, version ")
    result = invoke("--help")
    assert result.exit_code == 0
    for option in ("--ckpt", "--start", "--headless", "--save", "--seed", "--no-compile-cache"):
        assert option in result.stdout


def run_program(*arguments, **environment):
    inherited = {
        k: v for k, v in os.environ.items() if k not in ("SDL_VIDEODRIVER", "DISPLAY", "WAYLAND_DISPLAY")
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "nca_viewer", *map(str, arguments)],
        env=inherited | {"PYTHONPATH": str(REPOSITORY)} | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize("environment", [{}, {"DISPLAY": ":987"}])
@pytest.mark.skipif(sys.platform != "linux", reason="the display is named in the environment on Linux only")
def test_without_a_display_it_says_so_and_names_headless(small_checkpoint, environment):
    done = run_program("--ckpt", small_checkpoint, **environment)
    assert done.returncode == 2
    assert done.stderr == (
        "nca-viewer: error: cannot open a window: no screen was found; start it on a desktop (DISPLAY is "
        f"'{environment.get('DISPLAY', '')}') or run with --headless --frames N --save FILE\n"
    )
    assert done.stdout == ""


@pytest.mark.skipif(sys.platform != "linux", reason="the display is named in the environment on Linux only")
def test_an_exhibit_without_a_display_asks_to_be_started_again(small_checkpoint, tmp_path):
    folders = ["--state-dir", tmp_path / "state", "--log-dir", tmp_path / "log"]
    done = run_program("--exhibit", "--ckpt", small_checkpoint, *folders, DISPLAY=":987")
    assert done.returncode == 74
    assert (
        "display: cannot open a window: no screen was found"
        in (tmp_path / "log" / "nca-viewer.log").read_text()
    )


def test_a_device_that_is_not_there_is_refused(small_checkpoint):
    arguments = ["--ckpt", small_checkpoint, "--headless", "--frames", 1, "--device", "gpu"]
    done = run_program(*arguments, JAX_PLATFORMS="", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert done.stderr.startswith("nca-viewer: error: cannot use the device 'gpu': ")
    assert done.stderr.count("\n") == 1


def test_the_program_is_silent_without_a_screen_and_uses_its_cache(small_checkpoint, tmp_path):
    cache = tmp_path / "cache"
    arguments = ["--ckpt", small_checkpoint, "--headless", "--frames", 2, "--seed", 1, "--save"]
    done = run_program(*arguments, tmp_path / "a.png", XDG_CACHE_HOME=str(cache))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    entries = sorted(path for path in cache.rglob("*") if path.is_file())
    assert entries
    for entry in entries[::3]:  # The others are read.
        entry.write_bytes(entry.read_bytes()[:20])
    done = run_program(*arguments, tmp_path / "b.png", XDG_CACHE_HOME=str(cache))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_config_is_validated_wherever_it_is_made():
    with pytest.raises(ConfigError, match="--fps"):
        KioskConfig(frames_per_second=0)
    with pytest.raises(ConfigError, match="--device"):
        KioskConfig(device="abacus")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--speed", "1e99999999"),
        ("--speed", "1_6"),
        ("--window-size", "9" * 5000 + "x64"),
        ("--start", "a" * 300),
        ("--start", "~nobody-of-that-name/x.png"),
        ("--save", "a" * 300 + ".png", "--frames", "1"),
        ("--output-dir", "a" * 300),
    ],
)
def test_absurd_values_are_refused_in_one_line(arguments):
    assert len(error_of(invoke(*arguments))) < 300


def exhibit_run(checkpoint, folder):
    arguments = ["--ckpt", checkpoint, "--exhibit", *HEADLESS, "--state-dir", folder, "--log-dir", folder]
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return json.loads((folder / "status.json").read_text()), (folder / "nca-viewer.log").read_text()


def test_in_an_exhibit_the_bundled_checkpoint_steps_in_for_one_that_is_gone(tmp_path):
    status, log = exhibit_run(tmp_path / "gone", tmp_path)
    assert status["checkpoint"]["asked_for"] == str(tmp_path / "gone")
    assert status["checkpoint"]["shown"] == "model"
    assert "there is no checkpoint" in status["checkpoint"]["trouble"]
    assert "WARNING checkpoint: the bundled checkpoint 'model' is shown: there is no checkpoint" in log
    assert status["state"] == "ended"


def test_in_an_exhibit_the_bundled_checkpoint_steps_in_for_one_that_is_damaged(small_checkpoint, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(small_checkpoint, copy)
    (copy / "MANIFEST.json").write_text("{")
    status, _ = exhibit_run(copy, tmp_path)
    assert status["checkpoint"]["shown"] == "model"
    assert "is damaged" in status["checkpoint"]["trouble"]


def test_in_an_exhibit_a_sound_checkpoint_is_shown(small_checkpoint, tmp_path):
    status, log = exhibit_run(small_checkpoint, tmp_path)
    assert status["checkpoint"]["shown"] == "small"
    assert status["checkpoint"]["trouble"] == ""
    assert len(status["checkpoint"]["sha256"]) == 64
    assert status["frames"] == 2
    assert "checkpoint:" not in log


def test_without_being_asked_nothing_is_recorded(small_checkpoint, tmp_path, monkeypatch):
    for variable in ("XDG_STATE_HOME", "XDG_DATA_HOME", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert invoke("--ckpt", small_checkpoint, *HEADLESS).exit_code == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("save", [[], ["--save", "life.png"]])
def test_interrupted_before_it_lives_is_no_success(monkeypatch, tmp_path, save):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "load_session", interrupted)
    result = invoke("--headless", "--frames", "3", *save)
    assert result.exit_code == 130
    told = "nca-viewer: ended after 0 of 3 frames: life.png was not written\n"
    assert result.stderr == (told if save else "nca-viewer: interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("heard_hang_ups")
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a signal of POSIX")
def test_a_hang_up_ends_the_program_unless_it_was_started_to_ignore_it():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    told = []
    try:
        launch.on_ending_signals(lambda: told.append("end"))
        signal.raise_signal(signal.SIGHUP)
        assert told == ["end"]
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        launch.on_ending_signals(lambda: told.append("again"))
        signal.raise_signal(signal.SIGHUP)
        assert told == ["end"]
        signal.raise_signal(signal.SIGTERM)
        assert told == ["end", "again"]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
