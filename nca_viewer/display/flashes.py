"""No more than two flashes in any second, general or red: pure functions on pictures and times.

WCAG 2.3.1 (https://www.w3.org/TR/WCAG22/#dfn-general-flash-and-red-flash-thresholds) allows three. A general
flash is a pair of opposing changes of relative luminance by a tenth of its range or more, where the darker
state is below 0.80. A red flash is a pair of opposing changes of red beyond green and blue by 1/16; the
standard asks for a saturated red at one end, which is not asked for here: that is stricter, and so is one
flash less. Flashes are dangerous where they fill more than a quarter of any field of ten degrees.

Each sample of a picture is followed on its own. What would make it change once too often within a second is
moved towards what was shown last, in linear light and just so far that it is no change; where too little of
the field flashes to matter, nothing is done. An opposing change is counted once it has passed the threshold,
seen from the furthest value since the change before. A second that begins within a change can hold one change
more than were counted in it, so four are allowed, and no second holds a third flash however it is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

MAX_CHANGES = 4
"""Opposing changes of a sample within `PERIOD_SECONDS`: two of them are a flash."""

PERIOD_SECONDS = 1.0
DARKER_BELOW = 0.80
LUMINANCE_CHANGE = 0.10
RED_CHANGE = 20 / 320

FIELD_FRACTION = 1 / 6
"""Side of a field of ten degrees, as a part of the screen's side. The standard's is a third, as seen from a
desk; from a touch screen within an arm's reach it is about a sixth, which is stricter."""

FIELD_AREA = 0.25
"""Part of a field that may flash."""

_TIME_ROUNDING_SECONDS = 1e-6
_MARGIN = 0.2
"""Part of a threshold that stays free, so that rounding to 8 bits passes none."""

_ENCODED = np.arange(256) / 255.0
_LINEAR = np.where(_ENCODED <= 0.04045, _ENCODED / 12.92, ((_ENCODED + 0.055) / 1.055) ** 2.4).astype(
    np.float32
)
_LUMINANCE_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)
_ROUNDING_STEPS = (_LINEAR[1:] + _LINEAR[:-1]) / 2


def linear_light(image: np.ndarray) -> np.ndarray:
    """From sRGB, uint8, to linear light: float32 in [0, 1], of the same shape."""
    return _LINEAR[image]


def encoded(light: np.ndarray) -> np.ndarray:
    """From linear light in [0, 1] to sRGB, uint8, of the same shape."""
    return np.searchsorted(_ROUNDING_STEPS, light).astype(np.uint8)


def relative_luminance(light: np.ndarray) -> np.ndarray:
    """WCAG's relative luminance, float32[H, W] in [0, 1], of linear light[H, W, 3]."""
    return light @ _LUMINANCE_WEIGHTS


def red_excess(light: np.ndarray) -> np.ndarray:
    """Red beyond green and blue, float32[H, W] in [0, 1], of linear light[H, W, 3]; 0 for all greys."""
    return np.maximum(light[..., 0] - light[..., 1] - light[..., 2], 0.0)


@dataclass(frozen=True, eq=False, slots=True)
class Changes:
    """The opposing changes of one quantity, of every sample on its own.

    Attributes:
        threshold: What counts as a change.
        darker_below: Only changes whose lower end is below this count.
        direction: int8[H, W], of the last change counted: 1, -1, or 0 before the first.
        low: float32[H, W], the lowest value since then.
        high: float32[H, W], the highest.
        seconds: float64[MAX_CHANGES + 1, H, W], when the latest changes were, newest first.
    """

    threshold: float
    darker_below: float
    direction: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seconds: np.ndarray

    @classmethod
    def start(cls, value: np.ndarray, threshold: float, darker_below: float) -> Changes:
        """Begin with a first picture's float32[H, W]."""
        return cls(
            threshold=threshold,
            darker_below=darker_below,
            direction=np.zeros(value.shape, np.int8),
            low=value,
            high=value,
            seconds=np.full((MAX_CHANGES + 1, *value.shape), -np.inf),
        )

    def would_change(self, value: np.ndarray) -> np.ndarray:
        """Which samples a next value would change: int8[H, W], 1 upwards, -1 downwards, 0 not."""
        falls = (self.direction >= 0) & (self.high - value >= self.threshold) & (value < self.darker_below)
        rises = (self.direction <= 0) & (value - self.low >= self.threshold) & (self.low < self.darker_below)
        return np.where(falls, np.int8(-1), rises.astype(np.int8))

    def after(self, value: np.ndarray, now_seconds: float) -> Changes:
        """With a picture that was shown."""
        change = self.would_change(value)
        changed = change != 0
        seconds = self.seconds
        if changed.any():
            seconds = np.where(changed, np.roll(seconds, 1, axis=0), seconds)
            seconds[0][changed] = now_seconds
        return replace(
            self,
            direction=np.where(changed, change, self.direction),
            low=np.where(changed, value, np.minimum(self.low, value)),
            high=np.where(changed, value, np.maximum(self.high, value)),
            seconds=seconds,
        )

    def is_spent(self, now_seconds: float, changes: int = MAX_CHANGES) -> np.ndarray:
        """Which samples have had so many changes in the second that ends now: bool[H, W]."""
        return self.seconds[changes - 1] >= now_seconds - PERIOD_SECONDS - _TIME_ROUNDING_SECONDS

    def allowed(self, value: np.ndarray, change: np.ndarray) -> np.ndarray:
        """The value nearest to `value` that is safely no change."""
        room = (1 - _MARGIN) * self.threshold
        value = np.where(change > 0, np.minimum(value, self.low + room), value)
        return np.where(change < 0, np.maximum(value, self.high - room), value)


def _values(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two quantities whose flashes are dangerous, of uint8[H, W, 3]."""
    light = linear_light(image)
    return relative_luminance(light), red_excess(light)


@dataclass(frozen=True, eq=False, slots=True)
class FlashState:
    """What was shown until now.

    Attributes:
        image: uint8[H, W, 3], the last picture.
        quantities: The changes of relative luminance, and those of red.
    """

    image: np.ndarray
    quantities: tuple[Changes, Changes]

    @classmethod
    def start(cls, image: np.ndarray) -> FlashState:
        """Begin with a first picture, uint8[H, W, 3]."""
        luminance, red = _values(image)
        return cls(
            image=image.copy(),
            quantities=(
                Changes.start(luminance, LUMINANCE_CHANGE, DARKER_BELOW),
                # The standard's 0.80 is a luminance; red counts at any brightness.
                Changes.start(red, RED_CHANGE, np.inf),
            ),
        )

    def after(self, image: np.ndarray, now_seconds: float) -> FlashState:
        """With a picture that was shown."""
        if np.array_equal(image, self.image):
            return self
        luminance, red = (
            changes.after(value, now_seconds)
            for changes, value in zip(self.quantities, _values(image), strict=True)
        )
        return FlashState(image.copy(), (luminance, red))

    def may_be_limited_next(self, now_seconds: float) -> bool:
        """Whether the next picture could be one change too many somewhere."""
        return any(bool(changes.is_spent(now_seconds).any()) for changes in self.quantities)


@dataclass(frozen=True, slots=True)
class Field:
    """What of a picture is seen within ten degrees.

    Attributes:
        height: In samples.
        width: In samples.
        area: Part of a field that may flash, 0 to 1; 0 limits every sample on its own.
    """

    height: int
    width: int
    area: float = FIELD_AREA


def limited(
    state: FlashState, image: np.ndarray, now_seconds: float, field: Field, *, hold: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """A picture that may be shown now.

    Args:
        state: What was shown until now.
        image: uint8[H, W, 3], what is meant to be shown, of the same shape as before.
        now_seconds: When it will be shown.
        field: What is seen within ten degrees.
        hold: Leave what must not change just as it was, instead of going as far as is allowed.

    Returns:
        uint8[H, W, 3], and bool[H, W], the samples that differ from `image` for it.
    """
    nowhere = np.zeros(image.shape[:2], bool)
    if image is state.image or not state.may_be_limited_next(now_seconds):
        return image, nowhere
    spent = [changes.is_spent(now_seconds) for changes in state.quantities]

    def excess(picture: np.ndarray) -> np.ndarray:
        return np.any(
            [
                is_spent & (changes.would_change(value) != 0)
                for is_spent, changes, value in zip(spent, state.quantities, _values(picture), strict=True)
            ],
            axis=0,
        )

    new = excess(image)
    if not new.any():
        return image, nowhere
    flashing = new.copy()
    for changes in state.quantities:
        flashing |= changes.is_spent(now_seconds, MAX_CHANGES + 1)
    stopped = new & _crowded(flashing, field)
    if not stopped.any():
        return image, nowhere
    if hold:
        return np.where(stopped[..., None], state.image, image), stopped
    result = np.where(stopped[..., None], _moved(state, image), image)
    # Red is not linear everywhere, and 8 bits are few: what is still a change stays as it was.
    result = np.where((stopped & excess(result))[..., None], state.image, result)
    return result, stopped


def _moved(state: FlashState, image: np.ndarray) -> np.ndarray:
    """From the last picture towards the next, as far as no sample changes: uint8[H, W, 3]."""
    before, after = linear_light(state.image), linear_light(image)
    way = np.ones(image.shape[:2], np.float32)
    for changes, old, new in zip(state.quantities, _values(state.image), _values(image), strict=True):
        change = changes.would_change(new)
        distance = np.where(change != 0, new - old, 1.0)
        part = np.clip((changes.allowed(new, change) - old) / np.where(distance == 0, 1.0, distance), 0, 1)
        way = np.where(change != 0, np.minimum(way, part), way)
    return encoded(before + way[..., None] * (after - before))


def _crowded(flashing: np.ndarray, field: Field) -> np.ndarray:
    """The samples of all fields too much of which flashes: bool[H, W]."""
    height, width = (min(a, b) for a, b in zip((field.height, field.width), flashing.shape, strict=True))
    height, width = max(height, 1), max(width, 1)
    is_crowded = _box_sums(flashing, height, width) > field.area * height * width
    if not is_crowded.any():
        return np.zeros(flashing.shape, bool)
    spread = np.pad(is_crowded, ((height - 1, height - 1), (width - 1, width - 1)))
    return _box_sums(spread, height, width) > 0


def _box_sums(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """How many are set in each box of a size: int[H - height + 1, W - width + 1]."""
    sums = np.pad(mask.astype(np.int32).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    return sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
