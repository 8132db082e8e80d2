"""Views of what cells are and do: image, opinion, difference, channels, components, activity, damage."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from nca_viewer.views.axes import follow_axes
from nca_viewer.views.colours import (
    NOT_A_NUMBER,
    TWO_SIDED,
    VIRIDIS,
    coloured,
    marked,
    round_limit,
    srgb_of_oklab,
)
from nca_viewer.views.mosaic import mosaic, most_tiles
from nca_viewer.views.scene import NEVER, Colour, ColourBar, ColourRow, LegendEntry, Scene, ViewImage

MISSING: Colour = (86, 180, 233)
TOO_MUCH: Colour = (230, 159, 0)
"""With `MISSING`, two colours of Okabe and Ito's palette, which every eye tells apart."""
_SHARED: Colour = (110, 110, 110)
_DID_NOT_FIRE: Colour = (38, 38, 46)

_NO_NUMBER_ROW = ColourRow(NOT_A_NUMBER, "not a finite number")

_LEAST_CHANGE = 1e-3
_LONGEST_STEPS = 1000


def waiting(scene: Scene, what: str) -> ViewImage:
    """The image, darkened, for a view that cannot be drawn yet."""
    return ViewImage(scene.snapshot.image // 3, caption=what)


def draw_image(scene: Scene) -> ViewImage:
    """The visible channels as they are."""
    return ViewImage(scene.snapshot.image, caption="What the cells show.")


def draw_opinion(scene: Scene) -> ViewImage:
    """The image, and how probable an outside classifier finds each digit."""
    opinion = scene.opinion
    if opinion is None:
        return waiting(scene, "The classifier has not read this image.")
    legend = tuple(
        ColourRow(_probability_colour(float(probability)), f"{digit}: {100 * probability:.0f} %")
        for digit, probability in enumerate(opinion.probabilities)
    )
    read = "is unsure" if opinion.digit is None else f"reads a {opinion.digit}"
    return ViewImage(scene.snapshot.image, legend, f"A classifier that sees only the image {read}.")


def _probability_colour(probability: float) -> Colour:
    red, green, blue = coloured(np.array(probability), 0.0, 1.0, VIRIDIS).tolist()
    return red, green, blue


def draw_difference(scene: Scene) -> ViewImage:
    """The image against the clean one: ink that is missing, and ink that is too much."""
    clean_image = scene.snapshot.clean if scene.clean is None else scene.clean
    if clean_image is None:
        return waiting(scene, "Nothing to compare with: this began with a blank page.")
    shown = scene.snapshot.image.mean(axis=-1, dtype=np.float32)[..., None] / 255
    clean = clean_image.mean(axis=-1, dtype=np.float32)[..., None] / 255
    image = np.minimum(shown, clean) * np.array(_SHARED, np.float32)
    image += np.maximum(clean - shown, 0) * np.array(MISSING, np.float32)
    image += np.maximum(shown - clean, 0) * np.array(TOO_MUCH, np.float32)
    legend = (
        ColourRow(MISSING, "ink is missing"),
        ColourRow(TOO_MUCH, "ink is too much"),
        ColourRow(_SHARED, "ink as it was"),
    )
    error = 100 * float(np.sqrt(np.mean((shown - clean) ** 2)))
    caption = f"Against the image that this began from: error {error:.1f} % (root mean square)."
    return ViewImage(np.rint(image).astype(np.uint8), legend, caption)


def channel_name(scene: Scene, channel: int) -> str:
    """What a channel holds, or "hidden 7"."""
    return scene.channel_names[channel] if channel < len(scene.channel_names) else hidden_name(channel)


def hidden_name(channel: int) -> str:
    """Of a channel of which nobody knows what it holds."""
    return f"hidden {channel}"


_MEMORY_VALUES = "1 is ink, 0.75 paper, 0 or less not known"
_CHANNEL_MEANINGS = {
    "life": "1 in a cell that lives; damage takes it, and it grows while a page begins or a lost cell waits.",
    "awake": "1 in a cell that restores a picture or waits; -1 in one that defends what it shows.",
    "lost": "1 in a cell that lost what it was, and waits for neighbours that remember it.",
}


def channel_meaning(name: str) -> str:
    """What the values of a channel with this name stand for, in a sentence; empty where nobody knows.

    The names are those that training gives them.
    """
    memory = re.fullmatch(r"ink (\d+) ([a-z-]+)", name)
    if memory:
        return f"What it remembers of the cell {memory[1]} to the {memory[2]}: {_MEMORY_VALUES}."
    return _CHANNEL_MEANINGS.get(name, "")


def with_no_number_row(
    entries: tuple[LegendEntry, ...], values: NDArray[np.floating]
) -> tuple[LegendEntry, ...]:
    """The legend of these values: with a line for NaN and infinities where there are any."""
    return entries if np.isfinite(values).all() else (*entries, _NO_NUMBER_ROW)


def draw_channels(scene: Scene) -> ViewImage:
    """Every channel as a grid of its own, or one of them enlarged."""
    state = scene.snapshot.state
    height, width, number = state.shape
    if scene.channel is not None and 0 <= scene.channel < number:
        values = state[..., scene.channel]
        name = channel_name(scene, scene.channel)
        caption = f"Channel {scene.channel}: {name}. {channel_meaning(name)}".rstrip()
    else:
        shown = min(number, most_tiles(height, width))
        values = np.moveaxis(state[..., :shown], -1, 0)
        caption = f"All {number} channels" if shown == number else f"The first {shown} of {number} channels"
        caption += " of every cell"
        if any(_MEMORY_VALUES in channel_meaning(name) for name in scene.channel_names[:shown]):
            caption += f'. Memories ("ink 1 ..."): {_MEMORY_VALUES}.'
        else:
            caption += ": what it knows." if shown == number else "."
    limit = round_limit(values)
    image = coloured(values, -limit, limit, TWO_SIDED)
    bar = ColourBar("value", TWO_SIDED, ((0.0, f"{-limit:g}"), (0.5, "0"), (1.0, f"{limit:g}")))
    legend = with_no_number_row((bar,), values)
    if values.ndim == 2:
        return ViewImage(image, legend, caption)
    labels = [channel_name(scene, channel) for channel in range(len(values))]
    tiled, tiles = mosaic(image, labels)
    return ViewImage(tiled, legend, caption, tiles)


_COMPONENT_LIGHTNESS = 0.58
_COMPONENT_CONTRAST = np.array([0.17, 0.075, 0.06], np.float32)
"""Of one standard deviation: in lightness, from blue to yellow, and from green to red."""


def _component_colours(components: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Lightness, blue to yellow, green to red: uint8[..., 3] of float[..., 3] standard deviations."""
    finite = np.isfinite(components).all(axis=-1)
    offsets = np.clip(np.nan_to_num(components), -2.0, 2.0) * _COMPONENT_CONTRAST
    lightness, yellowness, redness = np.moveaxis(offsets, -1, 0)
    image = srgb_of_oklab(np.stack([_COMPONENT_LIGHTNESS + lightness, redness, yellowness], axis=-1))
    return marked(image, finite)


def _component_bars() -> tuple[ColourBar, ...]:
    positions = np.linspace(-2.0, 2.0, 64)
    return tuple(
        ColourBar(
            f"component {number + 1}, standard deviations",
            _component_colours(positions[:, None] * np.eye(3)[number]),
            ((0.0, "-2"), (0.5, "0"), (1.0, "2")),
        )
        for number in range(3)
    )


_COMPONENT_BARS = _component_bars()


def draw_components(scene: Scene) -> ViewImage:
    """The three leading principal components of the channels as one colour: alike cells look alike."""
    axes = follow_axes(None, scene.snapshot) if scene.axes is None else scene.axes
    components = axes.components(scene.snapshot.state)
    caption = (
        f"Cells that know alike look alike; the colour holds {100 * axes.share:.0f} % of how they differ."
    )
    return ViewImage(_component_colours(components), with_no_number_row(_COMPONENT_BARS, components), caption)


def draw_activity(scene: Scene) -> ViewImage:
    """Which cells fire in the next step, and how much it changes them, after the bound on the state."""
    next_step = scene.next_step
    if next_step is None:
        return waiting(scene, "The next step is being taken apart ...")
    fires = next_step.fires
    with np.errstate(invalid="ignore", over="ignore"):
        changes = next_step.next_state - scene.snapshot.state
    sizes = np.abs(changes).max(axis=-1)
    logarithms = np.log10(np.maximum(sizes, _LEAST_CHANGE))
    image = coloured(logarithms, np.log10(_LEAST_CHANGE), 0.0, VIRIDIS)
    image = np.where(fires[..., None], image, np.array(_DID_NOT_FIRE, np.uint8))
    ticks = tuple((place / 3, text) for place, text in enumerate(("0.001 or less", "0.01", "0.1", "1")))
    legend: tuple[LegendEntry, ...] = (
        ColourBar("largest change of a channel", VIRIDIS, ticks),
        ColourRow(_DID_NOT_FIRE, "does not update in this step"),
    )
    moving = float(np.mean(fires & (sizes > _LEAST_CHANGE)))
    caption = (
        f"The next step: {100 * fires.mean():.0f} % of the cells update, {100 * moving:.0f} % change visibly."
    )
    return ViewImage(image, with_no_number_row(legend, sizes), caption)


def draw_damage(scene: Scene) -> ViewImage:
    """Steps since each cell was last damaged, over the darkened image."""
    image = scene.snapshot.image // 3
    legend: tuple[LegendEntry, ...] = (
        ColourBar("steps since the last damage", VIRIDIS[::-1], _DAMAGE_TICKS),
        ColourRow((85, 85, 85), "never damaged (the image)"),
    )
    damage_step = scene.damage_step
    damaged = None if damage_step is None else damage_step != NEVER
    if damage_step is None or damaged is None or not damaged.any():
        return ViewImage(image, legend, "No cell was damaged so far.")
    steps = np.maximum(scene.snapshot.step - damage_step, 0)
    recency = 1.0 - np.log1p(steps) / np.log1p(_LONGEST_STEPS)
    image = np.where(damaged[..., None], coloured(recency, 0.0, 1.0, VIRIDIS), image)
    last = int(steps[damaged].min())
    caption = f"{int(damaged.sum())} cells were damaged, the last {last} steps ago."
    return ViewImage(image, legend, caption)


_DAMAGE_TICKS = tuple(
    (float(np.log1p(steps) / np.log1p(_LONGEST_STEPS)), text)
    for steps, text in ((0, "0"), (10, "10"), (100, "100"), (1000, "1000 or more"))
)
