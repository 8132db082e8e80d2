import copy
import hashlib
from dataclasses import dataclass
from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from nca_viewer.errors import BackendError
from nca_viewer.interaction.actions import Tool
from nca_viewer.moment import Moment, Start
from nca_viewer.simulation import Simulation
from nca_viewer.timeline import Timeline

GRID = (3, 5)
STATE_BYTES = 32


class Chain:
    """A simulation whose state is a hash of all that led to it; `ill` says of which moments it is unhealthy."""

    def __init__(self, ill=lambda simulation: False):
        self.config = SimpleNamespace(height=GRID[0], width=GRID[1])
        self.listeners = []
        self.step = self.episode = self.work = 0
        self.fails_after = None
        self.image = np.zeros(GRID, np.float32)
        self._ill = ill
        self._state = np.zeros(STATE_BYTES, np.uint8)

    def _follow(self, *what):
        digest = hashlib.sha256(self._state.tobytes() + repr((self.episode, self.step, what)).encode())
        self._state = np.frombuffer(digest.digest(), np.uint8)
        self.work += 1
        if self.fails_after is not None and self.work > self.fails_after:
            raise BackendError("the device failed")

    def advance(self, steps):
        for _ in range(steps):
            self._follow("step")
            self.step += 1
        if steps:
            for listener in self.listeners:
                listener.advanced(steps)

    def apply(self, tool, region, ink=1.0):
        self._follow(tool.value, region.tolist(), ink)
        for listener in self.listeners:
            listener.edited(tool, region, ink)

    def begin(self):
        self.episode += 1
        self.reset()

    def reset(self):
        self.step = 0
        self._state = np.zeros(STATE_BYTES, np.uint8)
        self._follow("start")
        for listener in self.listeners:
            listener.started(Start.BEGIN)

    def moment(self):
        return Moment(self._state, self.step, self.episode, self.image, 0.5, 0)

    def restore(self, moment):
        self._state, self.step, self.episode = moment.state, moment.step, moment.episode
        for listener in self.listeners:
            listener.started(Start.BEGIN)

    def request_snapshot(self):
        return SimpleNamespace(result=lambda: SimpleNamespace(is_healthy=not self._ill(self)))


@dataclass
class Seen:
    """One state of the oracle: where it is, and whether a stroke or a start led to it."""

    tick: int
    moment: Moment
    opens: str = ""


class Oracle:
    """Keeps everything."""

    def __init__(self, simulation):
        self.simulation = simulation
        self.line = [Seen(0, simulation.moment())]
        self.here = 0
        self.undone = []

    def _add(self, tick, opens=""):
        del self.line[self.here + 1 :]
        self.line.append(Seen(tick, self.simulation.moment(), opens))
        self.here += 1

    @property
    def tick(self):
        return self.line[self.here].tick

    def advance(self, steps):
        for _ in range(steps):
            self.simulation.advance(1)
            self._add(self.tick + 1)

    def apply(self, tool, region, opens):
        self.undone = []
        self.simulation.apply(tool, region)
        self._add(self.tick, tool.value if opens else "")

    def start(self, begin):
        self.undone = []
        begin()
        self._add(self.tick + 1, "start")

    def _go(self, number):
        self.here = number
        self.simulation.restore(self.line[number].moment)

    def _before_last(self, *opens):
        return next((n - 1 for n in range(self.here, 0, -1) if self.line[n].opens in opens), None)

    def undo(self):
        number = self._before_last("paint", "erase", "corrupt", "start")
        self.undone.append((self.line[:], self.here))
        self._go(number)

    def redo(self):
        self.line, number = self.undone.pop()
        self._go(number)

    def to_before_last_damage(self):
        number = self._before_last("erase", "corrupt")
        if number is not None:
            self._go(number)

    def seek(self, tick):
        tick = min(max(tick, self.line[0].tick), self.line[-1].tick)
        self._go(max(n for n, seen in enumerate(self.line) if seen.tick == tick))


REGIONS = st.sets(st.integers(0, GRID[0] * GRID[1] - 1), min_size=1).map(
    lambda cells: np.isin(np.arange(GRID[0] * GRID[1]), list(cells)).reshape(GRID)
)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), st.integers(1, 40)),
        st.tuples(st.just("stroke"), st.sampled_from(Tool), st.lists(REGIONS, min_size=1, max_size=3)),
        st.tuples(st.sampled_from(["begin", "reset", "undo", "undo", "redo", "redo", "damage"])),
        st.tuples(st.sampled_from(["back", "forward", "seek"]), st.integers(0, 90)),
    ),
    max_size=30,
)


def same(simulation, oracle):
    one, other = simulation.moment(), oracle.simulation.moment()
    return (
        np.array_equal(one.state, other.state)
        and (one.step, one.episode) == (other.step, other.episode)
        and np.array_equal(one.image, other.image)
        and one.mask_ratio == other.mask_ratio
    )


def play(make, operations, max_bytes=None):
    """Do the same to a timeline and to the oracle, and compare after everything that is done."""
    simulation, oracle = make(), Oracle(make())
    timeline = Timeline(simulation) if max_bytes is None else Timeline(simulation, max_bytes=max_bytes)
    for name, *arguments in operations:
        match name:
            case "advance":
                for steps in range(0, arguments[0], 7):
                    simulation.advance(min(7, arguments[0] - steps))
                oracle.advance(arguments[0])
            case "stroke":
                tool, regions = arguments
                timeline.end_stroke()
                for number, region in enumerate(regions):
                    simulation.apply(tool, region)
                    simulation.advance(1)
                    oracle.apply(tool, region, opens=number == 0)
                    oracle.advance(1)
            case "begin" | "reset":
                getattr(simulation, name)()
                oracle.start(getattr(oracle.simulation, name))
            case "undo":
                can_undo = timeline.can_undo
                assert can_undo == (timeline.undo() is not None)
                if can_undo:
                    oracle.undo()
            case "redo":
                assert timeline.can_redo == bool(oracle.undone) or max_bytes is not None
                if timeline.can_redo:
                    timeline.redo()
                    oracle.redo()
            case "damage":
                if timeline.to_before_last_damage() is not None:
                    oracle.to_before_last_damage()
            case "back":
                tick = max(timeline.span.oldest_tick, oracle.tick - arguments[0])
                timeline.back(arguments[0])
                if tick < oracle.tick:
                    oracle.seek(tick)
            case "forward":
                timeline.forward(arguments[0])
                if arguments[0]:
                    oracle.seek(oracle.tick + arguments[0])
            case "seek":
                tick = max(timeline.span.oldest_tick, arguments[0])
                timeline.seek(arguments[0])
                oracle.seek(tick)
        span = timeline.span
        assert same(simulation, oracle), name
        assert timeline.tick == oracle.tick
        assert span.newest_tick == oracle.line[-1].tick
        assert timeline.is_in_past == (oracle.here < len(oracle.line) - 1)
        assert timeline.step_at(timeline.tick) == (simulation.episode, simulation.step)
        if max_bytes is None:
            assert span.oldest_tick == 0
            assert timeline.can_redo == bool(oracle.undone)
            assert timeline.can_undo == (
                oracle._before_last("paint", "erase", "corrupt", "start") is not None
            )
            assert len(timeline.marks) == sum(bool(seen.opens) for seen in oracle.line)
        else:
            assert span.held_bytes <= max_bytes
    return timeline


@settings(max_examples=150)
@given(OPERATIONS)
def test_anything_done_equals_an_oracle_that_keeps_everything(operations):
    play(Chain, operations)


@settings(max_examples=100)
@given(OPERATIONS, st.sampled_from([6_000, 12_000, 40_000]))
def test_with_little_memory_it_reaches_less_far_but_just_as_exactly(operations, max_bytes):
    play(Chain, operations, max_bytes)


@settings(max_examples=8)
@given(operations=OPERATIONS)
def test_of_the_automaton_bit_for_bit(real_chain, operations):
    play(real_chain, operations)


@pytest.fixture(scope="module")
def real_chain(small_model):
    """Makes simulations of the small automaton, of a fixed image, that share what is compiled."""
    prototype = Simulation(small_model, seed=5)
    image = np.random.default_rng(2).random(prototype.config.image_shape).astype(np.float32)
    prototype.warm_up()
    prototype.begin(image, 0.5)

    def make():
        simulation = copy.copy(prototype)
        plain_apply, plain_begin = simulation.apply, simulation.begin

        def apply(tool, region, ink=1.0):
            if region.shape == GRID:
                height, width = prototype.config.height, prototype.config.width
                region = np.pad(region, ((0, height - GRID[0]), (0, width - GRID[1])))
            plain_apply(tool, region, ink)

        simulation.apply = apply
        simulation.begin = lambda: plain_begin(image, 0.25)
        return simulation

    return make
