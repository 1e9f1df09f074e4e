"""Erasing, holding and pruning: what goes, what stays, what stands in the way, and that it shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from answerable import END, POST, START, App, Call, Message, System
from answerable.agents.people import quorum
from answerable.approvals.deciding.decisions import Decision
from answerable.approvals.forgeries import faults_of_tables
from answerable.errors import Erased, InvalidInput, NotEligible, NotErasable, UnknownId
from answerable.orchestrator.documents import run_document
from answerable.orchestrator.office import Office, open_office
from answerable.orchestrator.running.loading import load_message
from answerable.orchestrator.service import Service
from answerable.testing import FakeClock, FakeReceiver
from answerable.tracing import ids
from answerable.tracing.evidence.keeping.erasing import DAY_SECONDS
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.records.kept import HoldPlaced, PayloadErased, PersonErased
from answerable.tracing.ledger.sequencer import head, sequence_all
from answerable.tracing.ledger.verify import verify_ledger
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.people import people
from answerable.tracing.storage.tables.runs import messages, runs
from answerable.tracing.storage.tables.store import metadata
from tests.orchestrator.letters import CARRIER, LEAD, QUICKLY, Ask, Receipt, batches, letters, rows, serving, tamper

SECRET = "a-very-private-matter"


class Parcel(Message, subject="number"):
    number: str
    text: str


def number(ask: Ask) -> Parcel:
    return Parcel(number="AX-7", text=ask.text)


def send(parcel: Parcel) -> Call[Receipt]:
    response = yield POST("/letters", json=parcel)
    return Receipt(text=str(response.status))


def numbered() -> App[Ask, Receipt]:
    """The letters, as parcels that are about a number."""
    system = System("letters", responsible="alice")
    numbering: Any = system.agent(owner="writers")(number)
    sign: Any = system.approval("sign", of=Parcel, by=LEAD, within=3600)
    sending: Any = system.effect("post", to=CARRIER, guarantee="idempotent", retry=QUICKLY)(send)
    system.edge(START, numbering, purpose="somebody asks")
    system.edge(numbering, sign, purpose="may it be sent?")
    system.edge(sign, sending, purpose="send it")
    system.edge(sending, END, purpose="sent")
    return system.build(Ask, Receipt)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def there() -> Iterator[FakeReceiver]:
    with FakeReceiver() as running:
        yield running


async def _sent(service: Service[Any, Any], text: str = SECRET) -> str:
    run = await service.arun(Ask(text=text), by="nils")
    await service.aapprove(run.waiting_for[0].id, by="dora", reason=f"because of {SECRET}")
    assert (await service.aresume(run.id)).status == "done"
    return run.id


async def _faults(office: Office) -> list[str]:
    return await office.store.read(lambda tx: [str(one) for one in faults_of_tables(tx, office.key)])


async def _dump(office: Office) -> bytes:
    """Everything that is in the store, the ledger included."""

    def read(tx: Tx) -> bytes:
        found = b""
        for table in metadata.sorted_tables:
            for row in tx.all(Statement(select(*table.c))):
                found += b"|".join(
                    bytes(cell) if isinstance(cell, bytes | memoryview) else str(cell).encode() for cell in row
                )
        return found

    return await office.store.read(read)


# -- payloads ---------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_whole_run(store_url: str, there: FakeReceiver, clock: FakeClock) -> None:
    async with serving(letters(), store_url, there.origin, clock=clock) as service:
        run = await _sent(service)
        async with open_office(store_url, clock=clock) as office:
            await sequence_all(office.store)
            kept = await office.store.read(head)
            before = (await _dump(office)).count(SECRET.encode())
            assert before > 4
            done = await office.keeping.erase_payloads("run", run, by="alice", reason="they asked for it")
            assert [one.whole for one in done] == [True]
            text = await _dump(office)
            assert text.count(SECRET.encode()) == 1 and f"because of {SECRET}".encode() in text  # the decision's reason
            await sequence_all(office.store)
            assert (await office.store.read(lambda tx: verify_ledger(tx, kept=kept))).sound
            assert await _faults(office) == []
            document = await office.store.read(lambda tx: run_document(tx, run))
            assert document["result"] == "[erased]" and document["status"] == "done"
            (asked,) = await office.requests(open_only=False)
            assert asked.view["erased"] and asked.options == ("as-proposed",)
        assert (await service.aget(run)).result is None
        (record,) = [
            entry.record
            for entry in await service.store.read(lambda tx: records_of(tx, run))
            if isinstance(entry.record, PayloadErased)
        ]
        assert record.whole and record.reason == "they asked for it" and record.asked == "run"


@pytest.mark.anyio
async def test_one_message_with_what_showed_and_sent_it(store_url: str, there: FakeReceiver, clock: FakeClock) -> None:
    async with serving(letters(), store_url, there.origin, clock=clock) as service:
        run, other = await _sent(service), await _sent(service, "another")
        letter = next(row for row in await rows(service, "messages") if row["run"] == run and row["type"] == "Letter")
        async with open_office(store_url, clock=clock) as office:
            (done,) = await office.keeping.erase_payloads(
                "message", letter["id"], by="alice", reason="they asked for it"
            )
            assert (done.messages, len(done.requests), len(done.effects)) == ((letter["id"],), 1, 1)
            assert await _faults(office) == []
            with pytest.raises(UnknownId):
                await office.keeping.erase_payloads("message", "msg_none", by="alice", reason="they asked for it")
        left = {(row["run"], row["type"]) for row in await rows(service, "messages") if row["payload"]}
        assert (run, "Letter") not in left and {(run, "Ask"), (other, "Letter")} <= left
        for row in await rows(service, "effects"):
            assert (row["body"] == b"") is (row["run"] == run)


@pytest.mark.anyio
async def test_an_erased_message_says_so(store_url: str, there: FakeReceiver, clock: FakeClock) -> None:
    async with serving(letters(), store_url, there.origin, clock=clock) as service:
        run = await _sent(service)
        async with open_office(store_url, clock=clock) as office:
            await office.keeping.erase_payloads("run", run, by="alice", reason="they asked for it")
        (asked,) = [row["id"] for row in await rows(service, "messages") if row["type"] == "Ask"]
        worker: Any = service.runtime.worker
        with pytest.raises(Erased):
            await service.store.read(lambda tx: load_message(tx, worker.types, run, asked))


@pytest.mark.anyio
async def test_what_is_about_a_subject(store_url: str, there: FakeReceiver, clock: FakeClock) -> None:
    async with serving(numbered(), store_url, there.origin, clock=clock) as service:
        run = await _sent(service)
        async with open_office(store_url, clock=clock) as office:
            hold = await office.keeping.place_hold("subject", "AX-7", by="dora", reason="a claim")
            with pytest.raises(NotErasable, match=hold.id):
                await office.keeping.erase_payloads("subject", "AX-7", by="alice", reason="they asked for it")
            await office.keeping.lift_hold(hold.id, by="dora", reason="settled")
            (done,) = await office.keeping.erase_payloads("subject", "AX-7", by="alice", reason="they asked for it")
            assert done.run == run and len(done.messages) == 1
            with pytest.raises(UnknownId):
                await office.keeping.erase_payloads("subject", "AX-7", by="alice", reason="again")
            records = [entry.record for entry in await office.store.read(lambda tx: records_of(tx, ""))]
            (placed,) = [record for record in records if isinstance(record, HoldPlaced)]
            assert "AX-7" not in placed.model_dump_json()
            assert placed.of != ids.commitment(hold.id.encode(), b"AX-7")  # nobody finds it out by trying
            assert b"AX-7" not in await _dump(office)
            assert await _faults(office) == []


@pytest.mark.anyio
async def test_what_stands_in_the_way(store_url: str, there: FakeReceiver, clock: FakeClock) -> None:
    async with serving(letters(), store_url, there.origin, clock=clock) as service:
        waiting = (await service.arun(Ask(), by="nils")).id
        run = await _sent(service)
        before = await rows(service, "messages")
        async with open_office(store_url, clock=clock) as office:
            with pytest.raises(NotErasable, match="not over"):
                await office.keeping.erase_payloads("run", waiting, by="alice", reason="hide it")
            for covers, of in (("run", run), ("system", "letters")):
                hold = await office.keeping.place_hold(covers, of, by="dora", reason="a claim")
                with pytest.raises(NotErasable, match=hold.id):
                    await office.keeping.erase_payloads("run", run, by="alice", reason="hide it")
                await office.keeping.lift_hold(hold.id, by="dora", reason="over")
                with pytest.raises(InvalidInput):
                    await office.keeping.lift_hold(hold.id, by="dora", reason="over")
            await tamper(service, "effects", state="in-doubt")
            with pytest.raises(NotErasable, match="not settled"):
                await office.keeping.erase_payloads("run", run, by="alice", reason="hide it")
            for covers, of in (("run", "run-none"), ("system", "none"), ("everything", "x")):
                with pytest.raises(InvalidInput):
                    await office.keeping.place_hold(covers, of, by="dora", reason="a claim")
        assert await rows(service, "messages") == before


@pytest.mark.anyio
async def test_what_somebody_removed_by_hand_is_found(store_url: str, there: FakeReceiver, clock: FakeClock) -> None:
    async with serving(letters(), store_url, there.origin, clock=clock) as service:
        await _sent(service)
        async with open_office(store_url, clock=clock) as office:
            assert await _faults(office) == []
            await office.store.write(lambda tx: tx.run(Statement(update(messages).values(payload=b"", salt=b""))))
            await tamper(service, "requests", view=b"")
            await tamper(service, "effects", body=b"", path="", content_type="erased")
            await tamper(service, "decisions", reason="[erased]")
            found = await _faults(office)
            for what in ("no record says that it was erased", "request", "effect", "decision", "its MAC is wrong"):
                assert any(what in fault for fault in found), (what, found)


# -- persons ----------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_person_goes_and_what_they_did_stays(store_url: str, there: FakeReceiver, clock: FakeClock) -> None:
    async with serving(batches(), store_url, there.origin, clock=clock, people={"erik": "lead"}) as service:
        await service.people.aadd("dora", name="Dora Diaz", contact="dora@example.com", roles=["lead"])
        run = await service.arun(Ask(text="x"), by="nils")
        first, second, third = run.waiting_for
        await service.areject(first.id, by="dora", reason=SECRET)
        await service.aapprove(second.id, by="dora", reason=SECRET)
        await service.areject(third.id, by="erik", reason="no room")
        async with open_office(store_url, clock=clock) as office:
            with pytest.raises(NotErasable, match="not over"):
                await office.keeping.erase_person("dora", by="alice", reason="they left")
        assert (await service.aresume(run.id)).status == "done"
        cancelled = (await service.arun(Ask(text="y"), by="nils")).id
        await service.acancel(cancelled, by="dora", reason=SECRET)
        async with open_office(store_url, clock=clock) as office:
            await sequence_all(office.store)
            kept = await office.store.read(head)
            (id,) = [one.id for one in await office.people.all() if one.handle == "dora"]
            hold = await office.keeping.place_hold("run", run.id, by="erik", reason="a claim")
            with pytest.raises(NotErasable, match=hold.id):
                await office.keeping.erase_person("dora", by="alice", reason="they left")
            await office.keeping.lift_hold(hold.id, by="erik", reason="settled")
            with pytest.raises(NotErasable, match="answers for"):
                await office.keeping.erase_person("alice", by="alice", reason="they left")
            done = await office.keeping.erase_person("dora", by="alice", reason="they left")
            assert done.person == id and len(done.decisions) == 2
            text = await _dump(office)
            for gone in (SECRET, "Dora Diaz", "dora@example.com", "dora"):
                assert gone.encode() not in text, gone
            assert b"no room" in text
            await sequence_all(office.store)
            assert (await office.store.read(lambda tx: verify_ledger(tx, kept=kept))).sound
            assert await _faults(office) == []
            (record,) = [
                entry.record
                for entry in await office.store.read(lambda tx: records_of(tx, ""))
                if isinstance(entry.record, PersonErased)
            ]
            assert (record.person, record.reason) == (id, "they left") and record.by != id
        decided = [Decision(**row) for row in await rows(service, "decisions")]
        assert sorted((one.by == id, one.reason) for one in decided) == [
            (False, "no room"),
            (True, "[erased]"),
            (True, "[erased]"),
        ]
        with pytest.raises(UnknownId):
            await service.afreeze("system", by="dora", reason="still here?")
        with pytest.raises(InvalidInput):
            await service.afreeze("system", by=f"erased {id}", reason="still here?")
        await service.people.aadd("dora", roles=["lead"])
        assert id not in [one.id for one in await service.people.aall() if one.handle == "dora"]


@pytest.mark.anyio
async def test_words_that_were_cut_where_a_run_ended_go_too(
    store_url: str, there: FakeReceiver, clock: FakeClock
) -> None:
    async with serving(letters(), store_url, there.origin, clock=clock, people={"erik": "lead"}) as service:
        run = await service.arun(Ask(text="x"), by="nils")
        await service.areject(run.waiting_for[0].id, by="dora", reason=f"{SECRET} " * 200)
        run = await service.aresume(run.id)
        assert run.status == "denied" and run.detail.endswith("more characters")
        async with open_office(store_url, clock=clock) as office:
            await office.keeping.erase_person("dora", by="alice", reason="they left")
            assert SECRET.encode() not in await _dump(office) and await _faults(office) == []


@pytest.mark.anyio
async def test_the_words_of_votes_go_with_their_person(store_url: str, there: FakeReceiver, clock: FakeClock) -> None:
    people = {"erik": "lead"}
    async with serving(letters(by=quorum(2, LEAD)), store_url, there.origin, clock=clock, people=people) as service:
        run = await service.arun(Ask(text="x"), by="nils")
        await service.aapprove(run.waiting_for[0].id, by="dora", reason=SECRET)
        async with open_office(store_url, clock=clock) as office:
            with pytest.raises(NotErasable, match="not over"):
                await office.keeping.erase_person("dora", by="alice", reason="they left")
        await service.aapprove(run.waiting_for[0].id, by="erik", reason="fine")
        assert (await service.aresume(run.id)).status == "done"
        (vote,) = await rows(service, "votes")
        async with open_office(store_url, clock=clock) as office:
            done = await office.keeping.erase_person("dora", by="alice", reason="they left")
            assert (done.votes, done.decisions) == ((vote["id"],), ())
            assert SECRET.encode() not in await _dump(office)
            assert await _faults(office) == []
        assert [row["reason"] for row in await rows(service, "votes")] == ["[erased]"]


@pytest.mark.anyio
async def test_a_forged_decision_is_not_erased_with_its_person(
    store_url: str, there: FakeReceiver, clock: FakeClock
) -> None:
    async with serving(letters(), store_url, there.origin, clock=clock, people={"erik": "lead"}) as service:
        await _sent(service)
        await tamper(service, "decisions", outcome="rejected")
        async with open_office(store_url, clock=clock) as office:
            with pytest.raises(Exception, match="would hide it"):
                await office.keeping.erase_person("dora", by="alice", reason="hide it")
        assert "dora" in [one.handle for one in await service.people.aall()]


# -- retention --------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_old_runs_are_pruned_and_younger_and_held_ones_stay(
    store_url: str, there: FakeReceiver, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(letters(), store_url, there.origin, clock=clock) as service:
        old, held = await _sent(service), await _sent(service)
        waiting = (await service.arun(Ask(), by="nils")).id
        clock.advance(200 * DAY_SECONDS)
        young = await _sent(service)
        async with open_office(store_url, clock=clock) as office:
            hold = await office.keeping.place_hold("run", held, by="dora", reason="a claim")
            with pytest.raises(NotErasable, match="younger than 183 days"):
                await office.keeping.prune(clock.now() - 182 * DAY_SECONDS * 10**6, by="alice", reason="space")
            done, skipped = await office.keeping.prune(
                clock.now() - 190 * DAY_SECONDS * 10**6, by="alice", reason="space"
            )
            assert done == [old] and list(skipped) == [held] and hold.id in skipped[held]
            assert await _faults(office) == []
            again, _ = await office.keeping.prune(clock.now() - 190 * DAY_SECONDS * 10**6, by="alice", reason="space")
            assert again == []
            monkeypatch.setenv("ANSWERABLE_RETENTION_DAYS", "365")
            with pytest.raises(NotErasable, match="younger than 365 days"):
                await office.keeping.prune(clock.now() - 190 * DAY_SECONDS * 10**6, by="alice", reason="space")
            monkeypatch.setenv("ANSWERABLE_RETENTION_DAYS", "a year")
            with pytest.raises(InvalidInput, match="a year"):
                await office.keeping.prune(0, by="alice", reason="space")
        assert {row["run"] for row in await rows(service, "steps")} == {held, waiting, young}
        assert {row["run"] for row in await rows(service, "messages") if not row["payload"]} == {old}
        assert {row["run"] for row in await rows(service, "decisions")} == {old, held, young}
        assert len(await service.store.read(lambda tx: tx.all(Statement(select(runs.c.id))))) == 4
        assert len(await service.store.read(lambda tx: tx.all(Statement(select(people.c.id))))) >= 3


@pytest.mark.anyio
async def test_who_does_not_answer_for_it_erases_nothing(store_url: str, there: FakeReceiver, clock: FakeClock) -> None:
    async with serving(letters(), store_url, there.origin, clock=clock, people={"erik": "lead"}) as service:
        run = await _sent(service)
        clock.advance(400 * DAY_SECONDS)
        before = await rows(service, "messages")
        async with open_office(store_url, clock=clock) as office:
            for what, id in (("run", run), ("message", before[0]["id"])):
                with pytest.raises(NotEligible, match="somebody else answers"):
                    await office.keeping.erase_payloads(what, id, by="dora", reason="hide it")  # type: ignore[arg-type]  # a loop
            done, skipped = await office.keeping.prune(
                clock.now() - 190 * DAY_SECONDS * 10**6, by="dora", reason="space"
            )
            assert done == [] and "somebody else answers" in skipped[run]
            with pytest.raises(NotEligible, match="dora answers for no system here"):
                await office.keeping.erase_person("erik", by="dora", reason="hide them")
            assert await rows(service, "messages") == before
            await office.keeping.erase_person("erik", by="erik", reason="I leave")
            await office.keeping.erase_person("dora", by="alice", reason="they asked for it")
            assert await _faults(office) == []
