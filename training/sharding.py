"""How a batch is divided among devices: parameters and pool whole on each, every batch in equal shares.

Data-parallel training in JAX's own terms: one mesh with one axis, the batch. Each device runs the automata of
its share and differentiates their loss; the mean of the gradients is every device's. The devices may be those
of several processes that `jax.distributed` has joined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nca_viewer.errors import ConfigError

_BATCH_AXIS = "batch"


@dataclass(frozen=True)
class BatchSharding:
    """Devices and what each of them holds.

    Attributes:
        mesh: The devices, over the batch axis.
    """

    mesh: Mesh

    @classmethod
    def over_all_devices(cls, batch_size: int) -> BatchSharding:
        """As many devices as divide the batch evenly, equally many of each process.

        Raises:
            ConfigError: if the batch cannot be divided among the processes.
        """
        count = jax.process_count()
        if batch_size % count:
            raise ConfigError(
                f"batch_size = {batch_size} cannot be divided among {count} processes; choose a multiple of "
                f"{count}"
            )
        return cls._over(batch_size // count, range(count))

    @classmethod
    def over_own_devices(cls, batch_size: int) -> BatchSharding:
        """As many of this process's devices as divide the batch evenly."""
        return cls._over(batch_size, [jax.process_index()])

    @classmethod
    def _over(cls, share: int, processes: Iterable[int]) -> BatchSharding:
        used = math.gcd(share, jax.local_device_count())
        devices = [device for index in processes for device in jax.local_devices(index)[:used]]
        return cls(Mesh(np.array(devices), (_BATCH_AXIS,)))

    @property
    def _is_shared(self) -> bool:
        """Whether other processes have a part in it."""
        return not self.replicated.is_fully_addressable

    @property
    def replicated(self) -> NamedSharding:
        """The whole array on every device."""
        return NamedSharding(self.mesh, PartitionSpec())

    @property
    def batch_axis(self) -> PartitionSpec:
        """The leading axis over the devices."""
        return PartitionSpec(_BATCH_AXIS)

    def divided(
        self, function: Callable[..., tuple[Any, Any]], batch_axes: Sequence[int | None]
    ) -> Callable[..., tuple[Any, Any]]:
        """A function of a whole batch that every device computes for its share.

        Args:
            function: Returns a pair of trees: means over its batch, and arrays with the batch as first axis.
            batch_axes: Of each argument the axis that is the batch; None for what every device needs whole.

        Returns:
            The same function, for use inside a jitted one: the means are those of the whole batch but for
            rounding.
        """

        def of_share(*arguments: Any) -> tuple[Any, Any]:
            means, batch = function(*arguments)
            return jax.lax.pmean(means, _BATCH_AXIS), batch

        specs = tuple(
            PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, _BATCH_AXIS)
            for axis in batch_axes
        )
        shared = jax.shard_map(
            of_share,
            mesh=self.mesh,
            in_specs=specs,
            out_specs=(PartitionSpec(), self.batch_axis),
            check_vma=False,
        )
        return lambda *arguments: self.gather(shared(*self.gather(arguments)))

    def gather(self, tree: Any) -> Any:
        """Inside a jitted function: whole on every device, where there are several processes.

        Else the compiler would divide what comes before and after the roll-outs too, and exchange its pieces.
        Within one process that costs little.
        """
        return jax.lax.with_sharding_constraint(tree, self.replicated) if self._is_shared else tree

    def replicate(self, tree: Any) -> Any:
        """A tree of arrays, the same in all processes, whole on every device."""
        tree = jax.tree.map(np.asarray, tree)
        if not self._is_shared:
            return jax.device_put(tree, self.replicated)
        # device_put would compare them among the processes, one by one.
        return jax.tree.map(
            lambda array: jax.make_array_from_callback(array.shape, self.replicated, array.__getitem__), tree
        )
