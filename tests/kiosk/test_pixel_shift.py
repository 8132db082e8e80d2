import numpy as np

from nca_viewer.kiosk.pixel_shift import REACH_PIXELS, pixel_shift


def test_it_glides_one_pixel_at_a_time_and_goes_everywhere():
    places = [pixel_shift(float(second)) for second in range(60_000)]
    steps = np.abs(np.diff(places, axis=0))
    assert steps.max() == 1
    assert pixel_shift(0.0) == (0, 0)
    moves = np.flatnonzero(steps.any(axis=1))
    assert len(moves) < 60_000 / 15
    reach = range(-REACH_PIXELS, REACH_PIXELS + 1)
    assert {column for column, _ in places} == {row for _, row in places} == set(reach)
    assert len(set(places)) == len(reach) ** 2
