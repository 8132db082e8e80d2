"""What a person's own window and a public place do differently in the loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nca_viewer.display.frame import Brush
from nca_viewer.display.geometry import MARGIN_PIXELS, Geometry
from nca_viewer.display.hud import Hud, Message
from nca_viewer.interaction.actions import Action
from nca_viewer.interaction.controls import Controls
from nca_viewer.interaction.input import Input

if TYPE_CHECKING:
    import pygame
    from pygame.event import Event as PygameEvent

    from nca_viewer.loading import Session

Size = tuple[int, int]
"""(width, height) in pixels, or (height, width) in cells."""


class Face(Protocol):
    """What people meet between the window and the automaton: what is read, drawn over the cells, and told."""

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

    def act(self, action: Action) -> None:
        """Do what an action asks for that concerns neither controls nor cells."""

    def meet(self, session: Session) -> None:
        """Take notice of the automaton that is shown from now on."""

    def reloaded(self) -> Session | None:
        """An automaton that was loaded in place of the one that runs, once; None while there is none."""

    def geometry(self, window_size: Size, grid_size: Size, controls: Controls) -> Geometry:
        """Where the cells are."""

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
    ) -> None:
        """Draw over a finished frame.

        Args:
            surface: The window's.
            geometry: Where the grid is.
            controls: What is set by hand.
            lines: They tell of the program, each with whether it is a fault.
            is_ruined: Whether the page cannot come back.
        """

    def inform(self, text: str, now_seconds: float, *, is_long: bool = False) -> None:
        """Tell something that is no fault; `is_long` where it takes longer to read."""

    def complain(self, text: str, now_seconds: float) -> None:
        """Tell of a fault those who can do something about it."""

    def message(self, now_seconds: float) -> Message | None:
        """What the status bar tells at this time."""


class DesktopFace:
    """A person's own window: a status bar, a help screen, and messages."""

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
        else:
            geometry = self.geometry(window_size, grid_size, controls)
        return self._input.read(events, geometry, now_seconds)

    def act(self, action: Action) -> None:
        """Nothing: see `Face`."""

    def meet(self, session: Session) -> None:
        """Nothing: see `Face`."""

    def reloaded(self) -> Session | None:
        """None: see `Face`."""
        return None

    def geometry(self, window_size: Size, grid_size: Size, controls: Controls) -> Geometry:
        """The grid above the status bar."""
        return Geometry.fit(
            window_size,
            grid_size,
            bar_visible=controls.hud_visible,
            margin_pixels=self._margin_pixels,
        )

    def brushes(self, geometry: Geometry, controls: Controls) -> tuple[Brush, ...]:
        """The mouse's, unless the help is open."""
        if self._input.mouse_position is None or controls.help_visible:
            return ()
        centre = geometry.cell_at(self._input.mouse_position)
        return (Brush(centre, controls.brush_radius_cells, self._input.brush_tool(controls.tool)),)

    def draw_waiting(
        self, surface: pygame.Surface, controls: Controls, stage: str, now_seconds: float
    ) -> None:
        """The stage of loading, and the help where it is open."""
        seconds = 0.0 if self._is_still else now_seconds
        self._hud.draw_waiting(surface, stage, seconds, self.message(now_seconds))
        if controls.help_visible:
            self._hud.draw_help(surface, Geometry.fit(surface.get_size(), (1, 1), bar_visible=False), "")

    def draw_over(
        self,
        surface: pygame.Surface,
        geometry: Geometry,
        controls: Controls,
        lines: Sequence[tuple[str, bool]],
        *,
        is_ruined: bool,
    ) -> None:
        """Nothing: see `Face`."""

    def inform(self, text: str, now_seconds: float, *, is_long: bool = False) -> None:
        """In the status bar, for a few seconds."""
        self._message = (Message.note if is_long else Message.info)(text, now_seconds)

    def complain(self, text: str, now_seconds: float) -> None:
        """In the status bar, for longer."""
        self._message = Message.error(text, now_seconds)

    def message(self, now_seconds: float) -> Message | None:
        """The last one, until its time is over."""
        if self._message is not None and self._message.until_seconds <= now_seconds:
            self._message = None
        return self._message
