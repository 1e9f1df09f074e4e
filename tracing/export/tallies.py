"""Tallies: numbers that would take a scan to count, changed in the transaction that changes what they count.

Whoever changes several does it in the order of their names, so that two transactions never wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert  # with ON CONFLICT, which SQLite writes in the same way

from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.export import tallies

BYTES: Final = "outbox.bytes"  # of what waits, and of what was rejected and is kept
WAITING: Final = "outbox.spans"
ACCEPTED: Final = "spans.accepted"
DROPPED: Final = "spans.dropped"  # of other libraries: there was no room
REJECTED: Final = "spans.rejected"
STEPS: Final = "steps."  # and the outcome

_new = insert(tallies)
_ADD = Statement(
    _new.on_conflict_do_update(
        index_elements=[tallies.c.name], set_={"value": tallies.c.value + _new.excluded.value}
    ).inline(),
    ["name", "value"],
)
_SET = Statement(
    _new.on_conflict_do_update(index_elements=[tallies.c.name], set_={"value": _new.excluded.value}).inline(),
    ["name", "value"],
)
_ONE = Statement(select(tallies.c.value).where(tallies.c.name == bindparam("name")))
_LOCK = Statement(select(tallies.c.value).where(tallies.c.name == bindparam("name")).with_for_update())
_ALL = Statement(select(tallies.c.name, tallies.c.value))


def add(tx: Tx, changes: Mapping[str, int]) -> None:
    """Add to each tally that is named."""
    tx.many(_ADD, [{"name": name, "value": value} for name, value in sorted(changes.items()) if value])


def replace(tx: Tx, values: Mapping[str, int]) -> None:
    """Set tallies to what was counted; the first of them is to be locked before it is counted."""
    tx.many(_SET, [{"name": name, "value": value} for name, value in sorted(values.items())])


def lock(tx: Tx, name: str) -> None:
    """Wait for every transaction that has changed this tally, and keep others from changing it."""
    tx.one(_LOCK, name=name)


def value(tx: Tx, name: str) -> int:
    """One tally; 0 if nothing was ever counted."""
    row = tx.one(_ONE, name=name)
    return 0 if row is None else int(row[0])


def all_values(tx: Tx) -> dict[str, int]:
    """Every tally that was ever counted."""
    return {str(name): int(counted) for name, counted in tx.all(_ALL)}
