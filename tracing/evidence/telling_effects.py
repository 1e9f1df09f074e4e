"""How calls are told: let go, answered, in doubt, settled, withdrawn, refused."""

from __future__ import annotations

from answerable.tracing.evidence.known import Known, Told
from answerable.tracing.evidence.words import Piece, Text, text
from answerable.tracing.ledger.record import Record
from answerable.tracing.ledger.records import (
    EffectAnswered,
    EffectInDoubt,
    EffectPrepared,
    EffectRefused,
    EffectSent,
    EffectSettled,
    EffectWithdrawn,
)
from answerable.tracing.spans.tree import length


def tell_effect(record: Record, known: Known) -> Told | None:
    """The words for a record of an effect; None for others, and for what a later record of it tells."""
    match record:
        case EffectSent() if not _is_answered(record, known):
            words = text(Piece(record.name, "node"), " was let go", _to(record.effect, known))
            return "sent", text(words, Piece("; no answer is recorded", "open")), ()
        case EffectAnswered():
            return _answered(record, known)
        case EffectInDoubt(name=name, error=error):
            words = text(Piece(name, "node"), " may have happened or not: it is ", Piece("in doubt", "bad"))
            return "doubt", text(words, ": ", Piece(error, "said")) if error else words, ()
        case EffectSettled(name=name, by=by, outcome=outcome, reason=reason):
            said = {"done": "as done", "failed": "as failed", "again": "to be sent again"}[outcome]
            words = text(known.people.name(by), " settled ", Piece(name, "node"), f" {said}: ", Piece(reason, "said"))
            return "settled", words, ()
        case EffectWithdrawn(name=name, reason=reason):
            return "withdrawn", text(Piece(name, "node"), " was ", Piece("withdrawn", "open"), f": {reason}"), ()
        case EffectRefused(name=name, reason=reason, waits=waits):
            held = "held back" if waits else "refused"
            return "refused", text(Piece(name, "node"), " was ", Piece(held, "bad"), f": {reason}"), ()
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
    if record.outcome == "done":
        return "done", text(name, " was sent", to, attempt, " and ", Piece("done", "good"), status, took), ()
    if record.outcome == "failed":
        return "failed", text(name, " was sent", to, attempt, " and ", Piece("failed", "bad"), status, took, error), ()
    return "failed", text(name, " did ", Piece("not arrive", "bad"), to, attempt, took, error), ()


def _to(effect: str, known: Known) -> Text:
    fact = known.facts.get(effect)
    bound = fact.last(EffectPrepared) if fact is not None else None
    if bound is None or not bound.receiver:
        return ()
    how = f" ({bound.method} {bound.origin})" if bound.method else ""
    return text(" to ", Piece(bound.receiver, "strong"), Piece(how, "quiet"))
