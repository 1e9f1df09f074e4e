"""Rule 17: whoever deploys another version does not choose who decides; the Responsible Individual accepts it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from answerable.agents.messages import Message
from answerable.agents.nodes import END, START
from answerable.agents.options import HOUR
from answerable.agents.people import person, quorum, role
from answerable.approvals.accepting.declared import rules_of
from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.node import BreakGlass
from answerable.approvals.who.identity import Identity
from answerable.errors import NotAuthenticated, NotEligible
from answerable.orchestrator.app import App
from answerable.orchestrator.service import Service
from answerable.orchestrator.system import System
from answerable.testing import FakeClock, FakeReceiver, nowhere
from answerable.tracing.ledger.entries import append
from answerable.tracing.ledger.records.accepting import ApprovalAccepted, ApprovalDeclared, ApprovalDeclined
from answerable.tracing.ledger.records.effects import EffectSent
from answerable.tracing.people import read_rules_anew
from tests.approvals.rules.ruled import proposed, rule_file, ruled
from tests.orchestrator.letters import (
    CARRIER,
    LEAD,
    QUICKLY,
    Ask,
    Letter,
    Receipt,
    always,
    letters,
    post,
    recorded,
    serving,
)

pytestmark = pytest.mark.anyio

TWO = quorum(2, LEAD)
ANYBODY = role("anybody")
PEOPLE = {"eve": "anybody"}


def worth(letter: Letter, ask: Ask) -> int:
    return 1_000


def worthless(letter: Letter, ask: Ask) -> int:
    return 0


LOOSER: Mapping[str, dict[str, Any]] = {
    "anybody": {"by": ANYBODY},
    "one of two": {"by": LEAD | ANYBODY},
    "escalated at once": {"escalate": {0.001: ANYBODY}},
    "glass for anybody": {"break_glass": BreakGlass(by=ANYBODY)},
    "their own": {"by": person("nils"), "may_decide_own": True},
    "worth nothing": {"by": ANYBODY, "value": worthless, "above": {100: TWO}},
}


@pytest.mark.parametrize("how", LOOSER)
async def test_a_version_that_asks_somebody_else_asks_as_before(store_url: str, how: str) -> None:
    clock, kept = FakeClock(), dict[str, Any](by=TWO)
    if how == "worth nothing":
        kept |= {"value": worth, "above": {100: TWO}}
    async with serving(letters(**kept), store_url, nowhere(), clock=clock):
        pass
    with FakeReceiver() as receiver:
        app = letters(**{"by": TWO} | LOOSER[how])
        async with serving(app, store_url, receiver.origin, people=PEOPLE, clock=clock) as service:
            run = await service.arun(Ask(), by="nils")
            (request,) = run.waiting_for
            clock.advance(60)
            for handle in ("eve", "nils"):
                with pytest.raises(NotEligible):
                    await service.aapprove(request.id, by=handle)
                with pytest.raises(NotEligible):
                    await service.abreak_glass(request.id, by=handle, code="urgent", reason="I say so")
                with pytest.raises(NotEligible):
                    await service.aaccept_approval("sign", by=handle)
            assert (await service.aapprove(request.id, by="dora")).outcome == "voted"
            assert (await service.aresume(run.id)).status == "waiting"
            assert receiver.received == []


async def test_a_revoked_token_of_the_responsible_individual_accepts_nothing(sqlite_url: str) -> None:
    async with serving(letters(by=TWO), sqlite_url, nowhere()):
        pass
    async with serving(letters(by=ANYBODY), sqlite_url, nowhere()) as service:
        made, _ = await service.office.people.make_token("alice", seconds=HOUR)
        await service.office.people.revoke_token(made.id)
        with pytest.raises(NotAuthenticated):
            await service.aaccept_approval("sign", by=Identity(handle="alice", assurance="token", credential=made.id))


async def _asks(service: Service[Any, Any]) -> str:
    return (await service.arun(Ask(), by="nils")).waiting_for[0].asks


async def _write(service: Service[Any, Any], record: ApprovalAccepted | ApprovalDeclared | ApprovalDeclined) -> None:
    """Append a record by hand, as whoever can write the database may; running services are told, too."""

    def work(tx: Any) -> None:
        append(tx, record)
        read_rules_anew(tx, "letters")

    await service.store.write(work)


async def test_an_acceptance_that_was_written_by_hand_is_none(store_url: str) -> None:
    async with serving(letters(by=TWO), store_url, nowhere()):
        pass
    async with serving(letters(by=ANYBODY), store_url, nowhere()) as service:
        first, other = await recorded(service, "", ApprovalDeclared)
        said: dict[str, Any] = {
            "at": other.at,
            "system": "letters",
            "responsible": other.responsible,
            "chain": other.chain,
        }
        said |= {"approval": "sign", "digest": other.digest, "before": first.digest, "number": 1}
        forged = ApprovalAccepted(**said, by=other.responsible, assurance="signed", seal=first.seal)
        for record in (forged, forged.model_copy(update={"seal": ""}), first.model_copy(update={"text": other.text})):
            await _write(service, record)
            assert await _asks(service) == '2 of role("lead")'
        key = service.office.key
        faults = await service.store.read(lambda tx: [str(one) for one in faults_of_tables(tx, key)])
        assert len([one for one in faults if "approval letters/sign" in one]) == 3
    async with serving(letters(by=ANYBODY), store_url, nowhere()) as service:
        assert await _asks(service) == '2 of role("lead")'


async def test_a_genuine_acceptance_counts_once_and_at_its_place(store_url: str) -> None:
    """Two leads, then anybody, then two leads again: the record that let anybody decide is written once more."""
    async with serving(letters(by=TWO), store_url, nowhere()):
        pass
    for by in (ANYBODY, TWO):
        async with serving(letters(by=by), store_url, nowhere()) as service:
            await service.aaccept_approval("sign", by="alice")
    async with serving(letters(by=ANYBODY), store_url, nowhere()) as service:
        loosened, _ = await recorded(service, "", ApprovalAccepted)
        again: list[Any] = [*(await recorded(service, "", ApprovalDeclared)), loosened]
        for record in again:
            await _write(service, record)
            assert await _asks(service) == '2 of role("lead")'


async def test_a_refusal_that_was_written_by_hand_is_none(store_url: str) -> None:
    """Nor does a genuine one count where others are in force since: what is proposed now goes on waiting."""
    async with serving(letters(by=TWO), store_url, nowhere()):
        pass
    async with serving(letters(by=ANYBODY), store_url, nowhere()) as service:
        await service.adecline_approval("sign", by="alice", reason="two see more")
        (genuine,) = await recorded(service, "", ApprovalDeclined)
        await service.aaccept_approval("sign", by="alice", digest=genuine.digest)
    async with serving(letters(by=TWO), store_url, nowhere()) as service:
        await service.aaccept_approval("sign", by="alice")
    async with serving(letters(by=ANYBODY), store_url, nowhere()) as service:
        forged = genuine.model_copy(update={"number": 2})
        for record in (genuine, forged, forged.model_copy(update={"seal": ""})):
            await _write(service, record)
            (standing,) = await service.office.approvals()
            assert [one.digest for one in standing.waiting] == [genuine.digest]
        key = service.office.key
        faults = await service.store.read(lambda tx: [str(one) for one in faults_of_tables(tx, key)])
        assert len([one for one in faults if "approval letters/sign" in one]) == 2


async def test_the_acceptance_of_another_system_or_approval_is_not_this_ones(store_url: str) -> None:
    async with serving(letters(by=TWO), store_url, nowhere()), serving(two_approvals(by=TWO), store_url, nowhere()):
        pass
    async with serving(two_approvals(by=ANYBODY), store_url, nowhere()) as service:
        await service.aaccept_approval("sign", by="alice")
        (other,) = await recorded(service, "", ApprovalAccepted)
    async with serving(letters(by=ANYBODY), store_url, nowhere()) as service:
        declared = (await recorded(service, "", ApprovalDeclared))[-1]
        for change in ({}, {"system": "letters"}, {"system": "letters", "digest": declared.digest}):
            await _write(service, other.model_copy(update=change))
            assert await _asks(service) == '2 of role("lead")'


class Note(Message):
    text: str = ""


def two_approvals(*, by: Any = TWO, behind: str = "sign", **options: Any) -> App[Ask, Receipt]:
    """Notes pass by anybody's yes, and what is sent, by `by`'s; unless it was moved `behind` the other approval."""
    system = System("two-approvals", responsible="alice")

    @system.agent(owner="writers")
    def write(ask: Ask) -> Letter:
        return Letter(text=ask.text)

    note: Any = system.approval("note", of=Letter, by=ANYBODY, within=HOUR, **options)
    sign: Any = system.approval("sign", of=Letter, by=by, within=HOUR)
    posting: Any = system.effect("post", to=CARRIER, guarantee="idempotent", retry=QUICKLY)(post)
    first, last = (note, sign) if behind == "sign" else (sign, note)
    system.edge(START, write, purpose="somebody asks")
    system.edge(write, first, purpose="is it fine?")
    system.edge(first, last, purpose="may it be sent?")
    system.edge(last, posting, purpose="send it")
    system.edge(posting, END, purpose="the receipt")
    return system.build(Ask, Receipt)


async def test_a_call_does_not_come_to_be_asked_of_others_by_moving(store_url: str) -> None:
    """What two leads decided is put behind the approval where anybody decides, and where an exemption was accepted."""
    async with serving(two_approvals(exempt=always), store_url, nowhere()) as service:
        await service.aaccept_exemption("note", by="alice")
    with FakeReceiver() as receiver:
        app = two_approvals(behind="note", exempt=always)
        async with serving(app, store_url, receiver.origin, people={"dan": "lead", **PEOPLE}) as service:
            run = await service.arun(Ask(), by="nils")
            for handle in ("dora", "dan"):
                await service.aapprove(run.waiting_for[0].id, by=handle)
            run = await service.aresume(run.id)
            (request,) = run.waiting_for
            assert (request.approval, request.asks) == ("note", "the Responsible Individual")
            with pytest.raises(NotEligible):
                await service.aapprove(request.id, by="eve")
            assert await recorded(service, run.id, EffectSent) == []


async def test_a_new_name_does_not_make_an_approval_free_to_choose(store_url: str) -> None:
    async with serving(letters(by=TWO), store_url, nowhere()):
        pass
    async with serving(letters(by=ANYBODY, named="sign-off"), store_url, nowhere(), people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        for handle in ("eve", "dora"):
            with pytest.raises(NotEligible):
                await service.aapprove(request.id, by=handle)
        delegation = await service.people.adelegate(by="alice", to="eve", seconds=HOUR, reason="what she is asked as")
        with pytest.raises(NotEligible):
            await service.aapprove(request.id, by="eve", for_person="alice")
        assert delegation.taker


async def test_a_standing_rule_is_approved_by_those_whom_the_rules_in_force_ask(store_url: str) -> None:
    async with serving(ruled(by=TWO), store_url, nowhere()):
        pass
    async with serving(ruled(by=ANYBODY), store_url, nowhere(), people={"ann": "anybody"}) as service:
        rule = await proposed(service, rule_file())
        assert rule.body["asked"]["by"] == TWO.as_json()
        with pytest.raises(NotEligible):
            await service.office.rules.approve(rule.head.id, by="ann")


def test_the_rules_are_named_in_the_ledger_as_they_are_declared() -> None:
    """Nothing of them is a person's secret, and nothing that a store has to keep beside."""
    node: Any = letters(by=person("dora")).graph.nodes["sign"]
    assert json.loads(rules_of(node, releases=["post"]).text)["by"] == [[{"of": [{"person": "dora"}], "people": 1}]]
