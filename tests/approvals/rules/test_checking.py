"""Rules that could never decide, and what is said of each; and what is only doubted."""

from __future__ import annotations

import pytest

from answerable.approvals.rules.checking import check_cases, check_rule, doubts
from answerable.approvals.rules.contexts import Place
from answerable.approvals.rules.file import RuleFile
from answerable.approvals.rules.times import times_of
from answerable.errors import InvalidRule
from answerable.orchestrator.places import place_of
from tests.approvals.rules.ruled import SHORT, rule_file, ruled
from tests.orchestrator.letters import Ask, Letter

POLICY = SHORT[SHORT.index("permit") : SHORT.index("};") + 2]
NOW = 1_800_000_000_000_000


def other(letter: Letter, ask: Ask) -> dict[str, Letter]:
    return {"other": Letter(text="other")}


@pytest.fixture
def place() -> Place:
    return place_of(ruled().graph, "sign")


def checked(rule: RuleFile, place: Place) -> None:
    check_rule(rule, place)
    check_cases(rule, place)


def wrong(rule: RuleFile, place: Place) -> str:
    """What is said of a rule that cannot be."""
    with pytest.raises(InvalidRule) as refused:
        checked(rule, place)
    return f"{refused.value.message} {refused.value.hint}"


def test_the_rule_itself_is_fine(place: Place) -> None:
    checked(rule_file(), place)
    assert doubts(rule_file(), place) == []


def test_an_option_that_is_never_offered(place: Place) -> None:
    rule = rule_file(option='"shorter"')
    assert "option: the approval offers as-proposed and computes no others, so never shorter" in wrong(rule, place)
    check_rule(rule, place_of(ruled(options=other).graph, "sign"))  # nobody knows what a function computes


@pytest.mark.parametrize(
    "policy",
    [
        "permit (principal, action, resource) when { false };",
        "permit (principal, action, resource) unless { 1 == 1 };",
        'permit (principal == System::"telegrams", action, resource) when { context.seen.length <= 10 };',
        'permit (principal, action, resource == Option::"shorter") when { context.seen.length <= 10 };',
        "permit (principal, action, resource) when { principal == resource };",
    ],
)
def test_a_policy_that_never_applies(place: Place, policy: str) -> None:
    said = wrong(rule_file(SHORT.replace(POLICY, f"{POLICY}\n{policy}")), place)
    assert "never applies to as-proposed of letters" in said and "policy 2, which permits" in said


def test_one_that_forbids_and_never_applies_is_found_without_a_case(place: Place) -> None:
    text = SHORT[: SHORT.index("[[caps]]")].replace(
        POLICY, 'forbid (principal == System::"telegrams", action, resource);'
    )
    text = text.replace('option = "as-proposed"\neffects = ["post"]\n', "")
    case = SHORT[SHORT.rindex("[[tests]]") :]
    assert "policy 1, which forbids" in wrong(rule_file(text + case), place)
    check_rule(rule_file(text.replace("telegrams", "letters") + case), place)


def test_a_policy_that_may_apply_is_let_be(place: Place) -> None:
    scoped = 'permit (principal == System::"letters", action, resource == Option::"as-proposed")'
    check_rule(rule_file(SHORT.replace("permit (principal, action, resource)", scoped)), place)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SHORT.replace('"count"\nmost = 3', '"seen.length"\nmost = 2'), "it takes 3 of at most 2 seen.length per day"),
        (SHORT.replace('effects = ["post"]\n', ""), "it would release post: name that in effects"),
        (SHORT.replace("<= 10", "<= 10 && context.seen.length > 20"), "'a short one': it asks a person"),
    ],
)  # fmt: skip
def test_a_case_is_decided_as_a_request_would_be(place: Place, text: str, said: str) -> None:
    assert said in wrong(rule_file(text), place)


def test_a_rule_that_names_no_effect_is_doubted(place: Place) -> None:
    text = SHORT.replace('effects = ["post"]\n', "").replace("post = 1", "post = 0")
    check_cases(rule_file(text), place)
    assert doubts(rule_file(text), place) == [
        "effects names none of post: it decides only where its option releases no call"
    ]


@pytest.mark.parametrize(
    ("expires", "said"), [("2020-01-01T00:00:00Z", "expires before"), ("2099-01-01T00:00:00Z", "more than 90 days")]
)
def test_times_that_cannot_be(expires: str, said: str) -> None:
    rule = rule_file(SHORT.replace("version = 1", f"version = 1\nexpires = {expires}"))
    with pytest.raises(InvalidRule, match=said):
        times_of(rule, at=NOW)
