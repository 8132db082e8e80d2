"""A virtual display, and the real program on it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nca_viewer.display.palette import BACKGROUND

REPOSITORY = Path(__file__).resolve().parents[2]
SCREEN = (1000, 700)

KEYCODES = {"F2": "68", "F11": "95"}
"""By name, xdotool 3 presses these with Alt where the keyboard data are new (jordansissel/xdotool#491)."""


@pytest.fixture(scope="session")
def display(tmp_path_factory):
    """A virtual display; skips where the tools for it are missing."""
    with virtual_display(tmp_path_factory.mktemp("xvfb")) as display:
        yield display


@pytest.fixture
def mortal_display(tmp_path):
    """A virtual display of one's own, to do away with."""
    with virtual_display(tmp_path) as display:
        yield display


@contextlib.contextmanager
def virtual_display(folder):
    for tool in ("Xvfb", "xdotool"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed; on Debian: apt-get install xvfb xdotool")
    reading, writing = os.pipe()
    log = open(folder / "log", "wb")  # noqa: SIM115
    server = subprocess.Popen(
        [
            "Xvfb",
            "-noreset",  # Where the last window has closed, it would be away for a moment.
            "-displayfd",
            str(writing),
            "-screen",
            "0",
            f"{SCREEN[0]}x{SCREEN[1]}x24",
            "-nolisten",
            "tcp",
            "-fbdir",
            str(folder),
        ],
        pass_fds=[writing],
        stdout=log,
        stderr=log,
    )
    os.close(writing)
    with open(reading) as answer:
        number = answer.readline().strip()
    if not number:
        server.kill()
        server.wait()
        log.close()
        pytest.skip("Xvfb did not start")
    try:
        yield Display(f":{number}", folder / "Xvfb_screen0", server)
    finally:
        server.terminate()
        server.wait(timeout=30)
        log.close()


class Display:
    """A virtual display and the file that its pixels are in."""

    def __init__(self, name, framebuffer, server):
        self.name, self.framebuffer, self.server = name, framebuffer, server

    def screen(self):
        """What is on the screen: uint8[height, width, 3]."""
        content = self.framebuffer.read_bytes()
        # The X window dump format: big-endian words, a colour map, then rows of blue, green, red, unused.
        header = np.frombuffer(content, ">u4", 25)
        header_size, width, height, bytes_per_line, colours = header[[0, 4, 5, 12, 19]].tolist()
        start = header_size + 12 * colours
        rows = np.frombuffer(content, np.uint8, height * bytes_per_line, start).reshape(height, -1)
        return rows[:, : 4 * width].reshape(height, width, 4)[..., 2::-1]


class Viewer:
    """`nca-viewer` in a process of its own, and hands on its mouse and keyboard."""

    def __init__(self, display, cache, arguments):
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("SDL_VIDEODRIVER", "WAYLAND_DISPLAY")
        }
        self.environment = environment | {
            "DISPLAY": display.name,
            "PYTHONPATH": str(REPOSITORY),
            "XDG_CACHE_HOME": str(cache),
        }
        self.display = display
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nca_viewer", *map(str, arguments)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def xdotool(self, *arguments):
        done = subprocess.run(
            ["xdotool", *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout

    def key(self, name):
        """Press a key and let it go."""
        self.xdotool("key", KEYCODES.get(name, name))

    def screen(self):
        """What is on the screen: uint8[height, width, 3]."""
        return self.display.screen()

    def wait_for_window(self, seconds=60.0):
        """Wait until it is drawn on the screen; returns the seconds since the start."""
        self.wait_until(lambda: (self.screen() == BACKGROUND).all(axis=2).mean() > 0.05, seconds)
        return time.monotonic() - self.started

    def corner(self):
        """(x, y) of the window's first pixel, on a screen that is black elsewhere."""
        rows, columns = np.nonzero(self.screen().any(axis=2))
        return int(columns.min()), int(rows.min())

    def wait_until(self, condition, seconds=120.0):
        deadline = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, self.process.communicate()
            if result := condition():
                return result
            assert time.monotonic() < deadline, "it took too long"
            time.sleep(0.02)

    def end(self, seconds=60.0):
        """Wait for the end; returns (exit code, stdout, stderr)."""
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, err

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def open_viewer(display, tmp_path_factory):
    cache = tmp_path_factory.getbasetemp() / "viewer-cache"
    viewers = []

    def start(*arguments, on=display):
        viewer = Viewer(on, cache, arguments)
        viewers.append(viewer)
        return viewer

    yield start
    for viewer in viewers:
        viewer.kill()
