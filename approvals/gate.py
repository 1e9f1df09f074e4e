"""The gate: the one transaction that decides whether a call may leave.

All of these hold at the moment of its commit, or nothing is sent and the refusal is a record:

1. the effect is prepared, or was sent before by this very grant and may be sent again (nobody knows, or it was told
   "not now");
2. neither the system, nor the effect, nor the approval and edge that it came by is frozen, and its run is not over;
3. there is a grant for this effect with a valid MAC, granted (or consumed by this effect), unexpired;
4. its decision exists, has a valid MAC, said yes, and was not revoked before this call left; nor was a standing rule
   that decided;
5. the stored bytes are those that the grant is bound to;
6. a Responsible Individual is in force, and no handover is open.

Passing consumes the grant and writes SENT, both durably, before the first byte leaves. The rules are in `refusal`,
which is pure; `let_pass` reads what it needs and writes what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select, update

from answerable.approvals.asking.requests import call_digest
from answerable.approvals.deciding.decisions import YES, Decision, get_decision
from answerable.approvals.rules.rows import RuleHead, rule_called
from answerable.approvals.sealing.keys import Key
from answerable.tracing.freezes import frozen_targets
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.effects import EffectInDoubt, EffectRefused, EffectSent
from answerable.tracing.people import Authority, authority, stamp
from answerable.tracing.storage.statements import Statement, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import grants
from answerable.tracing.storage.tables.runs import effects

_EFFECT = Statement(select(*effects.c).where(effects.c.id == bindparam("effect")))
_EFFECT_LOCKED = Statement(select(*effects.c).where(effects.c.id == bindparam("effect")).with_for_update())
_OF_RUN = Statement(select(*effects.c).where(effects.c.run == bindparam("run")).order_by(effects.c.id))
_IN_STATE = Statement(select(*effects.c).where(effects.c.state == bindparam("state")).order_by(effects.c.id))
_GRANT = Statement(select(*grants.c).where(grants.c.effect == bindparam("effect")))
_CONSUME = Statement(update(grants).where(grants.c.id == bindparam("grant")).values(state="consumed"))
_DOUBT = Statement(
    update(effects).where(effects.c.id == bindparam("effect")).values(state="in-doubt", detail=bindparam("new_detail"))
)
_SEND = Statement(
    update(effects)
    .where(effects.c.id == bindparam("effect"))
    .values(state="sent", detail="", attempt=bindparam("new_attempt"), sent_at=bindparam("new_sent_at"))
)


UNSENT: Final = frozenset({"prepared", "withdrawn"})
"""The states of an effect of which nothing has left."""


@dataclass(frozen=True, kw_only=True)
class EffectRow:
    """A stored effect: prepared, sent, done, failed, in-doubt or withdrawn. `sent_at` is that of the first attempt."""

    id: str
    run: str
    system: str
    name: str
    receiver: str
    guarantee: str
    step: str
    message: str
    origin: str
    method: str
    path: str
    content_type: str
    body: bytes
    call_digest: str
    idempotency_key: str
    state: str
    attempt: int
    sent_at: int | None
    detail: str


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A stored grant; `state` is granted, suspended, revoked or consumed."""

    id: str
    run: str
    effect: str
    decision: str
    call_digest: str
    expires_at: int
    state: str
    mac: str

    def genuine(self, key: Key) -> bool:
        """Whether it was written by this program with the store's key."""
        return key.holds(self.mac, "grant", self.id, self.effect, self.decision, self.call_digest, self.expires_at)


@dataclass(frozen=True, kw_only=True)
class Passed:
    """The call may leave, as this attempt (`sent_at` is its own time), by this decision."""

    effect: EffectRow
    attempt: int
    sent_at: int
    grant: str
    decision: str
    responsible: str


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The call may not leave. `waits` says that it may later (a freeze, a handover); otherwise it never may."""

    reason: str
    waits: bool


def refusal(
    effect: EffectRow,
    grant: Grant | None,
    decision: Decision | None,
    *,
    key: Key,
    authority: Authority,
    frozen: frozenset[str],
    through: Sequence[str],
    now: int,
    rule: RuleHead | None = None,
) -> Refused | None:
    """Why this call may not leave, or None if it may. `through` is what it came by, named as a freeze names it."""
    for target in ("system", f"effect:{effect.name}", *through):
        if target in frozen:
            return Refused(reason=f"{target} is frozen", waits=True)
    if not authority.responsible:
        return Refused(reason="nobody answers for this system", waits=True)
    if authority.successor:
        return Refused(reason="a handover waits for the successor", waits=True)
    if decision is not None and decision.revoked and effect.state in ("prepared", "withdrawn"):
        return Refused(reason="its decision was revoked", waits=True)  # until it is clear whether it is asked anew
    if effect.state not in ("prepared", "sent"):
        return Refused(reason=f"the effect is {effect.state}", waits=False)
    if grant is None:
        return Refused(reason="there is no grant for this call", waits=False)
    if not grant.genuine(key) or grant.effect != effect.id or grant.run != effect.run:
        return Refused(reason="its grant was not made by this system: the MAC is wrong", waits=False)
    if decision is None or decision.id != grant.decision or not decision.genuine(key):
        return Refused(reason="its decision was not made by this system: the MAC is wrong", waits=False)
    if decision.outcome not in YES or decision.run != effect.run:
        return Refused(reason=f"its decision is {decision.outcome}", waits=False)
    if decision.outcome == "ruled" and (rule is None or not rule.genuine(key) or rule.state != "approved"):
        return Refused(reason=f"the rule {decision.by} that decided it was revoked, or is not what it was", waits=False)
    if grant.state not in ("granted", "consumed") or (grant.state == "consumed" and not effect.attempt):
        return Refused(reason=f"its grant is {grant.state}", waits=grant.state == "suspended")
    if now >= grant.expires_at:
        return Refused(reason="its grant has expired", waits=False)
    found = call_digest(effect)
    if found != grant.call_digest or found != effect.call_digest:
        return Refused(reason="the stored call is not the one that was approved", waits=False)
    return None


def let_pass(tx: Tx, key: Key, effect_id: str, *, through: Sequence[str], now: int, host: str) -> Passed | Refused:
    """Decide about one attempt of one call, and write it down. The caller has checked the run and its lease."""
    effect = get_effect(tx, effect_id)
    if effect is None:
        return Refused(reason="there is no such effect", waits=False)
    grant_row = tx.one(_GRANT, effect=effect_id)
    grant = Grant(**named(grants, grant_row)) if grant_row else None
    decision = get_decision(tx, grant.decision) if grant else None
    in_force = authority(tx, effect.system)
    ruled = decision is not None and decision.outcome == "ruled"
    rule = rule_called(tx, effect.system, decision.by) if decision is not None and ruled else None
    refused = refusal(
        effect,
        grant,
        decision,
        key=key,
        authority=in_force,
        frozen=frozen_targets(tx, effect.system),
        through=through,
        now=now,
        rule=rule,
    )
    if refused is not None:
        refuse(tx, effect, refused.reason, responsible=in_force.responsible, now=now, host=host, waits=refused.waits)
        return refused
    assert grant is not None and decision is not None
    attempt = effect.attempt + 1
    tx.run(_CONSUME, grant=grant.id)
    tx.run(_SEND, effect=effect.id, new_attempt=attempt, new_sent_at=effect.sent_at or now)
    append(
        tx,
        EffectSent(
            at=now,
            system=effect.system,
            run=effect.run,
            responsible=in_force.responsible,
            chain=tuple(dict.fromkeys((grant.id, decision.id, *decision.people, in_force.responsible))),
            effect=effect.id,
            name=effect.name,
            step=effect.step,
            host=host,
            attempt=attempt,
            grant=grant.id,
            decision=decision.id,
        ),
    )
    return Passed(
        effect=effect,
        attempt=attempt,
        sent_at=now,
        grant=grant.id,
        decision=decision.id,
        responsible=in_force.responsible,
    )


def refuse(
    tx: Tx, effect: EffectRow, reason: str, *, responsible: str, now: int, host: str, waits: bool = False
) -> None:
    """Record that a call was not let through; `waits` says that it may be later."""
    append(
        tx,
        EffectRefused(
            at=now,
            system=effect.system,
            run=effect.run,
            responsible=responsible,
            chain=(responsible,),
            effect=effect.id,
            name=effect.name,
            step=effect.step,
            host=host,
            reason=reason,
            waits=waits,
        ),
    )


def refuse_unprepared(
    tx: Tx,
    *,
    system: str,
    run: str,
    name: str,
    responsible: str,
    now: int,
    host: str,
    reason: str = "it was called, and nothing is prepared and granted for it",
) -> None:
    """Record that something was tried for which no call is prepared, let alone granted."""
    append(
        tx,
        EffectRefused(
            at=now,
            system=system,
            run=run,
            responsible=responsible,
            chain=(responsible,),
            effect="",
            name=name,
            step="",
            host=host,
            reason=reason,
        ),
    )


def doubt(tx: Tx, effect: EffectRow, why: str, *, by: str, now: int) -> None:
    """Note, for the person `by` (an id), that nobody knows of a call, outside of the worker that sent it."""
    tx.run(_DOUBT, effect=effect.id, new_detail=why)
    append(
        tx,
        EffectInDoubt(
            **stamp(tx, effect.system, run=effect.run, at=now, through=(by,)),
            effect=effect.id,
            name=effect.name,
            step=effect.step,
            attempt=effect.attempt,
            sent_at=effect.sent_at or now,
            error=why,
        ),
    )


def find_effect(tx: Tx, id: str) -> EffectRow | None:
    """The effect with this id, as it is now."""
    row = tx.one(_EFFECT, effect=id)
    return EffectRow(**named(effects, row)) if row else None


def get_effect(tx: Tx, id: str) -> EffectRow | None:
    """The effect with this id, locked until the writing transaction ends."""
    row = tx.one(_EFFECT_LOCKED, effect=id)
    return EffectRow(**named(effects, row)) if row else None


def effects_of(tx: Tx, run: str) -> list[EffectRow]:
    """All effects of a run."""
    return [EffectRow(**named(effects, row)) for row in tx.all(_OF_RUN, run=run)]


def effects_in(tx: Tx, state: str) -> list[EffectRow]:
    """All effects of this store in one state."""
    return [EffectRow(**named(effects, row)) for row in tx.all(_IN_STATE, state=state)]
