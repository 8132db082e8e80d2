"""The recipes beside the checkpoints that were made by them."""

import dataclasses

from nca_viewer.checkpoint import load_checkpoint
from training.config import RECIPES


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
    assert set(made_by) <= set(dataclasses.asdict(recipe.train))
    assert not recipe.train.memory
