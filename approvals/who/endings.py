"""Endings: what records say has ended, whatever its row says.

1. A MAC says that a row was made here, and not that it was not ended since: a row that somebody put back as it was
   before has a right one. So whoever is let in by a credential, or acts by a delegation, is looked up among those that
   records tell of as ended.
2. A process reads each such record once, and looks for newer ones each time: an index has them by their kind. Records
   of transactions that began before others ended may come late, so some are read again.
"""

from __future__ import annotations

import json
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import bindparam, select

from answerable.approvals.sealing.keys import Key
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables import records

ENDED: Final = {
    "token.revoked": "token",
    "identity.unbound": "binding",
    "person.erased": "person",
    "delegation.revoked": "delegation",
}
"""The kinds of records that end something, and the field that says what."""
LATE: Final = 10_000  # records: so far behind the newest one that was read, others may come still

_SINCE = Statement(
    select(records.c.id, records.c.kind, records.c.body).where(
        records.c.run == "", records.c.kind.in_(list(ENDED)), records.c.id > bindparam("after")
    )
)


@dataclass
class _Told:
    ended: set[str] = field(default_factory=set)
    newest: int = 0


_TOLD: Final[WeakKeyDictionary[Key, _Told]] = WeakKeyDictionary()  # a key is that of one store


def ended(tx: Tx, key: Key) -> Set[str]:
    """The ids of tokens, bindings, delegations and persons that have ended, as records say."""
    told = _TOLD.setdefault(key, _Told())
    for id, kind, body in tx.all(_SINCE, after=told.newest - LATE):
        told.ended.add(json.loads(bytes(body))[ENDED[kind]])
        told.newest = max(told.newest, id)
    return told.ended
