"""Makes the bundled demos: `python -m nca_viewer.recording.tour FOLDER`.

Each is played once with the bundled `model` while it is recorded, at the tempo at which a window shows it.
What a caption says is checked against the cells at that moment; where it is not so, making it ends there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nca_viewer.errors import UserError
from nca_viewer.interaction.actions import Cell, ShowView, Tool
from nca_viewer.interaction.strokes import disc_region
from nca_viewer.pacing import VISIBLE_TEMPO
from nca_viewer.recording.lines import Caption, Inspect
from nca_viewer.recording.recorder import Recorder, RecordFile
from nca_viewer.start_images import StartImages

if TYPE_CHECKING:
    from nca_viewer.simulation import Simulation

CHECKPOINT = "model"


class Performance:
    """A demo while it is played and recorded: what the script of one says and does."""

    def __init__(
        self, simulation: Simulation, recorder: Recorder, start_images: StartImages, silent_steps: int
    ) -> None:
        """Begin.

        Args:
            simulation: At the start of its first episode.
            recorder: Attached to it.
            start_images: For further ones.
            silent_steps: Of the automaton, for the tempo.
        """
        self.simulation = simulation
        self._recorder = recorder
        self._start_images = start_images
        self._silent_steps = silent_steps
        self._hand_step = 0
        self._seconds = self._due_seconds = 0.0

    def wait(self, seconds: float) -> None:
        """Let the cells live for a while."""
        self._due_seconds += seconds
        steps = 0
        while True:
            step = self.simulation.step + steps
            rate = VISIBLE_TEMPO.steps_per_second(step, self._hand_step, self._silent_steps)
            if self._seconds + 1.0 / rate > self._due_seconds:
                break
            self._seconds += 1.0 / rate
            steps += 1
        self.simulation.advance(steps)

    def say(self, text: str, seconds: float, is_so: bool = True) -> None:
        """Show a caption while time passes."""
        self.require(is_so, text)
        self.announce(text, seconds)
        self.wait(seconds)

    def announce(self, text: str, seconds: float) -> None:
        """Show a caption for a while, which is yet to pass."""
        self._recorder.cue(Caption(text, seconds))

    def require(self, is_so: bool, what: str) -> None:
        """Check that something is so; raises RuntimeError."""
        if not is_so:
            raise RuntimeError(f"not so at step {self.simulation.step}, {self._seconds:.1f} s: {what}")

    def show(self, view: str) -> None:
        """Turn to another view."""
        self._recorder.cue(ShowView(view))

    def inspect(self, cell: Cell | None) -> None:
        """Look at one cell, or away."""
        self._recorder.cue(Inspect(cell))

    def touch(self, tool: Tool, region: np.ndarray) -> None:
        """Let a tool act on some cells, bool[H, W]."""
        self.simulation.apply(tool, region)
        self._hand_step = self.simulation.step

    def begin_again(self) -> None:
        """Reset."""
        self.simulation.reset()
        self._hand_step = 0

    def begin_digit(self, digit: int) -> None:
        """Begin with a new digit."""
        self.simulation.begin(self._start_images.digit(digit, self.simulation.episode + 1), 0.5)
        self._hand_step = 0

    def disc(self, centre: Cell, radius_cells: int) -> np.ndarray:
        """The cells of a disc: bool[H, W]."""
        return disc_region(centre, radius_cells, self.simulation.config.height, self.simulation.config.width)

    def image(self) -> np.ndarray:
        """float64[H, W], brightness of the cells now."""
        return self.simulation.request_snapshot().result().image[..., 0] / 255.0

    def error(self, region: np.ndarray | None = None) -> float:
        """Root mean square difference from the clean picture, in a region or everywhere."""
        clean = self.simulation.request_snapshot().result().clean
        assert clean is not None
        difference = self.image() - clean[..., 0] / 255.0
        return float(np.sqrt(np.mean(difference[... if region is None else region] ** 2)))

    def state(self) -> np.ndarray:
        """float32[H, W, channel_size] now."""
        return self.simulation.request_snapshot().result().state

    def is_at_rest(self) -> bool:
        """Whether some twenty steps more would change nothing to speak of; leaves all as it is."""
        before = self.state()
        moment, listeners = self.simulation.moment(), self.simulation.listeners
        self.simulation.listeners = []
        self.simulation.advance(20)
        change = float(np.abs(self.state() - before).max())
        self.simulation.restore(moment)
        self.simulation.listeners = listeners
        return change < 0.02


def what_one_cell_sees(play: Performance) -> None:
    """The neighbourhood, the channels, and one cell that is erased."""
    cell = (7, 10)
    play.say("A page of 28 by 28 cells. Half of the pixels of this digit were blanked.", 6.0)
    play.say("Now it is whole again, and no hand drew it: the cells did.", 5.0, play.error() < 0.06)
    play.inspect(cell)
    play.say("No cell sees the digit. Each sees itself and its eight neighbours, and nothing else.", 7.0)
    play.show("attention")
    play.say("Attention: how much a cell listens to each of these nine.", 7.0)
    config = play.simulation.config
    play.show("channels")
    is_so = (config.channel_size, config.visible_channel_size) == (32, 1)
    play.say(
        "A cell is 32 numbers. One is its brightness; 31 are notes that the picture does not show.",
        8.0,
        is_so,
    )
    play.show("image")
    play.say("All is at rest. Next, this one cell will lose everything.", 5.0, play.is_at_rest())
    before = play.image()
    play.require(before[cell] > 0.8, "the cell is ink")
    play.touch(Tool.ERASE, play.disc(cell, 0))
    text = "Erased: all of its numbers are 0. Its neighbours had noted what it was, and tell it."
    play.say(text, 6.0, not play.state()[cell].any())
    is_back = bool(np.abs(play.image() - before).max() < 0.05)
    play.say("It is back, and the picture is as it was.", 6.0, is_back)
    play.inspect(None)
    play.say(
        "Nothing here looks at the whole page: only nine cells at a time, at every cell, in every step.", 8.0
    )


def wound_and_memory(play: Performance) -> None:
    """A disc that is erased, the same scrambled, and one that is too large to heal."""
    play.say("A digit comes from half of its pixels. It takes about four seconds.", 4.7)
    play.show("channels")
    text = (
        "The picture is done, but the cells are not: each notes four neighbours to either side on a diagonal."
    )
    play.say(text, 6.0, play.error() < 0.06 and not play.is_at_rest())
    play.show("image")
    text = "Now they rest. A disc nine cells wide will be erased: the cells in it lose all they know."
    play.say(text, 6.0, play.is_at_rest())
    before = play.image()
    disc = play.disc((14, 14), 4)
    play.touch(Tool.ERASE, disc)
    harm = _difference(play.image(), before)
    play.require(not play.state()[disc].any(), "the disc is erased")
    play.announce("Those around it noted what was there, and give it back from the rim inwards.", 5.0)
    play.wait(2.0)
    rim, core = disc & ~play.disc((14, 14), 3), play.disc((14, 14), 1)
    errors = (_difference(play.image(), before, rim), _difference(play.image(), before, core))
    play.require(errors[0] < 0.5 * errors[1], "the rim comes first")
    play.wait(3.0)
    play.say("Closed: the picture is as it was.", 3.0, _difference(play.image(), before) < 0.05 * harm)
    play.say("Next the same disc is scrambled: noise in the picture, and in the notes.", 5.0)
    play.touch(Tool.CORRUPT, disc)
    play.say("No intact cell holds such numbers: those can tell, and take back what was there.", 6.0)
    play.say("Closed again.", 2.5, _difference(play.image(), before) < 0.1 * harm)
    large = play.disc((14, 14), 8)
    play.show("difference")
    play.touch(Tool.ERASE, large)
    play.say("A wound of 17 cells is too wide: its middle lies beyond what any cell noted.", 9.0)
    rim, core = large & ~play.disc((14, 14), 6), play.disc((14, 14), 4)
    errors = (_difference(play.image(), before, rim), _difference(play.image(), before, core))
    play.say(
        "The rim came back. The middle is a guess.", 5.0, errors[0] < 0.5 * errors[1] and errors[1] > 0.2
    )
    play.show("image")
    play.say("Memory here is a thing of neighbours: as far as it reaches, wounds close.", 6.0)


def wiped_page(play: Performance) -> None:
    """Half a page, and a whole one, that are wiped."""
    height, width = play.simulation.config.height, play.simulation.config.width
    play.say("A digit forms.", 6.0)
    play.say(
        "The cells keep it as notes about their neighbours. There is no other copy.", 5.0, play.error() < 0.06
    )
    whole = play.image()
    columns = np.broadcast_to(np.arange(width), (height, width))
    half, seam, far = columns >= 14, (columns >= 14) & (columns < 17), columns >= 20
    for column in range(14, width, 4):
        play.touch(Tool.ERASE, (columns >= 14) & (columns < column + 4))
        play.wait(0.13)
    play.touch(Tool.ERASE, half)
    empty = _difference(play.image(), whole, seam)
    play.say("Half of the page is wiped.", 2.5, not play.image()[half].any())
    play.say("Cells at the edge noted a few cells beyond it, so a seam comes back.", 5.0)
    is_so = _difference(play.image(), whole, seam) < 0.7 * empty
    play.say("Further away nobody knows anything. The far side stays lost, or is a guess.", 5.0, is_so)
    play.require(_difference(play.image(), whole, far) > 0.1, "the far side is lost")
    play.begin_again()
    play.say("Back to the start: the same half of the pixels, the same steps.", 6.0)
    play.say("And the same digit, to the last number.", 3.0, play.error() < 0.06)
    for column in range(0, width, 7):
        play.touch(Tool.ERASE, columns < column + 7)
        play.wait(0.13)
    play.touch(Tool.ERASE, columns >= 0)
    play.say("Now all of it is wiped. Every number of every cell is 0.", 5.0, not play.state().any())
    play.say(
        "No cell knows anything, and none has a neighbour that does.", 5.0, bool(play.image().max() < 0.05)
    )
    text = "Some hundred steps later it is as blank as before. What all have forgotten does not come back."
    play.say(text, 6.0, bool(play.image().max() < 0.05))
    play.begin_digit(7)
    play.say("Only new pixels help. Half of a digit is enough.", 6.0)
    play.say("There it is.", 4.0, play.error() < 0.06)


def _difference(image: np.ndarray, other: np.ndarray, region: np.ndarray | None = None) -> float:
    """Root mean square difference of two pictures, in a region or everywhere."""
    return float(np.sqrt(np.mean((image - other)[... if region is None else region] ** 2)))


SCRIPTS: Mapping[str, tuple[str, Callable[[Performance], None], int, int]] = {
    "1-what-one-cell-sees": ("What one cell sees", what_one_cell_sees, 4, 3),
    "2-wound-and-memory": ("Wound and memory", wound_and_memory, 4, 5),
    "3-wiped-page": ("Why a wiped page does not come back", wiped_page, 4, 3),
}
"""By the name of the file: title, script, seed and digit."""


def make_demos(folder: Path) -> None:
    """Write all demos into a folder.

    Raises:
        UserError: the checkpoint cannot be read, or a file not written.
        RuntimeError: what a caption says is not so.
    """
    from nca_viewer.backend import environment
    from nca_viewer.checkpoint import load_checkpoint
    from nca_viewer.simulation import Simulation

    model, info = load_checkpoint(CHECKPOINT)
    simulation = Simulation(model, seed=0)
    for name, (title, script, seed, digit) in SCRIPTS.items():
        start_images = StartImages(simulation.config, seed)
        simulation.seed, simulation.episode = seed, 0
        simulation.begin(start_images.digit(digit, 1), 0.5)
        recorder = Recorder(
            RecordFile(folder / f"{name}.jsonl"),
            simulation,
            checkpoint=CHECKPOINT,
            checkpoint_sha256=info.sha256,
            environment=environment(),
            title=title,
        )
        script(Performance(simulation, recorder, start_images, info.silent_steps()))
        recorder.close()


if __name__ == "__main__":
    try:
        make_demos(Path(sys.argv[1]))
    except UserError as error:
        sys.exit(str(error))
