"""The exhibit under simulated visitors, for as long as one likes.

    python -m pytest -s -m slow tests/soak                                  a quarter of an hour
    NCA_VIEWER_SOAK_FRAMES=1000000 python -m pytest -s -m slow tests/soak   the long form

It runs as fast as the machine can, without a screen; a frame counts for a sixtieth of a second.
"""

import ctypes
import gc
import json
import os
import time

import jax.monitoring
import numpy as np
import pytest
from scipy.stats import theilslopes

from nca_viewer.checkpoint import load_checkpoint
from nca_viewer.display.window import HeadlessWindow
from nca_viewer.errors import BackendError
from nca_viewer.health import Limits
from nca_viewer.interaction.actions import Tool
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.kiosk.operation.event_log import EventLog
from nca_viewer.kiosk.operation.monitor import Monitor
from nca_viewer.kiosk.operation.status import memory_megabytes, read_status
from nca_viewer.launch import open_app
from nca_viewer.loading import Loaded, Session
from nca_viewer.simulation import Simulation
from nca_viewer.start_images import StartImages
from tests.faults import FaultySimulation
from tests.visitors import Visitors

pytestmark = pytest.mark.slow

FRAMES = int(os.environ.get("NCA_VIEWER_SOAK_FRAMES", "0"))
SECONDS = float(os.environ.get("NCA_VIEWER_SOAK_SECONDS", "900"))
SIZE = (800, 600)
RATE = 60
SAMPLE_FRAMES = 500
FAULT_FRAMES = 10_000
FROZEN_STEPS = int(Limits().frozen_seconds * RATE)
WARM_UP_PART = 0.5
"""Until then bounded stores fill: words that were drawn, NumPy's and Python's own of small blocks."""
SLOPE_LIMIT_MEGABYTES = 1.0
"""For 100,000 frames, after warming up."""


def held_megabytes():
    """What the process holds, once Python and the C library have given back what they keep for later.

    Without that, pages come and go by two megabytes, and a slope of one in 100,000 frames is not to be seen.
    """
    gc.collect()  # Empties the free lists of tuples, floats and the like, too.
    ctypes.CDLL(None).malloc_trim(0)
    return memory_megabytes()


def inject(simulation, number):
    """The faults that come by turns."""
    match number % 3:
        case 0:
            config = simulation.config
            simulation.real.apply(Tool.PAINT, np.ones((config.height, config.width), bool), np.nan)
        case 1:
            simulation.step_error = BackendError("the device failed in a step: injected")
        case 2:
            simulation.is_frozen = True


def test_soak(tmp_path, record_property):
    compilations = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compilations.append(event) if "backend_compile" in event else None
    )
    model, _ = load_checkpoint("model")
    simulation = FaultySimulation(Simulation(model, seed=5))
    simulation.warm_up()
    starts = StartImages(simulation.config, 5)
    simulation.begin(starts.digit(None, 1), 0.5)
    config = KioskConfig(exhibit=True, idle_seconds=20.0, operator_exit="none", languages=("en", "de"))
    journal = EventLog()
    journal.open(tmp_path)
    monitor = Monitor(
        limits=Limits(), state_folder=tmp_path, journal=journal, usage_csv=tmp_path / "usage.csv"
    )
    window = HeadlessWindow(SIZE)
    app = open_app(
        window,
        Loaded(Session(simulation, starts, 0.5, "soak")),
        config,
        screenshot_folder=tmp_path,
        monitor=monitor,
    )
    visitors = Visitors(5, SIZE, idle_seconds=config.idle_seconds)
    samples, faults, began = [], 0, time.monotonic()
    compilations_when_warm = None
    while app.frames < FRAMES if FRAMES else time.monotonic() - began < SECONDS:
        window.post(*visitors.frame(1 / RATE))
        app.frame()
        assert not app.is_over
        if app.frames == RATE * 60:
            compilations_when_warm = len(compilations)
        if app.frames % SAMPLE_FRAMES == 0:
            samples.append((app.frames, held_megabytes()))
        if app.frames % FAULT_FRAMES == FAULT_FRAMES // 2:
            inject(simulation, faults)
            faults += 1
    monitor.end()

    status = read_status(tmp_path)
    log = "".join(path.read_text() for path in tmp_path.glob("nca-viewer.log*"))
    warm = np.array(samples[int(WARM_UP_PART * len(samples)) :])
    # The median of the slopes between any two: a leak grows all the time, a store that fills is a step.
    slope = 1e5 * theilslopes(warm[:, 1], warm[:, 0]).slope
    grown = slope * (warm[-1, 0] - warm[0, 0]) / 1e5
    figures = {
        "frames": app.frames,
        "seconds": round(time.monotonic() - began),
        "events": visitors.events_made,
        "megabytes": [megabytes for _, megabytes in samples[:: max(1, len(samples) // 20)]],
        "megabytes_per_100000_frames": round(float(slope), 3),
        "compilations_after_a_minute": len(compilations) - (compilations_when_warm or 0),
        "injected": faults,
        "freezes_steps": simulation.freezes,
        "faults": status["faults"],
        "recoveries": status["recoveries"],
    }
    print(json.dumps(figures))
    record_property("figures", figures)
    assert app.frames > 2 * RATE * 60, "too short to tell anything"
    assert figures["compilations_after_a_minute"] == 0
    # In a short run a single page more would look like a slope.
    assert slope < SLOPE_LIMIT_MEGABYTES or grown < SLOPE_LIMIT_MEGABYTES
    # A visitor who asks for a new digit ends a freeze before it can be noticed.
    noticed = [steps for steps in simulation.freezes if steps > FROZEN_STEPS - 3]
    assert all(steps < FROZEN_STEPS + 3 for steps in noticed)
    assert status["faults"].get("frozen", 0) == len(noticed)
    assert len(simulation.freezes) == faults // 3 - simulation.is_frozen
    assert status["recoveries"] >= faults - len(simulation.freezes) + len(noticed)
    assert log.count(" fault: ") == sum(status["faults"].values())
    assert log.count("remedy: fresh digit") == status["recoveries"]
    assert status["problems"] == []
    assert (tmp_path / "usage.csv").read_text().count("\n") >= 2
