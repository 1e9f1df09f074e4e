"""Reviews: what was decided without the persons who had been asked is looked at by one of them afterwards.

1. Broken glass is reviewed within `BREAK_GLASS_SECONDS`; of what standing rules decide, a sample is.
2. A review is due from the transaction that decides; its record is that of the decision.
3. Broken glass whose review is overdue stands in the way of the next break-glass of its system.
4. A review has a MAC, as a decision has. One that somebody wrote that it is done, is not done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from sqlalchemy import Integer, bindparam, func, select

from answerable.approvals.sealing.keys import Key
from answerable.errors import UnknownId
from answerable.tracing import ids
from answerable.tracing.clock import micros
from answerable.tracing.storage.statements import Statement, inserting, named
from answerable.tracing.storage.store import Tx
from answerable.tracing.storage.tables.approvals import reviews

Of: TypeAlias = Literal["break-glass", "sample"]
Verdict: TypeAlias = Literal["right", "wrong"]

BREAK_GLASS_SECONDS: Final = 24 * 3600.0
SAMPLE_SECONDS: Final = 7 * 24 * 3600.0
VERDICTS: Final[tuple[Verdict, ...]] = ("right", "wrong")
MOST: Final = 500  # that are listed at once

_INSERT = inserting(reviews)
_GET = Statement(select(*reviews.c).where(reviews.c.id == bindparam("review")))
_OF_DECISION = Statement(select(*reviews.c).where(reviews.c.decision == bindparam("decision")))
_DUE = Statement(
    select(*reviews.c)
    .where(reviews.c.verdict == "")
    .order_by(reviews.c.due_at, reviews.c.id)
    .limit(bindparam("most", type_=Integer))
)
_ALL = Statement(
    select(*reviews.c).order_by(reviews.c.due_at.desc(), reviews.c.id).limit(bindparam("most", type_=Integer))
)
_OVERDUE = Statement(
    select(*reviews.c)
    .where(
        reviews.c.system == bindparam("system"),
        reviews.c.of == "break-glass",
        reviews.c.due_at <= bindparam("at"),
    )
    .order_by(reviews.c.due_at)
)
_BROKEN = Statement(
    select(func.count())
    .select_from(reviews)
    .where(
        reviews.c.system == bindparam("system"),
        reviews.c.of == "break-glass",
        reviews.c.made_at > bindparam("since"),
        reviews.c.approval == bindparam("approval"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Review:
    """A review: of what, when it is due, and what came of it. `by` is a person's id; `verdict` is "" until then."""

    id: str
    run: str
    system: str
    approval: str
    of: str
    decision: str
    made_at: int
    due_at: int
    verdict: str
    by: str
    at: int | None
    mac: str = ""

    def genuine(self, key: Key) -> bool:
        """Whether it was written by this program with the store's key."""
        return key.holds(self.mac, "review", *self._said())

    def signed(self, key: Key) -> Review:
        """The same with its MAC."""
        return replace(self, mac=key.mac("review", *self._said()))

    def _said(self) -> tuple[object, ...]:
        return tuple(value for name, value in vars(self).items() if name != "mac")

    def state(self, *, at: int) -> str:
        """How it stands: done, due or overdue."""
        if self.verdict:
            return "done"
        return "overdue" if at >= self.due_at else "due"


def due_review(
    tx: Tx, key: Key, *, of: Of, run: str, system: str, approval: str, decision: str, due_at: int, at: int
) -> str:
    """Have a decision reviewed, in the transaction that makes it; its record says so. The id of the review."""
    id = ids.derive(ids.REVIEW, decision)
    due = Review(
        id=id,
        run=run,
        system=system,
        approval=approval,
        of=of,
        decision=decision,
        made_at=at,
        due_at=due_at,
        verdict="",
        by="",
        at=None,
    )
    tx.run(_INSERT, **vars(due.signed(key)))
    return id


def get_review(tx: Tx, id: str) -> Review:
    """The review with this id. Raises: UnknownId."""
    row = tx.one(_GET, review=id)
    if row is None:
        raise UnknownId(f"there is no review {id}", hint="`answerable reviews list` lists them")
    return Review(**named(reviews, row))


def review_of(tx: Tx, decision: str) -> Review | None:
    """The review that a decision has, if it has one."""
    row = tx.one(_OF_DECISION, decision=decision)
    return Review(**named(reviews, row)) if row else None


def all_reviews(tx: Tx, *, due_only: bool, most: int = MOST) -> list[Review]:
    """Reviews that are due, the soonest first; or all, the newest first; at most `most`."""
    return [Review(**named(reviews, row)) for row in tx.all(_DUE if due_only else _ALL, most=most)]


def overdue_break_glass(tx: Tx, key: Key, system: str, *, at: int) -> list[Review]:
    """Broken glass of a system whose review is overdue, or is said to be done by a row that is not genuine."""
    found = [Review(**named(reviews, row)) for row in tx.all(_OVERDUE, system=system, at=at)]
    return [one for one in found if not (one.verdict and one.genuine(key))]


def broken_within_a_day(tx: Tx, system: str, approval: str, *, at: int) -> int:
    """How often the glass of an approval was broken in the 24 hours before a time."""
    row = tx.one(_BROKEN, system=system, approval=approval, since=at - micros(24 * 3600))
    return int(row[0]) if row else 0
