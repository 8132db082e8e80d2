"""Checkpoints: an orbax directory, and a manifest with the SHA-256 of each of its files.

A checkpoint directory holds what orbax writes (parameters in OCDBT, metadata in `_CHECKPOINT_METADATA`)
and `MANIFEST.json`. Orbax alone loads a flipped byte without a word; here every file is checked first.

Directories appear whole or not at all. A new one is written beside its place as `.NAME.partial-*`, synced
to the disk and renamed. Where it replaces another, that one is first renamed to `.NAME.previous`, which
counts as the checkpoint for as long as nothing lies at NAME. So a process killed at any instant leaves the
old or the new one, complete. One writer per directory is assumed; readers may come and go.

What was written is read back before it counts. Orbax and tensorstore take a path for a URL, or for a pattern,
so they are given every folder under a plain name; here any name that the system allows will do.

What file managers, network file systems and synchronisers leave in a folder is passed over. Any other file in
`state` that the manifest does not list is refused: orbax goes by which files it finds there (`_sharding`, for
one), so the manifest's digest would not stand for what is loaded any more.

Arrays are written from host memory: a checkpoint written on a GPU loads on a CPU. Of several processes that
`jax.distributed` has joined each reads and writes by itself, waiting for no other. Importing this module
imports neither JAX nor orbax; reading and writing do.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import hashlib
import importlib.metadata
import itertools
import json
import os
import re
import shutil
import stat
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nca_viewer.assets import bundled_checkpoint, bundled_checkpoint_names
from nca_viewer.atomic_files import mode_at
from nca_viewer.config import ModelConfig
from nca_viewer.errors import CheckpointError, ConfigError, OutputError, reason_of
from nca_viewer.strict_json import require_format, strict_json

if TYPE_CHECKING:
    from nca_viewer.automaton.system import AttentionNCA

FORMAT_NAME = "nca-viewer checkpoint"
FORMAT_VERSION = 1
"""Version that is written, and the one that is read."""

MANIFEST_NAME = "MANIFEST.json"

_PARAMETERS = "params"
_ORBAX_METADATA_NAME = "_CHECKPOINT_METADATA"
_ORBAX_COMMIT_NAME = "commit_success.txt"
_PACKAGES = ("nca-viewer", "jax", "jaxlib", "flax", "cax", "orbax-checkpoint", "numpy")
_READ_ATTEMPTS = 20
_LEAF_BYTES = 1024
_NAMED_HINTS = 3
_SEARCHED_FOLDERS = 100
_OPEN_FILES = Path("/proc/self/fd")

# Orbax gives no file such a name; a name with a dot in front may be Zarr's metadata, which it would read.
_LITTER = re.compile(
    r"\.(?!z(array|attrs|group|metadata)$).*|.*~|~\$.*|~syncthing~.*|#.*#|#recycle|@eaDir|\$RECYCLE\.BIN"
    r"|(eh)?thumbs(_vista)?\.db|desktop\.ini|Icon\r|lost\+found|__MACOSX|System Volume Information"
    r"|.*:Zone\.Identifier.*|.*:AFP_.*|.*:com\.(apple|dropbox)\..*"
    r"|.*\.sync-conflict-.*|.*conflicted copy.*|.*\.(swp|crdownload|part|tmp)",
    re.IGNORECASE | re.DOTALL,
)
"""Names that others' programs leave in any folder: desktops, network file systems, editors, synchronisers."""
_MOST_SILENT_STEPS = 1000
"""A checkpoint that says more than this says nothing."""
_TREE_BYTES = 64 * 1024
"""What orbax and the manifest write beside the arrays' own bytes."""

# Within one process orbax's saves fail now and then while it loads in another thread.
_ORBAX_LOCK = threading.Lock()

Tree = dict[str, Any]
"""Nested dicts with string keys and NumPy arrays as leaves."""


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says about itself.

    Attributes:
        path: Directory it was read from.
        config: Hyperparameters of the automaton.
        provenance: `recipe`, `step`, `metrics`, `versions` (package -> version), `date` (UTC, ISO 8601).
        format_version: Version of the checkpoint format.
        sha256: Digest of the manifest, and with it of every file.
    """

    path: Path
    config: ModelConfig
    provenance: dict[str, Any]
    format_version: int
    sha256: str

    def channel_names(self) -> tuple[str, ...]:
        """What each channel holds: as the provenance's `channel_names` say.

        Training knows it only of channels that were designed. The others are "hidden 7", and the visible ones
        "ink" or "red", "green", "blue".
        """
        given = self.provenance.get("channel_names")
        named = given if isinstance(given, list) and all(isinstance(name, str) for name in given) else []
        size, visible_size = self.config.channel_size, self.config.visible_channel_size
        names = [f"hidden {channel}" for channel in range(size - visible_size)]
        names += ["ink"] if visible_size == 1 else ["red", "green", "blue"]
        return (*named[:size], *names[len(named) :])

    def silent_steps(self) -> int:
        """In how many steps of a new page cells show its start as it is: the provenance's `silent_steps`."""
        given = self.provenance.get("silent_steps")
        return given if type(given) is int and 0 <= given <= _MOST_SILENT_STEPS else 0


# ---------------------------------------------------------------------------------------- directories


def step_directory(run_directory: Path | str, step: int) -> Path:
    """Where a training run keeps the checkpoint of that update: `RUN/checkpoints/step-XXXXXXXX`."""
    return Path(run_directory) / "checkpoints" / f"step-{step:08d}"


def checkpoint_steps(run_directory: Path | str) -> list[int]:
    """Updates of which a run has a complete checkpoint, ascending; empty where it has none."""
    return list(_steps_downwards(run_directory))[::-1]


def _steps_downwards(run_directory: Path | str) -> Iterator[int]:
    """As `checkpoint_steps`, the newest first, looked at one by one."""
    try:
        names = os.listdir(step_directory(run_directory, 0).parent)
    except OSError:
        return
    matches = (re.fullmatch(r"\.?step-(\d{8})(?:\.previous)?", name) for name in names)
    for step in sorted({int(match[1]) for match in matches if match}, reverse=True):
        if _is_complete(_standing(step_directory(run_directory, step))):
            yield step


def complete_checkpoints(path: Path) -> Iterator[Path]:
    """The checkpoint at an absolute path, or those of the run there, the newest first, looked at one by one.

    That the files are intact is checked when they are read.

    Raises:
        OSError: nobody can tell.
    """
    standing = _standing(path)
    if mode_at(standing / MANIFEST_NAME):
        yield standing
    elif folder := _steps_folder(path):
        for step in _steps_downwards(folder.parent):
            yield _standing(step_directory(folder.parent, step))


def resolve_checkpoint(path_or_name: Path | str) -> Path:
    """The checkpoint directory that is meant.

    Args:
        path_or_name: A bundled checkpoint's name; a checkpoint directory, or its manifest or `state`; a
            training run's directory, or its `checkpoints`, which mean its newest complete checkpoint. A
            bundled name goes before a directory of the same name; write `./model` for the directory.

    Returns:
        An absolute path. That the files are intact is checked when they are read.

    Raises:
        CheckpointError: where there is no checkpoint; the message names those nearby, and the bundled names.
    """
    names = bundled_checkpoint_names()
    if str(path_or_name) in names:
        return bundled_checkpoint(str(path_or_name))
    try:
        path = Path(path_or_name).expanduser().resolve()
        if found := _checkpoint_at(path) or _checkpoint_around(path):
            return found
        standing = _standing(path)
        given, mode = repr(str(path_or_name)), mode_at(standing)
        if not mode:
            problem = f"there is no checkpoint at {given}"
        elif not stat.S_ISDIR(mode):
            problem = f"{given} is not a checkpoint directory"
        elif _steps_folder(path) is not None:
            problem = f"the run {given} has no complete checkpoint yet"
        else:
            problem = f"{given} holds no complete checkpoint ({MANIFEST_NAME} is missing)"
        nearby = [name for name in names if name.casefold() == str(path_or_name).casefold()]
        nearby += [str(neighbour) for neighbour in _checkpoints_near(path)]
    except (OSError, RuntimeError, ValueError) as error:  # no permission, a loop of links, a null byte
        raise CheckpointError(
            f"cannot look for a checkpoint at {str(path_or_name)!r}: {_line(error)}"
        ) from error
    remedy = "give a checkpoint directory, a run directory, or a bundled name"
    if names:
        remedy += f" ({', '.join(names)})"
    if nearby:
        more = f" or one of {len(nearby) - _NAMED_HINTS} more" if len(nearby) > _NAMED_HINTS else ""
        remedy = f"did you mean {' or '.join(repr(name) for name in nearby[:_NAMED_HINTS])}{more}?"
    raise CheckpointError(f"{problem}; {remedy}")


def _checkpoint_at(path: Path) -> Path | None:
    """The checkpoint at a path, or the newest of the run there."""
    return next(complete_checkpoints(path), None)


def _steps_folder(path: Path) -> Path | None:
    """Where a run, given by its own or by that very folder, keeps its checkpoints."""
    folder = step_directory(path, 0).parent
    if folder.is_dir():
        return folder
    return path if path.name == folder.name and path.is_dir() else None


def _checkpoint_around(path: Path) -> Path | None:
    """The checkpoint that a manifest, or anything below `state`, is part of."""
    for part in (path, *path.parents[:2]):
        if (
            (part.name in (MANIFEST_NAME, "state"))
            and part.exists()
            and (part.parent / MANIFEST_NAME).exists()
        ):
            return part.parent
    return None


def _checkpoints_near(path: Path) -> list[Path]:
    """What `resolve_checkpoint` would take among a directory's own directories, else around it."""
    try:
        inside = sorted(entry for entry in path.iterdir() if not _LITTER.fullmatch(entry.name))
    except OSError:
        inside = []
    folders = [entry for entry in inside if entry.is_dir()]
    found = [folder for folder in folders if _checkpoint_at(folder)]
    if not found:
        below = itertools.chain.from_iterable(_folders_in(folder) for folder in folders[:_SEARCHED_FOLDERS])
        found = [folder for folder in itertools.islice(below, _SEARCHED_FOLDERS) if _checkpoint_at(folder)]
    return found or [parent for parent in path.parents[:2] if _checkpoint_at(parent)][:1]


def _folders_in(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir())
    except OSError:
        return []


def _previous(path: Path) -> Path:
    return path.with_name(f".{path.name}.previous")


def _standing(path: Path) -> Path:
    """The directory itself, or the one it was about to replace when a writer was killed."""
    if not path.exists() and _previous(path).is_dir():
        return _previous(path)
    return path


def checkpoint_exists(path: Path | str) -> bool:
    """Whether a complete directory of `write_tree` stands there; that it is intact is checked by reading."""
    return _is_complete(_standing(Path(path).expanduser().resolve()))


def _is_complete(path: Path) -> bool:
    """Whether the manifest and all that it lists are there, judged by their sizes."""
    try:
        files = _parse_manifest(path, (path / MANIFEST_NAME).read_bytes())
        return all((path / name).stat().st_size == entry["bytes"] for name, entry in files.items())
    except (CheckpointError, OSError):
        return False


# -------------------------------------------------------------------------------------------- manifest


def _parse_manifest(path: Path, content: bytes) -> dict[str, dict[str, Any]]:
    """The files that a manifest lists: relative path -> sha256 and bytes."""
    try:
        manifest = strict_json(content)
    except ConfigError as error:
        raise CheckpointError(f"{path / MANIFEST_NAME} is damaged: {error}") from error
    try:
        if manifest["format"] != FORMAT_NAME:
            raise CheckpointError(f"{path} is not an {FORMAT_NAME} but {manifest['format']!r}")
        version = manifest["format_version"]
        try:
            require_format(version, FORMAT_VERSION)
        except ConfigError as error:
            raise CheckpointError(f"{path / MANIFEST_NAME} cannot be used: {error}") from error
        files = manifest["files"]
        for name, entry in files.items():
            if not name.isprintable() or Path(name).is_absolute() or ".." in Path(name).parts:
                raise CheckpointError(f"{path / MANIFEST_NAME} is damaged: it lists {name!r}")
            if not isinstance(entry["sha256"], str) or type(entry["bytes"]) is not int:
                raise TypeError(name)
        if _ORBAX_METADATA_NAME not in files:
            raise CheckpointError(
                f"{path / MANIFEST_NAME} is damaged: it does not list {_ORBAX_METADATA_NAME}"
            )
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path / MANIFEST_NAME} is damaged: it is not a manifest") from error
    return files


def _verify(path: Path) -> str:
    """Check every file against the manifest; returns the manifest's own digest."""
    try:
        content = (path / MANIFEST_NAME).read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path} is not a complete checkpoint: cannot read {MANIFEST_NAME}: {error.strerror}"
        ) from error
    files = _parse_manifest(path, content)
    try:
        stored = {name for name in _files_below(path) if name.startswith("state/")}
    except OSError as error:  # A folder in it may vanish while it is listed.
        raise CheckpointError(f"{path} is damaged: cannot list its files: {error.strerror}") from error
    if unlisted := sorted(stored - set(files)):
        raise CheckpointError(
            f"{path} holds a file that is not part of it: {MANIFEST_NAME} does not list {unlisted[0]}; "
            f"move it elsewhere, since it might change what is loaded"
        )
    for name, entry in files.items():
        try:
            size = (path / name).stat().st_size
            if size != entry["bytes"]:
                raise CheckpointError(
                    f"{path} is damaged: {name} has {size} bytes instead of {entry['bytes']}; copy it again"
                )
            digest = _sha256(path / name)
        except OSError as error:
            raise CheckpointError(f"{path} is damaged: cannot read {name}: {error.strerror}") from error
        if digest != entry["sha256"]:
            raise CheckpointError(f"{path} is damaged: {name} has a wrong SHA-256; copy it again")
    return hashlib.sha256(content).hexdigest()


def _files_below(directory: Path) -> Iterator[str]:
    """Relative paths of a directory's files, without litter."""
    for path in directory.rglob("*"):
        name = path.relative_to(directory)
        if path.is_file() and not any(_LITTER.fullmatch(part) for part in name.parts):
            yield name.as_posix()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_manifest(directory: Path) -> None:
    names = sorted(_files_below(directory))
    manifest = {
        "format": FORMAT_NAME,
        "format_version": FORMAT_VERSION,
        "files": {
            name: {"sha256": _sha256(directory / name), "bytes": (directory / name).stat().st_size}
            for name in names
        },
    }
    (directory / MANIFEST_NAME).write_text(json.dumps(manifest, indent=1) + "\n")


# ---------------------------------------------------------------------------------------------- trees


def write_tree(path: Path | str, tree: Mapping[Any, Any], metadata: Mapping[str, Any]) -> None:
    """Write nested dicts of arrays, whole or not at all.

    Args:
        path: Directory to create, or to replace as a whole.
        tree: Nested, non-empty dicts with arrays or numbers as leaves; keys become strings. PRNG keys go
            in as their `key_data`.
        metadata: Values for JSON.

    Raises:
        OutputError: where the directory cannot be written; what lay there before is untouched.
        TypeError: for leaves that are not arrays of numbers or booleans.
    """
    arrays = {"tree": _host_tree(tree)}
    plain_metadata = json.loads(json.dumps(dict(metadata), default=_plain))
    target = Path(path).expanduser().resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not (target.is_dir() and _is_replaceable(target)):
            raise OutputError(
                f"cannot write the checkpoint {target}: something else is there; choose another name"
            )
        prefix = f".{target.name}.partial-"
        for leftover in os.listdir(target.parent):
            if leftover.startswith(prefix):
                shutil.rmtree(target.parent / leftover, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    except OSError as error:
        raise OutputError(f"cannot write the checkpoint {target}: {error.strerror}") from error
    try:
        _require_room(partial / "room", arrays)
        _orbax_save(partial / "new", arrays, plain_metadata)
        # It holds the path of the writer's folder, which is nobody's business; the manifest is the proof.
        (partial / "new" / _ORBAX_COMMIT_NAME).unlink(missing_ok=True)
        _write_manifest(partial / "new")
        _sync(partial / "new")
        _require_readable(partial / "new", arrays["tree"], plain_metadata)
        _replace(partial / "new", target)
    except OSError as error:
        raise OutputError(
            f"cannot write the checkpoint {target}: {_line(error)}; choose another place or make room"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_tree(path: Path | str) -> tuple[Tree, dict[str, Any]]:
    """Read what `write_tree` wrote, after checking every file's digest.

    Returns:
        The tree, with string keys and NumPy arrays, bit for bit as written, and the metadata.

    Raises:
        CheckpointError: for anything that is missing, damaged or foreign.
    """
    tree, metadata, _, _ = _read(Path(path).expanduser().resolve())
    return tree, metadata


def _read(path: Path) -> tuple[Tree, dict[str, Any], Path, str]:
    """Tree, metadata, the directory read and its manifest's digest.

    A writer may replace the directory meanwhile; then it is read again.
    """
    for _ in range(_READ_ATTEMPTS):
        standing, before = _standing(path), _identity(path)
        try:
            digest = _verify(standing)
            tree, metadata = _orbax_load(standing)
        except CheckpointError:
            # Between its two renames a writer's old checkpoint stands under another name, as it was.
            if _standing(path) == standing and _identity(path) == before:
                raise
        else:
            if _identity(path) == before == digest:
                return tree, metadata, standing, digest
    raise CheckpointError(f"{path} is being replaced over and over; try again later")


def _identity(path: Path) -> str | None:
    """Digest of the manifest that stands at the path now, whatever the files hold."""
    try:
        return _sha256(_standing(path) / MANIFEST_NAME)
    except OSError:
        return None


def _is_replaceable(path: Path) -> bool:
    return (path / MANIFEST_NAME).exists() or all(_LITTER.fullmatch(name) for name in os.listdir(path))


def _host_tree(tree: Mapping[Any, Any], path: str = "") -> Tree:
    """Copy of the tree on the host, with string keys."""
    if not tree:
        raise TypeError(f"the tree is empty at {path or 'its root'}")
    result: Tree = {}
    for key, value in tree.items():
        name = f"{path}{key}"
        if isinstance(value, Mapping):
            result[str(key)] = _host_tree(value, f"{name}.")
            continue
        array = np.asarray(value)
        if array.dtype == object or array.dtype.kind in "USOMm":
            raise TypeError(f"leaf {name} is not an array of numbers but {type(value).__name__}")
        if not array.size:
            raise TypeError(f"leaf {name} has no elements, which orbax cannot keep")
        result[str(key)] = array
    if len(result) != len(tree):
        raise TypeError(f"two keys have the same name at {path or 'the root'}")
    return result


def _require_room(path: Path, tree: Tree) -> None:
    """Raise OSError where the disk has no room for the tree, uncompressed.

    Orbax tells of a full disk in a page of its own words, and its threads with tracebacks.
    """
    import jax

    needed_bytes = sum(leaf.nbytes + _LEAF_BYTES for leaf in jax.tree.leaves(tree)) + _TREE_BYTES
    if hasattr(os, "posix_fallocate"):
        with path.open("wb") as file:
            # A quota counts as well, which no question for free space knows of.
            os.posix_fallocate(file.fileno(), 0, needed_bytes)
        path.unlink()
    elif shutil.disk_usage(path.parent).free < needed_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _require_readable(path: Path, tree: Tree, metadata: dict[str, Any]) -> None:
    """Raise OSError where a directory just written does not give back what went in, bit for bit."""
    try:
        _verify(path)
        read_tree, read_metadata = _orbax_load(path)
    except CheckpointError as error:
        raise OSError(f"it cannot be read back: {error}") from error
    written, read = dict(_leaves(tree)), dict(_leaves(read_tree))
    is_same = written.keys() == read.keys() and all(
        (leaf.dtype, leaf.shape, leaf.tobytes()) == (read[name].dtype, read[name].shape, read[name].tobytes())
        for name, leaf in written.items()
    )
    # As text, in which NaN equals NaN.
    is_same &= json.dumps(read_metadata, sort_keys=True) == json.dumps(metadata, sort_keys=True)
    if not is_same:
        raise OSError("what was written is not what is read back")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"metadata holds a {type(value).__name__}, which JSON cannot")


def _replace(new: Path, target: Path) -> None:
    """Put a complete directory in its place; see the module's docstring for the order."""
    previous = _previous(target)
    if target.exists():
        shutil.rmtree(previous, ignore_errors=True)
        target.rename(previous)
    new.rename(target)
    _sync_directory(target.parent)
    shutil.rmtree(previous, ignore_errors=True)


def _sync(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_dir():
            _sync_directory(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------------------------------------- orbax


@contextlib.contextmanager
def _quiet_absl() -> Iterator[None]:
    """Orbax logs through absl what it then raises; once is enough."""
    import absl.logging

    verbosity = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.FATAL)
    try:
        yield
    finally:
        absl.logging.set_verbosity(verbosity)


@contextlib.contextmanager
def _plain_name(directory: Path) -> Iterator[Path]:
    """A directory under a name that no library takes for a pattern or a URL, and that is short and ASCII."""
    if _OPEN_FILES.is_dir():
        descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY)
        try:
            yield _OPEN_FILES / str(descriptor)
        finally:
            os.close(descriptor)
    elif re.fullmatch(r"[A-Za-z0-9 ._/\\:-]+", str(directory)):
        yield directory
    else:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / "link"
            link.symlink_to(directory, target_is_directory=True)
            yield link


def _orbax_save(path: Path, tree: Tree, metadata: dict[str, Any]) -> None:
    import jax
    from orbax.checkpoint import v1 as ocp

    failure = None
    # A failed save leaves coroutines that were never awaited; they warn when they are collected.
    with _ORBAX_LOCK, _quiet_absl(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        try:
            with _plain_name(path.parent) as parent:
                if jax.process_count() > 1:
                    _save_alone(parent / path.name, tree, metadata)
                else:
                    ocp.save(parent / path.name, tree, custom_metadata=metadata)
        except Exception as error:  # a full disk comes from tensorstore as a bare Exception
            failure = _line(error)
        if failure:
            gc.collect()
    if failure:
        raise OSError(failure)


def _save_alone(path: Path, tree: Tree, metadata: dict[str, Any]) -> None:
    """Write what `ocp.save` does, in one of several processes.

    A save of orbax's new interface (0.12.8) compares paths among all processes, whatever its options say.
    """
    import jax
    import orbax.checkpoint as ocp

    index = jax.process_index()
    options = ocp.options.MultiprocessingOptions(primary_host=index, active_processes={index})
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=options),
        state=ocp.PyTreeCheckpointHandler(use_zarr3=True, multiprocessing_options=options),
    )
    with ocp.Checkpointer(handler, multiprocessing_options=options) as checkpointer:
        state = ocp.args.PyTreeSave(tree)
        checkpointer.save(path, ocp.args.Composite(state=state), custom_metadata=metadata)


def _loading_alone() -> contextlib.AbstractContextManager[object]:
    """Let orbax wait for no other process."""
    import jax
    from orbax.checkpoint import v1 as ocp

    if jax.process_count() == 1:
        return contextlib.nullcontext()
    index = jax.process_index()
    options = ocp.options.MultiprocessingOptions(primary_host=index, active_processes={index})
    return ocp.Context(multiprocessing_options=options)


def _orbax_load(path: Path) -> tuple[Tree, dict[str, Any]]:
    from orbax.checkpoint import v1 as ocp

    try:
        metadata = json.loads((path / _ORBAX_METADATA_NAME).read_bytes())["custom_metadata"]
        with _ORBAX_LOCK, _quiet_absl(), _plain_name(path) as directory, _loading_alone():
            _read_through(directory / "state")
            tree = ocp.load(directory, checkpointable_name="state")["tree"]
    except Exception as error:  # orbax raises bare Exceptions, see its source
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {_line(error)}") from error
    if not isinstance(tree, dict) or not isinstance(metadata, dict):
        raise CheckpointError(f"{path} cannot be read as a checkpoint: it holds no tree")
    return tree, metadata


def _read_through(store: Path) -> None:
    """Read every entry once, in this thread.

    Orbax reads all entries at once in an event loop that it closes at the first failure; the others, still
    under way, then print tracebacks from tensorstore's threads. Whatever cannot be read has to fail here.
    """
    import tensorstore

    entries = tensorstore.KvStore.open({"driver": "ocdbt", "base": f"{store.as_uri()}/"}).result()
    for key in entries.list().result():
        entries.read(key).result()


def _line(error: BaseException) -> str:
    """As `reason_of`, also of a full disk in tensorstore's words."""
    if "RESOURCE_EXHAUSTED" in str(error) and "No space left" in str(error):
        return os.strerror(errno.ENOSPC)
    return reason_of(error)


# --------------------------------------------------------------------------------------------- models


def package_versions(packages: Iterable[str] = _PACKAGES) -> dict[str, str]:
    """Versions of those packages that are installed; by default of all that shape a result."""
    versions = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def model_metadata(config: ModelConfig, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata by which `load_checkpoint` knows a tree with the parameters under "params".

    `versions` and `date` are added to the provenance where they are missing.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "config": config.to_dict(),
        "provenance": {"versions": package_versions(), "date": now, **provenance},
    }


def parameter_tree(model_or_parameters: Any) -> Tree:
    """The parameters as nested dicts of NumPy arrays, named as in `update.layers.0.kernel`.

    Args:
        model_or_parameters: An `nnx.Module`, its `nnx.Param` state, or that state's pure dict.
    """
    import jax
    from flax import nnx

    parameters = model_or_parameters
    if isinstance(parameters, nnx.Module):
        parameters = nnx.state(parameters, nnx.Param)
    if isinstance(parameters, nnx.State):
        parameters = nnx.to_pure_dict(parameters)
    return _host_tree(jax.device_get(parameters))


def save_checkpoint(
    path: Path | str, model_or_parameters: Any, config: ModelConfig, provenance: Mapping[str, Any]
) -> None:
    """Write an automaton: its parameters, hyperparameters and where it comes from.

    Args:
        path: Directory to create, or to replace as a whole.
        model_or_parameters: As for `parameter_tree`.
        config: The automaton's hyperparameters.
        provenance: `recipe`, `step`, `metrics`; see `model_metadata` for what is added.

    Raises:
        OutputError: where the directory cannot be written; what lay there before is untouched.
    """
    write_tree(path, {_PARAMETERS: parameter_tree(model_or_parameters)}, model_metadata(config, provenance))


def load_checkpoint(path_or_name: Path | str) -> tuple[AttentionNCA, CheckpointInfo]:
    """Rebuild an automaton from its checkpoint alone.

    Nothing is initialised or compiled on the way, so this is quick, and it may run in any thread.

    Args:
        path_or_name: As for `resolve_checkpoint`.

    Raises:
        CheckpointError: for anything missing, damaged or foreign, for leaves that disagree with the stored
            configuration, and for parameters that are not finite.
    """
    tree, metadata, path, digest = _read(resolve_checkpoint(path_or_name))
    try:
        config = ModelConfig.from_dict(metadata["config"])
        provenance = dict(metadata["provenance"])
        parameters = tree[_PARAMETERS]
        if not isinstance(parameters, dict):
            raise TypeError(_PARAMETERS)
    except ConfigError as error:
        raise CheckpointError(f"{path} has an unusable configuration: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        nearby = [str(neighbour) for neighbour in _checkpoints_near(path)]
        remedy = f"did you mean {nearby[0]!r}?" if nearby else "choose another"
        raise CheckpointError(
            f"{path} is a checkpoint of something else than an automaton; {remedy}"
        ) from error
    try:
        model = build_model(config, parameters)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return model, CheckpointInfo(path, config, provenance, FORMAT_VERSION, digest)


def build_model(config: ModelConfig, parameters: Mapping[Any, Any]) -> AttentionNCA:
    """An automaton with these parameters; nothing is initialised or compiled.

    Args:
        config: The automaton's hyperparameters.
        parameters: As from `parameter_tree`.

    Raises:
        CheckpointError: where the parameters do not fit the configuration or are not finite.
    """
    import jax
    import jax.numpy as jnp
    from flax import nnx

    graphdef, *states = _structure(config)
    # Copies, to be filled.
    abstract, rest = jax.tree.map(lambda leaf: leaf, states)
    _check_leaves(dict(_leaves(nnx.to_pure_dict(abstract))), dict(_leaves(parameters)))
    pure = jax.tree.map(jnp.asarray, nnx.restore_int_paths(dict(parameters)))
    nnx.replace_by_pure_dict(abstract, pure)
    return nnx.merge(graphdef, abstract, rest)


@lru_cache(maxsize=8)
def _structure(config: ModelConfig) -> tuple[Any, Any, Any]:
    """Of an automaton: its graph, the shapes of its parameters, and the rest, which no checkpoint keeps.

    To find them the modules are traced, which takes longer than to read a checkpoint: once is enough.
    """
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from nca_viewer.automaton.system import AttentionNCA

    parts: Any = nnx.split(nnx.eval_shape(lambda: AttentionNCA(config, rngs=nnx.Rngs(0))), nnx.Param, ...)
    graphdef, parameters, rest = parts

    def concrete(leaf: Any) -> Any:
        """The dropout's own stream."""
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.key(0)
        return jnp.asarray(np.zeros(leaf.shape, leaf.dtype))

    return graphdef, parameters, jax.tree.map(concrete, rest)


def _check_leaves(expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for name in expected:
        if name not in found:
            raise CheckpointError(f"the parameters do not fit the configuration: {name} is missing")
    for name, array in found.items():
        if name not in expected:
            raise CheckpointError(
                f"the parameters do not fit the configuration: {name} is not part of the automaton"
            )
        shape, dtype = expected[name].shape, expected[name].dtype
        if array.shape != shape:
            raise CheckpointError(
                f"the parameters do not fit the configuration: {name} has shape {array.shape}, "
                f"expected {shape}"
            )
        if array.dtype != dtype:
            raise CheckpointError(
                f"the parameters are of a wrong type: {name} is {array.dtype}, expected {dtype}"
            )
        if count := int((~np.isfinite(array)).sum()):
            raise CheckpointError(
                f"the parameters are unusable: {name} has {count} values that are not finite numbers"
            )


def _leaves(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf with its dotted path."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
