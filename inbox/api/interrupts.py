"""/api/v1/interrupts: open requests as LangGraph's `HumanInterrupt`, and answers as its `HumanResponse`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from answerable.approvals.asking.listing import page_of_requests
from answerable.approvals.asking.requests import RequestRow
from answerable.approvals.asking.requests import get_request as read_request
from answerable.approvals.who.identity import Identity
from answerable.inbox.api.answers import Decided
from answerable.inbox.api.cursors import AnswersName, Cursor, Filter, Id, Limit, after, cursor_of
from answerable.inbox.api.requests import KINDS, decide
from answerable.inbox.api.shaping import HumanResponse, Interrupt, answer_of, interrupt_of
from answerable.inbox.desk import Desk
from answerable.inbox.entering import actor, desk_of, reader
from answerable.inbox.problems import documented
from answerable.tracing.storage.store import Tx

router = APIRouter(prefix="/interrupts", tags=["interrupts"])


class InterruptList(BaseModel):
    """Open requests in that shape; `next` is the cursor of the following page."""

    interrupts: list[Interrupt]
    next: str | None


@router.get("", responses=documented())
async def list_interrupts(
    desk: Annotated[Desk, Depends(desk_of)],
    _: Annotated[Identity, Depends(reader)],
    system: Filter = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> InterruptList:
    """Open requests in that shape, those first in which the most critical tier goes short."""
    where = after(cursor, "tier", KINDS["tier"])

    def look(tx: Tx) -> InterruptList:
        page = page_of_requests(tx, state="open", system=system, sort="tier", after=where, most=limit)
        whole = [row for row in page.rows if isinstance(row, RequestRow)]  # what was changed by hand has no shape
        return InterruptList(
            interrupts=[interrupt_of(tx, desk, row) for row in whole], next=cursor_of("tier", page.after)
        )

    return await desk.office.store.read(look)


@router.get("/{request}", responses=documented())
async def get_interrupt(
    request: Id, desk: Annotated[Desk, Depends(desk_of)], _: Annotated[Identity, Depends(reader)]
) -> Interrupt:
    """One request in that shape."""
    return await desk.office.store.read(lambda tx: interrupt_of(tx, desk, read_request(tx, request)))


@router.post("/{request}", status_code=201, responses=documented(409))
async def answer_interrupt(
    request: Id,
    body: HumanResponse,
    response: Response,
    desk: Annotated[Desk, Depends(desk_of)],
    who: Annotated[Identity, Depends(actor)],
    key: AnswersName = None,
) -> Decided:
    """Answer a request in that shape, with the digest that was shown: as any other answer, by the token's person."""
    row = await desk.office.store.read(lambda tx: read_request(tx, request))
    return await decide(request, answer_of(desk, row, body), response, desk, who, key)
