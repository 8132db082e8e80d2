"""Is there one Pygame, and is it whole? pygame and its fork pygame-ce are imported by the same name.

Both consist of files of the same names. Where both are installed, those of the later one lie over the others,
and to uninstall one takes files from the other.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys

from nca_viewer.errors import ConfigError

_NAMES = ("pygame", "pygame-ce")
_WANTED = _NAMES[sys.version_info >= (3, 14)]
REMEDY = f"pip uninstall -y {' '.join(_NAMES)}, then pip install {_WANTED}"


def pygame_trouble() -> str:
    """What is wrong with it, as far as can be told without importing it; empty where nothing is."""
    installed = [name for name in _NAMES if _is_installed(name)]
    if len(installed) > 1:
        return f"{' and '.join(installed)} are both installed, and overwrite each other's files"
    specification = importlib.util.find_spec("pygame")
    if specification is None:
        return f"{_WANTED} is not installed"
    if specification.origin is None:  # Its folder is there, and its first file is not.
        return f"{' '.join(installed) or 'pygame'} lacks files"
    return ""


def require_pygame() -> None:
    """Import Pygame.

    Raises:
        ConfigError: it is damaged, missing, or there twice; says what to do.
    """
    if trouble := pygame_trouble():
        raise ConfigError(f"{trouble}; {REMEDY}")
    try:
        import pygame.display
        import pygame.font
        import pygame.surfarray  # noqa: F401
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"pygame cannot be imported: {error}; {REMEDY}") from error


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
