"""Pure functions that run an automaton: parameters, state and keys in, states out.

The viewer's jitted step and the training's differentiated roll-out are these same functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
from flax import nnx
from jax import Array

from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.config import ModelConfig

Parameters = Any
"""A pytree with the automaton's `nnx.Param` leaves, see `Dynamics.of`."""


@dataclass(frozen=True)
class Dynamics:
    """An automaton's structure without its parameters.

    Attributes:
        config: The automaton's hyperparameters.
    """

    config: ModelConfig
    _graphdef: Any
    _rest: Any

    @classmethod
    def of(cls, model: AttentionNCA) -> tuple[Dynamics, Parameters]:
        """Divide an automaton into its dynamics and its parameters."""
        graphdef, parameters, rest = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]
        return cls(model.config, graphdef, rest), parameters

    def bind(self, parameters: Parameters) -> AttentionNCA:
        """The automaton with these parameters; also inside traced functions."""
        return nnx.merge(self._graphdef, parameters, self._rest)

    def rollout(
        self,
        parameters: Parameters,
        state: Array,
        keys: Array,
        *,
        rematerialise: bool = False,
        history: bool = False,
    ) -> Any:
        """Run one step per key.

        Args:
            parameters: As returned by `of`.
            state: float[..., H, W, channel_size].
            keys: PRNG keys [num_steps], one for each step's cell dropout.
            rematerialise: Recompute each step in the backward pass instead of storing its inside: memory
                for one step plus one state per step.
            history: Also return the state after each step.

        Returns:
            The final state; with `history` a pair of it and the states float[num_steps, ..., H, W, C].
        """
        model = self.bind(parameters)
        projection = model.perceive.projection()

        def step(state: Array, key: Array) -> tuple[Array, Array | None]:
            state = model.step(state, key, projection)
            return state, state if history else None

        if rematerialise:
            step = jax.checkpoint(step)
        final, states = jax.lax.scan(step, state, keys)
        return (final, states) if history else final
