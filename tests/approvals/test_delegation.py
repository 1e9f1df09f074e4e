"""Delegation: in whose place somebody decides, for how long, and who is kept from it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from answerable.agents.options import DAY, HOUR
from answerable.agents.people import person, quorum
from answerable.approvals.deciding.decisions import Decision
from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.voting.votes import Vote
from answerable.errors import InvalidInput, NotEligible, UnknownId
from answerable.testing import FakeClock, FakeReceiver, nowhere
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.effects import EffectSent
from answerable.tracing.ledger.records.votes import DelegationMade
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.tables.approvals import delegations
from tests.orchestrator.letters import LEAD, Ask, letters, recorded, rows, serving

pytestmark = pytest.mark.anyio

PEOPLE = {"dan": "lead", "eve": "none", "fay": "none", "nils": "none"}
WHY: dict[str, Any] = {"reason": "holidays", "seconds": 7 * DAY}


async def test_a_delegate_decides_and_both_are_named(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin, people=PEOPLE) as service:
            made = await service.people.adelegate(by="dora", to="eve", **WHY)
            run = await service.arun(Ask(), by="nils")
            with pytest.raises(NotEligible, match="no delegation that is in force"):
                await service.aapprove(run.waiting_for[0].id, by="fay", for_person="dora")
            decision = await service.aapprove(run.waiting_for[0].id, by="eve")
            await service.aresume(run.id)
            ids = {one.handle: one.id for one in await service.people.aall()}
            (decided,) = await recorded(service, run.id, Decided)
            (sent,) = await recorded(service, run.id, EffectSent)
            (record,) = await recorded(service, "", DelegationMade)
            assert isinstance(decision, Decision)
            assert (decided.by, decided.for_person, decided.delegation) == (ids["eve"], ids["dora"], made.id)
            assert {ids["eve"], ids["dora"]} <= set(sent.chain)
            assert (record.giver, record.taker, record.reason) == (ids["dora"], ids["eve"], "holidays")
            assert await service.store.read(lambda tx: list(faults_of_tables(tx, service.office.key))) == []


async def test_a_delegation_is_one_step_deep(store_url: str) -> None:
    async with serving(letters(), store_url, nowhere(), people=PEOPLE) as service:
        await service.people.adelegate(by="dora", to="eve", **WHY)
        await service.people.adelegate(by="eve", to="fay", **WHY)
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        for whom in ("", "eve", "dora"):
            with pytest.raises(NotEligible):
                await service.aapprove(request.id, by="fay", for_person=whom)


async def test_what_the_responsible_individual_is_cannot_be_delegated(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere(), people=PEOPLE) as service:
        await service.people.adelegate(by="alice", to="eve", **WHY)
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        with pytest.raises(NotEligible, match="it asks role lead"):
            await service.aapprove(request.id, by="eve")


@pytest.mark.parametrize(
    ("giver", "taker", "who", "why"),
    [
        ("dora", "nils", "nils", "nils started this run"),  # never back to the requester
        (
            "nils",
            "dan",
            "dan",
            "is the delegate of nils, who started this run",
        ),  # nor their delegate, in their own right
        ("olga", "dan", "dan", "is the delegate of olga, who owns an agent"),
        ("dora", "olga", "olga", "owns an agent"),
    ],
)
async def test_nobody_decides_their_own_through_a_delegation(
    store_url: str, giver: str, taker: str, who: str, why: str
) -> None:
    async with serving(letters(), store_url, nowhere(), people=PEOPLE) as service:
        await service.people.aadd("olga", roles=["lead"], teams=["writers"])
        await service.people.adelegate(by=giver, to=taker, **WHY)
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        with pytest.raises(NotEligible, match=why):
            await service.aapprove(request.id, by=who)


async def test_a_delegation_ends_and_reaches_no_further_than_it_says(store_url: str) -> None:
    clock, app = FakeClock(), letters(within=30 * DAY)
    for one in (app, letters(named="other")):
        async with serving(one, store_url, nowhere(), clock=clock):
            pass
    async with serving(app, store_url, nowhere(), people=PEOPLE, clock=clock) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        with pytest.raises(UnknownId, match="no approval 'another'"):
            await service.people.adelegate(by="dora", to="fay", system="letters", approval="another", **WHY)
        await service.people.adelegate(by="dora", to="fay", system="letters", approval="other", **WHY)
        with pytest.raises(NotEligible):
            await service.aapprove(request.id, by="fay")
        made = await service.people.adelegate(by="dora", to="eve", system="letters", approval="sign", **WHY)
        with pytest.raises(NotEligible, match="did not give"):
            await service.people.arevoke_delegation(made.id, by="eve", reason="no")
        await service.people.arevoke_delegation(made.id, by="alice", reason="she is back")
        with pytest.raises(InvalidInput, match="revoked already"):
            await service.people.arevoke_delegation(made.id, by="dora", reason="again")
        with pytest.raises(NotEligible):
            await service.aapprove(request.id, by="eve")
        await service.people.adelegate(by="dora", to="eve", reason="holidays", seconds=HOUR)
        clock.advance(HOUR)
        with pytest.raises(NotEligible):
            await service.aapprove(request.id, by="eve")
        states = [one.state(at=clock.now()) for one in await service.people.adelegations()]
        assert sorted(states) == ["over", "revoked", "standing"]


async def test_nobody_counts_twice_through_a_delegation(store_url: str) -> None:
    async with serving(letters(by=quorum(2, LEAD)), store_url, nowhere(), people=PEOPLE) as service:
        await service.people.adelegate(by="dora", to="dan", **WHY)
        await service.people.adelegate(by="dora", to="eve", **WHY)
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        assert (await service.aapprove(request.id, by="dan")).outcome == "voted"
        assert (await service.aapprove(request.id, by="dan", for_person="dora")).outcome == "voted"  # instead
        assert (await service.aapprove(request.id, by="eve")).outcome == "voted"  # for dora, too
        assert (await service.aapprove(request.id, by="dora")).outcome == "voted"  # herself, instead of eve
        with pytest.raises(NotEligible, match="has voted themself"):
            await service.aapprove(request.id, by="eve")
        assert (await service.aapprove(request.id, by="dan")).outcome == "approved"


async def test_a_vote_is_lost_with_its_delegation(store_url: str) -> None:
    async with serving(letters(by=quorum(2, LEAD)), store_url, nowhere(), people=PEOPLE) as service:
        made = await service.people.adelegate(by="dora", to="eve", **WHY)
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        await service.aapprove(request.id, by="eve")
        await service.people.arevoke_delegation(made.id, by="dora", reason="back")
        last = await service.aapprove(request.id, by="dan")
        assert isinstance(last, Vote)
        assert last.missing == '1 of role("lead")'


async def test_an_author_who_acted_for_somebody_makes_both_authors(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere(), people=PEOPLE) as service:
        await service.people.adelegate(by="dora", to="eve", **WHY)
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        edited = await service.aedit(request.id, {"text": "mine"}, by="eve")
        with pytest.raises(NotEligible, match="dora wrote this edit"):
            await service.aapprove(edited.id, by="dora")


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"to": "dora"}, InvalidInput, "to themself"),
        ({"to": "nobody"}, UnknownId, "nobody is registered"),
        ({"by": "nobody"}, UnknownId, "nobody is registered"),
        ({"seconds": 91 * DAY}, InvalidInput, "within 90 days"),
        ({"seconds": 0}, InvalidInput, "within 90 days"),
        ({"reason": " "}, InvalidInput, "the reason is empty"),
        ({"approval": "sign"}, InvalidInput, "of which system"),
        ({"system": "nowhere"}, UnknownId, "no system 'nowhere'"),
    ],
)
async def test_a_delegation_that_cannot_be_is_refused(
    sqlite_url: str, change: dict[str, Any], error: type[Exception], says: str
) -> None:
    async with serving(letters(), sqlite_url, nowhere(), people=PEOPLE) as service:
        with pytest.raises(error, match=says):
            await service.people.adelegate(**{"by": "dora", "to": "eve", **WHY, **change})
        assert await rows(service, "delegations") == []


async def test_a_delegation_by_hand_lets_nobody_act_and_is_made_anew(store_url: str) -> None:
    async with serving(letters(by=person("dora")), store_url, nowhere(), people=PEOPLE) as service:
        await service.people.adelegate(by="dora", to="eve", **WHY)
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        (before,) = await rows(service, "delegations")
        fay = next(one.id for one in await service.people.aall() if one.handle == "fay")
        await service.store.write(lambda tx: tx.run(Statement(update(delegations).values(taker=fay))))
        with pytest.raises(NotEligible):
            await service.aapprove(request.id, by="fay")
        assert await service.store.read(lambda tx: list(faults_of_tables(tx, service.office.key))) != []
        told = await service.office.keeping.rebuild(by="alice", reason="somebody wrote into it")
        assert told.changed == (f"delegation {before['id']}",)
        assert await rows(service, "delegations") == [before]
        assert (await service.aapprove(request.id, by="eve")).outcome == "approved"
