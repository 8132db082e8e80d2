import jax
import numpy as np
import pytest

from nca_viewer import selftest
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.config import ModelConfig
from nca_viewer.errors import BackendError


def reference_change(config: ModelConfig, parameters: dict, state: np.ndarray) -> np.ndarray:
    """The change in one step that skips no cell, in float64, cell by cell, from the definition alone."""
    f64 = {path: np.asarray(leaf, np.float64) for path, leaf in flatten(parameters)}
    table = f64["perceive.position_embed.embedding"]
    state = state.astype(np.float64)

    def project(name: str, token: np.ndarray) -> np.ndarray:
        kernel, bias = f64[f"perceive.attention.{name}.kernel"], f64[f"perceive.attention.{name}.bias"]
        return np.einsum("t,thd->hd", token, kernel) + bias

    tokens = np.empty((config.height, config.width, config.projection_size + 2 * table.shape[1]))
    for row in range(config.height):
        for column in range(config.width):
            projected = state[row, column] @ f64["perceive.linear.kernel"] + f64["perceive.linear.bias"]
            tokens[row, column] = np.concatenate([projected, table[row], table[column]])

    change = np.empty_like(state)
    for row in range(config.height):
        for column in range(config.width):
            near = [
                tokens[r, c]
                for r in range(max(row - 1, 0), min(row + 2, config.height))
                for c in range(max(column - 1, 0), min(column + 2, config.width))
            ]
            query = project("query", tokens[row, column])
            keys = np.stack([project("key", token) for token in near])
            values = np.stack([project("value", token) for token in near])
            logits = np.einsum("hd,nhd->nh", query, keys) / np.sqrt(config.hidden_size / config.num_heads)
            weights = np.exp(logits) / np.exp(logits).sum(axis=0)
            attended = np.einsum("nh,nhd->hd", weights, values)
            perception = (
                np.einsum("hd,hdp->p", attended, f64["perceive.attention.out.kernel"])
                + f64["perceive.attention.out.bias"]
            )
            hidden = np.maximum(
                perception @ f64["update.layers.0.kernel"][0, 0] + f64["update.layers.0.bias"], 0.0
            )
            change[row, column] = hidden @ f64["update.layers.1.kernel"][0, 0] + f64["update.layers.1.bias"]
    return config.step_size * change


def flatten(tree: dict, prefix: str = "") -> list[tuple[str, np.ndarray]]:
    return [
        item
        for name, node in tree.items()
        for item in (
            flatten(node, f"{prefix}{name}.") if isinstance(node, dict) else [(f"{prefix}{name}", node)]
        )
    ]


def test_stored_values_are_those_of_an_independent_float64_reference():
    config = selftest.CONFIG
    change = reference_change(config, selftest.fixed_parameters(config), selftest.initial_state(config))

    assert np.abs(change).mean() > 0.1, "the step must change something worth comparing"
    np.testing.assert_allclose(selftest.EXPECTED_CHANGE, selftest.fingerprint(change), atol=5.1e-6)


def test_this_backend_passes():
    selftest.check_backend()


def test_wrong_sums_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch):
    real_sum = jax.numpy.sum
    monkeypatch.setattr("jax.numpy.sum", lambda array: real_sum(array) * 0.998)

    with pytest.raises(BackendError, match=r"computes wrongly \(sums of squares\)") as raised:
        selftest.check_backend()

    assert "\n" not in str(raised.value)
    assert jax.__version__ in str(raised.value)


@pytest.mark.parametrize("cell", [(0, 0), (3, 4), (7, 8)])
def test_one_wrong_cell_is_refused(monkeypatch: pytest.MonkeyPatch, cell: tuple[int, int]):
    real_step = AttentionNCA.step
    monkeypatch.setattr(
        AttentionNCA,
        "step",
        lambda self, state, **options: real_step(self, state, **options).at[cell].add(1e-3),
    )

    with pytest.raises(BackendError, match="a step of the test automaton"):
        selftest.check_backend()


def test_a_backend_that_fails_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch):
    def fail(*_, **__):
        raise RuntimeError("INTERNAL: no such instruction\nwith a long story")

    monkeypatch.setattr(AttentionNCA, "step", fail)

    with pytest.raises(
        BackendError, match="cannot run the automaton: INTERNAL: no such instruction;"
    ) as raised:
        selftest.check_backend()

    assert "\n" not in str(raised.value)
