"""A collector that can go away: OTLP over HTTP on a fixed port, with a journal of which span came with which bytes.

What it keeps of a span is its id, how often it came and a digest of each content: an hour's spans fit in memory.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def digest(encoded: bytes) -> bytes:
    """Which bytes a span came with, in short."""
    return blake2b(encoded, digest_size=8).digest()


@dataclass
class Journal:
    """What came, by the scope (the library) that made it: span (trace and span id) → digests; and how many in all."""

    spans: dict[str, dict[str, set[bytes]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    came: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, body: bytes) -> None:
        """Write down the spans of one request."""
        request = ExportTraceServiceRequest.FromString(body)
        with self.lock:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.came[scope.scope.name] += len(scope.spans)
                    known = self.spans[scope.scope.name]
                    whole = resource.SerializeToString() if len(scope.spans) == 1 else b""
                    for span in scope.spans:
                        key = (span.trace_id + span.span_id).hex()
                        known[key].add(digest(whole or span.SerializeToString()))


_held: list[socket.socket] = []


def free_port() -> int:
    """A port of loopback that nobody listens on, and that the system gives nobody as long as this process lives."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # so that a server may have it besides
    held.bind(("127.0.0.1", 0))
    _held.append(held)
    return int(held.getsockname()[1])


@contextmanager
def collecting(journal: Journal, port: int) -> Iterator[None]:
    """Take spans on a port as long as the context lasts; then its connections break, as when a process dies."""
    connections: set[Any] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # the sender was killed in the middle of it
                self.close_connection = True
                return
            if self.path == "/v1/traces":
                journal.take(body)
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def process_request(self, request: Any, client_address: Any) -> None:
            connections.add(request)
            super().process_request(request, client_address)

        def handle_error(self, *_: object) -> None:
            return  # a sender that was killed

    server = Server(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join()
