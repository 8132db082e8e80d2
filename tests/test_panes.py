"""Several automata side by side, and the next bundled one in the place of the one that runs."""

import dataclasses
import itertools
import time

import numpy as np
import pygame
import pytest
from pygame.event import Event

import nca_viewer.app
from nca_viewer.assets import bundled_checkpoint_names, next_bundled
from nca_viewer.automaton.experiments import Experiments, as_json
from nca_viewer.checkpoint import build_model, save_checkpoint
from nca_viewer.cli import parsed_options
from nca_viewer.display import desktop
from nca_viewer.display.clips import ClipRecorder
from nca_viewer.display.hud import Hud
from nca_viewer.display.window import HeadlessWindow
from nca_viewer.errors import ConfigError
from nca_viewer.interaction.actions import NextModel, ShowPage, ToggleChannel, ToggleHead, TogglePanel, Tool
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.launch import open_app
from nca_viewer.loading import Loaded, Session, load_beside, load_session, succeeded
from nca_viewer.moment import begun_from_sight, digest
from nca_viewer.panes import Panes, require_same_grid
from nca_viewer.ruin import STILL_STEPS
from nca_viewer.selftest import fixed_parameters
from nca_viewer.simulation import Simulation
from nca_viewer.start_images import StartImages
from nca_viewer.timeline import Timeline
from nca_viewer.viewer_config import ViewerConfig
from nca_viewer.views import VIEW_NAMES
from nca_viewer.views.mosaic import PANE_GAP_CELLS, image_parts, picture

pytestmark = pytest.mark.usefixtures("backend_checked_once")

SIZE = (640, 420)
SEED = 11


@pytest.fixture(scope="module")
def models(small_config):
    """Two automata of the same hyperparameters, and one that differs in more than its parameters."""
    config = dataclasses.replace(small_config, state_limit=1.0)
    other_config = dataclasses.replace(small_config, state_limit=2.0)
    one = build_model(config, fixed_parameters(config))
    other_parameters = fixed_parameters(config)
    import jax

    other_parameters = jax.tree.map(lambda leaf: -0.5 * leaf, other_parameters)
    return (
        one,
        build_model(config, other_parameters),
        build_model(other_config, fixed_parameters(other_config)),
    )


@pytest.fixture(scope="module")
def warm(models):
    simulations = [Simulation(models[0], seed=SEED)]
    for model in models[1:]:
        simulations.append(Simulation(model, seed=SEED, like=simulations[0]))
    panes = Panes(simulations)
    panes.warm_up()
    return panes


@pytest.fixture
def panes(warm):
    fresh = Panes(warm.simulations)
    for simulation in fresh.simulations:
        simulation.episode = 0
    fresh.experiments = Experiments()
    return fresh


def region_of(config, rows, columns):
    region = np.zeros((config.height, config.width), bool)
    region[rows, columns] = True
    return region


def drive(simulation):
    """A start, strokes and steps."""
    config = simulation.config
    simulation.begin(StartImages(config, SEED).digit(3, 1), 0.5)
    simulation.advance(5)
    simulation.apply(Tool.CORRUPT, region_of(config, slice(2, 6), slice(3, 7)))
    simulation.advance(3)
    simulation.apply(Tool.PAINT, region_of(config, 4, slice(1, 5)))
    simulation.advance(4)


def states(panes):
    return [np.asarray(state) for state in panes.moment().state]


def test_each_pane_goes_through_the_states_that_it_has_alone(panes, models):
    drive(panes)
    together = [digest(state) for state in panes.moment().state]
    assert len(set(together)) == 3
    for model, state in zip(models, together, strict=True):
        alone = Simulation(model, seed=SEED)
        drive(alone)
        assert digest(alone.moment().state) == state


def test_what_agrees_is_compiled_once(warm):
    first, same, other = warm.simulations
    assert same._advance is first._advance
    assert other._advance is not first._advance
    for name in ("_start", "_edit", "_observe"):
        assert getattr(other, name) is getattr(same, name) is getattr(first, name)
        assert getattr(first, name)._cache_size() == 1


def test_a_snapshot_has_all_panes_and_is_healthy_where_all_are(panes):
    drive(panes)
    snapshot = panes.request_snapshot().result()
    assert [pane.step for pane in snapshot.panes] == [12, 12, 12]
    assert np.array_equal(snapshot.state, snapshot.panes[0].state)
    assert snapshot.is_healthy
    second = panes.simulations[1]
    second.restore(
        dataclasses.replace(second.moment(), state=np.full(second.config.state_shape, np.nan, "f4"))
    )
    assert not panes.request_snapshot().result().is_healthy


def test_undo_and_steps_back_are_of_all_panes(panes):
    panes.begin(StartImages(panes.config, SEED).digit(3, 1), 0.5)
    timeline = Timeline(panes)
    panes.advance(7)
    before = states(panes)
    panes.apply(Tool.ERASE, region_of(panes.config, slice(0, 5), slice(0, 5)))
    panes.advance(6)
    after = states(panes)
    timeline.end_stroke()
    assert timeline.undo() is not None
    assert all(map(np.array_equal, states(panes), before))
    assert timeline.redo() is not None
    assert all(map(np.array_equal, states(panes), after))
    assert timeline.span.held_bytes > 3 * 2 * before[0].nbytes


def test_a_start_that_failed_half_way_leaves_no_pane_behind(panes):
    panes.simulations[0].episode = 4
    panes.restart()
    assert [simulation.episode for simulation in panes.simulations] == [5, 5, 5]
    assert panes.request_snapshot().result().episode == 5


def test_experiments_are_of_all_panes_or_of_none(panes):
    with pytest.raises(ConfigError, match="heads"):
        panes.experiments = Experiments(muted_heads=frozenset({99}))
    assert panes.experiments.is_neutral
    panes.experiments = Experiments(noise_std=0.1)
    assert all(simulation.experiments.noise_std == 0.1 for simulation in panes.simulations)


# ------------------------------------------------------------------------------------ geometry


@pytest.mark.parametrize("size", [(900, 960), (640, 480), (1919, 1079), (1400, 400), (480, 1000), (300, 301)])
@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("panel_visible", [False, True])
def test_a_cell_is_the_same_cell_in_every_pane(size, number, panel_visible):
    geometry = Geometry.fit(
        size, (11, 13), bar_visible=True, panes=number, figures_visible=True, panel_visible=panel_visible
    )
    rectangles = [geometry.pane(pane).grid_rectangle for pane in range(number)]
    room = [pygame.Rect(left, top, w, h + geometry.figures_height) for left, top, w, h in rectangles]
    assert all(box.collidelist(room[:index]) < 0 for index, box in enumerate(room))
    for pane, (left, top, width, height) in enumerate(rectangles):
        assert left >= 0
        assert top >= 0
        assert left + width <= size[0] - geometry.panel_width
        assert top + height + geometry.figures_height <= size[1] - geometry.bar_height
        for row, column in [(0, 0), (10, 12), (5, 6), (0, 12)]:
            x, y, side, _ = geometry.pane(pane).cell_rectangle((row, column))
            for pixel in [(x, y), (x + side - 1, y + side - 1)]:
                assert geometry.cell_at(pixel) == (row, column)
                assert geometry.pane_at(pixel) == pane
    assert geometry.of_image(*geometry.image_size) is geometry


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    "size", [(600, 1000), (500, 1080), (900, 960), (640, 480), (1919, 1079), (1400, 400), (200, 180)]
)
@pytest.mark.parametrize("bar_visible", [False, True])
def test_panes_stand_where_cells_are_largest(size, number, bar_visible):
    def fit(columns=None):
        return Geometry.fit(
            size,
            (28, 28),
            bar_visible=bar_visible,
            panes=number,
            columns=columns,
            figures_visible=bar_visible and number > 1,
        )

    sides = [fit(columns).cell_pixels for columns in range(1, number + 1)]
    assert fit().cell_pixels == max(sides)
    assert fit().columns == max(columns + 1 for columns, side in enumerate(sides) if side == max(sides))


def test_a_tall_window_has_a_column_and_a_wide_one_a_row():
    def columns(size, panes):
        return Geometry.fit(size, (28, 28), bar_visible=True, panes=panes, figures_visible=True).columns

    assert [columns((600, 1000), panes) for panes in (2, 3)] == [1, 2]
    assert [columns((400, 1000), panes) for panes in (2, 3)] == [1, 1]
    assert [columns((1400, 600), panes) for panes in (2, 3)] == [2, 3]


def test_a_stroke_counts_cells_in_the_pane_where_it_began():
    geometry = Geometry.fit((900, 600), (11, 13), bar_visible=True, panes=2)
    began = geometry.pane(0).cell_centre((4, 12))
    into = geometry.pane(1).cell_centre((4, 0))
    assert geometry.cell_at(into) == (4, 0)
    assert geometry.cell_at(into, began) == (4, 13 + PANE_GAP_CELLS)
    below = Geometry.fit((300, 900), (11, 13), bar_visible=True, panes=2)
    began, into = below.pane(0).cell_centre((10, 4)), below.pane(1).cell_centre((0, 4))
    assert below.cell_at(into) == (0, 4)
    assert below.cell_at(into, began) == (11 + PANE_GAP_CELLS, 4)


def test_a_region_lies_on_the_image_of_all_panes():
    geometry = Geometry.fit((900, 300), (8, 9), bar_visible=True, panes=3)
    region = np.zeros((8, 9), bool)
    region[2, 3] = True
    whole = geometry.on_image(region)
    assert whole.shape == geometry.image_size
    assert np.argwhere(whole).tolist() == [[2, 3 + pane * (9 + PANE_GAP_CELLS)] for pane in range(3)]
    assert geometry.on_image(None) is None


# ------------------------------------------------------------------------------------ the window


class LoadedWhenAsked:
    """Loads, and fails, when it is polled."""

    stage = ""

    def __init__(self, load):
        self._load = load

    def poll(self):
        return self._load(lambda stage: None)


@pytest.fixture
def make_bench(panes, tmp_path):
    def make(size=SIZE):
        starts = StartImages(panes.config, SEED)
        panes.begin(starts.digit(3, 1), 0.5)
        sessions = tuple(
            Session(simulation, starts, 0.5, "a test", label=name)
            for name, simulation in zip(("one", "two", "three"), panes.simulations, strict=True)
        )
        session = dataclasses.replace(sessions[0], simulation=panes, panes=sessions)
        window = HeadlessWindow(size)
        app = open_app(
            window,
            Loaded(session),
            KioskConfig(),
            screenshot_folder=tmp_path,
            load=LoadedWhenAsked,
        )
        app.frame()
        return app, window

    return make


@pytest.fixture
def bench(make_bench):
    return make_bench()


def geometry_of(app):
    config = app.session.simulation.config
    return app.face.geometry(app.window.surface.get_size(), (config.height, config.width), app.controls)


def point_at(app, window, pane, cell=(3, 3)):
    pixel = geometry_of(app).pane(pane).cell_centre(cell)
    window.post(Event(pygame.MOUSEMOTION, pos=pixel, rel=(0, 0), buttons=(0, 0, 0)))
    app.frame()


def click(app, window, action):
    """A button, by the mouse, which then is where it was."""
    buttons = app.face.buttons(geometry_of(app), app.controls)
    pixel = pygame.Rect(next(button.rectangle for button in buttons if button.action == action)).center
    for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
        press(app, window, pixel, kind)


def key(app, window, code, mod=0):
    window.post(Event(pygame.KEYDOWN, key=code, unicode="", mod=mod))
    window.post(Event(pygame.KEYUP, key=code, mod=mod))
    app.frame()


def press(app, window, pixel, kind=pygame.MOUSEBUTTONDOWN):
    window.post(Event(kind, pos=pixel, button=1))
    app.frame()


@pytest.mark.parametrize(("size", "columns"), [((900, 300), 3), ((500, 700), 2), ((300, 900), 1)])
@pytest.mark.parametrize("pane", [0, 1, 2])
def test_a_stroke_in_any_pane_lands_on_the_same_cells_of_all(make_bench, pane, size, columns):
    app, window = make_bench(size)
    assert geometry_of(app).columns == columns
    window.post(Event(pygame.KEYDOWN, key=pygame.K_SPACE, unicode=" ", mod=0))
    app.frame()
    app.frame()
    before = app.snapshot.panes
    press(app, window, geometry_of(app).pane(pane).cell_centre((5, 5)))
    press(app, window, geometry_of(app).pane(pane).cell_centre((5, 5)), pygame.MOUSEBUTTONUP)
    app.frame()
    changed = [
        np.argwhere((new.state != old.state).any(-1)).tolist()
        for new, old in zip(app.snapshot.panes, before, strict=True)
    ]
    assert [5, 5] in changed[0]
    assert changed[0] == changed[1] == changed[2]


def test_the_panel_and_the_bar_tell_of_the_pane_that_was_pointed_at_last(bench):
    app, window = bench
    chosen = []
    for pane in (2, 0, 1):
        pixel = geometry_of(app).pane(pane).cell_centre((3, 3))
        window.post(Event(pygame.MOUSEMOTION, pos=pixel, rel=(0, 0), buttons=(0, 0, 0)))
        app.frame()
        chosen.append(app.face.panes.pointed.scene(None).snapshot)
        assert chosen[-1] is app.snapshot.panes[pane]
    window.post(Event(pygame.MOUSEMOTION, pos=(3, SIZE[1] - 3), rel=(0, 0), buttons=(0, 0, 0)))
    app.frame()
    assert app.face.panes.pointed.scene(None).snapshot is app.snapshot.panes[1]


@pytest.mark.parametrize("size", [(900, 420), (420, 900), (300, 300), (220, 180)])
@pytest.mark.parametrize("panel_visible", [False, True])
@pytest.mark.parametrize("view", ["image", "difference", "channels", "attention", "entropy"])
def test_a_middle_click_keeps_the_inspector_on_the_cell_that_is_seen_there(
    make_bench, view, panel_visible, size
):
    app, window = make_bench(size)
    key(app, window, pygame.K_SPACE)
    app.controls = dataclasses.replace(app.controls, view=VIEW_NAMES.index(view), panel_visible=panel_visible)
    app.frame()
    until = time.monotonic() + 60
    while view in ("attention", "entropy") and any(pane.explanation is None for pane in app.snapshot.panes):
        assert time.monotonic() < until
        app.frame()
    geometry, panes = geometry_of(app), app.face.panes
    seen = panes.views(app.controls)
    placed = panes.placed(geometry, app.controls)
    free = pygame.Rect(0, 0, size[0], size[1] - geometry.bar_height - geometry.caption_height)
    free.width -= geometry.panel_width
    before, asked = app.session.simulation.moment(), 0
    for pane, (tile, cell) in itertools.product(range(3), itertools.product((0, -1), ((0, 0), (7, 4)))):
        tiles = seen[pane].tiles if seen else ()
        top, left = (tiles[tile].top, tiles[tile].left) if tiles else (0, 0)
        pixel = placed.pane(pane).cell_centre((top + cell[0], left + cell[1]))
        if not pygame.Rect(0, 0, *size).collidepoint(pixel):
            continue
        app.controls = dataclasses.replace(app.controls, pinned_cell=None)
        for kind in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
            window.post(Event(kind, pos=pixel, button=2))
            app.frame()
        is_seen = bool(free.collidepoint(pixel)) and placed.pane_at(pixel) == pane
        asked += is_seen
        assert app.controls.pinned_cell == (cell if is_seen else None)
        assert app.controls.tile is None
        assert not is_seen or panes.number == pane
    assert asked
    assert digest(app.session.simulation.moment().state[0]) == digest(before.state[0])


@pytest.mark.parametrize("view", ["image", "channels"])
def test_a_middle_click_on_the_help_closes_it_and_so_does_a_left_click(bench, view):
    app, window = bench
    for button, cell in ((1, None), (2, (3, 3))):
        app.controls = dataclasses.replace(app.controls, view=VIEW_NAMES.index(view), help_visible=True)
        app.frame()
        placed = app.face.panes.placed(geometry_of(app), app.controls)
        window.post(Event(pygame.MOUSEBUTTONDOWN, pos=placed.cell_centre((3, 3)), button=button))
        window.post(Event(pygame.MOUSEBUTTONUP, pos=placed.cell_centre((3, 3)), button=button))
        app.frame()
        assert not app.controls.help_visible
        assert app.controls.pinned_cell == cell
        assert app.controls.tile is None


@pytest.mark.parametrize("view", range(1, 10))
def test_every_view_and_the_panel_show_all_panes(bench, view):
    app, _ = bench
    app.controls = dataclasses.replace(app.controls, view=view, panel_visible=True)
    app.frame()
    until = time.monotonic() + 60
    while any(pane.explanation is None for pane in app.snapshot.panes) and time.monotonic() < until:
        time.sleep(0.05)  # Explanations are compiled in the background, for each of them.
        app.frame()
    geometry = geometry_of(app)
    image = app.face.image(app.snapshot, app.controls, geometry)
    views = [view.image for view in app.face.panes.views(app.controls)]
    size = views[0].shape
    assert [view.shape for view in views] == [size] * 3
    parts = image_parts(size, 3, geometry.columns)
    assert all(np.array_equal(image[part], view) for part, view in zip(parts, views, strict=True))
    assert geometry.of_image(*image.shape[:2]).grid_height == size[0]


def test_clips_and_screenshots_show_all_panes(bench, tmp_path, monkeypatch):
    app, window = bench
    kept = []
    monkeypatch.setattr(ClipRecorder, "add", lambda recorder, image, now_seconds: kept.append(image))
    app.frame()
    assert kept[-1].shape[:2] == geometry_of(app).image_size
    window.post(Event(pygame.KEYDOWN, key=pygame.K_F2, unicode="", mod=0))
    app.frame()
    (file,) = tmp_path.glob("*.png")
    height, width = geometry_of(app).image_size
    assert pygame.image.load(file).get_size() == (
        width * geometry_of(app).cell_pixels,
        height * geometry_of(app).cell_pixels,
    )


# ------------------------------------------------------------------------------------ the next model


def test_the_next_model_begins_from_what_is_seen(panes):
    drive(panes)
    first = panes.simulations[0]
    moment = begun_from_sight(first.moment(), first.config)
    visible = first.config.visible_channel_size
    seen = np.clip(states(panes)[0][..., -visible:], 0, 1)
    assert np.array_equal(moment.state[..., -visible:], seen)
    assert not moment.state[..., :-visible].any()
    assert (moment.step, moment.episode, moment.seed) == (first.step, first.episode, first.seed)


def test_a_model_without_what_an_experiment_changes_begins_without_it(panes, small_config):
    panes.experiments = Experiments(muted_heads=frozenset({small_config.num_heads - 1}))
    moment = panes.simulations[0].moment()
    assert begun_from_sight(moment, small_config).experiments is not None
    fewer = dataclasses.replace(small_config, num_heads=1)
    assert small_config.num_heads > 1
    assert begun_from_sight(moment, fewer).experiments is None
    both = dataclasses.replace(panes.experiments, noise_std=0.1)
    left = begun_from_sight(dataclasses.replace(moment, experiments=both), fewer).experiments
    assert as_json(left) == {"noise_std": 0.1}


def test_the_next_model_takes_the_place_of_the_pane_that_is_pointed_at(bench, models, tmp_path, monkeypatch):
    app, window = bench
    path = tmp_path / "successor"
    save_checkpoint(path, models[1], models[1].config, {"recipe": "test", "step": 1, "metrics": {}})
    monkeypatch.setattr("nca_viewer.display.shown_session.next_bundled", lambda name: str(path))
    pixel = geometry_of(app).pane(2).cell_centre((3, 3))
    window.post(Event(pygame.MOUSEMOTION, pos=pixel, rel=(0, 0), buttons=(0, 0, 0)))
    app.frame()
    before = app.session.simulation.simulations
    damaged = [pane.healing.error_damaged for pane in app.face.panes.instruments]
    window.post(Event(pygame.KEYDOWN, key=pygame.K_m, unicode="", mod=pygame.KMOD_LCTRL))
    app.frame()
    app.frame()
    after = app.session.simulation.simulations
    assert after[:2] == before[:2]
    assert after[2] is not before[2]
    assert after[2]._advance is before[0]._advance
    assert len({(one.step, one.episode) for one in after}) == 1
    assert [pane.label for pane in app.session.panes] == ["one", "two", str(path)]
    assert app.message.text.startswith("successor")
    assert [pane.healing.error_damaged for pane in app.face.panes.instruments] == damaged
    app.frame()
    assert app.snapshot.panes[2].image.any()


EXPERIMENTS = Experiments(muted_heads=frozenset({1}), zeroed_channels=frozenset({0}))


@pytest.fixture
def fewer(small_config, tmp_path, monkeypatch):
    """A next model with one head less."""
    config = dataclasses.replace(small_config, num_heads=1)
    path = tmp_path / "fewer"
    save_checkpoint(path, build_model(config, fixed_parameters(config)), config, {"metrics": {}})
    monkeypatch.setattr("nca_viewer.display.shown_session.next_bundled", lambda name: str(path))


def are_experiments(simulation, expected):
    return as_json(simulation.experiments) == as_json(expected)


@pytest.mark.parametrize("is_ready", [True, False])
def test_what_the_next_model_does_not_have_ends_for_all_and_is_told(bench, fewer, monkeypatch, is_ready):
    app, window = bench
    key(app, window, pygame.K_SPACE)
    click(app, window, TogglePanel())
    click(app, window, ShowPage("experiments"))
    ready = [is_ready]
    monkeypatch.setattr(Panes, "are_experiments_ready", property(lambda self: ready[0]))
    for compiles in ("warm_up", "prepare_experiments"):  # No step is taken.
        monkeypatch.setattr(Simulation, compiles, lambda self, **what: None)
    monkeypatch.setattr(Simulation, "are_experiments_ready", True)
    point_at(app, window, 1)
    click(app, window, ToggleHead(1))
    point_at(app, window, 2)
    click(app, window, ToggleChannel(0, "zero"))
    app.frame()
    assert are_experiments(app.face.panes, EXPERIMENTS)
    assert app.session.simulation.experiments.is_neutral == (not is_ready)
    point_at(app, window, 1)
    key(app, window, pygame.K_m, pygame.KMOD_LCTRL)
    app.frame()
    assert app.message.text == "fewer does not have all that was changed; dropped: muted: head 1"
    ready[0] = True
    left = Experiments(zeroed_channels=frozenset({0}))
    app.frame()
    assert all(are_experiments(simulation, left) for simulation in app.session.simulation.simulations)
    # What is brought back fits all of them.
    press(app, window, geometry_of(app).pane(0).cell_centre((5, 5)))
    press(app, window, geometry_of(app).pane(0).cell_centre((5, 5)), pygame.MOUSEBUTTONUP)
    key(app, window, pygame.K_z, pygame.KMOD_LCTRL)
    assert all(are_experiments(simulation, left) for simulation in app.session.simulation.simulations)


def test_what_is_asked_for_in_one_pane_is_not_lost_in_another(bench, monkeypatch):
    app, window = bench
    click(app, window, TogglePanel())
    click(app, window, ShowPage("experiments"))
    ready = [False]
    monkeypatch.setattr(Panes, "are_experiments_ready", property(lambda self: ready[0]))
    for pane, action in ((0, ToggleHead(1)), (2, ToggleChannel(0, "zero"))):
        point_at(app, window, pane)
        click(app, window, action)
        assert "preparing an experiment" in app.face.panes.tells
    assert app.session.simulation.experiments.is_neutral
    ready[0] = True
    app.frame()
    assert all(are_experiments(one, EXPERIMENTS) for one in app.session.simulation.simulations)


def test_each_pane_tells_of_its_own_lost_page(bench, models, tmp_path, monkeypatch):
    app, window = bench
    key(app, window, pygame.K_SPACE)
    figures, statuses = [], []
    draw_figures, draw_bar = desktop.draw_figures, Hud.draw_bar
    follow = nca_viewer.app.follow_page

    def follow_page(page, snapshot, *, is_touched):
        is_second = any(snapshot is pane for pane in app.snapshot.panes[1:2])
        return dataclasses.replace(follow(page, snapshot, is_touched=is_touched), is_ruined=is_second)

    monkeypatch.setattr(nca_viewer.app, "follow_page", follow_page)
    monkeypatch.setattr(
        desktop,
        "draw_figures",
        lambda *given, **told: figures.append((given[2], told["is_ruined"])) or draw_figures(*given, **told),
    )
    monkeypatch.setattr(
        Hud, "draw_bar", lambda hud, *given: statuses.append(given[-1]) or draw_bar(hud, *given)
    )
    for pane in (0, 1, 2):
        point_at(app, window, pane)
        assert statuses[-1].is_ruined == (pane == 1)
        assert figures[-3:] == [("one", False), ("two", True), ("three", False)]
    path = tmp_path / "successor"
    save_checkpoint(path, models[1], models[1].config, {"metrics": {}})
    monkeypatch.setattr("nca_viewer.display.shown_session.next_bundled", lambda name: str(path))
    monkeypatch.setattr(nca_viewer.app, "follow_page", follow)
    key(app, window, pygame.K_m, pygame.KMOD_LCTRL)
    app.frame()
    app.frame()
    assert [page.is_ruined for page in app.face.panes.pages] == [False, True, False]


def test_every_pane_that_hands_wiped_is_lost(bench, monkeypatch):
    app, _ = bench
    simulation = app.session.simulation
    for _ in range(3):
        app.frame()
    simulation.apply(Tool.ERASE, region_of(simulation.config, slice(None), slice(None)))
    monkeypatch.setattr(  # These cells do not bring anything back.
        Simulation, "advance", lambda self, steps: setattr(self, "step", self.step + steps)
    )
    for _ in range(STILL_STEPS + 3):
        app.frame()
    assert [page.is_ruined for page in app.face.panes.pages] == [True] * 3


@pytest.mark.parametrize("blown_up", [(1,), (0, 2)])
def test_who_blew_up_is_named(bench, blown_up):
    app, _ = bench
    for number in blown_up:
        simulation = app.session.simulation.simulations[number]
        state = np.full(simulation.config.state_shape, np.nan, np.float32)
        simulation.restore(dataclasses.replace(simulation.moment(), state=state))
    episode = app.session.simulation.episode
    app.frame()
    names = " and ".join(("one", "two", "three")[number] for number in blown_up)
    assert app.message.text.startswith(f"{names} blew up at step")
    assert app.session.simulation.episode == episode + 1


def test_a_next_model_of_another_grid_is_told_and_what_runs_goes_on(
    bench, tmp_path, monkeypatch, small_config
):
    app, window = bench
    config = dataclasses.replace(small_config, height=small_config.height + 1)
    path = tmp_path / "taller"
    save_checkpoint(path, build_model(config, fixed_parameters(config)), config, {"metrics": {}})
    session = app.session
    with pytest.raises(ConfigError, match=r"one has a grid of .*/taller one of"):
        load_beside(str(path), session, lambda stage: None)
    monkeypatch.setattr("nca_viewer.display.shown_session.next_bundled", lambda name: str(tmp_path / "gone"))
    window.post(Event(pygame.KEYDOWN, key=pygame.K_m, unicode="", mod=pygame.KMOD_LCTRL))
    app.frame()
    app.frame()
    assert app.session is session
    assert app.message.is_error
    assert "gone" in app.message.text


def test_what_is_recorded_stays_of_one_model(bench):
    app, _ = bench
    app.face.meet(dataclasses.replace(app.session, watcher=object()))
    app.face.act(NextModel(), app.session, 0.0)
    assert "watched" in app.face.message(0.0).text
    assert app.face.reloaded() is None


def test_one_automaton_alone_is_succeeded_with_its_start(panes, models):
    simulation = panes.simulations[0]
    starts = StartImages(simulation.config, SEED)
    simulation.begin(starts.digit(3, 1), 0.5)
    simulation.advance(6)
    clean, start = simulation.moment().clean, digest(simulation.start_state())
    session = Session(simulation, starts, 0.5, "a test", label="one")
    other = Simulation(models[1], seed=3, like=simulation)
    following = succeeded(session, dataclasses.replace(session, simulation=other, label="other"), 0)
    assert following.footer.startswith("other")
    assert (other.step, other.seed) == (6, SEED)
    assert np.array_equal(other.moment().clean, clean)
    other.reset()
    assert digest(other.moment().state) == start


def test_a_model_takes_the_place_of_one_under_experiments_when_its_own_are_compiled(panes, models):
    simulation = panes.simulations[0]
    session = Session(simulation, StartImages(simulation.config, SEED), 0.5, "a test")
    other = Simulation(models[2], seed=3)
    loaded = dataclasses.replace(session, simulation=other)
    assert session.can_be_succeeded(loaded)
    simulation.experiments = Experiments(noise_std=0.1)
    assert not session.can_be_succeeded(loaded)  # It is being compiled, and what runs goes on.
    deadline = time.monotonic() + 120
    while not session.can_be_succeeded(loaded) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert other.are_experiments_ready


def test_bundled_models_follow_each_other_in_a_circle():
    names = bundled_checkpoint_names()
    assert [next_bundled(name) for name in names] == [*names[1:], names[0]]
    assert next_bundled("a path") == next_bundled("") == names[0]


# ------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("number", [4, 5])
def test_more_panes_than_fit_are_refused(number):
    with pytest.raises(ConfigError, match=rf"--ckpt is given {number} times; at most 3"):
        ViewerConfig(checkpoints=("model",) * number)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"exhibit": True}, "--exhibit"),
        ({"record": "a.jsonl"}, "--record"),
        ({"replay": "a.jsonl"}, "--replay"),
        ({"demo": "wiped-page"}, "--demo"),
        ({"load_state": "a.npz"}, "--load-state"),
        ({"save_state": "a.npz"}, "--save-state"),
    ],
)
def test_what_is_of_one_automaton_is_refused_with_several(options, name):
    with pytest.raises(ConfigError, match=f"{name} is for one automaton"):
        ViewerConfig(checkpoints=("model", "learned"), **options)


def test_a_watched_run_is_shown_alone():
    with pytest.raises(ConfigError, match="--watch and --ckpt do not go together"):
        ViewerConfig(checkpoints=("model", "model"), watch="run")


@pytest.mark.parametrize("checkpoints", [(), ("",), ("model", "")])
def test_an_empty_checkpoint_is_refused(checkpoints):
    with pytest.raises(ConfigError, match="--ckpt is empty"):
        ViewerConfig(checkpoints=checkpoints)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"height": 9}, "b one of 9 x"),
        ({"width": 20}, "x 20 cells"),
        ({"visible_channel_size": 3}, "cells in RGB"),
    ],
)
def test_different_grids_are_refused_with_both_names(small_config, changes, text):
    other = dataclasses.replace(small_config, **changes)
    with pytest.raises(ConfigError, match=text) as error:
        require_same_grid(("a", small_config), ("b", other))
    assert "a has a grid of" in str(error.value)
    require_same_grid(("a", small_config), ("c", dataclasses.replace(small_config, num_heads=1)))


def test_sessions_of_several_checkpoints_share_their_start(small_checkpoint, tmp_path, small_config):
    taller = dataclasses.replace(small_config, height=small_config.height + 1)
    path = tmp_path / "taller"
    save_checkpoint(path, build_model(taller, fixed_parameters(taller)), taller, {"metrics": {}})
    small = str(small_checkpoint)

    def load(*checkpoints):
        config = ViewerConfig(checkpoints=checkpoints, compile_cache=False)
        return load_session(config, SEED, None, lambda stage: None)

    with pytest.raises(ConfigError, match=r"has a grid of 11 x 13 .*taller one of 12 x 13"):
        load(small, str(path))
    session = load(small, small)
    first, second = session.simulation.simulations
    assert first._advance is second._advance
    assert digest(first.moment().state) == digest(second.moment().state)
    assert [pane.label for pane in session.panes] == [small, small]
    assert session.footer.startswith(f"{small}, {small}")


def test_a_configuration_file_names_several(tmp_path):
    file = tmp_path / "viewer.toml"
    file.write_text('ckpt = ["model", "learned"]')
    assert parsed_options(["--config", str(file)]).checkpoints == ("model", "learned")
    assert parsed_options(["--config", str(file), "--ckpt", "model"]).checkpoints == ("model",)
    file.write_text('ckpt = ["model", "learned", "model", "learned"]')
    with pytest.raises(ConfigError, match=r"viewer\.toml: --ckpt is given 4 times"):
        parsed_options(["--config", str(file)])


def test_a_picture_of_one_automaton_is_its_image_itself(panes):
    snapshot = panes.simulations[0].request_snapshot().result()
    assert picture(snapshot) is snapshot.image
