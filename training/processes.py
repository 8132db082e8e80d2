"""Several processes that train as one, joined by `jax.distributed`: how they meet, agree, and end together.

All processes call the functions here in the same order; with one process alone they do nothing. What one
process meets (a full disk, other data) ends all of them in good order. One that is killed breaks exchanges
among processors at once; where GPUs wait for it, JAX ends the others after its heartbeat's time-out.

Importing this module does not start JAX.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from nca_viewer.errors import ConfigError, UserError, one_line

_MESSAGE_BYTES = 1024
"""Messages come in multiples of this: each new length of an exchange is compiled."""

Value = TypeVar("Value")


class StoppedError(UserError):
    """Another process of the run stopped, or was lost."""


# ---- Meeting and parting ----


@contextlib.contextmanager
def joined(
    coordinator: str | None,
    process_count: int | None,
    process_index: int | None,
    *,
    timeout_seconds: float,
) -> Iterator[None]:
    """Train together with other processes in this context; before anything else uses JAX.

    Args:
        coordinator: HOST:PORT at which process 0 waits for the others. None for this and the next two: JAX
            learns them from Slurm, Open MPI, Kubernetes or the TPU that started the processes.
        process_count: How many processes there are.
        process_index: Which of them this one is, from 0.
        timeout_seconds: How long to wait for the others.

    Raises:
        ConfigError: for an address that is none, and where the others are not met in time.
        StoppedError: if another process was lost.
    """
    # It would catch SIGTERM, and know of no other signal.
    jax.config.update("jax_enable_preemption_service", False)
    initialise: dict[str, Any] = {"initialization_timeout": int(timeout_seconds) + 60}
    if coordinator is not None:
        port = _port(coordinator)
        if process_index == 0:
            _require_free(port, coordinator)
        initialise |= {
            "coordinator_address": coordinator,
            "num_processes": process_count,
            "process_id": process_index,
            "cluster_detection_method": "deactivate",
        }
    _initialise(initialise, timeout_seconds)
    try:
        gathered(None)  # The first exchange connects all to all, for which gloo has but half a minute.
        yield
    except (UserError, KeyboardInterrupt):  # All processes have come to the same.
        jax.distributed.shutdown()
        raise
    except Exception as error:
        if not (isinstance(error, jax.errors.JaxRuntimeError) or "Gloo" in str(error)):
            raise
        lost = StoppedError(
            f"the processes cannot exchange anything any more ({one_line(str(error))[:200]}); where one of "
            f"them was lost, continue in all with --resume"
        )
        lost.exit_code = 1
        raise lost from error
    jax.distributed.shutdown()


def _port(coordinator: str) -> int:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"--coordinator {coordinator!r} is no address; give HOST:PORT")
    return int(port)


def _require_free(port: int, coordinator: str) -> None:
    """Try the port: where it is taken, JAX's service ends the process without a word."""
    is_dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if is_dual else socket.AF_INET
    try:
        socket.create_server(("", port), family=family, dualstack_ipv6=is_dual).close()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(
            f"cannot wait for the other processes at {coordinator}: {reason}; choose another port"
        ) from error


def _initialise(arguments: Mapping[str, Any], timeout_seconds: float) -> None:
    """Wait for the others in a thread: JAX ends the process with pages of text when its own time is up."""
    failures: list[Exception] = []

    def initialise() -> None:
        try:
            jax.distributed.initialize(**arguments)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=initialise, daemon=True)
    thread.start()
    thread.join(timeout_seconds)
    if thread.is_alive():
        raise ConfigError(
            f"the processes did not meet within {timeout_seconds:g} s; start all of them in time where they "
            f"reach the coordinator, or wait longer with --coordinator-timeout"
        )
    if failures:
        raise ConfigError(
            f"cannot join other processes: {one_line(str(failures[0]))}; start them with srun or mpirun, or "
            f"give each of them --coordinator, --host-count and --host-index"
        ) from failures[0]


# ---- Agreeing ----


def is_first() -> bool:
    """Whether this is process 0, which alone reads and writes the run's directory."""
    return jax.process_index() == 0


def gathered(value: Any) -> list[Any]:
    """Every process's value for JSON, by index."""
    if jax.process_count() == 1:
        return [value]
    content = json.dumps(value).encode()
    lengths = multihost_utils.process_allgather(np.array(len(content)))
    padded_bytes = -(-int(lengths.max()) // _MESSAGE_BYTES) * _MESSAGE_BYTES
    padded = np.frombuffer(content.ljust(padded_bytes), np.uint8)
    return [json.loads(row.tobytes()) for row in multihost_utils.process_allgather(padded)]


def together(action: Callable[[], Value]) -> Value:
    """Call a function in every process; where it fails in one, it fails in all.

    Raises:
        StoppedError: where it raised a UserError in another process.
    """
    if jax.process_count() == 1:
        return action()
    failure = None
    try:
        value = action()
    except UserError as error:
        failure = error
    told = gathered(failure and [str(failure), failure.exit_code])
    if failure is not None:
        raise failure
    for index, other in enumerate(told):
        if other is not None:
            stopped = StoppedError(f"process {index} stopped: {other[0]}")
            stopped.exit_code = other[1]
            raise stopped
    return value


def on_first(action: Callable[[], Value]) -> Value | None:
    """Call a function in process 0 while the others wait, which get None; where it fails, all fail."""
    return together(lambda: action() if is_first() else None)


def from_first(tree: Value) -> Value:
    """Process 0's values of a tree of arrays; those of the others give its shapes and types only."""
    if jax.process_count() == 1:
        return tree
    return multihost_utils.broadcast_one_to_all(jax.tree.map(np.asarray, tree))


def require_same(settings: Mapping[str, Any]) -> None:
    """Check that all processes were started alike.

    Args:
        settings: Values for JSON.

    Raises:
        ConfigError: in every process, naming what differs.
    """
    ours, *others = gathered(dict(settings))
    for index, theirs in enumerate(others, 1):
        for name, value in ours.items():
            if theirs.get(name) != value:
                raise ConfigError(
                    f"process {index} was started with {name} = {theirs.get(name)}, process 0 with {value}; "
                    f"give all processes the same options and data"
                )


def wait() -> None:
    """Return when all processes have come here."""
    gathered(None)
