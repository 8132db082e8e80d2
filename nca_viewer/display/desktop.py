"""A person's own window: picture, status bar with buttons, views, and the panel beside the picture."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pygame

from nca_viewer.assets import next_bundled
from nca_viewer.atomic_files import free_path
from nca_viewer.automaton.explanation import Explain
from nca_viewer.display import capture
from nca_viewer.display.buttons import Button, ButtonRow, draw_focus, draw_tooltip
from nca_viewer.display.clips import ClipRecorder, duration_text
from nca_viewer.display.face import Size
from nca_viewer.display.frame import Brush
from nca_viewer.display.hud import Hud, HudState, Message
from nca_viewer.display.letters import Letters, letters_of
from nca_viewer.display.pages import ChartsPage, ExperimentsPage, InspectorPage, MorePage, OpinionPage
from nca_viewer.display.panel import Panel, PanelScene
from nca_viewer.display.view_screen import ViewScreen, draw_banner, draw_figures, tile_targets
from nca_viewer.errors import ConfigError, UserError, unexpected_message
from nca_viewer.healing import Healing, follow_healing
from nca_viewer.instrument import Instrument
from nca_viewer.interaction.actions import (
    Action,
    BeforeDamage,
    BeginWith,
    Cell,
    Dismiss,
    FocusButton,
    KillStroke,
    LetGo,
    MoveCursor,
    NextModel,
    NextTile,
    Nothing,
    PastePicture,
    PinCell,
    PressFocused,
    Redo,
    SaveChart,
    SaveClip,
    SeekTick,
    ShowPage,
    ShowTile,
    ShowView,
    StepBack,
    StepOnce,
    Stroke,
    ToggleRecording,
    Undo,
    UseCursor,
)
from nca_viewer.interaction.controls import Controls
from nca_viewer.interaction.geometry import MARGIN_PIXELS, Geometry, Rectangle
from nca_viewer.interaction.input import Input
from nca_viewer.interaction.pointers import Target
from nca_viewer.loading import BackgroundLoading, Loading, Session, load_beside, succeeded
from nca_viewer.own_starts import OwnStarts
from nca_viewer.panes import Panes
from nca_viewer.recording.lines import Caption, Inspect
from nca_viewer.ruin import Page, follow_page
from nca_viewer.series import write_csv
from nca_viewer.timeline import Timeline
from nca_viewer.video_files import has_encoder
from nca_viewer.views import VIEW_NAMES, view_number
from nca_viewer.views.mosaic import PANE_GAP_CELLS, beside, picture
from nca_viewer.views.scene import Scene, ViewImage
from nca_viewer.watching import Refusal

if TYPE_CHECKING:
    from pygame.event import Event as PygameEvent

    from nca_viewer.recording.lines import Cue
    from nca_viewer.snapshot import Snapshot

TOOLTIP_SECONDS = 0.5
"""The pointer rests on a button for this long before its hint is shown."""

CURSOR_SECONDS = 10.0
"""The keyboard's brush is seen for this long after its last use."""


@dataclass(frozen=True, eq=False, slots=True)
class _SeenView:
    """The image of a view for each pane, and what they were made of."""

    key: tuple[object, ...]
    scenes: tuple[Scene, ...]
    images: tuple[ViewImage, ...]
    _wholes: dict[int, ViewImage] = field(default_factory=dict)

    def whole(self, pane: int) -> ViewImage:
        """All of them in one, with the words of one pane; put together once."""
        if len(self.images) == 1:
            return self.images[0]
        if pane not in self._wholes:
            self._wholes[pane] = self._put_together(pane)
        return self._wholes[pane]

    def _put_together(self, pane: int) -> ViewImage:
        image, lefts = beside([view.image for view in self.images])
        tiles = [
            replace(tile, left=tile.left + left)
            for view, left in zip(self.images, lefts, strict=True)
            for tile in view.tiles
        ]
        return replace(self.images[pane], image=image, tiles=tuple(tiles))


@dataclass(eq=False, slots=True)
class _Pane:
    """What is followed of one automaton.

    Attributes:
        name: Of its checkpoint.
        instrument: What the views, the inspector and the charts need.
        healing: Of its last damage.
        page: What has become of its page.
    """

    name: str
    instrument: Instrument
    healing: Healing | None = None
    page: Page | None = None


class DesktopFace:
    """A person's own window: a status bar with buttons, views, a panel, a help screen, and messages."""

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
        self._input = source
        self._hud = hud
        self._folder = folder
        self._margin_pixels = MARGIN_PIXELS if has_margin else 0
        self._is_still = is_still
        self._message: Message | None = None
        self._session: Session | None = None
        self._own_starts = OwnStarts(as_is=start_as_is)
        self._panes: tuple[_Pane, ...] = ()
        self._pane = 0
        self._pane_picture: tuple[Snapshot, np.ndarray] | None = None
        self._load = load
        self._loading: tuple[Loading, int, Session] | None = None
        self._queued: list[Action] = []
        self._told: set[str] = set()
        self._caption, self._captions, self._caption_count = "", 0, 0
        self._wants_opinion = False
        self._view_name = VIEW_NAMES[0]
        self._buttons = ButtonRow()
        self._view_screen = ViewScreen()
        self._clips = ClipRecorder(folder, suffix=".mp4" if has_encoder() else ".gif")
        self._panel = Panel(
            {
                "inspector": InspectorPage(),
                "charts": ChartsPage(),
                "opinion": OpinionPage(),
                "experiments": ExperimentsPage(),
                "more": MorePage(),
            }
        )
        self._view: _SeenView | None = None
        self._cursor: Cell | None = None
        self._cursor_seconds = float("-inf")
        self._inspected: Cell | None = None
        self._focus: int | None = None
        self._hovered: tuple[Rectangle, float] | None = None
        self._now_seconds = 0.0

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
            actions = self._input.read(events, geometry, now_seconds)
            if self._begin_own(events, is_pasted=PastePicture() in actions):
                self.inform("The picture is the start as soon as the automaton lives", now_seconds)
            return actions
        self._begin_own(events)
        geometry = self.geometry(window_size, grid_size, controls)
        actions = self._input.read(events, geometry, now_seconds, self._targets(geometry, controls))
        self._point(geometry, controls)
        actions.extend(self._panel.dragged(self._input, controls))
        if self._input.middle_clicked_cell is not None:
            actions.append(PinCell(self._input.middle_clicked_cell))
        actions, self._queued = [*self._queued, *actions], []
        return [
            meant
            for action in actions
            for meant in self._meant(action, geometry, controls, now_seconds)
            if not isinstance(meant, Nothing)
        ]

    def _point(self, geometry: Geometry, controls: Controls) -> None:
        """Choose the pane that is pointed at."""
        pixel = self._input.stroke_began or self._input.mouse_position
        if len(self._panes) < 2 or pixel is None:
            return
        rectangles = self._pane_rectangles(geometry, controls)
        for number, (left, top, width, height) in enumerate(rectangles):
            if left <= pixel[0] < left + width and top <= pixel[1] < top + height + geometry.figures_height:
                self._pane = number

    def _pane_rectangles(self, geometry: Geometry, controls: Controls) -> list[Rectangle]:
        """Where the picture of each pane is."""
        view = self._view_image(controls)
        if view is None or view.image.shape[:2] == geometry.image_size:
            return [geometry.pane(number).grid_rectangle for number in range(len(self._panes))]
        placed, (_, lefts) = geometry.of_image(*view.image.shape[:2]), beside(self._pane_images(controls))
        ends = (*(left - PANE_GAP_CELLS for left in lefts[1:]), view.image.shape[1])
        side, (_, top, _, height) = placed.cell_pixels, placed.grid_rectangle
        return [
            (placed.left + left * side, top, (end - left) * side, height)
            for left, end in zip(lefts, ends, strict=True)
        ]

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

    def _targets(self, geometry: Geometry, controls: Controls) -> list[Target]:
        """What a press does that does not paint: buttons first, and what lies behind them is no page."""
        words = (geometry.bar_rectangle, geometry.caption_rectangle, geometry.panel_rectangle)
        if controls.help_visible:
            return [Target(rectangle, Dismiss()) for rectangle in words]
        targets = [
            Target(button.rectangle, button.action)
            for button in self.buttons(geometry, controls)
            if button.action is not None
        ]
        view = self._mosaic(controls)
        if view is not None:
            targets += tile_targets(view, geometry)
            targets.append(Target((0, 0, geometry.window_width, geometry.window_height), Nothing()))
        return [*targets, *(Target(rectangle, Nothing()) for rectangle in words)]

    def buttons(self, geometry: Geometry, controls: Controls) -> list[Button]:
        """All that are seen, those of the status bar first."""
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
                if before is None or not self._input.is_held(UseCursor()):
                    return []
                stroke = Stroke(controls.tool, before, self._cursor)
                return self._meant(stroke, geometry, controls, now_seconds)
            case UseCursor():
                if self._cursor is None:
                    self._cursor = (geometry.grid_height // 2, geometry.grid_width // 2)
                self._cursor_seconds = now_seconds
                stroke = Stroke(controls.tool, self._cursor, self._cursor)
                return self._meant(stroke, geometry, controls, now_seconds)
            case Stroke() if self._mosaic(controls) is not None:
                return []  # No cell is where it is seen.
            case Stroke(_, start, end, radius) if controls.killing:
                size = controls.brush_radius_cells if radius is None else radius
                return [KillStroke(start, end, size)]
            case StepOnce() if self._panes and self._met().timeline.is_in_past:
                return [StepBack(-1)]
            case StepBack(steps) if steps < 0 and self._session is not None and self._session.is_replaying:
                return [StepOnce()] * -steps  # Ahead of a replay is what its record says.
            case PinCell(None):
                if controls.pinned_cell is not None:
                    return [PinCell(None)]
                # The pointer may be on the button that was pressed: the cell that it was on before is meant.
                return [PinCell(self._pointed_cell(geometry, controls) or self._inspected)]
            case NextTile(direction):
                views = self._pane_views(replace(controls, tile=None))
                count = len(views[self._pane].tiles) if views else 0
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
        return [button for button in self.buttons(geometry, controls) if button.action is not None]

    def _mosaic(self, controls: Controls) -> ViewImage | None:
        """What the chosen view shows, where that is several grids side by side."""
        view = self._view_image(controls)
        return view if view is not None and view.tiles else None

    def _pointed_cell(self, geometry: Geometry, controls: Controls) -> Cell | None:
        """The cell that the mouse or the keyboard's brush is on."""
        pointer, view = self._input.mouse_position, self._mosaic(controls)
        if pointer is not None:
            placed = geometry if view is None else geometry.of_image(*view.image.shape[:2])
            cell = placed.cell_at(pointer)
            found = view.cell_at(*cell) if view is not None else cell if geometry.contains(cell) else None
            if found is not None:
                return found
        return self._cursor if self._cursor is not None and geometry.contains(self._cursor) else None

    def act(self, action: Action, session: Session, now_seconds: float) -> None:
        """What concerns neither the controls nor the loop: the past."""
        if not self._panes:
            return
        match action:
            case PastePicture():
                self._own_starts.paste(clipboard_text())
            case BeginWith(image, text):
                session.take_over()
                session.simulation.begin(image, session.mask_ratio)
                self.inform(text, now_seconds, is_long=True)
            case NextModel():
                self._begin_next_model(session, now_seconds)
            case SaveClip():
                self._clips.save_last()
            case ToggleRecording() if self._clips.elapsed_seconds is None:
                self._clips.start()
            case ToggleRecording():
                self._clips.stop()
            case Undo():
                self._go(session, lambda timeline: timeline.undo())
            case Redo():
                self._go(session, lambda timeline: timeline.redo())
            case StepBack(steps):
                self._go(session, lambda timeline: timeline.seek(timeline.tick - steps))
            case SeekTick(tick):
                self._go(session, lambda timeline: timeline.seek(tick))
            case SaveChart():
                self._save_chart(now_seconds)
            case BeforeDamage():
                self._go(session, lambda timeline: timeline.to_before_last_damage())
            case _:
                try:
                    if self._met().experiment(action):
                        session.take_over()
                except ConfigError as error:
                    self.complain(str(error), now_seconds)

    def _go(self, session: Session, move: Callable[[Timeline], object]) -> None:
        """Move along the timeline, which is that of all panes."""
        session.take_over()
        self._met().go(move)
        for pane in self._panes:
            pane.instrument.note_move()

    def _begin_next_model(self, session: Session, now_seconds: float) -> None:
        """Load the next bundled checkpoint for the pane that is pointed at."""
        for is_so, what in (
            (session.recorder is not None, "recorded"),
            (session.is_replaying, "replayed"),
            (session.watcher is not None, "watched"),
        ):
            if is_so:
                self.complain(f"What is {what} is of one model; start the viewer without that", now_seconds)
                return
        if self._loading is not None:
            self.inform(f"Still {self._loading[0].stage}", now_seconds)
            return
        running = session.panes[self._pane] if session.panes else session
        name = next_bundled("" if running.origin is None else running.checkpoint)
        loading = self._load(lambda report: load_beside(name, session, report))
        self._loading = (loading, self._pane, session)
        self.inform(f"Loading {name}; meanwhile, what runs goes on", now_seconds)

    def _save_chart(self, now_seconds: float) -> None:
        try:
            capture.require_folder(self._folder)
            path = free_path(self._folder, f"{capture.dated_stem()}-chart", ".csv")
            write_csv(path, self._met().series)
        except UserError as error:
            self.complain(str(error), now_seconds)
        else:
            self.inform(f"Saved {os.path.abspath(path)}", now_seconds)

    def meet(self, session: Session) -> None:
        """Follow another automaton from now on."""
        self._session = session
        self._own_starts.serve(session.simulation.config)
        self._told.clear()
        self._caption, self._captions = "", 0
        self._caption_count = 0 if session.replay is None else session.replay.record.captions
        panes, simulation = session.panes or (session,), session.simulation
        timeline = Timeline(simulation)
        before = self._panes if len(self._panes) == len(panes) else ()
        self._panes = tuple(
            _Pane(
                pane.label,
                Instrument(simulation, pane.channel_names, config=pane.simulation.config, timeline=timeline),
            )
            for pane in panes
        )
        for old, new in zip(before, self._panes, strict=False):
            new.healing = old.healing  # A model that takes another's place has its damage.
        self._pane = min(self._pane, len(panes) - 1)
        self._view = None

    def reloaded(self) -> Session | None:
        """The session with the next model, once that is loaded; where it fails, what runs goes on."""
        if self._loading is None:
            return None
        loading, number, session = self._loading
        try:
            loaded = loading.poll()
            if loaded is None or not session.can_be_succeeded(loaded):
                return None
            self._loading = None
            following = succeeded(session, loaded, number)
        except Exception as error:  # Of any kind: what runs goes on.
            self._loading = None
            text = str(error) if isinstance(error, UserError) else unexpected_message(error)
            self.complain(text, self._now_seconds)
            return None
        sentence = "" if loaded.origin is None else f": {loaded.origin.sentence}"
        self.inform(f"{loaded.checkpoint}{sentence}", self._now_seconds, is_long=True)
        return following

    # ------------------------------------------------------------------------------ what is seen

    def geometry(self, window_size: Size, grid_size: Size, controls: Controls) -> Geometry:
        """The grids above the status bar and beside the panel."""
        return Geometry.fit(
            window_size,
            grid_size,
            bar_visible=controls.hud_visible,
            margin_pixels=self._margin_pixels,
            caption_visible=controls.hud_visible and controls.view != 0,
            panel_visible=controls.panel_visible,
            panes=max(1, len(self._panes)),
            figures_visible=controls.hud_visible and len(self._panes) > 1,
            banner_visible=bool(self._caption),
        )

    def wanted_explanation(self, controls: Controls) -> Explain:
        """What the view shows of the next step, or all of it for the inspector."""
        if controls.panel_visible and controls.page == "inspector":
            return Explain.STEP
        return view_number(controls.view).explain

    def see(
        self,
        snapshot: Snapshot,
        healing: Healing | None,
        *,
        touched: np.ndarray | None,
        now_seconds: float,
    ) -> None:
        """Follow it with the instrument, and look after what works in the background."""
        self._look_after(now_seconds)
        is_touched = touched is not None
        for number, (pane, seen) in enumerate(zip(self._panes, snapshot.panes or (snapshot,), strict=True)):
            if number == 0:
                pane.healing = healing
            else:
                pane.healing = pane.instrument.recall(seen) or follow_healing(
                    pane.healing, seen, is_touched=is_touched, now_seconds=now_seconds
                )
            if len(self._panes) > 1:
                pane.page = follow_page(pane.page, seen, is_touched=is_touched)
            pane.instrument.see(
                seen,
                pane.healing,
                touched=touched,
                now_seconds=now_seconds,
                view="opinion" if self._wants_opinion else self._view_name,
                is_stroke_held=self._input.is_pressed or self._input.is_held(UseCursor()),
            )

    def _look_after(self, now_seconds: float) -> None:
        """Tell of what a record, a replay, a training run and dropped pictures came to."""
        session = self._session
        if session is None:
            return
        found = self._own_starts.poll()
        if isinstance(found, UserError):
            self.complain(str(found), now_seconds)
        elif found is not None:
            self._queued.append(BeginWith(found.image, found.text))
        news = None if session.watcher is None else session.watcher.poll()
        if isinstance(news, Refusal):
            self.complain(news.text, now_seconds)
        elif news is not None:
            try:
                assert not isinstance(session.simulation, Panes), "a run is watched alone"
                session.simulation.swap_parameters(news.model)
            except UserError as error:
                self.complain(str(error), now_seconds)
            else:
                self._met().begin_anew()
                self.inform(news.text, now_seconds, is_long=True)
        if session.recorder is not None and session.recorder.trouble:
            self._tell_once(session.recorder.trouble, now_seconds)
        replay = session.replay
        if replay is not None and replay.is_over:
            replay.finish()
        if replay is not None and replay.difference is not None:
            self._tell_once(str(replay.difference), now_seconds)
        elif replay is not None and replay.is_over:
            self._caption = ""
            compared = f"{replay.checks} states compared, all as recorded"
            text = f"That was all: {compared}; now it is yours"
            if not replay.is_complete:
                text = f"The replay has ended before its end, for hands took over: {compared}"
            self._tell_once(text, now_seconds, is_fault=False)

    def _tell_once(self, text: str, now_seconds: float, *, is_fault: bool = True) -> None:
        if text not in self._told:
            self._told.add(text)
            (self.complain if is_fault else self.inform)(text, now_seconds)

    def follow(self, cues: Sequence[Cue], now_seconds: float) -> None:
        """Captions are shown, and views and cells as if chosen by hand."""
        for cue in cues:
            match cue:
                case Caption(text):
                    self._caption = text
                    self._captions += 1
                case ShowView():
                    self._queued.append(cue)
                case Inspect(cell):
                    self._queued += [ShowPage("inspector")] if cell is not None else []
                    self._queued.append(PinCell(cell) if cell is not None else LetGo())

    def image(self, snapshot: Snapshot, controls: Controls) -> np.ndarray:
        """The chosen view's."""
        is_page = controls.panel_visible and controls.page == "opinion"
        self._wants_opinion = is_page or view_number(controls.view).name == "opinion"
        self._view_name = view_number(controls.view).name
        view = self._view_image(controls)
        if view is not None:
            return view.image
        if self._pane_picture is None or self._pane_picture[0] is not snapshot:
            self._pane_picture = (snapshot, picture(snapshot))
        return self._pane_picture[1]

    def close(self) -> list[str]:
        """Finish what is being written; returns what there is to say of it."""
        if self._session is not None and self._session.watcher is not None:
            self._session.watcher.close()
        return [message.text for message in self._clips.close()]

    def keep(self, image: np.ndarray, now_seconds: float) -> None:
        """Hold what is shown for clips; see `Face`."""
        self._clips.add(image, now_seconds)

    def recall(self, snapshot: Snapshot) -> Healing | None:
        """As it was in the past, after going back to it; see `Face`."""
        return self._panes[0].instrument.recall(snapshot) if self._panes else None

    def _met(self) -> Instrument:
        """That of the pane that is pointed at."""
        assert self._panes, "an automaton is met before it is seen"
        return self._panes[self._pane].instrument

    def scene(self, controls: Controls) -> Scene | None:
        """All that a view may show; None before the first snapshot."""
        return self._met().scene(controls.tile) if self._panes else None

    def _view_image(self, controls: Controls) -> ViewImage | None:
        """What the chosen view shows, of all panes; None while nothing was seen, and for the image alone."""
        views = self._pane_views(controls)
        if not views or self._view is None:
            return None
        return self._view.whole(self._pane)

    def _pane_images(self, controls: Controls) -> list[np.ndarray]:
        return [view.image for view in self._pane_views(controls)]

    def _pane_views(self, controls: Controls) -> tuple[ViewImage, ...]:
        """What the chosen view shows of each pane; none while nothing was seen, and for the image alone."""
        scenes = [pane.instrument.scene(controls.tile) for pane in self._panes]
        seen = tuple(scene for scene in scenes if scene is not None)
        if not seen or len(seen) < len(scenes) or controls.view == 0:
            return ()
        key = (*map(id, seen), controls.view, controls.tile)
        if self._view is None or self._view.key != key:
            self._view = _SeenView(key, seen, tuple(map(view_number(controls.view).draw, seen)))
        return self._view.images

    def fill(self, status: HudState) -> HudState:
        """Whether the image rests, and what else goes on."""
        if not self._panes:
            return status
        pane = self._panes[self._pane]
        tells = pane.instrument.tells
        seconds = self._clips.elapsed_seconds
        if seconds is not None:
            tells = (f"recording {duration_text(seconds)}", *tells)
        if len(self._panes) > 1 and pane.page is not None:
            status = replace(status, healing=pane.healing, is_ruined=pane.page.is_ruined)
        return replace(status, is_at_rest=pane.instrument.is_at_rest, tells=(*status.tells, *tells))

    def brushes(self, geometry: Geometry, controls: Controls) -> tuple[Brush, ...]:
        """The mouse's and the keyboard's, unless the help is open or a record acts in place of hands."""
        if controls.help_visible or (self._session is not None and self._session.is_replaying):
            return ()
        brushes = []
        pointer = self._input.mouse_position
        if pointer is not None and not self._is_over_words(pointer, geometry, controls):
            tool = self._input.brush_tool(controls.tool)
            brushes.append(Brush(geometry.cell_at(pointer), controls.brush_radius_cells, tool))
        if self._cursor is not None and self._now_seconds - self._cursor_seconds < CURSOR_SECONDS:
            brushes.append(Brush(self._cursor, controls.brush_radius_cells, controls.tool))
        return tuple(brushes)

    def _is_over_words(self, pixel: tuple[int, int], geometry: Geometry, controls: Controls) -> bool:
        return any(target.contains(pixel) for target in self._targets(geometry, controls))

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
        scene = self.scene(controls)
        view, pointer = self._view_image(controls), self._input.mouse_position
        if view is not None:
            self._view_screen.draw(surface, geometry, view_number(controls.view).name, view)
        if geometry.figures_height:
            rectangles = self._pane_rectangles(geometry, controls)
            for number, (pane, rectangle) in enumerate(zip(self._panes, rectangles, strict=True)):
                draw_figures(
                    surface, geometry, rectangle, pane.name, pane.healing, is_chosen=number == self._pane
                )
        if scene is not None and controls.panel_visible:
            pinned = controls.pinned_cell
            if pinned is not None and not geometry.contains(pinned):
                pinned = None
            cell = self._pointed_cell(geometry, controls) if pinned is None else pinned
            self._inspected = cell or self._inspected
            shown = PanelScene(scene, controls, cell, now_seconds, pointer, geometry.text_height, self._met())
            self._panel.draw(surface, geometry, shown)
            if cell is not None and (view is None or not view.tiles):
                of_pane = geometry.pane(self._pane)
                draw_focus(surface, of_pane.cell_rectangle(cell))
                side = of_pane.cell_pixels
                left, top, _, _ = of_pane.cell_rectangle((cell[0] - 1, cell[1] - 1))
                draw_focus(surface, (left, top, 3 * side, 3 * side))
        if geometry.banner_height:
            draw_banner(surface, geometry, self._caption, f"{self._captions} of {self._caption_count}")
        buttons = self.buttons(geometry, controls)
        self._buttons.draw(surface, buttons, pointer)
        pressable = [button for button in buttons if button.action is not None]
        if self._focus is not None and pressable:
            focused = pressable[self._focus % len(pressable)]
            draw_focus(surface, focused.rectangle)
            draw_tooltip(surface, self._letters(geometry), focused.hint, focused.rectangle)
        self._draw_tooltip(surface, geometry, pressable, now_seconds)

    def _draw_tooltip(
        self, surface: pygame.Surface, geometry: Geometry, buttons: Sequence[Button], now_seconds: float
    ) -> None:
        pointer = self._input.mouse_position
        over = None
        if pointer is not None:
            over = next((button for button in buttons if button.contains(pointer)), None)
        if over is None or not over.hint:
            self._hovered = None
            return
        if self._hovered is None or self._hovered[0] != over.rectangle:
            self._hovered = (over.rectangle, now_seconds)
        if now_seconds - self._hovered[1] >= TOOLTIP_SECONDS:
            draw_tooltip(surface, self._letters(geometry), over.hint, over.rectangle)

    @staticmethod
    def _letters(geometry: Geometry) -> Letters:
        return letters_of(round(1.2 * geometry.text_height))

    # ------------------------------------------------------------------------------ messages

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
