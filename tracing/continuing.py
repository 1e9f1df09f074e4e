"""Going on after a wait: where the spans of a run begin a new trace, which is called a segment.

1. A system may say how long a wait may be within one trace (`segment_after`). A run keeps the limit that it began with.
2. A run waits from when it came to rest, or ended, until somebody decides or settles something, or a worker goes on. If
   that was longer than the limit, there is a record of it, `run.continued`, before the record of what ended the wait.
3. The run's row has its segment, so that a worker knows which trace its calls and its libraries' spans belong to.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.runs import RunContinued
from answerable.tracing.people import stamp
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.runs import runs

_WAITING = Statement(
    select(runs.c.system, runs.c.segment, runs.c.segment_after, runs.c.rested_at).where(runs.c.id == bindparam("run"))
)
_GO_ON = Statement(
    update(runs)
    .where(runs.c.id == bindparam("run"))
    .values(segment=bindparam("new_segment"), rested_at=bindparam("new_rested_at"))
)


def go_on(tx: Tx, run: str, *, at: int, works: bool = False) -> int:
    """Note that something happens to a run at this time (microseconds); the segment that it belongs to.

    `works` says that a worker goes on; otherwise the run goes on waiting, for that. Call it before the record of what
    happens is written.
    """
    row = tx.one(_WAITING, run=run)
    if row is None:
        return 0
    system, segment, segment_after, rested_at = row
    if not segment_after or not rested_at:
        return int(segment)
    if at - rested_at > segment_after:
        segment += 1
        append(
            tx,
            RunContinued(
                **stamp(tx, system, run=run, at=at),
                segment=segment,
                waited=at - rested_at,
                segment_after=segment_after,
            ),
        )
    tx.run(_GO_ON, run=run, new_segment=segment, new_rested_at=0 if works else at)
    return int(segment)
