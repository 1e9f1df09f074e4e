"""Standing rules decide: what they permit, within their caps, while they have force."""

from __future__ import annotations

import pytest

from answerable.agents.people import quorum, role
from answerable.errors import AlreadyDecided
from answerable.testing import FakeReceiver, nowhere
from answerable.tracing.ledger.records.afterwards import DecisionRevoked
from answerable.tracing.ledger.records.deciding import Decided, RequestMade
from answerable.tracing.ledger.records.effects import EffectSent
from tests.approvals.rules.ruled import SHORT, active, proposed, rule_file, ruled
from tests.orchestrator.letters import Ask, Letter, recorded, rows, serving

pytestmark = pytest.mark.anyio


async def test_a_rule_that_was_only_proposed_decides_nothing(store_url: str) -> None:
    async with serving(ruled(), store_url, nowhere()) as service:
        await proposed(service, rule_file())
        assert (await service.arun(Ask(text="hi"), by="nils")).status == "waiting"


async def test_an_active_rule_decides_and_the_decision_names_it_and_the_persons_behind_it(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin) as service:
            rule = await active(service)
            run = await service.arun(Ask(text="hi"), by="nils")
            assert run.status == "done"
            (decided,) = await recorded(service, run.id, Decided)
            (sent,) = await recorded(service, run.id, EffectSent)
            (used,) = await rows(service, "rule_uses")
            ids = {person.handle: person.id for person in await service.people.aall()}
            long = await service.arun(Ask(text="a very long letter"), by="nils")
            assert long.status == "waiting"
    assert (decided.outcome, decided.by, decided.assurance) == ("ruled", "short-letters@1", "rule")
    assert decided.option == "as-proposed" and decided.rule == rule.head.id and decided.spent == {"count/day": 1}
    persons = [ids["dora"], ids["eve"], ids["alice"]]
    assert list(decided.chain) == [decided.decision, "short-letters@1", *persons]
    assert list(sent.chain) == [decided.grants[0], decided.decision, "short-letters@1", *persons]
    assert (used["cap"], used["used"]) == ("count/day", 1)


async def test_beyond_its_cap_a_person_is_asked_and_told_which_rule_would_have_decided(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin) as service:
            await active(service)
            statuses = [(await service.arun(Ask(text="hi"), by="nils")).status for _ in range(3)]
            run = await service.arun(Ask(text="hi"), by="nils")
            (made,) = await recorded(service, run.id, RequestMade)
            assert statuses == ["done"] * 3 and run.status == "waiting"
            assert made.capped == run.waiting_for[0].capped == "short-letters@1"
            await service.aapprove(run.waiting_for[0].id, by="dora")
            assert (await service.aresume(run.id)).status == "done"


async def test_what_a_rule_released_and_was_not_sent_is_asked_of_a_person_after_it_was_revoked(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin) as service:
            rule = await active(service)
            freeze = await service.afreeze("effect:post", by="alice", reason="wait")
            run = await service.arun(Ask(text="hi"), by="nils")
            assert run.status == "frozen" and len(await recorded(service, run.id, Decided)) == 1
            await service.office.rules.revoke(rule.head.id, by="dora", reason="it lets too much pass")
            (revoked,) = await recorded(service, run.id, DecisionRevoked)
            assert (revoked.cause, revoked.rule) == ("rule", "short-letters@1")
            await service.athaw(freeze.id, by="alice", reason="go on")
            run = await service.aresume(run.id)
            assert run.status == "waiting" and receiver.received == []
            await service.aapprove(run.waiting_for[0].id, by="dora")
            assert (await service.aresume(run.id)).status == "done"
        assert len(receiver.received) == 1


async def test_nobody_decides_their_own_by_a_rule_that_they_approved(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin) as service:
            await active(service)
            assert (await service.arun(Ask(text="hi"), by="dora")).status == "waiting"
            assert (await service.arun(Ask(text="hi"), by="nils")).status == "done"
            await service.people.aadd("dora", roles=["lead"], teams=["writers"])  # she owns the writer now
            assert (await service.arun(Ask(text="hi"), by="nils")).status == "waiting"
        async with serving(ruled(may_decide_own=True), store_url, receiver.origin) as service:
            await service.aaccept_approval("sign", by="alice")
            assert (await service.arun(Ask(text="hi"), by="dora")).status == "done"


async def test_a_rule_is_approved_by_as_many_as_may_decide_what_it_decides(store_url: str) -> None:
    two = ruled(by=quorum(2, role("lead")))
    with FakeReceiver() as receiver:
        async with serving(two, store_url, receiver.origin, people={"emil": "lead"}) as service:
            rule = await active(service)
            assert rule.head.state == "proposed"
            assert (await service.arun(Ask(text="hi"), by="nils")).status == "waiting"
            with pytest.raises(AlreadyDecided):
                await service.office.rules.approve(rule.head.id, by="dora")
            rule = await service.office.rules.approve(rule.head.id, by="emil")
            assert rule.head.state == "approved"
            run = await service.arun(Ask(text="hi"), by="nils")
            (decided,) = await recorded(service, run.id, Decided)
            ids = {person.handle: person.id for person in await service.people.aall()}
            assert run.status == "done" and list(decided.voters) == [ids["dora"], ids["emil"], ids["eve"]]


@pytest.mark.parametrize(("sample", "reviews"), [("100", 2), ("0", 0)])
async def test_a_sample_of_what_a_rule_decides_is_reviewed_by_a_person(
    store_url: str, sample: str, reviews: int
) -> None:
    with FakeReceiver() as receiver:
        async with serving(ruled(), store_url, receiver.origin) as service:
            await active(service, rule_file().model_copy(update={"sample": int(sample)}))
            decided = [
                one
                for _ in range(2)
                for one in await recorded(service, (await service.arun(Ask(text="hi"), by="nils")).id, Decided)
            ]
            due = await rows(service, "reviews")
    assert sorted(row["decision"] for row in due) == sorted(one.decision for one in decided if one.review == "sample")
    assert len(due) == reviews and len(decided) == 2


async def test_what_a_rule_may_decide_is_capped_by_its_value_and_takes_the_strictest(store_url: str) -> None:
    def worth(letter: Letter, ask: Ask) -> int:
        return len(letter.text)

    dear = rule_file(SHORT.replace("context.seen.length <= 10", "context.value <= 10"), of='"value"', most="15")
    tests = [
        one.model_copy(update={"context": one.context | {"value": one.context["seen"]["length"]}}) for one in dear.tests
    ]
    app = ruled(value=worth, above={100: quorum(2, role("lead"))})
    with FakeReceiver() as receiver:
        async with serving(app, store_url, receiver.origin, people={"emil": "lead"}) as service:
            rule = await active(service, dear.model_copy(update={"tests": tests}))
            assert rule.head.state == "proposed"  # it might have decided what is worth more than 100
            await service.office.rules.approve(rule.head.id, by="emil")
            statuses = [(await service.arun(Ask(text="hi"), by="nils")).status for _ in range(3)]
            (used,) = await rows(service, "rule_uses")
    assert statuses == ["done", "done", "waiting"] and (used["cap"], used["used"]) == ("value/day", 14)
