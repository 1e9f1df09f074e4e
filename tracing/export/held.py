"""What Jaeger says that it holds of a trace, in the two forms in which it says so.

1. `/api/v3/traces/{id}` answers with OTLP as JSON, `/api/traces/{id}` with Jaeger's older model. Both are read into the
   same values: what a span was given when it was sent.
2. The older model keeps the kind, the status and the library among the tags, under names of its own; here they are
   back in their places, and so they are in no list of attributes.
3. What is no such answer is a ValueError. Nothing is guessed.

Source: github.com/jaegertracing/jaeger, internal/uimodel/model.go, and opentelemetry-proto's JSON mapping.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from answerable.tracing.spans import attributes
from answerable.tracing.spans.span import CLIENT, CONSUMER, ERROR, INTERNAL, OK, UNSET

_KINDS: Final = {"internal": INTERNAL, "server": 2, "client": CLIENT, "producer": 4, "consumer": CONSUMER}
_STATUSES: Final = {"OK": OK, "ERROR": ERROR}
# Tags that Jaeger makes of what is no attribute, or adds for itself.
_OF_JAEGER: Final = ("otel.", "@jaeger@")  # beginnings
_OF_JAEGER_WHOLE: Final = ("span.kind", "error", "internal.span.format", "w3c.tracestate")


class HeldSpan(NamedTuple):
    """One span that Jaeger holds. Times are nanoseconds, ids hexadecimal; `links` are the span ids that it links to."""

    span: str
    parent: str
    name: str
    kind: int
    start: int
    end: int
    status: int
    message: str
    links: frozenset[str]
    library: str
    version: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]

    @property
    def service(self) -> str:
        """Its service."""
        return str(self.resource.get(attributes.SERVICE, ""))


def read_otlp(answer: Any, trace: str) -> list[HeldSpan]:
    """The spans of one trace in an answer of `/api/v3/traces/{id}`. Raises: ValueError if it is none."""
    try:
        return [span for span_trace, span in _of_otlp(answer["result"]) if span_trace == trace]
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"no traces as OTLP: {error!r}") from error


def read_older(answer: Any, trace: str) -> list[HeldSpan]:
    """The spans of one trace in an answer of `/api/traces/{id}`. Raises: ValueError if it is none."""
    try:
        return [
            _of_older(span, one["processes"])
            for one in answer["data"]
            for span in one["spans"]
            if span["traceID"].zfill(32) == trace
        ]
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"no traces of Jaeger's model: {error!r}") from error


def _of_otlp(data: Mapping[str, Any]) -> Iterator[tuple[str, HeldSpan]]:
    for resource_spans in data.get("resourceSpans", ()):
        resource = _values(resource_spans.get("resource", {}).get("attributes", ()))
        for scope_spans in resource_spans.get("scopeSpans", ()):
            scope = scope_spans.get("scope", {})
            for span in scope_spans["spans"]:
                status = span.get("status", {})
                yield (
                    span["traceId"],
                    HeldSpan(
                        span=span["spanId"],
                        parent=span.get("parentSpanId", ""),
                        name=span.get("name", ""),
                        kind=int(span.get("kind", 0)),
                        start=int(span.get("startTimeUnixNano", 0)),
                        end=int(span.get("endTimeUnixNano", 0)),
                        status=int(status.get("code", UNSET)),
                        message=status.get("message", ""),
                        links=frozenset(link["spanId"] for link in span.get("links", ())),
                        library=scope.get("name", ""),
                        version=scope.get("version", ""),
                        attributes=_without_jaegers(_values(span.get("attributes", ()))),
                        resource=resource,
                    ),
                )


def _values(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {pair["key"]: _value(pair.get("value", {})) for pair in pairs}


def _value(value: Mapping[str, Any]) -> Any:
    """A value of OTLP's JSON: 64-bit numbers are texts there."""
    for kind, said in value.items():
        if kind == "intValue":
            return int(said)
        if kind == "arrayValue":
            return [_value(one) for one in said.get("values", ())]
        return said
    return ""


def _of_older(span: Mapping[str, Any], processes: Mapping[str, Any]) -> HeldSpan:
    tags = {tag["key"]: tag["value"] for tag in span["tags"] or ()}
    process = processes[span["processID"]]
    resource = {tag["key"]: tag["value"] for tag in process.get("tags") or ()}
    parent, links = "", set()
    for reference in span["references"] or ():
        if reference["refType"] == "CHILD_OF" and not parent:
            parent = reference["spanID"]
        else:
            links.add(reference["spanID"])
    start = int(span["startTime"]) * 1000
    return HeldSpan(
        span=span["spanID"],
        parent=parent,
        name=span["operationName"],
        kind=_KINDS.get(str(tags.get("span.kind", "internal")), 0),
        start=start,
        end=start + int(span["duration"]) * 1000,
        status=ERROR if tags.get("error") is True else _STATUSES.get(str(tags.get("otel.status_code")), UNSET),
        message=str(tags.get("otel.status_description", "")),
        links=frozenset(links),
        library=str(tags.get("otel.scope.name", "")),
        version=str(tags.get("otel.scope.version", "")),
        attributes=_without_jaegers(tags),
        resource={attributes.SERVICE: process["serviceName"], **resource},
    )


def _without_jaegers(tags: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tags.items() if key not in _OF_JAEGER_WHOLE and not key.startswith(_OF_JAEGER)}


def same_value(ours: object, held: object) -> bool:
    """Whether a value is still what was sent: some storages keep every value as a text, and lists as JSON."""
    if isinstance(ours, tuple):
        if isinstance(held, str):
            try:
                held = json.loads(held)
            except ValueError:
                return False
        return isinstance(held, list) and [str(one) for one in held] == list(ours)
    return _text(ours) == _text(held)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
