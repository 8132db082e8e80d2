"""What hands change of a running automaton: pure functions from experiments and an action to experiments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nca_viewer.automaton.experiments import Experiments
from nca_viewer.interaction.actions import (
    Action,
    ChangeExperiment,
    EndExperiments,
    KillStroke,
    ToggleChannel,
    ToggleHead,
    ToggleNeighbour,
)
from nca_viewer.interaction.strokes import stroke_region

UPDATE_RATES: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
NOISE_STDS: tuple[float, ...] = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
STEP_SIZE_FACTORS: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)

NEIGHBOUR_NAMES = ("NW", "N", "NE", "W", "itself", "E", "SW", "S", "SE")
"""In the order of `MOORE_OFFSETS`."""


def _moved(ladder: Sequence[float], value: float, rungs: int, neutral: float) -> float:
    """The value so many rungs up or down from where it is; `neutral`, exactly, is one of the rungs."""
    others = [rung for rung in ladder if not math.isclose(rung, neutral)]
    beyond = [
        rung
        for rung in sorted([*others, neutral], reverse=rungs < 0)
        if not math.isclose(rung, value) and (rung > value) == (rungs > 0)
    ]
    return beyond[min(abs(rungs), len(beyond)) - 1] if beyond else value


def changed(
    experiments: Experiments, action: Action, *, grid_size: tuple[int, int], trained_rate: float
) -> Experiments:
    """The experiments after an action; others change none.

    Args:
        experiments: Until now.
        action: What is asked for.
        grid_size: (height, width) in cells.
        trained_rate: The update rate that the automaton was trained with.
    """
    match action:
        case EndExperiments():
            return Experiments()
        case ToggleHead(head):
            return replace(experiments, muted_heads=experiments.muted_heads ^ {head})
        case ToggleNeighbour(number):
            kept = [is_kept ^ (n == number) for n, is_kept in enumerate(experiments.neighbours)]
            kept[4] = True  # A cell always sees itself.
            return replace(experiments, neighbours=tuple(kept))
        case ToggleChannel(channel, how):
            zeroed, frozen = experiments.zeroed_channels - {channel}, experiments.frozen_channels - {channel}
            if how == "zero":
                zeroed = experiments.zeroed_channels ^ {channel}
            else:
                frozen = experiments.frozen_channels ^ {channel}
            return replace(experiments, zeroed_channels=zeroed, frozen_channels=frozen)
        case ChangeExperiment("rate", rungs):
            before = trained_rate if experiments.update_rate is None else experiments.update_rate
            rate = _moved(UPDATE_RATES, before, rungs, trained_rate)
            return replace(experiments, update_rate=None if rate == trained_rate else rate)
        case ChangeExperiment("noise", rungs):
            return replace(experiments, noise_std=_moved(NOISE_STDS, experiments.noise_std, rungs, 0.0))
        case ChangeExperiment("step size", rungs):
            factor = _moved(STEP_SIZE_FACTORS, experiments.step_size_factor, rungs, 1.0)
            return replace(experiments, step_size_factor=factor)
        case KillStroke(start, end, radius):
            return experiments.killing(stroke_region(start, end, radius, *grid_size))
    return experiments


def told(experiments: Experiments) -> tuple[str, ...]:
    """What is changed, a few words each; nothing where nothing is."""
    texts = []
    if experiments.muted_heads:
        heads = sorted(experiments.muted_heads)
        texts.append(f"muted: head{'s' if len(heads) > 1 else ''} {', '.join(map(str, heads))}")
    for word, channels in (("zero", experiments.zeroed_channels), ("frozen", experiments.frozen_channels)):
        if channels:
            texts.append(f"{word}: channel {', '.join(map(str, sorted(channels)))}")
    if not all(experiments.neighbours):
        blind = [
            name for name, is_seen in zip(NEIGHBOUR_NAMES, experiments.neighbours, strict=True) if not is_seen
        ]
        texts.append(f"not seen: {', '.join(blind)}")
    if experiments.update_rate is not None:
        texts.append(f"{experiments.update_rate:.0%} of cells fire")
    if experiments.noise_std:
        texts.append(f"noise {experiments.noise_std:g}")
    if experiments.step_size_factor != 1.0:
        texts.append(f"step size x {experiments.step_size_factor:g}")
    if experiments.dead_cells is not None:
        texts.append(f"{int(np.count_nonzero(experiments.dead_cells))} dead cells")
    return tuple(texts)
