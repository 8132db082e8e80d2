import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.errors import ConfigError
from nca_viewer.handwriting import digit_strokes, draw_digit, render_strokes, write_digit

digits = st.integers(0, 9)
seeds = st.integers(0, 2**32 - 1)


def centre_of_mass(image: np.ndarray) -> tuple[float, float]:
    rows, columns = np.indices(image.shape)
    return (rows * image).sum() / image.sum(), (columns * image).sum() / image.sum()


@given(digits, seeds)
def test_digits_are_normalised_as_mnist_is(digit: int, seed: int):
    image = draw_digit(digit, np.random.default_rng(seed))

    assert image.shape == (28, 28)
    assert image.dtype == np.float32
    assert image.min() == 0.0
    assert 0.85 < image.max() <= 1.0
    np.testing.assert_allclose(centre_of_mass(image), (14.0, 14.0), atol=0.1)
    inked = np.argwhere(image > 0.1)
    height, width = np.ptp(inked, axis=0) + 1
    assert 18 <= max(height, width) <= 21
    assert 0.03 < image.mean() < 0.35


@given(digits, seeds)
def test_the_same_generator_writes_the_same_and_strokes_are_what_is_drawn(digit: int, seed: int):
    image = draw_digit(digit, np.random.default_rng(seed))
    written = write_digit(digit, np.random.default_rng(seed))
    strokes = digit_strokes(digit, np.random.default_rng(seed))

    np.testing.assert_array_equal(image, draw_digit(digit, np.random.default_rng(seed)))
    np.testing.assert_array_equal(image, render_strokes(written))
    for stroke, same in zip(strokes, written.strokes, strict=True):
        np.testing.assert_array_equal(stroke, same)
        assert stroke.ndim == 2
        assert stroke.shape[1] == 2
        cells = np.rint(stroke).astype(int)
        assert np.all((cells >= 0) & (cells < 28))
        assert np.all(image[cells[:, 0], cells[:, 1]] > 0.5), "the pen's path is inked"
    assert 0.5 < written.pen_radius_cells < 3.0


@given(digits, seeds, st.integers(8, 128), st.integers(8, 128))
def test_other_grids_hold_the_same_digit_in_proportion(digit: int, seed: int, height: int, width: int):
    image = draw_digit(digit, np.random.default_rng(seed), height, width)
    scale = min(height, width) / 28

    assert image.shape == (height, width)
    assert image.max() > 0.45
    rows, columns = np.argwhere(image > 0.1).T
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(20 * scale, abs=max(2.5, scale))
    assert centre_of_mass(image) == pytest.approx((height / 2, width / 2), abs=max(0.6, 0.1 * scale))


@pytest.mark.parametrize("digit", range(10))
def test_no_two_draws_are_alike(digit: int):
    generator = np.random.default_rng(0)
    images = np.stack([draw_digit(digit, generator) for _ in range(20)])
    distances = np.abs(images[:, None] - images[None]).mean(axis=(2, 3))
    assert distances[~np.eye(20, dtype=bool)].min() > 0.005


def test_digits_differ_from_each_other_more_than_from_themselves():
    """A nearest-mean classifier reads most of them: they are digits, not scribbles."""
    generator = np.random.default_rng(1)
    means = np.stack([np.mean([draw_digit(d, generator) for _ in range(30)], axis=0) for d in range(10)])
    correct = 0
    for digit in range(10):
        for _ in range(10):
            image = draw_digit(digit, generator)
            correct += int(np.argmin(((means - image) ** 2).sum(axis=(1, 2))) == digit)
    assert correct >= 75


@pytest.mark.parametrize("digit", [-1, 10, 2.0, True, "7", None])
def test_what_is_no_digit(digit: object):
    with pytest.raises(ConfigError, match=r"digit = .* must be a whole number from 0 to 9"):
        draw_digit(digit, np.random.default_rng(0))  # type: ignore[arg-type]


def test_handwriting_needs_neither_jax_nor_pygame():
    program = "import sys, nca_viewer.handwriting; assert not {'jax', 'pygame', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
