"""The keyboard: each binding's action once per press, and again while it is held where the binding repeats.

A key that the layout lacks is what an American keyboard has at its place. Shift and Control say what the
left mouse button does. With Alt or the system's key nothing is meant for this window; AltGr only types.
Keys that are an arcade stick's are handed to it, and do nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

import pygame
from pygame.event import Event

from nca_viewer.interaction.actions import Action, Tool
from nca_viewer.interaction.bindings import (
    BINDINGS,
    CONTROL_LEFT_TOOL,
    KEY_OF_PLACE,
    SHIFT_LEFT_TOOL,
    find_binding,
)
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.presence import Presence
from nca_viewer.interaction.sticks import Sticks

_SHIFT_KEYS = frozenset({pygame.K_LSHIFT, pygame.K_RSHIFT})
_CONTROL_KEYS = frozenset({pygame.K_LCTRL, pygame.K_RCTRL})
_MODIFIER_KEYS = _SHIFT_KEYS | _CONTROL_KEYS | {pygame.K_LALT, pygame.K_RALT, pygame.K_LMETA, pygame.K_RMETA}


class Keyboard:
    """Turns keys' events into actions, and knows which keys are held."""

    def __init__(self, presence: Presence, sticks: Sticks, layout_has: Callable[[int], bool]) -> None:
        """No key is held.

        Args:
            presence: Hears of what speaks for a person.
            sticks: Whose keys are not the keyboard's.
            layout_has: Whether the keyboard's layout has a key at present.
        """
        self._presence = presence
        self._sticks = sticks
        self._layout_has = layout_has
        self._held: set[int] = set()

    @property
    def is_chord_held(self) -> bool:
        """Whether Ctrl+Shift+Q is held."""
        held = self._held
        return bool(pygame.K_q in held and held & _SHIFT_KEYS and held & _CONTROL_KEYS)

    def is_held(self, action: Action) -> bool:
        """Whether a key of an action is held."""
        return any(
            chord.key in self._held
            for binding in BINDINGS
            if binding.action == action
            for chord in binding.chords
        )

    def modified_tool(self) -> Tool | None:
        """What the modifier keys make of the left mouse button; None leaves it the selected tool."""
        if self._held & _CONTROL_KEYS:
            return CONTROL_LEFT_TOOL
        if self._held & _SHIFT_KEYS:
            return SHIFT_LEFT_TOOL
        return None

    def press(self, event: Event, geometry: Geometry) -> list[Action]:
        """What a key does that comes down, or is held so long that it repeats."""
        key = self._key_of(event)
        is_repeat = key in self._held
        self._held.add(key)
        if self._sticks.has_key(key):
            return [] if is_repeat else self._sticks.key_down(key, geometry)
        modifiers = getattr(event, "mod", 0)
        # AltGr, which Windows reports together with Ctrl, types brackets on many keyboards.
        is_alt_graph = bool(modifiers & (pygame.KMOD_RALT | pygame.KMOD_MODE))
        if modifiers & (pygame.KMOD_LALT | pygame.KMOD_META):
            return []
        is_control = not is_alt_graph and bool(modifiers & pygame.KMOD_CTRL or self._held & _CONTROL_KEYS)
        if not is_repeat and not is_control and key not in _MODIFIER_KEYS:
            self._presence.press(("key", key))
        is_shift = bool(modifiers & pygame.KMOD_SHIFT or self._held & _SHIFT_KEYS)
        text = getattr(event, "unicode", "")
        binding = find_binding(event.key, text, shift=is_shift, control=is_control) or find_binding(
            key, "", shift=is_shift, control=is_control
        )
        if binding is None or (is_repeat and not binding.repeats):
            return []
        return [binding.action]

    def release(self, event: Event) -> None:
        """A key is let go."""
        key = self._key_of(event)
        self._held -= {event.key, key}
        if self._sticks.has_key(key):
            self._sticks.key_up(key)

    def forget(self) -> None:
        """No key is held."""
        self._held.clear()

    def _key_of(self, event: Event) -> int:
        """The key of an event, or what an American keyboard has at its place, where the layout lacks that."""
        place = KEY_OF_PLACE.get(getattr(event, "scancode", 0))
        if place is None or self._sticks.has_key(event.key) or self._layout_has(place):
            return int(event.key)
        return place
