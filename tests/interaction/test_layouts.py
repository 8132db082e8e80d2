"""Keys on keyboards of other layouts: their letters, and the places where they have none."""

import pygame
import pytest
from pygame.event import Event

from nca_viewer.interaction.actions import (
    ChangeRadius,
    ChangeSpeed,
    NewDigit,
    NextView,
    Quit,
    Reset,
    SelectTool,
    StepOnce,
    Stroke,
    ToggleHelp,
    Tool,
)
from nca_viewer.interaction.bindings import KEY_OF_PLACE, layout_has
from nca_viewer.interaction.gamepad import KeyMapping
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.input import Input

GEOMETRY = Geometry.fit((430, 390), (11, 13), bar_visible=True)
CONTROL, SHIFT = pygame.KMOD_LCTRL, pygame.KMOD_LSHIFT
DEAD_KEY = 0x40000000
DIGITS = "1234567890"

# What SDL reports of these layouts, seen on an X server: what the keys type by the letter on an American
# keyboard's key at their place; of all others they are like that.
RUSSIAN = dict(zip("qwertyuiop[]asdfghjkl;'zxcvbnm,./", "йцукенгшщзхъфывапролджэячсмитьбю.", strict=True))
GREEK = dict(zip("qwertyuiopasdfghjklzxcvbnm", ";ςερτυθιοπασδφγηξκλζχψωβνμ", strict=True))
HEBREW = dict(zip("qwertyuiop[]asdfghjkl;'zxcvbnm,./", "/'קראטוןםפ][שדגכעיחלךף,זסבהנמצתץ.", strict=True))
ARABIC = dict(zip("qwertyuiop[]asdfghjkl;'zxcvnm,./", "ضصثقفغعهخحجدشسيبلاتنمكطئءؤرىةوزظ", strict=True))
AZERTY = dict(zip("qwertyuiopasdfghjkl;zxcvbnm,./]", "azertyuiopqsdfghjklmwxcvbn,;:!$", strict=True))
DVORAK = dict(zip("qwertyuiop[]asdfghjkl;'zxcvbnm,./-=", "',.pyfgcrl/=aoeuidhtns-;qjkxbmwvz[]", strict=True))
GERMAN = {"y": "z", "z": "y", "[": "ü", "]": "+", "-": "ß", ";": "ö", "'": "ä", "/": "-"}


def hand_on(layout):
    """Somebody's hand, and a function that presses the key at an American keyboard's place."""
    american = {chr(code) for code in KEY_OF_PLACE.values()}
    typed = {letter: layout.get(letter, letter) for letter in american}
    hand = Input(layout_has=lambda code: chr(code) in typed.values())
    places = {chr(code): place for place, code in KEY_OF_PLACE.items()}

    def press(place, mod=0, text=None):
        letter = typed[place]
        word = letter if text is None else text
        code = ord(letter) if letter else DEAD_KEY
        actions = []
        for kind in (pygame.KEYDOWN, pygame.KEYUP):
            event = Event(kind, key=code, scancode=places[place], unicode=word, mod=mod)
            actions += hand.read([event], GEOMETRY)
        return actions

    return hand, press


BY_PLACE = [
    ("r", 0, Reset()),
    ("h", 0, ToggleHelp()),
    ("d", 0, NewDigit()),
    ("e", 0, SelectTool(Tool.ERASE)),
    ("v", SHIFT, NextView(-1)),
    ("q", CONTROL, Quit()),
]


@pytest.mark.parametrize("layout", [{}, RUSSIAN, GREEK, HEBREW, ARABIC])
@pytest.mark.parametrize(("place", "mod", "action"), BY_PLACE)
def test_where_a_layout_has_no_such_letter_its_place_stands_in(layout, place, mod, action):
    _, press = hand_on(layout)
    assert press(place, mod) == [action]
    assert press(place, mod) == [action]


@pytest.mark.parametrize("layout", [AZERTY, DVORAK, GERMAN])
@pytest.mark.parametrize(("letter", "mod", "action"), BY_PLACE)
def test_where_a_layout_has_the_letter_it_counts_and_its_place_does_not(layout, letter, mod, action):
    _, press = hand_on(layout)
    place = next((place for place, typed in layout.items() if typed == letter), letter)
    assert press(place, mod) == [action]
    if place != letter:
        assert press(letter, mod) != [action]


@pytest.mark.parametrize(
    ("layout", "smaller", "larger"),
    [
        ({}, "[", "]"),
        (RUSSIAN, "[", "]"),
        (GREEK, "[", "]"),
        (HEBREW, "]", "["),
        (AZERTY | {"[": ""}, "[", "]"),
    ],
)
def test_brackets(layout, smaller, larger):
    _, press = hand_on(layout)
    assert press(smaller) == [ChangeRadius(-1)]
    assert press(larger) == [ChangeRadius(1)]


def test_german_brackets_are_typed_and_its_plus_stays_a_plus():
    _, press = hand_on(GERMAN)
    assert press("8", pygame.KMOD_RALT, text="[") == [ChangeRadius(-1)]
    assert press("9", pygame.KMOD_RALT, text="]") == [ChangeRadius(1)]
    assert press("[") == [ChangeRadius(-1)]
    assert press("]") == [ChangeSpeed(1)]
    assert press("/") == [ChangeSpeed(-1)]


def test_the_row_of_digits_of_a_french_keyboard():
    """SDL calls those keys by their digits, which they type with Shift."""
    _, press = hand_on(AZERTY)
    for place, typed in zip(DIGITS, "&é\"'(-è_çà", strict=True):
        digit = NewDigit(int(place))
        assert press(place, text=typed) == ([ChangeSpeed(-1)] if typed == "-" else [digit])
        assert press(place, SHIFT, text=place) == [digit]


def test_what_a_key_types_counts_before_its_place():
    _, press = hand_on(RUSSIAN)
    assert press("/") == [StepOnce()]
    assert press("e", text="e") == [SelectTool(Tool.ERASE)]


def test_the_operator_s_chord_and_an_arcade_stick_by_their_places():
    hand, _ = hand_on(RUSSIAN)
    for code, place in ((pygame.K_LCTRL, 0), (pygame.K_LSHIFT, 0), (ord("й"), pygame.KSCAN_Q)):
        hand.read([Event(pygame.KEYDOWN, key=code, scancode=place, unicode="", mod=0)], GEOMETRY)
    assert hand.is_chord_held
    hand.read([Event(pygame.KEYUP, key=ord("й"), scancode=pygame.KSCAN_Q, mod=0)], GEOMETRY)
    assert not hand.is_chord_held
    stick = Input(keys=KeyMapping(paint=("a",)), layout_has=lambda code: code > 0x400)
    event = {"key": ord("ф"), "scancode": pygame.KSCAN_A, "unicode": "ф", "mod": 0}
    assert [type(action) for action in stick.read([Event(pygame.KEYDOWN, event)], GEOMETRY)] == [Stroke]
    assert stick.is_pressed
    stick.read([Event(pygame.KEYUP, event)], GEOMETRY)
    assert not stick.is_pressed


def test_an_american_layout_has_what_it_has():
    pygame.display.init()
    assert all(layout_has(code) for code in (pygame.K_q, pygame.K_LEFTBRACKET, pygame.K_0, pygame.K_F2))
    assert not layout_has(ord("й"))
    assert {*map(ord, "abcdefghijklmnopqrstuvwxyz0123456789[]-=.")} <= {*KEY_OF_PLACE.values()}
