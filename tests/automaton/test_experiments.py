"""What experiments accept; what they do is tested where they run."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nca_viewer.automaton.experiments import Experiments, as_json
from nca_viewer.config import ModelConfig
from nca_viewer.errors import ConfigError

CONFIG = ModelConfig(height=8, width=9, channel_size=7, num_heads=3, hidden_size=6)
SOME_CELLS = np.arange(72).reshape(8, 9) == 5


def test_without_any_nothing_changes() -> None:
    assert Experiments().is_neutral
    assert Experiments(dead_cells=np.zeros((8, 9), bool), muted_heads=set(), step_size_factor=1).is_neutral
    for change in (
        {"muted_heads": [2]},
        {"zeroed_channels": [0]},
        {"frozen_channels": {6}},
        {"dead_cells": SOME_CELLS},
        {"update_rate": 0.5},
        {"noise_std": 0.01},
        {"step_size_factor": 0.0},
        {"neighbours": [False] * 4 + [True] * 5},
    ):
        assert not Experiments(**change).is_neutral


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"muted_heads": [3]}, "muted_heads holds 3; this automaton has heads 0 to 2"),
        ({"muted_heads": [-1]}, "muted_heads holds -1; it must hold whole numbers from 0"),
        ({"zeroed_channels": [1.5]}, "zeroed_channels holds 1.5"),
        ({"frozen_channels": [7]}, "frozen_channels holds 7; this automaton has channels 0 to 6"),
        ({"frozen_channels": [True]}, "frozen_channels holds True"),
        ({"frozen_channels": [2, 4], "zeroed_channels": [4]}, "channel 4 cannot be both"),
        ({"dead_cells": np.ones((9, 8), bool)}, "dead_cells is 9 x 8 cells; the grid has 8 x 9"),
        ({"dead_cells": np.ones((8, 9))}, "must be bool"),
        ({"dead_cells": np.ones(9, bool)}, "must be bool"),
        ({"update_rate": 0.04}, "update_rate = 0.04 is out of range"),
        ({"update_rate": float("nan")}, "update_rate = nan is out of range"),
        ({"noise_std": -0.1}, "noise_std = -0.1 is out of range"),
        ({"step_size_factor": 4.5}, "step_size_factor = 4.5 is out of range"),
        ({"neighbours": [True] * 8}, "must be nine truth values"),
        ({"neighbours": [1] * 9}, "must be nine truth values"),
        ({"neighbours": [True] * 4 + [False] + [True] * 4}, "the cell itself"),
    ],
)
def test_errors_are_one_line_with_value_and_limit(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Experiments(**change).arrays(CONFIG)
    assert "\n" not in str(caught.value)


def test_dead_cells_are_a_sealed_copy() -> None:
    cells = SOME_CELLS.copy()
    experiments = Experiments(dead_cells=cells)
    cells[:] = False
    assert experiments.dead_cells.sum() == 1
    with pytest.raises(ValueError, match="read-only"):
        experiments.dead_cells[0, 0] = True


def test_shapes_never_depend_on_the_values() -> None:
    first, second = (
        experiments.arrays(CONFIG)
        for experiments in (
            Experiments(),
            Experiments([0], [1], [2], SOME_CELLS, 0.25, 0.5, 2, [True] * 8 + [False]),
        )
    )
    for one, other in zip(first, second, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        assert np.any(one != other)


def test_the_package_gives_its_names_and_starts_no_jax_before_they_need_it() -> None:
    program = (
        "import sys, nca_viewer.automaton as automaton\n"
        "automaton.Experiments(), automaton.Explanation\n"
        "assert 'jax' not in sys.modules\n"
        "assert sorted(automaton._HOMES) == sorted(automaton.__all__)\n"
        "assert all(getattr(automaton, name).__doc__ for name in automaton.__all__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_what_an_automaton_does_not_have_is_split_off() -> None:
    rest = {"noise_std": 0.1, "dead_cells": SOME_CELLS}
    some = Experiments(muted_heads={0, 3, 5}, zeroed_channels={0, 7}, **rest)
    has, lacks = some.split(CONFIG)
    assert as_json(has) == as_json(Experiments(muted_heads={0}, zeroed_channels={0}, **rest))
    assert as_json(lacks) == as_json(Experiments(muted_heads={3, 5}, zeroed_channels={7}))
    has, lacks = Experiments(frozen_channels={7}, dead_cells=SOME_CELLS[1:]).split(CONFIG)
    assert has.is_neutral
    assert as_json(lacks) == as_json(Experiments(frozen_channels={7}, dead_cells=SOME_CELLS[1:]))
