"""Opaque effects: functions with I/O of their own, bound to their message, with a guarantee of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import pytest
from pydantic import Field
from sqlalchemy import text

from answerable.agents.calls import Transaction
from answerable.agents.messages import Message
from answerable.agents.nodes import END, START
from answerable.agents.options import HOUR
from answerable.approvals.node import exemption
from answerable.errors import DeclarationError, EffectRefused
from answerable.orchestrator.app import App
from answerable.orchestrator.service import Service
from answerable.orchestrator.system import System
from answerable.tracing import ids
from answerable.tracing.ledger.records import effects as records
from answerable.tracing.ledger.records.steps import UndeclaredEgress
from answerable.tracing.storage.statements import Statement
from tests.orchestrator.letters import LEAD, Ask, Letter, Receipt, recorded, rows, serving, signed, tamper, write

pytestmark = pytest.mark.anyio


class Order(Message):
    lines: list[str]
    unseen: int = Field(default=1, exclude=True)  # not in its bytes, so nobody sees it, and nothing binds it


def opaque(
    fn: Callable[..., Any], guarantee: Literal["at_most_once", "transactional"], **options: Any
) -> App[Ask, Receipt]:
    """START → write → sign → fn → END."""
    system = System("opaque", responsible="alice")
    writing = system.agent(owner="writers")(write)
    sign = system.approval("sign", of=Letter, by=LEAD, within=HOUR)
    doing: Any = system.opaque_effect("do", guarantee=guarantee, **options)(fn)
    system.edge(START, writing, purpose="ask")
    system.edge(writing, sign, purpose="may it be done?")
    system.edge(sign, doing, purpose="do it")
    system.edge(doing, END, purpose="done")
    return system.build(Ask, Receipt)


# -- at most once ---------------------------------------------------------------------------------------------------


async def test_it_is_called_once_with_what_was_approved(store_url: str) -> None:
    called: list[Letter] = []

    async def do(letter: Letter) -> Receipt:
        called.append(letter)
        return Receipt(text="done")

    async with serving(opaque(do, "at_most_once"), store_url) as service:
        run = await service.arun(Ask(text="bob"), by="nils")
        (call,) = run.waiting_for[0].view["options"][0]["calls"]
        assert (call["method"], call["url"], call["body"]) == ("", "", '{"text":"dear bob"}')
        assert called == []
        await service.aapprove(run.waiting_for[0].id, by="dora")
        assert (await service.aresume(run.id)).result == Receipt(text="done")
        await service.aresume(run.id)
        assert await recorded(service, run.id, UndeclaredEgress) == []
    assert called == [Letter(text="dear bob")]


async def test_each_function_is_given_what_was_approved_whatever_others_did_to_the_message(sqlite_url: str) -> None:
    called: list[tuple[list[str], int]] = []

    def take(order: Order) -> Receipt:
        called.append((list(order.lines), order.unseen))
        order.lines.append("and a yacht")
        return Receipt(text="done")

    @exemption(version=1)
    def always(_order: Order, _ask: Ask) -> bool:
        return True

    system = System("orders", responsible="alice")

    @system.agent(owner="writers")
    def order(_ask: Ask) -> Order:
        return Order(lines=["tea"], unseen=1_000_000)

    sign = system.approval("sign", of=Order, by=LEAD, within=HOUR, exempt=always)
    system.edge(START, order, purpose="ask")
    system.edge(order, sign, purpose="may it be done?")
    for name in ("first", "second"):
        doing: Any = system.opaque_effect(name, guarantee="at_most_once")(take)
        system.edge(sign, doing, purpose="do it")
        system.edge(doing, END, purpose="done")
    async with serving(system.build(Ask, Receipt), sqlite_url) as service:
        await service.aaccept_exemption("sign", by="alice")
        assert (await service.arun(Ask(text="bob"), by="nils")).status == "done"
    assert called == [(["tea"], 1), (["tea"], 1)]


async def test_what_it_raises_leaves_it_in_doubt(sqlite_url: str) -> None:
    def do(letter: Letter) -> Receipt:
        raise ConnectionResetError("in the middle")

    async with serving(opaque(do, "at_most_once"), sqlite_url) as service:
        run = await signed(service)
        assert (run.status, len(run.in_doubt)) == ("waiting", 1)
        (doubt,) = await recorded(service, run.id, records.EffectInDoubt)
    assert doubt.error == "ConnectionResetError: in the middle"


async def test_a_function_that_knows_that_nothing_happened_says_so(sqlite_url: str) -> None:
    def do(letter: Letter) -> Receipt:
        raise EffectRefused("the bank is closed")

    async with serving(opaque(do, "at_most_once"), sqlite_url) as service:
        run = await signed(service)
        assert (run.status, run.detail) == ("failed", "do: the bank is closed")


async def test_one_that_runs_too_long_is_in_doubt(sqlite_url: str) -> None:
    async def do(letter: Letter) -> Receipt:
        await asyncio.sleep(30)
        return Receipt()

    async with serving(opaque(do, "at_most_once", timeout=0.02), sqlite_url) as service:
        assert len((await signed(service)).in_doubt) == 1


async def test_a_wrong_result_is_known_to_have_happened(sqlite_url: str) -> None:
    def do(letter: Letter) -> Receipt:
        return letter  # type: ignore[return-value]  # what an untyped user may do

    async with serving(opaque(do, "at_most_once"), sqlite_url) as service:
        run = await signed(service)
        assert run.detail == "do: TypeError: do returned Letter, and declares Receipt"
        assert [row["state"] for row in await rows(service, "effects")] == ["done"]


async def test_it_is_not_called_with_another_message(sqlite_url: str) -> None:
    """The message is exchanged after its crossing was written, with a commitment that fits."""
    called: list[Letter] = []

    def do(letter: Letter) -> Receipt:
        called.append(letter)
        return Receipt()

    async with serving(opaque(do, "at_most_once"), sqlite_url) as service:
        freeze = await service.afreeze("effect:do", by="dora", reason="hold it here")
        run = await signed(service)
        assert run.status == "frozen"
        payload, salt = Letter(text="dear b").to_bytes(), b"0" * 16
        await tamper(
            service, "messages", type="Letter", payload=payload, salt=salt, commitment=ids.commitment(salt, payload)
        )
        await service.athaw(freeze.id, by="dora", reason="go on")
        assert (await service.aresume(run.id)).status == "failed"
        (refused,) = await recorded(service, run.id, records.EffectRefused)
    assert refused.reason == "the stored message is not the one that was approved"
    assert called == []


# -- transactional --------------------------------------------------------------------------------------------------


def book(tx: Transaction, letter: Letter) -> Receipt:
    tx.execute("CREATE TABLE IF NOT EXISTS book (words TEXT NOT NULL)")
    assert tx.execute("INSERT INTO book (words) VALUES (:words)", {"words": letter.text}) == []
    ((count,),) = tx.execute("SELECT count(*) FROM book WHERE words LIKE 'dear%'")
    return Receipt(text=f"{count} booked")


async def booked(service: Service[Any, Any]) -> list[str]:
    return [row[0] for row in await service.store.read(lambda tx: tx.all(Statement(text("SELECT words FROM book"))))]


async def test_it_happens_with_its_record(store_url: str) -> None:
    async with serving(opaque(book, "transactional"), store_url) as service:
        run = await signed(service)
        assert (run.status, run.result) == ("done", Receipt(text="1 booked"))
        assert await booked(service) == ["dear a"]
        (sent,) = await recorded(service, run.id, records.EffectSent)
        (answered,) = await recorded(service, run.id, records.EffectAnswered)
        assert [row["state"] for row in await rows(service, "grants")] == ["consumed"]
    assert (answered.outcome, answered.sent_at, answered.effect) == ("done", sent.at, sent.effect)


def spoiled(tx: Transaction, letter: Letter) -> Receipt:
    book(tx, letter)
    raise RuntimeError("after writing")


def mistyped(tx: Transaction, letter: Letter) -> Receipt:
    book(tx, letter)
    return letter  # type: ignore[return-value]  # what an untyped user may do


def misspelt(tx: Transaction, letter: Letter) -> Receipt:
    tx.execute("INSERT INTO no_such_table (words) VALUES ('x')")
    return Receipt()


def committing(tx: Transaction, letter: Letter) -> Receipt:
    book(tx, letter)
    tx.execute("  COMMIT;")
    return Receipt()


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (spoiled, "RuntimeError: after writing"),
        (mistyped, "returned Letter"),
        (misspelt, "no_such_table"),
        (committing, "is not for an effect to say"),
    ],
)
async def test_what_it_raises_undoes_everything(store_url: str, fn: Callable[..., Any], said: str) -> None:
    async with serving(opaque(fn, "transactional"), store_url) as service:
        run = await signed(service)
        assert run.status == "failed"
        assert said in run.detail
        (answered,) = await recorded(service, run.id, records.EffectAnswered)
        assert (answered.outcome, await recorded(service, run.id, records.EffectSent)) == ("not-sent", [])
        with pytest.raises(Exception, match="book"):
            await booked(service)


async def test_it_needs_its_grant_like_any_other(store_url: str) -> None:
    async with serving(opaque(book, "transactional"), store_url) as service:
        run = await service.arun(Ask(), by="nils")
        await service.aapprove(run.waiting_for[0].id, by="dora")
        await tamper(service, "grants", mac="0" * 64)
        assert (await service.aresume(run.id)).status == "failed"
        (refused,) = await recorded(service, run.id, records.EffectRefused)
        with pytest.raises(Exception, match="book"):
            await booked(service)
    assert "the MAC is wrong" in refused.reason


async def test_a_freeze_holds_it(store_url: str) -> None:
    async with serving(opaque(book, "transactional"), store_url) as service:
        run = await service.arun(Ask(), by="nils")
        await service.aapprove(run.waiting_for[0].id, by="dora")
        await service.ahandover(to="dora", by="alice", reason="holidays")
        assert (await service.aresume(run.id)).status == "frozen"
        assert len(await recorded(service, run.id, records.EffectRefused)) == 1
        await service.aaccept_handover(by="dora")
        assert (await service.aresume(run.id)).result == Receipt(text="1 booked")


async def async_book(tx: Transaction, letter: Letter) -> Receipt:
    return Receipt()


def no_transaction(letter: Letter) -> Receipt:
    return Receipt()


def no_message(tx: Transaction, words: str) -> Receipt:
    return Receipt()


def no_result(tx: Transaction, letter: Letter) -> None:
    return None


@pytest.mark.parametrize("fn", [async_book, no_transaction, no_message, no_result])
def test_a_transactional_function_of_another_shape_is_refused(fn: Callable[..., Any]) -> None:
    with pytest.raises(DeclarationError, match="'do' must"):
        opaque(fn, "transactional")


def test_a_transaction_is_given_to_transactional_effects_only() -> None:
    with pytest.raises(DeclarationError, match="no message type"):
        opaque(book, "at_most_once")
