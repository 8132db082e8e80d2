"""One's own drawings: whatever the paper, the light and the pen, what comes out looks like MNIST."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from nca_viewer.config import ModelConfig
from nca_viewer.pictures import Picture
from nca_viewer.start_images import StartImages, fit_start_image

CONFIG = ModelConfig()
WIDTH, HEIGHT = 300, 400
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH] / np.array([HEIGHT, WIDTH])[:, None, None]


def seven(size: tuple[int, int] = (WIDTH, HEIGHT), pen: int = 9, box: tuple[int, ...] = (70, 80, 230, 320)):
    """A seven, antialiased: float64[height, width], 1 is ink."""
    left, top, right, bottom = box
    picture = Image.new("L", size)
    points = [(left, top), (right, top), (left + (right - left) // 3, bottom)]
    ImageDraw.Draw(picture).line(points, fill=255, width=pen, joint="curve")
    return np.asarray(picture) / 255


def normalised(values: np.ndarray) -> np.ndarray:
    pixels = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return fit_start_image(Picture(pixels[..., None]), CONFIG)[0][..., 0]


REFERENCE = normalised(255 * seven())
NOISE = np.asarray(
    Image.fromarray(np.random.default_rng(3).normal(0, 5, (HEIGHT, WIDTH)).astype(np.float32))
    .resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX)
    .resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
)

PAPERS = {
    "white": 255 + 0 * ROWS,
    "grey": 150 + 0 * ROWS,
    "graded": 120 + 100 * COLUMNS + 20 * ROWS + NOISE,
    "steep": 60 + 170 * ROWS + NOISE,
    "vignetted": 215 - 110 * ((ROWS - 0.5) ** 2 + (COLUMNS - 0.5) ** 2) + NOISE,
    "in a shadow": 200 - 70 * (COLUMNS + 0.5 * ROWS > 0.8) + NOISE,
    "by a lamp": 120 + 110 * np.exp(-4 * ((ROWS - 0.3) ** 2 + (COLUMNS - 0.3) ** 2)) + NOISE,
    "dusty": 230 - 120 * (np.random.default_rng(1).random((HEIGHT, WIDTH)) > 0.9999),
    "squared": 235 - 30.0 * ((np.arange(WIDTH) % 25 == 0)[None] | (np.arange(HEIGHT) % 25 == 0)[:, None]),
}


def assert_is_the_seven(image: np.ndarray, tolerance: float = 0.03) -> None:
    # Where the centre of mass lies between two cells, either is right.
    shifts = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
    difference, shift = min(
        (np.abs(np.roll(image, each, (0, 1)) - REFERENCE).mean(), each) for each in shifts
    )
    assert difference < tolerance
    assert (np.roll(image, shift, (0, 1))[REFERENCE > 0.9] > 0.5).mean() > 0.9
    assert image.max() > 0.97
    assert (image == 0).mean() > 0.8
    rows, columns = np.nonzero(image > 0.3)
    assert max(np.ptp(rows), np.ptp(columns)) in (18, 19)


def test_a_drawing_has_the_box_and_the_centre_of_mass_of_mnist():
    assert_is_the_seven(REFERENCE)
    mass = REFERENCE.sum()
    assert (REFERENCE.sum(axis=1) @ np.arange(28)) / mass == pytest.approx(14, abs=0.51)
    assert (REFERENCE.sum(axis=0) @ np.arange(28)) / mass == pytest.approx(14, abs=0.51)
    assert (REFERENCE > 0.9).sum() > 20


@pytest.mark.parametrize("paper", PAPERS)
def test_ink_on_any_paper_in_any_light(paper):
    ink = 180 if paper == "squared" else 55
    assert_is_the_seven(normalised(PAPERS[paper] - ink * seven()))


@pytest.mark.parametrize("paper", ["graded", "vignetted", "in a shadow"])
def test_light_ink_on_dark_paper(paper):
    assert_is_the_seven(normalised(255 - PAPERS[paper] + 55 * seven()))


def rimmed(values: np.ndarray, sides: str) -> np.ndarray:
    values = values.copy()
    for side, part in (("t", np.s_[:20]), ("b", np.s_[-25:]), ("l", np.s_[:, :15]), ("r", np.s_[:, -18:])):
        if side in sides:
            values[part] = 8
    return values


@pytest.mark.parametrize("sides", ["tblr", "bl", "r"])
@pytest.mark.parametrize("ink", [150, 215])
def test_a_scanner_s_rim_is_no_ink(sides, ink):
    assert_is_the_seven(normalised(rimmed(225 - ink * seven(), sides)))
    assert_is_the_seven(normalised(rimmed(225 - ink * seven() + NOISE, sides)))


def test_the_rim_of_a_page_that_lies_askew_is_no_ink():
    page = Image.fromarray(np.rint(225 - 150 * seven()).astype(np.uint8))
    askew = np.asarray(page.rotate(3, Image.Resampling.BILINEAR, fillcolor=4))
    assert (normalised(askew)[:4] == 0).all()
    assert_is_the_seven(normalised(askew))


@pytest.mark.parametrize(
    ("size", "pen", "box"),
    [
        ((2400, 3200), 3, (560, 640, 1840, 2560)),
        ((1200, 1600), 6, (280, 320, 920, 1280)),
        ((2400, 2400), 14, (2100, 150, 2260, 390)),
        ((1000, 3000), 30, (20, 2600, 240, 2930)),
        ((100, 130), 4, (20, 20, 84, 116)),
    ],
)
def test_thin_pens_and_small_drawings_in_corners(size, pen, box):
    factor = -(-max(size) // 1024)
    drawn = Image.fromarray(np.rint(255 - 235 * seven(size, pen, box)).astype(np.uint8)).reduce(factor)
    assert_is_the_seven(normalised(np.asarray(drawn, float)))


def test_a_tight_crop_keeps_what_touches_its_borders():
    tight = 255 - 255 * seven(pen=28)[66:334, 56:244]
    image = normalised(tight)
    rows, columns = np.nonzero(image > 0.5)
    assert image[rows.min() + 1, columns.min() + 2 : columns.max() - 1].min() > 0.9


def test_filled_shapes_stay_filled():
    for margin in (4, 60):
        picture = Image.new("L", (300, 300), 255)
        ImageDraw.Draw(picture).ellipse((margin, margin, 300 - margin, 300 - margin), fill=0)
        image = normalised(np.asarray(picture, float))
        assert image[10:18, 10:18].min() == 1
        assert image[4, 4] == image[0, 0] == 0


@pytest.mark.parametrize("polarity", [1, -1])
def test_what_has_the_form_already_keeps_it(polarity):
    starts = StartImages(CONFIG, seed=2)
    for digit in range(10):
        once = normalised(255 * starts.digit(digit, 1)[..., 0])
        again = normalised(255 * once if polarity > 0 else 255 - 255 * once)
        assert np.abs(again - once).max() < 0.06


@pytest.mark.parametrize("kind", ["noise", "photo of an empty page", "shadow on an empty page"])
def test_nothing_comes_of_nothing(kind):
    values = {
        "noise": np.random.default_rng(0).uniform(0, 255, (200, 200)),
        "photo of an empty page": PAPERS["graded"],
        "shadow on an empty page": PAPERS["in a shadow"],
    }[kind]
    assert (normalised(values) == 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (900, 1), (3, 1000), (2, 2), (8, 8)])
def test_odd_shapes(shape):
    generator = np.random.default_rng(4)
    for values in (generator.uniform(0, 255, shape), np.zeros(shape), 255 * (generator.random(shape) > 0.9)):
        image = normalised(values)
        assert image.shape == (28, 28)
        assert 0 <= image.min() <= image.max() <= 1


@pytest.mark.parametrize(("height", "width"), [(8, 8), (8, 128), (41, 19)])
def test_any_grid(height, width):
    config = ModelConfig(height=height, width=width)
    picture = Picture(np.rint(255 * seven()).astype(np.uint8)[..., None])
    image = fit_start_image(picture, config)[0]
    assert image.shape == (height, width, 1)
    assert image.max() > 0.9


def test_a_photo_in_jpeg(tmp_path):
    from nca_viewer.start_images import open_start_image

    values = np.clip(PAPERS["graded"] - 40 * seven(), 0, 255).astype(np.uint8)
    grey = Image.fromarray(values).filter(ImageFilter.GaussianBlur(1))
    tinted = Image.merge(
        "RGB", (grey, grey.point(lambda v: int(v * 0.97)), grey.point(lambda v: int(v * 0.9)))
    )
    tinted.save(tmp_path / "a.jpg", quality=80)
    assert_is_the_seven(fit_start_image(open_start_image(tmp_path / "a.jpg"), CONFIG)[0][..., 0])
