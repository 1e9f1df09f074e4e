"""Rule 9: who breaks the glass is alone, not unwatched: a role of its own, caps, and a review that has to come."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.options import DAY
from answerable.agents.people import role
from answerable.approvals.node import BreakGlass
from answerable.errors import AnswerableError, InvalidInput, NotEligible, NotOpen
from answerable.orchestrator.service import Service
from answerable.testing import FakeClock, FakeReceiver
from tests.orchestrator.letters import Ask, letters, rows, serving
from tests.support.servers import NOWHERE

pytestmark = pytest.mark.anyio

APP = letters(break_glass=BreakGlass(by=role("duty"), per_day=1))
PEOPLE = {"dirk": "duty", "dan": "duty", "nils": "duty", "zoe": "none"}
WHY: dict[str, Any] = {"code": "urgent", "reason": "the dam breaks"}


async def asked(service: Service[Any, Any]) -> str:
    return (await service.arun(Ask(), by="nils")).waiting_for[0].id


async def refused(service: Service[Any, Any], request: str, by: str, **why: Any) -> type[AnswerableError]:
    """Why the glass was not broken."""
    with pytest.raises(AnswerableError) as told:
        await service.abreak_glass(request, by=by, **{**WHY, **why})
    assert (await service.arequest(request)).state == "open"
    return type(told.value)


async def test_neither_the_starter_nor_a_lead_nor_a_delegate_breaks_it(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(APP, store_url, receiver.origin, people=PEOPLE) as service:
            request = await asked(service)
            await service.people.adelegate(by="dirk", to="zoe", seconds=DAY, reason="asleep")
            for by in ("nils", "dora", "zoe"):
                assert issubclass(await refused(service, request, by), NotEligible)
            assert await refused(service, request, "dirk", reason="\u200b") is InvalidInput
            await service.aresume((await service.arequest(request)).run)
        assert not receiver.received


async def test_a_freeze_holds_behind_broken_glass_too(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(APP, store_url, receiver.origin, people=PEOPLE) as service:
            request = await asked(service)
            await service.afreeze(by="dora", reason="wait")
            assert await refused(service, request, "dirk") is NotOpen
        assert not receiver.received


async def test_neither_another_person_nor_another_day_gets_round_an_overdue_review(store_url: str) -> None:
    clock = FakeClock()
    async with serving(APP, store_url, NOWHERE, people=PEOPLE, clock=clock) as service:
        await service.abreak_glass(await asked(service), by="dirk", **WHY)
        assert issubclass(await refused(service, await asked(service), "dan"), NotEligible)  # the cap is the approval's
        clock.advance(2 * DAY)
        for by in ("dirk", "dan"):  # the day is over, and so is the time to review
            assert issubclass(await refused(service, await asked(service), by), AnswerableError)
        (review,) = await service.office.reviews()
        with pytest.raises(AnswerableError):  # who broke it does not review it
            await service.office.review(review.id, verdict="right", by="dirk", reason="it was")
        assert len(await rows(service, "decisions")) == 1
        await service.office.review(review.id, verdict="right", by="dora", reason="it was")
        await service.abreak_glass(await asked(service), by="dan", **WHY)


@pytest.mark.parametrize("giver", ["dirk", "nils"])
async def test_no_delegate_of_who_broke_it_or_of_who_asked_reviews_it(store_url: str, giver: str) -> None:
    async with serving(APP, store_url, NOWHERE, people=PEOPLE) as service:
        await service.people.adelegate(by=giver, to="dora", seconds=DAY, reason="asleep")
        await service.abreak_glass(await asked(service), by="dirk", **WHY)
        (review,) = await service.office.reviews()
        with pytest.raises(NotEligible):
            await service.office.review(review.id, verdict="right", by="dora", reason="it was")
        await service.office.review(review.id, verdict="right", by="alice", reason="it was")
