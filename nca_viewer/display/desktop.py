"""A person's own window: picture, status bar with buttons, views, and the panel beside the picture."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pygame

from nca_viewer.atomic_files import free_path
from nca_viewer.automaton.explanation import Explain
from nca_viewer.display import capture
from nca_viewer.display.buttons import Button, ButtonRow, draw_focus, draw_tooltip
from nca_viewer.display.clips import ClipRecorder, duration_text
from nca_viewer.display.face import Size
from nca_viewer.display.frame import Brush
from nca_viewer.display.hands import Hands
from nca_viewer.display.hud import Hud, HudState, Message
from nca_viewer.display.letters import letters_of
from nca_viewer.display.pages import (
    ChartsPage,
    DemosPage,
    ExperimentsPage,
    InspectorPage,
    MorePage,
    OpinionPage,
)
from nca_viewer.display.panel import Panel, PanelScene
from nca_viewer.display.shown_panes import ShownPanes
from nca_viewer.display.shown_session import NextSession, ShownSession
from nca_viewer.display.view_screen import ViewScreen, draw_banner, draw_figures
from nca_viewer.errors import BackendError, UserError, unexpected_message
from nca_viewer.interaction.actions import (
    Action,
    BeforeDamage,
    BeginWith,
    ChangeChannel,
    ChangeExperiment,
    ChangeRadius,
    ChangeSpeed,
    EndExperiments,
    LetGo,
    NextModel,
    PastePicture,
    PinCell,
    PlayDemo,
    Redo,
    RunOn,
    SaveChart,
    SaveClip,
    SeekTick,
    ShowPage,
    ShowTile,
    ShowView,
    StepBack,
    TogglePanel,
    TogglePause,
    ToggleRecording,
    Undo,
)
from nca_viewer.interaction.controls import Controls, update
from nca_viewer.interaction.geometry import MARGIN_PIXELS, Geometry, Rectangle
from nca_viewer.interaction.input import Input
from nca_viewer.loading import BackgroundLoading, Loading, Session
from nca_viewer.own_starts import OwnStarts
from nca_viewer.recording.lines import Inspect
from nca_viewer.ruin import Page
from nca_viewer.series import write_csv
from nca_viewer.video_files import has_encoder
from nca_viewer.views import VIEW_NAMES, view_number

if TYPE_CHECKING:
    from pygame.event import Event as PygameEvent

    from nca_viewer.recording.lines import Cue
    from nca_viewer.snapshot import Snapshot

_OF_TIME = (Undo, Redo, StepBack, BeforeDamage)
_OF_SETTINGS = (ChangeSpeed, ChangeRadius, ChangeChannel, ChangeExperiment, EndExperiments, ShowTile, PinCell)
"""What can have nothing to do; the past is asked when it is their turn, settings before they change."""

TOOLTIP_SECONDS = 0.5
"""The pointer rests on a button for this long before its hint is shown."""


class DesktopFace:
    """A person's own window: a status bar with buttons, views, a panel, a help screen, and messages.

    `Hands` knows what hands mean, `ShownPanes` what is followed of the automata, `ShownSession` what is told
    of them, `NextSession` what takes their place; here is what an action does, and what is drawn.
    """

    facts = None
    mode = "window"
    lit_seconds = 0.0

    def __init__(
        self,
        source: Input,
        hud: Hud,
        folder: Path,
        *,
        has_margin: bool,
        is_still: bool,
        start_as_is: bool = False,
        load: Callable[[Callable[[Callable[[str], None]], Session]], Loading] = BackgroundLoading,
    ) -> None:
        """Show no message.

        Args:
            source: Turns events into actions.
            hud: Draws words.
            folder: Where files go that are saved.
            has_margin: Whether some pixels round the grid stay free.
            is_still: Whether the waiting screen does not move.
            start_as_is: Whether pictures that are dropped or pasted are fitted as they are.
            load: Begins to load another session, as `BackgroundLoading` does.
        """
        self._hud = hud
        self._folder = folder
        self._margin_pixels = MARGIN_PIXELS if has_margin else 0
        self._is_still = is_still
        self._shown: ShownSession | None = None
        self._left: tuple[ShownSession, Controls] | None = None
        self._message: Message | None = None
        self._next = NextSession(load)
        self._own_starts = OwnStarts(as_is=start_as_is)
        self._queued: list[Action] = []
        self._controls = Controls()
        self._wants_opinion = False
        self._buttons = ButtonRow()
        self._view_screen = ViewScreen()
        self._clips = ClipRecorder(folder, suffix=".mp4" if has_encoder() else ".gif")
        self._panel = Panel(
            {
                "inspector": InspectorPage(),
                "charts": ChartsPage(),
                "opinion": OpinionPage(),
                "experiments": ExperimentsPage(),
                "demos": DemosPage(),
                "more": MorePage(),
            }
        )
        self._hands = Hands(source, self._buttons, self._panel)
        self._hovered: tuple[Rectangle, float] | None = None
        self._now_seconds = 0.0

    @property
    def shown(self) -> ShownSession:
        """What is shown, once it was met."""
        assert self._shown is not None, "an automaton is met before it is seen, and before hands act on it"
        return self._shown

    @property
    def panes(self) -> ShownPanes:
        """The automata that are shown."""
        return self.shown.panes

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
        if grid_size is None or self._shown is None:
            geometry = Geometry.fit(window_size, (1, 1), bar_visible=False)
            actions = self._hands.read(events, geometry, controls, None, now_seconds)
            if self._begin_own(events, is_pasted=PastePicture() in actions):
                self.inform("The picture is the start as soon as the automaton lives", now_seconds)
            return actions
        self._begin_own(events)
        geometry = self.geometry(window_size, grid_size, controls)
        actions = [*self._queued, *self._hands.read(events, geometry, controls, self.panes, now_seconds)]
        self._queued = []
        actions = self._hands.meant(actions, geometry, controls, self.panes, now_seconds)
        settings = controls
        for action in actions:
            if isinstance(action, _OF_SETTINGS) and (reason := self._refusal(action, settings)):
                self.inform(reason, now_seconds)
            settings = update(settings, action)
        return actions

    def _begin_own(self, events: Sequence[PygameEvent], *, is_pasted: bool = False) -> bool:
        """Pictures that are dropped on the window are read in the background; returns whether any is."""
        files = [event.file for event in events if event.type == pygame.DROPFILE]
        texts = [event.text for event in events if event.type == pygame.DROPTEXT]
        if files:
            self._own_starts.drop(*files)
        elif texts:
            self._own_starts.drop_text("\n".join(texts))
        elif is_pasted:
            self._own_starts.paste(clipboard_text())
        return bool(files or texts or is_pasted)

    def buttons(self, geometry: Geometry, controls: Controls) -> list[Button]:
        """All that are seen, those of the status bar first."""
        buttons = self._hands.buttons(geometry, controls)
        if self._shown is None:
            return buttons
        idle = {
            button.action
            for button in buttons
            if button.action is not None and self._refusal(button.action, controls)
        }
        return [replace(button, is_idle=True) if button.action in idle else button for button in buttons]

    def _refusal(self, action: Action, controls: Controls) -> str:
        """Why an action can do nothing just now; empty where it can."""
        if action == PinCell() and controls.pinned_cell is None and self._hands.inspected is None:
            return "Point at a cell first"
        return self.shown.refusal(action, controls)

    def act(self, action: Action, session: Session, now_seconds: float) -> None:
        """What concerns neither the controls nor the loop: the past, files, experiments, other sessions."""
        if isinstance(action, _OF_TIME) and (reason := self._refusal(action, self._controls)):
            self.inform(reason, now_seconds)
            return
        try:
            match action:
                case PastePicture():
                    self._own_starts.paste(clipboard_text())
                case BeginWith(image, text):
                    session.take_over()
                    session.simulation.begin(image, session.mask_ratio)
                    self.inform(text, now_seconds, is_long=True)
                case NextModel():
                    self.inform(self._next.begin_model(self.shown), now_seconds)
                case PlayDemo(name):
                    self.inform(self._next.begin_demo(name, session), now_seconds)
                case SaveClip():
                    self.inform("Saving the last 20 seconds ...", now_seconds)
                    self._clips.save_last()
                case ToggleRecording() if self._clips.elapsed_seconds is None:
                    self._clips.start()
                case ToggleRecording():
                    self._clips.stop()
                case Undo() | Redo() | StepBack() | SeekTick() | BeforeDamage():
                    session.take_over()
                    self.panes.move(action)
                case SaveChart():
                    capture.require_folder(self._folder)
                    path = free_path(self._folder, f"{capture.dated_stem()}-chart", ".csv")
                    write_csv(path, self.panes.pointed.series)
                    self.inform(f"Saved {os.path.abspath(path)}", now_seconds)
                case _:
                    if self.panes.experiment(action):
                        session.take_over()
        except BackendError:
            raise  # The loop knows what to do.
        except UserError as error:
            self.complain(str(error), now_seconds)

    # ------------------------------------------------------------------------------ what runs

    def meet(self, session: Session) -> None:
        """Follow another automaton from now on, or go on with what was left for a demo."""
        before, controls = self._shown, self._controls
        self._own_starts.serve(session.simulation.config)
        if self._left is not None and self._left[0].session is session:
            (self._shown, then), self._left = self._left, None
            self._queued += [ShowView(VIEW_NAMES[then.view]), ShowPage(then.page)]
            self._queued.append(LetGo() if then.pinned_cell is None else PinCell(then.pinned_cell))
            if not then.panel_visible:
                self._queued.append(TogglePanel())
            if then.paused != controls.paused:
                self._queued.append(TogglePause())
            return
        if before is not None and session.own is not None and session.replay is not None:
            self._left = self._left or (before, controls)
            self._queued += [ShowView(VIEW_NAMES[0]), LetGo(), RunOn()]
        # A model takes another's place; a record begins anew.
        panes = ShownPanes(session, before.panes if before is not None and session.replay is None else None)
        self._shown = ShownSession(session, panes, self._own_starts)

    def reloaded(self) -> Session | None:
        """The session with the next model, or a demo's; where it fails, what runs goes on."""
        if self._shown is None:
            return None
        try:
            found = self._next.poll(self._shown)
        except Exception as error:  # Of any kind: what runs goes on.
            text = str(error) if isinstance(error, UserError) else unexpected_message(error)
            self.complain(text, self._now_seconds)
            return None
        if found is None:
            return None
        session, text = found
        if text:
            self.inform(text, self._now_seconds, is_long=True)
        return session

    def see(
        self, snapshot: Snapshot, pages: Sequence[Page], *, touched: np.ndarray | None, now_seconds: float
    ) -> None:
        """Follow it with the instruments, and look after what works in the background."""
        for news in self.shown.news(now_seconds):
            if isinstance(news, Message):
                self._message = news
            else:
                self._queued.append(news)
        view = "opinion" if self._wants_opinion else view_number(self._controls.view).name
        self.panes.see(
            snapshot,
            pages,
            touched=touched,
            now_seconds=now_seconds,
            view=view,
            is_stroke_held=self._hands.is_stroke_held,
        )

    def follow(self, cues: Sequence[Cue], now_seconds: float) -> None:
        """Views and cells are shown as if chosen by hand; captions are the replay's."""
        for cue in cues:
            match cue:
                case ShowView():
                    self._queued.append(cue)
                case Inspect(None):
                    self._queued.append(LetGo())
                case Inspect(cell):
                    self._queued += [ShowPage("inspector"), PinCell(cell)]

    def close(self) -> list[str]:
        """Finish what is being written; returns what there is to say of it."""
        for shown in [self._shown, *(self._left or ())[:1]]:
            if shown is not None and shown.session.watcher is not None:
                shown.session.watcher.close()
        return [message.text for message in self._clips.close()]

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

    # ------------------------------------------------------------------------------ what is seen

    def geometry(self, window_size: Size, grid_size: Size, controls: Controls) -> Geometry:
        """The grids above the status bar and beside the panel."""
        panes = 1 if self._shown is None else len(self.panes.instruments)
        return Geometry.fit(
            window_size,
            grid_size,
            bar_visible=controls.hud_visible,
            margin_pixels=self._margin_pixels,
            caption_visible=controls.hud_visible and controls.view != 0,
            panel_visible=controls.panel_visible,
            panes=panes,
            figures_visible=controls.hud_visible and panes > 1,
            banner_visible=bool(self._caption),
        )

    @property
    def _caption(self) -> str:
        """What a record says at present."""
        replay = None if self._shown is None else self._shown.session.replay
        return "" if replay is None or replay.is_over else replay.caption

    def wanted_explanation(self, controls: Controls) -> Explain:
        """What the view shows of the next step, or all of it for the inspector."""
        if controls.panel_visible and controls.page == "inspector":
            return Explain.STEP
        return view_number(controls.view).explain

    def image(self, snapshot: Snapshot, controls: Controls, geometry: Geometry) -> np.ndarray:
        """The chosen view's."""
        is_page = controls.panel_visible and controls.page == "opinion"
        self._wants_opinion = is_page or view_number(controls.view).name == "opinion"
        self._controls = controls
        return self.panes.image(snapshot, controls, geometry.columns)

    def keep(self, image: np.ndarray, now_seconds: float) -> None:
        """Hold what is shown for clips; see `Face`."""
        self._clips.add(image, now_seconds)

    def fill(self, status: HudState) -> HudState:
        """How far the pane that is pointed at has healed, whether it rests, and what else goes on."""
        panes, seconds = self.panes, self._clips.elapsed_seconds
        is_replaying = self.shown.session.is_replaying
        replay = ("replay",) if is_replaying else ()
        loading = ("loading ...",) if self._next.is_loading else ()
        recording = () if seconds is None else (f"recording {duration_text(seconds)}",)
        return replace(
            status,
            healing=panes.pointed.healing,
            is_ruined=panes.pages[panes.number].is_ruined,
            is_at_rest=panes.pointed.is_at_rest,
            tells=(*loading, *replay, *status.tells, *recording, *panes.tells),
            is_changed=bool(panes.tells),
            is_replaying=is_replaying,
            has_tiles=panes.has_tiles(self._controls),
            selected=self._controls.tool,
            is_killing=self._controls.killing,
        )

    def brushes(self, geometry: Geometry, controls: Controls) -> tuple[Brush, ...]:
        """The mouse's and the keyboard's, unless the help is open or a record acts in place of hands."""
        if controls.help_visible or self._shown is None or self._shown.session.is_replaying:
            return ()
        return self._hands.brushes(geometry, controls, self.panes, self._now_seconds)

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
        now_seconds: float,
    ) -> None:
        """What a view tells, the panel, the buttons, and the hint of the one under the pointer."""
        self._now_seconds = now_seconds
        for message in self._clips.poll():
            (self.complain if message.is_error else self.inform)(message.text, now_seconds)
        self._draw_panes(surface, geometry, controls)
        if controls.panel_visible:
            self._draw_panel(surface, geometry, controls)
        replay = None if self._shown is None else self._shown.session.replay
        if geometry.banner_height and replay is not None:
            note = f"{replay.captions} of {replay.record.captions}"
            draw_banner(surface, geometry, replay.caption, note)
        buttons = self.buttons(geometry, controls)
        self._buttons.draw(surface, buttons, self._hands.pointer)
        if (told := self.message(now_seconds)) is not None:
            self._hud.draw_message(surface, geometry, told)
        taken = [button.rectangle for button in buttons]
        focused, font = self._hands.focused(geometry, controls), letters_of(round(1.2 * geometry.text_height))
        if focused is not None:
            draw_focus(surface, focused.rectangle)
            place = draw_tooltip(surface, font, focused.hint, focused.rectangle, taken)
            taken += [place] if place else []
        hovered = self._rested_on(buttons)
        if hovered is not None:
            draw_tooltip(surface, font, hovered.hint, hovered.rectangle, taken)

    def _draw_panes(self, surface: pygame.Surface, geometry: Geometry, controls: Controls) -> None:
        """What is written about each picture, and about the view of the one that is pointed at."""
        panes, placed = self.panes, self.panes.placed(geometry, controls)
        views = panes.views(controls)
        with _clipped(surface, geometry.picture_rectangle):  # What is behind words has no labels.
            for number, view in enumerate(views):
                self._view_screen.draw_labels(surface, placed.pane(number), view)
        if views:
            name = view_number(controls.view).name
            self._view_screen.draw_caption(surface, geometry, name, views[panes.number])
        if geometry.figures_height:
            for number, (pane, page) in enumerate(zip(panes.instruments, panes.pages, strict=True)):
                draw_figures(
                    surface,
                    placed.pane(number),
                    pane.name,
                    pane.healing,
                    is_ruined=page.is_ruined,
                    is_chosen=number == panes.number,
                )

    def _draw_panel(self, surface: pygame.Surface, geometry: Geometry, controls: Controls) -> None:
        """The open page, and on the picture the cell that it tells of."""
        panes, hands = self.panes, self._hands
        scene = panes.pointed.scene(controls.tile)
        if scene is None:
            return
        cell = controls.pinned_cell
        if cell is None or not geometry.contains(cell):
            cell = hands.pointed_cell(geometry, controls, panes)
        hands.inspected = cell or hands.inspected
        shown = PanelScene(
            scene,
            controls,
            cell,
            self._now_seconds,
            hands.pointer,
            geometry.text_height,
            panes.pointed,
            panes.experiments,
        )
        self._panel.draw(surface, geometry, shown)
        if cell is not None and panes.placed(geometry, controls).image_size == geometry.image_size:
            of_pane = geometry.pane(panes.number)
            side = of_pane.cell_pixels
            left, top, _, _ = of_pane.cell_rectangle((cell[0] - 1, cell[1] - 1))
            with _clipped(surface, geometry.picture_rectangle):
                draw_focus(surface, of_pane.cell_rectangle(cell))
                draw_focus(surface, (left, top, 3 * side, 3 * side))

    def _rested_on(self, buttons: Sequence[Button]) -> Button | None:
        """The button that the pointer has rested on for so long that its hint is shown."""
        pointer, now_seconds = self._hands.pointer, self._now_seconds
        over = None
        if pointer is not None:
            over = next((button for button in buttons if button.action and button.contains(pointer)), None)
        if over is None or not over.hint:
            self._hovered = None
            return None
        if self._hovered is None or self._hovered[0] != over.rectangle:
            self._hovered = (over.rectangle, now_seconds)
        return over if now_seconds - self._hovered[1] >= TOOLTIP_SECONDS else None


@contextlib.contextmanager
def _clipped(surface: pygame.Surface, rectangle: Rectangle) -> Iterator[None]:
    """Draw inside a rectangle alone."""
    clip = surface.get_clip()
    surface.set_clip(pygame.Rect(rectangle).clip(clip))
    try:
        yield
    finally:
        surface.set_clip(clip)


def clipboard_text() -> str:
    """The text on the clipboard, as far as pygame knows it; nothing where there is none."""
    with contextlib.suppress(pygame.error):
        get_text = getattr(pygame.scrap, "get_text", None)  # pygame-ce's; the older way is on its way out.
        if get_text is not None:
            return str(get_text())
        if not pygame.scrap.get_init():
            pygame.scrap.init()
        content = pygame.scrap.get("text/plain;charset=utf-8")
        return (content or b"").decode("utf-8", "replace").rstrip("\0")
    return ""
