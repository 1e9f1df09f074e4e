"""What is to be so, written from the rules alone: no code of ours is asked.

Everybody is a handle. The model is told what was done, and says of each act whether it has to succeed, and of each call
that arrives outside whether it may be there. Who may answer, and what several answers come to, is `electing`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.authority.desk import Arrived
from tests.authority.rulebook import APPROVE, Rule, Rules
from tests.reference.electing import Said, Somebody, Tree, World

SECOND = 1_000_000  # microseconds
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 24 * 3600 * SECOND
SYSTEM = "system"
ANY = "(any)"  # no option: whom an approval asks, whatever an option is worth
LEAD: Tree = ("quorum", 1, [("role", "lead")])
TREES: dict[str, Tree] = {
    "named": ("quorum", 1, [("person", "pia")]),
    "several": ("and", ("quorum", 2, [("role", "lead")]), ("quorum", 1, [("role", "pharmacist")])),
}
ABOVE: dict[str, dict[int, Tree]] = {
    "dear": {10: ("quorum", 2, [("role", "lead")]), 20: TREES["several"]},
    "ruled": {20: ("quorum", 2, [("role", "lead")])},
}
STAGES: dict[str, list[tuple[int, Tree]]] = {
    "slow": [(30 * MINUTE, ("quorum", 1, [("role", "pharmacist")])), (2 * HOUR, ("quorum", 1, [("person", "pia")]))]
}
GLASS: dict[str, tuple[int | None, int]] = {"slow": (None, 1), "dear": (15, 2)}  # at most of what value, per day
EXECUTE_WITHIN = {"slow": 2 * HOUR}
OWNERS = {"slow": frozenset({"writers", "nils"})}


def worth_of(text: str, worth: int) -> int | None:
    """What a letter is worth; None where nobody can tell."""
    return None if worth < 0 else worth + text.count("love")


def takes(approval: str, worth: int | None) -> Tree:
    """Whom it takes to let something of this worth pass; the strictest, if that is not known."""
    above = ABOVE.get(approval, {})
    exceeded = [limit for limit in above if worth is None or worth > limit]
    return above[max(exceeded)] if exceeded else TREES.get(approval, LEAD)


@dataclass
class Person:
    """Somebody of the registry."""

    roles: set[str]
    teams: set[str] = field(default_factory=set)


@dataclass
class Asked:
    """A request. `bytes_of` are the calls that were shown for each option, by their effect."""

    run: str
    approval: str
    started_by: str
    authors: frozenset[str]
    expires_at: int
    bytes_of: dict[str, dict[str, bytes]]
    trucks: int
    worths: dict[str, int | None] = field(default_factory=dict)  # of each option
    made_at: int = 0  # of an edit, that of what was edited
    stage: int = 0  # how often it was escalated, as its row says
    due: int = 0  # the most that it was due to be, at any time
    rule: str = ""  # the id of the rule that decided
    people: set[str] = field(default_factory=set)  # whoever had a part in the decision
    answers: list[Said] = field(default_factory=list)
    outcome: str = ""  # "" as long as it is open; "void" for what was revoked
    option: str = ""
    decided_at: int = 0
    decision: str = ""
    forged: bool = False


@dataclass
class Review:
    """A decision that is to be looked at by somebody else."""

    of: str
    request: str
    due_at: int
    verdict: str = ""


@dataclass
class Model:
    """The whole world, and what happened in it."""

    people: dict[str, Person]
    responsible: str = "alice"
    successor: str = ""
    now: int = 0
    trucks: int = 3
    freezes: dict[str, str] = field(default_factory=dict)  # id → target
    froze: dict[str, str] = field(default_factory=dict)  # id → who stopped it
    delegations: dict[str, tuple[str, str, int]] = field(default_factory=dict)  # id → giver, taker, until
    requests: dict[str, Asked] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)  # runs that were cancelled
    accepted: bool = False  # the exemption
    happened: dict[str, str] = field(default_factory=dict)  # effect → its key
    rules: Rules = field(default_factory=Rules)
    reviews: dict[str, Review] = field(default_factory=dict)
    broken: list[tuple[str, int]] = field(default_factory=list)  # approval, when

    # -- who may ------------------------------------------------------------------------------------------------------

    def everybody(self) -> dict[str, Somebody]:
        """The registry."""
        return {
            who: Somebody(handle=who, roles=frozenset(one.roles), teams=frozenset(one.teams))
            for who, one in self.people.items()
        }

    def pairs(self) -> list[tuple[str, str]]:
        """Who may answer for whom: giver, taker."""
        return [(giver, taker) for giver, taker, until in self.delegations.values() if self.now < until]

    def world(self, asked: Asked, *, delegations: bool = True, escalated: bool = True) -> World:
        """Everybody, and what this request asks now: also those to whom it was to be escalated by now."""
        trees = {option: takes(asked.approval, worth) for option, worth in asked.worths.items()}
        trees[ANY] = TREES.get(asked.approval, LEAD)
        for number, (after, more) in enumerate(STAGES.get(asked.approval, ())):
            recorded = number < asked.stage or not asked.outcome
            if escalated and recorded and asked.made_at + after <= self.now:
                trees = {option: ("or", tree, more) for option, tree in trees.items()}
        return World(
            people=self.everybody(),
            responsible=self.responsible,
            trees=trees,
            started_by=asked.started_by,
            authors=asked.authors,
            owners=OWNERS.get(asked.approval, frozenset({"writers"})),
            may_decide_own=asked.approval == "own",
            denials=2 if asked.approval == "several" else 1,
            delegations=self.pairs() if delegations else [],
        )

    def may(self, who: str, asked: Asked, option: str = "") -> bool:
        """Whether this person may give this answer to a request in their own right, if it is open."""
        return self.world(asked).may(Said(by=who, option=option))

    def may_say(self, asked: Asked, said: Said) -> bool:
        """The same for whomever it is given; nobody does it for somebody who has voted themself."""
        themself = bool(said.for_person) and any(one.by == said.for_person for one in asked.answers)
        return self.world(asked).may(said) and not themself

    def may_for(self, whom: str, who: str, asked: Asked, option: str) -> bool:
        """Whether `who` may give this answer in the place of `whom`, who may be themself."""
        return self.world(asked).may(Said(by=who, for_person="" if who == whom else whom, option=option))

    def may_somehow(self, who: str, asked: Asked, option: str = "") -> bool:
        """The same in whatever right: as themself or for anybody."""
        world = self.world(asked)
        return any(world.may(Said(by=who, for_person=whom, option=option)) for whom in ("", *self.people))

    def is_due(self, asked: Asked) -> int:
        """How often it is due to have been escalated."""
        return sum(asked.made_at + after <= self.now for after, _ in STAGES.get(asked.approval, ()))

    def why_not_break(self, who: str, asked: Asked, option: str) -> str:
        """Why this person may not choose an option alone, where others are asked; "" if they may."""
        if asked.approval not in GLASS or "duty" not in self.people[who].roles:
            return "not on duty"
        most, per_day = GLASS[asked.approval]
        worth = asked.worths[option]
        if self.world(asked).too_close(who, option):
            return "too close"
        if most is not None and (worth is None or worth > most):
            return "worth too much"
        due = [one.due_at for one in self.reviews.values() if one.of == "break-glass" and not one.verdict]
        if any(at <= self.now for at in due):
            return "a review is overdue"
        lately = [at for approval, at in self.broken if approval == asked.approval and at > self.now - DAY]
        return "too often" if len(lately) >= per_day else ""

    def may_review(self, who: str, review: Review) -> bool:
        """Whether this person may say that a decision was right."""
        asked = self.requests[review.request]
        givers = {giver for giver, taker in self.pairs() if taker == who}
        return not asked.people & {who, *givers} and self.may(who, asked)

    def may_revoke(self, who: str, asked: Asked) -> bool:
        """Whether this person may take a decision back: who made it, who answers, who could have made it."""
        could = self.world(asked, delegations=False).may(Said(by=who))
        return who in asked.people or who == self.responsible or could

    def may_approve(self, who: str, rule: str) -> bool:
        """Whether this person may approve a rule, in their own right."""
        return self.ballot(rule).may(Said(by=who, option=APPROVE))

    def may_approve_somehow(self, who: str, rule: str) -> bool:
        """The same in whatever right."""
        ballot = self.ballot(rule)
        return any(ballot.may(Said(by=who, for_person=whom, option=APPROVE)) for whom in ("", *self.people))

    def ballot(self, rule: str, *, delegations: bool = True) -> World:
        """Everybody, and what approving a rule asks."""
        pairs = self.pairs() if delegations else []
        return self.rules.world(self.rules.all[rule], self.everybody(), self.responsible, pairs)

    def stands(self, rule: Rule) -> bool:
        """Whether those who approved a rule could approve it now: a delegate for whoever it was."""
        pairs = [(said.for_person, said.by) for said in rule.answers if said.for_person]
        world = self.rules.world(rule, self.everybody(), self.responsible, pairs)
        return APPROVE in world.decided(rule.answers)

    def is_open(self, asked: Asked) -> bool:
        """Whether it can be answered now by anybody."""
        undecided = not asked.outcome and not asked.forged and asked.run not in self.over
        return undecided and self.now < asked.expires_at and not self.frozen(SYSTEM, f"agent:{asked.approval}")

    def counts(self, asked: Asked, said: Said) -> bool:
        """Whether this person gave this answer before, and it stands."""
        return said in self.world(asked).in_force(asked.answers)

    def decides(self, asked: Asked, said: Said) -> bool:
        """Whether this answer completes what it takes."""
        return said.option in self.world(asked).decided([*asked.answers, said])

    def parts(self, asked: Asked, said: Said) -> set[str]:
        """Whoever has a part in what this answer completes."""
        counting = self.world(asked).in_force([*asked.answers, said])
        return {who for one in counting if one.option == said.option for who in (one.by, one.for_person) if who}

    def frozen(self, *targets: str) -> bool:
        """Whether any of these stands still."""
        return any(target in targets for target in self.freezes.values())

    # -- what may leave -----------------------------------------------------------------------------------------------

    def released(self, asked: Asked) -> bool:
        """Whether the calls of the chosen option may leave now."""
        return (
            asked.outcome in ("approved", "exempted", "ruled")
            and not asked.forged
            and asked.run not in self.over
            and self.now < asked.decided_at + EXECUTE_WITHIN.get(asked.approval, DAY)
            and (not asked.rule or self.rules.all[asked.rule].state == "approved")
            and not self.successor
            and not self.frozen(SYSTEM, "effect:post", f"agent:{asked.approval}")
            and (asked.approval != "facts" or asked.trucks == self.trucks)
        )

    def arriving(self, call: Arrived) -> None:
        """A call is there: it has to be one that may be, to the byte, and under the key that it always had."""
        asked, option = self.asked_for(call.effect)
        assert option == asked.option, f"{call.effect} is of an option that nobody chose"
        assert self.released(asked), f"{call.effect} may not leave: {asked}"
        assert call.body == asked.bytes_of[option][call.effect], "other bytes than those that were shown"
        assert self.happened.setdefault(call.effect, call.key) == call.key, "another key than before"

    def asked_for(self, effect: str) -> tuple[Asked, str]:
        """The request, and the option of it, that this call belongs to."""
        found = [
            (asked, option)
            for asked in self.requests.values()
            for option, calls in asked.bytes_of.items()
            if effect in calls
        ]
        assert len(found) == 1, f"{effect} was never shown, or twice"
        return found[0]
