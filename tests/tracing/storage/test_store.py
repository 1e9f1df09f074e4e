from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from sqlalchemy import bindparam, select, text, update

from answerable.errors import StoreCorrupt, StoreError, StoreFull, StoreNewer, StoreUnavailable
from answerable.tracing.storage import store as store_module
from answerable.tracing.storage.statements import Statement, inserting
from answerable.tracing.storage.store import Store, Tx, open_store, store_id
from answerable.tracing.storage.tables.ledger import tree_nodes
from answerable.tracing.storage.tables.runs import runs
from answerable.tracing.storage.tables.store import SCHEMA_VERSION, meta
from tests.tracing.storage.store_worker import CHANGE_META, META, SET_META

ROOT = Path(__file__).parents[2]
SYNCHRONOUS = {
    "sqlite": Statement(text("PRAGMA synchronous")),
    "postgresql": Statement(text("SHOW synchronous_commit")),
}


def worker(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.tracing.storage.store_worker", *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


async def set_value(store: Store, key: str, value: str) -> None:
    await store.write(lambda tx: tx.run(SET_META, key=key, value=value))


async def value_of(store: Store, key: str) -> str | None:
    row = await store.read(lambda tx: tx.one(META, wanted=key))
    return None if row is None else str(row[0])


# -- transactions -----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_transaction_returns_what_its_function_returns(store_url: str) -> None:
    with closing(open_store(store_url)) as store:
        assert await store.write(lambda tx: tx.run(SET_META, key="a", value="1")) == 1
        assert await store.write(lambda tx: tx.run(CHANGE_META, wanted="none", new="1")) == 0
        assert await store.read(lambda tx: tx.one(META, wanted="a")) == ("1",)
        assert await store.read(lambda tx: tx.all(META, wanted="none")) == []


@pytest.mark.anyio
async def test_a_transaction_that_raises_writes_nothing(store_url: str) -> None:
    class Stop(BaseException):
        pass

    def work(tx: Tx) -> None:
        tx.run(SET_META, key="a", value="1")
        raise Stop

    with closing(open_store(store_url)) as store:
        with pytest.raises(Stop):
            await store.write(work)
        assert await value_of(store, "a") is None
        await set_value(store, "a", "2")
        assert await value_of(store, "a") == "2"


@pytest.mark.anyio
async def test_a_database_error_undoes_what_came_before_it(store_url: str) -> None:
    def work(tx: Tx) -> None:
        tx.run(SET_META, key="b", value="1")
        tx.run(SET_META, key="a", value="2")

    with closing(open_store(store_url)) as store:
        await set_value(store, "a", "1")
        with pytest.raises(StoreError) as caught:
            await store.write(work)
        assert type(caught.value) is StoreError
        assert "password" not in str(caught.value)
        assert await value_of(store, "b") is None
        assert await value_of(store, "a") == "1"


@pytest.mark.anyio
async def test_reading_does_not_write(store_url: str) -> None:
    with closing(open_store(store_url)) as store:
        with pytest.raises(StoreError, match=r"read"):
            await store.read(lambda tx: tx.run(SET_META, key="a", value="1"))
        assert await value_of(store, "a") is None


@pytest.mark.anyio
async def test_a_reader_sees_one_state(store_url: str) -> None:
    with closing(open_store(store_url)) as store, closing(open_store(store_url)) as other:
        await set_value(store, "a", "1")

        def work(tx: Tx) -> tuple[object, object]:
            before = tx.one(META, wanted="a")
            thread = threading.Thread(target=lambda: asyncio.run(change(other)))
            thread.start()
            thread.join()
            return before, tx.one(META, wanted="a")

        async def change(other: Store) -> None:
            await other.write(lambda tx: tx.run(CHANGE_META, wanted="a", new="2"))

        assert await store.read(work) == (("1",), ("1",))
        assert await value_of(store, "a") == "2"


@pytest.mark.anyio
async def test_durable_transactions_and_only_those_wait_for_the_disk(store_url: str) -> None:
    with closing(open_store(store_url)) as store:
        statement = SYNCHRONOUS[store.dialect]
        strong, weak = {"sqlite": (2, 1), "postgresql": ("on", "off")}[store.dialect]
        for durable in (True, False, True, True, False):
            found = await store.write(lambda tx: tx.one(statement), durable=durable)
            assert found == (strong if durable else weak,)


@pytest.mark.anyio
async def test_many_rows_with_values_that_the_statement_fixes(store_url: str) -> None:
    fixed = Statement(
        update(tree_nodes)
        .where(tree_nodes.c.level == 8, tree_nodes.c.position == bindparam("at"))
        .values(hash=bindparam("changed"))
    )
    found = Statement(
        select(tree_nodes.c.position, tree_nodes.c.hash)
        .where(tree_nodes.c.level.in_([8, 9]), tree_nodes.c.position < bindparam("below"))
        .order_by(tree_nodes.c.level, tree_nodes.c.position)
        .limit(5)
    )
    insert = inserting(tree_nodes)
    with closing(open_store(store_url)) as store:

        def work(tx: Tx) -> None:
            tx.many(insert, [{"level": level, "position": at, "hash": b"old"} for level in (8, 9) for at in range(4)])
            tx.many(fixed, [{"at": at, "changed": b"new%d" % at} for at in (0, 2)])
            tx.many(fixed, [])

        await store.write(work)
        rows = await store.read(lambda tx: tx.all(found, below=3))
        assert rows == [(0, b"new0"), (1, b"old"), (2, b"new2"), (0, b"old"), (1, b"old")]


@pytest.mark.anyio
async def test_a_statement_may_set_null_and_use_a_percent_sign(store_url: str) -> None:
    clear = Statement(update(runs).where(runs.c.id == bindparam("run")).values(ended_at=None, detail="100%"))
    like = Statement(select(runs.c.ended_at).where(runs.c.detail.like("1%")))
    row = {column.name: "" if str(column.type) == "TEXT" else 7 for column in runs.columns}
    with closing(open_store(store_url)) as store:
        await store.write(lambda tx: tx.many(inserting(runs), [{**row, "id": "run_1"}]))
        assert await store.write(lambda tx: tx.run(clear, run="run_1")) == 1
        assert await store.read(lambda tx: tx.all(like)) == [(None,)]


def test_a_list_as_a_parameter_is_refused() -> None:
    statement = Statement(select(meta.c.value).where(meta.c.key.in_(bindparam("keys", expanding=True))))
    with pytest.raises(AssertionError, match="in the statement itself"):
        statement.compiled("sqlite")


# -- more than one ----------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_second_process_is_waited_for(store_url: str) -> None:
    with closing(open_store(store_url)) as store:
        await set_value(store, "counter", "0")
        with worker("hold", store_url) as holder:
            assert holder.stdout is not None
            assert holder.stdin is not None
            assert holder.stdout.readline() == "held\n"
            seen: list[object] = []

            def work(tx: Tx) -> None:
                tx.run(CHANGE_META, wanted="counter", new="1")
                seen.append(tx.one(META, wanted="counter"))

            waiting = asyncio.create_task(store.write(work))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            assert await value_of(store, "counter") == "0"  # reading waits for nobody
            holder.stdin.write("go on\n")
            holder.stdin.flush()
            await waiting
            assert holder.wait() == 0
        assert seen == [("1",)]
        assert await value_of(store, "counter") == "1"


@pytest.mark.anyio
async def test_waiting_ends(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LOCK_WAIT_SECONDS", 0.05)
    with closing(open_store(sqlite_url)) as store:
        await set_value(store, "counter", "0")
        with worker("hold", sqlite_url) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(StoreUnavailable, match="another program has held"):
                await set_value(store, "a", "1")
            open_store(sqlite_url).close()  # writes nothing
            holder.communicate("go on\n")
        await set_value(store, "a", "1")


@pytest.mark.anyio
async def test_who_has_no_luck_waits_while_others_are_written(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    busy, now, tried = sqlite3.OperationalError("database is locked"), 0.0, 0
    busy.sqlite_errorname = "SQLITE_BUSY"
    monkeypatch.setattr(store_module, "time", SimpleNamespace(monotonic=lambda: now, sleep=time.sleep))

    def unlucky(tx: Tx) -> int:
        nonlocal now, tried
        now, tried = now + 0.7 * store_module.LOCK_WAIT_SECONDS, tried + 1
        if tried < 5:
            raise busy
        return tried

    with closing(open_store(sqlite_url)) as store:
        waiting = asyncio.create_task(store.write(unlucky))
        while not waiting.done():
            await set_value(store, str(uuid.uuid4()), "1")
            await asyncio.sleep(0)
        assert await waiting == 5


@pytest.mark.anyio
async def test_a_row_that_another_wrote_first_is_seen_by_the_next_try(postgres_url: str) -> None:
    blocked = Statement(text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
    anew = Statement(text("SELECT pg_stat_clear_snapshot()"))  # or a transaction sees the activity as it was at first
    with closing(open_store(postgres_url)) as store:
        written, go_on = threading.Event(), threading.Event()

        def first(tx: Tx) -> str:
            tx.run(SET_META, key="a", value="first")
            written.set()
            go_on.wait()
            return "first"

        def second(tx: Tx) -> str:
            row = tx.one(META, wanted="a")
            if row is None:
                tx.run(SET_META, key="a", value="second")
                return "second"
            return f"found {row[0]}"

        one = asyncio.create_task(store.write(first))
        await asyncio.to_thread(written.wait)
        other = asyncio.create_task(store.write(second))

        def wait(tx: Tx) -> None:
            while tx.one(blocked) == (0,):
                time.sleep(0.01)
                tx.one(anew)

        await store.write(wait)
        go_on.set()
        assert await one == "first"
        assert await other == "found first"


def test_threads_with_their_own_event_loops(store_url: str) -> None:
    with closing(open_store(store_url)) as store:
        errors: list[BaseException] = []

        async def write(name: str) -> None:
            for number in range(25):
                await set_value(store, f"{name}-{number}", name)
                assert await value_of(store, f"{name}-{number}") == name

        def run(name: str) -> None:
            try:
                asyncio.run(write(name))
            except BaseException as error:  # noqa: BLE001  # brought to the test's own thread
                errors.append(error)

        for _ in range(2):  # threads come and go
            threads = [threading.Thread(target=run, args=(f"{number}-{_}",)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert errors == []
        count = Statement(text("SELECT count(*) FROM meta WHERE key LIKE '%-%'"))
        assert asyncio.run(store.read(lambda tx: tx.one(count))) == (200,)


@pytest.mark.anyio
async def test_opening_at_once(store_url: str) -> None:
    stores = await asyncio.gather(*(asyncio.to_thread(open_store, store_url) for _ in range(6)))
    try:
        assert len({await store.read(store_id) for store in stores}) == 1
    finally:
        for store in stores:
            store.close()


def test_a_fork_must_open_its_own(sqlite_url: str) -> None:
    with closing(open_store(sqlite_url)) as store:
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(store.read(store_id))
            except StoreUnavailable as error:
                os._exit(0 if "another process" in error.message else 1)
            os._exit(2)
        assert os.waitpid(child, 0)[1] == 0


# -- closing ----------------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_what_was_written_is_there_when_it_is_opened_again(store_url: str) -> None:
    with closing(open_store(store_url)) as store:
        name = await store.read(store_id)
        await set_value(store, "a", "1")
    with closing(open_store(store_url)) as store:
        assert await store.read(store_id) == name
        assert await value_of(store, "a") == "1"


@pytest.mark.anyio
async def test_a_closed_store_says_so(store_url: str) -> None:
    store = open_store(store_url)
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.read(store_id)
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.write(store_id)


@pytest.mark.anyio
async def test_closing_leaves_no_file_open(sqlite_url: str, tmp_path: Path) -> None:
    def handles() -> list[str]:
        links = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return [str(target) for target in links if target.is_relative_to(tmp_path)]

    store = open_store(sqlite_url)
    await asyncio.to_thread(lambda: asyncio.run(set_value(store, "a", "1")))
    assert handles()
    store.close()
    assert handles() == []
    assert names(tmp_path) == ["answerable.db"]  # the log is folded back into the file


@pytest.mark.anyio
async def test_closing_ends_the_sessions(postgres_url: str) -> None:
    def sessions() -> int:
        with psycopg.connect(postgres_url) as raw:
            row = raw.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ).fetchone()
        assert row is not None
        return int(row[0])

    def wait_for_none() -> None:
        while sessions():
            time.sleep(0.01)

    store = open_store(postgres_url)
    await asyncio.gather(*(set_value(store, str(number), "1") for number in range(20)))
    assert 1 <= sessions() <= 8
    store.close()
    await asyncio.to_thread(wait_for_none)  # the server notices a moment later


@pytest.mark.anyio
async def test_closing_in_a_transaction_lets_it_end(sqlite_url: str, tmp_path: Path) -> None:
    store = open_store(sqlite_url)

    def work(tx: Tx) -> None:
        tx.run(SET_META, key="a", value="1")
        store.close()

    await store.write(work)
    assert names(tmp_path) == ["answerable.db"]
    with closing(open_store(sqlite_url)) as again:
        assert await value_of(again, "a") == "1"


# -- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_full_disk_leaves_nothing_half_written(sqlite_url: str) -> None:
    limit = Statement(text("PRAGMA max_page_count = 1"))  # SQLite takes the present size for its lowest value
    more = Statement(text("PRAGMA max_page_count = 1000000"))
    with closing(open_store(sqlite_url)) as store:
        await set_value(store, "a", "1")

        def fill(tx: Tx) -> None:
            tx.run(CHANGE_META, wanted="a", new="2")
            for number in range(100):
                tx.run(SET_META, key=f"large-{number}", value="x" * 10_000)

        await store.read(lambda tx: tx.one(limit))
        with pytest.raises(StoreFull, match="nothing was written"):
            await store.write(fill)
        assert await value_of(store, "a") == "1"
        assert await value_of(store, "large-0") is None
        await store.read(lambda tx: tx.one(more))
        await store.write(fill)
        assert await value_of(store, "a") == "2"


@pytest.mark.anyio
async def test_a_newer_schema_is_refused_and_left_alone(store_url: str) -> None:
    newer = str(SCHEMA_VERSION + 1)
    with closing(open_store(store_url)) as store:
        await store.write(lambda tx: tx.run(CHANGE_META, wanted="schema_version", new=newer))
        with pytest.raises(StoreNewer, match=f"schema {newer}"):
            open_store(store_url)
        assert await value_of(store, "schema_version") == newer


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("sqlite:///{tmp}/no/such/folder/a.db", StoreUnavailable, "unable to open"),
        ("sqlite:///{tmp}", StoreUnavailable, "unable to open"),
        ("sqlite://", StoreError, "a store is a file"),
        ("sqlite:///:memory:", StoreError, "a store is a file"),
        ("postgresql://answerable:secret@127.0.0.1:1/none", StoreUnavailable, "check that the server runs"),
        ("mysql://127.0.0.1/none", StoreError, "mysql databases are not supported"),
        ("answerable.db", StoreError, "no database URL"),
    ],
)
def test_what_cannot_be_opened(url: str, error: type[StoreError], says: str, tmp_path: Path) -> None:
    with pytest.raises(error) as caught:
        open_store(url.format(tmp=tmp_path))
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "notes.db"
    file.write_bytes(b"These are my notes, and not a database. " * 100)
    with pytest.raises(StoreCorrupt, match="file is not a database"):
        open_store(f"sqlite:///{file}")
    assert file.read_bytes().startswith(b"These are my notes")


@pytest.mark.anyio
async def test_a_damaged_file(sqlite_url: str, tmp_path: Path) -> None:
    with closing(open_store(sqlite_url)) as store:
        await store.write(
            lambda tx: tx.many(SET_META, [{"key": f"key-{number}", "value": "x" * 900} for number in range(200)])
        )
    file = tmp_path / "answerable.db"
    pages = file.read_bytes()
    file.write_bytes(pages[:8192] + b"\xff" * (len(pages) - 8192))
    with pytest.raises(StoreCorrupt), closing(open_store(sqlite_url)) as store:
        await store.read(lambda tx: tx.all(Statement(select(meta.c.value))))


@pytest.mark.anyio
async def test_a_missing_database(postgres_url: str) -> None:
    with pytest.raises(StoreUnavailable, match="does not exist"):
        open_store(postgres_url + "_none")


@pytest.mark.anyio
async def test_connections_that_the_server_ended_while_they_were_idle(postgres_url: str) -> None:
    with closing(open_store(postgres_url)) as store:
        await asyncio.gather(*(set_value(store, str(number), "1") for number in range(20)))
        end_sessions(postgres_url)
        await set_value(store, "a", "1")
        assert await value_of(store, "a") == "1"


@pytest.mark.anyio
async def test_a_connection_that_breaks_in_a_transaction(postgres_url: str) -> None:
    def work(tx: Tx) -> None:
        tx.run(SET_META, key="a", value="1")
        end_sessions(postgres_url)
        tx.run(SET_META, key="b", value="1")

    with closing(open_store(postgres_url)) as store:
        with pytest.raises(StoreUnavailable):
            await store.write(work)
        assert await value_of(store, "a") is None
        await set_value(store, "a", "2")


def end_sessions(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
