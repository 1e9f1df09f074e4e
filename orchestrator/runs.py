"""Runs as rows: begin, lease, end.

1. A worker works on a run only while it holds the lease. Taking it raises the fencing number, which every transaction
   of a worker checks: one that was thought dead and comes back writes nothing.
2. A lease ends when it is given back, when its time is over, or when its owner is known to be gone.
3. Statuses: running, waiting (for a person), frozen; and the ends done, denied, stuck, failed, cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from sqlalchemy import BigInteger, Integer, Text, bindparam, case, select, tuple_, update

from answerable.agents.texts import check_id
from answerable.errors import RunBusy, UnknownId
from answerable.orchestrator.workers import is_gone
from answerable.tracing.clock import micros
from answerable.tracing.ledger.records.runs import ENDS
from answerable.tracing.storage.statements import Statement, inserting, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import runs
from answerable.tracing.waking import FREE

LEASE_SECONDS: Final = 30.0

_INSERT = inserting(runs)
_GET = Statement(select(*runs.c).where(runs.c.id == bindparam("run")))
_GET_LOCKED = Statement(select(*runs.c).where(runs.c.id == bindparam("run")).with_for_update())
_ALL = Statement(select(*runs.c).order_by(runs.c.started_at, runs.c.id))
_ACQUIRE = Statement(
    update(runs)
    .where(
        runs.c.id == bindparam("run"),
        FREE,
        runs.c.status.not_in(sorted(ENDS)),
    )
    .values(
        status="running",
        lease_owner=bindparam("owner"),
        lease_until=bindparam("until"),
        lease_fence=runs.c.lease_fence + bindparam("one"),
        wake_at=bindparam("until"),
    )
)
_RENEW = Statement(
    update(runs)
    .where(runs.c.id == bindparam("run"), runs.c.lease_fence == bindparam("fence"))
    .values(lease_until=bindparam("until"), wake_at=bindparam("until"))
)
_RELEASE = Statement(
    update(runs)
    .where(runs.c.id == bindparam("run"), runs.c.lease_fence == bindparam("fence"))
    .values(lease_owner="", lease_until=bindparam("until"))
)
_SET_STATUS = Statement(
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(
        status=bindparam("new_status"),
        detail=bindparam("new_detail"),
        result=bindparam("new_result"),
        ended_at=bindparam("new_ended_at"),
        wake_at=bindparam("new_wake_at"),
        rested_at=bindparam("new_rested_at"),
    )
)
_REST = Statement(
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(
        status=bindparam("new_status"),
        wake_at=bindparam("new_wake_at"),
        rested=runs.c.rested + bindparam("one"),
        rested_at=case((runs.c.rested_at == 0, bindparam("now")), else_=runs.c.rested_at),
    )
)
_SET_VERSION = Statement(update(runs).where(runs.c.id == bindparam("run")).values(version=bindparam("new_version")))


@cache
def _page(status: bool, system: bool, before: bool) -> Statement:
    wanted = select(*runs.c).order_by(runs.c.started_at.desc(), runs.c.id.desc())
    wanted = wanted.where(runs.c.status == bindparam("of_status")) if status else wanted
    wanted = wanted.where(runs.c.system == bindparam("of_system")) if system else wanted
    if before:
        last = tuple_(bindparam("before_at", type_=BigInteger), bindparam("before_id", type_=Text))
        wanted = wanted.where(tuple_(runs.c.started_at, runs.c.id) < last)
    return Statement(wanted.limit(bindparam("most", type_=Integer)))


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A stored run. `started_by` is a person's id, `input` and `result` are message ids."""

    id: str
    system: str
    version: str
    status: str
    started_by: str
    input: str
    result: str
    detail: str
    started_at: int
    ended_at: int | None
    rested: int
    lease_owner: str
    lease_fence: int
    lease_until: int
    wake_at: int | None
    segment: int
    segment_after: int
    rested_at: int


def insert_run(
    tx: Tx, *, id: str, system: str, version: str, started_by: str, input: str, at: int, segment_after: int = 0
) -> None:
    """Write a new run; nobody holds its lease yet. Whoever begins it goes on with it, or, after a lease, who serves."""
    tx.run(
        _INSERT,
        id=id,
        system=system,
        version=version,
        status="running",
        started_by=started_by,
        input=input,
        result="",
        detail="",
        started_at=at,
        ended_at=None,
        rested=0,
        lease_owner="",
        lease_fence=0,
        lease_until=0,
        wake_at=at + micros(LEASE_SECONDS),
        segment=0,
        segment_after=segment_after,
        rested_at=0,
    )


def find_run(tx: Tx, id: str, *, lock: bool = False) -> RunRow | None:
    """The run with this id, if there is one; with `lock` nobody else changes it until this transaction ends."""
    row = tx.one(_GET_LOCKED if lock else _GET, run=id)
    return RunRow(**named(runs, row)) if row else None


def get_run(tx: Tx, id: str, *, lock: bool = False) -> RunRow:
    """The run with this id, locked as `find_run` does. Raises: UnknownId; InvalidInput for what is no id."""
    found = find_run(tx, check_id("run", id), lock=lock)
    if found is None:
        raise UnknownId(f"there is no run {id}", hint="`answerable runs list` lists them")
    return found


def all_runs(tx: Tx) -> list[RunRow]:
    """All runs, oldest first."""
    return [RunRow(**named(runs, row)) for row in tx.all(_ALL)]


def page_of_runs(
    tx: Tx, *, status: str = "", system: str = "", before: tuple[int, str] | None = None, most: int
) -> list[RunRow]:
    """Runs, newest first, at most `most`: of one status and system ("" for any), those `before` (started at, id)."""
    at, id = before or (0, "")
    statement = _page(bool(status), bool(system), before is not None)
    found = tx.all(statement, of_status=status, of_system=system, before_at=at, before_id=id, most=most)
    return [RunRow(**named(runs, row)) for row in found]


def acquire_lease(tx: Tx, run: str, *, owner: str, now: int) -> RunRow:
    """Take the lease of a run; the row as it is then, with the new fencing number. One that is over has none to take.

    Raises: RunBusy if another worker holds it; UnknownId.
    """
    wanted = {"run": run, "owner": owner, "now": now, "until": now + micros(LEASE_SECONDS), "one": 1}
    if tx.run(_ACQUIRE, **wanted):
        return get_run(tx, run)
    held = get_run(tx, run)
    if held.status in ENDS:
        return held
    if not held.lease_owner or is_gone(held.lease_owner):  # given back a moment ago, or never
        release_lease(tx, run, fence=held.lease_fence)
        if tx.run(_ACQUIRE, **wanted):
            return get_run(tx, run)
    seconds = max(0.0, (held.lease_until - now) / 1e6)
    raise RunBusy(
        f"{run} is being worked on by {held.lease_owner}",
        hint=f"wait for it; if that worker is gone, its lease ends in {seconds:.0f} s",
    )


def renew_lease(tx: Tx, run: str, *, fence: int, now: int) -> bool:
    """Keep the lease; False if it was lost."""
    return tx.run(_RENEW, run=run, fence=fence, until=now + micros(LEASE_SECONDS)) == 1


def release_lease(tx: Tx, run: str, *, fence: int) -> None:
    """Give the lease back, if it is still held. When the run wakes again was written as it came to rest."""
    tx.run(_RELEASE, run=run, fence=fence, until=0)


def set_status(
    tx: Tx,
    run: str,
    status: str,
    *,
    detail: str = "",
    result: str = "",
    ended_at: int | None = None,
    wake_at: int | None = None,
) -> None:
    """Write how a run ended, or that it goes on (and then, when it is to be advanced)."""
    tx.run(
        _SET_STATUS,
        run=run,
        new_status=status,
        new_detail=detail,
        new_result=result,
        new_ended_at=ended_at,
        new_wake_at=wake_at,
        new_rested_at=ended_at or 0,
    )


def set_resting(tx: Tx, run: str, status: str, *, now: int, wake_at: int | None) -> None:
    """Write that a run came to rest, as waiting or frozen, and when it wakes by itself."""
    tx.run(_REST, run=run, new_status=status, new_wake_at=wake_at, one=1, now=now)


def set_version(tx: Tx, run: str, version: str) -> None:
    """Move a run to another version of its app."""
    tx.run(_SET_VERSION, run=run, new_version=version)
