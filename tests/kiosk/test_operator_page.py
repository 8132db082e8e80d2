"""The operator's page tells of the program as it is."""

import re
from dataclasses import fields
from pathlib import Path

import assets
from nca_viewer import cli, health
from nca_viewer.errors import DisplayLostError, RestartNeededError
from nca_viewer.interaction import presence
from nca_viewer.kiosk.operation import event_log, usage
from nca_viewer.kiosk.operation.backoff import BackoffRules
from nca_viewer.kiosk.operation.diagnostics import MAX_FAULTS
from nca_viewer.kiosk.operation.monitor import USAGE_SECONDS
from nca_viewer.kiosk.operation.status import Status
from nca_viewer.kiosk.visit import OPERATOR_PAGE_SECONDS

EXHIBIT = Path(assets.__file__).parent / "exhibit"
PAGE = (EXHIBIT / "OPERATOR.md").read_text()


def made(name):
    return re.search(rf"<!-- {name}: .*?-->\n(.*?)\n<!-- end of {name} -->", PAGE, re.DOTALL)[1]


def test_the_tables_are_those_of_the_program():
    assert made("log") == event_log.markdown_table()
    assert made("faults") == health.markdown_table()


def test_every_entry_of_the_status_file_is_explained():
    names = {field.name for field in fields(Status)} - {"started", "pid", "version", "seed"}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_numbers_are_those_of_the_program():
    text = " ".join(PAGE.split())
    assert f"{DisplayLostError.exit_code}: the screen went away" in text
    assert f"{RestartNeededError.exit_code}: the program wants to be" in text
    assert (BackoffRules().most_failures, BackoffRules().window_seconds) == (8, 1800)
    assert f"the last {MAX_FAULTS} faults" in text
    assert OPERATOR_PAGE_SECONDS == 120
    assert "closes by itself two minutes after" in text
    assert (presence.MAX_RUN_SECONDS, presence.QUIET_SECONDS) == (180, 30)
    assert "for more than three minutes" in text
    assert "left alone for half a minute" in text
    assert (usage.HEALED_FRACTION, usage.HEAL_SECONDS) == (0.5, 4)
    assert "by half at least, four seconds after the last hand" in text
    assert USAGE_SECONDS == 60
    assert "a power cut costs a minute of counts at most" in text
    assert (event_log.FILE_BYTES, event_log.KEPT_FILES) == (1_000_000, 5)


def test_what_the_page_copies_is_there():
    for line in re.findall(r"^cp (.*) /", PAGE, re.MULTILINE):
        for name in line.split():
            assert (EXHIBIT / name).is_file(), name


def test_options_of_the_commands_are_known():
    units = "".join(path.read_text() for path in EXHIBIT.glob("*.service"))
    used = set(re.findall(r"(?<![\w-])--[a-z-]+", " ".join(re.findall(r"nca-viewer (?:.|\\\n)*", units))))
    known = {name for option in cli.main.params for name in option.opts}
    assert used
    assert used <= known


def test_the_page_tells_the_unit_s_numbers():
    unit = (EXHIBIT / "nca-viewer.service").read_text()
    told = {
        "RestartSec": ("10", "ten seconds after it gave up"),
        "StartLimitBurst": ("10", "After ten starts"),
    }
    for name, (value, words) in told.items():
        assert f"\n{name}={value}\n" in unit
        assert words in PAGE
    assert "\nRestartPreventExitStatus=2\n" in unit


def test_paths_that_the_settings_suggest_are_those_that_the_service_may_write():
    settings = (EXHIBIT / "exhibit.toml").read_text()
    suggested = re.findall(r'^# (?:output-dir|state-dir|log-dir|usage-csv) = "(.*?)"', settings, re.MULTILINE)
    assert len(suggested) == 4
    for path in suggested:
        assert path.startswith(("/var/lib/nca-viewer", "/var/log/nca-viewer"))


def test_the_readme_leads_here():
    readme = EXHIBIT.parents[1] / "README.md"
    assert "(assets/exhibit/OPERATOR.md)" in readme.read_text()
