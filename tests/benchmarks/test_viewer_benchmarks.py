"""How soon the window is there, and how evenly its frames follow each other.

The limits hold for two processor cores that nothing else is using.
"""

import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import textwrap
import time

import pytest

from nca_viewer.automaton.explanation import Explain
from nca_viewer.config import ModelConfig
from nca_viewer.display.palette import TOOL_COLOURS
from nca_viewer.interaction.actions import Tool
from nca_viewer.kiosk.operation.status import read_status

pytestmark = pytest.mark.benchmark


@pytest.fixture(scope="session")
def full_checkpoint(tmp_path_factory):
    """A checkpoint of the bundled model's size."""
    from flax import nnx

    from nca_viewer.automaton.system import AttentionNCA
    from nca_viewer.checkpoint import save_checkpoint

    model = AttentionNCA(ModelConfig(), rngs=nnx.Rngs(0))
    path = tmp_path_factory.mktemp("checkpoints") / "full"
    save_checkpoint(path, model, model.config, {"recipe": "benchmark", "step": 0})
    return path


def start_up(open_viewer, checkpoint):
    """(seconds until the window is seen, seconds until the automaton lives)."""
    viewer = open_viewer("--ckpt", checkpoint)
    window_seconds = viewer.wait_for_window()
    colour = TOOL_COLOURS[Tool.PAINT]
    viewer.wait_until(lambda: (viewer.screen()[-120:] == colour).all(axis=2).sum() > 100)
    live_seconds = time.monotonic() - viewer.started
    viewer.xdotool("mousemove", 300, 300, "key", "ctrl+q")
    assert viewer.end() == (0, "", "")
    return window_seconds, live_seconds


def test_start_up(open_viewer, full_checkpoint, record_property):
    cold = start_up(open_viewer, full_checkpoint)
    warm = min((start_up(open_viewer, full_checkpoint) for _ in range(3)), key=lambda times: times[1])
    record_property("window_seconds", warm[0])
    print(f"window {cold[0]:.2f} s, {warm[0]:.2f} s; live cold {cold[1]:.2f} s, warm {warm[1]:.2f} s")
    assert warm[0] < 1.0
    assert cold[1] < 6.0
    assert warm[1] < 4.0


TIMED = """
    import time
    from nca_viewer.display.window import PygameWindow

    class Timed(PygameWindow):
        times = []

        def present(self):
            super().present()
            self.times.append(time.perf_counter())
"""


FRAMES = """
    import json, sys, time
    from fractions import Fraction
    from pathlib import Path
    import numpy as np
    from nca_viewer.launch import open_app
    from nca_viewer.loading import Loaded
    from nca_viewer.loading import load_session
    from nca_viewer.kiosk.config import KioskConfig

    config = KioskConfig(
        checkpoints=(sys.argv[1],), seed=1, speed=Fraction(4), window_size=(1000, 700), frames=660,
        limit_flashes=sys.argv[2:] == ["gentle"], pixel_shift=sys.argv[2:] == ["gentle"],
    )
    exhibit = load_session(config, 1, None, lambda stage: None)

    window = Timed("benchmark", config.window_size)
    open_app(window, Loaded(exhibit), config, screenshot_folder=Path.cwd()).run()
    intervals = np.diff(window.times[60:])
    print(json.dumps({
        "mean": float(intervals.mean()),
        "p99": float(np.quantile(intervals, 0.99)),
        "steps": exhibit.simulation.step,
    }))
"""


def run_on_display(display, program, checkpoint, *arguments):
    """What a program that opens a window prints as JSON."""
    environment = {name: value for name, value in os.environ.items() if name != "SDL_VIDEODRIVER"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(checkpoint), *arguments],
        env=environment | {"DISPLAY": display.name, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("arguments", [(), ("gentle",)], ids=["plain", "gentle"])
def test_sixty_frames_a_second_with_four_steps_each(display, full_checkpoint, arguments):
    measured = run_on_display(display, TIMED + FRAMES, full_checkpoint, *arguments)
    print(measured)
    assert measured["mean"] == pytest.approx(1 / 60, rel=0.05)
    assert measured["p99"] < 0.020
    assert measured["steps"] >= 4 * 640


POINTER = """
    import json, random, sys, threading, time
    from fractions import Fraction
    from pathlib import Path
    import jax
    import numpy as np
    import pygame
    from pygame.event import Event
    from nca_viewer.launch import open_app
    from nca_viewer.loading import Loaded
    from nca_viewer.loading import load_session
    from nca_viewer.interaction.geometry import Geometry
    from nca_viewer.display.window import PygameWindow
    from nca_viewer.kiosk.config import KioskConfig

    FINGERS, SWEEPS, WHITE = 10, 12, (255, 255, 255)
    config = KioskConfig(
        checkpoints=(sys.argv[1],), seed=1, speed=Fraction(4), start="blank", brush_radius_cells=0,
        window_size=(1000, 700),
    )
    exhibit = load_session(config, 1, None, lambda stage: None)
    simulation = exhibit.simulation
    # Steps that cost what they cost and change nothing: a cell that turns white was touched.
    simulation._parameters = jax.tree.map(lambda leaf: 0 * leaf, simulation._parameters)
    geometry = Geometry.fit(config.window_size, (28, 28), bar_visible=True)
    waiting, latencies, blank = {}, [], threading.Event()

    class Watched(PygameWindow):
        def present(self):
            super().present()
            now, surface = time.perf_counter(), self.surface
            for cell, posted in list(waiting.items()):
                if surface.get_at(geometry.cell_centre(cell))[:3] == WHITE:
                    latencies.append(now - posted)
                    del waiting[cell]
            if app.snapshot is not None and not app.snapshot.image.any():
                blank.set()

    window = Watched("benchmark", config.window_size)
    app = open_app(window, Loaded(exhibit), config, screenshot_folder=Path.cwd())

    def finger(kind, number, column):
        x, y = geometry.cell_centre((2 * number + 4, column))
        waiting[2 * number + 4, column] = time.perf_counter()
        pygame.event.post(
            Event(kind, x=(x + 0.5) / 1000, y=(y + 0.5) / 700, finger_id=number, touch_id=1, dx=0, dy=0)
        )

    def hands():
        chance = random.Random(1)
        time.sleep(1.0)
        for _ in range(SWEEPS):
            for column in range(28):
                for number in range(FINGERS):
                    finger(pygame.FINGERMOTION if column else pygame.FINGERDOWN, number, column)
                time.sleep(chance.uniform(0.010, 0.040))
            for number in range(FINGERS):
                pygame.event.post(
                    Event(pygame.FINGERUP, x=0.0, y=0.0, finger_id=number, touch_id=1, dx=0, dy=0)
                )
            time.sleep(0.1)
            blank.clear()
            pygame.event.post(Event(pygame.KEYDOWN, key=pygame.K_DELETE, unicode="\x7f", mod=0))
            pygame.event.post(Event(pygame.KEYUP, key=pygame.K_DELETE, mod=0))
            blank.wait(5.0)
        app.quit()

    threading.Thread(target=hands, daemon=True).start()
    app.run()
    print(json.dumps({
        "touches": FINGERS * SWEEPS * 28,
        "seen": len(latencies),
        "median": float(np.median(latencies)),
        "p99": float(np.quantile(latencies, 0.99)),
    }))
"""


def test_ten_fingers_are_seen_within_two_frames(display, full_checkpoint):
    measured = run_on_display(display, POINTER, full_checkpoint)
    print(measured)
    assert measured["seen"] == measured["touches"]
    assert measured["p99"] < 2 / 60


def test_a_killed_exhibit_is_back_within_six_seconds(open_viewer, full_checkpoint, tmp_path):
    options = ["--exhibit", "--ckpt", full_checkpoint, "--state-dir", tmp_path, "--log-dir", tmp_path]
    supervisor = open_viewer("supervise", *options)

    def live(restarts):
        status = read_status(tmp_path) or {}
        return status if status.get("frames", 0) > 0 and status["restarts"] == restarts else None

    first = supervisor.wait_until(lambda: live(0))
    time.sleep(5)
    os.kill(first["pid"], signal.SIGKILL)
    killed = time.monotonic()
    supervisor.wait_until(lambda: live(1))
    seconds = time.monotonic() - killed
    supervisor.process.send_signal(signal.SIGTERM)
    supervisor.end()
    print(f"back after {seconds:.1f} s")
    assert seconds < 6.0


VIEWS = """
    import json, sys, time
    from dataclasses import replace
    from fractions import Fraction
    from pathlib import Path
    import numpy as np
    from nca_viewer.launch import open_app
    from nca_viewer.loading import Loaded, load_session
    from nca_viewer.kiosk.config import KioskConfig
    from nca_viewer.views import VIEW_NAMES

    config = KioskConfig(checkpoints=(sys.argv[1],), seed=1, speed=Fraction(2), window_size=(1080, 1080))
    session = load_session(config, 1, None, lambda stage: None)
    session.simulation.warm_up(explained=True)

    window = Timed("benchmark", config.window_size)
    app = open_app(window, Loaded(session), config, screenshot_folder=Path.cwd())
    found = {}
    for number, name in enumerate(VIEW_NAMES):
        app.controls = replace(app.controls, view=number)
        for _ in range(30):
            app.frame()
        window.times.clear()
        for _ in range(300):
            app.frame()
        intervals = np.diff(window.times)
        found[name] = {"mean": float(intervals.mean()), "p99": float(np.quantile(intervals, 0.99))}
    print(json.dumps(found))
"""


def test_every_view_keeps_sixty_frames_a_second(display, full_checkpoint):
    measured = run_on_display(display, TIMED + VIEWS, full_checkpoint)
    for name, seconds in measured.items():
        print(f"{name}: mean {1000 * seconds['mean']:.1f} ms, p99 {1000 * seconds['p99']:.1f} ms")
    for name, seconds in measured.items():
        assert seconds["mean"] == pytest.approx(1 / 60, rel=0.05), name
        assert seconds["p99"] < 0.020, name


PANES = """
    import json, sys, time
    from fractions import Fraction
    from pathlib import Path
    import numpy as np
    from nca_viewer.launch import open_app
    from nca_viewer.loading import Loaded, load_session
    from nca_viewer.kiosk.config import KioskConfig

    config = KioskConfig(checkpoints=(sys.argv[1],) * 3, seed=1, speed=Fraction(1), window_size=(1080, 1080))
    session = load_session(config, 1, None, lambda stage: None)

    window = Timed("benchmark", config.window_size)
    app = open_app(window, Loaded(session), config, screenshot_folder=Path.cwd())
    for _ in range(660):
        app.frame()
    intervals = np.diff(window.times[60:])
    print(json.dumps({
        "mean": float(intervals.mean()), "p99": float(np.quantile(intervals, 0.99)),
        "steps": session.simulation.step,
    }))
"""


def test_three_panes_keep_sixty_frames_a_second(display, full_checkpoint):
    measured = run_on_display(display, TIMED + PANES, full_checkpoint)
    print(measured)
    assert measured["mean"] == pytest.approx(1 / 60, rel=0.05)
    assert measured["steps"] >= 640


@pytest.fixture(scope="module")
def full_simulation(full_checkpoint):
    from nca_viewer.checkpoint import load_checkpoint
    from nca_viewer.simulation import Simulation
    from nca_viewer.start_images import StartImages

    model, _ = load_checkpoint(full_checkpoint)
    simulation = Simulation(model, seed=1)
    simulation.warm_up(explained=True)
    simulation.begin(StartImages(model.config, 1).digit(3, 1), 0.5)
    return simulation


def frame_seconds(simulation, frames, steps, explain=Explain.NOTHING):
    """Seconds from a frame's steps to its snapshot, the median."""
    seconds = []
    for _ in range(frames):
        began = time.perf_counter()
        simulation.advance(steps)
        simulation.request_snapshot(explain=explain).result()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def ratio(dearer, plain, pairs=25):
    """How many times as long one of two takes as the other, in turn: the median of all pairs."""
    ratios = sorted(dearer() / plain() for _ in range(pairs))
    median = ratios[pairs // 2]
    print(f"{median:.3f} times ({ratios[0]:.3f} to {ratios[-1]:.3f})")
    return median


@pytest.mark.parametrize("steps", [1, 2])
def test_the_attention_view_costs_at_most_half_as_much_again(full_simulation, steps):
    explained = ratio(
        lambda: frame_seconds(full_simulation, 50, steps, Explain.ATTENTION),
        lambda: frame_seconds(full_simulation, 50, steps),
    )
    assert explained <= 1.5


def test_recording_costs_at_most_a_twentieth(full_simulation, tmp_path):
    from nca_viewer.recording.recorder import Recorder, RecordFile

    files = (RecordFile(tmp_path / f"{number}.jsonl") for number in itertools.count())

    def recorded():
        recorder = Recorder(
            next(files), full_simulation, checkpoint="full", checkpoint_sha256="ab" * 32, environment={}
        )
        seconds = frame_seconds(full_simulation, 100, 2)
        recorder.close()
        return seconds

    assert ratio(recorded, lambda: frame_seconds(full_simulation, 100, 2)) <= 1.05


def test_a_thousand_steps_back_take_a_tenth_of_a_second(full_simulation):
    from nca_viewer.timeline import Timeline

    timeline = Timeline(full_simulation)
    for _ in range(750):
        full_simulation.advance(2)
    newest, seconds = timeline.tick, []
    for _ in range(7):
        began = time.perf_counter()
        timeline.seek(newest - 1000)
        full_simulation.request_snapshot().result()
        seconds.append(time.perf_counter() - began)
        timeline.seek(newest)
    full_simulation.listeners.remove(timeline)
    print(f"median {1000 * sorted(seconds)[3]:.1f} ms, longest {1000 * max(seconds):.1f} ms")
    assert sorted(seconds)[3] < 0.1


SWAP = """
    import json, os, sys, time
    from fractions import Fraction
    from pathlib import Path
    import numpy as np
    from nca_viewer.launch import open_app
    from nca_viewer.loading import Loaded, load_session
    from nca_viewer.kiosk.config import KioskConfig

    run, waiting = Path(sys.argv[1]), Path(sys.argv[2])
    config = KioskConfig(watch=run, seed=1, speed=Fraction(2), window_size=(1000, 700))
    session = load_session(config, 1, None, lambda stage: None)
    swaps, swap = [], session.simulation.swap_parameters
    session.simulation.swap_parameters = lambda model: (swaps.append(len(Timed.times)), swap(model))

    app = open_app(Timed("benchmark", config.window_size), Loaded(session), config, screenshot_folder=Path())
    for _ in range(120):
        app.frame()
    os.rename(waiting, run / sys.argv[3])
    for _ in range(1200):
        app.frame()
        if swaps and len(Timed.times) > swaps[0] + 60:
            break
    session.watcher.close()
    intervals = np.diff(Timed.times[60:])
    print(json.dumps({"swaps": len(swaps), "longest": float(intervals.max())}))
"""


def test_a_swap_of_a_watched_run_delays_no_frame(display, tmp_path):
    from flax import nnx

    from nca_viewer.automaton.system import AttentionNCA
    from nca_viewer.checkpoint import save_checkpoint, step_directory

    model = AttentionNCA(ModelConfig(), rngs=nnx.Rngs(0))
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    for folder, step in ((run, 100), (elsewhere, 200)):
        provenance = {"recipe": "benchmark", "step": step}
        save_checkpoint(step_directory(folder, step), model, model.config, provenance)
    waiting = step_directory(elsewhere, 200)
    measured = run_on_display(display, TIMED + SWAP, run, str(waiting), str(waiting.relative_to(elsewhere)))
    print(measured)
    assert measured["swaps"] == 1
    assert measured["longest"] < 0.033
