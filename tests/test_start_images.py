import dataclasses
import os

import numpy as np
import pytest
from PIL import Image, ImageDraw

from nca_viewer.config import ModelConfig
from nca_viewer.errors import StartImageError
from nca_viewer.pictures import decide, levels
from nca_viewer.start_images import StartImages, fit_start_image, open_start_image


@pytest.fixture
def rgb_config(small_config):
    return dataclasses.replace(small_config, visible_channel_size=3)


def drawing(path, size=(90, 60), paper=255, ink=0, mode="L"):
    picture = Image.new(mode, size, paper)
    box = (size[0] // 3, size[1] // 3, 2 * size[0] // 3, 2 * size[1] // 3)
    ImageDraw.Draw(picture).rectangle(box, fill=ink)
    picture.save(path)
    return path


def fitted(path, config, *, as_is=False):
    return fit_start_image(open_start_image(path), config, as_is=as_is)[0]


def note_of(path, config, *, as_is=False):
    return fit_start_image(open_start_image(path), config, as_is=as_is)[1]


@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (0, 255), (230, 30)])
def test_ink_is_one_whether_the_paper_is_light_or_dark(tmp_path, small_config, paper, ink):
    image = fitted(drawing(tmp_path / "a.png", paper=paper, ink=ink), small_config)
    assert image.shape == (11, 13, 1)
    assert image.dtype == np.float32
    assert image[5, 6] > 0.85
    assert image[0, 0] == image[10, 12] == 0.0
    assert 0 <= image.min() <= image.max() <= 1


def test_as_is_a_wide_picture_is_letterboxed_with_nothing(tmp_path, small_config):
    image = fitted(drawing(tmp_path / "a.png", size=(130, 30), paper=0, ink=255), small_config, as_is=True)
    assert (image[:4] == 0).all()
    assert (image[7:] == 0).all()
    assert image[5, 6] > 0.8


def test_as_is_levels_stay(tmp_path, small_config):
    path = drawing(tmp_path / "a.png", paper=200, ink=100)
    image = fitted(path, small_config, as_is=True)
    assert image[5, 6, 0] == pytest.approx(100 / 255, abs=0.02)
    assert image[2, 0, 0] == pytest.approx(200 / 255, abs=0.02)
    assert note_of(path, small_config, as_is=True) == ""


def test_what_is_done_to_a_picture_is_told(tmp_path, small_config):
    remedy = " (--start-as-is leaves it as it is)"
    dark, light = drawing(tmp_path / "a.png"), drawing(tmp_path / "b.png", paper=0, ink=255)
    assert note_of(dark, small_config) == f"dark ink inverted, cropped and centred{remedy}"
    assert note_of(light, small_config) == f"cropped and centred{remedy}"


@pytest.mark.parametrize("paper", [0, 128, 255])
def test_a_picture_that_comes_out_blank_says_so(tmp_path, small_config, rgb_config, paper):
    Image.new("L", (40, 30), paper).save(tmp_path / "page.png")
    assert note_of(tmp_path / "page.png", small_config).startswith("blank, nothing stands out from its paper")
    assert (fitted(tmp_path / "page.png", small_config) == 0).all()
    Image.new("LA", (40, 30), (paper, 0)).save(tmp_path / "clear.png")
    for config in (small_config, rgb_config):
        assert note_of(tmp_path / "clear.png", config).startswith("blank, ")


def test_of_an_animation_the_first_frame_is_shown_and_told(tmp_path, small_config):
    frames = [Image.open(drawing(tmp_path / f"{ink}.png", ink=ink)) for ink in (0, 90)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert fitted(tmp_path / "a.gif", small_config).max() > 0.9
    assert "first frame only" in note_of(tmp_path / "a.gif", small_config)
    assert "first frame" not in note_of(tmp_path / "0.png", small_config)


@pytest.mark.parametrize("ink", [255, 190, 100, 0])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_strokes_on_nothing_are_seen_whatever_their_colour(tmp_path, small_config, rgb_config, mode, ink):
    grey = (ink,) * (len(mode) - 1)
    path = drawing(tmp_path / "a.png", paper=(*grey, 0), ink=(*grey, 255), mode=mode)
    image = fitted(path, small_config)
    assert image[5, 6] > 0.9
    assert image[0, 0] == 0
    coloured = fitted(path, rgb_config)
    assert coloured[5, 6] == pytest.approx([ink / 255] * 3, abs=0.02)
    assert abs(coloured[5, 6, 0] - coloured[5, 1, 0]) > 0.35


def test_rgb_keeps_its_colours(tmp_path, rgb_config):
    path = drawing(tmp_path / "a.png", paper=(255, 255, 255), ink=(255, 0, 0), mode="RGB")
    image = fitted(path, rgb_config)
    assert image.shape == (11, 13, 3)
    assert image[5, 6] == pytest.approx([1, 0, 0], abs=0.1)


def test_what_is_transparent_is_paper(tmp_path, small_config):
    path = drawing(tmp_path / "a.png", paper=(0, 0, 0, 0), ink=(0, 0, 0, 255), mode="RGBA")
    image = fitted(path, small_config)
    assert image[5, 6] > 0.9
    assert image[1, 1] < 0.1


@pytest.mark.parametrize("mode", ["1", "P", "I;16", "CMYK"])
def test_other_pixel_formats(tmp_path, small_config, mode):
    suffix = ".tif" if mode == "CMYK" else ".png"
    grey = Image.open(drawing(tmp_path / "grey.png"))
    if mode == "I;16":
        Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(tmp_path / f"b{suffix}")
    else:
        grey.convert(mode).save(tmp_path / f"b{suffix}")
    image = fitted(tmp_path / f"b{suffix}", small_config)
    assert image[5, 6] > 0.85
    assert image[0, 0] < 0.1


def levels_of(path):
    picture = open_start_image(path)
    return levels(picture, decide([picture], as_is=True))[..., 0]


@pytest.mark.parametrize(
    ("kind", "white", "name"),
    [
        (">u2", 65535, "a.tif"),
        ("<u2", 65535, "a.tif"),
        ("<u2", 65535, "a.pgm"),
        ("<i4", 65535, "a.tif"),
        ("<i4", 255, "a.tif"),
        ("<i4", 3_000_000, "a.tif"),
        ("<f4", 1.0, "a.tif"),
        ("<f4", 255.0, "a.tif"),
    ],
)
def test_more_than_eight_bits_keep_their_greys(tmp_path, kind, white, name):
    greys = np.linspace(0, white, 256).astype(kind)
    Image.fromarray(np.tile(greys, (8, 1))).save(tmp_path / name)
    pixels = levels_of(tmp_path / name)[0]
    assert np.abs(pixels * 255 - np.arange(256)).max() <= 1


def test_sixteen_dark_bits_stay_dark(tmp_path):
    Image.fromarray(np.full((4, 4), 200, np.uint16)).save(tmp_path / "a.png")
    assert round(levels_of(tmp_path / "a.png").max() * 255) == 1


def test_numbers_that_are_none_are_black(tmp_path):
    values = np.array([[np.nan, np.inf], [-3.0, 1.0]], np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert levels_of(tmp_path / "a.tif").tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (700, 1)])
def test_degenerate_sizes(tmp_path, small_config, size):
    Image.new("L", size, 0).save(tmp_path / "a.png")
    assert fitted(tmp_path / "a.png", small_config).shape == (11, 13, 1)


def test_a_path_that_cannot_be_looked_for_is_told_from_one_that_leads_nowhere(tmp_path):
    for path, reason in ((tmp_path / ("x" * 300), "File name too long"), (tmp_path / "a\0b", "null byte")):
        with pytest.raises(StartImageError, match=f"cannot be looked for: .*{reason}.*; give a picture file"):
            open_start_image(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StartImageError, match="does not exist"):
        open_start_image(tmp_path / "file" / "a.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_closed_folder_is_named(tmp_path):
    drawing(tmp_path / "a.png")
    tmp_path.chmod(0)
    try:
        with pytest.raises(StartImageError, match="cannot be looked for: Permission denied"):
            open_start_image(tmp_path / "a.png")
    finally:
        tmp_path.chmod(0o700)


def test_missing_folder_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(StartImageError, match=r"nowhere\.png' does not exist"):
        open_start_image(tmp_path / "nowhere.png")
    with pytest.raises(StartImageError, match="is not a file"):
        open_start_image(tmp_path)
    for name, content in (
        ("empty.png", b""),
        ("text.png", b"not a picture"),
        ("cut.png", b"\x89PNG\r\n\x1a\n"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StartImageError, match=name):
            open_start_image(tmp_path / name)


def test_a_picture_that_is_cut_short_is_refused(tmp_path):
    path = drawing(tmp_path / "whole.jpg", size=(400, 300))
    (tmp_path / "half.jpg").write_bytes(path.read_bytes()[:-900])
    with pytest.raises(StartImageError, match="cannot be read"):
        open_start_image(tmp_path / "half.jpg")


def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path):
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    with pytest.raises(StartImageError, match="more than 50,000,000"):
        open_start_image(tmp_path / "bomb.png")
    Image.new("1", (8000, 7000)).save(tmp_path / "large.png")
    with pytest.raises(StartImageError, match="8000 x 7000 pixels, more than 50,000,000"):
        open_start_image(tmp_path / "large.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_picture_without_permission_is_refused(tmp_path):
    path = drawing(tmp_path / "a.png")
    path.chmod(0)
    with pytest.raises(StartImageError, match="Permission"):
        open_start_image(path)


def test_digits_follow_from_seed_and_episode():
    config = ModelConfig()
    starts = StartImages(config, seed=4)
    first = starts.digit(7, episode=1)
    assert first.shape == config.image_shape
    assert first.dtype == np.float32
    assert 0 <= first.min() < 0.01
    assert 0.9 < first.max() <= 1
    assert (StartImages(config, seed=4).digit(7, episode=1) == first).all()
    assert (starts.digit(7, episode=2) != first).any()
    assert (StartImages(config, seed=5).digit(7, episode=1) != first).any()
    assert (starts.blank() == 0).all()


def test_digits_in_rgb_are_grey(rgb_config):
    digit = StartImages(rgb_config, seed=1).digit(None, episode=3)
    assert digit.shape == rgb_config.image_shape
    assert (digit == digit[..., :1]).all()
