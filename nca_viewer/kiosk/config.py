"""The options of a public place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nca_viewer.config import setting
from nca_viewer.errors import ConfigError
from nca_viewer.kiosk.night import NightHours, NightSchedule
from nca_viewer.kiosk.option_types import NightType
from nca_viewer.kiosk.texts import LANGUAGES, texts_in
from nca_viewer.kiosk.visit import OperatorExit, OperatorHold
from nca_viewer.viewer_config import HelpGroup, ViewerConfig, require_one_of

MAX_NAME_LENGTH = 200
OPERATOR_EXITS = tuple(known.value for known in OperatorExit)
OPERATOR_HOLDS = tuple(known.value for known in OperatorHold)


@dataclass(frozen=True, slots=True)
class KioskConfig(ViewerConfig):
    """How a viewer starts that may be unattended; all but `exhibit` serves a person's own window too."""

    languages: tuple[str, ...] = setting(
        ("en",),
        option="language",
        group=HelpGroup.EXHIBIT,
        metavar="|".join(LANGUAGES),
        help="What the exhibit speaks; given several times, visitors can switch.",
    )
    idle_seconds: float = setting(
        60.0,
        group=HelpGroup.EXHIBIT,
        limits=(5.0, 3600.0),
        help="Without a touch for so long, 5 to 3600, the exhibit shows itself.",
    )
    attract_script: Path | None = setting(
        None,
        group=HelpGroup.EXHIBIT,
        metavar="FILE",
        help="What it shows then: a text file.  [default: the bundled one]",
    )
    operator_exit: str = setting(
        OperatorExit.MENU.value,
        group=HelpGroup.EXHIBIT,
        metavar="|".join(OPERATOR_EXITS),
        help="What the operator's hold of 3 seconds does in an exhibit.",
    )
    operator_hold: str = setting(
        OperatorHold.BOTH.value,
        group=HelpGroup.EXHIBIT,
        metavar="|".join(OPERATOR_HOLDS),
        help="Which hold that is: Ctrl+Shift+Q, four fingers at rest, or either.",
    )
    state_directory: Path | None = setting(
        None,
        option="state-dir",
        group=HelpGroup.EXHIBIT,
        help="Where status.json and the records of faults go.  [default in an exhibit: your state folder]",
    )
    log_directory: Path | None = setting(
        None,
        option="log-dir",
        group=HelpGroup.EXHIBIT,
        help="Where the log goes, a few bounded files.  [default in an exhibit: your log folder]",
    )
    usage_csv: Path | None = setting(
        None,
        group=HelpGroup.EXHIBIT,
        metavar="FILE.csv",
        help="Count visits, strokes, heals and resets by the hour; nothing else is kept of anybody.",
    )
    pixel_shift: bool | None = setting(
        None,
        group=HelpGroup.SCREEN,
        help="Glide by a few pixels, against burn-in.  [default: in an exhibit]",
    )
    night: NightHours | None = setting(
        None,
        group=HelpGroup.SCREEN,
        type=NightType(),
        metavar="HH:MM-HH:MM",
        help="Hours, by the local clock, at which the screen is dim or black, such as 22:00-07:00.",
    )
    night_brightness: float = setting(
        0.0,
        group=HelpGroup.SCREEN,
        limits=(0.0, 1.0),
        help="Of the screen at night: 0 is black, and the automaton sleeps; 1 is as by day.",
    )
    night_wake_seconds: float = setting(
        0.0,
        group=HelpGroup.SCREEN,
        limits=(0.0, 3600.0),
        help="How long a touch at night lights the screen up, 0 (not at all) to 3600.",
    )

    def __post_init__(self) -> None:
        """Validate; raises ConfigError."""
        # `super()` does not work in a dataclass with slots before Python 3.14.
        ViewerConfig.__post_init__(self)
        require_one_of("--operator-exit", self.operator_exit, OPERATOR_EXITS)
        require_one_of("--operator-hold", self.operator_hold, OPERATOR_HOLDS)
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
