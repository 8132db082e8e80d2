"""What a person can ask for: frozen messages from the input to the controls and the simulation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

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
class Undo:
    """Go back to before the last stroke."""


@dataclass(frozen=True, slots=True)
class Redo:
    """Go forward again to where the last `Undo` came from."""


@dataclass(frozen=True, slots=True)
class StepBack:
    """Pause, and go back some steps; forward again where `steps` is negative."""

    steps: int = 1


@dataclass(frozen=True, slots=True)
class SeekTick:
    """Pause, and go to a tick of the timeline."""

    tick: int


@dataclass(frozen=True, slots=True)
class BeforeDamage:
    """Pause, and go back to just before the last damage."""


@dataclass(frozen=True, slots=True)
class ToggleSlowMotion:
    """Run an eighth as fast, or as before."""


@dataclass(frozen=True, slots=True)
class ShowView:
    """Show a view by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class ShowTile:
    """Enlarge one tile of a view that has several; None shows all."""

    number: int | None


@dataclass(frozen=True, slots=True)
class NextTile:
    """Enlarge the next tile of a view that has several; after the last one, show all."""

    direction: int = 1


@dataclass(frozen=True, slots=True)
class TogglePanel:
    """Open or close the panel beside the picture."""


@dataclass(frozen=True, slots=True)
class ShowPage:
    """Open a page of the panel."""

    page: str


@dataclass(frozen=True, slots=True)
class NextPage:
    """Open the panel, or its next page."""


@dataclass(frozen=True, slots=True)
class PinCell:
    """Keep the inspector on a cell; None is the one that is pointed at, and lets go a pinned one."""

    cell: Cell | None = None


@dataclass(frozen=True, slots=True)
class LetGo:
    """Let the inspector follow the pointer."""


@dataclass(frozen=True, slots=True)
class NextModel:
    """Go on with the next bundled automaton, from what is seen."""


@dataclass(frozen=True, slots=True)
class PlayDemo:
    """Show a demo in place of what runs; None goes back to that."""

    name: str | None


@dataclass(frozen=True, slots=True)
class PastePicture:
    """Start from the picture on the clipboard."""


@dataclass(frozen=True, eq=False, slots=True)
class BeginWith:
    """Start from a picture.

    Attributes:
        image: float32[H, W, visible_channel_size] in [0, 1].
        text: What there is to tell of it.
    """

    image: np.ndarray
    text: str


@dataclass(frozen=True, slots=True)
class MoveCursor:
    """Move the keyboard's brush."""

    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class UseCursor:
    """Use the selected tool where the keyboard's brush is."""


@dataclass(frozen=True, slots=True)
class ToggleHead:
    """Mute an attention head, or let it speak again."""

    head: int


@dataclass(frozen=True, slots=True)
class ToggleNeighbour:
    """Let no cell look at its neighbour of this number of `MOORE_OFFSETS`, or look at it again."""

    number: int


@dataclass(frozen=True, slots=True)
class ToggleChannel:
    """Hold a channel where it is ("freeze") or at zero ("zero"), or let it go."""

    channel: int
    how: str


@dataclass(frozen=True, slots=True)
class ChangeExperiment:
    """Move one of an experiment's amounts along its ladder: "rate", "noise" or "step size"."""

    amount: str
    rungs: int


@dataclass(frozen=True, slots=True)
class ChangeChannel:
    """Choose the next of the channels, or one before, that can be held."""

    rungs: int


@dataclass(frozen=True, slots=True)
class ToggleKilling:
    """Let the brush kill cells instead of using its tool, or use its tool again."""


@dataclass(frozen=True, slots=True)
class KillStroke:
    """Cells die where the brush moves: they hold nothing and never update."""

    start: Cell
    end: Cell
    radius_cells: int


@dataclass(frozen=True, slots=True)
class SaveClip:
    """Save what was shown in the last seconds as a clip."""


@dataclass(frozen=True, slots=True)
class ToggleRecording:
    """Begin to record what is shown, or end it."""


@dataclass(frozen=True, slots=True)
class EndExperiments:
    """Let the automaton be as it was trained."""


@dataclass(frozen=True, slots=True)
class FocusButton:
    """Choose the next of the window's buttons by keyboard."""

    direction: int = 1


@dataclass(frozen=True, slots=True)
class PressFocused:
    """Press the button that was chosen by keyboard."""


@dataclass(frozen=True, slots=True)
class ToggleStory:
    """Show one step of the inspected cell, slowly, or stop."""


@dataclass(frozen=True, slots=True)
class Scrub:
    """A press on the bar of the past: where it is says which tick is meant, see `SeekTick`."""


@dataclass(frozen=True, slots=True)
class SaveChart:
    """Save what the chart shows as a table (CSV)."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """What a press on something that is neither page nor button asks for."""


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
    | NextModel
    | NextView
    | ToggleGrid
    | ToggleHud
    | ToggleHelp
    | ToggleFullscreen
    | Screenshot
    | Dismiss
    | Quit
    | Undo
    | Redo
    | StepBack
    | SeekTick
    | BeforeDamage
    | ToggleSlowMotion
    | ShowView
    | ShowTile
    | NextTile
    | TogglePanel
    | ShowPage
    | NextPage
    | PinCell
    | LetGo
    | PlayDemo
    | PastePicture
    | BeginWith
    | MoveCursor
    | UseCursor
    | ToggleHead
    | ToggleNeighbour
    | ToggleChannel
    | ChangeExperiment
    | ChangeChannel
    | ToggleKilling
    | KillStroke
    | SaveClip
    | ToggleRecording
    | EndExperiments
    | FocusButton
    | PressFocused
    | ToggleStory
    | Scrub
    | SaveChart
    | Nothing
    | SwitchLanguage
    | Operate
)
