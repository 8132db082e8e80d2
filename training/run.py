"""The training loop: the only place here that keeps time, writes files and reports."""

from __future__ import annotations

import contextlib
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
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from filelock import FileLock, Timeout
from flax import nnx
from numpy.typing import NDArray
from tqdm import tqdm

from nca_viewer.automaton.rollout import Dynamics, Parameters
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.checkpoint import (
    checkpoint_exists,
    checkpoint_steps,
    load_checkpoint,
    parameter_tree,
    read_tree,
    save_checkpoint,
    step_directory,
    write_tree,
)
from nca_viewer.config import ModelConfig
from nca_viewer.ending import ending
from nca_viewer.errors import ConfigError, OutputError, UserError
from nca_viewer.whole_files import mode_at
from training.config import TrainConfig
from training.curves import Curves, read_rows
from training.drawings import draw_pictures
from training.hosts import ALONE, Hosts
from training.layout import Layout
from training.memory import require_room, with_memory
from training.output import atomic_output
from training.progress import Progress
from training.report import sample_sheet, save_image
from training.step import (
    Images,
    Metrics,
    TrainState,
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
    hosts: Hosts = ALONE,
) -> Path:
    """Train an automaton, saving as it goes.

    The run's directory receives `checkpoints/step-XXXXXXXX`, `best` (the best of them by validation),
    `resume` (the whole state: a resumed run ends bit for bit like an uninterrupted one on the same
    backend with as many devices), `config.json`, a sample sheet per checkpoint in `sheets`, and the curves:
    `metrics.csv`, `validation.csv` and TensorBoard's event files in `tensorboard`. A divergence is rolled
    back to the last save, and goes on with other draws.

    Each batch is divided among all devices. Where several hosts train together, each calls this with the same
    arguments, and host 0 alone reads and writes the directory.

    Args:
        config: The training's numbers.
        model_config: The automaton's hyperparameters.
        train_images: float32[N, H, W, V] in [0, 1].
        validation_images: float32[M, H, W, V] in [0, 1], disjoint from the former.
        run_directory: Where the files go.
        resume: Continue the run in that directory.
        progress: Show a progress bar.
        hosts: The hosts that train together, see `training.hosts.joined`.

    Returns:
        The newest checkpoint's directory.

    Raises:
        ConfigError: if the directory holds a run already, none to resume, or one with other settings; if the
            hosts were given different ones; if the automaton has no room for the memory that it is to have.
        DivergenceError: after too many roll-backs.
        OutputError: if a file cannot be written; the last save survives.
        KeyboardInterrupt: told to end; all updates were saved.
    """
    if config.memory:
        require_room(model_config)
    files = RunFiles(run_directory)
    pixels = np.round(train_images * 255).astype(np.uint8)
    settings = _settings(config, model_config, pixels)
    hosts.require_same({**settings["train"], **settings["model"], **settings["data"], "resume": resume})
    with contextlib.ExitStack() as stack:
        if hosts.is_first:
            stack.enter_context(_locked(files))
            _check_claim(files, settings, resume=resume)
        # Several hosts end together, after a vote; one alone defers only what has to be saved.
        told = stack.enter_context(ending.deferred(lambda: None)) if hosts.count > 1 else None
        return _fit(
            config,
            model_config,
            settings,
            pixels,
            validation_images,
            files,
            hosts,
            told,
            resume=resume,
            progress=progress,
        )


def _fit(
    config: TrainConfig,
    model_config: ModelConfig,
    settings: Settings,
    pixels: NDArray[np.uint8],
    validation_images: NDArray[np.float32],
    files: RunFiles,
    hosts: Hosts,
    told: threading.Event | None,
    *,
    resume: bool,
    progress: bool,
) -> Path:
    if progress:
        tqdm.write("preparing; the first update takes a while, it is compiled", file=sys.stderr)
    dynamics, parameters = Dynamics.of(AttentionNCA(model_config, rngs=nnx.Rngs(config.seed)))
    drawings = np.zeros((1, *model_config.image_shape), np.uint8)
    if config.painted_fraction:
        drawings = draw_pictures(_DRAWING_COUNT, model_config, seed=config.seed)
    images = Images(photographs=jnp.asarray(pixels), drawings=jnp.asarray(drawings))
    state = initial_state(parameters, images, config, dynamics)

    layout = Layout.over_all_devices(config.batch_size, hosts)
    recent: deque[Metrics] = deque(maxlen=REPORTED_STEPS)
    if hosts.is_first and resume and _was_saved(files):
        state = _restore(files, state, recent, hosts)
    elif hosts.is_first:
        if config.initial_checkpoint:
            sample = validation_images[:SHEET_IMAGES]
            parameters = hosts.apart(
                _initial_parameters, config.initial_checkpoint, parameters, sample, model_config
            )
        if config.memory:
            parameters = with_memory(dynamics, parameters)
        state = state._replace(parameters=parameters, average=jax.tree.map(jnp.copy, parameters))
        with _deferred(told):
            _claim(files, settings)
            _save(files, state, recent, hosts)
    images, state = layout.replicate(images), layout.replicate(hosts.share(state))
    step = int(state.step)
    curves = Curves(files.directory, step) if hosts.is_first else None
    # While it is compiled there is nothing to save, and so nothing that an interrupt must wait for. Besides,
    # the first time devices wait for each other but half a minute, and a compiler may take longer.
    train_step = cast(Any, make_train_step(dynamics, config, layout)).lower(state, images).compile()
    hosts.wait()
    validate = make_validation(dynamics, validation_images[: config.validation_images], seed=config.seed + 1)
    schedule = learning_rate_schedule(config)
    started_seconds = time.monotonic()
    shown = Progress(config.train_steps, step, enabled=progress, line_interval=REPORTED_STEPS)

    def report() -> None:
        """A row of the means over the last updates."""
        assert curves is not None
        mean = Metrics(*np.mean(np.array(recent), axis=0).tolist())
        curves.add_metrics(
            {
                "step": step,
                **mean._asdict(),
                "learning_rate": float(schedule(step)),
                "restarts": int(state.restarts),
                "seconds": round(time.monotonic() - started_seconds, 1),
            }
        )

    def measure() -> None:
        """The checkpoint of this update, its figures and its sheet.

        The state was saved before: what is interrupted here is made up for when the run is resumed.
        """
        assert curves is not None
        shown.note("measuring the checkpoint")
        parameters = jax.device_get(state.average)
        measured = validate(parameters)
        loss = float(np.mean([entry.loss for entry in recent]))
        text = ", ".join(f"{name} {value:.2f}" for name, value in measured.items())
        measured["loss"] = loss
        with _deferred(told):
            _checkpoint(files, curves, step, parameters, config, dynamics, measured, validation_images, hosts)
        shown.write(f"update {step}: loss {loss:.5f}, {text}")

    def is_due() -> bool:
        return step % config.checkpoint_every == 0 or step == config.train_steps

    def train_until_due(told: threading.Event) -> bool:
        """Make updates up to the next checkpoint; whether it came to that."""
        nonlocal state, step
        while step < config.train_steps:
            if hosts.stop(told.is_set()):
                return False
            state, metrics = train_step(state, images)
            metrics = Metrics(*(float(value) for value in metrics))
            if not hosts.share(np.bool_(_is_sound(metrics, recent, config))):
                diverged = step
                state = layout.replicate(_roll_back(files, state, recent, step, hosts))
                step = int(state.step)
                shown.write(
                    f"update {diverged}: diverged (loss {metrics.loss:.3g}, largest state "
                    f"{metrics.largest_state:.3g}); back to update {step}"
                )
                shown.rewind(step)
                if curves is not None:
                    curves.rewind(step)
                continue
            step += 1
            recent.append(metrics)
            shown.advance(step, float(np.mean([entry.loss for entry in recent])))
            if hosts.is_first and step % REPORTED_STEPS == 0:
                report()
            if is_due():
                state = _brought_together(state, layout, hosts)
                return True
        return False

    try:
        if curves is not None and recent and is_due() and not _was_measured(curves, step):
            measure()
        while step < config.train_steps:
            with _deferred(told) as wanted:
                came_to_it = train_until_due(wanted)
                if hosts.is_first:
                    _save(files, state, recent, hosts)
            if not came_to_it:
                raise KeyboardInterrupt
            if hosts.is_first:
                measure()
    finally:
        if curves is not None:
            curves.close()
        shown.close()
    # A run that had gone further than it is asked to now has no checkpoint where it stands.
    return step_directory(files.directory, max(checkpoint_steps(files.directory), default=step))


def _deferred(told: threading.Event | None) -> contextlib.AbstractContextManager[threading.Event]:
    """Work that an interrupt must wait for; `told`, where everything is deferred already."""
    return ending.deferred() if told is None else contextlib.nullcontext(told)


def _was_measured(curves: Curves, step: int) -> bool:
    return any(int(row["step"]) == step for row in read_rows(curves.validation))


Settings = dict[str, dict[str, Any]]
"""What a run is made of, by part: train, model and data; stored with it, and compared when it is resumed."""


def _settings(config: TrainConfig, model_config: ModelConfig, pixels: NDArray[np.uint8]) -> Settings:
    data = {"images": len(pixels), "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}
    return {"train": config.to_dict(), "model": model_config.to_dict(), "data": data}


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
        raise OutputError(f"cannot write {directory}: {error.strerror or error}") from error
    finally:
        if not existed:
            with contextlib.suppress(OSError):
                directory.rmdir()


def stored_configs(run_directory: Path) -> tuple[TrainConfig, ModelConfig] | None:
    """The configurations that a run was started with; None where there is no run, or its file is damaged.

    Raises:
        ConfigError: for a number in them that this program does not know or allow.
    """
    path = RunFiles(run_directory).config
    try:
        stored = json.loads(path.read_text())
        parts = dict(stored["train"]), dict(stored["model"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    try:
        return TrainConfig.from_dict(parts[0]), ModelConfig.from_dict(parts[1])
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"{path}: {error}; restore it, or start another run") from error


def _claim(files: RunFiles, settings: Settings) -> None:
    """Make the directory this run's: from here on no other run starts in it."""
    with atomic_output(files.config, make_parents=True) as path:
        path.write_text(json.dumps(settings, indent=2) + "\n")


def _check_claim(files: RunFiles, settings: Settings, *, resume: bool) -> None:
    """Hold the run's settings against those that are there.

    What was stored before a setting existed counts as its default, with which the run was made.
    """
    if not files.config.exists():
        if resume:
            raise ConfigError(f"{files.directory} holds no run to resume; leave out --resume to start one")
        return
    if not resume:
        raise ConfigError(
            f"{files.directory} holds a run already; continue it with --resume, or choose another directory"
        )
    try:
        stored = json.loads(files.config.read_text())
        stored = {part: dict(stored[part]) for part in settings}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError(f"{files.config} is damaged; restore it, or start anew elsewhere") from error
    defaults = {"train": TrainConfig().to_dict(), "model": ModelConfig().to_dict()}
    for part, default in defaults.items():
        for name, value in settings[part].items():
            was = stored[part].get(name, default.get(name))
            if was != value and name != "train_steps":
                raise ConfigError(
                    f"{files.directory} was started with {name} = {was}, not {value}; "
                    f"resume with the same settings, or start another run"
                )
    # After the settings: how many images are set aside is one of them.
    if stored["data"] != settings["data"]:
        raise ConfigError(
            f"{files.directory} was started with other training images ({stored['data'].get('images')} of "
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


def _brought_together(state: TrainState, layout: Layout, hosts: Hosts) -> TrainState:
    """The state, host 0's where hosts of different make, whose roundings differ, have drifted apart."""
    if hosts.count == 1:
        return state
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(state):
        digest.update(np.asarray(leaf).tobytes())
    return state if hosts.is_same(digest.digest()) else layout.replicate(hosts.share(state))


def _roll_back(
    files: RunFiles, state: TrainState, recent: deque[Metrics], step: int, hosts: Hosts
) -> TrainState:
    """The last saved state with other draws ahead of it; `recent` becomes what it was."""
    restarts = int(state.restarts) + 1
    if restarts > MAX_RESTARTS:
        raise DivergenceError(
            f"the run diverged {restarts} times, the last time at update {step}; "
            f"lower the learning rate or set a state limit"
        )
    restored = hosts.share(_restore(files, state, recent, hosts) if hosts.is_first else state)
    return restored._replace(restarts=jnp.asarray(restarts, jnp.int32))


def _save(files: RunFiles, state: TrainState, recent: deque[Metrics], hosts: Hosts) -> None:
    leaves = {f"{number:04d}": np.asarray(leaf) for number, leaf in enumerate(jax.tree.leaves(state))}
    window = np.full((REPORTED_STEPS, len(Metrics._fields)), np.nan)
    window[: len(recent)] = np.array(recent).reshape(-1, len(Metrics._fields))
    hosts.apart(write_tree, files.resume, {"state": leaves, "recent": window}, {})


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


def _restore(files: RunFiles, like: TrainState, recent: deque[Metrics], hosts: Hosts) -> TrainState:
    """The saved state; `recent` becomes what it was."""
    tree, _ = hosts.apart(read_tree, files.resume)
    leaves, structure = jax.tree.flatten(like)
    stored = [tree["state"][name] for name in sorted(tree["state"])]
    if [leaf.shape for leaf in leaves] != [leaf.shape for leaf in stored]:
        raise ConfigError(f"{files.resume} belongs to a run with other settings; start another run")
    recent.clear()
    recent.extend(Metrics(*row) for row in tree["recent"].tolist() if not math.isnan(row[0]))
    return jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in stored])


def _checkpoint(
    files: RunFiles,
    curves: Curves,
    step: int,
    parameters: Parameters,
    config: TrainConfig,
    dynamics: Dynamics,
    measured: dict[str, float],
    images: NDArray[np.float32],
    hosts: Hosts,
) -> None:
    """Save the automaton, also as the best one if it is, with its sample sheet and its row of figures."""
    provenance = {
        "recipe": config.recipe,
        "step": step,
        "metrics": measured,
        "train_config": config.to_dict(),
        "backend": jax.default_backend(),
        "devices": jax.device_count(),
    }
    saved = (parameter_tree(parameters), dynamics.config, provenance)
    hosts.apart(save_checkpoint, step_directory(files.directory, step), *saved)
    sheet = sample_sheet(dynamics.bind(parameters), images[:SHEET_IMAGES])
    files.sheet(step).parent.mkdir(exist_ok=True)
    save_image(sheet, files.sheet(step))
    curves.add_validation({"step": step, **measured}, sheet)
    name = f"psnr_{config.selection_steps}"
    # Both sides as the file has them, rounded: else a best value that was rounded up would not be the best.
    column = [float(row[name]) for row in read_rows(curves.validation)]
    if column[-1] >= max(column):
        hosts.apart(save_checkpoint, files.best, *saved)
