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
features tell the cells there that nobody who remembers them is there.

**What to keep.** Every cell keeps the brightness of the `REACH_CELLS` cells before and behind it on its
diagonal, a channel for each, and takes it over from its neighbours: what they show, and what they keep of the
cell one further on. A disc of radius 5 covers at most eight cells of a diagonal; along rows and columns it
would be eleven. Paper is kept as 0.75 and ink as 1, so that 0 and less is "never heard of".

**Who lives.** Three more channels tell what a cell has been through:

| | life | sound | lost |
|---|---|---|---|
| of a page that begins, or just erased | 0 | 0 | 0 |
| while a picture is restored | grows to 1 in some 60 steps | grows to 1 in some 95 steps | 0 |
| finished: it defends what it shows | 1 | 1 | 0 |
| lost: taken from a page that lived | from 0 up to 0.98, while it waits | 0 | 1 |

Cells come to life together, each no faster than its neighbours on the diagonal. So a cell without life beside
one that lives, or beside a lost one, was erased: it is lost, and within a few steps all of a wound is. A cell
with other values than these was scrambled: it is lost too. Lost cells are emptied and remember nothing, and
what restores pictures is silent in them.

**When to give it back.** A lost cell waits, some 21 steps for ink and 29 for paper. Then a neighbour that
lives and knows it gives it back its brightness and its memories, all in one step, and it lives again and can
give in its turn: a wound closes from both ends of every diagonal. Because it waits, a brush that passes over
the whole page has taken those that knew before they can give, and nothing comes back in pieces: a page of
which all was taken stays empty. A cell that nobody remembers begins anew after some 50 steps, alive and
otherwise like a cell of a new page, but only beside a living cell that knows another one: what lies beyond
the memory is restored from what was given back.

**When to rest.** A clock makes cells sound that are not lost, while a picture is restored, and as it does,
what restores it falls silent. A cell that was given back what it was is as sound as the neighbour that gave
it.

**How a layer of ReLUs selects.** Two units, relu(d + g) - relu(g), give d where the gate g is at least |d|,
and 0 where it is at most -|d|; all differences with one gate share the second. The gates are sums of what the
channels above hold, with weights that leave a margin for every combination that occurs.

Writing an algorithm into a network's weights is an old idea; for transformers see Lindner et al., "Tracr:
Compiled Transformers as a Laboratory for Interpretability", arXiv:2301.05062.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from numpy.typing import NDArray

from nca_viewer.automaton.rollout import Dynamics, Parameters
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.config import ModelConfig
from nca_viewer.errors import ConfigError

REACH_CELLS = 4
"""How far along the diagonal each cell remembers, to either side."""

PAPER = 0.75
"""What a memory of paper is; one of ink is 1, and 0 or less is none."""
_SHARPNESS = 14.0
"""Lead of the logit of the one cell that a head looks at over any other's: others get a millionth each."""
_LEARN_GAIN = 1 / 3
"""What a mean step takes over of a difference to what a neighbour tells; a kept step takes twice that."""
_GIVE_GAIN = 0.5
"""The same for what a lost cell is given back: all of it in one kept step."""

_BIRTH_GAIN = 0.35
_BIRTH_LEAD = 0.04
"""By how much a cell may be ahead of its two neighbours, added up, and still gain life. Where all are alike
it gains 0.028 in a kept step, and comes to 1 in some 60. With more, cells amid a page that is wiped come to
life before they are known to be lost: with 0.05 in a sixth of the pages, with 0.1 in all."""
_LIVING = 0.5
"""Life from which on a cell shows that one without any beside it was erased: reached at about step 30."""
_SPREAD = 0.5
"""Life below which a cell is lost beside a lost one."""
_RETURN_RATE = 1.0
"""Life that a cell gains in a mean step for each 1 of the margin of the gate that gives it back what it
was: with less, some had become sound before they were lost no more, and were taken for scrambled."""
_WAIT_RATE = 0.026
"""Life that a lost cell gains in a mean step, until it comes to 0.7."""
_WAIT_SLOWS = 0.7
"""From here on it gains the less the nearer it is to `_WAIT_END`, and differs less from cell to cell."""
_WAIT_END = 0.985
"""Life that a lost cell does not reach by waiting: with 1 it would be lost no more."""
_GIVE_AFTER = 0.54
"""Life of a lost cell from which on it is given back ink, after some 21 steps; paper from 0.2 more, after
some 29. A wiping brush of radius 5 that moves by 3 cells a step passes the next row up to 22 steps later."""
_ANEW_AFTER = 0.955
"""Life from which on one that nobody remembers begins anew, after some 50 steps."""
_ANEW_LATER = 0.02
"""By how much more life, in some 10 steps, if the neighbour behind it is lost: it may yet be given back what
it was, and give. What is given back goes on by a cell in some four steps."""
_EMPTYING = 200.0
"""What each sign that a cell is lost takes from its life, which stops at -1: there it is emptied."""
_EMPTIED_GROWTH = 0.4
"""Part of the way back from there to 0 that life makes in a mean step."""
_UNDECIDED = 20.0
"""What a value between lost and not lost takes from life."""

_CLOCK_RATE = 0.00055
"""Mean growth of soundness at 0 in a step."""
_CLOCK_GROWTH = 0.05
"""What it further grows by in a mean step, as a part of what it is: from 0 to 0.04 in 32 steps, to 0.22 in
64 and to 1 in some 95."""
_SILENCE = 15.0
"""What a sound or a lost cell takes off every unit that restores pictures. With 6, cells that had been given
back what they were went on to be restored, and paper became ink."""

# Where the memory's parts lie, in the token (and so in each looking head's value) ...
_REACH = REACH_CELLS
_AHEAD = np.arange(_REACH)
"""Memories of the cells to the north-east, nearest first."""
_BEHIND = _REACH + np.arange(_REACH)
"""Memories of the cells to the south-west, nearest first."""
_LIFE, _SOUND, _LOST = range(2 * _REACH, 2 * _REACH + 3)
MEMORY_CHANNELS = 2 * _REACH + 3
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

_PERCEPTIONS_PER_SIDE = 2 * _REACH + 3


class _Side(NamedTuple):
    """One of the two neighbours, what is exchanged with it, and where in the perception it is told of.

    Attributes:
        head: The head that looks at it.
        theirs: Memories that grow towards it: each is taken over from it, one further on.
        ours: Memories of what lies behind: it gives them back to a lost cell.
        missing: Where in the value of the head that looks at the cell itself it is told that there is none.
        start: The first of its perceptions.
    """

    head: int
    theirs: NDArray[np.intp]
    ours: NDArray[np.intp]
    missing: int
    start: int

    @property
    def offers(self) -> NDArray[np.intp]:
        """Differences to what it offers of `theirs`."""
        return self.start + np.arange(_REACH)

    @property
    def returns(self) -> NDArray[np.intp]:
        """Differences to what it gives back of `ours`, which it has all of but the last."""
        return self.start + _REACH + np.arange(_REACH - 1)

    @property
    def knowledge(self) -> int:
        """Its memory of this cell; 0 or less where there is no such neighbour."""
        return self.start + 2 * _REACH - 1

    @property
    def life(self) -> int:
        return self.start + 2 * _REACH

    @property
    def sound(self) -> int:
        return self.start + 2 * _REACH + 1

    @property
    def lost(self) -> int:
        return self.start + 2 * _REACH + 2


_SIDES = (
    _Side(_NORTH_EAST, theirs=_AHEAD, ours=_BEHIND, missing=_TOKEN_SIZE, start=0),
    _Side(_SOUTH_WEST, theirs=_BEHIND, ours=_AHEAD, missing=_TOKEN_SIZE + 1, start=_PERCEPTIONS_PER_SIDE),
)
_OWN_LIFE, _OWN_SOUND, _OWN_LOST, _OWN_BRIGHTNESS = range(
    2 * _PERCEPTIONS_PER_SIDE, 2 * _PERCEPTIONS_PER_SIDE + 4
)
_PERCEPTION_SIZE = 2 * _PERCEPTIONS_PER_SIDE + 4
_UNITS_PER_SIDE = 2 * _REACH + 7
_UNITS = 2 * _UNITS_PER_SIDE + 15
_MISTRUST = 1.0
"""What a missing neighbour takes off the knowledge that is seen in its place: then it is none."""


def channel_names() -> list[str]:
    """What the memory's channels hold: the names of an automaton's first `MEMORY_CHANNELS` channels."""
    directions = ("north-east", "south-west")
    names = [f"ink {cells} {direction}" for direction in directions for cells in range(1, _REACH + 1)]
    return [*names, "life", "sound", "lost"]


def in_vain(state: Array, key: Array, config: ModelConfig) -> Array:
    """Cells as they are after a wait in which nobody gave them back what they were.

    They live and remember nothing, and all else in them is as in a new page that is empty; of each automaton
    a random share of up to two thirds of the cells still waits.

    Args:
        state: float[B, H, W, C], for its shape.
        key: PRNG key of the shares and of who waits.
        config: The automaton's hyperparameters.
    """
    share_key, cell_key = jax.random.split(key)
    share = jax.random.uniform(share_key, (len(state), 1, 1), maxval=2 / 3)
    waits = jax.random.bernoulli(cell_key, share, state.shape[:3])[..., None]
    begun = jnp.zeros_like(state).at[..., : 2 * _REACH].set(-1.0).at[..., _LIFE].set(1.0)
    waiting = begun.at[..., MEMORY_CHANNELS : -config.visible_channel_size].set(-1.0)
    waiting = waiting.at[..., _LIFE].set(0.6).at[..., _LOST].set(1.0)
    return jnp.where(waits, waiting, begun)


def _position_size(config: ModelConfig) -> int:
    """How many features of the position embedding belong to the memory."""
    return _LAST_OF_LONGER + 1 if config.height == config.width else _LAST_OF_SHORTER + 1


def require_room(config: ModelConfig) -> None:
    """Check that an automaton is large enough for the memory, and that its steps are those it counts on.

    Raises:
        ConfigError: naming what is too small, or not as it must be.
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
        _write_update(layers, dynamics.config)

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
        out[side.head, _BRIGHTNESS, side.offers[0]] = 1 - PAPER
        bias[side.offers[0]] = PAPER
        for number in range(1, _REACH):
            out[side.head, side.theirs[number - 1], side.offers[number]] = 1.0
        for number in range(_REACH):
            out[_SELF, side.theirs[number], side.offers[number]] = -1.0
        # What it gives back: its memories but the first, which is of this cell's brightness.
        for number in range(_REACH - 1):
            out[side.head, side.ours[number + 1], side.returns[number]] = 1.0
            out[_SELF, side.ours[number], side.returns[number]] = -1.0
        out[side.head, side.ours[0], side.knowledge] = 1.0
        # What is seen in place of a neighbour that is missing knows nothing.
        out[_SELF, side.missing, side.knowledge] = -_MISTRUST
        for channel, perception in ((_LIFE, side.life), (_SOUND, side.sound), (_LOST, side.lost)):
            out[side.head, channel, perception] = 1.0
    for channel, perception in (
        (_LIFE, _OWN_LIFE),
        (_SOUND, _OWN_SOUND),
        (_LOST, _OWN_LOST),
        (_BRIGHTNESS, _OWN_BRIGHTNESS),
    ):
        out[_SELF, channel, perception] = 1.0


_Weights = Sequence[tuple[int, float]]


class _Units:
    """Writes units of the update's hidden layer, one after the other."""

    def __init__(self, layers: _Layers):
        self._first, self._bias, self._last = layers.first[0, 0], layers.first_bias, layers.last[0, 0]
        self._next = itertools.count()

    def add(self, constant: float, inputs: _Weights, outputs: _Weights) -> None:
        """relu(constant + weights of perceptions), and what it adds to channels in a mean step."""
        unit = next(self._next)
        self._bias[unit] = constant
        for perception, weight in inputs:
            self._first[perception, unit] += weight
        for channel, gain in outputs:
            self._last[unit, channel] += gain

    def add_gated(
        self,
        constant: float,
        gate: _Weights,
        differences: Iterable[tuple[float, _Weights, int]],
        gain: float,
        others: _Weights = (),
    ) -> None:
        """Add a part of each difference to its channel, while the gate is open.

        Args:
            constant: Of the gate.
            gate: Its weights of perceptions.
            differences: Constant, weights of perceptions, and the channel, of each.
            gain: The part of them in a mean step.
            others: What the gate itself adds to further channels, in proportion to its margin.
        """
        channels = []
        for offset, difference, channel in differences:
            self.add(constant + offset, [*gate, *difference], [(channel, gain)])
            channels.append(channel)
        self.add(constant, gate, [*((channel, -gain) for channel in channels), *others])


def _write_update(layers: _Layers, config: ModelConfig) -> None:
    layers.first[0, 0, [_OWN_SOUND, _OWN_LOST], _UNITS:] = -_SILENCE
    layers.last_bias[_SOUND] = _CLOCK_RATE
    units = _Units(layers)
    others = range(MEMORY_CHANNELS, config.channel_size - config.visible_channel_size)
    _write_emptying(units, [(channel, -5.0) for channel in others])
    _write_life(units, [(channel, 0.5) for channel in others])
    # A cell left alone between two lost ones is lost too, or it would live on and give them back.
    alone = [(p, w) for side in _SIDES for p, w in ((side.lost, 10.0), (side.life, -10.0))]
    alone.append((_OWN_LOST, -60.0))
    units.add(-15.0, alone, [(_LOST, 2.0), (_LIFE, -_EMPTYING)])
    for side in _SIDES:
        _write_loss(units, side)
        _write_exchange(units, side)


def _write_emptying(units: _Units, taken: _Weights) -> None:
    """A scrambled cell is told by values that no other has. Its life goes to -1, where it is emptied."""
    life, sound, lost = _OWN_LIFE, _OWN_SOUND, _OWN_LOST
    emptied = [(_LIFE, -_EMPTYING), (_LOST, 50.0)]
    units.add(-0.005, [(sound, -1.0)], emptied)
    units.add(-0.02, [(lost, -1.0)], emptied)
    units.add(-0.15, [(sound, 1.0), (life, -1.0), (lost, -3.0)], [*emptied, (_SOUND, -1.0)])
    units.add(-10.0, [(sound, 1.0), (lost, 10.0)], [(_LIFE, -_EMPTYING), (_SOUND, -0.5)])
    units.add(0.0, [(sound, -1.0)], [(_SOUND, 0.5)])
    # While life is below 0: back to it, lost, and whatever was remembered forgotten.
    forgotten: _Weights = [(channel, -5.0) for channel in range(2 * _REACH)]
    units.add(0.0, [(life, -1.0)], [(_LIFE, _EMPTIED_GROWTH), (_LOST, 50.0), *forgotten, *taken])
    units.add_gated(-2.0, [(life, -100.0)], [(0.0, [(_OWN_BRIGHTNESS, 1.0)], _VISIBLE)], -0.5)


def _write_life(units: _Units, given: _Weights) -> None:
    """How cells come to life, wait, live again, and become sound."""
    life, sound, lost = _OWN_LIFE, _OWN_SOUND, _OWN_LOST
    # With their neighbours; a lost one counts as one that lives, or those beside a wound would not.
    ahead = [(perception, _BIRTH_GAIN) for side in _SIDES for perception in (side.life, side.lost)]
    units.add(_BIRTH_GAIN * _BIRTH_LEAD, [*ahead, (life, -2 * _BIRTH_GAIN), (lost, -5.0)], [(_LIFE, 1.0)])
    # Wholly lost or not at all, else it was scrambled; it waits, and its clock stands still.
    decided = 1 / 0.99
    units.add(
        -0.01,
        [(lost, 1.0)],
        [(_LOST, 0.5), (_LIFE, _WAIT_RATE * decided - _UNDECIDED), (_SOUND, -1.04 * _CLOCK_RATE * decided)],
    )
    # Not steep: a head sees millionths of other cells too, and life would feel how many of them are lost.
    units.add(-0.8, [(lost, 1.0)], [(_LIFE, _UNDECIDED * 0.99 / 0.2)])
    # It does not live by waiting alone.
    slowing = -_WAIT_RATE / (_WAIT_END - _WAIT_SLOWS)
    units.add(-10.0 - _WAIT_SLOWS, [(life, 1.0), (lost, 10.0)], [(_LIFE, slowing)])
    # Lost no more once it lives: takes off one, and what the unit of lost cells above adds. What training
    # uses stood at -1 meanwhile, whatever it was before, and goes to 0 as in a new page.
    units.add(-1000.0, [(lost, 1.0), (life, 1000.0)], [(_LOST, -0.995), *given])
    units.add(0.0, [(sound, 1.0)], [(_SOUND, _CLOCK_GROWTH)])


def _write_loss(units: _Units, side: _Side) -> None:
    """A cell without life is lost beside one that lives, and beside a lost one."""
    life, lost = _OWN_LIFE, _OWN_LOST
    emptied = [(_LIFE, -_EMPTYING), (_LOST, 2.0)]
    units.add(-10.0 * _LIVING, [(side.life, 10.0), (life, -40.0), (lost, -60.0)], emptied)
    units.add(-5.0, [(side.lost, 10.0), (life, -5.0 / _SPREAD), (lost, -60.0)], emptied)


def _write_exchange(units: _Units, side: _Side) -> None:
    """What a cell takes over from one neighbour: memories, and, if it is lost, all that it was."""
    # Open towards a neighbour that has about as much life and soundness; closed if either is lost.
    units.add_gated(
        3.6,
        [
            (side.life, 60.0),
            (_OWN_LIFE, -54.0),
            (side.sound, 120.0),
            (_OWN_SOUND, -120.0),
            (side.lost, -30.0),
            (_OWN_LOST, -200.0),
            (side.knowledge, 0.2),
        ],
        [
            (0.0, [(offer, 1.0)], channel)
            for offer, channel in zip(side.offers.tolist(), side.theirs.tolist(), strict=True)
        ],
        _LEARN_GAIN,
    )
    # Open where this cell is lost and has waited, and the neighbour lives and knows it. One that knows
    # nothing does not open it even once this cell's life is 1: 250 is less than 200 + 135.
    brightness = (
        -PAPER / (1 - PAPER),
        [(side.knowledge, 1 / (1 - PAPER)), (_OWN_BRIGHTNESS, -1.0)],
        _VISIBLE,
    )
    memories = [
        (0.0, [(given, 1.0)], channel)
        for given, channel in zip(side.returns.tolist(), side.ours[:-1].tolist(), strict=True)
    ]
    # The one to the south-west only where the other does not know it: if both gave, all would be set twice.
    other = [(_SIDES[0].knowledge, -200.0), (_SIDES[0].lost, -200.0)] if side is _SIDES[1] else []
    units.add_gated(
        -9200.0 - 250.0 * _GIVE_AFTER,
        [
            (side.life, 8000.0),
            (side.lost, -1000.0),
            (_OWN_LOST, 1000.0),
            (side.knowledge, 200.0),
            (_OWN_LIFE, 250.0),
            *other,
        ],
        [*memories, brightness],
        _GIVE_GAIN,
        [(_LIFE, _RETURN_RATE)],
    )
    # A cell that nobody remembers begins anew beside a living one that knows another.
    (behind,) = (each for each in _SIDES if each is not side)
    units.add(
        -9000.0 - 17.5 - 400.0 * _ANEW_AFTER,
        [
            (side.life, 8000.0),
            (_OWN_LOST, 1000.0),
            (int(side.offers[1]), 10.0),
            (_OWN_LIFE, 400.0),
            (behind.lost, -400.0 * _ANEW_LATER),
        ],
        [(_LIFE, 0.5)],
    )
    # In the step in which it is lost no more: as sound as the neighbour that knew it.
    units.add_gated(
        -13009.0,
        [(side.knowledge, 20.0), (_OWN_LIFE, 11000.0), (side.life, 1000.0), (_OWN_LOST, 1000.0)],
        [(0.0, [(side.sound, 1.0)], _SOUND)],
        0.5,
    )
