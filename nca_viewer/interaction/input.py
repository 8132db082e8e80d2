"""Events of mouse, fingers and keys, seen through the window's geometry, become actions.

The state of buttons and modifier keys is kept from the events alone: it then also holds for events that
were synthesised, and cannot disagree with their order.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import pygame
from pygame.event import Event

from nca_viewer.display.geometry import Geometry
from nca_viewer.interaction.actions import Action, Cell, ChangeRadius, Quit, Stroke, Tool
from nca_viewer.interaction.bindings import find_binding

_SHIFT_KEYS = frozenset({pygame.K_LSHIFT, pygame.K_RSHIFT})
_CONTROL_KEYS = frozenset({pygame.K_LCTRL, pygame.K_RCTRL})
_DUPLICATE_FRAMES = 3
_DUPLICATE_PIXELS = 8


@dataclass(slots=True)
class _Pointer:
    """A pressed button or a finger: what it does and the cell it last was on."""

    tool: Tool | None
    cell: Cell


class Input:
    """Turns each frame's events into actions.

    Attributes:
        mouse_position: Where the mouse is in the window, in pixels; None while it is elsewhere, and while
            fingers are in use.
    """

    def __init__(self) -> None:
        """Start with no button pressed and the mouse unseen."""
        self.mouse_position: tuple[int, int] | None = None
        self._pointers: dict[Hashable, _Pointer] = {}
        self._held_keys: set[int] = set()
        self._acted: set[Hashable] = set()
        self._recent_fingers: list[tuple[int, int, int]] = []
        self._frame = 0

    @property
    def is_pressed(self) -> bool:
        """Whether a stroke is going on."""
        return bool(self._pointers)

    def brush_tool(self, selected: Tool) -> Tool:
        """What the brush does: the latest stroke that goes on, else what the left button would do now."""
        for pointer in reversed(self._pointers.values()):
            return pointer.tool or selected
        if self._held_keys & _CONTROL_KEYS:
            return Tool.CORRUPT
        if self._held_keys & _SHIFT_KEYS:
            return Tool.ERASE
        return selected

    def forget(self) -> None:
        """Release every button, finger and key, and the mouse: their next events may never come."""
        self.mouse_position = None
        self._pointers.clear()
        self._held_keys.clear()

    def read(self, events: Iterable[Event], geometry: Geometry) -> list[Action]:
        """The actions of one frame.

        A button or finger that stays down acts in every frame, moved or not.

        Args:
            events: This frame's pygame events, oldest first.
            geometry: Where the grid is in the window.
        """
        self._frame += 1
        self._acted = set()
        actions: list[Action] = []
        for event in events:
            actions.extend(self._read_event(event, geometry))
        for name, pointer in self._pointers.items():
            if name not in self._acted:
                actions.append(Stroke(pointer.tool, pointer.cell, pointer.cell))
        return actions

    def _read_event(self, event: Event, geometry: Geometry) -> list[Action]:
        if event.type == pygame.QUIT:
            return [Quit()]
        if event.type in (pygame.WINDOWFOCUSLOST, pygame.WINDOWMINIMIZED):
            self.forget()
        elif event.type == pygame.WINDOWLEAVE:
            self.mouse_position = None
            self._release_buttons()
        elif event.type == pygame.KEYDOWN:
            return self._key_down(event)
        elif event.type == pygame.KEYUP:
            self._held_keys.discard(event.key)
        elif event.type in (pygame.FINGERDOWN, pygame.FINGERMOTION, pygame.FINGERUP):
            return self._finger(event, geometry)
        elif not getattr(event, "touch", False):
            return self._mouse(event, geometry)
        return []

    def _key_down(self, event: Event) -> list[Action]:
        is_repeat = event.key in self._held_keys
        self._held_keys.add(event.key)
        modifiers = getattr(event, "mod", 0)
        # AltGr, which Windows reports together with Ctrl, types brackets on many keyboards.
        is_alt_graph = bool(modifiers & (pygame.KMOD_RALT | pygame.KMOD_MODE))
        if modifiers & (pygame.KMOD_LALT | pygame.KMOD_META):
            return []
        binding = find_binding(
            event.key,
            getattr(event, "unicode", ""),
            shift=bool(modifiers & pygame.KMOD_SHIFT or self._held_keys & _SHIFT_KEYS),
            control=not is_alt_graph
            and bool(modifiers & pygame.KMOD_CTRL or self._held_keys & _CONTROL_KEYS),
        )
        if binding is None or (is_repeat and not binding.repeats):
            return []
        return [binding.action]

    def _mouse(self, event: Event, geometry: Geometry) -> list[Action]:
        if event.type == pygame.MOUSEWHEEL:
            direction = event.y * (-1 if getattr(event, "flipped", False) else 1)
            return [ChangeRadius(1 if direction > 0 else -1)] if direction else []
        if event.type == pygame.MOUSEMOTION:
            self.mouse_position = event.pos
            return self._mouse_motion(event, geometry)
        if event.type == pygame.MOUSEBUTTONDOWN and event.button in (1, 3):
            if self._repeats_a_finger(event.pos):
                return []
            self.mouse_position = event.pos
            tool = Tool.ERASE if event.button == 3 else self._modified_tool()
            return [self._press(("button", event.button), tool, geometry.cell_at(event.pos))]
        if event.type == pygame.MOUSEBUTTONUP and event.button in (1, 3):
            return self._release(("button", event.button), geometry.cell_at(event.pos))
        return []

    def _mouse_motion(self, event: Event, geometry: Geometry) -> list[Action]:
        actions: list[Action] = []
        pressed = getattr(event, "buttons", None)
        for name in [name for name in self._pointers if isinstance(name, tuple) and name[0] == "button"]:
            if pressed is not None and not pressed[name[1] - 1]:
                # Its release was never reported: it happened while something else had the mouse.
                del self._pointers[name]
            else:
                actions.extend(self._move(name, geometry.cell_at(event.pos)))
        return actions

    def _modified_tool(self) -> Tool | None:
        if self._held_keys & _CONTROL_KEYS:
            return Tool.CORRUPT
        if self._held_keys & _SHIFT_KEYS:
            return Tool.ERASE
        return None

    def _finger(self, event: Event, geometry: Geometry) -> list[Action]:
        self.mouse_position = None
        name = ("finger", getattr(event, "touch_id", 0), event.finger_id)
        pixel = (int(event.x * geometry.window_width), int(event.y * geometry.window_height))
        cell = geometry.cell_at(pixel)
        if event.type == pygame.FINGERDOWN:
            self._recent_fingers.append((self._frame, *pixel))
            return [self._press(name, None, cell)]
        if event.type == pygame.FINGERMOTION:
            return self._move(name, cell)
        return self._release(name, cell)

    def _repeats_a_finger(self, position: tuple[int, int]) -> bool:
        # Some systems report a finger as a mouse button too, without marking it as touch.
        self._recent_fingers = [
            finger for finger in self._recent_fingers if self._frame - finger[0] <= _DUPLICATE_FRAMES
        ]
        return any(
            abs(x - position[0]) <= _DUPLICATE_PIXELS and abs(y - position[1]) <= _DUPLICATE_PIXELS
            for _, x, y in self._recent_fingers
        )

    def _press(self, name: Hashable, tool: Tool | None, cell: Cell) -> Action:
        self._pointers[name] = _Pointer(tool, cell)
        self._acted.add(name)
        return Stroke(tool, cell, cell)

    def _move(self, name: Hashable, cell: Cell) -> list[Action]:
        pointer = self._pointers.get(name)
        if pointer is None or pointer.cell == cell:
            return []
        start, pointer.cell = pointer.cell, cell
        self._acted.add(name)
        return [Stroke(pointer.tool, start, cell)]

    def _release(self, name: Hashable, cell: Cell) -> list[Action]:
        actions = self._move(name, cell)
        self._pointers.pop(name, None)
        return actions

    def _release_buttons(self) -> None:
        self._pointers = {
            name: pointer
            for name, pointer in self._pointers.items()
            if not (isinstance(name, tuple) and name[0] == "button")
        }
