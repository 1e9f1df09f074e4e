"""Escalating: time adds people who may decide, after a restart too, and gives nobody a right by itself."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.options import HOUR
from answerable.agents.people import person, role
from answerable.errors import AlreadyDecided, DeclarationError, NotEligible, NotOpen
from answerable.orchestrator.engine import advance_due
from answerable.testing import FakeClock, FakeReceiver
from answerable.tracing.ledger.records.afterwards import Escalated
from tests.orchestrator.letters import Ask, Letter, Receipt, faults, letters, recorded, rows, serving, tamper
from tests.support.servers import NOWHERE

pytestmark = pytest.mark.anyio

STAGES: Any = {0.5 * HOUR: role("manager"), 0.75 * HOUR: person("cto")}
PEOPLE = {"mona": "manager", "cto": "reader"}


async def test_it_escalates_when_its_time_has_come_in_whichever_process(store_url: str) -> None:
    """The worker that asked is gone; another one, after a restart, wakes for it."""
    clock = FakeClock()
    with FakeReceiver() as receiver:
        async with serving(letters(escalate=STAGES), store_url, receiver.origin, clock=clock, people=PEOPLE) as service:
            run = await service.arun(Ask(), by="nils")
            (request,) = run.waiting_for
            with pytest.raises(NotEligible):
                await service.aapprove(request.id, by="mona")
        async with serving(letters(escalate=STAGES), store_url, receiver.origin, clock=clock) as service:
            assert await advance_due(service.runtime) == 0
            clock.advance(0.5 * HOUR)
            assert await advance_due(service.runtime) == 1
            (one,) = await recorded(service, run.id, Escalated)
            assert (one.stage, one.to, one.request) == (1, "role manager", request.id)
            assert await faults(service) == []
            with pytest.raises(NotEligible):
                await service.aapprove(request.id, by="cto")
            clock.advance(0.25 * HOUR)
            assert await advance_due(service.runtime) == 1
            assert [one.stage for one in await recorded(service, run.id, Escalated)] == [1, 2]
            assert (await service.aget(run.id)).status == "waiting"
            await service.aapprove(request.id, by="mona")
            assert (await service.aresume(run.id)).result == Receipt(text="dear a")
            assert await faults(service) == []


async def test_whoever_decides_first_escalates_by_that(store_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(escalate=STAGES), store_url, NOWHERE, clock=clock, people=PEOPLE) as service:
        run = await service.arun(Ask(), by="nils")
        clock.advance(0.8 * HOUR)
        await service.areject(run.waiting_for[0].id, by="cto", reason="no")
        assert [one.stage for one in await recorded(service, run.id, Escalated)] == [1, 2]
        assert await faults(service) == []


async def test_whoever_looks_sees_it(sqlite_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(escalate=STAGES), sqlite_url, NOWHERE, clock=clock, people=PEOPLE) as service:
        run = await service.arun(Ask(), by="nils")
        clock.advance(0.5 * HOUR)
        (request,) = await service.arequests()
        assert (request.stage, "manager" in request.asks, "lead" in request.asks) == (1, True, True)
        assert len(await recorded(service, run.id, Escalated)) == 1


async def test_a_clock_that_is_set_back_and_a_stage_that_is_written_by_hand_give_nobody_a_right(
    sqlite_url: str,
) -> None:
    clock = FakeClock()
    async with serving(letters(escalate=STAGES), sqlite_url, NOWHERE, clock=clock, people=PEOPLE) as service:
        run = await service.arun(Ask(), by="nils")
        (request,) = run.waiting_for
        await tamper(service, "requests", stage=2)
        with pytest.raises(NotEligible):
            await service.aapprove(request.id, by="mona")
        assert [str(one) for one in await faults(service)] != []
        await tamper(service, "requests", stage=0)
        clock.advance(0.5 * HOUR)
        await service.arequests()
    earlier = FakeClock()  # half an hour behind what was recorded
    async with serving(letters(escalate=STAGES), sqlite_url, NOWHERE, clock=earlier) as service:
        assert [row["stage"] for row in await rows(service, "requests")] == [1]
        with pytest.raises(NotEligible):
            await service.aapprove(request.id, by="mona")


async def test_what_is_frozen_neither_escalates_nor_expires(store_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(escalate=STAGES), store_url, NOWHERE, clock=clock, people=PEOPLE) as service:
        run = await service.arun(Ask(), by="nils")
        stop = await service.afreeze(by="alice", reason="look at it")
        clock.advance(0.6 * HOUR)
        run = await service.aresume(run.id)
        assert await recorded(service, run.id, Escalated) == []
        with pytest.raises(NotOpen, match="suspended"):
            await service.aapprove(run.waiting_for[0].id, by="mona")
        await service.athaw(stop.id, by="alice", reason="go on")
        assert await advance_due(service.runtime) == 1
        assert len(await recorded(service, run.id, Escalated)) == 1


async def test_time_never_approves_whoever_it_was_escalated_to(sqlite_url: str) -> None:
    clock = FakeClock()
    app = letters(escalate=STAGES, denied=True)
    async with serving(app, sqlite_url, NOWHERE, clock=clock, people=PEOPLE) as service:
        run = await service.arun(Ask(), by="nils")
        (request,) = run.waiting_for
        clock.advance(HOUR)
        assert (await service.aresume(run.id)).result == Receipt(text="Expired")
        with pytest.raises(AlreadyDecided, match="expired"):
            await service.aapprove(request.id, by="cto")


async def test_an_edit_escalates_when_what_it_edits_would_have(sqlite_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(escalate=STAGES), sqlite_url, NOWHERE, clock=clock, people=PEOPLE) as service:
        run = await service.arun(Ask(), by="nils")
        clock.advance(0.4 * HOUR)
        edited = await service.aedit(run.waiting_for[0].id, Letter(text="hello"), by="dora", reason="shorter")
        clock.advance(0.1 * HOUR)
        await service.aapprove(edited.id, by="mona")


async def test_whoever_it_was_escalated_to_by_now_may_edit_it_though_nobody_looked(store_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(escalate=STAGES), store_url, NOWHERE, clock=clock, people=PEOPLE) as service:
        run = await service.arun(Ask(), by="nils")
        clock.advance(0.5 * HOUR)
        edited = await service.aedit(run.waiting_for[0].id, Letter(text="hello"), by="mona", reason="shorter")
        assert edited.stage == 1
        assert [one.stage for one in await recorded(service, run.id, Escalated)] == [1, 1]
        assert await faults(service) == []


async def test_whoever_it_is_escalated_to_does_not_decide_their_own(sqlite_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(escalate=STAGES), sqlite_url, NOWHERE, clock=clock, people=PEOPLE) as service:
        run = await service.arun(Ask(), by="mona")
        clock.advance(0.5 * HOUR)
        with pytest.raises(NotEligible, match="nobody decides their own"):
            await service.aapprove(run.waiting_for[0].id, by="mona")


@pytest.mark.parametrize(
    "stages",
    [{0: role("x")}, {-1: role("x")}, {HOUR: role("x")}, {1.0: "x"}, {1.0 + n: role("x") for n in range(11)}, [1]],
)
def test_stages_that_cannot_be_are_refused_where_they_are_declared(stages: Any) -> None:
    with pytest.raises(DeclarationError):
        letters(escalate=stages)
