"""The canonical form of a run: everything in which two runs of the same input and run id must be equal.

1. It does not depend on time, on who finished first, on how often something was tried, or on crashes in between. So it
   leaves out times, leases, attempts, salts (with the commitments and digests that contain them) and the receivers'
   origins.
2. A person appears by handle: their opaque id is made at random in each store.
3. Of the ledger it counts the kinds of which an undisturbed run has exactly one record for each fact. Records of what
   may happen again (an attempt that began, a call that was sent anew, a rest) are left out.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from typing import Any, Final

from sqlalchemy import Table, bindparam, select

from answerable.orchestrator.runs import get_run
from answerable.tracing import ids
from answerable.tracing.ledger.records.kept import ERASED
from answerable.tracing.people import all_people
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, grants, requests
from answerable.tracing.storage.tables.ledger import records as ledger
from answerable.tracing.storage.tables.runs import crossings, effects, gathers, messages, scatters, steps

ONCE: Final = (
    "run.started",
    "step.finished",
    "crossed",
    "gather.closed",
    "request.made",
    "decided",
    "request.withdrawn",
    "effect.prepared",
    "effect.withdrawn",
    "run.ended",
)
"""Kinds of record that an undisturbed run and a disturbed one have equally many of."""

_PARTS: Final[tuple[tuple[Table, tuple[str, ...]], ...]] = (
    (messages, ("id", "type", "version", "payload")),
    (steps, ("id", "node", "generation", "state", "scope", "consumed", "error")),
    (crossings, ("id", "edge", "target", "input", "message", "step", "scope")),
    (scatters, ("edge", "step", "size", "scope")),
    (gathers, ("id", "edge", "scatter_edge", "scatter_step", "items")),
    (requests, ("id", "approval", "step", "message", "state", "routed", "edited_from", "edited_by", "body")),
    (decisions, ("id", "request", "outcome", "option", "message", "by", "assurance", "reason")),
    (grants, ("id", "effect", "decision", "state")),
    (
        effects,
        (
            "id",
            "name",
            "receiver",
            "guarantee",
            "step",
            "message",
            "method",
            "path",
            "content_type",
            "body",
            "idempotency_key",
            "state",
        ),
    ),
)
_SELECTS: Final = {
    table.name: Statement(select(*(table.c[name] for name in names)).where(table.c.run == bindparam("run")))
    for table, names in _PARTS
}
_KINDS: Final = Statement(select(ledger.c.kind).where(ledger.c.run == bindparam("run")))
_PERSON: Final = re.compile(rf"{ids.PERSON}_[0-9a-f]{{32}}")
_JSON: Final = frozenset({"scope", "consumed", "items"})


def canonical(tx: Tx, run: str) -> dict[str, Any]:
    """The run `run` in its canonical form, as plain JSON values; lists are sorted. Raises: UnknownId."""
    row = get_run(tx, run)
    people = {person.id: person.handle for person in all_people(tx)}
    parts: dict[str, Any] = {
        table.name: sorted(
            (_canonical_row(table, names, values) for values in tx.all(_SELECTS[table.name], run=run)), key=json.dumps
        )
        for table, names in _PARTS
    }
    kinds = Counter(kind for (kind,) in tx.all(_KINDS, run=run))
    form = {
        "run": row.id,
        "system": row.system,
        "version": row.version,
        "status": row.status,
        "detail": row.detail,
        "started_by": row.started_by,
        "input": row.input,
        "result": row.result,
        **parts,
        "records": {kind: kinds[kind] for kind in ONCE},
    }
    named: dict[str, Any] = _with_handles(form, people)
    return named


def _canonical_row(table: Table, names: tuple[str, ...], values: tuple[Any, ...]) -> dict[str, Any]:
    row = dict(zip(names, values, strict=True))
    if table is requests:
        row["options"] = [
            {
                "name": option["name"],
                "message": option["message"]["id"],
                "calls": [call["effect"] for call in option["calls"]],
            }
            for option in json.loads(bytes(row.pop("body")))["options"]
        ]
    if table is messages:
        row["payload"] = _timeless(row["type"], json.loads(bytes(row["payload"]))) if row["payload"] else ERASED
    if table is effects:
        row["body"] = _text(bytes(row["body"]))
    row |= {name: json.loads(row[name]) for name in _JSON & row.keys()}
    if table is gathers:
        row["items"] = [
            [index, crossing, outcome and {**outcome, "fields": _timeless(outcome["type"], outcome["fields"])}]
            for index, crossing, outcome in row["items"]
        ]
    return row


def _timeless(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """A message's fields without what a clock put into it."""
    return {name: value for name, value in fields.items() if (kind, name) != ("Expired", "waited_seconds")}


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(body).decode()


def _with_handles(value: Any, people: dict[str, str]) -> Any:
    """`value` with each person's id replaced by their handle, wherever it stands."""
    if isinstance(value, dict):
        return {name: _with_handles(each, people) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_handles(each, people) for each in value]
    return _PERSON.sub(lambda found: people.get(found[0], found[0]), value) if isinstance(value, str) else value
