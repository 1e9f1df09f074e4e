"""Tables of the ledger: records, their tree, what signs and keeps it, and who reads how far."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, LargeBinary, Table, Text, literal_column

from answerable.tracing.storage.tables.store import metadata, serial

records = Table(
    "records",
    metadata,
    Column("id", serial, Identity(), primary_key=True),
    Column("seq", BigInteger),
    Column("run", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
)
Index("records_by_run", records.c.run, records.c.id)

# Two halves, so that each reads only its own: what waits for its place, however long the ledger is, and what has one.
_placed, _unplaced = records.c.seq.is_not(None), records.c.seq.is_(None)
Index("records_by_seq", records.c.seq, unique=True, sqlite_where=_placed, postgresql_where=_placed)
Index("records_unplaced", records.c.id, sqlite_where=_unplaced, postgresql_where=_unplaced)

# What belongs to no run: people, handovers, freezes, readings.
_of_no_run = records.c.run == literal_column("''")
Index("records_of_no_run", records.c.kind, records.c.id, sqlite_where=_of_no_run, postgresql_where=_of_no_run)

# Complete subtrees of the ledger's tree, every eighth level only: 1/255 row per record.
tree_nodes = Table(
    "tree_nodes",
    metadata,
    Column("level", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
)

# Signed checkpoints: the newest, and of the older ones the newest of each stretch of the ledger.
heads = Table(
    "heads",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# The keys that sign them, in order; the last one is in force.
signing_keys = Table(
    "signing_keys",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),  # the public key, as a line
    Column("note", Text, nullable=False),  # that it took the place of the one before, signed by both; "" for the first
    Column("at", BigInteger, nullable=False),
)

# How far each anchor has come: what of the ledger is kept outside.
anchors = Table(
    "anchors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),  # of the newest checkpoint that it keeps; 0 if none
    Column("receipt", Text, nullable=False),  # where it is kept, or what the anchor says
    Column("at", BigInteger, nullable=False),  # when it was kept
    Column("tries", Integer, nullable=False),  # that failed since
    Column("error", Text, nullable=False),  # of the last one
    Column("tried_at", BigInteger, nullable=False),
)

# Where each reader of the ledger stands (`name`: the sequencer, the projection).
cursors = Table(
    "cursors", metadata, Column("name", Text, primary_key=True), Column("position", BigInteger, nullable=False)
)

# Which record first names an id (of a message, a crossing, a step …), by the first half of it; fed behind the ledger.
named_ids = Table(
    "named_ids",
    metadata,
    Column("key", serial, primary_key=True, autoincrement=False),
    Column("record", BigInteger, nullable=False),
)
