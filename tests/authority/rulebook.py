"""Standing rules as they are to be: one loop over everything, and a table of what was used. No code of ours is asked.

1. Of a name, the highest version that was ever approved and has begun is the one that counts; it decides nothing once
   it is revoked or over. No older one comes back.
2. What any of them forbids, and where one fails, none decides, though too few stand behind it now; such a one permits
   nothing. Those that choose different options decide nothing.
3. What was used is counted by name, in the hour or day of UTC; an older window than the newest is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from tests.reference.electing import Said, Somebody, Tree, World

LENGTHS = {"hour": 3600 * 1_000_000, "day": 24 * 3600 * 1_000_000}
APPROVE = "approve"
TAKES: Tree = ("quorum", 2, [("role", "lead")])  # what is worth the most takes two


@dataclass
class Rule:
    """One version of a rule: `kind` is permits, forbids or fails; `sample` whether a person looks at it afterwards."""

    id: str
    name: str
    version: int
    author: str
    kind: str
    option: str  # "" unless it permits
    limit: int  # what it decides, or forbids, is worth as much at most, or more
    caps: dict[str, tuple[int, str]]  # of what → the most, and per what
    sample: bool
    not_before: int
    expires_at: int
    state: str = "proposed"  # approved, revoked
    answers: list[Said] = field(default_factory=list)
    approvers: set[str] = field(default_factory=set)
    forged: bool = False  # somebody wrote its approval by hand

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def people(self) -> set[str]:
        """Whoever stands behind what it decides."""
        return self.approvers | {self.author}

    def says(self, worth: int, critical: bool) -> str:
        """What its policy says of an option: permit, forbid, fail or ""."""
        if self.kind == "permits":
            return "permit" if worth <= self.limit and not critical else ""
        if self.kind == "forbids":
            return "forbid" if worth > self.limit else ""
        return "fail" if abs(worth) > 1 else ""


@dataclass
class Rules:
    """All rules of one approval, and what was used of their caps: (name, of what, per what) → window, amount."""

    all: dict[str, Rule] = field(default_factory=dict)  # by id
    used: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)
    spoiled: bool = False  # somebody wrote one by hand: as soon as that is read, none decides any more

    def world(
        self, rule: Rule, people: Mapping[str, Somebody], responsible: str, pairs: list[tuple[str, str]]
    ) -> World:
        """Everybody, and what approving a rule asks."""
        return World(
            people=dict(people),
            responsible=responsible,
            trees={APPROVE: TAKES},
            authors=frozenset({rule.author}),
            owners=frozenset({"writers"}),
            delegations=pairs,
        )

    def active(self, now: int) -> list[Rule]:
        """Those that have force, by name."""
        begun = [one for one in self.all.values() if one.approvers and not one.forged and one.not_before <= now]
        newest = [
            max(each, key=lambda one: one.version)
            for _, each in groupby(sorted(begun, key=lambda one: one.name), key=lambda one: one.name)
        ]
        return [one for one in newest if one.state == "approved" and now < one.expires_at]

    def judge(
        self,
        worths: Mapping[str, int | None],
        *,
        critical: bool,
        now: int,
        close: Callable[[str, str], bool],
        stands: Callable[[Rule], bool],
    ) -> tuple[Rule | None, Rule | None]:
        """The rule that decides a request with these options, which uses its caps; or the first that its caps kept.

        `close` says whether somebody is too close to it to choose an option, `stands` whether those who approved a rule
        could approve it now.
        """
        found: list[Rule] = []
        active = self.active(now)
        for option in sorted({one.option for one in active if one.option} & worths.keys()):
            worth = worths[option]
            if worth is None:
                return None, None
            said = {one.id: one.says(worth, critical) for one in active}
            if {"forbid", "fail"} & set(said.values()):
                return None, None
            found += [one for one in active if said[one.id] == "permit" and one.option == option and stands(one)]
        capped: Rule | None = None
        if len({one.option for one in found}) != 1:
            return None, None
        for one in found:
            if any(close(who, one.option) for who in one.approvers):
                continue
            if self._use(one, worths[one.option] or 0, now):
                return one, None
            capped = capped or one
        return None, capped

    def _use(self, rule: Rule, worth: int, now: int) -> bool:
        new = {}
        for of, (most, per) in rule.caps.items():
            amount = 1 if of == "count" else worth
            window = now // LENGTHS[per]
            before, used = self.used.get((rule.name, of, per), (window, 0))
            used = amount + (used if before == window else 0)
            if window < before or used > most:
                return False
            new[rule.name, of, per] = window, used
        self.used |= new
        return True
