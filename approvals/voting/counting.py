"""Voting: whether the answers of several people decide, and what is still missing. Pure.

1. A person's newer vote takes the place of their older one. Nobody counts twice: neither as themself and for somebody
   who delegated to them, nor as two people's delegate; the newest counts.
2. A vote counts as long as whoever gave it might give it now: who lost the role, came too close or whose delegation
   ended in between is not counted.
3. Votes are for one option. It is chosen when one way of its expression has all of its places filled by different
   people; the Responsible Individual fills one place, whichever. So many noes as were declared deny the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from answerable.agents.people import Places, Quorum, unfilled
from answerable.approvals.voting.eligibility import Asked, Delegated, Standing, check_eligible
from answerable.errors import NotEligible
from answerable.tracing.people import PersonRow


@dataclass(frozen=True, kw_only=True)
class Cast:
    """What voting looks at: who answered what, for whom (ids of persons; "" for themself). `option` is "" for a no."""

    vote: str
    by: str
    for_person: str
    option: str

    @property
    def of(self) -> frozenset[str]:
        """The persons who have a part in it."""
        return frozenset({self.by, self.for_person} - {""})


@dataclass(frozen=True, kw_only=True)
class Electorate:
    """The people, delegations and Responsible Individual that votes are counted by, as they are now."""

    people: Mapping[str, PersonRow]  # by id
    responsible: str
    delegations: Sequence[Delegated] = ()


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A vote that counts, and how."""

    cast: Cast
    standing: Standing


def counted(casts: Iterable[Cast], asked: Asked, electorate: Electorate) -> list[Counted]:
    """The votes that count now, of those that were cast in this order."""
    found: list[Counted] = []
    seen: set[str] = set()
    for cast in reversed(list(casts)):
        standing = None if cast.of & seen else _standing(cast, asked, electorate)
        seen |= cast.of  # also of one that was superseded itself: nothing that was replaced comes back
        found += [Counted(cast=cast, standing=standing)] if standing else []
    return found[::-1]


def missing(whom: Quorum, standings: Sequence[Standing]) -> str:
    """Who else it takes, in words; "" if nobody. Of several ways, those to which the fewest people are missing."""
    lacking = [unfilled(way, [one.fits for one in standings]) for way in whom.ways]
    fewest = min(sum(each.values()) for each in lacking)
    if not fewest:
        return ""
    ways = [
        tuple(Places(count, way[place].of) for place, count in each.items())
        for way, each in zip(whom.ways, lacking, strict=True)
        if sum(each.values()) == fewest
    ]
    return " or ".join(dict.fromkeys(" and ".join(map(str, way)) for way in ways))


def for_option(found: Iterable[Counted], option: str) -> list[Counted]:
    """The votes for an option; "" for the noes."""
    return [one for one in found if one.cast.option == option]


def people_of(found: Iterable[Counted]) -> tuple[str, ...]:
    """Everybody who has a part in these votes, by id: who voted, and for whom."""
    return tuple(dict.fromkeys(id for one in found for id in (one.cast.by, one.cast.for_person) if id))


def _standing(cast: Cast, asked: Asked, electorate: Electorate) -> Standing | None:
    person, giver = electorate.people.get(cast.by), electorate.people.get(cast.for_person)
    if person is None or (cast.for_person and giver is None):
        return None
    try:
        return check_eligible(
            person,
            asked,
            responsible=electorate.responsible,
            option=cast.option,
            for_person=giver.handle if giver else person.handle,
            delegations=electorate.delegations,
        )
    except NotEligible:
        return None
