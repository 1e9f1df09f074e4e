"""Records of exemptions, accepted, and of the rules of deciding of approvals: declared, accepted, declined.

What they say is part of the fact, as a declaration has it; there is no table beside them. See `approvals/accepting`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.records.record import Act, Record, Signature


class ExemptionAccepted(Act):
    """The RI accepted one version of an exemption for an approval."""

    kind: Literal["exemption.accepted"] = "exemption.accepted"
    approval: str
    exemption: str
    version: int
    by: str
    signature: Signature | None = None  # by their own key
    seal: str = ""  # a MAC of all this


class ApprovalDeclared(Record):
    """An app was connected with rules of deciding that are new to its approval: in force if they are the `first`."""

    kind: Literal["approval.declared"] = "approval.declared"
    durable: ClassVar[bool] = True
    approval: str
    version: str  # of the app
    digest: str
    text: str  # all of the rules, as canonical JSON
    number: int  # how often rules of this approval had been accepted
    first: bool
    seal: str = ""  # a MAC of all this


class ApprovalAccepted(Act):
    """The RI accepted the rules of deciding of an approval: it asks by them from here on."""

    kind: Literal["approval.accepted"] = "approval.accepted"
    durable: ClassVar[bool] = True
    approval: str
    digest: str
    before: str  # the digest of those that were in force, "" for none
    number: int  # of the acceptances of this approval, from 1 on
    by: str
    signature: Signature | None = None  # by their own key
    seal: str = ""  # a MAC of all this


class ApprovalDeclined(Act):
    """The RI declined rules of deciding that were proposed for an approval, which goes on asking by those in force."""

    kind: Literal["approval.declined"] = "approval.declined"
    durable: ClassVar[bool] = True
    approval: str
    digest: str
    number: int  # how often rules of this approval had been accepted
    by: str
    reason: str
    seal: str = ""  # a MAC of all this
