"""Datasets: what is whole is read, what is not is refused in one line."""

import gzip
import hashlib
import http.server
import os
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nca_viewer.errors import ConfigError, DatasetError
from training.data import DATASETS, IdxDataset, IdxFile, load_images

HEIGHT, WIDTH = 11, 13
NUM_IMAGES = 7
IMAGE_FILE = "train-images-idx3-ubyte.gz"
LABEL_FILE = "train-labels-idx1-ubyte.gz"


def idx_images(images: np.ndarray) -> bytes:
    return struct.pack(">4I", 0x803, *images.shape) + images.tobytes()


def idx_labels(labels: np.ndarray) -> bytes:
    return struct.pack(">2I", 0x801, len(labels)) + labels.tobytes()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


IMAGES = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, HEIGHT, WIDTH), dtype=np.uint8)
LABELS = np.arange(NUM_IMAGES, dtype=np.uint8)
CONTENTS = {IMAGE_FILE: idx_images(IMAGES), LABEL_FILE: idx_labels(LABELS)}


def dataset(*mirrors: str, contents: dict[str, bytes] = CONTENTS) -> dict[str, IdxDataset]:
    files = (
        IdxFile(IMAGE_FILE, sha256(contents[IMAGE_FILE])),
        IdxFile(LABEL_FILE, sha256(contents[LABEL_FILE])),
    )
    return {"tiny": IdxDataset("tiny", mirrors, {"train": files})}


def write_folder(folder: Path, contents: dict[str, bytes] = CONTENTS) -> Path:
    for name, content in contents.items():
        (folder / name).write_bytes(gzip.compress(content))
    return folder


def load_tiny(folder: Path | None, **keywords: object) -> tuple[np.ndarray, np.ndarray]:
    keywords.setdefault("datasets", dataset())
    images, labels = load_images("tiny", "train", folder, HEIGHT, WIDTH, **keywords)  # type: ignore[arg-type]
    assert labels is not None
    return images, labels


# ---- From a folder of IDX files ----


def test_images_are_scaled_to_one_and_labels_kept(tmp_path: Path) -> None:
    images, labels = load_tiny(write_folder(tmp_path))
    assert images.shape == (NUM_IMAGES, HEIGHT, WIDTH, 1)
    assert images.dtype == np.float32
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(np.round(images[..., 0] * 255), IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_unzipped_and_recompressed_files_are_as_good(tmp_path: Path) -> None:
    (tmp_path / IMAGE_FILE.removesuffix(".gz")).write_bytes(CONTENTS[IMAGE_FILE])
    (tmp_path / LABEL_FILE).write_bytes(gzip.compress(CONTENTS[LABEL_FILE], compresslevel=1))
    np.testing.assert_array_equal(load_tiny(tmp_path)[1], LABELS)


def test_images_are_resized_to_the_grid(tmp_path: Path) -> None:
    write_folder(tmp_path)
    images, _ = load_images("tiny", "train", tmp_path, 17, 19, datasets=dataset())
    assert images.shape == (NUM_IMAGES, 17, 19, 1)
    assert images.min() >= 0
    assert images.max() <= 1
    expected = np.asarray(Image.fromarray(IMAGES[3]).resize((19, 17), Image.Resampling.BILINEAR)) / 255
    np.testing.assert_allclose(images[3, ..., 0], expected, atol=1e-6)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_folder(tmp_path) / IMAGE_FILE
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError) as caught:
        load_tiny(tmp_path)
    assert f"{path} is cut short" in str(caught.value)
    assert sha256(CONTENTS[IMAGE_FILE]) in str(caught.value)
    assert "replace it, or leave out --data-dir" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_checksum_names_both(tmp_path: Path) -> None:
    path = write_folder(tmp_path) / IMAGE_FILE
    other = bytearray(CONTENTS[IMAGE_FILE])
    other[-1] ^= 1
    path.write_bytes(gzip.compress(bytes(other)))
    with pytest.raises(DatasetError) as caught:
        load_tiny(tmp_path)
    expected, got = sha256(CONTENTS[IMAGE_FILE]), sha256(bytes(other))
    assert str(caught.value) == (
        f"{path} is not that of tiny: wrong checksum, expected SHA-256 {expected} of the decompressed "
        f"content, got {got} ({len(other)} bytes); replace it, or leave out --data-dir to download the data"
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\0\0\x08\x01" + CONTENTS[IMAGE_FILE][4:], "magic number should be 0x00000803, got 0x00000801"),
        (CONTENTS[IMAGE_FILE][:-3], f"{len(CONTENTS[IMAGE_FILE])} bytes expected"),
        (CONTENTS[IMAGE_FILE][:9], "an IDX header has 16 bytes, got 9"),
        (idx_images(IMAGES[:5]), f"5 images but {LABEL_FILE} 7 labels"),
    ],
)
def test_content_that_is_no_such_idx_file_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    contents = CONTENTS | {IMAGE_FILE: content}
    with pytest.raises(DatasetError, match=complaint):
        load_tiny(write_folder(tmp_path, contents), datasets=dataset(contents=contents))


def test_missing_files_folders_and_names_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"{IMAGE_FILE} of tiny is missing in"):
        load_tiny(tmp_path)
    with pytest.raises(DatasetError, match="does not exist; create it, or leave out --data-dir"):
        load_tiny(tmp_path / "nowhere")
    with pytest.raises(
        DatasetError, match="unknown dataset 'mnits'; choose fashion-mnist, kmnist, mnist, or"
    ):
        load_images("mnits", "train", None, HEIGHT, WIDTH)
    with pytest.raises(DatasetError, match="unknown split 'validation'"):
        load_images("mnist", "validation", None, HEIGHT, WIDTH)
    with pytest.raises(ConfigError, match="height = 7 is out of range"):
        load_images("mnist", "train", None, 7, WIDTH)


def test_published_files_are_checked_as_they_are_published(tmp_path: Path) -> None:
    published = {name: gzip.compress(content, mtime=0) for name, content in CONTENTS.items()}
    files = tuple(IdxFile(name, sha256(content), of_compressed=True) for name, content in published.items())
    pinned = {"tiny": IdxDataset("tiny", (), {"train": files})}  # type: ignore[dict-item]
    for name, content in published.items():
        (tmp_path / name).write_bytes(content)
    np.testing.assert_array_equal(load_tiny(tmp_path, datasets=pinned)[1], LABELS)
    write_folder(tmp_path, {LABEL_FILE: CONTENTS[LABEL_FILE] + b"\0"})
    with pytest.raises(DatasetError, match="of the compressed file"):
        load_tiny(tmp_path, datasets=pinned)


def test_every_known_dataset_pins_both_splits() -> None:
    assert set(DATASETS) == {"mnist", "fashion-mnist", "kmnist"}
    for known in DATASETS.values():
        hashes = [file.sha256 for split in ("train", "test") for file in known.files[split]]
        assert all(len(digest) == 64 for digest in hashes)
        assert len(set(hashes)) == 4
        assert len(known.mirrors) == 2


@pytest.mark.skipif("NCA_VIEWER_MNIST_DIR" not in os.environ, reason="NCA_VIEWER_MNIST_DIR names no MNIST")
def test_the_real_mnist_is_recognised() -> None:
    folder = Path(os.environ["NCA_VIEWER_MNIST_DIR"])
    images, labels = load_images("mnist", "test", folder, 28, 28)
    assert images.shape == (10_000, 28, 28, 1)
    assert labels is not None
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]


# ---- Downloads ----

Answer = Callable[[http.server.BaseHTTPRequestHandler, bytes], None]


def whole(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def not_found(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    handler.send_error(404)


def cut_connection(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.close_connection = True


def short_content(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    whole(handler, content[: len(content) // 2])


def wrong_bytes(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    whole(handler, gzip.compress(b"something else"))


def not_gzip(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    whole(handler, b"<html>please sign in</html>")


class Mirror:
    """A server on the loopback interface."""

    def __init__(self, answer: Answer):
        self.requests: list[str] = []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.requests.append(self.path)
                answer(self, gzip.compress(CONTENTS[self.path.rpartition("/")[2]]))

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/tiny/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def mirror() -> Iterator[Callable[[Answer], Mirror]]:
    opened: list[Mirror] = []

    def open_mirror(answer: Answer) -> Mirror:
        opened.append(Mirror(answer))
        return opened[-1]

    yield open_mirror
    for each in opened:
        each.close()


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_files_are_downloaded_once(tmp_path: Path, mirror: Callable[[Answer], Mirror]) -> None:
    first = mirror(whole)
    for _ in range(2):
        images, labels = load_tiny(None, datasets=dataset(first.address), cache_dir=tmp_path)
    np.testing.assert_array_equal(np.round(images[..., 0] * 255), IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    assert first.requests == [f"/tiny/{IMAGE_FILE}", f"/tiny/{LABEL_FILE}"]
    assert files_below(tmp_path) == [f"datasets/tiny/{IMAGE_FILE}", f"datasets/tiny/{LABEL_FILE}"]


@pytest.mark.parametrize("failure", [not_found, cut_connection, short_content, wrong_bytes, not_gzip])
def test_the_second_mirror_helps_out(
    tmp_path: Path, mirror: Callable[[Answer], Mirror], failure: Answer
) -> None:
    bad, good = mirror(failure), mirror(whole)
    images, _ = load_tiny(None, datasets=dataset(bad.address, good.address), cache_dir=tmp_path)
    assert len(images) == NUM_IMAGES
    assert len(bad.requests) == len(good.requests) == 2


@pytest.mark.parametrize("failure", [not_found, cut_connection, short_content, wrong_bytes, not_gzip])
def test_without_a_good_mirror_one_line_says_why_and_nothing_is_kept(
    tmp_path: Path, mirror: Callable[[Answer], Mirror], failure: Answer
) -> None:
    bad = mirror(failure)
    closed = mirror(whole)
    dead_address = closed.address.replace(str(closed.server.server_port), "1")
    with pytest.raises(DatasetError) as caught:
        load_tiny(None, datasets=dataset(bad.address, dead_address), cache_dir=tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{IMAGE_FILE} of tiny could not be downloaded (")
    assert message.endswith("put the IDX files into a folder and pass --data-dir")
    assert f"127.0.0.1:{bad.server.server_port}" in message
    assert ", and 1 more failed)" in message
    assert "\n" not in message
    assert len(message) < 200
    assert files_below(tmp_path) == []


def test_without_a_network_the_line_is_short(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        load_tiny(None, datasets=dataset("http://127.0.0.1:1/tiny/"), cache_dir=tmp_path)
    assert str(caught.value) == (
        f"{IMAGE_FILE} of tiny could not be downloaded (no connection to 127.0.0.1:1); put the IDX files "
        f"into a folder and pass --data-dir"
    )


def test_a_damaged_file_in_the_cache_is_fetched_again(
    tmp_path: Path, mirror: Callable[[Answer], Mirror]
) -> None:
    good = mirror(whole)
    known = dataset(good.address)
    load_tiny(None, datasets=known, cache_dir=tmp_path)
    cached = tmp_path / "datasets" / "tiny" / LABEL_FILE
    cached.write_bytes(cached.read_bytes()[:-9])
    np.testing.assert_array_equal(load_tiny(None, datasets=known, cache_dir=tmp_path)[1], LABELS)
    assert len(good.requests) == 3


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, mirror: Callable[[Answer], Mirror]) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(DatasetError, match=r"cannot be stored in .*blocked.*pass --data-dir"):
        load_tiny(None, datasets=dataset(mirror(whole).address), cache_dir=blocked)


# ---- Folders of images ----


def write_images(folder: Path, count: int, mode: str = "L", size: tuple[int, int] = (13, 11)) -> None:
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    for number in range(count):
        pixels = generator.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_a_folder_gives_grey_or_colour(tmp_path: Path, mode: str, channels: int) -> None:
    write_images(tmp_path, 23, mode)
    train, labels = load_images(tmp_path, "train", None, HEIGHT, WIDTH)
    test, _ = load_images(str(tmp_path), "test", None, 17, 19)
    assert labels is None
    assert train.shape == (21, HEIGHT, WIDTH, channels)
    assert test.shape == (2, 17, 19, channels)
    first = np.asarray(Image.open(tmp_path / "000.png")).reshape(HEIGHT, WIDTH, channels)
    np.testing.assert_array_equal(np.round(train[0] * 255), first)


def test_one_colour_image_makes_all_of_them_colour(tmp_path: Path) -> None:
    write_images(tmp_path, 3, "L")
    Image.new("RGB", (13, 11), (255, 0, 0)).save(tmp_path / "000.png")
    assert load_images(tmp_path, "train", None, HEIGHT, WIDTH)[0].shape == (2, HEIGHT, WIDTH, 3)


def test_transparent_is_paper(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_images(tmp_path, 3)
    Image.new("RGBA", (13, 11), (255, 255, 255, 0)).save(tmp_path / "000.png")
    assert load_images(tmp_path, "train", None, HEIGHT, WIDTH)[0][0].max() == 0
    assert f"1 of the 2 train images of {tmp_path} came out blank" in caplog.text


def test_unreadable_files_are_skipped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_images(tmp_path, 5)
    (tmp_path / "001.png").write_bytes((tmp_path / "001.png").read_bytes()[:40])
    (tmp_path / "002.png").write_text("no image")
    (tmp_path / "notes.txt").write_text("not counted")
    assert counts(tmp_path) == (2, 1)
    assert caplog.text.count("2 of 5 files") == caplog.text.count("were skipped, such as 001.png: it ") == 1


@pytest.mark.parametrize(
    ("count", "broken", "expected"),
    [(2, [1], (1, 1)), (2, [0], (1, 1)), (10, [9], (8, 1)), (3, [0, 2], (1, 1)), (21, [9, 19], (18, 1))],
)
def test_images_are_divided_once_it_is_known_which_can_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, count: int, broken: list[int], expected: tuple[int, int]
) -> None:
    write_drawings(tmp_path, count)
    for number in broken:
        (tmp_path / f"{number:02}.png").write_text("no image")
    assert counts(tmp_path) == expected
    assert caplog.text.count(f"{len(broken)} of {count} files in") == 1


def test_a_broken_image_of_the_other_split_is_told_of_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_drawings(tmp_path / "train", 3)
    write_drawings(tmp_path / "test", 2)
    (tmp_path / "test" / "01.png").write_text("no image")
    assert len(load_images(tmp_path, "train", None, HEIGHT, WIDTH)[0]) == 3
    assert f"1 of 5 files in {tmp_path} could not be read" in caplog.text
    assert f"such as {Path('test', '01.png')}: it " in caplog.text


def test_folders_without_a_readable_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no readable train image, which is empty"):
        load_images(tmp_path, "train", None, HEIGHT, WIDTH)
    for number in range(2):
        (tmp_path / f"{number}.png").write_text("no image")
    with pytest.raises(DatasetError, match="2 of 2 files"):
        load_images(tmp_path, "train", None, HEIGHT, WIDTH)


def test_mixed_sizes_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path, 4)
    Image.new("L", (17, 19)).save(tmp_path / "001.png")
    with pytest.raises(DatasetError, match=r"000.png is 13x11 pixels, 001.png 17x19; make them one size"):
        load_images(tmp_path, "train", None, HEIGHT, WIDTH)


# ---- Layouts ----


def write_drawings(folder: Path, count: int = 12, paper: int = 0, **options: object) -> Path:
    """Bars, each at another place, so that images tell where they came from."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.full((HEIGHT, WIDTH), paper, np.uint8)
        pixels[2 + number % 7, 3:9] = 255 - paper
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


def counts(folder: Path) -> tuple[int, int]:
    return tuple(len(load_images(folder, split, None, HEIGHT, WIDTH)[0]) for split in ("train", "test"))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"train": 5, "test": 3}, (5, 3)),
        ({"train": 5, "val": 3}, (5, 3)),
        ({"Train": 5, "Test": 3}, (5, 3)),
        ({"training": 5, "validation": 3, "__MACOSX": 2}, (5, 3)),
        ({"train": 5, "val": 3, "test": 2}, (5, 2)),
        ({"train": 20}, (18, 2)),
        ({"digits/train": 5, "digits/test": 3, "__MACOSX/digits": 4}, (5, 3)),
        ({"train/0": 5, "train/1": 5, "test/0": 3, "test/1": 2}, (10, 5)),
        ({"0": 12, "1": 3, "2": 1}, (14, 2)),
        ({"cats": 2, "dogs/more/deep": 30}, (28, 4)),
        ({"cats/1/2/3/4/5/6": 20, "dogs": 10}, (27, 3)),
        ({"cats/train": 5, "cats/test": 3, "dogs/train": 4, "dogs/test": 2}, (9, 5)),
        ({"pets/cats/Train": 5, "pets/cats/VAL": 3, "pets/dogs/Train": 4}, (9, 3)),
        ({"images/train": 5, "images/val": 3, "labels/train": 0, "labels/val": 0}, (5, 3)),
        ({"images/train/cats": 5, "images/train/dogs": 2, "images/test/cats": 3, "labels": 0}, (7, 3)),
        ({"train2017": 5, "val2017": 3, "annotations": 0}, (5, 3)),
        ({"train_images": 5, "test_images": 3}, (5, 3)),
        ({"train/train": 5, "train/plane": 20}, (22, 3)),
    ],
)
def test_layouts_in_which_image_sets_are_handed_round(
    tmp_path: Path, parts: dict[str, int], expected: tuple[int, int]
) -> None:
    for name, count in parts.items():
        write_drawings(tmp_path / name, count)
    assert counts(tmp_path) == expected


@pytest.mark.parametrize(
    ("names", "numbers"),
    [(["0", "1", "7"], [0, 1, 7]), (["007", "12", "3"], [7, 12, 3]), (["cat", "dog", "10"], [1, 2, 0])],
)
def test_labels_are_the_classes_names_or_their_order(
    tmp_path: Path, names: list[str], numbers: list[int]
) -> None:
    for count, name in enumerate(names, start=2):
        write_drawings(tmp_path / "train" / name, count)
    write_drawings(tmp_path / "test" / names[0], 2)
    _, labels = load_images(tmp_path, "train", None, HEIGHT, WIDTH)
    _, test_labels = load_images(tmp_path, "test", None, HEIGHT, WIDTH)
    assert labels is not None
    assert test_labels is not None
    assert labels.dtype == np.int32
    assert {number: int((labels == number).sum()) for number in numbers} == {
        number: count for count, number in enumerate(numbers, start=2)
    }
    assert test_labels.tolist() == [numbers[0]] * 2


def test_a_single_image_is_learned_from_and_tested_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_drawings(tmp_path, 1)
    (tmp_path / "._00.png").write_bytes(b"litter")
    assert counts(tmp_path) == (1, 1)
    assert caplog.text.count("holds a single image: it is learned from and tested on alike") == 1


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "which is empty; put PNG or JPEG files there, or into a folder per class"),
        ({"a.npy": 1, "b.csv": 1}, "which holds a.npy, b.csv; put PNG"),
        ({"x/a.npy": 1, "y/b.npy": 1}, r"which holds x/, y/ \(x is a folder which holds a.npy\); put PNG"),
        (
            {"test/0.png": 1},
            "only 1 for test, which holds test/ .*; put images into a folder train beside it",
        ),
    ],
)
def test_what_lies_there_instead_is_named(tmp_path: Path, files: dict[str, int], complaint: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    with pytest.raises(DatasetError, match=complaint) as caught:
        load_images(tmp_path, "train", None, HEIGHT, WIDTH)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        (
            {".": 1, "0": 10, "1": 10},
            r"holds 1 image \(00.png\) beside folders with 20 images \(0/, 1/\); move either",
        ),
        (
            {"train": 1, "train/0": 10, "train/1": 9, "test/0": 2},
            r"train holds 1 image \(00.png\) beside .* 19",
        ),
        (
            {"train/0": 3, "test": 6, "test/0": 2},
            r"test holds 6 images \(00.*, 03.png and 2 more\) beside .* 2",
        ),
        (
            {"digits": 1, "digits/0": 10},
            r"digits holds 1 image \(00.png\) beside folders with 10 images \(0/\)",
        ),
        ({"train": 2, "cats/train": 3}, r"train holds 2 images .* beside folders with 3 images \(cats/\)"),
        ({"TRAIN": 5, "tst": 3}, r"has TRAIN/ for training or testing, but also 3 images outside, tst/; put"),
        ({"train": 5, "test": 3, "dev": 1}, r"has test/, train/ for .* 1 image outside, dev/; put"),
        ({".": 5, "test": 3}, r"has test/ for .* 5 images outside, 00.png, .*03.png and 1 more; put"),
        ({"test": 5, "trn/0": 3}, r"has test/ for .* 3 images outside, trn/; put"),
        (
            {"cats/train": 5, "cats/test": 3, "dogs": 4},
            r"cats.test/, cats.train/ for .* 4 images outside, dogs/",
        ),
        ({"cats": 5, "train": 0}, r"has train/ for .* 5 images outside, cats/; put"),
        (
            {"train/train": 5, "train/test": 3},
            r"lies in a folder test within a folder train, .*; move or rename",
        ),
    ],
)
def test_images_that_would_be_left_out_or_trained_on_unawares_are_refused(
    tmp_path: Path, parts: dict[str, int], complaint: str
) -> None:
    for name, count in parts.items():
        write_drawings(tmp_path / name, count)
    for split in ("train", "test"):
        with pytest.raises(DatasetError, match=complaint) as caught:
            load_images(tmp_path, split, None, HEIGHT, WIDTH)
        assert "\n" not in str(caught.value)


def test_images_for_validation_beside_those_for_testing_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, count in {"train": 5, "val": 3, "test": 2}.items():
        write_drawings(tmp_path / name, count)
    assert counts(tmp_path) == (5, 2)
    assert caplog.text.count("these 3 are left out") == 1


@pytest.mark.parametrize("suffix", [".jfif", ".JPE", ".apng", ".avif"])
def test_the_rarer_suffixes_of_the_usual_formats_are_taken(tmp_path: Path, suffix: str) -> None:
    if suffix not in Image.registered_extensions() and suffix == ".avif":
        pytest.skip("this Pillow reads no AVIF")
    for number in range(3):
        Image.fromarray(IMAGES[number]).save(tmp_path / f"{number}{suffix}")
    assert counts(tmp_path) == (2, 1)


def test_images_without_a_suffix_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_drawings(tmp_path / "0", 3)
    (tmp_path / "0" / "00.png").rename(tmp_path / "0" / "a")
    (tmp_path / "0" / "01.png").rename(tmp_path / "0" / "frame.0001")
    (tmp_path / "LICENSE").write_text("no image")
    assert counts(tmp_path) == (1, 1)
    told = f"2 images whose name lacks a suffix such as .png or .jpg: {Path('0', 'a')}, "
    assert caplog.text.count(told) == 1
    (tmp_path / "0" / "02.png").unlink()
    with pytest.raises(DatasetError) as caught:
        load_images(tmp_path, "train", None, HEIGHT, WIDTH)
    assert str(caught.value) == (
        f"{tmp_path} holds no readable train image, but {told}{Path('0', 'frame.0001')}; add the suffix to "
        f"their names"
    )


def test_links_that_lead_round_in_circles_come_to_an_end(tmp_path: Path) -> None:
    write_drawings(tmp_path / "a" / "b", 4)
    write_drawings(tmp_path / "c", 4)
    (tmp_path / "a" / "b" / "round").symlink_to(tmp_path / "a")
    assert sum(counts(tmp_path)) >= 8


def test_folders_that_are_none_are_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_text("")
    for name, complaint in (
        (tmp_path / "file.csv", "is a file; give the folder that holds it"),
        ("x" * 300, "cannot be looked for"),
        ("a\0b", "cannot be looked for"),
        ("~nobody-of-this-name/x", "cannot be looked for"),
    ):
        with pytest.raises(DatasetError, match=complaint):
            load_images(name, "train", None, HEIGHT, WIDTH)


# ---- One rule for viewer and training ----


def test_dark_ink_on_light_paper_is_inverted_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paper, night = write_drawings(tmp_path / "paper", 12, 255), write_drawings(tmp_path / "night")
    for split in ("train", "test"):
        np.testing.assert_array_equal(
            load_images(paper, split, None, HEIGHT, WIDTH)[0],
            load_images(night, split, None, HEIGHT, WIDTH)[0],
        )
    assert caplog.text.count("dark ink on light paper: inverted, ink is 1 (--data-as-is leaves it so)") == 1
    as_is, _ = load_images(paper, "train", None, HEIGHT, WIDTH, as_is=True)
    assert as_is[:, 0].min() == 1


@pytest.mark.parametrize(("kind", "white"), [("f4", 1), ("f4", 255), ("i4", 255), ("u2", 65535), ("u1", 255)])
def test_every_depth_gives_the_same(tmp_path: Path, kind: str, white: int) -> None:
    for number in range(10):
        values = IMAGES[number % NUM_IMAGES] * (white / 255) / (10 if number else 1)
        Image.fromarray((values if kind == "f4" else values.round()).astype(kind)).save(
            tmp_path / f"{number}.tif"
        )
    images, _ = load_images(tmp_path, "train", None, HEIGHT, WIDTH)
    np.testing.assert_allclose(images[0, ..., 0], IMAGES[0] / 255, atol=1 / 255)
    assert images[1:].max() < 0.11


@pytest.mark.parametrize(
    ("values", "complaint"), [((0, 1), "nothing but black"), ((90, 91), "nothing but one grey, 91 of 255")]
)
def test_a_set_of_nothing_but_one_value_is_refused(
    tmp_path: Path, values: tuple[int, int], complaint: str
) -> None:
    for number in range(12):
        Image.new("L", (13, 11), values[number % 2]).save(tmp_path / f"{number:02}.png")
    with pytest.raises(DatasetError, match=complaint):
        load_images(tmp_path, "train", None, HEIGHT, WIDTH)


# ---- Where IDX files lie, and how they are called ----


@pytest.mark.parametrize("place", [".", "raw", "MNIST/raw", "tiny/raw", "train-images-idx3-ubyte"])
@pytest.mark.parametrize("dotted", [False, True])
def test_idx_files_are_found_below_and_with_dots(tmp_path: Path, place: str, dotted: bool) -> None:
    for name, content in CONTENTS.items():
        path = tmp_path / place / (name.replace("-idx", ".idx") if dotted else name).removesuffix(".gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if place == "MNIST/raw":
        tmp_path = tmp_path / "MNIST"
    np.testing.assert_array_equal(load_tiny(tmp_path)[1], LABELS)


def test_the_folders_of_other_datasets_are_passed_over(tmp_path: Path) -> None:
    for folder in (tmp_path / "FashionMNIST" / "raw", tmp_path / "Tiny" / "raw"):
        folder.mkdir(parents=True)
    write_folder(tmp_path / "Tiny" / "raw")
    (tmp_path / "FashionMNIST" / "raw" / IMAGE_FILE).write_bytes(b"another")
    np.testing.assert_array_equal(load_tiny(tmp_path)[1], LABELS)


def test_what_lies_in_place_of_idx_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "mnist_train.csv").write_text("")
    with pytest.raises(DatasetError, match=r"is missing in .*, which holds mnist_train.csv; put it there"):
        load_tiny(tmp_path)
    with pytest.raises(DatasetError, match=r"mnist_train.csv is not a folder; give the one that holds it"):
        load_tiny(tmp_path / "mnist_train.csv")


# ---- The network's own settings ----

VARIABLES = [
    f"{name}_{kind}" for name in ("HTTP", "HTTPS", "ALL", "NO") for kind in ("PROXY",)
] + ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]  # fmt: skip


@pytest.fixture
def no_network_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.usefixtures("no_network_settings")
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_that_are_not_there_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "/nowhere/certificates.pem")
    with pytest.raises(DatasetError) as caught:
        load_tiny(None, datasets=dataset("https://127.0.0.1:1/tiny/"), cache_dir=tmp_path)
    assert str(caught.value) == (
        f"{IMAGE_FILE} of tiny could not be downloaded: {variable} names '/nowhere/certificates.pem', which "
        f"cannot be read (No such file or directory); correct or unset it, or put the IDX files into a "
        f"folder and pass --data-dir"
    )


@pytest.mark.usefixtures("no_network_settings")
def test_connections_that_are_not_trusted_name_the_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror: Callable[[Answer], Mirror]
) -> None:
    address = mirror(whole).address.replace("http:", "https:")
    (tmp_path / "bad.pem").write_text("no certificate")
    for variables, told in (({}, ""), ({"REQUESTS_CA_BUNDLE": "bad.pem"}, ", with REQUESTS_CA_BUNDLE set")):
        for name, file in variables.items():
            monkeypatch.setenv(name, str(tmp_path / file))
        with pytest.raises(DatasetError, match=rf"\(no trusted connection to 127.0.0.1:\d+{told}\); put the"):
            load_tiny(None, datasets=dataset(address), cache_dir=tmp_path / "cache")


@pytest.mark.usefixtures("no_network_settings")
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "proxy", ["http://me:secret@127.0.0.1:1", "http://me:secret@", "ftp://me:secret@a.b"]
)
def test_a_proxy_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str
) -> None:
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(DatasetError) as caught:
        load_tiny(None, datasets=dataset("http://example.invalid/tiny/"), cache_dir=tmp_path)
    assert f", with {variable} set)" in str(caught.value)
    assert "secret" not in str(caught.value)
