"""The loop: what a run leaves behind, and that an interruption changes nothing."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from filelock import FileLock
from flax import nnx
from PIL import Image

import training.run as run_module
from nca_viewer.automaton.rollout import Dynamics
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.checkpoint import (
    checkpoint_exists,
    checkpoint_steps,
    load_checkpoint,
    read_tree,
    write_tree,
)
from nca_viewer.config import ModelConfig
from nca_viewer.errors import CheckpointError, ConfigError, OutputError
from training.config import TrainConfig
from training.data import ImageSource
from training.memory import with_memory
from training.report import sample_sheet
from training.run import DivergenceError, Run, RunFiles, RunSettings, fit, stored_run
from training.sharding import BatchSharding
from training.step import Metrics, make_train_step
from training.validation import make_validation

from .test_curves import scalars

MODEL = ModelConfig(
    height=9, width=8, channel_size=5, projection_size=3, num_heads=2, hidden_size=6, perception_size=7
)
TRAIN = TrainConfig(
    batch_size=3,
    pool_size=7,
    rollout_steps=2,
    train_steps=12,
    decay_steps=10,
    checkpoint_every=4,
    wound_probability=0.5,
    validation_images=2,
    average_decay=0.9,
)
IMAGES = np.random.default_rng(0).random((13, *MODEL.image_shape)).astype(np.float32)


class CompiledOnce:
    """A jitted function that is always called with arguments of the same shapes."""

    def __init__(self, function: Any):
        self._function, self._compiled = function, None

    def lower(self, *arguments: Any) -> CompiledOnce:
        if self._compiled is None:
            self._compiled = self._function.lower(*arguments).compile()
        return self

    def compile(self) -> Any:
        return self._compiled


@pytest.fixture(scope="module", autouse=True)
def shared_compilations() -> Iterator[None]:
    """Runs with the same numbers share what is compiled; for how long they train is no part of it.

    Sample sheets are blank, but for those of `finished`.
    """
    updates: dict[Any, CompiledOnce] = {}
    validations: dict[Any, Any] = {}

    def shared_update(dynamics: Dynamics, config: TrainConfig, sharding: BatchSharding) -> CompiledOnce:
        numbers = dataclasses.replace(config, train_steps=1, checkpoint_every=1, initial_checkpoint="")
        key = dynamics.config, numbers, sharding.mesh
        if key not in updates:
            updates[key] = CompiledOnce(make_train_step(dynamics, config, sharding))
        return updates[key]

    def shared_validation(dynamics: Dynamics, images: np.ndarray, *, seed: int) -> Any:
        key = dynamics.config, images.tobytes(), seed
        if key not in validations:
            validations[key] = make_validation(dynamics, images, seed=seed)
        return validations[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "make_train_step", shared_update)
        patch.setattr(run_module, "make_validation", shared_validation)
        patch.setattr(run_module, "sample_sheet", lambda *_: Image.new("RGB", (8, 5)))
        yield


def train(directory: Path, config: TrainConfig = TRAIN, *, resume: bool = False) -> Path:
    return fit(config, MODEL, IMAGES[:11], IMAGES[11:], directory, resume=resume, progress=False)


def same(first: Path, second: Path) -> bool:
    ours, theirs = (jax.tree.leaves_with_path(read_tree(path)[0]) for path in (first, second))
    return [path for path, _ in ours] == [path for path, _ in theirs] and all(
        np.array_equal(leaf, other, equal_nan=True)
        for (_, leaf), (_, other) in zip(ours, theirs, strict=True)
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "sample_sheet", sample_sheet)
        train(directory)
    return directory


def test_a_run_leaves_checkpoints_curves_and_its_settings(finished: Path) -> None:
    assert checkpoint_steps(finished) == [4, 8, 12]
    _, info = load_checkpoint(finished)
    assert info.config == MODEL
    assert info.provenance["step"] == 12
    assert info.provenance["recipe"] == "seed-recipe"
    assert set(info.provenance["metrics"]) == {"psnr_64", "psnr_512", "healed_psnr", "loss"}
    files = RunFiles(finished)
    assert json.loads(files.config.read_text())["train"] == TRAIN.to_dict()
    with (finished / "validation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["4", "8", "12"]
    best = max(rows, key=lambda row: float(row["psnr_64"]))
    assert load_checkpoint(files.best)[1].provenance["step"] == int(best["step"])


def test_a_run_starts_with_a_memory_and_trains_around_it(
    tmp_path: Path, idle_training: list[TrainConfig]
) -> None:
    roomy = ModelConfig(
        height=9,
        width=8,
        channel_size=13,
        projection_size=13,
        position_embedding_size=5,
        num_heads=3,
        hidden_size=84,
        perception_size=28,
        state_limit=1.0,
    )
    config = dataclasses.replace(TRAIN, memory=True, train_steps=2, checkpoint_every=2)
    fit(config, roomy, IMAGES[:11], IMAGES[11:], tmp_path / "first", resume=False, progress=False)
    config = dataclasses.replace(config, initial_checkpoint=str(tmp_path / "first"), train_steps=1)
    fit(config, roomy, IMAGES[:11], IMAGES[11:], tmp_path / "second", resume=False, progress=False)
    for run in ("first", "second"):
        dynamics, parameters = Dynamics.of(load_checkpoint(tmp_path / run)[0])
        jax.tree.map(np.testing.assert_array_equal, with_memory(dynamics, parameters), parameters)
    # What an update leaves alone of a memory has a test of its own.
    assert [config.memory for config in idle_training] == [True, True]


def test_a_memory_without_room_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="channel_size = 5 is too small for a memory"):
        train(tmp_path / "run", dataclasses.replace(TRAIN, memory=True))
    assert not (tmp_path / "run").exists()


def test_interrupted_and_resumed_ends_like_uninterrupted(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, calls = run_module._is_sound, iter(range(100))

    def interrupt(*arguments):
        if next(calls) == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return sound(*arguments)

    monkeypatch.setattr(run_module, "_is_sound", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    monkeypatch.undo()
    train(tmp_path, resume=True)
    assert same(finished / "resume", tmp_path / "resume")
    assert same(finished / "checkpoints/step-00000012", tmp_path / "checkpoints/step-00000012")
    assert (finished / "validation.csv").read_text() == (tmp_path / "validation.csv").read_text()


@pytest.mark.slow
def test_killed_at_any_instant_and_resumed_ends_like_uninterrupted(finished: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[3:]; import jax;"
        "jax.config.update('jax_disable_most_optimizations', True);"
        "from tests.training.test_run import train; train(Path(sys.argv[1]), resume=sys.argv[2] == '1')"
    )
    root = str(Path(__file__).parents[2])
    kills = 0
    for attempt in range(40):
        resume = (tmp_path / "config.json").exists()
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(int(resume)), root],
            env={**os.environ, "PYTHONPATH": root},
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(timeout=6 + 1.7 * attempt)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
            time.sleep(0.1)
        else:
            assert process.returncode == 0
            break
    assert kills > 0
    assert same(finished / "resume", tmp_path / "resume")


def test_a_divergence_is_rolled_back_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound, calls = run_module._is_sound, iter(range(100))
    monkeypatch.setattr(
        run_module, "_is_sound", lambda *arguments: next(calls) not in (5, 6) and sound(*arguments)
    )
    newest = train(tmp_path)
    assert load_checkpoint(newest)[1].provenance["step"] == 12
    tree, _ = read_tree(tmp_path / "resume")
    assert 2 in [leaf.item() for leaf in jax.tree.leaves(tree) if leaf.shape == ()]
    assert capsys.readouterr().out.count("diverged") + capsys.readouterr().err.count("diverged") >= 1


def parameters_and_average(directory: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The leaves of both in a run's whole state, in which they come first."""
    state = read_tree(directory / "resume")[0]["state"]
    leaves = [state[name] for name in sorted(state)]
    count = len(jax.tree.leaves(Dynamics.of(AttentionNCA(MODEL, rngs=nnx.Rngs(0)))[1]))
    return leaves[:count], leaves[count : 2 * count]


def equal(ours: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_the_running_average_is_what_is_measured_and_saved(finished: Path) -> None:
    parameters, average = parameters_and_average(finished)
    assert not equal(parameters, average)
    model, info = load_checkpoint(finished)
    dynamics, saved = Dynamics.of(model)
    assert equal(jax.tree.leaves(saved), average)
    measured = make_validation(dynamics, IMAGES[11:], seed=TRAIN.seed + 1)(saved)
    assert {name: info.provenance["metrics"][name] for name in measured} == measured


def test_a_run_begun_before_a_setting_existed_goes_on_with_its_default(
    finished: Path, tmp_path: Path
) -> None:
    stored = json.loads(RunFiles(finished).config.read_text())
    del stored["train"]["error_scale"], stored["model"]["update_deadband"]
    (tmp_path / "config.json").write_text(json.dumps(stored))
    files = RunFiles(tmp_path)
    pixels = np.round(IMAGES[:11] * 255).astype(np.uint8)
    settings = RunSettings(TRAIN, MODEL, run_module._fingerprint(pixels))
    run_module._check_claim(files, settings, resume=True)
    settings = dataclasses.replace(settings, train=dataclasses.replace(TRAIN, error_scale=0.5))
    with pytest.raises(ConfigError, match=r"was started with error_scale = 0\.0, not 0\.5"):
        run_module._check_claim(files, settings, resume=True)


def test_a_run_of_an_earlier_version_goes_on(finished: Path, tmp_path: Path) -> None:
    """It had one count less in its optimiser's state, one metric more, and settings that did nothing."""
    train(tmp_path, dataclasses.replace(TRAIN, train_steps=8))
    files = RunFiles(tmp_path)
    tree, _ = read_tree(files.resume)
    leaves = [tree["state"][name] for name in sorted(tree["state"])]
    parameters, _ = parameters_and_average(tmp_path)
    assert leaves.pop(2 * len(parameters)) == 8
    state = {f"{number:04d}": leaf for number, leaf in enumerate(leaves)}
    write_tree(files.resume, {"state": state, "recent": np.insert(tree["recent"], 2, 0.0, axis=1)}, {})
    settings = json.loads(files.config.read_text())
    settings["train"] |= {"overflow_weight": 0.0, "overflow_limit": 2.0, "ruin_probability": 0.0}
    files.config.write_text(json.dumps(settings))
    train(tmp_path, resume=True)
    assert same(finished / "resume", tmp_path / "resume")
    settings["train"]["overflow_weight"] = 0.3
    files.config.write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match=r"config.json: overflow_weight = 0.3 was a setting of an earlier"):
        train(tmp_path, resume=True)


def test_where_the_images_came_from_is_kept_and_may_have_moved(tmp_path: Path) -> None:
    config = dataclasses.replace(TRAIN, train_steps=1)
    arguments = (config, MODEL, IMAGES[:11], IMAGES[11:], tmp_path)
    fit(*arguments, resume=False, progress=False, source=ImageSource("mine", as_is=True))
    stored = stored_run(tmp_path)
    assert stored is not None
    assert stored.source == ImageSource(str(Path("mine").absolute()), as_is=True)
    fit(*arguments, resume=True, progress=False, source=ImageSource("/elsewhere"))


def metrics_of(loss: float) -> Metrics:
    return Metrics(loss, 0.0, 0.1, 3.0)


def test_a_loss_that_jumps_and_stays_is_a_divergence_and_one_bad_batch_is_none() -> None:
    usual = [metrics_of(0.02 + 0.001 * (number % 3)) for number in range(run_module.REPORTED_STEPS)]
    assert run_module._is_sound(metrics_of(20.0), usual, TRAIN)
    lasting = usual[16:] + [metrics_of(0.5)] * 16
    assert not run_module._is_sound(metrics_of(0.5), lasting, TRAIN)
    twice_as_bad = usual[16:] + [metrics_of(0.05)] * 16
    assert run_module._is_sound(metrics_of(0.05), twice_as_bad, TRAIN)
    # The first updates of a run, whose loss may do anything.
    assert run_module._is_sound(metrics_of(0.5), lasting[-60:], TRAIN)


def test_a_run_that_always_diverges_ends_with_advice(tmp_path: Path) -> None:
    with pytest.raises(DivergenceError, match=r"diverged 9 times.*lower the learning rate"):
        train(tmp_path, dataclasses.replace(TRAIN, explosion_limit=0.001))


def test_a_run_that_cannot_start_claims_no_directory(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        train(tmp_path / "run", dataclasses.replace(TRAIN, initial_checkpoint="nowhere"))
    assert not (tmp_path / "run").exists()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file/run: Not a directory"):
        train(tmp_path / "file" / "run")


def test_a_damaged_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"config.json is damaged"):
        train(tmp_path, resume=True)


def test_two_runs_never_share_a_directory(finished: Path) -> None:
    with pytest.raises(ConfigError, match="holds a run already; continue it with --resume"):
        train(finished)


def test_two_processes_never_train_in_one_directory(finished: Path) -> None:
    with (
        FileLock(RunFiles(finished).lock),
        pytest.raises(ConfigError, match=r"another process is training in .*; wait for it"),
    ):
        train(finished, resume=True)


def test_other_images_of_the_same_size_are_not_resumed(finished: Path) -> None:
    with pytest.raises(ConfigError, match=r"was started with other training images \(11 of them\)"):
        fit(TRAIN, MODEL, IMAGES[2:13], IMAGES[:2], finished, resume=True, progress=False)


def test_every_checkpoint_has_its_sheet_and_its_events(finished: Path) -> None:
    assert sorted(path.name for path in (finished / "sheets").iterdir()) == [
        f"step-{step:08d}.png" for step in (4, 8, 12)
    ]
    with Image.open(RunFiles(finished).sheet(12)) as sheet:
        assert sheet.width > 7 * sheet.height / 4
    written = scalars(finished / "tensorboard")
    assert {step for tag, step in written if tag == "validation/psnr_64"} == {4, 8, 12}


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no run to resume; leave out --resume"):
        train(tmp_path / "nowhere", resume=True)
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="is a file; choose another --run-dir"):
        train(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("resume", [False, True])
def test_who_trains_there_is_told_first_of_all(tmp_path: Path, resume: bool) -> None:
    """Before its first save the other run has no configuration yet."""
    with (
        FileLock(RunFiles(tmp_path).lock),
        pytest.raises(ConfigError, match="another process is training in"),
    ):
        train(tmp_path, resume=resume)
    assert RunFiles(tmp_path).lock.exists()


def test_other_numbers_of_validation_images_are_named(finished: Path) -> None:
    config = dataclasses.replace(TRAIN, validation_images=TRAIN.validation_images + 1)
    with pytest.raises(ConfigError, match="was started with validation_images = "):
        fit(config, MODEL, IMAGES[:10], IMAGES[:3], finished, resume=True, progress=False)


def test_an_interrupt_while_the_start_is_saved_waits_for_the_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Run._save

    def interrupted_save(run: Run) -> None:
        signal.raise_signal(signal.SIGINT)
        save(run)

    monkeypatch.setattr(Run, "_save", interrupted_save)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    monkeypatch.undo()
    assert checkpoint_exists(RunFiles(tmp_path).resume)
    stored = stored_run(tmp_path)
    assert stored is not None
    assert (stored.train, stored.model) == (TRAIN, MODEL)


@pytest.mark.usefixtures("heard_hang_ups")
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_other_ends_than_ctrl_c_save_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def interrupt(*_: Any) -> bool:
        signal.raise_signal(getattr(signal, name))
        return True

    before = signal.getsignal(getattr(signal, name))
    monkeypatch.setattr(run_module, "_is_sound", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    assert read_tree(tmp_path / "resume")[0]["recent"][0, 0] > 0  # The one update that was made.
    assert signal.getsignal(getattr(signal, name)) is before


def test_a_checkpoint_that_was_interrupted_is_made_up_for(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Run._checkpoint

    def interrupted(run: Run, *arguments: Any) -> None:
        if run.step == TRAIN.train_steps:
            raise KeyboardInterrupt
        checkpoint(run, *arguments)

    monkeypatch.setattr(Run, "_checkpoint", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path)
    monkeypatch.undo()
    assert same(finished / "resume", tmp_path / "resume")  # Nothing of the updates is lost.
    assert train(tmp_path, resume=True) == tmp_path / "checkpoints" / "step-00000012"
    assert same(finished / "best", tmp_path / "best")
    assert (finished / "validation.csv").read_text() == (tmp_path / "validation.csv").read_text()
    assert train(tmp_path, resume=True) == tmp_path / "checkpoints" / "step-00000012"
    assert (finished / "validation.csv").read_text() == (tmp_path / "validation.csv").read_text()


def test_a_folder_without_room_for_longer_names_is_refused_before_the_training(tmp_path: Path) -> None:
    directory = tmp_path
    while len(str(directory)) < os.pathconf("/", "PC_PATH_MAX") - 150:
        directory /= "n" * 99
    with pytest.raises(OutputError, match="File name too long"):
        train(directory / "run")


def test_nobody_s_home_is_no_folder() -> None:
    with pytest.raises(ConfigError, match=r"write \./ before a name that begins with ~"):
        RunFiles(Path("~nobody-of-that-name/run"))


def test_a_run_killed_before_its_first_save_can_be_resumed(finished: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(RunFiles(finished).config.read_text())
    train(tmp_path, resume=True)
    assert same(finished / "resume", tmp_path / "resume")


@pytest.mark.parametrize("damage", ["shorter", "manifest", "no manifest", "gone"])
def test_a_damaged_state_is_said_and_nothing_is_touched(finished: Path, tmp_path: Path, damage: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    if damage == "shorter":
        path = max(
            (run / "resume" / "state").rglob("*"), key=lambda path: path.stat().st_size * path.is_file()
        )
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "manifest":
        (run / "resume" / "MANIFEST.json").write_text("{")
    elif damage == "no manifest":
        (run / "resume" / "MANIFEST.json").unlink()
    else:
        shutil.rmtree(run / "resume")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises((ConfigError, CheckpointError), match="resume"):
        train(run, dataclasses.replace(TRAIN, train_steps=TRAIN.train_steps + 1), resume=True)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_home_folder_is_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    newest = train(Path("~/run"), dataclasses.replace(TRAIN, train_steps=1))
    assert newest.parents[1] == tmp_path / "run"
    assert not (tmp_path / "~").exists()
    assert stored_run(Path("~/run")) is not None


def test_a_stored_number_that_is_not_allowed_is_named(tmp_path: Path) -> None:
    config = {"train": TRAIN.to_dict() | {"batch_size": -1}, "model": MODEL.to_dict(), "data": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        ConfigError, match=r"config.json: batch_size = -1 .*; restore it, or start another run"
    ):
        stored_run(tmp_path)


def test_another_recipe_is_not_resumed(finished: Path) -> None:
    with pytest.raises(ConfigError, match=r"was started with learning_rate = 0.001, not 0.5"):
        train(finished, dataclasses.replace(TRAIN, learning_rate=0.5), resume=True)


def test_a_finished_run_can_be_made_longer(finished: Path, tmp_path: Path) -> None:
    train(tmp_path, dataclasses.replace(TRAIN, train_steps=8))
    train(tmp_path, resume=True)
    assert same(finished / "resume", tmp_path / "resume")


def test_updates_made_ahead_of_their_metrics_change_nothing(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the state nor the curves, and a divergence among them is still found at its update."""
    sound, judged = run_module._is_sound, []

    def count(*arguments: Any) -> bool:
        judged.append(len(arguments[1]))
        return len(judged) != 7 and sound(*arguments)

    monkeypatch.setattr(run_module, "_MOST_UPDATES_AHEAD", 3)
    monkeypatch.setattr(run_module, "_MOST_SECONDS_AHEAD", 1e9)
    train(tmp_path / "three", dataclasses.replace(TRAIN, train_steps=4))
    monkeypatch.setattr(run_module, "_is_sound", count)
    train(tmp_path / "three", resume=True)
    # Updates 5 to 8, 9 and 10; the next diverged, and from 9 on all were made again.
    assert judged == [4, 5, 6, 7, 8, 9, 10, 8, 9, 10, 11]
    assert not same(finished / "resume", tmp_path / "three" / "resume")
    monkeypatch.undo()
    monkeypatch.setattr(run_module, "_MOST_UPDATES_AHEAD", 1)
    train(tmp_path / "one")
    assert same(finished / "resume", tmp_path / "one" / "resume")
