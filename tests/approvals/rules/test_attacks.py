"""Attacks on standing rules: each asks a person, or is refused in words; none decides."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import update

from answerable.agents.options import DAY, HOUR
from answerable.agents.people import quorum, role
from answerable.errors import AlreadyDecided, InvalidInput, InvalidRule, NotAsShown, NotEligible, UnknownId
from answerable.orchestrator.office import open_office
from answerable.orchestrator.ruled import rule_lines
from answerable.testing import FakeClock, FakeReceiver, nowhere
from answerable.tracing.clock import micros
from answerable.tracing.ledger.records.deciding import Decided
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.tables.rules import rules
from tests.approvals.rules.ruled import SHORT, active, proposed, rule_file, ruled
from tests.orchestrator.letters import Ask, Letter, recorded, rows, serving, tamper

pytestmark = pytest.mark.anyio

PERMIT = "permit (principal, action, resource) when { %s };"


def policy(condition: str, *more: str) -> str:
    return "'''" + PERMIT.replace("%s", condition) + " ".join(more) + "'''"


def of_policy(text: str, **changed: str) -> Any:
    """The short letters' rule with another policy, in one line."""
    file = rule_file(**changed)
    return file.model_copy(update={"policy": text})


async def outcome(service: Any, text: str = "hi", *, by: str = "nils") -> str:
    """How a run with this text goes on: "done" if a rule decided, "waiting" if a person is asked."""
    return str((await service.arun(Ask(text=text), by=by)).status)


async def test_an_evaluation_that_fails_asks_a_person(store_url: str) -> None:
    overflows = PERMIT % "context.seen.length <= 10 || context.seen.length * 9223372036854775807 > 0"
    file = of_policy(overflows)
    async with serving(ruled(), store_url, nowhere()) as service:
        await active(service, file)
        assert await outcome(service, "a long letter") == "waiting"


async def test_an_error_in_one_rule_asks_a_person_though_another_permits(store_url: str) -> None:
    broken = of_policy(PERMIT % "context.seen.length <= 3 || context.seen.length * 9223372036854775807 > 0")
    async with serving(ruled(), store_url, nowhere()) as service:
        await active(service)
        await active(service, broken.model_copy(update={"name": "broken"}))
        assert await outcome(service) == "waiting"


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("context.seen.length <= true", "expected Long but saw"),
        ("context.seen.lenght <= 10", "not found"),
        ("context.seen.length <= 1.5", "cannot be read"),
        ("true }; permit (principal == ?principal, action, resource) when { true", "template"),
    ],
)
async def test_a_policy_that_does_not_fit_is_not_proposed(sqlite_url: str, condition: str, said: str) -> None:
    async with serving(ruled(), sqlite_url, nowhere()) as service:
        with pytest.raises(InvalidRule, match=said):
            await proposed(service, of_policy(PERMIT % condition))
        assert await rows(service, "rules") == []


async def test_a_case_that_does_not_hold_is_not_proposed(sqlite_url: str) -> None:
    async with serving(ruled(), sqlite_url, nowhere()) as service:
        with pytest.raises(InvalidRule, match="'a long one': it decides"):
            await proposed(service, of_policy(PERMIT % "context.seen.length <= 100"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"most": "0"}, "a cap of zero count per day lets the rule decide nothing"),
        ({"most": "-1"}, "greater than or equal to 0"),
        ({"most": "9007199254740992"}, "less than or equal to 9007199254740991"),
        ({"most": "1.5"}, "valid integer"),
        ({"per": '"week"'}, "caps"),
        ({"of": '"seen.asked"'}, "no whole number that every option has"),
        ({"version": "0"}, "version"),
        ({"effects": '["transfer"]'}, "the approval releases no transfer"),
        ({"option": '""'}, "a rule without an option"),
    ],
)
async def test_what_a_rule_says_wrong_is_said_in_words(sqlite_url: str, changed: dict[str, str], said: str) -> None:
    async with serving(ruled(), sqlite_url, nowhere()) as service:
        with pytest.raises(InvalidRule, match=said):
            await proposed(service, rule_file(**changed))


class Huge(BaseModel):
    length: int
    asked: str


def huge(letter: Letter, ask: Ask) -> Huge:
    return Huge(length=2**63 if ask.text == "huge" else len(letter.text), asked=ask.text)


async def test_a_number_beyond_64_bits_asks_a_person(store_url: str) -> None:
    async with serving(ruled(context=huge), store_url, nowhere()) as service:
        await active(service)
        run = await service.arun(Ask(text="huge"), by="nils")
        assert run.status == "waiting"
        assert "more than a rule can count" in run.waiting_for[0].view["trouble_with_rules"]


def failing(letter: Letter, ask: Ask) -> Huge:
    raise RuntimeError("who knows")


async def test_a_context_that_fails_asks_a_person(sqlite_url: str) -> None:
    async with serving(ruled(context=failing), sqlite_url, nowhere()) as service:
        await active(service)
        assert await outcome(service) == "waiting"


async def test_an_agent_that_relabels_gets_nothing_past_a_rule(store_url: str) -> None:
    def flatters(ask: Ask) -> Letter:
        return Letter(text="thanks")

    polite = of_policy(PERMIT % 'context.seen.asked == "thanks" || context.seen.length == 3')
    async with serving(ruled(writer=flatters), store_url, nowhere()) as service:
        await active(service, polite)
        assert await outcome(service, "a threat") == "waiting"


async def test_nobody_approves_their_own_rule(store_url: str) -> None:
    async with serving(ruled(), store_url, nowhere(), people={"eve": "lead", "wim": "lead"}) as service:
        await service.people.aadd("wim", roles=["lead"], teams=["writers"])  # owns the agent before the approval
        rule = await proposed(service, rule_file())
        for handle, why in {"eve": "own", "wim": "owns an agent", "nils": "asks"}.items():
            await service.people.aadd(
                handle, roles=["lead"] if handle != "nils" else [], teams=["writers"] if handle == "wim" else []
            )
            with pytest.raises(NotEligible, match=why):
                await service.office.rules.approve(rule.head.id, by=handle)
        with pytest.raises(NotEligible, match="the author of short-letters@2 is eve"):
            await service.office.rules.propose(rule_file(version="2"), service.app.graph.places["sign"], by="dora")
        assert await outcome(service) == "waiting"


async def test_no_author_approves_their_own_through_a_delegate(store_url: str) -> None:
    people = {"eve": "lead", "emil": "lead", "olga": "nobody"}
    async with serving(ruled(), store_url, nowhere(), people=people) as service:
        office = service.office
        rule = await proposed(service, rule_file())
        await service.people.aadd("eve", roles=["lead"])
        with pytest.raises(NotEligible, match="eve wrote this rule, and nobody decides their own"):
            await office.rules.approve(rule.head.id, by="eve")
        for delegate in ("emil", "olga"):
            await office.people.delegate(by="eve", to=delegate, seconds=HOUR, reason="I am away")
            with pytest.raises(NotEligible, match="eve"):
                await office.rules.approve(rule.head.id, by=delegate)
        assert (await office.rules.get(rule.head.id)).head.state == "proposed"


async def test_nobody_decides_their_own_by_a_rule_that_their_delegate_approved(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin, people={"nils": "nobody"}) as service:
            await active(service)
            assert await outcome(service) == "done"
            await service.office.people.delegate(by="nils", to="dora", seconds=HOUR, reason="I am away")
            assert await outcome(service) == "waiting"


async def test_a_rule_is_approved_as_it_was_shown_and_once(sqlite_url: str) -> None:
    async with serving(ruled(), sqlite_url, nowhere()) as service:
        rule = await proposed(service, rule_file())
        desk = service.office.rules
        with pytest.raises(NotAsShown):
            await desk.approve(rule.head.id, by="dora", seen="0" * 64)
        await desk.approve(rule.head.id, by="dora", seen=rule.head.digest)
        with pytest.raises(AlreadyDecided, match="is approved"):
            await desk.approve(rule.head.id, by="alice")
        with pytest.raises(InvalidInput, match="has version 1 already"):
            await proposed(service, rule_file(most="100"))
        with pytest.raises(UnknownId):
            await desk.approve("nothing@1", by="dora")


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "approved", "approvers": '["prs_somebody"]'},
        {"expires_at": 2**62},
        {"body": b"{}"},
        {"mac": "0" * 64},
    ],
)
async def test_a_rule_that_was_edited_in_the_database_is_none(store_url: str, changed: dict[str, Any]) -> None:
    async with serving(ruled(), store_url, nowhere()) as service:
        await (proposed if "state" in changed else active)(service, rule_file())
        await tamper(service, "rules", **changed)
    async with serving(ruled(), store_url, nowhere()) as service:
        assert await outcome(service) == "waiting"


async def test_a_revoked_rule_that_somebody_put_back_decides_nothing(store_url: str) -> None:
    """The row is as it was before, with the MAC that it had then; a record says that it was revoked."""
    async with serving(ruled(), store_url, nowhere()) as service:
        rule = await active(service)
        (before,) = await rows(service, "rules")
        await service.office.rules.revoke(rule.head.id, by="dora", reason="it lets too much pass")
        await tamper(service, "rules", state=before["state"], mac=before["mac"])
        assert await rows(service, "rules") == [before]
        assert await outcome(service) == "waiting"
    async with serving(ruled(), store_url, nowhere()) as service:
        assert await outcome(service) == "waiting"
        (shown,) = await service.store.read(lambda tx: rule_lines(tx, service.office.key, at=service.store.clock.now()))
        assert shown["state"] == "revoked"


async def test_a_forbidding_rule_that_was_edited_lets_nothing_pass(store_url: str) -> None:
    never = rule_file().model_copy(
        update={
            "name": "never",
            "policy": "forbid (principal, action, resource);",
            "option": "",
            "effects": [],
            "caps": [],
            "tests": [rule_file().tests[1]],
        }
    )
    async with serving(ruled(), store_url, nowhere()) as service:
        await active(service)
        await active(service, never)
        assert await outcome(service) == "waiting"
        rule = Statement(update(rules).where(rules.c.name == "never").values(state="revoked"))
        assert await service.store.write(lambda tx: tx.run(rule)) == 1
    async with serving(ruled(), store_url, nowhere()) as service:
        assert await outcome(service) == "waiting"


async def test_of_two_versions_the_newer_decides_and_no_older_one_comes_back(store_url: str) -> None:
    strict = of_policy(PERMIT % "context.seen.length <= 7", version="2")
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin) as service:
            await active(service)
            assert await outcome(service, "hiho") == "done"  # dear hiho: 9
            second = await active(service, strict)
            assert await outcome(service, "hiho") == "waiting"
            run = await service.arun(Ask(text="hi"), by="nils")
            (decided,) = await recorded(service, run.id, Decided)
            assert decided.by == "short-letters@2"
            await service.office.rules.revoke(second.head.id, by="alice", reason="too strict")
            assert await outcome(service, "hi") == "waiting"


async def test_the_versions_of_a_rule_share_what_was_used(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(ruled(), sqlite_url, receiver.origin) as service:
            await active(service, rule_file(most="1"))
            assert await outcome(service) == "done"
            await active(service, rule_file(most="1", version="2"))
            assert await outcome(service) == "waiting"


async def test_a_rule_ends_when_it_expires_and_begins_when_it_says(store_url: str) -> None:
    clock = FakeClock()
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin, clock=clock) as service:
            await active(service)
            assert await outcome(service) == "done"
            clock.advance(91 * DAY)
            assert await outcome(service) == "waiting"
            late = rule_file(version="2").model_copy(update={"expires": _at(clock, -HOUR)})
            with pytest.raises(InvalidRule, match="expires before it is proposed"):
                await proposed(service, late)
            with pytest.raises(InvalidRule, match="more than 90 days"):
                await proposed(service, rule_file(version="2").model_copy(update={"expires": _at(clock, 91 * DAY)}))
            await active(service, rule_file(version="2").model_copy(update={"not_before": _at(clock, HOUR)}))
            assert await outcome(service) == "waiting"
            clock.advance(2 * HOUR)
            assert await outcome(service) == "done"


def _at(clock: FakeClock, seconds: float) -> datetime:
    return datetime.fromtimestamp(clock.now() / 1e6 + seconds, UTC)


class Jumping(FakeClock):
    """A clock that somebody sets."""

    jumped = 0.0

    def now(self) -> int:
        return super().now() + micros(self.jumped)


async def test_a_clock_that_jumps_back_gives_nothing_anew(store_url: str) -> None:
    clock = Jumping()
    clock.advance(30 * DAY)
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin, clock=clock) as service:
            await active(service, rule_file(most="1"))
            assert await outcome(service) == "done"
            clock.jumped = -DAY
            assert await outcome(service) == "waiting"  # yesterday is over
            clock.jumped = 0
            assert await outcome(service) == "waiting"  # today's one was used
            clock.jumped = DAY
            assert await outcome(service) == "done"


async def test_rules_that_choose_different_options_ask_a_person(sqlite_url: str) -> None:
    def options(letter: Letter, ask: Ask) -> dict[str, Letter]:
        return {"shorter": Letter(text="hi")}

    another = rule_file(option='"shorter"').model_copy(update={"name": "another"})
    async with serving(ruled(options=options), sqlite_url, nowhere()) as service:
        await active(service, another)
        await active(service)
        assert await outcome(service) == "waiting"


async def test_a_rule_chooses_the_option_that_it_names(store_url: str) -> None:
    def options(letter: Letter, ask: Ask) -> dict[str, Letter]:
        return {"shorter": Letter(text="hi")}

    with FakeReceiver() as receiver:
        async with serving(ruled(options=options), store_url, receiver.origin) as service:
            await active(service, rule_file(option='"shorter"'))
            assert await outcome(service, "a very long letter indeed") == "done"
        assert receiver.received[0].json()["text"] == "hi"


async def test_a_rule_releases_no_effect_that_it_does_not_name(sqlite_url: str) -> None:
    async with serving(ruled(), sqlite_url, nowhere()) as service:
        none = rule_file(SHORT.replace("post = 1", "post = 0"), effects="[]")  # its cases speak of no call
        await active(service, none)
        assert await outcome(service) == "waiting"


async def test_a_frozen_approval_is_not_ruled_on(store_url: str) -> None:
    async with serving(ruled(), store_url, nowhere()) as service:
        await active(service)
        await service.afreeze("agent:sign", by="alice", reason="stop")
        run = await service.arun(Ask(text="hi"), by="nils")
        assert run.status == "frozen" and await recorded(service, run.id, Decided) == []
        assert await rows(service, "rule_uses") == []


class Other(BaseModel):
    words: int


def other(letter: Letter, ask: Ask) -> Other:
    return Other(words=1)


async def test_a_rule_that_does_not_fit_what_the_app_shows_now_decides_nothing(sqlite_url: str) -> None:
    async with serving(ruled(), sqlite_url, nowhere()) as service:
        await active(service)
    async with serving(ruled(context=other), sqlite_url, nowhere()) as service:
        assert await outcome(service) == "waiting"


async def test_whoever_has_nothing_to_do_with_it_does_not_revoke(sqlite_url: str) -> None:
    async with serving(ruled(), sqlite_url, nowhere(), people={"olga": "nobody"}) as service:
        rule = await active(service)
        with pytest.raises(NotEligible):
            await service.office.rules.revoke(rule.head.id, by="olga", reason="I do not like it")
        with pytest.raises(InvalidInput, match="reason"):
            await service.office.rules.revoke(rule.head.id, by="dora", reason=" ")
        await service.office.rules.revoke(rule.head.id, by="eve", reason="I was wrong")
    async with open_office(sqlite_url) as office:
        with pytest.raises(InvalidInput, match="revoked already"):
            await office.rules.revoke(rule.head.id, by="eve", reason="again")


@pytest.mark.parametrize("stricter", [{"by": quorum(2, role("lead"))}, {"requires": "signed"}, {"fresh": 60}])
async def test_a_rule_that_fewer_approved_than_are_asked_now_decides_nothing(
    store_url: str, stricter: dict[str, Any]
) -> None:
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin) as service:
            await active(service)
            assert await outcome(service) == "done"
        async with serving(ruled(owner="others"), store_url, receiver.origin) as service:
            assert await outcome(service) == "done"
        async with serving(ruled(**stricter), store_url, receiver.origin) as service:
            assert await outcome(service) == "done"  # by the rules of deciding that are in force
            await service.aaccept_approval("sign", by="alice")
            assert await outcome(service) == "waiting"
