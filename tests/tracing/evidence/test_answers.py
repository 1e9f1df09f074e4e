"""Answers from a store, on both databases: every id of a run, subjects, and those that several runs have."""

from __future__ import annotations

from typing import Any

import pytest

from answerable import END, HOUR, POST, START, Call, Message, Receiver, System, role
from answerable.errors import UnknownId
from answerable.orchestrator.app import App
from answerable.testing import FakeReceiver
from answerable.tracing.evidence.lineage.lineage import Lineage
from answerable.tracing.evidence.lineage.sources import read_sources
from answerable.tracing.evidence.story.answers import explain
from answerable.tracing.evidence.story.story import Story
from answerable.tracing.evidence.telling.labels import state_of
from answerable.tracing.evidence.telling.words import as_plain
from answerable.tracing.ledger.naming import catch_up
from answerable.tracing.storage.store import Store, open_store

THERE = Receiver("there", keeps_keys_for=HOUR)


class Wish(Message):
    number: int


class Order(Message, subject="number"):
    number: str
    lines: list[Wish] = []


class Bill(Message, subject="order"):
    order: str


def shop() -> App[Wish, Bill]:
    system = System("shop", responsible="alice")

    @system.agent(owner="buyers")
    async def order(wish: Wish) -> Order:
        return Order(number=f"S-{wish.number}", lines=[wish])

    sign = system.approval("sign", of=Order, by=role("lead"), within=HOUR)

    @system.effect("buy", to=THERE, guarantee="idempotent")
    def buy(order: Order) -> Call[Bill]:
        response = yield POST("/orders", json=order)
        return Bill(order=response.json()["number"])

    system.edge(START, order, purpose="what is missing")
    system.edge(order, sign, purpose="may we?")
    system.edge(sign, buy, purpose="buy it")
    system.edge(buy, END, purpose="what it costs")
    return system.build(Wish, Bill)


@pytest.fixture
def run_ids(store_url: str) -> list[str]:
    """Three runs, the first two about the same order."""
    made = []
    with FakeReceiver() as receiver, shop().connect(store_url, origins={THERE: receiver.origin}) as service:
        service.people.add("dora", name="Dora D.", roles=["lead"])
        for number in (1, 1, 2):
            run = service.run(Wish(number=number), by="nils")
            service.approve(run.waiting_for[0].id, by="dora", reason="it is needed")
            assert service.resume(run.id).status == "done"
            made.append(run.id)
    return made


async def answered(store: Store, given: str, question: Any = "why") -> Story:
    return await store.read(lambda tx: explain(tx, given, question))


@pytest.mark.anyio
async def test_every_id_of_a_run_is_answered(store_url: str, run_ids: list[str]) -> None:
    store = open_store(store_url)
    try:
        await catch_up(store)
        sources = await store.read(lambda tx: read_sources(tx, run_ids[0]))
        lineage = Lineage(run_ids[0], sources.placed)
        assert {fact.kind for fact in lineage.facts.values()} == {
            "run", "message", "crossing", "step", "request", "decision", "effect",
        }  # fmt: skip
        for id, fact in lineage.facts.items():
            if fact.kind == "run":
                continue
            why, impact = await answered(store, id), await answered(store, id, "impact")
            assert [one.id for one in why.path] == [one.id for one in lineage.back(id)]
            assert [one.id for one in impact.path] == [one.id for one in lineage.forward(id)]
            assert why.run == run_ids[0] and not why.partial and not impact.partial
            assert "alice" in as_plain(why.answer[-1])
    finally:
        store.close()


@pytest.mark.anyio
async def test_a_subject_is_told_by_its_newest_run(store_url: str, run_ids: list[str]) -> None:
    store = open_store(store_url)
    try:
        story = await answered(store, "S-1")
        assert story.run == run_ids[1]
        assert (story.focus.kind, state_of(story.focus)) == ("effect", "done")
        (note,) = map(as_plain, story.notes)
        assert "2 runs speak of S-1" in note and run_ids[0] in note
        only = await answered(store, "S-2", "impact")
        assert only.run == run_ids[2] and not only.notes
        text = " ".join(map(as_plain, story.answer))
        assert "number S-1" in text and "Dora D. chose as-proposed at sign" in text and "“it is needed”" in text
        for given in ("S", "S-", "s-1", "S-1 "):
            with pytest.raises(UnknownId):
                await answered(store, given)
    finally:
        store.close()


@pytest.mark.anyio
async def test_a_run_goes_before_a_subject_of_the_same_name(store_url: str) -> None:
    with FakeReceiver() as receiver, shop().connect(store_url, origins={THERE: receiver.origin}) as service:
        service.run(Wish(number=5), by="nils", run_id="S-6")
        service.run(Wish(number=6), by="nils", run_id="other")
    store = open_store(store_url)
    try:
        assert (await answered(store, "S-6")).run == "S-6"
        assert (await answered(store, "S-5")).run == "S-6"
        assert (await answered(store, "othe")).focus.id == "other"
    finally:
        store.close()
