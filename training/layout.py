"""Where a training's arrays live: parameters and pool on every device, each batch divided among them.

Data-parallel training in JAX's own terms: one mesh with one axis, the batch. The update is written as if
there were one device; the compiler divides the roll-outs and sums the gradients.
"""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nca_viewer.errors import ConfigError

_BATCH_AXIS = "batch"


@dataclass(frozen=True)
class Layout:
    """Devices and what each of them holds.

    Attributes:
        mesh: The devices, over the batch axis.
    """

    mesh: Mesh

    @classmethod
    def over_all_devices(cls, batch_size: int) -> Layout:
        """As many devices as divide the batch evenly; over several processes it has to be all of them.

        Raises:
            ConfigError: if the batch cannot be divided among the processes' devices.
        """
        devices = jax.devices()
        if jax.process_count() == 1:
            return cls(_mesh(devices[: math.gcd(batch_size, len(devices))]))
        if batch_size % len(devices):
            raise ConfigError(
                f"batch_size = {batch_size} cannot be divided among the {len(devices)} devices of "
                f"{jax.process_count()} processes; choose a multiple of {len(devices)}"
            )
        return cls(_mesh(devices))

    @property
    def replicated(self) -> NamedSharding:
        """The whole array on every device."""
        return NamedSharding(self.mesh, PartitionSpec())

    @property
    def batch_axis(self) -> PartitionSpec:
        """The leading axis over the devices."""
        return PartitionSpec(_BATCH_AXIS)

    @property
    def is_writer(self) -> bool:
        """Whether this process writes the run's files."""
        return jax.process_index() == 0

    def divide(self, batch: Array) -> Array:
        """Inside a jitted function: the leading axis over the devices."""
        return jax.lax.with_sharding_constraint(batch, NamedSharding(self.mesh, self.batch_axis))

    def replicate(self, tree: Any) -> Any:
        """A tree of host arrays, the writer's, on every device of every process."""
        tree = jax.tree.map(np.asarray, tree)
        return jax.device_put(self.agree(tree), self.replicated)

    def agree(self, tree: Any) -> Any:
        """The writer's values of a tree of host arrays, in every process."""
        return multihost_utils.broadcast_one_to_all(tree) if jax.process_count() > 1 else tree


def _mesh(devices: list[jax.Device]) -> Mesh:
    return Mesh(np.array(devices), (_BATCH_AXIS,))


def use_all_cores() -> None:
    """Make every processor core a device of its own; before anything else uses JAX.

    A core then runs its share of the batch by itself, in its own cache, instead of every small operation
    being divided among all cores: on two cores an update takes about two thirds of the time
    (`tests/benchmarks`). On a GPU this changes nothing.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # Where JAX has begun, its devices are what they are, and training works with those.
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", cores or 1)


def connect(coordinator: str, num_processes: int, process_id: int) -> None:
    """Make this process one of several that train together; before anything else uses JAX.

    Args:
        coordinator: HOST:PORT of process 0.
        num_processes: How many there are.
        process_id: 0 to `num_processes` - 1.

    Raises:
        ConfigError: for a process number out of range, and where the coordinator is not reached.
    """
    if not 0 <= process_id < num_processes:
        raise ConfigError(
            f"process_id = {process_id} is out of range; choose a value from 0 to {num_processes - 1}"
        )
    try:
        jax.distributed.initialize(coordinator, num_processes, process_id)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ConfigError(f"cannot join the training at {coordinator}: {reason}") from error
