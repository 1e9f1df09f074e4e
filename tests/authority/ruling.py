"""Acts about standing rules: proposed, approved by others, revoked; a new version takes its own approval.

Whether one decides is asked where a request is made (`play`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from sqlalchemy import select

from answerable.approvals.gate import effects_of
from answerable.approvals.rules.file import RuleFile
from answerable.approvals.voting.votes import votes_on
from answerable.errors import AlreadyDecided, InvalidInput, NotEligible, NotOpen
from answerable.orchestrator.places import place_of
from answerable.tracing.people import all_people
from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.rules import rules
from tests.authority.acting import people, places
from tests.authority.answering import Answering
from tests.authority.model import HOUR
from tests.authority.process import APP, PEOPLE, Died
from tests.authority.rulebook import APPROVE, Rule
from tests.reference.electing import Said

PLACE = place_of(APP.graph, "ruled")
POLICIES = {
    "permits": "permit (principal, action, resource) when {{ context.seen.worth <= {} && !context.seen.critical }};",
    "forbids": "forbid (principal, action, resource) when {{ context.seen.worth > {} }};",
    "fails": "forbid (principal, action, resource) when {{ context.seen.worth * 9223372036854775807 == {} }};",
}
_HEADS = Statement(select(rules.c.id, rules.c.state, rules.c.approvers, rules.c.digest, rules.c.expires_at))
kinds = st.sampled_from((*["permits"] * 8, "forbids", "fails"))
caps = st.fixed_dictionaries(
    {"count": st.tuples(st.sampled_from((1, 2, 3)), st.sampled_from(("hour", "day")))},
    optional={"seen.worth": st.tuples(st.sampled_from((15, 30)), st.sampled_from(("hour", "day")))},
)


class Ruling(Answering):
    """What people do to standing rules."""

    @rule(
        name=st.sampled_from(("alpha", "beta")),
        place=places,
        author=people,
        by=people,
        kind=kinds,
        option=st.sampled_from(("as-proposed", "as-proposed", "as-proposed", "kinder")),
        limit=st.sampled_from((9, 15, 25)),
        caps=caps,
        begins=st.sampled_from((0, 0, 0, 1)),
        hours=st.sampled_from((3, 30, 80)),
    )
    def propose_a_rule(self, place: int, by: str, **said: Any) -> None:
        """Mostly by its author; mostly the next version; mostly others approve it at once."""
        by = by if place % 16 == 0 else said["author"]
        before = [one.version for one in self.model.rules.all.values() if one.name == said["name"]]
        version = 1 if place % 16 == 1 else max(before, default=0) + 1
        made = self.written(version=version, sample=place % 2 == 0, **said)
        id = self.proposes(made, by)
        if id and place % 4:
            self.others_approve(id, place)

    def proposes(self, made: Rule, by: str) -> str:
        """Somebody proposes a rule: its id, or "" where it is not new."""
        before = [one.version for one in self.model.rules.all.values() if one.name == made.name]
        error = self.act(self.service.office.rules.propose(file_of(made), PLACE, by=by))
        if not isinstance(error, Died):
            taken = before and made.version <= max(before) and not self.is_known(made)
            wanted = NotEligible if by != made.author else InvalidInput if taken else type(None)
            assert type(error) is wanted, f"{by} proposes {made}: {error!r} instead of {wanted}"
        fresh = self.heads().keys() - self.model.rules.all.keys()
        if error is None:
            assert len(fresh) == (not self.is_known(made))
        assert len(fresh) <= (error is None or isinstance(error, Died))
        for made.id in fresh:
            self.model.rules.all[made.id] = made
        return made.id

    def is_known(self, made: Rule) -> bool:
        """Whether the very same was proposed before: that changes nothing."""
        return any(
            replace(made, id=id, state=one.state, answers=one.answers, approvers=one.approvers, forged=one.forged)
            == one
            for id, one in self.model.rules.all.items()
        )

    @rule(limit=st.sampled_from((15, 25)), most=st.sampled_from((1, 2)), place=places)
    def a_rule_decides_until_its_cap(self, limit: int, most: int, place: int) -> None:
        """One that others approved; it is asked once more than it may decide."""
        version = max((one.version for one in self.model.rules.all.values() if one.name == "gamma"), default=0) + 1
        said: dict[str, Any] = {"begins": 0, "hours": 30, "kind": "permits", "option": "as-proposed"}
        made = self.written(
            name="gamma",
            version=version,
            author="pia",
            limit=limit,
            sample=True,
            caps={"count": (most, "hour")},
            **said,
        )
        id = self.proposes(made, "pia")
        if id:
            self.others_approve(id, place)
            for _ in range(most + 1):
                self.begin("pia", "ruled", critical=False, worth=9)

    def written(self, *, caps: dict[str, Any], begins: int, hours: int, kind: str, option: str, **said: Any) -> Rule:
        now = self.model.now
        return Rule(
            id="",
            kind=kind,
            option=option if kind == "permits" else "",
            caps=caps if kind == "permits" else {},
            not_before=now + begins * HOUR if begins else 0,
            expires_at=now + hours * HOUR,
            **said,
        )

    def others_approve(self, id: str, place: int) -> None:
        first = place % len(PEOPLE)
        for who in (*PEOPLE[first:], *PEOPLE[:first]):
            known = self.model.rules.all.get(id)
            if known is not None and known.state == "proposed" and self.model.may_approve(who, id):
                self.approves(id, who)

    @precondition(lambda self: self.model.rules.all)
    @rule(place=places, who=people)
    def approve_a_rule(self, place: int, who: str) -> None:
        newest = list(self.model.rules.all)[-3:]
        id = newest[place % len(newest)]
        self.approves(id, self.model.rules.all[id].author if place % 4 == 0 else who)

    def approves(self, id: str, who: str) -> None:
        known = self.model.rules.all[id]
        may = self.model.may_approve(who, id)
        if may != self.model.may_approve_somehow(who, id) or known.forged:
            return
        said, ballot = Said(by=who, option=APPROVE), self.model.ballot(id)
        counts = said in ballot.in_force(known.answers)
        completes = may and APPROVE in ballot.decided([*known.answers, said])
        parts = {one for each in ballot.in_force([*known.answers, said]) for one in (each.by, each.for_person) if one}
        wanted: type = type(None) if may and not counts else AlreadyDecided if may else NotEligible
        if known.state != "proposed":
            wanted = AlreadyDecided
        elif self.model.now >= known.expires_at:
            wanted = NotOpen
        error = self.act(self.service.office.rules.approve(id, by=who))
        if not isinstance(error, Died):
            assert type(error) is wanted, f"{who} approves {known}: {error!r} instead of {wanted}"
        self.seen["their own rule"] += who == known.author and known.state == "proposed"
        state, approvers, digest, _ = self.heads()[id]
        votes = self.read(lambda tx: len(votes_on(tx, self.service.office.key, id, digest=digest)))
        if state != known.state:
            assert wanted is type(None) and completes and state == "approved"
            known.state, known.approvers = state, parts
            known.answers.append(said)
            assert approvers == parts
            self.seen["rule approved"] += 1
        elif votes > len(known.answers):
            assert wanted is type(None) and not completes
            known.answers.append(said)
        else:
            assert error is not None

    @precondition(lambda self: self.model.rules.all)
    @rule(place=places, who=people)
    def revoke_a_rule(self, place: int, who: str) -> None:
        newest = list(self.model.rules.all)[-4:]
        id = newest[place % len(newest)]
        known = self.model.rules.all[id]
        if known.forged or place % 8 > 2:
            return
        may = who == known.author or self.model.ballot(id, delegations=False).may(Said(by=who))
        wanted = InvalidInput if known.state == "revoked" else type(None) if may else NotEligible
        error = self.act(self.service.office.rules.revoke(id, by=who, reason="enough"))
        assert isinstance(error, Died) or type(error) is wanted, f"{who} revokes {known}: {error!r}, not {wanted}"
        state = self.heads()[id][0]
        assert (state == "revoked") if error is None else state in (known.state, "revoked")
        assert state == known.state or wanted is type(None)
        if state != known.state:
            known.state = state
            self.seen["rule revoked"] += 1
            self.nothing_of_it_leaves(id)

    def nothing_of_it_leaves(self, id: str) -> None:
        """What a revoked rule had decided and was not sent is withdrawn by now."""
        for asked in self.model.requests.values():
            if asked.rule == id and not asked.forged and asked.run not in self.model.over:
                self.look(asked.run)
                states = {one.id: one.state for one in self.read(partial(effects_of, run=asked.run))}
                assert "prepared" not in {states[effect] for effect in asked.bytes_of[asked.option]}

    def heads(self) -> dict[str, tuple[str, set[str], str, int]]:
        """Each rule's state, who approved it, its digest and its end, as they are stored."""

        def look(tx: Tx) -> dict[str, tuple[str, set[str], str, int]]:
            names = {one.id: one.handle for one in all_people(tx)}
            rows = tx.all(_HEADS)
            return {
                id: (state, {names[one] for one in names if f'"{one}"' in approvers}, digest, ends)
                for id, state, approvers, digest, ends in rows
            }

        found: dict[str, tuple[str, set[str], str, int]] = self.read(look)
        return found


def file_of(made: Rule) -> RuleFile:
    """A rule as its author hands it in."""
    decides = made.kind == "permits"

    def case(name: str, worth: int, *, critical: bool, decides: bool) -> dict[str, Any]:
        context = {"seen": {"worth": worth, "critical": critical}, "calls": {"post": 1}, "value": 0}
        return {"name": name, "decides": decides, "context": context}

    return RuleFile.model_validate(
        {
            "name": made.name,
            "version": made.version,
            "purpose": "less to do",
            "author": made.author,
            "system": "desk",
            "approval": "ruled",
            "option": made.option,
            "effects": ["post"] if decides else [],
            "caps": [{"of": of, "most": most, "per": per} for of, (most, per) in made.caps.items()],
            "not_before": time_of(made.not_before) if made.not_before else None,
            "expires": time_of(made.expires_at),
            "sample": 100 if made.sample else 0,
            "policy": POLICIES[made.kind].format(7 if made.kind == "fails" else made.limit),
            "tests": [
                case("a light one", 0, critical=False, decides=decides),
                case("a critical one", 0, critical=True, decides=False),
            ],
        }
    )


def time_of(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1_000_000, UTC)
