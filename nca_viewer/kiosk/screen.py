"""What an exhibit shows round the cells: buttons, words, the ghost hand, the operator's page."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import pygame

from nca_viewer.display.hud import elided, wrapped
from nca_viewer.display.letters import letters_for
from nca_viewer.display.palette import BACKGROUND, ERROR, FRAME, MUTED, PANEL, TEXT, TOOL_COLOURS, Colour
from nca_viewer.display.waiting import draw_breathing_cells
from nca_viewer.interaction.actions import Action, NewDigit, SelectTool, Tool
from nca_viewer.kiosk.attract import Ghost
from nca_viewer.kiosk.controller import KioskFacts
from nca_viewer.kiosk.layout import (
    OPERATOR_BUTTONS,
    KioskLayout,
    Rectangle,
)
from nca_viewer.kiosk.pictograms import FINGERTIP, pictogram
from nca_viewer.kiosk.texts import Texts
from nca_viewer.kiosk.visit import Phase
from nca_viewer.kiosk.visitor_buttons import VISITOR_BUTTONS

_BUTTON: Colour = (44, 50, 66)
_PRESSED: Colour = (92, 102, 130)
_HAND: Colour = (246, 247, 250)
_MOST_PICTURES = 96
_HOLD_SEEN_FROM = 0.15
_SMALLEST_LETTERS = 8
_RING_POINTS = 72
_UPRIGHT_RATIO = 1.3


@dataclass(frozen=True, slots=True)
class KioskView:
    """What there is to show, beside the cells.

    Attributes:
        facts: Of this frame.
        texts: In the visitor's language.
        operator_texts: In the operator's language.
        next_language: What the button for another language says.
        caption: The words under the grid.
        tool: The one that is chosen.
        pressed: The actions of the buttons that are being pressed.
        page_lines: What the operator's page tells, one (text, is_error) per line.
        is_ruined: Whether the page cannot come back, so that only a fresh digit helps.
    """

    facts: KioskFacts
    texts: Texts
    operator_texts: Texts
    next_language: str
    caption: str
    tool: Tool
    pressed: tuple[Action, ...] = ()
    page_lines: tuple[tuple[str, bool], ...] = ()
    is_ruined: bool = False


class KioskScreen:
    """Draws it; keeps finished pictures, and not many of them."""

    def __init__(self) -> None:
        """Draw nothing yet."""
        self._pictures: dict[Hashable, pygame.Surface] = {}
        self._group_letters: dict[Hashable, int] = {}
        self._shade: pygame.Surface | None = None

    def draw(self, surface: pygame.Surface, layout: KioskLayout, view: KioskView) -> None:
        """Draw all of it, over the cells.

        Args:
            surface: The window's, with the cells drawn.
            layout: Where things are.
            view: What there is to show.
        """
        facts = view.facts
        if layout.title is not None:
            self._words(surface, view.texts.title, layout.title, TEXT, most_lines=2)
        self._caption(surface, layout, view)
        labels = {
            name: view.next_language if name == "language" else getattr(view.texts, name)
            for name, _ in layout.buttons
        }
        letters = self._letters(layout.buttons, labels)
        for name, rectangle in layout.buttons:
            action = VISITOR_BUTTONS[name]
            chosen = TOOL_COLOURS[view.tool] if action == SelectTool(view.tool) else None
            if view.is_ruined and action == NewDigit() and facts.phase is not Phase.ATTRACT:
                chosen = TEXT
            self._button(surface, name, labels[name], rectangle, letters, chosen, action in view.pressed)
        if facts.ghost is not None:
            self._ghost(surface, layout, facts.ghost)
        self.draw_operator(surface, layout, view)

    def draw_operator(self, surface: pygame.Surface, layout: KioskLayout, view: KioskView) -> None:
        """Draw what is the operator's, if there is any: the ring of the hold, and the page."""
        facts = view.facts
        if facts.hold_fraction >= _HOLD_SEEN_FROM:
            self._hold(surface, view.operator_texts.operator_hold, facts.hold_fraction)
        if facts.phase is Phase.OPERATOR:
            self._operator_page(surface, layout, view)

    def draw_waiting(self, surface: pygame.Surface, text: str, seconds: float) -> None:
        """What visitors see until the automaton lives: cells that breathe.

        Args:
            surface: The window's.
            text: In the visitor's language.
            seconds: From any zero, for the movement.
        """
        width, height = surface.get_size()
        y = draw_breathing_cells(surface, max(4, min(width, height) // 16), seconds, MUTED)
        shorter = min(width, height)
        box = (width // 20, y, width - width // 10, shorter // 8)
        self._words(surface, text, box, TEXT, most_lines=2)

    # ------------------------------------------------------------------------------ parts

    def _caption(self, surface: pygame.Surface, layout: KioskLayout, view: KioskView) -> None:
        left, top, width, height = layout.caption
        seconds = view.facts.countdown_seconds
        if seconds is None:
            self._words(surface, view.caption, layout.caption, TEXT, most_lines=2)
            return
        centre = (left + height // 2, top + height // 2)
        number = math.ceil(seconds)
        self._ring(surface, centre, height // 2 - 2, seconds / 10.0, TOOL_COLOURS[Tool.PAINT])
        self._words(
            surface, str(number), (left + height // 4, top + height // 4, height // 2, height // 2), TEXT
        )
        words = (left + height + height // 4, top, max(1, width - height - height // 4), height)
        self._words(surface, view.caption, words, TEXT, most_lines=2)

    def _button(
        self,
        surface: pygame.Surface,
        name: str,
        label: str,
        rectangle: Rectangle,
        letters: int,
        chosen: Colour | None,
        is_pressed: bool,
    ) -> None:
        left, top, width, height = rectangle
        key = ("button", name, label, width, height, letters, chosen, is_pressed)
        picture = self._picture(
            key, lambda: self._button_picture(name, label, (width, height), letters, chosen, is_pressed)
        )
        surface.blit(picture, (left, top))

    def _letters(self, buttons: Sequence[tuple[str, Rectangle]], labels: Mapping[str, str]) -> int:
        """The height of letters that suits all buttons of a group; found once for each group."""
        key = (tuple(buttons), tuple(labels.values()))
        if key not in self._group_letters:
            if len(self._group_letters) >= _MOST_PICTURES:
                self._group_letters.clear()
            self._group_letters[key] = min(
                self._fitting(labels[name], _button_parts(box[2:])[2][2:], _most_lines(box[2:]))
                for name, box in buttons
            )
        return self._group_letters[key]

    def _button_picture(
        self,
        name: str,
        label: str,
        size: tuple[int, int],
        letters: int,
        chosen: Colour | None,
        is_pressed: bool,
    ) -> pygame.Surface:
        picture = pygame.Surface(size, pygame.SRCALPHA, 32)
        box = picture.get_rect()
        radius = max(2, min(size) // 7)
        fill = chosen or (_PRESSED if is_pressed else _BUTTON)
        ink = BACKGROUND if chosen else TEXT
        pygame.draw.rect(picture, fill, box, border_radius=radius)
        rim = TEXT if is_pressed else (chosen or FRAME)
        pygame.draw.rect(picture, rim, box, width=max(1, min(size) // 40), border_radius=radius)
        side, place, words = _button_parts(size)
        picture.blit(pictogram(name, side, ink), place)
        image = self._words_picture(label, words[2:], ink, _most_lines(size), letters)
        is_beside = words[0] > place[0]
        left = words[0] if is_beside else words[0] + (words[2] - image.get_width()) // 2
        picture.blit(image, (left, words[1] + (words[3] - image.get_height()) // 2))
        return picture

    def _ghost(self, surface: pygame.Surface, layout: KioskLayout, ghost: Ghost) -> None:
        left, top, width, height = layout.geometry.grid_rectangle
        side = max(8, min(width, height) // 5)
        hand = self._picture(("hand", side), lambda: pictogram("hand", side, _HAND))
        # Above the place it is going to touch, until it does.
        lift = 0 if ghost.is_down else side // 8
        x = left + round(ghost.x * width - FINGERTIP[0] * side)
        y = top + round(ghost.y * height - FINGERTIP[1] * side) - lift
        hand.set_alpha(round(235 * min(max(ghost.opacity, 0.0), 1.0)))
        surface.blit(hand, (x, y))

    def _hold(self, surface: pygame.Surface, text: str, fraction: float) -> None:
        width, height = surface.get_size()
        radius = max(6, min(width, height) // 8)
        centre = (width // 2, height // 3)
        pygame.draw.circle(surface, BACKGROUND, centre, radius + radius // 4)
        self._ring(surface, centre, radius, fraction, TEXT)
        words_width = min(width - width // 10, 5 * radius)
        box = ((width - words_width) // 2, centre[1] + radius + radius // 3, words_width, max(8, radius // 2))
        pygame.draw.rect(surface, BACKGROUND, box, border_radius=radius // 8)
        self._words(surface, text, box, TEXT)

    def _operator_page(self, surface: pygame.Surface, layout: KioskLayout, view: KioskView) -> None:
        shade = self._shade
        if shade is None or shade.get_size() != surface.get_size():
            shade = self._shade = pygame.Surface(surface.get_size(), depth=32)
            shade.fill(BACKGROUND)
            shade.set_alpha(215)
        surface.blit(shade, (0, 0))
        page = pygame.Rect(layout.page)
        radius = max(2, min(page.size) // 30)
        pygame.draw.rect(surface, PANEL, page, border_radius=radius)
        pygame.draw.rect(surface, FRAME, page, width=2, border_radius=radius)
        texts = view.operator_texts
        labels = {name: getattr(texts, name) for name, _ in layout.page_buttons}
        letters = self._letters(layout.page_buttons, labels)
        for name, rectangle in layout.page_buttons:
            is_pressed = OPERATOR_BUTTONS[name] in view.pressed
            self._button(surface, name, labels[name], rectangle, letters, None, is_pressed)
        gap = max(4, min(page.size) // 40)
        bottom = layout.page_buttons[0][1][1] - gap
        title_height = max(8, min((bottom - page.top) // 7, min(surface.get_size()) // 12))
        title = (page.left + gap, page.top + gap, max(1, page.width - 2 * gap), title_height)
        self._words(surface, texts.operator_page, title, TEXT)
        top = page.top + 2 * gap + title_height
        room = page.width - 4 * gap
        letters, rows = max(_SMALLEST_LETTERS, min(surface.get_size()) // 36), []
        while True:
            font = letters_for(letters)
            rows = [
                (row, is_error) for text, is_error in view.page_lines for row in wrapped(text, font, room)
            ]
            if len(rows) * font.get_linesize() <= bottom - top or letters <= _SMALLEST_LETTERS:
                break
            letters -= 1
        for row, is_error in rows:
            if top + font.get_linesize() > bottom:
                break
            image = font.render(elided(row, font, room), True, ERROR if is_error else MUTED)
            surface.blit(image, (page.left + 2 * gap, top))
            top += font.get_linesize()

    # ------------------------------------------------------------------------------ means

    def _ring(
        self, surface: pygame.Surface, centre: tuple[int, int], radius: int, fraction: float, colour: Colour
    ) -> None:
        """A ring of which a fraction is filled, from its top clockwise."""
        thickness = max(2, radius // 5)
        pygame.draw.circle(surface, FRAME, centre, radius, width=thickness)
        points = math.ceil(_RING_POINTS * min(max(fraction, 0.0), 1.0))
        if points == 0:
            return
        end = 2 * math.pi * min(max(fraction, 0.0), 1.0)
        angles = [end * number / points for number in range(points + 1)]
        outer = [(centre[0] + radius * math.sin(a), centre[1] - radius * math.cos(a)) for a in angles]
        inner = radius - thickness
        back = [(centre[0] + inner * math.sin(a), centre[1] - inner * math.cos(a)) for a in reversed(angles)]
        pygame.draw.polygon(surface, colour, outer + back)

    def _words(
        self,
        surface: pygame.Surface,
        text: str,
        box: Rectangle,
        colour: Colour,
        *,
        most_lines: int = 1,
    ) -> None:
        """Words in the middle of a box, as large as they fit, in one line or in more."""
        if not text:
            return
        left, top, width, height = box

        def make() -> pygame.Surface:
            letters = self._fitting(text, (width, height), most_lines)
            return self._words_picture(text, (width, height), colour, most_lines, letters)

        picture = self._picture(("words", text, width, height, colour, most_lines), make)
        surface.blit(
            picture,
            (left + (width - picture.get_width()) // 2, top + (height - picture.get_height()) // 2),
        )

    def _fitting(self, text: str, size: tuple[int, int], most_lines: int) -> int:
        """The largest height of letters at which a text fits."""
        width, height = size
        letters = max(_SMALLEST_LETTERS, round(height / (1.3 if most_lines == 1 else 2.7)))
        while True:
            font = letters_for(letters)
            lines = wrapped(text, font, width)
            line_height = font.get_linesize()
            fits = (
                len(lines) <= most_lines
                and len(lines) * line_height <= 1.15 * height
                and all(font.size(line)[0] <= width for line in lines)
            )
            if fits or letters <= _SMALLEST_LETTERS:
                return letters
            letters = max(_SMALLEST_LETTERS, letters - max(1, letters // 16))

    def _words_picture(
        self, text: str, size: tuple[int, int], colour: Colour, most_lines: int, letters: int
    ) -> pygame.Surface:
        width = size[0]
        font = letters_for(letters)
        lines, line_height = wrapped(text, font, width), font.get_linesize()
        lines = [elided(line, font, width) for line in lines[:most_lines]]
        images = [font.render(line, True, colour) for line in lines]
        picture = pygame.Surface(
            (max(1, *(image.get_width() for image in images)), len(lines) * line_height), pygame.SRCALPHA, 32
        )
        for number, image in enumerate(images):
            picture.blit(image, ((picture.get_width() - image.get_width()) // 2, number * line_height))
        return picture

    def _picture(self, key: Hashable, make: Callable[[], pygame.Surface]) -> pygame.Surface:
        """A finished picture; made once, and again after many others."""
        picture = self._pictures.pop(key, None)
        if picture is None:
            picture = make()
            if len(self._pictures) >= _MOST_PICTURES:
                self._pictures.pop(next(iter(self._pictures)))
        self._pictures[key] = picture
        return picture


def _most_lines(size: tuple[int, int]) -> int:
    """How many lines a button's words may have: two where it stands upright."""
    width, height = size
    return 2 if height >= _UPRIGHT_RATIO * width else 1


def _button_parts(size: tuple[int, int]) -> tuple[int, tuple[int, int], Rectangle]:
    """The side and the place of a button's pictogram, and where its words are: beside it, else below."""
    width, height = size
    padding = max(2, min(size) // 9)
    if width >= 2 * height:
        side = max(1, min(height - 2 * padding, width // 3))
        place = (padding + padding // 2, (height - side) // 2)
        left = place[0] + side + padding
        lines = max(1, min(height - 2 * padding, height // 2))
        right = padding + padding // 2
        return side, place, (left, (height - lines) // 2, max(1, width - left - right), lines)
    side = max(1, min(round(0.5 * height), width - 2 * padding))
    lines = max(1, min(height - side - 2 * padding, round(0.34 * height)))
    top = max(0, height - side - lines - padding) // 2
    words = (padding, top + side + padding, max(1, width - 2 * padding), lines)
    return side, ((width - side) // 2, top), words
