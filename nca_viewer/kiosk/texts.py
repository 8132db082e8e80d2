"""Everything the exhibit says to visitors; a language is one file in `assets/exhibit/languages`."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass

from nca_viewer.assets import language_folder
from nca_viewer.config_file import TEXT, Setting, read_config_file
from nca_viewer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Texts:
    """One language.

    Attributes:
        language: Its own name for itself.
        title: Of the exhibit.
        draw: On the button; as short as can be, like the next three.
        erase: On the button.
        scramble: On the button.
        new_digit: On the button.
        help_draw: What to try while that tool is chosen; so the next two.
        help_erase: What to try.
        help_scramble: What to try.
        grow: A caption of the attract loop, as are the next seven.
        meet: Caption.
        wound: Caption.
        heal: Caption, for automata that do.
        watch: Caption, for all automata.
        scrambled: Caption.
        drawing: Caption.
        invite: Caption.
        made_model: How this bundled automaton came to be, a caption of the attract loop; so the next two.
        made_seed_recipe: How this one did.
        made_learned: How this one did.
        ruined: What to do where the cells cannot bring a page back.
        still_there: Before the exhibit goes back to showing itself.
        waiting: While it starts.
        operator_page: Title of the operator's page.
        resume: Its button.
        reload: Its button.
        quit: Its button.
        reloading: While a checkpoint is loaded.
        reloaded: After that.
        operator_hold: Under the ring that fills while the operator's hold lasts.
    """

    language: str
    title: str
    draw: str
    erase: str
    scramble: str
    new_digit: str
    help_draw: str
    help_erase: str
    help_scramble: str
    grow: str
    meet: str
    wound: str
    heal: str
    watch: str
    scrambled: str
    drawing: str
    invite: str
    made_model: str
    made_seed_recipe: str
    made_learned: str
    ruined: str
    still_there: str
    waiting: str
    operator_page: str
    resume: str
    reload: str
    quit: str
    reloading: str
    reloaded: str
    operator_hold: str


def languages() -> tuple[str, ...]:
    """Codes of the languages there is a file for, English first."""
    codes = sorted(path.stem for path in language_folder().glob("*.toml"))
    return tuple(sorted(codes, key=lambda code: code != "en"))


LANGUAGES = languages()


@functools.cache
def texts_in(language: str) -> Texts:
    """Everything in one language.

    Args:
        language: One of `LANGUAGES`.

    Raises:
        ConfigError: its file cannot be read, lacks a text, has one that the exhibit does not know, or one
            that is empty or no text.
    """
    path = language_folder() / f"{language}.toml"
    names = [field.name for field in dataclasses.fields(Texts)]
    settings = {name.replace("_", "-"): Setting(name, TEXT) for name in names}
    values = read_config_file(path, settings, what="--language")
    texts = {setting.name: values.get(name, "") for name, setting in settings.items()}
    missing = [name for name, text in texts.items() if not text.strip()]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigError(f"{path}: {', '.join(missing)} {verb} missing or empty; translate it from en.toml")
    return Texts(**texts)


_CAPTIONS = {
    "grow": "grow",
    "meet": "meet",
    "wound": "wound",
    "heal": "heal",
    "watch": "watch",
    "scramble": "scrambled",
    "draw": "drawing",
    "invite": "invite",
}

MADE_CAPTION = "made"
"""The caption that says how a bundled automaton came to be; of others it says nothing."""

CAPTION_NAMES: tuple[str, ...] = (*_CAPTIONS, MADE_CAPTION)
"""What an attract script can call the exhibit's own captions."""


def caption_text(name: str, language: str) -> str:
    """One of the exhibit's own captions.

    Args:
        name: One of `CAPTION_NAMES` but `MADE_CAPTION`.
        language: One of `LANGUAGES`.
    """
    text: str = getattr(texts_in(language), _CAPTIONS[name])
    return text
