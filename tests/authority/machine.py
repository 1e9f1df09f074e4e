"""The machine: persons act in any order, time passes and jumps, processes die; after each act the model agrees.

Each act is tried against the model's word: what it allows has to happen, what it forbids has to be refused, and with
the right reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from sqlalchemy import select

from answerable.approvals.asking.requests import get_request
from answerable.approvals.deciding.exemptions import all_accepted
from answerable.approvals.voting.delegations import all_delegations, in_force
from answerable.errors import (
    AlreadyDecided,
    AnswerableError,
    InvalidInput,
    NotEligible,
    NotOpen,
    RunBusy,
    StoreCorrupt,
    UnknownId,
)
from answerable.orchestrator.runs import ENDS, find_run
from answerable.tracing import failpoints
from answerable.tracing.failpoints import NAMES
from answerable.tracing.people import all_people, authority
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables import freezes
from tests.authority.desk import KINDS, STOCK, Ask
from tests.authority.forging import forge_decision, lengthen_grant
from tests.authority.model import Asked, Person
from tests.authority.play import Play, eligible
from tests.authority.process import PEOPLE, Died
from tests.reference.electing import Said

TARGETS = ("system", "effect:post", "agent:plain", "agent:named", "agent:own", "agent:exempt", "agent:write")
MINUTE = 60
SPANS = (1, MINUTE, MINUTE, 30 * MINUTE, 30 * MINUTE, 2 * 3600, 5 * 3600, 25 * 3600, -MINUTE, -MINUTE, -3 * 3600)
DEATHS = tuple(name for name in NAMES if not name.startswith(("connect:", "run:", "gather:", "doubt:", "anew:")))
_STANDING = Statement(select(freezes.c.id, freezes.c.target).where(freezes.c.state != "lifted"))


T = TypeVar("T")
people = st.sampled_from(PEOPLE)
places = st.integers(0, 63)
moods = st.sampled_from(("answers", "answers", "answers", "hangs-up", "fails"))


def in_order(before: Mapping[str, T], now: Mapping[str, T]) -> dict[str, T]:
    """The same in the order in which they came to be: their ids are drawn by lot, and a play has to repeat itself."""
    return {id: now[id] for id in (*before, *(now.keys() - before.keys())) if id in now}


class Authority(Play):
    """What may happen, in any order."""

    # -- runs ---------------------------------------------------------------------------------------------------------

    @initialize(who=people, kind=st.sampled_from(KINDS))
    def something_waits(self, who: str, kind: str) -> None:
        self.begin(who, kind, critical=True)

    @rule(who=people, kind=st.sampled_from(KINDS), critical=st.booleans())
    def begin(self, who: str, kind: str, critical: bool) -> None:
        run = f"run-{len(self.begun)}"
        ask = Ask(kind=kind, critical=critical)
        self.begun[run] = (who, ask)
        error = self.act(self.service.arun(ask, by=who, run_id=run))
        assert error is None or isinstance(error, Died), error
        self.look(run)

    @rule(place=places, mood=moods)
    def resume(self, place: int, mood: str) -> None:
        self.go_on(self.pick(list(self.begun), place), mood)

    def go_on(self, run: str, mood: str) -> None:
        """Somebody's worker goes on with a run; the receiver is in some mood."""
        self.carrier.mood = mood
        row = self.read(lambda tx: find_run(tx, run))
        error = self.act(self.service.aresume(run))
        if isinstance(error, UnknownId):
            assert row is None
        elif isinstance(error, RunBusy):
            assert row.lease_owner and row.lease_until >= self.model.now
        else:
            assert error is None or isinstance(error, Died), error
            self.look(run, whole=error is None)

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

    # -- decisions ----------------------------------------------------------------------------------------------------

    @rule(place=places, who=people, option=st.sampled_from(("as-proposed", "as-proposed", "kinder", "", "nothing")))
    def answer(self, place: int, who: str, option: str) -> None:
        self.says(place, Said(by=who, option=option))

    @rule(place=places, option=st.sampled_from(("as-proposed", "kinder", "")), whom=people, who=people)
    def answer_for_somebody(self, place: int, option: str, whom: str, who: str) -> None:
        standing = [pair[:2] for pair in self.model.delegations.values()][-3:]
        if standing and place % 4:
            whom, who = standing[place % len(standing)]
        if whom != who:
            self.says(place, Said(by=who, for_person=whom, option=option))

    def says(self, place: int, said: Said) -> None:
        request, asked = self.asked(place)
        if asked is None:
            return
        self.trying = (request, "approved" if said.option else "rejected", said)
        by = {"by": said.by, "for_person": said.for_person or said.by}
        if said.option:
            error = self.act(self.service.aapprove(request, option=said.option, **by))
        else:
            error = self.act(self.service.areject(request, reason="no", **by))
        self.answered(request, asked, error)

    def yes(self, place: int, option: str, mood: str) -> None:
        """Somebody who may says yes; mostly, a worker goes on with it."""
        waiting = [id for id, asked in self.model.requests.items() if self.model.is_open(asked)]
        request = self.pick(waiting, place) if waiting else ""
        asked = self.model.requests.get(request)
        if asked is None:
            return
        option = option if option in asked.bytes_of else "as-proposed"
        able = [who for who in PEOPLE if self.model.may(who, asked, option)]
        able = [who for who in able if not self.model.counts(asked, Said(by=who, option=option))]
        if not able:
            return
        who = able[place % len(able)]
        self.trying = (request, "approved", Said(by=who, option=option))
        self.answered(request, asked, self.act(self.service.aapprove(request, option=option, by=who, for_person=who)))
        if place % 4:
            self.go_on(asked.run, mood)

    one_who_may_says_yes = rule(place=places, option=st.just("kinder"), mood=moods)(yes)
    also_says_yes = rule(place=places, option=st.just("as-proposed"), mood=moods)(yes)

    @rule(place=places, who=people)
    def edit(self, place: int, who: str) -> None:
        request, asked = self.asked(place)
        if asked is None or self.model.may(who, asked) != self.model.may_somehow(who, asked):
            return
        self.trying = (request, "edited", Said(by=who))
        self.authors[request] = asked.authors | {who}
        text = {"text": f"by {who}", "kind": self.begun[asked.run][1].kind}
        self.answered(request, asked, self.act(self.service.aedit(request, text, by=who)))

    def answered(self, request: str, asked: Asked, error: AnswerableError | None) -> None:
        """Whether what somebody was trying went as it has to."""
        assert self.trying is not None
        _, outcome, said = self.trying
        if not isinstance(error, Died):
            wanted = self.wanted(asked, said, edits=outcome == "edited")
            unable = outcome == "edited" and not self.model.may(said.by, asked)
            either = (wanted, NotEligible) if unable else (wanted,)  # an edit looks at who it is first
            assert type(error) in either, f"{said} on {asked}: {error!r} instead of {wanted}"
        if error is None and (outcome == "edited" or self.model.decides(asked, said)):
            asked.decided_at, asked.outcome, asked.option = self.model.now, outcome, said.option
            self.seen[outcome] += 1
        elif outcome != "edited" and self.votes(request) > len(asked.answers):
            assert error is None or isinstance(error, Died)
            asked.answers.append(said)
            self.seen["voted"] += 1
        else:
            assert error is not None, "neither a decision nor a vote"
        self.look(asked.run)
        self.trying = None

    def wanted(self, asked: Asked, said: Said, *, edits: bool) -> type:
        """The error that has to come; NoneType for none."""
        if asked.outcome or asked.forged:
            return AlreadyDecided
        if not self.model.is_open(asked):
            return NotOpen
        if said.option and said.option not in asked.bytes_of:
            return InvalidInput
        if not self.model.may_say(asked, said):
            return NotEligible
        return AlreadyDecided if not edits and self.model.counts(asked, said) else type(None)

    @rule(place=places, who=people, right=st.booleans())
    def revoke(self, place: int, who: str, right: bool) -> None:
        released = [asked for asked in self.model.requests.values() if asked.decision]
        if not released:
            return
        asked = released[-6:][place % len(released[-6:])]
        self.revoking = asked.decision
        who = self.model.responsible if right else who
        error = self.act(self.service.arevoke(asked.decision, code="other", by=who, reason="no, not this"))
        self.look(asked.run)
        taken_back = asked.outcome == "void" or asked.forged  # a decision stands whose grant somebody changed
        if error is not None or not taken_back:
            assert isinstance(error, Died | NotEligible | NotOpen | StoreCorrupt), error
        if isinstance(error, NotEligible):
            assert who != self.model.responsible
        self.revoking = ""

    @rule(number=st.integers(1, 3))
    def trucks_come_and_go(self, number: int) -> None:
        Play.steps += 1
        STOCK["trucks"] = self.model.trucks = number

    def accept_exemption(self, who: str) -> None:
        error = self.act(self.service.aaccept_exemption("exempt", by=who))
        if not isinstance(error, Died):
            assert type(error) is (type(None) if who == self.model.responsible else NotEligible), error
        accepted = self.read(lambda tx: len(all_accepted(tx)) > 0)
        assert accepted or error is not None
        assert not accepted or self.model.accepted or who == self.model.responsible
        self.model.accepted = accepted

    # -- people, stops, time, death -----------------------------------------------------------------------------------

    @rule(who=people, roles=st.sets(st.sampled_from(("lead", "pharmacist"))), place=places)
    def give_roles(self, who: str, roles: set[str], place: int) -> None:
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
        self.stops(self.act(self.service.afreeze(what, by=who, reason="stop")), more=what)

    @precondition(lambda self: self.model.freezes)
    @rule(place=places, who=people)
    def thaw(self, place: int, who: str) -> None:
        for id in list(self.model.freezes)[: 1 + place % 3]:
            self.stops(self.act(self.service.athaw(id, by=who, reason="go on")), less=id)

    def stops(self, error: AnswerableError | None, *, more: str = "", less: str = "") -> None:
        """What stands still now: one more or one less; or as before, if the process died."""
        standing = dict(self.read(lambda tx: tx.all(_STANDING)))
        before = self.model.freezes
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
        may = giver == self.model.responsible
        self.answers_for(error, may, (self.model.responsible, taker))

    def accept_handover(self, who: str) -> None:
        error = self.act(self.service.aaccept_handover(by=who))
        self.answers_for(error, who == self.model.successor, (who, ""))

    def answers_for(self, error: AnswerableError | None, may: bool, then: tuple[str, str]) -> None:
        """Who answers now, and who was offered it."""
        before = (self.model.responsible, self.model.successor)
        if not isinstance(error, Died):
            assert type(error) is (type(None) if may else NotEligible), error

        def look(tx: Tx) -> tuple[str, str]:
            names = {person.id: person.handle for person in all_people(tx)}
            found = authority(tx, "desk")
            return names[found.responsible], names.get(found.successor, "")

        found = self.read(look)
        assert found == then if error is None else found in ({before, then} if may else {before})
        self.model.responsible, self.model.successor = found

    @rule(seconds=st.sampled_from(SPANS))
    def time_passes(self, seconds: int) -> None:
        Play.steps += 1
        self.move(seconds)

    @rule(name=st.sampled_from(DEATHS), count=st.integers(1, 2))
    def is_to_die(self, name: str, count: int) -> None:
        Play.steps += 1
        failpoints.arm(f"{name}:{count}")

    # -- somebody who can write to the database -----------------------------------------------------------------------

    @rule(place=places, what=st.sampled_from(("nothing", "a decision", "a grant")))
    def somebody_writes_rows(self, place: int, what: str) -> None:
        if what == "a decision":
            self.forge_a_decision(place)
        elif what == "a grant":
            self.lengthen_a_grant(place)

    def forge_a_decision(self, place: int) -> None:
        request, asked = self.asked(place)
        if asked is None or asked.outcome or asked.forged or asked.run in self.model.over:
            return
        Play.steps += 1

        self.do(self.service.store.write(lambda tx: forge_decision(tx, request)))
        asked.forged = True

    def lengthen_a_grant(self, place: int) -> None:
        _, asked = self.asked(place)
        if asked is None or asked.outcome != "approved" or asked.forged:
            return
        Play.steps += 1
        for effect in asked.bytes_of[asked.option]:
            self.do(self.service.store.write(lambda tx, effect=effect: lengthen_grant(tx, effect)))
        asked.forged = True

    # -- after each step ----------------------------------------------------------------------------------------------

    @invariant()
    def everybody_may_what_they_may(self) -> None:
        request, asked = self.asked(Play.steps)
        if asked is None or self.dead:
            return

        option = self.pick([*asked.bytes_of, ""], Play.steps)
        whom = PEOPLE[Play.steps % len(PEOPLE)]  # in whose place everybody tries it; for one of them it is their own

        def look(tx: Tx) -> dict[str, bool]:
            bound, responsible, key = (
                get_request(tx, request).asked,
                authority(tx, "desk").responsible,
                self.service.office.key,
            )
            given = in_force(tx, key, system="desk", approval=asked.approval, at=self.model.now)
            everybody = all_people(tx)
            return {one.handle: eligible(one, bound, responsible, option, given, whom) for one in everybody}

        found, wanted = self.read(look), {who: self.model.may_for(whom, who, asked, option) for who in PEOPLE}
        assert found == wanted, f"{asked} {option!r}: {found}, but {wanted}; {self.model}"
