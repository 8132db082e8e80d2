"""What hands mean in a person's own window: where they point, what is a button, what actions stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nca_viewer.display.buttons import Button, ButtonRow
from nca_viewer.display.frame import Brush
from nca_viewer.display.panel import Panel
from nca_viewer.display.shown_panes import ShownPanes
from nca_viewer.display.view_screen import tile_targets
from nca_viewer.interaction.actions import (
    Action,
    Cell,
    Dismiss,
    FocusButton,
    KillStroke,
    MoveCursor,
    NextTile,
    Nothing,
    PinCell,
    PressFocused,
    ShowTile,
    StepBack,
    StepOnce,
    Stroke,
    UseCursor,
)
from nca_viewer.interaction.controls import Controls
from nca_viewer.interaction.geometry import Geometry, Rectangle
from nca_viewer.interaction.input import Input
from nca_viewer.interaction.pointers import Target

if TYPE_CHECKING:
    from pygame.event import Event as PygameEvent

CURSOR_SECONDS = 10.0
"""The keyboard's brush is seen for this long after its last use."""


class Hands:
    """Mouse, fingers and keyboard on the pictures, the buttons and the panel.

    Attributes:
        inspected: The cell that the panel showed last.
    """

    def __init__(self, source: Input, buttons: ButtonRow, panel: Panel) -> None:
        """Nowhere yet.

        Args:
            source: Turns events into actions.
            buttons: Of the status bar.
            panel: Has buttons, too.
        """
        self.inspected: Cell | None = None
        self._input = source
        self._buttons = buttons
        self._panel = panel
        self._cursor: Cell | None = None
        self._cursor_seconds = float("-inf")
        self._focus: int | None = None

    @property
    def pointer(self) -> tuple[int, int] | None:
        """Where the mouse is in the window; None while it is elsewhere."""
        return self._input.mouse_position

    @property
    def is_stroke_held(self) -> bool:
        """Whether a hand is still down, also where it rests or touches no cell."""
        return self._input.is_pressed or self._input.is_held(UseCursor())

    def read(
        self,
        events: Sequence[PygameEvent],
        geometry: Geometry,
        controls: Controls,
        panes: ShownPanes | None,
        now_seconds: float,
    ) -> list[Action]:
        """What the events say, before what it means is asked."""
        if panes is None:
            return self._input.read(events, geometry, now_seconds)
        actions = self._input.read(events, geometry, now_seconds, self._targets(geometry, controls, panes))
        asked = self._input.middle_clicked
        pixel = asked or self._input.stroke_began or self.pointer
        if pixel is not None:
            panes.point(pixel, geometry, controls)
        actions.extend(self._panel.dragged(self._input, controls))
        cell = None if asked is None else self._seen_cell(asked, geometry, controls, panes)
        if cell is not None:
            actions.append(PinCell(cell))
            if controls.help_visible:  # It would hide the cell.
                actions.append(Dismiss())
        return actions

    def _targets(self, geometry: Geometry, controls: Controls, panes: ShownPanes) -> list[Target]:
        """What a press does that does not paint: buttons first, and what lies behind them is no page."""
        words = _words(geometry)
        window = (0, 0, geometry.window_width, geometry.window_height)
        if controls.help_visible:  # A stroke closes it, too; no stroke begins where there are tiles.
            places = (*words, window) if panes.has_tiles(controls) else words
            return [Target(rectangle, Dismiss()) for rectangle in places]
        targets = [
            Target(button.rectangle, button.action)
            for button in self.buttons(geometry, controls)
            if button.action is not None
        ]
        targets += [Target(rectangle, Nothing()) for rectangle in words]  # They hide tiles in small windows.
        if panes.has_tiles(controls):
            placed = panes.placed(geometry, controls)
            for number, view in enumerate(panes.views(controls)):
                targets += tile_targets(view, placed.pane(number))
            targets.append(Target(window, Nothing()))
        return targets

    def buttons(self, geometry: Geometry, controls: Controls) -> list[Button]:
        """All that are seen, those of the status bar first."""
        return [*self._buttons.placed(geometry, controls), *self._panel.buttons(geometry, controls)]

    def focused(self, geometry: Geometry, controls: Controls) -> Button | None:
        """The button that was chosen by keyboard."""
        buttons = self._pressable(geometry, controls)
        return None if self._focus is None or not buttons else buttons[self._focus % len(buttons)]

    def _pressable(self, geometry: Geometry, controls: Controls) -> list[Button]:
        return [button for button in self.buttons(geometry, controls) if button.action is not None]

    def meant(
        self,
        actions: Iterable[Action],
        geometry: Geometry,
        controls: Controls,
        panes: ShownPanes,
        now_seconds: float,
    ) -> list[Action]:
        """What actions stand for where they depend on what is seen."""
        found: list[Action] = []
        for action in actions:
            stands_for = self._stands_for(action, geometry, controls, panes, now_seconds)
            if stands_for == [action]:
                found.append(action)
            else:
                found += self.meant(stands_for, geometry, controls, panes, now_seconds)
        return found

    def _stands_for(
        self, action: Action, geometry: Geometry, controls: Controls, panes: ShownPanes, now_seconds: float
    ) -> list[Action]:
        """One step of it: the action itself where it stands for nothing else."""
        middle = (geometry.grid_height // 2, geometry.grid_width // 2)
        match action:
            case Nothing():
                return []
            case MoveCursor(rows, columns):
                before, (row, column) = self._cursor, self._cursor or middle
                if before is not None:
                    row, column = row + rows, column + columns
                self._cursor_seconds = now_seconds
                self._cursor = (
                    min(max(row, 0), geometry.grid_height - 1),
                    min(max(column, 0), geometry.grid_width - 1),
                )
                if before is None or not self._input.is_held(UseCursor()):
                    return []
                return [Stroke(controls.tool, before, self._cursor)]
            case UseCursor():
                self._cursor, self._cursor_seconds = self._cursor or middle, now_seconds
                return [Stroke(controls.tool, self._cursor, self._cursor)]
            case Stroke() if panes.has_tiles(controls):
                return []  # No cell is where it is seen.
            case Stroke(_, start, end, radius) if controls.killing:
                size = controls.brush_radius_cells if radius is None else radius
                return [KillStroke(start, end, size)]
            case StepOnce() if panes.timeline.is_in_past:
                return [StepBack(-1)]
            case PinCell(None) if controls.pinned_cell is None:
                # The pointer may be on the button that was pressed: the cell that it was on before is meant.
                cell = self.pointed_cell(geometry, controls, panes) or self.inspected
                return [action] if cell is None else [PinCell(cell)]
            case NextTile(direction):
                views = panes.views(replace(controls, tile=None))
                count = len(views[panes.number].tiles) if views else 0
                number = (-1 if controls.tile is None else controls.tile) + direction
                number = (number + 1) % (count + 1) - 1  # -1 stands for all of them.
                return [ShowTile(None if number < 0 else number)]
            case FocusButton(direction):
                buttons = self._pressable(geometry, controls)
                if buttons:
                    first = -1 if self._focus is None and direction > 0 else self._focus or 0
                    self._focus = (first + direction) % len(buttons)
                return []
            case PressFocused():
                button = self.focused(geometry, controls)
                return [] if button is None or button.action is None else [button.action]
        return [action]

    def pointed_cell(self, geometry: Geometry, controls: Controls, panes: ShownPanes) -> Cell | None:
        """The cell that the mouse or the keyboard's brush is on."""
        if self.pointer is not None:
            found = self._seen_cell(self.pointer, geometry, controls, panes)
            if found is not None:
                return found
        return self._cursor if self._cursor is not None and geometry.contains(self._cursor) else None

    @staticmethod
    def _seen_cell(
        pixel: tuple[int, int], geometry: Geometry, controls: Controls, panes: ShownPanes
    ) -> Cell | None:
        """The cell that is seen at a window pixel (x, y), on the image or on a tile; None where none is."""
        if any(Target(words, Nothing()).contains(pixel) for words in _words(geometry)):
            return None
        placed = panes.placed(geometry, controls)
        cell, views = placed.cell_at(pixel), panes.views(controls)
        if views:
            return views[placed.pane_at(pixel)].cell_at(*cell)
        return cell if geometry.contains(cell) else None

    def brushes(
        self, geometry: Geometry, controls: Controls, panes: ShownPanes, now_seconds: float
    ) -> tuple[Brush, ...]:
        """The mouse's and the keyboard's."""
        brushes, pointer = [], self.pointer
        targets = self._targets(geometry, controls, panes)
        if pointer is not None and not any(target.contains(pointer) for target in targets):
            tool = self._input.brush_tool(controls.tool)
            brushes.append(Brush(geometry.cell_at(pointer), controls.brush_radius_cells, tool))
        if self._cursor is not None and now_seconds - self._cursor_seconds < CURSOR_SECONDS:
            brushes.append(Brush(self._cursor, controls.brush_radius_cells, controls.tool))
        return tuple(brushes)


def _words(geometry: Geometry) -> tuple[Rectangle, ...]:
    """Where words and buttons hide what lies behind them."""
    return (
        geometry.bar_rectangle,
        geometry.caption_rectangle,
        geometry.panel_rectangle,
        (0, 0, geometry.window_width - geometry.panel_width, geometry.banner_height),
    )
