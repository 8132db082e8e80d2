"""Data-parallel training: four devices end where one device ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nca_viewer.checkpoint import load_checkpoint, parameter_tree, read_tree

ROOT = Path(__file__).parents[2]

SCRIPT = """
import dataclasses, sys
import jax
from pathlib import Path
from training.sharding import BatchSharding
devices, directory, resume = sys.argv[1:]
jax.config.update("jax_num_cpu_devices", int(devices))
jax.config.update("jax_disable_most_optimizations", True)
from tests.training.test_run import IMAGES, MODEL, TRAIN
from training.run import fit
config = dataclasses.replace(TRAIN, batch_size=4, wound_probability=0.5, learning_rate=1e-2)
assert BatchSharding.over_all_devices(4).mesh.size == int(devices)
fit(config, MODEL, IMAGES[:11], IMAGES[11:], Path(directory), resume=resume == "1", progress=False)
"""


def launch(directory: Path, *, devices: int = 1, resume: bool = False) -> subprocess.Popen:
    values = (devices, directory, int(resume))
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
    directory = tmp_path_factory.mktemp("sharding") / "one"
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
