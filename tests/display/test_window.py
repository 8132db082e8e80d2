import subprocess
import sys

import pygame
import pytest
from pygame.event import Event

from nca_viewer.display.window import HeadlessWindow, PygameWindow
from nca_viewer.errors import DisplayError, DisplayLostError


@pytest.fixture
def window():
    window = PygameWindow("a test", (320, 240))
    yield window
    window.close()


def test_the_window_has_the_size_asked_for_and_closes_twice(window):
    assert window.surface.get_size() == (320, 240)
    assert not window.is_fullscreen
    window.surface.fill((1, 2, 3))
    window.present()
    window.close()
    window.close()


def test_posted_events_come_in_order(window):
    window.events()
    posted = [Event(pygame.MOUSEMOTION, pos=(n, n), rel=(0, 0), buttons=(0, 0, 0)) for n in range(5)]
    for event in posted:
        pygame.event.post(event)
    assert [event.pos for event in window.events() if event.type == pygame.MOUSEMOTION] == [
        (n, n) for n in range(5)
    ]


def test_fullscreen_there_and_back_again_and_again(window):
    for _ in range(5):
        window.set_fullscreen(True)
        assert window.is_fullscreen
        window.events()
        window.set_fullscreen(False)
        assert not window.is_fullscreen
        window.events()
        window.surface.fill((1, 2, 3))
        window.present()


def test_a_window_larger_than_the_screen_is_made_to_fit():
    window = PygameWindow("a test", (9000, 8000))
    desktop = pygame.display.get_desktop_sizes()[0]
    assert window.surface.get_size() == desktop
    window.close()


def test_time_passes(window):
    before = window.now_seconds()
    window.wait_until(before + 0.02)
    assert window.now_seconds() >= before + 0.02
    window.wait_until(before)


@pytest.fixture
def set_modes(monkeypatch):
    """Two displays, as far as anybody can tell; collects which windows were asked for."""
    monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: [(1000, 700), (320, 240)])
    asked = []
    original = pygame.display.set_mode

    def set_mode(size, flags=0, *, display=0):
        asked.append((size, flags, display))
        return original(size, flags)

    monkeypatch.setattr(pygame.display, "set_mode", set_mode)
    return asked


def test_an_exhibit_fills_the_display_that_was_chosen(set_modes):
    window = PygameWindow("a test", (900, 960), display=1, is_exhibit=True)
    assert set_modes == [((320, 240), pygame.FULLSCREEN, 1)]
    assert window.is_fullscreen
    window.events()
    window.close()


def test_an_exhibit_follows_its_display_s_size_and_a_display_that_goes(set_modes, monkeypatch):
    window = PygameWindow("a test", (900, 960), display=1, is_exhibit=True)
    monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: [(1000, 700), (240, 320)])
    window.events()
    assert set_modes[1:] == [((240, 320), pygame.FULLSCREEN, 1)]
    monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: [(1000, 700)])
    window.events()
    assert set_modes[2:] == [((1000, 700), pygame.FULLSCREEN, 0)]
    window.close()


def test_a_window_stays_where_it_is_when_displays_change(set_modes, monkeypatch):
    window = PygameWindow("a test", (200, 100))
    monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: [(640, 480)])
    window.events()
    assert len(set_modes) == 1
    window.close()


def test_a_display_of_no_such_number_is_refused(set_modes):
    with pytest.raises(
        DisplayError, match=r"--display = 2 .* choose one of 0 \(1000 x 700\), 1 \(320 x 240\)"
    ):
        PygameWindow("a test", (200, 100), display=2)


def test_an_exhibit_s_cursor_is_empty_but_visible(monkeypatch):
    cursors = []
    monkeypatch.setattr(pygame.mouse, "set_cursor", lambda *cursor: cursors.append(cursor))
    monkeypatch.setattr(pygame.mouse, "set_visible", lambda visible: pytest.fail("this displaces touches"))
    window = PygameWindow("a test", (200, 100), is_exhibit=True)
    pygame.event.post(Event(pygame.WINDOWENTER))
    window.events()
    assert len(cursors) == 2
    assert all(set(cursor[2]) == set(cursor[3]) == {0} for cursor in cursors)
    window.close()


def test_gamepads_that_come_and_go_break_nothing():
    window = PygameWindow("a test", (200, 100), is_exhibit=True)
    for event in (
        Event(pygame.JOYDEVICEADDED, device_index=7),
        Event(pygame.JOYDEVICEREMOVED, instance_id=7),
        Event(pygame.JOYDEVICEADDED, device_index=0),
    ):
        pygame.event.post(event)
        window.events()
    window.close()


@pytest.mark.parametrize("error", [SystemError("an exception was set"), KeyError(3), pygame.error("no")])
def test_events_that_pygame_stumbles_over_are_passed_over(window, monkeypatch, error):
    def stumble():
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(pygame.event, "get", stumble)
        for _ in range(60):
            assert window.events() == []
        with pytest.raises(DisplayLostError):
            window.events()
    pygame.event.post(Event(pygame.MOUSEBUTTONUP, pos=(1, 1), button=1))
    assert any(event.type == pygame.MOUSEBUTTONUP for event in window.events())


def test_an_exhibit_that_lost_the_focus_asks_for_it_again(monkeypatch):
    window = PygameWindow("a test", (200, 100), is_exhibit=True)
    now, asked = [100.0], []

    class Focus:
        def restore(self):
            asked.append("restore")

        def focus(self):
            asked.append("focus")

    monkeypatch.setattr(window, "now_seconds", lambda: now[0])
    monkeypatch.setattr(window, "_sdl_window", Focus())
    pygame.event.post(Event(pygame.WINDOWFOCUSLOST))
    window.events()
    assert asked == []
    now[0] += 5.1
    window.events()
    window.events()
    assert asked == ["restore", "focus"]
    pygame.event.post(Event(pygame.WINDOWFOCUSGAINED))
    window.events()
    now[0] += 60
    window.events()
    assert asked == ["restore", "focus"]
    window.close()


def test_a_driver_that_does_not_exist_is_told(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "nonsense")
    with pytest.raises(DisplayError, match=r"nonsense not available.*--headless"):
        PygameWindow("a test", (320, 240))


def test_the_headless_window_keeps_its_own_time_and_needs_no_display():
    program = (
        "from nca_viewer.display.window import HeadlessWindow; import pygame\n"
        "window = HeadlessWindow((40, 30))\n"
        "window.surface.fill((9, 8, 7))\n"
        "window.wait_until(0.02)\n"
        "window.wait_until(0.01)\n"
        "print(window.now_seconds(), window.pixels()[29, 39].tolist(), pygame.display.get_init())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0.02 [9, 8, 7] False\n"


def test_headless_events_are_delivered_once():
    window = HeadlessWindow((40, 30))
    event = Event(pygame.QUIT)
    window.post(event)
    assert window.events() == [event]
    assert window.events() == []
    window.resize((80, 20))
    assert window.pixels().shape == (20, 80, 3)
