"""Words over and under the grid: status bar, messages, help and the waiting screen."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from fractions import Fraction

import pygame

from nca_viewer.display.letters import letters_for
from nca_viewer.display.palette import (
    BACKGROUND,
    ERROR,
    FRAME,
    MUTED,
    PANEL,
    TEXT,
    TOOL_COLOURS,
    WARNING,
    Colour,
)
from nca_viewer.display.waiting import draw_breathing_cells
from nca_viewer.healing import Healing
from nca_viewer.interaction.actions import NewDigit, Tool, Undo
from nca_viewer.interaction.bindings import help_lines, key_label
from nca_viewer.interaction.controls import speed_text
from nca_viewer.interaction.geometry import Geometry

HINTS = (
    "Left button paints  ·  right erases  ·  Ctrl+left corrupts  ·  wheel: brush  ·  H: help",
    "Left button paints  ·  right erases  ·  wheel: brush  ·  H: help",
    "Left button paints  ·  right erases  ·  H: help",
    "H: help",
)
"""What to do, in fewer and fewer words; the first of them that leaves room for what is told beside it."""
_FRESH_KEY = key_label(NewDigit())
RUIN_HINTS = (
    f"The cells cannot bring this page back  ·  {_FRESH_KEY}: a fresh digit",
    f"This page is lost  ·  {_FRESH_KEY}: a fresh digit",
    f"{_FRESH_KEY}: a fresh digit",
)
"""The same where the page is ruined."""
_WAYS_ON = f"{key_label(Undo())}: undo  ·  {_FRESH_KEY}: a new digit"
REST_HINTS = (
    f"What has not healed lies beyond what its cells remember  ·  {_WAYS_ON}",
    f"The rest lies beyond what its cells remember  ·  {_WAYS_ON}",
    f"Beyond its cells' memory  ·  {_WAYS_ON}",
    _WAYS_ON,
)
"""The same where the cells are at rest and have not healed; where experiments are on, they may be the reason,
and the last alone is true."""
TILES_HINTS = (
    "Click a tile: enlarge it  ·  wheel: brush  ·  H: help",
    "Click a tile: enlarge it  ·  H: help",
    "H: help",
)
"""The same where each automaton is shown as several tiles: nothing can be painted there."""
REPLAY_HINTS = (
    "A record acts in place of hands  ·  hands on the cells end it  ·  H: help",
    "Hands on the cells end it  ·  H: help",
    "H: help",
)
"""The same while a record is replayed."""
_MESSAGE_SECONDS = 4.0
_ERROR_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell, until a moment."""

    text: str
    is_error: bool
    until_seconds: float

    @classmethod
    def info(cls, text: str, now_seconds: float) -> Message:
        """Good news, shown for a few seconds."""
        return cls(text, False, now_seconds + _MESSAGE_SECONDS)

    @classmethod
    def note(cls, text: str, now_seconds: float) -> Message:
        """Something to read, shown for longer."""
        return cls(text, False, now_seconds + _ERROR_SECONDS)

    @classmethod
    def error(cls, text: str, now_seconds: float) -> Message:
        """Bad news, shown for longer."""
        return cls(text, True, now_seconds + _ERROR_SECONDS)


@dataclass(frozen=True, slots=True)
class HudState:
    """What the status bar says.

    Attributes:
        paused: Whether no steps are taken.
        step: Steps since the start of the episode.
        steps_per_second: Measured.
        frames_per_second: Measured.
        speed: Steps per frame that are asked for, or a multiple of the default tempo.
        is_limited: Whether the machine cannot keep up with that.
        tool: What the left button would do.
        brush_radius_cells: 0 is one cell.
        view: Name of the view.
        healing: Of the last damage; None where there is no clean picture to compare with.
        message: What to tell in place of the hint.
        has_tempo: Whether `speed` is a multiple of the default tempo.
        is_ruined: Whether the page cannot come back.
        is_at_rest: Whether the image has not changed for a while.
        tells: What else is going on and must not be overlooked, such as experiments and a recording.
        is_changed: Whether experiments change the automaton.
        is_replaying: Whether a record acts in place of hands.
        has_tiles: Whether each automaton is shown as several tiles, where nothing can be painted.
    """

    paused: bool
    step: int
    steps_per_second: float
    frames_per_second: float
    speed: Fraction
    is_limited: bool
    tool: Tool
    brush_radius_cells: int
    view: str
    healing: Healing | None = None
    message: Message | None = None
    has_tempo: bool = False
    is_ruined: bool = False
    is_at_rest: bool = False
    tells: tuple[str, ...] = ()
    is_changed: bool = False
    is_replaying: bool = False
    has_tiles: bool = False


class Hud:
    """Draws words."""

    def draw_bar(self, surface: pygame.Surface, geometry: Geometry, status: HudState) -> None:
        """The words under the grid: what happens now, the tool, and then numbers; below them hints."""
        if geometry.bar_height == 0:
            return
        height = geometry.text_height
        _, top, _, _ = geometry.bar_rectangle
        surface.fill(PANEL, (0, top, geometry.window_width, geometry.bar_height))
        surface.fill(FRAME, (0, top, geometry.window_width, 1))
        padding = height
        left, right = padding, geometry.window_width - padding
        first = top + height // 2 + 1
        second = first + height + height // 2

        state = happening(status)
        colour = ERROR if status.is_ruined else WARNING if status.paused else TEXT
        left = self._pill(surface, state, colour, left, first, height, leftwards=False)
        for number, text in enumerate(status.tells):
            count = len(status.tells) - number
            unsaid, later = f"+{count}", [f"+{count - 1}"] * (count > 1)
            if left + sum(self._pill_width(t, height) for t in (text, *later)) > right:
                text = unsaid
            if left + self._pill_width(text, height) > right:
                break
            left = self._pill(surface, text, ERROR, left - height // 2, first, height, leftwards=False)
            if text == unsaid:
                break
        # Beside the state there is room for the tool first, then for the radius, then for the figures.
        radius = f"radius {status.brush_radius_cells}"
        font = letters_for(height)
        if left + font.size(status.tool.value.upper())[0] + height <= right:
            right = self._pill(surface, status.tool.value, TOOL_COLOURS[status.tool], right, first, height)
            if left + font.size(radius)[0] <= right:
                right = self._word(surface, radius, TEXT, right, first, height, leftwards=True)
        speed = speed_text(status.speed, has_tempo=status.has_tempo) + (
            " (limited)" if status.is_limited else ""
        )
        words = [
            (f"step {status.step:,}", TEXT),
            (speed, WARNING if status.is_limited else TEXT),
            (f"{status.steps_per_second:.0f} steps/s", MUTED),
            (f"{status.frames_per_second:.0f} frames/s", MUTED),
        ]
        if status.view != "image":
            words.insert(2, (status.view, WARNING))
        for word, colour in words:
            if left + font.size(word)[0] > right:
                break
            left = self._word(surface, word, colour, left, first, height)

        message = status.message
        room = geometry.window_width - 2 * padding
        told = "" if status.is_ruined else healing_text(status.healing)
        if font.size(told)[0] > room:
            told = ""
        beside = height + font.size(told)[0] if told else 0
        if message is None:
            hints = hints_for(status)
            text = next((hint for hint in hints if font.size(hint)[0] + beside <= room), "")
            if not text and hints is not HINTS:  # What is told only now and then goes before the figures.
                text = next((hint for hint in hints if font.size(hint)[0] <= room), "")
        else:
            text = message.text
        if message is None:
            colour = WARNING if status.is_ruined else MUTED
        else:
            colour = ERROR if message.is_error else TEXT
        surface.blit(font.render(elided(text, font, room), True, colour), (padding, second))
        if told and (not text or font.size(text)[0] + beside <= room):
            right = geometry.window_width - padding
            self._word(surface, told, TEXT, right, second, height, leftwards=True)

    def _word(
        self,
        surface: pygame.Surface,
        text: str,
        colour: Colour,
        x: int,
        y: int,
        height: int,
        *,
        leftwards: bool = False,
    ) -> int:
        image = letters_for(height).render(text, True, colour)
        if leftwards:
            x -= image.get_width()
        surface.blit(image, (x, y))
        return x - height if leftwards else x + image.get_width() + height

    @staticmethod
    def _pill_width(text: str, height: int) -> int:
        return letters_for(height).size(text.upper())[0] + 2 * height

    def _pill(
        self,
        surface: pygame.Surface,
        text: str,
        colour: Colour,
        x: int,
        y: int,
        height: int,
        *,
        leftwards: bool = True,
    ) -> int:
        image = letters_for(height).render(text.upper(), True, PANEL)
        width = image.get_width() + height
        if leftwards:
            x -= width
        rectangle = pygame.Rect(x, y - height // 4, width, image.get_height() + height // 2 - 1)
        pygame.draw.rect(surface, colour, rectangle, border_radius=height // 2)
        surface.blit(image, (x + height // 2, y))
        return x - height if leftwards else x + width + height

    def draw_help(self, surface: pygame.Surface, geometry: Geometry, footer: str) -> None:
        """The list of keys, in the middle, as large as it fits; below it what the footer's lines tell."""
        lines = help_lines()
        groups = list(dict.fromkeys(group for group, _, _ in lines))
        window = (geometry.window_width, geometry.window_height)
        *sentences, last = footer.split("\n")
        height = geometry.text_height
        while True:
            font = letters_for(height)
            gap = height
            line = font.get_height() + max(1, height // 5)
            keys_width = max(font.size(keys)[0] for _, keys, _ in lines)
            width = keys_width + gap + max(font.size(meaning)[0] for _, _, meaning in lines) + 4 * gap
            told = [row for sentence in sentences for row in wrapped(sentence, font, width - 4 * gap)]
            rows = len(lines) + 1.5 * len(groups) + 0.5 + len(told) + 1
            total = int(rows * line) + 2 * gap
            if height <= 7 or (width <= window[0] - 8 and total <= window[1] - 8):
                break
            height -= 1
        shade = pygame.Surface(window, pygame.SRCALPHA, 32)
        shade.fill((*BACKGROUND, 170))
        surface.blit(shade, (0, 0))
        panel = pygame.Rect(0, 0, width, total)
        panel.center = (window[0] // 2, window[1] // 2)
        pygame.draw.rect(surface, PANEL, panel, border_radius=gap)
        pygame.draw.rect(surface, FRAME, panel, width=1, border_radius=gap)
        x, y = panel.left + 2 * gap, panel.top + gap
        for number, group in enumerate(groups):
            if number:
                y += line // 2
            surface.blit(font.render(group.upper(), True, WARNING), (x, y))
            y += line
            for other, keys, meaning in lines:
                if other == group:
                    surface.blit(font.render(keys, True, TEXT), (x, y))
                    surface.blit(font.render(meaning, True, MUTED), (x + keys_width + gap, y))
                    y += line
        y = panel.bottom - gap - (len(told) + 1) * line
        for text, colour in (*((row, TEXT) for row in told), (last, MUTED)):
            surface.blit(font.render(elided(text, font, width - 4 * gap), True, colour), (x, y))
            y += line

    def draw_waiting(
        self, surface: pygame.Surface, stage: str, seconds: float, message: Message | None
    ) -> None:
        """What is seen until the automaton lives: nine cells that breathe, and what is being done."""
        width, height = surface.get_size()
        y = draw_breathing_cells(surface, max(4, min(width, height) // 24), seconds, TEXT)
        size = min(max(min(width // 40, height // 26), 13), 40)
        for text, colour, scale in (("nca-viewer", TEXT, 2), (f"{stage}…", MUTED, 1)):
            image = letters_for(size * scale).render(text, True, colour)
            surface.blit(image, ((width - image.get_width()) // 2, y))
            y += image.get_height() + size // 2
        if message is not None:
            font = letters_for(size)
            image = font.render(
                elided(message.text, font, width - 2 * size), True, ERROR if message.is_error else TEXT
            )
            surface.blit(image, ((width - image.get_width()) // 2, height - 2 * size))


_HEALED = 0.95
"""From this part on damage counts as healed; the rest is beyond what the eye sees."""
_CLEARLY_UNHEALED = 0.90
"""Below this part, what is at rest clearly lacks something."""


def hints_for(status: HudState) -> tuple[str, ...]:
    """What to do now, in fewer and fewer words."""
    if status.is_ruined:
        return RUIN_HINTS
    if status.is_replaying:
        return REPLAY_HINTS
    healing = status.healing
    restored = None if healing is None or not healing.is_damage else healing.restored
    is_resting = status.is_at_rest and not status.paused
    if is_resting and restored is not None and restored < _CLEARLY_UNHEALED:
        return REST_HINTS[-1:] if status.is_changed else REST_HINTS
    return TILES_HINTS if status.has_tiles else HINTS


def happening(status: HudState) -> str:
    """What happens now, in a word or two."""
    if status.is_ruined:
        return "lost"
    healing = status.healing
    restored = None if healing is None else healing.restored
    what, part = "running", ""
    if healing is not None and restored is not None and restored < _HEALED:
        what = "damaged" if healing.is_damage else "forming"
        part = f", {restored:.0%} {'healed' if healing.is_damage else 'restored'}"
    elif healing is not None and healing.is_damage and restored is not None:
        what = "healed"
    if status.is_at_rest:
        what = "at rest"
    if status.paused:
        what = "paused"
    return what + part


def healing_text(healing: Healing | None) -> str:
    """The error, and how much of the last damage is healed; nothing without a clean picture."""
    if healing is None:
        return ""
    word = "healed" if healing.is_damage else "restored"
    part = "" if healing.restored is None else f", {healing.restored:.0%} {word}"
    return f"error {healing.error:.0%}{part}"


def elided(text: str, font: pygame.font.Font, room_pixels: int) -> str:
    """The text, cut in its middle where it is wider than the room, so that both ends stay readable."""
    if len(text) <= room_pixels and font.size(text)[0] <= room_pixels:
        return text

    def shortened(kept: int) -> str:
        head = (kept + 1) // 2
        return f"{text[:head]}…{text[len(text) - (kept - head) :]}"

    # A letter is a pixel wide at least, so that the end of a very long text is never looked for far away.
    lengths = range(1, max(1, min(len(text), room_pixels + 1)))
    kept = bisect.bisect(lengths, room_pixels, key=lambda kept: font.size(shortened(kept))[0])
    return shortened(kept) if kept else ""


def wrapped(text: str, font: pygame.font.Font, room_pixels: int) -> list[str]:
    """The text in as few lines as fit, broken between words; two lines are made about equally long."""
    if font.size(text)[0] <= room_pixels:
        return [text]
    words = text.split(" ")
    lines = [words[0]]
    for word in words[1:]:
        if font.size(f"{lines[-1]} {word}")[0] <= room_pixels:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if len(lines) != 2:
        return lines
    breaks = [[" ".join(words[:n]), " ".join(words[n:])] for n in range(1, len(words))]
    return min(breaks, key=lambda pair: max(font.size(line)[0] for line in pair))
