"""One step taken apart; imports no JAX."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple


class Explain(IntEnum):
    """How much of the next step should be told; each more than the one before, and dearer."""

    NOTHING = 0
    ATTENTION = 1
    STEP = 2


class Explanation(NamedTuple):
    """One step of every cell taken apart, as JAX arrays or, in a snapshot, read-only NumPy.

    Without noise, state limit and held channels, next_state = state + fires * firing_factor * update.
    Where only the attention was asked for, all but the weights may be None.

    Attributes:
        weights: float32[9, ..., H, W, heads], what each cell looks at, in the order of `MOORE_OFFSETS`; they
            sum to one over the first axis, and are exactly zero for neighbours beyond the border.
        perception: float32[..., H, W, perception_size].
        update: float32[..., H, W, channel_size], step_size times the update network's output after the
            deadband, before cell dropout; of every cell, whether it fires or not.
        fires: bool[..., H, W], the cells that this step's dropout lets take their update.
        firing_factor: float32[], by which cell dropout scales the updates that are taken:
            1 / (1 - cell_dropout_rate).
        next_state: float32[..., H, W, channel_size].
    """

    weights: Any
    perception: Any = None
    update: Any = None
    fires: Any = None
    firing_factor: Any = None
    next_state: Any = None

    @property
    def extent(self) -> Explain:
        """How much it tells."""
        return Explain.ATTENTION if self.next_state is None else Explain.STEP
