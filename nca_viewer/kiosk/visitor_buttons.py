"""The one table of visitors' buttons: what they may do beside drawing follows from it."""

from __future__ import annotations

from nca_viewer.interaction.actions import Action, NewDigit, Reset, SelectTool, Stroke, SwitchLanguage, Tool

VISITOR_BUTTONS: dict[str, Action] = {
    "erase": SelectTool(Tool.ERASE),
    "scramble": SelectTool(Tool.CORRUPT),
    "draw": SelectTool(Tool.PAINT),
    "new_digit": NewDigit(),
    "language": SwitchLanguage(),
}
"""What a visitor can touch beside the grid, by the name of its text; a visit begins with the first."""

VISITOR_ACTIONS: tuple[type[Action], ...] = tuple(
    dict.fromkeys((Stroke, Reset, *(type(action) for action in VISITOR_BUTTONS.values())))
)
"""What visitors may do; of everything else an exhibit takes no notice."""
