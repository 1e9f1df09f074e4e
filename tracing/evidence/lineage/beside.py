"""What lies beside the records of a run: payloads, what a request showed, the reasons of decisions.

1. An answer rests on records; these make it easier to read. Each is compared with the digest in its record first: what
   is not what was recorded is left out, and named.
2. What was erased is simply not there. A digest in a record does not come back from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import bindparam, select

from answerable.tracing import ids
from answerable.tracing.evidence.lineage.facts import Fact
from answerable.tracing.ledger.records.deciding import Decided, RequestMade
from answerable.tracing.ledger.records.kept import GONE
from answerable.tracing.ledger.records.votes import Voted
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, requests, votes
from answerable.tracing.storage.tables.runs import messages

_MESSAGE = Statement(
    select(messages.c.salt, messages.c.payload).where(
        messages.c.run == bindparam("run"), messages.c.id == bindparam("message")
    )
)
_REQUEST = Statement(select(requests.c.body, requests.c.view).where(requests.c.id == bindparam("request")))
_VOTE = Statement(select(votes.c.reason, votes.c.mac).where(votes.c.id == bindparam("vote")))
_DECISION = Statement(select(decisions.c.reason, decisions.c.mac).where(decisions.c.id == bindparam("decision")))


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a request bound and showed, as JSON: whom it asked, and its options side by side.

    `takes` has the options that ask others than the rest, and whom.
    """

    asked: dict[str, Any]
    takes: dict[str, Any]
    options: list[dict[str, Any]]
    tiers: list[str]


@dataclass(frozen=True, kw_only=True)
class Beside:
    """By id: the payloads of messages (JSON), what requests showed, people's reasons; and what is wrong."""

    payloads: dict[str, Any] = field(default_factory=dict)
    requests: dict[str, Shown] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)  # what is not what was recorded


def read_beside(tx: Tx, run: str, facts: Iterable[Fact]) -> Beside:
    """What lies beside these facts and is what their records say."""
    found = Beside()
    for fact in facts:
        if fact.kind == "message" and fact.ref is not None:
            _payload(tx, run, fact, found)
        elif fact.kind == "request":
            _request(tx, fact, found)
            for vote in fact.all(Voted):
                _reason(tx.one(_VOTE, vote=vote.vote), vote.vote, vote.commitment, found)
        elif fact.kind == "decision":
            for made in fact.all(Decided)[-1:]:
                _reason(tx.one(_DECISION, decision=fact.id), fact.id, made.commitment, found)
    return found


def _payload(tx: Tx, run: str, fact: Fact, found: Beside) -> None:
    row = tx.one(_MESSAGE, run=run, message=fact.id)
    if row is None or not row[1] or fact.ref is None:
        return
    salt, payload = as_bytes(row[0]), as_bytes(row[1])
    if ids.commitment(salt, payload) == fact.ref.commitment:
        found.payloads[fact.id] = json.loads(payload)
    else:
        found.changed.append(fact.id)


def _request(tx: Tx, fact: Fact, found: Beside) -> None:
    asked, row = fact.last(RequestMade), tx.one(_REQUEST, request=fact.id)
    if asked is None or row is None or not row[0]:
        return
    body, view = as_bytes(row[0]), as_bytes(row[1])
    if sha256(body).hexdigest() != asked.digest:
        found.changed.append(fact.id)
        return
    bound = json.loads(body)
    shown = json.loads(view) if sha256(view).hexdigest() == bound.get("view") else {}
    whom = bound.get("asked", {}).get("by")
    found.requests[fact.id] = Shown(
        asked=bound.get("asked", {}),
        takes={one["name"]: one["by"] for one in bound.get("options", []) if one.get("by", whom) != whom},
        options=shown.get("options", []),
        tiers=shown.get("tiers", []),
    )


def _reason(row: tuple[Any, ...] | None, id: str, commitment: str, found: Beside) -> None:
    if row is None or not row[0] or row[0] in GONE:
        return
    try:
        genuine = ids.commitment(bytes.fromhex(row[1]), row[0].encode()) == commitment
    except ValueError:  # its MAC, which is the salt, is none
        genuine = False
    if genuine:
        found.reasons[id] = row[0]
    else:
        found.changed.append(id)


def as_bytes(value: bytes | str) -> bytes:
    """What a column of bytes holds, in which SQLite takes text, too, if somebody writes by hand."""
    return value.encode() if isinstance(value, str) else bytes(value)
