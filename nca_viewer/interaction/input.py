"""Events of mouse, fingers, gamepads and keys, seen through the window's geometry, become actions.

The state of buttons and modifier keys is kept from the events alone: it then also holds for events that
were synthesised, and cannot disagree with their order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pygame
from pygame.event import Event

from nca_viewer.display.geometry import Geometry
from nca_viewer.interaction.actions import (
    Action,
    Cell,
    ChangeRadius,
    NewDigit,
    Quit,
    Reset,
    Stroke,
    Tool,
)
from nca_viewer.interaction.bindings import KEY_CODES, KEY_OF_PLACE, find_binding, layout_has
from nca_viewer.interaction.gamepad import GamepadMapping, KeyMapping, Reticle
from nca_viewer.interaction.presence import Presence
from nca_viewer.interaction.touch_duplicates import TouchDuplicates, is_near

Pixel = tuple[int, int]
PointerName = tuple[Any, ...]
"""("finger", screen, finger), ("button", number) or ("gamepad", device, button)."""

RETICLE_SECONDS = 10.0
"""A gamepad's brush is seen for so long after its last use."""

_SHIFT_KEYS = frozenset({pygame.K_LSHIFT, pygame.K_RSHIFT})
_CONTROL_KEYS = frozenset({pygame.K_LCTRL, pygame.K_RCTRL})
_MODIFIER_KEYS = _SHIFT_KEYS | _CONTROL_KEYS | {pygame.K_LALT, pygame.K_RALT, pygame.K_LMETA, pygame.K_RMETA}
_STILL_PART = 1 / 25
"""A finger of the operator's hold may stray by this part of the window's shorter side."""
_HOLDING_FINGERS = 4
_LONGEST_FRAME_SECONDS = 0.1

_FINGER, _BUTTON, _GAMEPAD = "finger", "button", "gamepad"
_KEYBOARD = "keyboard"
"""Stands for a gamepad's number where an arcade stick reports itself as keys."""

_PART_TOOLS = {"paint": Tool.PAINT, "erase": Tool.ERASE, "corrupt": Tool.CORRUPT}
_PART_ACTIONS: dict[str, Action] = {"next-digit": NewDigit(), "reset": Reset()}


@dataclass(frozen=True, slots=True)
class Target:
    """A rectangle of the window that does something else than the brush when it is pressed.

    Attributes:
        rectangle: (left, top, width, height) in pixels.
        action: What it does.
    """

    rectangle: tuple[int, int, int, int]
    action: Action

    def contains(self, pixel: Pixel) -> bool:
        """Whether a window pixel (x, y) lies in it."""
        left, top, width, height = self.rectangle
        return left <= pixel[0] < left + width and top <= pixel[1] < top + height


@dataclass(frozen=True, slots=True)
class BrushPlace:
    """Where a brush is, and what it does there or would do."""

    cell: Cell
    tool: Tool | None


@dataclass(slots=True)
class _Pointer:
    """A pressed button or a finger: what it does and where it last was."""

    tool: Tool | None
    cell: Cell
    start: Pixel
    pixel: Pixel
    target: Target | None = None
    has_moved: bool = False
    """Whether it reported a motion of its own."""


class Input:
    """Turns each frame's events into actions.

    Attributes:
        mouse_position: Where the mouse is in the window, in pixels; None while it is elsewhere, and while
            fingers are in use.
        is_visitor_acting: Whether a person did something in the last frame that was read; a device that
            chatters is none.
        strokes_begun: In the last frame that was read.
    """

    def __init__(
        self,
        mapping: GamepadMapping | None = None,
        keys: KeyMapping | None = None,
        layout_has: Callable[[int], bool] = layout_has,
    ) -> None:
        """Start with no button pressed and the mouse unseen.

        Args:
            mapping: Which part of a gamepad does what.
            keys: Which keys are an arcade stick's; they do nothing else. Names that are none are passed over.
            layout_has: Whether the keyboard's layout has a key at present.
        """
        self._layout_has = layout_has
        self.mouse_position: Pixel | None = None
        self.is_visitor_acting = False
        self.strokes_begun = 0
        self._mapping = mapping or GamepadMapping()
        self._pointers: dict[PointerName, _Pointer] = {}
        self._released_fingers: dict[PointerName, Pixel] = {}
        self._reticles: dict[Hashable, Reticle] = {}
        self._arcade_parts = {
            KEY_CODES[name]: part
            for part, names in (keys or KeyMapping()).parts.items()
            for name in names
            if name in KEY_CODES
        }
        self._held_keys: set[int] = set()
        self._acted: set[PointerName] = set()
        self._duplicates = TouchDuplicates()
        self._presence = Presence()
        self._targets: Sequence[Target] = ()
        self._now_seconds: float | None = None
        self._still_pixels = 0.0

    @property
    def is_pressed(self) -> bool:
        """Whether a stroke is going on."""
        return any(pointer.target is None for pointer in self._pointers.values())

    @property
    def pressed_actions(self) -> list[Action]:
        """The actions of the targets that are being pressed."""
        return [pointer.target.action for pointer in self._pointers.values() if pointer.target is not None]

    @property
    def is_chord_held(self) -> bool:
        """Whether Ctrl+Shift+Q is held."""
        held = self._held_keys
        return bool(pygame.K_q in held and held & _SHIFT_KEYS and held & _CONTROL_KEYS)

    @property
    def are_four_fingers_at_rest(self) -> bool:
        """Whether exactly four fingers are down, all of them about where they came down."""
        fingers = [pointer for name, pointer in self._pointers.items() if _is(name, _FINGER)]
        return len(fingers) == _HOLDING_FINGERS and all(
            math.dist(finger.start, finger.pixel) <= self._still_pixels for finger in fingers
        )

    def brush_tool(self, selected: Tool) -> Tool:
        """What the brush does: the latest stroke that goes on, else what the left button would do now."""
        for pointer in reversed(self._pointers.values()):
            if pointer.target is None:
                return pointer.tool or selected
        return self._modified_tool() or selected

    def brush_places(self, geometry: Geometry) -> list[BrushPlace]:
        """Where brushes are: each finger's, each gamepad's that was in use lately, and the mouse's."""
        places = [
            BrushPlace(pointer.cell, pointer.tool)
            for name, pointer in self._pointers.items()
            if pointer.target is None and not _is(name, _GAMEPAD)
        ]
        for device, reticle in self._reticles.items():
            if reticle.idle_seconds < RETICLE_SECONDS:
                held = [
                    pointer.tool
                    for name, pointer in self._pointers.items()
                    if _is(name, _GAMEPAD) and name[1] == device
                ]
                places.append(BrushPlace(_reticle_cell(reticle, geometry), held[-1] if held else None))
        is_pressed = any(_is(name, _BUTTON) for name in self._pointers)
        if (
            self.mouse_position is not None
            and not is_pressed
            and self._target_at(self.mouse_position) is None
        ):
            places.append(BrushPlace(geometry.cell_at(self.mouse_position), self._modified_tool()))
        return places

    def forget(self) -> None:
        """Release every button, finger and key, and the mouse: their next events may never come."""
        self.mouse_position = None
        self._pointers.clear()
        self._released_fingers.clear()
        self._held_keys.clear()
        for reticle in self._reticles.values():
            reticle.axes.clear()
            reticle.hat = (0, 0)

    def release(self) -> None:
        """Let go whatever is pressed. A finger that moves afterwards has proved that it is there."""
        self._released_fingers = {
            name: pointer.pixel for name, pointer in self._pointers.items() if _is(name, _FINGER)
        }
        self._pointers.clear()

    def read(
        self,
        events: Iterable[Event],
        geometry: Geometry,
        now_seconds: float | None = None,
        targets: Sequence[Target] = (),
    ) -> list[Action]:
        """The actions of one frame.

        A button or finger that stays down acts in every frame, moved or not.

        Args:
            events: This frame's pygame events, oldest first.
            geometry: Where the grid is in the window.
            now_seconds: The time, from any zero; without it time stands still, for gamepads too.
            targets: What is not the brush's, the first going before the others.
        """
        elapsed = 0.0
        if now_seconds is not None and self._now_seconds is not None:
            elapsed = min(max(now_seconds - self._now_seconds, 0.0), _LONGEST_FRAME_SECONDS)
        self._duplicates.begin_frame(now_seconds)
        self._now_seconds = now_seconds
        self._targets = targets
        self._still_pixels = _STILL_PART * min(geometry.window_width, geometry.window_height)
        self._acted = set()
        self.strokes_begun = 0
        self._presence.begin_frame(now_seconds or 0.0)
        actions: list[Action] = []
        for event in events:
            actions.extend(self._read_event(event, geometry))
        actions.extend(self._move_reticles(elapsed, geometry))
        for name, pointer in self._pointers.items():
            if name not in self._acted and pointer.target is None:
                actions.append(Stroke(pointer.tool, pointer.cell, pointer.cell))
        self.is_visitor_acting = self._presence.is_acting
        return actions

    def _read_event(self, event: Event, geometry: Geometry) -> list[Action]:
        if event.type == pygame.QUIT:
            return [Quit()]
        if event.type in (pygame.WINDOWFOCUSLOST, pygame.WINDOWMINIMIZED):
            self.forget()
        elif event.type == pygame.WINDOWLEAVE:
            self.mouse_position = None
            self._release_all(_BUTTON)
        elif event.type == pygame.KEYDOWN:
            return self._key_down(event, geometry)
        elif event.type == pygame.KEYUP:
            key = self._key_of(event)
            self._held_keys -= {event.key, key}
            if key in self._arcade_parts:
                self._arcade_key_up(key)
        elif event.type in (pygame.FINGERDOWN, pygame.FINGERMOTION, pygame.FINGERUP):
            return self._finger(event, geometry)
        elif event.type in (
            pygame.JOYAXISMOTION,
            pygame.JOYHATMOTION,
            pygame.JOYBUTTONDOWN,
            pygame.JOYBUTTONUP,
            pygame.JOYDEVICEREMOVED,
        ):
            return self._gamepad(event, geometry)
        elif getattr(event, "touch", False):
            return self._stand_in(event, geometry)
        else:
            return self._mouse(event, geometry)
        return []

    # ------------------------------------------------------------------------------ keys

    def _key_of(self, event: Event) -> int:
        """The key of an event, or what an American keyboard has at its place, where the layout lacks that."""
        place = KEY_OF_PLACE.get(getattr(event, "scancode", 0))
        if place is None or event.key in self._arcade_parts or self._layout_has(place):
            return int(event.key)
        return place

    def _key_down(self, event: Event, geometry: Geometry) -> list[Action]:
        key = self._key_of(event)
        is_repeat = key in self._held_keys
        self._held_keys.add(key)
        if key in self._arcade_parts:
            return [] if is_repeat else self._arcade_key_down(key, geometry)
        modifiers = getattr(event, "mod", 0)
        # AltGr, which Windows reports together with Ctrl, types brackets on many keyboards.
        is_alt_graph = bool(modifiers & (pygame.KMOD_RALT | pygame.KMOD_MODE))
        if modifiers & (pygame.KMOD_LALT | pygame.KMOD_META):
            return []
        is_control = not is_alt_graph and bool(
            modifiers & pygame.KMOD_CTRL or self._held_keys & _CONTROL_KEYS
        )
        if not is_repeat and not is_control and key not in _MODIFIER_KEYS:
            self._presence.press(("key", key))
        is_shift = bool(modifiers & pygame.KMOD_SHIFT or self._held_keys & _SHIFT_KEYS)
        text = getattr(event, "unicode", "")
        binding = find_binding(event.key, text, shift=is_shift, control=is_control) or find_binding(
            key, "", shift=is_shift, control=is_control
        )
        if binding is None or (is_repeat and not binding.repeats):
            return []
        return [binding.action]

    def _modified_tool(self) -> Tool | None:
        if self._held_keys & _CONTROL_KEYS:
            return Tool.CORRUPT
        if self._held_keys & _SHIFT_KEYS:
            return Tool.ERASE
        return None

    # ------------------------------------------------------------------------------ mouse

    def _mouse(self, event: Event, geometry: Geometry) -> list[Action]:
        if event.type == pygame.MOUSEWHEEL:
            direction = event.y * (-1 if getattr(event, "flipped", False) else 1)
            if direction:
                self._presence.press("wheel")
            return [ChangeRadius(1 if direction > 0 else -1)] if direction else []
        if event.type == pygame.MOUSEMOTION:
            return self._mouse_motion(event, geometry)
        if event.type == pygame.MOUSEBUTTONDOWN and event.button in (1, 3):
            if self._repeats_a_finger(event.pos):
                return []
            self._duplicates.note("button", event.pos)
            self.mouse_position = event.pos
            tool = Tool.ERASE if event.button == 3 else self._modified_tool()
            return self._press((_BUTTON, event.button), tool, event.pos, geometry)
        if event.type == pygame.MOUSEBUTTONUP and event.button in (1, 3):
            return self._release((_BUTTON, event.button), event.pos, geometry)
        return []

    def _mouse_motion(self, event: Event, geometry: Geometry) -> list[Action]:
        pressed = getattr(event, "buttons", None)
        buttons = [name for name in self._pointers if _is(name, _BUTTON)]
        if not buttons and self._lone_silent_finger() is not None:
            return self._stand_in(event, geometry)
        self.mouse_position = event.pos
        self._presence.move("mouse", event.pos)
        actions: list[Action] = []
        for name in buttons:
            if pressed is not None and not pressed[int(name[1]) - 1]:
                # Its release was never reported: it happened while something else had the mouse.
                del self._pointers[name]
            else:
                actions.extend(self._move(name, event.pos, geometry))
        return actions

    def _stand_in(self, event: Event, geometry: Geometry) -> list[Action]:
        """Some screens report where a finger went as the mouse's motion only."""
        name = self._lone_silent_finger()
        if name is None or event.type != pygame.MOUSEMOTION or not getattr(event, "buttons", (0,))[0]:
            return []
        return self._move(name, event.pos, geometry)

    def _lone_silent_finger(self) -> PointerName | None:
        """The only finger that is down, if it has reported no motion of its own."""
        fingers = [name for name in self._pointers if _is(name, _FINGER)]
        if len(fingers) == 1 and not self._pointers[fingers[0]].has_moved:
            return fingers[0]
        return None

    # ------------------------------------------------------------------------------ fingers

    def _finger(self, event: Event, geometry: Geometry) -> list[Action]:
        self.mouse_position = None
        name = (_FINGER, getattr(event, "touch_id", 0), event.finger_id)
        pixel = (
            math.floor(event.x * geometry.window_width),
            math.floor(event.y * geometry.window_height),
        )
        if event.type == pygame.FINGERDOWN:
            self._released_fingers.pop(name, None)
            return self._finger_down(name, pixel, geometry)
        if event.type == pygame.FINGERMOTION:
            if name in self._pointers:
                self._pointers[name].has_moved = True
            elif name in self._released_fingers:
                if math.dist(pixel, self._released_fingers[name]) <= self._still_pixels:
                    return []
                del self._released_fingers[name]
                return self._press(name, None, pixel, geometry)
            return self._move(name, pixel, geometry)
        self._released_fingers.pop(name, None)
        if name in self._pointers:
            self._duplicates.note("finger", pixel)
        return self._release(name, pixel, geometry)

    def _finger_down(self, name: PointerName, pixel: Pixel, geometry: Geometry) -> list[Action]:
        is_repeat = self._duplicates.repeats("button", pixel)
        self._duplicates.note("finger", pixel)
        if not is_repeat:
            return self._press(name, None, pixel, geometry)
        # The same touch was a mouse button first: the finger takes its stroke over, and begins none.
        mouse = self._pointers.pop((_BUTTON, 1), None)
        self._pointers[name] = mouse or _Pointer(None, geometry.cell_at(pixel), pixel, pixel)
        self._pointers[name].target = self._target_at(pixel)
        return self._move(name, pixel, geometry)

    def _repeats_a_finger(self, pixel: Pixel) -> bool:
        return self._duplicates.repeats("finger", pixel) or any(
            _is(name, _FINGER) and is_near(pointer.pixel, pixel) for name, pointer in self._pointers.items()
        )

    # ------------------------------------------------------------------------------ gamepads

    def _gamepad(self, event: Event, geometry: Geometry) -> list[Action]:
        device = getattr(event, "instance_id", None)
        if device is None:
            return []
        if event.type == pygame.JOYDEVICEREMOVED:
            self._reticles.pop(device, None)
            for name in [name for name in self._pointers if _is(name, _GAMEPAD) and name[1] == device]:
                del self._pointers[name]
            return []
        reticle = self._reticles.setdefault(device, Reticle())
        if event.type == pygame.JOYAXISMOTION:
            reticle.axes[event.axis] = min(max(float(event.value), -1.0), 1.0)
            return []
        if event.type == pygame.JOYHATMOTION:
            reticle.hat = (event.value[0], event.value[1])
            return []
        if event.type == pygame.JOYBUTTONUP:
            self._pointers.pop((_GAMEPAD, device, event.button), None)
            return []
        tool, action = self._mapping.tool(event.button), self._mapping.action(event.button)
        return self._gamepad_press(device, event.button, tool, action, geometry)

    def _arcade_key_down(self, key: int, geometry: Geometry) -> list[Action]:
        self._steer_by_keys()
        part = self._arcade_parts[key]
        return self._gamepad_press(_KEYBOARD, key, _PART_TOOLS.get(part), _PART_ACTIONS.get(part), geometry)

    def _arcade_key_up(self, key: int) -> None:
        self._steer_by_keys()
        self._pointers.pop((_GAMEPAD, _KEYBOARD, key), None)

    def _steer_by_keys(self) -> None:
        held = {self._arcade_parts[key] for key in self._held_keys if key in self._arcade_parts}
        reticle = self._reticles.setdefault(_KEYBOARD, Reticle())
        reticle.hat = (("right" in held) - ("left" in held), ("up" in held) - ("down" in held))

    def _gamepad_press(
        self, device: Hashable, button: int, tool: Tool | None, action: Action | None, geometry: Geometry
    ) -> list[Action]:
        name = (_GAMEPAD, device, button)
        reticle = self._reticles.setdefault(device, Reticle())
        reticle.idle_seconds = 0.0
        self._presence.press(name)
        if tool is None:
            return [] if action is None else [action]
        cell = _reticle_cell(reticle, geometry)
        pixel = geometry.cell_centre(cell)
        self._pointers[name] = _Pointer(tool, cell, pixel, pixel)
        self._acted.add(name)
        self.strokes_begun += 1
        return [Stroke(tool, cell, cell)]

    def _move_reticles(self, elapsed_seconds: float, geometry: Geometry) -> list[Action]:
        actions: list[Action] = []
        for device, reticle in self._reticles.items():
            held = [name for name in self._pointers if _is(name, _GAMEPAD) and name[1] == device]
            is_moved = reticle.move(self._mapping, elapsed_seconds)
            if held:
                reticle.idle_seconds = 0.0
            if not is_moved:
                continue
            pixel = geometry.cell_centre(_reticle_cell(reticle, geometry))
            self._presence.move((_GAMEPAD, device), pixel)
            for name in held:
                actions.extend(self._move(name, pixel, geometry))
        return actions

    # ------------------------------------------------------------------------------ pointers

    def _target_at(self, pixel: Pixel) -> Target | None:
        return next((target for target in self._targets if target.contains(pixel)), None)

    def _press(self, name: PointerName, tool: Tool | None, pixel: Pixel, geometry: Geometry) -> list[Action]:
        cell = geometry.cell_at(pixel)
        target = self._target_at(pixel)
        self._pointers[name] = _Pointer(tool, cell, pixel, pixel, target)
        self._acted.add(name)
        self._presence.press(_kind(name), pixel)
        self._presence.move(_presence_name(name), pixel)
        if target is not None:
            return [target.action]
        self.strokes_begun += 1
        return [Stroke(tool, cell, cell)]

    def _move(self, name: PointerName, pixel: Pixel, geometry: Geometry) -> list[Action]:
        pointer = self._pointers.get(name)
        if pointer is None:
            return []
        pointer.pixel = pixel
        self._presence.move(_presence_name(name), pixel)
        cell = geometry.cell_at(pixel)
        if pointer.target is not None or pointer.cell == cell:
            return []
        start, pointer.cell = pointer.cell, cell
        self._acted.add(name)
        return [Stroke(pointer.tool, start, cell)]

    def _release(self, name: PointerName, pixel: Pixel, geometry: Geometry) -> list[Action]:
        actions = self._move(name, pixel, geometry)
        if self._pointers.pop(name, None) is not None and not _is(name, _BUTTON):
            self._presence.leave(name)
        return actions

    def _release_all(self, kind: str) -> None:
        for name in [name for name in self._pointers if _is(name, kind)]:
            del self._pointers[name]


def _kind(name: PointerName) -> Hashable:
    """What a pointer is, whichever of its kind: for fingers all are one."""
    return _FINGER if _is(name, _FINGER) else name


def _presence_name(name: PointerName) -> Hashable:
    return "mouse" if _is(name, _BUTTON) else name


def _is(name: PointerName, kind: str) -> bool:
    return name[0] == kind


def _reticle_cell(reticle: Reticle, geometry: Geometry) -> Cell:
    return (
        min(math.floor(reticle.y * geometry.grid_height), geometry.grid_height - 1),
        min(math.floor(reticle.x * geometry.grid_width), geometry.grid_width - 1),
    )
