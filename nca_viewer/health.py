"""The health guard: from what each frame was like to what should be done about it. No clock inside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from nca_viewer.interaction.actions import Tool

_INK = 128
_FAINT = 16


class Fault(Enum):
    """What can be wrong with a running automaton: the word in logs and files, and what it means."""

    NOT_FINITE = "not-finite", "a cell's state is not a number any more"
    RUNAWAY = "runaway", "a cell's state has grown beyond all bounds"
    FROZEN = "frozen", "steps are due, and none is taken"
    UNANSWERED = "unanswered", "visitors stroke, and the picture does not change"
    BLANK = "blank", "no ink for a while on a page that began with some and that no hand touched"
    FULL = "full", "ink nearly everywhere for a while on a page that no hand touched"
    RUINED = "ruined", "the cells have settled on nothing, or do not settle, on a page that no hand touched"
    STALLED = (
        "stalled",
        "the device does not answer; after ten seconds the program starts again",
    )
    MEMORY = "memory", "the program has grown by a gigabyte; it starts again while nobody is there"
    ERROR = "error", "the device reports a failure, or the program has a mistake"

    def __init__(self, word: str, meaning: str) -> None:
        """Name the columns of the table."""
        self.word = word
        self.meaning = meaning


class Remedy(Enum):
    """What to do about a fault."""

    NOTE = "noted"
    FRESH_DIGIT = "fresh digit"
    RESTART = "restart of the program"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done.

    Attributes:
        fault: What is wrong; None where it is nothing: visitors have left a page blank, inky or ruined.
        reason: The figures that show it.
        remedy: What helps.
    """

    fault: Fault | None
    reason: str
    remedy: Remedy


@dataclass(frozen=True, slots=True)
class Limits:
    """When something counts as a fault.

    Attributes:
        frozen_seconds: So long no step, although it runs.
        unanswered_seconds: So long one stroke after another that should show, and a picture that stays.
        unanswered_strokes: So many of them at least.
        grace_seconds: So long a blank, an inky or a ruined grid without a hand on it; visitors may have made
            it.
        full_share: Part of the cells with ink from which the grid is all ink; a digit has less than a third.
        stall_note_seconds: So long the device does not come back: noted.
        stall_restart_seconds: So long the device does not come back: hopeless within this process.
        storm_recoveries: More fresh digits than this within `storm_seconds` do not help: restart.
        storm_seconds: See `storm_recoveries`.
        growth_megabytes: So much more memory than when warm: a leak; restart while nobody is there.
        may_restart: Whether somebody would start the program again. Where nobody would, it goes on as well as
            it can.
        patient_seconds: Then fresh digits that do not help come no more often than this.
        judges_the_picture: Whether blank, inky, ruined, frozen and unanswering grids are faults at all.
            In a person's own window they are that person's business.
    """

    frozen_seconds: float = 3.0
    unanswered_seconds: float = 5.0
    unanswered_strokes: int = 60
    grace_seconds: float = 20.0
    full_share: float = 0.7
    stall_note_seconds: float = 1.0
    stall_restart_seconds: float = 10.0
    storm_recoveries: int = 5
    storm_seconds: float = 60.0
    growth_megabytes: float = 1000.0
    may_restart: bool = True
    patient_seconds: float = 10.0
    judges_the_picture: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """What one frame was like.

    Attributes:
        now_seconds: The time, from any zero, never going back.
        step: Of the snapshot that was seen last.
        episode: Of the snapshot that was seen last.
        is_finite: Whether every channel of every cell is a number.
        is_bounded: Whether every channel is below the explosion limit.
        ink_share: Part of the cells that are at least half ink, in [0, 1].
        is_blank: Whether no cell has ink that could be seen.
        began_blank: Whether the page did, and was to be drawn on.
        is_ruined: Whether the page cannot come back.
        has_changed: Whether the picture differs from that of the frame before.
        is_running: Whether steps are due: neither paused nor asleep.
        step_interval_seconds: How far apart steps are at this speed.
        hands_on: Whether a hand was on the grid in this frame.
        expects_change: Whether a stroke of this frame should have changed the picture.
        waiting_seconds: How long the device has been asked for a snapshot that has not come.
        grown_megabytes: How much more memory the program has than when it had warmed up.
        is_deserted: Whether it is certain that nobody is there.
        error: What went wrong in this frame; empty where nothing did.
    """

    now_seconds: float
    step: int
    episode: int
    is_finite: bool = True
    is_bounded: bool = True
    ink_share: float = 0.15
    is_blank: bool = False
    began_blank: bool = False
    is_ruined: bool = False
    has_changed: bool = True
    is_running: bool = True
    step_interval_seconds: float = 1 / 60
    hands_on: bool = False
    expects_change: bool = False
    waiting_seconds: float = 0.0
    grown_megabytes: float = 0.0
    is_deserted: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Guard:
    """What the guard remembers from frame to frame; times are None until they are needed.

    Attributes:
        moment: (episode, step) of the frame before.
        advanced_seconds: When a step was last seen, or none was due.
        ignored_since_seconds: Since when strokes have not shown.
        ignored_strokes: In how many frames since then.
        odd_since_seconds: Since when the grid has been blank, all ink or ruined, without a hand on it.
        touched_episode: The last one in which a hand was on the grid.
        is_stall_noted: Whether this stall was told already.
        recoveries_seconds: When fresh digits were asked for lately.
    """

    moment: tuple[int, int] | None = None
    advanced_seconds: float | None = None
    ignored_since_seconds: float | None = None
    ignored_strokes: int = 0
    odd_since_seconds: float | None = None
    touched_episode: int | None = None
    is_stall_noted: bool = False
    recoveries_seconds: tuple[float, ...] = ()


def watch(guard: Guard, facts: Facts, limits: Limits) -> tuple[Guard, Verdict | None]:
    """Judge one frame.

    A picture that rests is no fault: an automaton may come to rest exactly. What counts is whether steps
    are taken, and whether it answers to hands.

    Args:
        guard: From the frame before; `Guard()` at first.
        facts: What this frame was like.
        limits: When something counts as a fault.

    Returns:
        The guard to pass in next time, and what to do; None where all is well.
    """
    guard = _remembered(guard, facts, limits)
    found = _fault(guard, facts, limits)
    if found is None:
        return guard, None
    fault, reason = found
    if fault is None:
        # No recovery, of which too many would be a storm.
        return replace(guard, odd_since_seconds=None), Verdict(None, reason, Remedy.FRESH_DIGIT)
    if fault is Fault.STALLED:
        if facts.waiting_seconds >= limits.stall_restart_seconds and limits.may_restart:
            return guard, Verdict(fault, reason, Remedy.RESTART)
        if guard.is_stall_noted:
            return guard, None
        return replace(guard, is_stall_noted=True), Verdict(fault, reason, Remedy.NOTE)
    if fault is Fault.MEMORY:
        return guard, Verdict(fault, reason, Remedy.RESTART)
    now = facts.now_seconds
    lately = [time for time in guard.recoveries_seconds if now - time < limits.storm_seconds]
    is_storm = len(lately) >= limits.storm_recoveries
    if is_storm and not limits.may_restart and now - lately[-1] < limits.patient_seconds:
        return guard, None
    # All other times begin anew: the fresh digit gets its own chance.
    guard = Guard(recoveries_seconds=(*lately, now))
    if is_storm and limits.may_restart:
        reason += f"; fresh digits have not helped {len(lately)} times within {limits.storm_seconds:.0f} s"
        return guard, Verdict(fault, reason, Remedy.RESTART)
    return guard, Verdict(fault, reason, Remedy.FRESH_DIGIT)


def _remembered(guard: Guard, facts: Facts, limits: Limits) -> Guard:
    now = facts.now_seconds
    moment = (facts.episode, facts.step)
    is_waiting = facts.waiting_seconds > 0.0
    advanced = guard.advanced_seconds
    # A visitor who goes back to the start again and again makes no step.
    is_back = guard.moment is not None and moment[0] == guard.moment[0] and moment[1] <= guard.moment[1]
    if advanced is None or not is_back or is_waiting or not facts.is_running:
        advanced = now
    since, strokes = guard.ignored_since_seconds, guard.ignored_strokes
    if facts.has_changed or is_waiting:
        since, strokes = None, 0
    elif facts.expects_change:
        since, strokes = (now if since is None else since), strokes + 1
    odd = guard.odd_since_seconds
    if facts.hands_on or not (facts.is_blank or facts.is_ruined or facts.ink_share >= limits.full_share):
        odd = None
    elif odd is None:
        odd = now
    return replace(
        guard,
        moment=moment,
        advanced_seconds=advanced,
        ignored_since_seconds=since,
        ignored_strokes=strokes,
        odd_since_seconds=odd,
        touched_episode=facts.episode if facts.hands_on else guard.touched_episode,
        is_stall_noted=guard.is_stall_noted and is_waiting,
    )


def _fault(guard: Guard, facts: Facts, limits: Limits) -> tuple[Fault | None, str] | None:
    """The gravest thing that asks for a remedy, a fault or none, and the figures that show it."""
    where = f"at step {facts.step:,}"
    if facts.error:
        return Fault.ERROR, facts.error
    if not facts.is_finite:
        return Fault.NOT_FINITE, f"a channel is not a number {where}"
    if not facts.is_bounded:
        return Fault.RUNAWAY, f"a channel is beyond all bounds {where}"
    if facts.waiting_seconds >= limits.stall_note_seconds:
        return Fault.STALLED, f"no answer from the device for {facts.waiting_seconds:.1f} s {where}"
    if not limits.judges_the_picture:
        return None
    if facts.grown_megabytes >= limits.growth_megabytes and facts.is_deserted and limits.may_restart:
        return Fault.MEMORY, f"{facts.grown_megabytes:.0f} MB more memory than at first {where}"
    now = facts.now_seconds
    still_seconds = now - (now if guard.advanced_seconds is None else guard.advanced_seconds)
    if still_seconds >= max(limits.frozen_seconds, 4 * facts.step_interval_seconds):
        return Fault.FROZEN, f"no step for {still_seconds:.1f} s {where}"
    if guard.ignored_since_seconds is not None and facts.expects_change:
        ignored_seconds = now - guard.ignored_since_seconds
        if (
            ignored_seconds >= limits.unanswered_seconds
            and guard.ignored_strokes >= limits.unanswered_strokes
        ):
            return Fault.UNANSWERED, f"strokes have not shown for {ignored_seconds:.1f} s {where}"
    if guard.odd_since_seconds is not None:
        odd_seconds = now - guard.odd_since_seconds
        if odd_seconds >= limits.grace_seconds:
            if facts.is_blank:
                fault, what = Fault.BLANK, "no ink"
            elif facts.is_ruined:
                fault, what = Fault.RUINED, "nothing that the cells could bring back"
            else:
                fault, what = Fault.FULL, f"ink in {facts.ink_share:.0%} of the cells"
            is_theirs = facts.began_blank or facts.episode == guard.touched_episode
            return None if is_theirs else fault, f"{what} for {odd_seconds:.0f} s {where}"
    return None


def ink_of(image: np.ndarray) -> np.ndarray:
    """How much ink each cell of a picture uint8[H, W, 3] has: uint8[H, W]."""
    return image.max(axis=2)


def is_blank(image: np.ndarray) -> bool:
    """Whether no cell of a picture uint8[H, W, 3] has ink that could be seen."""
    return bool((ink_of(image) < _FAINT).all())


def ink_share(image: np.ndarray) -> float:
    """Part of the cells of a picture uint8[H, W, 3] that are at least half ink, in [0, 1]."""
    return float((ink_of(image) >= _INK).mean())


def expects_change(tool: Tool, region: np.ndarray, image: np.ndarray) -> bool:
    """Whether a tool should change a picture in a way that no single step could undo.

    Args:
        tool: What it does.
        region: bool[H, W], the cells it touches.
        image: uint8[H, W, 3], the picture before.
    """
    ink = ink_of(image)[region]
    match tool:
        case Tool.PAINT:
            return bool((ink < _INK).any())
        case Tool.ERASE:
            return bool((ink >= _INK).any())
        case Tool.CORRUPT:
            return bool(region.any())


def markdown_table() -> str:
    """What the faults mean, for the operator's page."""
    rows = ["| Fault | Means |", "|---|---|"]
    return "\n".join(rows + [f"| `{fault.word}` | {fault.meaning} |" for fault in Fault])
