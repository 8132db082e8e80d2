"""The automata in a person's own window: what is followed of each, and seen and changed of all."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nca_viewer.automaton.experiments import Experiments, as_json
from nca_viewer.instrument import Instrument
from nca_viewer.interaction.actions import (
    Action,
    BeforeDamage,
    Redo,
    SeekTick,
    StepBack,
    Undo,
)
from nca_viewer.interaction.controls import Controls
from nca_viewer.interaction.experimenting import changed, told
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.loading import Session
from nca_viewer.ruin import Page
from nca_viewer.series import Series
from nca_viewer.timeline import Position, Timeline
from nca_viewer.views import view_number
from nca_viewer.views.mosaic import beside
from nca_viewer.views.scene import ViewImage

if TYPE_CHECKING:
    from nca_viewer.snapshot import Snapshot


class ShownPanes:
    """One automaton, or several side by side: all that is remembered of a session's.

    Attributes:
        instruments: What is followed of each, in their order.
        pages: What has become of the page of each.
        number: Which one is pointed at: the panel and the status bar tell of this one.
        timeline: The past of all of them.
    """

    def __init__(self, session: Session, before: ShownPanes | None = None) -> None:
        """Hear of all that happens to a session's automata from now on.

        Args:
            session: What runs.
            before: What was shown until now, where one of its automata gave its place to another.
        """
        self.timeline = Timeline(session.simulation)
        self.instruments = tuple(
            Instrument(pane.label, pane.simulation.config, pane.channel_names, self.timeline)
            for pane in session.shown
        )
        self.pages: Sequence[Page] = ()
        self.number = 0
        self._simulation = session.simulation
        self._wanted: Experiments | None = None
        self._undone: dict[Position, list[Series]] = {}
        self._seen: tuple[tuple[object, ...], tuple[ViewImage, ...]] | None = None
        self._whole: tuple[Sequence[np.ndarray], int, np.ndarray] | None = None
        if before is not None:
            self.number, self._wanted = before.number, before._wanted
            for old, new in zip(before.instruments, self.instruments, strict=True):
                new.healing = old.healing  # A model that takes another's place has its damage.
                if self._wanted is not None:
                    self._wanted = self._wanted.split(new.config)[0]
            if self._wanted is not None:
                self._simulation.prepare_experiments()

    # ------------------------------------------------------------------------------ what is followed

    @property
    def pointed(self) -> Instrument:
        """What is followed of the one that is pointed at."""
        return self.instruments[self.number]

    def see(
        self,
        snapshot: Snapshot,
        pages: Sequence[Page],
        *,
        touched: np.ndarray | None,
        now_seconds: float,
        view: str,
        is_stroke_held: bool,
    ) -> None:
        """Look at the next snapshot; see `Face.see` and `Instrument.see`.

        A stroke ends in a frame in which no cell was touched, unless it is held.
        """
        if self._wanted is not None and self._simulation.are_experiments_ready:  # No frame waits for them.
            self._simulation.experiments, self._wanted = self._wanted, None
        if touched is None and not is_stroke_held:
            self.timeline.end_stroke()
        if not self.timeline.can_redo:
            self._undone.clear()
        self.pages = pages
        for instrument, seen in zip(self.instruments, snapshot.panes or (snapshot,), strict=True):
            instrument.see(seen, touched=touched, now_seconds=now_seconds, view=view)

    def begin_anew(self) -> None:
        """The automata have other parameters from now on: their past is another's."""
        self.timeline.begin_anew()
        for instrument in self.instruments:
            instrument.series = Series()

    def move(self, action: Undo | Redo | StepBack | SeekTick | BeforeDamage) -> None:
        """Move along the timeline; where redo returns to, charts show again what they did there."""
        timeline = self.timeline
        match action:
            case Undo():
                shown = [instrument.series for instrument in self.instruments]
                if timeline.undo() is not None and timeline.undone_at is not None:
                    self._undone[timeline.undone_at] = shown
            case Redo():
                returned = [] if timeline.undone_at is None else self._undone.pop(timeline.undone_at, [])
                if timeline.redo() is not None:
                    for instrument, series in zip(self.instruments, returned, strict=False):
                        instrument.series = series
            case StepBack(steps):
                timeline.back(steps)
            case SeekTick(tick):
                timeline.seek(tick)
            case BeforeDamage():
                timeline.to_before_last_damage()
        for instrument in self.instruments:
            instrument.note_move()

    # ------------------------------------------------------------------------------ experiments

    @property
    def experiments(self) -> Experiments:
        """What is asked for of all of them; it takes hold as soon as what runs it is compiled."""
        return self._wanted or self._simulation.experiments

    @property
    def tells(self) -> tuple[str, ...]:
        """What is changed, or that it will be."""
        return told(self.experiments) if self._wanted is None else ("preparing an experiment",)

    def would_change(self, action: Action) -> bool:
        """Whether an action asks for other experiments than there are."""
        return self._are_other(self._changed(action))

    def _are_other(self, experiments: Experiments) -> bool:
        return as_json(experiments) != as_json(self.experiments)

    def _changed(self, action: Action) -> Experiments:
        config = self.pointed.config
        size, rate = (config.height, config.width), self.pointed.trained_rate
        return changed(self.experiments, action, grid_size=size, trained_rate=rate)

    def experiment(self, action: Action) -> bool:
        """Change all of the running automata as an action asks for; returns whether it does.

        Raises:
            ConfigError: one of them does not have what is to be changed.
        """
        experiments = self._changed(action)
        if not self._are_other(experiments):
            return False
        self._simulation.require_experiments(experiments)
        self._wanted = experiments
        self._simulation.prepare_experiments()
        return True

    # ------------------------------------------------------------------------------ what is seen

    def views(self, controls: Controls) -> tuple[ViewImage, ...]:
        """What the chosen view shows of each; none while nothing was seen, and for the image alone."""
        scenes = [instrument.scene(controls.tile) for instrument in self.instruments]
        seen = [scene for scene in scenes if scene is not None]
        if len(seen) < len(scenes) or controls.view == 0:
            return ()
        key = (*seen, controls.view, controls.tile)
        if self._seen is None or not _are_same(self._seen[0], key):
            self._seen = (key, tuple(map(view_number(controls.view).draw, seen)))
        return self._seen[1]

    def has_tiles(self, controls: Controls) -> bool:
        """Whether the chosen view shows several grids of each automaton: no cell is where it is seen."""
        return any(view.tiles for view in self.views(controls))

    def image(self, snapshot: Snapshot, controls: Controls, columns: int) -> np.ndarray:
        """What is shown of all of them: uint8[h, w, 3], so many side by side; put together once."""
        panes = snapshot.panes or (snapshot,)
        images = [view.image for view in self.views(controls)] or [pane.image for pane in panes]
        if len(images) == 1:
            return images[0]
        if self._whole is None or self._whole[1] != columns or not _are_same(self._whole[0], images):
            self._whole = (images, columns, beside(images, columns))
        return self._whole[2]

    def placed(self, geometry: Geometry, controls: Controls) -> Geometry:
        """The same window with what is shown of each in place of its grid."""
        images = [view.image.shape for view in self.views(controls)]
        return (
            geometry.of_images(max(s[0] for s in images), max(s[1] for s in images)) if images else geometry
        )

    def point(self, pixel: tuple[int, int], geometry: Geometry, controls: Controls) -> None:
        """Choose the one whose picture, or what is told below it, is at a window pixel (x, y)."""
        placed = self.placed(geometry, controls)
        number = placed.pane_at(pixel)
        left, top, width, height = placed.pane(number).grid_rectangle
        x, y = pixel[0] - left, pixel[1] - top
        if 0 <= x < width and 0 <= y < height + geometry.figures_height:
            self.number = number


def _are_same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))
