"""Deciding: what a person (or the passing of time, or an accepted exemption) answers.

1. A request is decided once. Whoever comes second is told so. An answer that needs others to decide is a vote.
2. A yes names one option and makes one grant for each call that the option releases; the calls of the other options are
   withdrawn. Everything else releases nothing and withdraws every call.
3. Time denies; it never approves.
4. A decision and its grants are written with a MAC, in one transaction with their records, before any graph is resumed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from sqlalchemy import bindparam, select, update

from answerable.approvals.asking.requests import RequestRow, close_request, get_request
from answerable.approvals.deciding.ballots import ballot_of
from answerable.approvals.deciding.breaking import check_may_break
from answerable.approvals.deciding.budgets import check_budget
from answerable.approvals.deciding.decisions import YES, Decision, Outcome, decision_on, grant_columns
from answerable.approvals.deciding.escalating import escalate
from answerable.approvals.deciding.reasons import CODES, OTHER, check_reason
from answerable.approvals.deciding.reviews import BREAK_GLASS_SECONDS, SAMPLE_SECONDS, Of, due_review
from answerable.approvals.sealing.keys import Key
from answerable.approvals.sealing.seals import sealed
from answerable.approvals.voting.counting import Counted, people_of
from answerable.approvals.voting.eligibility import Standing
from answerable.approvals.voting.votes import Vote, as_column, cast_vote
from answerable.approvals.who.identity import Identity, check_sure
from answerable.approvals.who.signatures import BREAK_GLASS, Meant, Signed, signed_by
from answerable.errors import AlreadyDecided, InvalidInput, NotOpen
from answerable.tracing import ids
from answerable.tracing.clock import micros
from answerable.tracing.continuing import go_on
from answerable.tracing.freezes import frozen_targets
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.effects import EffectWithdrawn
from answerable.tracing.ledger.records.record import MessageRef, Signature
from answerable.tracing.people import authority, get_person
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, grants
from answerable.tracing.storage.tables.runs import effects
from answerable.tracing.waking import wake_at

_INSERT = inserting(decisions)
_INSERT_GRANT = inserting(grants)
_WITHDRAW = Statement(
    update(effects)
    .where(effects.c.id == bindparam("effect"), effects.c.state == "prepared")
    .values(state="withdrawn", detail=bindparam("new_detail"))
)
_EFFECT = Statement(select(effects.c.name, effects.c.step).where(effects.c.id == bindparam("effect")))

Given: TypeAlias = Decision | Vote
"""What an answer came to: it decided, or it is a vote that waits for others."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is answered: the outcome, for a yes the option; `for_person`: the handle of whoever delegated it, or "".

    `budget` is how often a day whoever answers decides without saying why; 0: as often as they like. `signed` is their
    own signature, `proposes` the digest of the message that an edit proposes, as they sign it.
    """

    outcome: Outcome
    option: str = ""
    reason: str = ""
    for_person: str = ""
    budget: int = 0
    signed: Signed | None = None
    proposes: str = ""
    code: str = ""  # of the reason
    break_glass: bool = False


@dataclass(frozen=True, kw_only=True)
class Passing:
    """What passes without asking anybody: by the exemption or the standing rule `by` (NAME@VERSION).

    Of a rule also its id, the ids of the persons behind it, and what was used of its caps.
    """

    outcome: Literal["exempted", "ruled"]
    option: str
    by: str
    rule: str = ""
    behind: Sequence[str] = ()
    spent: Mapping[str, int] = field(default_factory=dict)
    review: Literal["", "sample"] = ""  # whether a person is to look at it afterwards


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


def record_decision(
    tx: Tx,
    key: Key,
    request: RequestRow,
    answer: Answer,
    *,
    by: str,
    assurance: str,
    at: int,
    passing: Passing | None = None,
    standing: Standing | None = None,
    votes: Sequence[Counted] = (),
    beyond: int = 0,
    signature: Signature | None = None,
    responsible: str = "",
) -> Decision:
    """Write a decision that was found to be right, with its grants and withdrawals; `votes` count with it.

    `beyond` is how many others the person took that day, if that is beyond their budget. A request that is `passing`
    was written as decided. `responsible` is the Responsible Individual, if that was read in this transaction.

    Raises: AlreadyDecided if another transaction was first.
    """
    closes = "expired" if answer.outcome == "expired" else "decided"
    if passing is None and not close_request(tx, request.id, state=closes):
        raise AlreadyDecided(
            f"request {request.id} was decided a moment ago", hint=f"`answerable show {request.id}` tells by whom"
        )
    yes = answer.outcome in YES
    behind = tuple(passing.behind) if passing else ()
    option = request.option(answer.option) if yes else None
    unsigned = Decision(
        id=ids.derive(ids.DECISION, request.id),
        run=request.run,
        request=request.id,
        outcome=answer.outcome,
        option=answer.option if yes else "",
        message=option["message"]["id"] if option else "",
        by=by,
        assurance=assurance,
        reason=answer.reason,
        digest=request.digest,
        mac="",
        at=at,
        for_person=standing.for_person if standing else "",
        delegation=standing.delegation if standing else "",
        voters=json.dumps(people_of(votes) or behind),
        signature=as_column(signature),
        salt=answer.signed.salt if answer.signed else "",
        code=answer.code,
        broke_glass=int(answer.break_glass),
    )
    review: Of | Literal[""] = "break-glass" if answer.break_glass else passing.review if passing else ""
    review_due = at + micros(BREAK_GLASS_SECONDS if answer.break_glass else SAMPLE_SECONDS) if review else 0
    if review:
        due_review(
            tx,
            key,
            of=review,
            run=request.run,
            system=request.system,
            approval=request.approval,
            decision=unsigned.id,
            due_at=review_due,
            at=at,
        )
    decision = unsigned.signed(key)
    tx.run(_INSERT, **vars(decision))
    if passing is None:  # else it is the run's own worker that goes on
        go_on(tx, request.run, at=at)
        wake_at(tx, request.run, at)
    responsible = responsible or authority(tx, request.system).responsible
    chain = tuple(dict.fromkeys(id for id in (decision.id, *decision.people, responsible) if id))
    released = [call["effect"] for call in option["calls"]] if option else []
    granted = [
        _grant(tx, key, decision, call, expires_at=at + micros(request.body["execute_within_seconds"]))
        for call in (option["calls"] if option else ())
    ]
    others = [
        call["effect"] for each in request.body["options"] for call in each["calls"] if call["effect"] not in released
    ]
    record = Decided(
        at=at,
        system=request.system,
        run=request.run,
        responsible=responsible,
        chain=chain,
        decision=decision.id,
        request=request.id,
        approval=request.approval,
        step=request.step,
        message=MessageRef(**option["message"]) if option else None,
        digest=request.digest,
        outcome=answer.outcome,
        option=decision.option,
        by=by,
        for_person=decision.for_person,
        delegation=decision.delegation,
        votes=tuple(one.cast.vote for one in votes),
        voters=people_of(votes) or behind,
        own=_own(standing, votes),
        assurance=assurance,
        commitment=ids.commitment(bytes.fromhex(decision.mac), decision.reason.encode()) if decision.reason else "",
        grants=tuple(granted),
        withdrawn=tuple(others),
        rule=passing.rule if passing else "",
        spent=dict(passing.spent) if passing else {},
        beyond_budget=beyond,
        signature=signature,
        asked_at=request.made_at,
        code=answer.code,
        broke_glass=answer.break_glass,
        review=review,
        review_due=review_due,
    )
    append(tx, sealed(key, record))
    for effect in others:
        withdraw_effect(tx, effect, reason=_why_withdrawn(answer), request=request, responsible=responsible, at=at)
    return decision


def record_passing(tx: Tx, key: Key, request: RequestRow, passing: Passing, *, responsible: str, at: int) -> Decision:
    """Write that a request passed without anybody being asked."""
    answer = Answer(outcome=passing.outcome, option=passing.option)
    how = "exemption" if passing.outcome == "exempted" else "rule"
    by: dict[str, Any] = {"by": passing.by, "assurance": how, "responsible": responsible}
    return record_decision(tx, key, request, answer, at=at, passing=passing, **by)


def withdraw_effect(tx: Tx, effect: str, *, reason: str, request: RequestRow, responsible: str, at: int) -> None:
    """Withdraw a prepared call; one that was sent or withdrawn before stays as it is."""
    row = tx.one(_EFFECT, effect=effect)
    if row is not None and tx.run(_WITHDRAW, effect=effect, new_detail=reason):
        append(
            tx,
            EffectWithdrawn(
                at=at,
                system=request.system,
                run=request.run,
                responsible=responsible,
                chain=(responsible,),
                effect=effect,
                name=row[0],
                step=row[1],
                reason=reason,
            ),
        )


def _grant(tx: Tx, key: Key, decision: Decision, call: dict[str, str], *, expires_at: int) -> str:
    columns = grant_columns(key, decision, call, expires_at=expires_at)
    tx.run(_INSERT_GRANT, **columns, state="granted")
    return str(columns["id"])


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


def _own(standing: Standing | None, votes: Sequence[Counted]) -> tuple[str, ...]:
    """Who of them decided their own."""
    standings = [*(one.standing for one in votes), *([standing] if standing else [])]
    return tuple(dict.fromkeys(one.person.id for one in standings if one.own))


def _why_withdrawn(answer: Answer) -> str:
    return "another option was chosen" if answer.outcome in YES else answer.outcome
