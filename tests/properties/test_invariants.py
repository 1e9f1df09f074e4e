"""Invariants of the architecture, by their numbers there, on random systems.

Every game is compared with the interpreter at each of its rests as well; here it is what else has to hold.
"""

from __future__ import annotations

from collections import Counter
from typing import TypeVar

from hypothesis import event, given
from hypothesis import strategies as st

from answerable.approvals.deciding.decisions import Decision
from answerable.tracing.ledger.records.deciding import Decided, RequestMade
from answerable.tracing.ledger.records.effects import EffectPrepared, EffectRecord, EffectSent
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.ledger.records.runs import RunStarted
from answerable.tracing.ledger.records.steps import Crossed, GatherClosed, StepFinished
from answerable.tracing.spans import attributes as key
from answerable.tracing.spans.history import RunHistory
from answerable.tracing.spans.projection import project_all
from answerable.tracing.spans.span import encode
from tests.properties.evidence import Evidence, played
from tests.properties.playing import ORDERLY, PEOPLE, STARTER, Disorder
from tests.properties.profiles import examples
from tests.properties.receiver import Receiver
from tests.reference.graphs import valid_worlds
from tests.reference.interpreter import Account
from tests.reference.specs import World

R = TypeVar("R", bound=Record)

seeds = st.integers(0, 2**16)
deaths = st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=4).map(tuple)
disorders = st.builds(
    Disorder,
    seed=seeds,
    slowest=st.sampled_from([0, 6]),
    forget=st.booleans(),
    meanwhile=st.booleans(),
    rivals=st.booleans(),
    deaths=deaths,
)


def of(evidence: Evidence, kind: type[R]) -> list[R]:
    """The records of one kind, in their order."""
    return [placed.record for placed in evidence.placed if isinstance(placed.record, kind)]


def effects_of(account: Account, world: World) -> Counter[tuple[str, bytes]]:
    """The calls that have to happen: effect and bytes, each once."""
    names = {node.name for node in world.nodes if node.name.startswith("effect")}
    arrived = {crossing.name: crossing.message for crossing in account.crossings.values()}
    return Counter(
        (step.node, arrived[taken].to_bytes())
        for step in account.steps.values()
        if step.node in names
        for taken in step.consumed.values()
    )


@examples(100)
@given(world=valid_worlds(), disorder=disorders)
def test_1_every_crossing_is_one_record_and_one_span(receiver: Receiver, world: World, disorder: Disorder) -> None:
    evidence = played(world.case(), receiver, disorder)
    crossed = Counter(record.crossing for record in of(evidence, Crossed))
    assert crossed == Counter(list(evidence.rows.crossings))
    spans = [dict(span.pairs) for span in project_all(evidence.placed)]
    of_edges = [pairs for pairs in spans if key.EDGE in pairs]
    assert Counter(pairs[key.CROSSING] for pairs in of_edges) == crossed
    for pairs in of_edges:
        row = evidence.rows.crossings[str(pairs[key.CROSSING])]
        edge = evidence.rows.graph.edge(row["edge"])
        assert (pairs[key.EDGE], pairs[key.MESSAGE]) == (row["edge"], row["message"])
        assert (pairs[key.EDGE_SOURCE], pairs[key.EDGE_TARGET]) == (edge.source, edge.target)
    closed = Counter(record.gather for record in of(evidence, GatherClosed))
    assert closed == Counter(list(evidence.rows.gathers))
    absent = Counter(record.absent for record in of(evidence, GatherClosed))
    assert absent == Counter(gather.absent for gather in world.case().account().gathers.values())


@examples(60)
@given(world=valid_worlds(), disorder=disorders)
def test_2_every_record_names_who_answers_and_every_effect_who_decided(
    receiver: Receiver, world: World, disorder: Disorder
) -> None:
    evidence = played(world.case(), receiver, disorder)
    for placed in evidence.placed:
        assert placed.record.responsible == evidence.responsible
        assert placed.record.chain[-1] == evidence.responsible
    chain = Chain(evidence)
    for record in of(evidence, EffectSent):
        chain.follow(record)
    for effect in of(evidence, EffectRecord):
        assert effect.effect in chain.prepared, "an effect that nobody prepared"


class Chain:
    """The way from an effect's record to a decision and to the run's input, by nothing but ids in records."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.prepared = {record.effect: record for record in of(evidence, EffectPrepared)}
        self.decided = {record.decision: record for record in of(evidence, Decided)}
        self.requests = {record.request: record for record in of(evidence, RequestMade)}
        self.finished = {record.step: record for record in of(evidence, StepFinished)}
        self.crossed = {record.crossing: record for record in of(evidence, Crossed)}
        self.gathers = {record.gather: record for record in of(evidence, GatherClosed)}
        (self.start,) = of(evidence, RunStarted)

    def follow(self, sent: EffectSent) -> None:
        decision = self.decided[sent.decision]
        assert sent.grant in decision.grants
        assert decision.outcome in ("approved", "exempted")
        if decision.outcome == "approved":
            assert self.evidence.people[decision.by] in PEOPLE
            assert self.evidence.people[decision.by] != STARTER
        else:
            assert decision.by == "harmless@1"
        request = self.requests[decision.request]
        assert sent.effect in request.calls[decision.option]
        assert self.reaches_start(request.step)

    def reaches_start(self, step: str) -> bool:
        """Whether what a step consumed leads back to the run's input.

        What a gather without results was made of, its record does not name; the step's `parent` does.
        """
        seen: set[str] = set()
        waiting = [step]
        while waiting:
            here = waiting.pop()
            if not here:
                return bool(self.start.message.id)
            if here in seen:
                continue
            seen.add(here)
            waiting.append(self.finished[here].parent)
            for taken in self.finished[here].consumed.values():
                gather = self.gathers.get(taken)
                crossings = [taken] if gather is None else [item[1] for item in gather.items if item[1]]
                waiting += [self.crossed[crossing].step for crossing in crossings]
        return False


@examples(60)
@given(world=valid_worlds(), disorder=disorders)
def test_3_no_effect_without_its_own_grant(receiver: Receiver, world: World, disorder: Disorder) -> None:
    evidence = played(world.case(), receiver, disorder)
    decided: dict[str, Decided] = {}
    consumed: dict[str, str] = {}
    for placed in evidence.placed:
        if isinstance(placed.record, Decided):
            decided[placed.record.decision] = placed.record
        if isinstance(placed.record, EffectSent):
            grant, effect = evidence.grants[placed.record.grant], placed.record.effect
            assert placed.record.decision in decided, "it was sent before the decision"
            assert (grant["effect"], grant["decision"]) == (effect, placed.record.decision)
            assert consumed.setdefault(grant["id"], effect) == effect, "one grant for two effects"
            assert grant["state"] == "consumed"
            assert grant["call_digest"] == evidence.effects[effect]["call_digest"]
            assert placed.record.at <= grant["expires_at"]
            parts = (grant["id"], effect, grant["decision"], grant["call_digest"], grant["expires_at"])
            assert evidence.key.holds(grant["mac"], "grant", *parts)
            assert Decision(**evidence.decisions[grant["decision"]]).genuine(evidence.key)
    by_key = {row["idempotency_key"]: row for row in evidence.effects.values()}
    sent = {record.effect for record in of(evidence, EffectSent)}
    for received in evidence.journal:
        row = by_key[received.key]
        assert row["id"] in sent, "it was received, and nobody let it go"
        assert (received.effect, received.body) == (row["name"], bytes(row["body"]))


@examples(120)
@given(
    world=valid_worlds(),
    disorder=st.builds(Disorder, seed=seeds, slowest=st.just(4), rivals=st.booleans(), deaths=deaths.filter(bool)),
)
def test_5_a_crash_loses_nothing_and_doubles_nothing(receiver: Receiver, world: World, disorder: Disorder) -> None:
    case = world.case()
    evidence = played(case, receiver, disorder)
    account = case.account()
    event(f"died {evidence.died} times")
    finished = Counter(record.step for record in of(evidence, StepFinished))
    assert finished == Counter(list(evidence.rows.steps)), "a step that is not recorded exactly once"
    assert sorted(map(evidence.rows.step, finished)) == sorted(account.steps)
    assert Counter(record.crossing for record in of(evidence, Crossed)) == Counter(list(evidence.rows.crossings))
    happened = Counter((received.effect, received.body) for received in evidence.journal if received.happened)
    assert happened == effects_of(account, world), "an effect that was lost, or happened twice"
    assert {row["state"] for row in evidence.effects.values()} <= {"done", "failed", "withdrawn"}
    places = [placed.seq for placed in evidence.placed]
    assert places == sorted(set(places))


@examples(60)
@given(world=valid_worlds(), disorder=disorders, cut=st.integers(0, 200))
def test_7_projected_twice_it_gives_the_same_bytes(
    receiver: Receiver, world: World, disorder: Disorder, cut: int
) -> None:
    evidence = played(world.case(), receiver, disorder)
    whole = [encode(span) for span in project_all(evidence.placed)]
    assert [encode(span) for span in project_all(evidence.placed)] == whole
    histories: dict[str, RunHistory] = {}
    in_parts = [*project_all(evidence.placed[:cut], histories), *project_all(evidence.placed[cut:], histories)]
    assert [encode(span) for span in in_parts] == whole
    spans = [span.key for span in project_all(evidence.placed)]
    assert len(set(spans)) == len(spans), "two spans of one id"


@examples(100)
@given(world=valid_worlds(), seed=seeds)
def test_10_a_branch_that_waits_stops_no_other(receiver: Receiver, world: World, seed: int) -> None:
    """Nobody decides anything: at the first rest, all is done that the interpreter can do without an answer."""
    case = world.case()
    evidence = played(case, receiver, Disorder(seed=seed, slowest=3), most_turns=0)
    undecided = case.account(lambda _asked: False)
    event(undecided.status)
    assert set(map(evidence.rows.step, evidence.rows.steps)) == set(undecided.steps)
    assert evidence.journal == [] or world.case().accepted


@examples(100)
@given(world=valid_worlds(), disorder=disorders)
def test_13_the_result_depends_on_no_order_and_no_crash(receiver: Receiver, world: World, disorder: Disorder) -> None:
    """The same run, in order and in disorder, is the same to the id: every row but times, persons and salts."""
    orderly = played(world.case(), receiver, ORDERLY)
    disturbed = played(world.case(), receiver, disorder)
    assert disturbed.canonical == orderly.canonical
