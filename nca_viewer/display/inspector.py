"""The page about one cell: what it sees, where its heads look, what it holds, and what it does next."""

from __future__ import annotations

import math

import numpy as np
import pygame
from numpy.typing import NDArray

from nca_viewer.display.hud import (
    BACKGROUND,
    FRAME,
    MUTED,
    PANEL,
    TEXT,
    WARNING,
    Colour,
    elided,
    wrapped,
)
from nca_viewer.display.inspector_page import (
    PREPARING,
    PROMPT,
    STORY_LENGTH_SECONDS,
    CellFacts,
    Fate,
    Layout,
    Rectangle,
    Section,
    Stage,
    decision_text,
    facts_of,
    held_text,
    layout_of,
    number_text,
    percent_text,
    read_head,
    sentence_of,
    shown_weights,
    stage_at,
    told_at,
)
from nca_viewer.display.letters import letters_for
from nca_viewer.views.colours import NOT_A_NUMBER, TWO_SIDED, VIRIDIS, coloured, round_limit
from nca_viewer.views.scene import Scene

__all__ = ["STORY_LENGTH_SECONDS", "Inspector"]

UPDATE: Colour = (90, 210, 150)
"""Of the proposed change, up and down; in none of the colour scales of values."""
BELOW_ZERO: Colour = (int(TWO_SIDED[0, 0]), int(TWO_SIDED[0, 1]), int(TWO_SIDED[0, 2]))
ABOVE_ZERO: Colour = (int(TWO_SIDED[-1, 0]), int(TWO_SIDED[-1, 1]), int(TWO_SIDED[-1, 2]))
_DARK: Colour = (12, 12, 16)
_DIMMED_ALPHA = 185
_MOST_IMAGES = 4096
_HELD_LINES = 2
"""Of the step that a story is of, below the cell's name."""
_LEAST_TILE_TEXT = 7
"""Of "NaN" in the smallest tiles."""


class Inspector:
    """Draws the page; keeps what it has drawn of it."""

    def __init__(self) -> None:
        """Draw nothing yet."""
        self._lines: dict[tuple[str, int, int], tuple[str, ...]] = {}
        self._tiles: dict[tuple[str, str, int, int], pygame.Surface] = {}
        self._drawn_ground: tuple[tuple[Layout, tuple[int, int]], pygame.Surface] | None = None
        self._shade: pygame.Surface | None = None
        self._sizes: tuple[int, int] = (0, 0)
        self._held: CellFacts | None = None
        self._told_seconds = 0.0

    def draw(
        self,
        surface: pygame.Surface,
        rectangle: Rectangle,
        scene: Scene,
        cell: tuple[int, int] | None,
        *,
        is_pinned: bool,
        story_seconds: float | None,
        pointer: tuple[int, int] | None,
    ) -> None:
        """Draw the page about one cell; nothing outside the rectangle.

        Args:
            surface: To draw on.
            rectangle: The panel, (left, top, width, height) in pixels.
            scene: What there is to show.
            cell: (row, column), from 0; None where there is none to show.
            is_pinned: Whether the cell stays when the pointer moves on.
            story_seconds: Since the story of one step began: of the step of the first time at which that is
                known, until it begins anew, with a smaller number or 0. None without a story.
            pointer: (x, y) on the surface; what lies under it is told in words.
        """
        panel = pygame.Rect(rectangle).clip(surface.get_rect())
        if not (panel.width and panel.height):
            return
        page = surface.subsurface(panel)
        stage = stage_at(story_seconds)
        facts = self._told_facts(scene, cell, None if stage is None else story_seconds)
        if facts is None:
            page.fill(PANEL)
            self._prompt(page)
            return
        step = facts.next_step
        if step is not None:
            self._sizes = (step.weights.shape[1], len(step.perception))
        layout = layout_of(*panel.size, self._sizes[0], len(facts.state), self._sizes[1], facts.channel_names)
        point = None if pointer is None else (pointer[0] - panel.left, pointer[1] - panel.top)
        page.blit(self._ground(layout, panel.size), (0, 0))
        # What is not a number stays none, and is shown as such.
        with np.errstate(invalid="ignore", over="ignore"):
            self._sight(page, layout, facts, is_pinned, stage)
            self._heads(page, layout, facts, stage)
            self._perception(page, layout, facts, stage)
            self._channels(page, layout, facts, stage, point)
        colour = UPDATE if step is not None and step.fate is Fate.CHANGES else MUTED
        self._text(page, decision_text(step), layout.decision, colour, layout.text_height)
        if stage is None:
            told = "Point at anything on this page: its name and value are told."
            self._text(page, told, layout.sentence, MUTED, layout.text_height)
        else:
            self._dim(page, layout, stage[0])
            if self._held is not None:
                self._text(page, held_text(facts), _held_place(layout), WARNING, layout.text_height)
            self._text(page, sentence_of(stage[0], facts), layout.sentence, TEXT, layout.text_height)
        told_here = None if point is None else told_at(layout, facts, point)
        if told_here is not None and point is not None:
            self._tip(page, layout, told_here, point)

    def _told_facts(
        self, scene: Scene, cell: tuple[int, int] | None, story_seconds: float | None
    ) -> CellFacts | None:
        """Those of this moment; while a story is told, those of the step that it is of."""
        if cell is None or not story_seconds or story_seconds < self._told_seconds:
            self._held = None
        self._told_seconds = story_seconds or 0.0
        if self._held is not None:
            return self._held
        facts = None if cell is None else facts_of(scene, cell)
        if facts is not None and facts.next_step is not None and story_seconds is not None:
            self._held = facts
        return facts

    def _image(self, text: str, height: int, colour: Colour, room: int) -> pygame.Surface:
        font = letters_for(height)
        return font.render(elided(text, font, room), True, colour)

    def _wrapped(self, text: str, height: int, room: int) -> tuple[str, ...]:
        key = (text, height, room)
        if key not in self._lines:
            if len(self._lines) >= _MOST_IMAGES:
                self._lines.clear()
            self._lines[key] = tuple(wrapped(text, letters_for(height), room))
        return self._lines[key]

    def _text(self, page: pygame.Surface, text: str, place: Rectangle, colour: Colour, height: int) -> int:
        """Words in as many lines as the place has, the last one cut where they are too many; their bottom."""
        left, top, room, bottom = place[0], place[1], place[2], place[1] + place[3]
        lines = self._wrapped(text, height, room)
        line_height = math.ceil(1.25 * height)
        number = max(1, (bottom - top) // line_height)
        if len(lines) > number:
            lines = (*lines[: number - 1], " ".join(lines[number - 1 :]))
        for line in lines:
            page.blit(self._image(line, height, colour, room), (left, top))
            top += line_height
        return top

    def _centred(
        self, page: pygame.Surface, text: str, place: Rectangle, colour: Colour, height: int
    ) -> None:
        image = self._image(text, height, colour, place[2])
        left, top, width, room = place
        page.blit(image, (left + (width - image.get_width()) // 2, top + (room - image.get_height()) // 2))

    def _prompt(self, page: pygame.Surface) -> None:
        width, height = page.get_size()
        text = max(10, min(20, width // 23))
        lines = self._wrapped(PROMPT, text, max(width - 2 * text, 1))
        top = (height - len(lines) * math.ceil(1.25 * text)) // 2
        for number, line in enumerate(lines):
            place = (text, top + number * math.ceil(1.25 * text), max(width - 2 * text, 1), text)
            self._centred(page, line, place, MUTED, text)

    def _ground(self, layout: Layout, size: tuple[int, int]) -> pygame.Surface:
        """What stays the same from frame to frame: labels, and the grounds of bars."""
        key = (layout, size)
        if self._drawn_ground is None or self._drawn_ground[0] != key:
            ground = pygame.Surface(size, 0, 32)
            ground.fill(PANEL)
            for channel in layout.channels:
                self._middle(ground, channel.text, channel.label, MUTED, _channel_text(layout))
                for place in (channel.value, channel.update):
                    ground.fill(BACKGROUND, place)
                    ground.fill(MUTED, (_middle_of(place), place[1], 1, place[3]))
            self._drawn_ground = (key, ground)
        return self._drawn_ground[1]

    def _tile(self, weight: float, shown: float, side: int, text: int) -> pygame.Surface:
        """A weight in percent, on the brightness of the one that is shown on the way to it."""
        figure = percent_text(weight)
        key = (figure, percent_text(shown), side, text)
        if key not in self._tiles:
            if len(self._tiles) >= _MOST_IMAGES:
                self._tiles.clear()
            tile = pygame.Surface((side, side), 0, 32)
            # The eye sees a weight of 1 / 9 beside one of 1 where brightness goes with the root.
            root = np.sqrt(np.maximum(np.float32(shown), 0.0))
            shade = coloured(root, 0.0, 1.0, VIRIDIS).tolist()
            tile.fill(shade)
            while text > _LEAST_TILE_TEXT and letters_for(text).size(figure)[0] > side:
                text -= 1
            self._centred(tile, figure, (0, 0, side, side), _DARK if sum(shade) > 330 else TEXT, text)
            self._tiles[key] = tile
        return self._tiles[key]

    def _sight(
        self,
        page: pygame.Surface,
        layout: Layout,
        facts: CellFacts,
        is_pinned: bool,
        stage: tuple[Stage, float] | None,
    ) -> None:
        grown = stage[1] if stage is not None and stage[0] is Stage.LOOK else 1.0
        seen = math.ceil(grown * len(facts.inside))
        for number, tile in enumerate(_nine(layout.sight)):
            if not facts.inside[number]:
                _cross_out(page, tile)
            elif number < seen:
                page.fill(facts.colours[number].tolist(), tile)
                pygame.draw.rect(page, FRAME, tile, 1)
            else:
                pygame.draw.rect(page, FRAME, tile, 1)
        pygame.draw.rect(page, WARNING, _nine(layout.sight)[4], 2)
        left, top, room, height = layout.facts
        bottom = top + height
        text = layout.text_height
        title = f"Row {facts.row}, column {facts.column}"
        top = self._text(page, title, (left, top, room, layout.line_height), TEXT, text)
        kept = "kept (middle button)" if is_pinned else "under the pointer"
        if facts.damaged_steps_ago is None:
            damage = "never damaged"
        elif facts.damaged_steps_ago == 0:
            damage = "damaged just now"
        else:
            steps = "step" if facts.damaged_steps_ago == 1 else "steps"
            damage = f"damaged {facts.damaged_steps_ago:,} {steps} ago"
        colour = MUTED if facts.damaged_steps_ago is None else TEXT
        lines = [(damage, colour)]
        if self._held is None:
            lines.insert(0, (kept, WARNING if is_pinned else MUTED))
        else:
            held = self._wrapped(held_text(facts), text, room)
            top += min(len(held), _HELD_LINES) * layout.line_height
        for words, shade in lines:
            if top + layout.line_height <= bottom:
                top = self._text(page, words, (left, top, room, layout.line_height), shade, text)
        number = sum(facts.inside)
        sees = "sees itself alone" if number == 1 else f"sees itself and {number - 1} others"
        if top + text <= bottom:
            self._text(page, sees, (left, top, room, layout.line_height), MUTED, text)

    def _heads(
        self, page: pygame.Surface, layout: Layout, facts: CellFacts, stage: tuple[Stage, float] | None
    ) -> None:
        step = facts.next_step
        text = layout.text_height
        if step is None:
            self._text(page, PREPARING, layout.heads_title, MUTED, text)
            for head in layout.heads:
                for tile in _nine(head.tiles):
                    pygame.draw.rect(page, FRAME, tile, 1)
            return
        number = step.weights.shape[1]
        what = "Where its heads look, %" if number > 1 else "Where its head looks, %"
        if len(layout.heads) < number:
            what = f"Where {len(layout.heads)} of its {number} heads look, %"
        self._text(page, what, layout.heads_title, MUTED, text)
        grown = stage[1] if stage is not None and stage[0] is Stage.WEIGH else 1.0
        if stage is not None and stage[0] is Stage.LOOK:
            grown = 0.0
        weights = shown_weights(step.weights, facts.inside, grown)
        for head in layout.heads:
            column, shown = step.weights[:, head.number].tolist(), weights[:, head.number].tolist()
            for place, tile in enumerate(_nine(head.tiles)):
                if not facts.inside[place]:
                    _cross_out(page, tile)
                    continue
                page.blit(self._tile(column[place], shown[place], tile[2], text), tile[:2])
            reading = read_head(step.weights[:, head.number], facts.inside)
            bottom = self._text(
                page, f"Head {head.number}", (*head.words[:3], layout.line_height), MUTED, text
            )
            left, top, room, height = head.words
            self._text(page, reading, (left, bottom, room, top + height - bottom), TEXT, text)

    def _perception(
        self, page: pygame.Surface, layout: Layout, facts: CellFacts, stage: tuple[Stage, float] | None
    ) -> None:
        step = facts.next_step
        if layout.perception is None or layout.perception_title is None:
            return
        left, top, _, height = layout.perception
        what = "What the heads bring together"
        self._text(page, what, layout.perception_title, MUTED, layout.text_height)
        if step is None:
            pygame.draw.rect(page, FRAME, layout.perception, 1)
            return
        values = step.perception
        limit = round_limit(values)
        if stage is not None and stage[0] is Stage.MIX:
            values = values * np.float32(stage[1])
        columns = layout.perception_columns
        rows = math.ceil(len(values) / columns)
        grid = np.empty((rows * columns, 3), np.uint8)
        grid[:] = PANEL
        grid[: len(values)] = coloured(values, -limit, limit, TWO_SIDED)
        page.blit(_boxes(grid.reshape(rows, columns, 3), height // rows), (left, top))

    def _channels(
        self,
        page: pygame.Surface,
        layout: Layout,
        facts: CellFacts,
        stage: tuple[Stage, float] | None,
        point: tuple[int, int] | None,
    ) -> None:
        step = facts.next_step
        values = facts.state
        value_limit = round_limit(values, least=1.0, share=1.0)
        figures = values.tolist()
        updates = None if step is None else step.update
        update_limit = 1.0 if updates is None else round_limit(updates, least=0.01, share=1.0)
        if step is not None and stage is not None:
            if stage[0] is Stage.UPDATE:
                updates = step.update * np.float32(stage[1])
            elif stage[0] in (Stage.LOOK, Stage.WEIGH, Stage.MIX):
                updates = None
            else:
                values = values + np.float32(stage[1]) * (step.next_state - values)
                figures = step.next_state.tolist()
            if stage[0] is Stage.CHANGE and step.fate is not Fate.CHANGES:
                updates = step.update * np.float32(1.0 - stage[1])
        self._channels_title(page, layout, len(values), value_limit, update_limit)
        size = _channel_text(layout)
        shown = values.tolist()
        shares = (values / np.float32(value_limit)).tolist()
        update_shares = None if updates is None else (updates / np.float32(update_limit)).tolist()
        for channel in layout.channels:
            number = channel.number
            value = shown[number]
            if point is not None and pygame.Rect(channel.row).collidepoint(point):
                pygame.draw.rect(page, WARNING, channel.row, 1)
            if channel.figure is not None:
                self._middle(page, number_text(figures[number]), channel.figure, TEXT, size, rightwards=True)
            _bar(page, channel.value, shares[number], BELOW_ZERO if value < 0 else ABOVE_ZERO)
            if channel.figure is None and math.isnan(value):
                self._centred(page, "NaN", channel.value, _DARK, min(size, channel.value[3]))
            if update_shares is not None:
                _bar(page, channel.update, update_shares[number], UPDATE)

    def _channels_title(
        self, page: pygame.Surface, layout: Layout, number: int, value_limit: float, update_limit: float
    ) -> None:
        text = layout.text_height
        left, top, room, _ = layout.channels_title
        shown = len(layout.channels)
        holds = "it holds" if shown == number else f"it holds ({shown} of {number})"
        long = (f"{holds} (to {value_limit:g})", f"proposed change (to {update_limit:g})")
        short = (holds, "proposed change")
        box = max(4, text // 2)
        font = letters_for(text)
        words = next(
            (
                pair
                for pair in (long, short)
                if sum(font.size(part)[0] for part in pair) + 3 * box + 3 * text <= room
            ),
            short,
        )
        end = left + room
        for colours, part in (((BELOW_ZERO, ABOVE_ZERO), words[0]), ((UPDATE,), words[1])):
            for colour in colours:
                page.fill(colour, (left, top + (text - box) // 2, box, box))
                left += box
            left += text // 2
            image = self._image(part, text, MUTED, max(end - left, 1))
            page.blit(image, (left, top))
            left += image.get_width() + text

    def _middle(
        self,
        page: pygame.Surface,
        text: str,
        place: Rectangle,
        colour: Colour,
        height: int,
        *,
        rightwards: bool = False,
    ) -> None:
        image = self._image(text, height, colour, place[2])
        left = place[0] + (place[2] - image.get_width() if rightwards else 0)
        page.blit(image, (left, place[1] + (place[3] - image.get_height()) // 2))

    def _dim(self, page: pygame.Surface, layout: Layout, stage: Stage) -> None:
        lit = set(stage.value)
        if layout.perception is None and stage is Stage.UPDATE:
            lit.add(Section.HEADS)
        shade = self._shade
        if shade is None or shade.get_size() != page.get_size():
            shade = pygame.Surface(page.get_size(), 0, 32)
            shade.fill(PANEL)
            shade.set_alpha(_DIMMED_ALPHA)
            self._shade = shade
        for section, places in layout.rectangles().items():
            if section not in lit and places:
                whole = pygame.Rect(places[0]).unionall([pygame.Rect(place) for place in places[1:]])
                page.blit(shade, whole.topleft, (0, 0, *whole.size))

    def _tip(self, page: pygame.Surface, layout: Layout, told: str, point: tuple[int, int]) -> None:
        text = layout.text_height
        padding = text // 2
        lines = self._wrapped(told, text, max(page.get_width() - 4 * padding, 1))
        width = max(self._image(line, text, TEXT, page.get_width()).get_width() for line in lines)
        box = pygame.Rect(0, 0, width + 2 * padding, len(lines) * layout.line_height + padding)
        box.midbottom = (point[0], point[1] - text // 2)
        if box.top < 0:
            box.top = point[1] + 2 * text
        box.clamp_ip(page.get_rect())
        page.fill(BACKGROUND, box)
        pygame.draw.rect(page, MUTED, box, 1)
        for number, line in enumerate(lines):
            place = (box.left + padding, box.top + padding // 2 + 1 + number * layout.line_height)
            page.blit(self._image(line, text, TEXT, page.get_width()), place)


def _nine(place: Rectangle) -> list[Rectangle]:
    """The nine tiles of a square, row by row, with gaps of a pixel."""
    left, top, side, _ = place
    tile = side // 3
    return [
        (left + column * tile, top + row * tile, tile - 1, tile - 1)
        for row in range(3)
        for column in range(3)
    ]


def _held_place(layout: Layout) -> Rectangle:
    left, top, room, _ = layout.facts
    return (left, top + layout.line_height, room, _HELD_LINES * layout.line_height)


def _cross_out(page: pygame.Surface, tile: Rectangle) -> None:
    left, top, width, height = tile
    page.fill(BACKGROUND, tile)
    right, bottom = left + width - 1, top + height - 1
    pygame.draw.line(page, FRAME, (left, top), (right, bottom))
    pygame.draw.line(page, FRAME, (left, bottom), (right, top))


def _channel_text(layout: Layout) -> int:
    return min([layout.text_height, *(channel.row[3] for channel in layout.channels[:1])])


def _middle_of(place: Rectangle) -> int:
    return place[0] + place[2] // 2


def _bar(page: pygame.Surface, place: Rectangle, share: float, colour: Colour) -> None:
    """A signed bar from the middle of its place, full at -1 and 1; all of it where the share is NaN."""
    if math.isnan(share):
        page.fill(NOT_A_NUMBER, place)
        return
    _, top, width, height = place
    length = round(min(abs(share), 1.0) * (width // 2))
    if length:
        middle = _middle_of(place)
        page.fill(colour, (middle if share > 0 else middle - length + 1, top, length, height))


def _boxes(image: NDArray[np.uint8], side: int) -> pygame.Surface:
    """A surface of uint8[h, w, 3], each of its pixels a box."""
    large = image.repeat(side, axis=0).repeat(side, axis=1)
    if side > 3:
        large[side - 1 :: side] = PANEL
        large[:, side - 1 :: side] = PANEL
    return pygame.image.frombuffer(large.tobytes(), large.shape[1::-1], "RGB")
