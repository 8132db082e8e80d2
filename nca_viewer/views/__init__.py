"""Ways to look at the automaton: pure functions from a `Scene` to a `ViewImage`, listed in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nca_viewer.views.attention import draw_attention, draw_entropy
from nca_viewer.views.axes import PrincipalAxes, follow_axes
from nca_viewer.views.cells import (
    draw_activity,
    draw_channels,
    draw_components,
    draw_damage,
    draw_difference,
    draw_image,
    draw_opinion,
)
from nca_viewer.views.scene import NEVER, ColourBar, ColourRow, Explanation, Scene, Tile, ViewImage

__all__ = [
    "NEVER",
    "VIEWS",
    "VIEW_NAMES",
    "ColourBar",
    "ColourRow",
    "Explanation",
    "PrincipalAxes",
    "Scene",
    "Tile",
    "View",
    "ViewImage",
    "follow_axes",
    "view_number",
]


@dataclass(frozen=True, slots=True)
class View:
    """A row of the table.

    Attributes:
        name: As the window, recordings and the command line call it.
        key: The letter or sign that shows it.
        caption: What it shows, for the help.
        draw: From a scene to an image.
        needs_explanation: Whether it shows the next step taken apart; without one it says so.
        enlarges: The field of `Scene` that a click on a tile sets, "channel" or "head"; None without tiles.
    """

    name: str
    key: str
    caption: str
    draw: Callable[[Scene], ViewImage]
    needs_explanation: bool = False
    enlarges: str | None = None


VIEWS: tuple[View, ...] = (
    View("image", "i", "what the cells show", draw_image),
    View("difference", "f", "ink missing, ink too much", draw_difference),
    View("channels", "m", "all that each cell knows", draw_channels, enlarges="channel"),
    View("components", "o", "cells that know alike, alike in colour", draw_components),
    View("activity", "y", "which cells update, and how much", draw_activity, needs_explanation=True),
    View("damage", "u", "steps since each cell was damaged", draw_damage),
    View("opinion", "q", "what an outside classifier reads", draw_opinion),
    View("attention", "a", "where each cell looks", draw_attention, needs_explanation=True, enlarges="head"),
    View("entropy", "t", "how many cells it looks at", draw_entropy, needs_explanation=True, enlarges="head"),
)

VIEW_NAMES: tuple[str, ...] = tuple(view.name for view in VIEWS)


def view_number(number: int) -> View:
    """The view with this number, counted round and round."""
    return VIEWS[number % len(VIEWS)]
