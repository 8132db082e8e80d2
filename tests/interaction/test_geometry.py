import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.interaction.geometry import Geometry

SIZES = [(640, 480), (1280, 800), (1919, 1079), (480, 1000), (300, 301), (97, 89), (30, 20)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bar_visible", [False, True])
def test_every_pixel_of_every_cell_leads_back_to_it(size, bar_visible):
    geometry = Geometry.fit(size, (11, 13), bar_visible=bar_visible)
    for row in range(11):
        for column in range(13):
            left, top, width, height = geometry.cell_rectangle((row, column))
            corners = [(left, top), (left + width - 1, top), (left, top + height - 1)]
            for pixel in [
                *corners,
                (left + width - 1, top + height - 1),
                geometry.cell_centre((row, column)),
            ]:
                assert geometry.cell_at(pixel) == (row, column)


@pytest.mark.parametrize("size", SIZES[:-1])
def test_the_grid_is_whole_and_clear_of_the_bar(size):
    geometry = Geometry.fit(size, (11, 13), bar_visible=True)
    left, top, width, height = geometry.grid_rectangle
    assert left >= 0
    assert top >= 0
    assert left + width <= size[0]
    assert top + height <= size[1] - geometry.bar_height


@given(st.integers(64, 3000), st.integers(64, 3000), st.integers(8, 128), st.integers(8, 128))
def test_cells_are_square_equal_and_as_large_as_they_fit(width, height, rows, columns):
    geometry = Geometry.fit((width, height), (rows, columns), bar_visible=False, margin_pixels=0)
    side = geometry.cell_pixels
    assert side >= 1
    assert geometry.grid_rectangle[2:] == (columns * side, rows * side)
    if side > 1:
        assert columns * side <= width
        assert rows * side <= height
    assert columns * (side + 1) > width or rows * (side + 1) > height


def test_beside_the_grid_cells_count_on():
    geometry = Geometry.fit((430, 390), (11, 13), bar_visible=False)
    assert geometry.cell_at((geometry.left - 1, geometry.top - 1)) == (-1, -1)
    left, top, width, height = geometry.grid_rectangle
    assert geometry.cell_at((left + width, top + height)) == (11, 13)
    assert not geometry.contains((11, 0))
    assert geometry.contains((10, 12))


@given(st.integers(0, 2**30))
def test_the_outline_surrounds_exactly_the_region(seed):
    region = np.random.default_rng(seed).random((11, 13)) < 0.4
    geometry = Geometry.fit((430, 390), (11, 13), bar_visible=False)
    edges = set(geometry.outline(region))
    for row in range(11):
        for column in range(13):
            left, top, side, _ = geometry.cell_rectangle((row, column))
            above = row > 0 and region[row - 1, column]
            before = column > 0 and region[row, column - 1]
            assert (((left, top), (left + side, top)) in edges) == (region[row, column] != above)
            assert (((left, top), (left, top + side)) in edges) == (region[row, column] != before)
