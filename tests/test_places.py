"""Folders of the user that may be missing."""

from pathlib import Path

import platformdirs
import pytest

from nca_viewer import launch, places
from nca_viewer.errors import DatasetError
from nca_viewer.kiosk.config import KioskConfig
from nca_viewer.kiosk.operation import doctor, monitor

NAMES = ("user_cache_path", "user_state_path", "user_log_path", "user_pictures_path")


@pytest.fixture(
    params=[RuntimeError("no home"), KeyError("uid"), OSError(13, "closed"), Path("~/x"), Path("x")]
)
def no_home(request, monkeypatch):
    def folder(*arguments):
        if isinstance(request.param, Exception):
            raise request.param
        return request.param

    for name in NAMES:
        monkeypatch.setattr(platformdirs, name, folder)


def test_without_a_home_nothing_is_asked_for_it(no_home):
    assert places.cache_folder() is places.state_folder() is places.log_folder() is None
    assert places.pictures_folder() is None
    assert launch._screenshot_folder(KioskConfig()) == Path()
    assert monitor.record_folders(KioskConfig(exhibit=True)) == (None, None)


def test_what_is_named_is_used_without_a_home(no_home, tmp_path):
    config = KioskConfig(exhibit=True, state_directory=tmp_path / "state", output_directory=tmp_path)
    assert monitor.record_folders(config) == (tmp_path / "state", None)
    assert launch._screenshot_folder(config) == tmp_path


def test_the_compile_cache_is_done_without_and_the_doctor_says_why(no_home):
    from nca_viewer.backend import compile_cache_folder, use_compile_cache

    assert compile_cache_folder() is None
    use_compile_cache()
    finding = doctor._compile_cache(KioskConfig())
    assert finding.level == doctor.NOTE
    assert "no home folder" in finding.text
    found = {finding.check: finding for finding in doctor._folders(KioskConfig(exhibit=True))}
    assert found["state folder"].remedy == "give --state-dir"
    assert found["log folder"].remedy == "give --log-dir"
    assert doctor.is_well([finding, *found.values()])


def test_a_download_without_a_cache_names_the_remedy(no_home):
    from training.data import default_cache_dir

    with pytest.raises(DatasetError, match=r"no home folder .* give --data-dir, or set XDG_CACHE_HOME"):
        default_cache_dir()


def test_a_home_is_used_where_there_is_one(monkeypatch, tmp_path):
    for name in NAMES:
        monkeypatch.setattr(platformdirs, name, lambda *arguments: tmp_path)
    assert places.pictures_folder() == places.cache_folder() == tmp_path
    monkeypatch.setattr(platformdirs, "user_pictures_path", lambda: tmp_path / "gone")
    assert places.pictures_folder() is None
