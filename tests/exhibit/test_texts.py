"""Every language says everything, in letters that can be shown."""

import dataclasses

import pygame
import pytest

from nca_viewer.exhibit.texts import CAPTION_NAMES, LANGUAGES, TEXTS, caption_text

FIELDS = [field.name for field in dataclasses.fields(TEXTS["en"])]


def test_at_least_six_languages():
    assert {"en", "de", "fr", "es", "it", "nl"} <= set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_says_everything_and_copies_nothing(language):
    for name in FIELDS:
        text = getattr(TEXTS[language], name)
        assert text == text.strip() != ""
        assert language == "en" or text != getattr(TEXTS["en"], name)
    for name in CAPTION_NAMES:
        assert caption_text(name, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_font_has_every_letter(language):
    pygame.font.init()
    font = pygame.font.Font(None, 40)
    for name in FIELDS:
        for letter, metrics in zip(text := getattr(TEXTS[language], name), font.metrics(text), strict=True):
            assert metrics is not None, letter


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_on_buttons_are_short(language):
    texts = TEXTS[language]
    assert all(len(word) <= 14 for word in (texts.draw, texts.erase, texts.scramble, texts.new_digit))
