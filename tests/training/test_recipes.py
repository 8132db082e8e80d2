"""The recipes beside the checkpoints that were made by them."""

import dataclasses

import pytest

from nca_viewer.checkpoint import load_checkpoint
from training.config import RECIPES, TrainConfig


def test_learned_has_the_numbers_of_its_checkpoint() -> None:
    model, info = load_checkpoint("learned")
    recipe = RECIPES["learned"]
    assert model.config == recipe.model
    made_by = info.provenance["train_config"]
    numbers = {
        name: value
        for name, value in dataclasses.asdict(recipe.train).items()
        if not isinstance(value, str) and name in made_by
    }
    assert numbers == {name: made_by[name] for name in numbers}
    assert not recipe.train.memory


@pytest.mark.parametrize("name", ["learned", "model", "seed-recipe"])
def test_what_a_bundled_checkpoint_was_trained_with_is_known(name: str) -> None:
    """Retired settings had no effect on any of them."""
    made_by = load_checkpoint(name)[1].provenance["train_config"]
    assert TrainConfig.from_dict(made_by).train_steps == made_by["train_steps"]
