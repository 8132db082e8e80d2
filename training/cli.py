"""`nca-train`: fit, evaluate, show.

What needs JAX is imported when a command runs, so that help and complaints about options come at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nca_viewer.config import ModelConfig
from nca_viewer.ending import ending
from nca_viewer.errors import ConfigError
from nca_viewer.options import given_fields, preset_options
from nca_viewer.program import OneLineErrors
from training import PROGRAM
from training.config import RECIPES, TrainConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from training.data import ImageSource

_EXTRA_MODULES = ("optax", "tqdm", "pooch", "skimage", "tensorboardX", "filelock")
"""What the extra `train` of pyproject.toml installs, by the names that are imported."""
_INSTALL_EXTRA = "install the extra: pip install 'nca-viewer[train]', or in the project's folder '.[train]'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; None takes those of the process.

    Returns:
        The exit code: 0, 2 for whatever a user can set right, 1 for what should not happen, and that of
        `nca_viewer.ending` where a signal told it to end.
    """
    logging.basicConfig(format=f"{PROGRAM}: %(message)s", level=logging.WARNING)
    try:
        cli.main(arguments, prog_name=PROGRAM)
    except SystemExit as stop:
        exit_code = int(stop.code or 0)
    if "jax" in sys.modules and sys.modules["jax"].distributed.is_initialized():
        ending.is_abrupt = True  # An orderly end would wait for processes that do not come.
    return exit_code


class _Program(OneLineErrors, click.Group):
    program = PROGRAM

    def remedy(self, error: Exception) -> str | None:
        """Without the extra, parts of training cannot be imported."""
        if isinstance(error, ModuleNotFoundError) and error.name in _EXTRA_MODULES:
            return f"{error.name} is not installed, which training needs; {_INSTALL_EXTRA}"
        return None


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="nca-viewer", prog_name=PROGRAM)
def cli() -> None:
    """Train, judge and show the automaton that draws digits through self-attention."""


_data_option = click.option(
    "--data",
    default="mnist",
    show_default=True,
    help="mnist, fashion-mnist, kmnist, or a folder of images of one size, grey or RGB; it may have folders "
    "train and test, and in them one per class.",
)
_data_as_is_option = click.option(
    "--data-as-is",
    is_flag=True,
    help="Leave a folder's grey images as they are: do not invert dark ink on light paper.",
)
_data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder with the dataset's IDX files; without it they are downloaded once into the user's cache.",
)
_checkpoint_option = click.option(
    "--ckpt",
    "checkpoint",
    required=True,
    help="A checkpoint, a run's folder, or a bundled checkpoint's name.",
)


@cli.command()
@click.option(
    "--recipe", type=click.Choice(sorted(RECIPES)), help="Where the numbers come from. [default: seed-recipe]"
)
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for this run's checkpoints and curves.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the run in --run-dir where it was saved last, with the numbers and the data that it was "
    "started with; what is given anew takes their place.",
)
@click.option(
    "--distributed",
    is_flag=True,
    help="Train as one of several processes that Slurm, Open MPI, Kubernetes or a TPU started, on any number "
    "of machines; they share each batch, and process 0 alone reads and writes --run-dir.",
)
@click.option(
    "--coordinator",
    metavar="HOST:PORT",
    help="The same with processes started by hand: where process 0 waits for the others.",
)
@click.option("--host-count", type=click.IntRange(2), help="How many processes those are.")
@click.option("--host-index", type=click.IntRange(0), help="Which of them this one is, from 0.")
@click.option(
    "--coordinator-timeout",
    "timeout_seconds",
    type=click.FloatRange(1.0, 86_400.0),
    metavar="SECONDS",
    default=300.0,
    show_default=True,
    help="How long to wait for the other processes.",
)
@_data_option
@_data_dir_option
@_data_as_is_option
@preset_options({name: preset.train for name, preset in RECIPES.items()}, leave_out=["recipe"])
@preset_options({name: preset.model for name, preset in RECIPES.items()})
def fit(
    recipe: str | None,
    run_dir: Path,
    resume: bool,
    distributed: bool,
    coordinator: str | None,
    host_count: int | None,
    host_index: int | None,
    timeout_seconds: float,
    data: str,
    data_dir: Path | None,
    data_as_is: bool,
    **options: Any,
) -> None:
    """Train an automaton; every number of the recipe is an option."""
    preset = RECIPES[recipe or "seed-recipe"]
    train_fields, model_fields = given_fields(TrainConfig, options), given_fields(ModelConfig, options)
    config = dataclasses.replace(preset.train, **train_fields)
    model_config = dataclasses.replace(preset.model, **model_fields)
    others = _other_processes(distributed, coordinator, host_count, host_index, timeout_seconds)
    remedy = f"continue with: {_resume_command()}"
    ending.last_words = lambda: f"interrupted; {remedy if resume else 'nothing was begun yet'}"
    with others or contextlib.nullcontext():
        _check_backend(every_core=others is None)
        from training import processes
        from training.data import ImageSource
        from training.run import RunFiles, stored_run
        from training.run import fit as train

        # Of several processes only the first need see the run's folder.
        is_begun = RunFiles(run_dir).is_begun if processes.is_first() else lambda: True
        ending.last_words = lambda: (
            f"interrupted; {remedy if resume or is_begun() else 'nothing was begun yet'}"
        )
        source = ImageSource(data, None if data_dir is None else str(data_dir), data_as_is)
        if resume:
            found = processes.on_first(lambda: stored_run(run_dir))
            stored = processes.gathered(found and dataclasses.asdict(found))[0]
            if stored and recipe is None:
                config = dataclasses.replace(TrainConfig.from_dict(stored["train"]), **train_fields)
                model_config = dataclasses.replace(ModelConfig.from_dict(stored["model"]), **model_fields)
            if stored and stored["source"]:
                began, given = ImageSource.from_dict(stored["source"]), _given_anew(source)
                source = processes.together(lambda: began.with_given(given))
        size = model_config.height, model_config.width
        images = processes.together(lambda: source.load("train", *size))
        channels = images.shape[-1]
        if model_fields.get("visible_channel_size", channels) != channels:
            raise ConfigError(
                f"--visible-channel-size {model_fields['visible_channel_size']} does not fit the images "
                f"of {source.data}, which have {channels}; leave it out"
            )
        model_config = dataclasses.replace(model_config, visible_channel_size=channels)
        parts = set_aside(images, config.validation_images)
        newest = train(config, model_config, *parts, run_dir, resume=resume, source=source)
        if processes.is_first():
            click.echo(f"newest checkpoint: {newest}")


def _given_anew(source: ImageSource) -> dict[str, Any]:
    """The fields of the source that the command line names, and does not leave at their defaults."""
    context = click.get_current_context()
    return {
        field: getattr(source, field)
        for option, field in (("data", "data"), ("data_dir", "data_dir"), ("data_as_is", "as_is"))
        if context.get_parameter_source(option) is not click.core.ParameterSource.DEFAULT
    }


def _other_processes(
    distributed: bool,
    coordinator: str | None,
    host_count: int | None,
    host_index: int | None,
    timeout_seconds: float,
) -> contextlib.AbstractContextManager[None] | None:
    """The processes to train with, to be met on entering; None for this one alone."""
    given = {"--coordinator": coordinator, "--host-count": host_count, "--host-index": host_index}
    missing = [name for name, value in given.items() if value is None]
    if distributed and len(missing) < len(given):
        named = " and ".join(name for name in given if name not in missing)
        raise ConfigError(f"--distributed finds the other processes by itself; leave out {named}")
    if len(missing) == len(given) and not distributed:
        return None
    if missing and not distributed:
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigError(f"{', '.join(given)} belong together; {' and '.join(missing)} {verb} missing")
    if host_count is not None and host_index is not None and host_index >= host_count:
        raise ConfigError(
            f"--host-index {host_index} is out of range; choose a value from 0 to {host_count - 1}"
        )
    from training.processes import joined

    return joined(coordinator, host_count, host_index, timeout_seconds=timeout_seconds)


def set_aside(
    images: NDArray[np.float32], num_validation_images: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Images to train on, and the last ones, at most a tenth, to choose checkpoints by.

    The test split is left for evaluation. A single image serves as both.
    """
    count = min(num_validation_images, max(1, len(images) // 10))
    return (images[:-count], images[-count:]) if len(images) > 1 else (images, images)


def _resume_command() -> str:
    arguments = sys.argv[1:]
    return shlex.join([*_program(), *arguments, *([] if "--resume" in arguments else ["--resume"])])


def _program() -> list[str]:
    """The words that start this program again in the same folder; its name alone only where that finds it."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":
        return [sys.executable, "-m", __package__]
    found = shutil.which(PROGRAM)
    is_found = found is not None and started.exists() and Path(found).resolve() == started.resolve()
    return [PROGRAM if is_found else sys.argv[0]]


@cli.command()
@_checkpoint_option
@click.option("--against", help="A second checkpoint, shown beside the first.")
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    help="Measure only this scenario; may be repeated. Default: all.",
)
@click.option(
    "--images", "num_images", type=int, default=1_000, show_default=True, help="Held-out images per scenario."
)
@click.option(
    "--long-images",
    "num_long_images",
    type=int,
    help="Automata in the scenarios hold, heal-repeat and blank. Default: at most 64, 64 and 16.",
)
@click.option("--batch-size", type=int, default=50, show_default=True, help="Automata that run side by side.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), help="Also write the figures to this file."
)
@_data_option
@_data_dir_option
@_data_as_is_option
@click.option("--progress/--no-progress", default=True, show_default=True)
def evaluate(
    checkpoint: str,
    against: str | None,
    scenarios: tuple[str, ...],
    num_images: int,
    num_long_images: int | None,
    batch_size: int,
    seed: int,
    json_path: Path | None,
    data: str,
    data_dir: Path | None,
    data_as_is: bool,
    progress: bool,
) -> None:
    """Measure a checkpoint on held-out images: restoring, holding, healing, staying calm.

    Scenarios: course, restore, hold, heal-erase, heal-scramble, heal-repeat, blank, painted, swept, wiped,
    young, held, drawn, masks, reads-as.
    """
    import json

    from nca_viewer.atomic_files import atomic_write
    from training.output import require_writable

    if json_path is not None:
        require_writable(json_path)  # Better to learn it now than after an hour.
    _check_backend()
    from nca_viewer.checkpoint import load_checkpoint
    from training.evaluate import evaluate as measure
    from training.evaluate import require_counts
    from training.figures import Report, format_table

    require_counts(num_images, num_long_images, batch_size)
    loaded = [load_checkpoint(name) for name in (checkpoint, against) if name is not None]
    reports: list[Report] = []
    for model, info in loaded:
        images, labels, classifier = _evaluation_data(
            model.config, data, data_dir, data_as_is, scenarios, seed, progress
        )
        reports.append(
            measure(
                model,
                images,
                labels,
                scenarios=scenarios or None,
                num_images=num_images,
                num_long_images=num_long_images,
                seed=seed,
                batch_size=batch_size,
                classifier=classifier,
                details={
                    "checkpoint": _checkpoint_details(info),
                    "data": data,
                    "split": "test",
                    **_platform(),
                },
                progress=progress,
            )
        )
    names = [Path(name).name or name for name in (checkpoint, against) if name is not None]
    click.echo(format_table(reports, names))
    if json_path is not None:
        written = reports[0].to_dict() | ({"against": reports[1].to_dict()} if against else {})
        with atomic_write(json_path) as temporary:
            temporary.write_text(json.dumps(written, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _evaluation_data(
    config: ModelConfig,
    data: str,
    data_dir: Path | None,
    data_as_is: bool,
    scenarios: Sequence[str],
    seed: int,
    progress: bool,
) -> tuple[Any, Any, Any]:
    from nca_viewer.places import cache_folder
    from training.data import DATASETS, load_images
    from training.evaluate import READING_SCENARIOS

    needs_reader = not scenarios or bool(set(scenarios) & set(READING_SCENARIOS))
    size = config.height, config.width
    images, labels = load_images(data, "test", data_dir, *size, as_is=data_as_is)
    if data not in DATASETS:
        labels = None  # The classifier reads the ten classes of a known dataset.
    classifier = None
    if labels is not None and images.shape[-1] == 1 and needs_reader:
        from training.classifier import cached_classifier

        train_images, train_labels = load_images(data, "train", data_dir, *size)
        assert train_labels is not None  # A dataset has labels in both splits or in none.
        classifier = cached_classifier(
            train_images, train_labels, cache_folder(), seed=seed, progress=progress
        )
    return images, labels, classifier


def _checkpoint_details(info: Any) -> dict[str, Any]:
    return {"name": Path(info.path).name, "sha256": info.sha256, "provenance": dict(info.provenance)}


def _platform() -> dict[str, Any]:
    import jax

    from nca_viewer.checkpoint import package_versions

    versions = package_versions(("jax", "jaxlib", "flax", "numpy"))
    return {"backend": jax.default_backend(), "versions": versions}


@cli.command()
@_checkpoint_option
@click.option("--out", "sheet_path", type=click.Path(path_type=Path), help="The sheet: clean, masked, final.")
@click.option("--gif", "gif_path", type=click.Path(path_type=Path), help="The animation of every state.")
@click.option("--images", "num_images", type=click.IntRange(1, 32), default=8, show_default=True)
@click.option("--steps", "num_steps", type=click.IntRange(1, 2_000), default=64, show_default=True)
@click.option("--mask-ratio", type=click.FloatRange(0.0, 1.0), default=0.5, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@_data_option
@_data_dir_option
@_data_as_is_option
def show(
    checkpoint: str,
    sheet_path: Path | None,
    gif_path: Path | None,
    num_images: int,
    num_steps: int,
    mask_ratio: float,
    seed: int,
    data: str,
    data_dir: Path | None,
    data_as_is: bool,
) -> None:
    """Show a checkpoint at work on masked test images, as a sheet of stills and as an animation."""
    from nca_viewer.image_files import (
        GIF_SUFFIXES,
        require_gif_size,
        require_suffix,
        writable_suffixes,
        write_image,
    )
    from training.output import require_writable

    if sheet_path is None and gif_path is None:
        raise ConfigError("nothing to do: name a sheet with --out or an animation with --gif, or both")
    # What cannot be written is refused before any work.
    if sheet_path is not None:
        require_suffix(sheet_path, writable_suffixes())
        require_writable(sheet_path)
    if sheet_path is not None and gif_path is not None and sheet_path.resolve() == gif_path.resolve():
        raise ConfigError(f"--out and --gif both name {str(sheet_path)!r}; give the animation another name")
    if gif_path is not None:
        require_suffix(gif_path, GIF_SUFFIXES)
        require_writable(gif_path)
    _check_backend()
    from nca_viewer.checkpoint import load_checkpoint
    from training import report
    from training.data import load_images

    model, _ = load_checkpoint(checkpoint)
    size = model.config.height, model.config.width
    images, _ = load_images(data, "test", data_dir, *size, as_is=data_as_is)
    if images.shape[1:] != model.config.image_shape:
        raise ConfigError(
            f"the images of {data} have {images.shape[-1]} channels but the automaton shows "
            f"{model.config.visible_channel_size}; choose other --data"
        )
    if gif_path is not None:
        count = min(num_images, len(images))
        require_gif_size(gif_path, report.frame_size(count, model.config.height, model.config.width))
    run = report.run_from_masked(
        model, images[:num_images], num_steps=num_steps, mask_ratio=mask_ratio, seed=seed
    )
    if sheet_path is not None:
        write_image(sheet_path, report.run_sheet(run), never_lost=True)
    if gif_path is not None:
        report.save_gif(report.run_frames(run), gif_path)


@cli.command()
@click.option(
    "--out", "path", type=click.Path(path_type=Path), required=True, help="The file, NPZ; a JSON beside it."
)
@click.option("--epochs", type=click.IntRange(1, 100), default=4, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@_data_dir_option
@click.option("--progress/--no-progress", default=True, show_default=True)
def classifier(path: Path, epochs: int, seed: int, data_dir: Path | None, progress: bool) -> None:
    """Train the viewer's digit classifier on MNIST, and measure it on the test images."""
    from nca_viewer.image_files import require_suffix
    from training.output import require_writable

    require_suffix(path, (".npz",))
    require_writable(path)
    _check_backend()
    from training import opinion
    from training.data import load_images

    (digits, labels), (test_digits, test_labels) = (
        load_images("mnist", split, data_dir, 28, 28) for split in ("train", "test")
    )
    assert labels is not None  # MNIST has them.
    assert test_labels is not None
    made = opinion.make_classifier(digits[..., 0], labels, seed=seed, epochs=epochs, progress=progress)
    provenance = {"data": "mnist, train", "seed": seed, "epochs": epochs, **_platform()}
    figures = opinion.measured(made, test_digits[..., 0], test_labels, seed)
    opinion.save(made, provenance | {"threshold": made.threshold, "measured on test": figures}, path)
    click.echo(json.dumps(figures, indent=1))


def _check_backend(*, every_core: bool = True) -> None:
    from nca_viewer.backend import use_all_cores

    if every_core:
        use_all_cores()
    from nca_viewer.selftest import check_backend

    check_backend()
