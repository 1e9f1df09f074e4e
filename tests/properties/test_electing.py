"""Eligibility and voting agree with a model that tries everything."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from answerable.agents.people import Person, Quorum, Role, all_of, either, person, quorum, quorum_from, role
from answerable.approvals.eligibility import Asked, Delegated, check_eligible
from answerable.approvals.voting import Cast, Electorate, counted, for_option, missing
from answerable.errors import DeclarationError, NotEligible
from answerable.tracing.people import PersonRow
from tests.properties.profiles import examples
from tests.reference.electing import Said, Somebody, Tree, World

HANDLES = ("ann", "bob", "cat", "dan", "eve", "fay")
ROLES = ("lead", "pharmacist")
TEAMS = ("crew", "desk")
OPTIONS = ("as-proposed", "other")

names = st.sampled_from([("role", one) for one in ROLES] + [("person", one) for one in HANDLES[:3]])
leaves: st.SearchStrategy[Tree] = st.builds(
    lambda count, of: ("quorum", count, tuple(of)),
    st.integers(1, 3),
    st.lists(names, min_size=1, max_size=3, unique=True),
)
trees = st.recursive(leaves, lambda inner: st.tuples(st.sampled_from(["and", "or"]), inner, inner), max_leaves=3)


def as_declared(tree: Tree) -> Quorum:
    if tree[0] != "quorum":
        return (all_of if tree[0] == "and" else either)(as_declared(tree[1]), as_declared(tree[2]))
    return quorum(tree[1], *(role(of) if kind == "role" else person(of) for kind, of in tree[2]))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    some = st.sets(st.sampled_from(HANDLES), max_size=2)
    people = {
        handle: Somebody(
            handle=handle,
            roles=frozenset(draw(st.sets(st.sampled_from(ROLES)))),
            teams=frozenset(draw(st.sets(st.sampled_from(TEAMS), max_size=1))),
        )
        for handle in HANDLES
    }
    pairs = st.tuples(st.sampled_from(HANDLES), st.sampled_from(HANDLES)).filter(lambda pair: pair[0] != pair[1])
    return World(
        people=people,
        responsible=draw(st.sampled_from(HANDLES)),
        trees={option: draw(trees) for option in OPTIONS},
        started_by=draw(st.sampled_from(("", *HANDLES))),
        authors=frozenset(draw(some)),
        responders=frozenset(draw(some)),
        owners=frozenset(draw(st.sets(st.sampled_from((*HANDLES[:2], *TEAMS)), max_size=1))),
        acted_for=frozenset(draw(st.sets(st.sampled_from(HANDLES), max_size=1))),
        may_decide_own=draw(st.booleans()),
        denials=draw(st.integers(1, 3)),
        delegations=draw(st.lists(pairs, max_size=3, unique=True)),
    )


answers = st.lists(
    st.builds(
        Said,
        by=st.sampled_from(HANDLES),
        for_person=st.sampled_from(("", "", "", *HANDLES)),
        option=st.sampled_from(("", *OPTIONS, *OPTIONS)),
    ).filter(lambda said: said.by != said.for_person),
    max_size=6,
)


def asked_of(world: World) -> Asked:
    try:
        options = {option: as_declared(tree) for option, tree in world.trees.items()}
    except DeclarationError:  # nobody could ever fill it: refused where it is declared
        assume(False)
        raise
    return Asked(
        by=options["as-proposed"],
        options=options,
        denials=world.denials,
        started_by=world.started_by,
        editors=sorted(world.authors),
        responders=sorted(world.responders),
        owners=sorted(world.owners),
        acting_for=sorted(world.acted_for),
        may_decide_own=world.may_decide_own,
        requires="",
        fresh_seconds=0,
    )


def rows_of(world: World) -> dict[str, PersonRow]:
    return {
        one.handle: PersonRow(
            id=one.handle,
            handle=one.handle,
            name="",
            contact="",
            roles=tuple(sorted(one.roles)),
            teams=tuple(sorted(one.teams)),
        )
        for one in world.people.values()
    }


def delegated(world: World, people: dict[str, PersonRow]) -> list[Delegated]:
    return [Delegated(id=f"{giver}-{taker}", giver=people[giver], taker=taker) for giver, taker in world.delegations]


@examples(500)
@given(worlds(), answers)
def test_voting_agrees_with_trying_everything(world: World, said: list[Said]) -> None:
    asked, people = asked_of(world), rows_of(world)
    electorate = Electorate(people=people, responsible=world.responsible, delegations=delegated(world, people))
    casts = [Cast(vote=str(n), by=one.by, for_person=one.for_person, option=one.option) for n, one in enumerate(said)]
    found = counted(casts, asked, electorate)
    chosen = {
        option
        for option in OPTIONS
        if (votes := for_option(found, option)) and not missing(asked.whom(option), [one.standing for one in votes])
    }
    if len(for_option(found, "")) >= asked.denials:
        chosen.add("")
    assert chosen == world.decided(said)


anybody = st.builds(
    Said,
    by=st.sampled_from(HANDLES),
    for_person=st.sampled_from(("", *HANDLES)),
    option=st.sampled_from(("", *OPTIONS)),
)


@examples(300)
@given(worlds(), anybody)
def test_who_may_answer_agrees_with_trying_everything(world: World, said: Said) -> None:
    assume(said.by != said.for_person)
    asked, people = asked_of(world), rows_of(world)
    try:
        check_eligible(
            people[said.by],
            asked,
            responsible=world.responsible,
            option=said.option,
            for_person=said.for_person or said.by,
            delegations=delegated(world, people),
        )
        may = True
    except NotEligible:
        may = False
    assert may == world.may(said)


@examples(200)
@given(trees)
def test_an_expression_has_one_form(tree: Tree) -> None:
    try:
        found = as_declared(tree)
    except DeclarationError:
        return
    assert quorum_from(found.as_json()) == found
    if tree[0] != "quorum":
        turned = (tree[0], tree[2], tree[1])
        assert as_declared(turned) == found
        assert str(as_declared(turned)) == str(found)


def test_a_name_is_a_place_of_its_own() -> None:
    one: Any = Role("lead")
    assert as_declared(("quorum", 1, (("role", "lead"),))) == either(one) == all_of(one)
    assert str(either(one)) == "role lead"
    assert str(either(Person("ann"))) == "ann"
