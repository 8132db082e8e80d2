"""The attract loop's script: a plain text file that an operator can edit.

One instruction per line, `#` begins a comment:

    digit any | digit 0..9
    wait SECONDS
    caption @NAME | caption WORDS | caption
    caption.LANGUAGE WORDS
    hand draw|erase|scramble X,Y [X,Y ...] in SECONDS [radius CELLS]

X and Y are percent of the grid's width and height, from its upper left corner.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nca_viewer.errors import ConfigError
from nca_viewer.interaction.actions import Tool
from nca_viewer.interaction.controls import MAX_BRUSH_RADIUS_CELLS
from nca_viewer.kiosk.texts import CAPTION_NAMES, LANGUAGES

MAX_SCRIPT_BYTES = 200_000
MAX_WORDS_LETTERS = 200
MAX_POINTS = 20
MIN_SECONDS = 0.1
MAX_SECONDS = 600.0
MIN_LOOP_SECONDS = 3.0

_HAND_TOOLS = {"draw": Tool.PAINT, "erase": Tool.ERASE, "scramble": Tool.CORRUPT}


@dataclass(frozen=True, slots=True)
class BeginDigit:
    """A fresh digit; None is any."""

    digit: int | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Let the cells live for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Caption:
    """Say something until the next caption.

    Attributes:
        name: One of the exhibit's own captions; None where the words are the operator's.
        words: In every language but those of `translations`.
        translations: (language, words) pairs.
    """

    name: str | None = None
    words: str = ""
    translations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HandStroke:
    """The ghost hand goes along a line.

    Attributes:
        tool: What it does.
        points: (x, y) in [0, 1], parts of the grid's width and height.
        seconds: From the first point to the last.
        radius_cells: Of its brush; None is the visitors' brush.
    """

    tool: Tool
    points: tuple[tuple[float, float], ...]
    seconds: float
    radius_cells: int | None = None


Instruction = BeginDigit | Wait | Caption | HandStroke


@dataclass(frozen=True, slots=True)
class AttractScript:
    """Instructions that are followed again and again."""

    instructions: tuple[Instruction, ...] = field(default=())


def bundled_script_path() -> Path:
    """The script that ships with the viewer."""
    import assets

    return Path(assets.__file__).resolve().parent / "exhibit" / "attract.txt"


def read_script(path: Path) -> AttractScript:
    """Read a script.

    Raises:
        ConfigError: it cannot be read, or a line of it is not understood; names the line.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"--attract-script: {str(path)[:200]!r} is no file; give a text file")
        with path.open("rb") as file:
            content = file.read(MAX_SCRIPT_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"--attract-script: {str(path)[:200]!r} cannot be read: {error.strerror}; give a text file"
        ) from None
    if len(content) > MAX_SCRIPT_BYTES:
        raise ConfigError(f"--attract-script: {str(path)!r} is larger than {MAX_SCRIPT_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: this is not UTF-8; save the file as UTF-8") from None
    return parse_script(text.splitlines(), str(path))


def parse_script(lines: Iterable[str], name: str) -> AttractScript:
    """Parse a script's lines.

    Args:
        lines: Without their ends.
        name: Of the file, for the error messages.

    Raises:
        ConfigError: a line is not understood, or the whole lasts less than `MIN_LOOP_SECONDS`.
    """
    instructions: list[Instruction] = []
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            _add(instructions, words)
        except _NotUnderstoodError as error:
            raise ConfigError(f"{name}, line {number}: {error}") from None
    seconds = sum(step.seconds for step in instructions if isinstance(step, Wait | HandStroke))
    if seconds < MIN_LOOP_SECONDS:
        raise ConfigError(
            f"{name}: all waits and hands together last {seconds:g} s; "
            f"give them at least {MIN_LOOP_SECONDS:g} s"
        )
    return AttractScript(tuple(instructions))


class _NotUnderstoodError(Exception):
    """What is wrong with a line."""


def _add(instructions: list[Instruction], words: list[str]) -> None:
    verb, rest = words[0], words[1:]
    if verb == "digit":
        instructions.append(_digit(rest))
    elif verb == "wait":
        if len(rest) != 1:
            raise _NotUnderstoodError("write it as: wait SECONDS")
        instructions.append(Wait(_seconds(rest[0])))
    elif verb == "caption":
        instructions.append(_caption(rest))
    elif verb.startswith("caption."):
        _translate(instructions, verb.partition(".")[2], rest)
    elif verb == "hand":
        instructions.append(_hand(rest))
    else:
        known = ("digit", "wait", "caption", "hand")
        near = difflib.get_close_matches(verb, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the known ones are {', '.join(known)}"
        raise _NotUnderstoodError(f"unknown instruction {verb[:40]!r}; {hint}")


def _digit(rest: list[str]) -> BeginDigit:
    if len(rest) == 1 and rest[0] == "any":
        return BeginDigit(None)
    if len(rest) == 1 and len(rest[0]) == 1 and rest[0] in "0123456789":
        return BeginDigit(int(rest[0]))
    raise _NotUnderstoodError("write it as: digit any, or: digit 7")


def _caption(rest: list[str]) -> Caption:
    if len(rest) == 1 and rest[0].startswith("@"):
        name = rest[0][1:]
        if name not in CAPTION_NAMES:
            known = ", ".join(f"@{known}" for known in CAPTION_NAMES)
            raise _NotUnderstoodError(f"unknown caption {rest[0][:40]!r}; the known ones are {known}")
        return Caption(name)
    return Caption(None, _sentence(rest))


def _translate(instructions: list[Instruction], language: str, rest: list[str]) -> None:
    if language not in LANGUAGES:
        raise _NotUnderstoodError(
            f"unknown language {language[:40]!r}; the known ones are {', '.join(LANGUAGES)}"
        )
    last = instructions[-1] if instructions else None
    if not isinstance(last, Caption):
        raise _NotUnderstoodError(f"caption.{language} translates the line above it, which is no caption")
    if language in dict(last.translations):
        raise _NotUnderstoodError(f"this caption has words in {language!r} already")
    translations = (*last.translations, (language, _sentence(rest)))
    instructions[-1] = Caption(last.name, last.words, translations)


def _sentence(words: list[str]) -> str:
    sentence = " ".join(words)
    if len(sentence) > MAX_WORDS_LETTERS:
        raise _NotUnderstoodError(f"{len(sentence)} letters are too many; at most {MAX_WORDS_LETTERS} fit")
    if not sentence.isprintable():
        raise _NotUnderstoodError("it holds characters that cannot be shown")
    return sentence


def _hand(rest: list[str]) -> HandStroke:
    form = "write it as: hand erase 30,20 70,80 in 2 radius 3"
    if not rest or rest[0] not in _HAND_TOOLS:
        raise _NotUnderstoodError(f"a hand can {', '.join(_HAND_TOOLS)}; {form}")
    radius = None
    if len(rest) >= 2 and rest[-2] == "radius":
        radius = _radius(rest[-1])
        rest = rest[:-2]
    if len(rest) < 4 or rest[-2] != "in":
        raise _NotUnderstoodError(form)
    points = tuple(_point(word) for word in rest[1:-2])
    if len(points) > MAX_POINTS:
        raise _NotUnderstoodError(f"{len(points)} points are too many; at most {MAX_POINTS}, then a new line")
    return HandStroke(_HAND_TOOLS[rest[0]], points, _seconds(rest[-1]), radius)


def _point(word: str) -> tuple[float, float]:
    x, comma, y = word.partition(",")
    values = (_number(x), _number(y))
    if not comma or any(value is None or not 0 <= value <= 100 for value in values):
        raise _NotUnderstoodError(f"{word[:40]!r} is not a point; write percents from 0 to 100, as 30,20")
    return (float(values[0] or 0) / 100, float(values[1] or 0) / 100)


def _radius(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and len(word) <= 3 and int(word) <= MAX_BRUSH_RADIUS_CELLS):
        raise _NotUnderstoodError(
            f"radius {word[:40]!r} must be whole cells from 0 to {MAX_BRUSH_RADIUS_CELLS}"
        )
    return int(word)


def _seconds(word: str) -> float:
    value = _number(word)
    if value is None or not MIN_SECONDS <= value <= MAX_SECONDS:
        raise _NotUnderstoodError(f"{word[:40]!r} must be seconds from {MIN_SECONDS:g} to {MAX_SECONDS:g}")
    return value


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
