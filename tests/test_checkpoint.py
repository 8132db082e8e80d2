"""Checkpoints that are whole, and those that are not."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from nca_viewer import checkpoint
from nca_viewer.automaton.system import AttentionNCA
from nca_viewer.checkpoint import (
    CheckpointInfo,
    checkpoint_steps,
    load_checkpoint,
    model_metadata,
    package_versions,
    parameter_tree,
    read_tree,
    resolve_checkpoint,
    save_checkpoint,
    step_directory,
    write_tree,
)
from nca_viewer.config import ModelConfig
from nca_viewer.errors import CheckpointError, OutputError
from tests.automaton.test_system import CONTRACT


def assert_same_tree(found: dict, expected: dict) -> None:
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_same_tree(found[name], value)
        else:
            assert isinstance(found[name], np.ndarray)
            assert found[name].dtype == value.dtype
            assert found[name].shape == value.shape
            assert found[name].tobytes() == value.tobytes()


def refusal(path: Path | str) -> str:
    """The one line that loading is refused with."""
    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def copied_checkpoint(tmp_path: Path, small_checkpoint: Path) -> Path:
    """A checkpoint to damage."""
    return Path(shutil.copytree(small_checkpoint, tmp_path / "copy"))


def files_of(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


def resign(path: Path) -> None:
    """Make the manifest agree with damaged files again, as an ill-made checkpoint would."""
    (path / "MANIFEST.json").unlink()
    checkpoint._write_manifest(path)


ENDLESS_WRITER = """
import itertools, sys
import numpy as np
from nca_viewer.checkpoint import write_tree
for value in itertools.count(1):
    write_tree(sys.argv[1], {"x": np.full(3000, value)}, {"value": value})
    print(value, flush=True)
"""


class TestTrees:
    def test_every_kind_of_training_state_survives_bit_for_bit(self, tmp_path: Path):
        tree = {
            "params": {"layers": {"0": {"kernel": np.float32([[1.5, -0.0], [np.nan, 1e-45]])}}},
            "optimiser": {"0": {"count": np.array(3, np.int32)}, "10": np.arange(5, dtype=np.int32)},
            "pool": {"state": np.arange(2 * 3 * 5, dtype=np.float32).reshape(2, 3, 5)},
            "mask": np.array([True, False, True]),
            "key": np.array([2**32 - 1, 7], np.uint32),
            "step": np.array(2**40, np.int64),
            "half": np.array([1.5], np.float16),
        }

        write_tree(tmp_path / "state", tree, {"note": "whatever", "numbers": [1, 2.5, None]})

        found, metadata = read_tree(tmp_path / "state")
        assert_same_tree(found, tree)
        assert metadata == {"note": "whatever", "numbers": [1, 2.5, None]}

    @settings(max_examples=8)
    @given(data=st.data())
    def test_any_tree_survives(self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
        dtype = st.sampled_from([np.float32, np.int32, np.uint32, np.bool_, np.uint8])
        shape = st.lists(st.integers(1, 4), max_size=3).map(tuple)
        leaf = st.builds(
            lambda dtype, shape, seed: np.random.default_rng(seed).integers(0, 2**31, shape).astype(dtype),
            dtype,
            shape,
            st.integers(0, 99),
        )
        name = st.text("abz019_-.", min_size=1, max_size=5)
        branch = st.recursive(
            leaf, lambda node: st.dictionaries(name, node, min_size=1, max_size=3), max_leaves=6
        )
        tree = data.draw(st.dictionaries(name, branch, min_size=1, max_size=3))
        path = tmp_path_factory.mktemp("tree") / "any"

        write_tree(path, tree, {})

        assert_same_tree(read_tree(path)[0], tree)

    def test_jax_arrays_numbers_and_integer_keys_are_accepted(self, tmp_path: Path):
        write_tree(tmp_path / "t", {0: jax.numpy.ones(3), 1: {"x": 2.5}}, {"psnr": np.float32(1.5)})

        tree, metadata = read_tree(tmp_path / "t")

        assert_same_tree(tree, {"0": np.ones(3, np.float32), "1": {"x": np.array(2.5)}})
        assert metadata == {"psnr": 1.5}

    @pytest.mark.parametrize(
        ("tree", "complaint"),
        [
            ({}, "empty"),
            ({"a": {"b": {}}}, "empty at a.b."),
            ({"a": "text"}, "leaf a is not"),
            ({"a": np.zeros((0, 3))}, "leaf a has no elements"),
            ({1: np.ones(1), "1": np.ones(1)}, "same name"),
        ],
    )
    def test_trees_that_orbax_would_change_are_refused(self, tmp_path: Path, tree: dict, complaint: str):
        with pytest.raises(TypeError, match=re.escape(complaint)):
            write_tree(tmp_path / "t", tree, {})
        assert list(tmp_path.iterdir()) == []

    def test_relative_paths_and_new_parents(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)

        write_tree("a/b/c", {"x": np.ones(2)}, {})

        assert_same_tree(read_tree("a/b/c")[0], {"x": np.ones(2)})


ODD_NAMES = [
    "b[1]",
    "*?",
    "back\\slash",
    "per%41cent#:&",
    "gs:/bucket",
    "two\nlines and spaces",
    "latin-\udce9",
    "n" * 200 + "/" + "m" * 200,
]


class TestNames:
    """A checkpoint may lie in any folder that the system allows."""

    @pytest.mark.skipif(os.name != "posix", reason="names of POSIX")
    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_what_is_written_is_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
        try:
            (tmp_path / name).mkdir(parents=True)
        except OSError:
            pytest.skip("the file system does not allow it")
        monkeypatch.chdir(tmp_path)
        for target in (Path(".") / name / "t", tmp_path / name / "t"):
            write_tree(target, {"x": np.arange(3)}, {"value": 1})
            tree, metadata = read_tree(target)
            np.testing.assert_array_equal(tree["x"], np.arange(3))
            assert metadata == {"value": 1}
        assert [path.name for path in (tmp_path / name).iterdir()] == ["t"]

    @pytest.mark.skipif(os.name != "posix", reason="names of POSIX")
    def test_systems_without_names_of_open_folders_do_it_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(checkpoint, "_OPEN_FILES", tmp_path / "missing")
        for name in ("plain", "b[1]"):
            write_tree(tmp_path / name / "t", {"x": np.arange(3)}, {})
            np.testing.assert_array_equal(read_tree(tmp_path / name / "t")[0]["x"], np.arange(3))

    @pytest.mark.parametrize("damage", ["lost", "changed"])
    def test_what_cannot_be_read_back_does_not_count(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
    ):
        write_tree(tmp_path / "t", {"x": np.ones(2)}, {"value": 1})
        save = checkpoint._orbax_save

        def damaging(path: Path, tree: dict, metadata: dict):
            save(path, {"tree": {"x": np.zeros(2)}}, metadata)
            if damage == "lost":
                shutil.rmtree(path / "state" / "d")

        monkeypatch.setattr(checkpoint, "_orbax_save", damaging)
        with pytest.raises(OutputError, match="read back"):
            write_tree(tmp_path / "t", {"x": np.full(2, 2.0)}, {"value": 2})
        assert read_tree(tmp_path / "t")[1] == {"value": 1}
        assert [path.name for path in tmp_path.iterdir()] == ["t"]


class TestStrangers:
    """Files that the manifest does not list."""

    @pytest.mark.parametrize(
        "name",
        [
            ".DS_Store",
            "._manifest.ocdbt",
            ".nfs000000000012",
            ".directory",
            ".syncthing.manifest.ocdbt.tmp",
            ".dropbox.attr",
            "Thumbs.db",
            "thumbs.db",
            "desktop.ini",
            "Icon\r",
            "manifest.ocdbt~",
            "manifest.sync-conflict-20260101-120000-ABCDEFG.ocdbt",
            "manifest (a's conflicted copy 2026-01-01).ocdbt",
            "__MACOSX/state/._manifest.ocdbt",
            "lost+found/#12",
            "@eaDir/x@SynoEAStream",
        ],
    )
    def test_litter_is_passed_over(self, copied_checkpoint: Path, name: str):
        for folder in ("", "state", "state/d"):
            path = copied_checkpoint / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("litter")
        checkpoint._verify(copied_checkpoint)
        assert (copied_checkpoint / name).exists()

    def test_a_checkpoint_with_litter_loads(self, copied_checkpoint: Path):
        (copied_checkpoint / "state" / ".DS_Store").write_text("litter")
        (copied_checkpoint / "state" / "__MACOSX").mkdir()
        load_checkpoint(copied_checkpoint)

    @pytest.mark.parametrize(
        "name", ["_sharding", "notes.txt", ".zarray", "d/0123456789", "manifest (1).ocdbt"]
    )
    def test_what_orbax_might_read_is_named(self, copied_checkpoint: Path, name: str):
        (copied_checkpoint / "state" / name).write_text("stranger")
        told = refusal(copied_checkpoint)
        assert f"does not list state/{name}; move it elsewhere" in told
        assert "damaged" not in told

    def test_what_lies_beside_the_state_is_nobody_s_business(self, copied_checkpoint: Path):
        (copied_checkpoint / "README.txt").write_text("mine")
        checkpoint._verify(copied_checkpoint)

    def test_litter_does_not_become_part_of_a_checkpoint(self, copied_checkpoint: Path):
        before = (copied_checkpoint / "MANIFEST.json").read_text()
        (copied_checkpoint / "state" / ".DS_Store").write_text("litter")
        resign(copied_checkpoint)
        assert (copied_checkpoint / "MANIFEST.json").read_text() == before

    def test_a_folder_with_nothing_but_litter_is_free(self, tmp_path: Path):
        (tmp_path / "t").mkdir()
        (tmp_path / "t" / ".DS_Store").write_text("litter")
        write_tree(tmp_path / "t", {"x": np.ones(2)}, {})
        assert not (tmp_path / "t" / ".DS_Store").exists()


class TestNeighbours:
    """A path near a checkpoint."""

    @pytest.fixture
    def run(self, tmp_path: Path, small_checkpoint: Path) -> Path:
        run = tmp_path / "runs" / "one"
        for step in (4, 8):
            shutil.copytree(small_checkpoint, step_directory(run, step))
        shutil.copytree(small_checkpoint, run / "best")
        (run / "sheets").mkdir()
        return run

    @pytest.mark.parametrize(
        ("given", "found"),
        [
            ("checkpoints", "checkpoints/step-00000008"),
            ("checkpoints/step-00000004/state", "checkpoints/step-00000004"),
            ("checkpoints/step-00000004/state/d", "checkpoints/step-00000004"),
            ("checkpoints/step-00000004/MANIFEST.json", "checkpoints/step-00000004"),
            ("best/state", "best"),
            ("best/state/manifest.ocdbt", "best"),
        ],
    )
    def test_what_can_only_mean_one_checkpoint_is_taken(self, run: Path, given: str, found: str):
        assert resolve_checkpoint(run / given) == run / found

    @pytest.mark.parametrize(
        ("given", "named"),
        [
            ("..", "."),
            ("sheets", "."),
            ("checkpoints/step-00000005", "checkpoints"),
            ("config.json", "."),
        ],
    )
    def test_what_would_work_is_named(self, run: Path, given: str, named: str):
        assert refusal(run / given).endswith(f"did you mean {str(run / named)!r}?")
        resolve_checkpoint(run / named)

    def test_of_many_runs_a_few_are_named(self, run: Path):
        for name in ("two", "three", "zero"):
            shutil.copytree(run / "best", run.parent / name)
        names = " or ".join(repr(str(run.parent / name)) for name in ("one", "three", "two"))
        assert refusal(run.parent).endswith(f"did you mean {names} or one of 1 more?")

    def test_the_training_s_own_state_names_the_run(self, run: Path):
        write_tree(run / "resume", {"state": {"0": np.ones(2)}}, {})
        for inside in ("resume", "resume/state"):
            told = refusal(run / inside)
            assert told.endswith(f"something else than an automaton; did you mean {str(run)!r}?")

    def test_a_bundled_name_in_other_letters(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        assert refusal("Model").endswith("did you mean 'model'?")


class TestWriting:
    def test_replacing_leaves_nothing_of_the_old_one(self, tmp_path: Path):
        for value in (1, 2, 3):
            write_tree(tmp_path / "t", {"x": np.full(3, value)}, {"value": value})
            tree, metadata = read_tree(tmp_path / "t")
            assert metadata == {"value": value}
            np.testing.assert_array_equal(tree["x"], value)
        assert [path.name for path in tmp_path.iterdir()] == ["t"]

    @pytest.mark.parametrize("kind", ["file", "directory"])
    def test_what_is_no_checkpoint_is_never_replaced(self, tmp_path: Path, kind: str):
        target = tmp_path / "precious"
        if kind == "file":
            target.write_text("diary")
        else:
            target.mkdir()
            (target / "diary").write_text("diary")

        with pytest.raises(OutputError, match="something else is there"):
            write_tree(target, {"x": np.ones(2)}, {})

        assert (target if kind == "file" else target / "diary").read_text() == "diary"

    def test_a_parent_that_is_a_file(self, tmp_path: Path):
        (tmp_path / "file").write_text("")

        with pytest.raises(OutputError, match="cannot write the checkpoint"):
            write_tree(tmp_path / "file" / "t", {"x": np.ones(2)}, {})

    @pytest.mark.parametrize("call", ["_orbax_save", "_write_manifest", "_sync"])
    def test_a_full_disk_keeps_the_old_one_and_leaves_no_debris(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
    ):
        write_tree(tmp_path / "t", {"x": np.ones(2)}, {"value": 1})

        def fail(path: Path, *_):
            path.mkdir(exist_ok=True)
            (path / "half").write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(checkpoint, call, fail)

        with pytest.raises(OutputError, match="No space left on device"):
            write_tree(tmp_path / "t", {"x": np.ones(2)}, {"value": 2})

        assert read_tree(tmp_path / "t")[1] == {"value": 1}
        assert [path.name for path in tmp_path.iterdir()] == ["t"]

    @pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot set room aside")
    def test_room_is_set_aside_before_anything_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        write_tree(tmp_path / "t", {"x": np.ones(2)}, {"value": 1})

        def refuse(descriptor: int, offset: int, size_bytes: int):
            assert size_bytes > 8 * 50_000
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", refuse)
        monkeypatch.setattr(checkpoint, "_orbax_save", lambda *_: pytest.fail("orbax found out by itself"))

        with pytest.raises(OutputError, match=r"No space left on device; .* make room"):
            write_tree(tmp_path / "t", {"x": np.ones(50_000)}, {"value": 2})

        assert read_tree(tmp_path / "t")[1] == {"value": 1}
        assert [path.name for path in tmp_path.iterdir()] == ["t"]

    @pytest.mark.skipif(sys.platform != "linux", reason="limits of a process")
    def test_a_write_that_the_system_refuses_is_one_line(self, tmp_path: Path):
        """A real refusal in the midst of orbax's own writing: no file may grow beyond 64 KiB."""
        program = """
import resource, sys, warnings
import numpy as np
warnings.simplefilter("error")
from nca_viewer import checkpoint
from nca_viewer.checkpoint import read_tree, write_tree
from nca_viewer.errors import OutputError
write_tree(sys.argv[1], {"x": np.ones(2)}, {"value": 1})
checkpoint._require_room = lambda *_: None  # There was room when it was looked for.
resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))
noise = np.random.default_rng(0).integers(0, 2**32, 2**18, np.uint32)
try:
    write_tree(sys.argv[1], {"x": noise}, {"value": 2})
except OutputError as error:
    print(error)
assert read_tree(sys.argv[1])[1] == {"value": 1}
"""
        result = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "t")], capture_output=True, text=True, timeout=120
        )

        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        assert result.stdout.startswith("cannot write the checkpoint")
        assert len(result.stdout.splitlines()) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["t"]

    @pytest.mark.parametrize("moment", ["before", "between", "after"])
    def test_a_death_while_replacing_leaves_one_complete(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
    ):
        target = tmp_path / "t"
        write_tree(target, {"x": np.ones(2)}, {"value": 1})
        rename = Path.rename

        class Killed(BaseException):
            pass

        def dying_rename(source: Path, destination: Path) -> Path:
            is_aside = destination.name.endswith(".previous")
            if (moment == "before" and is_aside) or (moment == "between" and not is_aside):
                raise Killed
            result = rename(source, destination)
            if moment == "after" and not is_aside:
                raise Killed
            return result

        monkeypatch.setattr(Path, "rename", dying_rename)
        monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(Killed):
            write_tree(target, {"x": np.ones(2)}, {"value": 2})

        assert read_tree(target)[1] == {"value": 2 if moment == "after" else 1}
        monkeypatch.undo()
        write_tree(target, {"x": np.ones(2)}, {"value": 3})
        assert read_tree(target)[1] == {"value": 3}
        assert [path.name for path in tmp_path.iterdir()] == ["t"]

    @pytest.mark.skipif(os.name != "posix", reason="signals")
    def test_kill_9_at_any_instant_leaves_one_complete(self, tmp_path: Path):
        target = tmp_path / "t"
        delays = np.random.default_rng(0).uniform(0.0, 0.25, 4)
        for delay in delays:
            with subprocess.Popen(
                [sys.executable, "-c", ENDLESS_WRITER, str(target)], stdout=subprocess.PIPE, text=True
            ) as process:
                assert process.stdout is not None
                process.stdout.readline()  # at least one is complete
                time.sleep(delay)
                process.send_signal(signal.SIGKILL)
                written = [int(line) for line in process.stdout.read().split()]

            tree, metadata = read_tree(target)

            assert metadata["value"] >= max(written, default=1)
            np.testing.assert_array_equal(tree["x"], metadata["value"])

    def test_a_reader_never_sees_half_a_checkpoint(self, tmp_path: Path):
        target = tmp_path / "t"
        with subprocess.Popen(
            [sys.executable, "-c", ENDLESS_WRITER, str(target)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                for _ in range(20):
                    tree, metadata = read_tree(target)
                    np.testing.assert_array_equal(tree["x"], metadata["value"])
            finally:
                process.kill()

    def test_a_folder_that_vanishes_while_it_is_listed_is_told_in_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        write_tree(tmp_path / "t", {"x": np.full(9, 0)}, {})

        def vanish(path: Path, pattern: str):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

        monkeypatch.setattr(Path, "rglob", vanish)
        with pytest.raises(CheckpointError, match=r"cannot list its files: No such file or directory$"):
            read_tree(tmp_path / "t")

    def test_threads_may_read_and_write_at_once(self, tmp_path: Path):
        target = tmp_path / "t"
        write_tree(target, {"x": np.full(9, 0)}, {"value": 0})
        failures: list[Exception] = []

        def write() -> None:
            try:
                for value in range(1, 12):
                    write_tree(target, {"x": np.full(9, value)}, {"value": value})
            except Exception as error:
                failures.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        while writer.is_alive():
            tree, metadata = read_tree(target)
            np.testing.assert_array_equal(tree["x"], metadata["value"])
        writer.join()

        assert failures == []
        assert metadata["value"] > 0

    def test_sharding_of_the_writing_device_is_not_kept(self, small_checkpoint: Path):
        assert not [file for file in files_of(small_checkpoint) if "sharding" in file.name]


class TestModels:
    def test_the_automaton_comes_back_from_the_path_alone(
        self, small_checkpoint: Path, small_model: AttentionNCA, small_config: ModelConfig
    ):
        model, info = load_checkpoint(small_checkpoint)

        assert_same_tree(parameter_tree(model), parameter_tree(small_model))
        assert isinstance(info, CheckpointInfo)
        assert info.config == model.config == small_config
        assert info.path == small_checkpoint
        assert info.format_version == 1
        assert re.fullmatch("[0-9a-f]{64}", info.sha256)
        assert {"recipe": "test", "step": 3, "metrics": {"psnr": 21.5}}.items() <= info.provenance.items()
        assert info.provenance["versions"] == package_versions()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", info.provenance["date"])

    @pytest.mark.parametrize(
        ("given", "first"),
        [
            (None, ("hidden 0", "hidden 1")),
            (["flag"], ("flag", "hidden 1")),
            (["memory", "flag"], ("memory", "flag")),
            ({"0": "flag"}, ("hidden 0", "hidden 1")),
            ([1, 2], ("hidden 0", "hidden 1")),
            (["flag"] * 2000, ("flag", "flag")),
        ],
    )
    def test_channels_have_the_names_that_a_checkpoint_gives_them(
        self, tmp_path: Path, given: object, first: tuple[str, str]
    ):
        names = CheckpointInfo(tmp_path, ModelConfig(), {"channel_names": given}, 1, "").channel_names()
        assert len(names) == 32
        assert names[:2] == first
        assert names[-1] == "ink" or "flag" in names[-1]
        colour = CheckpointInfo(tmp_path, ModelConfig(visible_channel_size=3), {"channel_names": []}, 1, "")
        assert colour.channel_names()[-4:] == ("hidden 28", "red", "green", "blue")

    @pytest.mark.parametrize(
        ("given", "steps"), [(32, 32), (0, 0), (-1, 0), (10**9, 0), (True, 0), (3.5, 0), ("9", 0)]
    )
    def test_an_automaton_that_is_silent_at_first_says_for_how_long(
        self, tmp_path: Path, given: object, steps: int
    ):
        assert CheckpointInfo(tmp_path, ModelConfig(), {"silent_steps": given}, 1, "").silent_steps() == steps
        assert CheckpointInfo(tmp_path, ModelConfig(), {}, 1, "").silent_steps() == 0

    def test_it_computes_the_same_and_is_a_whole_module(
        self, small_checkpoint: Path, small_model: AttentionNCA, small_config: ModelConfig
    ):
        model, _ = load_checkpoint(small_checkpoint)
        state = jax.random.normal(jax.random.key(1), small_config.state_shape)
        key = jax.random.key(2)

        after = jax.jit(lambda state: (model.step(state, key), small_model.step(state, key)))(state)
        np.testing.assert_array_equal(*after)
        assert jax.tree.structure(nnx.state(model)) == jax.tree.structure(nnx.state(small_model))
        assert model(state, num_steps=1).shape == state.shape

    def test_parameters_have_the_names_of_the_published_example(self, tmp_path: Path):
        config = ModelConfig()
        abstract = nnx.eval_shape(lambda: AttentionNCA(config, rngs=nnx.Rngs(0)))
        pure = nnx.to_pure_dict(nnx.state(abstract, nnx.Param))
        zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), pure)

        save_checkpoint(tmp_path / "m", zeros, config, {})

        leaves = dict(checkpoint._leaves(read_tree(tmp_path / "m")[0]["params"]))
        assert {name: leaf.shape for name, leaf in leaves.items()} == CONTRACT

    def test_a_training_state_with_parameters_is_an_automaton_too(
        self, tmp_path: Path, small_model: AttentionNCA, small_config: ModelConfig
    ):
        parameters = parameter_tree(small_model)
        tree = {"params": parameters, "pool": {"index": np.arange(5)}}
        write_tree(tmp_path / "full", tree, model_metadata(small_config, {"step": 9}))

        model, info = load_checkpoint(tmp_path / "full")

        assert_same_tree(parameter_tree(model), parameters)
        assert info.provenance["step"] == 9

    def test_loading_works_in_another_thread(self, small_checkpoint: Path):
        results: list[object] = []
        thread = threading.Thread(target=lambda: results.append(load_checkpoint(small_checkpoint)))
        thread.start()
        thread.join()
        assert len(results) == 1

    def test_looking_for_a_checkpoint_does_not_import_jax(self, small_checkpoint: Path):
        program = (
            "import sys; from nca_viewer.checkpoint import resolve_checkpoint;"
            "resolve_checkpoint(sys.argv[1]); assert not {'jax', 'orbax', 'flax'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", program, str(small_checkpoint)], check=True, timeout=60)

    def test_a_read_only_checkpoint_loads(self, copied_checkpoint: Path):
        for path in copied_checkpoint.rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        copied_checkpoint.chmod(0o555)

        load_checkpoint(copied_checkpoint)

        for path in (copied_checkpoint, *copied_checkpoint.rglob("*")):
            path.chmod(0o755)


class TestResolving:
    def test_missing_lists_the_remedies(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(checkpoint, "bundled_checkpoint_names", lambda: ("model", "seed-recipe"))

        message = refusal(tmp_path / "nowhere")

        assert message == (
            f"there is no checkpoint at '{tmp_path / 'nowhere'}'; give a checkpoint directory, "
            "a run directory, or a bundled name (model, seed-recipe)"
        )

    def test_bundled_names_go_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_checkpoint: Path
    ):
        monkeypatch.chdir(tmp_path)
        shutil.copytree(small_checkpoint, tmp_path / "model")
        monkeypatch.setattr(checkpoint, "bundled_checkpoint_names", lambda: ())
        assert resolve_checkpoint("model") == tmp_path / "model"

        monkeypatch.setattr(checkpoint, "bundled_checkpoint_names", lambda: ("model",))
        monkeypatch.setattr(checkpoint, "bundled_checkpoint", lambda name: Path("/bundled") / name)
        assert resolve_checkpoint("model") == Path("/bundled/model")
        assert resolve_checkpoint("./model") == tmp_path / "model"

    def test_a_run_means_its_newest_complete_checkpoint(self, tmp_path: Path, small_checkpoint: Path):
        for step in (128, 256, 512, 1024):
            shutil.copytree(small_checkpoint, step_directory(tmp_path, step))
        assert step_directory(tmp_path, 128) == tmp_path / "checkpoints" / "step-00000128"
        (step_directory(tmp_path, 1024) / "MANIFEST.json").unlink()
        files_of(step_directory(tmp_path, 512) / "state")[0].write_bytes(b"")
        (tmp_path / "checkpoints" / "step-9").mkdir()
        (tmp_path / "checkpoints" / ".step-00002048.partial-abc").mkdir()

        assert checkpoint_steps(tmp_path) == [128, 256]
        assert resolve_checkpoint(tmp_path) == step_directory(tmp_path, 256)
        assert load_checkpoint(tmp_path)[1].path == step_directory(tmp_path, 256)

    def test_a_step_that_was_being_replaced_still_counts(self, tmp_path: Path, small_checkpoint: Path):
        shutil.copytree(small_checkpoint, tmp_path / "checkpoints" / ".step-00000007.previous")

        assert checkpoint_steps(tmp_path) == [7]
        assert load_checkpoint(tmp_path)[1].provenance["step"] == 3

    def test_a_run_without_checkpoints(self, tmp_path: Path):
        assert checkpoint_steps(tmp_path) == []
        (tmp_path / "checkpoints").mkdir()
        assert "has no complete checkpoint yet" in refusal(tmp_path)

    @pytest.mark.parametrize("name", ["", "\0", "a" * 5000, "~nobody-of-that-name/x"])
    def test_names_that_cannot_be(self, name: str):
        refusal(name)

    def test_a_loop_of_links(self, tmp_path: Path):
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        refusal(tmp_path / "loop")


def test_a_checkpoint_does_not_tell_where_it_was_written(
    tmp_path: Path, small_model: AttentionNCA, small_config: ModelConfig
):
    folder = tmp_path / "somebodys-folder"
    save_checkpoint(folder / "c", small_model, small_config, {})
    assert files_of(folder / "c")
    for file in files_of(folder / "c"):
        assert b"somebodys-folder" not in file.read_bytes(), file


class TestDamage:
    def test_every_flipped_byte_is_noticed(self, copied_checkpoint: Path):
        generator = np.random.default_rng(0)
        for file in files_of(copied_checkpoint):
            content = file.read_bytes()
            if not content or file.name == "MANIFEST.json":
                continue
            for position in generator.integers(0, len(content), 3):
                damaged = bytearray(content)
                damaged[position] ^= 1 << generator.integers(8)
                file.write_bytes(damaged)
                assert "has a wrong SHA-256; copy it again" in refusal(copied_checkpoint)
            file.write_bytes(content)
        load_checkpoint(copied_checkpoint)

    def test_every_missing_or_truncated_file_is_noticed(self, copied_checkpoint: Path):
        for file in files_of(copied_checkpoint):
            content = file.read_bytes()
            file.unlink()
            assert file.name in refusal(copied_checkpoint)
            if content:
                file.write_bytes(content[: len(content) // 2])
                assert file.name in refusal(copied_checkpoint)
            file.write_bytes(content)
        load_checkpoint(copied_checkpoint)

    @given(position=st.integers(0, 10**6), byte=st.integers(0, 255))
    def test_a_damaged_manifest_never_escapes_as_another_error(
        self, tmp_path_factory: pytest.TempPathFactory, small_checkpoint: Path, position: int, byte: int
    ):
        path = tmp_path_factory.mktemp("damaged") / "c"
        shutil.copytree(small_checkpoint, path)
        content = bytearray((path / "MANIFEST.json").read_bytes())
        content[position % len(content)] = byte
        (path / "MANIFEST.json").write_bytes(content)
        message = ""
        try:
            read_tree(path)
        except CheckpointError as error:
            message = str(error)
        assert "\n" not in message

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "{",
            "[]",
            "null",
            "{}",
            '{"format": "nca-viewer checkpoint"}',
            '{"format": "nca-viewer checkpoint", "format_version": 1, "files": []}',
            '{"format": "nca-viewer checkpoint", "format_version": 1, "files": {}}',
            '{"format": "nca-viewer checkpoint", "files": {}}',
            '{"format": "nca-viewer checkpoint", "format_version": 1, "files": {"../x": {}}}',
            "[" * 100_000,
            "\x00\xff",
        ],
    )
    def test_bad_manifests(self, copied_checkpoint: Path, content: str):
        (copied_checkpoint / "MANIFEST.json").write_text(content)
        assert "is damaged" in refusal(copied_checkpoint)

    def test_other_peoples_manifests(self, copied_checkpoint: Path):
        (copied_checkpoint / "MANIFEST.json").write_text('{"format": "kernel", "files": {}}')
        assert "is not an nca-viewer checkpoint but 'kernel'" in refusal(copied_checkpoint)

    @pytest.mark.parametrize("version", [True, 1.0, 0, -1, "1", None, [1], 2])
    def test_a_format_that_is_not_the_whole_number_1_is_refused(self, copied_checkpoint: Path, version):
        manifest = json.loads((copied_checkpoint / "MANIFEST.json").read_text())
        manifest["format_version"] = version
        (copied_checkpoint / "MANIFEST.json").write_text(json.dumps(manifest))
        message = refusal(copied_checkpoint)
        assert f"it is of format {version!r}, and this nca-viewer reads format 1" in message
        assert message.endswith("; update nca-viewer") == (version == 2)

    @pytest.mark.parametrize(
        ("before", "after", "told"),
        [
            (
                '{"format": ',
                '{"format": "kernel", "format": ',
                "it has 'format' more than once; leave one of them",
            ),
            ('"bytes": ', '"bytes": NaN, "was": ', "it is not JSON: it has NaN where a number must stand"),
            ('"bytes": ', '"bytes": true, "was": ', "it is not a manifest"),
        ],
    )
    def test_manifests_that_a_hand_has_changed(self, copied_checkpoint, before: str, after: str, told: str):
        path = copied_checkpoint / "MANIFEST.json"
        manifest = json.dumps(json.loads(path.read_text()))
        assert before in manifest
        path.write_text(manifest.replace(before, after, 1))
        assert f"is damaged: {told}" in refusal(copied_checkpoint)

    def test_empty_directories_files_and_foreign_directories(self, tmp_path: Path):
        (tmp_path / "empty").mkdir()
        (tmp_path / "file").write_text("x")
        (tmp_path / "foreign").mkdir()
        (tmp_path / "foreign" / "weights.bin").write_bytes(b"1234")

        assert "holds no complete checkpoint (MANIFEST.json is missing)" in refusal(tmp_path / "empty")
        assert "is not a checkpoint directory" in refusal(tmp_path / "file")
        assert "holds no complete checkpoint (MANIFEST.json is missing)" in refusal(tmp_path / "foreign")

    def test_a_checkpoint_that_orbax_was_writing(self, tmp_path: Path, small_checkpoint: Path):
        partial = tmp_path / "x.orbax-checkpoint-tmp"
        shutil.copytree(small_checkpoint, partial)
        (partial / "MANIFEST.json").unlink()
        assert "holds no complete checkpoint" in refusal(partial)

    @pytest.mark.parametrize("victim", ["_CHECKPOINT_METADATA", "_METADATA", "manifest.ocdbt"])
    def test_what_orbax_cannot_read_is_one_line_without_noise(
        self, copied_checkpoint: Path, victim: str, capfd: pytest.CaptureFixture[str]
    ):
        """Damage that a matching manifest hides."""
        for file in files_of(copied_checkpoint):
            if file.name == victim:
                file.write_bytes(b"garbage")
        resign(copied_checkpoint)

        assert "cannot be read as a checkpoint" in refusal(copied_checkpoint)
        assert capfd.readouterr() == ("", "")


class TestMisfits:
    """Checkpoints that are intact, and wrong."""

    def save(self, path: Path, model: AttentionNCA, config: ModelConfig, name: str, change) -> None:
        tree = parameter_tree(model)
        *parents, last = name.split(".")
        node = tree
        for parent in parents:
            node = node[parent]
        change(node, last)
        write_tree(path, {"params": tree}, model_metadata(config, {}))

    def test_shapes(self, tmp_path: Path, small_model: AttentionNCA, small_config: ModelConfig):
        def transpose(node: dict, last: str) -> None:
            node[last] = node[last].swapaxes(-1, -2)

        self.save(tmp_path / "c", small_model, small_config, "update.layers.0.kernel", transpose)
        assert refusal(tmp_path / "c") == (
            f"{tmp_path / 'c'}: the parameters do not fit the configuration: "
            "update.layers.0.kernel has shape (1, 1, 6, 10), expected (1, 1, 10, 6)"
        )

    def test_a_configuration_of_another_size(self, tmp_path: Path, small_model: AttentionNCA):
        save_checkpoint(tmp_path / "c", small_model, ModelConfig(), {})
        assert re.search(r"has shape \(.*\), expected \(.*\)", refusal(tmp_path / "c"))

    def test_missing_leaves(self, tmp_path: Path, small_model: AttentionNCA, small_config: ModelConfig):
        self.save(tmp_path / "c", small_model, small_config, "update.layers.1.bias", dict.pop)
        assert "update.layers.1.bias is missing" in refusal(tmp_path / "c")

    def test_extra_leaves(self, tmp_path: Path, small_model: AttentionNCA, small_config: ModelConfig):
        def add(node: dict, last: str) -> None:
            node["scale"] = np.ones(3, np.float32)

        self.save(tmp_path / "c", small_model, small_config, "perceive.linear.bias", add)
        assert "perceive.linear.scale is not part of the automaton" in refusal(tmp_path / "c")

    def test_types(self, tmp_path: Path, small_model: AttentionNCA, small_config: ModelConfig):
        def halve(node: dict, last: str) -> None:
            node[last] = node[last].astype(np.float16)

        self.save(tmp_path / "c", small_model, small_config, "perceive.linear.bias", halve)
        assert "perceive.linear.bias is float16, expected float32" in refusal(tmp_path / "c")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_numbers_that_are_not_finite(
        self, tmp_path: Path, small_model: AttentionNCA, small_config: ModelConfig, value: float
    ):
        def poison(node: dict, last: str) -> None:
            node[last] = np.where(np.arange(node[last].size) < 2, np.float32(value), node[last])

        self.save(tmp_path / "c", small_model, small_config, "perceive.linear.bias", poison)
        assert "perceive.linear.bias has 2 values that are not finite numbers" in refusal(tmp_path / "c")

    @pytest.mark.parametrize(
        ("metadata", "complaint"),
        [
            ({}, "a checkpoint of something else than an automaton"),
            ({"config": 3, "provenance": {}}, "a checkpoint of something else than an automaton"),
            ({"config": {"height": 11}}, "a checkpoint of something else than an automaton"),
            ({"config": {"height": 1}, "provenance": {}}, "height = 1 is out of range"),
            ({"config": {"hight": 11}, "provenance": {}}, "unknown model setting 'hight'"),
        ],
    )
    def test_configurations(self, tmp_path: Path, small_model: AttentionNCA, metadata: dict, complaint: str):
        write_tree(tmp_path / "c", {"params": parameter_tree(small_model)}, metadata)
        assert complaint in refusal(tmp_path / "c")

    @pytest.mark.parametrize("tree", [{"weights": np.ones(3)}, {"params": np.ones(3)}])
    def test_other_trees(self, tmp_path: Path, small_config: ModelConfig, tree: dict):
        write_tree(tmp_path / "c", tree, model_metadata(small_config, {}))
        assert "something else than an automaton" in refusal(tmp_path / "c")


def test_a_file_that_the_manifest_does_not_list_is_damage(tmp_path: Path):
    write_tree(tmp_path / "t", {"x": np.ones(3)}, {"value": 1})
    manifest = json.loads((tmp_path / "t" / "MANIFEST.json").read_text())
    dropped = max(manifest["files"], key=lambda name: manifest["files"][name]["bytes"])
    del manifest["files"][dropped]
    (tmp_path / "t" / "MANIFEST.json").write_text(json.dumps(manifest))

    with pytest.raises(CheckpointError, match=re.escape(f"does not list {dropped}")):
        read_tree(tmp_path / "t")


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "/etc/passwd", "../x"])
def test_a_manifest_names_no_strange_files(tmp_path: Path, name: str):
    write_tree(tmp_path / "t", {"x": np.ones(3)}, {"value": 1})
    manifest = json.loads((tmp_path / "t" / "MANIFEST.json").read_text())
    manifest["files"][name] = {"sha256": "0", "bytes": 1}
    (tmp_path / "t" / "MANIFEST.json").write_text(json.dumps(manifest))

    with pytest.raises(CheckpointError, match="is damaged: it lists"):
        read_tree(tmp_path / "t")
