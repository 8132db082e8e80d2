"""Metrics against hand-computed values and scikit-image."""

import numpy as np
import pytest

from training import metrics


def pictures(seed: int, shape: tuple[int, ...] = (3, 11, 13, 1)) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def test_psnr_of_a_constant_error_is_computed_by_hand() -> None:
    clean = np.zeros((2, 7, 11, 1), np.float32)
    shown = clean + np.array([0.1, 0.01], np.float32)[:, None, None, None]
    np.testing.assert_allclose(metrics.psnr(shown, clean), [20.0, 40.0], rtol=1e-5)


def test_psnr_agrees_with_scikit_image_and_is_per_image() -> None:
    from skimage.metrics import peak_signal_noise_ratio  # It takes seconds.

    shown, clean = pictures(1), pictures(2)
    expected = [peak_signal_noise_ratio(c, s, data_range=1.0) for c, s in zip(clean, shown, strict=True)]
    np.testing.assert_allclose(metrics.psnr(shown, clean), expected, rtol=1e-6)


def test_values_beyond_the_screen_count_as_clipped() -> None:
    clean = np.array([0.0, 1.0], np.float32).reshape(1, 1, 2, 1).repeat(7, axis=1)
    shown = np.array([-5.0, 9.0], np.float32).reshape(1, 1, 2, 1).repeat(7, axis=1)
    assert metrics.psnr(shown, clean) == metrics.PSNR_CEILING_DECIBEL


def test_not_finite_pictures_give_nan_and_spare_the_others() -> None:
    shown = pictures(1)
    shown[1, 2, 3] = np.nan
    for figure in (metrics.psnr, metrics.ssim):
        assert np.isnan(figure(shown, pictures(2))).tolist() == [False, True, False]


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_one_for_equal_and_lower_for_noisier_pictures(channels: int) -> None:
    clean = pictures(3, (2, 11, 13, channels))
    noise = pictures(4, (2, 11, 13, channels)) - 0.5
    np.testing.assert_allclose(metrics.ssim(clean, clean), 1.0)
    little, much = metrics.ssim(clean + 0.1 * noise, clean), metrics.ssim(clean + 0.9 * noise, clean)
    assert (much < little).all()
    assert (little < 1).all()


def test_intersection_over_union_counts_cells() -> None:
    first = np.zeros((2, 5, 7), bool)
    second = first.copy()
    first[0, 0, :4] = True
    second[0, 0, 2:5] = True
    np.testing.assert_allclose(metrics.intersection_over_union(first, second), [2 / 5, 1.0])
