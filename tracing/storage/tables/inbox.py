"""Tables of the inbox: what was typed, and what people are told."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text

from answerable.tracing.storage.tables.store import metadata, serial

# What somebody has typed on a page and could not send yet.
drafts = Table(
    "drafts",
    metadata,
    Column("person", Text, primary_key=True),  # person id
    Column("request", Text, primary_key=True),
    Column("form", Text, primary_key=True),  # answer, edit
    Column("said", Text, nullable=False),  # JSON object: the fields by name
    Column("at", BigInteger, nullable=False),
)

# Notices on their way to people, and how each target stands. Their texts name no payload.
notices = Table(
    "notices",
    metadata,
    Column("id", serial, Identity(), primary_key=True),
    Column("target", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("about", Text, nullable=False),  # id of a request or a freeze
    Column("system", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
)
Index("notices_by_target", notices.c.target, notices.c.id)

notified = Table(
    "notified",
    metadata,
    Column("target", Text, primary_key=True),
    Column("delivered", BigInteger, nullable=False),
    Column("delivered_at", BigInteger),
    Column("failures", Integer, nullable=False),  # in a row
    Column("error", Text, nullable=False),  # the last one, without any part of the target's address
    Column("next_at", BigInteger, nullable=False),
)
