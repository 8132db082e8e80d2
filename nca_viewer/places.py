"""The user's own folders, each of which the programs can do without."""

from __future__ import annotations

from pathlib import Path

from nca_viewer.version import PROGRAM

NO_HOME = "this user has no home folder"


def cache_folder() -> Path | None:
    """For what can be made again; None where there is no home folder, nor XDG_CACHE_HOME."""
    return _user_folder("user_cache_path", PROGRAM)


def state_folder() -> Path | None:
    """For status and records of faults; None where there is no home folder, nor XDG_STATE_HOME."""
    return _user_folder("user_state_path", PROGRAM)


def log_folder() -> Path | None:
    """For logs; None where there is no home folder, nor XDG_STATE_HOME."""
    return _user_folder("user_log_path", PROGRAM)


def pictures_folder() -> Path | None:
    """The user's pictures; None where there is no such folder."""
    folder = _user_folder("user_pictures_path")
    try:
        return folder if folder is not None and folder.is_dir() else None
    except OSError:
        return None


def _user_folder(name: str, *arguments: str) -> Path | None:
    import platformdirs

    try:
        folder: Path = getattr(platformdirs, name)(*arguments)
    except Exception:  # No home, or a file of settings that is not understood: nothing that cannot be spared.
        return None
    return folder if folder.is_absolute() else None
