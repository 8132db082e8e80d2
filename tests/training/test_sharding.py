"""Data-parallel training: several devices end where one device ends, also where their number changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from nca_viewer.checkpoint import load_checkpoint, parameter_tree, read_tree

ROOT = Path(__file__).parents[2]

SCRIPT = """
import dataclasses, sys
import jax
from pathlib import Path
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_disable_most_optimizations", True)
from PIL import Image
from tests.training.test_run import IMAGES, MODEL, TRAIN
from training import run
from training.sharding import BatchSharding

# Checkpoints are measured by one device, whatever trained them.
run.make_validation = lambda *_, **__: lambda _: {"psnr_64": 1.0, "psnr_512": 1.0, "healed_psnr": 1.0}
run.sample_sheet = lambda *_: Image.new("RGB", (8, 5))

def train(directory, devices, **options):
    jax.local_device_count = lambda: devices  # So many of the four.
    assert BatchSharding.over_all_devices(4).mesh.size == devices
    config = dataclasses.replace(TRAIN, batch_size=4, wound_probability=0.5, learning_rate=1e-2, **options)
    resume = directory.exists()
    run.fit(config, MODEL, IMAGES[:11], IMAGES[11:], directory, resume=resume, progress=False)

one, several = map(Path, sys.argv[1:])
train(one, 1)
train(several, 4, train_steps=6)
train(several, 2)
"""


def curve(directory: Path) -> list[float]:
    recent = read_tree(directory / "resume")[0]["recent"]
    return recent[~np.isnan(recent[:, 0]), 0].tolist()


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


def test_four_devices_and_then_two_make_the_same_curve_as_one(tmp_path: Path) -> None:
    one, several = tmp_path / "one", tmp_path / "several"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(one), str(several)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    require_same_run(several, one)
