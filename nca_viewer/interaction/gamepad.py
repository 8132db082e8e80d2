"""Gamepads and arcade sticks: which part does what, and how a stick moves a reticle; plain Python."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from nca_viewer.config import require_range
from nca_viewer.config_file import nearest_names
from nca_viewer.errors import ConfigError
from nca_viewer.interaction.actions import Action, NewDigit, Reset, Tool

MAX_AXES = 32
MAX_BUTTONS = 64

_RELEASE_PART = 0.8
"""A stick that left the dead zone is at rest again below this part of it: noise at its rim does nothing."""


@dataclass(frozen=True, slots=True)
class GamepadMapping:
    """Which part of a gamepad does what; numbers are SDL's, from 0.

    Attributes:
        x_axis: Moves the reticle to the right.
        y_axis: Moves the reticle down.
        dead_zone: How far a stick must be moved to count, in (0, 1).
        speed: Of the reticle at a stick's end, in grid widths per second.
        paint: Buttons that paint while they are held.
        erase: Buttons that erase while they are held.
        corrupt: Buttons that scramble while they are held.
        next_digit: Buttons that begin a fresh digit.
        reset: Buttons that go back to the start.
    """

    x_axis: int = 0
    y_axis: int = 1
    dead_zone: float = 0.25
    speed: float = 0.6
    paint: tuple[int, ...] = (0,)
    erase: tuple[int, ...] = (1,)
    corrupt: tuple[int, ...] = (2,)
    next_digit: tuple[int, ...] = (3,)
    reset: tuple[int, ...] = (6,)

    def __post_init__(self) -> None:
        """Validate; raises ConfigError."""
        require_range("gamepad x-axis", self.x_axis, 0, MAX_AXES - 1, whole=True)
        require_range("gamepad y-axis", self.y_axis, 0, MAX_AXES - 1, whole=True)
        if self.x_axis == self.y_axis:
            raise ConfigError(f"gamepad x-axis and y-axis are both {self.x_axis}; give each its own")
        require_range("gamepad dead-zone", self.dead_zone, 0.05, 0.95)
        require_range("gamepad speed", self.speed, 0.05, 10.0)
        owners: dict[int, str] = {}
        for name in ("paint", "erase", "corrupt", "next_digit", "reset"):
            for button in getattr(self, name):
                key = name.replace("_", "-")
                require_range(f"gamepad {key}", button, 0, MAX_BUTTONS - 1, whole=True)
                if owners.setdefault(button, key) != key:
                    raise ConfigError(
                        f"gamepad button {button} is both {owners[button]} and {key}; choose one"
                    )

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> GamepadMapping:
        """From a configuration file's table, where `_` may stand for `-`, and a button for a list of one.

        Raises:
            ConfigError: a key is unknown, or a value is out of range.
        """
        return cls(**_from_table(cls, "gamepad", table))

    def tool(self, button: int) -> Tool | None:
        """What a button draws with while it is held; None where it does not draw."""
        for tool, buttons in (
            (Tool.PAINT, self.paint),
            (Tool.ERASE, self.erase),
            (Tool.CORRUPT, self.corrupt),
        ):
            if button in buttons:
                return tool
        return None

    def action(self, button: int) -> Action | None:
        """What a button does once when it is pressed; None where it does nothing of the kind."""
        if button in self.next_digit:
            return NewDigit()
        if button in self.reset:
            return Reset()
        return None


@dataclass(frozen=True, slots=True)
class KeyMapping:
    """An arcade stick that reports itself as a keyboard: which keys do what; by default none does anything.

    Keys are named as in pygame, without the `K_`: "left", "lctrl", "a", "kp1".

    Attributes:
        left: Keys that move the reticle to the left.
        right: To the right.
        up: Up.
        down: Down.
        paint: Keys that paint while they are held.
        erase: Keys that erase while they are held.
        corrupt: Keys that scramble while they are held.
        next_digit: Keys that begin a fresh digit.
        reset: Keys that go back to the start.
    """

    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    paint: tuple[str, ...] = ()
    erase: tuple[str, ...] = ()
    corrupt: tuple[str, ...] = ()
    next_digit: tuple[str, ...] = ()
    reset: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Validate; raises ConfigError."""
        owners: dict[str, str] = {}
        for part, names in self.parts.items():
            for name in names:
                if not isinstance(name, str):
                    raise ConfigError(f"keys {part} = {name!r} must be the name of a key in quotation marks")
                if owners.setdefault(name, part) != part:
                    raise ConfigError(f"key {name!r} is both {owners[name]} and {part}; choose one")

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """The keys of each part, by the part's name in a configuration file."""
        return {field.name.replace("_", "-"): getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> KeyMapping:
        """From a configuration file's table, where `_` may stand for `-`, and a key for a list of one.

        Raises:
            ConfigError: a setting is unknown, or a value is no name.
        """
        return cls(**_from_table(cls, "keys", table))


def _from_table(mapping_class: type[Any], kind: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """A table's values by the names of a mapping's fields."""
    known = {field.name.replace("_", "-"): field for field in fields(mapping_class)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        field_ = known.get(key.replace("_", "-"))
        if field_ is None:
            raise ConfigError(f"unknown {kind} setting {key!r}; {nearest_names(key, known)}")
        if field_.name in values:
            raise ConfigError(f"{kind} setting {key!r} stands there twice, with - and with _; keep one")
        if isinstance(field_.default, tuple):
            value = tuple(value) if isinstance(value, list) else (value,)
        values[field_.name] = value
    return values


@dataclass(slots=True)
class Reticle:
    """One gamepad's stick, and where its brush is.

    Attributes:
        x: Part of the grid's width, in [0, 1].
        y: Part of the grid's height, in [0, 1].
        axes: The last value of each axis, in [-1, 1].
        hat: The direction pad, each of -1, 0, 1; up is positive.
        is_awake: Whether the stick is out of its dead zone, or a button or the pad is pressed.
        idle_seconds: Since it was last awake; a reticle is shown for a while only.
    """

    x: float = 0.5
    y: float = 0.5
    axes: dict[int, float] = field(default_factory=dict)
    hat: tuple[int, int] = (0, 0)
    is_awake: bool = False
    idle_seconds: float = math.inf

    def deflection(self, mapping: GamepadMapping) -> tuple[float, float]:
        """(right, down) in [-1, 1]: zero in the dead zone, and from its rim on growing from zero."""
        right, down = self.axes.get(mapping.x_axis, 0.0), self.axes.get(mapping.y_axis, 0.0)
        length = math.hypot(right, down)
        threshold = mapping.dead_zone * (_RELEASE_PART if self.is_awake else 1.0)
        if length <= threshold:
            right = down = 0.0
        else:
            scale = min(1.0, (length - threshold) / (1.0 - threshold)) / length
            right, down = right * scale, down * scale
        return (
            min(max(right + self.hat[0], -1.0), 1.0),
            min(max(down - self.hat[1], -1.0), 1.0),
        )

    def move(self, mapping: GamepadMapping, elapsed_seconds: float) -> bool:
        """Let time pass; returns whether the reticle moved."""
        right, down = self.deflection(mapping)
        self.is_awake = (right, down) != (0.0, 0.0)
        self.idle_seconds = 0.0 if self.is_awake else self.idle_seconds + elapsed_seconds
        before = (self.x, self.y)
        self.x = min(max(self.x + right * mapping.speed * elapsed_seconds, 0.0), 1.0)
        self.y = min(max(self.y + down * mapping.speed * elapsed_seconds, 0.0), 1.0)
        return (self.x, self.y) != before
