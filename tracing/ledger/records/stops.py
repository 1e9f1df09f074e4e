"""Records of freezes."""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.records.record import Act, Record


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
