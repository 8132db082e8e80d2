"""The stateful shell round the automaton: what the viewer runs.

Everything random follows from (seed, episode, step): the same seed and the same edits give the same states
bit for bit, at any speed and however the steps are divided into frames.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nca_viewer.automaton.edits import corrupt, erase, paint
from nca_viewer.automaton.episodes import masked_start
from nca_viewer.automaton.experiments import ExperimentArrays, Experiments
from nca_viewer.automaton.explanation import Explain, Explanation
from nca_viewer.automaton.rollout import Dynamics
from nca_viewer.automaton.stepper import prepare
from nca_viewer.automaton.system import AttentionNCA, render
from nca_viewer.config import ModelConfig, different_values
from nca_viewer.errors import BackendError, CheckpointError, reason_of
from nca_viewer.interaction.actions import Tool
from nca_viewer.moment import EXPLOSION_LIMIT, Moment, Start
from nca_viewer.snapshot import Snapshot

_TOOLS = (Tool.PAINT, Tool.ERASE, Tool.CORRUPT)


class _Stream:
    """Which of an episode's independent random streams a key belongs to."""

    MASK = 0
    DROPOUT = 1
    CORRUPT = 2
    NOISE = 3


def _key(key_data: Array) -> Array:
    """The key of uint32[4] bits; of the generator that compiles several times faster than JAX's default."""
    return jax.random.wrap_key_data(key_data, impl="rbg")


def _shapes(config: ModelConfig) -> tuple[tuple[int, ...], ...]:
    return config.state_shape, config.image_shape


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


class _ExplainedSnapshot(PendingSnapshot):
    """A pending snapshot with the explanation of the step that follows."""

    def __init__(self, plain: PendingSnapshot, explanation: Explanation, experiments: Experiments) -> None:
        """Hold on to what was dispatched."""
        self._plain = plain
        self._explanation = explanation
        self._experiments = experiments
        self._result: Snapshot | None = None
        self._step = plain._step

    def explains(self, plain: PendingSnapshot, experiments: Experiments, extent: Explain) -> bool:
        """Whether it is of this very moment, under these experiments, and tells enough."""
        is_same = self._plain is plain and self._experiments is experiments
        return is_same and self._explanation.extent >= extent

    @property
    def is_ready(self) -> bool:
        """Whether `result` would not have to wait."""
        parts = (part for part in self._explanation if part is not None)
        return self._plain.is_ready and all(part.is_ready() for part in parts)

    def result(self) -> Snapshot:
        """As that of a plain one, with the explanation."""
        if self._result is None:
            with _device_errors(self._step):
                parts = (None if part is None else np.asarray(part) for part in self._explanation)
                explanation = Explanation(*parts)
            self._result = dataclasses.replace(self._plain.result(), explanation=explanation)
        return self._result


class _BackgroundFunction:
    """A function that is compiled once, in a thread of its own, when it is first asked for."""

    def __init__(self, function: Callable[..., Any], arguments: Callable[[], tuple[Any, ...]]) -> None:
        """Compile nothing yet.

        Args:
            function: What to compile.
            arguments: Makes arguments of the shapes and types with which it will be called.
        """
        self._function = function
        self._arguments = arguments
        self._compiled: Future[Any] | None = None

    def prepare(self) -> Future[Any]:
        """Begin to compile it, unless that was done."""
        if self._compiled is None:
            arguments = self._arguments()
            executor = ThreadPoolExecutor(1)
            self._compiled = executor.submit(lambda: jax.jit(self._function).lower(*arguments).compile())
            executor.shutdown(wait=False)
        return self._compiled

    @property
    def is_ready(self) -> bool:
        """Whether a call would not have to wait for the compiler; false before `prepare`."""
        return self._compiled is not None and self._compiled.done()

    def __call__(self, *arguments: Any) -> Any:
        """Call it, when it is compiled."""
        return self.prepare().result()(*arguments)


@contextlib.contextmanager
def _device_errors(step: int) -> Iterator[None]:
    """What a device reports, be it when work is handed over or when its result is fetched, in one line."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        raise BackendError(f"the device failed in step {step}: {reason_of(error)}") from error


class SimulationListener(Protocol):
    """Hears of every change of the automaton, after it was dispatched; must not raise."""

    def advanced(self, steps: int) -> None:
        """So many steps were taken, at least one."""

    def edited(self, tool: Tool, region: np.ndarray, ink: float) -> None:
        """A tool acted on some cells, as in `Simulation.apply`."""

    def started(self, start: Start) -> None:
        """Another state took the place of the one before, or other experiments hold."""


class Simulation:
    """One living automaton.

    Calls only dispatch work; the device runs it while the caller goes on, until a snapshot's `result`. Any of
    them may raise BackendError, where the device fails; a new start mends that.

    Attributes:
        config: The automaton's hyperparameters.
        seed: Of everything random.
        step: Steps since the start of the episode.
        episode: Number of the episode, from 0.
        listeners: Hear of every change, in this order.
        stop_steps: Where it is not 0, listeners hear of every step that is a multiple of it.
    """

    def __init__(self, model: AttentionNCA, *, seed: int, like: Simulation | None = None) -> None:
        """Prepare a blank automaton; nothing is compiled before `warm_up` or the first use.

        Args:
            model: The trained automaton.
            seed: From 0 to `config.MAX_SEED`.
            like: Another one, whose compiled functions serve this one too where their hyperparameters agree.
        """
        self.config: ModelConfig = model.config
        self.seed = seed
        self.step = 0
        self.episode = 0
        self.listeners: list[SimulationListener] = []
        self.stop_steps = 0
        dynamics, self._parameters = Dynamics.of(model)
        config = self.config
        self._start: Callable[..., Any]
        self._edit: Callable[..., Any]
        self._observe: Callable[..., Any]
        self._advance: Callable[..., Any]
        self._advance_experiment: _BackgroundFunction
        self._explain: _BackgroundFunction
        self._attend: _BackgroundFunction
        if like is not None and _shapes(like.config) == _shapes(config):
            self._start, self._edit, self._observe = like._start, like._edit, like._observe
        else:
            self._define_edits(config)
        if like is not None and like.config == config:
            self._advance, self._advance_experiment = like._advance, like._advance_experiment
            self._explain, self._attend = like._explain, like._attend
        else:
            self._define_steps(dynamics)
        self._experiments = Experiments()
        self._experiment_arrays = self._experiments.arrays(config)
        self._explained: _ExplainedSnapshot | None = None
        self._image = np.zeros(config.image_shape, np.float32)
        self._mask_ratio = 0.0
        self._clean: np.ndarray | None = None
        self._pending: PendingSnapshot | None = None
        self._state: Array = jax.device_put(np.zeros(config.state_shape, np.float32))

    def _define_edits(self, config: ModelConfig) -> None:
        """What depends on the shapes alone."""

        @jax.jit
        def start(image: Array, mask_ratio: Array, key_data: Array) -> Array:
            return masked_start(image, _key(key_data), mask_ratio, config)

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

        self._start, self._edit, self._observe = start, edit, observe

    def _define_steps(self, dynamics: Dynamics) -> None:
        """What depends on every hyperparameter; parameters are arguments."""

        @jax.jit
        def advance(
            parameters: object, state: Array, key_data: Array, first_step: Array, steps: Array
        ) -> Array:
            stepper = prepare(dynamics.bind(parameters), state.shape[:-1])
            key = _key(key_data)

            def one(number: Array, cells: Array) -> Array:
                step = first_step + number.astype(jnp.uint32)
                return stepper.step(cells, stepper.dropout_mask(jax.random.fold_in(key, step)))

            # The number of steps is an argument, so that every speed runs the one compiled loop.
            return stepper.unpack(jax.lax.fori_loop(0, steps, one, stepper.pack(state)))

        # Functions of their own, not options of the plain one: its states stay what they are, bit for bit.
        def advance_experiment(
            parameters: object,
            state: Array,
            experiments: ExperimentArrays,
            noise_key_data: Array,
            key_data: Array,
            first_step: Array,
            steps: Array,
        ) -> Array:
            stepper = prepare(dynamics.bind(parameters), state.shape[:-1], experiments)
            key, noise_key = _key(key_data), _key(noise_key_data)

            def one(number: Array, cells: Array) -> Array:
                step = first_step + number.astype(jnp.uint32)
                mask = stepper.dropout_mask(jax.random.fold_in(key, step))
                return stepper.step(cells, mask, stepper.noise(jax.random.fold_in(noise_key, step)))

            return stepper.unpack(jax.lax.fori_loop(0, steps, one, stepper.pack(state)))

        def explain(
            parameters: object,
            state: Array,
            experiments: ExperimentArrays,
            noise_key_data: Array,
            key_data: Array,
            step: Array,
        ) -> Explanation:
            stepper = prepare(dynamics.bind(parameters), state.shape[:-1], experiments)
            mask = stepper.dropout_mask(jax.random.fold_in(_key(key_data), step))
            noise = stepper.noise(jax.random.fold_in(_key(noise_key_data), step))
            return stepper.explain(stepper.pack(state), mask, noise)

        def attend(parameters: object, state: Array) -> Explanation:
            stepper = prepare(dynamics.bind(parameters), state.shape[:-1])
            return stepper.attention(stepper.pack(state))

        self._advance = advance
        self._advance_experiment = _BackgroundFunction(
            advance_experiment, lambda: (*self._experiment_arguments(), np.int32(0))
        )
        self._explain = _BackgroundFunction(explain, self._experiment_arguments)
        self._attend = _BackgroundFunction(attend, lambda: (self._parameters, self._state))

    def warm_up(self, *, explained: bool = False, experiments: bool = False) -> None:
        """Compile every function that is needed, side by side, then go back to the start.

        Args:
            explained: Also what explains a step, which is compiled in the background otherwise.
            experiments: Also what runs experiments, likewise.
        """
        no_cell = np.zeros((self.config.height, self.config.width), bool)
        with ThreadPoolExecutor() as pool:
            compilations = [
                pool.submit(self._advance, self._parameters, self._state, *self._dropout_key(), np.int32(0)),
                pool.submit(
                    self._edit, self._state, no_cell, np.int32(0), np.float32(1), *self._corrupt_key()
                ),
                pool.submit(self.reset),
                pool.submit(self._observe, self._state),
            ]
        for compilation in compilations:
            compilation.result()
        background = [self._explain, self._attend] * explained + [self._advance_experiment] * experiments
        for function in [function.prepare() for function in background]:
            function.result()

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
        self._image = np.array(image, np.float32).reshape(self.config.image_shape)
        self._mask_ratio = float(mask_ratio)
        self._start_episode(Start.BEGIN)

    def reset(self) -> None:
        """Go back to the exact start of this episode; the same future follows."""
        self._start_episode(Start.RESET)

    def _start_episode(self, start: Start) -> None:
        self.step = 0
        with _device_errors(self.step):
            self._state = self.start_state()
        self._has_started(start)

    def start_state(self) -> Array:
        """float32[H, W, channel_size], which this episode began with."""
        return self._start(self._image, np.float32(self._mask_ratio), self._key_data(_Stream.MASK))

    def moment(self) -> Moment:
        """All of the present, to come back to; its state is still on the device."""
        return Moment(
            self._state,
            self.step,
            self.episode,
            self._image,
            self._mask_ratio,
            self.seed,
            None if self._experiments.is_neutral else self._experiments,
        )

    def restore(self, moment: Moment) -> None:
        """Make a moment the present; the same future follows, bit for bit.

        Args:
            moment: Of an automaton of this configuration, see `moment.require_moment`.
        """
        with _device_errors(moment.step):
            # JAX may take NumPy's memory as it is, where others could still write to it.
            is_on_device = isinstance(moment.state, Array)
            state = moment.state if is_on_device else jax.device_put(np.array(moment.state, np.float32))
        self._state, self.step, self.episode = state, moment.step, moment.episode
        self._image, self._mask_ratio, self.seed = moment.image, moment.mask_ratio, moment.seed
        self._set_experiments(moment.experiments or Experiments())
        self._has_started(Start.RESTORE)

    def _has_started(self, start: Start) -> None:
        self._clean = self.moment().clean
        for listener in tuple(self.listeners):
            listener.started(start)

    def restart(self) -> None:
        """Start a new episode from the same image: another mask, another future."""
        self.begin(self._image, self._mask_ratio)

    def advance(self, steps: int) -> None:
        """Take some steps.

        Args:
            steps: How many, at least 0.
        """
        while steps > 0:
            part = min(steps, self.stop_steps - self.step % self.stop_steps) if self.stop_steps else steps
            with _device_errors(self.step):
                if self._experiments.is_neutral:
                    self._state = self._advance(
                        self._parameters, self._state, *self._dropout_key(), np.int32(part)
                    )
                else:
                    self._state = self._advance_experiment(*self._experiment_arguments(), np.int32(part))
            self.step += part
            steps -= part
            for listener in tuple(self.listeners):
                listener.advanced(part)

    def apply(self, tool: Tool, region: np.ndarray, ink: float = 1.0) -> None:
        """Let a tool act on some cells.

        Args:
            tool: What to do.
            region: bool[H, W], the cells.
            ink: What `Tool.PAINT` sets, in [0, 1].
        """
        with _device_errors(self.step):
            self._state = self._edit(
                self._state, region, np.int32(_TOOLS.index(tool)), np.float32(ink), *self._corrupt_key()
            )
        for listener in tuple(self.listeners):
            listener.edited(tool, region, ink)

    @property
    def experiments(self) -> Experiments:
        """Changes to the automaton, from the next step on, also over new starts, until others are set.

        While they change nothing, steps are those of the plain automaton, bit for bit. Setting them raises
        ConfigError for what this automaton does not have. The first steps under any wait until their function
        is compiled; see `prepare_experiments`.
        """
        return self._experiments

    @experiments.setter
    def experiments(self, experiments: Experiments) -> None:
        self._set_experiments(experiments)
        for listener in tuple(self.listeners):
            listener.started(Start.EXPERIMENT)

    def _set_experiments(self, experiments: Experiments) -> None:
        self._experiment_arrays = experiments.arrays(self.config)
        self._experiments = experiments
        if not experiments.is_neutral:
            self.prepare_experiments()

    def require_experiments(self, experiments: Experiments) -> None:
        """Check that this automaton has what they change; raises ConfigError."""
        experiments.arrays(self.config)

    def prepare_experiments(self) -> None:
        """Begin to compile what runs experiments, in the background, once for all of them."""
        self._advance_experiment.prepare()

    @property
    def are_experiments_ready(self) -> bool:
        """Whether steps under experiments would not have to wait for the compiler."""
        return self._advance_experiment.is_ready

    @property
    def is_busy(self) -> bool:
        """Whether the device is still computing what was asked for last."""
        return not self._state.is_ready()  # type: ignore[attr-defined]

    def request_snapshot(self, *, explain: Explain = Explain.NOTHING) -> PendingSnapshot:
        """Ask for the current moment; the device has work with it only where it is a new one.

        Args:
            explain: How much to tell at least of the step that `advance` would take from here. What computes
                it is compiled in the background; until that is done, snapshots come without.
        """
        pending = self._pending
        if pending is None or not pending.is_of(self._state, self.step, self.episode):
            with _device_errors(self.step):
                observation = self._observe(self._state)
            pending = PendingSnapshot(self._state, observation, self.step, self.episode, self._clean)
            self._pending = pending
        if explain is Explain.NOTHING:
            return pending
        is_attention = explain is Explain.ATTENTION and self._experiments.is_neutral
        function = self._attend if is_attention else self._explain
        function.prepare()
        if not function.is_ready:
            return pending
        if self._explained is None or not self._explained.explains(pending, self._experiments, explain):
            arguments = (self._parameters, self._state) if is_attention else self._experiment_arguments()
            with _device_errors(self.step):
                explanation = function(*arguments)
            self._explained = _ExplainedSnapshot(pending, explanation, self._experiments)
        return self._explained

    def _key_data(self, stream: int) -> np.ndarray:
        """The bits of the PRNG key of one of this episode's streams: uint32[4].

        Derived here and not by `jax.random.fold_in`, which would be compiled into every function.
        """
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.episode, stream))
        return sequence.generate_state(4, np.uint32)

    def _dropout_key(self) -> tuple[np.ndarray, np.uint32]:
        return self._key_data(_Stream.DROPOUT), self._step_number()

    def _corrupt_key(self) -> tuple[np.ndarray, np.uint32]:
        return self._key_data(_Stream.CORRUPT), self._step_number()

    def _step_number(self) -> np.uint32:
        """The step as keys are made of it: it goes round, as it does within a compiled loop."""
        return np.uint32(self.step % 2**32)

    def _experiment_arguments(self) -> tuple[Any, ...]:
        """Parameters, state, experiments, keys of noise and dropout, and the step."""
        noise_key = self._key_data(_Stream.NOISE)
        return self._parameters, self._state, self._experiment_arrays, noise_key, *self._dropout_key()
