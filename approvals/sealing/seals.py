"""Seals: a MAC on the records that authority comes from, so that rows can be made anew from them.

1. A record is not authority by itself: whoever can write to the database can append one. With its seal it is known to
   have been written by this program, with the store's key.
2. The seal is over everything that the record says and that is not its field's default, so fields may be added.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from answerable.approvals.sealing.keys import Key
from answerable.tracing.ledger.records.accepting import (
    ApprovalAccepted,
    ApprovalDeclared,
    ApprovalDeclined,
    ExemptionAccepted,
)
from answerable.tracing.ledger.records.access import KeyRegistered
from answerable.tracing.ledger.records.afterwards import Reviewed
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.ruling import RuleApproved, RuleProposed, RuleRevoked
from answerable.tracing.ledger.records.votes import DelegationMade, Voted

Sealed: TypeAlias = (
    KeyRegistered
    | Decided
    | ExemptionAccepted
    | ApprovalDeclared
    | ApprovalAccepted
    | ApprovalDeclined
    | RuleProposed
    | RuleApproved
    | RuleRevoked
    | Voted
    | DelegationMade
    | Reviewed
)
R = TypeVar(
    "R",
    KeyRegistered,
    Decided,
    ExemptionAccepted,
    ApprovalDeclared,
    ApprovalAccepted,
    ApprovalDeclined,
    RuleProposed,
    RuleApproved,
    RuleRevoked,
    Voted,
    DelegationMade,
    Reviewed,
)


def sealed(key: Key, record: R) -> R:
    """The record with its seal."""
    return record.model_copy(update={"seal": key.mac("record", _said(record))})


def is_sealed(key: Key, record: Sealed) -> bool:
    """Whether the record was written by this program with the store's key."""
    return record.seal != "" and key.holds(record.seal, "record", _said(record))


def _said(record: Sealed) -> str:
    said = record.__pydantic_serializer__.to_json(record, exclude={"seal"}, exclude_defaults=True)
    return bytes(said).decode()
