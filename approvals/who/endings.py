"""Endings: what records say has ended, whatever its row says.

1. A MAC says that a row was made here, and not that it was not ended since: a row that somebody put back as it was
   before has a right one. So whoever is let in by a credential, or acts by a delegation, and a rule before it decides,
   is looked up among those that records tell of as ended.
2. A process reads each such record once, and looks for newer ones each time: an index has them by their kind. Records
   of transactions that began before others ended may come late, so it looks some way back.
3. No seal is asked for: an ending gives nobody anything, and a record of one that somebody wrote or changed by hand
   would otherwise be one more way to put back what had ended. `ledger verify` finds it.
"""

from __future__ import annotations

import json
from collections.abc import Set
from dataclasses import dataclass, field
from threading import Lock
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import bindparam, select

from answerable.approvals.sealing.keys import Key
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records

ENDED: Final = {
    "token.revoked": "token",
    "identity.unbound": "binding",
    "person.erased": "person",
    "delegation.revoked": "delegation",
    "rule.revoked": "rule",
}
"""The kinds of records that end something, and the field that says what."""
LATE: Final = 1_000  # records: so far behind the newest one that was read, others may come still, but on SQLite

_IDS = Statement(
    select(records.c.id).where(records.c.run == "", records.c.kind.in_(list(ENDED)), records.c.id > bindparam("after"))
)
_SINCE = Statement(
    select(records.c.id, records.c.kind, records.c.body).where(
        records.c.run == "", records.c.kind.in_(list(ENDED)), records.c.id >= bindparam("first")
    )
)


@dataclass
class _Told:
    ended: set[str] = field(default_factory=set)
    newest: int = 0
    late: set[int] = field(default_factory=set)  # the records that were read, of those that are looked for again


_LOCK: Final = Lock()
_TOLD: Final[WeakKeyDictionary[Key, _Told]] = WeakKeyDictionary()  # a key is that of one store


def ended(tx: Tx, key: Key) -> Set[str]:
    """The ids of tokens, bindings, delegations, rules and persons that have ended, as records say."""
    told = _TOLD.setdefault(key, _Told())
    after = told.newest if tx.dialect == "sqlite" else told.newest - LATE
    new = {id for (id,) in tx.all(_IDS, after=after)} - told.late
    if new:
        read = [(id, json.loads(bytes(body))[ENDED[kind]]) for id, kind, body in tx.all(_SINCE, first=min(new))]
        with _LOCK:  # transactions run in threads
            told.ended.update(what for _, what in read)
            told.newest = max(told.newest, *new)
            told.late = {id for id in (*told.late, *(id for id, _ in read)) if id > told.newest - LATE}
    return told.ended
