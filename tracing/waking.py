"""Waking: the two verbs of every engine, as a column. A run wants to be advanced at `wake_at`, or when somebody wakes
it.

While a worker holds the lease, `wake_at` is the lease's end: if the worker dies, the run wakes by itself. Likewise
where somebody began a run, or has a step run anew: they go on with it at once, and nobody else takes it from them.
Who wakes a run that is held wakes nobody else: its worker sees what happened before it comes to rest.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, or_, select, update

from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import runs

FREE: Final = or_(runs.c.lease_until < bindparam("now"), runs.c.lease_owner == "")
"""That nobody holds a run."""

_WAKE_AT = Statement(update(runs).where(runs.c.id == bindparam("run")).values(wake_at=bindparam("new_wake_at")))
_WAKE_FROZEN = Statement(
    update(runs)
    .where(runs.c.system == bindparam("system"), runs.c.status.in_(["waiting", "frozen"]))
    .values(wake_at=bindparam("new_wake_at"))
)
_DUE = Statement(
    select(runs.c.id)
    .where(
        runs.c.system == bindparam("system"),
        runs.c.version == bindparam("version"),
        runs.c.wake_at <= bindparam("now"),
        FREE,  # else it could only be refused
        runs.c.ended_at.is_(None),
    )
    .order_by(runs.c.wake_at, runs.c.id)
    .limit(bindparam("most"))
)


def wake_at(tx: Tx, run: str, at: int | None) -> None:
    """Have the run advanced at this time (microseconds), or not before somebody wakes it (None)."""
    tx.run(_WAKE_AT, run=run, new_wake_at=at)


def wake_all(tx: Tx, system: str, *, at: int) -> None:
    """Wake the runs of a system that rest: what held them back may be gone."""
    tx.run(_WAKE_FROZEN, system=system, new_wake_at=at)


def due_runs(tx: Tx, system: str, version: str, *, now: int, most: int) -> list[str]:
    """The runs of one app version that want to be advanced and that nobody holds, the longest waiting first."""
    return [str(row[0]) for row in tx.all(_DUE, system=system, version=version, now=now, most=most)]
