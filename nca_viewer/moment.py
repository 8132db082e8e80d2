"""One moment of a run: all that its future follows from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from nca_viewer.automaton.experiments import Experiments
from nca_viewer.config import MAX_SEED, ModelConfig, require_range
from nca_viewer.errors import ConfigError

EXPLOSION_LIMIT = 1e6
"""A channel beyond this can no longer become a picture; the episode is lost."""

MAX_STEP = 2**53 - 1
MAX_EPISODE = 2**53 - 1
"""Whole numbers up to this are exact wherever JSON is read."""


class Start(Enum):
    """How another state took the place of the one before, or other experiments hold from now on."""

    BEGIN = "begin"
    RESET = "reset"
    RESTORE = "restore"
    EXPERIMENT = "experiment"


@dataclass(frozen=True, eq=False, slots=True)
class Moment:
    """All that the future of a simulation follows from, besides its checkpoint and what hands do.

    Attributes:
        state: float32[H, W, channel_size], on the host or on the device; immutable.
        step: Steps since the start of the episode.
        episode: Number of the episode.
        image: float32[H, W, visible_channel_size] in [0, 1], the picture that the episode began from.
        mask_ratio: Part of its pixels that was masked, in [0, 1].
        seed: Of everything random.
        experiments: What is changed of the automaton; None changes nothing.
    """

    state: Any
    step: int
    episode: int
    image: np.ndarray
    mask_ratio: float
    seed: int
    experiments: Experiments | None = None

    @property
    def clean(self) -> np.ndarray | None:
        """uint8[H, W, 3], the picture with nothing masked; None where it was a blank page."""
        if not self.image.any():
            return None
        clipped = np.clip(self.image, 0, 1)
        return np.rint(255 * np.broadcast_to(clipped, (*self.image.shape[:2], 3))).astype(np.uint8)


def begun_from_sight(moment: Moment, config: ModelConfig) -> Moment:
    """The same moment of another automaton, which begins from what is seen: empty hidden channels.

    Args:
        moment: Of an automaton with the same grid and kind of picture; waits for the device.
        config: The other's hyperparameters. Experiments with what it does not have are left out.
    """
    state = np.zeros(config.state_shape, np.float32)
    seen = np.asarray(moment.state)[..., -config.visible_channel_size :]
    state[..., -config.visible_channel_size :] = np.clip(np.nan_to_num(seen), 0.0, 1.0)
    experiments = (moment.experiments or Experiments()).split(config)[0]
    return replace(moment, state=state, experiments=None if experiments.is_neutral else experiments)


def require_moment(moment: Moment, config: ModelConfig) -> None:
    """Check that a moment is one of an automaton's.

    Raises:
        ConfigError: naming the field, the value and the limits.
    """
    require_counts(moment)
    require_range("mask_ratio", moment.mask_ratio, 0.0, 1.0)
    _require_array("the image", moment.image, config.image_shape)
    _require_array("the state", moment.state, config.state_shape)
    if moment.image.min() < 0 or moment.image.max() > 1:
        raise ConfigError(
            f"the image has values from {moment.image.min():.6g} to {moment.image.max():.6g}; "
            "they must lie between 0 and 1"
        )
    if (highest := float(np.abs(moment.state).max())) >= EXPLOSION_LIMIT:
        raise ConfigError(
            f"the state has a value of magnitude {highest:.3g}; it must stay below {EXPLOSION_LIMIT:.0f}"
        )


def require_counts(moment: Moment) -> None:
    """Check that the seed, and the numbers of the episode and the step, are those of a file; as above."""
    require_range("seed", moment.seed, 0, MAX_SEED, whole=True)
    require_range("episode", moment.episode, 0, MAX_EPISODE, whole=True)
    require_range("step", moment.step, 0, MAX_STEP, whole=True)


def _require_array(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ConfigError(
            f"{name} has shape {_shape(array.shape)}; the checkpoint's automaton has {_shape(shape)}"
        )
    if array.dtype != np.float32:
        raise ConfigError(f"{name} is {array.dtype}; it must be float32")
    if count := int((~np.isfinite(array)).sum()):
        raise ConfigError(f"{name} has {count} values that are NaN or infinite")


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "no axes"


def digest(state: Any) -> str:
    """SHA-256 of a state's bytes, float32 in little-endian order, row by row; waits for the device."""
    return hashlib.sha256(np.ascontiguousarray(np.asarray(state), "<f4").tobytes()).hexdigest()
