"""Gamepads and arcade sticks: each moves a reticle of its own, and its buttons draw where that is.

A reticle moves with time, not with events, and is seen for a while after its last use. Buttons press no
target of the window. A stick that reports itself as keys is one more gamepad, by the name `KEYBOARD`. What a
gamepad was pressing is let go when it is unplugged.
"""

from __future__ import annotations

import math
from collections.abc import Hashable

import pygame
from pygame.event import Event

from nca_viewer.interaction.actions import Action, Cell, NewDigit, Reset, Tool
from nca_viewer.interaction.bindings import KEY_CODES
from nca_viewer.interaction.gamepad import GamepadMapping, KeyMapping, Reticle
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.pointers import GAMEPAD, Pointers
from nca_viewer.interaction.presence import Presence

EVENTS = frozenset(
    {
        pygame.JOYAXISMOTION,
        pygame.JOYHATMOTION,
        pygame.JOYBUTTONDOWN,
        pygame.JOYBUTTONUP,
        pygame.JOYDEVICEREMOVED,
    }
)

RETICLE_SECONDS = 10.0
"""A gamepad's brush is seen for so long after its last use."""

KEYBOARD = "keyboard"
"""Stands for a gamepad's number where an arcade stick reports itself as keys."""

_PART_TOOLS = {"paint": Tool.PAINT, "erase": Tool.ERASE, "corrupt": Tool.CORRUPT}
_PART_ACTIONS: dict[str, Action] = {"next-digit": NewDigit(), "reset": Reset()}


class Sticks:
    """Turns the events of gamepads, and an arcade stick's keys, into actions."""

    def __init__(
        self, pointers: Pointers, presence: Presence, mapping: GamepadMapping, keys: KeyMapping
    ) -> None:
        """Nothing is plugged in.

        Args:
            pointers: Where pressed buttons are kept.
            presence: Hears of what speaks for a person.
            mapping: Which part of a gamepad does what.
            keys: Which keys are an arcade stick's; names that are none are passed over.
        """
        self._pointers = pointers
        self._presence = presence
        self._mapping = mapping
        self._key_parts = {
            KEY_CODES[name]: part for part, names in keys.parts.items() for name in names if name in KEY_CODES
        }
        self._held_keys: set[int] = set()
        self._reticles: dict[Hashable, Reticle] = {}

    def brush_places(self, geometry: Geometry) -> list[tuple[Cell, Tool | None]]:
        """Where each reticle is that was in use lately, and what is drawn with there, if anything."""
        places = []
        for device, reticle in self._reticles.items():
            if reticle.idle_seconds < RETICLE_SECONDS:
                held = self._pointers.names(GAMEPAD, device)
                tool = self._pointers.pressed[held[-1]].tool if held else None
                places.append((_cell_of(reticle, geometry), tool))
        return places

    def read(self, event: Event, geometry: Geometry) -> list[Action]:
        """What one of `EVENTS` does."""
        device = getattr(event, "instance_id", None)
        if device is None:
            return []
        if event.type == pygame.JOYDEVICEREMOVED:
            self._reticles.pop(device, None)
            self._pointers.drop(GAMEPAD, device)
            return []
        reticle = self._reticle(device)
        if event.type == pygame.JOYAXISMOTION:
            reticle.axes[event.axis] = min(max(float(event.value), -1.0), 1.0)
        elif event.type == pygame.JOYHATMOTION:
            reticle.hat = (event.value[0], event.value[1])
        elif event.type == pygame.JOYBUTTONUP:
            self._pointers.drop(GAMEPAD, device, event.button)
        else:
            tool, action = self._mapping.tool(event.button), self._mapping.action(event.button)
            return self._press(device, event.button, tool, action, geometry)
        return []

    def has_key(self, key: int) -> bool:
        """Whether a key is an arcade stick's."""
        return key in self._key_parts

    def key_down(self, key: int, geometry: Geometry) -> list[Action]:
        """A key of an arcade stick comes down."""
        self._held_keys.add(key)
        self._steer_by_keys()
        part = self._key_parts[key]
        return self._press(KEYBOARD, key, _PART_TOOLS.get(part), _PART_ACTIONS.get(part), geometry)

    def key_up(self, key: int) -> None:
        """A key of an arcade stick is let go."""
        self._held_keys.discard(key)
        self._steer_by_keys()
        self._pointers.drop(GAMEPAD, KEYBOARD, key)

    def move(self, elapsed_seconds: float, geometry: Geometry) -> list[Action]:
        """Let time pass: reticles move, and strokes with them."""
        actions: list[Action] = []
        for device, reticle in self._reticles.items():
            held = self._pointers.names(GAMEPAD, device)
            is_moved = reticle.move(self._mapping, elapsed_seconds)
            if held:
                reticle.idle_seconds = 0.0
            if not is_moved:
                continue
            pixel = geometry.cell_centre(_cell_of(reticle, geometry))
            self._presence.move((GAMEPAD, device), pixel)
            for name in held:
                actions.extend(self._pointers.move(name, pixel, geometry))
        return actions

    def forget(self) -> None:
        """All sticks are at rest and no button is pressed; reticles stay where they are."""
        self._pointers.drop(GAMEPAD)
        self._held_keys.clear()
        for reticle in self._reticles.values():
            reticle.axes.clear()
            reticle.hat = (0, 0)

    def _reticle(self, device: Hashable) -> Reticle:
        return self._reticles.setdefault(device, Reticle())

    def _steer_by_keys(self) -> None:
        held = {self._key_parts[key] for key in self._held_keys}
        hat = (("right" in held) - ("left" in held), ("up" in held) - ("down" in held))
        self._reticle(KEYBOARD).hat = hat

    def _press(
        self, device: Hashable, button: int, tool: Tool | None, action: Action | None, geometry: Geometry
    ) -> list[Action]:
        name = (GAMEPAD, device, button)
        reticle = self._reticle(device)
        reticle.idle_seconds = 0.0
        self._presence.press(name)
        if tool is None:
            return [] if action is None else [action]
        cell = _cell_of(reticle, geometry)
        return self._pointers.begin_stroke(name, tool, cell, geometry.cell_centre(cell))


def _cell_of(reticle: Reticle, geometry: Geometry) -> Cell:
    return (
        min(math.floor(reticle.y * geometry.grid_height), geometry.grid_height - 1),
        min(math.floor(reticle.x * geometry.grid_width), geometry.grid_width - 1),
    )
