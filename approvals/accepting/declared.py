"""The rules of deciding of an approval: who decides what comes to it, and how easily. Pure.

1. They are what a request binds of its approval's declaration: whom it asks, by what an option is worth; how many noes
   are final; whether they may decide their own, and how sure we have to be of them; by when, who else after a while,
   and who alone in an emergency; how long a yes holds. And which effects a yes may release, so that a call does not
   come to be asked of somebody else by moving to another approval.
2. They have one form, canonical JSON (RFC 8785), of which the digest is what is accepted, and can be read back: an
   approval can ask by them whatever its own declaration says (`under`).
3. What an option is worth is known by the name of its function. Where the declaration has no function of that name, the
   value is not known, and then the strictest are asked, as ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, NoReturn

from answerable.agents.people import RESPONSIBLE, Quorum, Role, as_quorum, quorum_from
from answerable.approvals.node import Approval, BreakGlass
from answerable.errors import InvalidInput
from answerable.tracing.canonical import canonical


@dataclass(frozen=True, kw_only=True)
class RulesOfDeciding:
    """Who decides what comes to an approval, and how easily. Times are in seconds, `releases` are names of effects."""

    by: Quorum
    value: str  # the name of the function that says what an option is worth, or ""
    above: tuple[tuple[int, Quorum], ...]
    denials: int
    may_decide_own: bool
    requires: str
    fresh_seconds: int
    within: float
    execute_within: float
    escalate: tuple[tuple[float, Quorum], ...]
    break_glass: BreakGlass | None
    releases: tuple[str, ...]

    @property
    def text(self) -> str:
        """Their one form: canonical JSON."""
        return canonical(self._plain()).decode()

    @property
    def digest(self) -> str:
        """SHA-256 of their one form, 64 hexadecimal digits."""
        return sha256(self.text.encode()).hexdigest()

    @property
    def strictest(self) -> Quorum:
        """Who it takes where a value is above every limit, or not known."""
        return self.above[-1][1] if self.above else self.by

    @property
    def roles(self) -> frozenset[str]:
        """Every role that they name."""
        asked = [*self.asks, *([as_quorum(self.break_glass.by)] if self.break_glass else [])]
        return frozenset(one.name for whom in asked for one in whom.named if isinstance(one, Role))

    @property
    def asks(self) -> list[Quorum]:
        """Everybody that they ask, for whatever value and at whichever stage."""
        return [self.by, *(whom for _, whom in (*self.above, *self.escalate))]

    def words(self) -> dict[str, str]:
        """Each of them in words, by the name that it has in a declaration."""
        glass = self.break_glass
        most = "" if glass is None or glass.at_most is None else f", up to {glass.at_most:,}"
        return {
            "by": str(self.by),
            "value": self.value or "none",
            "above": _each("above", ((f"{limit:,}", whom) for limit, whom in self.above)),
            "denials": str(self.denials),
            "may_decide_own": "yes" if self.may_decide_own else "no",
            "requires": self.requires or "nothing",
            "fresh": f"{self.fresh_seconds} seconds" if self.fresh_seconds else "any login",
            "within": f"{self.within:,g} seconds",
            "execute_within": f"{self.execute_within:,g} seconds",
            "escalate": _each("after", ((f"{after:,g} seconds", whom) for after, whom in self.escalate)),
            "break_glass": "nobody" if glass is None else f"{glass.by}{most}, {glass.per_day} a day",
            "releases": ", ".join(self.releases) or "no call",
        }

    def of_the_responsible(self) -> RulesOfDeciding:
        """The same, with nobody but the Responsible Individual to decide."""
        return replace(
            self,
            by=RESPONSIBLE,
            value="",
            above=(),
            denials=1,
            may_decide_own=False,
            escalate=(),
            break_glass=None,
        )

    def _plain(self) -> dict[str, Any]:
        glass = self.break_glass
        return {
            **vars(self),
            "by": self.by.as_json(),
            "above": [[limit, whom.as_json()] for limit, whom in self.above],
            "within": _whole(self.within),
            "execute_within": _whole(self.execute_within),
            "escalate": [[_whole(after), whom.as_json()] for after, whom in self.escalate],
            "break_glass": None if glass is None else {**vars(glass), "by": as_quorum(glass.by).as_json()},
            "releases": list(self.releases),
        }


def rules_of(approval: Approval[Any], *, releases: Sequence[str]) -> RulesOfDeciding:
    """The rules that an approval declares; `releases` are the effects that a yes may release."""
    return RulesOfDeciding(
        by=approval.by,
        value="" if approval.value is None else approval.value.__name__,
        above=tuple(sorted(approval.above.items(), key=lambda one: one[0])),
        denials=approval.denials,
        may_decide_own=approval.may_decide_own,
        requires=approval.requires,
        fresh_seconds=approval.fresh_seconds,
        within=approval.within,
        execute_within=approval.execute_within,
        escalate=tuple(approval.escalate),
        break_glass=approval.break_glass,
        releases=tuple(sorted(releases)),
    )


def read_rules(text: str) -> RulesOfDeciding:
    """The rules whose one form this is, as a genuine record has it."""
    plain = json.loads(text)
    glass = plain["break_glass"]
    if glass is not None:
        (whom,) = quorum_from(glass["by"]).named
        glass = BreakGlass(by=whom, at_most=glass["at_most"], per_day=glass["per_day"])
    read = {
        "by": quorum_from(plain["by"]),
        "above": tuple((limit, quorum_from(whom)) for limit, whom in plain["above"]),
        "escalate": tuple((float(after), quorum_from(whom)) for after, whom in plain["escalate"]),
        "break_glass": glass,
        "releases": tuple(plain["releases"]),
    }
    return RulesOfDeciding(**(plain | read))


def to_ask(in_force: RulesOfDeciding | None, declared: RulesOfDeciding) -> RulesOfDeciding:
    """By which rules an approval asks that declares `declared`: those in force.

    Where there are none, or a yes would release what they do not name, nobody but the Responsible Individual decides.
    """
    if in_force is None:
        return declared.of_the_responsible()
    if not set(declared.releases) <= set(in_force.releases):
        return in_force.of_the_responsible()
    return in_force


def under(approval: Approval[Any], rules: RulesOfDeciding) -> Approval[Any]:
    """The approval, asking by these rules. Where nobody but the Responsible Individual decides, no exemption does."""
    made = copy(approval)
    known = approval.value is not None and approval.value.__name__ == rules.value
    made.value = approval.value if known else _not_known(rules.value) if rules.value else None
    made.exempt = None if rules.by == RESPONSIBLE else approval.exempt
    made.above, made.break_glass, made.escalate = dict(rules.above), rules.break_glass, rules.escalate
    for name in ("by", "denials", "may_decide_own", "requires", "fresh_seconds", "within", "execute_within"):
        setattr(made, name, getattr(rules, name))
    return made


def changes(older: RulesOfDeciding | None, newer: RulesOfDeciding) -> list[tuple[str, str, str]]:
    """What differs: its name, how it was and how it would be, in words. Where there were none: all that is asked."""
    before, after = {} if older is None else older.words(), newer.words()
    return [(name, before.get(name, ""), after[name]) for name in after if before.get(name) != after[name]]


def _not_known(name: str) -> Any:
    def value(*_: Any) -> NoReturn:
        raise InvalidInput(f"the rules in force value it by {name}, and this version has no such function")

    return value


def _each(how: str, stages: Iterator[tuple[str, Quorum]]) -> str:
    return "; ".join(f"{how} {limit}: {whom}" for limit, whom in stages) or "none"


def _whole(seconds: float) -> float:
    """As canonical JSON has it: a whole number of seconds is one."""
    return int(seconds) if seconds == int(seconds) else seconds
