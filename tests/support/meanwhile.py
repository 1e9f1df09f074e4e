"""Two transactions at once on PostgreSQL, in a certain order: the second waits for what the first has locked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy import Table, text

from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx, open_store
from tests.support.waiting import SECONDS, until

T = TypeVar("T")

_WAITS = Statement(text("SELECT 1 FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"))


def locking(table: Table) -> Callable[[Tx], int]:
    """A transaction's work: let nobody else even read a table."""
    return lambda tx: tx.run(Statement(text(f"LOCK TABLE {table.name} IN ACCESS EXCLUSIVE MODE")))


async def meanwhile(
    url: str, first: Callable[[Tx], Any], act: Callable[[], Awaitable[T]], *, then: Callable[[Tx], Any] = lambda _: None
) -> T:
    """Begin a transaction with `first`; begin to `act`; once that waits, or is over, do `then`, and commit.

    What `act` came to.
    """
    begun = threading.Event()
    tasks: list[asyncio.Future[T]] = []

    def work(tx: Tx) -> None:
        try:
            first(tx)
        finally:
            begun.set()
        until(lambda: tasks and (tasks[0].done() or tx.one(_WAITS)), "whoever acts waits")
        then(tx)

    store = open_store(url)
    try:
        holding = asyncio.create_task(store.write(work))
        await asyncio.to_thread(begun.wait, SECONDS)
        tasks.append(asyncio.ensure_future(act()))
        await asyncio.gather(holding, *tasks, return_exceptions=True)
        await holding
        return await tasks[0]
    finally:
        store.close()
