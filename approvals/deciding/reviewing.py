"""Reviewing: a person says whether what was decided without those who had been asked was right.

1. Whoever could have decided does it, and nobody who had a part in the decision, nor the delegate of somebody who had,
   or who would be too close to decide it.
2. It says whether that was right, and why. What it says takes nothing back.
"""

from __future__ import annotations

from sqlalchemy import bindparam, update

from answerable.approvals.asking.requests import get_request
from answerable.approvals.deciding.decisions import get_decision
from answerable.approvals.deciding.reviews import VERDICTS, Review, Verdict, get_review
from answerable.approvals.sealing.keys import Key
from answerable.approvals.voting.delegations import in_force
from answerable.approvals.voting.eligibility import check_eligible, too_close
from answerable.errors import InvalidInput, NotEligible, NotOpen
from answerable.tracing.ledger.afterwards import Reviewed
from answerable.tracing.ledger.entries import append
from answerable.tracing.people import authority, get_person, stamp
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables import reviews

_DONE = Statement(
    update(reviews)
    .where(reviews.c.id == bindparam("review"), reviews.c.verdict == "")
    .values(verdict=bindparam("new_verdict"), by=bindparam("new_by"), at=bindparam("new_at"))
)


def do_review(tx: Tx, key: Key, id: str, *, by: str, verdict: Verdict, reason: str, at: int) -> Review:
    """A person (a handle) says whether a decision was right. Raises: UnknownId, InvalidInput, NotEligible, NotOpen."""
    person, found = get_person(tx, by), get_review(tx, id)
    if verdict not in VERDICTS:
        raise InvalidInput(f"{verdict!r} is no verdict", hint="right or wrong")
    decision = get_decision(tx, found.decision)
    assert decision is not None, found.decision
    request = get_request(tx, decision.request)
    responsible = authority(tx, found.system).responsible
    if person.id in decision.people:
        raise NotEligible(f"{person.handle} had a part in it, and nobody reviews their own", hint="ask somebody else")
    asked = request.asked_at(at)
    check_eligible(person, asked, responsible=responsible)
    delegations = in_force(tx, key, system=found.system, approval=found.approval, at=at)
    near = {one.giver.id: one.giver.handle for one in delegations if one.taker == person.id}
    parts = [f"is the delegate of {near[id]}, who had a part in it" for id in decision.people if id in near]
    own = parts[0] if parts else "" if asked.may_decide_own else too_close(person, asked, delegations)
    if own:
        raise NotEligible(f"{person.handle} {own}, and nobody reviews their own", hint="ask somebody else")
    if not tx.run(_DONE, review=id, new_verdict=verdict, new_by=person.id, new_at=at):
        raise NotOpen(f"review {id} is done already: it said {found.verdict}")
    append(
        tx,
        Reviewed(
            **stamp(tx, found.system, run=found.run, at=at, through=(person.id,)),
            review=id,
            of="sample" if found.of == "sample" else "break-glass",
            decision=found.decision,
            request=decision.request,
            approval=found.approval,
            step=request.step,
            verdict=verdict,
            by=person.id,
            reason=reason,
            due=found.due_at,
        ),
    )
    return get_review(tx, id)
