"""Conditions and tiers that raise: one clear error, and nothing half-done."""

from __future__ import annotations

import pytest

from answerable.agents.calls import POST, Call
from answerable.agents.messages import Message
from answerable.agents.nodes import END, START, Receiver
from answerable.agents.options import DAY, HOUR
from answerable.agents.people import role
from answerable.agents.prioritization import Demand
from answerable.errors import InvalidInput
from answerable.orchestrator.app import App
from answerable.orchestrator.system import System
from answerable.testing import FakeReceiver

pytestmark = pytest.mark.anyio

SHOP = Receiver("shop", keeps_keys_for=DAY)


class Wish(Message):
    """What somebody wants."""

    text: str


class Bill(Message):
    """What it cost."""

    text: str


def breaks(_message: Bill | Wish) -> bool:
    """A condition that does not answer."""
    raise ValueError("no idea")


def buying() -> App[Wish, Bill]:
    """An effect whose result leaves by a condition that raises."""
    system = System("buying", responsible="alice")
    sign = system.approval("sign", of=Wish, by=role("lead"), within=HOUR)

    @system.effect("buy", to=SHOP, guarantee="idempotent")
    def buy(wish: Wish) -> Call[Bill]:
        response = yield POST("/buy", json=wish)
        return Bill(text=response.json()["text"])

    system.edge(START, sign, purpose="may we?")
    system.edge(sign, buy, purpose="buy it")
    system.edge(buy, END, when=breaks, purpose="the bill")
    return system.build(Wish, Bill)


async def test_a_condition_that_raises_after_a_call_does_not_repeat_the_call(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with buying().connect(store_url, origins={SHOP: receiver.origin}) as service:
            await service.people.aadd("dora", roles=["lead"])
            run = await service.arun(Wish(text="tea"), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            ended = await service.aresume(run.id)
            assert (await service.aresume(run.id)).status == "failed"
    assert ended.status == "failed"
    assert "the condition breaks of buy→END.result raised ValueError: no idea" in ended.detail
    assert len(receiver.received) == 1


async def test_a_condition_that_raises_at_the_start_begins_nothing(sqlite_url: str) -> None:
    system = System("starting", responsible="alice")

    @system.agent(owner="team")
    def think(wish: Wish) -> Bill:
        return Bill(text=wish.text)

    system.edge(START, think, when=breaks, purpose="a wish")
    system.edge(think, END, purpose="the bill")
    async with system.build(Wish, Bill).connect(sqlite_url) as service:
        with pytest.raises(InvalidInput, match="the condition breaks"):
            await service.arun(Wish(text="tea"), by="nils")
        assert await service.aruns() == []


@pytest.mark.parametrize(("tier", "said"), [("urgent", "declares no tier 'urgent'"), ("", "cannot be read")])
async def test_tiers_that_cannot_be_read_begin_nothing(sqlite_url: str, tier: str, said: str) -> None:
    system = System("tiered", responsible="alice", tiers=["medical", "retail"])

    @system.tiers(Wish)
    def demands(_wish: Wish) -> dict[str, Demand]:
        if not tier:
            raise KeyError("wish")
        return {"wish": Demand(tier=tier)}

    @system.agent(owner="team")
    def think(wish: Wish) -> Bill:
        return Bill(text=wish.text)

    system.edge(START, think, purpose="a wish")
    system.edge(think, END, purpose="the bill")
    async with system.build(Wish, Bill).connect(sqlite_url) as service:
        with pytest.raises(InvalidInput, match=said):
            await service.arun(Wish(text="tea"), by="nils")
        assert await service.aruns() == []
