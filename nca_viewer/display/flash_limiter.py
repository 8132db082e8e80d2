"""Limits flashes on the final pixels, whatever they show: the last thing before a frame is presented.

The pixels are looked at on a lattice, one in the middle of each square block. What is larger than a block
is always met; of finer lines and letters some are missed, which is why less than the standard's quarter of a
field may flash on the lattice.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pygame

from nca_viewer.display.flashes import FIELD_AREA, FIELD_FRACTION, Field, FlashState, limited

_BLOCKS_PER_SIDE = 60
_SMALLEST_BLOCK_PIXELS = 4
_AREA = 0.4 * FIELD_AREA


class FlashLimiter:
    """Follows what is shown."""

    def __init__(self, on_limited: Callable[[float], None] = lambda now_seconds: None) -> None:
        """Nothing was shown yet.

        Args:
            on_limited: Is told the time whenever a frame is changed.
        """
        self._on_limited = on_limited
        self._state: FlashState | None = None
        self._size = (0, 0)
        self._last: pygame.Surface | None = None

    def apply(self, surface: pygame.Surface, now_seconds: float) -> None:
        """Leave blocks that would flash too often as they were shown last.

        Args:
            surface: The finished frame; changed in place.
            now_seconds: When it is shown.
        """
        samples, block = _samples(surface)
        if self._state is None or self._size != surface.get_size():
            self._state, self._size, self._last = FlashState.start(samples), surface.get_size(), None
            return
        if self._last is not None:
            height, width = (max(1, int(side * FIELD_FRACTION)) for side in samples.shape[:2])
            field = Field(height, width, _AREA)
            _, stopped = limited(self._state, samples, now_seconds, field, hold=True)
            if stopped.any():
                self._on_limited(now_seconds)
                # What flashes reaches into blocks whose middle belongs to something else.
                stopped = _with_neighbours(stopped)
                samples = np.where(stopped[..., None], self._state.image, samples)
                _restore(surface, self._last, stopped, block)
        self._state = self._state.after(samples, now_seconds)
        # A copy costs a millisecond, so it is made only where the next frame may need it.
        self._last = surface.copy() if self._state.may_be_limited_next(now_seconds) else None


def _samples(surface: pygame.Surface) -> tuple[np.ndarray, int]:
    """The pixels in the middle of the blocks, uint8[rows, columns, 3], and the side of a block in pixels."""
    width, height = surface.get_size()
    block = max(_SMALLEST_BLOCK_PIXELS, min(width, height) // _BLOCKS_PER_SIDE)
    pixels = pygame.surfarray.pixels2d(surface)[block // 2 :: block, block // 2 :: block].T
    shifts = surface.get_shifts()[:3]
    return np.stack([(pixels >> shift) & 0xFF for shift in shifts], axis=-1).astype(np.uint8), block


def _with_neighbours(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    return rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]


def _restore(surface: pygame.Surface, last: pygame.Surface, stopped: np.ndarray, block: int) -> None:
    """Bring back some blocks; those at the right and the bottom reach to the border."""
    rows, columns = stopped.shape
    width, height = surface.get_size()
    for row in np.nonzero(stopped.any(axis=1))[0].tolist():
        bottom = height if row == rows - 1 else (row + 1) * block
        edges = np.flatnonzero(np.diff(np.pad(stopped[row].astype(np.int8), 1))).tolist()
        for first, end in zip(edges[::2], edges[1::2], strict=True):
            right = width if end == columns else end * block
            area = (first * block, row * block, right - first * block, bottom - row * block)
            surface.blit(last, area[:2], area)
