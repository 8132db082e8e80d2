"""Pure functions that run an automaton: parameters, state and keys in, states out.

The viewer's jitted step and the training's differentiated roll-out are these same functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
from flax import nnx
from jax import Array
from jaxtyping import Float

from nca_viewer.automaton.layout import AnyArray
from nca_viewer.automaton.stepper import prepare
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.automaton.update import cell_dropout
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

    def cell_dropout(self, keys: Array, grid_shape: Sequence[int]) -> Float[Array, "steps ... H W 1"]:
        """The draws of a roll-out's cell dropout.

        Args:
            keys: PRNG keys [num_steps], one for each step.
            grid_shape: [..., H, W].

        Returns:
            float[num_steps, ..., H, W, 1], the factors of the cells' updates, 0 for those that are dropped.
        """
        # Not vmap: generators other than JAX's default draw otherwise under it than one by one.
        return jax.lax.map(lambda key: cell_dropout(self.config, grid_shape, key), keys)

    def rollout(self, parameters: Parameters, state: Array, keys: Array, **options: bool) -> Any:
        """Run one step per key.

        Args:
            parameters: As returned by `of`.
            state: float[..., H, W, channel_size].
            keys: PRNG keys [num_steps], one for each step's cell dropout.
            options: See `rollout_with`.

        Returns:
            See `rollout_with`.
        """
        return self.rollout_with(self.cell_dropout(keys, state.shape[:-1]), parameters, state, **options)

    def rollout_with(
        self,
        cell_dropout: Float[AnyArray, "steps ... H W 1"],
        parameters: Parameters,
        state: Float[AnyArray, "... H W C"],
        *,
        rematerialise: bool = False,
        history: bool = False,
    ) -> Any:
        """Run one step per draw of the cell dropout.

        Args:
            cell_dropout: float[num_steps, ..., H, W, 1], see `cell_dropout`.
            parameters: As returned by `of`.
            state: float[..., H, W, channel_size].
            rematerialise: Recompute each step in the backward pass instead of storing its inside: memory
                for one step plus one state per step.
            history: Also return the state after each step.

        Returns:
            The final state; with `history` a pair of it and the states float[num_steps, ..., H, W, C].
        """
        stepper = prepare(self.bind(parameters), state.shape[:-1])

        def step(cells: Array, dropout_mask: Array) -> tuple[Array, Any]:
            cells = stepper.step(cells, dropout_mask)
            return cells, cells if history else None

        if rematerialise:
            step = jax.checkpoint(step)
        final, states = jax.lax.scan(step, stepper.pack(state), jax.vmap(stepper.pack)(cell_dropout))
        return (stepper.unpack(final), stepper.unpack(states)) if history else stepper.unpack(final)
