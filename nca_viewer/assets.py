"""Finds what ships with the viewer, in a wheel, an sdist and an editable install alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import assets
from nca_viewer.errors import CheckpointError

_MANIFEST_NAME = "MANIFEST.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """How a bundled automaton came to do what it does.

    Attributes:
        text: Name of the exhibit's text that says so.
        sentence: The same for the help screen.
        heals: Whether it heals damage.
    """

    text: str
    sentence: str
    heals: bool


ORIGINS: dict[str, Origin] = {
    "model": Origin(
        "made_model",
        "The memory its cells have of their diagonals was designed; how they restore a digit was learned.",
        heals=True,
    ),
    "seed-recipe": Origin(
        "made_seed_recipe",
        "All of it was learned, from half-forgotten digits; it never saw damage, and heals none.",
        heals=False,
    ),
    "learned": Origin(
        "made_learned",
        "All of it was learned, and nothing designed: it heals because it was damaged while it learned.",
        heals=True,
    ),
}
"""By the name of the bundled checkpoint."""


def _directory(name: str) -> Path:
    return Path(assets.__file__).resolve().parent / name


def handwriting_file() -> Path:
    """The control points of the digits, JSON; see `nca_viewer.handwriting`."""
    return _directory("handwriting") / "digits.json"


def classifier_file() -> Path:
    """Parameters of the digit classifier, NPZ, its provenance beside it; see `nca_viewer.opinion`."""
    return _directory("classifier") / "digits.npz"


def demo_files() -> dict[str, Path]:
    """The guided tour by name, in its order, a record each; see `nca_viewer.demos`.

    The files are called NUMBER-NAME.jsonl.
    """
    return {path.stem.partition("-")[2]: path for path in sorted(_directory("demos").glob("*.jsonl"))}


def language_folder() -> Path:
    """The exhibit's languages, a TOML file each; see `nca_viewer.kiosk.texts`."""
    return _directory("exhibit") / "languages"


def bundled_checkpoint_names() -> tuple[str, ...]:
    """Names of the bundled checkpoints, sorted."""
    return tuple(sorted(path.parent.name for path in _directory("checkpoints").glob(f"*/{_MANIFEST_NAME}")))


def next_bundled(name: str) -> str:
    """The bundled checkpoint after the one of a name, in a circle; the first after any other name."""
    names = bundled_checkpoint_names()
    return names[(names.index(name) + 1) % len(names)] if name in names else names[0]


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


def origin_of(checkpoint: Path) -> Origin | None:
    """How the automaton of a checkpoint's directory came to be; None where it is not a bundled one."""
    is_bundled = checkpoint.resolve().parent == _directory("checkpoints")
    return ORIGINS.get(checkpoint.name) if is_bundled else None
