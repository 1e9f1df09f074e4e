"""Calls in doubt: listed, and settled by a named person."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.options import HOUR
from answerable.errors import InvalidInput, InvalidMessage, UnknownId
from answerable.orchestrator.service import Service
from answerable.testing import FakeClock, FakeReceiver, Reply
from answerable.tracing.ledger.records.effects import EffectInDoubt, EffectSettled
from tests.orchestrator.letters import Account, Ask, Receipt, batches, letters, recorded, rows, serving, signed

pytestmark = pytest.mark.anyio


async def settle(service: Service[Any, Any], effect: str, outcome: Any, **more: Any) -> None:
    await service.asettle(effect, outcome=outcome, by="dora", reason="I asked them", **more)


async def test_settled_as_done_with_what_it_answered(store_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then("close")
        async with serving(letters(guarantee="at_most_once"), store_url, receiver.origin) as service:
            run = await signed(service)
            (effect,) = run.in_doubt
            await settle(service, effect, "done", result={"text": "they have it"})
            done = await service.aresume(run.id)
            (settled,) = await recorded(service, run.id, EffectSettled)
            people = {row["handle"]: row["id"] for row in await rows(service, "people")}
    assert (done.status, done.result, done.in_doubt) == ("done", Receipt(text="they have it"), ())
    assert (settled.outcome, settled.by, settled.reason) == ("done", people["dora"], "I asked them")
    assert len(receiver.received) == 1


async def test_settled_as_failed(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then("close")
        async with serving(letters(guarantee="at_most_once"), sqlite_url, receiver.origin) as service:
            run = await signed(service)
            await settle(service, run.in_doubt[0], "failed")
            ended = await service.aresume(run.id)
    assert (ended.status, ended.detail) == ("failed", "post: a person settled it as failed: I asked them")
    assert len(receiver.received) == 1


@pytest.mark.parametrize("guarantee", ["at_most_once", "idempotent"])
async def test_settled_by_sending_the_same_bytes_again(store_url: str, guarantee: str) -> None:
    with FakeReceiver() as receiver:
        for _ in range(1 if guarantee == "at_most_once" else 3):
            receiver.then("close")
        async with serving(letters(guarantee=guarantee), store_url, receiver.origin) as service:
            run = await signed(service)
            assert (await service.aresume(run.id)).in_doubt == run.in_doubt
            before = len(receiver.received)
            await settle(service, run.in_doubt[0], "again")
            done = await service.aresume(run.id)
    assert done.result == Receipt(text="dear a")
    assert len(receiver.received) == before + 1
    assert len({(one.key, one.body) for one in receiver.received}) == 1


async def test_sent_again_it_may_be_in_doubt_again(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then("close", Reply(status=503), Reply(status=503), Reply(status=503))
        async with serving(letters(guarantee="at_most_once"), sqlite_url, receiver.origin) as service:
            run = await signed(service)
            await settle(service, run.in_doubt[0], "again")
            again = await service.aresume(run.id)
            assert again.in_doubt == run.in_doubt
            assert len(await recorded(service, run.id, EffectInDoubt)) == 2


async def test_sent_again_after_its_grant_expired_it_stays_in_doubt(sqlite_url: str) -> None:
    clock = FakeClock()
    with FakeReceiver() as receiver:
        receiver.then("close")
        async with serving(letters(guarantee="at_most_once"), sqlite_url, receiver.origin, clock=clock) as service:
            run = await signed(service)
            clock.advance(25 * HOUR)
            await settle(service, run.in_doubt[0], "again")
            assert (await service.aresume(run.id)).in_doubt == run.in_doubt
            (effect,) = await rows(service, "effects")
    assert effect["detail"].endswith("it may not be sent again: its grant has expired")
    assert len(receiver.received) == 1


async def test_what_cannot_be_settled(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then("close")
        async with serving(letters(guarantee="at_most_once"), sqlite_url, receiver.origin) as service:
            run = await signed(service)
            (effect,) = run.in_doubt
            for error, match, wrong in (
                (UnknownId, "no effect eff_0", {"effect": "eff_0", "outcome": "failed"}),
                (UnknownId, "nobody is registered", {"by": "mallory", "outcome": "failed"}),
                (InvalidInput, "say why", {"reason": " ", "outcome": "failed"}),
                (InvalidInput, "what did it say", {"outcome": "done"}),
                (InvalidMessage, "not a valid Receipt", {"outcome": "done", "result": {"text": 7}}),
                (InvalidInput, "settles nothing", {"outcome": "perhaps"}),
            ):
                given: dict[str, Any] = {"effect": effect, "by": "dora", "reason": "r", **wrong}
                with pytest.raises(error, match=match):
                    await service.asettle(given.pop("effect"), **given)
            assert [row["state"] for row in await rows(service, "effects")] == ["in-doubt"]
            await settle(service, effect, "failed")
            with pytest.raises(InvalidInput, match="is failed, not in doubt"):
                await settle(service, effect, "again")


async def test_in_doubt_it_holds_its_run_and_no_other_branch(store_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then("close", "close", "close")
        async with serving(batches(count=3, each_signed=True), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            requests = {one.message["text"]: one.id for one in run.waiting_for}
            await service.aapprove(requests["a0"], by="dora")
            run = await service.aresume(run.id)
            assert len(run.in_doubt) == 1
            for text in ("a1", "a2"):
                await service.aapprove(requests[text], by="dora")
            run = await service.aresume(run.id)
            assert (run.status, len(run.in_doubt), run.waiting_for) == ("waiting", 1, ())
            await settle(service, run.in_doubt[0], "done", result={"text": "a0"})
            assert (await service.aresume(run.id)).result == Account(lines=["a0", "a1", "a2"])
