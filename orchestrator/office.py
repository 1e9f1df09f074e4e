"""The office: what people do to a store, and see of it, without the app of any system.

1. Deciding, freezing, handing over, cancelling need only the store and its key, so they work where the app is not
   installed, and while its workers are down. A run takes a decision up when a service of its app resumes it.
2. Each act is one durable transaction of a named person.
3. Whatever text a person gives is checked here (`agents/texts.py`), before anything is begun.
4. A `Service` does these things through its office; nothing of it is written twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final, Literal, TypeAlias, TypeVar

from answerable.agents.texts import check_handle, check_names, check_text, like
from answerable.approvals.accepting.accepting import Standing, accept_rules, standings
from answerable.approvals.accepting.exemptions import accept_exemption
from answerable.approvals.asking.requests import all_requests, get_request, open_requests
from answerable.approvals.deciding.answering import Once, answer_request, answered_before
from answerable.approvals.deciding.deciding import Answer, Given
from answerable.approvals.deciding.decisions import get_decision
from answerable.approvals.deciding.escalating import due_escalations, escalate_due
from answerable.approvals.deciding.reasons import check_reason
from answerable.approvals.deciding.reviewing import do_review
from answerable.approvals.deciding.reviews import Review, Verdict, all_reviews
from answerable.approvals.node import Approval
from answerable.approvals.revoking import Revoked, revoke
from answerable.approvals.sealing.keys import Key, open_key
from answerable.approvals.voting.delegations import Delegation, all_delegations, delegate, revoke_delegation
from answerable.approvals.who import bindings
from answerable.approvals.who.credentials import Credential, check_standing, credentials_of_kind
from answerable.approvals.who.identity import By, Identity, identified
from answerable.approvals.who.signatures import PersonKey, Signed, person_keys, register_key, revoke_key
from answerable.approvals.who.tokens import make_token, revoke_token
from answerable.errors import AlreadyDecided, InvalidInput, StoreReadOnly, UnknownId
from answerable.orchestrator import interventions
from answerable.orchestrator.erasing import ErasedPerson, erase_person
from answerable.orchestrator.rebuilding import Rebuilt, rebuild
from answerable.orchestrator.reports import OpenRequest, request_report
from answerable.orchestrator.restoring import Restored, restored
from answerable.orchestrator.rule_desk import RuleDesk
from answerable.tracing import freezes, people
from answerable.tracing.clock import Clock, micros
from answerable.tracing.evidence.keeping.erasing import (
    ErasedPayloads,
    Pruned,
    erase_message,
    erase_run,
    erase_subject,
    prune,
)
from answerable.tracing.evidence.keeping.holds import Hold, lift_hold, place_hold
from answerable.tracing.failpoints import failpoint
from answerable.tracing.freezes import Freeze
from answerable.tracing.ledger.checkpointing import Checkpointing
from answerable.tracing.ledger.signing import SigningKeys, replace_key
from answerable.tracing.people import PersonRow
from answerable.tracing.storage.store import Store, Tx, open_store

T = TypeVar("T")
Erasable: TypeAlias = Literal["message", "run", "subject"]

RUNS_AT_ONCE: Final = 50  # that one transaction prunes


class Office:
    """A store and its key. `committed` is called after each act.

    `budget` is how often one person decides here in a day before they have to say why; 0: as often as they like.
    """

    def __init__(self, store: Store, key: Key, *, committed: Callable[[], None] = lambda: None) -> None:
        self.budget = 0
        self.store = store
        self.key = key
        self.committed = committed
        self.rules = RuleDesk(self)

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

    async def reviews_with_requests(self) -> list[tuple[Review, str]]:
        """What is to be reviewed, the soonest first, each with the request that was decided."""

        def read(tx: Tx) -> list[tuple[Review, str]]:
            found = [(one, get_decision(tx, one.decision)) for one in all_reviews(tx, due_only=True)]
            return [(one, made.request if made else "") for one, made in found]

        return await self.store.read(read)

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

    async def accept_exemption(self, system: str, approval: Approval[Any], *, by: By) -> None:
        """The RI lets the exemption of an approval, in its present version, be used.

        Raises: InvalidInput if it declares none; NotEligible, UnknownId.
        """
        who = identified(by)
        await self.act(lambda tx, now: accept_exemption(tx, self.key, system, approval, by=who.handle, at=now), who=who)

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
        await self.act_as(who, reason, lambda tx, now: freezes.thaw(tx, freeze, by=who.handle, reason=reason, at=now))

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

    async def restored(self, *, by: By) -> Restored:
        """Note that this store is a restored backup. Raises: UnknownId."""
        who = identified(by)
        return await self.act(lambda tx, now: restored(tx, by=who.handle, at=now), who=who)

    async def rebuild(self, *, by: By, reason: str) -> Rebuilt:
        """Make the tables say what the records say. Raises: UnknownId, RunBusy, StoreCorrupt."""
        return await self._keep(by, reason, lambda tx, who, now: rebuild(tx, self.key, by=who, reason=reason, at=now))

    async def replace_signing_key(self, *, by: By, reason: str) -> SigningKeys:
        """Have another key sign the ledger's checkpoints. Raises: UnknownId, InvalidInput, StoreError."""
        who = identified(by)
        check_text("the reason", reason, required=True)

        def acting(tx: Tx) -> str:
            check_standing(tx, self.key, who, at=self.store.clock.now(), lock=False)
            return people.get_person(tx, who.handle).id

        keys = await replace_key(self.store, by=await self.store.read(acting), reason=reason, assurance=who.assurance)
        self.committed()
        return keys

    # -- what is kept -------------------------------------------------------------------------------------------------

    async def place_hold(self, covers: str, of: str, *, by: By, reason: str) -> Hold:
        """Put a run, a system or a subject under legal hold. Raises: InvalidInput, UnknownId."""
        return await self._keep(
            by, reason, lambda tx, who, now: place_hold(tx, covers, of, by=who, reason=reason, at=now)
        )

    async def lift_hold(self, hold: str, *, by: By, reason: str) -> Hold:
        """Lift a legal hold. Raises: InvalidInput, UnknownId."""
        return await self._keep(by, reason, lambda tx, who, now: lift_hold(tx, hold, by=who, reason=reason, at=now))

    async def erase_person(self, handle: str, *, by: By, reason: str) -> ErasedPerson:
        """Remove a person's handle, name, contact and words. Raises: UnknownId, NotErasable, StoreCorrupt."""
        check_handle(handle)
        return await self._keep(
            by, reason, lambda tx, who, now: erase_person(tx, self.key, handle, by=who, reason=reason, at=now)
        )

    async def erase_payloads(self, what: Erasable, id: str, *, by: By, reason: str) -> list[ErasedPayloads]:
        """Remove payloads: of a message, a run, or all that is about a subject. Raises: UnknownId, NotErasable."""

        def work(tx: Tx, who: str, now: int) -> list[ErasedPayloads]:
            acting: dict[str, Any] = {"by": people.get_person(tx, who).id, "reason": reason, "at": now}
            if what == "subject":
                return erase_subject(tx, id, **acting)
            return [(erase_message if what == "message" else erase_run)(tx, id, **acting)]

        return await self._keep(by, reason, work)

    async def prune(self, before: int, *, by: By, reason: str) -> tuple[list[str], dict[str, str]]:
        """Remove payloads and work rows of runs that ended before a time (microseconds); which, and which not and why.

        Each transaction takes some runs. Raises: UnknownId; NotErasable if that is younger than the retention.
        """
        done: list[str] = []
        skipped: dict[str, str] = {}
        after = ""
        while True:

            def work(tx: Tx, who: str, now: int, after: str = after) -> Pruned:
                person = people.get_person(tx, who).id
                return prune(tx, before=before, after=after, at_most=RUNS_AT_ONCE, by=person, reason=reason, at=now)

            found = await self._keep(by, reason, work)
            done += found.runs
            skipped |= found.skipped
            after = found.goes_on
            if not after:
                return done, skipped

    async def _keep(self, by: By, reason: str, work: Callable[[Tx, str, int], T]) -> T:
        who = identified(by).handle
        return await self.act_as(by, reason, lambda tx, now: work(tx, who, now))

    # -- people -------------------------------------------------------------------------------------------------------

    async def unknown_roles(self, roles: Iterable[str]) -> dict[str, str]:
        """Those of the roles that no approval asks here, each with what may have been meant.

        None, where no approval is known: a role may be given before its system is first connected.
        """
        known = {role for one in await self.approvals() for role in one.roles}
        return {role: like(role, known) for role in roles if known and role not in known}

    async def add_person(
        self, handle: str, *, name: str = "", contact: str = "", roles: Iterable[str] = (), teams: Iterable[str] = ()
    ) -> PersonRow:
        """Register a person, or give a registered one other roles and teams. Raises: InvalidInput."""
        check_handle(handle)
        check_text("the name", name, lines=False)
        check_text("the contact", contact)
        has_roles, has_teams, now = check_names("roles", roles), check_names("teams", teams), self.store.clock.now()
        return await self.store.write(
            lambda tx: people.add_person(
                tx, handle, at=now, name=name, contact=contact, roles=has_roles, teams=has_teams
            ),
            durable=True,
        )

    async def people(self) -> list[PersonRow]:
        """Everybody, by handle."""
        return await self.store.read(people.all_people)

    async def delegate(
        self, *, by: By, to: str, seconds: float, system: str = "", approval: str = "", reason: str
    ) -> Delegation:
        """The person `by` lets `to` decide in their place: everywhere, in a system, or at one approval of it.

        Raises: UnknownId, InvalidInput, NotAuthenticated.
        """
        who, where = identified(by), {"system": system, "approval": approval}
        check_handle(to)
        if not isinstance(seconds, int | float):
            raise InvalidInput(f"{seconds!r} is no time in seconds", hint="8 * HOUR")

        def work(tx: Tx, now: int) -> Delegation:
            until = now + micros(seconds)
            known = {one for of, one in standings(tx, self.key) if of == system}
            if approval and known and approval not in known:
                raise UnknownId(f"{system!r} has no approval {approval!r}", hint=like(approval, known))
            return delegate(tx, self.key, by=who.handle, to=to, until=until, reason=reason, at=now, **where)

        return await self.act_as(who, reason, work)

    async def delegations(self) -> list[Delegation]:
        """Every delegation that was made, oldest first."""
        return await self.store.read(all_delegations)

    async def revoke_delegation(self, delegation: str, *, by: By, reason: str) -> Delegation:
        """End a delegation at once. Raises: UnknownId, NotEligible, InvalidInput, NotAuthenticated."""
        return await self._keep(
            by, reason, lambda tx, who, now: revoke_delegation(tx, self.key, delegation, by=who, reason=reason, at=now)
        )

    async def make_token(self, person: str, *, seconds: float, note: str = "") -> tuple[Credential, str]:
        """A bearer token for a registered person, and its secret, which is kept nowhere.

        Raises: UnknownId, InvalidInput.
        """
        check_handle(person)
        check_text("the note", note, lines=False)
        return await self.act(
            lambda tx, now: make_token(tx, self.key, person, note=note, expires_at=now + micros(seconds), at=now)
        )

    async def tokens(self) -> list[Credential]:
        """All tokens that were made, oldest first; never their secrets."""
        return await self.store.read(lambda tx: credentials_of_kind(tx, "token"))

    async def bind(self, person: str, *, issuer: str, subject: str) -> Credential:
        """Have a login at an OpenID provider be this person. Raises: UnknownId, InvalidInput."""
        check_handle(person)
        check_text("the issuer", issuer, required=True, lines=False)
        check_text("the subject", subject, required=True, lines=False)
        return await self.act(
            lambda tx, now: bindings.bind(tx, self.key, person, issuer=issuer, subject=subject, at=now)
        )

    async def register_key(self, by: By, *, public: str, proof: str, proved_at: int) -> PersonKey:
        """Have a key be the person's own. Raises: UnknownId, InvalidInput, NotAuthenticated."""
        who = identified(by)
        return await self.act(
            lambda tx, now: register_key(
                tx, self.key, who.handle, public=public, proof=proof, proved_at=proved_at, at=now
            ),
            who=who,
        )

    async def keys(self) -> list[PersonKey]:
        """The keys that persons sign with, oldest first."""
        return await self.store.read(lambda tx: person_keys(tx, self.key))

    async def revoke_key(self, key: str, *, by: By, reason: str) -> PersonKey:
        """Have a key sign nothing new. Raises: UnknownId, InvalidInput, NotEligible."""
        return await self._keep(
            by, reason, lambda tx, who, now: revoke_key(tx, self.key, key, by=who, reason=reason, at=now)
        )

    async def bindings(self) -> list[Credential]:
        """All logins that were bound to somebody, oldest first."""
        return await self.store.read(lambda tx: credentials_of_kind(tx, "binding"))

    async def unbind(self, binding: str) -> Credential:
        """End a binding, and the sessions that it opened. Raises: UnknownId, InvalidInput."""
        return await self.act(lambda tx, now: bindings.unbind(tx, binding, at=now))

    async def revoke_token(self, token: str) -> Credential:
        """End a token at once. Raises: UnknownId, InvalidInput."""
        return await self.act(lambda tx, now: revoke_token(tx, token, at=now))


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
