from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from answerable.tracing.ledger import cursors, merkle
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.sequencer import StoredHashes, sequence, sequence_all
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx, open_store
from answerable.tracing.storage.tables.ledger import records, tree_nodes
from tests.tracing.storage.store_worker import step, undone

ROOT = Path(__file__).parents[2]

IN_ORDER = Statement(select(records.c.seq, records.c.leaf, records.c.id).order_by(records.c.seq))
UNPLACED = Statement(select(func.count()).select_from(records).where(records.c.seq.is_(None)))
NODES = Statement(select(tree_nodes.c.level, tree_nodes.c.position, tree_nodes.c.hash))


async def append(store: Store, count: int, run: str = "run_1") -> None:
    await store.write(lambda tx: append_all(tx, [step(number, run) for number in range(count)]))


async def check(store: Store) -> list[bytes]:
    """The leaves in their order; every place is given once, and the tree stored for them is theirs."""

    def work(tx: Tx) -> list[bytes]:
        rows = tx.all(IN_ORDER)
        leaves = [row[1] for row in rows]
        assert [row[0] for row in rows] == list(range(len(rows)))
        assert cursors.position_of(tx, cursors.SEQUENCER) == len(rows)
        expected = {
            (level, position): merkle.fold(leaves[position << level : (position + 1) << level])
            for level in (8, 16)
            for position in range(len(rows) >> level)
        }
        assert {row[:2]: row[2] for row in tx.all(NODES)} == expected
        return leaves

    return await store.read(work)


@pytest.mark.anyio
async def test_places_follow_the_order_of_appending(store: Store) -> None:
    assert await store.write(sequence) == 0
    await append(store, 3)
    await undone(store, "run_1")  # on PostgreSQL this leaves a gap between the ids
    await append(store, 3)
    assert await store.write(lambda tx: sequence(tx, at_most=4)) == 4
    assert await store.read(lambda tx: tx.one(UNPLACED)) == (2,)
    assert await store.write(lambda tx: sequence(tx, at_most=4)) == 2
    assert await store.write(sequence) == 0
    await check(store)
    ids = [row[2] for row in await store.read(lambda tx: tx.all(IN_ORDER))]
    assert ids == sorted(ids)


@pytest.mark.anyio
async def test_all_at_once(store: Store) -> None:
    await append(store, 2500)
    assert await sequence_all(store) == 2500
    assert await sequence_all(store) == 0
    assert len(await check(store)) == 2500


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(batches=st.lists(st.integers(1, 400), min_size=1, max_size=8), at_most=st.integers(1, 600))
def test_the_tree_does_not_depend_on_the_batches(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int], at_most: int
) -> None:
    async def go() -> None:
        store = open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'a.db'}")
        try:
            for batch in batches:
                await append(store, batch)
                await store.write(lambda tx: sequence(tx, at_most=at_most))
            while await store.write(lambda tx: sequence(tx, at_most=at_most)):
                pass
            leaves = await check(store)
            for size in {0, 1, len(leaves) // 2, len(leaves)}:
                assert await store.read(partial(root_of, size=size)) == definition(leaves[:size])
        finally:
            store.close()

    asyncio.run(go())


def root_of(tx: Tx, size: int) -> bytes:
    return merkle.root(StoredHashes(tx), size)


def definition(leaves: list[bytes]) -> bytes:
    """The root as RFC 9162 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return merkle.node_hash(definition(leaves[:k]), definition(leaves[k:]))


@pytest.mark.anyio
async def test_proofs_from_the_store(store: Store) -> None:
    await append(store, 700)
    await sequence_all(store)
    leaves = await check(store)

    def work(tx: Tx) -> None:
        hashes = StoredHashes(tx)
        root = merkle.root(hashes, 700)
        for index in (0, 255, 256, 511, 699):
            proof = merkle.inclusion_proof(hashes, index, 700)
            assert merkle.verify_inclusion(leaves[index], index, 700, proof, root)
        for older in (1, 256, 300, 512, 699, 700):
            proof = merkle.consistency_proof(hashes, older, 700)
            assert merkle.verify_consistency(older, 700, merkle.root(hashes, older), root, proof)

    await store.read(work)


@pytest.mark.anyio
async def test_a_third_level(sqlite_url: str) -> None:
    """Level 16 appears with the 65,536th record; the tree stays cheap above it."""
    store = open_store(sqlite_url)
    try:
        for _ in range(66):
            await append(store, 1000)
        assert await sequence_all(store) == 66_000
        leaves = await check(store)
        assert {row[:2] for row in await store.read(lambda tx: tx.all(NODES))} >= {(16, 0), (8, 256)}
        assert await store.read(lambda tx: merkle.root(StoredHashes(tx), 66_000)) == definition(leaves)
        proof = await store.read(lambda tx: merkle.inclusion_proof(StoredHashes(tx), 65_700, 66_000))
        assert merkle.verify_inclusion(leaves[65_700], 65_700, 66_000, proof, definition(leaves))
    finally:
        store.close()


@pytest.mark.anyio
async def test_a_sequencer_that_fails_leaves_no_trace(store: Store) -> None:
    class Stop(Exception):
        pass

    def work(tx: Tx) -> None:
        assert sequence(tx) == 300
        raise Stop

    await append(store, 300)
    with pytest.raises(Stop):
        await store.write(work)
    assert await store.read(lambda tx: tx.all(NODES)) == []
    assert await sequence_all(store) == 300
    await check(store)


# -- several at once --------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_what_is_committed_late_comes_late_and_is_not_missed(postgres_url: str) -> None:
    store = open_store(postgres_url)
    try:
        written, go_on = threading.Event(), threading.Event()

        def slow(tx: Tx) -> None:
            append_all(tx, [step(number, "slow") for number in range(2)])
            written.set()
            go_on.wait()

        waiting = asyncio.create_task(store.write(slow))
        await asyncio.to_thread(written.wait)
        await append(store, 3, "quick")
        assert await sequence_all(store) == 3
        assert not waiting.done()
        go_on.set()
        await waiting
        assert await sequence_all(store) == 2
        await check(store)
        ids = [row[2] for row in await store.read(lambda tx: tx.all(IN_ORDER))]
        assert ids == [3, 4, 5, 1, 2]
    finally:
        store.close()


@pytest.mark.anyio
async def test_a_second_follower_leaves_the_work_to_the_first(postgres_url: str) -> None:
    store = open_store(postgres_url)
    try:
        await append(store, 3)
        placed, go_on = threading.Event(), threading.Event()

        def slow(tx: Tx) -> int:
            count = sequence(tx)
            placed.set()
            go_on.wait()
            return count

        waiting = asyncio.create_task(store.write(slow))
        await asyncio.to_thread(placed.wait)
        assert await store.write(sequence) == 0
        go_on.set()
        assert await waiting == 3
        await check(store)
    finally:
        store.close()


@pytest.mark.anyio
async def test_appenders_and_sequencers_in_several_processes(store_url: str) -> None:
    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.tracing.storage.store_worker", *arguments]
        return subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE)

    def work() -> None:
        sequencers = [start("place", store_url) for _ in range(2)]
        appenders = [start("append", store_url, f"run_{number}", "60") for number in range(3)]
        for process in appenders:
            process.communicate()
        for process in sequencers:
            process.communicate("enough\n")
        assert [process.returncode for process in [*appenders, *sequencers]] == [0] * 5

    await asyncio.to_thread(work)
    store = open_store(store_url)
    try:
        await sequence_all(store)
        assert await store.read(lambda tx: tx.one(UNPLACED)) == (0,)
        await check(store)
        of_runs = Statement(select(records.c.run, records.c.at).order_by(records.c.seq))
        rows = await store.read(lambda tx: tx.all(of_runs))
        for number in range(3):
            name = f"run_{number}"
            assert [at for run, at in rows if run == name] == list(range(expected(name)))
    finally:
        store.close()


def expected(run: str) -> int:
    """How many records the process that appends to `run` writes, by the same choices."""
    choices = random.Random(run)
    total = 0
    for _ in range(60):
        total += choices.randint(1, 5)
        choices.random()
        choices.random()
    return total


@pytest.mark.anyio
async def test_a_place_is_never_given_twice(store: Store) -> None:
    await append(store, 3)
    await sequence_all(store)
    twice = Statement(update(records).where(records.c.seq == 2).values(seq=1))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.write(lambda tx: tx.run(twice))
