"""Records of what becomes of a request or a decision later: it is escalated, taken back, reviewed."""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.records.record import Act, Record, Signature


class Escalated(Record):
    """Nobody had decided in time: from here on others may decide the request as well."""

    kind: Literal["escalated"] = "escalated"
    request: str
    approval: str
    step: str
    stage: int  # from 1 on
    due: int  # when it was to be, as the request is bound to it
    to: str  # in words: roles and persons of the declaration


class DecisionRevoked(Act):
    """What a decision released and was not sent is void: a person or a revoked rule took it back, or facts moved."""

    kind: Literal["decision.revoked"] = "decision.revoked"
    durable: ClassVar[bool] = True
    decision: str
    request: str
    approval: str
    step: str
    cause: Literal["person", "facts", "rule"]
    by: str = ""  # person; "" where facts moved
    code: str = ""  # of the reason
    reason: str = ""
    rule: str = ""  # NAME@VERSION that was revoked
    facts: tuple[str, ...] = ()  # the names of those that moved
    revoked: tuple[str, ...] = ()  # grants
    withdrawn: tuple[str, ...] = ()  # effects
    sent: tuple[str, ...] = ()  # effects that had left before, and stay what they are


class Reviewed(Act):
    """A person looked at what was decided without those who had been asked: broken glass, a sample of a rule's."""

    kind: Literal["reviewed"] = "reviewed"
    review: str
    of: Literal["break-glass", "sample"]
    decision: str
    request: str
    approval: str
    step: str
    verdict: Literal["right", "wrong"]
    by: str
    reason: str
    due: int  # when it was due
    digest: str = ""  # of the request that was decided
    signature: Signature | None = None  # the reviewer's own
    salt: str = ""  # of the words in it, which are in this record
    seal: str = ""  # a MAC of all this
