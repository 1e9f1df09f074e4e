"""Cursors: how far each reader of the ledger has come.

A position is a number of records: the reader is done with every `seq` below it, and `seq == position` is its next.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert  # with ON CONFLICT, which SQLite writes in the same way

from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import cursors

SEQUENCER = "sequencer"  # its position is the size of the ledger's tree
PROJECTION = "projection"
NAMING = "naming"  # of the index of ids

_POSITION = Statement(select(cursors.c.position).where(cursors.c.name == bindparam("reader")))
_MOVE = Statement(
    update(cursors).where(cursors.c.name == bindparam("reader")).values(position=bindparam("moved_to")),
)
_START = inserting(cursors)
_ADVANCE = Statement(
    update(cursors)
    .where(cursors.c.name == bindparam("reader"), cursors.c.position == bindparam("expected"))
    .values(position=bindparam("moved_to")),
)
_START_IF_NEW = Statement(
    insert(cursors).on_conflict_do_nothing(index_elements=[cursors.c.name]).inline(), ["name", "position"]
)


def position_of(tx: Tx, reader: str) -> int:
    """How many records `reader` is done with; 0 if it never moved."""
    row = tx.one(_POSITION, reader=reader)
    return 0 if row is None else int(row[0])


def move(tx: Tx, reader: str, position: int) -> None:
    """Note that `reader` is done with every record below `position`."""
    if tx.run(_MOVE, reader=reader, moved_to=position) == 0:
        tx.run(_START, name=reader, position=position)


def advance(tx: Tx, reader: str, expected: int, position: int) -> bool:
    """Move `reader` from `expected` to `position`, for one of several processes; False if another one moved it first.

    Whoever comes second waits until the first one's transaction has ended.
    """
    if expected == 0:
        tx.run(_START_IF_NEW, name=reader, position=0)
    return tx.run(_ADVANCE, reader=reader, expected=expected, moved_to=position) == 1
