"""Records of who answers: people, systems, handovers."""

from __future__ import annotations

from typing import Literal

from answerable.tracing.ledger.records.record import Act, Record


class PersonAdded(Record):
    """A person was registered, or their roles and teams changed."""

    kind: Literal["person.added"] = "person.added"
    person: str
    roles: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()


class SystemRegistered(Record):
    """A system was first connected to this store; its declared RI is in force from here on."""

    kind: Literal["system.registered"] = "system.registered"
    version: str


class HandoverOffered(Act):
    """The RI offers the system to a successor; grants that were not sent are suspended until it is accepted."""

    kind: Literal["handover.offered"] = "handover.offered"
    successor: str
    reason: str
    suspended: tuple[str, ...] = ()  # grants


class HandoverAccepted(Act):
    """The successor is the RI from here on."""

    kind: Literal["handover.accepted"] = "handover.accepted"
    predecessor: str
    successor: str
    resumed: tuple[str, ...] = ()  # grants
