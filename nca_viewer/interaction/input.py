"""Hands each frame's events to the devices that they are of, and keeps what concerns several of them.

The state of buttons and modifier keys is kept from the events alone: it then also holds for events that
were synthesised, and cannot disagree with their order. Where a window loses the focus, everything is let go:
what happens meanwhile is told to others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pygame
from pygame.event import Event

from nca_viewer.interaction import sticks, touch
from nca_viewer.interaction.actions import Action, Cell, Quit, Tool
from nca_viewer.interaction.bindings import layout_has
from nca_viewer.interaction.gamepad import GamepadMapping, KeyMapping
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.keyboard import Keyboard
from nca_viewer.interaction.mouse import Mouse
from nca_viewer.interaction.pointers import BUTTON, GAMEPAD, Pixel, Pointers, Target
from nca_viewer.interaction.presence import Presence
from nca_viewer.interaction.sticks import Sticks
from nca_viewer.interaction.touch import Touch
from nca_viewer.interaction.touch_duplicates import TouchDuplicates

_LONGEST_FRAME_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class BrushPlace:
    """Where a brush is, and what it does there or would do."""

    cell: Cell
    tool: Tool | None


class Input:
    """Turns each frame's events into actions.

    Attributes:
        is_visitor_acting: Whether a person did something in the last frame that was read; a device that
            chatters is none.
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
        self.is_visitor_acting = False
        self._presence = Presence()
        self._duplicates = TouchDuplicates()
        self._pointers = Pointers(self._presence)
        self._sticks = Sticks(
            self._pointers, self._presence, mapping or GamepadMapping(), keys or KeyMapping()
        )
        self._keyboard = Keyboard(self._presence, self._sticks, layout_has)
        self._touch = Touch(self._pointers, self._duplicates)
        self._mouse = Mouse(
            self._pointers, self._presence, self._duplicates, self._touch, self._keyboard.modified_tool
        )
        self._now_seconds: float | None = None

    @property
    def mouse_position(self) -> Pixel | None:
        """Where the mouse is in the window, in pixels; None while it is elsewhere, or fingers are in use."""
        return self._mouse.position

    @property
    def middle_clicked(self) -> Pixel | None:
        """Where in the window the middle button was pressed in the last frame; None where it was not."""
        return self._mouse.middle_clicked

    @property
    def stroke_began(self) -> Pixel | None:
        """Where in the window the latest stroke that goes on began; None while none does."""
        pressed = reversed(self._pointers.pressed.values())
        return next((pointer.start for pointer in pressed if pointer.target is None), None)

    @property
    def strokes_begun(self) -> int:
        """In the last frame that was read."""
        return self._pointers.strokes_begun

    @property
    def is_pressed(self) -> bool:
        """Whether a stroke is going on."""
        return any(pointer.target is None for pointer in self._pointers.pressed.values())

    @property
    def pressed_actions(self) -> list[Action]:
        """The actions of the targets that are being pressed."""
        pressed = self._pointers.pressed.values()
        return [pointer.target.action for pointer in pressed if pointer.target is not None]

    def pressed_pixel(self, action: Action) -> Pixel | None:
        """Where in the window what came down on an action's target is, or was let go in the last frame.

        None where nothing did. A click counts that came and went between two frames, and a finger as well as
        the mouse.
        """
        pointers = (*self._pointers.let_go, *self._pointers.pressed.values())
        pixels = [
            pointer.pixel
            for pointer in pointers
            if pointer.target is not None and pointer.target.action == action
        ]
        return pixels[-1] if pixels else None

    def is_held(self, action: Action) -> bool:
        """Whether a key of an action is held."""
        return self._keyboard.is_held(action)

    @property
    def is_chord_held(self) -> bool:
        """Whether Ctrl+Shift+Q is held."""
        return self._keyboard.is_chord_held

    @property
    def are_four_fingers_at_rest(self) -> bool:
        """Whether exactly four fingers are down, all of them about where they came down."""
        return self._touch.are_four_at_rest

    def brush_tool(self, selected: Tool) -> Tool:
        """What the brush does: the latest stroke that goes on, else what the left button would do now."""
        for pointer in reversed(self._pointers.pressed.values()):
            if pointer.target is None:
                return pointer.tool or selected
        return self._keyboard.modified_tool() or selected

    def brush_places(self, geometry: Geometry) -> list[BrushPlace]:
        """Where brushes are: each finger's, each gamepad's that was in use lately, and the mouse's."""
        places = [
            BrushPlace(pointer.cell, pointer.tool)
            for name, pointer in self._pointers.pressed.items()
            if pointer.target is None and name[0] != GAMEPAD
        ]
        places += [BrushPlace(cell, tool) for cell, tool in self._sticks.brush_places(geometry)]
        hover = self.mouse_position
        is_free = hover is not None and not self._pointers.names(BUTTON)
        if hover is not None and is_free and self._pointers.target_at(hover) is None:
            places.append(BrushPlace(geometry.cell_at(hover), self._keyboard.modified_tool()))
        return places

    def forget(self) -> None:
        """Release every button, finger and key, and the mouse: their next events may never come."""
        self._mouse.leave()
        self._touch.forget()
        self._keyboard.forget()
        self._sticks.forget()

    def release(self) -> None:
        """Let go whatever is pressed. A finger that moves afterwards has proved that it is there."""
        self._touch.release()
        self._pointers.drop()

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
        self._now_seconds = now_seconds
        self._presence.begin_frame(now_seconds or 0.0)
        self._duplicates.begin_frame(now_seconds)
        self._pointers.begin_frame(targets)
        self._touch.begin_frame(geometry)
        self._mouse.begin_frame()
        actions: list[Action] = []
        for event in events:
            actions.extend(self._read_event(event, geometry))
        actions.extend(self._sticks.move(elapsed, geometry))
        actions.extend(self._pointers.resting_strokes())
        self.is_visitor_acting = self._presence.is_acting
        return actions

    def _read_event(self, event: Event, geometry: Geometry) -> list[Action]:
        if event.type == pygame.QUIT:
            return [Quit()]
        if event.type in (pygame.WINDOWFOCUSLOST, pygame.WINDOWMINIMIZED):
            self.forget()
        elif event.type == pygame.WINDOWLEAVE:
            self._mouse.leave()
        elif event.type == pygame.KEYDOWN:
            return self._keyboard.press(event, geometry)
        elif event.type == pygame.KEYUP:
            self._keyboard.release(event)
        elif event.type in touch.EVENTS:
            self._mouse.position = None
            return self._touch.read(event, geometry)
        elif event.type in sticks.EVENTS:
            return self._sticks.read(event, geometry)
        elif getattr(event, "touch", False):
            return self._touch.stand_in(event, geometry)
        else:
            return self._mouse.read(event, geometry)
        return []
