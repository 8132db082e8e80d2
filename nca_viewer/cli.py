"""The command `nca-viewer`: options to a configuration; every expected failure is one line."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nca_viewer import config_file
from nca_viewer.errors import ConfigError, UserError
from nca_viewer.interaction.gamepad import GamepadMapping, KeyMapping
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.launch import on_ending_signals, run
from nca_viewer.option_types import SpeedType
from nca_viewer.options import USER_PATH, UserPathType, WordOrPathType, config_options
from nca_viewer.program import OneLineErrors
from nca_viewer.pygame_check import REMEDY, pygame_trouble
from nca_viewer.version import PROGRAM, version

if TYPE_CHECKING:
    from nca_viewer.kiosk.operation.doctor import Finding


class _Command(OneLineErrors):
    program = PROGRAM

    def remedy(self, error: Exception) -> str | None:
        """Where Pygame is damaged, no error of it is unexpected."""
        trouble = pygame_trouble()
        return f"{trouble}; {REMEDY}" if trouble else None


class _ViewerCommand(_Command):
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
    return {"supervise": supervise, "doctor": doctor, "replay": replay}


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
        items = value if isinstance(value, list) else [value]
        placed = [_beside(path, option, item) for item in items]
        defaults[str(option.name)] = placed if isinstance(value, list) else placed[0]
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
    kind = option.type
    is_path = isinstance(kind, UserPathType) or (isinstance(kind, WordOrPathType) and kind.is_path(value))
    if is_path and not value:
        raise ConfigError(f"{path}: {option.opts[0][2:]} is empty; name a place, or leave the line out")
    return str(path.parent / value) if is_path and not value.startswith("~") else value


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.command(cls=_ViewerCommand, context_settings=_SETTINGS)
@config_options(KioskConfig, leave_out=tuple(_TABLES))
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
    cls=_Command,
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
    from nca_viewer.kiosk.operation.event_log import EventLog, LogEvent, log_event
    from nca_viewer.kiosk.operation.heartbeat import Notifier
    from nca_viewer.kiosk.operation.monitor import record_folders
    from nca_viewer.kiosk.operation.supervise import Supervisor, claim

    state_folder, log_folder = record_folders(config)
    claim(state_folder)
    journal = EventLog()
    journal.open(log_folder, "supervisor.log", console=True)
    log_event(LogEvent.START, f"version {version()}, supervising: {PROGRAM} {' '.join(arguments)}")
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
    cls=_Command,
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


@click.command(cls=_Command, context_settings=_SETTINGS)
@click.argument("record", type=USER_PATH, metavar="FILE.jsonl")
@click.option("--ckpt", metavar="NAME|DIRECTORY", help="The checkpoint.  [default: the one that is recorded]")
def replay(record: Path, ckpt: str | None) -> None:
    """Repeat a run that was written with --record, and compare its states.

    Opens no window, and goes as fast as it can. Ends with exit code 1 where a state differs, and names the
    first.
    """
    from nca_viewer.recording.replay import replay_headless

    report = replay_headless(record, ckpt)
    click.echo(str(report))
    sys.exit(0 if report.difference is None else 1)


def _as_json(findings: Sequence[Finding]) -> str:
    from nca_viewer.kiosk.operation.background_writer import as_json

    return as_json([dataclasses.asdict(finding) for finding in findings])


if __name__ == "__main__":
    main()
