import itertools
import math
import weakref
from dataclasses import replace

import numpy as np
import pygame
import pytest

from nca_viewer.automaton.experiments import Experiments
from nca_viewer.automaton.explanation import Explanation
from nca_viewer.display.hud import PANEL, wrapped
from nca_viewer.display.inspector import STORY_LENGTH_SECONDS, UPDATE, Inspector
from nca_viewer.display.inspector_page import (
    PROMPT,
    STAGE_SECONDS,
    Fate,
    Section,
    Stage,
    decision_text,
    facts_of,
    layout_of,
    number_text,
    percent_text,
    read_head,
    sentence_of,
    shown_weights,
    stage_at,
    told_at,
)
from nca_viewer.display.letters import Letters, letters_for
from nca_viewer.display.pages import InspectorPage
from nca_viewer.display.panel import PanelScene
from nca_viewer.interaction.controls import Controls
from nca_viewer.snapshot import Snapshot
from nca_viewer.views.attention import DIRECTION_NAMES
from nca_viewer.views.colours import NOT_A_NUMBER
from nca_viewer.views.scene import MOORE_OFFSETS, Scene

HEIGHT, WIDTH = 11, 13
PERCEPTION = 17
SIZES = ((250, 500), (300, 700), (340, 800), (600, 1000), (700, 1000), (257, 997), (691, 503))
INSIDE = (True,) * 9
OUTSIDE_COLOUR = (1, 2, 3)


def one_hot(offset):
    weights = np.zeros(9, np.float32)
    weights[MOORE_OFFSETS.index(offset)] = 1.0
    return weights


def inside_at(row, column):
    return tuple(0 <= row + y < HEIGHT and 0 <= column + x < WIDTH for y, x in MOORE_OFFSETS)


def scene_of(*, heads=4, channels=32, asleep=False, state=None, names=(), step=50, **more) -> Scene:
    """A scene in which every array differs from cell to cell, and whose heads look at one neighbour each."""
    random = np.random.default_rng(5)
    shape = (HEIGHT, WIDTH)
    if state is None:
        state = random.uniform(-1, 1, (*shape, channels)).astype(np.float32)
    image = random.integers(0, 256, (*shape, 3)).astype(np.uint8)
    weights = np.zeros((9, *shape, heads), np.float32)
    for row, column in np.ndindex(shape):
        places = np.flatnonzero(inside_at(row, column))
        for head in range(heads):
            weights[places[head % len(places)], row, column, head] = 1.0
    fires = np.full(shape, not asleep)
    update = random.uniform(-0.5, 0.5, state.shape).astype(np.float32)
    with np.errstate(all="ignore"):
        next_state = np.where(fires[..., None], state + update, state)
    explanation = Explanation(
        weights=weights,
        perception=random.normal(size=(*shape, PERCEPTION)).astype(np.float32),
        update=update,
        fires=fires,
        next_state=next_state,
    )
    more = {"explanation": explanation, **more}
    return Scene(Snapshot(image, state, step, 0, True), channel_names=names, **more)


def drawn(scene, cell, size=(300, 700), *, inspector=None, margin=7, **options):
    options = {"is_pinned": False, "story_seconds": None, "pointer": None, **options}
    surface = pygame.Surface((size[0] + 2 * margin, size[1] + 2 * margin), 0, 32)
    surface.fill(OUTSIDE_COLOUR)
    (inspector or Inspector()).draw(surface, (margin, margin, *size), scene, cell, **options)
    pixels = pygame.surfarray.array3d(surface).swapaxes(0, 1)
    outside = np.ones(pixels.shape[:2], bool)
    outside[margin : margin + size[1], margin : margin + size[0]] = False
    assert (pixels[outside] == OUTSIDE_COLOUR).all()
    return pixels[margin : margin + size[1], margin : margin + size[0]]


def part(pixels, place):
    left, top, width, height = place
    return pixels[top : top + height, left : left + width].astype(int)


def layout_for(scene, size):
    channels, heads = scene.snapshot.state.shape[2], scene.explanation.weights.shape[-1]
    return layout_of(*size, heads, channels, PERCEPTION)


@pytest.mark.parametrize(
    ("seconds", "stage"),
    [
        (0.0, Stage.LOOK),
        (-3.0, Stage.LOOK),
        (STAGE_SECONDS, Stage.WEIGH),
        (2 * STAGE_SECONDS, Stage.MIX),
        (4 * STAGE_SECONDS - 0.01, Stage.UPDATE),
        (STORY_LENGTH_SECONDS - 0.01, Stage.CHANGE),
        (STORY_LENGTH_SECONDS, None),
        (1e9, None),
        (math.inf, None),
        (math.nan, None),
        (None, None),
    ],
)
def test_the_story_has_five_stages_and_an_end(seconds, stage):
    at = stage_at(seconds)
    assert (at and at[0]) == stage


def test_a_stage_grows_and_then_stands_still():
    grown = [stage_at(STAGE_SECONDS * (2 + share))[1] for share in (0.0, 0.2, 0.4, 0.6, 0.8, 0.99)]
    assert grown[0] == 0.0
    assert grown == sorted(grown)
    assert grown[-2] == grown[-1] == 1.0


@pytest.mark.parametrize("offset", DIRECTION_NAMES)
@pytest.mark.parametrize("itself", [0.0, 0.3, 0.45])
def test_a_head_that_looks_one_way_is_read_so(offset, itself):
    weights = (1 - itself) * one_hot(offset) + itself * one_hot((0, 0))
    assert read_head(weights, INSIDE) == f"looks {DIRECTION_NAMES[offset]}"


def test_heads_that_look_no_way_are_read():
    assert read_head(one_hot((0, 0)), INSIDE) == "looks at itself"
    assert read_head(np.full(9, 1 / 9, np.float32), INSIDE) == "looks all around"
    assert read_head((one_hot((0, 1)) + one_hot((0, -1))) / 2, INSIDE) == "looks at 2 cells"
    assert read_head(np.full(9, np.nan, np.float32), INSIDE) == "sees NaN"


@pytest.mark.parametrize("cell", [(0, 0), (0, 12), (10, 0), (10, 12), (0, 5), (7, 12)])
def test_at_the_border_all_around_is_what_there_is(cell):
    inside = inside_at(*cell)
    equal = np.array(inside, np.float32) / sum(inside)
    assert read_head(equal, inside) == "looks all around"
    assert read_head(one_hot((0, 0)), inside) == "looks at itself"


def test_a_single_cell_looks_at_itself():
    assert read_head(one_hot((0, 0)), tuple(n == 4 for n in range(9))) == "looks at itself"


@pytest.mark.parametrize("heads", [1, 3, 4, 8])
def test_weights_grow_from_equal_ones(heads):
    facts = facts_of(scene_of(heads=heads), (0, 12))
    weights = facts.next_step.weights
    assert weights.shape == (9, heads)
    start = shown_weights(weights, facts.inside, 0.0)
    np.testing.assert_allclose(start, np.repeat([[n / 4] for n in facts.inside], heads, axis=1))
    np.testing.assert_array_equal(shown_weights(weights, facts.inside, 1.0), weights)
    np.testing.assert_allclose(shown_weights(weights, facts.inside, 0.4).sum(axis=0), 1.0, rtol=1e-6)


def test_the_facts_are_those_of_the_cell():
    damage_step = np.full((HEIGHT, WIDTH), -1, np.int32)
    damage_step[3, 7] = 31
    scene = scene_of(damage_step=damage_step, names=("flag",))
    facts = facts_of(scene, (3, 7))
    assert facts.inside == INSIDE
    np.testing.assert_array_equal(facts.colours, scene.snapshot.image[2:5, 6:9].reshape(9, 3))
    np.testing.assert_array_equal(facts.state, scene.snapshot.state[3, 7])
    np.testing.assert_array_equal(facts.next_step.weights, scene.explanation.weights[:, 3, 7])
    for name in ("perception", "update", "next_state"):
        np.testing.assert_array_equal(getattr(facts.next_step, name), getattr(scene.explanation, name)[3, 7])
    assert facts.damaged_steps_ago == 19
    assert facts.channel_names[:2] == ("flag", "hidden 1")
    assert facts_of(scene, (3, 6)).damaged_steps_ago is None
    assert facts_of(scene_of(), (3, 7)).damaged_steps_ago is None


@pytest.mark.parametrize(
    ("cell", "seen"), [((0, 0), 4), ((10, 12), 4), ((0, 5), 6), ((5, 12), 6), ((5, 5), 9)]
)
def test_beyond_the_border_there_is_nothing(cell, seen):
    facts = facts_of(scene_of(), cell)
    assert sum(facts.inside) == seen
    assert not facts.colours[~np.array(facts.inside)].any()


@pytest.mark.parametrize("cell", [(-1, 0), (0, -1), (HEIGHT, 0), (0, WIDTH), (500, 500)])
def test_a_cell_that_the_grid_lacks_is_none(cell):
    scene = scene_of()
    assert facts_of(scene, cell) is None
    np.testing.assert_array_equal(drawn(scene, cell), drawn(scene, None))


def test_numbers_in_words():
    values = (float("nan"), math.inf, -math.inf, 0.126, -0.001, 3e7)
    assert [number_text(value) for value in values] == ["NaN", "inf", "-inf", "0.13", "0.00", "3.0e+07"]
    assert number_text(0.5, signed=True) == "+0.50"
    assert number_text(0.0, signed=True) == "0.00"
    assert [percent_text(share) for share in (0.0, 0.126, 1.0, math.nan)] == ["0", "13", "100", "NaN"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("heads", [1, 3, 4, 8])
def test_nothing_overlaps_or_leaves_the_panel(size, heads):
    for channels, perception in itertools.product((1, 5, 32), (0, 17, 64, 512)):
        check_places(layout_of(*size, heads, channels, perception), size, heads, channels)


def check_places(layout, size, heads, channels):
    whole = pygame.Rect(0, 0, *size)
    sections = layout.rectangles().values()
    places = [pygame.Rect(place) for parts in sections for place in parts] + [pygame.Rect(layout.sentence)]
    assert all(whole.contains(place) for place in places)
    assert not any(one.colliderect(other) for one, other in itertools.combinations(places, 2))
    for channel in layout.channels:
        inner = [channel.label, channel.value, channel.update, *([channel.figure] if channel.figure else [])]
        inner = [pygame.Rect(place) for place in inner]
        assert all(pygame.Rect(channel.row).contains(place) for place in inner)
        assert not any(one.colliderect(other) for one, other in itertools.combinations(inner, 2))
    if size[1] >= 700 or heads <= 4:
        assert len(layout.heads) == heads
        assert [channel.number for channel in layout.channels] == list(range(channels))


@pytest.mark.parametrize("size", SIZES)
def test_the_usual_automaton_fits_whole(size):
    layout = layout_of(*size, 4, 32, 64)
    assert layout.perception is not None
    assert (len(layout.heads), len(layout.channels)) == (4, 32)
    assert layout.text_height >= (12 if size[0] >= 300 and size[1] >= 700 else 10)


def test_what_does_not_fit_is_left_out_in_order():
    seen = []
    for height in range(500, 200, -5):
        layout = layout_of(300, height, 4, 32, 64)
        state = (layout.perception is not None, len(layout.channels), len(layout.heads))
        if not seen or seen[-1] != state:
            seen.append(state)
        assert layout.channels[-1].number == 31
    assert seen[0] == (True, 32, 4)
    assert seen[1] == (False, 32, 4)
    for (one_has, one_channels, one_heads), (has, channels, heads) in itertools.pairwise(seen):
        assert (one_has, one_heads) >= (has, heads)
        # Where a row of heads gives way, there is room for channels again.
        assert channels < one_channels or heads < one_heads or has < one_has
    first_head_left_out = next(n for n, state in enumerate(seen) if state[2] < 4)
    assert seen[first_head_left_out - 1][1] < 32


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("heads", "channels"), [(4, 32), (1, 5)])
def test_every_word_has_room(size, heads, channels):
    layout = layout_of(*size, heads, channels, 64)
    font = Letters(round(layout.text_height * 1.45))

    def fits(text, place):
        lines = wrapped(text, font, place[2])
        return len(lines) * layout.line_height <= place[3] and all(
            font.size(line)[0] <= place[2] for line in lines
        )

    readings = [f"looks {name}" for name in DIRECTION_NAMES.values()]
    for head in layout.heads:
        left, top, width, height = head.words
        for reading in (*readings, "looks all around", "looks at itself", "looks at 8 cells"):
            room = (left, top, width, height - layout.line_height)
            assert fits(reading, room), reading
    for asleep, channels in itertools.product((False, True), (5, 128)):
        scene = scene_of(heads=8, channels=channels, asleep=asleep)
        scene.explanation.fires[:2] = not asleep
        for cell, stage in itertools.product(((0, 12), (5, 5)), Stage):
            assert fits(sentence_of(stage, facts_of(scene, cell)), layout.sentence)
    left, top, width, _ = layout.facts
    for words in (
        "Row 108, column 127",
        "kept (middle button)",
        "damaged 10,000 steps ago",
        "sees itself and 8 others",
    ):
        assert fits(words, (left, top, width, layout.line_height))
    for fate in Fate:
        step = replace(facts_of(scene, (5, 5)).next_step, fate=fate, asleep_share=0.5)
        assert fits(decision_text(step), layout.decision), fate
        facts = replace(facts_of(scene, (5, 5)), next_step=step)
        assert fits(sentence_of(Stage.CHANGE, facts), layout.sentence), fate
    assert font.size("100")[0] < layout.heads[0].tiles[2] // 3
    smallest = Letters(round(7 * 1.45))
    assert smallest.size("NaN")[0] < layout.heads[0].tiles[2] // 3


def test_the_story_tells_of_this_cell():
    inner, corner = facts_of(scene_of(), (5, 5)), facts_of(scene_of(heads=1), (0, 0))
    assert "nine cells" in sentence_of(Stage.LOOK, inner)
    assert "3 neighbours" in sentence_of(Stage.LOOK, corner)
    assert "border" in sentence_of(Stage.LOOK, corner)
    assert "4 heads" in sentence_of(Stage.WEIGH, inner)
    assert "one head" in sentence_of(Stage.WEIGH, corner)
    assert "17 numbers" in sentence_of(Stage.MIX, inner)
    assert "32 channels" in sentence_of(Stage.UPDATE, inner)


def test_the_story_ends_with_sleep_or_change():
    awake, asleep = scene_of(), scene_of(asleep=True)
    assert sentence_of(Stage.CHANGE, facts_of(awake, (5, 5))).endswith("This one changes.")
    assert "no cell sleeps" in sentence_of(Stage.CHANGE, facts_of(awake, (5, 5)))
    assert sentence_of(Stage.CHANGE, facts_of(asleep, (5, 5))).endswith("sleeps and stays as it is.")
    assert "100 %" in sentence_of(Stage.CHANGE, facts_of(asleep, (5, 5)))
    awake.explanation.fires[: HEIGHT // 2] = False
    assert "half of all cells" in sentence_of(Stage.CHANGE, facts_of(awake, (7, 5)))
    assert decision_text(facts_of(awake, (7, 5)).next_step) == "In this step it changes."
    assert decision_text(facts_of(asleep, (7, 5)).next_step) == "In this step it sleeps."


@pytest.mark.parametrize(
    ("state", "update", "why"),
    [
        ((1.0, -1.0, 0.5), (0.17, -0.3, 0.0), "limit"),
        ((-1.0, -1.0, 0.5), (-0.1, 0.0, 1e-12), "limit"),
        ((1.0, -1.0, 0.5), (0.0, 0.0, 0.0), "no change is proposed"),
        ((0.5, 0.5, 0.5), (1e-12, 0.0, -1e-12), "no change is proposed"),
        ((1.0, 0.5, 0.5), (0.1, 0.2, 0.0), "no proposed change is taken"),
        ((1.0, 0.5, 0.5), (-0.1, 0.0, 0.0), "no proposed change is taken"),
    ],
)
def test_awake_without_a_change_says_why(state, update, why):
    scene = scene_of(channels=3, state=np.full((HEIGHT, WIDTH, 3), state, np.float32))
    scene.explanation.update[...] = update
    scene.explanation.next_state[...] = state
    facts = facts_of(scene, (7, 5))
    for told in (sentence_of(Stage.CHANGE, facts), decision_text(facts.next_step)):
        assert "wake" in told
        assert why in told
        assert "it changes" not in told
        assert "sleeps." not in told


def test_a_value_at_its_limit_and_one_of_a_sleeping_cell_say_why_they_stay():
    values = np.tile(np.float32([1.0, 0.25, 0.5]), (HEIGHT, WIDTH, 1))
    for asleep, ends in (
        (False, ("then 1.00, the limit of the state", "then 0.35")),
        (True, ("then 1.00, as it sleeps",)),
    ):
        scene = scene_of(channels=3, state=values, asleep=asleep)
        scene.explanation.update[...] = (0.17, 0.1, 0.0)
        scene.explanation.next_state[...] = values if asleep else np.float32([1.0, 0.35, 0.5])
        facts, layout = facts_of(scene, (5, 5)), layout_for(scene, (300, 700))
        for channel, end in zip(layout.channels, ends, strict=False):
            assert told_at(layout, facts, middle(channel.row)).endswith(end)
        expected = Fate.SLEEPS if asleep else Fate.CHANGES
        assert facts.next_step.fate is expected


def story_page(inspector, scene, cell, seconds):
    return drawn(scene, cell, inspector=inspector, story_seconds=seconds, pointer=(100, 650))


def later_scene(**more):
    """The same grid some steps on: other values, other cells asleep."""
    random = np.random.default_rng(8)
    state = random.uniform(-1, 1, (HEIGHT, WIDTH, 32)).astype(np.float32)
    return scene_of(state=state, asleep=True, step=137, **more)


@pytest.mark.parametrize("seconds", [0.4, *(STAGE_SECONDS * number + 0.8 for number in range(1, 5))])
@pytest.mark.parametrize("cell", [(5, 5), (0, 12)])
def test_a_story_is_of_the_step_at_which_it_began(seconds, cell):
    inspector, damage_step = Inspector(), np.full((HEIGHT, WIDTH), 7, np.int32)
    first, later = scene_of(damage_step=damage_step), later_scene(damage_step=damage_step)
    story_page(inspector, first, cell, 0.0)
    held = story_page(inspector, later, cell, seconds)
    np.testing.assert_array_equal(held, story_page(Inspector(), first, cell, seconds))
    assert not np.array_equal(held, story_page(Inspector(), later, cell, seconds))


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [((5, 5), STORY_LENGTH_SECONDS + 1.0), ((5, 5), None), ((5, 5), 0.1), ((5, 6), 0.0), (None, 4.0)],
)
def test_it_goes_on_with_another_step_after_its_end_and_from_a_new_beginning(cell, seconds):
    inspector, later = Inspector(), later_scene()
    story_page(inspector, scene_of(), (5, 5), 3.0)
    page = story_page(inspector, later, cell, seconds)
    np.testing.assert_array_equal(page, story_page(Inspector(), later, cell, seconds))


class Followed:
    """What the page asks of an instrument: to be this one, or another."""


def page_at(page, now_seconds, scene, cell, instrument, *, is_told=True, is_kept=False):
    controls = Controls(story=is_told, pinned_cell=cell if is_kept else None)
    surface = pygame.Surface((320, 760), 0, 32)
    shown = PanelScene(scene, controls, cell, now_seconds, None, 12, instrument, Experiments())
    page.draw(surface, (10, 10, 300, 740), shown)
    return pygame.surfarray.array3d(surface)


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("seconds", [0.1, STAGE_SECONDS + 1.0, 4.5 * STAGE_SECONDS, STORY_LENGTH_SECONDS + 1])
@pytest.mark.parametrize(
    "change", ["cell", "episode", "automaton", "cell and back", "away and back", "off and on"]
)
def test_a_story_begins_anew_with_what_is_shown_then(change, seconds, is_kept):
    page, instrument, begun = InspectorPage(), Followed(), 40.0
    scene, cell, other = later_scene(), (5, 5), instrument
    page_at(page, begun, scene_of(), cell, instrument, is_kept=is_kept)
    page_at(page, begun + seconds, scene_of(), cell, instrument, is_kept=is_kept)
    now = begun + seconds + 0.02
    match change:
        case "cell":
            cell = (5, 6)
        case "episode":
            scene = Scene(replace(scene.snapshot, episode=1), scene.explanation)
        case "automaton":  # The same grid, channels and episode: another model, or another pane.
            other = Followed()
        case "cell and back":
            page_at(page, now, scene, (2, 2), instrument, is_kept=is_kept)
        case "away and back":
            page_at(page, now, scene, None, instrument)
        case "off and on":
            page_at(page, now, scene, cell, instrument, is_told=False, is_kept=is_kept)
    now, fresh = now + 0.02, InspectorPage()
    for later in (0.0, 0.5, STAGE_SECONDS + 1.0, 4.9 * STAGE_SECONDS):
        seen = page_at(page, now + later, scene, cell, other, is_kept=is_kept)
        np.testing.assert_array_equal(seen, page_at(fresh, now + later, scene, cell, other, is_kept=is_kept))


def test_a_story_goes_on_while_the_same_cell_is_shown_and_keeps_no_automaton_alive():
    page, instrument = InspectorPage(), Followed()
    first = page_at(page, 40.0, scene_of(), (5, 5), instrument)
    later = page_at(page, 40.0 + STAGE_SECONDS, later_scene(), (5, 5), instrument, is_kept=True)
    assert not np.array_equal(first, later)
    fresh = page_at(InspectorPage(), 40.0 + STAGE_SECONDS, later_scene(), (5, 5), instrument, is_kept=True)
    assert not np.array_equal(later, fresh)
    followed = weakref.ref(instrument)
    del instrument
    assert followed() is None


def test_a_story_waits_for_its_step_and_then_holds_it():
    inspector, first = Inspector(), scene_of()
    story_page(inspector, scene_of(explanation=None), (5, 5), 0.0)
    np.testing.assert_array_equal(
        story_page(inspector, first, (5, 5), 1.0), story_page(Inspector(), first, (5, 5), 1.0)
    )
    np.testing.assert_array_equal(
        story_page(inspector, later_scene(), (5, 5), 4.0), story_page(Inspector(), first, (5, 5), 4.0)
    )


def words_drawn(monkeypatch, scene, cell, size, seconds):
    """What is written on the page, in the order of drawing."""
    words = []
    image = Inspector._image

    def written(self, text, *arguments):
        words.append(text)
        return image(self, text, *arguments)

    monkeypatch.setattr(Inspector, "_image", written)
    drawn(scene, cell, size, story_seconds=seconds)
    monkeypatch.setattr(Inspector, "_image", image)
    return words


@pytest.mark.parametrize("size", SIZES)
def test_the_held_step_is_told_at_every_stage(monkeypatch, size):
    scene = scene_of(step=12_528)
    for number in range(len(Stage)):
        words = " ".join(words_drawn(monkeypatch, scene, (5, 5), size, STAGE_SECONDS * (number + 0.5)))
        assert "step 12,528, held while it is told" in words
    assert "held" not in " ".join(words_drawn(monkeypatch, scene, (5, 5), size, None))


@pytest.mark.parametrize("stage", [Stage.WEIGH, Stage.CHANGE])
def test_figures_stand_still_while_their_pictures_grow(monkeypatch, stage):
    seconds = [STAGE_SECONDS * (list(Stage).index(stage) + share) for share in (0.0, 0.2, 0.4, 0.9)]
    size, scene = (600, 1000), scene_of(channels=5)
    assert layout_for(scene, size).channels[0].figure is not None
    words = [words_drawn(monkeypatch, scene, (5, 5), size, at) for at in seconds]
    assert words[0] == words[1] == words[2] == words[3]
    assert "100" in words[0]
    pages = [drawn(scene, (5, 5), size, story_seconds=at) for at in seconds]
    assert not any(np.array_equal(one, other) for one, other in itertools.pairwise(pages))


MEMORY_NAMES = (
    *(f"ink {number} {direction}" for direction in ("north-east", "south-west") for number in range(1, 5)),
    *("life", "awake", "lost"),
    *(f"hidden {number}" for number in range(11, 31)),
    "ink",
)


@pytest.mark.parametrize("size", [*SIZES, (400, 900), (480, 1000)])
def test_channels_that_have_a_name_are_named_beside_their_bars(size):
    layout = layout_of(*size, 4, 32, 64, MEMORY_NAMES)
    check_places(layout, size, 4, 32)
    names = dict(enumerate(MEMORY_NAMES))
    short = {0: "ink 1 NE", 7: "ink 4 SW", 8: "life", 12: "12", 30: "30", 31: "ink"}
    font = letters_for(min(layout.text_height, layout.channels[0].row[3]))
    for channel, text in short.items():
        place = layout.channels[channel]
        assert place.text in ((names[channel], text) if layout.has_names else (text,))
        assert font.size(place.text)[0] <= place.label[2]
    assert len({(place.value[2], place.update[2]) for place in layout.channels}) == 1
    assert min(place.value[2] for place in layout.channels) >= 1.4 * layout.text_height


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["a name too long for any column", "", "red", "west-wing far-east"])
def test_names_of_any_length_leave_the_bars_their_room(size, name):
    layout = layout_of(*size, 4, 32, 64, (name,) * 32)
    check_places(layout, size, 4, 32)
    assert layout.channels == layout_of(*size, 4, 32, 64, (name,) * 32).channels
    assert all(place.value[2] > layout.text_height for place in layout.channels)


def test_channels_of_a_memory_tell_what_their_values_mean():
    scene = scene_of(names=MEMORY_NAMES)
    facts, layout = facts_of(scene, (5, 5)), layout_of(300, 700, 4, 32, PERCEPTION, MEMORY_NAMES)
    told = {place.number: told_at(layout, facts, middle(place.row)) for place in layout.channels}
    assert "the cell 2 to the north-east: 1 is ink, 0.75 paper, 0 or less not known" in told[1]
    assert "the cell 4 to the south-west" in told[7]
    assert "1 in a cell that restores a picture" in told[9]
    for number in (11, 31):
        assert "paper" not in told[number]
        assert "in a cell that" not in told[number]


def middle(place):
    return place[0] + place[2] // 2, place[1] + place[3] // 2


def nth(place, number, columns, rows):
    left, top, width, height = place
    row, column = divmod(number, columns)
    return left + (2 * column + 1) * width // (2 * columns), top + (2 * row + 1) * height // (2 * rows)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [5, 32])
def test_the_pointer_tells_name_and_value(size, channels):
    names = tuple(f"name of {n}" for n in range(3))
    scene = scene_of(channels=channels, names=names)
    facts, layout = facts_of(scene, (0, 5)), layout_of(*size, 4, channels, PERCEPTION)
    step = facts.next_step
    for channel in layout.channels:
        name = names[channel.number] if channel.number < 3 else f"hidden {channel.number}"
        value = number_text(facts.state[channel.number])
        for place in (channel.label, channel.value, channel.update):
            told = told_at(layout, facts, middle(place))
            assert told.startswith(f"{channel.number}, {name}: {value};")
            assert told.endswith(f"then {number_text(step.next_state[channel.number])}")
    for number in range(9):
        told = told_at(layout, facts, nth(layout.sight, number, 3, 3))
        row, column = MOORE_OFFSETS[number][0], 5 + MOORE_OFFSETS[number][1]
        assert ("beyond the border" if row < 0 else f"row {row}, column {column}") in told
        for head in layout.heads:
            told = told_at(layout, facts, nth(head.tiles, number, 3, 3))
            weight = f"{100 * step.weights[number, head.number]:.1f} %"
            assert told.startswith(f"head {head.number}, ")
            assert told.endswith("beyond the border" if row < 0 else weight)
    rows = math.ceil(PERCEPTION / layout.perception_columns)
    for number in range(PERCEPTION):
        told = told_at(layout, facts, nth(layout.perception, number, layout.perception_columns, rows))
        assert told == f"perception {number}: {number_text(step.perception[number])}"
    assert told_at(layout, facts, (0, 0)) is None
    assert told_at(layout, facts, middle(layout.sentence)) is None


def test_nan_is_written_and_seen():
    state = np.zeros((HEIGHT, WIDTH, 5), np.float32)
    state[5, 5, 2] = np.nan
    scene = scene_of(channels=5, state=state)
    size = (300, 700)
    layout = layout_for(scene, size)
    place = layout.channels[2]
    assert ": NaN;" in told_at(layout, facts_of(scene, (5, 5)), middle(place.row))
    assert (part(drawn(scene, (5, 5), size), place.value) == NOT_A_NUMBER).all()


def test_nan_is_written_where_figures_have_no_room():
    """It is written into the bar."""
    scene, size = scene_of(state=np.full((HEIGHT, WIDTH, 32), np.nan, np.float32)), (300, 700)
    place = layout_for(scene, size).channels[3]
    assert place.figure is None
    bar = part(drawn(scene, (5, 5), size), place.value)
    written = (bar != NOT_A_NUMBER).any(axis=-1).sum()
    assert 20 < written < bar.shape[0] * bar.shape[1] / 2


@pytest.mark.parametrize("story_seconds", [None, *(2.5 * n + 0.8 for n in range(5))])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_a_broken_state_is_drawn_without_a_warning(bad, story_seconds):
    scene = scene_of(heads=3, channels=5)
    for array in (scene.explanation.update, scene.explanation.perception, scene.explanation.next_state):
        array[5, 5, 1:3] = bad
    scene.explanation.weights[:, 5, 5, 1] = bad
    state = scene.snapshot.state.copy()
    state[5, 5, 2:4] = -bad
    drawn(
        Scene(Snapshot(scene.snapshot.image, state, 1, 0, False), scene.explanation),
        (5, 5),
        story_seconds=story_seconds,
        pointer=(40, 160),
    )


@pytest.mark.parametrize("size", [*SIZES, (1, 1), (40, 900), (120, 90), (700, 100)])
@pytest.mark.parametrize("heads", [1, 3, 4, 8])
def test_every_panel_is_drawn_within_itself(size, heads):
    inspector = Inspector()
    for channels, cell, seconds in ((5, (0, 12), None), (32, (5, 5), 8.0), (32, (10, 0), 12.0)):
        scene = scene_of(heads=heads, channels=channels)
        drawn(
            scene,
            cell,
            size,
            inspector=inspector,
            story_seconds=seconds,
            pointer=(size[0] - 20, size[1] // 2),
        )
    drawn(scene, None, size, inspector=inspector, pointer=(3, 3))
    drawn(scene_of(explanation=None), (3, 3), size, inspector=inspector, story_seconds=6.0)


def test_a_panel_partly_beyond_the_surface_is_no_error():
    surface = pygame.Surface((50, 50), 0, 32)
    options = {"is_pinned": True, "story_seconds": 1.0, "pointer": (1, 1)}
    Inspector().draw(surface, (-10, 20, 300, 700), scene_of(), (5, 5), **options)
    Inspector().draw(surface, (60, 20, 300, 700), scene_of(), (5, 5), **options)


@pytest.mark.parametrize("number", range(len(Stage)))
@pytest.mark.parametrize("size", [(300, 700), (600, 1000)])
def test_a_stage_lights_what_it_is_about(number, size):
    scene, stage = scene_of(), list(Stage)[number]
    layout = layout_for(scene, size)
    still = drawn(scene, (5, 5), size)
    told = drawn(scene, (5, 5), size, story_seconds=STAGE_SECONDS * (number + 0.9))
    contrast = {
        section: [np.abs(sum(part(pixels, place).std() for place in places)) for pixels in (still, told)]
        for section, places in layout.rectangles().items()
    }
    for section, (before, after) in contrast.items():
        if section in stage.value:
            assert after > 0.8 * before, section
        else:
            assert after < 0.5 * before, section
    assert not np.array_equal(part(still, layout.sentence), part(told, layout.sentence))


def test_after_the_story_the_page_is_as_before():
    scene = scene_of()
    before = drawn(scene, (5, 5))
    np.testing.assert_array_equal(before, drawn(scene, (5, 5), story_seconds=STORY_LENGTH_SECONDS))


def bar_pixels(pixels, place, colour):
    return int((part(pixels, place) == colour).all(axis=-1).sum())


@pytest.mark.parametrize("asleep", [False, True])
def test_proposed_changes_grow_and_are_taken_or_dropped(asleep):
    state = np.zeros((HEIGHT, WIDTH, 5), np.float32)
    scene = scene_of(channels=5, state=state, asleep=asleep)
    scene.explanation.update[...] = 0.5
    scene.explanation.next_state[...] = 0.0 if asleep else 0.5
    place = layout_for(scene, (300, 700)).channels[1]
    pages = {
        seconds: drawn(scene, (5, 5), story_seconds=seconds) for seconds in (2.0, 7.6, 8.2, 9.9, 10.0, 12.4)
    }
    green = [bar_pixels(page, place.update, UPDATE) for page in pages.values()]
    assert green[0] == 0
    assert green[1] < green[2] < green[3] == green[4]
    assert green[5] == (0 if asleep else green[3])
    before, after = part(pages[9.9], place.value), part(pages[12.4], place.value)
    assert np.array_equal(before, after) == asleep
    assert bar_pixels(drawn(scene, (5, 5)), place.update, UPDATE) == green[3]


@pytest.mark.parametrize("cell", [(0, 0), (10, 12), (0, 5), (5, 0)])
def test_what_lies_beyond_the_border_is_crossed_out(cell):
    scene = scene_of()
    layout, pixels = layout_for(scene, (300, 700)), drawn(scene, cell)
    inside = inside_at(*cell)
    for place in (layout.sight, *(head.tiles for head in layout.heads)):
        left, top, side, _ = place
        tile = side // 3
        looks = []
        for number in range(9):
            row, column = divmod(number, 3)
            box = part(pixels, (left + column * tile, top + row * tile, tile - 1, tile - 1))
            looks.append(np.array_equal(box[0, 0], box[-1, -1]) and np.array_equal(box[0, -1], box[-1, 0]))
            # Dark, with its diagonals brighter than what is beside them.
            if not inside[number]:
                assert box[1, 1].sum() > box[1, tile // 2].sum()
                assert box.max() < 90
        assert all(look for look, within in zip(looks, inside, strict=True) if not within)


def test_pinned_and_damaged_are_told():
    size = (300, 700)
    scene = scene_of()
    layout = layout_for(scene, size)
    free, pinned = drawn(scene, (5, 5), size), drawn(scene, (5, 5), size, is_pinned=True)
    assert not np.array_equal(part(free, layout.facts), part(pinned, layout.facts))
    damaged = drawn(scene_of(damage_step=np.full((HEIGHT, WIDTH), 7, np.int32)), (5, 5), size)
    assert not np.array_equal(part(free, layout.facts), part(damaged, layout.facts))


def test_without_a_cell_it_says_what_to_do_and_nothing_else():
    assert "middle button" in PROMPT
    pixels = drawn(scene_of(), None)
    rows = np.flatnonzero((pixels != PANEL).any(axis=(1, 2)))
    assert 0 < len(rows) <= 20


def test_while_the_explanation_is_prepared_the_page_keeps_its_places():
    inspector, size = Inspector(), (300, 700)
    scene = scene_of()
    layout = layout_for(scene, size)
    ready = drawn(scene, (5, 5), size, inspector=inspector)
    preparing = drawn(scene_of(explanation=None), (5, 5), size, inspector=inspector)
    np.testing.assert_array_equal(part(ready, layout.sight), part(preparing, layout.sight))
    for channel in layout.channels:
        np.testing.assert_array_equal(part(ready, channel.value), part(preparing, channel.value))
    assert not np.array_equal(part(ready, layout.heads_title), part(preparing, layout.heads_title))


def test_sections_are_all_placed():
    places = layout_of(340, 800, 4, 32, 64).rectangles()
    assert set(places) == set(Section)
    assert all(places.values())
