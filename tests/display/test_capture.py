import errno
import os

import numpy as np
import pytest
from PIL import Image

from nca_viewer.atomic_files import free_path
from nca_viewer.display import capture
from nca_viewer.errors import OutputError


@pytest.fixture
def images():
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (5, 7, 1), np.uint8).repeat(3, axis=2) for _ in range(4)]


def test_png_holds_the_pixels(tmp_path, images):
    capture.write_png(tmp_path / "a.png", capture.enlarge(images[0], 3))
    pixels = np.asarray(Image.open(tmp_path / "a.png"))
    assert pixels.shape == (15, 21, 3)
    assert (pixels[1::3, 1::3] == images[0]).all()
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(("rate", "delay"), [(60, 20), (10, 100), (240, 20)])
def test_gif_holds_all_frames(tmp_path, images, rate, delay):
    capture.write_animation(tmp_path / "a.gif", images, 4, rate)
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.size == (28, 20)
        assert animation.n_frames == 4
        assert animation.info["loop"] == 0
        for number, image in enumerate(images):
            animation.seek(number)
            assert animation.info["duration"] == delay
            assert (np.asarray(animation.convert("RGB"))[::4, ::4] == image).all()


def test_colour_gif(tmp_path):
    image = np.zeros((5, 7, 3), np.uint8)
    image[2, 3] = (255, 0, 0)
    capture.write_animation(tmp_path / "a.gif", [image, 255 - image], 2, 50)
    with Image.open(tmp_path / "a.gif") as animation:
        assert tuple(np.asarray(animation.convert("RGB"))[4, 6]) == (255, 0, 0)


def test_what_cannot_be_written_is_known_beforehand(tmp_path):
    with pytest.raises(OutputError, match=r"ends in '.bmp'.*\.png or \.gif"):
        capture.require_writable(tmp_path / "a.bmp")
    with pytest.raises(OutputError, match="no suffix"):
        capture.require_writable(tmp_path / "a")
    with pytest.raises(OutputError, match="nowhere' does not exist"):
        capture.require_writable(tmp_path / "nowhere" / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        capture.require_writable(tmp_path / "folder.png")
    capture.require_writable(tmp_path / "A.PNG")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_closed_folder_is_known_beforehand(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no permission"):
        capture.require_writable(tmp_path / "a.png")


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, images, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        capture.write_png(path, images[0])
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"old"
    assert [other.name for other in tmp_path.iterdir()] == ["a.png"]


def test_free_names(tmp_path):
    assert free_path(tmp_path, "a", ".png") == tmp_path / "a.png"
    (tmp_path / "a.png").touch()
    (tmp_path / "a-2.png").touch()
    assert free_path(tmp_path, "a", ".png") == tmp_path / "a-3.png"


@pytest.mark.parametrize("checkpoint", ["model", "runs/naïve 7", "runs/模型"])
def test_a_png_tells_what_it_was_made_from(tmp_path, images, checkpoint):
    provenance = capture.Provenance("1.2.3", checkpoint, "ab" * 32, 7, 2, 340, "picture", "attention off")
    capture.write_png(tmp_path / "a.png", images[0], provenance=provenance)
    with Image.open(tmp_path / "a.png") as picture:
        text = picture.text
        assert (np.asarray(picture) == images[0]).all()
    assert text == {
        "Software": "nca-viewer 1.2.3",
        "Checkpoint": checkpoint,
        "Checkpoint SHA-256": "ab" * 32,
        "Seed": "7",
        "Episode": "2",
        "Step": "340",
        "View": "picture",
        "Experiments": "attention off",
    }


def test_a_png_without_provenance_is_as_before(tmp_path, images):
    capture.write_png(tmp_path / "a.png", images[0])
    with Image.open(tmp_path / "a.png") as picture:
        assert not picture.text
