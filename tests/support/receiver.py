"""A receiver of effects, as a process of its own with an SQLite journal: `python receiver.py JOURNAL`.

1. What stands before `/parcels` in a path is the *place*: every test has one, so that one process serves them all.
2. A place that begins with `honours` does what is asked once for each `Idempotency-Key`, and answers the same again;
   with other bytes it refuses. One that begins with `forgets` does it at each arrival.
3. An arrival is in the journal before the answer leaves, with the microsecond at which it came.
4. A place can be held: what arrives there is journalled and not answered until it is released. What came to one can be
   forgotten.
5. `GET …/parcels/NUMBER` says what became of a parcel: 404 if it never came.
6. The first line that it prints is its port; it ends when its standard input does.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS arrived (
    id INTEGER PRIMARY KEY, place TEXT, path TEXT, key TEXT, headers TEXT, body BLOB, at INTEGER, happened INTEGER
)
"""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One call as it came: `happened` says whether it changed anything here. `at` in microseconds."""

    path: str
    key: str
    headers: dict[str, str]
    body: bytes
    at: int
    happened: bool


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """A running receiver."""

    port: int
    journal: Path

    def origin(self, place: str) -> str:
        return f"http://127.0.0.1:{self.port}/{place}"

    def arrivals(self, place: str) -> list[Arrival]:
        """Everything that came to a place, in order."""
        with closing(sqlite3.connect(self.journal)) as connection:
            rows: list[tuple[Any, ...]] = connection.execute(
                "SELECT path, key, headers, body, at, happened FROM arrived WHERE place = ? ORDER BY id", (place,)
            ).fetchall()
        return [
            Arrival(path=path, key=key, headers=json.loads(headers), body=body, at=at, happened=bool(happened))
            for path, key, headers, body, at, happened in rows
        ]

    def hold(self, place: str) -> None:
        """Answer nothing at a place until it is released."""
        self._control("hold", place)

    def release(self, place: str) -> None:
        """Answer what was held, and what comes from now on."""
        self._control("release", place)

    def forget(self, place: str) -> None:
        """Have it that nothing came to a place."""
        self._control("forget", place)

    def _control(self, verb: str, place: str) -> None:
        with closing(HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.request("PUT", f"/{verb}/{place}")
            assert connection.getresponse().status == 204


@contextmanager
def receiving(folder: Path) -> Iterator[Receiver]:
    """A receiver that runs as long as the context, with its journal in `folder`."""
    journal = folder / "receiver.db"
    command = [sys.executable, "-P", __file__, str(journal)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        yield Receiver(port=int(process.stdout.readline()), journal=journal)
        process.stdin.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, journal: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.connection = sqlite3.connect(journal, check_same_thread=False, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = OFF")  # this process is not the one that is killed
        self.connection.execute(_SCHEMA)
        self.open: dict[str, threading.Event] = defaultdict(_open)

    def receive(self, place: str, path: str, key: str, headers: dict[str, str], body: bytes) -> bool:
        """Write an arrival down; False if its key was used for something else."""
        with self.lock:
            known = self.connection.execute(
                "SELECT path, body FROM arrived WHERE place = ? AND key = ? ORDER BY id", (place, key)
            ).fetchone()
            if place.startswith("honours") and known is not None and known != (path, body):
                return False
            happened = known is None or place.startswith("forgets")
            row = (place, path, key, json.dumps(headers), body, time.time_ns() // 1000, int(happened))
            self.connection.execute("INSERT INTO arrived VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row)
            return True

    def forget(self, place: str) -> None:
        """Take everything that came to a place out of the journal."""
        with self.lock:
            self.connection.execute("DELETE FROM arrived WHERE place = ?", (place,))

    def find(self, place: str, number: int) -> str | None:
        """The key with which a parcel came."""
        with self.lock:
            rows = self.connection.execute("SELECT body, key FROM arrived WHERE place = ?", (place,)).fetchall()
        return next((key for body, key in rows if json.loads(body)["number"] == number), None)


def reference(key: str) -> str:
    """What is answered to a call with this key."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def _open() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_PUT(self) -> None:
        _, verb, place = self.path.split("/", 2)
        if verb == "forget":
            self.server.forget(place)
        else:
            event = self.server.open[place]
            event.clear() if verb == "hold" else event.set()
        self._answer(204, b"")

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the sender was killed in the middle of it: nothing came
            self.close_connection = True
            return None
        place, _, path = self.path.removeprefix("/").partition("/")
        key = self.headers.get("Idempotency-Key", "")
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not self.server.receive(place, f"/{path}", key, headers, body):
            return self._answer(422, b"{}")
        self.server.open[place].wait()
        return self._answer(200, json.dumps({"reference": reference(key)}).encode())

    def do_GET(self) -> None:
        place, _, path = self.path.removeprefix("/").partition("/")
        key = self.server.find(place, int(path.rpartition("/")[2]))
        self._answer(404, b"{}") if key is None else self._answer(
            200, json.dumps({"reference": reference(key)}).encode()
        )

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        """Say nothing: the journal has it."""

    def _answer(self, status: int, body: bytes) -> None:
        try:
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # who asked was killed
            self.close_connection = True


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    server = _Server(sys.argv[1])
    print(server.server_port, flush=True)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a caller that was killed is no error
    server.serve_forever()


if __name__ == "__main__":
    main()
