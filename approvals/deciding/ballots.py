"""Ballots: the votes on a request or a rule, and the people that they are counted by, in the transaction that answers.

1. Whoever was asked stands once. A delegate does not vote in the place of somebody who has voted themself.
2. Nothing here writes; `decisions` does, and holds the lock meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from answerable.approvals.asking.requests import RequestRow
from answerable.approvals.sealing.keys import Key
from answerable.approvals.voting.counting import Cast, Counted, Electorate, counted, for_option, missing
from answerable.approvals.voting.delegations import in_force
from answerable.approvals.voting.eligibility import Asked, Standing, check_eligible
from answerable.approvals.voting.votes import Vote, votes_on
from answerable.errors import AlreadyDecided, NotEligible
from answerable.tracing.people import PersonRow, authority, person_by_id
from answerable.tracing.storage.store import Tx


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """The votes on a request, and which of them count now."""

    asked: Asked
    votes: tuple[Vote, ...]
    electorate: Electorate
    counting: tuple[Counted, ...]

    def standing_of(self, person: PersonRow, *, option: str = "", for_person: str = "") -> Standing:
        """How a person counts; `for_person` is a handle, or "". Raises: NotEligible."""
        electorate = self.electorate
        standing = check_eligible(
            person,
            self.asked,
            responsible=electorate.responsible,
            option=option,
            for_person=for_person,
            delegations=electorate.delegations,
        )
        if standing.by and any(vote.by == standing.for_person for vote in self.votes):
            raise NotEligible(
                f"{standing.of.handle} has voted themself, so {person.handle} may not do it for them",
                hint="they may vote anew, and their newer vote takes the place of the older",
            )
        return standing

    def with_answer(self, standing: Standing, option: str) -> list[Counted]:
        """The votes for an option ("": the noes) that count when somebody gives that answer, too; theirs is the last.

        Raises: AlreadyDecided if they gave that answer before.
        """
        cast = Cast(vote="", by=standing.person.id, for_person=standing.for_person, option=option)
        for one in for_option(self.counting, option):
            if (one.cast.by, one.cast.for_person) == (cast.by, cast.for_person):
                raise AlreadyDecided(
                    f"{standing.person.handle} gave this answer already, and it counts",
                    hint=f"it waits for {self.missing(option)}",
                )
        casts = [*(vote.cast for vote in self.votes), cast]
        people = {**self.electorate.people, standing.person.id: standing.person, standing.of.id: standing.of}
        return for_option(counted(casts, self.asked, replace(self.electorate, people=people)), option)

    def missing(self, option: str, given: list[Counted] | None = None) -> str:
        """Who else it takes to choose an option (to deny, for ""), in words, with the votes `given`; "" if nobody."""
        found = for_option(self.counting, option) if given is None else given
        if option:
            return missing(self.asked.whom(option), [one.standing for one in found])
        left = self.asked.denials - len(found)
        return f"{left} more {'no' if left == 1 else 'noes'}" if left > 0 else ""


def ballot_on(
    tx: Tx, key: Key, asked: Asked, *, subject: str, digest: str, system: str, approval: str, at: int
) -> Ballot:
    """The ballot of a subject (a request, a rule) with this digest, as it stands in this transaction."""
    votes = tuple(votes_on(tx, key, subject, digest=digest))
    delegations = in_force(tx, key, system=system, approval=approval, at=at)
    people = {id: row for vote in votes for id in vote.cast.of if (row := person_by_id(tx, id))}
    electorate = Electorate(people=people, responsible=authority(tx, system).responsible, delegations=delegations)
    counting = tuple(counted((vote.cast for vote in votes), asked, electorate))
    return Ballot(asked=asked, votes=votes, electorate=electorate, counting=counting)


def ballot_of(tx: Tx, key: Key, request: RequestRow, *, at: int) -> Ballot:
    """The ballot of a request, at a time."""
    where = {"system": request.system, "approval": request.approval}
    return ballot_on(tx, key, request.asked_at(at), subject=request.id, digest=request.digest, **where, at=at)
