"""Other units for the hidden channels: the same automaton, with its states in another range.

A hidden channel is read by one row of the projection's kernel and written by one column of the update's last
layer. Multiplying the one and dividing the other by the same number changes the unit in which the channel is
kept and nothing that can be seen. So an automaton whose states grow without bound, as the published recipe's
do, can be brought into a range in which a limit on the state clips next to nothing, and trained on with it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nca_viewer.automaton.episodes import masked_start
from nca_viewer.automaton.rollout import Dynamics, Parameters
from nca_viewer.config import ModelConfig
from training.evaluate import MASK_RATIO

MEASURED_STEPS = 128
_PERCENTILE = 99.5
_BEYOND_LIMIT = 1.2
"""Where the percentile comes to lie, in limits: clipping the very largest values does no harm."""
_SMALLEST_UNIT = 0.3


def hidden_units(dynamics: Dynamics, parameters: Parameters, images: ArrayLike, limit: float) -> NDArray:
    """The units in which an automaton's hidden channels nearly fit into [-limit, limit].

    Args:
        dynamics: The automaton, as it was trained.
        parameters: Its parameters.
        images: float[N, H, W, V], a sample of what it restores.
        limit: The range wanted.

    Returns:
        float32[channel_size], positive; 1 for the visible channels.
    """
    start_key, step_key = jax.random.split(jax.random.key(0))
    start = masked_start(jnp.asarray(images), start_key, MASK_RATIO, dynamics.config)
    state = jax.jit(dynamics.rollout)(parameters, start, jax.random.split(step_key, MEASURED_STEPS))
    size = np.percentile(np.abs(np.asarray(state)), _PERCENTILE, axis=(0, 1, 2))
    units = np.maximum(size / (_BEYOND_LIMIT * limit), _SMALLEST_UNIT).astype(np.float32)
    units[-dynamics.config.visible_channel_size :] = 1
    return units


def in_units(dynamics: Dynamics, parameters: Parameters, units: ArrayLike) -> Parameters:
    """The parameters of the same automaton with its channels kept in these units.

    Args:
        dynamics: The automaton.
        parameters: Its parameters.
        units: float[channel_size]; the state `s` of the old automaton is `s / units` of the new.
    """
    units = jnp.asarray(units)
    # A copy: the model shares its variables with the parameters that it is bound to.
    model = dynamics.bind(jax.tree.map(jnp.asarray, parameters))
    projection, last = model.perceive.linear, model.update.layers[-1]
    projection.kernel[...] = projection.kernel[...] * units[:, None]
    last.kernel[...] = last.kernel[...] / units
    last.bias[...] = last.bias[...] / units
    return Dynamics.of(model)[1]


def fit_hidden_channels(
    dynamics: Dynamics, parameters: Parameters, images: ArrayLike, config: ModelConfig
) -> Parameters:
    """The parameters in units that suit the state limit of `config`; unchanged where that is no other."""
    if config.state_limit is None or config.state_limit == dynamics.config.state_limit:
        return parameters
    return in_units(dynamics, parameters, hidden_units(dynamics, parameters, images, config.state_limit))
