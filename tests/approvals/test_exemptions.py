"""Exemptions: what may pass without a person, once the Responsible Individual has accepted it."""

from __future__ import annotations

import pytest

from answerable.approvals.node import Approval, exemption
from answerable.errors import InvalidInput, NotAsShown, NotEligible, NotSureEnough, UnknownId
from answerable.testing import FakeReceiver, nowhere
from answerable.tracing.ledger.records.accepting import ExemptionAccepted
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.ledger.records.effects import EffectSent
from tests.approvals.test_signatures import with_token
from tests.orchestrator.letters import Ask, Letter, letters, recorded, rows, serving, tamper

pytestmark = pytest.mark.anyio

given: list[tuple[Letter, Ask]] = []


@exemption(version=1)
def harmless(letter: Letter, ask: Ask) -> bool:
    given.append((letter, ask))
    return ask.text == "thanks"


@exemption(version=1)
def broken(letter: Letter, ask: Ask) -> bool:
    raise RuntimeError("who knows")


@exemption(version=1)
def almost(letter: Letter, ask: Ask) -> bool:
    return 1  # type: ignore[return-value]  # what an untyped user may do


@exemption(version=2)
def newer(letter: Letter, ask: Ask) -> bool:
    return True


async def test_an_exemption_that_was_not_accepted_has_no_force(store_url: str) -> None:
    given.clear()
    async with serving(letters(exempt=harmless), store_url, nowhere()) as service:
        assert (await service.arun(Ask(text="thanks"), by="nils")).status == "waiting"
    assert given == []


async def test_an_accepted_exemption_lets_its_cases_pass_and_the_grant_cites_it(store_url: str) -> None:
    given.clear()
    with FakeReceiver() as receiver:
        async with serving(letters(exempt=harmless), store_url, receiver.origin) as service:
            await service.aaccept_exemption("sign", by="alice")
            await service.aaccept_exemption("sign", by="alice")  # changes nothing
            run = await service.arun(Ask(text="thanks"), by="nils")
            assert run.status == "done"
            (decided,) = await recorded(service, run.id, Decided)
            (sent,) = await recorded(service, run.id, EffectSent)
            (grant,) = await rows(service, "grants")
            (kept,) = await rows(service, "exemptions")
            assert (await service.arun(Ask(text="a threat"), by="nils")).status == "waiting"
    assert (decided.outcome, decided.by, decided.assurance) == ("exempted", "harmless@1", "exemption")
    assert decided.grants == (grant["id"],)
    assert (grant["decision"], sent.decision, sent.grant) == (decided.decision, decided.decision, grant["id"])
    assert "harmless@1" in sent.chain
    assert (kept["name"], kept["version"]) == ("harmless", 1)
    assert given == [
        (Letter(text="dear thanks"), Ask(text="thanks")),
        (Letter(text="dear a threat"), Ask(text="a threat")),
    ]


async def test_only_the_responsible_individual_accepts(sqlite_url: str) -> None:
    async with serving(letters(exempt=harmless), sqlite_url, nowhere()) as service:
        with pytest.raises(NotEligible):
            await service.aaccept_exemption("sign", by="dora")
        with pytest.raises(UnknownId, match="no approval 'write'"):
            await service.aaccept_exemption("write", by="alice")
        assert await rows(service, "exemptions") == []
        assert await recorded(service, "", ExemptionAccepted) == []
    async with serving(letters(), sqlite_url, nowhere()) as service:
        with pytest.raises(InvalidInput, match="declares no exemption"):
            await service.aaccept_exemption("sign", by="alice")


async def test_whoever_accepts_is_as_sure_as_those_who_decide(sqlite_url: str) -> None:
    async with serving(letters(exempt=harmless, requires="token"), sqlite_url, nowhere()):
        pass
    for app in (letters(exempt=harmless, requires="token"), letters(exempt=harmless)):  # the rules in force ask for it
        async with serving(app, sqlite_url, nowhere()) as service:
            with pytest.raises(NotSureEnough):
                await service.aaccept_exemption("sign", by="alice")
            assert await rows(service, "exemptions") == []
    async with serving(letters(exempt=harmless), sqlite_url, nowhere()) as service:
        await service.aaccept_exemption("sign", by=await with_token(service, "alice"))
        (record,) = await recorded(service, "", ExemptionAccepted)
        assert (record.assurance, record.signature) == ("token", None)


async def test_what_is_accepted_is_what_was_shown(sqlite_url: str) -> None:
    async with serving(letters(exempt=newer), sqlite_url, nowhere()) as service:
        node = service.app.graph.nodes["sign"]
        assert isinstance(node, Approval)
        with pytest.raises(NotAsShown, match="is newer@2, and newer@1 was shown"):
            await service.office.accept_exemption("letters", node, by="alice", seen="newer@1")
        await service.office.accept_exemption("letters", node, by="alice", seen="newer@2")
        (kept,) = await rows(service, "exemptions")
        assert kept["version"] == 2


@pytest.mark.parametrize("exempt", [broken, almost])
async def test_one_that_raises_or_does_not_say_yes_means_ask(sqlite_url: str, exempt: object) -> None:
    async with serving(letters(exempt=exempt), sqlite_url, nowhere()) as service:
        await service.aaccept_exemption("sign", by="alice")
        assert (await service.arun(Ask(), by="nils")).status == "waiting"


async def test_a_new_version_is_accepted_anew(sqlite_url: str) -> None:
    older = exemption(version=1)(newer.fn)
    with FakeReceiver() as receiver:
        async with serving(letters(exempt=older), sqlite_url, receiver.origin) as service:
            await service.aaccept_exemption("sign", by="alice")
            assert (await service.arun(Ask(), by="nils")).status == "done"
        async with serving(letters(exempt=newer), sqlite_url, receiver.origin) as service:
            assert (await service.arun(Ask(), by="nils")).status == "waiting"
            await service.aaccept_exemption("sign", by="alice")
            assert (await service.arun(Ask(), by="nils")).status == "done"
            assert sorted(row["version"] for row in await rows(service, "exemptions")) == [1, 2]


async def test_an_acceptance_that_was_written_by_hand_is_none(sqlite_url: str) -> None:
    async with serving(letters(exempt=newer), sqlite_url, nowhere()) as service:
        await service.aaccept_exemption("sign", by="alice")
        await tamper(service, "exemptions", accepted_by="prs_somebody")
        assert (await service.arun(Ask(), by="nils")).status == "waiting"


async def test_an_edit_is_never_exempted(sqlite_url: str) -> None:
    async with serving(letters(exempt=harmless), sqlite_url, nowhere()) as service:
        await service.aaccept_exemption("sign", by="alice")
        run = await service.arun(Ask(text="x"), by="nils")
        new = await service.aedit(run.waiting_for[0].id, Letter(text="thanks"), by="dora")
        assert [one.id for one in (await service.aresume(run.id)).waiting_for] == [new.id]
