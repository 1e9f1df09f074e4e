"""The page of statistics: how deciding goes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from answerable.approvals.who.identity import Identity
from answerable.inbox.api.statistics import Days, read_statistics
from answerable.inbox.desk import Desk
from answerable.inbox.entering import desk_of, page_reader
from answerable.inbox.pages.rendering import page

router = APIRouter(include_in_schema=False)


@router.get("/statistics")
async def show_statistics(
    request: Request,
    desk: Annotated[Desk, Depends(desk_of)],
    who: Annotated[Identity, Depends(page_reader)],
    days: Days = 30,
) -> Response:
    """How every approval was decided in the last days."""
    found = await desk.office.store.read(lambda tx: read_statistics(tx, desk, days=days))
    return page(request, "statistics.html", who=who, found=found, days=days, per_person=desk.statistics_per_person)
