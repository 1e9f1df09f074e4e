"""Breaking the glass: one person of its own role, alone, with a reason, under lower caps, and reviewed."""

from __future__ import annotations

from typing import Any

import pytest

from answerable.agents.options import DAY
from answerable.agents.people import role
from answerable.approvals.deciding.decisions import Decision
from answerable.approvals.deciding.reviews import BREAK_GLASS_SECONDS
from answerable.approvals.forgeries import faults_of_tables
from answerable.approvals.node import BreakGlass
from answerable.errors import DeclarationError, InvalidInput, NotEligible, NotOpen, UnknownId
from answerable.testing import FakeClock, FakeReceiver
from answerable.tracing.ledger.afterwards import Reviewed
from answerable.tracing.ledger.records import Decided
from tests.orchestrator.letters import Ask, Letter, Receipt, letters, recorded, rows, serving, tamper

pytestmark = pytest.mark.anyio

GLASS = BreakGlass(by=role("duty"), per_day=2)
WHY: dict[str, Any] = {"code": "urgent", "reason": "the dam breaks"}
PEOPLE = {"dirk": "duty", "dan": "duty", "rita": "reader"}
NOWHERE = "http://127.0.0.1:9"


async def faults(service: Any) -> list[Any]:
    """What the rows of a store do not say as its records do."""
    found: list[Any] = await service.store.read(lambda tx: list(faults_of_tables(tx, service.runtime.worker.key)))
    return found


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
        made = await service.office.rebuild(by="alice", reason="somebody wrote in it")
        assert made.changed == (f"review {before[0]['id']}",)
        assert await rows(service, "reviews") == before


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
