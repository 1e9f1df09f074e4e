"""Payloads: what lies beside records, with what it takes to compare it with the digests that stand in them.

1. Of a message: its JSON and its salt. Of a request: what it binds and what it showed. Of a decision: the words that
   were given as its reason, with their salt; of a vote, too. Of a call: what would be, or was, sent.
2. What was erased is not there. Nothing is compared here: whoever is handed it does that.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import bindparam, select

from answerable.tracing.evidence.lineage.beside import as_bytes
from answerable.tracing.ledger.records.deciding import Decided, RequestMade
from answerable.tracing.ledger.records.effects import EffectPrepared
from answerable.tracing.ledger.records.kept import ERASED_TYPE, GONE
from answerable.tracing.ledger.records.record import MessageRef, Record
from answerable.tracing.ledger.records.votes import Voted
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, requests, votes
from answerable.tracing.storage.tables.runs import effects, messages

_MESSAGE = Statement(
    select(messages.c.salt, messages.c.payload).where(
        messages.c.run == bindparam("run"), messages.c.id == bindparam("message")
    )
)
_REQUEST = Statement(select(requests.c.body, requests.c.view).where(requests.c.id == bindparam("request")))
_REASON = Statement(select(decisions.c.mac, decisions.c.reason).where(decisions.c.id == bindparam("decision")))
_VOTE = Statement(select(votes.c.mac, votes.c.reason).where(votes.c.id == bindparam("vote")))
_CALL = Statement(
    select(effects.c.path, effects.c.content_type, effects.c.body).where(effects.c.id == bindparam("effect"))
)


def payloads_of(tx: Tx, records: Iterable[Record]) -> dict[str, dict[str, Any]]:
    """What lies beside these records, by kind and id, as plain JSON values."""
    found: dict[str, dict[str, Any]] = {"messages": {}, "requests": {}, "reasons": {}, "calls": {}}
    for record in records:
        for message in _messages(record):
            row = tx.one(_MESSAGE, run=record.run, message=message.id)
            if row is not None and row[1]:
                found["messages"][message.id] = {"salt": as_bytes(row[0]).hex(), "payload": _text(row[1])}
        match record:
            case RequestMade(request=request):
                row = tx.one(_REQUEST, request=request)
                if row is not None and row[0]:
                    found["requests"][request] = {"bound": _text(row[0]), "shown": _text(row[1]) or None}
            case Decided(decision=id):
                found["reasons"] |= _reason(id, tx.one(_REASON, decision=id))
            case Voted(vote=id):
                found["reasons"] |= _reason(id, tx.one(_VOTE, vote=id))
            case EffectPrepared(effect=effect):
                row = tx.one(_CALL, effect=effect)
                if row is not None and row[1] != ERASED_TYPE:
                    body = base64.b64encode(as_bytes(row[2])).decode()
                    found["calls"][effect] = {"path": row[0], "content_type": row[1], "body": body}
            case _:
                pass
    return found


def _reason(id: str, row: tuple[Any, ...] | None) -> dict[str, dict[str, str]]:
    there = row is not None and row[1] not in {"", *GONE}
    return {id: {"salt": row[0], "reason": row[1]}} if row is not None and there else {}


def _messages(record: Record) -> Iterator[MessageRef]:
    """The messages that a record names with their commitments."""
    for name in type(record).model_fields:
        value = getattr(record, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, MessageRef):
                yield one


def _text(value: bytes | str) -> str:
    """JSON as it is stored. What is no text was not written by us, and fits no digest."""
    return as_bytes(value).decode(errors="replace")
