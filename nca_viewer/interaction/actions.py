"""What a person can ask for: frozen messages from the input to the controls and the simulation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Cell = tuple[int, int]
"""(row, column); outside of the grid where the pointer is beside it."""


class Tool(Enum):
    """What a brush does to the cells it touches."""

    PAINT = "paint"
    ERASE = "erase"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class Stroke:
    """The brush moves in a straight line from one cell to another, or stays where it is.

    Attributes:
        tool: What it does; None is the tool that is selected.
        start: The cell it comes from.
        end: The cell it goes to.
        radius_cells: Of the brush, 0 is one cell; None is the radius that is selected.
    """

    tool: Tool | None
    start: Cell
    end: Cell
    radius_cells: int | None = None


@dataclass(frozen=True, slots=True)
class TogglePause:
    """Pause, or run on."""


@dataclass(frozen=True, slots=True)
class RunOn:
    """Run, paused or not."""


@dataclass(frozen=True, slots=True)
class StepOnce:
    """Pause and take exactly one step."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Go back to the exact start of this episode."""


@dataclass(frozen=True, slots=True)
class NewDigit:
    """Start from a fresh masked digit; None chooses one at random."""

    digit: int | None = None


@dataclass(frozen=True, slots=True)
class Clear:
    """Start from a blank grid."""


@dataclass(frozen=True, slots=True)
class ChangeSpeed:
    """Move along the ladder of speeds."""

    rungs: int


@dataclass(frozen=True, slots=True)
class SelectTool:
    """Choose what the left button and the fingers do."""

    tool: Tool


@dataclass(frozen=True, slots=True)
class ChangeRadius:
    """Make the brush larger or smaller."""

    cells: int


@dataclass(frozen=True, slots=True)
class NextView:
    """Show another aspect of the same cells."""

    direction: int = 1


@dataclass(frozen=True, slots=True)
class ToggleGrid:
    """Show or hide the lines between the cells."""


@dataclass(frozen=True, slots=True)
class ToggleHud:
    """Show or hide the status bar."""


@dataclass(frozen=True, slots=True)
class ToggleHelp:
    """Show or hide the list of keys."""


@dataclass(frozen=True, slots=True)
class ToggleFullscreen:
    """Fill the screen, or go back to a window."""


@dataclass(frozen=True, slots=True)
class Screenshot:
    """Save the picture as a PNG file."""


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Close the help; where it is closed, leave fullscreen. Never quits."""


@dataclass(frozen=True, slots=True)
class Quit:
    """End the program."""


@dataclass(frozen=True, slots=True)
class SwitchLanguage:
    """In an exhibit: speak the next of the operator's languages."""


class OperatorChoice(Enum):
    """What an exhibit's operator can ask for on the operator's page."""

    RESUME = "resume"
    RELOAD = "reload"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Operate:
    """In an exhibit: a button of the operator's page."""

    choice: OperatorChoice


Action = (
    Stroke
    | TogglePause
    | RunOn
    | StepOnce
    | Reset
    | NewDigit
    | Clear
    | ChangeSpeed
    | SelectTool
    | ChangeRadius
    | NextView
    | ToggleGrid
    | ToggleHud
    | ToggleHelp
    | ToggleFullscreen
    | Screenshot
    | Dismiss
    | Quit
    | SwitchLanguage
    | Operate
)
