"""Checking a rule before anybody approves it: against its approval, and by its own cases.

1. What is found wrong is told whole. A rule that fails a case of its own does not mean what its author says it means.
2. A case is decided as a request would be: by the policy, within caps of which nothing is used, and with no call that
   the rule does not name. As a rule that decides has a case that it decides, one that can never act is found.
3. A policy that never applies, whatever it sees, is found without a case, since one that forbids needs none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from answerable.approvals.rules.caps import amounts, named_cap
from answerable.approvals.rules.cedar import CedarPolicies, check_policies, effects_of, idle_policies
from answerable.approvals.rules.contexts import Place, is_number
from answerable.approvals.rules.file import COUNT, Case, RuleFile
from answerable.errors import InvalidRule

_NO_CONTEXT: Final = "failed to build request: "  # how Cedar begins where a context is not what the schema says


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a rule did with one of its cases: "decides" or "asks", and why it asks if that is not the policy's word.

    A case that does not `fit` has a context that no option could have, so it shows nothing.
    """

    case: Case
    decides: bool
    why: str = ""
    fits: bool = True

    @property
    def as_said(self) -> bool:
        """Whether it did what the case says."""
        return self.fits and self.decides == self.case.decides


def check_rule(rule: RuleFile, place: Place) -> None:
    """Check a rule against where it is to decide. Raises: InvalidRule with everything that is wrong."""
    problems = list(_problems(rule, place))
    if problems:
        raise InvalidRule(f"rule {rule.name}@{rule.version} does not fit {place.approval}:\n" + "\n".join(problems))
    check_policies(rule.policy, place.schema_text)
    idle = idle_policies(rule.policy, place.schema_text, system=rule.system, option=rule.option)
    if idle:
        where = f"to {rule.option} of {rule.system}" if rule.option else f"in {rule.system}"
        raise InvalidRule(
            f"rule {rule.name}@{rule.version} has a policy that never applies {where}, whatever it sees:\n"
            + "\n".join(f"policy {number}, which {effect}s" for number, effect in idle),
            hint="look at what is behind principal and resource, and at conditions that are never true; or take it out",
        )


def try_cases(rule: RuleFile, place: Place) -> list[Tried]:
    """What the rule does with each of its cases. Raises: InvalidRule."""
    policies = CedarPolicies({"rule": rule.policy}, place.schema_text)
    found = []
    for case in rule.tests:
        said = policies.judge(rule.system, rule.option, case.context)
        decides, why, fits = "rule" in said.permits, said.trouble, not said.trouble.startswith(_NO_CONTEXT)
        if not fits:
            why = (
                f"no option has such a context: {why.removeprefix(_NO_CONTEXT).removeprefix('while parsing context, ')}"
            )
        if decides and (kept := _kept_back(rule, case.context)):
            decides, why = False, kept
        found.append(Tried(case=case, decides=decides, why=why, fits=fits))
    return found


def _kept_back(rule: RuleFile, context: Mapping[str, Any]) -> str:
    """Why a rule does not decide what its policy permits, though nothing of its caps is used; "" if it does."""
    wanted = amounts([(cap.of, cap.most, cap.per) for cap in rule.caps], context)
    if wanted is None:
        return "what its caps count is not there, or is negative"
    beyond = [cap for cap in rule.caps if wanted[named_cap(cap.of, cap.per)] > cap.most]
    if beyond:
        takes = ", ".join(f"{wanted[named_cap(cap.of, cap.per)]:,} of at most {cap}" for cap in beyond)
        return f"it takes {takes}: raise the cap"
    others = sorted(name for name, count in context["calls"].items() if count and name not in rule.effects)
    return f"it would release {', '.join(others)}: name that in effects" if others else ""


def doubts(rule: RuleFile, place: Place) -> list[str]:
    """What is no mistake, and is perhaps not meant, in words."""
    if rule.option and place.effects and not rule.effects:
        return [f"effects names none of {', '.join(place.effects)}: it decides only where its option releases no call"]
    return []


def check_cases(rule: RuleFile, place: Place) -> None:
    """Raises: InvalidRule if a rule does not do what its own cases say."""
    wrong = [one for one in try_cases(rule, place) if not one.as_said]
    if wrong:
        lines = "\n".join(
            f"{one.case.name!r}: it {'decides' if one.decides else 'asks a person'}{f' ({one.why})' if one.why else ''}"
            for one in wrong
        )
        raise InvalidRule(
            f"rule {rule.name}@{rule.version} does not do what its own cases say:\n{lines}",
            hint=f"`answerable rules schema {rule.approval}` prints all that a context has, and a case has to have",
        )


def _problems(rule: RuleFile, place: Place) -> Iterator[str]:
    if rule.system != place.system:
        yield f"system: it is for {rule.system!r}, and this is {place.system!r}"
    if rule.approval != place.approval:
        yield f"approval: it is for {rule.approval!r}, and this is {place.approval!r}"
    unknown = sorted(set(rule.effects) - set(place.effects))
    if unknown:
        yield f"effects: the approval releases no {', '.join(unknown)}; it may release {', '.join(place.effects)}"
    if rule.option and place.options and rule.option not in place.options:
        yield f"option: the approval offers {', '.join(place.options)} and computes no others, so never {rule.option}"
    for cap in rule.caps:
        if cap.of != COUNT and not is_number(place.schema, cap.of):
            yield f"caps: {cap.of!r} is no whole number that every option has"
    kinds = effects_of(rule.policy)
    if rule.option and "permit" not in kinds:
        yield "policy: it permits nothing, so it chooses no option"
    if not rule.option and "permit" in kinds:
        yield "policy: it permits something, so the rule has to name the option that it chooses"
