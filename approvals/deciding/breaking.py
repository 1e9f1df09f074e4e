"""Breaking the glass: one person of a role of its own approves alone, now, what others are asked.

1. It is declared, with the role, and bound in the request. Nobody breaks it for their own, nor by delegation.
2. It needs a reason: a code and a text. It has lower caps: a most for the option's value, and so many a day for the
   approval, counted in the transaction that decides, behind a lock of its system.
3. It is an alarm, and is reviewed within a day. While such a review is overdue, no glass of the system is broken.
4. It gives an option that was offered and computed, and nothing else: neither an edit, nor a response.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from answerable.agents.people import Quorum, quorum_from
from answerable.approvals.asking.requests import RequestRow
from answerable.approvals.deciding.reviews import broken_within_a_day, overdue_break_glass
from answerable.approvals.sealing.keys import Key
from answerable.approvals.voting.delegations import in_force
from answerable.approvals.voting.eligibility import Standing, is_named, too_close
from answerable.errors import NotEligible
from answerable.tracing.people import PersonRow, lock_system
from answerable.tracing.storage.store import Tx


@dataclass(frozen=True, kw_only=True)
class Glass:
    """Who may break the glass of a request, for an option of which value at most (None: any), how often a day."""

    by: Quorum
    at_most: int | None
    per_day: int


def glass_of(request: RequestRow) -> Glass | None:
    """The glass of a request, as it is bound; None if it has none."""
    bound: Mapping[str, Any] | None = request.body.get("break_glass")
    if bound is None:
        return None
    return Glass(by=quorum_from(bound["by"]), at_most=bound["at_most"], per_day=bound["per_day"])


def check_may_break(
    tx: Tx, key: Key, request: RequestRow, person: PersonRow, option: str, *, at: int, lock: bool
) -> Standing:
    """How a person counts who breaks the glass for an option ("": whichever); `lock` before that is acted upon.

    Raises: NotEligible with the reason why they may not.
    """
    glass = glass_of(request)
    if glass is None:
        raise NotEligible(f"{request.approval} has no glass that could be broken", hint="ask whom it asks")
    if not any(is_named(person, one) for one in glass.by.named):
        raise NotEligible(
            f"{person.handle} may not break this glass: that is for {glass.by}", hint="ask somebody who is"
        )
    delegations = in_force(tx, key, system=request.system, approval=request.approval, at=at)
    own = too_close(person, request.asked, delegations)
    if own and not request.asked.may_decide_own:
        raise NotEligible(f"{person.handle} {own}, and nobody decides their own", hint="ask somebody else")
    value = (request.option(option) or {}).get("value") if option else None
    if option and glass.at_most is not None and (value is None or value > glass.at_most):
        said = "is not known" if value is None else f"is {value:,}"
        raise NotEligible(
            f"the value of {option!r} {said}, and glass is broken for {glass.at_most:,} at most",
            hint="choose another option, or ask whom it asks",
        )
    if lock:
        lock_system(tx, request.system)
    late = overdue_break_glass(tx, key, request.system, at=at)
    if late:
        raise NotEligible(
            f"the review of an earlier broken glass is overdue ({late[0].id}): until it is done, none is broken",
            hint=f"`answerable reviews done {late[0].id}`, by somebody who had no part in it",
        )
    broken = broken_within_a_day(tx, request.system, request.approval, at=at)
    if broken >= glass.per_day:
        raise NotEligible(
            f"the glass of {request.approval} was broken {broken} times within a day, and {glass.per_day} is the most",
            hint="ask whom it asks",
        )
    return Standing(person=person, own=own)
