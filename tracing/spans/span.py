"""Spans as values, and their one encoding: OTLP protobuf, one ResourceSpans for each span.

1. A span is data: ids, times and attributes are given, nothing is started or ended.
2. Equal spans have equal bytes, in every process and with every version of the libraries (see `wire.py`).
3. A span's resource tells the service (the node), its namespace (the system) and the machine.

Source: field numbers from github.com/open-telemetry/opentelemetry-proto, trace/v1, common/v1 and resource/v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from answerable.tracing.clock import Micros
from answerable.tracing.spans import attributes, checked
from answerable.tracing.spans.wire import counted, fixed64, tag, varint

Value: TypeAlias = str | int | bool | tuple[str, ...]
Pair: TypeAlias = tuple[str, Value]

SCOPE: Final = "answerable"
PROJECTION_VERSION: Final = "2"  # raised when the same records give other spans

INTERNAL: Final = 1
CLIENT: Final = 3
CONSUMER: Final = 5

INSTANT: Final = 1  # microseconds: what has no duration

UNSET: Final = 0
OK: Final = 1
ERROR: Final = 2

SAMPLED: Final = 0x01
_KNOWN_LOCAL: Final = 0x100  # "we know whether the parent is remote", and it is not
FLAGS: Final = SAMPLED | _KNOWN_LOCAL


class Origin(NamedTuple):
    """Where a span comes from: what its resource says. `host` is a machine's name, or NAME/ADDRESS."""

    system: str
    service: str
    host: str


class SpanData(NamedTuple):
    """A finished span. Times in microseconds; `parent` is 0 for none; `links` are span ids of the same trace.

    `shows` is the span's kind for us; `kind` is OpenTelemetry's.
    """

    origin: Origin
    run: str
    trace: int
    span: int
    parent: int
    name: str
    shows: attributes.Shows
    kind: int
    start: Micros
    end: Micros
    pairs: Sequence[Pair]
    links: Sequence[int] = ()
    status: int = UNSET
    message: str = ""
    elsewhere: Sequence[tuple[int, int]] = ()  # links into other traces: trace, span

    @property
    def key(self) -> str:
        """Trace id and span id, 48 hexadecimal digits."""
        return f"{self.trace:032x}{self.span:016x}"


def encode(span: SpanData) -> bytes:
    """One span as an encoded ResourceSpans."""
    if checked.FILE:
        check(span, filled=True)
    trace = span.trace.to_bytes(16, "big")
    parts = [_TRACE_ID + trace, _SPAN_ID + span.span.to_bytes(8, "big")]
    if span.parent:
        parts.append(_PARENT_ID + span.parent.to_bytes(8, "big"))
    parts.append(counted(_NAME, span.name.encode()))
    parts.append(_KINDS[span.kind])
    parts.append(_START + (span.start * 1000).to_bytes(8, "little"))
    parts.append(_END + (span.end * 1000).to_bytes(8, "little"))
    parts += [counted(_ATTRIBUTE, _pair(key, value)) for key, value in span.pairs]
    here = _LINK_TRACE + trace + _LINK_SPAN
    parts += [counted(_LINK, here + other.to_bytes(8, "big") + _LINK_FLAGS) for other in span.links]
    for other, there in span.elsewhere:
        link = _LINK_TRACE + other.to_bytes(16, "big") + _LINK_SPAN + there.to_bytes(8, "big")
        parts.append(counted(_LINK, link + _LINK_FLAGS))
    if span.status:
        parts.append(counted(_STATUS, _status(span.status, span.message)))
    parts.append(_FLAGS)
    return _resource(span.origin) + counted(_SCOPE_SPANS, _SCOPE + counted(_SPAN, b"".join(parts)))


def check(span: SpanData, *, filled: bool = False) -> None:
    """Write down what is wrong with a span, where that is asked for (see `checked`)."""
    checked.note(span.name, checked.faults_of(span.shows, span.pairs, filled=filled))
    checked.note(span.name, checked.faults_of(attributes.RESOURCE, resource_pairs(span.origin), filled=filled))


def request(encoded: Iterable[bytes]) -> bytes:
    """An ExportTraceServiceRequest of encoded ResourceSpans."""
    return b"".join([counted(_RESOURCE_SPANS, one) for one in encoded])


def resource_pairs(origin: Origin) -> list[Pair]:
    """What the resource of a span says."""
    name, _, address = origin.host.partition("/")
    said: list[Pair] = [
        (attributes.SERVICE, origin.service),
        (attributes.NAMESPACE, origin.system),
        (attributes.HOST, name),
        (attributes.IP, address or name),
    ]
    return [(key, value) for key, value in said if value]


# ResourceSpans: resource 1, scope_spans 2. ScopeSpans: scope 1, spans 2. Resource: attributes 1.
# InstrumentationScope: name 1, version 2.
_RESOURCE_SPANS: Final = tag(1)
_SCOPE_SPANS: Final = tag(2)
_SPAN: Final = tag(2)
_SCOPE: Final = counted(tag(1), counted(tag(1), SCOPE.encode()) + counted(tag(2), PROJECTION_VERSION.encode()))
# Span.
_TRACE_ID: Final = tag(1) + b"\x10"
_SPAN_ID: Final = tag(2) + b"\x08"
_PARENT_ID: Final = tag(4) + b"\x08"
_NAME: Final = tag(5)
_KINDS: Final = {kind: tag(6, 0) + varint(kind) for kind in (INTERNAL, CLIENT, CONSUMER)}
_START: Final = fixed64(7, 0)[:-8]
_END: Final = fixed64(8, 0)[:-8]
_ATTRIBUTE: Final = tag(9)
_LINK: Final = tag(13)
_STATUS: Final = tag(15)
_FLAGS: Final = tag(16, 5) + FLAGS.to_bytes(4, "little")
# Link: trace_id 1, span_id 2, flags 6.
_LINK_TRACE: Final = tag(1) + b"\x10"
_LINK_SPAN: Final = tag(2) + b"\x08"
_LINK_FLAGS: Final = tag(6, 5) + FLAGS.to_bytes(4, "little")
# KeyValue: key 1, value 2. AnyValue: string 1, bool 2, int 3, array 5. ArrayValue: values 1.
_KEYS: Final = {key: counted(tag(1), key.encode()) for key in attributes.REGISTRY}
_VALUE: Final = tag(2)
_STRING: Final = tag(1)
_BOOL: Final = tag(2, 0)
_INT: Final = tag(3, 0)
_ARRAY: Final = tag(5)
_ITEM: Final = tag(1)


def _pair(key: str, value: Value) -> bytes:
    return _KEYS[key] + counted(_VALUE, _value(value))


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return counted(_STRING, value.encode())
    if isinstance(value, bool):
        return _BOOL + varint(value)
    if isinstance(value, int):
        return _INT + varint(value)
    return counted(_ARRAY, b"".join([counted(_ITEM, counted(_STRING, item.encode())) for item in value]))


def _status(code: int, message: str) -> bytes:
    # message 2, code 3
    return (counted(tag(2), message.encode()) if message else b"") + tag(3, 0) + varint(code)


@lru_cache(maxsize=1024)
def _resource(origin: Origin) -> bytes:
    said = b"".join([counted(tag(1), _pair(key, value)) for key, value in resource_pairs(origin)])
    return counted(tag(1), said)
