"""The picture that is seen while the viewer is down."""

import subprocess
import sys

import numpy as np
import pygame
import pytest

from nca_viewer.display.hud import BACKGROUND
from nca_viewer.display.resting import draw
from nca_viewer.exhibit.texts import LANGUAGES


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
        [sys.executable, "-W", "error", "-m", "nca_viewer.display.resting", "de"],
        input="show\nhide\nshow\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_needs_no_jax():
    program = "import sys, nca_viewer.display.resting; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
