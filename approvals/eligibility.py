"""Who may decide a request.

1. Whoever the approval names (a role, a person), and the Responsible Individual.
2. Not their own: whoever started the run, every author of an edit that led here, and the owners of the agents on the
   causal path do not decide it, unless the approval was declared with `may_decide_own=True`. A team stands for each of
   its persons.
3. The reason of a refusal is said in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from answerable.errors import NotEligible
from answerable.tracing.people import PersonRow


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Whom a request asks, and who is too close to it. Persons are ids; owners are handles of persons or teams."""

    role: str
    person: str  # a handle
    started_by: str
    editors: Sequence[str]
    owners: Sequence[str]
    may_decide_own: bool
    requires: str  # the least assurance that will do, "" for any
    fresh_seconds: int  # how old a login may be, 0 for any age


def check_eligible(person: PersonRow, asked: Asked, *, responsible: str) -> None:
    """Raises: NotEligible with the reason why `person` may not decide, where that is so."""
    named = (asked.role and asked.role in person.roles) or (asked.person and asked.person == person.handle)
    if not named and person.id != responsible:
        whom = f"the role {asked.role!r}" if asked.role else asked.person
        raise NotEligible(
            f"{person.handle} may not decide this: it asks {whom} or the Responsible Individual",
            hint="somebody with that role decides; `answerable people add HANDLE --role ROLE` gives it",
        )
    if asked.may_decide_own:
        return
    if person.id == asked.started_by:
        raise NotEligible(f"{person.handle} started this run, and nobody decides their own", hint="ask somebody else")
    if person.id in asked.editors:
        raise NotEligible(f"{person.handle} wrote this edit, and nobody decides their own", hint="ask somebody else")
    owned = [owner for owner in asked.owners if owner == person.handle or owner in person.teams]
    if owned:
        raise NotEligible(
            f"{person.handle} owns an agent that led to this request (as {', '.join(sorted(set(owned)))})",
            hint="ask somebody who does not own it",
        )
