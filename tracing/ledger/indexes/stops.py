"""Which targets are frozen, by the records of freezes."""

from __future__ import annotations

from typing import Final

from answerable.tracing.ledger.indexes.indexes import Indexes, Plain, Take


def _froze(told: Indexes, record: Plain) -> None:
    told.frozen[record["system"]].add(record["target"])
    told.rows["freezes"][record["freeze"]] = {
        "system": record["system"],
        "target": record["target"],
        "by": record["by"],
        "reason": record["reason"],
        "state": "committed",
        "at": record["at"],
        "in_flight": list(record["in_flight"]),
    }


def _quiesced(told: Indexes, record: Plain) -> None:
    told.rows["freezes"][record["freeze"]]["state"] = "quiesced"


def _thawed(told: Indexes, record: Plain) -> None:
    lifted = told.rows["freezes"][record["freeze"]]
    lifted["state"] = "lifted"
    standing = (row for row in told.rows["freezes"].values() if row["state"] != "lifted")
    told.frozen[lifted["system"]] = {row["target"] for row in standing if row["system"] == lifted["system"]}


TAKEN: Final[dict[str, Take]] = {
    "froze": _froze,
    "freeze.quiesced": _quiesced,
    "thawed": _thawed,
}
