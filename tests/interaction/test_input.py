import pygame
import pytest
from pygame.event import Event

from nca_viewer.display.geometry import Geometry
from nca_viewer.interaction.actions import (
    ChangeRadius,
    NewDigit,
    Quit,
    StepOnce,
    Stroke,
    TogglePause,
    Tool,
)
from nca_viewer.interaction.input import Input

GEOMETRY = Geometry.fit((430, 390), (11, 13), bar_visible=True)


def at(row, column):
    return GEOMETRY.cell_centre((row, column))


def down(cell, button=1, **more):
    return Event(pygame.MOUSEBUTTONDOWN, pos=at(*cell), button=button, **more)


def up(cell, button=1):
    return Event(pygame.MOUSEBUTTONUP, pos=at(*cell), button=button)


def move(cell, buttons=(1, 0, 0), **more):
    return Event(pygame.MOUSEMOTION, pos=at(*cell), rel=(0, 0), buttons=buttons, **more)


def key(code, text="", mod=0, kind=pygame.KEYDOWN):
    return Event(kind, key=code, unicode=text, mod=mod)


def finger(kind, cell, number):
    x, y = at(*cell)
    return Event(
        kind,
        x=x / GEOMETRY.window_width,
        y=y / GEOMETRY.window_height,
        finger_id=number,
        touch_id=7,
        dx=0,
        dy=0,
    )


@pytest.fixture
def hand():
    return Input()


def test_press_move_release(hand):
    assert hand.read([down((2, 3))], GEOMETRY) == [Stroke(None, (2, 3), (2, 3))]
    assert hand.read([move((2, 9))], GEOMETRY) == [Stroke(None, (2, 3), (2, 9))]
    assert hand.read([up((4, 9))], GEOMETRY) == [Stroke(None, (2, 9), (4, 9))]
    assert hand.read([], GEOMETRY) == []
    assert hand.read([move((5, 5), (0, 0, 0))], GEOMETRY) == []


def test_every_motion_of_a_frame_counts(hand):
    actions = hand.read([down((1, 1)), move((1, 5)), move((6, 5)), up((6, 2))], GEOMETRY)
    assert actions == [
        Stroke(None, (1, 1), (1, 1)),
        Stroke(None, (1, 1), (1, 5)),
        Stroke(None, (1, 5), (6, 5)),
        Stroke(None, (6, 5), (6, 2)),
    ]


def test_holding_still_keeps_acting(hand):
    hand.read([down((2, 3))], GEOMETRY)
    for _ in range(3):
        assert hand.read([], GEOMETRY) == [Stroke(None, (2, 3), (2, 3))]


@pytest.mark.parametrize(
    ("modifier", "button", "tool"),
    [
        (None, 1, None),
        (None, 3, Tool.ERASE),
        (pygame.K_LSHIFT, 1, Tool.ERASE),
        (pygame.K_RSHIFT, 1, Tool.ERASE),
        (pygame.K_LCTRL, 1, Tool.CORRUPT),
        (pygame.K_RCTRL, 1, Tool.CORRUPT),
    ],
)
def test_buttons_and_modifiers_choose_the_tool(hand, modifier, button, tool):
    if modifier is not None:
        hand.read([key(modifier)], GEOMETRY)
    assert hand.read([down((4, 4), button)], GEOMETRY) == [Stroke(tool, (4, 4), (4, 4))]
    if modifier is not None:
        # The tool of a stroke stays, whatever the keys do meanwhile.
        hand.read([key(modifier, kind=pygame.KEYUP)], GEOMETRY)
        assert hand.read([], GEOMETRY) == [Stroke(tool, (4, 4), (4, 4))]


@pytest.mark.parametrize("button", [2, 4, 5, 6])
def test_other_buttons_do_nothing(hand, button):
    assert hand.read([down((4, 4), button)], GEOMETRY) == []
    assert hand.read([], GEOMETRY) == []


def test_wheel_changes_the_radius(hand):
    assert hand.read([Event(pygame.MOUSEWHEEL, x=0, y=1)], GEOMETRY) == [ChangeRadius(1)]
    assert hand.read([Event(pygame.MOUSEWHEEL, x=0, y=-3)], GEOMETRY) == [ChangeRadius(-1)]
    assert hand.read([Event(pygame.MOUSEWHEEL, x=2, y=0)], GEOMETRY) == []
    assert hand.read([Event(pygame.MOUSEWHEEL, x=0, y=1, flipped=True)], GEOMETRY) == [ChangeRadius(-1)]


@pytest.mark.parametrize("kind", [pygame.WINDOWFOCUSLOST, pygame.WINDOWLEAVE, pygame.WINDOWMINIMIZED])
def test_losing_the_window_ends_the_stroke(hand, kind):
    hand.read([down((2, 3))], GEOMETRY)
    assert hand.read([Event(kind)], GEOMETRY) == []
    assert hand.read([move((8, 8))], GEOMETRY) == []


def test_a_release_that_was_never_reported_ends_the_stroke(hand):
    hand.read([down((2, 3))], GEOMETRY)
    assert hand.read([move((8, 8), (0, 0, 0))], GEOMETRY) == []
    assert not hand.is_pressed


def test_release_outside_the_window_ends_the_stroke(hand):
    hand.read([down((2, 3))], GEOMETRY)
    hand.read([Event(pygame.MOUSEBUTTONUP, pos=(-500, 9000), button=1)], GEOMETRY)
    assert hand.read([], GEOMETRY) == []


def test_mouse_events_made_from_touch_are_dropped(hand):
    events = [down((2, 3), touch=True), move((3, 3), touch=True)]
    assert hand.read(events, GEOMETRY) == []


def test_a_finger_reported_twice_acts_once(hand):
    actions = hand.read([finger(pygame.FINGERDOWN, (2, 3), 1), down((2, 3))], GEOMETRY)
    assert actions == [Stroke(None, (2, 3), (2, 3))]
    assert hand.read([finger(pygame.FINGERUP, (2, 3), 1)], GEOMETRY) == []
    assert hand.read([], GEOMETRY) == []
    hand.read([], GEOMETRY)
    assert hand.read([down((2, 3))], GEOMETRY) == [Stroke(None, (2, 3), (2, 3))]


def test_every_finger_has_its_own_stroke(hand):
    hand.read([finger(pygame.FINGERDOWN, (1, 1), 1), finger(pygame.FINGERDOWN, (9, 9), 2)], GEOMETRY)
    actions = hand.read(
        [finger(pygame.FINGERMOTION, (9, 4), 2), finger(pygame.FINGERMOTION, (1, 6), 1)], GEOMETRY
    )
    assert actions == [Stroke(None, (9, 9), (9, 4)), Stroke(None, (1, 1), (1, 6))]
    actions = hand.read([finger(pygame.FINGERUP, (1, 6), 1)], GEOMETRY)
    assert actions == [Stroke(None, (9, 4), (9, 4))]


def test_a_held_key_repeats_only_where_it_should(hand):
    assert hand.read([key(pygame.K_n, "n")], GEOMETRY) == [StepOnce()]
    assert hand.read([key(pygame.K_n, "n")], GEOMETRY) == [StepOnce()]
    assert hand.read([key(pygame.K_SPACE, " ")], GEOMETRY) == [TogglePause()]
    assert hand.read([key(pygame.K_SPACE, " ")], GEOMETRY) == []
    hand.read([key(pygame.K_SPACE, kind=pygame.KEYUP)], GEOMETRY)
    assert hand.read([key(pygame.K_SPACE, " ")], GEOMETRY) == [TogglePause()]


def test_keys_with_alt_are_left_to_the_desktop(hand):
    assert hand.read([key(pygame.K_SPACE, " ", pygame.KMOD_LALT)], GEOMETRY) == []


def test_alt_graph_types_brackets(hand):
    assert hand.read([key(pygame.K_8, "[", pygame.KMOD_RALT)], GEOMETRY) == [ChangeRadius(-1)]
    both = pygame.KMOD_RALT | pygame.KMOD_LCTRL
    assert hand.read([key(pygame.K_9, "]", both)], GEOMETRY) == [ChangeRadius(1)]


def test_digit_keys_and_quit(hand):
    assert hand.read([key(pygame.K_4, "4")], GEOMETRY) == [NewDigit(4)]
    assert hand.read([Event(pygame.QUIT)], GEOMETRY) == [Quit()]


def test_the_brush_shows_what_a_stroke_does(hand):
    hand.read([down((2, 3), button=3)], GEOMETRY)
    assert hand.brush_tool(Tool.PAINT) is Tool.ERASE
    hand.read([up((2, 3), button=3)], GEOMETRY)
    assert hand.brush_tool(Tool.PAINT) is Tool.PAINT


def test_the_brush_shows_what_the_button_would_do(hand):
    assert hand.brush_tool(Tool.PAINT) is Tool.PAINT
    hand.read([key(pygame.K_LSHIFT)], GEOMETRY)
    assert hand.brush_tool(Tool.PAINT) is Tool.ERASE
    hand.read([key(pygame.K_LSHIFT, kind=pygame.KEYUP), key(pygame.K_LCTRL)], GEOMETRY)
    assert hand.brush_tool(Tool.PAINT) is Tool.CORRUPT
    hand.read([Event(pygame.WINDOWFOCUSLOST)], GEOMETRY)
    assert hand.brush_tool(Tool.PAINT) is Tool.PAINT
