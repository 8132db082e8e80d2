"""The one place where text becomes pixels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pygame

from nca_viewer.errors import presentable


class Letters(pygame.font.Font):
    """The bundled font in one size; draws any text, with a stand-in for what has no picture."""

    def __init__(self, height: int) -> None:
        """Open it.

        Args:
            height: Of the letters, in pixels.
        """
        pygame.font.init()
        super().__init__(None, height)

    def render(self, text: str, *arguments: Any, **options: Any) -> pygame.Surface:  # type: ignore[override]
        """As `pygame.font.Font.render`, of any text, in one line."""
        return super().render(presentable(text), *arguments, **options)

    def size(self, text: str) -> tuple[int, int]:  # type: ignore[override]
        """As `pygame.font.Font.size`, of any text, in one line."""
        return super().size(presentable(text))


@lru_cache(maxsize=64)
def letters_of(height: int) -> Letters:
    """The letters of a size, opened once."""
    return Letters(height)
