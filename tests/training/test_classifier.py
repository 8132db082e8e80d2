"""The digit reader learns, repeats, and is kept."""

from pathlib import Path

import numpy as np
import pytest

from training.classifier import BATCH_SIZE, cached_classifier, train_classifier


@pytest.fixture(scope="module")
def bars() -> tuple[np.ndarray, np.ndarray]:
    """Pictures of 11 x 13 whose label is the column of a bright bar."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, 6 * BATCH_SIZE).astype(np.int32)
    images = 0.3 * generator.random((len(labels), 11, 13, 1), dtype=np.float32)
    images[np.arange(len(labels)), :, labels] = 1.0
    return images, labels


def test_it_learns_and_is_kept_for_the_same_images(
    tmp_path: Path, bars: tuple[np.ndarray, np.ndarray]
) -> None:
    first = cached_classifier(*bars, tmp_path / "cache", progress=False)
    assert np.mean(first(bars[0]) == bars[1]) > 0.9
    (path,) = (tmp_path / "cache").iterdir()
    written = path.stat().st_mtime_ns
    again = cached_classifier(*bars, tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(again(bars[0]), first(bars[0]))
    assert path.stat().st_mtime_ns == written
    path.write_bytes(path.read_bytes()[:100])
    renewed = cached_classifier(*bars, tmp_path / "cache", progress=False)
    np.testing.assert_array_equal(renewed(bars[0]), first(bars[0]))


def test_what_is_not_finite_reads_as_nothing(bars: tuple[np.ndarray, np.ndarray]) -> None:
    reader = train_classifier(*bars, max_epochs=1, progress=False)
    pictures = bars[0][:3].copy()
    pictures[1, 5, 7] = np.nan
    digits = reader(pictures)
    assert digits[1] == -1
    assert (digits[[0, 2]] >= 0).all()
    assert len(reader(pictures[:0])) == 0
