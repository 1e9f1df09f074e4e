"""Transports: one OTLP request, of spans or of metrics, to the collector, through the official exporters' connections.

1. The exporters read the standard environment (headers, certificates, compression, credentials) and hold the
   connection. Their retries, which end after ten seconds, are left out: the outbox tries for as long as it takes.
2. The bytes that are given are the bytes that are sent.
3. The answer is read: a collector may accept a request and reject some of its spans (`partial_success`).

The exporters offer no public way to send encoded spans, so their connections are reached through private names: here
only, and `tests/tracing/export/test_delivery.py` sends through both.

Source: opentelemetry.io/docs/specs/otlp, "Failures": 400 and INVALID_ARGUMENT mean that the data will never be taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from answerable.tracing.export.settings import Destination, ExportSettings

if TYPE_CHECKING:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

Signal = Literal["traces", "metrics"]

_GRPC_METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_OK, _BAD_REQUEST, _NOT_FOUND, _TOO_LARGE = 200, 400, 404, 413


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """The collector took the request, except for `rejected` spans or data points, for the reason `message`."""

    rejected: int
    message: str


class NotDeliveredError(Exception):
    """The collector did not take the request.

    `final` says that it never will take these bytes, `too_large` that fewer spans may do, `nobody` that there is no
    receiver for this signal.
    """

    def __init__(self, message: str, *, final: bool = False, too_large: bool = False, nobody: bool = False) -> None:
        super().__init__(message)
        self.final = final
        self.too_large = too_large
        self.nobody = nobody


class Transport(Protocol):
    """A connection to a collector. It blocks: call it from a thread."""

    def send(self, request: bytes) -> Accepted:
        """Send an encoded request of the transport's signal. Raises: NotDeliveredError."""
        ...

    def close(self) -> None: ...


def open_transport(settings: ExportSettings, signal: Signal = "traces") -> Transport:
    """A transport for a signal's endpoint and protocol in `settings`; connects when something is sent."""
    to = settings.traces if signal == "traces" else settings.metrics
    return GrpcTransport(to, signal) if to.protocol == "grpc" else HttpTransport(to, signal)


class HttpTransport:
    """OTLP over HTTP, as protobuf."""

    def __init__(self, to: Destination, signal: Signal) -> None:
        self._exporter: Any
        if signal == "traces":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            self._exporter = OTLPSpanExporter(endpoint=to.endpoint, timeout=to.timeout_seconds)
        else:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

            self._exporter = OTLPMetricExporter(endpoint=to.endpoint, timeout=to.timeout_seconds)
        self._timeout = to.timeout_seconds

    def send(self, request: bytes) -> Accepted:
        client = self._exporter._client
        answer = client._submit(client._compress(request), self._timeout)
        if answer.status_code is None:
            raise NotDeliveredError(f"no answer: {answer.error}")
        if not _OK <= answer.status_code < _OK + 100:
            raise NotDeliveredError(
                f"the collector answered {answer.status_code} {answer.reason or ''}".strip(),
                final=answer.status_code == _BAD_REQUEST,
                too_large=answer.status_code == _TOO_LARGE,
                nobody=answer.status_code == _NOT_FOUND,
            )
        return _read_answer(answer.content())

    def close(self) -> None:
        self._exporter.shutdown()


class GrpcTransport:
    """OTLP over gRPC."""

    def __init__(self, to: Destination, signal: Signal) -> None:
        self._exporter: Any
        if signal == "traces":
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

            self._exporter = OTLPSpanExporter(endpoint=to.endpoint, timeout=to.timeout_seconds)
        else:
            from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter

            self._exporter = OTLPMetricExporter(endpoint=to.endpoint, timeout=to.timeout_seconds)
        # without a serializer: bytes in, bytes out
        self._export = self._exporter._channel.unary_unary(_GRPC_METHODS[signal])
        self._timeout = to.timeout_seconds

    def send(self, request: bytes) -> Accepted:
        import grpc

        try:
            answer: bytes = self._export(request, metadata=self._exporter._headers, timeout=self._timeout)
        except grpc.RpcError as error:
            code, details = error.code(), error.details()
            raise NotDeliveredError(
                f"the collector answered {code.name}: {details}",
                final=code is grpc.StatusCode.INVALID_ARGUMENT,
                nobody=code is grpc.StatusCode.UNIMPLEMENTED,
            ) from error
        return _read_answer(answer)

    def close(self) -> None:
        self._exporter.shutdown()


def _read_answer(body: bytes) -> Accepted:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:  # a response to metrics has the same form
        answer: ExportTraceServiceResponse = ExportTraceServiceResponse.FromString(body)
    except DecodeError:  # some proxies answer 200 with a text of their own
        return Accepted(rejected=0, message="")
    partial = answer.partial_success
    return Accepted(rejected=max(0, partial.rejected_spans), message=partial.error_message)
