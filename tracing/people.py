"""The registry of people, and who answers for a system.

1. In code a person is a handle; in records a person is an opaque id, made here once. Name and contact are nowhere else.
2. A system has exactly one Responsible Individual at any moment. The declared one is in force when the system is first
   connected; after that only a handover that the successor accepts changes it.
3. Standing rules have force as long as those who approved them could. So whatever changes what somebody may do has the
   rules read anew, in every process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, select, update

from answerable.errors import InvalidInput, NotEligible, UnknownId
from answerable.tracing import ids
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.people import HandoverAccepted, HandoverOffered, PersonAdded, SystemRegistered
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import grants
from answerable.tracing.storage.tables.people import people, systems
from answerable.tracing.storage.tables.runs import runs
from answerable.tracing.turns import take_turn
from answerable.tracing.waking import wake_all

_COLUMNS = (people.c.id, people.c.handle, people.c.name, people.c.contact, people.c.roles, people.c.teams)
_BY_HANDLE = Statement(select(*_COLUMNS).where(people.c.handle == bindparam("handle")))
_BY_ID = Statement(select(*_COLUMNS).where(people.c.id == bindparam("id")))
_ALL = Statement(select(*_COLUMNS).order_by(people.c.handle))
_INSERT = inserting(people)
_UPDATE = Statement(
    update(people)
    .where(people.c.id == bindparam("person"))
    .values({name: bindparam(name) for name in ("name", "contact", "roles", "teams")})
)
_SYSTEM = Statement(select(systems.c.responsible, systems.c.successor).where(systems.c.name == bindparam("system")))
_SYSTEMS = Statement(select(systems.c.name).order_by(systems.c.name))
_INSERT_SYSTEM = inserting(systems)
_SET_RESPONSIBLE = Statement(
    update(systems)
    .where(systems.c.name == bindparam("system"))
    .values(responsible=bindparam("responsible"), successor=bindparam("successor"))
)
_RULES_ANEW = Statement(update(systems).values(rules=systems.c.rules + 1))
_RULES_OF_ANEW = Statement(
    update(systems).where(systems.c.name == bindparam("system")).values(rules=systems.c.rules + 1)
)
_LOCK = Statement(select(systems.c.name).where(systems.c.name == bindparam("system")).with_for_update())
_GRANTS_OF_SYSTEM = Statement(
    select(grants.c.id)
    .join(runs, runs.c.id == grants.c.run)
    .where(runs.c.system == bindparam("system"), grants.c.state == bindparam("state"))
    .order_by(grants.c.id)
)
_SET_GRANT = Statement(update(grants).where(grants.c.id == bindparam("grant")).values(state=bindparam("state")))


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """A person in the registry."""

    id: str
    handle: str
    name: str
    contact: str
    roles: tuple[str, ...]
    teams: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Who answers for a system at this moment: the person's id, and the id of a successor who has not accepted yet."""

    responsible: str
    successor: str


def _person(row: Sequence[str]) -> PersonRow:
    id, handle, name, contact, roles, teams = row
    return PersonRow(
        id=id,
        handle=handle,
        name=name,
        contact=contact,
        roles=listed(roles),
        teams=listed(teams),
    )


@lru_cache(maxsize=4096)  # the same few are read again and again
def listed(text: str) -> tuple[str, ...]:
    """What a column that is a JSON list says: roles, teams, the ids of persons."""
    return tuple(json.loads(text))


def find_person(tx: Tx, handle: str) -> PersonRow | None:
    """The person with this handle, if there is one."""
    row = tx.one(_BY_HANDLE, handle=handle)
    return _person(row) if row else None


def get_person(tx: Tx, handle: str) -> PersonRow:
    """The person with this handle. Raises: UnknownId."""
    found = find_person(tx, handle)
    if found is None:
        raise UnknownId(
            f"nobody is registered as {handle!r}", hint=f"register them: `answerable people add {handle} --role ROLE`"
        )
    return found


def stamp(tx: Tx, system: str, *, run: str = "", at: int, through: Iterable[str] = ()) -> dict[str, Any]:
    """What every record says: when, where, who answers for the system now, and how authority came to them.

    `through` are the ids that it came by, the nearest first.
    """
    responsible = authority(tx, system).responsible
    chain = tuple(dict.fromkeys((*through, responsible)))
    return {"at": at, "system": system, "run": run, "responsible": responsible, "chain": chain}


def person_by_id(tx: Tx, id: str) -> PersonRow | None:
    """The person with this opaque id, if the registry (still) knows them."""
    row = tx.one(_BY_ID, id=id)
    return _person(row) if row else None


def all_people(tx: Tx) -> list[PersonRow]:
    """Everybody, by handle."""
    return [_person(row) for row in tx.all(_ALL)]


def add_person(
    tx: Tx,
    handle: str,
    *,
    at: int,
    name: str = "",
    contact: str = "",
    roles: Iterable[str] = (),
    teams: Iterable[str] = (),
) -> PersonRow:
    """Register a person, or give a registered one other roles and teams (a name or contact that is empty is kept).

    Raises: InvalidInput if the handle is empty or has spaces or control characters in it.
    """
    if not handle or not handle.isprintable() or any(character.isspace() for character in handle):
        raise InvalidInput(f"{handle!r} is no handle", hint="use letters, digits, '-' and '_', for example dora")
    known = find_person(tx, handle)
    row = PersonRow(
        id=known.id if known else ids.fresh(ids.PERSON),
        handle=handle,
        name=name or (known.name if known else ""),
        contact=contact or (known.contact if known else ""),
        roles=tuple(sorted(set(roles))),
        teams=tuple(sorted(set(teams))),
    )
    fields = {"name": row.name, "contact": row.contact, "roles": json.dumps(row.roles), "teams": json.dumps(row.teams)}
    if known:
        if (known.roles, known.teams) != (row.roles, row.teams):
            read_rules_anew(tx)  # before the person's own row, as workers lock them
        tx.run(_UPDATE, person=row.id, **fields)
    else:
        tx.run(_INSERT, id=row.id, handle=handle, **fields)
    append(tx, PersonAdded(at=at, system="", person=row.id, roles=row.roles, teams=row.teams))
    return row


def read_rules_anew(tx: Tx, system: str = "") -> None:
    """Have whoever decides by the rules of a system, or of all, read them anew; and wait for those who decide now."""
    take_turn(tx)
    if system:
        tx.run(_RULES_OF_ANEW, system=system)
    else:
        tx.run(_RULES_ANEW)


def lock_system(tx: Tx, system: str) -> None:
    """Let nobody else change a system, or who uses what is counted for it, until this transaction ends."""
    tx.one(_LOCK, system=system)


def ensure_person(tx: Tx, handle: str, *, at: int) -> PersonRow:
    """The person with this handle, registered without any role if they are new."""
    return find_person(tx, handle) or add_person(tx, handle, at=at)


def authority(tx: Tx, system: str) -> Authority:
    """Who answers for `system`. Raises: UnknownId if it was never connected to this store."""
    row = tx.one(_SYSTEM, system=system)
    if row is None:
        raise UnknownId(f"this store has no system {system!r}", hint="connect the app to it once")
    return Authority(responsible=row[0], successor=row[1])


def check_responsible(tx: Tx, system: str, person: PersonRow, *, what: str) -> None:
    """Raises: NotEligible if somebody else answers for the system; UnknownId."""
    if person.id != authority(tx, system).responsible:
        raise NotEligible(
            f"{person.handle} does not answer for {system!r}", hint=f"only the Responsible Individual accepts {what}"
        )


def all_systems(tx: Tx) -> list[str]:
    """The names of the systems that were connected to this store."""
    return [str(row[0]) for row in tx.all(_SYSTEMS)]


def register_system(tx: Tx, system: str, *, responsible: str, version: str, at: int) -> Authority:
    """Put the declared RI (a handle) in force if the system is new to this store; the authority in force."""
    row = tx.one(_SYSTEM, system=system)
    if row is not None:
        return Authority(responsible=row[0], successor=row[1])
    person = ensure_person(tx, responsible, at=at)
    tx.run(_INSERT_SYSTEM, name=system, responsible=person.id, successor="", frozen="[]", rules=0)
    append(tx, SystemRegistered(at=at, system=system, responsible=person.id, chain=_chain(person.id), version=version))
    return Authority(responsible=person.id, successor="")


def offer_handover(tx: Tx, system: str, *, to: str, by: str, reason: str, at: int) -> tuple[str, ...]:
    """The RI `by` offers `system` to `to` (handles). Unsent grants are suspended; their ids are returned.

    Raises: NotEligible if `by` is not the RI; InvalidInput if they offer it to themself; UnknownId.
    """
    take_turn(tx)  # of two handovers at once, the second sees what the first came to
    now = authority(tx, system)
    giver, successor = get_person(tx, by), get_person(tx, to)
    if giver.id != now.responsible:
        raise NotEligible(f"{by} does not answer for {system!r}", hint="only the Responsible Individual hands over")
    if giver.id == successor.id:
        raise InvalidInput(f"{by} answers for {system!r} already", hint="name somebody else: --to WHOM")
    suspended = _move_grants(tx, system, "granted", "suspended")
    tx.run(_SET_RESPONSIBLE, system=system, responsible=giver.id, successor=successor.id)
    append(
        tx,
        HandoverOffered(
            at=at,
            system=system,
            responsible=giver.id,
            chain=_chain(giver.id),
            successor=successor.id,
            reason=reason,
            suspended=suspended,
        ),
    )
    return suspended


def accept_handover(tx: Tx, system: str, *, by: str, at: int) -> tuple[str, ...]:
    """The successor accepts and answers from here on; the grants that go on are returned.

    Raises: NotEligible if `by` was not offered the system; UnknownId.
    """
    take_turn(tx)
    now = authority(tx, system)
    successor = get_person(tx, by)
    if not now.successor or successor.id != now.successor:
        raise NotEligible(f"{by} was not offered {system!r}", hint="the RI offers it first")
    resumed = _move_grants(tx, system, "suspended", "granted")
    tx.run(_SET_RESPONSIBLE, system=system, responsible=successor.id, successor="")
    read_rules_anew(tx)
    wake_all(tx, system, at=at)
    append(
        tx,
        HandoverAccepted(
            at=at,
            system=system,
            responsible=successor.id,
            chain=_chain(successor.id),
            predecessor=now.responsible,
            successor=successor.id,
            resumed=resumed,
        ),
    )
    return resumed


def _move_grants(tx: Tx, system: str, old: str, new: str) -> tuple[str, ...]:
    found = tuple(str(row[0]) for row in tx.all(_GRANTS_OF_SYSTEM, system=system, state=old))
    tx.many(_SET_GRANT, [{"grant": grant, "state": new} for grant in found])
    return found


def _chain(responsible: str) -> tuple[str, ...]:
    return (responsible,)
