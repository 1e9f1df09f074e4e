"""Exemptions: named predicates that the Responsible Individual accepted, one version at a time.

1. A declared exemption has no force. The RI accepts it, by name and version, for one approval; that is a record.
2. The acceptance has a MAC, so a row written by hand is none. A new version is accepted anew.
3. Whoever accepts is as sure as the rules in force ask of those who decide there, in whose place it lets pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from answerable.approvals.accepting.signing import accepted_by
from answerable.approvals.accepting.standing import standings
from answerable.approvals.node import Approval, Exemption
from answerable.approvals.sealing.keys import Key
from answerable.approvals.sealing.seals import sealed
from answerable.approvals.who.identity import Identity
from answerable.errors import InvalidInput, NotAsShown
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.accepting import ExemptionAccepted
from answerable.tracing.people import check_responsible, get_person, lock_system, stamp
from answerable.tracing.storage.statements import Statement, inserting, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import exemptions
from answerable.tracing.turns import take_turn

_INSERT = inserting(exemptions)
_GET = Statement(
    select(exemptions.c.accepted_by, exemptions.c.mac).where(
        exemptions.c.system == bindparam("system"),
        exemptions.c.approval == bindparam("approval"),
        exemptions.c.name == bindparam("name"),
        exemptions.c.version == bindparam("version"),
    )
)
_ALL = Statement(select(*exemptions.c).order_by(exemptions.c.system, exemptions.c.name))


@dataclass(frozen=True, kw_only=True)
class AcceptedExemption:
    """One accepted version of an exemption; `accepted_by` is a person's id."""

    system: str
    approval: str
    name: str
    version: int
    accepted_by: str
    mac: str

    @property
    def label(self) -> str:
        """How it is named: NAME@VERSION."""
        return f"{self.name}@{self.version}"

    def genuine(self, key: Key) -> bool:
        """Whether it was written by this program with the store's key."""
        return key.holds(self.mac, "exemption", self.system, self.approval, self.name, self.version, self.accepted_by)


def is_accepted(tx: Tx, key: Key, system: str, approval: Approval[Any]) -> bool:
    """Whether the exemption that `approval` declares was accepted, in its present version."""
    exempt = approval.exempt
    if exempt is None:
        return False
    row = tx.one(_GET, system=system, approval=approval.name, name=exempt.name, version=exempt.version)
    return row is not None and key.holds(row[1], "exemption", *_signed(system, approval.name, exempt, row[0]))


def accept_exemption(
    tx: Tx, key: Key, system: str, approval: Approval[Any], *, who: Identity, at: int, seen: str = ""
) -> None:
    """The RI accepts the exemption of `approval`, as they were shown it (NAME@VERSION), if that is given.

    Accepting it again changes nothing. Raises: InvalidInput if the approval declares none; NotEligible if they are not
    the RI; NotSureEnough, NotAuthenticated; NotAsShown; UnknownId.
    """
    exempt = approval.exempt
    if exempt is None:
        raise InvalidInput(f"approval {approval.name!r} declares no exemption")
    if seen and seen != exempt.label:
        raise NotAsShown(
            f"the exemption of {approval.name} is {exempt.label}, and {seen} was shown", hint="look at it again"
        )
    take_turn(tx)
    lock_system(tx, system)  # of two who accept it at once, the second sees what the first wrote
    person = get_person(tx, who.handle)
    check_responsible(tx, system, person, what="an exemption")
    standing = standings(tx, key).get((system, approval.name))
    asks = standing.in_force.rules if standing and standing.in_force else approval
    signature = accepted_by(
        tx, key, system, approval.name, option=exempt.label, person=person, who=who, asks=asks, at=at
    )
    if is_accepted(tx, key, system, approval):
        return
    tx.run(
        _INSERT,
        system=system,
        approval=approval.name,
        name=exempt.name,
        version=exempt.version,
        accepted_by=person.id,
        mac=key.mac("exemption", *_signed(system, approval.name, exempt, person.id)),
    )
    record = ExemptionAccepted(
        **stamp(tx, system, at=at),
        approval=approval.name,
        exemption=exempt.name,
        version=exempt.version,
        by=person.id,
        assurance=tx.assurance,
        signature=signature,
    )
    append(tx, sealed(key, record))


def all_accepted(tx: Tx) -> list[AcceptedExemption]:
    """All that were accepted in this store."""
    return [AcceptedExemption(**named(exemptions, row)) for row in tx.all(_ALL)]


def _signed(system: str, approval: str, exempt: Exemption, by: str) -> tuple[object, ...]:
    return (system, approval, exempt.name, exempt.version, by)
