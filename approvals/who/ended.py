"""Credentials whose rows are not what this system made of them.

1. A MAC says that a row was made here, and not that it was not ended since: that, records say.
2. A token or a binding without its record, or a record without its row, is a fault too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from sqlalchemy import select

from answerable.approvals.sealing.keys import Key
from answerable.approvals.who.credentials import Credential, all_credentials
from answerable.approvals.who.endings import ENDED
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records

_MADE: Final = {"token.made": "token", "identity.bound": "binding"}
_RECORDS = Statement(
    select(records.c.kind, records.c.body)
    .where(records.c.run == "", records.c.kind.in_([*_MADE, *ENDED]))
    .order_by(records.c.id)
)


def wrong_credentials(tx: Tx, key: Key) -> Iterator[tuple[str, str]]:
    """The id of each credential that is not as it was recorded, or was not made here, and what is wrong with it."""
    made, ended = _told(tx)
    stored = {one.id: one for one in all_credentials(tx)}
    for id, one in stored.items():
        if not one.genuine(key):
            yield id, "its MAC is wrong: it was not made by this system, or was changed"
        elif one.kind in _MADE.values() and id not in made:
            yield id, "has a row and no record"
        elif is_revived(one, ended):
            yield id, "was ended, as a record says, and its row does not say so"
    for id in sorted(made - stored.keys()):
        yield id, "has a record and no row"


def revived(tx: Tx) -> list[str]:
    """The ids of credentials that were ended, as records say, and whose rows do not say so."""
    _, ended = _told(tx)
    return [one.id for one in all_credentials(tx) if is_revived(one, ended)]


def is_revived(one: Credential, ended: set[str]) -> bool:
    """Whether it stands by its row alone; `ended` has ids of credentials and of persons who were erased."""
    return one.ended_at is None and not ended.isdisjoint((one.id, one.person))


def _told(tx: Tx) -> tuple[set[str], set[str]]:
    made: set[str] = set()
    ended: set[str] = set()
    for kind, body in tx.all(_RECORDS):
        record = json.loads(bytes(body))
        if kind in _MADE:
            made.add(record[_MADE[kind]])
        else:
            ended.add(record[ENDED[kind]])
    return made, ended
