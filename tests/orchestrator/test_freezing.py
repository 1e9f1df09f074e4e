"""Freezes and handovers: what they stop, when they are true, and how it goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from answerable.agents.options import HOUR
from answerable.errors import InvalidInput, NotEligible, NotOpen, UnknownId
from answerable.orchestrator.service import Service
from answerable.testing import FakeClock, FakeReceiver, Reply, nowhere
from answerable.tracing.ledger.records.effects import EffectRefused, EffectSent
from answerable.tracing.ledger.records.runs import RunRested
from answerable.tracing.ledger.records.steps import StepStarted
from tests.orchestrator.letters import Ask, Receipt, letters, recorded, rows, serving, signed

pytestmark = pytest.mark.anyio


def edge_to(service: Service[Any, Any], target: str) -> str:
    return next(edge.id for edge in service.app.graph.edges if edge.target == target)


@pytest.mark.parametrize("target", ["system", "agent:write", "edge:START→write.ask"])
async def test_a_freeze_stops_new_steps_until_the_thaw(store_url: str, target: str) -> None:
    async with serving(letters(), store_url, nowhere()) as service:
        freeze = await service.afreeze(target, by="dora", reason="look at it")
        assert (freeze.state, freeze.target, freeze.in_flight) == ("committed", target, ())
        run = await service.arun(Ask(), by="nils")
        assert run.status == "frozen"
        assert await recorded(service, run.id, StepStarted) == []
        (rested,) = await recorded(service, run.id, RunRested)
        assert rested.frozen == (target,)
        assert (await service.aresume(run.id)).status == "frozen"
        await service.athaw(freeze.id, by="dora", reason="fine")
        assert (await service.aresume(run.id)).status == "waiting"


@pytest.mark.parametrize("target", ["system", "effect:post", "agent:sign", "edge"])
async def test_a_freeze_stops_sending_until_the_thaw(store_url: str, target: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            named = f"edge:{edge_to(service, 'post')}" if target == "edge" else target
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            freeze = await service.afreeze(named, by="dora", reason="look at it")
            run = await service.aresume(run.id)
            assert run.status == "frozen"
            assert receiver.received == []
            await service.athaw(freeze.id, by="alice", reason="fine")
            assert (await service.aresume(run.id)).result == Receipt(text="dear a")
    assert len(receiver.happened) == 1


@pytest.mark.parametrize("target", ["effect:post", "edge"])
async def test_a_freeze_between_two_tries_stops_the_second(sqlite_url: str, target: str) -> None:
    with FakeReceiver(lambda _: Reply(json={"text": "late"})) as receiver:
        receiver.then(Reply(status=503))
        app = letters(guarantee="at_most_once", retry=3)  # pauses of half a second
        async with serving(app, sqlite_url, receiver.origin) as service:
            named = f"edge:{edge_to(service, 'post')}" if target == "edge" else target
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            going = asyncio.create_task(service.aresume(run.id))
            await asyncio.to_thread(receiver.wait_for, 1)
            freeze = await service.afreeze(named, by="dora", reason="stop")
            assert (await going).status == "frozen"
            assert len(await recorded(service, run.id, EffectRefused)) == 1
            assert (await service.afreeze_state(freeze.id)).state == "quiesced"
            await service.athaw(freeze.id, by="dora", reason="go")
            assert (await service.aresume(run.id)).status == "done"
            assert [one.attempt for one in await recorded(service, run.id, EffectSent)] == [1, 2]
    assert len(receiver.received) == 2


async def test_a_freeze_suspends_requests_and_does_not_lose_them(store_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(), store_url, nowhere(), clock=clock) as service:
        run = await service.arun(Ask(), by="nils")
        request = run.waiting_for[0].id
        freeze = await service.afreeze("agent:sign", by="dora", reason="wait")
        with pytest.raises(NotOpen, match="suspended"):
            await service.aapprove(request, by="dora")
        clock.advance(2 * HOUR)
        assert (await service.aresume(run.id)).waiting_for[0].id == request
        await service.athaw(freeze.id, by="dora", reason="go")
        assert (await service.aresume(run.id)).status == "denied"


async def test_a_freeze_elsewhere_stops_nothing_here(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(denied=True), sqlite_url, receiver.origin) as service:
            await service.afreeze("agent:explain", by="dora", reason="look at it")
            assert (await signed(service)).status == "done"


async def test_a_freeze_is_quiesced_when_what_was_in_flight_has_ended(store_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then("close")
        async with serving(letters(guarantee="at_most_once"), store_url, receiver.origin) as service:
            idle = await service.afreeze(by="dora", reason="nothing flies")
            assert (await service.afreeze_state(idle.id)).state == "quiesced"
            await service.athaw(idle.id, by="dora", reason="go")
            assert (await service.afreeze_state(idle.id)).state == "lifted"
            run = await signed(service)
            (effect,) = run.in_doubt
            # In doubt it is not known to have ended, and a freeze that comes later has nothing to wait for.
            freeze = await service.afreeze(by="dora", reason="stop")
            assert (freeze.in_flight, (await service.afreeze_state(freeze.id)).state) == ((), "quiesced")
            assert [one.id for one in await service.afreezes()] == [freeze.id]
            await service.asettle(effect, outcome="failed", by="dora", reason="they have nothing")


async def test_a_freeze_waits_for_a_call_in_flight(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then("hang")
        async with serving(letters(guarantee="at_most_once", timeout=3), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            going = asyncio.create_task(service.aresume(run.id))
            await asyncio.to_thread(receiver.wait_for, 1)
            freeze = await service.afreeze("effect:post", by="dora", reason="stop")
            (effect,) = await rows(service, "effects")
            assert freeze.in_flight == (effect["id"],)
            assert (await service.afreeze_state(freeze.id)).state == "committed"
            ended = await going
            assert (await service.afreeze_state(freeze.id)).state == "committed"  # nobody knows of it
            await service.asettle(ended.in_doubt[0], outcome="failed", by="dora", reason="they have nothing")
            assert (await service.afreeze_state(freeze.id)).state == "quiesced"


async def test_a_target_that_two_freezes_hold_stays_frozen(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        first = await service.afreeze("agent:write", by="dora", reason="1")
        second = await service.afreeze("agent:write", by="alice", reason="2")
        await service.athaw(first.id, by="dora", reason="go")
        with pytest.raises(InvalidInput, match="lifted already"):
            await service.athaw(first.id, by="dora", reason="go")
        run = await service.arun(Ask(), by="nils")
        assert run.status == "frozen"
        await service.athaw(second.id, by="alice", reason="go")
        assert (await service.aresume(run.id)).status == "waiting"


async def test_what_cannot_be_frozen(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        for target in ("everything", "agent:post", "effect:write", "agent:nobody", "edge:nowhere", "edge:"):
            with pytest.raises(InvalidInput, match="to freeze"):
                await service.afreeze(target, by="dora", reason="r")
        with pytest.raises(UnknownId):
            await service.afreeze(by="mallory", reason="r")
        with pytest.raises(UnknownId):
            await service.athaw("frz_0", by="dora", reason="r")


# -- handover -------------------------------------------------------------------------------------------------------


async def test_a_handover_suspends_what_was_granted_until_it_is_accepted(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin, people={"berta": "x"}) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            await service.ahandover(to="berta", by="alice", reason="holidays")
            assert [row["state"] for row in await rows(service, "grants")] == ["suspended"]
            run = await service.aresume(run.id)
            assert (run.status, run.responsible) == ("frozen", "alice")
            assert receiver.received == []
            await service.aaccept_handover(by="berta")
            done = await service.aresume(run.id)
            people = {row["id"]: row["handle"] for row in await rows(service, "people")}
            (refused,) = await recorded(service, run.id, EffectRefused)
            (sent,) = await recorded(service, run.id, EffectSent)
            started = await recorded(service, run.id, StepStarted)
    assert (done.status, done.responsible) == ("done", "berta")
    assert "handover" in refused.reason
    assert [people[record.responsible] for record in (started[0], refused, sent)] == ["alice", "alice", "berta"]
    assert len(receiver.happened) == 1


async def test_what_is_granted_while_a_handover_is_open_waits_as_well(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin, people={"berta": "x"}) as service:
            run = await service.arun(Ask(), by="nils")
            await service.ahandover(to="berta", by="alice", reason="holidays")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            assert (await service.aresume(run.id)).status == "frozen"
            await service.aaccept_handover(by="berta")
            assert (await service.aresume(run.id)).status == "done"


async def test_only_the_responsible_individual_hands_over_and_only_the_successor_accepts(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere(), people={"berta": "x"}) as service:
        with pytest.raises(NotEligible, match="only the Responsible Individual"):
            await service.ahandover(to="berta", by="dora", reason="r")
        with pytest.raises(NotEligible, match="was not offered"):
            await service.aaccept_handover(by="berta")
        await service.ahandover(to="berta", by="alice", reason="r")
        with pytest.raises(NotEligible, match="was not offered"):
            await service.aaccept_handover(by="dora")
        await service.aaccept_handover(by="berta")
        with pytest.raises(NotEligible, match="only the Responsible Individual"):
            await service.ahandover(to="dora", by="alice", reason="r")


async def test_the_declaration_does_not_take_a_system_back(sqlite_url: str) -> None:
    """Who answers is what was handed over, not what the code says."""
    async with serving(letters(), sqlite_url, nowhere(), people={"berta": "x"}) as service:
        await service.ahandover(to="berta", by="alice", reason="r")
        await service.aaccept_handover(by="berta")
    async with serving(letters(responsible="carla"), sqlite_url, nowhere()) as service:
        assert (await service.arun(Ask(), by="nils")).responsible == "berta"
