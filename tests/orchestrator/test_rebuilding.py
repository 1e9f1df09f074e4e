"""Rebuilding: what it mends, what it refuses, and that nobody gets authority by it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from sqlalchemy import delete, update

from answerable.approvals.deciding.decisions import Decision
from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.sealing.keys import open_key
from answerable.errors import RunBusy, StoreCorrupt
from answerable.orchestrator.office import open_office
from answerable.orchestrator.rebuilding.rows import Rebuilt
from answerable.orchestrator.service import Service
from answerable.testing import FakeReceiver
from answerable.tracing.ledger.entries import append, records_of
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.store import StoreRebuilt
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.tables.approvals import decisions, exemptions, grants
from answerable.tracing.storage.tables.ledger import records
from answerable.tracing.storage.tables.runs import runs
from answerable.tracing.storage.tables.stops import freezes
from answerable.tracing.storage.tables.store import metadata
from tests.orchestrator.letters import Ask, insert, letters, rows, serving, signed, tamper
from tests.support.servers import NOWHERE
from tests.tracing.storage.old_store import write_old_key, write_old_store


async def _rebuilt(url: str) -> Rebuilt:
    async with open_office(url) as office:
        await sequence_all(office.store)
        return await office.keeping.rebuild(by="dora", reason="a disk was damaged")


async def _faults(url: str) -> list[str]:
    async with open_office(url) as office:
        return await office.store.read(lambda tx: [str(one) for one in faults_of_tables(tx, office.key)])


async def _forget(service: Service[Any, Any], *tables: str) -> None:
    for table in tables:
        gone = Statement(delete(metadata.tables[table]))
        await service.store.write(lambda tx, gone=gone: tx.run(gone))  # type: ignore[misc]  # bound now


@pytest.mark.anyio
async def test_what_records_tell_is_made_again_and_recorded(store_url: str) -> None:
    app = letters()
    with FakeReceiver() as there:
        async with serving(app, store_url, there.origin) as service:
            await signed(service)
            await service.afreeze("effect:post", by="dora", reason="a look")
            before = {table: await rows(service, table) for table in ("decisions", "grants", "freezes", "systems")}
            await _forget(service, *before)
        done = await _rebuilt(store_url)
        assert len(done.made) == 4 and not (done.changed or done.dropped or done.not_made)
        assert await _faults(store_url) == []
        async with serving(app, store_url, there.origin) as service:
            made = {table: await rows(service, table) for table in before}
            made["systems"] = [row | {"rules": 0} for row in made["systems"]]  # so that rules are read anew
            assert made == before
            (record,) = [
                entry.record
                for entry in await service.store.read(lambda tx: records_of(tx, ""))
                if isinstance(entry.record, StoreRebuilt)
            ]
            assert record.made == done.made and record.reason == "a disk was damaged"
        again = await _rebuilt(store_url)
        assert not (again.made or again.changed or again.dropped or again.not_made)


@pytest.mark.anyio
async def test_a_forged_decision_is_not_laundered(store_url: str) -> None:
    with FakeReceiver() as there:
        async with serving(letters(), store_url, there.origin) as service:
            run = await service.arun(Ask(), by="nils")
            (asked,) = run.waiting_for
            (row,) = await rows(service, "requests")
            (effect,) = await rows(service, "effects")
            (person,) = [one["id"] for one in await rows(service, "people") if one["handle"] == "dora"]
            said: dict[str, Any] = {"request": asked.id, "outcome": "approved", "option": "as-proposed", "by": person}
            said |= {"run": run.id, "digest": asked.digest, "assurance": "asserted-local", "at": row["made_at"] + 1}
            # a row and a record, as somebody writes them who can write to the database
            await insert(service, "decisions", id="dec_forged", **said, message=row["message"], reason="", mac="0" * 64)
            record = Decided(
                **said, system="letters", decision="dec_forged", approval="sign", step=row["step"], asked_at=1,
                grants=("grt_forged",), seal="0" * 64,
            )  # fmt: skip
            await service.store.write(lambda tx: append(tx, record))
            await insert(
                service, "grants", id="grt_forged", run=run.id, effect=effect["id"], decision="dec_forged",
                call_digest=effect["call_digest"], expires_at=2**60, state="granted", mac="0" * 64,
            )  # fmt: skip
        done = await _rebuilt(store_url)
        assert {"decision dec_forged", "grant grt_forged"} <= set(done.not_made)
        async with serving(letters(), store_url, there.origin) as service:
            (made,) = await rows(service, "decisions")
            assert not Decision(**made).genuine(await open_key(service.store))
            assert (await service.aresume(run.id)).status == "waiting"
        assert there.received == []
        assert any("dec_forged: its MAC is wrong" in fault for fault in await _faults(store_url))


@pytest.mark.anyio
async def test_a_decision_that_has_no_record_goes(store_url: str) -> None:
    with FakeReceiver() as there:
        async with serving(letters(), store_url, there.origin) as service:
            run = await service.arun(Ask(), by="nils")
            (asked,) = run.waiting_for
            forged = {"id": "dec_forged", "run": run.id, "request": asked.id, "outcome": "approved", "mac": "0" * 64}
            forged |= {
                "option": "as-proposed",
                "message": "",
                "by": "prs_0",
                "assurance": "",
                "reason": "",
                "digest": "",
            }
            await insert(service, "decisions", **forged, at=1)
            await tamper(service, "requests", state="decided")
        done = await _rebuilt(store_url)
        assert done.dropped == ("decision dec_forged",)
        assert done.changed == (f"request {asked.id}",)
        async with serving(letters(), store_url, there.origin) as service:
            await service.aapprove(asked.id, by="dora")
            assert (await service.aresume(run.id)).status == "done"


@pytest.mark.anyio
async def test_a_reason_that_went_with_its_row_is_not_invented(store_url: str) -> None:
    with FakeReceiver() as there:
        async with serving(letters(), store_url, there.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.areject(run.waiting_for[0].id, by="dora", reason="not like that")
            await _forget(service, "decisions")
        await _rebuilt(store_url)
        async with serving(letters(), store_url, there.origin) as service:
            (made,) = await rows(service, "decisions")
            assert made["reason"] == "[lost]" and Decision(**made).genuine(await open_key(service.store))
        assert await _faults(store_url) == []


@pytest.mark.anyio
async def test_a_call_whose_row_knows_more_than_the_ledger_is_in_doubt(store_url: str) -> None:
    with FakeReceiver() as there:
        async with serving(letters(), store_url, there.origin) as service:
            await service.arun(Ask(), by="nils")
            await tamper(service, "effects", state="sent", attempt=1, sent_at=5)
        await _rebuilt(store_url)
        async with serving(letters(), store_url, there.origin) as service:
            assert [row["state"] for row in await rows(service, "effects")] == ["in-doubt"]
        assert await _faults(store_url) == []


@pytest.mark.anyio
async def test_a_ledger_that_is_not_sound_makes_nothing(store_url: str) -> None:
    with FakeReceiver() as there:
        async with serving(letters(), store_url, there.origin) as service:
            await signed(service)
            await _forget(service, "grants")
            changed = Statement(update(records).where(records.c.kind == "decided").values(body=b"{}"))
            await service.store.write(lambda tx: tx.run(changed))
        with pytest.raises(StoreCorrupt, match="not sound"):
            await _rebuilt(store_url)
        async with serving(letters(), store_url, there.origin) as service:
            assert await rows(service, "grants") == []


@pytest.mark.anyio
async def test_not_while_somebody_works_on_a_run(store_url: str) -> None:
    with FakeReceiver() as there:
        async with serving(letters(), store_url, there.origin) as service:
            await service.arun(Ask(), by="nils")
            busy = Statement(update(runs).values(lease_owner="elsewhere:1:00000000-000000", lease_until=2**60))
            await service.store.write(lambda tx: tx.run(busy))
        with pytest.raises(RunBusy, match="elsewhere"):
            await _rebuilt(store_url)


@pytest.mark.anyio
@pytest.mark.parametrize("where", ["sqlite_url", "empty_postgres_url"])
async def test_records_of_an_older_version_have_no_seal(
    where: str, request: pytest.FixtureRequest, tmp_path: Any, monkeypatch: Any
) -> None:
    store_url: str = request.getfixturevalue(where)  # without tables: an older program makes them
    write_old_store(store_url)
    write_old_key(tmp_path / "old.key")
    monkeypatch.setenv("ANSWERABLE_KEY_FILE", str(tmp_path / "old.key"))
    assert await _faults(store_url) == []
    async with open_office(store_url) as office:
        await office.store.write(lambda tx: tx.run(Statement(delete(grants))))
        await office.store.write(
            lambda tx: tx.run(Statement(delete(decisions).where(decisions.c.outcome == "approved")))
        )
        await office.store.write(lambda tx: tx.run(Statement(update(freezes).values(state="lifted"))))
        await office.store.write(lambda tx: tx.run(Statement(delete(exemptions))))
    done = await _rebuilt(store_url)
    assert sorted(one.split()[0] for one in done.not_made) == ["decision", "grant"]
    assert [one.split()[0] for one in done.changed] == ["freeze"]


@pytest.mark.anyio
async def test_nothing_that_is_written_meanwhile_is_taken_for_forged(postgres_url: str) -> None:
    async with serving(letters(), postgres_url, NOWHERE) as service, open_office(postgres_url) as office:
        added = 0

        async def keep_writing() -> None:
            nonlocal added
            while added < 200 and not over:
                await service.people.aadd(f"guest-{added}", roles=["clerk"])
                added += 1
                await sequence_all(service.store)

        over: list[bool] = []
        async with anyio.create_task_group() as group:
            group.start_soon(keep_writing)
            done: list[Rebuilt] = []
            while len(done) < 20 or added <= 5:  # however slow either is
                done.append(await office.keeping.rebuild(by="dora", reason="a look"))
            over.append(True)
        assert not [one for one in done if one.made or one.changed or one.dropped or one.not_made]
        assert await _faults(postgres_url) == []
