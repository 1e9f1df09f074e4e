"""Tables of people, of the systems that they answer for, and of what shows who they are."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from answerable.tracing.storage.tables.store import metadata

people = Table(
    "people",
    metadata,
    Column("id", Text, primary_key=True),
    Column("handle", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("contact", Text, nullable=False),
    Column("roles", Text, nullable=False),  # JSON list of names
    Column("teams", Text, nullable=False),  # JSON list of handles
)

systems = Table(
    "systems",
    metadata,
    Column("name", Text, primary_key=True),
    Column("responsible", Text, nullable=False),  # person id of the RI in force
    Column("successor", Text, nullable=False),  # person id that was offered the system, or ""
    Column("frozen", Text, nullable=False),  # JSON list of the frozen targets, read by every step and send
    Column("rules", BigInteger, nullable=False, server_default="0"),  # another number whenever its rules change
)

# What a person shows instead of saying who they are: tokens, the sessions and one-time links of the pages, and which
# login at an OpenID provider is whose.
credentials = Table(
    "credentials",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # token, link, session, binding
    Column("person", Text, nullable=False),  # person id
    Column("digest", Text, nullable=False, unique=True),  # SHA-256 of the secret
    Column("assurance", Text, nullable=False),
    Column("parent", Text, nullable=False),  # the credential that it came from, or ""
    Column("note", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),  # when it was revoked, used or signed out
    Column("since", BigInteger, nullable=False, server_default="0"),  # when the person proved who they are, 0: unknown
    Column("mac", Text, nullable=False),
)
