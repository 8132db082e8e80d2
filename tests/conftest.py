"""Settings that must precede the first import of JAX and pygame, and shared fixtures."""

import os
import tempfile

# No test talks to a screen, a sound card or a GPU unless its own subprocess says so.
os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["SDL_AUDIODRIVER"] = "dummy"
os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["JAX_PLATFORMS"] = "cpu"

# Tests compile the same functions again and again, also in subprocesses: once is enough. Workers get the
# folder from the process that starts them.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _compile_cache = tempfile.TemporaryDirectory(prefix="nca-viewer-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _compile_cache.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import functools
import importlib.util
import signal
import sys
from pathlib import Path

import hypothesis
import jaxtyping
import pytest

# The shapes in the automaton's signatures are checked at every call. Modules without shapes are left alone.
_automaton = Path(__file__).parents[1] / "nca_viewer" / "automaton"
_shaped = [path.stem for path in _automaton.glob("*.py") if "from jaxtyping" in path.read_text("utf-8")]
jaxtyping.install_import_hook([f"nca_viewer.automaton.{name}" for name in _shaped], "beartype.beartype")

from nca_viewer.config import ModelConfig

# The machines of continuous integration are slow and unsteady: no deadline, and the same examples each time.
hypothesis.settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    max_examples=30,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("repeatable")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Make what a test logged sendable between workers: lone surrogates are not."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


LONG_FILES = (
    "training/test_step.py",
    "training/test_run.py",
    "window/test_window.py",
    "window/test_faults.py",
    "test_app_instrument.py",
    "training/test_sharding.py",
    "automaton/test_attention.py",
    "test_cli.py",
    "training/test_evaluate.py",
    "training/test_memory.py",
    "training/test_processes.py",
    "test_simulation.py",
    "test_checkpoint.py",
    "test_environment.py",
    "test_ending.py",
    "window/test_exhibit.py",
    "recording/test_recording.py",
    "test_panes.py",
    "kiosk/test_screen.py",
    "kiosk/test_kiosk.py",
)
"""The longest first: workers take whole files in this order, and the last ones fill the gap at the end."""


def pytest_configure(config: pytest.Config) -> None:
    """Workers take files in the order of the collection, and not those with many tests first."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move long files to the front."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Most of the time is the compiler's, and what it makes runs for a few steps: no optimisations.

    Benchmarks and soaks keep them. Subprocesses do, too: programs pass over the environment's settings.
    """
    if "jax" in sys.modules and "not benchmark" in session.config.option.markexpr:
        sys.modules["jax"].config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="session")
def small_config() -> ModelConfig:
    """A small automaton in which no two sizes are equal."""
    return ModelConfig(
        height=11,
        width=13,
        channel_size=7,
        projection_size=5,
        position_embedding_size=3,
        num_heads=2,
        hidden_size=6,
        perception_size=10,
    )


@pytest.fixture(scope="session")
def small_model(small_config: ModelConfig):
    """An automaton with some parameters, none of them zero."""
    from nca_viewer.checkpoint import build_model
    from nca_viewer.selftest import fixed_parameters

    return build_model(small_config, fixed_parameters(small_config))


@pytest.fixture(scope="session")
def simulation_of(small_model):
    """Makes simulations of `small_model` by their seed; what is compiled for one serves all."""
    from nca_viewer.simulation import Simulation

    first = Simulation(small_model, seed=0)
    first.warm_up()
    return lambda seed: Simulation(small_model, seed=seed, like=first)


@pytest.fixture(scope="session")
def small_checkpoint(
    tmp_path_factory: pytest.TempPathFactory, small_model, small_config: ModelConfig
) -> Path:
    """A checkpoint of `small_model`; read it, and write elsewhere."""
    from nca_viewer.checkpoint import save_checkpoint

    path = tmp_path_factory.mktemp("checkpoints") / "small"
    save_checkpoint(path, small_model, small_config, {"recipe": "test", "step": 3, "metrics": {"psnr": 21.5}})
    return path


@pytest.fixture(scope="module")
def compiled_for_people():
    """Functions are compiled as in programs: with other roundings, and faster where there are many steps."""
    import jax

    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)  # As `pytest_collection_finish` has it.


@pytest.fixture
def heard_hang_ups():
    """A hang-up is not ignored, here and by what is started from here, though `nohup` may have begun it."""
    before = signal.signal(signal.SIGHUP, lambda *_: None) if hasattr(signal, "SIGHUP") else None
    yield
    if before is not None:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="module")
def backend_checked_once():
    """The self-test of the backend, which has tests of its own, runs for the first session of a file only."""
    from nca_viewer import selftest

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selftest, "check_backend", functools.cache(selftest.check_backend))
        yield


@pytest.fixture
def statuses(monkeypatch):
    """What the status bar tells of each frame."""
    from nca_viewer.display.frame import Frame
    from nca_viewer.display.hud import HudState

    told, draw = [], Frame.draw

    def draw_and_tell(*given, **more):
        told.extend(part for part in given if isinstance(part, HudState))
        draw(*given, **more)

    monkeypatch.setattr(Frame, "draw", draw_and_tell)
    return told


@pytest.fixture(scope="session")
def flash_analyser():
    """`flash_analyser.py`, which counts flashes in pictures."""
    path = Path(__file__).with_name("flash_analyser.py")
    specification = importlib.util.spec_from_file_location("flash_analyser", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
