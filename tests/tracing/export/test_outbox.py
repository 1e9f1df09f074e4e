"""From the ledger to the outbox: exactly once, by whichever process; and again from the ledger, with the same bytes."""

from __future__ import annotations

import asyncio
from contextlib import closing
from functools import partial

import pytest
from sqlalchemy import bindparam, delete, select, update

from answerable.tracing.export import tallies
from answerable.tracing.export.flow import Flow
from answerable.tracing.export.outbox import (
    OVERHEAD,
    Outgoing,
    claim,
    is_empty,
    outgoing,
    put,
    rejected,
    set_aside,
    settle,
)
from answerable.tracing.export.resending import resend
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.ledger.cursors import PROJECTION, SEQUENCER, position_of
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.placed import Placed, placed_from, placed_of
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.ledger.records.stops import FreezeQuiesced
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.spans.projection import project_all
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx, open_store
from answerable.tracing.storage.tables.export import outbox
from answerable.tracing.storage.tables.ledger import records
from tests.support.otlp_receiver import Journal, http_receiver
from tests.support.outbox import parcels, project_whole
from tests.support.story import RI, SYSTEM, whole_run

pytestmark = pytest.mark.anyio

NOWHERE = ExportSettings(endpoint="http://127.0.0.1:9/v1/traces", first_wait_seconds=60)  # the discard port: refused
_ROWS = Statement(select(outbox.c.span, outbox.c.run, outbox.c.data).order_by(outbox.c.id))
_EMPTY = Statement(delete(outbox))
_SPOIL = Statement(update(records).where(records.c.id == bindparam("row")).values(body=b"{}"))


async def rows(store: Store) -> list[tuple[str, str, bytes]]:
    return [(row[0], row[1], bytes(row[2])) for row in await store.read(lambda tx: tx.all(_ROWS))]


async def write(store: Store, written: list[Record], size: int = 3) -> None:
    for start in range(0, len(written), size):
        await store.write(partial(append_all, many=written[start : start + size]))


async def expected(store: Store) -> list[tuple[str, str, bytes]]:
    placed, _ = await store.read(lambda tx: placed_from(tx, 0, 10_000))
    return [(span.key, span.run, span.data) for span in outgoing(project_all(placed))]


async def test_the_flow_projects_what_the_ledger_has(store_url: str) -> None:
    with closing(open_store(store_url)) as store:
        await write(store, whole_run().records)
        flow = Flow(store, NOWHERE)
        await project_whole(flow)
        assert await rows(store) == await expected(store)
        assert flow.projected == len(await rows(store))
        assert not await flow._advance()


async def test_two_processes_in_turns_project_each_record_once(store_url: str) -> None:
    """Each has the history of what it projected itself, and reads the rest from the ledger."""
    story, other = whole_run(), whole_run("run_" + "2" * 32)
    both = [one for pair in zip(story.records, other.records, strict=True) for one in pair]
    with closing(open_store(store_url)) as store:
        flows = [Flow(store, NOWHERE), Flow(store, NOWHERE)]
        for start in range(0, len(both), 5):
            await store.write(partial(append_all, many=both[start : start + 5]))
            await project_whole(flows[start // 5 % 3 % 2])
            if start % 35 == 0:
                flows[1] = Flow(store, NOWHERE)  # it was killed, and another one took its place
        assert await rows(store) == await expected(store)


async def test_two_processes_at_once_project_each_record_once(store_url: str) -> None:
    with closing(open_store(store_url)) as store, closing(open_store(store_url)) as second:
        await write(store, [*whole_run().records, *whole_run("run_" + "2" * 32).records])
        flows = [Flow(store, NOWHERE), Flow(second, NOWHERE)]

        async def follow(flow: Flow) -> None:
            while await store.read(is_behind):
                await flow._advance()
                await asyncio.sleep(0)

        await sequence_all(store)
        await asyncio.gather(*map(follow, flows))
        assert await rows(store) == await expected(store)


def is_behind(tx: Tx) -> bool:
    return position_of(tx, PROJECTION) < position_of(tx, SEQUENCER)


async def test_a_transaction_that_is_undone_leaves_no_trace_in_the_histories(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_store(sqlite_url)) as store:
        await write(store, whole_run().records)
        await sequence_all(store)
        flow = Flow(store, NOWHERE)

        def cut(*_: object, **__: object) -> None:
            raise RuntimeError("cut off")

        with monkeypatch.context() as patch:
            patch.setattr("answerable.tracing.export.flow.put", cut)
            with pytest.raises(RuntimeError, match="cut off"):
                await flow._advance()
        assert await rows(store) == []
        await project_whole(flow)
        assert await rows(store) == await expected(store)


async def test_without_an_endpoint_the_ledger_is_the_queue(store_url: str) -> None:
    with closing(open_store(store_url)) as store:
        await write(store, whole_run().records)
        quiet = Flow(store, ExportSettings())
        assert await quiet.drain(timeout_seconds=10)
        assert await rows(store) == []
        assert await store.read(lambda tx: position_of(tx, PROJECTION)) == 0
        assert len(await store.read(lambda tx: placed_of(tx, whole_run().run))) == len(whole_run().records)
        await project_whole(Flow(store, NOWHERE))
        assert await rows(store) == await expected(store)


async def test_a_sampler_thins_the_spans_and_not_the_ledger(sqlite_url: str) -> None:
    with closing(open_store(sqlite_url)) as store:
        await write(store, whole_run().records)
        await project_whole(Flow(store, ExportSettings(endpoint=NOWHERE.endpoint, ratio=0.0)))
        assert await rows(store) == []
        assert len(await store.read(lambda tx: placed_from(tx, 0, 1000)[0])) == len(whole_run().records)


async def reject_all(store: Store, error: str) -> None:
    now = store.clock.now()
    await store.write(lambda tx: set_aside(tx, parcels(tx), until=0, now=now, error=error))


async def test_resending_gives_the_same_bytes_and_clears_what_was_rejected(store_url: str) -> None:
    story = whole_run()
    with closing(open_store(store_url)) as store:
        await write(store, [*story.records, *whole_run("run_" + "2" * 32).records])
        await project_whole(Flow(store, NOWHERE))
        first = [row for row in await rows(store) if row[1] == story.run]
        await store.write(lambda tx: tx.run(_EMPTY))  # everything was delivered
        assert await resend(store, story.run) == len(first)
        assert await rows(store) == first
        await reject_all(store, "too old")
        assert await store.read(is_empty)
        assert [kept.spans for kept in await store.read(rejected)] == [len(first)]
        for _ in range(2):
            assert await resend(store, story.run) == len(first)
            assert await rows(store) == first  # none of them twice
        assert await store.read(rejected) == []


async def test_rejected_spans_of_other_libraries_can_be_sent_again_too(store_url: str) -> None:
    story = whole_run()
    other = Outgoing("f" * 48, story.run, b"of another library", ours=False)
    with closing(open_store(store_url)) as store:
        await write(store, story.records)
        await project_whole(Flow(store, NOWHERE))
        await store.write(lambda tx: put(tx, [other], at=1))
        before = await rows(store)
        await reject_all(store, "too old")
        aside = await store.read(lambda tx: tallies.value(tx, tallies.BYTES))
        assert aside == len(before) * OVERHEAD + len(other.data), "of ours, only the fact is kept"
        assert await resend(store, story.run) == len(before)
        assert sorted(await rows(store)) == sorted(before)


async def test_what_is_taken_back_while_it_is_sent_is_counted_once(store_url: str) -> None:
    story = whole_run()
    with closing(open_store(store_url)) as store:
        await write(store, story.records)
        await project_whole(Flow(store, NOWHERE))
        sending = await store.write(lambda tx: claim(tx, now=1, until=9, at_most=10))
        assert sending
        await resend(store, story.run)
        await store.write(lambda tx: settle(tx, sending, until=9, now=2))
        left = await rows(store)
        counted = await store.read(tallies.all_values)
        assert counted[tallies.WAITING] == len(left)
        assert counted[tallies.BYTES] == sum(len(row[2]) + OVERHEAD for row in left)


async def test_a_row_that_is_no_record_does_not_hold_up_the_others(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(open_store(sqlite_url)) as store:
        await write(store, whole_run().records)
        await store.write(lambda tx: tx.run(_SPOIL, row=3))
        await project_whole(Flow(store, NOWHERE))
        assert "record 2 is not what was written" in caplog.text
        assert len(await rows(store)) > 20


async def test_what_a_run_makes_arrives_while_it_goes_on(store_url: str) -> None:
    story, journal = whole_run(), Journal()
    with http_receiver(journal) as endpoint, closing(open_store(store_url)) as store:
        flow = Flow(store, ExportSettings(endpoint=endpoint))
        following = asyncio.create_task(flow.run())
        for start in range(0, len(story.records), 5):
            await store.write(partial(append_all, many=story.records[start : start + 5]))
            flow.nudge()
            await asyncio.sleep(0.01)
        async with asyncio.timeout(30):
            while not journal.spans:  # noqa: ASYNC110  # another thread receives them
                await asyncio.sleep(0.01)
        assert await flow.drain(timeout_seconds=30)
        assert flow.delivered.accepted == len(journal.spans)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        assert await rows(store) == []
        assert [span.data for span in journal.spans] == [row[2] for row in await expected(store)]


async def test_draining_gives_up_in_time_and_loses_nothing(sqlite_url: str) -> None:
    with closing(open_store(sqlite_url)) as store:
        await write(store, whole_run().records)
        assert not await Flow(store, NOWHERE).drain(timeout_seconds=0.3)
        await project_whole(Flow(store, NOWHERE))  # what it did not come to
        assert await rows(store) == await expected(store)


def test_records_of_no_run_have_no_span() -> None:
    record = FreezeQuiesced(at=1, system=SYSTEM, responsible=RI, freeze="frz_1")
    assert project_all([Placed(0, record, b"")]) == []
