"""How a run shows its progress: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm


class Progress:
    """Reports the updates of a run: on stderr how far it is, on stdout what will be worth reading later."""

    def __init__(self, total: int, step: int, *, enabled: bool, line_interval: int):
        """Begin.

        Args:
            total: Updates that the run is to make.
            step: Updates made.
            enabled: Whether to say how far the run is.
            line_interval: Updates between two lines where stderr is no terminal.
        """
        self._total, self._line_interval = total, line_interval
        self._enabled = enabled
        self._is_terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=total,
            initial=step,
            disable=not (enabled and self._is_terminal),
            unit="update",
            smoothing=0.05,
        )
        self._last = (step, time.monotonic())

    def advance(self, step: int, loss: float) -> None:
        """Updates were made up to this one; `loss` is the mean of the last ones."""
        self._bar.set_postfix_str(f"loss {loss:.5f}", refresh=False)
        self._bar.update(step - self._bar.n)
        if self._enabled and not self._is_terminal and step % self._line_interval == 0:
            before, then = self._last
            self._last = step, time.monotonic()
            seconds = (self._last[1] - then) / max(1, step - before)
            print(
                f"update {step} of {self._total}: loss {loss:.5f}, {seconds:.2f} s each",
                file=sys.stderr,
                flush=True,
            )

    def note(self, text: str) -> None:
        """Say on the bar what keeps it waiting."""
        self._bar.set_postfix_str(text)

    def write(self, line: str) -> None:
        """A line to keep, above the bar."""
        self._bar.write(line)
        sys.stdout.flush()

    def rewind(self, step: int) -> None:
        """The run goes on from an earlier update."""
        self._bar.n = step
        self._last = step, time.monotonic()

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
