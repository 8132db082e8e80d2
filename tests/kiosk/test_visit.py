"""Who has the exhibit: exact moments, and what must hold whatever happens."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.interaction.actions import NewDigit, OperatorChoice, Quit, RunOn, SelectTool, Tool
from nca_viewer.kiosk.visit import (
    HOLD_SECONDS,
    OPERATOR_PAGE_SECONDS,
    Observed,
    OperatorExit,
    Phase,
    Rules,
    Situation,
    direct,
)

FRAME = 1 / 64
NOTHING = Observed()
ACT = Observed(is_visitor_acting=True)
HOLD = Observed(is_operator_holding=True)


class Day:
    """Frames of 1/64 s, which is exact in binary, one after another."""

    def __init__(self, rules=None):
        self.rules = rules or Rules(idle_seconds=60)
        self.situation = Situation()
        self.actions = []
        self.now = 100.0
        self.frame()

    def frame(self, observed=NOTHING, seconds=FRAME):
        self.now += seconds
        self.situation, actions = direct(self.situation, self.now, observed, self.rules)
        self.actions.extend(actions)
        return self

    def wait(self, seconds, observed=NOTHING):
        for _ in range(round(seconds / FRAME)):
            self.frame(observed)
        return self

    @property
    def phase(self):
        return self.situation.phase


def test_it_begins_by_showing_itself_and_goes_on():
    day = Day().wait(1000)
    assert day.phase is Phase.ATTRACT
    assert day.actions == []
    assert day.situation.visits == 0


def test_the_first_touch_hands_over_in_its_own_frame():
    day = Day().wait(5).frame(ACT)
    assert day.phase is Phase.VISITOR
    assert day.situation.visits == 1
    assert day.actions == []


def test_an_idle_visitor_sees_a_countdown_then_the_exhibit_shows_itself_with_a_fresh_digit():
    day = Day().frame(ACT).wait(50 - FRAME)
    assert day.phase is Phase.VISITOR
    day.frame()
    assert day.phase is Phase.COUNTDOWN
    assert day.situation.countdown_seconds(day.rules) == 10
    day.wait(10 - FRAME)
    assert day.phase is Phase.COUNTDOWN
    assert day.situation.countdown_seconds(day.rules) == pytest.approx(FRAME)
    assert day.actions == []
    day.frame()
    assert day.phase is Phase.ATTRACT
    assert day.situation.countdown_seconds(day.rules) is None
    assert day.actions == [RunOn(), SelectTool(Tool.ERASE), NewDigit()]


def test_any_touch_ends_the_countdown_and_is_no_new_visit():
    day = Day().frame(ACT).wait(55)
    assert day.phase is Phase.COUNTDOWN
    day.frame(ACT)
    assert day.phase is Phase.VISITOR
    day.wait(50 - FRAME)
    assert day.phase is Phase.VISITOR
    assert (day.situation.visits, day.actions) == (1, [])


def test_a_short_idle_time_has_a_short_countdown():
    day = Day(Rules(idle_seconds=6)).frame(ACT).wait(3)
    assert day.phase is Phase.COUNTDOWN
    assert day.wait(3).phase is Phase.ATTRACT


@pytest.mark.parametrize("jump", [-1e9, -3600, 3600, 1e12])
def test_a_clock_that_jumps_ends_no_visit(jump):
    day = Day().frame(ACT).wait(30).frame(seconds=jump)
    assert day.phase is Phase.VISITOR
    day.wait(10)
    assert day.phase is Phase.VISITOR
    assert day.wait(21).phase is Phase.ATTRACT


def test_the_operator_s_hold_opens_the_page_after_three_seconds_and_once():
    day = Day().wait(HOLD_SECONDS - FRAME, HOLD)
    assert day.phase is Phase.ATTRACT
    assert day.situation.hold_fraction == pytest.approx(1, abs=0.01)
    day.frame(HOLD)
    assert day.phase is Phase.OPERATOR
    assert day.situation.hold_fraction == 0
    day.wait(10, HOLD).frame(Observed(is_operator_holding=True, choice=OperatorChoice.RESUME))
    assert day.phase is Phase.VISITOR
    # Still held: it must be let go before it can open the page again.
    assert day.wait(20, HOLD).phase is Phase.VISITOR
    day.frame().wait(HOLD_SECONDS, HOLD)
    assert day.phase is Phase.OPERATOR


def test_an_interrupted_hold_begins_anew():
    day = Day().wait(2.9, HOLD).frame().wait(2.9, HOLD)
    assert day.phase is Phase.ATTRACT
    assert day.actions == []


def test_the_hold_quits_at_once_or_never_where_the_operator_said_so():
    assert Day(Rules(operator_exit=OperatorExit.QUIT)).wait(HOLD_SECONDS, HOLD).actions == [Quit()]
    day = Day(Rules(operator_exit=OperatorExit.NONE)).wait(30, HOLD)
    assert (day.phase, day.actions, day.situation.hold_fraction) == (Phase.ATTRACT, [], 0)


def operator_page(**more):
    return Day(**more).wait(HOLD_SECONDS, HOLD).frame()


def test_the_operator_s_page_quits_resumes_and_stays_for_a_reload():
    day = operator_page().frame(Observed(choice=OperatorChoice.RELOAD))
    assert (day.phase, day.actions) == (Phase.OPERATOR, [])
    day.frame(Observed(choice=OperatorChoice.QUIT))
    assert day.actions == [Quit()]
    assert operator_page().frame(Observed(choice=OperatorChoice.RESUME)).phase is Phase.VISITOR


def test_the_operator_s_page_closes_by_itself_and_the_exhibit_shows_itself_again():
    day = operator_page().wait(OPERATOR_PAGE_SECONDS - 1)
    assert day.phase is Phase.OPERATOR
    assert day.wait(1 + FRAME).phase is Phase.VISITOR
    assert day.wait(60 + FRAME).phase is Phase.ATTRACT


observations = st.builds(
    Observed, st.booleans(), st.booleans(), st.sampled_from([None, None, *OperatorChoice])
)
rules = st.builds(Rules, st.floats(5, 3600), st.sampled_from(OperatorExit))
times = st.one_of(st.floats(0, 2), st.floats(-1e9, 1e9))


@given(rules, st.lists(st.tuples(times, observations), max_size=60))
def test_never_stuck_whatever_happened(rules, history):
    day = Day(rules)
    for seconds, observed in history:
        day.frame(observed, seconds)
        assert 0 <= day.situation.hold_fraction <= 1
        left = day.situation.countdown_seconds(rules)
        assert left is None or 0 <= left <= rules.countdown_seconds + 1e-6
    # Left alone, it shows itself again within a known time.
    for _ in range(round(rules.idle_seconds + OPERATOR_PAGE_SECONDS) + 3):
        day.frame(seconds=1.0)
    assert day.phase is Phase.ATTRACT


@given(rules, st.lists(st.tuples(times, observations), max_size=60))
def test_a_touch_always_hands_over_unless_the_operator_has_it(rules, history):
    day = Day(rules)
    for seconds, observed in history:
        before = day.situation
        day.frame(observed, seconds)
        if observed.is_visitor_acting and before.phase is not Phase.OPERATOR:
            assert day.phase in (Phase.VISITOR, Phase.OPERATOR)
            if day.phase is Phase.OPERATOR:
                assert observed.is_operator_holding
    if day.phase is not Phase.OPERATOR:
        assert day.frame(ACT).phase is Phase.VISITOR


@given(rules, st.lists(st.tuples(times, observations), max_size=60))
def test_only_the_operator_can_end_it(rules, history):
    day = Day(rules)
    for seconds, observed in history:
        day.frame(replace(observed, is_operator_holding=False), seconds)
    assert Quit() not in day.actions
    assert day.phase is not Phase.OPERATOR
