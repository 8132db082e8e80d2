"""A small automaton whose states stay bounded, so that long runs of it differ."""

import dataclasses

import pytest


@pytest.fixture(scope="session")
def bounded_config(small_config):
    return dataclasses.replace(small_config, state_limit=1.0)


@pytest.fixture(scope="session")
def bounded_model(bounded_config):
    from nca_viewer.checkpoint import build_model
    from nca_viewer.selftest import fixed_parameters

    return build_model(bounded_config, fixed_parameters(bounded_config))


@pytest.fixture(scope="session")
def bounded_checkpoint(tmp_path_factory, bounded_model, bounded_config):
    from nca_viewer.checkpoint import save_checkpoint

    path = tmp_path_factory.mktemp("checkpoints") / "bounded"
    save_checkpoint(path, bounded_model, bounded_config, {"recipe": "test", "step": 3, "metrics": {}})
    return path
