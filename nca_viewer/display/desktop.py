"""A person's own window: picture, status bar with buttons, views, and the panel beside the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nca_viewer.display.buttons import Button, ButtonRow, draw_focus, draw_tooltip
from nca_viewer.display.face import Size
from nca_viewer.display.frame import Brush
from nca_viewer.display.geometry import MARGIN_PIXELS, Geometry
from nca_viewer.display.hud import Hud, Message, Status
from nca_viewer.display.letters import Letters
from nca_viewer.display.panel import Panel, PanelScene
from nca_viewer.display.view_screen import ViewScreen, tile_targets
from nca_viewer.healing import Healing
from nca_viewer.instrument import Instrument
from nca_viewer.interaction.actions import (
    Action,
    Cell,
    FocusButton,
    MoveCursor,
    NextTile,
    Nothing,
    PinCell,
    PressFocused,
    ShowTile,
    Stroke,
    Tool,
    UseCursor,
)
from nca_viewer.interaction.controls import Controls
from nca_viewer.interaction.input import Input, Target
from nca_viewer.views import Scene, ViewImage, view_number

if TYPE_CHECKING:
    import pygame
    from pygame.event import Event as PygameEvent

    from nca_viewer.loading import Session
    from nca_viewer.snapshot import Snapshot

TOOLTIP_SECONDS = 0.5
"""The pointer rests on a button for this long before its hint is shown."""

CURSOR_SECONDS = 10.0
"""The keyboard's brush is seen for this long after its last use."""


class DesktopFace:
    """A person's own window: a status bar with buttons, views, a panel, a help screen, and messages."""

    facts = None
    mode = "window"
    lit_seconds = 0.0

    def __init__(self, source: Input, hud: Hud, *, has_margin: bool, is_still: bool) -> None:
        """Show no message.

        Args:
            source: Turns events into actions.
            hud: Draws words.
            has_margin: Whether some pixels round the grid stay free.
            is_still: Whether the waiting screen does not move.
        """
        self._input = source
        self._hud = hud
        self._margin_pixels = MARGIN_PIXELS if has_margin else 0
        self._is_still = is_still
        self._message: Message | None = None
        self._instrument = Instrument()
        self._buttons = ButtonRow()
        self._view_screen = ViewScreen()
        self._panel = Panel()
        self._view: tuple[object, ViewImage] | None = None
        self._cursor: Cell | None = None
        self._cursor_seconds = float("-inf")
        self._focus: int | None = None
        self._hovered: tuple[Button, float] | None = None

    # ------------------------------------------------------------------------------ what hands do

    def read(
        self,
        events: Sequence[PygameEvent],
        window_size: Size,
        grid_size: Size | None,
        controls: Controls,
        now_seconds: float,
    ) -> list[Action]:
        """What the events say; see `Face`."""
        if grid_size is None:
            geometry = Geometry.fit(window_size, (1, 1), bar_visible=False)
            return self._input.read(events, geometry, now_seconds)
        geometry = self.geometry(window_size, grid_size, controls)
        actions = self._input.read(events, geometry, now_seconds, self._targets(geometry, controls))
        actions.extend(self._panel.dragged(self._input, controls))
        if self._input.middle_clicked_cell is not None:
            actions.append(PinCell(self._input.middle_clicked_cell))
        return [
            meant
            for action in actions
            for meant in self._meant(action, geometry, controls, now_seconds)
            if not isinstance(meant, Nothing)
        ]

    def _targets(self, geometry: Geometry, controls: Controls) -> list[Target]:
        """What a press does that does not paint: buttons first, and what lies behind them is no page."""
        if controls.help_visible:
            return []
        targets = [
            Target(button.rectangle, button.action)
            for button in self._all_buttons(geometry, controls)
            if button.action is not None
        ]
        view = self._view_image(controls)
        if view is not None and view.tiles:
            targets += tile_targets(view, geometry)
            targets.append(Target((0, 0, geometry.window_width, geometry.window_height), Nothing()))
        targets += [
            Target(rectangle, Nothing())
            for rectangle in (geometry.bar_rectangle, geometry.caption_rectangle, geometry.panel_rectangle)
        ]
        return targets

    def _all_buttons(self, geometry: Geometry, controls: Controls) -> list[Button]:
        return [*self._buttons.placed(geometry, controls), *self._panel.buttons(geometry, controls)]

    def _meant(
        self, action: Action, geometry: Geometry, controls: Controls, now_seconds: float
    ) -> list[Action]:
        """What an action stands for where it depends on what is seen."""
        match action:
            case MoveCursor(rows, columns):
                middle = (geometry.grid_height // 2, geometry.grid_width // 2)
                row, column = self._cursor or middle
                if self._cursor is not None:
                    row, column = row + rows, column + columns
                before, self._cursor_seconds = self._cursor, now_seconds
                self._cursor = (
                    min(max(row, 0), geometry.grid_height - 1),
                    min(max(column, 0), geometry.grid_width - 1),
                )
                if before is not None and self._input.is_held(UseCursor()):
                    return [Stroke(controls.tool, before, self._cursor)]
                return []
            case UseCursor():
                if self._cursor is None:
                    self._cursor = (geometry.grid_height // 2, geometry.grid_width // 2)
                self._cursor_seconds = now_seconds
                return [Stroke(controls.tool, self._cursor, self._cursor)]
            case PinCell(None):
                cell = None if controls.pinned_cell is not None else self._pointed_cell(geometry)
                return [PinCell(cell)]
            case NextTile(direction):
                view = self._view_image(replace(controls, tile=None))
                count = 0 if view is None else len(view.tiles)
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
                buttons = self._pressable(geometry, controls)
                if self._focus is None or not buttons:
                    return []
                pressed = buttons[self._focus % len(buttons)].action
                return [] if pressed is None else self._meant(pressed, geometry, controls, now_seconds)
        return [action]

    def _pressable(self, geometry: Geometry, controls: Controls) -> list[Button]:
        return [button for button in self._all_buttons(geometry, controls) if button.action is not None]

    def _pointed_cell(self, geometry: Geometry) -> Cell | None:
        """The cell that the mouse or the keyboard's brush is on."""
        if self._input.mouse_position is not None:
            cell = geometry.cell_at(self._input.mouse_position)
            if geometry.contains(cell):
                return cell
        return self._cursor

    def act(self, action: Action, session: Session, now_seconds: float) -> None:
        """Nothing yet: see `Face`."""

    def meet(self, session: Session) -> None:
        """Follow another automaton from now on."""
        self._instrument = Instrument(session.channel_names)
        self._view = None

    def reloaded(self) -> Session | None:
        """None: see `Face`."""
        return None

    # ------------------------------------------------------------------------------ what is seen

    def geometry(self, window_size: Size, grid_size: Size, controls: Controls) -> Geometry:
        """The grid above the status bar and beside the panel."""
        return Geometry.fit(
            window_size,
            grid_size,
            bar_visible=controls.hud_visible,
            margin_pixels=self._margin_pixels,
            caption_visible=controls.hud_visible and controls.view != 0,
            panel_visible=controls.panel_visible,
        )

    def wants_explanation(self, controls: Controls) -> bool:
        """Where a view or the inspector shows the next step."""
        return view_number(controls.view).needs_explanation or (
            controls.panel_visible and controls.page == "inspector"
        )

    def see(
        self,
        snapshot: Snapshot,
        healing: Healing | None,
        *,
        touched: np.ndarray | None,
        tool: Tool,
        now_seconds: float,
    ) -> None:
        """Follow it with the instrument."""

    def image(self, snapshot: Snapshot, controls: Controls) -> np.ndarray:
        """The chosen view's."""
        view = self._view_image(controls)
        return snapshot.image if view is None else view.image

    def _view_image(self, controls: Controls) -> ViewImage | None:
        """What the chosen view shows; None while nothing was seen, and for the image alone."""
        scene = self._instrument.scene(controls.tile)
        if scene is None or controls.view == 0:
            return None
        key = (scene.snapshot, scene.explanation, scene.opinion, controls.view, controls.tile)
        if self._view is None or self._view[0] != key:
            self._view = (key, view_number(controls.view).draw(scene))
        return self._view[1]
