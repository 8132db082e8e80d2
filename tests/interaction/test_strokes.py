import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.interaction.strokes import disc_region, line_cells, stroke_region

HEIGHT, WIDTH = 11, 17

inside = st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1))
anywhere = st.tuples(st.integers(-40, 60), st.integers(-40, 60))
radii = st.integers(0, 6)


def region_of(start, end, radius):
    return stroke_region(start, end, radius, HEIGHT, WIDTH)


@given(anywhere, anywhere)
def test_line_has_no_gaps_and_keeps_its_ends(start, end):
    cells = line_cells(start, end)
    assert np.abs(np.diff(cells, axis=0)).max(initial=0) <= 1
    assert {tuple(cells[0]), tuple(cells[-1])} == {start, end}


@given(anywhere, anywhere, radii)
def test_stroke_is_the_same_in_both_directions(start, end, radius):
    assert (region_of(start, end, radius) == region_of(end, start, radius)).all()


@given(anywhere, anywhere, radii)
def test_stroke_is_the_union_of_the_brush_along_its_line(start, end, radius):
    union = np.zeros((HEIGHT, WIDTH), bool)
    for cell in line_cells(start, end):
        union |= disc_region((int(cell[0]), int(cell[1])), radius, HEIGHT, WIDTH)
    assert (region_of(start, end, radius) == union).all()


@given(inside, inside, radii)
def test_stroke_in_the_grid_is_connected(start, end, radius):
    region = region_of(start, end, radius)
    reached = np.zeros_like(region)
    reached[start] = True
    for _ in range(HEIGHT * WIDTH):
        padded = np.pad(reached, 1)
        grown = region & np.any(
            [padded[r : r + HEIGHT, c : c + WIDTH] for r in range(3) for c in range(3)], axis=0
        )
        if (grown == reached).all():
            break
        reached = grown
    assert (reached == region).all()


@given(inside, radii)
def test_brush_at_rest_agrees_with_the_automaton_s_disc(centre, radius):
    from nca_viewer.automaton.edits import disc

    expected = np.asarray(disc(np.array(centre, np.float32), np.float32(radius), HEIGHT, WIDTH))
    assert (disc_region(centre, radius, HEIGHT, WIDTH) == expected).all()


def test_radius_counts():
    counts = [int(disc_region((15, 15), radius, 31, 31).sum()) for radius in range(5)]
    assert counts == [1, 5, 13, 29, 49]


def test_far_away_strokes_touch_nothing_and_cost_little():
    assert not region_of((-5000, -9000), (-5000, 90000), 3).any()
    crossing = region_of((-5000, 4), (9000, 4), 0)
    assert crossing.sum() == HEIGHT
    assert crossing[:, 4].all()
