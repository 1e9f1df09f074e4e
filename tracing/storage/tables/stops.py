"""Tables of what must not be: sent, while it is frozen; erased, while it is held."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from answerable.tracing.storage.tables.store import metadata

freezes = Table(
    "freezes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("system", Text, nullable=False),
    Column("target", Text, nullable=False),  # system, agent:NAME, edge:ID, effect:NAME, source:NODE@PERSON
    Column("by", Text, nullable=False),  # person id; "" for a source that went beyond its quota
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),  # committed, quiesced, lifted
    Column("at", BigInteger, nullable=False),
    Column("in_flight", Text, nullable=False),  # JSON list of [effect, attempt] as it was committed
)

# Legal holds: what must not be erased.
holds = Table(
    "holds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("covers", Text, nullable=False),  # run, system, subject
    Column("of", Text, nullable=False),  # the run, the system, the subject's key
    Column("by", Text, nullable=False),  # person id
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),  # standing, lifted
    Column("at", BigInteger, nullable=False),
    Column("salt", Text, nullable=False, server_default=""),  # of the subject's key in the record
)
