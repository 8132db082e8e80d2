import pygame
import pytest

from nca_viewer.interaction.actions import (
    ChangeRadius,
    ChangeSpeed,
    NewDigit,
    Quit,
    Reset,
    ShowView,
    StepOnce,
    TogglePause,
)
from nca_viewer.interaction.bindings import BINDINGS, find_binding, help_lines, markdown_table


def action_of(key, text="", *, shift=False, control=False):
    binding = find_binding(key, text, shift=shift, control=control)
    return None if binding is None else binding.action


def test_no_chord_is_bound_twice():
    chords = [chord for binding in BINDINGS for chord in binding.chords]
    codes = [
        (chord.key, chord.control, shift)
        for chord in chords
        for shift in ((False, True) if chord.text else (chord.shift,))
    ]
    assert len(codes) == len(set(codes))
    texts = [chord.text for chord in chords if chord.text]
    assert len(texts) == len(set(texts))


def test_every_chord_leads_back_to_its_binding():
    for binding in BINDINGS:
        for chord in binding.chords:
            found = find_binding(chord.key, chord.text, shift=chord.shift, control=chord.control)
            assert found is binding
            assert find_binding(chord.key, "", shift=chord.shift, control=chord.control) is binding


@pytest.mark.parametrize(
    ("pressed", "action"),
    [
        ({"key": pygame.K_r, "text": "r"}, Reset()),
        ({"key": pygame.K_r, "text": "R", "shift": True}, NewDigit()),
        ({"key": pygame.K_r, "text": "\x12", "control": True}, None),
        ({"key": pygame.K_q, "text": "q"}, ShowView("opinion")),
        ({"key": pygame.K_q, "text": "\x11", "control": True}, Quit()),
        ({"key": pygame.K_SPACE, "text": " "}, TogglePause()),
        ({"key": pygame.K_RETURN, "text": "\r"}, TogglePause()),
        ({"key": pygame.K_PERIOD, "text": "."}, StepOnce()),
        ({"key": pygame.K_EQUALS, "text": "+", "shift": True}, ChangeSpeed(1)),
        ({"key": pygame.K_KP_PLUS, "text": "+"}, ChangeSpeed(1)),
        # A French keyboard types digits with Shift, a German one brackets with AltGr.
        ({"key": pygame.K_AMPERSAND, "text": "1", "shift": True}, NewDigit(1)),
        ({"key": pygame.K_MINUS, "text": "6", "shift": True}, NewDigit(6)),
        ({"key": pygame.K_8, "text": "["}, ChangeRadius(-1)),
        ({"key": pygame.K_LEFTBRACKET, "text": "{", "shift": True}, ChangeRadius(-1)),
        ({"key": pygame.K_KP7, "text": ""}, NewDigit(7)),
        ({"key": pygame.K_ESCAPE, "text": "\x1b"}, None),
    ],
)
def test_keys(pressed, action):
    found = action_of(**pressed)
    if pressed["key"] == pygame.K_ESCAPE:
        assert not isinstance(found, Quit)
    else:
        assert found == action


def test_help_mentions_every_key_once():
    lines = help_lines()
    shown = [label for _, keys, _ in lines for label in keys.split("  ")]
    for binding in BINDINGS:
        for chord in binding.chords:
            if chord.label:
                assert shown.count(chord.label) == 1
    meanings = [(group, meaning) for group, _, meaning in lines]
    assert len(meanings) == len(set(meanings))


def test_markdown_has_one_row_per_line_of_help():
    rows = markdown_table().splitlines()
    assert len(rows) == len(help_lines()) + 2
    assert all(row.count("|") == 4 for row in rows)
    assert "| Time | `Space` `Enter` | pause, run on |" in rows
