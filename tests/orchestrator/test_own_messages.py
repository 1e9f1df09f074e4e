"""Messages that somebody changes, or that nobody else could read: what others see stays what was written."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel

from answerable.agents.calls import POST, Call
from answerable.agents.copies import own
from answerable.agents.messages import Message
from answerable.agents.nodes import END, START
from answerable.agents.options import HOUR, Retry
from answerable.errors import InvalidInput, InvalidMessage
from answerable.orchestrator.app import App
from answerable.orchestrator.system import System
from answerable.testing import FakeReceiver, nowhere
from tests.orchestrator.letters import LEAD, Ask, Letter, Receipt, letters, rows, serving, signed

pytestmark = pytest.mark.anyio


class Basket(Message):
    lines: list[str]


class LongLetter(Letter):
    pages: int = 5


class LongReceipt(Receipt):
    pages: int = 5


class LongAsk(Ask):
    pages: int = 5


class Weight(Message):
    grams: float


class Leaf(Message):
    names: tuple[str, ...] = ()
    kind: Literal["a", "b"] | None = None
    next: Leaf | None = None


class Loose(BaseModel):
    text: str = ""


class Holding(Message):
    loose: Loose = Loose()


@pytest.mark.parametrize(
    ("message", "copied"), [(Leaf(next=Leaf()), False), (Ask(), False), (Basket(lines=["a"]), True), (Holding(), True)]
)
async def test_only_what_can_be_changed_is_copied(message: Message, copied: bool) -> None:
    assert own(message) == message
    assert (own(message) is not message) is copied


async def test_a_step_has_its_messages_for_itself(sqlite_url: str) -> None:
    system = System("baskets", responsible="alice")
    kept: list[Basket] = []
    seen: list[list[str]] = []

    @system.agent(owner="shop")
    async def first(basket: Basket) -> Basket:
        kept.append(Basket(lines=["cheap"]))
        return kept[-1]

    @system.agent(owner="shop", retry=Retry(attempts=2, pause_seconds=0.001))
    async def second(basket: Basket) -> Basket:
        kept[-1].lines.append("changed by its maker")
        seen.append(list(basket.lines))
        basket.lines.append("changed by its reader")
        if len(seen) == 1:
            raise ValueError("again")
        return basket

    @system.agent(owner="shop")
    async def third(basket: Basket) -> Basket:
        seen.append(list(basket.lines))
        return basket

    system.edge(START, first, purpose="begin")
    system.edge(first, second, purpose="here")
    system.edge(first, third, purpose="and there")
    system.edge(second, END, purpose="end")
    system.edge(third, END, purpose="end")
    async with serving(system.build(Basket, Basket), sqlite_url) as service:
        await service.arun(Basket(lines=[]), by="nils")
    assert seen == [["cheap"]] * 3


async def test_an_agent_returns_a_type_that_the_app_knows(sqlite_url: str) -> None:
    def write(ask: Ask) -> Letter:
        return LongLetter(text=ask.text)

    async with serving(letters(writer=write), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
        assert (await service.aget(run.id)).status == run.status == "failed"
        (step,) = await rows(service, "steps")
    assert "does not know LongLetter" in step["error"]


async def test_an_effect_returns_a_type_that_the_app_knows(sqlite_url: str) -> None:
    def post(letter: Letter) -> Call[Receipt]:
        yield POST("/letters", json=letter)
        return LongReceipt(text="long")

    with FakeReceiver() as receiver:
        async with serving(letters(poster=post), sqlite_url, receiver.origin) as service:
            run = await signed(service)
            assert (await service.aget(run.id)).status == run.status == "failed"
            (effect,) = await rows(service, "effects")
    assert effect["state"] == "done"
    assert "does not know LongReceipt" in run.detail


async def test_a_run_begins_with_a_type_that_the_app_knows(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        with pytest.raises(InvalidMessage, match="does not know LongAsk"):
            await service.arun(LongAsk(), by="nils")
        assert await service.aruns() == []


@pytest.mark.parametrize("id", ["", "a b", "a/b", "a\n", "\ud800", "é", "x" * 201, 5, b"x", ["x"]])
async def test_what_is_no_id_of_a_run(sqlite_url: str, id: Any) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        with pytest.raises(InvalidInput, match="no id of a run"):
            await service.arun(Ask(), by="nils", run_id=id)
        assert await service.aruns() == []


def weights() -> App[Weight, Weight]:
    system = System("weights", responsible="alice")
    sign = system.approval("sign", of=Weight, by=LEAD, within=HOUR)
    system.edge(START, sign, purpose="begin")
    system.edge(sign, END, purpose="end")
    return system.build(Weight, Weight)


@pytest.mark.parametrize(
    "proposed",
    [{"grams": float("nan")}, [1], 5, None, "x", {"grams": object()}, {1: 2}, {"grams": 1, "more": 2}, Ask()],
)
async def test_what_is_no_edit_changes_nothing(sqlite_url: str, proposed: Any) -> None:
    async with serving(weights(), sqlite_url) as service:
        run = await service.arun(Weight(grams=1.0), by="nils")
        (request,) = run.waiting_for
        with pytest.raises(InvalidMessage):
            await service.aedit(request.id, proposed, by="dora")
        assert [one.id for one in await service.arequests()] == [request.id]


async def test_half_a_surrogate_pair_cannot_be_written(sqlite_url: str) -> None:
    with pytest.raises(InvalidMessage, match="this Ask cannot be written"):
        Ask.model_construct(text="\ud800").to_bytes()
    async with serving(letters(), sqlite_url, nowhere()) as service:
        with pytest.raises(InvalidMessage, match="cannot be written"):
            await service.arun(Ask.model_construct(text="\ud800"), by="nils")
