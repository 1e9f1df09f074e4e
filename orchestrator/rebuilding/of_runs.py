"""The rows of runs, made anew from their records."""

from __future__ import annotations

from collections import Counter
from typing import Final

from pydantic import ValidationError

from answerable.approvals.deciding.reviewing import remade
from answerable.approvals.gate import doubt, find_effect
from answerable.orchestrator.rebuilding.decided import remake_decision, remake_grant, remake_review, remake_votes
from answerable.orchestrator.rebuilding.rows import Rows
from answerable.tracing import ids
from answerable.tracing.ledger import agreement
from answerable.tracing.ledger.agreement import OF_RUNS, Span, differing
from answerable.tracing.ledger.indexes.indexes import Columns, Indexes, Use
from answerable.tracing.ledger.indexes.taking import KINDS
from answerable.tracing.ledger.records.afterwards import Reviewed
from answerable.tracing.ledger.records.deciding import PASSED, Decided
from answerable.tracing.ledger.records.every import AnyRecord, read_record
from answerable.tracing.ledger.records.runs import ENDS
from answerable.tracing.storage.statements import inserting
from answerable.tracing.storage.tables.approvals import requests
from answerable.tracing.storage.tables.runs import effects, runs

AHEAD: Final = "its row said that it was sent, and no record says so"


def remake_run_rows(rows: Rows, span: Span, of_store: Indexes) -> Counter[Use]:
    """Make the rows of a span of runs say what its records say; what rules used of their caps there."""
    told = agreement.indexes_of(rows.tx, span, of_store, routed=True)
    stored = {table.name: dict(span.rows(rows.tx, table)) for table in OF_RUNS}
    for table in OF_RUNS:
        rows.drop(table, stored[table.name], told.rows[table.name])
    for id, row in told.rows["runs"].items():
        _run(rows, id, stored["runs"].get(id), row)
    for id, row in told.rows["requests"].items():
        _request(rows, id, stored["requests"].get(id), row, told)
    found = _sealed(rows, span)
    records: dict[str, Decided] = {}
    for record in (one for one in found if isinstance(one, Decided)):
        records.setdefault(record.decision, record)
    remake_votes(rows, stored["votes"], told, found)
    for id, row in told.rows["decisions"].items():
        remake_decision(rows, id, stored["decisions"].get(id), row, records[id])
    done = {one.review: one for one in found if isinstance(one, Reviewed)}
    for id, row in told.rows["reviews"].items():
        remake_review(
            rows, id, stored["reviews"].get(id), remade(rows.key, id, row, records[row["decision"]], done.get(id))
        )
    for id, row in told.rows["grants"].items():
        remake_grant(rows, id, stored["grants"].get(id), row, records[row["decision"]])
    for id, row in told.rows["effects"].items():
        _effect(rows, id, stored["effects"].get(id), row)
    return told.spent


def _sealed(rows: Rows, span: Span) -> list[AnyRecord]:
    """The records of votes, decisions and reviews."""
    found = []
    for kind, body in span.records(rows.tx, KINDS):
        if kind in ("voted", "decided", "reviewed"):
            try:
                found.append(read_record(bytes(body)))
            except ValidationError:
                continue
    return found


def _run(rows: Rows, id: str, stored: Columns | None, told: Columns) -> None:
    if stored is None:
        known = told | {"detail": told["detail"] or ""}
        # A worker that had a lease and comes back has a smaller number than the time in microseconds.
        lease = {"lease_owner": "", "lease_fence": rows.at, "lease_until": 0}
        wakes = None if told["status"] in ENDS else rows.at
        # Since when it waits is not in a record of its own: it counts from now.
        rested_at = 0 if told["status"] == "running" else rows.at
        rows.tx.run(inserting(runs), id=id, **known, **lease, wake_at=wakes, rested_at=rested_at)
        rows.made.append(f"run {id}")
    elif wrong := differing("runs", stored, told):
        over = told["status"] in ENDS
        rows.change(runs, id, {name: told[name] for name in wrong} | {"wake_at": None if over else rows.at})


def _request(rows: Rows, id: str, stored: Columns | None, told: Columns, indexes: Indexes) -> None:
    if stored is None:
        rows.not_made.append(f"request {id}")
        return
    values = {name: told[name] for name in differing("requests", stored, told) if name != "erased"}
    routed = _routed(id, told, indexes)
    if routed is not None and stored["routed"] != routed:
        values["routed"] = routed
    if values:
        rows.change(requests, id, values)


def _routed(id: str, told: Columns, indexes: Indexes) -> int | None:
    """Whether a request was routed onward; None where no record tells."""
    if told["state"] not in ("decided", "expired"):
        return 0 if told["state"] == "open" else None
    decision = ids.derive(ids.DECISION, id)
    made = indexes.rows["decisions"].get(decision, {})
    passed = made.get("outcome") in PASSED or made.get("revoked")
    over = indexes.rows["runs"].get(told["run"], {}).get("status") in ENDS - {"cancelled"}
    return 1 if decision in indexes.cited or passed or over else None


def _effect(rows: Rows, id: str, stored: Columns | None, told: Columns) -> None:
    if stored is None:
        rows.not_made.append(f"effect {id}")
        return
    wrong = differing("effects", stored, told)
    values = {name: told[name] for name in wrong if name not in ("path_digest", "erased")}
    if values:
        rows.change(effects, id, values)
    if stored["attempt"] > told["attempt"]:
        row = find_effect(rows.tx, id)
        assert row is not None, id
        doubt(rows.tx, row, AHEAD, by=rows.person, now=rows.at)
