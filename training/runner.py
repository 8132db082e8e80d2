"""Runs batches of one automaton, with keys that depend on nothing but the seed and their purpose."""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nca_viewer.automaton import edits
from nca_viewer.automaton.episodes import masked_start
from nca_viewer.automaton.rollout import Dynamics, Parameters
from nca_viewer.automaton.stepper import prepare
from nca_viewer.automaton.system import AttentionNCA, visible
from nca_viewer.config import ModelConfig
from training.damage import ink_centres
from training.sharding import BatchSharding

CHUNK_STEPS = 8
"""Steps of one compiled call."""

TOOLS = ("paint", "erase", "scramble")
"""What a brush in motion does; painting is in full ink."""


@dataclass(frozen=True)
class Tracked:
    """States on their way, with the extremes met so far.

    Attributes:
        state: float32[N, H, W, channel_size].
        largest_state: float32[N], largest absolute value of any channel of any cell.
        highest_visible: float32[N], largest value of the visible channels.
        lowest_visible: float32[N], smallest value of the visible channels.
    """

    state: Any
    largest_state: Any
    highest_visible: Any
    lowest_visible: Any

    @classmethod
    def start(cls, state: Array, config: ModelConfig) -> Tracked:
        """The state itself is the first that counts."""
        shown = visible(state, config)
        axes = (-3, -2, -1)
        return cls(state, jnp.max(jnp.abs(state), axes), jnp.max(shown, axes), jnp.min(shown, axes))

    def next(self, state: Array, config: ModelConfig) -> Tracked:
        """With the state one step later; a value that is not finite stays an extreme."""
        new = Tracked.start(state, config)
        return Tracked(
            state,
            jnp.maximum(self.largest_state, new.largest_state),
            jnp.maximum(self.highest_visible, new.highest_visible),
            jnp.minimum(self.lowest_visible, new.lowest_visible),
        )


jax.tree_util.register_dataclass(Tracked)


def _one_by_one(function: Callable[..., Any], *batch: Any) -> Any:
    """`function` of every automaton of a batch; every argument has a leading axis of automata."""
    if jax.default_backend() != "cpu":
        return jax.vmap(function)(*batch)
    # One automaton after the other stays in a core's cache, where a batch does not: twice as fast.
    sharding = BatchSharding.over_own_devices(len(jax.tree.leaves(batch)[0]))
    return jax.shard_map(
        lambda *batch: jax.lax.map(lambda one: function(*one), batch),
        mesh=sharding.mesh,
        in_specs=sharding.batch_axis,
        out_specs=sharding.batch_axis,
        check_vma=False,
    )(*batch)


def _dynamics(config: ModelConfig) -> Dynamics:
    return Dynamics.of(nnx.eval_shape(lambda: AttentionNCA(config, rngs=nnx.Rngs(0))))[0]


@functools.cache
def _compiled_advance(config: ModelConfig) -> Callable[[Parameters, Tracked, Array, int], Tracked]:
    # One compiled function per configuration, however many checkpoints of it are looked at.
    dynamics = _dynamics(config)

    @functools.partial(jax.jit, static_argnames="num_steps")
    def advance(parameters: Parameters, tracked: Tracked, key: Array, num_steps: int) -> Tracked:
        model = dynamics.bind(parameters)

        def advance_one(tracked: Tracked, key: Array) -> Tracked:
            stepper = prepare(model, tracked.state.shape[:-1])

            def step(carry: tuple[Tracked, Array], mask: Array) -> tuple[tuple[Tracked, Array], None]:
                tracked, cells = carry
                cells = stepper.step(cells, mask)
                return (tracked.next(stepper.unpack(cells), config), cells), None

            def run(tracked: Tracked) -> Tracked:
                keys = jax.random.split(key, num_steps)
                masks = jax.vmap(stepper.pack)(dynamics.cell_dropout(keys, tracked.state.shape[:-1]))
                return jax.lax.scan(step, (tracked, stepper.pack(tracked.state)), masks)[0][0]

            if not config.update_deadband:
                return run(tracked)
            # What rests stays as it is for ever: the same figures for less work.
            return jax.lax.cond(model.is_at_rest(tracked.state), lambda tracked: tracked, run, tracked)

        return _one_by_one(advance_one, tracked, jax.random.split(key, len(tracked.state)))

    return advance


@functools.cache
def _compiled_gesture(config: ModelConfig) -> Callable[[Parameters, Tracked, Array, Array, Array], Tracked]:
    dynamics = _dynamics(config)

    @jax.jit
    def gesture(parameters: Parameters, tracked: Tracked, regions: Array, tool: Array, key: Array) -> Tracked:
        model = dynamics.bind(parameters)

        def touch_one(tracked: Tracked, regions: Array, key: Array) -> Tracked:
            stepper = prepare(model, tracked.state.shape[:-1])

            def touch_and_step(tracked: Tracked, now: tuple[Array, Array]) -> tuple[Tracked, None]:
                region, key = now
                noise_key, dropout_key = jax.random.split(key)
                state = jax.lax.switch(
                    tool,
                    (
                        lambda: edits.paint(tracked.state, region, 1.0, config),
                        lambda: edits.erase(tracked.state, region),
                        lambda: edits.corrupt(tracked.state, region, noise_key, config),
                    ),
                )
                tracked = tracked.next(state, config)
                cells = stepper.step(stepper.pack(state), stepper.dropout_mask(dropout_key))
                return tracked.next(stepper.unpack(cells), config), None

            return jax.lax.scan(touch_and_step, tracked, (regions, jax.random.split(key, len(regions))))[0]

        return _one_by_one(touch_one, tracked, regions, jax.random.split(key, len(regions)))

    return gesture


@functools.partial(jax.jit, static_argnames="config")
def _start(images: Array, key: Array, mask_ratio: Array, config: ModelConfig) -> Tracked:
    return Tracked.start(masked_start(images, key, mask_ratio, config), config)


@functools.partial(jax.jit, static_argnames=("kind", "config"))
def _wound(
    state: Array, centres: Array, radius: Array, key: Array, kind: str, config: ModelConfig
) -> Tracked:
    region = edits.disc(centres, radius, config.height, config.width)
    wounded = edits.erase(state, region) if kind == "erase" else edits.corrupt(state, region, key, config)
    return Tracked.start(wounded, config)


class Runner:
    """Runs batches of one automaton: the compiled steps, the keys, the progress bar."""

    def __init__(self, model: AttentionNCA, *, seed: int, batch_size: int, progress: bool = False):
        """Prepare to run.

        Args:
            model: The automaton.
            seed: Of every random choice.
            batch_size: Automata that run side by side.
            progress: Show progress bars.
        """
        self.config = model.config
        self.seed = seed
        self.batch_size = batch_size
        self.progress = progress
        _, self.parameters = Dynamics.of(model)
        self._advance = _compiled_advance(model.config)
        self._gesture = _compiled_gesture(model.config)

    def key(self, *labels: str | float) -> Array:
        """A PRNG key for one purpose."""
        key = jax.random.key(self.seed)
        for label in labels:
            key = jax.random.fold_in(key, zlib.crc32(str(label).encode()))
        return key

    def generator(self, *labels: str | float) -> np.random.Generator:
        """A NumPy generator for one purpose."""
        return np.random.default_rng([self.seed, *(zlib.crc32(str(label).encode()) for label in labels)])

    def batches(self, count: int) -> Iterable[tuple[int, NDArray[np.intp]]]:
        """Batch number and indices; batches are of one size, for which the last is filled up with index 0."""
        size = math.ceil(count / self.num_batches(count))
        for number in range(self.num_batches(count)):
            indices = np.arange(number * size, (number + 1) * size)
            yield number, np.where(indices < count, indices, 0)

    def num_batches(self, count: int) -> int:
        """How many batches `batches` gives."""
        return math.ceil(count / self.batch_size)

    def bar(self, label: str, count: int, num_steps: int) -> Any:
        """A progress bar over the steps of all batches."""
        from tqdm import tqdm

        total = self.num_batches(count) * num_steps
        return tqdm(total=total, desc=label, unit="step", disable=not self.progress, leave=False)

    def in_batches(
        self, label: str, count: int, num_steps: int, run: Callable[..., Iterable[ArrayLike]]
    ) -> list[NDArray[np.float32]]:
        """Run every batch, and join what comes of them.

        Args:
            label: Of the progress bar.
            count: How many automata there are in all.
            num_steps: How many steps each batch takes.
            run: Is given a batch's number, its indices and the progress bar; returns arrays, each of which
                has a leading axis of automata.

        Returns:
            As many arrays, each of all automata.
        """
        parts = []
        with self.bar(label, count, num_steps) as bar:
            for number, indices in self.batches(count):
                parts.append([np.asarray(part) for part in run(number, indices, bar)])
        return [np.concatenate(each)[:count] for each in zip(*parts, strict=True)]

    def start(self, images: ArrayLike, key: Array, mask_ratio: float) -> Tracked:
        """Masked images with empty hidden channels."""
        return _start(jnp.asarray(images), key, jnp.float32(mask_ratio), self.config)

    def wound(self, state: Array, centres: ArrayLike, radius_cells: float, key: Array, kind: str) -> Tracked:
        """Erase or scramble a disc in each automaton; `kind` is 'erase' or 'scramble'."""
        centres = jnp.asarray(centres, jnp.float32)
        return _wound(state, centres, jnp.float32(radius_cells), key, kind, self.config)

    def advance(self, tracked: Tracked, key: Array, num_steps: int, bar: Any = None) -> Tracked:
        """Run `num_steps`; each other number of steps after the last whole chunk is compiled anew."""
        for chunk, first in enumerate(range(0, num_steps, CHUNK_STEPS)):
            steps = min(CHUNK_STEPS, num_steps - first)
            tracked = self._advance(self.parameters, tracked, jax.random.fold_in(key, chunk), steps)
            # Bounds what is in flight, and keeps the progress bar true.
            jax.block_until_ready(tracked.state)
            if bar is not None:
                bar.update(steps)
        return tracked

    def gesture(
        self, tracked: Tracked, regions: NDArray[np.bool_], key: Array, tool: str, bar: Any = None
    ) -> Tracked:
        """A brush in motion: after every movement of it the automaton makes one step.

        Args:
            tracked: N automata.
            regions: bool[T, N, H, W], the cells that the brush touches in each movement; T a multiple of
                `CHUNK_STEPS`.
            key: Of the cell dropout and of the noise.
            tool: One of `TOOLS`.
            bar: A progress bar.
        """
        if len(regions) % CHUNK_STEPS:
            raise ValueError(f"{len(regions)} movements are not a multiple of {CHUNK_STEPS}")
        tool_number = jnp.int32(TOOLS.index(tool))
        for chunk, first in enumerate(range(0, len(regions), CHUNK_STEPS)):
            part = jnp.asarray(regions[first : first + CHUNK_STEPS].swapaxes(0, 1))
            tracked = self._gesture(
                self.parameters, tracked, part, tool_number, jax.random.fold_in(key, chunk)
            )
            jax.block_until_ready(tracked.state)
            if bar is not None:
                bar.update(CHUNK_STEPS)
        return tracked

    def picture(self, tracked: Tracked) -> NDArray[np.float32]:
        """The visible channels, float32[N, H, W, V], unclipped."""
        return np.asarray(visible(tracked.state, self.config))

    def course(
        self, label: str, images: NDArray[np.float32], mask_ratio: float, snapshot_steps: Sequence[int]
    ) -> tuple[dict[int, NDArray[np.float32]], NDArray[np.float32]]:
        """Restore masked images and take pictures on the way.

        Returns:
            For each of the increasing `snapshot_steps` the pictures float32[N, H, W, V], and each automaton's
            largest absolute state value float32[N].
        """

        def run(number: int, indices: NDArray[np.intp], bar: Any) -> list[Any]:
            key = self.key(label, mask_ratio, number)
            tracked = self.start(images[indices], jax.random.fold_in(key, 0), mask_ratio)
            shown, reached = [], 0
            for steps in snapshot_steps:
                tracked = self.advance(tracked, jax.random.fold_in(key, steps), steps - reached, bar)
                reached = steps
                shown.append(self.picture(tracked))
            return [*shown, tracked.largest_state]

        *pictures, largest = self.in_batches(label, len(images), snapshot_steps[-1], run)
        return dict(zip(snapshot_steps, pictures, strict=True)), largest

    def ink_centres(self, images: NDArray[np.float32], label: str) -> NDArray[np.float32]:
        """For each image a random cell of its ink, (row, column) float32[N, 2]; without ink the middle."""
        return ink_centres(images, self.generator("wound centre", label))
