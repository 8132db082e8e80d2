"""What an exhibit adds to the loop: between input and controls, and over the cells that were drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nca_viewer.display.captions import read_shown_script
from nca_viewer.display.exhibit_layout import ExhibitLayout
from nca_viewer.display.exhibit_screen import ExhibitScreen, ExhibitView
from nca_viewer.display.frame import Brush
from nca_viewer.exhibit.director import HOLD_SECONDS, OperatorExit, OperatorHold, Phase, Rules
from nca_viewer.exhibit.host import ExhibitFacts, Host
from nca_viewer.interaction.actions import Action
from nca_viewer.interaction.controls import Controls
from nca_viewer.interaction.input import Input

if TYPE_CHECKING:
    import pygame
    from pygame.event import Event as PygameEvent

    from nca_viewer.viewer_config import ViewerConfig

_LOADING_GRID = (28, 28)
"""Where the cells will be is not known before the checkpoint is; the buttons hardly depend on it."""


class PublicFace:
    """The exhibit as visitors and the operator meet it.

    Attributes:
        note: The last thing that the operator should know, and whether it is a fault.
    """

    def __init__(self, config: ViewerConfig) -> None:
        """Read the attract script.

        Raises:
            ConfigError: it cannot be read, or a line of it is not understood.
        """
        rules = Rules(config.idle_seconds, OperatorExit(config.operator_exit))
        script = read_shown_script(config.attract_script)
        self.note: tuple[str, bool] | None = None
        self._host = Host(rules, script, config.languages)
        self._hold = OperatorHold(config.operator_hold)
        self._exit = rules.operator_exit
        self._screen = ExhibitScreen()
        self._is_still = config.reduce_motion
        self._layouts: dict[tuple[tuple[int, int], tuple[int, int]], ExhibitLayout] = {}

    @property
    def facts(self) -> ExhibitFacts:
        """Of the last frame."""
        return self._host.facts

    @property
    def policy(self) -> str:
        """How the operator gets out of the exhibit; for the log."""
        if self._exit is OperatorExit.NONE:
            return "operator-exit is none: no hold ends the exhibit; end it from outside"
        holds = {
            OperatorHold.KEYS: "Ctrl+Shift+Q",
            OperatorHold.FINGERS: "four fingers at rest",
            OperatorHold.BOTH: "Ctrl+Shift+Q or four fingers at rest",
        }
        does = {OperatorExit.QUIT: "ends the program", OperatorExit.MENU: "opens the operator's page"}
        return (
            f"operator-exit is {self._exit.value}: holding {holds[self._hold]} "
            f"for {HOLD_SECONDS:g} s {does[self._exit]}"
        )

    def layout(self, window_size: tuple[int, int], grid_size: tuple[int, int] | None = None) -> ExhibitLayout:
        """Where everything is.

        Args:
            window_size: (width, height) in pixels.
            grid_size: (height, width) in cells; None while it is not known yet.
        """
        key = (window_size, grid_size or _LOADING_GRID)
        if key not in self._layouts:
            if len(self._layouts) >= 8:
                self._layouts.clear()
            self._layouts[key] = ExhibitLayout.fit(*key, has_languages=self._host.has_languages)
        return self._layouts[key]

    def read(
        self,
        source: Input,
        events: Sequence[PygameEvent],
        window_size: tuple[int, int],
        now_seconds: float,
        grid_size: tuple[int, int] | None = None,
    ) -> list[Action]:
        """What this frame's events do, and what the exhibit does of itself.

        Args:
            source: Turns events into actions.
            events: Oldest first.
            window_size: (width, height) in pixels.
            now_seconds: From any zero.
            grid_size: (height, width) in cells; None while the exhibit is loading.
        """
        layout = self.layout(window_size, grid_size)
        is_page = self.facts.phase is Phase.OPERATOR
        targets = layout.operator_targets if is_page else layout.targets
        actions = source.read(events, layout.geometry, now_seconds, targets)
        before = self.facts.phase
        actions = self._host.direct(
            now_seconds,
            actions,
            is_visitor_acting=source.is_visitor_acting,
            is_operator_holding=self._is_held(source),
            strokes_begun=source.strokes_begun,
            grid_size=grid_size,
        )
        if self.facts.phase is Phase.ATTRACT and before is not Phase.ATTRACT:
            # Whoever left without letting go does not paint for the next visitor.
            source.release()
        return actions

    def brushes(self, source: Input, controls: Controls, layout: ExhibitLayout) -> tuple[Brush, ...]:
        """The brushes to draw: visitors', or the ghost hand's."""
        facts, geometry = self.facts, layout.geometry
        if facts.phase is Phase.ATTRACT:
            ghost = facts.ghost
            if ghost is None or not ghost.is_down:
                return ()
            radius = controls.brush_radius_cells if ghost.radius_cells is None else ghost.radius_cells
            return (Brush(ghost.cell((geometry.grid_height, geometry.grid_width)), radius, ghost.tool),)
        if facts.phase is Phase.OPERATOR:
            return ()
        radius = controls.brush_radius_cells
        return tuple(
            Brush(place.cell, radius, place.tool or controls.tool) for place in source.brush_places(geometry)
        )

    def draw(
        self,
        surface: pygame.Surface,
        layout: ExhibitLayout,
        source: Input,
        controls: Controls,
        *,
        page_lines: Sequence[tuple[str, bool]] = (),
    ) -> None:
        """Draw everything but the cells.

        Args:
            surface: The window's, with the cells drawn.
            layout: Where things are.
            source: Knows which buttons are being pressed.
            controls: Know the tool.
            page_lines: For the operator's page, before its note: texts, and whether they are faults.
        """
        self._screen.draw(surface, layout, self._view(source, controls, page_lines))

    def draw_waiting(
        self, surface: pygame.Surface, source: Input, controls: Controls, now_seconds: float
    ) -> None:
        """What is seen until the automaton lives."""
        seconds = 0.0 if self._is_still else now_seconds
        self._screen.draw_waiting(surface, self._host.texts.waiting, seconds)
        layout = self.layout(surface.get_size())
        self._screen.draw_operator(surface, layout, self._view(source, controls, ()))

    def tell_operator(self, text: str, *, is_fault: bool) -> None:
        """Put something on the operator's page; visitors never see it."""
        self.note = (text, is_fault)

    def tell_reloading(self) -> None:
        """A checkpoint is being loaded."""
        self.tell_operator(self._host.operator_texts.reloading, is_fault=False)

    def tell_reloaded(self) -> None:
        """It was loaded."""
        self.tell_operator(self._host.operator_texts.reloaded, is_fault=False)

    def _view(self, source: Input, controls: Controls, page_lines: Sequence[tuple[str, bool]]) -> ExhibitView:
        host = self._host
        lines = [*page_lines, (self.policy, False)]
        if self.note is not None:
            lines.append(self.note)
        return ExhibitView(
            facts=host.facts,
            texts=host.texts,
            operator_texts=host.operator_texts,
            next_language=host.next_language.language,
            caption=host.caption(controls.tool),
            tool=controls.tool,
            pressed=tuple(source.pressed_actions),
            page_lines=tuple(lines),
        )

    def _is_held(self, source: Input) -> bool:
        by_keys = source.is_chord_held and self._hold is not OperatorHold.FINGERS
        by_fingers = source.are_four_fingers_at_rest and self._hold is not OperatorHold.KEYS
        return by_keys or by_fingers
