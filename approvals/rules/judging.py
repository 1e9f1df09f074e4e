"""Judging: which active rule, if any, decides a request. Pure.

1. All active rules of an approval are asked together, once for each option that one of them chooses. A rule permits
   the option that it names, and no other; what any of them forbids, none decides.
2. Any failure, a rule that does not fit the present schema, one that was approved when others were asked than now, a
   context that is not there, or rules that choose different options: a person is asked.
3. A suspended rule, which too few stand behind now (`backing`), permits nothing; what it forbids stays forbidden.
4. A rule releases only effects that it names. Of several that choose the same option the first by name decides, or,
   where its caps do not have it, the next.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from answerable.approvals.rules.backing import lacking, put_back
from answerable.approvals.rules.caps import amounts
from answerable.approvals.rules.cedar import CedarPolicies, Policies, check_policies
from answerable.approvals.rules.contexts import Place
from answerable.approvals.rules.rows import RuleRow, active_rules, approved_rules, generation
from answerable.approvals.sealing.keys import Key
from answerable.errors import InvalidRule, StoreCorrupt
from answerable.tracing.canonical import canonical
from answerable.tracing.storage.store import Tx

FOR_EVER: Final = 2**62
_WHO_APPROVES: Final = ("by", "requires", "fresh_seconds")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A rule that would decide, the option that it chooses, and what that uses of each of its caps."""

    rule: RuleRow
    option: str
    wanted: Mapping[str, int]


class ActiveRules:
    """The active rules of an approval, parsed for its schema."""

    def __init__(self, rules: Sequence[RuleRow], place: Place, suspended: Collection[str] = ()) -> None:
        self._suspended = suspended
        self.rules = {rule.head.id: rule for rule in sorted(rules, key=lambda one: one.head.name)}
        self.options = tuple(sorted({rule.body["option"] for rule in rules} - {""}))
        self._policies: Policies | None = None
        if self.options and all(fits(rule, place) for rule in rules):
            policies = {id: rule.body["policy"] for id, rule in self.rules.items()}
            self._policies = CedarPolicies(policies, place.schema_text)

    def judge(self, system: str, options: Sequence[Mapping[str, Any]]) -> list[Candidate]:
        """The rules that would decide, in the order in which they are to be tried; `options` are those of the body."""
        found: list[Candidate] = []
        offered = {option["name"]: option for option in options}
        for name in self.options:
            option = offered.get(name)
            if option is None:
                continue
            if self._policies is None or option["context"] is None:
                return []
            said = self._policies.judge(system, name, option["context"])
            if said.trouble or said.forbids:
                return []
            found += self._candidates(said.permits, option)
        return found if len({one.option for one in found}) == 1 else []

    def _candidates(self, permits: frozenset[str], option: Mapping[str, Any]) -> list[Candidate]:
        found = []
        for id, rule in self.rules.items():
            if id not in permits or id in self._suspended or rule.body["option"] != option["name"]:
                continue
            wanted = amounts(rule.caps, option["context"])
            if wanted is not None and {call["name"] for call in option["calls"]} <= set(rule.body["effects"]):
                found.append(Candidate(rule=rule, option=option["name"], wanted=wanted))
        return found


def fits(rule: RuleRow, place: Place) -> bool:
    """Whether a rule fits the approval, which may be newer: its policy the schema, its approvers who is asked now."""
    if any(rule.body["asked"][name] != place.asked[name] for name in _WHO_APPROVES):
        return False
    schema = place.schema_text
    return canonical(rule.body["schema"]).decode() == schema or _checked(rule.body["policy"], schema)


@lru_cache(maxsize=256)
def _checked(policy: str, schema: str) -> bool:
    try:
        check_policies(policy, schema)
    except InvalidRule:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the rules of an approval say of a request, and of which generation they were."""

    generation: int
    candidates: Sequence[Candidate] = ()


class _Known:
    """The rules of an approval that were ever approved, and those of them that were active when it was last asked."""

    def __init__(self, generation: int, approved: Sequence[RuleRow], suspended: Collection[str]) -> None:
        self.generation = generation
        self._suspended = suspended
        self._approved = approved
        self._changes = sorted({one.head.not_before for one in approved} | {one.head.expires_at for one in approved})
        self._now: tuple[int, int, ActiveRules | None] = (0, 0, None)  # which are active, between which times

    def active(self, place: Place, *, at: int) -> ActiveRules | None:
        """The rules that have force at a time, parsed; None if there are none."""
        begins, ends, active = self._now
        if not begins <= at < ends:
            after = bisect_right(self._changes, at)
            begins = self._changes[after - 1] if after else 0
            ends = self._changes[after] if after < len(self._changes) else FOR_EVER
            found = active_rules(self._approved, at=at)
            active = ActiveRules(found, place, self._suspended) if found else None
            self._now = begins, ends, active  # at once: transactions run in threads
        return active


class RuleBook:
    """The rules of a service's approvals as they were read last, and parsed."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def learn(self, tx: Tx, key: Key, system: str, approval: str) -> None:
        """Read the rules of an approval.

        There are none at all if one of them is not what was approved: it may be one that forbids.
        """
        try:
            found = approved_rules(tx, system, approval)
        except StoreCorrupt:
            found = []
        genuine = all(one.head.genuine(key) for one in found) and not put_back(tx, key, found)
        found = found if genuine else []
        self._known[approval] = _Known(generation(tx, system), found, lacking(tx, key, found))

    def forget(self, approval: str) -> None:
        """Have the rules of an approval read anew."""
        self._known.pop(approval, None)

    def judge(self, place: Place, options: Sequence[Mapping[str, Any]], *, at: int) -> Judged | None:
        """The rules that would decide a request with these options at a time; None if they have to be read first."""
        known = self._known.get(place.approval)
        if known is None:
            return None
        active = known.active(place, at=at)
        found = active.judge(place.system, options) if active is not None else ()
        return Judged(generation=known.generation, candidates=found)
