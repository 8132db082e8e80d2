"""Frames read back and compared: cells, brush, bar and help, at several window sizes."""

from fractions import Fraction

import numpy as np
import pygame
import pytest

from nca_viewer.assets import ORIGINS
from nca_viewer.display import hud
from nca_viewer.display.buttons import draw_tooltip
from nca_viewer.display.frame import Brush, Frame
from nca_viewer.display.hud import (
    REST_HINTS,
    RUIN_HINTS,
    Hud,
    HudState,
    Message,
    brush_hints,
    elided,
    fitting,
    happening,
    healing_texts,
    hints_for,
)
from nca_viewer.display.letters import Letters
from nca_viewer.display.palette import BACKGROUND, TOOL_COLOURS, WARNING
from nca_viewer.display.view_screen import draw_figures
from nca_viewer.display.window import HeadlessWindow
from nca_viewer.healing import Healing
from nca_viewer.interaction.actions import Tool
from nca_viewer.interaction.controls import speed_text
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.strokes import disc_region

SIZES = [(640, 480), (1280, 800), (901, 1407), (1600, 1400), (300, 301), (97, 89), (64, 64)]
GRID = (11, 13)


def status(**changes):
    fields = {
        "paused": False,
        "step": 12345,
        "steps_per_second": 59.9,
        "frames_per_second": 60.1,
        "speed": Fraction(1, 8),
        "is_limited": False,
        "tool": Tool.PAINT,
        "brush_radius_cells": 3,
        "view": "picture",
    }
    return HudState(**(fields | changes))


@pytest.fixture
def image():
    return np.random.default_rng(1).integers(0, 256, (*GRID, 3), np.uint8)


def draw(size, image, *, bar_visible=True, state=None, **more):
    window = HeadlessWindow(size)
    geometry = Geometry.fit(size, GRID, bar_visible=bar_visible)
    Frame().draw(window.surface, image, geometry, state or status(), **more)
    return window.pixels(), geometry


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bar_visible", [True, False])
def test_every_pixel_of_every_cell_has_its_colour(size, bar_visible, image):
    pixels, geometry = draw(size, image, bar_visible=bar_visible)
    left, top, width, height = geometry.grid_rectangle
    side = geometry.cell_pixels
    expected = image.repeat(side, axis=0).repeat(side, axis=1)
    limit = size[1] - geometry.bar_height
    shown = pixels[top : top + height, left : left + width][: max(0, limit - top)]
    assert (shown == expected[: shown.shape[0], : shown.shape[1]]).all()
    assert tuple(pixels[0, 0]) == BACKGROUND or left <= 1 or top <= 1


@pytest.mark.parametrize("depth", [16, 24, 32])
@pytest.mark.parametrize("size", [(1500, 1400), (64, 20), (8, 64)])
def test_cells_are_exact_at_every_depth_and_where_the_window_cuts_them(depth, size, image):
    surface = pygame.Surface(size, depth=depth)
    geometry = Geometry.fit(size, GRID, bar_visible=False)
    Frame().draw(surface, image, geometry, status())
    reference = pygame.Surface((1, 1), depth=depth)
    for row, column in np.ndindex(GRID):
        reference.fill(image[row, column].tolist())
        rectangle = pygame.Rect(geometry.cell_rectangle((row, column))).clip(surface.get_rect())
        if rectangle:
            seen = pygame.surfarray.array3d(surface.subsurface(rectangle))
            assert (seen == np.array(reference.get_at((0, 0))[:3])).all()


@pytest.mark.parametrize("panes", [2, 3])
@pytest.mark.parametrize("size", [(300, 300), (180, 220), (20, 64), (8, 8)])
@pytest.mark.parametrize("grid", [(28, 28), (180, 180)])
def test_panes_of_which_the_window_shows_nothing_are_left_out(size, panes, grid):
    geometry = Geometry.fit(
        size, grid, bar_visible=True, panel_visible=True, panes=panes, figures_visible=True
    )
    window = HeadlessWindow(size)
    image = np.zeros((*geometry.image_size, 3), np.uint8)
    Frame().draw(window.surface, image, geometry, status())


@pytest.mark.parametrize("tool", list(Tool))
def test_the_brush_outline_encloses_exactly_the_cells_it_touches(tool):
    grey = np.full((*GRID, 3), 77, np.uint8)
    size, radius, centre = (640, 480), 2, (1, 6)
    pixels, geometry = draw(size, grey, brushes=[Brush(centre, radius, tool)])
    region = disc_region(centre, radius, *GRID)
    left, top, width, height = geometry.grid_rectangle
    marked = (pixels == TOOL_COLOURS[tool]).all(axis=2)[: top + height]
    side = geometry.cell_pixels
    for start, end in geometry.outline(region):
        middle = ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
        assert marked[middle[1], middle[0]]
    inner = pixels[top + side // 4 : top + height : side, left + side // 4 : left + width : side]
    assert (inner == 77).all()
    assert marked.any()


def test_a_brush_beside_the_grid_shows_the_cells_it_still_touches(image):
    without, _ = draw((640, 480), image)
    beside, _ = draw((640, 480), image, brushes=[Brush((5, -2), 1, Tool.PAINT)])
    assert (without == beside).all()
    touching, _ = draw((640, 480), image, brushes=[Brush((5, -1), 1, Tool.PAINT)])
    assert (without != touching).any()


def test_grid_lines(image):
    plain, geometry = draw((640, 480), image)
    lined, _ = draw((640, 480), image, grid_visible=True)
    changed = (plain != lined).any(axis=2)
    left, top, width, height = geometry.grid_rectangle
    side = geometry.cell_pixels
    assert changed[top + side, left + side // 2]
    assert not changed[top + side // 2, left + side // 2]
    assert not changed[:top].any()
    assert not changed[top + height :].any()
    assert changed[top : top + height, left : left + width].mean() < 0.2


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "state",
    [
        status(paused=True, step=10**9, view="hidden channels", speed=Fraction(64), is_limited=True),
        status(message=Message.error("no", 0.0)),
    ],
)
def test_words_stay_in_the_bar(size, state, image):
    blank, geometry = draw(size, image)
    pixels, _ = draw(size, image, state=state)
    changed = (blank != pixels).any(axis=2)
    assert changed.any()
    assert not changed[: size[1] - geometry.bar_height].any()


@pytest.mark.parametrize("sentence", [origin.sentence for origin in ORIGINS.values()])
@pytest.mark.parametrize("size", [size for size in SIZES if min(size) >= 300])
def test_the_help_fits_into_the_window(size, sentence, monkeypatch):
    """No text is drawn beyond the panel, nor the panel beyond the window."""
    surface = pygame.Surface(size, depth=32)
    geometry = Geometry.fit(size, GRID, bar_visible=True)
    drawn = []

    class Recorder:
        """Notes where words go."""

        def blit(self, source, destination):
            drawn.append(pygame.Rect(destination, source.get_size()))

    panels = []
    original = pygame.draw.rect
    monkeypatch.setattr(
        pygame.draw,
        "rect",
        lambda target, *rest, **more: panels.append(rest[1]) or original(surface, *rest, **more),
    )
    Hud().draw_help(Recorder(), geometry, f"{sentence}\na checkpoint  ·  seed 1")
    words, panel = drawn[1:], panels[0]
    assert len(words) > 30
    if min(size) >= 480:
        assert surface.get_rect().contains(panel)
        assert all(panel.contains(word) for word in words)
    overlaps = [(a, b) for i, a in enumerate(words) for b in words[:i] if a.inflate(-2, -6).colliderect(b)]
    assert not overlaps


@pytest.mark.parametrize(
    ("speed", "has_tempo", "text"),
    [
        (Fraction(1), True, "normal speed"),
        (Fraction(1, 8), True, "1/8 of normal speed"),
        (Fraction(512), True, "512 times normal speed"),
        (Fraction(1), False, "1 step/frame"),
        (Fraction(4), False, "4 steps/frame"),
    ],
)
def test_the_speed_is_told_in_words(speed, has_tempo, text):
    assert speed_text(speed, has_tempo=has_tempo) == text


@pytest.mark.parametrize("size", [size for size in SIZES if min(size) >= 300])
def test_a_ruined_page_is_told_with_the_key_that_helps(size, image, monkeypatch):
    drawn = []

    class Watched(Letters):
        def render(self, text, *rest):
            drawn.append((text, self.size(text)[0], rest[1]))
            return super().render(text, *rest)

    monkeypatch.setattr(hud, "letters_for", lambda height: Watched(round(1.45 * height)))
    healing = Healing(1, 10, error=0.25, error_before=0.0, error_damaged=0.3, hand_seconds=0.0)
    _, geometry = draw(size, image, state=status(is_ruined=True, healing=healing))
    ((_, width, colour),) = [words for words in drawn if words[0] in RUIN_HINTS]
    assert colour == WARNING
    assert width <= size[0] - 2 * geometry.text_height
    assert all("D: " in hint for hint in RUIN_HINTS)
    assert not any(text.startswith("error") for text, _, _ in drawn)


@pytest.mark.parametrize("size", [(w, 480) for w in range(300, 1300, 50)])
def test_no_experiment_is_changed_without_a_word(size, image, monkeypatch):
    drawn = []

    class Watched(Letters):
        def render(self, text, *rest):
            drawn.append(text)
            return super().render(text, *rest)

    monkeypatch.setattr(hud, "letters_for", Watched)
    tells = ("muted: head 1", "zero: channel 0", "frozen: channel 1", "noise 0.02", "35 dead cells")
    draw(size, image, state=status(tells=tells))
    said = [text for text in tells if text.upper() in drawn]
    assert tuple(said) == tells[: len(said)]
    more = [f"+{len(tells) - len(said)}"] if len(said) < len(tells) else []
    assert [text for text in drawn if text.startswith("+")] == more


def test_damage_that_did_no_harm_is_not_called_healed():
    garbage = Healing(1, 10, 0.73, error_before=0.73, error_damaged=0.73, hand_seconds=0.0, is_damage=True)
    assert happening(status(healing=garbage)) == "running"


def resting(restored, **changes):
    """At rest after damage, of which so much is healed."""
    healing = Healing(1, 10, 0.3 * (1 - restored), 0.0, 0.3, hand_seconds=0.0, is_damage=True)
    return status(**{"is_at_rest": True, "healing": healing} | changes)


@pytest.mark.parametrize("size", [size for size in SIZES if min(size) >= 300])
@pytest.mark.parametrize("restored", [0.02, 0.34, 0.88])
def test_what_rests_unhealed_is_told_with_a_reason_and_keys(size, restored, image, monkeypatch):
    drawn = []

    class Watched(Letters):
        def render(self, text, *rest):
            drawn.append((text, self.size(text)[0]))
            return super().render(text, *rest)

    monkeypatch.setattr(hud, "letters_for", lambda height: Watched(round(1.45 * height)))
    _, geometry = draw(size, image, state=resting(restored))
    ((text, width),) = [words for words in drawn if words[0] in REST_HINTS]
    assert width <= size[0] - 2 * geometry.text_height
    assert "Ctrl+Z: undo" in text
    assert "D: a new digit" in text
    assert ("not remembered" in text) or size == (300, 301)


@pytest.mark.parametrize(
    "state",
    [
        resting(0.93),
        resting(0.34, is_at_rest=False),
        resting(0.34, paused=True),
        resting(0.34, healing=None),
        resting(0.34, healing=Healing(1, 10, 0.25, 0.0, 0.3, hand_seconds=0.0)),  # It forms.
    ],
)
def test_nothing_is_said_to_be_beyond_repair_while_that_is_not_known(state):
    assert hints_for(state) == brush_hints(Tool.PAINT)


def test_where_experiments_are_on_the_cells_memory_is_not_blamed():
    assert hints_for(resting(0.34, is_changed=True)) == REST_HINTS[-1:]
    assert hints_for(resting(0.34, is_ruined=True)) == RUIN_HINTS


@pytest.mark.parametrize("wider", [1.0, 1.09])
@pytest.mark.parametrize("size", [(900, 960), (1600, 1400), (640, 480), (300, 340), (64, 64)])
def test_the_hint_makes_room_for_the_healing(size, wider, image, monkeypatch):
    """Where there is any room, and whatever this FreeType's widths: newer ones are up to 9 % wider."""
    drawn = []

    class WiderLetters(Letters):
        def __init__(self, height):
            super().__init__(round(wider * height))

        def render(self, text, *rest):
            drawn.append((text, self.size(text)[0]))
            return super().render(text, *rest)

    monkeypatch.setattr(hud, "letters_for", lambda height: WiderLetters(round(1.45 * height)))
    healing = Healing(1, 10, error=0.05, error_before=0.0, error_damaged=0.1, hand_seconds=0.0)
    plain, geometry = draw(size, image)
    hint = next(text for text, _ in drawn if text in brush_hints(Tool.PAINT) or not text)
    drawn.clear()
    told, _ = draw(size, image, state=status(healing=healing))
    if size == (64, 64):
        assert not any(text.startswith("error") for text, _ in drawn)
        return
    shorter, shorter_width = next(
        (text, width) for text, width in drawn if text in brush_hints(Tool.PAINT) or not text
    )
    (healing_width,) = [width for text, width in drawn if text.startswith("error")]
    assert len(shorter) <= len(hint)
    assert shorter_width + healing_width <= size[0] - 2 * geometry.text_height
    rows, _ = np.nonzero((plain != told).any(axis=2))
    assert rows.max() > size[1] - geometry.bar_height + geometry.text_height


def test_the_whole_hint_is_shown_where_it_fits(image, monkeypatch):
    longest = brush_hints(Tool.PAINT)[:1]
    monkeypatch.setattr(hud, "brush_hints", lambda tool, *, killing: longest)
    alone, _ = draw((900, 960), image)
    monkeypatch.undo()
    assert (draw((900, 960), image)[0] == alone).all()


def test_elided_text_keeps_both_ends():
    pygame.font.init()
    font = pygame.font.Font(None, 20)
    text = "Saved /home/someone/pictures/" + "x" * 300 + "/the-end.png"
    short = elided(text, font, 300)
    assert font.size(short)[0] <= 300
    assert short.startswith("Saved")
    assert short.endswith("end.png")
    assert elided("short", font, 300) == "short"
    assert elided("anything", font, 0) == ""


@pytest.mark.parametrize(
    ("tool", "killing", "words"),
    [
        (Tool.PAINT, False, "Left button paints  ·  right erases  ·  Ctrl+left corrupts"),
        (Tool.ERASE, False, "Left and right button erase  ·  Ctrl+left corrupts"),
        (Tool.CORRUPT, False, "Left button corrupts  ·  right erases"),
        (Tool.PAINT, True, "Left and right button kill cells"),
        (Tool.ERASE, True, "Left and right button kill cells"),
    ],
)
def test_the_hint_says_what_the_buttons_do_with_the_tool(tool, killing, words):
    hints = hints_for(status(tool=Tool.ERASE, selected=tool, is_killing=killing))
    assert hints[0].startswith(words)
    assert hints[-1] == "H: help"
    assert len(set(hints)) == len(hints)
    lengths = [len(hint) for hint in hints]
    assert lengths == sorted(lengths, reverse=True)


LONG = (
    "cannot write '/home/somebody/pictures/of/a/very/long/name/for/a/folder/nca-2026-11-27.png': No space "
    "left on device; choose another place with --output-dir or make room"
)


@pytest.fixture
def words(monkeypatch):
    """Texts and where they are drawn."""
    drawn = []

    class Watched(Letters):
        def render(self, text, *rest):
            drawn.append(text)
            return super().render(text, *rest)

    monkeypatch.setattr(hud, "letters_for", lambda height: Watched(round(1.45 * height)))
    return drawn


@pytest.mark.parametrize(
    "text", [LONG, f"cannot read {'x' * 300}.png; drop a PNG", "a/b" * 900 + "; make room"]
)
@pytest.mark.parametrize("panel_visible", [False, True])
@pytest.mark.parametrize("bar_visible", [False, True])
@pytest.mark.parametrize("size", [(420, 900), (900, 300), (300, 300), (220, 180)])
def test_a_long_message_takes_as_many_lines_as_it_needs(size, bar_visible, panel_visible, text, words):
    window = HeadlessWindow(size)
    geometry = Geometry.fit(size, GRID, bar_visible=bar_visible, panel_visible=panel_visible)
    before = window.pixels().copy()
    Hud().draw_message(window.surface, geometry, Message.error(text, 0.0))
    told = "".join(words).replace(" ", "")
    assert told.endswith(text.split("; ")[1].replace(" ", ""))
    if text is LONG:
        assert told == text.replace(" ", "")
    changed = (window.pixels() != before).any(axis=2)
    assert changed.any()
    assert not changed[size[1] - geometry.bar_height :].any()


def test_a_message_that_fits_is_in_the_bar_alone_and_others_are_not_cut_there(image, words):
    short, long = Message.error("no room; make some", 0.0), Message.error(LONG, 0.0)
    geometry = draw((420, 900), image, state=status(message=short))[1]
    assert short.text in words
    words.clear()
    Hud().draw_message(pygame.Surface((420, 900)), geometry, short)
    assert not words
    draw((420, 900), image, state=status(message=long))
    assert not any("…" in text for text in words)


def test_a_message_stands_for_as_long_as_it_takes_to_read():
    assert Message.info("Saved", 10.0).until_seconds == 14.0
    assert Message.error(LONG, 10.0).until_seconds == pytest.approx(10.0 + len(LONG) / 15)
    assert Message.error("x" * 70_000, 10.0).until_seconds == 40.0


@pytest.mark.parametrize("size", [(420, 900), (300, 300), (220, 180)])
def test_a_long_message_is_told_whole_while_loading(size, words):
    Hud().draw_waiting(HeadlessWindow(size).surface, "compiling", 0.0, Message.error(LONG, 0.0))
    assert "".join(words).replace(" ", "").endswith(LONG.replace(" ", "")[-60:])
    assert size == (220, 180) or "".join(words[2:]).replace(" ", "") == LONG.replace(" ", "")


@pytest.mark.parametrize("size", [(420, 900), (900, 300), (300, 300), (220, 180)])
def test_the_help_leaves_out_its_last_lines_where_there_is_no_room(size, monkeypatch):
    places = []

    class Recorder:
        """Notes where words go."""

        def blit(self, source, destination):
            places.append(pygame.Rect(destination, source.get_size()))

    monkeypatch.setattr(pygame.draw, "rect", lambda *given, **more: None)
    geometry = Geometry.fit(size, GRID, bar_visible=True)
    Hud().draw_help(Recorder(), geometry, "a sentence of a model\na checkpoint  ·  seed 1")
    _, *places = places
    assert len(places) > 15
    window = pygame.Rect(0, 0, *size)
    for number, place in enumerate(places):
        assert window.contains(place)
        assert not any(place.inflate(-2, -3).colliderect(other) for other in places[:number])


@pytest.mark.parametrize("where", ["bar", "page"])
@pytest.mark.parametrize("size", [(420, 900), (900, 300), (300, 300), (900, 960)])
def test_a_tooltip_hides_no_button_and_stays_in_the_window(size, where):
    rows, width, height = (3, 90, 20) if where == "bar" else (size[1] // 30, 60, 26)
    left = 4 if where == "bar" else size[0] // 2
    buttons = [
        (x, size[1] - (row + 1) * (height + 4), width, height)
        for row in range(rows)
        for x in range(left, size[0] - width, width + 4)
    ]
    surface = pygame.Surface(size, depth=32)
    window = surface.get_rect()
    for text in ("x", "the next bundled model goes on from this picture  (Ctrl+M)"):
        for button in buttons:
            place = draw_tooltip(surface, Letters(17), text, button, buttons)
            assert place is not None
            assert window.contains(pygame.Rect(place))
            assert pygame.Rect(place).collidelist([pygame.Rect(other) for other in buttons]) < 0


def test_a_tooltip_without_any_room_is_left_out():
    surface = pygame.Surface((90, 40), depth=32)
    assert draw_tooltip(surface, Letters(17), "a hint", (0, 0, 90, 40), [(0, 0, 90, 40)]) is None
    assert not pygame.surfarray.array3d(surface).any()


def test_figures_are_told_in_as_few_words_as_there_is_room_for():
    healing = Healing(1, 10, 0.05, 0.0, 0.3, hand_seconds=0.0, is_damage=True)
    texts = healing_texts(healing)
    assert texts == ("error 5%, 83% healed", "83% healed", "83%")
    font = Letters(17)
    assert [fitting(texts, font, font.size(text)[0]) for text in texts] == list(texts)
    assert fitting(texts, font, font.size("83%")[0] - 1) == ""
    assert healing_texts(None) == ()


@pytest.mark.parametrize("size", [(420, 900), (900, 300), (300, 300), (220, 180)])
@pytest.mark.parametrize("panes", [2, 3])
@pytest.mark.parametrize("grid", [(28, 28), (173, 173)])
def test_figures_of_panes_are_left_out_where_they_would_lie_on_other_words(size, panes, grid):
    shown = {"bar_visible": True, "caption_visible": True, "panel_visible": True, "figures_visible": True}
    geometry = Geometry.fit(size, grid, panes=panes, **shown)
    window = HeadlessWindow(size)
    before = window.pixels().copy()
    for pane in range(panes):
        draw_figures(window.surface, geometry.pane(pane), "model", None, is_ruined=True, is_chosen=pane == 0)
    changed = (window.pixels() != before).any(axis=2)
    left, top, width, height = geometry.picture_rectangle
    changed[top : top + height, left : left + width] = False
    assert not changed.any()


def test_waiting_screen_moves():
    frames = []
    for seconds in (0.0, 0.4):
        window = HeadlessWindow((640, 480))
        Hud().draw_waiting(window.surface, "compiling", seconds, None)
        frames.append(window.pixels().copy())
    assert (frames[0] != frames[1]).any()
