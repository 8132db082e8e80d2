"""The settings that a person changes while the automaton runs, and the pure function that changes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from nca_viewer.interaction.actions import (
    Action,
    BeforeDamage,
    Cell,
    ChangeChannel,
    ChangeRadius,
    ChangeSpeed,
    Dismiss,
    EndExperiments,
    LetGo,
    NextPage,
    NextView,
    PinCell,
    Quit,
    RunOn,
    SeekTick,
    SelectTool,
    ShowPage,
    ShowTile,
    ShowView,
    StepBack,
    StepOnce,
    Stroke,
    ToggleFullscreen,
    ToggleGrid,
    ToggleHelp,
    ToggleHud,
    ToggleKilling,
    TogglePanel,
    TogglePause,
    ToggleSlowMotion,
    ToggleStory,
    Tool,
)
from nca_viewer.views import VIEW_NAMES

SPEEDS: tuple[Fraction, ...] = tuple(Fraction(2) ** exponent for exponent in range(-3, 7))
"""Steps per frame, from one step in eight frames to 64 steps in each."""

TEMPO_SPEEDS: tuple[Fraction, ...] = tuple(Fraction(2) ** exponent for exponent in range(-3, 10))
"""How many times faster than the tempo at which people can follow; the last is half the highest of `SPEEDS`
while a digit forms, and above it while one heals."""

MAX_BRUSH_RADIUS_CELLS = 14

SLOW_MOTION = Fraction(1, 8)
"""How much slower everything is in slow motion."""

PAGES = ("inspector", "charts", "opinion", "experiments", "demos", "more")
"""Of the panel, in their order."""


@dataclass(frozen=True, slots=True)
class Controls:
    """Everything that is set by hand and is not a cell.

    Attributes:
        paused: No steps but single ones.
        speed: Steps per frame, one of `SPEEDS`; or a multiple of the default tempo, one of `TEMPO_SPEEDS`.
        has_tempo: Which of the two; `pacing.VISIBLE_TEMPO` is that tempo.
        tool: What the left button and the fingers do.
        brush_radius_cells: 0 is one cell.
        view: Number of the view, an index of `VIEW_NAMES`.
        tile: Which tile of a view with several is enlarged; None shows all.
        slow_motion: Whether everything is slower by `SLOW_MOTION`.
        panel_visible: The panel beside the picture.
        page: Which page of it, one of `PAGES`.
        pinned_cell: The cell that the inspector is kept on; None follows the pointer.
        story: Whether the inspector shows one step of its cell, slowly.
        channel: Which one experiments can hold.
        killing: Whether the brush kills cells instead of using its tool.
        grid_visible: Lines between the cells.
        hud_visible: The status bar.
        help_visible: The list of keys.
        fullscreen: Whether the window should fill the screen.
        quitting: The program should end.
    """

    paused: bool = False
    speed: Fraction = Fraction(1)
    has_tempo: bool = False
    tool: Tool = Tool.PAINT
    brush_radius_cells: int = 1
    view: int = 0
    tile: int | None = None
    slow_motion: bool = False
    panel_visible: bool = False
    page: str = PAGES[0]
    pinned_cell: Cell | None = None
    story: bool = False
    channel: int = 0
    killing: bool = False
    grid_visible: bool = False
    hud_visible: bool = True
    help_visible: bool = False
    fullscreen: bool = False
    quitting: bool = False

    @property
    def effective_speed(self) -> Fraction:
        """The speed with the slow motion."""
        return self.speed * (SLOW_MOTION if self.slow_motion else 1)


def update(controls: Controls, action: Action) -> Controls:
    """The settings after an action; actions that concern only the cells change none."""
    match action:
        case TogglePause():
            return replace(controls, paused=not controls.paused)
        case RunOn():
            return replace(controls, paused=False)
        case StepOnce() | StepBack() | SeekTick() | BeforeDamage():
            return replace(controls, paused=True)
        case ToggleSlowMotion():
            return replace(controls, slow_motion=not controls.slow_motion)
        case ChangeSpeed(rungs):
            ladder = TEMPO_SPEEDS if controls.has_tempo else SPEEDS
            rung = min(max(ladder.index(controls.speed) + rungs, 0), len(ladder) - 1)
            return replace(controls, speed=ladder[rung])
        case SelectTool(tool):
            return replace(controls, tool=tool)
        case ChangeRadius(cells):
            radius = min(max(controls.brush_radius_cells + cells, 0), MAX_BRUSH_RADIUS_CELLS)
            return replace(controls, brush_radius_cells=radius)
        case NextView(direction):
            return replace(controls, view=(controls.view + direction) % len(VIEW_NAMES), tile=None)
        case ShowView(name):
            return replace(controls, view=VIEW_NAMES.index(name), tile=None)
        case ShowTile(number):
            return replace(controls, tile=number)
        case TogglePanel():
            return replace(controls, panel_visible=not controls.panel_visible)
        case ShowPage(page):
            return replace(controls, panel_visible=True, page=page)
        case NextPage():
            step = 1 if controls.panel_visible else 0
            page = PAGES[(PAGES.index(controls.page) + step) % len(PAGES)]
            return replace(controls, panel_visible=True, page=page)
        case ChangeChannel(rungs):
            return replace(controls, channel=max(0, controls.channel + rungs))
        case ToggleKilling():
            return replace(controls, killing=not controls.killing)
        case EndExperiments():
            return replace(controls, killing=False)
        case ToggleStory():
            return replace(controls, story=not controls.story)
        case PinCell(cell):
            return replace(controls, pinned_cell=cell)
        case LetGo():
            return replace(controls, pinned_cell=None)
        case ToggleGrid():
            return replace(controls, grid_visible=not controls.grid_visible)
        case ToggleHud():
            return replace(controls, hud_visible=not controls.hud_visible)
        case ToggleHelp():
            return replace(controls, help_visible=not controls.help_visible)
        case Stroke():
            # A hand on the grid wants to see it.
            return replace(controls, help_visible=False) if controls.help_visible else controls
        case ToggleFullscreen():
            return replace(controls, fullscreen=not controls.fullscreen)
        case Dismiss() if controls.help_visible:
            return replace(controls, help_visible=False)
        case Dismiss():
            return replace(controls, fullscreen=False)
        case Quit():
            return replace(controls, quitting=True)
    return controls


def speed_text(speed: Fraction, *, has_tempo: bool, is_short: bool = False) -> str:
    """The speed in words: against the default tempo, or in steps per frame.

    Args:
        speed: See `Controls`.
        has_tempo: See `Controls`.
        is_short: Whether a few letters have to do.
    """
    if is_short:
        return f"speed {speed}" if has_tempo else f"{speed}/frame"
    if has_tempo:
        if speed == 1:
            return "normal speed"
        return f"{speed} {'of' if speed < 1 else 'times'} normal speed"
    return f"{speed} {'step' if speed <= 1 else 'steps'}/frame"
