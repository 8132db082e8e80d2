"""The package as a library."""

import os
import subprocess
import sys

import numpy as np
import pytest

import nca_viewer
from nca_viewer.errors import ConfigError


def test_every_name_is_there():
    for name in nca_viewer.__all__:
        assert getattr(nca_viewer, name) is not None
    assert nca_viewer.__version__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nca_viewer.nothing


def test_importing_it_changes_nothing():
    program = """
import os, sys, warnings
before = dict(os.environ), list(warnings.filters), set(sys.modules)
import nca_viewer
assert (dict(os.environ), list(warnings.filters)) == before[:2]
new = {name.partition(".")[0] for name in set(sys.modules) - before[2]}
assert not new & {"jax", "flax", "cax", "pygame", "orbax", "numpy"}, new
"""
    subprocess.run([sys.executable, "-c", program], check=True, env=dict(os.environ))


def test_a_window_opens_on_an_automaton_in_memory(small_model, small_config):
    image = np.ones(small_config.image_shape, np.float32)
    nca_viewer.view(small_model, image=image, seed=3, frames=2, window_size=(200, 200))


def test_an_unknown_option_is_named(small_model):
    with pytest.raises(ConfigError, match="colour"):
        nca_viewer.view(small_model, colour="red")
