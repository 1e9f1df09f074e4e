"""Acts of an office: roles, delegations, stops, handovers, the exemption, runs that are cancelled."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy import select

from answerable.approvals.accepting.exemptions import all_accepted
from answerable.approvals.voting.delegations import all_delegations
from answerable.errors import AnswerableError, InvalidInput, NotEligible, UnknownId
from answerable.orchestrator.runs import find_run
from answerable.tracing.ledger.records.runs import ENDS
from answerable.tracing.people import all_people, authority
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.stops import freezes
from tests.authority.acting import in_order, people, places
from tests.authority.model import Person
from tests.authority.play import Play
from tests.authority.process import Died

TARGETS = (
    "system",
    "effect:post",
    "agent:plain",
    "agent:named",
    "agent:own",
    "agent:exempt",
    "agent:slow",
    "agent:dear",
    "agent:ruled",
    "agent:write",
)
ROLES = ("lead", "lead", "pharmacist", "duty")
_STANDING = Statement(select(freezes.c.id, freezes.c.target).where(freezes.c.state != "lifted"))


class Office(Play):
    """What people do to a system, whatever is asked just now."""

    @rule(who=people, roles=st.lists(st.sampled_from(ROLES), max_size=3), place=places)
    def give_roles(self, who: str, roles: list[str], place: int) -> None:
        self.model.people[who] = Person(set(roles), {"writers"} if place % 4 == 0 else set())
        person = self.model.people[who]
        assert self.act(self.service.people.aadd(who, roles=sorted(person.roles), teams=sorted(person.teams))) is None

    @rule(giver=people, taker=people, hours=st.sampled_from((1, 24)))
    def delegate(self, giver: str, taker: str, hours: int) -> None:
        work = self.service.people.adelegate(by=giver, to=taker, seconds=hours * 3600, reason="a break")
        error = self.act(work)
        if not isinstance(error, Died):
            assert type(error) is (InvalidInput if giver == taker else type(None)), error
        self.delegations_are(error, giver, taker)

    @precondition(lambda self: self.model.delegations)
    @rule(place=places)
    def end_a_delegation(self, place: int) -> None:
        id = self.pick(list(self.model.delegations), place)
        by = self.model.delegations[id][0]
        self.delegations_are(self.act(self.service.people.arevoke_delegation(id, by=by, reason="back")), by, ended=id)

    def delegations_are(self, error: AnswerableError | None, giver: str, taker: str = "", *, ended: str = "") -> None:
        """Which stand now: one more, or one less; or as before, if the process died."""
        names = {person.id: person.handle for person in self.read(all_people)}
        rows = [one for one in self.read(all_delegations) if one.ended_at is None]
        standing = {one.id: (names[one.giver], names[one.taker], one.until) for one in rows}
        fresh = [pair[:2] for id, pair in standing.items() if id not in self.model.delegations]
        gone = self.model.delegations.keys() - standing.keys()
        assert fresh in ([], [(giver, taker)]) and gone <= {ended}
        assert error is not None or fresh or gone
        self.model.delegations = in_order(self.model.delegations, standing)

    @rule(who=people, what=st.sampled_from(TARGETS))
    def freeze(self, who: str, what: str) -> None:
        self.stops(self.act(self.service.afreeze(what, by=who, reason="stop")), who, more=what)

    @precondition(lambda self: self.model.freezes)
    @rule(place=places, who=people)
    def thaw(self, place: int, who: str) -> None:
        for id in list(self.model.freezes)[: 1 + place % 3]:
            by = self.model.responsible if place % 2 else who  # whoever has the right to, or anybody
            error = self.act(self.service.athaw(id, by=by, reason="go on"))
            if by in (self.model.responsible, self.model.froze[id]):
                self.stops(error, less=id)
            elif not isinstance(error, Died):
                assert isinstance(error, NotEligible), error
                self.stops(None)

    def stops(self, error: AnswerableError | None, who: str = "", *, more: str = "", less: str = "") -> None:
        """What stands still now: one more (by `who`) or one less; or as before, if the process died, or may not."""
        standing = dict(self.read(lambda tx: tx.all(_STANDING)))
        before = self.model.freezes
        self.model.froze |= {id: who for id in standing if id not in before}
        if error is None or standing != before:
            fresh = {id: target for id, target in standing.items() if id not in before}
            assert list(fresh.values()) == ([more] if more else [])
            assert before.keys() - standing.keys() == ({less} if less else set())
        assert error is None or isinstance(error, Died), error
        self.model.freezes = in_order(before, standing)

    @rule(what=st.sampled_from(("hand over", "accept", "exempt", "cancel")), who=people, other=people, place=places)
    def office(self, what: str, who: str, other: str, place: int) -> None:
        right = place % 2 == 0  # whoever has the right to, or anybody
        if what == "hand over":
            self.hand_over(self.model.responsible if right else who, other)
        elif what == "accept":
            self.accept_handover(self.model.successor or who if right else who)
        elif what == "exempt":
            self.accept_exemption(self.model.responsible if right else who)
        else:
            self.cancel(place)

    def hand_over(self, giver: str, taker: str) -> None:
        error = self.act(self.service.ahandover(to=taker, by=giver, reason="holidays"))
        has, already = giver == self.model.responsible, giver == taker
        refused = InvalidInput if has and already else NotEligible
        self.answers_for(error, has and not already, (self.model.responsible, taker), refused)

    def accept_handover(self, who: str) -> None:
        error = self.act(self.service.aaccept_handover(by=who))
        self.answers_for(error, who == self.model.successor, (who, ""))

    def answers_for(
        self,
        error: AnswerableError | None,
        may: bool,
        then: tuple[str, str],
        refused: type[AnswerableError] = NotEligible,
    ) -> None:
        """Who answers now, and who was offered it."""
        before = (self.model.responsible, self.model.successor)
        if not isinstance(error, Died):
            assert type(error) is (type(None) if may else refused), error

        def look(tx: Tx) -> tuple[str, str]:
            names = {person.id: person.handle for person in all_people(tx)}
            found = authority(tx, "desk")
            return names[found.responsible], names.get(found.successor, "")

        found = self.read(look)
        assert found == then if error is None else found in ({before, then} if may else {before})
        self.model.responsible, self.model.successor = found

    def accept_exemption(self, who: str) -> None:
        error = self.act(self.service.aaccept_exemption("exempt", by=who))
        if not isinstance(error, Died):
            assert type(error) is (type(None) if who == self.model.responsible else NotEligible), error
        accepted = self.read(lambda tx: len(all_accepted(tx)) > 0)
        assert accepted or error is not None
        assert not accepted or self.model.accepted or who == self.model.responsible
        self.model.accepted = accepted

    def cancel(self, place: int) -> None:
        run = self.pick(list(self.begun), place)
        before = self.read(lambda tx: find_run(tx, run))
        error = self.act(self.service.acancel(run, by="alice", reason="enough"))
        status = after.status if (after := self.read(lambda tx: find_run(tx, run))) else ""
        if isinstance(error, UnknownId | InvalidInput):
            assert before is None or before.status in ENDS
        else:
            assert status == "cancelled" if error is None else isinstance(error, Died)
        if status == "cancelled":
            self.model.over.add(run)
