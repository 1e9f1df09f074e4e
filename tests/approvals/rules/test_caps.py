"""Caps: of those who race for the last unit exactly one gets it, in whichever database."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.rules.caps import use, used
from answerable.orchestrator.office import open_office
from answerable.testing import FakeClock, FakeReceiver
from answerable.tracing.ledger.records.deciding import Decided, RequestMade
from tests.approvals.rules.ruled import SHORT, active, rule_file, ruled
from tests.orchestrator.letters import Ask, recorded, rows, serving

pytestmark = pytest.mark.anyio

DAY, HOUR = 86_400_000_000, 3_600_000_000
CAPS = [("count", 5, "day"), ("seen.length", 40, "day")]


async def _use(url: str, wanted: int, *, at: int = DAY) -> bool:
    async with open_office(url) as office:
        amounts = {"count/day": 1, "seen.length/day": wanted}
        return await office.store.write(lambda tx: use(tx, "letters", "short", CAPS, amounts, at=at))


async def _used(url: str, *, at: int = DAY) -> list[int]:
    async with open_office(url) as office:
        return await office.store.read(lambda tx: used(tx, "letters", "short", CAPS, at=at))


async def test_nobody_uses_more_than_there_is(store_url: str) -> None:
    await _used(store_url)  # makes the store
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda _: asyncio.run(_use(store_url, 1)), range(8)))
    assert sorted(got) == [False] * 3 + [True] * 5
    assert await _used(store_url) == [5, 5]


async def test_where_one_cap_has_no_room_none_is_used(store_url: str) -> None:
    assert await _use(store_url, 39)
    assert not await _use(store_url, 2)
    assert await _used(store_url) == [1, 39]
    assert await _use(store_url, 1)
    assert not await _use(store_url, 41)
    assert await _used(store_url) == [2, 40]


async def test_a_new_day_has_room_and_an_old_one_is_closed(store_url: str) -> None:
    assert await _use(store_url, 40)
    assert await _use(store_url, 30, at=2 * DAY + HOUR)
    assert not await _use(store_url, 1, at=DAY + HOUR)
    assert await _used(store_url, at=2 * DAY + HOUR) == [1, 30]
    assert await _used(store_url, at=3 * DAY) == [0, 0]


async def test_a_cap_that_has_no_room_leaves_the_others_as_they_were(store_url: str) -> None:
    """Else the row of one would say of a new day that nothing was used, and no record says so."""
    assert await _use(store_url, 30)
    assert not await _use(store_url, 41, at=2 * DAY)
    assert await _used(store_url) == [1, 30]
    assert await _use(store_url, 10)


async def test_what_a_cap_kept_from_a_rule_is_not_taken_for_a_change(store_url: str) -> None:
    clock = FakeClock()
    capped = rule_file(SHORT + '\n[[caps]]\nof = "seen.length"\nmost = 7\nper = "day"\n')
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin, clock=clock) as service:
            await active(service, capped)
            assert (await service.arun(Ask(text="a"), by="nils")).status == "done"
            clock.advance(24 * 3600)
            assert (await service.arun(Ask(text="abc"), by="nils")).status == "waiting"
            key = service.runtime.worker.key
            assert await service.store.read(lambda tx: list(faults_of_tables(tx, key))) == []


async def test_two_services_that_race_for_the_last_unit(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with (
            serving(ruled(), store_url, receiver.origin) as first,
            serving(ruled(), store_url, receiver.origin) as second,
        ):
            await active(first, rule_file(most="1"))
            runs = await asyncio.gather(*(one.arun(Ask(text="hi"), by="nils") for one in (first, second)))
            assert sorted(run.status for run in runs) == ["done", "waiting"]
            decided = [one for run in runs for one in await recorded(first, run.id, Decided)]
            made = [one for run in runs for one in await recorded(first, run.id, RequestMade)]
            assert [one.by for one in decided] == ["short-letters@1"]
            assert sorted(one.capped for one in made) == ["", "short-letters@1"]
            (used_up,) = await rows(first, "rule_uses")
            assert used_up["used"] == 1


async def test_a_rule_that_is_approved_elsewhere_decides_from_then_on(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin) as service:
            assert (await service.arun(Ask(text="hi"), by="nils")).status == "waiting"
            async with serving(ruled(), store_url, receiver.origin) as elsewhere:
                rule = await active(elsewhere)
            assert (await service.arun(Ask(text="hi"), by="nils")).status == "done"
            async with open_office(store_url) as office:
                await office.rules.revoke(rule.head.id, by="alice", reason="enough")
            assert (await service.arun(Ask(text="hi"), by="nils")).status == "waiting"
