import itertools
from datetime import time

import numpy as np
import pygame
import pytest
from pygame.event import Event

from nca_viewer.display.flash_limiter import FlashLimiter
from nca_viewer.display.palette import BACKGROUND
from nca_viewer.display.window import HeadlessWindow
from nca_viewer.kiosk.night import NightHours, NightSchedule
from nca_viewer.kiosk.pixel_shift import REACH_PIXELS
from nca_viewer.kiosk.window_filters import FilteredWindow

SIZE = (320, 240)
NIGHT = NightHours(time(22), time(7))


def make(limits_flashes=False, shifts_pixels=False, night=None, local=time(12), noted=None):
    inner = HeadlessWindow(SIZE)
    window = FilteredWindow(
        inner,
        limits_flashes=limits_flashes,
        shifts_pixels=shifts_pixels,
        night=night,
        local_time=lambda: local if isinstance(local, time) else local[-1],
        on_limited=(lambda now: None) if noted is None else noted.append,
    )
    return inner, window


def shown(inner, window, colour):
    """What a frame of one colour looks like on the screen."""
    window.events()
    window.surface.fill(colour)
    window.present()
    inner.wait_until(inner.now_seconds() + 1 / 60)
    return inner.pixels()


def test_without_a_task_it_changes_nothing():
    inner, window = make()
    event = Event(pygame.MOUSEBUTTONDOWN, pos=(3, 4), button=1)
    inner.post(event)
    assert window.events() == [event]
    assert window.surface is inner.surface
    assert (shown(inner, window, (1, 2, 3)) == (1, 2, 3)).all()
    assert not window.is_dark


# ---------------------------------------------------------------------------------------- burn-in


def test_what_is_drawn_under_the_finger_is_what_is_pointed_at_wherever_it_glides():
    inner, window = make(shifts_pixels=True)
    random, places = np.random.default_rng(0), set()
    for second in range(0, 1200, 7):
        inner.wait_until(float(second))
        window.events()
        window.surface.fill(BACKGROUND)
        width, height = window.surface.get_size()
        assert (width, height) == (SIZE[0] - 2 * REACH_PIXELS, SIZE[1] - 2 * REACH_PIXELS)
        drawn = int(random.integers(width)), int(random.integers(height))
        window.surface.set_at(drawn, (255, 0, 0))
        window.present()
        rows, columns = np.nonzero((inner.pixels() == (255, 0, 0)).all(axis=2))
        assert len(rows) == 1
        place = int(columns[0]), int(rows[0])
        places.add((place[0] - drawn[0], place[1] - drawn[1]))
        inner.post(
            Event(pygame.MOUSEMOTION, pos=place, rel=(0, 0), buttons=(1, 0, 0)),
            Event(
                pygame.FINGERDOWN,
                x=(place[0] + 0.5) / SIZE[0],
                y=(place[1] + 0.5) / SIZE[1],
                finger_id=1,
                touch_id=1,
            ),
        )
        mouse, finger = window.events()
        assert mouse.pos == drawn
        assert mouse.buttons == (1, 0, 0)
        assert (int(finger.x * width), int(finger.y * height)) == drawn
    assert len(places) > 20
    assert all(0 <= column <= 2 * REACH_PIXELS and 0 <= row <= 2 * REACH_PIXELS for column, row in places)


def test_nothing_is_left_behind_where_it_was():
    inner, window = make(shifts_pixels=True)
    for second in range(0, 900, 30):
        inner.wait_until(float(second))
        pixels = shown(inner, window, (200, 0, 0))
        is_red = (pixels == (200, 0, 0)).all(axis=2)
        assert is_red.sum() == (SIZE[0] - 2 * REACH_PIXELS) * (SIZE[1] - 2 * REACH_PIXELS)
        assert (pixels[~is_red] == BACKGROUND).all()


# ---------------------------------------------------------------------------------------- night


def test_the_night_dims_all_of_it_and_keeps_it_so():
    inner, window = make(shifts_pixels=True, night=NightSchedule(NIGHT, 0.5), local=time(23))
    for _ in range(5):
        pixels = shown(inner, window, (200, 100, 50))
    assert not window.is_dark
    assert abs(pixels[120, 160].astype(int) - (100, 50, 25)).max() <= 1
    assert abs(pixels[0, 0].astype(int) - np.array(BACKGROUND) // 2).max() <= 1


def test_a_black_night_takes_no_touches_unless_they_wake():
    touch = Event(pygame.FINGERDOWN, x=0.5, y=0.5, finger_id=1, touch_id=1)
    lifted = Event(pygame.FINGERUP, x=0.5, y=0.5, finger_id=1, touch_id=1)
    key = Event(pygame.KEYDOWN, key=pygame.K_q, mod=pygame.KMOD_CTRL, unicode="")
    inner, window = make(night=NightSchedule(NIGHT), local=time(23))
    assert not shown(inner, window, (200, 100, 50)).any()
    assert window.is_dark
    inner.post(touch, key, lifted)
    assert window.events() == [key, lifted]
    window.wake()
    assert not shown(inner, window, (200, 100, 50)).any()

    inner, window = make(night=NightSchedule(NIGHT, 0.0, 30.0), local=time(23))
    shown(inner, window, (200, 100, 50))
    inner.post(touch)
    assert window.events() == [touch]
    window.wake()
    for _ in range(60):
        pixels = shown(inner, window, (200, 100, 50))
    assert (pixels == (200, 100, 50)).all()
    for _ in range(60 * 42):
        pixels = shown(inner, window, (200, 100, 50))
    assert not pixels.any()


def test_dusk_takes_its_time():
    local = [time(21, 59)]
    inner, window = make(night=NightSchedule(NIGHT), local=local)
    shown(inner, window, (200, 200, 200))
    local.append(time(22))
    levels = [int(shown(inner, window, (200, 200, 200))[0, 0, 0]) for _ in range(620)]
    assert levels[0] >= 198
    assert levels[-1] == 0
    assert np.abs(np.diff(levels)).max() <= 2


# ---------------------------------------------------------------------------------------- flashes


@pytest.mark.parametrize("size", [SIZE, (64, 64), (1921, 1079)])
def test_a_flashing_frame_is_held(size):
    noted, levels = [], []
    guard, surface = FlashLimiter(noted.append), pygame.Surface(size, depth=32)
    for frame in range(30):
        surface.fill((255, 255, 255) if frame % 2 else (0, 0, 0))
        guard.apply(surface, frame / 30)
        pixels = pygame.surfarray.array3d(surface)
        levels.append(int(pixels[0, 0, 0]))
        assert (pixels == levels[-1]).all()
    assert sum(a != b for a, b in itertools.pairwise(levels)) == 4
    assert len(noted) > 10


def test_only_the_flashing_part_is_held():
    guard, surface = FlashLimiter(), pygame.Surface(SIZE, depth=32)
    for frame in range(40):
        surface.fill((4 * frame, 4 * frame, 4 * frame))
        surface.fill((255, 0, 0) if frame % 2 else (0, 0, 0), (0, 0, 160, 240))
        guard.apply(surface, frame / 40)
        pixels = pygame.surfarray.array3d(surface)
        assert (pixels[170:] == 4 * frame).all()
    surface.fill((9, 9, 9))
    guard.apply(surface, 2.5)
    assert (pygame.surfarray.array3d(surface) == 9).all()


def test_a_small_part_may_flash():
    noted = []
    guard, surface = FlashLimiter(noted.append), pygame.Surface(SIZE, depth=32)
    for frame in range(40):
        surface.fill((0, 0, 0))
        surface.fill((255, 255, 255) if frame % 2 else (0, 0, 0), (100, 100, 12, 12))
        guard.apply(surface, frame / 40)
    assert not noted


def test_another_size_begins_anew():
    guard = FlashLimiter()
    for frame in range(30):
        surface = pygame.Surface((100 + frame % 2, 90), depth=32)
        surface.fill((255, 255, 255) if frame % 2 else (0, 0, 0))
        guard.apply(surface, frame / 30)
        assert surface.get_at((50, 50))[0] == 255 * (frame % 2)
