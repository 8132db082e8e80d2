"""The guided tour: records with captions that ship with the viewer, and how long they take to watch."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nca_viewer.assets import demo_files
from nca_viewer.errors import ConfigError
from nca_viewer.pacing import Tempo
from nca_viewer.recording.lines import Edit, Header, Line, Position
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


def timed(header: Header, lines: Iterable[Line], tempo: Tempo) -> Iterator[tuple[float, Line]]:
    """When each line of a record comes, in seconds from its start, where steps come at a tempo."""
    seconds, hand_step, at = 0.0, 0, Position(header.episode, 0)
    for line in lines:
        for step in range(at.step, line.at.step):
            seconds += 1.0 / tempo.steps_per_second(step, hand_step)
        yield seconds, line
        at = line.at.after(line.what)
        if at != line.at:
            hand_step = 0
        elif isinstance(line.what, Edit):
            hand_step = at.step
