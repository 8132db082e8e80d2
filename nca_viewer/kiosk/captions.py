"""Whether the screen has letters for what an exhibit says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pygame

from nca_viewer.display.letters import letters_of
from nca_viewer.errors import ConfigError
from nca_viewer.kiosk.attract_script import AttractScript, Caption, bundled_script_path, read_script
from nca_viewer.kiosk.texts import texts_in

_NOBODYS_LETTER = "\ue000"
"""Left to private use: the font draws the box that stands for what it does not have."""


def read_shown_script(path: Path | None) -> AttractScript:
    """Read a script that is to be shown.

    Args:
        path: The file; None is the bundled one.

    Raises:
        ConfigError: as `read_script`; or a caption has a letter that the font does not have.
    """
    path = path or bundled_script_path()
    script = read_script(path)
    for instruction in script.instructions:
        if isinstance(instruction, Caption):
            for words in filter(None, (instruction.words, *dict(instruction.translations).values())):
                if letter := missing_letter(words):
                    raise ConfigError(
                        f"{path}: the caption {words[:40]!r} has the letter {letter!r}, which the screen's "
                        "font does not have; write it without"
                    )
    return script


def require_letters(language: str) -> None:
    """Make sure that a language can be shown.

    Raises:
        ConfigError: one of its texts has a letter that the font does not have.
    """
    for name, text in dataclasses.asdict(texts_in(language)).items():
        if letter := missing_letter(text):
            raise ConfigError(
                f"--language {language}: the text {name} has the letter {letter!r}, which the screen's font "
                "does not have; write it without"
            )


def missing_letter(text: str) -> str:
    """The first letter that the font has no picture of; empty where it has them all."""
    font = letters_of(20)
    box = _drawn(font, _NOBODYS_LETTER)
    return next((letter for letter in text if not letter.isspace() and _drawn(font, letter) == box), "")


def _drawn(font: pygame.font.Font, letter: str) -> bytes:
    return pygame.image.tobytes(font.render(letter, True, (255, 255, 255), (0, 0, 0)), "RGB")
