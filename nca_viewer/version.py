"""Which program, and which version of it, this is."""

from __future__ import annotations

PROGRAM = "nca-viewer"
"""The command, and the distribution that it comes in."""


def version() -> str:
    """The installed version; "source" where the program runs from a folder without being installed."""
    import importlib.metadata  # Takes longer than all that a program imports before it can be interrupted.

    try:
        return importlib.metadata.version(PROGRAM)
    except importlib.metadata.PackageNotFoundError:
        return "source"
