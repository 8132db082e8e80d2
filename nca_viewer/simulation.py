"""The stateful shell round the automaton: what the viewer runs.

Everything random follows from (seed, episode, step): the same seed and the same edits give the same states
bit for bit, at any speed and however the steps are divided into frames.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nca_viewer.automaton.edits import corrupt, erase, paint
from nca_viewer.automaton.episodes import masked_start
from nca_viewer.automaton.line import CellLine
from nca_viewer.automaton.rollout import Dynamics
from nca_viewer.automaton.system import AttentionNCA, render
from nca_viewer.config import ModelConfig, different_values
from nca_viewer.errors import BackendError, CheckpointError
from nca_viewer.interaction.actions import Tool
from nca_viewer.snapshot import Snapshot

EXPLOSION_LIMIT = 1e6
"""A channel beyond this can no longer become a picture; the episode is lost."""

MAX_SEED = 2**32 - 1

_TOOLS = (Tool.PAINT, Tool.ERASE, Tool.CORRUPT)


class _Stream:
    """Which of an episode's independent random streams a key belongs to."""

    MASK = 0
    DROPOUT = 1
    CORRUPT = 2


def _key(key_data: Array) -> Array:
    """The key of uint32[4] bits; of the generator that compiles several times faster than JAX's default."""
    return jax.random.wrap_key_data(key_data, impl="rbg")


class _Observation(NamedTuple):
    image: Array
    is_healthy: Array


class PendingSnapshot:
    """A snapshot that the device may still be computing."""

    def __init__(
        self, state: Array, observation: _Observation, step: int, episode: int, clean: np.ndarray | None
    ) -> None:
        """Hold on to what was dispatched."""
        self._clean = clean
        self._state = state
        self._observation = observation
        self._step = step
        self._episode = episode
        self._result: Snapshot | None = None

    def is_of(self, state: Array, step: int, episode: int) -> bool:
        """Whether it is of this very state, at this moment."""
        return self._state is state and (self._step, self._episode) == (step, episode)

    @property
    def is_ready(self) -> bool:
        """Whether `result` would not have to wait."""
        return bool(self._observation.is_healthy.is_ready())  # type: ignore[attr-defined]

    def result(self) -> Snapshot:
        """Wait for the device, and copy from it, once.

        Raises:
            BackendError: the device failed.
        """
        if self._result is None:
            with _device_errors(self._step):
                self._result = Snapshot(
                    image=np.asarray(self._observation.image),
                    state=np.asarray(self._state),
                    step=self._step,
                    episode=self._episode,
                    is_healthy=bool(self._observation.is_healthy),
                    clean=self._clean,
                )
        return self._result


@contextlib.contextmanager
def _device_errors(step: int) -> Iterator[None]:
    """What a device reports, be it when work is handed over or when its result is fetched, in one line."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise BackendError(f"the device failed in step {step}: {reason}") from error


def _rendered(image: np.ndarray) -> np.ndarray:
    """As `automaton.system.render`, of a picture on the host: uint8[H, W, 3]."""
    return np.rint(255 * np.broadcast_to(np.clip(image, 0, 1), (*image.shape[:2], 3))).astype(np.uint8)


class Simulation:
    """One living automaton.

    Calls only dispatch work; the device runs it while the caller goes on, until a snapshot's `result`. Any of
    them may raise BackendError, where the device fails; a new start mends that.

    Attributes:
        config: The automaton's hyperparameters.
        seed: Of everything random.
        step: Steps since the start of the episode.
        episode: Number of the episode, from 0.
    """

    def __init__(self, model: AttentionNCA, *, seed: int) -> None:
        """Prepare a blank automaton; nothing is compiled before `warm_up` or the first use.

        Args:
            model: The trained automaton.
            seed: From 0 to `MAX_SEED`.
        """
        self.config: ModelConfig = model.config
        self.seed = seed
        self.step = 0
        self.episode = 0
        dynamics, self._parameters = Dynamics.of(model)
        config = self.config

        @jax.jit
        def start(image: Array, mask_ratio: Array, key_data: Array) -> Array:
            return masked_start(image, _key(key_data), mask_ratio, config)

        @jax.jit
        def advance(
            parameters: object, state: Array, key_data: Array, first_step: Array, steps: Array
        ) -> Array:
            bound = dynamics.bind(parameters)
            line = CellLine.of(state)
            projection = bound.perceive.projection(line)
            key = _key(key_data)

            def one(number: Array, cells: Array) -> Array:
                step = first_step + number.astype(jnp.uint32)
                kept = bound.update.draw(state.shape[:-1], jax.random.fold_in(key, step))
                return bound.step_in_line(line, cells, line.fold(kept), projection)

            # The number of steps is an argument, so that every speed runs the one compiled loop.
            return line.unfold(jax.lax.fori_loop(0, steps, one, line.fold(state)))

        @jax.jit
        def edit(state: Array, region: Array, tool: Array, ink: Array, key_data: Array, step: Array) -> Array:
            # One key per step: a brush that passes a cell twice within a step leaves it as it was.
            key = jax.random.fold_in(_key(key_data), step)
            return jax.lax.switch(
                tool,
                (
                    lambda: paint(state, region, ink, config),
                    lambda: erase(state, region),
                    lambda: corrupt(state, region, key, config),
                ),
            )

        @jax.jit
        def observe(state: Array) -> _Observation:
            return _Observation(render(state, config), jnp.all(jnp.abs(state) < EXPLOSION_LIMIT))

        self._start, self._advance, self._edit, self._observe = start, advance, edit, observe
        self._image = np.zeros(config.image_shape, np.float32)
        self._clean: np.ndarray | None = None
        self._mask_ratio = 0.0
        self._pending: PendingSnapshot | None = None
        self._state: Array = jax.device_put(np.zeros(config.state_shape, np.float32))

    def warm_up(self) -> None:
        """Compile every function there is, side by side, then go back to the start."""
        no_cell = np.zeros((self.config.height, self.config.width), bool)
        with ThreadPoolExecutor() as pool:
            compilations = [
                pool.submit(self._advance, self._parameters, self._state, *self._dropout_key(), np.int32(0)),
                pool.submit(self._edit, self._state, no_cell, np.int32(0), np.float32(1), *self._noise_key()),
                pool.submit(self.reset),
                pool.submit(self._observe, self._state),
            ]
        for compilation in compilations:
            compilation.result()

    def swap_parameters(self, model: AttentionNCA) -> None:
        """Go on with the parameters of another automaton of the same kind; the cells stay as they are.

        Nothing is compiled: the next step is the first with them.

        Raises:
            CheckpointError: its hyperparameters are others.
        """
        if model.config != self.config:
            raise CheckpointError(
                f"the parameters are of another automaton ({different_values(self.config, model.config)}); "
                "start the viewer again with it"
            )
        _, self._parameters = Dynamics.of(model)

    def begin(self, image: np.ndarray, mask_ratio: float) -> None:
        """Start a new episode.

        Args:
            image: float32[H, W, visible_channel_size] in [0, 1].
            mask_ratio: Part of its pixels that is forgotten, in [0, 1].
        """
        self.episode += 1
        self._image = np.asarray(image, np.float32).reshape(self.config.image_shape)
        self._clean = _rendered(self._image) if self._image.any() else None
        self._mask_ratio = mask_ratio
        self.reset()

    def reset(self) -> None:
        """Go back to the exact start of this episode; the same future follows."""
        self.step = 0
        with _device_errors(self.step):
            self._state = self._start(self._image, np.float32(self._mask_ratio), self._key_data(_Stream.MASK))

    def restart(self) -> None:
        """Start a new episode from the same image: another mask, another future."""
        self.begin(self._image, self._mask_ratio)

    def advance(self, steps: int) -> None:
        """Take some steps.

        Args:
            steps: How many, at least 0.
        """
        if steps > 0:
            with _device_errors(self.step):
                self._state = self._advance(
                    self._parameters, self._state, *self._dropout_key(), np.int32(steps)
                )
            self.step += steps

    def apply(self, tool: Tool, region: np.ndarray, ink: float = 1.0) -> None:
        """Let a tool act on some cells.

        Args:
            tool: What to do.
            region: bool[H, W], the cells.
            ink: What `Tool.PAINT` sets, in [0, 1].
        """
        with _device_errors(self.step):
            self._state = self._edit(
                self._state, region, np.int32(_TOOLS.index(tool)), np.float32(ink), *self._noise_key()
            )

    @property
    def is_busy(self) -> bool:
        """Whether the device is still computing what was asked for last."""
        return not self._state.is_ready()  # type: ignore[attr-defined]

    def request_snapshot(self) -> PendingSnapshot:
        """Ask for the current moment; the device has work with it only where it is a new one."""
        pending = self._pending
        if pending is None or not pending.is_of(self._state, self.step, self.episode):
            with _device_errors(self.step):
                observation = self._observe(self._state)
            pending = PendingSnapshot(self._state, observation, self.step, self.episode, self._clean)
            self._pending = pending
        return pending

    def _key_data(self, stream: int) -> np.ndarray:
        """The bits of the PRNG key of one of this episode's streams: uint32[4].

        Derived here and not by `jax.random.fold_in`, which would be compiled into every function.
        """
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.episode, stream))
        return sequence.generate_state(4, np.uint32)

    def _dropout_key(self) -> tuple[np.ndarray, np.uint32]:
        return self._key_data(_Stream.DROPOUT), np.uint32(self.step)

    def _noise_key(self) -> tuple[np.ndarray, np.uint32]:
        return self._key_data(_Stream.CORRUPT), np.uint32(self.step)
