"""Tables of runs: what was said, what was done with it, what leaves; and LangGraph's checkpoints."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from answerable.tracing.storage.tables.store import metadata

# What a message is about, for types that declare it: a shipment's number. It lies beside the ledger, as payloads do.
subjects = Table(
    "subjects",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("message", Text, primary_key=True),
    sqlite_with_rowid=False,
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("system", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_by", Text, nullable=False),  # person id
    Column("input", Text, nullable=False),  # message id
    Column("result", Text, nullable=False),  # message id, or ""
    Column("detail", Text, nullable=False),  # why it ended as it did, or ""
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("rested", Integer, nullable=False),  # how often it came to rest
    Column("lease_owner", Text, nullable=False),
    Column("lease_fence", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("wake_at", BigInteger),  # when an engine is to advance it; null: when somebody wakes it
    Column("segment", Integer, nullable=False, server_default="0"),  # which of its traces it is in
    Column("segment_after", BigInteger, nullable=False, server_default="0"),  # microseconds; 0: it has one trace
    Column("rested_at", BigInteger, nullable=False, server_default="0"),  # since when it waits; 0: it does not
)
Index("runs_to_wake", runs.c.wake_at)
Index("runs_by_status", runs.c.status, runs.c.started_at)

messages = Table(
    "messages",
    metadata,
    Column("run", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("commitment", Text, nullable=False),
    sqlite_with_rowid=False,
)

steps = Table(
    "steps",
    metadata,
    Column("run", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("state", Text, nullable=False),  # running, done, failed, superseded
    Column("scope", Text, nullable=False),  # JSON list of frames
    Column("consumed", Text, nullable=False),  # JSON object: input → crossing or gather id
    Column("error", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

crossings = Table(
    "crossings",
    metadata,
    Column("run", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("edge", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("input", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("step", Text, nullable=False),  # the step that made it
    Column("scope", Text, nullable=False),  # JSON list of frames
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# A scatter is written when it is made; a row of it for each gathering edge is written when that gather closes.
scatters = Table(
    "scatters",
    metadata,
    Column("run", Text, primary_key=True),
    Column("edge", Text, primary_key=True),
    Column("step", Text, primary_key=True),  # "" for START, in every run
    Column("size", Integer, nullable=False),
    Column("scope", Text, nullable=False),  # JSON list of frames: the scope around the scatter
)

gathers = Table(
    "gathers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("edge", Text, nullable=False),  # the gathering edge
    Column("scatter_edge", Text, nullable=False),
    Column("scatter_step", Text, nullable=False),
    Column("items", Text, nullable=False),  # JSON list of [index, crossing or "", outcome or null]
    Column("at", BigInteger, nullable=False),
)
Index("gathers_by_run", gathers.c.run)

EFFECT_STATES: Final = ("prepared", "sent", "done", "failed", "in-doubt", "withdrawn")

effects = Table(
    "effects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("guarantee", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("call_digest", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("state", Text, nullable=False),  # one of EFFECT_STATES
    Column("attempt", Integer, nullable=False),
    Column("sent_at", BigInteger),
    Column("detail", Text, nullable=False),
)
Index("effects_by_run", effects.c.run)
Index("effects_by_state", effects.c.state)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("thread", Text, primary_key=True),
    Column("namespace", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("parent", Text, nullable=False),
    Column("checkpoint", LargeBinary, nullable=False),
    Column("metadata", LargeBinary, nullable=False),
)

checkpoint_writes = Table(
    "checkpoint_writes",
    metadata,
    Column("thread", Text, primary_key=True),
    Column("namespace", Text, primary_key=True),
    Column("checkpoint", Text, primary_key=True),
    Column("task", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("path", Text, nullable=False),
)
