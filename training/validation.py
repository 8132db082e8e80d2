"""What every checkpoint is measured by: restoring, holding and healing of images set aside from training."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nca_viewer.automaton.edits import disc, erase
from nca_viewer.automaton.episodes import masked_start
from nca_viewer.automaton.rollout import Dynamics, Parameters
from nca_viewer.automaton.system import visible
from training.config import VALIDATION_STEPS
from training.damage import ink_centres
from training.evaluate import HEALING_STEPS, MASK_RATIO
from training.metrics import psnr

WOUND_RADIUS_CELLS = 5.0

Validation = Callable[[Parameters], dict[str, float]]


def make_validation(dynamics: Dynamics, images: NDArray[np.float32], *, seed: int) -> Validation:
    """A function from parameters to figures in dB, always with the same masks, wounds and cell dropout.

    `psnr_64` and `psnr_512` are the mean PSNR so many steps after a start with half the pixels forgotten.
    `healed_psnr` is that of the same automata if at step 64 a disc of radius 5 cells around a cell of ink is
    erased, 96 steps later.

    Args:
        dynamics: The automaton.
        images: float32[N, H, W, V] in [0, 1].
        seed: Of all draws.
    """
    config = dynamics.config
    start_key, rollout_key = jax.random.split(jax.random.key(seed))
    start = masked_start(jnp.asarray(images), start_key, MASK_RATIO, config)
    centres = jnp.asarray(ink_centres(images, np.random.default_rng(seed)))
    wounds = disc(centres, jnp.float32(WOUND_RADIUS_CELLS), config.height, config.width)
    wound_step = chunk = VALIDATION_STEPS[0]

    @jax.jit
    def advance(parameters: Parameters, state: Array, keys: Array) -> Array:
        return dynamics.rollout(parameters, state, keys)

    def decibels(state: Array) -> float:
        pictures = np.asarray(visible(state, config))
        # An image that is no longer finite counts as wrong in every pixel: 0 dB, not a blank page's.
        is_finite = np.isfinite(pictures).all(axis=(1, 2, 3))
        return float(np.where(is_finite, psnr(np.nan_to_num(pictures), images), 0.0).mean())

    def validate(parameters: Parameters) -> dict[str, float]:
        state, measured, healed = start, {}, 0.0
        for steps in range(chunk, VALIDATION_STEPS[-1] + 1, chunk):
            keys = jax.random.split(jax.random.fold_in(rollout_key, steps), chunk)
            state = advance(parameters, state, keys)
            if steps in VALIDATION_STEPS:
                measured[f"psnr_{steps}"] = decibels(state)
            if steps == wound_step:
                keys = jax.random.split(jax.random.fold_in(rollout_key, 0), HEALING_STEPS)
                healed = decibels(advance(parameters, erase(state, wounds), keys))
        return {**measured, "healed_psnr": healed}

    return validate
