"""The guard: which frames are faults, and which only look like it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.health import (
    Facts,
    Fault,
    Guard,
    Limits,
    Remedy,
    expects_change,
    ink_share,
    is_blank,
    watch,
)
from nca_viewer.interaction.actions import Tool

LIMITS = Limits()
FRAME = 1 / 60


def play(seconds, guard=None, start=0.0, limits=LIMITS, **changes):
    """The verdicts of some seconds of frames: (seconds since the start, verdict); and the guard after."""
    guard = guard or Guard()
    verdicts = []
    for number in range(round(seconds / FRAME)):
        facts = Facts(now_seconds=start + number * FRAME, step=number, episode=1)
        for name, value in changes.items():
            facts = replace(facts, **{name: value(number) if callable(value) else value})
        guard, verdict = watch(guard, facts, limits)
        if verdict is not None:
            verdicts.append((number * FRAME, verdict))
    return verdicts, guard


def only(verdicts):
    assert len(verdicts) == 1, verdicts
    return verdicts[0]


def test_a_healthy_run_is_left_alone():
    assert play(120)[0] == []


def test_a_picture_at_rest_is_healthy():
    assert play(120, has_changed=False)[0] == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"is_finite": False}, Fault.NOT_FINITE),
        ({"is_bounded": False}, Fault.RUNAWAY),
        ({"error": "the device failed"}, Fault.ERROR),
    ],
)
def test_what_cannot_become_a_picture_is_replaced_at_once(changes, fault):
    for limits in (LIMITS, Limits(judges_the_picture=False)):
        seconds, verdict = only(play(FRAME, limits=limits, **changes)[0])
        assert (seconds, verdict.fault, verdict.remedy) == (0.0, fault, Remedy.FRESH_DIGIT)


def test_no_step_although_it_runs():
    seconds, verdict = only(play(4, step=7)[0])
    assert verdict.fault is Fault.FROZEN
    assert seconds == pytest.approx(LIMITS.frozen_seconds, abs=2 * FRAME)
    assert "3.0 s" in verdict.reason


def test_a_visitor_who_goes_back_to_the_start_hides_no_freeze():
    """Seen once among a million frames of simulated visitors."""
    seconds, verdict = only(play(5, step=lambda frame: min(frame, 60) if frame < 150 else 0)[0])
    assert verdict.fault is Fault.FROZEN
    assert seconds == pytest.approx(1.0 + LIMITS.frozen_seconds, abs=2 * FRAME)
    assert play(20, step=lambda frame: frame % 30)[0] == []


def test_no_step_while_paused_or_slow_is_no_fault():
    assert play(60, step=7, is_running=False)[0] == []
    assert play(60, step=lambda number: number // 120, step_interval_seconds=2.0)[0] == []
    guard = play(60, step=7, is_running=False)[1]
    assert play(2, guard, start=60, step=7)[0] == []


def test_strokes_that_never_show():
    seconds, verdict = only(play(6, has_changed=False, expects_change=True, hands_on=True)[0])
    assert verdict.fault is Fault.UNANSWERED
    assert seconds == pytest.approx(LIMITS.unanswered_seconds, abs=2 * FRAME)


@pytest.mark.parametrize(
    "changes",
    [
        {"expects_change": lambda number: number == 0},
        {"expects_change": lambda number: number % 30 == 0},
        {"expects_change": True, "has_changed": lambda number: number % 240 == 0},
        {"hands_on": True},
    ],
)
def test_a_few_strokes_that_do_not_show_are_no_fault(changes):
    assert play(9, **({"has_changed": False} | changes))[0] == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"is_blank": True, "ink_share": 0.0}, Fault.BLANK),
        ({"ink_share": 0.9}, Fault.FULL),
        ({"is_ruined": True}, Fault.RUINED),
    ],
)
def test_blank_and_full_grids_are_replaced_after_a_grace_time_without_hands(changes, fault):
    seconds, verdict = only(play(30, **changes)[0])
    assert (verdict.fault, verdict.remedy) == (fault, Remedy.FRESH_DIGIT)
    assert seconds == pytest.approx(LIMITS.grace_seconds, abs=2 * FRAME)
    assert play(60, **changes, hands_on=lambda number: number % 600 == 0)[0] == []
    for left in ({"hands_on": lambda number: number == 0}, {"began_blank": True}):
        verdict = only(play(30, **changes, **left)[0])[1]
        assert (verdict.fault, verdict.remedy) == (None, Remedy.FRESH_DIGIT)
    in_the_one_before = {"hands_on": lambda number: number == 0, "episode": lambda number: min(number, 1)}
    assert only(play(30, **changes, **in_the_one_before)[0])[1].fault is fault
    assert play(60, **changes, limits=Limits(judges_the_picture=False))[0] == []


def test_a_page_that_visitors_left_is_no_recovery_and_makes_no_storm():
    lately = (15.0, 16.0, 17.0, 18.0, 19.0)
    verdicts, guard = play(21, Guard(recoveries_seconds=lately), is_blank=True, began_blank=True)
    assert (only(verdicts)[1].fault, only(verdicts)[1].remedy) == (None, Remedy.FRESH_DIGIT)
    assert guard.recoveries_seconds == lately


def test_a_stall_is_told_once_and_ends_in_a_restart():
    verdicts, _ = play(11, step=3, waiting_seconds=lambda number: number * FRAME)
    assert [verdict.fault for _, verdict in verdicts[:2]] == [Fault.STALLED] * 2
    assert verdicts[0][1].remedy is Remedy.NOTE
    assert verdicts[0][0] == pytest.approx(LIMITS.stall_note_seconds, abs=2 * FRAME)
    assert verdicts[1][1].remedy is Remedy.RESTART
    assert verdicts[1][0] == pytest.approx(LIMITS.stall_restart_seconds, abs=2 * FRAME)


def test_a_stall_that_passes_is_forgotten():
    verdicts, guard = play(5, step=3, waiting_seconds=lambda number: number * FRAME)
    assert len(verdicts) == 1
    assert play(20, guard, start=5)[0] == []


def test_recoveries_that_do_not_help_end_in_a_restart():
    verdicts, _ = play(10 * FRAME, is_finite=False)
    assert [verdict.remedy for _, verdict in verdicts[:6]] == [Remedy.FRESH_DIGIT] * 5 + [Remedy.RESTART]


def test_where_nobody_would_start_it_again_it_goes_on_as_well_as_it_can():
    alone = Limits(may_restart=False)
    verdicts, _ = play(60, limits=alone, is_finite=False)
    assert {verdict.remedy for _, verdict in verdicts} == {Remedy.FRESH_DIGIT}
    assert len(verdicts) == pytest.approx(5 + 6, abs=1)
    verdicts, _ = play(60, limits=alone, step=3, waiting_seconds=lambda number: number * FRAME)
    assert only(verdicts)[1].remedy is Remedy.NOTE


def test_a_leak_ends_in_a_restart_while_nobody_is_there():
    assert play(5, grown_megabytes=1500.0)[0] == []
    assert play(5, grown_megabytes=900.0, is_deserted=True)[0] == []
    assert play(5, grown_megabytes=1500.0, is_deserted=True, limits=Limits(may_restart=False))[0] == []
    verdicts, _ = play(FRAME, grown_megabytes=1500.0, is_deserted=True)
    assert (only(verdicts)[1].fault, only(verdicts)[1].remedy) == (Fault.MEMORY, Remedy.RESTART)


def test_rare_recoveries_never_end_in_a_restart():
    guard = Guard()
    for minute in range(60):
        verdicts, guard = play(FRAME, guard, start=60.0 * minute, is_finite=False)
        assert only(verdicts)[1].remedy is Remedy.FRESH_DIGIT
        assert len(guard.recoveries_seconds) <= 2


@given(
    st.lists(
        st.builds(
            Facts,
            now_seconds=st.just(0.0),
            step=st.integers(0, 3),
            episode=st.integers(0, 2),
            is_finite=st.booleans(),
            ink_share=st.floats(0, 1),
            is_blank=st.booleans(),
            has_changed=st.booleans(),
            is_running=st.booleans(),
            hands_on=st.booleans(),
            expects_change=st.booleans(),
            waiting_seconds=st.floats(0, 30),
            error=st.sampled_from(["", "trouble"]),
        ),
        max_size=40,
    ),
    st.lists(st.floats(0, 30), min_size=40, max_size=40),
)
def test_the_guard_stays_small_and_every_fault_gets_a_remedy(frames, pauses):
    guard, now = Guard(), 0.0
    for facts, pause in zip(frames, pauses, strict=False):
        now += pause
        facts = replace(facts, now_seconds=now)
        guard, verdict = watch(guard, facts, LIMITS)
        assert len(guard.recoveries_seconds) <= LIMITS.storm_recoveries + 1 + len(frames)
        if facts.error or not facts.is_finite:
            assert verdict is not None
            assert verdict.remedy is not Remedy.NOTE


def picture(ink):
    return np.repeat(np.asarray(ink, np.uint8)[..., None], 3, axis=2)


def test_what_a_stroke_should_change():
    region = np.array([[True, True, False]])
    assert expects_change(Tool.PAINT, region, picture([[255, 0, 0]]))
    assert not expects_change(Tool.PAINT, region, picture([[255, 255, 0]]))
    assert expects_change(Tool.ERASE, region, picture([[255, 0, 0]]))
    assert not expects_change(Tool.ERASE, region, picture([[0, 0, 255]]))
    assert expects_change(Tool.CORRUPT, region, picture([[0, 0, 0]]))
    assert not expects_change(Tool.CORRUPT, ~region & region, picture([[0, 0, 0]]))


def test_figures_of_a_picture():
    assert is_blank(picture([[0, 7], [15, 3]]))
    assert not is_blank(picture([[0, 7], [16, 3]]))
    assert ink_share(picture([[0, 128], [127, 255]])) == 0.5
