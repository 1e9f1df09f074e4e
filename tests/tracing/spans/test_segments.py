"""A run that waited for longer than its system allows goes on in a new trace, which hangs together by itself."""

from __future__ import annotations

from collections import Counter

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from answerable.tracing import ids
from answerable.tracing.ledger.records.runs import RunContinued
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans.context import traceparent
from answerable.tracing.spans.history import RunHistory
from answerable.tracing.spans.projection import catch_up, follow, project_all
from answerable.tracing.spans.span import INSTANT, encode
from tests.support.story import Story
from tests.tracing.spans.test_projection import named, the, value

DAY = 86_400_000_000


def wait(story: Story, segment: int, days: int = 3) -> None:
    since = story.now
    story.now += days * DAY
    story.add(RunContinued(**story.stamp(), segment=segment, waited=story.now - since, segment_after=DAY))


def long_run() -> Story:
    """START → plan → sign-off → carrier.dispatch → report, which takes START, too; it waits for days, twice."""
    story = Story()
    story.start(segment_after=DAY)
    to_plan, to_report = story.cross("START", "plan"), story.cross("START", "report")
    story.begin("plan", "plan")
    plan = story.finish("plan", "plan", [to_plan])
    proposed = story.cross("plan", "sign-off", step=plan)
    sign_off = story.begin("sign-off", "sign-off", parent=plan)
    edge = "sign-off→carrier.dispatch.input"
    effect = story.effect_of(ids.derive(ids.CROSSING, story.run, edge, "", sign_off))
    request = story.ask("sign-off", sign_off, {"as-proposed": (effect,)})
    story.finish("sign-off", "sign-off", [proposed], role="approval")
    story.rest(request)
    wait(story, 1)
    decision = story.decide(request, "sign-off", sign_off, option="as-proposed")
    to_call = story.cross("sign-off", "carrier.dispatch", step=sign_off)
    story.begin("call", "carrier.dispatch", parent=sign_off, effect=effect)
    story.send(effect, sign_off, decision)
    story.doubt(effect, sign_off)
    story.rest()
    wait(story, 2)
    story.settle(effect, sign_off)
    story.begin("call", "carrier.dispatch", attempt=2, parent=sign_off, effect=effect)
    call = story.finish("call", "carrier.dispatch", [to_call], role="effect", parent=sign_off, attempt=2)
    receipt = story.cross("carrier.dispatch", "report", step=call)
    story.begin("report", "report", parent=call)
    report = story.finish("report", "report", [to_report, receipt], parent=call)
    story.cross("report", "END", step=report)
    story.end()
    return story


STORY = long_run()
SPANS = project_all(STORY.placed())
TRACES = [ids.trace_id(STORY.run, segment) for segment in range(3)]


def tree(segment: int) -> Counter[tuple[str, str, str]]:
    spans = [span for span in SPANS if span.trace == TRACES[segment]]
    by_id = {span.span: span.name for span in spans}
    return Counter((by_id[span.parent] if span.parent else "", span.name, span.origin.service) for span in spans)


def test_each_trace_hangs_together_by_itself() -> None:
    assert tree(0) == Counter(
        [
            ("", "invoke_workflow logistics", "logistics"),
            ("invoke_workflow logistics", "edge START → plan", "plan"),
            ("invoke_workflow logistics", "invoke_agent plan", "plan"),
            ("invoke_agent plan", "edge plan → sign-off", "sign-off"),
            ("invoke_agent plan", "approval sign-off", "sign-off"),
        ]
    )
    assert tree(1) == Counter(
        [
            ("", "invoke_workflow logistics", "logistics"),
            ("", "approval sign-off (continued)", "sign-off"),
            ("approval sign-off (continued)", "awaiting a decision", "sign-off"),
            ("approval sign-off (continued)", "paused carrier.dispatch", "carrier.dispatch"),
            ("paused carrier.dispatch", "POST", "carrier.dispatch"),
        ]
    )
    assert tree(2) == Counter(
        [
            ("", "invoke_workflow logistics", "logistics"),
            ("invoke_workflow logistics", "edge START → report", "report"),
            ("", "paused carrier.dispatch (continued)", "carrier.dispatch"),
            ("paused carrier.dispatch (continued)", "in doubt", "carrier.dispatch"),
            ("", "approval sign-off (continued)", "sign-off"),
            ("approval sign-off (continued)", "edge sign-off → carrier.dispatch", "carrier.dispatch"),
            ("approval sign-off (continued)", "effect carrier.dispatch", "carrier.dispatch"),
            ("effect carrier.dispatch", "edge carrier.dispatch → report", "report"),
            ("effect carrier.dispatch", "invoke_agent report", "report"),
            ("invoke_agent report", "edge report → END", "logistics"),
        ]
    )


def test_what_waited_begins_with_its_trace_and_says_how_long_it_waited() -> None:
    began = [one.at for one in STORY.records if isinstance(one, RunContinued)]
    for name, start, days in (("awaiting a decision", began[0], 3), ("in doubt", began[1], 3)):
        span = the(SPANS, name)
        assert span.start == start < span.end < start + DAY
        assert int(str(value(span, key.WAITED))) // DAY == days
    waited = int(str(value(the(SPANS, "edge START → report"), key.WAITED)))
    assert waited // DAY == 6
    runs = named(SPANS, "invoke_workflow logistics")
    assert [value(run, key.SEGMENT) for run in runs] == [None, 1, 2]
    assert all(span.end - span.start < DAY for span in SPANS)


def test_links_lead_from_trace_to_trace() -> None:
    there = {(span.trace, span.span): span for span in SPANS}
    assert len(there) == len(SPANS)
    first, second, third = named(SPANS, "invoke_workflow logistics")
    assert (second.elsewhere, third.elsewhere) == ([(first.trace, first.span)], [(second.trace, second.span)])
    for span in SPANS:
        for link in span.elsewhere:
            assert link[0] != span.trace
            assert there[link].start <= span.start
        assert {(span.trace, link) for link in span.links} <= set(there)
    approvals = named(SPANS, "approval sign-off (continued)")
    assert [there[link].name for span in approvals for link in span.elsewhere] == ["approval sign-off"] * 2
    assert {value(span, key.RUN) for span in SPANS} == {STORY.run}
    assert all(value(span, key.REQUEST) and span.end - span.start == INSTANT for span in approvals)


def test_the_receiver_was_given_the_trace_that_its_call_is_in() -> None:
    call = the(SPANS, "POST")
    assert traceparent(STORY.run, str(value(call, key.EFFECT)), 1, segment=1).split("-")[1:3] == [
        f"{call.trace:032x}",
        f"{call.span:016x}",
    ]


@pytest.mark.parametrize("cut", range(0, len(STORY.records), 3))
def test_a_process_that_takes_over_makes_the_same_bytes(cut: int) -> None:
    history = RunHistory(STORY.run)
    placed = STORY.placed()
    for one in placed[:cut]:
        catch_up(one, history)
    rest = [encode(span) for one in placed[cut:] for span in follow(one, history)]
    assert rest == [encode(span) for span in SPANS][len(SPANS) - len(rest) :]


def test_without_a_limit_the_same_run_is_one_trace() -> None:
    history = RunHistory(STORY.run, segments=False)
    spans = [span for one in STORY.placed() for span in follow(one, history)]
    assert {span.trace for span in spans} == {TRACES[0]}
    assert not [span for span in spans if span.shows == "continued"]
    assert len([span for span in spans if not span.parent]) == 1


def test_a_read_of_the_bytes_has_the_links() -> None:
    (read,) = ResourceSpans.FromString(encode(named(SPANS, "invoke_workflow logistics")[1])).scope_spans[0].spans
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in read.links] == [
        (f"{TRACES[0]:032x}", f"{ids.span_id(STORY.run, STORY.run):016x}")
    ]
