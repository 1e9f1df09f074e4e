"""How the records of steps, gathers and the run itself are told."""

from __future__ import annotations

from collections import Counter

from answerable.tracing.evidence.lineage.facts import Fact
from answerable.tracing.evidence.lineage.lineage import END, START
from answerable.tracing.evidence.telling.known import Known, Told, purpose_of
from answerable.tracing.evidence.telling.words import Piece, Text, join, plural, summary, text
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.ledger.records.runs import RunEnded, RunReopened, RunStarted
from answerable.tracing.ledger.records.steps import Crossed, GatherClosed, StepFinished, StepStarted, UndeclaredEgress
from answerable.tracing.spans.tree import length


def tell_step(record: Record, fact: Fact | None, known: Known) -> Told | None:
    """The words for a record of the run, a step, a gather, or a crossing to END; None for others."""
    match record:
        case RunStarted(started_by=by, message=message):
            words = text(known.people.name(by), " started the run with a ", Piece(message.type, "type"))
            said = summary(known.beside.payloads.get(message.id))
            return Told("start", words, (text(Piece("it says: ", "quiet"), said),) if said else ())
        case RunEnded():
            return Told("end", _ended(record, known))
        case RunReopened():
            what = "a step run anew" if record.step else f"the run moved to version {record.version[:12]}"
            return Told("again", text(known.people.name(record.by), f" had {what}: ", Piece(record.reason, "said")))
        case StepStarted() if fact is not None:
            return _began(record, fact)
        case StepFinished():
            return _finished(record, known)
        case Crossed(target=target, message=message) if target == END:
            words = text(Piece(message.type, "type"), " is the result:", purpose_of(record))
            return Told("result", words, known.sums(message.id))
        case GatherClosed():
            return Told("gather", _gathered(record))
        case UndeclaredEgress(node=node, event=event, to=to):
            words = text("code in ", Piece(node, "node"), " reached out in a way that no effect declares: ")
            return Told("alarm", text(words, Piece(f"{event} {to}", "bad")))
    return None


def _began(record: StepStarted, fact: Fact) -> Told | None:
    done = fact.last(StepFinished)
    last = done.attempt if done is not None else max(one.attempt for one in fact.all(StepStarted))
    node = Piece(record.node, "node")
    if record.attempt < last:
        return Told("died", text(f"attempt {record.attempt} of ", node, " did not finish; another began"))
    return Told("open", text(node, Piece(" is at work", "open"))) if done is None else None


def _finished(record: StepFinished, known: Known) -> Told | None:
    who = text(Piece(record.node, "node"), Piece(f" ({record.owner})" if record.owner else "", "quiet"))
    if record.outcome == "failed":
        return Told("failed", text(who, " ", Piece("failed", "bad"), ": ", Piece(record.error, "agent")))
    if record.role != "agent":
        return None  # its request or its call tells it
    made = join([(Piece(one.type, "type"),) for one in record.produced]) or text("nothing")
    took = Piece(f", {length(record.at - record.started_at)}", "quiet")
    words = text(who, " took ", _taken(record, known), " and made ", made, took)
    return Told("step", words, known.sums(*(one.id for one in record.produced)))


def _taken(record: StepFinished, known: Known) -> Text:
    parts: list[Text] = []
    for taken in record.consumed.values():
        fact = known.facts.get(taken)
        sent = fact.last(Crossed) if fact is not None else None
        closed = fact.last(GatherClosed) if fact is not None else None
        if sent is not None:
            source = Piece("the input" if sent.source == START else sent.source, "node")
            parts.append(text(Piece(sent.message.type, "type"), " from ", source, purpose_of(sent)))
        elif closed is not None:
            source = Piece(closed.edge.partition("→")[0], "node")
            parts.append(text(plural(len(closed.items), "result"), " from ", source))
        else:
            parts.append(text(Piece(f"something that is not recorded ({taken[:12]}…)", "bad")))
    return join(parts) or text("nothing")


def _gathered(record: GatherClosed) -> Text:
    source = Piece(record.edge.partition("→")[0], "node")
    counts = Counter(outcome or "done" for _, _, outcome in record.items)
    kinds = ", ".join(f"{count} {outcome.lower()}" for outcome, count in sorted(counts.items()))
    absent = f"; {plural(record.absent, 'item')} dropped by a condition" if record.absent else ""
    return text("the results of ", source, f" were brought together: {kinds or 'none'}{absent}")


def _ended(record: RunEnded, known: Known) -> Text:
    by = text(", by ", known.people.name(record.by)) if record.by else ()
    why = text(": ", Piece(record.detail, "said")) if record.detail else ()
    return text("the run ended: ", Piece(record.status, "good" if record.status == "done" else "bad"), by, why)
