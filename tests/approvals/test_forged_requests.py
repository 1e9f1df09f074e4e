"""A request that was forged before anybody decided it, rows of another store, and the key itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
import rfc8785

from answerable.approvals.sealing.keys import Key, open_key
from answerable.errors import StoreCorrupt, StoreError
from answerable.testing import FakeReceiver
from answerable.tracing.ledger.records.effects import EffectRefused
from answerable.tracing.storage.store import open_store
from tests.orchestrator.letters import Ask, Letter, letters, recorded, rows, serving, tamper
from tests.support.servers import NOWHERE

pytestmark = pytest.mark.anyio


async def test_a_request_and_its_call_exchanged_before_the_decision_cannot_be_decided(store_url: str) -> None:
    """What is shown stays as it was; the call that a yes would release becomes another, and the digests fit."""
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            (request,) = await rows(service, "requests")
            body = json.loads(request["body"])
            body["options"][0]["calls"][0]["digest"] = "0" * 64
            forged = rfc8785.dumps(body)
            await tamper(service, "effects", body=b'{"text":"evil"}', call_digest="0" * 64)
            await tamper(service, "requests", body=forged, digest=sha256(forged).hexdigest())
            with pytest.raises(StoreCorrupt, match="its MAC is wrong"):
                await service.aapprove(request["id"], by="dora")
            assert (await service.aresume(run.id)).status == "waiting"
    assert receiver.received == []


@pytest.mark.parametrize("change", [{"edited_by": "prs_other"}, {"expires_at": 9 * 10**15}, {"approval": "other"}])
async def test_a_requests_columns_repeat_what_it_binds(store_url: str, change: dict[str, object]) -> None:
    async with serving(letters(), store_url, NOWHERE) as service:
        await service.arun(Ask(), by="nils")
        (request,) = await rows(service, "requests")
        await tamper(service, "requests", **change)
        with pytest.raises(StoreCorrupt, match="not what it was when it was made"):
            await service.aapprove(request["id"], by="dora")


async def test_another_idempotency_key_is_another_call(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            await tamper(service, "effects", idempotency_key="evil")
            assert (await service.aresume(run.id)).status == "failed"
            (refused,) = await recorded(service, run.id, EffectRefused)
    assert "not the one that was approved" in refused.reason
    assert receiver.received == []


async def test_an_approval_that_runs_anew_asks_anew_and_sends_under_the_same_key(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            (first,) = await rows(service, "effects")
            step = next(row["id"] for row in await rows(service, "steps") if row["node"] == "sign")
            again = await service.aretry(run.id, step, by="alice", reason="it was shown to the wrong desk")
            assert [request.id for request in again.waiting_for] != [run.waiting_for[0].id]
            await service.aapprove(again.waiting_for[0].id, by="dora")
            assert (await service.aresume(run.id)).status == "done"
    assert [one.key for one in receiver.received] == [first["idempotency_key"]]


def test_no_field_passes_for_its_neighbour() -> None:
    key = Key(b"k" * 32)
    assert key.mac("decision", "a", "b\0c") != key.mac("decision", "a\0b", "c")


async def test_stores_that_share_a_key_file_do_not_share_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSWERABLE_KEY_FILE", str(tmp_path / "shared.key"))
    macs: list[str] = []
    for name in ("staging", "production"):
        store = open_store(f"sqlite:///{tmp_path / name}.db")
        macs.append((await open_key(store)).mac("decision", "the same"))
        store.close()
    assert len(set(macs)) == 2


async def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'a.db'}")
    await open_key(store)
    (tmp_path / "a.db.key").chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"):
        await open_key(store)
    store.close()


def both(letter: Letter, ask: Ask) -> dict[str, Letter]:
    """An option of the same words as the proposal."""
    return {"same": Letter(text=letter.text)}


async def test_options_of_the_same_words_have_calls_of_their_own(sqlite_url: str) -> None:
    async with serving(letters(options=both), sqlite_url, NOWHERE) as service:
        await service.arun(Ask(), by="nils")
        effects: Sequence[dict[str, object]] = await rows(service, "effects")
    assert len({row["id"] for row in effects}) == len({row["idempotency_key"] for row in effects}) == 2
