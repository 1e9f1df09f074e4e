"""Statistics: how deciding goes, by system and approval.

1. They are counted by the database, over the decisions of a period, however many there are.
2. Not by person, unless that is asked for: numbers about a person's work are for those to agree on whom they are about.
3. Rates and times are those of people: what a rule, an exemption or the passing of time decided has neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, case, func, select

from answerable.tracing.storage.statements import Statement
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import decisions, requests, reviews

FAST_SECONDS: Final = 5
BY_PEOPLE: Final = ("approved", "edited", "rejected", "answered")


@dataclass(frozen=True, kw_only=True)
class Deciding:
    """How one approval of a system was decided; by one person (an id), where that was asked for, else `person` is "".

    `outcomes` counts each, `broke_glass` those by one person in the place of those who were asked; `reviewed` and
    `disagreed` are the reviews that were done, and those that found it wrong. `fast` is how many of people's decisions
    took less than five seconds after the asking. Times are those of people, in seconds, None where nobody decided.
    """

    system: str
    approval: str
    person: str = ""
    outcomes: dict[str, int] = field(default_factory=dict)
    fast: int = 0
    broke_glass: int = 0
    reviewed: int = 0
    disagreed: int = 0
    median_seconds: float | None = None
    p90_seconds: float | None = None

    @property
    def number(self) -> int:
        """How many decisions there were."""
        return sum(self.outcomes.values())

    @property
    def by_people(self) -> int:
        """How many of them people took."""
        return sum(self.outcomes.get(outcome, 0) for outcome in BY_PEOPLE)

    @property
    def approval_rate(self) -> float | None:
        """Which share of people's decisions chose an option; None if there were none."""
        return self.outcomes.get("approved", 0) / self.by_people if self.by_people else None

    @property
    def fast_share(self) -> float | None:
        """Which share of people's decisions took less than five seconds; None if there were none."""
        return self.fast / self.by_people if self.by_people else None


def statistics(tx: Tx, *, since: int, per_person: bool = False) -> list[Deciding]:
    """How every approval was decided since a time (microseconds), by name."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for *whose, outcome, count, fast, glass in tx.all(_COUNTS[per_person], since=since):
        values = found.setdefault(tuple(whose), {"outcomes": {}, "fast": 0, "broke_glass": 0})
        values["outcomes"][outcome] = count
        values["fast"] += int(fast or 0)
        values["broke_glass"] += int(glass or 0)
    for *whose, half, most in tx.all(_TIMES[per_person], since=since):
        found[tuple(whose)] |= {"median_seconds": half / 1e6, "p90_seconds": most / 1e6}
    for system, approval, done, wrong in () if per_person else tx.all(_REVIEWS, since=since):
        values = found.setdefault((system, approval), {})
        values |= {"reviewed": done, "disagreed": int(wrong or 0)}
    return [Deciding(**_named(whose), **values) for whose, values in sorted(found.items())]


def _named(whose: Sequence[str]) -> dict[str, Any]:
    return dict(zip(("system", "approval", "person"), whose, strict=False))


def _whose(per_person: bool) -> list[ColumnElement[Any]]:
    return [requests.c.system, requests.c.approval, *([decisions.c.by] if per_person else [])]


_took: Final = decisions.c.at - requests.c.made_at
_people: Final = decisions.c.outcome.in_(BY_PEOPLE)


def _lately(*columns: Any) -> Select[Any]:
    joined = select(*columns).join_from(decisions, requests, requests.c.id == decisions.c.request)
    return joined.where(decisions.c.at >= bindparam("since", type_=BigInteger))


def _counts(per_person: bool) -> Statement:
    whose = _whose(per_person)
    fast = func.sum(case((and_(_people, _took < FAST_SECONDS * 1_000_000), 1), else_=0))
    counted = _lately(*whose, decisions.c.outcome, func.count(), fast, func.sum(decisions.c.broke_glass))
    return Statement((counted.where(_people) if per_person else counted).group_by(*whose, decisions.c.outcome))


def _times(per_person: bool) -> Statement:
    """The median and the 90th percentile, by nearest rank."""
    whose = _whose(per_person)
    place = func.row_number().over(partition_by=whose, order_by=_took).label("place")
    number = func.count().over(partition_by=whose).label("number")
    named = [column.label(f"whose_{which}") for which, column in enumerate(whose)]
    ranked = _lately(*named, _took.label("took"), place, number).where(_people).subquery()
    keys = [ranked.c[column.name] for column in named]
    ranks = [(ranked.c.number * percent + 99) / 100 for percent in (50, 90)]
    at_rank = [func.max(case((ranked.c.place <= rank, ranked.c.took))) for rank in ranks]
    return Statement(select(*keys, *at_rank).group_by(*keys))


_COUNTS: Final = {per_person: _counts(per_person) for per_person in (False, True)}
_TIMES: Final = {per_person: _times(per_person) for per_person in (False, True)}
_REVIEWS = Statement(
    select(
        reviews.c.system,
        reviews.c.approval,
        func.count(),
        func.sum(case((reviews.c.verdict == "wrong", 1), else_=0)),
    )
    .where(reviews.c.verdict != "", reviews.c.at >= bindparam("since", type_=BigInteger))
    .group_by(reviews.c.system, reviews.c.approval)
)
