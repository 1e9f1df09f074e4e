"""Requests: what a person is asked, and what each answer does."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
import rfc8785

from answerable.agents.options import HOUR
from answerable.agents.people import person
from answerable.errors import AlreadyDecided, InvalidInput, InvalidMessage, NotEligible, NotOpen, UnknownId
from answerable.testing import FakeClock, FakeReceiver, nowhere
from answerable.tracing.ledger.records.deciding import Decided, RequestMade
from answerable.tracing.ledger.records.effects import EffectWithdrawn
from tests.golden.scenarios import conversation
from tests.orchestrator.letters import Ask, Batch, Letter, Receipt, batches, letters, recorded, rows, serving

pytestmark = pytest.mark.anyio


def kinder_and_shorter(letter: Letter, ask: Ask) -> dict[str, Letter]:
    return {"shorter": Letter(text=ask.text), "kinder": Letter(text=f"my {letter.text}")}


# -- what is asked ----------------------------------------------------------------------------------


async def test_every_option_shows_its_message_and_exact_calls(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(options=kinder_and_shorter), store_url, receiver.origin) as service:
            run = await service.arun(Ask(text="bob"), by="nils")
            (request,) = run.waiting_for
            assert request.options == ("as-proposed", "kinder", "shorter")
            assert [one["message"]["text"] for one in request.view["options"]] == ["dear bob", "my dear bob", "bob"]
            assert [one["calls"] for one in request.view["options"]] == [
                [
                    {
                        "name": "post",
                        "method": "POST",
                        "url": f"{receiver.origin}/letters",
                        "body": rfc8785.dumps({"text": text}).decode(),
                    }
                ]
                for text in ("dear bob", "my dear bob", "bob")
            ]
            (made,) = await recorded(service, run.id, RequestMade)
    assert receiver.received == []
    assert {name: len(calls) for name, calls in made.calls.items()} == {"as-proposed": 1, "kinder": 1, "shorter": 1}
    assert made.digest == request.digest


async def test_the_digest_binds_the_body_and_the_view(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
        (row,) = await rows(service, "requests")
        body = json.loads(row["body"])
        (effect,) = await rows(service, "effects")
    (request,) = run.waiting_for
    printed = f"<request {request.id} at sign of letters: open, asks role lead, until "
    assert repr(request).startswith(printed) and str(request).endswith(" UTC; options as-proposed>")
    assert row["digest"] == run.waiting_for[0].digest == sha256(row["body"]).hexdigest()
    assert body["view"] == sha256(row["view"]).hexdigest()
    assert rfc8785.dumps(body) == row["body"]
    assert body["options"][0]["calls"] == [
        {"effect": effect["id"], "name": "post", "digest": effect["call_digest"]},
    ]


async def test_the_choice_releases_its_own_calls_and_withdraws_the_others(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(options=kinder_and_shorter), store_url, receiver.origin) as service:
            run = await service.arun(Ask(text="bob"), by="nils")
            decision = await service.aapprove(run.waiting_for[0].id, option="kinder", by="dora", reason="nicer")
            done = await service.aresume(run.id)
            (decided,) = await recorded(service, run.id, Decided)
            withdrawn = await recorded(service, run.id, EffectWithdrawn)
            states = sorted(row["state"] for row in await rows(service, "effects"))
            grants = await rows(service, "grants")
    assert done.result == Receipt(text="my dear bob")
    assert [one.json()["text"] for one in receiver.received] == ["my dear bob"]
    assert states == ["done", "withdrawn", "withdrawn"]
    assert {one.reason for one in withdrawn} == {"another option was chosen"}
    assert (decided.option, decided.assurance, decided.digest) == (
        "kinder",
        "asserted-local",
        run.waiting_for[0].digest,
    )
    assert [(one["decision"], one["state"]) for one in grants] == [(decision.id, "consumed")]
    assert set(decided.withdrawn) == {one.effect for one in withdrawn}


async def test_an_option_that_is_not_offered_is_refused(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
        with pytest.raises(InvalidInput, match="no option 'shorter'"):
            await service.aapprove(run.waiting_for[0].id, option="shorter", by="dora")


def raising(letter: Letter, ask: Ask) -> dict[str, Letter]:
    raise RuntimeError("no idea")


def foreign(letter: Letter, ask: Ask) -> dict[str, Letter]:
    return {"other": ask}  # type: ignore[dict-item]  # what an untyped user may do


def unnamed(letter: Letter, ask: Ask) -> dict[str, Letter]:
    return {"as-proposed": Letter(text="another")}


def unvalidated(letter: Letter, ask: Ask) -> dict[str, Letter]:
    return {"other": Letter().model_copy(update={"text": 7})}


@pytest.mark.parametrize(
    ("options", "trouble"),
    [
        (raising, "RuntimeError: no idea"),
        (foreign, "is Ask, not Letter"),
        (unnamed, "no name for an option"),
        (unvalidated, "not a valid Letter"),
    ],
)
async def test_options_that_cannot_be_had_are_said_and_the_person_is_asked(
    sqlite_url: str, options: Any, trouble: str
) -> None:
    async with serving(letters(options=options), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
    assert run.waiting_for[0].options == ("as-proposed",)
    assert trouble in run.waiting_for[0].view["trouble_with_options"]


# -- who decides ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "why"),
    [
        ("nils", "started this run"),
        ("olga", "owns an agent that led to this request"),
        ("tom", "owns an agent that led to this request"),
        ("rita", "it asks role lead"),
    ],
)
async def test_who_is_too_close_or_was_not_asked_may_not_decide(store_url: str, by: str, why: str) -> None:
    owner = "olga" if by == "olga" else "writers"
    async with serving(letters(owner=owner), store_url, nowhere()) as service:
        for handle, roles, teams in (
            ("nils", ["lead"], []),
            ("olga", ["lead"], []),
            ("tom", ["lead"], ["writers"]),
            ("rita", ["reader"], []),
        ):
            await service.people.aadd(handle, roles=roles, teams=teams)
        run = await service.arun(Ask(), by="nils")
        request = run.waiting_for[0].id
        for attempt in (
            service.aapprove(request, by=by),
            service.areject(request, by=by, reason="no"),
            service.aedit(request, Letter(text="mine"), by=by),
        ):
            with pytest.raises(NotEligible, match=why):
                await attempt
        assert (await service.arequest(request)).state == "open"
        assert await rows(service, "decisions") == []


async def test_the_responsible_individual_may_decide(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="alice")
            assert (await service.aresume(run.id)).status == "done"


async def test_the_responsible_individual_may_not_decide_what_they_started(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="alice")
        with pytest.raises(NotEligible, match="started this run"):
            await service.aapprove(run.waiting_for[0].id, by="alice")


async def test_a_person_who_is_named_is_asked(sqlite_url: str) -> None:
    async with serving(letters(by=person("petra")), sqlite_url, nowhere(), people={"petra": "none"}) as service:
        run = await service.arun(Ask(), by="nils")
        assert run.waiting_for[0].asks == "petra"
        with pytest.raises(NotEligible, match="it asks petra"):
            await service.aapprove(run.waiting_for[0].id, by="dora")
        await service.aapprove(run.waiting_for[0].id, by="petra")


async def test_a_declaration_may_let_people_decide_their_own(sqlite_url: str) -> None:
    async with serving(letters(may_decide_own=True), sqlite_url, nowhere(), people={"nils": "lead"}) as service:
        run = await service.arun(Ask(), by="nils")
        (row,) = await rows(service, "requests")
        assert json.loads(row["body"])["asked"]["may_decide_own"] is True
        assert (await service.aapprove(run.waiting_for[0].id, by="nils")).outcome == "approved"


async def test_nobody_unknown_decides(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
        with pytest.raises(UnknownId, match="nobody is registered as 'mallory'"):
            await service.aapprove(run.waiting_for[0].id, by="mallory")
        with pytest.raises(UnknownId, match="no request"):
            await service.aapprove("req_0", by="dora")


async def test_what_is_decided_is_decided(store_url: str) -> None:
    async with serving(letters(), store_url, nowhere(), people={"dan": "lead"}) as service:
        run = await service.arun(Ask(), by="nils")
        request = run.waiting_for[0].id
        await service.areject(request, by="dora", reason="no")
        with pytest.raises(AlreadyDecided, match="already rejected"):
            await service.aapprove(request, by="dan")
        assert (await service.aresume(run.id)).status == "denied"
        assert [one["outcome"] for one in await rows(service, "decisions")] == ["rejected"]


# -- no ----------------------------------------------------------------------------------


@pytest.mark.parametrize("denied", [True, False])
async def test_a_rejection_leaves_by_denied_or_ends_the_run(store_url: str, denied: bool) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(denied=denied), store_url, receiver.origin) as service:
            run = await service.arun(Ask(), by="nils")
            with pytest.raises(InvalidInput, match="needs a reason"):
                await service.areject(run.waiting_for[0].id, by="dora", reason=" ")
            await service.areject(run.waiting_for[0].id, by="dora", reason="too long")
            run = await service.aresume(run.id)
            assert [row["state"] for row in await rows(service, "effects")] == ["withdrawn"]
            assert await rows(service, "grants") == []
    if denied:
        assert (run.status, run.result) == ("done", Receipt(text="Rejected"))
    else:
        assert (run.status, run.detail) == ("denied", "too long")
    assert receiver.received == []


@pytest.mark.parametrize("denied", [True, False])
async def test_time_denies(store_url: str, denied: bool) -> None:
    """Invariant 11."""
    clock = FakeClock()
    with FakeReceiver() as receiver:
        async with serving(letters(denied=denied, within=HOUR), store_url, receiver.origin, clock=clock) as service:
            run = await service.arun(Ask(), by="nils")
            clock.advance(HOUR - 1)
            assert (await service.aresume(run.id)).status == "waiting"
            clock.advance(1)
            with pytest.raises(NotOpen, match="the time to decide"):
                await service.aapprove(run.waiting_for[0].id, by="dora")
            run = await service.aresume(run.id)
            (decided,) = await recorded(service, run.id, Decided)
    assert (run.status, run.result) == (("done", Receipt(text="Expired")) if denied else ("denied", None))
    assert (decided.outcome, decided.by, decided.grants) == ("expired", "", ())
    assert receiver.received == []


async def test_a_grant_that_was_not_used_in_time_is_void(sqlite_url: str) -> None:
    clock = FakeClock()
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin, clock=clock) as service:
            run = await service.arun(Ask(), by="nils")
            await service.aapprove(run.waiting_for[0].id, by="dora")
            clock.advance(24 * HOUR)
            run = await service.aresume(run.id)
    assert run.detail == "post: refused: its grant has expired"
    assert receiver.received == []


# -- edit and respond ----------------------------------------------------------------------------------


async def test_an_edit_is_a_new_request_for_somebody_else(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(
            letters(options=kinder_and_shorter), store_url, receiver.origin, people={"dan": "lead"}
        ) as service:
            run = await service.arun(Ask(text="bob"), by="nils")
            old = run.waiting_for[0]
            new = await service.aedit(old.id, {"text": "dear Robert"}, by="dora", reason="his name")
            assert (new.edited_from, new.state) == (old.id, "open")
            assert new.digest != old.digest
            assert [one["message"]["text"] for one in new.view["options"]] == ["dear Robert", "my dear Robert", "bob"]
            with pytest.raises(NotEligible, match="wrote this edit"):
                await service.aapprove(new.id, by="dora")
            with pytest.raises(AlreadyDecided):
                await service.aapprove(old.id, by="dan")
            run = await service.aresume(run.id)
            assert [one.id for one in run.waiting_for] == [new.id]
            await service.aapprove(new.id, by="dan")
            run = await service.aresume(run.id)
            outcomes = [one.outcome for one in await recorded(service, run.id, Decided)]
            states = sorted(row["state"] for row in await rows(service, "effects"))
    assert run.result == Receipt(text="dear Robert")
    assert outcomes == ["edited", "approved"]
    assert states == ["done"] + ["withdrawn"] * 5
    assert len(receiver.happened) == 1


@pytest.mark.parametrize(
    "message", [{"text": 7}, {"text": None}, {"words": "x"}, Letter().model_copy(update={"text": 7})]
)
async def test_an_edit_that_does_not_fit_changes_nothing(sqlite_url: str, message: Any) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
        with pytest.raises(InvalidMessage, match="not a valid Letter"):
            await service.aedit(run.waiting_for[0].id, message, by="dora")
        assert (await service.arequest(run.waiting_for[0].id)).state == "open"
        assert await rows(service, "decisions") == []


async def test_an_edit_of_an_edit(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(), sqlite_url, receiver.origin, people={"dan": "lead"}) as service:
            run = await service.arun(Ask(), by="nils")
            first = await service.aedit(run.waiting_for[0].id, Letter(text="1"), by="dora")
            second = await service.aedit(first.id, Letter(text="2"), by="dan")
            for author in ("dora", "dan"):
                with pytest.raises(NotEligible, match="wrote this edit"):
                    await service.aapprove(second.id, by=author)
            await service.aapprove(second.id, by="alice")
            assert (await service.aresume(run.id)).result == Receipt(text="2")


async def test_a_response_goes_round_until_it_is_approved(store_url: str) -> None:
    async with serving(conversation(at_most=3), store_url, people={"dan": "lead"}) as service:
        run = await service.arun(Ask(text="a"), by="nils")
        for text in ("b", "c"):
            await service.arespond(run.waiting_for[0].id, text, by="dora")
            run = await service.aresume(run.id)
            assert run.waiting_for[0].message == {"text": text}
        with pytest.raises(NotEligible, match="wrote a response that led to this request"):
            await service.aapprove(run.waiting_for[0].id, by="dora")
        await service.aapprove(run.waiting_for[0].id, by="dan")
        assert (await service.aresume(run.id)).result == Receipt(text="c")


async def test_a_conversation_has_a_budget(sqlite_url: str) -> None:
    async with serving(conversation(at_most=2), sqlite_url) as service:
        run = await service.arun(Ask(text="a"), by="nils")
        for text in ("b", "c"):
            await service.arespond(run.waiting_for[0].id, text, by="dora")
            run = await service.aresume(run.id)
        assert (run.status, run.result) == ("done", Receipt(text="gave up at c"))


async def test_a_response_that_nothing_takes_is_refused(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
        with pytest.raises(InvalidInput, match="no edge for a response"):
            await service.arespond(run.waiting_for[0].id, "hm", by="dora")
    async with serving(conversation(at_most=2), sqlite_url) as service:
        run = await service.arun(Ask(), by="nils")
        with pytest.raises(InvalidInput, match="a response a text"):
            await service.arespond(run.waiting_for[0].id, "  ", by="dora")


async def test_the_inbox_lists_the_soonest_deadline_first(sqlite_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(), sqlite_url, nowhere(), clock=clock) as service:
        first = await service.arun(Ask(text="1"), by="nils")
        clock.advance(1)
        second = await service.arun(Ask(text="2"), by="nils")
        assert [one.run for one in await service.arequests()] == [first.id, second.id]
        await service.areject(first.waiting_for[0].id, by="dora", reason="no")
        assert [one.run for one in await service.arequests()] == [second.id]
        assert [one.run for one in await service.arequests(open_only=False)] == [first.id, second.id]


async def test_an_empty_list_releases_nothing_and_is_asked_about(sqlite_url: str) -> None:
    async with serving(batches(count=0, each_signed=False), sqlite_url, nowhere()) as service:
        run = await service.arun(Ask(), by="nils")
        assert run.waiting_for[0].message == Batch().model_dump()
        await service.aapprove(run.waiting_for[0].id, by="dora")
        done = await service.aresume(run.id)
    assert done.result is not None
    assert done.result.lines == []
