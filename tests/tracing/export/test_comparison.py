"""What Jaeger holds against what the ledger says: the pure part. `tests/real/test_traces_verify.py` asks a real one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from answerable.tracing.export.comparison import Expected, Finding, TracesReport, compare, differences
from answerable.tracing.export.held import HeldSpan, read_older, read_otlp, same_value
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import PROJECTION_VERSION, SCOPE, SpanData, encode, request
from tests.support.story import whole_run

SPANS = project_all(whole_run().placed())
RUN = SPANS[0].run
TRACE = f"{SPANS[0].trace:032x}"
Answer = dict[str, Any]


def answered(spans: Iterable[SpanData]) -> Answer:
    """The answer of `/api/v3/traces/{id}` that holds these spans."""
    said = MessageToDict(ExportTraceServiceRequest.FromString(request(encode(span) for span in spans)))
    for span in spans_of(said):
        for where in (span, *span.get("links", ())):
            for key in {"traceId", "spanId", "parentSpanId"} & where.keys():
                where[key] = base64.b64decode(where[key]).hex()
    # protobuf writes enums by name, OTLP's JSON by number
    text = json.dumps({"result": said})
    for name, number in (("INTERNAL", 1), ("CLIENT", 3), ("CONSUMER", 5)):
        text = text.replace(f'"SPAN_KIND_{name}"', str(number))
    answer: Answer = json.loads(text.replace('"STATUS_CODE_OK"', "1").replace('"STATUS_CODE_ERROR"', "2"))
    return answer


def spans_of(said: Answer) -> list[Answer]:
    return [span for one in said["resourceSpans"] for scope in one["scopeSpans"] for span in scope["spans"]]


def expecting(waiting: Iterable[SpanData] = (), rejected: Iterable[SpanData] = ()) -> Expected:
    return Expected(RUN, SPANS, frozenset(span.key for span in waiting), {span.key: "too old" for span in rejected})


def compared(answer: Answer, expected: Expected | None = None) -> TracesReport:
    return compare(expected or expecting(), {TRACE: read_otlp(answer, TRACE)})


def test_a_jaeger_that_holds_every_span_agrees() -> None:
    report = compared(answered(SPANS))
    assert report.agrees and report == TracesReport(run=RUN, expected=len(SPANS), held=len(SPANS))


def test_a_copy_that_is_alike_is_the_same_span() -> None:
    assert compared(answered([*SPANS, *SPANS])) == compared(answered(SPANS))


def test_a_span_that_never_came_is_missing_and_one_on_its_way_is_not() -> None:
    report = compared(answered(SPANS[3:]), expecting(waiting=SPANS[:1], rejected=SPANS[1:2]))
    assert (report.expected, report.held, report.waiting) == (len(SPANS), len(SPANS) - 3, 1)
    assert [finding.what for finding in report.rejected] == ["too old"]
    assert [(finding.span, finding.name) for finding in report.missing] == [(f"{SPANS[2].span:016x}", SPANS[2].name)]
    assert not report.agrees and not report.forgotten


def test_a_trace_that_is_gone_is_forgotten_and_one_that_waits_is_not() -> None:
    nothing: Answer = {"result": {}}
    assert compared(nothing).forgotten == [TRACE]
    assert not compared(nothing, expecting(waiting=SPANS)).forgotten
    assert compared(nothing, expecting(waiting=SPANS)).agrees


def test_what_was_recorded_while_jaeger_was_asked_is_neither_unknown_nor_missing() -> None:
    before = Expected(RUN, SPANS[:-2], frozenset({SPANS[0].key}), {})
    assert [one.span for one in compared(answered(SPANS), before).unknown] == [f"{one.span:016x}" for one in SPANS[-2:]]
    both = before.and_then(expecting())
    assert compared(answered(SPANS), both).held == len(SPANS)
    report = compared(answered(SPANS[1:-1]), both)
    assert report.agrees and report.waiting == 2
    (missing,) = compared(answered([SPANS[0], *SPANS[2:]]), both).missing
    assert missing.span == f"{SPANS[1].span:016x}", "what was there before, and had left, is missing all the same"


ALTERED: dict[str, tuple[Callable[[Answer], object], str]] = {
    "name": (lambda span: span.update(name="nothing of note"), "name is 'nothing of note'"),
    "parent": (lambda span: span.update(parentSpanId="00000000000000ff"), "parent is '00000000000000ff'"),
    "root": (lambda span: span.pop("parentSpanId"), "parent is ''"),
    "start": (lambda span: span.update(startTimeUnixNano=str(int(span["startTimeUnixNano"]) + 1)), "start is"),
    "end": (lambda span: span.update(endTimeUnixNano="1"), "end is 1"),
    "kind": (lambda span: span.update(kind=2), "kind is 2"),
    "status": (lambda span: span.update(status={"code": 2, "message": "no"}), "status is 2"),
    "links": (lambda span: span.update(links=[]), "its links differ"),
    "attribute": (lambda span: span["attributes"][0]["value"].update(stringValue="prs_x"), "responsible.id is 'prs_x'"),
    "attribute gone": (lambda span: span["attributes"].pop(0), "responsible.id is gone"),
    "attribute added": (
        lambda span: span["attributes"].append({"key": "excuse", "value": {"stringValue": "x"}}),
        "excuse was added",
    ),
}


def alter(answer: Answer, number: int, change: Callable[[Answer], object]) -> Answer:
    altered = deepcopy(answer)
    change(spans_of(altered["result"])[number])
    return altered


def a_step() -> int:
    """The place of a span that has a parent and links."""
    return next(place for place, span in enumerate(SPANS) if span.links and span.parent)


@pytest.mark.parametrize("what", ALTERED)
def test_whatever_is_altered_of_a_span_is_found(what: str) -> None:
    change, said = ALTERED[what]
    report = compared(alter(answered(SPANS), a_step(), change))
    (finding,) = report.changed
    assert said in finding.what and finding.span == f"{SPANS[a_step()].span:016x}"
    assert (report.held, report.agrees) == (len(SPANS) - 1, False)


def test_another_service_or_library_is_found() -> None:
    for path, said in (("resource", "service.name"), ("scope", "library is")):
        answer = answered(SPANS)
        first = answer["result"]["resourceSpans"][0]
        if path == "resource":
            first["resource"]["attributes"][0]["value"]["stringValue"] = "elsewhere"
        else:
            first["scopeSpans"][0]["scope"]["version"] = "0"
        (finding,) = compared(answer).changed
        assert said in finding.what


def test_two_copies_that_differ_are_found_whichever_comes_first() -> None:
    right = answered(SPANS)
    wrong = alter(answered(SPANS[4:5]), 0, ALTERED["name"][0])["result"]["resourceSpans"]
    for copies in ([*right["result"]["resourceSpans"], *wrong], [*wrong, *right["result"]["resourceSpans"]]):
        report = compared({"result": {"resourceSpans": copies}})
        assert [finding.span for finding in report.twice] == [f"{SPANS[4].span:016x}"]
        assert not report.changed and not report.unknown and not report.agrees


def test_a_second_copy_under_another_name_is_the_same_span() -> None:
    answer = answered([*SPANS, SPANS[4]])
    twin = spans_of(answer["result"])[-1]
    twin.update(spanId=twin["spanId"] + "_1", name="a twin")
    assert [finding.name for finding in compared(answer).twice] == [SPANS[4].name]


def test_what_calls_itself_ours_is_unknown_and_others_are_counted() -> None:
    answer = answered([*SPANS, SPANS[0]._replace(span=7), SPANS[1]._replace(span=8), SPANS[1]._replace(span=9)])
    *_, stranger, first, second = answer["result"]["resourceSpans"]
    stranger["scopeSpans"][0]["spans"][0]["name"] = "who is this"
    first["scopeSpans"][0]["scope"]["name"] = second["scopeSpans"][0]["scope"]["name"] = "httpx"
    report = compared(answer)
    assert report.unknown == [Finding("0000000000000007", "who is this", SPANS[0].origin.service)]
    assert report.foreign == {(SPANS[1].origin.service, "httpx"): 2}
    assert not report.agrees
    report.unknown.clear()
    assert report.agrees, "others' spans are no fault"


def older(span: SpanData) -> Answer:
    """A span in the form of `/api/traces/{id}`: our values as its tags, its parent and links as references."""
    kinds = {1: "internal", 3: "client", 5: "consumer"}
    tags: list[Answer] = [
        {"key": key, "value": json.dumps(value) if isinstance(value, tuple) else value} for key, value in span.pairs
    ]
    tags += [{"key": "otel.scope.name", "value": SCOPE}, {"key": "otel.scope.version", "value": PROJECTION_VERSION}]
    tags.append({"key": "span.kind", "value": kinds[span.kind]})
    if span.status == 2:
        tags += [{"key": "error", "value": True}, {"key": "otel.status_description", "value": span.message}]
    elif span.status:
        tags.append({"key": "otel.status_code", "value": "OK"})
    references = [{"refType": "CHILD_OF", "spanID": f"{span.parent:016x}"}] if span.parent else []
    references += [{"refType": "FOLLOWS_FROM", "spanID": f"{link:016x}"} for link in span.links]
    return {
        "traceID": TRACE.lstrip("0"),
        "spanID": f"{span.span:016x}",
        "operationName": span.name,
        "references": references,
        "startTime": span.start,
        "duration": span.end - span.start,
        "tags": tags,
        "processID": f"p{span.span}",
    }


def test_the_older_form_says_the_same() -> None:
    newer = read_otlp(answered(SPANS), TRACE)
    processes = {
        f"p{span.span}": {
            "serviceName": span.origin.service,
            "tags": [{"key": key, "value": value} for key, value in held.resource.items() if key != "service.name"],
        }
        for span, held in zip(SPANS, newer, strict=True)
    }
    answer = {"data": [{"spans": [older(span) for span in SPANS], "processes": processes}]}
    for span, held in zip(SPANS, read_older(answer, TRACE), strict=True):
        assert list(differences(span, held)) == []


def test_values_are_the_same_as_texts_too() -> None:
    assert same_value(("a", "b"), '["a","b"]') and same_value(("a",), ["a"]) and same_value((), [])
    assert same_value(7, "7") and same_value(True, "true") and same_value("x", "x")
    for ours, held in ((("a",), "a"), (("a",), ["b"]), (("a",), '["a","a"]'), (7, 8), (True, False), ("x", "X")):
        assert not same_value(ours, held)


@pytest.mark.parametrize("answer", [{}, {"result": 5}, {"result": {"resourceSpans": [{"scopeSpans": [{}]}]}}, [1], "x"])
def test_what_is_no_answer_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match="no traces"):
        read_otlp(answer, TRACE)


@pytest.mark.parametrize("answer", [{}, {"data": [{}]}, {"data": [{"spans": [{}], "processes": {}}]}, None])
def test_what_is_no_older_answer_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError, match="no traces"):
        read_older(answer, TRACE)


def test_spans_of_another_trace_are_left_out() -> None:
    held: list[HeldSpan] = read_otlp(answered([SPANS[0]._replace(trace=5), SPANS[0]]), TRACE)
    assert [span.span for span in held] == [f"{SPANS[0].span:016x}"]
