"""How experiments' amounts are moved by hand."""

from __future__ import annotations

import pytest

from nca_viewer.automaton.experiments import Experiments, as_json
from nca_viewer.interaction.actions import ChangeExperiment
from nca_viewer.interaction.experimenting import changed


def moved(experiments: Experiments, amount: str, *moves: int, trained_rate: float = 0.5) -> Experiments:
    for rungs in moves:
        experiments = changed(
            experiments, ChangeExperiment(amount, rungs), grid_size=(11, 13), trained_rate=trained_rate
        )
    return experiments


@pytest.mark.parametrize("dropout", [0.0, 0.1, 0.25, 0.3, 0.5, 0.75, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("moves", [(1, -1), (-1, 1), (1, 1, -1, -1), (-1, -1, -1, 1, 1, 1)])
def test_the_trained_rate_can_be_gone_back_to(dropout: float, moves: tuple[int, ...]) -> None:
    trained = 1.0 - dropout
    experiments, rates = Experiments(), []
    for rungs in moves * 3:
        experiments = moved(experiments, "rate", rungs, trained_rate=trained)
        rates.append(experiments.update_rate)
    assert None in rates
    assert not any(rate == pytest.approx(trained) for rate in rates if rate is not None)


@pytest.mark.parametrize("amount", ["noise", "step size"])
@pytest.mark.parametrize("moves", [(1, -1), (1, 1, -1, -1), (1, 1, 1, 1, 1, 1, 1, 1, 1, *(-1,) * 20)])
def test_noise_and_step_size_can_be_neutral_again(amount: str, moves: tuple[int, ...]) -> None:
    experiments = moved(Experiments(), amount, *moves)
    if len(moves) > 9 and amount == "step size":
        assert experiments.step_size_factor == 0.0
        experiments = moved(experiments, amount, 1, 1, 1, 1)
    assert experiments.is_neutral
    assert as_json(experiments) == {}


def test_what_lies_between_two_rungs_moves_to_the_next() -> None:
    """As a record or a state file may have it."""
    assert moved(Experiments(step_size_factor=1.1), "step size", -1).is_neutral
    assert moved(Experiments(step_size_factor=0.9), "step size", 1).is_neutral
    assert moved(Experiments(step_size_factor=3.5), "step size", 1).step_size_factor == 3.5
    assert moved(Experiments(step_size_factor=3.5), "step size", -1).step_size_factor == 2.0
    assert moved(Experiments(noise_std=0.003), "noise", -1).is_neutral
    assert moved(Experiments(noise_std=1.0), "noise", 1).noise_std == 1.0
    assert moved(Experiments(update_rate=0.6), "rate", -1, trained_rate=0.5).is_neutral
    assert moved(Experiments(update_rate=0.6), "rate", 1, trained_rate=0.7).is_neutral
