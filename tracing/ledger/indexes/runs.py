"""How runs stand, by their records, and of which payloads are gone."""

from __future__ import annotations

from typing import Final

from answerable.tracing.ledger.indexes.indexes import Indexes, Plain, Take


def _started(told: Indexes, record: Plain) -> None:
    if not told.is_new("runs", record["run"]):
        return
    told.rows["runs"][record["run"]] = {
        "system": record["system"],
        "version": record["version"],
        "status": "running",
        "started_by": record["started_by"],
        "input": record["message"]["id"],
        "result": "",
        "detail": "",
        "started_at": record["at"],
        "ended_at": None,
        "rested": 0,
        "segment": 0,
        "segment_after": record.get("segment_after", 0),  # records of schema 1 do not have it
    }


def _continued(told: Indexes, record: Plain) -> None:
    told.rows["runs"][record["run"]]["segment"] = record["segment"]


def _rested(told: Indexes, record: Plain) -> None:
    row = told.rows["runs"][record["run"]]
    row["rested"] += 1
    row["status"] = "waiting" if record["requests"] or record["in_doubt"] else "frozen"


def _run_ended(told: Indexes, record: Plain) -> None:
    row = told.rows["runs"][record["run"]]
    result = record["result"]
    row |= {
        "status": record["status"],
        # A person's words are not in the record.
        "detail": None if record["status"] in ("denied", "cancelled") else record["detail"],
        "result": result["id"] if result else "",
        "ended_at": record["at"],
    }


def _reopened(told: Indexes, record: Plain) -> None:
    row = told.rows["runs"][record["run"]]
    if record["version"]:
        row["version"] = record["version"]
    if record["step"]:
        row |= {"status": "running", "detail": "", "result": "", "ended_at": None}


def _payload_erased(told: Indexes, record: Plain) -> None:
    told.erased.update(record["messages"], record["requests"], record["effects"])
    if record["whole"]:
        told.erased.add(record["run"])


TAKEN: Final[dict[str, Take]] = {
    "run.started": _started,
    "run.continued": _continued,
    "run.rested": _rested,
    "run.ended": _run_ended,
    "run.reopened": _reopened,
    "payload.erased": _payload_erased,
}
