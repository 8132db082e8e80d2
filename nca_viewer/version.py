"""Which version this is."""

from __future__ import annotations

import importlib.metadata


def version() -> str:
    """The installed version; "source" where the program runs from a folder without being installed."""
    try:
        return importlib.metadata.version("nca-viewer")
    except importlib.metadata.PackageNotFoundError:
        return "source"
