"""Does this machine's numerical backend compute what was meant? Asked once at start.

jaxlib 0.10.2 on CPUs returns wrong sums without a word (https://github.com/jax-ml/jax/issues/39103). The
requirements exclude it, an environment may hold it all the same, and the next such release has no number yet.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
from numpy.typing import NDArray

from nca_viewer.automaton.rollout import Dynamics
from nca_viewer.checkpoint import Tree, build_model
from nca_viewer.config import ModelConfig
from nca_viewer.environment import device_remedy
from nca_viewer.errors import BackendError, reason_of

CONFIG = ModelConfig(height=8, width=9, cell_dropout_rate=0.0)
"""The automaton of the test, with `fixed_parameters` and `initial_state`."""

# Each cell's `fingerprint` of its change in one step, computed in float64 by a reference
# that shares no code with the automaton; see the tests.
EXPECTED_CHANGE: tuple[tuple[float, ...], ...] = (
    (-1.62944, -2.00954, -1.90470, -1.39962, -1.47632, -0.97186, -0.89076, -0.53457, -0.60016),
    (-1.35550, -1.71416, -1.63819, -1.64663, -1.74644, -1.03036, -0.62611, -0.66566, -0.73749),
    (-1.06902, -1.26884, -1.56181, -2.45718, -2.38656, -1.50906, -0.43788, -0.70790, -1.47326),
    (-1.16103, -1.19144, -1.39575, -2.41194, -2.70122, -2.05054, -1.19612, -1.26099, -2.10128),
    (-1.18199, -1.26023, -1.64231, -2.18584, -2.43797, -1.96572, -0.89674, -1.24772, -2.05635),
    (-1.32677, -1.37614, -1.56589, -1.78671, -2.02997, -1.53275, -0.80231, -0.88881, -1.66978),
    (-1.15949, -1.08895, -0.76370, -1.29564, -1.47531, -1.28481, -0.46826, -0.45013, -0.84262),
    (-1.10083, -0.70617, -0.13328, -0.47689, -1.14829, -0.97770, -0.21182, -0.10071, -0.50930),
)
_TOLERANCE = 2e-4

_WRONG_SUM_ROWS = 32769


def check_backend() -> None:
    """Compare a step of a fixed automaton, and a sum known to go wrong, with what they must give.

    Takes a fraction of a second beyond compiling.

    Raises:
        BackendError: where the backend computes wrongly or not at all.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split()) or "this jaxlib has no support for it"
        raise BackendError(f"JAX finds nothing to compute on: {reason}; {device_remedy(_REMEDY)}") from error
    try:
        with jax.default_matmul_precision("highest"):
            _check_sums()
        _check_automaton()
    except RuntimeError as error:  # what XLA raises
        raise BackendError(
            f"{backend_name()} cannot run the automaton: {reason_of(error)}; {_REMEDY}"
        ) from error


_REMEDY = (
    "install the versions that nca-viewer asks for (pip install --force-reinstall nca-viewer), "
    "or set JAX_PLATFORMS=cpu where it is a GPU"
)


def backend_name() -> str:
    """What computes here, in words."""
    return f"jaxlib {jaxlib.__version__} on {jax.default_backend()}"


def _refuse(what: str) -> BackendError:
    return BackendError(f"{backend_name()} computes wrongly ({what}); {_REMEDY}")


def _check_sums() -> None:
    """The sum of squares after a product, which jaxlib 0.10.2 gets wrong from about 25,000 rows on."""
    matrix = jnp.eye(3, dtype=jnp.float32)
    numbers = np.arange(_WRONG_SUM_ROWS, dtype=np.float32)
    rows = np.stack([numbers, np.zeros_like(numbers), np.zeros_like(numbers)], axis=1)
    sums = jax.jit(jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2)))(rows)
    if not np.allclose(np.asarray(sums), numbers.astype(np.float64) ** 2, rtol=1e-5, atol=0.0):
        raise _refuse("sums of squares")


def _check_automaton() -> None:
    """Without cell dropout: random bits would double the time to compile, and differ between versions."""
    state = initial_state(CONFIG)
    dynamics, parameters = Dynamics.of(build_model(CONFIG, fixed_parameters(CONFIG)))
    step = jax.jit(lambda parameters, state: dynamics.bind(parameters).step(state))
    change = np.asarray(step(parameters, state)) - state
    if not np.allclose(fingerprint(change), EXPECTED_CHANGE, rtol=0.0, atol=_TOLERANCE):
        raise _refuse("a step of the test automaton")


def _waves(shape: tuple[int, ...], phase: float) -> NDArray[np.float64]:
    """Numbers in [-1, 1] without structure that a low rank could express: sin(0.37 n^2 + phase)."""
    indices = np.arange(np.prod(shape), dtype=np.float64)
    return np.sin(0.37 * indices**2 + phase).reshape(shape)


def initial_state(config: ModelConfig) -> NDArray[np.float32]:
    """The fixed state that the test starts from, float32[H, W, channel_size] in [0, 1]."""
    return (0.5 + 0.5 * _waves(config.state_shape, 0.1)).astype(np.float32)


def fixed_parameters(config: ModelConfig) -> Tree:
    """Parameters by a formula, as a tree like that of `nca_viewer.checkpoint.parameter_tree`."""
    heads = (config.num_heads, config.head_size)
    token_size = config.projection_size + 2 * config.position_embedding_size
    layers = {
        "perceive.linear": ((config.channel_size, config.projection_size), (config.projection_size,)),
        **{f"perceive.attention.{name}": ((token_size, *heads), heads) for name in ("query", "key", "value")},
        "perceive.attention.out": ((*heads, config.perception_size), (config.perception_size,)),
        "update.layers.0": ((1, 1, config.perception_size, config.hidden_size), (config.hidden_size,)),
        "update.layers.1": ((1, 1, config.hidden_size, config.channel_size), (config.channel_size,)),
    }
    leaves = {
        "perceive.position_embed.embedding": _waves(
            (max(config.height, config.width), config.position_embedding_size), 0.2
        )
    }
    for number, (path, (kernel_shape, bias_shape)) in enumerate(layers.items()):
        fan_in = math.prod(kernel_shape) / math.prod(bias_shape)
        leaves[f"{path}.kernel"] = _waves(kernel_shape, 1.0 + number) * np.sqrt(2 / fan_in)
        leaves[f"{path}.bias"] = _waves(bias_shape, 8.0 + number) * 0.1
    tree: Tree = {}
    for path, leaf in leaves.items():
        *parents, name = path.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = leaf.astype(np.float32)
    return tree


def fingerprint(state: NDArray[np.floating]) -> NDArray[np.float64]:
    """One number per cell that each of its channels has a part in: float64[H, W]."""
    weights = np.sin(0.61 * np.arange(state.shape[-1], dtype=np.float64) ** 2)
    return np.asarray(state, np.float64) @ weights
