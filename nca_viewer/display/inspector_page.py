"""What the page about one cell says, and where on it: pure functions, without a pixel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nca_viewer.views.attention import DIRECTION_NAMES
from nca_viewer.views.cells import channel_meaning, channel_name, hidden_name
from nca_viewer.views.scene import MOORE_OFFSETS, NEVER, Scene

Rectangle: TypeAlias = tuple[int, int, int, int]
"""(left, top, width, height) in pixels."""

STAGE_SECONDS = 2.5
_GROWING_SHARE = 0.7
"""Of a stage, in which its picture grows; then it stands still, to be read."""


class Section(Enum):
    """A part of the page."""

    SIGHT = "sight"
    HEADS = "heads"
    PERCEPTION = "perception"
    CHANNELS = "channels"
    DECISION = "decision"


class Stage(Enum):
    """A part of the story of one step, in order; its value is what it lights."""

    LOOK = (Section.SIGHT,)
    WEIGH = (Section.HEADS,)
    MIX = (Section.HEADS, Section.PERCEPTION)
    UPDATE = (Section.PERCEPTION, Section.CHANNELS)
    CHANGE = (Section.CHANNELS, Section.DECISION)


STORY_LENGTH_SECONDS = STAGE_SECONDS * len(Stage)
"""How long the story of one step lasts."""


def stage_at(story_seconds: float | None) -> tuple[Stage, float] | None:
    """The stage of the story at a time since its beginning, and how far its picture has grown, 0 to 1.

    None without a story (None or NaN), and after its end.
    """
    if story_seconds is None or not story_seconds < STORY_LENGTH_SECONDS:
        return None
    number, seconds = divmod(max(story_seconds, 0.0), STAGE_SECONDS)
    share = min(seconds / (STAGE_SECONDS * _GROWING_SHARE), 1.0)
    return list(Stage)[int(number)], share * share * (3 - 2 * share)


class Fate(Enum):
    """What becomes of one cell in a step; its value is said of it."""

    SLEEPS = "sleeps and stays as it is"
    CHANGES = "changes"
    LIMITED = "is awake, but the limit undoes every change"
    UNCHANGED = "is awake, but no change is proposed"
    KEPT = "is awake, but no proposed change is taken"


@dataclass(frozen=True, eq=False, slots=True)
class NextStep:
    """What one cell does in the next step.

    Attributes:
        weights: float32[9, heads], in the order of `MOORE_OFFSETS`.
        perception: float32[P].
        update: float32[C], what it would add.
        next_state: float32[C], what it holds after the step.
        limited: bool[C], which channels stay because they are at the limit of the state.
        fate: Whether it sleeps, changes, or is awake and stays as it is.
        asleep_share: Of all cells, that sleep in this step.
    """

    weights: NDArray[np.float32]
    perception: NDArray[np.float32]
    update: NDArray[np.float32]
    next_state: NDArray[np.float32]
    limited: NDArray[np.bool_]
    fate: Fate
    asleep_share: float


@dataclass(frozen=True, eq=False, slots=True)
class CellFacts:
    """One cell, and what it sees.

    Attributes:
        row: From 0.
        column: From 0.
        step: Steps since the start of the episode.
        inside: Which of the nine places lie within the grid.
        colours: uint8[9, 3], of the image there; black beyond the border.
        state: float32[C].
        channel_names: C of them.
        damaged_steps_ago: None where it was never damaged.
        next_step: None while that is being prepared.
    """

    row: int
    column: int
    step: int
    inside: tuple[bool, ...]
    colours: NDArray[np.uint8]
    state: NDArray[np.float32]
    channel_names: tuple[str, ...]
    damaged_steps_ago: int | None
    next_step: NextStep | None


def facts_of(scene: Scene, cell: tuple[int, int]) -> CellFacts | None:
    """What there is to say of a cell; None where the grid has no such cell."""
    state, image = scene.snapshot.state, scene.snapshot.image
    height, width = state.shape[:2]
    row, column = cell
    if not (0 <= row < height and 0 <= column < width):
        return None
    places = [(row + down, column + right) for down, right in MOORE_OFFSETS]
    inside = tuple(0 <= y < height and 0 <= x < width for y, x in places)
    colours = np.zeros((len(places), 3), np.uint8)
    for number, place in enumerate(places):
        if inside[number]:
            colours[number] = image[place]
    damaged = NEVER if scene.damage_step is None else int(scene.damage_step[cell])
    return CellFacts(
        row,
        column,
        scene.snapshot.step,
        inside,
        colours,
        state[cell],
        tuple(channel_name(scene, channel) for channel in range(state.shape[2])),
        None if damaged == NEVER else max(scene.snapshot.step - damaged, 0),
        _next_step(scene, cell),
    )


def _next_step(scene: Scene, cell: tuple[int, int]) -> NextStep | None:
    explanation = scene.next_step
    if explanation is None:
        return None
    fires = explanation.fires
    update, next_state = explanation.update[cell], explanation.next_state[cell]
    limited = _limited(scene.snapshot.state, cell, update, next_state)
    return NextStep(
        explanation.weights[(slice(None), *cell)],
        explanation.perception[cell],
        update,
        next_state,
        limited & fires[cell],
        _fate(scene.snapshot.state[cell], update, next_state, limited) if fires[cell] else Fate.SLEEPS,
        1.0 - np.count_nonzero(fires) / fires.size,
    )


def _limited(
    state: NDArray[np.float32],
    cell: tuple[int, int],
    update: NDArray[np.float32],
    next_state: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Which channels of a cell the limit keeps as they are: those as far out as any, and pushed outwards."""
    values, sizes = state[cell], np.abs(state)
    outmost = np.max(sizes, where=np.isfinite(sizes), initial=0.0)
    with np.errstate(invalid="ignore"):
        is_pushed_outwards = np.sign(update) * np.sign(values) > 0
    return is_pushed_outwards & (np.abs(values) == outmost) & (next_state == values)


def _fate(
    values: NDArray[np.float32],
    update: NDArray[np.float32],
    next_state: NDArray[np.float32],
    limited: NDArray[np.bool_],
) -> Fate:
    """What becomes of a cell that is awake."""
    if (next_state != values).any():
        return Fate.CHANGES
    # What is too small to count is no proposal.
    proposed = limited[values + update != values]
    if not len(proposed):
        return Fate.UNCHANGED
    return Fate.LIMITED if proposed.all() else Fate.KEPT


_ALL_AROUND_SHARE = 0.9
"""Of the largest entropy there is; above it no cell is preferred."""
_ITSELF_WEIGHT = 0.5
_NOWHERE_CELLS = 0.3
"""A mean offset shorter than this is no direction."""


def read_head(weights: NDArray[np.floating], inside: tuple[bool, ...]) -> str:
    """In plain words, what one head of one cell does: "looks up and left".

    Args:
        weights: float[9], in the order of `MOORE_OFFSETS`.
        inside: Which of the nine lie within the grid.
    """
    shares: list[float] = weights.tolist()
    if not all(map(math.isfinite, shares)):
        return "sees NaN"
    entropy = -sum(share * math.log(share) for share in shares if share > 0)
    number = sum(inside)
    if number > 1 and entropy >= _ALL_AROUND_SHARE * math.log(number):
        return "looks all around"
    if shares[MOORE_OFFSETS.index((0, 0))] >= _ITSELF_WEIGHT:
        return "looks at itself"
    row = sum(share * offset[0] for share, offset in zip(shares, MOORE_OFFSETS, strict=True))
    column = sum(share * offset[1] for share, offset in zip(shares, MOORE_OFFSETS, strict=True))
    if math.hypot(row, column) < _NOWHERE_CELLS:
        return f"looks at {max(2, round(math.exp(entropy)))} cells"
    eighth = round(math.atan2(-row, column) / (math.pi / 4)) % 8
    return f"looks {list(DIRECTION_NAMES.values())[eighth]}"


def place_name(number: int) -> str:
    """In words, one of the nine places."""
    return DIRECTION_NAMES.get(MOORE_OFFSETS[number], "itself")


def number_text(value: float, *, signed: bool = False) -> str:
    """A value with two decimals, or "NaN", or "inf"."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if abs(value) >= 1e4:
        return f"{value:{'+' if signed else ''}.1e}"
    text = f"{value:{'+' if signed else ''}.2f}"
    return text[1:] if text in ("-0.00", "+0.00") else text


def percent_text(weight: float) -> str:
    """A weight as percent, without the sign for it; "NaN" where it is none."""
    return f"{100 * weight:.0f}" if math.isfinite(weight) else "NaN"


def shown_weights(
    weights: NDArray[np.floating], inside: tuple[bool, ...], grown: float
) -> NDArray[np.floating]:
    """Weights float[9, heads] on their way from equal ones (0) to what they are (1)."""
    if grown >= 1.0:
        return weights
    equal = np.array(inside, np.float32)[:, None] / sum(inside)
    return equal + grown * (weights - equal)


def sentence_of(stage: Stage, facts: CellFacts) -> str:
    """One stage of the story in plain words."""
    number = sum(facts.inside)
    step = facts.next_step
    if stage is Stage.LOOK:
        if number == len(facts.inside):
            return "1. Look: it sees nine cells, itself and its eight neighbours, and nothing else."
        neighbours = "no neighbour" if number == 1 else f"{number - 1} neighbours"
        return f"1. Look: it sees itself and {neighbours}. Beyond the border there is nothing to see."
    if step is None:
        return PREPARING
    heads, channels = step.weights.shape[1], len(step.update)
    if stage is Stage.WEIGH:
        who = "its one head decides" if heads == 1 else f"each of its {heads} heads decides"
        return f"2. Weigh: {who} anew how much of each of these cells it takes in."
    if stage is Stage.MIX:
        who = "the head brings" if heads == 1 else "the heads bring"
        into = f"{len(step.perception)} numbers"
        return f"3. Mix: what {who} from these cells is mixed into {into}: all it knows of its surroundings."
    if stage is Stage.UPDATE:
        return f"4. Update: from this, a small network proposes a change for each of its {channels} channels."
    return f"5. Sleep or change: {_asleep(step.asleep_share)} This one {step.fate.value}."


def _asleep(share: float) -> str:
    if share == 0.0:
        return "no cell sleeps in this step."
    if 0.4 <= share <= 0.6:
        return "by chance, half of all cells sleep in each step."
    return f"by chance, {max(1, round(100 * share))} % of all cells sleep in this step."


PREPARING = "The next step is being prepared ..."
PROMPT = "Point at a cell; the middle button keeps it."


_DECISIONS = {
    Fate.SLEEPS: "In this step it sleeps.",
    Fate.CHANGES: "In this step it changes.",
    Fate.LIMITED: "Awake, but the limit undoes every change.",
    Fate.UNCHANGED: "Awake, but no change is proposed.",
    Fate.KEPT: "Awake, but no proposed change is taken.",
}


def decision_text(step: NextStep | None) -> str:
    """What becomes of the cell in this step; nothing while that is not known."""
    return "" if step is None else _DECISIONS[step.fate]


def held_text(facts: CellFacts) -> str:
    """Which step a story is of, while time runs on."""
    return f"step {facts.step:,}, held while it is told"


@dataclass(frozen=True, slots=True)
class HeadPlace:
    """Where a head is shown.

    Attributes:
        number: From 0.
        tiles: The nine weights.
        words: What it does.
    """

    number: int
    tiles: Rectangle
    words: Rectangle


@dataclass(frozen=True, slots=True)
class ChannelPlace:
    """Where a channel is shown.

    Attributes:
        number: From 0.
        row: All of it.
        label: Of the text.
        text: Its name, the name in short, or only its number.
        figure: The value in figures; None where there is no room for it.
        value: The bar of the value.
        update: The bar of the next update.
    """

    number: int
    row: Rectangle
    label: Rectangle
    text: str
    figure: Rectangle | None
    value: Rectangle
    update: Rectangle


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is, from the panel's upper left corner on.

    Attributes:
        text_height: Of the letters, in pixels.
        sight: The nine cells.
        facts: Words beside them.
        heads_title: A line.
        heads: Those that have room.
        perception_title: A line; None where perception is left out.
        perception: Rows of boxes; None where it is left out.
        perception_columns: How many boxes lie in a row.
        channels_title: A line.
        channels: Those that have room.
        has_names: Whether labels have room for whole names.
        decision: A line.
        sentence: Lines at the bottom.
    """

    text_height: int
    sight: Rectangle
    facts: Rectangle
    heads_title: Rectangle
    heads: tuple[HeadPlace, ...]
    perception_title: Rectangle | None
    perception: Rectangle | None
    perception_columns: int
    channels_title: Rectangle
    channels: tuple[ChannelPlace, ...]
    has_names: bool
    decision: Rectangle
    sentence: Rectangle

    @property
    def line_height(self) -> int:
        """From one line of text to the next."""
        return _line_height(self.text_height)

    def rectangles(self) -> dict[Section, tuple[Rectangle, ...]]:
        """Of each section, what it is made of."""
        return {
            Section.SIGHT: (self.sight, self.facts),
            Section.HEADS: (
                self.heads_title,
                *(part for head in self.heads for part in (head.tiles, head.words)),
            ),
            Section.PERCEPTION: tuple(
                part for part in (self.perception_title, self.perception) if part is not None
            ),
            Section.CHANNELS: (self.channels_title, *(channel.row for channel in self.channels)),
            Section.DECISION: (self.decision,),
        }


_LEAST_TEXT = 10
_LARGEST_TEXT = 20
_SPACIOUS = (2.0, 1.6, 1.3, 1.0, 0.8, 0.6, 0.4)
_NARROW = (0.2, 0.0)
_LONGEST_READING = 9.8
"""Of "looks down and right", in heights of its letters, with some to spare."""
_SENTENCE_LINES = 3
_MOST_COLUMNS = 8
_LEAST_COLUMN = 6.5
"""Of channels, in heights of the letters."""
_NUMBER_LABEL = 1.5
_LONGEST_SHORT_LABEL = 4.9
_CHARACTER = 0.6
_LEAST_BARS = 2.6
"""These four too: of a label with a number, of one with a name in short, of its characters, of both bars."""


def _line_height(text_height: int) -> int:
    return math.ceil(1.25 * text_height)


@dataclass(frozen=True, slots=True)
class _Heads:
    """How the heads lie: `columns` side by side, with `lines_below` of words, or words beside them."""

    columns: int
    tile: int
    lines_below: int
    height: int


class _Draft:
    """The sizes of a page of which not everything is known to fit."""

    def __init__(self, width: int, text: int, spaciousness: float) -> None:
        self.text = text
        self.line = _line_height(text)
        self.margin = max(6, round(0.8 * text))
        self.inner = max(width - 2 * self.margin, 1)
        self.gap = round(text * (0.4 + 0.3 * spaciousness))
        self.tile = max(1, min(round(text * (1.8 + 1.15 * spaciousness)), (self.inner - 14 * text) // 3))
        self.row = round(text * (1.0 + 0.4 * spaciousness))
        self.sight = 3 * max(self.tile, math.ceil(4.2 * self.line / 3))
        self.sentence = _SENTENCE_LINES * self.line

    def heads(self, number: int) -> _Heads:
        """The arrangement that takes the least height."""
        return min(self._arrangements(number), key=lambda heads: heads.height)

    def _arrangements(self, number: int) -> Iterator[_Heads]:
        tiles = 3 * self.tile
        for columns in range(1, number + 1):
            room = self.column(columns)
            rows = math.ceil(number / columns)
            if room >= tiles + self.gap + 5.5 * self.text:
                yield _Heads(columns, self.tile, 0, rows * (tiles + self.gap) - self.gap)
            elif room >= max(tiles, 5 * self.text):
                lines = 2 if room >= _LONGEST_READING * self.text else 3
                height = tiles + lines * self.line + 2
                yield _Heads(columns, self.tile, lines, rows * (height + self.gap) - self.gap)
        if number == 0:
            yield _Heads(1, self.tile, 0, 0)
        else:
            yield _Heads(1, self.tile, 3, number * (tiles + 3 * self.line + 2 + self.gap) - self.gap)

    def perception(self, number: int) -> tuple[int, int, int] | None:
        """(columns, rows, box) of this many boxes; None where there are none, or far too many."""
        if not number:
            return None
        rows = min(math.ceil(number * 0.75 * self.text / self.inner), 4)
        columns = math.ceil(number / rows)
        box = min(self.inner // columns, self.text)
        return (columns, math.ceil(number / columns), box) if box >= 2 else None

    def rest(self, *, has_perception: bool) -> int:
        """The height of all that is always there, with the gaps between the sections."""
        sections = 6 if has_perception else 5
        titles = 3 if has_perception else 2
        ends = 2 * self.margin + (sections - 1) * self.gap
        return ends + self.sight + titles * self.line + self.line + self.sentence

    def column(self, columns: int) -> int:
        """The width of one of several columns."""
        return (self.inner - (columns - 1) * self.gap) // columns


@lru_cache(maxsize=64)
def layout_of(
    width: int, height: int, heads: int, channels: int, perception: int, names: tuple[str, ...] = ()
) -> Layout:
    """Where everything is on a page.

    The letters and tiles are as large as fits. What does not fit is left out in this order: names of channels
    that are only hidden ones, and figures beside the bars (the pointer tells them), the perception, hidden
    channels (the last one, the image, stays), heads. Names in short are kept as long as bars beside them are.

    Args:
        width: Of the panel, in pixels.
        height: Of the panel, in pixels.
        heads: Number of attention heads; 0 where it is not known.
        channels: Number of channels.
        perception: Number of values of the perception; 0 where there is none.
        names: Of the channels; those without one are told by number.
    """
    largest = max(_LEAST_TEXT, min(_LARGEST_TEXT, width // 23, height // 54))
    for is_shown in (True, False) if perception else (False,):
        for text in range(largest, _LEAST_TEXT - 1, -1):
            for columns, spaciousness in (
                (columns, spaciousness)
                for part in (_SPACIOUS, _NARROW)
                for columns in range(1, _MOST_COLUMNS + 1)
                for spaciousness in part
            ):
                draft = _Draft(width, text, spaciousness)
                boxes = draft.perception(perception) if is_shown else None
                fixed = draft.rest(has_perception=boxes is not None) + draft.heads(heads).height
                if boxes is not None:
                    fixed += boxes[1] * boxes[2]
                has_room = columns == 1 or draft.column(columns) >= _LEAST_COLUMN * text
                if has_room and fixed + math.ceil(channels / columns) * draft.row <= height:
                    return _placed(draft, height, heads, range(channels), columns, boxes, names)
    draft = _Draft(width, _LEAST_TEXT, 0.0)
    columns = max(
        columns
        for columns in range(1, _MOST_COLUMNS + 1)
        if columns == 1 or draft.column(columns) >= _LEAST_COLUMN * _LEAST_TEXT
    )
    for number in range(heads, -1, -1):
        room = height - draft.rest(has_perception=False) - draft.heads(number).height
        kept = min(columns * (room // draft.row), channels)
        if kept > 0 or number == 0:
            shown = (*range(max(kept, 1) - 1), channels - 1)
            return _placed(draft, height, number, shown, columns, None, names)
    raise AssertionError("unreachable: no head at all is the last try")


def _placed(
    draft: _Draft,
    height: int,
    heads: int,
    channels: range | tuple[int, ...],
    columns: int,
    boxes: tuple[int, int, int] | None,
    names: tuple[str, ...],
) -> Layout:
    left, inner, gap, line = draft.margin, draft.inner, draft.gap, draft.line
    sight = (left, draft.margin, draft.sight, draft.sight)
    facts_left = left + draft.sight + draft.text
    facts = (facts_left, draft.margin, max(left + inner - facts_left, 1), draft.sight)
    top = draft.margin + draft.sight + gap
    heads_title = (left, top, inner, line)
    top += line
    arrangement = draft.heads(heads)
    head_places = tuple(_head_places(draft, arrangement, heads, top))
    top += arrangement.height + gap
    perception_title = perception_place = None
    if boxes is not None:
        per_row, rows, box = boxes
        perception_title = (left, top, inner, line)
        perception_place = (left, top + line, per_row * box, rows * box)
        top += line + rows * box + gap
    channels_title = (left, top, inner, line)
    top += line
    rows = math.ceil(len(channels) / columns)
    bottom = height - draft.margin - draft.sentence
    # What is left over makes the rows higher.
    spare = (bottom - line - 2 * gap - top) // max(rows, 1)
    row = max(draft.row, min(spare, round(1.8 * draft.text)))
    room = draft.column(columns)
    has_names = room >= 15 * draft.text
    figure = round(2.9 * draft.text) if has_names or room >= 10 * draft.text else 0
    if has_names:
        label_room = round(0.47 * room)
        letters = round(label_room / (_CHARACTER * draft.text))
        texts = [_label(names, channel, letters) for channel in channels]
        labels = [label_room] * columns
    else:
        texts = [_short_label(names, channel) for channel in channels]
        widths = _label_widths(draft, texts, columns, rows, room - figure)
        if widths is None:
            texts = [str(channel) for channel in channels]
        labels = widths or [round(_NUMBER_LABEL * draft.text)] * columns
    # Bars are as long in every column.
    rest = (columns * room - sum(labels)) // columns
    places = tuple(
        _channel_place(
            draft,
            channel,
            texts[index],
            (
                left + sum(labels[: index // rows]) + index // rows * (rest + gap),
                top + index % rows * row,
                labels[index // rows] + rest,
                row,
            ),
            labels[index // rows],
            figure,
        )
        for index, channel in enumerate(channels)
    )
    return Layout(
        draft.text,
        sight,
        facts,
        heads_title,
        head_places,
        perception_title,
        perception_place,
        0 if boxes is None else boxes[0],
        channels_title,
        places,
        has_names,
        (left, max(bottom - line - gap, top + rows * row), inner, line),
        (left, bottom, inner, draft.sentence),
    )


def _head_places(draft: _Draft, heads: _Heads, number: int, top: int) -> Iterator[HeadPlace]:
    tiles = 3 * heads.tile
    room = draft.column(heads.columns)
    below = heads.lines_below and heads.lines_below * draft.line + 2
    height = tiles + below
    for head in range(number):
        row, column = divmod(head, heads.columns)
        x = draft.margin + column * (room + draft.gap)
        y = top + row * (height + draft.gap)
        if below:
            words = (x, y + tiles + 2, room, below - 2)
        else:
            words = (x + tiles + draft.gap, y, room - tiles - draft.gap, tiles)
        yield HeadPlace(head, (x, y, tiles, tiles), words)


_COMPASS = {"north": "N", "east": "E", "south": "S", "west": "W"}


def _short_label(names: tuple[str, ...], channel: int) -> str:
    """ "ink 1 NE", or a number for a channel that has no name."""
    if channel >= len(names) or names[channel] == hidden_name(channel):
        return str(channel)
    words = [word.split("-") for word in names[channel].split()]
    return " ".join(
        "".join(_COMPASS[part] for part in parts) if _COMPASS.keys() >= set(parts) else "-".join(parts)
        for parts in words
    )


def _label(names: tuple[str, ...], channel: int, letters: int) -> str:
    """ "ink 1 north-east", in short where there is no room for so many letters; a number without a name."""
    is_whole = channel < len(names) and len(names[channel]) <= letters
    return names[channel] if is_whole else _short_label(names, channel)


def _label_widths(draft: _Draft, texts: list[str], columns: int, rows: int, room: int) -> list[int] | None:
    """Of each column's labels; None where the bars beside them would be too short."""
    widths = []
    for column in range(columns):
        characters = max(map(len, texts[column * rows : (column + 1) * rows]), default=0)
        width = min(max(_CHARACTER * characters, _NUMBER_LABEL), _LONGEST_SHORT_LABEL)
        widths.append(round(width * draft.text))
    bars = room - sum(widths) / columns - 3 * _space(draft.text)
    has_room = bars >= _LEAST_BARS * draft.text
    return widths if has_room else None


def _space(text: int) -> int:
    """Between the parts of a channel's row."""
    return max(2, text // 3)


def _channel_place(
    draft: _Draft, channel: int, label_text: str, row: Rectangle, label: int, figure: int
) -> ChannelPlace:
    x, y, room, height = row
    space = _space(draft.text)
    bars = max(room - label - figure - (2 if figure else 1) * space - space, 2)
    value = round(0.58 * bars)
    bar_height = max(1, height - max(2, height // 4))
    bar_top = y + (height - bar_height) // 2
    at = x + label + space
    figure_place = (at, y, figure, height) if figure else None
    at += figure + space if figure else 0
    return ChannelPlace(
        channel,
        row,
        (x, y, label, height),
        label_text,
        figure_place,
        (at, bar_top, value, bar_height),
        (at + value + space, bar_top, bars - value, bar_height),
    )


def _index_in(place: Rectangle, columns: int, rows: int, point: tuple[int, int]) -> int | None:
    """Which of the equal boxes that a rectangle is divided into lies at a point; None outside."""
    left, top, width, height = place
    x, y = point[0] - left, point[1] - top
    if not (0 <= x < width and 0 <= y < height):
        return None
    return min(y * rows // height, rows - 1) * columns + min(x * columns // width, columns - 1)


def told_at(layout: Layout, facts: CellFacts, point: tuple[int, int]) -> str | None:
    """What the page tells of a point on it, in words; None where there is nothing."""
    place = _index_in(layout.sight, 3, 3, point)
    if place is not None:
        row, column = (facts.row + MOORE_OFFSETS[place][0], facts.column + MOORE_OFFSETS[place][1])
        if not facts.inside[place]:
            return f"{place_name(place)}: beyond the border"
        brightness = ", ".join(str(part) for part in dict.fromkeys(facts.colours[place].tolist()))
        return f"{place_name(place)}: row {row}, column {column}, brightness {brightness} of 255"
    step = facts.next_step
    for channel in layout.channels:
        if _index_in(channel.row, 1, 1, point) is not None:
            value = float(facts.state[channel.number])
            name = facts.channel_names[channel.number]
            text = f"{channel.number}, {name}: {number_text(value)}"
            if step is not None:
                update, after = (float(part[channel.number]) for part in (step.update, step.next_state))
                text += f"; proposed {number_text(update, signed=True)}, then {number_text(after)}"
                if step.fate is Fate.SLEEPS:
                    text += ", as it sleeps"
                elif step.limited[channel.number]:
                    text += ", the limit of the state"
            meaning = channel_meaning(name)
            return f"{text}. {meaning}" if meaning else text
    if step is None:
        return None
    for head in layout.heads:
        place = _index_in(head.tiles, 3, 3, point)
        if place is not None and head.number < step.weights.shape[1]:
            if not facts.inside[place]:
                return f"head {head.number}, {place_name(place)}: beyond the border"
            weight = float(step.weights[place, head.number])
            figure = f"{100 * weight:.1f} %" if math.isfinite(weight) else "NaN"
            return f"head {head.number}, {place_name(place)}: {figure}"
    if layout.perception is not None:
        rows = math.ceil(len(step.perception) / layout.perception_columns)
        place = _index_in(layout.perception, layout.perception_columns, rows, point)
        if place is not None and place < len(step.perception):
            return f"perception {place}: {number_text(float(step.perception[place]))}"
    return None
