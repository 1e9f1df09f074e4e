"""How requests, decisions, votes, delegations and grants stand, by their records."""

from __future__ import annotations

import json
from typing import Final

from answerable.tracing import ids
from answerable.tracing.clock import window_of
from answerable.tracing.ledger.indexes.indexes import Indexes, Plain, Take

_YES: Final = ("approved", "exempted", "ruled")


def _asked(told: Indexes, record: Plain) -> None:
    if not told.is_new("requests", record["request"]):
        return
    told.calls[record["request"]] = record["calls"]
    told.escalates[record["request"]] = record.get("escalates_at", [])
    told.rows["requests"][record["request"]] = {
        "run": record["run"],
        "system": record["system"],
        "approval": record["approval"],
        "step": record["step"],
        "message": record["message"]["id"],
        "digest": record["digest"],
        "state": "open",
        "edited_from": record["edited_from"],
        "edited_by": record["edited_by"],
        "capped": record.get("capped", ""),
        "in_place_of": record.get("in_place_of", ""),
        "stage": 0,
        "escalates_at": next(iter(record.get("escalates_at", ())), None),
        "expires_at": record["expires_at"],
    }


def _decided(told: Indexes, record: Plain) -> None:
    outcome, decision, message = record["outcome"], record["decision"], record["message"]
    if not told.is_new("decisions", decision):
        return
    told.rows["decisions"][decision] = {
        "run": record["run"],
        "request": record["request"],
        "outcome": outcome,
        "option": record["option"],
        "message": message["id"] if message else "",
        "by": record["by"],
        "assurance": record["assurance"],
        "digest": record["digest"],
        "at": record["at"],
        "for_person": record.get("for_person", ""),  # older records do not have these
        "delegation": record.get("delegation", ""),
        "voters": list(record.get("voters", ())),
        "signature": _signature(record),
        "code": record.get("code", ""),
        "broke_glass": int(record.get("broke_glass", False)),
        "commitment": record["commitment"],
        "revoked": "",
    }
    if record.get("review"):
        told.rows["reviews"][ids.derive(ids.REVIEW, decision)] = {
            **{column: record[column] for column in ("run", "system", "approval", "decision")},
            "of": record["review"],
            "made_at": record["at"],
            "due_at": record["review_due"],
            "verdict": "",
            "by": "",
            "at": None,
        }
    rule = record["by"].rpartition("@")[0]
    for cap, amount in record.get("spent", {}).items():
        window = window_of(cap.rpartition("/")[2], record["at"])
        told.spent[record["system"], rule, cap, window] += amount
    _state(told, record["request"], "expired" if outcome == "expired" else "decided")
    released = told.calls.get(record["request"], {}).get(record["option"], []) if outcome in _YES else []
    effects = {ids.derive(ids.GRANT, decision, effect): effect for effect in released}
    for grant in record["grants"]:
        row = told.rows["grants"][grant] = {"run": record["run"], "decision": decision}
        effect = effects.get(grant)
        if effect is not None:
            row |= {"effect": effect, "call_digest": told.digests.get(effect, "")}


def _voted(told: Indexes, record: Plain) -> None:
    if not told.is_new("votes", record["vote"]):
        return
    same = ("run", "system", "subject", "number", "answer", "option", "by", "for_person", "delegation")
    rest = ("assurance", "digest", "at", "commitment")
    told.rows["votes"][record["vote"]] = {
        **{column: record[column] for column in (*same, *rest)},
        "signature": _signature(record),
    }


def _revoked(told: Indexes, record: Plain) -> None:
    told.revoked.update(record["revoked"])
    told.rows["decisions"][record["decision"]]["revoked"] = record["cause"]


def _delegated(told: Indexes, record: Plain) -> None:
    same = ("giver", "taker", "system", "approval", "until", "reason", "at")
    told.rows["delegations"][record["delegation"]] = {
        **{column: record[column] for column in same},
        "ended_at": None,
    }


def _delegation_revoked(told: Indexes, record: Plain) -> None:
    told.rows["delegations"][record["delegation"]]["ended_at"] = record["at"]


def _reviewed(told: Indexes, record: Plain) -> None:
    done = {"verdict": record["verdict"], "by": record["by"], "at": record["at"]}
    told.rows["reviews"][record["review"]] |= done


def _escalated(told: Indexes, record: Plain) -> None:
    following = told.escalates[record["request"]][record["stage"] :]
    told.rows["requests"][record["request"]] |= {
        "stage": record["stage"],
        "escalates_at": next(iter(following), None),
    }


def _request_withdrawn(told: Indexes, record: Plain) -> None:
    _state(told, record["request"], "withdrawn")


def _state(told: Indexes, request: str, state: str) -> None:
    row = told.rows["requests"].get(request)
    if row is not None:
        row["state"] = state


def _crossed(told: Indexes, record: Plain) -> None:
    told.cited.update(id for id in record["chain"] if id.startswith(ids.DECISION))


def _signature(record: Plain) -> str:
    """A signature, as rows have it; older records do not have one."""
    signature = record.get("signature")
    return json.dumps(signature, sort_keys=True) if signature else ""


TAKEN: Final[dict[str, Take]] = {
    "request.made": _asked,
    "voted": _voted,
    "delegated": _delegated,
    "delegation.revoked": _delegation_revoked,
    "decided": _decided,
    "request.withdrawn": _request_withdrawn,
    "decision.revoked": _revoked,
    "escalated": _escalated,
    "reviewed": _reviewed,
    "crossed": _crossed,
}
