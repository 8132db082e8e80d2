"""Where results go: files that are never half written."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from nca_viewer.whole_files import mode_at, output_error
from nca_viewer.whole_files import output_file as atomic_output

__all__ = ["atomic_output", "require_writable"]


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
