"""Reading a record, line by line: a whole run in little memory."""

from __future__ import annotations

import codecs
import stat
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nca_viewer.atomic_files import mode_at
from nca_viewer.errors import ConfigError, reason_of, shown_path
from nca_viewer.recording.lines import (
    MAX_HEADER_BYTES,
    Caption,
    Check,
    Cue,
    End,
    Experiment,
    Header,
    Line,
    Position,
    decode,
    decode_header,
    unseal,
)

_PIECE_BYTES = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A record whose every line has been checked.

    Attributes:
        path: The file.
        header: Its first line.
        steps: How many it has, counted on over resets and new episodes.
        actions: How often something other than a step reached the cells.
        note: What is to be told of how it ends, or nothing.
        captions: How many it has.
        experiments: The lines with some, which mean something for one kind of automaton alone.
    """

    path: Path
    header: Header
    steps: int
    actions: int
    note: str = ""
    captions: int = 0
    experiments: tuple[Line, ...] = ()

    def lines(self) -> Iterator[Line]:
        """Every line but the first, read as it is asked for.

        Raises:
            ConfigError: the file is not what it was.
        """
        _, lines = _open(self.path)
        for entry in lines:
            if isinstance(entry, Line):
                yield entry


def read_header(path: Path) -> Header:
    """The first line of a record alone.

    Raises:
        ConfigError: there is no such file, or it is not a record.
    """
    header, lines = _open(path)
    lines.close()
    return header


def read_record(path: Path) -> Record:
    """Read a record once from end to end, to know that all of it can be repeated.

    A last line that was cut, as by a program that was killed, is passed over with a note.

    Raises:
        ConfigError: there is no such file, it is not a record, or a line of it is damaged; names the line.
    """
    header, lines = _open(path)
    at = Position(header.episode, 0)
    steps = actions = captions = 0
    experiments: list[Line] = []
    note = "it has no last line: the program that wrote it was stopped"
    for entry in lines:
        if isinstance(entry, str):
            note = entry
        if not isinstance(entry, Line):
            continue
        steps += entry.at.step - at.step
        at = entry.at.after(entry.what)
        if isinstance(entry.what, End):
            note = ""
        elif not isinstance(entry.what, Check | Cue):
            actions += 1
        captions += isinstance(entry.what, Caption)
        if isinstance(entry.what, Experiment):
            experiments.append(entry)
    return Record(path, header, steps, actions, note, captions, tuple(experiments))


def _open(path: Path) -> tuple[Header, Generator[Header | Line | str, None, None]]:
    """The header of a file, and the lines after it; a text is a note on one that was cut."""
    try:
        mode = mode_at(path)
        if not mode:
            raise ConfigError(f"the record {shown_path(path)} does not exist; give a file made with --record")
        if not stat.S_ISREG(mode):
            raise ConfigError(f"the record {shown_path(path)} is not a file; give a file made with --record")
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    lines = _lines(path, file)
    header = next(lines)
    assert isinstance(header, Header)
    return header, lines


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"the record {shown_path(path)} cannot be read: {reason_of(error)}")


def _lines(path: Path, file: BinaryIO) -> Generator[Header | Line | str, None, None]:
    header, at, checksum, is_over = None, Position(0, 0), 0, False
    limit, number = MAX_HEADER_BYTES, 0
    with file:
        while True:
            number += 1
            try:
                content = _line(file, limit + 1)
            except OSError as error:
                raise _unreadable(path, error) from error
            if not content:
                break
            if number == 1:  # As some editors write it.
                content = content.removeprefix(codecs.BOM_UTF8)
            is_whole = content.endswith(b"\n")
            is_foreign = b"\0" in content and len(content) >= _PIECE_BYTES
            try:
                if is_foreign:
                    raise ConfigError("it has bytes of zero, and is no text")
                if len(content) > limit:
                    raise ConfigError(f"it has more than {limit:,} bytes, and no line of a record is so long")
                if is_over:
                    raise ConfigError("it comes after the last one")
                values, checksum = unseal(content, checksum)
                if header is None:
                    header = decode_header(values)
                    limit, at = header.max_line_bytes, Position(header.episode, 0)
                    yield header
                    continue
                line = decode(values, number, at, header)
            except ConfigError as error:
                if header is not None and not (is_whole or is_foreign or is_over or len(content) > limit):
                    yield f"its last line ({number}) is cut; what comes before it is repeated"
                    return
                raise ConfigError(
                    f"the record {shown_path(path)}, line {number}: {error}; give a file as --record wrote it"
                ) from None
            at, is_over = line.at.after(line.what), isinstance(line.what, End)
            yield line
    if header is None:
        raise ConfigError(f"the record {shown_path(path)} is empty; give a file made with --record")


def _line(file: BinaryIO, most_bytes: int) -> bytes:
    """The next line, or so many bytes of it; of what is no text no more than a piece."""
    parts: list[bytes] = []
    while most_bytes > 0:
        part = file.readline(min(most_bytes, _PIECE_BYTES))
        parts.append(part)
        most_bytes -= len(part)
        if not part or part.endswith(b"\n") or b"\0" in part:
            break
    return b"".join(parts)
