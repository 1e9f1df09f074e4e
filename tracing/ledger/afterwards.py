"""Records of what becomes of a request or of a decision later: that others may decide it, that it was taken back."""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.record import Act


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
