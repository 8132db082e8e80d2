"""The real window, driven by real mouse and key events on a virtual display."""

import signal
import time

import numpy as np
import pytest

from nca_viewer.display.palette import ERROR, TOOL_COLOURS
from nca_viewer.interaction.actions import Tool
from nca_viewer.interaction.geometry import Geometry
from nca_viewer.interaction.strokes import disc_region, stroke_region

pytestmark = pytest.mark.window

SIZE = (640, 560)
WHITE = (255, 255, 255)


class Hands:
    """Knows where the cells of the small automaton are on the screen."""

    def __init__(self, viewer):
        self.viewer = viewer
        self.geometry = Geometry.fit(SIZE, (11, 13), bar_visible=True)
        self.origin = (0, 0)

    def locate(self):
        self.origin = self.viewer.corner()

    def pixel(self, cell):
        x, y = self.geometry.cell_centre(cell)
        return self.origin[0] + x, self.origin[1] + y

    def cells(self):
        """The cells on the screen, each from a pixel in its quarter: uint8[11, 13, 3]."""
        screen = self.viewer.screen()
        left, top, width, height = self.geometry.grid_rectangle
        side = self.geometry.cell_pixels
        left, top = left + self.origin[0], top + self.origin[1]
        return screen[top + side // 4 : top + height : side, left + side // 4 : left + width : side]

    def point(self, cell):
        return self.viewer.xdotool("mousemove", *self.pixel(cell))

    def key(self, *names):
        for name in names:
            self.viewer.key(name)
        time.sleep(0.15)

    def wait_for_cells(self, expected):
        """Wait until exactly these cells are white."""
        try:
            self.viewer.wait_until(lambda: ((self.cells() == WHITE).all(axis=2) == expected).all(), 60)
        except AssertionError:
            seen = (self.cells() == WHITE).all(axis=2)
            raise AssertionError(
                f"white cells:\n{seen.astype(int)}\nexpected:\n{expected.astype(int)}"
            ) from None


@pytest.fixture
def hands(open_viewer, small_checkpoint, tmp_path):
    viewer = open_viewer(
        "--ckpt", small_checkpoint, "--start", "blank", "--window-size", f"{SIZE[0]}x{SIZE[1]}",
        "--output-dir", tmp_path, "--seed", 1,
    )  # fmt: skip
    viewer.wait_for_window()
    hands = Hands(viewer)
    hands.locate()
    # It lives once the bar with the tool is there.
    viewer.wait_until(lambda: (viewer.screen() == TOOL_COLOURS[Tool.PAINT]).all(axis=2).sum() > 100)
    hands.key("space", "r")
    return hands


def test_hands_on_the_grid(hands, tmp_path):
    viewer = hands.viewer
    blank = np.zeros((11, 13), bool)
    hands.wait_for_cells(blank)

    # One click paints the cells of the outline.
    hands.point((2, 3))
    viewer.xdotool("click", "1")
    painted = disc_region((2, 3), 1, 11, 13)
    hands.wait_for_cells(painted)

    # A fast drag leaves no gaps, with a brush of one cell.
    hands.key("bracketleft")
    hands.point((5, 0))
    viewer.xdotool("mousedown", 1)
    hands.point((10, 12))
    viewer.xdotool("mouseup", 1)
    painted |= stroke_region((5, 0), (10, 12), 0, 11, 13)
    hands.wait_for_cells(painted)

    # The right button erases, and so does Shift with the left one; the wheel widens the brush.
    hands.point((2, 3))
    viewer.xdotool("click", 3)
    painted[2, 3] = False
    hands.wait_for_cells(painted)
    viewer.xdotool("keydown", "shift")
    viewer.xdotool("click", 4)
    viewer.xdotool("click", 1)
    viewer.xdotool("keyup", "shift")
    painted &= ~disc_region((2, 3), 1, 11, 13)
    hands.wait_for_cells(painted)

    # A button that is released outside of the window ends the stroke.
    hands.key("bracketleft")
    hands.point((0, 12))
    viewer.xdotool("mousedown", 1)
    viewer.xdotool("mousemove", 990, 690)
    viewer.xdotool("mouseup", 1)
    hands.point((0, 5))
    viewer.wait_until(lambda: (hands.cells()[0, 12] == WHITE).all(), 60)
    time.sleep(0.3)
    seen = (hands.cells() == WHITE).all(axis=2)
    assert seen[0, 12]
    assert not seen[0, :12].any()

    # Time: single steps change cells, reset brings the blank page back.
    hands.key("n")
    viewer.wait_until(lambda: (hands.cells()[..., 0] != 255 * painted).any(), 60)
    hands.key("r")
    hands.wait_for_cells(blank)

    # A picture on disk.
    hands.key("F2")
    viewer.wait_until(lambda: list(tmp_path.glob("nca-viewer-*-step000000.png")), 60)

    # Help covers, Esc closes it and never quits.
    before = viewer.screen()
    hands.key("h")
    viewer.wait_until(lambda: (viewer.screen() != before).any(axis=2).mean() > 0.2, 60)
    hands.key("Escape", "Escape")
    hands.wait_for_cells(blank)

    hands.key("ctrl+q")
    assert viewer.end() == (0, "", "")


def test_fullscreen_there_and_back_and_an_interrupt_ends_it(hands):
    viewer = hands.viewer
    hands.key("F11")
    full = Geometry.fit((1000, 700), (11, 13), bar_visible=True)
    left, top, width, height = full.grid_rectangle

    def fills():
        screen = viewer.screen()
        return (screen[top : top + height, left : left + width] == 0).mean() > 0.9 and screen[699, 999].any()

    viewer.wait_until(fills, 60)
    hands.viewer.xdotool("mousemove", *full.cell_centre((5, 6)))
    viewer.xdotool("click", 1)
    x, y = full.cell_centre((5, 6))
    viewer.wait_until(lambda: tuple(viewer.screen()[y + 5, x + 5]) == WHITE, 60)
    hands.key("Escape")
    viewer.wait_until(lambda: not fills(), 60)
    # A signal ends it as cleanly as a key; SIGTERM has a test beside other faults.
    viewer.process.send_signal(signal.SIGINT)
    assert viewer.end() == (0, "", "")


def test_a_screenshot_without_a_folder_is_told_in_the_window(hands, tmp_path):
    screen = hands.viewer.screen
    tmp_path.rename(tmp_path.parent / f"{tmp_path.name}-moved")
    hands.key("F2")
    hands.viewer.wait_until(lambda: (screen() == ERROR).all(axis=2).sum() > 50, 60)
    hands.key("ctrl+q")
    assert hands.viewer.end() == (0, "", "")


@pytest.mark.parametrize("how", ["signal", "key"])
def test_it_can_be_closed_while_it_compiles(open_viewer, small_checkpoint, how):
    viewer = open_viewer("--ckpt", small_checkpoint, "--no-compile-cache")
    viewer.wait_for_window()
    if how == "signal":
        viewer.process.send_signal(signal.SIGTERM)
    else:
        viewer.xdotool("mousemove", 300, 300, "key", "ctrl+q")
    assert viewer.end() == (0, "", "")


def test_a_failure_while_loading_closes_the_window_with_one_line(open_viewer, small_checkpoint, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(small_checkpoint, copy)
    victim = max((path for path in copy.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    victim.write_bytes(victim.read_bytes()[:-7])
    code, out, err = open_viewer("--ckpt", copy).end()
    assert (code, out) == (2, "")
    assert err.startswith("nca-viewer: error: ")
    assert err.count("\n") == 1
