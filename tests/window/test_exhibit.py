"""An exhibit on a real display: it fills it, shows no cursor, and only the operator gets out."""

import time

import pytest

from nca_viewer.display.palette import TOOL_COLOURS
from nca_viewer.interaction.actions import Tool
from nca_viewer.kiosk.layout import KioskLayout

from .conftest import SCREEN, Viewer

pytestmark = pytest.mark.window


@pytest.fixture
def open_exhibit(tmp_path):
    viewers = []

    def start(display, *arguments):
        folders = ("--state-dir", tmp_path / "state", "--log-dir", tmp_path / "log")
        viewer = Viewer(display, tmp_path / "cache", ["--exhibit", *folders, *arguments])
        viewers.append(viewer)
        return viewer

    yield start
    for viewer in viewers:
        viewer.kill()


def buttons(screen, grid=(11, 13)):
    layout = KioskLayout.fit(screen, grid, has_languages=False)
    return {name: (box[0] + box[2] // 2, box[1] + box[3] // 2) for name, box in layout.buttons}, layout


def wait_for_tool(viewer, tool, box):
    left, top, width, height = box
    viewer.wait_until(
        lambda: (
            (viewer.screen()[top : top + height, left : left + width] == TOOL_COLOURS[tool])
            .all(axis=2)
            .mean()
            > 0.3
        )
    )


def test_an_exhibit_from_its_start_to_the_operator_s_quit(display, open_exhibit, small_checkpoint, tmp_path):
    places, layout = buttons(SCREEN)
    boxes = dict(layout.buttons)
    viewer = open_exhibit(display, "--ckpt", small_checkpoint, "--operator-exit", "menu", "--no-pixel-shift")
    viewer.wait_for_window()
    assert (viewer.screen()[[0, -1]][:, [0, -1]] > 0).all()
    wait_for_tool(viewer, Tool.ERASE, boxes["erase"])
    assert "operator-exit is menu" in (tmp_path / "log" / "nca-viewer.log").read_text()

    viewer.xdotool("mousemove", *places["draw"], "click", "1")
    wait_for_tool(viewer, Tool.PAINT, boxes["draw"])

    for name in ("ctrl+q", "alt+F4", "F11", "Escape", "ctrl+o", "Tab"):
        viewer.key(name)
    time.sleep(0.5)
    assert viewer.process.poll() is None
    wait_for_tool(viewer, Tool.PAINT, boxes["draw"])

    for name in ("ctrl", "shift", "q"):
        viewer.xdotool("keydown", name)
    page = {name: (box[0] + box[2] // 2, box[1] + box[3] // 2) for name, box in layout.page_buttons}
    left, top, width, height = dict(layout.page_buttons)["quit"]
    inside = (slice(top + 2, top + height // 4), slice(left + width // 2, left + width - 9))
    viewer.wait_until(lambda: (viewer.screen()[inside] == (44, 50, 66)).all(axis=2).mean() > 0.9)
    for name in ("q", "shift", "ctrl"):
        viewer.xdotool("keyup", name)
    viewer.xdotool("mousemove", *page["quit"], "click", "1")
    code, out, _ = viewer.end()
    assert (code, out) == (0, "")
    assert "end: the program ends on purpose" in (tmp_path / "log" / "nca-viewer.log").read_text()


def test_a_display_that_is_not_connected_is_named(display, open_exhibit, small_checkpoint):
    code, _, err = open_exhibit(display, "--ckpt", small_checkpoint, "--display", 7).end()
    assert code == 74
    last = err.strip().splitlines()[-1]
    assert last == (
        f"nca-viewer: error: --display = 7 is not connected; choose one of 0 ({SCREEN[0]} x {SCREEN[1]})"
    )
