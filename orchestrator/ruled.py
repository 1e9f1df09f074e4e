"""Standing rules as plain JSON values: for `--json`, for what is printed, for the HTTP API and the pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from answerable.approvals.rules.backing import lacking, put_back
from answerable.approvals.rules.caps import used
from answerable.approvals.rules.cedar import shown
from answerable.approvals.rules.checking import Tried, doubts, try_cases
from answerable.approvals.rules.contexts import Place
from answerable.approvals.rules.file import RuleFile
from answerable.approvals.rules.life import so_far
from answerable.approvals.rules.replaying import EVERY, Replayed, replay
from answerable.approvals.rules.rows import RuleRow, all_rules
from answerable.approvals.sealing.keys import Key
from answerable.orchestrator.documents import handles
from answerable.tracing.canonical import canonical
from answerable.tracing.clock import iso
from answerable.tracing.storage.store import Tx

REPLAYED: Final = 1000  # of the newest requests, while somebody waits for a page


def rule_lines(tx: Tx, key: Key, *, at: int) -> list[dict[str, Any]]:
    """Every version of every rule, each in a line. Raises: StoreCorrupt."""
    found, names = all_rules(tx), handles(tx)
    lacks, gone = lacking(tx, key, found), put_back(tx, key, found)
    return [
        rule_line(one, names, lacks=lacks.get(one.head.id, ""), gone=one.head.id in gone, at=at)
        | _so_far(tx, key, one, names, at=at)
        for one in found
    ]


def rule_line(rule: RuleRow, names: Mapping[str, str], *, lacks: str, gone: bool, at: int) -> dict[str, Any]:
    """A rule in a line of a list. `state` is proposed, waiting, active, suspended, expired or revoked.

    `lacks` is, of an approved one, who is missing behind it now, in words; then it is suspended. `gone` is one that was
    revoked, as a record says, though its row does not.
    """
    head = rule.head
    state = "revoked" if gone else head.stands(at=at)
    suspended = bool(lacks) and state in ("waiting", "active")
    return {
        "id": head.id,
        "rule": head.label,
        "name": head.name,
        "version": head.version,
        "system": head.system,
        "approval": head.approval,
        "state": "suspended" if suspended else state,
        "lacks": lacks if suspended else "",
        "purpose": rule.body["purpose"],
        "author": names.get(head.author, head.author),
        "approvers": [names.get(id, id) for id in json.loads(head.approvers)],
        "not_before": iso(head.not_before) if head.not_before else None,
        "expires_at": iso(head.expires_at),
        "digest": head.digest,
    }


def _so_far(tx: Tx, key: Key, rule: RuleRow, names: Mapping[str, str], *, at: int) -> dict[str, Any]:
    votes, missing = so_far(tx, key, rule, at=at)
    return {"approved_so_far": [names.get(id, id) for id in votes], "missing": missing}


def rule_document(tx: Tx, key: Key, row: RuleRow, names: Mapping[str, str], *, at: int) -> dict[str, Any]:
    """A rule with all that it says, who approved it so far, and what its caps are used for in this hour or day."""
    said, head = row.body, row.head
    lacks = lacking(tx, key, [row]).get(head.id, "")
    spent = used(tx, head.system, head.name, row.caps, at=at)
    caps = [
        {"of": of, "most": most, "per": per, "used": so_far}
        for (of, most, per), so_far in zip(row.caps, spent, strict=True)
    ]
    return {
        **rule_line(row, names, lacks=lacks, gone=bool(put_back(tx, key, [row])), at=at),
        **_so_far(tx, key, row, names, at=at),
        "option": said["option"],
        "effects": said["effects"],
        "caps": caps,
        "policy": said["policy"],
        "sees": shown(said["schema"]),
        "tests": said["tests"],
        "doubts": _doubts(row, at=at),
    }


def replay_stored(tx: Tx, row: RuleRow, *, newest: int = EVERY) -> Replayed:
    """What a stored rule would have done with what was asked."""
    return replay(tx, row.body, canonical(row.body["schema"]).decode(), newest=newest)


def replay_document(found: Replayed) -> dict[str, Any]:
    """A replay, with its sentence."""
    return {**vars(found), "denied": list(found.denied), "otherwise": list(found.otherwise), "said": str(found)}


def tried_stored(row: RuleRow) -> list[Tried]:
    """What a stored rule does with its own cases."""
    return try_cases(*_read(row))


def _doubts(row: RuleRow, *, at: int) -> list[str]:
    """What whoever is to approve a proposed rule should know of it; nothing of another one."""
    if row.head.state != "proposed":
        return []
    rule, place = _read(row)
    found = doubts(rule, place)
    if at >= row.head.expires_at:
        found.append("it would have expired, so nobody can approve it: a new version can say a later time")
    wrong = [one.case.name for one in try_cases(rule, place) if not one.as_said]
    return found + [f"it does not do what its own case says: {name}" for name in wrong]


def _read(row: RuleRow) -> tuple[RuleFile, Place]:
    """A stored rule as its file said it, and where it decides, as that was when it was proposed."""
    said, head = row.body, row.head
    fields = {name: said[name] for name in RuleFile.model_fields if name not in ("not_before", "expires")}
    effects = said["schema"][""]["actions"]["decide"]["appliesTo"]["context"]["attributes"]["calls"]["attributes"]
    where = {"system": head.system, "approval": head.approval, "schema": said["schema"], "asked": said["asked"]}
    return RuleFile.model_validate(fields), Place(effects=tuple(effects), **where)


def tried_document(one: Tried) -> dict[str, Any]:
    """What a rule did with one of its cases."""
    return {
        "name": one.case.name,
        "says": "decides" if one.case.decides else "asks",
        "does": "decides" if one.decides else "asks",
        "as_said": one.as_said,
        "why": one.why,
        "context": one.case.context,
    }
