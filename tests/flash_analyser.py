"""An analyser of flashes, slow and plain, that shares no code with the limiter."""

import numpy as np


def light_of(value):
    value = value / 255
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


LIGHT = np.array([light_of(value) for value in range(256)])


def longest_alternation(values, counts):
    """Most changes in turn up and down that can be chosen from a sequence, whatever their ends: int[...].

    values: float[N, ...]; counts(i, j): bool[...], whether going from i to j is a change that counts.
    """
    best = {sign: np.zeros(values.shape, int) for sign in (1, -1)}
    for j in range(len(values)):
        for i in range(j):
            is_change = counts(i, j)
            for sign in (1, -1):
                goes = is_change & (sign * (values[j] - values[i]) > 0)
                best[sign][j] = np.where(goes, np.maximum(best[sign][j], best[-sign][i] + 1), best[sign][j])
    return np.maximum(best[1].max(axis=0), best[-1].max(axis=0))


def flashes_of(images):
    """Flashes of each sample in a sequence: general and red, int[H, W] each."""
    light = LIGHT[np.stack(images)]
    luminance = light @ [0.2126, 0.7152, 0.0722]
    red = np.maximum(light[..., 0] - light[..., 1] - light[..., 2], 0) * 320
    total = light.sum(axis=-1)
    is_saturated = (total > 0) & (light[..., 0] >= 0.8 * total)

    def general(i, j):
        return (abs(luminance[j] - luminance[i]) >= 0.1) & (np.minimum(luminance[i], luminance[j]) < 0.8)

    def reddish(i, j):
        return (abs(red[j] - red[i]) > 20) & (is_saturated[i] | is_saturated[j])

    return longest_alternation(luminance, general) // 2, longest_alternation(red, reddish) // 2


def each_second(images, seconds):
    """The parts of a sequence that lie within a second, as long as they can be."""
    end = 0
    for first, start in enumerate(seconds):
        last = max(n for n, now in enumerate(seconds) if now <= start + 1.0 + 1e-9)
        if last >= end:
            yield images[first : last + 1]
        end = last + 1


def flashes(images, seconds):
    """Most flashes of each sample within any second: general and red, int[H, W] each."""
    counts = [flashes_of(part) for part in each_second(images, seconds)]
    return tuple(np.max([count[kind] for count in counts], axis=0) for kind in (0, 1))
