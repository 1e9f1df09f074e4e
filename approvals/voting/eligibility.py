"""Who may decide a request. Pure.

1. Whoever the request names (roles, persons; for each option its own), and the Responsible Individual.
2. Not their own: whoever started the run, every author of an edit that led here, and the owners of the agents on the
   causal path do not decide it, unless the approval was declared with `may_decide_own=True`. A team stands for each of
   its persons; an agent that acts for a person counts as that person. Whoever answered with a text that led here may
   go on answering, and say no, but not yes.
3. Who acts for somebody stands where they do, and nowhere else: what somebody is named for is delegated, what they are
   as Responsible Individual is not. Neither may be too close, nor may the delegate of somebody who is.
4. The reason of a refusal is said in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from answerable.agents.people import RESPONSIBLE, Named, Places, Quorum, Role
from answerable.errors import NotEligible
from answerable.tracing.people import PersonRow


@dataclass(frozen=True, kw_only=True)
class Close:
    """Who is too close to a request. Persons are ids; owners are handles of persons or teams."""

    started_by: str
    editors: Sequence[str]
    responders: Sequence[str] = ()
    owners: Sequence[str]
    acting_for: Sequence[str] = ()  # handles of the persons that agents act for
    wrote: str = "edit"  # what it is that editors wrote


@dataclass(frozen=True, kw_only=True)
class Asked(Close):
    """Whom a request asks, and who is too close to it.

    `options` has the expression of each option that has another one than `by`; `denials` noes are final.
    """

    by: Quorum
    options: Mapping[str, Quorum] = field(default_factory=dict)
    denials: int = 1
    may_decide_own: bool
    requires: str  # the least assurance that will do, "" for any
    fresh_seconds: int  # how old a login may be, 0 for any age

    def whom(self, option: str = "") -> Quorum:
        """Who it takes to choose an option."""
        return self.options.get(option, self.by)

    @property
    def named(self) -> frozenset[Named]:
        """Everybody that it names, for whichever option."""
        return self.by.named.union(*(quorum.named for quorum in self.options.values()))


@dataclass(frozen=True, kw_only=True)
class Delegated:
    """A delegation that is in force and covers what is asked: who gave it, and to whom (an id)."""

    id: str
    giver: PersonRow
    taker: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How somebody counts: as themself, or by a delegation for its giver. `own` says why they are too close, if so."""

    person: PersonRow
    responsible: bool = False
    by: Delegated | None = None
    own: str = ""

    @property
    def of(self) -> PersonRow:
        """The person as whom they count."""
        return self.by.giver if self.by else self.person

    @property
    def for_person(self) -> str:
        """The id of the person for whom they act, or ""."""
        return self.by.giver.id if self.by else ""

    @property
    def delegation(self) -> str:
        """The id of the delegation by which they act, or ""."""
        return self.by.id if self.by else ""

    def fits(self, places: Places) -> bool:
        """Whether they may fill one of these places."""
        return self.responsible or any(is_named(self.of, one) for one in places.of)


def check_eligible(
    person: PersonRow,
    asked: Asked,
    *,
    responsible: str,
    option: str = "",
    for_person: str = "",
    delegations: Sequence[Delegated] = (),
) -> Standing:
    """How `person` counts, for an option, or ("") for any answer that is no yes; `for_person` is a handle, or "".

    Raises: NotEligible with the reason why they may not decide, where that is so.
    """
    theirs = [one for one in delegations if one.taker == person.id]
    standing = _standing(person, asked, responsible, option, for_person, theirs)
    own = too_close(person, asked, delegations, yes=bool(option))
    if not own and standing.by:
        own = too_close(standing.of, asked, delegations, yes=bool(option))
        own = f"acts for {standing.of.handle}, who {own}" if own else ""
    if own and not asked.may_decide_own:
        raise NotEligible(f"{person.handle} {own}, and nobody decides their own", hint="ask somebody else")
    return Standing(person=person, responsible=standing.responsible, by=standing.by, own=own)


def too_close(person: PersonRow, asked: Close, delegations: Sequence[Delegated] = (), *, yes: bool = True) -> str:
    """Why somebody is too close to a request to decide it, in words that follow their name; "" if they are not."""
    direct = _caused(person, asked, yes)
    if direct:
        return direct
    for one in delegations:
        if one.taker == person.id and (why := _caused(one.giver, asked, yes)):
            return f"is the delegate of {one.giver.handle}, who {why}"
    return ""


def is_named(person: PersonRow, named: Named) -> bool:
    """Whether a person is who is named, or has the role that is."""
    return named.name in person.roles if isinstance(named, Role) else named.handle == person.handle


def _standing(
    person: PersonRow, asked: Asked, responsible: str, option: str, for_person: str, theirs: Sequence[Delegated]
) -> Standing:
    named = asked.whom(option).named if option else asked.named
    as_themself = for_person in ("", person.handle)
    if as_themself and (person.id == responsible or any(is_named(person, one) for one in named)):
        return Standing(person=person, responsible=person.id == responsible)
    for one in theirs:
        if for_person in ("", one.giver.handle) and any(is_named(one.giver, each) for each in named):
            return Standing(person=person, by=one)
    if for_person and for_person not in (person.handle, *(one.giver.handle for one in theirs)):
        raise NotEligible(
            f"{person.handle} may not act for {for_person}: no delegation that is in force says so",
            hint="`answerable delegate` makes one, by whoever is to be acted for",
        )
    whom = asked.whom(option) if option else asked.by
    who = for_person or person.handle
    if whom == RESPONSIBLE:
        raise NotEligible(
            f"{who} may not decide this: until its rules of deciding are accepted, it asks {whom}",
            hint="they decide, or accept what `answerable approvals list` shows",
        )
    raise NotEligible(
        f"{who} may not decide this: it asks {whom} or the Responsible Individual",
        hint="somebody with that role decides; `answerable people add HANDLE --role ROLE` gives it",
    )


def _caused(person: PersonRow, asked: Close, yes: bool) -> str:
    if person.id == asked.started_by:
        return "started this run"
    if person.id in asked.editors:
        return f"wrote this {asked.wrote}"
    if yes and person.id in asked.responders:
        return "wrote a response that led to this request"
    if person.handle in asked.acting_for:
        return "has an agent act for them that led to this request"
    owned = sorted({owner for owner in asked.owners if owner == person.handle or owner in person.teams})
    return f"owns an agent that led to this request (as {', '.join(owned)})" if owned else ""
