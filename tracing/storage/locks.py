"""Advisory locks of PostgreSQL, each with its number. SQLite lets one transaction write at a time anyway."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, func, select

from answerable.tracing.storage.statements import Statement

HOLDS: Final = 0x616E7368
"""Who places or lifts a hold, or erases."""
TREE: Final = 0x616E7373
"""Who extends the ledger's tree, or signs it."""
TURNS: Final = 0x616E7374
"""Workers, who share it, and who changes what they rely on (`tracing/turns.py`)."""
OPENING: Final = 0x616E7377
"""Who makes the tables of a database."""

TAKE: Final = Statement(select(func.pg_advisory_xact_lock(bindparam("lock"))))
"""Wait for a lock and have it until the transaction ends."""
TRY: Final = Statement(select(func.pg_try_advisory_xact_lock(bindparam("lock"))))
"""Have it if nobody else has; one row that says whether."""
