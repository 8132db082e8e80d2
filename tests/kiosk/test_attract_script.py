"""The attract loop's script: what is understood, and each mistake with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nca_viewer.errors import ConfigError
from nca_viewer.interaction.actions import Tool
from nca_viewer.kiosk.attract_script import (
    AttractScript,
    BeginDigit,
    Caption,
    HandStroke,
    Wait,
    bundled_script_path,
    parse_script,
    read_script,
)
from nca_viewer.kiosk.texts import CAPTION_NAMES


def test_every_instruction():
    text = """
        # a comment
        digit any          # begin
        digit 7
        wait 2.5
        caption @heal
        caption   Look   here
        caption.de Schau her
        caption
        hand erase 30,20 70,80 in 2 radius 3
        hand draw 0,100 in 0.5
    """
    assert parse_script(text.splitlines(), "a").instructions == (
        BeginDigit(None),
        BeginDigit(7),
        Wait(2.5),
        Caption("heal"),
        Caption(None, "Look here", (("de", "Schau her"),)),
        Caption(None, ""),
        HandStroke(Tool.ERASE, ((0.3, 0.2), (0.7, 0.8)), 2.0, 3),
        HandStroke(Tool.PAINT, ((0.0, 1.0),), 0.5, None),
    )


MISTAKES = [
    ("hnd erase 1,1 in 2", "unknown instruction 'hnd'; did you mean 'hand'?"),
    ("xyzzy", "unknown instruction 'xyzzy'; the known ones are digit, wait, caption, hand"),
    ("digit ten", "write it as: digit any, or: digit 7"),
    ("digit 10", "write it as: digit any, or: digit 7"),
    ("wait", "write it as: wait SECONDS"),
    ("wait long", "'long' must be seconds from 0.1 to 600"),
    ("wait nan", "'nan' must be seconds from 0.1 to 600"),
    ("wait 0", "'0' must be seconds from 0.1 to 600"),
    ("wait 1e9", "'1e9' must be seconds from 0.1 to 600"),
    ("caption @nothing", "unknown caption '@nothing'; the known ones are @grow, "),
    ("caption " + "a" * 300, "300 letters are too many; at most 200 fit"),
    ("caption a\x07b", "it holds characters that cannot be shown"),
    ("caption.tlh nuqneH", "unknown language 'tlh'; the known ones are en, de, "),
    ("caption.de Hallo", "caption.de translates the line above it, which is no caption"),
    (
        "hand wave 1,1 in 2",
        "a hand can draw, erase, scramble; write it as: hand erase 30,20 70,80 in 2 radius 3",
    ),
    ("hand erase in 2", "write it as: hand erase 30,20 70,80 in 2 radius 3"),
    ("hand erase 1,1 2", "write it as: hand erase 30,20 70,80 in 2 radius 3"),
    ("hand erase 1;1 in 2", "'1;1' is not a point; write percents from 0 to 100, as 30,20"),
    ("hand erase 1,101 in 2", "'1,101' is not a point; write percents from 0 to 100, as 30,20"),
    ("hand erase 1,1 in 2 radius 99", "radius '99' must be whole cells from 0 to 14"),
    ("hand erase 1,1 in 2 radius -1", "radius '-1' must be whole cells from 0 to 14"),
    ("hand erase" + " 1,1" * 21 + " in 2", "21 points are too many; at most 20, then a new line"),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES, ids=lambda value: value[:30])
def test_a_mistake_names_its_line(line, message):
    with pytest.raises(ConfigError) as caught:
        parse_script(["wait 5", "# a comment", line], "my.txt")
    assert str(caught.value).startswith(f"my.txt, line 3: {message}")
    assert "\n" not in str(caught.value)


def test_a_translation_given_twice_is_refused():
    with pytest.raises(ConfigError, match="line 3: this caption has words in 'de' already"):
        parse_script(["caption a", "caption.de b", "caption.de c"], "my.txt")


@pytest.mark.parametrize("lines", [[], ["digit any"], ["wait 1", "hand erase 1,1 in 1"]])
def test_a_loop_that_would_race_is_refused(lines):
    with pytest.raises(ConfigError, match="give them at least 3 s"):
        parse_script(lines, "my.txt")


@given(st.lists(st.text(st.sampled_from("adhegitnwrp ,.0123456789@#ö\x00"), max_size=40), max_size=5))
def test_any_text_is_a_script_or_a_single_line_of_error(lines):
    message = ""
    try:
        assert isinstance(parse_script(lines, "my.txt"), AttractScript)
    except ConfigError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 300


def test_the_bundled_script_shows_the_whole_story():
    instructions = read_script(bundled_script_path()).instructions
    assert {step.name for step in instructions if isinstance(step, Caption)} == set(CAPTION_NAMES) - {
        "watch",
        "draw",
    }
    assert {step.tool for step in instructions if isinstance(step, HandStroke)} == {Tool.ERASE, Tool.CORRUPT}
    assert isinstance(instructions[0], BeginDigit)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_script(tmp_path / "nowhere.txt")
    (tmp_path / "latin.txt").write_bytes(b"wait 5\ncaption \xe4\n")
    with pytest.raises(ConfigError, match=r"latin\.txt, line 2: this is not UTF-8"):
        read_script(tmp_path / "latin.txt")
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbfwait 5\r\n")
    assert read_script(tmp_path / "marked.txt").instructions == (Wait(5.0),)
