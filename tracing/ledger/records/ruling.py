"""Records of standing rules: proposed, approved, revoked.

What a rule says is part of the fact: it is no payload, and names persons by id only.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.records.record import Act, Signature


class RuleRecord(Act):
    """What every record of a standing rule says."""

    durable: ClassVar[bool] = True

    rule: str
    name: str
    version: int
    approval: str
    digest: str  # of everything that it says
    by: str  # person


class RuleProposed(RuleRecord):
    """A person proposed a version of a standing rule; it has no force yet."""

    kind: Literal["rule.proposed"] = "rule.proposed"
    not_before: int
    expires_at: int
    text: str  # everything that it says, as canonical JSON
    seal: str = ""  # a MAC of all this


class RuleApproved(RuleRecord):
    """Those who may decide what a rule decides approved it; `by` is the one who completed that."""

    kind: Literal["rule.approved"] = "rule.approved"
    author: str
    approvers: tuple[str, ...]
    for_person: str = ""  # who delegated it to `by`
    signature: Signature | None = None  # by the own key of whoever completed it
    seal: str = ""  # a MAC of all this


class RuleRevoked(RuleRecord):
    """A person took a standing rule's force away: it decides nothing more, and nothing that it released is sent."""

    kind: Literal["rule.revoked"] = "rule.revoked"
    reason: str
    seal: str = ""  # a MAC of all this
