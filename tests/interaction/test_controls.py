from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.interaction.actions import (
    ChangeRadius,
    ChangeSpeed,
    Clear,
    Dismiss,
    NewDigit,
    NextView,
    Quit,
    Reset,
    Screenshot,
    SelectTool,
    StepOnce,
    Stroke,
    ToggleFullscreen,
    ToggleGrid,
    ToggleHelp,
    ToggleHud,
    TogglePause,
    Tool,
)
from nca_viewer.interaction.controls import MAX_BRUSH_RADIUS_CELLS, SPEEDS, TEMPO_SPEEDS, Controls, update

ALL = [
    TogglePause(),
    StepOnce(),
    Reset(),
    NewDigit(3),
    Clear(),
    ChangeSpeed(-1),
    ChangeSpeed(1),
    SelectTool(Tool.ERASE),
    ChangeRadius(-1),
    ChangeRadius(1),
    NextView(1),
    ToggleGrid(),
    ToggleHud(),
    ToggleHelp(),
    ToggleFullscreen(),
    Screenshot(),
    Dismiss(),
    Quit(),
    Stroke(None, (1, 2), (3, 4)),
]


def test_speeds_run_from_an_eighth_to_sixty_four():
    assert SPEEDS[0] == Fraction(1, 8)
    assert SPEEDS[-1] == 64
    assert [str(speed) for speed in SPEEDS] == ["1/8", "1/4", "1/2", "1", "2", "4", "8", "16", "32", "64"]


@given(st.lists(st.sampled_from(ALL), max_size=60))
def test_no_sequence_of_actions_leaves_the_limits(actions):
    controls = Controls()
    for action in actions:
        controls = update(controls, action)
        assert controls.speed in SPEEDS
        assert 0 <= controls.brush_radius_cells <= MAX_BRUSH_RADIUS_CELLS


@pytest.mark.parametrize("action", [Reset(), NewDigit(), Clear(), Screenshot(), Stroke(None, (0, 0), (0, 0))])
def test_actions_on_cells_change_no_setting(action):
    controls = Controls(paused=True, tool=Tool.CORRUPT)
    assert update(controls, action) == controls


def test_stepping_pauses_and_stays_paused():
    assert update(Controls(), StepOnce()).paused
    assert update(Controls(paused=True), StepOnce()).paused


def test_escape_closes_help_then_leaves_fullscreen_and_never_quits():
    controls = Controls(help_visible=True, fullscreen=True)
    controls = update(controls, Dismiss())
    assert (controls.help_visible, controls.fullscreen) == (False, True)
    controls = update(controls, Dismiss())
    assert (controls.help_visible, controls.fullscreen) == (False, False)
    assert update(controls, Dismiss()) == controls
    assert not controls.quitting


def test_a_stroke_closes_the_help():
    assert not update(Controls(help_visible=True), Stroke(None, (0, 0), (0, 0))).help_visible


@pytest.mark.parametrize(
    ("action", "field"),
    [
        (TogglePause(), "paused"),
        (ToggleGrid(), "grid_visible"),
        (ToggleHud(), "hud_visible"),
        (ToggleHelp(), "help_visible"),
        (ToggleFullscreen(), "fullscreen"),
    ],
)
def test_toggles_toggle_one_field(action, field):
    controls = Controls()
    once = update(controls, action)
    assert once == replace(controls, **{field: not getattr(controls, field)})
    assert update(once, action) == controls


def test_the_speed_keys_multiply_the_default_tempo_up_to_the_highest_speed_there_is():
    controls = Controls(has_tempo=True)
    assert update(controls, ChangeSpeed(2)).speed == 4
    assert update(controls, ChangeSpeed(-99)).speed == TEMPO_SPEEDS[0] == Fraction(1, 8)
    fastest = update(controls, ChangeSpeed(99))
    assert fastest.speed == TEMPO_SPEEDS[-1]
    assert fastest.has_tempo
    assert fastest.speed * 8 >= SPEEDS[-1] * 60
