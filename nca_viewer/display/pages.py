"""The pages of the panel."""

from __future__ import annotations

from collections.abc import Sequence

import pygame

from nca_viewer.display.buttons import Button
from nca_viewer.display.geometry import Rectangle
from nca_viewer.display.panel import PanelScene
from nca_viewer.interaction.actions import Action
from nca_viewer.interaction.controls import Controls
from nca_viewer.interaction.input import Input


class InspectorPage:
    """One cell: what it sees, weighs and does."""

    def buttons(self, rectangle: Rectangle, text_height: int, controls: Controls) -> Sequence[Button]:
        """None yet."""
        return ()

    def dragged(self, source: Input) -> list[Action]:
        """Nothing."""
        return []

    def draw(self, surface: pygame.Surface, rectangle: Rectangle, shown: PanelScene) -> None:
        """Draw it."""


class ChartsPage(InspectorPage):
    """Error and healing over time."""


class ExperimentsPage(InspectorPage):
    """What is changed of the automaton."""
