"""One touch that is reported twice: as a finger, and as a mouse button at the same place and moment.

SDL makes mouse events of touches, and marks them as touch. Windows may send another that is not marked,
before or after the finger's: https://github.com/pygame/pygame/issues/2992.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

Pixel = tuple[int, int]
Source = Literal["finger", "button"]

_FRAMES = 2
_SECONDS = 0.05
_PIXELS = 8


@dataclass(frozen=True, slots=True)
class _Press:
    frame: int
    seconds: float | None
    source: Source
    pixel: Pixel


class TouchDuplicates:
    """Remembers where fingers and buttons were pressed or let go lately."""

    def __init__(self) -> None:
        """Nothing was pressed yet."""
        self._presses: deque[_Press] = deque(maxlen=64)
        self._frame = 0
        self._now_seconds: float | None = None

    def begin_frame(self, now_seconds: float | None) -> None:
        """Another frame; without a time, frames alone tell what is recent."""
        self._frame += 1
        self._now_seconds = now_seconds

    def note(self, source: Source, pixel: Pixel) -> None:
        """A finger or a button was pressed or let go at a window pixel (x, y)."""
        self._presses.append(_Press(self._frame, self._now_seconds, source, pixel))

    def repeats(self, source: Source, pixel: Pixel) -> bool:
        """Whether what happens at a pixel now was just told by the other source."""
        return any(
            press.source == source and is_near(press.pixel, pixel) and self._is_recent(press)
            for press in self._presses
        )

    def _is_recent(self, press: _Press) -> bool:
        frames = self._frame - press.frame
        if self._now_seconds is None or press.seconds is None:
            return frames <= _FRAMES
        return frames <= 1 or 0 <= self._now_seconds - press.seconds <= _SECONDS


def is_near(pixel: Pixel, other: Pixel) -> bool:
    """Whether two window pixels (x, y) may be the same touch."""
    return abs(pixel[0] - other[0]) <= _PIXELS and abs(pixel[1] - other[1]) <= _PIXELS
