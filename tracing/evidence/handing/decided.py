"""Decisions of a period as a table: from the records, each with its place and digest in the ledger.

1. A row is a record, not what the table of decisions says. Persons are ids; handles and names are added by a switch.
2. A cell that a spreadsheet would take for a formula begins with an apostrophe. Source: OWASP, CSV Injection.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError
from sqlalchemy import bindparam, select

from answerable.tracing.ledger.records.afterwards import DecisionRevoked
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.every import read_record
from answerable.tracing.people import all_people
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records

COLUMNS: Final = (
    "record", "digest", "decided_at", "asked_at", "system", "run", "approval", "request", "decision", "outcome",
    "option", "how", "by", "for_person", "voters", "assurance", "responsible", "request_digest",
    "calls_released", "calls_withdrawn", "revoked",
)  # fmt: skip
NAMES: Final = ("by_handle", "by_name", "responsible_handle", "responsible_name")

_DECIDED = Statement(
    select(records.c.seq, records.c.leaf, records.c.body)
    .where(
        records.c.kind == "decided",
        records.c.at >= bindparam("start"),
        records.c.at < bindparam("end"),
    )
    .order_by(records.c.id)
)
_REVOKED = Statement(select(records.c.body).where(records.c.kind == "decision.revoked").order_by(records.c.id))
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_HOW: Final = {"expired": "by the passing of time", "exempted": "by an exemption", "ruled": "by a standing rule"}


def decisions_between(tx: Tx, start: int, end: int, *, system: str = "", names: bool = False) -> list[dict[str, str]]:
    """The decisions that were recorded at start <= time < end (microseconds), by column; of one system, or of all."""
    revoked = _revoked(tx)
    known = {one.id: one for one in all_people(tx)} if names else {}
    rows = []
    for seq, leaf, body in tx.all(_DECIDED, start=start, end=end):
        try:
            record = read_record(bytes(body))
        except ValidationError:  # `answerable ledger verify` says so
            continue
        if not isinstance(record, Decided) or (system and record.system != system):
            continue
        row = _row(record) | {"record": "" if seq is None else str(seq), "digest": bytes(leaf).hex()}
        row["revoked"] = revoked.get(record.decision, "")
        if names:
            for column, person in (("by", known.get(record.by)), ("responsible", known.get(record.responsible))):
                row |= {
                    f"{column}_handle": person.handle if person else "",
                    f"{column}_name": person.name if person else "",
                }
        rows.append(row)
    return rows


def _revoked(tx: Tx) -> dict[str, str]:
    """Why decisions were revoked, by their ids."""
    found: dict[str, str] = {}
    for (body,) in tx.all(_REVOKED):
        with suppress(ValidationError):
            record = read_record(bytes(body))
            if isinstance(record, DecisionRevoked):
                found[record.decision] = record.cause
    return found


def as_csv(rows: Iterable[Mapping[str, str]], *, names: bool = False) -> str:
    """The rows as CSV with a head (RFC 4180), each cell quoted and safe for a spreadsheet."""
    columns = (*COLUMNS, *NAMES) if names else COLUMNS
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    writer.writerows([_safe(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def _row(record: Decided) -> dict[str, str]:
    return {
        "decided_at": _iso(record.at),
        "asked_at": _iso(record.asked_at),
        "system": record.system,
        "run": record.run,
        "approval": record.approval,
        "request": record.request,
        "decision": record.decision,
        "outcome": record.outcome,
        "option": record.option,
        "how": "by breaking the glass" if record.broke_glass else _HOW.get(record.outcome, "by a person"),
        "by": record.by,
        "for_person": record.for_person,
        "voters": " ".join(record.voters),
        "assurance": record.assurance,
        "responsible": record.responsible,
        "request_digest": record.digest,
        "calls_released": str(len(record.grants)),
        "calls_withdrawn": str(len(record.withdrawn)),
    }


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="microseconds")
