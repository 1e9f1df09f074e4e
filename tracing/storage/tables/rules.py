"""Tables of standing rules."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from answerable.tracing.storage.tables.store import metadata

# Standing rules, each version for itself: what its body says has force while it is approved, within its times.
rules = Table(
    "rules",
    metadata,
    Column("id", Text, primary_key=True),
    Column("system", Text, nullable=False),
    Column("approval", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the canonical JSON that the digest binds
    Column("state", Text, nullable=False),  # proposed, approved, revoked
    Column("author", Text, nullable=False),  # person id
    Column("approvers", Text, nullable=False),  # JSON list of person ids, [] until approved
    Column("not_before", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("proposed_at", BigInteger, nullable=False),
    Column("mac", Text, nullable=False),
)
Index("rules_by_name", rules.c.system, rules.c.name, rules.c.version, unique=True)
Index("rules_by_approval", rules.c.system, rules.c.approval)

# What a rule's caps have been used for in the present window; all versions of a rule share it.
rule_uses = Table(
    "rule_uses",
    metadata,
    Column("system", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("cap", Text, primary_key=True),  # OF/PER
    Column("window", BigInteger, nullable=False),  # when it began
    Column("used", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
