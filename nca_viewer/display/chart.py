"""The charts of error and healed part, and the scrub bar: what was, against time.

Colours are two of Okabe and Ito's, which people with any colour vision tell apart; lines differ in width and
marks in shape as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pygame

from nca_viewer.display.hud import BACKGROUND, FRAME, MUTED, PANEL, TEXT, TOOL_COLOURS, WARNING, Colour
from nca_viewer.display.letters import letters_of
from nca_viewer.interaction.actions import Tool
from nca_viewer.series import WINDOW_STEPS, Sample, Series, event_name
from nca_viewer.timeline import Mark, Span

ERROR_COLOUR: Colour = (230, 159, 0)
HEALED_COLOUR: Colour = (86, 180, 233)
_ERROR_WIDTH, _HEALED_WIDTH = 3, 1
_GRID: Colour = (38, 42, 55)
_HOVER_PIXELS = 5
"""A mark so near the pointer is read out."""


@dataclass(frozen=True, slots=True)
class TickScale:
    """Ticks along a row of pixels.

    Attributes:
        left: The pixel of the oldest tick.
        right: The pixel of the newest.
        oldest_tick: At least.
        newest_tick: At most.
    """

    left: int
    right: int
    oldest_tick: int
    newest_tick: int

    def x_of(self, tick: float) -> int:
        """The pixel of a tick; beyond the ends, an end."""
        return int(self.xs_of(np.array([tick], float))[0])

    def xs_of(self, ticks: np.ndarray) -> np.ndarray:
        """The pixels of ticks: int[N]."""
        span = self.newest_tick - self.oldest_tick
        parts = (ticks - self.oldest_tick) / span if span else np.ones_like(ticks)
        return self.left + np.rint(np.clip(parts, 0.0, 1.0) * (self.right - self.left)).astype(int)

    def tick_at(self, x: float) -> int:
        """The tick of a pixel; beyond the ends, an end."""
        pixels = self.right - self.left
        part = (x - self.left) / pixels if pixels > 0 else 1.0
        return self.oldest_tick + round(min(max(part, 0.0), 1.0) * (self.newest_tick - self.oldest_tick))


def _word(height: int, text: str, colour: Colour) -> pygame.Surface:
    return letters_of(height).render(text, True, colour)


class Chart:
    """Draws error and healed part of the last steps; keeps what did not change."""

    def __init__(self) -> None:
        """Draw nothing yet."""
        self._surfaces: tuple[pygame.Surface, pygame.Surface] | None = None
        self._series: Series | None = None
        self._now_tick: int | None = None

    def draw(
        self,
        surface: pygame.Surface,
        rectangle: pygame.Rect,
        series: Series,
        *,
        now_tick: int | None = None,
        hover: tuple[int, int] | None = None,
    ) -> None:
        """Draw into a rectangle.

        Args:
            surface: Where to.
            rectangle: Of it; what does not fit in is left out: first words, then all.
            series: What to draw.
            now_tick: Where the present is, if not at the right end.
            hover: The pointer's pixel of the surface; where it is in the plot, values are read out.
        """
        if rectangle.width < 24 or rectangle.height < 24:
            surface.fill(PANEL, rectangle)
            return
        height = min(max(min(rectangle.width // 22, rectangle.height // 9), 14), 24)
        plot, ground, picture = self._prepare(rectangle.size, height)
        scale = TickScale(plot.left, plot.right - 1, series.oldest_tick, series.newest_tick)
        if series is not self._series or now_tick != self._now_tick:
            picture.blit(ground, (0, 0))
            self._draw_series(picture, plot, scale, series, now_tick, height)
            self._series, self._now_tick = series, now_tick
        surface.blit(picture, rectangle)
        if hover is not None:
            x, y = hover[0] - rectangle.left, hover[1] - rectangle.top
            if plot.collidepoint(x, y):
                clip = surface.get_clip()
                surface.set_clip(rectangle.clip(clip))
                self._draw_hover(surface, rectangle.topleft, plot, scale, series, x, height)
                surface.set_clip(clip)

    # ------------------------------------------------------------------------------ what stays

    def _prepare(
        self, size: tuple[int, int], height: int
    ) -> tuple[pygame.Rect, pygame.Surface, pygame.Surface]:
        """The plot's rectangle, the axes, and what is drawn on them; of another size, all is made anew."""
        font = letters_of(height)
        line = font.get_height()
        gap = max(3, height // 3)
        has_words = size[0] >= 12 * height and size[1] >= 5 * line
        if has_words:
            left = gap + font.size("100%")[0] + gap
            top = gap + line + gap
            plot = pygame.Rect(left, top, size[0] - left - 2 * gap, size[1] - top - gap - line - gap)
        else:
            plot = pygame.Rect(2, 2, size[0] - 4, size[1] - 4)
        if self._surfaces is None or self._surfaces[0].get_size() != size:
            self._surfaces = (pygame.Surface(size, depth=32), pygame.Surface(size, depth=32))
            self._series = None
            self._draw_ground(self._surfaces[0], plot, height, gap, has_words)
        return plot, *self._surfaces

    def _draw_ground(
        self, ground: pygame.Surface, plot: pygame.Rect, height: int, gap: int, has_words: bool
    ) -> None:
        ground.fill(PANEL)
        ground.fill(BACKGROUND, plot)
        lane = _lane(height)
        for part in (0.0, 0.5, 1.0):
            y = _row_of(plot, lane, part)
            ground.fill(_GRID, (plot.left, y, plot.width, 1))
            if has_words:
                word = _word(height, f"{part:.0%}", MUTED)
                ground.blit(word, (plot.left - gap - word.get_width(), y - word.get_height() // 2))
        for quarter in range(1, 4):
            ground.fill(_GRID, (plot.left + quarter * plot.width // 4, plot.top, 1, plot.height))
        pygame.draw.rect(ground, FRAME, plot, width=1)
        if not has_words:
            return
        y = plot.bottom + gap
        left = _word(height, f"{WINDOW_STEPS} steps ago", MUTED)
        middle = _word(height, f"{WINDOW_STEPS // 2}", MUTED)
        right = _word(height, "newest", MUTED)
        ground.blit(left, (plot.left, y))
        ground.blit(right, (plot.right - right.get_width(), y))
        middle_left = plot.centerx - middle.get_width() // 2
        if plot.left + left.get_width() + gap <= middle_left:
            ground.blit(middle, (middle_left, y))
        x = plot.left
        for text, colour, width in (
            ("error", ERROR_COLOUR, _ERROR_WIDTH),
            ("healed", HEALED_COLOUR, _HEALED_WIDTH),
            ("paint", TOOL_COLOURS[Tool.PAINT], Tool.PAINT),
            ("erase", TOOL_COLOURS[Tool.ERASE], Tool.ERASE),
            ("corrupt", TOOL_COLOURS[Tool.CORRUPT], Tool.CORRUPT),
            ("new start", MUTED, None),
        ):
            word = _word(height, text, TEXT)
            sample = height if isinstance(width, int) else 2 * height // 3
            if x + sample + gap + word.get_width() > plot.right:
                break
            centre = (x + sample // 2, gap + word.get_height() // 2)
            if isinstance(width, int):
                ground.fill(colour, (x, centre[1] - width // 2, sample, width))
            else:
                _draw_mark(ground, centre, max(2, height // 4), width)
            ground.blit(word, (x + sample + gap // 2, gap))
            x += sample + word.get_width() + 2 * gap

    # ------------------------------------------------------------------------------ what moves

    def _draw_series(
        self,
        picture: pygame.Surface,
        plot: pygame.Rect,
        scale: TickScale,
        series: Series,
        now_tick: int | None,
        height: int,
    ) -> None:
        picture.set_clip(plot)
        size = max(2, height // 4)
        last_x = None
        for mark in series.marks:
            x = scale.x_of(mark.tick)
            picture.fill(FRAME if mark.tool is None else MUTED, (x, plot.top, 1, plot.height))
            if x != last_x:
                _draw_mark(picture, (x, plot.top + size + 3), size, mark.tool)
            last_x = x
        lane = _lane(height)
        ticks, steps, episodes, errors, healed = series.table.T
        columns = scale.xs_of(ticks)
        is_first = np.ones(len(ticks), bool)
        is_first[1:] = (np.diff(episodes) != 0) | (np.diff(ticks - steps) != 0)
        for values, colour, width in (
            (errors, ERROR_COLOUR, _ERROR_WIDTH),
            (healed, HEALED_COLOUR, _HEALED_WIDTH),
        ):
            has_value = ~np.isnan(values)
            rows = _rows_of(plot, lane, np.where(has_value, values, 0.0))
            for points in _runs(columns, rows, has_value, is_first):
                if len(points) > 1:
                    pygame.draw.lines(picture, colour, False, points, width)
                else:
                    picture.fill(colour, (*points[0], width, width))
        if now_tick is not None and now_tick < series.newest_tick:
            picture.fill(TEXT, (scale.x_of(now_tick), plot.top, 1, plot.height))
        picture.set_clip(None)

    def _draw_hover(
        self,
        surface: pygame.Surface,
        corner: tuple[int, int],
        plot: pygame.Rect,
        scale: TickScale,
        series: Series,
        x: int,
        height: int,
    ) -> None:
        tick = scale.tick_at(x)
        sample = series.nearest(tick)
        ticks_per_pixel = WINDOW_STEPS / max(1, scale.right - scale.left)
        mark = series.nearest_mark(tick, _HOVER_PIXELS * ticks_per_pixel)
        if sample is not None and abs(sample.tick - tick) > max(64.0, _HOVER_PIXELS * ticks_per_pixel):
            sample = None
        lines = [(text, TEXT) for text in ([] if sample is None else sample_lines(sample))]
        if mark is not None:
            colour = MUTED if mark.tool is None else TOOL_COLOURS[mark.tool]
            lines.append((mark_text(mark), colour))
        if not lines:
            return
        x = scale.x_of(sample.tick if sample is not None else tick)
        surface.fill(MUTED, (corner[0] + x, corner[1] + plot.top, 1, plot.height))
        if sample is not None:
            for value, colour in ((sample.error, ERROR_COLOUR), (sample.healed, HEALED_COLOUR)):
                if value is not None:
                    centre = (corner[0] + x, corner[1] + _row_of(plot, _lane(height), value))
                    pygame.draw.circle(surface, BACKGROUND, centre, 5)
                    pygame.draw.circle(surface, colour, centre, 4)
        words = [_word(height, text, colour) for text, colour in lines]
        gap = max(3, height // 3)
        line = words[0].get_height()
        box = pygame.Rect(
            0, 0, max(word.get_width() for word in words) + 2 * gap, line * len(words) + 2 * gap
        )
        box.top = plot.top + gap
        box.left = x + 2 * gap if x + 2 * gap + box.width <= plot.right else x - 2 * gap - box.width
        box.left = max(min(box.left, plot.right - box.width), 0)
        box.move_ip(corner)
        surface.fill(PANEL, box)
        pygame.draw.rect(surface, FRAME, box, width=1)
        for number, word in enumerate(words):
            surface.blit(word, (box.left + gap, box.top + gap + number * line))


def sample_lines(sample: Sample) -> list[str]:
    """What is read out of a sample."""
    lines = [f"step {sample.step:,}"]
    if sample.error is not None:
        lines.append(f"error {sample.error:.1%}")
    if sample.healed is not None:
        lines.append(f"healed {sample.healed:.0%}")
    return lines


def mark_text(mark: Mark) -> str:
    """What is read out of a stroke or a start."""
    if not mark.cells:
        return event_name(mark)
    return f"{event_name(mark)}: {mark.cells:,} {'cell' if mark.cells == 1 else 'cells'}"


def _lane(height: int) -> int:
    """Rows above the value 1 that marks have for themselves, where letters are so high."""
    return 2 * max(2, height // 4) + 6


def _rows_of(plot: pygame.Rect, lane: int, values: np.ndarray) -> np.ndarray:
    """The rows of values from 0 to 1."""
    top = plot.top + min(lane, plot.height // 3)
    return top + np.rint((1.0 - np.clip(values, 0.0, 1.0)) * (plot.bottom - 3 - top)).astype(int)


def _row_of(plot: pygame.Rect, lane: int, value: float) -> int:
    return int(_rows_of(plot, lane, np.array([value]))[0])


def _runs(
    columns: np.ndarray, rows: np.ndarray, has_value: np.ndarray, is_first: np.ndarray
) -> list[list[tuple[int, int]]]:
    """The points of a line, broken where there is no value and where an episode begins.

    Args:
        columns: int[N].
        rows: int[N].
        has_value: bool[N].
        is_first: bool[N], of an episode.
    """
    begins = has_value.copy()
    begins[1:] &= is_first[1:] | ~has_value[:-1]
    # What falls onto the pixel before it adds nothing.
    is_new = begins.copy()
    is_new[1:] |= has_value[1:] & ((np.diff(columns) != 0) | (np.diff(rows) != 0))
    points = list(zip(columns[is_new].tolist(), rows[is_new].tolist(), strict=True))
    bounds = [*np.flatnonzero(begins[is_new]).tolist(), len(points)]
    return [points[start:end] for start, end in itertools.pairwise(bounds)]


def _draw_mark(surface: pygame.Surface, centre: tuple[int, int], size: int, tool: Tool | None) -> None:
    """A triangle for paint, a hollow square for erase, a diamond for corrupt, a bar for a start."""
    x, y = centre
    match tool:
        case Tool.PAINT:
            points = [(x - size, y + size), (x + size, y + size), (x, y - size)]
            pygame.draw.polygon(surface, TOOL_COLOURS[tool], points)
        case Tool.ERASE:
            square = (x - size, y - size, 2 * size + 1, 2 * size + 1)
            pygame.draw.rect(surface, TOOL_COLOURS[tool], square, width=max(1, size // 2))
        case Tool.CORRUPT:
            points = [(x - size - 1, y), (x, y - size - 1), (x + size + 1, y), (x, y + size + 1)]
            pygame.draw.polygon(surface, TOOL_COLOURS[tool], points)
        case None:
            surface.fill(MUTED, (x - 1, y - size, 2, 2 * size + 1))


class ScrubBar:
    """Draws the whole line that can be reached, and where in it the present is."""

    def __init__(self) -> None:
        """Draw nothing yet."""
        self._key: tuple[object, ...] = ()
        self._picture: pygame.Surface | None = None

    @staticmethod
    def scale(rectangle: pygame.Rect, span: Span) -> TickScale:
        """Which tick is where, in pixels of the surface; the same to draw and to point."""
        margin = min(8, rectangle.width // 4)
        return TickScale(
            rectangle.left + margin,
            max(rectangle.right - 1 - margin, rectangle.left + margin),
            span.oldest_tick,
            span.newest_tick,
        )

    def draw(
        self,
        surface: pygame.Surface,
        rectangle: pygame.Rect,
        span: Span,
        marks: Sequence[Mark],
        *,
        tick: int,
        step: int,
        hover: tuple[int, int] | None = None,
    ) -> None:
        """Draw into a rectangle.

        Args:
            surface: Where to.
            rectangle: Of it.
            span: What can be reached.
            marks: Strokes and starts in it.
            tick: Of the present.
            step: The same, in steps since the start of its episode.
            hover: The tick under the pointer, and its step; told beside the present one.
        """
        key = (rectangle.size, span, len(marks), marks[-1] if marks else None, tick, step, hover)
        if key != self._key or self._picture is None:
            self._key = key
            if self._picture is None or self._picture.get_size() != rectangle.size:
                self._picture = pygame.Surface(rectangle.size, depth=32)
            self._draw_all(self._picture, span, marks, tick, step, hover)
        surface.blit(self._picture, rectangle)

    def _draw_all(
        self,
        picture: pygame.Surface,
        span: Span,
        marks: Sequence[Mark],
        tick: int,
        step: int,
        hover: tuple[int, int] | None,
    ) -> None:
        picture.fill(PANEL)
        area = picture.get_rect()
        scale = self.scale(area, span)
        height = min(max(area.height // 3, 14), 22)
        line = letters_of(height).get_height()
        has_words = area.height >= line + 16 and area.width >= 8 * height
        track_height = max(2, min(8, area.height // 4))
        middle = (area.height - line) // 2 if has_words else area.height // 2
        track = pygame.Rect(
            scale.left, middle - track_height // 2, scale.right - scale.left + 1, track_height
        )
        picture.fill(FRAME, track)
        here = scale.x_of(tick)
        picture.fill(MUTED, (track.left, track.top, here - track.left + 1, track.height))
        size = max(2, min(4, area.height // 8))
        taken: set[tuple[int, Tool | None]] = set()
        columns = scale.xs_of(np.array([mark.tick for mark in marks], float)).tolist()
        for x, mark in zip(columns, marks, strict=True):
            place = (x, mark.tool)
            if place not in taken:
                taken.add(place)
                picture.fill(BACKGROUND, (place[0] - size - 1, middle - size - 1, 2 * size + 3, 2 * size + 3))
                _draw_mark(picture, (place[0], middle), size, mark.tool)
        cursor = pygame.Rect(here - 1, max(0, middle - 2 * size - 2), 3, 4 * size + 5)
        picture.fill(BACKGROUND, cursor.inflate(2, 0))
        picture.fill(TEXT, cursor)
        there = None if hover is None else scale.x_of(hover[0])
        if there is not None:
            picture.fill(WARNING, (there, cursor.top, 1, cursor.height))
        if not has_words:
            return
        oldest = f"step {span.oldest_step:,}"
        memory_left = scale.left + letters_of(height).size(oldest)[0] + height
        free, gap = area.inflate(-4, 0), height // 2
        taken_words: list[pygame.Rect] = []

        def write(text: str, colour: Colour, x: int, part: float, beside: pygame.Rect | None = None) -> bool:
            """Write where there is room; what would lie on the word `beside` it goes to its nearer side."""
            word = _word(height, text, colour)
            room = word.get_rect(left=x - round(part * word.get_width()), bottom=area.height - 1)
            room.clamp_ip(free)
            if beside is not None and room.inflate(gap, 0).colliderect(beside):
                sides = [beside.left - gap - room.width, beside.right + gap]
                sides = [left for left in sides if free.left <= left <= free.right - room.width]
                if not sides:
                    return False
                room.left = min(sides, key=lambda left: abs(left + room.width // 2 - x))
            if room.inflate(gap, 0).collidelist(taken_words) >= 0:
                return False
            picture.blit(word, room)
            taken_words.append(room)
            return True

        write(f"step {step:,}", TEXT, here, 0.5)
        if hover is not None and there is not None:
            for text in (f"to step {hover[1]:,}", f"to {hover[1]:,}"):
                if write(text, WARNING, there, 0.5, taken_words[0]):
                    break
        write(oldest, MUTED, scale.left, 0.0)
        write(f"step {span.newest_step:,}", MUTED, scale.right, 1.0)
        write(memory_text(span), MUTED, memory_left, 0.0)


def memory_text(span: Span) -> str:
    """How much of the memory the past takes."""
    return f"{span.held_bytes / 2**20:.1f} of {span.max_bytes / 2**20:.3g} MiB"
