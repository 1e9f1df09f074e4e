"""The outbox's bound: it is said before, at it nothing of ours is lost, and what must be dropped is counted."""

from __future__ import annotations

from contextlib import closing
from functools import partial

import pytest

from answerable.errors import InvalidInput
from answerable.tracing.export import tallies
from answerable.tracing.export.flow import Flow
from answerable.tracing.export.others import MOST_BYTES, Others
from answerable.tracing.export.outbox import Outgoing, outgoing, put
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.export.status import status
from answerable.tracing.ledger.cursors import PROJECTION, SEQUENCER, position_of
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.placed import placed_from
from answerable.tracing.spans.projection import project_all
from answerable.tracing.storage.store import Store, open_store
from tests.support.otlp_receiver import Journal, http_receiver
from tests.support.outbox import project_whole
from tests.support.servers import free_ports
from tests.support.story import Story, whole_run

pytestmark = pytest.mark.anyio

MOST = 1_000_000
BIG = Outgoing("f" * 48, "", bytes(100_000), ours=False)


def settings(endpoint: str = "http://127.0.0.1:9/v1/traces") -> ExportSettings:
    return ExportSettings(endpoint=endpoint, most_bytes=MOST, first_wait_seconds=0.01, longest_wait_seconds=0.05)


async def ledger(store: Store, runs: int) -> list[Story]:
    """A ledger whose spans are more than the outbox may hold."""
    stories = [whole_run(f"run_{number:032x}") for number in range(runs)]
    for story in stories:
        await store.write(partial(append_all, many=story.records))
    return stories


async def test_the_projection_stands_still_where_it_is_full_and_goes_on_when_there_is_room(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal, (port,) = Journal(), free_ports(1)
    chosen = settings(f"http://127.0.0.1:{port}/v1/traces")
    with closing(open_store(store_url)) as store:
        stories = await ledger(store, 40)
        flow = Flow(store, chosen)
        await project_whole(flow)
        stood = await store.read(lambda tx: status(tx, chosen))
        assert (stood.room, stood.dropped) == ("full", 0)
        assert 0.9 * MOST <= stood.bytes <= MOST
        assert 0 < await store.read(lambda tx: position_of(tx, PROJECTION)) < sum(len(one.records) for one in stories)
        assert not await flow._advance(), "nothing is done until there is room"
        assert not await flow.drain(timeout_seconds=0.2)
        with http_receiver(journal, port):
            assert await flow.drain(timeout_seconds=60)
        placed = (await store.read(lambda tx: placed_from(tx, 0, 10_000)))[0]
        expected = sorted(span.data for span in outgoing(project_all(placed)))
        assert sorted({span.data for span in journal.spans}) == expected  # what was in the air may have come twice
        left = await store.read(lambda tx: status(tx, chosen))
        assert (left.waiting, left.bytes, left.lag, left.room) == (0, 0, 0, "enough")
        assert left.accepted == len(expected)
    said = [record.getMessage() for record in caplog.records if "bytes:" in record.getMessage()]
    assert len(said) == 2, "once when it gets short, once when it is full"
    assert "rejected much" in said[0] and "the ledger keeps them" in said[1]


async def test_at_the_bound_other_libraries_spans_are_dropped_and_counted(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(open_store(store_url)) as store:
        flow = Flow(store, settings())
        for _ in range(12):
            flow.hand_over(BIG)
        await project_whole(flow)
        found = await store.read(lambda tx: status(tx, settings()))
        assert (found.waiting, found.dropped, flow.dropped) == (9, 3, 3)
        assert found.bytes <= MOST
        assert await store.read(lambda tx: position_of(tx, SEQUENCER)) == 0
    assert caplog.text.count("spans of other libraries are dropped: the outbox is full") == 1


async def test_what_waits_in_memory_is_bounded(store_url: str) -> None:
    with closing(open_store(store_url)) as store:
        others = Others(ExportSettings(most_bytes=10 * MOST_BYTES))
        fits = MOST_BYTES // BIG.size
        for _ in range(fits + 5):
            others.add(BIG)
        assert others.dropped == 5
        await others.write(store)
        counted = await store.read(tallies.all_values)
        assert (counted[tallies.WAITING], counted[tallies.DROPPED]) == (fits, 5)
        others.add(BIG)
        assert others, "there is room again"
        others.close()
        others.add(BIG)
        assert others.dropped == 6


async def test_a_store_that_fails_keeps_them_waiting(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_store(sqlite_url)) as store:
        others = Others(settings())
        others.add(BIG)

        def cut(*_: object, **__: object) -> None:
            raise RuntimeError("cut off")

        with monkeypatch.context() as patch:
            patch.setattr("answerable.tracing.export.others.put", cut)
            with pytest.raises(RuntimeError, match="cut off"):
                await others.write(store)
        assert others
        await others.write(store)
        assert not others
        assert (await store.read(tallies.all_values))[tallies.WAITING] == 1


def test_the_bound_is_a_number_of_bytes() -> None:
    def most(said: str) -> int:
        return ExportSettings.from_environment({"ANSWERABLE_OUTBOX_BYTES": said}).most_bytes

    assert most("2000000") == 2_000_000
    assert most("") == ExportSettings.most_bytes
    for wrong in ("1 GB", "-1", "10", "1e9"):
        with pytest.raises(InvalidInput, match="ANSWERABLE_OUTBOX_BYTES"):
            most(wrong)


async def test_spans_of_a_program_without_an_endpoint_are_not_counted_as_dropped(sqlite_url: str) -> None:
    with closing(open_store(sqlite_url)) as store:
        flow = Flow(store, ExportSettings())
        flow.hand_over(BIG)
        await project_whole(flow)
        assert flow.dropped == 0
        await store.write(lambda tx: put(tx, [], at=1))
        assert await store.read(tallies.all_values) == {}
