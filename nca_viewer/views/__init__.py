"""Ways to look at the automaton: pure functions from a `Scene` to a `ViewImage`, listed in one table.

Importing the table imports no NumPy: what draws is imported with the first image.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nca_viewer.automaton.explanation import Explain

if TYPE_CHECKING:
    from nca_viewer.views.scene import Scene, ViewImage


@dataclass(frozen=True, slots=True)
class View:
    """A row of the table.

    Attributes:
        name: As the window, recordings and the command line call it.
        key: The letter or sign that shows it.
        caption: What it shows, for the help.
        drawn_by: Module of this package and function in it, from a scene to an image.
        explain: How much of the next step it shows; without an explanation it says so.
        enlarges: The field of `Scene` that a click on a tile sets, "channel" or "head"; None without tiles.
    """

    name: str
    key: str
    caption: str
    drawn_by: str
    explain: Explain = Explain.NOTHING
    enlarges: str | None = None

    def draw(self, scene: Scene) -> ViewImage:
        """What it shows of a scene."""
        image: ViewImage = pkgutil.resolve_name(f"{__name__}.{self.drawn_by}")(scene)
        return image


VIEWS: tuple[View, ...] = (
    View("image", "i", "what the cells show", "cells:draw_image"),
    View("difference", "f", "ink missing, ink too much", "cells:draw_difference"),
    View("channels", "m", "all that each cell knows", "cells:draw_channels", enlarges="channel"),
    View("components", "o", "cells that know alike, alike in colour", "cells:draw_components"),
    View("activity", "y", "which cells update, and how much", "cells:draw_activity", Explain.STEP),
    View("damage", "u", "steps since each cell was damaged", "cells:draw_damage"),
    View("opinion", "q", "what an outside classifier reads", "cells:draw_opinion"),
    View("attention", "a", "where each cell looks", "attention:draw_attention", Explain.ATTENTION, "head"),
    View("entropy", "t", "how many cells it looks at", "attention:draw_entropy", Explain.ATTENTION, "head"),
)

VIEW_NAMES: tuple[str, ...] = tuple(view.name for view in VIEWS)


def view_number(number: int) -> View:
    """The view with this number, counted round and round."""
    return VIEWS[number % len(VIEWS)]
