"""A small digit reader, independent of the automaton: does a restored picture still read as its digit?"""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from nca_viewer.atomic_files import atomic_write
from nca_viewer.errors import OutputError

FORMAT_VERSION = 2
NUM_CLASSES = 10
TARGET_ACCURACY = 0.987
"""Accuracy on set-aside training images at which the reader's training ends; it then reads at least 98.5% of
MNIST's test images."""
MAX_EPOCHS = 8
BATCH_SIZE = 128
SET_ASIDE_FRACTION = 1 / 12


class DigitReader(nnx.Module):
    """Two strided 5 x 5 convolutions and two dense layers; reads grey pictures.

    The convolutions are written as products with patches, and stride instead of pooling: on a CPU their
    gradients are several times faster than those of XLA's convolutions and pooling.
    """

    def __init__(
        self,
        height: int,
        width: int,
        *,
        num_classes: int = NUM_CLASSES,
        hidden_size: int = 128,
        rngs: nnx.Rngs,
    ):
        """Create an untrained reader.

        Args:
            height: Rows of a picture.
            width: Columns of a picture.
            num_classes: What it tells apart.
            hidden_size: Width of the first dense layer.
            rngs: Source of the parameters' PRNG keys.
        """
        sizes = [_strided_size(_strided_size(size)) for size in (height, width)]
        self.first = nnx.Linear(PATCH_SIZE**2, 16, rngs=rngs)
        self.second = nnx.Linear(PATCH_SIZE**2 * 16, 32, rngs=rngs)
        self.hidden = nnx.Linear(sizes[0] * sizes[1] * 32, hidden_size, rngs=rngs)
        self.out = nnx.Linear(hidden_size, num_classes, rngs=rngs)

    def __call__(self, pictures: Array) -> Array:
        """Logits float[N, classes] of pictures float[N, H, W, 1]."""
        features = jax.nn.relu(self.first(_patches(pictures)))
        features = jax.nn.relu(self.second(_patches(features)))
        return self.out(jax.nn.relu(self.hidden(features.reshape(len(pictures), -1))))


PATCH_SIZE = 5
STRIDE = 2


def _strided_size(size: int) -> int:
    return (size - 1) // STRIDE + 1


def _patches(pictures: Array) -> Array:
    """The 5 x 5 neighbourhood of every other pixel: float[N, H', W', 25 C], zero beyond the border."""
    _, height, width, _ = pictures.shape
    margin = PATCH_SIZE // 2
    padded = jnp.pad(pictures, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    return jnp.concatenate(
        [
            padded[:, row : row + height : STRIDE, column : column + width : STRIDE]
            for row in range(PATCH_SIZE)
            for column in range(PATCH_SIZE)
        ],
        axis=-1,
    )


@dataclass(frozen=True)
class Classifier:
    """A trained reader: call it with pictures float[N, H, W, 1] for their digits int[N]."""

    _graphdef: Any
    _parameters: Any

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Its parameters by name: `first.kernel`, `first.bias`, ... of `DigitReader`."""
        layers = nnx.to_pure_dict(self._parameters)
        return {
            f"{layer}.{name}": np.asarray(array)
            for layer, arrays in layers.items()
            for name, array in arrays.items()
        }

    def __call__(self, pictures: NDArray[np.floating], batch_size: int = 500) -> NDArray[np.int64]:
        """Digits int[N] of pictures float[N, H, W, 1], clipped to [0, 1]; -1 where one is not finite."""
        return self.sure(pictures, batch_size)[0]

    def sure(
        self, pictures: NDArray[np.floating], batch_size: int = 500
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """As calling it, and the digits' probabilities float[N]; 0 where a picture is not finite."""
        digits, probabilities = np.zeros(len(pictures), np.int64), np.zeros(len(pictures))
        for first in range(0, len(pictures), batch_size):
            part = np.asarray(pictures[first : first + batch_size], np.float32)
            finite = np.isfinite(part).all(axis=(1, 2, 3))
            clipped = np.clip(np.nan_to_num(part), 0.0, 1.0)
            padded = np.zeros((batch_size, *part.shape[1:]), np.float32)
            padded[: len(part)] = clipped
            read = np.asarray(_read(self._graphdef, self._parameters, padded))[: len(part)]
            whole = slice(first, first + len(part))
            digits[whole] = np.where(finite, read.argmax(axis=-1), -1)
            probabilities[whole] = np.where(finite, read.max(axis=-1), 0.0)
        return digits, probabilities


@jax.jit(static_argnums=0)
def _read(graphdef: Any, parameters: Any, pictures: Array) -> Array:
    return jax.nn.softmax(nnx.merge(graphdef, parameters)(pictures), axis=-1)


_OPTIMISER = optax.adam(1e-3)


@jax.jit(static_argnums=0)
def _train_step(graphdef: Any, parameters: Any, moments: Any, pictures: Array, labels: Array) -> Any:
    def loss(parameters: Any) -> Array:
        logits = nnx.merge(graphdef, parameters)(pictures)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    updates, moments = _OPTIMISER.update(jax.grad(loss)(parameters), moments)
    return optax.apply_updates(parameters, updates), moments


def train_classifier(
    images: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    seed: int = 0,
    max_epochs: int = MAX_EPOCHS,
    target_accuracy: float = TARGET_ACCURACY,
    num_classes: int = NUM_CLASSES,
    hidden_size: int = 128,
    progress: bool = True,
) -> Classifier:
    """Train a reader until it reads `target_accuracy` of set-aside images, or for `max_epochs`.

    Args:
        images: float[N, H, W, 1] in [0, 1].
        labels: int[N] in [0, num_classes - 1].
        seed: Of the parameters and of the order of the images.
        max_epochs: Passes over the images at most.
        target_accuracy: On set-aside images, at which training ends.
        num_classes: What it tells apart.
        hidden_size: Width of the first dense layer.
        progress: Show a progress bar.

    Returns:
        The reader.
    """
    from tqdm import tqdm

    reader = DigitReader(
        *images.shape[1:3], num_classes=num_classes, hidden_size=hidden_size, rngs=nnx.Rngs(seed)
    )
    graphdef, parameters = nnx.split(reader, nnx.Param)
    moments = _OPTIMISER.init(parameters)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(images))
    num_set_aside = int(len(images) * SET_ASIDE_FRACTION)
    set_aside, order = order[:num_set_aside], order[num_set_aside:]
    batch_size = min(BATCH_SIZE, len(order))
    classifier = Classifier(graphdef, parameters)
    for _ in range(max_epochs):
        order = generator.permutation(order)
        firsts = range(0, len(order) - batch_size + 1, batch_size)
        for first in tqdm(firsts, desc="digit reader", unit="batch", disable=not progress):
            chosen = order[first : first + batch_size]
            parameters, moments = _train_step(graphdef, parameters, moments, images[chosen], labels[chosen])
        classifier = Classifier(graphdef, parameters)
        if np.mean(classifier(images[set_aside]) == labels[set_aside]) >= target_accuracy:
            break
    return classifier


def cached_classifier(
    images: NDArray[np.floating],
    labels: NDArray[np.integer],
    cache_dir: Path | None,
    *,
    seed: int = 0,
    progress: bool = True,
) -> Classifier:
    """As `train_classifier`, kept in `cache_dir` for the same images and seed.

    A damaged or foreign file in the cache is replaced. Without a cache, or one that can be written, the
    classifier is trained anew each time.
    """
    if cache_dir is None:
        return train_classifier(images, labels, seed=seed, progress=progress)
    path = cache_dir / f"digit-reader-{_fingerprint(images, labels, seed)}.npz"
    graphdef, template = nnx.split(DigitReader(*images.shape[1:3], rngs=nnx.Rngs(seed)), nnx.Param)
    leaves, structure = jax.tree.flatten(template)
    try:
        with path.open("rb") as file, np.load(file) as stored:
            loaded = [stored[str(index)] for index in range(len(leaves))]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        loaded = []
    if [leaf.shape for leaf in loaded] == [leaf.shape for leaf in leaves]:
        return Classifier(graphdef, jax.tree.unflatten(structure, loaded))
    classifier = train_classifier(images, labels, seed=seed, progress=progress)
    with contextlib.suppress(OutputError), atomic_write(path, make_parents=True) as temporary:
        leaves = jax.tree.leaves(classifier._parameters)
        named: dict[str, Any] = {str(index): np.asarray(leaf) for index, leaf in enumerate(leaves)}
        np.savez(temporary, **named)
    return classifier


def _fingerprint(images: NDArray[np.floating], labels: NDArray[np.integer], seed: int) -> str:
    description = f"{FORMAT_VERSION} {images.shape} {seed} {TARGET_ACCURACY}".encode()
    digest = hashlib.sha256(description)
    digest.update(np.ascontiguousarray(images[:100]).tobytes())
    digest.update(np.ascontiguousarray(labels).tobytes())
    return digest.hexdigest()[:16]
