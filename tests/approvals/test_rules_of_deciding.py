"""Rules of deciding: those in force are asked by, and others when the Responsible Individual has accepted them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from answerable.agents.options import DAY, HOUR
from answerable.agents.people import RESPONSIBLE, person, quorum, role
from answerable.approvals.accepting.declared import changes, read_rules, rules_of
from answerable.approvals.node import Approval, BreakGlass
from answerable.approvals.who.identity import Identity
from answerable.errors import AlreadyDecided, InvalidInput, NotAsShown, NotEligible, NotSureEnough, UnknownId
from answerable.orchestrator.app import App
from answerable.orchestrator.service import Service
from answerable.testing import FakeReceiver, nowhere
from answerable.tracing.ledger.records.accepting import ApprovalAccepted, ApprovalDeclared, ApprovalDeclined
from tests.orchestrator.letters import LEAD, Ask, Letter, length, letters, recorded, serving, signed

pytestmark = pytest.mark.anyio

TWO = quorum(2, LEAD)


def other_length(letter: Letter, ask: Ask) -> int:
    return 0


FULL: dict[str, Any] = {
    "by": TWO & role("pharmacist"),
    "denials": 2,
    "value": length,
    "above": {10: TWO, 1_000: TWO & person("petra")},
    "may_decide_own": True,
    "requires": "token",
    "fresh": 60,
    "within": 1.5 * HOUR,
    "execute_within": 2 * HOUR,
    "escalate": {600: role("ops"), 1200.5: person("olga")},
    "break_glass": BreakGlass(by=role("duty"), at_most=7, per_day=2),
}


def sign_of(app: App[Any, Any]) -> Approval[Any]:
    node = app.graph.nodes["sign"]
    assert isinstance(node, Approval)
    return node


async def asks(service: Service[Any, Any], text: str = "a") -> str:
    """Whom a new request asks, in words."""
    run = await service.arun(Ask(text=text), by="nils")
    return run.waiting_for[0].asks


def test_they_can_be_read_back_from_their_one_form() -> None:
    for app in (letters(), letters(**FULL)):
        rules = rules_of(sign_of(app), releases=["post"])
        read = read_rules(rules.text)
        assert (read, read.text, read.digest) == (rules, rules.text, rules.digest)
        assert set(rules.words()) == set(rules._plain()) - {"fresh_seconds"} | {"fresh"}


@pytest.mark.parametrize("changed", sorted(FULL))
def test_each_of_them_counts(changed: str) -> None:
    declared = {name: value for name, value in FULL.items() if name != "above"} | {"above": {10: TWO}}
    plain: dict[str, Any] = {"by": LEAD, "requires": "", "value": other_length, "within": HOUR}
    plain |= {"execute_within": DAY, "break_glass": BreakGlass(by=role("duty"), at_most=8, per_day=2)}
    plain |= {"above": {11: TWO}, "denials": 1, "may_decide_own": False, "fresh": 0, "escalate": {}}
    one = rules_of(sign_of(letters(**declared)), releases=["post"])
    other = rules_of(sign_of(letters(**declared | {changed: plain[changed]})), releases=["post"])
    assert one.digest != other.digest
    assert [name for name, _, _ in changes(one, other)] == [changed]


async def test_the_first_are_in_force_and_nothing_is_said(store_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            async with serving(letters(), store_url, nowhere()) as service:
                assert await asks(service) == "role lead"
                (standing,) = await service.office.approvals()
                assert (standing.number, standing.by, standing.proposed) == (0, "", {})
                (record,) = await recorded(service, "", ApprovalDeclared)
                (alice,) = (one.id for one in await service.people.aall() if one.handle == "alice")
                assert record.first and record.responsible == alice
    assert caplog.messages == []


async def test_others_wait_until_they_are_accepted(store_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(letters(by=TWO), store_url, nowhere()) as service:
        assert await asks(service) == '2 of role("lead")'
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            (said,) = caplog.messages
            assert 'by: 2 of role("lead") → role lead' in said and "`answerable approvals accept sign" in said
            assert await asks(service) == '2 of role("lead")'
            await service.aaccept_approval("sign", by="alice")
            assert await asks(service) == "role lead"  # in the very service that was open
            assert (await signed(service)).status == "done"
            (accepted,) = await recorded(service, "", ApprovalAccepted)
            (standing,) = await service.office.approvals()
    assert (accepted.number, accepted.assurance) == (1, "asserted-local")
    assert (standing.by, standing.in_force and standing.in_force.digest) == (accepted.by, accepted.digest)


async def test_two_versions_side_by_side_ask_the_same_and_propose_once(store_url: str) -> None:
    older, newer = letters(by=TWO), letters()
    async with serving(older, store_url, nowhere()) as one, serving(newer, store_url, nowhere()) as two:
        for app in (older, newer, older, newer):
            async with serving(app, store_url, nowhere()):
                pass
        assert [made.first for made in await recorded(one, "", ApprovalDeclared)] == [True, False]
        assert [await asks(one), await asks(two)] == ['2 of role("lead")'] * 2
        await two.aaccept_approval("sign", by="alice")
        assert [await asks(one), await asks(two)] == ["role lead"] * 2


async def test_a_version_that_comes_back_is_accepted_anew(store_url: str) -> None:
    loose, strict = letters(), letters(by=TWO)
    async with serving(loose, store_url, nowhere()):
        pass
    async with serving(strict, store_url, nowhere()) as service:
        await service.aaccept_approval("sign", by="alice")
    for _ in range(2):
        async with serving(loose, store_url, nowhere()) as service:
            assert await asks(service) == '2 of role("lead")'
            assert len(await recorded(service, "", ApprovalDeclared)) == 3
    async with serving(loose, store_url, nowhere()) as service:
        await service.aaccept_approval("sign", by="alice")
        assert await asks(service) == "role lead"


async def test_what_is_not_in_the_declaration_any_more_is_asked_by_all_the_same(store_url: str) -> None:
    async with serving(letters(**FULL | {"requires": "", "fresh": 0}), store_url, nowhere()) as service:
        assert await asks(service, "a" * 50) == '2 of role("lead")'
    newer: list[dict[str, Any]] = [{}, {"value": other_length, "above": {1: LEAD}}]
    for value in newer:
        async with serving(letters(**value), store_url, nowhere()) as service:
            (request,) = (await service.arun(Ask(), by="nils")).waiting_for
            assert request.view["options"][0]["asks"] == '1 of person("petra") and 2 of role("lead")'  # the strictest
            assert "no such function" in request.view["options"][0]["trouble_with_value"]
            assert request.asked.denials == 2 and request.asked.may_decide_own
            assert request.execute_within_seconds == 2 * HOUR and len(request.escalations) == 2
            assert request.expires_at - request.made_at == 1.5 * HOUR * 1_000_000


async def test_only_the_responsible_individual_accepts(store_url: str) -> None:
    async with serving(letters(by=TWO), store_url, nowhere()):
        pass
    async with serving(letters(), store_url, nowhere()) as service:
        with pytest.raises(NotEligible, match="does not answer"):
            await service.aaccept_approval("sign", by="dora")
        with pytest.raises(UnknownId, match="no approval 'write'"):
            await service.aaccept_approval("write", by="alice")
        with pytest.raises(NotAsShown, match="no rules with the digest"):
            await service.aaccept_approval("sign", by="alice", digest="0000")
        assert await recorded(service, "", ApprovalAccepted) == []
        await service.aaccept_approval("sign", by="alice")
        with pytest.raises(InvalidInput, match="nothing waits"):
            await service.aaccept_approval("sign", by="alice")


async def test_of_several_it_is_said_which(sqlite_url: str) -> None:
    async with serving(letters(by=TWO), sqlite_url, nowhere()):
        pass
    async with serving(letters(by=role("anybody")), sqlite_url, nowhere()):
        pass
    async with serving(letters(), sqlite_url, nowhere()) as service:
        with pytest.raises(InvalidInput, match="2 different rules") as refused:
            await service.aaccept_approval("sign", by="alice")
        (standing,) = await service.office.approvals()
        digests = list(standing.proposed)
        assert all(digest[:12] in refused.value.hint for digest in digests)
        await service.aaccept_approval("sign", by="alice", digest=digests[1][:12])
        (standing,) = await service.office.approvals()
        assert standing.in_force is not None and str(standing.in_force.rules.by) == "role lead"
        assert standing.proposed == {}  # put aside: whoever still declares it proposes it anew


async def test_what_is_declined_does_not_wait_and_whoever_declares_it_is_told_why(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(letters(by=TWO), store_url, nowhere()):
        pass
    async with serving(letters(), store_url, nowhere()) as service:
        for wrong in ({"by": "dora"}, {"reason": " "}, {"digest": "0000"}):
            with pytest.raises((NotEligible, InvalidInput, NotAsShown)):
                await service.adecline_approval("sign", **{"by": "alice", "reason": "two see more"} | wrong)
        with pytest.raises(UnknownId, match="no approval 'write'"):
            await service.adecline_approval("write", by="alice", reason="two see more")
        assert await recorded(service, "", ApprovalDeclined) == []
        standing = await service.adecline_approval("sign", by="alice", reason="two see\nmore")
        (record,) = await recorded(service, "", ApprovalDeclined)
        (one,) = standing.proposed.values()
        assert one.declined and (one.declined.by, one.declined.at) == (record.by, record.at) and not standing.waiting
        assert await asks(service) == '2 of role("lead")'
        with pytest.raises(InvalidInput, match="was declined") as refused:
            await service.aaccept_approval("sign", by="alice")
        assert one.digest[:12] in refused.value.hint
        with pytest.raises(AlreadyDecided, match="declined already"):
            await service.adecline_approval("sign", by="alice", reason="no", digest=one.digest)
    caplog.clear()
    async with serving(letters(), store_url, nowhere()) as service:
        (said,) = caplog.messages
        assert "alice declined that on 20" in said and "“two see more”" in said
        assert f"--digest {one.digest[:12]}" in said and "it asks as before" in said
        assert len(await recorded(service, "", ApprovalDeclared)) == 2  # it is not proposed again
        await service.aaccept_approval("sign", by="alice", digest=one.digest)  # on second thoughts
        assert await asks(service) == "role lead"
        (now,) = await service.office.approvals()
        assert now.in_force and now.in_force.declined is None and now.proposed == {}


async def test_what_was_declined_is_proposed_anew_when_others_are_in_force(sqlite_url: str) -> None:
    async with serving(letters(by=TWO), sqlite_url, nowhere()):
        pass
    async with serving(letters(), sqlite_url, nowhere()) as service:
        await service.adecline_approval("sign", by="alice", reason="no")
    async with serving(letters(by=role("anybody")), sqlite_url, nowhere()) as service:
        await service.aaccept_approval("sign", by="alice")  # the only one that still waits
    async with serving(letters(), sqlite_url, nowhere()) as service:
        (standing,) = await service.office.approvals()
        (one,) = standing.waiting
        assert (str(one.rules.by), len(await recorded(service, "", ApprovalDeclared))) == ("role lead", 4)


async def test_whoever_accepts_is_as_sure_as_those_who_decide(sqlite_url: str) -> None:
    async with serving(letters(requires="token"), sqlite_url, nowhere()):
        pass
    async with serving(letters(), sqlite_url, nowhere()) as service:
        with pytest.raises(NotSureEnough):
            await service.aaccept_approval("sign", by="alice")
        made, _ = await service.office.people.make_token("alice", seconds=HOUR)
        await service.aaccept_approval("sign", by=Identity(handle="alice", assurance="token", credential=made.id))
        (accepted,) = await recorded(service, "", ApprovalAccepted)
        assert accepted.assurance == "token"


async def test_an_approval_that_is_new_to_its_system_is_for_the_responsible_individual(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(letters(), store_url, nowhere()):
        pass
    with FakeReceiver() as receiver:
        async with serving(letters(named="release"), store_url, receiver.origin) as service:
            assert "new to 'letters'" in caplog.messages[0]
            run = await service.arun(Ask(), by="nils")
            (request,) = run.waiting_for
            assert (request.asks, request.asked.by) == ("the Responsible Individual", RESPONSIBLE)
            with pytest.raises(NotEligible, match="are accepted, it asks the Responsible Individual"):
                await service.aapprove(request.id, by="dora")
            await service.aapprove(request.id, by="alice")
            assert (await service.aresume(run.id)).status == "done"
            await service.aaccept_approval("release", by="alice")
            assert await asks(service) == "role lead"


async def test_an_edit_asks_by_what_is_in_force_now_and_is_not_refused_for_what_changed_before(store_url: str) -> None:
    async with serving(letters(), store_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
        await service.people.aadd("eve")
        await service.people.aadd("eve", roles=["lead"])  # since the approval was read
        edited = await service.aedit(run.waiting_for[0].id, Letter(text="hello"), by="dora", reason="shorter")
        assert (await service.aapprove(edited.id, by="eve")).outcome == "approved"
