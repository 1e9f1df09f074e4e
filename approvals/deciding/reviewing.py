"""Reviewing: a person says whether what was decided without those who had been asked was right.

1. Whoever could have decided does it, and nobody who had a part in the decision, nor the delegate of somebody who had,
   or who would be too close to decide it.
2. It says whether that was right, and why. What it says takes nothing back.
3. We are as sure of who says it as the approval asks for of who decides, and it may be signed as an answer is.
4. A review is a row with a MAC and a record with a seal, and is made anew from the latter only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, update

from answerable.approvals.asking.requests import RequestRow, get_request
from answerable.approvals.deciding.decisions import get_decision
from answerable.approvals.deciding.reviews import VERDICTS, Review, Verdict, get_review
from answerable.approvals.sealing.keys import Key, not_ours
from answerable.approvals.sealing.seals import is_sealed, sealed
from answerable.approvals.voting.delegations import in_force
from answerable.approvals.voting.eligibility import check_eligible, too_close
from answerable.approvals.who.identity import Identity, check_sure
from answerable.approvals.who.signatures import REVIEWED, Meant, Signed, signed_by
from answerable.errors import InvalidInput, NotEligible, NotOpen
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.afterwards import Reviewed
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.people import PersonRow, authority, get_person, stamp
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import reviews

_DONE = Statement(
    update(reviews)
    .where(reviews.c.id == bindparam("review"), reviews.c.verdict == "")
    .values(verdict=bindparam("new_verdict"), by=bindparam("new_by"), at=bindparam("new_at"), mac=bindparam("new_mac"))
)


def do_review(
    tx: Tx, key: Key, id: str, *, who: Identity, verdict: Verdict, reason: str, signed: Signed | None = None, at: int
) -> Review:
    """A person says whether a decision was right; `signed` is their own signature of that.

    Raises: UnknownId, InvalidInput, NotEligible, NotSureEnough, NotAuthenticated, NotOpen, StoreCorrupt.
    """
    person, found = get_person(tx, who.handle), get_review(tx, id)
    if verdict not in VERDICTS:
        raise InvalidInput(f"{verdict!r} is no verdict", hint="right or wrong")
    request = check_may_review(tx, key, found, person, at=at)
    asked = request.asked_at(at)
    meant = Meant(
        system=found.system,
        subject=id,
        digest=request.digest,
        answer=REVIEWED,
        option=verdict,
        person=person.id,
        for_person="",
        reason=reason,
    )
    who, signed, signature = signed_by(tx, key, who, meant, signed, at=at)
    check_sure(who, requires=asked.requires, fresh_seconds=asked.fresh_seconds, at=at)
    done = replace(found, verdict=verdict, by=person.id, at=at).signed(key)
    if not tx.run(_DONE, review=id, new_verdict=verdict, new_by=person.id, new_at=at, new_mac=done.mac):
        raise NotOpen(f"review {id} is done already: it said {found.verdict}")
    record = Reviewed(
        **stamp(tx, found.system, run=found.run, at=at, through=(person.id,)),
        assurance=who.assurance,
        review=id,
        of="sample" if found.of == "sample" else "break-glass",
        decision=found.decision,
        request=request.id,
        approval=found.approval,
        step=request.step,
        verdict=verdict,
        by=person.id,
        reason=reason,
        due=found.due_at,
        digest=request.digest,
        signature=signature,
        salt=signed.salt if signed else "",
    )
    append(tx, sealed(key, record))
    return done


def check_may_review(tx: Tx, key: Key, review: Review, person: PersonRow, *, at: int) -> RequestRow:
    """The request whose decision it is about, if this person may review that. Raises: NotEligible, StoreCorrupt."""
    decision = get_decision(tx, review.decision)
    assert decision is not None, review.decision
    request = get_request(tx, decision.request)
    if person.id in decision.people:
        raise NotEligible(f"{person.handle} had a part in it, and nobody reviews their own", hint="ask somebody else")
    asked = request.asked_at(at)
    if not review.genuine(key):
        raise not_ours(f"review {review.id}")
    check_eligible(person, asked, responsible=authority(tx, review.system).responsible)
    delegations = in_force(tx, key, system=review.system, approval=review.approval, at=at)
    near = {one.giver.id: one.giver.handle for one in delegations if one.taker == person.id}
    parts = [f"is the delegate of {near[id]}, who had a part in it" for id in decision.people if id in near]
    own = parts[0] if parts else "" if asked.may_decide_own else too_close(person, asked, delegations)
    if own:
        raise NotEligible(f"{person.handle} {own}, and nobody reviews their own", hint="ask somebody else")
    return request


def remade(key: Key, id: str, told: Mapping[str, Any], decided: Decided, done: Reviewed | None) -> Review | None:
    """A review as its records tell of it; None if one of them has no seal."""
    if not is_sealed(key, decided) or (done is not None and not is_sealed(key, done)):
        return None
    return Review(id=id, **told).signed(key)
