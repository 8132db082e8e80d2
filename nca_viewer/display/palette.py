"""The colours of everything that is no cell."""

from __future__ import annotations

from nca_viewer.interaction.actions import Tool

Colour = tuple[int, int, int]

BACKGROUND: Colour = (15, 17, 23)
PANEL: Colour = (24, 27, 36)
FRAME: Colour = (52, 58, 74)
TEXT: Colour = (235, 237, 243)
MUTED: Colour = (146, 154, 172)
WARNING: Colour = (255, 196, 84)
ERROR: Colour = (255, 112, 112)
TOOL_COLOURS: dict[Tool, Colour] = {
    Tool.PAINT: (255, 196, 84),
    Tool.ERASE: (96, 200, 255),
    Tool.CORRUPT: (222, 134, 255),
}
