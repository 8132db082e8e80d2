"""What is written about a view: its caption and legend below it, and the names of its tiles over it."""

from __future__ import annotations

import numpy as np
import pygame

from nca_viewer.display.hud import elided, fitting, healing_texts, wrapped
from nca_viewer.display.letters import Letters, letters_of
from nca_viewer.display.palette import BACKGROUND, ERROR, FRAME, MUTED, PANEL, TEXT, WARNING
from nca_viewer.healing import Healing
from nca_viewer.interaction.actions import ShowTile
from nca_viewer.interaction.geometry import Geometry, Rectangle
from nca_viewer.interaction.pointers import Target
from nca_viewer.views.scene import ColourBar, ColourRow, ViewImage


def tile_rectangles(view: ViewImage, placed: Geometry) -> list[Rectangle]:
    """Where each tile is in the window, with the view's image for its grid."""
    side = placed.cell_pixels
    return [
        (placed.left + tile.left * side, placed.top + tile.top * side, tile.width * side, tile.height * side)
        for tile in view.tiles
    ]


def tile_targets(view: ViewImage, placed: Geometry) -> list[Target]:
    """What a press on a view with several tiles does: it enlarges one, and never paints."""
    rectangles = tile_rectangles(view, placed)
    return [
        Target(rectangle, ShowTile(tile.number))
        for rectangle, tile in zip(rectangles, view.tiles, strict=True)
    ]


class ViewScreen:
    """Draws captions, legends and labels."""

    def draw_labels(self, surface: pygame.Surface, geometry: Geometry, view: ViewImage) -> None:
        """Draw the names of its tiles over a view's image, which is the grid of the geometry."""
        for tile, rectangle in zip(view.tiles, tile_rectangles(view, geometry), strict=True):
            left, top, width, height = rectangle
            size = max(9, min(round(geometry.text_height * 1.1), height // 6))
            font = letters_of(size)
            image = font.render(elided(tile.label, font, width - 4), True, TEXT)
            shade = pygame.Surface((image.get_width() + 4, image.get_height() + 2), pygame.SRCALPHA, 32)
            shade.fill((*BACKGROUND, 170))
            surface.blit(shade, (left, top))
            surface.blit(image, (left + 2, top + 1))

    def draw_caption(self, surface: pygame.Surface, geometry: Geometry, name: str, view: ViewImage) -> None:
        """Draw a view's name, caption and legend below the picture."""
        if not geometry.caption_height:
            return
        left, top, width, height = geometry.caption_rectangle
        surface.fill(PANEL, (left, top, width, height))
        surface.fill(FRAME, (left, top, width, 1))
        padding = geometry.text_height
        font = letters_of(round(1.25 * geometry.text_height))
        title = font.render(f"{name}:", True, TEXT)
        y = top + height // 10
        surface.blit(title, (left + padding, y))
        x = left + padding + title.get_width() + padding // 2
        caption = elided(view.caption, font, left + width - padding - x)
        surface.blit(font.render(caption, True, MUTED), (x, y))
        self._draw_legend(surface, geometry, view, y + font.get_height() + height // 10)

    def _draw_legend(self, surface: pygame.Surface, geometry: Geometry, view: ViewImage, top: int) -> None:
        left, _, width, _ = geometry.caption_rectangle
        font = letters_of(round(1.1 * geometry.text_height))
        padding, line = geometry.text_height, font.get_height()
        x, right = left + padding, left + width - padding
        for entry in view.legend:
            if isinstance(entry, ColourRow):
                wanted = line + 4 + font.size(entry.label)[0] + padding
                if x + wanted > right:
                    return
                surface.fill(entry.colour, (x, top + 2, line - 4, line - 4))
                surface.blit(font.render(entry.label, True, TEXT), (x + line, top))
                x += wanted
            else:
                x = self._draw_bar(surface, font, entry, x, top, right)

    def _draw_bar(
        self, surface: pygame.Surface, font: Letters, bar: ColourBar, x: int, top: int, right: int
    ) -> int:
        """A colour bar with its numbers; returns where the next entry may begin."""
        line = font.get_height()
        texts = [(position, font.render(text, True, TEXT)) for position, text in bar.ticks]
        length = max(8 * line, sum(image.get_width() + line // 2 for _, image in texts))
        label = font.render(bar.label, True, MUTED)
        first = max((image.get_width() // 2 for _, image in texts[:1]), default=0)
        if x + label.get_width() + length + line + first > right:
            length = right - x - label.get_width() - line - first
            if length < 4 * line:
                return right
        surface.blit(label, (x, top))
        start = x + label.get_width() + line // 2 + first
        columns = np.linspace(0, len(bar.colours) - 1, length).round().astype(int)
        strip = np.repeat(bar.colours[columns][:, None], max(3, line // 3), axis=1)
        pygame.surfarray.blit_array(surface.subsurface((start, top + 1, length, strip.shape[1])), strip)
        drawn: list[pygame.Rect] = []
        for position, image in sorted(texts, key=lambda text: text[0] not in (0.0, 1.0)):
            at = start + round(position * (length - 1))
            box = image.get_rect(midtop=(at, top + strip.shape[1] + 1))
            box.right = min(box.right, right)
            if box.inflate(line // 3, 0).collidelist(drawn) < 0:  # The ends go before what lies between.
                surface.blit(image, box)
                drawn.append(box)
        return max([start + length, *(box.right for box in drawn)]) + 2 * line


def draw_figures(
    surface: pygame.Surface,
    geometry: Geometry,
    name: str,
    healing: Healing | None,
    *,
    is_ruined: bool,
    is_chosen: bool,
) -> None:
    """Under the picture of one of several automata: its name, its error, and how much is healed.

    Where there is no room for all of it above what is told below, nothing is.

    Args:
        surface: The window's.
        geometry: Of the picture, which is its grid.
        name: Of the checkpoint.
        healing: Of the last damage; None where there is no clean picture.
        is_ruined: Whether its page cannot come back.
        is_chosen: Whether the panel and the status bar tell of this one.
    """
    left, top, width, height = geometry.grid_rectangle
    font = letters_of(round(1.25 * geometry.text_height))
    y = top + height + geometry.text_height // 2
    words = pygame.Rect(left, top + height, width, geometry.text_height // 2 + 2 * font.get_height())
    if not pygame.Rect(geometry.picture_rectangle).contains(words):
        return
    if is_chosen:
        surface.fill(WARNING, (left, top + height + 2, width, 2))
    told = ("lost", ERROR) if is_ruined else (fitting(healing_texts(healing), font, width), MUTED)
    for text, colour in ((elided(name, font, width), TEXT if is_chosen else MUTED), told):
        image = font.render(text, True, colour)
        surface.blit(image, (left + (width - image.get_width()) // 2, y))
        y += font.get_height()


def draw_banner(surface: pygame.Surface, geometry: Geometry, text: str, note: str) -> None:
    """Words above the picture, as large as they fit, and a note in smaller letters at their right."""
    padding = geometry.text_height
    width = geometry.window_width - geometry.panel_width
    surface.fill(PANEL, (0, 0, width, geometry.banner_height))
    surface.fill(FRAME, (0, geometry.banner_height - 1, width, 1))
    small = letters_of(round(1.1 * geometry.text_height))
    image = small.render(note, True, MUTED)
    surface.blit(image, (width - padding - image.get_width(), padding // 2))
    room = width - 3 * padding - image.get_width()
    for size in range(round(1.8 * geometry.text_height), 9, -1):
        font = letters_of(size)
        lines = wrapped(text, font, room)
        if len(lines) * (font.get_height() + 2) <= geometry.banner_height - padding:
            break
    top = (geometry.banner_height - len(lines) * (font.get_height() + 2)) // 2
    for number, words in enumerate(lines):
        surface.blit(font.render(words, True, TEXT), (padding, top + number * (font.get_height() + 2)))
