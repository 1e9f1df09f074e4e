"""/api/v1/statistics: how deciding goes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from answerable.approvals.deciding.statistics import statistics
from answerable.approvals.who.identity import Identity
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, reader
from answerable.inbox.problems import documented
from answerable.orchestrator.documents import handles
from answerable.tracing.clock import iso, micros
from answerable.tracing.storage.store import Tx

DAY_SECONDS = 86400
Days = Annotated[int, Query(ge=1, le=3660)]

router = APIRouter(prefix="/statistics", tags=["statistics"])


class DecidingAnswer(BaseModel):
    """How one approval was decided. Rates and times are those of people; null where nobody decided."""

    system: str
    approval: str
    person: str | None = Field(description="By whom; null where it is not counted by person.")
    number: int
    by_people: int
    outcomes: dict[str, int]
    approval_rate: float | None
    median_seconds: float | None = Field(description="From the asking to the decision.")
    p90_seconds: float | None
    fast_share: float | None = Field(description="Which share took less than five seconds.")
    broke_glass: int
    reviewed: int
    disagreed: int = Field(description="How many reviews found it wrong.")


class StatisticsAnswer(BaseModel):
    """How deciding goes, since a time."""

    since: str
    approvals: list[DecidingAnswer]


@router.get("", responses=documented())
async def get_statistics(
    desk: Annotated[Desk, Depends(desk_of)], _: Annotated[Identity, Depends(reader)], days: Days = 30
) -> StatisticsAnswer:
    """How every approval was decided in the last days; by person, if the server was started so."""
    return await desk.office.store.read(lambda tx: read_statistics(tx, desk, days=days))


def read_statistics(tx: Tx, desk: Desk, *, days: int) -> StatisticsAnswer:
    """The same, for the API and the page."""
    since, names = max(0, desk.now - micros(days * DAY_SECONDS)), handles(tx)
    per_person = desk.statistics_per_person
    return StatisticsAnswer(
        since=iso(since) or "",
        approvals=[
            DecidingAnswer(
                system=one.system,
                approval=one.approval,
                person=names.get(one.person, one.person) if per_person else None,
                number=one.number,
                by_people=one.by_people,
                outcomes=one.outcomes,
                approval_rate=one.approval_rate,
                median_seconds=one.median_seconds,
                p90_seconds=one.p90_seconds,
                fast_share=one.fast_share,
                broke_glass=one.broke_glass,
                reviewed=one.reviewed,
                disagreed=one.disagreed,
            )
            for one in statistics(tx, since=since, per_person=per_person)
        ],
    )
