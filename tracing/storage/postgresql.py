"""PostgreSQL, through psycopg.

1. A writing transaction is READ COMMITTED, whatever the server's default is: each statement sees what is committed by
   then.
2. Nobody waits for ever. A transaction that waits for a row is tried again, and the server ends one that was left open,
   so a process that was stopped in the middle of one does not stop the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from answerable.errors import AnswerableError, StoreError, StoreFull, StoreReadOnly, StoreUnavailable

try:
    import psycopg
    from psycopg import errors, sql
except ImportError as error:  # an extra: SQLite needs none of it
    raise StoreError("a PostgreSQL store needs its driver", hint="pip install 'answerable[postgres]'") from error


UNIQUE_TRIES = 3
# The last is what a standby answers to a transaction that is begun to write.
_MAY_NOT_WRITE = (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction, errors.FeatureNotSupported)

# `synchronous_commit` may be stronger than "on" (a replica confirms): then that is what durable means here.
_SETTINGS = """
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '30s';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""


class PostgreSQL:
    """A PostgreSQL database."""

    dialect = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = f"database {psycopg.conninfo.conninfo_to_dict(url).get('dbname', '')!r}"

    def connect(self) -> PostgreSQLConnection:
        # Transactions are begun by hand, as on SQLite, so that both kinds behave alike.
        raw = psycopg.connect(self._url, autocommit=True, connect_timeout=10)
        try:
            raw.execute(_SETTINGS)
        except BaseException:
            raw.close()
            raise
        return PostgreSQLConnection(raw)

    def handles(self, error: Exception) -> bool:
        return isinstance(error, psycopg.Error)

    def translate(self, error: Exception, tries: int) -> AnswerableError | None:
        if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected | errors.LockNotAvailable):
            return None
        if isinstance(error, errors.UniqueViolation) and tries < UNIQUE_TRIES:
            return None  # another process wrote the row since it was looked for: the next try sees it
        if isinstance(error, errors.DiskFull):
            return StoreFull(
                f"{self.name}: the disk is full; nothing was written",
                hint="free some space, then resume the run: `answerable runs resume RUN`",
            )
        if isinstance(error, _MAY_NOT_WRITE):
            return StoreReadOnly(
                f"{self.name}: {error}".strip(), hint="use a role that may write, unless it is only to be read"
            )
        if isinstance(error, psycopg.OperationalError):
            return StoreUnavailable(
                f"{self.name}: {error}".strip(), hint="check that the server runs and the URL is right"
            )
        return StoreError(f"{self.name}: {error}".strip())


class PostgreSQLConnection:
    """One connection. Every commit waits for the disk, unless the transaction says that it need not."""

    def __init__(self, raw: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._raw = raw

    @property
    def lost(self) -> bool:
        return self._raw.closed

    def begin(self, *, write: bool, durable: bool) -> None:
        if not write:
            self._raw.execute("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ")
        elif durable:
            self._raw.execute("BEGIN READ WRITE ISOLATION LEVEL READ COMMITTED")
        else:  # in one round trip
            self._raw.execute("BEGIN READ WRITE ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off")

    def commit(self) -> None:
        self._raw.execute("COMMIT")

    def rollback(self) -> None:
        self._raw.execute("ROLLBACK")

    def execute(self, text: str, params: Mapping[str, Any]) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._raw.execute(sql.SQL(text), params)

    def executemany(self, text: str, params: Sequence[Mapping[str, Any]]) -> int:
        cursor = self._raw.cursor()
        cursor.executemany(sql.SQL(text), params)
        return cursor.rowcount

    def close(self) -> None:
        self._raw.close()
