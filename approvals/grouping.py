"""Groups: requests that ask the same, so that one answer may be given to all of them.

1. Two requests ask the same if nothing that is bound or shown differs but ids, keys, commitments, times, and who
   started the run: the same system and approval, messages, options and calls to the byte. Nothing else is grouped.
2. What requests look like is a column, for lists. An answer to a group rests on what they say, which is compared anew.
3. A group is no thing of its own: each request has its own decision, digest and eligibility.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Integer, bindparam, func, select

from answerable.approvals.asking.requests import CallParts, RequestRow, call_digest, get_request
from answerable.approvals.gate import find_effect
from answerable.errors import InvalidInput, StoreCorrupt
from answerable.tracing.canonical import canonical
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import requests

MOST_TOGETHER: Final = 200  # requests that one answer is given to

_OF_ITS_OWN: Final = frozenset({"run", "request", "step", "message", "made_at", "decide_by"})
_ALIKE = (requests.c.state == "open", requests.c.alike == bindparam("alike"))
_COUNT = Statement(select(func.count()).select_from(requests).where(*_ALIKE))
_MEMBERS = Statement(
    select(requests.c.id, requests.c.digest)
    .where(*_ALIKE)
    .order_by(requests.c.urgency, requests.c.expires_at, requests.c.id)
    .limit(bindparam("most", type_=Integer))
)


def likeness(body: Mapping[str, Any], calls: Iterable[Sequence[CallParts]]) -> str:
    """What a request asks but for what is its own, as a digest; `calls` are those of each option, in their order."""
    asked = {name: value for name, value in body["asked"].items() if name != "started_by"}
    options = [
        {
            **{name: value for name, value in option.items() if name not in ("message", "calls")},
            "type": option["message"]["type"],
            "calls": [_to_the_byte(call) for call in released],
        }
        for option, released in zip(body["options"], calls, strict=True)
    ]
    rest = {name: value for name, value in body.items() if name not in _OF_ITS_OWN}
    escalates = [one["by"] for one in body.get("escalations", ())]  # to whom, and not when
    return sha256(canonical({**rest, "asked": asked, "options": options, "escalations": escalates})).hexdigest()


def _to_the_byte(call: CallParts) -> list[str]:
    parts = [call.name, call.receiver, call.guarantee, call.origin, call.method, call.path, call.content_type]
    return [*parts, sha256(bytes(call.body)).hexdigest()]


def count_alike(tx: Tx, alike: str) -> int:
    """How many open requests look like this."""
    row = tx.one(_COUNT, alike=alike) if alike else None
    return int(row[0]) if row else 1


def members(tx: Tx, alike: str, *, most: int = MOST_TOGETHER) -> list[tuple[str, str]]:
    """Id and digest of open requests that look like this: the most critical tier first, then the soonest deadline."""
    return [(str(id), str(digest)) for id, digest in tx.all(_MEMBERS, alike=alike, most=most)] if alike else []


def in_order(tx: Tx, ids: Sequence[str]) -> list[str]:
    """The ids of requests that ask the same, in the order in which they are answered.

    Raises: InvalidInput if they do not ask the same, or are too many; UnknownId, StoreCorrupt.
    """
    if not 1 <= len(ids) <= MOST_TOGETHER or len(set(ids)) != len(ids):
        raise InvalidInput(
            f"{len(ids)} requests cannot be answered together", hint=f"name each once, and at most {MOST_TOGETHER}"
        )
    rows = [get_request(tx, id) for id in ids]
    first, *others = [_looks(tx, row) for row in rows]
    different = next((row.id for row, looks in zip(rows[1:], others, strict=True) if looks != first), "")
    if different:
        raise InvalidInput(
            f"request {different} does not ask the same as {rows[0].id}", hint="answer each of them by itself"
        )
    return [row.id for row in sorted(rows, key=lambda row: (row.urgency, row.expires_at, row.id))]


def _looks(tx: Tx, row: RequestRow) -> str:
    calls = []
    for option in row.body["options"]:
        found = [(call, find_effect(tx, call["effect"])) for call in option["calls"]]
        if any(effect is None or call_digest(effect) != call["digest"] for call, effect in found):
            raise StoreCorrupt(
                f"a call of request {row.id} is not the one that it asks about",
                hint="do not decide it; `answerable ledger verify` tells what was changed",
            )
        calls.append([effect for _, effect in found if effect is not None])
    return likeness(row.body, calls)
