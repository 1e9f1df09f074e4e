"""Expressions of people: what they mean, in words and as JSON; and those that nobody could fill."""

from __future__ import annotations

import json
from typing import Any

import pytest

from answerable.agents.people import Quorum, all_of, as_quorum, person, quorum, quorum_from, role
from answerable.errors import DeclarationError

LEAD, PHARMACIST = role("dispatch-lead"), role("pharmacist")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (LEAD, "role dispatch-lead"),
        (person("ann"), "ann"),
        (quorum(1, LEAD), "role dispatch-lead"),
        (quorum(2, LEAD), '2 of role("dispatch-lead")'),
        (quorum(2, LEAD) & PHARMACIST, '2 of role("dispatch-lead") and 1 of role("pharmacist")'),
        (PHARMACIST & quorum(2, LEAD), '2 of role("dispatch-lead") and 1 of role("pharmacist")'),
        (LEAD & LEAD, '2 of role("dispatch-lead")'),
        (LEAD | person("ann"), '1 of person("ann") or 1 of role("dispatch-lead")'),
        (LEAD | LEAD, "role dispatch-lead"),
        (quorum(2, LEAD, person("ann")), '2 of (person("ann"), role("dispatch-lead"))'),
        (
            (LEAD | person("ann")) & PHARMACIST,
            '1 of person("ann") and 1 of role("pharmacist") or 1 of role("dispatch-lead") and 1 of role("pharmacist")',
        ),
    ],
)
def test_an_expression_in_words_and_as_json(expression: Any, words: str) -> None:
    found = as_quorum(expression)
    assert str(found) == words
    assert quorum_from(json.loads(json.dumps(found.as_json()))) == found


def test_the_json_of_an_expression() -> None:
    assert (quorum(2, LEAD) & person("ann")).as_json() == [
        [
            {"of": [{"person": "ann"}], "people": 1},
            {"of": [{"role": "dispatch-lead"}], "people": 2},
        ]
    ]


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: quorum(0, LEAD), "at least 1 person"),
        (lambda: quorum(-1, LEAD), "at least 1 person"),
        (lambda: quorum(True, LEAD), "at least 1 person"),
        (lambda: quorum(2.0, LEAD), "at least 1 person"),  # type: ignore[arg-type]  # what an untyped user may do
        (lambda: quorum(2), "names nobody"),
        (lambda: quorum(1, role(" ")), "without a name"),
        (lambda: quorum(1, person("")), "without a handle"),
        (lambda: quorum(1, LEAD & PHARMACIST), "neither a role nor a person"),  # type: ignore[arg-type]  # as above
        (lambda: quorum(2, LEAD, LEAD), "twice"),
        (lambda: quorum(1, "dora"), "neither a role nor a person"),  # type: ignore[arg-type]  # as above
        (lambda: quorum(2, person("ann")), "count twice"),
        (lambda: person("ann") & person("ann"), "count twice"),
        (lambda: person("ann") & quorum(2, person("ann"), person("bob")), "count twice"),
        (lambda: quorum(21, LEAD), "more than 20 people"),
        (lambda: quorum(15, LEAD) & quorum(6, PHARMACIST), "more than 20 people"),
        (lambda: LEAD & "dora", "names nobody"),  # type: ignore[operator]  # as above
        (lambda: all_of(*([LEAD | person("ann")] * 1 + [_either(7), _either(7, "c")])), "more than 20"),
    ],
)
def test_what_nobody_could_fill_is_refused_where_it_is_written(declare: Any, says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        declare()


def _either(count: int, prefix: str = "b") -> Quorum:
    found: Any = person(f"{prefix}0")
    for number in range(1, count):
        found |= person(f"{prefix}{number}")
    return as_quorum(found)
