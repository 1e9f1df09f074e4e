"""Records of votes, and of who may answer for whom."""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.records.record import Act, Record, Signature


class Voted(Record):
    """A person answered what takes more than one person to decide. A newer vote takes the place of an older one."""

    kind: Literal["voted"] = "voted"
    durable: ClassVar[bool] = True
    vote: str
    number: int  # of the votes on its subject, from 1 on
    subject: str  # a request, or a rule that is proposed
    approval: str = ""
    step: str = ""
    digest: str
    answer: Literal["approved", "rejected"]
    option: str = ""
    by: str  # person
    for_person: str = ""  # who delegated it to them
    delegation: str = ""
    assurance: str
    commitment: str = ""  # of the reason, which lies beside the record with its salt, the vote's MAC
    own: bool = False  # they decide their own, as the declaration allows
    code: str = ""  # of the reason
    signature: Signature | None = None  # by the person's own key
    seal: str = ""  # a MAC of all this


class DelegationMade(Act):
    """A person let another one decide in their place until a time: everywhere, in a system, or at one approval."""

    kind: Literal["delegated"] = "delegated"
    durable: ClassVar[bool] = True
    delegation: str
    giver: str  # person
    taker: str  # person
    approval: str = ""
    until: int
    reason: str
    seal: str = ""  # a MAC of all this


class DelegationRevoked(Act):
    """A delegation was ended before its time, by who gave it or by a Responsible Individual."""

    kind: Literal["delegation.revoked"] = "delegation.revoked"
    durable: ClassVar[bool] = True
    delegation: str
    by: str  # person
    reason: str
