"""OTLP JSON says what the bytes say: the official library, told how ids are written, makes one of the other."""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from answerable.tracing.spans.otlp import as_request
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import encode, request
from tests.support.story import every_kind_of_span

SPANS = project_all(every_kind_of_span())


def in_base64(value: Any) -> Any:
    """OTLP writes ids in hexadecimal, protobuf's own JSON in base64: this is the only difference between the two."""
    if isinstance(value, list):
        return [in_base64(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(one)).decode()
        if name.lower().endswith("spanid") or name == "traceId"
        else in_base64(one)
        for name, one in value.items()
    }


def test_the_official_library_reads_the_very_spans_from_it() -> None:
    said = json.loads(json.dumps(as_request(SPANS)))
    read = ParseDict(in_base64(said), ExportTraceServiceRequest())
    assert read.SerializeToString() == request(map(encode, SPANS))


def test_it_is_what_the_official_library_would_write() -> None:
    read = ExportTraceServiceRequest.FromString(request(map(encode, SPANS)))
    assert MessageToDict(read, use_integers_for_enums=True) == in_base64(as_request(SPANS))
