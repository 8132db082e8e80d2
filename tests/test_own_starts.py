"""Starts by drop and paste, and the hint for what is no digit."""

import io
import os
import platform
import time
from dataclasses import replace
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from nca_viewer import own_starts, start_images
from nca_viewer.config import ModelConfig
from nca_viewer.errors import StartImageError, UserError
from nca_viewer.own_starts import OwnStarts, StartImage, dropped_path, own_start, pasted_path
from nca_viewer.start_images import StartImages
from nca_viewer.unlikeness import measure, unlikeness

CONFIG = ModelConfig()


def content(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def seven(size=200):
    picture = Image.new("L", (size, size), 255)
    ImageDraw.Draw(picture).line([(60, 50), (140, 50), (90, 160)], fill=0, width=16)
    return picture


@pytest.mark.parametrize("name", ["seven.png", "a b #1 é.png"])
def test_a_file_its_path_its_uri_and_its_content_are_one_start(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(content(seven()))
    starts = [
        own_start(source, CONFIG) for source in (path, str(path), path.as_uri(), f"copy\n{path.as_uri()}\n")
    ]
    starts.append(own_start(path.read_bytes(), CONFIG))
    assert all((start.image == starts[0].image).all() for start in starts)
    assert starts[0].image.shape == CONFIG.image_shape
    assert starts[0].hint is None
    assert [start.name for start in starts] == [name] * 4 + ["pasted picture"]
    assert starts[0].text.startswith(f"{name}: dark ink inverted, cropped and centred")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "the picture is not a picture that can be read"),
        (b"%PDF-1.7 nonsense", "the picture is not a picture that can be read"),
        (content(seven())[:300], "the picture cannot be read"),
        ("", "no picture on the clipboard"),
        ("  \n", "no picture on the clipboard"),
        ("Dear all,\nthank you", "no picture but the text 'Dear all,'"),
        ("x" * 5000, "no picture but the text"),
        ("https://example.org/a.png", "save the picture"),
        ("data:image/png;base64,AAAA", "save the picture"),
        ("file://elsewhere/a.png", "on another computer"),
        ("file:///nowhere/a.png", "does not exist"),
        ("file:///nowhere/a%00b.png", "cannot be looked for"),
        ("file:", "is not a file"),
        ("FILE://elsewhere/a.png", "on another computer"),
        ("http://[", "no picture but the text"),
        ("a\0b", "no picture but the text"),
    ],
)
def test_what_is_no_picture_is_one_line(source, reason):
    with pytest.raises(StartImageError, match=reason) as caught:
        own_start(source, CONFIG)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_is_too_large_is_one_line(tmp_path, monkeypatch):
    large = content(Image.new("1", (10_000, 10_000)))
    with pytest.raises(StartImageError, match="the picture has 10000 x 10000 pixels, more than 50,000,000"):
        own_start(large, CONFIG)
    monkeypatch.setattr(start_images, "MAX_FILE_BYTES", 50)
    (tmp_path / "a.png").write_bytes(content(seven()))
    for source in (tmp_path / "a.png", content(seven())):
        with pytest.raises(StartImageError, match="make it smaller first"):
            own_start(source, CONFIG)


@pytest.mark.parametrize("head", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF\0\0\0\0WEBP"])
def test_a_huge_file_is_refused_without_reading_it(tmp_path, head):
    """Also where it is what the options say to start from."""
    path = tmp_path / f"{'a' * 200}.png"
    path.write_bytes(head)
    os.truncate(path, 2 * 2**30)
    with pytest.raises(StartImageError, match=r"'a*[.]{3} has 2,048 MiB, more than 256; make it"):
        start_images.open_start_image(path)


def test_a_folder_is_one_line(tmp_path):
    with pytest.raises(StartImageError, match="is not a file"):
        own_start(tmp_path, CONFIG)


def test_of_an_animation_the_first_frame_is_told():
    frames = [seven(), seven().rotate(90, fillcolor=255)]
    animation = content(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert "first frame only" in own_start(animation, CONFIG).text


def test_a_quoted_path_is_a_path(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    assert pasted_path(f"'{tmp_path / 'a.png'}'\n") == tmp_path / "a.png"


@pytest.mark.parametrize(
    "name", ["ä ö ü.png", "100% #1?.png", "two\nlines.png", " a.png", "Gr\udcfc\udcdfe.png"]
)
def test_a_dropped_uri_is_the_file_that_it_means(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(content(seven()))
    encoded = quote(os.fsencode(path))
    for dropped in (
        str(path),
        f"file://{encoded}",
        f"FILE://localhost{encoded}\r\n",
        f"file://{platform.node()}{encoded}",
        f"file:{encoded}",
    ):
        assert dropped_path(dropped) == path
        assert pasted_path(dropped) == path
    assert own_start(path, CONFIG).text.isprintable()


def test_a_uri_with_signs_that_should_be_encoded_is_understood(tmp_path):
    (tmp_path / "a #1?ü.png").write_bytes(content(seven()))
    assert dropped_path(f"file://{tmp_path}/a #1?ü.png") == tmp_path / "a #1?ü.png"
    assert dropped_path(f"{tmp_path}/a%20b.png") == tmp_path / "a%20b.png"  # A path is no URI.


# ---- in the background ----


def found(starts):
    end = time.monotonic() + 30
    while (result := starts.poll()) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    return result


def test_a_drop_is_read_in_the_background_and_the_newest_counts(tmp_path):
    (tmp_path / "a.png").write_bytes(content(seven()))
    starts = OwnStarts(CONFIG)
    assert starts.poll() is None
    starts.drop(str(tmp_path / "nowhere.png"))
    starts.drop(str(tmp_path / "a.png"))
    result = found(starts)
    assert isinstance(result, StartImage)
    assert starts.poll() is None
    starts.drop(str(tmp_path / "nowhere.png"))
    assert isinstance(found(starts), UserError)


def test_what_is_given_before_there_is_an_automaton_waits_for_it(tmp_path):
    (tmp_path / "a.png").write_bytes(content(seven()))
    starts = OwnStarts()
    starts.drop(str(tmp_path / "nowhere.png"))
    starts.drop(str(tmp_path / "a.png"))
    time.sleep(0.05)
    assert starts.poll() is None
    starts.serve(CONFIG)
    assert found(starts).name == "a.png"
    starts.serve(CONFIG)
    time.sleep(0.05)
    assert starts.poll() is None


def test_what_is_being_read_is_for_the_automaton_that_came_meanwhile(tmp_path):
    (tmp_path / "a.png").write_bytes(content(seven()))
    starts = OwnStarts(CONFIG)
    starts.drop(str(tmp_path / "a.png"))
    starts.serve(replace(CONFIG, height=32, width=40))
    assert found(starts).image.shape == (32, 40, 1)
    time.sleep(0.05)
    assert starts.poll() is None


def test_pictures_are_fitted_as_they_are_where_that_is_asked_for(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(content(seven()))
    images = []
    for as_is in (False, True):
        starts = OwnStarts(CONFIG, as_is=as_is)
        starts.drop(str(path))
        images.append(found(starts).image)
        assert (images[-1] == own_start(path, CONFIG, as_is=as_is).image).all()
    assert images[0][0, 0] == 0
    assert images[1][0, 0] == 1


def test_of_several_files_the_first_counts_and_that_is_told(tmp_path):
    for name in ("a ü.png", "b.png"):
        (tmp_path / name).write_bytes(content(seven()))
    first, second = tmp_path / "a ü.png", tmp_path / "b.png"
    starts = OwnStarts(CONFIG)
    for give in (
        lambda: starts.drop(str(first), str(second)),
        lambda: starts.drop(first.as_uri(), str(tmp_path)),
        lambda: starts.drop_text(f"{first.as_uri()}\r\n{second.as_uri()}\r\n"),
    ):
        give()
        start = found(starts)
        assert start.name == "a ü.png"
        assert start.text.startswith("a ü.png: of 2 files the first; dark ink inverted")
    starts.drop(str(tmp_path / "nowhere.png"), str(first), str(second))
    assert str(found(starts)).startswith("of 3 files the first: start image")


def test_dropped_text_names_a_file_or_is_told(tmp_path):
    (tmp_path / "a.png").write_bytes(content(seven()))
    starts = OwnStarts(CONFIG)
    starts.drop_text(" \n")
    assert starts.poll() is None
    for text in (str(tmp_path / "a.png"), f"'{tmp_path / 'a.png'}'", (tmp_path / "a.png").as_uri()):
        starts.drop_text(text)
        assert found(starts).name == "a.png"
    for text, reason in (
        ("Dear all,\n" + "x" * 10**6, "no picture but the text 'Dear all,', which names no file"),
        ("https://example.org/a.png", "save the picture"),
        (tmp_path.as_uri(), "is not a file; give a picture file"),
        (str(tmp_path), "is not a file; give a picture file"),
    ):
        starts.drop_text(text)
        assert reason in str(found(starts))
    starts.drop(str(tmp_path))
    assert "is not a file; give a picture file" in str(found(starts))


@pytest.fixture
def xclip(tmp_path, monkeypatch):
    """Returns a function that puts a program in xclip's place."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("DISPLAY", ":99")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    def stand_in(script):
        (folder / "xclip").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "xclip").chmod(0o755)

    return stand_in


def pasted(text=""):
    starts = OwnStarts(CONFIG)
    starts.paste(text)
    return found(starts)


def test_a_picture_is_pasted_and_goes_before_text(tmp_path, xclip):
    (tmp_path / "a.png").write_bytes(content(seven()))
    xclip(f'case "$*" in *TARGETS) echo TARGETS; echo image/png;; *image/png) cat {tmp_path}/a.png;; esac')
    assert pasted("text").name == "pasted picture"


def test_without_a_picture_the_text_counts(tmp_path, xclip):
    (tmp_path / "a.png").write_bytes(content(seven()))
    xclip("echo UTF8_STRING")
    assert pasted(str(tmp_path / "a.png")).name == "a.png"
    assert "no picture on the clipboard" in str(pasted())
    xclip("exit 1")
    assert "no picture on the clipboard" in str(pasted())


def test_a_clipboard_that_does_not_answer_is_given_up(xclip, monkeypatch):
    monkeypatch.setattr(own_starts, "_CLIPBOARD_SECONDS", 0.2)
    xclip("exec sleep 60")
    assert "does not answer" in str(pasted())


def test_without_a_tool_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.png").write_bytes(content(seven()))
    assert "xclip (X11); install it, or drop the file" in str(pasted())
    assert pasted(str(tmp_path / "a.png")).name == "a.png"


# ---- unlike a digit ----


def page(draw_on):
    picture = Image.new("L", (800, 1000), 255)
    draw_on(ImageDraw.Draw(picture))
    return picture


def text_page():
    font = ImageFont.load_default(22)
    return page(
        lambda draw: [
            draw.text((60, y), "The quick brown fox jumps over it " * 2, 0, font) for y in range(50, 950, 24)
        ]
    )


def scene():
    """Light and shade as in a photograph."""
    y, x = np.mgrid[0:300, 0:400]
    light = (
        120 + 60 * np.sin(x / 60) * np.cos(y / 45) + 40 * np.exp(-((x - 250) ** 2 + (y - 120) ** 2) / 5000)
    )
    return Image.fromarray(
        np.clip(light + np.random.default_rng(0).normal(0, 6, light.shape), 0, 255).astype(np.uint8)
    )


def noise():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8))


@pytest.mark.parametrize("as_is", [False, True])
@pytest.mark.parametrize(
    "picture",
    [
        text_page(),
        scene(),
        noise(),
        Image.new("L", (50, 50), 255),
        page(lambda draw: draw.rectangle((200, 200, 600, 700), fill=0)),
        page(
            lambda draw: [
                draw.ellipse((x, y, x + 60, y + 60), fill=0) for x in (100, 400, 700) for y in (100, 500)
            ]
        ),
    ],
    ids=["text", "scene", "noise", "blank", "block", "dots"],
)
def test_what_is_no_digit_gets_a_hint(picture, as_is):
    start = own_start(content(picture), CONFIG, as_is=as_is)
    assert start.hint is not None
    assert "\n" not in start.text


def test_drawn_digits_get_none():
    starts = StartImages(CONFIG, 3)
    hints = [unlikeness(starts.digit(digit, episode)) for digit in range(10) for episode in range(20)]
    assert sum(hint is not None for hint in hints) <= 2


def test_a_larger_grid_is_measured_alike():
    digit = StartImages(CONFIG, 3).digit(2, 1)[..., 0]
    large = measure(digit.repeat(3, axis=0).repeat(3, axis=1))
    assert large == measure(digit)


def test_colours_and_small_grids_are_judged_by_blankness_alone():
    generator = np.random.default_rng(0)
    for shape in ((28, 28, 3), (11, 13, 1)):
        assert unlikeness(generator.random(shape, np.float32)) is None
        assert unlikeness(np.zeros(shape, np.float32)) == "it is blank"
