"""The picture that is seen while the viewer is down."""

import os
import subprocess
import sys
from datetime import time

import numpy as np
import pygame
import pytest

from nca_viewer.display.palette import BACKGROUND
from nca_viewer.kiosk import standby_screen
from nca_viewer.kiosk.standby_screen import _Words, draw
from nca_viewer.kiosk.texts import LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", [(320, 240), (1080, 1920), (3840, 2160)])
def test_it_fits_every_screen_in_every_language(language, size):
    pygame.font.init()
    surface = pygame.Surface(size, depth=32)
    draw(surface, language)
    pixels = pygame.surfarray.array3d(surface)
    drawn = (pixels != BACKGROUND).any(axis=2)
    assert 0.003 < drawn.mean() < 0.3
    columns, rows = np.nonzero(drawn)
    assert abs(columns.min() + columns.max() + 1 - size[0]) <= 6
    assert rows.min() > size[1] // 8
    assert rows.max() < size[1] - size[1] // 20


def test_it_stands_by_shows_hides_and_goes_with_the_one_who_asked():
    """On SDL's driver without a screen, asked for by the environment of the tests."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "nca_viewer.kiosk.standby_screen", "de"],
        input="show\nhide\nshow\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("brightness", "brightest"), [(0.0, 0), (0.5, 128), (1.0, 255)])
def test_it_is_as_bright_as_the_exhibit(brightness, brightest):
    pygame.font.init()
    surface = pygame.Surface((320, 240), depth=32)
    draw(surface, "en")
    by_day = int(pygame.surfarray.array3d(surface).max())
    draw(surface, "en", brightness)
    assert abs(int(pygame.surfarray.array3d(surface).max()) - by_day * brightest / 255) <= 1


def test_of_words_that_come_together_the_last_one_holds():
    reading, writing = os.pipe()
    words = _Words(reading)
    os.write(writing, b"show\nhide\n")
    assert [words.last(0), words.last(0)] == ["hide", None]
    os.write(writing, b"sh")
    assert words.last(0) is None
    os.write(writing, b"ow\n")
    assert words.last(0) == "show"
    os.close(writing)
    assert words.last(None) == ""
    os.close(reading)


@pytest.mark.parametrize(("hour", "is_dark"), [(23, True), (12, False)])
def test_at_night_it_is_dark(monkeypatch, hour, is_dark):
    seen = []

    class Window:
        surface = pygame.Surface((320, 240), depth=32)

        def events(self):
            pass

        def present(self):
            seen.append(not pygame.surfarray.array3d(self.surface).any())

        def close(self):
            pass

    words = iter(["show", None, None, ""])
    monkeypatch.setattr(_Words, "last", lambda self, seconds: next(words))
    monkeypatch.setattr(standby_screen, "_opened", lambda display: Window())
    monkeypatch.setattr(standby_screen.signal, "signal", lambda *_: None)
    assert standby_screen.main("en", "0", "22:00-07:00", "0", local_time=lambda: time(hour)) == 0
    assert seen == [is_dark] * 3


def test_it_needs_no_jax():
    program = "import sys, nca_viewer.kiosk.standby_screen; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
