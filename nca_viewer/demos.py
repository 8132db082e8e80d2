"""The guided tour: records with captions that ship with the viewer."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from pathlib import Path

from nca_viewer.assets import demo_files
from nca_viewer.errors import ConfigError
from nca_viewer.recording.reader import read_header


@dataclass(frozen=True, slots=True)
class Demo:
    """One of the tour.

    Attributes:
        name: As `--demo` takes it.
        title: In words.
        path: Of its record.
    """

    name: str
    title: str
    path: Path


@functools.cache
def demos() -> tuple[Demo, ...]:
    """All there are, in the order of the tour; one whose file is damaged is called by its name."""
    found = []
    for name, path in demo_files().items():
        with contextlib.suppress(ConfigError):  # Whoever wants to see it is told.
            found.append(Demo(name, read_header(path).title, path))
            continue
        found.append(Demo(name, name, path))
    return tuple(found)
