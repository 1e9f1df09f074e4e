"""A real OTLP receiver on loopback, over HTTP or gRPC, that keeps a journal of what it got.

It can be told to answer with an error, to accept only a part, to hang, to break off in the middle of an answer, and
each of them in turns; it can be stopped and started again on its port. As a program, `python -m
tests.support.otlp_receiver FILE`, it prints its endpoint, and when its input ends it writes one line of JSON for each
span.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.spans import attribute_value, check_arrived

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

Trouble = Literal["", "error", "lost", "cut", "hang"]
"""What happens to one request: nothing; a 503; the connection breaks before it is taken, or after it was, in the middle
of the answer; it is taken, and answered when the caller has given up."""
HANGS_SECONDS: Final = 0.3  # longer than a caller in these tests waits
TROUBLES: Final[tuple[Trouble, ...]] = ("", "error", "lost", "cut", "hang")


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


class Answer(NamedTuple):
    """What is answered; `breaks` says how many bytes of it are sent before the connection is reset."""

    status: int
    body: bytes = b""
    breaks: int | None = None


@dataclass
class Journal:
    """What was received, and how to answer. Used by several threads."""

    requests: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    refused: int = 0
    status: int = 200  # or an HTTP error; over gRPC 400 is INVALID_ARGUMENT and the rest UNAVAILABLE
    rejects: int = 0  # spans of each request
    hangs: threading.Event | None = None  # answers when it is set
    trouble: Callable[[], Trouble] = lambda: ""  # asked at each request
    metrics: list[bytes] | None = None  # requests with metrics, where they are taken
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def spans(self) -> list[Received]:
        """Every span of every accepted request, in the order of arrival."""
        with self.lock:
            return [span for body in self.requests for span in read_request(body)]

    def take(self, body: bytes, headers: dict[str, str]) -> Answer:
        """Answer one request with spans."""
        if self.hangs is not None:
            self.hangs.wait()
        with self.lock:
            trouble = self.trouble()
            if self.status != 200 or trouble in ("error", "lost"):
                self.refused += 1
                return Answer(503 if trouble else self.status, breaks=0 if trouble == "lost" else None)
            self.requests.append(body)
            self.headers.append(headers)
        check_arrived(body)
        if trouble == "hang":
            time.sleep(HANGS_SECONDS)
        partial = ExportTracePartialSuccess(
            rejected_spans=self.rejects, error_message="too old" if self.rejects else ""
        )
        said = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        return Answer(200, said, breaks=20 if trouble == "cut" else None)

    def take_metrics(self, body: bytes) -> Answer:
        """Answer one request with metrics; 404 where there is no receiver for them."""
        with self.lock:
            if self.metrics is None:
                return Answer(404)
            self.metrics.append(body)
        return Answer(self.status)


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
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:  # the sender was killed in the middle of it
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/metrics":
                answer = journal.take_metrics(body)
            else:
                answer = journal.take(body, headers) if self.path == "/v1/traces" else Answer(404)
            head = f"HTTP/1.1 {answer.status} as told\r\nContent-Type: application/x-protobuf\r\n"
            data = f"{head}Content-Length: {len(answer.body)}\r\n\r\n".encode() + answer.body
            with suppress(OSError):  # who asked was killed, or has given up
                self.connection.sendall(data[: answer.breaks])
                if answer.breaks is not None:  # closing sends a reset
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def process_request(self, request: Any, client_address: Any) -> None:
            connections.add(request)
            super().process_request(request, client_address)

        def shutdown_request(self, request: Any) -> None:
            request.close()  # without a farewell before it: what is to be reset is

        def handle_error(self, request: Any, client_address: Any) -> None:
            connections.discard(request)  # a caller that was killed is no error

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
        return respond(journal.take(body, headers), context)

    def export_metrics(body: bytes, context: Any) -> bytes:
        return respond(journal.take_metrics(body), context)

    def respond(answer: Answer, context: Any) -> bytes:
        if answer.status != 200 or answer.breaks is not None:
            codes = {400: grpc.StatusCode.INVALID_ARGUMENT, 404: grpc.StatusCode.UNIMPLEMENTED}
            context.abort(codes.get(answer.status, grpc.StatusCode.UNAVAILABLE), f"told to answer {answer.status}")
        return answer.body

    methods = {_METHOD: export, _METRICS: export_metrics}

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
        def service(self, details: Any) -> Any:
            found = methods.get(details.method)
            return None if found is None else grpc.unary_unary_rpc_method_handler(found)

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
