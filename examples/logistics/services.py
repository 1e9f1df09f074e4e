"""The world outside: a carrier and a warehouse, each a process of its own with its own journal.

Run as `python services.py carrier --port 8101 --journal carrier.db`. It needs nothing but Python, for it stands for
somebody else's system.

1. It listens on loopback only. `POST /dispatches` (carrier) or `POST /releases` (warehouse) orders something,
   `GET /health` says who is there.
2. Each order has an `Idempotency-Key`. The same key with the same bytes gets the stored response again, and nothing
   happens a second time; with other bytes it is refused with 422; without a key with 400.
3. What was received (headers, exact bytes, how many times) is in the journal before the response leaves.
4. The receipt depends on the key and the order alone.
5. With `--while-stdin` it ends when its standard input does, and so never outlives the process that started it; with
   `--lock FILE` beside that, it stays for as long as another process holds a shared lock on the file.
6. Where the environment names a collector (`OTEL_EXPORTER_OTLP_ENDPOINT`) and OpenTelemetry is installed, each order
   is a span of its own, a child of the caller's. It is traced as most programs are, so a kill loses the newest spans.
7. `--misbehave` spoils the first `--times` orders, for tests: `fail` answers 500 and does nothing, `close` does what
   was ordered and closes the connection without an answer, `hang` does it and keeps the connection open in silence.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import platform
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Literal, get_args

Misbehaviour = Literal["fail", "close", "hang"]

PATHS: Final = {"carrier": "/dispatches", "warehouse": "/releases"}
LARGEST_BODY_BYTES: Final = 8 * 1024 * 1024
SEND_MILLISECONDS: Final = 200  # after a span ended, at most
FLUSH_MILLISECONDS: Final = 2000
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS received (
    key TEXT PRIMARY KEY, path TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL,
    response BLOB NOT NULL, times INTEGER NOT NULL
)
"""


@dataclass(frozen=True, kw_only=True)
class Received:
    """One order in a journal: its key, path, headers (lower-case names), bytes, response, and how often it came."""

    key: str
    path: str
    headers: dict[str, str]
    body: bytes
    response: bytes
    times: int


class OtherBytesError(Exception):
    """This key was used before, for something else."""


class Journal:
    """What a service received, in a SQLite file. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute(SCHEMA)

    def receive(self, key: str, path: str, headers: Mapping[str, str], body: bytes, response: bytes) -> bytes:
        """Write an order down, once per key, and return the response that belongs to it.

        Raises: OtherBytesError if the key was used for another path or other bytes.
        """
        with self._lock, self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            known = connection.execute("SELECT path, body, response FROM received WHERE key = ?", (key,)).fetchone()
            if known is None:
                row = (key, path, json.dumps(dict(headers)), body, response)
                connection.execute("INSERT INTO received VALUES (?, ?, ?, ?, ?, 1)", row)
                return response
            if (known[0], known[1]) != (path, body):
                raise OtherBytesError(key)
            connection.execute("UPDATE received SET times = times + 1 WHERE key = ?", (key,))
            return bytes(known[2])

    @staticmethod
    def read(path: Path) -> list[Received]:
        """All orders in a journal, in the order of their first arrival; none if there is no such file."""
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as connection:
            rows: Iterable[tuple[Any, ...]] = connection.execute("SELECT * FROM received ORDER BY rowid")
            return [
                Received(
                    key=row[0], path=row[1], headers=json.loads(row[2]), body=row[3], response=row[4], times=row[5]
                )
                for row in rows
            ]


class Traces:
    """The spans of a service; none where nobody collects them."""

    def __init__(self, service: str) -> None:
        self._tracer: Any = None
        self._provider: Any = None
        said = os.environ
        if said.get("OTEL_EXPORTER_OTLP_ENDPOINT") or said.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
            try:
                self._provider = _provider(service)
            except ImportError:
                return
            self._tracer = self._provider.get_tracer(service)

    @contextmanager
    def order(self, path: str, headers: Mapping[str, str]) -> Iterator[Any]:
        """The span of one order, below the caller's, or None."""
        if self._tracer is None:
            yield None
            return
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        lower = {name.lower(): value for name, value in headers.items()}
        about = {"http.request.method": "POST", "url.path": path}
        context = extract(lower)
        with self._tracer.start_as_current_span(f"POST {path}", context, SpanKind.SERVER, about) as span:
            yield span

    def flush(self) -> None:
        """Send what was not sent yet, for a moment at most."""
        if self._provider is not None:
            self._provider.force_flush(FLUSH_MILLISECONDS)


def _provider(service: str) -> Any:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    said = os.environ
    protocol = said.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or said.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # type: ignore[assignment]  # either will do
    # A span may end when its answer is long read. Jaeger takes that for clocks that differ, unless the machine is one.
    resource = Resource.create({"service.name": service, "host.id": platform.node()})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=SEND_MILLISECONDS))
    return provider


class Service(ThreadingHTTPServer):
    """A carrier or a warehouse on a loopback port."""

    daemon_threads = True

    def __init__(self, name: str, port: int, journal: Path, *, misbehave: Misbehaviour | None, times: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.name = name
        self.journal = Journal(journal)
        self.traces = Traces(name)
        self.journal_path = str(journal.resolve())
        self._misbehave = misbehave
        self._left = times
        self._lock = threading.Lock()

    def next_misbehaviour(self) -> Misbehaviour | None:
        """How to misbehave this time, if at all."""
        with self._lock:
            self._left -= 1
            return self._misbehave if self._left >= 0 else None


class Handler(BaseHTTPRequestHandler):
    """One connection to a service."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service
    span: Any = None  # of the order that is being taken

    def do_GET(self) -> None:
        """Say who is there."""
        if self.path == "/health":
            self._answer(200, {"service": self.server.name, "journal": self.server.journal_path})
        else:
            self._answer(404, {"error": "no such path"})

    def do_POST(self) -> None:
        """Take an order."""
        with self.server.traces.order(self.path, dict(self.headers.items())) as self.span:
            self._order()

    def _order(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            self.close_connection = True
            return self._answer(411, {"error": "an order says how long it is"})
        if int(length) > LARGEST_BODY_BYTES:
            self.close_connection = True
            return self._answer(413, {"error": f"an order has at most {LARGEST_BODY_BYTES} bytes"})
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # the sender ended in the middle of it: that is no order
            self.close_connection = True
            return None
        key = self.headers.get("Idempotency-Key", "")
        if self.path != PATHS[self.server.name]:
            return self._answer(404, {"error": "no such path"})
        if not key:
            return self._answer(400, {"error": "an order needs an Idempotency-Key"})
        try:
            receipt = json.dumps(_receipt(self.server.name, key, json.loads(body))).encode()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return self._answer(422, {"error": f"not an order: {type(error).__name__}"})
        return self._take(key, body, receipt)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives it
        """Say nothing: the journal has it."""

    def _take(self, key: str, body: bytes, receipt: bytes) -> None:
        misbehaviour = self.server.next_misbehaviour()
        if misbehaviour == "fail":
            return self._answer(500, {"error": "out of order"})
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            response = self.server.journal.receive(key, self.path, headers, body, receipt)
        except OtherBytesError:
            return self._answer(422, {"error": "this Idempotency-Key was used for another order"})
        if misbehaviour == "hang":
            self.rfile.read(1)  # until the caller gives up
        if misbehaviour is not None:
            self.close_connection = True
            return None
        return self._send(200, response)

    def _answer(self, status: int, content: Mapping[str, str]) -> None:
        self._send(status, json.dumps(content).encode())

    def _send(self, status: int, body: bytes) -> None:
        if self.span is not None:
            self.span.set_attribute("http.response.status_code", status)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _receipt(service: str, key: str, order: dict[str, Any]) -> dict[str, str | int]:
    """The receipt for one order: a reference made from its key, and the units that were taken on."""
    reference = f"{service}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if service == "carrier":
        units = sum(int(stop["units"]) for stop in order["stops"])
        return {"reference": reference, "truck": str(order["truck"]), "units": units}
    units = sum(int(pick["units"]) for pick in order["picks"])
    return {"reference": reference, "depot": str(order["depot"]), "units": units}


def _end_with_stdin(lock: Path | None, traces: Traces) -> None:
    """End this process when whoever started it is gone, and everybody else who uses it."""
    sys.stdin.buffer.read()
    if lock is not None:
        fcntl.flock(os.open(lock, os.O_RDWR), fcntl.LOCK_EX)  # held until the end: nobody finds a service that goes
    _end(traces)


def _end(traces: Traces) -> None:
    traces.flush()
    os._exit(0)


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="A carrier or a warehouse, for the logistics example.")
    parser.add_argument("service", choices=sorted(PATHS))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--misbehave", choices=get_args(Misbehaviour))
    parser.add_argument("--times", type=int, default=1, help="how many orders --misbehave spoils")
    parser.add_argument("--while-stdin", action="store_true", help="end when standard input ends")
    parser.add_argument("--lock", type=Path, help="a file that those who use it hold a shared lock on")
    options = parser.parse_args()
    service = Service(options.service, options.port, options.journal, misbehave=options.misbehave, times=options.times)
    if options.while_stdin:
        threading.Thread(target=_end_with_stdin, args=[options.lock, service.traces], daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: _end(service.traces))
    service.serve_forever()


if __name__ == "__main__":
    main()
