"""Every span of every test is held against the registry of attributes; what is wrong with one fails the test.

1. Ours are checked where they are projected and encoded, by the product itself (`answerable.tracing.spans.checked`), in
   this process and in each that it starts, and where they arrive.
2. What a span shows is not among its bytes. One that arrives must be right for some kind of span.
3. A test that makes a wrong span on purpose takes its faults away: `take_faults()`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from answerable.tracing.spans import checked
from answerable.tracing.spans.attributes import RESOURCE, Shows
from answerable.tracing.spans.span import SCOPE


def take_faults() -> list[str]:
    """What was found since the last call, by any process: "SPAN: what is wrong"."""
    file = Path(checked.FILE)
    if not file.exists():
        return []
    lines = file.read_text().splitlines()
    file.unlink()
    return ["{span}: {fault}".format(**json.loads(line)) for line in lines]


def check_arrived(body: bytes) -> None:
    """Note what is wrong with the spans of an encoded request."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return  # it holds no spans, as the receiver's answer will say
    for resource in request.resource_spans:
        about = [(one.key, attribute_value(one.value)) for one in resource.resource.attributes]
        for scope in resource.scope_spans:
            for span in scope.spans:
                pairs = [(one.key, attribute_value(one.value)) for one in span.attributes]
                if scope.scope.name == SCOPE:
                    by_kind = [list(checked.faults_of(kind, pairs, filled=True)) for kind in get_args(Shows)]
                    nearest: list[str] = min(by_kind, key=len)
                    checked.note(span.name, nearest)
                    checked.note(span.name, checked.faults_of(RESOURCE, about, filled=True))
                else:
                    checked.note(span.name, checked.faults_of_other(pairs))


def attribute_value(value: Any) -> Any:
    """The value of an attribute, as Python has it; an array is a tuple."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(attribute_value(one) for one in value.array_value.values)
    return getattr(value, kind)
