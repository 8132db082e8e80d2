"""Frozen configurations, validated when constructed.

`ModelConfig` travels inside every checkpoint: one path rebuilds the automaton.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nca_viewer.errors import ConfigError, shown

MIN_GRID_SIZE = 8
MAX_GRID_SIZE = 128
MAX_SEED = 2**32 - 1


def require_range(name: str, value: float, low: float, high: float, *, whole: bool = False) -> None:
    """Check that `low <= value <= high` (and that it is an integer where `whole`).

    Raises:
        ConfigError: naming the field, the value and the limits.
    """
    if whole and (isinstance(value, bool) or not isinstance(value, int)):
        raise ConfigError(f"{name} = {shown(value)} must be a whole number from {low} to {high}")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{name} = {shown(value)} must be a number from {low} to {high}")
    if not low <= value <= high:  # Neither is what is not a number.
        text = value if isinstance(value, float) or abs(value) < 10**20 else "a number of many digits"
        raise ConfigError(f"{name} = {text} is out of range; choose a value from {low} to {high}")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a configuration's field says of itself as an option of a command line.

    Attributes:
        help: What the option does; where it is empty, it is what the class's docstring says of the field.
        option: The option's name without dashes; where it is empty, the field's with `-` for `_`.
        metavar: Stands for the value in the help; where it is empty, the type's name.
        type: A click type; where it is None, the field's annotation says which.
        limits: The smallest and the largest value; whole ones ask for a whole number.
        is_flag: Whether an option of True and False has no form with `--no-`.
        group: Options of a smaller number stand first in the help; else their order is that of the fields.
    """

    help: str = ""
    option: str = ""
    metavar: str = ""
    type: Any = None
    limits: tuple[float, float] | None = None
    is_flag: bool = False
    group: int = 0


def setting(default: Any, **what: Any) -> Any:
    """A dataclass's field with a default, and what `Setting` says of it."""
    return dataclasses.field(default=default, metadata={"setting": Setting(**what)})


_NO_SETTING = Setting()


def setting_of(field: dataclasses.Field[Any]) -> Setting:
    """What a field says of itself."""
    found: Setting = field.metadata.get("setting", _NO_SETTING)
    return found


def option_name(field: dataclasses.Field[Any]) -> str:
    """A field's name on the command line, with dashes."""
    return f"--{setting_of(field).option or field.name.replace('_', '-')}"


def require_limits(
    config: Any, named: Callable[[dataclasses.Field[Any]], str] = lambda field: field.name
) -> None:
    """Check every field of a configuration that has limits; None passes where it is the default.

    Args:
        config: An instance of a dataclass.
        named: What an error calls a field.

    Raises:
        ConfigError: naming the first field out of its limits, the value and the limits.
    """
    for field in dataclasses.fields(config):
        limits, value = setting_of(field).limits, getattr(config, field.name)
        if limits is not None and (value is not None or field.default is not None):
            require_range(named(field), value, *limits, whole=all(isinstance(end, int) for end in limits))


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

    height: int = setting(28, limits=(MIN_GRID_SIZE, MAX_GRID_SIZE))
    width: int = setting(28, limits=(MIN_GRID_SIZE, MAX_GRID_SIZE))
    channel_size: int = setting(32, limits=(2, 1024))
    visible_channel_size: int = 1
    projection_size: int = setting(32, limits=(1, 4096))
    position_embedding_size: int = setting(4, limits=(1, 4096))
    num_heads: int = setting(4, limits=(1, 64))
    hidden_size: int = setting(128, limits=(1, 4096))
    perception_size: int = setting(64, limits=(1, 4096))
    step_size: float = setting(1.0, limits=(1e-6, 100.0))
    cell_dropout_rate: float = setting(0.5, limits=(0.0, 0.99))
    state_limit: float | None = setting(None, limits=(1.0, 1e6))
    update_deadband: float = setting(0.0, limits=(0.0, 1.0))

    def __post_init__(self) -> None:
        require_limits(self)
        if self.visible_channel_size not in (1, 3):
            raise ConfigError(
                f"visible_channel_size = {self.visible_channel_size!r} must be 1 (grey) or 3 (RGB)"
            )
        if self.visible_channel_size >= self.channel_size:
            raise ConfigError(
                f"channel_size = {self.channel_size} leaves no hidden channel beside "
                f"{self.visible_channel_size} visible ones; choose a larger channel_size"
            )
        if self.hidden_size % self.num_heads:
            raise ConfigError(
                f"hidden_size = {self.hidden_size} is not a multiple of num_heads = {self.num_heads}"
            )

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
