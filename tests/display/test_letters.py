import json
from datetime import UTC, datetime

import pygame
import pytest

from nca_viewer.display.hud import Hud, HudState, Message, elided
from nca_viewer.display.letters import Letters
from nca_viewer.errors import one_line, presentable
from nca_viewer.interaction.actions import Tool
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.kiosk.captions import missing_letter
from nca_viewer.kiosk.operation.diagnostics import save_diagnostic
from nca_viewer.kiosk.operation.event_log import EventLog, LogEvent, log_event

ODD = {
    "not UTF-8": b"latin-\xe9t\xe9".decode("utf-8", "surrogateescape"),
    "lone surrogate": "a\ud83d b",
    "NUL": "a\0b",
    "emoji": "\N{PARTY POPPER} \N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}",
    "lines": "one\ntwo\r\nthree\ttabbed\x0b\x85\u2028end",
    "right to left": "\u202eabc \u05d0\u05d1 \u0627\u0644",
    "combining": "e\u0301" * 40,
    "controls": "\x1b[31mred\x07",
    "newer than Unicode": "\U000e0fff\U0010ffff",
    "very long": "x" * 70_000,
    "long and odd": "\udce9\N{PARTY POPPER}" * 5_000,
    "nothing": "",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_any_text_is_presentable_and_is_drawn(text):
    shown = presentable(text)
    shown.encode()
    assert shown.isprintable()
    assert "\n" not in one_line(text)
    font = Letters(20)
    assert font.size(text) == font.render(text[:2000], True, (255, 255, 255)).get_size() or len(text) > 2000
    hud = Hud()
    surface = pygame.Surface((640, 480))
    geometry = Geometry.fit((640, 480), (11, 13), bar_visible=True)
    message = Message.error(text, 0.0)
    status = HudState(False, 1, 1.0, 1.0, 1, False, Tool.PAINT, 1, "picture", message=message)
    hud.draw_bar(surface, geometry, status)
    hud.draw_help(surface, geometry, text)
    hud.draw_waiting(surface, "loading", 0.0, message)


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_any_text_is_logged_and_kept(tmp_path, text):
    journal = EventLog()
    journal.open(tmp_path)
    try:
        raise ValueError(text)
    except ValueError as error:
        log_event(LogEvent.ERROR, text, error=error)
    assert journal.problems == ()
    journal.close()
    lines = (tmp_path / "nca-viewer.log").read_text(encoding="utf-8").split("\n")
    assert "error: " in lines[0]
    assert lines[1].startswith("Traceback")
    path = save_diagnostic(tmp_path, "x", {"reason": text, "all": [text]}, None, datetime.now(UTC))
    stored = json.loads(path.read_text())
    assert stored["reason"].encode().decode() == stored["all"][0]


def test_plain_text_stays_as_it_is():
    for text in ("Saved /home/Größe/小明 图片.png", "a  ·  b", "Привет", "ab"):
        assert presentable(text) == text
    assert one_line(" a \n  b ") == "a b"


def test_the_replacement_can_be_seen():
    font = Letters(20)
    assert font.render("\udce9", True, (255, 255, 255)).get_bounding_rect().width > 0
    assert missing_letter("a\0b")


@pytest.mark.parametrize("text", ["short", "a" * 300 + "b" * 300, "wide W and narrow i" * 50, "é" * 9_000])
@pytest.mark.parametrize("room", [0, 5, 40, 333])
def test_elided_text_is_as_long_as_fits_and_keeps_both_ends(text, room):
    font = Letters(20)
    shown = elided(text, font, room)
    assert font.size(shown)[0] <= room
    if shown and shown != text:
        head, _, tail = shown.partition("…")
        assert text.startswith(head)
        assert text.endswith(tail)
        kept = len(head) + len(tail) + 1
        longer = f"{text[: (kept + 1) // 2]}…{text[len(text) - (kept - (kept + 1) // 2) :]}"
        assert font.size(longer)[0] > room


def test_words_are_kept_to_be_drawn_again_until_they_take_too_much_memory():
    letters, white = Letters(40), (255, 255, 255)
    first = letters.render("again", True, white)
    assert letters.render("again", True, white) is first
    assert letters.render("again", True, (255, 0, 0)) is not first
    assert Letters(40).render("again", True, white) is not first
    for number in range(600):
        letters.render(f"{number:0100}", True, white)
    assert letters.render("again", True, white) is not first
