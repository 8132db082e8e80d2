"""A viewer whose supervisor has died."""

import threading

from nca_viewer.kiosk.operation.handover import Handover
from nca_viewer.kiosk.operation.parent_watch import end_with_supervisor


def test_without_a_supervisor_nobody_looks():
    assert end_with_supervisor(lambda: None, environment={}) is None


def test_a_handover_arrives_as_it_was_told():
    for told in (Handover(7, 12, "killed by SIGKILL"), Handover(), Handover(10**9)):
        assert Handover.read(told.environment()) == told


def test_a_handover_that_is_no_number_counts_as_untold():
    for wrong in ("none", "-1", "1.5", " ", "9" * 40):
        told = dict.fromkeys(Handover(1).environment(), wrong)
        assert Handover.read(told) == Handover(None, 0, wrong)


def test_it_ends_when_its_supervisor_has_died_and_not_before():
    ended, gone = threading.Event(), threading.Event()
    parents = [7]
    thread = end_with_supervisor(
        ended.set,
        environment=Handover(7).environment(),
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
