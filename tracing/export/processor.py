"""Other libraries' spans: those that are made within a step go the way of ours.

    provider.add_span_processor(OutboxSpanProcessor(flow))

1. Only spans that begin within a step pass; what else the program traces is the program's own business.
2. In the outbox it is in the run's trace, as a child of a span within the step, else of the step itself. Libraries that
   keep their own account of what is whose child (LangChain's instrumentations) have a trace of their own for the graph:
   there, what they make in a step stays as they made it.
3. A span is handed over when it ends, from whatever thread, and lies in the outbox a moment later. It is not in the
   ledger, so a resend leaves it out.
4. It gets the run's id, and the service of its node. What may hold a message's content is left out, unless
   `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` is true: texts of errors too, since some print values.
"""

from __future__ import annotations

import os
from typing import Final, Protocol

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanContext, Status
from opentelemetry.util.types import Attributes

from answerable.tracing.export.outbox import Outgoing
from answerable.tracing.spans import attributes, checked
from answerable.tracing.spans.context import Within, current_step

CAPTURE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

# Beginnings of keys. Source: semconv gen-ai (its opt-in attributes) and exceptions; OpenInference; OpenLLMetry.
_CONTENT: Final = (
    *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.call.arguments"),
    *("gen_ai.tool.call.result", "gen_ai.prompt", "gen_ai.completion", "exception.message", "exception.stacktrace"),
    *("input.value", "output.value", "llm.input_messages", "llm.output_messages", "llm.prompts"),
    *("traceloop.entity.input", "traceloop.entity.output"),
)


class TakesSpans(Protocol):
    """Where finished spans are handed over: a `Flow`."""

    def hand_over(self, span: Outgoing) -> None: ...


class OutboxSpanProcessor(SpanProcessor):
    """Puts the spans of other libraries, made within a step, into the outbox."""

    def __init__(self, flow: TakesSpans) -> None:
        self._flow = flow
        self._capture = os.environ.get(CAPTURE, "").strip().lower() == "true"
        self._began: dict[tuple[int, int], tuple[Within, SpanContext]] = {}  # and the parent that it is shown with

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Note a span that begins within a step, and give it the run's id."""
        within = current_step(parent_context)
        if within is not None:
            span.set_attribute(attributes.RUN, within.run)
            parent = span.parent
            inside = parent is not None and (_key(parent) in self._began or parent.trace_id == within.future.trace_id)
            self._began[_key(span.get_span_context())] = within, parent if parent and inside else within.future

    def on_end(self, span: ReadableSpan) -> None:
        """Hand a finished span over."""
        context = span.get_span_context()
        within, parent = self._began.pop(_key(context), (None, None)) if context is not None else (None, None)
        if context is None or within is None or parent is None:
            return
        if not (context.trace_flags.sampled and within.future.trace_flags.sampled):
            return
        cleaned = self._cleaned(span, within, _in_trace_of(within, context), _in_trace_of(within, parent))
        if checked.FILE:
            checked.note(span.name, checked.faults_of_other((cleaned.attributes or {}).items()))
        (encoded,) = encode_spans([cleaned]).resource_spans
        key = f"{within.future.trace_id:032x}{context.span_id:016x}"
        self._flow.hand_over(Outgoing(key, within.run, encoded.SerializeToString(), ours=False))

    def _cleaned(self, span: ReadableSpan, within: Within, context: SpanContext, parent: SpanContext) -> ReadableSpan:
        """The span in the service of its node, without what may hold content."""
        named = {attributes.SERVICE: within.node, attributes.NAMESPACE: within.system}
        return ReadableSpan(
            name=span.name,
            context=context,
            parent=parent,
            resource=span.resource.merge(Resource({key: value for key, value in named.items() if value})),
            attributes=self._allowed(span.attributes),
            events=[Event(event.name, self._allowed(event.attributes), event.timestamp) for event in span.events],
            links=span.links,
            kind=span.kind,
            status=span.status if self._capture else Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def _allowed(self, said: Attributes) -> Attributes:
        if self._capture or not said:
            return said
        return {key: value for key, value in said.items() if not key.startswith(_CONTENT)}


def _in_trace_of(within: Within, context: SpanContext) -> SpanContext:
    """The same span in the trace of the step."""
    if context.trace_id == within.future.trace_id:
        return context
    return SpanContext(within.future.trace_id, context.span_id, context.is_remote, context.trace_flags)


def _key(context: SpanContext) -> tuple[int, int]:
    return context.trace_id, context.span_id
