"""Sheets and animations."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nca_viewer.automaton.system import AttentionNCA
from training import report


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((3, 11, 13, 1), dtype=np.float32)


def test_a_run_starts_masked_and_keeps_every_state(small_model: AttentionNCA, images: np.ndarray) -> None:
    run = report.run_from_masked(small_model, images, num_steps=16)
    assert run.states.shape == (17, 3, 11, 13, 1)
    start = run.states[0]
    kept = start > 0
    np.testing.assert_array_equal(start[kept], images[kept])
    assert 0.35 < kept.mean() < 0.65
    again = report.run_from_masked(small_model, images, num_steps=16)
    np.testing.assert_array_equal(again.states, run.states)


def test_the_gif_has_one_frame_per_state_even_where_nothing_changes(tmp_path: Path) -> None:
    still = np.zeros((65, 2, 11, 13, 1), np.float32)
    path = tmp_path / "run.gif"
    report.save_gif(report.run_frames(report.Run(still[0], still)), path)
    with Image.open(path) as gif:
        assert gif.n_frames == 65
        assert 40 <= gif.info["duration"] <= 100
        gif.seek(64)
        assert gif.info["duration"] == 1000 * report.LAST_FRAME_SECONDS
    assert [each.name for each in tmp_path.iterdir()] == ["run.gif"]


def test_cells_have_hard_edges_and_true_values(images: np.ndarray) -> None:
    sheet = np.asarray(report.sheet(["one", "two"], [images, 1 - images]))
    factor = round(report.PICTURE_SIZE_PIXELS / 13)
    top = report.GAP_PIXELS + report.LABEL_HEIGHT_PIXELS
    left = report.GAP_PIXELS
    shown = sheet[top : top + 11 * factor, left : left + 13 * factor]
    expected = np.round(255 * images[0, ..., 0]).repeat(factor, axis=0).repeat(factor, axis=1)
    np.testing.assert_array_equal(shown, expected[..., None].repeat(3, axis=-1))
    label = sheet[:top, : left + 13 * factor]
    assert (label != report.BACKGROUND).any()


def test_colour_and_values_off_the_scale_are_shown() -> None:
    pictures = np.full((1, 11, 13, 3), [2.0, -1.0, np.nan], np.float32)
    shown = np.asarray(report.sheet(["x"], [pictures]))
    assert (shown.reshape(-1, 3) == [255, 0, 0]).all(axis=-1).any()


def test_the_sample_sheet_has_seven_columns_and_a_row_per_image(
    small_model: AttentionNCA, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[str], int]] = []

    def remember(labels: list[str], columns: list[np.ndarray]) -> str:
        asked.append((labels, len(columns)))
        assert {column.shape for column in columns} == {images.shape}
        return "sheet"

    monkeypatch.setattr(report, "sheet", remember)
    assert report.sample_sheet(small_model, images) == "sheet"
    labels = ["clean", "masked", "32 steps", "64 steps", "512 steps", "wounded", "healed +96"]
    assert asked == [(labels, len(labels))]
