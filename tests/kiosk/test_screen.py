"""What an exhibit's screen shows, read back: words that fit, in every language, and bounded memory."""

import itertools
import math

import numpy as np
import pygame
import pytest

from nca_viewer.assets import ORIGINS
from nca_viewer.display.letters import letters_for
from nca_viewer.display.palette import ERROR, TEXT, TOOL_COLOURS
from nca_viewer.display.window import HeadlessWindow
from nca_viewer.interaction.actions import NewDigit, SelectTool, Tool
from nca_viewer.kiosk.attract import Ghost
from nca_viewer.kiosk.controller import KioskFacts
from nca_viewer.kiosk.layout import KioskLayout
from nca_viewer.kiosk.pictograms import PICTOGRAMS, pictogram
from nca_viewer.kiosk.screen import KioskScreen, KioskView, wrapped
from nca_viewer.kiosk.texts import CAPTION_NAMES, LANGUAGES, MADE_CAPTION, caption_text, texts_in
from nca_viewer.kiosk.visit import Phase
from nca_viewer.kiosk.visitor_buttons import VISITOR_BUTTONS

SIZES = [(1920, 1080), (1080, 1920), (800, 600)]


def view(language="en", *, tool=Tool.PAINT, caption="", pressed=(), lines=(), is_ruined=False, **facts):
    facts = {"phase": Phase.VISITOR, **facts}
    return KioskView(
        facts=KioskFacts(**facts),
        texts=texts_in(language),
        operator_texts=texts_in(language),
        next_language=texts_in("nl").language,
        caption=caption,
        tool=tool,
        pressed=pressed,
        page_lines=lines,
        is_ruined=is_ruined,
    )


def draw(size, shown, screen=None):
    window = HeadlessWindow(size)
    layout = KioskLayout.fit(size, (28, 28), has_languages=True)
    (screen or KioskScreen()).draw(window.surface, layout, shown)
    return window.pixels(), layout


def inside(pixels, box):
    left, top, width, height = box
    return pixels[top : top + height, left : left + width]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tool", list(Tool))
def test_the_chosen_tool_has_its_colour_and_no_other_button_has(size, tool):
    pixels, layout = draw(size, view(tool=tool))
    coloured = [
        (inside(pixels, box) == TOOL_COLOURS[tool]).all(axis=2).mean() > 0.4 for _, box in layout.buttons
    ]
    assert coloured == [VISITOR_BUTTONS[name] == SelectTool(tool) for name, _ in layout.buttons]


def test_a_pressed_button_shows_it():
    plain, layout = draw(SIZES[0], view())
    pressed, _ = draw(SIZES[0], view(pressed=(NewDigit(),)))
    for name, box in layout.buttons:
        assert (inside(plain, box) != inside(pressed, box)).any() == (name == "new_digit")


@pytest.mark.parametrize("phase", list(Phase))
def test_where_a_page_is_ruined_the_button_for_a_new_digit_lights_up_for_visitors(phase):
    pixels, layout = draw(SIZES[0], view(is_ruined=True, phase=phase))
    lit = [name for name, box in layout.buttons if (inside(pixels, box) == TEXT).all(axis=2).mean() > 0.4]
    assert lit == (["new_digit"] if phase in (Phase.VISITOR, Phase.COUNTDOWN) else [])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_all_words_stay_in_their_boxes_uncut(size, language, monkeypatch):
    cut = []
    original = KioskScreen._words_picture

    def watched(self, text, room, colour, most_lines, letters):
        picture = original(self, text, room, colour, most_lines, letters)
        font = letters_for(letters)
        lines = wrapped(text, font, room[0])
        if len(lines) > most_lines or any(font.size(line)[0] > room[0] for line in lines):
            cut.append(text)
        return picture

    monkeypatch.setattr(KioskScreen, "_words_picture", watched)
    texts = texts_in(language)
    captions = [caption_text(name, language) for name in CAPTION_NAMES if name != MADE_CAPTION]
    captions += [getattr(texts, origin.text) for origin in ORIGINS.values()]
    captions += [texts.help_draw, texts.help_erase, texts.help_scramble, texts.ruined]
    screen = KioskScreen()
    blank, layout = draw(size, view(language), screen)
    window = HeadlessWindow(size)
    for caption in captions[:-1]:
        screen.draw(window.surface, layout, view(language, caption=caption))
    pixels, _ = draw(size, view(language, caption=captions[-1]), screen)
    changed = (pixels != blank).any(axis=2)
    left, top, width, height = layout.caption
    assert changed[top : top + height, left : left + width].any()
    changed[top : top + height, left : left + width] = False
    assert not changed.any()
    shown = view(language, caption=texts.still_there, phase=Phase.COUNTDOWN, countdown_seconds=9.5)
    for more in (shown, view(language, hold_fraction=0.5), view(language, phase=Phase.OPERATOR)):
        screen.draw(window.surface, layout, more)
    assert not cut


@pytest.mark.parametrize("size", SIZES)
def test_the_countdown_counts_and_its_ring_shrinks(size):
    lit = []
    for seconds in (9.9, 6.0, 3.0, 0.5):
        shown = view(caption="x", phase=Phase.COUNTDOWN, countdown_seconds=seconds)
        pixels, layout = draw(size, shown)
        lit.append((inside(pixels, layout.caption) == TOOL_COLOURS[Tool.PAINT]).all(axis=2).sum())
    assert lit == sorted(lit, reverse=True)
    assert lit[-1] > 0


@pytest.mark.parametrize("size", SIZES)
def test_the_ghost_points_at_its_place(size):
    blank, layout = draw(size, view(phase=Phase.ATTRACT))
    left, top, width, height = layout.geometry.grid_rectangle
    for x, y in itertools.product((0.2, 0.5), (0.3, 0.6)):
        ghost = Ghost(x, y, is_down=True, tool=Tool.ERASE, opacity=1.0, radius_cells=1)
        pixels, _ = draw(size, view(phase=Phase.ATTRACT, ghost=ghost))
        rows, columns = np.nonzero((pixels != blank).any(axis=2))
        reach = 0.04 * width
        assert math.isclose(rows.min(), top + y * height, abs_tol=reach)
        assert left + x * width - 0.1 * width < columns.min() < left + x * width
    faint = Ghost(0.5, 0.5, is_down=False, tool=Tool.ERASE, opacity=0.0, radius_cells=1)
    gone, _ = draw(size, view(phase=Phase.ATTRACT, ghost=faint))
    assert (gone == blank).all()


def test_the_ring_of_the_hold_fills_and_is_not_seen_at_a_short_touch():
    blank, _ = draw(SIZES[0], view())
    short, _ = draw(SIZES[0], view(hold_fraction=0.1))
    assert (short == blank).all()
    light = [
        (draw(SIZES[0], view(hold_fraction=fraction))[0] > 200).all(axis=2).sum() for fraction in (0.2, 0.9)
    ]
    assert light[1] > light[0] > (blank > 200).all(axis=2).sum()


@pytest.mark.parametrize("size", SIZES)
def test_the_operator_s_page_shows_faults_in_red_and_stays_on_its_page(size):
    lines = [
        ("a checkpoint  ·  seed 1", False),
        ("cannot read '/a/long/path" + "/folder" * 20 + "'", True),
    ] * 3
    blank, layout = draw(size, view(phase=Phase.OPERATOR))
    pixels, _ = draw(size, view(phase=Phase.OPERATOR, lines=tuple(lines)))
    changed = (pixels != blank).any(axis=2)
    left, top, width, _ = layout.page
    bottom = layout.page_buttons[0][1][1]
    assert (pixels == ERROR).all(axis=2).any()
    assert changed[top:bottom, left : left + width].any()
    changed[top:bottom, left : left + width] = False
    assert not changed.any()


def test_memory_stays_bounded_in_all_languages_and_sizes():
    screen = KioskScreen()
    for size, language, second in itertools.product([(320, 240), (240, 320)], LANGUAGES, range(12)):
        shown = view(
            language, caption=f"{second} words", phase=Phase.COUNTDOWN, countdown_seconds=float(second)
        )
        draw(size, shown, screen)
    assert len(screen._pictures) <= 96


def test_a_frame_that_is_drawn_again_makes_no_new_picture(monkeypatch):
    screen = KioskScreen()
    shown = view(caption="Hello", phase=Phase.OPERATOR, hold_fraction=0.5)
    first, _ = draw(SIZES[2], shown, screen)
    made = []
    monkeypatch.setattr(screen, "_button_picture", lambda *rest: made.append(rest))
    monkeypatch.setattr(screen, "_words_picture", lambda *rest: made.append(rest))
    again, _ = draw(SIZES[2], shown, screen)
    assert made == []
    assert (first == again).all()


def test_the_waiting_screen_moves_and_speaks():
    frames = []
    for seconds in (0.0, 0.7):
        window = HeadlessWindow((800, 600))
        KioskScreen().draw_waiting(window.surface, texts_in("de").waiting, seconds)
        frames.append(window.pixels().copy())
    assert (frames[0] != frames[1]).any()
    assert (frames[0] > 200).all(axis=2).any()


@pytest.mark.parametrize("side", [1, 9, 150])
def test_pictograms_are_distinct_and_fill_their_square(side):
    pictures = [
        pygame.surfarray.array_alpha(pictogram(name, side, (255, 255, 255))).copy() for name in PICTOGRAMS
    ]
    assert {picture.shape for picture in pictures} == {(side, side)}
    if side == 150:
        for one, other in itertools.combinations(pictures, 2):
            assert (one != other).mean() > 0.05
        assert all(0.08 < (picture > 128).mean() < 0.8 for picture in pictures)


@pytest.mark.parametrize("size", [(1920, 1080), (1366, 768), (1280, 1024), (1080, 1920)])
@pytest.mark.parametrize("language", LANGUAGES)
def test_words_keep_their_distance_from_the_right_edge_of_a_button(size, language):
    pixels, layout = draw(size, view(language=language))
    for _, box in layout.buttons:
        width, height = box[2:]
        button = inside(pixels, box).astype(int)
        inner = button[height // 4 : -height // 4]
        margin = min(width, height) // 16
        rim = min(width, height) // 40 + 2
        edge = inner[:, -margin - rim : -rim]
        assert np.abs(edge - edge[:1, :1]).max() < 40
