"""What a fact is called and how it stands, in a word or two; and the question about it, as a title."""

from __future__ import annotations

from typing import Final, Literal

from answerable.tracing.evidence.lineage.facts import Fact, Kind
from answerable.tracing.evidence.telling.words import Kind as PieceKind
from answerable.tracing.evidence.telling.words import Piece, Text, text
from answerable.tracing.ledger.records.afterwards import DecisionRevoked
from answerable.tracing.ledger.records.deciding import Decided, RequestMade, RequestWithdrawn
from answerable.tracing.ledger.records.effects import (
    EffectAnswered,
    EffectInDoubt,
    EffectRecord,
    EffectRefused,
    EffectSent,
    EffectSettled,
    EffectWithdrawn,
)
from answerable.tracing.ledger.records.runs import RunEnded, RunRested
from answerable.tracing.ledger.records.steps import Crossed, GatherClosed, StepFinished, StepStarted

Question = Literal["why", "impact"]

NOUNS: Final[dict[Kind, str]] = {
    "run": "the run of",
    "message": "the message",
    "crossing": "the crossing",
    "step": "the step of",
    "gather": "the results of",
    "request": "the request of",
    "decision": "the decision at",
    "effect": "the call",
}
_OF_EFFECTS: Final = {
    "prepared": " was not sent yet",
    "sent": " was sent",
    "done": " was sent",
    "failed": " failed",
    "in doubt": " is in doubt",
    "withdrawn": " was withdrawn",
    "refused": " was refused",
}


def label_of(fact: Fact) -> str:
    """The name of what a fact is about: a node, an edge, a type of messages, the system."""
    if fact.kind == "message":
        return fact.ref.type if fact.ref is not None else "message"
    for one in fact.placed:
        match one.record:
            case StepStarted(node=name) | StepFinished(node=name) | EffectRecord(name=name):
                return name
            case Crossed(source=source, target=target):
                return f"{source} → {target}"
            case GatherClosed(edge=edge):
                return edge.partition("→")[0]
            case RequestMade(approval=name) | RequestWithdrawn(approval=name) | Decided(approval=name):
                return name
    return fact.placed[0].record.system or fact.id


def state_of(fact: Fact) -> str:
    """How a fact stands, as far as it is recorded."""
    state = {"step": "at work", "request": "open", "effect": "prepared", "run": "is running"}.get(fact.kind, "")
    for one in fact.placed:
        match one.record:
            case EffectSent():
                state = "sent"
            case EffectAnswered(outcome=outcome):
                state = {"done": "done", "failed": "failed", "not-sent": "prepared"}[outcome]
            case EffectInDoubt():
                state = "in doubt"
            case EffectSettled(outcome=outcome):
                state = {"done": "done", "failed": "failed", "again": "sent"}[outcome]
            case EffectWithdrawn():
                state = "withdrawn"
            case EffectRefused(waits=False) if state == "prepared":
                state = "refused"
            case StepFinished(outcome=outcome) if fact.kind == "step":
                state = outcome
            case RequestWithdrawn():
                state = "withdrawn"
            case Decided(outcome=outcome):
                state = outcome
            case DecisionRevoked():
                state = "revoked"
            case RunEnded(status=status) if fact.kind == "run":
                state = f"ended {status}"
            case RunRested() as rested if fact.kind == "run":
                waits = rested.requests or rested.in_doubt
                state = "waits for a person" if waits else "is frozen" if rested.frozen else "rests"
    return state


def tone_of(state: str) -> PieceKind:
    """How a state is to be shown: good, bad, or open."""
    if state in ("done", "approved", "exempted", "ruled", "ended done"):
        return "good"
    return (
        "bad"
        if state in ("failed", "in doubt", "refused", "rejected", "expired", "revoked") or "ended" in state
        else "open"
    )


def title_of(question: Question, fact: Fact) -> Text:
    """The question about a fact, as a title."""
    label, state = Piece(label_of(fact), "type" if fact.kind == "message" else "node"), state_of(fact)
    if question == "impact":
        return text(f"What followed from {NOUNS[fact.kind]} ", label)
    match fact.kind:
        case "effect":
            return text("Why ", label, _OF_EFFECTS[state])
        case "run":
            return text("Why the run of ", label, f" {state}")
        case "request":
            return text("Why ", label, " asked for a decision")
        case "decision":
            return text("Why it was ", Piece(state, tone_of(state)), " at ", label)
        case "step":
            return text("Why ", label, " failed" if state == "failed" else " did what it did")
        case "gather":
            return text("Why the results of ", label, " are what they are")
        case "crossing":
            return text("Why a message crossed ", label)
        case "message":
            return text("Why there is this ", label)
