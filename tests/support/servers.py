"""Servers of the tests' own: free loopback ports, and an end with the process that started them.

A server ends with its test process, however that ends: a guard waits for the other end of a pipe to close.
"""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_STOP_SECONDS = 30


def free_ports(count: int) -> list[int]:
    """So many different loopback ports that nobody listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextmanager
def guarded(process: subprocess.Popen[bytes], home: Path) -> Iterator[None]:
    """Stop the server at the end, or when this process is gone; then its folder `home` is removed, too."""
    script = 'exec >/dev/null 2>&1; read -r _; kill -INT "$1"; while kill -0 "$1"; do sleep 0.1; done; rm -rf "$2"'
    command = ["sh", "-c", script, "guard", str(process.pid), str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        try:
            yield
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a server and wait for its end. (PostgreSQL ends open connections then, and does not wait for them.)"""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
