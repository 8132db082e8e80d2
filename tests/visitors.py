"""Simulated visitors: seeded, tireless, and as careless as real ones."""

import math
import random
from dataclasses import dataclass

import pygame
from pygame.event import Event

KEYS = (
    (pygame.K_SPACE, " "), (pygame.K_d, "d"), (pygame.K_r, "r"), (pygame.K_7, "7"), (pygame.K_e, "e"),
    (pygame.K_q, "q"), (pygame.K_ESCAPE, "\x1b"), (pygame.K_F11, ""), (pygame.K_TAB, "\t"),
    (pygame.K_DELETE, ""),
)  # fmt: skip
MOST_FINGERS = 10


@dataclass
class _Finger:
    number: int
    x: float
    y: float
    heading: float
    speed: float
    seconds_left: float


class Visitors:
    """What a crowd does to a touch screen, frame by frame.

    They come and go; draw with one to ten fingers, wipe, tap on buttons and beside them, rest a palm, play
    with a mouse and a keyboard, and now and then an event is lost or a thousand come at once.
    """

    def __init__(self, seed, size, *, idle_seconds=20.0):
        self._random = random.Random(seed)
        self._size = size
        self._idle_seconds = idle_seconds
        self._fingers: list[_Finger] = []
        self._next_number = 1
        self._is_present = True
        self._phase_seconds_left = 5.0
        self._mouse_is_down = False
        self.events_made = 0

    def frame(self, seconds=1 / 60):
        """The events of the next frame, which is so long."""
        self._phase_seconds_left -= seconds
        if self._phase_seconds_left <= 0:
            self._change()
        events = self._move_fingers(seconds)
        if self._is_present:
            events += self._act(seconds)
        self.events_made += len(events)
        return events

    def _change(self):
        rng = self._random
        self._is_present = not self._is_present
        if self._is_present:
            self._phase_seconds_left = rng.uniform(3, 60)
        else:
            # Some leave for good, and the exhibit shows itself; some come back at once.
            self._phase_seconds_left = rng.choice((2.0, 0.7 * self._idle_seconds, 2.5 * self._idle_seconds))

    def _chance(self, per_second, seconds):
        return self._random.random() < per_second * seconds

    def _act(self, seconds):
        rng = self._random
        events = []
        if self._chance(1.2, seconds):
            for _ in range(rng.choice((1, 1, 1, 2, 2, 5, MOST_FINGERS))):
                if len(self._fingers) < MOST_FINGERS:
                    events.append(self._put_finger())
        if self._chance(0.3, seconds):
            x, y = rng.random(), rng.uniform(0.5, 1.0)
            events += self._tap(x, y)
        if self._chance(0.1, seconds):
            key, text = rng.choice(KEYS)
            mod = rng.choice((0, 0, pygame.KMOD_LCTRL, pygame.KMOD_LSHIFT))
            events += [
                Event(pygame.KEYDOWN, key=key, unicode=text, mod=mod),
                Event(pygame.KEYUP, key=key, mod=mod),
            ]
        if self._chance(0.5, seconds):
            events += self._mouse()
        if self._chance(0.02, seconds):
            kind = rng.choice((pygame.WINDOWFOCUSLOST, pygame.WINDOWLEAVE, pygame.QUIT, pygame.WINDOWEXPOSED))
            events.append(Event(kind))
        if self._chance(0.005, seconds):
            events += [event for _ in range(500) for event in self._tap(rng.random(), rng.random())]
        return events

    def _put_finger(self):
        rng = self._random
        finger = _Finger(
            self._next_number, rng.random(), rng.random(), rng.uniform(0, 2 * math.pi), rng.uniform(0, 1.5),
            rng.choice((0.05, 0.5, 2.0, 6.0)),
        )  # fmt: skip
        self._next_number += 1
        self._fingers.append(finger)
        return self._touch(pygame.FINGERDOWN, finger)

    def _move_fingers(self, seconds):
        rng = self._random
        events = []
        for finger in list(self._fingers):
            finger.seconds_left -= seconds
            if finger.seconds_left <= 0:
                self._fingers.remove(finger)
                if rng.random() > 0.01:  # Now and then a release is lost.
                    events.append(self._touch(pygame.FINGERUP, finger))
                continue
            finger.heading += rng.gauss(0, 3) * math.sqrt(seconds)
            finger.x = min(max(finger.x + finger.speed * seconds * math.cos(finger.heading), -0.05), 1.05)
            finger.y = min(max(finger.y + finger.speed * seconds * math.sin(finger.heading), -0.05), 1.05)
            events.append(self._touch(pygame.FINGERMOTION, finger))
        return events

    def _touch(self, kind, finger):
        place = {"x": finger.x, "y": finger.y, "dx": 0.0, "dy": 0.0, "pressure": 1.0}
        return Event(kind, touch_id=1, finger_id=finger.number, **place)

    def _tap(self, x, y):
        finger = _Finger(self._next_number, x, y, 0.0, 0.0, 0.0)
        self._next_number += 1
        return [self._touch(pygame.FINGERDOWN, finger), self._touch(pygame.FINGERUP, finger)]

    def _mouse(self):
        rng = self._random
        place = (rng.randrange(self._size[0]), rng.randrange(self._size[1]))
        button = rng.choice((1, 1, 1, 2, 3))
        if rng.random() < 0.2:
            return [Event(pygame.MOUSEWHEEL, x=0, y=rng.choice((-1, 1)), flipped=False)]
        self._mouse_is_down = not self._mouse_is_down
        kind = pygame.MOUSEBUTTONDOWN if self._mouse_is_down else pygame.MOUSEBUTTONUP
        buttons = (int(self._mouse_is_down), 0, 0)
        return [
            Event(pygame.MOUSEMOTION, pos=place, rel=(0, 0), buttons=buttons),
            Event(kind, pos=place, button=button),
        ]
