"""Runs the viewer that a configuration describes, with a window or without, to its end."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from datetime import time as time_of_day
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from nca_viewer.ending import ending, ending_signals
from nca_viewer.errors import (
    DisplayError,
    DisplayLostError,
    RestartNeededError,
    UserError,
    one_line,
)
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.loading import BackgroundLoading, Loaded, Loading, Session, load_session
from nca_viewer.pygame_check import require_pygame
from nca_viewer.version import PROGRAM, version
from nca_viewer.viewer_config import START_BLANK, START_DIGIT, ViewerConfig

if TYPE_CHECKING:
    import numpy as np

    from nca_viewer.app import App
    from nca_viewer.automaton.system import AttentionNCA
    from nca_viewer.display.window import Window
    from nca_viewer.kiosk.operation.monitor import Monitor


_SWITCH_SECONDS = 0.0005


def say(message: str) -> None:
    """Print something as one line on stderr."""
    click.echo(f"{PROGRAM}: {one_line(message)}", err=True)


def say_error(message: str) -> None:
    """Print an error as one line on stderr."""
    say(f"error: {message}")


def run(config: KioskConfig) -> None:
    """Run the viewer to its end.

    Raises:
        UserError: it could not start, or could not write what it should.
    """
    # Whatever is cheap to find out is found out before a window opens.
    require_pygame()
    from nca_viewer.checkpoint import resolve_checkpoint
    from nca_viewer.display import capture

    if not config.exhibit:
        for checkpoint in config.checkpoints:
            resolve_checkpoint(checkpoint)
    picture = None
    if config.start not in (START_DIGIT, START_BLANK):
        from nca_viewer.start_images import open_start_image

        picture = open_start_image(Path(config.start))
    if config.attract_script is not None:
        from nca_viewer.kiosk.captions import read_shown_script

        read_shown_script(config.attract_script)
    if config.exhibit:
        from nca_viewer.kiosk.captions import require_letters

        for language in config.languages:
            require_letters(language)
    if config.save is not None:
        capture.require_writable(config.save)
    if config.save_state is not None:
        capture.require_writable(config.save_state, (".npz",))
    if config.output_directory is not None:
        capture.require_folder(config.output_directory)
    seed = _seed(config)
    from nca_viewer.kiosk.operation.monitor import open_monitor

    monitor = open_monitor(config, version=version(), seed=seed)

    def load(report: Callable[[str], None], *, may_stand_in: bool = True) -> Session:
        return load_session(config, seed, picture, report, monitor, may_stand_in=may_stand_in)

    try:
        if config.headless:
            _run_headless(config, load, monitor)
        else:
            _run_window(config, load, monitor)
    except UserError as error:
        monitor.fail(error)
        raise
    except BaseException as error:
        if not isinstance(error, SystemExit | KeyboardInterrupt):
            monitor.fail(error)
        raise


def _run_window(config: KioskConfig, load: Callable[..., Session], monitor: Monitor) -> None:
    from nca_viewer.display.window import PygameWindow
    from nca_viewer.kiosk.operation.parent_watch import end_with_supervisor
    from nca_viewer.kiosk.operation.window_log import WindowLog

    try:
        window = PygameWindow(
            PROGRAM,
            config.window_size,
            fullscreen=config.fullscreen,
            display=config.display,
            is_exhibit=config.exhibit,
            on_displaced=WindowLog().note,
        )
    except DisplayError as error:
        if config.exhibit:  # Its screen may only be late; a supervisor tries again.
            raise DisplayLostError(str(error)) from error
        raise
    from nca_viewer.display.x11 import when_connection_is_lost

    when_connection_is_lost(lambda: _end_without_screen(monitor))
    # A thread that loads gives way to the loop at once, not after Python's five milliseconds: the loop asks
    # for the interpreter some ten times a frame.
    sys.setswitchinterval(_SWITCH_SECONDS)
    # From the first moment on: once the loader runs, only `os._exit` ends the program in good time.
    told_early = threading.Event()
    on_ending_signals(told_early.set)
    loadings = [BackgroundLoading(load)]

    def begin(load: Callable[[Callable[[str], None]], Session]) -> BackgroundLoading:
        loadings[:] = [BackgroundLoading(load)]
        return loadings[0]

    def reload() -> BackgroundLoading:
        # Where it fails, the automaton that runs goes on.
        return begin(partial(load, may_stand_in=False))

    recording = _Recording(config)
    app = open_app(
        window,
        loadings[0],
        config,
        screenshot_folder=_screenshot_folder(config),
        on_snapshot=recording.add if config.save else None,
        monitor=monitor,
        reload=reload,
        load=begin,
    )
    on_ending_signals(app.quit)
    if told_early.is_set():
        app.quit()
    end_with_supervisor(app.quit)
    exit_code = 0
    try:
        app.run()
        window.close()
        _finish(app, config)
        exit_code = recording.finish(app.frames)
        monitor.end()
    except UserError as error:
        monitor.fail(error)
        window.close()
        say_error(str(error))
        exit_code = error.exit_code
    finally:
        window.close()
    if loadings[0].is_running or exit_code == RestartNeededError.exit_code:
        # Neither a compilation nor a device that hangs can be stopped, and an orderly end would wait for it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    sys.exit(exit_code)


def _finish(app: App, config: KioskConfig) -> None:
    """Write what is written at the end: clips, a record's last line, a state.

    Raises:
        OutputError: it could not be written.
    """
    for text in app.face.close():
        say(text)
    if app.session is not None:
        app.session.end(config)


def on_ending_signals(end: Callable[[], None]) -> None:
    """Have the signals that would end the program call a function, which ends it as on purpose."""
    for number in ending_signals():
        signal.signal(number, lambda *_: end())


def _end_without_screen(monitor: Monitor) -> NoReturn:
    error = DisplayLostError("the screen went away: its X server has ended; check it, and start again")
    monitor.fail(error)
    say_error(str(error))
    sys.stderr.flush()
    os._exit(error.exit_code)


def open_app(
    window: Window,
    loading: Loading,
    config: KioskConfig,
    *,
    screenshot_folder: Path,
    on_snapshot: Callable[[Any, Any], None] | None = None,
    monitor: Monitor | None = None,
    reload: Callable[[], Loading] | None = None,
    load: Callable[[Callable[[Callable[[str], None]], Session]], Loading] = BackgroundLoading,
    local_time: Callable[[], time_of_day] = lambda: datetime.now().time(),
) -> App:
    """Put the viewer together, for a person's own window or for a public place.

    Args:
        window: Where frames go and events come from.
        loading: What becomes the session.
        config: The options.
        screenshot_folder: Where screenshots go.
        on_snapshot: Called with every new snapshot and its image, before it is drawn.
        monitor: Hears of every frame, and says when something must be done.
        reload: Begins to load the checkpoint again, for an exhibit's operator.
        load: Begins to load another session in a person's own window, as `BackgroundLoading` does.
        local_time: The time of day, for the night.

    Raises:
        ConfigError: the attract loop's script is not understood.
    """
    from nca_viewer.app import App
    from nca_viewer.display.desktop import DesktopFace
    from nca_viewer.display.face import Face
    from nca_viewer.display.frame import Frame
    from nca_viewer.display.transitions import Transitions
    from nca_viewer.interaction.actions import Tool
    from nca_viewer.interaction.controls import Controls
    from nca_viewer.interaction.input import Input
    from nca_viewer.kiosk.kiosk_face import KioskFace
    from nca_viewer.kiosk.operation.flash_log import FlashLog
    from nca_viewer.kiosk.operation.monitor import Monitor
    from nca_viewer.kiosk.visit import FIRST_TOOL
    from nca_viewer.kiosk.window_filters import FilteredWindow

    source, frame, flash_log = Input(config.gamepad, config.keys), Frame(), FlashLog()
    face: Face
    if config.exhibit:
        face = KioskFace(source, config, reload)
    else:
        face = DesktopFace(
            source,
            frame.hud,
            screenshot_folder,
            has_margin=not config.headless,
            is_still=config.reduce_motion,
            start_as_is=config.start_as_is,
            load=load,
        )
    return App(
        FilteredWindow(
            window,
            limits_flashes=config.limits_flashes,
            shifts_pixels=config.shifts_pixels,
            night=config.night_schedule,
            local_time=local_time,
            on_limited=flash_log.note,
        ),
        loading,
        face,
        config,
        source=source,
        controls=Controls(
            speed=config.speed or Fraction(1),
            has_tempo=config.speed is None and window.has_real_time,
            tool=FIRST_TOOL if config.exhibit else Tool.PAINT,
            brush_radius_cells=config.first_radius_cells,
            fullscreen=window.is_fullscreen if config.exhibit else config.fullscreen,
            hud_visible=not config.headless and not config.exhibit,
        ),
        frame=frame,
        transitions=Transitions(
            fades=config.exhibit,
            slow=config.reduce_motion,
            limits_flashes=config.limits_flashes,
            on_limited=flash_log.note,
        ),
        listener=monitor or Monitor(),
        screenshot_folder=screenshot_folder,
        on_snapshot=on_snapshot,
    )


def view(model: AttentionNCA, *, image: np.ndarray | None = None, **options: Any) -> None:
    """Open a window on an automaton in memory; returns when it is closed.

    Args:
        model: The automaton; what is done to it meanwhile is not seen.
        image: float32[H, W, visible_channel_size] in [0, 1] to start from; None starts as the options say.
        options: Of the viewer, named as in `ViewerConfig`, such as `seed`, `mask_ratio`, `speed`, `frames`
            and `window_size`.

    Raises:
        ConfigError: an option is unknown or out of range.
        DisplayError: there is no screen.
    """
    require_pygame()
    from nca_viewer.config import require_known
    from nca_viewer.display.window import PygameWindow
    from nca_viewer.loading import begin_session
    from nca_viewer.simulation import Simulation

    require_known("viewer", options, ViewerConfig)
    config = KioskConfig(**{"checkpoints": ("in memory",), **options})
    simulation = Simulation(model, seed=_seed(config))

    def load(report: Callable[[str], None]) -> Session:
        report("compiling")
        simulation.warm_up()
        return begin_session(simulation, config, image=image)

    window = PygameWindow(PROGRAM, config.window_size, fullscreen=config.fullscreen, display=config.display)
    try:
        folder = _screenshot_folder(config)
        open_app(window, BackgroundLoading(load), config, screenshot_folder=folder).run()
    finally:
        window.close()


def _seed(config: ViewerConfig) -> int:
    return secrets.randbits(32) if config.seed is None else config.seed


def _run_headless(config: KioskConfig, load: Callable[..., Session], monitor: Monitor) -> None:
    from nca_viewer.display.window import HeadlessWindow

    recording = _Recording(config)
    ending.last_words = partial(recording.last_words, 0)
    exhibit = load(lambda stage: None)
    if exhibit.note:
        say(exhibit.note)
    app = open_app(
        HeadlessWindow(config.window_size),
        Loaded(exhibit),
        config,
        screenshot_folder=_screenshot_folder(config),
        on_snapshot=recording.add,
        monitor=monitor,
    )
    # What was made until then is kept.
    with ending.deferred(app.quit) as told:
        app.run()
        _finish(app, config)
        recording.finish(app.frames)
        monitor.end()
    if told.is_set():
        raise KeyboardInterrupt


class _Recording:
    """Collects what `--save` asks for: all images for an animation, else the last one."""

    def __init__(self, config: KioskConfig) -> None:
        self._config = config
        self._images: list[Any] = []

    def add(self, snapshot: Any, image: Any) -> None:
        if self._config.save is None:
            return
        if self._config.save.suffix.lower() == ".png":
            self._images.clear()
        self._images.append(image)

    def finish(self, frames: int) -> int:
        """Write it, after so many frames, and tell where those are too few; returns the exit code."""
        path, wanted = self._config.save, self._config.frames or 0
        if path is None:
            return ending.exit_code if wanted and not frames else 0
        if self._images:
            self._write(path)
        if frames < wanted:
            ending.last_words = partial(self.last_words, frames)
            ending.say_last_words()
        return 0 if self._images else ending.exit_code

    def last_words(self, frames: int) -> str:
        """What there is to say after so many frames, where those are too few."""
        path = self._config.save
        if path is None:
            return "interrupted"
        what = str(path) if self._images else f"{path} was not written"
        return f"ended after {frames} of {self._config.frames} frames: {what}"

    def _write(self, path: Path) -> None:
        from nca_viewer.display import capture
        from nca_viewer.interaction.geometry import Geometry

        last = self._images[-1]
        cell_pixels = Geometry.fit(
            self._config.window_size, last.shape[:2], bar_visible=False, margin_pixels=0
        ).cell_pixels
        if path.suffix.lower() == ".png":
            capture.write_png(path, capture.enlarge(last, cell_pixels), never_lost=True)
        else:
            capture.write_animation(path, self._images, cell_pixels, self._config.frames_per_second)


def _screenshot_folder(config: KioskConfig) -> Path:
    if config.output_directory is not None:
        return config.output_directory
    from nca_viewer.places import pictures_folder

    return pictures_folder() or Path()
