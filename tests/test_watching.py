"""Watching a run's folder."""

import dataclasses
import shutil
import time

import jax
import numpy as np
import pytest

from nca_viewer.checkpoint import (
    CheckpointInfo,
    build_model,
    checkpoint_steps,
    parameter_tree,
    save_checkpoint,
    step_directory,
)
from nca_viewer.errors import CheckpointError, ConfigError
from nca_viewer.loading import load_session
from nca_viewer.selftest import fixed_parameters
from nca_viewer.simulation import Simulation
from nca_viewer.viewer_config import ViewerConfig
from nca_viewer.watching import Refusal, Swap, Watcher, progress_text

pytestmark = pytest.mark.usefixtures("backend_checked_once")


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def watcher(run):
    watcher = Watcher(run, poll_seconds=0.02)
    yield watcher
    watcher.close()


def save(run, step, model, config, factor=1.0):
    parameters = jax.tree.map(lambda leaf: (leaf * factor).astype(leaf.dtype), parameter_tree(model))
    provenance = {"step": step, "metrics": {"psnr_64": 20 + factor}, "train_config": {"selection_steps": 64}}
    path = step_directory(run, step)
    save_checkpoint(path, parameters, config, provenance)
    return path


def found(watcher, timeout_seconds=60.0):
    end = time.monotonic() + timeout_seconds
    while time.monotonic() < end:
        if (result := watcher.poll()) is not None:
            return result
        time.sleep(0.01)
    raise AssertionError("nothing was found")


def is_quiet(watcher):
    time.sleep(0.3)
    return watcher.poll() is None


def test_each_new_checkpoint_is_handed_over_once(run, watcher, small_model, small_config):
    assert is_quiet(watcher)  # There is no folder yet.
    save(run, 100, small_model, small_config)
    first = found(watcher)
    assert (first.info.provenance["step"], first.text) == (100, "update 100, 21.0 dB")
    assert is_quiet(watcher)
    save(run, 4200, small_model, small_config, 3.1)
    second = found(watcher)
    assert second.text == "update 4,200, 23.1 dB"
    expected = parameter_tree(small_model)["update"]["layers"]["0"]["kernel"] * np.float32(3.1)
    assert (parameter_tree(second.model)["update"]["layers"]["0"]["kernel"] == expected).all()
    save(run, 4200, small_model, small_config, 4.0)  # Resumed, it writes the same update again.
    assert found(watcher).text == "update 4,200, 24.0 dB"


def test_a_checkpoint_that_is_replaced_in_place_can_be_watched(run, small_model, small_config):
    save_checkpoint(run, small_model, small_config, {"step": 1})
    watcher = Watcher(run, poll_seconds=0.02)
    assert found(watcher).text == "update 1"
    save_checkpoint(run, small_model, small_config, {"step": 2})
    assert found(watcher).text == "update 2"
    watcher.close()


def damage(path):
    """Change a byte, which only the checksums show."""
    file = max((path / "state").rglob("*"), key=lambda entry: entry.stat().st_size if entry.is_file() else 0)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def test_a_broken_one_is_refused_once_and_the_next_is_shown(run, watcher, small_model, small_config):
    save(run, 1, small_model, small_config)
    assert isinstance(found(watcher), Swap)
    spare = run.parent / "spare"
    damage(save(spare, 2, small_model, small_config))
    step_directory(spare, 2).rename(step_directory(run, 2))
    refusal = found(watcher)
    assert isinstance(refusal, Refusal)
    assert "step-00000002 is damaged: " in refusal.text
    assert "\n" not in refusal.text
    assert is_quiet(watcher)
    shutil.rmtree(step_directory(run, 1))  # As a run that keeps only its newest.
    assert is_quiet(watcher)
    save(run, 3, small_model, small_config)
    assert found(watcher).info.provenance["step"] == 3


def test_to_begin_with_an_older_one_is_better_than_none(run, small_model, small_config):
    save(run, 1, small_model, small_config)
    damage(save(run, 2, small_model, small_config))
    watcher, told = Watcher(run, poll_seconds=0.02), []
    swap = watcher.first(told.append)
    assert swap.info.provenance["step"] == 1
    assert told[0].startswith("waiting for the first checkpoint of ")
    assert "damaged" in told[1]
    watcher.close()


def test_one_that_is_not_complete_yet_is_waited_for(run, watcher, small_model, small_config):
    save(run, 1, small_model, small_config)
    found(watcher)
    spare = run.parent / "spare"
    whole, part = save(spare, 2, small_model, small_config), step_directory(run, 2)
    part.mkdir()
    for name in ("MANIFEST.json", "_CHECKPOINT_METADATA"):  # As a slow copy over a network.
        shutil.copy(whole / name, part)
    assert is_quiet(watcher)
    shutil.copytree(whole, part, dirs_exist_ok=True)
    assert found(watcher).info.provenance["step"] == 2


def test_a_run_that_vanishes_is_told_once_and_shown_when_it_is_back(run, watcher, small_model, small_config):
    save(run, 5, small_model, small_config)
    found(watcher)
    shutil.rmtree(run)
    assert "is gone" in found(watcher).text
    assert is_quiet(watcher)
    other = dataclasses.replace(small_config, hidden_size=8)
    save(run, 2, build_model(other, fixed_parameters(other)), other)
    assert "another automaton" in found(watcher).text
    shutil.rmtree(run)
    assert "is gone" in found(watcher).text
    save(run, 1, small_model, small_config)
    assert found(watcher).info.provenance["step"] == 1


def test_another_automaton_is_refused(run, watcher, small_model, small_config):
    save(run, 1, small_model, small_config)
    found(watcher)
    other = dataclasses.replace(small_config, hidden_size=8)
    save(run, 2, build_model(other, fixed_parameters(other)), other)
    refusal = found(watcher)
    assert isinstance(refusal, Refusal)
    assert "another automaton (hidden_size 8 instead of 6)" in refusal.text
    assert is_quiet(watcher)


def test_only_the_newest_are_looked_at(run, small_model, small_config):
    for step in (3, 1, 2):
        save(run, step, small_model, small_config)
    assert checkpoint_steps(run) == [1, 2, 3]


def test_new_parameters_go_on_with_the_cells_and_compile_nothing(small_model, small_config):
    tree = jax.tree.map(lambda leaf: leaf * np.float32(0.5), parameter_tree(small_model))
    other = build_model(small_config, tree)
    image = np.random.default_rng(2).random(small_config.image_shape).astype(np.float32)

    def state(simulation):
        return simulation.request_snapshot().result().state

    simulation = Simulation(small_model, seed=5)
    simulation.begin(image, 0.5)
    simulation.advance(3)
    before = state(simulation)
    size = simulation._advance._cache_size()
    simulation.swap_parameters(other)
    assert (state(simulation) == before).all()
    simulation.advance(3)
    changed = state(simulation)
    assert simulation._advance._cache_size() == size == 1
    simulation.reset()
    simulation.advance(3)
    assert (state(simulation) != before).any()
    alone = Simulation(other, seed=5)
    alone.begin(image, 0.5)
    alone.advance(3)
    assert (state(alone) == state(simulation)).all()
    assert (changed != state(alone)).any()


def test_parameters_of_another_automaton_are_refused(small_model, small_config):
    other = dataclasses.replace(small_config, hidden_size=8)
    simulation = Simulation(small_model, seed=1)
    with pytest.raises(CheckpointError, match="hidden_size 8 instead of 6"):
        simulation.swap_parameters(build_model(other, fixed_parameters(other)))


@pytest.mark.parametrize(
    ("provenance", "text"),
    [
        ({"step": 4200, "metrics": {"psnr_64": 23.14}}, "update 4,200, 23.1 dB"),
        (
            {
                "step": 7,
                "metrics": {"psnr_16": 1.0, "psnr_64": 9.96},
                "train_config": {"selection_steps": 64},
            },
            "update 7, 10.0 dB",
        ),
        ({"step": 7, "metrics": {"psnr": float("nan"), "loss": 2.0}}, "update 7"),
        ({"step": 7, "metrics": None}, "update 7"),
        ({"step": "x\ny"}, "a b"),
        ({}, "a b"),
    ],
)
def test_what_is_told_of_a_checkpoint(tmp_path, small_config, provenance, text):
    info = CheckpointInfo(tmp_path / "a\nb", small_config, provenance, 1, "")
    assert progress_text(info) == text


def test_a_session_begins_with_the_first_checkpoint_of_the_run(run, small_model, small_config):
    stages = []

    def report(stage):
        stages.append(stage)
        if stage.startswith("waiting for the first checkpoint"):
            save(run, 10, small_model, small_config)

    config = ViewerConfig(watch=run, compile_cache=False, device="cpu")
    session = load_session(config, 3, None, report)
    assert session.watcher is not None
    save(run, 20, small_model, small_config, 2.0)
    swap = found(session.watcher)
    session.watcher.close()
    session.simulation.swap_parameters(swap.model)
    assert len(session.checkpoint_sha256) == 64 != swap.info.sha256
    assert stages[-1] == "compiling"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"checkpoints": ("small",)}, "--ckpt"),
        ({"headless": True, "frames": 1}, "--headless"),
        ({"exhibit": True}, "--exhibit"),
    ],
)
def test_what_does_not_go_with_watching_is_refused(run, options, name):
    with pytest.raises(ConfigError, match=f"--watch and {name} do not go together"):
        ViewerConfig(watch=run, **options)
