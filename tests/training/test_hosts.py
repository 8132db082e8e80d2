"""Several hosts that train as one, on the loopback interface: meeting, agreeing, losing one, training."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nca_viewer.checkpoint import checkpoint_steps
from nca_viewer.errors import ConfigError, OutputError
from training import hosts
from training.apart import Apart

from .test_layout import ROOT, curve, require_same_run

PATIENCE_SECONDS = 300.0
"""Longer than anything takes, on a machine that does other things too."""


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---- Meeting ----


@pytest.mark.parametrize("address", ["", "host", "host:", ":80", "host:0", "host:65536", "host:x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address; give HOST:PORT"):
        hosts._address(address)


def test_an_address_may_be_of_ipv6() -> None:
    assert hosts._address("[::1]:80") == ("::1", 80)


def test_no_host_0_is_one_line_in_bounded_time(port: int) -> None:
    with pytest.raises(ConfigError) as caught:
        hosts._meet(f"127.0.0.1:{port}", "127.0.0.1", port, 2, 1, 0.5)
    assert str(caught.value) == (
        f"no host 0 at 127.0.0.1:{port} within 0.5 s (Connection refused); start it there with "
        f"--host-index 0, or correct the address"
    )


def test_missing_hosts_are_named_in_bounded_time(port: int) -> None:
    with pytest.raises(ConfigError) as caught:
        hosts._gather(f"127.0.0.1:{port}", port, 3, 0.5, 1)
    assert str(caught.value) == (
        f"only 1 of 3 hosts came to 127.0.0.1:{port} within 0.5 s (missing: 1, 2); start them in time, or "
        f"wait longer with --coordinator-timeout"
    )


def test_a_port_in_use_is_named(port: int) -> None:
    with (
        socket.create_server(("", port)),
        pytest.raises(ConfigError, match=r"Address already in use; choose another port"),
    ):
        hosts._gather(f"127.0.0.1:{port}", port, 2, 5.0, 1)


def test_a_host_that_nobody_lets_go_on_ends_in_bounded_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            ConfigError, match=r"not all hosts came to 127.* within 0.5 s; start them in time"
        ):
            hosts._meet(f"127.0.0.1:{port}", "127.0.0.1", port, 2, 1, 0.5)


class Meeting:
    """Some hosts, each in a thread."""

    def __init__(self, port: int, count: int):
        self.port, self.count = port, count
        self._threads = ThreadPoolExecutor(count + 1)
        self.gathered = self._threads.submit(
            hosts._gather, f"127.0.0.1:{port}", port, count, PATIENCE_SECONDS, 1
        )

    def meet(self, index: int, count: int | None = None) -> Future[tuple[hosts._Link, int]]:
        address = (f"127.0.0.1:{self.port}", "127.0.0.1", self.port)
        return self._threads.submit(hosts._meet, *address, count or self.count, index, PATIENCE_SECONDS)

    def on_all(self, action: Callable[[int], Any]) -> list[Any]:
        """What an action, called on every host at once, gives or raises."""
        futures = [self._threads.submit(action, index) for index in range(self.count)]
        return [future.exception(PATIENCE_SECONDS) or future.result(PATIENCE_SECONDS) for future in futures]

    def close(self) -> None:
        self._threads.shutdown()


def test_strangers_are_sent_away_and_a_host_may_come_again(port: int) -> None:
    meeting = Meeting(port, 3)
    with contextlib.closing(meeting):
        with pytest.raises(
            ConfigError, match=r"refused this host: it was started with --host-count 3, not 4"
        ):
            meeting.meet(2, count=4).result(PATIENCE_SECONDS)
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert stranger.recv(100) == b""
        with socket.create_connection(("127.0.0.1", port)) as early:
            greeting = b'{"host_count": 3, "host_index": 1, "versions": %s}'
            versions = repr(hosts._versions()).replace("'", '"').encode()
            hosts._send(early, hosts._GREETING, greeting % versions)
            time.sleep(0.3)
        links = [meeting.meet(1), meeting.meet(2)]
        for link in (*meeting.gathered.result(PATIENCE_SECONDS), *(link.result()[0] for link in links)):
            link.close()


def test_other_versions_and_twins_are_refused() -> None:
    greeting = {"host_count": 2, "host_index": 1, "versions": {**hosts._versions(), "jax": "0.0.1"}}
    assert hosts._refusal(greeting, 2, {}).startswith("it has jax ")
    greeting["versions"] = hosts._versions()
    assert hosts._refusal(greeting, 2, {}) == ""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert "another host came with --host-index 1" in hosts._refusal(greeting, 2, {1: ours})


@pytest.mark.parametrize("found", ["127.0.1.1", OSError])
def test_a_host_whose_name_leads_to_itself_is_refused(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> str:
        if found is OSError:
            raise OSError
        return found

    monkeypatch.setattr(socket, "gethostname", lambda: "alma")
    monkeypatch.setattr(socket, "gethostbyname", find)
    with pytest.raises(ConfigError) as caught:
        hosts._require_reachable_name("::ffff:192.0.2.7")
    assert str(caught.value) == (
        f"the name of this host, alma, leads to {'nowhere' if found is OSError else found}, where the other "
        f"hosts cannot reach it; give it the address 192.0.2.7 in /etc/hosts"
    )
    hosts._require_reachable_name("127.0.0.1")
    monkeypatch.setattr(socket, "gethostbyname", lambda name: "192.0.2.7")
    hosts._require_reachable_name("::ffff:192.0.2.7")


# ---- Agreeing ----


@pytest.fixture
def three(port: int) -> Iterator[tuple[Meeting, list[hosts.Hosts]]]:
    meeting = Meeting(port, 3)
    with contextlib.closing(meeting):
        links = [meeting.meet(1), meeting.meet(2)]
        group = [hosts.Hosts(3, 0, meeting.gathered.result(PATIENCE_SECONDS))]
        group += [
            hosts.Hosts(3, index, [link.result(PATIENCE_SECONDS)[0]]) for index, link in enumerate(links, 1)
        ]
        yield meeting, group
        began = time.monotonic()
        meeting.on_all(lambda index: group[index]._part())
        assert time.monotonic() - began < hosts._LINGER_SECONDS


def test_all_hosts_come_to_the_same(three: tuple[Meeting, list[hosts.Hosts]]) -> None:
    meeting, group = three
    assert [host.is_first for host in group] == [True, False, False]
    assert meeting.on_all(lambda index: group[index].stop(False)) == [False] * 3
    assert meeting.on_all(lambda index: group[index].is_same(b"ab")) == [True] * 3
    assert meeting.on_all(lambda index: group[index].is_same(bytes([index]))) == [False] * 3
    arrays = [(np.full((200_000, 3), index, np.float32), np.bool_(index == 0)) for index in range(3)]
    for large, flag in meeting.on_all(lambda index: group[index].share(arrays[index])):
        np.testing.assert_array_equal(large, arrays[0][0])
        assert large.dtype == np.float32
        assert flag
    assert not any(host.is_agreed_end for host in group)
    assert meeting.on_all(lambda index: group[index].stop(index == 2)) == [True] * 3
    assert all(host.is_agreed_end for host in group)


def test_a_difference_is_named_on_every_host(three: tuple[Meeting, list[hosts.Hosts]]) -> None:
    meeting, group = three
    assert meeting.on_all(lambda index: group[index].require_same({"seed": 1})) == [None] * 3
    errors = meeting.on_all(lambda index: group[index].require_same({"seed": index // 2, "rate": 0.5}))
    assert {str(error) for error in errors} == {
        "host 2 was started with seed = 1, host 0 with 0; give all hosts the same options and data"
    }


def test_exchanges_out_of_order_are_an_error(three: tuple[Meeting, list[hosts.Hosts]]) -> None:
    meeting, group = three
    group[1]._number = 4
    first, *_ = meeting.on_all(lambda index: group[index]._collect(b""))
    assert str(first) == "host 1 is at exchange 5, this host at 1"


def test_one_host_alone_agrees_with_itself() -> None:
    alone = hosts.ALONE
    assert [alone.stop(flag) for flag in (True, False)] == [True, False]
    assert not alone.is_agreed_end
    tree = {"a": np.zeros(2)}
    assert alone.share(tree) is tree
    assert alone.apart(len, "four") == 4


# ---- Losing one ----

FELLOW = """
import sys
from training import hosts
index, port, timeout, what = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
def complain(message, exit_code):
    print(message, file=sys.stderr)
    return exit_code
address = f"127.0.0.1:{port}"
links = (
    [hosts._meet(address, "127.0.0.1", port, 3, index, 60.0)[0]]
    if index
    else hosts._gather(address, port, 3, 60.0, 1)
)
for link in links:
    link.timeout_seconds = timeout
    link._connection.settimeout(timeout)
group = hosts.Hosts(3, index, links, complain)
group.wait()
print("met", flush=True)
sys.stdin.readline()
try:
    with hosts._ending_together(group):
        if what == "fail" and index == 1:
            raise hosts.ConfigError("no such file")
        if what == "fail unexpectedly" and index == 1:
            raise ZeroDivisionError("by zero")
        group.is_same(b"") if index != 2 else sys.stdin.read()
        group.wait()
except hosts.ConfigError:
    hosts.end_process(2)
except ZeroDivisionError:
    hosts.end_process(1)
"""


@contextlib.contextmanager
def fellows(port: int, timeout_seconds: float, what: str = "") -> Iterator[list[subprocess.Popen]]:
    """Three hosts that wait for each other, without JAX; none is left behind."""
    processes: list[subprocess.Popen] = []
    try:
        for index in range(3):
            arguments = map(str, (index, port, timeout_seconds, what))
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-c", FELLOW, *arguments],
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "met\n"
        for process in (processes[0], processes[2], processes[1]):  # The second may end the others.
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
        yield processes
    finally:
        kill(processes)


def kill(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.communicate()


def ends(process: subprocess.Popen) -> tuple[int, str]:
    """The exit code and stderr."""
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, errors


@pytest.mark.parametrize("lost", [0, 1])
def test_a_killed_host_ends_the_others_in_one_line(lost: int, port: int) -> None:
    with fellows(port, PATIENCE_SECONDS) as processes:
        processes[lost].kill()
        expected = f"host {lost} went away; when it is back, continue on all hosts with --resume\n"
        for index in {0, 1, 2} - {lost}:
            assert ends(processes[index]) == (1, expected)


def test_a_silent_host_ends_the_others_after_the_timeout(port: int) -> None:
    with fellows(port, 5.0) as processes:
        time.sleep(6.0)  # Heartbeats keep those alive that have nothing to say.
        assert [process.poll() for process in processes] == [None] * 3
        processes[1].send_signal(signal.SIGSTOP)
        expected = "host 1 has been silent for 5 s; when it is back, continue on all hosts with --resume\n"
        for index in (0, 2):
            assert ends(processes[index]) == (1, expected)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("fail", (2, "host 1 stopped: no such file\n")),
        (
            "fail unexpectedly",
            (
                1,
                "host 1 stopped: this should not happen: ZeroDivisionError: by zero; "
                "set NCA_VIEWER_DEBUG=1 for the details\n",
            ),
        ),
    ],
)
def test_what_one_host_meets_ends_all(what: str, expected: tuple[int, str], port: int) -> None:
    with fellows(port, PATIENCE_SECONDS, what) as processes:
        assert ends(processes[1]) == (expected[0], "")
        for index in (0, 2):
            assert ends(processes[index]) == expected


# ---- Checkpoints apart ----


def fail_with(message: str) -> None:
    raise OutputError(message)


def test_functions_are_called_apart() -> None:
    with contextlib.closing(Apart()) as apart:
        assert apart.call(os.getpid) != os.getpid()
        np.testing.assert_array_equal(apart.call(np.add, np.arange(3), 1), [1, 2, 3])
        with pytest.raises(OutputError, match="no room"):
            apart.call(fail_with, "no room")
        with pytest.raises(RuntimeError, match="ValueError: invalid literal"):
            apart.call(int, "four")
        os.kill(apart.call(os.getpid), signal.SIGKILL)
        with pytest.raises(OutputError, match="the process that reads and writes checkpoints is gone"):
            apart.call(os.getpid)


# ---- Training ----

HOST = """
import itertools, os, signal, sys
import jax
jax.config.update("jax_disable_most_optimizations", True)  # Half the time is the compiler's.
from nca_viewer import selftest
selftest.check_backend = lambda: None
from training import cli, run
act, sound, calls = sys.argv[1], run._is_sound, itertools.count(1)
def is_sound(*arguments):
    if act and next(calls) == 6:
        if act == "diverge":
            return False
        os.kill(os.getpid(), getattr(signal, act))
    return sound(*arguments)
run._is_sound = is_sound
sys.exit(cli.main(sys.argv[2:]))
"""

OPTIONS = shlex.split(
    "--height 9 --width 8 --channel-size 5 --projection-size 3 --num-heads 2 --hidden-size 6 "
    "--perception-size 7 --batch-size 4 --pool-size 7 --rollout-steps 2 --train-steps 12 --decay-steps 10 "
    "--checkpoint-every 4 --validation-images 2 --learning-rate 1e-2"
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number in range(23):
        Image.fromarray(generator.integers(0, 256, (9, 8), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def start(directory: Path, pictures: Path, act: str, *options: str) -> subprocess.Popen:
    given = ["fit", "--run-dir", str(directory), "--data", str(pictures), *OPTIONS, *options]
    return subprocess.Popen(
        [sys.executable, "-c", HOST, act, *given],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


Ends = list[tuple[int, str]]


def train(
    directories: list[Path],
    pictures: Path,
    port: int,
    *options: str,
    acts: tuple[str, str] = ("", ""),
    last: tuple[str, ...] = (),
) -> Ends:
    """The exit codes and the errors of two hosts; `last` are options of the second alone."""
    processes: list[subprocess.Popen] = []
    try:
        for index, directory in enumerate(directories):
            address = ["--coordinator", f"127.0.0.1:{port}", "--host-count", "2", "--host-index", str(index)]
            more = [*address, *options, *(last if index else ())]
            processes.append(start(directory, pictures, acts[index], *more))
        collected: list[tuple[int, str]] = []
        # Both have to be read from, or one may wait for its full pipe.
        with ThreadPoolExecutor(2) as threads:
            collected = list(threads.map(ends, processes))
        return [(code, "\n".join(complaints(errors))) for code, errors in collected]
    finally:
        kill(processes)


def complaints(errors: str) -> list[str]:
    """What the program says of its end."""
    return [line for line in errors.splitlines() if line.startswith("nca-train: ") or "Traceback" in line]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """The same run on one host."""
    directory = tmp_path_factory.mktemp("hosts") / "alone"
    process = start(directory, pictures, "")
    try:
        code, errors = ends(process)
    finally:
        kill([process])
    assert code == 0, errors
    return directory


@pytest.mark.slow
def test_two_hosts_make_the_same_curve_as_one(alone: Path, pictures: Path, tmp_path: Path, port: int) -> None:
    directories = [tmp_path / "two", tmp_path / "unused"]
    assert train(directories, pictures, port) == [(0, ""), (0, "")]
    require_same_run(directories[0], alone)
    assert checkpoint_steps(directories[0]) == [4, 8, 12]
    for name in ("validation.csv", "tensorboard", "sheets", "best"):
        assert (directories[0] / name).exists()
    assert not directories[1].exists()


@pytest.mark.slow
def test_killed_then_interrupted_then_resumed_ends_like_one_host(
    alone: Path, pictures: Path, tmp_path: Path
) -> None:
    directories = [tmp_path / "two", tmp_path / "unused"]

    def go_on(*options: str, acts: tuple[str, str]) -> Ends:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        return train(directories, pictures, port, *options, acts=acts)

    complaint = "nca-train: error: host 1 went away; when it is back, continue on all hosts with --resume"
    assert go_on(acts=("", "SIGKILL")) == [(1, complaint), (-signal.SIGKILL, "")]
    assert checkpoint_steps(directories[0]) == [4]
    for code, errors in go_on("--resume", acts=("", "SIGINT")):
        assert code == 130
        assert errors.startswith("nca-train: interrupted; continue with: ")
    assert len(curve(directories[0])) == 10
    assert go_on("--resume", acts=("", "")) == [(0, ""), (0, "")]
    require_same_run(directories[0], alone)
    assert not directories[1].exists()


def test_other_options_are_refused_on_both(pictures: Path, tmp_path: Path, port: int) -> None:
    complaint = (
        "nca-train: error: host 1 was started with seed = 5, host 0 with 0; give all hosts the same options "
        "and data"
    )
    last = ("--seed", "5")
    assert train([tmp_path / "run"] * 2, pictures, port, last=last) == [(2, complaint)] * 2
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_what_host_0_meets_ends_both(pictures: Path, tmp_path: Path, port: int) -> None:
    (tmp_path / "file").write_text("")
    complaint = f"cannot write {tmp_path / 'file' / 'run'}: Not a directory"
    assert train([tmp_path / "file" / "run"] * 2, pictures, port) == [
        (2, f"nca-train: error: {complaint}"),
        (2, f"nca-train: error: host 0 stopped: {complaint}"),
    ]


@pytest.mark.slow
def test_a_divergence_that_host_0_sees_is_rolled_back_on_both(
    pictures: Path, tmp_path: Path, port: int
) -> None:
    directories = [tmp_path / "two", tmp_path / "unused"]
    assert train(directories, pictures, port, acts=("diverge", "")) == [(0, ""), (0, "")]
    assert checkpoint_steps(directories[0]) == [4, 8, 12]
