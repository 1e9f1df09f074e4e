"""What is to be so, written from the rules alone: no code of ours is asked.

Everybody is a handle. The model is told what was done, and says of each act whether it has to succeed, and of each call
that arrives outside whether it may be there. Who may answer, and what several answers come to, is `electing`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.authority.desk import Arrived
from tests.reference.electing import Said, Somebody, Tree, World

EXECUTE_WITHIN = 24 * 3600 * 1_000_000  # microseconds
SYSTEM = "system"
LEAD: Tree = ("quorum", 1, [("role", "lead")])
TREES: dict[str, Tree] = {
    "named": ("quorum", 1, [("person", "pia")]),
    "several": ("and", ("quorum", 2, [("role", "lead")]), ("quorum", 1, [("role", "pharmacist")])),
}


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
    answers: list[Said] = field(default_factory=list)
    outcome: str = ""  # "" as long as it is open; "void" for what was revoked
    option: str = ""
    decided_at: int = 0
    decision: str = ""
    forged: bool = False


@dataclass
class Model:
    """The whole world, and what happened in it."""

    people: dict[str, Person]
    responsible: str = "alice"
    successor: str = ""
    now: int = 0
    trucks: int = 3
    freezes: dict[str, str] = field(default_factory=dict)  # id → target
    delegations: dict[str, tuple[str, str, int]] = field(default_factory=dict)  # id → giver, taker, until
    requests: dict[str, Asked] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)  # runs that were cancelled
    accepted: bool = False  # the exemption
    happened: dict[str, str] = field(default_factory=dict)  # effect → its key

    # -- who may ------------------------------------------------------------------------------------------------------

    def world(self, asked: Asked) -> World:
        """Everybody, and what this request asks."""
        return World(
            people={
                who: Somebody(handle=who, roles=frozenset(one.roles), teams=frozenset(one.teams))
                for who, one in self.people.items()
            },
            responsible=self.responsible,
            trees=dict.fromkeys(asked.bytes_of, TREES.get(asked.approval, LEAD)),
            started_by=asked.started_by,
            authors=asked.authors,
            owners=frozenset({"writers"}),
            may_decide_own=asked.approval == "own",
            denials=2 if asked.approval == "several" else 1,
            delegations=[(giver, taker) for giver, taker, until in self.delegations.values() if self.now < until],
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

    def frozen(self, *targets: str) -> bool:
        """Whether any of these stands still."""
        return any(target in targets for target in self.freezes.values())

    # -- what may leave -----------------------------------------------------------------------------------------------

    def released(self, asked: Asked) -> bool:
        """Whether the calls of the chosen option may leave now."""
        return (
            asked.outcome in ("approved", "exempted")
            and not asked.forged
            and asked.run not in self.over
            and self.now < asked.decided_at + EXECUTE_WITHIN
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
