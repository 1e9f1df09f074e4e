"""What a Jaeger holds, asked over its query API.

1. Two forms of the API are spoken. `GET /api/traces/{id}` and `/api/dependencies` are in all versions of v2. The search
   by attributes is in `/api/traces` until v2.20, and in `/api/v3/traces` after it: which one there is, is tried once.
2. Ids are lower-case hexadecimal digits with their leading zeros. Values of attributes are text: so Jaeger compares.
3. What this client cannot read is an error, never an empty answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import httpx

_ALL = timedelta(days=3650)  # how far back is searched


@dataclass(frozen=True, kw_only=True)
class JaegerSpan:
    """A span as Jaeger holds it. Times in microseconds; `parent` is "" for none; `links` are trace and span ids."""

    trace: str
    span: str
    parent: str
    links: tuple[tuple[str, str], ...]
    service: str
    name: str
    start: int
    duration: int
    tags: Mapping[str, str]
    resource: Mapping[str, str]
    warnings: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether Jaeger shows it as an error."""
        return self.tags.get("error") == "true"


@dataclass(kw_only=True)
class Jaeger:
    """A running Jaeger: `query` is where it is asked, `otlp_http` and `otlp_grpc` are where it takes spans."""

    query: str
    otlp_http: str
    otlp_grpc: str
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30, trust_env=False))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._client.close()

    def exporting(self) -> dict[str, str]:
        """The environment in which a program of ours sends its spans here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp_http, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}

    def services(self) -> set[str]:
        """The name of every service that sent a span."""
        if self._searches_v3:
            return set(self._get("/api/v3/services")["services"] or ())
        return set(self._get("/api/services")["data"] or ())

    def dependencies(self) -> dict[tuple[str, str], int]:
        """The System Architecture page: how often a span of one service has a child in another (or in itself)."""
        lookback = int(_ALL.total_seconds() * 1000)
        ends = int(time.time() * 1000) + lookback // 2  # some tests are ahead of their time
        found = self._get("/api/dependencies", endTs=str(ends), lookback=str(lookback))["data"] or ()
        return {(one["parent"], one["child"]): one["callCount"] for one in found}

    def trace(self, trace: str | int) -> list[JaegerSpan]:
        """The spans of one trace, in the order of their starts; empty if Jaeger does not have it."""
        answer = self._client.get(f"{self.query}/api/traces/{_hex(trace)}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        (one,) = answer.raise_for_status().json()["data"]
        return sorted(
            (_span(said, one["processes"]) for said in one["spans"]), key=lambda span: (span.start, span.span)
        )

    def search(self, service: str, tags: Mapping[str, str] | None = None, *, at_most: int = 1000) -> set[str]:
        """The ids of the traces with a span of `service` that has all of these tags."""
        now = datetime.now(UTC)
        if self._searches_v3:
            return self._search_v3(service, dict(tags or {}), at_most, now)
        found = self._get(
            "/api/traces",
            service=service,
            tags=json.dumps(dict(tags or {})),
            start=_micros(now - _ALL),
            end=_micros(now + _ALL),
            limit=str(at_most),
        )
        return {_hex(one["traceID"]) for one in found["data"]}

    def _search_v3(self, service: str, tags: dict[str, str], at_most: int, now: datetime) -> set[str]:
        answer = self._client.get(
            f"{self.query}/api/v3/traces",
            params={
                "query.serviceName": service,
                "query.attributes": json.dumps(tags),
                "query.startTimeMin": (now - _ALL).isoformat().replace("+00:00", "Z"),
                "query.startTimeMax": (now + _ALL).isoformat().replace("+00:00", "Z"),
                "query.searchDepth": str(at_most),
            },
        )
        if answer.status_code == httpx.codes.NOT_FOUND:
            return set()
        resources = answer.raise_for_status().json()["result"]["resourceSpans"]
        spans = (span for one in resources for scope in one["scopeSpans"] for span in scope["spans"])
        return {_hex(span["traceId"]) for span in spans}

    @cached_property
    def _searches_v3(self) -> bool:
        answer = self._client.get(f"{self.query}/api/services")
        return "json" not in answer.headers.get("content-type", "")  # its page answers for what is not there

    def _get(self, path: str, **params: str) -> dict[str, Any]:
        answer = self._client.get(f"{self.query}{path}", params=params).raise_for_status().json()
        assert isinstance(answer, dict), answer
        assert not answer.get("errors"), answer["errors"]
        return answer


def _hex(trace: str | int) -> str:
    return f"{trace:032x}" if isinstance(trace, int) else trace.zfill(32)


def _micros(when: datetime) -> str:
    return str(int(when.timestamp() * 1_000_000))


def _span(said: dict[str, Any], processes: dict[str, Any]) -> JaegerSpan:
    """One span of the JSON of `/api/traces/{id}`: a parent is the reference CHILD_OF to a span of its own trace."""
    process = processes[said["processID"]]
    trace = _hex(said["traceID"])
    refs = [(one["refType"], _hex(one["traceID"]), one["spanID"]) for one in said["references"]]
    parents = [span for kind, of, span in refs if kind == "CHILD_OF" and of == trace]
    return JaegerSpan(
        trace=trace,
        span=said["spanID"],
        parent=parents[0] if parents else "",
        links=tuple((of, span) for kind, of, span in refs if kind == "FOLLOWS_FROM"),
        service=process["serviceName"],
        name=said["operationName"],
        start=said["startTime"],
        duration=said["duration"],
        tags=_tags(said["tags"]),
        resource=_tags(process["tags"]),
        warnings=tuple(said.get("warnings") or ()),
    )


def _tags(said: list[dict[str, Any]]) -> dict[str, str]:
    return {one["key"]: one["value"] if isinstance(one["value"], str) else json.dumps(one["value"]) for one in said}
