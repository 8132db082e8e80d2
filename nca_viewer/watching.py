"""Watching a training run: each new checkpoint is loaded in the background, for between two frames."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nca_viewer.checkpoint import MANIFEST_NAME, CheckpointInfo, complete_checkpoints, load_checkpoint
from nca_viewer.config import ModelConfig, different_values
from nca_viewer.errors import CheckpointError, UserError, one_line, unexpected_message

if TYPE_CHECKING:
    from nca_viewer.automaton.system import AttentionNCA

POLL_SECONDS = 1.0
_WAITING_SECONDS = 0.05


@dataclass(frozen=True, eq=False, slots=True)
class Swap:
    """A new checkpoint, loaded and checked; for `Simulation.swap_parameters`.

    Attributes:
        model: The automaton.
        info: What the checkpoint says about itself.
        text: What a person is told, see `progress_text`.
    """

    model: AttentionNCA
    info: CheckpointInfo
    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """What cannot be shown, and why, in one line; watching goes on."""

    text: str


_Identity = tuple[str, int, int, int]


class Watcher:
    """Looks at a run's folder every second in a thread of its own; the folder need not exist yet.

    Each checkpoint is handed over once, and again where another takes its place; of several new ones the
    newest. One that is broken is refused once. A run that is gone is told once, and shown when it is back.

    Attributes:
        folder: What is watched.
        info: Of the checkpoint that `poll` gave last; None before.
    """

    def __init__(self, folder: Path, *, poll_seconds: float = POLL_SECONDS) -> None:
        """Begin to watch.

        Args:
            folder: A training run's directory, or one checkpoint that is replaced now and then.
            poll_seconds: How often to look.
        """
        self.folder = folder
        self.info: CheckpointInfo | None = None
        self._poll_seconds = poll_seconds
        self._config: ModelConfig | None = None
        self._current: _Identity | None = None
        self._refused: set[_Identity] = set()
        self._is_there = False
        self._trouble = ""
        self._found: queue.SimpleQueue[Swap | Refusal] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._thread.start()

    def poll(self) -> Swap | Refusal | None:
        """What there is since the last call, one at a time; never waits."""
        try:
            found = self._found.get_nowait()
        except queue.Empty:
            return None
        if isinstance(found, Swap):
            self.info = found.info
        return found

    def first(self, report: Callable[[str], None]) -> Swap:
        """Wait for the first checkpoint that can be shown; for the thread that loads.

        Args:
            report: Is told what is waited for, and what is refused meanwhile.
        """
        report(f"waiting for the first checkpoint of {one_line(str(self.folder))}")
        while True:
            found = self.poll()
            if isinstance(found, Swap):
                return found
            if found is not None:
                report(found.text)
            time.sleep(_WAITING_SECONDS)

    def close(self) -> None:
        """Look no more."""
        self._closing.set()
        self._thread.join(10.0)

    # ---- in the background ----

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._look()
                self._trouble = ""
            except Exception as error:  # Whatever it was, the next look may succeed.
                reason = error.strerror if isinstance(error, OSError) and error.strerror else ""
                text = f"cannot look into {self._name}: {reason}" if reason else unexpected_message(error)
                if text != self._trouble:
                    self._trouble = text
                    self._refuse(f"{text}; watching goes on")
            self._closing.wait(self._poll_seconds)

    @property
    def _name(self) -> str:
        return repr(str(self.folder))

    def _refuse(self, text: str) -> None:
        self._found.put(Refusal(one_line(text)))

    def _look(self) -> None:
        is_any = False
        for path in complete_checkpoints(self.folder.expanduser().resolve()):
            identity = _identity(path)
            if identity is None:
                continue  # It is being replaced.
            is_any = True
            if identity == self._current:
                break
            if identity in self._refused:
                # An older one is better than none, and worse than what runs.
                if self._current is None:
                    continue
                break
            if self._load(path, identity):
                break
        was_any, self._is_there = self._is_there, is_any
        if was_any and not is_any and self._config is not None:
            self._current = None
            self._refuse(f"the run {self._name} is gone; what it taught goes on, and so does watching")

    def _load(self, path: Path, identity: _Identity) -> bool:
        """Hand a checkpoint over, or refuse it; whether to look no further."""
        try:
            model, info = load_checkpoint(path)
            if self._config is not None and info.config != self._config:
                raise CheckpointError(
                    f"{path} is another automaton ({different_values(self._config, info.config)}); "
                    "start the viewer again to see it"
                )
        except UserError as error:
            if _identity(path) != identity:
                return True  # It was replaced or deleted meanwhile; the next look finds what there is.
            self._refused.add(identity)
            self._refuse(str(error))
            return self._current is not None
        self._config, self._current = info.config, identity
        self._found.put(Swap(model, info, progress_text(info)))
        return True


def _identity(path: Path) -> _Identity | None:
    """What tells a checkpoint from one that takes its place; None where there is none any more."""
    try:
        status = (path / MANIFEST_NAME).stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return str(path), status.st_ino, status.st_mtime_ns, status.st_size


def progress_text(info: CheckpointInfo) -> str:
    """How far its training was, as "update 4,200, 23.1 dB"; the checkpoint's name where it does not say."""
    provenance: dict[str, Any] = info.provenance
    step = provenance.get("step")
    is_step = isinstance(step, int) and not isinstance(step, bool)
    parts = [f"update {step:,}" if is_step else one_line(info.path.name)]
    psnr = _psnr(provenance)
    if psnr is not None:
        parts.append(f"{psnr:.1f} dB")
    return ", ".join(parts)


def _psnr(provenance: dict[str, Any]) -> float | None:
    """The measured PSNR in decibels that the run selects its best checkpoint by, else the first there is."""
    metrics, settings = provenance.get("metrics"), provenance.get("train_config")
    if not isinstance(metrics, dict):
        return None
    names = [name for name in metrics if name == "psnr" or name.startswith("psnr_")]
    if isinstance(settings, dict):
        names.insert(0, f"psnr_{settings.get('selection_steps')}")
    for name in names:
        value = metrics.get(name)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    return None
