import shutil
import subprocess
from pathlib import Path

import pytest

import assets
from nca_viewer.assets import ORIGINS, bundled_checkpoint, bundled_checkpoint_names, origin_of
from nca_viewer.checkpoint import load_checkpoint, resolve_checkpoint
from nca_viewer.errors import CheckpointError


@pytest.mark.parametrize("name", bundled_checkpoint_names())
def test_every_bundled_checkpoint_loads_by_name_and_says_where_it_comes_from(name: str):
    _, info = load_checkpoint(name)

    assert info.path == bundled_checkpoint(name) == resolve_checkpoint(name)
    assert {"recipe", "step", "metrics", "versions", "date"} <= set(info.provenance)


@pytest.mark.parametrize("name", ["no-such", "", ".", "..", "../checkpoints/model"])
def test_unknown_names_list_the_known_ones(name: str):
    with pytest.raises(CheckpointError) as raised:
        bundled_checkpoint(name)

    assert repr(name) in str(raised.value)
    assert ", ".join(bundled_checkpoint_names()) in str(raised.value)


def test_no_checkpoint_file_is_ignored_by_git():
    root = Path(assets.__file__).parents[1]
    files = [path for path in (root / "assets" / "checkpoints").rglob("*") if path.is_file()]
    if not files or not (root / ".git").exists() or not shutil.which("git"):
        pytest.skip("no bundled checkpoint in a git checkout")

    result = subprocess.run(
        ["git", "check-ignore", "--no-index", *files], cwd=root, capture_output=True, text=True
    )

    assert result.stdout == ""


def test_every_bundled_automaton_says_how_it_came_to_be_and_no_other_does(tmp_path):
    for name in bundled_checkpoint_names():
        assert origin_of(bundled_checkpoint(name)) is ORIGINS[name]
    assert origin_of(tmp_path / "model") is None
