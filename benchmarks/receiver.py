"""A collector for benchmarks: a process on loopback that acknowledges OTLP requests at once, and counts when asked.

1. It has a process of its own, so that what a collector costs is not counted with what is measured.
2. A request is kept as it came. It is read by the official library when somebody asks how many spans arrived: after
   the measurement, not beside it.

As a program, `python -m benchmarks.receiver`, it prints its endpoint, and ends with its standard input.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """A running receiver. `endpoint` is what OTEL_EXPORTER_OTLP_ENDPOINT wants."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def spans(self) -> int:
        """How many spans arrived since it was asked last."""
        with urllib.request.urlopen(f"{self.endpoint}/spans") as answer:  # noqa: S310 - our own loopback address
            return int(answer.read())


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Start a receiver on a free port, and end it afterwards."""
    command = [sys.executable, "-m", "benchmarks.receiver"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield Receiver(process.stdout.readline().strip())
        finally:
            process.stdin.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open, as with a real collector
    bodies: list[bytes] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/traces":  # metrics are taken, and not counted
            self.bodies.append(body)
        self._answer(b"")

    def do_GET(self) -> None:
        counted = len(self.bodies)
        self._answer(str(sum(map(_spans, self.bodies[:counted]))).encode())
        del self.bodies[:counted]

    def _answer(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *_: object) -> None:
        return


def _spans(body: bytes) -> int:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    resources = ExportTraceServiceRequest.FromString(body).resource_spans
    return sum(len(scope.spans) for resource in resources for scope in resource.scope_spans)


def main() -> None:
    """Receive until the standard input ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
