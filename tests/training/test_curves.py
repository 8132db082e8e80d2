"""The tables and the event files of a run."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboardX.proto.event_pb2 import Event

from nca_viewer.errors import ConfigError, OutputError
from training.curves import Curves, read_rows


def events(directory: Path) -> list[Event]:
    """TensorBoard's records: length, its checksum, the event, its checksum."""
    found = []
    for path in sorted(directory.glob("events.out.tfevents.*")):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            found.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return found


def scalars(directory: Path) -> dict[tuple[str, int], float]:
    return {
        (value.tag, event.step): value.simple_value
        for event in events(directory)
        for value in event.summary.value
        if value.HasField("simple_value")
    }


def test_rows_reach_the_table_and_tensorboard(tmp_path: Path) -> None:
    curves = Curves(tmp_path, 0)
    curves.add_metrics({"step": 128, "loss": 0.0123456789, "restarts": 1})
    curves.add_metrics({"step": 256, "loss": 0.25, "restarts": 1})
    sheet = Image.fromarray(np.full((5, 7, 3), 99, np.uint8))
    curves.add_validation({"step": 256, "psnr_64": 21.5}, sheet)
    assert (tmp_path / "metrics.csv").read_text() == ("step,loss,restarts\n128,0.0123457,1\n256,0.25,1\n")
    curves.close()
    written = scalars(tmp_path / "tensorboard")
    assert written[("train/loss", 128)] == pytest.approx(0.0123456789)
    assert written[("validation/psnr_64", 256)] == 21.5
    (image,) = (
        value.image
        for event in events(tmp_path / "tensorboard")
        for value in event.summary.value
        if value.HasField("image")
    )
    assert (image.height, image.width) == (5, 7)


def test_rows_after_the_step_that_is_resumed_go(tmp_path: Path) -> None:
    curves = Curves(tmp_path, 0)
    for step in (128, 256, 384):
        curves.add_metrics({"step": step, "loss": 0.5})
    curves.close()
    Curves(tmp_path, 256).close()
    assert [row["step"] for row in read_rows(tmp_path / "metrics.csv")] == ["128", "256"]
    Curves(tmp_path, 0).close()
    assert read_rows(tmp_path / "metrics.csv") == []


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss\n128,0.5\n256,0.2")
    assert read_rows(path) == [{"step": "128", "loss": "0.5"}]
    curves = Curves(tmp_path, 128)
    curves.add_metrics({"step": 256, "loss": 0.125})
    curves.close()
    assert path.read_text() == "step,loss\n128,0.5\n256,0.125\n"


def test_a_table_from_before_a_column_existed_goes_on(tmp_path: Path) -> None:
    (tmp_path / "validation.csv").write_text("step,psnr_64,loss\n4,20.5,0.25\n8,21.5,0.125\n")
    curves = Curves(tmp_path, 8)
    curves.add_validation({"step": 12, "psnr_64": 22.0, "healed_psnr": 19.0, "loss": 0.5})
    curves.add_validation({"step": 16, "psnr_64": 23.0, "healed_psnr": 19.5, "loss": 0.5})
    curves.close()
    assert [list(row.values()) for row in read_rows(tmp_path / "validation.csv")] == [
        ["4", "20.5", "0.25", ""],
        ["8", "21.5", "0.125", ""],
        ["12", "22", "0.5", "19"],
        ["16", "23", "0.5", "19.5"],
    ]


@pytest.mark.parametrize("content", ["loss\n1\n", "step,loss\nx,1\n", "step,loss\n1\n", "step\n1,2\n"])
def test_a_damaged_table_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "metrics.csv").write_text(content)
    with pytest.raises(ConfigError, match=r"metrics.csv is damaged; remove it"):
        Curves(tmp_path, 0)


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot write .*tensorboard"):
        Curves(tmp_path, 0)


def test_a_full_disk_is_said_at_once_and_closing_does_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves = Curves(tmp_path, 0)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tensorboardX.record_writer.RecordWriter.write", full)
    monkeypatch.setattr("tensorboardX.record_writer.RecordWriter.flush", full)
    for step in range(128, 128 * 20, 128):
        with pytest.raises(OutputError, match="No space left on device; make room and resume"):
            curves.add_metrics({"step": step, "loss": 0.5})
    curves.close()
