"""How long to wait before another try, and when to give up. A pure function; times are passed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackoffRules:
    """When to try again.

    Attributes:
        most_failures: So many within the window end the trying.
        window_seconds: Failures older than this are forgiven.
        first_delay_seconds: Before the second try in a row; the first follows at once.
        longest_delay_seconds: The delay doubles with every failure in a row up to this.
        settled_seconds: A failure after so long a life is not in a row with those before.
        longest_try_seconds: How long a try may last that fails in starting.
    """

    most_failures: int = 8
    window_seconds: float = 1800.0
    first_delay_seconds: float = 1.0
    longest_delay_seconds: float = 60.0
    settled_seconds: float = 60.0
    longest_try_seconds: float = 150.0

    def __post_init__(self) -> None:
        """Refuse rules that could never trip: the first failure would be forgiven before the last came."""
        slowest = self.most_failures * (self.longest_try_seconds + self.longest_delay_seconds)
        if slowest > self.window_seconds:
            raise ValueError(
                f"{self.most_failures} failures may take {slowest:.0f} s, more than the window of "
                f"{self.window_seconds:.0f} s: this would go on for ever"
            )


@dataclass(frozen=True, slots=True)
class Backoff:
    """When it failed lately, and how often in a row."""

    failures_seconds: tuple[float, ...] = ()
    in_a_row: int = 0


def after_failure(
    backoff: Backoff, now_seconds: float, lived_seconds: float, rules: BackoffRules
) -> tuple[Backoff, float | None]:
    """Count a failure.

    Args:
        backoff: The failures before.
        now_seconds: The time, from any zero, never going back.
        lived_seconds: How long it lived before it failed; 0 where it never did.
        rules: When to try again.

    Returns:
        The failures to pass in next time, and how many seconds to wait; None to give up.
    """
    lately = [time for time in backoff.failures_seconds if now_seconds - time < rules.window_seconds]
    failures = (*lately, now_seconds)
    in_a_row = 1 if lived_seconds >= rules.settled_seconds else backoff.in_a_row + 1
    backoff = Backoff(failures, in_a_row)
    if len(failures) >= rules.most_failures:
        return backoff, None
    if in_a_row == 1:
        return backoff, 0.0
    return backoff, min(rules.first_delay_seconds * 2.0 ** (in_a_row - 2), rules.longest_delay_seconds)
