"""The pages of the panel."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import pygame

from nca_viewer.automaton.experiments import Experiments
from nca_viewer.demos import demos
from nca_viewer.display.buttons import Button, ButtonKind, always, hint_with_key, row_of_buttons
from nca_viewer.display.chart import Chart, ScrubBar
from nca_viewer.display.hud import elided, wrapped
from nca_viewer.display.inspector import STORY_LENGTH_SECONDS, Inspector
from nca_viewer.display.letters import letters_of
from nca_viewer.display.palette import FRAME, MUTED, TEXT
from nca_viewer.display.panel import Page, PanelScene
from nca_viewer.interaction.actions import (
    Action,
    BeforeDamage,
    ChangeChannel,
    ChangeExperiment,
    EndExperiments,
    NewDigit,
    NextTile,
    NextView,
    PastePicture,
    PinCell,
    PlayDemo,
    Redo,
    SaveChart,
    SaveClip,
    Screenshot,
    Scrub,
    SeekTick,
    ShowTile,
    ShowView,
    StepBack,
    ToggleChannel,
    ToggleFullscreen,
    ToggleGrid,
    ToggleHead,
    ToggleHud,
    ToggleKilling,
    ToggleNeighbour,
    ToggleRecording,
    ToggleSlowMotion,
    ToggleStory,
    Undo,
)
from nca_viewer.interaction.controls import Controls
from nca_viewer.interaction.experimenting import NEIGHBOUR_NAMES
from nca_viewer.interaction.geometry import Rectangle
from nca_viewer.interaction.input import Input
from nca_viewer.views import VIEWS
from nca_viewer.views.colours import VIRIDIS, coloured


class InspectorPage(Page):
    """One cell: what it sees, where its heads look, what it holds and does next."""

    def __init__(self) -> None:
        """No story is told yet."""
        self._inspector = Inspector()
        self._story: tuple[Hashable, float] | None = None
        """What it is of, and when it began."""

    def buttons(self, rectangle: Rectangle, text_height: int, controls: Controls) -> Sequence[Button]:
        """The story, and the pin."""
        return row_of_buttons(
            _top_row(rectangle, text_height),
            text_height,
            (
                (
                    "one step, slowly",
                    ToggleStory(),
                    "the next step of this cell, in five stages",
                    controls.story,
                ),
                ("keep", PinCell(), "keep the inspector on this cell", controls.pinned_cell is not None),
            ),
        )

    def draw(self, surface: pygame.Surface, rectangle: Rectangle, shown: PanelScene) -> None:
        """Draw it."""
        controls = shown.controls
        seconds = self._story_seconds(shown) if controls.story else None
        if seconds is None:
            self._story = None
        self._inspector.draw(
            surface,
            _below_row(rectangle, shown.text_height),
            shown.scene,
            shown.cell,
            is_pinned=controls.pinned_cell is not None,
            story_seconds=seconds,
            pointer=shown.pointer,
        )

    def _story_seconds(self, shown: PanelScene) -> float:
        """Since the story began: anew with another cell, episode or automaton, and after its end."""
        # The reference keeps no automaton alive that another has replaced.
        subject = (shown.cell, shown.scene.snapshot.episode, weakref.ref(shown.instrument))
        if self._story is None or self._story[0] != subject:
            self._story = (subject, shown.now_seconds)
        return (shown.now_seconds - self._story[1]) % (STORY_LENGTH_SECONDS + 2.0)


class ChartsPage(Page):
    """Error and healing over time, and the past: a bar to scrub along, and what leads back."""

    def __init__(self) -> None:
        """Nothing is drawn yet."""
        self._chart, self._scrub_bar = Chart(), ScrubBar()
        self._scale_of: tuple[pygame.Rect, PanelScene] | None = None
        self._pressed_pixel: tuple[int, int] | None = None

    def buttons(self, rectangle: Rectangle, text_height: int, controls: Controls) -> Sequence[Button]:
        """What leads through the past; the scrub bar is one, too."""
        bar = self._bar(rectangle, text_height)
        return (
            *row_of_buttons(
                _top_row(rectangle, text_height),
                text_height,
                (
                    ("undo", Undo(), "back to before the last stroke", False),
                    ("redo", Redo(), "the stroke that was undone, again", False),
                    ("to damage", BeforeDamage(), "back to just before the last damage", False),
                    ("-10", StepBack(10), "ten steps back", False),
                    ("+10", StepBack(-10), "ten steps on again", False),
                    ("csv", SaveChart(), "save what the chart shows as a table", False),
                ),
            ),
            Button(
                (bar.x, bar.y, bar.width, bar.height),
                "",
                Scrub(),
                hint_with_key("go to any step that is remembered", None),
            ),
        )

    def dragged(self, source: Input) -> list[Action]:
        """Where the scrub bar is pressed, or was clicked since the last frame."""
        pixel = source.pressed_pixel(Scrub())
        if pixel is None or self._scale_of is None:
            return []
        self._pressed_pixel = pixel
        bar, shown = self._scale_of
        tick = ScrubBar.scale(bar, shown.instrument.timeline.span).tick_at(pixel[0])
        return [] if tick == shown.instrument.timeline.tick else [SeekTick(tick)]

    @staticmethod
    def _bar(rectangle: Rectangle, text_height: int) -> pygame.Rect:
        left, top, width, _ = _below_row(rectangle, text_height)
        return pygame.Rect(left, top, width, 4 * text_height)

    def draw(self, surface: pygame.Surface, rectangle: Rectangle, shown: PanelScene) -> None:
        """Draw it."""
        timeline, height = shown.instrument.timeline, shown.text_height
        bar = self._bar(rectangle, height)
        self._scale_of = (bar, shown)
        snapshot = shown.scene.snapshot
        tick = timeline.tick_of(snapshot.episode, snapshot.step)
        tick = timeline.tick if tick is None else tick
        hover = None
        if shown.pointer != self._pressed_pixel:
            self._pressed_pixel = None
        # A pointer that stays where it pressed asks for no other step.
        if shown.pointer is not None and self._pressed_pixel is None and bar.collidepoint(shown.pointer):
            hovered = ScrubBar.scale(bar, timeline.span).tick_at(shown.pointer[0])
            hover = (hovered, timeline.step_at(hovered)[1])
        self._scrub_bar.draw(
            surface, bar, timeline.span, timeline.marks, tick=tick, step=snapshot.step, hover=hover
        )
        font = letters_of(round(1.1 * height))
        top = bar.bottom + height
        below = pygame.Rect(bar.left, top, bar.width, max(0, rectangle[1] + rectangle[3] - top))
        title = font.render("error and healed part, the last 600 steps", True, TEXT)
        surface.blit(title, below.topleft)
        plot = pygame.Rect(below.left, below.top + 2 * height, below.width, min(below.height, below.width))
        plot.height = min(plot.height, below.bottom - plot.top)
        self._chart.draw(surface, plot, shown.instrument.series, now_tick=tick, hover=shown.pointer)


class OpinionPage(Page):
    """What an outside classifier reads in the image, now and before."""

    def draw(self, surface: pygame.Surface, rectangle: Rectangle, shown: PanelScene) -> None:
        """A line for each digit: how probable it is, and how probable it was, the newest at the right."""
        left, top, width, height = rectangle
        font = letters_of(round(1.3 * shown.text_height))
        opinion, line = shown.scene.opinion, min(round(2.4 * shown.text_height), height // 14)
        if opinion is not None:
            told = "It is unsure." if opinion.digit is None else f"It reads a {opinion.digit}."
            surface.blit(font.render(told, True, TEXT), (left, top))
        note = "A network apart, which sees only the image."
        for number, words in enumerate(wrapped(note, font, width)[:2]):
            words_image = font.render(elided(words, font, width), True, MUTED)
            surface.blit(words_image, (left, top + line + number * font.get_linesize()))
        if not shown.instrument.opinions or line < 4:
            return
        now = shown.instrument.opinions[-1].probabilities
        history = np.array([seen.probabilities for seen in shown.instrument.opinions], np.float32)
        label_width, bar_width = font.size("0 100%")[0] + 8, width // 4
        strip_left = left + label_width + bar_width + 8
        strip = pygame.Rect(strip_left, 0, max(1, left + width - strip_left), max(2, line - 6))
        columns = np.linspace(0, len(history) - 1, strip.width).round().astype(int)
        for digit, probability in enumerate(now):
            y = top + (digit + 3) * line
            strip.top = y
            label = f"{digit} {100 * float(probability):.0f}%"
            surface.blit(font.render(label, True, TEXT), (left, y))
            surface.fill(FRAME, (left + label_width, y, bar_width, strip.height))
            surface.fill(TEXT, (left + label_width, y, round(bar_width * float(probability)), strip.height))
            colours = coloured(history[columns, digit], 0.0, 1.0, VIRIDIS)
            pixels = np.repeat(colours[:, None], strip.height, axis=1)
            clipped = strip.clip(surface.get_rect())
            pygame.surfarray.blit_array(
                surface.subsurface(clipped), pixels[: clipped.width, : clipped.height]
            )
        y = top + 13 * line
        surface.blit(font.render("how probable now, and before", True, MUTED), (left, y))


class ExperimentsPage(Page):
    """What is changed of the automaton while it runs."""

    def __init__(self) -> None:
        """Nothing is changed yet."""
        self._experiments = Experiments()
        self._heads = 0
        self._channel_names: tuple[str, ...] = ()
        self._channels = 1

    def buttons(self, rectangle: Rectangle, text_height: int, controls: Controls) -> Sequence[Button]:
        """All of them, a row for each kind of change."""
        done, channel = self._experiments, self._channel(controls)
        places = _rows(rectangle, text_height, 7)[1]

        def row(number: int, *buttons: tuple[str, Action, str, bool]) -> list[Button]:
            return row_of_buttons(places[number], text_height, buttons) if places else []

        found = row(
            0,
            *(
                (f"head {n}", ToggleHead(n), f"mute head {n}", n in done.muted_heads)
                for n in range(self._heads)
            ),
        )
        found += row(
            1,
            *(
                (name, ToggleNeighbour(n), f"no cell sees its neighbour {name}", not done.neighbours[n])
                for n, name in enumerate(NEIGHBOUR_NAMES)
                if n != 4
            ),
        )
        for number, amount in ((2, "rate"), (3, "noise"), (4, "step size")):
            found += row(
                number,
                (" - ", ChangeExperiment(amount, -1), "less", False),
                (" + ", ChangeExperiment(amount, 1), "more", False),
            )
        found += row(
            5,
            (" < ", ChangeChannel(-1), "the channel before", False),
            (" > ", ChangeChannel(1), "the next channel", False),
            ("zero", ToggleChannel(channel, "zero"), "hold it at zero", channel in done.zeroed_channels),
            (
                "freeze",
                ToggleChannel(channel, "freeze"),
                "hold it where it is",
                channel in done.frozen_channels,
            ),
        )
        found += row(
            6,
            ("kill cells", ToggleKilling(), "cells die under the brush", controls.killing),
            ("end all experiments", EndExperiments(), "the automaton as it was trained", False),
        )
        return found

    def _channel(self, controls: Controls) -> int:
        return controls.channel % self._channels

    def draw(self, surface: pygame.Surface, rectangle: Rectangle, shown: PanelScene) -> None:
        """The words over each row."""
        self._experiments, self._heads = shown.experiments, shown.instrument.config.num_heads
        self._channel_names = shown.scene.channel_names
        self._channels = shown.scene.snapshot.state.shape[-1]
        done, channel = shown.experiments, self._channel(shown.controls)
        rate = shown.instrument.trained_rate if done.update_rate is None else done.update_rate
        name = f": {self._channel_names[channel]}" if channel < len(self._channel_names) else ""
        titles = (
            "Mute attention heads",
            "Neighbours that no cell sees",
            f"Cells that fire in a step: {rate:.0%}",
            f"Noise on the state: {done.noise_std:g}",
            f"Step size: x {done.step_size_factor:g}",
            f"Channel {channel}{name}",
            "Dead cells never update"
            if done.dead_cells is None
            else f"{int(done.dead_cells.sum())} dead cells",
        )
        _draw_titles(surface, rectangle, shown.text_height, titles)


class DemosPage(Page):
    """The guided tour: each demo is shown at once, and then what runs goes on."""

    def buttons(self, rectangle: Rectangle, text_height: int, controls: Controls) -> Sequence[Button]:
        """One for each demo, and one that leads back."""
        kinds = [(demo.title, PlayDemo(demo.name), "watch it, a minute") for demo in demos()]
        kinds.append(("back to your own", PlayDemo(None), "end the demo; your own goes on where it was"))
        places = _rows(rectangle, text_height, len(kinds))[1]
        return [
            button
            for place, (label, action, hint) in zip(places, kinds, strict=False)
            for button in row_of_buttons(place, text_height, [(label, action, hint, False)])
        ]

    def draw(self, surface: pygame.Surface, rectangle: Rectangle, shown: PanelScene) -> None:
        """The words over the buttons."""
        titles = ["Cells at work, with captions", *[""] * (len(demos()) - 1), "While a demo is shown"]
        _draw_titles(surface, rectangle, shown.text_height, titles)


def _shows(number: int) -> Callable[[Controls], bool]:
    return lambda controls: controls.view == number


_VIEW_KINDS = tuple(
    ButtonKind(always(view.name), ShowView(view.name), view.caption, _shows(number))
    for number, view in enumerate(VIEWS)
)

MORE: tuple[tuple[str, tuple[ButtonKind, ...]], ...] = (
    ("Views", _VIEW_KINDS[:5]),
    ("", _VIEW_KINDS[5:]),
    (
        "Previous view, and one of several tiles",
        (
            ButtonKind(always("previous view"), NextView(-1), "previous view"),
            ButtonKind(always(" < "), NextTile(-1), "enlarge the tile before"),
            ButtonKind(always(" > "), NextTile(1), "enlarge the next tile"),
            ButtonKind(always("all tiles"), ShowTile(None), "all tiles side by side"),
        ),
    ),
    (
        "A digit, partly forgotten",
        tuple(
            ButtonKind(always(str(digit)), NewDigit(digit), "this digit, partly forgotten")
            for digit in range(10)
        ),
    ),
    (
        "A picture of your own, and saving",
        (
            ButtonKind(always("paste"), PastePicture(), "start from the picture on the clipboard"),
            ButtonKind(always("save picture"), Screenshot(), "save the picture (PNG)"),
            ButtonKind(always("save 20 s"), SaveClip(), "save the last 20 seconds (video or GIF)"),
            ButtonKind(always("record"), ToggleRecording(), "record a video, end it"),
        ),
    ),
    (
        "Window and time",
        (
            ButtonKind(always("fullscreen"), ToggleFullscreen(), "fullscreen", lambda c: c.fullscreen),
            ButtonKind(always("lines"), ToggleGrid(), "lines between the cells", lambda c: c.grid_visible),
            ButtonKind(always("status bar"), ToggleHud(), "status bar", lambda c: c.hud_visible),
            ButtonKind(always("slow motion"), ToggleSlowMotion(), "slow motion", lambda c: c.slow_motion),
        ),
    ),
)
"""What has a key and no button elsewhere: (title, buttons) per row."""


class MorePage(Page):
    """What has a key and no button elsewhere, for the mouse."""

    def buttons(self, rectangle: Rectangle, text_height: int, controls: Controls) -> Sequence[Button]:
        """All of `MORE`."""
        places = _rows(rectangle, text_height, len(MORE))[1]
        return [
            button
            for place, (_, kinds) in zip(places, MORE, strict=False)
            for button in row_of_buttons(
                place,
                text_height,
                [(kind.label(controls), kind.action, kind.hint, kind.is_on(controls)) for kind in kinds],
            )
        ]

    def draw(self, surface: pygame.Surface, rectangle: Rectangle, shown: PanelScene) -> None:
        """The words over each row."""
        _draw_titles(surface, rectangle, shown.text_height, [title for title, _ in MORE])


def _rows(rectangle: Rectangle, text_height: int, count: int) -> tuple[int, list[Rectangle]]:
    """How high the words over each row of buttons are, and where the buttons are.

    Where a page is too low for both there are no words; where it is too low for buttons, neither.
    """
    left, top, width, height = rectangle
    line = min(round(4.4 * text_height), height // count)
    button_height = min(round(1.8 * text_height), line - 2)
    words = line - button_height - 2
    words = min(words, round(1.7 * text_height)) if words >= 1.2 * text_height else 0
    if button_height < 8:
        return 0, []
    return words, [(left, top + number * line + words, width, button_height) for number in range(count)]


def _draw_titles(
    surface: pygame.Surface, rectangle: Rectangle, text_height: int, titles: Sequence[str]
) -> None:
    words, places = _rows(rectangle, text_height, len(titles))
    if not words:
        return
    font = letters_of(min(round(1.2 * text_height), words))
    for (left, top, width, _), title in zip(places, titles, strict=False):
        surface.blit(font.render(elided(title, font, width), True, TEXT), (left, top - words))


def _top_row(rectangle: Rectangle, text_height: int) -> Rectangle:
    left, top, width, _ = rectangle
    return (left, top, width, round(1.8 * text_height))


def _below_row(rectangle: Rectangle, text_height: int) -> Rectangle:
    left, top, width, height = rectangle
    used = round(2.4 * text_height)
    return (left, top + used, width, max(0, height - used))
