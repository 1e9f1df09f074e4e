"""What a run's records look like as spans: the layout, invariant 1 (one span for each crossing) and invariant 7."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from answerable.tracing import ids
from answerable.tracing.ledger.records.deciding import RequestWithdrawn
from answerable.tracing.ledger.records.effects import EffectRefused
from answerable.tracing.ledger.records.runs import RunReopened
from answerable.tracing.ledger.records.steps import Crossed, GatherClosed, UndeclaredEgress
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans.history import RunHistory
from answerable.tracing.spans.projection import project_all, span_count
from answerable.tracing.spans.span import CLIENT, CONSUMER, ERROR, INSTANT, OK, UNSET, SpanData, encode
from tests.support.story import DESK, LEAD, RI, SYSTEM, Story, whole_run


def spans_of(story: Story) -> list[SpanData]:
    return project_all(story.placed())


def named(spans: list[SpanData], name: str) -> list[SpanData]:
    return [span for span in spans if span.name == name]


def the(spans: list[SpanData], name: str) -> SpanData:
    (span,) = named(spans, name)
    return span


def value(span: SpanData, wanted: str) -> object:
    return dict(span.pairs).get(wanted)


def test_the_layout_of_a_run() -> None:
    spans = spans_of(whole_run())
    by_id = {span.span: span for span in spans}
    tree = Counter((by_id[span.parent].name if span.parent else "", span.name, span.origin.service) for span in spans)
    assert tree == Counter(
        {
            ("", "invoke_workflow logistics", "logistics"): 1,
            ("invoke_workflow logistics", "edge START → forecast", "forecast"): 1,
            ("invoke_workflow logistics", "edge START → plan", "plan"): 1,
            ("invoke_workflow logistics", "unfinished forecast", "forecast"): 1,
            ("invoke_workflow logistics", "invoke_agent forecast", "forecast"): 1,
            ("invoke_agent forecast", "edge forecast → plan", "plan"): 1,
            ("invoke_agent forecast", "invoke_agent plan", "plan"): 2,  # the loop: siblings, not children
            ("invoke_agent plan", "edge plan → review", "review"): 1,
            ("invoke_agent plan", "invoke_agent review", "review"): 1,
            ("invoke_agent review", "edge review → plan", "plan"): 1,
            ("invoke_agent plan", "edge plan → sign-off", "sign-off"): 1,
            ("invoke_agent plan", "edge plan → archive", "archive"): 1,
            ("invoke_agent plan", "approval sign-off", "sign-off"): 1,
            ("approval sign-off", "awaiting a decision", "sign-off"): 1,
            ("approval sign-off", "edge sign-off → carrier.dispatch", "carrier.dispatch"): 3,
            ("approval sign-off", "withdrawn carrier.dispatch", "sign-off"): 1,  # its edge was not crossed
            ("approval sign-off", "effect carrier.dispatch", "carrier.dispatch"): 3,
            ("approval sign-off", "paused carrier.dispatch", "carrier.dispatch"): 1,
            ("effect carrier.dispatch", "POST", "carrier.dispatch"): 3,
            ("paused carrier.dispatch", "POST", "carrier.dispatch"): 1,
            ("paused carrier.dispatch", "in doubt", "carrier.dispatch"): 1,
            ("effect carrier.dispatch", "edge carrier.dispatch → report", "report"): 3,
            ("effect carrier.dispatch", "invoke_agent report", "report"): 1,
            ("invoke_agent report", "edge report → END", "logistics"): 1,
            ("invoke_workflow logistics", "run done", "logistics"): 1,
        }
    )


def test_every_crossing_is_one_span_and_no_other_edge_has_one() -> None:
    story = whole_run()
    crossed = Counter(record.crossing for record in story.records if isinstance(record, Crossed))
    edges = Counter(value(span, key.CROSSING) for span in spans_of(story) if span.name.startswith("edge "))
    assert edges == crossed
    assert set(crossed.values()) == {1}


def test_every_span_has_its_own_id_a_real_parent_and_earlier_links() -> None:
    spans = spans_of(whole_run())
    by_id = {span.span: span for span in spans}
    assert len(by_id) == len(spans)
    for span in spans:
        assert span.parent == 0 or by_id[span.parent].start <= span.start
        assert span.start < span.end
        assert all(by_id[link].start <= span.start for link in span.links)
        assert span.trace == ids.trace_id(span.run)
    assert [span.name for span in spans if not span.parent] == ["invoke_workflow logistics"]


def test_an_edge_lasts_from_sent_to_picked_up_and_says_what_crossed() -> None:
    story = whole_run()
    spans = spans_of(story)
    edge, step = the(spans, "edge forecast → plan"), named(spans, "invoke_agent plan")[0]
    crossed = next(record for record in story.records if isinstance(record, Crossed) and record.source == "forecast")
    assert (edge.start, edge.end, edge.kind) == (crossed.at, step.start, CONSUMER)
    assert edge.span in step.links
    assert len(step.links) == 2
    assert value(edge, key.EDGE) == crossed.edge
    assert value(edge, key.EDGE_CARRIES) == "Plan"
    assert value(edge, key.EDGE_PURPOSE) == "why plan needs it"
    assert value(edge, key.EDGE_LEFTOVER) is None
    assert value(the(spans, "edge review → plan"), key.EDGE_CONDITION) == "needs_work"
    tiers = '{"medical":{"served":20,"unserved":20},"retail":{"served":80,"unserved":0}}'
    assert value(the(spans, "edge plan → sign-off"), key.TIERS) == tiers


def test_what_nobody_took_is_marked_when_the_run_ends_and_the_result_is_not() -> None:
    story = whole_run()
    spans = spans_of(story)
    assert value(the(spans, "edge plan → archive"), key.EDGE_LEFTOVER) is True
    assert value(the(spans, "edge report → END"), key.EDGE_LEFTOVER) is None
    assert the(spans, "edge plan → archive").end == story.records[-1].at


def test_the_run_is_short_and_tells_who_started_it() -> None:
    story = whole_run()
    run = the(spans_of(story), f"invoke_workflow {SYSTEM}")
    rested = next(record for record in story.records if record.__class__.__name__ == "RunRested")
    assert (run.start, run.end, run.status) == (story.records[0].at, rested.at, UNSET)
    assert value(run, key.USER) == DESK
    assert value(run, key.RUN_STATUS) == "waiting"
    assert value(run, key.RECORD_SEQ) == 0


def test_a_run_that_never_rests_is_made_when_it_ends_and_says_why_it_failed() -> None:
    story = Story()
    story.start()
    taken = story.cross("START", "forecast")
    story.finish("forecast", "forecast", [taken], outcome="failed", error="ValueError: no orders")
    story.end("failed", detail="forecast failed")
    spans = spans_of(story)
    run, step = the(spans, "invoke_workflow logistics"), the(spans, "invoke_agent forecast")
    assert (run.status, run.message, run.end) == (ERROR, "forecast failed", story.records[-1].at)
    assert (step.status, step.message) == (ERROR, "ValueError: no orders")
    assert not named(spans, "run failed")


def test_every_span_says_who_answers_and_where_it_stands() -> None:
    story = whole_run()
    placed = {one.seq: one for one in story.placed(first=40)}
    for span in project_all(placed.values()):
        at = placed[int(str(value(span, key.RECORD_SEQ)))]
        assert value(span, key.RESPONSIBLE) == RI
        assert value(span, key.CHAIN) == (RI,)
        assert value(span, key.RUN) == story.run
        assert value(span, key.SYSTEM) == SYSTEM
        assert value(span, key.RECORD_DIGEST) == at.leaf.hex()


def test_an_attempt_that_died_is_an_error_made_from_its_start() -> None:
    dead = the(spans_of(whole_run()), "unfinished forecast")
    assert dead.status == ERROR
    assert value(dead, key.ATTEMPT) == 1
    story = Story()
    story.start()
    story.begin("forecast", "forecast")
    story.end("cancelled", by=LEAD)
    cut = the(spans_of(story), "unfinished forecast")
    assert (cut.status, cut.end) == (ERROR, story.records[-1].at)


def test_an_effect_that_was_held_or_in_doubt_was_paused_and_did_not_fail() -> None:
    story, step, request = asked_story("eff_1")
    decision = story.decide(request, "sign-off", step)
    story.cross("sign-off", "carrier.dispatch", step=step)
    story.begin("call", "carrier.dispatch", parent=step, effect="eff_1")
    story.send("eff_1", step, decision)
    story.doubt("eff_1", step)
    doubted = story.records[-1].at
    story.begin("call", "carrier.dispatch", attempt=2, parent=step, effect="eff_1")
    refusal(story, "a handover waits for the successor", step, effect="eff_1", waits=True)
    story.begin("call", "carrier.dispatch", attempt=3, parent=step, effect="eff_1")
    story.begin("call", "carrier.dispatch", attempt=4, parent=step, effect="eff_1")
    spans = spans_of(story)
    in_doubt, held = named(spans, "paused carrier.dispatch")
    assert (in_doubt.status, in_doubt.end, value(in_doubt, key.EFFECT_STATE)) == (UNSET, doubted, "in-doubt")
    assert (held.status, value(held, key.REASON)) == (UNSET, "a handover waits for the successor")
    assert (in_doubt.parent, the(spans, "POST").parent) == (the(spans, "approval sign-off").span, in_doubt.span)
    assert the(spans, "unfinished carrier.dispatch").status == ERROR


def test_an_attempt_that_failed_and_was_tried_again_says_why() -> None:
    story = Story()
    story.start()
    taken = story.cross("START", "forecast")
    story.begin("forecast", "forecast")
    story.begin("forecast", "forecast", attempt=2, after="TimeoutError: no forecast within 30 s")
    story.finish("forecast", "forecast", [taken], attempt=2)
    failed = the(spans_of(story), "failed forecast")
    assert (failed.status, failed.message) == (ERROR, "TimeoutError: no forecast within 30 s")
    assert (value(failed, key.OUTCOME), value(failed, key.ATTEMPT)) == ("failed", 1)


def test_an_effect_that_was_never_begun_is_settled_at_its_approval() -> None:
    """As after a backup was restored: it may have been sent, and nothing of that is in the ledger."""
    story, step, request = asked_story("eff_1")
    story.send("eff_1", step, story.decide(request, "sign-off", step))
    story.doubt("eff_1", step)
    story.settle("eff_1", step)
    spans = spans_of(story)
    for name in ("POST", "in doubt"):
        assert the(spans, name).origin.service == "sign-off"
        assert the(spans, name).parent == the(spans, "approval sign-off").span


def test_a_step_to_which_nothing_was_sent_has_no_parent_and_is_linked_to_who_would_have_sent() -> None:
    """No edge of another service leads to it, so none of them may be its parent: Jaeger would show an edge."""
    story = Story()
    story.start()
    scattered = story.finish("split", "split", [story.cross("START", "split")])
    story.add(GatherClosed(**story.stamp(), gather="gth_1", edge="work→gather.input", size=0, items=()))
    story.begin("gather", "gather", parent=scattered)
    story.begin("gather", "gather", attempt=2, parent=scattered)
    gathered = story.finish("gather", "gather", [], parent=scattered, attempt=2)
    story.finish("end", "end", [story.cross("gather", "end", step=gathered)])
    spans = spans_of(story)
    split, died, gather = (
        the(spans, f"{name}") for name in ("invoke_agent split", "unfinished gather", "invoke_agent gather")
    )
    assert (gather.parent, gather.links) == (died.parent, died.links) == (0, [split.span])
    assert the(spans, "invoke_agent end").parent == gather.span


def test_a_decision_closes_the_time_it_was_waited_for() -> None:
    story = whole_run()
    spans = spans_of(story)
    waited, approval = the(spans, "awaiting a decision"), the(spans, "approval sign-off")
    assert value(waited, key.DECIDED_BY) == LEAD
    assert value(waited, key.DECISION_OUTCOME) == "approved"
    assert value(waited, key.OPTION) == "as-proposed"
    assert waited.status == OK
    assert value(approval, key.REQUEST) == value(waited, key.REQUEST)
    assert value(approval, key.INVERSIONS) == 60
    assert not any(name.startswith("gen_ai.") for name, _ in approval.pairs)


def asked_story(*effects: str) -> tuple[Story, str, str]:
    story = Story()
    story.start()
    taken = story.cross("START", "sign-off")
    step = story.step_id("sign-off")
    request = story.ask("sign-off", step, {"as-proposed": effects})
    story.finish("sign-off", "sign-off", [taken], role="approval")
    return story, step, request


def test_silence_is_an_error_and_a_no_is_not() -> None:
    for outcome, by, status in (("expired", "", ERROR), ("rejected", LEAD, OK)):
        story, step, request = asked_story()
        story.decide(request, "sign-off", step, outcome, by=by, assurance="")
        waited = the(spans_of(story), "awaiting a decision")
        assert (waited.status, value(waited, key.DECISION_OUTCOME)) == (status, outcome)
        assert value(waited, key.DECIDED_BY) == (by or None)


def test_an_exemption_names_its_rule_and_no_person() -> None:
    story, step, request = asked_story()
    story.decide(request, "sign-off", step, "exempted", by="keeps_tier_order@2", assurance="exemption")
    span = the(spans_of(story), "exempted by keeps_tier_order@2")
    assert (value(span, key.RULE), value(span, key.RULE_VERSION)) == ("keeps_tier_order", "2")
    assert value(span, key.DECIDED_BY) is None


def test_an_edit_is_a_request_of_its_own_below_the_first() -> None:
    story, step, request = asked_story()
    story.decide(request, "sign-off", step, "edited")
    second = story.ask("sign-off", step, {"as-proposed": ()}, edited_from=request, edited_by=LEAD)
    story.decide(second, "sign-off", step, by=DESK)
    spans = spans_of(story)
    first_span, edited_span = named(spans, "approval sign-off")
    assert edited_span.parent == first_span.span
    assert value(edited_span, key.EDITED_FROM) == request
    assert [span.parent for span in named(spans, "awaiting a decision")] == [first_span.span, edited_span.span]


def test_a_withdrawn_request_ends_its_waiting() -> None:
    story, step, request = asked_story()
    story.add(RequestWithdrawn(**story.stamp(), request=request, approval="sign-off", step=step, reason="cancelled"))
    waited = the(spans_of(story), "awaiting a decision")
    assert value(waited, key.DECISION_OUTCOME) == "withdrawn"
    assert waited.end - waited.start > 0


def test_each_sending_is_a_clients_span_whose_id_the_receiver_was_given() -> None:
    story = whole_run()
    spans = spans_of(story)
    calls = named(spans, "POST")
    assert {span.kind for span in calls} == {CLIENT}
    assert [value(span, key.EFFECT_STATE) for span in calls] == ["done", "unanswered", "done", "in-doubt"]
    assert [span.status for span in calls] == [UNSET, ERROR, UNSET, ERROR]
    for span in calls:
        effect, attempt = str(value(span, key.EFFECT)), int(str(value(span, key.ATTEMPT)))
        assert span.span == ids.span_id(story.run, effect, attempt)
        assert value(span, key.SERVER_ADDRESS) == "127.0.0.1"
        assert value(span, key.SERVER_PORT) == 8123
        assert value(span, key.DECIDED_BY) == LEAD
        assert str(value(span, key.GRANT)).startswith("grt_")


def test_a_late_answer_to_a_call_that_was_given_up_makes_no_second_span() -> None:
    story = whole_run()
    before = span_count(story.placed())
    doubted = next(record for record in story.records if record.__class__.__name__ == "EffectInDoubt")
    story.answer(doubted.effect, doubted.step)  # type: ignore[attr-defined]  # an EffectInDoubt has both
    assert span_count(story.placed()) == before


def refusal(
    story: Story, reason: str, step: str = "", freeze: str = "", *, effect: str = "eff_" + "7" * 32, waits: bool = False
) -> None:
    fields: dict[str, Any] = {"effect": effect, "name": "carrier.dispatch", "step": step}
    fields |= {"reason": reason, "freeze": freeze, "waits": waits}
    story.add(EffectRefused(**story.stamp(), **fields))


def test_a_refused_call_is_an_error_unless_it_only_has_to_wait() -> None:
    story, step, _ = asked_story()
    refusal(story, "there is no grant for this call", step)
    refusal(story, "system is frozen", step, "frz_1")
    refusal(story, "a handover waits for the successor", step, waits=True)
    spans = spans_of(story)
    first, second, third = named(spans, "refused carrier.dispatch")
    assert {span.origin.service for span in (first, second, third)} == {"sign-off"}
    assert third.status == OK
    assert (first.status, first.message) == (ERROR, "there is no grant for this call")
    assert (second.status, value(second, key.FREEZE)) == (OK, "frz_1")
    assert first.parent == second.parent == the(spans, "approval sign-off").span
    assert first.span != second.span


def test_a_refusal_in_a_run_that_never_began_stands_alone() -> None:
    story = Story()
    refusal(story, "there is no grant for this call")
    (span,) = spans_of(story)
    assert (span.parent, span.links, span.status) == (0, (), ERROR)


def test_what_is_frozen_is_shown_once_for_each_time() -> None:
    story = Story()
    story.start()
    story.rest(frozen=("agent:forecast",))
    story.rest(frozen=("agent:forecast", "system"))
    spans = spans_of(story)
    assert {the(spans, f"frozen {what}").origin.service for what in ("agent:forecast", "system")} == {"logistics"}
    assert {span.status for span in spans} == {UNSET, OK}


def test_undeclared_egress_and_a_reopened_run_are_seen() -> None:
    story = whole_run()
    step = story.step_id("report")
    story.add(UndeclaredEgress(**story.stamp(), step=step, node="report", event="socket.connect", to="10.0.0.1:25"))
    story.add(RunReopened(**story.stamp(), by=LEAD, reason="wrong stock"))
    spans = spans_of(story)
    seen = the(spans, "undeclared egress")
    assert (seen.status, seen.parent) == (ERROR, the(spans, "invoke_agent report").span)
    assert value(seen, key.EGRESS_TO) == "10.0.0.1:25"
    assert value(the(spans, "run reopened"), key.DECIDED_BY) == LEAD


def test_a_step_never_starts_before_its_messages_were_sent() -> None:
    story = Story()
    story.start()
    taken = story.cross("START", "forecast")
    story.finish("forecast", "forecast", [taken], started_at=story.now - 5_000_000)  # another machine's clock
    spans = spans_of(story)
    edge, step = the(spans, "edge START → forecast"), the(spans, "invoke_agent forecast")
    assert edge.start == edge.end - INSTANT == step.start
    assert step.end >= step.start


def test_a_span_comes_from_the_machine_that_did_it() -> None:
    story = Story(host="depot/10.0.0.7")
    story.start()
    taken = story.cross("START", "forecast")
    story.host = "ship/10.0.0.8"
    story.finish("forecast", "forecast", [taken])
    story.end()
    spans = spans_of(story)
    assert the(spans, "edge START → forecast").origin.host == "ship/10.0.0.8"
    assert the(spans, "invoke_workflow logistics").origin.host == "depot/10.0.0.7"


def test_depth_is_bounded_by_the_graph_however_long_a_loop_goes_on() -> None:
    story = Story()
    story.start()
    arrived = story.cross("START", "draft")
    for turn in range(20):
        draft = story.finish(f"draft{turn}", "draft", [arrived])
        drafted = story.cross("draft", "review", step=draft)
        review = story.finish(f"review{turn}", "review", [drafted])
        arrived = story.cross("review", "draft", step=review)
    story.end("stuck")
    spans = spans_of(story)
    parents = {span.span: span.parent for span in spans}

    def depth(span: int) -> int:
        return 0 if span == 0 else 1 + depth(parents[span])

    assert max(map(depth, parents)) == 4  # the run, draft, review, an edge


RUNS = [whole_run().placed(), whole_run("run_" + "2" * 32).placed(first=len(whole_run().records))]
EVERYTHING = [one for run in RUNS for one in run]
BYTES = [encode(span) for span in project_all(EVERYTHING)]


@given(st.lists(st.integers(0, len(EVERYTHING)), max_size=12), st.booleans())
def test_any_split_gives_the_same_bytes(cuts: list[int], forget: bool) -> None:
    """Batches; and a process that takes over and has only the ledger (`forget`)."""
    histories: dict[str, RunHistory] = {}
    encoded: list[bytes] = []
    for start, end in pairwise([0, *sorted(cuts), len(EVERYTHING)]):
        if forget:
            histories = {}
            project_all(EVERYTHING[:start], histories)
        encoded += [encode(span) for span in project_all(EVERYTHING[start:end], histories)]
    assert encoded == BYTES


def test_runs_that_were_recorded_in_turns_do_not_mix() -> None:
    story, other = whole_run(), whole_run("run_" + "2" * 32)
    turns = [one for both in zip(story.placed(), other.placed(), strict=True) for one in both]
    mine = [span for span in project_all(turns) if span.run == story.run]
    assert mine == spans_of(story)
    assert span_count(turns) == 2 * len(mine)
