import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.pacing import (
    MAX_CATCH_UP_FRAMES,
    VISIBLE_TEMPO,
    FrameClock,
    RateMeter,
    StepBudget,
    due_steps,
    measured,
)

FRAME = 1 / 60
speeds = st.sampled_from([2.0**exponent for exponent in range(-3, 7)])


BUDGET = 0.8 * FRAME


def due(budget, speed, elapsed=FRAME):
    return due_steps(budget, steps_per_frame=speed, elapsed_seconds=elapsed, frame_seconds=FRAME)


def took(budget, steps, seconds):
    return measured(budget, steps=steps, seconds=seconds, budget_seconds=BUDGET)


@given(speeds, st.integers(1, 200))
def test_cheap_steps_come_at_exactly_the_speed_asked_for(speed, frames):
    budget, total = StepBudget(), 0
    for _ in range(frames):
        steps, budget = due(budget, speed)
        total += steps
        assert not budget.is_limited
    assert total == int(speed * frames)


def test_jitter_of_the_clock_does_not_change_the_number_of_steps():
    budget = StepBudget()
    for elapsed in (0.7 * FRAME, 1.4 * FRAME, FRAME, 0.51 * FRAME):
        steps, budget = due(budget, 1.0, elapsed)
        assert steps == 1


@pytest.mark.parametrize(("speed", "frames", "steps"), [(4.0, 3, [8, 8, 4, 4, 4]), (1.0, 3, [2, 2, 1, 1, 1])])
def test_missed_frames_are_made_up_for_little_by_little(speed, frames, steps):
    budget, taken = StepBudget(), []
    for elapsed in (frames * FRAME, *[FRAME] * 4):
        number, budget = due(budget, speed, elapsed)
        taken.append(number)
    assert taken == steps


def test_a_long_stall_is_forgotten():
    budget, taken = StepBudget(), []
    for elapsed in (3600.0, *[FRAME] * 9):
        steps, budget = due(budget, 2.0, elapsed)
        taken.append(steps)
    assert sum(taken) == 2 * (MAX_CATCH_UP_FRAMES + 9)
    assert taken[-1] == 2


@given(speeds, st.floats(1e-4, 0.5), st.floats(0.0, 0.01))
def test_the_window_stays_responsive_whatever_steps_and_drawing_cost(speed, step_cost, drawing):
    budget, elapsed, busy = StepBudget(), FRAME, []
    for _ in range(60):
        steps, budget = due(budget, speed, elapsed)
        busy.append((steps, drawing + steps * step_cost))
        budget = took(budget, *busy[-1])
        elapsed = max(FRAME, busy[-1][1])
        assert 0.0 <= budget.owed_steps <= 1.0 + speed * MAX_CATCH_UP_FRAMES
        assert budget.affordable_steps >= 1
    # One or two steps too many now and then, to find out whether there is room for them.
    assert all(steps <= 2 or seconds <= 1.2 * BUDGET + 2 * step_cost for steps, seconds in busy[20:])


@given(st.floats(1e-4, 0.003), st.floats(0.0, 0.006))
def test_as_many_steps_as_there_is_room_for(step_cost, drawing):
    budget, taken = StepBudget(), []
    for _ in range(200):
        steps, budget = due(budget, 64.0)
        taken.append(steps)
        budget = took(budget, steps, drawing + steps * step_cost)
    room = min(64.0, (BUDGET - drawing) / step_cost)
    assert sum(taken[100:]) / 100 >= 0.7 * room


def test_slow_steps_still_come_one_by_one():
    budget = StepBudget(affordable_steps=1.0)
    assert due(budget, 1.0)[0] == 1
    taken = 0
    for _ in range(8):
        steps, budget = due(budget, 1 / 8)
        taken += steps
    assert taken == 1


def test_the_limit_is_told():
    budget = StepBudget(affordable_steps=5.5)
    assert due(budget, 64.0)[0] == 5
    assert due(budget, 64.0)[1].is_limited
    assert not due(budget, 2.0)[1].is_limited
    assert not due(budget, 4.0, 4 * FRAME)[1].is_limited


def test_frames_without_steps_teach_nothing():
    budget = StepBudget(affordable_steps=5.5)
    assert took(budget, 0, 10.0) == budget


def test_a_stall_of_one_frame_takes_no_steps_away():
    budget = took(StepBudget(), 4, 1000.0)
    assert due(budget, 4.0)[0] == 4
    budget = took(took(budget, 4, 0.001), 4, 1000.0)
    assert due(budget, 4.0)[0] == 4
    assert due(took(budget, 4, 1000.0), 4.0)[0] == 2


def test_a_stall_is_forgotten_within_a_second():
    budget = took(took(StepBudget(), 4, 1000.0), 4, 1000.0)
    for _ in range(30):
        steps, budget = due(budget, 4.0)
        budget = took(budget, steps, 0.001 * steps)
    assert due(budget, 4.0)[0] == 4


# --------------------------------------------------------------------------------- frame clock


@given(st.lists(st.floats(0.0, 0.008), min_size=1, max_size=50))
def test_frames_are_evenly_spaced_whatever_the_work_on_them_takes(works):
    clock, now, shown = FrameClock(5.0, FRAME), 5.0, []
    for work in works:
        now = max(now, clock.begin_seconds) + work
        now = max(now, clock.due_seconds)
        shown.append(now)
        clock = clock.after(now_seconds=now, work_seconds=work)
    # Late is only what began with no idea of its cost: a frame that took longer than those before it.
    for number, (work, seconds) in enumerate(zip(works, shown, strict=True)):
        if number and work <= max(works[:number]) * 0.985**number:
            assert seconds == pytest.approx(5.0 + number * FRAME, abs=1e-9)


def test_the_work_begins_as_late_as_it_can():
    clock = FrameClock(0.0, FRAME)
    assert clock.begin_seconds == clock.due_seconds == 0.0
    clock = clock.after(now_seconds=0.0, work_seconds=0.002)
    assert clock.due_seconds == pytest.approx(FRAME)
    assert 0.002 < clock.due_seconds - clock.begin_seconds < 0.004
    clock = clock.after(now_seconds=clock.due_seconds, work_seconds=60.0)
    assert 0.5 * FRAME < clock.due_seconds - clock.begin_seconds < FRAME
    for _ in range(400):
        clock = clock.after(now_seconds=clock.due_seconds, work_seconds=0.002)
    assert clock.due_seconds - clock.begin_seconds < 0.004


def test_missed_beats_are_skipped_and_the_grid_stays():
    clock = FrameClock(0.0, FRAME).after(now_seconds=3.4 * FRAME, work_seconds=0.001)
    assert clock.number == 4
    clock = clock.after(now_seconds=4.9 * FRAME, work_seconds=0.001)
    assert clock.number == 5


def test_rate_meter():
    meter = RateMeter()
    assert meter.per_second == 0.0
    for frame in range(200):
        meter.count(frame / 50, 3)
    assert meter.per_second == pytest.approx(150)


def test_a_digit_forms_in_about_four_seconds_and_wounds_close_in_about_three():
    """In the steps that 20 digits of `model` took: to 95 % formed, and a wound of radius 4 closed by 90 %."""
    silent_steps, forming_steps, erased_steps, corrupted_steps = 32, 51, 39, 47
    seconds = sum(
        1 / VISIBLE_TEMPO.steps_per_second(step, silent_steps=silent_steps) for step in range(forming_steps)
    )
    assert seconds == pytest.approx(4.0, abs=0.5)
    for steps in (erased_steps, corrupted_steps):
        seconds = sum(1 / VISIBLE_TEMPO.steps_per_second(100 + step, 100) for step in range(steps))
        assert 2.0 < seconds < 4.0
    assert VISIBLE_TEMPO.steps_per_second(100) == VISIBLE_TEMPO.steps_per_second(200, 100) == 60
