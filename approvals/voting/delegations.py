"""Delegations: somebody decides in another person's place, for a time.

1. Only who gives it makes it, for at most `LONGEST_DAYS`; who gave it ends it, or a Responsible Individual that it
   reaches.
2. It is one step deep: a delegate has what its giver is named for by themself, and nothing that was delegated to them.
3. A row has a MAC, over its end, too: one that was written by hand, or had its end taken away, lets nobody act.
   `eligibility` says what a delegate may do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import bindparam, select, update

from answerable.approvals.sealing.keys import Key, not_ours
from answerable.approvals.sealing.seals import sealed
from answerable.approvals.voting.eligibility import Delegated
from answerable.approvals.who.endings import ended
from answerable.errors import InvalidInput, NotEligible, UnknownId
from answerable.tracing import ids
from answerable.tracing.clock import micros
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.votes import DelegationMade, DelegationRevoked
from answerable.tracing.people import PersonRow, all_systems, authority, get_person, person_by_id
from answerable.tracing.storage.statements import Statement, inserting, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import delegations

LONGEST_DAYS: Final = 90
LONGEST: Final = micros(LONGEST_DAYS * 24 * 3600)

_INSERT = inserting(delegations)
_GET = Statement(select(*delegations.c).where(delegations.c.id == bindparam("delegation")).with_for_update())
_ALL = Statement(select(*delegations.c).order_by(delegations.c.at, delegations.c.id))
_STANDING = Statement(
    select(*delegations.c)
    .where(
        delegations.c.ended_at.is_(None),
        delegations.c.until > bindparam("now"),
        delegations.c.system.in_(["", bindparam("of_system")]),
        delegations.c.approval.in_(["", bindparam("of_approval")]),
    )
    .order_by(delegations.c.at, delegations.c.id)
)
_END = Statement(
    update(delegations)
    .where(delegations.c.id == bindparam("delegation"), delegations.c.ended_at.is_(None))
    .values(ended_at=bindparam("now"), mac=bindparam("new_mac"))
)


@dataclass(frozen=True, kw_only=True)
class Delegation:
    """A stored delegation; `giver` and `taker` are persons' ids, "" stands for every system, or approval of it."""

    id: str
    giver: str
    taker: str
    system: str
    approval: str
    until: int
    reason: str
    at: int
    ended_at: int | None
    mac: str

    def genuine(self, key: Key) -> bool:
        """Whether it was written by this program with the store's key."""
        return key.holds(self.mac, "delegation", *self._signed())

    def signed(self, key: Key) -> Delegation:
        """The same with its MAC."""
        return replace(self, mac=key.mac("delegation", *self._signed()))

    def state(self, *, at: int) -> str:
        """How it stands: "standing", "over" or "revoked"."""
        if self.ended_at is not None:
            return "revoked"
        return "standing" if at < self.until else "over"

    def _signed(self) -> tuple[object, ...]:
        named_so = (self.id, self.giver, self.taker, self.system, self.approval, self.until, self.reason, self.at)
        return named_so if self.ended_at is None else (*named_so, "ended", self.ended_at)


def delegate(
    tx: Tx, key: Key, *, by: str, to: str, until: int, system: str = "", approval: str = "", reason: str, at: int
) -> Delegation:
    """The person `by` lets `to` (handles) decide in their place until a time.

    Raises: UnknownId; InvalidInput if it is to themself, is over already or lasts too long.
    """
    giver, taker = get_person(tx, by), get_person(tx, to)
    if giver.id == taker.id:
        raise InvalidInput(f"{by} cannot delegate to themself", hint="name somebody else: --to WHOM")
    if not at < until <= at + LONGEST:
        raise InvalidInput(
            f"a delegation ends after now, and within {LONGEST_DAYS} days", hint="for a longer time, make another then"
        )
    if approval and not system:
        raise InvalidInput(f"approval {approval!r} of which system?", hint="name the system, too")
    if system:
        authority(tx, system)
    made = Delegation(
        id=ids.fresh(ids.DELEGATION),
        giver=giver.id,
        taker=taker.id,
        system=system,
        approval=approval,
        until=until,
        reason=reason,
        at=at,
        ended_at=None,
        mac="",
    ).signed(key)
    tx.run(_INSERT, **vars(made))
    record = DelegationMade(
        at=at,
        system=system,
        responsible=authority(tx, system).responsible if system else "",
        chain=(giver.id, taker.id),
        assurance=tx.assurance,
        delegation=made.id,
        giver=giver.id,
        taker=taker.id,
        approval=approval,
        until=until,
        reason=reason,
    )
    append(tx, sealed(key, record))
    return made


def revoke_delegation(tx: Tx, key: Key, id: str, *, by: str, reason: str, at: int) -> Delegation:
    """End a delegation at once. Raises: UnknownId, NotEligible, InvalidInput, StoreCorrupt."""
    row = tx.one(_GET, delegation=id)
    if row is None:
        raise UnknownId(f"there is no delegation {id}", hint="`answerable delegations list` lists them")
    found, person = Delegation(**named(delegations, row)), get_person(tx, by)
    if not found.genuine(key):
        raise not_ours(f"delegation {id}", "it lets nobody act as it is")
    check_may_end(tx, found, person)
    ended = replace(found, ended_at=at).signed(key)
    if not tx.run(_END, delegation=id, now=at, new_mac=ended.mac):
        raise InvalidInput(f"{id} was revoked already")
    append(
        tx,
        DelegationRevoked(at=at, system=found.system, chain=(person.id,), delegation=id, by=person.id, reason=reason),
    )
    return ended


def check_may_end(tx: Tx, delegation: Delegation, person: PersonRow) -> None:
    """Raises: NotEligible unless they gave it, or answer for a system that it reaches."""
    reached = [delegation.system] if delegation.system else all_systems(tx)
    if person.id not in (delegation.giver, *(authority(tx, name).responsible for name in reached)):
        raise NotEligible(
            f"{person.handle} did not give this delegation",
            hint="whoever gave it ends it, or the Responsible Individual",
        )


def in_force(tx: Tx, key: Key, *, system: str, approval: str, at: int) -> list[Delegated]:
    """The genuine delegations that reach an approval at a time, oldest first.

    One that a record says was revoked is none, though somebody put its row back.
    """
    found = []
    for row in tx.all(_STANDING, of_system=system, of_approval=approval, now=at):
        one = Delegation(**named(delegations, row))
        giver = person_by_id(tx, one.giver)
        if giver is not None and one.genuine(key) and one.id not in ended(tx, key):
            found.append(Delegated(id=one.id, giver=giver, taker=one.taker))
    return found


def all_delegations(tx: Tx) -> list[Delegation]:
    """Every delegation that was made, oldest first."""
    return [read_delegation(named(delegations, row)) for row in tx.all(_ALL)]


def read_delegation(fields: dict[str, Any]) -> Delegation:
    """A delegation from its columns."""
    return Delegation(**fields)
