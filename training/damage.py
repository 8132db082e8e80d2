"""Wounds for pool states, made by the viewer's own edit functions."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nca_viewer.automaton.edits import corrupt, disc, erase
from nca_viewer.config import ModelConfig
from training.config import TrainConfig
from training.memory import in_vain

INK_THRESHOLD = 0.5
"""Value from which on a cell of a picture counts as inked."""


def ink_centres(images: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """For each image a random cell of its ink, (row, column) float32[N, 2]; without ink the middle.

    Args:
        images: float[N, H, W, V] in [0, 1].
        generator: Source of the choices; one draw per image.
    """
    centres = []
    for image in images:
        inked = np.argwhere(image.max(axis=-1) > INK_THRESHOLD)
        draw = generator.random()
        middle = ((image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2)
        centres.append(inked[int(draw * len(inked))] if len(inked) else middle)
    return np.asarray(centres, np.float32)


def half_plane(point: Array, angle_radians: Array, height: int, width: int) -> Array:
    """The cells on one side of a line through `point`: bool[..., H, W].

    Args:
        point: float[..., 2], (row, column) in cells.
        angle_radians: float[...], direction of the wounded side.
        height: Rows of the grid.
        width: Columns of the grid.
    """
    rows, columns = jnp.mgrid[:height, :width]
    point = point[..., None, None]
    angle = angle_radians[..., None, None]
    across = (rows - point[..., 0, :, :]) * jnp.sin(angle) + (columns - point[..., 1, :, :]) * jnp.cos(angle)
    return across > 0


class Wounds(NamedTuple):
    """What happens to a batch of automata, drawn beforehand.

    Attributes:
        region: bool[B, H, W], the cells that are touched.
        content: float[B, H, W, C], what is in them afterwards.
    """

    region: Array
    content: Array

    def applied_to(self, state: Array) -> Array:
        """The states float[B, H, W, C] after the wounds."""
        return jnp.where(self.region[..., None], self.content, state)


def draw_wounds(
    clean: Array,
    probability: Array | float,
    key: Array,
    config: TrainConfig,
    model_config: ModelConfig,
) -> Wounds:
    """Wounds for the automata of a batch, for each with a probability of its own.

    Discs lie around a random cell of ink (anywhere on an empty page), half planes leave the centre of the
    grid unharmed; both erase, or scramble all channels, or leave cells as after a wait in vain.

    Args:
        clean: float[B, H, W, V], the pictures that the automata are to show.
        probability: float[B] or one for all, in [0, 1].
        key: PRNG key.
        config: Kinds and sizes of the wounds.
        model_config: The automaton's hyperparameters.
    """
    batch, height, width = clean.shape[:3]
    keys = iter(jax.random.split(key, 10))
    ink = clean.mean(axis=-1).reshape(batch, -1)
    centre = jax.random.categorical(next(keys), jnp.log(jnp.maximum(ink, 1e-4)), axis=-1)
    centre = jnp.stack([centre // width, centre % width], axis=-1).astype(jnp.float32)
    radius = jax.random.uniform(
        next(keys), (batch,), minval=config.wound_radius_min_cells, maxval=config.wound_radius_max_cells
    )
    region = disc(centre, radius, height, width)
    angle = jax.random.uniform(next(keys), (batch,), maxval=2 * jnp.pi)
    distance = jax.random.uniform(next(keys), (batch,), minval=0.07, maxval=0.3)
    middle = jnp.array([height - 1, width - 1]) / 2
    point = middle + jnp.stack([jnp.sin(angle) * height, jnp.cos(angle) * width], -1) * distance[:, None]
    is_half_plane = jax.random.bernoulli(next(keys), config.half_plane_probability, (batch, 1, 1))
    region = jnp.where(is_half_plane, half_plane(point, angle, height, width), region)
    is_wounded = jax.random.bernoulli(next(keys), probability, (batch,))
    region &= is_wounded[:, None, None]
    is_scramble = jax.random.bernoulli(next(keys), config.scramble_probability, (batch, 1, 1))
    empty = jnp.zeros((*region.shape, model_config.channel_size), clean.dtype)
    scrambled = corrupt(empty, region & is_scramble, next(keys), model_config)
    content = erase(scrambled, region & ~is_scramble)
    if config.memory and config.in_vain_probability:
        is_in_vain = jax.random.bernoulli(next(keys), config.in_vain_probability, (batch, 1, 1, 1))
        waited = in_vain(content, next(keys), model_config, beside_paper_share=0.0)
        content = jnp.where(is_in_vain, waited, content)
    return Wounds(region, content)
