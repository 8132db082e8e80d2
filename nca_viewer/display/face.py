"""What a person's own window and a public place do differently in the loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nca_viewer.automaton.explanation import Explain
from nca_viewer.display.frame import Brush
from nca_viewer.display.hud import HudState, Message
from nca_viewer.interaction.actions import Action
from nca_viewer.interaction.controls import Controls
from nca_viewer.interaction.geometry import Geometry

if TYPE_CHECKING:
    import numpy as np
    import pygame
    from pygame.event import Event as PygameEvent

    from nca_viewer.loading import Session
    from nca_viewer.recording.lines import Cue
    from nca_viewer.ruin import Page
    from nca_viewer.snapshot import Snapshot

Size = tuple[int, int]
"""(width, height) in pixels, or (height, width) in cells."""


class Face(Protocol):
    """What people meet between the window and the automaton: what is read, drawn over the cells, and told.

    A face that is derived from it takes no notice of what it does not define, where nothing is returned.
    """

    @property
    def facts(self) -> Any:
        """What is true of a public place in this frame; None in a person's own window."""

    @property
    def mode(self) -> str:
        """What the program is doing, for the records: "window", "exhibit" or "attract"."""

    @property
    def lit_seconds(self) -> float:
        """How long the screen has to stay lit from this frame on, at night too."""

    def read(
        self,
        events: Sequence[PygameEvent],
        window_size: Size,
        grid_size: Size | None,
        controls: Controls,
        now_seconds: float,
    ) -> list[Action]:
        """The actions of this frame's events; `grid_size` is None while the automaton is loading."""

    def act(self, action: Action, session: Session, now_seconds: float) -> None:
        """Do what an action asks for that neither the controls nor the loop do."""

    def meet(self, session: Session) -> None:
        """Take notice of the automaton that is shown from now on."""

    def reloaded(self) -> Session | None:
        """An automaton that was loaded in place of the one that runs, once; None while there is none."""

    def geometry(self, window_size: Size, grid_size: Size, controls: Controls) -> Geometry:
        """Where the cells are."""

    def wanted_explanation(self, controls: Controls) -> Explain:
        """How much of the next step a snapshot should tell."""

    def see(
        self,
        snapshot: Snapshot,
        pages: Sequence[Page],
        *,
        touched: np.ndarray | None,
        now_seconds: float,
    ) -> None:
        """Take notice of what is shown in this frame.

        Args:
            snapshot: The automaton now.
            pages: What has become of the page of each automaton that is shown.
            touched: bool[H, W], the cells that hands changed in this frame; None where they changed none.
            now_seconds: The time, never going back.
        """
        return

    def image(self, snapshot: Snapshot, controls: Controls, geometry: Geometry) -> np.ndarray:
        """What is shown of a snapshot: uint8[h, w, 3], one pixel per cell; larger than the grid for tiles."""

    def close(self) -> list[str]:
        """Finish what is being written, when the window is closed; returns what there is to say of it."""

    def keep(self, image: np.ndarray, now_seconds: float) -> None:
        """Take notice of the image that is shown in this frame, as it is shown."""
        return

    def follow(self, cues: Sequence[Cue], now_seconds: float) -> None:
        """Do what a record that is repeated says to the window."""
        return

    def fill(self, status: HudState) -> HudState:
        """A status with what only this face knows."""

    def brushes(self, geometry: Geometry, controls: Controls) -> tuple[Brush, ...]:
        """The brushes whose outlines are drawn."""

    def draw_waiting(
        self, surface: pygame.Surface, controls: Controls, stage: str, now_seconds: float
    ) -> None:
        """Draw what is seen until the automaton lives; `stage` is what is being done."""

    def draw_over(
        self,
        surface: pygame.Surface,
        geometry: Geometry,
        controls: Controls,
        lines: Sequence[tuple[str, bool]],
        *,
        is_ruined: bool,
        now_seconds: float,
    ) -> None:
        """Draw over a finished frame.

        Args:
            surface: The window's.
            geometry: Where the grid is.
            controls: What is set by hand.
            lines: They tell of the program, each with whether it is a fault.
            is_ruined: Whether the page cannot come back.
            now_seconds: The time, never going back.
        """

    def inform(self, text: str, now_seconds: float, *, is_long: bool = False) -> None:
        """Tell something that is no fault; `is_long` where it takes longer to read."""

    def complain(self, text: str, now_seconds: float) -> None:
        """Tell of a fault those who can do something about it."""

    def message(self, now_seconds: float) -> Message | None:
        """What the status bar tells at this time."""
