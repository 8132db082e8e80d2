import copy
import hashlib
import operator
from dataclasses import dataclass, replace
from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from nca_viewer.errors import BackendError
from nca_viewer.interaction.actions import Tool
from nca_viewer.moment import Moment, Start
from nca_viewer.series import event_name
from nca_viewer.timeline import LONGEST_REPLAY, Timeline

GRID = (3, 5)
STATE_BYTES = 2048


class Chain:
    """A simulation whose state is a hash of all that led to it; `ill` says where it is unhealthy."""

    def __init__(self, ill=lambda simulation: False):
        self.config = SimpleNamespace(height=GRID[0], width=GRID[1])
        self.listeners = []
        self.step = self.episode = self.work = 0
        self.fails_after = None
        self.image = np.zeros(GRID, np.float32)
        self._ill = ill
        self._state = np.zeros(STATE_BYTES, np.uint8)

    def _follow(self, *what):
        digest = hashlib.sha256(self._state[:32].tobytes() + repr((self.episode, self.step, what)).encode())
        self._state = np.tile(np.frombuffer(digest.digest(), np.uint8), STATE_BYTES // 32)
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
        while self.undone and self.undone[-1][1] == number and self._is_line(self.undone[-1][0]):
            self.undone.pop()

    def _is_line(self, line):
        return len(line) == len(self.line) and all(map(operator.is_, line, self.line))

    def _before_last(self, *opens):
        return next((n - 1 for n in range(self.here, 0, -1) if self.line[n].opens in opens), None)

    def last_mark(self):
        return self._before_last("paint", "erase", "corrupt", "start")

    def undo(self):
        number = self.last_mark()
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
                if timeline.undo() is not None:
                    oracle.undo()
                else:
                    assert max_bytes is not None or oracle.last_mark() is None
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
                timeline.back(-arguments[0])
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
            assert len(timeline.marks) == sum(bool(seen.opens) for seen in oracle.line)
        else:
            assert span.held_bytes <= max_bytes
    return timeline


@settings(max_examples=150)
@given(OPERATIONS)
def test_anything_done_equals_an_oracle_that_keeps_everything(operations):
    play(Chain, operations)


@settings(max_examples=100)
@given(OPERATIONS, st.sampled_from([8_000, 30_000, 100_000]))
def test_with_little_memory_it_reaches_less_far_but_just_as_exactly(operations, max_bytes):
    play(Chain, operations, max_bytes)


@settings(max_examples=8)
@given(operations=OPERATIONS)
def test_of_the_automaton_bit_for_bit(real_chain, operations):
    play(real_chain, operations)


@pytest.fixture(scope="module")
def real_chain(simulation_of):
    """Makes simulations of the small automaton, of a fixed image, that share what is compiled."""
    prototype = simulation_of(5)
    image = np.random.default_rng(2).random(prototype.config.image_shape).astype(np.float32)
    prototype.begin(image, 0.5)

    def make():
        simulation = copy.copy(prototype)
        simulation.listeners = []
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


# ---------------------------------------------------------------------------------- what people expect

SPOT = np.arange(GRID[0] * GRID[1]).reshape(GRID) == 7
ROW = np.arange(GRID[0] * GRID[1]).reshape(GRID) < 5


def running(steps=40, **options):
    """A simulation after some steps, and its timeline."""
    simulation = Chain(**options)
    timeline = Timeline(simulation)
    simulation.begin()
    simulation.advance(steps)
    return simulation, timeline


def stroke(simulation, timeline, tool=Tool.ERASE, *regions, steps=1):
    for region in regions or (SPOT,):
        simulation.apply(tool, region)
        simulation.advance(steps)
    timeline.end_stroke()


def test_undo_also_undoes_the_time_since_the_stroke_and_redo_returns_to_where_it_was_asked_for():
    simulation, timeline = running(40)
    before = simulation.moment()
    stroke(simulation, timeline, Tool.ERASE, SPOT, ROW, steps=3)
    simulation.advance(100)
    after = simulation.moment()
    mark = timeline.undo()
    assert (mark.tool, mark.step, mark.cells) == (Tool.ERASE, 40, 5 + 1)
    assert simulation.step == 40
    assert np.array_equal(simulation.moment().state, before.state)
    assert timeline.redo() is not None
    assert simulation.step == 146
    assert np.array_equal(simulation.moment().state, after.state)


def test_redo_outlives_that_the_automaton_runs_on_but_not_another_stroke():
    simulation, timeline = running()
    stroke(simulation, timeline)
    simulation.advance(30)
    after = simulation.moment()
    timeline.undo()
    simulation.advance(50)
    assert not timeline.is_in_past
    timeline.redo()
    assert np.array_equal(simulation.moment().state, after.state)
    timeline.undo()
    simulation.advance(5)
    stroke(simulation, timeline, Tool.PAINT)
    assert not timeline.can_redo
    assert timeline.redo() is None


@pytest.mark.parametrize("go_on", ["advance", "apply", "begin"])
def test_a_new_branch_drops_what_came_after(go_on):
    simulation, timeline = running()
    stroke(simulation, timeline)
    simulation.advance(50)
    timeline.seek(20)
    assert timeline.is_in_past
    assert len(timeline.marks) == 2
    {
        "advance": lambda: simulation.advance(1),
        "apply": lambda: simulation.apply(Tool.PAINT, ROW),
        "begin": simulation.begin,
    }[go_on]()
    assert not timeline.is_in_past
    assert timeline.span.newest_tick == timeline.tick == 20 + (go_on != "apply")
    present = simulation.moment()
    timeline.back(-1000)
    assert np.array_equal(simulation.moment().state, present.state)
    assert [mark.tool for mark in timeline.marks] == [None] + {
        "advance": [],
        "apply": [Tool.PAINT],
        "begin": [None],
    }[go_on]


@pytest.mark.parametrize(("steps", "max_bytes"), [(0, 10**8), (1, 10**8), (3, 60_000)])
def test_a_stroke_that_kills_is_one_and_is_computed_again_bit_for_bit(real_chain, steps, max_bytes):
    simulation = real_chain()
    simulation.begin()
    timeline = Timeline(simulation, max_bytes=max_bytes)

    def here():
        moment = simulation.moment()
        dead = None if moment.experiments is None else moment.experiments.dead_cells.tolist()
        return moment.step, np.asarray(moment.state).tobytes(), dead

    simulation.advance(5)
    seen = [here()]
    for column in range(2, 9):
        region = np.zeros((simulation.config.height, simulation.config.width), bool)
        region[3:5, column : column + 2] = True
        simulation.experiments = simulation.experiments.killing(region)
        simulation.advance(steps)
        seen.append(here())
    timeline.end_stroke()
    (mark,) = timeline.marks
    assert (mark.tool, mark.cells, mark.step) == (None, 16, 5)
    assert event_name(mark) == "kill"
    if steps:  # At a tick of the line, what was done in it counts, too.
        done = [(*now[:2], after[2]) for now, after in zip(seen, (*seen[1:], seen[-1]), strict=True)]
        for now in (*done, *reversed(done)):
            timeline.seek(timeline.tick + now[0] - simulation.step)
            assert here() == now
        timeline.seek(timeline.newest_tick)
    assert timeline.undo() is mark
    assert here() == seen[0]
    timeline.redo()
    assert here() == seen[-1]


def test_only_what_kills_goes_on_a_stroke_that_kills(real_chain):
    simulation = real_chain()
    simulation.begin()
    timeline = Timeline(simulation)
    region = np.zeros((simulation.config.height, simulation.config.width), bool)
    region[4, 4] = True

    def kill(column):
        simulation.experiments = simulation.experiments.killing(np.roll(region, column, axis=1))

    kill(0)
    kill(1)
    simulation.apply(Tool.PAINT, region)  # Not let go in between, with another tool.
    kill(2)
    simulation.experiments = replace(simulation.experiments, noise_std=0.1)
    kill(3)
    timeline.end_stroke()
    kill(4)
    assert [event_name(mark) for mark in timeline.marks] == [
        "kill",
        "paint",
        "kill",
        "new start",
        "kill",
        "kill",
    ]


def test_a_start_can_be_undone():
    simulation, timeline = running(40)
    before = simulation.moment()
    for start in (simulation.begin, simulation.reset, lambda: simulation.restore(Chain().moment())):
        start()
        simulation.advance(3)
        assert timeline.undo().tool is None
        assert (simulation.step, simulation.episode) == (40, 1)
        assert np.array_equal(simulation.moment().state, before.state)


def test_a_stroke_lasts_until_the_hand_is_off():
    simulation, timeline = running()
    for _ in range(2):
        for region in (SPOT, ROW, SPOT):
            simulation.apply(Tool.PAINT, region)
            simulation.advance(1)
        timeline.end_stroke()
    assert [(mark.tool, mark.step) for mark in timeline.marks[1:]] == [(Tool.PAINT, 40), (Tool.PAINT, 43)]


def test_what_changes_nothing_is_no_stroke():
    simulation, timeline = running()
    simulation.apply(Tool.ERASE, np.zeros(GRID, bool))
    assert len(timeline.marks) == 1
    stroke(simulation, timeline, steps=0)
    held = timeline.span.held_bytes
    for _ in range(50):  # A brush at rest, while the automaton is paused.
        simulation.apply(Tool.ERASE, SPOT)
        timeline.end_stroke()
    assert (len(timeline.marks), timeline.span.held_bytes) == (2, held)


def test_damage_is_what_destroys_cells():
    simulation, timeline = running()
    assert timeline.to_before_last_damage() is None
    stroke(simulation, timeline, Tool.CORRUPT)
    before = simulation.moment()
    stroke(simulation, timeline, Tool.ERASE)
    simulation.advance(30)
    stroke(simulation, timeline, Tool.PAINT)
    assert timeline.to_before_last_damage().tool is Tool.ERASE
    assert np.array_equal(simulation.moment().state, before.state)
    assert timeline.to_before_last_damage().tool is Tool.CORRUPT
    assert timeline.to_before_last_damage() is None
    assert timeline.is_in_past
    assert not timeline.can_redo


def test_a_stroke_with_two_tools_is_one_and_a_damage():
    simulation, timeline = running()
    stroke(simulation, timeline, Tool.PAINT)
    for tool in (Tool.PAINT, Tool.CORRUPT, Tool.PAINT):
        simulation.apply(tool, SPOT)
    assert [mark.tool for mark in timeline.marks[1:]] == [Tool.PAINT, Tool.CORRUPT]
    timeline.seek(timeline.tick)


# ---------------------------------------------------------------------------------- memory and time


def test_memory_runs_out_and_every_reachable_state_stays_near_a_kept_one():
    simulation = Chain()
    max_bytes = 150 * STATE_BYTES
    timeline = Timeline(simulation, max_bytes=max_bytes)
    for number in range(3000):
        simulation.advance(4)
        if number % 50 == 0:
            stroke(simulation, timeline, Tool.ERASE, SPOT)
        assert timeline.span.held_bytes <= max_bytes
    span = timeline.span
    assert span.newest_tick - span.oldest_tick > 3000
    assert span.held_bytes > max_bytes / 2
    far, near = [], []
    newest = span.newest_tick
    for ticks_back in (*range(1, 60), *range(60, newest - span.oldest_tick, 97)):
        simulation.work = 0
        timeline.seek(newest - ticks_back)
        (near if ticks_back < 60 else far).append(simulation.work)
        assert simulation.step == newest - ticks_back
    assert max(far) <= LONGEST_REPLAY
    assert max(near) <= 40


@pytest.mark.parametrize("forever", ["strokes", "starts", "edits", "undo"])
def test_memory_is_bounded_whatever_is_done_forever(forever):
    simulation = Chain()
    timeline = Timeline(simulation, max_bytes=30_000)
    rng = np.random.default_rng(0)
    for _ in range(600):
        match forever:
            case "strokes":
                stroke(simulation, timeline, Tool.ERASE, rng.random(GRID) < 0.5)
            case "starts":
                simulation.begin()
            case "edits":
                simulation.apply(Tool.PAINT, rng.random(GRID) < 0.5)
            case "undo":
                stroke(simulation, timeline, Tool.ERASE, rng.random(GRID) < 0.5)
                for _ in range(3):
                    stroke(simulation, timeline, Tool.PAINT, rng.random(GRID) < 0.5)
                for _ in range(3):
                    timeline.undo()
                    simulation.advance(20)
        assert timeline.span.held_bytes <= 30_000
    assert timeline.undo() is not None


def test_one_state_stays_however_little_memory_there_is():
    simulation = Chain()
    timeline = Timeline(simulation, max_bytes=1)
    for _ in range(50):
        simulation.advance(5)
        stroke(simulation, timeline)
    before = simulation.moment()
    timeline.back(3)
    timeline.back(-10)
    assert np.array_equal(simulation.moment().state, before.state)


# ---------------------------------------------------------------------------------- what goes wrong


def blown_up(simulation):
    return simulation.episode == 1 and simulation.step >= 30


def test_what_blew_up_is_never_brought_back():
    simulation, timeline = running(0, ill=blown_up)
    for _ in range(10):
        simulation.advance(6)
        stroke(simulation, timeline, steps=0)
    simulation.begin()
    simulation.advance(20)
    newest = timeline.span.newest_tick
    visited = set()
    for tick in (*range(newest, -1, -1), *range(newest + 1)):
        timeline.seek(tick)
        visited.add((simulation.episode, simulation.step))
        assert not blown_up(simulation)
    assert (1, 24) in visited
    timeline.seek(newest)
    assert (simulation.episode, simulation.step) == (2, 20)
    for _ in range(30):
        timeline.back(1)
        assert not blown_up(simulation)
    while timeline.tick < newest:
        before = timeline.tick
        timeline.back(-1)
        assert not blown_up(simulation)
        assert timeline.tick > before
    while timeline.undo():
        assert not blown_up(simulation)
    while timeline.redo():
        assert not blown_up(simulation)


@pytest.mark.parametrize("ink", [np.nan, np.inf, 1e7])
def test_not_a_cell_of_an_automaton_that_blew_up_comes_back(real_chain, ink):
    simulation = real_chain()
    timeline = Timeline(simulation)
    simulation.advance(20)
    simulation.apply(Tool.PAINT, SPOT, ink)
    simulation.advance(40)
    simulation.begin()
    simulation.advance(5)
    for go in (lambda: timeline.back(9), lambda: timeline.back(30), timeline.undo, timeline.undo):
        go()
        assert simulation.request_snapshot().result().is_healthy
    while timeline.redo():
        assert simulation.request_snapshot().result().is_healthy


def test_where_nothing_healthy_is_held_the_present_stays():
    simulation = Chain(ill=lambda simulation: simulation.episode == 0)
    timeline = Timeline(simulation)
    simulation.advance(5)
    simulation.begin()
    present = simulation.moment()
    assert timeline.undo() is None
    assert not timeline.can_redo
    timeline.back(3)
    assert np.array_equal(simulation.moment().state, present.state)
    assert (simulation.episode, simulation.step) == (1, 0)


def test_what_leads_to_an_explosion_leaves_the_line_where_nothing_comes_after():
    simulation, timeline = running(0, ill=blown_up)
    for _ in range(12):
        simulation.advance(8)
    timeline.back(10)
    assert not blown_up(simulation)
    assert timeline.span.newest_tick == timeline.tick <= 30


def test_where_the_device_fails_the_present_is_what_it_was():
    simulation, timeline = running(0)
    for _ in range(40):
        simulation.advance(1)
    stroke(simulation, timeline)
    present, tick = simulation.moment(), timeline.tick
    simulation.fails_after = simulation.work + 3
    with pytest.raises(BackendError):
        timeline.back(20)
    simulation.fails_after = None
    assert np.array_equal(simulation.moment().state, present.state)
    assert timeline.tick == tick
    simulation.advance(1)
    assert timeline.tick == tick + 1
    timeline.back(21)
    assert simulation.step == present.step + 1 - 21


@pytest.mark.parametrize("edits", [0, 1])
def test_a_start_that_failed_half_way_begins_the_line_anew(edits):
    simulation, timeline = running(20)
    simulation.fails_after = simulation.work
    with pytest.raises(BackendError):
        simulation.begin()
    simulation.fails_after = None
    for _ in range(edits):
        simulation.apply(Tool.PAINT, SPOT)
    simulation.advance(3)
    simulation.advance(3)
    after = simulation.moment()
    timeline.back(2)
    timeline.back(-2)
    assert np.array_equal(simulation.moment().state, after.state)
    assert simulation.step == after.step


# ---------------------------------------------------------------------------------- ticks and steps


def test_a_snapshot_has_a_tick():
    simulation, timeline = running(30)
    simulation.reset()
    simulation.advance(10)
    simulation.begin()
    simulation.advance(5)
    # The blank beginning, 31 states of the first episode, 11 of it again, and 6 of the second.
    assert timeline.span.newest_tick == 1 + 30 + 1 + 10 + 1 + 5
    assert timeline.tick_of(2, 3) == 46
    assert timeline.tick_of(1, 25) == 26
    assert timeline.tick_of(1, 4) == 36
    timeline.seek(3)
    assert timeline.tick_of(1, 4) == 5
    assert timeline.tick_of(2, 6) is None
    assert timeline.tick_of(7, 0) is None
    assert [timeline.step_at(tick) for tick in (0, 1, 31, 32, 42, 43)] == [
        (0, 0),
        (1, 0),
        (1, 30),
        (1, 0),
        (1, 10),
        (2, 0),
    ]


def test_others_hear_of_the_state_that_is_brought_back_alone():
    """Not of those that were tried on the way, one of which may have blown up."""
    heard = []

    class Listener:
        def advanced(self, steps):
            heard.append(steps)

        def edited(self, tool, region, ink):
            heard.append(tool)

        def started(self, start):
            heard.append(start)

    simulation = Chain(ill=lambda simulation: simulation.step == 7)
    simulation.listeners.append(Listener())
    timeline = Timeline(simulation)
    simulation.advance(7)
    simulation.advance(3)
    heard.clear()
    timeline.back(3)
    assert heard == [Start.RESTORE]
