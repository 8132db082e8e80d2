"""Where an exhibit's grid, buttons and words are; the same rectangles serve drawing and touching."""

from __future__ import annotations

from dataclasses import dataclass

from nca_viewer.interaction.actions import (
    Action,
    Operate,
    OperatorChoice,
)
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.input import Target
from nca_viewer.kiosk.visitor_buttons import VISITOR_BUTTONS

Rectangle = tuple[int, int, int, int]
"""(left, top, width, height) in pixels."""

FINGER_PART = 1 / 9
"""Of the window's shorter side: no button is smaller, either way. That is 15 mm where the shorter side has
135 mm, the least a screen with a diagonal of 11 inches has, and 37 mm on one of 27 inches."""

_GAP_PART = 1 / 60
_CAPTION_PART = 0.105
_WIDEST_BUTTON = 3.6
"""In fingers: beside its pictogram, it has room for the longest word of any language."""
_ROW = 3
"""So many buttons in a row below the grid, and at least in the left column beside it."""
_WIDE_RATIO = 1.2
"""A window at least so much wider than high has its buttons beside the grid."""

OPERATOR_BUTTONS: dict[str, Action] = {
    "resume": Operate(OperatorChoice.RESUME),
    "reload": Operate(OperatorChoice.RELOAD),
    "quit": Operate(OperatorChoice.QUIT),
}
"""What the operator can touch, by the name of its text."""


@dataclass(frozen=True, slots=True)
class KioskLayout:
    """An exhibit's screen.

    Attributes:
        geometry: Where the grid is.
        caption: Where the words under the grid are.
        title: Where the exhibit's name is; None where there is no room for it.
        buttons: Visitors' buttons by name, all in the window's lower half.
        page: The operator's page.
        page_buttons: Its buttons by name.
    """

    geometry: Geometry
    caption: Rectangle
    title: Rectangle | None
    buttons: tuple[tuple[str, Rectangle], ...]
    page: Rectangle
    page_buttons: tuple[tuple[str, Rectangle], ...]

    @classmethod
    def fit(
        cls, window_size: tuple[int, int], grid_size: tuple[int, int], *, has_languages: bool
    ) -> KioskLayout:
        """Make the grid as large as it fits beside or above buttons for fingers.

        Args:
            window_size: (width, height) in pixels.
            grid_size: (height, width) in cells.
            has_languages: Whether there is a button for another language.
        """
        names = [name for name in VISITOR_BUTTONS if has_languages or name != "language"]
        if window_size[0] >= _WIDE_RATIO * window_size[1]:
            return _beside(window_size, grid_size, names)
        rows = [names[first : first + _ROW] for first in range(0, len(names), _ROW)]
        layouts = [_below(window_size, grid_size, rows)]
        measures = _Measures.of(window_size)
        if len(names) * (measures.finger + measures.gap) + measures.gap <= window_size[0]:
            layouts.append(_below(window_size, grid_size, [names]))
        return max(layouts, key=lambda layout: layout.geometry.cell_pixels)

    @property
    def targets(self) -> tuple[Target, ...]:
        """What visitors' presses do beside the grid."""
        return tuple(Target(rectangle, VISITOR_BUTTONS[name]) for name, rectangle in self.buttons)

    @property
    def operator_targets(self) -> tuple[Target, ...]:
        """What presses do on the operator's page."""
        return tuple(Target(rectangle, OPERATOR_BUTTONS[name]) for name, rectangle in self.page_buttons)


@dataclass(frozen=True, slots=True)
class _Measures:
    """Sizes that everything else follows from, in pixels."""

    gap: int
    finger: int
    caption: int

    @classmethod
    def of(cls, window_size: tuple[int, int]) -> _Measures:
        shorter = min(window_size)
        return cls(
            max(2, round(_GAP_PART * shorter)), -(-shorter // 9), max(10, round(_CAPTION_PART * shorter))
        )


def _beside(window_size: tuple[int, int], grid_size: tuple[int, int], names: list[str]) -> KioskLayout:
    """The tools in a column on the left, the rest on the right."""
    width, height = window_size
    measures = _Measures.of(window_size)
    gap, finger = measures.gap, measures.finger
    least_column = finger + 2 * gap
    cell = max(
        1,
        min(
            (height - measures.caption - 3 * gap) // grid_size[0], (width - 2 * least_column) // grid_size[1]
        ),
    )
    grid_width, grid_height = cell * grid_size[1], cell * grid_size[0]
    left = (width - grid_width) // 2
    top = max(0, (height - measures.caption - 2 * gap - grid_height) // 2)
    geometry = _geometry(window_size, grid_size, cell, left, top)

    button_width = min(max(left - 2 * gap, finger), round(_WIDEST_BUTTON * finger))
    # A button stands in the middle of its column, so that a wide screen has no far corners.
    left_x = max(gap, (left - button_width) // 2)
    right_x = width - left_x - button_width
    lower = height // 2
    room = height - lower - gap
    count = max(_ROW, -(-len(names) // 2))
    tool_height = max(finger, min((room - (count - 1) * gap) // count, round(1.5 * finger)))
    column = count * tool_height + (count - 1) * gap
    first = max(lower, height - gap - column)
    buttons: list[tuple[str, Rectangle]] = [
        (name, (left_x, first + number * (tool_height + gap), button_width, tool_height))
        for number, name in enumerate(names[:count])
    ]
    # The first on the right has the room that the others leave.
    last, y = names[count:], first
    for number, name in enumerate(last):
        button_height = tool_height if number else column - (len(last) - 1) * (tool_height + gap)
        buttons.append((name, (right_x, y, button_width, max(button_height, finger))))
        y += button_height + gap
    caption_left = left_x + button_width + gap
    caption = (
        caption_left,
        height - gap - measures.caption,
        max(1, width - 2 * caption_left),
        measures.caption,
    )
    title = (left_x, 2 * gap, button_width, finger) if button_width >= 2 * finger else None
    return KioskLayout(geometry, caption, title, tuple(buttons), *_page(window_size, measures))


def _below(window_size: tuple[int, int], grid_size: tuple[int, int], rows: list[list[str]]) -> KioskLayout:
    """The caption and rows of buttons under the grid."""
    width, height = window_size
    measures = _Measures.of(window_size)
    gap, finger = measures.gap, measures.finger
    least = measures.caption + len(rows) * (finger + gap) + 3 * gap
    cell = max(1, min((width - 2 * gap) // grid_size[1], (height - least) // grid_size[0]))
    grid_width, grid_height = cell * grid_size[1], cell * grid_size[0]
    spare = max(0, height - least - grid_height)
    has_title = spare >= 2 * finger
    title_height = finger if has_title else 0
    button_height = min(finger + (spare - title_height) // (2 * len(rows)), 2 * finger)
    spare -= title_height + len(rows) * (button_height - finger)
    title = (gap, gap + spare // 3, width - 2 * gap, title_height) if has_title else None
    top = gap + spare // 3 + title_height
    geometry = _geometry(window_size, grid_size, cell, (width - grid_width) // 2, top)
    caption = (gap, top + grid_height + gap, max(1, width - 2 * gap), measures.caption)
    y = max(caption[1] + measures.caption + gap, -(-height // 2))
    buttons: list[tuple[str, Rectangle]] = []
    for names in rows:
        # What begins something new is wider than what only switches the language.
        weights = [2 if name == "new_digit" and len(rows) > 1 else 1 for name in names]
        unit = max(1, (width - 2 * gap - (len(names) - 1) * gap) // sum(weights))
        x = gap
        for name, weight in zip(names, weights, strict=True):
            buttons.append((name, (x, y, unit * weight, button_height)))
            x += unit * weight + gap
        y += button_height + gap
    return KioskLayout(geometry, caption, title, tuple(buttons), *_page(window_size, measures))


def _page(
    window_size: tuple[int, int], measures: _Measures
) -> tuple[Rectangle, tuple[tuple[str, Rectangle], ...]]:
    """The operator's page in the middle, its buttons one under the other in the lower half."""
    width, height = window_size
    gap, finger = measures.gap, measures.finger
    page_width = max(1, min(width - 2 * gap, 8 * finger))
    page = ((width - page_width) // 2, gap, page_width, max(1, height - 2 * gap))
    bottom = height - 3 * gap
    button_height = max(1, min(round(1.2 * finger), (bottom - height // 2 - 2 * gap) // 3))
    top = bottom - 3 * button_height - 2 * gap
    return page, tuple(
        (
            name,
            (
                page[0] + 2 * gap,
                top + number * (button_height + gap),
                max(1, page_width - 4 * gap),
                button_height,
            ),
        )
        for number, name in enumerate(OPERATOR_BUTTONS)
    )


def _geometry(
    window_size: tuple[int, int], grid_size: tuple[int, int], cell_pixels: int, left: int, top: int
) -> Geometry:
    return Geometry(
        window_width=window_size[0],
        window_height=window_size[1],
        grid_height=grid_size[0],
        grid_width=grid_size[1],
        cell_pixels=cell_pixels,
        left=left,
        top=top,
        bar_height=0,
        text_height=max(8, min(window_size) // 27),
    )
