"""Somebody who can write to the database, and has no key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import LargeBinary, Table, bindparam, func, select, update

from answerable.approvals.asking.requests import get_request
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, delegations, grants, requests, reviews, votes
from answerable.tracing.storage.tables.rules import rule_uses, rules

_FORGE_DECISION = inserting(decisions)
_FORGE_GRANT = inserting(grants)
_SET_DECIDED = Statement(update(requests).where(requests.c.id == bindparam("request")).values(state="decided"))
_LENGTHEN = Statement(
    update(grants).where(grants.c.effect == bindparam("effect")).values(expires_at=bindparam("until"))
)
_FORGE_RULE = Statement(
    update(rules).where(rules.c.id == bindparam("rule")).values(state="approved", approvers='["prs_x"]')
)
_CHANGED = (  # one row of each
    (requests, {"stage": requests.c.stage + 1}),
    (decisions, {"broke_glass": 1 - decisions.c.broke_glass}),
    (reviews, {"due_at": reviews.c.due_at + 1}),
    (rules, {"expires_at": rules.c.expires_at + 1}),
    (grants, {"expires_at": grants.c.expires_at + 1}),
    (rule_uses, {"used": rule_uses.c.used + 1}),
    (votes, {"option": "another"}),
    (delegations, {"until": delegations.c.until + 1}),
)
_CHANGES = {
    table.name: Statement(update(table).where(first.in_(select(func.min(first)))).values(values))
    for table, values in _CHANGED
    for first in [next(iter(table.primary_key))]
}


def change_rows(tx: Tx) -> set[str]:
    """Change a row of each of these tables; how a fault in them begins."""
    return {"used" if name == "rule_uses" else name[:-1] for name, change in _CHANGES.items() if tx.run(change)}


def forge_decision(tx: Tx, request: str) -> None:
    """A yes, with its grants, and the request closed as if it had been decided."""
    row = get_request(tx, request)
    option = row.body["options"][0]
    columns = {"id": f"dec_{request}", "run": row.run, "request": request, "outcome": "approved", "by": "prs_x"}
    columns |= {
        "option": "as-proposed",
        "message": option["message"]["id"],
        "assurance": "signed",
        "reason": "",
    }
    tx.run(_FORGE_DECISION, **forged(decisions, {**columns, "digest": row.digest, "at": row.made_at}))
    for call in option["calls"]:
        granted = {"id": f"grt_{call['effect']}", "run": row.run, "effect": call["effect"], "state": "granted"}
        granted |= {"decision": columns["id"], "call_digest": call["digest"], "expires_at": 2**62}
        tx.run(_FORGE_GRANT, **forged(grants, granted))
    tx.run(_SET_DECIDED, request=request)


def lengthen_grant(tx: Tx, effect: str) -> None:
    """More time than was given."""
    tx.run(_LENGTHEN, effect=effect, until=2**62)


def forged(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """A row written by hand, with a MAC that is none, and something in whatever else it has."""
    nothing = {
        column.name: b"" if isinstance(column.type, LargeBinary) else "" if column.type.python_type is str else 0
        for column in table.c
    }
    return {**nothing, "mac": "f" * 64, **values}


def forge_approval(tx: Tx, rule: str) -> None:
    """A rule that nobody approved, or that was revoked, as if it had been approved."""
    tx.run(_FORGE_RULE, rule=rule)
