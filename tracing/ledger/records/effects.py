"""Records of effects, from what would be sent to what became of it."""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.records.record import Act, Record


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
