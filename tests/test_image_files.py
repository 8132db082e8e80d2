"""Pictures and animations as files."""

import errno
import os
import tempfile
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from nca_viewer.errors import OutputError
from nca_viewer.image_files import (
    GIF_SUFFIXES,
    require_gif_size,
    require_suffix,
    writable_suffixes,
    write_gif,
    write_image,
)


def shown(path):
    """What an animation shows, as (grey value of its middle, seconds), repetitions taken together."""
    seen = []
    with Image.open(path) as animation:
        for number in range(animation.n_frames):
            animation.seek(number)
            assert 0 < animation.info["duration"] <= 655_350
            pixels = np.asarray(animation.convert("L"))
            assert (pixels == pixels[3, 3]).all()
            value, seconds = int(pixels[3, 3]), animation.info["duration"] / 1000
            if seen and seen[-1][0] == value:
                seen[-1] = (value, seen[-1][1] + seconds)
            else:
                seen.append((value, seconds))
    return seen


def frames(*values, mode="L"):
    return [Image.new("L", (7, 5), value).convert(mode) for value in values]


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
@pytest.mark.parametrize(
    ("values", "delays", "expected"),
    [
        ([90] * 700, [1.0] * 700, [(90, 700.0)]),
        ([10] + [200] * 1400 + [10], [1.0] * 1402, [(10, 1.0), (200, 1400.0), (10, 1.0)]),
        ([10, 20, 30], [2000.0, 0.5, 700.0], [(10, 2000.0), (20, 0.5), (30, 700.0)]),
        ([10, 20], [655.35, 655.36], [(10, 655.35), (20, 655.36)]),
        ([10, 20], [0.0, 1 / 240], [(10, 0.02), (20, 0.02)]),
    ],
)
def test_every_frame_is_shown_for_its_time(tmp_path, mode, values, delays, expected):
    path = tmp_path / "a.gif"
    write_gif(path, lambda: frames(*values, mode=mode), delays)
    assert [value for value, _ in shown(path)] == [value for value, _ in expected]
    assert [seconds for _, seconds in shown(path)] == pytest.approx([seconds for _, seconds in expected])


def test_a_pause_changes_no_pixel(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (2, 9, 11, 3), np.uint8)
    write_gif(tmp_path / "long.gif", lambda: map(Image.fromarray, noise), [1500.0, 0.1])
    write_gif(tmp_path / "short.gif", lambda: map(Image.fromarray, noise), [0.1, 0.1])
    with Image.open(tmp_path / "long.gif") as long, Image.open(tmp_path / "short.gif") as short:
        assert (long.n_frames, short.n_frames) == (4, 2)
        for number, same in enumerate((0, 0, 0, 1)):
            long.seek(number)
            short.seek(same)
            assert (np.asarray(long.convert("RGB")) == np.asarray(short.convert("RGB"))).all()


def test_formats_that_are_only_read_are_refused_with_those_that_are_written(tmp_path):
    suffixes = writable_suffixes()
    assert {".png", ".gif", ".jpg", ".tiff", ".webp"} <= set(suffixes)
    assert not {".psd", ".fits", ".cur", ".hdf", ".wmf", ".xbm"} & set(suffixes)
    assert all(first < second for first, second in pairwise(suffixes))
    for name in ("s.psd", "s.PSD", "s.fits", "s.wmf", "s.png.psd"):
        with pytest.raises(OutputError, match=r"one of .*\.png.* or \.webp"):
            require_suffix(tmp_path / name, suffixes)
    with pytest.raises(OutputError, match="it has no suffix"):
        require_suffix(tmp_path / "s", suffixes)
    with pytest.raises(OutputError, match=r"end the name in \.gif"):
        require_suffix(tmp_path / "s.png", GIF_SUFFIXES)


@pytest.mark.parametrize("suffix", writable_suffixes())
def test_what_is_listed_can_be_written(tmp_path, suffix):
    write_image(tmp_path / f"a{suffix.upper()}", Image.new("RGB", (40, 30)))
    assert [path.suffix.lower() for path in tmp_path.iterdir()] == [suffix]


def test_more_pixels_than_the_format_has_room_for(tmp_path):
    require_gif_size(tmp_path / "a.gif", (65_535, 1))
    with pytest.raises(OutputError, match="65536 x 1 pixels, and a GIF has at most 65535"):
        write_gif(tmp_path / "a.gif", lambda: [Image.new("L", (65_536, 1))], [0.1])
    with pytest.raises(OutputError, match=r"cannot write .*a\.jpg.*another format"):
        write_image(tmp_path / "a.jpg", Image.new("RGB", (70_000, 1)))
    assert list(tmp_path.iterdir()) == []


def test_what_was_made_is_not_lost_with_its_place(tmp_path, monkeypatch):
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spare"))
    made = frames(1, 2, 3)
    with pytest.raises(OutputError, match=r"cannot write .*; meanwhile it is in .*spare") as caught:
        write_gif(tmp_path / "gone" / "a.gif", lambda: iter(made), [0.1] * 3, never_lost=True)
    (spare,) = (tmp_path / "spare").iterdir()
    assert str(spare) in str(caught.value)
    assert [value for value, _ in shown(spare)] == [1, 2, 3]


def test_a_disk_that_is_full_everywhere_is_blamed_for_itself(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"a\.png': No space left on device; [^;]*$"):
        write_image(tmp_path / "a.png", frames(1)[0], never_lost=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["sheet.xyz", "sheet", "missing/sheet.png"])
def test_bad_places_are_refused_and_nothing_is_left(tmp_path, name):
    with pytest.raises(OutputError, match="cannot write"):
        write_image(tmp_path / name, Image.new("RGB", (5, 7)))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_stood_there_survives_a_failure(tmp_path, monkeypatch):
    path = tmp_path / "sheet.png"
    path.write_text("precious")

    def full_disk(self, *arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OutputError, match=r"sheet.png': No space left on device; choose another place"):
        write_image(path, Image.new("RGB", (5, 7)))
    assert path.read_text() == "precious"
    assert [each.name for each in tmp_path.iterdir()] == ["sheet.png"]
