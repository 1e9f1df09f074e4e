"""Exemptions and rules of deciding as plain JSON values: for `--json`, what is printed, the HTTP API and the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from answerable.approvals.accepting.declared import changes
from answerable.approvals.accepting.exemptions import all_accepted
from answerable.approvals.accepting.standing import Proposed, Standing
from answerable.approvals.node import Approval
from answerable.approvals.sealing.keys import Key
from answerable.orchestrator.graph import Graph
from answerable.tracing.clock import iso
from answerable.tracing.storage.store import Tx


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


def exemption_documents(tx: Tx, key: Key, graphs: Iterable[Graph], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each exemption that these systems declare, and each that was accepted in this store, and they do not declare.

    `by` is who accepted it, by handle; "" where it was not accepted, and so has no force.
    """
    accepted = {(one.system, one.approval, one.label): one.accepted_by for one in all_accepted(tx) if one.genuine(key)}
    declared = {
        (graph.system, node.name, node.exempt.label)
        for graph in graphs
        for node in graph.nodes.values()
        if isinstance(node, Approval) and node.exempt is not None
    }
    return [
        {
            "system": place[0],
            "approval": place[1],
            "exemption": place[2],
            "declared": place in declared,
            "accepted": place in accepted,
            "by": names.get(accepted.get(place, ""), accepted.get(place, "")),
        }
        for place in sorted({*declared, *accepted})
    ]


def _document(rules: Proposed) -> dict[str, Any]:
    return {"digest": rules.digest, "version": rules.version, "at": iso(rules.at), "rules": rules.rules.words()}
