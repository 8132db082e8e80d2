"""Several hosts that train as one: how they meet, agree, and end together.

`jax.distributed` joins their devices, and the update alone exchanges anything through it. An exchange among
devices to which one host does not come stops the others for ever, so everything else goes over plain
connections of this module, between host 0 and each of the others, where a host that is gone is noticed: a
closed connection at once, a silent one after the timeout. Whatever is exchanged is asked for by all hosts in
the same order, and numbered; that is checked.

A host that is blocked in an exchange among devices cannot be woken. When another one is lost or fails,
the thread that learns of it says so in one line and ends the process; every file of a run is written so that
this is safe at any instant. Importing this module does not import JAX.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import queue
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import numpy as np

from nca_viewer.checkpoint import package_versions
from nca_viewer.ending import ending
from nca_viewer.errors import ConfigError, UserError, unexpected_message
from training.apart import Apart

LOST_EXIT_CODE = 1

_RETRY_SECONDS = 0.2
_GREETING_SECONDS = 10.0
_GREETING_BYTES = 65536
_HEARTBEAT_SECONDS = 5.0
_LINGER_SECONDS = 5.0
"""How long an ending host waits for the others to have heard why."""
_CHUNK_BYTES = 1 << 20
_PACKAGES = ("nca-viewer", "jax", "jaxlib", "flax", "cax", "optax")

_HEADER = struct.Struct("!cQ")
_NUMBER = struct.Struct("!Q")
_GREETING, _REFUSAL, _HEARTBEAT, _EXCHANGE, _FAILURE, _FAREWELL = (bytes([letter]) for letter in b"GRHXFB")

Value = TypeVar("Value")
Complain = Callable[[str, int], int]
"""Prints a message in one line; given the exit code too, which it returns."""


class Hosts:
    """The hosts of a run, seen from one of them; by default this one alone.

    Whatever agrees on something has to be called by all hosts, in the same order. With one host alone it does
    nothing.

    Attributes:
        count: How many hosts there are.
        index: Which of them this one is, from 0.
        is_agreed_end: Whether all hosts know that the run ends here.
    """

    def __init__(
        self, count: int = 1, index: int = 0, links: Sequence[_Link] = (), complain: Complain | None = None
    ):
        """Watch the links from now on.

        Args:
            count: How many hosts there are.
            index: This host's, from 0.
            links: On host 0 those to all others, by index; on the others that to host 0.
            complain: How to report the end of another host.
        """
        self.count = count
        self.index = index
        self._links = list(links)
        self._complain = complain or (lambda message, exit_code: exit_code)
        self.is_agreed_end = False
        self._apart: Apart | None = None
        self._number = 0
        self._ending = threading.Lock()
        self._is_over = threading.Event()
        for link in self._links:
            threading.Thread(target=self._listen, args=[link], daemon=True).start()
        if links:
            threading.Thread(target=self._beat, daemon=True).start()

    @property
    def is_first(self) -> bool:
        """Whether this is host 0, which alone reads and writes the run's directory."""
        return self.index == 0

    def apart(self, function: Callable[..., Value], *arguments: Any) -> Value:
        """Call a function that must not know of the other hosts, on host 0: orbax would wait for them.

        Args:
            function: One that a module defines.
            arguments: Values that can be pickled; arrays as NumPy's.
        """
        if self.count == 1:
            return function(*arguments)
        self._apart = self._apart or Apart()
        return self._apart.call(function, *arguments)

    def stop(self, wanted: bool) -> bool:
        """Whether any host wants to stop; if so, all go on to end together."""
        votes = self._collect(bytes([wanted]))
        is_stop = self._spread(bytes([any(vote != b"\0" for vote in votes)])) != b"\0"
        self.is_agreed_end = is_stop and self.count > 1
        return is_stop

    def share(self, tree: Value) -> Value:
        """Host 0's values of a tree of arrays; those of the others give its shapes and types only."""
        if not self._links:
            return tree
        import jax

        leaves, structure = jax.tree.flatten(tree)
        content = b"".join(np.asarray(leaf).tobytes() for leaf in leaves) if self.is_first else b""
        content, start, values = self._spread(content), 0, []
        for leaf in leaves:
            dtype, shape = np.dtype(leaf.dtype), np.shape(leaf)
            values.append(np.frombuffer(content, dtype, int(np.prod(shape)), start).reshape(shape))
            start += values[-1].nbytes
        return jax.tree.unflatten(structure, values)

    def is_same(self, content: bytes) -> bool:
        """Whether all hosts have the same bytes."""
        contents = self._collect(content)
        return self._spread(bytes([all(other == contents[0] for other in contents)])) != b"\0"

    def wait(self) -> None:
        """Return when all hosts have come here."""
        self.is_same(b"")

    def require_same(self, settings: Mapping[str, Any]) -> None:
        """Check that all hosts were started alike.

        Args:
            settings: Values for JSON.

        Raises:
            ConfigError: on every host, naming what differs.
        """
        collected = [json.loads(content) for content in self._collect(json.dumps(settings).encode())]
        different = [
            f"host {index} was started with {name} = {theirs.get(name)}, host 0 with {value}"
            for index, theirs in enumerate(collected)
            for name, value in collected[0].items()
            if theirs.get(name) != value
        ]
        if found := self._spread(different[0].encode() if different else b""):
            self.is_agreed_end = True
            raise ConfigError(f"{found.decode()}; give all hosts the same options and data")

    # ---- Exchanges ----

    def _collect(self, content: bytes) -> list[bytes]:
        """Every host's content, by index, on host 0; on the others their own alone."""
        self._number += 1
        if not self.is_first:
            self._links[0].send(_EXCHANGE, _NUMBER.pack(self._number), content)
            return [content]
        return [content, *(link.next(self._number) for link in self._links)]

    def _spread(self, content: bytes) -> bytes:
        """Host 0's content."""
        self._number += 1
        if not self.is_first:
            return self._links[0].next(self._number)
        for link in self._links:
            link.send(_EXCHANGE, _NUMBER.pack(self._number), content)
        return content

    # ---- Watching ----

    def _listen(self, link: _Link) -> None:
        while True:
            try:
                kind, content = link.receive()
            except TimeoutError:
                return self._lose(link, f"has been silent for {link.timeout_seconds:g} s")
            except (OSError, EOFError):
                return self._lose(link, "went away")
            if kind == _EXCHANGE:
                link.inbox.put(content)
            elif kind == _FAREWELL:
                return link.has_parted.set()
            elif kind == _FAILURE:
                link.has_parted.set()
                failure = json.loads(content)
                return self._end(failure["message"], failure["exit_code"])

    def _lose(self, link: _Link, what: str) -> None:
        link.has_parted.set()
        message = f"host {link.index} {what}; when it is back, continue on all hosts with --resume"
        self._end(message, LOST_EXIT_CODE)

    def _end(self, message: str, exit_code: int) -> None:
        """End this process, in a thread that learned why; unless it is ending already."""
        if not self._ending.acquire(blocking=False):
            return
        self._tell(message, exit_code)
        self._complain(message, exit_code)
        self._linger()
        end_process(exit_code)

    def _beat(self) -> None:
        interval = min(_HEARTBEAT_SECONDS, *(link.timeout_seconds / 4 for link in self._links))
        while not self._is_over.wait(interval):
            for link in self._links:
                link.beat()

    # ---- Ending ----

    def leave(self) -> None:
        """End together with all others, who come here too."""
        import jax

        self.wait()
        jax.distributed.shutdown()
        self._part()

    def _part(self) -> None:
        """Close the links without alarm."""
        self._ending.acquire()
        for link in self._links:
            with contextlib.suppress(OSError):
                link.send(_FAREWELL)
        self._linger()
        self._close()

    def fail(self, error: BaseException) -> None:
        """Tell the others why this host ends."""
        if not isinstance(error, UserError | KeyboardInterrupt):
            # Perhaps an exchange among devices failed because another host is gone; then a link tells.
            time.sleep(_LINGER_SECONDS)
        if not self._ending.acquire(blocking=False):
            threading.Event().wait()  # Another thread is ending this process.
        if isinstance(error, UserError):
            message, exit_code = f"host {self.index} stopped: {error}", error.exit_code
        elif isinstance(error, KeyboardInterrupt):
            message, exit_code = f"host {self.index} was interrupted", ending.exit_code
        else:
            message, exit_code = f"host {self.index} stopped: {unexpected_message(error)}", 1
        self._tell(message, exit_code)
        self._linger()
        self._close()

    def _tell(self, message: str, exit_code: int) -> None:
        content = json.dumps({"message": message, "exit_code": exit_code}).encode()
        for link in self._links:
            with contextlib.suppress(OSError):
                link.send(_FAILURE, content)

    def _linger(self) -> None:
        """Wait for the others to end too: what is under way to them would be lost with the connection."""
        deadline = time.monotonic() + _LINGER_SECONDS
        for link in self._links:
            link.has_parted.wait(max(0.0, deadline - time.monotonic()))

    def _close(self) -> None:
        self._is_over.set()
        if self._apart is not None:
            self._apart.close()
        for link in self._links:
            link.close()


ALONE = Hosts()
"""One host."""


class _Link:
    """A connection to another host.

    Attributes:
        index: The other host's.
        timeout_seconds: How long a sign of life may take.
        own_address: This host's on the way to the other.
        inbox: What was exchanged and not yet asked for.
        has_parted: Set when nothing more is to be expected from it.
    """

    def __init__(self, connection: socket.socket, index: int, timeout_seconds: float):
        self.index = index
        self.timeout_seconds = timeout_seconds
        self.own_address: str = connection.getsockname()[0]
        self.inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.has_parted = threading.Event()
        self._connection = connection
        self._sending = threading.Lock()
        connection.settimeout(timeout_seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, kind: bytes, *parts: bytes) -> None:
        with self._sending:
            _send(self._connection, kind, *parts)

    def beat(self) -> None:
        """A sign of life; data that is being sent is one too."""
        if self._sending.acquire(blocking=False):
            try:
                with contextlib.suppress(OSError):
                    _send(self._connection, _HEARTBEAT)
            finally:
                self._sending.release()

    def receive(self) -> tuple[bytes, bytes]:
        return _receive(self._connection)

    def next(self, number: int) -> bytes:
        """The content of the exchange with that number."""
        content = self.inbox.get()
        (theirs,) = _NUMBER.unpack_from(content)
        if theirs != number:
            raise RuntimeError(f"host {self.index} is at exchange {theirs}, this host at {number}")
        return content[_NUMBER.size :]

    def close(self) -> None:
        self._connection.close()


def end_process(exit_code: int) -> NoReturn:
    """End at once: at the end of a Python program JAX would wait for hosts that are gone, and complain."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(exit_code)


# ---- Meeting ----


def share_of_batch(batch_size: int, host_count: int) -> int:
    """How many automata of a batch each host runs.

    Raises:
        ConfigError: where the batch cannot be divided evenly.
    """
    if batch_size % host_count:
        raise ConfigError(
            f"batch_size = {batch_size} cannot be divided among {host_count} hosts; choose a multiple of "
            f"{host_count}"
        )
    return batch_size // host_count


@contextlib.contextmanager
def joined(
    coordinator: str, host_count: int, host_index: int, timeout_seconds: float, complain: Complain
) -> Iterator[Hosts]:
    """Train together with other hosts in this context; before anything else uses JAX.

    It is left together with the others. An exception on this host ends them all, and so does the loss of
    one; from the latter nothing returns.

    Args:
        coordinator: HOST:PORT at which host 0 waits for the others.
        host_count: How many hosts there are, at least 2.
        host_index: Which of them this one is, from 0.
        timeout_seconds: How long to wait for the others, and for a sign of life of each later on.
        complain: How to report the end of another host.

    Raises:
        ConfigError: for numbers out of range, and where the others are not met in time.
    """
    host, port = _address(coordinator)
    if not 0 <= host_index < host_count:
        raise ConfigError(
            f"--host-index {host_index} is out of range; choose a value from 0 to {host_count - 1}"
        )
    if host_index == 0:
        service_port = _free_port()
        links = _gather(coordinator, port, host_count, timeout_seconds, service_port)
    else:
        link, service_port = _meet(coordinator, host, port, host_count, host_index, timeout_seconds)
        links = [link]
    hosts = Hosts(host_count, host_index, links, complain)
    with _ending_together(hosts):
        if host_index:
            service_port = _relay(host, service_port, timeout_seconds)
        _join_devices(service_port, host_count, host_index, timeout_seconds)
        _require_reachable_name(links[0].own_address)
        yield hosts
    hosts.leave()


@contextlib.contextmanager
def _ending_together(hosts: Hosts) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if hosts.is_agreed_end:
            hosts.leave()
        else:
            hosts.fail(error)
        raise


def _join_devices(service_port: int, host_count: int, host_index: int, timeout_seconds: float) -> None:
    import jax

    # It would catch SIGTERM, and do nothing.
    jax.config.update("jax_enable_preemption_service", False)
    # Between processors gloo is the only way, and with several devices in a process it confuses exchanges.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_num_cpu_devices", 1)
    jax.config.update("jax_check_proxy_envs", False)
    os.environ.setdefault("no_grpc_proxy", "127.0.0.1")
    jax.distributed.initialize(
        f"127.0.0.1:{service_port}",
        host_count,
        host_index,
        cluster_detection_method="deactivate",
        initialization_timeout=max(1, int(timeout_seconds)),
        # What it notices ends the process with pages of text; the links notice it first.
        heartbeat_timeout_seconds=int(timeout_seconds) + 600,
        shutdown_timeout_seconds=max(1, int(timeout_seconds)),
    )


def _require_reachable_name(own_address: str) -> None:
    """Check where this host's name leads, by which the others reach it where processors train: gloo's way.

    Args:
        own_address: Its address in the others' network.

    Raises:
        ConfigError: where the name leads to this host alone, as it often does on Debian.
    """
    import jax

    address = ipaddress.ip_address(own_address)
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback or jax.default_backend() != "cpu":
        return
    name = socket.gethostname()
    try:
        found = socket.gethostbyname(name)
    except OSError:
        found = "nowhere"
    if found == "nowhere" or ipaddress.ip_address(found).is_loopback:
        raise ConfigError(
            f"the name of this host, {name}, leads to {found}, where the other hosts cannot reach it; give "
            f"it the address {address} in /etc/hosts"
        )


def _address(coordinator: str) -> tuple[str, int]:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"--coordinator {coordinator!r} is no address; give HOST:PORT")
    return host.strip("[]"), int(port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _gather(
    coordinator: str, port: int, host_count: int, timeout_seconds: float, service_port: int
) -> list[_Link]:
    """Wait for all others, as host 0, then let them go on."""
    deadline = time.monotonic() + timeout_seconds
    present: dict[int, socket.socket] = {}
    try:
        is_dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if is_dual else socket.AF_INET
        with socket.create_server(("", port), family=family, dualstack_ipv6=is_dual) as server:
            while len(present) < host_count - 1:
                server.settimeout(max(0.01, deadline - time.monotonic()))
                connection, _ = server.accept()
                for index in [index for index, other in present.items() if _is_closed(other)]:
                    present.pop(index).close()
                _greet(connection, host_count, present)
        for connection in present.values():
            _send(connection, _GREETING, json.dumps({"service_port": service_port}).encode())
    except TimeoutError:
        _close_all(present)
        missing = ", ".join(str(index) for index in range(1, host_count) if index not in present)
        raise ConfigError(
            f"only {1 + len(present)} of {host_count} hosts came to {coordinator} within "
            f"{timeout_seconds:g} s (missing: {missing}); start them in time, or wait longer with "
            f"--coordinator-timeout"
        ) from None
    except OSError as error:
        _close_all(present)
        raise ConfigError(
            f"cannot wait for the other hosts at {coordinator}: {_reason(error)}; choose another port"
        ) from error
    except BaseException:
        _close_all(present)
        raise
    return [_Link(present[index], index, timeout_seconds) for index in range(1, host_count)]


def _close_all(present: Mapping[int, socket.socket]) -> None:
    for connection in present.values():
        connection.close()


def _greet(connection: socket.socket, host_count: int, present: dict[int, socket.socket]) -> None:
    """Take in one of the others, or tell it why not."""
    connection.settimeout(_GREETING_SECONDS)
    try:
        kind, content = _receive(connection, _GREETING_BYTES)
        greeting = json.loads(content) if kind == _GREETING else {}
        refusal = _refusal(greeting, host_count, present)
        if not refusal:
            present[greeting["host_index"]] = connection
            return
        _send(connection, _REFUSAL, refusal.encode())
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        pass  # A stranger, or one that left.
    connection.close()


def _refusal(greeting: Any, host_count: int, present: Mapping[int, socket.socket]) -> str:
    if greeting["host_count"] != host_count:
        return f"it was started with --host-count {host_count}, not {greeting['host_count']}"
    for package, version in _versions().items():
        if greeting["versions"].get(package) != version:
            return f"it has {package} {version}, this host {greeting['versions'].get(package)}"
    index = greeting["host_index"]
    if index in present:
        return f"another host came with --host-index {index}; give each its own"
    return ""


def _is_closed(connection: socket.socket) -> bool:
    """Whether the other side, which has nothing to say at this time, is gone."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(_GREETING_SECONDS)


def _meet(
    coordinator: str, host: str, port: int, host_count: int, host_index: int, timeout_seconds: float
) -> tuple[_Link, int]:
    """Find host 0, and wait until all are there; also the port of its service."""
    deadline = time.monotonic() + timeout_seconds
    try:
        connection = _connected((host, port), timeout_seconds)
    except OSError as error:
        raise ConfigError(
            f"no host 0 at {coordinator} within {timeout_seconds:g} s ({_reason(error)}); start it there "
            f"with --host-index 0, or correct the address"
        ) from None
    try:
        greeting = {"host_count": host_count, "host_index": host_index, "versions": _versions()}
        _send(connection, _GREETING, json.dumps(greeting).encode())
        connection.settimeout(max(1.0, deadline - time.monotonic()))
        kind, content = _receive(connection, _GREETING_BYTES)
    except TimeoutError:
        connection.close()
        raise ConfigError(
            f"not all hosts came to {coordinator} within {timeout_seconds:g} s; start them in time, or wait "
            f"longer with --coordinator-timeout"
        ) from None
    except (OSError, EOFError):
        connection.close()
        raise ConfigError(f"host 0 at {coordinator} went away before all hosts had come") from None
    if kind == _REFUSAL:
        connection.close()
        raise ConfigError(f"host 0 at {coordinator} refused this host: {content.decode()}")
    return _Link(connection, 0, timeout_seconds), int(json.loads(content)["service_port"])


def _connected(address: tuple[str, int], timeout_seconds: float) -> socket.socket:
    """A connection, tried for again and again.

    Raises:
        OSError: nothing answered in time, or the name leads nowhere.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            return socket.create_connection(address, timeout=min(timeout_seconds, _GREETING_SECONDS))
        except OSError as error:
            if time.monotonic() > deadline or isinstance(error, socket.gaierror):
                raise
            time.sleep(_RETRY_SECONDS)


def _versions() -> dict[str, str]:
    return package_versions(_PACKAGES)


def _relay(host: str, service_port: int, timeout_seconds: float) -> int:
    """A port of this host that leads to JAX's service on host 0.

    When the service is gone JAX ends the process at once with pages of text. Behind the relay it does not
    see the connection close, and the link has time to tell what happened in one line.
    """
    try:
        first = _connected((host, service_port), timeout_seconds)
    except OSError as error:
        raise ConfigError(
            f"cannot reach port {service_port} of host 0 ({_reason(error)}); let all ports through between "
            f"the hosts"
        ) from None
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve_relay, args=(server, first, (host, service_port)), daemon=True).start()
    return int(server.getsockname()[1])


def _serve_relay(server: socket.socket, upstream: socket.socket | None, address: tuple[str, int]) -> None:
    while True:
        local, _ = server.accept()
        with contextlib.suppress(OSError):
            upstream = upstream or socket.create_connection(address, timeout=_GREETING_SECONDS)
            upstream.settimeout(None)
            for source, sink in ((local, upstream), (upstream, local)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()
        upstream = None


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy what comes; both stay open at the end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)


# ---- Bytes ----


def _send(connection: socket.socket, kind: bytes, *parts: bytes) -> None:
    length = sum(len(part) for part in parts)
    for part in (_HEADER.pack(kind, length), *parts):
        view = memoryview(part)
        while view:  # In chunks: the timeout is for each of them.
            view = view[connection.send(view[:_CHUNK_BYTES]) :]


def _receive(connection: socket.socket, limit: int | None = None) -> tuple[bytes, bytes]:
    """The kind and the content of the next message.

    Raises:
        EOFError: where the other side closed the connection.
        OSError: where it is broken, too long silent (TimeoutError), or no such message comes.
    """
    kind, length = _HEADER.unpack(_receive_exactly(connection, _HEADER.size))
    if limit is not None and length > limit:
        raise OSError("not understood")
    return kind, _receive_exactly(connection, length)


def _receive_exactly(connection: socket.socket, length: int) -> bytes:
    content = bytearray(length)
    view = memoryview(content)
    while view:
        count = connection.recv_into(view)
        if not count:
            raise EOFError
        view = view[count:]
    return bytes(content)


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error)
    return os.strerror(error.errno)
