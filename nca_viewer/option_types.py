"""What a command-line option of the viewer can be, beside click's own types; a complaint names the value."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import click

from nca_viewer.interaction.controls import SPEEDS


class SpeedType(click.ParamType):
    """Steps per frame, one of the speeds that the keys step through: `4`, `1/8` or `0.125`."""

    name = "steps per frame"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """What was written, or a complaint that names it."""
        try:
            # Short and without an exponent, which could make it a number of a million digits.
            written = re.fullmatch(r"[0-9]{1,3}([./][0-9]{1,3})?", str(value))
            speed = Fraction(value) if written else None
        except ZeroDivisionError:
            speed = None
        if speed not in SPEEDS:
            self.fail(
                f"{str(value)[:40]!r} is not a known speed; choose one of {', '.join(map(str, SPEEDS))}",
                param,
                ctx,
            )
        return speed


class SizeType(click.ParamType):
    """The width and height of a window, in pixels."""

    name = "WIDTHxHEIGHT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """What was written, or a complaint that names it."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([0-9]{1,6})[xX]([0-9]{1,6})", str(value))
        if not match:
            self.fail(f"{str(value)[:40]!r} is not a size; write it as 900x960", param, ctx)
        return int(match[1]), int(match[2])

    def written(self, value: tuple[int, int]) -> str:
        """A size as it is written."""
        return "{}x{}".format(*value)
