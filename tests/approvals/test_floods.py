"""Rule 16: a flood does not deny. What is too large reaches nobody; what asks too much is stopped, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.nodes import END, START
from answerable.agents.options import HOUR
from answerable.agents.outcomes import Ended
from answerable.agents.prioritization import Demand, Prioritization
from answerable.approvals.asking.quotas import Quota
from answerable.errors import DeclarationError, InvalidMessage, NotEligible
from answerable.orchestrator.app import App
from answerable.orchestrator.running.flooding import MOST_SHOWN_BYTES
from answerable.orchestrator.service import Service
from answerable.orchestrator.system import System
from answerable.testing import FakeClock, FakeReceiver, nowhere
from answerable.tracing.ledger.records.deciding import RequestMade
from answerable.tracing.ledger.records.stops import Froze
from tests.orchestrator.letters import (
    CARRIER,
    LEAD,
    Account,
    Ask,
    Batch,
    Letter,
    Receipt,
    letters,
    post,
    recorded,
    rows,
    serving,
)

pytestmark = pytest.mark.anyio


def long(ask: Ask) -> Letter:
    return Letter(text="x" * 10_000_000 if ask.text == "huge" else "dear a")


def as_long(letter: Letter, ask: Ask) -> dict[str, Letter]:
    return {"longer": Letter(text="x" * MOST_SHOWN_BYTES)} if ask.text == "longer" else {}


async def test_a_message_of_10_mb_reaches_nobody_and_stops_nothing(store_url: str) -> None:
    async with serving(letters(writer=long), store_url, nowhere()) as service:
        huge = await service.arun(Ask(text="huge"), by="nils")
        other = await service.arun(Ask(), by="nils")
        assert [one.run for one in await service.arequests()] == [other.id]
        assert await recorded(service, huge.id, RequestMade) == []
        assert await rows(service, "effects") == [
            one for one in await rows(service, "effects") if one["run"] == other.id
        ]
    assert huge.status == "failed"
    assert "the message for sign has 10,000,011 bytes, and a person is shown at most 1,048,576" in huge.detail
    assert "take it apart with each=" in huge.detail


async def test_alternatives_that_are_too_large_are_not_shown_in_part(sqlite_url: str) -> None:
    async with serving(letters(options=as_long), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(text="longer"), by="nils")
        assert await service.arequests() == []
    assert run.status == "failed" and "all that would be shown for sign has" in run.detail


async def test_an_edit_that_is_too_large_is_refused_and_the_request_stays_open(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
        with pytest.raises(InvalidMessage, match="a person is shown at most"):
            await service.aedit(run.waiting_for[0].id, Letter(text="x" * MOST_SHOWN_BYTES), by="dora")
        assert [one.state for one in await service.arequests()] == ["open"]


# -- quotas -----------------------------------------------------------------------------------------


class Both(Batch):
    """Many letters that one agent wrote."""


class Plan(Prioritization):
    """What another agent proposes."""


def flooded(*, quota: Quota, count: int) -> App[Ask, Account]:
    """One agent asks about `count` letters, another one about a plan in which medicine goes short."""
    system = System("flooded", responsible="alice", tiers=["medical", "retail"])

    @system.tiers(Ask)
    def demands(ask: Ask) -> dict[str, Demand]:
        return {"insulin": Demand(tier="medical", quantity=5)}

    @system.agent(owner="writers")
    def flood(ask: Ask) -> Both | None:
        return None if ask.text == "plan" else Both(letters=[Letter(text=f"{n}") for n in range(count)])

    @system.agent(owner="planners")
    def plan(ask: Ask) -> Plan | None:
        return None if ask.text == "flood" else Plan(served={"insulin": 1})

    sign: Any = system.approval("sign", of=Letter, by=LEAD, within=HOUR, quota=quota)
    weigh = system.approval("weigh", of=Plan, by=LEAD, within=2 * HOUR, quota=quota)
    posting: Any = system.effect("post", to=CARRIER, guarantee="idempotent")(post)

    @system.agent(owner="writers")
    def account(ended: list[Ended[Receipt]]) -> Account:
        return Account(lines=[one.result.text for one in ended if one.result is not None])

    @system.agent(owner="planners")
    def planned(plan: Plan) -> Account:
        return Account(lines=["planned"])

    system.edge(START, flood, purpose="letters")
    system.edge(START, plan, purpose="orders")
    system.edge(flood, sign, each="letters", purpose="may they be sent?")
    system.edge(plan, weigh, purpose="may medicine wait?")
    system.edge(sign, posting, purpose="send it")
    system.edge(posting, account, gather=True, purpose="what became of each")
    system.edge(weigh, planned, purpose="go on")
    system.edge(account, END, purpose="the account")
    system.edge(planned, END, purpose="the account")
    return system.build(Ask, Account)


async def frozen(service: Service[Any, Any]) -> list[Froze]:
    """The freezes that stand on record."""
    return await recorded(service, "", Froze)


async def of_run(service: Service[Any, Any], run: str) -> int:
    """How many open requests a run has."""
    return len([one for one in await rows(service, "requests") if one["run"] == run and one["state"] == "open"])


async def test_a_source_beyond_its_quota_is_frozen_and_no_other_is_hindered(store_url: str) -> None:
    with FakeReceiver() as receiver:
        app = flooded(quota=Quota(open=4), count=10)
        async with serving(app, store_url, receiver.origin, people={"emil": "lead"}) as service:
            run = await service.arun(Ask(text="both"), by="nils")
            assert await of_run(service, run.id) == 4 + 1  # its own other agent asks
            (stop,) = await frozen(service)
            nils = next(one.id for one in await service.people.aall() if one.handle == "nils")
            assert (stop.by, stop.target) == ("", f"source:flood@{nils}")
            assert stop.reason == "sign: 4 of its requests are open, and its quota is 4"
            assert run.status == "waiting"
            other = await service.arun(Ask(text="flood"), by="otto")  # the same agent, for somebody else
            assert await of_run(service, other.id) == 4
            planned = await service.arun(Ask(text="plan"), by="nils")  # the same person, another agent
            assert await of_run(service, planned.id) == 1
            again = await service.arun(Ask(text="flood"), by="nils")
            assert (again.status, await of_run(service, again.id)) == ("frozen", 0)
            for one in run.waiting_for:  # what was asked before can be decided, and its calls leave
                await service.aapprove(one.id, by="dora")
            run = await service.aresume(run.id)
            assert (run.status, len(receiver.happened)) == ("frozen", 4)
            assert {one.by for one in await frozen(service)} == {""}


async def test_only_a_person_lifts_it_and_then_it_may_ask_as_often_again(store_url: str) -> None:
    app, clock = flooded(quota=Quota(open=4), count=10), FakeClock()
    async with serving(app, store_url, nowhere(), clock=clock) as service:
        run = await service.arun(Ask(text="flood"), by="nils")
        clock.advance(60)
        for asked in (8, 10):
            assert (await service.aresume(run.id)).status == "waiting"
            (stop,) = await service.afreezes()
            assert stop.by == ""
            clock.advance(1)
            with pytest.raises(NotEligible, match="nils started the runs that asked too much"):
                await service.athaw(stop.id, by="nils", reason="I am not done")
            await service.athaw(stop.id, by="dora", reason="a busy day")
            await service.aresume(run.id)
            assert await of_run(service, run.id) == asked
        assert await service.afreezes() == []
        assert [one.reason for one in await frozen(service)] == [
            "sign: 4 of its requests are open, and its quota is 4"
        ] * 2


async def test_what_was_decided_counts_for_an_hour(sqlite_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(quota=Quota(per_hour=2)), sqlite_url, nowhere(), clock=clock) as service:
        for _ in range(2):
            run = await service.arun(Ask(), by="nils")
            await service.areject(run.waiting_for[0].id, by="dora", reason="no")
        clock.advance(HOUR)
        assert (await service.arun(Ask(), by="nils")).status == "waiting"
        assert (await service.arun(Ask(), by="nils")).status == "waiting"
        assert (await service.arun(Ask(), by="nils")).status == "frozen"
        (stop,) = await frozen(service)
    assert stop.reason == "sign: it made 2 requests within an hour, and its quota is 2"


@pytest.mark.parametrize("quota", [Quota(open=0), Quota(per_hour=0), Quota(open=-1)])
def test_a_quota_that_lets_nothing_ask_is_refused(quota: Quota) -> None:
    with pytest.raises(DeclarationError, match="lets nothing ask"):
        letters(quota=quota)


@pytest.mark.parametrize("quota", [0, None, Quota(open=1.5), Quota(open=True), Quota(per_hour=0)])  # type: ignore[arg-type]  # what an untyped user may do
def test_a_quota_that_is_none_is_refused(quota: Any) -> None:
    with pytest.raises(DeclarationError, match="quota"):
        flooded(quota=quota, count=1)
