"""The office: what people do to a store, and see of it, without the app of any system.

1. Deciding, freezing, handing over, cancelling need only the store and its key, so they work where the app is not
   installed, and while its workers are down. A run takes a decision up when a service of its app resumes it.
2. Each act is one durable transaction of a named person.
3. Whatever text a person gives is checked here (`agents/texts.py`), before anything is begun.
4. A `Service` does these things through its office; nothing of it is written twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

from answerable.agents.texts import check_handle, check_text
from answerable.approvals.accepting.accepting import accept_rules, decline_rules
from answerable.approvals.accepting.exemptions import accept_exemption
from answerable.approvals.accepting.standing import Standing, standings
from answerable.approvals.asking.requests import all_requests, get_request, open_requests
from answerable.approvals.deciding.answering import Once, answer_request, answered_before
from answerable.approvals.deciding.answers import Answer, Given
from answerable.approvals.deciding.escalating import due_escalations, escalate_due
from answerable.approvals.deciding.reasons import check_reason
from answerable.approvals.deciding.reviewing import do_review
from answerable.approvals.deciding.reviews import Review, Verdict, all_reviews
from answerable.approvals.lifting import check_may_lift
from answerable.approvals.node import Approval
from answerable.approvals.revoking import Revoked, revoke
from answerable.approvals.sealing.keys import Key, open_key
from answerable.approvals.who.credentials import check_standing
from answerable.approvals.who.identity import By, Identity, identified
from answerable.approvals.who.signatures import Signed
from answerable.errors import AlreadyDecided, StoreReadOnly
from answerable.orchestrator import interventions
from answerable.orchestrator.desks.keeping import KeepingDesk
from answerable.orchestrator.desks.people import PeopleDesk
from answerable.orchestrator.desks.rules import RuleDesk
from answerable.orchestrator.reports import OpenRequest, request_report
from answerable.tracing import freezes, people
from answerable.tracing.clock import Clock
from answerable.tracing.failpoints import failpoint
from answerable.tracing.freezes import Freeze
from answerable.tracing.ledger.checkpointing import Checkpointing
from answerable.tracing.storage.store import Store, Tx, open_store

T = TypeVar("T")


class Office:
    """A store and its key, with its desks: `rules`, `people`, `keeping`. `committed` is called after each act.

    `budget` is how often one person decides here in a day before they have to say why; 0: as often as they like.
    """

    def __init__(self, store: Store, key: Key, *, committed: Callable[[], None] = lambda: None) -> None:
        self.budget = 0
        self.store = store
        self.key = key
        self.committed = committed
        self.rules = RuleDesk(self)
        self.people = PeopleDesk(self)
        self.keeping = KeepingDesk(self)

    async def act_as(self, by: By, reason: str, work: Callable[[Tx, int], T]) -> T:
        """Run a durable transaction of the person `by`, who says why.

        Raises: InvalidInput if either is no text; NotAuthenticated if what they showed does not stand any more.
        """
        who = identified(by)
        check_text("the reason", reason, required=True)
        return await self.act(work, who=who)

    async def act(self, work: Callable[[Tx, int], T], *, who: Identity | None = None) -> T:
        """Run a durable transaction of a named person; `work` is given the time. Raises: NotAuthenticated."""
        clock = self.store.clock

        def named(tx: Tx) -> T:
            now = clock.now()
            if who is not None:
                check_standing(tx, self.key, who, at=now)
                tx.assurance = who.assurance
            result = work(tx, now)
            failpoint("intervention:before-commit")
            return result

        result = await self.store.write(named, durable=True)
        failpoint("intervention:after-commit")
        self.committed()
        return result

    # -- requests and decisions ---------------------------------------------------------------------------------------

    async def escalate_due(self) -> None:
        """Escalate what is due, before somebody looks. A store that is read only is left as it is."""
        now = self.store.clock.now()
        if await self.store.read(lambda tx: due_escalations(tx, at=now)):
            with suppress(StoreReadOnly):
                await self.act(lambda tx, at: escalate_due(tx, self.key, at=at))

    async def requests(self, *, open_only: bool = True) -> list[OpenRequest]:
        """Requests, the soonest deadline first; or all, oldest first."""
        await self.escalate_due()
        read = open_requests if open_only else all_requests
        return await self.store.read(lambda tx: [request_report(tx, row) for row in read(tx)])

    async def request(self, request: str) -> OpenRequest:
        """One request. Raises: UnknownId."""
        await self.escalate_due()
        return await self.store.read(lambda tx: request_report(tx, get_request(tx, request)))

    async def approve(self, request: str, *, option: str, by: By, reason: str = "", for_person: str = "") -> Given:
        """Choose an option: the decision, or a vote that waits for others; `for_person` is whose delegate acts, if any.

        Raises: NotEligible, AlreadyDecided, NotOpen, InvalidInput, UnknownId.
        """
        answer = Answer(outcome="approved", option=option, reason=reason, for_person=for_person)
        return await self.decide(request, answer, by=by)

    async def break_glass(self, request: str, *, option: str, by: By, code: str, reason: str) -> Given:
        """Choose an option alone, in an emergency, as somebody who may break the glass. It is reviewed.

        Raises: NotEligible, AlreadyDecided, NotOpen, InvalidInput, UnknownId.
        """
        answer = Answer(outcome="approved", option=option, reason=reason, code=code, break_glass=True)
        return await self.decide(request, answer, by=by)

    async def reject(self, request: str, *, by: By, reason: str, code: str = "", for_person: str = "") -> Given:
        """Say no: the decision, or a vote where it takes several noes.

        Raises: NotEligible, AlreadyDecided, NotOpen, InvalidInput, UnknownId.
        """
        answer = Answer(outcome="rejected", reason=reason, code=code, for_person=for_person)
        return await self.decide(request, answer, by=by)

    async def decide(self, request: str, answer: Answer, *, by: By, seen: str = "", once: Once | None = None) -> Given:
        """Answer a request: the one with the digest `seen`, if that is given; `once` makes repeating it harmless.

        Raises: NotEligible, AlreadyDecided, NotOpen, NotAsShown, InvalidInput, UnknownId, NotAuthenticated.
        """
        who, answer = identified(by), replace(answer, budget=self.budget)
        check_text("the option", answer.option, lines=False)
        if answer.for_person:
            check_handle(answer.for_person)
        check_text("the reason" if answer.outcome != "answered" else "the text", answer.reason)

        def work(tx: Tx, now: int) -> Given:
            given, _ = answer_request(tx, self.key, request, answer, who=who, at=now, seen=seen, once=once)
            failpoint("decision:before-commit")
            return given

        try:
            given = await self.act(work)
        except AlreadyDecided:  # by the same answer, sent twice at once?
            now = self.store.clock.now()
            earlier = await self.store.read(
                lambda tx: answered_before(tx, self.key, request, who=who, once=once, at=now)
            )
            if earlier is None:
                raise
            return earlier
        failpoint("decision:after-commit")
        return given

    async def revoke(self, decision: str, *, code: str, by: By, reason: str) -> Revoked:
        """Make void what a decision released and was not sent.

        Raises: InvalidInput, UnknownId, NotEligible, NotOpen, NotAuthenticated.
        """
        who, why = identified(by), check_reason(code, reason, what="taking a decision back")
        return await self.act_as(
            who, reason, lambda tx, now: revoke(tx, self.key, decision, by=who.handle, reason=why, at=now)
        )

    async def reviews(self, *, due_only: bool = True) -> list[Review]:
        """What is to be reviewed, the soonest first; or all reviews, the newest first; at most 500."""
        return await self.store.read(lambda tx: all_reviews(tx, due_only=due_only))

    async def review(
        self, review: str, *, verdict: Verdict, by: By, reason: str, signed: Signed | None = None
    ) -> Review:
        """Say whether a decision was right; `signed` is the person's own signature of that.

        Raises: UnknownId, InvalidInput, NotEligible, NotSureEnough, NotAuthenticated, NotOpen, StoreCorrupt.
        """
        who = identified(by)

        def work(tx: Tx, now: int) -> Review:
            return do_review(tx, self.key, review, who=who, verdict=verdict, reason=reason, signed=signed, at=now)

        return await self.act_as(who, reason, work)

    async def accept_exemption(self, system: str, approval: Approval[Any], *, by: By, seen: str = "") -> None:
        """The RI lets the exemption of an approval, in its present version, be used; the one that was `seen`, if given.

        Raises: InvalidInput if it declares none; NotEligible, NotSureEnough, NotAuthenticated, NotAsShown, UnknownId.
        """
        who, key = identified(by), self.key
        await self.act(lambda tx, now: accept_exemption(tx, key, system, approval, who=who, seen=seen, at=now), who=who)

    async def approvals(self) -> list[Standing]:
        """The approvals of this store's systems: by which rules each asks, and which are proposed."""
        found = await self.store.read(lambda tx: standings(tx, self.key))
        return [found[place] for place in sorted(found)]

    async def accept_approval(self, system: str, approval: str, *, by: By, digest: str = "") -> Standing:
        """The RI puts the rules of deciding in force that are proposed for an approval; of several, those of `digest`.

        Raises: NotEligible, NotSureEnough, InvalidInput, NotAsShown, UnknownId, NotAuthenticated.
        """
        who = identified(by)
        check_text("the digest", digest, lines=False)
        return await self.act(
            lambda tx, now: accept_rules(tx, self.key, system, approval, who=who, digest=digest, at=now), who=who
        )

    async def decline_approval(self, system: str, approval: str, *, by: By, reason: str, digest: str = "") -> Standing:
        """The RI declines the rules of deciding that are proposed for an approval; of several, those of `digest`.

        Raises: NotEligible, InvalidInput, NotAsShown, AlreadyDecided, UnknownId, NotAuthenticated.
        """
        who, key = identified(by), self.key
        check_text("the digest", digest, lines=False)

        def work(tx: Tx, now: int) -> Standing:
            return decline_rules(tx, key, system, approval, who=who, reason=reason, digest=digest, at=now)

        return await self.act_as(who, reason, work)

    # -- stops, runs and handovers ------------------------------------------------------------------------------------

    async def freeze(self, system: str, target: str, *, by: By, reason: str) -> Freeze:
        """Stop new steps and sends of a target; whether the app has it is not known here.

        Raises: InvalidInput, UnknownId, NotAuthenticated.
        """
        who = identified(by)
        return await self.act_as(
            who, reason, lambda tx, now: freezes.freeze(tx, system, target, by=who.handle, reason=reason, at=now)
        )

    async def freeze_state(self, freeze: str) -> Freeze:
        """A freeze as it stands: committed, quiesced or lifted, and the calls that it still waits for."""
        return await self.act(lambda tx, now: freezes.freeze_state(tx, freeze, at=now))

    async def systems(self) -> list[str]:
        """The names of the systems that were connected to the store."""
        return await self.store.read(people.all_systems)

    async def freezes(self, system: str) -> list[Freeze]:
        """The freezes of a system that were not lifted."""
        return await self.act(lambda tx, now: freezes.standing_freezes(tx, system, at=now))

    async def thaw(self, freeze: str, *, by: By, reason: str) -> None:
        """Lift a freeze. Raises: UnknownId, InvalidInput, NotAuthenticated, NotEligible."""
        who = identified(by)

        def work(tx: Tx, now: int) -> None:
            found, person = freezes.freeze_state(tx, freeze, at=now), people.get_person(tx, who.handle)
            check_may_lift(tx, self.key, found, person, at=now)
            freezes.thaw(tx, freeze, by=who.handle, reason=reason, at=now)

        await self.act_as(who, reason, work)

    async def cancel(self, run: str, *, by: By, reason: str) -> None:
        """End a run: nothing of it is begun or sent any more. Raises: UnknownId, InvalidInput if it is over."""
        who = identified(by)
        await self.act_as(
            who, reason, lambda tx, now: interventions.cancel(tx, run, by=who.handle, reason=reason, at=now)
        )

    async def handover(self, system: str, *, to: str, by: By, reason: str) -> None:
        """The RI offers a system; nothing is sent until the successor accepts. Raises: NotEligible, UnknownId."""
        check_handle(to)
        who = identified(by)
        await self.act_as(
            who, reason, lambda tx, now: people.offer_handover(tx, system, to=to, by=who.handle, reason=reason, at=now)
        )

    async def accept_handover(self, system: str, *, by: By) -> None:
        """The successor answers for a system from here on. Raises: NotEligible, UnknownId."""
        who = identified(by)
        await self.act(lambda tx, now: people.accept_handover(tx, system, by=who.handle, at=now), who=who)


@asynccontextmanager
async def open_office(url: str, *, clock: Clock | None = None) -> AsyncIterator[Office]:
    """The office of the store at `url`; what was done there is signed and anchored. Raises: StoreError."""
    store = open_store(url, clock=clock)
    try:
        checkpointing = Checkpointing(store)
        yield Office(store, await open_key(store), committed=checkpointing.nudge)
        await checkpointing.finish()
    finally:
        store.close()
