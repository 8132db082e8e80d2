"""The options of a public place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nca_viewer.config import require_range
from nca_viewer.errors import ConfigError
from nca_viewer.kiosk.night import NightHours, NightSchedule
from nca_viewer.kiosk.texts import LANGUAGES, texts_in
from nca_viewer.kiosk.visit import OperatorExit, OperatorHold
from nca_viewer.viewer_config import ViewerConfig, require_one_of

MAX_NAME_LENGTH = 200
MIN_IDLE_SECONDS = 5.0
MAX_IDLE_SECONDS = 3600.0
MAX_NIGHT_WAKE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class KioskConfig(ViewerConfig):
    """How a viewer starts that may be unattended; all but `exhibit` serves a person's own window too.

    Attributes:
        languages: What the exhibit speaks, codes of `LANGUAGES`; the first is what a visit begins with.
        idle_seconds: From a visitor's last act to the attract loop, 5 to 3600.
        attract_script: What the attract loop shows; None is the bundled script.
        operator_exit: What the operator's hold does, a value of `OperatorExit`.
        operator_hold: Which hold that is, a value of `OperatorHold`.
        pixel_shift: Whether everything glides by a few pixels against burn-in; None is in an exhibit.
        night: Hours, by the local clock, at which the screen is dim or black.
        night_brightness: Of the screen at night, 0 (black) to 1 (as by day).
        night_wake_seconds: How long a touch at night lights the screen up, 0 (not at all) to 3600.
        state_directory: For `status.json` and what is kept of faults; None is the user's state folder in an
            exhibit, and nowhere else.
        log_directory: For the log; None is the user's log folder in an exhibit, and nowhere else.
        usage_csv: Where visits, strokes, heals and resets are counted by the hour; None counts nothing.
    """

    languages: tuple[str, ...] = ("en",)
    idle_seconds: float = 60.0
    attract_script: Path | None = None
    operator_exit: str = OperatorExit.MENU.value
    operator_hold: str = OperatorHold.BOTH.value
    pixel_shift: bool | None = None
    night: NightHours | None = None
    night_brightness: float = 0.0
    night_wake_seconds: float = 0.0
    state_directory: Path | None = None
    log_directory: Path | None = None
    usage_csv: Path | None = None

    def __post_init__(self) -> None:
        """Validate; raises ConfigError."""
        # `super()` does not work in a dataclass with slots before Python 3.14.
        ViewerConfig.__post_init__(self)
        require_range("--idle-seconds", self.idle_seconds, MIN_IDLE_SECONDS, MAX_IDLE_SECONDS)
        require_one_of("--operator-exit", self.operator_exit, [known.value for known in OperatorExit])
        require_one_of("--operator-hold", self.operator_hold, [known.value for known in OperatorHold])
        for language in self.languages:
            require_one_of("--language", language, LANGUAGES)
            texts_in(language)
        if self.usage_csv is not None and not self.exhibit:
            raise ConfigError("--usage-csv counts what visitors do; give --exhibit too")
        for option, path in (
            ("--state-dir", self.state_directory),
            ("--log-dir", self.log_directory),
            ("--usage-csv", self.usage_csv),
        ):
            if path is not None and len(path.name) > MAX_NAME_LENGTH:
                raise ConfigError(
                    f"{option} = {str(path)[:60]!r}... has too long a name; choose a shorter one"
                )
        if not self.languages:
            raise ConfigError(f"--language: give at least one of {', '.join(LANGUAGES)}")
        if len(set(self.languages)) < len(self.languages):
            raise ConfigError(f"--language: give each once, of {', '.join(LANGUAGES)}")
        require_range("--night-brightness", self.night_brightness, 0.0, 1.0)
        require_range("--night-wake-seconds", self.night_wake_seconds, 0.0, MAX_NIGHT_WAKE_SECONDS)

    @property
    def shifts_pixels(self) -> bool:
        """Whether everything glides against burn-in."""
        return self.exhibit if self.pixel_shift is None else self.pixel_shift

    @property
    def night_schedule(self) -> NightSchedule | None:
        """What happens at night, if anything."""
        if self.night is None:
            return None
        return NightSchedule(self.night, self.night_brightness, self.night_wake_seconds)
