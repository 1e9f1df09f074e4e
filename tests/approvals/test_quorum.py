"""Quorums: several people decide, each for a place of their own; and what is no vote counts as nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, update

from answerable.agents.people import person, quorum, role
from answerable.approvals.deciding.decisions import Decision
from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.voting.votes import Vote
from answerable.errors import AlreadyDecided, DeclarationError, NotEligible
from answerable.orchestrator.service import Service
from answerable.testing import FakeReceiver, nowhere
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.effects import EffectSent
from answerable.tracing.ledger.records.votes import Voted
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.tables.approvals import votes
from tests.orchestrator.letters import LEAD, Ask, Letter, letters, recorded, rows, serving

pytestmark = pytest.mark.anyio

BY = quorum(2, LEAD) & role("pharmacist")
PEOPLE = {"dan": "lead", "mia": "pharmacist", "max": "pharmacist"}


async def ids(service: Service[Any, Any], *handles: str) -> tuple[str, ...]:
    known = {one.handle: one.id for one in await service.people.aall()}
    return tuple(known[handle] for handle in handles)


async def test_two_leads_and_a_pharmacist(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(by=BY), store_url, receiver.origin, people=PEOPLE) as service:
            run = await service.arun(Ask(), by="nils")
            (request,) = run.waiting_for
            assert request.asks == '2 of role("lead") and 1 of role("pharmacist")'
            first = await service.aapprove(request.id, by="dora", reason="fine")
            assert isinstance(first, Vote)
            assert (first.outcome, first.answer) == ("voted", "approved")
            assert first.missing == '1 of role("lead") and 1 of role("pharmacist")'
            with pytest.raises(AlreadyDecided, match="gave this answer already"):
                await service.aapprove(request.id, by="dora")
            second = await service.aapprove(request.id, by="mia")
            assert isinstance(second, Vote)
            assert second.missing == '1 of role("lead")'
            extra = await service.aapprove(request.id, by="max")  # a pharmacist too many decides nothing
            assert isinstance(extra, Vote)
            assert (await service.aresume(run.id)).status == "waiting"
            assert receiver.received == []
            last = await service.aapprove(request.id, by="dan")
            assert isinstance(last, Decision)
            assert (await service.aresume(run.id)).status == "done"
            (decided,) = await recorded(service, run.id, Decided)
            (sent,) = await recorded(service, run.id, EffectSent)
            voted = await recorded(service, run.id, Voted)
            dora, dan, mia, max_ = await ids(service, "dora", "dan", "mia", "max")
            assert [one.vote for one in voted] == list(decided.votes)
            assert (decided.by, decided.voters) == (dan, (dora, mia, max_))
            assert {dora, dan, mia, max_} <= set(sent.chain)
            assert await service.store.read(lambda tx: list(faults_of_tables(tx, service.office.key))) == []
    assert len(receiver.happened) == 1


async def test_the_responsible_individual_fills_one_place_and_no_more(store_url: str) -> None:
    async with serving(letters(by=BY), store_url, nowhere(), people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        first = await service.aapprove(request.id, by="alice")
        assert isinstance(first, Vote)
        assert "1 of role" in first.missing
        with pytest.raises(AlreadyDecided):
            await service.aapprove(request.id, by="alice")
        assert (await service.aapprove(request.id, by="dora")).outcome == "voted"
        assert (await service.aapprove(request.id, by="dan")).outcome == "approved"  # alice was the pharmacist


async def test_the_first_no_is_final_unless_more_are_declared(store_url: str) -> None:
    async with serving(letters(by=BY), store_url, nowhere(), people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        await service.aapprove(request.id, by="dora")
        assert (await service.areject(request.id, by="mia", reason="no")).outcome == "rejected"
    async with serving(letters(by=BY, denials=2), store_url, nowhere(), people=PEOPLE) as service:
        await service.aaccept_approval("sign", by="alice")
        run = await service.arun(Ask(), by="nils")
        (request,) = run.waiting_for
        first = await service.areject(request.id, by="dora", reason="no")
        assert isinstance(first, Vote)
        assert first.missing == "1 more no"
        assert (await service.aapprove(request.id, by="dora")).outcome == "voted"  # dora's newer answer counts
        assert (await service.areject(request.id, by="mia", reason="no")).outcome == "voted"
        assert (await service.areject(request.id, by="dan", reason="no")).outcome == "rejected"
        (decided,) = await recorded(service, run.id, Decided)
        assert decided.voters == await ids(service, "mia")


async def test_votes_are_for_one_option(store_url: str) -> None:
    def shorter(letter: Letter, ask: Ask) -> dict[str, Letter]:
        return {"shorter": Letter(text=ask.text)}

    async with serving(letters(by=quorum(2, LEAD), options=shorter), store_url, nowhere(), people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        assert (await service.aapprove(request.id, by="dora")).outcome == "voted"
        assert (await service.aapprove(request.id, option="shorter", by="dan")).outcome == "voted"
        decision = await service.aapprove(request.id, option="shorter", by="dora")
        assert (decision.outcome, decision.option) == ("approved", "shorter")


async def test_an_edit_by_one_who_was_asked_closes_the_request(sqlite_url: str) -> None:
    async with serving(letters(by=BY), sqlite_url, nowhere(), people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        await service.aapprove(request.id, by="dora")
        edited = await service.aedit(request.id, Letter(text="mine"), by="mia")
        with pytest.raises(NotEligible, match="wrote this edit"):
            await service.aapprove(edited.id, by="mia")
        assert (await service.aapprove(edited.id, by="dora")).outcome == "voted"  # nothing is carried over


async def test_who_lost_the_role_does_not_count_any_more(store_url: str) -> None:
    async with serving(letters(by=quorum(2, LEAD)), store_url, nowhere(), people={**PEOPLE, "eve": "lead"}) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        await service.aapprove(request.id, by="dora")
        await service.people.aadd("dora", roles=[])
        assert (await service.aapprove(request.id, by="dan")).outcome == "voted"
        decision = await service.aapprove(request.id, by="eve")
        assert isinstance(decision, Decision)
        assert decision.people == await ids(service, "eve", "dan")


CHANGES = [{"option": "shorter"}, {"by": "prs_0"}, {"digest": "0" * 64}, {"answer": "rejected"}]


@pytest.mark.parametrize("change", CHANGES, ids=str)
async def test_a_vote_that_was_written_or_changed_by_hand_counts_as_nothing(
    store_url: str, change: dict[str, str]
) -> None:
    async with serving(letters(by=quorum(2, LEAD)), store_url, nowhere(), people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        await service.aapprove(request.id, by="dora")
        (row,) = await rows(service, "votes")

        def forge(tx: Any) -> None:
            (dan,) = (one.id for one in people if one.handle == "dan")
            made = {**row, "id": "vot_0", "number": 2, "by": dan}
            tx.run(Statement(insert(votes).values(**{**made, **change})))

        people = await service.people.aall()
        await service.store.write(forge)
        assert (await service.aapprove(request.id, by="dan")).outcome == "approved"  # with dora's, which is genuine
        faults = await service.store.read(lambda tx: list(faults_of_tables(tx, service.office.key)))
        assert {fault.where for fault in faults} == {"vote vot_0"}


async def test_a_changed_vote_is_not_counted(store_url: str) -> None:
    async with serving(letters(by=quorum(2, LEAD)), store_url, nowhere(), people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        await service.aapprove(request.id, by="dora")
        await service.store.write(lambda tx: tx.run(Statement(update(votes).values(assurance="signed"))))
        assert (await service.aapprove(request.id, by="dan")).outcome == "voted"


async def test_who_voted_cannot_be_moved_into_another_column_of_the_decision(store_url: str) -> None:
    async with serving(letters(by=quorum(2, LEAD)), store_url, nowhere(), people=PEOPLE) as service:
        await service.people.adelegate(by="dan", to="mia", seconds=60, reason="holidays")
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        await service.aapprove(request.id, by="dora")
        made = await service.aapprove(request.id, by="mia")
        assert isinstance(made, Decision) and made.genuine(service.office.key)
        nobody: Any = {"for_person": "", "delegation": "", "voters": "[]"}
        elsewhere: Any = {"signature": made.for_person, "code": made.delegation, "broke_glass": made.voters}
        assert not replace(made, **nobody, **elsewhere).genuine(service.office.key)
        assert not replace(made, voters="[]").genuine(service.office.key)


async def test_rebuilding_makes_votes_anew(store_url: str) -> None:
    async with serving(letters(by=quorum(3, LEAD)), store_url, nowhere(), people={**PEOPLE, "eve": "lead"}) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        await service.aapprove(request.id, by="dora", reason="so")
        await service.aapprove(request.id, by="dan")
        before = await rows(service, "votes")

        def damage(tx: Any) -> None:
            tx.run(Statement(votes.delete().where(votes.c.number == 2)))
            tx.run(Statement(update(votes).where(votes.c.number == 1).values(option="other")))

        await service.store.write(damage)
        told = await service.office.keeping.rebuild(by="alice", reason="a disk was damaged")
        assert (told.made, told.changed) == ((f"vote {before[1]['id']}",), (f"vote {before[0]['id']}",))
        assert await rows(service, "votes") == before
        assert (await service.aapprove(request.id, by="eve")).outcome == "approved"


async def test_of_two_who_answer_at_once_one_votes_and_one_decides(store_url: str) -> None:
    app = letters(by=quorum(2, LEAD))
    async with (
        serving(app, store_url, nowhere(), people=PEOPLE) as here,
        serving(app, store_url, nowhere(), people=PEOPLE) as there,
    ):
        for number in range(20):
            (request,) = (await here.arun(Ask(text=str(number)), by="nils")).waiting_for
            answers = (here.aapprove(request.id, by="dora"), there.aapprove(request.id, by="dan"))
            assert sorted(one.outcome for one in await asyncio.gather(*answers)) == ["approved", "voted"]
        assert len(await rows(here, "votes")) == len(await rows(here, "decisions")) == 20


@pytest.mark.parametrize("denials", [0, True, 1.5])
def test_a_number_of_noes_that_is_none_is_refused(denials: Any) -> None:
    with pytest.raises(DeclarationError, match="no number of noes"):
        letters(denials=denials)


def test_more_noes_than_there_are_people_who_could_say_them_are_refused() -> None:
    dora, emil = person("dora"), person("emil")
    letters(by=dora, denials=2)  # she, and the Responsible Individual
    letters(by=dora, denials=3, escalate={60: emil})
    letters(by=dora | LEAD, denials=20)
    with pytest.raises(DeclarationError, match="denials=3, and 2 people at most could say no to it"):
        letters(by=dora, denials=3)
