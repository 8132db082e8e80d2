"""One Pygame, or one line that says what to do."""

import importlib.util
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from nca_viewer.errors import ConfigError
from nca_viewer.pygame_check import REMEDY, pygame_trouble, require_pygame

HEADLESS = ("--headless", "--frames", "1")


def run_program(folder, *arguments):
    """`nca-viewer`, to which what lies in the folder is installed."""
    return subprocess.run(
        [sys.executable, "-m", "nca_viewer", *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def both(tmp_path):
    """pygame and pygame-ce, as far as their records tell."""
    for name in ("pygame", "pygame-ce"):
        folder = tmp_path / f"{name.replace('-', '_')}-2.6.1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.6.1\n")
    return tmp_path


def test_here_is_one():
    assert pygame_trouble() == ""
    require_pygame()


@pytest.mark.parametrize("task", [(), ("supervise",)])
def test_two_are_refused_in_one_line(both, task):
    done = run_program(both, *task, *HEADLESS)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "nca-viewer: error: pygame and pygame-ce are both installed, and overwrite each other's files; "
        f"{REMEDY}\n"
    )
    assert run_program(both, "--help").returncode == 0


def test_the_doctor_names_two(both, small_checkpoint):
    done = run_program(both, "doctor", "--json", "--ckpt", str(small_checkpoint), *HEADLESS)
    finding = json.loads(done.stdout)[0]
    assert (done.returncode, finding["check"], finding["level"]) == (1, "pygame", "bad")
    assert finding["remedy"] == REMEDY


@pytest.mark.parametrize(
    "rest", ["from pygame.base import *", "import pygame.Surface", "raise ImportError('x')"]
)
def test_one_that_lost_files_is_refused_in_one_line(tmp_path, rest):
    (tmp_path / "pygame").mkdir()
    (tmp_path / "pygame" / "__init__.py").write_text(f"{rest}\n")
    done = run_program(tmp_path, *HEADLESS)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("nca-viewer: error: pygame cannot be imported: ")
    assert done.stderr.endswith(f"; {REMEDY}\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("specification", "told"),
    [(None, " is not installed; "), (SimpleNamespace(origin=None), " lacks files; ")],
)
def test_one_that_is_gone_or_half_gone_is_told(monkeypatch, specification, told):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: specification)
    with pytest.raises(ConfigError, match=told):
        require_pygame()
