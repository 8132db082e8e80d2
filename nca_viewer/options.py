"""Command-line options made of a configuration's fields: one field, one option.

A field says what it is as an option in its `Setting`; its annotation says the type: bool, int, float, str, a
path, one of these or None, or a tuple of any number of them, which is an option that may be repeated.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from nca_viewer.config import Setting, option_name, setting_of

_NONE_WORD = "none"
"""Is written for None, in options of presets."""
_NONE = object()
"""Is None as it was given; what was not given is None itself."""

_Command = Callable[..., Any]
_Decorator = Callable[[_Command], _Command]


class UserPathType(click.ParamType):
    """A path in which the shell left a `~` as it was, as it does after an equals sign."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """What was written, or a complaint that names it."""
        try:
            return Path(value).expanduser()
        except RuntimeError:
            self.fail(f"{value!r} names a home folder that does not exist", param, ctx)


USER_PATH = UserPathType()


class WordOrPathType(click.ParamType):
    """One of a few words, or else a path; arrives as a text."""

    name = "text"

    def __init__(self, words: Callable[[], Sequence[str]]) -> None:
        """The words are asked for when they are needed."""
        self._words = words

    def is_path(self, value: str) -> bool:
        """Whether what was written is none of the words."""
        return value not in self._words()


class _OrNone(click.ParamType):
    """A value, or the word 'none'."""

    def __init__(self, inner: click.ParamType) -> None:
        self._inner = inner
        self.name = f"{inner.name}|{_NONE_WORD}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value.lower() == _NONE_WORD:
            return _NONE
        return self._inner.convert(value, param, ctx)


_TYPES: dict[Any, click.ParamType] = {
    bool: click.BOOL,
    int: click.INT,
    float: click.FLOAT,
    str: click.STRING,
    Path: USER_PATH,
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """A field as an option: its names, its type, and what is told of it."""

    name: str
    option: str
    type: click.ParamType
    is_optional: bool
    is_repeatable: bool
    setting: Setting
    help: str


def config_options(config: type, *, leave_out: Sequence[str] = ()) -> _Decorator:
    """Give a command one option per field of a dataclass, with the field's default.

    Args:
        config: The dataclass.
        leave_out: Fields that get no option.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    fields = sorted(_fields_of(config, leave_out), key=lambda field: field.setting.group)
    return _decorator([_option(field, field.type, defaults[field.name], field.help) for field in fields])


def preset_options(presets: Mapping[str, Any], *, leave_out: Sequence[str] = ()) -> _Decorator:
    """Give a command one option per field of a dataclass; `given_fields` tells what was given.

    A field that may be None takes the word 'none'.

    Args:
        presets: By name, instances of one dataclass, whose values the help gives as the defaults.
        leave_out: Fields that get no option.
    """
    options = []
    for field in _fields_of(type(next(iter(presets.values()))), leave_out):
        values = {name: _written(getattr(preset, field.name)) for name, preset in presets.items()}
        same = len(set(values.values())) == 1
        default = next(iter(values.values())) if same else ", ".join(f"{k} {v}" for k, v in values.items())
        kind = _OrNone(field.type) if field.is_optional else field.type
        options.append(_option(field, kind, None, f"{field.help} [default: {default}]"))
    return _decorator(options)


def given_fields(config: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a dataclass that were given as `preset_options`."""
    names = {field.name for field in dataclasses.fields(config)}
    return {
        name: None if value is _NONE else value
        for name, value in options.items()
        if name in names and value is not None and value != ()
    }


def _fields_of(config: type, leave_out: Sequence[str]) -> list[_Field]:
    hints, texts = typing.get_type_hints(config), attribute_texts(config)
    fields = []
    for field in dataclasses.fields(config):
        if field.name in leave_out:
            continue
        setting = setting_of(field)
        kind, is_optional, is_repeatable = _type_of(hints[field.name], setting.type)
        text = setting.help or texts.get(field.name, "")
        fields.append(_Field(field.name, option_name(field), kind, is_optional, is_repeatable, setting, text))
    return fields


def _type_of(hint: Any, given: click.ParamType | None) -> tuple[click.ParamType, bool, bool]:
    """The type of an annotation, whether it may be None, and whether it is any number of them."""
    is_optional = False
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        members = [member for member in typing.get_args(hint) if member is not types.NoneType]
        is_optional = len(members) < len(typing.get_args(hint))
        (hint,) = members
    is_repeatable = typing.get_origin(hint) is tuple and typing.get_args(hint)[1:] == (...,)
    if is_repeatable:
        hint = typing.get_args(hint)[0]
    return given or _TYPES[hint], is_optional, is_repeatable


def _option(field: _Field, kind: click.ParamType, default: Any, text: str) -> _Decorator:
    is_pair = field.type is click.BOOL and not field.setting.is_flag
    return click.option(
        f"{field.option}/--no-{field.option[2:]}" if is_pair else field.option,
        field.name,
        type=None if field.type is click.BOOL else kind,
        is_flag=field.type is click.BOOL or None,
        multiple=field.is_repeatable,
        default=getattr(kind, "written", lambda value: value)(default),
        show_default=True,
        metavar=field.setting.metavar or None,
        help=text,
    )


def _decorator(options: Sequence[_Decorator]) -> _Decorator:
    def decorate(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _written(value: Any) -> str:
    return _NONE_WORD if value is None else str(value)


def attribute_texts(config: type) -> dict[str, str]:
    """What a dataclass's docstring says of each of its attributes."""
    _, _, section = (inspect.getdoc(config) or "").partition("Attributes:\n")
    texts: dict[str, str] = {}
    name = None
    for line in section.splitlines():
        start = re.match(r"    (\w+): (.*)", line)
        if start:
            name = start[1]
            texts[name] = start[2]
        elif name and line.startswith("        "):
            texts[name] += " " + line.strip()
        elif line.strip():
            break
    return texts
