"""Buttons for fingers, on every shape and scale of screen."""

import itertools

import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.interaction.actions import NewDigit
from nca_viewer.kiosk import layout as layout_module
from nca_viewer.kiosk.layout import FINGER_PART, KioskLayout
from nca_viewer.kiosk.visitor_buttons import VISITOR_BUTTONS

SCREENS = [
    (1920, 1080),
    (1080, 1920),
    (800, 600),
    (3840, 2160),
    (2160, 3840),
    (1024, 768),
    (1280, 1024),
    (1024, 1024),
    (1366, 768),
    (600, 1024),
    (2560, 1080),
]
SCALES = [1.0, 1.25, 1.5, 2.0]


def rectangles(layout):
    return [pygame.Rect(rectangle) for _, rectangle in layout.buttons]


@pytest.mark.parametrize("size", SCREENS)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("has_languages", [False, True])
@pytest.mark.parametrize("grid", [(28, 28), (11, 13)])
def test_buttons_are_large_low_and_apart_from_everything(size, scale, has_languages, grid):
    size = (round(size[0] / scale), round(size[1] / scale))
    layout = KioskLayout.fit(size, grid, has_languages=has_languages)
    window = pygame.Rect((0, 0), size)
    buttons = rectangles(layout)
    names = [name for name in VISITOR_BUTTONS if name != "language" or has_languages]
    assert [name for name, _ in layout.buttons] == names
    cells = pygame.Rect(layout.geometry.grid_rectangle)
    others = [cells, pygame.Rect(layout.caption)] + ([pygame.Rect(layout.title)] if layout.title else [])
    for box in [*buttons, *others]:
        assert window.contains(box)
    for button in buttons:
        assert min(button.size) >= FINGER_PART * min(size)
        assert button.top >= size[1] // 2
    for one, other in itertools.combinations([*buttons, *others], 2):
        assert not one.colliderect(other)
    # The grid is what people came for.
    assert max(cells.width, cells.height) >= 0.66 * min(size)


@pytest.mark.parametrize("size", SCREENS)
@pytest.mark.parametrize("more", [1, 2, 3])
def test_there_is_room_for_a_few_buttons_more(monkeypatch, size, more):
    table = VISITOR_BUTTONS | {f"more {number}": NewDigit(number) for number in range(more)}
    monkeypatch.setattr(layout_module, "VISITOR_BUTTONS", table)
    layout = KioskLayout.fit(size, (28, 28), has_languages=True)
    boxes = [*rectangles(layout), pygame.Rect(layout.geometry.grid_rectangle), pygame.Rect(layout.caption)]
    assert [name for name, _ in layout.buttons] == list(table)
    assert all(pygame.Rect((0, 0), size).contains(box) for box in boxes)
    assert all(min(button.size) >= FINGER_PART * min(size) for button in rectangles(layout))
    for one, other in itertools.combinations(boxes, 2):
        assert not one.colliderect(other)


@pytest.mark.parametrize("size", SCREENS)
def test_the_operator_s_buttons_are_low_and_large_too(size):
    layout = KioskLayout.fit(size, (28, 28), has_languages=True)
    page = pygame.Rect(layout.page)
    for _, rectangle in layout.page_buttons:
        button = pygame.Rect(rectangle)
        assert page.contains(button)
        assert button.top >= size[1] // 2 - 1
        assert min(button.size) >= 0.95 * FINGER_PART * min(size)


@pytest.mark.parametrize("size", SCREENS)
@pytest.mark.parametrize("scale", SCALES)
def test_every_pixel_of_every_cell_leads_back_to_it(size, scale):
    size = (round(size[0] * scale), round(size[1] * scale))
    geometry = KioskLayout.fit(size, (11, 13), has_languages=True).geometry
    for row, column in itertools.product(range(11), range(13)):
        left, top, width, height = geometry.cell_rectangle((row, column))
        for x, y in itertools.product((left, left + width - 1), (top, top + height - 1)):
            assert geometry.cell_at((x, y)) == (row, column)
            # A finger's place, a fraction of the window, comes to the same pixel.
            assert int((x + 0.5) / size[0] * size[0]) == x
            assert int((y + 0.5) / size[1] * size[1]) == y


@given(st.integers(1, 4000), st.integers(1, 4000), st.booleans())
def test_no_window_is_too_strange(width, height, has_languages):
    layout = KioskLayout.fit((width, height), (28, 28), has_languages=has_languages)
    assert layout.geometry.cell_pixels >= 1
    boxes = [layout.caption, layout.page, *(box for _, box in (*layout.buttons, *layout.page_buttons))]
    assert all(box[2] >= 1 and box[3] >= 1 for box in boxes)


def test_what_is_drawn_is_what_is_pressed():
    layout = KioskLayout.fit((1920, 1080), (28, 28), has_languages=True)
    assert [target.rectangle for target in layout.targets] == [box for _, box in layout.buttons]
    assert [target.rectangle for target in layout.operator_targets] == [box for _, box in layout.page_buttons]
