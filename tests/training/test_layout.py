"""Data-parallel training: four devices, and two processes, end where one device ends."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nca_viewer.checkpoint import load_checkpoint, parameter_tree, read_tree
from nca_viewer.errors import ConfigError
from training.layout import connect

ROOT = Path(__file__).parents[2]

SCRIPT = """
import dataclasses, sys
import jax
from pathlib import Path
from training.layout import Layout, connect
devices, processes, process, port, directory, resume = sys.argv[1:]
jax.config.update("jax_num_cpu_devices", int(devices))
if int(processes) > 1:
    connect(f"127.0.0.1:{port}", int(processes), int(process))
from tests.training.test_run import IMAGES, MODEL, TRAIN
from training.run import fit
config = dataclasses.replace(TRAIN, batch_size=4, wound_probability=0.5, learning_rate=1e-2)
assert Layout.over_all_devices(4).mesh.size == int(devices) * int(processes)
fit(config, MODEL, IMAGES[:11], IMAGES[11:], Path(directory), resume=resume == "1", progress=False)
"""


def launch(
    directory: Path,
    *,
    devices: int = 1,
    processes: int = 1,
    process: int = 0,
    port: int = 0,
    resume: bool = False,
) -> subprocess.Popen:
    values = (devices, processes, process, port, directory, int(resume))
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *map(str, values)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait(*processes: subprocess.Popen) -> None:
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]


def curve(directory: Path) -> list[float]:
    recent = read_tree(directory / "resume")[0]["recent"]
    return recent[~np.isnan(recent[:, 0]), 0].tolist()


@pytest.fixture(scope="module")
def one_device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("layout") / "one"
    wait(launch(directory))
    return directory


def require_same_run(ours: Path, theirs: Path) -> None:
    assert len(curve(theirs)) == 12
    np.testing.assert_allclose(curve(ours), curve(theirs), rtol=1e-4)
    trees = [parameter_tree(load_checkpoint(path)[0]) for path in (ours, theirs)]
    for part in ("perceive", "update"):
        for leaf, other in zip(_leaves(trees[0][part]), _leaves(trees[1][part]), strict=True):
            np.testing.assert_allclose(leaf, other, atol=2e-4)


def _leaves(tree: dict) -> list[np.ndarray]:
    return [
        leaf for value in tree.values() for leaf in (_leaves(value) if isinstance(value, dict) else [value])
    ]


def test_four_devices_make_the_same_curve_as_one(one_device: Path, tmp_path: Path) -> None:
    wait(launch(tmp_path / "four", devices=4))
    require_same_run(tmp_path / "four", one_device)
    # And a run may go on with another number of devices.
    wait(launch(tmp_path / "four", devices=2, resume=True))


def test_two_processes_make_the_same_curve_as_one(one_device: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    directory = tmp_path / "two"
    wait(*(launch(directory, devices=2, processes=2, process=process, port=port) for process in range(2)))
    require_same_run(directory, one_device)
    with (directory / "validation.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["4", "8", "12"]


def test_a_process_beyond_the_last_is_refused() -> None:
    with pytest.raises(ConfigError, match="process_id = 2 is out of range; choose a value from 0 to 1"):
        connect("127.0.0.1:1", 2, 2)
