"""A store of an older schema is brought up when it is opened; one that nobody may write is opened to be read."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Column, MetaData, Table, Text, select
from sqlalchemy.engine import make_url

from answerable.errors import StoreReadOnly, StoreUnavailable
from answerable.orchestrator.office import open_office
from answerable.testing import FakeClock
from answerable.tracing.evidence.handing.readings import record_reading
from answerable.tracing.export.flow import Flow
from answerable.tracing.export.settings import ExportSettings
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.ledger.verify import verify_ledger
from answerable.tracing.people import all_people, ensure_person
from answerable.tracing.storage import schema
from answerable.tracing.storage.schema import missing
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx, open_store
from answerable.tracing.storage.tables.ledger import records
from answerable.tracing.storage.tables.store import SCHEMA_VERSION, metadata
from tests.support.outbox import parcels
from tests.tracing.storage.old_store import write_old_key, write_old_store
from tests.tracing.storage.store_worker import META

_RECORDS = Statement(select(records.c.id))


@pytest.fixture
def old_url(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The store that the last commit with schema 1 wrote, and its key where it is looked for."""
    write_old_store(store_url)
    write_old_key(tmp_path / "old.key")
    monkeypatch.setenv("ANSWERABLE_KEY_FILE", str(tmp_path / "old.key"))
    return store_url


def _there(tx: Tx) -> tuple[set[tuple[str, str]], set[str]]:
    columns = {(str(table), str(column)) for table, column in tx.all(schema.COLUMNS[tx.dialect])}
    return columns, {str(row[0]) for row in tx.all(schema.INDEXES[tx.dialect])}


def _lacks(tx: Tx) -> list[str]:
    columns, indexes = _there(tx)
    return list(missing(metadata, tx.dialect, columns, indexes))


async def _version(store: Store) -> object:
    return await store.read(lambda tx: tx.one(META, wanted="schema_version"))


@pytest.mark.anyio
async def test_an_older_store_gets_what_it_lacks(old_url: str) -> None:
    store = open_store(old_url)
    try:
        assert await store.read(_lacks) == []
        assert await _version(store) == (str(SCHEMA_VERSION),)
    finally:
        store.close()


@pytest.mark.anyio
async def test_what_was_recorded_before_is_sound_and_goes_on(old_url: str) -> None:
    async with open_office(old_url, clock=FakeClock()) as office:
        before = await office.store.read(verify_ledger)
        assert before.sound and before.head.size == 52
        (waiting,) = await office.requests()
        decision = await office.approve(waiting.id, option="as-proposed", by="dora", reason="still wanted")
        assert decision.genuine(office.key) and decision.run == "run-waits"
        await sequence_all(office.store)
        after = await office.store.read(lambda tx: verify_ledger(tx, kept=before.head))
        assert after.sound and after.head.size > 52


@pytest.mark.anyio
async def test_what_was_recorded_before_becomes_spans(old_url: str) -> None:
    store = open_store(old_url)
    flow = Flow(store, ExportSettings(endpoint="http://127.0.0.1:9/v1/traces"))
    while await flow._advance():
        pass
    assert {"run-waits", "run-denied", "run-sent"} <= {one.run for one in await store.read(parcels)}
    store.close()


@pytest.mark.anyio
async def test_two_that_open_it_at_once(old_url: str) -> None:
    begin = threading.Barrier(4)

    def opening() -> Store:
        begin.wait()
        return open_store(old_url)

    stores = await asyncio.gather(*(asyncio.to_thread(opening) for _ in range(4)))
    try:
        assert [await store.read(_lacks) for store in stores] == [[]] * 4
    finally:
        for store in stores:
            store.close()


@pytest.mark.anyio
async def test_nothing_is_half_upgraded(old_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = schema.missing

    def breaks(*given: object) -> Iterable[str]:
        yield from list(made(*given))[:-1]  # type: ignore[arg-type]  # handed on as they came
        raise RuntimeError("in the middle of it")

    with monkeypatch.context() as patched:
        patched.setattr(schema, "missing", breaks)
        with pytest.raises(RuntimeError):
            open_store(old_url)
        patched.setattr("answerable.tracing.storage.store.SCHEMA_VERSION", 1)
        store = open_store(old_url)  # as the old program would
        assert await _version(store) == ("1",)
        store.close()


def test_a_column_is_added_to_a_table_that_is_there() -> None:
    wanted = MetaData()
    Table(
        "notes", wanted, Column("id", Text, primary_key=True), Column("author", Text, server_default="", nullable=False)
    )
    for dialect in ("sqlite", "postgresql"):
        assert list(missing(wanted, dialect, [("notes", "id")], set())) == [
            "ALTER TABLE notes ADD COLUMN author TEXT DEFAULT '' NOT NULL"
        ]


# -- what nobody may write --------------------------------------------------------------------------------------------


def _for_an_auditor(url: str) -> str:
    """The URL of the same store for somebody who may only read it."""
    if make_url(url).get_backend_name() == "sqlite":
        return f"{url}?mode=ro"
    auditor = f"auditor_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(auditor)))
        admin.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(sql.Identifier(auditor)))
    return make_url(url).set(username=auditor).render_as_string(hide_password=False)


@pytest.mark.anyio
async def test_a_store_that_cannot_be_written_is_read_and_the_reading_not_recorded(store_url: str) -> None:
    own = open_store(store_url)
    await own.write(lambda tx: ensure_person(tx, "erin", at=0))
    before = await own.read(lambda tx: tx.all(_RECORDS))
    store = open_store(_for_an_auditor(store_url))
    try:
        assert len(await store.read(all_people)) == 1
        assert not await record_reading(store, by="erin", what="why", about=["run-1"], form="json")
        with pytest.raises(StoreReadOnly):
            await store.write(lambda tx: ensure_person(tx, "finn", at=0))
        assert await own.read(lambda tx: tx.all(_RECORDS)) == before
    finally:
        store.close()
        own.close()


def test_an_older_store_that_cannot_be_written_is_left_alone(old_url: str) -> None:
    with pytest.raises(StoreReadOnly):
        open_store(_for_an_auditor(old_url))


@pytest.mark.anyio
async def test_a_file_beside_which_nothing_can_be_made(sqlite_url: str, tmp_path: Path) -> None:
    open_store(sqlite_url).close()
    (tmp_path / "answerable.db-shm").symlink_to("nowhere")  # where the log's index would lie
    with pytest.raises(StoreUnavailable):
        open_store(sqlite_url)
    store = open_store(f"{sqlite_url}?mode=ro")
    try:
        assert await store.read(all_people) == []
    finally:
        store.close()
    (tmp_path / "answerable.db-wal").write_bytes(b"somebody's newest transactions")
    with pytest.raises(StoreUnavailable):
        open_store(f"{sqlite_url}?mode=ro")
