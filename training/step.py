"""One parameter update: sample the pool, run the automata, descend the gradient, put the states back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from cax.nn.pool import Pool
from jax import Array

from nca_viewer.automaton.episodes import masked_start
from nca_viewer.automaton.rollout import Dynamics, Parameters
from nca_viewer.automaton.system import visible
from training.config import TrainConfig
from training.damage import Wounds, draw_wounds
from training.memory import SILENT_STEPS, in_vain, is_new, trainable
from training.sharding import BatchSharding

_GOLDEN_RATIO = 0.6180339887
_PLASTIC_RATIO = 0.7548776662

_YOUNG_WOUND_STEPS = (SILENT_STEPS, 72)
"""Steps of a page at which it is wounded while it forms ..."""
_YOUNG_HEALING_STEPS = (12, 27)
"""... and how many later an update takes it up."""


class Images(NamedTuple):
    """What episodes start from, on the device.

    Attributes:
        photographs: uint8[N, H, W, V], the training images.
        drawings: uint8[M, H, W, V], strokes drawn by the viewer's brush; one empty page where unused.
    """

    photographs: Array
    drawings: Array

    def clean(self, index: Array) -> Array:
        """The pictures float[B, H, W, V] in [0, 1] of int[B] indices.

        0 to N - 1 are training images, N to N + M - 1 drawings, -1 is the empty page.
        """
        count = len(self.photographs)
        photograph = self.photographs[jnp.clip(index, 0, count - 1)]
        drawing = self.drawings[jnp.clip(index - count, 0, len(self.drawings) - 1)]
        picture = jnp.where((index < count)[:, None, None, None], photograph, drawing) / 255.0
        return jnp.where((index >= 0)[:, None, None, None], picture, 0.0)


class TrainState(NamedTuple):
    """Everything that a run is; the same state continues the same run.

    Attributes:
        parameters: The automaton's parameters.
        average: Their running average, see `TrainConfig.average_decay`; without one the parameters.
        optimiser_state: Adam's moments and counts, and how often it was asked.
        pool_state: float[P, H, W, C].
        pool_index: int32[P], which picture each state is to show, see `Images.clean`.
        step: int32[], updates made.
        restarts: int32[], how often the run was rolled back; every draw depends on it.
    """

    parameters: Parameters
    average: Parameters
    optimiser_state: Any
    pool_state: Array
    pool_index: Array
    step: Array
    restarts: Array


class Metrics(NamedTuple):
    """Scalars of one update.

    Attributes:
        loss: Mean squared error of the picture, over the last `loss_steps` states.
        motion: Mean magnitude of the last `loss_steps` changes of a channel.
        gradient_norm: Global norm before clipping.
        largest_state: Largest magnitude in the final states.
    """

    loss: Array | float
    motion: Array | float
    gradient_norm: Array | float
    largest_state: Array | float


def learning_rate_schedule(config: TrainConfig) -> optax.Schedule:
    """Linear warm-up, linear decay, then constant; updates -> learning rate."""
    decay = optax.linear_schedule(config.learning_rate, config.learning_rate_end, config.decay_steps)
    if not config.warmup_steps:
        return decay
    warmup = optax.linear_schedule(0.0, config.learning_rate, config.warmup_steps)
    return optax.join_schedules([warmup, decay], [config.warmup_steps])


def make_optimiser(config: TrainConfig) -> optax.GradientTransformationExtraArgs:
    """Global-norm clipping, then Adam; nothing where the `norm` given to its update is NaN or too large."""
    descent = optax.chain(
        optax.clip_by_global_norm(config.clip_norm), optax.adam(learning_rate_schedule(config))
    )
    return optax.conditionally_mask(
        descent, lambda step, *, norm: norm <= config.gradient_limit, forward_extra_args=True
    )


def average_decay(step: Array | int, config: TrainConfig) -> Array:
    """The weight that the running average keeps in an update: float32[], rising from 0 to `average_decay`.

    While the run is young the average spans about a tenth of it, so that random beginnings are forgotten.
    """
    return jnp.minimum(config.average_decay, jnp.float32(step) / (10.0 + jnp.float32(step)))


def _fresh_episodes(
    images: Images, key: Array, slots: Array, config: TrainConfig, dynamics: Dynamics
) -> tuple[Array, Array]:
    """Starts float[B, H, W, C] and picture indices int32[B] for int[B] slots of the pool.

    They are masked pictures, and empty pages, of which some have waited in vain, and some keep a few specks.
    A slot holds episodes of one kind for ever: were the kind drawn anew, what is easy to keep would in time
    crowd out what is hard.
    """
    photograph_key, drawing_key, ratio_key, mask_key, vain_key = jax.random.split(key, 5)
    photographs, count = len(images.photographs), len(slots)
    kind = _spread(slots, _GOLDEN_RATIO)
    index = jax.random.randint(photograph_key, (count,), 0, photographs)
    drawing = photographs + jax.random.randint(drawing_key, (count,), 0, len(images.drawings))
    is_drawing = kind < config.painted_fraction
    is_blank = ~is_drawing & (kind < config.painted_fraction + config.blank_fraction)
    index = jnp.where(is_blank, -1, jnp.where(is_drawing, drawing, index))
    ratio = jax.random.uniform(
        ratio_key, (count,), minval=config.mask_ratio_min, maxval=config.mask_ratio_max
    )
    ratio = jnp.where(is_drawing, 0.0, ratio)
    start = masked_start(images.clean(index), mask_key, ratio, dynamics.config)
    if config.memory:
        vain_key, speck_key = jax.random.split(vain_key)
        start = jnp.where(is_blank[:, None, None, None], _with_specks(start, speck_key), start)
    if config.memory and config.in_vain_probability:
        vain_key, wait_key = jax.random.split(vain_key)
        is_in_vain = is_blank & jax.random.bernoulli(vain_key, config.in_vain_probability, (count,))
        start = jnp.where(is_in_vain[:, None, None, None], in_vain(start, wait_key, dynamics.config), start)
    return start, index


def _with_specks(start: Array, key: Array) -> Array:
    """Every second page with up to 0.8 % of its cells bright: so little is left that it is to be blank."""
    share_key, cell_key, brightness_key = jax.random.split(key, 3)
    share = jax.random.uniform(share_key, (len(start), 1, 1, 1), minval=-0.008, maxval=0.008)
    ink = start[..., -1:]
    is_speck = jax.random.bernoulli(cell_key, jnp.maximum(share, 0.0), ink.shape)
    return start.at[..., -1:].set(jnp.where(is_speck, jax.random.uniform(brightness_key, ink.shape), ink))


def _forming(
    fresh: Array, clean: Array, key: Array, parameters: Parameters, config: TrainConfig, dynamics: Dynamics
) -> Array:
    """Pages that begin, float[B, H, W, C], once what is trained works: there is nothing to learn before.

    Some are wounded while they form, and have begun to heal: noise beside a picture that is half restored
    costs most, and the roll-outs of an update are too short for both.
    """
    silence_key, which_key, when_key, wound_key, before_key, after_key = jax.random.split(key, 6)

    def run(state: Array, key: Array, steps: Array | int) -> Array:
        def step(number: Array, state: Array) -> Array:
            return dynamics.rollout(parameters, state, jax.random.fold_in(key, number)[None])

        return jax.lax.fori_loop(0, steps, step, state)

    begins = is_new(fresh)
    fresh = jnp.where(begins, run(fresh, silence_key, SILENT_STEPS), fresh)
    if not config.young_wound_probability:
        return fresh
    is_wounded = begins & jax.random.bernoulli(which_key, config.young_wound_probability, begins.shape)
    is_wounded &= jnp.any(clean > 0, axis=(1, 2, 3), keepdims=True)
    low, high = zip(_YOUNG_WOUND_STEPS, _YOUNG_HEALING_STEPS, strict=True)
    wound_step, healing_steps = jax.random.randint(when_key, (2,), jnp.array(low), jnp.array(high) + 1)

    def wounded(state: Array) -> Array:
        state = run(state, before_key, wound_step - SILENT_STEPS)
        kinds = replace(config, in_vain_probability=0.0)
        state = draw_wounds(clean, 1.0, wound_key, kinds, dynamics.config).applied_to(state)
        return run(state, after_key, healing_steps)

    healing = jax.lax.cond(jnp.any(is_wounded), wounded, lambda state: state, fresh)
    return jnp.where(is_wounded, healing, fresh)


def _spread(slots: Array, ratio: float) -> Array:
    """Slots evenly spread over [0, 1): multiples of an irrational number, without their whole part."""
    return (slots.astype(jnp.float32) * ratio) % 1.0


def _is_elder(slots: Array, config: TrainConfig) -> Array:
    """Which slots' states are left to grow old: bool[B] for int[B]."""
    return _spread(slots, _PLASTIC_RATIO) < config.elder_fraction


def _replacement_rank(error: Array, slots: Array, key: Array, config: TrainConfig) -> Array:
    """What the batch is sorted by, largest first, to find whom fresh episodes replace.

    The error, or a random number; what is not finite goes first, and elders come last while they are sound.
    """
    rank = error if config.replace_worst else jax.random.uniform(key, error.shape)
    is_sound_elder = _is_elder(slots, config) & (error <= config.elder_error_limit)
    return jnp.where(jnp.isfinite(error), jnp.where(is_sound_elder, rank - 1e6, rank), jnp.inf)


def initial_state(
    parameters: Parameters, images: Images, config: TrainConfig, dynamics: Dynamics
) -> TrainState:
    """A run before its first update: a pool of fresh episodes."""
    key = jax.random.fold_in(jax.random.key(config.seed), 2**31 - 1)
    slots = jnp.arange(config.pool_size)
    pool_state, pool_index = _fresh_episodes(images, key, slots, config, dynamics)
    return TrainState(
        parameters=parameters,
        average=jax.tree.map(jnp.copy, parameters),
        optimiser_state=make_optimiser(config).init(parameters),
        pool_state=pool_state,
        pool_index=pool_index,
        step=jnp.zeros((), jnp.int32),
        restarts=jnp.zeros((), jnp.int32),
    )


def make_train_step(
    dynamics: Dynamics, config: TrainConfig, sharding: BatchSharding | None = None
) -> Callable[[TrainState, Images], tuple[TrainState, Metrics]]:
    """The jitted update; the given state's buffers are reused for the new one.

    With a sharding the roll-outs are divided among its devices. All draws are the same for any number of
    devices; the gradients' sums differ in their rounding.
    """
    optimiser = make_optimiser(config)
    model_config = dynamics.config
    wound_error_scale = config.error_scale if config.wound_error_scale is None else config.wound_error_scale
    is_trained = trainable(dynamics) if config.memory else None

    def picture_errors(states: Array, clean: Array) -> Array:
        """Of each automaton the errors of the last `loss_steps` states: float[loss_steps, B]."""
        return jnp.mean((visible(states[-config.loss_steps :], model_config) - clean) ** 2, axis=(2, 3, 4))

    def toned(errors: Array, scale: float) -> Array:
        """Of each automaton what the loss makes of its errors, float[B]; see `TrainConfig.error_scale`."""
        return jnp.mean(scale * jnp.log1p(errors / scale) if scale else errors, axis=0)

    def loss_function(
        parameters: Parameters,
        state: Array,
        clean: Array,
        cell_dropout: Array,
        wounds: Wounds,
    ) -> tuple[Array, tuple[tuple[Array, Array], Array]]:
        run = partial(dynamics.rollout_with, rematerialise=config.rematerialise, history=True)
        early = jnp.zeros((0, *state.shape), state.dtype)
        if config.wound_step:
            state, early = run(cell_dropout[: config.wound_step], parameters, state)
        state = wounds.applied_to(state)
        final, states = run(cell_dropout[config.wound_step :], parameters, state)
        errors, is_wounded = picture_errors(states, clean), jnp.any(wounds.region, axis=(1, 2))
        losses = jnp.where(is_wounded, toned(errors, wound_error_scale), toned(errors, config.error_scale))
        if config.wound_step:
            before = toned(picture_errors(early, clean), config.error_scale)
            losses = losses + jnp.where(is_wounded, before, 0.0)
        last = jnp.concatenate([state[None], states])[-config.loss_steps - 1 :]
        motion = jnp.mean(jnp.abs(jnp.diff(last, axis=0)))
        loss = jnp.mean(losses) + config.motion_weight * motion
        return loss, ((jnp.mean(errors), motion), final)

    def descent(
        parameters: Parameters,
        state: Array,
        clean: Array,
        cell_dropout: Array,
        wounds: Wounds,
    ) -> tuple[tuple[Parameters, tuple[Array, Array]], Array]:
        """The gradient and the metrics, means over the batch, and the states at the end."""
        gradient, (metrics, final) = jax.grad(loss_function, has_aux=True)(
            parameters, state, clean, cell_dropout, wounds
        )
        return (gradient, metrics), final

    if sharding is not None:
        descent = sharding.divided(descent, batch_axes=(None, 0, 0, 1, 0))

    def train_step(train_state: TrainState, images: Images) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.seed), train_state.restarts)
        key = jax.random.fold_in(key, train_state.step)
        sample_key, fresh_key, wound_key, rollout_key, rank_key = jax.random.split(key, 5)

        pool = Pool.create({"state": train_state.pool_state, "index": train_state.pool_index})
        slots, batch = pool.sample(sample_key, batch_size=config.batch_size)
        state, index = batch["state"], batch["index"]
        error = jnp.mean((visible(state, model_config) - images.clean(index)) ** 2, axis=(1, 2, 3))
        order = jnp.argsort(-_replacement_rank(error, slots, rank_key, config))
        slots, state, index = slots[order], state[order], index[order]

        is_spared = _is_elder(slots, config) | (jnp.arange(config.batch_size) < config.fresh_count)
        probability = jnp.where(is_spared, 0.0, config.wound_probability)
        wounds = draw_wounds(images.clean(index), probability, wound_key, config, model_config)
        if config.fresh_count:
            if config.memory:
                fresh_key, forming_key = jax.random.split(fresh_key)
            fresh, fresh_index = _fresh_episodes(
                images, fresh_key, slots[: config.fresh_count], config, dynamics
            )
            if config.memory:
                fresh = _forming(
                    fresh, images.clean(fresh_index), forming_key, train_state.parameters, config, dynamics
                )
            state = state.at[: config.fresh_count].set(fresh)
            index = index.at[: config.fresh_count].set(fresh_index)
        clean = images.clean(index)
        keys = jax.random.split(rollout_key, config.rollout_steps)
        cell_dropout = dynamics.cell_dropout(keys, state.shape[:-1])
        (gradient, (error, motion)), final = descent(
            train_state.parameters, state, clean, cell_dropout, wounds
        )
        if is_trained is not None:  # Parts of arrays, where `optax.masked` knows whole ones.
            gradient = jax.tree.map(jnp.multiply, gradient, is_trained)
        norm = optax.tree.norm(gradient)
        updates, optimiser_state = optimiser.update(
            gradient, train_state.optimiser_state, train_state.parameters, norm=norm
        )
        parameters = optax.apply_updates(train_state.parameters, updates)
        pool = pool.update(slots, {"state": final, "index": index})
        decay = average_decay(train_state.step, config)
        average = optax.incremental_update(parameters, train_state.average, 1 - decay)
        if is_trained is not None:
            # A mean of equal numbers differs from them by a rounding, and what is not trained has to stay.
            average = jax.tree.map(jnp.where, is_trained, average, parameters)
        metrics = Metrics(error, motion, norm, jnp.max(jnp.abs(final)))
        train_state = TrainState(
            parameters=parameters,
            average=average,
            optimiser_state=optimiser_state,
            pool_state=pool.data["state"],
            pool_index=pool.data["index"],
            step=train_state.step + 1,
            restarts=train_state.restarts,
        )
        return train_state, metrics

    out_shardings = None if sharding is None else sharding.replicated
    return jax.jit(train_step, donate_argnums=0, out_shardings=out_shardings)
