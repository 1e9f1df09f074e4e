"""SQLite: one file, write-ahead log, transactions on the caller's thread."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from answerable.errors import AnswerableError, StoreCorrupt, StoreError, StoreFull, StoreReadOnly, StoreUnavailable

# Short, because it blocks the event loop's thread; `Store` then tries again after an awaited pause.
BUSY_SECONDS = 0.01
# Moving the log into the file waits for the disk, twice, in the middle of some step: rarely, and many pages at a time.
# SQLite's own 1000 are full after 60 steps. (Pages of 4 KiB: the log grows to 16 MiB.)
LOG_PAGES = 4000


class SQLite:
    """A SQLite database file."""

    dialect = "sqlite"

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        if path in ("", ":memory:"):
            raise StoreError("a store is a file, so that another process can decide", hint="sqlite:///answerable.db")
        self.name = self._path = path
        self._read_only = read_only

    def connect(self) -> SQLiteConnection:
        if self._read_only or (Path(self._path).exists() and not os.access(self._path, os.W_OK)):
            return SQLiteConnection(self._open_to_read())
        raw = _connect(self._path)
        try:
            if raw.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
                raise StoreUnavailable(
                    f"{self._path}: there can be no write-ahead log here", hint="use a local file system, or PostgreSQL"
                )
            raw.execute("PRAGMA foreign_keys = ON")
            raw.execute("PRAGMA synchronous = NORMAL")
            raw.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        except BaseException:
            raw.close()
            raise
        return SQLiteConnection(raw)

    def _open_to_read(self) -> sqlite3.Connection:
        """A connection that cannot write. Where no index of a log can lie beside the file, it is taken as still."""
        uri = f"{Path(self._path).absolute().as_uri()}?mode=ro"
        log = Path(f"{self._path}-wal")
        newer = log.exists() and log.stat().st_size > 0  # transactions that are not in the file yet
        raw = _connect(uri, uri=True)
        try:
            raw.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            raw.close()
            if newer:
                raise
            raw = _connect(f"{uri}&immutable=1", uri=True)
        return raw

    def handles(self, error: Exception) -> bool:
        return isinstance(error, sqlite3.Error)

    def translate(self, error: Exception, _tries: int) -> AnswerableError | None:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return None
        if name.startswith("SQLITE_FULL"):
            return StoreFull(
                f"{self._path}: the disk is full; nothing was written",
                hint="free some space, then resume the run: `answerable runs resume RUN`",
            )
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return StoreCorrupt(f"{self._path}: {error}", hint="restore a backup, then `answerable store restored`")
        if name.startswith("SQLITE_READONLY"):
            return StoreReadOnly(
                f"{self._path}: {error}", hint="check that this user may write there, unless it is a copy to be read"
            )
        if name.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR")):
            return StoreUnavailable(
                f"{self._path}: {error}", hint="check that its folder exists and that this user may write there"
            )
        return StoreError(f"{self._path}: {error} ({name or type(error).__name__})")


def _connect(where: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(
        where,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,  # the store gives a connection to one thread at a time
        cached_statements=256,
        uri=uri,
    )


class SQLiteConnection:
    """An open file. `durable` transactions wait for the disk; others for the operating system only."""

    lost = False  # a file does not hang up

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self._durable = False
        self._changes: int | None = None  # how many there had been when a transaction began that may make none

    def begin(self, *, write: bool, durable: bool) -> None:
        if durable is not self._durable:
            self._raw.execute("PRAGMA synchronous = FULL" if durable else "PRAGMA synchronous = NORMAL")
            self._durable = durable
        self._raw.execute("BEGIN IMMEDIATE" if write else "BEGIN")
        self._changes = None if write else self._raw.total_changes

    def commit(self) -> None:
        if self._changes is not None and self._raw.total_changes != self._changes:
            raise StoreError("a transaction that was begun to read has written", hint="use Store.write")
        self._raw.execute("COMMIT")

    def rollback(self) -> None:
        if self._raw.in_transaction:
            self._raw.execute("ROLLBACK")

    def execute(self, sql: str, params: Mapping[str, Any]) -> sqlite3.Cursor:
        return self._raw.execute(sql, params)

    def executemany(self, sql: str, params: Sequence[Mapping[str, Any]]) -> int:
        return self._raw.executemany(sql, params).rowcount

    def close(self) -> None:
        self._raw.close()
