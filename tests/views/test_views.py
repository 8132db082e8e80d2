import math

import numpy as np
import pytest

from nca_viewer.automaton.explanation import Explanation
from nca_viewer.automaton.layout import MOORE_OFFSETS as AUTOMATON_OFFSETS
from nca_viewer.opinion import Opinion
from nca_viewer.snapshot import Snapshot
from nca_viewer.views import VIEW_NAMES, VIEWS, view_number
from nca_viewer.views.attention import DIRECTION_LEGEND, entropies, mean_offsets
from nca_viewer.views.axes import follow_axes
from nca_viewer.views.cells import MISSING, TOO_MUCH
from nca_viewer.views.colours import NOT_A_NUMBER, TWO_SIDED, VIRIDIS
from nca_viewer.views.scene import MOORE_OFFSETS, NEVER, ColourBar, ColourRow, Scene


def snapshot(state, step=3, clean=None):
    grey = np.round(255 * np.clip(np.nan_to_num(state[..., -1:]), 0, 1)).astype(np.uint8)
    return Snapshot(grey.repeat(3, axis=2), state, step=step, episode=1, is_healthy=True, clean=clean)


def looking(height, width, *offsets):
    """Weights of heads that look at one cell each."""
    weights = np.zeros((9, height, width, len(offsets)), np.float32)
    for head, offset in enumerate(offsets):
        weights[MOORE_OFFSETS.index(offset), :, :, head] = 1.0
    return weights


def one_step(weights, channels=6, state=0.0, fires=True):
    _, height, width, _ = weights.shape
    return Explanation(
        weights,
        next_state=np.full((height, width, channels), state, np.float32),
        fires=np.full((height, width), fires),
    )


def grids_of(view_image):
    return [
        view_image.image[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
        for tile in view_image.tiles
    ]


def draw(name, scene):
    return view_number(VIEW_NAMES.index(name)).draw(scene)


LEFT, RIGHT, UP, DOWN = (0, -1), (0, 1), (-1, 0), (1, 0)


def test_offsets_are_those_of_the_automaton():
    assert MOORE_OFFSETS == AUTOMATON_OFFSETS


def test_names_and_keys_are_unique():
    assert len({view.name for view in VIEWS}) == len({view.key for view in VIEWS}) == len(VIEWS)
    assert view_number(len(VIEWS)) is view_number(0)
    assert view_number(0).name == "image"
    assert view_number(-1) is VIEWS[-1]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
@pytest.mark.parametrize("filling", [0.0, 1.0, -1e9, 3e38, np.nan, np.inf])
@pytest.mark.parametrize(
    ("height", "width", "channels", "heads"), [(5, 7, 6, 4), (8, 3, 2, 1), (4, 4, 70, 5)]
)
def test_every_view_draws_any_state(view, filling, height, width, channels, heads):
    state = np.full((height, width, channels), filling, np.float32)
    state[0, 0] = 0.5
    weight = np.nan if np.isnan(filling) else 1 / 9  # of a softmax
    weights = np.full((9, height, width, heads), weight, np.float32)
    for explanation in (one_step(weights, channels, filling), None):
        for chosen in (None, 1, 10_000):
            scene = Scene(snapshot(state), explanation, channel=chosen, head=chosen)
            seen = view.draw(scene)
            assert seen.image.dtype == np.uint8
            assert seen.image.shape[2] == 3
            assert seen.caption.count("\n") == 0
            assert seen.caption
            sizes = {(tile.height, tile.width) for tile in seen.tiles} or {seen.image.shape[:2]}
            assert sizes == {(height, width)}


@pytest.mark.parametrize("view", [view for view in VIEWS if view.explain], ids=lambda view: view.name)
def test_a_view_of_the_next_step_says_that_it_waits_for_it(view):
    state = np.ones((5, 7, 6), np.float32)
    seen = view.draw(Scene(snapshot(state)))
    assert "being taken apart" in seen.caption
    assert (seen.image == 85).all()


def test_attention_alone_does_not_show_which_cells_update():
    attention = Explanation(looking(5, 7, LEFT))
    seen = draw("activity", Scene(snapshot(np.ones((5, 7, 6), np.float32)), attention))
    assert "being taken apart" in seen.caption


def test_the_image_is_the_image():
    shown = snapshot(np.random.default_rng(0).random((5, 7, 6), np.float32))
    assert (draw("image", Scene(shown)).image == shown.image).all()


def test_difference_tells_missing_ink_from_too_much():
    state, clean = np.zeros((5, 7, 6), np.float32), np.zeros((5, 7, 3), np.uint8)
    clean[1, 1] = 255
    state[2, 2, -1] = 1.0
    for scene in (Scene(snapshot(state), clean=clean), Scene(snapshot(state, clean=clean))):
        seen = draw("difference", scene)
        assert tuple(seen.image[1, 1]) == MISSING
        assert tuple(seen.image[2, 2]) == TOO_MUCH
        assert (np.delete(seen.image.reshape(-1, 3), [8, 16], axis=0) == 0).all()
        assert [(row.colour, row.label) for row in seen.legend[:2]] == [
            (MISSING, "ink is missing"),
            (TOO_MUCH, "ink is too much"),
        ]
    assert "blank" in draw("difference", Scene(snapshot(state))).caption


def test_the_opinion_is_told_digit_by_digit_and_whether_it_is_sure():
    shown = snapshot(np.random.default_rng(0).random((5, 7, 6), np.float32))
    assert "has not read" in draw("opinion", Scene(shown)).caption
    probabilities = np.array([0.25, 0.0, 0.0, 0.7, *[0.0] * 6], np.float32)
    for threshold, caption in ((0.6, "reads a 3."), (0.8, "is unsure.")):
        seen = draw("opinion", Scene(shown, opinion=Opinion(probabilities, threshold)))
        assert (seen.image == shown.image).all()
        assert seen.caption.endswith(caption)
        assert [row.label for row in seen.legend][:4] == ["0: 25 %", "1: 0 %", "2: 0 %", "3: 70 %"]
        brightness = [sum(row.colour) for row in seen.legend]
        assert np.argsort(brightness)[-2:].tolist() == [0, 3]


def test_channel_seven_is_shown_in_tile_seven():
    pattern = np.zeros((5, 7), np.float32)
    pattern[1, 2], pattern[3, 4] = 1.0, -1.0
    state = np.zeros((5, 7, 32), np.float32)
    state[..., 7] = pattern
    seen = draw("channels", Scene(snapshot(state)))
    assert len(seen.tiles) == 32
    for tile, grid in zip(seen.tiles, grids_of(seen), strict=True):
        zero = TWO_SIDED[128]
        different = np.argwhere((grid != zero).any(axis=-1)).tolist()
        assert different == ([[1, 2], [3, 4]] if tile.number == 7 else [])
    assert (grids_of(seen)[7][1, 2] == TWO_SIDED[-1]).all()
    assert (grids_of(seen)[7][3, 4] == TWO_SIDED[0]).all()
    assert seen.tiles[7].label == "hidden 7"
    alone = draw("channels", Scene(snapshot(state), channel=7))
    assert alone.tiles == ()
    assert (alone.image == grids_of(seen)[7]).all()


def test_channels_have_the_names_they_are_given():
    names = ("ink 1 north-east", "flag")
    scene = Scene(snapshot(np.zeros((5, 7, 3), np.float32)), channel_names=names)
    labels = [tile.label for tile in draw("channels", scene).tiles]
    assert labels == ["ink 1 north-east", "flag", "hidden 2"]


def test_the_caption_of_the_channels_says_what_a_memory_means():
    state = np.zeros((5, 7, 4), np.float32)
    values = "1 is ink, 0.75 paper, 0 or less not known"
    for names in (("ink 1 north-east", "life"), ("life", "hidden 1", "ink 4 south-west")):
        assert values in draw("channels", Scene(snapshot(state), channel_names=names)).caption
    for names in ((), ("hidden 0", "hidden 1", "hidden 2", "ink"), ("life",), ("ink blot", "ink 1")):
        assert values not in draw("channels", Scene(snapshot(state), channel_names=names)).caption
    names = ("ink 3 south-west", "lost", "hidden 2", "ink")
    alone = [
        draw("channels", Scene(snapshot(state), channel=n, channel_names=names)).caption for n in range(4)
    ]
    assert "the cell 3 to the south-west" in alone[0]
    assert values in alone[0]
    assert "waits for neighbours" in alone[1]
    assert alone[2:] == ["Channel 2: hidden 2.", "Channel 3: ink."]


def test_every_cell_of_a_tile_can_be_pointed_at_and_no_gap():
    state = np.zeros((5, 7, 6), np.float32)
    seen = draw("channels", Scene(snapshot(state)))
    found = [
        (seen.tile_at(row, column).number, seen.cell_at(row, column))
        for row in range(seen.image.shape[0])
        for column in range(seen.image.shape[1])
        if seen.cell_at(row, column)
    ]
    assert sorted(found) == [(n, (r, c)) for n in range(6) for r in range(5) for c in range(7)]
    plain = draw("image", Scene(snapshot(state)))
    assert plain.cell_at(4, 6) == (4, 6)
    assert plain.cell_at(5, 6) is plain.cell_at(0, -1) is plain.tile_at(0, 0) is None


def test_many_channels_of_a_large_grid_are_bounded():
    seen = draw("channels", Scene(snapshot(np.zeros((128, 128, 40), np.float32))))
    assert len(seen.tiles) == 16
    assert "first 16 of 40" in seen.caption


def test_what_is_not_finite_has_a_colour_of_its_own_and_a_line_in_the_legend():
    state = np.zeros((5, 7, 6), np.float32)
    assert len(draw("channels", Scene(snapshot(state), channel=2)).legend) == 1
    state = state.copy()
    state[1, 1, 2] = np.nan
    seen = draw("channels", Scene(snapshot(state), channel=2))
    assert (seen.image == NOT_A_NUMBER).all(axis=-1).sum() == 1
    assert seen.legend[-1] == ColourRow(NOT_A_NUMBER, "not a finite number")


def test_heads_that_look_left_right_up_and_down_have_the_hues_of_the_legend():
    colours = {row.label: row.colour for row in DIRECTION_LEGEND}
    assert len(set(colours.values())) == 9
    step = one_step(looking(5, 7, LEFT, RIGHT, UP, DOWN))
    state = np.zeros((5, 7, 6), np.float32)
    seen = draw("attention", Scene(snapshot(state), step))
    assert seen.legend == DIRECTION_LEGEND
    names = ["west", "east", "north", "south"]
    for head, (tile, grid) in enumerate(zip(seen.tiles, grids_of(seen), strict=True)):
        assert tile.label == f"head {head}: {names[head]}"
        assert (grid == colours[names[head]]).all()
        alone = draw("attention", Scene(snapshot(state), step, head=head))
        assert (alone.image == grid).all()
        assert names[head] in alone.caption
    assert [(tile.top, tile.left) for tile in seen.tiles] == [(0, 0), (0, 8), (6, 0), (6, 8)]


@pytest.mark.parametrize(
    ("grid", "heads", "rows_and_columns"),
    [
        ((8, 8), 4, (2, 2)),
        ((64, 64), 4, (2, 2)),
        ((128, 96), 4, (2, 2)),
        ((96, 128), 4, (2, 2)),
        ((8, 128), 4, (4, 1)),
        ((128, 8), 4, (1, 4)),
        ((128, 128), 40, (4, 4)),
        ((28, 28), 1, (1, 1)),
        ((64, 64), 64, (8, 8)),
    ],
)
def test_heads_fill_a_square_as_well_as_they_can_and_are_bounded(grid, heads, rows_and_columns):
    step = one_step(np.full((9, *grid, heads), 1 / 9, np.float32))
    seen = draw("attention", Scene(snapshot(np.zeros((*grid, 6), np.float32)), step))
    rows, columns = rows_and_columns
    assert seen.image.shape[:2] == (rows * (grid[0] + 1) - 1, columns * (grid[1] + 1) - 1)
    assert len(seen.tiles) == min(heads, rows * columns)
    if len(seen.tiles) < heads:
        assert f"the first {len(seen.tiles)} of {heads} attention heads" in seen.caption


def test_attention_to_a_diagonal_and_to_nowhere():
    weights = np.concatenate([looking(5, 7, (-1, 1), (0, 0)), np.full((9, 5, 7, 1), 1 / 9)], axis=-1)
    seen = draw("attention", Scene(snapshot(np.zeros((5, 7, 6), np.float32)), one_step(weights)))
    colours = {row.label: row.colour for row in DIRECTION_LEGEND}
    upper_right, itself, around = grids_of(seen)
    assert (upper_right == colours["north-east"]).all()
    grey = np.array(colours["itself, or all around"])
    assert (itself == grey).all()
    assert np.abs(around.astype(int) - grey).max() <= 1
    assert [tile.label.split(": ")[1] for tile in seen.tiles] == [
        "north-east",
        "at itself",
        "all around",
    ]
    assert mean_offsets(weights)[:, 2, 3, 0].tolist() == [-1.0, 1.0]


def test_entropy_is_nothing_for_one_cell_and_log_nine_for_all():
    weights = np.concatenate([looking(5, 7, UP), np.full((9, 5, 7, 1), 1 / 9, np.float32)], axis=-1)
    assert entropies(weights)[2, 2] == pytest.approx([0, math.log(9)], abs=1e-6)
    seen = draw("entropy", Scene(snapshot(np.zeros((5, 7, 6), np.float32)), one_step(weights)))
    one, all_nine = grids_of(seen)
    assert (one == VIRIDIS[0]).all()
    assert (all_nine == VIRIDIS[-1]).all()


def test_activity_shows_who_updates_and_how_much():
    step = one_step(looking(5, 7, UP), fires=False)
    step.fires[1, 1] = step.fires[2, 2] = True
    step.next_state[1, 1, 4], step.next_state[2, 2, 0] = -1.0, 1e-6
    seen = draw("activity", Scene(snapshot(np.zeros((5, 7, 6), np.float32)), step))
    bar, silent = seen.legend
    assert isinstance(bar, ColourBar)
    assert (seen.image[1, 1] == VIRIDIS[-1]).all()
    assert (seen.image[2, 2] == VIRIDIS[0]).all()
    assert (seen.image == silent.colour).all(axis=-1).sum() == 33


def test_damage_fades_with_the_steps_since():
    damage_step = np.full((5, 7), NEVER, np.int32)
    shown = snapshot(np.ones((5, 7, 6), np.float32), step=500)
    assert "No cell" in draw("damage", Scene(shown)).caption
    assert "No cell" in draw("damage", Scene(shown, damage_step=damage_step)).caption
    damage_step[1, 1:4] = 500, 490, 0
    seen = draw("damage", Scene(shown, damage_step=damage_step))
    assert seen.caption == "3 cells were damaged, the last 0 steps ago."
    brightness = seen.image[1, 1:4].astype(int).sum(axis=-1)
    assert brightness[0] > brightness[1] > brightness[2]
    assert (seen.image[1, 1] == seen.legend[0].colours[0]).all()
    assert (np.delete(seen.image.reshape(-1, 3), [8, 9, 10], axis=0) == 85).all()


def slowly(number):
    """A state in which two components swap their strengths as the number grows, with a little noise."""
    generator = np.random.default_rng(number)
    rows, columns = np.mgrid[:14, :14] / 14
    state = np.zeros((14, 14, 8), np.float32)
    state[..., 1] = (1.2 - 0.01 * number) * np.sin(7 * rows)
    state[..., 4] = -(0.8 + 0.01 * number) * np.cos(5 * columns)
    state[..., 6] = 0.4 * np.sin(6 * rows) * np.cos(9 * columns)
    return state + generator.normal(0, 0.02, state.shape).astype(np.float32)


def test_axes_keep_their_orientation_while_the_state_changes_slowly():
    axes = follow_axes(None, snapshot(slowly(0)))
    first = axes
    for number in range(1, 60):
        following = follow_axes(axes, snapshot(slowly(number)))
        cosines = (following.directions * axes.directions).sum(axis=0)
        assert (cosines > 0.99).all()
        assert following.directions.T @ following.directions == pytest.approx(np.eye(3), abs=1e-5)
        axes = following
    assert ((axes.directions * first.directions).sum(axis=0) > 0.95).all()
    assert 0.9 < axes.share <= 1


def test_first_axes_are_the_principal_components():
    state = slowly(0)
    cells = state.reshape(-1, 8)
    _, vectors = np.linalg.eigh(np.cov(cells, rowvar=False))
    axes = follow_axes(None, snapshot(state))
    assert np.abs((axes.directions * vectors[:, :-4:-1]).sum(axis=0)) == pytest.approx(1, abs=1e-4)
    assert (
        np.take_along_axis(axes.directions, np.abs(axes.directions).argmax(axis=0)[None], axis=0) > 0
    ).all()
    assert axes.components(state).reshape(-1, 3).std(axis=0) == pytest.approx(1, abs=1e-3)


def test_axes_go_after_another_state_and_begin_anew_with_other_channels():
    axes = follow_axes(None, snapshot(slowly(0)))
    turned = np.ascontiguousarray(slowly(0)[..., ::-1])
    for _ in range(60):
        axes = follow_axes(axes, snapshot(turned))
    fresh = follow_axes(None, snapshot(turned))
    assert np.linalg.svd(axes.directions.T @ fresh.directions)[1] == pytest.approx(1, abs=1e-3)
    other = snapshot(np.random.default_rng(1).random((5, 7, 4), np.float32))
    assert (follow_axes(axes, other).directions == follow_axes(None, other).directions).all()


@pytest.mark.parametrize("filling", [0.0, np.nan, np.inf, 3e38])
@pytest.mark.parametrize("channels", [2, 3, 40])
def test_axes_of_any_state_are_numbers(filling, channels):
    axes = None
    for _ in range(3):
        axes = follow_axes(axes, snapshot(np.full((5, 7, channels), filling, np.float32)))
        for array in (axes.mean, axes.directions, axes.spread):
            assert np.isfinite(array).all()
