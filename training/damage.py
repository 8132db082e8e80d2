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
from training.config import TOUCH_STEPS, TrainConfig

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
    grid unharmed; both erase, or scramble all channels.

    Args:
        clean: float[B, H, W, V], the pictures that the automata are to show.
        probability: float[B] or one for all, in [0, 1].
        key: PRNG key.
        config: Kinds and sizes of the wounds.
        model_config: The automaton's hyperparameters.
    """
    batch, height, width = clean.shape[:3]
    keys = iter(jax.random.split(key, 8))
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
    return Wounds(region, erase(scrambled, region & ~is_scramble))


class Touches(NamedTuple):
    """What hands do to a batch of automata in the course of a roll-out, drawn beforehand.

    Attributes:
        regions: bool[B, len(TOUCH_STEPS), H, W], the cells that are touched each time.
        content: float[B, H, W, C], what is in them afterwards.
    """

    regions: Array
    content: Array

    def applied_to(self, state: Array, number: int) -> Array:
        """The states float[B, H, W, C] after they were touched for the `number`-th time."""
        return jnp.where(self.regions[:, number, ..., None], self.content, state)


def draw_touches(
    clean: Array,
    is_ruined: Array,
    is_young: Array,
    key: Array,
    config: TrainConfig,
    model_config: ModelConfig,
) -> Touches:
    """Whole pages that are lost, and discs that are taken from forming digits.

    A page is scrambled at once, or scrambled or, in half of the cases, erased in three bands of rows or
    columns, one after the other. A disc around a cell of ink is touched at one of the later times.

    Args:
        clean: float[B, H, W, V], the pictures that the automata are to show.
        is_ruined: bool[B], whose whole page is touched.
        is_young: bool[B], who loses a disc.
        key: PRNG key.
        config: Kinds and sizes of the wounds.
        model_config: The automaton's hyperparameters.
    """
    batch, height, width = clean.shape[:3]
    times = len(TOUCH_STEPS)
    keys = iter(jax.random.split(key, 8))
    along_rows = jax.random.bernoulli(next(keys), 0.5, (batch, 1, 1))
    place = jnp.where(along_rows, (jnp.arange(height) / height)[:, None], (jnp.arange(width) / width)[None])
    backwards = jax.random.bernoulli(next(keys), 0.5, (batch, 1, 1))
    place = jnp.where(backwards, 1.0 - place, place)[:, None]
    starts = jnp.arange(times)[:, None, None] / times
    # Neighbouring bands overlap a little, as a hand's do.
    bands = (place >= starts - 0.05) & (place <= starts + 1 / times + 0.05)
    kind = jax.random.randint(next(keys), (batch, 1, 1, 1), 0, 4)
    at_once = jnp.arange(times)[:, None, None] == 0
    page = jnp.where(kind == 0, at_once, bands) & is_ruined[:, None, None, None]

    time = jax.random.randint(next(keys), (batch, 1, 1, 1), 1, times)
    wounds = draw_wounds(clean, is_young.astype(jnp.float32), next(keys), config, model_config)
    discs = wounds.region[:, None] & (jnp.arange(times)[:, None, None] == time)

    everywhere = jnp.ones((batch, height, width), bool)
    noise = corrupt(jnp.zeros((batch, *model_config.state_shape)), everywhere, next(keys), model_config)
    scrambled = jnp.where(kind < 2, noise, 0.0)
    content = jnp.where(is_ruined[:, None, None, None], scrambled, wounds.content)
    return Touches(page | discs, content)
