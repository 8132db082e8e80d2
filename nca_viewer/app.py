"""The loop: events, controls, simulation, picture, window; once a frame, and in this order."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import TYPE_CHECKING

from nca_viewer.display import capture
from nca_viewer.display.frame import Brush, Frame
from nca_viewer.display.gentle_window import GentleWindow
from nca_viewer.display.geometry import Geometry
from nca_viewer.display.hud import Message, Status
from nca_viewer.display.public_face import PublicFace
from nca_viewer.display.soft_picture import SoftPicture
from nca_viewer.display.views import view_number
from nca_viewer.display.window import Window
from nca_viewer.errors import DEBUG_VARIABLE, BackendError, RestartNeededError, UserError
from nca_viewer.exhibit.director import Phase
from nca_viewer.healing import Healing, follow_healing
from nca_viewer.interaction.actions import (
    Action,
    Clear,
    Dismiss,
    NewDigit,
    Operate,
    OperatorChoice,
    Quit,
    Reset,
    Screenshot,
    StepOnce,
    Stroke,
    ToggleFullscreen,
    ToggleHelp,
    Tool,
)
from nca_viewer.interaction.controls import Controls, update
from nca_viewer.interaction.input import Input
from nca_viewer.interaction.strokes import stroke_region
from nca_viewer.loading import Exhibit, Loading
from nca_viewer.operation.caretaker import Caretaker, FrameReport
from nca_viewer.operation.flash_log import FlashLog
from nca_viewer.operation.health import Fault, Remedy, Verdict, expects_change
from nca_viewer.operation.journal import Event, tell
from nca_viewer.pacing import Beat, Pace, RateMeter, due_steps, measured
from nca_viewer.snapshot import Snapshot
from nca_viewer.viewer_config import ViewerConfig
from nca_viewer.whole_files import free_path

if TYPE_CHECKING:
    import numpy as np

    from nca_viewer.simulation import PendingSnapshot, Simulation

STALL_SECONDS = 0.1
"""Longer than this no frame waits for the device: the window goes on with the picture it has."""

BUSY_BUDGET = 0.8
"""Part of a frame's time that steps, or drawing, may take; the rest keeps the window responsive."""

_WAITING_FRAMES_PER_SECOND = 30
"""Fewer than when it lives: importing and compiling want the processor."""

MAX_FAILURES = 5
"""After so many frames in a row that nobody expected to fail, the program ends; in an exhibit the caretaker
decides."""

_OPERATOR_LIGHT_SECONDS = 5.0
"""So long after the operator's page is closed at night, the screen stays lit."""

_MAX_HELD_ACTIONS = 256
_DEVICE_POLL_SECONDS = 0.0005

_WHILE_LOADING = (Quit, Dismiss, ToggleHelp, ToggleFullscreen)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A snapshot that the device was asked for."""

    pending: PendingSnapshot
    began_seconds: float
    steps: int
    """How many steps were under way."""
    busy_since_seconds: float
    """Since when those steps, and the drawing, took their time."""


class App:
    """The viewer, from the first frame to the last."""

    def __init__(
        self,
        window: Window,
        loading: Loading,
        config: ViewerConfig,
        *,
        screenshot_folder: Path,
        on_snapshot: Callable[[Snapshot, np.ndarray], None] | None = None,
        caretaker: Caretaker | None = None,
        reload: Callable[[], Loading] | None = None,
        local_time: Callable[[], time_of_day] = lambda: datetime.now().time(),
    ) -> None:
        """Show nothing yet.

        Args:
            window: Where frames go and events come from.
            loading: What becomes the exhibit.
            config: The options.
            screenshot_folder: Where screenshots go.
            on_snapshot: Called with every new snapshot and its image, before it is drawn.
            caretaker: Hears of every frame, and says when something must be done.
            reload: Begins to load the checkpoint again, for an exhibit's operator.
            local_time: The time of day, for the night.

        Raises:
            ConfigError: the attract loop's script is not understood.
        """
        face = PublicFace(config) if config.exhibit else None
        if face is not None:
            tell(Event.START, face.policy)
        self.flash_log = FlashLog()
        self.window = GentleWindow(
            window,
            limits_flashes=config.limits_flashes,
            shifts_pixels=config.shifts_pixels,
            night=config.night_rule,
            local_time=local_time,
            on_limited=self.flash_log.note,
        )
        self._soft_picture = SoftPicture(
            fades=config.exhibit,
            slow=config.reduce_motion,
            limits_flashes=config.limits_flashes,
            on_limited=self.flash_log.note,
        )
        self.controls = Controls(
            speed=config.speed,
            brush_radius_cells=config.brush_radius_cells,
            fullscreen=window.is_fullscreen if face is not None else config.fullscreen,
            hud_visible=not config.headless and face is None,
        )
        self.message: Message | None = None
        self.snapshot: Snapshot | None = None
        self.frames = 0
        self._loading = loading
        self._config = config
        self._folder = screenshot_folder
        self._on_snapshot = on_snapshot
        self._caretaker = caretaker or Caretaker()
        self._face = face
        self._reload = reload
        self._reloading: Loading | None = None
        self._exhibit: Exhibit | None = None
        self._asked: _Asked | None = None
        self._held_actions: deque[Action] = deque(maxlen=_MAX_HELD_ACTIONS)
        self._hands_on = False
        self._touched: np.ndarray | None = None
        self._expects_change = False
        self._input = Input(config.gamepad, config.keys)
        self._brush_stroke: tuple[Tool, np.ndarray] | None = None
        self._frame = Frame()
        self._pace = Pace()
        self._frame_rate = RateMeter()
        self._step_rate = RateMeter()
        self._beat = Beat(
            window.now_seconds(), 1.0 / min(config.frames_per_second, _WAITING_FRAMES_PER_SECOND)
        )
        self._elapsed_seconds = self._beat.frame_seconds
        self._steps_under_way = 0
        self._dispatched_seconds = 0.0
        self._is_device_late = False
        self._step_before = 0
        self._wants_screenshot = False
        self._is_told_to_quit = False
        self._failures = 0
        self._healing: Healing | None = None

    def run(self) -> None:
        """Run until somebody quits, or the frames are used up.

        Raises:
            UserError: the exhibit could not be loaded, the screen went away, or nothing helps but a restart.
        """
        while not self.is_over:
            self.frame()
        self._see_the_last_steps()

    @property
    def is_over(self) -> bool:
        """Whether somebody quit, or the frames are used up."""
        limit = self._config.frames
        return self._is_told_to_quit or self.controls.quitting or (limit is not None and self.frames >= limit)

    def quit(self) -> None:
        """End with this frame; safe to call from a signal handler."""
        self._is_told_to_quit = True

    def frame(self) -> None:
        """One frame: of the waiting screen, or of the living automaton.

        Raises:
            UserError: the exhibit could not be loaded, the screen went away, or nothing helps but a restart.
        """
        if self._exhibit is None:
            self._exhibit = self._loading.poll()
            if self._exhibit is not None and self._exhibit.note:
                self.message = Message.note(self._exhibit.note, self.window.now_seconds())
        if self._exhibit is None:
            self._waiting_frame()
            self._caretaker.starting(self.window.now_seconds(), self._loading.stage)
            return
        if self.frames == 0:
            self._beat = Beat(self.window.now_seconds(), 1.0 / self._config.frames_per_second)
            self._elapsed_seconds = self._beat.frame_seconds
        self._exhibit = self._reloaded() or self._exhibit
        self._live_frame(self._exhibit)
        self.frames += 1

    # ------------------------------------------------------------------------------ one frame

    def _waiting_frame(self) -> None:
        self.window.wait_until(self._beat.begin_seconds)
        now = self.window.now_seconds()
        for action in self._actions(now):
            if isinstance(action, _WHILE_LOADING):
                self.controls = update(self.controls, action)
        self._follow_fullscreen()
        surface = self.window.surface
        if self._face is not None:
            self._face.draw_waiting(surface, self._input, self.controls, now)
            self._present(began_seconds=now)
            return
        seconds = 0.0 if self._config.reduce_motion else now
        self._frame.hud.draw_waiting(surface, self._loading.stage, seconds, self._current_message(now))
        if self.controls.help_visible:
            size = surface.get_size()
            self._frame.hud.draw_help(surface, Geometry.fit(size, (1, 1), bar_visible=False), "")
        self._present(began_seconds=now)

    def _live_frame(self, exhibit: Exhibit) -> None:
        seen, error = None, ""
        try:
            seen, error = self._living_frame(exhibit)
            self._failures = 0
        except UserError:
            raise
        except Exception as problem:
            self._failures += 1
            is_hopeless = self._failures >= MAX_FAILURES and not self._caretaker.acts_alone
            if is_hopeless or os.environ.get(DEBUG_VARIABLE):
                raise
            error = self._caretaker.unexpected(problem, self.window.now_seconds())
            self._asked = None
            # It may have broken off before it could wait for its time.
            self.window.wait_until(self.window.now_seconds() + self._beat.frame_seconds)
        self._guard_health(exhibit, seen or self.snapshot, error)
        self._save_screenshot(exhibit.simulation)

    def _living_frame(self, exhibit: Exhibit) -> tuple[Snapshot | None, str]:
        """One frame; the steps that it shows were dispatched in the one before.

        What a hand does comes after those steps, so that it is seen in this frame and just as it was done.
        The next frame's steps are dispatched before this one is drawn: the device has the time of drawing
        and of waiting for them. One that is still at work on the last frame's gets nothing more to do; what
        hands do meanwhile is kept for later.

        Returns:
            What the device sent, None where it is still at work; and what went wrong, or nothing.
        """
        simulation = exhibit.simulation
        self.window.wait_until(self._beat.begin_seconds)
        began = self.window.now_seconds()
        self._hands_on = self._expects_change = False
        self._touched = None
        seen, error = None, ""
        try:
            self._read(exhibit)
            if self._asked is None:
                self._ask(simulation, began)
            asked = self._asked
            seen = self._collect()
        except BackendError as problem:
            error, asked, self._asked, self._steps_under_way = str(problem), None, None, 0
        if self.snapshot is not None:
            self._draw(exhibit, self.snapshot, began)
        if seen is not None and asked is not None:
            self._pace = measured(
                self._pace,
                steps=asked.steps,
                seconds=self.window.now_seconds() - asked.busy_since_seconds,
                budget_seconds=BUSY_BUDGET * self._beat.frame_seconds,
            )
        self._present(began_seconds=began)
        return seen, error

    def _read(self, exhibit: Exhibit) -> None:
        """What hands did since the last frame."""
        self._is_device_late = self.window.has_real_time and exhibit.simulation.is_busy
        self._step_before = exhibit.simulation.step
        while self._asked is None and self._held_actions:
            self._act(exhibit, self._held_actions.popleft())
        for action in self._actions(self.window.now_seconds(), exhibit.simulation):
            self.controls = update(self.controls, action)
            if self._asked is None:
                self._act(exhibit, action)
            else:
                self._hold(action)
        self._finish_stroke(exhibit.simulation)
        self._follow_fullscreen()

    def _actions(self, now_seconds: float, simulation: Simulation | None = None) -> list[Action]:
        """What this frame's events do, and in an exhibit what it does of itself."""
        events = self.window.events()
        size = self.window.surface.get_size()
        if self._face is not None:
            grid = None if simulation is None else (simulation.config.height, simulation.config.width)
            actions = self._face.read(self._input, events, size, now_seconds, grid)
        elif simulation is None:
            geometry = Geometry.fit(size, (1, 1), bar_visible=False)
            actions = self._input.read(events, geometry, now_seconds)
        else:
            actions = self._input.read(events, self._geometry(simulation), now_seconds)
        if self._input.is_visitor_acting:
            self.window.wake()
        if self._face is not None and self._face.facts.phase is Phase.OPERATOR:
            self.window.wake(_OPERATOR_LIGHT_SECONDS)
        return actions

    def _ask(self, simulation: Simulation, began_seconds: float) -> None:
        """Ask for this frame's snapshot, and have the next frame's steps begun."""
        pending = simulation.request_snapshot()
        under_way, dispatched = self._steps_under_way, self._dispatched_seconds
        self._step_rate.count(began_seconds, under_way + max(0, simulation.step - self._step_before))
        self._steps_under_way = self._due_steps()
        simulation.advance(self._steps_under_way)
        self._dispatched_seconds = self.window.now_seconds()
        busy_since = dispatched if self._is_device_late else began_seconds
        self._asked = _Asked(pending, began_seconds, under_way, busy_since)

    def _collect(self) -> Snapshot | None:
        """What the device was asked for, unless it takes too long."""
        asked = self._asked
        assert asked is not None
        while not asked.pending.is_ready:
            if self.window.now_seconds() - asked.began_seconds > STALL_SECONDS:
                return None
            time.sleep(_DEVICE_POLL_SECONDS)
        self._asked = None
        snapshot = asked.pending.result()
        self._see(snapshot)
        return snapshot

    def _present(self, *, began_seconds: float) -> None:
        """Show what was drawn, when it is due."""
        work_seconds = self.window.now_seconds() - began_seconds
        self.window.wait_until(self._beat.due_seconds)
        self.window.present()
        now = self.window.now_seconds()
        self._frame_rate.count(now, 1)
        before, self._beat = self._beat, self._beat.after(now_seconds=now, work_seconds=work_seconds)
        self._elapsed_seconds = self._beat.due_seconds - before.due_seconds

    def _see_the_last_steps(self) -> None:
        """The steps dispatched in the last frame belong to the run, although no frame shows them."""
        if self._exhibit is not None and self._on_snapshot is not None:
            self._see(self._exhibit.simulation.request_snapshot().result())

    def _geometry(self, simulation: Simulation) -> Geometry:
        config = simulation.config
        size = self.window.surface.get_size()
        if self._face is not None:
            return self._face.layout(size, (config.height, config.width)).geometry
        return Geometry.fit(
            size,
            (config.height, config.width),
            bar_visible=self.controls.hud_visible,
            margin_pixels=0 if self._config.headless else 4,
        )

    @property
    def _is_running(self) -> bool:
        """Whether time passes for the automaton; it sleeps where nobody can see it."""
        return not (self.controls.paused or self.window.is_dark)

    def _due_steps(self) -> int:
        if not self._is_running:
            return 0
        steps, self._pace = due_steps(
            self._pace,
            steps_per_frame=float(self.controls.speed),
            elapsed_seconds=self._elapsed_seconds,
            frame_seconds=self._beat.frame_seconds,
        )
        return steps

    def _act(self, exhibit: Exhibit, action: Action) -> None:
        """What an action does to the cells."""
        simulation = exhibit.simulation
        if isinstance(action, Stroke):
            config = simulation.config
            radius = action.radius_cells
            if radius is None:
                radius = self.controls.brush_radius_cells
            region = stroke_region(action.start, action.end, radius, config.height, config.width)
            if region.any():
                self._add_to_stroke(simulation, action.tool or self.controls.tool, region)
            return
        self._finish_stroke(simulation)
        match action:
            case StepOnce():
                simulation.advance(1)
            case Reset():
                simulation.reset()
            case NewDigit(digit):
                self._begin_digit(exhibit, digit)
            case Clear():
                simulation.begin(exhibit.start_images.blank(), 0.0)
            case Screenshot():
                self._wants_screenshot = True
            case Operate(OperatorChoice.RELOAD):
                self._begin_reload()

    def _add_to_stroke(self, simulation: Simulation, tool: Tool, region: np.ndarray) -> None:
        """Strokes of one tool that follow each other are one stroke: ten fingers cost as much as one."""
        if self._brush_stroke is not None and self._brush_stroke[0] is not tool:
            self._finish_stroke(simulation)
        if self._brush_stroke is not None:
            region = self._brush_stroke[1] | region
        self._brush_stroke = (tool, region)

    def _finish_stroke(self, simulation: Simulation) -> None:
        if self._brush_stroke is not None:
            tool, region = self._brush_stroke
            self._brush_stroke = None
            self._stroke(simulation, tool, region)

    def _stroke(self, simulation: Simulation, tool: Tool, region: np.ndarray) -> None:
        self._hands_on = True
        self._touched = region if self._touched is None else self._touched | region
        if self.snapshot is not None and expects_change(tool, region, self.snapshot.image):
            self._expects_change = True
        simulation.apply(tool, region)

    def _hold(self, action: Action) -> None:
        """Keep what a hand did for later, with the tool that it had."""
        if isinstance(action, Stroke):
            action = replace(action, tool=action.tool or self.controls.tool)
        self._held_actions.append(action)

    def _begin_digit(self, exhibit: Exhibit, digit: int | None) -> None:
        """Start from a fresh digit: by hand, and where the old one is beyond help."""
        simulation = exhibit.simulation
        image = exhibit.start_images.digit(digit, simulation.episode + 1)
        simulation.begin(image, exhibit.mask_ratio)

    def _see(self, snapshot: Snapshot) -> None:
        if not snapshot.is_healthy and self.snapshot is not None:
            return  # Nobody needs to see what blew up; the picture before it stays.
        self.snapshot = snapshot
        if self._on_snapshot is not None:
            self._on_snapshot(snapshot, view_number(self.controls.view).image(snapshot))

    def _draw(self, exhibit: Exhibit, snapshot: Snapshot, now_seconds: float) -> None:
        controls = self.controls
        view = view_number(controls.view)
        self._healing = follow_healing(
            self._healing, snapshot, is_touched=self._touched is not None, now_seconds=now_seconds
        )
        geometry = self._geometry(exhibit.simulation)
        tool = self._input.brush_tool(controls.tool)
        brushes: tuple[Brush, ...] = ()
        layout = None
        if self._face is not None:
            layout = self._face.layout(
                self.window.surface.get_size(), (geometry.grid_height, geometry.grid_width)
            )
            brushes = self._face.brushes(self._input, controls, layout)
        elif self._input.mouse_position is not None and not controls.help_visible:
            centre = geometry.cell_at(self._input.mouse_position)
            brushes = (Brush(centre, controls.brush_radius_cells, tool),)
        self._frame.draw(
            self.window.surface,
            self._soft_picture.show(
                view.image(snapshot),
                episode=snapshot.episode,
                step=snapshot.step,
                view=controls.view,
                now_seconds=now_seconds,
                geometry=geometry,
                touched=self._touched,
            ),
            geometry,
            Status(
                paused=controls.paused,
                step=snapshot.step,
                steps_per_second=self._step_rate.per_second,
                frames_per_second=self._frame_rate.per_second,
                speed=controls.speed,
                is_limited=self._pace.is_limited and not controls.paused,
                tool=tool,
                brush_radius_cells=controls.brush_radius_cells,
                view=view.name,
                healing=self._healing,
                message=self._current_message(now_seconds),
            ),
            brushes=brushes,
            grid_visible=controls.grid_visible,
            help_footer=exhibit.footer if controls.help_visible else None,
        )
        if self._face is not None and layout is not None:
            self._face.draw(
                self.window.surface, layout, self._input, controls, page_lines=self._page_lines(exhibit)
            )

    def _page_lines(self, exhibit: Exhibit) -> list[tuple[str, bool]]:
        """What the operator's page tells, and which of it is a fault."""
        rates = f"{self._step_rate.per_second:.0f} steps/s  ·  {self._frame_rate.per_second:.0f} frames/s"
        step = 0 if self.snapshot is None else self.snapshot.step
        troubles = (self._caretaker.checkpoint.trouble, *self._caretaker.problems)
        return [
            (exhibit.footer, False),
            (f"step {step:,}  ·  {rates}", False),
            *((trouble, True) for trouble in troubles if trouble),
        ]

    # ------------------------------------------------------------------------------ around it

    def _begin_reload(self) -> None:
        if self._reload is not None and self._reloading is None and self._face is not None:
            self._reloading = self._reload()
            self._face.tell_reloading()

    def _reloaded(self) -> Exhibit | None:
        """The exhibit with the checkpoint that was loaded again, once; None while there is none."""
        if self._reloading is None or self._face is None or self._asked is not None:
            return None
        try:
            exhibit = self._reloading.poll()
        except Exception as error:  # Whatever it was: the exhibit goes on with what it has.
            self._reloading = None
            text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            self._face.tell_operator(text, is_fault=True)
            event = Event.CHECKPOINT if isinstance(error, UserError) else Event.ERROR
            tell(event, f"the checkpoint was not loaded again: {text}")
            return None
        if exhibit is not None:
            self._reloading = None
            self._steps_under_way = 0
            # Its grid may be another: nothing that was seen or held of the one before has a place in it.
            self.snapshot = None
            self._held_actions.clear()
            self._input.release()
            self._face.tell_reloaded()
        return exhibit

    def _follow_fullscreen(self) -> None:
        if self.controls.fullscreen != self.window.is_fullscreen:
            self.window.set_fullscreen(self.controls.fullscreen)
            self._input.forget()

    def _guard_health(self, exhibit: Exhibit, snapshot: Snapshot | None, error: str) -> None:
        """Tell the caretaker of this frame, and do what it says."""
        if snapshot is None:
            if error:
                self._complain(error)
            return
        now = self.window.now_seconds()
        rate = self._config.frames_per_second
        verdict = self._caretaker.after_frame(
            FrameReport(
                now_seconds=now,
                snapshot=snapshot,
                mode=self._mode,
                frames=self.frames,
                frames_per_second=self._frame_rate.per_second,
                steps_per_second=self._step_rate.per_second,
                is_running=self._is_running,
                step_interval_seconds=1.0 / (rate * float(self.controls.speed)),
                hands_on=self._hands_on,
                expects_change=self._expects_change,
                waiting_seconds=0.0 if self._asked is None else now - self._asked.began_seconds,
                error=error,
                exhibit=None if self._face is None else self._face.facts,
            )
        )
        if verdict is not None:
            self._remedy(exhibit, verdict, snapshot)

    @property
    def _mode(self) -> str:
        if self.window.is_dark:
            return "night"
        if self._face is None:
            return "window"
        return "attract" if self._face.facts.phase is Phase.ATTRACT else "exhibit"

    def _remedy(self, exhibit: Exhibit, verdict: Verdict, snapshot: Snapshot) -> None:
        if self._caretaker.acts_alone:
            # Visitors see no more than another digit; the log and the status file tell the operator.
            if verdict.remedy is Remedy.RESTART:
                tell(Event.RESTART, f"{verdict.fault.word}: {verdict.reason}")
                raise RestartNeededError(f"{verdict.reason}; start the program again")
            if verdict.remedy is Remedy.FRESH_DIGIT:
                self._try(lambda: self._begin_digit(exhibit, None))
            return
        if verdict.fault is Fault.STALLED:
            self._complain(f"{verdict.reason}; it goes on as soon as the device answers")
        elif verdict.fault is Fault.ERROR:
            self._complain(verdict.reason)
            self._try(exhibit.simulation.restart)
        elif snapshot.episode == exhibit.simulation.episode:
            self._complain(
                f"The automaton blew up at step {snapshot.step:,}; started again from the same picture"
            )
            self._try(exhibit.simulation.restart)

    def _try(self, begin: Callable[[], None]) -> None:
        """Begin anew; where the device fails even in that, the next frame will tell."""
        with contextlib.suppress(UserError):
            begin()

    def _save_screenshot(self, simulation: Simulation) -> None:
        if not self._wants_screenshot or self.snapshot is None:
            return
        self._wants_screenshot = False
        stem = f"nca-viewer-{datetime.now():%Y%m%d-%H%M%S}-step{self.snapshot.step:06d}"
        try:
            capture.require_folder(self._folder)
            path = free_path(self._folder, stem, ".png")
            image = view_number(self.controls.view).image(self.snapshot)
            capture.write_png(path, capture.enlarge(image, self._geometry(simulation).cell_pixels))
        except UserError as error:
            self._complain(str(error))
        else:
            self.message = Message.info(f"Saved {path}", self.window.now_seconds())

    def _complain(self, text: str) -> None:
        if self._face is not None:
            tell(Event.ERROR, text)
            self._face.tell_operator(text, is_fault=True)
            return
        self.message = Message.error(text, self.window.now_seconds())

    def _current_message(self, now_seconds: float) -> Message | None:
        if self.message is not None and self.message.until_seconds <= now_seconds:
            self.message = None
        return self.message
