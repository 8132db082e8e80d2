"""Pictures to learn from: MNIST and its kin in their IDX files, or a folder of images.

Nothing is trusted by its name: every IDX file is held against a pinned SHA-256, whether it was downloaded or
lies in the user's own folder.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import logging
import os
import re
import stat
import struct
import tempfile
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nca_viewer.config import MAX_GRID_SIZE, MIN_GRID_SIZE, require_range
from nca_viewer.errors import DatasetError, reason_of
from nca_viewer.pictures import Picture, PictureError, decide, levels, read_picture
from nca_viewer.places import NO_HOME, cache_folder

SPLITS = ("train", "test")
HELD_OUT_INTERVAL = 10
"""Of a folder that is not divided into training and testing, every tenth image is held out for testing."""

DOWNLOAD_TIMEOUT_SECONDS = 30.0

_logger = logging.getLogger(__name__)

_IMAGE_MAGIC = 0x00000803
_LABEL_MAGIC = 0x00000801
_IMAGE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
"""Pillow's names; a file with a suffix of one of these is taken for an image."""


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


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where a run's images come from: what `load_images` is to be given.

    Attributes:
        data: A dataset's name, or a folder of images.
        data_dir: The folder with the dataset's files; None downloads them.
        as_is: Whether the polarity of a folder's images is left as it is.
    """

    data: str = "mnist"
    data_dir: str | None = None
    as_is: bool = False

    @property
    def absolute(self) -> ImageSource:
        """The same, in terms that hold in any working folder and home."""
        data = self.data if self.data in DATASETS else _absolute(self.data)
        return replace(self, data=data, data_dir=self.data_dir and _absolute(self.data_dir))

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> ImageSource:
        """Rebuild it from its fields.

        Raises:
            TypeError: for other fields, or values of other types.
        """
        source = cls(**fields)
        allowed = ((source.data, str), (source.data_dir, str | None), (source.as_is, bool))
        if not all(isinstance(value, kind) for value, kind in allowed):
            raise TypeError(f"{fields} names no source of images")
        return source

    def load(self, split: str, height: int, width: int) -> NDArray[np.float32]:
        """The images of one split; see `load_images`."""
        folder = None if self.data_dir is None else Path(self.data_dir)
        return load_images(self.data, split, folder, height, width, as_is=self.as_is)[0]

    def with_given(self, given: Mapping[str, Any]) -> ImageSource:
        """Where the images are now of a run that was started with these.

        Args:
            given: Fields that are named anew.

        Raises:
            DatasetError: for a folder that is gone and not named anew.
        """
        source = replace(self, **given)
        field = "data_dir" if source.data in DATASETS else "data"
        path = getattr(source, field)
        if field not in given and path is not None and not os.path.isdir(path):
            raise DatasetError(
                f"the run was started with the images in {path}, and there is no such folder now; put it "
                f"back, or tell where they are with --{field.replace('_', '-')}"
            )
        return source


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def load_images(
    name_or_folder: str | Path,
    split: str,
    data_dir: Path | None,
    height: int,
    width: int,
    *,
    as_is: bool = False,
    datasets: Mapping[str, IdxDataset] = DATASETS,
    cache_dir: Path | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
    """The images of one split, and their labels where there are any.

    Images are resized (bilinear, antialiased) where their size is not the grid's.

    A folder of images may be divided into training and testing: subfolders `train` and `test` or `val`, also
    in capitals, above the folders of the classes or in each of them. Else every tenth image that can be read,
    in the order of the names, is the test split; a single image is both.
    Images may lie in one folder per class, as torchvision's `ImageFolder` has them: labels are the classes'
    names where these are numbers, else their places in the alphabet. It gives three channels if any of its
    images has colour, else one. Their levels follow the rule of `nca_viewer.pictures`.

    Args:
        name_or_folder: A dataset's name, or a folder of images.
        split: 'train' or 'test'.
        data_dir: Folder that holds the dataset's IDX files, gzipped or not; None downloads them on first use
            into the user's cache. Not used for a folder of images.
        height: Rows of the grid, in cells.
        width: Columns of the grid, in cells.
        as_is: Leave the polarity of a folder's images as it is.
        datasets: The datasets known by name.
        cache_dir: Where downloaded files are kept; None is the user's cache folder.

    Returns:
        Images float32[N, H, W, V] in [0, 1], V being 1 (grey) or 3 (RGB), and labels int32[N] or None.

    Raises:
        ConfigError: if the grid's size is out of range.
        DatasetError: if the dataset is unknown, missing, cut short, fails its checksum or cannot be fetched;
            if a folder has no readable image, images of different sizes, or nothing but one value; if images
            lie beside folders of images, or outside of the folders for training and testing.
    """
    if split not in SPLITS:
        raise DatasetError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    require_range("height", height, MIN_GRID_SIZE, MAX_GRID_SIZE, whole=True)
    require_range("width", width, MIN_GRID_SIZE, MAX_GRID_SIZE, whole=True)
    dataset = datasets.get(str(name_or_folder))
    if dataset is not None:
        return _load_idx(dataset, split, data_dir, height, width, cache_dir)
    try:
        folder = Path(name_or_folder).expanduser()
        mode = os.stat(folder).st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    except (OSError, RuntimeError, ValueError) as error:  # A name too long, a closed folder, no such user.
        raise DatasetError(
            f"the data folder {str(name_or_folder)[:80]!r} cannot be looked for "
            f"({reason_of(error)}); choose another"
        ) from error
    if stat.S_ISDIR(mode):
        return _load_folder(folder, split, height, width, as_is)
    if mode:
        raise DatasetError(
            f"{folder} is a file; give the folder that holds it, or choose {', '.join(sorted(datasets))}"
        )
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
    """The content of a dataset's file, from a folder or one or two levels below, as torchvision keeps it."""
    name = file.name.removesuffix(".gz")
    names = [name, name.replace("-idx", ".idx")]
    remedy = "replace it, or leave out --data-dir to download the data"
    refusals = []
    for folder in _data_folders(dataset, data_dir):
        for path in (folder / f"{each}{suffix}" for each in names for suffix in (".gz", "")):
            if path.is_file():
                try:
                    return _verified(path, dataset, file, remedy)
                except DatasetError as error:
                    refusals.append(error)
    if refusals:
        raise refusals[0]
    raise DatasetError(
        f"{file.name} of {dataset.name} is missing in {data_dir} (gzipped or not), "
        f"{_what_lies_in(data_dir)}; put it there, or leave out --data-dir to download the data"
    )


def _data_folders(dataset: IdxDataset, data_dir: Path) -> list[Path]:
    """Where a dataset's files may lie: the folder, and what is below it, but for other datasets' folders."""
    others = {name.replace("-", "") for name in DATASETS if name != dataset.name}
    below = [path for path in _subfolders(data_dir) if path.name.lower() not in others]
    return [data_dir, *(folder for each in below for folder in (each, each / "raw"))]


def _verified(path: Path, dataset: IdxDataset, file: IdxFile, remedy: str) -> bytes:
    """The decompressed content of `path`, which must be that of the dataset's `file`."""
    try:
        stored = path.read_bytes()
        content = gzip.decompress(stored) if path.suffix == ".gz" else stored
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DatasetError(
            f"{path} is cut short or not a gzip file ({reason_of(error)}): expected SHA-256 "
            f"{file.sha256}, got {path.stat().st_size} bytes that do not decompress; {remedy}"
        ) from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({reason_of(error)}); {remedy}") from error
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
                except (requests.RequestException, ValueError, TypeError) as error:
                    failures.append(_download_failure(error, mirror))
                except OSError as error:
                    unreadable = _unreadable_certificates()
                    if unreadable is None:
                        raise
                    raise DatasetError(
                        f"{file.name} of {dataset.name} could not be downloaded: {unreadable}; correct or "
                        f"unset it, or put the IDX files into a folder and pass --data-dir"
                    ) from error
                except DatasetError:
                    failures.append(f"{urlsplit(mirror).netloc} sent another file, or a damaged one")
                else:
                    os.replace(fetched, path)
                    return content
                Path(temporary, file.name).unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{file.name} cannot be stored in {path.parent} ({reason_of(error)}); make room or permission "
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
    if isinstance(error, requests.exceptions.SSLError):
        return f"no trusted connection to {host}{_set_variables(_CERTIFICATE_VARIABLES)}"
    if isinstance(error, requests.ConnectionError):
        return f"no connection to {host}{_proxy_variables(mirror)}"
    if isinstance(error, (ValueError, TypeError)):  # requests does not expect a proxy without a host.
        told = reason_of(error).rstrip(".")
        # A proxy's address may hold a password.
        why = "" if "@" in told or isinstance(error, TypeError) else f": {told}"
        return f"{host} cannot be asked{why}{_proxy_variables(mirror)}"
    return f"the transfer from {host} broke off"


_CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def _unreadable_certificates() -> str | None:
    """Which environment variable names certificates that cannot be read, if one does."""
    for variable in _CERTIFICATE_VARIABLES:
        value = os.environ.get(variable)
        if value:
            try:
                os.listdir(value) if os.path.isdir(value) else Path(value).open("rb").close()
            except OSError as error:
                return f"{variable} names {value!r}, which cannot be read ({error.strerror})"
    return None


def _proxy_variables(address: str) -> str:
    """The environment variables that set the proxy for an address; a proxy may carry a password."""
    from requests.utils import get_environ_proxies

    scheme = urlsplit(address).scheme
    if not {scheme, "all"} & set(get_environ_proxies(address)):
        return ""
    names = (f"{scheme}_proxy", "all_proxy")
    return _set_variables([each for name in names for each in (name, name.upper())])


def _set_variables(names: Iterable[str]) -> str:
    found = [name for name in names if os.environ.get(name)]
    return f", with {' and '.join(found)} set" if found else ""


# ---- A folder of images ----

_SPLIT_NAME = re.compile(
    r"(?:images?[-_ ])?(?:(?P<train>train|training)|(?P<test>test|testing)|(?P<val>val|valid|validation))"
    r"(?:[-_ ]?(?:images?|set|data|split|(?:19|20)\d\d))?",
    re.IGNORECASE,
)
"""The name of a folder for training or testing, such as `train`, `Validation`, `test_images` or `val2017`."""


@dataclass(frozen=True, slots=True)
class _ImageFile:
    """An image's place.

    Attributes:
        path: The file.
        class_name: The name of its class where it lies in one's folder.
        split: Which split's folder it lies in; None where the images are still to be divided.
    """

    path: Path
    class_name: str | None = None
    split: str | None = None


def _load_folder(
    folder: Path, split: str, height: int, width: int, as_is: bool
) -> tuple[NDArray[np.float32], NDArray[np.int32] | None]:
    files, without_suffix = _image_files(folder)
    pictures: dict[Path, Picture] = {}
    failures: dict[Path, str] = {}
    for file in files:
        try:
            pictures[file.path] = read_picture(file.path)
        except PictureError as error:
            failures[file.path] = str(error)
    parts = _divided([file for file in files if file.path in pictures])
    chosen = parts[split]
    if not chosen:
        raise DatasetError(_nothing_read(folder, split, files, failures, without_suffix))
    if failures:
        path, failure = next(iter(failures.items()))
        _tell_once(
            f"{len(failures)} of {len(files)} files in {folder} could not be read as images and were "
            f"skipped, such as {path.relative_to(folder)}: it {failure}"
        )
    if without_suffix:
        _tell_once(f"{folder} holds {_named_without_suffix(folder, without_suffix)}; these were skipped")
    if parts["train"] == parts["test"]:
        _tell_once(f"{folder} holds a single image: it is learned from and tested on alike")
    _require_one_size(folder, [(file.path, pictures[file.path]) for file in chosen])
    decision = decide(list(pictures.values()), as_is=as_is)
    if decision.is_inverted:
        _tell_once(f"{folder} holds dark ink on light paper: inverted, ink is 1 (--data-as-is leaves it so)")
    animated = sum(picture.is_animated for picture in pictures.values())
    if animated:
        _tell_once(f"{folder} holds {animated} animations: of each the first frame is used")
    images = np.stack(
        [
            _resized(_as_image(levels(pictures[file.path], decision)), height, width).reshape(
                height, width, -1
            )
            for file in chosen
        ]
    )
    _require_content(folder, split, images)
    return images.astype(np.float32) / np.float32(255), _labels(files, chosen)


def _image_files(folder: Path) -> tuple[list[_ImageFile], list[Path]]:
    """The images anywhere in a folder, and the images whose names lack a suffix.

    Raises:
        DatasetError: it cannot be read, or some of its images would be left out or trained on unawares.
    """
    top = folder
    while not _images_in(top) and len(below := _subfolders(top)) == 1 and _split_named(below[0].name) is None:
        top = below[0]  # As archives unpack.
    paths = list(_files_below(top))
    placed = [_placed(path, top) for path in paths if _has_image_suffix(path)]
    names_at_top = {_split_named(path.name) for path in _subfolders(top)} - {None}
    splits = {file.split for file in placed} - {None}
    if not _images_in(top):
        splits |= names_at_top
    if splits:
        _require_all_in_splits(top, placed)
    for split in (None, "train", "test", "val"):
        _require_one_level(top, [file for file in placed if file.split == split])
    if splits == {"train"}:
        placed = [replace(file, split=None) for file in placed]
    elif "test" in splits:
        left_out = [file.path for file in placed if file.split == "val"]
        if left_out:
            _tell_once(
                f"{folder} holds images for validation beside those for testing: these {len(left_out)} are "
                f"left out, such as {left_out[0].relative_to(folder)}"
            )
        placed = [file for file in placed if file.split != "val"]
    else:
        placed = [replace(file, split="test") if file.split == "val" else file for file in placed]
    return placed, [path for path in paths if _lacks_suffix(path) and _is_image(path)]


def _split_named(name: str) -> str | None:
    """What a folder of this name is for: 'train', 'test' or 'val'; None where the name does not tell."""
    match = _SPLIT_NAME.fullmatch(name)
    return None if match is None else match.lastgroup


def _placed(path: Path, top: Path) -> _ImageFile:
    """An image with the split ('train', 'test', 'val' or None) and the class that its folders name."""
    folders = list(path.relative_to(top).parts[:-1])
    named = [(name, split) for name in folders if (split := _split_named(name))]
    if not named:
        return _ImageFile(path, folders[0] if folders else None)
    (outer, split) = named[0]
    for inner, other in named[1:]:
        if other != split:
            raise DatasetError(
                f"{path} lies in a folder {inner} within a folder {outer}, so it is not clear whether to "
                f"train on it; move or rename one of them"
            )
    folders.remove(outer)
    return _ImageFile(path, folders[0] if folders else None, split)


def _require_all_in_splits(top: Path, files: Sequence[_ImageFile]) -> None:
    outside = [file.path for file in files if file.split is None]
    if not outside:
        return
    split_folders = sorted(
        {
            str(parent.relative_to(top))
            for path in (*(file.path for file in files), *(each / "_" for each in _subfolders(top)))
            for parent in path.parents
            if parent != top and top in parent.parents and _split_named(parent.name)
        }
    )
    raise DatasetError(
        f"{top} has {_listed(f'{name}/' for name in split_folders)} for training or testing, but also "
        f"{_counted(len(outside))} outside, {_listed(_places(outside, top))}; put every image into folders "
        f"train and test (or val), at the top or in each class, or all classes into one folder train"
    )


def _require_one_level(top: Path, files: Sequence[_ImageFile]) -> None:
    """Check that images lie either in folders of classes or beside one another, not both."""
    loose = [file.path for file in files if file.class_name is None]
    in_classes = [file.path for file in files if file.class_name is not None]
    if loose and in_classes:
        folder = loose[0].parent
        base = folder if all(folder in path.parents for path in in_classes) else top
        raise DatasetError(
            f"{folder} holds {_counted(len(loose))} ({_listed(path.name for path in loose)}) beside folders "
            f"with {_counted(len(in_classes))} ({_listed(_places(in_classes, base))}); move either of them "
            f"elsewhere, or every image into a folder"
        )


def _places(paths: Iterable[Path], top: Path) -> list[str]:
    """What lies directly in `top` and is or holds one of the files."""
    places = [path.relative_to(top).parts for path in paths]
    return list(dict.fromkeys(parts[0] + "/" * (len(parts) > 1) for parts in places))


def _listed(names: Iterable[str]) -> str:
    first, *others = names
    more = f" and {len(others) - 3} more" if len(others) > 3 else ""
    return ", ".join([first, *others[:3]]) + more


def _counted(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _divided(files: Sequence[_ImageFile]) -> dict[str, list[_ImageFile]]:
    """The files of each split.

    Where no folder tells, every tenth image of each class is held out, at least one of all; a single image
    serves as both.
    """
    if any(file.split is not None for file in files):
        return {split: [file for file in files if file.split == split] for split in SPLITS}
    if len(files) == 1:
        return {split: list(files) for split in SPLITS}
    classes: dict[str | None, list[Path]] = {}
    for file in files:
        classes.setdefault(file.class_name, []).append(file.path)
    held_out = set()
    for paths in classes.values():
        # A handful of images still has one to test with.
        held_out.update(paths[HELD_OUT_INTERVAL - 1 :: HELD_OUT_INTERVAL] or paths[1:][-1:])
    if not held_out and files:
        held_out.add(files[-1].path)
    return {
        "train": [file for file in files if file.path not in held_out],
        "test": [file for file in files if file.path in held_out],
    }


def _labels(files: Sequence[_ImageFile], chosen: Sequence[_ImageFile]) -> NDArray[np.int32] | None:
    """The classes of the chosen images; None where there are fewer than two."""
    names = sorted({file.class_name for file in files if file.class_name is not None})
    if len(names) < 2 or any(file.class_name is None for file in chosen):
        return None
    are_numbers = all(name.isascii() and name.isdigit() and len(name) < 10 for name in names)
    numbers = {name: int(name) if are_numbers else place for place, name in enumerate(names)}
    return np.array([numbers[str(file.class_name)] for file in chosen], np.int32)


@functools.cache
def _image_suffixes() -> frozenset[str]:
    """The suffixes, in small letters, of the images that this Pillow reads."""
    known = Image.registered_extensions()
    return frozenset(suffix for suffix, name in known.items() if name in _IMAGE_FORMATS)


def _has_image_suffix(path: Path) -> bool:
    return path.suffix.lower() in _image_suffixes()


def _lacks_suffix(path: Path) -> bool:
    """Whether a name ends without a suffix, or in a mere number, as that of a frame."""
    return not path.suffix.strip(".0123456789")


def _is_image(path: Path) -> bool:
    """Whether a file begins as an image does, whatever it is called."""
    known = set(Image.registered_extensions().values())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=[name for name in _IMAGE_FORMATS if name in known]):
                return True
    except Exception:  # Pillow raises nearly anything on what is no image.
        return False


def _images_in(folder: Path) -> list[Path]:
    return [path for path in _visible_in(folder) if _has_image_suffix(path) and path.is_file()]


def _files_below(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """The files anywhere in a folder, its own first; links that lead back up are not followed."""
    place = folder.resolve()
    if place in above:
        return
    yield from (path for path in _visible_in(folder) if path.is_file())
    for path in _subfolders(folder):
        yield from _files_below(path, above | {place})


def _subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, but for those that systems leave behind."""
    return [
        path for path in _visible_in(folder) if path.name not in ("__MACOSX", "lost+found") and path.is_dir()
    ]


def _visible_in(folder: Path) -> list[Path]:
    """What lies in a folder, by name, but for what is hidden, as other programs' litter is."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        remedy = "create it, or leave out --data-dir to download the data"
        if isinstance(error, FileNotFoundError):
            raise DatasetError(f"the data folder {folder} does not exist; {remedy}") from error
        if isinstance(error, NotADirectoryError):
            raise DatasetError(f"{folder} is not a folder; give the one that holds it") from error
        raise DatasetError(
            f"the data folder {folder} cannot be read ({reason_of(error)}); choose another, or let "
            f"yourself read it"
        ) from error


def _what_lies_in(folder: Path) -> str:
    """What there is instead, in a few words; of nothing but folders, what lies in the first one."""
    found = _visible_in(folder)
    if not found:
        return "which is empty"
    names = [f"{path.name}/" if path.is_dir() else path.name for path in found]
    below = f" ({found[0].name} is a folder {_what_lies_in(found[0])})" if found[0].is_dir() else ""
    return f"which holds {_listed(names)}{below}"


def _named_without_suffix(folder: Path, paths: Sequence[Path]) -> str:
    names = _listed(str(path.relative_to(folder)) for path in paths)
    return f"{_counted(len(paths))} whose name lacks a suffix such as .png or .jpg: {names}"


def _nothing_read(
    folder: Path,
    split: str,
    files: Sequence[_ImageFile],
    failures: Mapping[Path, str],
    without_suffix: Sequence[Path],
) -> str:
    start = f"{folder} holds no readable {split} image"
    concerned = [file.path for file in files if file.split in (None, split)]
    failed = [path for path in concerned if path in failures]
    if failed:
        return (
            f"{start} ({len(failed)} of {len(concerned)} files with an image's name could not be read: "
            f"the first {failures[failed[0]]}); put PNG or JPEG files there"
        )
    if without_suffix:
        return f"{start}, but {_named_without_suffix(folder, without_suffix)}; add the suffix to their names"
    if files:
        other = next(part for part in SPLITS if part != split)
        return (
            f"{start}, only {len(files)} for {other}, {_what_lies_in(folder)}; put images into a "
            f"folder {split} beside it"
        )
    return f"{start}, {_what_lies_in(folder)}; put PNG or JPEG files there, or into a folder per class"


def _require_one_size(folder: Path, pictures: Sequence[tuple[Path, Picture]]) -> None:
    first, size = pictures[0][0], pictures[0][1].size
    for path, picture in pictures:
        if picture.size != size:
            raise DatasetError(
                f"{folder} mixes image sizes: {first.name} is {size[0]}x{size[1]} pixels, {path.name} "
                f"{picture.size[0]}x{picture.size[1]}; make them one size"
            )


def _require_content(folder: Path, split: str, images: NDArray[np.uint8]) -> None:
    """Check that there is something to learn, and tell of images that are blank."""
    darkest, lightest = images.min(axis=(1, 2, 3)), images.max(axis=(1, 2, 3))
    highest = int(np.max(lightest))
    if highest - int(np.min(darkest)) <= _LEAST_CONTRAST:
        value = "black" if highest <= _LEAST_CONTRAST else f"one grey, {highest} of 255"
        raise DatasetError(
            f"the {split} images of {folder} are nothing but {value}; there is nothing to learn, give others"
        )
    blank = int(np.sum(lightest - darkest <= _LEAST_CONTRAST))
    if blank:
        _tell_once(f"{blank} of the {len(images)} {split} images of {folder} came out blank")


_LEAST_CONTRAST = 2
"""Of 255: images whose values differ by no more have nothing on them."""


@functools.cache
def _tell_once(text: str) -> None:
    _logger.warning("%s", text)


def _as_image(values: NDArray[np.float32]) -> Image.Image:
    pixels = np.rint(values * 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _resized(image: Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)
