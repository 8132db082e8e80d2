"""The heartbeat: what proves life, and what does not."""

import socket

import pytest

from nca_viewer.kiosk.operation.heartbeat import BEAT_SECONDS, Heartbeat, Notifier
from tests.faults import Ears

needs_unix_sockets = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")


@needs_unix_sockets
@pytest.mark.parametrize("is_abstract", [False, True])
def test_datagrams_as_systemd_reads_them(tmp_path, is_abstract):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        if is_abstract:
            address = f"@nca-viewer-test-{tmp_path}"
            try:
                ear.bind("\0" + address[1:])
            except OSError:
                pytest.skip("no abstract sockets here")
        else:
            address = str(tmp_path / "ear")
            ear.bind(address)
        notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
        assert notifier.is_heard
        assert notifier.send(READY=1, STATUS="two\nlines")
        assert ear.recv(1000) == b"READY=1\nSTATUS=two lines"
        notifier.close()


@needs_unix_sockets
def test_a_listener_that_is_gone_or_never_reads_holds_up_nobody(tmp_path):
    alone = Notifier(str(tmp_path / "nobody"))
    assert not alone.send(WATCHDOG=1)
    alone.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "ear"))
        notifier = Notifier(str(tmp_path / "ear"))
        sent = [notifier.send(WATCHDOG=1) for _ in range(5000)]
        assert sent[0]
        assert not sent[-1]
        notifier.close()


def test_nobody_listens():
    notifier = Notifier.from_environment({})
    assert not notifier.is_heard
    assert not notifier.send(WATCHDOG=1)


@pytest.fixture
def beats():
    ears = Ears()
    heartbeat = Heartbeat(ears)

    def present(seconds, moment, is_running=True):
        ears.heard.clear()
        heartbeat.presented(seconds, moment, is_running=is_running, status="fine")
        return [sorted(fields) for fields in ears.heard]

    return present


def test_only_frames_with_a_new_step_are_beats(beats):
    assert beats(0.0, (1, 1)) == [["READY", "STATUS", "WATCHDOG"]]
    assert beats(1.0, (1, 2)) == [["STATUS", "WATCHDOG"]]
    assert beats(2.0, (1, 2)) == []
    assert beats(3.0, (1, 2)) == []
    assert beats(4.0, (2, 2)) == [["STATUS", "WATCHDOG"]]


def test_a_deliberate_rest_is_life(beats):
    assert beats(0.0, (1, 1), is_running=False)
    assert beats(1.0, (1, 1), is_running=False)
    assert not beats(2.0, (1, 1))


def test_beats_are_not_sent_more_often_than_needed(beats):
    assert beats(0.0, (1, 1))
    assert not beats(BEAT_SECONDS / 2, (1, 2))
    assert beats(BEAT_SECONDS, (1, 3))
    assert beats(0.0, (1, 4)), "a clock that went back must not silence it"
