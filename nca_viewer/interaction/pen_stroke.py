"""The stroke in progress: what hands did to the cells in this frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nca_viewer.interaction.actions import Tool

Apply = Callable[[Tool, np.ndarray], None]
"""Lets a tool act on some cells, bool[H, W]."""


class PenStroke:
    """Gathers the strokes of one tool that follow each other into one edit: ten fingers cost as much as one.

    Attributes:
        touched: bool[H, W], the cells that hands touched in this frame; None where they touched none.
    """

    def __init__(self) -> None:
        """Touch nothing yet."""
        self.touched: np.ndarray | None = None
        self._tool: Tool | None = None
        self._region: np.ndarray | None = None

    def begin_frame(self) -> None:
        """Forget what was touched in the frame before; a stroke that was not finished goes on."""
        self.touched = None

    def add(self, tool: Tool, region: np.ndarray, apply: Apply) -> None:
        """Touch some cells, bool[H, W]; what another tool did before is applied first."""
        if self._tool is not tool:
            self.finish(apply)
        self._tool = tool
        self._region = region if self._region is None else self._region | region

    def finish(self, apply: Apply) -> None:
        """Apply what was gathered."""
        tool, region = self._tool, self._region
        self._tool = self._region = None
        if tool is None or region is None:
            return
        self.note(region)
        apply(tool, region)

    def note(self, region: np.ndarray | None) -> None:
        """Count some cells as touched in this frame."""
        if region is not None:
            self.touched = region if self.touched is None else self.touched | region
