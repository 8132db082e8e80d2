"""Pictures to learn from: MNIST and its kin in their IDX files, or a folder of images.

Nothing is trusted by its name: every IDX file is held against a pinned SHA-256, whether it was downloaded or
lies in the user's own folder.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import struct
import tempfile
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from nca_viewer.config import MAX_GRID_SIZE, MIN_GRID_SIZE, require_range
from nca_viewer.errors import DatasetError
from nca_viewer.places import NO_HOME, cache_folder

SPLITS = ("train", "test")
HELD_OUT_INTERVAL = 10
"""Of a folder without `train` and `test` subfolders, every tenth image is held out for testing."""

DOWNLOAD_TIMEOUT_SECONDS = 30.0

_logger = logging.getLogger(__name__)

_IMAGE_MAGIC = 0x00000803
_LABEL_MAGIC = 0x00000801
_IMAGE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
)


@dataclass(frozen=True, slots=True)
class IdxFile:
    """One gzipped IDX file of a dataset.

    Attributes:
        name: Its file name, with `.gz`.
        sha256: SHA-256 in hexadecimal.
        of_compressed: Whether `sha256` is that of the file as it is published; else it is that of the
            decompressed content, and a re-compressed copy is as good.
    """

    name: str
    sha256: str
    of_compressed: bool = False


@dataclass(frozen=True, slots=True)
class IdxDataset:
    """A labelled dataset of grey images in IDX files.

    Attributes:
        name: What `--data` calls it.
        mirrors: Addresses of folders that hold the files, tried in turn.
        files: For each split the image file and the label file.
    """

    name: str
    mirrors: tuple[str, ...]
    files: Mapping[str, tuple[IdxFile, IdxFile]]


MNIST = IdxDataset(
    name="mnist",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    files=MappingProxyType(
        {
            "train": (
                IdxFile(
                    "train-images-idx3-ubyte.gz",
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                ),
                IdxFile(
                    "train-labels-idx1-ubyte.gz",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                ),
            ),
            "test": (
                IdxFile(
                    "t10k-images-idx3-ubyte.gz",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                ),
                IdxFile(
                    "t10k-labels-idx1-ubyte.gz",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                ),
            ),
        }
    ),
)

# For these two the publishers' compressed files are pinned, with the checksums that torchvision pins too.


def _published_files(*sha256: str) -> Mapping[str, tuple[IdxFile, IdxFile]]:
    names = (*(file.name for split in SPLITS for file in MNIST.files[split]),)
    files = [IdxFile(name, digest, of_compressed=True) for name, digest in zip(names, sha256, strict=True)]
    return MappingProxyType({"train": (files[0], files[1]), "test": (files[2], files[3])})


FASHION_MNIST = IdxDataset(
    name="fashion-mnist",
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    files=_published_files(
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
)

KMNIST = IdxDataset(
    name="kmnist",
    mirrors=(
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ),
    files=_published_files(
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    ),
)

DATASETS: Mapping[str, IdxDataset] = MappingProxyType(
    {dataset.name: dataset for dataset in (MNIST, FASHION_MNIST, KMNIST)}
)


def load_images(
    name_or_folder: str | Path,
    split: str,
    data_dir: Path | None,
    height: int,
    width: int,
    *,
    datasets: Mapping[str, IdxDataset] = DATASETS,
    cache_dir: Path | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
    """The images of one split, and their labels where there are any.

    Images are resized (bilinear, antialiased) where their size is not the grid's. A folder of images is
    read from its subfolder `train` or `test`; without these two, every tenth image in the order of the names
    is the test split. It gives three channels if any of its images has colour, else one; transparent is 0.

    Args:
        name_or_folder: A dataset's name, or a folder of images.
        split: 'train' or 'test'.
        data_dir: Folder that holds the dataset's IDX files, gzipped or not; None downloads them on first use
            into the user's cache. Not used for a folder of images.
        height: Rows of the grid, in cells.
        width: Columns of the grid, in cells.
        datasets: The datasets known by name.
        cache_dir: Where downloaded files are kept; None is the user's cache folder.

    Returns:
        Images float32[N, H, W, V] in [0, 1], V being 1 (grey) or 3 (RGB), and labels int32[N] or None.

    Raises:
        ConfigError: if the grid's size is out of range.
        DatasetError: if the dataset is unknown, missing, cut short, fails its checksum or cannot be fetched;
            if a folder has no readable image, or images of different sizes.
    """
    if split not in SPLITS:
        raise DatasetError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    require_range("height", height, MIN_GRID_SIZE, MAX_GRID_SIZE, whole=True)
    require_range("width", width, MIN_GRID_SIZE, MAX_GRID_SIZE, whole=True)
    dataset = datasets.get(str(name_or_folder))
    if dataset is not None:
        return _load_idx(dataset, split, data_dir, height, width, cache_dir)
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir():
        return _load_folder(folder, split, height, width), None
    raise DatasetError(
        f"unknown dataset {str(name_or_folder)!r}; choose {', '.join(sorted(datasets))}, or a folder "
        f"of images"
    )


def default_cache_dir() -> Path:
    """The user's cache folder for datasets and what is derived from them.

    Raises:
        DatasetError: the user has none.
    """
    folder = cache_folder()
    if folder is None:
        raise DatasetError(f"{NO_HOME} to keep downloads in; give --data-dir, or set XDG_CACHE_HOME")
    return folder


# ---- IDX files ----


def _load_idx(
    dataset: IdxDataset, split: str, data_dir: Path | None, height: int, width: int, cache_dir: Path | None
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    contents = []
    for file in dataset.files[split]:
        if data_dir is None:
            directory = (cache_dir or default_cache_dir()) / "datasets" / dataset.name
            contents.append(_cached_or_downloaded(dataset, file, directory))
        else:
            contents.append(_from_data_dir(dataset, file, Path(data_dir).expanduser()))
    (image_file, label_file) = dataset.files[split]
    images = _parse_idx(contents[0], image_file.name, _IMAGE_MAGIC, 3)
    labels = _parse_idx(contents[1], label_file.name, _LABEL_MAGIC, 1)
    if len(images) != len(labels):
        raise DatasetError(
            f"{image_file.name} has {len(images)} images but {label_file.name} {len(labels)} labels; "
            f"fetch both files from one source"
        )
    if images.shape[1:] != (height, width):
        images = np.stack([_resized(Image.fromarray(image), height, width) for image in images])
    return images[..., None].astype(np.float32) / np.float32(255), labels.astype(np.int32)


def _parse_idx(content: bytes, name: str, magic: int, dimensions: int) -> NDArray[np.uint8]:
    header_size = 4 + 4 * dimensions
    if len(content) < header_size:
        raise DatasetError(
            f"{name} is cut short: an IDX header has {header_size} bytes, got {len(content)}; fetch it again"
        )
    got_magic, *shape = struct.unpack(f">{1 + dimensions}I", content[:header_size])
    if got_magic != magic:
        raise DatasetError(
            f"{name} is not the expected IDX file: its magic number should be {magic:#010x}, got "
            f"{got_magic:#010x}; fetch it again"
        )
    expected_size = header_size + int(np.prod(shape, dtype=np.int64))
    if len(content) != expected_size:
        raise DatasetError(
            f"{name} is cut short or padded: {expected_size} bytes expected, got {len(content)}; fetch "
            f"it again"
        )
    return np.frombuffer(content, np.uint8, offset=header_size).reshape(shape)


def _from_data_dir(dataset: IdxDataset, file: IdxFile, data_dir: Path) -> bytes:
    if not data_dir.is_dir():
        raise DatasetError(
            f"the data folder {data_dir} does not exist; create it, or leave out --data-dir to "
            f"download the data"
        )
    for path in (data_dir / file.name, data_dir / file.name.removesuffix(".gz")):
        if path.exists():
            return _verified(path, dataset, file, "replace it, or leave out --data-dir to download the data")
    raise DatasetError(
        f"{file.name} of {dataset.name} is missing in {data_dir} (gzipped or not); put it there, or leave "
        f"out --data-dir to download the data"
    )


def _verified(path: Path, dataset: IdxDataset, file: IdxFile, remedy: str) -> bytes:
    """The decompressed content of `path`, which must be that of the dataset's `file`."""
    try:
        stored = path.read_bytes()
        content = gzip.decompress(stored) if path.suffix == ".gz" else stored
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(
            f"{path} is cut short or not a gzip file ({_one_line(error)}): expected SHA-256 "
            f"{file.sha256}, got {path.stat().st_size} bytes that do not decompress; {remedy}"
        ) from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({_one_line(error)}); {remedy}") from error
    measured = stored if file.of_compressed else content
    sha256 = hashlib.sha256(measured).hexdigest()
    if sha256 != file.sha256:
        form = "compressed file" if file.of_compressed else "decompressed content"
        raise DatasetError(
            f"{path} is not that of {dataset.name}: wrong checksum, expected SHA-256 {file.sha256} of the "
            f"{form}, got {sha256} ({len(measured)} bytes); {remedy}"
        )
    return content


def _cached_or_downloaded(dataset: IdxDataset, file: IdxFile, directory: Path) -> bytes:
    path = directory / file.name
    if path.exists():
        try:
            return _verified(path, dataset, file, "")
        except DatasetError:
            _logger.warning("%s in the cache is damaged and is downloaded again", path)
    return _download(dataset, file, path)


def _download(dataset: IdxDataset, file: IdxFile, path: Path) -> bytes:
    """Fetch a file from the first mirror that has it whole, and keep it in the cache."""
    try:
        import pooch
        import requests
    except ImportError as error:
        raise DatasetError(
            f"downloading {dataset.name} needs the training extra; install nca-viewer[train], or pass "
            f"--data-dir"
        ) from error
    pooch.get_logger().setLevel(logging.WARNING)
    failures = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=path.parent) as temporary:
            for mirror in dataset.mirrors:
                # A mirror's own compression may differ, so pooch gets no hash of the compressed file.
                try:
                    fetched = pooch.retrieve(
                        mirror.rstrip("/") + "/" + file.name,
                        known_hash=None,
                        fname=file.name,
                        path=temporary,
                        downloader=pooch.HTTPDownloader(timeout=DOWNLOAD_TIMEOUT_SECONDS),
                    )
                    content = _verified(Path(fetched), dataset, file, "")
                except (requests.RequestException, ValueError) as error:
                    failures.append(_download_failure(error, mirror))
                except DatasetError:
                    failures.append(f"{urlsplit(mirror).netloc} sent another file, or a damaged one")
                else:
                    os.replace(fetched, path)
                    return content
                Path(temporary, file.name).unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{file.name} cannot be stored in {path.parent} ({_one_line(error)}); make room or permission "
            f"there, or put the file into a folder and pass --data-dir"
        ) from error
    others = f", and {len(failures) - 1} more failed" if len(failures) > 1 else ""
    raise DatasetError(
        f"{file.name} of {dataset.name} could not be downloaded ({failures[0]}{others}); put the IDX files "
        f"into a folder and pass --data-dir"
    )


def _download_failure(error: Exception, mirror: str) -> str:
    """In a few words why a mirror gave nothing."""
    import requests

    host = urlsplit(mirror).netloc
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{host} answered {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return f"{host} did not answer within {DOWNLOAD_TIMEOUT_SECONDS:g} s"
    if isinstance(error, requests.ConnectionError):
        return f"no connection to {host}"
    return f"the transfer from {host} broke off"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."


# ---- A folder of images ----


def _load_folder(folder: Path, split: str, height: int, width: int) -> NDArray[np.float32]:
    candidates = _image_files(folder, split)
    images: list[Image.Image] = []
    names: list[str] = []
    skipped = 0
    for path in candidates:
        image = _read_image(path)
        if image is None:
            skipped += 1
            continue
        images.append(image)
        names.append(path.name)
    if skipped:
        _logger.warning(
            "%d of %d files in %s could not be read as images and were skipped",
            skipped,
            len(candidates),
            folder,
        )
    if not images:
        raise DatasetError(
            f"{folder} holds no readable {split} image ({skipped} of {len(candidates)} files with an image's "
            f"name could not be read); put PNG or JPEG files there"
        )
    for image, name in zip(images, names, strict=True):
        if image.size != images[0].size:
            raise DatasetError(
                f"{folder} mixes image sizes: {names[0]} is {_size_text(images[0])} pixels, {name} "
                f"{_size_text(image)}; make them one size"
            )
    mode = "RGB" if any(image.mode == "RGB" for image in images) else "L"
    stacked = np.stack([_resized(image.convert(mode), height, width) for image in images])
    if stacked.ndim == 3:
        stacked = stacked[..., None]
    return stacked.astype(np.float32) / np.float32(255)


def _image_files(folder: Path, split: str) -> Sequence[Path]:
    subfolders = [folder / name for name in SPLITS]
    divided = all(subfolder.is_dir() for subfolder in subfolders)
    source = folder / split if divided else folder
    files = sorted(
        path for path in source.iterdir() if path.is_file() and path.suffix.lower() in _IMAGE_SUFFIXES
    )
    if divided:
        return files
    is_test = np.arange(len(files)) % HELD_OUT_INTERVAL == HELD_OUT_INTERVAL - 1
    if len(files) < HELD_OUT_INTERVAL and files:
        is_test[-1] = True  # A handful of images still has one to test with.
    return [path for path, test in zip(files, is_test, strict=True) if test == (split == "test")]


def _read_image(path: Path) -> Image.Image | None:
    """A grey or an RGB image; None if it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                image = ImageOps.exif_transpose(opened)
                if image.mode in ("1", "L"):
                    return image.convert("L")
                if image.mode.startswith(("I", "F")):
                    return _sixteen_bit_to_grey(image)
                if image.has_transparency_data:
                    rgba = image.convert("RGBA")
                    image = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
                    image.alpha_composite(rgba)
                rgb = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    channels = np.asarray(rgb)
    is_grey = (channels == channels[..., :1]).all()
    return rgb.getchannel(0) if is_grey else rgb


def _sixteen_bit_to_grey(image: Image.Image) -> Image.Image:
    values = np.clip(np.asarray(image, np.float64), 0, 65535)
    return Image.fromarray((values / 65535 * 255).round().astype(np.uint8))


def _resized(image: Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _size_text(image: Image.Image) -> str:
    return f"{image.width}x{image.height}"
