"""The machine: persons act in any order, time passes and jumps, processes die; after each act the model agrees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule
from sqlalchemy import bindparam, select

from answerable.approvals.asking.requests import get_request
from answerable.approvals.voting.delegations import in_force
from answerable.approvals.voting.eligibility import Asked as Bound
from answerable.approvals.voting.eligibility import Delegated, check_eligible
from answerable.errors import NotEligible
from answerable.tracing import failpoints
from answerable.tracing.failpoints import NAMES
from answerable.tracing.people import PersonRow, all_people, authority
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import requests
from tests.authority.acting import places
from tests.authority.afterwards import Afterwards
from tests.authority.forging import forge_approval, forge_decision, lengthen_grant
from tests.authority.model import Asked
from tests.authority.office import Office
from tests.authority.play import Play
from tests.authority.process import PEOPLE
from tests.authority.ruling import Ruling

_STAGE = Statement(select(requests.c.stage).where(requests.c.id == bindparam("request")))
MINUTE = 60
SPANS = (1, MINUTE, MINUTE, 30 * MINUTE, 30 * MINUTE, 2 * 3600, 5 * 3600, 25 * 3600, -MINUTE, -MINUTE, -3 * 3600)
DEATHS = tuple(name for name in NAMES if not name.startswith(("connect:", "run:", "gather:", "doubt:", "anew:")))


class Authority(Afterwards, Ruling, Office):
    """What may happen, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.bounds: dict[tuple[str, int], Bound] = {}  # by request and stages in force

    @rule(seconds=st.sampled_from(SPANS))
    def time_passes(self, seconds: int) -> None:
        Play.steps += 1
        self.move(seconds)

    @rule(name=st.sampled_from(DEATHS), count=st.integers(1, 2))
    def is_to_die(self, name: str, count: int) -> None:
        Play.steps += 1
        failpoints.arm(f"{name}:{count}")

    # -- somebody who can write to the database -----------------------------------------------------------------------

    @rule(place=places, what=st.sampled_from(("nothing", "a decision", "a grant", "a rule")))
    def somebody_writes_rows(self, place: int, what: str) -> None:
        if what == "a decision":
            self.forge_a_decision(place)
        elif what == "a grant":
            self.lengthen_a_grant(place)
        elif what == "a rule" and place % 4 == 0:
            self.forge_a_rule(place)

    def forge_a_decision(self, place: int) -> None:
        request, asked = self.asked(place)
        if asked is None or asked.outcome or asked.forged or asked.run in self.model.over:
            return
        Play.steps += 1

        self.do(self.service.store.write(lambda tx: forge_decision(tx, request)))
        asked.forged = True

    def lengthen_a_grant(self, place: int) -> None:
        _, asked = self.asked(place)
        if asked is None or asked.outcome not in ("approved", "ruled") or asked.forged:
            return
        Play.steps += 1
        for effect in asked.bytes_of[asked.option]:
            self.do(self.service.store.write(lambda tx, effect=effect: lengthen_grant(tx, effect)))
        asked.forged = True

    def forge_a_rule(self, place: int) -> None:
        known = [one for one in self.model.rules.all.values() if one.state != "approved"]
        if not known:
            return
        Play.steps += 1
        one = known[place % len(known)]
        self.do(self.service.store.write(lambda tx: forge_approval(tx, one.id)))
        one.forged = self.model.rules.spoiled = True

    # -- after each step ----------------------------------------------------------------------------------------------

    @invariant()
    def everybody_may_what_they_may(self) -> None:
        request, asked = self.asked(Play.steps)
        if asked is None:
            return

        option = self.pick([*asked.bytes_of, ""], Play.steps)
        whom = PEOPLE[Play.steps % len(PEOPLE)]  # in whose place everybody tries it; for one of them it is their own

        def look(tx: Tx) -> dict[str, bool]:
            responsible, key = authority(tx, "desk").responsible, self.service.office.key
            given = in_force(tx, key, system="desk", approval=asked.approval, at=self.model.now)
            bound = self.bound(tx, request, asked)
            return {one.handle: eligible(one, bound, responsible, option, given, whom) for one in all_people(tx)}

        found, wanted = self.read(look), {who: self.model.may_for(whom, who, asked, option) for who in PEOPLE}
        assert found == wanted, f"{asked} {option!r}: {found}, but {wanted}; {self.model}"

    def bound(self, tx: Tx, request: str, asked: Asked) -> Bound:
        """Whom a request asks now. What it is bound to does not change, so that is read once for each stage of it."""
        stage = tx.all(_STAGE, request=request)[0][0]
        if not asked.outcome:
            stage = max(stage, self.model.is_due(asked))  # whoever decides, escalates first
        which = (request, min(stage, self.model.is_due(asked)))
        if which not in self.bounds:
            self.bounds[which] = replace(get_request(tx, request), stage=stage).asked_at(self.model.now)
        return self.bounds[which]


def eligible(
    person: PersonRow, bound: Bound, responsible: str, option: str, given: Sequence[Delegated], whom: str
) -> bool:
    """Whether our code lets this person decide."""
    try:
        check_eligible(person, bound, responsible=responsible, option=option, delegations=given, for_person=whom)
    except NotEligible:
        return False
    return True
