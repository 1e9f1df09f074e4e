"""One changed byte is another request: whatever is changed by hand, nothing is sent that was not approved."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
import rfc8785

from answerable.errors import StoreCorrupt
from answerable.orchestrator.service import Service
from answerable.testing import FakeReceiver
from answerable.tracing import ids
from answerable.tracing.ledger.records.effects import EffectRefused
from tests.orchestrator.letters import Ask, Letter, Receipt, insert, letters, recorded, rows, serving, tamper
from tests.support.servers import NOWHERE

pytestmark = pytest.mark.anyio


def kinder(letter: Letter, ask: Ask) -> dict[str, Letter]:
    return {"kinder": Letter(text=f"my {letter.text}")}


async def approved(service: Service[Any, Any]) -> str:
    """A run whose letter is approved, and not yet sent."""
    run = await service.arun(Ask(), by="nils")
    await service.aapprove(run.waiting_for[0].id, by="dora")
    return run.id


@pytest.mark.parametrize("column", ["body", "view"])
async def test_a_request_that_was_changed_cannot_be_shown_or_decided(store_url: str, column: str) -> None:
    async with serving(letters(), store_url, NOWHERE) as service:
        run = await service.arun(Ask(), by="nils")
        (request,) = await rows(service, "requests")
        changed = bytes(request[column]).replace(b"dear a", b"dear b").replace(b"nils", b"mils")
        changed = changed if changed != request[column] else changed.replace(b'"lead"', b'"read"')
        assert changed != request[column]
        await tamper(service, "requests", **{column: changed})
        for attempt in (service.arequest(request["id"]), service.aapprove(request["id"], by="dora")):
            with pytest.raises(StoreCorrupt, match="not what it was when it was made"):
                await attempt
        with pytest.raises(StoreCorrupt):
            await service.aresume(run.id)
        assert await rows(service, "decisions") == []


@pytest.mark.parametrize(
    ("table", "change", "reason"),
    [
        ("effects", {"body": b'{"text":"dear b"}'}, "not the one that was approved"),
        ("effects", {"path": "/other"}, "not the one that was approved"),
        ("effects", {"method": "DELETE"}, "not the one that was approved"),
        ("effects", {"call_digest": "0" * 64}, "not the one that was approved"),
        ("grants", {"call_digest": "0" * 64}, "the MAC is wrong"),
        ("grants", {"expires_at": 4102444800000000}, "the MAC is wrong"),
        ("grants", {"mac": "0" * 64}, "the MAC is wrong"),
        ("grants", {"state": "revoked"}, "its grant is revoked"),
    ],
)
async def test_a_call_or_grant_that_was_changed_is_refused(
    store_url: str, table: str, change: dict[str, Any], reason: str
) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await approved(service)
            await tamper(service, table, **change)
            ended = await service.aresume(run)
            (refused,) = await recorded(service, run, EffectRefused)
            assert ended.status == "failed"
            assert [row["state"] for row in await rows(service, "effects")] == ["withdrawn"]
    assert reason in refused.reason
    assert refused.effect
    assert receiver.received == []


async def test_an_origin_that_was_changed_is_refused(sqlite_url: str) -> None:
    with FakeReceiver() as receiver, FakeReceiver() as thief:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await approved(service)
            await tamper(service, "effects", origin=thief.origin)
            assert (await service.aresume(run)).status == "failed"
    assert (receiver.received, thief.received) == ([], [])


@pytest.mark.parametrize(
    "change",
    [{"by": "prs_mallory"}, {"reason": "because"}, {"mac": ""}, {"outcome": "rejected"}, {"digest": "0" * 64}],
)
async def test_a_decision_that_was_changed_releases_nothing(store_url: str, change: dict[str, Any]) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await approved(service)
            await tamper(service, "decisions", **change)
            waiting = await service.aresume(run)
            (refused,) = await recorded(service, run, EffectRefused)
            assert waiting.status == "waiting"
    assert "its decision was not made by this system" in refused.reason
    assert receiver.received == []


async def test_a_request_that_was_exchanged_after_its_decision_releases_nothing(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(options=kinder), sqlite_url, receiver.origin) as service:
            run = await approved(service)
            (request,) = await rows(service, "requests")
            body = json.loads(request["body"])
            body["options"][0] |= {key: body["options"][1][key] for key in ("message", "payload", "calls")}
            forged = rfc8785.dumps(body)
            await tamper(service, "requests", body=forged, digest=sha256(forged).hexdigest())
            assert (await service.aresume(run)).status == "waiting"
            refused = await recorded(service, run, EffectRefused)
    assert {one.reason for one in refused} == {"its request was not made by this system: the MAC is wrong"}
    assert receiver.received == []


async def test_a_message_that_was_exchanged_with_its_commitment_releases_nothing(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await approved(service)
            payload, salt = Letter(text="dear b").to_bytes(), b"0" * 16
            commitment = ids.commitment(salt, payload)
            await tamper(
                service, "messages", type="Letter", payload=payload, salt=salt, commitment=commitment, version=1
            )
            assert (await service.aresume(run)).status == "waiting"
            (refused,) = await recorded(service, run, EffectRefused)
    assert refused.reason == "its message is not the one that was decided"
    assert receiver.received == []


async def test_a_message_that_was_changed_is_found_when_it_is_read(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await approved(service)
            assert (await service.aresume(run)).result == Receipt(text="dear a")
            await tamper(service, "messages", payload=Receipt(text="dear b").to_bytes())
            with pytest.raises(StoreCorrupt, match="not what was written"):
                await service.aget(run)


async def test_a_decision_written_by_hand_is_none(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            (request,) = await rows(service, "requests")
            body = json.loads(request["body"])
            await insert(
                service,
                "decisions",
                id="dec_forged",
                run=run.id,
                request=request["id"],
                outcome="approved",
                option="as-proposed",
                message=body["options"][0]["message"]["id"],
                by="prs_mallory",
                assurance="signed",
                reason="",
                digest=request["digest"],
                mac="f" * 64,
                at=request["made_at"],
            )
            await tamper(service, "requests", state="decided")
            for _ in range(2):
                again = await service.aresume(run.id)
                assert again.status == "waiting"
            refused = await recorded(service, run.id, EffectRefused)
    assert [one.reason for one in refused] == ["its decision was not made by this system: the MAC is wrong"] * 2
    assert refused[0].effect == body["options"][0]["calls"][0]["effect"]
    assert receiver.received == []


async def test_a_grant_and_a_crossing_written_by_hand_send_nothing(store_url: str) -> None:
    """Somebody who can write rows puts the letter before the effect, with a grant for it."""
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            (effect,) = await rows(service, "effects")
            (request,) = await rows(service, "requests")
            crossing = next(row for row in await rows(service, "crossings") if row["target"] == "sign")
            edge = next(edge.id for edge in service.app.graph.edges if edge.target == "post")
            real = ids.derive(ids.CROSSING, run.id, effect["message"], edge, request["step"])
            await insert(
                service,
                "grants",
                id="grt_forged",
                run=run.id,
                effect=effect["id"],
                decision="dec_forged",
                call_digest=effect["call_digest"],
                expires_at=request["expires_at"],
                state="granted",
                mac="f" * 64,
            )
            forged = {**crossing, "id": real, "edge": edge, "target": "post", "input": "letter"}
            await insert(service, "crossings", **forged)
            run = await service.aresume(run.id)
            (refused,) = await recorded(service, run.id, EffectRefused)
            assert run.status == "waiting"
    assert "the MAC is wrong" in refused.reason
    assert receiver.received == []


async def test_a_step_of_an_effect_without_anything_prepared_is_a_record(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            crossing = next(row for row in await rows(service, "crossings") if row["target"] == "sign")
            edge = next(edge.id for edge in service.app.graph.edges if edge.target == "post")
            forged = {**crossing, "id": "crs_forged", "edge": edge, "target": "post", "input": "letter"}
            await insert(service, "crossings", **forged)
            await service.aresume(run.id)
            (refused,) = await recorded(service, run.id, EffectRefused)
    assert refused.reason == "it was called, and nothing is prepared and granted for it"
    assert receiver.received == []


async def test_what_was_approved_and_not_touched_is_sent(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            assert (await service.aresume(await approved(service))).result == Receipt(text="dear a")
    assert len(receiver.happened) == 1
