"""Waiting before another try, and giving up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.kiosk.operation.backoff import Backoff, BackoffRules, after_failure

RULES = BackoffRules()


def delays(gaps, rules=RULES):
    """What follows failures that are so far apart, each after the delay that it was given."""
    backoff, now, result = Backoff(), 0.0, []
    for gap in gaps:
        now += gap
        backoff, delay = after_failure(backoff, now, 0.0, rules)
        result.append(delay)
        if delay is None:
            break
        now += delay
    return result


def test_the_first_try_follows_at_once_and_the_next_ones_later_and_later():
    assert delays([0] * 20) == [0, 1, 2, 4, 8, 16, 32, None]
    assert delays([0] * 5, BackoffRules(longest_delay_seconds=3)) == [0, 1, 2, 3, 3]


@given(st.lists(st.floats(0, RULES.longest_try_seconds), min_size=20, max_size=20))
def test_a_viewer_that_never_starts_is_given_up_however_long_it_tries(gaps):
    assert delays(gaps)[RULES.most_failures - 1] is None


def test_rare_crashes_are_forgiven_for_ever():
    backoff = Backoff()
    for hour in range(10_000):
        backoff, delay = after_failure(backoff, 3600.0 * hour, 3000.0, RULES)
        assert delay == 0
        assert len(backoff.failures_seconds) == 1


def test_a_failure_after_a_good_life_is_followed_by_another_start_at_once_but_counts():
    backoff, result = Backoff(), []
    for minute in range(0, 16, 2):
        backoff, delay = after_failure(backoff, 60.0 * minute, 100.0, RULES)
        result.append(delay)
    assert result == [0.0] * 7 + [None]


def test_rules_that_could_never_trip_are_refused():
    with pytest.raises(ValueError, match="this would go on for ever"):
        BackoffRules(window_seconds=60)
