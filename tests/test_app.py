"""Gestures and keys through the real loop, with the window in memory."""

import itertools
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pygame
import pytest
from PIL import Image
from pygame.event import Event

from nca_viewer.app import MAX_FAILURES
from nca_viewer.assets import ORIGINS
from nca_viewer.display.frame import Frame
from nca_viewer.display.hud import Hud
from nca_viewer.display.window import HeadlessWindow
from nca_viewer.errors import BackendError, CheckpointError
from nca_viewer.interaction.actions import Tool
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.strokes import disc_region, stroke_region
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.launch import open_app
from nca_viewer.loading import BackgroundLoading, Loaded, Session
from nca_viewer.pacing import VISIBLE_TEMPO
from nca_viewer.simulation import Simulation
from nca_viewer.start_images import StartImages

SIZE = (460, 420)
KEYS = {
    "space": (pygame.K_SPACE, " "),
    "right": (pygame.K_RIGHT, ""),
    "tab": (pygame.K_TAB, "\t"),
    "escape": (pygame.K_ESCAPE, "\x1b"),
    "delete": (pygame.K_DELETE, "\x7f"),
    "f1": (pygame.K_F1, ""),
    "f2": (pygame.K_F2, ""),
    "f11": (pygame.K_F11, ""),
}


class Bench:
    """An app, and hands on it."""

    def __init__(self, app, window, exhibit):
        self.app, self.window, self.exhibit = app, window, exhibit
        self.simulation = exhibit.simulation

    def frames(self, count=1):
        for _ in range(count):
            self.app.frame()
        return self

    def type(self, *names):
        for name in names:
            modifier, _, name = name.rpartition("+")
            code, text = KEYS.get(name, (ord(name[0]), name))
            mod = {"": 0, "shift": pygame.KMOD_LSHIFT, "ctrl": pygame.KMOD_LCTRL}[modifier]
            text = {"": text, "shift": text.upper(), "ctrl": ""}[modifier]
            self.window.post(
                Event(pygame.KEYDOWN, key=code, unicode=text, mod=mod), Event(pygame.KEYUP, key=code, mod=mod)
            )
        return self.frames()

    @property
    def geometry(self):
        config = self.simulation.config
        size = self.window.surface.get_size()
        return Geometry.fit(size, (config.height, config.width), bar_visible=self.app.controls.hud_visible)

    def press(self, cell, button=1):
        self.window.post(Event(pygame.MOUSEBUTTONDOWN, pos=self.geometry.cell_centre(cell), button=button))
        return self

    def move(self, cell, buttons=(1, 0, 1)):
        self.window.post(
            Event(pygame.MOUSEMOTION, pos=self.geometry.cell_centre(cell), rel=(0, 0), buttons=buttons)
        )
        return self

    def release(self, cell, button=1):
        self.window.post(Event(pygame.MOUSEBUTTONUP, pos=self.geometry.cell_centre(cell), button=button))
        return self

    @property
    def state(self):
        return self.app.snapshot.state

    @property
    def ink(self):
        return self.state[..., -1]


@pytest.fixture(scope="module")
def warm_simulation(simulation_of):
    return simulation_of(11)


@pytest.fixture
def make_session(warm_simulation, tmp_path):
    def make(config=None, start="blank", window=None, origin=None, folder=tmp_path, on_snapshot=None):
        simulation = warm_simulation
        simulation.episode = 0
        starts = StartImages(simulation.config, 11)
        simulation.begin(starts.blank() if start == "blank" else starts.digit(3, 1), 0.0)
        window = window or HeadlessWindow(SIZE)
        exhibit = Session(simulation, starts, 0.5, "a test", origin=origin)
        config = config or KioskConfig()
        app = open_app(window, Loaded(exhibit), config, screenshot_folder=folder, on_snapshot=on_snapshot)
        return Bench(app, window, exhibit)

    return make


@pytest.fixture
def session(make_session):
    return make_session()


@pytest.fixture
def paused(session):
    return session.frames().type("space", "r")


def test_what_was_done_to_the_picture_is_told_once(warm_simulation, tmp_path):
    exhibit = Session(warm_simulation, StartImages(warm_simulation.config, 11), 0.5, "a test", "a.png: blank")
    window = HeadlessWindow(SIZE)
    app = open_app(window, Loaded(exhibit), KioskConfig(), screenshot_folder=tmp_path)
    Bench(app, window, exhibit).type("space")
    assert app.message is not None
    assert (app.message.text, app.message.is_error) == ("a.png: blank", False)
    for _ in range(9 * 60):
        app.frame()
    assert app.message is None


# ---------------------------------------------------------------------------------------- gestures


@pytest.mark.parametrize("radius_keys", [[], ["["], ["]", "]", "]"]])
def test_a_click_paints_exactly_the_cells_of_the_outline(paused, radius_keys):
    paused.type(*radius_keys)
    radius = paused.app.controls.brush_radius_cells
    paused.press((5, 6)).release((5, 6)).frames()
    assert ((paused.ink == 1) == disc_region((5, 6), radius, 11, 13)).all()
    assert (paused.state[..., :-1] == 0).all()
    paused.frames(5)
    assert (paused.ink == 1).sum() == disc_region((5, 6), radius, 11, 13).sum()


def test_a_fast_stroke_has_no_gaps(paused):
    paused.type("[")
    paused.press((0, 0)).frames().move((10, 12)).frames()
    paused.release((10, 12)).frames()
    assert ((paused.ink == 1) == stroke_region((0, 0), (10, 12), 0, 11, 13)).all()
    assert (paused.ink == 1).sum() == 13


def test_all_events_of_one_frame_are_painted(paused):
    paused.type("[").press((1, 1)).move((1, 9)).move((9, 9)).move((9, 1)).release((9, 1)).frames()
    assert (paused.ink == 1).sum() == 9 + 8 + 8


def test_a_stroke_reaches_the_corners_and_may_leave_the_grid(paused):
    paused.type("[")
    for corner in ((0, 0), (0, 12), (10, 0), (10, 12)):
        paused.press(corner).release(corner).frames()
    assert (paused.ink == 1).sum() == 4
    paused.press((5, 6)).move((5, 25)).move((7, 25)).move((7, 6)).release((7, 6)).frames()
    assert (paused.ink == 1).sum() == 4 + 7 + 7


def test_right_button_erases_and_left_paints(paused):
    paused.press((5, 6)).release((5, 6)).frames()
    paused.press((5, 7), button=3).release((5, 7), button=3).frames()
    expected = disc_region((5, 6), 1, 11, 13) & ~disc_region((5, 7), 1, 11, 13)
    assert ((paused.ink == 1) == expected).all()


def test_corrupting_scrambles_all_channels_of_exactly_the_cells(paused):
    paused.type("c").press((5, 6)).release((5, 6)).frames()
    region = disc_region((5, 6), 1, 11, 13)
    assert (paused.state[region] != 0).all()
    assert (paused.state[~region] == 0).all()
    once = paused.state
    paused.press((5, 6)).frames(3)
    assert (paused.state == once).all()


def test_holding_still_keeps_painting_while_it_runs(session):
    session.frames().press((5, 6)).frames()
    for _ in range(6):
        before = session.simulation.step
        session.frames()
        assert session.simulation.step == before + 1
    session.type("space")
    # The last act came before the last step; while paused the hand has the last word.
    session.frames()
    region = disc_region((5, 6), 1, 11, 13)
    assert (session.ink[region] == 1).all()
    session.release((5, 6)).frames()


def test_painting_is_shown_at_once(paused):
    paused.press((5, 6)).release((5, 6)).move((0, 0), (0, 0, 0)).frames(2)
    geometry = paused.geometry
    pixels = paused.window.pixels()
    x, y = geometry.cell_centre((5, 6))
    assert tuple(pixels[y, x]) == (255, 255, 255)
    x, y = geometry.cell_centre((9, 6))
    assert tuple(pixels[y, x]) == (0, 0, 0)


def test_a_resized_window_paints_where_it_is_pointed_at(paused):
    paused.type("[")
    for size in ((300, 600), (901, 377), (1280, 800)):
        paused.window.resize(size)
        paused.type("r").press((8, 2)).release((8, 2)).frames()
        assert list(zip(*np.nonzero(paused.ink), strict=True)) == [(8, 2)]


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_touch_is_seen_in_the_very_next_frame(session, is_paused):
    session.frames(3)
    if is_paused:
        session.type("space")
    region = disc_region((5, 6), 1, 11, 13)
    session.press((5, 6)).frames()
    assert (session.ink[region] == 1).all()
    pixels = session.window.pixels()
    for cell in zip(*np.nonzero(region), strict=True):
        left, top, _, _ = session.geometry.cell_rectangle(cell)
        assert tuple(pixels[top + 5, left + 5]) == (255, 255, 255)


def test_the_device_works_on_the_next_frame_while_this_one_is_drawn(session, monkeypatch):
    session.frames()
    order = []
    advance, present = session.simulation.advance, session.window.present
    draw = Frame.draw
    monkeypatch.setattr(
        session.simulation, "advance", lambda steps: (order.append(f"advance {steps}"), advance(steps))
    )
    monkeypatch.setattr(
        Frame, "draw", lambda *args, **options: (order.append("draw"), draw(*args, **options))
    )
    monkeypatch.setattr(session.window, "present", lambda: (order.append("present"), present()))
    session.frames(2)
    assert order == ["advance 1", "draw", "present"] * 2


def test_two_fingers_paint_two_strokes(paused):
    paused.type("[")

    def finger(kind, cell, number):
        x, y = paused.geometry.cell_centre(cell)
        return Event(kind, x=x / SIZE[0], y=y / SIZE[1], finger_id=number, touch_id=1, dx=0, dy=0)

    paused.window.post(finger(pygame.FINGERDOWN, (1, 1), 1), finger(pygame.FINGERDOWN, (9, 1), 2))
    paused.frames()
    paused.window.post(finger(pygame.FINGERMOTION, (1, 11), 1), finger(pygame.FINGERMOTION, (9, 11), 2))
    paused.frames()
    painted = paused.ink == 1
    assert painted.sum() == 22
    assert painted[[1, 9], 1:12].all()


# ---------------------------------------------------------------------------------------- keys


def test_pause_and_single_steps(session):
    session.frames(3)
    session.type("space")
    step = session.simulation.step
    session.frames(4)
    assert session.simulation.step == step
    session.type("right")
    session.type("n", ".")
    assert session.simulation.step == step + 3
    assert session.app.controls.paused
    session.type("space").frames(2)
    assert session.simulation.step == step + 6


@pytest.mark.parametrize(("presses", "steps"), [(["-"] * 9, 2), (["-"], 8), ([], 16), (["="] * 3, 128)])
def test_speeds(session, presses, steps, monkeypatch):
    session.type("space", "r", *presses)
    taken = []
    monkeypatch.setattr(session.simulation, "advance", taken.append)
    session.type("space").frames(15)
    assert sum(taken) == steps


def test_reset_new_digit_and_blank(make_session):
    session = make_session(start="digit").frames()
    start = session.simulation.request_snapshot().result().state
    session.frames(5).type("space")
    session.type("r")
    assert session.simulation.step == 0
    assert session.app.snapshot.episode == 1
    digits = []
    for name in ("d", "shift+r", "7", "7"):
        session.type(name)
        assert session.simulation.step == 0
        digits.append(session.ink.copy())
    assert session.simulation.episode == 5
    assert all((a != b).any() for a, b in itertools.pairwise(digits))
    assert all((digit > 0).any() for digit in digits)
    session.type("delete")
    assert (session.state == 0).all()
    assert start.shape == session.state.shape


def test_views_hud_help_and_grid_change_no_cell(paused):
    paused.press((5, 6)).release((5, 6)).frames()
    state = paused.state
    for name in ("v", "v", "shift+v", "g", "tab", "h", "escape", "f11", "escape", "=", "]", "e"):
        paused.type(name).frames()
        assert (paused.state == state).all()
    assert not paused.app.is_over
    assert not paused.window.is_fullscreen


def test_what_is_looked_at_does_not_steer_what_lives(make_session):
    finals = []
    for names in ((), ("h", "v", "g", "tab", "[", "f11")):
        session = make_session(start="digit").frames(3)
        for name in names or (None,) * 6:
            session.type(name) if name else session.frames()
        session.frames(3)
        finals.append(session.state.copy())
    assert (finals[0] == finals[1]).all()


def test_fullscreen_follows_its_key(session):
    session.frames().type("f11")
    assert session.window.is_fullscreen
    session.type("h").type("escape")
    assert session.window.is_fullscreen
    session.type("escape")
    assert not session.window.is_fullscreen


@pytest.mark.parametrize("event", [Event(pygame.QUIT), None])
def test_quitting(session, event):
    session.frames()
    if event is None:
        session.type("ctrl+q")
    else:
        session.window.post(event)
        session.frames()
    assert session.app.is_over


def test_escape_never_quits(session):
    session.frames().type("escape", "escape", "escape")
    assert not session.app.is_over


def test_screenshot_is_the_picture_in_whole_cells(paused, tmp_path):
    paused.press((5, 6)).release((5, 6)).frames().type("f2")
    paused.type("f2")
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    assert str(files[0]) in paused.app.message.text or str(files[1]) in paused.app.message.text
    pixels = np.asarray(Image.open(files[0]))
    side = paused.geometry.cell_pixels
    assert pixels.shape == (11 * side, 13 * side, 3)
    assert (pixels[side // 2 :: side, side // 2 :: side] == paused.app.snapshot.image).all()


def test_a_screenshot_that_cannot_be_saved_is_told_in_the_window(make_session, tmp_path):
    session = make_session(folder=tmp_path / "nowhere").frames()
    session.type("f2").frames(2)
    assert session.app.message.is_error
    assert "does not exist" in session.app.message.text


# ---------------------------------------------------------------------------------------- trouble


def test_an_automaton_that_blows_up_starts_again(make_session):
    session = make_session(start="digit").frames(3)
    session.simulation.apply(Tool.PAINT, np.ones((11, 13), bool), np.nan)
    session.frames()
    assert "blew up" in session.app.message.text
    assert session.simulation.episode == 2
    session.frames(3)
    assert session.app.snapshot.is_healthy
    assert session.app.snapshot.episode == 2


def test_a_failing_device_is_told_and_survived(session, monkeypatch):
    session.frames()

    class Broken:
        is_ready = True

        def result(self):
            raise BackendError("the device failed in step 3: out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(session.simulation, "request_snapshot", lambda **options: Broken())
        session.frames()
    assert "out of memory" in session.app.message.text
    session.frames(2)
    assert session.app.snapshot.is_healthy


def test_a_mistake_of_the_program_is_told_and_survived(make_session, monkeypatch):
    session = make_session(start="digit").frames(3)
    draw, mistakes = Frame.draw, [ZeroDivisionError("division by zero")] * 3

    def stumble(*arguments, **options):
        if mistakes:
            raise mistakes.pop()
        draw(*arguments, **options)

    monkeypatch.setattr(Frame, "draw", stumble)
    session.frames(4)
    assert "division by zero" in session.app.message.text
    assert session.app.message.is_error
    episode = session.simulation.episode
    assert episode > 1
    session.frames(5)  # The steps of the frames that were lost may be made up for.
    before = session.simulation.step
    session.frames(5)
    assert session.simulation.step == before + 5
    assert session.simulation.episode == episode
    assert session.app.snapshot.episode == episode


def test_a_mistake_that_comes_again_and_again_ends_the_program(session, monkeypatch):
    def stumble(*arguments, **options):
        raise ZeroDivisionError("division by zero")

    session.frames(3)
    monkeypatch.setattr(Frame, "draw", stumble)
    session.frames(MAX_FAILURES - 1)
    with pytest.raises(ZeroDivisionError):
        session.frames()


def test_slow_steps_leave_the_window_responsive(make_session, statuses, monkeypatch):
    taken = []

    class SlowWindow(HeadlessWindow):
        """A step costs 10 ms on its clock."""

        def now_seconds(self):
            return super().now_seconds() + 0.010 * sum(taken)

    session = make_session(window=SlowWindow(SIZE))
    request = session.simulation.request_snapshot

    def request_and_wait(**options):
        """Its clock runs ahead of the device's, which would count as a stall."""
        pending = request(**options)
        pending.result()
        return pending

    monkeypatch.setattr(session.simulation, "request_snapshot", request_and_wait)
    monkeypatch.setattr(session.simulation, "advance", taken.append)
    session.type(*"======").frames(20)
    assert max(taken[:20]) <= 4 * 64
    taken.clear()
    for _ in range(20):
        session.frames()
        assert statuses[-1].is_limited
    assert set(taken) <= {1, 2}


# ---------------------------------------------------------------------------------------- loading


def test_the_window_answers_while_it_loads(make_session, tmp_path):
    exhibit = make_session().exhibit
    gate = []

    def load(report):
        report("compiling")
        while not gate:
            time.sleep(0.001)
        return exhibit

    window = HeadlessWindow(SIZE)
    app = open_app(window, BackgroundLoading(load), KioskConfig(), screenshot_folder=tmp_path)
    session = Bench(app, window, exhibit)
    session.frames(3)
    assert app.snapshot is None
    assert window.pixels().any()
    session.type("h")
    assert app.controls.help_visible
    session.type("escape").type("escape")
    assert not app.controls.help_visible
    assert not app.is_over
    session.press((5, 5)).release((5, 5)).type("space", "7")
    assert not app.controls.paused
    gate.append(True)
    deadline = time.monotonic() + 60
    while app.snapshot is None and time.monotonic() < deadline:
        session.frames()
    assert (session.simulation.episode, session.simulation.step) == (1, 1)


def test_closing_while_it_loads(tmp_path):
    window = HeadlessWindow(SIZE)
    app = open_app(
        window, BackgroundLoading(lambda report: time.sleep(0.5)), KioskConfig(), screenshot_folder=tmp_path
    )
    app.frame()
    window.post(Event(pygame.QUIT))
    app.run()
    assert app.frames == 0


def test_a_failure_to_load_ends_the_run(tmp_path):
    def load(report):
        raise CheckpointError("no such thing")

    loading = BackgroundLoading(load)
    window = HeadlessWindow(SIZE)
    app = open_app(window, loading, KioskConfig(), screenshot_folder=tmp_path)
    window.present = lambda: time.sleep(0.001)
    with pytest.raises(CheckpointError, match="no such thing"):
        app.run()


# ---------------------------------------------------------------------------------------- repeating


def test_a_run_repeats_bit_for_bit(make_session):
    def live():
        seen = []
        session = make_session(
            KioskConfig(frames=12, seed=1),
            start="digit",
            on_snapshot=lambda snapshot, image: seen.append((snapshot.state, image.copy())),
        )
        session.press((2, 2)).move((8, 9))
        session.app.run()
        return seen, session.window.pixels()

    first, first_pixels = live()
    second, second_pixels = live()
    assert len(first) == len(second) == 13
    for (state, image), (other_state, other_image) in zip(first, second, strict=True):
        assert (state == other_state).all()
        assert (image == other_image).all()
    assert (first_pixels == second_pixels).all()


def test_without_a_screen_a_slow_device_takes_every_step(make_session, monkeypatch):
    session = make_session(KioskConfig(frames=20, seed=1, speed=Fraction(16)), start="digit")
    taken = []
    monkeypatch.setattr(Simulation, "is_busy", property(lambda simulation: True))
    monkeypatch.setattr(session.simulation, "advance", taken.append)
    session.app.run()
    assert taken == [16] * 20


def test_frames_end_the_run(make_session):
    session = make_session(replace(KioskConfig(), frames=5))
    session.app.run()
    assert session.app.frames == 5
    assert session.simulation.step == 5


class LivingWindow(HeadlessWindow):
    """One whose clock runs, as a real one's does; here it is the sum of all waiting."""

    has_real_time = True


@pytest.fixture
def make_living(make_session, monkeypatch):
    """Sessions in such a window, on a device that is never late by its clock."""
    monkeypatch.setattr(Simulation, "is_busy", False)
    return lambda config: make_session(config, start="digit", window=LivingWindow(SIZE))


def test_without_a_speed_a_window_has_the_tempo_that_people_can_follow(make_living, monkeypatch):
    session, tempo = make_living(KioskConfig()), VISIBLE_TEMPO
    simulation = session.simulation
    monkeypatch.setattr(
        simulation, "advance", lambda steps: setattr(simulation, "step", simulation.step + steps)
    )

    def taken_in_a_second():
        before = simulation.step
        session.frames(60)
        return simulation.step - before

    session.frames()
    assert taken_in_a_second() == tempo.forming_steps_per_second
    session.type("=")
    assert taken_in_a_second() == 2 * tempo.forming_steps_per_second
    session.type("-").frames(300)
    assert taken_in_a_second() == tempo.resting_steps_per_second
    session.press((5, 6)).frames(2)
    assert taken_in_a_second() == tempo.touched_steps_per_second
    session.release((5, 6)).frames(30)
    assert taken_in_a_second() == tempo.healing_steps_per_second
    session.frames(300)
    assert taken_in_a_second() == tempo.resting_steps_per_second
    session.type("d")
    assert taken_in_a_second() == pytest.approx(tempo.forming_steps_per_second, abs=1)


def test_what_is_silent_at_first_is_shown_faster_until_there_is_something_to_see(make_living, monkeypatch):
    session = make_living(KioskConfig())
    simulation = session.simulation
    monkeypatch.setattr(
        simulation, "advance", lambda steps: setattr(simulation, "step", simulation.step + steps)
    )
    session.frames()
    session.app.session = replace(session.app.session, silent_steps=48)
    session.frames(60)
    assert simulation.step == pytest.approx(VISIBLE_TEMPO.silent_steps_per_second, abs=1)
    session.frames(120)
    assert 48 < simulation.step < 48 + VISIBLE_TEMPO.forming_steps


def test_the_tempo_and_the_blend_change_no_step(make_session, make_living):
    plain = make_session(KioskConfig(), start="digit").frames(21)
    final = plain.simulation.request_snapshot().result()
    living = make_living(KioskConfig())
    while living.simulation.step < final.step:
        living.frames()
    assert living.simulation.step == final.step
    assert (living.simulation.request_snapshot().result().state == final.state).all()


def test_an_explicit_speed_is_steps_per_frame_in_a_window_too(make_living):
    session = make_living(KioskConfig(speed=Fraction(2)))
    assert not session.app.controls.has_tempo
    session.frames(11)
    assert session.simulation.step == 22


def test_a_frame_between_two_steps_shows_a_picture_between_them_and_hands_at_once(make_living):
    session = make_living(KioskConfig())
    session.frames(30)
    colours = []
    cells = [session.geometry.cell_centre((row, column)) for row in range(11) for column in range(13)]
    for _ in range(60):
        session.frames()
        pixels = session.window.pixels()
        colours.append(np.array([pixels[y, x, 0] for x, y in cells], int))
    changes = np.abs(np.diff(colours, axis=0))
    steps = np.abs(changes.sum(axis=1) > 0).sum()
    assert steps > 20  # Far more often than the five times that a step comes.
    session.press((5, 6)).frames()
    x, y = session.geometry.cell_rectangle((5, 6))[:2]
    side = session.geometry.cell_pixels
    assert (session.window.pixels()[y + side // 4, x + side // 4] == 255).all()


def test_a_ruined_page_is_told_until_the_key_that_it_names_is_pressed(make_session, statuses, monkeypatch):
    session = make_session(start="digit")
    simulation = session.simulation
    monkeypatch.setattr(
        simulation, "advance", lambda steps: setattr(simulation, "step", simulation.step + steps)
    )
    session.frames(50)
    assert statuses
    assert not any(status.is_ruined for status in statuses)
    simulation.apply(Tool.PAINT, np.ones((11, 13), bool), 0.5)
    session.frames(50)
    assert statuses[-1].is_ruined
    session.type("d").frames()
    assert not statuses[-1].is_ruined


def test_the_help_says_what_of_an_automaton_was_designed(make_session, monkeypatch):
    footers = []
    monkeypatch.setattr(Hud, "draw_help", lambda *given: footers.append(given[-1]))
    for origin, footer in ((None, "a test"), (ORIGINS["model"], f"{ORIGINS['model'].sentence}\na test")):
        footers.clear()
        make_session(origin=origin).type("h").frames()
        assert set(footers) == {footer}
