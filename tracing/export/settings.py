"""Where spans are sent, from OpenTelemetry's standard environment variables.

1. Without an endpoint nothing is exported. The standard's default, localhost, is not assumed: most people have no
   collector there, and would be told of failures that they did not ask for.
2. `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER=none`, `OTEL_METRICS_EXPORTER=none` and `OTEL_TRACES_SAMPLER` thin what is
   exported, never the ledger.
3. `ANSWERABLE_OUTBOX_BYTES` is ours: how much the spans that wait may take of the store's disk.
4. Headers, certificates, compression and time limits are read by the official exporters themselves.

Source: opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables and …/protocol/exporter
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from answerable.errors import InvalidInput
from answerable.tracing.ids import trace_id

Protocol = Literal["http/protobuf", "grpc"]

_log = logging.getLogger(__name__)

LEAST_BYTES = 1_000_000  # less than a few batches would stop and go
_LOW_64_BITS = (1 << 64) - 1


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where one signal goes: `endpoint` is a full URL, or "" for nowhere; how long one request may take."""

    endpoint: str = ""
    protocol: Protocol = "http/protobuf"
    timeout_seconds: float = 10.0


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """How spans leave, and where metrics go. `ratio` is the part of runs that is exported."""

    endpoint: str = ""  # of spans, as `protocol` and `timeout_seconds` are
    protocol: Protocol = "http/protobuf"
    timeout_seconds: float = 10.0
    metrics: Destination = Destination()
    ratio: float = 1.0
    most_spans: int = 512  # of one request
    first_wait_seconds: float = 0.5  # after a failure; twice as long after each further one
    longest_wait_seconds: float = 60.0
    most_bytes: int = 1_000_000_000  # of the outbox

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> ExportSettings:
        """What the environment says. Raises: InvalidInput for a protocol, ratio, time limit or bound that is none."""
        said = os.environ if environ is None else environ
        spans, metrics = _destination(said, "TRACES"), _destination(said, "METRICS")
        return cls(
            endpoint=spans.endpoint,
            protocol=spans.protocol,
            timeout_seconds=spans.timeout_seconds,
            metrics=metrics,
            ratio=_ratio(said),
            most_bytes=_bound(said),
        )

    @property
    def shown(self) -> str:
        """The endpoint of spans without the name and password that may stand in it: what is shown or stored."""
        before, slashes, after = self.endpoint.rpartition("//")
        host, slash, path = after.partition("/")
        return f"{before}{slashes}{host.rpartition('@')[2]}{slash}{path}"

    @property
    def traces(self) -> Destination:
        """Where spans go."""
        return Destination(endpoint=self.endpoint, protocol=self.protocol, timeout_seconds=self.timeout_seconds)

    def samples(self, run: str) -> bool:
        """Whether this run is exported: all of it or nothing, and the same in every process.

        Source: TraceIdRatioBased of the OpenTelemetry SDK for Python.
        """
        return self.ratio >= 1.0 or trace_id(run) & _LOW_64_BITS < round(self.ratio * (_LOW_64_BITS + 1))


def _destination(said: Mapping[str, str], signal: Literal["TRACES", "METRICS"]) -> Destination:
    if said.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or said.get(f"OTEL_{signal}_EXPORTER") == "none":
        return Destination()
    protocol = _of(said, signal, "PROTOCOL") or "http/protobuf"
    if protocol not in ("http/protobuf", "grpc"):
        raise InvalidInput(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}", hint="http/protobuf (the default) or grpc")
    return Destination(
        endpoint=_endpoint(said, signal, protocol),
        protocol="grpc" if protocol == "grpc" else "http/protobuf",
        timeout_seconds=_seconds(_of(said, signal, "TIMEOUT") or "10", "OTEL_EXPORTER_OTLP_TIMEOUT"),
    )


def _of(said: Mapping[str, str], signal: str, name: str) -> str:
    return said.get(f"OTEL_EXPORTER_OTLP_{signal}_{name}") or said.get(f"OTEL_EXPORTER_OTLP_{name}") or ""


def _endpoint(said: Mapping[str, str], signal: str, protocol: str) -> str:
    exact = said.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "")
    base = said.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if exact or not base or protocol == "grpc":
        return exact or base
    return f"{base.removesuffix('/')}/v1/{signal.lower()}"


def _ratio(said: Mapping[str, str]) -> float:
    sampler = said.get("OTEL_TRACES_SAMPLER", "").strip().lower().removeprefix("parentbased_")
    if sampler == "always_off":
        return 0.0
    if sampler == "traceidratio":
        ratio = _number(said.get("OTEL_TRACES_SAMPLER_ARG") or "1", "OTEL_TRACES_SAMPLER_ARG")
        return min(1.0, max(0.0, ratio))
    if sampler not in ("", "always_on"):
        _log.warning("OTEL_TRACES_SAMPLER=%s is not supported: every run is exported", sampler)
    return 1.0


def _bound(said: Mapping[str, str]) -> int:
    given = said.get("ANSWERABLE_OUTBOX_BYTES", "").strip()
    if not given:
        return ExportSettings.most_bytes
    if not given.isdecimal() or int(given) < LEAST_BYTES:
        raise InvalidInput(
            f"ANSWERABLE_OUTBOX_BYTES is {given!r}", hint=f"a number of bytes, {LEAST_BYTES} or more; 1 GB has 9 zeros"
        )
    return int(given)


def _number(text: str, name: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise InvalidInput(f"{name} is {text!r}, and no number") from error
    if not isfinite(number):
        raise InvalidInput(f"{name} is {text!r}, and no finite number")
    return number


def _seconds(text: str, name: str) -> float:
    number = _number(text, name)
    if number <= 0:
        raise InvalidInput(f"{name} is {text!r}", hint="a number of seconds, more than 0")
    return number
