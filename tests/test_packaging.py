"""What a user installs: its bounds, and the built package away from its source tree."""

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = {
    requirement.name: requirement.specifier for requirement in map(Requirement, PROJECT["dependencies"])
}


def bundled_files() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "assets").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("package", ["jax", "jaxlib"])
def test_releases_that_compute_wrongly_are_excluded(package: str):
    assert "0.10.1" in DEPENDENCIES[package]
    for version in ("0.10.2", "0.11.0", "0.11.1"):
        assert version not in DEPENDENCIES[package]


def test_a_gpu_gets_the_same_releases():
    (cuda,) = map(Requirement, PROJECT["optional-dependencies"]["cuda"])
    assert cuda.specifier == DEPENDENCIES["jax"]


@pytest.mark.parametrize(("python", "name"), [("3.11", "pygame"), ("3.13", "pygame"), ("3.14", "pygame-ce")])
def test_each_python_gets_one_pygame(python: str, name: str):
    requirements = map(Requirement, PROJECT["dependencies"])
    names = [one.name for one in requirements if one.name.startswith("pygame")
             and one.marker and one.marker.evaluate({"python_version": python})]  # fmt: skip
    assert names == [name]


def test_every_dependency_has_a_lower_and_an_upper_bound():
    for name, specifier in DEPENDENCIES.items():
        operators = {part.operator for part in specifier}
        assert ">=" in operators, name
        assert "<" in operators, name


def test_the_viewer_needs_nothing_that_only_training_needs():
    training = {Requirement(line).name for line in PROJECT["optional-dependencies"]["train"]}
    assert not training & set(DEPENDENCIES)


def test_continuous_integration_runs_the_readme_line():
    readme = (ROOT / "README.md").read_text().splitlines()
    lines = [line for line in readme if ".venv/bin/python -m pytest" in line]
    assert lines[0] == (
        "python3 -m venv .venv && .venv/bin/pip install -e '.[train,test]' && .venv/bin/python -m pytest"
    )
    for name in ("run", "newest-stack"):
        assert os.access(ROOT / ".ci" / name, os.X_OK)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True, timeout=600)
    return folder


@pytest.mark.slow
def test_sdist_and_wheel_hold_the_bundled_files(built: Path):
    (wheel,) = built.glob("*.whl")
    (sdist,) = built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}

    assert bundled_files() <= in_wheel
    assert (
        bundled_files() | {"README.md", "LICENSE", "CHANGELOG.md", ".ci/run", "tests/conftest.py"} <= in_sdist
    )
    assert not [name for name in in_wheel if name.startswith("tests/")]


@pytest.mark.slow
def test_the_installed_wheel_runs_the_bundled_model_in_another_folder(built: Path, tmp_path: Path):
    (wheel,) = built.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True, timeout=120)
    binaries = tmp_path / "venv" / "bin"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*command: object) -> str:
        result = subprocess.run(
            [str(part) for part in command],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    run(binaries / "pip", "install", "--quiet", wheel)
    installed = run(binaries / "pip", "list", "--format", "freeze").lower()
    assert "pooch==" not in installed
    assert "scikit-image==" not in installed

    where = run(
        binaries / "python",
        "-c",
        "import nca_viewer.assets as a; print(a.__file__, a.bundled_checkpoint_names())",
    )
    assert str(tmp_path) in where
    assert "'model'" in where

    run(binaries / "nca-viewer", "--ckpt", "model", "--headless", "--frames", "2", "--save", "x.png")
    assert (elsewhere / "x.png").stat().st_size > 100
