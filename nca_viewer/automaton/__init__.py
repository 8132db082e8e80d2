"""The automaton: JAX only; it knows nothing of time, keys or screens.

Importing this package starts no JAX; its names are imported when they are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nca_viewer.automaton.edits import corrupt, disc, erase, paint
    from nca_viewer.automaton.episodes import masked_start, seed_state
    from nca_viewer.automaton.experiments import Experiments
    from nca_viewer.automaton.explanation import Explanation
    from nca_viewer.automaton.layout import MOORE_OFFSETS
    from nca_viewer.automaton.rollout import Dynamics
    from nca_viewer.automaton.stepper import Stepper, prepare
    from nca_viewer.automaton.system import AttentionNCA, render, visible

_HOMES = {
    "MOORE_OFFSETS": "layout",
    "AttentionNCA": "system",
    "Dynamics": "rollout",
    "Experiments": "experiments",
    "Explanation": "explanation",
    "Stepper": "stepper",
    "corrupt": "edits",
    "disc": "edits",
    "erase": "edits",
    "masked_start": "episodes",
    "paint": "edits",
    "prepare": "stepper",
    "render": "system",
    "seed_state": "episodes",
    "visible": "system",
}

__all__ = [
    "MOORE_OFFSETS",
    "AttentionNCA",
    "Dynamics",
    "Experiments",
    "Explanation",
    "Stepper",
    "corrupt",
    "disc",
    "erase",
    "masked_start",
    "paint",
    "prepare",
    "render",
    "seed_state",
    "visible",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
