"""Who may decide, and whether it is decided, by trying everything: slow, short, and written from the rules alone.

1. People are handles. An expression is a tree: ("quorum", n, names), ("and", a, b), ("or", a, b); a name is
   ("role", r) or ("person", h).
2. An expression holds for a set of people if they can be split so that each part of an `and` has people of its own.
3. The Responsible Individual can be whatever one name asks for. Nobody is two people.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, TypeAlias

Name: TypeAlias = tuple[str, str]
Tree: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Somebody:
    """A person of the registry."""

    handle: str
    roles: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Said:
    """An answer: by whom, for whom ("" for themself), and the option, or "" for a no."""

    by: str
    for_person: str = ""
    option: str = ""


@dataclass(kw_only=True)
class World:
    """Everybody, who answers, and what one request asks and may not be decided by. All persons are handles."""

    people: dict[str, Somebody]
    responsible: str
    trees: dict[str, Tree]  # option → who it takes
    started_by: str = ""
    authors: frozenset[str] = frozenset()  # of edits that led to it
    responders: frozenset[str] = frozenset()  # who answered with a text that led to it: no yes of theirs counts
    owners: frozenset[str] = frozenset()  # persons and teams
    acted_for: frozenset[str] = frozenset()
    may_decide_own: bool = False
    denials: int = 1
    delegations: list[tuple[str, str]] = field(default_factory=list)  # giver, taker: in force, and for this request

    # -- who may answer -----------------------------------------------------------------------------------------------

    def caused(self, handle: str, option: str) -> bool:
        """Whether somebody has a part in what is asked about that keeps them from giving this answer."""
        person = self.people[handle]
        responders = self.responders if option else set()
        mine = {handle} & ({self.started_by} | self.authors | responders | self.acted_for | self.owners)
        return bool(mine or person.teams & self.owners)

    def too_close(self, handle: str, option: str) -> bool:
        """Whether they caused it, or are the delegate of somebody who did."""
        givers = [giver for giver, taker in self.delegations if taker == handle]
        return any(self.caused(one, option) for one in (handle, *givers))

    def names(self, option: str) -> set[Name]:
        """Every name in the trees of an option, or of all, for an answer that is no yes."""
        trees = [self.trees[option]] if option else list(self.trees.values())
        return {name for tree in trees for name in _leaves(tree)}

    def is_one(self, handle: str, name: Name) -> bool:
        kind, of = name
        return of in self.people[handle].roles if kind == "role" else of == handle

    def may(self, said: Said) -> bool:
        """Whether this answer is theirs to give."""
        as_whom = said.for_person or said.by
        if said.for_person and (said.for_person, said.by) not in self.delegations:
            return False
        if not self.may_decide_own and any(self.too_close(one, said.option) for one in (said.by, as_whom)):
            return False
        if not said.for_person and said.by == self.responsible:
            return True
        return any(self.is_one(as_whom, name) for name in self.names(said.option))

    # -- what it comes to ---------------------------------------------------------------------------------------------

    def in_force(self, answers: Sequence[Said]) -> list[Said]:
        """The answers that count: none of their people has a part in a newer one, and they are theirs to give."""
        parts = [{said.by, said.for_person} - {""} for said in answers]
        newest = [said for n, said in enumerate(answers) if not any(parts[n] & newer for newer in parts[n + 1 :])]
        return [said for said in newest if self.may(said)]

    def decided(self, answers: Sequence[Said]) -> set[str]:
        """The options that these answers choose; "" if they deny."""
        standing = self.in_force(answers)
        votes = {option: [one for one in standing if one.option == option] for option in self.trees}
        found = {option for option in self.trees if self._holds(option, votes[option])}
        noes = [one for one in standing if not one.option]
        return found | ({""} if len(noes) >= self.denials else set())

    def _holds(self, option: str, votes: Sequence[Said]) -> bool:
        return bool(votes) and self._tree(self.trees[option], list(votes))

    def _tree(self, tree: Tree, votes: list[Said]) -> bool:
        if tree[0] == "or":
            return self._tree(tree[1], votes) or self._tree(tree[2], votes)
        if tree[0] == "and":
            return any(self._tree(tree[1], a) and self._tree(tree[2], b) for a, b in _splits(votes))
        _, count, names = tree
        return any(all(self._fits(one, names) for one in some) for some in combinations(votes, count))

    def _fits(self, said: Said, names: Sequence[Name]) -> bool:
        if not said.for_person and said.by == self.responsible:
            return True
        return any(self.is_one(said.for_person or said.by, name) for name in names)


def _leaves(tree: Tree) -> set[Name]:
    return set(tree[2]) if tree[0] == "quorum" else _leaves(tree[1]) | _leaves(tree[2])


def _splits(votes: list[Said]) -> Iterator[tuple[list[Said], list[Said]]]:
    for size in range(len(votes) + 1):
        for some in combinations(range(len(votes)), size):
            yield [votes[i] for i in some], [one for i, one in enumerate(votes) if i not in some]
