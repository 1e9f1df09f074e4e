"""Checking a rule before anybody approves it: against the schema of its approval, and by its own cases.

What is found wrong is told whole. A rule that fails a case of its own does not mean what its author says it means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from answerable.approvals.rules.caps import amounts
from answerable.approvals.rules.cedar import CedarPolicies, check_policies, effects_of
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
        if decides and amounts([(cap.of, cap.most, cap.per) for cap in rule.caps], case.context) is None:
            decides, why = False, "what its caps count is not there, or is negative"
        found.append(Tried(case=case, decides=decides, why=why, fits=fits))
    return found


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
    for cap in rule.caps:
        if cap.of != COUNT and not is_number(place.schema, cap.of):
            yield f"caps: {cap.of!r} is no whole number that every option has"
    kinds = effects_of(rule.policy)
    if rule.option and "permit" not in kinds:
        yield "policy: it permits nothing, so it chooses no option"
    if not rule.option and "permit" in kinds:
        yield "policy: it permits something, so the rule has to name the option that it chooses"
