"""Whoever freezes waits for those at work, and whoever comes after that waits for the freeze."""

from __future__ import annotations

import asyncio
from threading import Event

import psycopg
import pytest

from answerable.orchestrator.running import journal
from answerable.orchestrator.running.journal import Guard
from answerable.orchestrator.runs import get_run
from answerable.testing import nowhere
from answerable.tracing.storage.store import Store, Tx
from tests.orchestrator.letters import Ask, letters, serving
from tests.support.waiting import until

pytestmark = pytest.mark.anyio

_WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


class AtWork:
    """A transaction of a worker that lasts until it is told to end."""

    def __init__(self, store: Store, run: str) -> None:
        self.began, self.may_end = Event(), Event()
        self.task = asyncio.create_task(store.write(lambda tx: self._work(tx, run)))

    def _work(self, tx: Tx, run: str) -> Guard:
        guard = journal.guard(tx, run, get_run(tx, run).lease_fence)
        self.began.set()
        assert self.may_end.wait(30)
        return guard


async def test_a_freeze_is_not_passed_by_those_who_come_later(postgres_url: str) -> None:
    def wait_for(count: int) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as looking:
            until(lambda: looking.execute(_WAITING).fetchone() == (count,), f"{count} wait for their turn")

    async with serving(letters(), postgres_url, nowhere()) as service:
        run = (await service.arun(Ask(), by="nils")).id
        first = AtWork(service.store, run)
        assert await asyncio.to_thread(first.began.wait, 30)
        freezing = asyncio.create_task(service.afreeze(by="dora", reason="drill"))
        await asyncio.to_thread(wait_for, 1)
        later = AtWork(service.store, run)
        await asyncio.to_thread(wait_for, 2)  # also the one that would only share
        assert not later.began.is_set() and not freezing.done()
        first.may_end.set()
        later.may_end.set()
        assert (await freezing).state in ("committed", "quiesced")
        assert (await first.task).frozen == frozenset()
        assert (await later.task).frozen == {"system"}
