"""Several automata side by side: one door for all of them, and what is shown of them in one image."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nca_viewer.automaton.experiments import Experiments
from nca_viewer.automaton.explanation import Explain
from nca_viewer.config import ModelConfig
from nca_viewer.errors import ConfigError
from nca_viewer.interaction.actions import Tool
from nca_viewer.moment import Moment, Start
from nca_viewer.snapshot import Snapshot

if TYPE_CHECKING:
    from nca_viewer.simulation import PendingSnapshot, Simulation, SimulationListener


class PaneStates(tuple[object, ...]):
    """The state of each automaton, in their order, as that of a composite `Moment`."""

    @property
    def nbytes(self) -> int:
        """What all of them hold."""
        return sum(state.nbytes for state in self)  # type: ignore[attr-defined]


class PendingPanes:
    """A snapshot of every automaton, some of which the device may still be computing."""

    def __init__(self, parts: Sequence[PendingSnapshot]) -> None:
        """Hold on to them."""
        self._parts = tuple(parts)

    @property
    def is_ready(self) -> bool:
        """Whether `result` would not have to wait."""
        return all(part.is_ready for part in self._parts)

    def result(self) -> Snapshot:
        """The first one's, with all of them as its panes; healthy where every one is."""
        panes = tuple(part.result() for part in self._parts)
        return dataclasses.replace(
            panes[0], panes=panes, is_healthy=all(snapshot.is_healthy for snapshot in panes)
        )


class Panes:
    """Several automata that live in step: what is done to them is done to every one.

    It has the door of a `Simulation`. Every automaton goes through the very states that it has alone with the
    same seed and the same hands, bit for bit.

    Attributes:
        simulations: One for each pane, in their order; their grids and kinds of picture agree.
        listeners: Hear of every change, once all automata have it.
    """

    def __init__(self, simulations: Sequence[Simulation]) -> None:
        """Take some automata, at the same moment."""
        self.simulations = tuple(simulations)
        self.listeners: list[SimulationListener] = []

    @property
    def config(self) -> ModelConfig:
        """Of the first; the others may differ in all but the grid and the picture."""
        return self.simulations[0].config

    @property
    def seed(self) -> int:
        """Of everything random."""
        return self.simulations[0].seed

    @property
    def step(self) -> int:
        """Steps since the start of the episode."""
        return self.simulations[0].step

    @property
    def episode(self) -> int:
        """Number of the episode, from 0."""
        return self.simulations[0].episode

    def warm_up(self, *, experiments: bool = False) -> None:
        """Compile what each of them needs; what they share is compiled once. See `Simulation.warm_up`."""
        for simulation in self.simulations:
            simulation.warm_up(experiments=experiments)

    def begin(self, image: np.ndarray, mask_ratio: float) -> None:
        """Start a new episode of all of them, see `Simulation.begin`."""
        for simulation in self._same_episode():
            simulation.begin(image, mask_ratio)
        self._tell_start(Start.BEGIN)

    def reset(self) -> None:
        """Go back to the exact start of this episode."""
        for simulation in self._same_episode():
            simulation.reset()
        self._tell_start(Start.RESET)

    def restart(self) -> None:
        """Start a new episode from the same image."""
        for simulation in self._same_episode():
            simulation.restart()
        self._tell_start(Start.BEGIN)

    def _same_episode(self) -> tuple[Simulation, ...]:
        """All of them, in the same episode, also where a start failed half-way."""
        for simulation in self.simulations:
            simulation.episode = self.episode
        return self.simulations

    def advance(self, steps: int) -> None:
        """Take some steps with all of them."""
        for simulation in self.simulations:
            simulation.advance(steps)
        if steps > 0:
            for listener in tuple(self.listeners):
                listener.advanced(steps)

    def apply(self, tool: Tool, region: np.ndarray, ink: float = 1.0) -> None:
        """Let a tool act on the same cells of all of them."""
        for simulation in self.simulations:
            simulation.apply(tool, region, ink)
        for listener in tuple(self.listeners):
            listener.edited(tool, region, ink)

    def moment(self) -> Moment:
        """All of the present; its state is `PaneStates`."""
        moments = [simulation.moment() for simulation in self.simulations]
        return dataclasses.replace(moments[0], state=PaneStates(moment.state for moment in moments))

    def restore(self, moment: Moment) -> None:
        """Make a moment of these automata the present."""
        for simulation, state in zip(self.simulations, moment.state, strict=True):
            simulation.restore(dataclasses.replace(moment, state=state))
        self._tell_start(Start.RESTORE)

    def _tell_start(self, start: Start) -> None:
        for listener in tuple(self.listeners):
            listener.started(start)

    @property
    def experiments(self) -> Experiments:
        """Changes to all of them; setting them raises ConfigError for what one of them does not have."""
        return self.simulations[0].experiments

    @experiments.setter
    def experiments(self, experiments: Experiments) -> None:
        self.require_experiments(experiments)
        for simulation in self.simulations:
            simulation.experiments = experiments
        self._tell_start(Start.EXPERIMENT)

    def require_experiments(self, experiments: Experiments) -> None:
        """Check that all of them have what is changed; raises ConfigError."""
        for simulation in self.simulations:
            simulation.require_experiments(experiments)

    def prepare_experiments(self) -> None:
        """Begin to compile what runs experiments, in the background."""
        for simulation in self.simulations:
            simulation.prepare_experiments()

    @property
    def are_experiments_ready(self) -> bool:
        """Whether steps under experiments would not have to wait for the compiler."""
        return all(simulation.are_experiments_ready for simulation in self.simulations)

    @property
    def is_busy(self) -> bool:
        """Whether the device is still computing what was asked for last."""
        return any(simulation.is_busy for simulation in self.simulations)

    def request_snapshot(self, *, explain: Explain = Explain.NOTHING) -> PendingPanes:
        """Ask for the current moment of all of them."""
        return PendingPanes([s.request_snapshot(explain=explain) for s in self.simulations])


def require_same_grid(first: tuple[str, ModelConfig], *others: tuple[str, ModelConfig]) -> None:
    """Check that automata can stand side by side: the same grid, and the same kind of picture.

    Args:
        first: A checkpoint's name, and its automaton's hyperparameters.
        others: Likewise.

    Raises:
        ConfigError: naming both, and their grids.
    """
    name, config = first
    for other, other_config in others:
        if other_config.image_shape != config.image_shape:
            raise ConfigError(
                f"{name} has a grid of {_grid(config)} and {other} one of {_grid(other_config)}; "
                "side by side, choose automata of the same grid"
            )


def _grid(config: ModelConfig) -> str:
    colours = {1: "grey", 3: "RGB"}[config.visible_channel_size]
    return f"{config.height} x {config.width} cells in {colours}"
