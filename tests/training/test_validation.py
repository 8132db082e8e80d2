"""The figures of every checkpoint."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from flax import nnx

from nca_viewer.automaton.rollout import Dynamics
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.config import ModelConfig
from training.validation import make_validation

MODEL = ModelConfig(
    height=13, width=12, channel_size=3, projection_size=3, num_heads=1, hidden_size=4, perception_size=4
)
FULL = np.ones((6, *MODEL.image_shape), np.float32)


def measure(visible_bias: float = 0.0, config: ModelConfig = MODEL, seed: int = 0) -> dict[str, float]:
    """Figures of an automaton whose visible channel changes by the same amount wherever a cell is kept."""
    model = AttentionNCA(config, rngs=nnx.Rngs(0))
    model.update.layers[1].bias[...] = np.array([0.0, 0.0, visible_bias], np.float32)
    dynamics, parameters = Dynamics.of(model)
    return make_validation(dynamics, FULL, seed=seed)(parameters)


def error(decibel: float) -> float:
    return 10 ** (-decibel / 10)


def test_what_stands_still_never_heals() -> None:
    figures = measure()
    assert figures["psnr_64"] == figures["psnr_512"]
    # Half the pixels are forgotten; the wound, a disc of 81 cells where the grid does not cut it off, takes
    # half of what it covers in addition.
    assert error(figures["psnr_64"]) == pytest.approx(0.5, abs=0.05)
    worse = error(figures["healed_psnr"]) - error(figures["psnr_64"])
    assert 0.5 * 25 / 156 < worse < 0.5 * 90 / 156
    assert measure() == figures
    assert measure(seed=1) != figures


def test_what_grows_back_is_healed() -> None:
    bounded = dataclasses.replace(MODEL, state_limit=1.0)
    assert measure(0.5, bounded) == {"psnr_64": 100.0, "psnr_512": 100.0, "healed_psnr": 100.0}
    # 96 steps after the wound, each with a chance of one half, a hundredth at a time and doubled: 0.96 on
    # average, against the 5.1 of 512 steps, clipped.
    slow = measure(0.01, dataclasses.replace(MODEL, state_limit=1.0))
    assert slow["psnr_64"] < slow["healed_psnr"] <= slow["psnr_512"] == 100.0


def test_a_picture_that_is_not_finite_scores_nothing() -> None:
    """A blank page would score 10 dB, and more than many a living automaton."""
    assert measure(np.nan) == {"psnr_64": 0.0, "psnr_512": 0.0, "healed_psnr": 0.0}
