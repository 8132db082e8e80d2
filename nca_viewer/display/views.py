"""Ways to look at the same cells: pure functions from a snapshot to an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nca_viewer.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class View:
    """A named way to colour the cells.

    Attributes:
        name: As the status bar shows it.
        image: From a snapshot to uint8[H, W, 3], one pixel per cell.
    """

    name: str
    image: Callable[[Snapshot], np.ndarray]


def picture(snapshot: Snapshot) -> np.ndarray:
    """The visible channels as they are."""
    return snapshot.image


def hidden_channels(snapshot: Snapshot) -> np.ndarray:
    """Three groups of channels as red, green and blue: where the cells differ in what they remember.

    Each channel is squashed by tanh to [-1, 1]; the mean of each third of the channels becomes a colour,
    with zero as a dark grey.
    """
    squashed = np.tanh(np.nan_to_num(snapshot.state))
    thirds = np.array_split(squashed, 3, axis=-1) if squashed.shape[-1] >= 3 else [squashed] * 3
    colours = np.stack([third.mean(axis=-1) for third in thirds], axis=-1)
    return np.clip(64 + 320 * colours, 0, 255).astype(np.uint8)


VIEWS: tuple[View, ...] = (View("picture", picture), View("hidden channels", hidden_channels))


def view_number(number: int) -> View:
    """The view with this number, counted round and round."""
    return VIEWS[number % len(VIEWS)]
