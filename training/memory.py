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

**Who lives.** Three more channels tell what a cell has been through. Their values are corners of what the
channels can hold, so that noise seldom looks like one:

| | life | awake | lost |
|---|---|---|---|
| new: of a page that begins, or just erased | 0, grows | 0 | 0 |
| young: it remembers the start, and what is trained is silent at first | 0.15 to 1 | 1 | 0 |
| restoring: what is trained works | 1 | 1, falls to 0.65, ever faster | 0 |
| finished: it defends what it shows | 1 | -1 | 0 |
| lost: taken from a page that was finished | grows to 0.985 while it waits | 1 | 1 |
| emptied: it was scrambled, and nothing is known of it yet | -1, grows to 0 | -1 | 1 |

Cells come to life together, each hardly faster than its neighbours on the diagonal, in some 35 steps. What
is trained starts as they do: until then a page shows the start itself, and there is time to remember it.

**What they remember when.** While a picture is restored, cells go on remembering the start: what they would
give back otherwise is a guess that was half made when they last heard of it. Once the clock has run for half
its time, they take over what neighbours show again.

**What was erased** has no life. Beside a young or a restoring cell that knows it, it is new: it is given back
what it was, at once, and is as old as its neighbour. Beside a finished or a lost cell it is lost, if its life
has not grown to 1 meanwhile, and a few steps later all of a wound is. Its life, which grows alike in both, is
the time since it was erased.

**What was scrambled** holds values of awake and lost that no cell has. It is emptied, and then beside a young
or a restoring cell it is new, beside a finished or a lost one it is lost, but only after some five steps:
until then what stands beside it may be noise too.

**When to give it back.** A lost cell waits, some 21 steps for ink and 29 for paper. Then a neighbour that
lives and knows it gives it back its brightness and its memories, all in one step, and it lives again and can
give in its turn: a wound closes from both ends of every diagonal. Because it waits, a brush that passes over
the whole page has taken those that knew before they can give, and nothing comes back in pieces: a page of
which all was taken stays empty. A cell that nobody remembers begins anew after some 55 steps, alive and
otherwise like a cell of a new page, but only beside a living cell that knows another one: what lies beyond
the memory is restored from what was given back.

**When to rest.** While a picture is restored a clock takes from awake, slowly, and when that is 0.65 the cell
is finished in one step: beside one that is neither young nor finished nothing could be told. What is trained
falls silent. A cell that was given back what it was is as much at rest as the neighbour that gave it.

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
_SHARPNESS = 22.0
"""Lead of the logit of the one cell that a head looks at over any other's: others get 3e-10 each. With 14, a
millionth each, cells that had been given back what they were did not come nearer to *lost* = 0 than 0.002."""
_LEARN_GAIN = 0.5
"""What a mean step takes over of a difference to what a neighbour tells; a kept step takes twice that."""
_GIVE_GAIN = 0.5
"""The same for what a lost cell is given back: all of it in one kept step."""

_BIRTH_GAIN = 0.35
_BIRTH_LEAD = 0.082
"""By how much a cell may be ahead of its two neighbours, added up, and still gain life. Where all are alike
it gains 0.029 in a mean step."""
_BIRTH_LIMIT = 0.04
"""The most life it gains in a mean step, where its neighbours are ahead: with 0.06, cells amid a wound woke
before they could be given back what they were."""
_WAKES = 0.15
"""Life at which a new cell becomes a young one: reached at about step 6."""
_YOUTH = 10.0
"""What life that is missing takes off every unit that restores pictures: they start at about step 22.
With 20 it is step 28, and 0.1 dB is missing at step 64."""
_SILENCE = 15.0
"""What a cell at rest and a lost one take off them. With 6, cells that had been given back what they were
went on to be restored, and paper became ink."""

SILENT_STEPS = 32
"""Steps of a new page in which what is trained does next to nothing: there is nothing to learn from them."""
_CLOCK_STARTS = 0.96
"""Life from which on the clock runs."""
_CLOCK_RATE = 2.5e-5
"""What it takes from awake at 1 in a mean step. With 8.4e-5 pages finish seven steps sooner, and have no time
to restore what is scrambled at step 64: 1.9 dB are lost (32 pictures), not 1.4."""
_CLOCK_GROWTH = 0.2
"""What it further takes in a mean step, as a part of what it took."""
_TIRED = 0.4
"""What it has taken where a cell is finished, if its neighbours have lost nothing of it: 0.35 where all are
alike, after some 45 steps ..."""
_TIRED_BESIDE = 0.08
"""... and by how much less for all that its neighbours have lost: cells beside each other finish together."""

_LOST_BELOW = 0.98
"""Life below which a cell is lost beside a finished one, and beside a lost one. With 0.5, some forty cells of
every page that was wiped had come to life before they heard of it; they began to draw."""
_TOLD = 0.7
"""How fast it is."""
_LEGAL = 2e-5
"""By how much *lost* may differ from 0 and from 1. With 0.002, two or three cells of a page that was
scrambled at once were taken for living ones."""
_EMPTYING = 200.0
_UNDECIDED = 20.0
"""How fast it is emptied otherwise, below 0 and between 0 and 1."""
_SETTLES = 0.4
"""How fast life of an emptied cell comes to 0, from -1: it tells when some five steps have gone by."""
_FALLS = 0.05
_RISES = 5.0
"""How fast *awake* of an emptied cell falls to -1, and rises beside a finished or a lost one."""

_RETURN_RATE = 10.0
"""Life that a cell gains in a mean step for each 1 of the margin of the gate that gives it back what it was:
with less, some had come to rest before they were lost no more, and were taken for scrambled."""
_WAIT_RATE = 0.026
"""Life that a lost cell gains in a mean step, until it comes to 0.7: about as much as a new one."""
_WAIT_SLOWS = 0.7
"""From here on it gains the less the nearer it is to `_WAIT_END`, and differs less from cell to cell."""
_WAIT_END = 0.985
"""Life that a lost cell does not reach by waiting: with 1 it would be lost no more."""
_GIVE_AFTER = 0.54
"""Life of a lost cell from which on it is given back ink, after some 21 steps; paper from 0.2 more, after
some 29. A wiping brush of radius 5 that moves by 3 cells a step passes the next row up to 22 steps later."""
_ANEW_AFTER = 0.968
"""Life from which on one that nobody remembers begins anew, after some 55 steps."""
_ANEW_LATER = 0.012
"""By how much more life, in some 13 steps, if the neighbour behind it is lost: it may yet be given back what
it was, and give. What is given back goes on by a cell in some four steps."""
_GIVE_YOUNG_ABOVE = 0.5
"""What a young neighbour must at least know of a new cell to give it back: paper is 0.75."""
_LEARN_BAND = 22.0
"""Width of the band of the learning gate, beside which it is closed: a neighbour that is too young is not
learned from, and what is scrambled neither, but by chance."""
_KEEPS_FROM = 0.7
"""Life from which on the start is kept, ..."""
_KEEPS_START = 150.0
"""... what more life moves the band by ..."""
_LEARNS_AGAIN = 7500.0
"""... and rest moves it back by: at a rest of 0.006, at about step 66, it is open again."""
_LEARN_BEHIND = 12.0
"""How much the other neighbour must be at rest as this one is: a young cell beside an erased one would learn
from it that all is paper."""

# Where the memory's parts lie, in the token (and so in each looking head's value) ...
_REACH = REACH_CELLS
_AHEAD = np.arange(_REACH)
"""Memories of the cells to the north-east, nearest first."""
_BEHIND = _REACH + np.arange(_REACH)
"""Memories of the cells to the south-west, nearest first."""
_LIFE, _AWAKE, _LOST = range(2 * _REACH, 2 * _REACH + 3)
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
    def rest(self) -> int:
        return self.start + 2 * _REACH + 1

    @property
    def lost(self) -> int:
        return self.start + 2 * _REACH + 2


_SIDES = (
    _Side(_NORTH_EAST, theirs=_AHEAD, ours=_BEHIND, missing=_TOKEN_SIZE, start=0),
    _Side(_SOUTH_WEST, theirs=_BEHIND, ours=_AHEAD, missing=_TOKEN_SIZE + 1, start=_PERCEPTIONS_PER_SIDE),
)
_OWN_LIFE, _OWN_REST, _OWN_LOST, _OWN_BRIGHTNESS, _OWN_YOUTH = range(
    2 * _PERCEPTIONS_PER_SIDE, 2 * _PERCEPTIONS_PER_SIDE + 5
)
_PERCEPTION_SIZE = 2 * _PERCEPTIONS_PER_SIDE + 5
_UNITS_PER_SIDE = 4 * _REACH + 10
_UNITS = 2 * _UNITS_PER_SIDE + 28
_MISTRUST = 0.6
"""What a missing neighbour takes off the knowledge that is seen in its place: then it is none."""


def channel_names() -> list[str]:
    """What the memory's channels hold: the names of an automaton's first `MEMORY_CHANNELS` channels."""
    directions = ("north-east", "south-west")
    names = [f"ink {cells} {direction}" for direction in directions for cells in range(1, _REACH + 1)]
    return [*names, "life", "awake", "lost"]


def in_vain(state: Array, key: Array, config: ModelConfig, beside_paper_share: float = 0.5) -> Array:
    """Cells as they are after a wait in which nobody gave them back what they were.

    In some automata they live and remember nothing, and all else in them is as in a new page that is empty; a
    random share of them still waits. In the others half a plane waits, beside paper that is finished and
    remembered.

    Args:
        state: float[B, H, W, C], for its shape.
        key: PRNG key of the shares and of who waits.
        config: The automaton's hyperparameters.
        beside_paper_share: Of the automata in which half a plane waits.
    """
    kind_key, share_key, cell_key, angle_key = jax.random.split(key, 4)
    batch, height, width = state.shape[:3]
    beside_paper = jax.random.bernoulli(kind_key, beside_paper_share, (batch, 1, 1))
    share = jax.random.uniform(share_key, (batch, 1, 1))
    some = jax.random.bernoulli(cell_key, share, state.shape[:3])
    angle = jax.random.uniform(angle_key, (batch, 1, 1), maxval=2 * jnp.pi)
    rows, columns = jnp.mgrid[:height, :width]
    along = (rows - height / 2) * jnp.cos(angle) + (columns - width / 2) * jnp.sin(angle)
    half = along > (share - 0.5) * max(height, width)
    waits = jnp.where(beside_paper, half, some)[..., None]
    begun = jnp.zeros_like(state).at[..., : 2 * _REACH].set(-1.0)
    begun = begun.at[..., _LIFE].set(1.0).at[..., _AWAKE].set(1.0)
    paper = begun.at[..., : 2 * _REACH].set(PAPER).at[..., _AWAKE].set(-1.0)
    waiting = begun.at[..., MEMORY_CHANNELS : -config.visible_channel_size].set(-1.0)
    waiting = waiting.at[..., _LIFE].set(jnp.where(beside_paper, 0.97, 0.6)).at[..., _LOST].set(1.0)
    return jnp.where(waits, waiting, jnp.where(beside_paper[..., None], paper, begun))


def is_new(state: Array) -> Array:
    """Which automata float[B, H, W, C] begin, and have no cell that lives yet: bool[B, 1, 1, 1]."""
    return jnp.all(state[..., _LIFE : _LIFE + 1] <= 0.0, axis=(1, 2, 3), keepdims=True)


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
        for channel, perception in ((_LIFE, side.life), (_LOST, side.lost)):
            out[side.head, channel, perception] = 1.0
        out[side.head, _AWAKE, side.rest], bias[side.rest] = -1.0, 1.0
    for channel, perception in ((_LIFE, _OWN_LIFE), (_LOST, _OWN_LOST), (_BRIGHTNESS, _OWN_BRIGHTNESS)):
        out[_SELF, channel, perception] = 1.0
    for channel, perception in ((_AWAKE, _OWN_REST), (_LIFE, _OWN_YOUTH)):
        out[_SELF, channel, perception], bias[perception] = -1.0, 1.0


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
    layers.first[0, 0, [_OWN_REST, _OWN_LOST], _UNITS:] = -_SILENCE
    layers.first[0, 0, _OWN_YOUTH, _UNITS:] = -_YOUTH
    units = _Units(layers)
    trained = range(MEMORY_CHANNELS, config.channel_size - config.visible_channel_size)
    emptied = [(channel, -_EMPTYING) for channel in (*range(2 * _REACH), *trained)]
    to_zero = [(channel, 0.5) for channel in trained]
    _write_emptying(units, emptied, to_zero)
    _write_life(units, to_zero)
    # A cell left alone between two lost ones is lost too, or it would live on and give them back.
    alone = [(p, w) for side in _SIDES for p, w in ((side.lost, 10.0), (side.life, -4.0))]
    units.add(
        -15.0,
        [*alone, (_OWN_LOST, -60.0)],
        [*emptied, (_LOST, _EMPTYING), (_AWAKE, -_EMPTYING)],
    )
    for side in _SIDES:
        _write_loss(units, side, emptied)
        _write_exchange(units, side)


def _write_emptying(units: _Units, emptied: _Weights, to_zero: _Weights) -> None:
    """What was scrambled has values that no other cell has. It is emptied, and waits to hear what it is."""
    life, rest, lost = _OWN_LIFE, _OWN_REST, _OWN_LOST
    emptied = [*emptied, (_LIFE, -_EMPTYING)]
    units.add(-_LEGAL, [(lost, -1.0)], [*emptied, (_LOST, _EMPTYING), (_AWAKE, -100 * _EMPTYING)])
    # Wholly lost or not at all, else it was scrambled. Not steep: a head sees millionths of other cells too.
    scrambled = [
        (_LOST, _UNDECIDED),
        (_AWAKE, -500 * _UNDECIDED),
        *((channel, -_UNDECIDED) for channel, _ in emptied),
    ]
    units.add(-_LEGAL, [(lost, 1.0)], [*scrambled, (_LIFE, _WAIT_RATE / (1 - _LEGAL))])
    units.add(-0.8, [(lost, 1.0)], [(c, -w * (1 - _LEGAL) / 0.2) for c, w in scrambled])
    # Lost cells are awake, or not at all while nothing is known of them.
    units.add(-20.3, [(lost, 20.0), (rest, 1.0)], [(_AWAKE, -_FALLS)])
    units.add(-20.0 + 0.5, [(lost, 20.0), (rest, -1.0)], [(_AWAKE, 0.04)])
    units.add_gated(-113.0, [(lost, 100.0), (rest, 10.0)], [(0.0, [(life, 1.0)], _LIFE)], -_SETTLES)
    units.add_gated(
        -95.0, [(lost, 100.0), (life, -6.2), (rest, 4.0)], [(0.0, [(_OWN_BRIGHTNESS, 1.0)], _VISIBLE)], -0.5
    )
    # Beside a young or a restoring cell it is new ...
    outputs = [(_LOST, -0.5), (_AWAKE, 0.5 + 1.7 * _FALLS), *to_zero]
    first = _SIDES[0]
    for side, other in ((first, []), (_SIDES[1], [(first.rest, 10.0), (first.lost, -10.0)])):
        fresh = [
            (lost, 100.0),
            (rest, 60.0),
            (life, 80.0),
            (side.rest, -10.0),
            (side.lost, -10.0),
            *other,
        ]
        constant = -220.0 - (10.0 if other else 0.0)
        units.add(constant, fresh, outputs)
        units.add(constant - 1.0, fresh, [(c, -w) for c, w in outputs])
    # ... and beside a finished or a lost one it is lost, but later: what is beside it may have been scrambled
    # and not know it yet.
    for side in _SIDES:
        units.add(
            -104.5,
            [(lost, 100.0), (life, 0.5), (rest, 0.4), (side.lost, 4.0), (side.rest, -2.0)],
            [(_AWAKE, _RISES)],
        )
        units.add(
            -104.5,
            [(lost, 100.0), (life, 0.5), (rest, 0.4), (side.life, 2.0), (side.rest, 1.0), (side.lost, -0.4)],
            [(_AWAKE, _RISES)],
        )


def _write_life(units: _Units, to_zero: _Weights) -> None:
    """How cells come to life, wait, live again, wake, and fall asleep."""
    life, rest, lost = _OWN_LIFE, _OWN_REST, _OWN_LOST
    # With their neighbours.
    ahead = [(side.life, _BIRTH_GAIN) for side in _SIDES]
    for start, gain in ((0.0, 1.0), (_BIRTH_LIMIT, -1.0)):
        units.add(
            _BIRTH_GAIN * _BIRTH_LEAD - start,
            [*ahead, (life, -2 * _BIRTH_GAIN), (lost, -5.0)],
            [(_LIFE, gain)],
        )
    # It does not live by waiting alone.
    slowing = -_WAIT_RATE / (_WAIT_END - _WAIT_SLOWS)
    units.add(-10.0 - _WAIT_SLOWS, [(life, 1.0), (lost, 10.0)], [(_LIFE, slowing)])
    # Lost no more once it lives. What training uses stood at -1 meanwhile, whatever it was before, and goes
    # to 0 as in a new page.
    units.add(-100.0, [(lost, 1.0), (life, 100.0), (rest, -2.0)], [(_LOST, -0.5), *to_zero])
    # It wakes when it has some life.
    for end, gain in ((_WAKES, 1.0), (_WAKES + 0.12, -2.0), (_WAKES + 0.24, 1.0)):
        units.add(-end, [(life, 1.0), (lost, -10.0)], [(_AWAKE, 100.0 * gain)])
    # The clock.
    units.add_gated(
        -40.0 * _CLOCK_STARTS,
        [(life, 40.0), (lost, -100.0)],
        [(_CLOCK_RATE / _CLOCK_GROWTH, [(rest, 1.0)], _AWAKE)],
        -_CLOCK_GROWTH,
    )
    # Once it has run that far, the cell is finished in one step: beside one that is neither young nor
    # finished others would not be told what became of them.
    beside = [(side.rest, 20.0 * _TIRED_BESIDE) for side in _SIDES]
    units.add(
        -20.0 * _TIRED - 200.0, [(rest, 20.0), (life, 200.0), (lost, -1000.0), *beside], [(_AWAKE, -50.0)]
    )


def _write_loss(units: _Units, side: _Side, emptied: _Weights) -> None:
    """A cell with little life is lost beside a finished one, and beside a lost one."""
    life, lost = _OWN_LIFE, _OWN_LOST
    outputs = [*emptied, (_LOST, _TOLD), (_AWAKE, _TOLD)]
    units.add(
        -7400.0,
        [
            (side.life, 4000.0),
            (side.rest, 2000.0),
            (side.lost, -700.0),
            (life, -600.0 / _LOST_BELOW),
            (lost, -6000.0),
        ],
        outputs,
    )
    units.add(
        -1800.0,
        [(side.lost, 2000.0), (side.rest, -2000.0), (life, -200.0 / _LOST_BELOW), (lost, -6000.0)],
        outputs,
    )


def _write_exchange(units: _Units, side: _Side) -> None:
    """What a cell takes over from one neighbour: memories, and, if it is lost, all that it was."""
    life, rest, lost = _OWN_LIFE, _OWN_REST, _OWN_LOST
    (behind,) = (each for each in _SIDES if each is not side)
    # Open towards a neighbour that has about as much life and rest; closed if either is lost, and while the
    # start is kept.
    learn = [
        (side.life, 60.0),
        (life, -54.0),
        (side.rest, -12.0),
        (behind.rest, _LEARN_BEHIND),
        (behind.lost, 2 * _LEARN_BEHIND),
        (side.lost, -2500000.0),
        (lost, -3000.0),
        (side.knowledge, 0.2),
    ]
    constant = 3.6
    offers = list(zip(side.offers.tolist(), side.theirs.tolist(), strict=True))
    restoring = [(life, _KEEPS_START), (rest, -_LEARNS_AGAIN)]
    for start, gate, sign in (
        (constant, learn, 1.0),
        (constant - _LEARN_BAND - _KEEPS_START * _KEEPS_FROM, [*learn, *restoring], -1.0),
    ):
        units.add_gated(
            start, gate, [(0.0, [(offer, 1.0)], channel) for offer, channel in offers], sign * _LEARN_GAIN
        )
    brightness = (
        -PAPER / (1 - PAPER),
        [(side.knowledge, 1 / (1 - PAPER)), (_OWN_BRIGHTNESS, -1.0)],
        _VISIBLE,
    )
    memories = [
        (0.0, [(given, 1.0)], channel)
        for given, channel in zip(side.returns.tolist(), side.ours[:-1].tolist(), strict=True)
    ]
    # Open where this cell is lost and has waited, and the neighbour lives and knows it. One that knows
    # nothing does not open it even once this cell's life is 1: 250 is less than 200 + 135.
    # The one to the south-west only where the other does not know it: if both gave, all would be set twice.
    north_east = _SIDES[0]
    other = [(north_east.knowledge, -70.0)] if side is _SIDES[1] else []
    units.add_gated(
        -9200.0 - 250.0 * _GIVE_AFTER + sum(w for _, w in other),
        [
            (side.life, 8000.0),
            (side.lost, -300.0),
            (lost, 1000.0),
            (side.knowledge, 200.0),
            (life, 250.0),
            (rest, -300.0),
            *other,
        ],
        [*memories, brightness],
        _GIVE_GAIN,
        [(_LIFE, _RETURN_RATE)],
    )
    # A young page, or one that is restored: open where this cell is new and the neighbour is awake and knows
    # it. A finished cell, whose rest is 2, has to keep it closed by its life.
    other = [(north_east.rest, 1700.0), (north_east.lost, -1700.0)] if side is _SIDES[1] else []
    alike = [(0.0, [(side.life, 1.0), (life, -1.0)], _LIFE)]
    units.add_gated(
        -1000.0 - 2500.0 * _GIVE_YOUNG_ABOVE - (1700.0 if other else 0.0),
        [
            (rest, 1000.0),
            (life, -4400.0),
            (side.life, 400.0),
            (side.rest, -2000.0),
            (side.knowledge, 2500.0),
            (lost, -40000.0),
            *other,
        ],
        [*memories, brightness, *alike],
        _GIVE_GAIN,
        [(_AWAKE, 0.005)],
    )
    # A cell that nobody remembers begins anew beside a living one that knows another.
    units.add(
        -9000.0 - 17.5 - 400.0 * _ANEW_AFTER,
        [
            (side.life, 8000.0),
            (lost, 1000.0),
            (int(side.offers[1]), 10.0),
            (life, 400.0),
            (rest, -100.0),
            (behind.lost, -400.0 * _ANEW_LATER),
        ],
        [(_LIFE, 0.5)],
    )
    # In the step in which it is lost no more: as much at rest as the neighbour that knew it.
    units.add_gated(
        -13009.0,
        [(side.knowledge, 20.0), (life, 11000.0), (side.life, 1000.0), (lost, 1000.0), (rest, -20.0)],
        [(0.0, [(side.rest, -1.0)], _AWAKE)],
        0.5,
    )
