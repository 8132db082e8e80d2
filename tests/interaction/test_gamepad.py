"""A stick and its dead zone; the mapping from a file is tested with the file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.interaction.gamepad import GamepadMapping, Reticle

MAPPING = GamepadMapping(dead_zone=0.25)
deflections = st.floats(-1, 1)


def reticle(right, down):
    return Reticle(axes={0: right, 1: down})


@given(st.floats(-0.17, 0.17), st.floats(-0.17, 0.17))
def test_nothing_moves_in_the_dead_zone(right, down):
    still = reticle(right, down)
    assert not still.move(MAPPING, 1.0)
    assert (still.x, still.y) == (0.5, 0.5)


def test_at_the_rim_it_begins_slowly_and_at_the_end_it_is_full():
    assert reticle(0.26, 0).deflection(MAPPING)[0] == pytest.approx(0.01 / 0.75)
    assert reticle(1, 0).deflection(MAPPING) == (1, 0)
    assert reticle(0, -1).deflection(MAPPING) == (0, -1)


def test_noise_at_the_rim_starts_nothing_but_does_not_stop_a_hand_either():
    stick = reticle(0.24, 0)
    assert not stick.move(MAPPING, 0.1)
    stick.axes[0] = 0.5
    assert stick.move(MAPPING, 0.1)
    stick.axes[0] = 0.24
    assert stick.move(MAPPING, 0.1)
    stick.axes[0] = 0.19
    assert not stick.move(MAPPING, 0.1)
    stick.axes[0] = 0.24
    assert not stick.move(MAPPING, 0.1)


@given(st.lists(st.tuples(deflections, deflections, st.floats(0, 10)), max_size=20))
def test_it_stays_on_the_grid(moves):
    stick = Reticle()
    for right, down, seconds in moves:
        stick.axes = {0: right, 1: down}
        stick.move(MAPPING, seconds)
        assert 0 <= stick.x <= 1
        assert 0 <= stick.y <= 1
