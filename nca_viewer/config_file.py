"""Reads a configuration file: TOML whose keys are the command line's options without their dashes."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nca_viewer.errors import ConfigError, shown

MAX_CONFIG_FILE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Kind:
    """Which TOML values a setting takes.

    Attributes:
        name: For the error message, such as "a whole number".
        types: The Python types that tomllib gives them; bool counts as int only where it is listed.
    """

    name: str
    types: tuple[type, ...]

    def accepts(self, value: object) -> bool:
        """Whether a value is of this kind."""
        return type(value) in self.types


FLAG = Kind("true or false", (bool,))
WHOLE_NUMBER = Kind("a whole number", (int,))
NUMBER = Kind("a number", (int, float))
TEXT = Kind("a text in quotation marks", (str,))
NUMBER_OR_TEXT = Kind("a number, or a text in quotation marks", (int, float, str))
TABLE = Kind("a table, such as [name] and settings below it", (dict,))


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of the file.

    Attributes:
        name: As it stands in the file.
        kind: Of its value.
        is_list: Whether several values may stand in brackets.
    """

    name: str
    kind: Kind
    is_list: bool = False


def read_config_file(
    path: Path, settings: Mapping[str, Setting], *, what: str = "--config"
) -> dict[str, Any]:
    """Read a configuration file.

    Args:
        path: The TOML file.
        settings: The known keys; in the file, `_` may stand for `-`.
        what: The option that asked for it, for the messages.

    Returns:
        The file's values under the names of `settings`; those of a list as a list.

    Raises:
        ConfigError: it is missing, not TOML, holds an unknown key, or a value of the wrong kind.
    """
    values: dict[str, Any] = {}
    for key, value in _parsed(path, what).items():
        name = key.replace("_", "-")
        setting = settings.get(name)
        if setting is None:
            raise ConfigError(f"{path}: unknown setting {key!r}; {nearest_names(name, settings)}")
        if name in values:
            raise ConfigError(f"{path}: {name!r} stands there twice; keep one")
        items = value if setting.is_list and isinstance(value, list) else [value]
        for item in items:
            if not setting.kind.accepts(item):
                raise ConfigError(f"{path}: {key} = {_shown(item)} must be {setting.kind.name}")
        values[name] = items if setting.is_list else value
    return values


def nearest_names(name: str, known: Mapping[str, Any]) -> str:
    """For an error message: the known names that look most like this one, else all of them."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"the known ones are {', '.join(sorted(known))}"


def _parsed(path: Path, what: str) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():  # A pipe would be waited for.
            raise ConfigError(f"{what}: {str(path)!r} is not a file; give a TOML file")
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{what}: there is no file {str(path)!r}; give a TOML file") from None
    except OSError as error:
        raise ConfigError(f"{what}: {str(path)[:200]!r} cannot be read: {error.strerror}") from None
    if len(content) > MAX_CONFIG_FILE_BYTES:
        raise ConfigError(f"{what}: {str(path)!r} is larger than {MAX_CONFIG_FILE_BYTES:,} bytes")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: this is not TOML: {error}") from None
    except (ValueError, RecursionError) as error:  # A number of thousands of digits, brackets without end.
        raise ConfigError(f"{path}: this cannot be read as TOML: {str(error)[:100]}") from None


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else shown(value)
