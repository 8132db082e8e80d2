"""Against burn-in: everything on the screen glides by a few pixels, too slowly to be noticed."""

from __future__ import annotations

import math

REACH_PIXELS = 4
"""How far from the middle it goes."""

_PERIODS_SECONDS = (487.0, 811.0)
"""Of the columns and the rows: without a common rhythm, so that every place is visited."""


def pixel_shift(now_seconds: float) -> tuple[int, int]:
    """How far everything is moved: (columns, rows), within `REACH_PIXELS`; a pixel in about half a minute."""
    columns, rows = (round(REACH_PIXELS * _zigzag(now_seconds / period)) for period in _PERIODS_SECONDS)
    return columns, rows


def _zigzag(turns: float) -> float:
    """Evenly up and down in [-1, 1], from 0 on, once per turn."""
    return abs((turns - 0.25) % 1.0 * 4.0 - 2.0) - 1.0 if math.isfinite(turns) else 0.0
