import dataclasses
import gzip
import json
import os
import resource
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nca_viewer.automaton.experiments import Experiments
from nca_viewer.errors import ConfigError, OutputError
from nca_viewer.interaction.actions import ShowView, Tool
from nca_viewer.moment import MAX_STEP, digest
from nca_viewer.recording import lines
from nca_viewer.recording.lines import Caption, Inspect
from nca_viewer.recording.reader import read_record
from nca_viewer.recording.recorder import Recorder, RecordFile
from nca_viewer.recording.replay import Replay, changes_since, run_replay
from nca_viewer.simulation import Simulation

SHA = "ab" * 32
HERE = {"jax": "1", "backend": "cpu"}


@pytest.fixture(scope="module")
def simulation(bounded_model):
    simulation = Simulation(bounded_model, seed=5)
    simulation.warm_up()
    return simulation


@pytest.fixture(scope="module")
def other(bounded_model):
    """The one that repeats."""
    simulation = Simulation(bounded_model, seed=99)
    simulation.warm_up()
    return simulation


@pytest.fixture
def image(bounded_config):
    return np.random.default_rng(2).random(bounded_config.image_shape).astype(np.float32)


@pytest.fixture
def region(bounded_config):
    return np.random.default_rng(3).random((bounded_config.height, bounded_config.width)) < 0.3


def fresh(simulation, image):
    simulation.seed, simulation.episode = 5, 0
    simulation.begin(image, 0.5)


def recorder_of(simulation, path, **options):
    options = {"checkpoint": "small", "checkpoint_sha256": SHA, "environment": HERE} | options
    return Recorder(RecordFile(path), simulation, **options)


def replay_of(simulation, path, **options):
    return Replay(read_record(path), simulation, checkpoint_sha256=SHA, **options)


def state_of(simulation):
    return digest(simulation.moment().state)


@pytest.fixture
def recorded(simulation, image, region, tmp_path):
    """A record with something of everything, and the digest of its last state."""
    path = tmp_path / "run.jsonl"
    fresh(simulation, image)
    recorder = recorder_of(simulation, path, title="Something of everything")
    recorder.cue(Caption("It begins.", 2.5))
    simulation.advance(120)
    simulation.apply(Tool.ERASE, region)
    simulation.apply(Tool.PAINT, ~region, 0.25)
    recorder.cue(ShowView("attention"))
    recorder.cue(Inspect((3, 4)))
    simulation.advance(7)
    held = simulation.moment()
    simulation.reset()
    simulation.advance(3)
    simulation.begin(image[::-1], 0.1)
    simulation.advance(90)
    simulation.apply(Tool.CORRUPT, region)
    simulation.restore(held)
    simulation.advance(80)
    simulation.experiments = Experiments(muted_heads=frozenset({0}), update_rate=0.5)
    simulation.advance(1)
    recorder.close()
    expected = state_of(simulation)
    simulation.experiments = Experiments()
    return path, expected


def read_lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def resealed(body, checksum):
    """A line of JSON, which may be none, with a right checksum; and the checksum for the next one."""
    checksum = zlib.crc32(body, checksum)
    return body[:-1] + b',"sum":"%08x"}\n' % checksum, checksum


def rewrite(path, changed):
    """Write lines with right checksums, as no editor would."""
    checksum, content = 0, b""
    for values in changed:
        values.pop("sum", None)
        body = json.dumps(values, separators=(",", ":")).encode()
        line, checksum = resealed(body, checksum)
        content += line
    path.write_bytes(content)


# ------------------------------------------------------------------------------------- bit for bit


def test_the_states_that_are_compared_differ(simulation, image):
    fresh(simulation, image)
    digests = set()
    for _ in range(10):
        simulation.advance(100)
        assert np.isfinite(simulation.moment().state).all()
        digests.add(state_of(simulation))
    assert len(digests) == 10


def test_a_record_is_repeated_bit_for_bit_at_any_speed(recorded, other):
    path, expected = recorded
    outcomes = []
    for steps in (1, 7, 1000):
        replay = replay_of(other, path)
        while not replay.is_over:
            replay.advance(steps)
        replay.finish()
        assert other.experiments.muted_heads == {0}
        outcomes.append((state_of(other), replay.difference, replay.checks))
    assert outcomes == [(expected, None, 3)] * 3


def test_a_replay_begins_without_the_experiments_of_before_and_a_record_with_those_that_hold(
    simulation, other, image, tmp_path
):
    fresh(simulation, image)
    held = simulation.moment()
    simulation.experiments = Experiments(muted_heads=frozenset({0}))
    under_way = simulation.moment()
    recorder = recorder_of(simulation, tmp_path / "run.jsonl")
    simulation.advance(20)
    simulation.restore(under_way)  # The same experiments hold.
    simulation.advance(20)
    simulation.restore(held)  # None do.
    simulation.advance(20)
    recorder.close()
    expected = state_of(simulation)
    other.experiments = Experiments(noise_std=0.5)
    replay = replay_of(other, tmp_path / "run.jsonl")
    report = run_replay(replay, HERE)
    assert (report.difference, report.checks) == (None, 1)
    assert state_of(other) == expected
    assert other.experiments.is_neutral
    does = [line["do"] for line in read_lines(tmp_path / "run.jsonl")[1:]]
    assert does == ["experiment", "restore", "experiment", "restore", "end"]


def test_a_record_says_what_it_is_of(recorded):
    path, expected = recorded
    header, *rest = read_lines(path)
    assert header["record"] == lines.FORMAT_NAME
    assert (header["seed"], header["episode"], header["version"]) == (5, 1, 1)
    assert header["checkpoint"] == {"name": "small", "sha256": SHA}
    assert header["environment"] == HERE
    does = [line["do"] for line in rest]
    assert " ".join(does) == (
        "caption check stroke stroke view inspect reset begin stroke restore check experiment end"
    )
    checks = [(line["episode"], line["step"]) for line in rest if line["do"] == "check"]
    assert checks == [(1, 100), (1, 200)]
    assert rest[-1]["sha256"] == expected
    record = read_record(path)
    assert (record.steps, record.actions, record.note) == (127 + 3 + 90 + 81, 7, "")


def test_cues_and_touched_cells_come_with_their_step(recorded, other):
    replay = replay_of(other, recorded[0])
    first = replay.advance(0)
    assert first.cues == (Caption("It begins.", 2.5),)
    assert first.touched is None
    assert replay.advance(119).cues == ()
    assert other.step == 119
    second = replay.advance(1)
    assert second.cues == (ShowView("attention"), Inspect((3, 4)))
    assert second.touched.all()
    assert other.step == 120


actions = st.lists(
    st.one_of(
        st.tuples(st.just("advance"), st.integers(0, 130)),
        st.tuples(st.sampled_from(list(Tool)), st.integers(0, 2**32 - 1), st.floats(0, 1)),
        st.sampled_from([("reset",), ("begin",), ("restart",), ("hold",), ("restore",)]),
    ),
    max_size=12,
)


@given(sequence=actions, speed=st.sampled_from([1, 3, 50, 10_000]), before=st.integers(0, 9))
@settings(max_examples=25)
def test_any_sequence_of_actions_is_repeated_bit_for_bit(
    tmp_path_factory, simulation, other, bounded_config, sequence, speed, before
):
    path = tmp_path_factory.mktemp("any") / "run.jsonl"
    generator = np.random.default_rng(len(sequence))
    picture = generator.random(bounded_config.image_shape).astype(np.float32)
    fresh(simulation, picture)
    simulation.advance(before)
    recorder = recorder_of(simulation, path)
    held = simulation.moment()
    for action in sequence:
        match action:
            case ("advance", steps):
                simulation.advance(steps)
            case (Tool() as tool, seed, ink):
                shape = (bounded_config.height, bounded_config.width)
                simulation.apply(tool, np.random.default_rng(seed).random(shape) < 0.3, ink)
            case ("begin",):
                simulation.begin(picture * np.float32(0.37), 0.3)
            case ("hold",):
                held = simulation.moment()
            case ("restore",):
                simulation.restore(held)
            case (name,):
                getattr(simulation, name)()
    recorder.close()
    replay = replay_of(other, path)
    while not replay.is_over:
        replay.advance(speed)
    replay.finish()
    assert replay.difference is None
    assert (state_of(other), other.step, other.episode) == (
        state_of(simulation),
        simulation.step,
        simulation.episode,
    )


@pytest.mark.slow
def test_a_long_run_is_repeated_bit_for_bit(tmp_path, simulation, other, image, bounded_config):
    path = tmp_path / "long.jsonl"
    fresh(simulation, image)
    recorder = recorder_of(simulation, path)
    generator = np.random.default_rng(1)
    for _ in range(200):
        simulation.advance(50)
        region = generator.random((bounded_config.height, bounded_config.width)) < 0.1
        simulation.apply(list(Tool)[generator.integers(3)], region)
    recorder.close()
    report = run_replay(replay_of(other, path), HERE)
    assert (report.steps, report.checks, report.difference) == (10_000, 101, None)
    assert state_of(other) == state_of(simulation)


def test_recording_changes_no_state(simulation, image, region, tmp_path):
    states = []
    for path in (None, tmp_path / "run.jsonl"):
        fresh(simulation, image)
        recorder = path and recorder_of(simulation, path)
        simulation.advance(130)
        simulation.apply(Tool.CORRUPT, region)
        simulation.advance(130)
        states.append(state_of(simulation))
        if recorder:
            recorder.close()
    assert states[0] == states[1]
    assert not simulation.listeners


# ------------------------------------------------------------------------------------- differences


def test_the_first_difference_is_named(recorded, other):
    path, _ = recorded
    changed = read_lines(path)
    for line in changed[1:]:
        if line["do"] == "check":
            line["sha256"] = "00" * 32
    rewrite(path, changed)
    replay = replay_of(other, path)
    report = run_replay(replay, {"jax": "2", "backend": "cpu"})
    difference = report.difference
    assert (difference.line, difference.episode, difference.step) == (3, 1, 100)
    assert difference.expected == "00" * 32
    text = str(report)
    assert "episode 1 at step 100: expected 000000000000" in text
    assert "jax 2 (recorded with 1)" in text
    assert replay.is_complete


def test_what_computes_it_is_compared():
    assert changes_since({"jax": "1", "gone": "x"}, {"jax": "1", "new": "y"}) == (
        "gone unknown (recorded with x)",
        "new y (recorded with unknown)",
    )


@pytest.mark.parametrize(
    "values",
    [
        {"muted_heads": [99]},
        {"wings": 2},
        {"dead_cells": [[1, 999]]},
        {"update_rate": 1e300},
        {"noise_std": "x" * 10**5},
        {"dead_cells": [["x" * 10**5, 1]]},
    ],
)
def test_an_experiment_that_means_nothing_here_is_told_before_anything_is_repeated(recorded, other, values):
    path, _ = recorded
    changed = read_lines(path)
    for line in changed:
        if line.get("do") == "experiment":
            line["values"] = values
    rewrite(path, changed)
    before = other.moment()
    with pytest.raises(ConfigError, match="line 13: ") as caught:
        replay_of(other, path)
    assert other.moment().state is before.state
    assert len(str(caught.value)) < 500


def test_a_hand_that_takes_over_ends_the_replay(recorded, other):
    replay = replay_of(other, recorded[0])
    replay.advance(0)  # It ends with the caption at the very beginning.
    replay.advance(10)
    other.reset()
    replay.advance(10)
    assert replay.is_over
    assert other.step == 0


# ------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("kept", [1, 40, 120])
def test_a_run_that_was_killed_leaves_a_record(recorded, other, kept):
    path, _ = recorded
    content = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(content[:4]) + content[4][:kept])
    record = read_record(path)
    assert record.note == "its last line (5) is cut; what comes before it is repeated"
    replay = Replay(record, other, checkpoint_sha256=SHA)
    report = run_replay(replay, HERE)
    assert replay.is_complete
    assert report.difference is None
    assert record.note in str(report)


def test_every_line_is_on_the_disk_at_once(simulation, other, image, region, tmp_path):
    path = tmp_path / "run.jsonl"
    fresh(simulation, image)
    recorder = recorder_of(simulation, path)
    simulation.advance(100)
    simulation.apply(Tool.ERASE, region)
    expected = state_of(simulation)
    record = read_record(path)
    assert record.note.startswith("it has no last line")
    run_replay(Replay(record, other, checkpoint_sha256=SHA), HERE)
    assert state_of(other) == expected
    recorder.close()


def edited(line_number, old, new):
    def edit(content):
        lines_of = content.splitlines(keepends=True)
        assert old in lines_of[line_number - 1]
        lines_of[line_number - 1] = lines_of[line_number - 1].replace(old, new, 1)
        return b"".join(lines_of)

    return edit


def without(line_number):
    return lambda content: b"".join(
        line for number, line in enumerate(content.splitlines(keepends=True), 1) if number != line_number
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (edited(4, b'"erase"', b'"paint"'), "line 4: its checksum does not fit"),
        (edited(2, b"begins", b"began"), "line 2: its checksum does not fit"),
        (edited(1, b'"seed":5', b'"seed":6'), "line 1: its checksum does not fit"),
        (without(5), "line 5: its checksum does not fit"),
        (without(1), "line 1: its checksum does not fit"),
        (edited(6, b"\n", b"\n\n"), "line 7: it is empty"),
        (edited(6, b'{"do"', b'"do"'), "line 6: it is not JSON"),
        (edited(6, b'"step"', b'"step":NaN,"n"'), "line 6: it is not JSON"),
        (lambda content: content + content[-20:], "comes after the last one"),
        (lambda content: b"\xff\xfe" + content, "line 1: it is not JSON"),
        (lambda content: b"", "is empty"),
        (lambda content: content[:50], "line 1: it is not JSON"),
        (lambda content: b"[" * 100_000 + b"\n", "line 1: it is not JSON"),
        (lambda content: b'{"a": 1}\n', "line 1: it is not a line of a record"),
        (lambda content: b"\x89PNG\r\n\x1a\n" + bytes(100), "line 1: it is not JSON"),
        (lambda content: b" " * (2**20 + 1), "line 1: it has more than"),
        (gzip.compress, "line 1: it is not JSON; give a file as --record wrote it"),
        (lambda content: content.decode().encode("utf-16"), "line 1: it is not JSON"),
        (lambda content: content.replace(b"\n", b"\r"), "line 1: it is not JSON"),
        (lambda content: b"\n" + content, "line 1: it is empty"),
        (lambda content: content + b"\n", "it comes after the last one"),
        (lambda content: bytes(10**7), "line 1: it has bytes of zero"),
        (lambda content: content.splitlines(keepends=True)[0] + bytes(10**7), "line 2: it has bytes of zero"),
        (lambda content: resealed(b'{"a":1,"a":2}', 0)[0], "line 1: it has 'a' more than once"),
        (lambda content: resealed(b'{"a":{"\\u0061":1,"a":1}}', 0)[0], "line 1: it has 'a' more than once"),
        (lambda content: content.splitlines(keepends=True)[0] + b"x" * 2_000_000, "line 2: it has more than"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(recorded, damage, message):
    path, _ = recorded
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigError, match=message) as caught:
        read_record(path)
    assert caught.value.exit_code == 2
    assert len(str(caught.value).splitlines()) == 1
    assert str(path)[:80] in str(caught.value)


@pytest.mark.parametrize(
    ("number", "values", "message"),
    [
        (1, {"version": 2}, "line 1: it is of format 2, and this nca-viewer reads format 1"),
        (1, {"version": True}, "line 1: it is of format True"),
        (1, {"version": 1.0}, "line 1: it is of format 1.0"),
        (1, {"version": "1"}, "line 1: it is of format '1'"),
        (1, {"version": None}, "line 1: it is of format None"),
        (1, {"seed": 2**32}, "seed = 4294967296 is out of range; choose a value from 0 to 4294967295"),
        (1, {"seed": 10**4000}, "seed = a number of many digits is out of range"),
        (1, {"episode": 2**53}, "episode = 9007199254740992 is out of range"),
        (1, {"mask_ratio": float("1e308") * 10}, "it has Infinity where a number must stand"),
        (1, {"mask_ratio": float("nan")}, "it has NaN where a number must stand"),
        (1, {"mask_ratio": 10**4000}, "mask_ratio = a number of many digits is out of range"),
        (1, {"title": "x" * 900_000}, "title = .x*[.]{3} is not a text of at most 200 letters"),
        (1, {"title": "a\x1b[31m\u202eb"}, "title = 'a.x1b.31m.u202eb' is not a text"),
        (1, {"checkpoint": {"name": "\x1b]0;a\x07", "sha256": SHA}}, "name = '.x1b.0;a.x07' is not a text"),
        (1, {"record": "other"}, "not the first line of an nca-viewer record"),
        (1, {"seed": -1}, "seed = -1 is out of range"),
        (1, {"seed": "5"}, "seed = '5' must be a whole number"),
        (1, {"mask_ratio": 1.5}, "mask_ratio = 1.5 is out of range"),
        (1, {"grid": {"height": 10**9, "width": 2, "channels": 3, "visible_channels": 1}}, "height = 10000"),
        (1, {"image": "AAAA"}, "image is not readable"),
        (1, {"image": lines.pack_floats(np.full((11, 13, 1), 2, np.float32))}, "outside of 0 to 1"),
        (1, {"image": lines.pack_floats(np.full((11, 13, 1), np.nan, np.float32))}, "NaN or infinite"),
        (1, {"image": lines.pack_floats(np.zeros(10**6, np.float32))}, "does not have 11 x 13 x 1 values"),
        (1, {"checkpoint": {"name": "a", "sha256": "zz"}}, "sha256 = 'zz' is not a SHA-256"),
        (1, {"environment": []}, "environment = .. is not a list of names and values"),
        (2, {"do": "jump"}, "line 2: do = 'jump' is unknown"),
        (2, {"step": 3.5}, "step = 3.5 must be a whole number"),
        (2, {"step": MAX_STEP + 1}, "step = 9007199254740992 is out of range"),
        (
            2,
            {"step": 2**32 - 1},
            "4294967295 is 4294967295 steps after the line before; there are at most",
        ),
        (2, {"episode": 2}, "it is of episode 2, step 0, and the line before of episode 1, step 0"),
        (2, {"text": "x" * 500}, "is not a text of at most 200 letters"),
        (2, {"seconds": -1}, "seconds = -1 is out of range"),
        (4, {"step": 5}, "it is of episode 1, step 5"),
        (4, {"tool": "burn"}, "tool = 'burn' is unknown"),
        (4, {"cells": [[0, 3, 99]]}, "which is outside of 11 rows, 13 columns"),
        (4, {"cells": [[0, 3, "4"]]}, "which is not .row, first column, last column"),
        (4, {"cells": 7}, "cells are not a list"),
        (5, {"ink": 7}, "ink = 7 is out of range"),
        (6, {"name": "x-ray"}, "view 'x-ray' is not one of image"),
        (7, {"cell": [11, 0]}, "outside of 11 rows"),
        (11, {"state": lines.pack_floats(np.full((11, 13, 7), np.inf, np.float32))}, "state has values"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(recorded, number, values, message):
    path, _ = recorded
    changed = read_lines(path)
    changed[number - 1] |= values
    rewrite(path, changed)
    with pytest.raises(ConfigError, match=message):
        read_record(path)


def test_what_a_record_says_of_its_environment_is_presentable_and_cut(recorded, other):
    path, _ = recorded
    changed = read_lines(path)
    changed[0]["environment"] = {"\x1b[2J\u202ejax": "1\n\x9b" + "9" * 10**5, "numpy": [[[1]]]} | {
        f"x{number}": "y" for number in range(1000)
    }
    changed[2]["sha256"] = "00" * 32
    rewrite(path, changed)
    text = str(run_replay(replay_of(other, path), HERE))
    assert "expected 000000000000" in text
    assert "numpy unknown (recorded with [[[1]]])" in text
    assert text.isprintable()
    assert len(text) < 2000


@pytest.mark.parametrize(
    "changed",
    [
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"),
    ],
    ids=["CRLF", "byte order mark", "both"],
)
def test_a_record_that_went_through_an_editor_is_read(recorded, changed):
    path, _ = recorded
    path.write_bytes(changed(path.read_bytes()))
    record = read_record(path)
    assert (record.steps, record.actions, record.note) == (301, 7, "")


@pytest.mark.parametrize("tail", ["Größe".encode()[:3], b'{"do":"caption","text":"\xe2\x82', bytes(4096)])
def test_a_record_that_was_cut_anywhere_is_repeated_up_to_there(recorded, other, tail):
    """Also within a letter of UTF-8, and where a file system has filled up with zeros."""
    path, _ = recorded
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]) + tail)
    report = run_replay(replay_of(other, path), HERE)
    assert (report.steps, report.checks, report.difference) == (100, 1, None)
    assert report.note == "its last line (4) is cut; what comes before it is repeated"


def test_a_header_alone_is_a_record_of_no_steps(recorded, other):
    path, _ = recorded
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    replay = replay_of(other, path)
    report = run_replay(replay, HERE)
    assert (report.steps, report.checks, replay.is_complete) == (0, 0, True)
    assert report.note.startswith("it has no last line")


@pytest.mark.parametrize("kept_lines", [0, 1])
def test_a_huge_file_is_refused_without_reading_it(recorded, kept_lines):
    path, _ = recorded
    header = json.loads(path.read_bytes().splitlines()[0]) | {
        "grid": {"height": 128, "width": 128, "channels": 1024, "visible_channels": 1},
        "image": lines.pack_floats(np.zeros((128, 128, 1), np.float32)),
    }
    rewrite(path, [header])
    with path.open("r+b") as file:
        file.truncate(0 if not kept_lines else len(path.read_bytes()))
        file.truncate(2 * 2**30)
    tracemalloc.start()
    try:
        with pytest.raises(ConfigError, match=f"line {kept_lines + 1}: it has bytes of zero"):
            read_record(path)
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


def test_pipes_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "run.jsonl")
    with pytest.raises(ConfigError, match="is not a file; give a file made with --record"):
        read_record(tmp_path / "run.jsonl")


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        read_record(tmp_path / "none.jsonl")
    with pytest.raises(ConfigError, match="is not a file"):
        read_record(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_record(tmp_path / ("x" * 300))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_record(tmp_path / "a\0b")


def test_another_checkpoint_or_grid_is_refused(recorded, other, bounded_config):
    record = read_record(recorded[0])
    with pytest.raises(ConfigError, match=r"checkpoint 'small' with SHA-256 abab.*this one has cdcd"):
        Replay(record, other, checkpoint_sha256="cd" * 32)
    larger = dataclasses.replace(bounded_config, width=14)
    with pytest.raises(ConfigError, match=r"grid of 11 x 13 cells.*has 11 x 14 cells"):
        lines.require_fits(record.header, larger, SHA)


# ------------------------------------------------------------------------------------- the file


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text("dear")
    with pytest.raises(OutputError, match="there is a file already"):
        RecordFile(path)
    assert path.read_text() == "dear"
    with pytest.raises(OutputError, match="cannot write"):
        RecordFile(tmp_path)
    with pytest.raises(OutputError, match="cannot write"):
        RecordFile(tmp_path / "no" / "run.jsonl")


def test_a_full_disk_ends_the_recording_and_not_the_run(simulation, image, region, tmp_path):
    path = tmp_path / "run.jsonl"
    fresh(simulation, image)
    recorder = recorder_of(simulation, path)
    simulation.advance(5)
    simulation.apply(Tool.ERASE, region)
    whole = path.read_bytes()

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, limits[1]))
    try:
        simulation.apply(Tool.PAINT, region)
        simulation.advance(300)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    recorder.close()
    assert simulation.step == 305
    assert recorder.trouble == (
        f"recording has ended: cannot write {str(path)!r}: File too large; "
        "choose another place or make room; what was recorded before can be replayed"
    )
    assert len(recorder.trouble.splitlines()) == 1
    assert path.read_bytes() == whole
    assert read_record(path).note
    assert not simulation.listeners


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_is_full_from_the_start(simulation, image):
    fresh(simulation, image)
    recorder = recorder_of(simulation, Path("/dev/full"))
    assert recorder.trouble == (
        "recording has ended: cannot write '/dev/full': No space left on device; "
        "choose another place or make room; nothing was recorded"
    )
    simulation.advance(200)
    recorder.close()


@pytest.mark.parametrize("counts", [{"step": MAX_STEP - 1}, {"episode": MAX_STEP}])
def test_a_record_ends_before_a_number_that_none_can_hold(simulation, image, tmp_path, counts):
    path = tmp_path / "run.jsonl"
    fresh(simulation, image)
    simulation.restore(dataclasses.replace(simulation.moment(), **counts))
    recorder = recorder_of(simulation, path)
    simulation.advance(1)
    assert recorder.trouble == ""
    simulation.advance(1)
    simulation.restart()
    simulation.restore(dataclasses.replace(simulation.moment(), step=MAX_STEP + 1))
    assert f"counted to {MAX_STEP}, and one is {MAX_STEP + 1}; begin anew" in recorder.trouble
    assert read_record(path).steps <= 1
    simulation.advance(3)
    fresh(simulation, image)


@given(region=arrays.arrays(bool, st.tuples(st.integers(8, 20), st.integers(8, 20))))
def test_cells_are_kept_exactly(region):
    spans = lines.cell_spans(region)
    assert (lines._region(spans, region.shape) == region).all()
