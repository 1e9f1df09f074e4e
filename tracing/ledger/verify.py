"""Verifying the ledger: whether what is stored is what was written.

1. Nothing that is stored is trusted: each record's bytes are hashed anew, and the tree is built anew from those hashes.
2. A record's row must say what its bytes say, and its bytes must begin as a record of a kind that is known. `deep`
   reads every record in full, as its kind.
3. Places must be 0, 1, 2 … without a gap. Records that have none yet are counted, and read in full.
4. The checkpoints that the store keeps must be of this ledger and fit its tree; the keys that signed them must follow
   from one another, each replaced by a record. With `trusted` keys, they must follow from those.
5. Whoever can change a row can change the tree too, and with the key sign it. So the proof are heads and checkpoints
   that were kept elsewhere: with one, any change to a record below its size is found. Without, only careless changes.
6. Nothing is written: a copy will do, and so will a store that is at work.

Speed: records are taken in blocks of 256, what can be compared in bulk is, and only what differs is looked at one by
one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, get_args

from pydantic import ValidationError
from sqlalchemy import bindparam, select

from answerable.errors import AnswerableError, NotProved
from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.checkpoints import Checkpoint, KeyChain, origin_of, read_checkpoint
from answerable.tracing.ledger.merkle import STRIDE, Blocks, Head
from answerable.tracing.ledger.notes import VerifierKey
from answerable.tracing.ledger.records.every import AnyRecord, read_record
from answerable.tracing.ledger.records.store import KeyReplaced
from answerable.tracing.ledger.signing import SigningKeys, signing_keys_of
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Row, Tx, store_id
from answerable.tracing.storage.tables.ledger import heads, records, tree_nodes

FAULTS_LISTED: Final = 100
_BLOCK: Final = 1 << STRIDE

_COLUMNS = (records.c.seq, records.c.run, records.c.kind, records.c.at, records.c.body, records.c.leaf)
_PLACED = Statement(select(*_COLUMNS).where(records.c.seq >= bindparam("start")).order_by(records.c.seq).limit(_BLOCK))
_UNPLACED = Statement(
    select(records.c.id, *_COLUMNS[1:])
    .where(records.c.seq.is_(None), records.c.id > bindparam("after"))
    .order_by(records.c.id)
    .limit(_BLOCK)
)
_NODES = Statement(select(tree_nodes.c.level, tree_nodes.c.position, tree_nodes.c.hash))
_HEADS = Statement(select(heads.c.size, heads.c.note).order_by(heads.c.size))

# How the bytes of every record begin, in the order in which pydantic writes what `Record` has; then its kind.
_TEXT: Final = rb'"((?:[^"\\]|\\.)*+)"'
_BEGINS: Final = re.compile(
    rb'\{"v":\d+,"at":(-?\d+)(,"system":' + _TEXT + rb',"run":' + _TEXT + rb',"responsible":' + _TEXT
    + rb',"chain":\[(?:' + _TEXT + rb',?)*+\],"kind":"([a-z.-]+)")'
)  # fmt: skip
_KINDS: Final = frozenset(kind.model_fields["kind"].default for kind in get_args(get_args(AnyRecord)[0]))
_REPLACED: Final[str] = KeyReplaced.model_fields["kind"].default


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is not as it was written. `where` is a record ("record 17"), a part of the tree, a checkpoint."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class LedgerReport:
    """What was found: the tree as the stored bytes give it, how many records have no place yet, and every fault.

    `checkpoints` are those of the store, `kept` those from elsewhere that were compared; `signed` is the size of the
    largest of all that is signed and fits. `faults` lists the first hundred; `faults_found` counts all.
    """

    head: Head
    unplaced: int
    checkpoints: int
    kept: int
    signed: int
    keys: tuple[VerifierKey, ...]
    faults: tuple[Fault, ...]
    faults_found: int

    @property
    def sound(self) -> bool:
        """Whether everything is as it was written."""
        return self.faults_found == 0


def verify_ledger(
    tx: Tx,
    *,
    kept: Head | None = None,
    checkpoints: Sequence[Checkpoint] = (),
    trusted: Sequence[VerifierKey] = (),
    deep: bool = False,
) -> LedgerReport:
    """Read the whole ledger and check it, against a head and checkpoints that were kept elsewhere.

    `trusted` are public keys from elsewhere; without any, the store's own are taken.
    """
    return _Verifier(tx, kept, checkpoints, trusted, deep).run()


class _Verifier:
    def __init__(
        self,
        tx: Tx,
        kept: Head | None,
        checkpoints: Sequence[Checkpoint],
        trusted: Sequence[VerifierKey],
        deep: bool,
    ) -> None:
        self._tx = tx
        self._origin = origin_of(store_id(tx))
        self._kept = [one for one in checkpoints if one.origin == self._origin]
        self._foreign = [one for one in checkpoints if one.origin != self._origin]
        self._trusted = trusted
        self._deep = deep
        self._faults: list[Fault] = []
        self._found = 0
        self._notes: list[str] = []  # of records that a key was replaced
        self._heads: dict[int, list[tuple[str, Head]]] = {}  # what the tree is compared with, by size
        self._sizes: list[int] = []  # of these, the smallest last
        self._unlike: set[tuple[str, Head]] = set()
        if kept is not None:
            self._compare(f"the kept head of {kept.size} records", kept)

    def run(self) -> LedgerReport:
        for one in self._foreign:
            self._fault(f"{one}", f"is of another system: {one.origin}, not {self._origin}")
        stored = self._stored_checkpoints()
        for checkpoint in (*stored, *self._kept):
            self._compare(f"{checkpoint}", checkpoint.head)
        head = self._placed()
        unplaced = 0
        for row in _unplaced(self._tx):
            self._read(row, f"record without a place (id {row[0]})")
            unplaced += 1
        signed, keys = self._signatures(stored)
        return LedgerReport(
            head=head,
            unplaced=unplaced,
            checkpoints=len(stored),
            kept=len(self._kept),
            signed=signed,
            keys=keys,
            faults=tuple(self._faults),
            faults_found=self._found,
        )

    # -- records and the tree -----------------------------------------------------------------------------------------

    def _placed(self) -> Head:
        nodes = {(level, position): digest for level, position, digest in self._tx.all(_NODES)}
        blocks = Blocks()
        self._sizes = sorted(self._heads, reverse=True)
        self._heads_at(blocks)
        expected, gap = 0, False
        for rows in _placed(self._tx):
            leaves = None if gap else self._as_written(rows, expected)
            if leaves is None:
                leaves = []
                for row in rows:
                    if not isinstance(row[0], int):
                        self._fault(f"record {row[0]!r}", "this is no place")
                        gap = True
                        continue
                    if row[0] != expected:
                        self._fault(f"record {expected}", f"missing: the next one is record {row[0]}")
                        gap = True
                    expected = row[0] + 1
                    leaf = self._read(row, f"record {row[0]}")
                    if not gap:  # nothing after a gap is where it was in the tree
                        leaves.append(leaf)
            else:
                expected += len(rows)
            if leaves:
                for level, position, digest in blocks.extend(leaves):
                    self._node(level, position, nodes.pop((level, position), None), digest)
                self._heads_at(blocks)
        if not gap:
            for level, position in sorted(nodes):
                self._fault(f"tree node {level}/{position}", "stands for records that are not there")
        position = cursors.position_of(self._tx, cursors.SEQUENCER)
        if position != expected:
            self._fault("the sequencer", f"has given {position} places, but the ledger ends at {expected}")
        for size in sorted(self._heads):
            for where, _ in dict.fromkeys(self._heads[size]):
                self._fault(where, f"the ledger has only {blocks.size} to compare")
        return blocks.head()

    def _as_written(self, rows: Sequence[Row], expected: int) -> list[bytes] | None:
        """The leaves of neighbouring records, if nothing is wrong with any of them; else they are looked at singly."""
        seqs, runs, kinds, ats, bodies, stored = zip(*rows, strict=True)
        try:
            leaves = [sha256(b"\x00" + body).digest() for body in bodies]
        except TypeError:  # SQLite gives back whatever somebody put there
            return None
        if leaves != list(stored) or seqs != tuple(range(expected, expected + len(rows))) or {*map(type, ats)} != {int}:
            return None
        pairs = list(zip(runs, kinds, strict=True))
        middles = {}
        for pair, body in dict(zip(pairs, bodies, strict=True)).items():
            begins = _BEGINS.match(body)
            if begins is None or (_text(begins[4]), begins[7].decode()) != pair or pair[1] not in _KINDS:
                return None
            middles[pair] = begins[2]
        starts = [b'{"v":1,"at":%d%b' % (at, middles[pair]) for at, pair in zip(ats, pairs, strict=True)]
        if not all(map(bytes.startswith, bodies, starts)):
            return None
        if _REPLACED in kinds or self._deep:
            return None
        return leaves

    def _read(self, row: Row, where: str) -> bytes:
        """Read one record in full; its leaf's hash."""
        _, run, kind, at, body, stored = row
        body = body if isinstance(body, bytes) else str(body).encode()
        leaf = sha256(b"\x00" + body).digest()
        if leaf != stored:
            self._fault(where, "its bytes are not those that its stored hash was made of")
        try:
            record = read_record(body)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            self._fault(where, f"its bytes are no record that this program knows ({first['msg']})")
            return leaf
        if (record.run, record.kind, record.at) != (run, kind, at):
            self._fault(where, "its row says another run, kind or time than its bytes")
        if isinstance(record, KeyReplaced):
            self._notes.append(record.note)
        return leaf

    def _node(self, level: int, position: int, stored: bytes | None, digest: bytes) -> None:
        first, last = position << level, (position + 1 << level) - 1
        if stored is None:
            self._fault(f"tree node {level}/{position}", f"missing, for records {first} to {last}")
        elif stored != digest:
            self._fault(f"tree node {level}/{position}", f"does not fit records {first} to {last}")

    # -- heads, checkpoints and keys ----------------------------------------------------------------------------------

    def _compare(self, where: str, head: Head) -> None:
        """Have the tree compared with a head when it has grown to its size."""
        self._heads.setdefault(head.size, []).append((where, head))

    def _heads_at(self, blocks: Blocks) -> None:
        """Compare the tree with every head that it has grown to."""
        while self._sizes and self._sizes[-1] <= blocks.size:
            size = self._sizes.pop()
            for where, head in dict.fromkeys(self._heads.pop(size)):
                if blocks.head_at(size) != head:
                    self._unlike.add((where, head))
                    self._fault(where, "the records are not those that it was made of: one was changed")

    def _stored_checkpoints(self) -> list[Checkpoint]:
        found = []
        for size, note in self._tx.all(_HEADS):
            try:
                checkpoint = read_checkpoint(str(note))
            except AnswerableError as error:
                self._fault(f"the stored checkpoint of {size} records", error.message)
                continue
            if checkpoint.head.size != size:
                self._fault(f"the stored checkpoint of {size} records", f"is {checkpoint}")
            found.append(checkpoint)
        return found

    def _signatures(self, stored: Sequence[Checkpoint]) -> tuple[int, tuple[VerifierKey, ...]]:
        """Check who signed. Of many kept ones that fit, the largest vouches for the others."""
        try:
            known = signing_keys_of(self._tx)
            chain = KeyChain(self._trusted or known.keys[:1], self._notes)
        except AnswerableError as error:
            self._fault("the signing keys", error.message)
            return 0, ()
        self._keys(known, chain)
        fits = [one for one in self._kept if (f"{one}", one.head) not in self._unlike]
        largest = max(fits, key=lambda one: one.head.size, default=None)
        signed = 0
        for checkpoint in (*stored, *(one for one in self._kept if one is largest or one not in fits)):
            try:
                chain.check(checkpoint, origin=self._origin)
            except NotProved as error:
                self._fault(f"{checkpoint}", error.message)
            else:
                if (f"{checkpoint}", checkpoint.head) not in self._unlike:
                    signed = max(signed, checkpoint.head.size)
        return signed, known.keys

    def _keys(self, known: SigningKeys, chain: KeyChain) -> None:
        if sorted(known.replacements) != sorted(self._notes):
            self._fault("the signing keys", "the table and the records say otherwise which keys were replaced")
        for key in known.keys:
            if key not in chain:
                self._fault("the signing keys", f"key {key.id.hex()} does not follow from the trusted one")

    def _fault(self, where: str, what: str) -> None:
        self._found += 1
        if len(self._faults) < FAULTS_LISTED:
            self._faults.append(Fault(where=where, what=what))


def _placed(tx: Tx) -> Iterator[Sequence[Row]]:
    """The records that have places, a block at a time."""
    start = -(2**63)
    while rows := tx.all(_PLACED, start=start):
        yield rows
        if not isinstance(rows[-1][0], int):  # SQLite sorts what is no number behind all that is
            return
        start = rows[-1][0] + 1


def _unplaced(tx: Tx) -> Iterator[Row]:
    after: Any = -(2**63)
    while rows := tx.all(_UNPLACED, after=after):
        yield from rows
        after = rows[-1][0]


def _text(raw: bytes) -> str | None:
    """What a JSON string says, from its bytes between the quotes; None if they say nothing."""
    try:
        return str(json.loads(b'"' + raw + b'"')) if b"\\" in raw else raw.decode()
    except ValueError:  # no JSON, or no UTF-8
        return None
