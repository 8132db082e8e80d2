"""How close a picture is to another: figures of merit for restored and healed images.

Pictures are float[..., H, W, V] with ink 1 and paper 0, NumPy or JAX; values are clipped to [0, 1] first,
as a screen does. What is not finite stays visible: its figure is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

PSNR_CEILING_DECIBEL = 100.0
"""Given to pictures that agree exactly or nearly so, whose PSNR has no bound."""


def mean_squared_error(pictures: ArrayLike, clean: ArrayLike) -> NDArray[np.float64]:
    """Mean squared error of each picture.

    Args:
        pictures: float[..., H, W, V].
        clean: float[..., H, W, V] in [0, 1], the pictures as they should be.

    Returns:
        float64[...].
    """
    difference = _clipped(pictures) - np.asarray(clean, np.float64)
    return np.mean(difference**2, axis=(-3, -2, -1))


def psnr(pictures: ArrayLike, clean: ArrayLike) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each picture in dB, at most `PSNR_CEILING_DECIBEL`.

    -10 log10(mean squared error), for a peak of 1. Average these per-image figures, not the errors.

    Args:
        pictures: float[..., H, W, V].
        clean: float[..., H, W, V] in [0, 1].

    Returns:
        float64[...].
    """
    error = mean_squared_error(pictures, clean)
    return -10.0 * np.log10(np.maximum(error, 10.0 ** (-PSNR_CEILING_DECIBEL / 10.0)))


def ssim(pictures: ArrayLike, clean: ArrayLike) -> NDArray[np.float64]:
    """Structural similarity of each picture, in [-1, 1], through scikit-image (7x7 window, data range 1).

    Args:
        pictures: float[N, H, W, V], at least 7 cells high and wide.
        clean: float[N, H, W, V] in [0, 1].

    Returns:
        float64[N].
    """
    from skimage.metrics import structural_similarity

    pairs = zip(_clipped(pictures), np.asarray(clean, np.float64), strict=True)
    return np.array(
        [
            structural_similarity(target, picture, data_range=1.0, channel_axis=-1)
            if np.isfinite(picture).all()
            else np.nan
            for picture, target in pairs
        ],
        np.float64,
    )


def intersection_over_union(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Overlap of two sets of cells: cells in both over cells in either; 1 where both are empty.

    Args:
        first: bool[..., H, W].
        second: bool[..., H, W].

    Returns:
        float64[...].
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    both = np.sum(first & second, axis=(-2, -1))
    either = np.sum(first | second, axis=(-2, -1))
    return np.where(either == 0, 1.0, both / np.maximum(either, 1))


def _clipped(pictures: ArrayLike) -> NDArray[np.float64]:
    return np.clip(np.asarray(pictures, np.float64), 0.0, 1.0)
