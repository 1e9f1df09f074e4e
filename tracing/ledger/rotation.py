"""Records of the key that signs checkpoints."""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.record import Act


class KeyReplaced(Act):
    """The key that signs the ledger's checkpoints was replaced; `note` says by which, and both keys signed it."""

    kind: Literal["key.replaced"] = "key.replaced"
    durable: ClassVar[bool] = True
    by: str  # person
    reason: str
    note: str
