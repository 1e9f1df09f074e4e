"""Finding the run of an id: an index of which record first names it.

1. Messages, crossings, steps, gathers, requests, decisions and effects are found here. Their ids are derived from what
   they are, so the first 64 bits of one are its key. Of two ids with the same key the later one is not found by its id
   alone; among a hundred million ids that happens to a pair in one store of four thousand.
2. The index is fed behind the ledger, while nothing new comes, and it is never ahead of it. What it has
   not come to yet is looked through: it makes finding faster, and nothing else depends on it.
3. What is found is read again from the record: an index that somebody changed leads nowhere, not elsewhere.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from sqlalchemy import Integer, bindparam, select
from sqlalchemy.dialects.postgresql import insert  # with ON CONFLICT, which SQLite writes in the same way

from answerable.errors import StoreReadOnly
from answerable.tracing.ledger import cursors
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Row, Store, Tx
from answerable.tracing.storage.tables.ledger import named_ids, records

BATCH: Final = 256  # records
MOST: Final = 6  # ids that begin alike
_DIGITS: Final = 16  # hexadecimal ones of a key
_PREFIXES: Final = "msg|crs|stp|gth|req|dec|eff"
_ID: Final = re.compile(rf"({_PREFIXES})_([0-9a-f]{{0,32}})")


def _names(*fields: str) -> re.Pattern[bytes]:
    """What finds the ids in these fields of a stored body. In a text that somebody wrote, quotes have a backslash."""
    return re.compile(rb'"(?:%s)((?:%s)_[0-9a-f]{32})"' % ("|".join(fields).encode(), _PREFIXES.encode()))


_REF: Final = r'message":\{"id":"'  # a message as a record names it
_KINDS: Final = {
    "run.started": _names(_REF),
    "step.started": _names('step":"'),
    "step.finished": _names('step":"', 'id":"'),
    "crossed": _names('crossing":"', _REF),
    "gather.closed": _names('gather":"'),
    "request.made": _names('request":"', _REF),
    "decided": _names('decision":"'),
    "effect.prepared": _names('effect":"', 'message":"'),
}
"""The kinds of records that name something for the first time, and what finds it in them."""

_COLUMNS: Final = (records.c.id, records.c.seq, records.c.run, records.c.kind, records.c.body)
_PLACED: Final = Statement(
    select(*_COLUMNS)
    .where(records.c.seq >= bindparam("start"))
    .order_by(records.c.seq)
    .limit(bindparam("at_most", type_=Integer))
)
# Each has an index of its own; joined by OR they would have none.
_NOT_TAKEN_IN: Final = Statement(select(*_COLUMNS).where(records.c.seq >= bindparam("start")))
_UNPLACED: Final = Statement(select(*_COLUMNS).where(records.c.seq.is_(None)))
_PUT: Final = Statement(
    insert(named_ids).on_conflict_do_nothing(index_elements=[named_ids.c.key]).inline(), ["key", "record"]
)
_RANGE: Final = Statement(
    select(*_COLUMNS)
    .join_from(named_ids, records, records.c.id == named_ids.c.record)
    .where(named_ids.c.key.between(bindparam("low"), bindparam("high")))
    .limit(1000)
)


class Named(NamedTuple):
    """An id, and the run that it belongs to."""

    id: str
    run: str


def looks_like_id(text: str) -> bool:
    """Whether `text` is an id that this index may know, or the beginning of one."""
    return _ID.fullmatch(text) is not None


def find_ids(tx: Tx, given: str) -> list[Named]:
    """What has this id, or an id that begins so: at most `MOST` of them, sorted."""
    match = _ID.fullmatch(given)
    if match is None or not match[2]:
        return []
    digits = match[2][:_DIGITS]
    rows = tx.all(_RANGE, low=_key(digits.ljust(_DIGITS, "0")), high=_key(digits.ljust(_DIGITS, "f")))
    rows += tx.all(_NOT_TAKEN_IN, start=cursors.position_of(tx, cursors.NAMING))
    rows += tx.all(_UNPLACED)
    found = {Named(id, row[2]) for row in rows for id in _named(row) if id.startswith(given)}
    return sorted(found)[:MOST]


def feed(tx: Tx, *, at_most: int = BATCH) -> int:
    """Take the next placed records into the index, inside a transaction that writes; how many there were.

    0 if there are none, or if another process took them.
    """
    start = cursors.position_of(tx, cursors.NAMING)
    rows = tx.all(_PLACED, start=start, at_most=at_most)
    if not rows or not cursors.advance(tx, cursors.NAMING, start, rows[-1][1] + 1):
        return 0
    keys: dict[int, int] = {}
    for row in rows:
        for id in _named(row):
            keys.setdefault(_key(id[4 : 4 + _DIGITS]), row[0])
    tx.many(_PUT, [{"key": key, "record": record} for key, record in keys.items()])
    return len(rows)


async def catch_up(store: Store) -> None:
    """Take everything that was committed before into the index, if the store can be written."""
    try:
        await sequence_all(store)
        while await store.write(lambda tx: feed(tx, at_most=4 * BATCH)):
            pass
    except StoreReadOnly:
        return


def is_behind(tx: Tx) -> bool:
    """Whether placed records wait to be taken in."""
    return cursors.position_of(tx, cursors.NAMING) < cursors.position_of(tx, cursors.SEQUENCER)


def _key(digits: str) -> int:
    """64 bits as the databases hold them, with a sign; the order is that of the digits."""
    return int(digits, 16) - 2**63


def _named(row: Row) -> list[str]:
    """The ids that a record may be the first to name; none if it is no record."""
    names = _KINDS.get(row[3])
    if names is None or isinstance(row[4], str):  # SQLite holds anything in any column
        return []
    return [id.decode() for id in names.findall(row[4])]
