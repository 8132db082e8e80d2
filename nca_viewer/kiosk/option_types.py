"""What a command-line option of a public place can be, beside the viewer's types."""

from __future__ import annotations

from typing import Any

import click

from nca_viewer.kiosk.night import NightHours


class NightType(click.ParamType):
    """The hours of night, by the local clock."""

    name = "HH:MM-HH:MM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> NightHours:
        """What was written, or a complaint that names it."""
        return value if isinstance(value, NightHours) else NightHours.parse(str(value))
