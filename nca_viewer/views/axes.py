"""The principal components of the cells' channels, followed from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nca_viewer.snapshot import Snapshot

COMPONENTS = 3

_ROUNDS = 4
_FIRST_ROUNDS = 24
_FOLLOWED = 0.2
"""Part of the way to the new axes that is gone in one frame."""
_MOST_CELLS = 1024
_LARGEST_VALUE = 1e4
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True, eq=False, slots=True)
class PrincipalAxes:
    """Where the cells of a state differ most.

    Attributes:
        mean: float32[channels]; with fewer than three channels, of three, the last ones empty.
        directions: float32[channels, 3], orthonormal; as many channels as `mean`.
        spread: float32[3], standard deviation of the cells along each direction; positive.
        share: Of the cells' whole variance, what lies along the three directions; 0 to 1.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    spread: NDArray[np.float32]
    share: float

    def components(self, state: NDArray[np.float32]) -> NDArray[np.floating]:
        """The cells along the directions, in standard deviations: float32[..., 3]; NaN where a cell is."""
        size = state.shape[-1]
        bounded = np.clip(state, -_LARGEST_VALUE, _LARGEST_VALUE)
        return (bounded - self.mean[:size]) @ self.directions[:size] / self.spread


def follow_axes(previous: PrincipalAxes | None, snapshot: Snapshot) -> PrincipalAxes:
    """The axes of a snapshot, turned as little as possible from those of the one before.

    They span the space of the three leading principal components, and go after it by a fifth of the way in
    each call; components that swap places or change sign within it turn nothing. Without previous axes, or
    with those of another number of channels, they are the components, the strongest first, each with its
    largest weight positive. The work is bounded by the number of channels, whatever the state and the grid.
    """
    cells = _sample(snapshot.state)
    mean = cells.mean(axis=0)
    cells = cells - mean
    size = cells.shape[1]
    if previous is None or previous.mean.shape != mean.shape:
        directions = _leading(cells, _start(size), _FIRST_ROUNDS)
        _, vectors = np.linalg.eigh(np.cov(cells @ directions, rowvar=False))
        directions = directions @ vectors[:, ::-1]
        largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
        directions = directions * np.where(largest < 0, -1.0, 1.0)
    else:
        leading = _leading(cells, previous.directions.astype(np.float64), _ROUNDS)
        left, _, right = np.linalg.svd(leading.T @ previous.directions)
        nearest = leading @ (left @ right)
        directions = _orthonormal((1 - _FOLLOWED) * previous.directions + _FOLLOWED * nearest)
        mean = (1 - _FOLLOWED) * previous.mean + _FOLLOWED * mean
    variances = np.square(cells @ directions).mean(axis=0)
    spread = np.sqrt(variances)
    if previous is not None and previous.mean.shape == mean.shape:
        spread = (1 - _FOLLOWED) * previous.spread + _FOLLOWED * spread
    whole = float(np.square(cells).mean(axis=0).sum())
    return PrincipalAxes(
        mean.astype(np.float32),
        directions.astype(np.float32),
        np.maximum(spread, _LEAST_SPREAD).astype(np.float32),
        min(1.0, float(variances.sum()) / whole) if whole else 0.0,
    )


def _sample(state: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cells evenly over the grid, at most so many, finite and bounded: float64[n, channels], 3 or more."""
    cells = state.reshape(-1, state.shape[-1])
    chosen = np.nan_to_num(cells[:: -(-len(cells) // _MOST_CELLS)]).astype(np.float64)
    missing = max(0, COMPONENTS - chosen.shape[1])
    return np.pad(np.clip(chosen, -_LARGEST_VALUE, _LARGEST_VALUE), ((0, 0), (0, missing)))


def _start(size: int) -> NDArray[np.float64]:
    """Directions to begin from: orthonormal float64[size, 3], the same every time."""
    return _orthonormal(np.random.default_rng(0).normal(size=(size, COMPONENTS)))


def _leading(cells: NDArray[np.float64], directions: NDArray[np.float64], rounds: int) -> NDArray[np.float64]:
    """The leading three-dimensional space of centred cells by orthogonal iteration, from a first guess."""
    for _ in range(rounds):
        moved = cells.T @ (cells @ directions) / len(cells)
        # Where cells differ along fewer than three directions, the rest stays as it was.
        directions = _orthonormal(moved + max(1e-7 * float(np.linalg.norm(moved)), 1e-12) * directions)
    return directions


def _orthonormal(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest orthonormal basis, by its polar decomposition."""
    left, _, right = np.linalg.svd(vectors, full_matrices=False)
    return left @ right
