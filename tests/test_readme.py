"""What the README says is what the program does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from nca_viewer.assets import bundled_checkpoint_names
from nca_viewer.cli import main as viewer
from nca_viewer.interaction.bindings import markdown_table
from training.cli import cli as trainer

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_keys_are_those_of_the_binding_table() -> None:
    assert markdown_table().strip() in README


def test_links_and_pictures_exist() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_bundled_names_are_told() -> None:
    assert bundled_checkpoint_names()
    for name in bundled_checkpoint_names():
        assert f"`{name}`" in README


@pytest.mark.parametrize(("program", "command"), [("nca-viewer", viewer), ("nca-train", trainer)])
def test_every_option_in_the_readme_is_known(program: str, command) -> None:
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL))
    lines = re.findall(rf"{program} [^#&\n]*", blocks)
    assert lines
    for line in lines:
        words = shlex.split(line)[1:]
        subcommand = [] if not words or words[0].startswith("-") else words[:1]
        known = CliRunner().invoke(command, [*subcommand, "--help"]).output
        for option in (word for word in words if word.startswith("--")):
            assert option in known, line
