"""Spans as OTLP JSON: what a collector's file exporter writes and its file receiver reads.

1. It says what the encoded bytes say, no more and no less.
2. Names are in lower camel case, enumerations are numbers, ids are hexadecimal, numbers of 64 bits are text.

Source: opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from answerable.tracing.spans.span import FLAGS, PROJECTION_VERSION, SCOPE, Pair, SpanData, Value, resource_pairs


def as_request(spans: Iterable[SpanData]) -> dict[str, Any]:
    """An ExportTraceServiceRequest."""
    return {"resourceSpans": [as_resource_spans(span) for span in spans]}


def as_resource_spans(span: SpanData) -> dict[str, Any]:
    """One span as a ResourceSpans, as `encode` makes it."""
    return {
        "resource": {"attributes": _attributes(resource_pairs(span.origin))},
        "scopeSpans": [{"scope": {"name": SCOPE, "version": PROJECTION_VERSION}, "spans": [_span(span)]}],
    }


def _span(span: SpanData) -> dict[str, Any]:
    trace = f"{span.trace:032x}"
    said: dict[str, Any] = {"traceId": trace, "spanId": f"{span.span:016x}"}
    if span.parent:
        said["parentSpanId"] = f"{span.parent:016x}"
    said |= {"name": span.name, "kind": span.kind}
    said |= {"startTimeUnixNano": str(span.start * 1000), "endTimeUnixNano": str(span.end * 1000)}
    said["attributes"] = _attributes(span.pairs)
    links = [(trace, other) for other in span.links] + [(f"{far:032x}", other) for far, other in span.elsewhere]
    if links:
        said["links"] = [{"traceId": where, "spanId": f"{other:016x}", "flags": FLAGS} for where, other in links]
    if span.status:
        said["status"] = ({"message": span.message} if span.message else {}) | {"code": span.status}
    return said | {"flags": FLAGS}


def _attributes(pairs: Iterable[Pair]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in pairs]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"arrayValue": {"values": [{"stringValue": item} for item in value]}}
