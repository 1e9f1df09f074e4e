"""Every kind of record, and a record from its bytes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from answerable.tracing.ledger.records.accepting import (
    ApprovalAccepted,
    ApprovalDeclared,
    ApprovalDeclined,
    ExemptionAccepted,
)
from answerable.tracing.ledger.records.access import (
    IdentityBound,
    IdentityUnbound,
    KeyRegistered,
    KeyRevoked,
    TokenMade,
    TokenRevoked,
)
from answerable.tracing.ledger.records.afterwards import DecisionRevoked, Escalated, Reviewed
from answerable.tracing.ledger.records.deciding import Decided, RequestMade, RequestWithdrawn
from answerable.tracing.ledger.records.effects import (
    EffectAnswered,
    EffectInDoubt,
    EffectPrepared,
    EffectRefused,
    EffectSent,
    EffectSettled,
    EffectWithdrawn,
)
from answerable.tracing.ledger.records.kept import EvidenceRead, HoldLifted, HoldPlaced, PayloadErased, PersonErased
from answerable.tracing.ledger.records.people import HandoverAccepted, HandoverOffered, PersonAdded, SystemRegistered
from answerable.tracing.ledger.records.ruling import RuleApproved, RuleProposed, RuleRevoked
from answerable.tracing.ledger.records.runs import RunContinued, RunEnded, RunReopened, RunRested, RunStarted
from answerable.tracing.ledger.records.steps import Crossed, GatherClosed, StepFinished, StepStarted, UndeclaredEgress
from answerable.tracing.ledger.records.stops import FreezeQuiesced, Froze, Thawed
from answerable.tracing.ledger.records.store import KeyReplaced, StoreRebuilt, StoreRestored
from answerable.tracing.ledger.records.votes import DelegationMade, DelegationRevoked, Voted

AnyRecord = Annotated[
    PersonAdded
    | SystemRegistered
    | HandoverOffered
    | HandoverAccepted
    | ExemptionAccepted
    | ApprovalDeclared
    | ApprovalAccepted
    | ApprovalDeclined
    | RuleProposed
    | RuleApproved
    | RuleRevoked
    | RunStarted
    | RunRested
    | RunContinued
    | RunEnded
    | RunReopened
    | StepStarted
    | StepFinished
    | Crossed
    | GatherClosed
    | RequestMade
    | Voted
    | DelegationMade
    | DelegationRevoked
    | Decided
    | RequestWithdrawn
    | DecisionRevoked
    | Escalated
    | Reviewed
    | EffectPrepared
    | EffectSent
    | EffectAnswered
    | EffectInDoubt
    | EffectSettled
    | EffectWithdrawn
    | EffectRefused
    | Froze
    | FreezeQuiesced
    | Thawed
    | UndeclaredEgress
    | StoreRestored
    | EvidenceRead
    | StoreRebuilt
    | KeyReplaced
    | HoldPlaced
    | HoldLifted
    | PayloadErased
    | PersonErased
    | TokenMade
    | TokenRevoked
    | IdentityBound
    | IdentityUnbound
    | KeyRegistered
    | KeyRevoked,
    Field(discriminator="kind"),
]

_adapter: TypeAdapter[AnyRecord] = TypeAdapter(AnyRecord)


def read_record(body: bytes) -> AnyRecord:
    """A record from its stored bytes. Raises: pydantic.ValidationError if they are no record."""
    return _adapter.validate_json(body)
