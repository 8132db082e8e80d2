import json

import numpy as np
import pytest
from flax import nnx

from nca_viewer.opinion import NUM_DIGITS, DigitClassifier
from training import opinion
from training.classifier import Classifier, DigitReader
from training.cli import main


@pytest.fixture(scope="module")
def digits():
    return np.random.default_rng(0).random((240, 28, 28), np.float32)


@pytest.fixture(scope="module")
def labels():
    return np.arange(240) % NUM_DIGITS


def untrained(*arguments, num_classes=11, hidden_size=8, **options):
    reader = DigitReader(28, 28, num_classes=num_classes, hidden_size=hidden_size, rngs=nnx.Rngs(0))
    return Classifier(*nnx.split(reader, nnx.Param))


def test_the_same_numbers_in_numpy_as_in_training(digits):
    reader = untrained()
    arrays = reader.arrays()
    layers = tuple((arrays[f"{n}.kernel"], arrays[f"{n}.bias"]) for n in ("first", "second", "hidden", "out"))
    read = DigitClassifier(layers, 0.5).probabilities(digits[:7])
    number, probability = reader.sure(digits[:7, ..., None], batch_size=7)
    assert read.shape == (7, 11)
    assert read.argmax(axis=-1).tolist() == number.tolist()
    assert read.max(axis=-1) == pytest.approx(probability, abs=1e-5)


@pytest.mark.parametrize("kind", opinion.NO_DIGITS)
def test_every_kind_of_no_digit_is_an_image_and_the_same_again(kind, digits):
    first, second = (opinion.NO_DIGITS[kind](13, digits, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == (13, 28, 28)
    assert (first == second).all()
    assert first.min() >= 0
    assert first.max() <= 1


def test_letters_that_are_measured_as_never_seen_are_not_trained_on():
    assert not set(opinion.UNSEEN_FIGURES) & set(opinion._SEEN_FIGURES)


def test_it_is_written_read_and_measured(tmp_path, digits, labels, monkeypatch):
    monkeypatch.setattr(opinion, "train_classifier", untrained)
    made = opinion.make_classifier(digits, labels, seed=1, epochs=1, progress=False)
    figures = opinion.measured(made, digits[:30], labels[:30], seed=1, count=4)
    path = tmp_path / "digits.npz"
    opinion.save(made, {"measured on test": figures}, path)
    read = DigitClassifier.load(path)
    assert (read.probabilities(digits[:5]) == made.probabilities(digits[:5])).all()
    assert read.threshold == made.threshold
    assert json.loads(path.with_suffix(".json").read_text())["measured on test"] == figures
    assert set(figures["called_a_digit"]) == {*opinion.NO_DIGITS, "letters never seen (N, T, W)"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--out", "digits.txt"], "end the name in .npz"),
        (["--out", "digits"], "it has no suffix"),
        (["--out", "no-such-folder/digits.npz"], "cannot write"),
        (["--out", "digits.npz", "--epochs", "0"], "--epochs"),
        ([], "--out"),
    ],
)
def test_what_cannot_be_written_is_refused_before_any_work(
    tmp_path, monkeypatch, capsys, arguments, complaint
):
    monkeypatch.chdir(tmp_path)
    assert main(["classifier", *arguments]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
