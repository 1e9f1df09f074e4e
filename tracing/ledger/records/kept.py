"""Records of what is read, held and erased beside the ledger."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from answerable.tracing.ledger.records.record import Act, Record

ERASED: Final = "[erased]"
"""What stands for words that were removed."""
LOST: Final = "[lost]"
"""What stands for words that went with their row."""
GONE: Final = frozenset({ERASED, LOST})
ERASED_TYPE: Final = "erased"
"""The content type of a call whose bytes were removed."""


class EvidenceRead(Record):
    """A person read evidence, or took it away: by which command, about what, in which form."""

    kind: Literal["evidence.read"] = "evidence.read"
    durable: ClassVar[bool] = True
    by: str  # person
    assurance: str
    what: str  # the command
    about: tuple[str, ...] = ()  # ids of what it was about
    form: str  # terminal, json, html, csv, zip


class HoldPlaced(Act):
    """A person put a run, a system or a subject under legal hold: nothing of it is erased while it stands."""

    kind: Literal["hold.placed"] = "hold.placed"
    durable: ClassVar[bool] = True
    hold: str
    covers: Literal["run", "system", "subject"]
    of: str  # the run, the system; for a subject a salted digest of its key, which lies beside the record
    by: str  # person
    reason: str


class HoldLifted(Act):
    """A person lifted a legal hold."""

    kind: Literal["hold.lifted"] = "hold.lifted"
    durable: ClassVar[bool] = True
    hold: str
    by: str  # person
    reason: str


class PayloadErased(Act):
    """A person had payloads of a run removed: all (`whole`), or these; `before` is the time that they had to be of."""

    kind: Literal["payload.erased"] = "payload.erased"
    durable: ClassVar[bool] = True
    by: str  # person
    reason: str
    asked: Literal["message", "run", "subject", "retention"]
    whole: bool = False
    messages: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()  # what they showed
    effects: tuple[str, ...] = ()  # what they sent
    before: int = 0  # microseconds; for retention, with which the run's work rows went, too


class PersonErased(Act):
    """A person had somebody's handle, name, contact and words removed. Their id, and what they did, stay."""

    kind: Literal["person.erased"] = "person.erased"
    durable: ClassVar[bool] = True
    person: str
    by: str  # person
    reason: str
    decisions: tuple[str, ...] = ()  # whose reason or text was removed
    votes: tuple[str, ...] = ()  # whose reason was removed
    messages: tuple[str, ...] = ()  # in which it stood, too
    runs: tuple[str, ...] = ()  # whose detail, or gathers, repeated it
