import json

import numpy as np
import pytest

from nca_viewer.assets import classifier_file
from nca_viewer.config import ModelConfig
from nca_viewer.errors import ConfigError
from nca_viewer.opinion import NUM_DIGITS, DigitClassifier, Opinion
from training.drawings import draw_picture


@pytest.fixture(scope="module")
def classifier():
    return DigitClassifier.load()


def drawn(digit, number):
    generator = np.random.default_rng((digit, number))
    return draw_picture(digit, generator, ModelConfig(), radius_cells=1.3).repeat(3, axis=-1)


def test_drawn_digits_are_read(classifier):
    digits = [digit for digit in range(NUM_DIGITS) for _ in range(3)]
    opinions = [classifier.read(drawn(digit, number)) for number, digit in enumerate(digits)]
    assert np.mean([opinion.digit == digit for opinion, digit in zip(opinions, digits, strict=True)]) >= 0.9
    for opinion in opinions:
        assert opinion.probabilities.shape == (NUM_DIGITS,)
        assert 0 <= opinion.probabilities.sum() <= 1 + 1e-5


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((28, 28, 3), np.uint8),
        np.full((28, 28, 3), 255, np.uint8),
        np.full((28, 28, 3), 100, np.uint8),
        np.random.default_rng(0).integers(0, 256, (28, 28, 3), np.uint8),
        (255 * (np.indices((28, 28)).sum(axis=0) // 3 % 2)[..., None].repeat(3, axis=-1)).astype(np.uint8),
    ],
    ids=["paper", "ink", "grey", "noise", "stripes"],
)
def test_what_is_no_digit_leaves_it_unsure(classifier, image):
    opinion = classifier.read(image)
    assert opinion.digit is None
    assert opinion.text == "unsure"


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("beside_cells", [0, 3])
def test_grids_of_any_size_are_read(classifier, scale, beside_cells):
    image = np.kron(drawn(3, 5), np.ones((scale, scale, 1), np.uint8))
    image = np.pad(image, ((0, 0), (beside_cells, beside_cells), (0, 0)))
    assert classifier.read(image).text == "3"


@pytest.mark.parametrize("size", [(8, 8), (8, 128), (128, 8), (9, 31), (1, 1)])
def test_odd_grids_are_no_trouble(classifier, size):
    assert isinstance(classifier.read(np.zeros((*size, 3), np.uint8)), Opinion)


def test_it_is_sure_from_the_threshold_on():
    probabilities = np.array([0.0, 0.75, *[0.0] * 8], np.float32)
    assert Opinion(probabilities, 0.75).digit == 1
    assert Opinion(probabilities, 0.75).text == "1"
    assert Opinion(probabilities, 0.76).digit is None


def test_the_bundled_file_is_small_and_says_how_good_it_is():
    assert classifier_file().stat().st_size < 500_000
    provenance = json.loads(classifier_file().with_suffix(".json").read_text())
    figures = provenance["measured on test"]
    assert figures["accuracy"] > 0.98
    assert figures["unsure"] < 0.03
    assert max(figures["called_a_digit"].values()) < 0.5
    assert provenance["threshold"] == DigitClassifier.load().threshold


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", b"nothing of the kind"])
def test_a_damaged_file_is_told_in_one_line(tmp_path, content):
    path = tmp_path / "digits.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"cannot read the classifier .*digits\.npz: ") as error:
        DigitClassifier.load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("change", ["missing", "shape", "object"])
def test_a_foreign_file_is_told_in_one_line(tmp_path, change):
    with np.load(classifier_file()) as stored:
        arrays = dict(stored)
    if change == "missing":
        del arrays["out.bias"]
    elif change == "shape":
        arrays["hidden.kernel"] = arrays["hidden.kernel"][:-1]
    else:
        arrays["threshold"] = np.array([{}], object)
    path = tmp_path / "digits.npz"
    np.savez(path, **arrays)
    with pytest.raises(ConfigError, match="cannot read the classifier"):
        DigitClassifier.load(path)
