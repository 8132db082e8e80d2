"""The lines of a record, and how each is written: JSON, with a checksum that goes on from line to line.

The first line is the header: what the run began from and what computed it. Every other line says what
happened (`do`), in which episode and at which step. Steps themselves have no lines: they lie between those
that have.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nca_viewer.config import MAX_GRID_SIZE, MAX_SEED, ModelConfig, require_range
from nca_viewer.errors import ConfigError, presentable, shown, shown_text
from nca_viewer.interaction.actions import Cell, ShowView, Tool
from nca_viewer.moment import MAX_EPISODE, MAX_STEP, Moment
from nca_viewer.strict_json import require_format, strict_json
from nca_viewer.views import VIEW_NAMES

FORMAT_NAME = "nca-viewer record"
FORMAT_VERSION = 1
"""Version that is written, and the only one that is read."""

CHECK_STEPS = 100
"""So often the state's digest is noted."""

MAX_TEXT_LETTERS = 200
MAX_CAPTION_SECONDS = 60.0
MAX_HEADER_BYTES = 2**20
MAX_STEPS_BETWEEN_LINES = 1_000_000
"""A record has a line every `CHECK_STEPS`, but while a device fails."""

_MOST_PROGRAMS = 16
_MORE_BYTES = 2**20

_SUM = re.compile(rb',"sum":"([0-9a-f]{8})"\}$')
_DIGEST = re.compile(r"[0-9a-f]{64}")


# --------------------------------------------------------------------------------------- what happened


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """A tool acts on some cells: bool[H, W]; `ink` is what paint sets."""

    tool: Tool
    region: np.ndarray
    ink: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Begin:
    """A new episode of that number begins, from float32[H, W, visible_channel_size] in [0, 1]."""

    episode: int
    image: np.ndarray
    mask_ratio: float


@dataclass(frozen=True, slots=True)
class ToStart:
    """The episode begins again."""


@dataclass(frozen=True, slots=True, eq=False)
class Restore:
    """The run goes on from another moment."""

    moment: Moment


@dataclass(frozen=True, slots=True)
class Experiment:
    """From now on the cells live under other conditions: JSON values that mean nothing here."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """SHA-256 of the state on arrival at this step."""

    sha256: str


@dataclass(frozen=True, slots=True)
class End:
    """The last line; SHA-256 of the last state, None where the device had failed."""

    sha256: str | None


@dataclass(frozen=True, slots=True)
class Caption:
    """Words that are shown for a while."""

    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Inspect:
    """Look at one cell; None looks away."""

    cell: Cell | None


Cue = Caption | ShowView | Inspect
"""What concerns the window alone."""

Happening = Edit | Begin | ToStart | Restore | Experiment | Check | End | Cue


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run is."""

    episode: int
    step: int

    def after(self, what: Happening) -> Position:
        """Where it is once something has happened."""
        match what:
            case Begin(episode):
                return Position(episode, 0)
            case ToStart():
                return Position(self.episode, 0)
            case Restore(moment):
                return Position(moment.episode, moment.step)
            case _:
                return self


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a record but the first: what happened, and where the run was; `number` counts from 1."""

    number: int
    at: Position
    what: Happening


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """The first line.

    Attributes:
        seed: Of everything random.
        episode: Number of the episode that it begins with.
        image: float32[H, W, visible_channel_size] in [0, 1], that this one began from.
        mask_ratio: Part of its pixels that was forgotten.
        checkpoint: Name of the checkpoint.
        checkpoint_sha256: Digest of its manifest, and with it of every file.
        state_shape: Rows, columns and channels of the grid.
        visible_channel_size: How many of the channels are the picture.
        environment: What computed it: versions of programs by name, `backend`, `processor`.
        title: What a demo is called, or nothing.
    """

    seed: int
    episode: int
    image: np.ndarray
    mask_ratio: float
    checkpoint: str
    checkpoint_sha256: str
    state_shape: tuple[int, int, int]
    visible_channel_size: int
    environment: Mapping[str, str] = field(default_factory=dict)
    title: str = ""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Of the picture that it began from."""
        return (*self.state_shape[:2], self.visible_channel_size)

    @property
    def max_line_bytes(self) -> int:
        """No line is longer: the longest holds a state and a picture."""
        values = np.prod(self.state_shape) + np.prod(self.image_shape)
        return int(values) * 6 + _MORE_BYTES


# ------------------------------------------------------------------------------------------ encoding


def encode_header(header: Header) -> dict[str, Any]:
    """As JSON values."""
    height, width, channels = header.state_shape
    return {
        "record": FORMAT_NAME,
        "version": FORMAT_VERSION,
        "title": header.title,
        "seed": header.seed,
        "episode": header.episode,
        "checkpoint": {"name": header.checkpoint, "sha256": header.checkpoint_sha256},
        "grid": {
            "height": height,
            "width": width,
            "channels": channels,
            "visible_channels": header.visible_channel_size,
        },
        "mask_ratio": header.mask_ratio,
        "image": pack_floats(header.image),
        "environment": dict(header.environment),
    }


def encode(at: Position, what: Happening) -> dict[str, Any]:
    """As JSON values."""
    return {"do": _NAMES[type(what)], "episode": at.episode, "step": at.step, **_fields(what)}


def _fields(what: Happening) -> dict[str, Any]:
    match what:
        case Edit(tool, region, ink):
            fields: dict[str, Any] = {"tool": tool.value, "cells": cell_spans(region)}
            return fields | ({"ink": ink} if tool is Tool.PAINT else {})
        case Begin(episode, image, mask_ratio):
            return {"to_episode": episode, "mask_ratio": mask_ratio, "image": pack_floats(image)}
        case Restore(moment):
            return {
                "to_seed": moment.seed,
                "to_episode": moment.episode,
                "to_step": moment.step,
                "mask_ratio": moment.mask_ratio,
                "image": pack_floats(moment.image),
                "state": pack_floats(moment.state),
            }
        case Experiment(values):
            return {"values": dict(values)}
        case Check(sha256) | End(sha256):
            return {"sha256": sha256}
        case Caption(text, seconds):
            return {"text": text, "seconds": seconds}
        case ShowView(name):
            return {"name": name}
        case Inspect(cell):
            return {"cell": None if cell is None else list(cell)}
        case _:
            return {}


_NAMES: dict[type[Any], str] = {
    Edit: "stroke",
    Begin: "begin",
    ToStart: "reset",
    Restore: "restore",
    Experiment: "experiment",
    Check: "check",
    End: "end",
    Caption: "caption",
    ShowView: "view",
    Inspect: "inspect",
}


def seal(values: Mapping[str, Any], checksum: int) -> tuple[bytes, int]:
    """A line with its checksum, and the checksum that the next one goes on from.

    Args:
        values: The line.
        checksum: From the line before; 0 at first.
    """
    body = json.dumps(values, separators=(",", ":"), allow_nan=False).encode()
    checksum = zlib.crc32(body, checksum)
    return body[:-1] + b',"sum":"%08x"}\n' % checksum, checksum


def pack_floats(array: Any) -> str:
    """float32 values exactly, as text: little-endian, deflated, base 64."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(np.asarray(array), "<f4").tobytes())).decode()


def cell_spans(region: np.ndarray) -> list[list[int]]:
    """The touched cells of bool[H, W] as [row, first column, last column]."""
    edges = np.diff(region.astype(np.int8), axis=1, prepend=0, append=0)
    rows, firsts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    return np.stack([rows, firsts, ends - 1], axis=1).tolist()


# ------------------------------------------------------------------------------------------ decoding


def unseal(line: bytes, checksum: int) -> tuple[dict[str, Any], int]:
    """The values of a line, and the checksum that the next one goes on from.

    Raises:
        ConfigError: it is not JSON, or its checksum is another.
    """
    line = line.rstrip(b"\r\n")
    values = strict_json(line)
    found = _SUM.search(line)
    if not isinstance(values, dict) or found is None:
        raise ConfigError("it is not a line of a record, with its checksum at the end")
    checksum = zlib.crc32(line[: found.start()] + b"}", checksum)
    if checksum != int(found[1], 16):
        raise ConfigError("its checksum does not fit: it was edited, or lines before it were removed")
    return values, checksum


def decode_header(values: Mapping[str, Any]) -> Header:
    """From JSON values.

    Raises:
        ConfigError: it is of another version, or not a header.
    """
    if values.get("record") != FORMAT_NAME:
        raise ConfigError(f"it is not the first line of an {FORMAT_NAME}")
    require_format(values.get("version"), FORMAT_VERSION)
    grid, checkpoint = _object(values, "grid"), _object(values, "checkpoint")
    environment = _object(values, "environment")
    shape = (
        _whole(grid, "height", MAX_GRID_SIZE),
        _whole(grid, "width", MAX_GRID_SIZE),
        _whole(grid, "channels", 1024),
    )
    visible = _whole(grid, "visible_channels", 3)
    if min(*shape, visible) < 1:
        raise ConfigError(f"grid = {shown(dict(grid))} is no size of a grid")
    return Header(
        seed=_whole(values, "seed", MAX_SEED),
        episode=_whole(values, "episode", MAX_EPISODE),
        image=_image(values, (shape[0], shape[1], visible)),
        mask_ratio=_number(values, "mask_ratio", 0.0, 1.0),
        checkpoint=_text(checkpoint, "name"),
        checkpoint_sha256=_sha256(checkpoint, "sha256"),
        state_shape=shape,
        visible_channel_size=visible,
        environment=shown_environment(environment),
        title=_text(values, "title"),
    )


def shown_environment(values: Mapping[str, Any]) -> dict[str, str]:
    """What a file says that computed it, as a message can show it: so many names, presentable and cut."""
    items = itertools.islice(values.items(), _MOST_PROGRAMS)
    return {shown_text(name): shown_text(value) for name, value in items}


def require_fits(header: Header, config: ModelConfig, checkpoint_sha256: str | None) -> None:
    """Check that a record is of this checkpoint.

    Args:
        header: Of the record.
        config: Of the automaton.
        checkpoint_sha256: Of the checkpoint; None where it is in no file.

    Raises:
        ConfigError: it is of another grid or checkpoint.
    """
    recorded, here = (
        (header.state_shape, header.visible_channel_size),
        (config.state_shape, config.visible_channel_size),
    )
    if recorded != here:
        raise ConfigError(
            f"it is of a grid of {_grid(*recorded)}, and the checkpoint has {_grid(*here)}; "
            f"give --ckpt {header.checkpoint}, as recorded"
        )
    if checkpoint_sha256 is not None and checkpoint_sha256 != header.checkpoint_sha256:
        raise ConfigError(
            f"it is of the checkpoint {header.checkpoint!r} with SHA-256 {header.checkpoint_sha256[:12]}..., "
            f"and this one has {checkpoint_sha256[:12]}...; give the one that was recorded with --ckpt"
        )


def _grid(shape: tuple[int, int, int], visible: int) -> str:
    return f"{shape[0]} x {shape[1]} cells with {shape[2]} channels, {visible} of them visible"


def decode(values: Mapping[str, Any], number: int, at: Position, header: Header) -> Line:
    """From JSON values.

    Args:
        values: Of the line.
        number: Of the line.
        at: Where the run was left by the line before.
        header: Of the record.

    Raises:
        ConfigError: it is no line of this record, or does not follow on the one before.
    """
    episode, step = _whole(values, "episode", MAX_EPISODE), _whole(values, "step", MAX_STEP)
    if episode != at.episode or step < at.step:
        raise ConfigError(
            f"it is of episode {episode}, step {step}, and the line before of episode {at.episode}, "
            f"step {at.step}"
        )
    if step - at.step > MAX_STEPS_BETWEEN_LINES:
        raise ConfigError(
            f"step = {step} is {step - at.step} steps after the line before; "
            f"there are at most {MAX_STEPS_BETWEEN_LINES} between two lines"
        )
    return Line(number, Position(episode, step), _happening(values, header))


def _happening(values: Mapping[str, Any], header: Header) -> Happening:
    name = values.get("do")
    match name:
        case "stroke":
            tool = next((tool for tool in Tool if tool.value == values.get("tool")), None)
            if tool is None:
                raise ConfigError(f"tool = {shown(values.get('tool'))} is unknown")
            ink = _number(values, "ink", 0.0, 1.0) if "ink" in values else 1.0
            return Edit(tool, _region(values.get("cells"), header.state_shape), ink)
        case "begin":
            return Begin(
                _whole(values, "to_episode", MAX_EPISODE),
                _image(values, header.image_shape),
                _number(values, "mask_ratio", 0.0, 1.0),
            )
        case "reset":
            return ToStart()
        case "restore":
            return Restore(_moment(values, header))
        case "experiment":
            return Experiment(_object(values, "values"))
        case "check":
            return Check(_sha256(values, "sha256"))
        case "end":
            return End(None if values.get("sha256", "") is None else _sha256(values, "sha256"))
        case "caption":
            return Caption(_text(values, "text"), _number(values, "seconds", 0.1, MAX_CAPTION_SECONDS))
        case "view":
            if values.get("name") not in VIEW_NAMES:
                raise ConfigError(f"view {shown(values.get('name'))} is not one of {', '.join(VIEW_NAMES)}")
            return ShowView(values["name"])
        case "inspect":
            return Inspect(_cell(values.get("cell"), header.state_shape))
    raise ConfigError(f"do = {shown(name)} is unknown")


def _moment(values: Mapping[str, Any], header: Header) -> Moment:
    return Moment(
        state=_floats(values, "state", header.state_shape),
        step=_whole(values, "to_step", MAX_STEP),
        episode=_whole(values, "to_episode", MAX_EPISODE),
        image=_image(values, header.image_shape),
        mask_ratio=_number(values, "mask_ratio", 0.0, 1.0),
        seed=_whole(values, "to_seed", MAX_SEED),
    )


def _image(values: Mapping[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    image = _floats(values, "image", shape)
    if image.min() < 0 or image.max() > 1:
        raise ConfigError("image has values outside of 0 to 1")
    return image


def _floats(values: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """What `pack_floats` made of finite values."""
    size = 4 * int(np.prod(shape))
    try:
        unpacked = zlib.decompressobj()
        content = unpacked.decompress(base64.b64decode(values.get(name, ""), validate=True), size + 1)
    except (zlib.error, binascii.Error, TypeError, ValueError):
        raise ConfigError(f"{name} is not readable") from None
    if len(content) != size or not unpacked.eof:
        raise ConfigError(f"{name} does not have {' x '.join(map(str, shape))} values")
    array = np.frombuffer(content, "<f4").astype(np.float32).reshape(shape)
    if not np.isfinite(array).all():
        raise ConfigError(f"{name} has values that are NaN or infinite")
    return array


def _region(spans: Any, shape: tuple[int, ...]) -> np.ndarray:
    height, width = shape[:2]
    region = np.zeros((height, width), bool)
    if not isinstance(spans, list) or len(spans) > height * width:
        raise ConfigError("cells are not a list of [row, first column, last column]")
    for span in spans:
        if not (isinstance(span, list) and len(span) == 3 and all(type(value) is int for value in span)):
            raise ConfigError(f"cells have {shown(span)}, which is not [row, first column, last column]")
        row, first, last = span
        if not (0 <= row < height and 0 <= first <= last < width):
            raise ConfigError(f"cells have {shown(span)}, which is outside of {height} rows, {width} columns")
        region[row, first : last + 1] = True
    return region


def _cell(cell: Any, shape: tuple[int, ...]) -> Cell | None:
    if cell is None:
        return None
    if not (isinstance(cell, list) and len(cell) == 2 and all(type(value) is int for value in cell)):
        raise ConfigError(f"cell = {shown(cell)} is not [row, column]")
    if not (0 <= cell[0] < shape[0] and 0 <= cell[1] < shape[1]):
        raise ConfigError(f"cell = {shown(cell)} is outside of {shape[0]} rows, {shape[1]} columns")
    return (cell[0], cell[1])


def _whole(values: Mapping[str, Any], name: str, high: int) -> int:
    value: Any = values.get(name)
    require_range(name, value, 0, high, whole=True)
    return int(value)


def _number(values: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value: Any = values.get(name)
    require_range(name, value, low, high)
    return float(value)


def _text(values: Mapping[str, Any], name: str) -> str:
    text = values.get(name)
    if not isinstance(text, str) or len(text) > MAX_TEXT_LETTERS or presentable(text) != text:
        raise ConfigError(f"{name} = {shown(text)} is not a text of at most {MAX_TEXT_LETTERS} letters")
    return text


def _sha256(values: Mapping[str, Any], name: str) -> str:
    text = values.get(name)
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise ConfigError(f"{name} = {shown(text)} is not a SHA-256")
    return text


def _object(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    if not isinstance(found, dict):
        raise ConfigError(f"{name} = {shown(found)} is not a list of names and values")
    return found
