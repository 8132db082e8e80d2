import subprocess
import sys

import pygame
import pytest
from pygame.event import Event

from nca_viewer.display.window import HeadlessWindow, PygameWindow
from nca_viewer.errors import DisplayError


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
