"""Runs in which nothing is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def idle_training(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A run goes its way and writes its files, but its updates change no parameter and nothing is measured.

    Returns the configurations of the updates, as they are asked for.
    """
    import jax
    from PIL import Image

    from training import run
    from training.step import Metrics

    configs: list[Any] = []

    def make_train_step(_dynamics: Any, config: Any, _sharding: Any) -> Callable[..., Any]:
        configs.append(config)
        metrics = Metrics(*[jax.numpy.float32(0.1)] * 4)
        return jax.jit(lambda state, images: (state._replace(step=state.step + 1), metrics))

    figures = {"psnr_64": 1.0, "psnr_512": 1.0, "healed_psnr": 1.0}
    monkeypatch.setattr(run, "make_train_step", make_train_step)
    monkeypatch.setattr(run, "make_validation", lambda *_, **__: lambda _: figures)
    monkeypatch.setattr(run, "sample_sheet", lambda *_: Image.new("RGB", (8, 5)))
    return configs
