"""Verifying the ledger: whether what is stored is what was written.

1. Nothing that is stored is trusted: each record's bytes are hashed anew, and the tree is built anew from those hashes.
2. Every record must be one that this program can read, and its row must say what its bytes say.
3. Places must be 0, 1, 2 … without a gap. Records that have none yet are counted, and read as well.
4. Whoever can change a row can change the tree too. So the proof is a head that was kept elsewhere: with it, any change
   to a record below its size is found. Without it, only careless changes are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import bindparam, select

from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.merkle import STRIDE, Frontier, Head, leaf_hash
from answerable.tracing.ledger.records import read_record
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Row, Tx
from answerable.tracing.storage.tables import records, tree_nodes

PAGE = 1000
FAULTS_LISTED = 100

_columns = select(
    records.c.id, records.c.seq, records.c.run, records.c.kind, records.c.at, records.c.body, records.c.leaf
)
_PLACED = Statement(_columns.where(records.c.seq > bindparam("after")).order_by(records.c.seq).limit(PAGE))
_UNPLACED = Statement(
    _columns.where(records.c.seq.is_(None), records.c.id > bindparam("after")).order_by(records.c.id).limit(PAGE)
)
_NODES = Statement(select(tree_nodes.c.level, tree_nodes.c.position, tree_nodes.c.hash))


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is not as it was written. `where` is a record ("record 17") or a part of the tree."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class LedgerReport:
    """What was found: the tree as the stored bytes give it, how many records have no place yet, and every fault.

    `faults` lists the first hundred of them; `faults_found` counts all.
    """

    head: Head
    unplaced: int
    faults: tuple[Fault, ...]
    faults_found: int

    @property
    def sound(self) -> bool:
        """Whether everything is as it was written."""
        return self.faults_found == 0


def verify_ledger(tx: Tx, *, kept: Head | None = None) -> LedgerReport:
    """Read the whole ledger and check it; `kept` is a head of it that was kept elsewhere."""
    return _Verifier(tx, kept).run()


class _Verifier:
    def __init__(self, tx: Tx, kept: Head | None) -> None:
        self._tx = tx
        self._kept = kept
        self._faults: list[Fault] = []
        self._found = 0

    def run(self) -> LedgerReport:
        head = self._placed()
        unplaced = 0
        for row in _pages(self._tx, _UNPLACED, key=0):
            self._record(row, f"record without a place (id {row[0]})")
            unplaced += 1
        return LedgerReport(head=head, unplaced=unplaced, faults=tuple(self._faults), faults_found=self._found)

    def _placed(self) -> Head:
        nodes = {(level, position): digest for level, position, digest in self._tx.all(_NODES)}
        frontier = Frontier()
        self._compare(frontier)
        expected = 0
        gap = False
        for row in _pages(self._tx, _PLACED, key=1):
            if row[1] != expected:
                self._fault(f"record {expected}", f"missing: the next one is record {row[1]}")
                gap = True
            expected = row[1] + 1
            self._record(row, f"record {row[1]}")
            if gap:
                continue  # nothing after a gap is where it was in the tree
            for level, digest in frontier.append(leaf_hash(row[5])):
                if level % STRIDE == 0:
                    position = (frontier.size >> level) - 1
                    self._node(level, position, nodes.pop((level, position), None), digest)
            self._compare(frontier)
        if not gap:
            for level, position in sorted(nodes):
                self._fault(f"tree node {level}/{position}", "stands for records that are not there")
        position = cursors.position_of(self._tx, cursors.SEQUENCER)
        if position != expected:
            self._fault("the sequencer", f"has given {position} places, but the ledger ends at {expected}")
        if self._kept is not None and self._kept.size > frontier.size:
            self._fault(
                f"the kept head of {self._kept.size} records", f"the ledger has only {frontier.size} to compare"
            )
        return frontier.head()

    def _record(self, row: Row, where: str) -> None:
        _, _, run, kind, at, body, leaf = row
        if leaf_hash(body) != leaf:
            self._fault(where, "its bytes are not those that its stored hash was made of")
        try:
            record = read_record(body)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            self._fault(where, f"its bytes are no record that this program knows ({first['msg']})")
            return
        if (record.run, record.kind, record.at) != (run, kind, at):
            self._fault(where, "its row says another run, kind or time than its bytes")

    def _node(self, level: int, position: int, stored: bytes | None, digest: bytes) -> None:
        first, last = position << level, (position + 1 << level) - 1
        if stored is None:
            self._fault(f"tree node {level}/{position}", f"missing, for records {first} to {last}")
        elif stored != digest:
            self._fault(f"tree node {level}/{position}", f"does not fit records {first} to {last}")

    def _compare(self, frontier: Frontier) -> None:
        if self._kept is not None and frontier.size == self._kept.size and frontier.head() != self._kept:
            self._fault(
                f"the kept head of {frontier.size} records",
                "the records are not those that it was made of: one was changed",
            )

    def _fault(self, where: str, what: str) -> None:
        self._found += 1
        if len(self._faults) < FAULTS_LISTED:
            self._faults.append(Fault(where=where, what=what))


def _pages(tx: Tx, statement: Statement, key: int) -> Iterator[Row]:
    """The rows of `statement`, page by page; column `key` says where a page begins."""
    after: Any = -(2**63)
    while rows := tx.all(statement, after=after):
        for *columns, body, leaf in rows:  # SQLite gives back whatever somebody put there
            yield (*columns, body if isinstance(body, bytes) else str(body).encode(), leaf)
        after = rows[-1][key]
