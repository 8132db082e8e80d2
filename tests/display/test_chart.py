import hypothesis.strategies as st
import numpy as np
import pygame
import pytest
from hypothesis import given

from nca_viewer.display import chart
from nca_viewer.display.chart import (
    ERROR_COLOUR,
    HEALED_COLOUR,
    Chart,
    ScrubBar,
    TickScale,
    mark_text,
    memory_text,
    sample_lines,
)
from nca_viewer.display.hud import BACKGROUND, PANEL, TEXT, TOOL_COLOURS, WARNING
from nca_viewer.interaction.actions import Tool
from nca_viewer.series import Sample, Series, follow_series
from nca_viewer.timeline import Mark, Position, Span

SIZES = [(400, 200), (1200, 700), (90, 60), (150, 300), (24, 24), (23, 200), (1, 1), (640, 30)]
MARGIN = 7


def mark(tick, tool=Tool.ERASE, cells=3):
    bits = np.arange(16) < (0 if tool is None else cells)
    return Mark(Position(tick, 0), tick, tick, 1, tool, np.packbits(bits))


def series_of(errors, healed=None, *, marks=(), episodes=None):
    series = Series()
    for tick, error in enumerate(errors):
        episode = 1 if episodes is None else episodes[tick]
        sample = Sample(tick, tick, episode, error, None if healed is None else healed[tick], None)
        series = follow_series(series, sample, marks, newest_tick=tick)
    return series


def draw(size, series, chart=None, **options):
    """What is drawn into a rectangle of a black surface: uint8[H, W, 3] with a margin round it."""
    surface = pygame.Surface((size[0] + 2 * MARGIN, size[1] + 2 * MARGIN), depth=32)
    (chart or Chart()).draw(surface, pygame.Rect((MARGIN, MARGIN), size), series, **options)
    return pixels_of(surface)


def pixels_of(surface):
    return pygame.surfarray.array3d(surface).transpose(1, 0, 2)


def places(pixels, colour):
    """(rows, columns) of the pixels of a colour."""
    return np.nonzero((pixels == colour).all(axis=2))


def stays_inside(pixels):
    inner = pixels[MARGIN:-MARGIN, MARGIN:-MARGIN].copy()
    outside = pixels.copy()
    outside[MARGIN:-MARGIN, MARGIN:-MARGIN] = 0
    return inner.any() and not outside.any()


@pytest.mark.parametrize("size", SIZES)
def test_nothing_leaves_the_rectangle_at_any_size(size):
    marks = [mark(0), mark(300, Tool.CORRUPT), mark(699, None)]
    full = series_of(np.linspace(1, 0, 700), np.linspace(0, 1, 700), marks=marks)
    for series in (Series(), full, series_of([0.5]), series_of([None] * 9)):
        for hover in (None, (MARGIN + size[0] // 2, MARGIN + size[1] // 2), (-5, 1000)):
            assert stays_inside(draw(size, series, hover=hover, now_tick=150))


def test_lines_are_where_the_values_are():
    high = places(draw((400, 200), series_of([1.0] * 650, [0.0] * 650)), ERROR_COLOUR)
    low = places(draw((400, 200), series_of([0.0] * 650, [1.0] * 650)), ERROR_COLOUR)
    plot_rows = [rows[columns > 100] for rows, columns in (high, low)]
    assert max(np.median(plot_rows[0]), 60) < np.median(plot_rows[1])
    late = draw((400, 200), series_of([0.5] * 60))
    rows, columns = places(late, ERROR_COLOUR)
    in_plot = columns[rows > MARGIN + 60]
    assert in_plot.min() > MARGIN + 330
    assert (pixels := draw((400, 200), series_of([7.0, -3.0] * 20, [0.5] * 40))).any()
    assert places(pixels, HEALED_COLOUR)[0].size


def test_a_line_breaks_where_there_is_no_value_and_where_an_episode_begins():
    def columns_between(series):
        rows, columns = places(draw((400, 200), series), ERROR_COLOUR)
        return set(columns[rows > MARGIN + 50].tolist())

    whole = columns_between(series_of([0.5] * 601))
    broken = columns_between(series_of([0.5] * 200 + [None] * 200 + [0.5] * 201))
    middle = MARGIN + 225
    assert middle in whole
    assert middle not in broken
    assert {min(whole), max(whole)} <= broken
    # A jump at a start is not joined by a vertical line.
    rows, _ = places(
        draw((400, 200), series_of([0.9] * 300 + [0.1] * 301, episodes=[1] * 300 + [2] * 301)), ERROR_COLOUR
    )
    halfway = (rows.max() + rows[rows > MARGIN + 40].min()) // 2
    assert halfway not in set(rows.tolist())


def test_every_tool_has_its_own_mark():
    for tool in Tool:
        legend = places(draw((400, 200), Series()), TOOL_COLOURS[tool])[0].size
        marked = places(draw((400, 200), series_of([0.5] * 300, marks=[mark(200, tool)])), TOOL_COLOURS[tool])
        assert marked[0].size > legend > 0


def test_hover_reads_out_the_sample_and_the_mark():
    series = series_of([0.5] * 601, [0.25] * 601, marks=[mark(300, Tool.ERASE)])
    still = draw((400, 200), series)
    chart = Chart()
    over = draw((400, 200), series, chart, hover=(MARGIN + 200, MARGIN + 100))
    assert (over != still).any()
    assert (draw((400, 200), series, chart) == still).all()
    assert (draw((400, 200), series, chart, hover=(MARGIN + 2, MARGIN + 2)) == still).all()
    assert sample_lines(Sample(9, 1234, 1, 0.1234, 0.5, None)) == ["step 1,234", "error 12.3%", "healed 50%"]
    assert sample_lines(Sample(9, 4, 1, None, None, None)) == ["step 4"]
    assert [mark_text(mark(1)), mark_text(mark(1, Tool.CORRUPT, 1)), mark_text(mark(1, None))] == [
        "erase: 3 cells",
        "corrupt: 1 cell",
        "new start",
    ]


def test_what_is_kept_is_not_shown_for_something_else():
    chart = Chart()
    one, other = series_of([0.5] * 50), series_of([0.1] * 50)
    for series, size, now in ((one, (400, 200), None), (other, (400, 200), 20), (one, (300, 150), None)):
        assert (draw(size, series, chart, now_tick=now) == draw(size, series, now_tick=now)).all()


def test_the_lines_differ_for_every_colour_vision():
    """Machado et al. 2009, dichromacy, on linear light; distances in CIE L*a*b*."""
    matrices = {
        "normal": [1, 0, 0, 0, 1, 0, 0, 0, 1],
        "protan": [0.1523, 1.0526, -0.2049, 0.1145, 0.7863, 0.0992, -0.0039, -0.0481, 1.0520],
        "deutan": [0.3673, 0.8606, -0.2280, 0.2801, 0.6725, 0.0474, -0.0118, 0.0429, 0.9689],
        "tritan": [1.2555, -0.0767, -0.1788, -0.0784, 0.9308, 0.1476, 0.0047, 0.6914, 0.3039],
    }
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])

    def lab(colour, matrix):
        part = np.array(colour) / 255
        linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        xyz = to_xyz @ np.clip(np.reshape(matrix, (3, 3)) @ linear, 0, 1) / (to_xyz @ np.ones(3))
        f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    colours = (ERROR_COLOUR, HEALED_COLOUR, BACKGROUND)
    for matrix in matrices.values():
        labs = [lab(colour, matrix) for colour in colours]
        assert min(np.linalg.norm(labs[n] - labs[n - 1]) for n in range(3)) > 30


# ---------------------------------------------------------------------------------- scrub bar


@given(st.integers(0, 500), st.integers(0, 2000), st.integers(0, 10**6), st.integers(0, 10**6))
def test_pixels_and_ticks_map_onto_each_other(left, width, oldest, ticks):
    scale = TickScale(left, left + width, oldest, oldest + ticks)
    assert scale.tick_at(left - 9) == oldest or width == 0
    assert scale.tick_at(left + width + 9) == oldest + ticks
    assert scale.x_of(oldest + ticks + 9) == left + width
    for part in (0.0, 0.3, 0.99, 1.0):
        tick, x = oldest + round(part * ticks), left + round(part * width)
        assert left <= scale.x_of(tick) <= left + width
        assert oldest <= scale.tick_at(x) <= oldest + ticks
        if 0 < ticks <= width:
            assert scale.tick_at(scale.x_of(tick)) == tick
        if 0 < width <= ticks:
            assert scale.x_of(scale.tick_at(x)) == x


def span(oldest=0, newest=640):
    return Span(oldest, newest, oldest, newest, 12_345_678, 64 * 2**20)


def draw_bar(size, tick, reach=None, marks=(), bar=None, **options):
    surface = pygame.Surface((size[0] + 2 * MARGIN, size[1] + 2 * MARGIN), depth=32)
    rectangle = pygame.Rect((MARGIN, MARGIN), size)
    bar = bar or ScrubBar()
    bar.draw(surface, rectangle, reach or span(), marks, tick=tick, step=tick, **options)
    return pixels_of(surface)


@pytest.mark.parametrize("size", SIZES)
def test_the_bar_stays_in_its_rectangle_at_any_size(size):
    marks = [mark(0), mark(300, Tool.CORRUPT), mark(640, None)]
    for reach in (span(), span(5, 5), span(10**6, 2 * 10**6)):
        for tick in (reach.oldest_tick, reach.newest_tick):
            assert stays_inside(draw_bar(size, tick, reach, marks, hover=(3, 3)))


def test_the_cursor_is_where_pointing_leads_to():
    size = (400, 20)
    scale = ScrubBar.scale(pygame.Rect((MARGIN, MARGIN), size), span())
    for tick in (0, 123, 640):
        columns = places(draw_bar(size, tick), TEXT)[1]
        assert round(columns.mean()) == scale.x_of(tick)
        assert abs(scale.tick_at(int(columns.mean())) - tick) <= 2


@pytest.mark.parametrize("width", [300, 400, 640])
@pytest.mark.parametrize("tick", [0, 40, 320, 600, 640])
@pytest.mark.parametrize("hover", [0, 30, 300, 320, 350, 610, 640])
def test_the_present_step_stays_while_the_pointer_is_told_another(monkeypatch, width, tick, hover):
    written, blit = [], chart._word

    def word(height, text, colour):
        written.append((text, colour))
        return blit(height, text, colour)

    monkeypatch.setattr(chart, "_word", word)
    still = draw_bar((width, 56), tick)
    told = draw_bar((width, 56), tick, hover=(hover, hover))
    assert written.count((f"step {tick}", TEXT)) == 2
    # The present step stands where it stood, and the other beside it.
    words = slice(MARGIN + 56 - 20, MARGIN + 56)
    np.testing.assert_array_equal(*(places(seen[words], TEXT) for seen in (still, told)))
    rows, columns = places(told[words], WARNING)
    assert rows.size
    assert not set(columns) & set(places(told[words], TEXT)[1])
    assert places(told[: words.start], WARNING)[0].size


def test_without_room_for_both_the_present_step_is_told():
    narrow = draw_bar((150, 56), 320_000, span(0, 640_000), hover=(0, 123_456))
    words = slice(MARGIN + 56 - 20, MARGIN + 56)
    assert places(narrow[words], TEXT)[0].size
    assert not places(narrow[words], WARNING)[0].size


def test_the_bar_marks_damages_and_tells_the_memory():
    for tool in Tool:
        assert places(draw_bar((400, 44), 640, marks=[mark(200, tool)]), TOOL_COLOURS[tool])[0].size
    assert memory_text(span()) == "11.8 of 64 MiB"
    bar = ScrubBar()
    for tick in (640, 10, 10):
        assert (draw_bar((400, 44), tick, bar=bar) == draw_bar((400, 44), tick)).all()
    assert (draw_bar((200, 44), 10, bar=bar) == draw_bar((200, 44), 10)).all()
    assert (places(draw_bar((400, 44), 10), PANEL))[0].size
