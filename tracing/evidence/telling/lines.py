"""Telling: what happened on a path, one line for each thing, in the order of its records.

1. A line says who did what with what, in words that need no knowledge of the system. Crossings are not lines of their
   own: the purpose of an edge stands where its message was taken.
2. Things that happened alike (the same node, with the same outcome) are one line if they are more than `ALIKE`.
3. Words of others are pieces of their own kind: an agent's, a person's, a receiver's. The declaration's purposes too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from answerable.tracing.evidence.lineage.facts import Fact
from answerable.tracing.evidence.telling.approvals import tell_approval
from answerable.tracing.evidence.telling.effects import tell_effect
from answerable.tracing.evidence.telling.known import Known, Told
from answerable.tracing.evidence.telling.steps import tell_step
from answerable.tracing.evidence.telling.words import Line, Piece, Text, as_plain, join, text
from answerable.tracing.ledger.placed import Placed
from answerable.tracing.ledger.records.accepting import (
    ApprovalAccepted,
    ApprovalDeclared,
    ApprovalDeclined,
    ExemptionAccepted,
)
from answerable.tracing.ledger.records.people import HandoverAccepted, HandoverOffered, SystemRegistered
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.ledger.records.ruling import RuleApproved, RuleProposed, RuleRevoked
from answerable.tracing.ledger.records.runs import RunEnded, RunReopened
from answerable.tracing.ledger.records.stops import FreezeQuiesced, Froze, Thawed
from answerable.tracing.ledger.records.store import StoreRestored
from answerable.tracing.ledger.records.votes import DelegationMade, DelegationRevoked

ALIKE: Final = 3


def lines_of(path: Iterable[Fact], around: Iterable[Placed], known: Known, *, whole: bool) -> list[Line]:
    """What happened on a path, and around it; `whole` tells the end of the run, too."""
    told: dict[int, tuple[Placed, Fact | None]] = {one.seq: (one, None) for one in around}
    for fact in path:
        if fact.kind != "message":
            told |= {one.seq: (one, fact) for one in fact.placed if not _elsewhere(one.record, fact, whole)}
    return list(_together([line for seq in sorted(told) for line in _line(*told[seq], known)]))


def _line(one: Placed, fact: Fact | None, known: Known) -> Iterator[Line]:
    record = one.record
    told = (
        tell_step(record, fact, known)
        or tell_approval(record, known)
        or tell_effect(record, known)
        or _tell_around(record, known)
    )
    if told is not None:
        yield Line(
            at=record.at,
            fact=fact.id if fact is not None else "",
            sort=told.sort,
            text=told.words,
            more=told.more,
            table=told.table,
            seqs=(one.seq,),
            responsible=record.responsible,
        )


def _elsewhere(record: Record, fact: Fact, whole: bool) -> bool:
    """What the run's fact has and a path through it does not: its end, and steps that ran anew elsewhere."""
    if fact.kind != "run":
        return False
    return (isinstance(record, RunEnded) and not whole) or (isinstance(record, RunReopened) and bool(record.step))


def _tell_around(record: Record, known: Known) -> Told | None:
    """The words for what belongs to no run."""
    name = known.people.name
    match record:
        case SystemRegistered(responsible=responsible, system=system):
            return Told("authority", text(name(responsible), " answers for ", Piece(system, "strong"), " from here on"))
        case HandoverOffered(responsible=responsible, successor=successor, system=system, reason=reason):
            words = text(name(responsible), " offered ", Piece(system, "strong"), " to ", name(successor))
            return Told("authority", text(words, ": ", Piece(reason, "said")) if reason else words)
        case HandoverAccepted(successor=successor, predecessor=predecessor, system=system):
            words = text(name(successor), " took ", Piece(system, "strong"), " over from ", name(predecessor))
            return Told("authority", text(words, " and answers for it from here on"))
        case ExemptionAccepted(by=by, exemption=exemption, version=version, approval=approval):
            words = text(name(by), " accepted the exemption ", Piece(f"{exemption}@{version}", "strong"))
            return Told("authority", text(words, " for ", Piece(approval, "node")))
        case ApprovalDeclared(approval=approval, first=first, digest=digest):
            how = "are in force, as it was first declared" if first else "were proposed"
            return Told(
                "authority", text("the rules of deciding of ", Piece(approval, "node"), f" {how} ({digest[:12]})")
            )
        case ApprovalAccepted(by=by, approval=approval, digest=digest):
            words = text(name(by), " accepted the rules of deciding of ", Piece(approval, "node"), f" ({digest[:12]})")
            return Told("authority", words)
        case ApprovalDeclined(by=by, approval=approval, digest=digest, reason=reason):
            words = text(name(by), " declined the rules of deciding proposed for ", Piece(approval, "node"))
            return Told("authority", text(words, f" ({digest[:12]}): ", Piece(reason, "said")))
        case Froze(by="", target=target, reason=reason):
            return Told("freeze", text(Piece(target, "bad"), " asked too much and was frozen: ", Piece(reason, "said")))
        case RuleProposed() as rule:
            words = text(name(rule.by), " proposed the standing rule ", Piece(f"{rule.name}@{rule.version}", "strong"))
            return Told("authority", text(words, " for ", Piece(rule.approval, "node")))
        case RuleApproved() as rule:
            people = join([text(name(one)) for one in rule.approvers], ", ")
            words = text(people, " approved the standing rule ", Piece(f"{rule.name}@{rule.version}", "strong"))
            return Told("authority", text(words, ", which ", name(rule.author), " wrote"))
        case RuleRevoked() as rule:
            words = text(name(rule.by), " revoked the standing rule ", Piece(f"{rule.name}@{rule.version}", "bad"))
            return Told("authority", text(words, ": ", Piece(rule.reason, "said")))
        case Froze(by=by, target=target, reason=reason):
            return Told("freeze", text(name(by), " froze ", Piece(target, "bad"), ": ", Piece(reason, "said")))
        case DelegationMade(giver=giver, taker=taker, reason=reason):
            words = text(name(giver), " let ", name(taker), " decide in their place: ", Piece(reason, "said"))
            return Told("authority", words)
        case DelegationRevoked(by=by, reason=reason):
            return Told("authority", text(name(by), " ended a delegation: ", Piece(reason, "said")))
        case FreezeQuiesced():
            return Told("freeze", text("nothing was in flight any more"))
        case Thawed(by=by, reason=reason):
            return Told("freeze", text(name(by), " lifted the freeze: ", Piece(reason, "said")))
        case StoreRestored(by=by):
            words = text(name(by), " restored this store from a backup: what it had sent since is in doubt")
            return Told("alarm", words)
    return None


def _together(lines: Sequence[Line]) -> Iterator[Line]:
    """Lines that read alike, as one where there are many."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        groups.setdefault(_likeness(line), []).append(line)
    for line in lines:
        group = groups[_likeness(line)]
        if len(group) <= ALIKE:
            yield line
        elif group[0] is line:
            seqs = tuple(seq for one in group for seq in one.seqs)
            more = tuple(words for words in line.more if not _is_own(words))
            yield replace(line, more=more, count=len(group), until=max(one.at for one in group), seqs=seqs)


def _likeness(line: Line) -> tuple[str, str]:
    loud = tuple(piece for piece in line.text if piece.kind != "quiet")
    return line.sort, "|".join([as_plain(loud), *(as_plain(words) for words in line.more if not _is_own(words))])


def _is_own(words: Text) -> bool:
    """Whether a text says what only this one thing carried."""
    return any(piece.kind == "payload" for piece in words)
