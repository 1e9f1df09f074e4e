"""What lies in an outbox, as delivery takes it."""

from __future__ import annotations

from sqlalchemy import select

from answerable.tracing.export.flow import Flow
from answerable.tracing.export.outbox import Parcel
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.export import outbox

_PARCELS = Statement(
    select(outbox.c.id, outbox.c.span, outbox.c.run, outbox.c.ours, outbox.c.data).order_by(outbox.c.id)
)


def parcels(tx: Tx) -> list[Parcel]:
    """Everything that waits, oldest first."""
    return [Parcel(row[0], row[1], row[2], bool(row[3]), bytes(row[4])) for row in tx.all(_PARCELS)]


async def project_whole(flow: Flow) -> None:
    """Have a flow project all that has its place, as far as the outbox has room."""
    while await flow._advance():
        pass
