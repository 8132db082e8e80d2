"""Files that appear whole or not at all: written beside their place, then renamed; and what stands there."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nca_viewer.errors import OutputError, reason_of

_LONGEST_STEM_BYTES = 200


def mode_at(path: Path) -> int:
    """Type and permissions of what stands at a path (`stat.S_ISDIR` tells a folder); 0 where nothing does.

    For where it matters that nobody can tell: from Python 3.14 on, `Path.exists`, `is_file` and `is_dir` are
    also False for a name that is too long, in a closed folder, and on a disk that fails.

    Raises:
        OSError: nobody can tell.
    """
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except ValueError as error:  # a null byte
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path)) from error


@contextmanager
def whole_file(
    path: Path, *, durable: bool = True, make_parents: bool = False, only_writer: bool = False
) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well, else is removed.

    The temporary name keeps the suffix, from which writers tell the format.

    Args:
        path: The file.
        durable: Whether it should also survive that the power fails, for the price of waiting for the disk.
        make_parents: Whether to make folders that are missing above it.
        only_writer: Whether no other program writes this file. Then the temporary file has always the same
            name, so that programs that are killed leave no heap of them.

    Raises:
        OSError: it could not be written; what lay there before is untouched.
    """
    if make_parents:
        path.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISDIR(mode_at(path)):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    writer = "" if only_writer else f".{os.getpid()}"
    stem = path.stem
    if len(os.fsencode(stem)) > _LONGEST_STEM_BYTES:  # The system limits names to 255 bytes.
        stem = hashlib.sha256(os.fsencode(stem)).hexdigest()
    temporary = path.with_name(f".{stem}{writer}.partial{path.suffix}")
    try:
        yield temporary
        if durable:
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, make_parents: bool = False) -> Iterator[Path]:
    """As `whole_file`, for a file that a person asked for.

    As if it were written in place, it takes the place of what a link leads to, and a file that may not be
    written stays as it is, where a renaming would ask neither. Devices and pipes are left alone.

    Raises:
        OutputError: it could not be written.
    """
    target = Path(os.path.expanduser(path))
    try:
        end = Path(os.path.realpath(target))
        mode = mode_at(end)
        if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            # A renaming would put a file in the place of a device.
            raise OSError(errno.EINVAL, "it is a device, a pipe or a socket, and not a file")
        if end.exists() and not os.access(end, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with whole_file(end, make_parents=make_parents) as temporary:
            yield temporary
    except OSError as error:
        raise output_error(target, error) from error


def output_error(target: Path, error: OSError) -> OutputError:
    """What a person is told of a file that cannot be written."""
    return OutputError(f"cannot write {str(target)!r}: {reason_of(error)}; choose another place or make room")


def free_path(folder: Path, stem: str, suffix: str) -> Path:
    """A name in the folder that no file has yet."""
    path = folder / f"{stem}{suffix}"
    number = 2
    while path.exists():
        path = folder / f"{stem}-{number}{suffix}"
        number += 1
    return path
