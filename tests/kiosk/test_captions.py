"""Captions that the screen's font has letters for."""

import pytest

from nca_viewer.errors import ConfigError
from nca_viewer.kiosk.captions import missing_letter, read_shown_script, require_letters
from nca_viewer.kiosk.texts import LANGUAGES


def test_the_bundled_script_and_every_language_can_be_shown():
    assert read_shown_script(None).instructions
    for language in LANGUAGES:
        require_letters(language)


@pytest.mark.parametrize(
    ("words", "letter"),
    [
        ("Grüße, ça va, señor? Żółć … “œ” \u2013 Ω я", ""),
        ("two\u00a0words", ""),
        ("ink 日本", "日"),
        ("well done 😀", "😀"),
        ("☞ here", "☞"),
    ],
)
def test_a_letter_that_would_be_an_empty_box_is_found(words, letter):
    assert missing_letter(words) == letter


@pytest.mark.parametrize("lines", ["caption ☞ look\n", "caption look\ncaption.de ☞ schau\n"])
def test_a_caption_with_one_is_refused_in_a_line_that_names_both(tmp_path, lines):
    path = tmp_path / "attract.txt"
    path.write_text(f"digit any\n{lines}wait 9\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"attract.txt: the caption '☞ .*' has the letter '☞'"):
        read_shown_script(path)
