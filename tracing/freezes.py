"""Freezes, as the gate reads them, and how they are written.

1. A freeze is committed when its transaction is: from then on no step of its target begins and nothing of it is sent.
2. Every step and every send reads the frozen targets in its own transaction, under a lock that a freeze takes for
   writing, so that a freeze and a send cannot pass each other. It waits for those at work now, and no longer (`turns`).
3. A freeze is quiesced when each call that was in flight as it was committed is known to have ended: it was answered,
   or settled by a person. One in doubt is not known to have ended.
4. Only a person lifts it. What comes to be frozen by itself is a source that asked people too much (`freeze_source`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select, update

from answerable.errors import InvalidInput, UnknownId
from answerable.tracing import ids
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.stops import FreezeQuiesced, Froze, Thawed
from answerable.tracing.people import authority, get_person
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.people import systems
from answerable.tracing.storage.tables.runs import effects
from answerable.tracing.storage.tables.stops import freezes
from answerable.tracing.turns import take_turn
from answerable.tracing.waking import wake_all

WHOLE_SYSTEM: Final = "system"
KINDS: Final = ("agent", "edge", "effect")
SOURCE: Final = "source"  # source:NODE@PERSON: what a node sends to an approval, in the runs of one person

_FROZEN = Statement(select(systems.c.frozen).where(systems.c.name == bindparam("system")).with_for_update())
_FROZEN_SHARED = Statement(
    select(systems.c.frozen).where(systems.c.name == bindparam("system")).with_for_update(read=True)
)
_FROZEN_SEEN = Statement(select(systems.c.frozen).where(systems.c.name == bindparam("system")))
_SET_FROZEN = Statement(update(systems).where(systems.c.name == bindparam("system")).values(frozen=bindparam("frozen")))
_INSERT = inserting(freezes)
_COLUMNS = (
    freezes.c.id,
    freezes.c.system,
    freezes.c.target,
    freezes.c.by,
    freezes.c.reason,
    freezes.c.state,
    freezes.c.at,
    freezes.c.in_flight,
)
_GET = Statement(select(*_COLUMNS).where(freezes.c.id == bindparam("freeze")))
_STANDING = Statement(
    select(*_COLUMNS).where(freezes.c.system == bindparam("system"), freezes.c.state != "lifted").order_by(freezes.c.at)
)
_QUIESCE = Statement(
    update(freezes).where(freezes.c.id == bindparam("freeze"), freezes.c.state == "committed").values(state="quiesced")
)
_LIFT = Statement(
    update(freezes).where(freezes.c.id == bindparam("freeze"), freezes.c.state != "lifted").values(state="lifted")
)
_IN_FLIGHT = Statement(
    select(effects.c.id, effects.c.name, effects.c.attempt)
    .where(effects.c.system == bindparam("system"), effects.c.state == "sent")
    .order_by(effects.c.id)
)
_EFFECT_STATE = Statement(select(effects.c.state, effects.c.attempt).where(effects.c.id == bindparam("effect")))


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """A freeze: committed, quiesced or lifted. `in_flight` lists the calls (effect ids) that it still waits for."""

    id: str
    system: str
    target: str
    by: str  # person id; "" for a source that went beyond its quota
    reason: str
    state: str
    at: int
    in_flight: tuple[str, ...]


def freeze(tx: Tx, system: str, target: str, *, by: str, reason: str, at: int) -> Freeze:
    """Freeze `target` ("system", "agent:NAME", "edge:ID", "effect:NAME"); `by` is a handle.

    Raises: InvalidInput for another target; UnknownId for an unknown system or person.
    """
    kind, _, name = target.partition(":")
    if not (target == WHOLE_SYSTEM or (kind in KINDS and name)):
        raise InvalidInput(f"{target!r} cannot be frozen", hint="system, agent:NAME, edge:ID or effect:NAME")
    person = get_person(tx, by)
    hold_targets(tx, system)
    flying = [
        (effect, attempt)
        for effect, effect_name, attempt in tx.all(_IN_FLIGHT, system=system)
        if kind != "effect" or effect_name == name
    ]
    return _commit(tx, system, target, by=person.id, reason=reason, at=at, flying=flying)


def freeze_source(tx: Tx, system: str, source: str, *, reason: str, at: int) -> Freeze:
    """Freeze a source that asks people too much, by nobody. Raises: UnknownId."""
    return _commit(tx, system, source, by="", reason=reason, at=at, flying=[])  # it sends nothing itself


def hold_targets(tx: Tx, system: str) -> set[str]:
    """What is frozen in a system, locked until this transaction ends. Raises: UnknownId."""
    authority(tx, system)
    take_turn(tx)
    row = tx.one(_FROZEN, system=system)
    assert row is not None, system
    return set(json.loads(row[0]))


def _commit(
    tx: Tx, system: str, target: str, *, by: str, reason: str, at: int, flying: list[tuple[str, int]]
) -> Freeze:
    responsible = authority(tx, system).responsible
    tx.run(_SET_FROZEN, system=system, frozen=json.dumps(sorted({*hold_targets(tx, system), target})))
    made = Freeze(
        id=ids.fresh(ids.FREEZE),
        system=system,
        target=target,
        by=by,
        reason=reason,
        state="committed",
        at=at,
        in_flight=tuple(effect for effect, _ in flying),
    )
    tx.run(
        _INSERT,
        id=made.id,
        system=system,
        target=target,
        by=by,
        reason=reason,
        state="committed",
        at=at,
        in_flight=json.dumps(flying),
    )
    append(
        tx,
        Froze(
            at=at,
            system=system,
            responsible=responsible,
            chain=(by, responsible) if by else (responsible,),
            freeze=made.id,
            target=target,
            by=by,
            reason=reason,
            in_flight=made.in_flight,
        ),
    )
    return made


def freeze_state(tx: Tx, id: str, *, at: int) -> Freeze:
    """The freeze as it stands; one that has nothing left in flight becomes quiesced here.

    Raises: UnknownId.
    """
    row = tx.one(_GET, freeze=id)
    if row is None:
        raise UnknownId(f"there is no freeze {id}", hint="`answerable freezes` lists them")
    _, system, target, by, reason, state, made_at, flying = row
    still = tuple(effect for effect, attempt in json.loads(flying) if _still_flies(tx, effect, attempt))
    if state == "committed" and not still:
        if not tx.run(_QUIESCE, freeze=id):  # somebody else found it so, or lifted it, a moment ago
            return freeze_state(tx, id, at=at)
        state = "quiesced"
        responsible = authority(tx, system).responsible
        append(tx, FreezeQuiesced(at=at, system=system, responsible=responsible, chain=(responsible,), freeze=id))
    return Freeze(id=id, system=system, target=target, by=by, reason=reason, state=state, at=made_at, in_flight=still)


def standing_freezes(tx: Tx, system: str, *, at: int) -> list[Freeze]:
    """All freezes of a system that were not lifted, oldest first."""
    return [freeze_state(tx, row[0], at=at) for row in tx.all(_STANDING, system=system)]


def thaw(tx: Tx, id: str, *, by: str, reason: str, at: int) -> None:
    """Lift a freeze, by somebody who may (`approvals/lifting.py`). A target that another freeze holds stays frozen.

    Raises: UnknownId for an unknown freeze or person; InvalidInput if it was lifted already.
    """
    standing = freeze_state(tx, id, at=at)
    person = get_person(tx, by)
    if standing.state == "lifted":
        raise InvalidInput(f"{id} was lifted already")
    take_turn(tx)
    tx.one(_FROZEN, system=standing.system)  # the lock
    if not tx.run(_LIFT, freeze=id):
        raise InvalidInput(f"{id} was lifted a moment ago")
    left = sorted({row[2] for row in tx.all(_STANDING, system=standing.system)})
    tx.run(_SET_FROZEN, system=standing.system, frozen=json.dumps(left))
    wake_all(tx, standing.system, at=at)
    responsible = authority(tx, standing.system).responsible
    append(
        tx,
        Thawed(
            at=at,
            system=standing.system,
            responsible=responsible,
            chain=(person.id, responsible),
            freeze=id,
            by=person.id,
            reason=reason,
        ),
    )


def frozen_targets(tx: Tx, system: str) -> frozenset[str]:
    """What is frozen in a system. Several transactions may rely on it at once; a freeze waits for them."""
    row = tx.one(_FROZEN_SHARED, system=system)
    return frozenset(json.loads(row[0])) if row else frozenset()


def frozen_for_show(tx: Tx, system: str) -> frozenset[str]:
    """What is frozen in a system, for somebody who only looks: nothing is locked, and nothing may rest on it."""
    row = tx.one(_FROZEN_SEEN, system=system)
    return frozenset(json.loads(row[0])) if row else frozenset()


def _still_flies(tx: Tx, effect: str, attempt: int) -> bool:
    row = tx.one(_EFFECT_STATE, effect=effect)
    return row is not None and row[1] == attempt and row[0] in ("sent", "in-doubt")
