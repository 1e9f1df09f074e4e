"""PostgreSQL lets several write at once, and each statement sees what is committed by then: what was read before may
have changed. Each of these tests has somebody else commit in the very place where that would matter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest

from answerable.errors import InvalidInput, NotEligible
from answerable.orchestrator.office import Office, open_office
from answerable.orchestrator.runs import get_run, set_status
from answerable.testing import nowhere
from answerable.tracing import freezes, people
from answerable.tracing.export.flow import Flow
from answerable.tracing.export.outbox import claim, settle
from answerable.tracing.export.resending import resend
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.ledger.checkpointing import Checkpointing
from answerable.tracing.ledger.entries import append_all, records_of
from answerable.tracing.ledger.placed import placed_of
from answerable.tracing.ledger.records.runs import RunEnded
from answerable.tracing.ledger.records.stops import Thawed
from answerable.tracing.ledger.sequencer import alone, count_unplaced, sequence, sequence_all
from answerable.tracing.ledger.signing import newest_checkpoint, open_signer
from answerable.tracing.spans.projection import project_all
from answerable.tracing.storage.store import Store, Tx, open_store
from answerable.tracing.storage.tables.export import outbox
from answerable.tracing.storage.tables.ledger import cursors
from tests.orchestrator.letters import Ask, letters, serving
from tests.support.meanwhile import locking, meanwhile
from tests.support.outbox import parcels
from tests.support.story import whole_run

pytestmark = pytest.mark.anyio

NOWHERE = ExportSettings(endpoint="http://127.0.0.1:9")


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    opened = open_store(postgres_url)
    yield opened
    opened.close()


@pytest.fixture
async def office(postgres_url: str) -> AsyncIterator[Office]:
    """An office of a store with the system `letters`, whose run 1 waits for a person."""
    async with serving(letters(), postgres_url, nowhere()) as service:
        await service.arun(Ask(), by="nils", run_id="run_1")
    async with open_office(postgres_url) as office:
        yield office


# -- the ledger and its followers -------------------------------------------------------------------------------------


async def test_who_reads_the_ledger_waits_for_whoever_gives_places(store: Store) -> None:
    story = whole_run().records
    await store.write(partial(append_all, many=story[:5]))

    async def append_and_place() -> int:
        await store.write(partial(append_all, many=story[5:]))
        return await sequence_all(store)

    assert await meanwhile(store.url, sequence, append_and_place) == len(story) - 5
    assert await store.read(count_unplaced) == 0


async def test_who_signs_at_the_end_waits_for_whoever_gives_places(store: Store) -> None:
    await store.write(partial(append_all, many=whole_run().records))
    await sequence_all(store)
    await open_signer(store)
    assert await meanwhile(store.url, alone, Checkpointing(store).sign) is None, "it is tried again later"
    await meanwhile(store.url, alone, partial(Checkpointing(store).sign, wait=True))
    newest = await store.read(newest_checkpoint)
    assert newest is not None and newest[0].head.size == len(whole_run().records)


async def test_what_was_just_delivered_is_not_delivered_again(store: Store) -> None:
    await store.write(partial(append_all, many=whole_run().records))
    while await Flow(store, NOWHERE)._advance():
        pass
    taken = await store.write(lambda tx: claim(tx, now=1, until=9, at_most=10_000))
    assert taken == await store.read(parcels)
    claiming = partial(store.write, lambda tx: claim(tx, now=2, until=10, at_most=10_000))
    settled = partial(settle, parcels=taken, until=9, now=2)
    assert await meanwhile(store.url, locking(cursors), claiming, then=settled) == []
    assert await store.write(lambda tx: claim(tx, now=2, until=10, at_most=1)) == [], "nobody holds the lease"


async def test_what_is_projected_while_a_run_is_sent_again_is_sent(store: Store) -> None:
    story, flow = whole_run(), Flow(store, NOWHERE)
    await store.write(partial(append_all, many=story.records[:-1]))
    while await flow._advance():
        pass

    def go_on(tx: Tx) -> None:
        append_all(tx, story.records[-1:])
        sequence(tx)
        assert flow._project(tx) is not None

    await meanwhile(store.url, locking(outbox), partial(resend, store, story.run), then=go_on)
    wanted = {span.key for span in project_all(await store.read(lambda tx: placed_of(tx, story.run)))}
    assert {parcel.key for parcel in await store.read(parcels)} == wanted


# -- what people do ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quiesced", [True, False])
async def test_a_freeze_is_lifted_once(office: Office, quiesced: bool) -> None:
    freeze = (await office.freeze("letters", "system", by="dora", reason="drill")).id
    if quiesced:
        await office.freeze_state(freeze)
    lift = partial(freezes.thaw, id=freeze, by="dora", reason="fine", at=1)
    with pytest.raises(InvalidInput, match=r"was lifted (already|a moment ago)"):
        await meanwhile(office.store.url, lift, partial(office.thaw, freeze, by="alice", reason="fine"))
    placed = await office.store.read(lambda tx: records_of(tx, ""))
    assert len([one for one in placed if isinstance(one.record, Thawed)]) == 1


async def test_a_freeze_that_was_just_lifted_stays_lifted(office: Office) -> None:
    freeze = (await office.freeze("letters", "system", by="dora", reason="drill")).id
    lift = partial(freezes.thaw, id=freeze, by="dora", reason="fine", at=1)
    found = await meanwhile(office.store.url, lift, partial(office.freeze_state, freeze))
    assert (found.state, (await office.freeze_state(freeze)).state) == ("lifted", "lifted")


async def test_who_just_handed_over_hands_over_nothing_more(office: Office) -> None:
    for person in ("bob", "carol"):
        await office.people.add(person)
    await office.handover("letters", to="bob", by="alice", reason="holiday")
    accept = partial(people.accept_handover, system="letters", by="bob", at=1)
    with pytest.raises(NotEligible, match="does not answer"):
        await meanwhile(
            office.store.url, accept, partial(office.handover, "letters", to="carol", by="alice", reason="no, her")
        )
    with pytest.raises(NotEligible, match="was not offered"):
        await office.accept_handover("letters", by="carol")


async def test_a_run_that_just_ended_is_not_cancelled(office: Office) -> None:
    end = partial(set_status, run="run_1", status="done", ended_at=1)
    with pytest.raises(InvalidInput, match="over already"):
        await meanwhile(office.store.url, end, partial(office.cancel, "run_1", by="dora", reason="too slow"))
    assert (await office.store.read(lambda tx: get_run(tx, "run_1"))).status == "done"
    placed = await office.store.read(lambda tx: records_of(tx, "run_1"))
    assert not [one for one in placed if isinstance(one.record, RunEnded)]
