"""Replaying: what a rule would have decided of all that was asked before, beside what persons decided.

1. It reads what each request's body says that a rule sees of its options, so it needs no program.
2. Caps count along, by the times at which it was asked; other rules do not.
3. A request that an older program made, and one that is not what it was, says nothing to a rule: it is counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select

from answerable.approvals.asking.requests import RequestRow, read_request
from answerable.approvals.rules.caps import Cap, amounts, named_cap
from answerable.approvals.rules.cedar import CedarPolicies
from answerable.errors import StoreCorrupt
from answerable.tracing.clock import window_of
from answerable.tracing.storage.statements import Statement, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, requests

EVERY: Final = 2**53
_ASKED = Statement(
    select(*requests.c)
    .where(
        requests.c.system == bindparam("system"),
        requests.c.approval == bindparam("approval"),
        requests.c.edited_from == "",
    )
    .order_by(requests.c.made_at.desc(), requests.c.id.desc())
    .limit(bindparam("most"))
)
_DECIDED = Statement(
    select(decisions.c.request, decisions.c.outcome, decisions.c.option)
    .join(requests, requests.c.id == decisions.c.request)
    .where(requests.c.system == bindparam("system"), requests.c.approval == bindparam("approval"))
)


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What a rule would have done: of so many requests it would have decided some, more but for its caps.

    `denied` are those of the decided that a person rejected or nobody decided in time, `otherwise` those for which a
    person chose another option, edited or answered with a text. `unseen` are requests that say nothing to a rule,
    `without` those that did not offer its option.
    """

    asked: int
    decided: int
    capped: int
    denied: tuple[str, ...]
    otherwise: tuple[str, ...]
    unseen: int
    without: int

    def __str__(self) -> str:
        said = f"it would have decided {self.decided} of {self.asked}, {len(self.denied)} of which a person denied"
        more = [
            (len(self.otherwise), "answered otherwise"),
            (self.capped, "more were beyond its caps"),
            (self.unseen, "say nothing to a rule"),
            (self.without, "did not offer its option"),
        ]
        return "; ".join([said, *(f"{count} {what}" for count, what in more if count)])


def replay(tx: Tx, said: Mapping[str, Any], schema: str, *, newest: int = EVERY) -> Replayed:
    """What a rule, by what its body says, would have done with the newest requests of its approval.

    Raises: InvalidRule.
    """
    where = {"system": said["system"], "approval": said["approval"]}
    answers = {request: (outcome, option) for request, outcome, option in tx.all(_DECIDED, **where)}
    policies = CedarPolicies({"rule": said["policy"]}, schema)
    caps: list[Cap] = [(cap["of"], cap["most"], cap["per"]) for cap in said["caps"]]
    spent: Counter[tuple[str, int]] = Counter()
    counts: Counter[str] = Counter()
    denied, otherwise = [], []
    for request in _requests(tx, where, newest):
        counts["asked"] += 1
        option = request.option(said["option"]) if request is not None else None
        if request is None or option is None or option.get("context") is None:
            counts["unseen" if request is None or option is not None else "without"] += 1
            continue
        wanted = amounts(caps, option["context"])
        released = {call["name"] for call in option["calls"]}
        judged = policies.judge(said["system"], said["option"], option["context"])
        if wanted is None or "rule" not in judged.permits or not released <= set(said["effects"]):
            continue
        uses = {(of, per): (named_cap(of, per), window_of(per, request.made_at)) for of, _, per in caps}
        if any(spent[uses[of, per]] + wanted[named_cap(of, per)] > most for of, most, per in caps):
            counts["capped"] += 1
            continue
        spent.update({place: wanted[place[0]] for place in uses.values()})
        counts["decided"] += 1
        outcome, chosen = answers.get(request.id, ("", ""))
        if outcome in ("rejected", "expired"):
            denied.append(request.id)
        elif outcome in ("edited", "answered") or (outcome == "approved" and chosen != said["option"]):
            otherwise.append(request.id)
    return Replayed(
        asked=counts["asked"],
        decided=counts["decided"],
        capped=counts["capped"],
        unseen=counts["unseen"],
        without=counts["without"],
        denied=tuple(denied),
        otherwise=tuple(otherwise),
    )


def _requests(tx: Tx, where: Mapping[str, str], newest: int) -> Iterator[RequestRow | None]:
    """These requests, the oldest first."""
    for row in reversed(tx.all(_ASKED, **where, most=newest)):
        try:
            yield read_request(named(requests, row))
        except StoreCorrupt:
            yield None
