"""Night hours: when the screen is dim or black, and what wakes it. No clock inside: times are passed in."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import time

from nca_viewer.errors import ConfigError

DUSK_SECONDS = 10.0
"""From full light to none, and back in the morning."""

WAKING_SECONDS = 0.8
"""The same for somebody who touches the screen at night."""


@dataclass(frozen=True, slots=True)
class NightHours:
    """From one time of the local clock to another, past midnight where the second is the earlier one.

    Attributes:
        begin: Still day up to here.
        end: Day again from here on.
    """

    begin: time
    end: time

    @classmethod
    def parse(cls, text: str) -> NightHours:
        """Read them from a text like 22:00-07:00.

        Raises:
            ConfigError: that is not what it is.
        """
        match = re.fullmatch(r"\s*([0-9]{1,2}:[0-9]{2})\s*-\s*([0-9]{1,2}:[0-9]{2})\s*", text)
        try:
            if match is None:
                raise ValueError
            begin, end = (
                time() if at == "24:00" else time.fromisoformat(at.zfill(5)) for at in match.groups()
            )
        except ValueError:
            raise ConfigError(f"--night = {text[:40]!r} is not two times; write it as 22:00-07:00") from None
        if begin == end:
            raise ConfigError(f"--night = {text!r} begins when it ends; leave it out for no night at all")
        return cls(begin, end)

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"

    def contains(self, local: time) -> bool:
        """Whether it is night at a local time."""
        if self.begin < self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end


@dataclass(frozen=True, slots=True)
class NightSchedule:
    """What happens at night.

    Attributes:
        hours: When that is.
        brightness: Of the screen, 0 (black) to 1 (as by day).
        wake_seconds: How long a touch lights the screen up; 0 if it does not.
    """

    hours: NightHours
    brightness: float = 0.0
    wake_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DisplayBrightness:
    """How bright the screen is.

    Attributes:
        brightness: 0 to 1.
        seconds: When that was; None before the first moment.
        awake_until_seconds: Until when a touch keeps it lit.
    """

    brightness: float = 1.0
    seconds: float | None = None
    awake_until_seconds: float = float("-inf")

    @property
    def is_dark(self) -> bool:
        """Whether nothing can be seen."""
        return self.brightness <= 0.0

    def woken(self, seconds: float, now_seconds: float) -> DisplayBrightness:
        """Lit for so long from now on, if not for longer already."""
        return replace(self, awake_until_seconds=max(self.awake_until_seconds, now_seconds + seconds))

    def at(self, schedule: NightSchedule, local: time, now_seconds: float) -> DisplayBrightness:
        """A moment later; the light never jumps.

        Args:
            schedule: What happens at night.
            local: The local time of day.
            now_seconds: The time from any zero, never going back.
        """
        is_awake = now_seconds < self.awake_until_seconds
        goal = schedule.brightness if schedule.hours.contains(local) and not is_awake else 1.0
        if self.seconds is None:  # What starts at night starts dark.
            return replace(self, brightness=goal, seconds=now_seconds)
        room = max(0.0, now_seconds - self.seconds) / (WAKING_SECONDS if is_awake else DUSK_SECONDS)
        brightness = min(max(goal, self.brightness - room), self.brightness + room)
        return replace(self, brightness=brightness, seconds=now_seconds)
