"""Records: what can happen, as immutable facts.

1. A record is written in the transaction of the state change that it describes, and never changed.
2. It says when (`at`, microseconds), in which run, who answered for it at that moment (`responsible`) and how authority
   came to them (`chain`: ids only, shortest way first).
3. It holds ids, names of the declaration and commitments; never payloads, nor the words of a decision. The reason of a
   stop, a handover or an intervention is part of the fact, and says nothing personal. Errors of steps are one line.
4. `v` is the version of its schema. A field may be added with a default; anything else is a new version.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, TypeAdapter

from answerable.tracing.ledger.accepting import ApprovalAccepted, ApprovalDeclared
from answerable.tracing.ledger.access import (
    IdentityBound,
    IdentityUnbound,
    KeyRegistered,
    KeyRevoked,
    TokenMade,
    TokenRevoked,
)
from answerable.tracing.ledger.afterwards import DecisionRevoked, Escalated, Reviewed
from answerable.tracing.ledger.kept import (
    EvidenceRead,
    HoldLifted,
    HoldPlaced,
    PayloadErased,
    PersonErased,
    StoreRebuilt,
)
from answerable.tracing.ledger.record import Act, MessageRef, Record, Signature
from answerable.tracing.ledger.rotation import KeyReplaced
from answerable.tracing.ledger.ruling import RuleApproved, RuleProposed, RuleRevoked
from answerable.tracing.ledger.votes import DelegationMade, DelegationRevoked, Voted

# -- who answers ------------------------------------------------------------------------------------------------------


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


class ExemptionAccepted(Act):
    """The RI accepted one version of an exemption for an approval."""

    kind: Literal["exemption.accepted"] = "exemption.accepted"
    approval: str
    exemption: str
    version: int
    by: str
    seal: str = ""  # a MAC of all this


# -- runs -------------------------------------------------------------------------------------------------------------


class RunStarted(Record):
    """A person started a run of one version of the app with a message, its input."""

    kind: Literal["run.started"] = "run.started"
    version: str  # of the app
    started_by: str  # person
    message: MessageRef
    segment_after: int = 0  # microseconds: a longer wait begins a new trace; 0: none does


class RunRested(Record):
    """The run came to rest: nothing more can happen until somebody decides, or something is settled."""

    kind: Literal["run.rested"] = "run.rested"
    requests: tuple[str, ...] = ()
    in_doubt: tuple[str, ...] = ()  # effects
    frozen: tuple[str, ...] = ()  # targets


class RunContinued(Record):
    """The run went on after a wait that was longer than its system's `segment_after`: a new trace begins here."""

    kind: Literal["run.continued"] = "run.continued"
    segment: int  # of the run's traces, from 0 on
    waited: int  # microseconds
    segment_after: int


class RunEnded(Act):
    """The run is over. `leftovers` are crossings that no step took."""

    kind: Literal["run.ended"] = "run.ended"
    status: Literal["done", "denied", "stuck", "failed", "cancelled"]
    detail: str = ""
    result: MessageRef | None = None
    leftovers: tuple[str, ...] = ()
    by: str = ""  # person, for a cancelled run


class RunReopened(Act):
    """A person had a finished step run anew, or moved the run to another version of the app."""

    kind: Literal["run.reopened"] = "run.reopened"
    by: str
    reason: str
    step: str = ""
    generation: int = 0
    version: str = ""


# -- steps and crossings ----------------------------------------------------------------------------------------------


class StepStarted(Record):
    """A step begins an attempt. The one before it failed with the error `after`, or else died with its process."""

    kind: Literal["step.started"] = "step.started"
    step: str
    node: str
    attempt: int
    parent: str = ""  # the step whose message completed its inputs; "" for the run itself
    effect: str = ""  # that this step carries out
    after: str = ""
    host: str


class StepFinished(Record):
    """A step ended. `consumed` maps each input to the crossing (or the gather) that it took."""

    kind: Literal["step.finished"] = "step.finished"
    step: str
    node: str
    role: Literal["agent", "approval", "effect"]
    owner: str = ""
    generation: int = 0
    attempt: int = 1
    started_at: int
    outcome: Literal["done", "failed", "refused"]
    error: str = ""
    parent: str = ""  # the step whose message completed its inputs; "" for the run itself
    consumed: dict[str, str]
    links: tuple[str, ...] = ()  # every crossing taken, a gather's items included
    produced: tuple[MessageRef, ...] = ()
    dropped: tuple[str, ...] = ()  # edges whose condition said no
    host: str = ""


class Crossed(Record):
    """One message crossed one edge: the step that sent it is recorded with it."""

    kind: Literal["crossed"] = "crossed"
    crossing: str
    edge: str
    source: str
    target: str
    port: str = ""
    input: str
    step: str  # the sender; "" for START
    purpose: str
    condition: str = ""
    message: MessageRef
    scope: tuple[Any, ...] = ()
    tally: dict[str, tuple[int, int]] | None = None  # tier → demand, served; for a prioritization
    inversions: int | None = None
    host: str = ""


class GatherClosed(Record):
    """One scatter's results were brought together. Each item is (index, crossing or "", outcome)."""

    kind: Literal["gather.closed"] = "gather.closed"
    gather: str
    edge: str
    size: int
    items: tuple[tuple[int, str, str], ...]
    absent: int = 0  # items that a condition dropped
    scatter_edge: str = ""
    scatter_step: str = ""  # the step whose list was taken apart; "" for START
    lost: tuple[str, ...] = ()  # the failed steps and the decisions that items without a crossing ended in


# -- approvals --------------------------------------------------------------------------------------------------------


class RequestMade(Record):
    """A person is asked. `calls` maps each option to the effects that it would release."""

    kind: Literal["request.made"] = "request.made"
    request: str
    approval: str
    step: str
    message: MessageRef
    digest: str
    calls: dict[str, tuple[str, ...]]
    tally: dict[str, tuple[int, int]] | None = None
    inversions: int | None = None
    expires_at: int
    edited_from: str = ""
    edited_by: str = ""
    capped: str = ""  # NAME@VERSION of the standing rule that its cap kept from deciding
    escalates_at: tuple[int, ...] = ()  # when others may decide as well
    execute_within: int = 0  # microseconds from a yes until its grants expire
    in_place_of: str = ""  # the request of which the decision was revoked
    host: str = ""


PASSED: Final = frozenset({"exempted", "ruled"})
"""The outcomes of a request that passed without anybody being asked. They do not wait for the disk."""


class Decided(Record):
    """A request was answered: by a person, the passing of time (a no), an accepted exemption or a standing rule."""

    kind: Literal["decided"] = "decided"
    durable: ClassVar[bool] = True  # but for what `PASSED`
    decision: str
    request: str
    approval: str
    step: str
    message: MessageRef | None = None  # what is let through
    digest: str
    outcome: Literal["approved", "edited", "rejected", "answered", "expired", "exempted", "ruled"]
    option: str = ""
    by: str = ""  # person, who completed it; "" for expired; NAME@VERSION for exempted and ruled
    for_person: str = ""  # who delegated it to them
    delegation: str = ""
    votes: tuple[str, ...] = ()  # before it, that it counts with
    voters: tuple[str, ...] = ()  # persons who have a part in those
    own: tuple[str, ...] = ()  # persons who decided their own, as the declaration allows
    assurance: str = ""
    commitment: str = ""  # of the reason or text, which lies beside the record with its salt, the decision's MAC
    grants: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()  # effects of the other options
    rule: str = ""  # that decided
    spent: dict[str, int] = {}  # of its caps (OF/PER)
    beyond_budget: int = 0  # how many decisions the person took in the day before, if that is beyond their budget
    signature: Signature | None = None  # by the person's own key
    asked_at: int
    code: str = ""  # of the reason
    broke_glass: bool = False  # by one person of another role than those who were asked
    review: Literal["", "break-glass", "sample"] = ""  # that it gets
    review_due: int = 0
    host: str = ""
    seal: str = ""  # a MAC of all this, so that the row can be made anew from it, and a made-up record cannot


class RequestWithdrawn(Record):
    """A request was taken back undecided, for the reason that is given."""

    kind: Literal["request.withdrawn"] = "request.withdrawn"
    request: str
    approval: str
    step: str
    reason: str


# -- effects ----------------------------------------------------------------------------------------------------------


class EffectRecord(Record):
    """What every record of an effect says."""

    durable: ClassVar[bool] = True

    effect: str
    name: str
    step: str
    host: str = ""


class EffectPrepared(EffectRecord):
    """An effect is bound to what it would send, before anything of it leaves."""

    kind: Literal["effect.prepared"] = "effect.prepared"
    durable: ClassVar[bool] = False  # until it is sent, it may as well be prepared anew
    receiver: str
    guarantee: str
    message: str
    method: str = ""
    origin: str = ""
    path_digest: str = ""  # a path may name a person
    call_digest: str
    idempotency_key: str


class EffectSent(EffectRecord):
    """The deciding transaction let the call go. It says nothing about its arrival."""

    kind: Literal["effect.sent"] = "effect.sent"
    attempt: int
    grant: str
    decision: str


class EffectAnswered(EffectRecord):
    """The receiver answered, or it is certain that the call never reached it."""

    kind: Literal["effect.answered"] = "effect.answered"
    attempt: int
    sent_at: int
    outcome: Literal["done", "failed", "not-sent"]
    status: int = 0  # HTTP, 0 where there is none
    error: str = ""


class EffectInDoubt(EffectRecord):
    """It may have happened or not; a person settles it."""

    kind: Literal["effect.in-doubt"] = "effect.in-doubt"
    attempt: int
    sent_at: int
    error: str


class EffectSettled(EffectRecord, Act):
    """A person said what became of a call in doubt."""

    kind: Literal["effect.settled"] = "effect.settled"
    outcome: Literal["done", "failed", "again"]
    by: str
    reason: str


class EffectWithdrawn(EffectRecord):
    """It will not be sent: denied, expired, another option was chosen, its grant is void, or its run was cancelled."""

    kind: Literal["effect.withdrawn"] = "effect.withdrawn"
    reason: str


class EffectRefused(EffectRecord):
    """Somebody or something tried to send it without the right; nothing left."""

    kind: Literal["effect.refused"] = "effect.refused"
    reason: str
    freeze: str = ""
    waits: bool = False  # it may leave later: when a freeze is lifted, a handover accepted


# -- stops and alarms -------------------------------------------------------------------------------------------------


class Froze(Act):
    """A target was stopped: no further call leaves for it, and those in flight may have left."""

    kind: Literal["froze"] = "froze"
    durable: ClassVar[bool] = True
    freeze: str
    target: str
    by: str  # person; "" for a source that went beyond its quota
    reason: str
    in_flight: tuple[str, ...] = ()  # effects


class FreezeQuiesced(Record):
    """Each call that was in flight when the freeze was committed is known to have ended."""

    kind: Literal["freeze.quiesced"] = "freeze.quiesced"
    durable: ClassVar[bool] = True
    freeze: str


class Thawed(Act):
    """Somebody lifted a freeze."""

    kind: Literal["thawed"] = "thawed"
    durable: ClassVar[bool] = True
    freeze: str
    by: str
    reason: str


class UndeclaredEgress(Record):
    """Code in a step opened a connection or started a program that no effect declares."""

    kind: Literal["undeclared-egress"] = "undeclared-egress"
    step: str
    node: str
    event: str  # the audit event
    to: str


class StoreRestored(Act):
    """This database is a restored backup: it may have forgotten what was sent since."""

    kind: Literal["store.restored"] = "store.restored"
    durable: ClassVar[bool] = True
    by: str
    in_doubt: tuple[str, ...] = ()  # effects


AnyRecord = Annotated[
    PersonAdded
    | SystemRegistered
    | HandoverOffered
    | HandoverAccepted
    | ExemptionAccepted
    | ApprovalDeclared
    | ApprovalAccepted
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
