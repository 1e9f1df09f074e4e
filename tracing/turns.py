"""Turns: whoever changes what workers rely on waits for those that are at work now, and for nobody after them.

1. A worker's transactions share the system's row; a freeze changes it. PostgreSQL lets others share a row while
   somebody waits to change it: where at any moment some worker is at work, a freeze would wait as long as that lasts.
   Those who wait for an advisory lock are let in as they came.
2. A worker takes its turn in the statement that locks the row, before that: no round trip more. Whoever changes the row
   takes theirs before they lock anything that a worker locks.
3. The row's lock is what is relied on; turns only keep the order. SQLite lets one transaction write at a time anyway.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, literal, select

from answerable.tracing.storage import locks
from answerable.tracing.storage.store import Tx

TURN: Final = select(func.pg_advisory_xact_lock_shared(literal(locks.TURNS)).label("turn")).subquery("turn")
"""A worker's turn, as a row to join with; PostgreSQL only."""


def take_turn(tx: Tx) -> None:
    """Wait until the workers that are at work now are done; until this transaction ends, no other begins."""
    if tx.dialect == "postgresql":
        tx.one(locks.TAKE, lock=locks.TURNS)
