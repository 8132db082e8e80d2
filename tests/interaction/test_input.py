import pygame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygame.event import Event

from nca_viewer.interaction.actions import (
    ChangeRadius,
    NewDigit,
    Quit,
    Reset,
    StepOnce,
    Stroke,
    TogglePause,
    Tool,
)
from nca_viewer.interaction.gamepad import GamepadMapping, KeyMapping
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.input import Input, Target
from nca_viewer.interaction.presence import MAX_RAPID_PRESSES, MAX_RUN_SECONDS, QUIET_SECONDS

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


# ----------------------------------------------------------------------- one touch, one stroke

BUTTON = Target((0, 300, 100, 80), NewDigit())


def touch(kind, pixel, number=1):
    return Event(
        kind,
        x=(pixel[0] + 0.5) / GEOMETRY.window_width,
        y=(pixel[1] + 0.5) / GEOMETRY.window_height,
        finger_id=number,
        touch_id=7,
        dx=0,
        dy=0,
    )


def click(pixel, kind=pygame.MOUSEBUTTONDOWN, **more):
    return Event(kind, pos=pixel, button=1, **more)


@pytest.mark.parametrize("delay", [0.0, 0.016, 0.05])
@pytest.mark.parametrize("is_mouse_first", [False, True])
def test_a_touch_on_a_button_that_is_reported_twice_presses_it_once(hand, delay, is_mouse_first):
    events = [touch(pygame.FINGERDOWN, (40, 340)), click((42, 338))]
    if is_mouse_first:
        events.reverse()
    actions = hand.read(events[:1], GEOMETRY, 1.0, [BUTTON])
    actions += hand.read(events[1:], GEOMETRY, 1.0 + delay, [BUTTON])
    assert actions == [NewDigit()]
    assert hand.pressed_actions == [NewDigit()]
    hand.read([click((42, 338), pygame.MOUSEBUTTONUP)], GEOMETRY, 1.2, [BUTTON])
    assert hand.pressed_actions == [NewDigit()] or is_mouse_first
    hand.read([touch(pygame.FINGERUP, (40, 340))], GEOMETRY, 1.3, [BUTTON])
    assert hand.pressed_actions == []


def test_a_mouse_button_reported_when_the_finger_is_lifted_is_no_second_touch(hand):
    hand.read([touch(pygame.FINGERDOWN, (40, 340))], GEOMETRY, 1.0, [BUTTON])
    hand.read([touch(pygame.FINGERUP, (40, 340))], GEOMETRY, 1.5, [BUTTON])
    late = [click((40, 340)), click((40, 340), pygame.MOUSEBUTTONUP)]
    assert hand.read(late, GEOMETRY, 1.54, [BUTTON]) == []
    assert hand.read(late, GEOMETRY, 2.0, [BUTTON]) == [NewDigit()]


def test_a_mouse_elsewhere_is_a_hand_of_its_own(hand):
    actions = hand.read([finger(pygame.FINGERDOWN, (2, 3), 1), down((9, 9))], GEOMETRY, 1.0)
    assert actions == [Stroke(None, (2, 3), (2, 3)), Stroke(None, (9, 9), (9, 9))]


def test_a_stroke_that_the_mouse_reported_first_goes_on_as_the_finger_s(hand):
    hand.read([down((2, 3))], GEOMETRY, 1.0)
    assert hand.read([finger(pygame.FINGERDOWN, (2, 3), 1)], GEOMETRY, 1.01) == [Stroke(None, (2, 3), (2, 3))]
    both = [finger(pygame.FINGERMOTION, (2, 9), 1), move((2, 9))]
    assert hand.read(both, GEOMETRY, 1.02) == [Stroke(None, (2, 3), (2, 9))]
    hand.read([up((2, 9))], GEOMETRY, 1.03)
    assert hand.is_pressed
    hand.read([finger(pygame.FINGERUP, (2, 9), 1)], GEOMETRY, 1.04)
    assert not hand.is_pressed


@pytest.mark.parametrize("more", [{"touch": True}, {"touch": False}, {}])
def test_a_screen_that_reports_motion_as_the_mouse_s_only_still_draws_lines(hand, more):
    hand.read([finger(pygame.FINGERDOWN, (2, 3), 1), down((2, 3), **more)], GEOMETRY, 1.0)
    assert hand.read([move((2, 9), **more)], GEOMETRY, 1.1) == [Stroke(None, (2, 3), (2, 9))]
    assert hand.read([move((5, 9), (0, 0, 0), **more)], GEOMETRY, 1.2) == [Stroke(None, (2, 9), (2, 9))]
    hand.read([finger(pygame.FINGERUP, (2, 9), 1)], GEOMETRY, 1.3)
    assert not hand.is_pressed


def test_a_finger_s_own_motion_counts_for_more_than_the_mouse_s(hand):
    hand.read([finger(pygame.FINGERDOWN, (2, 3), 1)], GEOMETRY, 1.0)
    hand.read([finger(pygame.FINGERMOTION, (2, 5), 1)], GEOMETRY, 1.1)
    assert hand.read([move((9, 9), touch=True)], GEOMETRY, 1.2) == [Stroke(None, (2, 5), (2, 5))]


def test_fingers_beyond_the_window_are_not_clamped(hand):
    hand.read([finger(pygame.FINGERDOWN, (5, 10), 1)], GEOMETRY, 1.0)
    outside = Event(pygame.FINGERMOTION, x=1.4, y=-0.3, finger_id=1, touch_id=7, dx=0, dy=0)
    (stroke,) = hand.read([outside], GEOMETRY, 1.1)
    assert not GEOMETRY.contains(stroke.end)
    assert stroke.end == GEOMETRY.cell_at((602, -117))
    lifted = Event(pygame.FINGERUP, x=1.4, y=-0.3, finger_id=1, touch_id=7, dx=0, dy=0)
    assert hand.read([lifted], GEOMETRY, 1.2) == []
    assert not hand.is_pressed


def test_a_finger_that_rests_for_long_is_still_down(hand):
    hand.read([finger(pygame.FINGERDOWN, (2, 3), 1)], GEOMETRY, 1.0)
    for second in range(2, 600, 20):
        assert hand.read([], GEOMETRY, float(second)) == [Stroke(None, (2, 3), (2, 3))]


def test_fingers_of_two_screens_are_told_apart(hand):
    one = Event(pygame.FINGERDOWN, x=0.2, y=0.2, finger_id=0, touch_id=1, dx=0, dy=0)
    other = Event(pygame.FINGERDOWN, x=0.7, y=0.7, finger_id=0, touch_id=2, dx=0, dy=0)
    assert len(hand.read([one, other], GEOMETRY, 1.0)) == 2
    lifted = Event(pygame.FINGERUP, x=0.2, y=0.2, finger_id=0, touch_id=1, dx=0, dy=0)
    hand.read([lifted], GEOMETRY, 1.1)
    assert len(hand.read([], GEOMETRY, 1.2)) == 1


def test_fingers_forgotten_with_the_focus_come_back_only_as_new_touches(hand):
    hand.read([finger(pygame.FINGERDOWN, (2, 3), 1), finger(pygame.FINGERDOWN, (8, 3), 2)], GEOMETRY, 1.0)
    assert hand.read([Event(pygame.WINDOWFOCUSLOST)], GEOMETRY, 1.1) == []
    assert hand.read([finger(pygame.FINGERMOTION, (2, 9), 1)], GEOMETRY, 1.2) == []
    assert hand.read([finger(pygame.FINGERUP, (2, 9), 1)], GEOMETRY, 1.3) == []
    assert hand.read([finger(pygame.FINGERDOWN, (4, 4), 1)], GEOMETRY, 1.4) == [Stroke(None, (4, 4), (4, 4))]


def test_a_released_finger_acts_again_once_it_moves(hand):
    hand.read([finger(pygame.FINGERDOWN, (2, 3), 1)], GEOMETRY, 1.0)
    hand.release()
    assert hand.read([], GEOMETRY, 1.1) == []
    assert hand.read([finger(pygame.FINGERMOTION, (2, 3), 1)], GEOMETRY, 1.2) == []
    assert not hand.is_visitor_acting
    assert hand.read([finger(pygame.FINGERMOTION, (2, 9), 1)], GEOMETRY, 1.3) == [
        Stroke(None, (2, 9), (2, 9))
    ]
    assert hand.is_visitor_acting


# ----------------------------------------------------------------------- buttons on the screen


def test_a_press_on_a_button_is_no_stroke_and_a_stroke_passes_under_it(hand):
    assert hand.read([click((40, 340))], GEOMETRY, 1.0, [BUTTON]) == [NewDigit()]
    assert hand.read([move((5, 5))], GEOMETRY, 1.1, [BUTTON]) == []
    assert hand.read([click((40, 340), pygame.MOUSEBUTTONUP)], GEOMETRY, 1.2, [BUTTON]) == []
    hand.read([down((5, 5))], GEOMETRY, 1.3, [BUTTON])
    over = Event(pygame.MOUSEMOTION, pos=(40, 340), rel=(0, 0), buttons=(1, 0, 0))
    assert all(isinstance(action, Stroke) for action in hand.read([over], GEOMETRY, 1.4, [BUTTON]))
    assert hand.strokes_begun == 0


def test_strokes_begun_are_counted_by_the_frame(hand):
    hand.read([finger(pygame.FINGERDOWN, (1, n), n) for n in range(3)], GEOMETRY, 1.0, [BUTTON])
    assert hand.strokes_begun == 3
    hand.read([touch(pygame.FINGERDOWN, (40, 340), 9)], GEOMETRY, 1.1, [BUTTON])
    assert hand.strokes_begun == 0


# ---------------------------------------------------------------------------------------- the operator's hold


def test_the_chord_is_held_by_either_hand_and_ends_with_any_of_its_keys(hand):
    chord = (pygame.K_RCTRL, pygame.K_LSHIFT, pygame.K_q)
    hand.read([key(code) for code in chord], GEOMETRY, 1.0)
    assert hand.is_chord_held
    assert not hand.is_visitor_acting
    for code in chord:
        hand.read([key(code, kind=pygame.KEYUP)], GEOMETRY, 2.0)
        assert not hand.is_chord_held
        hand.read([key(code)], GEOMETRY, 2.1)
        assert hand.is_chord_held
    hand.read([Event(pygame.WINDOWFOCUSLOST)], GEOMETRY, 3.0)
    assert not hand.is_chord_held


def test_four_fingers_at_rest_are_exactly_four_and_at_rest(hand):
    for number in range(5):
        assert hand.are_four_fingers_at_rest == (number == 4)
        hand.read([touch(pygame.FINGERDOWN, (20 + 60 * number, 100), number)], GEOMETRY, 1.0)
    assert not hand.are_four_fingers_at_rest
    hand.read([touch(pygame.FINGERUP, (20, 100), 0)], GEOMETRY, 1.1)
    assert hand.are_four_fingers_at_rest
    hand.read([touch(pygame.FINGERMOTION, (84, 106), 1)], GEOMETRY, 1.2)
    assert hand.are_four_fingers_at_rest
    hand.read([touch(pygame.FINGERMOTION, (84, 160), 1)], GEOMETRY, 1.3)
    assert not hand.are_four_fingers_at_rest


def test_fingers_on_buttons_count_for_the_hold_too(hand):
    places = [(20, 340), (60, 340), (200, 100), (300, 100)]
    events = [touch(pygame.FINGERDOWN, place, number) for number, place in enumerate(places)]
    hand.read(events, GEOMETRY, 1.0, [BUTTON])
    assert hand.are_four_fingers_at_rest


# ---------------------------------------------------------------------------------------- who is a visitor


def is_acting(hand, *events, now=1.0):
    hand.read(list(events), GEOMETRY, now)
    return hand.is_visitor_acting


def test_touches_clicks_keys_and_the_wheel_speak_for_a_visitor(hand):
    for number, event in enumerate(
        [
            finger(pygame.FINGERDOWN, (2, 3), 1),
            down((8, 8)),
            key(pygame.K_7, "7"),
            Event(pygame.MOUSEWHEEL, x=0, y=1),
            Event(pygame.JOYBUTTONDOWN, instance_id=0, button=3),
        ]
    ):
        assert is_acting(hand, event, now=1.0 + number)
        assert not is_acting(hand, now=1.5 + number)


def test_a_trembling_or_slowly_drifting_mouse_speaks_for_nobody(hand):
    for frame in range(600):
        pixel = (200 + frame % 7 + frame // 60, 100 + frame % 5)
        event = Event(pygame.MOUSEMOTION, pos=pixel, rel=(0, 0), buttons=(0, 0, 0))
        assert not is_acting(hand, event, now=1.0 + frame / 60)
    far = Event(pygame.MOUSEMOTION, pos=(260, 100), rel=(0, 0), buttons=(0, 0, 0))
    assert is_acting(hand, far, now=20.0)


def test_a_key_that_is_stuck_speaks_for_a_visitor_once(hand):
    assert is_acting(hand, key(pygame.K_7, "7"))
    for frame in range(100):
        assert not is_acting(hand, key(pygame.K_7, "7"), now=2.0 + frame)


CHATTER = pytest.mark.parametrize(
    "chatter",
    [
        lambda: [key(pygame.K_7, "7"), key(pygame.K_7, kind=pygame.KEYUP)],
        lambda: [finger(pygame.FINGERDOWN, (2, 3), 1), finger(pygame.FINGERUP, (2, 3), 1)],
        lambda: [down((2, 3)), up((2, 3))],
        lambda: [
            Event(pygame.JOYBUTTONDOWN, instance_id=0, button=3),
            Event(pygame.JOYBUTTONUP, instance_id=0, button=3),
        ],
    ],
    ids=["key", "drop of water", "mouse button", "arcade button"],
)


@CHATTER
def test_a_contact_that_chatters_stops_speaking_for_a_visitor(hand, chatter):
    seen = [is_acting(hand, *chatter(), now=1.0 + frame / 20) for frame in range(99)]
    assert seen == [True] * MAX_RAPID_PRESSES + [False] * (99 - MAX_RAPID_PRESSES)


@CHATTER
def test_whoever_presses_the_same_thing_again_and_again_is_a_person_for_minutes(hand, chatter):
    seen = [is_acting(hand, *chatter(), now=1.0 + 0.4 * press) for press in range(1000)]
    minutes = round(MAX_RUN_SECONDS / 0.4)
    assert all(seen[:minutes])
    assert not any(seen[minutes + 1 :])
    # Somebody else may touch another place meanwhile, and after a pause just there.
    assert is_acting(hand, down((9, 9)), *chatter(), now=402.0)
    assert not is_acting(hand, *chatter(), now=402.5)
    assert is_acting(hand, *chatter(), now=402.5 + QUIET_SECONDS)


def test_drops_of_water_in_two_places_are_no_visitor_for_ever(hand):
    drops = [
        [finger(pygame.FINGERDOWN, cell, 1), finger(pygame.FINGERUP, cell, 1)] for cell in ((2, 3), (9, 9))
    ]
    seen = [is_acting(hand, *drops[second % 2], now=1.0 + second) for second in range(600)]
    assert not any(seen[round(MAX_RUN_SECONDS) + 4 :])


def test_axes_in_the_dead_zone_and_devices_that_come_and_go_speak_for_nobody(hand):
    for frame in range(200):
        noise = Event(pygame.JOYAXISMOTION, instance_id=0, axis=frame % 2, value=0.17 * (-1) ** frame)
        assert not is_acting(hand, noise, now=1.0 + frame / 60)
    assert not is_acting(hand, Event(pygame.JOYDEVICEADDED, device_index=0), now=9.0)
    assert not is_acting(hand, Event(pygame.JOYDEVICEREMOVED, instance_id=0), now=9.1)
    assert not is_acting(hand, Event(pygame.WINDOWFOCUSGAINED), Event(pygame.WINDOWENTER), now=9.2)


def test_a_stick_that_is_stuck_stops_speaking_for_a_visitor_at_the_edge(hand):
    hand.read([Event(pygame.JOYAXISMOTION, instance_id=0, axis=0, value=1.0)], GEOMETRY, 1.0)
    seen = [is_acting(hand, now=1.0 + frame / 60) for frame in range(1, 600)]
    assert any(seen[:60])
    assert not any(seen[120:])


# ---------------------------------------------------------------------------------------- gamepads


def steer(hand, *events, seconds=0.0, start=10.0):
    """Frames of 1/60 s with the events in the first."""
    actions = hand.read(list(events), GEOMETRY, start)
    for frame in range(1, round(seconds * 60) + 1):
        actions += hand.read([], GEOMETRY, start + frame / 60)
    return actions


def axis(number, value, device=0):
    return Event(pygame.JOYAXISMOTION, instance_id=device, axis=number, value=value)


def test_a_stick_moves_the_reticle_and_a_button_paints_where_it_is():
    hand = Input(GamepadMapping(speed=0.5))
    press = Event(pygame.JOYBUTTONDOWN, instance_id=0, button=0)
    assert steer(hand, press) == [Stroke(Tool.PAINT, (5, 6), (5, 6))]
    strokes = steer(hand, axis(0, 1.0), seconds=0.4, start=20.0)
    assert strokes[-1].end == (5, 9)
    assert {stroke.tool for stroke in strokes} == {Tool.PAINT}
    cells = {stroke.end for stroke in strokes}
    assert cells == {(5, column) for column in range(7, 10)}
    released = Event(pygame.JOYBUTTONUP, instance_id=0, button=0)
    assert steer(hand, released, axis(0, 0.0), seconds=0.1, start=30.0) == []
    assert hand.brush_places(GEOMETRY)[0].cell == (5, 9)


def test_the_direction_pad_moves_it_too_and_up_is_up():
    hand = Input(GamepadMapping(speed=0.5))
    steer(hand, Event(pygame.JOYHATMOTION, instance_id=0, hat=0, value=(0, 1)), seconds=0.5)
    steer(hand, Event(pygame.JOYHATMOTION, instance_id=0, hat=0, value=(0, 0)), start=20.0)
    assert hand.brush_places(GEOMETRY)[0].cell == (2, 6)


@pytest.mark.parametrize(
    ("button", "expected"),
    [
        (1, Stroke(Tool.ERASE, (5, 6), (5, 6))),
        (2, Stroke(Tool.CORRUPT, (5, 6), (5, 6))),
        (3, NewDigit()),
        (6, Reset()),
        (50, None),
    ],
)
def test_buttons_do_what_the_mapping_says(hand, button, expected):
    press = Event(pygame.JOYBUTTONDOWN, instance_id=0, button=button)
    assert hand.read([press], GEOMETRY, 1.0) == ([] if expected is None else [expected])
    assert hand.brush_places(GEOMETRY)[0].cell == (5, 6)


def test_a_gamepad_that_is_pulled_out_ends_its_stroke_only(hand):
    press = [Event(pygame.JOYBUTTONDOWN, instance_id=device, button=0) for device in (3, 4)]
    assert len(hand.read(press, GEOMETRY, 1.0)) == 2
    assert len(hand.read([Event(pygame.JOYDEVICEREMOVED, instance_id=3)], GEOMETRY, 1.1)) == 1
    hand.read([Event(pygame.JOYDEVICEREMOVED, instance_id=3)], GEOMETRY, 1.2)
    assert hand.read([Event(pygame.JOYDEVICEREMOVED, instance_id=4)], GEOMETRY, 1.3) == []
    assert hand.brush_places(GEOMETRY) == []


def test_events_of_unknown_devices_without_a_name_are_passed_over(hand):
    assert hand.read([Event(pygame.JOYAXISMOTION, axis=0, value=1.0)], GEOMETRY, 1.0) == []


ARCADE = KeyMapping(
    left=("left",), right=("right", "d"), up=("up",), paint=("lctrl",), erase=("b",), next_digit=("1",)
)


def test_an_arcade_stick_that_is_a_keyboard_moves_a_reticle_and_paints():
    hand = Input(GamepadMapping(speed=0.5), ARCADE)
    steer(hand, key(pygame.K_d, "d"), seconds=0.5)
    steer(hand, key(pygame.K_UP), seconds=0.5, start=10.55)
    assert hand.brush_places(GEOMETRY)[0].cell[1] > 9
    assert hand.brush_places(GEOMETRY)[0].cell[0] < 4
    for code in (pygame.K_d, pygame.K_UP):
        hand.read([key(code, kind=pygame.KEYUP)], GEOMETRY, 20.0)
    cell = hand.brush_places(GEOMETRY)[0].cell
    actions = hand.read([key(pygame.K_LCTRL), key(pygame.K_b, "b")], GEOMETRY, 20.1)
    assert actions == [Stroke(Tool.PAINT, cell, cell), Stroke(Tool.ERASE, cell, cell)]
    assert hand.read([key(pygame.K_LCTRL), key(pygame.K_1, "1")], GEOMETRY, 20.2)[0] == NewDigit()
    lifted = [key(code, kind=pygame.KEYUP) for code in (pygame.K_LCTRL, pygame.K_b)]
    assert hand.read(lifted, GEOMETRY, 20.3) == []


def test_an_arcade_stick_lets_go_with_the_focus():
    hand = Input(GamepadMapping(speed=0.5), ARCADE)
    hand.read([key(pygame.K_RIGHT), key(pygame.K_LCTRL), axis(0, 1.0)], GEOMETRY, 1.0)
    hand.read([Event(pygame.WINDOWFOCUSLOST)], GEOMETRY, 1.1)
    cells = [place.cell for place in hand.brush_places(GEOMETRY)]
    assert steer(hand, seconds=1.0, start=1.2) == []
    assert [place.cell for place in hand.brush_places(GEOMETRY)] == cells


def test_keys_that_are_no_arcade_stick_s_keep_their_meaning():
    hand = Input(keys=ARCADE)
    assert hand.read([key(pygame.K_2, "2")], GEOMETRY, 1.0) == [NewDigit(2)]
    assert hand.read([key(pygame.K_1, "1")], GEOMETRY, 1.1) == [NewDigit()]


# ---------------------------------------------------------------------------------------- many of them


def test_ten_fingers_are_ten_strokes(hand):
    actions = hand.read([finger(pygame.FINGERDOWN, (n, 2), n) for n in range(10)], GEOMETRY, 1.0)
    assert len(actions) == 10
    actions = hand.read([finger(pygame.FINGERMOTION, (n, 10), n) for n in range(10)], GEOMETRY, 1.1)
    assert actions == [Stroke(None, (n, 2), (n, 10)) for n in range(10)]
    assert len(hand.brush_places(GEOMETRY)) == 10
    assert hand.read([finger(pygame.FINGERUP, (n, 10), n) for n in range(10)], GEOMETRY, 1.2) == []
    assert not hand.is_pressed


kinds = st.sampled_from([pygame.FINGERDOWN, pygame.FINGERMOTION, pygame.FINGERUP])
touches = st.builds(finger, kinds, st.tuples(st.integers(-3, 13), st.integers(-3, 15)), st.integers(0, 4))
mice = st.one_of(
    st.builds(down, st.tuples(st.integers(-3, 13), st.integers(-3, 15)), st.sampled_from([1, 3])),
    st.builds(up, st.tuples(st.integers(-3, 13), st.integers(-3, 15)), st.sampled_from([1, 3])),
    st.builds(move, st.tuples(st.integers(-3, 13), st.integers(-3, 15))),
)
losses = st.sampled_from([pygame.WINDOWFOCUSLOST, pygame.WINDOWLEAVE]).map(Event)


@given(st.lists(st.lists(st.one_of(touches, mice, losses), max_size=8), max_size=12))
def test_once_everything_is_lifted_no_stroke_goes_on(frames):
    hand = Input()
    for number, events in enumerate(frames):
        hand.read(events, GEOMETRY, number / 60)
    lifted = [finger(pygame.FINGERUP, (0, 0), n) for n in range(5)] + [up((0, 0)), up((0, 0), 3)]
    hand.read(lifted, GEOMETRY, 9.0)
    assert not hand.is_pressed
    assert hand.read([], GEOMETRY, 9.1) == []


def test_the_middle_button_asks_about_a_place_for_one_frame_and_draws_nothing(hand):
    assert hand.read([down((3, 4), button=2)], GEOMETRY) == []
    assert hand.middle_clicked == at(3, 4)
    assert hand.read([move((6, 6)), up((6, 6), button=2)], GEOMETRY) == []
    assert hand.middle_clicked is None


def test_of_two_middle_clicks_in_a_frame_the_last_counts_and_other_strokes_go_on(hand):
    events = [down((1, 1)), down((3, 4), button=2), up((3, 4), button=2), down((5, 6), button=2)]
    assert hand.read(events, GEOMETRY) == [Stroke(None, (1, 1), (1, 1))]
    assert hand.middle_clicked == at(5, 6)
    assert hand.is_pressed


def test_a_middle_click_on_a_target_does_not_press_it(hand):
    left, top = at(3, 4)
    target = Target((left - 5, top - 5, 10, 10), NewDigit())
    assert hand.read([down((3, 4), button=2)], GEOMETRY, targets=[target]) == []
