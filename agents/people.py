"""People as a declaration names them: persons, teams and roles, and how many of them it takes.

In code a person is a handle ("alice"). In records and spans a person is an opaque generated id; the registry in the
store (`answerable people`) maps one to the other and holds names, teams and roles.

1. `quorum(2, role("x"))` are two different people with that role; `&` is all of them, each place by another person;
   `|` is either. Every such expression is kept in one form: ways, of which one is enough; a way is places to fill.
2. Two expressions that mean the same have the same form, the same words and the same JSON.
3. One that nobody could ever fill (no people, the same person twice) is refused where it is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, Final, TypeAlias

from answerable.errors import DeclarationError

MOST_PEOPLE: Final = 20  # in one way
MOST_WAYS: Final = 20


class Nameable:
    """What can be joined with `&` and `|`."""

    def __and__(self, other: Whom) -> Quorum:
        return all_of(self, other)

    def __or__(self, other: Whom) -> Quorum:
        return either(self, other)


@dataclass(frozen=True)
class Role(Nameable):
    """Everybody who has this role in the registry."""

    name: str

    def __str__(self) -> str:
        return f"role {self.name}"

    def code(self) -> str:
        """As it is written in a declaration."""
        return f'role("{self.name}")'


@dataclass(frozen=True)
class Person(Nameable):
    """One person, by handle."""

    handle: str

    def __str__(self) -> str:
        return self.handle

    def code(self) -> str:
        """As it is written in a declaration."""
        return f'person("{self.handle}")'


Named: TypeAlias = Role | Person


@dataclass(frozen=True)
class Places:
    """So many different people, each of whom is one of these."""

    people: int
    of: tuple[Named, ...]

    def __str__(self) -> str:
        if not self.of:
            return "the Responsible Individual"
        names = ", ".join(one.code() for one in self.of)
        return f"{self.people} of {names if len(self.of) == 1 else f'({names})'}"


@dataclass(frozen=True)
class Quorum(Nameable):
    """Who it takes: one of these ways, each with all of its places filled by different people."""

    ways: tuple[tuple[Places, ...], ...]

    def __str__(self) -> str:
        """In words; of one role or person alone, as that is named."""
        if len(self.ways) == len(self.ways[0]) == self.ways[0][0].people == len(self.ways[0][0].of) == 1:
            return str(self.ways[0][0].of[0])
        return " or ".join(" and ".join(map(str, way)) for way in self.ways)

    @property
    def named(self) -> frozenset[Named]:
        """Every role and person that it names."""
        return frozenset(one for way in self.ways for places in way for one in places.of)

    def as_json(self) -> list[list[dict[str, Any]]]:
        """The canonical form, as plain JSON."""
        return [
            [{"of": [_plain(one) for one in places.of], "people": places.people} for places in way] for way in self.ways
        ]


Whom: TypeAlias = Role | Person | Quorum

RESPONSIBLE: Final = Quorum(((Places(1, ()),),))
"""Nobody by name or role: one place, which whoever answers for the system fills, as they may any."""


def role(name: str) -> Role:
    """Everybody who has the role `name` in the registry. Raises: DeclarationError."""
    if not name.strip():
        raise DeclarationError("a role without a name is nobody's", hint='role("lead")')
    return Role(name)


def person(handle: str) -> Person:
    """The person with this handle in the registry. Raises: DeclarationError."""
    if not handle.strip():
        raise DeclarationError("a person without a handle is nobody", hint='person("dora")')
    return Person(handle)


def quorum(people: int, *of: Role | Person) -> Quorum:
    """So many different people out of these roles and persons. Raises: DeclarationError if nobody could fill it."""
    if isinstance(people, bool) or not isinstance(people, int) or people < 1:
        raise DeclarationError(f"quorum({people!r}, …): it takes at least 1 person", hint='quorum(2, role("lead"))')
    if not of:
        raise DeclarationError(f"quorum({people}) names nobody", hint='name roles or persons: quorum(2, role("lead"))')
    for one in of:
        if not isinstance(one, Role | Person):
            raise DeclarationError(
                f"quorum({people}, …): {one!r} is neither a role nor a person", hint="join quorums with & and |"
            )
    twice = next((one for place, one in enumerate(of) if one in of[:place]), None)
    if twice is not None:
        raise DeclarationError(
            f"quorum({people}, …) names {twice.code()} twice", hint=f"nobody counts twice; quorum(2, {twice.code()})?"
        )
    return _made([(Places(people, of),)])


def all_of(*whom: object) -> Quorum:
    """All of these, each place by another person. Raises: DeclarationError if nobody could fill it."""
    ways = product(*(as_quorum(one).ways for one in whom))
    return _made([tuple(places for part in way for places in part) for way in ways])


def either(*whom: object) -> Quorum:
    """One of these is enough."""
    return _made([way for one in whom for way in as_quorum(one).ways])


def as_quorum(whom: object) -> Quorum:
    """An expression in its one form: a role or a person is one place. Raises: DeclarationError if it is none."""
    if isinstance(whom, Quorum):
        return whom
    if isinstance(whom, Role | Person):
        return Quorum(((Places(1, (whom,)),),))
    raise DeclarationError(f"{whom!r} names nobody", hint='role("lead"), person("dora") or quorum(2, role("lead"))')


def quorum_from(plain: Sequence[Sequence[Mapping[str, Any]]]) -> Quorum:
    """The expression whose canonical form this is. Raises: LookupError, TypeError or DeclarationError if it is none."""
    return _quorum_from(json.dumps(plain))


@lru_cache(maxsize=1024)  # few expressions, and many requests that have them
def _quorum_from(text: str) -> Quorum:
    ways = [
        tuple(Places(places["people"], tuple(map(_read, places["of"]))) for places in way) for way in json.loads(text)
    ]
    return _made(ways)


def unfilled(way: Sequence[Places], fits: Sequence[Callable[[Places], bool]]) -> dict[int, int]:
    """How many people are still missing, by place of `way`; each of `fits` says which places one person could fill.

    As many as possible are filled, each person standing once. Source: augmenting paths, Kuhn 1955.
    """
    seats = [place for place, places in enumerate(way) for _ in range(places.people)]
    taken: dict[int, int] = {}  # seat → person

    def seated(person: int, tried: set[int]) -> bool:
        for seat, place in enumerate(seats):
            if seat not in tried and fits[person](way[place]):
                tried.add(seat)
                if seat not in taken or seated(taken[seat], tried):
                    taken[seat] = person
                    return True
        return False

    for person in range(len(fits)):
        seated(person, set())
    missing: dict[int, int] = {}
    for seat, place in enumerate(seats):
        if seat not in taken:
            missing[place] = missing.get(place, 0) + 1
    return missing


def _made(ways: Iterable[tuple[Places, ...]]) -> Quorum:
    """The one form of an expression. Raises: DeclarationError."""
    found = sorted({_way(way) for way in ways}, key=str)
    if len(found) > MOST_WAYS:
        raise DeclarationError(
            f"an expression of people has {len(found)} ways to be filled; nobody can follow more than {MOST_WAYS}"
        )
    return Quorum(tuple(found))


def _way(way: Iterable[Places]) -> tuple[Places, ...]:
    counted: dict[tuple[Named, ...], int] = {}
    for places in way:
        of = tuple(sorted(set(places.of), key=lambda one: one.code()))
        counted[of] = counted.get(of, 0) + places.people
    made = tuple(
        sorted((Places(people, of) for of, people in counted.items()), key=lambda one: (str(one.of), one.people))
    )
    words = " and ".join(map(str, made))
    if sum(places.people for places in made) > MOST_PEOPLE:
        raise DeclarationError(f"{words}: nobody can bring more than {MOST_PEOPLE} people together for one decision")
    by_name = tuple(places for places in made if places.of and all(isinstance(one, Person) for one in places.of))
    handles = sorted({one for places in by_name for one in places.of}, key=str)
    if unfilled(by_name, [_one_of(one) for one in handles]):
        raise DeclarationError(f"{words}: the same person would have to count twice", hint="name somebody else, too")
    return made


def _one_of(named: Named) -> Callable[[Places], bool]:
    return lambda places: named in places.of


def _plain(named: Named) -> dict[str, str]:
    return {"role": named.name} if isinstance(named, Role) else {"person": named.handle}


def _read(plain: Mapping[str, str]) -> Named:
    return Role(plain["role"]) if "role" in plain else Person(plain["person"])
