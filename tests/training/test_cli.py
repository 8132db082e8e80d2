"""`nca-train`: what it does with good options, and the exact line for bad ones."""

import dataclasses
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nca_viewer import selftest
from nca_viewer.config import ModelConfig
from nca_viewer.errors import BackendError
from nca_viewer.options import attribute_texts
from training import cli, run
from training.config import RECIPES, TrainConfig
from training.data import ImageSource


@pytest.fixture(autouse=True)
def trusted_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-test has tests of its own."""
    monkeypatch.setattr(selftest, "check_backend", lambda: None)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of 23 grey images of 13 x 11 pixels."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(23):
        pixels = generator.integers(0, 256, (11, 13), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return folder


@dataclasses.dataclass
class Fitted:
    """What `fit` was called with."""

    calls: list[tuple[Any, ...]]
    options: list[dict[str, Any]]


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> Fitted:
    seen = Fitted([], [])

    def fit(*arguments: Any, **options: Any) -> Path:
        seen.calls.append(arguments)
        seen.options.append(options)
        return Path("runs/one/checkpoints/step-00000003")

    monkeypatch.setattr(run, "fit", fit)
    return seen


HOSTS = ["--coordinator", "127.0.0.1:1", "--host-count", "2", "--host-index", "1"]
GRID = ["--height", "11", "--width", "13"]


def one_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run with bad options: exit code 2 and one line, which is returned without its prefix."""
    assert cli.main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("nca-train: error: ")
    return line.removeprefix("nca-train: error: ")


# ---- fit ----


def test_options_override_the_recipe_and_the_rest_of_it_stays(
    fitted: Fitted, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--learning-rate", "2e-3", "--rematerialise", "--state-limit", "none", "--num-heads", "2"]
    code = cli.main(
        ["fit", "--recipe", "exhibit", "--run-dir", "runs/one", "--data", str(pictures), *GRID, *given]
    )
    assert code == 0
    assert capsys.readouterr().out == "newest checkpoint: runs/one/checkpoints/step-00000003\n"
    config, model_config, train_images, validation_images, run_directory = fitted.calls[0]
    preset = RECIPES["exhibit"]
    assert config == dataclasses.replace(preset.train, learning_rate=2e-3, rematerialise=True)
    assert model_config == dataclasses.replace(
        preset.model, height=11, width=13, state_limit=None, num_heads=2
    )
    assert run_directory == Path("runs/one")
    assert train_images.shape == (19, 11, 13, 1)
    assert validation_images.shape == (2, 11, 13, 1)
    assert fitted.options == [{"resume": False, "source": ImageSource(str(pictures))}]


def test_a_resumed_run_keeps_the_numbers_that_are_not_given_anew(
    fitted: Fitted, pictures: Path, tmp_path: Path
) -> None:
    started = dataclasses.replace(RECIPES["exhibit"].train, batch_size=3, validation_images=2)
    model = dataclasses.replace(RECIPES["exhibit"].model, height=11, width=13, num_heads=2)
    configs = {"train": started.to_dict(), "model": model.to_dict(), "data": {}}
    (tmp_path / "config.json").write_text(json.dumps(configs))
    arguments = ["fit", "--run-dir", str(tmp_path), "--data", str(pictures), "--resume"]
    assert cli.main([*arguments, "--train-steps", "9"]) == 0
    config, model_config, train_images, validation_images, *_ = fitted.calls[0]
    assert config == dataclasses.replace(started, train_steps=9)
    assert model_config == model
    assert (len(train_images), len(validation_images)) == (19, 2)


@pytest.fixture
def begun(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was started in the folder beside the pictures."""
    monkeypatch.chdir(tmp_path)
    source = ImageSource("pictures", data_dir="files", as_is=True).absolute
    model = ModelConfig(height=11, width=13)
    settings = {"train": TrainConfig().to_dict(), "model": model.to_dict(), "data": {}}
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(settings | {"source": dataclasses.asdict(source)}))
    monkeypatch.chdir("/")
    return folder


def test_a_resumed_run_knows_its_data_from_any_folder(fitted: Fitted, begun: Path, pictures: Path) -> None:
    for recipe in ([], ["--recipe", "seed-recipe", *GRID]):
        assert cli.main(["fit", "--run-dir", str(begun), "--resume", *recipe]) == 0
        assert fitted.options[-1]["source"] == ImageSource(str(pictures), str(begun.parent / "files"), True)
        assert len(fitted.calls[-1][2]) == 19


def test_data_that_moved_is_told_anew(
    fitted: Fitted, begun: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = pictures.rename(pictures.with_name("moved"))
    resume = ["fit", "--run-dir", str(begun), "--resume"]
    assert one_error(capsys, *resume) == (
        f"the run was started with the images in {pictures}, and there is no such folder now; "
        f"put it back, or tell where they are with --data"
    )
    assert one_error(capsys, *resume, "--data", "mnist") == (
        f"the run was started with the images in {begun.parent / 'files'}, and there is no such folder now; "
        f"put it back, or tell where they are with --data-dir"
    )
    assert not fitted.calls
    assert cli.main([*resume, "--data", str(moved)]) == 0
    assert fitted.options[-1]["source"] == ImageSource(str(moved), str(begun.parent / "files"), True)


@pytest.mark.parametrize("source", [5, {}, {"data": 1}, {"data": "mnist", "folder": "x"}, {"as_is": "no"}])
def test_a_damaged_source_is_no_traceback(begun: Path, source: Any) -> None:
    path = begun / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"source": source}))
    stored = run.stored_run(begun)
    assert (stored is None) == (source != {})


def test_every_field_has_an_option_with_a_text() -> None:
    options = {parameter.name: parameter for parameter in cli.fit.params}
    for config in (TrainConfig, ModelConfig):
        for field in dataclasses.fields(config):
            if field.name != "recipe":
                assert len(options[field.name].help) > len("[default: ]") + 10  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("recipe", "field"), [(TrainConfig, "train_steps"), (TrainConfig, "loss_steps"), (ModelConfig, "height")]
)
def test_texts_come_from_the_docstrings(recipe: type, field: str) -> None:
    assert attribute_texts(recipe)[field].endswith(".")


def test_colour_images_make_a_colour_automaton(fitted: Fitted, pictures: Path) -> None:
    Image.new("RGB", (13, 11), (255, 0, 0)).save(pictures / "000.png")
    assert cli.main(["fit", "--run-dir", "r", "--data", str(pictures), *GRID]) == 0
    assert fitted.calls[0][1].visible_channel_size == 3


def test_a_single_picture_is_enough(fitted: Fitted, tmp_path: Path) -> None:
    Image.radial_gradient("L").resize((13, 11)).save(tmp_path / "one.png")
    assert cli.main(["fit", "--run-dir", "r", "--data", str(tmp_path), *GRID]) == 0
    _, _, train_images, validation_images, _ = fitted.calls[0]
    np.testing.assert_array_equal(train_images, validation_images)
    assert train_images.shape == (1, 11, 13, 1)


def test_data_as_is_leaves_dark_ink_on_light_paper(fitted: Fitted, tmp_path: Path) -> None:
    for number in range(12):
        picture = Image.new("L", (13, 11), 255)
        picture.paste(0, (3, 3 + number % 3, 9, 5 + number % 3))
        picture.save(tmp_path / f"{number:02}.png")
    for options, corner in (([], 0.0), (["--data-as-is"], 1.0)):
        assert cli.main(["fit", "--run-dir", "r", "--data", str(tmp_path), *GRID, *options]) == 0
        assert fitted.calls[-1][2][0, 0, 0, 0] == corner


def test_ctrl_c_says_how_to_resume(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "fit", interrupted)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["fit", "--run-dir", "my runs/one", "--data", str(pictures), *GRID]) == 130
    assert capsys.readouterr().err == "nca-train: interrupted; nothing was begun yet\n"
    config = tmp_path / "my runs" / "one" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text("{}")
    arguments = ["fit", "--run-dir", "my runs/one", "--data", str(pictures), *GRID]
    monkeypatch.setattr(sys, "argv", ["nca-train", *arguments])
    assert cli.main() == 130
    expected = f"fit --run-dir 'my runs/one' --data {pictures} --height 11 --width 13 --resume"
    assert capsys.readouterr().err == f"nca-train: interrupted; continue with: nca-train {expected}\n"


def test_the_resume_command_is_what_the_program_was_started_as(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "nca-train"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(sys, "argv", [str(program), "fit", "--resume"])
    assert cli._resume_command() == f"{program} fit --resume"
    monkeypatch.setenv("PATH", str(program.parent))
    assert cli._resume_command() == "nca-train fit --resume"
    monkeypatch.setattr(sys, "argv", ["/some/where/training/__main__.py", "fit"])
    assert cli._resume_command() == f"{sys.executable} -m training fit --resume"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--batch-size", "4a"], "Invalid value for '--batch-size': '4a' is not a valid integer."),
        (["--batch-size", "0"], "batch_size = 0 is out of range; choose a value from 1 to 65536"),
        (["--height", "7"], "height = 7 is out of range; choose a value from 8 to 128"),
        (["--batch-size", "none"], "Invalid value for '--batch-size': 'none' is not a valid integer."),
        (["--host-index", "1"], "--coordinator, --host-count, --host-index belong together; --coordinator "
                                "and --host-count are missing"),
        ([*HOSTS[:4], "--host-index", "2"], "--host-index 2 is out of range; choose a value from 0 to 1"),
        ([*HOSTS, "--coordinator", "server"], "--coordinator 'server' is no address; give HOST:PORT"),
        ([*HOSTS, "--host-count", "1"], "Invalid value for '--host-count': 1 is not in the range x>=2."),
        ([*HOSTS, "--distributed"], "--distributed finds the other processes by itself; leave out "
                                    "--coordinator and --host-count and --host-index"),
        (["--data", "mnits"], "unknown dataset 'mnits'; choose fashion-mnist, kmnist, mnist, or a folder of "
                              "images"),
    ],
)  # fmt: skip
def test_bad_options_of_fit_are_one_line(
    arguments: list[str], complaint: str, fitted: Fitted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert one_error(capsys, "fit", "--run-dir", "r", *arguments) == complaint
    assert not fitted.calls


def test_unknown_recipes_commands_and_options_name_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert one_error(capsys, "fit", "--run-dir", "r", "--recipe", "best") == (
        "Invalid value for '--recipe': 'best' is not one of 'exhibit', 'learned', 'seed-recipe'."
    )
    assert one_error(capsys, "fit") == "Missing option '--run-dir'."
    assert "No such command 'fti'" in one_error(capsys, "fti")
    assert one_error(capsys, "fit", "--lr", "1").startswith("No such option")


def test_channels_that_do_not_fit_the_images_are_refused(
    fitted: Fitted, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--run-dir", "r", "--data", str(pictures), *GRID, "--visible-channel-size", "3"]
    assert one_error(capsys, "fit", *arguments) == (
        f"--visible-channel-size 3 does not fit the images of {pictures}, which have 1; leave it out"
    )


def test_a_backend_that_miscomputes_is_refused_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch, fitted: Fitted, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise BackendError("jaxlib 9.9 computes wrongly; install another")

    monkeypatch.setattr(selftest, "check_backend", refuse)
    assert one_error(capsys, "fit", "--run-dir", "r", "--data-dir", "nowhere") == (
        "jaxlib 9.9 computes wrongly; install another"
    )


# ---- evaluate ----


@pytest.fixture
def evaluate_small(small_checkpoint: Path, pictures: Path) -> Callable[..., list[str]]:
    def arguments(*more: str) -> list[str]:
        base = ["evaluate", "--ckpt", str(small_checkpoint), "--data", str(pictures), "--no-progress"]
        return [*base, "--images", "2", *more]

    return arguments


def test_evaluate_prints_a_table_and_writes_json(
    evaluate_small: Callable[..., list[str]], tmp_path: Path, small_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "figures.json"
    options = ["--scenario", "heal-erase", "--against", str(small_checkpoint), "--json", str(path)]
    assert cli.main(evaluate_small(*options)) == 0
    table = capsys.readouterr().out
    assert table.splitlines()[0].split().count("small") == 2
    assert table.count("heal-erase") == 6
    written = json.loads(path.read_text())
    assert written["figures"] == written["against"]["figures"]
    assert {figure["count"] for figure in written["figures"]} == {2}
    assert written["details"]["checkpoint"]["provenance"]["recipe"] == "test"
    assert written["details"]["versions"]["jax"]


def test_bad_options_of_evaluate_are_one_line_and_leave_no_file(
    evaluate_small: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert one_error(capsys, *evaluate_small("--scenario", "heal")).startswith("unknown scenario 'heal'")
    assert "missing/f.json': No such file or directory" in one_error(
        capsys, *evaluate_small("--json", str(tmp_path / "missing" / "f.json"))
    )
    assert one_error(capsys, *evaluate_small("--scenario", "reads-as", "--json", str(tmp_path / "f.json")))
    assert "images = 0 is out of range" in one_error(capsys, *evaluate_small("--images", "0"))
    assert not list(tmp_path.glob("*.json"))
    assert "nowhere" in one_error(capsys, "evaluate", "--ckpt", str(tmp_path / "nowhere"))


# ---- show ----


def test_show_writes_a_sheet_and_65_frames(small_checkpoint: Path, pictures: Path, tmp_path: Path) -> None:
    sheet, gif = tmp_path / "sheet.png", tmp_path / "run.gif"
    arguments = ["show", "--ckpt", str(small_checkpoint), "--data", str(pictures), "--images", "2"]
    assert cli.main([*arguments, "--out", str(sheet), "--gif", str(gif)]) == 0
    with Image.open(gif) as animation:
        assert animation.n_frames == 65
    with Image.open(sheet) as still:
        assert still.width > still.height


def test_bad_options_of_show_are_one_line(
    small_checkpoint: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["show", "--ckpt", str(small_checkpoint), "--data", str(pictures)]
    assert one_error(capsys, *arguments) == (
        "nothing to do: name a sheet with --out or an animation with --gif, or both"
    )
    both = ["--out", str(tmp_path / "sheet.png"), "--gif", str(tmp_path / "run.mp4")]
    assert "end the name in .gif" in one_error(capsys, *arguments, *both)
    assert not (tmp_path / "sheet.png").exists()
    assert "cannot write" in one_error(capsys, *arguments, "--out", str(tmp_path))


# ---- The process ----


def test_help_comes_without_jax() -> None:
    script = (
        "import sys; from training.cli import main; code = main(['fit', '--help']); "
        "assert 'jax' not in sys.modules and 'flax' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--mask-ratio-min" in done.stdout


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "training", "fit"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "nca-train: error: Missing option '--run-dir'.\n")


def test_what_should_not_happen_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(cli.cli, "invoke", fail)
    assert cli.main(["fit"]) == 1
    assert capsys.readouterr().err == (
        "nca-train: error: this should not happen: ZeroDivisionError: two lines; "
        "set NCA_VIEWER_DEBUG=1 for the details\n"
    )
    monkeypatch.setenv("NCA_VIEWER_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["fit"])


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def begin(*_: Any, **__: Any) -> None:
        import tqdm  # noqa: F401

    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(cli.cli, "invoke", begin)
    assert one_error(capsys, "evaluate") == (
        "tqdm is not installed, which training needs; "
        "install the extra: pip install 'nca-viewer[train]', or in the project's folder '.[train]'"
    )


def test_every_package_of_the_extra_is_known_by_the_name_that_is_imported() -> None:
    project = tomllib.loads((Path(cli.__file__).parents[1] / "pyproject.toml").read_text())
    packages = [line.split(">")[0] for line in project["project"]["optional-dependencies"]["train"]]
    assert {name.replace("scikit-image", "skimage") for name in packages} == set(cli._EXTRA_MODULES)
