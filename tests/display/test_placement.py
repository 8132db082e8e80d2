import re

import pygame
import pytest
from pygame.event import Event

from nca_viewer.display.placement import LONGEST_WAIT_SECONDS, Placement

SCREEN = (1000, 700)


def after(*events):
    placement = Placement()
    for event in events:
        placement.follow(event)
    return placement


@pytest.mark.parametrize(
    ("events", "corner", "size", "words"),
    [
        ([], (0, 0), SCREEN, ""),
        ([Event(pygame.WINDOWMOVED, x=0, y=0)], (0, 0), SCREEN, ""),
        ([Event(pygame.WINDOWMOVED, x=1000, y=0)], (1000, 0), SCREEN, ""),
        ([Event(pygame.WINDOWMOVED, x=7, y=9)], None, SCREEN, ""),
        ([Event(pygame.WINDOWMOVED, x=1, y=20)], (0, 0), SCREEN, r"1000 x 700 pixels at \(1, 20\)"),
        ([Event(pygame.WINDOWMOVED, x=0, y=0)], (1000, 0), SCREEN, "did not fill the screen"),
        ([], (0, 0), (1000, 680), "1000 x 680 pixels"),
        ([Event(pygame.WINDOWMINIMIZED)], (0, 0), SCREEN, "minimised, hidden, or on another desktop"),
        ([Event(pygame.WINDOWHIDDEN)], (0, 0), SCREEN, "minimised, hidden, or on another desktop"),
        ([Event(pygame.WINDOWMINIMIZED), Event(pygame.WINDOWRESTORED)], (0, 0), SCREEN, ""),
        ([Event(pygame.WINDOWFOCUSLOST)], (0, 0), SCREEN, "another window"),
        ([Event(pygame.WINDOWFOCUSLOST), Event(pygame.WINDOWFOCUSGAINED)], (0, 0), SCREEN, ""),
    ],
)
def test_what_is_wrong_with_a_window(events, corner, size, words):
    trouble = after(*events).trouble(corner, size, SCREEN)
    assert bool(trouble) == bool(words)
    assert re.search(words, trouble)


def attempts(trouble_at, seconds):
    """When a window is brought back, given when something is wrong with it."""
    placement, times = Placement(), []
    for tick in range(int(50 * seconds)):
        now = tick / 50
        if placement.is_due("moved" if trouble_at(now, times) else "", now):
            times.append(now)
    return times


def test_it_is_noticed_within_a_second_and_not_while_it_settles():
    assert attempts(lambda now, times: now >= 5.0 and not times, 20) == [pytest.approx(5.4, abs=0.05)]
    assert attempts(lambda now, times: 5.0 <= now < 5.2, 20) == []


def test_each_new_trouble_is_noticed_within_a_second():
    times = attempts(lambda now, times: now % 10 >= 5 and len(times) <= now // 10, 100)
    assert len(times) == 10
    assert all(time % 10 <= 6 for time in times)


def test_a_fight_over_the_window_becomes_rare():
    times = attempts(lambda now, times: True, 600)
    assert len(times) < 18
    assert times[-1] - times[-2] == pytest.approx(LONGEST_WAIT_SECONDS, abs=0.1)
