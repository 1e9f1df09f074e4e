"""Taking a decision back: what was not sent is void, and somebody is asked anew."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from answerable.agents.options import Retry
from answerable.approvals.asking.resting import why_anew
from answerable.approvals.deciding.reasons import Reason
from answerable.approvals.gate import Passed, let_pass
from answerable.approvals.revoking import revoke_what_a_rule_decided
from answerable.errors import InvalidInput, NotEligible, NotOpen, UnknownId
from answerable.orchestrator.engine import advance_due
from answerable.testing import FakeReceiver, Reply
from answerable.tracing.evidence.story.answers import explain
from answerable.tracing.evidence.telling.words import as_plain
from answerable.tracing.ledger.records.afterwards import DecisionRevoked
from answerable.tracing.ledger.records.deciding import RequestMade
from answerable.tracing.ledger.records.effects import EffectSent, EffectWithdrawn
from answerable.tracing.people import get_person
from tests.orchestrator.letters import Ask, Letter, Receipt, always, batches, faults, letters, recorded, rows, serving
from tests.support.servers import NOWHERE

pytestmark = pytest.mark.anyio

BACK: dict[str, Any] = {"code": "wrong", "reason": "they moved away"}


async def test_what_was_not_sent_is_void_and_asked_anew(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            (old,) = run.waiting_for
            decision = await service.aapprove(old.id, by="dora")
            gone = await service.arevoke(decision.id, by="dora", **BACK)
            assert await faults(service) == []
            run = await service.aresume(run.id)
            (new,) = run.waiting_for
            assert receiver.received == []
            await service.aapprove(new.id, by="dora")
            done = await service.aresume(run.id)
            (record,) = await recorded(service, run.id, DecisionRevoked)
            asked = await recorded(service, run.id, RequestMade)
            grants = await rows(service, "grants")
            assert await faults(service) == []
            told = await service.store.read(lambda tx: explain(tx, run.id))
    answer, lines = ([as_plain(one) for one in texts] for texts in (told.answer, [line.text for line in told.lines]))
    assert any(
        "Then dora took back what was decided at sign: “they moved away”; 1 call withdrawn." in one for one in answer
    )
    assert sum(one.endswith("anew, since the decision was taken back") for one in lines) == 1
    assert done.result == Receipt(text="dear a")
    assert len(receiver.received) == 1
    assert (gone.cause, len(gone.withdrawn), gone.sent) == ("person", 1, ())
    assert (record.code, record.reason, record.withdrawn) == ("wrong", "they moved away", gone.withdrawn)
    assert [one.in_place_of for one in asked] == ["", old.id]
    shown = new.view["before"]
    assert (shown["request"], shown["cause"], shown["reason"]) == (old.id, "person", "they moved away")
    assert sorted(one["state"] for one in grants) == ["consumed", "revoked"]


async def test_an_edit_that_was_taken_back_is_offered_when_it_is_asked_anew(store_url: str) -> None:
    """Once, and after it was taken back again; and whoever wrote it does not decide that."""
    people = {"emil": "lead", "erik": "lead"}
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin, people=people) as service:
            run = await service.arun(Ask(), by="nils")
            edited = await service.aedit(run.waiting_for[0].id, {"text": "nicer"}, by="dora")
            decision = await service.aapprove(edited.id, by="emil")
            for option in ("as-proposed", "as-edited"):
                await service.arevoke(decision.id, by="emil", **BACK)
                (new,) = (await service.aresume(run.id)).waiting_for
                assert new.options == ("as-proposed", "as-edited") and new.view["before"]["edited"]
                assert [one["message"]["text"] for one in new.view["options"]] == ["dear a", "nicer"]
                assert "as-edited" in why_anew(new.view["before"], "emil")
                with pytest.raises(NotEligible, match="wrote this edit"):
                    await service.aapprove(new.id, option="as-proposed", by="dora")
                decision = await service.aapprove(new.id, option=option, by="erik")
            assert receiver.received == [] and await faults(service) == []
            done = await service.aresume(run.id)
            assert done.result == Receipt(text="nicer") and len(receiver.received) == 1
            assert await faults(service) == []


async def test_where_no_edit_was_approved_none_is_offered(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), store_url, receiver.origin, people={"emil": "lead"}) as service:
            run = await service.arun(Ask(), by="nils")
            decision = await service.aapprove(run.waiting_for[0].id, by="emil")
            await service.arevoke(decision.id, by="emil", **BACK)
            (new,) = (await service.aresume(run.id)).waiting_for
            assert new.options == ("as-proposed",) and not new.view["before"]["edited"]
            edited = await service.aedit(new.id, {"text": "nicer"}, by="dora")
            assert edited.options == ("as-proposed",)


async def test_who_may_take_a_decision_back(sqlite_url: str) -> None:
    people = {"dan": "lead", "rita": "reader", "lea": "lead"}
    async with serving(letters(), sqlite_url, NOWHERE, people=people) as service:
        decision = None
        for by in ("dora", "dan", "alice"):
            run = await service.arun(Ask(), by="lea")
            decision = await service.aapprove(run.waiting_for[0].id, by="dora")
            for other in ("rita", "lea"):  # no lead; who started the run
                with pytest.raises(NotEligible, match=f"{other} may not take this back"):
                    await service.arevoke(decision.id, by=other, **BACK)
            await service.arevoke(decision.id, by=by, **BACK)
            with pytest.raises(NotOpen, match="revoked already"):
                await service.arevoke(decision.id, by=by, **BACK)
        with pytest.raises(UnknownId):
            await service.arevoke("dec_none", by="dora", **BACK)
        assert decision is not None
        with pytest.raises(UnknownId):
            await service.arevoke(decision.id, by="nobody", **BACK)


@pytest.mark.parametrize(("code", "reason"), [("", "because"), ("whim", "because"), ("wrong", ""), ("wrong", "  ")])
async def test_taking_back_needs_a_code_and_a_text(sqlite_url: str, code: str, reason: str) -> None:
    async with serving(letters(), sqlite_url, NOWHERE) as service:
        run = await service.arun(Ask(), by="nils")
        decision = await service.aapprove(run.waiting_for[0].id, by="dora")
        with pytest.raises(InvalidInput, match="reason"):
            await service.arevoke(decision.id, by="dora", code=code, reason=reason)


async def test_what_released_nothing_or_was_sent_is_not_taken_back(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            no = await service.areject(run.waiting_for[0].id, by="dora", reason="no")
            with pytest.raises(NotOpen, match="released nothing"):
                await service.arevoke(no.id, by="dora", **BACK)
            run = await service.arun(Ask(), by="nils")
            yes = await service.aapprove(run.waiting_for[0].id, by="dora")
            await service.aresume(run.id)
            with pytest.raises(NotOpen, match="its run is over"):
                await service.arevoke(yes.id, by="dora", **BACK)


async def test_what_was_sent_stays_and_nobody_is_asked_anew(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(batches(each_signed=False), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            decision = await service.aapprove(run.waiting_for[0].id, by="dora")
            stop = await service.afreeze("effect:post", by="alice", reason="one by one")
            await service.aresume(run.id)
            await service.athaw(stop.id, by="alice", reason="go")
            first, *_ = sorted(row["id"] for row in await rows(service, "effects"))
            worker = service.runtime.worker  # of which the process dies after it has sent the first one
            passed = await service.store.write(
                lambda tx: let_pass(tx, worker.key, first, through=(), now=service.store.clock.now(), host="h")
            )
            gone = await service.arevoke(decision.id, by="alice", **BACK)
            done = await service.aresume(run.id)
            withdrawn = await recorded(service, run.id, EffectWithdrawn)
            left = await recorded(service, run.id, EffectSent)
            assert await faults(service) == []
    assert isinstance(passed, Passed)
    assert done.status == "done"
    assert done.result is not None
    assert sorted(done.result.lines)[:2] == ["Failed", "Failed"]
    assert gone.sent == (first,)
    assert {one.effect for one in withdrawn} == set(gone.withdrawn)
    assert {one.effect for one in left} == {first}  # sent again, since nobody knew of it
    assert len(receiver.happened) == 1


async def test_a_call_that_was_turned_away_is_not_tried_again(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        receiver.then(Reply(status=503))
        slowly = letters(retry=Retry(attempts=3, pause_seconds=3.0))
        async with serving(slowly, sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            decision = await service.aapprove(run.waiting_for[0].id, by="dora")
            going = asyncio.create_task(service.aresume(run.id))
            while [(row["state"], row["attempt"]) for row in await rows(service, "effects")] != [("prepared", 1)]:  # noqa: ASYNC110 - what another task wrote is seen in the store only
                await asyncio.sleep(0.01)
            gone = await service.arevoke(decision.id, by="dora", **BACK)
            run = await going
            assert (len(gone.withdrawn), gone.sent) == (1, ())
            assert [one.view["before"]["request"] for one in run.waiting_for] == [decision.request]
            assert await faults(service) == []
    assert len(receiver.received) == 1


async def test_a_process_that_serves_asks_anew(store_url: str) -> None:
    async with serving(letters(), store_url, NOWHERE) as service:
        run = await service.arun(Ask(), by="nils")
        decision = await service.aapprove(run.waiting_for[0].id, by="dora")
        await service.arevoke(decision.id, by="dora", **BACK)
        assert await advance_due(service.runtime) == 1
        run = await service.aget(run.id)
        assert [one.view["before"]["by"] for one in run.waiting_for] == [decision.by]


async def test_nothing_is_sent_by_a_decision_that_is_revoked_while_its_run_is_worked_on(sqlite_url: str) -> None:
    going, go_on = asyncio.Event(), asyncio.Event()

    async def slow(ask: Ask) -> Letter:
        going.set()
        await go_on.wait()
        return Letter()

    with FakeReceiver() as receiver:
        async with serving(letters(writer=slow), sqlite_url, receiver.origin) as service:
            running = asyncio.create_task(service.arun(Ask(), by="nils"))
            await going.wait()
            go_on.set()
            run = await running
            decision = await service.aapprove(run.waiting_for[0].id, by="dora")
            resumed, revoked = await asyncio.gather(
                service.aresume(run.id), service.arevoke(decision.id, by="dora", **BACK), return_exceptions=True
            )
            done = await service.aresume(run.id)
            assert await faults(service) == []
        if isinstance(revoked, NotOpen):
            assert len(receiver.received) == 1
        else:
            assert (done.status, receiver.received) == ("waiting", [])
    assert not isinstance(resumed, BaseException)


async def test_what_was_revoked_is_asked_of_a_person(store_url: str) -> None:
    """Neither an exemption, nor running the step anew, lets it pass again."""
    async with serving(letters(exempt=always), store_url, NOWHERE) as service:
        await service.aaccept_exemption("sign", by="alice")
        stop = await service.afreeze("effect:post", by="alice", reason="wait")
        run = await service.arun(Ask(), by="nils")
        (exempted,) = await rows(service, "decisions")
        await service.arevoke(exempted["id"], by="alice", **BACK)
        run = await service.aresume(run.id)
        (request,) = run.waiting_for
        (step,) = [
            row["id"] for row in await rows(service, "steps") if row["node"] == "sign" and row["state"] == "done"
        ]
        run = await service.aretry(run.id, step, by="alice", reason="again")
        (again,) = run.waiting_for
        assert again.id != request.id
        assert again.view["before"]["request"] == exempted["request"]
        await service.athaw(stop.id, by="alice", reason="go")
        assert len(await rows(service, "decisions")) == 1


async def test_a_rule_that_is_revoked_takes_its_unsent_decisions_along(store_url: str) -> None:
    """Standing rules decide as NAME@VERSION, as exemptions do."""
    async with serving(letters(exempt=always), store_url, NOWHERE) as service:
        await service.aaccept_exemption("sign", by="alice")
        await service.afreeze("effect:post", by="alice", reason="wait")
        runs = [await service.arun(Ask(), by="nils") for _ in range(3)]
        await service.acancel(runs[0].id, by="alice", reason="not this one")
        why = Reason(code="policy", text="it was too wide")

        def work(tx: Any) -> Any:
            alice, now = get_person(tx, "alice").id, service.store.clock.now()
            other = revoke_what_a_rule_decided(tx, "letters", "never@1", by=alice, reason=why, at=now)
            return other, revoke_what_a_rule_decided(tx, "letters", "always@1", by=alice, reason=why, at=now)

        other, gone = await service.store.write(work, durable=True)
        (record,) = await recorded(service, runs[1].id, DecisionRevoked)
        assert await faults(service) == []
    assert other == []
    assert {one.run for one in gone} == {run.id for run in runs[1:]}
    assert (record.cause, record.rule, record.code) == ("rule", "always@1", "policy")
