"""Eligibility and voting agree with a model that tries everything."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from answerable.agents.people import Person, Quorum, Role, all_of, either, person, quorum, quorum_from, role
from answerable.approvals.voting.counting import Cast, Electorate, counted, for_option, missing
from answerable.approvals.voting.eligibility import Asked, Delegated, check_eligible
from answerable.errors import DeclarationError, NotEligible
from answerable.tracing.people import PersonRow
from tests.properties.profiles import examples
from tests.reference.electing import Said, Somebody, Tree, World

HANDLES = ("ann", "bob", "cat", "dan", "eve", "fay")
ROLES = ("lead", "pharmacist")
TEAMS = ("crew", "desk")
OPTIONS = ("as-proposed", "other")

seeds = st.integers(0, 2**32)


def as_declared(tree: Tree) -> Quorum:
    if tree[0] != "quorum":
        return (all_of if tree[0] == "and" else either)(as_declared(tree[1]), as_declared(tree[2]))
    return quorum(tree[1], *(role(of) if kind == "role" else person(of) for kind, of in tree[2]))


def tree_of(chance: Random, depth: int = 0) -> Tree:
    """A small expression: most are of roles, some of persons, some of both."""
    if depth < 2 and chance.random() < 0.45:
        return (chance.choice(("and", "or")), tree_of(chance, depth + 1), tree_of(chance, depth + 1))
    pool = [("role", one) for one in ROLES] + [("person", one) for one in HANDLES[:3]]
    names = chance.sample(pool, chance.choice((1, 1, 2)))
    return ("quorum", chance.choice((1, 1, 2)), tuple(names))


def world_of(chance: Random) -> World:
    """A small world in which much can go wrong: people of several roles, each now and then too close."""

    def some(of: Sequence[str], likely: float) -> frozenset[str]:
        return frozenset(one for one in of if chance.random() < likely)

    people = {one: Somebody(handle=one, roles=some(ROLES, 0.5), teams=some(TEAMS, 0.2)) for one in HANDLES}
    return World(
        people=people,
        responsible=chance.choice(HANDLES),
        trees={option: tree_of(chance) for option in OPTIONS},
        started_by=chance.choice(("", "", *HANDLES)),
        authors=some(HANDLES, 0.08),
        responders=some(HANDLES, 0.08),
        owners=some((*HANDLES[:2], *TEAMS), 0.12),
        acted_for=some(HANDLES, 0.05),
        may_decide_own=chance.random() < 0.15,
        denials=chance.choice((1, 2, 2, 3)),
        delegations=[tuple(chance.sample(HANDLES, 2)) for _ in range(chance.choice((0, 1, 2, 3, 4)))],  # type: ignore[misc]  # pairs
    )


def answer_of(chance: Random, world: World) -> Said:
    """An answer, of which many are by delegates."""
    if world.delegations and chance.random() < 0.4:
        giver, taker = chance.choice(world.delegations)
        return Said(by=taker, for_person=giver, option=chance.choice(("", OPTIONS[0], OPTIONS[0], OPTIONS[1])))
    by, whom = chance.sample(HANDLES, 2)
    acts = whom if chance.random() < 0.05 else ""
    return Said(by=by, for_person=acts, option=chance.choice(("", OPTIONS[0], OPTIONS[0], OPTIONS[0], OPTIONS[1])))


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


@examples(2000)
@given(seeds)
def test_voting_agrees_with_trying_everything(seed: int) -> None:
    chance = Random(seed)
    world = world_of(chance)
    said = [answer_of(chance, world) for _ in range(chance.randint(1, 7))]
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


@examples(2000)
@given(seeds)
def test_who_may_answer_agrees_with_trying_everything(seed: int) -> None:
    chance = Random(seed)
    world = world_of(chance)
    said = answer_of(chance, world)
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


@examples(300)
@given(seeds)
def test_an_expression_has_one_form(seed: int) -> None:
    tree = tree_of(Random(seed))
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
