"""The facts of a run, and what each of them came from, as its records say.

1. A fact is something with an id: the run, a message, a crossing, a step, a gather, a request, a decision, an effect.
   Everything that records say of one id belongs to one fact. What a person had run anew is still a fact.
2. The causes of a fact are the facts without which it would not be:
   - a message: the step that made it, or the run whose input it is; an item of a list: the message with that list; what
     a person edited or answered: their decision;
   - a crossing: its message, the step that sent it, and the decision that let it leave an approval;
   - a step: the crossings and gathers that it consumed; of an effect: that effect, too;
   - a gather: its crossings, what missing items ended in, and the step whose list was taken apart;
   - a request: the step that asks, or the edit that it is about; and the decision that was revoked before;
   - a decision: its request (a rule or an exemption that decided is no fact of the run: it is told beside it);
   - an effect: the request that offered its call, the decision on that, and the crossing that led to it.
3. A cause that no record tells of is named all the same: then something is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from answerable.tracing import ids
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.afterwards import DecisionRevoked, Escalated, Reviewed
from answerable.tracing.ledger.records.deciding import Decided, RequestMade, RequestWithdrawn
from answerable.tracing.ledger.records.effects import EffectPrepared, EffectRecord, EffectSent
from answerable.tracing.ledger.records.record import MessageRef, Record
from answerable.tracing.ledger.records.runs import RunEnded, RunReopened, RunRested, RunStarted
from answerable.tracing.ledger.records.steps import Crossed, GatherClosed, StepFinished, StepStarted, UndeclaredEgress
from answerable.tracing.ledger.records.votes import Voted

R = TypeVar("R", bound=Record)
Kind = Literal["run", "message", "crossing", "step", "gather", "request", "decision", "effect"]


@dataclass(slots=True)
class Fact:
    """Something with an id: what is recorded of it, in its order, and what it came from, by id.

    `ref` is what records say of a message; None for other facts, and for a message that was never sent.
    """

    id: str
    kind: Kind
    placed: list[Placed] = field(default_factory=list)
    causes: dict[str, None] = field(default_factory=dict)
    ref: MessageRef | None = None

    @property
    def at(self) -> int:
        """When it was first recorded, in microseconds."""
        return self.placed[0].record.at

    @property
    def seq(self) -> int:
        """The place of its first record."""
        return self.placed[0].seq

    def all(self, kind: type[R]) -> list[R]:
        """Its records of one kind."""
        return [one.record for one in self.placed if isinstance(one.record, kind)]

    def last(self, kind: type[R]) -> R | None:
        """Its newest record of one kind, if there is one."""
        return next((one.record for one in reversed(self.placed) if isinstance(one.record, kind)), None)


def facts_of(run: str, placed: Iterable[Placed]) -> dict[str, Fact]:
    """The facts that these records of `run` tell of, by id, in the order of their first records."""
    reading = _Reading(run)
    for one in placed:
        reading.take(one)
    reading.tie()
    return dict(sorted(reading.facts.items(), key=lambda each: each[1].seq))


class _Reading:
    """Records are taken one after the other; when all are there, causes are tied to what they name."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.facts: dict[str, Fact] = {}
        self.answers: dict[str, str] = {}  # request → the decision on it
        self.asked: dict[str, list[str]] = {}  # approval step → its requests
        self.offered: dict[str, list[str]] = {}  # effect → the requests that offered it
        self.reopened: list[Placed] = []

    def take(self, one: Placed) -> None:
        match one.record:
            case RunStarted(message=message):
                self.add("run", self.run, one)
                self.add("message", message.id, one, ref=message)
            case RunRested() | RunEnded():
                self.add("run", self.run, one)
            case RunReopened():
                self.reopened.append(one)
                self.add("run", self.run, one)
            case StepStarted(step=step) | UndeclaredEgress(step=step):
                self.add("step", step, one)
            case StepFinished(step=step, produced=produced):
                self.add("step", step, one)
                for message in produced:
                    self.add("message", message.id, one, ref=message)
            case Crossed(crossing=crossing, message=message):
                self.add("crossing", crossing, one)
                self.seen(message, one)
            case GatherClosed(gather=gather):
                self.add("gather", gather, one)
            case RequestMade() as asked:
                self.add("request", asked.request, one)
                self.asked.setdefault(asked.step, []).append(asked.request)
                for effect in (effect for calls in asked.calls.values() for effect in calls):
                    self.offered.setdefault(effect, []).append(asked.request)
                self.seen(asked.message, one)  # one that a person edited was not seen before
            case RequestWithdrawn(request=request) | Voted(subject=request):
                self.add("request", request, one)
            case Decided(decision=decision, request=request):
                self.add("decision", decision, one)
                self.answers[request] = decision
            case Escalated(request=request):
                self.add("request", request, one)
            case DecisionRevoked(decision=decision) | Reviewed(decision=decision):
                self.add("decision", decision, one)
            case EffectPrepared(effect=effect, message=message):
                self.add("effect", effect, one)
                if message not in self.facts:
                    self.add("message", message, one)
            case EffectRecord(effect=effect) if effect:
                self.add("effect", effect, one)

    def add(self, kind: Kind, id: str, one: Placed, *, ref: MessageRef | None = None) -> None:
        fact = self.facts.setdefault(id, Fact(id, kind))
        fact.ref = fact.ref or ref
        fact.placed.append(one)

    def seen(self, message: MessageRef, one: Placed) -> None:
        """A record says that a message is there; it is one of the message's own if it is the first to say so."""
        known = self.facts.get(message.id)
        if known is None or known.ref is None:
            self.add("message", message.id, one, ref=message)

    # -- causes -------------------------------------------------------------------------------------------------------

    def tie(self) -> None:
        """Find the causes of every fact."""
        self.tie_reopened()
        leads = self.leading_to_effects()
        led = {effect: crossing for crossing, effect in leads.items()}
        for fact in self.facts.values():
            causes = [*self.of(fact, leads), led.get(fact.id, "")]
            fact.causes = dict.fromkeys(cause for cause in causes if cause and cause != fact.id)

    def of(self, fact: Fact, leads: dict[str, str]) -> list[str]:
        match fact.kind:
            case "message":
                return self.of_message(fact)
            case "crossing":
                return self.of_crossing(fact)
            case "step":
                return self.of_step(fact, leads)
            case "gather":
                return self.of_gather(fact)
            case "request":
                return self.of_request(fact)
            case "decision":
                return [made.request for made in fact.all(Decided)]
            case "effect":
                return self.of_effect(fact)
        return []

    def of_message(self, fact: Fact) -> list[str]:
        match fact.placed[-1].record:  # the first to say what it is; a call may have been planned for it before
            case RunStarted():
                return [self.run]
            case StepFinished(step=step):
                return [step]
            case Crossed() as sent:
                return self.within(sent)
            case RequestMade(edited_from=before, step=step):
                return [self.answers.get(before, before) or step]
            case EffectPrepared(effect=effect, step=step):
                return self.offered.get(effect) or [step]
        return []

    def within(self, sent: Crossed) -> list[str]:
        """What a message came from that no step produced as such: an item, a person's answer, the run's input."""
        decision = self.decision_of(sent.step)
        if decision and sent.port:
            return [decision]
        if decision:
            passed = [made.message.id for made in self.facts[decision].all(Decided) if made.message is not None]
        elif sent.step:
            done = self.finished(sent.step)
            passed = [one.id for one in done.produced] if done is not None else []
        else:
            start = self.facts[self.run].last(RunStarted) if self.run in self.facts else None
            passed = [start.message.id] if start is not None else []
        if decision and passed == [sent.message.id]:  # an option of what a person edited: no step made it
            return [made.request for made in self.facts[decision].all(Decided)]
        return passed if len(passed) == 1 else [sent.step or self.run]

    def of_crossing(self, fact: Fact) -> list[str]:
        return [
            cause
            for sent in fact.all(Crossed)
            for cause in (sent.message.id, sent.step or self.run, self.decision_of(sent.step))
        ]

    def of_step(self, fact: Fact, leads: dict[str, str]) -> list[str]:
        done = fact.last(StepFinished)
        if done is None:
            return [begun.parent or self.run for begun in fact.all(StepStarted)]
        taken = list(done.consumed.values())
        return [*taken, *(leads[one] for one in taken if one in leads)]

    def of_gather(self, fact: Fact) -> list[str]:
        return [
            cause
            for closed in fact.all(GatherClosed)
            for cause in (*(item[1] for item in closed.items), *closed.lost, closed.scatter_step or self.run)
        ]

    def of_request(self, fact: Fact) -> list[str]:
        return [
            cause
            for asked in fact.all(RequestMade)
            for cause in (
                self.answers.get(asked.edited_from, asked.edited_from) or asked.step,
                self.answers.get(asked.in_place_of, asked.in_place_of),
            )
        ]

    def of_effect(self, fact: Fact) -> list[str]:
        requests = self.offered.get(fact.id, [])
        decisions = [self.answers[request] for request in requests if request in self.answers]
        sent = [one.decision for one in fact.all(EffectSent)]
        return [*requests, *decisions, *sent] or [one.step for one in fact.all(EffectRecord)]

    def leading_to_effects(self) -> dict[str, str]:
        """Each crossing that leads to an effect, whose id follows from it."""
        names = {one.name for fact in self.facts.values() for one in fact.all(EffectPrepared)}
        leads = {}
        for fact in self.facts.values():
            sent = fact.last(Crossed) if fact.kind == "crossing" else None
            if sent is not None and sent.target in names:
                effect = ids.derive(ids.EFFECT, self.run, sent.target, fact.id)
                if effect in self.facts:
                    leads[fact.id] = effect
        return leads

    def tie_reopened(self) -> None:
        """What a person had run anew is told of the step that ran in its place, too."""
        again = {}
        for fact in self.facts.values():
            for done in fact.all(StepFinished) if fact.kind == "step" else ():
                again[done.node, tuple(sorted(done.consumed.items())), done.generation] = fact
        for one in self.reopened:
            assert isinstance(one.record, RunReopened)
            before = self.finished(one.record.step)
            if before is not None:
                taken = tuple(sorted(before.consumed.items()))
                after = again.get((before.node, taken, one.record.generation))
                if after is not None:
                    after.placed.insert(0, one)
                    after.placed.sort(key=lambda each: each.seq)

    def decision_of(self, step: str) -> str:
        """The decision that let something leave an approval's step, or ""."""
        made = [self.answers[request] for request in self.asked.get(step, ()) if request in self.answers]
        final = [one for one in made if (last := self.facts[one].last(Decided)) and last.outcome != "edited"]
        return final[-1] if final else ""

    def finished(self, step: str) -> StepFinished | None:
        fact = self.facts.get(step)
        return fact.last(StepFinished) if fact is not None else None
