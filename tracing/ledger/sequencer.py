"""The sequencer: gives committed records their place in the ledger, and extends its tree.

1. A place (`seq`) is given once, without gaps, from 0 on: it is the record's leaf index. Committed records get theirs
   in the order of their ids. The sequencer looks for records without one, so a transaction that began early and
   committed late is never missed; it only comes later.
2. One sequencer works at a time. On SQLite the write transaction sees to that; on PostgreSQL an advisory lock.
   Who follows the ledger and does not get it leaves the work to the one who has it; who goes on to read it waits.
3. The tree is kept as the hashes of complete subtrees at every eighth level: one row for 255 records, written once and
   never changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Integer, bindparam, func, select, update

from answerable.errors import StoreCorrupt
from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.merkle import STRIDE, Head, fold, root
from answerable.tracing.storage import locks
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Store, Tx
from answerable.tracing.storage.tables.ledger import records, tree_nodes

_UNPLACED = Statement(
    select(records.c.id, records.c.leaf)
    .where(records.c.seq.is_(None))
    .order_by(records.c.id)
    .limit(bindparam("at_most", type_=Integer))
)
_COUNT_UNPLACED = Statement(select(func.count()).select_from(records).where(records.c.seq.is_(None)))
_PLACE = Statement(
    update(records)
    .where(records.c.id.between(bindparam("first"), bindparam("last")))
    .values(seq=records.c.id + bindparam("shift"))
)
_LEAVES = Statement(
    select(records.c.leaf)
    .where(records.c.seq >= bindparam("start"), records.c.seq < bindparam("end"))
    .order_by(records.c.seq)
)
_NODES = Statement(
    select(tree_nodes.c.hash)
    .where(
        tree_nodes.c.level == bindparam("at_level"),
        tree_nodes.c.position >= bindparam("start"),
        tree_nodes.c.position < bindparam("end"),
    )
    .order_by(tree_nodes.c.position)
)
_ADD_NODE = inserting(tree_nodes)


class StoredHashes:
    """The hashes of the ledger's tree, as the store has them."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def read(self, level: int, start: int, count: int) -> Sequence[bytes]:
        """The hashes of `count` neighbouring complete subtrees of 2**level leaves; `level` is a multiple of STRIDE.

        Raises: StoreCorrupt if some are missing.
        """
        if level == 0:
            rows = self._tx.all(_LEAVES, start=start, end=start + count)
        else:
            rows = self._tx.all(_NODES, at_level=level, start=start, end=start + count)
        if len(rows) != count:
            first, last = start << level, (start + count << level) - 1
            raise StoreCorrupt(
                f"the ledger lacks some of its records {first} to {last}, or their hashes",
                hint="`answerable ledger verify` tells which",
            )
        return [row[0] for row in rows]


def alone(tx: Tx, *, wait: bool = False) -> bool:
    """Whether nobody else extends the tree, or signs it, until this writing transaction ends; `wait` until it is so."""
    if tx.dialect == "sqlite":
        return True
    if wait:
        tx.one(locks.TAKE, lock=locks.TREE)
        return True
    return bool((tx.one(locks.TRY, lock=locks.TREE) or (False,))[0])


def sequence(tx: Tx, *, at_most: int = 1000, wait: bool = False) -> int:
    """Give places to at most `at_most` records, inside a transaction that writes; how many got one.

    0 if there are none to place, or, without `wait`, if another process is at it.
    """
    if not alone(tx, wait=wait):
        return 0
    rows = tx.all(_UNPLACED, at_most=at_most)
    if not rows:
        return 0
    size = cursors.position_of(tx, cursors.SEQUENCER)
    first = 0
    for index in range(1, len(rows) + 1):  # one statement for each run of neighbouring ids
        if index == len(rows) or rows[index][0] != rows[index - 1][0] + 1:
            tx.run(_PLACE, first=rows[first][0], last=rows[index - 1][0], shift=size + first - rows[first][0])
            first = index
    _extend(tx, size, size + len(rows))
    cursors.move(tx, cursors.SEQUENCER, size + len(rows))
    return len(rows)


def head(tx: Tx) -> Head:
    """The ledger's tree as it is now: what is kept outside, to notice later that something was changed."""
    size = cursors.position_of(tx, cursors.SEQUENCER)
    return Head(size=size, root=root(StoredHashes(tx), size))


def count_unplaced(tx: Tx) -> int:
    """How many records wait for their places."""
    row = tx.one(_COUNT_UNPLACED)
    return 0 if row is None else int(row[0])


async def sequence_all(store: Store) -> int:
    """Give a place to every record that was committed before this call; how many got one.

    Another sequencer at work is waited for: it may not have seen the newest of them.
    """
    total = 0
    while placed := await store.write(lambda tx: sequence(tx, wait=True)):
        total += placed
    return total


def _extend(tx: Tx, old: int, new: int) -> None:
    """Add the subtrees that became complete when the tree grew from `old` to `new` leaves."""
    hashes = StoredHashes(tx)
    level, below = STRIDE, 0
    while new >> level > 0:
        rows = []
        for position in range(old >> level, new >> level):
            children = hashes.read(below, position << STRIDE, 1 << STRIDE)
            rows.append({"level": level, "position": position, "hash": fold(children)})
        tx.many(_ADD_NODE, rows)
        level, below = level + STRIDE, level
