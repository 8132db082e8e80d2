"""The buttons of a person's own window: one table, where each of them is, and how they look."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pygame

from nca_viewer.display.hud import wrapped
from nca_viewer.display.letters import Letters, letters_of
from nca_viewer.display.palette import BACKGROUND, FRAME, MUTED, PANEL, TEXT, TOOL_COLOURS, WARNING, Colour
from nca_viewer.interaction.actions import (
    Action,
    ChangeRadius,
    ChangeSpeed,
    Clear,
    NewDigit,
    NextModel,
    NextView,
    Redo,
    Reset,
    SelectTool,
    StepBack,
    StepOnce,
    ToggleHelp,
    TogglePanel,
    TogglePause,
    Tool,
    Undo,
)
from nca_viewer.interaction.bindings import key_label
from nca_viewer.interaction.controls import Controls, speed_text
from nca_viewer.interaction.geometry import Geometry, Rectangle

_BUTTON: Colour = (44, 49, 63)
_HOVERED: Colour = (66, 73, 92)
_DIM: Colour = (92, 99, 116)
_MOST_HINT_LINES = 6


@dataclass(frozen=True, slots=True)
class ButtonKind:
    """A row of the table of buttons.

    Attributes:
        label: What is written on it.
        action: What it does; None is a label between two buttons.
        hint: What it does, in words; the key is added to it.
        is_on: Whether it shows what is the case, so that it is lit.
        colour: Of a lit one.
        begins_group: Whether there is a gap before it.
    """

    label: Callable[[Controls], str]
    action: Action | None
    hint: str = ""
    is_on: Callable[[Controls], bool] = lambda controls: False
    colour: Colour = TEXT
    begins_group: bool = False


def always(text: str) -> Callable[[Controls], str]:
    """A label that is the same whatever is set."""
    return lambda controls: text


def _tool_button(tool: Tool, *, begins_group: bool = False) -> ButtonKind:
    return ButtonKind(
        always(tool.value),
        SelectTool(tool),
        f"the left button and fingers {tool.value}",
        lambda controls: controls.tool is tool,
        TOOL_COLOURS[tool],
        begins_group,
    )


BUTTONS: tuple[ButtonKind, ...] = (
    ButtonKind(
        lambda controls: "run" if controls.paused else "pause",
        TogglePause(),
        "pause, run on",
        lambda controls: controls.paused,
        WARNING,
    ),
    ButtonKind(always("<"), StepBack(), "one step back"),
    ButtonKind(always(">"), StepOnce(), "one step"),
    ButtonKind(always("-"), ChangeSpeed(-1), "slower", begins_group=True),
    ButtonKind(
        lambda controls: speed_text(controls.effective_speed, has_tempo=controls.has_tempo, is_short=True),
        None,
    ),
    ButtonKind(always("+"), ChangeSpeed(1), "faster"),
    _tool_button(Tool.PAINT, begins_group=True),
    _tool_button(Tool.ERASE),
    _tool_button(Tool.CORRUPT),
    ButtonKind(always("-"), ChangeRadius(-1), "smaller brush", begins_group=True),
    ButtonKind(lambda controls: f"brush {controls.brush_radius_cells}", None),
    ButtonKind(always("+"), ChangeRadius(1), "larger brush"),
    ButtonKind(always("undo"), Undo(), "back to before the last stroke", begins_group=True),
    ButtonKind(always("redo"), Redo(), "the stroke that was undone, again"),
    ButtonKind(always("digit"), NewDigit(), "a new digit, partly forgotten", begins_group=True),
    ButtonKind(always("reset"), Reset(), "back to the same start"),
    ButtonKind(always("blank"), Clear(), "blank page"),
    ButtonKind(
        always("view"), NextView(1), "next view", lambda controls: controls.view != 0, begins_group=True
    ),
    ButtonKind(always("model"), NextModel(), "the next bundled model goes on from this picture"),
    ButtonKind(
        always("panel"), TogglePanel(), "inspector, charts, experiments, demos", lambda c: c.panel_visible
    ),
    ButtonKind(always("help"), ToggleHelp(), "all keys", lambda controls: controls.help_visible),
)
"""Of the status bar, in their order."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button in the window.

    Attributes:
        rectangle: (left, top, width, height) in pixels.
        label: What is written on it.
        action: What it does; None is a label.
        hint: What it does, in words, with its key.
        is_on: Whether it is lit.
        colour: Of a lit one.
        text_height: Of its letters, as the font calls it.
        is_idle: Whether it can do nothing just now; it is dim, and a press tells why.
    """

    rectangle: Rectangle
    label: str
    action: Action | None
    hint: str = ""
    is_on: bool = False
    colour: Colour = TEXT
    text_height: int = 16
    is_idle: bool = False

    def contains(self, pixel: tuple[int, int]) -> bool:
        """Whether a window pixel (x, y) lies in it."""
        return pygame.Rect(self.rectangle).collidepoint(pixel)


def hint_with_key(hint: str, action: Action | None) -> str:
    """What a button does, in words, with the key that does the same, where there is one."""
    key = key_label(action) if action is not None else ""
    return f"{hint}  ({key})" if key and hint else hint


class ButtonRow:
    """Lays the table out in the status bar; keeps what it measured."""

    def __init__(self, kinds: Sequence[ButtonKind] = BUTTONS) -> None:
        """Open no font yet."""
        self._kinds = kinds
        self._placed: dict[tuple[Geometry, Controls], tuple[Button, ...]] = {}

    def placed(self, geometry: Geometry, controls: Controls) -> tuple[Button, ...]:
        """The buttons of this window, as large as they fit; none where it has no rows for them."""
        key = (geometry, controls)
        if key not in self._placed:
            if len(self._placed) >= 16:
                self._placed.clear()
            self._placed[key] = self._fitted(geometry, controls)
        return self._placed[key]

    def _fitted(self, geometry: Geometry, controls: Controls) -> tuple[Button, ...]:
        if not geometry.button_rows:
            return ()
        height = geometry.text_height
        for text_height in range(round(1.3 * height), 7, -1):
            buttons = self._flowed(geometry, controls, text_height)
            if buttons is not None:
                return buttons
        return ()

    def _flowed(self, geometry: Geometry, controls: Controls, text_height: int) -> tuple[Button, ...] | None:
        """The buttons with letters of a size; None where they need more rows than there are."""
        font = letters_of(text_height)
        row_height = 2 * geometry.text_height
        left_end, right_end = geometry.text_height, geometry.window_width - geometry.text_height
        gap, group_gap, padding = max(2, text_height // 6), text_height // 2, max(4, text_height // 2)
        top = geometry.window_height - geometry.button_rows * row_height
        buttons: list[Button] = []
        x, row = left_end, 0
        for group in self._groups():
            labels = [kind.label(controls) for kind in group]
            widths = [
                font.size(label)[0] + (2 * padding if kind.action is not None else 2 * gap)
                for kind, label in zip(group, labels, strict=True)
            ]
            wanted = sum(widths) + gap * (len(group) - 1)
            if x > left_end and x + wanted > right_end:
                x, row = left_end, row + 1
            if row >= geometry.button_rows or x + wanted > right_end:
                return None
            for kind, label, width in zip(group, labels, widths, strict=True):
                rectangle = (x, top + row * row_height + row_height // 10, width, row_height * 8 // 10)
                buttons.append(
                    Button(
                        rectangle,
                        label,
                        kind.action,
                        hint_with_key(kind.hint, kind.action),
                        kind.is_on(controls),
                        kind.colour,
                        text_height,
                    )
                )
                x += width + gap
            x += group_gap
        return tuple(buttons)

    def _groups(self) -> list[list[ButtonKind]]:
        groups: list[list[ButtonKind]] = []
        for kind in self._kinds:
            if kind.begins_group or not groups:
                groups.append([])
            groups[-1].append(kind)
        return groups

    def draw(
        self, surface: pygame.Surface, buttons: Sequence[Button], pointer: tuple[int, int] | None
    ) -> None:
        """Draw them; the one under the pointer is lighter."""
        for button in buttons:
            if not button.label:  # What it lies on says what it is.
                continue
            is_hovered = pointer is not None and button.contains(pointer) and not button.is_idle
            draw_button(surface, button, letters_of(button.text_height), is_hovered=is_hovered)


def row_of_buttons(
    rectangle: Rectangle, text_height: int, rows: Sequence[tuple[str, Action | None, str, bool]]
) -> list[Button]:
    """Buttons side by side, each with (label, action, hint, whether it is lit), as large as they fit."""
    left, top, width, height = rectangle
    gap = max(2, text_height // 5)
    size = round(1.2 * text_height)
    while size > 7:
        padding = size // 2
        widths = [letters_of(size).size(label)[0] + 2 * padding for label, *_ in rows]
        if sum(widths) + gap * (len(rows) - 1) <= width:
            break
        size -= 1
    too_wide = sum(widths) + gap * (len(rows) - 1) - width
    if too_wide > 0:
        share = max(0.0, 1.0 - too_wide / sum(widths))
        widths = [max(1, int(share * button_width)) for button_width in widths]
    buttons, x = [], left
    for (label, action, hint, is_on), button_width in zip(rows, widths, strict=True):
        hint = hint_with_key(hint, action)
        buttons.append(Button((x, top, button_width, height), label, action, hint, is_on, WARNING, size))
        x += button_width + gap
    return buttons


def draw_button(surface: pygame.Surface, button: Button, font: Letters, *, is_hovered: bool) -> None:
    """One button, or a label between buttons."""
    rectangle = pygame.Rect(button.rectangle)
    colour = TEXT
    if button.action is None:
        colour = MUTED
    else:
        fill = button.colour if button.is_on else _HOVERED if is_hovered else _BUTTON
        radius = min(rectangle.height // 3, 8)
        pygame.draw.rect(surface, fill, rectangle, border_radius=radius)
        if is_hovered and button.is_on:
            pygame.draw.rect(surface, TEXT, rectangle, width=1, border_radius=radius)
        colour = PANEL if button.is_on else TEXT
    if button.is_idle:
        colour = _DIM
    image = font.render(button.label, True, colour)
    clip = surface.get_clip()
    surface.set_clip(rectangle.clip(clip))
    surface.blit(image, image.get_rect(center=rectangle.center))
    surface.set_clip(clip)


def draw_tooltip(
    surface: pygame.Surface, font: Letters, text: str, beside: Rectangle, others: Sequence[Rectangle]
) -> Rectangle | None:
    """Words as near to a rectangle as they hide neither it nor others, in as few lines as that takes.

    Returns:
        Where they are; None where there is no such place in the window, and nothing was drawn.
    """
    full, line = font.size(text)[0], font.get_height() + 1
    for count in range(1, _MOST_HINT_LINES + 1):
        lines = wrapped(text, font, math.ceil(full / count) + (count > 1) * 2 * line)
        size = (max(font.size(words)[0] for words in lines) + 12, len(lines) * line + 7)
        place = _free_place(size, beside, tuple(others), surface.get_size())
        if place is not None:
            break
    else:
        return None
    pygame.draw.rect(surface, BACKGROUND, place, border_radius=5)
    pygame.draw.rect(surface, FRAME, place, width=1, border_radius=5)
    for number, words in enumerate(lines):
        image = font.render(words, True, TEXT)
        x = place[0] + (size[0] - image.get_width()) // 2
        surface.blit(image, (x, place[1] + 4 + number * line))
    return place


@functools.lru_cache(maxsize=32)
def _free_place(
    size: tuple[int, int], beside: Rectangle, others: tuple[Rectangle, ...], window: tuple[int, int]
) -> Rectangle | None:
    """The place of a size that is nearest to a rectangle and touches neither it nor others."""
    taken = [pygame.Rect(rectangle) for rectangle in (beside, *others)]
    middle = pygame.Rect(beside).center
    room = pygame.Rect(0, 0, *window)

    def starts(axis: int) -> set[int]:
        """Where it may begin along an axis: centred, and just before or after what is taken."""
        edges = {rectangle[axis] - size[axis] - 4 for rectangle in taken}
        edges |= {rectangle[axis] + rectangle[axis + 2] + 4 for rectangle in taken}
        edges.add(middle[axis] - size[axis] // 2)
        return {min(max(edge, 0), max(0, window[axis] - size[axis])) for edge in edges}

    def distance(place: pygame.Rect) -> tuple[int, int, int]:
        """From the rectangle; of places equally far away the one whose middle is nearest, and above."""
        x = max(place.left - middle[0], 0, middle[0] - place.right)
        y = max(place.top - middle[1], 0, middle[1] - place.bottom)
        return x * x + y * y, abs(place.centerx - middle[0]), place.top

    places = [pygame.Rect(x, y, *size) for x in starts(0) for y in starts(1)]
    for place in sorted(places, key=distance):
        if room.contains(place) and place.collidelist(taken) < 0:
            return (place.x, place.y, place.width, place.height)
    return None


def draw_focus(surface: pygame.Surface, rectangle: Rectangle) -> None:
    """A frame round what was chosen; a dark line round a bright one is seen on ink and on paper."""
    pygame.draw.rect(surface, (0, 0, 0), pygame.Rect(rectangle).inflate(4, 4), width=1)
    pygame.draw.rect(surface, WARNING, pygame.Rect(rectangle).inflate(2, 2), width=1)
