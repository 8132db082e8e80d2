"""What the window's instrument promises: each key and button, through the real loop, in memory."""

import json
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pygame
import pytest
from PIL import Image
from pygame.event import Event

from nca_viewer.automaton.experiments import Experiments, as_json
from nca_viewer.demos import demos
from nca_viewer.display import desktop
from nca_viewer.display.buttons import BUTTONS
from nca_viewer.display.chart import ScrubBar
from nca_viewer.display.clips import ClipRecorder
from nca_viewer.display.hud import brush_hints, hints_for
from nca_viewer.display.pages import MORE
from nca_viewer.display.shown_session import NextSession
from nca_viewer.display.window import HeadlessWindow
from nca_viewer.errors import DEBUG_VARIABLE
from nca_viewer.interaction import actions
from nca_viewer.interaction.actions import (
    BeforeDamage,
    ChangeChannel,
    ChangeExperiment,
    EndExperiments,
    NewDigit,
    PastePicture,
    PinCell,
    Redo,
    Reset,
    SaveChart,
    SaveClip,
    Scrub,
    ShowPage,
    ShowTile,
    ShowView,
    StepBack,
    StepOnce,
    ToggleChannel,
    ToggleHead,
    ToggleKilling,
    ToggleNeighbour,
    ToggleRecording,
    ToggleSlowMotion,
    ToggleStory,
    Tool,
    Undo,
)
from nca_viewer.interaction.bindings import BINDINGS
from nca_viewer.interaction.controls import PAGES
from nca_viewer.interaction.strokes import disc_region
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.launch import open_app
from nca_viewer.loading import Loaded, Session
from nca_viewer.moment import digest
from nca_viewer.own_starts import own_start
from nca_viewer.recording.lines import Caption, Inspect
from nca_viewer.recording.reader import read_record
from nca_viewer.recording.recorder import Recorder, RecordFile
from nca_viewer.recording.replay import Replay
from nca_viewer.ruin import STILL_STEPS
from nca_viewer.simulation import Simulation
from nca_viewer.start_images import StartImages
from nca_viewer.viewer_config import ViewerConfig
from nca_viewer.views import VIEW_NAMES, VIEWS
from nca_viewer.views.colours import direction_colours
from nca_viewer.views.mosaic import mosaic

SIZE = (900, 960)
GRID = (11, 13)
SHA = "ab" * 32
MOSAICS = ("channels", "attention", "entropy")


@pytest.fixture(autouse=True)
def mistakes_are_raised(monkeypatch):
    monkeypatch.setenv(DEBUG_VARIABLE, "1")


class Bench:
    """An app, and hands on it."""

    def __init__(self, app, window, session):
        self.app, self.window, self.session = app, window, session
        self.simulation = session.simulation
        self._focus = -1

    def frames(self, count=1):
        for _ in range(count):
            self.app.frame()
        return self

    def key(self, code, text="", mod=0, *, is_released=True):
        self.window.post(Event(pygame.KEYDOWN, key=code, unicode=text, mod=mod))
        if is_released:
            self.window.post(Event(pygame.KEYUP, key=code, mod=mod))
        return self

    def chord(self, chord):
        mod = pygame.KMOD_LSHIFT * chord.shift | pygame.KMOD_LCTRL * chord.control
        return self.key(chord.key, chord.text, mod)

    def do(self, *wanted):
        """Each action by its first key, in a frame of its own."""
        for action in wanted:
            self.chord(next(b.chords[0] for b in BINDINGS if b.action == action)).frames()
        return self

    @property
    def geometry(self):
        config = self.simulation.config
        size = self.window.surface.get_size()
        return self.app.face.geometry(size, (config.height, config.width), self.app.controls)

    def buttons(self):
        return [button for button in self.app.face.buttons(self.geometry, self.app.controls) if button.action]

    def click_pixel(self, pixel, button=1):
        self.window.post(Event(pygame.MOUSEMOTION, pos=pixel, rel=(0, 0), buttons=(0, 0, 0)))
        self.window.post(Event(pygame.MOUSEBUTTONDOWN, pos=pixel, button=button))
        self.window.post(Event(pygame.MOUSEBUTTONUP, pos=pixel, button=button))
        return self.frames()

    def click(self, action):
        """A button, by the mouse."""
        rectangle = next(button.rectangle for button in self.buttons() if button.action == action)
        return self.click_pixel(pygame.Rect(rectangle).center)

    def focus(self, action):
        """The same, by F4, with Shift where that is the shorter way, and F3."""
        actions = [button.action for button in self.buttons()]
        number, last = actions.index(action), max(self._focus, 0)
        onward, back = (number - self._focus - 1) % len(actions) + 1, (last - number - 1) % len(actions) + 1
        for _ in range(min(onward, back)):
            self.key(pygame.K_F4, "", 0 if onward <= back else pygame.KMOD_LSHIFT)
        self._focus = number
        return self.key(pygame.K_F3).frames()

    def touch(self, cell, button=1):
        return self.click_pixel(self.geometry.cell_centre(cell), button)

    def hold(self, cell):
        self.window.post(Event(pygame.MOUSEBUTTONDOWN, pos=self.geometry.cell_centre(cell), button=1))
        return self.frames()

    def let_go(self, cell):
        self.window.post(Event(pygame.MOUSEBUTTONUP, pos=self.geometry.cell_centre(cell), button=1))
        return self.frames()

    def wait_for(self, is_so, seconds=20):
        deadline = time.monotonic() + seconds
        while not is_so() and time.monotonic() < deadline:
            self.frames()
            time.sleep(0.001)
        assert is_so()
        return self

    @property
    def controls(self):
        return self.app.controls

    @property
    def state(self):
        return self.app.snapshot.state

    @property
    def ink(self):
        return self.state[..., -1]

    @property
    def sha256(self):
        return digest(self.simulation.moment().state)

    @property
    def where(self):
        return self.simulation.episode, self.simulation.step, self.sha256


@pytest.fixture(scope="module")
def warm_simulation(small_config):
    from nca_viewer.checkpoint import build_model
    from nca_viewer.selftest import fixed_parameters

    config = replace(small_config, state_limit=1.0)
    simulation = Simulation(build_model(config, fixed_parameters(config)), seed=11)
    simulation.warm_up(explained=True, experiments=True)
    return simulation


def fresh(simulation, image):
    simulation.listeners.clear()
    simulation.stop_steps, simulation.seed, simulation.episode = 0, 11, 0
    simulation.experiments = Experiments()
    simulation.begin(image, 0.0)


@pytest.fixture
def make_bench(warm_simulation, tmp_path):
    def make(start="digit", size=SIZE, change=lambda session: session, window=None):
        starts = StartImages(warm_simulation.config, 11)
        fresh(warm_simulation, starts.blank() if start == "blank" else starts.digit(3, 1))
        session = change(Session(warm_simulation, starts, 0.5, "a test"))
        window = window or HeadlessWindow(size)
        app = open_app(
            window,
            Loaded(session),
            KioskConfig(seed=11),
            screenshot_folder=tmp_path,
            load=lambda load: Loaded(load(lambda stage: None)),
        )
        return Bench(app, window, session)

    return make


@pytest.fixture
def bench(make_bench):
    """Some steps, a wound, more steps; paused."""
    bench = make_bench().frames(4)
    bench.touch((5, 6), button=3).frames(3)
    return bench.key(pygame.K_SPACE, " ").frames()


@pytest.fixture
def blank(make_bench):
    return make_bench("blank").frames().key(pygame.K_SPACE, " ").frames().do(Reset())


# ------------------------------------------------------------------------- mouse and keyboard, alone


@pytest.fixture
def asked(monkeypatch):
    """What was asked for of encoders and the clipboard, in place of it."""
    told = []
    monkeypatch.setattr(ClipRecorder, "save_last", lambda recorder: told.append("clip"))
    monkeypatch.setattr(ClipRecorder, "start", lambda recorder: told.append("recording"))
    monkeypatch.setattr(desktop.OwnStarts, "paste", lambda starts, text: told.append("paste"))
    return told


def wounded(make_bench, page):
    bench = make_bench(size=(460, 420)).frames()
    if page:
        bench.app.controls = replace(bench.controls, panel_visible=True, page=page)
    return bench.key(pygame.K_SPACE, " ").touch((5, 4), button=3)


@pytest.mark.parametrize("page", ["", *PAGES])
def test_every_button_does_the_same_by_mouse_and_by_keyboard(make_bench, asked, tmp_path, page):
    def outcome(way, action):
        bench = wounded(make_bench, page)
        asked.clear()
        before = len(list(tmp_path.iterdir()))
        way(bench, action)
        bench.frames()
        files = len(list(tmp_path.iterdir())) - before
        return bench.controls, bench.where, as_json(bench.simulation.experiments), tuple(asked), files

    bench = wounded(make_bench, page)
    found = [button.action for button in bench.buttons()]
    if page:  # Those of the bar are tried with the panel closed.
        bar = [kind.action for kind in BUTTONS if kind.action is not None]
        found = found[len(bar) :]
    assert len(found) >= 3
    idle = outcome(lambda bench, action: bench.frames(), None)
    keys = {binding.action for binding in BINDINGS}
    for action in found:
        if action in (Scrub(), actions.NextModel()):  # Where it is pressed counts; it takes seconds.
            continue
        if isinstance(action, actions.PlayDemo) and action.name is not None:
            continue
        if page != PAGES[0] and isinstance(action, ShowPage) and action != ShowPage(page):
            continue  # The tabs of the other pages are the same on each.
        by_mouse = outcome(Bench.click, action)
        assert by_mouse == outcome(Bench.focus, action), action
        if action in keys:
            assert by_mouse == outcome(Bench.do, action), action
        is_idle = action in (
            ShowPage(page),
            Redo(),  # Nothing was undone.
            StepBack(-10),  # Nothing is ahead.
            ChangeChannel(-1),
            EndExperiments(),
            ShowTile(None),
            actions.PlayDemo(None),  # None is shown.
            ShowView("image"),
            actions.SelectTool(Tool.PAINT),
            ChangeExperiment("noise", -1),
            actions.NextTile(1),  # The image has no tiles.
            actions.NextTile(-1),
        )
        assert (by_mouse == idle) == is_idle, action


MEANT_BY_THE_MOUSE = {
    actions.Stroke: "a press on the picture",
    actions.KillStroke: "the same, while the brush kills",
    actions.UseCursor: "a press on the picture",
    actions.MoveCursor: "a motion",
    actions.FocusButton: "a press on the button",
    actions.PressFocused: "a press on the button",
    actions.SeekTick: "a press on the bar of the past",
    actions.Dismiss: "a press on the words beside the help, the button for fullscreen",
    actions.Quit: "the window's own button",
    actions.NextPage: "the tabs",
    actions.TogglePanel: "a button",
}
MEANT_BY_KEYS = {
    actions.Stroke: "X",
    actions.KillStroke: "X, while the brush kills",
    actions.SeekTick: "Left, Right, PageUp, PageDown",
    actions.Scrub: "Left, Right, PageUp, PageDown",
}
NO_HAND = {
    actions.RunOn: "an exhibit's",
    actions.SwitchLanguage: "an exhibit's",
    actions.Operate: "an exhibit's",
    actions.LetGo: "a record's",
    actions.BeginWith: "of a dropped or pasted picture",
    actions.Nothing: "nothing",
}


def test_the_keyboard_alone_can_do_all_and_so_can_the_mouse(make_bench):
    buttons = {kind.action for kind in BUTTONS if kind.action is not None}
    bench = make_bench().frames()
    for page in PAGES:
        bench.app.controls = replace(bench.controls, panel_visible=True, page=page)
        bench.frames(2)
        buttons |= {button.action for button in bench.buttons()}
    assert buttons >= {kind.action for _, kinds in MORE for kind in kinds}
    keys = {binding.action for binding in BINDINGS}

    no_button = {action for action in keys - buttons if type(action) not in MEANT_BY_THE_MOUSE}
    assert no_button == set()
    # Whatever is a button can be chosen and pressed by the keyboard.
    reachable = {type(action) for action in keys | buttons} | set(MEANT_BY_KEYS)
    assert {kind for kind in get_args(actions.Action) if kind not in reachable} == set(NO_HAND)
    for tile in (ShowTile(0), ShowTile(3)):
        assert tile not in buttons  # Z enlarges them one after the other, a click at once.
    assert {actions.NextTile(1), actions.NextTile(-1)} <= keys


def test_the_mouse_that_hid_the_status_bar_can_show_it_again(bench):
    bench.do(actions.TogglePanel()).click(ShowPage("more")).click(actions.ToggleHud())
    assert not bench.controls.hud_visible
    assert actions.TogglePanel() not in [button.action for button in bench.buttons()]
    bench.click(actions.ToggleHud())
    assert bench.controls.hud_visible


# ------------------------------------------------------------------------------------- the past


def test_undo_redo_and_steps_back_are_exact(bench):
    wounded = bench.where
    bench.do(Undo())
    before = bench.where
    assert before[1] < wounded[1]
    bench.do(Redo())
    assert bench.where == wounded
    bench.do(StepBack(), StepBack())
    assert bench.simulation.step == wounded[1] - 2
    assert bench.controls.paused
    bench.do(StepOnce(), StepOnce())
    assert bench.where == wounded
    bench.do(StepOnce())
    assert bench.simulation.step == wounded[1] + 1
    bench.do(StepBack(10))
    assert bench.simulation.step == 0
    bench.do(StepBack(-10))
    assert bench.simulation.step == wounded[1] + 1


@pytest.mark.parametrize("action", [StepBack(), StepBack(10)])
def test_a_step_back_from_the_oldest_moment_brings_no_undone_stroke_back(make_bench, action):
    bench = make_bench("blank").frames(2).key(pygame.K_SPACE, " ").frames()
    bench.app.face.panes.timeline.begin_anew()
    before = bench.where
    bench.touch((2, 2))
    assert bench.where != before
    bench.do(Undo())
    assert bench.where == before
    bench.do(action)
    assert bench.where == before
    bench.do(Redo())
    assert bench.where != before


def test_what_a_record_goes_back_to_has_the_figures_that_it_had(make_bench):
    bench = make_bench("digit").frames(30).key(pygame.K_SPACE, " ").frames()
    before, moment = bench.app.face.panes.pointed.healing, bench.simulation.moment()
    bench.key(pygame.K_SPACE, " ").touch((5, 4)).frames(10)
    assert bench.app.face.panes.pointed.healing.error_damaged != before.error_damaged
    bench.simulation.restore(moment)  # As a replay does, without a hand on the timeline.
    bench.key(pygame.K_SPACE, " ").frames()
    after = bench.app.face.panes.pointed.healing
    assert (after.error_before, after.error_damaged) == (before.error_before, before.error_damaged)
    assert not after.is_damage


def test_there_is_nothing_to_redo_where_steps_forward_led_as_far(bench):
    wounded = bench.where
    bench.do(Undo())
    assert Redo() not in idle(bench)
    while bench.where != wounded:
        bench.do(StepOnce())
    assert Redo() in idle(bench)
    bench.do(StepBack(), Redo())
    assert bench.simulation.step == wounded[1] - 1


def test_the_jump_leads_to_just_before_the_last_damage(bench):
    bench.touch((2, 2))  # Ink is no damage.
    bench.do(StepOnce(), BeforeDamage())
    jumped = bench.where
    bench.do(Undo())
    assert bench.controls.paused
    assert jumped[1] == 4


def test_undo_brings_back_what_was_before_a_restart(bench):
    before = bench.where
    bench.do(Reset())
    assert bench.simulation.step == 0
    bench.do(Undo())
    assert bench.where == before
    bench.do(NewDigit(7))
    assert bench.simulation.episode == 2
    bench.do(Undo())
    assert bench.where == before


def test_scrubbing_follows_the_pointer_until_it_is_let_go(bench):
    bench.do(actions.TogglePanel()).click(ShowPage("charts"))
    newest = bench.where
    bar = pygame.Rect(next(b.rectangle for b in bench.buttons() if b.action == Scrub()))
    bench.window.post(Event(pygame.MOUSEBUTTONDOWN, pos=bar.midright, button=1))
    bench.window.post(Event(pygame.MOUSEBUTTONUP, pos=bar.midright, button=1))
    bench.frames()
    positions = [(bar.left + 1, bar.centery), bar.center, (bar.left + 1, 0), (bar.right - 1, 3)]
    bench.window.post(Event(pygame.MOUSEBUTTONDOWN, pos=positions[0], button=1))
    seen = []
    for position in positions:
        bench.window.post(Event(pygame.MOUSEMOTION, pos=position, rel=(0, 0), buttons=(1, 0, 0)))
        bench.frames(2)
        seen.append(bench.simulation.step)
    assert seen[0] == seen[2] == 0
    assert 0 < seen[1] < newest[1]
    assert bench.where == newest
    bench.window.post(Event(pygame.MOUSEBUTTONUP, pos=positions[-1], button=1))
    bench.window.post(Event(pygame.MOUSEMOTION, pos=positions[0], rel=(0, 0), buttons=(0, 0, 0)))
    bench.frames(2)
    assert bench.where == newest


@pytest.mark.parametrize("is_paused", [True, False])
@pytest.mark.parametrize("hand", ["mouse", "mouse that goes on", "finger"])
def test_a_click_on_the_bar_scrubs_however_short_and_the_present_step_is_told(
    make_bench, monkeypatch, hand, is_paused
):
    bench = make_bench().frames(20)
    if is_paused:
        bench.key(pygame.K_SPACE, " ")
    bench.do(actions.TogglePanel()).click(ShowPage("charts"))
    newest = bench.simulation.step
    told, draw = [], ScrubBar.draw
    monkeypatch.setattr(
        ScrubBar,
        "draw",
        lambda *given, **more: told.append((more["step"], more["hover"])) or draw(*given, **more),
    )
    bar = pygame.Rect(next(b.rectangle for b in bench.buttons() if b.action == Scrub()))
    x, y = bar.left + bar.width // 4, bar.centery
    if hand == "finger":
        place = {"x": x / SIZE[0], "y": y / SIZE[1], "dx": 0, "dy": 0, "finger_id": 1, "touch_id": 7}
        bench.window.post(Event(pygame.FINGERDOWN, **place))
        bench.window.post(Event(pygame.FINGERUP, **place))
    else:
        bench.window.post(Event(pygame.MOUSEMOTION, pos=(x, y), rel=(0, 0), buttons=(0, 0, 0)))
        bench.window.post(Event(pygame.MOUSEBUTTONDOWN, pos=(x, y), button=1))
        bench.window.post(Event(pygame.MOUSEBUTTONUP, pos=(x, y), button=1))
    if hand == "mouse that goes on":
        bench.window.post(Event(pygame.MOUSEMOTION, pos=(3, 3), rel=(0, 0), buttons=(0, 0, 0)))
    bench.frames(2)
    step = bench.simulation.step
    assert 0 < step < newest / 2
    assert told[-1] == (step, None)
    bench.key(pygame.K_SPACE, " ").frames(3)
    assert bench.simulation.step > step
    assert told[-1] == (bench.app.snapshot.step, None)
    bench.window.post(Event(pygame.MOUSEMOTION, pos=bar.midright, rel=(0, 0), buttons=(0, 0, 0)))
    bench.window.post(Event(pygame.MOUSEMOTION, pos=(bar.left + 1, y), rel=(0, 0), buttons=(0, 0, 0)))
    bench.frames()
    assert told[-1] == (bench.app.snapshot.step, (0, 0))


@pytest.mark.parametrize("way", ["wipe", "go back and wipe", "clear", "clear, paint and wipe"])
def test_a_page_that_hands_wiped_is_lost_and_one_that_began_blank_is_not(
    make_bench, statuses, monkeypatch, way
):
    bench = make_bench().frames(20).key(pygame.K_SPACE, " ").frames()
    simulation = bench.simulation
    if way == "go back and wipe":
        bench.do(StepBack(), StepBack(), StepBack())
    if "clear" in way:
        bench.do(actions.Clear())
    if "paint" in way:
        bench.touch((5, 6))
    if "wipe" in way:
        for text in "]" * 20:
            bench.key(ord(text), text)
        bench.window.post(Event(pygame.MOUSEBUTTONDOWN, pos=bench.geometry.cell_centre((0, 0)), button=3))
        for cell in ((0, 12), (5, 12), (5, 0), (10, 0), (10, 12)):
            pixel = bench.geometry.cell_centre(cell)
            bench.window.post(Event(pygame.MOUSEMOTION, pos=pixel, rel=(0, 0), buttons=(0, 0, 1)))
        bench.window.post(Event(pygame.MOUSEBUTTONUP, pos=pixel, button=3))
        bench.frames()
    assert not bench.app.snapshot.image.any()
    monkeypatch.setattr(  # These cells do not bring anything back.
        simulation, "advance", lambda steps: setattr(simulation, "step", simulation.step + steps)
    )
    bench.key(pygame.K_SPACE, " ").frames(STILL_STEPS + 2)
    assert statuses[-1].is_ruined == ("clear" not in way)


def test_slow_motion_is_an_eighth_and_told(make_bench, statuses):
    bench = make_bench().frames(3)
    before = bench.simulation.step
    bench.do(ToggleSlowMotion()).frames(31)
    assert bench.simulation.step == before + 4
    assert statuses[-1].speed == bench.controls.speed / 8
    bench.do(ToggleSlowMotion()).frames(7)
    assert bench.simulation.step == before + 12


# ------------------------------------------------------------------------------------- views


def test_each_view_has_its_key_and_the_cycle_leads_through_all(bench):
    state = bench.state
    for view in VIEWS:
        bench.key(ord(view.key), view.key).frames()
        assert VIEW_NAMES[bench.controls.view] == view.name
    bench.do(ShowView("image"))
    seen = []
    for _ in VIEWS:
        bench.do(actions.NextView(1))
        seen.append(VIEW_NAMES[bench.controls.view])
    assert seen == [*VIEW_NAMES[1:], "image"]
    bench.do(actions.NextView(-1))
    assert VIEW_NAMES[bench.controls.view] == VIEW_NAMES[-1]
    assert (bench.state == state).all()


def tiles_of(count):
    return mosaic(np.zeros((count, *GRID, 3), np.uint8), [""] * count)


@pytest.mark.parametrize("view", MOSAICS)
def test_tiles_are_enlarged_by_a_click_and_by_z(blank, view):
    count = blank.simulation.config.channel_size if view == "channels" else 2
    blank.do(ShowView(view))
    state = blank.state
    image, tiles = tiles_of(count)
    placed = blank.geometry.of_image(*image.shape[:2])
    for tile in tiles:
        blank.click_pixel(placed.cell_centre((tile.top + 5, tile.left + 6)))
        assert blank.controls.tile == tile.number
        blank.do(ShowView(view))
    assert blank.controls.tile is None
    seen = []
    for _ in range(count + 1):
        blank.do(actions.NextTile(1))
        seen.append(blank.controls.tile)
    assert seen == [*range(count), None]
    blank.do(actions.NextTile(-1))
    assert blank.controls.tile == count - 1
    assert (blank.state == state).all()


@pytest.mark.parametrize("view", VIEW_NAMES)
def test_the_hint_says_what_a_click_does_in_a_view(blank, statuses, view):
    blank.do(ShowView(view)).frames()
    if view in MOSAICS:
        assert hints_for(statuses[-1])[0].startswith("Click a tile: enlarge it")
        blank.do(actions.NextTile(1)).frames()
    assert hints_for(statuses[-1]) == brush_hints(Tool.PAINT)


@pytest.mark.parametrize("view", VIEW_NAMES)
def test_painting_works_in_views_of_one_grid_and_never_in_mosaics(blank, view):
    region = disc_region((5, 6), 1, *GRID)
    blank.do(ShowView(view)).touch((5, 6))
    if view in MOSAICS:
        assert (blank.ink == 0).all()
        tile = blank.controls.tile
        blank.do(ShowView(view)).key(pygame.K_x, "x").frames()
        blank.key(pygame.K_RIGHT, "", pygame.KMOD_LSHIFT).key(pygame.K_x, "x").frames()
        assert (blank.ink == 0).all()
        blank.do(actions.NextTile(1)).touch((5, 6))
        assert tile is not None or blank.controls.tile == 0
    assert ((blank.ink == 1) == region).all()


def test_a_stroke_that_goes_on_ends_where_a_mosaic_comes(blank):
    blank.key(ord("["), "[").frames().hold((3, 3))
    blank.do(ShowView("channels"))
    blank.window.post(
        Event(pygame.MOUSEMOTION, pos=blank.geometry.cell_centre((8, 8)), rel=(0, 0), buttons=(1, 0, 0))
    )
    blank.frames(2)
    assert list(zip(*np.nonzero(blank.ink), strict=True)) == [(3, 3)]


def test_a_press_on_words_and_panel_changes_no_cell(make_bench):
    bench = make_bench("blank", size=(460, 420)).frames()
    # A demo that is pressed comes later.
    bench.app.face._next._load = lambda load: type("Endless", (), {"stage": "", "poll": lambda self: None})()
    bench.key(pygame.K_SPACE, " ").frames().do(Reset())
    for _ in range(14):
        bench.key(ord("]"), "]")
    bench.frames()
    geometry = bench.geometry
    for is_help_open in (False, True):
        for page in ("", *PAGES):
            for view in ("difference", "image"):
                bench.app.controls = replace(
                    bench.controls,
                    view=VIEW_NAMES.index(view),
                    panel_visible=bool(page),
                    page=page or PAGES[0],
                    help_visible=is_help_open,
                )
                bench.frames()
                geometry = bench.geometry
                held = bench.controls
                parts = (geometry.bar_rectangle, geometry.caption_rectangle, geometry.panel_rectangle)
                for part in map(pygame.Rect, parts):
                    if not part.width * part.height:
                        continue
                    for pixel in (
                        (part.left + 1, part.top + 1),
                        part.center,
                        (part.right - 2, part.bottom - 2),
                    ):
                        bench.click_pixel(pixel)
                        assert (bench.ink == 0).all(), (page, view, pixel)
                        bench.app.controls = replace(held, fullscreen=False)
                        bench.do(Reset())


def test_help_is_closed_by_a_press_beside_the_picture(blank):
    blank.do(actions.ToggleHelp())
    blank.click_pixel((5, SIZE[1] - 5))
    assert not blank.controls.help_visible


@pytest.mark.parametrize("size", [(460, 420), (900, 960), (300, 301), (97, 89), (64, 64)])
def test_every_view_and_page_is_drawn_in_a_window_of_any_size(make_bench, size):
    bench = make_bench(size=size).frames(2)
    bench.app.session = replace(bench.app.session)
    for page in PAGES:
        for view in range(len(VIEWS)):
            bench.app.controls = replace(bench.controls, panel_visible=True, page=page, view=view)
            bench.frames()
            room = pygame.Rect(bench.geometry.panel_rectangle)
            bar = pygame.Rect(bench.geometry.bar_rectangle)
            for button in bench.buttons():
                rectangle = pygame.Rect(button.rectangle)
                assert room.contains(rectangle) or bar.contains(rectangle), button
    for hidden in ("hud_visible", "panel_visible"):
        bench.app.controls = replace(bench.controls, **{hidden: False})
        bench.frames()
    bench.do(actions.ToggleHelp()).frames(2)


def test_no_button_lies_on_another(make_bench):
    for size in ((460, 420), (900, 960), (1280, 800)):
        bench = make_bench(size=size).frames(2)
        for page in PAGES:
            bench.app.controls = replace(bench.controls, panel_visible=True, page=page, view=7)
            bench.frames(2)
            rectangles = [pygame.Rect(button.rectangle) for button in bench.buttons()]
            for number, rectangle in enumerate(rectangles):
                assert rectangle.collidelist(rectangles[number + 1 :]) < 0, (size, page, number)
            assert len(rectangles) >= 23


def message_of(bench):
    return bench.app.message.text if bench.app.message else ""


def idle(bench):
    return {button.action for button in bench.buttons() if button.is_idle}


@pytest.mark.parametrize("way", ["click", "key"])
def test_undo_and_redo_are_dim_where_there_is_nothing_and_tell_so(make_bench, way):
    bench = make_bench("blank").frames(2).key(pygame.K_SPACE, " ").frames()
    bench.app.face.panes.timeline.begin_anew()
    do = bench.click if way == "click" else bench.do
    before = bench.where
    assert {Undo(), Redo(), StepBack()} <= idle(bench)
    for action, told in (
        (Undo(), "There is nothing to undo"),
        (Redo(), "There is nothing to redo"),
        (StepBack(), "There is no earlier step that is remembered"),
    ):
        do(action)
        assert message_of(bench) == told
        assert bench.where == before
    bench.touch((5, 6)).frames()
    assert not {Undo()} & idle(bench)
    assert Redo() in idle(bench)
    do(Undo()).frames()
    assert Redo() not in idle(bench)
    do(Redo()).frames()
    assert Redo() in idle(bench)
    assert Undo() not in idle(bench)


@pytest.mark.parametrize(
    ("page", "action", "told"),
    [
        ("charts", Redo(), "There is nothing to redo"),
        ("charts", StepBack(-10), "There is no later step; run on"),
        ("charts", BeforeDamage(), "There is no damage to go back before"),
        ("experiments", EndExperiments(), "There is no experiment to end"),
        ("experiments", ChangeExperiment("noise", -1), "The noise goes no further"),
        ("experiments", ChangeChannel(-1), "This is the first channel"),
        ("demos", actions.PlayDemo(None), "No demo is shown"),
        ("more", actions.NextTile(1), "This view has no tiles"),
        ("more", ShowTile(None), "This view has no tiles"),
        ("inspector", PinCell(), "Point at a cell first"),
    ],
)
def test_a_button_that_can_do_nothing_is_dim_and_tells_why(make_bench, page, action, told):
    bench = make_bench().frames(2).key(pygame.K_SPACE, " ").frames()
    bench.do(actions.TogglePanel())
    bench.click(ShowPage(page)).frames()
    assert action in idle(bench)
    bench.click(action).frames()
    assert message_of(bench) == told


def test_experiments_that_can_be_changed_and_ended_are_not_dim(make_bench):
    bench = make_bench().frames(2).do(actions.TogglePanel())
    bench.click(ShowPage("experiments")).frames()
    assert ChangeExperiment("noise", 1) not in idle(bench)
    bench.click(ToggleKilling()).frames()
    assert EndExperiments() not in idle(bench)
    bench.click(EndExperiments()).frames()
    assert not message_of(bench)
    assert not bench.controls.killing
    assert EndExperiments() in idle(bench)


def test_the_ends_of_speed_and_brush_are_told(bench):
    for action, told in (
        (actions.ChangeSpeed(-1), "This is the lowest speed"),
        (actions.ChangeSpeed(1), "This is the highest speed"),
        (actions.ChangeRadius(-1), "This is the smallest brush"),
        (actions.ChangeRadius(1), "This is the largest brush"),
    ):
        while action not in idle(bench):
            bench.click(action)
            assert message_of(bench) != told
        bench.click(action)
        assert message_of(bench) == told


@pytest.mark.parametrize("tool", list(Tool))
def test_the_hint_follows_the_tool_that_is_chosen_and_the_brush_that_kills(blank, statuses, tool):
    blank.click(actions.SelectTool(tool)).frames()
    assert hints_for(statuses[-1]) == brush_hints(tool)
    blank.hold((5, 6))
    assert hints_for(statuses[-1]) == brush_hints(tool)
    blank.let_go((5, 6))
    blank.do(actions.TogglePanel()).click(ShowPage("experiments")).frames().click(ToggleKilling()).frames()
    assert hints_for(statuses[-1]) == brush_hints(tool, killing=True)


# ------------------------------------------------------------------------------------- the panel


def test_the_panel_opens_turns_its_pages_and_closes(bench):
    bench.do(actions.TogglePanel())
    seen = [bench.controls.page]
    for _ in PAGES:
        bench.do(actions.NextPage())
        seen.append(bench.controls.page)
    assert seen == [*PAGES, PAGES[0]]
    for page in PAGES:
        bench.click(ShowPage(page))
        assert bench.controls.page == page
    width = bench.geometry.panel_width
    assert width > 0
    bench.do(actions.TogglePanel())
    assert bench.geometry.panel_width == 0


def test_a_cell_is_kept_by_middle_click_by_k_and_by_button(bench):
    bench.do(actions.TogglePanel())
    bench.touch((4, 2), button=2)
    assert bench.controls.pinned_cell == (4, 2)
    bench.do(PinCell())
    assert bench.controls.pinned_cell is None
    position = bench.geometry.cell_centre((7, 3))
    bench.window.post(Event(pygame.MOUSEMOTION, pos=position, rel=(0, 0), buttons=(0, 0, 0)))
    bench.frames().do(PinCell())
    assert bench.controls.pinned_cell == (7, 3)
    bench.do(PinCell())
    bench.window.post(Event(pygame.MOUSEMOTION, pos=position, rel=(0, 0), buttons=(0, 0, 0)))
    bench.frames().click(PinCell())
    assert bench.controls.pinned_cell == (7, 3)  # Where the pointer was before it went to the button.
    bench.click(PinCell())
    assert bench.controls.pinned_cell is None


def test_a_cell_is_kept_in_a_mosaic_where_it_is_seen(bench):
    bench.do(actions.TogglePanel(), ShowView("attention"))
    image, tiles = tiles_of(2)
    placed = bench.geometry.of_image(*image.shape[:2])
    position = placed.cell_centre((tiles[1].top + 8, tiles[1].left + 3))
    bench.window.post(Event(pygame.MOUSEMOTION, pos=position, rel=(0, 0), buttons=(0, 0, 0)))
    bench.frames().do(PinCell())
    assert bench.controls.pinned_cell == (8, 3)


def test_the_story_is_told_and_ends(bench):
    bench.do(actions.TogglePanel()).touch((4, 2), button=2).frames(2)
    still = bench.window.pixels().copy()
    bench.click(ToggleStory())
    assert bench.controls.story
    bench.frames(60)
    assert (bench.window.pixels() != still).any()
    bench.focus(ToggleStory())
    assert not bench.controls.story


def test_redo_shows_the_samples_of_the_branch_that_it_returns_to(bench):
    def shown():
        return {sample.tick: sample.error for sample in bench.app.face.panes.pointed.series.samples}

    bench.touch((2, 3), button=3).do(*[StepOnce()] * 4)
    before = shown()
    for _ in range(2):
        bench.do(Undo(), actions.TogglePause(), actions.TogglePause())
    branch = shown()
    assert max(branch) < max(before)
    assert any(branch[tick] != before[tick] for tick in branch)
    bench.do(Redo())
    assert shown() != before
    bench.do(Redo()).frames(2)
    assert shown() == before
    bench.do(StepBack(), StepBack(-10))
    assert shown() == before
    bench.do(Undo(), actions.TogglePause()).touch((8, 8), button=3).do(actions.TogglePause(), Redo())
    assert max(shown()) < max(before)


def test_the_table_of_the_chart_has_a_row_per_step(bench, tmp_path):
    bench.do(actions.TogglePanel()).click(ShowPage("charts")).click(SaveChart())
    (path,) = tmp_path.glob("*.csv")
    assert str(path) in bench.app.message.text
    rows = path.read_text().splitlines()
    assert len(rows) > bench.simulation.step


# ------------------------------------------------------------------------------------- the keyboard's brush


def test_the_keyboards_brush_draws_a_stroke_while_x_is_held(blank):
    blank.key(ord("["), "[").frames()
    blank.key(pygame.K_RIGHT, "", pygame.KMOD_LSHIFT).frames()  # It appears in the middle.
    blank.key(pygame.K_LEFT, "", pygame.KMOD_LSHIFT).frames()
    assert (blank.ink == 0).all()
    blank.key(pygame.K_x, "x", is_released=False).frames()
    for code in (pygame.K_RIGHT, pygame.K_RIGHT, pygame.K_DOWN):
        blank.key(code, "", pygame.KMOD_LSHIFT).frames()
    blank.window.post(Event(pygame.KEYUP, key=pygame.K_x, mod=0))
    blank.key(pygame.K_DOWN, "", pygame.KMOD_LSHIFT).frames()
    assert list(zip(*np.nonzero(blank.ink), strict=True)) == [(5, 5), (5, 6), (5, 7), (6, 7)]
    blank.do(Undo())
    assert (blank.ink == 0).all()


# ------------------------------------------------------------------------------------- experiments


@pytest.mark.parametrize(
    ("wanted", "expected", "told"),
    [
        (ToggleHead(1), Experiments(muted_heads=[1]), "muted: head 1"),
        (ToggleNeighbour(0), Experiments(neighbours=[False] + [True] * 8), "not seen: NW"),
        (ChangeExperiment("rate", 1), Experiments(update_rate=0.75), "75% of cells fire"),
        (ChangeExperiment("noise", 1), Experiments(noise_std=0.01), "noise 0.01"),
        (ChangeExperiment("step size", -1), Experiments(step_size_factor=0.75), "step size x 0.75"),
        (ToggleChannel(0, "zero"), Experiments(zeroed_channels=[0]), "zero: channel 0"),
        (ToggleChannel(0, "freeze"), Experiments(frozen_channels=[0]), "frozen: channel 0"),
    ],
)
def test_experiments_act_are_told_and_end(make_bench, statuses, wanted, expected, told):
    bench = make_bench().frames(2).do(actions.TogglePanel()).click(ShowPage("experiments"))
    bench.key(pygame.K_SPACE, " ").frames().frames()
    simulation = bench.simulation
    assert simulation.config.cell_dropout_rate == 0.5
    start = simulation.moment()
    bench.do(StepOnce())
    plain = bench.sha256
    simulation.restore(start)
    bench.frames().click(wanted).frames()
    assert as_json(simulation.experiments) == as_json(expected)
    assert told in statuses[-1].tells
    bench.do(StepOnce(), StepOnce())
    first = bench.where
    assert told in statuses[-1].tells
    simulation.restore(replace(start, experiments=None))
    simulation.experiments = expected
    simulation.advance(2)
    assert bench.where == first
    bench.click(EndExperiments()).frames()
    assert simulation.experiments.is_neutral
    assert statuses[-1].tells == ()
    simulation.restore(start)
    bench.frames().do(StepOnce())
    assert bench.sha256 == plain


def test_each_channel_can_be_held(bench):
    bench.do(actions.TogglePanel()).click(ShowPage("experiments")).frames()
    for _ in range(5):
        bench.click(ChangeChannel(1))
    bench.click(ToggleChannel(5, "zero")).frames()
    bench.do(StepOnce())
    assert bench.simulation.experiments.zeroed_channels == {5}
    assert (bench.state[..., 5] == 0).all()
    assert (bench.state[..., 4] != 0).any()


def test_cells_are_killed_under_the_brush_and_undo_brings_them_back(bench, statuses):
    bench.do(actions.TogglePanel()).click(ShowPage("experiments")).click(ToggleKilling())
    assert "the brush kills cells" in statuses[-1].tells
    state = bench.state.copy()
    bench.hold((5, 6)).frames(5).let_go((5, 6)).frames()
    region = disc_region((5, 6), 1, *GRID)
    assert (bench.simulation.experiments.dead_cells == region).all()
    assert f"{region.sum()} dead cells" in statuses[-1].tells
    bench.do(StepOnce())
    assert (bench.state[region] == 0).all()
    bench.do(Undo())  # One mark, however long the brush rested.
    assert bench.simulation.experiments.is_neutral
    assert (bench.state == state).all()
    bench.click(EndExperiments())
    assert not bench.controls.killing


@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize("rest", [0, 3])
def test_one_undo_takes_back_a_whole_stroke_that_kills(make_bench, is_running, rest):
    bench = make_bench().frames(4).do(actions.TogglePause())
    bench.do(actions.TogglePanel()).click(ShowPage("experiments")).click(ToggleKilling())
    before = bench.where
    if is_running:
        bench.do(actions.TogglePause())
    bench.hold((5, 2))
    for column in range(3, 10):
        position = bench.geometry.cell_centre((5, column))
        bench.window.post(Event(pygame.MOUSEMOTION, pos=position, rel=(9, 0), buttons=(1, 0, 0)))
        bench.frames(1 + rest)
    bench.let_go((5, 9)).frames(2)
    assert bench.simulation.experiments.dead_cells[5, 2:10].all()
    bench.do(Undo())
    assert bench.simulation.experiments.is_neutral
    if not is_running:
        assert bench.where == before
    bench.do(Redo())
    assert bench.simulation.experiments.dead_cells[5, 2:10].all()


def test_the_keyboards_brush_kills_in_one_stroke_while_x_is_held(bench):
    bench.do(actions.TogglePanel()).click(ShowPage("experiments")).click(ToggleKilling())
    bench.key(pygame.K_RIGHT, "", pygame.KMOD_LSHIFT).frames()  # The brush appears.
    bench.key(pygame.K_x, "x", is_released=False).frames(5)
    for _ in range(3):
        bench.key(pygame.K_RIGHT, "", pygame.KMOD_LSHIFT).frames(4)
    bench.window.post(Event(pygame.KEYUP, key=pygame.K_x, mod=0))
    bench.frames(2)
    assert bench.simulation.experiments.dead_cells[5, 6:10].all()
    bench.do(Undo())
    assert bench.simulation.experiments.is_neutral


@pytest.mark.parametrize(
    ("experiments", "told"),
    [
        (Experiments(step_size_factor=2.0), "step size x 2"),
        (Experiments(noise_std=0.5, muted_heads=[1]), "muted: head 1, noise 0.5"),
        (Experiments(update_rate=0.05), "5% of cells fire"),
    ],
)
def test_experiments_that_blow_up_again_and_again_are_named_with_the_key_that_ends_them(
    bench, experiments, told
):
    def blow_up():
        bench.simulation.apply(Tool.PAINT, np.ones(GRID, bool), np.nan)
        bench.frames(2)
        return bench.app.message.text

    bench.simulation.experiments = experiments
    for _ in range(2):
        assert "blew up at step" in blow_up()
    assert blow_up() == f"Ctrl+E ends all experiments: it blew up 3 times under {told}"
    bench.do(EndExperiments()).frames()
    assert bench.simulation.experiments.is_neutral
    for _ in range(4):  # Of the plain automaton there is nothing to end.
        assert "blew up at step" in blow_up()
    bench.simulation.experiments = experiments
    assert "blew up at step" in blow_up()


# ------------------------------------------------------------------------------------- files


def test_clips_and_recordings(bench, asked):
    bench.do(SaveClip())
    assert asked == ["clip"]
    bench.do(ToggleRecording())
    assert asked == ["clip", "recording"]


def test_a_clip_is_written(bench, tmp_path):
    bench.do(SaveClip()).frames()
    assert bench.app.message.text == "Saving the last 20 seconds ..."
    bench.wait_for(lambda: bench.app.message is not None and bench.app.message.text.startswith("Saved"), 60)
    (path,) = tmp_path.iterdir()
    assert str(path) in bench.app.message.text


def test_a_dropped_and_a_pasted_picture_are_starts(bench, tmp_path, monkeypatch):
    picture = np.zeros((GRID[0] * 4, GRID[1] * 4), np.uint8)
    picture[12:32, 20:32] = 255
    path = tmp_path / "own.png"
    Image.fromarray(picture).save(path)
    episode = bench.simulation.episode
    bench.window.post(Event(pygame.DROPFILE, file=str(path)))
    bench.wait_for(lambda: bench.simulation.episode == episode + 1)
    image = bench.simulation.moment().image
    assert image.max() == 1
    bench.do(Undo())
    assert bench.simulation.episode == episode
    monkeypatch.setattr(desktop, "clipboard_text", lambda: str(path))
    monkeypatch.setattr("nca_viewer.own_starts.clipboard_picture", lambda: None)
    bench.do(PastePicture())
    bench.wait_for(lambda: bench.simulation.episode == episode + 1)
    assert (bench.simulation.moment().image == image).all()
    bench.window.post(Event(pygame.DROPFILE, file=str(tmp_path / "nothing.png")))
    bench.wait_for(lambda: bench.app.message is not None and bench.app.message.is_error)
    assert bench.simulation.episode == episode + 1


@pytest.fixture
def loading_app(warm_simulation, tmp_path, monkeypatch):
    """An app whose session is not there before `bench()`, and a picture, light and dark on grey."""
    picture = np.full((GRID[0] * 4, GRID[1] * 4), 102, np.uint8)
    picture[12:32, 20:32] = 255
    Image.fromarray(picture).save(tmp_path / "own ä.png")
    monkeypatch.setattr("nca_viewer.own_starts.clipboard_picture", lambda: None)

    def make(**options):
        fresh(warm_simulation, StartImages(warm_simulation.config, 11).digit(3, 1))
        session = Session(warm_simulation, StartImages(warm_simulation.config, 11), 0.5, "a test")
        window, ready = HeadlessWindow(SIZE), []

        class Slow:
            stage = "compiling"

            def poll(self):
                return session if ready else None

        config = KioskConfig(seed=11, **options)
        app = open_app(window, Slow(), config, screenshot_folder=tmp_path)
        app.frame()

        def bench():
            ready.append(True)
            return Bench(app, window, session)

        return app, window, bench

    return make


@pytest.mark.parametrize("way", ["path", "uri", "text", "paste"])
def test_a_picture_that_comes_while_it_loads_is_the_start(loading_app, tmp_path, monkeypatch, way):
    path = tmp_path / "own ä.png"
    app, window, begin = loading_app()
    monkeypatch.setattr(desktop, "clipboard_text", lambda: str(path))
    window.post(
        {
            "path": Event(pygame.DROPFILE, file=str(path)),
            "uri": Event(pygame.DROPFILE, file=path.as_uri()),
            "text": Event(pygame.DROPTEXT, text=path.as_uri()),
            "paste": Event(pygame.KEYDOWN, key=pygame.K_v, unicode="\x16", mod=pygame.KMOD_LCTRL),
        }[way]
    )
    app.frame()
    assert app.message.text == "The picture is the start as soon as the automaton lives"
    bench = begin()
    bench.wait_for(lambda: bench.simulation.episode == 2)
    assert (bench.simulation.moment().image == own_start(path, bench.simulation.config).image).all()
    bench.frames(5)
    assert bench.simulation.episode == 2


def test_what_is_no_picture_is_told_when_the_automaton_lives(loading_app, tmp_path):
    app, window, begin = loading_app()
    window.post(Event(pygame.DROPFILE, file=str(tmp_path / "nothing.png")))
    app.frame()
    bench = begin()
    bench.wait_for(lambda: app.message is not None and app.message.is_error)
    assert bench.simulation.episode == 1


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_start_as_is_is_for_pictures_that_come_later_too(loading_app, tmp_path, monkeypatch, way):
    path = tmp_path / "own ä.png"
    _, window, begin = loading_app(start_as_is=True)
    bench = begin().frames(2)
    monkeypatch.setattr(desktop, "clipboard_text", lambda: str(path))
    if way == "drop":
        window.post(Event(pygame.DROPFILE, file=str(path)))
    else:
        bench.do(PastePicture())
    bench.wait_for(lambda: bench.simulation.episode == 2)
    image = bench.simulation.moment().image
    assert image[0, 0] == pytest.approx(0.4, abs=0.01)
    assert (image == own_start(path, bench.simulation.config, as_is=True).image).all()


def test_of_files_that_are_dropped_together_the_first_counts(bench, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(np.eye(30, dtype=np.uint8) * 255).save(tmp_path / name)
    episode = bench.simulation.episode
    for name in ("a.png", "b.png", "c.png"):
        bench.window.post(Event(pygame.DROPFILE, file=str(tmp_path / name)))
    bench.wait_for(lambda: bench.simulation.episode == episode + 1)
    bench.frames(2)
    assert bench.app.message.text.startswith("a.png: of 3 files the first")
    assert bench.simulation.episode == episode + 1


def test_the_clipboard_is_asked_without_a_screen():
    assert isinstance(desktop.clipboard_text(), str)


# ------------------------------------------------------------------------------------- records


def recorded(session, path):
    recorder = Recorder(
        RecordFile(path), session.simulation, checkpoint="t", checkpoint_sha256=SHA, environment={}
    )
    return replace(session, recorder=recorder)


def replayed(session, path):
    replay = Replay(read_record(path), session.simulation, checkpoint_sha256=SHA)
    return replace(session, replay=replay)


@pytest.fixture
def record(make_bench, tmp_path):
    """A record with hands, experiments and cues, and where it ended."""
    path = tmp_path / "run.jsonl"
    bench = make_bench(size=(460, 420), change=lambda session: recorded(session, path)).frames(3)
    recorder = bench.session.recorder
    recorder.cue(Caption("Here is a wound.", 3.0))
    recorder.cue(ShowView("damage"))
    recorder.cue(Inspect((4, 2)))
    bench.touch((5, 6), button=3).frames(5)
    bench.do(actions.TogglePanel()).click(ShowPage("experiments")).click(ToggleHead(0)).frames(4)
    bench.do(StepBack(), StepBack(), StepBack(), actions.TogglePause())
    for text in "====":
        bench.key(ord(text), text)
    bench.frames(8)
    bench.click(EndExperiments()).frames(3)
    bench.do(NewDigit(4)).frames(3)
    bench.touch((2, 2)).frames(3)
    recorder.close()
    return path, bench.where


@pytest.mark.parametrize("speed_keys", ["", "====", "-"])
def test_a_record_is_replayed_bit_for_bit_through_the_window(make_bench, record, speed_keys):
    path, end = record
    bench = make_bench("blank", (460, 420), lambda session: replayed(session, path))
    for text in speed_keys:
        bench.key(ord(text), text)
    replay = bench.session.replay
    frames = 0
    seen = []
    while not replay.is_over and frames < 3000:
        bench.frames()
        frames += 1
        seen.append((bench.controls.page, bench.controls.pinned_cell, VIEW_NAMES[bench.controls.view]))
    assert replay.is_over
    assert bench.where == end
    assert ("inspector", (4, 2), "damage") in seen
    bench.frames()
    assert replay.difference is None
    assert f"{replay.checks} states compared, all as recorded" in bench.app.message.text
    assert replay.checks >= 2
    bench.frames(20)
    assert bench.simulation.step > end[1]


def test_captions_stay_until_the_next_one_and_are_counted(make_bench, record):
    bench = make_bench("blank", (460, 420), lambda session: replayed(session, record[0]))
    bench.frames(3)
    drawn = []
    draw = desktop.draw_banner
    desktop.draw_banner = lambda *given: drawn.append(given[-2:]) or draw(*given)
    try:
        bench.frames(4)
        assert set(drawn) == {("Here is a wound.", "1 of 1")}
        assert bench.geometry.banner_height > 0
        drawn.clear()
        bench.key(pygame.K_SPACE, " ").frames(185)
        assert len(drawn) >= 185
    finally:
        desktop.draw_banner = draw


@pytest.mark.parametrize(
    "hand",
    [
        lambda bench: bench.touch((1, 1)),
        lambda bench: bench.do(NewDigit(2)),
        lambda bench: bench.do(Undo()),
        lambda bench: bench.do(StepBack()),
        lambda bench: bench.click(ShowPage("experiments")).click(ToggleHead(1)),  # The record opened it.
    ],
)
def test_hands_take_over_a_replay(make_bench, record, hand):
    bench = make_bench("blank", (460, 420), lambda session: replayed(session, record[0])).frames(6)
    hand(bench)
    bench.frames(2)
    assert bench.session.replay.is_over
    assert bench.session.replay.difference is None
    assert not bench.app.message.is_error


def test_a_replay_is_told_until_hands_end_it(make_bench, record, statuses):
    bench = make_bench("blank", (460, 420), lambda session: replayed(session, record[0])).frames(4)
    assert statuses[-1].tells[0] == "replay"
    assert "hands on the cells end it" in hints_for(statuses[-1])[0]
    bench.do(ShowView("channels")).frames()
    assert not any("paints" in hint or "enlarge" in hint for hint in hints_for(statuses[-1]))
    bench.do(NewDigit(2)).frames()
    assert "replay" not in statuses[-1].tells
    assert not any("end it" in hint for hint in hints_for(statuses[-1]))


def test_looking_about_does_not_take_over_a_replay(make_bench, record):
    bench = make_bench("blank", (460, 420), lambda session: replayed(session, record[0])).frames(4)
    bench.do(ShowView("channels"), actions.TogglePanel(), actions.TogglePause(), StepOnce(), StepOnce())
    bench.do(actions.TogglePause()).frames(3)
    assert not bench.session.replay.is_over


class LivingWindow(HeadlessWindow):
    """One whose clock runs, as a real one's does; here it is the sum of all waiting."""

    has_real_time = True


@pytest.mark.parametrize(
    ("hand", "steps"),
    [
        (lambda bench: bench.do(StepOnce()), 1),
        (lambda bench: bench.key(pygame.K_n, "n").frames(), 1),
        (lambda bench: bench.do(StepBack(-10)), 10),
        (lambda bench: bench.do(actions.TogglePause(), actions.TogglePause()).frames(20), 1),
    ],
)
def test_keys_of_time_answer_while_a_record_waits_to_be_read(make_bench, record, monkeypatch, hand, steps):
    monkeypatch.setattr(Simulation, "is_busy", False)
    bench = make_bench(
        "blank", (460, 420), lambda session: replayed(session, record[0]), window=LivingWindow((460, 420))
    )
    bench.frames(60)
    simulation = bench.simulation
    before = simulation.step
    bench.frames(20)
    assert simulation.step == before  # It waits: two seconds and a half have not passed.
    hand(bench)
    assert simulation.step - before == steps if steps > 1 else simulation.step > before
    assert not bench.session.replay.is_over
    assert bench.session.replay.difference is None


def test_a_step_passes_the_words_that_come_before_it(make_bench, tmp_path):
    path = tmp_path / "said.jsonl"
    bench = make_bench(change=lambda session: recorded(session, path)).frames(2)
    for text in ("One.", "Two.", "Three."):
        bench.session.recorder.cue(Caption(text, 3.0))
    bench.frames(3)
    bench.session.recorder.close()
    bench = make_bench("blank", change=lambda session: replayed(session, path)).do(actions.TogglePause())
    before = bench.simulation.step
    for number in range(1, 4):
        bench.do(StepOnce())
        assert bench.simulation.step == before + number


@pytest.mark.parametrize("do", ["check", "end"])
def test_a_replay_that_differs_is_told(make_bench, record, do):
    from nca_viewer.recording import lines

    path, _ = record
    checksum, content = 0, b""
    for values in map(json.loads, path.read_bytes().splitlines()):
        values.pop("sum")
        if values.get("do") == do:
            values["sha256"] = "00" * 32
        line, checksum = lines.seal(values, checksum)
        content += line
    path.write_bytes(content)
    bench = make_bench("blank", (460, 420), lambda session: replayed(session, path))
    bench.key(ord("="), "=").key(ord("="), "=")
    for _ in range(400):
        bench.frames()
        if bench.app.message is not None and bench.app.message.is_error:
            break
    assert "differs from its record" in bench.app.message.text
    assert "expected 000000000000" in bench.app.message.text


# ------------------------------------------------------------------------------------- demos


@pytest.fixture
def a_demo(warm_simulation, make_bench, tmp_path, monkeypatch):
    """A short one of the automaton that runs; it is the only one."""
    from nca_viewer.checkpoint import build_model, load_checkpoint, save_checkpoint
    from nca_viewer.selftest import fixed_parameters

    config, checkpoint, path = warm_simulation.config, tmp_path / "automaton", tmp_path / "demo.jsonl"
    save_checkpoint(checkpoint, build_model(config, fixed_parameters(config)), config, {"metrics": {}})
    bench = make_bench()
    recorder = Recorder(
        RecordFile(path),
        bench.simulation,
        checkpoint=str(checkpoint),
        checkpoint_sha256=load_checkpoint(checkpoint)[1].sha256,
        environment={},
        title="A wound",
    )
    recorder.cue(Caption("Here is a wound.", 3.0))
    recorder.cue(ShowView("damage"))
    recorder.cue(Inspect((4, 2)))
    bench.frames(3).touch((5, 6), button=3).frames(5)
    recorder.close()
    demos.cache_clear()
    for room in ("demos", "display.shown_session"):
        monkeypatch.setattr(f"nca_viewer.{room}.demo_files", lambda: {"wound": path})
    yield path
    demos.cache_clear()


PLAY, BACK = actions.PlayDemo("wound"), actions.PlayDemo(None)


def at_demos(bench):
    """The page of demos, with a wound, a view, a kept cell and a pause of one's own."""
    bench.frames(3).touch((2, 3), button=3).frames(2).do(ShowView("difference"), actions.TogglePanel())
    bench.touch((7, 3), button=2).key(pygame.K_SPACE, " ").frames().click(ShowPage("demos"))
    assert bench.controls.paused
    return bench


@pytest.mark.parametrize("way", [Bench.click, Bench.focus])
def test_a_demo_is_shown_at_once_and_leads_back_to_ones_own(make_bench, a_demo, statuses, way):
    bench = at_demos(make_bench())
    own, controls, where, series = bench.app.session, bench.controls, bench.where, bench.app.face.panes
    assert [b.label for b in bench.buttons() if isinstance(b.action, actions.PlayDemo)] == [
        "A wound",
        "back to your own",
    ]
    way(bench, PLAY)
    bench.frames()
    replay = bench.app.session.replay
    assert bench.app.session.own is own
    assert not bench.controls.paused
    assert "A wound" in bench.app.message.text
    assert "replay" in statuses[-1].tells
    seen = []
    for _ in range(3000):
        if bench.app.session is own:
            break
        bench.frames()
        seen.append((bench.controls.page, bench.controls.pinned_cell, VIEW_NAMES[bench.controls.view]))
        assert bench.where == where
    assert ("inspector", (4, 2), "damage") in seen
    assert replay.is_complete
    assert replay.difference is None
    assert f"{replay.checks} states compared, all as recorded; here is your own" in bench.app.message.text
    bench.frames()
    assert "replay" not in statuses[-1].tells
    assert (bench.controls, bench.where) == (controls, where)
    assert bench.app.face.panes is series
    bench.do(Undo())
    assert bench.where != where
    bench.do(Redo())
    assert bench.where == where


@pytest.mark.parametrize("is_taken_over", [False, True])
def test_a_demo_that_hands_end_leads_back_too(make_bench, a_demo, is_taken_over):
    bench = at_demos(make_bench())
    own, where = bench.app.session, bench.where
    bench.click(PLAY).frames(4)
    if is_taken_over:
        bench.touch((2, 2)).frames(3)
        assert "the page of demos leads back to your own" in bench.app.message.text
        bench.frames(200)
    assert bench.app.session.own is own
    bench.click(ShowPage("demos")).click(BACK).frames()
    assert (bench.app.session, bench.where) == (own, where)
    assert bench.controls.page == "demos"
    bench.click(BACK)
    assert bench.app.message.text == "No demo is shown"


def test_a_demo_after_a_demo_leads_back_to_ones_own(make_bench, a_demo):
    bench = at_demos(make_bench())
    own, controls, where = bench.app.session, bench.controls, bench.where
    bench.click(PLAY).frames(3)
    first = bench.app.session
    bench.click(ShowPage("demos")).click(PLAY).frames(2)
    assert bench.app.session is not first
    assert bench.app.session.own is own
    bench.do(actions.NextModel())
    assert "A demo is of one model; the page of demos leads back" in bench.app.message.text
    bench.click(ShowPage("demos")).click(BACK).frames(2)
    assert (bench.app.session, bench.controls, bench.where) == (own, controls, where)


def test_back_from_a_demo_waits_for_nothing_that_is_loading(make_bench, a_demo):
    bench = make_bench().frames(2)
    own = bench.app.session
    loading = NextSession(lambda load: SimpleNamespace(stage="loading", poll=lambda: None))
    shown = replace(bench.app.face.shown, session=replace(own, own=own))
    loading.begin_demo("wound", shown.session)
    assert loading.poll(shown) is None
    assert loading.begin_demo(None, shown.session) == "Here is your own again"
    assert loading.poll(shown) == (own, "")


def test_an_experiment_that_was_asked_for_before_a_demo_takes_hold_after_it(make_bench, a_demo, monkeypatch):
    bench = make_bench().frames(2).do(actions.TogglePanel()).click(ShowPage("experiments"))
    ready = [False]
    monkeypatch.setattr(Simulation, "are_experiments_ready", property(lambda self: ready[0]))
    bench.click(ToggleHead(1)).click(ShowPage("demos")).click(PLAY).frames()
    ready[0] = True
    bench.frames(3)
    assert bench.app.session.simulation.experiments.is_neutral
    bench.click(ShowPage("demos")).click(BACK).frames(2)
    assert bench.simulation.experiments.muted_heads == {1}


def test_what_is_written_at_the_end_is_ones_own_and_not_a_demos(make_bench, a_demo, tmp_path):
    from nca_viewer.saved_states import load_state

    bench = at_demos(make_bench())
    path = tmp_path / "state.npz"
    bench.click(PLAY).frames(4)
    bench.app.session.end(ViewerConfig(save_state=path))
    moment = load_state(path, bench.simulation.config, "").moment
    assert (moment.episode, moment.step, digest(moment.state)) == bench.where


def test_pictures_that_are_kept_are_ones_own_and_not_a_demos(make_bench, a_demo):
    bench = at_demos(make_bench())
    kept = []
    bench.app._on_snapshot = lambda snapshot, image: kept.append(snapshot)
    bench.frames(2)
    count = len(kept)
    assert count > 0
    bench.click(PLAY).frames(1)
    count = len(kept)
    bench.frames(5)
    assert len(kept) == count


@pytest.mark.parametrize("content", [b"", b"{}\n", None])
def test_a_damaged_demo_is_told_and_what_runs_goes_on(make_bench, a_demo, content):
    if content is None:
        a_demo.unlink()
    else:
        a_demo.write_bytes(content)
    bench = at_demos(make_bench())
    session = bench.app.session
    assert "wound" in [button.label for button in bench.buttons()]
    bench.click(PLAY).frames()
    assert bench.app.message.is_error
    assert "demo.jsonl" in bench.app.message.text
    assert bench.app.session is session


# ------------------------------------------------------------------------------------- the claims


@pytest.fixture(scope="module")
def looking_simulation(small_config):
    """Heads that look left, right, up and down by their positions; nothing ever changes."""
    from nca_viewer.checkpoint import build_model
    from nca_viewer.selftest import fixed_parameters

    config = replace(
        small_config,
        channel_size=12,
        num_heads=4,
        hidden_size=16,
        position_embedding_size=2,
        projection_size=3,
    )
    tree = fixed_parameters(config)
    quarter = np.arange(13) * np.pi / 2
    tree["perceive"]["position_embed"]["embedding"] = np.stack(
        [np.cos(quarter), np.sin(quarter)], axis=1
    ).astype(np.float32)
    attention = tree["perceive"]["attention"]
    query, key = (np.zeros((7, 4, 4), np.float32) for _ in range(2))

    def turned(cells):
        angle = cells * np.pi / 2
        return 40 * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    for head, (row, column) in enumerate(OFFSETS):
        query[3:5, head, :2], query[5:7, head, 2:] = turned(row), turned(column)
        key[3:7, head] = np.eye(4)
    attention["query"] = {"kernel": query, "bias": np.zeros((4, 4), np.float32)}
    attention["key"] = {"kernel": key, "bias": np.zeros((4, 4), np.float32)}
    for name in ("kernel", "bias"):
        layers = tree["update"]["layers"]
        last = layers["1"] if isinstance(layers, dict) else layers[1]
        last[name] = np.zeros_like(last[name])
    simulation = Simulation(build_model(config, tree), seed=1)
    simulation.warm_up(explained=True)
    return simulation


OFFSETS = ((0, -1), (0, 1), (-1, 0), (1, 0))


def tile_colours(bench, tiles, image_shape, tile, rows):
    """What the window shows of a tile, in the middle of each cell of some rows: uint8[rows, W, 3]."""
    placed = bench.geometry.of_image(*image_shape[:2])
    pixels = bench.window.pixels()
    tile = tiles[tile]
    colours = []
    for row in rows:
        centres = [placed.cell_centre((tile.top + row, tile.left + column)) for column in range(GRID[1])]
        colours.append([pixels[y, x] for x, y in centres])
    return np.array(colours)


@pytest.fixture
def looking(looking_simulation, tmp_path):
    simulation = looking_simulation
    fresh(simulation, StartImages(simulation.config, 11).digit(3, 1))
    session = Session(simulation, StartImages(simulation.config, 11), 0.5, "a test")
    window = HeadlessWindow(SIZE)
    app = open_app(window, Loaded(session), KioskConfig(seed=11), screenshot_folder=tmp_path)
    return Bench(app, window, session).frames(3)


def test_heads_that_look_left_right_up_and_down_are_shown_so(looking):
    looking.do(ShowView("attention")).frames(2)
    image, tiles = tiles_of(4)
    for head, (row, column) in enumerate(OFFSETS):
        expected = direction_colours(np.float32([row]), np.float32([column]))[0]
        shown = tile_colours(looking, tiles, image.shape, head, range(5, 10))[:, 1:-1]
        assert np.abs(shown.astype(int) - expected).max() <= 1, head
    (view,) = looking.app.face.panes.views(looking.controls)
    assert [tile.label for tile in view.tiles] == [
        f"head {n}: {name}" for n, name in enumerate(("west", "east", "north", "south"))
    ]
    looking.do(ShowView("entropy")).frames(2)
    shown = tile_colours(looking, tiles, image.shape, 2, range(5, 10))[:, 1:-1]
    assert np.ptp(shown.reshape(-1, 3).astype(int), axis=0).max() <= 1


def test_a_pattern_in_channel_7_is_in_tile_7_and_nowhere_else(looking):
    simulation = looking.simulation
    pattern = np.add.outer(np.arange(GRID[0]), np.arange(GRID[1])) % 3 == 0
    state = np.zeros(simulation.config.state_shape, np.float32)
    state[..., 7][pattern] = 0.8
    simulation.restore(replace(simulation.moment(), state=state))
    looking.do(ShowView("channels")).frames(2)
    image, tiles = tiles_of(12)
    rows = range(5, 11)
    for channel in range(11):
        shown = tile_colours(looking, tiles, image.shape, channel, rows).astype(int)
        if channel != 7:
            assert np.ptp(shown.reshape(-1, 3), axis=0).max() == 0, channel
            continue
        inside, outside = shown[pattern[5:]], shown[~pattern[5:]]
        assert np.ptp(inside, axis=0).max() == np.ptp(outside, axis=0).max() == 0
        assert np.abs(inside[0] - outside[0]).max() > 50
