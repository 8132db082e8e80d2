"""An exhibit through the real loop, with the window in memory: exact cells; nothing visitors could break."""

import dataclasses
import itertools
import time

import numpy as np
import pygame
import pytest
from pygame.event import Event

from nca_viewer.checkpoint import build_model
from nca_viewer.display.window import HeadlessWindow
from nca_viewer.errors import DEBUG_VARIABLE, CheckpointError, ConfigError
from nca_viewer.interaction.actions import SelectTool, Tool
from nca_viewer.interaction.bindings import find_binding
from nca_viewer.interaction.strokes import disc_region, stroke_region
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.kiosk.visit import Phase
from nca_viewer.kiosk.visitor_buttons import VISITOR_ACTIONS, VISITOR_BUTTONS
from nca_viewer.launch import open_app
from nca_viewer.loading import BackgroundLoading, Loaded, Session
from nca_viewer.selftest import fixed_parameters
from nca_viewer.simulation import Simulation
from nca_viewer.start_images import StartImages

SIZE = (640, 400)
FRAMES_PER_SECOND = 20
SILENT_SCRIPT = "wait 600\n"


class Hall:
    """An exhibit, and hands on it. Steps are held back, so that only hands change cells."""

    def __init__(self, app, window, simulation):
        self.app, self.window, self.simulation = app, window, simulation

    def frames(self, count=1):
        for _ in range(count):
            self.app.frame()
        return self

    def seconds(self, seconds):
        return self.frames(round(seconds * FRAMES_PER_SECOND))

    @property
    def facts(self):
        return self.app.face.facts

    @property
    def ink(self):
        return self.app.snapshot.state[..., -1] == 1

    @property
    def layout(self):
        config = self.simulation.config
        return self.app.face.layout(self.window.surface.get_size(), (config.height, config.width))

    def cell(self, cell):
        return self.layout.geometry.cell_centre(cell)

    def button(self, name, *, page=False):
        buttons = dict(self.layout.page_buttons if page else self.layout.buttons)
        left, top, width, height = buttons[name]
        return left + width // 2, top + height // 2

    def finger(self, kind, pixel, number=1):
        width, height = self.window.surface.get_size()
        place = {"x": (pixel[0] + 0.5) / width, "y": (pixel[1] + 0.5) / height}
        self.window.post(Event(kind, finger_id=number, touch_id=1, dx=0, dy=0, **place))
        return self

    def down(self, pixel, number=1):
        return self.finger(pygame.FINGERDOWN, pixel, number)

    def move(self, pixel, number=1):
        return self.finger(pygame.FINGERMOTION, pixel, number)

    def up(self, pixel, number=1):
        return self.finger(pygame.FINGERUP, pixel, number)

    def tap(self, pixel):
        return self.down(pixel).frames().up(pixel).frames()

    def key(self, code, text="", mod=0):
        self.window.post(
            Event(pygame.KEYDOWN, key=code, unicode=text, mod=mod), Event(pygame.KEYUP, key=code, mod=mod)
        )
        return self.frames()

    def hold_keys(self, seconds):
        for code in (pygame.K_LCTRL, pygame.K_LSHIFT, pygame.K_q):
            self.window.post(Event(pygame.KEYDOWN, key=code, unicode="", mod=0))
        self.seconds(seconds)
        for code in (pygame.K_LCTRL, pygame.K_LSHIFT, pygame.K_q):
            self.window.post(Event(pygame.KEYUP, key=code, mod=0))
        return self.frames()


@pytest.fixture(scope="module")
def warm_simulation(simulation_of):
    return simulation_of(11)


@pytest.fixture
def open_hall(warm_simulation, tmp_path, monkeypatch):
    def make(script=SILENT_SCRIPT, *, loading=None, reload=None, blank=True, **options):
        path = tmp_path / "attract.txt"
        path.write_text(script)
        config = KioskConfig(
            exhibit=True,
            attract_script=path,
            idle_seconds=options.pop("idle_seconds", 20.0),
            brush_radius_cells=options.pop("brush_radius_cells", 0),
            frames_per_second=FRAMES_PER_SECOND,
            **options,
        )
        simulation = warm_simulation
        simulation.episode = 0
        starts = StartImages(simulation.config, 11)
        simulation.begin(starts.blank() if blank else starts.digit(3, 1), 0.0)
        monkeypatch.setattr(simulation, "advance", lambda steps: None)
        window = HeadlessWindow(SIZE)
        exhibit = Session(simulation, starts, 0.5, "a test")
        app = open_app(window, loading or Loaded(exhibit), config, screenshot_folder=tmp_path, reload=reload)
        # What is drawn is easier to tell from what was there; an exhibit begins with the eraser.
        assert app.controls.tool is Tool.ERASE
        app.controls = dataclasses.replace(app.controls, tool=Tool.PAINT)
        return Hall(app, window, simulation)

    return make


@pytest.fixture
def hall(open_hall):
    return open_hall().frames()


# ---------------------------------------------------------------------------------------- visitors


def test_the_first_touch_hands_over_and_acts_in_its_own_frame(hall):
    assert hall.facts.phase is Phase.ATTRACT
    hall.down(hall.cell((4, 5))).frames()
    assert hall.facts.phase is Phase.VISITOR
    assert list(zip(*np.nonzero(hall.ink), strict=True)) == [(4, 5)]


def test_the_first_touch_takes_the_ghost_s_hand_away(open_hall):
    hall = open_hall("hand draw 4,5 96,5 in 60\n").seconds(3)
    drawn = hall.ink.sum()
    assert hall.facts.ghost.is_down
    assert drawn > 0
    hall.down(hall.cell((9, 9))).frames()
    assert hall.ink.sum() == drawn + 1
    hall.up(hall.cell((9, 9))).seconds(2)
    assert hall.ink.sum() == drawn + 1


def test_ten_fingers_draw_ten_lines(hall):
    for number in range(10):
        hall.down(hall.cell((number, 0)), number)
    hall.frames()
    assert hall.ink.sum() == 10
    for number in range(10):
        hall.move(hall.cell((number, 12)), number)
    hall.frames()
    assert hall.ink[:10].all()
    assert not hall.ink[10].any()
    assert hall.facts.strokes == 0
    for number in range(10):
        hall.up(hall.cell((number, 12)), number)
    hall.frames()
    hall.simulation.apply(Tool.ERASE, np.ones(hall.ink.shape, bool))
    hall.frames(2)
    assert not hall.ink.any()


def test_a_touch_that_is_reported_as_a_mouse_too_is_one_touch(hall):
    pixel = hall.button("new_digit")
    hall.window.post(Event(pygame.MOUSEBUTTONDOWN, pos=pixel, button=1))
    hall.down(pixel).frames()
    hall.window.post(Event(pygame.MOUSEBUTTONUP, pos=pixel, button=1))
    hall.up(pixel).frames(5)
    assert hall.simulation.episode == 2


def test_the_buttons_do_what_they_say(hall):
    hall.down(hall.cell((4, 4))).move(hall.cell((4, 8))).up(hall.cell((4, 8))).frames()
    assert hall.ink.sum() == 5
    hall.tap(hall.button("erase")).tap(hall.cell((4, 6)))
    assert hall.ink.sum() == 4
    hall.tap(hall.button("scramble")).tap(hall.cell((9, 9)))
    assert (hall.app.snapshot.state[9, 9] != 0).all()
    hall.tap(hall.button("draw")).tap(hall.cell((4, 6)))
    assert hall.ink.sum() == 5
    episode = hall.simulation.episode
    hall.tap(hall.button("new_digit"))
    assert hall.simulation.episode == episode + 1
    assert (hall.app.snapshot.state[..., -1] > 0).any()


@pytest.mark.parametrize("name", VISITOR_BUTTONS)
def test_no_button_is_dead_and_none_stops_time_for_good(open_hall, name):
    hall = open_hall(languages=("de", "nl")).frames()

    def facts():
        return hall.app.controls, hall.simulation.episode, hall.facts.language

    tool = Tool.ERASE if VISITOR_BUTTONS[name] == SelectTool(Tool.PAINT) else Tool.PAINT
    hall.app.controls = dataclasses.replace(hall.app.controls, tool=tool)
    before = facts()
    hall.tap(hall.button(name)).frames(3)
    assert facts() != before, "an exhibit cannot do what this button asks for"
    hall.tap(hall.button(name)).frames(3)
    assert not hall.app.controls.paused


def test_the_language_button_is_there_only_if_there_is_another(open_hall):
    assert "language" not in dict(open_hall().frames().layout.buttons)
    hall = open_hall(languages=("de", "nl")).frames()
    hall.tap(hall.button("language"))
    assert hall.facts.language == "nl"
    hall.tap(hall.button("language"))
    assert hall.facts.language == "de"


def test_keys_of_tools_digits_and_reset_are_live(hall):
    hall.key(pygame.K_e, "e")
    assert hall.app.controls.tool is Tool.ERASE
    hall.key(pygame.K_7, "7")
    assert hall.simulation.episode == 2
    hall.down(hall.cell((0, 0))).frames()
    hall.up(hall.cell((0, 0))).key(pygame.K_r, "r")
    assert hall.simulation.episode == 2


def test_nothing_else_on_a_keyboard_does_anything(hall):
    hall.tap(hall.cell((4, 4)))
    before = (hall.app.controls, hall.simulation.episode)
    for code, text, mod in (
        (pygame.K_q, "", pygame.KMOD_LCTRL),
        (pygame.K_o, "", pygame.KMOD_LCTRL),
        (pygame.K_F4, "", pygame.KMOD_LALT),
        (pygame.K_F11, "", 0),
        (pygame.K_ESCAPE, "\x1b", 0),
        (pygame.K_SPACE, " ", 0),
        (pygame.K_RIGHT, "", 0),
        (pygame.K_DELETE, "", 0),
        (pygame.K_TAB, "\t", 0),
        (pygame.K_h, "h", 0),
        (pygame.K_v, "v", 0),
        (pygame.K_g, "g", 0),
        (pygame.K_F2, "", 0),
        (pygame.K_RIGHTBRACKET, "]", 0),
        (pygame.K_EQUALS, "=", 0),
    ):
        binding = find_binding(code, text, shift=False, control=bool(mod & pygame.KMOD_CTRL))
        if binding is None or not isinstance(binding.action, VISITOR_ACTIONS):
            hall.key(code, text, mod)
            assert (hall.app.controls, hall.simulation.episode) == before, pygame.key.name(code)
    hall.window.post(Event(pygame.QUIT), Event(pygame.WINDOWCLOSE), Event(pygame.MOUSEWHEEL, x=0, y=3))
    hall.frames(3)
    assert not hall.app.is_over
    assert (hall.app.controls, hall.simulation.episode) == before


def test_a_stroke_ends_with_the_focus_and_begins_anew_only_with_a_touch(hall):
    hall.down(hall.cell((4, 4))).frames()
    hall.window.post(Event(pygame.WINDOWFOCUSLOST))
    hall.move(hall.cell((4, 9))).frames(3)
    assert hall.ink.sum() == 1
    hall.up(hall.cell((4, 9))).tap(hall.cell((9, 9)))
    assert hall.ink.sum() == 2


@pytest.mark.parametrize("count", [1000, 5000])
def test_a_flood_of_events_in_one_frame_is_drawn_and_survived(hall, count):
    generator = np.random.default_rng(3)
    corners = generator.integers(0, (11, 13), (count, 2))
    expected = disc_region(tuple(corners[0]), 0, 11, 13)
    hall.down(hall.cell(tuple(corners[0])))
    for start, end in itertools.pairwise(corners):
        hall.move(hall.cell(tuple(end)))
        expected |= stroke_region(tuple(start), tuple(end), 0, 11, 13)
    hall.frames()
    assert (hall.ink == expected).all()


def test_any_events_at_all_are_survived(hall):
    generator = np.random.default_rng(5)
    kinds = [
        pygame.FINGERDOWN,
        pygame.FINGERMOTION,
        pygame.FINGERUP,
    ]
    for _ in range(60):
        for _ in range(generator.integers(0, 40)):
            pixel = generator.integers(-200, 900, 2)
            hall.finger(kinds[generator.integers(3)], pixel, int(generator.integers(12)))
        hall.window.post(
            Event(pygame.JOYAXISMOTION, instance_id=1, axis=int(generator.integers(6)), value=1.0),
            Event(pygame.JOYBUTTONDOWN, instance_id=1, button=int(generator.integers(20))),
            Event(pygame.JOYDEVICEREMOVED, instance_id=int(generator.integers(3))),
            Event(pygame.USEREVENT),
            Event(pygame.DROPFILE, file="/etc/passwd"),
        )
        hall.frames()
    assert not hall.app.is_over


def test_a_gamepad_paints_with_its_reticle(hall):
    hall.window.post(Event(pygame.JOYBUTTONDOWN, instance_id=0, button=0))
    hall.frames()
    assert list(zip(*np.nonzero(hall.ink), strict=True)) == [(5, 6)]
    assert hall.facts.phase is Phase.VISITOR


# ---------------------------------------------------------------------------------------- nobody


def test_left_alone_it_counts_down_then_shows_itself_with_a_fresh_digit(hall):
    hall.tap(hall.button("scramble"))
    hall.seconds(10.2)
    assert hall.facts.phase is Phase.COUNTDOWN
    assert 9 < hall.facts.countdown_seconds < 10
    hall.tap(hall.cell((4, 4)))
    assert hall.facts.phase is Phase.VISITOR
    episode = hall.simulation.episode
    hall.seconds(20.2)
    assert hall.facts.phase is Phase.ATTRACT
    assert hall.simulation.episode == episode + 1
    assert hall.app.controls.tool is Tool.ERASE
    assert hall.facts.visits == 1


def test_the_attract_loop_draws_exactly_its_line_with_its_own_brush(open_hall):
    hall = open_hall("hand draw 4,5 96,5 in 2 radius 0\nwait 600\n", brush_radius_cells=2).seconds(5)
    assert (hall.ink == stroke_region((0, 0), (0, 12), 0, 11, 13)).all()


def test_a_finger_that_never_lets_go_does_not_paint_for_the_next_visitor(hall):
    hall.down(hall.cell((4, 4)), 1).seconds(21)
    assert hall.facts.phase is Phase.ATTRACT
    before = hall.app.snapshot.state.copy()
    hall.seconds(2)
    assert (hall.app.snapshot.state == before).all()
    hall.down(hall.button("draw"), 2).frames().up(hall.button("draw"), 2).frames()
    hall.down(hall.cell((9, 9)), 2).frames().up(hall.cell((9, 9)), 2).frames()
    changed = (hall.app.snapshot.state != before).any(axis=2)
    assert list(zip(*np.nonzero(changed), strict=True)) == [(9, 9)]


def test_devices_that_chatter_keep_nobody_s_visit_alive(hall):
    hall.tap(hall.cell((4, 4)))
    for frame in range(21 * FRAMES_PER_SECOND):
        hall.window.post(
            Event(pygame.MOUSEMOTION, pos=(300 + frame % 3, 200), rel=(1, 0), buttons=(0, 0, 0)),
            Event(pygame.JOYAXISMOTION, instance_id=0, axis=0, value=0.1 * (frame % 2)),
            Event(pygame.KEYDOWN, key=pygame.K_7, unicode="7", mod=0),
        )
        hall.frames()
    assert hall.facts.phase is Phase.ATTRACT
    assert hall.facts.visits == 1


# ---------------------------------------------------------------------------------------- the operator


def test_the_hold_opens_the_page_its_buttons_work_and_visitors_draw_nothing_under_it(hall):
    hall.hold_keys(2.5)
    assert hall.facts.phase is Phase.ATTRACT
    hall.hold_keys(3.2)
    assert hall.facts.phase is Phase.OPERATOR
    hall.tap(hall.cell((4, 4)))
    assert not hall.ink.any()
    hall.tap(hall.button("resume", page=True))
    assert hall.facts.phase is Phase.VISITOR
    assert not hall.app.is_over
    hall.hold_keys(3.2).tap(hall.button("quit", page=True))
    assert hall.app.is_over


def test_four_fingers_at_rest_open_it_too(hall):
    for number in range(4):
        hall.down(hall.cell((number, 3 * number)), number)
    hall.seconds(3.2)
    assert hall.facts.phase is Phase.OPERATOR


@pytest.mark.parametrize(
    ("options", "phase", "is_over"),
    [
        ({"operator_exit": "quit"}, Phase.ATTRACT, True),
        ({"operator_exit": "none"}, Phase.ATTRACT, False),
        ({"operator_hold": "fingers"}, Phase.ATTRACT, False),
        ({"operator_hold": "keys"}, Phase.OPERATOR, False),
    ],
)
def test_the_policy_is_the_operator_s(open_hall, options, phase, is_over):
    hall = open_hall(**options).frames().hold_keys(3.2)
    assert (hall.facts.phase, hall.app.is_over) == (phase, is_over)


def test_the_page_reloads_the_checkpoint_while_the_exhibit_goes_on(open_hall, small_model):
    loaded = []

    def load(report):
        simulation = Simulation(small_model, seed=12)
        simulation.warm_up()
        starts = StartImages(simulation.config, 12)
        simulation.begin(starts.digit(5, 1), 0.0)
        loaded.append(Session(simulation, starts, 0.5, "another"))
        return loaded[0]

    hall = open_hall(reload=lambda: BackgroundLoading(load)).frames()
    hall.hold_keys(3.2).tap(hall.button("reload", page=True))
    assert "Loading" in hall.app.face.note[0]
    deadline = time.monotonic() + 120
    while hall.app.face.is_reloading and time.monotonic() < deadline:
        hall.frames()
        time.sleep(0.001)
    hall.frames(2)
    assert hall.app.session is loaded[0]
    assert hall.app.face.note == ("Loaded", False)
    assert hall.app.snapshot.step > 0


def test_another_grid_may_be_reloaded_under_a_hand(open_hall, small_config, monkeypatch):
    monkeypatch.setenv(DEBUG_VARIABLE, "1")  # Then no error is passed over.
    config = dataclasses.replace(small_config, height=small_config.width + 2, width=small_config.height)
    simulation = Simulation(build_model(config, fixed_parameters(config)), seed=12)
    simulation.warm_up()
    starts = StartImages(config, 12)
    simulation.begin(starts.digit(5, 1), 0.0)
    other = Session(simulation, starts, 0.5, "another")
    hall = open_hall(reload=lambda: Loaded(other)).frames()
    hall.tap(hall.cell((2, 2)))
    hall.down(hall.cell((4, 4))).frames()
    hall.app.face.begin_reload()
    hall.frames(3)
    assert hall.app.session is other
    assert hall.app.snapshot.state.shape[:2] == (config.height, config.width)


def test_a_checkpoint_that_cannot_be_reloaded_is_told_to_the_operator_only(open_hall, monkeypatch):
    told = []
    monkeypatch.setattr(
        "nca_viewer.kiosk.kiosk_face.log_event", lambda event, text: told.append((event.word, text))
    )

    def load(report):
        raise CheckpointError("there is no checkpoint at '/gone'")

    hall = open_hall(reload=lambda: BackgroundLoading(load)).frames()
    exhibit = hall.app.session
    hall.hold_keys(3.2).tap(hall.button("reload", page=True))
    deadline = time.monotonic() + 30
    while hall.app.face.is_reloading and time.monotonic() < deadline:
        hall.frames()
        time.sleep(0.001)
    assert hall.app.session is exhibit
    assert hall.app.face.note == ("there is no checkpoint at '/gone'", True)
    assert told[-1] == (
        "checkpoint",
        "the checkpoint was not loaded again: there is no checkpoint at '/gone'",
    )
    assert hall.app.message is None
    hall.tap(hall.button("resume", page=True)).tap(hall.cell((4, 4)))
    assert hall.ink.sum() == 1


def test_the_operator_can_end_it_while_it_loads(open_hall):
    hall = open_hall(loading=BackgroundLoading(lambda report: time.sleep(1)))
    hall.window.post(Event(pygame.QUIT))
    hall.frames(3)
    assert hall.window.pixels().any()
    assert not hall.app.is_over
    layout = hall.app.face.layout(SIZE)
    hall.hold_keys(3.3)
    assert hall.facts.phase is Phase.OPERATOR
    left, top, width, height = dict(layout.page_buttons)["quit"]
    hall.tap((left + width // 2, top + height // 2))
    assert hall.app.is_over


def test_a_script_with_a_mistake_is_found_before_anything_is_shown(open_hall):
    with pytest.raises(ConfigError, match=r"attract\.txt, line 1: unknown instruction"):
        open_hall("hnd\n")


def test_a_day_repeats_bit_for_bit(open_hall):
    def day():
        hall = open_hall("digit 3\nwait 2\nhand erase 20,20 80,80 in 1\n", blank=False).seconds(6)
        hall.down(hall.cell((2, 2))).move(hall.cell((8, 9))).frames(4).up(hall.cell((8, 9)))
        hall.seconds(24)
        return hall.app.snapshot.state, hall.window.pixels()

    first, second = day(), day()
    assert (first[0] == second[0]).all()
    assert (first[1] == second[1]).all()
