"""Why is right: what led to something, and what followed from it, is the recorded truth, for every id of every run.

1. A second, naive implementation reads the tables and agrees, backwards and forwards.
2. The reference interpreter, which knows no id and no record, agrees about steps, crossings and gathers.
3. Faults are injected: one agent spoils what it makes in a step that is known. Whatever came out spoiled leads back to
   that step, and to the edge by which it went on.
4. Whoever let a call go is the person who is known to have answered, with the option that they are known to have had.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import pytest
from hypothesis import event, given, reject
from hypothesis import strategies as st

from answerable.agents.messages import Message
from answerable.agents.nodes import END, START
from answerable.agents.outcomes import Ended, Expired, Rejected, Response
from answerable.tracing.evidence.lineage.beside import Beside
from answerable.tracing.evidence.lineage.lineage import Lineage
from answerable.tracing.evidence.lineage.sources import Sources
from answerable.tracing.evidence.story.document import document_of
from answerable.tracing.evidence.story.page import page_of
from answerable.tracing.evidence.story.story import tell
from answerable.tracing.evidence.telling.labels import Question
from answerable.tracing.evidence.telling.words import People
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.steps import Crossed
from tests.properties.evidence import Evidence, played
from tests.properties.naive import causes_in, everything_before
from tests.properties.playing import RUN, Disorder
from tests.properties.profiles import examples
from tests.properties.receiver import Receiver
from tests.reference.graphs import valid_worlds
from tests.reference.interpreter import Account, Answer, Asked, TooLarge
from tests.reference.specs import AgentSpec, Case, World, build
from tests.reference.systems import Again, Batch, Item, Sketch, annotated, face

SPOILED = 1000
seeds = st.integers(0, 2**16)
disorders = st.builds(
    Disorder, seed=seeds, slowest=st.sampled_from([0, 4]), meanwhile=st.booleans(), rivals=st.just(False)
)


def led_to(lineage: Lineage, id: str) -> set[str]:
    return {fact.id for fact in lineage.back(id)} - {id}


# -- 1: a naive implementation -----------------------------------------------------------------------------------------


def agrees_with_the_tables(evidence: Evidence, lineage: Lineage) -> None:
    pairs = causes_in(evidence)
    before = everything_before(pairs)
    after = everything_before({(caused, cause) for cause, caused in pairs})
    unrecorded = {one for pair in pairs for one in pair} - set(lineage.facts)
    assert all(one.startswith("msg_") and one in evidence.rows.messages for one in unrecorded), unrecorded
    for id in lineage.facts:
        assert led_to(lineage, id) == before.get(id, set()) - unrecorded, f"why {id}"
        followed = {fact.id for fact in lineage.forward(id)} - {id}
        assert followed == after.get(id, set()) - unrecorded, f"impact {id}"
    assert set(lineage.facts) >= {
        *evidence.rows.steps, *evidence.rows.crossings, *evidence.rows.gathers, *evidence.rows.requests,
        *evidence.decisions, *evidence.effects,
    }  # fmt: skip
    assert not lineage.missing(lineage.facts.values())


# -- 2: the reference interpreter --------------------------------------------------------------------------------------


def before_by_name(account: Account) -> dict[str, set[str]]:
    """What led to each step, crossing and gather, by the interpreter's names."""
    pairs = {(crossing.step, name) for name, crossing in account.crossings.items()}
    pairs |= {(taken, name) for name, step in account.steps.items() for taken in step.consumed.values()}
    for name, gather in account.gathers.items():
        pairs |= {(crossing, name) for _, crossing, _ in gather.items} | {(gather.scatter[1], name)}
    return everything_before({pair for pair in pairs if pair[0]})


def agrees_with_the_interpreter(evidence: Evidence, lineage: Lineage, account: Account) -> None:
    rows = evidence.rows
    names = {id: rows.step(id) for id in rows.steps} | {id: rows.crossing(id) for id in rows.crossings}
    names |= {id: rows.gather(id) for id in rows.gathers}
    before = before_by_name(account)
    # What an item was lost in is known to the records, and not to the interpreter.
    lossless = all(crossing for gather in account.gathers.values() for _, crossing, _ in gather.items)
    for id, name in names.items():
        found = {names[one] for one in led_to(lineage, id) if one in names}
        assert found >= before.get(name, set())
        assert found == before.get(name, set()) or not lossless


# -- 3: an agent at fault ----------------------------------------------------------------------------------------------


def is_spoiled(value: Any) -> bool:
    if isinstance(value, Ended):
        return is_spoiled(value.result)
    if isinstance(value, list):
        return any(map(is_spoiled, value))
    if isinstance(value, Batch):
        return any(map(is_spoiled, value.items))
    return isinstance(value, Item | Again) and value.value >= SPOILED


def with_fault(value: Any, spoil: bool) -> Any:
    """A message with its values as they are, or with every one of them beyond what is right."""
    if isinstance(value, Batch):
        return Batch(items=[with_fault(item, spoil) for item in value.items])
    if isinstance(value, Item | Again):
        return type(value)(value=value.value % SPOILED + (SPOILED if spoil else 0))
    if isinstance(value, Ended) and value.result is not None:
        return Ended.model_construct(index=value.index, outcome=with_fault(value.result, spoil))
    if isinstance(value, list):
        return [with_fault(one, spoil) for one in value]
    return value


def spoil(case: Case, agent: str, inputs: Any) -> None:
    """Let `agent` spoil what it makes of these inputs, and everybody pass on what came to them spoiled."""

    def bent(name: str, pure: Callable[..., Message | None]) -> Callable[..., Message | None]:
        def function(**values: Any) -> Message | None:
            clean = {key: with_fault(value, False) for key, value in values.items()}
            at_fault = name == agent and faces(clean) == inputs
            return with_fault(pure(**clean), at_fault or any(map(is_spoiled, values.values())))  # type: ignore[no-any-return]  # a message, as it was

        return function

    pure = case.sketch.pure
    pure.update({name: bent(name, function) for name, function in list(pure.items())})


def faces(values: Mapping[str, Any]) -> Any:
    return sorted((name, face(value)) for name, value in values.items())


def inputs_of(evidence: Evidence, step: str) -> dict[str, Any]:
    """What a step was given, without what was spoiled; gathers are left out of account."""
    rows = evidence.rows
    taken: dict[str, str] = json.loads(rows.steps[step]["consumed"])
    if any(one in rows.gathers for one in taken.values()):
        return {}
    return {
        name: with_fault(rows.message(rows.crossings[crossing]["message"]), False) for name, crossing in taken.items()
    }


def leads_back_to_the_fault(evidence: Evidence, lineage: Lineage, at_fault: Iterable[str]) -> int:
    """Every message that is spoiled came from a step at fault, and over an edge that this step sent on; how many."""
    rows = evidence.rows
    faulty = set(at_fault)
    sent = {id: row["step"] for id, row in rows.crossings.items()}
    spoiled = [id for id in rows.messages if is_spoiled(rows.message(id)) and id in lineage.facts]
    for id in spoiled:
        before = led_to(lineage, id)
        assert before & faulty, f"{id} is spoiled, and no step at fault led to it"
        own = {one for one in faulty if id in {fact.id for fact in lineage.forward(one)}}
        assert own == before & faulty
        own_edges = {one for one in before if sent.get(one) in faulty}
        assert own_edges or made_by(lineage, id) & faulty, f"{id}: by which edge?"
    return len(spoiled)


def made_by(lineage: Lineage, message: str) -> set[str]:
    """The step that made a message, or the message with the list that it is an item of."""
    causes = set(lineage.facts[message].causes)
    return causes | {step for one in causes if one.startswith("msg_") for step in made_by(lineage, one)}


# -- 4: the person -----------------------------------------------------------------------------------------------------


def names_the_person(evidence: Evidence, lineage: Lineage, case: Case) -> int:
    """Each call that was sent leads back to the answer that is known to have been given, by whom; how many."""
    rows = evidence.rows
    sent = [id for id, row in evidence.effects.items() if row["state"] in ("done", "failed", "sent")]
    for id in sent:
        made = [one for fact in lineage.back(id) for one in fact.all(Decided)]
        (grant,) = [one for one in evidence.grants.values() if one["effect"] == id]
        (decision,) = [one for one in made if one.decision == grant["decision"]]
        request = rows.requests[decision.request]
        approval = case.sketch.approvals[decision.approval]
        asked = Asked(
            step=rows.step(request["step"]),
            approval=decision.approval,
            message=approval.of.from_bytes(bytes(rows.messages[request["message"]]["payload"])),
            edits=rows.edits(decision.request),
        )
        if decision.outcome == "exempted":
            assert decision.by == "harmless@1" and decision.approval in case.accepted
            continue
        answer = case.answer(asked)
        assert (answer.kind, answer.option) == ("approve", decision.option)
        assert evidence.people[decision.by] == evidence.answered[decision.request]
    return len(sent)


def told(evidence: Evidence, lineage: Lineage, ids: Iterable[str]) -> None:
    """A story can be told of anything, in every form."""
    sources = Sources(run=RUN, placed=evidence.placed, around=[], damaged=0)
    questions: tuple[Question, Question] = ("why", "impact")
    for id in ids:
        for question in questions:
            story = tell(
                question,
                lineage.facts[id],
                [id],
                lineage=lineage,
                sources=sources,
                beside=Beside(),
                people=People(()),
            )
            assert not story.partial
            assert {fact["id"] for fact in document_of(story)["facts"]} >= {id}
            assert "<title>" in page_of(story)


@examples(120)
@given(world=valid_worlds(), disorder=disorders, at=st.integers(0, 2**16))
def test_why_is_the_recorded_truth(receiver: Receiver, world: World, disorder: Disorder, at: int) -> None:
    case = world.case()
    agent, inputs = at_random(world, case, at)
    spoil(case, agent, faces(inputs))
    evidence = played(case, receiver, disorder)
    lineage = Lineage(RUN, evidence.placed)
    agrees_with_the_tables(evidence, lineage)
    agrees_with_the_interpreter(evidence, lineage, case.account())
    at_fault = [
        id
        for id, row in evidence.rows.steps.items()
        if row["node"] == agent and faces(inputs_of(evidence, id)) == faces(inputs)
    ]
    assert at_fault, "the fault was not committed"
    event(f"spoiled messages: {min(9, leads_back_to_the_fault(evidence, lineage, at_fault))}")
    event(f"calls: {min(5, names_the_person(evidence, lineage, case))}")
    told(evidence, lineage, sorted(lineage.facts)[:: max(1, len(lineage.facts) // 4)])


def answered(*, denied: bool) -> Case:
    """Every kind of answer, an item for each: random systems seldom have all of them where they matter.

    With `denied`, a no is worked on. What is let through goes to the receiver; all is gathered.
    """
    sketch = Sketch()
    spread = sketch.agent(
        "spread", {"item": Item}, Batch, lambda item: Batch(items=[Item(value=at) for at in range(item.value)])
    )
    write = sketch.agent("write", {"task": Item | Response}, Item, lambda task: Item(value=getattr(task, "value", 30)))
    sign = sketch.approval("sign", options=_doubled)
    send = sketch.effect("send")
    no = sketch.agent("no", {"said": Rejected | Expired | Response}, Item, lambda said: Item(value=len(said.approval)))
    meet = sketch.agent("meet", {"item": Item}, Item, lambda item: Item(value=item.value))
    close = sketch.agent("close", {"ended": list[Ended[Item]]}, Item, lambda ended: Item(value=len(ended)))
    sketch.edge(START, spread)
    sketch.edge(spread, write, each="items")
    sketch.edge(write, sign)
    sketch.edge(sign, send)
    sketch.edge(sign.response, write)
    if denied:
        sketch.edge(sign.denied, no)
    sketch.edge(no, meet)
    sketch.edge(send, meet)
    sketch.edge(meet, close, gather=True)
    sketch.edge(close, END)
    sketch.system.loop(write, sign, at_most=2, then=no)
    script = {
        (0, 0): Answer(kind="approve"),
        (1, 0): Answer(kind="approve", option="other"),
        (2, 0): Answer(kind="reject", text="no"),
        (3, 0): Answer(kind="expire"),
        (4, 0): Answer(kind="edit", edited=Item(value=40)),
        (40, 1): Answer(kind="approve"),
        (5, 0): Answer(kind="edit", edited=Item(value=50)),
        (50, 1): Answer(kind="approve", option="other"),
        (6, 0): Answer(kind="edit", edited=Item(value=60)),
        (60, 1): Answer(kind="reject", text="not even so"),
        (7, 0): Answer(kind="respond", text="shorter"),
        (30, 0): Answer(kind="respond", text="shorter still"),
    }
    return Case(
        sketch=sketch,
        app=build(sketch, Item),
        run_input=Item(value=8),
        answer=lambda asked: script[cast("Item", asked.message).value, asked.edits],
        receive=lambda _effect, message: Item(value=cast("Item", message).value),
    )


def _doubled(message: Any, _run_input: Any) -> Any:
    return {"other": Item(value=message.value + 100)}


_doubled = annotated(_doubled, {"message": Item, "_run_input": Message}, dict[str, Item])


@pytest.mark.parametrize("denied", [False, True])
def test_every_kind_of_answer(receiver: Receiver, denied: bool) -> None:
    case = answered(denied=denied)
    evidence = played(case, receiver)
    lineage = Lineage(RUN, evidence.placed)
    outcomes = {made.outcome for fact in lineage.facts.values() for made in fact.all(Decided)}
    assert outcomes == {"approved", "rejected", "expired", "edited", "answered"}
    ports = {sent.port for fact in lineage.facts.values() for sent in fact.all(Crossed)}
    assert ports == ({"", "response", "denied"} if denied else {"", "response"})
    agrees_with_the_tables(evidence, lineage)
    agrees_with_the_interpreter(evidence, lineage, case.account())
    assert names_the_person(evidence, lineage, case) == 4
    told(evidence, lineage, lineage.facts)


def at_random(world: World, case: Case, at: int) -> tuple[str, dict[str, Any]]:
    """An agent and the inputs of one of its steps, of those that came by edges alone."""
    agents = {node.name for node in world.nodes if isinstance(node, AgentSpec)}
    try:
        account = case.account()
    except TooLarge:
        reject()
    crossings = account.crossings
    steps = [
        step
        for step in account.steps.values()
        if step.node in agents and all(taken in crossings for taken in step.consumed.values())
    ]
    if not steps:
        reject()
    chosen = sorted(steps, key=lambda step: step.name)[at % len(steps)]
    return chosen.node, {name: crossings[taken].message for name, taken in chosen.consumed.items()}
