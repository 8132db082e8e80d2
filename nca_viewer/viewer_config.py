"""The viewer's own options, validated when constructed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from fractions import Fraction
from pathlib import Path

import click

from nca_viewer.assets import bundled_checkpoint_names, demo_files
from nca_viewer.config import MAX_SEED, option_name, require_limits, require_range, setting
from nca_viewer.errors import ConfigError
from nca_viewer.interaction.controls import MAX_BRUSH_RADIUS_CELLS, SPEEDS
from nca_viewer.interaction.gamepad import GamepadMapping, KeyMapping
from nca_viewer.option_types import SizeType, SpeedType
from nca_viewer.options import WordOrPathType

DEFAULT_CHECKPOINT = "model"
START_DIGIT = "digit"
START_BLANK = "blank"
DEVICES = ("auto", "cpu", "gpu")
MAX_FRAMES = 1_000_000
MAX_GIF_FRAMES = 20_000
MAX_DISPLAYS = 64
MAX_PANES = 3


class HelpGroup(IntEnum):
    """The order in which options stand in the help."""

    VIEWER = 0
    EXHIBIT = 1
    SCREEN = 2


@dataclass(frozen=True, slots=True)
class ViewerConfig:
    """How a viewer starts. Each field but the last two is an option of the command line.

    Attributes:
        gamepad: Which part of a gamepad does what.
        keys: Which keys are an arcade stick's.
    """

    checkpoints: tuple[str, ...] = setting(
        (DEFAULT_CHECKPOINT,),
        option="ckpt",
        type=WordOrPathType(bundled_checkpoint_names),
        metavar="NAME|DIRECTORY",
        help="Trained automaton: a bundled name, a checkpoint, or a training run (its newest checkpoint). "
        "Given two or three times, as many are shown side by side, from the same start.",
    )
    watch: Path | None = setting(
        None,
        metavar="RUN",
        help="Watch a training run: each new checkpoint goes on with the cells as they are.",
    )
    start: str = setting(
        START_DIGIT,
        type=WordOrPathType(lambda: (START_DIGIT, START_BLANK)),
        metavar="digit|blank|PICTURE",
        help="What to start from. A picture file's drawing is brought into the form of MNIST's digits: light "
        "ink on black, cropped, scaled and centred; for an RGB automaton it is fitted whole, in its colours.",
    )
    start_as_is: bool = setting(
        False,
        is_flag=True,
        help="Fit a picture file whole, with the levels it has: do not invert, clean, crop or centre it.",
    )
    digit: int | None = setting(
        None, limits=(0, 9), metavar="0-9", help="Which digit to start with.  [default: any]"
    )
    mask_ratio: float = setting(
        0.5, limits=(0.0, 1.0), help="Part of the start's pixels that is forgotten, 0 to 1."
    )
    seed: int | None = setting(
        None, limits=(0, MAX_SEED), help="Makes a run repeat exactly.  [default: drawn at random]"
    )
    frames_per_second: int = setting(
        60, option="fps", limits=(1, 240), help="Most frames per second, 1 to 240."
    )
    speed: Fraction | None = setting(
        None,
        type=SpeedType(),
        metavar="1/8...64",
        help="Steps per frame, a power of two.  [default: so that a digit forms in about 4 s; headless: 1]",
    )
    brush_radius_cells: int | None = setting(
        None,
        option="brush-radius",
        limits=(0, MAX_BRUSH_RADIUS_CELLS),
        help="In cells; 0 is a single cell.  [default: 1, in an exhibit 4]",
    )
    window_size: tuple[int, int] = setting(
        (900, 960), type=SizeType(), metavar="WIDTHxHEIGHT", help="In pixels."
    )
    fullscreen: bool = setting(False, is_flag=True, help="Fill the screen.")
    headless: bool = setting(False, is_flag=True, help="Run without a screen; needs --frames.")
    frames: int | None = setting(
        None, limits=(1, MAX_FRAMES), metavar="N", help="End after this many frames."
    )
    save: Path | None = setting(
        None,
        metavar="FILE.png|FILE.gif",
        help="Write the last frame (.png), or the start and all frames (.gif); needs --frames.",
    )
    record: Path | None = setting(
        None,
        metavar="FILE.jsonl",
        help="Write down everything that is done to the cells, as it is done; see --replay.",
    )
    replay: Path | None = setting(
        None,
        metavar="FILE.jsonl",
        help="Repeat a run that was written with --record, bit for bit, at any speed.",
    )
    demo: str | None = setting(
        None,
        metavar="NAME",
        help="A guided tour of a minute: what-one-cell-sees, wound-and-memory, wiped-page.",
    )
    load_state: Path | None = setting(
        None, metavar="FILE.npz", help="Go on from a state that was written with --save-state."
    )
    save_state: Path | None = setting(
        None, metavar="FILE.npz", help="Write the state of the cells when the run ends."
    )
    output_directory: Path | None = setting(
        None, option="output-dir", help="Where screenshots (F2) go.  [default: your pictures folder]"
    )
    device: str = setting(
        "auto",
        type=click.Choice(DEVICES),
        help="What computes the cells; auto is a GPU where JAX finds one.",
    )
    compile_cache: bool = setting(
        True, help="Keep compiled functions in your cache folder, for a faster start."
    )
    display: int = setting(0, limits=(0, MAX_DISPLAYS - 1), metavar="N", help="Which display to open on.")
    exhibit: bool = setting(
        False,
        is_flag=True,
        help="For an unattended public place: fills the screen, shows visitors' controls only, and shows "
        "itself while nobody is there.",
    )
    limit_flashes: bool | None = setting(
        None,
        group=HelpGroup.SCREEN,
        help="Hold back what would flash three times in a second (WCAG 2.3.1).  [default: in an exhibit]",
    )
    reduce_motion: bool = setting(
        False, group=HelpGroup.SCREEN, help="Let every change of the picture come gradually."
    )
    gamepad: GamepadMapping = field(default_factory=GamepadMapping)
    keys: KeyMapping = field(default_factory=KeyMapping)

    def __post_init__(self) -> None:
        """Validate; raises ConfigError."""
        if not self.checkpoints or not all(self.checkpoints):
            raise ConfigError("--ckpt is empty; give a directory or a name such as 'model'")
        if not self.start:
            raise ConfigError("--start is empty; give digit, blank or the path of a picture")
        require_limits(self, option_name)
        if self.watch is not None:
            others = {
                "--ckpt": self.checkpoints != (DEFAULT_CHECKPOINT,),
                "--headless": self.headless,
                "--exhibit": self.exhibit,
                "--record": self.record is not None,
                "--save-state": self.save_state is not None,
            }
            for option in [option for option, is_given in others.items() if is_given]:
                raise ConfigError(f"--watch and {option} do not go together; give one of them")
        self._require_panes()
        if self.digit is not None and self.start != START_DIGIT:
            raise ConfigError(f"--digit {self.digit} needs --start digit, not {self.start!r}")
        if self.speed is not None and self.speed not in SPEEDS:
            raise ConfigError(
                f"--speed = {self.speed} is not a known speed; choose one of "
                f"{', '.join(str(speed) for speed in SPEEDS)} steps per frame"
            )
        for name, side in zip(("width", "height"), self.window_size, strict=True):
            require_range(f"--window-size ({name})", side, 64, 8192, whole=True)
        if self.headless and self.frames is None:
            raise ConfigError("--headless would never end; give --frames N")
        if self.save is not None and self.frames is None:
            raise ConfigError("--save writes when the run ends; give --frames N")
        if self.save is not None and self.save.suffix.lower() == ".gif" and self.frames is not None:
            require_range("--frames (of a GIF)", self.frames, 1, MAX_GIF_FRAMES, whole=True)
        self._require_one_beginning()
        if self.save_state is not None and self.save_state.suffix.lower() != ".npz":
            raise ConfigError(f"--save-state {str(self.save_state)!r}: end the name in .npz")
        if self.device not in DEVICES:
            raise ConfigError(f"--device = {self.device!r} is unknown; choose auto, cpu or gpu")

    def _require_panes(self) -> None:
        """Check that several automata side by side are few enough, and what is of one alone is left out."""
        number = len(self.checkpoints)
        if number > MAX_PANES:
            raise ConfigError(f"--ckpt is given {number} times; at most {MAX_PANES} fit side by side")
        of_one = {
            "--exhibit": self.exhibit,
            "--record": self.record is not None,
            "--replay": self.replay is not None,
            "--demo": self.demo is not None,
            "--load-state": self.load_state is not None,
            "--save-state": self.save_state is not None,
        }
        for option in [option for option, is_given in of_one.items() if is_given and number > 1]:
            raise ConfigError(f"{option} is for one automaton; give --ckpt once, and not {number} times")

    def _require_one_beginning(self) -> None:
        """Check that there is one thing to begin with, and that nobody is to follow a run in an exhibit."""
        beginnings = {"--replay": self.replay, "--demo": self.demo, "--load-state": self.load_state}
        given = [name for name, value in beginnings.items() if value is not None]
        if self.demo is not None:
            require_one_of("--demo", self.demo, tuple(demo_files()))
        if len(given) > 1:
            raise ConfigError(f"{given[0]} and {given[1]} both say what to begin with; give one of them")
        others = {
            "--seed": self.seed,
            "--digit": self.digit,
            "--start": None if self.start == START_DIGIT else self.start,
        }
        for name, value in others.items():
            if given and value is not None:
                raise ConfigError(f"{given[0]} says what to begin with, and so does {name}; leave {name} out")
        files = {"--record": self.record, "--save-state": self.save_state}
        given += [name for name, value in files.items() if value is not None]
        if self.exhibit and given:
            raise ConfigError(f"{given[0]} is for one's own window; leave it out in an --exhibit")

    @property
    def checkpoint(self) -> str:
        """The first one."""
        return self.checkpoints[0]

    @property
    def replayed(self) -> Path | None:
        """The record that is repeated, a demo's too."""
        return self.replay if self.demo is None else demo_files()[self.demo]

    @property
    def first_radius_cells(self) -> int:
        """Of the brush at the start: in an exhibit large enough to be seen from afar."""
        if self.brush_radius_cells is not None:
            return self.brush_radius_cells
        return 4 if self.exhibit else 1

    @property
    def limits_flashes(self) -> bool:
        """Whether flashes are held back."""
        return self.exhibit if self.limit_flashes is None else self.limit_flashes


def require_one_of(option: str, value: str, known: Sequence[str]) -> None:
    """Check an option with a few values; raises ConfigError."""
    if value not in known:
        raise ConfigError(f"{option} = {value!r} is unknown; choose one of {', '.join(known)}")
