"""Indexes: what the rows of the tables must say, by the records. Pure.

1. Records are taken in the order in which they were written, as plain JSON objects; of each row of the tables below the
   columns are known that records tell. What records do not tell (payloads, MACs, leases) is not in it.
2. Freezes and handovers are records of no run and reach into runs: a grant is suspended by an offer until it is
   accepted. So the records of no run are taken first.
"""

from __future__ import annotations

from typing import Final

from answerable.tracing.ledger.indexes import approvals, effects, people, rules, runs, stops
from answerable.tracing.ledger.indexes.indexes import Indexes, Plain, Take

_TAKEN: Final[dict[str, Take]] = {
    kind: taking for room in (people, rules, runs, approvals, effects, stops) for kind, taking in room.TAKEN.items()
}

KINDS: Final = tuple(sorted(_TAKEN.keys() - {"step.finished", "crossed"}))
"""The kinds of records that rows are made of; the ends of effects' steps are asked for besides."""


def take(told: Indexes, kind: str, record: Plain) -> None:
    """The next record. Raises: KeyError, TypeError or AttributeError if it is none of its kind."""
    taking = _TAKEN.get(kind)
    if taking is not None:
        taking(told, record)


def finish(told: Indexes) -> None:
    """All records were given: say how effects, grants and systems stand."""
    for effect, row in told.rows["effects"].items():
        effects.settle(told, effect, row)
    consumed = told.rows["consumed"].keys()
    for grant, row in told.rows["grants"].items():
        held = "revoked" if grant in told.revoked else "suspended" if grant in told.suspended else "granted"
        row["state"] = "consumed" if grant in consumed else held
    for table in ("requests", "effects", "decisions", "votes"):
        of_run = table in ("requests", "effects")
        for id, row in told.rows[table].items():
            row["erased"] = id in told.erased or (of_run and row["run"] in told.erased)
            if row["erased"] and table == "effects":
                row["detail"] = None
    for name, row in told.rows["systems"].items():
        row["frozen"] = sorted(told.frozen[name])
