"""What the programs take from the environment, and what not."""

import os
import subprocess
import sys

import pytest

from nca_viewer.environment import device_remedy, prepare

KEPT = {
    "HOME": "/home/somebody",
    "JAX_PLATFORMS": "cpu",
    "JAX_COMPILATION_CACHE_DIR": "/tmp/a cache",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "CUDA_VISIBLE_DEVICES": "",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JAX_ENABLE_X64", "1"),
        ("JAX_ENABLE_X64", "maybe"),
        ("JAX_NUMPY_RANK_PROMOTION", "raise"),
        ("JAX_DEFAULT_MATMUL_PRECISION", "bfloat16"),
        ("JAX_RANDOM_SEED_OFFSET", "3"),
        ("JAX_WHAT_COMES_NEXT_YEAR", "1"),
        ("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "soon"),
        ("FLAX_PROFILE", "huh"),
        ("NVIDIA_TF32_OVERRIDE", "1"),
    ],
)
def test_what_would_change_the_result_is_passed_over_and_told(name, value):
    environment = {**KEPT, name: value}
    line = prepare(environment)
    assert line.startswith(f"{name} is passed over")
    assert name not in environment
    assert {**KEPT, name: None, **environment} == {**environment, name: None}
    assert prepare(environment) == ""


@pytest.mark.parametrize("flag", ["--bogus", "--xla_cpu_enable_fast_math=true", "bogus"])
def test_flags_of_xla(flag):
    environment = KEPT | {"XLA_FLAGS": f"{flag} {KEPT['XLA_FLAGS']}", "JAX_DEBUG_NANS": "1"}
    assert prepare(environment).startswith("JAX_DEBUG_NANS, XLA_FLAGS are passed over")
    assert environment["XLA_FLAGS"] == KEPT["XLA_FLAGS"]


def test_what_the_programs_need_does_not_override_what_was_set():
    environment = KEPT | {"TF_CPP_MIN_LOG_LEVEL": "0"}
    assert prepare(environment) == ""
    assert environment["TF_CPP_MIN_LOG_LEVEL"] == "0"
    assert environment["SDL_VIDEO_X11_WMCLASS"] == "nca-viewer"


def test_the_remedy_for_a_device_names_the_variable_that_chose_it(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    assert "env -u JAX_PLATFORMS" in device_remedy("start with --device cpu")
    monkeypatch.setenv("JAX_PLATFORMS", "")
    assert device_remedy("start with --device cpu") == "start with --device cpu"


def test_importing_the_package_changes_nothing():
    program = (
        "import os; before = dict(os.environ); import nca_viewer, nca_viewer.errors, nca_viewer.cli\n"
        "import training, training.cli; print(dict(os.environ) == before)"
    )
    names = ("PYGAME_HIDE_SUPPORT_PROMPT", "TF_CPP_MIN_LOG_LEVEL", "SDL_VIDEO_X11_WMCLASS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "True"


def test_programs_compute_the_same_whatever_is_set(tmp_path, small_checkpoint):
    strange = {
        "JAX_ENABLE_X64": "1",
        "JAX_NUMPY_RANK_PROMOTION": "raise",
        "JAX_DEFAULT_PRNG_IMPL": "rbg",
        "JAX_DISABLE_JIT": "1",
        "XLA_FLAGS": "--bogus",
    }
    pictures = []
    for number, more in enumerate(({}, strange)):
        path = tmp_path / f"{number}.png"
        arguments = ("--ckpt", str(small_checkpoint), "--seed", "7", "--frames", "3", "--save", str(path))
        done = subprocess.run(
            [sys.executable, "-m", "nca_viewer", "--headless", *arguments],
            env=os.environ | more,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stderr.splitlines()) == bool(more)
        pictures.append(path.read_bytes())
    assert pictures[0] == pictures[1]
