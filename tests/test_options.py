"""One field of a configuration is one option: its names, its type, its default, its limits."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from nca_viewer.config import option_name, require_limits, setting
from nca_viewer.errors import ConfigError
from nca_viewer.options import WordOrPathType, config_options, given_fields, preset_options
from nca_viewer.program import OneLineErrors


@dataclass(frozen=True)
class Oven:
    """An oven.

    Attributes:
        heat: How hot it is,
            in degrees.
        fan: Whether it blows.
        tins: What stands in it.
    """

    heat: int = setting(180, limits=(0, 300))
    lit: bool = setting(False, is_flag=True, help="Whether the light is on.", group=1)
    fan: bool = True
    tins: tuple[Path, ...] = setting((), option="tin", metavar="TIN")
    door: float | None = setting(None, option="door-part", limits=(0.0, 1.0), help="How far it is open.")
    serial: str = "none of yours"

    def __post_init__(self) -> None:
        require_limits(self, option_name)


PRESETS = {"bread": Oven(heat=250, door=0.5), "cake": Oven()}


def invoke(decorator, *arguments):
    """(The options as they arrive, the result) of a command; no options where it did not run."""
    seen = SimpleNamespace(options=None)

    class Command(OneLineErrors):
        program = "bake"

    @click.command(cls=Command)
    @decorator
    def bake(**options):
        Oven(**given_fields(Oven, options))
        seen.options = options

    result = CliRunner().invoke(bake, arguments)
    return seen.options, result


def config_run(*arguments):
    return invoke(config_options(Oven, leave_out=["serial"]), *arguments)


def preset_run(*arguments):
    return invoke(preset_options(PRESETS), *arguments)


def test_what_is_not_given_has_the_field_s_default():
    options, result = config_run()
    assert result.exit_code == 0
    assert options == {"heat": 180, "lit": False, "fan": True, "tins": (), "door": None}


def test_the_annotation_says_the_type():
    given = ["--heat", "7", "--lit", "--no-fan", "--tin", "a", "--tin", "~", "--door-part", "0.5"]
    assert config_run(*given)[0] == {
        "heat": 7,
        "lit": True,
        "fan": False,
        "tins": (Path("a"), Path.home()),
        "door": 0.5,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--heat", "x"], "Invalid value for '--heat': 'x' is not a valid integer."),
        (["--heat", "301"], "--heat = 301 is out of range; choose a value from 0 to 300"),
        (["--door-part", "1.5"], "--door-part = 1.5 is out of range; choose a value from 0.0 to 1.0"),
        (["--door-part", "nan"], "--door-part = nan is out of range; choose a value from 0.0 to 1.0"),
        (["--no-lit"], "No such option '--no-lit'."),
        (["--serial", "1"], "No such option '--serial'."),
    ],
)
def test_a_bad_value_is_one_line(arguments, message):
    _, result = config_run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"bake: error: {message.removesuffix('.')}")
    assert result.stderr.count("\n") == 1


def test_the_help_is_the_setting_s_or_the_docstring_s_and_groups_are_in_order():
    lines = [" ".join(line.split()) for line in config_run("--help")[1].stdout.splitlines()]
    assert "--heat INTEGER How hot it is, in degrees. [default: 180]" in lines
    assert "--fan / --no-fan Whether it blows. [default: fan]" in lines
    assert "--tin TIN What stands in it." in lines
    assert "--door-part FLOAT How far it is open." in lines
    assert lines.index("--lit Whether the light is on.") == len(lines) - 2


def test_of_presets_only_what_is_given_is_given():
    assert given_fields(Oven, preset_run()[0]) == {}
    options, _ = preset_run("--no-fan", "--door-part", "None", "--tin", "a")
    assert given_fields(Oven, options) == {"fan": False, "door": None, "tins": (Path("a"),)}


def test_the_word_none_is_a_text_where_the_field_cannot_be_none():
    assert given_fields(Oven, preset_run("--serial", "none")[0]) == {"serial": "none"}
    assert preset_run("--heat", "none")[1].exit_code == 2


def test_the_help_gives_the_presets_values():
    text = " ".join(preset_run("--help")[1].stdout.split())
    assert "--heat INTEGER How hot it is, in degrees. [default: bread 250, cake 180]" in text
    assert "--door-part FLOAT|NONE How far it is open. [default: bread 0.5, cake none]" in text
    assert "--lit Whether the light is on. [default: False]" in text


def test_limits_hold_wherever_a_configuration_is_made():
    for bad in ({"heat": 1.5}, {"heat": True}, {"heat": None}, {"door": "a"}):
        with pytest.raises(ConfigError, match=r"must be a"):
            Oven(**bad)
    assert dataclasses.replace(Oven(), door=None).door is None


def test_a_word_is_no_path():
    kind = WordOrPathType(lambda: ("digit", "blank"))
    assert [kind.is_path(value) for value in ("digit", "blank", "digit.png", "")] == [
        False,
        False,
        True,
        True,
    ]


def test_an_interrupt_and_what_should_not_happen_are_one_line_too():
    for error, code, line in (
        (KeyboardInterrupt(), 130, "bake: interrupted\n"),
        (ConfigError("too hot"), 2, "bake: error: too hot\n"),
        (click.ClickException("too hot"), 2, "bake: error: too hot\n"),
        (
            KeyError("a\nb"),
            1,
            "bake: error: this should not happen: KeyError: 'a\\nb'; "
            "set NCA_VIEWER_DEBUG=1 for the details\n",
        ),
    ):

        class Command(OneLineErrors):
            program = "bake"

        def bake(error=error):
            raise error

        result = CliRunner().invoke(Command("bake", callback=bake), [])
        assert (result.exit_code, result.stdout, result.stderr) == (code, "", line)
