"""Frozen training configurations and the named recipes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nca_viewer.config import ModelConfig, require_known, require_limits, require_range, setting
from nca_viewer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Every number of a training run; the defaults are the published recipe.

    Source: the CAX example "Attention-based Neural Cellular Automata". Differs from it in separate keys for
    the choice of the image and its mask.

    Attributes:
        recipe: Name of the recipe, for the provenance.
        seed: Seed of every draw.
        initial_checkpoint: Name or directory of the checkpoint whose parameters training starts from; empty
            starts from random ones.
        memory: Whether a memory is written into the initial parameters, which training leaves as it is; see
            `training.memory`.
        train_steps: Parameter updates.
        batch_size: Automata per update.
        rollout_steps: Automaton steps per update.
        loss_steps: How many of the last states the loss is averaged over; to that of an automaton that is
            wounded at a `wound_step` is added the loss of as many states before.
        pool_size: States in the pool.
        fresh_count: How many of a batch start afresh.
        replace_worst: Whether those are the worst of the batch, as in the published recipe, or random ones.
            The worst are those that were wounded last; where they are replaced, no automaton sees how it
            looks when healing takes its time.
        elder_fraction: Fraction of the pool's slots whose states are left to grow old, without wounds.
        elder_error_limit: Mean squared error above which an old state starts afresh all the same.
        mask_ratio_min: Smallest ratio of forgotten pixels of a fresh episode.
        mask_ratio_max: Largest ratio of forgotten pixels; the ratio is uniform between the two.
        blank_fraction: Fraction of the pool's slots that hold empty pages that are to stay empty.
        painted_fraction: Fraction of the slots that hold drawings by the viewer's brush that are to stay.
        wound_probability: Probability that a state taken from the pool, no elder, is wounded.
        wound_step: Steps of the roll-out before the wounds are made. 0 makes them at its start; later ones
            let the gradient flow from the healing back to before the wound, so that automata learn to
            remember in the cells around what the wound will take.
        in_vain_probability: Where there is a memory: of a wound, that its cells are as after a wait in which
            nothing was given back; and of an empty page, that all its cells are.
        young_wound_probability: Where there is a memory: of a fresh masked picture, that it is wounded while
            it forms, some steps before the roll-out.
        scramble_probability: Probability that a wound scrambles its cells instead of erasing them.
        half_plane_probability: Probability that a wound is a half plane instead of a disc.
        wound_radius_min_cells: Smallest radius of a wounded disc.
        wound_radius_max_cells: Largest radius of a wounded disc.
        error_scale: Mean squared error e of one picture, from which on it counts for less and less: the loss
            takes error_scale * log(1 + e / error_scale), which is the error itself while it is small, and,
            like a PSNR, its logarithm where it is large. So what cannot be known, as under a large wound,
            does not drown what can. 0 takes the plain error, as the published recipe does.
        wound_error_scale: The same for automata after a wound of this update; none takes error_scale.
        motion_weight: Weight of the mean magnitude of a channel's change over the last `loss_steps` steps.
        learning_rate: Adam's learning rate after the warm-up.
        learning_rate_end: Learning rate after the decay.
        warmup_steps: Updates over which the learning rate rises from zero.
        decay_steps: Updates over which it then falls linearly; constant after.
        clip_norm: Largest global norm of a gradient.
        gradient_limit: Norm of a gradient above which the update is left out: the roll-out was chaotic, the
            direction means nothing.
        average_decay: Weight that the running average of the parameters keeps per update. Where it is not 0,
            the average is what is validated and saved: it is free of the noise of small batches.
        explosion_limit: Largest magnitude of a state before the run counts as diverged.
        checkpoint_every: Updates between two checkpoints.
        validation_images: Images, set aside from training, that every checkpoint is measured on.
        selection_steps: Automaton steps after which the best checkpoint is chosen: 64 or 512.
        rematerialise: Recompute each step in the backward pass: half the memory, a third slower.
    """

    recipe: str = "seed-recipe"
    seed: int = setting(0, limits=(0, 2**31 - 1))
    initial_checkpoint: str = ""
    memory: bool = False
    train_steps: int = setting(8196, limits=(1, 10**8))
    batch_size: int = setting(4, limits=(1, 65536))
    rollout_steps: int = setting(32, limits=(1, 4096))
    loss_steps: int = 1
    pool_size: int = setting(1024, limits=(1, 10**6))
    fresh_count: int = 1
    replace_worst: bool = True
    elder_fraction: float = setting(0.0, limits=(0.0, 1.0))
    elder_error_limit: float = setting(0.06, limits=(0.0, 1.0))
    mask_ratio_min: float = setting(0.5, limits=(0.0, 1.0))
    mask_ratio_max: float = setting(0.5, limits=(0.0, 1.0))
    blank_fraction: float = setting(0.0, limits=(0.0, 1.0))
    painted_fraction: float = setting(0.0, limits=(0.0, 1.0))
    wound_probability: float = setting(0.0, limits=(0.0, 1.0))
    wound_step: int = 0
    in_vain_probability: float = setting(0.0, limits=(0.0, 1.0))
    young_wound_probability: float = setting(0.0, limits=(0.0, 1.0))
    scramble_probability: float = setting(0.5, limits=(0.0, 1.0))
    half_plane_probability: float = setting(0.1, limits=(0.0, 1.0))
    wound_radius_min_cells: float = setting(2.0, limits=(0.0, 128.0))
    wound_radius_max_cells: float = setting(8.0, limits=(0.0, 128.0))
    error_scale: float = setting(0.0, limits=(0.0, 1e9))
    wound_error_scale: float | None = setting(None, limits=(0.0, 1e9))
    motion_weight: float = setting(0.0, limits=(0.0, 1e9))
    learning_rate: float = setting(1e-3, limits=(1e-9, 10.0))
    learning_rate_end: float = setting(1e-4, limits=(1e-9, 10.0))
    warmup_steps: int = setting(0, limits=(0, 10**8))
    decay_steps: int = setting(4096, limits=(1, 10**8))
    clip_norm: float = setting(1.0, limits=(0.0, 1e9))
    gradient_limit: float = setting(1e9, limits=(0.0, 1e9))
    average_decay: float = setting(0.0, limits=(0.0, 1.0))
    explosion_limit: float = setting(1e4, limits=(0.0, 1e9))
    checkpoint_every: int = setting(512, limits=(1, 10**8))
    validation_images: int = setting(32, limits=(1, 10**5))
    selection_steps: int = 64
    rematerialise: bool = False

    def __post_init__(self) -> None:
        require_limits(self)
        require_range("fresh_count", self.fresh_count, 0, self.batch_size, whole=True)
        require_range("loss_steps", self.loss_steps, 1, self.rollout_steps, whole=True)
        require_range("wound_step", self.wound_step, 0, self.rollout_steps - self.loss_steps, whole=True)
        for low_name, high_name in (
            ("mask_ratio_min", "mask_ratio_max"),
            ("wound_radius_min_cells", "wound_radius_max_cells"),
        ):
            low, high = getattr(self, low_name), getattr(self, high_name)
            if low > high:
                raise ConfigError(f"{low_name} = {low} is larger than {high_name} = {high}")
        if self.blank_fraction + self.painted_fraction > 1:
            raise ConfigError(
                f"blank_fraction + painted_fraction = "
                f"{self.blank_fraction + self.painted_fraction} is larger than 1"
            )
        if self.pool_size < self.batch_size:
            raise ConfigError(f"pool_size = {self.pool_size} is smaller than batch_size = {self.batch_size}")
        if self.selection_steps not in VALIDATION_STEPS:
            raise ConfigError(f"selection_steps = {self.selection_steps} must be one of {VALIDATION_STEPS}")

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> TrainConfig:
        """Rebuild a configuration from `to_dict`, also of a program that had `RETIRED_FIELDS`.

        Raises:
            ConfigError: for unknown fields, for retired ones that did something, and for values out of range.
        """
        for name, idle in RETIRED_FIELDS.items():
            if fields.get(name, idle) != idle:
                raise ConfigError(
                    f"{name} = {fields[name]} was a setting of an earlier version; this one knows {idle} only"
                )
        current = {
            name: value
            for name, value in fields.items()
            if name not in RETIRED_FIELDS and name != _RETIRED_LIMIT
        }
        require_known("training", current, cls)
        return cls(**current)


RETIRED_FIELDS: Mapping[str, float] = {
    "ruin_probability": 0.0,
    "young_probability": 0.0,
    "late_drawing_probability": 0.0,
    "empty_weight": 0.0,
    "overflow_weight": 0.0,
}
"""Settings of earlier runs that no recipe uses, with the values at which they did nothing."""
_RETIRED_LIMIT = "overflow_limit"
"""Means nothing beside an `overflow_weight` of 0."""
VALIDATION_STEPS = (64, 512)
"""Automaton steps after which every checkpoint is measured."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A named pair of configurations that belong together."""

    model: ModelConfig
    train: TrainConfig


RECIPES: dict[str, Recipe] = {
    "seed-recipe": Recipe(ModelConfig(), TrainConfig()),
    "exhibit": Recipe(
        ModelConfig(state_limit=1.0),
        TrainConfig(
            recipe="exhibit",
            memory=True,
            train_steps=7000,
            batch_size=4,
            rollout_steps=32,
            loss_steps=8,
            pool_size=64,
            fresh_count=3,
            replace_worst=False,
            mask_ratio_min=0.35,
            mask_ratio_max=0.65,
            blank_fraction=0.1,
            painted_fraction=0.05,
            wound_probability=0.45,
            wound_step=16,
            in_vain_probability=0.6,
            young_wound_probability=0.25,
            scramble_probability=0.65,
            wound_radius_min_cells=3.0,
            wound_radius_max_cells=7.0,
            error_scale=0.005,
            gradient_limit=20.0,
            average_decay=0.998,
            learning_rate=1e-3,
            learning_rate_end=5e-6,
            warmup_steps=100,
            decay_steps=6900,
            rematerialise=True,
        ),
    ),
    # The last of the seven stages that `learned` was trained in; the first of them started where this does.
    "learned": Recipe(
        ModelConfig(state_limit=1.0, update_deadband=0.003),
        TrainConfig(
            recipe="learned",
            seed=8,
            initial_checkpoint="seed-recipe",
            train_steps=5600,
            batch_size=4,
            rollout_steps=28,
            loss_steps=8,
            pool_size=160,
            replace_worst=False,
            elder_fraction=0.12,
            elder_error_limit=0.015,
            mask_ratio_min=0.35,
            mask_ratio_max=0.65,
            blank_fraction=0.05,
            painted_fraction=0.05,
            wound_probability=0.65,
            wound_step=10,
            scramble_probability=0.75,
            half_plane_probability=0.05,
            error_scale=0.01,
            wound_error_scale=0.03,
            motion_weight=0.2,
            learning_rate=2.5e-4,
            learning_rate_end=5e-6,
            warmup_steps=50,
            decay_steps=5200,
            clip_norm=0.3,
            gradient_limit=5.0,
            average_decay=0.998,
            checkpoint_every=1000,
            validation_images=16,
            selection_steps=512,
            rematerialise=True,
        ),
    ),
}


def recipe(name: str) -> Recipe:
    """A recipe by its name.

    Raises:
        ConfigError: for an unknown name; the message lists the known ones.
    """
    if name not in RECIPES:
        raise ConfigError(f"unknown recipe {name!r}; the known ones are {', '.join(RECIPES)}")
    return RECIPES[name]
