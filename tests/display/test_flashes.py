"""The limiter against an analyser that shares no code with it (`flash_analyser` of the tests)."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nca_viewer.display.flashes import Field, FlashState, encoded, limited, linear_light

BLACK, WHITE, RED, GREY = (0, 0, 0), (255, 255, 255), (255, 0, 0), (128, 128, 128)
SHAPE = (5, 6)
EVERY_SAMPLE = Field(1, 1, 0.0)


def show(images, seconds, field=EVERY_SAMPLE, hold=False):
    """What the limiter shows, and how many samples it changed in each picture."""
    state, shown, counts = FlashState.start(images[0]), [images[0]], [0]
    for image, now in zip(images[1:], seconds[1:], strict=True):
        result, stopped = limited(state, image, now, field, hold=hold)
        assert (result[~stopped] == image[~stopped]).all()
        state = state.after(result, now)
        shown.append(result)
        counts.append(int(stopped.sum()))
    return shown, counts


# ---------------------------------------------------------------------------------------- the analyser


def test_the_analyser_knows_a_flash_when_it_sees_one(flash_analyser):
    def count(*colours):
        images = [np.full((1, 1, 3), colour, np.uint8) for colour in colours]
        return [int(worst[0, 0]) for worst in flash_analyser.flashes(images, np.arange(len(images)) / 20)]

    assert count(BLACK, WHITE, BLACK) == [1, 0]
    assert count(BLACK, WHITE) == [0, 0]
    assert count(*[BLACK, WHITE] * 4) == [3, 0]
    assert count(WHITE, (240, 240, 240), WHITE) == [0, 0]
    assert count(GREY, (110, 110, 110), GREY) == [0, 0]
    assert count(BLACK, RED, BLACK) == [1, 1]
    assert count((0, 80, 0), (200, 0, 0), (0, 80, 0))[1] == 1


# ---------------------------------------------------------------------------------------- the limiter


def full_field(colours, count):
    return [
        np.full((*SHAPE, 3), colour, np.uint8) for colour in itertools.islice(itertools.cycle(colours), count)
    ]


@pytest.mark.parametrize("frames_per_second", [60, 25, 8, 6.5])
@pytest.mark.parametrize(
    "colours", [(BLACK, WHITE), (RED, BLACK), (RED, (0, 120, 255)), (GREY, (200, 60, 60))]
)
@pytest.mark.parametrize("hold", [False, True])
def test_flashing_of_the_whole_field_is_stopped(flash_analyser, colours, frames_per_second, hold):
    images, seconds = full_field(colours, 24), np.arange(24) / frames_per_second
    assert (
        max(
            flash_analyser.flashes(images, seconds)[0].max(), flash_analyser.flashes(images, seconds)[1].max()
        )
        >= 3
    )
    shown, counts = show(images, seconds, Field(2, 2), hold)
    general, red = flash_analyser.flashes(shown, seconds)
    assert general.max() <= 2
    assert red.max() <= 2
    assert sum(counts) > 0


def test_what_flashes_slowly_or_weakly_is_left_alone():
    for colours, rate in (
        ((BLACK, WHITE), 3.9),
        (((100, 100, 100), (110, 110, 110)), 60),
        ((WHITE, (235,) * 3), 60),
    ):
        images = full_field(colours, 50)
        shown, counts = show(images, np.arange(50) / rate)
        assert sum(counts) == 0
        assert all((a == b).all() for a, b in zip(shown, images, strict=True))


def test_a_fade_is_no_flash():
    levels = [round(255 * n / 59) for n in range(60)]
    images = [np.full((*SHAPE, 3), level, np.uint8) for level in levels + levels[::-1] + levels]
    _, counts = show(images, np.arange(180) / 60)
    assert sum(counts) == 0


def test_it_goes_as_far_as_is_allowed_and_all_the_way_later():
    images = full_field((BLACK, WHITE), 8)
    seconds = np.arange(8) / 20
    shown, counts = show(images, seconds)
    assert [image[0, 0, 0] for image in shown[:5]] == [0, 255, 0, 255, 0]
    # The fifth change is one too many: some light is let through, less than a tenth of its range.
    assert counts[5] == SHAPE[0] * SHAPE[1]
    assert 0.05 < linear_light(shown[5])[0, 0, 0] < 0.1
    state = FlashState.start(images[0])
    for image, now in zip(shown[1:], seconds[1:], strict=True):
        state = state.after(image, now)
    later, stopped = limited(state, images[1], 1.2, EVERY_SAMPLE)
    assert (later == 255).all()
    assert not stopped.any()


def test_a_small_part_of_the_field_may_flash():
    field = Field(4, 4)
    for cells, is_stopped in ((4, False), (5, True)):
        images = [np.zeros((*SHAPE, 3), np.uint8) for _ in range(20)]
        for number, image in enumerate(images):
            image[[1, 1, 2, 2, 3][:cells], [1, 2, 1, 2, 1][:cells]] = 255 * (number % 2)
        _, counts = show(images, np.arange(20) / 20, field)
        assert (sum(counts) > 0) == is_stopped
        assert sum(show(images, np.arange(20) / 20)[1]) > 0


def test_small_parts_that_flash_by_turns_add_up(flash_analyser):
    images = [np.zeros((*SHAPE, 3), np.uint8) for _ in range(24)]
    for number, image in enumerate(images):
        image[0, :4] = 255 * (number // 2 % 2)
        image[1, :4] = 255 * ((number + 1) // 2 % 2)
    seconds = np.arange(24) / 24
    shown, counts = show(images, seconds, Field(4, 4))
    assert sum(counts) > 0
    assert (flash_analyser.flashes(shown, seconds)[0] >= 3).sum() <= 4


def test_only_what_flashes_is_held_back():
    images = [np.zeros((*SHAPE, 3), np.uint8) for _ in range(30)]
    for number, image in enumerate(images):
        image[:, :3] = 255 * (number % 2)
        image[:, 3:] = 4 * number
    shown, counts = show(images, np.arange(30) / 30, Field(3, 3))
    assert max(counts) == SHAPE[0] * 3
    assert all((a[:, 3:] == b[:, 3:]).all() for a, b in zip(shown, images, strict=True))


pictures = st.sampled_from(
    [BLACK, WHITE, RED, GREY, (0, 255, 0), (0, 0, 255), (255, 40, 40), (90, 0, 0), (232,) * 3]
)


@st.composite
def films(draw):
    """Pictures of every kind at any times: fields, halves, noise and drifts of any colours."""
    count = draw(st.integers(2, 20))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    seconds = np.cumsum(
        [0.0, *draw(st.lists(st.floats(1 / 120, 0.35), min_size=count - 1, max_size=count - 1))]
    )
    images = []
    for _ in range(count):
        image = np.full((*SHAPE, 3), draw(pictures), np.uint8)
        match draw(st.sampled_from(["field", "half", "noise", "drift", "grey noise"])):
            case "half":
                image[:, : SHAPE[1] // 2] = draw(pictures)
            case "noise":
                image = random.integers(0, 256, image.shape).astype(np.uint8)
            case "grey noise":
                image[:] = random.integers(0, 256, (*SHAPE, 1))
            case "drift" if images:
                step = random.integers(-40, 41, image.shape)
                image = np.clip(images[-1] + step, 0, 255).astype(np.uint8)
        images.append(image)
    return images, seconds


@settings(max_examples=15)
@given(films(), st.booleans())
def test_no_sample_ever_flashes_three_times_in_a_second(flash_analyser, film, hold):
    images, seconds = film
    shown, _ = show(images, seconds, EVERY_SAMPLE, hold)
    general, red = flash_analyser.flashes(shown, seconds)
    assert general.max() <= 2
    assert red.max() <= 2


@settings(max_examples=15)
@given(films(), st.integers(1, 4), st.integers(1, 5))
def test_no_more_than_a_quarter_of_any_field_flashes_three_times_in_a_second(
    flash_analyser, film, height, width
):
    images, seconds = film
    shown, _ = show(images, seconds, Field(height, width))
    for part in flash_analyser.each_second(shown, seconds):
        general, red = flash_analyser.flashes_of(part)
        is_flashing = (general >= 3) | (red >= 3)
        for top in range(SHAPE[0] - height + 1):
            for left in range(SHAPE[1] - width + 1):
                inside = is_flashing[top : top + height, left : left + width]
                assert inside.sum() <= 0.25 * height * width


def test_light_goes_there_and_back():
    levels = np.arange(256, dtype=np.uint8)
    light = linear_light(levels)
    assert (encoded(light) == levels).all()
    assert light[[0, 10, 11, 128, 255]] == pytest.approx([0, 0.0030353, 0.0033465, 0.2158605, 1], abs=1e-6)
