"""The rules of deciding of approvals as plain JSON values: for `--json`, what is printed, the HTTP API and the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from answerable.approvals.accepting.declared import changes
from answerable.approvals.accepting.standing import Proposed, Standing
from answerable.tracing.clock import iso


def approval_document(one: Standing, names: Mapping[str, str]) -> dict[str, Any]:
    """By which rules an approval asks, who accepted them ("" for the first), what is proposed, or was declined."""
    in_force = one.in_force
    return {
        "system": one.system,
        "approval": one.approval,
        "in_force": None if in_force is None else _document(in_force),
        "since": iso(one.since) if in_force else None,
        "by": names.get(one.by, one.by),
        "assurance": one.assurance,
        "proposed": [
            _document(each)
            | {
                "declined": each.declined
                and {
                    "by": names.get(each.declined.by, each.declined.by),
                    "at": iso(each.declined.at),
                    "reason": each.declined.reason,
                },
                "changes": [
                    {"name": name, "was": was, "would_be": would_be}
                    for name, was, would_be in changes(in_force.rules if in_force else None, each.rules)
                ],
            }
            for each in one.proposed.values()
        ],
    }


def _document(rules: Proposed) -> dict[str, Any]:
    return {"digest": rules.digest, "version": rules.version, "at": iso(rules.at), "rules": rules.rules.words()}
