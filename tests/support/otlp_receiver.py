"""A real OTLP receiver on loopback, over HTTP or gRPC, that keeps a journal of what it got.

It can be told to answer with an error, to accept only a part, to hang, and it can be stopped and started again on its
port. As a program, `python -m tests.support.otlp_receiver FILE`, it prints its endpoint, and when its input ends it
writes one line of JSON for each span.
"""

from __future__ import annotations

import gzip
import json
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.spans import attribute_value, check_arrived

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass(frozen=True)
class Received:
    """One span as it came: its bytes with its resource, and what a test looks at."""

    data: bytes
    name: str
    service: str
    trace: str
    span: str
    parent: str
    attributes: dict[str, Any]


@dataclass
class Journal:
    """What was received, and how to answer. Used by several threads."""

    requests: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    refused: int = 0
    status: int = 200  # or an HTTP error; over gRPC 400 is INVALID_ARGUMENT and the rest UNAVAILABLE
    rejects: int = 0  # spans of each request
    hangs: threading.Event | None = None  # answers when it is set
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def spans(self) -> list[Received]:
        """Every span of every accepted request, in the order of arrival."""
        with self.lock:
            return [span for body in self.requests for span in read_request(body)]

    def take(self, body: bytes, headers: dict[str, str]) -> tuple[int, ExportTraceServiceResponse]:
        """Answer one request."""
        if self.hangs is not None:
            self.hangs.wait()
        with self.lock:
            if self.status != 200:
                self.refused += 1
                return self.status, ExportTraceServiceResponse()
            self.requests.append(body)
            self.headers.append(headers)
        check_arrived(body)
        partial = ExportTracePartialSuccess(
            rejected_spans=self.rejects, error_message="too old" if self.rejects else ""
        )
        return 200, ExportTraceServiceResponse(partial_success=partial)


def read_request(body: bytes) -> list[Received]:
    """The spans of an encoded request."""
    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = next(
            (one.value.string_value for one in resource.resource.attributes if one.key == "service.name"), ""
        )
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = {one.key: attribute_value(one.value) for one in span.attributes}
                found.append(
                    Received(
                        data=resource.SerializeToString(),
                        name=span.name,
                        service=service,
                        trace=span.trace_id.hex(),
                        span=span.span_id.hex(),
                        parent=span.parent_span_id.hex(),
                        attributes=attributes,
                    )
                )
    return found


@contextmanager
def http_receiver(journal: Journal, port: int = 0) -> Iterator[str]:
    """Receive over HTTP; gives the endpoint's URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            status, answer = (
                (404, ExportTraceServiceResponse()) if self.path != "/v1/traces" else journal.take(body, headers)
            )
            data = answer.SerializeToString()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def process_request(self, request: Any, client_address: Any) -> None:
            connections.add(request)
            super().process_request(request, client_address)

    connections: set[Any] = set()
    server = Server(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    finally:
        server.shutdown()
        server.server_close()
        for connection in connections:  # as when the process dies: connections that are kept alive end, too
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def grpc_receiver(journal: Journal, port: int = 0) -> Iterator[str]:
    """Receive over gRPC; gives the endpoint's URL."""

    def export(body: bytes, context: Any) -> bytes:
        headers = {str(name): str(value) for name, value in context.invocation_metadata()}
        status, answer = journal.take(body, headers)
        if status != 200:
            code = grpc.StatusCode.INVALID_ARGUMENT if status == 400 else grpc.StatusCode.UNAVAILABLE
            context.abort(code, f"told to answer {status}")
        data: bytes = answer.SerializeToString()
        return data

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
        def service(self, details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(export) if details.method == _METHOD else None

    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Handler(),))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"http://127.0.0.1:{bound}"
    finally:
        server.stop(grace=None).wait()


def main(file: str) -> None:
    """Receive over HTTP until the standard input ends, and write a line for each span."""
    journal = Journal()
    with http_receiver(journal) as endpoint:
        sys.stdout.write(endpoint + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    with Path(file).open("w") as out:
        for span in journal.spans:
            said = {"name": span.name, "service": span.service, "trace": span.trace, "span": span.span}
            out.write(json.dumps({**said, "parent": span.parent, "attributes": span.attributes}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
