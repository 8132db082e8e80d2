"""Writes a record: hears of everything that reaches the cells, whatever it comes from."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nca_viewer.atomic_files import mode_at, output_error
from nca_viewer.automaton.experiments import as_json
from nca_viewer.errors import OutputError, presentable
from nca_viewer.interaction.actions import Tool
from nca_viewer.moment import MAX_STEP, Start, digest
from nca_viewer.recording.lines import (
    CHECK_STEPS,
    MAX_TEXT_LETTERS,
    Begin,
    Check,
    Cue,
    Edit,
    End,
    Experiment,
    Happening,
    Header,
    Position,
    Restore,
    ToStart,
    encode,
    encode_header,
    seal,
)

if TYPE_CHECKING:
    from nca_viewer.simulation import Simulation


class RecordFile:
    """A file that a record is written to, every line at once: a program that is killed leaves what it did."""

    def __init__(self, path: Path) -> None:
        """Open it, before anything is known of the run.

        Raises:
            OutputError: it cannot be written, or there is something already.
        """
        self.path = path
        try:
            mode = mode_at(path)
            if stat.S_ISREG(mode) and path.stat().st_size:
                raise OutputError(
                    f"cannot record to {str(path)!r}: there is a file already; choose another name "
                    "or remove it"
                )
            if mode and not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
                code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
                raise OSError(code, os.strerror(code))
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise output_error(path, error) from error

    def write(self, line: bytes) -> None:
        """Write one whole line.

        Raises:
            OSError: it could not be written; no part of it stays.
        """
        start, written = self._file.tell() if self._file.seekable() else 0, 0
        try:
            while written < len(line):
                written += self._file.write(line[written:])
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(start)
            raise

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


class Recorder:
    """Records one simulation, from the moment at which it is attached.

    Where the file cannot be written any more, recording ends and the run goes on; `trouble` tells why.

    Attributes:
        trouble: Why recording has ended before its time, or nothing.
    """

    def __init__(
        self,
        file: RecordFile,
        simulation: Simulation,
        *,
        checkpoint: str,
        checkpoint_sha256: str,
        environment: Mapping[str, str],
        title: str = "",
    ) -> None:
        """Attach it, and write where the run stands.

        Args:
            file: Where to; is closed by `close`.
            simulation: What is recorded.
            checkpoint: Name of its checkpoint.
            checkpoint_sha256: Digest of the checkpoint's manifest.
            environment: What computes it, see `backend.environment`.
            title: What a demo is called.
        """
        self.trouble = ""
        self._file: RecordFile | None = file
        self._simulation = simulation
        self._checksum = 0
        self._has_header = False
        self._owed: tuple[Position, Any] | None = None
        self._experiments = as_json(None)
        moment, config = simulation.moment(), simulation.config
        header = Header(
            seed=moment.seed,
            episode=moment.episode,
            image=moment.image,
            mask_ratio=moment.mask_ratio,
            checkpoint=presentable(checkpoint)[:MAX_TEXT_LETTERS],
            checkpoint_sha256=checkpoint_sha256,
            state_shape=config.state_shape,
            visible_channel_size=config.visible_channel_size,
            environment=environment,
            title=presentable(title)[:MAX_TEXT_LETTERS],
        )
        self._put(encode_header(header))
        self._at = Position(moment.episode, 0)
        if digest(moment.state) != digest(simulation.start_state()) or moment.step:
            self._write(Restore(moment))
        self._note_experiments()
        simulation.listeners.append(self)
        simulation.stop_steps = CHECK_STEPS

    # --------------------------------------------------------------------- what reaches the cells

    def advanced(self, steps: int) -> None:
        """Steps have no line; every so often the state they led to has."""
        self._settle()
        self._at = Position(self._at.episode, self._simulation.step)
        if self._at.step % CHECK_STEPS == 0:
            # Written when something else happens: by then the device has computed it, and nothing waits.
            self._owed = self._at, self._simulation.moment().state

    def edited(self, tool: Tool, region: np.ndarray, ink: float) -> None:
        """A tool on some cells."""
        if region.any():
            self._write(Edit(tool, region, float(ink)))

    def started(self, start: Start) -> None:
        """A new episode, back to the start, or another moment."""
        moment = self._simulation.moment()
        match start:
            case Start.BEGIN:
                self._write(Begin(moment.episode, moment.image, moment.mask_ratio))
            case Start.RESET:
                self._write(ToStart())
            case Start.RESTORE:
                self._write(Restore(moment))
                self._experiments = as_json(None)  # A record's moment comes back without any.
        self._note_experiments()

    def _note_experiments(self) -> None:
        values = as_json(self._simulation.moment().experiments)
        if values != self._experiments:
            self._experiments = values
            self._write(Experiment(values))

    def cue(self, cue: Cue) -> None:
        """Something that concerns the window alone, for a demo."""
        self._write(cue)

    def close(self) -> None:
        """Write the last line; may be called again."""
        if self._file is None:
            return
        self._settle()
        try:
            sha256 = digest(self._simulation.moment().state)
        except Exception:  # The device has failed, which is told elsewhere.
            sha256 = None
        self._write(End(sha256))
        self._stop()

    # -------------------------------------------------------------------------------- the file

    def _write(self, what: Happening) -> None:
        self._settle()
        if self._file is not None:
            self._put(encode(self._at, what))
        self._at = self._at.after(what)

    def _settle(self) -> None:
        """Write the digest that is owed."""
        owed, self._owed = self._owed, None
        if owed is None or self._file is None:
            return
        try:
            sha256 = digest(owed[1])
        except Exception:  # The device has failed, which is told elsewhere.
            return
        self._put(encode(owed[0], Check(sha256)))

    def _put(self, values: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        counts = [values.get(name, 0) for name in ("episode", "step", "to_episode", "to_step")]
        if max(counts) > MAX_STEP:
            self._give_up(
                f"episodes and steps are counted to {MAX_STEP}, and one is {max(counts)}; begin anew"
            )
            return
        line, self._checksum = seal(values, self._checksum)
        try:
            self._file.write(line)
        except OSError as error:
            self._give_up(str(output_error(self._file.path, error)))
        else:
            self._has_header = True

    def _give_up(self, reason: str) -> None:
        kept = "what was recorded before can be replayed" if self._has_header else "nothing was recorded"
        self.trouble = f"recording has ended: {reason}; {kept}"
        self._stop()

    def _stop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()
        if self in self._simulation.listeners:
            self._simulation.listeners.remove(self)
            self._simulation.stop_steps = 0
