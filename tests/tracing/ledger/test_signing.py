"""The key of a ledger, and when it is signed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
from sqlalchemy import bindparam, delete, update

from answerable.approvals.sealing.keys import key_path
from answerable.errors import StoreCorrupt, StoreError
from answerable.orchestrator.office import open_office
from answerable.testing import FakeClock
from answerable.tracing.ledger.checkpointing import Checkpointing
from answerable.tracing.ledger.checkpoints import KeyChain
from answerable.tracing.ledger.entries import append_all
from answerable.tracing.ledger.merkle import leaf_hash
from answerable.tracing.ledger.notes import read_key
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.record import Record
from answerable.tracing.ledger.records.stops import Thawed
from answerable.tracing.ledger.sequencer import sequence_all
from answerable.tracing.ledger.signing import (
    STRETCH,
    SigningKeys,
    checkpoints_of,
    key_file,
    newest_checkpoint,
    open_signer,
    public_file,
    replace_key,
    sign_ledger,
    signing_keys_of,
)
from answerable.tracing.ledger.verify import verify_ledger
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Store, Tx, open_store, store_id
from answerable.tracing.storage.tables.ledger import records
from tests.tracing.storage.store_worker import step

pytestmark = pytest.mark.anyio

T = TypeVar("T")

CHANGE = Statement(
    update(records)
    .where(records.c.seq == bindparam("place"))
    .values(body=bindparam("changed"), leaf=bindparam("new_leaf"))
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANSWERABLE_SIGNING_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("ANSWERABLE_ANCHOR_FOLDER", str(tmp_path / "anchors"))
    return tmp_path


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url, clock=FakeClock())
    yield opened
    opened.close()


async def grow(store: Store, count: int, *more: Record) -> None:
    await store.write(lambda tx: append_all(tx, [*(step(number, "run_1") for number in range(count)), *more]))
    await sequence_all(store)


async def private(store: Store) -> Path:
    return key_file(store.url, await store.read(store_id))


async def test_the_key_is_made_at_first_use_and_private(store: Store) -> None:
    signer = await open_signer(store)
    path = await private(store)
    assert path.stat().st_mode & 0o777 == 0o600
    public = public_file(store.url, await store.read(store_id))
    assert read_key(public.read_text()) == signer.public
    assert signer.public.name == f"answerable/{await store.read(store_id)}"
    assert (await open_signer(store)).public == signer.public
    assert (await store.read(signing_keys_of)).keys == (signer.public,)


async def test_a_key_beside_an_sqlite_store(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSWERABLE_SIGNING_KEYS")
    file = sqlite_url.removeprefix("sqlite:///")
    assert key_file(sqlite_url, "id") == Path(f"{file}.signing-key")
    assert public_file(sqlite_url, "id") == Path(f"{file}.pub")
    assert key_file(sqlite_url, "id") != key_path(sqlite_url, "id")


async def test_many_who_make_it_at_once_have_one_key(store: Store) -> None:
    signers = await asyncio.gather(*(open_signer(store) for _ in range(8)))
    assert len({signer.public for signer in signers}) == 1


@pytest.mark.parametrize("trouble", ["gone", "another", "open to others", "half-written"])
async def test_a_key_that_is_not_as_it_was(store: Store, trouble: str) -> None:
    await open_signer(store)
    path = await private(store)
    if trouble == "gone":
        path.unlink()
    elif trouble == "another":
        path.write_text("ab" * 32)
    elif trouble == "half-written":
        path.write_text("ab")
    else:
        path.chmod(0o640)
    with pytest.raises(StoreError) as raised:
        await open_signer(store)
    assert str(path) in raised.value.message and "ANSWERABLE_SIGNING_KEYS" in raised.value.hint


async def test_only_what_has_grown_is_signed(store: Store) -> None:
    signer = await open_signer(store)
    assert await store.write(lambda tx: sign_ledger(tx, signer, at=1)) is None
    await grow(store, 3)
    made = await store.write(lambda tx: sign_ledger(tx, signer, at=7))
    assert made is not None and made.head.size == 3
    assert KeyChain([signer.public]).check(made) == signer.public
    assert await store.read(newest_checkpoint) == (made, 7)
    assert await store.write(lambda tx: sign_ledger(tx, signer, at=8)) is None


async def test_one_checkpoint_of_a_stretch_stays(store: Store) -> None:
    signer = await open_signer(store)
    for count in (STRETCH - 4, 2, 4, 3):
        await grow(store, count)
        await store.write(lambda tx: sign_ledger(tx, signer, at=1))
    sizes = [one.head.size for one in await store.read(checkpoints_of)]
    assert sizes == [STRETCH - 2, STRETCH + 5]
    report = await store.read(verify_ledger)
    assert report.faults == () and (report.checkpoints, report.signed) == (2, STRETCH + 5)


async def test_a_changed_ledger_is_not_signed_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    signer = await open_signer(store)
    await grow(store, 3)
    await store.write(lambda tx: sign_ledger(tx, signer, at=1))
    await store.write(lambda tx: tx.run(CHANGE, place=1, changed=b"{}", new_leaf=leaf_hash(b"{}")))
    await grow(store, 1)
    with pytest.raises(StoreCorrupt, match="the checkpoint of 3 records"):
        await store.write(lambda tx: sign_ledger(tx, signer, at=1))
    with caplog.at_level(logging.ERROR):
        assert await Checkpointing(store).sign() is None
    assert "nothing more is signed" in caplog.text
    await store.write(lambda tx: tx.run(Statement(delete(records).where(records.c.seq == 2))))
    with pytest.raises(StoreCorrupt, match="lacks"):
        await store.write(lambda tx: sign_ledger(tx, signer, at=1))


async def test_what_is_durable_is_due_at_once_and_the_rest_later(store: Store) -> None:
    checkpointing = Checkpointing(store, {"ANSWERABLE_CHECKPOINT_SECONDS": "5", "ANSWERABLE_ANCHORS": "none"})
    clock = store.clock
    assert isinstance(clock, FakeClock)
    assert not await store.read(checkpointing.due)
    await grow(store, 1)
    assert await store.read(checkpointing.due)  # the first
    assert await checkpointing.sign() is not None
    await grow(store, 1)
    assert not await store.read(checkpointing.due)
    clock.advance(5)
    assert await store.read(checkpointing.due)
    assert await checkpointing.sign() is not None
    assert not await store.read(checkpointing.due)
    await grow(store, 1, Thawed(at=1, system="s", freeze="frz_1", by="prs_1", reason="over"))
    assert await store.read(checkpointing.due)


async def test_a_checkpoint_is_on_the_disk_before_it_leaves(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[bool] = []
    write = Store.write

    async def seen(self: Store, work: Callable[[Tx], T], *, durable: bool = False) -> T:
        waited.append(durable)
        return await write(self, work, durable=durable)

    await grow(store, 1)
    checkpointing = Checkpointing(store, {"ANSWERABLE_ANCHORS": "none"})
    monkeypatch.setattr(Store, "write", seen)
    assert await checkpointing.sign() is not None
    assert waited[-1]


async def test_what_passed_by_itself_is_signed_with_what_follows(store: Store) -> None:
    checkpointing = Checkpointing(store, {"ANSWERABLE_CHECKPOINT_SECONDS": "5", "ANSWERABLE_ANCHORS": "none"})
    await grow(store, 1)
    assert await checkpointing.sign() is not None
    for outcome in ("ruled", "exempted"):
        await grow(store, 1, decided(outcome))
        assert not await store.read(checkpointing.due)
    await grow(store, 1, decided("approved"))
    assert await store.read(checkpointing.due)
    assert await checkpointing.sign() is not None
    assert not await store.read(checkpointing.due)
    await grow(store, 2, decided("ruled"))
    assert not await store.read(checkpointing.due)
    await store.write(
        lambda tx: tx.run(Statement(update(records).where(records.c.kind == "decided").values(body=b"?")))
    )
    await grow(store, 1, decided("ruled"))
    other = Checkpointing(store, {"ANSWERABLE_CHECKPOINT_SECONDS": "5", "ANSWERABLE_ANCHORS": "none"})
    assert await store.read(other.due)  # what cannot be read may have been anything


def decided(outcome: Literal["ruled", "exempted", "approved"]) -> Decided:
    asked: dict[str, Any] = {
        "decision": "dec_1",
        "request": "req_1",
        "approval": "a",
        "step": "stp_1",
        "digest": "",
        "asked_at": 1,
    }
    return Decided(at=1, system="s", outcome=outcome, **asked)


# -- another key ------------------------------------------------------------------------------------------------------


async def replaced(store: Store) -> SigningKeys:
    return await replace_key(store, by="prs_1", reason="yearly")


async def test_a_key_is_replaced_under_both_keys(store: Store) -> None:
    old = await open_signer(store)
    path = await private(store)
    secret = path.read_text()
    await grow(store, 3)
    known = await replaced(store)
    new = await open_signer(store)
    assert known.keys == (old.public, new.public) and old.public != new.public
    assert path.read_text() != secret and path.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in path.parent.iterdir()) == sorted([path.name, path.with_suffix(".pub").name])
    assert await store.write(lambda tx: sign_ledger(tx, old, at=1)) is None  # it is not in force
    await sequence_all(store)
    made = await store.write(lambda tx: sign_ledger(tx, new, at=1))
    assert made is not None
    for trusted in (old.public, new.public):
        assert KeyChain([trusted], known.replacements).check(made) == new.public
        report = await store.read(lambda tx: verify_ledger(tx, trusted=[trusted]))  # noqa: B023 - called at once
        assert report.faults == () and report.signed == 4


async def test_a_process_goes_on_with_the_new_key(store: Store) -> None:
    checkpointing = Checkpointing(store, {"ANSWERABLE_ANCHORS": "none"})
    await grow(store, 1)
    first = await checkpointing.sign()
    known = await replaced(store)
    await grow(store, 1)
    second = await checkpointing.sign()
    assert first is not None and second is not None and second.head.size == 3
    assert known.chain().check(second) == known.in_force


async def test_a_replacement_that_was_cut_off_is_ended(store: Store) -> None:
    await open_signer(store)
    path = await private(store)
    old = path.read_text()
    known = await replaced(store)
    assert known.in_force is not None
    path.rename(path.with_name(f"{path.name}.{known.in_force.id.hex()}"))  # it died before it took the name
    path.write_text(old)
    path.chmod(0o600)
    assert (await open_signer(store)).public == known.in_force
    assert path.read_text() != old


async def test_a_key_that_is_replaced_while_it_is_opened(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    old, read, waits = await open_signer(store), Store.read, True

    async def read_then_replace(self: Store, work: Callable[[Tx], T]) -> T:
        nonlocal waits
        found = await read(self, work)
        if waits:
            waits = False
            await replaced(store)
        return found

    monkeypatch.setattr(Store, "read", read_then_replace)
    new = await open_signer(store)
    assert new.public == (await store.read(signing_keys_of)).in_force != old.public


async def test_two_who_replace_it_at_once(store: Store) -> None:
    await open_signer(store)
    done = await asyncio.gather(replaced(store), replaced(store), return_exceptions=True)
    for one in done:
        assert isinstance(one, SigningKeys | StoreError)
    signer = await open_signer(store)
    await grow(store, 1)
    assert await store.write(lambda tx: sign_ledger(tx, signer, at=1)) is not None
    assert (await store.read(verify_ledger)).faults == ()


async def test_what_people_do_is_signed_when_the_office_closes(store_url: str, folder: Path) -> None:
    async with open_office(store_url) as office:
        await office.people.add("alice")
    async with open_office(store_url) as office:
        await office.keeping.replace_signing_key(by="alice", reason="yearly")
    store = open_store(store_url)
    try:
        newest = await store.read(newest_checkpoint)
        assert newest is not None
        assert newest[0].head == (await store.read(verify_ledger)).head
        assert list((folder / "anchors").iterdir())
    finally:
        store.close()
