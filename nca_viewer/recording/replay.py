"""Repeats a record: the same actions at exactly the same steps, at any speed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nca_viewer.automaton.experiments import Experiments, from_json
from nca_viewer.errors import CheckpointError, ConfigError, shown_path
from nca_viewer.interaction.actions import ShowView
from nca_viewer.moment import digest
from nca_viewer.recording.lines import (
    Begin,
    Caption,
    Check,
    Cue,
    Edit,
    End,
    Experiment,
    Happening,
    Inspect,
    Line,
    Position,
    Restore,
    ToStart,
    require_fits,
)
from nca_viewer.recording.reader import Record, read_record

if TYPE_CHECKING:
    from nca_viewer.simulation import Simulation


MAX_LINES_AT_ONCE = 1000
"""So many are followed in one call, so that a window goes on answering."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a replay first came out in another state than the record.

    Attributes:
        line: Of the record that says what was expected.
        episode: Number of the episode.
        step: Since its start.
        expected: SHA-256 of the state that was recorded.
        found: SHA-256 of the one that was computed.
    """

    line: int
    episode: int
    step: int
    expected: str
    found: str

    def __str__(self) -> str:
        """In one line."""
        return (
            f"the replay differs from its record in episode {self.episode} at step {self.step}: "
            f"expected {self.expected[:12]}..., found {self.found[:12]}... (line {self.line})"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """What a call of `Replay.advance` did besides steps.

    Attributes:
        cues: What the window should do, in order.
        touched: bool[H, W], the cells that the record's hands touched; None where they touched none.
    """

    cues: tuple[Cue, ...] = ()
    touched: np.ndarray | None = None


class Replay:
    """Drives one simulation along a record; reads the record as it goes.

    Attributes:
        record: What is repeated.
        difference: The first, once there is one; the replay goes on.
        steps: How many have been taken.
        checks: How many states have been compared.
        is_over: Whether all of it has been repeated, or somebody has taken over.
        caption: The last, or nothing.
        captions: How many there were.
    """

    def __init__(
        self,
        record: Record,
        simulation: Simulation,
        *,
        checkpoint_sha256: str | None,
    ) -> None:
        """Put the simulation where the record begins.

        Args:
            record: What to repeat.
            simulation: Of the same checkpoint.
            checkpoint_sha256: Of that one; None where it is in no file.

        Raises:
            ConfigError: the record is of another grid or checkpoint, or has experiments that mean nothing for
                this automaton.
        """
        header = record.header
        try:
            require_fits(header, simulation.config, checkpoint_sha256)
        except ConfigError as error:
            raise ConfigError(f"the record {shown_path(record.path)} does not fit: {error}") from None
        for line in record.experiments:
            try:
                assert isinstance(line.what, Experiment)
                from_json(line.what.values, simulation.config)
            except ConfigError as error:
                where = f"the record {shown_path(record.path)}, line {line.number}"
                raise ConfigError(f"{where}: {error}; give a file as --record wrote it") from None
        self.record = record
        self.difference: Difference | None = None
        self.steps = 0
        self.checks = 0
        self.is_over = False
        self.caption, self.captions = "", 0
        self._simulation = simulation
        self._lines = record.lines()
        self._next: Line | None = None
        self._owed: tuple[Line, str, Any] | None = None
        simulation.experiments = Experiments()
        simulation.seed, simulation.episode = header.seed, header.episode - 1
        simulation.begin(header.image, header.mask_ratio)
        self._at = Position(header.episode, 0)
        self._fetch()

    def advance(self, steps: int) -> Played:
        """Take some steps, with all that the record says of them; none after its end.

        Where the simulation is not where the replay left it, somebody has taken over: the replay is over.
        An edit by hand leaves it where it is; anyone who lets hands act sets `is_over`.

        Args:
            steps: At most so many, at least 0.

        Raises:
            BackendError: the device failed.
            ConfigError: the file is not what it was when the replay began.
        """
        simulation = self._simulation
        if self._at != Position(simulation.episode, simulation.step):
            self.is_over = True
        self._settle()
        cues: list[Cue] = []
        touched: np.ndarray | None = None
        for _ in range(MAX_LINES_AT_ONCE):
            line = self._next
            if self.is_over or line is None:
                break
            ahead = line.at.step - self._at.step
            part = min(ahead, steps)
            simulation.advance(part)
            steps -= part
            self.steps += part
            self._at = Position(self._at.episode, self._at.step + part)
            if part < ahead:
                break
            match line.what:
                case Caption() | ShowView() | Inspect() as cue:
                    cues.append(cue)
                case Edit(_, region):
                    touched = region if touched is None else touched | region
            self._follow(line)
            self._at = self._at.after(line.what)
            self._fetch()
            if isinstance(line.what, Caption):
                self.caption, self.captions = line.what.text, self.captions + 1
                break  # There is time to read before what it tells of.
        return Played(tuple(cues), touched)

    @property
    def is_due(self) -> bool:
        """Whether the record has something more to say of this very step."""
        return not self.is_over and self._next is not None and self._next.at == self._at

    @property
    def is_complete(self) -> bool:
        """Whether all of the record has been repeated."""
        return self._next is None

    def finish(self) -> None:
        """Make the comparison that is still due, which waits for the device."""
        self._settle()

    def _fetch(self) -> None:
        self._next = next(self._lines, None)
        self.is_over = self.is_over or self._next is None

    def _follow(self, line: Line) -> None:
        """Let what happened happen again."""
        simulation = self._simulation
        what: Happening = line.what
        match what:
            case Edit(tool, region, ink):
                simulation.apply(tool, region, ink)
            case Begin(episode, image, mask_ratio):
                simulation.episode = episode - 1
                simulation.begin(image, mask_ratio)
            case ToStart():
                simulation.reset()
            case Restore(moment):
                simulation.restore(moment)
            case Experiment(values):
                simulation.experiments = from_json(values, simulation.config)
            case Check(sha256) | End(sha256):
                self._settle()
                if sha256 is not None:
                    # Compared in the next call: by then the device has computed it, and nothing waits.
                    self._owed = line, sha256, simulation.moment().state

    def _settle(self) -> None:
        owed, self._owed = self._owed, None
        if owed is None:
            return
        line, expected, state = owed
        found = digest(state)
        self.checks += 1
        if found != expected and self.difference is None:
            self.difference = Difference(line.number, line.at.episode, line.at.step, expected, found)


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a replay without a window.

    Attributes:
        steps: How many were taken.
        checks: How many states were compared.
        difference: The first, or None.
        changes: What computes it now and did not then, as "jax 0.12.0 (recorded with 0.10.1)".
        note: What there is to tell of the record's end, or nothing.
    """

    steps: int
    checks: int
    difference: Difference | None
    changes: tuple[str, ...]
    note: str

    def __str__(self) -> str:
        """In one line."""
        parts = [
            str(self.difference)
            if self.difference
            else f"{self.steps} steps repeated, {self.checks} states compared, all the same"
        ]
        if self.difference and self.changes:
            parts.append(f"states are the same only where they are computed alike: {', '.join(self.changes)}")
        if self.note:
            parts.append(self.note)
        return "; ".join(parts)


def changes_since(recorded: Mapping[str, str], here: Mapping[str, str]) -> tuple[str, ...]:
    """What computes states here and is not what was recorded, for a message."""
    return tuple(
        f"{name} {here.get(name, 'unknown')} (recorded with {recorded.get(name, 'unknown')})"
        for name in sorted({*recorded, *here})
        if recorded.get(name) != here.get(name)
    )


def replay_headless(path: Path, checkpoint: str | Path | None) -> Report:
    """Repeat a record without a window, as fast as it goes.

    Args:
        path: Of the record.
        checkpoint: As `--ckpt` takes it; None is the one that the record names.

    Raises:
        UserError: the record or the checkpoint cannot be read, or they do not belong together.
    """
    record = read_record(path)
    from nca_viewer.backend import environment
    from nca_viewer.checkpoint import load_checkpoint
    from nca_viewer.simulation import Simulation

    try:
        model, info = load_checkpoint(record.header.checkpoint if checkpoint is None else checkpoint)
    except CheckpointError as error:
        if checkpoint is not None:
            raise
        raise CheckpointError(f"{error}; tell with --ckpt where the record's checkpoint is") from error
    simulation = Simulation(model, seed=record.header.seed)
    return run_replay(Replay(record, simulation, checkpoint_sha256=info.sha256), environment())


def run_replay(replay: Replay, environment: Mapping[str, str]) -> Report:
    """Repeat all of a record, as fast as it goes.

    Args:
        replay: Before its first step.
        environment: What computes it, see `backend.environment`.
    """
    total = replay.record.steps
    while not replay.is_over and (replay.steps < total or replay.is_due):
        replay.advance(total - replay.steps)
    replay.finish()
    return Report(
        steps=replay.steps,
        checks=replay.checks,
        difference=replay.difference,
        changes=changes_since(replay.record.header.environment, environment),
        note=replay.record.note,
    )
