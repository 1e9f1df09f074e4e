from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import bindparam, delete, insert, select, update

from answerable.tracing.ledger import cursors, merkle
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.merkle import Head, leaf_hash
from answerable.tracing.ledger.sequencer import StoredHashes, head, sequence_all
from answerable.tracing.ledger.verify import FAULTS_LISTED, LedgerReport, verify_ledger
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx, open_store
from answerable.tracing.storage.tables.ledger import records, tree_nodes
from tests.tracing.storage.store_worker import step

BODY = Statement(select(records.c.body).where(records.c.seq == bindparam("place")))
CHANGE_BODY = Statement(update(records).where(records.c.seq == bindparam("place")).values(body=bindparam("changed")))
CHANGE_BOTH = Statement(
    update(records)
    .where(records.c.seq == bindparam("place"))
    .values(body=bindparam("changed"), leaf=bindparam("new_leaf"))
)
CHANGE_RUN = Statement(update(records).where(records.c.seq == bindparam("place")).values(run="run_2"))
REMOVE = Statement(delete(records).where(records.c.seq == bindparam("place")))
CUT = Statement(delete(records).where(records.c.seq >= bindparam("size")))
MOVE_UP = Statement(update(records).where(records.c.seq == bindparam("place")).values(seq=bindparam("target")))
CHANGE_NODE = Statement(update(tree_nodes).where(tree_nodes.c.position == bindparam("at")).values(hash=b"x" * 32))
REMOVE_NODE = Statement(delete(tree_nodes).where(tree_nodes.c.position == bindparam("at")))
ADD_NODE = Statement(insert(tree_nodes).values(level=8, position=bindparam("at"), hash=b"x" * 32))


async def filled(store: Store, count: int = 600) -> Head:
    """A ledger of so many records, and the head that an honest outsider keeps of it."""
    await store.write(lambda tx: append_all(tx, [step(number, "run_1") for number in range(count)]))
    await sequence_all(store)
    return await store.read(head)


async def verify(store: Store, kept: Head | None = None) -> LedgerReport:
    return await store.read(partial(verify_ledger, kept=kept))


def wheres(report: LedgerReport) -> list[str]:
    return [fault.where for fault in report.faults]


@pytest.mark.anyio
async def test_an_empty_ledger_is_sound(store: Store) -> None:
    report = await verify(store, Head(size=0, root=merkle.EMPTY_ROOT))
    assert (report.sound, report.unplaced, report.head) == (True, 0, Head(size=0, root=merkle.EMPTY_ROOT))


@pytest.mark.anyio
async def test_an_untouched_ledger_is_sound(store: Store) -> None:
    older = await filled(store, 300)
    kept = await filled(store, 2300)
    await store.write(lambda tx: append_all(tx, [step(number, "run_2") for number in range(7)]))
    for head_kept in (None, older, kept):
        report = await verify(store, head_kept)
        assert report.faults == ()
        assert report.sound
        assert (report.head, report.unplaced) == (kept, 7)
    assert kept.root == await store.read(lambda tx: merkle.root(StoredHashes(tx), 2600))


@pytest.mark.anyio
async def test_changed_bytes_are_found(store: Store) -> None:
    kept = await filled(store)

    def work(tx: Tx) -> None:
        row = tx.one(BODY, place=300)
        assert row is not None
        tx.run(CHANGE_BODY, place=300, changed=row[0].replace(b"run_1", b"run_2"))

    await store.write(work)
    assert wheres(await verify(store)) == ["record 300", "record 300", "tree node 8/1"]
    report = await verify(store, kept)
    assert not report.sound
    assert wheres(report)[-1] == "the kept head of 600 records"
    assert "its bytes are not those" in str(report.faults[0])


@pytest.mark.anyio
async def test_changed_bytes_whose_hashes_were_changed_too(store: Store) -> None:
    """Somebody who knows the tree hides the change in it; only a head that was kept elsewhere still finds it."""
    kept = await filled(store)

    def work(tx: Tx) -> None:
        changed = step(300, "run_1").model_copy(update={"host": "elsewhere"}).model_dump_json().encode()
        tx.run(CHANGE_BOTH, place=300, changed=changed, new_leaf=leaf_hash(changed))
        node = merkle.fold(StoredHashes(tx).read(0, 256, 256))
        mend = update(tree_nodes).where(tree_nodes.c.position == 1).values(hash=bindparam("mended"))
        tx.run(Statement(mend), mended=node)

    await store.write(work)
    assert (await verify(store)).sound
    report = await verify(store, kept)
    assert [str(fault) for fault in report.faults] == [
        "the kept head of 600 records: the records are not those that it was made of: one was changed"
    ]


@pytest.mark.anyio
async def test_a_row_that_says_another_run_than_its_record(store: Store) -> None:
    await filled(store)
    await store.write(lambda tx: tx.run(CHANGE_RUN, place=3))
    report = await verify(store)
    assert [str(fault) for fault in report.faults] == [
        "record 3: its row says another run, kind or time than its bytes"
    ]


@pytest.mark.anyio
@pytest.mark.parametrize("body", [b"", b"{}", b"not JSON", b"\xff", b'{"kind":"step.started","surprise":1}'])
async def test_bytes_that_are_no_record(store: Store, body: bytes) -> None:
    await filled(store, 3)
    await store.write(lambda tx: tx.run(CHANGE_BOTH, place=1, changed=body, new_leaf=leaf_hash(body)))
    report = await verify(store)
    assert wheres(report) == ["record 1"]
    assert "no record that this program knows" in report.faults[0].what


@pytest.mark.anyio
@pytest.mark.parametrize(("old", "new"), [(b"run_1", b"run\xff1"), (b"run_1", b"run\\q1"), (b"stp_", b"st\xff_")])
async def test_bytes_that_are_no_text(store: Store, old: bytes, new: bytes) -> None:
    await filled(store, 3)
    body = step(1, "run_1").model_dump_json().encode().replace(old, new)
    await store.write(lambda tx: tx.run(CHANGE_BOTH, place=1, changed=body, new_leaf=leaf_hash(body)))
    report = await store.read(lambda tx: verify_ledger(tx, deep=True))
    assert wheres(report) == ["record 1"]
    assert wheres(await verify(store)) == (["record 1"] if old == b"run_1" else [])


@pytest.mark.anyio
async def test_text_in_place_of_bytes(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    try:
        await filled(store, 3)
        await store.write(lambda tx: tx.run(CHANGE_BODY, place=1, changed="text"))
        assert set(wheres(await verify(store))) == {"record 1"}
    finally:
        store.close()


@pytest.mark.anyio
async def test_a_removed_record_is_found(store: Store) -> None:
    await filled(store)
    await store.write(lambda tx: tx.run(REMOVE, place=5))
    report = await verify(store)
    assert [str(fault) for fault in report.faults] == ["record 5: missing: the next one is record 6"]


@pytest.mark.anyio
async def test_two_records_that_changed_places(store: Store) -> None:
    kept = await filled(store)

    def work(tx: Tx) -> None:
        for place, target in ((5, 10_000), (6, 5), (10_000, 6)):
            tx.run(MOVE_UP, place=place, target=target)

    await store.write(work)
    assert wheres(await verify(store, kept)) == ["tree node 8/0", "the kept head of 600 records"]


@pytest.mark.anyio
async def test_a_cut_tail_is_found(store: Store) -> None:
    kept = await filled(store)
    await store.write(lambda tx: tx.run(CUT, size=500))
    assert wheres(await verify(store)) == ["tree node 8/1", "the sequencer"]

    def hide(tx: Tx) -> None:
        tx.run(REMOVE_NODE, at=1)
        cursors.move(tx, cursors.SEQUENCER, 500)

    await store.write(hide)
    assert (await verify(store)).sound
    report = await verify(store, kept)
    assert [str(fault) for fault in report.faults] == [
        "the kept head of 600 records: the ledger has only 500 to compare"
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("work", "says"),
    [
        (lambda tx: tx.run(CHANGE_NODE, at=1), "tree node 8/1: does not fit records 256 to 511"),
        (lambda tx: tx.run(REMOVE_NODE, at=1), "tree node 8/1: missing, for records 256 to 511"),
        (lambda tx: tx.run(ADD_NODE, at=2), "tree node 8/2: stands for records that are not there"),
        (
            lambda tx: cursors.move(tx, cursors.SEQUENCER, 599),
            "the sequencer: has given 599 places, but the ledger ends at 600",
        ),
    ],
)
async def test_a_changed_tree_is_found(store: Store, work: Callable[[Tx], object], says: str) -> None:
    await filled(store)
    await store.write(work)
    assert [str(fault) for fault in (await verify(store)).faults] == [says]


@pytest.mark.anyio
async def test_records_without_a_place_are_read_as_well(store: Store) -> None:
    await store.write(lambda tx: append_all(tx, [step(number, "run_1") for number in range(3)]))
    await store.write(lambda tx: tx.run(Statement(update(records).where(records.c.id == 2).values(body=b"{}"))))
    report = await verify(store)
    assert set(wheres(report)) == {"record without a place (id 2)"}
    assert (report.unplaced, report.head.size) == (3, 0)


@pytest.mark.anyio
async def test_no_end_of_faults(store: Store) -> None:
    await filled(store, 300)
    await store.write(lambda tx: tx.run(Statement(update(records).values(body=b"{}"))))
    report = await verify(store)
    assert len(report.faults) == FAULTS_LISTED
    assert report.faults_found == 2 * 300 + 1
