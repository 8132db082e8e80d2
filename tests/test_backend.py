"""What computes is chosen before JAX starts, whatever starts it."""

import importlib
import os
import subprocess
import sys

import pytest
from packaging.version import Version

from nca_viewer.errors import BackendError

STARTED = """
def is_started():
    import jax
    try:
        jax.config.update("jax_num_cpu_devices", 2)
    except RuntimeError:
        return True
    return False
"""
"""Of JAX: after its start it refuses to divide the processor."""

CAX_STARTS_JAX = """
import sys

class StartsJax:
    @staticmethod
    def find_spec(name, path, target=None):
        if name == "cax":
            import jax
            jax.devices()

sys.meta_path.insert(0, StartsJax)
"""
"""As cax does from 0.4.3 on."""


def run_python(program, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | {"JAX_PLATFORMS": ""} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_importing_our_modules_starts_no_jax():
    """None of them; those that import cax are looked at where cax itself does not start it."""
    program = (
        STARTED
        + """
import importlib, pkgutil, sys
import nca_viewer, training

names = sorted(
    module.name
    for package in (nca_viewer, training)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith("__main__")
)
assert len(names) > 90
first = ["nca_viewer.backend", "nca_viewer.cli", "nca_viewer.launch", "nca_viewer.loading", "training.cli"]
first += ["nca_viewer.kiosk.operation.doctor", "training.processes", "training.output"]
for name in first:
    importlib.import_module(name)
    assert "cax" not in sys.modules, f"{name} imports cax"
for name in names if sys.argv[1] == "all" else first:
    importlib.import_module(name)
    if is_started():
        sys.exit(f"{name} starts JAX")
"""
    )
    cax = Version(importlib.metadata.version("cax"))
    done = run_python(program, "all" if cax < Version("0.4.3") else "first")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["viewer", "doctor"])
def test_the_device_is_chosen_before_cax_can_start_jax(command, small_checkpoint):
    program = CAX_STARTS_JAX + "from nca_viewer.cli import main; main()"
    arguments = ["--ckpt", small_checkpoint, "--headless", "--frames", 1, "--device", "gpu"]
    words = arguments if command == "viewer" else ["doctor", *arguments]
    done = run_python(program, *words, CUDA_VISIBLE_DEVICES="")
    assert "cannot use the device 'gpu': " in done.stdout + done.stderr
    assert done.returncode == (2 if command == "viewer" else 1)


def test_the_cores_are_divided_before_cax_can_start_jax():
    program = (
        CAX_STARTS_JAX
        + """
import os
os.sched_getaffinity = lambda process: range(3)
from training.cli import _check_backend
_check_backend()
import jax
print(jax.local_device_count())
"""
    )
    done = run_python(program, JAX_PLATFORMS="cpu")
    assert (done.stdout, done.returncode) == ("3\n", 0), done.stderr


def test_a_device_that_is_chosen_too_late_is_refused(monkeypatch):
    import jax

    from nca_viewer.backend import use_device

    monkeypatch.delenv("JAX_PLATFORMS")
    jax.devices()
    before = jax.config.jax_platforms
    try:
        with pytest.raises(BackendError, match="cannot use the device 'gpu': JAX already computes on 'cpu'"):
            use_device("gpu")
        use_device("cpu")
        use_device("auto")
    finally:
        jax.config.update("jax_platforms", before)
