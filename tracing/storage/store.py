"""The store: one database, reached through short transactions.

1. A transaction is a plain function of a `Tx`. It does no I/O of its own and never awaits; it may be called again if
   the database asked for a retry, so it has no effect but on the database.
2. It happens whole or not at all. If it raises, nothing was written. One that has begun runs to its end, even if its
   caller is cancelled meanwhile.
3. On SQLite it runs on the caller's thread: handing it to another thread costs more than running it. On PostgreSQL it
   runs in a worker thread. A connection serves one transaction at a time and goes back to the others.
4. `durable=True` survives power loss (persons' decisions, freezes, each state of an effect), and with it everything
   that was committed before, by whomever: both databases write one log, in order. Otherwise a crash of the process
   loses nothing, and a power cut loses at most the newest steps, which run again.
5. SQLite runs writing transactions one after another. PostgreSQL runs them side by side: what a decision rests on is
   read `with_for_update()`, which does nothing on SQLite.
6. A store belongs to the process that opened it; it may be used from any thread and any event loop of it.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from answerable.errors import AnswerableError, StoreError, StoreNewer, StoreUnavailable
from answerable.tracing.clock import Clock, SystemClock
from answerable.tracing.storage import locks, schema
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.tables.store import SCHEMA_VERSION, meta, metadata

T = TypeVar("T")
Row = tuple[Any, ...]

LOCK_WAIT_SECONDS = 30.0


class Cursor(Protocol):
    """The part of a DB-API cursor that is used here."""

    @property
    def rowcount(self) -> int: ...
    @property
    def description(self) -> Any: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> Any: ...


class Connection(Protocol):
    """One open connection. `lost`: the database has hung up, so it is of no more use."""

    @property
    def lost(self) -> bool: ...
    def begin(self, *, write: bool, durable: bool) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def execute(self, sql: str, params: Mapping[str, Any]) -> Cursor: ...
    def executemany(self, sql: str, params: Sequence[Mapping[str, Any]]) -> int: ...
    def close(self) -> None: ...


class Database(Protocol):
    """What differs between kinds of databases."""

    dialect: str
    name: str  # for messages: no password in it

    def connect(self) -> Connection: ...

    def translate(self, error: Exception, tries: int) -> AnswerableError | None:
        """The error to raise in its place; None if the transaction, tried `tries` times, should be tried again."""
        ...

    def handles(self, error: Exception) -> bool:
        """Whether the error is the driver's."""
        ...


class Tx:
    """A running transaction. Rows are plain tuples, in the order of the selected columns.

    `assurance` is how sure we are of the person whose act it is, "" where it is nobody's.
    """

    __slots__ = ("_connection", "_dialect", "assurance")

    def __init__(self, connection: Connection, dialect: str) -> None:
        self._connection = connection
        self._dialect = dialect
        self.assurance = ""

    @property
    def dialect(self) -> str:
        """The kind of database: "sqlite" or "postgresql"."""
        return self._dialect

    def run(self, statement: Statement, /, **params: Any) -> int:
        """Run a statement that returns no rows; the number of rows that it changed."""
        return self._execute(statement, params).rowcount

    def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run a statement once for each row of parameters; the number of rows that they changed together."""
        if not rows:
            return 0
        sql, fixed = statement.compiled(self._dialect)
        return self._connection.executemany(sql, [{**fixed, **row} for row in rows] if fixed else rows)

    def one(self, statement: Statement, /, **params: Any) -> Row | None:
        """The first row, or None."""
        row: Row | None = self._execute(statement, params).fetchone()
        return row

    def all(self, statement: Statement, /, **params: Any) -> list[Row]:
        """All rows."""
        rows: list[Row] = self._execute(statement, params).fetchall()
        return rows

    def rows(self, statement: Statement, /, **params: Any) -> list[Row]:
        """All rows, and none of a statement that returns no rows."""
        cursor = self._execute(statement, params)
        rows: list[Row] = [] if cursor.description is None else cursor.fetchall()
        return rows

    def _execute(self, statement: Statement, params: dict[str, Any]) -> Cursor:
        sql, fixed = statement.compiled(self._dialect)
        return self._connection.execute(sql, {**fixed, **params} if fixed else params)


class Store:
    """One database, opened by `open_store`."""

    def __init__(self, url: str, database: Database, clock: Clock) -> None:
        self.url = url
        self.clock = clock
        self._database = database
        self._process = os.getpid()
        self._closed = False
        self._wrote_at = 0.0  # monotonic: when a transaction of this process was last written
        self._idle: list[Connection] = []  # the one used last is used next: its caches are warm
        self._threads = (
            None if database.dialect == "sqlite" else ThreadPoolExecutor(8, thread_name_prefix="answerable-store")
        )

    @property
    def dialect(self) -> str:
        """The kind of database: "sqlite" or "postgresql"."""
        return self._database.dialect

    async def write(self, work: Callable[[Tx], T], *, durable: bool = False) -> T:
        """Run `work` in a transaction that may write, and return what it returns.

        Raises: StoreFull, StoreUnavailable, StoreError; and whatever `work` raises, with nothing written. Only when the
        connection breaks during the commit itself can nobody know; what runs here is safe to be run again.
        """
        return await self._transact(work, write=True, durable=durable)

    async def read(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in a transaction that sees one state of the database and writes nothing.

        Raises: StoreUnavailable, StoreError; and whatever `work` raises.
        """
        return await self._transact(work, write=False, durable=False)

    def close(self) -> None:
        """Close all connections, when the transactions that use them are over. Idempotent."""
        self._closed = True
        if self._threads is not None:
            self._threads.shutdown(wait=True)
        self._close_idle()

    async def _transact(self, work: Callable[[Tx], T], *, write: bool, durable: bool) -> T:
        retry = _Retry(self._database.name)
        while True:
            try:
                if self._threads is None:
                    return self._attempt(work, write, durable, retry.tries)
                if self._closed:
                    raise self._unusable()
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._attempt, work, write, durable, retry.tries
                )
            except _TryAgain as again:
                await asyncio.sleep(retry.pause(again, self._wrote_at))

    def _attempt(self, work: Callable[[Tx], T], write: bool, durable: bool, tries: int) -> T:
        if self._closed or os.getpid() != self._process:
            raise self._unusable()
        idle = self._take_idle()
        connection = idle
        began = False
        try:
            connection = connection or self._database.connect()
            connection.begin(write=write, durable=durable)
            began = True
            result = work(Tx(connection, self._database.dialect))
            connection.commit()
            if write:
                self._wrote_at = time.monotonic()
        except BaseException as error:
            if connection is not None:
                self._roll_back(connection)
            if not isinstance(error, Exception) or not self._database.handles(error):
                raise
            died_idle = (
                idle is not None and idle.lost and not began
            )  # the server was restarted: nothing has happened yet
            translated = None if died_idle else self._database.translate(error, tries)
            if translated is None:
                raise _TryAgain from error
            raise translated from error
        self._give_back(connection)
        return result

    def _take_idle(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _give_back(self, connection: Connection) -> None:
        self._idle.append(connection)
        if self._closed:  # meanwhile
            self._close_idle()

    def _roll_back(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except Exception as error:
            connection.close()
            if not self._database.handles(error):
                raise
            return  # the connection is gone, and the transaction with it
        if connection.lost:
            connection.close()
        else:
            self._give_back(connection)

    def _close_idle(self) -> None:
        while (connection := self._take_idle()) is not None:
            connection.close()

    def _unusable(self) -> StoreError:
        if self._closed:
            return StoreUnavailable(f"{self._database.name}: this store was closed")
        return StoreUnavailable(
            f"{self._database.name}: this store was opened by another process",
            hint="a connection does not survive a fork: call open_store() in the new process",
        )


class _TryAgain(Exception):
    """The database asked for the transaction to be tried again."""


class _Retry:
    """How often a transaction was tried, and for how much longer it will be.

    Among thousands it may be tried twice in ten seconds. As long as others of this process are written, the database is
    not held by anybody, and its turn will come.
    """

    def __init__(self, name: str) -> None:
        self.tries = 0
        self._name = name
        self._since = 0.0

    def pause(self, again: _TryAgain, wrote_at: float) -> float:
        """How many seconds to wait before the next try. Raises: StoreUnavailable when it is enough."""
        now = time.monotonic()
        self._since = max(self._since or now, wrote_at)
        if now > self._since + LOCK_WAIT_SECONDS:
            raise StoreUnavailable(
                f"{self._name}: another program has held the database for {LOCK_WAIT_SECONDS:.0f} s",
                hint="find out what keeps a transaction open on it; nothing was written",
            ) from again.__cause__
        self.tries += 1
        return random.uniform(0.001, 0.01)


_META = Statement(select(meta.c.value).where(meta.c.key == bindparam("key")))
_SET_META = inserting(meta)
_CHANGE_META = Statement(update(meta).where(meta.c.key == bindparam("name")).values(value=bindparam("to")))


def open_store(url: str, *, clock: Clock | None = None) -> Store:
    """Open the database at `url` ("sqlite:///answerable.db" or "postgresql://…").

    Its tables are made if it is empty, and completed if an older program made them. Otherwise nothing is written, so a
    copy can be opened where nobody may write; "sqlite:///answerable.db?mode=ro" writes nothing where one may.

    Raises: StoreUnavailable if it cannot be reached; StoreNewer if a newer program wrote it; StoreReadOnly if it has to
    be completed and cannot be written; StoreError for other URLs.
    """
    database = _database(url)
    store = Store(url, database, clock or SystemClock())
    try:
        if not _at_once(store, _is_ready, write=False):
            _at_once(store, _prepare, write=True)
    except BaseException:
        store.close()
        raise
    return store


def _at_once(store: Store, work: Callable[[Tx], T], *, write: bool) -> T:
    """Run a transaction on this thread, outside of any event loop."""
    retry = _Retry(store._database.name)
    while True:
        try:
            return store._attempt(work, write, write, retry.tries)
        except _TryAgain as again:
            time.sleep(retry.pause(again, store._wrote_at))


def _database(url: str) -> Database:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StoreError(f"{url!r} is no database URL", hint="for example sqlite:///answerable.db") from error
    if parsed.get_backend_name() == "sqlite":
        from answerable.tracing.storage.sqlite import SQLite

        return SQLite(parsed.database or "", read_only=parsed.query.get("mode") == "ro")
    if parsed.get_backend_name() == "postgresql":
        from answerable.tracing.storage.postgresql import PostgreSQL

        return PostgreSQL(parsed.set(drivername="postgresql").render_as_string(hide_password=False))
    raise StoreError(
        f"{parsed.get_backend_name()} databases are not supported",
        hint="use sqlite:///FILE or postgresql://USER@HOST/DATABASE",
    )


def _is_ready(tx: Tx) -> bool:
    return _version(tx) == SCHEMA_VERSION


def _prepare(tx: Tx) -> None:
    """Make the tables, or those that an older program did not make yet."""
    if tx.dialect == "postgresql":  # two processes may open a database at once
        tx.one(locks.TAKE, lock=locks.OPENING)
    version = _version(tx)
    if version == SCHEMA_VERSION:
        return  # another process made them a moment ago
    there = [(str(table), str(column)) for table, column in tx.all(schema.COLUMNS[tx.dialect])]
    indexes = {str(row[0]) for row in tx.all(schema.INDEXES[tx.dialect])}
    for definition in schema.missing(metadata, tx.dialect, there, indexes):
        tx._connection.execute(definition, {})
    if version is None:
        tx.run(_SET_META, key="schema_version", value=str(SCHEMA_VERSION))
        tx.run(_SET_META, key="store_id", value=secrets.token_hex(8))
    else:
        tx.run(_CHANGE_META, name="schema_version", to=str(SCHEMA_VERSION))


def _version(tx: Tx) -> int | None:
    """The schema that the database has, None where it has none. Raises: StoreNewer."""
    if (meta.name, "key") not in tx.all(schema.COLUMNS[tx.dialect]):
        return None
    row = tx.one(_META, key="schema_version")
    if row is not None and int(row[0]) > SCHEMA_VERSION:
        raise StoreNewer(
            f"the store has schema {row[0]}; this program knows schemas up to {SCHEMA_VERSION}",
            hint="use the newer Answerable that wrote it",
        )
    return None if row is None else int(row[0])


def store_id(tx: Tx) -> str:
    """The random name that this database was given when it was created."""
    row = tx.one(_META, key="store_id")
    assert row is not None, "an opened store has an id"
    return str(row[0])
