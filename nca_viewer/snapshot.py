"""What the simulation hands out once a frame: plain NumPy, read-only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nca_viewer.automaton.explanation import Explanation


@dataclass(frozen=True, eq=False, slots=True)
class Snapshot:
    """The automaton at one moment; of several side by side, the first, with all of them.

    Attributes:
        image: uint8[H, W, 3], the visible channels as rendered; read-only.
        state: float32[H, W, channel_size], all channels; read-only.
        step: Steps since the start of the episode.
        episode: Number of the episode, from 0.
        is_healthy: Whether every channel of every cell is finite and below the explosion limit.
        clean: uint8[H, W, 3], the image that the episode began from, with nothing forgotten; None where it
            began with a blank page. Read-only.
        explanation: The next step from this state, taken apart, where that was asked for and is ready.
            Read-only.
        panes: One of each automaton, in their order, where there are several; else none.
    """

    image: np.ndarray
    state: np.ndarray
    step: int
    episode: int
    is_healthy: bool
    clean: np.ndarray | None = None
    explanation: Explanation | None = None
    panes: tuple[Snapshot, ...] = ()

    def __post_init__(self) -> None:
        """Seal the arrays."""
        for array in (self.image, self.state, self.clean, *(self.explanation or ())):
            if array is not None and array.flags.writeable:
                array.flags.writeable = False
