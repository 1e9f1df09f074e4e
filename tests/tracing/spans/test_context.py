"""While a step's function runs, other libraries' spans become its children and go the same way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.propagate import inject
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer

from answerable.tracing import ids
from answerable.tracing.export.outbox import Outgoing
from answerable.tracing.export.processor import CAPTURE, OutboxSpanProcessor
from answerable.tracing.spans.context import current_step, step_context, traceparent
from answerable.tracing.spans.span import request
from tests.support.otlp_receiver import Received, read_request

RUN, STEP = "run_" + "1" * 32, "stp_" + "2" * 32


class Box:
    """Takes spans, as a flow does."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []

    def hand_over(self, span: Outgoing) -> None:
        self.taken.append(span)

    @property
    def received(self) -> list[Received]:
        return read_request(request(span.data for span in self.taken))


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def tracer(box: Box) -> Iterator[Tracer]:
    provider = TracerProvider()
    provider.add_span_processor(OutboxSpanProcessor(box))
    yield provider.get_tracer("weather-client")
    provider.shutdown()


def test_the_current_span_is_the_one_that_the_step_will_have() -> None:
    assert current_step() is None
    with step_context(RUN, STEP, 2):
        context = trace.get_current_span().get_span_context()
        assert (context.trace_id, context.span_id) == (ids.trace_id(RUN), ids.span_id(RUN, STEP, 2))
        assert context.trace_flags.sampled
        headers: dict[str, str] = {}
        inject(headers)
        assert headers == {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-01"}
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_run_that_is_not_exported_says_so() -> None:
    with step_context(RUN, STEP, 1, sampled=False):
        assert not trace.get_current_span().get_span_context().trace_flags.sampled
    assert traceparent(RUN, "eff_1", 1, sampled=False).endswith("-00")


def test_the_header_names_the_span_of_the_sending() -> None:
    assert traceparent(RUN, "eff_1", 3) == f"00-{ids.trace_id(RUN):032x}-{ids.span_id(RUN, 'eff_1', 3):016x}-01"


def test_what_a_library_traces_in_a_step_is_its_child_in_its_service(box: Box, tracer: Tracer) -> None:
    with (
        step_context(RUN, STEP, 1, node="forecast", system="logistics"),
        tracer.start_as_current_span("GET /weather", attributes={"http.request.method": "GET"}),
    ):
        tracer.start_span("connect").end()
    inner, outer = box.received
    assert (outer.name, outer.service, outer.parent) == (
        "GET /weather",
        "forecast",
        f"{ids.span_id(RUN, STEP, 1):016x}",
    )
    assert outer.attributes["accountability.run.id"] == RUN
    assert inner.parent == outer.span
    assert {span.run for span in box.taken} == {RUN}
    assert box.taken[1].key == outer.trace + outer.span


def test_what_is_traced_outside_of_steps_is_not_ours(box: Box, tracer: Tracer) -> None:
    tracer.start_span("start-up").end()
    assert box.taken == []


def test_a_thread_hands_its_spans_over_too(box: Box, tracer: Tracer) -> None:
    def work() -> None:
        with step_context(RUN, STEP, 1):
            tracer.start_span("query").end()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [span.name for span in box.received] == ["query"]


def test_steps_side_by_side_do_not_mix(box: Box, tracer: Tracer) -> None:
    async def step(name: str) -> None:
        with step_context(RUN, name, 1, node=name):
            await asyncio.sleep(0)
            tracer.start_span(f"in {name}").end()

    async def both() -> None:
        await asyncio.gather(step("a"), step("b"))

    asyncio.run(both())
    assert {(span.name, span.service, span.parent) for span in box.received} == {
        (f"in {name}", name, f"{ids.span_id(RUN, name, 1):016x}") for name in ("a", "b")
    }


def failing(tracer: Tracer) -> None:
    with (
        step_context(RUN, STEP, 1),
        pytest.raises(ValueError, match="Jane"),
        tracer.start_as_current_span("chat", attributes={"gen_ai.input.messages": "Jane Doe", "tokens": 7}),
    ):
        raise ValueError("bad value: Jane Doe")


def test_what_may_hold_content_is_left_out(box: Box, tracer: Tracer) -> None:
    failing(tracer)
    assert b"Jane" not in box.taken[0].data
    assert box.received[0].attributes["tokens"] == 7
    assert b"ValueError" in box.taken[0].data


def test_content_is_kept_if_the_user_turned_it_on(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CAPTURE, "true")
    provider = TracerProvider()
    provider.add_span_processor(OutboxSpanProcessor(box))
    failing(provider.get_tracer("chat"))
    assert box.received[0].attributes["gen_ai.input.messages"] == "Jane Doe"
    provider.shutdown()


def test_nothing_travels_in_baggage() -> None:
    with step_context(RUN, STEP, 1):
        headers = httpx.Headers()
        inject(headers)
    assert list(headers) == ["traceparent"]
