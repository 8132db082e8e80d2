"""Which program, and which version of it, this is."""

from __future__ import annotations

import importlib.metadata

PROGRAM = "nca-viewer"
"""The command, and the distribution that it comes in."""


def version() -> str:
    """The installed version; "source" where the program runs from a folder without being installed."""
    try:
        return importlib.metadata.version(PROGRAM)
    except importlib.metadata.PackageNotFoundError:
        return "source"
