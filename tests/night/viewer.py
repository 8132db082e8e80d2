"""The viewer as it is, with simulated visitors at its window and faults on demand; the night starts it.

An order is an empty file in the folder that NIGHT_ORDERS names; it is obeyed and removed at the next frame.
"""

import dataclasses
import errno
import os
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pygame

from nca_viewer import cli, launch
from nca_viewer.display.window import PygameWindow
from nca_viewer.errors import BackendError
from nca_viewer.interaction.actions import Tool
from nca_viewer.kiosk.operation import monitor
from tests.faults import FaultySimulation
from tests.visitors import Visitors

ORDERS = Path(os.environ["NIGHT_ORDERS"])
STALL_SECONDS = 3.0


class Stage:
    """Where the faults are injected."""

    def __init__(self):
        self.simulation = None
        self.stall_until = None
        self.is_disk_full = False
        self.clock_jump = timedelta()
        self.visitors = None
        self.last_seconds = None
        self.extra = []

    def frame(self, window):
        """The visitors' events of this frame, after the orders were obeyed."""
        now = time.monotonic()
        for order in os.listdir(ORDERS):
            (ORDERS / order).unlink(missing_ok=True)
            self.obey(order, now)
        if self.stall_until is not None and now >= self.stall_until:
            self.stall_until = None
            self.simulation.stalls = False
        if self.simulation is None:
            return []
        if self.visitors is None:
            self.visitors = Visitors(int(os.environ["NIGHT_SEED"]), window.surface.get_size())
        elapsed = 1 / 60 if self.last_seconds is None else now - self.last_seconds
        self.last_seconds = now
        extra, self.extra = self.extra, []
        return [*self.visitors.frame(min(elapsed, 0.1)), *extra]

    def obey(self, order, now):
        simulation = self.simulation
        match order:
            case "not-finite":
                config = simulation.config
                simulation.real.apply(Tool.PAINT, np.ones((config.height, config.width), bool), np.nan)
            case "device-error":
                simulation.step_error = BackendError("the device failed in a step: injected")
            case "surprise":
                simulation.step_error = ZeroDivisionError("injected")
            case "frozen":
                simulation.is_frozen = True
            case "stall":
                simulation.stalls, self.stall_until = True, now + STALL_SECONDS
            case "stall-for-good":
                simulation.stalls = True
            case "hang":
                time.sleep(3600)
            case "disk-full":
                self.is_disk_full = True
            case "disk-free":
                self.is_disk_full = False
            case "clock-forth":
                self.clock_jump += timedelta(days=400)
            case "clock-back":
                self.clock_jump -= timedelta(days=400)
            case "thousand-events":
                self.extra = [thousandth(number) for number in range(1000)]


def thousandth(number):
    kind = (pygame.FINGERDOWN, pygame.FINGERMOTION, pygame.FINGERUP)[number % 3]
    place = {"x": number % 37 / 37, "y": number % 91 / 91, "dx": 0.0, "dy": 0.0}
    return pygame.event.Event(kind, touch_id=1, finger_id=number % 10, **place)


def main():
    stage = Stage()
    real_events, real_open, real_load = PygameWindow.events, Path.open, launch.load_session

    def events(window):
        return [*real_events(window), *stage.frame(window)]

    def open_file(path, mode="r", *arguments, **options):
        if stage.is_disk_full and mode not in ("r", "rb"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_open(path, mode, *arguments, **options)

    def load(*arguments, **options):
        exhibit = real_load(*arguments, **options)
        stage.simulation = FaultySimulation(exhibit.simulation)
        return dataclasses.replace(exhibit, simulation=stage.simulation)

    class JumpingClock(monitor.datetime):
        @classmethod
        def now(cls, zone=None):
            return super().now(zone) + stage.clock_jump

    PygameWindow.events, Path.open, launch.load_session = events, open_file, load
    monitor.datetime = JumpingClock
    cli.main(prog_name="nca-viewer")


if __name__ == "__main__":
    main()
