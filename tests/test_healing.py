import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.healing import PAUSE_SECONDS, follow_healing, healed_fraction
from nca_viewer.snapshot import Snapshot

CLEAN = np.zeros((10, 10, 3), np.uint8)
CLEAN[:5] = 255


def snapshot(wrong_rows=0, step=0, episode=1, clean=CLEAN):
    """A picture in which so many rows are the opposite of what they should be."""
    image = CLEAN.copy()
    image[:wrong_rows] = 255 - image[:wrong_rows]
    return Snapshot(image, np.zeros((10, 10, 4), np.float32), step, episode, True, clean)


def follow(*frames):
    """Each frame: (wrong rows, whether touched, seconds). Returns the healing after each."""
    healing, results = None, []
    for step, (rows, is_touched, seconds) in enumerate(frames):
        healing = follow_healing(healing, snapshot(rows, step), is_touched=is_touched, now_seconds=seconds)
        results.append(healing)
    return results


def test_the_error_is_the_root_mean_square():
    assert follow((0, False, 0.0))[0].error == 0.0
    assert follow((10, False, 0.0))[0].error == 1.0
    assert follow((1, False, 0.0))[0].error == pytest.approx(np.sqrt(0.1))


def test_what_was_forgotten_at_the_start_is_the_first_damage():
    restored = [healing.restored for healing in follow((4, False, 0.0), (1, False, 1.0), (0, False, 2.0))]
    assert restored == pytest.approx([0.0, 0.5, 1.0])


def test_only_hands_make_damage():
    assert not follow((4, False, 0.0), (1, False, 1.0))[-1].is_damage
    assert follow((4, False, 0.0), (6, True, 1.0), (1, False, 2.0))[-1].is_damage


def test_without_damage_nothing_is_said_of_healing():
    assert follow((0, False, 0.0), (0, False, 1.0))[-1].restored is None
    assert follow_healing(None, snapshot(clean=None), is_touched=False, now_seconds=0.0) is None


def test_damage_heals_down_to_what_was_before_it():
    healings = follow(
        (4, False, 0.0), (1, False, 1.0), (4, True, 2.0), (9, True, 2.1), (4, False, 3.0), (1, False, 4.0)
    )
    assert [healing.restored for healing in healings[2:]] == pytest.approx([0.0, 0.0, (3 - 2) / (3 - 1), 1.0])
    assert follow((0, False, 0.0), (4, True, 2.0), (9, False, 3.0))[-1].restored == 0.0


def test_hands_that_come_back_soon_make_the_same_damage_larger():
    soon, late = PAUSE_SECONDS / 2, PAUSE_SECONDS * 2
    same = follow((0, False, 0.0), (4, True, 9.0), (4, False, 9.1), (9, True, 9.0 + soon), (4, False, 10.0))
    other = follow((0, False, 0.0), (4, True, 9.0), (4, False, 9.1), (9, True, 9.0 + late), (4, False, 12.0))
    assert same[-1].restored == pytest.approx(1 / 3)
    assert other[-1].restored == pytest.approx(1.0)


@pytest.mark.parametrize(("step", "episode"), [(0, 1), (8, 2)])
def test_another_start_begins_anew(step, episode):
    healing = follow((0, False, 0.0), (4, True, 1.0), (4, True, 1.1))[-1]
    anew = follow_healing(healing, snapshot(1, step, episode), is_touched=False, now_seconds=2.0)
    assert (anew.error_before, anew.error_damaged, anew.restored) == (0.0, anew.error, 0.0)


@given(before=st.floats(0, 0.4), harm=st.floats(0.01, 1.0))
def test_the_healed_fraction_is_one_for_full_recovery_and_zero_for_none(before, harm):
    damaged = before + harm
    assert healed_fraction(before, damaged, before) == 1.0
    assert healed_fraction(before, damaged, damaged) == pytest.approx(0.0)
    assert healed_fraction(before, damaged, damaged + harm) == pytest.approx(-1.0)
    assert healed_fraction(before, damaged, before - harm) == pytest.approx(2.0)


@pytest.mark.parametrize("library", [np, jnp])
def test_the_healed_fraction_of_arrays_is_that_of_each_and_of_their_kind(library):
    before, damaged, after = (
        library.array(row) for row in ([0.0, 0.1, 0.3], [0.4, 0.1, 0.2], [0.1, 0.0, 0.2])
    )
    fractions = healed_fraction(before, damaged, after)
    assert isinstance(fractions, type(before))
    # Without harm, or where the damage made it better, there is nothing to heal.
    np.testing.assert_allclose(fractions, [0.75, np.nan, np.nan])
    assert math.isnan(healed_fraction(0.1, 0.1, 0.1))
    assert math.isnan(healed_fraction(0.0, 0.1, math.nan))
