"""Following a script: which cells a ghost hand touches, whatever the frames are like."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.checkpoint import load_checkpoint
from nca_viewer.interaction.actions import NewDigit, Stroke, Tool
from nca_viewer.interaction.strokes import stroke_region
from nca_viewer.kiosk.attract import GLIDE_SECONDS, Progress, follow
from nca_viewer.kiosk.attract_script import bundled_script_path, parse_script, read_script
from nca_viewer.pacing import VISIBLE_TEMPO
from nca_viewer.simulation import Simulation
from nca_viewer.start_images import StartImages

GRID = (11, 13)


def play(lines, frames):
    script = parse_script(lines, "a")
    progress, played = Progress(), []
    for seconds in frames:
        progress, actions = follow(script, progress, seconds, GRID)
        played.append((progress, actions))
    return played


def region_of(played):
    region = np.zeros(GRID, bool)
    for _, actions in played:
        for action in actions:
            if isinstance(action, Stroke):
                region |= stroke_region(action.start, action.end, 0, *GRID)
    return region


def test_instructions_without_a_duration_happen_at_once_and_in_order():
    played = play(["digit 3", "caption Hello", "digit 4", "wait 5"], [0.0])
    assert played[0][1] == (NewDigit(3), NewDigit(4))
    assert played[0][0].caption.words == "Hello"
    assert played[0][0].ghost is None


def test_it_goes_on_with_its_beginning():
    played = play(["digit 3", "wait 5"], [0.125] * 90)
    assert [index for index, (_, actions) in enumerate(played) if actions] == [0, 39, 79]


@given(st.lists(st.floats(0.0, 0.4), min_size=60, max_size=120))
def test_the_hand_touches_the_same_cells_at_any_frame_rate(frames):
    lines = ["hand erase 4,5 96,5 96,95 in 1.5 radius 2", "wait 60"]
    frames = [*frames, *[0.25] * 30]
    played = play(lines, frames)
    expected = stroke_region((0, 0), (0, 12), 0, *GRID) | stroke_region((0, 12), (10, 12), 0, *GRID)
    assert (region_of(played) == expected).all()
    strokes = [action for _, actions in played for action in actions]
    assert {(stroke.tool, stroke.radius_cells) for stroke in strokes} == {(Tool.ERASE, 2)}
    assert all(before.end == after.start for before, after in itertools.pairwise(strokes))


def test_the_hand_is_seen_before_it_touches_and_while_it_leaves():
    played = play(["hand draw 50,50 in 1", "wait 9"], [1 / 32] * 32 * 4)
    downs = [progress.ghost.is_down for progress, _ in played if progress.ghost is not None]
    first, last = downs.index(True), len(downs) - 1 - downs[::-1].index(True)
    assert first == pytest.approx(GLIDE_SECONDS * 32, abs=2)
    assert len(downs) - 1 - last == pytest.approx(GLIDE_SECONDS * 32, abs=2)
    assert all(downs[first : last + 1])
    acting = [bool(actions) for _, actions in played]
    assert acting.index(True) == first
    assert played[-1][0].ghost is None


def test_a_frame_of_an_hour_is_a_frame():
    played = play(["digit any", "wait 3"], [3600.0, -5.0, 0.0])
    assert [len(actions) for _, actions in played] == [1, 0, 0]


def test_the_bundled_script_shows_only_what_is_true_and_never_stands_still_for_long():
    """Followed with the bundled model at the default tempo: wounds of radius 4, which close in their time."""
    model, info = load_checkpoint("model")
    simulation = Simulation(model, seed=3)
    config = simulation.config
    starts, size = StartImages(config, 3), (config.height, config.width)
    script, frame_seconds = read_script(bundled_script_path()), 1 / 16
    progress, owed, still_seconds, before, wound, hand_step = Progress(), 0.0, 0.0, None, None, 0
    digits, healed, longest = 0, [], 0.0
    while digits < 7:
        progress, actions = follow(script, progress, frame_seconds, size)
        for action in actions:
            if isinstance(action, NewDigit):
                digits += 1
                if wound is not None:
                    worst, unhurt = wound
                    healed.append(1 - np.square(before - unhurt).mean() / np.square(worst - unhurt).mean())
                simulation.begin(starts.digit(action.digit, digits), 0.5)
                wound, hand_step = None, 0
            else:
                assert action.tool in (Tool.ERASE, Tool.CORRUPT)
                assert action.radius_cells == 4
                unhurt = before if wound is None else wound[1]
                simulation.apply(action.tool, stroke_region(action.start, action.end, 4, *size))
                wound, hand_step = (shown(simulation), unhurt), simulation.step
        rate = VISIBLE_TEMPO.steps_per_second(simulation.step, hand_step, info.silent_steps())
        owed += rate * frame_seconds
        simulation.advance(int(owed))
        owed -= int(owed)
        image = shown(simulation)
        is_moving = progress.ghost is not None or before is None or np.abs(image - before).max() > 0.03
        still_seconds = 0.0 if is_moving else still_seconds + frame_seconds
        longest, before = max(longest, still_seconds), image
    assert longest <= 2.0
    assert len(healed) == 6
    assert min(healed) >= 0.8


def shown(simulation):
    return simulation.request_snapshot().result().image[..., 0] / 255.0


def test_the_bundled_script_runs_for_hours():
    script = read_script(bundled_script_path())
    progress, digits, captions = Progress(), 0, set()
    for _ in range(20_000):
        progress, actions = follow(script, progress, 0.2, (28, 28))
        digits += sum(isinstance(action, NewDigit) for action in actions)
        captions.add(progress.caption)
        assert len(actions) < 20
    assert digits > 100
    assert len(captions) > 5
