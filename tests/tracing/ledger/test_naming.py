"""An id leads to its run: however far the index has come, on both databases, and whatever others wrote."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import bindparam, delete, select, update

from answerable.tracing.evidence.lineage.facts import facts_of
from answerable.tracing.export.flow import Flow
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.naming import MOST, Named, catch_up, feed, find_ids, is_behind, looks_like_id
from answerable.tracing.ledger.records.steps import StepFinished
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, open_store
from answerable.tracing.storage.tables.ledger import named_ids, records
from tests.support.story import whole_run

RUNS = ["run_" + digit * 32 for digit in "123"]
FORGET = Statement(delete(named_ids))
NAMED = Statement(select(named_ids.c.key))
BEND = Statement(update(named_ids).values(record=1))
SPOIL = Statement(update(records).where(records.c.kind == "gather.closed").values(body=bindparam("junk")))


def named_in(run: str) -> set[str]:
    """The ids of a run that are to be found, without those that the story of the tests uses in every run."""
    ids = set(facts_of(run, whole_run(run).placed())) - set(facts_of("other", whole_run("other").placed()))
    return {id for id in ids if looks_like_id(id) and len(id) == 36}


async def write(store: Store, *runs: str) -> None:
    await store.write(lambda tx: append_all(tx, [one for run in runs for one in whole_run(run).records]))


async def check(store: Store, *runs: str) -> None:
    for run in runs:
        assert len(named_in(run)) > 30
        for id in named_in(run):
            assert await store.read(lambda tx, id=id: find_ids(tx, id)) == [Named(id, run)]  # type: ignore[misc]
            begun = await store.read(lambda tx, id=id: find_ids(tx, id[:15]))  # type: ignore[misc]
            assert Named(id, run) in begun


@pytest.mark.anyio
async def test_every_id_leads_to_its_run_however_far_the_index_is(store: Store) -> None:
    await write(store, RUNS[0])
    await check(store, RUNS[0])  # nothing has its place yet
    await sequence_all(store)
    await check(store, RUNS[0])  # nothing is taken in
    assert await store.write(lambda tx: feed(tx, at_most=20)) == 20
    await check(store, RUNS[0])  # a part is
    await catch_up(store)
    await write(store, RUNS[1])
    await check(store, *RUNS[:2])
    await catch_up(store)
    assert not await store.read(is_behind)
    await check(store, *RUNS[:2])


@pytest.mark.anyio
async def test_several_may_feed_at_once(store: Store, store_url: str) -> None:
    other = open_store(store_url)
    try:
        await write(store, *RUNS)
        await sequence_all(store)
        await asyncio.gather(*(catch_up(each) for each in (store, other, store, other)))
        assert not await other.read(is_behind)
        await check(other, *RUNS)
    finally:
        other.close()


@pytest.mark.anyio
async def test_a_flow_feeds_it_when_it_has_nothing_else_to_do(store: Store) -> None:
    await write(store, *RUNS)
    running = asyncio.create_task(Flow(store, ExportSettings()).run())
    while await store.read(lambda tx: is_behind(tx) or not tx.all(NAMED)):  # noqa: ASYNC110 - a database has no event
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await check(store, *RUNS)


@pytest.mark.anyio
async def test_an_index_that_somebody_changed_leads_nowhere(store: Store) -> None:
    await write(store, RUNS[0])
    await catch_up(store)
    id = min(named_in(RUNS[0]))
    await store.write(lambda tx: tx.run(BEND))
    assert await store.read(lambda tx: find_ids(tx, id)) in ([], [Named(id, RUNS[0])])
    await store.write(lambda tx: tx.run(FORGET))
    assert await store.read(lambda tx: find_ids(tx, id)) == []


@pytest.mark.anyio
async def test_what_is_no_record_and_what_somebody_wrote_in_one_names_nothing(store: Store) -> None:
    story = whole_run(RUNS[0])
    id = "stp_" + "e" * 32
    (first, *rest) = [one for one in story.records if isinstance(one, StepFinished)]
    lying = first.model_copy(update={"error": f'","step":"{id}"'})
    await store.write(lambda tx: append_all(tx, [lying, *rest, *whole_run(RUNS[1]).records]))
    await store.write(lambda tx: tx.run(SPOIL, junk=b"[1]"))
    assert await store.read(lambda tx: find_ids(tx, id)) == []
    await catch_up(store)
    assert await store.read(lambda tx: find_ids(tx, id)) == []
    assert await store.read(lambda tx: find_ids(tx, first.step)) == [Named(first.step, RUNS[0])]


@pytest.mark.anyio
@pytest.mark.parametrize("given", ["", "stp_", "stp", "run_1", "frz_1", "stp_xyz", "STP_1", "stp_" + "0" * 33])
async def test_what_is_no_id(store: Store, given: str) -> None:
    await write(store, RUNS[0])
    assert await store.read(lambda tx: find_ids(tx, given)) == []


@pytest.mark.anyio
async def test_not_more_than_a_few_that_begin_alike(store: Store) -> None:
    await write(store, *RUNS)
    for _ in range(2):
        for digit in "0123456789abcdef":
            found = await store.read(lambda tx, digit=digit: find_ids(tx, f"crs_{digit}"))  # type: ignore[misc]
            assert len(found) <= MOST and all(one.run in RUNS for one in found)
        await catch_up(store)
