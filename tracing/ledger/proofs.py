"""Proofs in files: that records are in a ledger, and that a later ledger only added to an earlier one.

1. An inclusion proof holds the records' bytes, each with its place and the hashes from its leaf to the root, and the
   checkpoint that the root is in. Whoever has the file and a public key of the ledger needs nothing else to check it.
2. A consistency proof holds two checkpoints and the hashes between them: nothing below the older one was changed.
3. Both hold the notes that replaced the ledger's keys, so an older or a newer key than the checkpoint's will do, too.
4. Files are JSON; hashes and records are base64. Nothing else is in them: what is not read is refused, so every byte
   that means something is checked.
5. What is written is checked before: a ledger that was changed gives no proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import bindparam, select

from answerable.errors import InvalidInput, NotProved, StoreCorrupt, UnknownId
from answerable.tracing.ledger.checkpoints import Checkpoint, KeyChain, read_checkpoint
from answerable.tracing.ledger.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proofs,
    leaf_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from answerable.tracing.ledger.notes import VerifierKey, decode, encode
from answerable.tracing.ledger.sequencer import StoredHashes
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records

_BODY = Statement(select(records.c.body).where(records.c.seq == bindparam("place")))
_CHANGED: Final = "`answerable ledger verify` tells what was changed"


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ProvedRecord(_Written):
    """A record, its place from 0 on, and the hashes beside its way to the root, from the leaf up."""

    place: int
    record: str
    proof: tuple[str, ...]

    @property
    def body(self) -> bytes:
        """The record's bytes. Raises: InvalidInput."""
        return _bytes(self.record)


class InclusionProof(_Written):
    """Records, and that they are in the ledger of a checkpoint. `replacements` are notes about its keys."""

    format: Literal["answerable-inclusion/1"] = "answerable-inclusion/1"
    checkpoint: str
    replacements: tuple[str, ...] = ()
    records: Annotated[tuple[ProvedRecord, ...], Field(min_length=1)]

    def check(self, trusted: Iterable[VerifierKey]) -> Checkpoint:
        """The checkpoint, if all of it is right and a trusted key leads to it. Raises: NotProved, InvalidInput."""
        checkpoint = _checked(self.checkpoint, KeyChain(trusted, self.replacements))
        for one in self.records:
            proof = [_bytes(digest) for digest in one.proof]
            leaf, head = leaf_hash(one.body), checkpoint.head
            if not verify_inclusion(leaf, one.place, head.size, proof, head.root):
                raise NotProved(
                    f"record {one.place} is not in the ledger of {checkpoint}, or not with these bytes",
                    hint="the file was changed, or the record: do not trust it",
                )
        return checkpoint


class ConsistencyProof(_Written):
    """Two checkpoints of one ledger, and that the newer one only adds to the older one."""

    format: Literal["answerable-consistency/1"] = "answerable-consistency/1"
    older: str
    newer: str
    replacements: tuple[str, ...] = ()
    proof: tuple[str, ...]

    def check(self, trusted: Iterable[VerifierKey]) -> Checkpoint:
        """The newer checkpoint, if nothing below the older one was changed. Raises: NotProved, InvalidInput."""
        chain = KeyChain(trusted, self.replacements)
        older = _checked(self.older, chain)
        newer = _checked(self.newer, chain, origin=older.origin)
        proof = [_bytes(digest) for digest in self.proof]
        fits = (
            older.head.root == EMPTY_ROOT and not proof
            if older.head.size == 0
            else verify_consistency(older.head.size, newer.head.size, older.head.root, newer.head.root, proof)
        )
        if not fits:
            raise NotProved(
                f"{newer} does not only add to {older}: a record below it was changed",
                hint="somebody rewrote the ledger, or changed the file: keep both checkpoints",
            )
        return newer


AnyProof = Annotated[InclusionProof | ConsistencyProof, Field(discriminator="format")]
_adapter: TypeAdapter[InclusionProof | ConsistencyProof] = TypeAdapter(AnyProof)


def read_proof(text: str | bytes) -> InclusionProof | ConsistencyProof:
    """A proof from its file; nothing of it is checked. Raises: InvalidInput if it is none."""
    try:
        return _adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InvalidInput(
            f"this is no proof: {where}: {first['msg']}",
            hint="give a whole file of `answerable ledger prove`, as it was written",
        ) from error


def prove_records(
    tx: Tx, places: Sequence[int], checkpoint: Checkpoint, replacements: Sequence[str] = ()
) -> InclusionProof:
    """That the records at these places are in the ledger of a checkpoint.

    Raises: UnknownId if there are no such records; NotProved if the checkpoint is older than one of them; StoreCorrupt
    if the store does not have what the checkpoint was made of.
    """
    size = checkpoint.head.size
    bodies = []
    for place in places:
        row = tx.one(_BODY, place=place)
        if row is None:
            raise UnknownId(f"the ledger has no record {place}")
        if place >= size:
            raise NotProved(
                f"{checkpoint} is older than record {place}", hint="use a newer one; without --checkpoint, one is made"
            )
        bodies.append(bytes(row[0]))
    _compare(tx, checkpoint)
    proofs = inclusion_proofs(StoredHashes(tx), places, size)
    found = [
        ProvedRecord(place=place, record=encode(body), proof=tuple(map(encode, proof)))
        for place, body, proof in zip(places, bodies, proofs, strict=True)
    ]
    for one in found:
        proof = [_bytes(digest) for digest in one.proof]
        if not verify_inclusion(leaf_hash(one.body), one.place, size, proof, checkpoint.head.root):
            raise StoreCorrupt(f"record {one.place} is not what {checkpoint} was made of", hint=_CHANGED)
    return InclusionProof(checkpoint=checkpoint.text, replacements=tuple(replacements), records=tuple(found))


def prove_growth(tx: Tx, older: Checkpoint, newer: Checkpoint, replacements: Sequence[str] = ()) -> ConsistencyProof:
    """That nothing below an older checkpoint was changed until a newer one.

    Raises: NotProved if the older one is of more records; StoreCorrupt if one is not what the store has.
    """
    if older.head.size > newer.head.size:
        raise NotProved(f"{older} is not older than {newer}", hint="give the older one first")
    _compare(tx, newer)
    _compare(tx, older)
    size = older.head.size
    proof = consistency_proof(StoredHashes(tx), size, newer.head.size) if size else []
    return ConsistencyProof(
        older=older.text,
        newer=newer.text,
        replacements=tuple(replacements),
        proof=tuple(map(encode, proof)),
    )


def _compare(tx: Tx, checkpoint: Checkpoint) -> None:
    if root(StoredHashes(tx), checkpoint.head.size) != checkpoint.head.root:
        raise StoreCorrupt(f"the store's tree is not that of {checkpoint}", hint=_CHANGED)


def _checked(note: str, chain: KeyChain, origin: str = "") -> Checkpoint:
    checkpoint = read_checkpoint(note)
    chain.check(checkpoint, origin=origin)
    return checkpoint


def _bytes(text: str) -> bytes:
    raw = decode(text)
    if raw is None:
        raise InvalidInput("this proof holds something that is no base64", hint="take the file from where it came from")
    return raw
