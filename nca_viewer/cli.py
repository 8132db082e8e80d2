"""The command `nca-viewer`: options to a configuration; every expected failure is one line."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from nca_viewer import config_file
from nca_viewer.assets import bundled_checkpoint_names
from nca_viewer.ending import Interrupted, as_interrupted, ending
from nca_viewer.errors import DEBUG_VARIABLE, ConfigError, UserError, unexpected_message
from nca_viewer.interaction.gamepad import GamepadMapping, KeyMapping
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.kiosk.option_types import NightType
from nca_viewer.kiosk.texts import LANGUAGES
from nca_viewer.kiosk.visit import OperatorExit, OperatorHold
from nca_viewer.launch import on_ending_signals, run, say_error
from nca_viewer.option_types import USER_PATH, SizeType, SpeedType, UserPathType
from nca_viewer.pygame_check import REMEDY, pygame_trouble
from nca_viewer.version import PROGRAM, version
from nca_viewer.viewer_config import START_BLANK, START_DIGIT

if TYPE_CHECKING:
    from nca_viewer.kiosk.operation.doctor import Finding


class _OneLineErrors(click.Command):
    """Prints every expected failure as one line on stderr, and ends with its exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command; as `click.Command.main`, but for the errors."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        ending.begin(PROGRAM)
        try:
            super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.Exit as stop:
            sys.exit(stop.exit_code)
        except click.ClickException as error:
            _fail(error.format_message(), error.exit_code)
        except UserError as error:
            _fail(str(error), error.exit_code)
        except (Interrupted, click.Abort, KeyboardInterrupt):
            ending.say_last_words()
            sys.exit(ending.exit_code)
        except Exception as error:
            if ending.is_told:  # What a library made of the interrupt.
                ending.say_last_words()
                sys.exit(ending.exit_code)
            if os.environ.get(DEBUG_VARIABLE):
                raise
            if trouble := pygame_trouble():  # Then no error of it is unexpected.
                _fail(f"{trouble}; {REMEDY}", ConfigError.exit_code)
            _fail(unexpected_message(error), 1)
        sys.exit(0)

    def invoke(self, ctx: click.Context) -> Any:
        """Do the work; an interrupt is told in our own words."""
        with as_interrupted():
            return super().invoke(ctx)


class _ViewerCommand(_OneLineErrors):
    """The viewer itself; a first word that names a task hands over to that."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command, or the task that is named first."""
        words = list(sys.argv[1:] if args is None else args)
        task = _tasks().get(words[0]) if words and standalone_mode else None
        if task is not None:
            return task.main(words[1:], f"{PROGRAM} {words[0]}", complete_var, **extra)
        return super().main(args, prog_name, complete_var, standalone_mode, **extra)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the tasks."""
        with formatter.section("Tasks"):
            formatter.write_dl([(name, task.get_short_help_str(70)) for name, task in _tasks().items()])


def _tasks() -> dict[str, click.Command]:
    """What the program can do beside showing the automaton, by the word that asks for it."""
    return {"supervise": supervise, "doctor": doctor}


def _fail(message: str, exit_code: int) -> NoReturn:
    say_error(message)
    sys.exit(exit_code)


_KINDS: dict[type[click.ParamType], config_file.Kind] = {
    click.types.BoolParamType: config_file.FLAG,
    click.types.IntParamType: config_file.WHOLE_NUMBER,
    click.types.FloatParamType: config_file.NUMBER,
    SpeedType: config_file.NUMBER_OR_TEXT,
}
"""What a configuration file's value must be for an option; a text for every other type."""

_TABLES: dict[str, type[GamepadMapping] | type[KeyMapping]] = {"gamepad": GamepadMapping, "keys": KeyMapping}
"""The settings of a configuration file that are no options: tables."""


def _read_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Let a configuration file's values stand for what the command line leaves out."""
    if path is None:
        return None
    options = {option.opts[0].removeprefix("--"): option for option in _configurable(ctx.command)}
    settings = {
        name: config_file.Setting(name, _KINDS.get(type(option.type), config_file.TEXT), option.multiple)
        for name, option in options.items()
    }
    settings |= {name: config_file.Setting(name, config_file.TABLE) for name in _TABLES}
    values = config_file.read_config_file(path, settings)
    try:
        for name, mapping_class in _TABLES.items():
            if name in values:
                ctx.meta[name] = mapping_class.from_table(values.pop(name))
        if "keys" in ctx.meta:
            from nca_viewer.interaction.bindings import require_key_names

            require_key_names(ctx.meta["keys"])
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    defaults = {}
    for name, value in values.items():
        option = options[name]
        try:
            option.type_cast_value(ctx, value)
        except click.BadParameter as error:
            raise ConfigError(f"{path}: {name}: {error.message}") from None
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None
        defaults[str(option.name)] = _beside(path, option, value)
    ctx.default_map = defaults
    return path


def _configurable(command: click.Command) -> list[click.Option]:
    """The options that may stand in a configuration file: all that do not end the program at once."""
    return [
        option
        for option in command.params
        if isinstance(option, click.Option) and option.expose_value and option.name != "config"
    ]


def _beside(path: Path, option: click.Option, value: Any) -> Any:
    """A value; a relative path is meant from the configuration file's folder, wherever the program starts."""
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(
            f"{path}: {option.opts[0][2:]} = {value[:60]!r} has a character of no meaning, U+0000"
        )
    is_path = isinstance(option.type, UserPathType)
    if option.name == "start":
        is_path = value not in (START_DIGIT, START_BLANK)
    elif option.name == "checkpoint":
        is_path = value not in bundled_checkpoint_names()
    if is_path and not value:
        raise ConfigError(f"{path}: {option.opts[0][2:]} is empty; name a place, or leave the line out")
    return str(path.parent / value) if is_path and not value.startswith("~") else value


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.command(cls=_ViewerCommand, context_settings=_SETTINGS)
@click.option(
    "--ckpt",
    "checkpoint",
    default="model",
    show_default=True,
    metavar="NAME|DIRECTORY",
    help="Trained automaton: a bundled name, a checkpoint, or a training run (its newest checkpoint).",
)
@click.option(
    "--start",
    default=START_DIGIT,
    show_default=True,
    metavar="digit|blank|PICTURE",
    help="What to start from. A picture file's drawing is brought into the form of MNIST's digits: light ink "
    "on black, cropped, scaled and centred; for an RGB automaton it is fitted whole, in its colours.",
)
@click.option(
    "--start-as-is",
    is_flag=True,
    help="Fit a picture file whole, with the levels it has: do not invert, clean, crop or centre it.",
)
@click.option("--digit", type=int, metavar="0-9", help="Which digit to start with.  [default: any]")
@click.option(
    "--mask-ratio",
    type=float,
    default=0.5,
    show_default=True,
    help="Part of the start's pixels that is forgotten, 0 to 1.",
)
@click.option("--seed", type=int, help="Makes a run repeat exactly.  [default: drawn at random]")
@click.option(
    "--fps",
    "frames_per_second",
    type=int,
    default=60,
    show_default=True,
    help="Most frames per second, 1 to 240.",
)
@click.option(
    "--speed",
    type=SpeedType(),
    metavar="1/8...64",
    help="Steps per frame, a power of two.  [default: so that a digit forms in about 4 s; headless: 1]",
)
@click.option(
    "--brush-radius",
    "brush_radius_cells",
    type=int,
    help="In cells; 0 is a single cell.  [default: 1, in an exhibit 4]",
)
@click.option(
    "--window-size",
    type=SizeType(),
    default="900x960",
    show_default=True,
    metavar="WIDTHxHEIGHT",
    help="In pixels.",
)
@click.option("--fullscreen", is_flag=True, help="Fill the screen.")
@click.option("--headless", is_flag=True, help="Run without a screen; needs --frames.")
@click.option("--frames", type=int, metavar="N", help="End after this many frames.")
@click.option(
    "--save",
    type=USER_PATH,
    metavar="FILE.png|FILE.gif",
    help="Write the last frame (.png), or the start and all frames (.gif); needs --frames.",
)
@click.option(
    "--output-dir",
    "output_directory",
    type=USER_PATH,
    help="Where screenshots (F2) go.  [default: your pictures folder]",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "gpu"]),
    default="auto",
    show_default=True,
    help="What computes the cells; auto is a GPU where JAX finds one.",
)
@click.option(
    "--compile-cache/--no-compile-cache",
    default=True,
    show_default=True,
    help="Keep compiled functions in your cache folder, for a faster start.",
)
@click.option(
    "--display", type=int, default=0, show_default=True, metavar="N", help="Which display to open on."
)
@click.option(
    "--exhibit",
    is_flag=True,
    help="For an unattended public place: fills the screen, shows visitors' controls only, and shows itself "
    "while nobody is there.",
)
@click.option(
    "--language",
    "languages",
    multiple=True,
    default=("en",),
    show_default=True,
    metavar="|".join(LANGUAGES),
    help="What the exhibit speaks; given several times, visitors can switch.",
)
@click.option(
    "--idle-seconds",
    type=float,
    default=60.0,
    show_default=True,
    help="Without a touch for so long, 5 to 3600, the exhibit shows itself.",
)
@click.option(
    "--attract-script",
    type=USER_PATH,
    metavar="FILE",
    help="What it shows then: a text file.  [default: the bundled one]",
)
@click.option(
    "--operator-exit",
    default=OperatorExit.MENU.value,
    show_default=True,
    metavar="|".join(known.value for known in OperatorExit),
    help="What the operator's hold of 3 seconds does in an exhibit.",
)
@click.option(
    "--operator-hold",
    default=OperatorHold.BOTH.value,
    show_default=True,
    metavar="|".join(known.value for known in OperatorHold),
    help="Which hold that is: Ctrl+Shift+Q, four fingers at rest, or either.",
)
@click.option(
    "--state-dir",
    "state_directory",
    type=USER_PATH,
    help="Where status.json and the records of faults go.  [default in an exhibit: your state folder]",
)
@click.option(
    "--log-dir",
    "log_directory",
    type=USER_PATH,
    help="Where the log goes, a few bounded files.  [default in an exhibit: your log folder]",
)
@click.option(
    "--usage-csv",
    type=USER_PATH,
    metavar="FILE.csv",
    help="Count visits, strokes, heals and resets by the hour; nothing else is kept of anybody.",
)
@click.option(
    "--limit-flashes/--no-limit-flashes",
    default=None,
    help="Hold back what would flash three times in a second (WCAG 2.3.1).  [default: in an exhibit]",
)
@click.option(
    "--reduce-motion/--no-reduce-motion",
    default=False,
    show_default=True,
    help="Let every change of the picture come gradually.",
)
@click.option(
    "--pixel-shift/--no-pixel-shift",
    default=None,
    help="Glide by a few pixels, against burn-in.  [default: in an exhibit]",
)
@click.option(
    "--night",
    type=NightType(),
    metavar="HH:MM-HH:MM",
    help="Hours, by the local clock, at which the screen is dim or black, such as 22:00-07:00.",
)
@click.option(
    "--night-brightness",
    type=float,
    default=0.0,
    show_default=True,
    help="Of the screen at night: 0 is black, and the automaton sleeps; 1 is as by day.",
)
@click.option(
    "--night-wake-seconds",
    type=float,
    default=0.0,
    show_default=True,
    help="How long a touch at night lights the screen up, 0 (not at all) to 3600.",
)
@click.option(
    "--config",
    type=USER_PATH,
    is_eager=True,
    callback=_read_config,
    metavar="FILE.toml",
    help="Read options from a TOML file, by their names without dashes; the command line goes before it.",
)
@click.version_option(version(), prog_name=PROGRAM)
@click.pass_context
def main(ctx: click.Context, config: Path | None, **options: Any) -> None:
    """Watch a neural cellular automaton draw digits, and paint on it while it lives.

    Press H in the window for the keys.
    """
    run(_viewer_config(ctx, config, options))


def _viewer_config(ctx: click.Context, config: Path | None, options: dict[str, Any]) -> KioskConfig:
    """The options as a whole; an error in one that stands in the file names the file."""
    try:
        tables = {name: ctx.meta.get(name, mapping_class()) for name, mapping_class in _TABLES.items()}
        return KioskConfig(**options, **tables)
    except ConfigError as error:
        named = re.match(r"--[a-z-]+", str(error))
        in_file = {option.opts[0] for option in _configurable(ctx.command) if _is_from_file(ctx, option)}
        raise ConfigError(f"{config}: {error}" if named and named[0] in in_file else str(error)) from None


def _is_from_file(ctx: click.Context, option: click.Option) -> bool:
    source = ctx.get_parameter_source(str(option.name))
    return source is click.core.ParameterSource.DEFAULT_MAP


def parsed_options(arguments: Sequence[str]) -> KioskConfig | None:
    """What the viewer's own arguments say; None where they only ask for help or the version.

    Raises:
        UserError: some of them are wrong.
        click.ClickException: likewise.
    """
    try:
        with main.make_context(PROGRAM, list(arguments)) as ctx:
            options = dict(ctx.params)
            return _viewer_config(ctx, options.pop("config"), options)
    except click.exceptions.Exit:
        return None


@click.command(
    cls=_OneLineErrors,
    context_settings=_SETTINGS | {"ignore_unknown_options": True},
    options_metavar="[OPTIONS OF THE VIEWER]",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="")
def supervise(arguments: tuple[str, ...]) -> None:
    """Keep the viewer alive: start it anew where it crashes or hangs.

    Takes all options of the viewer. Gives up, with exit code 1, after eight failures within half an hour.
    """
    config = parsed_options(arguments)
    if config is None:
        return
    if trouble := pygame_trouble():
        raise ConfigError(f"{trouble}; {REMEDY}")
    from nca_viewer.kiosk.operation.event_log import Event, EventLog, tell
    from nca_viewer.kiosk.operation.heartbeat import Notifier
    from nca_viewer.kiosk.operation.monitor import record_folders
    from nca_viewer.kiosk.operation.supervise import Supervisor, claim

    state_folder, log_folder = record_folders(config)
    claim(state_folder)
    journal = EventLog()
    journal.open(log_folder, "supervisor.log", console=True)
    tell(Event.START, f"version {version()}, supervising: {PROGRAM} {' '.join(arguments)}")
    picture = [
        sys.executable,
        "-m",
        "nca_viewer.kiosk.standby_screen",
        config.languages[0],
        str(config.display),
    ]
    if config.night is not None:
        picture += [str(config.night), str(config.night_brightness)]
    supervisor = Supervisor(
        [sys.executable, "-m", "nca_viewer", *arguments],
        picture_command=None if config.headless else picture,
        notifier=Notifier.from_environment(),
        state_folder=state_folder,
    )
    on_ending_signals(supervisor.end)
    sys.exit(supervisor.run())


@click.command(
    cls=_OneLineErrors,
    context_settings=_SETTINGS | {"ignore_unknown_options": True},
    options_metavar="[--json] [OPTIONS OF THE VIEWER]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="")
def doctor(as_json: bool, arguments: tuple[str, ...]) -> None:
    """Test this machine for the viewer, and say what to mend.

    Tests the screen, touch, the files and folders that are named, the last records, the checkpoint, the
    backend and its speed, and the compile cache, with the options that the viewer would have. Ends with exit
    code 1 where something must be mended. Opens no window, and may run while the viewer does.
    """
    from nca_viewer.kiosk.operation.doctor import BAD, Finding, as_lines, examine, is_well

    try:
        # It ends by itself, with --headless too.
        config = parsed_options(("--frames", "1", *arguments))
    except (UserError, click.ClickException) as error:
        if not as_json:
            raise
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        click.echo(_as_json([Finding("options", BAD, text, "do what the line says")]))
        sys.exit(error.exit_code)
    if config is None:
        return
    findings = []
    for finding in examine(config):
        findings.append(finding)
        if not as_json:
            for line in as_lines(finding):
                click.echo(line)
    if as_json:
        click.echo(_as_json(findings))
    sys.exit(0 if is_well(findings) else 1)


def _as_json(findings: Sequence[Finding]) -> str:
    from nca_viewer.kiosk.operation.background_writer import as_json

    return as_json([dataclasses.asdict(finding) for finding in findings])


if __name__ == "__main__":
    main()
