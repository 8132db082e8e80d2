"""Frozen configurations, validated when constructed.

`ModelConfig` travels inside every checkpoint: one path rebuilds the automaton.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nca_viewer.errors import ConfigError

MIN_GRID_SIZE = 8
MAX_GRID_SIZE = 128


def require_range(name: str, value: float, low: float, high: float, *, whole: bool = False) -> None:
    """Check that `low <= value <= high` (and that it is an integer where `whole`).

    Raises:
        ConfigError: naming the field, the value and the limits.
    """
    if whole and (isinstance(value, bool) or not isinstance(value, int)):
        raise ConfigError(f"{name} = {value!r} must be a whole number from {low} to {high}")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{name} = {value!r} must be a number from {low} to {high}")
    if not low <= value <= high:  # Neither is what is not a number.
        shown = value if isinstance(value, float) or abs(value) < 10**20 else "a number of many digits"
        raise ConfigError(f"{name} = {shown} is out of range; choose a value from {low} to {high}")


def require_known(kind: str, fields: Mapping[str, Any], config_class: type[Any]) -> None:
    """Check that every field is one of the configuration's.

    Raises:
        ConfigError: naming the first unknown field and the known ones.
    """
    known = {field.name for field in dataclasses.fields(config_class)}
    unknown = sorted(set(fields) - known)
    if unknown:
        raise ConfigError(
            f"unknown {kind} setting {unknown[0]!r}; the known ones are {', '.join(sorted(known))}"
        )


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Every hyperparameter of the attention-based neural cellular automaton.

    The defaults are those of the CAX example (after Tesfaldet et al., arXiv:2211.01233) and give
    37,616 parameters.

    Attributes:
        height: Rows of the grid, in cells.
        width: Columns of the grid, in cells.
        channel_size: Channels of a cell; the last `visible_channel_size` are the picture.
        visible_channel_size: 1 for grey, 3 for RGB.
        projection_size: Width of the linear projection of a cell's state.
        position_embedding_size: Width of the learned embedding of a row or column index.
        num_heads: Attention heads.
        hidden_size: Width of queries, keys and values over all heads, and of the update's hidden layer.
        perception_size: Channels that perceiving hands to the update.
        step_size: Factor on the update that is added to the state.
        cell_dropout_rate: Probability that a cell skips its update in one step.
        state_limit: Bound on the absolute value of every state channel, applied after each step;
            None leaves the state unbounded, as in the published recipe. It adds no parameters.
        update_deadband: Magnitude by which every channel's update is shrunk towards zero, so that smaller
            ones vanish and a cell can come to rest exactly; 0, as in the published recipe, is off. It adds
            no parameters.
    """

    height: int = 28
    width: int = 28
    channel_size: int = 32
    visible_channel_size: int = 1
    projection_size: int = 32
    position_embedding_size: int = 4
    num_heads: int = 4
    hidden_size: int = 128
    perception_size: int = 64
    step_size: float = 1.0
    cell_dropout_rate: float = 0.5
    state_limit: float | None = None
    update_deadband: float = 0.0

    def __post_init__(self) -> None:
        require_range("height", self.height, MIN_GRID_SIZE, MAX_GRID_SIZE, whole=True)
        require_range("width", self.width, MIN_GRID_SIZE, MAX_GRID_SIZE, whole=True)
        require_range("channel_size", self.channel_size, 2, 1024, whole=True)
        if self.visible_channel_size not in (1, 3):
            raise ConfigError(
                f"visible_channel_size = {self.visible_channel_size!r} must be 1 (grey) or 3 (RGB)"
            )
        if self.visible_channel_size >= self.channel_size:
            raise ConfigError(
                f"channel_size = {self.channel_size} leaves no hidden channel beside "
                f"{self.visible_channel_size} visible ones; choose a larger channel_size"
            )
        for name in ("projection_size", "position_embedding_size", "perception_size"):
            require_range(name, getattr(self, name), 1, 4096, whole=True)
        require_range("num_heads", self.num_heads, 1, 64, whole=True)
        require_range("hidden_size", self.hidden_size, 1, 4096, whole=True)
        if self.hidden_size % self.num_heads:
            raise ConfigError(
                f"hidden_size = {self.hidden_size} is not a multiple of num_heads = {self.num_heads}"
            )
        require_range("step_size", self.step_size, 1e-6, 100.0)
        require_range("cell_dropout_rate", self.cell_dropout_rate, 0.0, 0.99)
        if self.state_limit is not None:
            require_range("state_limit", self.state_limit, 1.0, 1e6)
        require_range("update_deadband", self.update_deadband, 0.0, 1.0)

    @property
    def head_size(self) -> int:
        """Channels of one attention head."""
        return self.hidden_size // self.num_heads

    @property
    def state_shape(self) -> tuple[int, int, int]:
        """Shape of one automaton's state, `(height, width, channel_size)`."""
        return (self.height, self.width, self.channel_size)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one picture, `(height, width, visible_channel_size)`."""
        return (self.height, self.width, self.visible_channel_size)

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> ModelConfig:
        """Rebuild a configuration from `to_dict`.

        Raises:
            ConfigError: for unknown fields and for values out of range.
        """
        require_known("model", fields, cls)
        return cls(**fields)


def different_values(first: ModelConfig, second: ModelConfig) -> str:
    """How the second differs from the first, in words: "height 28 instead of 32"; empty where it does not."""
    before, after = first.to_dict(), second.to_dict()
    names = [name for name in after if after[name] != before[name]]
    return ", ".join(f"{name} {after[name]} instead of {before[name]}" for name in names[:3])
