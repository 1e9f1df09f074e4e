"""Agreement: each row and each record are missed, and each change of a row is seen."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, update

from answerable.approvals.forgeries import faults_of_tables, forgeries
from answerable.approvals.sealing.keys import open_key
from answerable.orchestrator.service import Service
from answerable.testing import FakeReceiver
from answerable.tracing.ledger.agreement import disagreements
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.ledger import records
from answerable.tracing.storage.tables.store import metadata
from tests.orchestrator.letters import Ask, letters, rows, serving, signed

CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("decisions", {"outcome": "rejected"}, "outcome"),
    ("decisions", {"by": "prs_somebody-else"}, "by"),
    ("decisions", {"at": 1}, "at"),
    ("decisions", {"assurance": "signed"}, "assurance"),
    ("decisions", {"digest": "0" * 64}, "digest"),
    ("decisions", {"reason": "because I say so"}, "commitment"),
    ("grants", {"state": "granted"}, "state"),
    ("grants", {"call_digest": "0" * 64}, "call_digest"),
    ("effects", {"state": "prepared"}, "state"),
    ("effects", {"attempt": 0}, "attempt"),
    ("effects", {"sent_at": 1}, "sent_at"),
    ("effects", {"path": "/elsewhere"}, "path_digest"),
    ("effects", {"origin": "https://elsewhere.example"}, "origin"),
    ("requests", {"state": "open"}, "state"),
    ("requests", {"digest": "0" * 64}, "digest"),
    ("requests", {"expires_at": 1}, "expires_at"),
    ("runs", {"status": "waiting"}, "status"),
    ("runs", {"started_by": "prs_somebody-else"}, "started_by"),
    ("runs", {"ended_at": 1}, "ended_at"),
    ("freezes", {"state": "lifted"}, "state"),
    ("freezes", {"by": "prs_somebody-else"}, "by"),
    ("systems", {"responsible": "prs_somebody-else"}, "responsible"),
    ("systems", {"frozen": "[]"}, "frozen"),
    ("people", {"roles": '["lead", "root"]'}, "roles"),
]
FORGED: list[tuple[str, dict[str, Any], str]] = [
    ("decisions", {"outcome": "rejected"}, "decision"),
    ("grants", {"expires_at": 2**60}, "grant"),
    ("requests", {"mac": "0" * 64}, "request"),
    ("requests", {"view": b"{}"}, "request"),
    ("effects", {"body": b"{}"}, "effect"),
]


async def _played(service: Service[Any, Any]) -> None:
    """One run that was sent, one that waits, and a freeze that stands."""
    assert (await signed(service)).status == "done"
    await service.arun(Ask(text="waits"), by="nils")
    await service.afreeze("effect:post", by="dora", reason="a look")


async def _faults(service: Service[Any, Any]) -> list[str]:
    return await service.store.read(lambda tx: [str(fault) for fault in disagreements(tx)])


@pytest.mark.anyio
async def test_tables_and_records_agree_until_somebody_changes_a_row(store_url: str) -> None:
    with FakeReceiver() as there:
        async with serving(letters(), store_url, there.origin) as service:
            await _played(service)
            key = await open_key(service.store)
            assert await service.store.read(lambda tx: list(faults_of_tables(tx, key))) == []
            for table, values, column in CHANGES:
                faults = await _with_changed(service, table, values, disagreements)
                assert faults and all(column in fault for fault in faults), (table, values, faults)
            for table, values, what in FORGED:
                faults = await _with_changed(service, table, values, lambda tx: forgeries(tx, key))
                assert faults and all(fault.startswith(what) for fault in faults), (table, values, faults)


async def _with_changed(service: Service[Any, Any], table: str, values: dict[str, Any], check: Any) -> list[str]:
    """What is found while every row of a table has these values."""

    class Undo(Exception):
        pass

    found: list[str] = []

    def work(tx: Tx) -> None:
        tx.run(Statement(update(metadata.tables[table]).values(values)))
        found.extend(str(fault) for fault in check(tx))
        raise Undo

    with pytest.raises(Undo):
        await service.store.write(work)
    return found


@pytest.mark.anyio
@pytest.mark.parametrize("table", ["decisions", "grants", "effects", "requests", "freezes", "people"])
async def test_a_row_that_is_gone_and_one_that_nobody_recorded(store_url: str, table: str) -> None:
    there = metadata.tables[table]
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            await _played(service)
            one = (await rows(service, table))[0]
            await service.store.write(lambda tx: tx.run(Statement(delete(there).where(there.c.id == one["id"]))))
            (missing,) = await _faults(service)
            assert one["id"] in missing and "has a record and no row" in missing
            forged = one | {"id": "forged"}
            await service.store.write(lambda tx: tx.run(inserting(there), **forged))
            assert any("forged: has a row and no record" in fault for fault in await _faults(service))


@pytest.mark.anyio
async def test_a_row_of_a_run_that_never_was(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            await _played(service)
            (one,) = await rows(service, "decisions")
            for run in ("zzz", "", "A"):
                forged = one | {"id": f"forged-{run}", "run": run, "request": f"request-{run}"}
                await service.store.write(
                    lambda tx, forged=forged: tx.run(inserting(metadata.tables["decisions"]), **forged)  # type: ignore[misc]  # bound now
                )
            assert sorted(fault.split(":")[0] for fault in await _faults(service)) == [
                "decision forged-",
                "decision forged-A",
                "decision forged-zzz",
            ]


@pytest.mark.anyio
async def test_a_record_that_nobody_acted_on(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            await _played(service)
            made_up = Decided(
                at=1, system="letters", run="run-1", decision="dec_1", request="req_1", approval="sign", step="stp_1",
                digest="", outcome="approved", option="as-proposed", by="prs_1", asked_at=0, grants=("grt_1",),
            )  # fmt: skip
            await service.store.write(lambda tx: append(tx, made_up))
            found = await _faults(service)
            assert any("decision dec_1: has a record and no row" in fault for fault in found)
            assert any("grant grt_1: has a record and no row" in fault for fault in found)


@pytest.mark.anyio
async def test_a_record_that_is_none_is_passed_over(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            await _played(service)
            broken = Statement(update(records).where(records.c.kind == "froze").values(body=b'{"kind": "froze"}'))
            await service.store.write(lambda tx: tx.run(broken))
            assert any("has a row and no record" in fault for fault in await _faults(service))
