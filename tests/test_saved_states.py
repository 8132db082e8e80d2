import dataclasses
import io
import json
import os
import pickle
import resource
import zipfile

import numpy as np
import pytest

from nca_viewer.automaton.experiments import Experiments, as_json
from nca_viewer.checkpoint import load_checkpoint
from nca_viewer.errors import ConfigError, OutputError
from nca_viewer.instrument import follow
from nca_viewer.interaction.actions import Tool
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.loading import _followed, begin_session, load_session
from nca_viewer.moment import digest
from nca_viewer.saved_states import SavedState, load_state, save_state
from nca_viewer.viewer_config import ViewerConfig

pytestmark = pytest.mark.usefixtures("backend_checked_once")

SHA = "ab" * 32


@pytest.fixture(scope="module")
def simulation(simulation_of):
    return simulation_of(5)


@pytest.fixture
def saved(simulation, small_config):
    image = np.random.default_rng(2).random(small_config.image_shape).astype(np.float32)
    simulation.seed, simulation.episode = 7, 3
    simulation.begin(image, 0.25)
    simulation.advance(11)
    return SavedState(simulation.moment(), "small", SHA, {"speed": "1/2"}, {"jax": "1"})


@pytest.fixture
def path(saved, tmp_path):
    path = tmp_path / "a.npz"
    save_state(path, saved)
    return path


def arrays_of(path):
    with np.load(path) as content:
        return {name: content[name] for name in content.files}


def act(simulation):
    """Something of everything that is random."""
    region = np.ones((simulation.config.height, simulation.config.width), bool)
    digests = []
    simulation.apply(Tool.CORRUPT, region)
    simulation.advance(9)
    digests.append(digest(simulation.moment().state))
    simulation.reset()
    simulation.advance(4)
    digests.append(digest(simulation.moment().state))
    simulation.restart()
    simulation.advance(5)
    digests.append(digest(simulation.moment().state))
    assert np.isfinite(simulation.moment().state).all()
    return digests, simulation.episode, simulation.step


def test_a_saved_run_goes_on_bit_for_bit(simulation, simulation_of, small_config, path):
    expected = act(simulation)
    clean = simulation.request_snapshot().result().clean
    other = simulation_of(0)
    other.restore(load_state(path, small_config, SHA).moment)
    assert (other.seed, other.episode, other.step) == (7, 4, 11)
    assert act(other) == expected
    assert (other.request_snapshot().result().clean == clean).all()


def test_all_of_it_comes_back(saved, path, small_config):
    found = load_state(path, small_config, SHA)
    for field in ("step", "episode", "mask_ratio", "seed"):
        assert getattr(found.moment, field) == getattr(saved.moment, field)
    assert (found.moment.image == saved.moment.image).all()
    assert (found.checkpoint, found.checkpoint_sha256) == ("small", SHA)
    assert (found.settings, found.environment) == ({"speed": "1/2"}, {"jax": "1"})


def test_a_state_is_written_whole_or_not_at_all(saved, path, tmp_path):
    before = path.read_bytes()
    state = np.array(saved.moment.state)
    state[0, 0, 0] = np.nan
    broken = dataclasses.replace(saved, moment=dataclasses.replace(saved.moment, state=state))
    with pytest.raises(OutputError, match="NaN or infinite; reset first"):
        save_state(path, broken)
    with pytest.raises(TypeError):
        save_state(path, dataclasses.replace(saved, settings={"a": object()}))
    with pytest.raises(OutputError, match=r"end the name in \.npz"):
        save_state(tmp_path / "a.png", saved)
    with pytest.raises(OutputError, match="cannot write"):
        save_state(tmp_path / "no" / "a.npz", saved)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.npz"]


def about(**values):
    def change(arrays):
        found = json.loads(arrays["about"].tobytes()) | values
        arrays["about"] = np.frombuffer(json.dumps(found).encode(), np.uint8)

    return change


def twice(name):
    def change(arrays):
        found = arrays["about"].tobytes().replace(b"{", b'{"%s": 1, ' % name.encode(), 1)
        arrays["about"] = np.frombuffer(found, np.uint8)

    return change


def replaced(name, change):
    def apply(arrays):
        arrays[name] = change(arrays[name])

    return apply


def one_value(value):
    def change(array):
        array = array.copy()
        array[1, 2, 0] = value
        return array

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (about(format="other"), "it is not an nca-viewer state"),
        (about(version=True), "it is of format True"),
        (about(version=1.0), "it is of format 1.0"),
        (about(version="1" * 10**5), "it is of format '1*[.]{3}, and"),
        (about(mask_ratio=float("nan")), "its description is not JSON: it has NaN where a number must stand"),
        (about(mask_ratio="x" * 10**5), "mask_ratio = 'x*[.]{3} must be a number from 0.0 to 1.0"),
        (about(seed=2**32), "seed = 4294967296 is out of range; choose a value from 0 to 4294967295"),
        (about(seed=-(10**4000)), "seed = a number of many digits is out of range"),
        (about(seed=True), "seed = True must be a whole number"),
        (about(episode=2**53), "episode = 9007199254740992 is out of range"),
        (about(step=-1), "step = -1 is out of range"),
        (about(step=float("inf")), "it has Infinity where"),
        (twice("step"), "its description has 'step' more than once"),
        (about(version=2), "it is of format 2, and this nca-viewer reads format 1"),
        (about(seed=-1), "seed = -1 is out of range"),
        (about(seed=None), "seed = None must be a whole number"),
        (about(step=2**53), "step = 9007199254740992 is out of range"),
        (about(step=1.5), "step = 1.5 must be a whole number"),
        (about(episode="x"), "episode = 'x' must be"),
        (about(mask_ratio=2), "mask_ratio = 2 is out of range"),
        (about(settings=[]), "its description is damaged"),
        (about(checkpoint=None), "its description is damaged"),
        (replaced("about", lambda array: array[:-1]), "its description is not JSON"),
        (replaced("state", one_value(np.nan)), "the state has 1 values that are NaN or infinite"),
        (replaced("state", one_value(1e7)), "magnitude 1e.07; it must stay below 1000000"),
        (replaced("image", one_value(1.5)), "the image has values from"),
        (replaced("image", one_value(np.inf)), "the image has 1 values that are NaN"),
        (replaced("state", lambda array: array[1:]), "its state has 10 x 13 x 7 values"),
        (replaced("state", lambda array: array.astype(np.float64)), "its state is float64"),
        (replaced("state", np.asfortranarray), "its state is not as it was saved"),
        (replaced("state", lambda array: np.array(0.0, np.float32)), "its state has no values"),
        (lambda arrays: arrays.pop("image"), "it has no image"),
    ],
)
def test_a_state_that_makes_no_sense_is_refused_in_one_line(path, small_config, change, message):
    arrays = arrays_of(path)
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(ConfigError, match=message) as caught:
        load_state(path, small_config, SHA)
    assert caught.value.exit_code == 2
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500


def member(name, content):
    def damage(path):
        arrays = arrays_of(path)
        arrays.pop(name)
        np.savez(path, **arrays)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{name}.npy", content)

    return damage


def pickled():
    file = io.BytesIO()
    np.save(file, np.array([{"a": print}], dtype=object), allow_pickle=True)
    return file.getvalue()


def huge():
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (11, 13, 7)})
    return file.getvalue() + bytes(10**8)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b""), "it is not a whole .npz file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "it is not a whole .npz file"),
        (lambda path: path.write_bytes(b"\x89PNG" + bytes(200)), "it is not a whole .npz file"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "it is not a whole .npz file"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"\x93NUMPY", b"\x93NUMPI")), "is damaged"),
        (member("state", pickled()), "its state is object"),
        (member("state", b"nothing"), "its state is damaged"),
        (member("state", huge()), "its state is not whole"),
        (lambda path: path.unlink(), "it does not exist"),
        (lambda path: (path.unlink(), path.mkdir()), "it is not a file"),
    ],
)
def test_a_file_that_is_no_state_is_refused(path, small_config, damage, message):
    damage(path)
    with pytest.raises(ConfigError, match=message):
        load_state(path, small_config, SHA)


def test_another_checkpoint_is_refused(path, small_config):
    with pytest.raises(ConfigError, match=r"checkpoint 'small' with SHA-256 abab.*this one has cdcd"):
        load_state(path, small_config, "cd" * 32)
    assert load_state(path, small_config).moment.step == 11
    with pytest.raises(ConfigError, match="automaton 11 x 14 x 7"):
        load_state(path, dataclasses.replace(small_config, width=14), SHA)


@pytest.mark.parametrize("step", [2**31 - 1, 2**32 - 1, 2**53 - 1])
def test_a_run_goes_on_from_the_largest_steps(simulation, saved, tmp_path, small_config, step):
    late = dataclasses.replace(saved, moment=dataclasses.replace(saved.moment, step=step))
    save_state(tmp_path / "late.npz", late)
    moment = load_state(tmp_path / "late.npz", small_config, SHA).moment
    region = np.ones((small_config.height, small_config.width), bool)
    digests = set()
    for parts in ((7,), (1, 2, 4)):
        simulation.restore(moment)
        trace = None
        for part in parts:
            simulation.advance(part)
        simulation.apply(Tool.CORRUPT, region)
        snapshot = simulation.request_snapshot().result()
        trace = follow(trace, snapshot, touched=region, now_seconds=0.0)
        assert trace.damage_step[0, 0] == snapshot.step == step + 7
        digests.add(digest(simulation.moment().state))
    assert len(digests) == 1


def test_a_state_that_could_not_be_loaded_is_not_saved(path, saved):
    before = path.read_bytes()
    late = dataclasses.replace(saved, moment=dataclasses.replace(saved.moment, step=2**53))
    with pytest.raises(OutputError, match=r"step = 9007199254740992 is out of range.*begin anew first"):
        save_state(path, late)
    assert path.read_bytes() == before


def test_a_full_disk_leaves_the_state_of_before(path, saved):
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*a.npz': File too large; choose another place"):
            save_state(path, saved)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["a.npz"]


@pytest.mark.parametrize(
    ("experiments", "message"),
    [
        ({"update_rate": -1}, "update_rate = -1 is out of range; choose a value from 0.05 to 1.0"),
        ({"noise_std": "x" * 10**5}, "noise_std = 'x*[.]{3} must be a number"),
        ({"step_size_factor": True}, "step_size_factor = True must be a number"),
        ({"muted_heads": [10**4000]}, "muted_heads holds 1"),
        ({"wings": ["x" * 10**5]}, "the experiments {'wings': .* are not understood"),
        ([], r"its experiments \[\] are not understood"),
        ("all", "its experiments 'all' are not understood"),
        (0, "its experiments 0 are not understood"),
    ],
)
def test_experiments_that_make_no_sense_are_refused(
    simulation, small_checkpoint, tmp_path, experiments, message
):
    found = load_checkpoint(small_checkpoint)[1]
    state = SavedState(simulation.moment(), "small", found.sha256, {"experiments": experiments}, {})
    save_state(tmp_path / "a.npz", state)
    session = begin_session(simulation, ViewerConfig())
    config = ViewerConfig(load_state=tmp_path / "a.npz")
    saved = load_state(tmp_path / "a.npz", simulation.config)
    with pytest.raises(ConfigError, match=message) as caught:
        _followed(session, config, None, saved)
    assert str(caught.value).startswith("the state file")
    assert len(str(caught.value)) < 500


def test_experiments_come_back_with_a_state(small_checkpoint, tmp_path):
    def load(**options):
        config = KioskConfig(checkpoints=(str(small_checkpoint),), compile_cache=False, **options)
        return load_session(config, 5, None, lambda stage: None)

    path = tmp_path / "state.npz"
    session = load()
    session.simulation.experiments = Experiments(muted_heads=frozenset({0}), update_rate=0.25)
    session.simulation.advance(3)
    save_state(path, session.saved_state())
    again = load(load_state=path)
    assert as_json(again.simulation.experiments) == {"muted_heads": [0], "update_rate": 0.25}
    for one in (session, again):
        one.simulation.advance(4)
    assert digest(session.simulation.moment().state) == digest(again.simulation.moment().state)
