import numpy as np
import pytest

from nca_viewer.display.views import VIEWS, view_number
from nca_viewer.snapshot import Snapshot


def snapshot(state):
    picture = np.round(255 * np.clip(np.nan_to_num(state[..., -1:]), 0, 1)).astype(np.uint8)
    return Snapshot(picture.repeat(3, axis=2), state, step=3, episode=1, is_healthy=True)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
@pytest.mark.parametrize("filling", [0.0, 1.0, -1e9, np.nan, np.inf])
def test_views_draw_any_state_with_one_pixel_per_cell(view, filling):
    seen = snapshot(np.full((5, 7, 6), filling, np.float32))
    image = view.image(seen)
    assert image.shape == (5, 7, 3)
    assert image.dtype == np.uint8


def test_the_first_view_is_the_picture():
    seen = snapshot(np.random.default_rng(0).random((5, 7, 6), np.float32))
    assert (view_number(0).image(seen) == seen.image).all()


def test_hidden_channels_show_what_the_picture_does_not():
    state = np.zeros((5, 7, 6), np.float32)
    state[2, 3, 0] = 1.0
    image = view_number(1).image(snapshot(state))
    assert (image[2, 3] != image[0, 0]).any()
    assert len(np.unique(image.reshape(-1, 3), axis=0)) == 2


def test_views_are_counted_round_and_round():
    assert view_number(len(VIEWS)) is view_number(0)
    assert view_number(-1) is VIEWS[-1]


def test_snapshots_are_sealed():
    seen = snapshot(np.zeros((5, 7, 6), np.float32))
    for array in (seen.image, seen.state):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
