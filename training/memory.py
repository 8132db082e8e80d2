"""A memory written into the parameters: what cells know of their neighbours, and how they tell.

Training finds next to no memory by itself: what a wound takes is gone with the cells that knew it, and only
by chance does a gradient show that cells far away should have known it too. But the automaton's own layers
can hold one. This module writes it into a part of the initial parameters, which training then leaves as it
is; all the rest, which restores what was forgotten, is trained around it. Nothing is added to the automaton:
the same layers, the same shapes.

**Where to look.** Three attention heads look at one cell each, whatever is in it: at the cell itself, at its
neighbour to the north-east and at the one to the south-west. Two features of the position embedding turn by a
quarter with every row and column, queries turn them on to where the head is to look, and a large factor
leaves the softmax no choice. At the border, where there is no such neighbour, they look along it; two more
features tell the cells there not to trust what they see.

**What to keep.** Every cell keeps the brightness of the `REACH_CELLS` cells before and behind it on its
diagonal, a channel for each, and takes it over from its neighbours: what they show, and what they keep of the
cell one further on. A disc of radius 5 covers at most eight cells of a diagonal; along rows and columns it
would be eleven. Paper is kept as 0.75 and ink as 1, so that 0 is "never heard of".

**When to give it back.** `FLAG_CHANNELS` more channels are flags, and a cell is *sound* where all are 1.
They grow by a clock while a picture is restored, and as they do, what restores it falls silent: a finished
picture rests. A wound leaves the flags at 0, or at random; flags that disagree are set back at once. A cell
that is not sound, and has a sound neighbour which knows it, takes back its own brightness and its memories
until it is sound too. So a wound closes from both ends of every diagonal, some dozen steps a cell. The
clock is slow at first and then ever faster: cells deep inside are still far from sound when their turn
comes. Cells deeper inside than the memory reaches are left to what restores pictures.

**How a layer of ReLUs selects.** A pair of units, relu(d + g) - relu(-d + g), gives 2 d where the gate g is
at least |d|, d where it is 0, and 0 where it is at most -|d|. The gates are sums of flags and memories whose
weights leave a margin for every combination that occurs.

Writing an algorithm into a network's weights is an old idea; for transformers see Lindner et al., "Tracr:
Compiled Transformers as a Laboratory for Interpretability", arXiv:2301.05062.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from nca_viewer.automaton.rollout import Dynamics, Parameters
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.config import ModelConfig
from nca_viewer.errors import ConfigError

REACH_CELLS = 4
"""How far along the diagonal each cell remembers, to either side."""
FLAG_CHANNELS = 3
"""The more flags, the rarer does noise look like a sound cell."""

PAPER = 0.75
"""What a memory of paper is; one of ink is 1, and 0 is none."""
_SHARPNESS = 14.0
"""Lead of the logit of the one cell that a head looks at over any other's: others get a millionth each."""
_COPY_GAIN = 1 / 6
"""Weight of a pair of units. A kept step takes over two thirds of a difference; where two neighbours tell the
same, four thirds: either way a third of it is left."""
_CLOCK_RATE = 0.00055
"""Mean growth of a flag at 0 in a step."""
_CLOCK_GROWTH = 0.05
"""What it further grows by in a mean step, as a part of what it is: from 0 to 0.04 in 32 steps, to 0.22 in
64 and to 1 in some 95."""
_RECOVERY_RATE = 0.06
"""Its further growth beside a sound neighbour: slow enough for some five kept steps of taking back."""
_RESET_GAIN = 50.0
"""What a disagreement of two flags takes off all of them; they stop at -1, where they agree."""
_REVIVAL_GAIN = 0.5
"""Part of the way back from below 0 that a flag makes in a mean step: a kept one makes all of it."""
_SILENCE = 15.0
"""What a sound cell takes off every unit that restores pictures. With 6, cells that had been given back what
they were went on to be restored, and paper became ink."""

# Where the memory's parts lie, in the token (and so in each looking head's value) ...
_REACH = REACH_CELLS
_AHEAD = np.arange(_REACH)
"""Memories of the cells to the north-east, nearest first."""
_BEHIND = _REACH + np.arange(_REACH)
"""Memories of the cells to the south-west, nearest first."""
_FLAGS = 2 * _REACH + np.arange(FLAG_CHANNELS)
MEMORY_CHANNELS = 2 * _REACH + FLAG_CHANNELS
_BRIGHTNESS = MEMORY_CHANNELS
_TOKEN_SIZE = MEMORY_CHANNELS + 1
# ... and, but for the brightness, in the state too.
_VISIBLE = -1
_PHASES = 2
"""Features of the position embedding that turn; more tell the first and the last row or column."""
_FIRST, _LAST_OF_LONGER, _LAST_OF_SHORTER = range(_PHASES, _PHASES + 3)
"""Rows and columns share a table: where there are more of the ones, the last of the others is amid it."""

_SELF, _NORTH_EAST, _SOUTH_WEST = range(3)
_LOOKING_HEADS = 3
_OFFSETS = {_SELF: (0, 0), _NORTH_EAST: (-1, 1), _SOUTH_WEST: (1, -1)}


class _Side(NamedTuple):
    """One of the two neighbours, and what is exchanged with it.

    Attributes:
        head: The head that looks at it.
        theirs: Memories that grow towards it: each is taken over from it, one further on.
        ours: Memories of what lies behind: it gives them back to a cell that is not sound.
        chain: Where in the perception the differences to what it offers of `theirs` lie.
        recovery: The same for `ours` without the last, and for the brightness.
        soundness: Where in the perception it is told how much sounder than this cell it is.
        knowledge: Where in the perception its memory of this cell lies.
        missing: Where in the value of the head that looks at the cell itself it is told that there is none.
    """

    head: int
    theirs: NDArray[np.intp]
    ours: NDArray[np.intp]
    chain: NDArray[np.intp]
    recovery: NDArray[np.intp]
    soundness: int
    knowledge: int
    missing: int


_SIDES = (
    _Side(
        head=_NORTH_EAST,
        theirs=_AHEAD,
        ours=_BEHIND,
        chain=np.arange(_REACH),
        recovery=2 * _REACH + np.arange(_REACH),
        soundness=4 * _REACH,
        knowledge=4 * _REACH + 1,
        missing=_TOKEN_SIZE,
    ),
    _Side(
        head=_SOUTH_WEST,
        theirs=_BEHIND,
        ours=_AHEAD,
        chain=_REACH + np.arange(_REACH),
        recovery=3 * _REACH + np.arange(_REACH),
        soundness=4 * _REACH + 2,
        knowledge=4 * _REACH + 3,
        missing=_TOKEN_SIZE + 1,
    ),
)
_OWN_SOUNDNESS = 4 * _REACH + 4
_DISAGREEMENT = 4 * _REACH + 5 + np.arange(FLAG_CHANNELS - 1)
_PERCEPTION_SIZE = 4 * _REACH + 5 + FLAG_CHANNELS - 1
_UNITS_PER_SIDE = 4 * _REACH + 2
_OWN_UNITS = 2 * (FLAG_CHANNELS - 1) + 2
_UNITS = 2 * _UNITS_PER_SIDE + _OWN_UNITS


def channel_names() -> list[str]:
    """What the memory's channels hold: the names of an automaton's first `MEMORY_CHANNELS` channels."""
    names = [""] * MEMORY_CHANNELS
    for channels, direction in ((_AHEAD, "north-east"), (_BEHIND, "south-west")):
        for number, channel in enumerate(channels):
            names[channel] = f"ink {number + 1} {direction}"
    for number, channel in enumerate(_FLAGS):
        names[channel] = f"flag {number + 1}"
    return names


def _position_size(config: ModelConfig) -> int:
    """How many features of the position embedding belong to the memory."""
    return _LAST_OF_LONGER + 1 if config.height == config.width else _LAST_OF_SHORTER + 1


def require_room(config: ModelConfig) -> None:
    """Check that an automaton is large enough for the memory, and that its steps are those it counts on.

    Raises:
        ConfigError: naming what is too small, or otherwise.
    """
    for name, least in (
        ("channel_size", MEMORY_CHANNELS + 2),
        ("projection_size", _TOKEN_SIZE + 1),
        ("position_embedding_size", _position_size(config)),
        ("num_heads", _LOOKING_HEADS),
        ("perception_size", _PERCEPTION_SIZE + 1),
        ("hidden_size", max(_UNITS + 1, config.num_heads * (_TOKEN_SIZE + len(_SIDES)))),
    ):
        if getattr(config, name) < least:
            raise ConfigError(
                f"{name} = {getattr(config, name)} is too small for a memory; "
                f"choose {least} or more, or --no-memory"
            )
    if config.visible_channel_size != 1:
        raise ConfigError(
            f"a memory keeps grey pictures, and these have {config.visible_channel_size} channels; "
            f"choose --no-memory"
        )
    for name, needed in (
        ("state_limit", 1.0),
        ("step_size", 1.0),
        ("cell_dropout_rate", 0.5),
        ("update_deadband", 0.0),
    ):
        if getattr(config, name) != needed:
            raise ConfigError(
                f"{name} = {getattr(config, name)} must be {needed:g} for a memory; or choose --no-memory"
            )


class _Layers(NamedTuple):
    """The arrays of an automaton's parameters, to be written into."""

    linear: NDArray[np.float32]
    linear_bias: NDArray[np.float32]
    embedding: NDArray[np.float32]
    query: NDArray[np.float32]
    query_bias: NDArray[np.float32]
    key: NDArray[np.float32]
    key_bias: NDArray[np.float32]
    value: NDArray[np.float32]
    value_bias: NDArray[np.float32]
    out: NDArray[np.float32]
    out_bias: NDArray[np.float32]
    first: NDArray[np.float32]
    first_bias: NDArray[np.float32]
    last: NDArray[np.float32]
    last_bias: NDArray[np.float32]


def _variables(model: AttentionNCA) -> list[Any]:
    """The parameters in the order of `_Layers`."""
    attention, (first, last) = model.perceive.attention, model.update.layers
    layers = (
        model.perceive.linear,
        attention.query,
        attention.key,
        attention.value,
        attention.out,
        first,
        last,
    )
    pairs = [variable for layer in layers for variable in (layer.kernel, layer.bias)]
    return [*pairs[:2], model.perceive.position_embed.embedding, *pairs[2:]]


def _rewritten(dynamics: Dynamics, parameters: Parameters, write: Callable[[_Layers], None]) -> Parameters:
    """The parameters after `write` has changed their arrays; those given stay as they are."""
    # A copy: the model shares its variables with the parameters that it is bound to.
    model = dynamics.bind(jax.tree.map(jnp.asarray, parameters))
    variables = _variables(model)
    layers = _Layers(*(np.array(variable[...]) for variable in variables))
    write(layers)
    for variable, array in zip(variables, layers, strict=True):
        variable[...] = jnp.asarray(array)
    return Dynamics.of(model)[1]


def with_memory(dynamics: Dynamics, parameters: Parameters) -> Parameters:
    """The parameters with the memory written into them.

    Args:
        dynamics: The automaton.
        parameters: Its parameters; what lies outside the memory stays.

    Raises:
        ConfigError: see `require_room`.
    """
    require_room(dynamics.config)

    def write(layers: _Layers) -> None:
        _clear(layers, dynamics.config)
        _write_token(layers, dynamics.config)
        _write_looking_heads(layers, dynamics.config)
        _write_perception(layers)
        _write_update(layers)

    return _rewritten(dynamics, parameters, write)


def trainable(dynamics: Dynamics) -> Parameters:
    """Of every parameter 1, or 0 if it belongs to the memory: a tree like the parameters."""
    _, parameters = Dynamics.of(AttentionNCA(dynamics.config, rngs=nnx.Rngs(0)))
    ones = jax.tree.map(jnp.ones_like, parameters)
    return _rewritten(dynamics, ones, lambda layers: _clear(layers, dynamics.config))


def _clear(layers: _Layers, config: ModelConfig) -> None:
    """Set to 0 all that belongs to the memory, and what would let the rest interfere with it."""
    layers.linear[:MEMORY_CHANNELS] = 0.0
    layers.linear[:, :_TOKEN_SIZE] = 0.0
    layers.linear_bias[:_TOKEN_SIZE] = 0.0
    layers.embedding[:, : _position_size(config)] = 0.0
    for kernel, bias in ((layers.query, layers.query_bias), (layers.key, layers.key_bias)):
        kernel[:, :_LOOKING_HEADS] = 0.0
        bias[:_LOOKING_HEADS] = 0.0
    layers.value[:, :_LOOKING_HEADS, :_TOKEN_SIZE] = 0.0
    layers.value_bias[:_LOOKING_HEADS, :_TOKEN_SIZE] = 0.0
    for side in _SIDES:
        layers.value[:, _SELF, side.missing] = 0.0
        layers.value_bias[_SELF, side.missing] = 0.0
    layers.out[..., :_PERCEPTION_SIZE] = 0.0
    layers.out_bias[:_PERCEPTION_SIZE] = 0.0
    layers.first[..., :_PERCEPTION_SIZE, :] = 0.0
    layers.first[..., :_UNITS] = 0.0
    layers.first_bias[:_UNITS] = 0.0
    layers.last[..., :_UNITS, :] = 0.0
    layers.last[..., :MEMORY_CHANNELS] = 0.0
    layers.last_bias[:] = 0.0


def _write_token(layers: _Layers, config: ModelConfig) -> None:
    layers.linear[range(MEMORY_CHANNELS), range(MEMORY_CHANNELS)] = 1.0
    layers.linear[_VISIBLE, _BRIGHTNESS] = 1.0
    angle = np.pi / 2 * np.arange(len(layers.embedding))
    layers.embedding[:, :_PHASES] = np.round(np.stack([np.cos(angle), np.sin(angle)], axis=1))
    layers.embedding[0, _FIRST] = layers.embedding[-1, _LAST_OF_LONGER] = 1.0
    if config.height != config.width:
        layers.embedding[min(config.height, config.width) - 1, _LAST_OF_SHORTER] = 1.0


def _write_looking_heads(layers: _Layers, config: ModelConfig) -> None:
    features = layers.embedding.shape[1]
    row = layers.query.shape[0] - 2 * features
    column = row + features
    scale = np.sqrt(_SHARPNESS * np.sqrt(layers.query.shape[2]))
    for head, (row_offset, column_offset) in _OFFSETS.items():
        for start, offset, width in ((row, row_offset, 0), (column, column_offset, _PHASES)):
            cosine, sine = np.round([np.cos(np.pi / 2 * offset), np.sin(np.pi / 2 * offset)])
            rotation = np.array([[cosine, sine], [-sine, cosine]])
            layers.query[start : start + _PHASES, head, width : width + _PHASES] = scale * rotation
            layers.key[start : start + _PHASES, head, width : width + _PHASES] = scale * np.eye(_PHASES)
        layers.value[range(_TOKEN_SIZE), head, range(_TOKEN_SIZE)] = 1.0
    last_row = _LAST_OF_SHORTER if config.height < config.width else _LAST_OF_LONGER
    last_column = _LAST_OF_SHORTER if config.width < config.height else _LAST_OF_LONGER
    for side, row_end, column_end in zip(_SIDES, (_FIRST, last_row), (last_column, _FIRST), strict=True):
        layers.value[[row + row_end, column + column_end], _SELF, side.missing] = 1.0


def _write_perception(layers: _Layers) -> None:
    out, bias = layers.out, layers.out_bias
    for side in _SIDES:
        # What it offers of what lies beyond: its own brightness, as a memory, and its memories but the last.
        out[side.head, _BRIGHTNESS, side.chain[0]] = 1 - PAPER
        bias[side.chain[0]] = PAPER
        for number in range(1, _REACH):
            out[side.head, side.theirs[number - 1], side.chain[number]] = 1.0
        for number in range(_REACH):
            out[_SELF, side.theirs[number], side.chain[number]] = -1.0
        # What it gives back: its memories but the first, and the first as this cell's brightness.
        for number in range(_REACH - 1):
            out[side.head, side.ours[number + 1], side.recovery[number]] = 1.0
            out[_SELF, side.ours[number], side.recovery[number]] = -1.0
        out[side.head, side.ours[0], side.recovery[-1]] = 1 / (1 - PAPER)
        bias[side.recovery[-1]] = -PAPER / (1 - PAPER)
        out[_SELF, _BRIGHTNESS, side.recovery[-1]] = -1.0
        out[side.head, _FLAGS, side.soundness] = 1.0 / FLAG_CHANNELS
        out[_SELF, _FLAGS, side.soundness] = -1.0 / FLAG_CHANNELS
        # What is seen in place of a neighbour that is missing is not trusted.
        out[_SELF, side.missing, side.soundness] = -1.0
        out[side.head, side.ours[0], side.knowledge] = 1.0
    out[_SELF, _FLAGS, _OWN_SOUNDNESS] = 1.0 / FLAG_CHANNELS
    for number in range(FLAG_CHANNELS - 1):
        out[_SELF, _FLAGS[number], _DISAGREEMENT[number]] = 1.0
        out[_SELF, _FLAGS[number + 1], _DISAGREEMENT[number]] = -1.0


def _write_update(layers: _Layers) -> None:
    layers.first[0, 0, _OWN_SOUNDNESS, _UNITS:] = -_SILENCE
    layers.last_bias[_FLAGS] = _CLOCK_RATE
    _write_flags(layers)
    for number, (side, other) in enumerate((_SIDES, _SIDES[::-1])):
        units = range(number * _UNITS_PER_SIDE, (number + 1) * _UNITS_PER_SIDE)
        _write_exchange(layers, side, other, iter(units))


def _write_flags(layers: _Layers) -> None:
    """Set flags back that disagree, bring those below 0 back to it, and let those above it grow."""
    first, last = layers.first[0, 0], layers.last[0, 0]
    units = iter(range(2 * _UNITS_PER_SIDE, _UNITS))
    for difference in _DISAGREEMENT:
        for sign in (1.0, -1.0):
            unit = next(units)
            first[difference, unit] = sign
            last[unit, _FLAGS] = -_RESET_GAIN
    for sign, gain in ((-1.0, _REVIVAL_GAIN), (1.0, _CLOCK_GROWTH)):
        unit = next(units)
        first[_OWN_SOUNDNESS, unit] = sign
        last[unit, _FLAGS] = gain


def _write_exchange(layers: _Layers, side: _Side, other: _Side, units: Iterator[int]) -> None:
    """What a cell takes over from one neighbour, in memories, in brightness and in soundness."""
    first, bias, last = layers.first[0, 0], layers.first_bias, layers.last[0, 0]

    def gate(
        unit: int,
        constant: float,
        *,
        theirs: float,
        own: float = 0.0,
        others: float = 0.0,
        known: float = 0.0,
    ) -> None:
        """Weights of the three cells' soundness and of what the neighbour remembers of this cell."""
        first[side.soundness, unit] += theirs
        first[other.soundness, unit] += others
        first[_OWN_SOUNDNESS, unit] += theirs + others + own
        first[side.knowledge, unit] += known
        bias[unit] += constant

    def pairs(differences: NDArray[np.intp], channels: Iterable[int]) -> Iterator[int]:
        """Pairs of units from differences to channels, one unit after the other."""
        for difference, channel in zip(differences, channels, strict=True):
            for sign in (1.0, -1.0):
                unit = next(units)
                first[difference, unit] = sign
                last[unit, channel] = sign * _COPY_GAIN
                yield unit

    # Open between sound cells, and between fresh ones; closed towards a wounded neighbour.
    for unit in pairs(side.chain, side.theirs):
        gate(unit, 0.5, theirs=8.0, own=-5.0, others=-1.5)
    # Open where the neighbour is sound, this cell is not, and the neighbour knows it.
    for unit in pairs(side.recovery, (*side.ours[:-1], _VISIBLE)):
        gate(unit, -3154.5, theirs=3150.0, own=-150.0, known=150.0)
    # The difference of two such units is 1 where the neighbour is sound and knows this cell, and else 0.
    for sign, constant in ((1.0, -2570.0), (-1.0, -2571.0)):
        unit = next(units)
        gate(unit, constant, theirs=2500.0, known=100.0)
        last[unit, _FLAGS] = sign * _RECOVERY_RATE
