"""Deciding: may this person answer so, and is it enough?

1. A request is decided once. Whoever comes second is told so. An answer that needs others to decide is a vote.
2. Time denies; it never approves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from answerable.approvals.asking.requests import RequestRow, get_request
from answerable.approvals.deciding.answers import Answer, Given
from answerable.approvals.deciding.ballots import ballot_of
from answerable.approvals.deciding.breaking import check_may_break
from answerable.approvals.deciding.budgets import check_budget
from answerable.approvals.deciding.decisions import Decision, decision_on
from answerable.approvals.deciding.escalating import escalate
from answerable.approvals.deciding.reasons import CODES, OTHER, check_reason
from answerable.approvals.deciding.recording import record_decision
from answerable.approvals.sealing.keys import Key
from answerable.approvals.voting.counting import Counted
from answerable.approvals.voting.eligibility import Standing
from answerable.approvals.voting.votes import cast_vote
from answerable.approvals.who.identity import Identity, check_sure
from answerable.approvals.who.signatures import BREAK_GLASS, Meant, signed_by
from answerable.errors import AlreadyDecided, InvalidInput, NotOpen
from answerable.tracing.freezes import frozen_targets
from answerable.tracing.ledger.records.record import Signature
from answerable.tracing.people import get_person
from answerable.tracing.storage.store import Tx


def decide(tx: Tx, key: Key, request_id: str, answer: Answer, *, who: Identity, at: int) -> Given:
    """A person answers an open request: the decision, or their vote if it takes others besides.

    Raises: UnknownId, InvalidInput (no such option, no reason), NotEligible, NotSureEnough, AlreadyDecided, NotOpen.
    """
    request = get_request(tx, request_id, lock=True)
    person = get_person(tx, who.handle)
    request.check_genuine(key)
    _check_open(tx, request, at=at)
    request = escalate(tx, key, request, at=at)
    if answer.outcome == "approved" and request.option(answer.option) is None:
        raise InvalidInput(
            f"request {request.id} has no option {answer.option!r}", hint=f"choose one of {', '.join(request.options)}"
        )
    if answer.outcome in ("rejected", "answered") and not answer.reason.strip():
        raise InvalidInput("a no needs a reason, and a response a text", hint="say why, for whoever reads it later")
    answer = _with_code(answer)
    if answer.break_glass:
        standing = check_may_break(tx, key, request, person, answer.option, at=at, lock=True)
        who, answer, signature = _sure(tx, key, request, answer, who, standing, at=at)
        sure: dict[str, Any] = {"assurance": who.assurance, "signature": signature}
        return record_decision(tx, key, request, answer, by=person.id, at=at, standing=standing, **sure)
    ballot = ballot_of(tx, key, request, at=at)
    chosen = answer.option if answer.outcome == "approved" else ""
    standing = ballot.standing_of(person, option=chosen, for_person=answer.for_person)
    who, answer, signature = _sure(tx, key, request, answer, who, standing, at=at)
    beyond = check_budget(tx, person.id, answer.budget, answer.reason, at=at)
    given: list[Counted] = []
    if answer.outcome in ("approved", "rejected"):
        given = ballot.with_answer(standing, chosen)
        missing = ballot.missing(chosen, given)
        if missing:
            return cast_vote(
                tx,
                key,
                subject=request.id,
                digest=request.digest,
                system=request.system,
                run=request.run,
                approval=request.approval,
                step=request.step,
                answer="approved" if chosen else "rejected",
                option=chosen,
                standing=standing,
                assurance=who.assurance,
                reason=answer.reason,
                code=answer.code,
                signature=signature,
                salt=answer.signed.salt if answer.signed else "",
                missing=missing,
                at=at,
            )
    return record_decision(
        tx,
        key,
        request,
        answer,
        by=person.id,
        assurance=who.assurance,
        at=at,
        standing=standing,
        votes=given[:-1],
        beyond=beyond,
        signature=signature,
    )


def expire(tx: Tx, key: Key, request_id: str, *, at: int) -> Decision | None:
    """Deny a request whose time is over; None if it is not open or not overdue."""
    request = get_request(tx, request_id)
    if request.state != "open" or at < request.expires_at or _is_frozen(tx, request) or decision_on(tx, request_id):
        return None
    return record_decision(tx, key, request, Answer(outcome="expired"), by="", assurance="", at=at)


def _with_code(answer: Answer) -> Answer:
    """An answer that denies or breaks the glass with its reason checked. Raises: InvalidInput."""
    if answer.break_glass:
        if answer.outcome != "approved":
            raise InvalidInput("glass is broken to choose an option", hint="anything else needs no glass")
        check_reason(answer.code, answer.reason, what="breaking the glass")
    elif answer.outcome == "rejected":
        answer = replace(answer, code=answer.code or OTHER)
        check_reason(answer.code, answer.reason, what="a no")
    elif answer.code not in ("", *CODES):
        raise InvalidInput(f"{answer.code!r} is no code of a reason", hint=f"one of {', '.join(CODES)}")
    return answer


def _check_open(tx: Tx, request: RequestRow, *, at: int) -> None:
    known = decision_on(tx, request.id)
    if known is not None:
        raise AlreadyDecided(
            f"request {request.id} is already {known.outcome}", hint=f"`answerable show {request.id}` tells by whom"
        )
    if request.state != "open":
        raise NotOpen(f"request {request.id} is {request.state}", hint="a later request may have taken its place")
    if at >= request.expires_at:
        raise NotOpen(f"the time to decide request {request.id} is over", hint="resume the run: it takes that as a no")
    if _is_frozen(tx, request):
        raise NotOpen(
            f"request {request.id} is suspended: {request.system} is frozen", hint="it can be decided after the thaw"
        )


def _is_frozen(tx: Tx, request: RequestRow) -> bool:
    return request.is_held(frozen_targets(tx, request.system))


def _sure(
    tx: Tx, key: Key, request: RequestRow, answer: Answer, who: Identity, standing: Standing, *, at: int
) -> tuple[Identity, Answer, Signature | None]:
    """Who answers, as sure as a signature makes it, with that signature, if they are as sure as the request asks for.

    Raises: NotAuthenticated, NotSureEnough.
    """
    who, signed, signature = signed_by(tx, key, who, _meant(request, answer, standing), answer.signed, at=at)
    check_sure(who, requires=request.asked.requires, fresh_seconds=request.asked.fresh_seconds, at=at)
    return who, replace(answer, signed=signed), signature


def _meant(request: RequestRow, answer: Answer, standing: Standing) -> Meant:
    """What an answer means to whoever signs it."""
    return Meant(
        system=request.system,
        subject=request.id,
        digest=request.digest,
        answer=BREAK_GLASS if answer.break_glass else answer.outcome,
        option=answer.option if answer.outcome == "approved" else "",
        person=standing.person.id,
        for_person=standing.for_person,
        code=answer.code,
        reason=answer.reason,
        proposes=answer.proposes,
    )
