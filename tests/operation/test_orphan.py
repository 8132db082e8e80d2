"""A viewer whose supervisor has died."""

import threading

from nca_viewer.operation.orphan import SUPERVISOR_VARIABLE, end_with_supervisor, supervisor_process


def test_without_a_supervisor_nobody_looks():
    assert end_with_supervisor(lambda: None, environment={}) is None
    assert supervisor_process({SUPERVISOR_VARIABLE: "none"}) is None


def test_it_ends_when_its_supervisor_has_died_and_not_before():
    ended, gone = threading.Event(), threading.Event()
    parents = [7]
    thread = end_with_supervisor(
        ended.set,
        environment={SUPERVISOR_VARIABLE: "7"},
        parent=lambda: parents[0],
        end_at_once=gone.set,
        look_seconds=0.01,
        grace_seconds=0.05,
    )
    assert thread is not None
    assert not ended.wait(0.1)
    parents[0] = 1
    assert ended.wait(5)
    # One that hangs is not waited for.
    assert gone.wait(5)
    thread.join(5)
