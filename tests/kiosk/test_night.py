from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.errors import ConfigError
from nca_viewer.kiosk.night import DUSK_SECONDS, WAKING_SECONDS, DisplayBrightness, NightHours, NightSchedule

HOURS = NightHours(time(22), time(7))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("22:00-07:00", NightHours(time(22), time(7))),
        (" 9:30 - 18:15 ", NightHours(time(9, 30), time(18, 15))),
        ("18:00-24:00", NightHours(time(18), time(0))),
    ],
)
def test_hours_are_read(text, expected):
    assert NightHours.parse(text) == expected
    assert NightHours.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", "22-7", "22:00", "25:00-07:00", "24:30-07:00", "22:60-07:00", "22:00-07:00h", "ten to six"]
)
def test_what_is_no_pair_of_times_is_refused(text):
    with pytest.raises(ConfigError, match=r"--night = .* write it as 22:00-07:00"):
        NightHours.parse(text)


def test_a_night_without_length_is_refused():
    with pytest.raises(ConfigError, match="begins when it ends"):
        NightHours.parse("07:00-7:00")


@pytest.mark.parametrize(
    ("hours", "night", "day"),
    [
        (HOURS, [time(22), time(23, 59), time(0), time(6, 59, 59)], [time(7), time(12), time(21, 59, 59)]),
        (NightHours(time(1), time(5)), [time(1), time(4, 59)], [time(0, 59), time(5), time(23)]),
        (NightHours(time(18), time(0)), [time(18), time(23, 59)], [time(0), time(17, 59)]),
    ],
)
def test_night_and_day(hours, night, day):
    assert all(hours.contains(moment) for moment in night)
    assert not any(hours.contains(moment) for moment in day)


@given(
    st.lists(st.tuples(st.floats(0.0, 30.0), st.times(), st.booleans()), min_size=2, max_size=30),
    st.floats(0.0, 1.0),
    st.floats(0.0, 60.0),
)
def test_the_light_never_jumps_whatever_the_clock_on_the_wall_does(moments, brightness, wake_seconds):
    schedule, now = NightSchedule(HOURS, brightness, wake_seconds), 100.0
    light = DisplayBrightness().at(schedule, time(12), now)
    for elapsed, local, is_touched in moments:
        now += elapsed
        if is_touched:
            light = light.woken(wake_seconds, now)
        before, light = light, light.at(schedule, local, now)
        assert min(brightness, before.brightness) <= light.brightness <= 1.0
        assert abs(light.brightness - before.brightness) <= elapsed / WAKING_SECONDS + 1e-9


def test_it_gets_dark_in_the_evening_and_light_in_the_morning():
    schedule = NightSchedule(HOURS)
    light = DisplayBrightness().at(schedule, time(21, 59), 0.0)
    assert light.brightness == 1.0
    light = light.at(schedule, time(22), DUSK_SECONDS / 2)
    assert light.brightness == pytest.approx(0.5)
    light = light.at(schedule, time(22), DUSK_SECONDS)
    assert light.is_dark
    light = light.at(schedule, time(7), DUSK_SECONDS * 3)
    assert light.brightness == 1.0


def test_what_starts_at_night_starts_dark():
    assert DisplayBrightness().at(NightSchedule(HOURS), time(3), 0.0).is_dark
    assert DisplayBrightness().at(NightSchedule(HOURS, 0.3), time(3), 0.0).brightness == 0.3


def test_a_touch_wakes_for_a_while_only_where_it_should():
    light = DisplayBrightness().at(NightSchedule(HOURS), time(3), 0.0)
    assert light.woken(0.0, 1.0).at(NightSchedule(HOURS), time(3), 5.0).is_dark
    schedule = NightSchedule(HOURS, 0.0, 60.0)
    light = light.woken(60.0, 1.0).woken(5.0, 1.0).at(schedule, time(3), 1.0 + WAKING_SECONDS)
    assert light.brightness == 1.0
    assert light.at(schedule, time(3), 60.0).brightness == 1.0
    assert light.at(schedule, time(3), 62.0 + DUSK_SECONDS).is_dark
