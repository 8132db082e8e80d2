"""Brushes in motion: where they go, that they are the viewer's, and what a still automaton makes of them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.config import ModelConfig
from nca_viewer.interaction.strokes import disc_region
from training import gestures
from training.classifier import Classifier, DigitReader
from training.drawings import FIGURES, figure_strokes
from training.runner import CHUNK_STEPS, TOOLS, Runner, Tracked

CONFIG = ModelConfig()
BAR = np.zeros((*CONFIG.image_shape,), np.float32)
BAR[4:24, 12:16] = 1.0


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(4)


def spread(region: np.ndarray) -> np.ndarray:
    """Height and width of the touched cells."""
    touched = np.argwhere(region)
    return np.ptp(touched, axis=0) + 1


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_a_sweep_goes_on_until_its_share_of_the_ink_was_touched(
    share: float, generator: np.random.Generator
) -> None:
    regions = gestures.sweep(BAR, share, 3, CONFIG, generator)
    ink = BAR[..., 0] > 0.5
    touched = [(regions[: count + 1].any(axis=0) & ink).sum() for count in range(len(regions))]
    assert touched[-1] >= share * ink.sum()
    assert len(regions) == 1 or touched[-2] < share * ink.sum()
    # A disc of radius 3 that moved by at most two cells.
    assert max(spread(region).max() for region in regions) <= 7 + 2


def test_a_sweep_over_an_empty_page_touches_nothing(generator: np.random.Generator) -> None:
    assert not gestures.sweep(np.zeros_like(BAR), 0.5, 3, CONFIG, generator).any()


@pytest.mark.parametrize(("height", "width"), [(28, 28), (11, 13), (40, 17)])
def test_a_wipe_leaves_no_cell_out(height: int, width: int) -> None:
    regions = gestures.wipe(5, 3, ModelConfig(height=height, width=width))
    assert regions.any(axis=0).all()
    assert max(spread(region).max() for region in regions) <= 11 + 3


@pytest.mark.parametrize("name", sorted(set(FIGURES)))
def test_figures_are_drawn_in_their_time_inside_the_page(name: str, generator: np.random.Generator) -> None:
    for stroke in figure_strokes(name, CONFIG, generator):
        assert stroke.min() >= 0
        assert stroke.max() <= 27
    regions = gestures.drawing(name, 120, 1, CONFIG, generator)
    assert regions.shape == (120, 28, 28)
    assert regions.any(axis=(1, 2)).mean() > 0.9
    assert 30 < regions.any(axis=0).sum() < 400


@pytest.mark.parametrize("patch_cells", [1, 2, 4])
@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.75])
def test_masks_forget_whole_patches_and_their_exact_share(
    ratio: float, patch_cells: int, generator: np.random.Generator
) -> None:
    forgotten = gestures.patch_mask(ratio, patch_cells, CONFIG, generator)
    patches = forgotten.reshape(28 // patch_cells, patch_cells, 28 // patch_cells, patch_cells)
    assert (patches.all(axis=(1, 3)) == patches.any(axis=(1, 3))).all()
    assert abs(forgotten.mean() - ratio) < 0.02


def test_a_gesture_is_the_viewers_edit_and_one_step_after_each_movement(small_config: ModelConfig) -> None:
    """With a bias in the last layer every kept cell's brightness grows by the same in each step."""
    model = AttentionNCA(small_config, rngs=nnx.Rngs(0))
    model.update.layers[1].bias[...] = model.update.layers[1].bias[...].at[-1].set(0.01)
    runner = Runner(model, seed=0, batch_size=2)
    height, width = small_config.height, small_config.width
    first, last = (disc_region((row, 6), 1, height, width) for row in (3, 8))
    regions = np.zeros((CHUNK_STEPS, 2, height, width), bool)
    regions[0, 0], regions[-1, 1] = first, last
    start = Tracked.start(jnp.full((2, *small_config.state_shape), 0.5), small_config)
    shown = {
        tool: runner.picture(runner.gesture(start, regions, jax.random.key(1), tool))[..., 0]
        for tool in TOOLS
    }
    grown = 0.01 / (1 - small_config.cell_dropout_rate)
    for tool, value in (("paint", 1.0), ("erase", 0.0)):
        assert np.all(shown[tool][0][first] >= value)
        assert np.all(shown[tool][0][first] <= value + CHUNK_STEPS * grown + 1e-6)
        assert np.all(
            np.isclose(shown[tool][1][last], value) | np.isclose(shown[tool][1][last], value + grown)
        )
        assert np.all(shown[tool][0][~first] < 0.5 + CHUNK_STEPS * grown + 1e-6)
    assert len(np.unique(shown["scramble"][1][last])) == last.sum()
    with pytest.raises(ValueError, match="7 movements are not a multiple of 8"):
        runner.gesture(start, regions[1:], jax.random.key(1), "erase")


def test_gestures_end_or_start_together() -> None:
    short, long = np.ones((2, 3, 3), bool), np.ones((9, 3, 3), bool)
    ends = gestures._side_by_side([short, long], end_together=True).any(axis=(2, 3))
    starts = gestures._side_by_side([short, long], end_together=False).any(axis=(2, 3))
    assert ends.shape == starts.shape == (16, 2)
    np.testing.assert_array_equal(np.flatnonzero(ends[:, 0]), [14, 15])
    np.testing.assert_array_equal(np.flatnonzero(starts[:, 0]), [0, 1])
    np.testing.assert_array_equal(np.flatnonzero(starts[:, 1]), range(9))


class Reader:
    """Reads what the upper left cell says."""

    def __init__(self, probability: float):
        self.probability = probability

    def sure(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels = np.round(10 * np.nan_to_num(pictures[:, 0, 0, 0])).astype(int)
        return labels, np.full(len(pictures), self.probability)


def changed(change: Callable[[np.ndarray], None]) -> np.ndarray:
    picture = BAR.copy()
    change(picture)
    return picture


@pytest.mark.parametrize(
    ("first", "last", "probability", "expected"),
    [
        (BAR, BAR, 0.95, (False, True)),
        (BAR, BAR, 0.8, (False, False)),
        (BAR, changed(lambda shown: shown.__setitem__((0, 0), 1.0)), 0.95, (False, False)),
        (BAR, changed(lambda shown: shown.__setitem__(slice(6, 14), 0.5)), 0.95, (False, False)),
        (np.zeros_like(BAR), np.full_like(BAR, 0.05), 0.95, (True, False)),
        (np.zeros_like(BAR), BAR, 0.95, (False, True)),
        (BAR, np.full_like(BAR, np.nan), 0.95, (False, False)),
    ],
)
def test_settled_is_blank_or_one_sure_digit_and_stays_so(
    first: np.ndarray, last: np.ndarray, probability: float, expected: tuple[bool, bool]
) -> None:
    clean = changed(lambda shown: shown.__setitem__(slice(0, 2), 0.3))
    result = gestures.settled([first[None], last[None]], clean[None], Reader(probability))
    assert tuple(bool(flags[0]) for flags in result) == expected


def test_the_classifier_tells_how_sure_it_is() -> None:
    graphdef, parameters = nnx.split(DigitReader(9, 8, rngs=nnx.Rngs(0)), nnx.Param)
    classifier = Classifier(graphdef, parameters)
    pictures = np.random.default_rng(0).random((3, 9, 8, 1))
    pictures[1] = np.nan
    labels, probabilities = classifier.sure(pictures, batch_size=2)
    np.testing.assert_array_equal(labels, classifier(pictures))
    assert labels[1] == -1
    assert probabilities[1] == 0
    assert np.all((probabilities[[0, 2]] >= 0.1) & (probabilities[[0, 2]] <= 1))
