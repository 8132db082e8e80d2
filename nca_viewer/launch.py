"""Runs the viewer that a configuration describes, with a window or without, to its end."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from nca_viewer.errors import (
    INTERRUPTED_EXIT_CODE,
    DisplayError,
    DisplayLostError,
    RestartNeededError,
    UserError,
)
from nca_viewer.loading import BackgroundLoading, Exhibit, Loaded, load_exhibit
from nca_viewer.version import PROGRAM, version
from nca_viewer.viewer_config import START_BLANK, START_DIGIT, ViewerConfig

if TYPE_CHECKING:
    from nca_viewer.operation.caretaker import Caretaker

_ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def say_error(message: str) -> None:
    """Print an error as one line on stderr."""
    click.echo(f"{PROGRAM}: error: {' '.join(message.split())}", err=True)


def run(config: ViewerConfig) -> None:
    """Run the viewer to its end.

    Raises:
        UserError: it could not start, or could not write what it should.
    """
    # Whatever is cheap to find out is found out before a window opens.
    from nca_viewer.checkpoint import resolve_checkpoint
    from nca_viewer.display import capture

    if not config.exhibit:
        resolve_checkpoint(config.checkpoint)
    picture = None
    if config.start not in (START_DIGIT, START_BLANK):
        from nca_viewer.start_images import open_start_image

        picture = open_start_image(Path(config.start))
    if config.attract_script is not None:
        from nca_viewer.display.captions import read_shown_script

        read_shown_script(config.attract_script)
    if config.save is not None:
        capture.require_writable(config.save)
    if config.output_directory is not None:
        capture.require_folder(config.output_directory)
    seed = secrets.randbits(32) if config.seed is None else config.seed
    from nca_viewer.operation.caretaker import open_caretaker

    caretaker = open_caretaker(config, version=version(), seed=seed)

    def load(report: Callable[[str], None], *, may_stand_in: bool = True) -> Exhibit:
        return load_exhibit(config, seed, picture, report, caretaker, may_stand_in=may_stand_in)

    try:
        if config.headless:
            _run_headless(config, load, caretaker)
        else:
            _run_window(config, load, caretaker)
    except UserError as error:
        caretaker.fail(error)
        raise
    except BaseException as error:
        if not isinstance(error, SystemExit):
            caretaker.fail(error)
        raise


def _run_window(config: ViewerConfig, load: Callable[..., Exhibit], caretaker: Caretaker) -> None:
    from nca_viewer.display.window import PygameWindow
    from nca_viewer.operation.orphan import end_with_supervisor

    try:
        window = PygameWindow(
            PROGRAM,
            config.window_size,
            fullscreen=config.fullscreen,
            display=config.display,
            is_exhibit=config.exhibit,
        )
    except DisplayError as error:
        if config.exhibit:  # Its screen may only be late; a supervisor tries again.
            raise DisplayLostError(str(error)) from error
        raise
    from nca_viewer.display.x11 import when_connection_is_lost

    when_connection_is_lost(lambda: _end_without_screen(caretaker))
    from nca_viewer.app import App

    # From the first moment on: once the loader runs, only `os._exit` ends the program in good time.
    told_early = threading.Event()
    on_ending_signals(told_early.set)
    loadings = [BackgroundLoading(load)]

    def reload() -> BackgroundLoading:
        # Where it fails, the automaton that runs goes on.
        loadings[:] = [BackgroundLoading(partial(load, may_stand_in=False))]
        return loadings[0]

    recording = _Recording(config)
    app = App(
        window,
        loadings[0],
        config,
        screenshot_folder=_screenshot_folder(config),
        on_snapshot=recording.add if config.save else None,
        caretaker=caretaker,
        reload=reload,
    )
    on_ending_signals(app.quit)
    if told_early.is_set():
        app.quit()
    end_with_supervisor(app.quit)
    exit_code = 0
    try:
        app.run()
        window.close()
        exit_code = recording.finish(app.frames)
        caretaker.end()
    except UserError as error:
        caretaker.fail(error)
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


def on_ending_signals(end: Callable[[], None]) -> dict[int, Any]:
    """Have the signals that would kill the program call a function; returns what they did before.

    A hang-up that whoever started the program lets it ignore, as `nohup` does, stays ignored.
    """
    return {
        number: signal.signal(number, lambda *_: end())
        for number in _ENDING_SIGNALS
        if number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
    }


def _end_without_screen(caretaker: Caretaker) -> NoReturn:
    error = DisplayLostError("the screen went away: its X server has ended; check it, and start again")
    caretaker.fail(error)
    say_error(str(error))
    sys.stderr.flush()
    os._exit(error.exit_code)


def _run_headless(config: ViewerConfig, load: Callable[..., Exhibit], caretaker: Caretaker) -> None:
    from nca_viewer.app import App
    from nca_viewer.display.window import HeadlessWindow

    recording = _Recording(config)
    try:
        exhibit = load(lambda stage: None)
    except KeyboardInterrupt:
        sys.exit(recording.finish(0))
    if exhibit.note:
        click.echo(f"{PROGRAM}: {exhibit.note}", err=True)
    app = App(
        HeadlessWindow(config.window_size),
        Loaded(exhibit),
        config,
        screenshot_folder=_screenshot_folder(config),
        on_snapshot=recording.add,
        caretaker=caretaker,
    )
    # What was made until then is kept.
    earlier = on_ending_signals(app.quit)
    try:
        app.run()
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    exit_code = recording.finish(app.frames)
    caretaker.end()
    if exit_code:
        sys.exit(exit_code)


class _Recording:
    """Collects what `--save` asks for: all images for an animation, else the last one."""

    def __init__(self, config: ViewerConfig) -> None:
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
            return INTERRUPTED_EXIT_CODE if wanted and not frames else 0
        if self._images:
            self._write(path)
        if frames < wanted:
            what = str(path) if self._images else f"{path} was not written"
            click.echo(f"{PROGRAM}: ended after {frames} of {wanted} frames: {what}", err=True)
        return 0 if self._images else INTERRUPTED_EXIT_CODE

    def _write(self, path: Path) -> None:
        from nca_viewer.display import capture
        from nca_viewer.display.geometry import Geometry

        last = self._images[-1]
        cell_pixels = Geometry.fit(
            self._config.window_size, last.shape[:2], bar_visible=False, margin_pixels=0
        ).cell_pixels
        if path.suffix.lower() == ".png":
            capture.write_png(path, capture.enlarge(last, cell_pixels))
        else:
            capture.write_gif(path, self._images, cell_pixels, self._config.frames_per_second)


def _screenshot_folder(config: ViewerConfig) -> Path:
    if config.output_directory is not None:
        return config.output_directory
    import platformdirs

    pictures = platformdirs.user_pictures_path()
    return pictures if pictures.is_dir() else Path.cwd()
