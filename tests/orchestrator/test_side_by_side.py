"""What is not joined does not wait for each other: branches, effects, runs, people."""

from __future__ import annotations

import asyncio

import pytest

from answerable.agents.messages import Message
from answerable.agents.nodes import END, START
from answerable.agents.options import HOUR
from answerable.orchestrator.system import System
from answerable.testing import FakeReceiver
from tests.orchestrator.letters import LEAD, Account, Ask, Letter, Receipt, batches, letters, serving

pytestmark = pytest.mark.anyio


class Half(Message):
    pass


class Whole(Message):
    pass


async def test_many_effects_of_one_approval(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(batches(count=12, each_signed=False), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            assert len(run.waiting_for[0].view["options"][0]["calls"]) == 12
            await service.aapprove(run.waiting_for[0].id, by="dora")
            done = await service.aresume(run.id)
    assert done.result == Account(lines=[f"a{number}" for number in range(12)])
    assert len({one.key for one in receiver.happened}) == 12


async def test_each_decision_releases_its_own_branch_only(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(batches(count=3), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            by_text = {one.message["text"]: one.id for one in run.waiting_for}
            for text in ("a1", "a0"):
                await service.aapprove(by_text[text], by="dora")
                run = await service.aresume(run.id)
                assert run.status == "waiting"
            assert [one.json()["text"] for one in receiver.happened] == ["a1", "a0"]
            assert [one.id for one in run.waiting_for] == [by_text["a2"]]
            await service.areject(by_text["a2"], by="dora", reason="no")
            done = await service.aresume(run.id)
    assert done.result == Account(lines=["a0", "a1", "Rejected"])


async def test_a_branch_that_waits_for_a_person_stops_no_other(store_url: str) -> None:
    """Invariant 10."""
    system = System("two-ways", responsible="alice")
    walked: list[str] = []

    @system.agent(owner="o")
    def ask(start: Ask) -> Letter:
        return Letter()

    @system.agent(owner="o")
    async def first(start: Ask) -> Half:
        await asyncio.sleep(0.01)
        walked.append("first")
        return Half()

    @system.agent(owner="o")
    def second(one: Half) -> Whole:
        walked.append("second")
        return Whole()

    @system.agent(owner="o")
    def join(letter: Letter, two: Whole) -> Account:
        return Account(lines=[*walked])

    sign = system.approval("sign", of=Letter, by=LEAD, within=HOUR)
    system.edge(START, ask, purpose="p")
    system.edge(START, first, purpose="p")
    system.edge(ask, sign, purpose="p")
    system.edge(first, second, purpose="p")
    system.edge(sign, join, purpose="p")
    system.edge(second, join, purpose="p")
    system.edge(join, END, purpose="p")
    async with serving(system.build(Ask, Account), store_url) as service:
        run = await service.arun(Ask(), by="nils")
        assert run.status == "waiting"
        assert walked == ["first", "second"]
        await service.aapprove(run.waiting_for[0].id, by="dora")
        done = await service.aresume(run.id)
    assert done.result == Account(lines=["first", "second"])


async def test_two_runs_side_by_side(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            one, two = await asyncio.gather(
                service.arun(Ask(text="one"), by="nils"), service.arun(Ask(text="two"), by="nils")
            )
            for run in (one, two):
                await service.aapprove(run.waiting_for[0].id, by="dora")
            one, two = await asyncio.gather(service.aresume(one.id), service.aresume(two.id))
            assert (one.result, two.result) == (Receipt(text="dear one"), Receipt(text="dear two"))
            assert {run.id for run in await service.aruns()} == {one.id, two.id}
    assert len(receiver.happened) == 2


async def test_a_decision_made_by_another_service(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            async with serving(letters(), store_url, receiver.origin) as other:
                (request,) = await other.arequests()
                await other.aapprove(request.id, by="dora")
            assert receiver.received == []
            assert (await service.aresume(run.id)).status == "done"
        async with serving(letters(), store_url, receiver.origin) as later:
            assert (await later.aget(run.id)).result == Receipt(text="dear a")
    assert len(receiver.happened) == 1
