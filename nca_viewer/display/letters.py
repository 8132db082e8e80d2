"""The one place where text becomes pixels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pygame

from nca_viewer.errors import presentable

_MOST_BYTES = 16 * 2**20


class _Words(dict[tuple[Any, ...], pygame.Surface]):
    """What was drawn lately, to be drawn again; all is forgotten where it takes too much memory."""

    held_bytes = 0

    def __setitem__(self, key: tuple[Any, ...], image: pygame.Surface) -> None:
        self.held_bytes += image.get_bytesize() * image.get_width() * image.get_height()
        if self.held_bytes > _MOST_BYTES:
            self.clear()
            self.held_bytes = 0
        super().__setitem__(key, image)


_words = _Words()


class Letters(pygame.font.Font):
    """The bundled font in one size; draws any text, with a stand-in for what has no picture."""

    def __init__(self, height: int) -> None:
        """Open it.

        Args:
            height: Of the letters, in pixels.
        """
        pygame.font.init()
        super().__init__(None, height)

    def render(self, text: str, *look: Any) -> pygame.Surface:  # type: ignore[override]
        """As `pygame.font.Font.render`, of any text, in one line; the same surface for the same text."""
        key = (self, text, *look)
        if key not in _words:
            _words[key] = super().render(presentable(text), *look)
        return _words[key]

    def size(self, text: str) -> tuple[int, int]:  # type: ignore[override]
        """As `pygame.font.Font.size`, of any text, in one line."""
        return super().size(presentable(text))


@lru_cache(maxsize=64)
def letters_of(height: int) -> Letters:
    """The letters of a size, opened once."""
    return Letters(height)


def letters_for(text_height: int) -> Letters:
    """The letters whose small ones, with what hangs below them, are so high."""
    return letters_of(round(1.45 * text_height))
