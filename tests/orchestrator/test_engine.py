"""The embedded engine: what is decided, overdue or left behind goes on by itself."""

from __future__ import annotations

import asyncio

import pytest

from answerable import END, HOUR, START, App, Message, System, role
from answerable.orchestrator import interventions
from answerable.orchestrator.engine import advance_due
from answerable.orchestrator.running.journal import read_steps
from answerable.orchestrator.running.starting import start_run
from answerable.orchestrator.runs import LEASE_SECONDS, acquire_lease, release_lease
from answerable.tracing.clock import micros
from answerable.tracing.storage.store import Tx

pytestmark = pytest.mark.anyio


class Draft(Message):
    """What is proposed."""

    text: str


def letters() -> App[Draft, Draft]:
    """One agent, one approval."""
    system = System("letters", responsible="alice")

    @system.agent(owner="writers")
    async def write(draft: Draft) -> Draft:
        return Draft(text=draft.text.upper())

    sign = system.approval("sign", of=Draft, by=role("editor"), within=HOUR)
    system.edge(START, write, purpose="a draft")
    system.edge(write, sign, purpose="may it go out?")
    system.edge(sign, END, purpose="it goes out")
    return system.build(Draft, Draft)


class Clock:
    """A clock that is set by hand, ahead of the real one."""

    def __init__(self) -> None:
        self.time = 1_800_000_000_000_000

    def now(self) -> int:
        self.time += 1
        return self.time


async def test_a_decided_run_goes_on_in_another_process(store_url: str) -> None:
    async with letters().connect(store_url) as asking, letters().connect(store_url) as working:
        await asking.people.aadd("eve", roles=["editor"])
        run = await asking.arun(Draft(text="hello"), by="nils")
        assert await advance_due(working.runtime) == 0
        await asking.aapprove(run.waiting_for[0].id, by="eve")
        assert await advance_due(working.runtime) == 1
        done = await asking.aget(run.id)
        assert (done.status, done.result) == ("done", Draft(text="HELLO"))
        assert await advance_due(working.runtime) == 0


async def test_a_deadline_denies_by_itself(store_url: str) -> None:
    clock = Clock()
    async with letters().connect(store_url, clock=clock) as service:
        run = await service.arun(Draft(text="hello"), by="nils")
        assert await advance_due(service.runtime) == 0
        clock.time += micros(HOUR)
        assert await advance_due(service.runtime) == 1
        assert (await service.aget(run.id)).status == "denied"


async def test_a_run_that_another_worker_holds_is_not_due_until_it_is_given_back(store_url: str) -> None:
    async with letters().connect(store_url) as asking, letters().connect(store_url) as working:
        await asking.people.aadd("eve", roles=["editor"])
        run = await asking.arun(Draft(text="hello"), by="nils")
        now = asking.store.clock.now()
        held = await asking.store.write(lambda tx: acquire_lease(tx, run.id, owner="elsewhere", now=now))
        await asking.aapprove(run.waiting_for[0].id, by="eve")
        assert await advance_due(working.runtime) == 0
        await asking.store.write(lambda tx: release_lease(tx, run.id, fence=held.lease_fence))
        assert await advance_due(working.runtime) == 1
        assert (await asking.aget(run.id)).status == "done"


async def test_serving_until_cancelled(store_url: str) -> None:
    async with letters().connect(store_url) as service:
        await service.people.aadd("eve", roles=["editor"])
        run = await service.arun(Draft(text="hello"), by="nils")
        serving = asyncio.create_task(service.aserve())
        await service.aapprove(run.waiting_for[0].id, by="eve")
        async with asyncio.timeout(60):
            while (await service.aget(run.id)).status != "done":  # noqa: ASYNC110 - a row in the store sets no event
                await asyncio.sleep(0.02)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving


async def test_who_begins_a_run_goes_on_with_it(store_url: str) -> None:
    """A process that serves does not take it from them in between; it does, when they are gone."""
    clock = Clock()
    async with (
        letters().connect(store_url, clock=clock) as asking,
        letters().connect(store_url, clock=clock) as working,
    ):
        worker, version = asking.runtime.worker, asking.app.version
        run = await start_run(worker, version, Draft(text="hello"), by="nils", run_id=None)
        assert await advance_due(working.runtime) == 0
        clock.time += micros(LEASE_SECONDS)
        assert await advance_due(working.runtime) == 1
        steps = await asking.store.read(lambda tx: read_steps(tx, run))
        (step,) = (one for one in steps if one.node == "write")

        def anew(tx: Tx, now: int) -> None:
            interventions.retry(tx, run, step.id, by="nils", reason="a typo", at=now)

        await asking.office.act_as("nils", "a typo", anew)
        assert await advance_due(working.runtime) == 0
        clock.time += micros(LEASE_SECONDS)
        assert await advance_due(working.runtime) == 1
