import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.pacing import MAX_CATCH_UP_FRAMES, Pace, RateMeter, due_steps, measured

FRAME = 1 / 60
speeds = st.sampled_from([2.0**exponent for exponent in range(-3, 7)])


BUDGET = 0.8 * FRAME


def due(pace, speed, elapsed=FRAME):
    return due_steps(pace, steps_per_frame=speed, elapsed_seconds=elapsed, frame_seconds=FRAME)


def took(pace, steps, seconds):
    return measured(pace, steps=steps, seconds=seconds, budget_seconds=BUDGET)


@given(speeds, st.integers(1, 200))
def test_cheap_steps_come_at_exactly_the_speed_asked_for(speed, frames):
    pace, total = Pace(), 0
    for _ in range(frames):
        steps, pace = due(pace, speed)
        total += steps
        assert not pace.is_limited
    assert total == int(speed * frames)


def test_jitter_of_the_clock_does_not_change_the_number_of_steps():
    pace = Pace()
    for elapsed in (0.7 * FRAME, 1.4 * FRAME, FRAME, 0.51 * FRAME):
        steps, pace = due(pace, 1.0, elapsed)
        assert steps == 1


def test_missed_frames_are_made_up_for_but_a_stall_is_forgotten():
    assert due(Pace(), 2.0, 3 * FRAME)[0] == 6
    steps, pace = due(Pace(), 2.0, 3600.0)
    assert steps == 2 * MAX_CATCH_UP_FRAMES
    assert due(pace, 2.0)[0] == 2


@given(speeds, st.floats(1e-4, 0.5), st.floats(0.0, 0.01))
def test_the_window_stays_responsive_whatever_steps_and_drawing_cost(speed, step_cost, drawing):
    pace, elapsed, busy = Pace(), FRAME, []
    for _ in range(60):
        steps, pace = due(pace, speed, elapsed)
        busy.append((steps, drawing + steps * step_cost))
        pace = took(pace, *busy[-1])
        elapsed = max(FRAME, busy[-1][1])
        assert 0.0 <= pace.owed_steps < 1.0
        assert pace.affordable_steps >= 1
    # One or two steps too many now and then, to find out whether there is room for them.
    assert all(steps <= 2 or seconds <= 1.2 * BUDGET + 2 * step_cost for steps, seconds in busy[20:])


@given(st.floats(1e-4, 0.003), st.floats(0.0, 0.006))
def test_as_many_steps_as_there_is_room_for(step_cost, drawing):
    pace, taken = Pace(), []
    for _ in range(200):
        steps, pace = due(pace, 64.0)
        taken.append(steps)
        pace = took(pace, steps, drawing + steps * step_cost)
    room = min(64.0, (BUDGET - drawing) / step_cost)
    assert sum(taken[100:]) / 100 >= 0.7 * room


def test_slow_steps_still_come_one_by_one():
    pace = Pace(affordable_steps=1.0)
    assert due(pace, 1.0)[0] == 1
    taken = 0
    for _ in range(8):
        steps, pace = due(pace, 1 / 8)
        taken += steps
    assert taken == 1


def test_the_limit_is_told():
    pace = Pace(affordable_steps=5.5)
    assert due(pace, 64.0)[0] == 5
    assert due(pace, 64.0)[1].is_limited
    assert not due(pace, 2.0)[1].is_limited
    assert not due(pace, 4.0, 4 * FRAME)[1].is_limited


def test_frames_without_steps_teach_nothing():
    pace = Pace(affordable_steps=5.5)
    assert took(pace, 0, 10.0) == pace


def test_one_stall_is_forgotten_within_a_second():
    pace = took(Pace(), 4, 1000.0)
    for _ in range(30):
        steps, pace = due(pace, 4.0)
        pace = took(pace, steps, 0.001 * steps)
    assert due(pace, 4.0)[0] == 4


def test_rate_meter():
    meter = RateMeter()
    assert meter.per_second == 0.0
    for frame in range(200):
        meter.count(frame / 50, 3)
    assert meter.per_second == pytest.approx(150)
