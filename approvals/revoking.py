"""Revoking: what a decision released and was not sent is made void.

1. One transaction with its record: grants that were not consumed are revoked, their calls withdrawn. What was sent
   before stays as it is and is named. It works while a worker is busy with the run: the gate sees it at the next send.
2. A person may: whoever decided, the Responsible Individual, and whoever could have decided. So does the worker that
   finds, just before it would send, that the facts have moved; and whoever revokes a standing rule, for all that it
   decided.
3. It takes authority away and gives none, so it works while the system is frozen, or handed over.
4. What follows is the run's: where nothing that followed was sent, the approval asks anew
   (`orchestrator/running/anew.py`). A person is asked then: neither an exemption nor a rule passes what was voided.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from sqlalchemy import bindparam, select, update

from answerable.approvals.asking.requests import RequestRow, get_request, mark_routed
from answerable.approvals.deciding.decisions import YES, Decision, get_decision
from answerable.approvals.deciding.reasons import Reason
from answerable.approvals.deciding.recording import withdraw_effect
from answerable.approvals.gate import UNSENT, EffectRow, find_effect, get_effect
from answerable.approvals.sealing.keys import Key, not_ours
from answerable.approvals.voting.eligibility import check_eligible
from answerable.errors import NotEligible, NotOpen, UnknownId
from answerable.tracing.continuing import go_on
from answerable.tracing.ledger.entries import append, records_of
from answerable.tracing.ledger.records.afterwards import DecisionRevoked
from answerable.tracing.people import PersonRow, authority, get_person, stamp
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, grants, requests
from answerable.tracing.storage.tables.runs import runs
from answerable.tracing.waking import wake_at

Cause: TypeAlias = Literal["person", "facts", "rule"]

_RUN = Statement(select(runs.c.ended_at).where(runs.c.id == bindparam("run")))
_RUN_LOCKED = Statement(select(runs.c.ended_at).where(runs.c.id == bindparam("run")).with_for_update())
_REVOKE = Statement(
    update(decisions)
    .where(decisions.c.id == bindparam("decision"), decisions.c.revoked == "")
    .values(revoked=bindparam("cause"))
)
_GRANTS = Statement(
    select(grants.c.id, grants.c.effect).where(grants.c.decision == bindparam("decision")).order_by(grants.c.effect)
)
_REVOKE_GRANT = Statement(
    update(grants)
    .where(grants.c.id == bindparam("grant"), grants.c.state.in_(["granted", "suspended"]))
    .values(state="revoked")
)
_UNSENT_BY = Statement(
    select(decisions.c.id)
    .join(requests, requests.c.id == decisions.c.request)
    .join(runs, runs.c.id == decisions.c.run)
    .where(
        decisions.c.by == bindparam("by"),
        requests.c.system == bindparam("system"),
        runs.c.ended_at.is_(None),
        decisions.c.revoked == "",
        select(grants.c.id)
        .where(grants.c.decision == decisions.c.id, grants.c.state.in_(["granted", "suspended"]))
        .exists(),
    )
    .order_by(decisions.c.id)
)

WITHDRAWN: Final[Mapping[str, str]] = {
    "person": "its decision was revoked",
    "facts": "what its decision rests on has changed",
    "rule": "the rule that decided it was revoked",
}
"""Why a call was withdrawn, by the cause of the revocation."""
REVOKED: Final[Mapping[str, str]] = {
    "person": "a person took it back",
    "facts": "what it rested on had changed",
    "rule": "the rule that decided was revoked",
}
"""The causes in words."""


@dataclass(frozen=True, kw_only=True)
class Revoked:
    """What was voided: the calls (effect ids) that were withdrawn, and those that had been sent before."""

    decision: str
    request: str
    run: str
    cause: Cause
    withdrawn: tuple[str, ...]
    sent: tuple[str, ...]


def revoke(tx: Tx, key: Key, decision_id: str, *, by: str, reason: Reason, at: int) -> Revoked:
    """A person (a handle) takes back what a decision released and was not sent.

    Raises: UnknownId; StoreCorrupt; NotEligible; NotOpen if nothing is left that could be taken back.
    """
    person, decision = get_person(tx, by), get_decision(tx, decision_id)
    if decision is None:
        raise UnknownId(f"there is no decision {decision_id}", hint="`answerable runs show RUN` lists those of a run")
    request = get_request(tx, decision.request)
    if not (request.genuine(key) and decision.genuine(key)):
        raise not_ours(f"decision {decision.id}, or its request,", "nothing is sent by it")
    may_revoke(person, decision, request, responsible=authority(tx, request.system).responsible, at=at)
    return void(tx, decision, request, cause="person", by=person.id, reason=reason, at=at)


def revoke_what_a_rule_decided(tx: Tx, system: str, rule: str, *, by: str, reason: Reason, at: int) -> list[Revoked]:
    """Void what a standing rule (NAME@VERSION) decided and was not sent; `by` is the id of whoever revoked it."""
    gone: list[Revoked] = []
    for (id,) in tx.all(_UNSENT_BY, by=rule, system=system):
        decision = get_decision(tx, id)
        assert decision is not None, id
        request = get_request(tx, decision.request)
        with suppress(NotOpen):  # its run ended, or its last call left, since it was looked for
            gone.append(void(tx, decision, request, cause="rule", by=by, reason=reason, rule=rule, at=at))
    return gone


def void(
    tx: Tx,
    decision: Decision,
    request: RequestRow,
    *,
    cause: Cause,
    at: int,
    by: str = "",
    reason: Reason | None = None,
    rule: str = "",
    facts: tuple[str, ...] = (),
) -> Revoked:
    """Make void what a decision released and was not sent, and have its run go on.

    Raises: NotOpen if it released nothing, was revoked before, or nothing of it is left.
    """
    held = held_by(tx, decision, lock=True)
    if not tx.run(_REVOKE, decision=decision.id, cause=cause):
        raise NotOpen(
            f"decision {decision.id} was revoked already", hint=f"`answerable why {decision.id}` tells by whom"
        )
    go_on(tx, decision.run, at=at)
    wake_at(tx, decision.run, at)
    mark_routed(tx, request.id)  # one that was not taken up yet goes nowhere any more
    said = stamp(tx, request.system, run=request.run, at=at, through=(by,) if by else ())
    revoked = tuple(grant for grant, _ in held if tx.run(_REVOKE_GRANT, grant=grant))
    sent = tuple(effect.id for _, effect in held if effect is not None and effect.state not in UNSENT)
    unsent = tuple(effect.id for _, effect in held if effect is not None and effect.state in UNSENT)
    append(
        tx,
        DecisionRevoked(
            **said,
            decision=decision.id,
            request=request.id,
            approval=request.approval,
            step=request.step,
            cause=cause,
            by=by,
            code=reason.code if reason else "",
            reason=reason.text if reason else "",
            rule=rule,
            facts=facts,
            revoked=revoked,
            withdrawn=unsent,
            sent=sent,
        ),
    )
    for effect in unsent:
        withdraw_effect(tx, effect, reason=WITHDRAWN[cause], request=request, responsible=said["responsible"], at=at)
    return Revoked(decision=decision.id, request=request.id, run=request.run, cause=cause, withdrawn=unsent, sent=sent)


def held_by(tx: Tx, decision: Decision, *, lock: bool = False) -> list[tuple[str, EffectRow | None]]:
    """The grants (ids) of a decision with their calls, if something of it may be taken back still.

    Raises: NotOpen if it released nothing, its run is over, or all of it was sent.
    """
    ended = tx.one(_RUN_LOCKED if lock else _RUN, run=decision.run)  # locked: a sending is over before, or sees this
    if decision.outcome not in YES:
        raise NotOpen(f"decision {decision.id} is {decision.outcome}: it released nothing", hint="begin a new run")
    if ended is None or ended[0] is not None:
        raise NotOpen(f"decision {decision.id} cannot be revoked: its run is over", hint="what was sent stays sent")
    find = get_effect if lock else find_effect
    held = [(grant, find(tx, effect)) for grant, effect in tx.all(_GRANTS, decision=decision.id)]
    if held and all(effect is not None and effect.state not in UNSENT for _, effect in held):
        raise NotOpen(f"all that decision {decision.id} released was sent already", hint="begin a run that makes up")
    return held


def revocation_of(tx: Tx, request: RequestRow) -> DecisionRevoked | None:
    """The record that made the decision on a request void."""
    found = (one.record for one in records_of(tx, request.run) if isinstance(one.record, DecisionRevoked))
    return next((one for one in found if one.request == request.id), None)


def may_revoke(person: PersonRow, decision: Decision, request: RequestRow, *, responsible: str, at: int) -> None:
    """Raises: NotEligible unless they decided it, answer for the system, or could have decided it."""
    if person.id in (*decision.people, responsible):
        return
    try:
        check_eligible(person, request.asked_at(at), responsible=responsible)
    except NotEligible as error:
        raise NotEligible(
            f"{person.handle} may not take this back: {error.message}",
            hint="whoever decided it may, the Responsible Individual, or somebody who could have decided it",
        ) from error
