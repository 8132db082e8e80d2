"""What is pressed at present, of whatever device, and the strokes that it makes; plain Python.

Whatever comes down on a target does the target's action and never draws; elsewhere it begins a stroke. A
stroke goes on in every frame until it is let go, moved or not. Where a pointer came down decides what it is,
wherever it then goes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from nca_viewer.interaction.actions import Action, Cell, Stroke, Tool
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.presence import Pixel, Presence

PointerName = tuple[Any, ...]
"""(FINGER, screen, finger), (BUTTON, number) or (GAMEPAD, device, button)."""

FINGER, BUTTON, GAMEPAD = "finger", "button", "gamepad"


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


@dataclass(slots=True)
class Pointer:
    """A pressed button or a finger: what it does and where it last was."""

    tool: Tool | None
    cell: Cell
    start: Pixel
    pixel: Pixel
    target: Target | None = None
    has_moved: bool = False
    """Whether it reported a motion of its own."""


class Pointers:
    """All that is pressed, in the order in which it came down.

    Attributes:
        pressed: By name.
        strokes_begun: In the frame.
        let_go: In the frame, in this order.
    """

    def __init__(self, presence: Presence) -> None:
        """Nothing is pressed.

        Args:
            presence: Hears of all that is pressed and moved.
        """
        self.pressed: dict[PointerName, Pointer] = {}
        self.strokes_begun = 0
        self.let_go: list[Pointer] = []
        self._presence = presence
        self._acted: set[PointerName] = set()
        self._targets: Sequence[Target] = ()

    def begin_frame(self, targets: Sequence[Target]) -> None:
        """Another frame; of targets that lie over each other the first counts."""
        self.strokes_begun = 0
        self.let_go = []
        self._acted = set()
        self._targets = targets

    def resting_strokes(self) -> list[Action]:
        """The strokes that go on where they were, for this frame has done nothing with them."""
        return [
            Stroke(pointer.tool, pointer.cell, pointer.cell)
            for name, pointer in self.pressed.items()
            if name not in self._acted and pointer.target is None
        ]

    def names(self, *kind: Hashable) -> list[PointerName]:
        """What is pressed of a kind, or of one device of a kind."""
        return [name for name in self.pressed if name[: len(kind)] == kind]

    def target_at(self, pixel: Pixel) -> Target | None:
        """What a window pixel (x, y) does when it is pressed, if that is not the brush's."""
        return next((target for target in self._targets if target.contains(pixel)), None)

    def press(self, name: PointerName, tool: Tool | None, pixel: Pixel, geometry: Geometry) -> list[Action]:
        """A button or finger comes down at a window pixel (x, y)."""
        target = self.target_at(pixel)
        self._presence.press(FINGER if name[0] == FINGER else name, pixel)
        self._presence.move(_presence_name(name), pixel)
        cell = geometry.cell_at(pixel)
        if target is None:
            return self.begin_stroke(name, tool, cell, pixel)
        self.pressed[name] = Pointer(tool, cell, pixel, pixel, target)
        self._acted.add(name)
        return [target.action]

    def begin_stroke(self, name: PointerName, tool: Tool | None, cell: Cell, pixel: Pixel) -> list[Action]:
        """Draw from a cell on, whatever else is there."""
        self.pressed[name] = Pointer(tool, cell, pixel, pixel)
        self._acted.add(name)
        self.strokes_begun += 1
        return [Stroke(tool, cell, cell)]

    def take_over(self, old: PointerName, new: PointerName, pixel: Pixel, geometry: Geometry) -> list[Action]:
        """What was pressed under one name goes on, or begins unseen, under another; no stroke begins."""
        pointer = self.pressed.pop(old, None) or Pointer(None, geometry.cell_at(pixel), pixel, pixel)
        pointer.target = self.target_at(pixel)
        self.pressed[new] = pointer
        return self.move(new, pixel, geometry)

    def move(self, name: PointerName, pixel: Pixel, geometry: Geometry) -> list[Action]:
        """A button or finger is at a window pixel (x, y) now; nothing where it is not pressed."""
        pointer = self.pressed.get(name)
        if pointer is None:
            return []
        pointer.pixel = pixel
        self._presence.move(_presence_name(name), pixel)
        cell = geometry.cell_at(pixel, pointer.start)
        if pointer.target is not None or pointer.cell == cell:
            return []
        start, pointer.cell = pointer.cell, cell
        self._acted.add(name)
        return [Stroke(pointer.tool, start, cell)]

    def release(self, name: PointerName, pixel: Pixel, geometry: Geometry) -> list[Action]:
        """A button or finger is let go at a window pixel (x, y)."""
        actions = self.move(name, pixel, geometry)
        pointer = self.pressed.pop(name, None)
        if pointer is not None:
            self.let_go.append(pointer)
            if name[0] != BUTTON:
                self._presence.leave(name)
        return actions

    def drop(self, *kind: Hashable) -> None:
        """Let go what is of a kind, or of one device of a kind, wherever it is."""
        for name in self.names(*kind):
            del self.pressed[name]


def _presence_name(name: PointerName) -> Hashable:
    return "mouse" if name[0] == BUTTON else name
