"""How calls are told: let go, answered, in doubt, settled, withdrawn, refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from answerable.tracing.evidence.lineage.facts import Fact
from answerable.tracing.evidence.telling.known import Known, Told
from answerable.tracing.evidence.telling.words import Piece, Text, summary, text
from answerable.tracing.ledger.records.effects import (
    EffectAnswered,
    EffectInDoubt,
    EffectPrepared,
    EffectRefused,
    EffectSent,
    EffectSettled,
    EffectWithdrawn,
)
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.ledger.records.steps import StepFinished
from answerable.tracing.spans.tree import length


def tell_effect(record: Record, known: Known) -> Told | None:
    """The words for a record of an effect; None for others, and for what a later record of it tells."""
    match record:
        case EffectSent() if not _is_answered(record, known):
            words = text(Piece(record.name, "node"), " was let go", _to(record.effect, known))
            return Told("sent", text(words, Piece("; no answer is recorded", "open")))
        case EffectAnswered():
            return _answered(record, known)
        case EffectInDoubt(name=name, error=error):
            words = text(Piece(name, "node"), " may have happened or not: it is ", Piece("in doubt", "bad"))
            return Told("doubt", text(words, ": ", Piece(error, "said")) if error else words)
        case EffectSettled(name=name, by=by, outcome=outcome, reason=reason):
            said = {"done": "as done", "failed": "as failed", "again": "to be sent again"}[outcome]
            words = text(known.people.name(by), " settled ", Piece(name, "node"), f" {said}: ", Piece(reason, "said"))
            return Told("settled", words)
        case EffectWithdrawn(name=name, reason=reason):
            return Told("withdrawn", text(Piece(name, "node"), " was ", Piece("withdrawn", "open"), f": {reason}"))
        case EffectRefused(name=name, reason=reason, waits=waits):
            held = "held back" if waits else "refused"
            return Told("refused", text(Piece(name, "node"), " was ", Piece(held, "bad"), f": {reason}"))
    return None


def _is_answered(record: EffectSent, known: Known) -> bool:
    fact = known.facts[record.effect]
    ends: list[EffectAnswered | EffectInDoubt] = [*fact.all(EffectAnswered), *fact.all(EffectInDoubt)]
    return any(one.attempt == record.attempt for one in ends)


def _answered(record: EffectAnswered, known: Known) -> Told:
    to, took = _to(record.effect, known), Piece(f", {length(record.at - record.sent_at)}", "quiet")
    name, attempt = Piece(record.name, "node"), f", attempt {record.attempt}" if record.attempt > 1 else ""
    status = f": HTTP {record.status}" if record.status else ""
    error = text(": ", Piece(record.error, "said")) if record.error else ()
    carried = carried_by(record.effect, known)
    if record.outcome == "done":
        return Told("done", text(name, " was sent", to, attempt, " and ", Piece("done", "good"), status, took), carried)
    if record.outcome == "failed":
        words = text(name, " was sent", to, attempt, " and ", Piece("failed", "bad"), status, took, error)
        return Told("failed", words, carried)
    return Told("failed", text(name, " did ", Piece("not arrive", "bad"), to, attempt, took, error))


def carried_by(effect: str, known: Known) -> tuple[Text, ...]:
    """What a call carried and what the receiver answered, in short, where that is still there."""
    fact = known.facts.get(effect)
    bound = fact.last(EffectPrepared) if fact is not None else None
    said = summary(known.beside.payloads.get(bound.message)) if bound is not None else ()
    lines = [text(Piece("it carried: ", "quiet"), said)] if said else []
    for id in answers_to(effect, known.facts, known.caused):
        answer = summary(known.beside.payloads.get(id))
        lines += [text(Piece("the answer: ", "quiet"), answer)] if answer else []
    return tuple(lines)


def answers_to(effect: str, facts: Mapping[str, Fact], caused: Mapping[str, Sequence[str]]) -> list[str]:
    """The messages that the step of an effect made of what the receiver answered."""
    steps = [facts[one] for one in caused.get(effect, ()) if facts[one].kind == "step"]
    return [made.id for step in steps for done in step.all(StepFinished) for made in done.produced]


def _to(effect: str, known: Known) -> Text:
    fact = known.facts.get(effect)
    bound = fact.last(EffectPrepared) if fact is not None else None
    if bound is None or not bound.receiver:
        return ()
    how = f" ({bound.method} {bound.origin})" if bound.method else ""
    return text(" to ", Piece(bound.receiver, "strong"), Piece(how, "quiet"))
