"""The ledger: records, appended in the transaction of what they describe.

1. The stored body is the record; its leaf hash is that of RFC 9162, SHA-256 over a zero byte and the body.
2. Appending takes no lock beyond the transaction's. The order (`seq`) is given behind it, by the sequencer, to
   committed records only, so it has no gaps; records of one transaction keep their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from answerable.tracing.ledger.merkle import leaf_hash
from answerable.tracing.ledger.records.every import AnyRecord, read_record
from answerable.tracing.ledger.records.record import Act, Record
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records

_APPEND = inserting(records, without=("id", "seq"))
_COLUMNS = (records.c.id, records.c.seq, records.c.body)
_OF_RUN = Statement(select(*_COLUMNS).where(records.c.run == bindparam("run")).order_by(records.c.id))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A record and where it stands; `seq` is None until it is sequenced."""

    id: int
    seq: int | None
    record: AnyRecord


def append(tx: Tx, record: Record) -> None:
    """Append one record; that of a person's act says how sure the transaction is of who it is."""
    tx.run(_APPEND, **_row(_assured(tx, record) if tx.assurance else record))


def append_all(tx: Tx, many: Iterable[Record]) -> None:
    """Append records, in order; on PostgreSQL in one round trip."""
    tx.many(_APPEND, [_row(_assured(tx, record) if tx.assurance else record) for record in many])


def _assured(tx: Tx, record: Record) -> Record:
    if not isinstance(record, Act) or record.assurance:
        return record
    return record.model_copy(update={"assurance": tx.assurance})


def _row(record: Record) -> dict[str, Any]:
    body = record.__pydantic_serializer__.to_json(record, exclude_defaults=False)
    return {
        "run": record.run,
        "kind": record.kind,  # type: ignore[attr-defined]  # every concrete record has one
        "at": record.at,
        "body": body,
        "leaf": leaf_hash(body),
    }


def records_of(tx: Tx, run: str) -> list[Entry]:
    """Everything that is recorded of a run, in the order in which it was written."""
    return [Entry(id=row[0], seq=row[1], record=read_record(row[2])) for row in tx.all(_OF_RUN, run=run)]
