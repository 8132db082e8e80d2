import subprocess
import sys
from functools import partial

import pygame
import pytest
from pygame.event import Event

from nca_viewer.display.flash_limiter import FlashLimiter
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
    window.events()  # Some SDLs report the focus at once.
    before = len(cursors)
    assert before >= 1
    pygame.event.post(Event(pygame.WINDOWENTER))
    window.events()
    assert len(cursors) == before + 1
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


class SystemWindow:
    """What SDL knows as the window."""

    position = (0, 0)

    def __init__(self, asked):
        self.asked = asked

    def restore(self):
        self.asked.append("restore")

    def focus(self):
        self.asked.append("focus")


@pytest.mark.parametrize(
    ("trouble", "relief"),
    [
        (Event(pygame.WINDOWFOCUSLOST), Event(pygame.WINDOWFOCUSGAINED)),
        (Event(pygame.WINDOWMINIMIZED), Event(pygame.WINDOWRESTORED)),
        (Event(pygame.WINDOWHIDDEN), Event(pygame.WINDOWSHOWN)),
        (Event(pygame.WINDOWMOVED, x=1, y=20), Event(pygame.WINDOWMOVED, x=0, y=0)),
    ],
)
def test_an_exhibit_s_window_is_brought_back(monkeypatch, trouble, relief):
    told, now, asked = [], [100.0], []
    window = PygameWindow(
        "a test", (200, 100), is_exhibit=True, on_displaced=lambda *trouble: told.append(trouble)
    )
    monkeypatch.setattr(window, "now_seconds", lambda: now[0])
    window.events()
    monkeypatch.setattr(pygame.display, "set_mode", lambda size, flags, *, display: asked.append(flags))
    monkeypatch.setattr(window, "_sdl_window", SystemWindow(asked))
    pygame.event.post(trouble)
    window.events()
    assert asked == []
    now[0] += 0.9
    window.events()
    window.events()
    assert asked == ["restore", pygame.FULLSCREEN, "focus"]
    assert [seconds for _, seconds in told] == [100.9]
    pygame.event.post(relief)
    window.events()
    now[0] += 60
    window.events()
    assert len(asked) == 3
    window.close()


def test_a_hidden_window_is_asked_of_the_window_manager(monkeypatch):
    """SDL would wait for ever for one that stays on a desktop which is not shown."""
    asked, now = [], [100.0]
    window = PygameWindow("a test", (200, 100), is_exhibit=True)
    monkeypatch.setattr(window, "now_seconds", lambda: now[0])
    window.events()
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "x11")
    monkeypatch.setattr(pygame.display, "get_wm_info", lambda: {"window": 7})
    monkeypatch.setattr(
        "nca_viewer.display.window.show_on_all_desktops", lambda number: asked.append(number) or True
    )
    monkeypatch.setattr(window, "_sdl_window", SystemWindow(asked))
    pygame.event.post(Event(pygame.WINDOWHIDDEN))
    window.events()
    now[0] += 0.9
    window.events()
    assert asked == [7]
    window.close()


class TenBits(pygame.Surface):
    """A surface as of a screen of 30 bits, which pygame makes none of."""

    def get_masks(self):
        return (0x3FF00000, 0xFFC00, 0x3FF, 0)


@pytest.mark.parametrize(
    "make",
    [
        *(partial(pygame.Surface, flags=0, depth=depth) for depth in (8, 15, 16, 24)),
        partial(pygame.Surface, flags=pygame.SRCALPHA, depth=32),
        partial(TenBits, flags=0, depth=32),
    ],
)
def test_what_is_drawn_has_32_bits_whatever_the_screen_has(window, monkeypatch, make):
    screen = make((320, 240))
    monkeypatch.setattr(pygame.display, "get_surface", lambda: screen)
    drawn = window.surface
    assert (drawn.get_bitsize(), drawn.get_masks()) == (32, (0xFF0000, 0xFF00, 0xFF, 0))
    assert window.surface is drawn
    pygame.transform.smoothscale(pygame.transform.smoothscale(drawn, (9, 9)), (320, 240), drawn)
    drawn.fill((255, 255, 255))
    window.present()
    if screen.get_bitsize() != 8:
        assert screen.get_at((300, 200))[:3] == (255, 255, 255)
    screen = make((50, 40))
    assert window.surface.get_size() == (50, 40)


@pytest.mark.parametrize("order", [(16, 8, 0), (0, 8, 16), (24, 16, 8)])
def test_a_screen_of_32_bits_is_drawn_on_without_a_copy(window, monkeypatch, order):
    masks = (*(0xFF << shift for shift in order), 0)
    screen = pygame.Surface((320, 240), 0, 32, masks)
    monkeypatch.setattr(pygame.display, "get_surface", lambda: screen)
    assert window.surface is screen


@pytest.mark.parametrize("depth", [15, 16])
def test_flashes_are_limited_alike_on_every_screen(window, monkeypatch, depth):
    def held(screen):
        monkeypatch.setattr(pygame.display, "get_surface", lambda: screen)
        times = []
        guard = FlashLimiter(times.append)
        for number in range(120):
            window.surface.fill((200 * (number // 5 % 2), 0, 0))
            guard.apply(window.surface, number / 60)
        return times

    ordinary = held(pygame.Surface((320, 240), 0, 32))
    assert held(pygame.Surface((320, 240), 0, depth)) == ordinary
    assert len(ordinary) > 20


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
