"""Starting the carrier and the warehouse, and finding them again.

1. Their ports are chosen once for each store and kept in a file beside it, so that a run that is resumed in another
   process sends to the same origins. Their journals lie there too.
2. A service that already answers on its port is used as it is. Otherwise it is started, on that port and journal, and
   ends with the process that started it, however that ends; or later, when the last process that uses it has ended.
   Whoever uses it holds a shared lock on a file beside the store, which goes with its process.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import httpx

from answerable.errors import InvalidInput
from answerable.examples.logistics import services

SERVICES: Final = ("carrier", "warehouse")
START_SECONDS: Final = 60.0  # many times as long as it takes
POLL_SECONDS: Final = 0.02
HEALTH_SECONDS: Final = 5.0
END_SECONDS: Final = 15.0
PORTS: Final = range(10_000, 20_000)
"""A store's services come back to their ports. Linux gives outgoing calls, and who asks for any port, others above."""


def base_path(store: str) -> Path:
    """What the names of the files beside `store` (its URL) begin with.

    For a SQLite store that is its own path; for any other a name in the working directory, made from the URL.
    """
    scheme, _, rest = store.partition("://")
    if scheme.startswith("sqlite"):
        path = rest[1:].partition("?")[0]
        if path in ("", ":memory:"):
            raise InvalidInput("a store in memory has no place beside it", hint="give the store a file: sqlite:///a.db")
        return Path(path)
    return Path(f"answerable-{hashlib.sha256(store.encode()).hexdigest()[:12]}")


def journal_path(store: str, service: str) -> Path:
    """Where `service` keeps its journal, for the store with this URL."""
    base = base_path(store)
    return base.with_name(f"{base.name}.{service}.db")


@contextlib.contextmanager
def outside(store: str, *, flags: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """Both services, as long as the context lasts: service → origin (`http://127.0.0.1:PORT`).

    `flags` are added to the command line of those that are started here.

    Raises: InvalidInput if a service cannot be started, for example because its port is taken by something else.
    """
    base = base_path(store)
    lock_path = base.with_name(f"{base.name}.services.lock")
    with lock_path.open("ab") as lock, contextlib.ExitStack() as opened:
        fcntl.flock(lock, fcntl.LOCK_SH)  # waits for services that are just ending
        ports = _ports(base)
        started: list[subprocess.Popen[bytes]] = []
        opened.callback(_leave, started, lock)
        for service in SERVICES:
            journal = journal_path(store, service)
            if not _answers(service, ports[service], journal):
                program = [service, "--port", str(ports[service]), "--journal", str(journal), "--lock", str(lock_path)]
                said = opened.enter_context(tempfile.TemporaryFile())
                started.append(_start([*program, *flags], said))
                _await_answer(started[-1], said, service, ports[service], journal)
        yield {service: origin(ports[service]) for service in SERVICES}


def origin(port: int) -> str:
    """The origin of a service on this port."""
    return f"http://127.0.0.1:{port}"


def _ports(base: Path) -> dict[str, int]:
    """The ports that belong to a store; chosen and written down if they are not yet."""
    file = base.with_name(f"{base.name}.services.json")
    if not file.exists():
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        draft.write_text(json.dumps(dict(zip(SERVICES, _free_ports(len(SERVICES)), strict=True))), encoding="utf-8")
        with contextlib.suppress(FileExistsError):  # another process was faster: its ports are the store's
            os.link(draft, file)
        draft.unlink()
    try:
        ports = json.loads(file.read_text(encoding="utf-8"))
        return {service: int(ports[service]) for service in SERVICES}
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{file} does not name the services' ports", hint="remove the file") from error


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        port = random.choice(PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            found += [port] if port not in found else []
    return found


def _start(arguments: Sequence[str], said: IO[bytes]) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-P", services.__file__, *arguments, "--while-stdin"]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=said, stderr=said)


def _leave(started: Sequence[subprocess.Popen[bytes]], lock: IO[bytes]) -> None:
    """End the services that were started here, or leave them to the others who use them."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except BlockingIOError:
        alone = False
    for process in started:
        if alone:
            process.terminate()  # and so it still sends its spans
            try:
                process.communicate(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        else:
            assert process.stdin is not None
            process.stdin.close()  # from here on it ends with the last who holds the lock
            threading.Thread(target=process.wait, daemon=True).start()


def _await_answer(process: subprocess.Popen[bytes], said: IO[bytes], service: str, port: int, journal: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while not _answers(service, port, journal):
        if process.poll() is not None:
            if _answers(service, port, journal):  # another process started it at the same time
                return
            said.seek(0)
            lines = said.read().decode(errors="replace").split("\n")
            raise InvalidInput(
                f"the {service} cannot be started on port {port}: {' '.join(lines[-2:])}",
                hint="if something else uses the port, stop it; a run sends to the origin that was approved",
            )
        if time.monotonic() > until:
            raise InvalidInput(f"the {service} did not answer on port {port} within {START_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def _answers(service: str, port: int, journal: Path) -> bool:
    """Whether this service, with this journal, listens on `port`."""
    try:
        health = httpx.get(f"{origin(port)}/health", timeout=HEALTH_SECONDS, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return False
    return bool(health == {"service": service, "journal": str(journal.resolve())})
