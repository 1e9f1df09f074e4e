"""Recording a decision: what is written once it was found to be right, whoever or whatever decided.

1. A yes names one option and makes one grant for each call that the option releases; the calls of the other options are
   withdrawn. Everything else releases nothing and withdraws every call.
2. A decision and its grants are written with a MAC, in one transaction with their records, before any graph is resumed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import bindparam, select, update

from answerable.approvals.asking.requests import RequestRow, close_request
from answerable.approvals.deciding.answers import Answer, Passing
from answerable.approvals.deciding.decisions import YES, Decision, grant_columns
from answerable.approvals.deciding.reviews import BREAK_GLASS_SECONDS, SAMPLE_SECONDS, Of, due_review
from answerable.approvals.sealing.keys import Key
from answerable.approvals.sealing.seals import sealed
from answerable.approvals.voting.counting import Counted, people_of
from answerable.approvals.voting.eligibility import Standing
from answerable.approvals.voting.votes import as_column
from answerable.errors import AlreadyDecided
from answerable.tracing import ids
from answerable.tracing.clock import micros
from answerable.tracing.continuing import go_on
from answerable.tracing.ledger.entries import append, append_all
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.effects import EffectWithdrawn
from answerable.tracing.ledger.records.record import MessageRef, Record, Signature
from answerable.tracing.people import authority
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
    into: list[Record] | None = None,
) -> Decision:
    """Write a decision that was found to be right, with its grants and withdrawals; `votes` count with it.

    `beyond` is how many others the person took that day, if that is beyond their budget. A request that is `passing`
    was written as decided. `responsible` is the Responsible Individual, if that was read in this transaction. The
    records are appended, or put `into` what the caller appends.

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
    why: dict[str, Any] = {"reason": _why_withdrawn(answer), "request": request, "responsible": responsible, "at": at}
    withdrawn = [one for effect in others if (one := _withdrawn(tx, effect, **why))]
    written: list[Record] = [sealed(key, record), *withdrawn]
    if into is None:
        append_all(tx, written)
    else:
        into += written
    return decision


def record_passing(
    tx: Tx, key: Key, request: RequestRow, passing: Passing, *, responsible: str, at: int
) -> Sequence[Record]:
    """Write that a request passed without anybody being asked; the records of that, for the caller to append."""
    answer = Answer(outcome=passing.outcome, option=passing.option)
    how = "exemption" if passing.outcome == "exempted" else "rule"
    by: dict[str, Any] = {"by": passing.by, "assurance": how, "responsible": responsible}
    records: list[Record] = []
    record_decision(tx, key, request, answer, at=at, passing=passing, into=records, **by)
    return records


def withdraw_effect(tx: Tx, effect: str, *, reason: str, request: RequestRow, responsible: str, at: int) -> None:
    """Withdraw a prepared call; one that was sent or withdrawn before stays as it is."""
    record = _withdrawn(tx, effect, reason=reason, request=request, responsible=responsible, at=at)
    if record is not None:
        append(tx, record)


def _withdrawn(
    tx: Tx, effect: str, *, reason: str, request: RequestRow, responsible: str, at: int
) -> EffectWithdrawn | None:
    row = tx.one(_EFFECT, effect=effect)
    if row is None or not tx.run(_WITHDRAW, effect=effect, new_detail=reason):
        return None
    return EffectWithdrawn(
        at=at,
        system=request.system,
        run=request.run,
        responsible=responsible,
        chain=(responsible,),
        effect=effect,
        name=row[0],
        step=row[1],
        reason=reason,
    )


def _grant(tx: Tx, key: Key, decision: Decision, call: dict[str, str], *, expires_at: int) -> str:
    columns = grant_columns(key, decision, call, expires_at=expires_at)
    tx.run(_INSERT_GRANT, **columns, state="granted")
    return str(columns["id"])


def _own(standing: Standing | None, votes: Sequence[Counted]) -> tuple[str, ...]:
    """Who of them decided their own."""
    standings = [*(one.standing for one in votes), *([standing] if standing else [])]
    return tuple(dict.fromkeys(one.person.id for one in standings if one.own))


def _why_withdrawn(answer: Answer) -> str:
    return "another option was chosen" if answer.outcome in YES else answer.outcome
