"""What can be changed in a trained automaton while it runs; imports no JAX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from nca_viewer.config import ModelConfig, require_range
from nca_viewer.errors import ConfigError, shown

MIN_UPDATE_RATE = 0.05
MAX_NOISE_STD = 1.0
MAX_STEP_SIZE_FACTOR = 4.0


class ExperimentArrays(NamedTuple):
    """`Experiments` as arrays of fixed shapes, the arguments of a compiled function.

    Attributes:
        head_gains: float32[heads], factor on each head's result; 0 for muted ones.
        is_zeroed: bool[channel_size].
        is_frozen: bool[channel_size].
        is_dead: bool[H, W].
        update_rate: float32[].
        noise_std: float32[].
        step_size_factor: float32[].
        neighbours: bool[9].
    """

    head_gains: Any
    is_zeroed: Any
    is_frozen: Any
    is_dead: Any
    update_rate: Any
    noise_std: Any
    step_size_factor: Any
    neighbours: Any


@dataclass(frozen=True, eq=False, slots=True)
class Experiments:
    """Changes to a running automaton; the defaults change nothing.

    They take hold with the next step. Where they contradict each other, dead cells and zeroed channels win
    over everything else, frozen channels over update and noise.

    Attributes:
        muted_heads: Attention heads whose result counts as zero.
        zeroed_channels: Channels that hold zero in every cell, before and after each step.
        frozen_channels: Channels that keep their value; none of `zeroed_channels`.
        dead_cells: bool[H, W], cells that hold a state of zeros and never update; None for none. A read-only
            copy of what was given.
        update_rate: Probability that a cell fires in one step, from 0.05 to 1; None is the trained
            1 - cell_dropout_rate. A firing cell's update keeps the trained factor
            1 / (1 - cell_dropout_rate), whatever the rate: its own change stays what was learned, and the
            whole gets faster or slower. With the same key a higher rate lets the same cells fire and more.
        noise_std: Standard deviation of Gaussian noise added to every channel of every cell in each step,
            whether it fires or not, from 0 to 1; before the state limit.
        step_size_factor: Factor on the step size, from 0 to 4.
        neighbours: bool[9] in the order of `MOORE_OFFSETS`, those that a cell attends to; the cell itself, in
            the middle, always counts.
    """

    muted_heads: frozenset[int] = frozenset()
    zeroed_channels: frozenset[int] = frozenset()
    frozen_channels: frozenset[int] = frozenset()
    dead_cells: np.ndarray | None = None
    update_rate: float | None = None
    noise_std: float = 0.0
    step_size_factor: float = 1.0
    neighbours: tuple[bool, ...] = (True,) * 9

    def __post_init__(self) -> None:
        for name in ("muted_heads", "zeroed_channels", "frozen_channels"):
            object.__setattr__(self, name, _numbers(name, getattr(self, name)))
        both = self.zeroed_channels & self.frozen_channels
        if both:
            raise ConfigError(f"channel {min(both)} cannot be both zeroed and frozen; choose one")
        if self.dead_cells is not None:
            dead = np.array(self.dead_cells)
            if dead.dtype != bool or dead.ndim != 2:
                raise ConfigError(
                    f"dead_cells is {dead.dtype}{list(dead.shape)}; it must be bool[height, width]"
                )
            dead.flags.writeable = False
            object.__setattr__(self, "dead_cells", dead)
        if self.update_rate is not None:
            require_range("update_rate", self.update_rate, MIN_UPDATE_RATE, 1.0)
        require_range("noise_std", self.noise_std, 0.0, MAX_NOISE_STD)
        require_range("step_size_factor", self.step_size_factor, 0.0, MAX_STEP_SIZE_FACTOR)
        neighbours = np.asarray(self.neighbours)
        if neighbours.dtype != bool or neighbours.shape != (9,):
            raise ConfigError(f"neighbours = {shown(self.neighbours)} must be nine truth values")
        if not neighbours[4]:
            raise ConfigError("neighbours[4] = False is the cell itself, which always counts; leave it True")
        object.__setattr__(self, "neighbours", tuple(neighbours.tolist()))

    @property
    def is_neutral(self) -> bool:
        """Whether they change nothing, for any automaton."""
        return (
            not (self.muted_heads or self.zeroed_channels or self.frozen_channels)
            and (self.dead_cells is None or not self.dead_cells.any())
            and self.update_rate is None
            and self.noise_std == 0.0
            and self.step_size_factor == 1.0
            and all(self.neighbours)
        )

    def killing(self, region: np.ndarray) -> Experiments:
        """The same, and cells bool[H, W] that are dead, too."""
        dead = self.dead_cells
        dead = region if dead is None or dead.shape != region.shape else dead | region
        return replace(self, dead_cells=dead if dead.any() else None)

    def arrays(self, config: ModelConfig) -> ExperimentArrays:
        """The experiments on automata of this kind.

        Raises:
            ConfigError: for a head, a channel or cells that it does not have.
        """
        dead = np.zeros((config.height, config.width), bool) if self.dead_cells is None else self.dead_cells
        if dead.shape != (config.height, config.width):
            raise ConfigError(
                f"dead_cells is {dead.shape[0]} x {dead.shape[1]} cells; "
                f"the grid has {config.height} x {config.width}"
            )
        rate = 1.0 - config.cell_dropout_rate if self.update_rate is None else self.update_rate
        is_muted = _flags("muted_heads", self.muted_heads, config.num_heads, "heads")
        return ExperimentArrays(
            head_gains=np.where(is_muted, np.float32(0), np.float32(1)),
            is_zeroed=_flags("zeroed_channels", self.zeroed_channels, config.channel_size, "channels"),
            is_frozen=_flags("frozen_channels", self.frozen_channels, config.channel_size, "channels"),
            is_dead=dead,
            update_rate=np.float32(rate),
            noise_std=np.float32(self.noise_std),
            step_size_factor=np.float32(self.step_size_factor),
            neighbours=np.array(self.neighbours),
        )

    def split(self, config: ModelConfig) -> tuple[Experiments, Experiments]:
        """What an automaton of this kind has of all that is changed, and what it does not have."""
        heads, channels = frozenset(range(config.num_heads)), frozenset(range(config.channel_size))
        dead = self.dead_cells
        has_cells = dead is None or dead.shape == (config.height, config.width)
        has = replace(
            self,
            muted_heads=self.muted_heads & heads,
            zeroed_channels=self.zeroed_channels & channels,
            frozen_channels=self.frozen_channels & channels,
            dead_cells=dead if has_cells else None,
        )
        lacks = Experiments(
            muted_heads=self.muted_heads - heads,
            zeroed_channels=self.zeroed_channels - channels,
            frozen_channels=self.frozen_channels - channels,
            dead_cells=None if has_cells else dead,
        )
        return has, lacks


def _numbers(name: str, numbers: Iterable[int]) -> frozenset[int]:
    numbers = frozenset(numbers)
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
            raise ConfigError(f"{name} holds {shown(number)}; it must hold whole numbers from 0")
    return frozenset(int(number) for number in numbers)


def _flags(name: str, numbers: frozenset[int], count: int, what: str) -> np.ndarray:
    if numbers and max(numbers) >= count:
        raise ConfigError(f"{name} holds {shown(max(numbers))}; this automaton has {what} 0 to {count - 1}")
    flags = np.zeros(count, bool)
    flags[list(numbers)] = True
    return flags


def as_json(experiments: Experiments | None) -> dict[str, Any]:
    """Experiments as JSON values, only those that change something; none for None."""
    if experiments is None:
        return {}
    values: dict[str, Any] = {}
    for name in ("muted_heads", "zeroed_channels", "frozen_channels"):
        if numbers := getattr(experiments, name):
            values[name] = sorted(numbers)
    if experiments.dead_cells is not None and experiments.dead_cells.any():
        values["dead_cells"] = np.argwhere(experiments.dead_cells).tolist()
    if experiments.update_rate is not None:
        values["update_rate"] = experiments.update_rate
    if experiments.noise_std:
        values["noise_std"] = experiments.noise_std
    if experiments.step_size_factor != 1.0:
        values["step_size_factor"] = experiments.step_size_factor
    if not all(experiments.neighbours):
        values["neighbours"] = list(experiments.neighbours)
    return values


def killed_cells(before: Experiments | None, after: Experiments | None) -> np.ndarray | None:
    """The cells bool[H, W] that died from one to the other; None where that is not all that was changed."""
    before, after = before or Experiments(), after or Experiments()
    if after.dead_cells is None or as_json(before.killing(after.dead_cells)) != as_json(after):
        return None
    killed = after.dead_cells if before.dead_cells is None else after.dead_cells & ~before.dead_cells
    return killed if killed.any() else None


def from_json(values: Mapping[str, Any], config: ModelConfig) -> Experiments:
    """Experiments of JSON values, as `as_json` gives them.

    Raises:
        ConfigError: a name is unknown, or a value means nothing for this automaton.
    """
    try:
        fields = dict(values)
        if (cells := fields.pop("dead_cells", None)) is not None:
            dead = np.zeros((config.height, config.width), bool)
            for row, column in cells:
                if type(row) is not int or type(column) is not int:
                    raise ConfigError(f"dead_cells: {shown([row, column])} is no cell; give whole numbers")
                if not (0 <= row < config.height and 0 <= column < config.width):
                    raise ConfigError(f"dead_cells: there is no cell {shown([row, column])}")
                dead[row, column] = True
            fields["dead_cells"] = dead
        experiments = Experiments(**fields)
        experiments.arrays(config)
    except ConfigError:
        raise
    except (TypeError, ValueError, IndexError) as error:
        raise ConfigError(f"the experiments {shown(dict(values), 200)} are not understood") from error
    return experiments
