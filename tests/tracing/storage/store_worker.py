"""What the tests of the store run in a second process: `python -m tests.tracing.storage.store_worker TASK URL …`."""

from __future__ import annotations

import asyncio
import random
import sys
from functools import partial

from sqlalchemy import bindparam, select, update

from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.records.steps import StepStarted
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Store, Tx, open_store
from answerable.tracing.storage.tables.store import meta

SET_META = inserting(meta)
META = Statement(select(meta.c.value).where(meta.c.key == bindparam("wanted")))
CHANGE_META = Statement(update(meta).where(meta.c.key == bindparam("wanted")).values(value=bindparam("new")))


def step(number: int, run: str) -> StepStarted:
    """A record that can be told from every other."""
    return StepStarted(at=number, system="tests", run=run, step=f"stp_{number}", node="node", attempt=1, host="here")


async def hold(store: Store) -> None:
    """Change the row `counter`, say so, and keep the transaction open until a line is read."""

    def work(tx: Tx) -> None:
        tx.run(CHANGE_META, wanted="counter", new="held")
        sys.stdout.write("held\n")
        sys.stdout.flush()
        sys.stdin.readline()

    await store.write(work)


async def append(store: Store, run: str, transactions: int) -> None:
    """Write that many transactions of one to five records, of one run; some of them are undone."""
    choices = random.Random(run)
    number = 0
    for _ in range(transactions):
        count = choices.randint(1, 5)
        records = [step(number + offset, run) for offset in range(count)]
        await store.write(partial(append_all, many=records))
        number += count
        if choices.random() < 0.1:
            await undone(store, run)
        if choices.random() < 0.1:
            await sequence_all(store)
        await asyncio.sleep(0)


async def undone(store: Store, run: str) -> None:
    """A transaction that fails: on PostgreSQL its ids are used up."""

    class Undo(Exception):
        pass

    def work(tx: Tx) -> None:
        append_all(tx, [step(-1, run)])
        raise Undo

    try:
        await store.write(work)
    except Undo:
        return


async def place(store: Store) -> None:
    """Sequence until a line is read."""
    line = asyncio.ensure_future(asyncio.to_thread(sys.stdin.readline))
    while not line.done():
        await sequence_all(store)
        await asyncio.sleep(0.001)


def main(task: str, url: str, *arguments: str) -> None:
    """Do one task on the store at `url`."""
    store = open_store(url)
    try:
        if task == "hold":
            asyncio.run(hold(store))
        elif task == "append":
            asyncio.run(append(store, arguments[0], int(arguments[1])))
        elif task == "place":
            asyncio.run(place(store))
        else:
            raise ValueError(task)
    finally:
        store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
