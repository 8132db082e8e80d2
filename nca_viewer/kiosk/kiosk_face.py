"""A public place as visitors and the operator meet it: what it reads, draws over the cells, and tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nca_viewer.automaton.explanation import Explain
from nca_viewer.display.face import Face
from nca_viewer.display.frame import Brush
from nca_viewer.errors import UserError
from nca_viewer.interaction.actions import Action, Operate, OperatorChoice
from nca_viewer.interaction.controls import Controls
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.input import Input
from nca_viewer.kiosk.captions import read_shown_script
from nca_viewer.kiosk.controller import Host, KioskFacts
from nca_viewer.kiosk.layout import KioskLayout
from nca_viewer.kiosk.operation.event_log import LogEvent, log_event
from nca_viewer.kiosk.screen import KioskScreen, KioskView
from nca_viewer.kiosk.visit import HOLD_SECONDS, OperatorExit, OperatorHold, Phase, Rules

if TYPE_CHECKING:
    import numpy as np
    import pygame
    from pygame.event import Event as PygameEvent

    from nca_viewer.display.hud import HudState
    from nca_viewer.kiosk.config import KioskConfig
    from nca_viewer.loading import Loading, Session
    from nca_viewer.snapshot import Snapshot

_LOADING_GRID = (28, 28)
"""Where the cells will be is not known before the checkpoint is; the buttons hardly depend on it."""


_OPERATOR_LIGHT_SECONDS = 5.0
"""At night the screen stays lit for that long after the operator's page is closed."""


class KioskFace(Face):
    """The `Face` of a public place.

    Attributes:
        note: The last thing that the operator should know, and whether it is a fault.
    """

    def __init__(
        self, source: Input, config: KioskConfig, reload: Callable[[], Loading] | None = None
    ) -> None:
        """Read the attract script, and log how the operator gets out.

        Args:
            source: Turns events into actions.
            config: The options.
            reload: Begins to load the checkpoint again, for the operator.

        Raises:
            ConfigError: the script cannot be read, or a line of it is not understood.
        """
        rules = Rules(config.idle_seconds, OperatorExit(config.operator_exit))
        script = read_shown_script(config.attract_script)
        self.note: tuple[str, bool] | None = None
        self._input = source
        self._reload = reload
        self._loading: Loading | None = None
        self._host = Host(rules, script, config.languages)
        self._hold = OperatorHold(config.operator_hold)
        self._exit = rules.operator_exit
        self._screen = KioskScreen()
        self._is_still = config.reduce_motion
        self._layouts: dict[tuple[tuple[int, int], tuple[int, int]], KioskLayout] = {}
        log_event(LogEvent.START, self.policy)

    @property
    def facts(self) -> KioskFacts:
        """Of the last frame."""
        return self._host.facts

    @property
    def mode(self) -> str:
        """Whether it shows itself or has a visitor."""
        return "attract" if self.facts.phase is Phase.ATTRACT else "exhibit"

    @property
    def lit_seconds(self) -> float:
        """The operator's page is seen at night too."""
        return _OPERATOR_LIGHT_SECONDS if self.facts.phase is Phase.OPERATOR else 0.0

    @property
    def is_reloading(self) -> bool:
        """Whether the checkpoint is being loaded again."""
        return self._loading is not None

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

    def layout(self, window_size: tuple[int, int], grid_size: tuple[int, int] | None = None) -> KioskLayout:
        """Where everything is.

        Args:
            window_size: (width, height) in pixels.
            grid_size: (height, width) in cells; None while it is not known yet.
        """
        key = (window_size, grid_size or _LOADING_GRID)
        if key not in self._layouts:
            if len(self._layouts) >= 8:
                self._layouts.clear()
            self._layouts[key] = KioskLayout.fit(*key, has_languages=self._host.has_languages)
        return self._layouts[key]

    def read(
        self,
        events: Sequence[PygameEvent],
        window_size: tuple[int, int],
        grid_size: tuple[int, int] | None,
        controls: Controls,
        now_seconds: float,
    ) -> list[Action]:
        """What visitors and the operator do, and what the exhibit does of itself."""
        source, layout = self._input, self.layout(window_size, grid_size)
        is_page = self.facts.phase is Phase.OPERATOR
        targets = layout.operator_targets if is_page else layout.targets
        actions = source.read(events, layout.geometry, now_seconds, targets)
        before = self.facts.phase
        actions = self._host.direct(
            now_seconds,
            actions,
            is_visitor_acting=source.is_visitor_acting,
            is_operator_holding=self._is_held(),
            strokes_begun=source.strokes_begun,
            grid_size=grid_size,
        )
        if self.facts.phase is Phase.ATTRACT and before is not Phase.ATTRACT:
            # A finger that was left on the screen does not paint for the next visitor.
            source.release()
        return actions

    def act(self, action: Action, session: Session, now_seconds: float) -> None:
        """Load the checkpoint again, where the operator asks for it."""
        if action == Operate(OperatorChoice.RELOAD):
            self.begin_reload()

    def begin_reload(self) -> None:
        """Begin to load the checkpoint again; the automaton that runs goes on meanwhile."""
        if self._reload is not None and self._loading is None:
            self._loading = self._reload()
            self._note(self._host.operator_texts.reloading)

    def meet(self, session: Session) -> None:
        """The attract loop says how its automaton came to be."""
        self._host.origin = session.origin

    def reloaded(self) -> Session | None:
        """The automaton that was loaded again, once; where that failed, the operator is told."""
        if self._loading is None:
            return None
        try:
            loaded = self._loading.poll()
        except Exception as error:  # Of any kind: the exhibit goes on with what it has.
            self._loading = None
            text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            self._note(text, is_fault=True)
            event = LogEvent.CHECKPOINT if isinstance(error, UserError) else LogEvent.ERROR
            log_event(event, f"the checkpoint was not loaded again: {text}")
            return None
        if loaded is not None:
            self._loading = None
            self._note(self._host.operator_texts.reloaded)
        return loaded

    def geometry(
        self, window_size: tuple[int, int], grid_size: tuple[int, int], controls: Controls
    ) -> Geometry:
        """Where the cells are between the words and the buttons."""
        return self.layout(window_size, grid_size).geometry

    def wanted_explanation(self, controls: Controls) -> Explain:
        """Nothing: visitors see the image."""
        return Explain.NOTHING

    def image(self, snapshot: Snapshot, controls: Controls, geometry: Geometry) -> np.ndarray:
        """What the cells show."""
        return snapshot.image

    def close(self) -> list[str]:
        """Nothing is being written."""
        return []

    def fill(self, status: HudState) -> HudState:
        """As it is: visitors see no status bar."""
        return status

    def brushes(self, geometry: Geometry, controls: Controls) -> tuple[Brush, ...]:
        """The brushes to draw: visitors', or the ghost hand's."""
        facts = self.facts
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
            Brush(place.cell, radius, place.tool or controls.tool)
            for place in self._input.brush_places(geometry)
        )

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
        """Draw everything but the cells; the lines are for the operator's page, before its note."""
        layout = self.layout(surface.get_size(), (geometry.grid_height, geometry.grid_width))
        self._screen.draw(surface, layout, self._view(controls, lines, is_ruined=is_ruined))

    def draw_waiting(
        self, surface: pygame.Surface, controls: Controls, stage: str, now_seconds: float
    ) -> None:
        """What is seen until the automaton lives."""
        seconds = 0.0 if self._is_still else now_seconds
        self._screen.draw_waiting(surface, self._host.texts.waiting, seconds)
        layout = self.layout(surface.get_size())
        self._screen.draw_operator(surface, layout, self._view(controls, ()))

    def inform(self, text: str, now_seconds: float, *, is_long: bool = False) -> None:
        """On the operator's page; visitors never see it."""
        self._note(text)

    def complain(self, text: str, now_seconds: float) -> None:
        """In the log and on the operator's page; visitors never see it."""
        log_event(LogEvent.ERROR, text)
        self._note(text, is_fault=True)

    def message(self, now_seconds: float) -> None:
        """None: there is no status bar."""

    def _note(self, text: str, *, is_fault: bool = False) -> None:
        self.note = (text, is_fault)

    def _view(
        self, controls: Controls, page_lines: Sequence[tuple[str, bool]], *, is_ruined: bool = False
    ) -> KioskView:
        host = self._host
        lines = [*page_lines, (self.policy, False)]
        if self.note is not None:
            lines.append(self.note)
        return KioskView(
            facts=host.facts,
            texts=host.texts,
            operator_texts=host.operator_texts,
            next_language=host.next_language.language,
            caption=host.caption(controls.tool, is_ruined=is_ruined),
            tool=controls.tool,
            pressed=tuple(self._input.pressed_actions),
            page_lines=tuple(lines),
            is_ruined=is_ruined,
        )

    def _is_held(self) -> bool:
        source = self._input
        by_keys = source.is_chord_held and self._hold is not OperatorHold.FINGERS
        by_fingers = source.are_four_fingers_at_rest and self._hold is not OperatorHold.KEYS
        return by_keys or by_fingers
