"""A viewer that has lost its supervisor ends by itself: the next supervisor starts its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping

from nca_viewer.kiosk.operation.event_log import LogEvent, log_event
from nca_viewer.kiosk.operation.handover import Handover

LOOK_SECONDS = 0.5
GRACE_SECONDS = 5.0
"""An orphan that has not ended after so long, since its device or its screen hangs, is ended at once."""


def is_orphan(supervisor: int | None, parent: int) -> bool:
    """Whether the supervisor has died; the system has then given the program another parent."""
    return supervisor is not None and parent != supervisor


def end_with_supervisor(
    end: Callable[[], None],
    *,
    environment: Mapping[str, str] = os.environ,
    parent: Callable[[], int] = os.getppid,
    end_at_once: Callable[[], None] = lambda: os._exit(0),
    look_seconds: float = LOOK_SECONDS,
    grace_seconds: float = GRACE_SECONDS,
) -> threading.Thread | None:
    """Have the program ended soon after its supervisor died.

    Args:
        end: Ends it in good order; is called in another thread.
        environment: Where the supervisor told of itself.
        parent: The process number of the program's parent.
        end_at_once: Ends it where `end` has not, after `grace_seconds`.
        look_seconds: How often the parent is looked at.
        grace_seconds: See `end_at_once`.

    Returns:
        The thread that looks; None where there is no supervisor.
    """
    supervisor = Handover.read(environment).supervisor
    if supervisor is None:
        return None

    def look() -> None:
        while not is_orphan(supervisor, parent()):
            time.sleep(look_seconds)
        log_event(LogEvent.END, f"the supervisor, process {supervisor}, has died; the viewer ends too")
        end()
        time.sleep(grace_seconds)
        end_at_once()

    thread = threading.Thread(target=look, name="orphan", daemon=True)
    thread.start()
    return thread
