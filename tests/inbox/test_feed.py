"""What happens, told as it happens; read from the store, whoever wrote it there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from answerable.inbox.feed import MOST_WAITING, Feed, Happening
from answerable.testing import nowhere
from answerable.tracing.ids import fresh
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.runs import RunRested
from answerable.tracing.storage.store import Tx
from tests.orchestrator.letters import CARRIER, Ask, letters, serving

pytestmark = pytest.mark.anyio


async def _until(listening: AsyncIterator[Happening | None], kind: str) -> list[Happening]:
    told = []
    async for one in listening:
        if one is not None:
            told.append(one)
            if one.kind == kind:
                return told
    raise AssertionError(f"it ended without {kind}")


async def test_each_thing_is_told_once_to_each_listener_in_order(store_url: str) -> None:
    async with (
        serving(letters(), store_url, origins={CARRIER: nowhere()}) as service,
        serving(letters(), store_url, origins={CARRIER: nowhere()}) as elsewhere,
    ):
        await elsewhere.arun(Ask(), by="nils")  # before anybody listens
        feed = Feed(service.store, look_seconds=0.01)
        async with aclosing(feed.listen()) as first, aclosing(feed.listen()) as second:
            assert not any(await asyncio.gather(anext(first), anext(second)))
            run = await elsewhere.arun(Ask(), by="nils")
            (request,) = run.waiting_for
            await elsewhere.aapprove(request.id, by="dora")
            told = await _until(first, "decided")
            assert told == await _until(second, "decided")
        await feed.close()
    assert {one.run for one in told} == {run.id} and len({one.id for one in told}) == len(told)
    assert told == sorted(told, key=lambda one: one.id)
    assert [one.request for one in told if one.kind in ("request.made", "decided")] == [request.id, request.id]
    assert "dear" not in "".join(one.as_event() for one in told)


async def test_nobody_looks_when_nobody_listens(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url) as service:
        feed = Feed(service.store, look_seconds=0.01)
        for _ in range(2):
            async with aclosing(feed.listen()) as listening:
                assert await anext(listening) is None
                assert await anext(listening) is None
            looking = feed._looking
            assert looking is not None
            await looking  # ends by itself


async def test_who_does_not_take_what_is_told_is_cut_off(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url) as service:
        feed = Feed(service.store, look_seconds=0.01)
        async with aclosing(feed.listen()) as slow:
            assert await anext(slow) is None
            looking = feed._looking
            assert looking is not None

            def many(tx: Tx) -> None:
                for _ in range(MOST_WAITING + 1):
                    append(tx, RunRested(at=1, system="letters", run=fresh("run")))

            await service.store.write(many)
            await looking  # the only listener was cut off
            taken = [one async for one in slow]
            assert MOST_WAITING - 1 <= len([one for one in taken if one is not None]) <= MOST_WAITING
        await asyncio.sleep(0)
