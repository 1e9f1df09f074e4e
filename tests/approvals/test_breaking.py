"""Breaking the glass: one person of its own role, alone, with a reason, under lower caps, and reviewed."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.options import DAY
from answerable.agents.people import role
from answerable.approvals.deciding.decisions import Decision
from answerable.approvals.deciding.reviews import BREAK_GLASS_SECONDS
from answerable.approvals.node import BreakGlass
from answerable.approvals.who.identity import Identity
from answerable.errors import DeclarationError, InvalidInput, NotEligible, NotOpen, NotSureEnough, UnknownId
from answerable.testing import FakeClock, FakeReceiver
from answerable.tracing.evidence.handing import verifier
from answerable.tracing.ledger.entries import append, records_of
from answerable.tracing.ledger.records.afterwards import Reviewed
from answerable.tracing.ledger.records.deciding import Decided
from tests.approvals.test_signatures import key_of
from tests.orchestrator.letters import Ask, Letter, Receipt, faults, letters, recorded, rows, serving, tamper
from tests.support.servers import NOWHERE

pytestmark = pytest.mark.anyio

GLASS = BreakGlass(by=role("duty"), per_day=2)
WHY: dict[str, Any] = {"code": "urgent", "reason": "the dam breaks"}
PEOPLE = {"dirk": "duty", "dan": "duty", "rita": "reader"}


async def test_one_person_approves_alone_and_it_is_marked_everywhere(store_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(break_glass=GLASS), store_url, receiver.origin, people=PEOPLE) as service:
            run = await service.arun(Ask(), by="nils")
            (request,) = run.waiting_for
            with pytest.raises(NotEligible):
                await service.aapprove(request.id, by="dirk")
            made = await service.abreak_glass(request.id, by="dirk", **WHY)
            done = await service.aresume(run.id)
            (decided,) = await recorded(service, run.id, Decided)
            (review,) = await service.office.reviews()
            assert await faults(service) == []
    assert done.result == Receipt(text="dear a")
    assert isinstance(made, Decision)
    assert (made.broke_glass, made.code, made.reason) == (1, "urgent", "the dam breaks")
    assert (decided.broke_glass, decided.code, decided.review) == (True, "urgent", "break-glass")
    assert decided.review_due == review.due_at == decided.at + int(BREAK_GLASS_SECONDS * 1e6)
    assert (review.decision, review.of, review.verdict) == (made.id, "break-glass", "")


@pytest.mark.parametrize(("code", "reason"), [("", "because"), ("whim", "because"), ("urgent", " ")])
async def test_it_needs_a_code_and_a_text(sqlite_url: str, code: str, reason: str) -> None:
    async with serving(letters(break_glass=GLASS), sqlite_url, NOWHERE, people=PEOPLE) as service:
        run = await service.arun(Ask(), by="nils")
        with pytest.raises(InvalidInput, match="reason"):
            await service.abreak_glass(run.waiting_for[0].id, by="dirk", code=code, reason=reason)
        assert await rows(service, "decisions") == []


async def test_who_may_not_break_it(sqlite_url: str) -> None:
    async with serving(letters(break_glass=GLASS), sqlite_url, NOWHERE, people=PEOPLE) as service:
        run = await service.arun(Ask(), by="dirk")
        for by, why in (
            ("rita", "that is for role duty"),
            ("dora", "that is for"),
            ("dirk", "nobody decides their own"),
        ):
            with pytest.raises(NotEligible, match=why):
                await service.abreak_glass(run.waiting_for[0].id, by=by, **WHY)
        with pytest.raises(InvalidInput, match="no option"):
            await service.abreak_glass(run.waiting_for[0].id, option="other", by="dan", **WHY)
    async with serving(letters(), f"{sqlite_url}2", NOWHERE, people=PEOPLE) as service:
        run = await service.arun(Ask(), by="nils")
        with pytest.raises(NotEligible, match="no glass"):
            await service.abreak_glass(run.waiting_for[0].id, by="dirk", **WHY)


def worth(letter: Letter, ask: Ask) -> int:
    if ask.text == "unknown":
        raise OSError("no price list")
    return 1_000 if ask.text == "dear" else 10


@pytest.mark.parametrize(("text", "why"), [("dear", "is 1,000"), ("unknown", "is not known")])
async def test_only_for_what_is_worth_so_little(sqlite_url: str, text: str, why: str) -> None:
    glass = BreakGlass(by=role("duty"), at_most=100, per_day=2)
    async with serving(letters(break_glass=glass, value=worth), sqlite_url, NOWHERE, people=PEOPLE) as service:
        run = await service.arun(Ask(text=text), by="nils")
        with pytest.raises(NotEligible, match=why):
            await service.abreak_glass(run.waiting_for[0].id, by="dirk", **WHY)
        run = await service.arun(Ask(text="cheap"), by="nils")
        await service.abreak_glass(run.waiting_for[0].id, by="dirk", **WHY)


async def test_so_many_a_day(store_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(break_glass=GLASS), store_url, NOWHERE, people=PEOPLE, clock=clock) as service:
        for _ in range(2):
            run = await service.arun(Ask(), by="nils")
            await service.abreak_glass(run.waiting_for[0].id, by="dirk", **WHY)
        run = await service.arun(Ask(), by="nils")
        with pytest.raises(NotEligible, match="broken 2 times"):
            await service.abreak_glass(run.waiting_for[0].id, by="dan", **WHY)
        for one in await service.office.reviews():
            await service.office.review(one.id, verdict="right", by="dora", reason="it was")
        clock.advance(DAY)
        run = await service.arun(Ask(), by="nils")
        await service.abreak_glass(run.waiting_for[0].id, by="dan", **WHY)
        assert await faults(service) == []


async def test_an_overdue_review_stands_in_the_way_of_the_next(store_url: str) -> None:
    clock = FakeClock()
    async with serving(letters(break_glass=GLASS), store_url, NOWHERE, people=PEOPLE, clock=clock) as service:
        run = await service.arun(Ask(), by="nils")
        await service.abreak_glass(run.waiting_for[0].id, by="dirk", **WHY)
        clock.advance(BREAK_GLASS_SECONDS)
        (review,) = await service.office.reviews()
        run = await service.arun(Ask(), by="nils")
        with pytest.raises(NotEligible, match=f"overdue .{review.id}"):
            await service.abreak_glass(run.waiting_for[0].id, by="dan", **WHY)
        for by, why in (("dirk", "had a part in it"), ("rita", "may not decide"), ("nils", "may not decide")):
            with pytest.raises(NotEligible, match=why):
                await service.office.review(review.id, verdict="right", by=by, reason="fine")
        with pytest.raises(InvalidInput):
            await service.office.review(review.id, verdict="right", by="dora", reason=" ")
        with pytest.raises(UnknownId):
            await service.office.review("rvw_none", verdict="right", by="dora", reason="fine")
        done = await service.office.review(review.id, verdict="wrong", by="dora", reason="there was time")
        with pytest.raises(NotOpen, match="done already"):
            await service.office.review(review.id, verdict="right", by="alice", reason="fine")
        (record,) = await recorded(service, review.run, Reviewed)
        await service.abreak_glass(run.waiting_for[0].id, by="dan", **WHY)
        assert await faults(service) == []
    assert (done.verdict, record.verdict, record.reason) == ("wrong", "wrong", "there was time")


async def test_a_mark_that_is_taken_off_by_hand_is_found_and_sends_nothing(sqlite_url: str) -> None:
    with FakeReceiver() as receiver:
        async with serving(letters(break_glass=GLASS), sqlite_url, receiver.origin, people=PEOPLE) as service:
            run = await service.arun(Ask(), by="nils")
            await service.abreak_glass(run.waiting_for[0].id, by="dirk", **WHY)
            await tamper(service, "decisions", broke_glass=0)
            assert "decision" in str((await faults(service))[0])
            await service.aresume(run.id)
    assert receiver.received == []


async def test_rows_of_reviews_are_made_anew(sqlite_url: str) -> None:
    async with serving(letters(break_glass=GLASS), sqlite_url, NOWHERE, people=PEOPLE) as service:
        run = await service.arun(Ask(), by="nils")
        await service.abreak_glass(run.waiting_for[0].id, by="dirk", **WHY)
        before = await rows(service, "reviews")
        await tamper(service, "reviews", verdict="right", by="prs_me")
        made = await service.office.keeping.rebuild(by="alice", reason="somebody wrote in it")
        assert made.changed == (f"review {before[0]['id']}",)
        assert await rows(service, "reviews") == before


async def test_a_review_that_was_written_by_hand_is_found_and_lets_nobody_break_the_glass(store_url: str) -> None:
    clock = FakeClock()
    app = letters(break_glass=GLASS, within=3 * DAY)
    async with serving(app, store_url, NOWHERE, people=PEOPLE, clock=clock) as service:
        first, second = [(await service.arun(Ask(text=text), by="nils")).waiting_for[0].id for text in "ab"]
        await service.abreak_glass(first, by="dirk", **WHY)
        clock.advance(DAY)
        (review,) = await service.office.reviews()
        await tamper(service, "reviews", verdict="right", by=(await service.people.aall())[0].id, at=clock.now())
        with pytest.raises(NotEligible, match="overdue"):
            await service.abreak_glass(second, by="dan", **WHY)
        assert "its MAC is wrong" in str([one for one in await faults(service) if review.id in one.where])
        await service.office.keeping.rebuild(by="alice", reason="somebody wrote in it")
        await service.office.review(review.id, verdict="right", by="dora", reason="it was")
        assert await faults(service) == []
        await service.abreak_glass(second, by="dan", **WHY)


async def test_a_review_of_which_the_record_was_made_up_is_not_made_anew(store_url: str) -> None:
    """Whoever can write to the database appends a record of a review that nobody did, and the row to it."""
    async with serving(letters(break_glass=GLASS), store_url, NOWHERE, people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        await service.abreak_glass(request.id, by="dirk", **WHY)
        (due,) = await rows(service, "reviews")
        dora = next(one.id for one in await service.people.aall() if one.handle == "dora")
        done: dict[str, Any] = {"verdict": "right", "by": dora, "at": service.store.clock.now()}
        made_up = Reviewed(
            **done,
            **{name: due[name] for name in ("system", "run", "of", "decision", "approval")},
            review=due["id"],
            request=request.id,
            step="stp_none",
            reason="it was",
            due=due["due_at"],
        )
        await service.store.write(lambda tx: append(tx, made_up))
        await tamper(service, "reviews", **done)
        made = await service.office.keeping.rebuild(by="alice", reason="somebody wrote in it")
        assert made.not_made == (f"review {due['id']}",) and "its MAC is wrong" in str(await faults(service))


@pytest.mark.parametrize("asks", [{"requires": "token"}, {"requires": "signed"}, {"fresh": 60}])
async def test_we_are_as_sure_of_who_reviews_as_of_who_decides(store_url: str, asks: dict[str, Any]) -> None:
    async with serving(letters(break_glass=GLASS, **asks), store_url, NOWHERE, people=PEOPLE) as service:
        (request,) = (await service.arun(Ask(), by="nils")).waiting_for
        keys = {who: await key_of(service, who) for who in ("dirk", "dora")}
        signing = {who: Identity(handle=who, assurance="asserted-local", own=key) for who, key in keys.items()}
        await service.abreak_glass(request.id, by=signing["dirk"], **WHY)
        (review,) = await service.office.reviews()
        with pytest.raises(NotSureEnough):
            await service.office.review(review.id, verdict="right", by="dora", reason="it was")
        done = await service.office.review(review.id, verdict="right", by=signing["dora"], reason="it was")
        (record,) = await recorded(service, request.run, Reviewed)
        assert (done.verdict, record.assurance) == ("right", "signed") and record.signature is not None
        entries = await service.store.read(lambda tx: [*records_of(tx, ""), *records_of(tx, request.run)])
        bodies = {place: entry.record.model_dump_json().encode() for place, entry in enumerate(entries)}
        assert verifier.check_signatures(bodies) == (2, 0)
        for old, new in (('"verdict":"right"', '"verdict":"wrong"'), ('"reason":"it was"', '"reason":"no"')):
            changed = {place: body.replace(old.encode(), new.encode()) for place, body in bodies.items()}
            with pytest.raises(verifier.Unsound, match=r"is not signed by|are not those that were signed"):
                verifier.check_signatures(changed)


async def test_a_no_has_a_code(sqlite_url: str) -> None:
    async with serving(letters(), sqlite_url, NOWHERE) as service:
        run = await service.arun(Ask(), by="nils")
        with pytest.raises(InvalidInput, match="'whim' is none"):
            await service.areject(run.waiting_for[0].id, by="dora", reason="no", code="whim")
        made = await service.areject(run.waiting_for[0].id, by="dora", reason="no", code="unsafe")
        (decided,) = await recorded(service, run.id, Decided)
    assert isinstance(made, Decision)
    assert (made.code, decided.code) == ("unsafe", "unsafe")


@pytest.mark.parametrize(
    "glass",
    [
        BreakGlass(by="duty"),  # type: ignore[arg-type]  # what an untyped user may do
        BreakGlass(by=role("duty"), per_day=0),
        BreakGlass(by=role("duty"), at_most=-1),
        BreakGlass(by=role("duty"), at_most=10),  # and no option has a value
        "duty",
    ],
)
def test_glass_that_cannot_be_is_refused_where_it_is_declared(glass: Any) -> None:
    with pytest.raises(DeclarationError):
        letters(break_glass=glass)
