"""Words over and under the grid: status bar, messages, help and the waiting screen."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Sequence
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
from nca_viewer.errors import presentable
from nca_viewer.healing import Healing
from nca_viewer.interaction.actions import NewDigit, ToggleHelp, Tool, Undo
from nca_viewer.interaction.bindings import brush_gestures, help_lines, key_label
from nca_viewer.interaction.controls import speed_text
from nca_viewer.interaction.geometry import Geometry

_HELP_KEY = key_label(ToggleHelp())
_HELP = f"{_HELP_KEY}: help"


@functools.cache
def brush_hints(tool: Tool, *, killing: bool = False) -> tuple[str, ...]:
    """What to do with a tool, in fewer and fewer words; the first that there is room for."""
    gestures = brush_gestures(tool, killing=killing)
    most = [(*gestures, "wheel: brush"), (*gestures[:2], "wheel: brush"), gestures[:2], gestures[:1], ()]
    return tuple(dict.fromkeys("  ·  ".join((*words, _HELP)) for words in most))


_FRESH_KEY = key_label(NewDigit())
RUIN_HINTS = (
    f"The cells cannot bring this page back  ·  {_FRESH_KEY}: a fresh digit",
    f"This page is lost  ·  {_FRESH_KEY}: a fresh digit",
    f"{_FRESH_KEY}: a fresh digit",
)
"""The same where the page is ruined."""
_WAYS_ON = f"{key_label(Undo())}: undo  ·  {_FRESH_KEY}: a new digit"
REST_HINTS = (
    f"What has not healed was not remembered: too wide, or too soon  ·  {_WAYS_ON}",
    f"The rest was not remembered  ·  {_WAYS_ON}",
    _WAYS_ON,
)
"""The same where the cells are at rest and have not healed; where experiments are on, they may be the reason,
and the last alone is true."""
TILES_HINTS = (
    f"Click a tile: enlarge it  ·  middle click: keep the inspector on a cell  ·  {_HELP}",
    f"Click a tile: enlarge it  ·  {_HELP}",
    _HELP,
)
"""The same where each automaton is shown as several tiles: nothing can be painted there."""
REPLAY_HINTS = (
    f"A record acts in place of hands  ·  hands on the cells end it  ·  {_HELP}",
    f"Hands on the cells end it  ·  {_HELP}",
    _HELP,
)
"""The same while a record is replayed."""
_MESSAGE_SECONDS = 4.0
_ERROR_SECONDS = 8.0
_MOST_SECONDS = 30.0
_LETTERS_READ_PER_SECOND = 15.0


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell, until a moment."""

    text: str
    is_error: bool
    until_seconds: float

    @classmethod
    def info(cls, text: str, now_seconds: float) -> Message:
        """Good news, shown for a few seconds; all of them are shown for as long as it takes to read them."""
        return cls(text, False, now_seconds + _shown_seconds(text, _MESSAGE_SECONDS))

    @classmethod
    def note(cls, text: str, now_seconds: float) -> Message:
        """Something to read, shown for longer."""
        return cls(text, False, now_seconds + _shown_seconds(text, _ERROR_SECONDS))

    @classmethod
    def error(cls, text: str, now_seconds: float) -> Message:
        """Bad news, shown for longer."""
        return cls(text, True, now_seconds + _shown_seconds(text, _ERROR_SECONDS))


def _shown_seconds(text: str, least: float) -> float:
    return min(max(least, len(text) / _LETTERS_READ_PER_SECOND), _MOST_SECONDS)


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
        selected: The tool that is selected, whatever keys and buttons are held; None where it is `tool`.
        is_killing: Whether the brush kills cells instead of using its tool.
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
    selected: Tool | None = None
    is_killing: bool = False


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
        tool = ("kill", ERROR) if status.is_killing else (status.tool.value, TOOL_COLOURS[status.tool])
        if left + font.size(tool[0].upper())[0] + height <= right:
            right = self._pill(surface, *tool, right, first, height)
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
        if message is not None and font.size(message.text)[0] > room:
            message = None  # It is above the bar: `draw_message`.
        told = "" if status.is_ruined else fitting(healing_texts(status.healing), font, room)
        beside = height + font.size(told)[0] if told else 0
        if message is None:
            hints = hints_for(status)
            text = fitting(hints, font, room - beside)
            if not text and hints != _usual_hints(status):  # What is rarely told goes before the figures.
                text = fitting(hints, font, room)
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

    def draw_message(self, surface: pygame.Surface, geometry: Geometry, message: Message) -> None:
        """One that is too long for the status bar's line, above it in as many lines as it takes.

        Beside the panel, where that leaves room enough. Without the bar errors alone are told.
        """
        height, padding = geometry.text_height, geometry.text_height
        font = letters_for(height)
        room = geometry.window_width - 2 * padding
        bottom = geometry.window_height - geometry.bar_height - geometry.caption_height
        if not message.is_error if geometry.bar_height == 0 else font.size(message.text)[0] <= room:
            return
        line = font.get_height() + 1
        most = max(1, (bottom - padding) // line)
        lines: tuple[str, ...] = ()
        for width in (room - geometry.panel_width, room):
            lines = lines_of(message.text, font, width)
            if width > 12 * height and len(lines) <= most:
                break
        box = pygame.Rect(0, 0, width + 2 * padding, min(len(lines), most) * line + padding)
        box.bottom = bottom
        surface.fill(PANEL, box)
        pygame.draw.rect(surface, FRAME, box, width=1)
        y = box.top + padding // 2
        for text in _ends_of(lines, most):
            surface.blit(font.render(text, True, ERROR if message.is_error else TEXT), (padding, y))
            y += line

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
        window = (geometry.window_width, geometry.window_height)
        *sentences, last = footer.split("\n")
        height = geometry.text_height
        while True:
            font, gap = letters_for(height), height
            line = font.get_height() + max(1, height // 5)
            keys_width = max(font.size(keys)[0] for _, keys, _ in lines)
            meaning_width = max(font.size(meaning)[0] for _, _, meaning in lines)
            width = keys_width + meaning_width + 5 * gap
            told = [row for sentence in sentences for row in wrapped(sentence, font, width - 4 * gap)]
            rows = len(lines) + 1.5 * len({group for group, _, _ in lines}) + 0.5 + len(told) + 1
            total = int(rows * line) + 2 * gap
            if width <= window[0] - 8 and total <= window[1] - 8:
                break
            if height > 7:
                height -= 1
            elif total > window[1] - 8 and len(lines) > 1:  # The last lines matter least.
                lines, sentences, last = lines[:-1], [], "more in a larger window"
            else:
                break
        width = min(width, max(window[0] - 8, 1))
        shade = pygame.Surface(window, pygame.SRCALPHA, 32)
        shade.fill((*BACKGROUND, 170))
        surface.blit(shade, (0, 0))
        panel = pygame.Rect(0, 0, width, total)
        panel.center = (window[0] // 2, window[1] // 2)
        pygame.draw.rect(surface, PANEL, panel, border_radius=gap)
        pygame.draw.rect(surface, FRAME, panel, width=1, border_radius=gap)
        x, y = panel.left + 2 * gap, panel.top + gap
        room, group = width - 4 * gap, ""
        for of_group, keys, meaning in lines:
            if of_group != group:
                y += line // 2 if group else 0
                group = of_group
                surface.blit(font.render(elided(group.upper(), font, room), True, WARNING), (x, y))
                y += line
            surface.blit(font.render(elided(keys, font, room), True, TEXT), (x, y))
            beside = elided(meaning, font, room - keys_width - gap)
            surface.blit(font.render(beside, True, MUTED), (x + keys_width + gap, y))
            y += line
        y = panel.bottom - gap - (len(told) + 1) * line
        for text, colour in (*((row, TEXT) for row in told), (last, MUTED)):
            surface.blit(font.render(elided(text, font, room), True, colour), (x, y))
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
            line = font.get_height() + 1
            all_lines = lines_of(message.text, font, width - 2 * size)
            lines = _ends_of(all_lines, max(1, (height - size) // line))
            y = min(height - 2 * size, height - size // 2 - len(lines) * line)
            for text in lines:
                image = font.render(text, True, ERROR if message.is_error else TEXT)
                box = image.get_rect(midtop=(width // 2, y))
                surface.fill(BACKGROUND, box)
                surface.blit(image, box)
                y += line


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
    if status.has_tiles:
        return TILES_HINTS
    return _usual_hints(status)


def _usual_hints(status: HudState) -> tuple[str, ...]:
    return brush_hints(status.selected or status.tool, killing=status.is_killing)


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


def healing_texts(healing: Healing | None) -> tuple[str, ...]:
    """The error, and how much of the last damage is healed, in fewer and fewer words."""
    if healing is None:
        return ()
    error = f"error {healing.error:.0%}"
    if healing.restored is None:
        return (error,)
    part = f"{healing.restored:.0%}"
    word = "healed" if healing.is_damage else "restored"
    return (f"{error}, {part} {word}", f"{part} {word}", part)


def fitting(texts: Sequence[str], font: pygame.font.Font, room_pixels: int) -> str:
    """The first of some texts that there is room for; empty where there is none."""
    return next((text for text in texts if font.size(text)[0] <= room_pixels), "")


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


_MOST_LETTERS = 2000


@functools.lru_cache(maxsize=16)
def lines_of(text: str, font: pygame.font.Font, room_pixels: int) -> tuple[str, ...]:
    """As `wrapped`, but words that are too long for a line are broken, after a slash where there is one.

    Of a very long text both ends are kept.
    """
    text = presentable(text)
    if len(text) > _MOST_LETTERS:
        text = f"{text[: _MOST_LETTERS // 2]}…{text[-_MOST_LETTERS // 2 :]}"

    def width(rest: str, length: int) -> int:
        return font.size(rest[:length])[0]

    lines = []
    for rest in wrapped(text, font, room_pixels):
        while len(rest) > 1 and font.size(rest)[0] > room_pixels:
            fit = bisect.bisect(range(1, len(rest)), room_pixels, key=functools.partial(width, rest))
            after_slash = max(rest.rfind(sign, 0, fit) for sign in "/\\ ") + 1
            kept = max(1, after_slash if after_slash > fit // 2 else fit)
            lines.append(rest[:kept])
            rest = rest[kept:]
        lines.append(rest)
    return tuple(lines)


def _ends_of(lines: Sequence[str], most: int) -> Sequence[str]:
    """So many of some lines, the last ones rather than the first: the remedy is at the end."""
    if len(lines) <= most:
        return lines
    first = (most - 1) // 2
    last = lines[len(lines) - (most - first) :]
    return [*lines[:first], f"…{last[0]}", *last[1:]]
