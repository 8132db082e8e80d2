"""Several processes that train as one, on one machine: meeting, agreeing, ending, losing one."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nca_viewer.checkpoint import checkpoint_steps, load_checkpoint
from nca_viewer.errors import ConfigError
from training import processes

from .test_sharding import ROOT, curve, require_same_run

PATIENCE_SECONDS = 300.0
"""Longer than anything takes, on a machine that does other things too."""

PROGRAM = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import jax
jax.config.update("jax_disable_most_optimizations", True)  # Half the time is the compiler's.
from nca_viewer.ending import run_program
from training import cli
cli._check_backend = lambda every_core=True: None  # The self-test has tests of its own.
run_program("nca-train", cli.main)
"""

OPTIONS = shlex.split(
    "--height 9 --width 8 --channel-size 5 --projection-size 3 --num-heads 2 --hidden-size 6 "
    "--perception-size 7 --batch-size 4 --pool-size 7 --rollout-steps 2 --decay-steps 10 "
    "--validation-images 2 --learning-rate 1e-2"
)


@pytest.fixture(scope="module", autouse=True)
def compile_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What one process compiled the next need not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        yield


@pytest.fixture
def port() -> int:
    return free_port()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---- One process alone, and addresses ----


@pytest.mark.parametrize("address", ["", "host", "host:", ":80", "host:0", "host:65536", "host:x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address; give HOST:PORT"):
        processes._port(address)


def test_an_address_may_be_of_ipv6() -> None:
    assert processes._port("[::1]:80") == 80


def test_a_port_in_use_is_named(port: int) -> None:
    with (
        socket.create_server(("", port)),
        pytest.raises(ConfigError, match=r"Address already in use; choose another port"),
    ):
        processes._require_free(port, f"127.0.0.1:{port}")


def test_one_process_alone_agrees_with_itself() -> None:
    assert processes.is_first()
    assert processes.gathered({"a": 1}) == [{"a": 1}]
    assert processes.on_first(lambda: 4) == 4
    processes.require_same({"seed": 1})
    tree = {"a": np.zeros(2)}
    assert processes.from_first(tree) is tree


def test_a_difference_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "gathered", lambda ours: [ours, ours, {"seed": 1, "rate": 0.5}])
    with pytest.raises(ConfigError) as caught:
        processes.require_same({"seed": 0, "rate": 0.5})
    assert str(caught.value) == (
        "process 2 was started with seed = 1, process 0 with 0; give all processes the same options and data"
    )


# ---- Two processes ----


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number in range(23):
        Image.fromarray(generator.integers(0, 256, (9, 8), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


@contextlib.contextmanager
def started(
    directory: Path,
    pictures: Path,
    *options: str,
    indices: tuple[int, ...] = (0, 1),
    last: tuple[str, ...] = (),
) -> Iterator[list[subprocess.Popen]]:
    """Two processes, or one of them, with hand-set addresses; `last` are options of the second."""
    address = ["--coordinator", f"127.0.0.1:{free_port()}", "--host-count", "2"]
    running: list[subprocess.Popen] = []
    try:
        for index in indices:
            given = [*address, "--host-index", str(index), *options, *(last if index else ())]
            running.append(start(command(directory, pictures, *given)))
        yield running
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.communicate()


def command(directory: Path, pictures: Path, *options: str) -> list[str]:
    given = ["fit", "--run-dir", str(directory), "--data", str(pictures), *OPTIONS, *options]
    return [sys.executable, "-c", PROGRAM, *given]


def start(arguments: list[str]) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def ends(process: subprocess.Popen) -> tuple[int, list[str]]:
    """The exit code, and what the program says of its end."""
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    lines = errors.splitlines()
    return process.returncode, [
        line for line in lines if line.startswith("nca-train: ") or "Traceback" in line
    ]


def finish(*arguments: list[str]) -> None:
    for process in map(start, arguments):
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, errors[-3000:]


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


SHORT = ("--train-steps", "12", "--checkpoint-every", "6")
LONG = ("--train-steps", "1000000", "--checkpoint-every", "6")


def test_other_options_are_refused_by_both(pictures: Path, tmp_path: Path) -> None:
    complaint = (
        "nca-train: error: process 1 was started with seed = 5, process 0 with 0; give all processes the "
        "same options and data"
    )
    with started(tmp_path / "run", pictures, *SHORT, last=("--seed", "5")) as both:
        assert [ends(process) for process in both] == [(2, [complaint])] * 2
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_a_process_that_nobody_meets_ends_in_time(pictures: Path, tmp_path: Path, index: int) -> None:
    complaint = (
        "nca-train: error: the processes did not meet within 2 s; start all of them in time where they reach "
        "the coordinator, or wait longer with --coordinator-timeout"
    )
    options = (*SHORT, "--coordinator-timeout", "2")
    with started(tmp_path / "run", pictures, *options, indices=(index,)) as alone:
        assert ends(alone[0]) == (2, [complaint])
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_without_a_cluster_there_is_none_to_join(pictures: Path, tmp_path: Path) -> None:
    process = start(command(tmp_path / "run", pictures, *SHORT, "--distributed"))
    code, (line,) = ends(process)
    assert code == 2
    assert line == (
        "nca-train: error: cannot join other processes: coordinator_address should be defined.; start them "
        "with srun or mpirun, or give each of them --coordinator, --host-count and --host-index"
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """The same run by one process."""
    directory = tmp_path_factory.mktemp("processes") / "alone"
    finish(command(directory, pictures, *SHORT))
    return directory


@pytest.mark.slow
def test_two_processes_make_the_same_curve_as_one(alone: Path, pictures: Path, tmp_path: Path) -> None:
    directory = tmp_path / "two"
    # Only the first needs the run's folder.
    with started(directory, pictures, *SHORT, last=("--run-dir", str(tmp_path / "unused"))) as both:
        assert [ends(process) for process in both] == [(0, [])] * 2
    require_same_run(directory, alone)
    assert checkpoint_steps(directory) == [6, 12]
    for name in ("validation.csv", "tensorboard", "sheets", "best"):
        assert (directory / name).exists()
    assert not (tmp_path / "unused").exists()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("mpirun"), reason="needs Open MPI")
def test_what_two_begin_under_open_mpi_one_finishes(alone: Path, pictures: Path, tmp_path: Path) -> None:
    six = command(tmp_path, pictures, "--train-steps", "6", "--checkpoint-every", "6", "--distributed")
    finish(["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2", *six])
    finish(command(tmp_path, pictures, *SHORT, "--resume"))
    require_same_run(tmp_path, alone)


@pytest.mark.slow
def test_told_to_end_both_save_and_a_lost_one_ends_the_other(pictures: Path, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    with started(directory, pictures, *LONG) as both:
        wait_for(directory / "checkpoints" / "step-00000006")
        both[1].send_signal(signal.SIGTERM)
        (first, words), (second, other_words) = map(ends, both)
    assert (first, second) == (130, 143)
    for (line,) in (words, other_words):
        assert line.startswith("nca-train: interrupted; continue with: ")
    step = len(curve(directory))
    assert step >= 6

    # The settings of the run come from its folder, which only the first sees.
    with started(directory, pictures, "--resume", last=("--run-dir", str(tmp_path / "unused"))) as both:
        wait_for(directory / "checkpoints" / f"step-{step - step % 6 + 12:08d}")
        both[1].kill()
        code, (line,) = ends(both[0])
    assert code == 1
    assert "the processes cannot exchange anything any more" in line
    assert "continue in all with --resume" in line
    assert len(curve(directory)) > step
    load_checkpoint(directory)


@pytest.mark.slow
def test_what_the_first_meets_ends_both(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    complaint = f"cannot write {tmp_path / 'file' / 'run'}: Not a directory"
    with started(tmp_path / "file" / "run", pictures, *SHORT) as both:
        assert [ends(process) for process in both] == [
            (2, [f"nca-train: error: {complaint}"]),
            (2, [f"nca-train: error: process 0 stopped: {complaint}"]),
        ]


@pytest.mark.slow
def test_data_that_one_lacks_ends_both(pictures: Path, tmp_path: Path) -> None:
    with started(tmp_path / "run", pictures, *SHORT, last=("--data", "mnits")) as both:
        (first, (line,)), (second, _) = map(ends, both)
    assert (first, second) == (2, 2)
    assert line.startswith("nca-train: error: process 1 stopped: unknown dataset 'mnits'")


def test_a_batch_that_cannot_be_divided_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import jax

    from training.sharding import BatchSharding

    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(
        ConfigError, match="batch_size = 5 cannot be divided among 2 processes; choose a mult"
    ):
        BatchSharding.over_all_devices(5)


@pytest.mark.slow
def test_a_divergence_rolls_both_back(pictures: Path, tmp_path: Path) -> None:
    complaint = (
        "the run diverged 9 times, the last time at update 0; lower the learning rate or set a state limit"
    )
    with started(tmp_path / "run", pictures, *SHORT, "--explosion-limit", "0.001") as both:
        assert [ends(process) for process in both] == [(1, [f"nca-train: error: {complaint}"])] * 2
