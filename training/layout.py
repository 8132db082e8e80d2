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
from jax.sharding import Mesh, NamedSharding, PartitionSpec

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
        """As many devices as divide the batch evenly."""
        devices = jax.local_devices()
        return cls(Mesh(np.array(devices[: math.gcd(batch_size, len(devices))]), (_BATCH_AXIS,)))

    @property
    def replicated(self) -> NamedSharding:
        """The whole array on every device."""
        return NamedSharding(self.mesh, PartitionSpec())

    @property
    def batch_axis(self) -> PartitionSpec:
        """The leading axis over the devices."""
        return PartitionSpec(_BATCH_AXIS)

    def divide(self, batch: Array) -> Array:
        """Inside a jitted function: the leading axis over the devices."""
        return jax.lax.with_sharding_constraint(batch, NamedSharding(self.mesh, self.batch_axis))

    def replicate(self, tree: Any) -> Any:
        """A tree of arrays, whole on every device."""
        return jax.device_put(jax.tree.map(np.asarray, tree), self.replicated)


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
