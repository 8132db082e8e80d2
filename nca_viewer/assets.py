"""Finds what ships with the viewer, in a wheel, an sdist and an editable install alike."""

from __future__ import annotations

from pathlib import Path

import assets
from nca_viewer.errors import CheckpointError

_MANIFEST_NAME = "MANIFEST.json"


def _directory(name: str) -> Path:
    return Path(assets.__file__).resolve().parent / name


def handwriting_file() -> Path:
    """The control points of the digits, JSON; see `nca_viewer.handwriting`."""
    return _directory("handwriting") / "digits.json"


def language_folder() -> Path:
    """The exhibit's languages, a TOML file each; see `nca_viewer.kiosk.texts`."""
    return _directory("exhibit") / "languages"


def bundled_checkpoint_names() -> tuple[str, ...]:
    """Names of the bundled checkpoints, sorted."""
    return tuple(sorted(path.parent.name for path in _directory("checkpoints").glob(f"*/{_MANIFEST_NAME}")))


def bundled_checkpoint(name: str) -> Path:
    """Directory of the bundled checkpoint of that name.

    Raises:
        CheckpointError: where there is none; the message lists the names.
    """
    names = bundled_checkpoint_names()
    if name not in names:
        raise CheckpointError(
            f"no bundled checkpoint is called {name!r}; the bundled ones are {', '.join(names) or '(none)'}"
        )
    return _directory("checkpoints") / name
