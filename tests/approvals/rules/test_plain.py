"""What is judged without Cedar is judged as Cedar judges it, by policies of every kind, of whatever context."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answerable.approvals.rules.cedar import CedarPolicies
from answerable.approvals.rules.contexts import schema_of
from answerable.approvals.rules.plain import NotPlain, PlainPolicies
from tests.properties.profiles import examples

_LONG, _TEXT, _TRUTH = {"type": "Long"}, {"type": "String"}, {"type": "Boolean"}
_SEEN = {
    "n": _LONG,
    "m": {**_LONG, "required": False},
    "flag": _TRUTH,
    "text": _TEXT,
    "words": {"type": "Set", "element": _TEXT},
    "numbers": {"type": "Set", "element": _LONG},
    "inner": {"type": "Record", "attributes": {"deep": _LONG, "maybe": {**_TEXT, "required": False}}},
}
_SCHEMA = schema_of(effects=["post.it"], tiers=(), seen=None, value=False)
_SCHEMA[""]["actions"]["decide"]["appliesTo"]["context"]["attributes"]["seen"] = {"type": "Record", "attributes": _SEEN}
_WRITTEN = json.dumps(_SCHEMA)

_NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 2**63 - 1, -(2**63)])
_TEXTS = st.sampled_from(["", "a", "ab", "A", "é", "e\u0301", '"', "a*", "\u0000"])
_long = st.sampled_from(["context.seen.n", "context.seen.m", "context.seen.inner.deep", 'context.calls["post.it"]'])
_long |= _NUMBERS.map(str)
_text = st.sampled_from(["context.seen.text", "context.seen.inner.maybe"])
_text |= _TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False).replace("\\u0000", "\\0"))
_texts = st.just("context.seen.words") | st.lists(_text, min_size=1, max_size=3).map(lambda of: f"[{', '.join(of)}]")
_longs = st.just("context.seen.numbers") | st.lists(_long, min_size=1, max_size=3).map(lambda of: f"[{', '.join(of)}]")
_compared = st.sampled_from(["==", "!="])
_ordered = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])


def _joined(*parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(" ".join)


_plain_leaf = (
    st.sampled_from(["true", "false", "context.seen.flag", "context.seen has m", "context.seen.inner has maybe"])
    | _joined(_long, _ordered, _long)
    | _joined(_text, _compared, _text)
    | st.builds("{}.contains({})".format, _texts, _text)
    | st.builds("{}.contains({})".format, _longs, _long)
)
_other_leaf = (
    _joined(_long, _ordered, _long, st.sampled_from(["+", "-", "*"]), _long)
    | _joined(_text, _ordered, _long)  # of other types: an error, or never the same
    | _joined(_longs, _compared, _longs)
    | _joined(_text, st.just('like "a*"'))
    | st.builds("(if {} then {} else {})".format, _plain_leaf, _plain_leaf, _plain_leaf)
    | st.builds("{}.containsAll({})".format, _texts, _texts)
    | st.sampled_from(
        ["context.seen has other && context.seen.other == 1", 'resource == Option::"a"', "context.seen.n"]
    )
)


def _conditions(leaf: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        leaf,
        lambda inner: (
            st.builds("({} {} {})".format, inner, st.sampled_from(["&&", "||"]), inner)
            | st.builds("!({})".format, inner)
        ),
        max_leaves=6,
    )


def _policies(leaf: st.SearchStrategy[str], *, of: str) -> st.SearchStrategy[str]:
    more = {"plain": [], "any": ["principal is System", 'principal in System::"s"']}[of]
    clause = st.builds("{} {{ {} }}".format, st.sampled_from(["when", "unless"]), _conditions(leaf))
    return st.builds(
        "{}({}, {}, {}) {};".format,
        st.sampled_from(["permit", "permit", "forbid"]),
        st.sampled_from(["principal", 'principal == System::"s"', 'principal == System::"t"', *more]),
        st.sampled_from(["action", 'action == Action::"decide"', *(['action in [Action::"decide"]'] if more else [])]),
        st.sampled_from(["resource", 'resource == Option::"a"', 'resource == Option::"b"']),
        st.lists(clause, max_size=2).map(" ".join),
    )


def _rules(leaf: st.SearchStrategy[str], *, of: str) -> st.SearchStrategy[dict[str, str]]:
    texts = st.lists(st.lists(_policies(leaf, of=of), min_size=1, max_size=2).map("\n".join), min_size=1, max_size=4)
    return texts.map(lambda many: {f"rule/{place}": text for place, text in enumerate(many)})


_inner = st.fixed_dictionaries({"deep": _NUMBERS}, optional={"maybe": _TEXTS})
_seen = st.fixed_dictionaries(
    {
        "n": _NUMBERS,
        "flag": st.booleans(),
        "text": _TEXTS,
        "words": st.lists(_TEXTS, max_size=3),
        "numbers": st.lists(_NUMBERS, max_size=3),
        "inner": _inner,
    },
    optional={"m": _NUMBERS},
)
_contexts = st.fixed_dictionaries({"calls": st.fixed_dictionaries({"post.it": _NUMBERS}), "seen": _seen})
_wrong = st.sampled_from([None, True, 1, 2**63, 1.0, "a", [1], ["a"], [True, 1], {}, {"deep": 1, "more": 1}])


@st.composite
def _unfit(draw: st.DrawFn) -> dict[str, Any]:
    """A context that is mostly not what the schema says: one value is another, or is missing, or is one too many."""
    context: dict[str, Any] = draw(_contexts)
    where: Any = draw(st.sampled_from([context, context["seen"], context["calls"], context["seen"]["inner"]]))
    name = draw(st.sampled_from([*where, "other", "__entity", "__extn"]))
    if name in where and draw(st.booleans()):
        del where[name]
    else:
        where[name] = draw(_wrong)
    return context


@examples(400)
@given(rules=_rules(_plain_leaf | _other_leaf, of="any"), context=_contexts | _unfit(), option=st.sampled_from("ab"))
def test_rules_are_judged_as_cedar_judges_them(rules: dict[str, str], context: dict[str, Any], option: str) -> None:
    plainly, by_cedar = CedarPolicies(rules, _WRITTEN, plainly=True), CedarPolicies(rules, _WRITTEN)

    assert plainly.judge("s", option, context) == by_cedar.judge("s", option, context)


@examples(400)
@given(rules=_rules(_plain_leaf, of="plain"), context=_contexts, option=st.sampled_from("ab"))
def test_plain_ones_are_judged_so_without_asking(rules: dict[str, str], context: dict[str, Any], option: str) -> None:
    by_cedar = CedarPolicies(rules, _WRITTEN)
    plain = PlainPolicies(by_cedar.parsed, _WRITTEN)
    said = by_cedar.judge("s", option, context)

    try:
        permits, forbids = plain.judge("s", option, context)
    except NotPlain:
        assert "m" not in context["seen"] or "maybe" not in context["seen"]["inner"], "all is there"
    else:
        assert (said.trouble, said.forbids) == ("", forbids)
        assert said.permits == (frozenset() if forbids else permits)


_FITS: dict[str, Any] = {
    "calls": {"post.it": 1},
    "seen": {"n": 1, "flag": True, "text": "a", "words": ["a", "a"], "numbers": [1, 1], "inner": {"deep": 0}},
}


@pytest.mark.parametrize(
    ("condition", "changed"),
    [
        ("context.seen.n == 1", {"n": True}),
        ("context.seen.flag", {"flag": 1}),
        ("context.seen.numbers.contains(1)", {"numbers": [True]}),
        ("context.seen.numbers.contains(true)", {}),
        ("context.seen.numbers == [1]", {}),
        ("context.seen.words.contains([1])", {}),
        ('[1, "a"].contains(1)', {}),
        ("[1, true].contains(context.seen.n)", {}),
        ("context.seen == context.seen", {}),
        ("context.seen.n < 2 || context.seen.m == 1", {}),
        ("context.seen.m == 1 || context.seen.n < 2", {}),
        ('context.seen.text == "a"', {"text": {"__entity": {"type": "Option", "id": "a"}}}),
        ("context.seen.n < 2", {"text": None}),
        ("context.seen.n < 2", {"n": 2**63}),
    ],
)
def test_the_hard_ones_are_judged_as_cedar_judges_them(condition: str, changed: dict[str, Any]) -> None:
    rules = {"rule": f"permit(principal, action, resource) when {{ {condition} }};"}
    context = {**_FITS, "seen": _FITS["seen"] | changed}
    plainly, by_cedar = CedarPolicies(rules, _WRITTEN, plainly=True), CedarPolicies(rules, _WRITTEN)

    assert plainly.judge("s", "a", context) == by_cedar.judge("s", "a", context)
