"""Acts about requests: runs begin and go on, somebody answers, edits, takes back.

Each is tried against the model's word: what it allows has to happen, what it forbids has to be refused, and with the
right reason.
"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

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
from answerable.orchestrator.runs import find_run
from tests.authority.acting import moods, people, places
from tests.authority.desk import KINDS, STOCK, Ask
from tests.authority.model import Asked
from tests.authority.play import Play
from tests.authority.process import PEOPLE, Died
from tests.reference.electing import Said

WORTHS = (0, 9, 10, 11, 14, 15, 16, 19, 20, 21, -1)


class Answering(Play):
    """What may happen to runs and requests."""

    # -- runs ---------------------------------------------------------------------------------------------------------

    @initialize(who=people, kind=st.sampled_from(KINDS))
    def something_waits(self, who: str, kind: str) -> None:
        self.begin(who, kind, critical=True, worth=11)

    @rule(who=people, kind=st.sampled_from(KINDS), critical=st.booleans(), worth=st.sampled_from(WORTHS))
    def begin(self, who: str, kind: str, critical: bool, worth: int) -> None:
        run = f"run-{len(self.begun)}"
        ask = Ask(kind=kind, critical=critical, worth=worth)
        self.begun[run] = (who, ask)
        error = self.act(self.service.arun(ask, by=who, run_id=run))
        assert error is None or isinstance(error, Died), error
        self.look(run, whole=error is None)

    def light(self, who: str, worth: int) -> None:
        """What a rule may decide."""
        self.begin(who, "ruled", critical=False, worth=worth)

    something_light = rule(who=people, worth=st.sampled_from((0, 9, 10, 11, 14)))(light)
    also_something_light = rule(who=st.sampled_from(("zoe", "pia")), worth=st.sampled_from((0, 8, 9)))(light)

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

    @rule(who=people, worth=st.sampled_from((9, 10, 11, 15)), place=places, minutes=st.sampled_from((0, 31, 121)))
    def somebody_waits_long(self, who: str, worth: int, place: int, minutes: int) -> None:
        """Whoever may say yes by now does so, rather somebody who might not have before."""
        self.begin(who, "slow", critical=True, worth=worth)
        self.move(minutes * 60)
        request, asked = self.newest("slow")
        if asked is None or not self.model.is_open(asked):
            return
        able = [who for who in PEOPLE if self.model.may(who, asked, "kinder")]
        early = self.model.world(asked, escalated=False)
        late = [who for who in able if not early.may(Said(by=who, option="kinder"))]
        if able:
            said = Said(by=(late or able)[place % len(late or able)], option="kinder")
            self.trying = (request, "approved", said)
            self.answered(request, asked, self.act(self.service.aapprove(request, option="kinder", by=said.by)))

    @rule(who=people, kind=st.sampled_from(("dear", "dear", "several")), worth=st.sampled_from(WORTHS), place=places)
    def several_say_yes(self, who: str, kind: str, worth: int, place: int) -> None:
        """Everybody who may says yes, until it is decided."""
        self.begin(who, kind, critical=True, worth=worth)
        request, asked = self.newest(kind)
        for by in PEOPLE if place % 2 else PEOPLE[::-1]:
            if asked is None or not self.model.is_open(asked):
                return
            said = Said(by=by, option="kinder" if place % 4 > 1 else "as-proposed")
            if said.option in asked.bytes_of and self.model.may(by, asked, said.option):
                self.trying = (request, "approved", said)
                work = self.service.aapprove(request, option=said.option, by=by, for_person=by)
                self.answered(request, asked, self.act(work))

    def newest(self, *approvals: str) -> tuple[str, Asked | None]:
        """The request that was made last at one of these approvals."""
        found = [(id, one) for id, one in self.model.requests.items() if one.approval in approvals]
        return found[-1] if found else ("", None)

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
            may_now = self.model.may(said.by, asked) and self.model.is_open(asked)
            unable = outcome == "edited" and not may_now
            either = (wanted, NotEligible) if unable else (wanted,)  # an edit looks at who it is first
            assert type(error) in either, f"{said} on {asked}: {error!r} instead of {wanted}"
        if error is None and (outcome == "edited" or self.model.decides(asked, said)):
            self.look(asked.run)
            assert asked.outcome == outcome, "it was not decided"
        elif outcome != "edited" and self.votes(request) > len(asked.answers):
            assert error is None or isinstance(error, Died)
            asked.answers.append(said)
            self.seen["voted"] += 1
            self.look(asked.run)
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
        may = self.model.may_revoke(who, asked)
        error = self.act(self.service.arevoke(asked.decision, code="other", by=who, reason="no, not this"))
        self.look(asked.run)
        taken_back = asked.outcome == "void" or asked.forged  # a decision stands whose grant somebody changed
        if error is not None or not taken_back:
            assert isinstance(error, Died | NotEligible | NotOpen | StoreCorrupt), error
        if not isinstance(error, Died | StoreCorrupt):
            assert isinstance(error, NotEligible) is not may, f"{who} on {asked}: {error!r}"
        self.revoking = ""

    @rule(number=st.integers(1, 3))
    def trucks_come_and_go(self, number: int) -> None:
        Play.steps += 1
        STOCK["trucks"] = self.model.trucks = number
