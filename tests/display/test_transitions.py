import itertools

import numpy as np
import pytest

from nca_viewer.display.transitions import FADE_SECONDS, Transitions, blended, field_of_cells
from nca_viewer.interaction.geometry import Geometry

GEOMETRY = Geometry.fit((460, 420), (11, 13), bar_visible=True)
FRAME = 1 / 60
BLACK, WHITE = (np.full((11, 13, 3), level, np.uint8) for level in (0, 255))


def soft(**options):
    return Transitions(**{"fades": False, "slow": False, "limits_flashes": False} | options)


def show(picture, image, frame, *, episode=0, step=None, touched=None, view=0, fraction=1.0):
    return picture.show(
        image,
        episode=episode,
        step=frame if step is None else step,
        view=view,
        now_seconds=frame * FRAME,
        geometry=GEOMETRY,
        touched=touched,
        fraction=fraction,
    )


def test_without_a_task_it_hands_on_what_it_gets():
    assert show(soft(), WHITE, 0) is WHITE


def test_pictures_that_follow_from_each_other_are_shown_as_they_are():
    picture, random = soft(fades=True), np.random.default_rng(0)
    for frame in range(5):
        image = random.integers(0, 256, WHITE.shape).astype(np.uint8)
        assert (show(picture, image, frame) == image).all()


@pytest.mark.parametrize("change", ["episode", "reset", "view"])
def test_another_beginning_fades_in_for_at_least_half_a_second(change):
    picture = soft(fades=True)
    show(picture, WHITE, 100)
    new = {"episode": 1 if change == "episode" else 0, "view": 1 if change == "view" else 0}
    levels = [
        int(show(picture, BLACK, 101 + n, step=n if change == "reset" else 101 + n, **new)[0, 0, 0])
        for n in range(80)
    ]
    assert levels[0] == 255
    assert levels[29] > 0
    assert levels[int(FADE_SECONDS * 60) + 1] == 0
    assert all(0 <= a - b <= 10 for a, b in itertools.pairwise(levels))


def test_a_fade_between_two_digits_has_no_flash_of_paper_or_ink():
    picture, random = soft(fades=True), np.random.default_rng(1)
    old, new = (random.integers(0, 256, WHITE.shape).astype(np.uint8) for _ in range(2))
    show(picture, old, 0)
    for frame in range(1, 60):
        shown = show(picture, new, frame, episode=1)
        assert (shown >= np.minimum(old, new)).all()
        assert (shown <= np.maximum(old, new)).all()
    assert (shown == new).all()


def test_a_fade_that_is_interrupted_goes_on_from_where_it_was():
    picture = soft(fades=True)
    show(picture, BLACK, 0)
    for frame in range(1, 25):
        before = show(picture, WHITE, frame, episode=1)
    after = show(picture, BLACK, 25, episode=2)
    assert abs(int(before[0, 0, 0]) - int(after[0, 0, 0])) < 12
    assert 60 < after[0, 0, 0] < 200


@pytest.mark.parametrize("slow", [False, True])
def test_hands_see_at_once_what_they_do(slow):
    picture = soft(fades=True, slow=slow)
    show(picture, BLACK, 0)
    show(picture, BLACK, 1, episode=1)
    image, touched = BLACK.copy(), np.zeros((11, 13), bool)
    image[3, 4], touched[3, 4] = 255, True
    shown = show(picture, image, 2, episode=1, touched=touched)
    assert (shown[3, 4] == 255).all()
    assert not shown[~touched].any()


def test_with_reduced_motion_nothing_changes_suddenly():
    picture = soft(slow=True)
    show(picture, BLACK, 0)
    levels = [int(show(picture, WHITE, frame)[0, 0, 0]) for frame in range(1, 200)]
    assert levels == sorted(levels)
    assert np.diff([0, *levels]).max() <= 14
    assert levels[-1] == 255


def test_flicker_of_the_cells_is_limited_and_noted():
    noted = []
    picture = soft(limits_flashes=True, on_limited=noted.append)
    shown = [show(picture, (BLACK, WHITE)[frame % 2], frame)[0, 0, 0] for frame in range(60)]
    assert len(noted) == 28  # Black is what it was; only white would be a change.
    assert list(shown[:5]) == [0, 255, 0, 255, 0]
    assert max(shown[5:]) < 90


def test_a_field_is_a_sixth_of_the_screen():
    geometry = Geometry.fit((1920, 1080), (28, 28), bar_visible=False)
    field = field_of_cells(geometry)
    assert (field.height, field.width) == (180 // geometry.cell_pixels, 320 // geometry.cell_pixels)
    assert (field.height, field.width) == (4, 8)
    tiny = field_of_cells(Geometry.fit((64, 64), (9, 9), bar_visible=False))
    assert (tiny.height, tiny.width) == (1, 1)


def test_a_blend_lies_between_its_ends():
    random = np.random.default_rng(0)
    before, after = (random.integers(0, 256, WHITE.shape).astype(np.uint8) for _ in range(2))
    assert blended(before, after, 1.0) is after
    assert (blended(before, after, 0.0) == before).all()
    expected = before + 0.25 * (after.astype(float) - before)
    assert np.abs(blended(before, after, 0.25) - expected).max() <= 0.5


def level(picture, image, frame, **more):
    return int(show(picture, image, frame, **more)[0, 0, 0])


def test_what_a_step_changes_comes_gradually_until_the_next_one():
    picture = soft()
    levels = [level(picture, BLACK, 0, step=0)]
    levels += [level(picture, WHITE, n, step=1, fraction=n / 12) for n in range(1, 13)]
    levels += [level(picture, BLACK, 12 + n, step=2, fraction=n / 12) for n in range(1, 13)]
    assert levels[12] == 255
    assert levels[-1] == 0
    assert np.abs(np.diff(levels)).max() <= 22


def test_a_step_that_comes_early_goes_on_from_what_is_shown():
    picture = soft()
    level(picture, BLACK, 0, step=0)
    assert level(picture, WHITE, 1, step=1, fraction=0.5) == 128
    assert level(picture, WHITE, 2, step=2, fraction=0.0) == 128


def test_a_pause_shows_the_last_step_at_once_and_running_on_does_not_go_back():
    picture = soft()
    level(picture, BLACK, 0, step=0)
    assert level(picture, WHITE, 1, step=1, fraction=0.25) == 64
    assert level(picture, WHITE, 2, step=1, fraction=1.0) == 255
    assert level(picture, WHITE, 3, step=2, fraction=0.0) == 255


@pytest.mark.parametrize("is_with_a_step", [False, True])
def test_touched_cells_are_never_blended(is_with_a_step):
    picture = soft()
    show(picture, BLACK, 0, step=0)
    show(picture, BLACK, 1, step=1, fraction=0.1)
    image, touched = BLACK.copy(), np.zeros((11, 13), bool)
    image[3, 4], touched[3, 4] = 255, True
    step = 2 if is_with_a_step else 1
    for fraction in (0.2, 0.4):
        shown = show(picture, image, 2, step=step, fraction=fraction, touched=touched)
        assert (shown == image).all()
        touched = None


@pytest.mark.parametrize("change", [{"episode": 1}, {"view": 1}, {"step": 0}])
def test_another_picture_is_not_blended_into(change):
    picture = soft()
    show(picture, BLACK, 0, step=5)
    assert (show(picture, WHITE, 1, **{"step": 6, "fraction": 0.1, **change}) == WHITE).all()


def test_flashes_are_limited_in_what_is_shown_between_steps_too():
    noted = []
    picture = soft(limits_flashes=True, on_limited=noted.append)
    for frame in range(120):
        step, part = divmod(frame, 4)
        show(picture, (BLACK, WHITE)[step % 2], frame, step=step, fraction=(part + 1) / 4)
    assert noted
