"""The training loop: the only place here that keeps time, writes files and reports."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from filelock import FileLock, Timeout
from flax import nnx
from numpy.typing import NDArray
from tqdm import tqdm

from nca_viewer.atomic_files import atomic_write, mode_at
from nca_viewer.automaton.rollout import Dynamics, Parameters
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.checkpoint import (
    checkpoint_exists,
    checkpoint_steps,
    load_checkpoint,
    package_versions,
    parameter_tree,
    read_tree,
    save_checkpoint,
    step_directory,
    write_tree,
)
from nca_viewer.config import ModelConfig
from nca_viewer.ending import ending
from nca_viewer.errors import ConfigError, OutputError, UserError, reason_of
from nca_viewer.image_files import write_image
from training import processes
from training.config import TrainConfig
from training.curves import Curves, read_rows
from training.data import ImageSource
from training.drawings import draw_pictures
from training.memory import SILENT_STEPS, channel_names, require_room, with_memory
from training.progress import Progress
from training.report import sample_sheet
from training.sharding import BatchSharding
from training.step import (
    Images,
    Metrics,
    initial_state,
    learning_rate_schedule,
    make_train_step,
)
from training.units import fit_hidden_channels
from training.validation import make_validation

REPORTED_STEPS = 128
"""Updates that the reported mean loss is taken over, and between two rows of `metrics.csv`."""

MAX_RESTARTS = 8
LASTING_STEPS = 16
LASTING_RISE = 5.0
"""A run has diverged when its last `LASTING_STEPS` losses are this many times its usual one."""
SHEET_IMAGES = 8
"""Validation images on every checkpoint's sample sheet."""

_DRAWING_COUNT = 2048
_MOST_UPDATES_AHEAD = 16
_MOST_SECONDS_AHEAD = 1.0
"""How far updates run ahead of the look at their metrics; so late is a signal to end heard, too."""
_LONGEST_INNER_NAME = 150
"""Characters of the path of any file in a checkpoint, or of TensorBoard's."""


class DivergenceError(UserError):
    """A run diverged again and again."""

    exit_code = 1


@dataclass(frozen=True)
class RunFiles:
    """The names in a run's directory.

    Attributes:
        directory: The run's directory; a leading ~ is the user's home.
    """

    directory: Path

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "directory", Path(self.directory).expanduser())
        except RuntimeError as error:
            raise ConfigError(
                f"{str(self.directory)!r} names nobody's home; write ./ before a name that begins with ~"
            ) from error

    @property
    def config(self) -> Path:
        """Both configurations, written once."""
        return self.directory / "config.json"

    @property
    def resume(self) -> Path:
        """The whole train state of the last save."""
        return self.directory / "resume"

    def is_begun(self) -> bool:
        """Whether a run began here, as far as can be told."""
        try:
            return bool(mode_at(self.config))
        except OSError:
            return False

    def sheet(self, step: int) -> Path:
        """The sample sheet of the checkpoint after an update."""
        return self.directory / "sheets" / f"step-{step:08d}.png"

    @property
    def lock(self) -> Path:
        """Locked by the process that trains here, as long as it lives."""
        return self.directory / ".lock"

    @property
    def best(self) -> Path:
        """A copy of the best checkpoint by validation."""
        return self.directory / "best"


def fit(
    config: TrainConfig,
    model_config: ModelConfig,
    train_images: NDArray[np.float32],
    validation_images: NDArray[np.float32],
    run_directory: Path,
    *,
    resume: bool,
    progress: bool = True,
    source: ImageSource | None = None,
) -> Path:
    """Train an automaton, saving as it goes.

    The run's directory receives `checkpoints/step-XXXXXXXX`, `best` (the best of them by validation),
    `resume` (the whole state: a resumed run ends bit for bit like an uninterrupted one on the same
    backend with as many devices), `config.json`, a sample sheet per checkpoint in `sheets`, and the curves:
    `metrics.csv`, `validation.csv` and TensorBoard's event files in `tensorboard`. A divergence is rolled
    back to the last save, and goes on with other draws.

    Each batch is divided among all devices. Where several processes train together, each calls this with the
    same arguments, and process 0 alone reads and writes the directory.

    Args:
        config: The training's numbers.
        model_config: The automaton's hyperparameters.
        train_images: float32[N, H, W, V] in [0, 1].
        validation_images: float32[M, H, W, V] in [0, 1], disjoint from the former.
        run_directory: Where the files go.
        resume: Continue the run in that directory.
        progress: Show a progress bar.
        source: Where the images come from, kept for who resumes the run.

    Returns:
        The newest checkpoint's directory.

    Raises:
        ConfigError: if the directory holds a run already, none to resume, or one with other settings; if the
            processes were given different ones; if the automaton has no room for its memory.
        DivergenceError: after too many roll-backs.
        OutputError: if a file cannot be written; the last save survives.
        StoppedError: if another process failed.
        KeyboardInterrupt: told to end; all updates were saved.
    """
    if config.memory:
        require_room(model_config)
    files = RunFiles(run_directory)
    pixels = np.round(train_images * 255).astype(np.uint8)
    # Where they come from may differ from machine to machine.
    settings = RunSettings(config, model_config, _fingerprint(pixels), source and source.absolute)
    several = jax.process_count() > 1
    if several:
        versions = {f"version of {name}": version for name, version in package_versions().items()}
        processes.require_same(
            {**config.to_dict(), **model_config.to_dict(), **settings.data, "resume": resume, **versions}
        )
    with contextlib.ExitStack() as stack:
        processes.on_first(partial(_enter, stack, files, settings, resume=resume))
        # Several processes end together, after a vote; one alone defers only what has to be saved.
        told = stack.enter_context(ending.deferred(lambda: None)) if several else None
        progress = progress and processes.is_first()
        if progress:
            tqdm.write("preparing; the first update takes a while, it is compiled", file=sys.stderr)
        run = Run(config, model_config, pixels, validation_images, files, told)
        run.begin(settings, resume=resume)
        run.train(progress=progress)
    # A run that had gone further than it is asked to now has no checkpoint where it stands.
    return step_directory(files.directory, max(checkpoint_steps(files.directory), default=run.step))


class Run:
    """A run as it stands, and how it goes on.

    Of several processes each makes the same updates; the first alone judges them, reads and writes.

    Attributes:
        state: What the next update starts from, whole on every device.
        recent: In process 0 the metrics of the last updates, at most `REPORTED_STEPS`.
        step: Updates made.
    """

    def __init__(
        self,
        config: TrainConfig,
        model_config: ModelConfig,
        pixels: NDArray[np.uint8],
        validation_images: NDArray[np.float32],
        files: RunFiles,
        told: threading.Event | None,
    ):
        """A run before its first update.

        Args:
            config: The training's numbers.
            model_config: The automaton's hyperparameters.
            pixels: uint8[N, H, W, V], the training images.
            validation_images: float32[M, H, W, V] in [0, 1].
            files: Where its files go.
            told: Set when this process is told to end, where the caller defers that; None where it does not.
        """
        self._config, self._files, self._told = config, files, told
        self._dynamics, parameters = Dynamics.of(AttentionNCA(model_config, rngs=nnx.Rngs(config.seed)))
        self._images = _images(config, model_config, pixels)
        self._validation_images = validation_images
        self._sharding = BatchSharding.over_all_devices(config.batch_size)
        self._schedule = learning_rate_schedule(config)
        self._curves: Curves | None = None
        self._updates_ahead = 1
        self.state = initial_state(parameters, self._images, config, self._dynamics)
        self.recent: deque[Metrics] = deque(maxlen=REPORTED_STEPS)
        self.step = 0

    # ---- Beginning ----

    def begin(self, settings: RunSettings, *, resume: bool) -> None:
        """Go on from the last save, or claim the directory and save the start; then compile the update."""
        processes.on_first(partial(self._prepare, settings, resume=resume))
        self._images = self._sharding.replicate(self._images)
        self._send_state()
        processes.on_first(self._open_curves)
        # While it is compiled there is nothing to save, and so nothing that an interrupt must wait for.
        train_step = make_train_step(self._dynamics, self._config, self._sharding)
        self._train_step = cast(Any, train_step).lower(self.state, self._images).compile()
        self._validate = make_validation(
            self._dynamics,
            self._validation_images[: self._config.validation_images],
            seed=self._config.seed + 1,
        )
        processes.wait()  # A compiler may take longer than the devices wait for each other the first time.

    def _prepare(self, settings: RunSettings, *, resume: bool) -> None:
        if resume and _was_saved(self._files):
            self._restore()
            return
        parameters = self.state.parameters
        if self._config.initial_checkpoint:
            sample = self._validation_images[:SHEET_IMAGES]
            parameters = _initial_parameters(
                self._config.initial_checkpoint, parameters, sample, self._dynamics.config
            )
        if self._config.memory:
            parameters = with_memory(self._dynamics, parameters)
        self.state = self.state._replace(parameters=parameters, average=jax.tree.map(jnp.copy, parameters))
        with self._deferred():
            _claim(self._files, settings)
            self._save()

    def _send_state(self) -> None:
        """Process 0's state to all devices of all processes."""
        self.state = self._sharding.replicate(processes.from_first(self.state))
        self.step = int(self.state.step)

    def _open_curves(self) -> None:
        self._curves = Curves(self._files.directory, self.step)

    def _deferred(self) -> contextlib.AbstractContextManager[threading.Event]:
        """Work that an interrupt must wait for."""
        return ending.deferred() if self._told is None else contextlib.nullcontext(self._told)

    # ---- Training ----

    def train(self, *, progress: bool) -> None:
        """Make all updates that are left, with a checkpoint whenever one is due.

        Args:
            progress: Show how far it is.

        Raises:
            KeyboardInterrupt: told to end, and saved.
        """
        config = self._config
        self._started_seconds = time.monotonic()
        self._shown = Progress(config.train_steps, self.step, enabled=progress, line_interval=REPORTED_STEPS)
        try:
            processes.on_first(self._make_up)
            while self.step < config.train_steps:
                with self._deferred() as told:
                    came_to_it = self._train_until_due(told)
                    processes.on_first(self._save)
                if not came_to_it:
                    raise KeyboardInterrupt
                processes.on_first(self._measure)
        finally:
            if self._curves is not None:
                self._curves.close()
            self._shown.close()

    def _train_until_due(self, told: threading.Event) -> bool:
        """Make updates up to the next checkpoint; False where one was told to end."""
        while self.step < self._config.train_steps:
            started_seconds = time.monotonic()
            made = self._make_updates()
            seconds = (time.monotonic() - started_seconds) / len(made)
            sound = processes.on_first(partial(self._judge, made))
            ahead = max(1, min(_MOST_UPDATES_AHEAD, int(_MOST_SECONDS_AHEAD / seconds)))
            # Process 0 decides; which of them is told to end makes no difference.
            votes = processes.gathered([sound, ahead, told.is_set()])
            sound, self._updates_ahead, _ = votes[0]
            is_told = any(vote[-1] for vote in votes)
            if sound < len(made):
                self._roll_back(made[sound], self.step + sound)
            else:
                self.step += len(made)
                processes.on_first(self._report)
                if self._is_due():
                    if jax.process_count() > 1:
                        self._send_state()  # Those of different makes, whose roundings differ, drift apart.
                    return not is_told
            if is_told:
                return False
        return False

    def _make_updates(self) -> list[Metrics]:
        """A few updates and their metrics; up to the next that is reported or measured, at most."""
        config, step = self._config, self.step
        ends = [
            config.train_steps,
            *(step - step % every + every for every in (config.checkpoint_every, REPORTED_STEPS)),
        ]
        made = []
        for _ in range(min(self._updates_ahead, min(ends) - step)):
            self.state, metrics = self._train_step(self.state, self._images)
            made.append(metrics)
        # Only now are the devices waited for.
        return [Metrics(*(float(value) for value in metrics)) for metrics in jax.device_get(made)]

    def _judge(self, made: Sequence[Metrics]) -> int:
        """How many of these updates were made before the first that is a sign of divergence."""
        for count, metrics in enumerate(made):
            if not _is_sound(metrics, self.recent, self._config):
                return count
            self.recent.append(metrics)
        return len(made)

    def _is_due(self) -> bool:
        return self.step % self._config.checkpoint_every == 0 or self.step == self._config.train_steps

    def _report(self) -> None:
        """The progress, and now and then a row of the means over the last updates."""
        mean = Metrics(*np.mean(np.array(self.recent), axis=0).tolist())
        self._shown.advance(self.step, float(mean.loss))
        if self.step % REPORTED_STEPS == 0:
            assert self._curves is not None
            self._curves.add_metrics(
                {
                    "step": self.step,
                    **mean._asdict(),
                    "learning_rate": float(self._schedule(self.step)),
                    "restarts": int(self.state.restarts),
                    "seconds": round(time.monotonic() - self._started_seconds, 1),
                }
            )

    def _roll_back(self, metrics: Metrics, diverged: int) -> None:
        """Go on from the last saved state, with other draws ahead of it."""
        restarts = int(self.state.restarts) + 1
        if restarts > MAX_RESTARTS:
            raise DivergenceError(
                f"the run diverged {restarts} times, the last time at update {diverged}; "
                f"lower the learning rate or set a state limit"
            )
        processes.on_first(self._restore)
        self.state = self.state._replace(restarts=jnp.asarray(restarts, jnp.int32))
        self._send_state()
        if self._curves is not None:
            self._shown.write(
                f"update {diverged}: diverged (loss {metrics.loss:.3g}, largest state "
                f"{metrics.largest_state:.3g}); back to update {self.step}"
            )
            self._shown.rewind(self.step)
        processes.on_first(self._rewind_curves)

    def _rewind_curves(self) -> None:
        assert self._curves is not None
        self._curves.rewind(self.step)

    # ---- The files, which process 0 alone reads and writes ----

    def _save(self) -> None:
        """The whole state, to go on from."""
        leaves = {
            f"{number:04d}": np.asarray(leaf) for number, leaf in enumerate(jax.tree.leaves(self.state))
        }
        window = np.full((REPORTED_STEPS, len(Metrics._fields)), np.nan)
        window[: len(self.recent)] = np.array(self.recent).reshape(-1, len(Metrics._fields))
        write_tree(self._files.resume, {"state": leaves, "recent": window}, {})

    def _restore(self) -> None:
        """The state that was saved last, and `recent` as it was then."""
        tree, _ = read_tree(self._files.resume)
        leaves, structure = jax.tree.flatten(self.state)
        stored, recent = [tree["state"][name] for name in sorted(tree["state"])], tree["recent"]
        if len(stored) == len(leaves) - 1 and recent.shape[1] == len(Metrics._fields) + 1:
            # Earlier versions had an overflow among the metrics, and no count of the optimiser's calls, which
            # is that of the updates.
            stored.insert(2 * len(jax.tree.leaves(self.state.parameters)), stored[-2])
            recent = np.delete(recent, 2, axis=1)
        if [leaf.shape for leaf in leaves] != [leaf.shape for leaf in stored]:
            raise ConfigError(f"{self._files.resume} belongs to a run with other settings; start another run")
        self.state = jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in stored])
        self.recent.clear()
        self.recent.extend(Metrics(*row) for row in recent.tolist() if not math.isnan(row[0]))

    def _make_up(self) -> None:
        """The checkpoint where the run stands, if it was interrupted before it was measured."""
        assert self._curves is not None
        if self.recent and self._is_due():
            rows = read_rows(self._curves.validation)
            if not any(int(row["step"]) == self.step for row in rows):
                self._measure()

    def _measure(self) -> None:
        """The checkpoint of this update, its figures and its sheet.

        The state was saved before: what is interrupted here is made up for when the run is resumed.
        """
        self._shown.note("measuring the checkpoint")
        parameters = jax.device_get(self.state.average)
        measured = self._validate(parameters)
        loss = float(np.mean([entry.loss for entry in self.recent]))
        text = ", ".join(f"{name} {value:.2f}" for name, value in measured.items())
        with self._deferred():
            self._checkpoint(parameters, measured | {"loss": loss})
        self._shown.write(f"update {self.step}: loss {loss:.5f}, {text}")

    def _checkpoint(self, parameters: Parameters, measured: dict[str, float]) -> None:
        """Save the automaton, also as the best one if it is, with its sample sheet and its row of figures."""
        assert self._curves is not None
        provenance = {
            "recipe": self._config.recipe,
            "step": self.step,
            "metrics": measured,
            "train_config": self._config.to_dict(),
            "backend": jax.default_backend(),
            "devices": jax.device_count(),
        }
        if self._config.memory:
            provenance |= {"channel_names": channel_names(), "silent_steps": SILENT_STEPS}
        saved = (parameter_tree(parameters), self._dynamics.config, provenance)
        save_checkpoint(step_directory(self._files.directory, self.step), *saved)
        sheet = sample_sheet(self._dynamics.bind(parameters), self._validation_images[:SHEET_IMAGES])
        path = self._files.sheet(self.step)
        path.parent.mkdir(exist_ok=True)
        write_image(path, sheet)
        self._curves.add_validation({"step": self.step, **measured}, sheet)
        name = f"psnr_{self._config.selection_steps}"
        # Both sides as the file has them, rounded: else a best value that was rounded up would not be best.
        column = [float(row[name]) for row in read_rows(self._curves.validation)]
        if column[-1] >= max(column):
            save_checkpoint(self._files.best, *saved)


def _images(config: TrainConfig, model_config: ModelConfig, pixels: NDArray[np.uint8]) -> Images:
    """What episodes start from: the training images, and drawings where the recipe has some."""
    drawings = np.zeros((1, *model_config.image_shape), np.uint8)
    if config.painted_fraction:
        drawings = draw_pictures(_DRAWING_COUNT, model_config, seed=config.seed)
    return Images(photographs=jnp.asarray(pixels), drawings=jnp.asarray(drawings))


def _enter(stack: contextlib.ExitStack, files: RunFiles, settings: RunSettings, *, resume: bool) -> None:
    """Lock the directory for as long as the stack lasts, and check that it may be used so."""
    stack.enter_context(_locked(files))
    _check_claim(files, settings, resume=resume)


def _fingerprint(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    return {"images": len(pixels), "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}


@contextlib.contextmanager
def _locked(files: RunFiles) -> Iterator[None]:
    """Keep other processes from training in the directory; the system unlocks what a dead one locked."""
    directory = files.directory
    try:
        mode = mode_at(directory)
    except OSError as error:
        raise ConfigError(
            f"cannot use {str(directory)[:80]!r} as --run-dir: {error.strerror}; choose another folder"
        ) from error
    existed = bool(mode)
    if existed and not stat.S_ISDIR(mode):
        raise ConfigError(f"{directory} is a file; choose another --run-dir, a folder that may be new")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # All that will be written there must have room for its name, too.
        with contextlib.suppress(FileNotFoundError):
            os.lstat(step_directory(directory, 0) / ("x" * _LONGEST_INNER_NAME))
        with FileLock(files.lock, timeout=0):
            try:
                yield
            finally:
                if not files.config.exists():  # No run began; nothing of it stays.
                    files.lock.unlink(missing_ok=True)
    except Timeout:
        raise ConfigError(
            f"another process is training in {directory}; wait for it, or choose another directory"
        ) from None
    except OSError as error:
        raise OutputError(f"cannot write {directory}: {reason_of(error)}") from error
    finally:
        if not existed:
            with contextlib.suppress(OSError):
                directory.rmdir()


@dataclass(frozen=True)
class RunSettings:
    """What a run is made of: stored with it, and compared when it is resumed, but for `source`.

    Attributes:
        train: The training's numbers.
        model: The automaton's hyperparameters.
        data: Number and checksum of the training images.
        source: Where they come from; None where nobody said.
    """

    train: TrainConfig
    model: ModelConfig
    data: dict[str, Any]
    source: ImageSource | None = None


def stored_run(run_directory: Path) -> RunSettings | None:
    """What a run was started with; None where there is no run, or its file is damaged.

    What was stored before a setting existed has its default.

    Raises:
        ConfigError: for a number in it that this program does not know or allow.
    """
    path = RunFiles(run_directory).config
    try:
        stored = json.loads(path.read_text())
        train, model, data = (dict(stored[part]) for part in ("train", "model", "data"))
        source = ImageSource.from_dict(stored["source"]) if "source" in stored else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    try:
        return RunSettings(TrainConfig.from_dict(train), ModelConfig.from_dict(model), data, source)
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"{path}: {error}; restore it, or start another run") from error


def _claim(files: RunFiles, settings: RunSettings) -> None:
    """Make the directory this run's: from here on no other run starts in it."""
    stored = {name: value for name, value in dataclasses.asdict(settings).items() if value is not None}
    with atomic_write(files.config, make_parents=True) as path:
        path.write_text(json.dumps(stored, indent=2) + "\n")


def _check_claim(files: RunFiles, settings: RunSettings, *, resume: bool) -> None:
    """Hold the run's settings against those that are there."""
    if not files.config.exists():
        if resume:
            raise ConfigError(f"{files.directory} holds no run to resume; leave out --resume to start one")
        return
    if not resume:
        raise ConfigError(
            f"{files.directory} holds a run already; continue it with --resume, or choose another directory"
        )
    stored = stored_run(files.directory)
    if stored is None:
        raise ConfigError(f"{files.config} is damaged; restore it, or start anew elsewhere")
    for before, now in ((stored.train, settings.train), (stored.model, settings.model)):
        for name, was in before.to_dict().items():
            value = getattr(now, name)
            if was != value and name != "train_steps":
                raise ConfigError(
                    f"{files.directory} was started with {name} = {was}, not {value}; "
                    f"resume with the same settings, or start another run"
                )
    # After the settings: how many images are set aside is one of them.
    if stored.data != settings.data:
        raise ConfigError(
            f"{files.directory} was started with other training images ({stored.data.get('images')} of "
            f"them); resume with the same data, or start another run"
        )


def _initial_parameters(
    checkpoint: str, like: Parameters, images: NDArray[np.float32], config: ModelConfig
) -> Parameters:
    """Another automaton's parameters, if they fit; in units that suit this one's state limit."""
    model, info = load_checkpoint(checkpoint)
    dynamics, parameters = Dynamics.of(model)
    if jax.tree.map(jnp.shape, parameters) != jax.tree.map(jnp.shape, like):
        raise ConfigError(
            f"{info.path} has other sizes than this run; start from it with the model settings it has"
        )
    return jax.tree.map(jnp.asarray, fit_hidden_channels(dynamics, parameters, images, config))


def _is_sound(metrics: Metrics, recent: Sequence[Metrics], config: TrainConfig) -> bool:
    """Whether an update is no sign of divergence, given the ones before it.

    A bounded state cannot grow without limit: there a divergence shows as a loss that jumped and stays. One
    bad batch is none.
    """
    if not all(math.isfinite(value) for value in metrics) or metrics.largest_state > config.explosion_limit:
        return False
    if len(recent) < REPORTED_STEPS:
        return True
    losses = [float(entry.loss) for entry in recent] + [float(metrics.loss)]
    return bool(np.median(losses[-LASTING_STEPS:]) <= LASTING_RISE * np.median(losses))


def _was_saved(files: RunFiles) -> bool:
    """Whether there is a state to go on from; a run killed before its first save starts from its start.

    Raises:
        ConfigError: if there was one, and it is gone.
    """
    if files.resume.exists() or checkpoint_exists(files.resume):
        return True  # Damaged ones too: reading it tells what is wrong.
    if steps := checkpoint_steps(files.directory):
        raise ConfigError(
            f"{files.resume}, the state to go on from, is gone; restore it, or start another run with "
            f"--initial-checkpoint {step_directory(files.directory, steps[-1])}"
        )
    return False
