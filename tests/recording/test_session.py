"""Records, replays and state files as options of a whole session."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nca_viewer.automaton.experiments import Experiments
from nca_viewer.cli import main, replay
from nca_viewer.errors import ConfigError, OutputError
from nca_viewer.frame_pipeline import FramePipeline
from nca_viewer.interaction.actions import Tool
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.loading import load_session
from nca_viewer.moment import digest
from nca_viewer.viewer_config import ViewerConfig

pytestmark = pytest.mark.usefixtures("backend_checked_once")


@pytest.fixture
def session_of(bounded_checkpoint):
    def session(**options):
        config = ViewerConfig(checkpoints=(str(bounded_checkpoint),), compile_cache=False, **options)
        return config, load_session(config, 8, None, lambda stage: None)

    return session


def act(simulation):
    region = np.zeros((simulation.config.height, simulation.config.width), bool)
    region[2:7, 3:9] = True
    simulation.advance(60)
    simulation.apply(Tool.CORRUPT, region)
    simulation.advance(60)


def test_a_session_is_recorded_saved_repeated_and_gone_on_with(session_of, tmp_path, monkeypatch):
    record, state, again = tmp_path / "run.jsonl", tmp_path / "end.npz", tmp_path / "again.jsonl"
    config, session = session_of(record=record, save_state=state)
    act(session.simulation)
    session.end(config)
    expected = digest(session.simulation.moment().state)
    act(session.simulation)
    later = digest(session.simulation.moment().state)

    config, session = session_of(replay=record, record=again)
    assert session.simulation.seed == 8
    pipeline = FramePipeline(lambda: 0.0)
    touched = []
    while not session.replay.is_over:
        pipeline.begin_frame(session.simulation, has_real_time=False)
        pipeline.ask(
            session.simulation,
            began_seconds=0.0,
            steps_per_frame=7,
            elapsed_seconds=1 / 60,
            frame_seconds=1 / 60,
            advance=lambda steps: touched.append(session.replay.advance(steps).touched),
        )
        pipeline.collect()
    session.end(config)
    session.replay.finish()
    assert digest(session.simulation.moment().state) == expected
    assert session.replay.difference is None
    assert sum(region is not None for region in touched) == 1
    # What is repeated is recorded just as what hands do.
    assert again.read_bytes() == record.read_bytes()

    _, session = session_of(load_state=state)
    assert (session.simulation.seed, session.simulation.step) == (8, 120)
    act(session.simulation)
    assert digest(session.simulation.moment().state) == later

    name = Path(config.checkpoint).name
    monkeypatch.chdir(Path(config.checkpoint).parent)
    monkeypatch.setattr("nca_viewer.loading.bundled_checkpoint_names", lambda: (name,))
    session = load_session(ViewerConfig(replay=record, compile_cache=False), 8, None, lambda stage: None)
    assert session.checkpoint_sha256 == session.replay.record.header.checkpoint_sha256

    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(replay, [str(again)])
    assert result.exit_code == 2  # The name of a checkpoint that is not bundled is no path.
    small = str(config.checkpoint)
    result = CliRunner().invoke(replay, [str(again), "--ckpt", small])
    assert (result.exit_code, result.output) == (0, "120 steps repeated, 2 states compared, all the same\n")


@pytest.mark.parametrize("option", ["replay", "load_state"])
@pytest.mark.parametrize("change", [{}, {"noise_std": 0.1}, {"muted_heads": [1]}])
def test_what_is_opened_has_compiled_what_its_experiments_need(session_of, tmp_path, option, change):
    record, state = tmp_path / "run.jsonl", tmp_path / "end.npz"
    config, session = session_of(record=record, save_state=state)
    if change:
        session.simulation.experiments = Experiments(**change)
    session.simulation.advance(3)
    session.end(config)
    _, session = session_of(**{option: {"replay": record, "load_state": state}[option]})
    assert session.simulation.are_experiments_ready == bool(change)


def test_a_record_of_another_checkpoint_is_refused(session_of):
    with pytest.raises(ConfigError, match=r"give --ckpt model, as recorded"):
        session_of(demo="wiped-page")


def test_a_record_that_could_not_be_finished_is_told_at_the_end(session_of, tmp_path):
    config, session = session_of(record=tmp_path / "run.jsonl")
    session.recorder.trouble = "recording has ended"
    with pytest.raises(OutputError, match="recording has ended"):
        session.end(config)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replay": "a", "demo": "wiped-page"}, "--replay and --demo both say what to begin with"),
        ({"demo": "wiped-page", "load_state": "a"}, "--demo and --load-state both"),
        ({"demo": "wiped"}, "--demo = 'wiped' is unknown; choose one of what-one-cell-sees"),
        ({"replay": "a", "seed": 3}, "--replay says what to begin with, and so does --seed"),
        ({"load_state": "a", "digit": 3}, "--load-state says what to begin with, and so does --digit"),
        ({"demo": "wiped-page", "start": "blank"}, "and so does --start; leave --start out"),
        ({"record": "a", "exhibit": True}, "--record is for one's own window"),
        ({"save_state": "a.npz", "exhibit": True}, "--save-state is for one's own window"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        KioskConfig(**options)


@pytest.mark.parametrize("name", ["a.png", "a", "a.npz.gz"])
def test_a_state_file_s_name_says_what_it_is(tmp_path, name):
    with pytest.raises(ConfigError, match=r"end the name in \.npz"):
        ViewerConfig(save_state=tmp_path / name)


@pytest.mark.parametrize("content", [None, "", "{}", "[1,2"])
def test_what_cannot_be_replayed_is_one_line_and_exit_code_2(tmp_path, content):
    path = tmp_path / "run.jsonl"
    if content is not None:
        path.write_text(content)
    result = CliRunner().invoke(main, ["replay", str(path)])
    assert result.exit_code == 2
    assert result.stderr.startswith("nca-viewer: error: the record")
    assert len(result.stderr.splitlines()) == 1
