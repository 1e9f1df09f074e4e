"""Checkpoints: the head of a ledger, signed, as text that anybody can keep.

1. A checkpoint is a signed note of three lines: which ledger (`answerable/` and the store's id), how many records, and
   the root of their tree in base64.
2. A key is replaced by a note that both keys signed. It says how many records there were: the replaced key signs no
   checkpoint of more. So whoever trusts one key of a ledger can follow it to each of its others, in both directions.
3. A checkpoint counts if it is of the ledger that was asked for, and if a key signed it that is trusted, or that such
   notes lead to. A key is replaced once: a second note about it breaks the chain.

Source: https://c2sp.org/tlog-checkpoint
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from answerable.errors import InvalidInput, NotProved
from answerable.tracing.ledger.merkle import Head
from answerable.tracing.ledger.notes import Note, Signer, VerifierKey, decode, encode, read_key, read_note, sign

_REPLACED: Final = "key replaced"
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,17}")


def origin_of(store: str) -> str:
    """How checkpoints name the ledger of the store with this id; also the name of its keys."""
    return f"answerable/{store}"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A head and whose it is, as a note says. Whether that is true, `KeyChain.check` tells."""

    origin: str
    head: Head
    text: str  # the whole note

    def __str__(self) -> str:
        return f"the checkpoint of {self.head.size} records"


def sign_head(head: Head, signer: Signer) -> Checkpoint:
    """A checkpoint of the ledger that the key is of."""
    origin = signer.public.name
    return Checkpoint(origin=origin, head=head, text=sign(f"{origin}\n{_head_lines(head)}", signer))


def read_checkpoint(text: str) -> Checkpoint:
    """A checkpoint from its note; its signatures are not checked. Raises: InvalidInput if it is none."""
    lines = read_note(text).text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise InvalidInput("this note is no checkpoint: its lines are origin, size and root", hint=_TAKE_AGAIN)
    return Checkpoint(origin=lines[0], head=_read_head(lines[1], lines[2]), text=text)


def sign_replacement(old: Signer, new: Signer, head: Head) -> str:
    """The note that a ledger's key is replaced, at this head; both keys sign it."""
    keys = f"{old.public}\n{new.public}\n"
    return sign(f"{old.public.name} {_REPLACED}\n{keys}{_head_lines(head)}", old, new)


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """A key, the one that took its place, and the head of the ledger at that moment. Both signed it."""

    old: VerifierKey
    new: VerifierKey
    head: Head
    text: str


def read_replacement(text: str) -> Replacement:
    """A replacement from its note. Raises: InvalidInput if it is none; NotProved unless both keys signed it."""
    note = read_note(text)
    lines = note.text[:-1].split("\n")
    if len(lines) != 5 or not lines[0].endswith(f" {_REPLACED}"):
        raise InvalidInput("this note does not say that a key was replaced", hint=_TAKE_AGAIN)
    old, new = read_key(lines[1]), read_key(lines[2])
    if len(note.signers([old, new])) != 2 or not old.name == new.name == lines[0].removesuffix(f" {_REPLACED}"):
        raise NotProved("a note that a key was replaced is not signed by both keys", hint=_TAKE_AGAIN)
    return Replacement(old=old, new=new, head=_read_head(lines[3], lines[4]), text=text)


class KeyChain:
    """The keys of one ledger that are trusted: those that were given, and those that replacements lead to.

    Raises: InvalidInput, NotProved if a replacement is no such note, or if one key was replaced twice.
    """

    def __init__(self, trusted: Iterable[VerifierKey], replacements: Iterable[str] = ()) -> None:
        self._upto: dict[VerifierKey, int | None] = dict.fromkeys(trusted)  # the largest tree that each may sign
        after: dict[VerifierKey, Replacement] = {}
        before: dict[VerifierKey, Replacement] = {}
        for one in map(read_replacement, replacements):
            if after.setdefault(one.old, one) != one or before.setdefault(one.new, one) != one:
                raise NotProved(
                    f"key {one.old.id.hex()} was replaced by {one.new.id.hex()}, and one of them otherwise, too",
                    hint="somebody has a key of this ledger: trust only the checkpoints that you kept yourself",
                )
        for key in list(self._upto):
            while key in after and after[key].new not in self._upto:
                key = after[key].new
                self._upto[key] = None
        for key in list(self._upto):
            while key in before and before[key].old not in self._upto:
                key = before[key].old
                self._upto[key] = None
        for key in self._upto:
            if key in after:
                self._upto[key] = after[key].head.size
                if key in before and before[key].head.size > after[key].head.size:
                    raise NotProved(f"key {key.id.hex()} was replaced before it came into force", hint=_TAKE_AGAIN)

    def __contains__(self, key: VerifierKey) -> bool:
        return key in self._upto

    def check(self, checkpoint: Checkpoint, *, origin: str = "") -> VerifierKey:
        """The key that signed it.

        Raises: NotProved if it is of another ledger than `origin`, or no trusted key signed it, or a replaced one did
        that must not sign so large a tree any more.
        """
        if origin and checkpoint.origin != origin:
            raise NotProved(
                f"the checkpoint is of another system: {checkpoint.origin}, not {origin}",
                hint="give the one of this store",
            )
        note = read_note(checkpoint.text)
        signers = note.signers(key for key in self._upto if key.name == checkpoint.origin)
        if not signers:
            raise NotProved(
                f"{checkpoint} is not signed by a trusted key; it is signed by {_named(note)}",
                hint=f"trusted: {', '.join(str(key) for key in self._upto) or 'none'}",
            )
        for key in signers:
            upto = self._upto[key]
            if upto is None or checkpoint.head.size <= upto:
                return key
        key = signers[0]
        raise NotProved(
            f"{checkpoint} is signed by key {key.id.hex()}, which was replaced at {self._upto[key]} records",
            hint="somebody used a replaced key: do not trust it",
        )


_TAKE_AGAIN: Final = "give a whole file, as it was written"


def _named(note: Note) -> str:
    return ", ".join(f"{one.name} (key {one.id.hex()})" for one in note.signatures)


def _head_lines(head: Head) -> str:
    return f"{head.size}\n{encode(head.root)}\n"


def _read_head(size: str, root: str) -> Head:
    raw = decode(root)
    if not _SIZE.fullmatch(size) or raw is None or len(raw) != 32:
        raise InvalidInput(f"this is no head of a ledger: {size[:40]!r}, {root[:80]!r}", hint=_TAKE_AGAIN)
    return Head(size=int(size), root=raw)
