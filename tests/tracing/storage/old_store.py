"""A store that the last commit with schema 1 wrote, on SQLite and PostgreSQL.

`golden/schema-1.sqlite.sql` is the dump of its SQLite file: of the letters system, one run that waits, one that was
denied and one that was sent; a freeze that was lifted and one that stands; a handover. `golden/schema-1.postgresql.sql`
are the definitions of that commit for PostgreSQL; the rows are the same.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

_GOLDEN: Final = Path(__file__).parent / "golden"
KEY: Final = "121e769f1317c58a034ccc379176526adfc0bb43eddd7f36173fa5749a746eb6"


def write_old_store(url: str) -> None:
    """Write the old store into the database at `url`, in the place of what is there."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        _write_sqlite(parsed.database or "").close()
        return
    kept = _write_sqlite(":memory:")
    with psycopg.connect(url) as there:
        there.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC")
        there.execute(sql.SQL(_text("postgresql")))
        for (table,) in kept.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            read = kept.execute(f"SELECT * FROM {table}")
            columns = [column[0] for column in read.description]
            insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join(sql.Placeholder() for _ in columns),
            )
            there.cursor().executemany(insert, read.fetchall())
        there.execute("SELECT setval(pg_get_serial_sequence('records', 'id'), (SELECT max(id) FROM records))")
    kept.close()


def write_old_key(path: Path) -> None:
    """Write the key of the old store's decisions."""
    path.touch(mode=0o600)
    path.write_text(KEY + "\n", encoding="ascii")


def _write_sqlite(path: str) -> sqlite3.Connection:
    made = sqlite3.connect(path)
    made.executescript(_text("sqlite"))
    return made


def _text(dialect: str) -> str:
    return (_GOLDEN / f"schema-1.{dialect}.sql").read_text(encoding="utf-8")
