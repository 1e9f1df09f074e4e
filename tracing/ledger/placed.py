"""Records that have their place in the ledger, as projections read them.

A stored row that is no record (somebody wrote to the database) is passed over with a warning, so that it cannot keep
the records behind it from being seen; `answerable ledger verify` finds it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from pydantic import ValidationError
from sqlalchemy import Integer, bindparam, select

from answerable.tracing.ledger.entries import Entry
from answerable.tracing.ledger.records.every import AnyRecord, read_record
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Row, Tx
from answerable.tracing.storage.tables.ledger import records

_log = logging.getLogger(__name__)

_COLUMNS = (records.c.seq, records.c.body, records.c.leaf)
_FROM = Statement(
    select(*_COLUMNS)
    .where(records.c.seq >= bindparam("start"))
    .order_by(records.c.seq)
    .limit(bindparam("at_most", type_=Integer))
)
_OF_RUN = Statement(
    select(*_COLUMNS)
    .where(records.c.run == bindparam("run"), records.c.seq >= bindparam("start"), records.c.seq < bindparam("end"))
    .order_by(records.c.seq)
)


class Placed(NamedTuple):
    """A record, its place in the ledger, and its leaf hash."""

    seq: int
    record: AnyRecord
    leaf: bytes


def placed_from(tx: Tx, start: int, at_most: int) -> tuple[list[Placed], int]:
    """At most `at_most` records from place `start` on, and the place after the last row that was read."""
    rows = tx.all(_FROM, start=start, at_most=at_most)
    return _read(rows), rows[-1][0] + 1 if rows else start


def placed_of(tx: Tx, run: str, *, start: int = 0, end: int = 2**62) -> list[Placed]:
    """The records of a run with start <= seq < end."""
    return _read(tx.all(_OF_RUN, run=run, start=start, end=end))


def as_placed(entries: Iterable[Entry]) -> list[Placed]:
    """Entries of the ledger, for a look at them before all have their places; digests are left empty."""
    return [Placed(entry.id if entry.seq is None else entry.seq, entry.record, b"") for entry in entries]


def _read(rows: Iterable[Row]) -> list[Placed]:
    read = []
    for seq, body, leaf in rows:
        try:
            read.append(Placed(seq, read_record(body), leaf))
        except ValidationError:
            _log.warning("record %d is not what was written: it has no span; run `answerable ledger verify`", seq)
    return read
