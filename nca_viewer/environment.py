"""The environment of the two programs: settings of their own, and none of JAX's that somebody else has made.

Variables for JAX and XLA are inherited from a shell, a notebook or a service file where they were meant for
another program. Many change what is computed without a word, some end the process. The programs compute the
same everywhere, so they pass those variables over, and say so.

Importing the package changes nothing; the programs call `prepare` before they import anything else.
"""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping

_PREFIXES = ("JAX_", "FLAX_")
_KEPT = {
    "JAX_PLATFORMS": r".*",
    "JAX_COMPILATION_CACHE_DIR": r".*",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": r"[0-9.]+",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": r"-?[0-9]+",
    "JAX_CUDA_VISIBLE_DEVICES": r".*",
    "JAX_ROCM_VISIBLE_DEVICES": r".*",
}
"""What says where to compute and where to keep what is compiled, with the values that JAX understands."""

_OTHERS = ("NVIDIA_TF32_OVERRIDE",)
_XLA_FLAGS = "XLA_FLAGS"
_KEPT_XLA_FLAGS = re.compile(r"--(xla_force_host_platform_device_count=[0-9]+|xla_gpu_cuda_data_dir=.*)")

_OWN = {
    # Both are read when pygame is imported: it would print a greeting, and name windows after the script.
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    "SDL_VIDEO_X11_WMCLASS": "nca-viewer",
    # XLA writes pages of machine features to stderr when it reads compiled code back from the cache, although
    # that code was compiled on this very machine. Whatever fails is raised as well.
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def prepare(environment: MutableMapping[str, str] = os.environ) -> str:
    """Make the environment what the programs need; before JAX is imported.

    Returns:
        A line that names what was passed over; empty where nothing was.
    """
    for name, value in _OWN.items():
        environment.setdefault(name, value)
    strange = [name for name, value in environment.items() if _is_strange(name, value)]
    for name in strange:
        del environment[name]
    flags = environment.get(_XLA_FLAGS, "").split()
    kept = [flag for flag in flags if _KEPT_XLA_FLAGS.fullmatch(flag)]
    if kept != flags:
        strange.append(_XLA_FLAGS)
        environment[_XLA_FLAGS] = " ".join(kept)
    if not strange:
        return ""
    is_are, it = ("is", "it") if len(strange) == 1 else ("are", "they")
    return f"{', '.join(sorted(strange))} {is_are} passed over: {it} may change or break what is computed"


def _is_strange(name: str, value: str) -> bool:
    if not name.startswith(_PREFIXES):
        return name in _OTHERS
    understood = _KEPT.get(name)
    return understood is None or re.fullmatch(understood, value) is None


def device_remedy(otherwise: str) -> str:
    """What to do where JAX finds none of the devices that it should use.

    Args:
        otherwise: The remedy where it is not JAX_PLATFORMS that names them.
    """
    platforms = os.environ.get("JAX_PLATFORMS")
    if not platforms:
        return otherwise
    return f"JAX_PLATFORMS is {platforms!r}: unset it (env -u JAX_PLATFORMS ...), or set JAX_PLATFORMS=cpu"
