"""Whether a place can be written, asked before the work whose result goes there."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from nca_viewer.atomic_files import mode_at, output_error


def require_writable(path: str | os.PathLike[str]) -> None:
    """Check that a file can be written at `path`, which is left as it is.

    Raises:
        OutputError: if not.
    """
    target = Path(os.path.expanduser(path))
    try:
        if stat.S_ISDIR(mode_at(target)):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise output_error(target, error) from error
