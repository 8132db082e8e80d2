"""How much of the damage is healed: the image against the clean one, from snapshot to snapshot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nca_viewer.snapshot import Snapshot

PAUSE_SECONDS = 1.0
"""Hands that come back sooner make the same damage larger; later, they make another."""

SMALLEST_DAMAGE = 0.005
"""What adds less to the error is no damage that healing could be told of."""


def healed_fraction(before: Any, damaged: Any, after: Any) -> Any:
    """How much of what damage did is gone: 1 - (after - before) / (damaged - before).

    1 is a full recovery, 0 none; negative is damage that grew, above 1 is better than before the damage. What
    the errors are is the caller's choice:

    - The window passes root mean square differences from the clean image, and clips the fraction to 0..1.
    - The exhibit's counts pass mean squared differences from the image before the first stroke, `before`
      being 0.
    - `nca-train evaluate` passes mean squared errors against the clean image, averaged over the automata.

    Args:
        before: Errors just before the damage: numbers or arrays, of NumPy or of JAX.
        damaged: The same just after it.
        after: The same once there was time to heal.

    Returns:
        The fractions, of the same kind; NaN where damage did no harm, or an error is not finite.
    """
    harm = damaged - before
    library = harm.__array_namespace__() if hasattr(harm, "__array_namespace__") else np
    is_harmed = harm > 0
    return library.where(is_harmed, 1.0 - (after - before) / library.where(is_harmed, harm, 1.0), library.nan)


@dataclass(frozen=True, slots=True)
class Healing:
    """The last damage of an episode; the first is what was forgotten at its start.

    Attributes:
        episode: Number of the episode.
        step: Of the last snapshot.
        error: Root mean square difference from the clean image, 0 (none) to 1.
        error_before: What it was before the damage.
        error_damaged: The most it was while hands were on it.
        hand_seconds: When that was last.
        is_damage: Whether a hand did it; else it is what the start forgot.
    """

    episode: int
    step: int
    error: float
    error_before: float
    error_damaged: float
    hand_seconds: float
    is_damage: bool = False

    @property
    def restored(self) -> float | None:
        """Part of the damage that is healed, 0 to 1; None where there is none to speak of."""
        if self.error_damaged - self.error_before < SMALLEST_DAMAGE:
            return None
        return min(max(float(healed_fraction(self.error_before, self.error_damaged, self.error)), 0.0), 1.0)


def follow_healing(
    healing: Healing | None, snapshot: Snapshot, *, is_touched: bool, now_seconds: float
) -> Healing | None:
    """Look at the next snapshot.

    Args:
        healing: Until now; None at first.
        snapshot: Of this frame.
        is_touched: Whether a hand was on the cells in this frame.
        now_seconds: The time from any zero.

    Returns:
        What to pass in next time; None where the episode has no clean image.
    """
    if snapshot.clean is None:
        return None
    difference = (snapshot.image.astype(np.float64) - snapshot.clean) / 255.0
    error = float(np.sqrt(np.mean(difference**2)))
    if healing is None or snapshot.episode != healing.episode or snapshot.step < healing.step:
        return Healing(snapshot.episode, snapshot.step, error, 0.0, error, now_seconds)
    followed = replace(healing, step=snapshot.step, error=error)
    if not is_touched:
        return followed
    if now_seconds - healing.hand_seconds > PAUSE_SECONDS:
        followed = replace(followed, error_before=healing.error, error_damaged=error)
    return replace(
        followed,
        error_damaged=max(followed.error_damaged, error),
        hand_seconds=now_seconds,
        is_damage=True,
    )
