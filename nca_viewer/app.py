"""The loop: events, controls, simulation, picture, window; once a frame, and in this order."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nca_viewer.atomic_files import free_path
from nca_viewer.display import capture
from nca_viewer.display.face import Face
from nca_viewer.display.frame import Frame
from nca_viewer.display.hud import HudState, Message
from nca_viewer.display.transitions import Transitions
from nca_viewer.display.window import WakingWindow
from nca_viewer.errors import DEBUG_VARIABLE, BackendError, UserError
from nca_viewer.frame_pipeline import FramePipeline
from nca_viewer.frame_report import FrameListener, FrameReport
from nca_viewer.health import expects_change
from nca_viewer.interaction.actions import (
    Action,
    Clear,
    Dismiss,
    NewDigit,
    Quit,
    Reset,
    RunOn,
    Screenshot,
    StepBack,
    StepOnce,
    Stroke,
    ToggleFullscreen,
    ToggleHelp,
    TogglePause,
    Tool,
)
from nca_viewer.interaction.controls import SPEEDS, Controls, update
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.input import Input
from nca_viewer.interaction.pen_stroke import PenStroke
from nca_viewer.interaction.strokes import stroke_region
from nca_viewer.loading import Loading, Session
from nca_viewer.pacing import VISIBLE_TEMPO, FrameClock, RateMeter
from nca_viewer.remedies import Repairs, recover
from nca_viewer.replaying import Player
from nca_viewer.ruin import Page, follow_page
from nca_viewer.snapshot import Snapshot
from nca_viewer.viewer_config import ViewerConfig
from nca_viewer.views import VIEW_NAMES
from nca_viewer.views.mosaic import picture

if TYPE_CHECKING:
    import numpy as np

    from nca_viewer.panes import Panes
    from nca_viewer.simulation import Simulation

_WAITING_FRAMES_PER_SECOND = 30
"""Fewer than when it lives: importing and compiling want the processor."""

MAX_FAILURES = 5
"""After so many frames in a row that failed unexpectedly, the program ends; in an exhibit the monitor
decides."""

_WHILE_LOADING = (Quit, Dismiss, ToggleHelp, ToggleFullscreen)


class App:
    """The viewer, from the first frame to the last; `launch.open_app` puts one together.

    Attributes:
        window: Where frames go and events come from.
        face: What differs between a person's own window and a public place.
        controls: What is set by hand.
        session: What runs; None while it is loading.
        snapshot: The last healthy one; None until there is one.
        frames: Shown so far, without those of the waiting screen.
    """

    def __init__(
        self,
        window: WakingWindow,
        loading: Loading,
        face: Face,
        config: ViewerConfig,
        *,
        source: Input,
        controls: Controls,
        frame: Frame,
        transitions: Transitions,
        listener: FrameListener,
        screenshot_folder: Path,
        on_snapshot: Callable[[Snapshot, np.ndarray], None] | None = None,
    ) -> None:
        """Show nothing yet.

        Args:
            window: Where frames go and events come from.
            loading: What becomes the session.
            face: What differs between a person's own window and a public place.
            config: The options.
            source: Turns events into actions; the face reads it.
            controls: To begin with.
            frame: Draws frames.
            transitions: What the picture of the cells passes on its way to the screen.
            listener: Hears of every frame, and says when something must be done.
            screenshot_folder: Where screenshots go.
            on_snapshot: Called with every new snapshot and its image, before it is drawn.
        """
        self.window = window
        self.face = face
        self.controls = controls
        self.session: Session | None = None
        self.snapshot: Snapshot | None = None
        self.frames = 0
        self._loading = loading
        self._config = config
        self._input = source
        self._frame = frame
        self._transitions = transitions
        self._listener = listener
        self._folder = screenshot_folder
        self._on_snapshot = on_snapshot
        self._pipeline = FramePipeline(window.now_seconds)
        self._pen = PenStroke()
        self._player = Player(face, has_readers=window.has_real_time)
        self._repairs = Repairs(face)
        self._expects_change = False
        self._frame_rate = RateMeter()
        self._frame_clock = FrameClock(
            window.now_seconds(), 1.0 / min(config.frames_per_second, _WAITING_FRAMES_PER_SECOND)
        )
        self._elapsed_seconds = self._frame_clock.frame_seconds
        self._wants_screenshot = False
        self._is_told_to_quit = False
        self._failures = 0
        self._pages: tuple[Page | None, ...] = ()

    def run(self) -> None:
        """Run until somebody quits, or the frames are used up.

        Raises:
            UserError: the session could not be loaded, the screen went away, or nothing helps but a restart.
        """
        while not self.is_over:
            self.frame()
        if self.session is not None and self._on_snapshot is not None:
            # The steps dispatched in the last frame belong to the run, although no frame shows them.
            self._see(self.session.simulation.request_snapshot().result())

    @property
    def is_over(self) -> bool:
        """Whether somebody quit, or the frames are used up."""
        limit = self._config.frames
        return self._is_told_to_quit or self.controls.quitting or (limit is not None and self.frames >= limit)

    @property
    def message(self) -> Message | None:
        """What the status bar tells now."""
        return self.face.message(self.window.now_seconds())

    def quit(self) -> None:
        """End with this frame; safe to call from a signal handler."""
        self._is_told_to_quit = True

    def frame(self) -> None:
        """One frame: of the waiting screen, or of the living automaton.

        Raises:
            UserError: the session could not be loaded, the screen went away, or nothing helps but a restart.
        """
        session = self.session or self._loading.poll()
        if session is None:
            self._waiting_frame()
            self._listener.starting(self.window.now_seconds(), self._loading.stage)
            return
        if self.session is None:
            if session.note:
                self.face.inform(session.note, self.window.now_seconds(), is_long=True)
            self._frame_clock = FrameClock(self.window.now_seconds(), 1.0 / self._config.frames_per_second)
            self._elapsed_seconds = self._frame_clock.frame_seconds
        session = self._reloaded() or session
        if session is not self.session:
            self.face.meet(session)
        self.session = session
        self._guarded_frame(self.session)
        self.frames += 1

    # ------------------------------------------------------------------------------ one frame

    def _waiting_frame(self) -> None:
        self.window.wait_until(self._frame_clock.begin_seconds)
        began = self.window.now_seconds()
        for action in self._actions(None, began):
            if isinstance(action, _WHILE_LOADING):
                self.controls = update(self.controls, action)
        self._follow_fullscreen()
        self.face.draw_waiting(self.window.surface, self.controls, self._loading.stage, began)
        self._present(began)

    def _guarded_frame(self, session: Session) -> None:
        """One frame of the living automaton, whatever goes wrong in it."""
        seen, error = None, ""
        try:
            seen, error = self._living_frame(session)
            self._failures = 0
        except UserError:
            raise
        except Exception as problem:
            self._failures += 1
            is_hopeless = self._failures >= MAX_FAILURES and not self._listener.acts_alone
            if is_hopeless or os.environ.get(DEBUG_VARIABLE):
                raise
            error = self._listener.unexpected(problem, self.window.now_seconds())
            self._pipeline.drop()
            # It may have broken off before it could wait for its time.
            self.window.wait_until(self.window.now_seconds() + self._frame_clock.frame_seconds)
        self._guard_health(session, seen or self.snapshot, error)
        self._save_screenshot(session)

    def _living_frame(self, session: Session) -> tuple[Snapshot | None, str]:
        """One frame; the steps that it shows were dispatched in the one before.

        What a hand does comes after those steps, so that it is seen in this frame and just as it was done.

        Returns:
            What the device sent, None where it is still at work; and what went wrong, or nothing.
        """
        simulation, pipeline = session.simulation, self._pipeline
        self.window.wait_until(self._frame_clock.begin_seconds)
        began = self.window.now_seconds()
        self._pen.begin_frame()
        self._pen.note(self._player.take_touched())
        self._expects_change = False
        seen, error = None, ""
        try:
            pipeline.begin_frame(simulation, has_real_time=self.window.has_real_time)
            self._read(session)
            pipeline.ask(
                simulation,
                began_seconds=began,
                steps_per_frame=self._steps_per_frame(session, simulation.step) if self._is_running else 0.0,
                elapsed_seconds=self._elapsed_seconds,
                frame_seconds=self._frame_clock.frame_seconds,
                explain=self.face.wanted_explanation(self.controls),
                advance=self._player.advancing(session, began),
            )
            seen = pipeline.collect()
        except BackendError as problem:
            error = str(problem)
            pipeline.drop()
        if seen is not None:
            self._see(seen)
        if self.snapshot is not None:
            self._draw(session, self.snapshot, began)
        pipeline.measure(self._frame_clock)
        self._present(began)
        return seen, error

    def _read(self, session: Session) -> None:
        """What hands did since the last frame; what they do while the device is late is held."""
        for action in self._pipeline.released():
            self._act(session, action)
        for action in self._actions(session.simulation, self.window.now_seconds()):
            self.controls = update(self.controls, action)
            if not self._pipeline.is_waiting:
                self._act(session, action)
            elif isinstance(action, Stroke):  # With the tool that it has now.
                self._pipeline.hold(replace(action, tool=action.tool or self.controls.tool))
            else:
                self._pipeline.hold(action)
        self._finish_stroke(session.simulation)
        self._follow_fullscreen()

    def _actions(self, simulation: Simulation | Panes | None, now_seconds: float) -> list[Action]:
        """What this frame's events do, and in an exhibit what it does of itself."""
        events = self.window.events()
        size = self.window.surface.get_size()
        grid = None if simulation is None else (simulation.config.height, simulation.config.width)
        actions = self.face.read(events, size, grid, self.controls, now_seconds)
        if self._input.is_visitor_acting:
            self.window.wake()
        if self.face.lit_seconds:
            self.window.wake(self.face.lit_seconds)
        return actions

    def _present(self, began_seconds: float) -> None:
        """Show what was drawn, when it is due."""
        work_seconds = self.window.now_seconds() - began_seconds
        self.window.wait_until(self._frame_clock.due_seconds)
        self.window.present()
        now = self.window.now_seconds()
        self._frame_rate.count(now, 1)
        before, self._frame_clock = (
            self._frame_clock,
            self._frame_clock.after(now_seconds=now, work_seconds=work_seconds),
        )
        self._elapsed_seconds = self._frame_clock.due_seconds - before.due_seconds

    @property
    def _is_running(self) -> bool:
        """Whether time passes for the automaton; it sleeps while the screen is dark."""
        return not (self.controls.paused or self.window.is_dark)

    def _steps_per_frame(self, session: Session, step: int) -> float:
        """How fast time passes for the automaton, so many steps from its start, while it passes."""
        speed = float(self.controls.effective_speed)
        if not self.controls.has_tempo:
            return speed
        page = self._pages[0] if self._pages else None
        hand_step = 0 if page is None else min(page.hand_step, step)
        steps_per_second = speed * VISIBLE_TEMPO.steps_per_second(step, hand_step, session.silent_steps)
        return min(steps_per_second / self._config.frames_per_second, float(SPEEDS[-1]))

    # ------------------------------------------------------------------------------ actions on the cells

    def _act(self, session: Session, action: Action) -> None:
        """What an action does to the cells."""
        simulation = session.simulation
        if isinstance(action, Stroke):
            config = simulation.config
            radius = action.radius_cells
            if radius is None:
                radius = self.controls.brush_radius_cells
            region = stroke_region(action.start, action.end, radius, config.height, config.width)
            if region.any():
                session.take_over()
                self._pen.add(action.tool or self.controls.tool, region, self._edit(simulation))
            return
        self._finish_stroke(simulation)
        if isinstance(action, Reset | NewDigit | Clear):
            session.take_over()
        if isinstance(action, StepOnce | StepBack | TogglePause | RunOn):
            self._player.end_pause()
        match action:
            case StepOnce():
                self._player.step_once(session, self.window.now_seconds())
            case StepBack(steps) if steps < 0 and session.is_replaying:
                for _ in range(-steps):  # Ahead of a replay is what its record says.
                    self._player.step_once(session, self.window.now_seconds())
            case Reset():
                simulation.reset()
            case NewDigit(digit):
                session.begin_digit(digit)
            case Clear():
                simulation.begin(session.start_images.blank(), 0.0)
            case Screenshot():
                self._wants_screenshot = True
            case _:
                self.face.act(action, session, self.window.now_seconds())

    def _finish_stroke(self, simulation: Simulation | Panes) -> None:
        self._pen.finish(self._edit(simulation))

    def _edit(self, simulation: Simulation | Panes) -> Callable[[Tool, np.ndarray], None]:
        def apply(tool: Tool, region: np.ndarray) -> None:
            if self.snapshot is not None and expects_change(tool, region, self.snapshot.image):
                self._expects_change = True
            simulation.apply(tool, region)

        return apply

    # ------------------------------------------------------------------------------ what is seen

    def _see(self, snapshot: Snapshot) -> None:
        if not snapshot.is_healthy and self.snapshot is not None:
            return  # What blew up is not shown; the picture before it stays.
        self.snapshot = snapshot
        is_demo = self.session is not None and self.session.own is not None
        if self._on_snapshot is not None and not is_demo:
            self._on_snapshot(snapshot, picture(snapshot))

    def _geometry(self, simulation: Simulation | Panes) -> Geometry:
        config = simulation.config
        return self.face.geometry(
            self.window.surface.get_size(), (config.height, config.width), self.controls
        )

    def _draw(self, session: Session, snapshot: Snapshot, now_seconds: float) -> None:
        controls, touched = self.controls, self._pen.touched
        panes = snapshot.panes or (snapshot,)
        pages = tuple(
            follow_page(page, pane, is_touched=touched is not None)
            for page, pane in zip(self._pages or (None,) * len(panes), panes, strict=True)
        )
        self._pages = pages
        self.face.see(snapshot, pages, touched=touched, now_seconds=now_seconds)
        geometry = self._geometry(session.simulation)
        image = self.face.image(snapshot, controls, geometry)
        is_aligned = image.shape[:2] == geometry.image_size
        if is_aligned:
            image = self._transitions.show(
                image,
                episode=snapshot.episode,
                step=snapshot.step,
                view=controls.view,
                now_seconds=now_seconds,
                geometry=geometry,
                touched=geometry.on_image(touched),
                fraction=self._pipeline.fraction if self.window.has_real_time else 1.0,
            )
        self.face.keep(image, now_seconds)
        status = HudState(
            paused=controls.paused,
            step=snapshot.step,
            steps_per_second=self._pipeline.step_rate.per_second,
            frames_per_second=self._frame_rate.per_second,
            speed=controls.effective_speed,
            has_tempo=controls.has_tempo,
            is_limited=self._pipeline.is_limited and not controls.paused,
            tool=self._input.brush_tool(controls.tool),
            brush_radius_cells=controls.brush_radius_cells,
            view=VIEW_NAMES[controls.view],
            message=self.face.message(now_seconds),
            is_ruined=pages[0].is_ruined,
            tells=(
                *(("slow motion",) if controls.slow_motion else ()),
                *(("the brush kills cells",) if controls.killing else ()),
            ),
        )
        help_footer = f"{session.origin.sentence}\n{session.footer}" if session.origin else session.footer
        self._frame.draw(
            self.window.surface,
            image,
            geometry,
            self.face.fill(status),
            brushes=self.face.brushes(geometry, controls) if is_aligned else (),
            grid_visible=controls.grid_visible and is_aligned,
        )
        self.face.draw_over(
            self.window.surface,
            geometry,
            controls,
            self._lines(session, status),
            is_ruined=status.is_ruined,
            now_seconds=now_seconds,
        )
        if controls.help_visible:
            self._frame.hud.draw_help(self.window.surface, geometry, help_footer)

    def _lines(self, session: Session, status: HudState) -> list[tuple[str, bool]]:
        """What there is to tell of the program, and which of it is a fault."""
        rates = f"{status.steps_per_second:.0f} steps/s  ·  {status.frames_per_second:.0f} frames/s"
        return [
            (session.footer, False),
            (f"step {status.step:,}  ·  {rates}", False),
            *((trouble, True) for trouble in self._listener.troubles),
        ]

    def _save_screenshot(self, session: Session) -> None:
        if not self._wants_screenshot or self.snapshot is None:
            return
        self._wants_screenshot = False
        snapshot, simulation = self.snapshot, session.simulation
        stem = f"{capture.dated_stem()}-step{snapshot.step:06d}"
        try:
            capture.require_folder(self._folder)
            path = free_path(self._folder, stem, ".png")
            geometry = self._geometry(simulation)
            image = self.face.image(snapshot, self.controls, geometry)
            side = geometry.of_image(*image.shape[:2]).cell_pixels
            provenance = capture.provenance_of(session, snapshot, VIEW_NAMES[self.controls.view])
            capture.write_png(path, capture.enlarge(image, side), provenance=provenance)
        except UserError as error:
            self.face.complain(str(error), self.window.now_seconds())
        else:
            self.face.inform(f"Saved {os.path.abspath(path)}", self.window.now_seconds())

    # ------------------------------------------------------------------------------ around it

    def _reloaded(self) -> Session | None:
        """The session that was loaded in place of the one that runs, once; None while there is none."""
        if self._pipeline.is_waiting:
            return None
        session = self.face.reloaded()
        if session is not None:
            # Its grid may be another: nothing that was seen or held of the one before has a place in it.
            self.snapshot = None
            before = () if self.session is None else self.session.shown
            pages = dict(zip([id(pane.simulation) for pane in before], self._pages, strict=False))
            self._pages = tuple(pages.get(id(pane.simulation)) for pane in session.shown)
            self._pipeline.clear()
            self._input.release()
        return session

    def _follow_fullscreen(self) -> None:
        if self.controls.fullscreen != self.window.is_fullscreen:
            self.window.set_fullscreen(self.controls.fullscreen)
            self._input.forget()

    def _guard_health(self, session: Session, snapshot: Snapshot | None, error: str) -> None:
        """Tell the listener of this frame, and do what it says."""
        now = self.window.now_seconds()
        if snapshot is None:
            if error:
                self.face.complain(error, now)
            return
        frame_seconds = 1.0 / self._config.frames_per_second
        verdict = self._listener.after_frame(
            FrameReport(
                now_seconds=now,
                snapshot=snapshot,
                mode="night" if self.window.is_dark else self.face.mode,
                frames=self.frames,
                frames_per_second=self._frame_rate.per_second,
                steps_per_second=self._pipeline.step_rate.per_second,
                is_running=self._is_running,
                step_interval_seconds=frame_seconds / self._steps_per_frame(session, snapshot.step),
                hands_on=self._pen.touched is not None,
                expects_change=self._expects_change,
                is_ruined=bool(self._pages and self._pages[0] and self._pages[0].is_ruined),
                waiting_seconds=self._pipeline.waiting_seconds,
                error=error,
                facts=self.face.facts,
            )
        )
        if verdict is None:
            return
        if self._listener.acts_alone:
            recover(session, verdict)
        else:
            self._repairs.repair(session, verdict, snapshot, now)
