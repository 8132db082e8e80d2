"""Every language says everything, in letters that can be shown; a new one is a file."""

import dataclasses

import pytest

from nca_viewer.assets import ORIGINS, language_folder
from nca_viewer.errors import ConfigError
from nca_viewer.kiosk import texts
from nca_viewer.kiosk.captions import require_letters
from nca_viewer.kiosk.texts import CAPTION_NAMES, LANGUAGES, MADE_CAPTION, caption_text, texts_in
from nca_viewer.kiosk.visitor_buttons import VISITOR_BUTTONS

FIELDS = [field.name for field in dataclasses.fields(texts_in("en"))]


def test_at_least_six_languages():
    assert {"en", "de", "fr", "es", "it", "nl"} <= set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_says_everything_and_copies_nothing(language):
    for name in FIELDS:
        text = getattr(texts_in(language), name)
        assert text == text.strip() != ""
        assert language == "en" or text != getattr(texts_in("en"), name)
    for name in CAPTION_NAMES:
        assert name == MADE_CAPTION or caption_text(name, language)
    for origin in ORIGINS.values():
        assert origin.text in FIELDS


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_font_has_every_letter(language):
    require_letters(language)


@pytest.fixture
def danish(monkeypatch, tmp_path):
    """Write a language of an operator's own, English but for what is replaced."""

    def write(*changes: tuple[str, str]) -> None:
        text = (language_folder() / "en.toml").read_text(encoding="utf-8")
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        (tmp_path / "da.toml").write_text(text, encoding="utf-8")

    monkeypatch.setattr(texts, "language_folder", lambda: tmp_path)
    yield write
    texts_in.cache_clear()


def test_a_language_is_one_file(danish):
    danish(('"English"', '"Dansk"'), ('"Draw"', '"Tegn på skærmen"'))
    assert texts.languages() == ("da",)
    assert (texts_in("da").language, texts_in("da").draw) == ("Dansk", "Tegn på skærmen")
    require_letters("da")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('erase = "Erase"\n', "", "da.toml: erase is missing or empty; translate it from en.toml"),
        ('quit = "Quit the program"', 'quit = "  "', "quit is missing or empty"),
        ("help_draw =", "help_drew =", "unknown setting 'help_drew'; did you mean help-draw"),
        ('"Erase"', "7", "erase = 7 must be a text in quotation marks"),
        ('"Erase"', '"Erase', "da.toml: this is not TOML"),
    ],
)
def test_a_file_that_is_not_whole_says_what_is_wrong(danish, before, after, message):
    danish((before, after))
    with pytest.raises(ConfigError, match=message):
        texts_in("da")


def test_a_letter_that_the_screen_lacks_is_refused(danish):
    danish(('"Draw"', '"絵"'))
    with pytest.raises(ConfigError, match="--language da: the text draw has the letter '絵'"):
        require_letters("da")


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_on_buttons_are_short(language):
    texts = texts_in(language)
    assert all(
        len(word) <= 14 for word in (getattr(texts, name) for name in VISITOR_BUTTONS if name != "language")
    )
