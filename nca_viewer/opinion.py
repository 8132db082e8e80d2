"""What an outside classifier reads in the image: it knows the picture alone, and nothing of the cells.

A small convolutional network, trained by `nca-train classifier` on MNIST's digits and on what is none, and
evaluated here in plain NumPy, some tenths of a millisecond an image.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nca_viewer.assets import classifier_file
from nca_viewer.errors import ConfigError, reason_of

SIZE_CELLS = 28
"""Side of the images that it reads."""
NUM_DIGITS = 10

_PATCH_SIZE = 5
_STRIDE = 2


@dataclass(frozen=True, eq=False, slots=True)
class Opinion:
    """What was read.

    Attributes:
        probabilities: float32[10], of each digit; read-only. What is missing from 1 is "no digit at all".
        threshold: The least probability that counts as sure.
    """

    probabilities: NDArray[np.float32]
    threshold: float

    @property
    def digit(self) -> int | None:
        """The digit; None where it is unsure."""
        best = int(np.argmax(self.probabilities))
        return best if self.probabilities[best] >= self.threshold else None

    @property
    def text(self) -> str:
        """The digit, or "unsure"."""
        return "unsure" if self.digit is None else str(self.digit)


@dataclass(frozen=True, eq=False, slots=True)
class DigitClassifier:
    """Two strided 5 x 5 convolutions and two dense layers; ten digits, and a class for what is none.

    Attributes:
        layers: (kernel float32[in, out], bias float32[out]) of the four layers. Those of convolutions take a
            patch row by row, a pixel's channels side by side.
        threshold: See `Opinion`.
    """

    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    threshold: float

    @classmethod
    def load(cls, path: Path | None = None) -> DigitClassifier:
        """Read it from a file that `save` wrote; None takes the bundled one.

        Raises:
            ConfigError: the file is missing, or no such file.
        """
        path = classifier_file() if path is None else path
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                layers = tuple(
                    (stored[f"{name}.kernel"].astype(np.float32), stored[f"{name}.bias"].astype(np.float32))
                    for name in ("first", "second", "hidden", "out")
                )
                classifier = cls(layers, float(stored["threshold"]))
                classifier.probabilities(np.zeros((1, SIZE_CELLS, SIZE_CELLS), np.float32))
        except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ConfigError(
                f"cannot read the classifier {path}: {reason_of(error)}; install nca-viewer again"
            ) from error
        return classifier

    def probabilities(self, images: NDArray[np.floating]) -> NDArray[np.float32]:
        """Of the ten digits and of "no digit": float32[N, 11] of float[N, 28, 28] in [0, 1], ink = 1."""
        first, second, (hidden, hidden_bias), (out, out_bias) = self.layers
        features = np.asarray(images, np.float32)[..., None]
        for kernel, bias in (first, second):
            features = np.maximum(_patches(features) @ kernel + bias, 0.0)
        features = np.maximum(features.reshape(len(features), -1) @ hidden + hidden_bias, 0.0)
        logits = features @ out + out_bias
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    def read(self, image: NDArray[np.uint8]) -> Opinion:
        """The opinion on an image uint8[H, W, 3] of any size, white ink on black."""
        probabilities = self.probabilities(_fitted(image)[None])[0, :NUM_DIGITS]
        probabilities.flags.writeable = False
        return Opinion(probabilities, self.threshold)


def _patches(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The 5 x 5 neighbourhood of every other pixel: [N, H', W', 25 C] of [N, H, W, C]; zero outside."""
    margin = _PATCH_SIZE // 2
    padded = np.pad(features, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (_PATCH_SIZE, _PATCH_SIZE), axis=(1, 2))
    chosen = np.moveaxis(windows[:, ::_STRIDE, ::_STRIDE], 3, -1)
    return chosen.reshape(*chosen.shape[:3], -1)


def _fitted(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """In grey, enlarged or reduced into the middle of 28 x 28 cells: float32[28, 28] in [0, 1]."""
    grey = np.asarray(np.asarray(image, np.float32).mean(axis=-1) / 255, np.float32)
    height, width = grey.shape
    if (height, width) == (SIZE_CELLS, SIZE_CELLS):
        return grey
    scale = SIZE_CELLS / max(height, width)
    fitted_height, fitted_width = (max(1, round(size * scale)) for size in (height, width))
    resized = Image.fromarray(grey).resize((fitted_width, fitted_height), Image.Resampling.BILINEAR)
    canvas = np.zeros((SIZE_CELLS, SIZE_CELLS), np.float32)
    top, left = (SIZE_CELLS - fitted_height) // 2, (SIZE_CELLS - fitted_width) // 2
    canvas[top : top + fitted_height, left : left + fitted_width] = np.asarray(resized)
    return canvas
