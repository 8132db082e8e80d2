"""The shapes in the automaton's signatures are checked while tests run, see `conftest.py`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import TypeCheckError

from nca_viewer.automaton.edits import disc, erase
from nca_viewer.automaton.episodes import mask_image
from nca_viewer.automaton.layout import FlatLayout, product
from nca_viewer.automaton.system import render
from nca_viewer.automaton.update import cell_dropout
from nca_viewer.config import ModelConfig

STATE = np.zeros((11, 13, 7), np.float32)


def test_the_right_shapes_pass_on_the_device_and_on_the_host():
    region = np.zeros((11, 13), bool)
    for state, cells in ((STATE, region), (jnp.asarray(STATE), jnp.asarray(region))):
        assert erase(state, cells).shape == STATE.shape


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: erase(STATE, np.zeros((13, 11), bool)), id="a region on its side"),
        pytest.param(lambda: erase(STATE, np.zeros((11, 13), np.float32)), id="a region of numbers"),
        pytest.param(lambda: disc(jnp.zeros(3), 1, 11, 13), id="a centre of three numbers"),
        pytest.param(lambda: mask_image(STATE[0, 0], jax.random.key(0), 0.5), id="an image of one axis"),
        pytest.param(lambda: product(jnp.ones((2, 3)), jnp.ones((2, 3))), id="factors that do not fit"),
        pytest.param(lambda: FlatLayout((), 11, 13).pack(STATE[..., 0]), id="a grid without channels"),
        pytest.param(lambda: render(STATE.astype(np.uint8), ModelConfig(channel_size=7)), id="whole numbers"),
        pytest.param(lambda: cell_dropout(ModelConfig(), (), jax.random.key(0)), id="a draw for no grid"),
    ],
)
def test_a_wrong_shape_is_refused(call):
    with pytest.raises(TypeCheckError):
        call()
