"""Context: the span that a step will have is current while its function runs.

1. The step's span is made later, from its record; its id is known before. So what other libraries trace in the meantime
   becomes its child, in this process and, by `traceparent`, in the receiver of an effect.
2. Nothing is put into baggage, which would travel in outgoing headers.
3. What we send ourselves (effects, spans, metrics) is not traced by other libraries: an effect's call is a span of ours
   with a `traceparent` of its own, which an instrumented HTTP client would write over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from opentelemetry import context as otel
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from answerable.tracing.ids import span_id, trace_id

# What every instrumentation asks for. Source: opentelemetry-instrumentation, utils.py.
_SUPPRESS: Final = "suppress_instrumentation"
_KEY: Final = otel.create_key("answerable-step")


@dataclass(frozen=True, kw_only=True)
class Within:
    """The step that is running: its run, its future span, and (if the caller said so) its node and system."""

    run: str
    future: SpanContext
    node: str
    system: str


@contextmanager
def step_context(
    run: str, step: str, attempt: int, *, segment: int = 0, node: str = "", system: str = "", sampled: bool = True
) -> Iterator[None]:
    """Make the future span of a step's attempt the current one.

    `node` and `system` become the service of the spans that other libraries make in it. `sampled` says whether the run
    is projected; if it is not, those libraries need not record either.
    """
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    future = SpanContext(trace_id(run, segment), span_id(run, step, attempt), is_remote=False, trace_flags=flags)
    within = otel.set_value(_KEY, Within(run=run, future=future, node=node, system=system))
    token = otel.attach(set_span_in_context(NonRecordingSpan(future), within))
    try:
        yield
    finally:
        otel.detach(token)


def current_step(context: Context | None = None) -> Within | None:
    """The step whose function is running in this context (the current one, if none is given)."""
    found = otel.get_value(_KEY, context)
    return found if isinstance(found, Within) else None


@contextmanager
def untraced() -> Iterator[None]:
    """Keep other libraries from tracing what is sent meanwhile."""
    token = otel.attach(otel.set_value(_SUPPRESS, True))
    try:
        yield
    finally:
        otel.detach(token)


def traceparent(run: str, effect: str, attempt: int, *, segment: int = 0, sampled: bool = True) -> str:
    """The header that makes the receiver's spans children of this sending's span (W3C Trace Context)."""
    return f"00-{trace_id(run, segment):032x}-{span_id(run, effect, attempt):016x}-{'01' if sampled else '00'}"
