"""What a person's own window remembers of an automaton, to show why it heals."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nca_viewer.healing import Healing, follow_healing
from nca_viewer.opinion import DigitClassifier, Opinion
from nca_viewer.series import Sample, Series, follow_series
from nca_viewer.snapshot import Snapshot
from nca_viewer.timeline import Timeline
from nca_viewer.views.axes import PrincipalAxes, follow_axes
from nca_viewer.views.scene import NEVER, Scene

if TYPE_CHECKING:
    from nca_viewer.config import ModelConfig

REST_SECONDS, REST_STEPS = 1.0, 40
"""An image that has not changed for so long, and in so many steps, is at rest; held time is no rest. Cells of
the bundled `model` that lost what they were wait first: nothing was seen to change for up to 33 steps in
120 wounds of radius 3, 4 and 8."""

REST_LEVELS = 12
"""A pixel that changes by fewer of its 256 levels is still: the eye does not see it."""


@dataclass(frozen=True, eq=False, slots=True)
class Trace:
    """What has been seen of an episode.

    Attributes:
        snapshot: The last one.
        damage_step: int64[H, W], step of the last damage of each cell; `NEVER` where there was none.
        still: uint8[H, W, 3], the image that the later ones are like.
        still_seconds: Since when.
        still_step: The step then.
    """

    snapshot: Snapshot
    damage_step: np.ndarray
    still: np.ndarray
    still_seconds: float
    still_step: int


def follow(
    trace: Trace | None, snapshot: Snapshot, *, touched: np.ndarray | None, now_seconds: float
) -> Trace:
    """Look at the next snapshot.

    Args:
        trace: Until now; None at first.
        snapshot: Of this frame.
        touched: bool[H, W], where hands were in this frame; None where they were nowhere.
        now_seconds: The time, never going back.
    """
    grid = snapshot.image.shape[:2]
    if trace is None or trace.damage_step.shape != grid or snapshot.episode != trace.snapshot.episode:
        trace = Trace(snapshot, np.full(grid, NEVER, np.int64), snapshot.image, now_seconds, snapshot.step)
    damage_step = trace.damage_step
    if snapshot.step < trace.snapshot.step:  # Gone back: what came later has not happened.
        damage_step = np.where(damage_step > snapshot.step, NEVER, damage_step).astype(np.int64)
    if touched is not None:
        damage_step = np.where(touched, snapshot.step, damage_step).astype(np.int64)
    still, still_seconds, still_step = trace.still, trace.still_seconds, trace.still_step
    if touched is not None:  # Nothing rests under a hand.
        still, still_seconds, still_step = snapshot.image, now_seconds, snapshot.step
    elif snapshot is not trace.snapshot and snapshot.image is not still:
        difference = np.abs(snapshot.image.astype(np.int16) - still)
        if difference.max() >= REST_LEVELS:
            still, still_seconds, still_step = snapshot.image, now_seconds, snapshot.step
    return Trace(snapshot, damage_step, still, still_seconds, min(still_step, snapshot.step))


class Instrument:
    """Follows one automaton that is shown; makes of it what the views, the inspector and the charts need.

    Attributes:
        name: Of its checkpoint.
        config: Its hyperparameters.
        channel_names: What each of its channels holds; empty where that is not known.
        timeline: Its past.
        healing: Of its last damage.
        series: What the charts show.
        opinions: What the classifier read lately, oldest first.
    """

    def __init__(
        self, name: str, config: ModelConfig, channel_names: Sequence[str], timeline: Timeline
    ) -> None:
        """Nothing has been seen yet; the arguments are the attributes."""
        self.name = name
        self.config = config
        self.channel_names = tuple(channel_names)
        self.timeline = timeline
        self.healing: Healing | None = None
        self.series = Series()
        self._has_moved = False
        self._classifier: DigitClassifier | None = None
        self._opinion: Opinion | None = None
        self.opinions: deque[Opinion] = deque(maxlen=600)
        self._trace: Trace | None = None
        self._axes: PrincipalAxes | None = None
        self._scenes: dict[int | None, Scene] = {}
        self._now_seconds = 0.0

    def see(
        self,
        snapshot: Snapshot,
        *,
        touched: np.ndarray | None,
        now_seconds: float,
        view: str,
    ) -> None:
        """Look at the next snapshot; see `display.face.Face.see`.

        What only one view needs, which takes its time, is made while `view` names that one.
        """
        tick = self.timeline.tick_of(snapshot.episode, snapshot.step)
        self.healing = self._recall(snapshot, tick) or follow_healing(
            self.healing, snapshot, is_touched=touched is not None, now_seconds=now_seconds
        )
        sample = None if tick is None else Sample.of(tick, snapshot, self.healing)
        self.series = follow_series(
            self.series, sample, self.timeline.marks, newest_tick=self.timeline.newest_tick
        )
        is_new = self._trace is None or self._trace.snapshot is not snapshot
        self._trace = follow(self._trace, snapshot, touched=touched, now_seconds=now_seconds)
        self._now_seconds = now_seconds
        if is_new or touched is not None:
            self._axes = follow_axes(self._axes, snapshot) if view == "components" else None
            self._scenes.clear()
            self._opinion = None
        if view == "opinion" and self._opinion is None:
            self._classifier = self._classifier or DigitClassifier.load()
            self._opinion = self._classifier.read(snapshot.image)
            self.opinions.append(self._opinion)
            self._scenes.clear()

    def note_move(self) -> None:
        """The timeline was moved along: how far the cells had healed there is known from the charts."""
        self._has_moved = True

    def _recall(self, snapshot: Snapshot, tick: int | None) -> Healing | None:
        """How far the cells had healed at a snapshot that was gone back to; else None.

        Hands go along the timeline; what a record undoes is known by its steps alone.
        """
        before = self.healing
        if self._has_moved and tick is not None:
            self._has_moved = False
            sample = self.series.nearest(tick)
        elif before is not None and snapshot.episode == before.episode and snapshot.step < before.step:
            # The timeline's last mark is where this began again. A hand may have been on the cells in that
            # step: the one before tells more.
            marks = self.timeline.marks
            sample = self.series.last_at(snapshot.episode, marks[-1].step - 1) if marks else None
        else:
            return None
        if sample is None or sample.healing is None or sample.episode != snapshot.episode:
            return None
        return replace(sample.healing, step=snapshot.step)

    @property
    def is_at_rest(self) -> bool:
        """Whether the image has not changed for a while."""
        trace = self._trace
        if trace is None or trace.snapshot.step - trace.still_step < REST_STEPS:
            return False
        return self._now_seconds - trace.still_seconds > REST_SECONDS

    @property
    def trained_rate(self) -> float:
        """Part of the cells that fired in a step of training."""
        return 1.0 - self.config.cell_dropout_rate

    def scene(self, tile: int | None) -> Scene | None:
        """All that a view may show, with one tile enlarged or none; None before the first snapshot."""
        if self._trace is None:
            return None
        if tile not in self._scenes:
            snapshot = self._trace.snapshot
            self._scenes[tile] = Scene(
                snapshot=snapshot,
                explanation=snapshot.explanation,
                clean=snapshot.clean,
                damage_step=self._trace.damage_step,
                axes=self._axes,
                opinion=self._opinion,
                channel=tile,
                head=tile,
                channel_names=self.channel_names,
            )
        return self._scenes[tile]
