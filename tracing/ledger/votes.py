"""Records of answers that do not decide by themselves; the rules for all records are in `records`."""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.record import Record


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
    seal: str = ""  # a MAC of all this
