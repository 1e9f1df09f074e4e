"""Records of the store itself: restored, rebuilt, its signing key replaced."""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.records.record import Act


class StoreRestored(Act):
    """This database is a restored backup: it may have forgotten what was sent since."""

    kind: Literal["store.restored"] = "store.restored"
    durable: ClassVar[bool] = True
    by: str
    in_doubt: tuple[str, ...] = ()  # effects


class StoreRebuilt(Act):
    """A person had rows made anew from the records: which were made, changed, dropped, and could not be made."""

    kind: Literal["store.rebuilt"] = "store.rebuilt"
    durable: ClassVar[bool] = True
    by: str  # person
    reason: str
    made: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    not_made: tuple[str, ...] = ()


class KeyReplaced(Act):
    """The key that signs the ledger's checkpoints was replaced; `note` says by which, and both keys signed it."""

    kind: Literal["key.replaced"] = "key.replaced"
    durable: ClassVar[bool] = True
    by: str  # person
    reason: str
    note: str
