"""A configuration file: every option by its name, and each mistake in one line that names it."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

import assets
from nca_viewer import cli
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.kiosk.night import NightHours, NightSchedule

EXAMPLE = Path(assets.__file__).parent / "exhibit" / "exhibit.toml"


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """Runs the command line on a file's text; returns (exit code, stderr, the options it would run with)."""
    seen = []
    monkeypatch.setattr(cli, "run", seen.append)

    def invoke(text, *arguments):
        seen.clear()
        path = tmp_path / "exhibit.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        result = CliRunner().invoke(cli.main, ["--config", str(path), *map(str, arguments)])
        error = result.stderr.replace(f"{path}", "FILE").removeprefix("nca-viewer: error: ").rstrip("\n")
        return result.exit_code, error, seen[0] if seen else None

    return invoke


PERSONAL = {"record", "replay", "demo", "load-state", "save-state"}
"""Options that an exhibit does not have."""


def test_records_may_stand_in_the_file(configured, tmp_path):
    code, error, config = configured('record = "a.jsonl"\nreplay = "b.jsonl"\nsave-state = "c.npz"')
    assert (code, error) == (0, "")
    names = (config.record, config.replay, config.save_state)
    assert names == (tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "c.npz")
    assert configured('demo = "wiped-page"')[2].demo == "wiped-page"
    assert configured('load-state = "d.npz"')[2].load_state == tmp_path / "d.npz"


def test_every_option_may_stand_in_the_file(configured, tmp_path):
    text = """
        ckpt = "seed-recipe"
        start = "digit"
        digit = 4
        mask-ratio = 1
        seed = 7
        fps = 30
        speed = "1/4"
        brush-radius = 3
        window-size = "640x480"
        fullscreen = true
        headless = true
        frames = 5
        save = "a.png"
        output-dir = "/tmp"
        device = "cpu"
        compile-cache = false
        display = 2
        exhibit = true
        language = ["de", "nl"]
        start-as-is = true
        idle-seconds = 12.5
        attract-script = "shows/mine.txt"
        operator-exit = "none"
        operator-hold = "keys"
        state-dir = "state"
        log-dir = "/var/log"
        usage-csv = "usage.csv"
        limit-flashes = false
        reduce-motion = true
        pixel-shift = false
        night = "22:00-07:00"
        night-brightness = 0.25
        night-wake-seconds = 90
        [gamepad]
        dead-zone = 0.5
        paint = [4, 5]
        erase = 7
        [keys]
        left = "a"
        paint = ["lctrl", "space"]
    """
    code, error, config = configured(text)
    assert (code, error) == (0, "")
    assert config.checkpoint == "seed-recipe"
    assert (config.digit, config.mask_ratio, config.seed, config.frames_per_second) == (4, 1.0, 7, 30)
    assert (config.speed, config.brush_radius_cells, config.window_size) == (0.25, 3, (640, 480))
    assert (config.fullscreen, config.headless, config.compile_cache, config.exhibit) == (
        True,
        True,
        False,
        True,
    )
    assert config.start_as_is
    assert config.languages == ("de", "nl")
    assert config.attract_script == tmp_path / "shows" / "mine.txt"
    assert config.save == tmp_path / "a.png"
    assert (config.operator_exit, config.operator_hold, config.idle_seconds) == ("none", "keys", 12.5)
    assert (config.gamepad.dead_zone, config.gamepad.paint, config.gamepad.erase) == (0.5, (4, 5), (7,))
    assert (config.limits_flashes, config.reduce_motion, config.shifts_pixels) == (False, True, False)
    assert config.night_schedule == NightSchedule(NightHours.parse("22:00-07:00"), 0.25, 90.0)
    assert (config.keys.left, config.keys.paint, config.keys.up) == (("a",), ("lctrl", "space"), ())
    named = {line.split("=")[0].strip() for line in text.splitlines() if "=" in line}
    options = {option.opts[0][2:] for option in cli._configurable(cli.main)}
    assert options - PERSONAL <= named | {"watch"}  # It goes with neither of ckpt, headless and exhibit.
    assert configured('watch = "runs/x"')[2].watch == tmp_path / "runs" / "x"


def test_an_option_may_have_underscores_and_one_language_needs_no_brackets(configured):
    _, _, config = configured('operator_exit = "quit"\nbrush_radius = 2\nlanguage = "fr"')
    assert (config.operator_exit, config.brush_radius_cells, config.languages) == ("quit", 2, ("fr",))


def test_the_command_line_goes_before_the_file(configured):
    _, _, config = configured('fps = 30\nlanguage = ["de"]\nexhibit = true', "--fps", 50, "--language", "it")
    assert (config.frames_per_second, config.languages, config.exhibit) == (50, ("it",), True)


def test_what_neither_names_has_its_default(configured):
    _, _, config = configured("")
    assert config == KioskConfig()


def test_a_checkpoint_s_name_stays_a_name_and_its_relative_path_is_meant_from_the_file(configured, tmp_path):
    assert configured('ckpt = "model"')[2].checkpoint == "model"
    assert configured('ckpt = "runs/mine"')[2].checkpoint == str(tmp_path / "runs/mine")
    assert configured('ckpt = "/runs/mine"')[2].checkpoint == "/runs/mine"
    assert configured('ckpt = "mine"')[2].checkpoint == str(tmp_path / "mine")


def test_a_picture_to_start_from_is_meant_from_the_file_whatever_its_name_looks_like(configured, tmp_path):
    assert configured('start = "picture.png"')[2].start == str(tmp_path / "picture.png")
    assert configured('start = "blank"')[2].start == "blank"
    assert configured('start = "~/picture.png"')[2].start == "~/picture.png"


MISTAKES = [
    ("brush_radus = 2", "FILE: unknown setting 'brush_radus'; did you mean brush-radius?"),
    ("config = 'a'", "FILE: unknown setting 'config'; "),
    ("help = true", "FILE: unknown setting 'help'; "),
    ("xyzzy = 2", "FILE: unknown setting 'xyzzy'; the known ones are attract-script, "),
    ("fps = 30\n'fps' = 3", "FILE: this is not TOML: Cannot overwrite a value"),
    ("brush-radius = 1\nbrush_radius = 1", "FILE: 'brush-radius' stands there twice; keep one"),
    ("fps = 'sixty'", "FILE: fps = 'sixty' must be a whole number"),
    ("fps = 60.5", "FILE: fps = 60.5 must be a whole number"),
    ("fps = true", "FILE: fps = true must be a whole number"),
    ("exhibit = 1", "FILE: exhibit = 1 must be true or false"),
    ("device = 3", "FILE: device = 3 must be a text in quotation marks"),
    ("device = 'abacus'", "FILE: device: 'abacus' is not one of 'auto', 'cpu', 'gpu'."),
    ("language = ['de', 3]", "FILE: language = 3 must be a text in quotation marks"),
    ("idle-seconds = '5'", "FILE: idle-seconds = '5' must be a number"),
    ("fps = 0", "FILE: --fps = 0 is out of range; choose a value from 1 to 240"),
    ("idle-seconds = 1", "FILE: --idle-seconds = 1.0 is out of range; choose a value from 5.0 to 3600.0"),
    ("idle-seconds = inf", "FILE: --idle-seconds = inf is out of range; choose a value from 5.0 to 3600.0"),
    ("operator-exit = 'x'", "FILE: --operator-exit = 'x' is unknown; choose one of quit, menu, none"),
    ("language = 'tlh'", "FILE: --language = 'tlh' is unknown; choose one of en, de, es, fr, it, nl"),
    (r'ckpt = "a\u0000"', "FILE: ckpt = 'a\\x00' has a character of no meaning, U+0000"),
    (r'language = ["de", "\u0000"]', "FILE: language = '\\x00' has a character of no meaning, U+0000"),
    ("language = []", "FILE: --language: give at least one of en, de, es, fr, it, nl"),
    ("language = ['de', 'de']", "FILE: --language: give each once, of en, de, es, fr, it, nl"),
    ("state-dir = ''", "FILE: state-dir is empty; name a place, or leave the line out"),
    ("usage-csv = ''", "FILE: usage-csv is empty; name a place, or leave the line out"),
    ("start = ''", "FILE: start is empty; name a place, or leave the line out"),
    ("night = '22:00-22:00'", "FILE: --night = '22:00-22:00' begins when it ends"),
    ("speed = 3", "FILE: speed: '3' is not a known speed; choose one of "),
    ("window-size = 'big'", "FILE: window-size: 'big' is not a size; write it as 900x960"),
    ("gamepad = 3", "FILE: gamepad = 3 must be a table"),
    (
        "[gamepad]\ndead_zone = 2",
        "FILE: gamepad dead-zone = 2 is out of range; choose a value from 0.05 to 0.95",
    ),
    ("[gamepad]\npaint = [1]", "FILE: gamepad button 1 is both paint and erase; choose one"),
    ("[gamepad]\nx-axis = 1", "FILE: gamepad x-axis and y-axis are both 1; give each its own"),
    ("[gamepad]\npaint = ['A']", "FILE: gamepad paint = 'A' must be a whole number from 0 to 63"),
    ("[gamepad]\nx-axis = 2\nx_axis = 3", "FILE: gamepad setting 'x_axis' stands there twice"),
    ("[gamepad]\npant = 1", "FILE: unknown gamepad setting 'pant'; did you mean paint?"),
    ("[keys]\nleft = 3", "FILE: keys left = 3 must be the name of a key in quotation marks"),
    ("[keys]\nleft = 'lctl'", "FILE: keys left = 'lctl' is no key; did you mean lctrl"),
    ("[keys]\nleft = 'a'\nright = ['b', 'a']", "FILE: key 'a' is both left and right; choose one"),
    ("[keys]\nlift = 'a'", "FILE: unknown keys setting 'lift'; did you mean left?"),
    ("[visitors]\nfps = 1", "FILE: unknown setting 'visitors'; "),
    ("fps = ", "FILE: this is not TOML: "),
    (b"fps = 3 # \xff", "FILE: byte 10 is not UTF-8; save the file as UTF-8"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_is_one_line_that_names_file_and_key(configured, text, message):
    code, error, config = configured(text)
    assert (code, config) == (2, None)
    assert error.startswith(message)
    assert "\n" not in error


def test_a_mistake_on_the_command_line_is_not_blamed_on_the_file(configured):
    assert configured("fps = 30", "--fps", 0)[1].startswith("--fps = 0 is out of range")


def test_a_file_that_is_not_there_or_no_file(tmp_path):
    for path, reason in (
        (tmp_path / "nowhere.toml", "there is no file"),
        (tmp_path, "is not a file"),
    ):
        result = CliRunner().invoke(cli.main, ["--config", str(path)])
        assert result.exit_code == 2
        assert result.stderr.startswith("nca-viewer: error: --config: ")
        assert reason in result.stderr
        assert result.stderr.count("\n") == 1


def test_the_example_is_understood_and_says_what_the_defaults_are(configured):
    code, error, config = configured(EXAMPLE.read_text())
    assert (code, error) == (0, "")
    assert config.exhibit
    assert (config.gamepad, config.keys) == (KioskConfig().gamepad, KioskConfig().keys)
    assert config.idle_seconds == KioskConfig().idle_seconds
    assert len(config.languages) > 1


def test_every_setting_of_the_example_that_is_commented_out_is_known(configured):
    for line in EXAMPLE.read_text().splitlines():
        if line.startswith("# ") and " = " in line:
            code, error, _ = configured("exhibit = true\n" + line.removeprefix("# "))
            assert (code, error) == (0, ""), line


@pytest.mark.parametrize("text", ["speed = inf", f"seed = {'9' * 5000}", f"seed = {'[' * 3000}"])
def test_what_no_reader_was_made_for_is_one_line_too(configured, text):
    code, error, config = configured(text)
    assert (code, config) == (2, None)
    assert error.startswith("FILE: ")
    assert len(error) < 300


def test_a_byte_order_mark_is_passed_over(configured):
    code, _, config = configured(b"\xef\xbb\xbfseed = 7")
    assert (code, config.seed) == (0, 7)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    result = CliRunner().invoke(cli.main, ["--config", str(tmp_path / "pipe.toml")])
    assert result.exit_code == 2
    assert "is not a file" in result.stderr
