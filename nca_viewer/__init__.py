"""A neural cellular automaton in a window, to watch and to paint on.

Importing this package changes nothing in the importing process; its names are imported when they are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nca_viewer.assets import bundled_checkpoint_names
    from nca_viewer.automaton.episodes import masked_start, seed_state
    from nca_viewer.automaton.system import AttentionNCA, visible
    from nca_viewer.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
    from nca_viewer.config import ModelConfig
    from nca_viewer.errors import UserError
    from nca_viewer.launch import view

    __version__: str

_HOMES = {
    "AttentionNCA": "automaton.system",
    "CheckpointInfo": "checkpoint",
    "ModelConfig": "config",
    "UserError": "errors",
    "bundled_checkpoint_names": "assets",
    "load_checkpoint": "checkpoint",
    "masked_start": "automaton.episodes",
    "save_checkpoint": "checkpoint",
    "seed_state": "automaton.episodes",
    "view": "launch",
    "visible": "automaton.system",
}

__all__ = [
    "AttentionNCA",
    "CheckpointInfo",
    "ModelConfig",
    "UserError",
    "__version__",
    "bundled_checkpoint_names",
    "load_checkpoint",
    "masked_start",
    "save_checkpoint",
    "seed_state",
    "view",
    "visible",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from nca_viewer.version import version

        return version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
