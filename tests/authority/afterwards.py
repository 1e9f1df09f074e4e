"""Acts beside the ordinary way: glass is broken, decisions are reviewed, requests escalate while somebody looks."""

from __future__ import annotations

from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy import bindparam, select

from answerable.approvals.deciding.reviews import get_review
from answerable.errors import AlreadyDecided, InvalidInput, NotEligible, NotOpen
from answerable.orchestrator.engine import advance_due
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.tables.runs import runs
from tests.authority.acting import people, places
from tests.authority.answering import Answering
from tests.authority.model import Asked
from tests.authority.process import PEOPLE, Died
from tests.reference.electing import Said

_DUE = Statement(select(runs.c.id).where(runs.c.wake_at <= bindparam("at"), runs.c.ended_at.is_(None)))


class Afterwards(Answering):
    """What may happen to a request that nobody decides, and to a decision that nobody was asked for."""

    @rule(place=places, who=people, right=st.booleans(), option=st.sampled_from(("as-proposed", "kinder", "nothing")))
    def break_the_glass(self, place: int, who: str, right: bool, option: str) -> None:
        kind = "slow" if place % 2 else "dear"
        request, asked = self.newest(kind) if place % 8 else self.asked(place)
        if place % 4 == 1 and any(one.of == "break-glass" and not one.verdict for one in self.model.reviews.values()):
            self.move(25 * 3600)  # nobody has looked at it
            self.begin("alice", kind, critical=True, worth=14)
            request, asked = self.newest(kind)
        elif place % 4 == 3 and (asked is None or not self.model.is_open(asked)):
            self.begin("alice", kind, critical=True, worth=14)
            request, asked = self.newest(kind)
        if asked is None:
            return
        on_duty = [who for who in PEOPLE if "duty" in self.model.people[who].roles]
        if right and on_duty and place % 16:
            who = on_duty[place % len(on_duty)]
        self.breaks(request, asked, who, option)

    @rule(place=places, worth=st.sampled_from((14, 15, 16)))
    def glass_is_broken_again_and_again(self, place: int, worth: int) -> None:
        """Twice at once, and a day later, when nobody has looked at it."""
        on_duty = [who for who in PEOPLE if "duty" in self.model.people[who].roles]
        for seconds in (0, 0, 25 * 3600):
            self.move(seconds)
            self.begin("alice", "slow" if place % 2 else "dear", critical=True, worth=worth)
            request, asked = self.newest("slow" if place % 2 else "dear")
            if asked is not None and on_duty:
                self.breaks(request, asked, on_duty[place % len(on_duty)], "as-proposed")

    def breaks(self, request: str, asked: Asked, who: str, option: str) -> None:
        self.trying, self.breaking = (request, "approved", Said(by=who, option=option)), True
        wanted = self.wanted_of_glass(asked, who, option)
        error = self.act(
            self.service.abreak_glass(request, option=option, by=who, code="urgent", reason="the dam breaks")
        )
        if not isinstance(error, Died):
            assert type(error) is wanted, f"{who} breaks the glass of {asked}: {error!r} instead of {wanted}"
        self.look(asked.run)
        assert error is not None or asked.outcome == "approved"
        self.trying, self.breaking = None, False

    def wanted_of_glass(self, asked: Asked, who: str, option: str) -> type:
        """The error that has to come; NoneType for none."""
        if asked.outcome or asked.forged:
            return AlreadyDecided
        if not self.model.is_open(asked):
            return NotOpen
        if option not in asked.bytes_of:
            return InvalidInput
        why_not = self.model.why_not_break(who, asked, option)
        self.seen[f"glass: {why_not or 'broken'}"] += 1
        return NotEligible if why_not else type(None)

    @precondition(lambda self: self.model.reviews)
    @rule(place=places, who=people, right=st.booleans(), verdict=st.sampled_from(("right", "wrong")))
    def review(self, place: int, who: str, right: bool, verdict: Literal["right", "wrong"]) -> None:
        due = [id for id, one in self.model.reviews.items() if not one.verdict]
        id = self.pick(due if due and place % 8 else list(self.model.reviews), place)
        known = self.model.reviews[id]
        able = [who for who in PEOPLE if self.model.may_review(who, known)]
        if right and able:
            who = able[place % len(able)]
        wanted = NotEligible if who not in able else NotOpen if known.verdict else type(None)
        error = self.act(self.service.office.review(id, verdict=verdict, by=who, reason="looked at"))
        assert isinstance(error, Died) or type(error) is wanted, f"{who} on {known}: {error!r} instead of {wanted}"
        found = self.read(lambda tx: get_review(tx, id))
        if found.verdict != known.verdict:
            assert wanted is type(None) and found.verdict == verdict
            known.verdict = verdict
            self.seen[f"reviewed: {known.of}"] += 1
        assert error is not None or known.verdict == verdict

    @rule()
    def somebody_looks(self) -> None:
        """Whoever looks sees what is escalated by now, whether a worker was there or not."""
        error = self.act(self.service.office.escalate_due())
        assert error is None or isinstance(error, Died), error
        if error is None:
            for run in {one.run for one in self.model.requests.values() if self.model.is_due(one) > one.stage}:
                self.look(run)
            self.all_is_escalated(set(self.begun))

    @rule()
    def a_timer_fires(self) -> None:
        """The engine takes up what wanted to be woken by now, in whichever process."""
        self.carrier.mood = "answers"
        rested = set(self.rested)
        due = self.read(lambda tx: tx.all(_DUE, at=self.model.now))
        error = self.act(self.take_up())
        assert error is None or isinstance(error, Died), error
        for (run,) in due:
            self.look(run)
        if error is None:
            self.seen["timers"] += len(due)
            self.all_is_escalated(rested)
            for one in self.model.requests.values():
                held = self.model.frozen("system", f"agent:{one.approval}") or one.run in self.model.over
                decided = one.outcome or one.forged or one.run not in rested or held
                assert decided or self.model.now < one.expires_at, "the timer did not deny it"

    @rule(who=people, minutes=st.sampled_from((31, 121, 241)))
    def nobody_looks(self, who: str, minutes: int) -> None:
        """A request waits, and nobody touches it until its timer fires."""
        self.begin(who, "slow", critical=True, worth=9)
        self.move(minutes * 60)
        self.a_timer_fires()

    async def take_up(self) -> None:
        """Everything that is due, some runs at a time; a play has some hundred."""
        for _ in range(100):
            if await advance_due(self.service.runtime) == 0:
                return
        raise AssertionError("something wants to be woken again and again")

    def all_is_escalated(self, runs: set[str]) -> None:
        """What is open in these runs and has waited long enough asks others as well."""
        for asked in self.model.requests.values():
            if asked.run in runs and self.model.is_open(asked):
                assert asked.stage >= self.model.is_due(asked), f"not escalated: {asked}"
