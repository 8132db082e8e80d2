import os
import stat

import pytest

from nca_viewer.atomic_files import atomic_write, mode_at, whole_file
from nca_viewer.checkpoint import resolve_checkpoint
from nca_viewer.display import capture
from nca_viewer.errors import CheckpointError, OutputError
from training.output import require_writable


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("only_writer", [False, True])
@pytest.mark.parametrize("durable", [False, True])
def test_a_file_appears_when_it_is_finished(tmp_path, only_writer, durable):
    path = tmp_path / "a.png"
    path.write_text("old")
    with whole_file(path, durable=durable, only_writer=only_writer) as temporary:
        assert temporary.suffix == ".png"
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert len(names(tmp_path)) == 2
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_what_is_not_finished_leaves_nothing_and_changes_nothing(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with whole_file(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write()
    assert names(tmp_path) == ["a.txt"]
    assert path.read_text() == "old"


def test_folders_are_made_only_where_that_is_wanted(tmp_path):
    with whole_file(tmp_path / "b" / "c" / "a.txt", make_parents=True) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "b" / "c" / "a.txt").read_text() == "new"
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "d" / "a.txt") as temporary:
        temporary.write_text("new")


def test_a_person_is_told_in_one_line(tmp_path):
    with (
        pytest.raises(OutputError, match=r"cannot write '.*/d/a.txt': No such file .*; choose another place"),
        atomic_write(tmp_path / "d" / "a.txt") as temporary,
    ):
        temporary.write_text("new")
    with pytest.raises(OutputError, match="Is a directory"), atomic_write(tmp_path):
        pass


def test_a_link_stays_a_link_and_what_it_leads_to_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    link = tmp_path / "a.txt"
    link.symlink_to(tmp_path / "there" / "b.txt")
    for text in ("new", "newer"):
        with atomic_write(link) as temporary:
            temporary.write_text(text)
        assert link.is_symlink()
        assert (tmp_path / "there" / "b.txt").read_text() == text
        assert names(tmp_path / "there") == ["b.txt"]


def test_a_file_that_may_not_be_written_stays_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o444)
    if os.access(path, os.W_OK):  # Who runs the tests may write anything; others may not.
        monkeypatch.setattr(os, "access", lambda asked, mode: (asked, mode) != (path.resolve(), os.W_OK))
    with pytest.raises(OutputError, match="Permission denied"), atomic_write(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "old"


@pytest.mark.parametrize("linked", [False, True])
def test_devices_and_pipes_are_left_alone(tmp_path, linked):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    path = tmp_path / "a.png" if linked else pipe
    if linked:
        path.symlink_to(pipe)
    with (
        pytest.raises(
            OutputError, match="it is a device, a pipe or a socket, and not a file; choose another"
        ),
        atomic_write(path) as temporary,
    ):
        temporary.write_text("new")
    with pytest.raises(OutputError, match="it is a device or a pipe; give a file name"):
        capture.require_writable(path)
    assert stat.S_ISFIFO(mode_at(pipe))
    assert sorted(names(tmp_path)) == sorted({"pipe.png", path.name})


def test_a_name_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / f"{'n' * 245}.png"
    with whole_file(path) as temporary:
        temporary.write_text("all of it")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [(path.name, "all of it")]


@pytest.mark.parametrize("name", ["a" * 300, "loop/x", "a\0b"])
def test_what_cannot_be_looked_at_is_not_taken_for_nothing(tmp_path, name):
    """As `Path.exists` and its like take it from Python 3.14 on."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError):  # noqa: PT011
        mode_at(tmp_path / name)
    for check in (capture.require_folder, require_writable):
        with pytest.raises(OutputError):
            check(tmp_path / name)
    with pytest.raises(OutputError):
        capture.require_writable(tmp_path / f"{name}.png")
    with pytest.raises(CheckpointError):
        resolve_checkpoint(tmp_path / name)


def test_what_stands_there_is_told(tmp_path):
    (tmp_path / "file").touch()
    assert stat.S_ISDIR(mode_at(tmp_path))
    assert stat.S_ISREG(mode_at(tmp_path / "file"))
    assert mode_at(tmp_path / "nothing") == mode_at(tmp_path / "file" / "x") == 0
