"""Anybody stops something. Who answers for it lets it go on, or whoever stopped it, and nobody else."""

from __future__ import annotations

import pytest

from answerable.agents.options import HOUR
from answerable.approvals.asking.quotas import Quota
from answerable.errors import InvalidInput, NotEligible
from answerable.testing import nowhere
from answerable.tracing.ledger.records.stops import Thawed
from tests.approvals.test_floods import flooded
from tests.orchestrator.letters import Ask, letters, recorded, serving

pytestmark = pytest.mark.anyio

PEOPLE = {"emil": "lead", "olaf": "nothing"}


async def test_whoever_froze_something_lifts_it_and_who_answers_lifts_everything(store_url: str) -> None:
    async with serving(letters(), store_url, nowhere(), people=PEOPLE) as service:
        for by, lifts in (("olaf", "olaf"), ("dora", "alice"), ("alice", "alice")):
            stop = await service.afreeze(by=by, reason="stop")
            for who in {"dora", "emil", "olaf"} - {lifts, by}:
                with pytest.raises(NotEligible, match=f"{who} may not lift this freeze: alice answers for it"):
                    await service.athaw(stop.id, by=who, reason="go on")
            assert [one.id for one in await service.afreezes()] == [stop.id]
            await service.athaw(stop.id, by=lifts, reason="go on")
        assert len(await recorded(service, "", Thawed)) == 3


async def test_it_goes_along_with_a_handover_and_with_no_delegation(store_url: str) -> None:
    async with serving(letters(), store_url, nowhere(), people=PEOPLE) as service:
        stop = await service.afreeze(by="olaf", reason="stop")
        await service.people.adelegate(by="alice", to="dora", seconds=HOUR, reason="a break")
        with pytest.raises(NotEligible, match="dora may not"):
            await service.athaw(stop.id, by="dora", reason="go on")
        await service.ahandover(to="dora", by="alice", reason="holidays")
        with pytest.raises(NotEligible, match="dora may not"):  # offered, and not accepted yet
            await service.athaw(stop.id, by="dora", reason="go on")
        await service.aaccept_handover(by="dora")
        with pytest.raises(NotEligible, match="alice may not"):
            await service.athaw(stop.id, by="alice", reason="go on")
        await service.athaw(stop.id, by="dora", reason="go on")


async def test_a_source_is_let_go_on_by_those_whom_it_asks(store_url: str) -> None:
    app = flooded(quota=Quota(open=4), count=10)
    async with serving(app, store_url, nowhere(), people={**PEOPLE, "nils": "lead"}) as service:
        await service.arun(Ask(text="flood"), by="nils")
        (stop,) = await service.afreezes()
        await service.people.adelegate(by="nils", to="emil", seconds=HOUR, reason="a break")
        for who, why in (
            ("nils", "nils started the runs"),
            ("emil", "emil is the delegate of nils, who started"),
            ("olaf", "olaf may not"),
        ):
            with pytest.raises(NotEligible, match=why):
                await service.athaw(stop.id, by=who, reason="more of it")
        await service.athaw(stop.id, by="dora", reason="a busy day")
        assert await service.afreezes() == []


async def test_nobody_hands_over_to_themself(store_url: str) -> None:
    async with serving(letters(), store_url, nowhere()) as service:
        with pytest.raises(InvalidInput, match="alice answers for 'letters' already"):
            await service.ahandover(to="alice", by="alice", reason="holidays")
        await service.ahandover(to="dora", by="alice", reason="holidays")
        await service.aaccept_handover(by="dora")
