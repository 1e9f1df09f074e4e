"""Tables of spans on their way out."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, Table, Text

from answerable.tracing.storage.tables.store import metadata, serial

# What waits to be sent, and nothing else, so that looking at its beginning finds the oldest. (Stores with schema 1 have
# a table called outbox of another form. What waits there is of use no more: `answerable traces resend` makes it anew.)
outbox = Table(
    "waiting_spans",
    metadata,
    Column("id", serial, Identity(), primary_key=True),
    Column("span", Text, nullable=False),  # trace id and span id, hexadecimal
    Column("run", Text, nullable=False),
    Column("ours", Integer, nullable=False),  # 1: it can be projected again from the ledger
    Column("data", LargeBinary, nullable=False),  # one encoded ResourceSpans
    Column("made_at", BigInteger, nullable=False),
)
Index("waiting_by_run", outbox.c.run)

# What a collector will not take, with its bytes where the ledger does not have them.
rejected_spans = Table(
    "rejected_spans",
    metadata,
    Column("id", serial, Identity(), primary_key=True),
    Column("span", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("ours", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("error", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
Index("rejected_by_run", rejected_spans.c.run)

# The last delivery that ended so (`outcome`: accepted, failed, rejected), and what was said.
deliveries = Table(
    "deliveries",
    metadata,
    Column("outcome", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
)

# Numbers that would take a scan to count, each changed in the transaction that changes what it counts.
tallies = Table(
    "tallies", metadata, Column("name", Text, primary_key=True), Column("value", BigInteger, nullable=False)
)
