"""What computes the automaton: the device, its cores, and the cache of compiled functions.

All of it has to be chosen before JAX starts, and cax starts JAX when it is imported (from 0.4.3 on), so this
module imports neither cax nor anything of the automaton, and both programs call it first.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import warnings
from pathlib import Path

import jax

from nca_viewer.environment import device_remedy
from nca_viewer.errors import BackendError
from nca_viewer.places import cache_folder
from nca_viewer.version import PROGRAM, version


def use_device(name: str) -> None:
    """Choose what computes the cells, before anything else does; JAX_PLATFORMS, where set, goes before.

    Args:
        name: "auto" (what JAX prefers: a GPU where there is one), "cpu" or "gpu".

    Raises:
        BackendError: there is no such device, or JAX cannot use it.
    """
    if name != "auto" and not os.environ.get("JAX_PLATFORMS"):
        jax.config.update("jax_platforms", {"cpu": "cpu", "gpu": "cuda"}[name])
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter where jaxlib was built without it
        reason = " ".join(str(error).split()) or "this jaxlib has no support for it"
        remedy = device_remedy("start with --device cpu")
        raise BackendError(f"cannot use the device {name!r}: {reason}; {remedy}") from error
    if name != "auto" and not os.environ.get("JAX_PLATFORMS") and jax.default_backend() != name:
        # What is chosen after JAX has started is passed over without a word.
        raise BackendError(
            f"cannot use the device {name!r}: JAX already computes on {jax.default_backend()!r}"
        )


def compile_cache_folder() -> Path | None:
    """Where compiled functions are kept; named after jaxlib's version and the processor, to fit no other.

    None where the user has no place for caches.
    """
    cache = cache_folder()
    if cache is None:
        return None
    name = f"jaxlib-{importlib.metadata.version('jaxlib')}-{_processor_digest()}"
    return cache / "compiled" / name


def environment() -> dict[str, str]:
    """What computes the automaton, for records of runs: the same makes the same states, bit for bit.

    Starts JAX.
    """
    versions = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy")}
    return {
        PROGRAM: version(),
        "python": platform.python_version(),
        **versions,
        "backend": jax.default_backend(),
        "processor": _processor_digest(),
    }


def _processor_digest() -> str:
    """Tells processors apart for which functions are compiled in different ways."""
    processor = platform.machine() + platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        described = {line.partition(":")[0].strip(): line for line in lines}
        processor += described.get("model name", "") + described.get("flags", "")
    except OSError:
        pass
    return hashlib.sha256(processor.encode()).hexdigest()[:12]


def use_compile_cache() -> None:
    """Keep compiled functions in the user's cache folder; where it cannot be written, do without."""
    folder = compile_cache_folder()
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        return
    # A cache that fails costs seconds, which is no news for the person at the window.
    warnings.filterwarnings("ignore", message=".*persistent compilation cache.*")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def use_all_cores() -> None:
    """Make every processor core a device of its own; before anything else uses JAX.

    A core then runs its share of the batch by itself, in its own cache, instead of every small operation
    being divided among all cores: on two cores an update takes about two thirds of the time
    (`tests/benchmarks`). On a GPU this changes nothing.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # Where JAX has begun, its devices are what they are, and training works with those.
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", cores or 1)
