"""Records of what is read, held and erased beside the ledger; the rules for all records are in `records`."""

from __future__ import annotations

from typing import ClassVar, Literal

from answerable.tracing.ledger.record import Record


class EvidenceRead(Record):
    """A person read evidence, or took it away: by which command, about what, in which form."""

    kind: Literal["evidence.read"] = "evidence.read"
    durable: ClassVar[bool] = True
    by: str  # person
    assurance: str
    what: str  # the command
    about: tuple[str, ...] = ()  # ids of what it was about
    form: str  # terminal, json, html, csv, zip


class StoreRebuilt(Record):
    """A person had rows made anew from the records: which were made, changed, dropped, and could not be made."""

    kind: Literal["store.rebuilt"] = "store.rebuilt"
    durable: ClassVar[bool] = True
    by: str  # person
    reason: str
    made: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    not_made: tuple[str, ...] = ()
