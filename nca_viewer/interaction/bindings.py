"""The one table of keys: the input looks actions up in it, the help overlay and the README are made of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import pygame

from nca_viewer.config_file import nearest_names
from nca_viewer.errors import ConfigError
from nca_viewer.interaction.actions import (
    Action,
    BeforeDamage,
    ChangeRadius,
    ChangeSpeed,
    Clear,
    Dismiss,
    EndExperiments,
    FocusButton,
    MoveCursor,
    NewDigit,
    NextModel,
    NextPage,
    NextTile,
    NextView,
    PastePicture,
    PinCell,
    PressFocused,
    Quit,
    Redo,
    Reset,
    SaveClip,
    Screenshot,
    SelectTool,
    ShowView,
    StepBack,
    StepOnce,
    ToggleFullscreen,
    ToggleGrid,
    ToggleHelp,
    ToggleHud,
    TogglePanel,
    TogglePause,
    ToggleRecording,
    ToggleSlowMotion,
    Tool,
    Undo,
    UseCursor,
)
from nca_viewer.interaction.gamepad import KeyMapping
from nca_viewer.views import VIEWS


@dataclass(frozen=True, slots=True)
class Chord:
    """A key with its modifiers.

    Attributes:
        label: How it is written in the help; empty for an alias that needs no mention.
        key: The pygame key code.
        text: The character that the key types. Where it is given, the chord is recognised by it too,
            with or without Shift, so that it is found on every keyboard layout.
        shift: Whether Shift must be held (without `text`).
        control: Whether Ctrl must be held.
    """

    label: str
    key: int
    text: str = ""
    shift: bool = False
    control: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """An action and its keys; neighbouring bindings with the same help text share one line of the help."""

    action: Action
    chords: tuple[Chord, ...]
    help: str
    group: str
    repeats: bool = False


def _typed(text: str, label: str | None = None) -> Chord:
    return Chord(text if label is None else label, ord(text), text=text)


def _letter_or_sign(key: str) -> Chord:
    """Letters are found by where they lie on the keyboard, signs by what is typed."""
    return Chord(key.upper(), ord(key)) if key.isalpha() else _typed(key)


_KEYPAD = (
    pygame.K_KP0,
    pygame.K_KP1,
    pygame.K_KP2,
    pygame.K_KP3,
    pygame.K_KP4,
    pygame.K_KP5,
    pygame.K_KP6,
    pygame.K_KP7,
    pygame.K_KP8,
    pygame.K_KP9,
)

_TIME = "Time"
_PICTURE = "Picture"
_BRUSH = "Brush"
_VIEWS = "Views"
_PANEL = "Panel"
_WINDOW = "Window"

BINDINGS: tuple[Binding, ...] = (
    Binding(
        TogglePause(),
        (
            Chord("Space", pygame.K_SPACE),
            Chord("Enter", pygame.K_RETURN),
            Chord("", pygame.K_KP_ENTER),
        ),
        "pause, run on",
        _TIME,
    ),
    Binding(
        StepOnce(),
        (Chord("Right", pygame.K_RIGHT), Chord("N", pygame.K_n), _typed(".")),
        "one step",
        _TIME,
        repeats=True,
    ),
    Binding(ChangeSpeed(-1), (_typed("-"),), "slower, faster", _TIME, repeats=True),
    Binding(ChangeSpeed(1), (_typed("="), _typed("+", "")), "slower, faster", _TIME, repeats=True),
    Binding(
        StepBack(),
        (Chord("Left", pygame.K_LEFT), _typed(",")),
        "one step back",
        _TIME,
        repeats=True,
    ),
    Binding(
        StepBack(10), (Chord("PageUp", pygame.K_PAGEUP),), "ten steps back, forward", _TIME, repeats=True
    ),
    Binding(
        StepBack(-10), (Chord("PageDown", pygame.K_PAGEDOWN),), "ten steps back, forward", _TIME, repeats=True
    ),
    Binding(BeforeDamage(), (Chord("J", pygame.K_j),), "jump to before the last damage", _TIME),
    Binding(ToggleSlowMotion(), (Chord("L", pygame.K_l),), "slow motion", _TIME),
    Binding(Reset(), (Chord("R", pygame.K_r),), "back to the same start", _PICTURE),
    Binding(
        NewDigit(),
        (Chord("D", pygame.K_d), Chord("Shift+R", pygame.K_r, shift=True)),
        "a new digit, partly forgotten",
        _PICTURE,
    ),
    *(
        Binding(
            NewDigit(digit),
            (_typed(str(digit), "0-9" if digit == 0 else ""), Chord("", _KEYPAD[digit])),
            "this digit, partly forgotten",
            _PICTURE,
        )
        for digit in range(10)
    ),
    Binding(
        PastePicture(),
        (Chord("Ctrl+V", pygame.K_v, control=True),),
        "start from a picture: paste, or drop",
        _PICTURE,
    ),
    Binding(
        NextModel(),
        (Chord("Ctrl+M", pygame.K_m, control=True),),
        "the next bundled model goes on from this picture",
        _PICTURE,
    ),
    Binding(Clear(), (Chord("Delete", pygame.K_DELETE),), "blank page", _PICTURE),
    Binding(SelectTool(Tool.PAINT), (Chord("B", pygame.K_b),), "paint, erase, corrupt", _BRUSH),
    Binding(SelectTool(Tool.ERASE), (Chord("E", pygame.K_e),), "paint, erase, corrupt", _BRUSH),
    Binding(SelectTool(Tool.CORRUPT), (Chord("C", pygame.K_c),), "paint, erase, corrupt", _BRUSH),
    Binding(ChangeRadius(-1), (_typed("["),), "smaller, larger brush", _BRUSH, repeats=True),
    Binding(ChangeRadius(1), (_typed("]"),), "smaller, larger brush", _BRUSH, repeats=True),
    Binding(
        Undo(), (Chord("Ctrl+Z", pygame.K_z, control=True),), "undo a stroke, redo it", _BRUSH, repeats=True
    ),
    Binding(
        Redo(),
        (
            Chord("Ctrl+Y", pygame.K_y, control=True),
            Chord("", pygame.K_z, control=True, shift=True),
        ),
        "undo a stroke, redo it",
        _BRUSH,
        repeats=True,
    ),
    *(
        Binding(
            MoveCursor(rows, columns),
            (Chord("Shift+arrows" if label else "", key, shift=True),),
            "move a brush of the keyboard",
            _BRUSH,
            repeats=True,
        )
        for label, key, rows, columns in (
            (True, pygame.K_UP, -1, 0),
            (False, pygame.K_DOWN, 1, 0),
            (False, pygame.K_LEFT, 0, -1),
            (False, pygame.K_RIGHT, 0, 1),
        )
    ),
    Binding(
        UseCursor(),
        (Chord("X", pygame.K_x), Chord("", pygame.K_x, shift=True)),
        "use the tool there",
        _BRUSH,
        repeats=True,
    ),
    Binding(NextView(1), (Chord("V", pygame.K_v),), "next view, previous view", _VIEWS),
    Binding(NextView(-1), (Chord("Shift+V", pygame.K_v, shift=True),), "next view, previous view", _VIEWS),
    *(Binding(ShowView(view.name), (_letter_or_sign(view.key),), view.caption, _VIEWS) for view in VIEWS),
    Binding(NextTile(1), (Chord("Z", pygame.K_z),), "enlarge one tile, the one before", _VIEWS),
    Binding(
        NextTile(-1), (Chord("Shift+Z", pygame.K_z, shift=True),), "enlarge one tile, the one before", _VIEWS
    ),
    Binding(TogglePanel(), (Chord("P", pygame.K_p),), "inspector, charts, experiments, demos", _PANEL),
    Binding(NextPage(), (Chord("Shift+P", pygame.K_p, shift=True),), "its next page", _PANEL),
    Binding(EndExperiments(), (Chord("Ctrl+E", pygame.K_e, control=True),), "end all experiments", _PANEL),
    Binding(PinCell(), (Chord("K", pygame.K_k),), "keep the inspector on this cell, let it go", _PANEL),
    Binding(
        FocusButton(1), (Chord("F4", pygame.K_F4),), "choose a button, the one before", _WINDOW, repeats=True
    ),
    Binding(
        FocusButton(-1),
        (Chord("Shift+F4", pygame.K_F4, shift=True),),
        "choose a button, the one before",
        _WINDOW,
        repeats=True,
    ),
    Binding(PressFocused(), (Chord("F3", pygame.K_F3),), "press it", _WINDOW, repeats=True),
    Binding(ToggleGrid(), (Chord("G", pygame.K_g),), "lines between the cells", _WINDOW),
    Binding(ToggleHud(), (Chord("Tab", pygame.K_TAB),), "status bar", _WINDOW),
    Binding(ToggleHelp(), (Chord("H", pygame.K_h), Chord("F1", pygame.K_F1)), "this help", _WINDOW),
    Binding(ToggleFullscreen(), (Chord("F11", pygame.K_F11),), "fullscreen", _WINDOW),
    Binding(Screenshot(), (Chord("F2", pygame.K_F2),), "save the picture (PNG)", _WINDOW),
    Binding(SaveClip(), (Chord("S", pygame.K_s),), "save the last 20 seconds (video or GIF)", _WINDOW),
    Binding(ToggleRecording(), (Chord("W", pygame.K_w),), "record a video, end it", _WINDOW),
    Binding(Dismiss(), (Chord("Esc", pygame.K_ESCAPE),), "close help, leave fullscreen", _WINDOW),
    Binding(Quit(), (Chord("Ctrl+Q", pygame.K_q, control=True),), "quit", _WINDOW),
)

RIGHT_BUTTON_TOOL = SHIFT_LEFT_TOOL = Tool.ERASE
CONTROL_LEFT_TOOL = Tool.CORRUPT
"""What the mouse's buttons do whatever tool is selected; the left one alone uses that."""

GESTURES: tuple[tuple[str, str], ...] = (
    ("Left button, finger", "use the selected tool"),
    ("Right button, Shift+left", RIGHT_BUTTON_TOOL.value),
    ("Ctrl+left", CONTROL_LEFT_TOOL.value),
    ("Middle button", "keep the inspector on a cell"),
    ("Wheel", "brush size"),
)
"""What the pointer does, as (gesture, meaning)."""


KEY_CODES: dict[str, int] = {
    name.removeprefix("K_").lower(): getattr(pygame, name) for name in dir(pygame) if name.startswith("K_")
}
"""Every key by its name, as pygame calls it without the `K_`."""


KEY_OF_PLACE: dict[int, int] = {
    getattr(pygame, f"KSCAN_{name.upper()}"): code
    for name, code in KEY_CODES.items()
    if 0x20 < code < 0x7F and hasattr(pygame, f"KSCAN_{name.upper()}")
}
"""What an American keyboard has at a place, which SDL calls a scancode: its letters, digits and signs."""


def layout_has(key: int) -> bool:
    """Whether the keyboard's layout has a key, now that it is used; Russian ones have no R, say."""
    # pygame looks a key up by the place that the layout has it at; 0 is nowhere.
    places: Any = range(512)
    return bool(pygame.key.ScancodeWrapper(places)[key])


def require_key_names(mapping: KeyMapping) -> None:
    """Check that there are keys of all the names in a mapping.

    Raises:
        ConfigError: naming one that is none.
    """
    for part, names in mapping.parts.items():
        for name in names:
            if name not in KEY_CODES:
                raise ConfigError(
                    f"keys {part} = {name!r} is no key; {nearest_names(name.lower(), KEY_CODES)}"
                )


def find_binding(key: int, text: str, *, shift: bool, control: bool) -> Binding | None:
    """The binding of a key press; a typed character counts before a key code.

    Args:
        key: The pygame key code.
        text: The character typed, or an empty string.
        shift: Whether Shift is held.
        control: Whether Ctrl is held.
    """
    if text and not control:
        for binding in BINDINGS:
            if any(chord.text == text for chord in binding.chords):
                return binding
    for binding in BINDINGS:
        for chord in binding.chords:
            if chord.key == key and chord.control == control and (chord.text or chord.shift == shift):
                return binding
    return None


@functools.cache
def key_label(action: Action) -> str:
    """The first key that does something, as the help calls it; empty where no key does."""
    return next((binding.chords[0].label for binding in BINDINGS if binding.action == action), "")


def help_lines() -> list[tuple[str, str, str]]:
    """The help, one (group, keys, meaning) per line."""
    lines: list[tuple[str, str, str]] = []
    for binding in BINDINGS:
        labels = [chord.label for chord in binding.chords if chord.label]
        if lines and lines[-1][::2] == (binding.group, binding.help):
            labels = [lines.pop()[1], *labels]
        lines.append((binding.group, "  ".join(labels), binding.help))
    lines.extend(("Mouse and touch", gesture, meaning) for gesture, meaning in GESTURES)
    return lines


def brush_gestures(tool: Tool, *, killing: bool) -> tuple[str, ...]:
    """What the mouse's buttons do with the selected tool, a few words each, what matters most first.

    Args:
        tool: The selected one.
        killing: Whether the brush kills cells, whatever tool it has.
    """
    if killing:
        return ("Left and right button kill cells",)
    if tool is RIGHT_BUTTON_TOOL:
        found = [f"Left and right button {tool.value}"]
    else:
        found = [f"Left button {tool.value}s", f"right {RIGHT_BUTTON_TOOL.value}s"]
    return (*found, f"Ctrl+left {CONTROL_LEFT_TOOL.value}s") if tool is not CONTROL_LEFT_TOOL else (*found,)


def markdown_table() -> str:
    """The same help as a Markdown table, for the README."""
    rows = ["| | Keys | Does |", "|---|---|---|"]
    previous = ""
    for group, keys, meaning in help_lines():
        shown = group if group != previous else ""
        previous = group
        quoted = keys if group.startswith("Mouse") else " ".join(f"`{label}`" for label in keys.split("  "))
        rows.append(f"| {shown} | {quoted} | {meaning} |")
    return "\n".join(rows) + "\n"
