"""Servers of the tests' own: free loopback ports, and an end with the process that started them.

1. A port that was found free stays free for the server that it was found for: nobody else's server gets it from here
   for as long as this process lives, and Linux gives its ports to outgoing connections and to "port 0" from above.
2. A server ends with its test process, however that ends: a guard waits for the other end of a pipe to close. Where the
   test process has ended it itself, the guard is told so, and signals nobody: the number may be another process's.
"""

from __future__ import annotations

import random
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOWHERE = "http://127.0.0.1:9"
"""The discard port, where nobody listens."""

_STOP_SECONDS = 30
_PORTS = range(20_000, 32_768)
_reserved: list[socket.socket] = []


def free_ports(count: int) -> list[int]:
    """So many different loopback ports that nobody listens on, nor will."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(_PORTS)
        if _reserve(port):
            found.append(port)
    return found


def _reserve(port: int) -> bool:
    """Keep a port from the other tests: its name is taken, which the kernel gives once, until this process ends."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0answerable-tests-{port}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        name.close()
        return False
    _reserved.append(name)
    return True


def listens(port: int) -> bool:
    """Whether somebody listens on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def guarded(process: subprocess.Popen[bytes], home: Path) -> Iterator[None]:
    """Stop the server at the end, or when this process is gone; then its folder `home` is removed, too."""
    ending = 'kill -INT "$1"; while kill -0 "$1"; do sleep 0.1; done'
    script = f'exec >/dev/null 2>&1; read -r _ || {{ {ending}; }}; rm -rf "$2"'
    command = ["sh", "-c", script, "guard", str(process.pid), str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as guard:
        try:
            yield
        finally:
            stop(process)
            assert guard.stdin is not None
            guard.stdin.write(b"it is over\n")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a server and wait for its end. (PostgreSQL ends open connections then, and does not wait for them.)"""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
