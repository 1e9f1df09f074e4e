"""PostgreSQL, through psycopg: one connection for each worker thread of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from answerable.errors import AnswerableError, StoreError, StoreFull, StoreUnavailable

try:
    import psycopg
    from psycopg import errors, sql
except ImportError as error:  # an extra: SQLite needs none of it
    raise StoreError("a PostgreSQL store needs its driver", hint="pip install 'answerable[postgres]'") from error


class PostgreSQL:
    """A PostgreSQL database."""

    dialect = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = psycopg.conninfo.conninfo_to_dict(url).get("dbname", "")

    def connect(self) -> PostgreSQLConnection:
        # Transactions are begun by hand, as on SQLite, so that both kinds behave alike.
        return PostgreSQLConnection(psycopg.connect(self._url, autocommit=True, connect_timeout=10))

    def handles(self, error: Exception) -> bool:
        return isinstance(error, psycopg.Error)

    def translate(self, error: Exception) -> AnswerableError | None:
        if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected | errors.LockNotAvailable):
            return None
        if isinstance(error, errors.DiskFull):
            return StoreFull(
                f"database {self._name!r}: the disk is full; nothing was written",
                hint="free some space, then resume the run: `answerable runs resume RUN`",
            )
        if isinstance(error, psycopg.OperationalError):
            return StoreUnavailable(
                f"database {self._name!r}: {error}".strip(), hint="check that the server runs and the URL is right"
            )
        return StoreError(f"database {self._name!r}: {error}".strip())


class PostgreSQLConnection:
    """One connection. Every commit waits for the disk, unless the transaction says that it need not."""

    def __init__(self, raw: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._raw = raw

    def begin(self, *, write: bool, durable: bool) -> None:
        self._raw.execute("BEGIN" if write else "BEGIN TRANSACTION READ ONLY ISOLATION LEVEL REPEATABLE READ")
        if write and not durable:
            self._raw.execute("SET LOCAL synchronous_commit = off")

    def commit(self) -> None:
        self._raw.execute("COMMIT")

    def rollback(self) -> None:
        self._raw.execute("ROLLBACK")

    def execute(self, text: str, params: Mapping[str, Any]) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._raw.execute(sql.SQL(text), params or None)

    def executemany(self, text: str, params: Sequence[Mapping[str, Any]]) -> None:
        self._raw.cursor().executemany(sql.SQL(text), params)

    def close(self) -> None:
        self._raw.close()
