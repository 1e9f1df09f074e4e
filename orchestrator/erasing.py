"""Erasing a person: handle, name, contact and words go; the opaque id, and every record of what they did, stay.

1. Somebody has themself erased, or who answers for a system of this store has them; nobody else.
   Who answers for a system, or was offered one, is not erased: somebody takes it over first. Nor is anybody while a run
   that they had a part in is under legal hold, or one with words of theirs is not over.
2. Their words beside the ledger go: reasons and texts of votes and decisions, and what repeats them (the message that a
   no became, a gather that listed it, why a run ended). The decision's MAC is made anew, by the holder of the key.
3. What else there may be is out of reach, and is listed: what was handed out, other texts in the ledger, backups.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from sqlalchemy import Integer, bindparam, delete, func, or_, select, update

from answerable.agents.texts import CUT
from answerable.approvals.deciding.decisions import Decision
from answerable.approvals.sealing.keys import Key
from answerable.approvals.voting.votes import Vote, read_vote
from answerable.errors import NotEligible, NotErasable, StoreCorrupt
from answerable.tracing.evidence.keeping import holds
from answerable.tracing.evidence.keeping.erasing import empty_message, without_words
from answerable.tracing.ledger.entries import append, records_of
from answerable.tracing.ledger.records.kept import ERASED, EvidenceRead, PersonErased
from answerable.tracing.ledger.records.runs import ENDS
from answerable.tracing.people import get_person, read_rules_anew
from answerable.tracing.storage.statements import Statement, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, requests, votes
from answerable.tracing.storage.tables.inbox import drafts
from answerable.tracing.storage.tables.people import credentials, people, systems
from answerable.tracing.storage.tables.runs import gathers, messages, runs

W = TypeVar("W", Decision, Vote)

OUT_OF_REACH: Final = (
    "texts in the ledger: reasons of freezes, handovers, delegations, interventions and the like, and errors of steps",
    "what agents wrote into messages, and receivers were sent: erase those by message, run or subject",
    "a handle that a system declares in its code, and requests that asked that person by handle",
    "backups and copies of this store",
    "the collector and Jaeger: our spans hold opaque ids; what other libraries traced may hold more",
    "log files, and whatever receivers keep",
)
_TAKEN_AWAY: Final = ("csv", "html", "json", "zip")
_ANSWERS: Final = ("Rejected", "Response")

_ANSWERS_FOR = Statement(
    select(systems.c.name).where(
        or_(systems.c.responsible == bindparam("person"), systems.c.successor == bindparam("person"))
    )
)
_RESPONSIBLE_FOR = Statement(select(systems.c.name).where(systems.c.responsible == bindparam("person")))
_DECIDED = Statement(select(*decisions.c).where(decisions.c.by == bindparam("person")).order_by(decisions.c.id))
_VOTED = Statement(select(*votes.c).where(votes.c.by == bindparam("person")).order_by(votes.c.id))
_SET_WORDS = Statement(
    update(votes)
    .where(votes.c.id == bindparam("vote"))
    .values(reason=bindparam("new_reason"), mac=bindparam("new_mac"), salt="")
)
_EDITED = Statement(select(requests.c.run).where(requests.c.edited_by == bindparam("person")))
_STARTED = Statement(select(runs.c.id).where(runs.c.started_by == bindparam("person")))
_CANCELLED = Statement(
    select(runs.c.id).where(
        runs.c.status == "cancelled",
        func.substr(runs.c.detail, 1, bindparam("length", type_=Integer)) == bindparam("says"),
    )
)
_RUN = Statement(select(runs.c.status, runs.c.detail).where(runs.c.id == bindparam("run")))
_SET_DETAIL = Statement(update(runs).where(runs.c.id == bindparam("run")).values(detail=bindparam("new_detail")))
_SET_REASON = Statement(
    update(decisions)
    .where(decisions.c.id == bindparam("decision"))
    .values(reason=bindparam("new_reason"), mac=bindparam("new_mac"), salt="")
)
_NOES = Statement(
    select(messages.c.id, messages.c.payload).where(messages.c.run == bindparam("run"), messages.c.type.in_(_ANSWERS))
)
_GATHERS = Statement(select(gathers.c.id, gathers.c["items"]).where(gathers.c.run == bindparam("run")))
_SET_ITEMS = Statement(
    update(gathers).where(gathers.c.id == bindparam("gather")).values({"items": bindparam("new_items")})
)
_FORGET = Statement(
    update(people)
    .where(people.c.id == bindparam("person"))
    .values(handle=bindparam("no_handle"), name="", contact="", roles="[]", teams="[]")
)
_END_CREDENTIALS = Statement(
    update(credentials)
    .where(credentials.c.person == bindparam("person"), credentials.c.ended_at.is_(None))
    .values(ended_at=bindparam("now"))
)
_FORGET_DRAFTS = Statement(delete(drafts).where(drafts.c.person == bindparam("person")))
_FORGET_NOTES = Statement(update(credentials).where(credentials.c.person == bindparam("person")).values(note=""))


@dataclass(frozen=True, kw_only=True)
class ErasedPerson:
    """Whose data was erased (the id), what of it, and the copies that are out of reach."""

    person: str
    decisions: tuple[str, ...]
    votes: tuple[str, ...]
    messages: tuple[str, ...]
    runs: tuple[str, ...]
    handed_out: tuple[EvidenceRead, ...]


def erase_person(tx: Tx, key: Key, handle: str, *, by: str, reason: str, at: int) -> ErasedPerson:
    """Erase the person `handle`, by the person `by` (a handle, too).

    Raises: UnknownId; NotEligible, NotErasable (rule 1); StoreCorrupt if a decision of theirs is not genuine.
    """
    person, actor = get_person(tx, handle), get_person(tx, by)
    if person.id != actor.id and not tx.all(_RESPONSIBLE_FOR, person=actor.id):
        raise NotEligible(f"{by} answers for no system here", hint="they do it themself, or a Responsible Individual")
    says = f"cancelled by {handle}: "  # as the run's row has it
    read_rules_anew(tx)  # before anything else is locked, as workers lock it
    holds.lock(tx)
    answers_for = tx.all(_ANSWERS_FOR, person=person.id)
    if answers_for:
        raise NotErasable(f"{handle} answers for {answers_for[0][0]!r}, or was offered it", hint="hand it over first")
    theirs = [Decision(**named(decisions, row)) for row in tx.all(_DECIDED, person=person.id)]
    said = [one for one in theirs if one.reason and one.reason != ERASED]
    voted = [read_vote(named(votes, row)) for row in tx.all(_VOTED, person=person.id)]
    worded = [one for one in voted if one.reason and one.reason != ERASED]
    others = [str(row[0]) for statement in (_EDITED, _STARTED) for row in tx.all(statement, person=person.id)]
    part_in = sorted({*others, *(one.run for one in theirs), *(one.run for one in voted if one.run)})
    _check(tx, handle, part_in, {one.run for one in said} | {one.run for one in worded if one.run})
    for decision in said:
        erased = _wordless(key, "decision", decision)
        tx.run(_SET_REASON, decision=decision.id, new_reason=erased.reason, new_mac=erased.mac)
    for vote in worded:
        without = _wordless(key, "vote", vote)
        tx.run(_SET_WORDS, vote=vote.id, new_reason=without.reason, new_mac=without.mac)
    repeated = [(run, message) for run in {one.run for one in said} for message in _noes(tx, run, person.id)]
    for run, message in repeated:
        empty_message(tx, run, message)
    cancelled = {str(row[0]) for row in tx.all(_CANCELLED, says=says, length=len(says))}
    for run in sorted({*(one.run for one in said), *cancelled}):
        _forget_words(tx, run, person.id, said, is_theirs=run in cancelled)
    tx.run(_FORGET, person=person.id, no_handle=f"erased {person.id}")  # with a space, so that nobody can act as it
    tx.run(_END_CREDENTIALS, person=person.id, now=at)
    tx.run(_FORGET_NOTES, person=person.id)
    tx.run(_FORGET_DRAFTS, person=person.id)
    done = ErasedPerson(
        person=person.id,
        decisions=tuple(one.id for one in said),
        votes=tuple(one.id for one in worded),
        messages=tuple(message for _, message in repeated),
        runs=tuple(part_in),
        handed_out=tuple(_handed_out(tx)),
    )
    append(
        tx,
        PersonErased(
            at=at,
            system="",
            chain=tuple(dict.fromkeys((actor.id, person.id))),
            person=person.id,
            by=actor.id,
            reason=reason,
            decisions=done.decisions,
            votes=done.votes,
            messages=done.messages,
            runs=tuple(sorted({*(one.run for one in said), *cancelled})),
        ),
    )
    return done


def _wordless(key: Key, what: str, one: W) -> W:
    """It without its reason. Raises: StoreCorrupt if it is not genuine."""
    if not one.genuine(key):
        raise StoreCorrupt(
            f"{what} {one.id} is not what was written: its MAC is wrong",
            hint="`answerable ledger verify` tells what was changed; an erasing would hide it",
        )
    return replace(one, reason=ERASED).signed(key)


def _check(tx: Tx, handle: str, part_in: Iterable[str], with_words: set[str]) -> None:
    for run in part_in:
        standing = holds.holds_on(tx, run)
        if standing:
            raise NotErasable(
                f"{handle} had a part in {run}, which is under legal hold ({standing[0].id})",
                hint="`answerable holds list` says by whom, and why",
            )
        row = tx.one(_RUN, run=run)
        if run in with_words and row is not None and row[0] not in ENDS:
            raise NotErasable(
                f"{handle} gave a reason in {run}, which is not over: it is {row[0]}", hint="wait for its end"
            )


def _noes(tx: Tx, run: str, person: str) -> list[str]:
    """The messages that a no or a text of this person became."""
    found = []
    for message, payload in tx.all(_NOES, run=run):
        if payload and json.loads(bytes(payload)).get("by") == person:
            found.append(str(message))
    return found


def _forget_words(tx: Tx, run: str, person: str, said: Iterable[Decision], *, is_theirs: bool) -> None:
    row = tx.one(_RUN, run=run)
    if row is not None and row[1]:
        detail, cut = str(row[1]), is_theirs
        for decision in (one for one in said if one.run == run):
            cut = cut or (decision.reason not in detail and detail.endswith(CUT))  # a part of it may stand there
            detail = detail.replace(decision.reason, ERASED)
        tx.run(_SET_DETAIL, run=run, new_detail=ERASED if cut else detail)
    for gather, items in tx.all(_GATHERS, run=run):
        emptied = without_words(items, of=person)
        if emptied != items:
            tx.run(_SET_ITEMS, gather=gather, new_items=emptied)


def _handed_out(tx: Tx) -> list[EvidenceRead]:
    """What was taken away as a file: by whom, when, about what."""
    read: list[Any] = [entry.record for entry in records_of(tx, "")]
    return [record for record in read if isinstance(record, EvidenceRead) and record.form in _TAKEN_AWAY]
