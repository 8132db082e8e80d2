"""The panel beside the picture: its pages, their buttons, and what they draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pygame

from nca_viewer.automaton.experiments import Experiments
from nca_viewer.display.buttons import Button, row_of_buttons
from nca_viewer.display.palette import FRAME, PANEL
from nca_viewer.instrument import Instrument
from nca_viewer.interaction.actions import Action, Cell, ShowPage, TogglePanel
from nca_viewer.interaction.controls import PAGES, Controls
from nca_viewer.interaction.geometry import Geometry, Rectangle
from nca_viewer.interaction.input import Input
from nca_viewer.views.scene import Scene


@dataclass(frozen=True, eq=False, slots=True)
class PanelScene:
    """All that the panel may show.

    Attributes:
        scene: What the views show, too.
        controls: What is set by hand.
        cell: The inspected one; None while none is pointed at.
        now_seconds: The time, never going back.
        pointer: Where the mouse is in the window; None while it is elsewhere.
        text_height: Of the status bar's letters, in pixels.
        instrument: Follows the automaton: its past, charts and opinions.
        experiments: What is changed of it, or will be.
    """

    scene: Scene
    controls: Controls
    cell: Cell | None
    now_seconds: float
    pointer: tuple[int, int] | None
    text_height: int
    instrument: Instrument
    experiments: Experiments


class Page:
    """One page of the panel; by itself it has no buttons."""

    def buttons(self, rectangle: Rectangle, text_height: int, controls: Controls) -> Sequence[Button]:
        """Its buttons, in this part of the window."""
        return ()

    def dragged(self, source: Input) -> list[Action]:
        """What a press on it does that depends on where it is."""
        return []

    def draw(self, surface: pygame.Surface, rectangle: Rectangle, shown: PanelScene) -> None:
        """Draw it, but for its buttons."""


class Panel:
    """Draws the open page below a row of tabs."""

    def __init__(self, pages: dict[str, Page]) -> None:
        """Take the pages, one for each name in `PAGES`."""
        self._pages = pages

    def buttons(self, geometry: Geometry, controls: Controls) -> list[Button]:
        """The tabs, and the open page's; none while the panel is closed."""
        if not geometry.panel_width:
            return []
        left, top, width, _ = geometry.panel_rectangle
        height = round(1.9 * geometry.text_height)
        gap = max(2, geometry.text_height // 4)
        rows: list[tuple[str, Action, str, bool]] = [
            (page, ShowPage(page), page, controls.page == page) for page in PAGES
        ]
        if geometry.bar_height:  # Without the status bar, the mouse could not open it again.
            rows.append(("x", TogglePanel(), "close the panel", False))
        row = (left + gap, top + gap, width - 2 * gap, height)
        tabs = row_of_buttons(row, geometry.text_height, rows)
        page = self._pages[controls.page]
        buttons = [*tabs, *page.buttons(self._rectangle(geometry), geometry.text_height, controls)]
        room = pygame.Rect(geometry.panel_rectangle)
        return [button for button in buttons if room.contains(pygame.Rect(button.rectangle))]

    def dragged(self, source: Input, controls: Controls) -> list[Action]:
        """What presses on the open page do that depends on where they are."""
        return self._pages[controls.page].dragged(source) if controls.panel_visible else []

    def draw(self, surface: pygame.Surface, geometry: Geometry, shown: PanelScene) -> None:
        """Draw the open page, but for the buttons."""
        if not geometry.panel_width:
            return
        rectangle = geometry.panel_rectangle
        surface.fill(PANEL, rectangle)
        surface.fill(FRAME, (rectangle[0], rectangle[1], 1, rectangle[3]))
        page = self._rectangle(geometry)
        clip = surface.get_clip()
        surface.set_clip(pygame.Rect(rectangle).clip(clip))
        if page[2] > 0 and page[3] > 0:
            self._pages[shown.controls.page].draw(surface, page, shown)
        surface.set_clip(clip)

    @staticmethod
    def _rectangle(geometry: Geometry) -> Rectangle:
        """What the tabs leave for the page."""
        left, top, width, height = geometry.panel_rectangle
        tabs = round(1.9 * geometry.text_height) + 2 * max(2, geometry.text_height // 4)
        margin = geometry.text_height // 2
        size = (max(0, width - 2 * margin), max(0, height - tabs - 2 * margin))
        return (left + margin, top + tabs + margin, *size)
