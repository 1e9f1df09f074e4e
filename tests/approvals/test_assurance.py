"""How sure we are of who acts: what a request asks for, and what each act says."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.people import role
from answerable.approvals.who.identity import Assurance, Identity, check_sure
from answerable.errors import DeclarationError, NotSureEnough
from answerable.orchestrator.service import Service
from answerable.orchestrator.system import System
from answerable.testing import FakeClock, nowhere
from answerable.tracing.ledger.entries import records_of
from answerable.tracing.ledger.records.record import Act
from tests.approvals.test_tokens import _shown
from tests.orchestrator.letters import CARRIER, Ask, Letter, letters, rows, serving

pytestmark = pytest.mark.anyio

_SURE: tuple[Assurance, ...] = ("asserted-local", "token", "oidc", "signed")
_SECOND = 1_000_000


@pytest.mark.parametrize("requires", ["", "token", "oidc", "signed"])
@pytest.mark.parametrize("assurance", _SURE[:3])
@pytest.mark.parametrize("signs", [False, True])
def test_the_surer_may_do_what_the_less_sure_may(requires: str, assurance: Assurance, signs: bool) -> None:
    who = Identity(handle="dora", assurance=assurance)
    if signs:  # with a key that was registered, or a credential that is shown now, as sure as that
        who = Identity(handle="dora", assurance="signed", otherwise=assurance)
    enough = signs if requires == "signed" else not requires or _SURE.index(assurance) >= _SURE.index(requires)
    if enough:
        check_sure(who, requires=requires, fresh_seconds=0, at=0)
    else:
        with pytest.raises(NotSureEnough, match="at least"):
            check_sure(who, requires=requires, fresh_seconds=0, at=0)


def test_nobody_reaches_an_assurance_that_is_not_known() -> None:
    with pytest.raises(NotSureEnough):
        check_sure(Identity(handle="dora", assurance="signed"), requires="retina", fresh_seconds=0, at=0)


@pytest.mark.parametrize(("since", "fresh"), [(0, False), (399, False), (400, False), (401, True), (700, True)])
def test_a_login_is_fresh_for_so_many_seconds_and_none_of_the_future_is(since: int, fresh: bool) -> None:
    who = Identity(handle="dora", assurance="oidc", since=since * _SECOND)
    if fresh:
        check_sure(who, requires="", fresh_seconds=300, at=700 * _SECOND)
    else:
        with pytest.raises(NotSureEnough, match="not older than 300 seconds"):
            check_sure(who, requires="", fresh_seconds=300, at=700 * _SECOND)
    with pytest.raises(NotSureEnough):
        check_sure(who, requires="", fresh_seconds=300, at=since * _SECOND - 1)


@pytest.mark.parametrize(("name", "value"), [("requires", "password"), ("fresh", -1), ("fresh", 1.5)])
def test_a_declaration_that_means_nothing_is_refused(name: str, value: Any) -> None:
    with pytest.raises(DeclarationError, match=name):
        System("s", responsible="a").approval("sign", of=Letter, by=role("lead"), within=60, **{name: value})


async def test_a_request_that_requires_a_token_is_not_decided_by_who_says_so(store_url: str) -> None:
    async with serving(letters(requires="token"), store_url, origins={CARRIER: nowhere()}) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        for answering in (
            service.aapprove(request.id, by="dora"),
            service.areject(request.id, by="dora", reason="no"),
            service.aedit(request.id, Letter(text="x"), by="dora"),
        ):
            with pytest.raises(NotSureEnough):
                await answering
        assert (await service.arequest(request.id)).state == "open" and not await rows(service, "decisions")
        _, secret = await service.office.people.make_token("dora", seconds=60)
        assert (await service.aapprove(request.id, by=await _shown(service, secret))).assurance == "token"


async def test_a_token_is_no_login_however_new_it_is(store_url: str) -> None:
    async with serving(letters(fresh=300), store_url, origins={CARRIER: nowhere()}) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        _, secret = await service.office.people.make_token("dora", seconds=60)
        with pytest.raises(NotSureEnough, match="not older"):
            await service.aapprove(request.id, by=await _shown(service, secret))


async def _acts(service: Service[Any, Any]) -> dict[str, str]:
    entries = await service.store.read(lambda tx: [*records_of(tx, ""), *records_of(tx, "one"), *records_of(tx, "two")])
    return {entry.record.kind: entry.record.assurance for entry in entries if isinstance(entry.record, Act)}


async def test_every_act_says_how_sure_we_are_of_who_did_it(store_url: str) -> None:
    """With a token, and without one: freezes, handovers, exemptions, runs, holds, erasing, the signing key."""
    async with serving(
        letters(), store_url, origins={CARRIER: nowhere()}, people={"alice": "boss"}, clock=FakeClock()
    ) as service:
        _, secret = await service.office.people.make_token("alice", seconds=3600)
        alice = await _shown(service, secret)
        frozen = await service.afreeze(by=alice, reason="a storm")
        await service.athaw(frozen.id, by=alice, reason="it is over")
        await service.arun(Ask(), by="nils", run_id="one")
        await service.amigrate("one", by=alice, reason="the same version")
        await service.acancel("one", by=alice, reason="not needed")
        office = service.office
        hold = await office.keeping.place_hold("run", "one", by=alice, reason="a claim")
        await office.keeping.lift_hold(hold.id, by=alice, reason="settled")
        await office.keeping.erase_payloads("run", "one", by=alice, reason="asked for")
        await service.ahandover(to="dora", by=alice, reason="a holiday")
        await office.keeping.restored(by=alice)
        await office.keeping.replace_signing_key(by=alice, reason="a year is over")
        told = await _acts(service)
        assert set(told.values()) == {"token"} and len(told) >= 10, told
        await service.aaccept_handover(by="dora")
        await service.arun(Ask(), by="nils", run_id="two")
        await service.acancel("two", by="dora", reason="not needed")
        told = await _acts(service)
        assert told["handover.accepted"] == told["run.ended"] == "asserted-local"


async def test_what_no_person_does_says_nothing_of_it(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, origins={CARRIER: nowhere()}) as service:
        run = await service.arun(Ask(), by="nils", run_id="one")
        await service.areject(run.waiting_for[0].id, by="dora", reason="no")
        await service.aresume("one")
        assert (await _acts(service))["run.ended"] == ""
