"""What visitors may do, what the exhibit says, and what it does of itself."""

from dataclasses import MISSING, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.assets import ORIGINS
from nca_viewer.interaction import actions as messages
from nca_viewer.interaction.actions import (
    NewDigit,
    Operate,
    OperatorChoice,
    Quit,
    Reset,
    RunOn,
    SelectTool,
    Stroke,
    SwitchLanguage,
    Tool,
)
from nca_viewer.kiosk.attract_script import parse_script
from nca_viewer.kiosk.controller import Host
from nca_viewer.kiosk.texts import texts_in
from nca_viewer.kiosk.visit import Phase, Rules
from nca_viewer.kiosk.visitor_buttons import VISITOR_ACTIONS, VISITOR_BUTTONS

GRID = (11, 13)
SCRIPT = parse_script(["digit 3", "caption Look", "caption.de Schau", "wait 1", "hand erase 50,50 in 5"], "a")
STROKE = Stroke(None, (2, 3), (2, 5))


class Hall:
    def __init__(self, languages=("en",), idle_seconds=20.0):
        self.host = Host(Rules(idle_seconds), SCRIPT, languages)
        self.now = 5.0

    def frame(self, *actions, seconds=0.25, acting=None, holding=False, grid=GRID):
        self.now += seconds
        return self.host.direct(
            self.now,
            actions,
            is_visitor_acting=bool(actions) if acting is None else acting,
            is_operator_holding=holding,
            strokes_begun=sum(isinstance(action, Stroke) for action in actions),
            grid_size=grid,
        )

    def wait(self, seconds, **more):
        done = []
        for _ in range(round(seconds / 0.25)):
            done += self.frame(**more)
        return done

    @property
    def phase(self):
        return self.host.facts.phase


@pytest.fixture
def hall():
    return Hall()


def test_alone_it_follows_the_script(hall):
    done = hall.wait(5)
    assert done[0] == NewDigit(3)
    strokes = [action for action in done if isinstance(action, Stroke)]
    assert {(stroke.tool, stroke.start) for stroke in strokes} == {(Tool.ERASE, (5, 6))}
    assert hall.host.facts.ghost.is_down
    assert hall.host.caption(Tool.PAINT) == "Look"


def test_the_first_touch_acts_in_its_own_frame_and_the_ghost_is_gone(hall):
    hall.wait(3)
    assert hall.frame(STROKE) == [STROKE]
    assert hall.phase is Phase.VISITOR
    assert hall.host.facts.ghost is None
    assert hall.host.facts.visits == 1
    assert hall.wait(3) == []


def test_what_a_device_does_by_itself_does_not_act_while_nobody_is_there(hall):
    done = hall.frame(STROKE, NewDigit(5), acting=False)
    assert STROKE not in done
    assert NewDigit(5) not in done
    assert hall.phase is Phase.ATTRACT


def test_visitors_do_what_they_may_and_nothing_else(hall):
    allowed = [STROKE, Reset(), NewDigit(4), *VISITOR_BUTTONS.values()]
    assert {type(action) for action in allowed} == set(VISITOR_ACTIONS)
    assert hall.frame(*allowed) == allowed
    for kind in messages.Action.__args__:
        if kind not in VISITOR_ACTIONS:
            defaults = {
                "rungs": 1,
                "cells": 1,
                "choice": OperatorChoice.QUIT,
            }
            wanted = [field for field in fields(kind) if field.default is MISSING]
            action = kind(**{field.name: defaults.get(field.name) for field in wanted})
            if not isinstance(action, Operate):
                assert hall.frame(action) == [], kind


def test_facts_count_what_visitors_did(hall):
    hall.frame(STROKE, STROKE, Reset(), NewDigit())
    facts = hall.host.facts
    assert (facts.strokes, facts.resets, facts.new_digits, facts.visits) == (2, 1, 1, 1)
    hall.frame()
    facts = hall.host.facts
    assert (facts.strokes, facts.resets, facts.new_digits, facts.visits) == (0, 0, 0, 1)


def test_a_visit_that_ends_leaves_a_fresh_digit_and_the_first_language():
    hall = Hall(("de", "en"))
    hall.frame(SwitchLanguage())
    assert hall.host.texts is texts_in("en")
    done = hall.wait(21)
    assert done[:3] == [RunOn(), SelectTool(Tool.ERASE), NewDigit()]
    assert hall.phase is Phase.ATTRACT
    assert hall.host.texts is texts_in("de")
    assert hall.host.caption(Tool.PAINT) == "Schau"
    assert hall.host.facts.strokes == hall.host.facts.new_digits == 0


def test_captions_follow_tool_phase_and_language():
    hall = Hall(("en", "fr"))
    hall.frame(STROKE)
    for tool, words in (
        (Tool.PAINT, texts_in("en").help_draw),
        (Tool.ERASE, texts_in("en").help_erase),
        (Tool.CORRUPT, texts_in("en").help_scramble),
    ):
        assert hall.host.caption(tool) == words
    hall.frame(SwitchLanguage())
    assert hall.host.caption(Tool.PAINT) == texts_in("fr").help_draw
    assert hall.host.next_language is texts_in("en")
    hall.wait(15)
    assert hall.phase is Phase.COUNTDOWN
    assert hall.host.caption(Tool.PAINT) == texts_in("fr").still_there
    assert 0 < hall.host.facts.countdown_seconds <= 10


def test_only_the_operator_s_page_obeys_its_buttons(hall):
    assert Quit() not in hall.frame(Operate(OperatorChoice.QUIT))
    hall.wait(3.25, holding=True)
    assert hall.phase is Phase.OPERATOR
    assert hall.frame(STROKE, NewDigit()) == []
    reload = Operate(OperatorChoice.RELOAD)
    assert hall.frame(reload) == [reload]
    assert hall.phase is Phase.OPERATOR
    assert Quit() in hall.frame(Operate(OperatorChoice.QUIT))


def test_while_it_loads_nothing_is_shown_and_the_operator_is_heard(hall):
    assert hall.wait(2, grid=None) == []
    hall.wait(3.25, holding=True, grid=None)
    assert hall.phase is Phase.OPERATOR


histories = st.lists(
    st.tuples(
        st.floats(0, 30),
        st.lists(
            st.sampled_from([STROKE, NewDigit(), SwitchLanguage(), Quit(), Operate(OperatorChoice.RESUME)]),
            max_size=3,
        ),
        st.booleans(),
        st.booleans(),
    ),
    max_size=40,
)


@given(histories)
def test_whatever_happened_a_visitor_s_touch_acts_at_once(history):
    hall = Hall(("en", "de"))
    for seconds, done, acting, holding in history:
        hall.frame(*done, seconds=seconds, acting=acting, holding=holding)
    if hall.phase is not Phase.OPERATOR:
        assert hall.frame(STROKE) == [STROKE]
        assert hall.phase is Phase.VISITOR


@given(histories)
def test_nothing_but_the_operator_s_hold_ends_it(history):
    hall = Hall(("en", "de"))
    for seconds, done, acting, _ in history:
        assert Quit() not in hall.frame(*done, seconds=seconds, acting=acting)


def test_a_ruined_page_is_told_while_a_visitor_is_there(hall):
    assert hall.host.caption(Tool.ERASE, is_ruined=True) != texts_in("en").ruined
    hall.frame(STROKE)
    assert hall.host.caption(Tool.ERASE, is_ruined=True) == texts_in("en").ruined


@pytest.mark.parametrize(
    ("caption", "origin", "text"),
    [
        ("made", ORIGINS["model"], "made_model"),
        ("made", ORIGINS["seed-recipe"], "made_seed_recipe"),
        ("heal", ORIGINS["model"], "heal"),
        ("heal", ORIGINS["seed-recipe"], "watch"),
        ("heal", None, "heal"),
        ("made", None, None),
    ],
)
def test_of_an_automaton_nothing_is_said_but_what_is_true_of_it(caption, origin, text):
    script = parse_script([f"caption @{caption}", "wait 5"], "a")
    host = Host(Rules(), script, ["en"])
    host.origin = origin
    host.direct(0.0, [], is_visitor_acting=False, is_operator_holding=False, grid_size=(11, 13))
    assert host.caption(Tool.ERASE) == ("" if text is None else getattr(texts_in("en"), text))
