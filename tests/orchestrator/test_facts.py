"""Facts: what a decision rests on is read again just before sending, and one that moved asks anew."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import pytest

from answerable.agents.options import DAY, HOUR
from answerable.approvals.asking.resting import FactShown, facts_shown
from answerable.approvals.forgeries import faults_of_tables
from answerable.errors import DeclarationError, FactsUnknown
from answerable.orchestrator.engine import advance_due
from answerable.orchestrator.progress import Progress
from answerable.orchestrator.running.facts import AGAIN_SECONDS
from answerable.testing import FakeClock, FakeReceiver, Reply
from answerable.tracing.ledger.records.afterwards import DecisionRevoked
from answerable.tracing.ledger.records.effects import EffectRefused
from tests.orchestrator.letters import Ask, Letter, Receipt, always, batches, letters, recorded, rows, serving
from tests.support.servers import NOWHERE

pytestmark = pytest.mark.anyio


class Stock:
    """A world outside, and how often it was asked."""

    def __init__(self, **facts: Any) -> None:
        self.facts: dict[str, Any] = facts
        self.asked = 0
        self.away = False

    def look(self, letter: Letter, ask: Ask) -> Mapping[str, Any]:
        self.asked += 1
        if self.away:
            raise OSError("the warehouse does not answer")
        return dict(self.facts)


async def test_what_has_not_moved_is_sent_and_was_read_twice(store_url: str) -> None:
    stock = Stock(paper=40, order={"version": 3})
    with FakeReceiver() as receiver:
        async with serving(letters(facts=stock.look), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            (request,) = run.waiting_for
            assert request.view["facts"] == {"paper": 40, "order": {"version": 3}}
            await service.aapprove(request.id, by="dora")
            done = await service.aresume(run.id)
    assert (done.result, stock.asked) == (Receipt(text="dear a"), 2)


async def test_what_moved_is_void_and_asked_anew_with_old_and_new(store_url: str) -> None:
    stock, told = Stock(paper=40, ink="blue", pens=1), list[Progress]()
    with FakeReceiver() as receiver:
        async with serving(letters(facts=stock.look), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            (old,) = run.waiting_for
            await service.aapprove(old.id, by="dora")
            stock.facts = {"paper": 12, "ink": "blue", "stamps": 2}
            with service.watching(told.append):
                run = await service.aresume(run.id)
            (new,) = run.waiting_for
            assert receiver.received == []
            (gone,) = await recorded(service, run.id, DecisionRevoked)
            (refused,) = await recorded(service, run.id, EffectRefused)
            key = service.runtime.worker.key
            assert await service.store.read(lambda tx: list(faults_of_tables(tx, key))) == []
            await service.aapprove(new.id, by="dora")
            done = await service.aresume(run.id)
    assert (gone.cause, gone.by, gone.facts) == ("facts", "", ("paper", "pens", "stamps"))
    assert (refused.waits, refused.reason) == (True, "what it rests on has changed: paper, pens, stamps")
    (said,) = [one.detail for one in told if (one.node, one.state) == ("post", "refused")]
    assert said == refused.reason
    assert new.in_place_of == old.id
    assert facts_shown(new.view) == (
        FactShown(name="ink", now='"blue"', was='"blue"'),
        FactShown(name="paper", now="12", was="40"),
        FactShown(name="pens", now=None, was="1"),
        FactShown(name="stamps", now="2", was=None),
    )
    assert done.result == Receipt(text="dear a")
    assert len(receiver.received) == 1


async def test_facts_are_read_once_for_a_decision_whatever_its_own_calls_move(sqlite_url: str) -> None:
    left = [3]

    async def letters_left(letters: Any, ask: Ask) -> Mapping[str, Any]:
        await asyncio.sleep(0)
        return {"left": left[0]}

    def answer(_: Any) -> Any:
        left[0] -= 1
        return Reply(json={"text": "sent"})

    with FakeReceiver(answer) as receiver:
        async with serving(batches(each_signed=False, facts=letters_left), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            done = await service.aresume(run.id)
    assert done.result is not None
    assert done.result.lines == ["sent"] * 3
    assert left == [0]


async def test_facts_that_cannot_be_read_let_nothing_leave_and_are_tried_again(store_url: str) -> None:
    stock, clock = Stock(paper=40), FakeClock()
    with FakeReceiver() as receiver:
        async with serving(letters(facts=stock.look), store_url, receiver.origin, clock=clock) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            stock.away = True
            run = await service.aresume(run.id)
            (refused,) = await recorded(service, run.id, EffectRefused)
            assert (run.status, receiver.received, refused.waits) == ("waiting", [], True)
            assert "the warehouse does not answer" in refused.reason
            assert await advance_due(service.runtime) == 0
            clock.advance(AGAIN_SECONDS)
            assert await advance_due(service.runtime) == 1
            assert len(await recorded(service, run.id, EffectRefused)) == 2
            stock.away = False
            clock.advance(AGAIN_SECONDS)
            assert await advance_due(service.runtime) == 1
            assert (await service.aget(run.id)).result == Receipt(text="dear a")
    assert len(receiver.received) == 1


async def test_what_can_never_be_read_again_ends_with_its_grants(sqlite_url: str) -> None:
    stock, clock = Stock(paper=40), FakeClock()
    with FakeReceiver() as receiver:
        app = letters(facts=stock.look, execute_within=2 * HOUR)
        async with serving(app, sqlite_url, receiver.origin, clock=clock) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            stock.away = True
            clock.advance(2 * HOUR - 1)
            assert (await service.aresume(run.id)).status == "waiting"
            clock.advance(1)
            done = await service.aresume(run.id)
    assert (done.status, receiver.received) == ("failed", [])
    assert "its grant has expired" in done.detail


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (["paper"], "not list"),
        ({"paper": {1, 2}}, "paper|set"),
        ({"paper": float("nan")}, "NaN|nan"),
        ({7: 1}, "name of a fact"),
        ({str(number): number for number in range(51)}, "51 facts"),
        ({"paper": "x" * 200_000}, "longer than"),
    ],
)
async def test_facts_that_are_none_fail_the_step_that_asks(sqlite_url: str, found: Any, said: str) -> None:
    def look(letter: Letter, ask: Ask) -> Any:
        return found

    async with serving(letters(facts=look), sqlite_url, NOWHERE) as service:
        run = await service.arun(Ask(), by="nils")
        assert (run.status, await rows(service, "requests")) == ("failed", [])
        assert "the facts of sign cannot be read" in run.detail
        assert re.search(said, run.detail)


async def test_an_edit_is_about_the_facts_of_its_own_message(sqlite_url: str) -> None:
    def lengths(letter: Letter, ask: Ask) -> Mapping[str, Any]:
        return {"length": len(letter.text)}

    with FakeReceiver() as receiver:
        app = letters(facts=lengths)
        async with serving(app, sqlite_url, receiver.origin, people={"dan": "lead"}) as service:
            run = await service.arun(Ask(), by="nils")
            edited = await service.aedit(run.waiting_for[0].id, Letter(text="hello"), by="dora", reason="shorter")
            assert edited.view["facts"] == {"length": 5}
            await service.aapprove(edited.id, by="dan")
            assert (await service.aresume(run.id)).result == Receipt(text="hello")


async def test_an_edit_without_its_facts_is_not_made(sqlite_url: str) -> None:
    stock = Stock(paper=1)
    async with serving(letters(facts=stock.look), sqlite_url, NOWHERE) as service:
        run = await service.arun(Ask(), by="nils")
        stock.away = True
        with pytest.raises(FactsUnknown, match="the warehouse does not answer"):
            await service.aedit(run.waiting_for[0].id, Letter(text="hello"), by="dora", reason="shorter")
        assert [row["state"] for row in await rows(service, "requests")] == ["open"]


async def test_an_exemption_rests_on_facts_too(sqlite_url: str) -> None:
    """What moved before an exempted call left is asked of a person: an exemption does not pass it a second time."""
    stock = Stock(paper=40)
    with FakeReceiver() as receiver:
        async with serving(letters(facts=stock.look, exempt=always), sqlite_url, receiver.origin) as service:
            await service.aaccept_exemption("sign", by="alice")
            stop = await service.afreeze("effect:post", by="alice", reason="wait")
            run = await service.arun(Ask(), by="nils")
            stock.facts["paper"] = 0
            await service.athaw(stop.id, by="alice", reason="go")
            run = await service.aresume(run.id)
            assert [one.view["before"]["facts"] for one in run.waiting_for] == [{"paper": 40}]
    assert receiver.received == []


async def test_execute_within_is_bound_and_ends_the_grant(store_url: str) -> None:
    clock = FakeClock()
    with FakeReceiver() as receiver:
        async with serving(letters(execute_within=HOUR), store_url, receiver.origin, clock=clock) as service:
            run = await service.arun(Ask(), by="nils")
            assert run.waiting_for[0].execute_within_seconds == HOUR
            await service.aapprove(run.waiting_for[0].id, by="dora")
            clock.advance(HOUR)
            done = await service.aresume(run.id)
    assert (done.status, receiver.received) == ("failed", [])
    assert "its grant has expired" in done.detail


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), DAY * 365 * 200])
def test_no_time_to_send_in_is_refused_where_it_is_declared(seconds: float) -> None:
    with pytest.raises(DeclarationError, match="execute_within"):
        letters(execute_within=seconds)
