"""How standing rules stand, by their records."""

from __future__ import annotations

from typing import Final

from answerable.tracing.ledger.indexes.indexes import Indexes, Plain, Take


def _proposed(told: Indexes, record: Plain) -> None:
    if not told.is_new("rules", record["rule"]):
        return
    told.rows["rules"][record["rule"]] = {
        **{name: record[name] for name in ("system", "approval", "name", "version", "digest")},
        "state": "proposed",
        "author": record["by"],
        "approvers": [],
        "not_before": record["not_before"],
        "expires_at": record["expires_at"],
        "proposed_at": record["at"],
    }


def _rule_approved(told: Indexes, record: Plain) -> None:
    told.rows["rules"][record["rule"]] |= {"state": "approved", "approvers": list(record["approvers"])}


def _rule_revoked(told: Indexes, record: Plain) -> None:
    told.rows["rules"][record["rule"]]["state"] = "revoked"


TAKEN: Final[dict[str, Take]] = {
    "rule.proposed": _proposed,
    "rule.approved": _rule_approved,
    "rule.revoked": _rule_revoked,
}
