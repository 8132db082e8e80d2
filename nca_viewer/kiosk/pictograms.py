"""Small pictures for those who do not read: drawn large from simple shapes, then made smooth and small."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pygame

Colour = tuple[int, int, int]

FINGERTIP = (0.32, 0.04)
"""Where the hand points, in parts of its picture."""

_OVERSAMPLING = 4


class _Canvas:
    """Draws in units of the picture's side."""

    def __init__(self, side: int) -> None:
        self.side = side * _OVERSAMPLING
        self.surface = pygame.Surface((self.side, self.side), pygame.SRCALPHA, 32)

    def polygon(self, colour: Colour, *points: tuple[float, float]) -> None:
        pygame.draw.polygon(self.surface, colour, [(x * self.side, y * self.side) for x, y in points])

    def line(
        self, colour: Colour, start: tuple[float, float], end: tuple[float, float], width: float
    ) -> None:
        """A line with round ends."""
        angle = math.atan2(end[1] - start[1], end[0] - start[0])
        across = (-math.sin(angle) * width / 2, math.cos(angle) * width / 2)
        self.polygon(
            colour,
            (start[0] + across[0], start[1] + across[1]),
            (end[0] + across[0], end[1] + across[1]),
            (end[0] - across[0], end[1] - across[1]),
            (start[0] - across[0], start[1] - across[1]),
        )
        self.disc(colour, start, width / 2)
        self.disc(colour, end, width / 2)

    def disc(self, colour: Colour, centre: tuple[float, float], radius: float) -> None:
        pygame.draw.circle(
            self.surface, colour, (centre[0] * self.side, centre[1] * self.side), radius * self.side
        )

    def ring(self, colour: Colour, box: tuple[float, float, float, float], width: float) -> None:
        rectangle = pygame.Rect([round(value * self.side) for value in box])
        pygame.draw.ellipse(self.surface, colour, rectangle, width=max(1, round(width * self.side)))

    def box(
        self, colour: Colour, left: float, top: float, width: float, height: float, radius: float = 0
    ) -> None:
        rectangle = pygame.Rect([round(value * self.side) for value in (left, top, width, height)])
        pygame.draw.rect(self.surface, colour, rectangle, border_radius=round(radius * self.side))


def _draw(canvas: _Canvas, colour: Colour) -> None:
    """A pencil and its line."""
    canvas.polygon(colour, (0.72, 0.06), (0.92, 0.26), (0.44, 0.74), (0.24, 0.54))
    canvas.polygon(colour, (0.20, 0.58), (0.40, 0.78), (0.12, 0.86))
    canvas.line(colour, (0.46, 0.88), (0.88, 0.88), 0.08)


def _erase(canvas: _Canvas, colour: Colour) -> None:
    """An eraser on its line."""
    canvas.polygon(colour, (0.60, 0.10), (0.92, 0.42), (0.62, 0.72), (0.30, 0.40))
    canvas.polygon(colour, (0.26, 0.44), (0.58, 0.76), (0.50, 0.84), (0.30, 0.84), (0.12, 0.66), (0.12, 0.58))
    canvas.line(colour, (0.46, 0.90), (0.90, 0.90), 0.06)


def _scramble(canvas: _Canvas, colour: Colour) -> None:
    """Cells out of their places."""
    for x, y, angle in (
        (0.24, 0.22, 0.5),
        (0.62, 0.16, 1.1),
        (0.84, 0.44, 0.2),
        (0.46, 0.48, 0.8),
        (0.16, 0.62, 1.3),
        (0.72, 0.78, 0.6),
        (0.36, 0.84, 0.1),
    ):
        corners = [angle + quarter * math.pi / 2 for quarter in range(4)]
        canvas.polygon(
            colour, *((x + 0.13 * math.cos(corner), y + 0.13 * math.sin(corner)) for corner in corners)
        )


def _new_digit(canvas: _Canvas, colour: Colour) -> None:
    """A digit in dots, and a plus."""
    for row, columns in enumerate(("1110", "0001", "0110", "0001", "1110")):
        for column, is_ink in enumerate(columns):
            if is_ink == "1":
                canvas.disc(colour, (0.10 + 0.15 * column, 0.20 + 0.15 * row), 0.066)
    canvas.line(colour, (0.82, 0.10), (0.82, 0.38), 0.08)
    canvas.line(colour, (0.68, 0.24), (0.96, 0.24), 0.08)


def _language(canvas: _Canvas, colour: Colour) -> None:
    """A globe."""
    canvas.ring(colour, (0.08, 0.08, 0.84, 0.84), 0.06)
    canvas.ring(colour, (0.30, 0.08, 0.40, 0.84), 0.05)
    for height, reach in ((0.34, 0.36), (0.66, 0.36)):
        canvas.line(colour, (0.5 - reach, height), (0.5 + reach, height), 0.05)


def _resume(canvas: _Canvas, colour: Colour) -> None:
    canvas.polygon(colour, (0.24, 0.12), (0.88, 0.50), (0.24, 0.88))


def _reload(canvas: _Canvas, colour: Colour) -> None:
    """An arrow that goes round."""
    places = [
        (0.5 + 0.34 * math.cos(angle / 10), 0.5 + 0.34 * math.sin(angle / 10)) for angle in range(-4, 50)
    ]
    for start, end in itertools.pairwise(places):
        canvas.line(colour, start, end, 0.10)
    canvas.polygon(colour, (0.42, 0.16), (0.74, -0.04), (0.78, 0.34))


def _quit(canvas: _Canvas, colour: Colour) -> None:
    canvas.line(colour, (0.2, 0.2), (0.8, 0.8), 0.12)
    canvas.line(colour, (0.8, 0.2), (0.2, 0.8), 0.12)


def _hand(canvas: _Canvas, colour: Colour) -> None:
    """A hand that points, with a dark rim."""
    rim = 0.035
    for shade, more in (((12, 14, 20), rim), (colour, 0.0)):
        for left, top, width, height in (
            (0.24, 0.06, 0.16, 0.60),
            (0.40, 0.34, 0.15, 0.32),
            (0.55, 0.38, 0.14, 0.30),
            (0.69, 0.43, 0.13, 0.28),
            (0.24, 0.52, 0.58, 0.40),
        ):
            radius = 0.07 if width < 0.3 else 0.14
            canvas.box(
                shade, left - more, top - more, width + 2 * more, height + 2 * more, radius=radius + more
            )
        canvas.line(shade, (0.30, 0.72), (0.11, 0.52), 0.15 + 2 * more)
    for x, top in ((0.40, 0.42), (0.55, 0.45), (0.69, 0.49)):
        canvas.line((12, 14, 20), (x, top), (x, 0.62), 0.02)


def _plain(canvas: _Canvas, colour: Colour) -> None:
    """A ring, for what has no picture of its own yet."""
    canvas.ring(colour, (0.2, 0.2, 0.6, 0.6), 0.08)


_PICTURES: dict[str, Callable[[_Canvas, Colour], None]] = {
    "draw": _draw,
    "erase": _erase,
    "scramble": _scramble,
    "new_digit": _new_digit,
    "language": _language,
    "resume": _resume,
    "reload": _reload,
    "quit": _quit,
    "hand": _hand,
}

PICTOGRAMS: tuple[str, ...] = tuple(_PICTURES)


def pictogram(name: str, side_pixels: int, colour: Colour) -> pygame.Surface:
    """A new surface with a picture on nothing.

    Args:
        name: One of `PICTOGRAMS`; any other has a plain dot.
        side_pixels: Of the square it fills.
        colour: Of its shapes.
    """
    side = max(1, side_pixels)
    canvas = _Canvas(side)
    _PICTURES.get(name, _plain)(canvas, colour)
    return pygame.transform.smoothscale(canvas.surface, (side, side))
