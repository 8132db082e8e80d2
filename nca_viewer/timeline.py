"""The past of an automaton: undo and redo, steps back, and any kept moment as a new present.

A line is what happened, in order: steps, edits and starts. Some of its states are kept; whichever lies
between two of them is computed again from the earlier one, bit for bit, because everything random follows
from (seed, episode, step). Lines are immutable, functions on them pure; `Timeline` is the stateful shell.
"""

from __future__ import annotations

import bisect
import operator
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nca_viewer.automaton.experiments import killed_cells
from nca_viewer.interaction.actions import Tool
from nca_viewer.moment import Start

if TYPE_CHECKING:
    from nca_viewer.moment import Moment
    from nca_viewer.panes import Panes
    from nca_viewer.simulation import Simulation

MAX_BYTES = 64 * 2**20
"""What the past may hold, unless told otherwise."""

KEEP_EVERY = 16
"""Steps and edits from one kept state to the next, while there is memory."""

LONGEST_REPLAY = 128
"""Steps and edits that thinning leaves between two kept states at most: 0.04 to 0.1 s to compute again."""

DAMAGING_TOOLS = frozenset({Tool.ERASE, Tool.CORRUPT})
"""What destroys cells; paint adds to them."""

_OBJECT_BYTES = 400
"""Of the objects round an edit's cells, or a mark's."""


class Position(NamedTuple):
    """A state's place on a line; the order is that in which things happened.

    Attributes:
        tick: Steps and starts before it. Unlike a step's number, it never goes back.
        events: Edits and starts before it.
    """

    tick: int
    events: int

    @property
    def work(self) -> int:
        """Everything before it: what computing it again would take."""
        return self.tick + self.events


@dataclass(frozen=True, eq=False, slots=True)
class Kept:
    """A state that is held.

    Attributes:
        position: Where on the line.
        moment: The state and all that its future follows from.
        is_start: Whether it follows from nothing before it, so that it cannot be computed again.
    """

    position: Position
    moment: Moment
    is_start: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Event:
    """An edit of one frame, or a start.

    Attributes:
        tick: When.
        tool: What acted; None is a start, or an experiment in which the cells died.
        cells: uint8[ceil(H * W / 8)], the touched cells as bits; none for a start.
        ink: What the tool set.
    """

    tick: int
    tool: Tool | None
    cells: np.ndarray
    ink: float

    def is_same(self, other: Event) -> bool:
        """Whether doing it right after the other changes nothing: a tool's second touch within a step."""
        return (
            self.tool is not None
            and (self.tick, self.tool, self.ink) == (other.tick, other.tool, other.ink)
            and np.array_equal(self.cells, other.cells)
        )


@dataclass(frozen=True, eq=False, slots=True)
class Mark:
    """A stroke or a start: what undo goes back over, and what a chart marks.

    Attributes:
        before: Where undo leads.
        tick: When it began.
        step: The same, in steps since the start of its episode.
        episode: Number of that episode.
        tool: Of a stroke; where it changed, the one that damages. None is a start, or a stroke that killed.
        touched: uint8[ceil(H * W / 8)], all cells of the stroke as bits.
    """

    before: Position
    tick: int
    step: int
    episode: int
    tool: Tool | None
    touched: np.ndarray

    @property
    def cells(self) -> int:
        """How many cells the stroke touched; 0 for a start."""
        return int(np.bitwise_count(self.touched).sum())

    @property
    def is_damage(self) -> bool:
        """Whether it destroyed cells."""
        return self.tool in DAMAGING_TOOLS

    def joined(self, event: Event) -> Mark:
        """The stroke with one more of its edits."""
        tool = event.tool if event.tool in DAMAGING_TOOLS or not self.is_damage else self.tool
        return replace(self, tool=tool, touched=self.touched | event.cells)


@dataclass(frozen=True, eq=False, slots=True)
class Line:
    """What happened, in order.

    Attributes:
        kept: The states that are held, at least one; the first is the oldest state that can be reached.
        events: Edits and starts since that one.
        marks: Strokes and starts since that one.
        end: Of the newest state.
    """

    kept: tuple[Kept, ...]
    events: tuple[Event, ...]
    marks: tuple[Mark, ...]
    end: Position

    @property
    def first(self) -> Position:
        """Of the oldest state."""
        return self.kept[0].position

    def at(self, tick: int) -> Position:
        """The position at a tick of the line after all that was done in it."""
        count = bisect.bisect_right(self.events, tick, key=lambda event: event.tick)
        return Position(tick, self.first.events + count)

    def base(self, position: Position) -> Kept:
        """The newest kept state from which a position can be computed."""
        return self.kept[bisect.bisect_right(self.kept, position, key=lambda kept: kept.position) - 1]

    def between(self, start: Position, end: Position) -> tuple[Event, ...]:
        """The events from one position to another."""
        return self.events[start.events - self.first.events : end.events - self.first.events]

    def start_before(self, position: Position) -> Kept:
        """The kept state from which the steps of an episode are counted at a position."""
        return next((k for k in reversed(self.kept) if k.is_start and k.position <= position), self.kept[0])

    def start_after(self, position: Position) -> Kept | None:
        """The next start, if there is one."""
        return next((kept for kept in self.kept if kept.is_start and kept.position > position), None)


def cut(line: Line, position: Position) -> Line:
    """The line up to a position: what came after is dropped."""
    if position == line.end:
        return line
    events = line.between(line.first, position)
    marks = [mark for mark in line.marks if mark.before.events < position.events]
    if marks and marks[-1].cells:  # Of its stroke, only the beginning may be left.
        first, *others = events[marks[-1].before.events - line.first.events :]
        marks[-1] = replace(marks[-1], tool=first.tool, touched=first.cells)
        for event in others:
            marks[-1] = marks[-1].joined(event)
    kept = tuple(kept for kept in line.kept if kept.position <= position)
    return Line(kept, events, tuple(marks), position)


def forget(line: Line, position: Position) -> Line | None:
    """The line from its first kept state at or after a position on; None where none is left."""
    kept = tuple(kept for kept in line.kept if kept.position >= position)
    if not kept:
        return None
    first = kept[0].position
    marks = tuple(mark for mark in line.marks if mark.before >= first)
    return Line(kept, line.between(first, line.end), marks, line.end)


def moment_bytes(histories: Iterable[tuple[Kept, ...]]) -> int:
    """What the states kept on some lines of one simulation hold, each counted once."""
    moments = {id(kept): kept.moment for kept_states in histories for kept in kept_states}.values()
    images = {id(moment.image): moment.image for moment in moments}
    state_bytes = next((moment.state.nbytes for moment in moments), 0)
    return len(moments) * state_bytes + sum(image.nbytes for image in images.values())


def event_bytes(line: Line) -> int:
    """What the events and marks of a line hold."""
    cells_bytes = line.events[0].cells.nbytes if line.events else 0
    return (len(line.events) + len(line.marks)) * (_OBJECT_BYTES + cells_bytes)


def widest_gap(age: int) -> int:
    """What thinning leaves between two kept states at most, so many steps and edits from the present.

    So what is near stays dense, and what is far is computed again in about `LONGEST_REPLAY` steps.
    """
    return max(2 * KEEP_EVERY, min(age // 16, LONGEST_REPLAY))


def least_useful(lines: Iterable[Line], here: Position) -> Kept | None:
    """The kept state that can best be missed: the one whose neighbours are nearest, for its age.

    Returns:
        None where every one is a start, or would leave more than `widest_gap` between its neighbours.
    """
    gaps: dict[int, int] = {}
    possible: dict[int, Kept] = {}
    for line in lines:
        works = [kept.position.work for kept in line.kept] + [line.end.work]
        for number, kept in enumerate(line.kept):
            gap = works[number + 1] - works[max(0, number - 1)]
            gap = gaps[id(kept)] = max(gap, gaps.get(id(kept), 0))
            age = abs(here.work - works[number])
            if number == 0 or kept.is_start or gap > widest_gap(age):
                gaps[id(kept)] = sys.maxsize
                possible.pop(id(kept), None)
            else:
                possible[id(kept)] = kept
    return min(
        possible.values(),
        key=lambda kept: gaps[id(kept)] / (KEEP_EVERY + abs(here.work - kept.position.work)),
        default=None,
    )


def without(line: Line, kept: Kept) -> Line:
    """The line without a kept state."""
    return replace(line, kept=tuple(other for other in line.kept if other is not kept))


@dataclass(frozen=True, slots=True)
class Span:
    """What can be reached.

    Attributes:
        oldest_tick: Of the oldest state.
        newest_tick: Of the newest.
        oldest_step: The same, in steps since the start of its episode.
        newest_step: The same of the newest.
        held_bytes: What is held in memory.
        max_bytes: What may be.
    """

    oldest_tick: int
    newest_tick: int
    oldest_step: int
    newest_step: int
    held_bytes: int
    max_bytes: int


class Timeline:
    """Hears of all that a simulation does, and brings back any of it.

    - Undo goes back to the moment before the last stroke or start: the steps since then are undone, too. Redo
      returns to where undo was asked for, also where the automaton ran on in between; the next stroke or
      start gives up what could be redone.
    - `back` and `seek` go along the line and drop nothing.
    - Where time goes on from a state of the past, a new branch begins: what came after leaves the line.
    - A state is kept at the beginning of every stroke and every `KEEP_EVERY` steps. Out of memory, the one
      whose neighbours are nearest for its age goes, up to gaps of `widest_gap`; then the oldest goes. At
      least one state stays, however little memory is allowed.
    - No state is brought back in which the automaton blew up (NaN, or beyond the explosion limit), but the
      nearest healthy one.

    All that moves may raise BackendError, where the device fails; the present is then what it was.
    """

    def __init__(self, simulation: Simulation | Panes, *, max_bytes: int = MAX_BYTES) -> None:
        """Begin with the present, and listen from now on."""
        self._simulation = simulation
        self._max_bytes = max_bytes
        self._shape = (simulation.config.height, simulation.config.width)
        self._no_cells = np.packbits(np.zeros(self._shape, bool))
        self._undone: list[tuple[Line, Position]] = []
        self._measured: tuple[tuple[tuple[Kept, ...], ...], int] = ((), 0)
        self.begin_anew()
        simulation.listeners.append(self)

    # ------------------------------------------------------------------------------ what is asked

    @property
    def tick(self) -> int:
        """Steps and starts from the beginning of the line to the present."""
        return self._here.tick

    @property
    def newest_tick(self) -> int:
        """The end of the line; `span` tells more, and takes longer."""
        return self._line.end.tick

    @property
    def is_in_past(self) -> bool:
        """Whether there is something to go forward to."""
        return self._here < self._line.end

    @property
    def oldest_tick(self) -> int:
        """The first that can be reached."""
        return self._line.first.tick

    @property
    def has_damage(self) -> bool:
        """Whether cells were destroyed behind the present."""
        return self._last_mark(lambda mark: mark.is_damage) is not None

    @property
    def can_undo(self) -> bool:
        """Whether there is a stroke or a start to undo."""
        return self._last_mark() is not None

    @property
    def can_redo(self) -> bool:
        """Whether something was undone, with no stroke or start since."""
        return bool(self._undone)

    @property
    def undone_at(self) -> Position | None:
        """Where redo returns to; None where nothing was undone."""
        return self._undone[-1][1] if self._undone else None

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Every stroke and start that can be reached, oldest first; those ahead of the present, too."""
        return self._line.marks

    @property
    def span(self) -> Span:
        """What can be reached, and how much memory it takes."""
        oldest, newest = self._line.first.tick, self._line.end.tick
        return Span(
            oldest,
            newest,
            self.step_at(oldest)[1],
            self.step_at(newest)[1],
            self._held_bytes(),
            self._max_bytes,
        )

    def step_at(self, tick: int) -> tuple[int, int]:
        """Number of the episode at a tick of the line, and steps since its start."""
        start = self._line.start_before(self._line.at(tick))
        return start.moment.episode, start.moment.step + tick - start.position.tick

    def tick_of(self, episode: int, step: int) -> int | None:
        """The tick of a snapshot; None where it is not of this line.

        An episode that was reset has some steps more than once: then the one nearest the present is meant.
        """
        starts = [kept for kept in self._line.kept if kept.is_start or kept is self._line.kept[0]]
        ends = [kept.position.tick - 1 for kept in starts[1:]] + [self._line.end.tick]
        ticks = [
            tick
            for kept, end in zip(starts, ends, strict=True)
            if kept.moment.episode == episode
            and kept.position.tick <= (tick := kept.position.tick + step - kept.moment.step) <= end
        ]
        return min(ticks, key=lambda tick: abs(tick - self._here.tick), default=None)

    # ------------------------------------------------------------------------------ what moves

    def undo(self) -> Mark | None:
        """Go back to the moment before the last stroke or start; None where there is none to go back over."""
        mark = self._last_mark()
        asked_at = (self._line, self._here)
        if mark is None or not self._go(self._line, mark.before):
            return None
        self._undone.append(asked_at)
        return mark

    def redo(self) -> Mark | None:
        """Return to where the last undo was asked for; None where nothing was undone, or it is lost."""
        if not self._undone:
            return None
        count, (line, position) = len(self._undone), self._undone[-1]
        if self._go(line, position):
            del self._undone[count - 1 :]
            return self._last_mark()
        self._undone.clear()
        return None

    def back(self, steps: int) -> None:
        """Go back so many steps, forward where negative; to an end of the line where it lies beyond."""
        if steps < 0 or (steps > 0 and self._here.tick > self._line.first.tick):
            self.seek(self._here.tick - steps)

    def seek(self, tick: int) -> None:
        """Go to a tick, after all that was done in it; to an end of the line where it lies beyond."""
        tick = min(max(tick, self._line.first.tick), self._line.end.tick)
        self._go(self._line, self._line.at(tick))

    def to_before_last_damage(self) -> Mark | None:
        """Go to the moment before the last stroke that destroyed cells; None where there is none."""
        mark = self._last_mark(lambda mark: mark.is_damage)
        return mark if mark is not None and self._go(self._line, mark.before) else None

    def begin_anew(self) -> None:
        """Remember the present alone: what led to it can no longer be computed again."""
        self._present, self._here = self._simulation.moment(), Position(0, 0)
        self._line = Line((Kept(self._here, self._present, True),), (), (), self._here)
        self._undone.clear()
        self._is_in_stroke = False

    def end_stroke(self) -> None:
        """The hand is off the cells: the next edit begins another stroke."""
        self._is_in_stroke = False

    # ------------------------------------------------------------------------------ what is heard

    def advanced(self, steps: int) -> None:
        """The simulation took some steps."""
        moment = self._simulation.moment()
        if not self._follows(moment, steps):
            self.started()
            return
        line = cut(self._line, self._here)
        here = Position(self._here.tick + steps, self._here.events)
        line = replace(line, end=here)
        is_kept = here.work - line.kept[-1].position.work >= KEEP_EVERY
        if is_kept:
            line = replace(line, kept=(*line.kept, Kept(here, moment)))
        self._line, self._here, self._present = line, here, moment
        if is_kept:
            self._make_room()

    def edited(self, tool: Tool, region: np.ndarray, ink: float) -> None:
        """A tool acted on some cells."""
        before, moment = self._present, self._simulation.moment()
        if not self._follows(moment, 0):
            self.started()
            return
        self._present = moment
        event = Event(self._here.tick, tool, np.packbits(np.asarray(region, bool)), float(ink))
        line = cut(self._line, self._here)
        if not event.cells.any() or (line.events and event.is_same(line.events[-1])):
            return  # It changed nothing.
        self._go_on(line, event, before)

    def _go_on(self, line: Line, event: Event, before: Moment) -> None:
        """Append an edit, which goes on the stroke or begins one."""
        self._undone.clear()
        is_kill = event.tool is None
        if self._is_in_stroke and line.marks and (line.marks[-1].tool is None) == is_kill:
            marks = (*line.marks[:-1], line.marks[-1].joined(event))
            is_kept = self._here.work - line.kept[-1].position.work >= KEEP_EVERY
        else:
            mark = Mark(self._here, self._here.tick, before.step, before.episode, event.tool, event.cells)
            marks = (*line.marks, mark)
            is_kept = True
        if is_kept:
            line = _keeping(line, Kept(self._here, before))
        self._here = Position(self._here.tick, self._here.events + 1)
        self._line = Line(line.kept, (*line.events, event), marks, self._here)
        self._is_in_stroke = True
        self._make_room()

    def started(self, start: Start | None = None) -> None:
        """Another state took the place of the present, or other experiments hold."""
        before, self._present = self._present, self._simulation.moment()
        line = cut(self._line, self._here)
        if start is Start.EXPERIMENT and self._follows(before, 0):
            killed = killed_cells(before.experiments, self._present.experiments)
            if killed is not None:
                self._go_on(line, Event(self._here.tick, None, np.packbits(killed), 0.0), before)
                return
        line = _keeping(line, Kept(self._here, before))
        here = Position(self._here.tick + 1, self._here.events + 1)
        mark = Mark(self._here, here.tick, self._present.step, self._present.episode, None, self._no_cells)
        self._line = Line(
            (*line.kept, Kept(here, self._present, True)),
            (*line.events, Event(here.tick, None, self._no_cells, 0.0)),
            (*line.marks, mark),
            here,
        )
        self._here = here
        self._undone.clear()
        self._is_in_stroke = False
        self._make_room()

    # ------------------------------------------------------------------------------ inside

    def _follows(self, moment: Moment, steps: int) -> bool:
        """Whether a moment is so many steps after the present; not where a start failed half-way."""
        present = self._present
        return (moment.episode, moment.step) == (present.episode, present.step + steps)

    def _last_mark(self, is_meant: Callable[[Mark], bool] = lambda mark: True) -> Mark | None:
        """The last of some marks that lie behind the present."""
        marks = reversed(self._line.marks)
        return next((m for m in marks if m.before.events < self._here.events and is_meant(m)), None)

    def _lines(self) -> list[Line]:
        """The present line, and those to which redo returns, each once."""
        return list({id(line): line for line in (self._line, *(line for line, _ in self._undone))}.values())

    def _held_bytes(self) -> int:
        """What is held beside the present; the events of the oldest line are the others', and more."""
        lines = self._lines()
        histories = tuple(line.kept for line in lines)
        before, states_bytes = self._measured
        if len(before) != len(histories) or any(map(operator.is_not, before, histories)):
            states_bytes = moment_bytes(histories)
            self._measured = (histories, states_bytes)
        return states_bytes + max(map(event_bytes, lines))

    def _go(self, line: Line, position: Position) -> bool:
        """Make a position of a line the present, or the healthy one nearest to it.

        Returns:
            Whether there was one; else the present is what it was.
        """
        if line is self._line and position == self._here:
            return True
        present, is_forwards = self._present, position > self._here
        goal: Position | None = position
        # What is tried on the way is nobody's business: others hear of the state that is brought back.
        listeners, self._simulation.listeners = self._simulation.listeners, []
        try:
            while goal is not None:
                self._replay(line, goal)
                if self._simulation.request_snapshot().result().is_healthy:
                    self._line, self._here, self._present = line, goal, self._simulation.moment()
                    self._is_in_stroke = False
                    # There is nothing to redo where a step forward has led as far.
                    while self._undone and self._undone[-1][0] is line and self._undone[-1][1] == goal:
                        self._undone.pop()
                    return True
                start = line.start_after(goal)
                if start is not None and is_forwards:
                    goal = start.position
                    continue
                is_forwards = False
                earlier = [kept for kept in line.kept if kept.position < goal]
                goal = earlier[-1].position if earlier else None
                if goal is not None and start is None:  # Nothing healthy comes after.
                    line = cut(line, goal)
            self._simulation.restore(present)
            return False
        except BaseException:
            self._simulation.restore(present)
            raise
        finally:
            self._simulation.listeners = listeners
            if self._present is not present:
                for listener in tuple(listeners):
                    if listener is not self:
                        listener.started(Start.RESTORE)

    def _replay(self, line: Line, position: Position) -> None:
        """Compute a position again from the nearest kept state before it."""
        base = line.base(position)
        self._simulation.restore(base.moment)
        tick = base.position.tick
        for event in line.between(base.position, position):
            assert event.cells.any(), "the state after a start is always kept"
            self._simulation.advance(event.tick - tick)
            tick = event.tick
            bits = np.unpackbits(event.cells, count=self._shape[0] * self._shape[1])
            region = bits.reshape(self._shape).astype(bool)
            if event.tool is None:
                self._simulation.experiments = self._simulation.experiments.killing(region)
            else:
                self._simulation.apply(event.tool, region, event.ink)
        self._simulation.advance(position.tick - tick)

    def _make_room(self) -> None:
        """Hold no more than may be held."""
        while self._held_bytes() > self._max_bytes:
            kept = self._line.kept
            has_many_events = event_bytes(self._line) > self._max_bytes // 2
            missed = None if has_many_events else least_useful(self._lines(), self._here)
            if missed is not None:
                self._change(lambda line, missed=missed: without(line, missed))  # type: ignore[misc]
            elif len(kept) > 1:
                self._change(lambda line, oldest=kept[1].position: forget(line, oldest))  # type: ignore[misc]
            elif self._undone:
                del self._undone[0]
            elif kept[0].position < self._here:
                self._line = Line((Kept(self._here, self._present),), (), (), self._here)
            else:
                return

    def _change(self, change: Callable[[Line], Line | None]) -> None:
        """Change every line that is held; what redo can no longer return to is lost."""
        changed = {id(line): change(line) for line in self._lines()}
        self._line = changed[id(self._line)] or self._line
        undone = [(changed[id(line)], position) for line, position in self._undone]
        self._undone = [
            (line, position) for line, position in undone if line is not None and line.first <= position
        ]


def _keeping(line: Line, kept: Kept) -> Line:
    """The line with the state at its end kept, unless it is already."""
    return line if line.kept[-1].position == kept.position else replace(line, kept=(*line.kept, kept))
