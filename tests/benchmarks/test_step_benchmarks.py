"""How much faster the nine-neighbour form is than the dense form of the original example.

Run with `python -m pytest -m benchmark tests/benchmarks/test_step_benchmarks.py -s`. Both forms take turns
within one run; what counts is the ratio. Peak memory is that of a process of its own for each form.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import Array

from nca_viewer.automaton.layout import FlatLayout
from nca_viewer.automaton.perceive import LocalAttentionPerceive
from nca_viewer.automaton.rollout import Dynamics, Parameters
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.backend import use_all_cores
from nca_viewer.config import ModelConfig
from training.sharding import BatchSharding

CONFIG = ModelConfig()
ROLLOUT_STEPS = 32
BATCH_SIZE = 4


class DensePerceive(LocalAttentionPerceive):
    """The original example's form: flax's attention over all pairs of cells, under a boolean mask."""

    def perceive_packed(self, layout: FlatLayout, cells: Array, projection: object) -> Array:
        return layout.inner(layout.pack(self(layout.unpack(cells))))

    def __call__(self, state: Array) -> Array:
        height, width = state.shape[-3:-1]
        rows, columns = np.divmod(np.arange(height * width), width)
        mask = (abs(rows[:, None] - rows) <= 1) & (abs(columns[:, None] - columns) <= 1)
        table = self.position_embed
        position = jnp.concatenate([table(jnp.asarray(rows)), table(jnp.asarray(columns))], axis=-1)
        token = self.linear(state).reshape(*state.shape[:-3], height * width, -1)
        position = jnp.broadcast_to(position, (*token.shape[:-1], position.shape[-1]))
        out = self.attention(jnp.concatenate([token, position], axis=-1), mask=jnp.asarray(mask)[None])
        return out.reshape(*state.shape[:-1], -1)


def automaton(form: str) -> tuple[Dynamics, Parameters]:
    model = AttentionNCA(CONFIG, rngs=nnx.Rngs(0))
    if form == "dense":
        model.perceive = DensePerceive(CONFIG, rngs=nnx.Rngs(0))
    kernel = model.update.layers[1].kernel
    kernel[...] = 0.01 * jax.random.normal(jax.random.key(1), kernel.shape)
    return Dynamics.of(model)


def forward(form: str) -> Callable[[], Array]:
    """Eight steps of one automaton in one scan."""
    dynamics, parameters = automaton(form)
    state = jax.random.uniform(jax.random.key(2), CONFIG.state_shape)
    keys = jax.random.split(jax.random.key(3), 8)
    run = jax.jit(dynamics.rollout)
    return lambda: run(parameters, state, keys)


def train(form: str) -> Callable[[], Array]:
    """Loss and gradient of the published recipe's batch: 4 automata, 32 steps.

    The dense form runs as the original example does, on one device whose operations use every core; the local
    form as `nca-train` does, with the batch divided among the cores.
    """
    if form == "local":
        use_all_cores()
    sharding = BatchSharding.over_all_devices(BATCH_SIZE)
    dynamics, parameters = automaton(form)
    parameters = sharding.replicate(parameters)
    state = jax.random.uniform(jax.random.key(2), (BATCH_SIZE, *CONFIG.state_shape))
    keys = jax.random.split(jax.random.key(3), ROLLOUT_STEPS)

    # The state and the draws are arguments: as constants, XLA would fold them at great cost.
    def loss(parameters: Parameters, state: Array, cell_dropout: Array) -> Array:
        final = dynamics.rollout_with(cell_dropout, parameters, state, rematerialise=form == "local")
        return jnp.mean((final[..., -1] - 0.5) ** 2)

    def descent(*arguments: Any) -> tuple[Any, Array]:
        value, gradient = jax.value_and_grad(loss)(*arguments)
        return gradient, value[None]

    train_step = sharding.divided(descent, batch_axes=(None, 0, 1))

    @jax.jit
    def run(parameters: Parameters, state: Array, keys: Array) -> Array:
        return train_step(parameters, state, dynamics.cell_dropout(keys, state.shape[:-1]))

    state, keys = sharding.replicate(state), jax.device_put(keys, sharding.replicated)
    return lambda: run(parameters, state, keys)


def in_own_process(workload: str, form: str, rounds: int) -> dict[str, Any]:
    """{'seconds': [...], 'peak_megabytes': ...} of a fresh process: one form's heap is no other's burden."""
    script = (
        "import importlib.util, json, time, jax;"
        f"spec = importlib.util.spec_from_file_location('bench', {str(Path(__file__))!r});"
        "bench = importlib.util.module_from_spec(spec); spec.loader.exec_module(bench);"
        f"print(json.dumps(bench.measure({workload!r}, {form!r}, {rounds})))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(workload: str, form: str, rounds: int) -> dict[str, Any]:
    """Time one form, after one round that is not counted."""
    run = WORKLOADS[workload](form)
    seconds = []
    for number in range(rounds + 1):
        started = time.perf_counter()
        jax.block_until_ready(run())
        if number:
            seconds.append(time.perf_counter() - started)
    # Not ru_maxrss, which a process inherits from the one that started it.
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return {"seconds": seconds, "peak_megabytes": int(peak.split()[1]) / 1e3}


WORKLOADS = {"forward": forward, "train": train}


def compare(workload: str, rounds: int) -> tuple[list[float], dict[str, float]]:
    """Ratios dense / local, pair by pair over three turns of both forms, and their peak memory in MB."""
    seconds: dict[str, list[float]] = {"dense": [], "local": []}
    peaks = dict.fromkeys(seconds, 0.0)
    for _ in range(3):
        for form in seconds:
            result = in_own_process(workload, form, rounds)
            seconds[form] += result["seconds"]
            peaks[form] = max(peaks[form], result["peak_megabytes"])
    ratios = [dense / local for dense, local in zip(seconds["dense"], seconds["local"], strict=True)]
    medians = {form: f"{1e3 * statistics.median(times):.1f} ms" for form, times in seconds.items()}
    print(
        f"\n{workload}: {medians}, ratio median {statistics.median(ratios):.1f} "
        f"(min {min(ratios):.1f}, max {max(ratios):.1f}), peak {peaks} MB"
    )
    return ratios, peaks


@pytest.mark.benchmark
def test_one_step_is_seven_times_faster_than_the_dense_form() -> None:
    ratios, _ = compare("forward", rounds=20)
    assert statistics.median(ratios) >= 7


@pytest.mark.benchmark
def test_one_train_step_is_ten_times_faster_than_the_dense_form_in_less_memory() -> None:
    ratios, peaks = compare("train", rounds=2)
    assert statistics.median(ratios) >= 10
    assert peaks["local"] < 1500


@pytest.mark.benchmark
def test_memory_grows_with_the_cells_not_with_their_square() -> None:
    def temporary_bytes(size: int) -> int:
        config = ModelConfig(height=size, width=size)
        dynamics, parameters = Dynamics.of(AttentionNCA(config, rngs=nnx.Rngs(0)))
        state = jnp.zeros(config.state_shape)
        keys = jax.random.split(jax.random.key(0), 2)
        compiled = jax.jit(lambda p, s: dynamics.rollout(p, s, keys)).lower(parameters, state).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    small, large = temporary_bytes(28), temporary_bytes(112)
    print(f"\ntemporary memory of a step: {small / 1e6:.1f} MB at 28 x 28, {large / 1e6:.1f} MB at 112 x 112")
    assert large / small < 1.3 * 16
