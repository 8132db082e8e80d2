"""The viewer's own options, validated when constructed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from nca_viewer.config import require_range
from nca_viewer.errors import ConfigError
from nca_viewer.interaction.controls import MAX_BRUSH_RADIUS_CELLS, SPEEDS
from nca_viewer.interaction.gamepad import GamepadMapping, KeyMapping

START_DIGIT = "digit"
START_BLANK = "blank"
MAX_SEED = 2**32 - 1
MAX_FRAMES = 1_000_000
MAX_GIF_FRAMES = 20_000
MAX_DISPLAYS = 64


@dataclass(frozen=True, slots=True)
class ViewerConfig:
    """How a viewer starts.

    Attributes:
        checkpoint: A checkpoint's directory, a run's directory, or the name of a bundled checkpoint.
        start: "digit", "blank", or the path of a picture file.
        start_as_is: Fit a picture file into the grid as it is, without normalising it.
        digit: Which digit to start with, 0 to 9; None chooses at random.
        mask_ratio: Part of the start image's pixels that is forgotten, in [0, 1].
        seed: Of everything random, 0 to 2^32 - 1; None draws one.
        frames_per_second: The limit of the frame rate, 1 to 240.
        speed: Steps per frame, one of `SPEEDS`; None is the tempo at which people can follow, and without a
            screen one step per frame.
        brush_radius_cells: 0 is one cell; None is 4 in an exhibit, else 1.
        window_size: (width, height) in pixels.
        fullscreen: Whether to fill the screen at the start.
        headless: Run without a screen.
        frames: End after this many frames; None runs on.
        save: Write the run to this file at its end: .png is the last frame, .gif all of them.
        output_directory: For screenshots; None is the user's pictures folder.
        device: "auto" (a GPU where JAX finds one), "cpu" or "gpu".
        compile_cache: Keep compiled functions on disk, for a faster start.
        display: Number of the display to open on, from 0.
        exhibit: Run unattended in a public place: fullscreen, visitors' controls only.
        gamepad: Which part of a gamepad does what.
        keys: Which keys are an arcade stick's.
        limit_flashes: Whether flashes are held back; None is in an exhibit.
        reduce_motion: Whether every change of the image comes gradually.
    """

    checkpoint: str = "model"
    start: str = START_DIGIT
    start_as_is: bool = False
    digit: int | None = None
    mask_ratio: float = 0.5
    seed: int | None = None
    frames_per_second: int = 60
    speed: Fraction | None = None
    brush_radius_cells: int | None = None
    window_size: tuple[int, int] = (900, 960)
    fullscreen: bool = False
    headless: bool = False
    frames: int | None = None
    save: Path | None = None
    output_directory: Path | None = None
    device: str = "auto"
    compile_cache: bool = True
    display: int = 0
    exhibit: bool = False
    gamepad: GamepadMapping = field(default_factory=GamepadMapping)
    keys: KeyMapping = field(default_factory=KeyMapping)
    limit_flashes: bool | None = None
    reduce_motion: bool = False

    def __post_init__(self) -> None:
        """Validate; raises ConfigError."""
        if not self.checkpoint:
            raise ConfigError("--ckpt is empty; give a directory or a name such as 'model'")
        if not self.start:
            raise ConfigError("--start is empty; give digit, blank or the path of a picture")
        if self.digit is not None:
            require_range("--digit", self.digit, 0, 9, whole=True)
            if self.start != START_DIGIT:
                raise ConfigError(f"--digit {self.digit} needs --start digit, not {self.start!r}")
        require_range("--mask-ratio", self.mask_ratio, 0.0, 1.0)
        if self.seed is not None:
            require_range("--seed", self.seed, 0, MAX_SEED, whole=True)
        require_range("--fps", self.frames_per_second, 1, 240, whole=True)
        if self.speed is not None and self.speed not in SPEEDS:
            raise ConfigError(
                f"--speed = {self.speed} is not a known speed; choose one of "
                f"{', '.join(str(speed) for speed in SPEEDS)} steps per frame"
            )
        if self.brush_radius_cells is not None:
            require_range("--brush-radius", self.brush_radius_cells, 0, MAX_BRUSH_RADIUS_CELLS, whole=True)
        for name, side in zip(("width", "height"), self.window_size, strict=True):
            require_range(f"--window-size ({name})", side, 64, 8192, whole=True)
        if self.frames is not None:
            require_range("--frames", self.frames, 1, MAX_FRAMES, whole=True)
        if self.headless and self.frames is None:
            raise ConfigError("--headless would never end; give --frames N")
        if self.save is not None and self.frames is None:
            raise ConfigError("--save writes when the run ends; give --frames N")
        if self.save is not None and self.save.suffix.lower() == ".gif" and self.frames is not None:
            require_range("--frames (of a GIF)", self.frames, 1, MAX_GIF_FRAMES, whole=True)
        if self.device not in ("auto", "cpu", "gpu"):
            raise ConfigError(f"--device = {self.device!r} is unknown; choose auto, cpu or gpu")
        require_range("--display", self.display, 0, MAX_DISPLAYS - 1, whole=True)

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
