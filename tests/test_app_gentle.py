"""Gentleness of the whole program, judged by what is on the screen."""

from datetime import time

import numpy as np
import pygame
import pytest
from pygame.event import Event

from nca_viewer.display.window import HeadlessWindow
from nca_viewer.interaction.actions import Tool
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.kiosk.night import NightHours
from nca_viewer.kiosk.operation.event_log import EventLog
from nca_viewer.kiosk.pixel_shift import REACH_PIXELS
from nca_viewer.launch import open_app
from nca_viewer.loading import Loaded, Session
from nca_viewer.start_images import StartImages

SIZE = (460, 420)
FRAMES_PER_SECOND = 20


@pytest.fixture(scope="module")
def simulation(simulation_of):
    return simulation_of(5)


@pytest.fixture
def start(simulation, tmp_path):
    """Makes an app with a digit, and its window."""

    def make(local_time=time(12), **options):
        simulation.episode = 0
        starts = StartImages(simulation.config, 5)
        simulation.begin(starts.digit(3, 1), 0.0)
        window = HeadlessWindow(SIZE)
        app = open_app(
            window,
            Loaded(Session(simulation, starts, 0.5, "a test")),
            KioskConfig(frames_per_second=FRAMES_PER_SECOND, **options),
            screenshot_folder=tmp_path,
            local_time=lambda: local_time if isinstance(local_time, time) else local_time[-1],
        )
        return app, window

    return make


def press(window, key, text):
    window.post(Event(pygame.KEYDOWN, key=key, unicode=text, mod=0), Event(pygame.KEYUP, key=key, mod=0))


def wild_hands(app, window, random):
    """Something that a person might do in a frame, and does far too often."""
    key, text = (
        (pygame.K_DELETE, "\x7f"),
        (pygame.K_v, "v"),
        (pygame.K_h, "h"),
        (pygame.K_d, "d"),
        (pygame.K_TAB, "\t"),
        (pygame.K_g, "g"),
        (pygame.K_r, "r"),
        (pygame.K_c, "c"),
        (pygame.K_b, "b"),
        (pygame.K_RIGHTBRACKET, "]"),
    )[random.integers(10)]
    press(window, key, text)
    place = tuple(int(random.integers(side)) for side in SIZE)
    window.post(
        Event(pygame.MOUSEBUTTONDOWN, pos=place, button=1), Event(pygame.MOUSEBUTTONUP, pos=place, button=1)
    )


def flashing_share(analyser, frames):
    """The largest part of any field of ten degrees that flashes three times in the same second."""
    side, share = frames[0].shape[0] // 6, 0.0
    for part in analyser.each_second(frames, np.arange(len(frames)) / FRAMES_PER_SECOND):
        general, red = analyser.flashes_of(part)
        fields = np.lib.stride_tricks.sliding_window_view((general >= 3) | (red >= 3), (side, side))
        share = max(share, fields.mean(axis=(2, 3)).max())
    return share


@pytest.mark.parametrize("seed", range(2))
def test_whatever_hands_do_the_screen_does_not_flash(start, flash_analyser, tmp_path, seed):
    journal = EventLog()
    journal.open(tmp_path)
    shares = {}
    for is_limited in (False, True):
        app, window = start(limit_flashes=is_limited)
        random, frames = np.random.default_rng(seed), []
        for _ in range(40):
            wild_hands(app, window, random)
            app.frame()
            # Of the lines between cells, which are one pixel wide, every third is met.
            frames.append(window.pixels()[1::3, 1::3])
        shares[is_limited] = flashing_share(flash_analyser, frames)
        log = (tmp_path / "nca-viewer.log").read_text()
        assert ("held back" in log) == is_limited
    assert shares[False] > 0.5
    assert shares[True] <= 0.25
    journal.close()


def test_a_new_digit_comes_softly_in_an_exhibit_and_at_once_elsewhere(start):
    for is_soft in (False, True):
        app, window = start(reduce_motion=is_soft, limit_flashes=False)
        app.frame()
        press(window, pygame.K_SPACE, " ")
        app.frame()
        press(window, pygame.K_TAB, "\t")
        app.frame()
        before = window.pixels().astype(int)
        press(window, pygame.K_DELETE, "\x7f")
        changes = []
        for _ in range(60):
            app.frame()
            changes.append(abs(window.pixels().astype(int) - before).max())
        assert (changes[0] > 100) != is_soft
        assert (changes[int(0.2 * FRAMES_PER_SECOND)] < 60) == is_soft
        assert changes[-1] > 100


def test_a_finger_paints_the_cell_that_is_drawn_under_it_wherever_the_picture_glides(start, simulation):
    app, window = start(pixel_shift=True, brush_radius_cells=0)
    app.frame()
    press(window, pygame.K_SPACE, " ")
    press(window, pygame.K_DELETE, "\x7f")
    config = simulation.config
    for row, column in ((0, 0), (10, 12), (5, 6), (9, 1)):
        window.wait_until(window.now_seconds() + 97.0)
        app.frame()
        # Where the middle of the grid is on the screen is found by looking.
        pixels = window.pixels()
        size = (SIZE[0] - 2 * REACH_PIXELS, SIZE[1] - 2 * REACH_PIXELS)
        geometry = Geometry.fit(size, (config.height, config.width), bar_visible=True)
        rows, columns = np.nonzero((pixels == 0).all(axis=2))
        left, top = columns.min() - geometry.left, rows.min() - geometry.top
        x, y = geometry.cell_centre((row, column))
        place = (int(x + left), int(y + top))
        window.post(
            Event(pygame.MOUSEBUTTONDOWN, pos=place, button=1),
            Event(pygame.MOUSEBUTTONUP, pos=place, button=1),
        )
        app.frame()
        assert app.snapshot.state[row, column, -1] == 1
        assert tuple(window.pixels()[place[1], place[0]]) == (255, 255, 255)
        simulation.apply(Tool.ERASE, np.ones((config.height, config.width), bool))


def test_at_night_the_automaton_sleeps_and_in_the_morning_it_goes_on(start, simulation, monkeypatch):
    taken = []
    monkeypatch.setattr(simulation, "advance", taken.append)
    clock = [time(23)]
    app, window = start(night=NightHours.parse("22:00-07:00"), local_time=clock)
    for _ in range(10):
        app.frame()
    assert not window.pixels().any()
    assert sum(taken) == 0
    clock.append(time(7))
    for _ in range(11 * FRAMES_PER_SECOND):
        app.frame()
    assert window.pixels().max() == 255
    assert sum(taken) > 5 * FRAMES_PER_SECOND


def test_at_night_a_drag_keeps_the_screen_lit_and_a_stuck_key_does_not(start):
    clock, night = time(23), NightHours.parse("22:00-07:00")
    app, window = start(night=night, night_wake_seconds=30.0, local_time=clock)
    for frame in range(60 * FRAMES_PER_SECOND):
        kind = pygame.FINGERMOTION if frame else pygame.FINGERDOWN
        window.post(Event(kind, x=0.3 + frame % 40 / 100, y=0.5, finger_id=1, touch_id=1, dx=0, dy=0))
        app.frame()
    assert window.pixels().max() > 200
    for _ in range(45 * FRAMES_PER_SECOND):
        window.post(Event(pygame.KEYDOWN, key=pygame.K_b, unicode="b", mod=0))
        app.frame()
    assert not window.pixels().any()


def test_in_an_exhibit_it_is_gentle_by_default():
    exhibit, plain = KioskConfig(exhibit=True), KioskConfig()
    assert (exhibit.limits_flashes, exhibit.shifts_pixels) == (True, True)
    assert (plain.limits_flashes, plain.shifts_pixels) == (False, False)
    assert not KioskConfig(exhibit=True, limit_flashes=False).limits_flashes
    assert KioskConfig(limit_flashes=True, pixel_shift=True).shifts_pixels
