"""Who has the exhibit: nobody, a visitor, or the operator. A pure state machine; times are passed in.

    ATTRACT  --a visitor acts-->  VISITOR  --idle-->  COUNTDOWN  --idle still-->  ATTRACT
                                     ^--a visitor acts--'
    any      --the operator's hold-->  OPERATOR (or the end)  --resume, or left alone-->  VISITOR

Time is summed up from frame to frame, each frame counting for a second at most: a clock that jumps, or a
machine that was asleep, ends no visit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from nca_viewer.interaction.actions import (
    Action,
    NewDigit,
    OperatorChoice,
    Quit,
    RunOn,
    SelectTool,
    Tool,
)

FIRST_TOOL = Tool.ERASE
"""What a visit begins with: what it takes away, the cells give back."""

MAX_COUNTDOWN_SECONDS = 10.0
HOLD_SECONDS = 3.0
OPERATOR_PAGE_SECONDS = 120.0
"""After so long without a touch, the operator's page closes by itself."""

_LONGEST_FRAME_SECONDS = 1.0


class Phase(Enum):
    """Who has the exhibit."""

    ATTRACT = "attract"
    VISITOR = "visitor"
    COUNTDOWN = "countdown"
    OPERATOR = "operator"


class OperatorExit(Enum):
    """What the operator's hold does."""

    QUIT = "quit"
    MENU = "menu"
    NONE = "none"


class OperatorHold(Enum):
    """Which hold is the operator's."""

    KEYS = "keys"
    FINGERS = "fingers"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's settings.

    Attributes:
        idle_seconds: From a visitor's last act to the end of the visit; the countdown is its last part.
        operator_exit: What the operator's hold does.
    """

    idle_seconds: float = 60.0
    operator_exit: OperatorExit = OperatorExit.MENU

    @property
    def countdown_seconds(self) -> float:
        """How long the countdown is seen."""
        return min(MAX_COUNTDOWN_SECONDS, self.idle_seconds / 2)


@dataclass(frozen=True, slots=True)
class Observed:
    """What came in since the last frame.

    Attributes:
        is_visitor_acting: Whether a person touched, pressed or clearly moved something.
        is_operator_holding: Whether the operator's keys or fingers are down.
        choice: What was chosen on the operator's page.
    """

    is_visitor_acting: bool = False
    is_operator_holding: bool = False
    choice: OperatorChoice | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """Where the exhibit stands.

    Attributes:
        phase: Who has it.
        idle_seconds: Since anybody last acted.
        hold_seconds: How long the operator's hold lasts.
        visits: How many there were, the present one included.
        now_seconds: When this was; None before the first frame.
        is_hold_spent: Whether the present hold has already done its work, and must be let go first.
    """

    phase: Phase = Phase.ATTRACT
    idle_seconds: float = 0.0
    hold_seconds: float = 0.0
    visits: int = 0
    now_seconds: float | None = None
    is_hold_spent: bool = False

    def countdown_seconds(self, rules: Rules) -> float | None:
        """What is left of the countdown; None while there is none."""
        if self.phase is not Phase.COUNTDOWN:
            return None
        return max(0.0, rules.idle_seconds - self.idle_seconds)

    @property
    def hold_fraction(self) -> float:
        """How much of the operator's hold is done, in [0, 1]."""
        return 0.0 if self.is_hold_spent else min(1.0, self.hold_seconds / HOLD_SECONDS)


def direct(
    before: Situation, now_seconds: float, observed: Observed, rules: Rules
) -> tuple[Situation, tuple[Action, ...]]:
    """One frame.

    Args:
        before: The last frame's situation.
        now_seconds: From any zero, and from any clock: it may jump.
        observed: What came in since.
        rules: The operator's settings.

    Returns:
        The situation now, and what the change does to the picture.
    """
    elapsed = 0.0 if before.now_seconds is None else now_seconds - before.now_seconds
    elapsed = min(max(elapsed, 0.0), _LONGEST_FRAME_SECONDS)
    is_acting = observed.is_visitor_acting or observed.choice is not None
    situation = replace(
        before, now_seconds=now_seconds, idle_seconds=0.0 if is_acting else before.idle_seconds + elapsed
    )
    situation, is_held = _held(situation, elapsed, observed.is_operator_holding, rules)
    if is_held and rules.operator_exit is OperatorExit.QUIT:
        return situation, (Quit(),)
    if is_held:
        return replace(situation, phase=Phase.OPERATOR, idle_seconds=0.0), ()
    if situation.phase is Phase.OPERATOR:
        return _at_the_operator_s_page(situation, observed.choice)
    return _among_visitors(situation, observed.is_visitor_acting, rules)


def _held(
    situation: Situation, elapsed_seconds: float, is_holding: bool, rules: Rules
) -> tuple[Situation, bool]:
    """The situation after the hold went on or ended, and whether it has just been held long enough."""
    if not is_holding or rules.operator_exit is OperatorExit.NONE:
        return replace(situation, hold_seconds=0.0, is_hold_spent=False), False
    if situation.is_hold_spent or situation.phase is Phase.OPERATOR:
        return replace(situation, hold_seconds=0.0, is_hold_spent=True), False
    held = situation.hold_seconds + elapsed_seconds
    if held < HOLD_SECONDS:
        return replace(situation, hold_seconds=held), False
    return replace(situation, hold_seconds=0.0, is_hold_spent=True), True


def _at_the_operator_s_page(
    situation: Situation, choice: OperatorChoice | None
) -> tuple[Situation, tuple[Action, ...]]:
    if choice is OperatorChoice.QUIT:
        return situation, (Quit(),)
    if choice is OperatorChoice.RESUME or situation.idle_seconds >= OPERATOR_PAGE_SECONDS:
        return replace(situation, phase=Phase.VISITOR, idle_seconds=0.0), (RunOn(),)
    return situation, ()


def _among_visitors(
    situation: Situation, is_visitor_acting: bool, rules: Rules
) -> tuple[Situation, tuple[Action, ...]]:
    if is_visitor_acting:
        visits = situation.visits + (situation.phase is Phase.ATTRACT)
        return replace(situation, phase=Phase.VISITOR, visits=visits), ()
    if situation.phase is Phase.ATTRACT:
        return situation, ()
    if situation.idle_seconds >= rules.idle_seconds:
        fresh: tuple[Action, ...] = (RunOn(), SelectTool(FIRST_TOOL), NewDigit())
        return replace(situation, phase=Phase.ATTRACT), fresh
    if situation.idle_seconds >= rules.idle_seconds - rules.countdown_seconds:
        return replace(situation, phase=Phase.COUNTDOWN), ()
    return replace(situation, phase=Phase.VISITOR), ()
